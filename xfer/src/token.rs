//! Token escaping ("fossilize", reference: wire.md section 2.3).

/// Escapes `text` so that it is one token.
pub fn escape(_text: &[u8]) -> Vec<u8> { unimplemented!() }

/// Undoes [`escape`]. A backslash before any other character yields that character; a lone one at the end stays.
pub fn unescape(_token: &[u8]) -> Vec<u8> { unimplemented!() }
