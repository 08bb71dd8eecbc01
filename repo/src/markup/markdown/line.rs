//! What kind of block a line begins. Texts have line feeds only, and end with one.

/// Line feeds only, and one at the end.
pub(super) fn normalize(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1);
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
        }
        out.push(if byte == b'\r' { b'\n' } else { byte });
    }
    if out.last().is_some_and(|&last| last != b'\n') {
        out.push(b'\n');
    }
    out
}

/// Length of the first line with its line feed.
pub(super) fn line_length(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1)
}

/// How many spaces a text begins with, up to a limit.
pub(super) fn indent(text: &[u8], most: usize) -> usize {
    text.iter().take(most).take_while(|&&byte| byte == b' ').count()
}

/// How many spaces and tabs a text begins with.
pub(super) fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

pub(super) fn is_blank_line(text: &[u8]) -> bool {
    text[..line_length(text)].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n'))
}

/// Number signs and something after them.
pub(super) fn is_heading(text: &[u8]) -> bool {
    let marks = text.iter().take(6).take_while(|&&byte| byte == b'#').count();
    marks > 0 && text.get(marks + blanks(&text[marks..])).is_some_and(|&byte| byte != b'\n')
}

/// Three or more stars, dashes or underscores.
pub(super) fn is_rule(text: &[u8]) -> bool {
    let line = &text[indent(text, 3)..line_length(text)];
    let Some(mark @ (b'*' | b'-' | b'_')) = line.first().copied() else { return false };
    line.iter().all(|&byte| byte == mark || matches!(byte, b' ' | b'\n'))
        && line.iter().filter(|&&byte| byte == mark).count() >= 3
}

/// The line that makes a heading of the one before.
pub(super) fn is_underline(text: &[u8]) -> bool {
    let line = &text[..line_length(text)];
    let Some(mark @ (b'=' | b'-')) = line.first().copied() else { return false };
    let marks = line.iter().take_while(|&&byte| byte == mark).count();
    line[marks..].iter().all(|byte| matches!(byte, b' ' | b'\n'))
}

/// Length of the prefix of a quoted line.
pub(super) fn quote(text: &[u8]) -> Option<usize> {
    let at = indent(text, 3);
    match text[at..] {
        [b'>', b' ' | b'\t', ..] => Some(at + 2),
        [b'>', ..] => Some(at + 1),
        _ => None,
    }
}

/// Whether a tab or four spaces make the line code.
pub(super) fn is_code(text: &[u8]) -> bool {
    text.first() == Some(&b'\t') || indent(text, 4) == 4
}

/// Length of the indented code that begins here.
pub(super) fn code_length(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() && (is_code(&text[at..]) || is_blank_line(&text[at..])) {
        at += line_length(&text[at..]);
    }
    at
}

/// Length of the prefix of a list item.
pub(super) fn item(text: &[u8]) -> Option<usize> {
    let at = indent(text, 3);
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (digits, &text[at + digits..]) {
        (0, [b'*' | b'+' | b'-', b' ' | b'\t', ..]) => Some(at + 2),
        (1.., [b'.' | b')', b' ' | b'\t', ..]) => Some(at + digits + 2),
        _ => None,
    }
}

/// Whether the line has a bar that separates cells.
pub(super) fn is_table_row(text: &[u8]) -> bool {
    let line = &text[..line_length(text)];
    cell_bars(line).next().is_some() && line.trim_ascii() != b"|"
}

/// The bars of a line that separate cells: not escaped, not in code.
pub(super) fn cell_bars(line: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < line.len() {
            let here = at;
            at += match line[at] {
                b'|' => {
                    at += 1;
                    return Some(here);
                }
                b'\\' => 2,
                b'`' => code_span(&line[at..]),
                _ => 1,
            };
        }
        None
    })
}

/// Length of the span of code that begins here, or of its opening marks if nothing closes it.
fn code_span(line: &[u8]) -> usize {
    let marks = line.iter().take_while(|&&byte| byte == b'`').count();
    memchr::memmem::find(&line[marks..], &line[..marks]).map_or(marks, |at| at + 2 * marks)
}

/// Length of the fenced code that begins here.
pub(super) fn fenced_code(text: &[u8]) -> Option<usize> {
    let mark = *text.first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let marks = text.iter().take_while(|&&byte| byte == mark).count();
    if marks < 3 {
        return None;
    }
    let end = memchr::memmem::find(&text[marks..], &text[..marks])?;
    let mut after = marks + end + marks;
    while text.get(after) == Some(&mark) {
        after += 1;
    }
    Some(after)
}

