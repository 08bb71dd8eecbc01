//! The text of a script.
//!
//! ```text
//! frond-dst script 1
//! # Whatever follows a # is for people.
//! seed 876
//! level hostile
//! edition 7
//! thorough
//! expect convergence 0123456789abcdef
//! without fault delay crash
//! without action 1-4 6
//! without hit flip-request 6.1 9.1
//! ```
//!
//! The first line says the version. `without` and `planted` may come any number of times, all else at most once.
//! `edition 1` is said of older seeds, see [`Edition`]; `thorough` where all of a repository is looked at after every
//! commit, see [`Scrutiny`]. `expect` has the rule that was broken and the hash of the trace.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::IntErrorKind;
use std::str::FromStr;

use super::{Expected, Item, Script, Scrutiny};
use crate::dice::Turn;
use crate::feature::Feature;
use crate::model::RULES;
use crate::plan::{Edition, Fault, Level};
use crate::rare;
use crate::site::Site;

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScriptError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

const HEADER: &str = "frond-dst script 1";

/// Items that one script may name.
const MAX_ITEMS: usize = 100_000;

type ItemOf = fn(u64) -> Item;

/// Kinds of items that have nothing but a number.
const NUMBERED: [(&str, ItemOf); 15] = [
    ("peer", Item::Peer),
    ("edge", Item::Edge),
    ("clone", Item::Clone),
    ("limits", Item::Limits),
    ("budgets", Item::Budgets),
    ("skew", Item::Skew),
    ("guest", Item::Guest),
    ("rights", Item::Rights),
    ("stock", Item::Stock),
    ("dry-run", Item::DryRun),
    ("daemon", Item::Daemon),
    ("visit", Item::Visit),
    ("parting", Item::Parting),
    ("session", Item::Session),
    ("action", Item::Action),
];

impl Script {
    /// Writes it. `notes` become lines for people, below the header.
    pub fn text(&self, notes: &str) -> String {
        let mut text = format!("{HEADER}\n");
        for note in notes.lines() {
            text.push_str(format!("# {note}").trim_end());
            text.push('\n');
        }
        let _ = writeln!(text, "seed {}\nlevel {}", self.seed, self.level.name());
        let _ = writeln!(text, "edition {}", self.edition.number());
        if self.scrutiny == Scrutiny::Thorough {
            text.push_str("thorough\n");
        }
        if let Some(Expected { invariant, hash }) = &self.expected {
            let _ = writeln!(text, "expect {invariant} {hash:016x}");
        }
        write_items(&mut text, "planted", &self.planted);
        write_items(&mut text, "without", &self.without);
        text
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            reader
                .read(index, without_comment(line))
                .map_err(|what| ScriptError { line: index + 1, what })?;
        }
        let end = |what: &str| ScriptError { line: text.lines().count().max(1), what: what.to_owned() };
        let Some(seed) = reader.seed else { return Err(end("the file ends without a line 'seed NUMBER'")) };
        let Some(level) = reader.level else { return Err(end("the file ends without a line 'level LEVEL'")) };
        let Reader { edition, scrutiny, without, planted, expected, .. } = reader;
        let (edition, scrutiny) = (edition.unwrap_or_default(), scrutiny.unwrap_or_default());
        Ok(Self { seed, level, edition, scrutiny, without, planted, expected })
    }
}

/// The line of a script that names an item, from 1.
pub fn line_of(text: &str, item: &Item) -> Option<usize> {
    let names = |line: &str| {
        let words: Vec<&str> = without_comment(line).split_whitespace().skip(1).collect();
        let mut items = BTreeSet::new();
        read_items(&mut items, &words).is_ok() && items.contains(item)
    };
    text.lines().position(names).map(|index| index + 1)
}

/// Reads what a rule for trials may wait for, as in `session 2 5-9`: one kind, and which of it.
pub fn planted(text: &str) -> Result<BTreeSet<Item>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return Err("nothing is named: write what has to happen, such as 'session 2 5-9'".to_owned());
    }
    let mut items = BTreeSet::new();
    read_planted(&mut items, &words).map(|()| items)
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

#[derive(Default)]
struct Reader {
    seed: Option<u64>,
    level: Option<Level>,
    edition: Option<Edition>,
    scrutiny: Option<Scrutiny>,
    without: BTreeSet<Item>,
    planted: BTreeSet<Item>,
    expected: Option<Expected>,
}

