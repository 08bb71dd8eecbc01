//! `frond commit PATH... -R FILE`, and what `frond import` has in common with it.

mod autosync;
mod place;
mod plan;
mod target;
mod who;

use std::path::PathBuf;

use clap::Args;
use repo::checkin::{self, NewCheckin, NewFile};
use repo::{Limits, Repo, Text, UnixTime};
use serde::Serialize;
use sync::client::now;
use xfer::ArtifactId;
use xfer::card::Privacy;

use self::autosync::Together;
use self::place::{Place, Wish};
use self::plan::{Change, Plan, What};
use self::target::Targets;
pub(crate) use self::who::{known_user, local_users};
use super::Repository;
use crate::exit::{Code, Failure, from_reading};
use crate::output::{Form, Output, counted};
use crate::tree::{Content, Reading, Root, shown};

/// Make a check-in of files, without a checkout
///
/// The named files change or are added, whole directories too; all others stay as the parent has them.
#[derive(Debug, Args)]
pub(crate) struct Commit {
    /// Files and directories, relative to the base directory
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Files that are gone, in PATH or anywhere, are deleted too; without PATH, everything is taken in
    #[arg(long)]
    all: bool,
    /// The directory that stands for the root of the tree [default: the current directory]
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    #[command(flatten)]
    pub(super) manner: Manner,
}

/// What there is to say of a check-in, however its files are named.
#[derive(Debug, Args)]
pub(crate) struct Manner {
    /// What was done
    #[arg(
        short = 'm',
        long,
        value_name = "TEXT",
        alias = "message",
        required_unless_present = "message_file"
    )]
    comment: Option<String>,
    /// Read what was done from a file
    #[arg(short = 'M', long, value_name = "FILE", conflicts_with = "comment")]
    message_file: Option<PathBuf>,
    /// The branch to go on with, or, with --parent, to begin [default: that of the parent, else the main branch]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// The check-in to build on [default: the one that the branch ends with]
    #[arg(long, value_name = "CHECKIN")]
    parent: Option<String>,
    /// Give the check-in a tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Keep it private; by default it begins the branch `private`
    #[arg(long)]
    private: bool,
    /// Who did it [default: the file's default user, else who works here, else the user of the remembered URL]
    #[arg(long, value_name = "USER", alias = "user-override")]
    user: Option<String>,
    /// Make a check-in even if nothing changed
    #[arg(long)]
    allow_empty: bool,
    /// Let a branch go on in two ways
    #[arg(long)]
    allow_fork: bool,
    /// Let the check-in be older than its parent
    #[arg(long)]
    allow_older: bool,
    /// Take new names that Windows keeps for itself, such as `aux.c`
    #[arg(long)]
    allow_reserved: bool,
    /// Only list what would change
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    together: Together,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// Which files are meant.
pub(crate) struct Work {
    /// The root of the tree.
    pub(crate) base: PathBuf,
    /// Files and directories in it.
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) gone: Gone,
    pub(crate) windows: Windows,
}

/// What becomes of files that are in the parent and not on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Kept,
    Deleted,
}

/// What becomes of new names that Windows keeps for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Windows {
    Refused,
    Taken,
}

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    change: &'static str,
    name: String,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    /// None if nothing was made.
    checkin: Option<String>,
    parent: Option<String>,
    branch: String,
    user: String,
    private: bool,
    added: usize,
    edited: usize,
    deleted: usize,
    /// What is no file, directory or symbolic link, and what a killed export left behind.
    left_out: usize,
}

/// How often the plan is made anew because somebody else checked in at the same time.
const ATTEMPTS: usize = 5;

/// A check-in may be later than the clock says by so much, to be later than its parent.
const TICK_MS: i64 = 1000;

impl Commit {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        if self.paths.is_empty() && !self.all && !self.manner.allow_empty {
            let what = "no file is named";
            return Err(Failure::new(Code::Usage, what, "name files, or give --all to take in everything"));
        }
        let everything = self.all && self.paths.is_empty();
        let work = Work {
            base: target::base(self.base)?,
            paths: if everything { vec![PathBuf::from(".")] } else { self.paths },
            gone: if self.all { Gone::Deleted } else { Gone::Kept },
            windows: self.manner.windows(),
        };
        self.manner.make(&work, output)
    }
}

