//! A look into a repository file behind everybody's back.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

/// Opens a repository file.
#[track_caller]
pub fn open(file: &Path) -> Connection {
    let conn = Connection::open_with_flags(
        file,
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX,
    );
    let conn = conn.unwrap_or_else(|error| panic!("cannot open {}: {error}", file.display()));
    conn.busy_timeout(std::time::Duration::from_secs(20)).expect("a busy timeout can be set");
    conn
}

/// Runs statements.
#[track_caller]
pub fn execute(file: &Path, sql: &str) {
    open(file).execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// All rows of a query, each column as text.
#[track_caller]
pub fn rows(file: &Path, sql: &str) -> Vec<Vec<String>> {
    let conn = open(file);
    let mut statement = conn.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns = statement.column_count();
    let rows = statement.query_map((), |row| (0..columns).map(|at| Ok(text(row.get(at)?))).collect());
    let rows = rows.and_then(Iterator::collect);
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The first column of all rows.
#[track_caller]
pub fn column(file: &Path, sql: &str) -> Vec<String> {
    rows(file, sql).into_iter().map(|mut row| row.swap_remove(0)).collect()
}

/// The one number that a query gives.
#[track_caller]
pub fn number(file: &Path, sql: &str) -> i64 {
    open(file).query_row(sql, (), |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn text(value: Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
