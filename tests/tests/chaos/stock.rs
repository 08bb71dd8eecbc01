//! Stock among real processes: the check-ins that it makes, and what it says.

use super::*;

/// A stock checkout of a file that others work with too.
pub(super) struct Checkout {
    fossil: Fossil,
    dir: PathBuf,
    branch: String,
}

impl Checkout {
    /// On a branch of its own: two writers of one branch fork it, which is no fault of theirs.
    #[track_caller]
    pub(super) fn open(scratch: &Scratch, file: &Path, branch: &str) -> Self {
        let (fossil, dir) = (Fossil::new(), scratch.dir(&format!("checkout-{branch}")));
        for words in [
            &["open", file.to_str().unwrap(), "trunk"][..],
            &["settings", "autosync", "0"],
            &["branch", "new", branch, "trunk"],
            &["update", branch],
        ] {
            fossil.output_in(&dir, words);
        }
        Self { fossil, dir, branch: branch.to_owned() }
    }

    /// Makes a check-in, which `number` counts from 0, whoever else has the file; gives its name.
    #[track_caller]
    pub(super) fn check_in(&self, number: usize) -> String {
        let name = format!("{}.txt", self.branch);
        // Stock takes a file of the same size and second for the same.
        std::fs::write(self.dir.join(&name), "line\n".repeat(number + 1)).unwrap();
        if number == 0 {
            self.fossil.patiently(Some(&self.dir), &["add", &name]);
        }
        let text = format!("{} {number}", self.branch);
        let words = ["commit", "-m", &text, "--no-warnings", "--user-override", "dev"];
        let said = self.fossil.patiently(Some(&self.dir), &words);
        let made = said.stdout.lines().find_map(|line| line.strip_prefix("New_Version: "));
        made.unwrap_or_else(|| panic!("no check-in\n{said}")).to_owned()
    }
}

/// What stock's client says of an exchange that goes well, by how a line begins.
const COURSE: [&str; 11] = [
    "Round-trips: ",
    "Clone done, wire bytes sent: ",
    "Pull done, wire bytes sent: ",
    "Push done, wire bytes sent: ",
    "Sync done, wire bytes sent: ",
    // Of a clone.
    "Rebuilding repository meta-data...",
    "Extra delta compression... ",
    "Vacuuming the database... ",
    "project-id: ",
    "server-id: ",
    "admin-user: ",
];

/// What it says where its server was killed.
const KILLED: [&str; 3] = [
    // The line ended before the length of a reply was known.
    "server did not reply",
    // It ended in the midst of one.
    "response truncated: got ",
    // Of a clone, which it does not go on with; the line before says why.
    "server returned an error - clone aborted",
];

/// What it says where others write to its own file: it has no patience with who wrote since it read.
const SHARED: [&str; 1] = ["Database error: database is locked: "];

/// What may go wrong for stock's client.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    None,
    KilledServer,
    /// And its own file is served too.
    SharedFile,
}

/// Whether all went well, by what stock's client says: it exits 0 after many errors. It says nothing that is not listed here, and
/// of a trouble only where there may be one.
#[track_caller]
pub(super) fn went_well(said: &Said, trouble: Trouble) -> bool {
    let troubles: &[&[&str]] = match trouble {
        Trouble::None => &[],
        Trouble::KilledServer => &[&KILLED],
        Trouble::SharedFile => &[&KILLED, &SHARED],
    };
    let all = said.all();
    let begins = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
    // Lines that count end in CR.
    let lines = all.split(['\n', '\r']).filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !begins(line, &COURSE) && !line.ends_with("% complete..."));
    let mut is_well = said.code.is_some();
    for line in lines {
        assert!(troubles.iter().any(|words| begins(line, words)), "stock says {line:?}, {trouble:?}\n{said}");
        is_well = false;
    }
    // A clone and a database fail with a code.
    let is_told = all.contains(KILLED[2]) || all.contains(SHARED[0]);
    assert!(said.code.is_none_or(|code| code == i32::from(is_told)), "{said}");
    is_well
}
