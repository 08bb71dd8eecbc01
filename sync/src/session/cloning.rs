//! How far a clone is.

use std::collections::BTreeSet;

use repo::partial::{self, Partial};
use repo::{RepoError, Snapshot, Tx, wanted};
use xfer::ArtifactId;
use xfer::card::Codes;

use crate::SyncError;

/// A kind of clone to ask for. A peer that does not know it is asked for the next older one. A clone that took
/// batches before it was interrupted goes on with batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CloneVersion {
    /// Every artifact by its name.
    V1,
    /// Batches of artifacts.
    V2,
    /// Batches of compressed artifacts.
    #[default]
    V3,
}

/// The oldest kind of batch clone.
const OLDEST: u32 = 2;

/// The state of one clone.
#[derive(Debug)]
pub(super) struct Cloning {
    pub(super) phase: Phase,
    /// Kind of batch clone that is asked for.
    pub(super) version: u32,
    /// Server code of the file that the batches come from.
    server: Option<String>,
    /// Batches that this session took.
    batches: u32,
    begun: Begun,
    waiting: Waiting,
    /// What waited here for its delta source before the first reply, unless it was given up.
    pub(super) found: BTreeSet<ArtifactId>,
}

/// What the next request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The batch that starts at this rid of the server.
    Batch {
        /// First rid wanted.
        seqno: u32,
    },
    /// Every artifact by name, from a peer that knows no batches.
    Announce,
    /// What came to be on the server meanwhile, and what batches refer to and do not hold.
    Settle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Now,
    Earlier,
}

/// Whose deltas wait here for their source, before the first reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Nobody's, or this peer's.
    Its,
    /// Perhaps another one's.
    Unknown,
    /// Another one's, or such whose source did not come.
    InVain,
    /// What was here is given up.
    Dropped,
}

impl Cloning {
    pub(super) fn new(version: CloneVersion) -> Self {
        let (phase, version) = match version {
            CloneVersion::V1 => (Phase::Announce, OLDEST),
            CloneVersion::V2 => (Phase::Batch { seqno: 1 }, 2),
            CloneVersion::V3 => (Phase::Batch { seqno: 1 }, 3),
        };
        let (begun, waiting, found) = (Begun::Now, Waiting::Its, BTreeSet::new());
        Self { phase, version, server: None, batches: 0, begun, waiting, found }
    }

    /// Goes on where an earlier clone stopped, if there was one.
    pub(super) fn begin(&mut self, begun: Option<&Partial>, snap: &Snapshot<'_>) -> Result<(), SyncError> {
        let Some(begun) = begun else {
            return if partial::is_fresh(snap)? { Ok(()) } else { Err(SyncError::NotFresh) };
        };
        self.phase = match begun.seqno {
            0 => Phase::Settle,
            1 => self.phase,
            seqno => Phase::Batch { seqno },
        };
        self.server.clone_from(&begun.server);
        self.begun = Begun::Earlier;
        self.found = wanted::all_waiting(snap)?;
        self.waiting = match begun.seqno {
            // What waits after the last batch hardly gets its source, and there is little of it. Before the first one
            // nothing is lost.
            0 | 1 => Waiting::InVain,
            _ => Waiting::Unknown,
        };
        Ok(())
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.begun == Begun::Earlier
    }

    /// Whether the batches come from the file that the last one came from, so that they go on where it ended.
    pub(super) fn is_steady(&self) -> bool {
        self.batches > 0
    }

    /// Asks for an older kind of clone. False if there is none.
    pub(super) fn fall_back(&mut self) -> bool {
        match self.phase {
            Phase::Batch { .. } if self.version > OLDEST => self.version -= 1,
            Phase::Batch { seqno: 1 } => self.phase = Phase::Announce,
            Phase::Batch { .. } | Phase::Announce | Phase::Settle => return false,
        }
        true
    }

    /// Takes the cursor of a batch that started at `asked`.
    ///
    /// The cursor belongs to one repository file. Where another file of the project answers a resumed clone,
    /// the batches start anew; artifacts that are held already are passed over.
    pub(super) fn advance(&mut self, asked: u32, told: Option<u32>, push: &Codes) -> Result<(), SyncError> {
        let Some(told) = told else { return Err(SyncError::NoCloneSeqno) };
        if told != 0 && (told <= asked || told > i32::MAX.unsigned_abs()) {
            return Err(SyncError::CloneSeqno { asked, told });
        }
        self.batches += 1;
        self.phase = if told == 0 { Phase::Settle } else { Phase::Batch { seqno: told } };
        let theirs = push.server.clone();
        if self.waiting == Waiting::Unknown {
            let is_same = self.server.as_ref() == Some(&theirs);
            self.waiting = if is_same { Waiting::Its } else { Waiting::InVain };
        }
        match self.server.replace(theirs.clone()) {
            Some(ours) if ours != theirs && asked > 1 => {
                if self.batches > 1 {
                    return Err(SyncError::OtherServer { ours, theirs });
                }
                self.phase = Phase::Batch { seqno: 1 };
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether to give up the deltas that an earlier session left waiting, before the first reply is taken in: those of
    /// another server, whose deltas may run in a circle with them, and those that waited to the end. They are asked for
    /// again.
    pub(super) fn drops_waiting(&mut self) -> bool {
        let drops = self.waiting == Waiting::InVain;
        if drops {
            self.found.clear();
        }
        self.waiting = if drops { Waiting::Dropped } else { Waiting::Its };
        drops
    }

    /// Whether to give up what still waits at the end, and to ask for it once more: the server may have lost the source
    /// since an earlier session.
    pub(super) fn asks_once_more(&mut self) -> bool {
        self.is_resumed() && std::mem::replace(&mut self.waiting, Waiting::Dropped) != Waiting::Dropped
    }

    /// Marks the file with how far it came.
    pub(super) fn save(&self, tx: &Tx<'_>, project: &str) -> Result<(), RepoError> {
        let seqno = match self.phase {
            Phase::Batch { seqno } => seqno,
            Phase::Announce => 1,
            Phase::Settle => 0,
        };
        partial::save(tx, &Partial { seqno, project: Some(project.to_owned()), server: self.server.clone() })
    }
}
