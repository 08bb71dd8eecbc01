//! Dumps and compares the derived tables: what `fossil rebuild` makes from the artifacts (reference: repo.md
//! section 2.2).
//!
//! Row ids are an accident of arrival, so a dump names artifacts by hash, tags, files and tickets by name, and
//! forgets order, and the time of a cluster's tag, which is the time of processing. Times are to the
//! millisecond. `filename` and `tag` are sets of all their names: a rebuild, stock's too, empties and refills both.

mod queries;

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::RepoError;

/// The derived rows of one file, readable and sorted, by table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DerivedRows {
    tables: BTreeMap<String, Vec<String>>,
}

impl DerivedRows {
    /// The rows of a table, sorted; none if the table is empty or missing.
    pub fn table(&self, name: &str) -> &[String] {
        self.tables.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every row, as table and text.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().flat_map(|(table, rows)| rows.iter().map(|row| (table.as_str(), row.as_str())))
    }
}

/// Which of two dumps has a row that the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

/// A row that only one of two dumps has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The dump that has it.
    pub side: Side,
    /// The table.
    pub table: String,
    /// The row.
    pub row: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.side {
            Side::Left => '-',
            Side::Right => '+',
        };
        write!(f, "{sign} {} {}", self.table, self.row)
    }
}

/// Differences reported per table: enough to see what is wrong.
const DIFFERENCES_PER_TABLE: usize = 50;

/// Lists the rows that only one of two dumps has: the first 50 of each table.
pub fn compare(left: &DerivedRows, right: &DerivedRows) -> Vec<Difference> {
    let mut names: Vec<&String> = left.tables.keys().chain(right.tables.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .flat_map(|name| {
            let difference = |side, row: &String| Difference { side, table: name.clone(), row: row.clone() };
            only_in_one(left.table(name), right.table(name))
                .into_iter()
                .map(move |(side, row)| difference(side, row))
        })
        .collect()
}

/// Merges two sorted lists and keeps what is in one of them.
fn only_in_one<'a>(mut left: &'a [String], mut right: &'a [String]) -> Vec<(Side, &'a String)> {
    let mut found = Vec::new();
    while found.len() < DIFFERENCES_PER_TABLE {
        let (side, row) = match (left.first(), right.first()) {
            (Some(a), Some(b)) if a == b => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => (Side::Left, a),
            (_, Some(b)) => (Side::Right, b),
            (_, None) => break,
        };
        match side {
            Side::Left => left = &left[1..],
            Side::Right => right = &right[1..],
        }
        found.push((side, row));
    }
    found
}

/// Dumps the derived tables of a file, whoever made it. A table that does not exist has no rows.
pub fn dump(conn: &Connection) -> Result<DerivedRows, RepoError> {
    let mut tables = BTreeMap::new();
    for name in queries::tables() {
        tables.insert(name.to_owned(), Vec::new());
    }
    each_row_of(conn, queries::tables(), &mut |name, row| {
        tables.entry(name.to_owned()).or_default().push(row.to_owned());
    })?;
    tables.values_mut().for_each(|rows| rows.sort_unstable());
    Ok(DerivedRows { tables })
}

/// The names of the derived tables.
pub fn tables() -> impl Iterator<Item = &'static str> {
    queries::tables()
}

/// Shows each row of a derived table, in no order. A table that does not exist has none.
pub fn each_row(conn: &Connection, table: &str, visit: &mut dyn FnMut(&str)) -> Result<(), RepoError> {
    if queries::exists(conn, table)? { each_row_present(conn, table, visit) } else { Ok(()) }
}

/// Shows each row of several derived tables, with the table. Which of them exist is looked up once.
pub fn each_row_of(
    conn: &Connection,
    tables: impl Iterator<Item = &'static str>,
    visit: &mut dyn FnMut(&'static str, &str),
) -> Result<(), RepoError> {
    let present = queries::present(conn)?;
    for table in tables.filter(|&table| present.contains(table)) {
        each_row_present(conn, table, &mut |row| visit(table, row))?;
    }
    Ok(())
}

fn each_row_present(conn: &Connection, table: &str, visit: &mut dyn FnMut(&str)) -> Result<(), RepoError> {
    let mut statement = conn.prepare_cached(&queries::query(conn, table)?)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        text.clear();
        push_row(&mut text, row, &names)?;
        visit(&text);
    }
    Ok(())
}

