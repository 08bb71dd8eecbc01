//! The name of an artifact.

use std::fmt;
use std::str::FromStr;

/// Names an artifact: the SHA-1 (20 bytes) or SHA3-256 (32 bytes) of its exact bytes.
///
/// Written as 40 or 64 lower-case hex digits. The order is the order of that text, which is the order
/// clusters and derived tables use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArtifactId {
    length: u8,
    bytes: [u8; 32],
}

/// Says why a text is no artifact name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Neither 40 nor 64 characters.
    #[error("an artifact name has 40 or 64 hex digits, not {0}")]
    Length(usize),
    /// A character that is not a lower-case hex digit.
    #[error("an artifact name has lower-case hex digits only")]
    Digit,
}

impl ArtifactId {
    /// Names an artifact by its SHA-1.
    pub const fn sha1(digest: [u8; 20]) -> Self {
        let mut bytes = [0; 32];
        let mut at = 0;
        while at < 20 {
            bytes[at] = digest[at];
            at += 1;
        }
        Self { length: 20, bytes }
    }

    /// Names an artifact by its SHA3-256.
    pub const fn sha3(digest: [u8; 32]) -> Self {
        Self { length: 32, bytes: digest }
    }

    /// Reads 40 or 64 lower-case hex digits.
    pub fn from_hex(text: &[u8]) -> Result<Self, IdError> {
        if text.len() != 40 && text.len() != 64 {
            return Err(IdError::Length(text.len()));
        }
        let mut bytes = [0; 32];
        let length = text.len() / 2;
        faster_hex::hex_decode_with_case(text, &mut bytes[..length], faster_hex::CheckCase::Lower)
            .map_err(|_| IdError::Digit)?;
        Ok(Self { length: length as u8, bytes })
    }

    /// The digest itself: 20 or 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether this is a SHA-1 name.
    pub fn is_sha1(&self) -> bool {
        self.length == 20
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl Ord for ArtifactId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for ArtifactId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        let digits = &mut text[..2 * usize::from(self.length)];
        let hex = faster_hex::hex_encode(self.as_bytes(), digits).map_err(|_| fmt::Error)?;
        f.write_str(hex)
    }
}

impl fmt::Debug for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ArtifactId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::from_hex(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "00112233445566778899aabbccddeeff00112233";
    const SHA3: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_name_is_written_as_it_was_read() {
        for text in [SHA1, SHA3] {
            let id: ArtifactId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(id.short(), "0011223344");
            assert_eq!(id.is_sha1(), text == SHA1);
            assert_eq!(id.as_bytes().len() * 2, text.len());
        }
    }

    #[test]
    fn only_lower_case_digits_of_the_right_number_are_a_name() {
        let cases = [
            ("".to_owned(), IdError::Length(0)),
            (SHA1[1..].to_owned(), IdError::Length(39)),
            (format!("{SHA3}0"), IdError::Length(65)),
            (SHA1.to_uppercase(), IdError::Digit),
            (SHA3.replace('a', "g"), IdError::Digit),
            (SHA1.replace('a', "\u{e9}")[..40].to_owned(), IdError::Digit),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<ArtifactId>(), Err(error), "{text}");
        }
    }

    #[test]
    fn names_are_ordered_as_their_text_is() {
        let mut ids: Vec<ArtifactId> = [SHA3, "ff112233445566778899aabbccddeeff00112233", SHA1]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let mut texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.sort();
        texts.sort();
        assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
    }
}
