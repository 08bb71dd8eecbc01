//! Reading and changing.

mod prepared;

use std::cell::{Cell, RefCell};
use std::path::Path;

use rusqlite::Connection;

pub(crate) use self::prepared::Prepared;
use self::prepared::Statements;
use crate::blob::Names;
use crate::cache::Cache;
use crate::dangling::Dangling;
use crate::ingest::Unsettled;
use crate::known::Known;
use crate::repo::Limits;
use crate::schema::Tables;
use crate::zlib::{Codec, FrameError};
use crate::{RepoError, UnixTime};

/// One consistent view of the file. Every reading function takes one.
pub struct Snapshot<'r> {
    conn: &'r Connection,
    memory: &'r RefCell<Memory>,
    path: Option<&'r Path>,
    ground: Ground,
    mode: Mode,
    /// Which version of the schema a view that only reads has, once it was asked for.
    schema: Cell<Option<i64>>,
    committed: Cell<bool>,
}

/// One transaction: the only door to a change. Dropped without [`Tx::commit`], nothing happened.
pub struct Tx<'r> {
    snapshot: Snapshot<'r>,
    statements: Statements<'r>,
}

/// Where artifacts come from: a row of `rcvfrom`, made when the first one is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// Row of the user who sends them; 0 if nobody is logged in.
    pub uid: i64,
    /// Login nonce of the request. Never used twice in one file.
    pub nonce: Option<String>,
    /// Address of the sender.
    pub ip: Option<String>,
    /// When.
    pub time: UnixTime,
}

/// What is kept beside the file: immutable content and, within a transaction, what it did so far.
pub(crate) struct Memory {
    pub(crate) limits: Limits,
    pub(crate) cache: Cache,
    pub(crate) codec: Codec,
    pub(crate) tables: Tables,
    /// Those of this transaction.
    pub(crate) names: Names,
    pub(crate) known: Known,
    pub(crate) dangling: Option<Dangling>,
    pub(crate) unsettled: Unsettled,
    pub(crate) origin: Option<Origin>,
    pub(crate) rcvid: Option<i64>,
    pub(crate) damage: Damage,
    /// Whether as many pages of the file are kept as may be.
    pub(crate) keeps_all_pages: bool,
    data_version: i64,
}

/// What becomes of a damaged artifact that linking another one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The transaction fails.
    IsAnError,
    /// The other is linked as if it was not here.
    CountsAsMissing,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// What a transaction changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The file.
    File,
    /// What is to be undone later, together: see [`crate::Repo::hold`].
    Held,
}

impl<'r> Snapshot<'r> {
    /// The connection, for SQL that only reads.
    pub fn conn(&self) -> &'r Connection {
        self.conn
    }

    pub(crate) fn start(
        conn: &'r Connection,
        memory: &'r RefCell<Memory>,
        path: Option<&'r Path>,
        ground: Ground,
        mode: Mode,
    ) -> Result<Self, RepoError> {
        let snapshot =
            Self { conn, memory, path, ground, mode, schema: Cell::new(None), committed: Cell::new(false) };
        snapshot.begin().map_err(|error| snapshot.place(error))?;
        Ok(snapshot)
    }

    /// A number that is another one after a table was made, changed or dropped.
    pub(crate) fn schema_version(&self) -> Result<i64, RepoError> {
        if let Some(version) = self.schema.get() {
            return Ok(version);
        }
        let mut statement = self.conn.prepare_cached("PRAGMA schema_version")?;
        let version = statement.query_row([], |row| row.get(0))?;
        // Who writes may change it.
        self.schema.set(Some(version).filter(|_| self.mode == Mode::Read));
        Ok(version)
    }

    pub(crate) fn memory(&self) -> &'r RefCell<Memory> {
        self.memory
    }

    /// Names the file in an error, if there is a file.
    fn place(&self, error: RepoError) -> RepoError {
        match self.path {
            Some(path) => error.at(path),
            None => error,
        }
    }

    /// A statement of every transaction.
    fn execute(&self, sql: &str) -> rusqlite::Result<usize> {
        self.conn.prepare_cached(sql)?.execute([])
    }

    fn begin(&self) -> Result<(), RepoError> {
        assert!(self.ground == Ground::File || !self.conn.is_autocommit(), "what was held is gone");
        match (self.ground, self.mode) {
            (Ground::File, Mode::Read) => self.execute("BEGIN")?,
            (Ground::File, Mode::Write) => self.execute("BEGIN IMMEDIATE")?,
            (Ground::Held, Mode::Read) => 0,
            (Ground::Held, Mode::Write) => self.execute("SAVEPOINT held")?,
        };
        // Nobody else writes to what is held.
        if self.ground == Ground::Held {
            self.memory.borrow_mut().begin();
            return Ok(());
        }
        // This also takes the view: a deferred transaction has none before its first read.
        let mut version = self.conn.prepare_cached("PRAGMA data_version")?;
        let version = version.query_row([], |row| row.get(0))?;
        let mut memory = self.memory.borrow_mut();
        memory.heed(version);
        memory.begin();
        Ok(())
    }
}

