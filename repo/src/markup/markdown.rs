//! Fossil's dialect of Markdown, as far as links go: which bytes are running text, and which references exist.
//!
//! Emphasis is not looked at. It matters to links only where a star or underscore opens before a bracket and
//! closes inside it.

mod inline;
mod line;
mod reference;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use self::line::{is_blank_line, line_length};
use super::Links;

/// Quotes and lists deeper than this are not looked into.
const MAX_DEPTH: u32 = 32;

/// Notes the target of every link.
pub(super) fn scan(text: &[u8], links: &mut Links) {
    let mut document =
        Document { links, references: Vec::new(), notes: BTreeMap::new(), pending: Vec::new() };
    let body = document.take_definitions(&line::normalize(text));
    document.references.sort_by(|(one, _), (other, _)| one.cmp(other));
    document.blocks(&body, 0);
    while let Some(note) = document.pending.pop() {
        document.blocks(&note, 0);
    }
}

/// What is known of the text at hand.
struct Document<'l> {
    links: &'l mut Links,
    /// Labels and their targets, sorted by label.
    references: Vec<(Vec<u8>, Vec<u8>)>,
    /// Footnotes not referred to so far, by label.
    notes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Footnotes that were referred to and not looked at.
    pending: Vec<Vec<u8>>,
}

impl Document<'_> {
    /// Takes definitions of references and footnotes out of the text. A reference leaves an empty line.
    fn take_definitions(&mut self, text: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let taken = if let Some(length) = self.take_note(rest) {
                length
            } else if let Some(length) = self.take_reference(rest) {
                body.push(b'\n');
                length
            } else {
                let length = line_length(rest);
                body.extend_from_slice(&rest[..length]);
                length
            };
            rest = &rest[taken..];
        }
        body
    }

    fn take_note(&mut self, text: &[u8]) -> Option<usize> {
        let note = reference::note(text)?;
        // Two notes of one label are one note.
        self.notes.entry(note.label).or_default().extend_from_slice(&note.text);
        Some(note.length)
    }

    fn take_reference(&mut self, text: &[u8]) -> Option<usize> {
        let definition = reference::definition(text)?;
        if !definition.label.is_empty() {
            self.references.push((definition.label, definition.target.to_vec()));
        }
        Some(definition.length)
    }

    /// The target of a label. Of several, the one that a search by halves meets first, as in stock.
    fn reference(&self, label: &[u8]) -> Option<&[u8]> {
        let (mut low, mut high) = (0, self.references.len());
        while low < high {
            let middle = low.midpoint(high);
            let (known, target) = &self.references[middle];
            match label.cmp(known) {
                Ordering::Less => high = middle,
                Ordering::Equal => return Some(target),
                Ordering::Greater => low = middle + 1,
            }
        }
        None
    }

    fn blocks(&mut self, text: &[u8], depth: u32) {
        if depth > MAX_DEPTH {
            return;
        }
        let mut rest = text;
        // HTML blocks without an end are looked for once.
        let mut html = line::HtmlBlocks::default();
        while !rest.is_empty() {
            let length = self.block(rest, depth, &mut html);
            rest = &rest[length.clamp(1, rest.len())..];
        }
    }

    /// Looks at one block and says how long it is.
    fn block(&mut self, text: &[u8], depth: u32, html: &mut line::HtmlBlocks) -> usize {
        if line::is_heading(text) {
            let length = line_length(text);
            self.inline(&text[..length]);
            return length;
        }
        if let Some(length) = html.length(text) {
            return length;
        }
        if is_blank_line(text) || line::is_rule(text) {
            return line_length(text);
        }
        if line::quote(text).is_some() {
            return self.quote(text, depth);
        }
        if line::is_code(text) {
            return line::code_length(text);
        }
        if line::item(text).is_some() {
            return self.list(text, depth);
        }
        if line::is_table_row(text) {
            return self.table(text);
        }
        if let Some(length) = line::fenced_code(text) {
            return length;
        }
        self.paragraph(text)
    }

    fn quote(&mut self, text: &[u8], depth: u32) -> usize {
        let mut inside = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = at + line_length(&text[at..]);
            let line = &text[at..end];
            let prefix = line::quote(line);
            let next_is_text =
                end >= text.len() || (line::quote(&text[end..]).is_none() && !is_blank_line(&text[end..]));
            if prefix.is_none() && is_blank_line(line) && next_is_text {
                break;
            }
            inside.extend_from_slice(&line[prefix.unwrap_or(0)..]);
            at = end;
        }
        self.blocks(&inside, depth + 1);
        at
    }

    fn list(&mut self, text: &[u8], depth: u32) -> usize {
        let mut at = 0;
        let mut has_blocks = false;
        while at < text.len() {
            let Some(item) = line::list_item(&text[at..]) else { break };
            has_blocks |= item.has_blocks;
            let (head, sublist) = item.text.split_at(item.sublist.unwrap_or(item.text.len()));
            if has_blocks {
                self.blocks(head, depth + 1);
            } else {
                self.inline(head);
            }
            self.blocks(sublist, depth + 1);
            at += item.length;
            if item.is_last {
                break;
            }
        }
        at
    }

    fn table(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while at < text.len() && line::is_table_row(&text[at..]) {
            let row = &text[at..at + line_length(&text[at..])];
            let mut start = 0;
            for bar in line::cell_bars(row) {
                self.inline(&row[start..bar]);
                start = bar + 1;
            }
            self.inline(&row[start..]);
            at += row.len();
        }
        at
    }

    fn paragraph(&mut self, text: &[u8]) -> usize {
        let mut last_line = 0;
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if at > 0 && line::is_underline(rest) {
                self.inline(&text[..last_line]);
                self.inline(&text[last_line..at]);
                return at + line_length(rest);
            }
            if at > 0 && (is_blank_line(rest) || rest[0] == b'#' || line::is_rule(rest)) {
                break;
            }
            last_line = at;
            at += line_length(rest);
        }
        self.inline(&text[..at]);
        at
    }
}
