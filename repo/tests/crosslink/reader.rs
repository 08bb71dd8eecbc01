//! Reads `cases.md`, whose head explains the notation.

use std::collections::{BTreeMap, BTreeSet};

use md5::Digest as _;
use xfer::ArtifactId;
use xfer::hash::sha3_256;

/// An artifact of a case.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) id: ArtifactId,
    pub(crate) content: Vec<u8>,
}

/// Rows that a dump of one way of arrival has or has not, each as table and row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) gone: BTreeSet<(String, String)>,
    pub(crate) more: BTreeSet<(String, String)>,
}

/// One worked example.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) setup: Vec<Artifact>,
    pub(crate) new: Vec<Artifact>,
    /// Relative to the setup.
    pub(crate) rows: Rows,
    /// Relative to that, by way of arrival.
    pub(crate) otherwise: BTreeMap<String, Rows>,
}

/// Names of artifacts by label.
#[derive(Clone, Default)]
struct Names(BTreeMap<String, ArtifactId>);

impl Names {
    fn of(&self, label: &str) -> String {
        let nothing = || sha3_256(format!("no artifact {label}").as_bytes()).to_string();
        // A name that sorts before the others, as it did when the cases were made.
        self.0.get(label).map_or_else(|| format!("0{}", &nothing()[1..]), ToString::to_string)
    }

    fn has(&self, label: &str) -> bool {
        self.0.contains_key(label) || label == "X"
    }

    /// Replaces `<X>` and `<X:10>`.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            filled.push_str(&rest[..start]);
            rest = &rest[start..];
            let reference = rest.find('>').map(|end| &rest[1..end]).unwrap_or_default();
            let (label, digits) = reference.split_once(':').unwrap_or((reference, "64"));
            let known = self.has(label);
            match digits.parse::<usize>() {
                Ok(digits) if known => {
                    filled.push_str(&self.of(label)[..digits]);
                    rest = &rest[reference.len() + 2..];
                }
                _ => {
                    filled.push('<');
                    rest = &rest[1..];
                }
            }
        }
        filled + rest
    }
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    read(include_str!("cases.md"))
}

fn read(text: &str) -> Vec<Case> {
    let mut setups: BTreeMap<String, (Vec<Artifact>, Names)> = BTreeMap::new();
    let mut cases = Vec::new();
    for section in text.split("\n### ").skip(1) {
        let (title, body) = section.split_once('\n').expect("a title line");
        let mut parser = Parser { setups: &setups, names: Names::default(), artifacts: Vec::new() };
        if title.starts_with('S') {
            parser.block(body);
            let name = title.split(':').next().expect("a name").to_owned();
            let made = (parser.artifacts, parser.names);
            setups.insert(name, made);
        } else {
            cases.push(parser.case(title, body));
        }
    }
    cases
}

struct Parser<'a> {
    setups: &'a BTreeMap<String, (Vec<Artifact>, Names)>,
    names: Names,
    artifacts: Vec<Artifact>,
}

