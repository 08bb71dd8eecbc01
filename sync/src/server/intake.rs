//! What a request changes here: one transaction, or none if it brings nothing new.

use repo::configuration::Taken;
use repo::{Presence, Repo, RepoError, Snapshot, blob};
use xfer::Card;
use xfer::card::Privacy;

use super::configuration;
use super::orders::{CANNOT_CONFIGURE, CANNOT_WRITE, Mode, Orders};
use crate::session::inbox::{self, Intake};
use crate::{Cx, Event, SyncError, tables};

/// Why a push that is allowed can not be taken.
const READ_ONLY: &str = "this repository can only be read here";

/// Stores what a request brings. An artifact that is not what its name says is [`SyncError::BadArtifact`], and
/// nothing of the request is kept.
pub(super) fn take_in(repo: &mut Repo, orders: &mut Orders<'_>, cx: &mut Cx<'_>) -> Result<(), SyncError> {
    let snap = repo.snapshot()?;
    let pushes = brings_news(&snap, orders, cx)?;
    let hints =
        orders.locks.brings_news(&snap, orders.user, cx.now)? || orders.links.brings_news(&snap, cx.now)?;
    drop(snap);
    if !pushes && !hints {
        return Ok(());
    }
    let (intake, taken) = match store(repo, orders, cx) {
        Err(SyncError::Repo(RepoError::ReadOnly { .. })) if pushes => {
            turn_away(orders);
            return Ok(());
        }
        // Locks and places are hints: a file that can only be read does without.
        Err(SyncError::Repo(error)) if !pushes && error.is_read_only() => return Ok(()),
        stored => stored?,
    };
    orders.notes.extend(configuration::remarks(&taken));
    orders.late = intake.late;
    orders.stats.files_received = intake.new;
    orders.stats.config_received = taken.changed;
    for id in intake.refused.iter().chain(&intake.settled.dropped) {
        cx.tell(|_| Event::Refused { id });
    }
    if intake.settled.linked > 0 {
        cx.tell(|_| Event::Crosslinked { artifacts: intake.settled.linked });
    }
    Ok(())
}

/// Whether anything would change. A push of nothing must not wait for a writer.
fn brings_news(snap: &Snapshot<'_>, orders: &Orders<'_>, cx: &Cx<'_>) -> Result<bool, SyncError> {
    if orders.configuration.brings_news(snap, &orders.rights)?
        || orders.tables.brings_rows()
        || orders.unversioned.brings_news(snap, cx.now)?
    {
        return Ok(true);
    }
    for file in &orders.files {
        let held = matches!(blob::presence(snap, &file.id)?, Presence::Held(_));
        if !held || file.privacy == Privacy::Public {
            return Ok(true);
        }
    }
    inbox::is_news(snap, &orders.igots, orders.deepest)
}

/// Configuration goes first: what it shuns is not taken from the same request.
fn store(repo: &mut Repo, orders: &mut Orders<'_>, cx: &Cx<'_>) -> Result<(Intake, Taken), SyncError> {
    let tx = repo.begin()?;
    tx.set_origin(orders.origin.clone());
    let taken = orders.configuration.take_in(&tx, &orders.rights)?;
    // What waits here came before this request.
    let mut intake = inbox::store(&tx, &orders.files, Privacy::Private, cx.now, |_| true)?;
    intake.names = inbox::note(&tx, &orders.igots, orders.deepest)?;
    orders.stats.uv_files_received = orders.unversioned.store(&tx, cx.now)?;
    orders.locks.settle(&tx, orders.user, cx.now)?;
    orders.links.settle(&tx, cx.now)?;
    let authority = orders.authority();
    orders.rows = tables::take_in(&tx, &orders.tables, |_| authority, cx.now)?;
    tx.commit()?;
    Ok((intake, taken))
}

/// Nothing can be written: a client that also pulls may go on, as one without the right to push.
fn turn_away(orders: &mut Orders<'_>) {
    orders.push = Mode::Off;
    if orders.configuration.brings_any() {
        return orders.refuse(format!("{CANNOT_CONFIGURE}: {READ_ONLY}"));
    }
    if orders.pull == Mode::On && orders.files.is_empty() && orders.unversioned.files.is_empty() {
        orders.notes.push(Card::Message(format!("pull only - {READ_ONLY}")));
    } else {
        orders.refuse(format!("{CANNOT_WRITE}: {READ_ONLY}"));
    }
}
