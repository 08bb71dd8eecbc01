//! What developers did: files of log-normal size edited a few lines at a time, binaries, additions,
//! deletions, renames, executable bits, links, branches, merges, tags.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::rng::Rng;

/// How large a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Check-ins of the whole history.
    pub checkins: usize,
    /// Files of the first check-in.
    pub files: usize,
    /// Decides everything.
    pub seed: u64,
}

impl Shape {
    /// The usual one for a number of check-ins.
    pub const fn of(checkins: usize) -> Self {
        let files = if checkins < 1000 { 60 } else { 400 };
        Self { checkins, files, seed: 1 }
    }
}

/// How a file is kept in a check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An ordinary file.
    Plain,
    /// A program.
    Executable,
    /// A symbolic link; the content is where it points.
    Link,
}

/// A file of a check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub body: Body,
    /// How it is kept.
    pub mode: Mode,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Lines.
    Text(Arc<Vec<String>>),
    /// Bytes.
    Binary(Arc<Vec<u8>>),
}

impl Body {
    /// The content.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Binary(bytes) => bytes.to_vec(),
            Self::Text(lines) => {
                lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
            }
        }
    }
}

/// One check-in: what changed against its parent.
#[derive(Debug, Clone)]
pub struct Checkin {
    /// Counting from 0.
    pub index: usize,
    /// The branch it is on.
    pub branch: String,
    /// Whether it begins that branch.
    pub begins_branch: bool,
    /// Its parent, by index.
    pub parent: Option<usize>,
    /// The check-in it merges, by index.
    pub merged: Option<usize>,
    /// Who made it.
    pub user: String,
    /// When, in seconds since 1970; rises with the index.
    pub seconds: i64,
    /// What it says.
    pub comment: String,
    /// Files added or changed.
    pub changed: BTreeMap<String, File>,
    /// Files renamed, old name to new; all else that changed in them is in `changed`.
    pub renamed: BTreeMap<String, String>,
    /// Files gone.
    pub deleted: BTreeSet<String>,
    /// A tag to put on it.
    pub tag: Option<String>,
}

/// The check-ins of a history, in order.
#[derive(Debug)]
pub struct History {
    rng: Rng,
    shape: Shape,
    index: usize,
    seconds: i64,
    branches: BTreeMap<String, (usize, Tree)>,
}

/// When every history begins, in seconds since 1970.
pub const START_SECONDS: i64 = 1_700_000_000;

const TRUNK: &str = "trunk";

impl History {
    /// Starts at the beginning.
    pub fn new(shape: Shape) -> Self {
        Self { rng: Rng::new(shape.seed), shape, index: 0, seconds: START_SECONDS, branches: BTreeMap::new() }
    }

    /// All files of the newest check-in of a branch.
    pub fn files(&self, branch: &str) -> Option<&BTreeMap<String, File>> {
        self.branches.get(branch).map(|(_, tree)| &tree.files)
    }

    fn first(&mut self) -> Checkin {
        let mut tree = Tree::default();
        for _ in 0..self.shape.files {
            tree.add(&mut self.rng, "f");
        }
        let mut checkin = self.blank(TRUNK, None);
        checkin.begins_branch = true;
        checkin.comment = "Start the project".to_owned();
        checkin.changed = tree.files.clone();
        self.branches.insert(TRUNK.to_owned(), (0, tree));
        checkin
    }

    fn later(&mut self) -> Checkin {
        let branch = self.branch();
        let (head, mut tree) = self.branches.remove(&branch).expect("only branches that exist are chosen");
        let kind = self.rng.unit();
        if kind < 0.03 && self.branches.len() < 11 {
            self.branches.insert(branch, (head, tree.clone()));
            let topic = format!("topic-{}", self.index);
            let mut checkin = self.blank(&topic, Some(head));
            checkin.begins_branch = true;
            self.work(&mut tree, &mut checkin);
            return self.record(checkin, tree);
        }
        if kind < 0.05 && branch != TRUNK {
            let (onto, mut trunk) = self.branches.remove(TRUNK).expect("there is always a trunk");
            let mut checkin = self.blank(TRUNK, Some(onto));
            checkin.merged = Some(head);
            checkin.comment = format!("Merge {branch}");
            trunk.take_in(&tree, &mut checkin.changed);
            return self.record(checkin, trunk);
        }
        let mut checkin = self.blank(&branch, Some(head));
        self.work(&mut tree, &mut checkin);
        self.record(checkin, tree)
    }