impl Snapshot<'_> {
    fn roll_back(&self) -> rusqlite::Result<usize> {
        match (self.ground, self.mode) {
            // SQLite may have rolled back by itself.
            (Ground::File, _) if self.conn.is_autocommit() => Ok(0),
            (Ground::File, _) => self.execute("ROLLBACK"),
            (Ground::Held, Mode::Read) => Ok(0),
            (Ground::Held, Mode::Write) => {
                self.execute("ROLLBACK TO held")?;
                self.execute("RELEASE held")
            }
        }
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if !self.committed.get() {
            // A rollback that fails leaves SQLite to roll back when the file is opened next.
            let _ = self.roll_back();
        }
        if self.mode == Mode::Write && !self.committed.get() {
            let mut memory = self.memory.borrow_mut();
            memory.cache.clear();
            memory.tables.forget();
        }
    }
}

impl<'r> Tx<'r> {
    pub(crate) fn over(snapshot: Snapshot<'r>) -> Self {
        Self { snapshot, statements: Statements::default() }
    }

    /// A statement, prepared when this transaction first asks for it.
    pub(crate) fn prepared(&self, sql: &'static str) -> rusqlite::Result<Prepared<'_, 'r>> {
        self.statements.get(self.snapshot.conn, sql)
    }
}

impl<'r> std::ops::Deref for Tx<'r> {
    type Target = Snapshot<'r>;

    fn deref(&self) -> &Snapshot<'r> {
        &self.snapshot
    }
}

impl Tx<'_> {
    /// Says where the artifacts that are stored from now on come from. Without it their row of `rcvfrom` is 0.
    pub fn set_origin(&self, origin: Origin) {
        let mut memory = self.memory.borrow_mut();
        memory.origin = Some(origin);
        memory.rcvid = None;
    }

    /// Makes everything done through this transaction last. Artifacts put since the last
    /// [`crate::ingest::settle`] are a mistake of the caller.
    pub fn commit(self) -> Result<(), RepoError> {
        assert!(self.memory.borrow().unsettled.is_empty(), "artifacts were put and not settled");
        let end = match self.ground {
            Ground::File => "COMMIT",
            Ground::Held => "RELEASE held",
        };
        self.execute(end).map_err(|error| self.place(error.into()))?;
        self.committed.set(true);
        Ok(())
    }
}

impl Memory {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            cache: Cache::new(limits.cache_bytes),
            limits,
            codec: Codec::new(),
            tables: Tables::default(),
            names: Names::default(),
            known: Known::default(),
            dangling: None,
            unsettled: Unsettled::default(),
            origin: None,
            rcvid: None,
            damage: Damage::IsAnError,
            keeps_all_pages: false,
            data_version: 0,
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.cache = Cache::new(limits.cache_bytes);
        self.limits = limits;
        self.keeps_all_pages = false;
    }

    /// Unpacks a stored form, within the limits.
    pub(crate) fn unpack(&mut self, frame: &[u8]) -> Result<Vec<u8>, FrameError> {
        self.codec.unpack(frame, self.limits.artifact_bytes)
    }

    /// Lets go of everything.
    pub(crate) fn forget(&mut self) {
        self.cache.clear();
        self.tables.forget();
        self.begin();
    }

    /// What others changed meanwhile may have given a rid to another artifact.
    fn heed(&mut self, data_version: i64) {
        if self.data_version != data_version {
            self.cache.clear();
            self.data_version = data_version;
        }
    }

    /// Starts anew.
    fn begin(&mut self) {
        self.names.forget();
        self.known = Known::default();
        self.dangling = None;
        self.unsettled = Unsettled::default();
        self.origin = None;
        self.rcvid = None;
        self.damage = Damage::IsAnError;
    }
}
