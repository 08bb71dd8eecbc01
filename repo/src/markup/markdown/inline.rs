//! Links in running text.

use memchr::memchr;

use super::Document;
use super::reference;

impl Document<'_> {
    /// Notes the links of a piece of running text.
    pub(super) fn inline(&mut self, text: &[u8]) {
        if memchr(b'[', text).is_none() {
            return;
        }
        let mut text = Inline::new(text);
        while let Some(link) = text.next_link() {
            let target = match link {
                Link::To(target) => target,
                Link::Reference(label) => {
                    let Some(target) = self.reference(&label) else {
                        text.forget_link();
                        continue;
                    };
                    target.to_vec()
                }
                Link::Note(label) => {
                    self.pending.extend(self.notes.remove(&label));
                    continue;
                }
            };
            if !text.is_image {
                self.links.note(&target);
            }
        }
    }
}

/// What a bracket leads to.
enum Link {
    To(Vec<u8>),
    Reference(Vec<u8>),
    Note(Vec<u8>),
}

/// Running text, read from front to back. Texts of links are read like any text, then the reading goes on after
/// their targets.
struct Inline<'a> {
    text: &'a [u8],
    at: usize,
    /// For each opening bracket its closing one, or 0.
    closing: Vec<usize>,
    code: CodeMarks,
    parenthesis: Next,
    angle: Next,
    comment: Next,
    /// Where texts of links end, and where to go on after them.
    open: Vec<(usize, usize)>,
    /// The place after the last bracket, to return to if it led nowhere.
    after_bracket: usize,
    depth_before: usize,
    /// Whether the last link is an image, whose target and text do not count.
    is_image: bool,
}

impl<'a> Inline<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            closing: closing_brackets(text),
            code: CodeMarks::new(text),
            parenthesis: Next::new(|text, at| text[at] == b')' && text[at - 1] != b'\\'),
            angle: Next::new(|text, at| text[at] == b'>'),
            comment: Next::new(|text, at| text[at..].starts_with(b"-->")),
            open: Vec::new(),
            after_bracket: 0,
            depth_before: 0,
            is_image: false,
        }
    }

    /// Where the text at hand ends: the text of the innermost link, or all.
    fn limit(&self) -> usize {
        self.open.last().map_or(self.text.len(), |(end, _)| *end)
    }

    /// Takes the last link back: its label is not defined.
    fn forget_link(&mut self) {
        self.open.truncate(self.depth_before);
        self.at = self.after_bracket;
    }

    fn next_link(&mut self) -> Option<Link> {
        loop {
            while let Some(&(end, after)) = self.open.last() {
                if self.at < end {
                    break;
                }
                self.open.pop();
                self.at = self.at.max(after);
            }
            let at = self.at;
            let limit = self.limit();
            self.at += match self.text.get(at)? {
                b'\\' => 2,
                b'`' => self.code.span(at, limit).unwrap_or(1),
                b'<' => self.tag(at).filter(|end| *end <= limit).map_or(1, |end| end - at),
                b'[' => match self.link(at, limit) {
                    Some(link) => return Some(link),
                    None => 1,
                },
                _ => 1,
            };
        }
    }

    /// Reads the link at a bracket and goes on in its text, or after it if that is not looked at.
    fn link(&mut self, at: usize, limit: usize) -> Option<Link> {
        let end = self.closing[at];
        if end == 0 || end >= limit {
            return None;
        }
        let inside = &self.text[at + 1..end];
        if let Some(label) = inside.strip_prefix(b"^") {
            self.enter(at, at + 1, end + 1);
            self.at = end + 1;
            return Some(Link::Note(reference::label(label)));
        }
        let gap =
            self.text[end + 1..limit].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n')).count();
        let next = end + 1 + gap;
        let (link, after) = match &self.text[next..limit] {
            [b'(', b'^', ..] => return None,
            [b'(', rest @ ..] => {
                let close = self.parenthesis.from(next + 1, self.text)?;
                let inside = rest.get(..close - next - 1).filter(|_| close < limit)?;
                (Link::To(target(inside)), close + 1)
            }
            [b'[', rest @ ..] => {
                let close = memchr(b']', rest)?;
                let after = next + 1 + close + 1;
                match &rest[..close] {
                    b"" => (Link::Reference(reference::label(inside)), after),
                    [b'^', label @ ..] => (Link::Note(reference::label(label)), after),
                    label => (Link::Reference(reference::label(label)), after),
                }
            }
            _ => (Link::Reference(reference::label(inside)), end + 1),
        };
        self.enter(at, end, after);
        Some(link)
    }

    /// The end of the tag, comment or bare address that begins at a place.
    fn tag(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        if rest.starts_with(b"<!--") {
            return self.comment.from(at + 4, self.text).map(|end| end + 3);
        }
        let name = if rest.starts_with(b"</") { 2 } else { 1 };
        if !rest.get(name)?.is_ascii_alphabetic() {
            return None;
        }
        self.angle.from(at + name, self.text).map(|end| end + 1)
    }

    fn enter(&mut self, at: usize, end: usize, after: usize) {
        self.after_bracket = at + 1;
        self.depth_before = self.open.len();
        self.is_image = at > 0 && self.text[at - 1] == b'!';
        if self.is_image {
            self.at = after;
        } else {
            self.at = at + 1;
            self.open.push((end, after));
        }
    }
}

