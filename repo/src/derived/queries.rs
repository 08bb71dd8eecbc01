//! What a dump selects from each table.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::RepoError;

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
    ("filename", "SELECT name AS \"name=\" FROM filename"),
    ("tag", "SELECT tagname AS \"name=\" FROM tag"),
];

/// The tables whose columns a project chooses.
const TICKET_TABLES: [&str; 2] = ["ticket", "ticketchng"];

/// The names of all tables.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name).chain(TICKET_TABLES)
}

/// Whether a table exists.
pub(super) fn exists(conn: &Connection, table: &str) -> Result<bool, RepoError> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1";
    Ok(conn.prepare_cached(sql)?.exists([table])?)
}

/// All tables that exist.
pub(super) fn present(conn: &Connection) -> Result<BTreeSet<String>, RepoError> {
    let mut statement = conn.prepare_cached("SELECT name FROM sqlite_schema WHERE type='table'")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The query for a table that exists.
pub(super) fn query(conn: &Connection, table: &str) -> Result<Cow<'static, str>, RepoError> {
    match TABLES.iter().find(|(name, _)| *name == table) {
        Some((_, query)) => Ok(Cow::Borrowed(query)),
        None => Ok(Cow::Owned(ticket_query(conn, table)?)),
    }
}

/// A query for all columns of a ticket table.
fn ticket_query(conn: &Connection, name: &str) -> Result<String, RepoError> {
    let mut statement = conn.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    let columns = statement.query_map([name], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let selected: Vec<String> = columns.iter().filter_map(|column| ticket_column(name, column)).collect();
    Ok(format!("SELECT {} FROM {name} t", selected.join(",")))
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
