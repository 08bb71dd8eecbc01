//! How what is committed gets into the file: a journal beside it, or a log (SQLite's write-ahead log).

use std::ffi::c_int;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::{Repo, with_suffix};
use crate::RepoError;

/// Room that a shared file needs beside it: the index takes 32 KiB, and nothing can be read without it.
const ROOM_BYTES: usize = 128 << 10;

/// Pages in the log from which on it is to be written into the file: as many as SQLite does it at by itself.
const LOG_PAGES: i32 = 1000;

/// Pages in the log from which on nothing is put off any more.
const MOST_LOG_PAGES: i32 = 8 * LOG_PAGES;

/// How many pages the log had when this connection last committed.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<AtomicI32>);

impl Log {
    fn pages(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, pages: i32) {
        self.0.store(pages, Ordering::Relaxed);
    }
}

impl Repo {
    /// Lets others read while one writes, for as long as a daemon has the file (SQLite's write-ahead log). Says
    /// whether [`Repo::unshare`] is to follow: not if the file's owner chose this, but if a daemon did that was
    /// killed.
    ///
    /// It is a property of the file, which stock heeds. What cannot be changed now stays as it is; so does a file on
    /// a disk that is all but full: who finds no room for what stands beside such a file can not even read it.
    pub fn share(&mut self) -> bool {
        let has_room = self.path.as_deref().is_some_and(has_room_beside);
        self.in_no_time(|conn| {
            if journal_mode(conn, None)? == "wal" {
                let mark = "SELECT 1 FROM sqlite_schema WHERE name='fx_frond_shared'";
                return conn.prepare(mark)?.exists([]);
            }
            let set = has_room && journal_mode(conn, Some("wal"))? == "wal";
            if set {
                conn.execute_batch("CREATE TABLE IF NOT EXISTS fx_frond_shared(mark)")?;
            }
            Ok(set)
        })
    }

    /// Makes the file one that is whole by itself again, if nobody else has it open.
    pub fn unshare(&mut self) -> bool {
        self.in_no_time(|conn| {
            let set = journal_mode(conn, Some("delete"))? == "delete";
            if set {
                conn.execute_batch("DROP TABLE IF EXISTS fx_frond_shared")?;
            }
            Ok(set)
        })
    }

    /// Has commits outlive this process at once, but a failure of the machine only once [`Repo::calm`] was called: one before
    /// that may leave the file damaged. For a file that nobody counts on yet, and that is not used any more after such a
    /// failure: to wait for the disk after each commit takes about as long as all else, and a log that makes a failure
    /// harmless a tenth of it.
    pub fn hurry(&mut self) -> Result<(), RepoError> {
        self.synchronous("OFF")
    }

    /// Puts all that was committed on the disk, and has commits wait for it again.
    pub fn calm(&mut self) -> Result<(), RepoError> {
        self.synchronous("FULL")?;
        let Some(path) = &self.path else { return Ok(()) };
        let file = std::fs::File::open(path).and_then(|file| file.sync_all());
        file.map_err(|error| RepoError::io(&error).at(path))
    }

    fn synchronous(&self, how: &str) -> Result<(), RepoError> {
        Ok(self.conn.execute_batch(&format!("PRAGMA synchronous={how}"))?)
    }

    /// Does what is not worth waiting for others: who has the file open may have it for long.
    fn in_no_time(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<bool>) -> bool {
        let patience = Duration::from_millis(self.memory.borrow().limits.busy_timeout_ms);
        let done = self.conn.busy_timeout(Duration::ZERO).and_then(|()| work(&self.conn));
        let _ = self.conn.busy_timeout(patience);
        done.unwrap_or(false)
    }

    /// Leaves it to the caller to write the log of a shared file into it, with [`write_back`], when nobody waits:
    /// else a commit does that every now and then, which takes as long as it took itself. A commit that finds much put off
    /// does it yet.
    pub fn put_off_write_back(&mut self) {
        let log = self.log.clone();
        let hook = move |wal: &mut Wal, pages: c_int| {
            log.note(pages);
            if pages >= MOST_LOG_PAGES && wal.checkpoint().is_ok() {
                log.note(0);
            }
            Ok(())
        };
        // Where it cannot be put off, commits go on doing it.
        let _ = self.conn.wal_hook(Some(hook));
    }

    /// Whether enough is in the log of a shared file for [`write_back`]; what was in it does not count any more the next time.
    pub fn take_write_back_due(&self) -> bool {
        let is_due = self.log.pages() >= LOG_PAGES;
        self.log.note(0);
        is_due
    }
}

/// Writes the log of a shared file into it, as far as nobody reads what was there before, beside whoever has the file open.
/// What fails stays in the log, and is as safe there.
pub fn write_back(path: &Path) -> Result<(), RepoError> {
    // It takes none of the memory that an open repository does.
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.busy_timeout(Duration::ZERO)?;
    Ok(conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Whether the log of a shared file and its index find room beside it.
fn has_room_beside(file: &Path) -> bool {
    let probe = with_suffix(file, "-frond-room");
    let _ = std::fs::remove_file(&probe);
    let opened = std::fs::File::create_new(&probe);
    // Without a name, nothing stays behind if we are killed.
    let named = std::fs::remove_file(&probe);
    opened.and_then(|mut file| named.and_then(|()| file.write_all(&[0; ROOM_BYTES]))).is_ok()
}

/// The journal mode of a file, once it was asked to be another.
fn journal_mode(conn: &Connection, wanted: Option<&str>) -> rusqlite::Result<String> {
    let sql = wanted.map_or("PRAGMA journal_mode".to_owned(), |mode| format!("PRAGMA journal_mode={mode}"));
    conn.query_row(&sql, [], |row| row.get(0))
}
