//! Numbers as people read them, and where they lie on an axis.

/// A time of so many seconds, in two units at most.
pub(super) fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => of_two(seconds, 60, "min", 1, "s"),
        3600..86_400 => of_two(seconds, 3600, "h", 60, "min"),
        _ => of_two(seconds, 86_400, "d", 3600, "h"),
    }
}

fn of_two(seconds: u64, large: u64, name: &str, small: u64, rest_name: &str) -> String {
    match seconds % large / small {
        0 => format!("{} {name}", seconds / large),
        rest => format!("{} {name} {rest} {rest_name}", seconds / large),
    }
}

/// A number of bytes.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1000.0 {
            let digits = usize::from(value < 10.0 && unit != "B");
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// The end of an axis of seconds that goes up to `most` at least, in steps that people count in, and how many steps.
pub(super) fn axis(most: u64) -> (u64, u64) {
    const STEPS: [u64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400];
    let most = most.max(4);
    let fits = |step: &u64| most.div_ceil(*step) <= 4;
    let step =
        STEPS.into_iter().find(fits).unwrap_or_else(|| most.div_ceil(4 * 86_400).saturating_mul(86_400));
    let count = most.div_ceil(step);
    (step.saturating_mul(count), count)
}

/// No more than so many characters, from both ends.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let head = most * 2 / 3;
    let tail = most.saturating_sub(head + 1);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(count - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h")]
        {
            assert_eq!(time(seconds), text);
        }
        for (count, text) in [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (123_456_789, "123 MB")] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("http://hub.example/path", 10), "http:/…ath");
    }

    #[test]
    fn an_axis_has_few_steps_and_reaches_the_most() {
        for (most, end, count) in
            [(0, 4, 4), (5, 6, 3), (9, 10, 2), (50, 60, 4), (3601, 5400, 3), (10 * 86_400, 12 * 86_400, 4)]
        {
            assert_eq!(axis(most), (end, count), "{most}");
        }
        assert!(axis(u64::MAX).0 >= u64::MAX / 2);
    }
}