    fn branch(&mut self) -> String {
        if self.rng.chance(0.65) {
            return TRUNK.to_owned();
        }
        let names: Vec<&String> = self.branches.keys().collect();
        self.rng.pick(&names).clone()
    }

    fn blank(&mut self, branch: &str, parent: Option<usize>) -> Checkin {
        self.seconds += self.rng.between(30, 7200) as i64;
        Checkin {
            index: self.index,
            branch: branch.to_owned(),
            begins_branch: false,
            parent,
            merged: None,
            user: format!("u{}", self.index % 7),
            seconds: self.seconds,
            comment: String::new(),
            changed: BTreeMap::new(),
            renamed: BTreeMap::new(),
            deleted: BTreeSet::new(),
            tag: (self.index % 250 == 249).then(|| format!("v{}", self.index / 250)),
        }
    }

    fn record(&mut self, checkin: Checkin, tree: Tree) -> Checkin {
        self.branches.insert(checkin.branch.clone(), (self.index, tree));
        checkin
    }

    /// Some edits, and what they look like in the log.
    fn work(&mut self, tree: &mut Tree, checkin: &mut Checkin) {
        let edits = self.rng.log_normal(0.8, 0.8).clamp(1, 40);
        let prefix = format!("f{}x", self.index);
        let mut touched = String::new();
        for _ in 0..edits {
            touched = self.edit(tree, checkin, &prefix);
        }
        if self.index == 3 {
            for name in ["doc/notes with blanks.txt", "doc/\u{fc}berblick.md"] {
                tree.put(name, File { body: Body::Text(Arc::new(vec![name.to_owned()])), mode: Mode::Plain });
                checkin.changed.insert(name.to_owned(), tree.files[name].clone());
            }
        }
        if self.index == 5 {
            let link = File { body: Body::Binary(Arc::new(b"src".to_vec())), mode: Mode::Link };
            tree.files.insert("link-to-src".to_owned(), link.clone());
            checkin.changed.insert("link-to-src".to_owned(), link);
        }
        let verb =
            self.rng.pick(&["Fix", "Rework", "Add", "Simplify", "Speed up", "Document", "Test", "Drop"]);
        let about: Vec<&str> = (0..self.rng.between(2, 12)).map(|_| self.rng.pick(&WORDS)).collect();
        checkin.comment = format!("{verb} {} in {touched}", about.join(" "));
    }

    fn edit(&mut self, tree: &mut Tree, checkin: &mut Checkin, prefix: &str) -> String {
        let kind = self.rng.unit();
        if kind < 0.86 || tree.files.len() < 5 {
            let name = tree.edit(&mut self.rng);
            checkin.changed.insert(name.clone(), tree.files[&name].clone());
            return name;
        }
        if kind < 0.94 {
            let name = tree.add(&mut self.rng, prefix);
            checkin.changed.insert(name.clone(), tree.files[&name].clone());
            return name;
        }
        let name = tree.pick(&mut self.rng);
        // A file that is new or renamed in this very check-in stays as it is.
        let is_new = checkin.changed.contains_key(&name) || checkin.renamed.values().any(|new| *new == name);
        if is_new {
            return name;
        }
        let file = tree.files.remove(&name).expect("only files in the tree are picked");
        if kind < 0.97 {
            checkin.deleted.insert(name.clone());
        } else {
            let new = tree.name(&mut self.rng, prefix);
            tree.put(&new, file);
            checkin.renamed.insert(name.clone(), new);
        }
        name
    }
}

impl Iterator for History {
    type Item = Checkin;

