//! The name of a synced table, or of one of its columns.

use std::fmt;
use std::str::FromStr;

/// Names a synced table or one of its columns: up to 64 of `a-z`, `0-9` and `_`, no digit first, so that it can
/// stand in SQL as it is. Names that begin with `fx_` are kept for what is beside the declared columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlName(String);

/// Says why a text names no table and no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SqlNameError {
    /// Empty, or longer than [`SqlName::MAX_BYTES`].
    #[error("a name of a table or column has 1 to {} letters", SqlName::MAX_BYTES)]
    Length,
    /// A character that SQL would need quotes for, or a digit first.
    #[error("a name of a table or column has only a-z, 0-9 and _, and no digit first")]
    Character,
    /// Begins with `fx_`.
    #[error("names that begin with fx_ are reserved")]
    Reserved,
}

impl SqlName {
    /// Bytes of the longest name.
    pub const MAX_BYTES: usize = 64;

    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, SqlNameError> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_BYTES {
            return Err(SqlNameError::Length);
        }
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if !name.bytes().all(fits) || name.as_bytes()[0].is_ascii_digit() {
            return Err(SqlNameError::Character);
        }
        if name.starts_with("fx_") {
            return Err(SqlNameError::Reserved);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SqlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SqlName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for SqlName {
    type Err = SqlNameError;

    fn from_str(text: &str) -> Result<Self, SqlNameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sql_takes_without_quotes_is_a_name() {
        let longest = "a".repeat(64);
        for name in ["a", "_", "peer_registry", "x2", "order", "f", "fx", &longest] {
            assert_eq!(SqlName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn whatever_could_mean_more_to_sql_is_no_name() {
        let too_long = "a".repeat(65);
        let cases = [
            ("", SqlNameError::Length),
            (too_long.as_str(), SqlNameError::Length),
            ("1a", SqlNameError::Character),
            ("A", SqlNameError::Character),
            ("a b", SqlNameError::Character),
            ("a\"b", SqlNameError::Character),
            ("a;drop", SqlNameError::Character),
            ("a\0", SqlNameError::Character),
            ("gr\u{fc}n", SqlNameError::Character),
            ("fx_key", SqlNameError::Reserved),
        ];
        for (name, error) in cases {
            assert_eq!(SqlName::new(name), Err(error), "{name:?}");
        }
    }
}
