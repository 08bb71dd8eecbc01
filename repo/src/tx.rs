//! Reading and changing.

use rusqlite::Connection;

use crate::RepoError;

/// One consistent view of the file. Every reading function takes one.
pub struct Snapshot<'r> {
    conn: &'r Connection,
}

impl<'r> Snapshot<'r> {
    /// The connection, for SQL that only reads.
    pub fn conn(&self) -> &'r Connection {
        self.conn
    }
}

/// One transaction: the only door to a change. Dropped without [`Tx::commit`], nothing happened.
pub struct Tx<'r> {
    snapshot: Snapshot<'r>,
}

impl<'r> std::ops::Deref for Tx<'r> {
    type Target = Snapshot<'r>;

    fn deref(&self) -> &Snapshot<'r> {
        &self.snapshot
    }
}

impl Tx<'_> {
    /// Makes everything done through this transaction last. Artifacts put since the last
    /// [`crate::ingest::settle`] are a mistake of the caller.
    pub fn commit(self) -> Result<(), RepoError> {
        unimplemented!()
    }
}