/// Pairs brackets up; a backslash takes the meaning from the one after it.
fn closing_brackets(text: &[u8]) -> Vec<usize> {
    let mut closing = vec![0; text.len()];
    let mut open = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'[' => open.push(at),
            b']' => {
                if let Some(start) = open.pop() {
                    closing[start] = at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    closing
}

/// The target between parentheses: up to a title, without blanks, angle brackets and backslashes.
fn target(inside: &[u8]) -> Vec<u8> {
    let end = memchr::memchr2(b'\'', b'"', inside).unwrap_or(inside.len());
    let is_title = matches!(inside.trim_ascii_end().last(), Some(b'\'' | b'"'));
    if end < inside.len() && !is_title {
        return Vec::new();
    }
    let target = inside[..end].trim_ascii();
    let target = target.strip_prefix(b"<").unwrap_or(target);
    let target = target.strip_suffix(b">").unwrap_or(target);
    target.iter().copied().filter(|&byte| byte != b'\\').collect()
}

/// The next place that passes a test, remembered so that asking along the text takes linear time.
struct Next {
    is_it: fn(&[u8], usize) -> bool,
    /// Between these two places there is none; the second is one, or the end.
    known: Option<(usize, usize)>,
}

impl Next {
    fn new(is_it: fn(&[u8], usize) -> bool) -> Self {
        Self { is_it, known: None }
    }

    /// The first at or after a place that is not 0.
    fn from(&mut self, at: usize, text: &[u8]) -> Option<usize> {
        let (start, place) = match self.known {
            Some((start, place)) if at >= start && at <= place => (start, place),
            Some((start, place)) if at < start => {
                let nearer = (at..start).find(|&at| (self.is_it)(text, at));
                (at, nearer.unwrap_or(place))
            }
            _ => (at, (at..text.len()).find(|&at| (self.is_it)(text, at)).unwrap_or(text.len())),
        };
        self.known = Some((start, place));
        (place < text.len()).then_some(place)
    }
}

/// The runs of backticks of a text.
struct CodeMarks {
    /// Start and length.
    runs: Vec<(usize, usize)>,
    /// The longest run after each.
    longest_after: Vec<usize>,
}

impl CodeMarks {
    fn new(text: &[u8]) -> Self {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for at in memchr::memchr_iter(b'`', text) {
            match runs.last_mut() {
                Some((start, length)) if *start + *length == at => *length += 1,
                _ => runs.push((at, 1)),
            }
        }
        let mut longest_after = vec![0; runs.len()];
        for run in (1..runs.len()).rev() {
            longest_after[run - 1] = longest_after[run].max(runs[run].1);
        }
        Self { runs, longest_after }
    }

    /// Length of the span of code that begins at a backtick, if it is closed before `limit`.
    fn span(&self, at: usize, limit: usize) -> Option<usize> {
        let run = self.runs.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        let marks = self.runs[run].0 + self.runs[run].1 - at;
        if self.longest_after[run] < marks {
            return None;
        }
        let (start, _) = self.runs[run + 1..].iter().find(|(_, length)| *length >= marks)?;
        (start + marks <= limit).then(|| start + marks - at)
    }
}