/// A list item.
pub(super) struct Item {
    /// Its text, without prefix and indentation.
    pub(super) text: Vec<u8>,
    /// Where in the text a list of its own begins.
    pub(super) sublist: Option<usize>,
    /// Whether the text is made of blocks rather than of running text.
    pub(super) has_blocks: bool,
    /// Whether the list ends here.
    pub(super) is_last: bool,
    /// How far it goes.
    pub(super) length: usize,
}

/// Reads the list item that begins here.
pub(super) fn list_item(text: &[u8]) -> Option<Item> {
    let own_indent = indent(text, 3);
    let prefix = item(text)?;
    let mut at = line_length(text);
    let mut found = Item {
        text: text[prefix.min(at)..at].to_vec(),
        sublist: None,
        has_blocks: false,
        is_last: false,
        length: 0,
    };
    let mut after_blank = false;
    while at < text.len() {
        let line = &text[at..at + line_length(&text[at..])];
        if is_blank_line(line) {
            after_blank = true;
            at += line.len();
            continue;
        }
        let is_tabbed = line[0] == b'\t';
        let indent = if is_tabbed { 1 } else { indent(line, 4) };
        if item(&line[indent..]).is_some() && !is_rule(&line[indent..]) {
            found.has_blocks |= after_blank;
            if indent == own_indent && !is_tabbed {
                break;
            }
            found.sublist.get_or_insert(found.text.len());
        } else if after_blank && indent < 4 && !is_tabbed {
            found.is_last = true;
            break;
        } else if after_blank {
            found.text.push(b'\n');
            found.has_blocks = true;
        }
        after_blank = false;
        found.text.extend_from_slice(&line[indent..]);
        at += line.len();
    }
    found.length = at;
    Some(found)
}

/// Finds blocks of raw HTML, and remembers where the next end of each kind is, so that many beginnings with one
/// end, or none, cost one search.
#[derive(Default)]
pub(super) struct HtmlBlocks {
    comment: Ahead,
    pre: Ahead,
    script: Ahead,
}

impl HtmlBlocks {
    /// Length of the block that begins here: a comment, `<pre>` or `<script>`.
    pub(super) fn length(&mut self, text: &[u8]) -> Option<usize> {
        if text.starts_with(b"<!--") {
            let after =
                self.comment.find(text, |text| memchr::memmem::find(&text[4..], b"-->").map(|at| at + 7))?;
            let rest = &text[after..];
            return (is_blank_line(rest) && rest.len() > 1).then(|| after + line_length(rest));
        }
        if is_tag(text, b"pre") {
            return self.pre.find(text, |text| element_end(text, b"</pre>"));
        }
        if is_tag(text, b"script") {
            return self.script.find(text, |text| element_end(text, b"</script>"));
        }
        None
    }
}

/// What was found further on in the text.
#[derive(Default)]
enum Ahead {
    /// Not looked for, or passed already.
    #[default]
    Unknown,
    /// Nothing.
    Nothing,
    /// Something; so many bytes are left after it.
    Left(usize),
}

impl Ahead {
    /// Where the next end is, in a text that is the rest of the one asked about before.
    fn find(&mut self, text: &[u8], search: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        match self {
            Self::Nothing => return None,
            // Seven bytes are the shortest comment.
            Self::Left(left) if *left + 7 <= text.len() => return Some(text.len() - *left),
            Self::Left(_) | Self::Unknown => {}
        }
        let found = search(text);
        *self = found.map_or(Self::Nothing, |end| Self::Left(text.len() - end));
        found
    }
}

fn is_tag(text: &[u8], name: &[u8]) -> bool {
    text.get(1..=name.len()).is_some_and(|tag| text[0] == b'<' && tag.eq_ignore_ascii_case(name))
        && text.get(name.len() + 1).is_some_and(|byte| !byte.is_ascii_alphanumeric())
}

/// After the first end tag that is followed by a blank line or by the end.
fn element_end(text: &[u8], tag: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(text, b"</").find_map(|at| {
        let is_tag = text[at..].get(..tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag));
        let after = at + tag.len();
        if !is_tag || !is_blank_line(&text[after..]) {
            return None;
        }
        let next = after + line_length(&text[after..]);
        is_blank_line(&text[next..]).then(|| next + line_length(&text[next..]))
    })
}
