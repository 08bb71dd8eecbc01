//! Cards as stock reads them (reference: wire.md section 2).

use xfer::ArtifactId;

use super::{Trip, trip};

/// One card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its tokens, as they are escaped; none of a comment.
    pub words: Vec<String>,
    /// What follows the line.
    pub payload: Vec<u8>,
    /// Where the next card begins.
    pub end: usize,
    /// The text of a comment.
    pub comment: Option<String>,
}

/// Tokens that stock keeps of a line.
const TOKENS: usize = 6;

/// What becomes of a line without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// A server takes it for a bad command.
    Bad,
    /// A client passes it over.
    Skipped,
}

/// Reads a request.
pub fn read(text: &[u8]) -> Result<Vec<Line>, Trip> {
    read_from(text, Blank::Bad)
}

/// Reads a message.
pub fn read_from(text: &[u8], blank: Blank) -> Result<Vec<Line>, Trip> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return trip("the last line has no end");
        };
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        at += length + 1;
        if let Some(comment) = line.strip_prefix('#') {
            let comment = Some(comment.to_owned());
            lines.push(Line { words: Vec::new(), payload: Vec::new(), end: at, comment });
            continue;
        }
        let words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        let Some(command) = words.first() else {
            if blank == Blank::Skipped {
                continue;
            }
            return trip("a blank line");
        };
        if words.len() > TOKENS && command != "pragma" {
            return trip(format!("more than six tokens: {line}"));
        }
        let size = payload_size(&words)?;
        let skipped = usize::from(command == "config");
        let Some(payload) = text.get(at..at + size) else { return trip(format!("cut short: {line}")) };
        at += size + skipped;
        lines.push(Line { payload: payload.to_vec(), end: at, comment: None, words });
    }
    Ok(lines)
}

fn payload_size(words: &[String]) -> Result<usize, Trip> {
    let number = |place: usize| {
        let word = words.get(place).map(String::as_str).unwrap_or_default();
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let size = word.parse::<usize>().ok().filter(|&size| digits && size <= i32::MAX as usize);
        size.ok_or_else(|| Trip(format!("malformed line: {}", words.join(" "))))
    };
    match (words[0].as_str(), words.len()) {
        ("file", 3 | 4) | ("cfile", 4 | 5) => number(words.len() - 1),
        ("config", 3) => number(2),
        ("uvfile", 6) if number(5)? & 5 != 0 => Ok(0),
        ("uvfile", 6) => number(4),
        ("file" | "cfile" | "uvfile", _) => trip(format!("malformed line: {}", words.join(" "))),
        _ => Ok(0),
    }
}

/// A name, in the only case that ever matches.
pub fn id(word: &str) -> Result<ArtifactId, Trip> {
    ArtifactId::from_hex(word.as_bytes()).map_err(|_| Trip(format!("{word} is no name")))
}

/// A token, as it is written.
pub fn escaped(text: &str) -> String {
    String::from_utf8_lossy(&xfer::token::escape(text.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_card_by_card() {
        let lines = read(b"push a b\nfile 00 3\nabcigot 00\n# x\n").unwrap();
        let words: Vec<String> = lines.iter().map(|line| line.words.join(" ")).collect();
        assert_eq!(words, ["push a b", "file 00 3", "igot 00", ""]);
        assert_eq!(lines[1].payload, b"abc");
        assert_eq!(lines[3].comment.as_deref(), Some(" x"));
    }

    #[test]
    fn what_stock_would_misread_trips() {
        for text in ["pull a b", "pull a b\n\n", "file 00 9\nabc\n", "file 00 -1\n", "a b c d e f g\n"] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