    fn next(&mut self) -> Option<Checkin> {
        if self.index >= self.shape.checkins {
            return None;
        }
        let checkin = if self.index == 0 { self.first() } else { self.later() };
        self.index += 1;
        Some(checkin)
    }
}

/// The files of a branch.
#[derive(Debug, Clone, Default)]
struct Tree {
    files: BTreeMap<String, File>,
    /// Names to pick from; those of files that are gone are dropped as they come up.
    names: Vec<String>,
    named: usize,
}

impl Tree {
    fn pick(&mut self, rng: &mut Rng) -> String {
        loop {
            let at = rng.below(self.names.len());
            if self.files.contains_key(&self.names[at]) {
                return self.names[at].clone();
            }
            self.names.swap_remove(at);
        }
    }

    fn name(&mut self, rng: &mut Rng, prefix: &str) -> String {
        self.named += 1;
        let folder = rng.pick(&["src", "doc", "test", "lib", "tools"]);
        let ending = rng.pick(&["c", "h", "md", "tcl", "txt"]);
        let file = format!("{prefix}{}.{ending}", self.named);
        if rng.chance(0.5) {
            format!("{folder}/{file}")
        } else {
            format!("{folder}/m{}/{file}", rng.below(31))
        }
    }

    fn put(&mut self, name: &str, file: File) {
        self.files.insert(name.to_owned(), file);
        self.names.push(name.to_owned());
    }

    fn add(&mut self, rng: &mut Rng, prefix: &str) -> String {
        let name = self.name(rng, prefix);
        // Every small history has some of each.
        let body = if self.named % 50 == 13 {
            let size = rng.log_normal(9.5, 1.0);
            Body::Binary(Arc::new(rng.bytes(size)))
        } else {
            let lines = rng.log_normal(4.6, 1.1).max(1);
            Body::Text(Arc::new((0..lines).map(|_| line(rng)).collect()))
        };
        let mode = if self.named % 20 == 7 { Mode::Executable } else { Mode::Plain };
        self.put(&name, File { body, mode });
        name
    }

    fn edit(&mut self, rng: &mut Rng) -> String {
        let name = self.pick(rng);
        let file = self.files.get_mut(&name).expect("only files in the tree are picked");
        match &mut file.body {
            Body::Text(lines) => edit_lines(Arc::make_mut(lines), rng),
            Body::Binary(bytes) => edit_bytes(Arc::make_mut(bytes), rng),
        }
        name
    }

    /// Takes in what another branch has differently.
    fn take_in(&mut self, other: &Self, changed: &mut BTreeMap<String, File>) {
        for (name, file) in &other.files {
            match self.files.get(name) {
                Some(ours) if ours == file => continue,
                Some(_) => drop(self.files.insert(name.clone(), file.clone())),
                None => self.put(name, file.clone()),
            }
            changed.insert(name.clone(), file.clone());
        }
    }
}

fn edit_lines(lines: &mut Vec<String>, rng: &mut Rng) {
    for _ in 0..rng.between(1, 6) {
        let at = rng.below(lines.len() + 1);
        let kind = rng.unit();
        if kind < 0.5 && at < lines.len() {
            lines[at] = line(rng);
        } else if kind < 0.85 || lines.len() < 2 {
            lines.insert(at, line(rng));
        } else if at < lines.len() {
            lines.remove(at);
        }
    }
}

fn edit_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        bytes.push(0);
    }
    for _ in 0..5 {
        let at = rng.below(bytes.len());
        bytes[at] = rng.bits() as u8;
    }
}

fn line(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.between(2, 11) {
        text.push_str(rng.pick(&WORDS));
        text.push(' ');
    }
    text + &format!("{};", rng.below(10_000))
}

const WORDS: [&str; 39] = [
    "artifact", "blob", "delta", "round", "cursor", "phantom", "cluster", "budget", "gimme", "igot", "leaf",
    "hub", "merge", "branch", "parse", "token", "stream", "buffer", "index", "cache", "commit", "verify",
    "return", "if", "for", "while", "struct", "match", "let", "static", "const", "void", "int", "size",
    "count", "error", "result", "link", "page",
];
