//! Repositories in which artifacts arrive.

use std::collections::BTreeSet;

use repo::content::Incoming;
use repo::{Genesis, Repo, UnixTime, content, derived, ingest};
use xfer::card::Privacy;

use crate::reader::{Artifact, Case};

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_600_000_000);

/// A way for the artifacts of a case to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    OneByOne,
    AtOnce,
    ReversedOneByOne,
    ReversedAtOnce,
}

impl Arrival {
    pub(crate) const ALL: [Self; 4] =
        [Self::OneByOne, Self::AtOnce, Self::ReversedOneByOne, Self::ReversedAtOnce];

    /// The mode that tells what stock's rebuild makes of the rids that this gives.
    pub(crate) fn rebuild_mode(self) -> &'static str {
        match self {
            Self::OneByOne | Self::AtOnce => "R",
            Self::ReversedOneByOne => "Z",
            Self::ReversedAtOnce => "V",
        }
    }
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        project: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        server: "123456789abcdef0123456789abcdef012345678".to_owned(),
        user: "me".to_owned(),
        now: NOW,
        ..Genesis::default()
    }
}

pub(crate) fn empty() -> Repo {
    Repo::in_memory(&genesis()).unwrap()
}

pub(crate) fn take_in(repo: &mut Repo, batch: &[&Artifact]) {
    let tx = repo.begin().unwrap();
    for artifact in batch {
        content::put(&tx, &artifact.id, &Incoming::Whole(&artifact.content), Privacy::Public).unwrap();
    }
    ingest::settle(&tx, NOW).unwrap();
    tx.commit().unwrap();
}

/// Rows as table and text.
pub(crate) fn dump(repo: &mut Repo) -> BTreeSet<(String, String)> {
    let rows = derived::dump(repo.snapshot().unwrap().conn()).unwrap();
    rows.rows().map(|(table, row)| (table.to_owned(), row.to_owned())).collect()
}

pub(crate) fn arrive(repo: &mut Repo, case: &Case, arrival: Arrival) {
    let mut artifacts: Vec<&Artifact> = case.setup.iter().chain(&case.new).collect();
    if matches!(arrival, Arrival::ReversedOneByOne | Arrival::ReversedAtOnce) {
        artifacts.reverse();
    }
    match arrival {
        Arrival::OneByOne | Arrival::ReversedOneByOne => {
            artifacts.iter().for_each(|artifact| take_in(repo, &[artifact]));
        }
        Arrival::AtOnce | Arrival::ReversedAtOnce => take_in(repo, &artifacts),
    }
}