impl Parser<'_> {
    fn case(&mut self, title: &str, body: &str) -> Case {
        let (setup, rest) = body.split_once("New:\n").unwrap_or(("", body));
        self.block(setup);
        let setup = std::mem::take(&mut self.artifacts);
        let rest = rest.split("\n## ").next().expect("one at least");
        self.block(rest);
        let (rows, otherwise) = self.rows(rest);
        Case { title: title.to_owned(), setup, new: std::mem::take(&mut self.artifacts), rows, otherwise }
    }

    /// Artifacts, and setups named in passing.
    fn block(&mut self, text: &str) {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            for word in line.split(|c: char| !c.is_ascii_alphanumeric()) {
                let is_mention =
                    line.starts_with("Setup: ") || line.starts_with("    (S") || line.ends_with(" and:");
                if let Some((artifacts, names)) = self.setups.get(word).filter(|_| is_mention) {
                    self.artifacts.extend(artifacts.iter().cloned());
                    self.names.0.extend(names.0.clone());
                }
            }
            let Some(head) = line.strip_prefix("    [") else { continue };
            let (label, head) = head.split_once(']').expect("a label ends");
            let mut body = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("        ")) {
                body.push(self.names.fill(&line[8..]));
            }
            let content = if head.ends_with("(file)") { file(label, &body) } else { sealed(&body) };
            let id = sha3_256(&content);
            if let Some(digits) = head.split_whitespace().next() {
                assert_eq!(&id.to_string()[..12], digits, "[{label}] is not what it was");
            }
            self.names.0.insert(label.to_owned(), id);
            self.artifacts.push(Artifact { id, content });
        }
    }

    fn rows(&self, text: &str) -> (Rows, BTreeMap<String, Rows>) {
        let mut rows = Rows::default();
        let mut otherwise: BTreeMap<String, Rows> = BTreeMap::new();
        let mut modes: Vec<String> = Vec::new();
        for line in joined(text) {
            if let Some(list) = line.strip_prefix("    ~ ") {
                modes = list.trim_end_matches(':').split(',').map(str::to_owned).collect();
            } else if let Some(row) = line.strip_prefix("    - ") {
                rows.gone.extend(self.row(row));
            } else if let Some(row) = line.strip_prefix("    + ") {
                rows.more.extend(self.row(row));
            } else if let Some(row) = line.strip_prefix("        gone: ") {
                modes
                    .iter()
                    .for_each(|mode| otherwise.entry(mode.clone()).or_default().gone.extend(self.row(row)));
            } else if let Some(row) = line.strip_prefix("        more: ") {
                modes
                    .iter()
                    .for_each(|mode| otherwise.entry(mode.clone()).or_default().more.extend(self.row(row)));
            }
        }
        (rows, otherwise)
    }

    /// A row as a dump has it.
    fn row(&self, text: &str) -> Vec<(String, String)> {
        if let Some(label) = text.strip_suffix(" inherits trunk)") {
            let tag = |name: &str, value: &str| {
                let (rid, root) = (self.names.of(&label[1..]), self.names.of("R"));
                let time = "2020-01-01 00:00:00.000";
                (
                    "tagxref".to_owned(),
                    format!("tag=[{name}] type=2 src=0 orig={root} value={value} mtime={time} rid={rid}"),
                )
            };
            return vec![tag("branch", "'trunk'"), tag("sym-trunk", "NULL")];
        }
        let (table, rest) = text.split_once(' ').expect("a table and a row");
        let rest = match table {
            "leaf" | "phantom" | "unclustered" | "private" => format!("rid={rest}"),
            "orphan" => format!("rid={rest}"),
            "config" => format!("name={rest}"),
            _ => rest.replace("tkt_id=01234567 ", "tkt_id=0123456789abcdef0123456789abcdef01234567 "),
        };
        vec![(table.to_owned(), self.names.fill(&with_milliseconds(&self.with_hashes(&rest))))]
    }

    /// Replaces labels where a column names an artifact.
    fn with_hashes(&self, row: &str) -> String {
        const COLUMNS: [&str; 20] = [
            "srcid", "mid", "fid", "pmid", "pid", "cid", "baseid", "objid", "src", "orig", "rid", "parent",
            "child", "fpid", "froot", "fprev", "firt", "tkt_rid", "id", "baseline",
        ];
        let words = row.split(' ').map(|word| match word.split_once('=') {
            Some((column, label)) if COLUMNS.contains(&column) && self.names.has(label) => {
                format!("{column}={}", self.names.of(label))
            }
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Lines, with those that belong to the text of a row joined to it.
fn joined(text: &str) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for line in text.lines() {
        match joined.last_mut() {
            Some(last) if last.starts_with("    + ") && !line.is_empty() && !line.starts_with("    ") => {
                last.push('\n');
                last.push_str(line);
            }
            _ => joined.push(line.to_owned()),
        }
    }
    joined
}

/// Writes times as a dump does.
fn with_milliseconds(row: &str) -> String {
    let words: Vec<&str> = row.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| words[before]).unwrap_or_default();
        let is_time = before.contains("time=") && word.len() == 8 && word.matches(':').count() == 2;
        out.push(if is_time { format!("{word}.000") } else { (*word).to_owned() });
    }
    out.join(" ")
}

fn file(label: &str, body: &[String]) -> Vec<u8> {
    let end = if label == "l1" { "" } else { "\n" };
    (body.join("\n") + end).into_bytes()
}

/// Adds the `Z` card.
fn sealed(body: &[String]) -> Vec<u8> {
    let mut text = body.join("\n") + "\n";
    if let Some(at) = body.iter().position(|line| line.starts_with("W ")) {
        let size: usize = body[at][2..].parse().expect("a size");
        let shown = body[at + 1..].join("\n").len();
        // Line ends at the end of a text are not shown.
        let unseen = size - shown + usize::from(at + 1 == body.len());
        text.push_str(&"\n".repeat(unseen));
    }
    let seal = |text: &str| format!("Z {}\n", faster_hex::hex_string(&md5::Md5::digest(text.as_bytes())));
    let Some(signature) = text.find("-----BEGIN PGP SIGNATURE") else {
        return (text.clone() + &seal(&text)).into_bytes();
    };
    let start = text.find("\n\n").expect("a blank line") + 2;
    let seal = seal(&text[start..signature]);
    text.insert_str(signature, &seal);
    text.into_bytes()
}
