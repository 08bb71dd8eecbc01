//! Finds the hashes that a text links to (reference: repo.md section 6.13).
//!
//! Two small scanners of our own, because the question is what stock takes for a link and both markups are
//! dialects: Fossil's wiki is nobody else's, and its Markdown looks for links inside `<div>` blocks, between
//! `]` and `(` over white space, and in tables and footnotes by its own rules, where a CommonMark parser sees
//! raw HTML or plain text. Both take linear time and keep no more than a small multiple of the text.

mod markdown;
mod wiki;

use std::collections::BTreeSet;

use crate::Text;

/// Which artifact hashes (4 to 64 lower-case digits, as given) a text links to, in order, each once.
/// `mimetype` none or containing "wiki" is Fossil wiki, containing "markdown" is Markdown, else nothing is linked.
pub fn backlinks(text: &[u8], mimetype: Option<&Text>) -> Vec<String> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut links = Links::default();
    let contains =
        |word: &[u8]| mimetype.is_some_and(|mimetype| memchr::memmem::find(&mimetype.0, word).is_some());
    if mimetype.is_none() || contains(b"wiki") {
        wiki::scan(text, &mut links);
    } else if contains(b"markdown") {
        markdown::scan(text, &mut links);
    }
    links.found
}

/// The links found so far.
#[derive(Default)]
struct Links {
    found: Vec<String>,
    known: BTreeSet<String>,
}

impl Links {
    /// Notes what a link points to, if that can be a hash.
    fn note(&mut self, target: &[u8]) {
        let target = match target.strip_prefix(b"/info/") {
            Some(hash) if target.len() >= 10 => hash,
            _ => target,
        };
        if !(4..=64).contains(&target.len()) || !target.iter().all(u8::is_ascii_hexdigit) {
            return;
        }
        let Ok(target) = String::from_utf8(target.to_ascii_lowercase()) else { return };
        if self.known.insert(target.clone()) {
            self.found.push(target);
        }
    }
}

#[cfg(test)]
mod tests;