impl Reader {
    fn read(&mut self, index: usize, line: &str) -> Result<(), String> {
        if index == 0 {
            return if line == HEADER {
                Ok(())
            } else {
                Err(format!("this is no script: it does not begin with '{HEADER}'"))
            };
        }
        let mut words = line.split_whitespace();
        let Some(word) = words.next() else { return Ok(()) };
        let words: Vec<&str> = words.collect();
        match word {
            "seed" => once(&mut self.seed, word, parse_number(single(word, &words)?)?),
            "level" => once(&mut self.level, word, parse_level(single(word, &words)?)?),
            "edition" => once(&mut self.edition, word, parse_edition(single(word, &words)?)?),
            "thorough" if words.is_empty() => once(&mut self.scrutiny, word, Scrutiny::Thorough),
            "thorough" => Err("nothing may follow 'thorough'".to_owned()),
            "expect" => once(&mut self.expected, word, parse_expected(&words)?),
            "without" => read_items(&mut self.without, &words),
            "planted" => read_planted(&mut self.planted, &words),
            _ => Err(format!("'{word}' is none of seed, level, edition, thorough, expect, without, planted")),
        }
    }
}

impl Item {
    /// The words that its line of a script begins with.
    pub fn kind(&self) -> String {
        match self {
            Self::Fault(_) => "fault".to_owned(),
            Self::Peer(_) => "peer".to_owned(),
            Self::Edge(_) => "edge".to_owned(),
            Self::Bulk => "bulk".to_owned(),
            Self::Clone(_) => "clone".to_owned(),
            Self::Limits(_) => "limits".to_owned(),
            Self::Budgets(_) => "budgets".to_owned(),
            Self::Skew(_) => "skew".to_owned(),
            Self::Guest(_) => "guest".to_owned(),
            Self::Rights(_) => "rights".to_owned(),
            Self::Stock(_) => "stock".to_owned(),
            Self::Feature(_) => "feature".to_owned(),
            Self::Choice(_) => "choice".to_owned(),
            Self::DryRun(_) => "dry-run".to_owned(),
            Self::End => "end".to_owned(),
            Self::Daemon(_) => "daemon".to_owned(),
            Self::Visit(_) => "visit".to_owned(),
            Self::Parting(_) => "parting".to_owned(),
            Self::Strike(fault, _) => format!("strike {}", fault.name()),
            Self::Session(_) => "session".to_owned(),
            Self::Action(_) => "action".to_owned(),
            Self::Hit(site, _) => format!("hit {}", site.name()),
        }
    }
}

/// A line for all items of a kind; numbers that follow each other are written `1-4`.
fn write_items(text: &mut String, word: &str, items: &BTreeSet<Item>) {
    let mut kind = String::new();
    let mut rest = items.iter().copied().peekable();
    while let Some(item) = rest.next() {
        if kind != item.kind() {
            if !kind.is_empty() {
                text.push('\n');
            }
            kind = item.kind();
            let _ = write!(text, "{word} {kind}");
        }
        let mut last = item;
        while let Some(next) = rest.next_if(|next| follows(&last, next)) {
            last = next;
        }
        text.push_str(&item.to_string()[kind.len()..]);
        if last != item {
            text.push('-');
            text.push_str(last.to_string()[kind.len()..].trim_start());
        }
    }
    if !kind.is_empty() {
        text.push('\n');
    }
}

fn follows(item: &Item, next: &Item) -> bool {
    let number =
        |item: &Item| item.to_string().rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
    let is_counted = !matches!(
        item,
        Item::Hit(..) | Item::Fault(_) | Item::Feature(_) | Item::Choice(_) | Item::Bulk | Item::End
    );
    is_counted
        && item.kind() == next.kind()
        && number(item).and_then(|number| number.checked_add(1)) == number(next)
}

/// Items that a rule for trials may wait for.
fn read_planted(items: &mut BTreeSet<Item>, words: &[&str]) -> Result<(), String> {
    let mut planted = BTreeSet::new();
    read_items(&mut planted, words)?;
    if let Some(item) = planted.iter().find(|item| !item.happens()) {
        return Err(format!(
            "'{item}' has no moment at which it happens; what has is session, dry-run, action, visit, parting, strike, hit, end"
        ));
    }
    planted.into_iter().try_for_each(|item| add(items, item))
}

