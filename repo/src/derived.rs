//! Dumps and compares the derived tables: what `fossil rebuild` makes from the artifacts (reference: repo.md
//! section 2.2).
//!
//! Row ids are an accident of arrival, so a dump names artifacts by hash, tags, files and tickets by name, and
//! forgets order. Left out for the same reason: `filename` and `tag`, whose used names show in the other rows,
//! and the time of a cluster's tag, which is the time of processing. Times are to the millisecond.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

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
    for (name, query) in TABLES {
        if has_table(conn, name)? {
            tables.insert((*name).to_owned(), sorted_rows(conn, query)?);
        }
    }
    for (name, from) in TICKET_TABLES {
        if has_table(conn, name)? {
            tables.insert((*name).to_owned(), sorted_rows(conn, &ticket_query(conn, name, from)?)?);
        }
    }
    Ok(DerivedRows { tables })
}

fn has_table(conn: &Connection, name: &str) -> Result<bool, RepoError> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1")?
        .query_row([name], |_| Ok(()))
        .optional()?
        .is_some())
}

fn sorted_rows(conn: &Connection, query: &str) -> Result<Vec<String>, RepoError> {
    let mut statement = conn.prepare(query)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query_map([], |row| row_text(row, &names))?.collect::<Result<Vec<_>, _>>()?;
    rows.sort_unstable();
    Ok(rows)
}

/// A row as `column=value` pairs. A column named `column?` is left out when it is NULL, and one named
/// `column=` is a name and needs no quotes.
fn row_text(row: &Row<'_>, names: &[String]) -> rusqlite::Result<String> {
    let mut text = String::new();
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
        push_value(&mut text, value, name.contains('='));
    }
    Ok(text)
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

/// SQL for the name of an artifact: 0, -1 and NULL stay; a rid that is not in `blob` shows as `?rid`.
macro_rules! artifact {
    ($rid:literal, $column:literal) => {
        concat!(
            "coalesce((SELECT uuid FROM blob WHERE blob.rid=",
            $rid,
            "),CASE WHEN ",
            $rid,
            ">0 THEN '?'||",
            $rid,
            " ELSE ",
            $rid,
            " END) AS \"",
            $column,
            "=\""
        )
    };
}

/// SQL for a time to the millisecond; what is no time stays as it is.
macro_rules! time {
    ($mtime:literal, $column:literal) => {
        concat!("coalesce(strftime('%Y-%m-%d %H:%M:%f',", $mtime, "),", $mtime, ") AS \"", $column, "=\"")
    };
}

/// SQL for the name of a tag.
macro_rules! tag {
    ($tagid:literal, $column:literal) => {
        concat!("(SELECT '['||tagname||']' FROM tag WHERE tag.tagid=", $tagid, ") AS \"", $column, "=\"")
    };
}