impl Manner {
    /// Makes the check-in.
    pub(crate) fn make(&self, work: &Work, output: &Output) -> Result<Code, Failure> {
        let comment = self.comment()?;
        let mut root = Root::open(&work.base).map_err(|error| from_reading(&work.base, &error))?;
        let mut repo = if self.dry_run { self.repository.read()? } else { self.repository.write()? };
        let targets = Targets::new(&work.base, &work.paths, &self.repository.file)?;
        let Some(autosync) = self.together.begin(output)? else {
            return self.check_in(&mut repo, &mut root, &targets, work, &comment, output);
        };
        autosync.pull(&mut repo, |repo| self.parent(repo))?;
        match self.check_in(&mut repo, &mut root, &targets, work, &comment, output) {
            Ok(code) => autosync.push(&mut repo).map(|()| code),
            Err(failure) => {
                autosync.give_up(&mut repo);
                Err(failure)
            }
        }
    }

    /// The same rule holds however files are named.
    pub(crate) fn windows(&self) -> Windows {
        if self.allow_reserved { Windows::Taken } else { Windows::Refused }
    }

    /// What is to be built on, of what is here.
    fn parent(&self, repo: &mut Repo) -> Result<Option<ArtifactId>, Failure> {
        let place = Place::choose(&repo.snapshot()?, &self.wish())?;
        Ok(place.parent.map(|parent| parent.id))
    }

    fn check_in(
        &self,
        repo: &mut Repo,
        root: &mut Root,
        targets: &Targets,
        work: &Work,
        comment: &str,
        output: &Output,
    ) -> Result<Code, Failure> {
        for _ in 0..ATTEMPTS {
            let plan = {
                let snap = repo.snapshot()?;
                let place = Place::choose(&snap, &self.wish())?;
                let user = who::author(&snap, self.user.as_deref())?;
                Plan::make(&snap, root, targets, work, place, user)?
            };
            for other in &plan.others {
                output.note(&format!("{}: no part of a check-in; left out", shown(other)));
            }
            if plan.changes.is_empty() && !self.allow_empty {
                return Err(Failure::new(
                    Code::Failed,
                    "nothing changed",
                    "give --allow-empty to check in anyway",
                ));
            }
            if self.dry_run {
                tell(&plan, output);
                output.answer(&Answer::new(&plan, None), || counted(plan.changes.len() as u64, "change"));
                return Ok(Code::Ok);
            }
            if let Some(id) = self.write(repo, root, &plan, comment)? {
                output.answer(&Answer::new(&plan, Some(id)), || format!("New_Version: {id}"));
                return Ok(Code::Ok);
            }
        }
        Err(Failure::new(Code::Locked, "others keep checking in at the same place", "try again"))
    }

    /// Carries a plan out; none if its place is another by now.
    fn write(
        &self,
        repo: &mut Repo,
        root: &mut Root,
        plan: &Plan,
        comment: &str,
    ) -> Result<Option<ArtifactId>, Failure> {
        let tx = repo.begin()?;
        if Place::choose(&tx, &self.wish())? != plan.place {
            return Ok(None);
        }
        let new = NewCheckin {
            parent: plan.place.parent.as_ref().map(|parent| parent.id),
            deleted: plan
                .changes
                .iter()
                .filter(|change| change.what == What::Deleted)
                .map(Change::name)
                .collect(),
            comment: Text::from(comment),
            user: plan.user.clone(),
            branch: plan.place.begins.then(|| plan.place.branch.clone()),
            tags: self.tags.iter().map(|tag| Text::from(&tag[..])).collect(),
            date: self.date(&plan.place)?,
            privacy: plan.place.privacy,
            ..NewCheckin::default()
        };
        let files = plan.changes.iter().filter_map(|change| file(root, change));
        let id = checkin::commit_with(&tx, &new, files)?;
        tx.commit()?;
        Ok(Some(id))
    }

