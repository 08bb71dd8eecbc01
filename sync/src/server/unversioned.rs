//! Unversioned files of a request (reference: wire.md section 10.4).

use repo::unversioned::{self, Entry, Status, Taken, Version};
use repo::{Snapshot, Tx, UnixTime};
use xfer::card::{UvFile, UvIgot};
use xfer::{ArtifactId, Card, Pragma, UvName};

use crate::outbox::{Outbox, UvContents};
use crate::session::inbox::blame;
use crate::{RoundStats, Site, SyncError};

/// What a request asks for and brings.
#[derive(Default)]
pub(super) struct Unversioned<'m> {
    /// What the files of the client hash to, if it wants to compare.
    pub(super) hash: Option<ArtifactId>,
    /// Whether the client may give us files.
    pub(super) may_write: bool,
    /// What it wants.
    pub(super) gimmes: Vec<&'m UvName>,
    /// What it brings.
    pub(super) files: Vec<&'m UvFile>,
}

impl Unversioned<'_> {
    /// Whether anything that it brings is better than what is here.
    pub(super) fn brings_news(&self, snap: &Snapshot<'_>, now: UnixTime) -> Result<bool, SyncError> {
        for file in &self.files {
            let theirs = Version { mtime: file.mtime, hash: file.hash };
            if matches!(
                unversioned::status(snap, file.name.as_str(), &theirs, now)?,
                Status::Unknown | Status::Take | Status::TakeTime
            ) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes what it brings. Says how many files that were.
    pub(super) fn store(&self, tx: &Tx<'_>, now: UnixTime) -> Result<u64, SyncError> {
        let taken = unversioned::take_files(tx, &self.files, now).map_err(blame)?;
        Ok(taken.iter().filter(|&&taken| taken == Taken::Stored).count() as u64)
    }

    /// Sends what it wants, as far as there is room, and the catalog if the hashes differ. What finds no room is
    /// named again, so that the client asks again.
    pub(super) fn answer(
        &self,
        snap: &Snapshot<'_>,
        outbox: &mut Outbox<'_>,
        cards: &mut Vec<Card>,
        stats: &mut RoundStats,
    ) -> Result<(), SyncError> {
        let mut files = Vec::new();
        for &name in &self.gimmes {
            let Some(entry) = unversioned::find(snap, name.as_str())? else { continue };
            if outbox.takes(&entry) {
                files.push((name.clone(), entry));
            } else {
                cards.extend(igot(&entry));
            }
        }
        stats.uv_files_sent += files.len() as u64;
        cards.extend(outbox.unversioned(&files, &mut UvContents::new())?.into_iter().map(Card::UvFile));
        let Some(theirs) = self.hash else { return Ok(()) };
        if unversioned::catalog_hash(snap)? == theirs && !outbox.fires(Site::CatalogAnyway) {
            return Ok(());
        }
        cards.push(Card::Pragma(if self.may_write { Pragma::UvPushOk } else { Pragma::UvPullOnly }));
        cards.extend(unversioned::list(snap)?.iter().filter_map(igot));
        Ok(())
    }
}

/// A line of the catalog; none for a name or a size that no peer would take.
fn igot(entry: &Entry) -> Option<Card> {
    let name = UvName::new(entry.name.to_str_lossy()).ok()?;
    let size = u32::try_from(entry.size).ok()?;
    let Version { mtime, hash } = entry.version;
    Some(Card::UvIgot(UvIgot { name, mtime, hash, size }))
}
