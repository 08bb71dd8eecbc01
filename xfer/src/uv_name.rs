//! The name of an unversioned file (reference: wire.md section 10.2).

use std::fmt;
use std::str::FromStr;

use crate::token;

/// Names an unversioned file: a relative path that every peer accepts and that fits in one token.
///
/// A name outside the rule makes a stock server refuse the whole request, so none can be built, and none
/// be sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UvName(String);

/// Says why a text names no unversioned file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UvNameError {
    /// Empty, or with a blank or NUL in it.
    #[error("the name of an unversioned file has no blanks")]
    Blank,
    /// An empty component, `.`, `..`, or a slash at either end.
    #[error("the name of an unversioned file is a plain relative path")]
    Path,
    /// A backslash, not UTF-8, beyond U+FFFF, or no character for interchange.
    #[error("the name of an unversioned file has only characters up to U+FFFF, and no backslash")]
    Character,
}

impl UvName {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, UvNameError> {
        let name = name.into();
        if !token::is_token(name.as_bytes()) {
            return Err(UvNameError::Blank);
        }
        if !name.chars().all(is_portable) {
            return Err(UvNameError::Character);
        }
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(UvNameError::Path);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a token.
    pub(crate) fn from_token(token: &[u8]) -> Result<Self, UvNameError> {
        Self::new(str::from_utf8(token).map_err(|_| UvNameError::Character)?)
    }
}

impl fmt::Display for UvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for UvName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for UvName {
    type Err = UvNameError;

    fn from_str(text: &str) -> Result<Self, UvNameError> {
        Self::new(text)
    }
}

/// Old Windows knows nothing beyond U+FFFF; private use and non-characters mean something else everywhere.
fn is_portable(c: char) -> bool {
    !matches!(c, '\\' | '\u{E000}'..='\u{F8FF}' | '\u{FDD0}'..='\u{FDEF}' | '\u{FFFE}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_paths_are_names() {
        for name in ["a", "a.txt", "dir/sub/b", ".hidden", "a/..b", "...", "Gr\u{fc}\u{df}e.txt", "\u{fffd}"]
        {
            assert_eq!(UvName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_stock_refuses_is_no_name() {
        let cases = [
            ("", UvNameError::Blank),
            ("a b", UvNameError::Blank),
            ("a\u{b}b", UvNameError::Blank),
            ("a\0b", UvNameError::Blank),
            ("/a", UvNameError::Path),
            ("a/", UvNameError::Path),
            ("a//b", UvNameError::Path),
            (".", UvNameError::Path),
            ("..", UvNameError::Path),
            ("../a", UvNameError::Path),
            ("a/./b", UvNameError::Path),
            ("a/..", UvNameError::Path),
            ("a\\b", UvNameError::Character),
            ("\u{e000}", UvNameError::Character),
            ("\u{fdd0}", UvNameError::Character),
            ("\u{fffe}", UvNameError::Character),
            ("\u{1f600}", UvNameError::Character),
        ];
        for (name, error) in cases {
            assert_eq!(UvName::new(name), Err(error), "{name:?}");
        }
        assert_eq!(UvName::from_token(b"a\xff"), Err(UvNameError::Character));
    }
}