fn read_items(items: &mut BTreeSet<Item>, words: &[&str]) -> Result<(), String> {
    let Some((&kind, names)) = words.split_first() else { return Err("what?".to_owned()) };
    match kind {
        "bulk" if names.is_empty() => add(items, Item::Bulk),
        "end" if names.is_empty() => add(items, Item::End),
        "bulk" | "end" => Err(format!("nothing may follow '{kind}'")),
        "feature" => {
            let mut names = named(kind, names)?.iter();
            names.try_for_each(|name| add(items, Item::Feature(parse_feature(name)?)))
        }
        "choice" => {
            let mut names = named(kind, names)?.iter();
            names.try_for_each(|name| add(items, Item::Choice(parse_choice(name)?)))
        }
        "fault" => {
            named(kind, names)?.iter().try_for_each(|name| add(items, Item::Fault(parse_fault(name)?)))
        }
        "strike" => {
            let Some((fault, numbers)) = names.split_first() else {
                return Err("a strike of what?".to_owned());
            };
            let fault = parse_strike(fault)?;
            read_numbers(items, kind, numbers, &|number| Item::Strike(fault, number))
        }
        "hit" => {
            let Some((site, turns)) = names.split_first() else { return Err("a hit at what?".to_owned()) };
            let site = parse_site(site)?;
            named(kind, turns)?.iter().try_for_each(|turn| add(items, Item::Hit(site, parse_turn(turn)?)))
        }
        _ => {
            let Some((_, item)) = NUMBERED.iter().find(|(name, _)| *name == kind) else {
                let known: Vec<&str> = NUMBERED.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                return Err(format!(
                    "'{kind}' is none of fault, bulk, feature, choice, strike, hit, end, {known}"
                ));
            };
            read_numbers(items, kind, names, item)
        }
    }
}

fn read_numbers(
    items: &mut BTreeSet<Item>,
    kind: &str,
    words: &[&str],
    item: &dyn Fn(u64) -> Item,
) -> Result<(), String> {
    for word in named(kind, words)? {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (parse_number(first)?, parse_number(last)?);
        if last < first {
            return Err(format!("'{word}' ends before it begins"));
        }
        (first..=last).try_for_each(|number| add(items, item(number)))?;
    }
    Ok(())
}

fn named<'a>(kind: &str, names: &'a [&'a str]) -> Result<&'a [&'a str], String> {
    if names.is_empty() { Err(format!("which {kind}?")) } else { Ok(names) }
}

fn add(items: &mut BTreeSet<Item>, item: Item) -> Result<(), String> {
    if items.len() >= MAX_ITEMS {
        return Err(format!("there are more than {MAX_ITEMS} items"));
    }
    items.insert(item);
    Ok(())
}

fn once<T>(place: &mut Option<T>, word: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("there is a second line '{word}'")),
    }
}

fn single<'a>(word: &str, words: &[&'a str]) -> Result<&'a str, String> {
    match words {
        [only] => Ok(only),
        _ => Err(format!("'{word}' takes one word")),
    }
}

fn parse_expected(words: &[&str]) -> Result<Expected, String> {
    let [invariant, hash] = words else {
        return Err("'expect' takes a rule and the hash of a trace".to_owned());
    };
    let Ok(hash) = u64::from_str_radix(hash, 16) else {
        return Err(format!("'{hash}' is no hash of a trace"));
    };
    if !RULES.contains(invariant) {
        return Err(format!("'{invariant}' is no rule; there are {}", RULES.join(", ")));
    }
    Ok(Expected { invariant: (*invariant).to_owned(), hash })
}

fn parse_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => format!("'{text}' is too large"),
        _ => format!("'{text}' is no number"),
    })
}

fn parse_turn(text: &str) -> Result<Turn, String> {
    text.parse().map_err(|_| format!("'{text}' is none of N, N.N, N.N.N"))
}

fn parse_edition(text: &str) -> Result<Edition, String> {
    let known = || Edition::ALL.map(|edition| edition.to_string()).join(", ");
    Edition::of(parse_number(text)?).ok_or_else(|| format!("'{text}' is none of {}", known()))
}

fn parse_feature(name: &str) -> Result<Feature, String> {
    let known = || Feature::ALL.map(Feature::name).join(", ");
    Feature::ALL
        .into_iter()
        .find(|feature| feature.name() == name)
        .ok_or_else(|| format!("'{name}' is none of {}", known()))
}

