//! Fossil's own markup.

use memchr::{memchr, memchr2};

use super::Links;

/// The tags that Fossil knows, sorted. Others are plain text, in which links count.
const KNOWN_TAGS: [&[u8]; 64] = [
    b"a",
    b"abbr",
    b"address",
    b"article",
    b"aside",
    b"b",
    b"big",
    b"blockquote",
    b"br",
    b"center",
    b"cite",
    b"code",
    b"col",
    b"colgroup",
    b"dd",
    b"del",
    b"dfn",
    b"div",
    b"dl",
    b"dt",
    b"em",
    b"font",
    b"footer",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"header",
    b"hr",
    b"i",
    b"img",
    b"ins",
    b"kbd",
    b"li",
    b"nav",
    b"nobr",
    b"nowiki",
    b"ol",
    b"p",
    b"pre",
    b"s",
    b"samp",
    b"section",
    b"small",
    b"span",
    b"strike",
    b"strong",
    b"sub",
    b"sup",
    b"table",
    b"tbody",
    b"td",
    b"tfoot",
    b"th",
    b"thead",
    b"title",
    b"tr",
    b"tt",
    b"u",
    b"ul",
    b"var",
    b"verbatim",
];

/// Notes every `[target]` and `[target|text]`.
pub(super) fn scan(text: &[u8], links: &mut Links) {
    let mut scanner = Scanner { text, tag_ends: None, region: Region::Markup };
    let mut at = 0;
    while let Some(found) = memchr2(b'[', b'<', &text[at..]) {
        at += found;
        at = if text[at] == b'[' { scanner.link(at, links) } else { scanner.tag(at) };
        if matches!(scanner.region, Region::Endless) {
            return;
        }
    }
}

/// How brackets are taken.
#[derive(Clone, Copy)]
enum Region {
    /// As links.
    Markup,
    /// After `<nowiki>`: as text.
    NoWiki,
    /// After `<verbatim>`: as text; afterwards as before.
    Verbatim { within_nowiki: bool },
    /// After a `<verbatim>` with an id, whose end stock does not find when it looks for links.
    Endless,
}

struct Scanner<'a> {
    text: &'a [u8],
    /// For each place, where a tag that is open there, outside of quotes, ends. Made when first needed, so that
    /// many open tags without an end cost no more than one.
    tag_ends: Option<Vec<usize>>,
    region: Region,
}

impl Scanner<'_> {
    /// Looks at a bracket and says where to go on.
    fn link(&self, at: usize, links: &mut Links) -> usize {
        let inside = &self.text[at + 1..];
        if !matches!(self.region, Region::Markup) {
            return at + 1;
        }
        let Some(end) = memchr(b']', inside) else {
            // Nothing that follows is closed either.
            return self.text.len();
        };
        let target = &inside[..memchr(b'|', &inside[..end]).unwrap_or(end)];
        let blanks = target.iter().rev().take_while(|&&byte| byte == b' ').count();
        links.note(&target[..target.len() - blanks]);
        at + 1 + end + 1
    }

    /// Looks at a `<` and says where to go on: after a tag that counts, else at the next character.
    fn tag(&mut self, at: usize) -> usize {
        let Some(end) = self.tag_end(at) else { return at + 1 };
        let tag = Tag::new(&self.text[at + 1..end]);
        match self.region {
            Region::Verbatim { within_nowiki } => {
                if !(tag.is_end && tag.is(b"verbatim")) {
                    return at + 1;
                }
                self.region = if within_nowiki { Region::NoWiki } else { Region::Markup };
            }
            _ if !tag.is_known() => return at + 1,
            _ if tag.is(b"nowiki") => self.region = if tag.is_end { Region::Markup } else { Region::NoWiki },
            _ if tag.is(b"verbatim") && !tag.is_end => {
                let within_nowiki = matches!(self.region, Region::NoWiki);
                self.region = if tag.has_id() { Region::Endless } else { Region::Verbatim { within_nowiki } };
            }
            _ => {}
        }
        end
    }

    /// The end of the tag that begins at `at`, if one does.
    fn tag_end(&mut self, at: usize) -> Option<usize> {
        let text = self.text;
        let name = at + 1 + usize::from(text.get(at + 1) == Some(&b'/'));
        if !text.get(name)?.is_ascii_alphabetic() {
            return None;
        }
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let after = name + text[name..].iter().take_while(|byte| is_name(byte)).count();
        match text[after..] {
            [b'/', b'>', ..] => Some(after + 2),
            [b'>', ..] => Some(after + 1),
            [blank, ..] if is_blank(blank) => {
                let end = self.tag_ends.get_or_insert_with(|| tag_ends(text))[after];
                (end < text.len()).then_some(end + 1)
            }
            _ => None,
        }
    }
}

/// For each place outside of quotes the place of the next `>` outside of quotes, or the length of the text.
fn tag_ends(text: &[u8]) -> Vec<usize> {
    let none = text.len();
    let mut ends = vec![none; text.len() + 1];
    let mut quotes = [none; 2];
    for at in (0..text.len()).rev() {
        let quote = match text[at] {
            b'>' => {
                ends[at] = at;
                continue;
            }
            b'"' => &mut quotes[0],
            b'\'' => &mut quotes[1],
            _ => {
                ends[at] = ends[at + 1];
                continue;
            }
        };
        ends[at] = if *quote == none { none } else { ends[*quote + 1] };
        *quote = at;
    }
    ends
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// A tag without its angle brackets.
struct Tag<'a> {
    is_end: bool,
    name: Vec<u8>,
    attributes: &'a [u8],
}

impl<'a> Tag<'a> {
    fn new(inside: &'a [u8]) -> Self {
        let (inside, is_end) = inside.strip_prefix(b"/").map_or((inside, false), |inside| (inside, true));
        let length = inside.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        Self { is_end, name: inside[..length].to_ascii_lowercase(), attributes: &inside[length..] }
    }

    fn is(&self, name: &[u8]) -> bool {
        self.name == name
    }

    fn is_known(&self) -> bool {
        KNOWN_TAGS.binary_search(&&self.name[..]).is_ok()
    }

    /// Whether there is an attribute `id` with a value.
    fn has_id(&self) -> bool {
        let mut rest = self.attributes;
        loop {
            rest = skip(rest, is_blank);
            if !rest.first().is_some_and(u8::is_ascii_alphabetic) {
                return false;
            }
            let value = skip(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let name = &rest[..rest.len() - value.len()];
            let Some(value) = skip(value, is_blank).strip_prefix(b"=") else {
                rest = value;
                continue;
            };
            if name.eq_ignore_ascii_case(b"id") {
                return true;
            }
            let value = skip(value, is_blank);
            rest = match value {
                [quote @ (b'"' | b'\''), value @ ..] => {
                    skip(skip(value, |byte| byte != *quote), |byte| byte == *quote)
                }
                _ => skip(value, |byte| !is_blank(byte) && byte != b'>'),
            };
        }
    }
}

fn skip(text: &[u8], unwanted: impl Fn(u8) -> bool) -> &[u8] {
    &text[text.iter().take_while(|&&byte| unwanted(byte)).count()..]
}
