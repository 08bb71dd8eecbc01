//! Part of a synced table: the rows whose key hash begins alike.

use std::fmt;
use std::str::FromStr;

use crate::ArtifactId;

/// The beginning of key hashes: 0 to 40 lower-case hex digits. The empty one stands for the whole table and is
/// written `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyPrefix(String);

/// Says that a text is no beginning of a key hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the beginning of a key hash is - or up to 40 lower-case hex digits")]
pub struct KeyPrefixError;

impl KeyPrefix {
    /// Digits of a whole key hash.
    pub const MAX_DIGITS: usize = 40;

    /// How many digits.
    pub fn digits(&self) -> usize {
        self.0.len()
    }

    /// The sixteen prefixes that are one digit longer, in order; none of a whole hash.
    pub fn children(&self) -> impl Iterator<Item = Self> {
        let digits = if self.digits() < Self::MAX_DIGITS { "0123456789abcdef" } else { "" };
        digits.chars().map(|digit| Self(format!("{}{digit}", self.0)))
    }

    /// The first and the last hash that begin so.
    pub fn range(&self) -> ([u8; 20], [u8; 20]) {
        let (mut first, mut last) = ([0_u8; 20], [0xFF_u8; 20]);
        for (at, digit) in self.0.chars().enumerate() {
            let value = digit.to_digit(16).unwrap_or(0) as u8;
            let (shift, keep) = if at % 2 == 0 { (4, 0x0F) } else { (0, 0xF0) };
            first[at / 2] = first[at / 2] & keep | value << shift;
            last[at / 2] = last[at / 2] & keep | value << shift;
        }
        (first, last)
    }

    /// Whether `key` begins so.
    pub fn covers(&self, key: &ArtifactId) -> bool {
        let (first, last) = self.range();
        (&first[..]..=&last[..]).contains(&key.as_bytes())
    }

    /// The first `digits` digits of `key`.
    pub fn of(key: &ArtifactId, digits: usize) -> Self {
        Self(key.to_string().chars().take(digits.min(Self::MAX_DIGITS)).collect())
    }

    /// The digits; empty for the whole table.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "-" } else { &self.0 })
    }
}

impl FromStr for KeyPrefix {
    type Err = KeyPrefixError;

    fn from_str(text: &str) -> Result<Self, KeyPrefixError> {
        if text == "-" {
            return Ok(Self::default());
        }
        let fits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.is_empty() || text.len() > Self::MAX_DIGITS || !text.bytes().all(fits) {
            return Err(KeyPrefixError);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha1;

    #[test]
    fn a_prefix_covers_exactly_the_hashes_that_begin_so() {
        let key = sha1(b"abc");
        for digits in 0..=40 {
            let prefix = KeyPrefix::of(&key, digits);
            assert_eq!(prefix.to_string().parse(), Ok(prefix.clone()));
            assert!(prefix.covers(&key));
            let covering = prefix.children().filter(|child| child.covers(&key)).count();
            assert_eq!(covering, usize::from(digits < 40), "{prefix}");
        }
        let odd: KeyPrefix = "a99".parse().unwrap();
        let (first, last) = odd.range();
        assert_eq!((first[..3].to_vec(), last[..3].to_vec()), (vec![0xA9, 0x90, 0], vec![0xA9, 0x9F, 0xFF]));
        assert!(!"b".parse::<KeyPrefix>().unwrap().covers(&key));
    }

    #[test]
    fn nothing_but_digits_is_a_prefix() {
        for text in ["", "g", "A", "--", " ", &"0".repeat(41)] {
            assert_eq!(text.parse::<KeyPrefix>(), Err(KeyPrefixError), "{text:?}");
        }
    }
}
