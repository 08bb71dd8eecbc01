//! `frond export CHECKIN DIRECTORY -R FILE`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use repo::manifest::{FileEntry, Perm};
use repo::{Rid, Snapshot, blob, config, content};
use serde::Serialize;

use super::{Repository, ls, name};
use crate::exit::{Code, Failure, from_io};
use crate::output::{Form, Output, counted};
use crate::progress::Counter;
use crate::tree::{Existing, Found, Put, Reading, Root, is_foreign, shown};

/// Write the files of a check-in into a directory
///
/// Each file appears whole or not at all. Nothing is written outside of the directory, through no link, and nothing
/// in it is deleted.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A tag, a branch, `tip`, or the beginning of a hash
    #[arg(value_name = "CHECKIN")]
    checkin: String,
    /// Where to write; made if it is not there
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Replace files that are there and differ
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// A file that was not written, or names that are the same where case does not count.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    name: &'a str,
    message: String,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    checkin: String,
    written: usize,
    /// Files that were there, just so.
    unchanged: usize,
    /// Files that could not be written.
    skipped: usize,
}

/// A file of the check-in.
struct Item<'a> {
    entry: &'a FileEntry,
    content: Rid,
    perm: Perm,
}

/// What is in the place of a file.
enum State {
    Free,
    Same,
    Differs,
    /// No file can be written there.
    Hopeless(&'static str),
}

/// Names that are shown.
const SHOWN: usize = 5;

impl Export {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let (checkin, name) = name::checkin(&snap, Some(&self.checkin))?;
        let files = ls::files_of(&snap, checkin, &name)?;
        let items = items(&snap, &files)?;
        let failed = |error: io::Error| from_io(&self.directory, &error);
        if self.directory.is_file() {
            let what = format!("{} is a file", self.directory.display());
            return Err(Failure::new(Code::Failed, what, "name a directory"));
        }
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        let mut export = Running {
            root: Root::open(&self.directory).map_err(failed)?,
            directory: &self.directory,
            snap: &snap,
            output,
            answer: Answer {
                r#type: "export",
                checkin: blob::id(&snap, checkin)?.to_string(),
                written: 0,
                unchanged: 0,
                skipped: 0,
            },
        };
        export.tell_collisions(&files);
        let existing = if self.force { Existing::Replaced } else { Existing::Kept };
        let open = export.look(&items, existing)?;
        export.write(&open, existing)?;
        let answer = export.answer;
        output.answer(&answer, || answer.text());
        Ok(if answer.skipped == 0 { Code::Ok } else { Code::Partial })
    }
}

/// The files with what they hold, all of which must be here.
fn items<'a>(snap: &Snapshot<'_>, files: &'a [FileEntry]) -> Result<Vec<Item<'a>>, Failure> {
    let has_links = config::switch(snap, "allow-symlinks")? == Some(true);
    let mut items = Vec::new();
    for entry in files {
        let Some(id) = entry.id else { continue };
        let blob::Presence::Held(content) = blob::presence(snap, &id)? else {
            let what = format!("the content of {:?} ({id}) is not here", entry.name);
            return Err(Failure::new(Code::Failed, what, "pull first"));
        };
        let perm = if entry.perm == Perm::Symlink && !has_links { Perm::Regular } else { entry.perm };
        items.push(Item { entry, content, perm });
    }
    Ok(items)
}

/// An export under way.
struct Running<'a> {
    root: Root,
    directory: &'a Path,
    snap: &'a Snapshot<'a>,
    output: &'a Output,
    answer: Answer,
}

