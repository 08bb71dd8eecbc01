//! SQL that a project wrote, run where it can do no harm: in memory, beside no file, with bounded work.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use crate::RepoError;

/// Steps of SQLite's machine that a statement may take.
const STEPS: i32 = 1_000_000;

/// Bytes of a statement, or of a value that it makes.
const LONGEST: i32 = 16 << 20;

/// A database that holds nothing, and in which only what `allows` allows can be done.
pub(crate) fn open(allows: fn(&AuthAction<'_>) -> bool) -> Result<Connection, RepoError> {
    let mut conn = Connection::open_in_memory()?;
    conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
    conn.progress_handler(STEPS, Some(|| true))?;
    conn.authorizer(Some(
        move |context: AuthContext<'_>| {
            if allows(&context.action) { Authorization::Allow } else { Authorization::Deny }
        },
    ))?;
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_an_end_and_values_without_bounds_are_cut_off() {
        let conn = open(|_| true).unwrap();
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT count(*) FROM n";
        for sql in [endless, "SELECT length(zeroblob(100000000))", "ATTACH 'file:x?mode=memory' AS x"] {
            let outcome = conn.prepare(sql).and_then(|mut statement| statement.query([])?.next().map(|_| ()));
            assert!(outcome.is_err(), "{sql}");
        }
        assert!(open(|_| false).unwrap().prepare("SELECT 1").is_err());
    }
}
