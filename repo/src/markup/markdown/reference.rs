//! Definitions of references and of footnotes.

use super::line::{blanks, indent, is_blank_line, line_length};

/// `[label]: target "title"`.
pub(super) struct Definition<'a> {
    pub(super) label: Vec<u8>,
    pub(super) target: &'a [u8],
    /// How far it goes.
    pub(super) length: usize,
}

/// `[^label]: text` and the indented lines below.
pub(super) struct Note {
    pub(super) label: Vec<u8>,
    pub(super) text: Vec<u8>,
    /// How far it goes.
    pub(super) length: usize,
}

/// The form in which labels are compared: lower case, runs of white space as one blank.
pub(super) fn label(text: &[u8]) -> Vec<u8> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut label = words.next().unwrap_or_default().to_ascii_lowercase();
    for word in words {
        label.push(b' ');
        label.extend(word.to_ascii_lowercase());
    }
    label
}

/// Up to three blanks, then a label in brackets and a colon: the label and where the rest begins.
fn head(text: &[u8]) -> Option<(&[u8], usize)> {
    let start = indent(text, 3);
    if text.get(start) != Some(&b'[') {
        return None;
    }
    let inside = &text[start + 1..];
    let end = memchr::memchr2(b']', b'\n', inside)?;
    inside[end..].starts_with(b"]:").then(|| (&inside[..end], start + 1 + end + 2))
}

/// Reads the definition of a reference at the beginning of a text.
pub(super) fn definition(text: &[u8]) -> Option<Definition<'_>> {
    let (name, mut at) = head(text)?;
    at += blanks(&text[at..]);
    if text.get(at) == Some(&b'\n') {
        at += 1;
        at += blanks(&text[at..]);
    }
    at += usize::from(text.get(at) == Some(&b'<'));
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let length = rest.iter().take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n')).count();
    let target = &rest[..length];
    at += length;
    at += blanks(&text[at..]);
    let line_end = match text.get(at) {
        None | Some(b'\n') => Some((at + 1).min(text.len())),
        Some(b'\'' | b'"' | b'(') => None,
        Some(_) => return None,
    };
    let title_at = line_end.map_or(at, |end| end + blanks(&text[end..]));
    let length = title(&text[title_at..]).map(|length| title_at + length).or(line_end)?;
    Some(Definition { label: label(name), target: target.strip_suffix(b">").unwrap_or(target), length })
}

/// Length of the line, if it is a title: quoted, alone on its line.
fn title(text: &[u8]) -> Option<usize> {
    let length = line_length(text);
    let line = text[..length].trim_ascii_end();
    matches!(line, [b'\'' | b'"' | b'(', .., b'\'' | b'"' | b')'] if line.len() > 2).then_some(length)
}

/// Reads a footnote at the beginning of a text.
pub(super) fn note(text: &[u8]) -> Option<Note> {
    let (name, at) = head(text)?;
    let name = name.strip_prefix(b"^")?;
    let first_end = line_length(text).max(at);
    let mut found = Note {
        label: label(name),
        text: text[at + blanks(&text[at..first_end])..first_end].to_vec(),
        length: first_end,
    };
    // The first line below says how far the others are indented.
    let margin = blanks(&text[first_end..]);
    while found.length < text.len() {
        let line = &text[found.length..found.length + line_length(&text[found.length..])];
        if is_blank_line(line) || margin < 2 || blanks(line) < margin {
            break;
        }
        found.text.extend_from_slice(&line[margin..]);
        found.length += line.len();
    }
    Some(found)
}
