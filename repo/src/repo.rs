//! The repository file.

use std::cell::RefCell;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::tx::{Ground, Memory, Mode};
use crate::{CacheUse, RepoError, Snapshot, Tx, UnixTime, schema};

mod journal;

pub use self::journal::write_back;

/// An open repository file.
pub struct Repo {
    pub(crate) conn: Connection,
    pub(crate) memory: RefCell<Memory>,
    pub(crate) ground: Ground,
    /// None for a repository in memory.
    path: Option<PathBuf>,
    log: journal::Log,
}

/// What a new repository starts from.
#[derive(Clone, Default)]
pub struct Genesis {
    /// Project code: 40 hex digits; empty where it is not known yet, as in a clone's first round.
    pub project: String,
    /// Server code: 40 hex digits.
    pub server: String,
    /// First user, who gets capability `s` (set-up).
    pub user: String,
    /// That user's password in clear; the file keeps its secret only. None: no login.
    pub password: Option<String>,
    /// Capabilities of everyone who does not log in (user `nobody`), for example `go` to let them clone and
    /// pull. Empty: none.
    pub public: String,
    /// Now.
    pub now: UnixTime,
}

impl std::fmt::Debug for Genesis {
    /// Shows that there is a password, not which.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Genesis")
            .field("project", &self.project)
            .field("server", &self.server)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| ".."))
            .field("public", &self.public)
            .field("now", &self.now)
            .finish()
    }
}

/// What a repository may cost in memory and waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one expanded artifact. SQLite allows 1,000,000,000 bytes a row.
    pub artifact_bytes: usize,
    /// Bytes of expanded artifacts that are kept for the next reader.
    pub cache_bytes: usize,
    /// Bytes of the file's pages that are kept for the next reader, once much was read or written at a time; 2 MiB at most
    /// before that.
    pub page_bytes: usize,
    /// Bytes of delta sources held while artifacts are expanded, besides the largest of them; about twice as many where
    /// sizes that the file records prove wrong.
    pub held_bytes: usize,
    /// Threads that inflate, hash and read artifacts. What comes out does not depend on it.
    pub threads: usize,
    /// How long to wait for other users of the file.
    pub busy_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            artifact_bytes: 990_000_000,
            cache_bytes: 2 << 20,
            page_bytes: 10_000 << 10,
            held_bytes: 16 << 20,
            threads: cores().min(4),
            busy_timeout_ms: 15_000,
        }
    }
}

/// Cores that this process may use. The system reads several files to tell, and so is asked once.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Bytes of pages that are kept until there is much to do. Artifacts on their way to a peer go through them once, and so
/// gain nothing by more.
const FEW_PAGES: usize = 2 << 20;

/// Bytes of expanded artifacts that are much to do at a time: the pages of indexes come up again and again then.
const MUCH: usize = 16 << 20;

impl Limits {
    /// Of one among many repositories that are open, as a server has them.
    pub fn of_many() -> Self {
        Self { page_bytes: FEW_PAGES, ..Self::default() }
    }
}

impl Repo {
    /// Makes a new file, all of it in one transaction. It must not exist.
    pub fn create(path: &Path, genesis: &Genesis) -> Result<Self, RepoError> {
        create(path, genesis).map_err(|error| error.at(path))
    }

    /// Makes a repository in memory.
    pub fn in_memory(genesis: &Genesis) -> Result<Self, RepoError> {
        let mut repo = Self::over(Connection::open_in_memory()?, None)?;
        repo.populate(genesis)?;
        Ok(repo)
    }

    /// Copies what is committed into a new repository in memory. Nothing is in one that is held.
    pub fn copy_in_memory(&self) -> Result<Self, RepoError> {
        assert!(self.ground == Ground::File, "nothing of what is held is committed");
        let mut conn = Connection::open_in_memory()?;
        Backup::new(&self.conn, &mut conn)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
        let mut copy = Self::over(conn, None)?;
        copy.set_limits(self.memory.borrow().limits.clone())?;
        Ok(copy)
    }

    /// Opens a file for reading and writing.
    pub fn open(path: &Path) -> Result<Self, RepoError> {
        open(path, Access::Write).map_err(|error| error.at(path))
    }

    /// Opens a file for reading. What a writer that was killed left half done is undone first, which takes the
    /// right to write.
    pub fn open_read_only(path: &Path) -> Result<Self, RepoError> {
        // Whoever may only read cannot undo it: SQLite calls that read-only too.
        let opened = match open(path, Access::Read) {
            Err(RepoError::ReadOnly { .. }) => open(path, Access::Mend),
            opened => opened,
        };
        opened.map_err(|error| error.at(path))
    }

    /// Opens a file whose pages are to be looked at, whatever they hold.
    pub(crate) fn open_unchecked(path: &Path) -> Result<Self, RepoError> {
        connect(path, Access::Read.flags()).map_err(|error| error.at(path))
    }

