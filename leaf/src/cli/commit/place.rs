//! Where in history a check-in goes.

use repo::{Rid, Snapshot, Text, UnixTime, blob, branch, history, private};
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::cli::name;
use crate::exit::{Code, Failure};

/// What the user said of the place.
pub(super) struct Wish<'a> {
    pub(super) branch: Option<&'a str>,
    pub(super) parent: Option<&'a str>,
    pub(super) privacy: Privacy,
    pub(super) fork: Fork,
}

/// Whether a branch may go on in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fork {
    Refused,
    Allowed,
}

/// The place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// None for the very first check-in.
    pub(super) parent: Option<Parent>,
    /// The branch that the check-in is on.
    pub(super) branch: Text,
    /// Whether the branch begins there.
    pub(super) begins: bool,
    pub(super) privacy: Privacy,
}

/// The check-in to build on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parent {
    pub(super) rid: Rid,
    pub(super) id: ArtifactId,
    pub(super) date: UnixTime,
}

/// The branch of private check-ins, as in stock.
const PRIVATE_BRANCH: &str = "private";

impl Place {
    /// Finds the place, or says why there is none that is meant without doubt.
    pub(super) fn choose(snap: &Snapshot<'_>, wish: &Wish<'_>) -> Result<Self, Failure> {
        let main = branch::main(snap)?;
        let parent = match wish.parent {
            Some(parent) => Some(name::checkin(snap, Some(parent))?.0),
            None => end_of(snap, wish, &main)?,
        };
        let Some(parent) = parent else {
            let branch = wish.branch.map_or(main, Text::from);
            return Ok(Self { parent: None, branch, begins: true, privacy: wish.privacy });
        };
        let its_branch = branch::of(snap, parent)?.unwrap_or(main);
        let is_private = private::contains(snap, parent)?;
        let secedes = wish.privacy == Privacy::Private && !is_private;
        let branch = match wish.branch {
            Some(branch) => branch.into(),
            None if secedes => PRIVATE_BRANCH.into(),
            None => its_branch.clone(),
        };
        let begins = branch != its_branch;
        if secedes && !begins {
            let what = format!("branch {branch} is public");
            let hint = "begin another one: --parent CHECKIN --branch NEW";
            return Err(Failure::new(Code::Failed, what, hint));
        }
        if begins {
            may_begin(snap, &branch, wish.fork)?;
        } else {
            may_go_on(snap, parent, &branch, wish.fork)?;
        }
        let privacy = if is_private { Privacy::Private } else { wish.privacy };
        Ok(Self { parent: Some(Parent::read(snap, parent)?), branch, begins, privacy })
    }
}

impl Parent {
    fn read(snap: &Snapshot<'_>, rid: Rid) -> Result<Self, Failure> {
        let id = blob::id(snap, rid)?;
        let checkin = history::read(snap, rid)?.ok_or_else(|| {
            Failure::new(Code::Failed, format!("{id} is no check-in"), "run `frond verify` on the file")
        })?;
        Ok(Self { rid, id, date: checkin.date })
    }
}

/// What the wished branch ends with, else the main branch; none if there is no check-in at all.
fn end_of(snap: &Snapshot<'_>, wish: &Wish<'_>, main: &Text) -> Result<Option<Rid>, Failure> {
    let branch = wish.branch.map_or_else(|| main.clone(), Text::from);
    let leaves = branch::leaves(snap, &branch)?;
    let open: Vec<_> = leaves.iter().filter(|leaf| !leaf.is_closed).collect();
    match open[..] {
        [leaf] => Ok(Some(leaf.rid)),
        [newest, ..] if wish.fork == Fork::Allowed => Ok(Some(newest.rid)),
        [_, _, ..] => {
            let names: Vec<String> = open.iter().map(|leaf| leaf.id.short()).collect();
            let what = format!("branch {branch} ends in {} places: {}", names.len(), names.join(", "));
            Err(Failure::new(Code::Failed, what, "name one with --parent, or merge them with stock"))
        }
        [] if !leaves.is_empty() => Err(closed(&branch)),
        [] if history::timeline(snap, Some(history::Kind::Checkin), 1)?.is_empty() => Ok(None),
        [] => {
            let what = format!("there is no branch {branch}");
            Err(Failure::new(Code::Failed, what, "to begin it, say where: --parent CHECKIN"))
        }
    }
}

fn may_begin(snap: &Snapshot<'_>, branch: &Text, fork: Fork) -> Result<(), Failure> {
    if fork == Fork::Allowed || branch::leaves(snap, branch)?.iter().all(|leaf| leaf.is_closed) {
        return Ok(());
    }
    let what = format!("there is a branch {branch} already");
    let hint =
        format!("go on there (--branch {branch} without --parent), take another name, or --allow-fork");
    Err(Failure::new(Code::Failed, what, hint))
}

fn may_go_on(snap: &Snapshot<'_>, parent: Rid, branch: &Text, fork: Fork) -> Result<(), Failure> {
    if branch::is_closed(snap, parent)? {
        return Err(closed(branch));
    }
    if fork == Fork::Refused && branch::is_continued(snap, parent)? {
        let what = format!("branch {branch} goes on from there already");
        return Err(Failure::new(
            Code::Failed,
            what,
            "build on its end, or give --allow-fork or --branch NEW",
        ));
    }
    Ok(())
}

fn closed(branch: &Text) -> Failure {
    let what = format!("branch {branch} is closed");
    Failure::new(Code::Failed, what, "begin another one: --parent CHECKIN --branch NEW")
}