/// The tables whose columns are fixed, each with its query.
const TABLES: &[(&str, &str)] = &[
    (
        "mlink",
        concat!(
            "SELECT ",
            artifact!("mid", "mid"),
            ",",
            artifact!("fid", "fid"),
            ",",
            artifact!("pmid", "pmid"),
            ",",
            artifact!("pid", "pid"),
            ",(SELECT name FROM filename f WHERE f.fnid=mlink.fnid) AS \"name=\"",
            ",coalesce((SELECT name FROM filename f WHERE f.fnid=mlink.pfnid),mlink.pfnid) AS \"pname=\"",
            ",mperm,isaux FROM mlink"
        ),
    ),
    (
        "plink",
        concat!(
            "SELECT ",
            artifact!("pid", "pid"),
            ",",
            artifact!("cid", "cid"),
            ",isprim,",
            time!("mtime", "mtime"),
            ",",
            artifact!("baseid", "baseid"),
            " FROM plink"
        ),
    ),
    (
        "cherrypick",
        concat!(
            "SELECT ",
            artifact!("parentid", "parent"),
            ",",
            artifact!("childid", "child"),
            ",isExclude FROM cherrypick"
        ),
    ),
    ("leaf", concat!("SELECT ", artifact!("leaf.rid", "rid"), " FROM leaf")),
    ("phantom", concat!("SELECT ", artifact!("phantom.rid", "rid"), " FROM phantom")),
    ("unclustered", concat!("SELECT ", artifact!("unclustered.rid", "rid"), " FROM unclustered")),
    ("unsent", concat!("SELECT ", artifact!("unsent.rid", "rid"), " FROM unsent")),
    (
        "orphan",
        concat!(
            "SELECT ",
            artifact!("orphan.rid", "rid"),
            ",",
            artifact!("baseline", "baseline"),
            " FROM orphan"
        ),
    ),
    (
        "event",
        concat!(
            "SELECT type AS \"type=\",",
            artifact!("objid", "objid"),
            ",",
            time!("mtime", "mtime"),
            ",",
            time!("omtime", "omtime=?"),
            ",",
            tag!("event.tagid", "tagid=?"),
            ",uid AS \"uid?\",user,comment,euser AS \"euser?\",ecomment AS \"ecomment?\",bgcolor AS \"bgcolor?\"",
            ",brief AS \"brief?\" FROM event"
        ),
    ),
    (
        "tagxref",
        concat!(
            "SELECT ",
            tag!("tagxref.tagid", "tag"),
            ",tagtype AS type,",
            artifact!("srcid", "src"),
            ",",
            artifact!("origid", "orig"),
            ",value,CASE tagid WHEN 7 THEN 'now' ELSE strftime('%Y-%m-%d %H:%M:%f',mtime) END AS \"mtime=\",",
            artifact!("tagxref.rid", "rid"),
            " FROM tagxref"
        ),
    ),
    (
        "backlink",
        concat!(
            "SELECT target AS \"target=\",srctype,CASE srctype WHEN 2 THEN ",
            "(SELECT 'tag['||tagname||']' FROM tag WHERE tag.tagid=srcid) ",
            "ELSE (SELECT uuid FROM blob WHERE blob.rid=srcid) END AS \"srcid=\",",
            time!("mtime", "mtime"),
            " FROM backlink"
        ),
    ),
    (
        "attachment",
        concat!(
            "SELECT ",
            artifact!("attachid", "id"),
            ",isLatest,",
            time!("mtime", "mtime"),
            ",src,target,filename,comment,user FROM attachment"
        ),
    ),
    (
        "forumpost",
        concat!(
            "SELECT ",
            artifact!("fpid", "fpid"),
            ",",
            artifact!("froot", "froot"),
            ",",
            artifact!("fprev", "fprev"),
            ",",
            artifact!("firt", "firt"),
            ",",
            time!("fmtime", "fmtime"),
            " FROM forumpost"
        ),
    ),
    ("config", "SELECT name AS \"name=\" FROM config WHERE name='seen-delta-manifest'"),
];

/// The tables whose columns a project chooses, each with its query's end.
const TICKET_TABLES: &[(&str, &str)] = &[("ticket", "ticket t"), ("ticketchng", "ticketchng t")];

/// A query for all columns of a ticket table.
fn ticket_query(conn: &Connection, name: &str, from: &str) -> Result<String, RepoError> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns = statement.query_map([name], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let selected: Vec<String> = columns.iter().filter_map(|column| ticket_column(name, column)).collect();
    Ok(format!("SELECT {} FROM {from}", selected.join(",")))
}

fn ticket_column(table: &str, column: &str) -> Option<String> {
    let quoted = column.replace('"', "\"\"");
    Some(match column {
        "tkt_id" if table == "ticket" => return None,
        "tkt_id" => "(SELECT tkt_uuid FROM ticket k WHERE k.tkt_id=t.tkt_id) AS \"tkt_id=\"".to_owned(),
        "tkt_rid" => artifact!("tkt_rid", "tkt_rid").to_owned(),
        "tkt_mtime" => time!("tkt_mtime", "tkt_mtime").to_owned(),
        "tkt_ctime" => time!("tkt_ctime", "tkt_ctime").to_owned(),
        _ => format!("\"{quoted}\" AS \"{quoted}?\""),
    })
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
