//! Structural artifacts into derived tables (reference: repo.md section 6).
//!
//! Every derived row is a function of the artifacts held and of their rids: whatever the batches and the waiting,
//! the rows end as stock's `fossil rebuild` of the same file makes them. [`Linker::take_in`] writes what depends
//! on the artifact alone and notes what else it touches; [`Linker::finish`] brings exactly that up to date.
//!
//! Where a rebuild by stock depends on the order in which it meets artifacts, the order of rids decides here
//! (stock meets them nearly in that order). Decided otherwise than in stock:
//! - A tag `private` hides nothing: a peer must not be able to withdraw what is public.
//! - A `parent` tag with a lower rid than its check-in does not cost the check-in its row in the timeline.
//! - No control artifacts are made up for a repository without a trunk.
//! - What a public check-in contains becomes public and is announced.
//! - Types and texts of attachments are those of 2.21 (see `attachment`).

mod attachment;
mod backlink;
mod cards;
mod changes;
pub(crate) mod checkin;
mod cluster;
mod control;
mod event;
pub(crate) mod forum;
pub(crate) mod leaf;
mod listing;
mod mlink;
mod nudge;
mod short;
mod technote;
mod ticket;
mod version;
mod wiki;

use std::collections::BTreeSet;

use bytes::Bytes;
use xfer::ArtifactId;

use crate::manifest::{Artifact, TagCard, TagKind};
use crate::tag::{self, Batch, Statement, TagId};
use crate::{RepoError, Rid, Text, Tx, UnixTime, blob};

/// Links the artifacts of one batch.
#[derive(Default)]
pub struct Linker {
    tags: Batch,
    files: mlink::FileLinks,
    /// The highest rid that was linked before this batch.
    linked: Option<Rid>,
    /// Artifacts whose row in the timeline is new.
    fresh: BTreeSet<Rid>,
    clusters: BTreeSet<Rid>,
    /// Artifacts whose place among the leaves may change.
    leaves: BTreeSet<Rid>,
    /// Check-ins whose time may be too close to that of a child.
    parents: BTreeSet<Rid>,
    pages: BTreeSet<TagId>,
    tickets: BTreeSet<String>,
    technotes: BTreeSet<String>,
    attachment_targets: BTreeSet<Text>,
    threads: BTreeSet<Rid>,
}

impl Linker {
    /// Takes in one artifact whose content has just become available and is verified. Any order. Of the files of a
    /// check-in only the renamed ones need be given: linking reads the cards themselves.
    pub(crate) fn take_in(
        &mut self,
        tx: &Tx<'_>,
        rid: Rid,
        content: &Bytes,
        artifact: &Artifact,
    ) -> Result<(), RepoError> {
        if self.linked.is_none() {
            self.linked = Some(last_linked(tx)?);
        }
        match artifact {
            Artifact::Checkin(checkin) => checkin::arrived(self, tx, rid, content, checkin),
            Artifact::Cluster(members) => cluster::arrived(self, tx, rid, members),
            Artifact::Control(control) => control::arrived(self, tx, rid, control),
            Artifact::Wiki(wiki) => wiki::arrived(self, tx, rid, wiki),
            Artifact::Ticket(change) => ticket::arrived(self, tx, rid, change),
            Artifact::Attachment(attachment) => attachment::arrived(self, tx, rid, attachment),
            Artifact::Technote(technote) => technote::arrived(self, tx, rid, technote),
            Artifact::Forum(post) => forum::arrived(self, tx, rid, post),
        }
    }

    /// Brings every derived row that the batch touches to what a rebuild of the file would make it.
    pub fn finish(mut self, tx: &Tx<'_>, now: UnixTime) -> Result<(), RepoError> {
        for cluster in std::mem::take(&mut self.clusters) {
            self.label(cluster, tag::CLUSTER, None, now);
        }
        checkin::complete_cherrypicks(&mut self, tx)?;
        let changed = std::mem::take(&mut self.tags).apply(tx, self.linked.unwrap_or(Rid(0)))?;
        checkin::give_parents(&mut self, tx, changed.parents)?;
        self.files.finish(tx)?;
        technote::finish(&mut self, tx)?;
        ticket::finish(&mut self, tx)?;
        attachment::finish(&self, tx)?;
        wiki::finish(&self, tx)?;
        forum::finish(&self, tx)?;
        for rid in &self.fresh | &changed.decorations {
            if changed.decorations.contains(&rid) || event::has_tags(tx, rid)? {
                event::decorate(tx, rid)?;
                self.parents.insert(rid);
            }
        }
        nudge::finish(tx, &self.parents)?;
        leaf::finish(tx, &self.leaves, &changed.branches)
    }

    /// Notes a tag that an artifact has by being what it is.
    fn label(&mut self, rid: Rid, tag: TagId, value: Option<Text>, time: UnixTime) {
        self.tags.state(Statement { target: rid, tag, kind: TagKind::Add, value, source: rid, time });
    }

    /// Links a version of something other than a check-in to those before it. These may be leaves no more: a branch is
    /// put on anything.
    fn version(
        &mut self,
        tx: &Tx<'_>,
        rid: Rid,
        parents: &[ArtifactId],
        time: UnixTime,
    ) -> Result<(), RepoError> {
        if let Some(primary) = version::link(tx, rid, parents, time, None)? {
            self.tags.inherit(rid, primary);
        }
        if !parents.is_empty() {
            self.leaves.extend(blob::rids(tx, "SELECT pid FROM plink WHERE cid=?1", [rid])?);
        }
        Ok(())
    }

    /// Notes the `T` cards of an artifact.
    fn state(
        &mut self,
        tx: &Tx<'_>,
        source: Rid,
        cards: &[TagCard],
        time: UnixTime,
    ) -> Result<(), RepoError> {
        for card in cards {
            let target = match &card.target {
                None => Some(source),
                Some(id) => blob::rid_or_phantom(tx, id, mlink::privacy(tx, source)?)?,
            };
            // A shunned artifact has no tags.
            let Some(target) = target else { continue };
            let tag = self.tags.id(tx, &card.name)?;
            let (kind, value) = (card.kind, card.value.clone());
            self.tags.state(Statement { target, tag, kind, value, source, time });
        }
        Ok(())
    }
}

/// Makes the tables of tickets anew as the settings are now, and every ticket in them.
pub fn remake_tickets(tx: &Tx<'_>) -> Result<(), RepoError> {
    crate::schema::ticket::make(tx)?;
    let mut linker = Linker { tickets: ticket::all(tx)?, ..Linker::default() };
    ticket::finish(&mut linker, tx)
}

fn last_linked(tx: &Tx<'_>) -> Result<Rid, RepoError> {
    let mut last = tx.prepared("SELECT max(objid) FROM event")?;
    let last: Option<Rid> = last.query_row([], |row| row.get(0))?;
    Ok(last.unwrap_or(Rid(0)))
}