impl Running<'_> {
    /// Finds what has to be written. Before anything is, files that would be lost end it all.
    fn look<'i>(&mut self, items: &'i [Item<'i>], existing: Existing) -> Result<Vec<&'i Item<'i>>, Failure> {
        let (mut open, mut differing) = (Vec::new(), Vec::new());
        for item in items {
            let state = self.state(item);
            match state.map_err(|failure| failure.unwrap_or_else(|error| self.failed(item, &error)))? {
                State::Free => open.push(item),
                State::Same => self.answer.unchanged += 1,
                State::Differs if existing == Existing::Replaced => open.push(item),
                State::Differs => differing.push(shown(item.entry.name.as_bytes())),
                State::Hopeless(why) => self.skip(item, why),
            }
        }
        if differing.is_empty() {
            return Ok(open);
        }
        let (count, more) = (differing.len(), if differing.len() > SHOWN { ", ..." } else { "" });
        differing.truncate(SHOWN);
        let files = if count == 1 { "file is" } else { "files are" };
        let what = format!("{count} {files} there and would be lost: {}{more}", differing.join(", "));
        Err(Failure::new(
            Code::Failed,
            what,
            "nothing was written; choose another directory, or give --force",
        ))
    }

    fn state(&mut self, item: &Item<'_>) -> Result<State, Result<Failure, io::Error>> {
        let name = item.entry.name.as_bytes();
        if name.split(|byte| *byte == b'/').any(is_foreign) {
            return Ok(State::Hopeless("another version control system keeps its own there"));
        }
        let size = content::size(self.snap, item.content).map_err(|error| Ok(error.into()))?.unwrap_or(0);
        match self.root.look(name) {
            Err(error) if is_bad_name(&error) => Ok(State::Hopeless("no file can have that name here")),
            Err(error) => Err(Err(error)),
            Ok(Found::Nothing) => Ok(State::Free),
            Ok(Found::Directory) => Ok(State::Hopeless("there is a directory")),
            Ok(Found::File { size: there }) if there != size => Ok(State::Differs),
            Ok(Found::Other) => Ok(State::Differs),
            Ok(Found::File { .. } | Found::Link) => {
                let wanted = content::get(self.snap, item.content).map_err(|error| Ok(error.into()))?;
                match self.root.read(name, wanted.len()).map_err(Err)? {
                    Reading::Done(there) if there.bytes == wanted && there.perm == item.perm => {
                        Ok(State::Same)
                    }
                    _ => Ok(State::Differs),
                }
            }
        }
    }

    fn write(&mut self, items: &[&Item<'_>], existing: Existing) -> Result<(), Failure> {
        let mut counter = Counter::new(*self.output, "files");
        for (done, item) in items.iter().enumerate() {
            counter.show(done as u64, items.len() as u64);
            let bytes = content::get(self.snap, item.content)?;
            match self.root.put(item.entry.name.as_bytes(), &bytes, item.perm, existing) {
                Ok(Put::Done) => self.answer.written += 1,
                Ok(Put::Exists) => self.skip(item, "another file got there first"),
                Ok(Put::Blocked(what)) => {
                    self.skip(item, &format!("{} is in the way", shown(&what)));
                }
                Err(error) if is_bad_name(&error) => self.skip(item, "no file can have that name here"),
                Err(error) => return Err(self.failed(item, &error)),
            }
        }
        Ok(())
    }

    fn skip(&mut self, item: &Item<'_>, why: &str) {
        self.answer.skipped += 1;
        self.say("skipped", &item.entry.name.to_str_lossy(), format!("not written: {why}"));
    }

    /// Names that differ in case only are one file on some disks.
    fn tell_collisions(&self, files: &[FileEntry]) {
        let mut seen = BTreeMap::new();
        for file in files {
            let name = file.name.to_str_lossy().into_owned();
            if let Some(other) = seen.insert(name.to_lowercase(), name.clone()) {
                self.say("collision", &name, format!("differs from {other} in case only"));
            }
        }
    }

    fn say(&self, kind: &'static str, name: &str, message: String) {
        match self.output.form() {
            Form::Json => self.output.answer(&Line { r#type: kind, name, message }, String::new),
            Form::Text => self.output.note(&format!("{}: {message}", shown(name.as_bytes()))),
        }
    }

    fn failed(&self, item: &Item<'_>, error: &io::Error) -> Failure {
        from_io(&self.directory.join(shown(item.entry.name.as_bytes())), error)
    }
}

/// Whether this disk cannot have such a name, now or later.
fn is_bad_name(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput)
}

impl Answer {
    fn text(&self) -> String {
        let Self { written, unchanged, skipped, .. } = self;
        let mut text = format!("{} written", counted(*written as u64, "file"));
        for (count, word) in [(unchanged, "unchanged"), (skipped, "not written")] {
            if *count > 0 {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        text
    }
}