    /// The file; none for a repository in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Changes what the repository may cost.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), RepoError> {
        self.conn.busy_timeout(Duration::from_millis(limits.busy_timeout_ms))?;
        let memory = self.memory.get_mut();
        let pages = limits.page_bytes.min(FEW_PAGES);
        if memory.keeps_all_pages || pages != memory.limits.page_bytes.min(FEW_PAGES) {
            keep_pages(&self.conn, pages)?;
        }
        memory.set_limits(limits);
        Ok(())
    }

    /// How often content was found in memory since the limits were set.
    pub fn cache_use(&self) -> CacheUse {
        self.memory.borrow().cache.used()
    }

    /// A number that is another one after anybody else, of this program or another, changed the file. It means
    /// something only beside an earlier one of this very `Repo`.
    pub fn version(&self) -> Result<i64, RepoError> {
        Ok(self.conn.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    /// Starts a transaction that may write; waits a bounded time for other writers.
    pub fn begin(&mut self) -> Result<Tx<'_>, RepoError> {
        self.start(Mode::Write).map(Tx::over)
    }

    /// Takes a consistent view.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>, RepoError> {
        self.start(Mode::Read)
    }

    fn start(&mut self, mode: Mode) -> Result<Snapshot<'_>, RepoError> {
        Snapshot::start(&self.conn, &self.memory, self.path.as_deref(), self.ground, mode)
    }

    /// How many rows were written through this since it was opened, those included that were rolled back.
    pub fn rows_written(&self) -> u64 {
        self.conn.total_changes()
    }

    fn over(conn: Connection, path: Option<&Path>) -> Result<Self, RepoError> {
        let limits = Limits::default();
        conn.busy_timeout(Duration::from_millis(limits.busy_timeout_ms))?;
        conn.set_prepared_statement_cache_capacity(512);
        // Without it, binding another value may have a cached statement planned anew every time.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.execute_batch(
            "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=OFF;
             PRAGMA temp_store=MEMORY;",
        )?;
        keep_pages(&conn, limits.page_bytes.min(FEW_PAGES))?;
        let (memory, ground) = (RefCell::new(Memory::new(limits)), Ground::File);
        Ok(Self { conn, memory, ground, path: path.map(Path::to_owned), log: journal::Log::default() })
    }

    fn populate(&mut self, genesis: &Genesis) -> Result<(), RepoError> {
        self.conn.execute_batch(schema::BEFORE)?;
        let tx = self.begin()?;
        schema::create(&tx, genesis)?;
        tx.commit()
    }
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// To read, once SQLite has undone what a dead writer left.
    Mend,
}

impl Access {
    const fn flags(self) -> OpenFlags {
        match self {
            Self::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Self::Write | Self::Mend => OpenFlags::SQLITE_OPEN_READ_WRITE,
        }
    }
}

impl Snapshot<'_> {
    /// Prepares for work on about this many bytes of expanded artifacts.
    pub(crate) fn expect(&self, bytes: usize) -> Result<(), RepoError> {
        let mut memory = self.memory().borrow_mut();
        if bytes > MUCH && !memory.keeps_all_pages {
            keep_pages(self.conn(), memory.limits.page_bytes)?;
            memory.keeps_all_pages = true;
        }
        Ok(())
    }
}

/// SQLite takes a negative number for KiB.
fn keep_pages(conn: &Connection, bytes: usize) -> Result<(), RepoError> {
    Ok(conn.execute_batch(&format!("PRAGMA cache_size=-{}", bytes >> 10))?)
}

fn create(path: &Path, genesis: &Genesis) -> Result<Repo, RepoError> {
    for suffix in ["-journal", "-wal"] {
        let companion = with_suffix(path, suffix);
        if companion.exists() {
            return Err(RepoError::AlreadyExists { path: companion.as_path().into() });
        }
    }
    // The name is taken before SQLite sees it, so that two creators cannot meet in one file. Until the
    // transaction ends the file is empty, which nobody takes for a repository.
    std::fs::File::create_new(path).map_err(|error| RepoError::io(&error))?;
    let made = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|mut repo| {
        repo.populate(genesis)?;
        Ok(repo)
    });
    if made.is_err() {
        // What matters is the first error; an empty file that stays behind does no harm.
        let _ = std::fs::remove_file(path);
    }
    made
}

fn open(path: &Path, access: Access) -> Result<Repo, RepoError> {
    let not = |reason| Err(RepoError::NotARepository { path: path.into(), reason });
    let file = std::fs::metadata(path).map_err(|error| RepoError::io(&error))?;
    if !file.is_file() {
        return not("it is no file");
    }
    if file.len() < schema::LEAST_FILE_BYTES || file.len() % 512 != 0 {
        return match begins_as_database(path) {
            true => not("it is a database that was cut off, or is too small for a repository"),
            false => not("it is no SQLite database"),
        };
    }
    let mut repo = connect(path, access.flags())?;
    if access != Access::Read && repo.conn.is_readonly("main")? {
        return Err(RepoError::ReadOnly { path: path.into() });
    }
    if access != Access::Write {
        repo.conn.execute_batch("PRAGMA query_only=ON")?;
    }
    schema::check(&repo.snapshot()?)?;
    Ok(repo)
}

fn begins_as_database(path: &Path) -> bool {
    let mut start = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"SQLite format 3\0"
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Repo, RepoError> {
    let conn = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    Repo::over(conn, Some(path))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
