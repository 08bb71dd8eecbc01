//! What others said, for logs and traces: as much of it as those may have.

use std::borrow::Cow;

/// Most bytes of it that are told.
const MOST: usize = 1024;

/// The text itself, or its first KiB and `…` where it is longer: nobody may fill our log, or a collector, by saying much.
///
/// ```
/// assert_eq!(sync::short("all of it"), "all of it");
/// assert!(sync::short(&"ä".repeat(1 << 20)).len() < 1100);
/// ```
pub fn short(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST {
        return text.into();
    }
    let (begin, _) = text.split_at(text.floor_char_boundary(MOST));
    format!("{begin}…").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        for (text, told) in [
            (String::new(), String::new()),
            ("x".repeat(1024), "x".repeat(1024)),
            ("x".repeat(1025), "x".repeat(1024) + "…"),
            ("x".repeat(1023) + "ä", "x".repeat(1023) + "…"),
            ("ä".repeat(1 << 20), "ä".repeat(512) + "…"),
        ] {
            assert_eq!(short(&text), told);
        }
    }
}
