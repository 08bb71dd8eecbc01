//! What the tests of this crate have in common.

use std::cell::RefCell;

use bytes::Bytes;
use xfer::ArtifactId;
use xfer::card::Privacy;
use xfer::hash::sha3_256;

use crate::content::{self, Incoming, Stored};
use crate::zlib::Codec;
use crate::{Genesis, Presence, Repo, RepoError, Rid, Tx, UnixTime, blob, ingest};

/// Some time.
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

/// A repository in memory.
pub(crate) fn repo() -> Repo {
    Repo::in_memory(&genesis()).unwrap()
}

/// What the repositories of tests begin with.
pub(crate) fn genesis() -> Genesis {
    Genesis {
        project: "d8a2890475e7bf98e6bcde61975ee4dc71542449".into(),
        server: "e878e0cd265beed9e4a3b7bc4cc66b6b6a32e1df".into(),
        user: "alice".into(),
        now: NOW,
        ..Genesis::default()
    }
}

thread_local! {
    static CODEC: RefCell<Codec> = RefCell::default();
}

/// A container of `plain`.
pub(crate) fn frame(plain: &[u8]) -> Bytes {
    CODEC.with_borrow_mut(|codec| codec.pack(plain).into())
}

/// A delta that is quickly made, and short for contents that begin alike.
pub(crate) fn delta(source: &[u8], target: &[u8]) -> Vec<u8> {
    let alike = source.iter().zip(target).take_while(|(a, b)| a == b).count();
    crate::delta::of_prefix(target, alike)
}

/// Puts the whole content under its name.
pub(crate) fn put(tx: &Tx<'_>, content: &[u8]) -> Result<Stored, RepoError> {
    content::put(tx, &sha3_256(content), &Incoming::Whole(content), Privacy::Public)
}

/// Puts `target` as a delta of `source` under its name.
pub(crate) fn put_delta(tx: &Tx<'_>, source: &[u8], target: &[u8]) -> Result<Stored, RepoError> {
    let delta = delta(source, target);
    let incoming = Incoming::Delta { source: &sha3_256(source), delta: &delta };
    content::put(tx, &sha3_256(target), &incoming, Privacy::Public)
}

/// Puts and settles the whole content, in a transaction of its own.
pub(crate) fn hold(repo: &mut Repo, content: &[u8]) -> Rid {
    let tx = repo.begin().unwrap();
    put(&tx, content).unwrap();
    ingest::settle(&tx, NOW).unwrap();
    let rid = held(&tx, &sha3_256(content));
    tx.commit().unwrap();
    rid
}

/// The rid of something held.
pub(crate) fn held(tx: &Tx<'_>, id: &ArtifactId) -> Rid {
    match blob::presence(tx, id).unwrap() {
        Presence::Held(rid) => rid,
        other => panic!("{id} is {other:?}"),
    }
}

/// The first column of the first row.
pub(crate) fn number(tx: &Tx<'_>, sql: &str) -> i64 {
    tx.conn().query_row(sql, [], |row| row.get(0)).unwrap()
}
