//! Expand, verify, link: what happens to artifacts after [`crate::content::put`].

pub(crate) mod crew;
mod every;
pub(crate) mod examine;
pub(crate) mod forest;
mod inflate;
mod order;
pub(crate) mod unsettled;
mod waiting;
pub(crate) mod walk;

use bytes::Bytes;
use rusqlite::params;
use xfer::ArtifactId;

use self::crew::{Begun, Crew};
pub(crate) use self::every::every;
use self::examine::{Batch, Item, Reading};
use self::forest::{Forest, Node};
pub(crate) use self::unsettled::Unsettled;
use self::waiting::Waiting;
use self::walk::Walk;
use crate::crosslink::Linker;
use crate::error::Fault;
use crate::manifest::Artifact;
use crate::{RepoError, Rid, Tx, UnixTime, content, dangling, private};

/// What is settled at once and would fill more caches than this leaves nothing in it.
const MOST_CACHES: usize = 8;

/// What [`settle`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Artifacts whose content was verified.
    pub verified: u64,
    /// Structural artifacts linked into the derived tables.
    pub linked: u64,
    /// Artifacts of earlier transactions that waited for their delta source and turned out false when it
    /// came. They are phantoms now.
    pub dropped: Vec<ArtifactId>,
}

/// Verifies everything that was put since the last call, and what it makes expandable, and links it.
///
/// An artifact put since the last call that is not what its name says is an error, and the caller's
/// transaction is lost. One that waited in the file for its delta source is dropped, the source is kept.
pub fn settle(tx: &Tx<'_>, now: UnixTime) -> Result<Settled, RepoError> {
    unsettled::await_no_longer(tx)?;
    let unsettled = std::mem::take(&mut tx.memory().borrow_mut().unsettled);
    let forest = Forest::of_unsettled(tx, &unsettled)?;
    let waiting = Waiting::of(&unsettled);
    drop(unsettled);
    let bytes = forest.bytes().saturating_add(waiting.bytes());
    tx.expect(bytes)?;
    let (linker, done, private) = tx.with_crew(bytes, |crew| {
        waiting.note_sizes(tx, crew)?;
        let mut settling = Settling::new(tx, &forest, crew)?;
        settling.run()?;
        Ok::<_, RepoError>((settling.linker, settling.done, settling.private))
    })?;
    linker.finish(tx, now)?;
    tx.memory().borrow_mut().unsettled.forget_rewritten();
    publish_contained(tx, &private)?;
    Ok(done)
}

/// Makes public what came as private and is contained in a public check-in, as a rebuild does.
fn publish_contained(tx: &Tx<'_>, arrived: &[Rid]) -> Result<(), RepoError> {
    let sql = "SELECT 1 FROM mlink WHERE fid=?1 AND mid NOT IN (SELECT rid FROM private)";
    for &rid in arrived {
        if tx.prepared(sql)?.exists([rid])? {
            private::remove(tx, rid)?;
        }
    }
    Ok(())
}

/// When an artifact was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Since the last call of [`settle`].
    Now,
    /// Before.
    Earlier,
}

fn set_size(tx: &Tx<'_>, rid: Rid, size: usize) -> Result<(), RepoError> {
    tx.prepared("UPDATE blob SET size=?1 WHERE rid=?2 AND size<>?1")?.execute(params![size as i64, rid])?;
    Ok(())
}

/// One run of [`settle`]. While one batch is being examined by other threads, this one expands the next and links
/// the one before.
struct Settling<'t, 'r> {
    tx: &'t Tx<'r>,
    forest: &'t Forest,
    walk: Walk<'t>,
    crew: &'t Crew,
    expanded: Batch,
    being_examined: Option<Begun<Batch>>,
    any_private: bool,
    /// Whether the next reader may have what is structural from memory. Of much at once little would stay there.
    keeps_lists: bool,
    /// What came as private.
    private: Vec<Rid>,
    linker: Linker,
    done: Settled,
}

