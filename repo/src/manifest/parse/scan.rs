//! Cuts an artifact into cards and tokens.

use memchr::{memchr, memchr3};

use super::Rule;

/// Reads cards from the front of a body.
///
/// A NUL separates tokens as a space does: stock reads tokens as C strings and goes on after them.
pub(super) struct Scanner<'a> {
    rest: &'a [u8],
    /// Whether the card at hand has no token left.
    at_line_end: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body, at_line_end: true }
    }

    /// The letter of the next card; none after the last.
    pub(super) fn card(&mut self) -> Result<Option<u8>, Rule> {
        if !self.at_line_end {
            return Err(Rule::ExtraToken);
        }
        let (letter, separator, rest) = match self.rest {
            [] => return Ok(None),
            [letter, separator, rest @ ..] => (*letter, *separator, rest),
            [_] => return Err(Rule::NoCard),
        };
        self.at_line_end = match separator {
            b' ' => false,
            b'\n' => true,
            _ => return Err(Rule::NoCard),
        };
        self.rest = rest;
        Ok(Some(letter))
    }

    /// The next token of the card at hand.
    pub(super) fn token(&mut self) -> Option<&'a [u8]> {
        if self.at_line_end {
            return None;
        }
        // The body ends with a line feed, so that every token has an end.
        let end = memchr3(b' ', b'\n', 0, self.rest)?;
        let token = &self.rest[..end];
        self.at_line_end = self.rest[end] == b'\n';
        self.rest = &self.rest[end + 1..];
        Some(token)
    }

    /// What comes after the cards that were read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Passes over whole lines, at the end of a line.
    pub(super) fn pass(&mut self, bytes: usize) {
        assert!(self.at_line_end, "lines are passed over from line to line");
        self.rest = &self.rest[bytes..];
    }

    /// The content after a card's line: `size` bytes and a line feed.
    pub(super) fn content(&mut self, size: usize) -> Result<&'a [u8], Rule> {
        if !self.at_line_end {
            return Err(Rule::ExtraToken);
        }
        if self.rest.get(size) != Some(&b'\n') {
            return Err(Rule::Content);
        }
        let content = &self.rest[..size];
        self.rest = &self.rest[size + 1..];
        Ok(content)
    }
}

/// Decodes a token. Stock keeps C strings: a NUL ends the text.
pub(super) fn unescape(token: &[u8]) -> Vec<u8> {
    if memchr(b'\\', token).is_none() {
        return token.to_vec();
    }
    let mut text = xfer::token::unescape(token);
    text.truncate(until_nul(&text).len());
    text
}

/// The text up to the first NUL.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    memchr(0, text).map_or(text, |end| &text[..end])
}
