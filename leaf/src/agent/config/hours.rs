//! Times of day.

use std::fmt;
use std::str::FromStr;

/// Times of day, in local time: `22:00-06:00`, or several of that with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hours(Vec<Span>);

/// From one minute of the day to another, which is no part of it; past midnight if that is not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u16,
    to: u16,
}

const DAY: u16 = 24 * 60;

impl Hours {
    /// Whether a minute of the day is one of them.
    pub(crate) fn contain(&self, minute: u16) -> bool {
        self.0.iter().any(|span| match span.from < span.to {
            true => (span.from..span.to).contains(&minute),
            false => minute >= span.from || minute < span.to,
        })
    }

    /// Whether they contain the time that it is now here.
    pub(crate) fn are_now(&self) -> bool {
        let now = jiff::Zoned::now();
        let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
        self.contain(minute.unsigned_abs())
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let spans = text.split(',').map(|span| {
            let (from, to) = span.trim().split_once('-')?;
            let (from, to) = (minute(from)?, minute(to)?);
            (from != to && from < DAY).then_some(Span { from, to })
        });
        let spans: Option<Vec<Span>> = spans.collect();
        spans.map(Self).ok_or_else(|| format!("{text:?} are no times of day; write them as 22:00-06:00"))
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, most: u16| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| is_plain && *number <= most)
    };
    let (hour, minute) = (number(hour, 24)?, number(minute, 59)?);
    Some(hour * 60 + minute).filter(|minute| *minute <= DAY)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Span { from, to }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_may_go_past_midnight() {
        let hours: Hours = "22:00-06:30, 12:00-13:00".parse().unwrap();
        for (minute, is_in) in [
            (22 * 60, true),
            (0, true),
            (6 * 60 + 29, true),
            (6 * 60 + 30, false),
            (12 * 60, true),
            (13 * 60, false),
            (21 * 60 + 59, false),
        ] {
            assert_eq!(hours.contain(minute), is_in, "{minute}");
        }
        assert_eq!(hours.to_string(), "22:00-06:30, 12:00-13:00");
        let all: Hours = "00:00-24:00".parse().unwrap();
        assert!((0..DAY).all(|minute| all.contain(minute)));
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for text in [
            "",
            "22:00",
            "22-06",
            "25:00-26:00",
            "24:30-01:00",
            "10:00-10:00",
            "1:00-2:00",
            "24:00-01:00",
            "a:bb-cc:dd",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
    }
}