fn parse_choice(name: &str) -> Result<sync::Site, String> {
    let known = || sync::Site::ALL.map(rare::name).join(", ");
    let site = sync::Site::ALL.into_iter().find(|site| rare::name(*site) == name);
    site.ok_or_else(|| format!("'{name}' is none of {}", known()))
}

fn parse_level(name: &str) -> Result<Level, String> {
    Level::parse(name).ok_or_else(|| format!("'{name}' is none of calm, rough, hostile"))
}

fn parse_fault(name: &str) -> Result<Fault, String> {
    let known = || Fault::ALL.map(Fault::name).join(", ");
    Fault::parse(name).ok_or_else(|| format!("'{name}' is none of {}", known()))
}

fn parse_strike(name: &str) -> Result<Fault, String> {
    let fault = parse_fault(name)?;
    if fault.has_its_time() {
        return Ok(fault);
    }
    let strikes = Fault::ALL.into_iter().filter(|fault| fault.has_its_time());
    let strikes = strikes.map(Fault::name).collect::<Vec<_>>().join(", ");
    let is_of_fault = |site: &Site| site.fault() == fault;
    let hits = Site::ALL.into_iter().filter(is_of_fault).map(|site| format!("hit {}", site.name()));
    let hits = hits.collect::<Vec<_>>().join(", ");
    Err(format!("'{name}' is no strike; there are {strikes}; of {name} there are {hits}"))
}

