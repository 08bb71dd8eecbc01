//! Lists of patterns as stock's settings have them: `*` stands for any text, slashes too.

/// A list of patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Globs(Vec<Vec<u8>>);

impl Globs {
    /// Reads a list: patterns between blanks and commas, in quotes where they hold such; lines that begin with
    /// `#` count for nothing.
    pub(crate) fn parse(list: &str) -> Self {
        let is_separator = |c: char| c == ',' || c.is_ascii_whitespace();
        let mut globs = Vec::new();
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let mut rest = line.trim_start_matches(is_separator);
            while let Some(first) = rest.chars().next() {
                let glob;
                if matches!(first, '"' | '\'') {
                    let inside = &rest[1..];
                    (glob, rest) = inside.split_once(first).unwrap_or((inside, ""));
                } else {
                    (glob, rest) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
                }
                let glob = glob.trim_end_matches('/');
                if !glob.is_empty() {
                    globs.push(glob.as_bytes().to_vec());
                }
                rest = rest.trim_start_matches(is_separator);
            }
        }
        Self(globs)
    }

    /// Whether one of them stands for this name.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.0.iter().any(|glob| matches(glob, name))
    }
}

/// Whether a pattern stands for a text. Only the last `*` is ever gone back to, so that no pattern takes long.
fn matches(mut glob: &[u8], mut text: &[u8]) -> bool {
    let mut back: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = glob {
            (glob, back) = (rest, Some((rest, text)));
            continue;
        }
        let next = match text {
            [] if glob.is_empty() => return true,
            [] => None,
            text => step(glob, text),
        };
        if let Some(next) = next {
            (glob, text) = next;
            continue;
        }
        let Some((after, from)) = back else { return false };
        let [_, from @ ..] = from else { return false };
        (glob, text) = (after, from);
        back = Some((after, from));
    }
}

/// Matches one character; gives what is left of pattern and text.
fn step<'g, 't>(glob: &'g [u8], text: &'t [u8]) -> Option<(&'g [u8], &'t [u8])> {
    let (c, after) = character(text);
    match glob {
        [] => None,
        [b'?', rest @ ..] => Some((rest, after)),
        [b'[', set @ ..] => {
            let (is_in, rest) = in_set(set, c)?;
            is_in.then_some((rest, after))
        }
        [byte, rest @ ..] => (*byte == text[0]).then_some((rest, &text[1..])),
    }
}

/// Whether a character is in the set that begins here, and what follows the set; none if it has no end.
fn in_set(set: &[u8], c: u32) -> Option<(bool, &[u8])> {
    let (is_inverted, mut rest) = match set {
        [b'^', rest @ ..] => (true, rest),
        set => (false, set),
    };
    let (mut is_in, mut is_first) = (false, true);
    loop {
        if let [b']', after @ ..] = rest
            && !is_first
        {
            return Some((is_in != is_inverted, after));
        }
        if rest.is_empty() {
            return None;
        }
        let (low, after) = character(rest);
        let (mut high, mut after) = (low, after);
        if let [b'-', end @ ..] = after
            && !matches!(end, [] | [b']', ..])
        {
            (high, after) = character(end);
        }
        is_in |= (low..=high).contains(&c);
        (rest, is_first) = (after, false);
    }
}

/// The first character of a text that is not empty, and the rest. A byte that is not UTF-8 counts as one.
fn character(text: &[u8]) -> (u32, &[u8]) {
    let length = match text[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    match text.get(..length).map(std::str::from_utf8) {
        Some(Ok(one)) => (one.chars().next().map_or(0, u32::from), &text[length..]),
        _ => (u32::from(text[0]), &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stock 2.21 leaves out of `fossil extras` with each setting.
    #[test]
    fn patterns_are_those_of_stock() {
        let names = ["build", "src/build", "src/m.o", "src/m.c", "a", "a/b c", "a/qo", "top.o", "X.O"];
        for (list, expected) in [
            ("build", &["build"][..]),
            ("build/", &["build"]),
            ("./build BUILD [b", &[]),
            ("[]b]uild", &["build"]),
            ("*.o", &["src/m.o", "top.o"]),
            ("\\*.o", &[]),
            ("*/build", &["src/build"]),
            ("*build*", &["build", "src/build"]),
            ("src/m.?", &["src/m.o", "src/m.c"]),
            ("a/[bq]*", &["a/b c", "a/qo"]),
            ("a/[!q]*", &["a/qo"]),
            ("a/[a-m]*", &["a/b c"]),
            ("[^s]*", &["build", "a", "a/b c", "a/qo", "top.o", "X.O"]),
            ("\"a/b c\"", &["a/b c"]),
            ("'a/b c' , top.o", &["a/b c", "top.o"]),
            ("a/b c", &[]),
            ("*.o,build", &["build", "src/m.o", "top.o"]),
            ("# *.c\n*.o\nbuild\n", &["build", "src/m.o", "top.o"]),
            ("", &[]),
        ] {
            let globs = Globs::parse(list);
            let found: Vec<&str> = names.into_iter().filter(|name| globs.matches(name.as_bytes())).collect();
            assert_eq!(found, expected, "{list}");
        }
    }

    #[test]
    fn a_character_may_have_several_bytes_or_be_none() {
        for (glob, text, expected) in [
            ("?", "é".as_bytes(), true),
            ("[à-ü]x", "éx".as_bytes(), true),
            ("[^a]", "é".as_bytes(), true),
            ("?", b"\xff", true),
            ("?", b"\xc3", true),
            ("*\u{e9}", "aé".as_bytes(), true),
            ("??", "é".as_bytes(), false),
        ] {
            assert_eq!(Globs::parse(glob).matches(text), expected, "{glob}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let (glob, text) = ("*a".repeat(50) + "b", "a".repeat(10_000));
        assert!(!Globs::parse(&glob).matches(text.as_bytes()));
    }
}