    fn wish(&self) -> Wish<'_> {
        Wish {
            branch: self.branch.as_deref(),
            parent: self.parent.as_deref(),
            privacy: if self.private { Privacy::Private } else { Privacy::Public },
            fork: if self.allow_fork { place::Fork::Allowed } else { place::Fork::Refused },
        }
    }

    fn comment(&self) -> Result<String, Failure> {
        let comment = match (&self.comment, &self.message_file) {
            (Some(comment), _) => comment.clone(),
            (None, Some(file)) => {
                std::fs::read_to_string(file).map_err(|error| from_reading(file, &error))?
            }
            (None, None) => String::new(),
        };
        let comment = comment.trim_end();
        if comment.trim_start().is_empty() || comment.contains('\0') {
            return Err(Failure::new(Code::Usage, "the comment is empty", "say what was done: -m TEXT"));
        }
        for name in self.tags.iter().chain(&self.branch) {
            if name.is_empty() || name.trim() != name || name.contains(char::is_control) {
                let what = format!("{name:?} cannot be the name of a branch or tag");
                return Err(Failure::new(Code::Usage, what, "take one without blanks at its ends"));
            }
        }
        Ok(comment.to_owned())
    }

    /// Now, or a moment after the parent.
    fn date(&self, place: &Place) -> Result<UnixTime, Failure> {
        let now = now();
        match &place.parent {
            Some(parent) if now <= parent.date && !self.allow_older => {
                if parent.date.0 - now.0 > TICK_MS {
                    let what = format!("the check-in would be older than its parent {}", parent.id.short());
                    let hint = "set the clock, or give --allow-older";
                    return Err(Failure::new(Code::Failed, what, hint));
                }
                Ok(UnixTime(parent.date.0 + 1))
            }
            _ => Ok(now),
        }
    }
}

/// Reads a file as it is now; none for one that is deleted.
fn file(root: &mut Root, change: &Change) -> Option<Result<NewFile, Failure>> {
    if change.what == What::Deleted {
        return None;
    }
    let content = read(root, change.name.as_bytes());
    let content = content.and_then(|content| content.ok_or_else(|| plan::vanished(change.name.as_bytes())));
    Some(content.map(|Content { bytes, perm }| NewFile {
        name: change.name(),
        content: bytes,
        perm,
        old_name: None,
    }))
}

/// Reads a file; none if there is none.
fn read(root: &mut Root, name: &[u8]) -> Result<Option<Content>, Failure> {
    match root.read(name, Limits::default().artifact_bytes) {
        Err(error) => Err(from_reading(shown(name).as_ref(), &error)),
        Ok(Reading::Done(content)) => Ok(Some(content)),
        Ok(Reading::NoFile) => Ok(None),
        Ok(Reading::Changed) => Err(changed(name)),
        Ok(Reading::TooLarge) => {
            let limit = Limits::default().artifact_bytes;
            let what =
                format!("{}: larger than {limit} bytes, the most that a repository holds", shown(name));
            Err(Failure::new(Code::Failed, what, "leave it out"))
        }
    }
}

fn changed(name: &[u8]) -> Failure {
    let what = format!("{}: changed while it was read", shown(name));
    Failure::new(Code::Failed, what, "nothing was checked in; try again when nobody writes to it")
}

/// Lists what would change.
fn tell(plan: &Plan, output: &Output) {
    for change in &plan.changes {
        let word = change.what.word();
        match output.form() {
            Form::Json => {
                let name = change.name.to_str_lossy().into_owned();
                output.answer(&Line { r#type: "change", change: word, name }, String::new);
            }
            Form::Text => {
                let head = format!("{:8} ", word.to_uppercase());
                output.bytes(&[head.as_bytes(), change.name.as_bytes(), b"\n"].concat());
            }
        }
    }
}

impl Answer {
    fn new(plan: &Plan, id: Option<ArtifactId>) -> Self {
        let count = |word: &str| plan.changes.iter().filter(|change| change.what.word() == word).count();
        Self {
            r#type: "commit",
            checkin: id.map(|id| id.to_string()),
            parent: plan.place.parent.as_ref().map(|parent| parent.id.to_string()),
            branch: plan.place.branch.to_str_lossy().into_owned(),
            user: plan.user.to_str_lossy().into_owned(),
            private: plan.place.privacy == Privacy::Private,
            added: count("added"),
            edited: count("edited"),
            deleted: count("deleted"),
            left_out: plan.others.len(),
        }
    }
}
