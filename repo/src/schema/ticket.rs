//! The tables of tickets: their columns are the project's, which says them in SQL (setting `ticket-table`).

use rusqlite::hooks::AuthAction;

use crate::{RepoError, Snapshot, Tx, config, sandbox};

/// The setting.
pub(crate) const SETTING: &str = "ticket-table";

/// Both tables, the second of which a project may do without.
const TABLES: [&str; 2] = ["ticket", "ticketchng"];

/// What stands in every ticket.
const COLUMNS: [&str; 3] = ["tkt_id", "tkt_uuid", "tkt_mtime"];

/// Where the project says nothing.
const DEFAULT: &str = include_str!("ticket.sql");

/// Makes the tables anew and empty, as the setting says. A setting that cannot be used leaves their columns.
pub(crate) fn make(tx: &Tx<'_>) -> Result<(), RepoError> {
    let statements = match config::get(tx, SETTING)?.filter(|sql| !sql.trim().is_empty()) {
        None => super::statements(DEFAULT),
        Some(sql) => match statements(&sql)? {
            Some(statements) => statements,
            None => present(tx)?,
        },
    };
    if super::empty(tx, &TABLES, &statements)? {
        return Ok(());
    }
    for table in TABLES {
        tx.conn().execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    statements.iter().try_for_each(|sql| Ok(tx.conn().execute_batch(sql)?))
}

/// Whether a text can be the setting: it makes a table of tickets and does nothing else.
pub(crate) fn is_usable(sql: &str) -> Result<bool, RepoError> {
    Ok(statements(sql)?.is_some())
}

/// The statements that make the tables and their indexes. SQLite itself reads the text, in a database of its own.
fn statements(sql: &str) -> Result<Option<Vec<String>>, RepoError> {
    let mut conn = sandbox::open(may_do)?;
    if conn.execute_batch(sql).is_err() {
        return Ok(None);
    }
    conn.authorizer(None::<fn(rusqlite::hooks::AuthContext<'_>) -> rusqlite::hooks::Authorization>)?;
    for column in COLUMNS {
        let mut known = conn.prepare("SELECT 1 FROM pragma_table_info('ticket') WHERE name=?1")?;
        if !known.exists([column])? {
            return Ok(None);
        }
    }
    read(&conn).map(Some)
}

fn may_do(action: &AuthAction<'_>) -> bool {
    // As in stock; what is not of our two tables is left out later.
    let is_ours = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("ticket") || name.starts_with("fx_")
    };
    match action {
        AuthAction::CreateTable { table_name } | AuthAction::CreateIndex { table_name, .. } => {
            is_ours(table_name)
        }
        AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. } => {
            ["sqlite_master", "sqlite_schema"].contains(table_name)
        }
        AuthAction::Read { .. } | AuthAction::Function { .. } | AuthAction::Reindex { .. } => true,
        _ => false,
    }
}

/// What made the tables that the file has.
fn present(snap: &Snapshot<'_>) -> Result<Vec<String>, RepoError> {
    let present = read(snap.conn())?;
    Ok(if present.is_empty() { vec![DEFAULT.to_owned()] } else { present })
}

fn read(conn: &rusqlite::Connection) -> Result<Vec<String>, RepoError> {
    let mut statement = conn.prepare(
        "SELECT sql FROM sqlite_schema WHERE lower(tbl_name) IN (?1, ?2)
         AND type IN ('table', 'index') AND sql NOT NULL ORDER BY type DESC, rowid",
    )?;
    Ok(statement.query_map(TABLES, |row| row.get(0))?.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: &str =
        "CREATE TABLE ticket(tkt_id INTEGER PRIMARY KEY, tkt_uuid TEXT UNIQUE, tkt_mtime DATE);";
    const CHANGES: &str = "CREATE TABLE ticketchng(tkt_id INTEGER, tkt_mtime DATE);";

    /// What stock 2.21 takes and refuses, but for rows and views, which we refuse.
    #[test]
    fn a_setting_makes_tables_of_tickets_and_nothing_else() {
        let cases = [
            ("", 1),
            (CHANGES, 2),
            ("-- a comment\nCREATE INDEX i ON ticket(tkt_mtime);", 2),
            ("CREATE TABLE fx_more(x); CREATE TABLE ticket_more(x);", 1),
            ("CREATE TABLE more(x);", 0),
            ("DELETE FROM user;", 0),
            ("CREATE TABLE fx_copy AS SELECT 1;", 0),
            ("INSERT INTO ticket(tkt_id) VALUES(1);", 0),
            ("CREATE TRIGGER t AFTER INSERT ON ticket BEGIN DELETE FROM ticket; END;", 0),
            ("CREATE VIEW fx_view AS SELECT 1;", 0),
            ("CREATE TEMP TABLE ticket(tkt_id);", 0),
            ("ATTACH 'x' AS y;", 0),
            ("PRAGMA writable_schema=1;", 0),
            ("VACUUM INTO 'x';", 0),
            ("garbage", 0),
        ];
        for (more, expected) in cases {
            let found = statements(&format!("{TICKET}{more}")).unwrap();
            assert_eq!(found.map_or(0, |found| found.len()), expected, "{more}");
        }
        for sql in ["", "CREATE TABLE ticket(a, b)", CHANGES] {
            assert!(!is_usable(sql).unwrap(), "{sql}");
        }
        assert!(is_usable(DEFAULT).unwrap());
    }
}