impl<'t, 'r> Settling<'t, 'r> {
    fn new(tx: &'t Tx<'r>, forest: &'t Forest, crew: &'t Crew) -> Result<Self, RepoError> {
        let any_private = tx.prepared("SELECT 1 FROM private LIMIT 1")?.exists([])?;
        let keeps_lists =
            forest.bytes() <= tx.memory().borrow().limits.cache_bytes.saturating_mul(MOST_CACHES);
        Ok(Self {
            tx,
            forest,
            walk: Walk::helped(tx, forest, crew),
            crew,
            expanded: Batch::first_of(Reading::Structural, forest.bytes()),
            being_examined: None,
            any_private,
            keeps_lists,
            private: Vec::new(),
            linker: Linker::default(),
            done: Settled::default(),
        })
    }

    fn run(&mut self) -> Result<(), RepoError> {
        while let Some((index, expanded)) = self.walk.step(self.tx)? {
            match expanded {
                Ok(content) => {
                    self.expanded.push(Item { index, expected: Some(self.forest.node(index).id), content });
                    if self.expanded.is_large() {
                        self.finish()?;
                    } else if self.expanded.is_full() {
                        self.move_on()?;
                    }
                }
                Err(error) => {
                    // Perhaps it is the source that is false: that shows when its batch is examined.
                    self.finish()?;
                    if !self.walk.is_abandoned(index) {
                        self.refuse(index, error)?;
                    }
                }
            }
        }
        self.finish()?;
        assert_eq!(self.walk.seen(), self.forest.len(), "a delta cycle was let in");
        Ok(())
    }

    /// Has what was expanded examined, and takes in what was being examined until now.
    fn move_on(&mut self) -> Result<(), RepoError> {
        let next = self.crew.begin(self.expanded.take());
        match self.being_examined.replace(next) {
            Some(examined) => self.absorb(&examined),
            None => Ok(()),
        }
    }

    /// Takes in all that was expanded so far.
    fn finish(&mut self) -> Result<(), RepoError> {
        self.move_on()?;
        match self.being_examined.take() {
            Some(examined) => self.absorb(&examined),
            None => Ok(()),
        }
    }

    /// Links a batch in order, after a look at the names.
    fn absorb(&mut self, begun: &Begun<Batch>) -> Result<(), RepoError> {
        let found = examine::finish(self.crew, begun);
        for (&Item { index, expected, ref content }, found) in begun.work().items().iter().zip(found) {
            let (Some(expected), Some(actual)) = (expected, found.name) else {
                unreachable!("names are wanted")
            };
            if self.walk.is_abandoned(index) {
                continue;
            }
            if actual == expected {
                self.accept(self.forest.node(index), content, found.artifact.as_ref())?;
            } else {
                self.refuse(index, RepoError::WrongHash { id: expected, actual })?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, node: &Node, content: &Bytes, artifact: Option<&Artifact>) -> Result<(), RepoError> {
        if node.size != content.len() as i64 {
            set_size(self.tx, node.rid, content.len())?;
        }
        if self.any_private
            && let Some(source) = node.source
            && private::contains(self.tx, source)?
            && !private::contains(self.tx, node.rid)?
        {
            content::replace_whole(self.tx, node.rid, content)?;
        }
        if self.any_private && private::contains(self.tx, node.rid)? {
            self.private.push(node.rid);
        }
        self.done.verified += 1;
        if let Some(artifact) = artifact {
            self.linker.take_in(self.tx, node.rid, content, artifact)?;
            self.done.linked += 1;
            if self.keeps_lists {
                self.tx.memory().borrow_mut().cache.put(node.rid, content);
            }
        }
        Ok(())
    }

    /// Drops an artifact that is not what its name says, if it lay in the file; fails if it came now.
    fn refuse(&mut self, index: usize, error: RepoError) -> Result<(), RepoError> {
        let node = self.forest.node(index);
        if node.arrival == Arrival::Now || error.fault() != Fault::Sender {
            return Err(error);
        }
        content::make_phantom(self.tx, node.rid)?;
        self.done.dropped.push(node.id);
        for waiting in self.walk.abandon_below(index) {
            let waiting = self.forest.node(waiting);
            if let Some(source) = waiting.source {
                dangling::with(self.tx, |dangling| dangling.insert(waiting.rid, source))?;
            }
            if waiting.arrival == Arrival::Now {
                waiting::note_size(self.tx, waiting.rid)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
