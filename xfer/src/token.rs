//! Token escaping ("fossilize", reference: wire.md section 2.3).

/// Each byte that cannot stand in a token, and the letter that stands for it after a backslash.
const ESCAPES: [(u8, u8); 8] = [
    (0x00, b'0'),
    (b' ', b's'),
    (b'\n', b'n'),
    (b'\t', b't'),
    (b'\r', b'r'),
    (0x0B, b'v'),
    (0x0C, b'f'),
    (b'\\', b'\\'),
];

/// Escapes `text` so that it is one token.
///
/// Bytes that need no escape, UTF-8 included, pass through. The escape of an empty text is empty, which is
/// no token: a card that has to carry one writes a blank instead (see [`mod@crate::encode`]).
pub fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        push_escaped(byte, &mut out);
    }
    out
}

/// Undoes [`escape`]. A backslash before any other character yields that character; a lone one at the end stays.
pub fn unescape(token: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len());
    let mut rest = token;
    loop {
        rest = match rest {
            [b'\\', letter, more @ ..] => {
                out.push(meaning(*letter));
                more
            }
            [byte, more @ ..] => {
                out.push(*byte);
                more
            }
            [] => return out,
        };
    }
}

/// Whether `byte` ends a token: one of the blanks of the C locale.
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// Whether `text` can stand on a line as one token, without escapes.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && !text.iter().any(|&byte| is_blank(byte) || byte == 0)
}

/// Writes `byte`, escaped if it has to be.
pub(crate) fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    match ESCAPES.iter().find(|(plain, _)| *plain == byte) {
        Some((_, letter)) => out.extend([b'\\', *letter]),
        None => out.push(byte),
    }
}

fn meaning(letter: u8) -> u8 {
    ESCAPES.iter().find(|(_, known)| *known == letter).map_or(letter, |(plain, _)| *plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_has_its_escape() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"a b", b"a\\sb"),
            (b"\0 \n\t\r\x0b\x0c\\", b"\\0\\s\\n\\t\\r\\v\\f\\\\"),
            ("Gr\u{fc}\u{df}e".as_bytes(), "Gr\u{fc}\u{df}e".as_bytes()),
            (b"not authorized to read", b"not\\sauthorized\\sto\\sread"),
            (b"", b""),
        ];
        for (text, token) in cases {
            assert_eq!(escape(text), token);
            assert_eq!(unescape(token), text);
        }
    }

    #[test]
    fn unescaping_takes_what_no_escape_writes() {
        let cases: [(&[u8], &[u8]); 4] =
            [(b"\\q", b"q"), (b"a\\", b"a\\"), (b"\\\\\\", b"\\\\"), (b"\\", b"\\")];
        for (token, text) in cases {
            assert_eq!(unescape(token), text);
        }
    }
}
