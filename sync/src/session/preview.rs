//! What a session would move, with nothing changed on either side: the peer lists everything it holds, and that is
//! compared with what is here.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use repo::outgoing::{List, Outlet};
use repo::{Presence, RepoError, Snapshot, blob, shun};
use xfer::card::Privacy;
use xfer::{ArtifactId, SqlName, UvName};

use super::SyncOptions;
use super::reply::Reply;

/// What a session would move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// What the peer lacks.
    pub send: Vec<ArtifactId>,
    /// What is missing here.
    pub receive: Vec<ArtifactId>,
    /// Unversioned files of which the peer lacks our version.
    pub unversioned_send: Vec<UvName>,
    /// Unversioned files of which the peer's version is to be taken.
    pub unversioned_receive: Vec<UvName>,
    /// Synced tables whose rows differ. Which of them would move takes more than one round to tell.
    pub tables: BTreeSet<SqlName>,
}

/// Compares the catalog of a peer with what is here.
pub(super) fn compare(
    snap: &Snapshot<'_>,
    options: &SyncOptions,
    reply: &Reply<'_>,
) -> Result<Preview, RepoError> {
    let deepest = if options.private { Privacy::Private } else { Privacy::Public };
    let theirs = || reply.igots.iter().filter(|igot| igot.privacy <= deepest).map(|igot| igot.id);
    let mut preview = Preview { tables: reply.tables.differing(), ..Preview::default() };
    if options.pull {
        for id in theirs() {
            let held = matches!(blob::presence(snap, &id)?, Presence::Held(_));
            if !held && !shun::contains(snap, &id)? {
                preview.receive.push(id);
            }
        }
    }
    if options.push {
        let known: BTreeSet<ArtifactId> = theirs().collect();
        let lists = [List::Catalog, List::Private];
        for &list in &lists[..if options.private { 2 } else { 1 }] {
            Outlet::new(snap).list(list, |_, id| {
                if !known.contains(&id) {
                    preview.send.push(id);
                }
                ControlFlow::Continue(())
            })?;
        }
    }
    Ok(preview)
}
