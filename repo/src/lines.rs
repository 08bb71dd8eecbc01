//! Lines of texts that have much in common.

use memchr::{memchr, memrchr};

/// Whole lines of a text, without their ends.
pub(crate) struct Lines<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr(b'\n', self.0)?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(line)
    }
}

/// The first line of a text, with its end.
pub(crate) fn first_line(text: &[u8]) -> &[u8] {
    &text[..memchr(b'\n', text).map_or(text.len(), |end| end + 1)]
}

/// The last line of a text that ends with one.
pub(crate) fn last_line(text: &[u8]) -> &[u8] {
    let body = &text[..text.len().saturating_sub(1)];
    &text[memrchr(b'\n', body).map_or(0, |end| end + 1)..]
}

/// Passes over what two lists begin with in common: whole lines, without reading them one by one.
pub(crate) fn skip_common<'a>(left: &'a [u8], right: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    const STEP: usize = 256;
    let mut same = 0;
    while left.len() >= same + STEP
        && right.len() >= same + STEP
        && left[same..same + STEP] == right[same..same + STEP]
    {
        same += STEP;
    }
    same += left[same..].iter().zip(&right[same..]).take_while(|(a, b)| a == b).count();
    let start = memrchr(b'\n', &left[..same]).map_or(0, |end| end + 1);
    (&left[start..], &right[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_lines_are_passed_over_up_to_a_line_start() {
        let cases: [(&str, &str, &str, &str); 4] = [
            ("a\nb\n", "a\nc\n", "b\n", "c\n"),
            ("a\n", "a\n", "", ""),
            ("ab\n", "ac\n", "ab\n", "ac\n"),
            ("a\n", "a\nb\n", "", "b\n"),
        ];
        for (left, right, rest_left, rest_right) in cases {
            let (a, b) = skip_common(left.as_bytes(), right.as_bytes());
            assert_eq!((a, b), (rest_left.as_bytes(), rest_right.as_bytes()), "{left:?} {right:?}");
        }
        let long = "x\n".repeat(1000);
        let other = format!("{long}y\n");
        assert_eq!(skip_common(long.as_bytes(), other.as_bytes()), (&b""[..], &b"y\n"[..]));
    }
}