fn parse_site(name: &str) -> Result<Site, String> {
    let known = || Site::ALL.map(Site::name).join(", ");
    Site::parse(name).ok_or_else(|| format!("'{name}' is none of {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "frond-dst script 1
seed 876
level hostile
edition 3
thorough
expect convergence 00000000000000ff
planted action 3
planted hit lose-reply 5.1
without fault delay crash
without peer 2
without edge 1
without bulk
without clone 1
without limits 0-1
without skew 2
without daemon 1
without visit 0-1
without strike link-down 0 2
without strike crash 1
without session 4-6 8
without action 1-2 18446744073709551615
without hit lose-reply 3.2 7.1.1
without hit crash-after-work 5
";

    #[test]
    fn a_script_is_read_as_it_is_written() {
        let script: Script = WHOLE.parse().unwrap();
        assert_eq!((script.seed, script.level), (876, Level::Hostile));
        assert_eq!((script.edition, script.scrutiny), (Edition::Third, Scrutiny::Thorough));
        assert_eq!((script.without.len(), script.planted.len()), (25, 2));
        assert_eq!(script.text(""), WHOLE);
        let noted = script.text("why\n\n# and how");
        assert!(noted.starts_with("frond-dst script 1\n# why\n#\n# # and how\nseed 876\n"), "{noted}");
        assert_eq!(noted.parse(), Ok(script));
    }

    #[test]
    fn every_kind_of_item_is_read_as_it_is_written() {
        let hits = Site::ALL.map(|site| Item::Hit(site, Turn { number: 1, part: 2, copy: 3 }));
        let strikes = Fault::ALL.into_iter().filter(|fault| fault.has_its_time());
        let strikes = strikes.map(|fault| Item::Strike(fault, 7));
        let faults = Fault::ALL.map(Item::Fault);
        let numbered = NUMBERED.map(|(_, item)| item(9));
        let features = Feature::ALL.map(Item::Feature);
        let choices = sync::Site::ALL.map(Item::Choice);
        let without =
            hits.into_iter().chain(strikes).chain(faults).chain(numbered).chain(features).chain(choices);
        let without = without.chain([Item::Bulk, Item::End]).collect();
        let script = Script { without, ..Script::new(u64::MAX, Level::Calm) };
        let older = script.clone().of_edition(Edition::First);
        assert_eq!(script.text("").parse(), Ok(script));
        assert_eq!(older.text("").parse(), Ok(older));
    }

    #[test]
    fn the_script_that_the_readme_shows_is_one() {
        let readme = include_str!("../../README.md");
        let mut blocks = readme.split("```text\n").filter(|block| block.starts_with(HEADER));
        let shown = blocks.next().and_then(|block| block.split("```").next()).expect("a script");
        let script: Script = shown.parse().expect("a script");
        assert_eq!((script.seed, script.level, script.without.len()), (876, Level::Hostile, 15));
        assert_eq!(script.unknown(), None);
    }

    #[test]
    fn what_people_add_does_not_matter() {
        let text = "frond-dst script 1   # of today\r\n\r\n  level calm\n\tseed  7 # the best\n#seed 8";
        assert_eq!(text.parse(), Ok(Script::new(7, Level::Calm)));
    }

    #[test]
    fn a_text_that_is_no_script_says_where_and_why() {
        let cases = [
            ("", 1, "'seed NUMBER'"),
            ("\0\0\0", 1, "no script"),
            ("frond-dst script 2\nseed 1\nlevel calm", 1, "no script"),
            ("frond-dst script 1\nseed 1", 2, "'level LEVEL'"),
            ("frond-dst script 1\nlevel calm", 2, "'seed NUMBER'"),
            ("frond-dst script 1\nseed 1\nseed 1\nlevel calm", 3, "second line 'seed'"),
            ("frond-dst script 1\nseed -1", 2, "'-1' is no number"),
            ("frond-dst script 1\nseed 18446744073709551616", 2, "too large"),
            ("frond-dst script 1\nseed", 2, "one word"),
            ("frond-dst script 1\nedition 9", 2, "'9' is none of 1, 2, 3, 4, 5, 6, 7, 8"),
            ("frond-dst script 1\nthorough 1", 2, "nothing may follow 'thorough'"),
            ("frond-dst script 1\nthorough\nthorough", 3, "second line 'thorough'"),
            ("frond-dst script 1\nwithout choice Full", 2, "'Full' is none of full, whole"),
            ("frond-dst script 1\nwithout feature", 2, "which feature?"),
            ("frond-dst script 1\nlevel mild", 2, "'mild' is none of calm"),
            ("frond-dst script 1\nwith action 1", 2, "'with' is none of seed"),
            ("frond-dst script 1\nexpect kept", 2, "a rule and the hash"),
            ("frond-dst script 1\nexpect keptt 1", 2, "'keptt' is no rule; there are answered, atomic, "),
            ("frond-dst script 1\nexpect kept xyz", 2, "'xyz' is no hash"),
            ("frond-dst script 1\nwithout", 2, "what?"),
            ("frond-dst script 1\nwithout bulk 3", 2, "nothing may follow"),
            ("frond-dst script 1\nwithout action", 2, "which action?"),
            ("frond-dst script 1\nwithout action 3-1", 2, "ends before"),
            ("frond-dst script 1\nwithout action 0-18446744073709551615", 2, "more than 100000"),
            ("frond-dst script 1\nwithout actions 1", 2, "'actions' is none of fault"),
            ("frond-dst script 1\nwithout fault Crash", 2, "'Crash' is none of lose-request"),
            ("frond-dst script 1\nwithout strike", 2, "a strike of what?"),
            ("frond-dst script 1\nwithout strike crash", 2, "which strike?"),
            (
                "frond-dst script 1\nwithout strike lose-reply 0",
                2,
                "'lose-reply' is no strike; there are link-down, one-way, crash, disk-full, clock-jump, restore, rights, \
                 slow; of lose-reply there are hit lose-reply, hit lose-announcement",
            ),
            (
                "frond-dst script 1\nplanted peer 2",
                2,
                "'peer 2' has no moment at which it happens; what has is session, ",
            ),
            ("frond-dst script 1\nplanted hit", 2, "a hit at what?"),
            ("frond-dst script 1\nwithout hit nowhere 1", 2, "'nowhere' is none of lose-request"),
            ("frond-dst script 1\nwithout hit lose-reply 1.x", 2, "'1.x' is none of N, N.N"),
        ];
        for (text, line, what) in cases {
            let error = text.parse::<Script>().expect_err(text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.what.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let mut dice = crate::dice::Dice::of(1, "texts", 0);
        for _ in 0..20_000 {
            let mut bytes = WHOLE.as_bytes().to_vec();
            for _ in 0..dice.between(1, 4) {
                let place = dice.place(bytes.len());
                match dice.below(3) {
                    0 => bytes[place] = *dice.pick(b"0123456789. -#\nalz\xff"),
                    1 => drop(bytes.remove(place)),
                    _ => bytes.insert(place, *dice.pick(b"0123456789. -#\nalz")),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(script) = text.parse::<Script>() {
                assert_eq!(script.text("").parse(), Ok(script));
            }
        }
    }
}