/// A row as `column=value` pairs. A column named `column?` is left out when it is NULL, and one named
/// `column=` is a name and needs no quotes.
fn push_row(text: &mut String, row: &Row<'_>, names: &[String]) -> rusqlite::Result<()> {
    for (at, name) in names.iter().enumerate() {
        let value = row.get_ref(at)?;
        if name.contains('?') && value == ValueRef::Null {
            continue;
        }
        if at > 0 {
            text.push(' ');
        }
        text.push_str(name.trim_end_matches(['=', '?']));
        text.push('=');
        push_value(text, value, name.contains('='));
    }
    Ok(())
}

fn push_value(text: &mut String, value: ValueRef<'_>, bare: bool) {
    match value {
        ValueRef::Null => text.push_str("NULL"),
        ValueRef::Integer(number) => text.push_str(&number.to_string()),
        ValueRef::Real(number) => text.push_str(&number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bare => push_bytes(text, bytes),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            text.push('\'');
            push_bytes(text, bytes);
            text.push('\'');
        }
    }
}

/// Bytes that are not UTF-8 stay distinguishable.
fn push_bytes(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[&str]) -> DerivedRows {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines {
            let (table, row) = line.split_once(' ').unwrap();
            tables.entry(table.to_owned()).or_default().push(row.to_owned());
        }
        tables.values_mut().for_each(|rows| rows.sort());
        DerivedRows { tables }
    }

    fn differences(left: &[&str], right: &[&str]) -> Vec<String> {
        compare(&rows(left), &rows(right)).iter().map(ToString::to_string).collect()
    }

    fn file(sql: &str) -> DerivedRows {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        dump(&conn).unwrap()
    }

    #[test]
    fn equal_dumps_do_not_differ() {
        assert_eq!(differences(&["leaf a", "leaf b"], &["leaf b", "leaf a"]), Vec::<String>::new());
    }

    #[test]
    fn a_row_of_one_side_is_named_with_its_table() {
        assert_eq!(differences(&["leaf a", "plink x"], &["leaf a", "leaf b"]), ["+ leaf b", "- plink x"]);
    }

    #[test]
    fn a_doubled_row_differs_from_a_single_one() {
        assert_eq!(differences(&["leaf a", "leaf a"], &["leaf a"]), ["- leaf a"]);
    }

    #[test]
    fn rids_are_shown_as_hashes_and_times_to_the_millisecond() {
        let dumped = file(
            "CREATE TABLE blob(rid INTEGER PRIMARY KEY, uuid TEXT);
             CREATE TABLE plink(pid, cid, isprim, mtime, baseid);
             INSERT INTO blob VALUES(5,'aa'),(6,'bb');
             INSERT INTO plink VALUES(5,6,1,julianday('2020-01-02 03:04:05.678'),NULL),(7,6,0,NULL,5);",
        );
        assert_eq!(
            dumped.table("plink"),
            [
                "pid=?7 cid=bb isprim=0 mtime=NULL baseid=aa",
                "pid=aa cid=bb isprim=1 mtime=2020-01-02 03:04:05.678 baseid=NULL",
            ]
        );
    }

    #[test]
    fn a_missing_table_has_no_rows() {
        assert_eq!(file("").table("forumpost"), Vec::<String>::new());
    }

    #[test]
    fn columns_of_tickets_are_those_of_the_file() {
        let dumped = file(
            "CREATE TABLE ticket(tkt_id INTEGER PRIMARY KEY, tkt_uuid TEXT, tkt_mtime, \"my field\" TEXT, other);
             INSERT INTO ticket VALUES(9,'k',julianday('2020-01-01'),x'ff',NULL);",
        );
        assert_eq!(
            dumped.table("ticket"),
            ["tkt_uuid='k' tkt_mtime=2020-01-01 00:00:00.000 my field='\\xff'"]
        );
    }
}
