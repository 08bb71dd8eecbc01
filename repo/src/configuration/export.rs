//! Rows into records, as stock writes them.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use xfer::card::Config;

use super::authority::Authority;
use super::group::{self, Groups};
use super::merge;
use super::record::{Kind, Literal};
use crate::schema::has_table;
use crate::{RepoError, Snapshot};

/// The records of some groups. Secrets of users who may do more than `authority` are left out: to know one is
/// to be that user. Rows that do not say when they changed do not travel, as in stock.
pub fn export(snap: &Snapshot<'_>, groups: Groups, authority: &Authority) -> Result<Vec<Config>, RepoError> {
    let mut exported = Export { snap, authority, records: Vec::new() };
    for kind in Kind::ALL {
        if kind == Kind::Setting {
            exported.settings(groups)?;
        } else if kind.groups().meets(groups) && has_table(snap, kind.shape().table)? {
            let which = if kind == Kind::Subscriber { "sverified" } else { "1" };
            exported.rows(&Table::of(snap, kind)?, which, [])?;
        }
    }
    Ok(exported.records)
}

struct Export<'a> {
    snap: &'a Snapshot<'a>,
    authority: &'a Authority,
    records: Vec<Config>,
}

/// What a file's table of a kind is like.
struct Table {
    kind: Kind,
    columns: Vec<&'static str>,
    /// What its rows come by.
    order: &'static str,
}

impl Table {
    fn of(snap: &Snapshot<'_>, kind: Kind) -> Result<Self, RepoError> {
        let shape = kind.shape();
        // The tables of newer versions of stock have no rowid.
        let order = if has_rowid(snap, shape.table)? { "rowid" } else { shape.key };
        Ok(Self { kind, columns: merge::columns(snap, kind)?, order })
    }
}

impl Export<'_> {
    fn settings(&mut self, groups: Groups) -> Result<(), RepoError> {
        let table = Table::of(self.snap, Kind::Setting)?;
        for (group, prefix) in group::PREFIXES {
            if groups.meets(group) {
                self.rows(&table, "name GLOB ?1", [format!("{prefix}*")])?;
            }
        }
        for name in group::settings(groups) {
            self.rows(&table, "name=?1", [name.to_owned()])?;
        }
        Ok(())
    }

    fn rows<const N: usize>(
        &mut self,
        table: &Table,
        which: &str,
        bound: [String; N],
    ) -> Result<(), RepoError> {
        let Table { kind, columns, order } = table;
        let shape = kind.shape();
        let listed: String = columns.iter().map(|column| format!(", {column}")).collect();
        let sql = format!(
            "SELECT CAST(mtime AS TEXT), {}{listed} FROM {}
             WHERE typeof(mtime) IN ('integer', 'real') AND mtime>=0 AND {which} ORDER BY {order}",
            shape.key, shape.table
        );
        let mut statement = self.snap.conn().prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(bound))?;
        while let Some(row) = rows.next()? {
            let hides = *kind == Kind::User && !self.may_see_secret(row, columns)?;
            let record = record(*kind, row, columns, if hides { "pw" } else { "" })?;
            self.records.push(Config { name: shape.card.to_owned(), record: record.into() });
        }
        Ok(())
    }

    fn may_see_secret(&self, row: &Row<'_>, columns: &[&str]) -> Result<bool, RepoError> {
        let Some(at) = columns.iter().position(|&column| column == "cap") else { return Ok(true) };
        match row.get_ref(at + 2)? {
            ValueRef::Text(capabilities) => {
                self.authority.allows(self.snap, &String::from_utf8_lossy(capabilities))
            }
            _ => Ok(true),
        }
    }
}

fn record(kind: Kind, row: &Row<'_>, columns: &[&str], hidden: &str) -> Result<Vec<u8>, RepoError> {
    let mut record = row.get::<_, String>(0)?.into_bytes();
    record.push(b' ');
    Literal::from(row.get_ref(1)?).write(&mut record);
    for (at, column) in columns.iter().enumerate().filter(|(_, column)| **column != hidden) {
        let value = Literal::from(row.get_ref(at + 2)?);
        // Stock leaves out what is not there, but for subscribers.
        if value != Literal::Null || kind == Kind::Subscriber {
            record.extend_from_slice(format!(" {column} ").as_bytes());
            value.write(&mut record);
        }
    }
    Ok(record)
}

fn has_rowid(snap: &Snapshot<'_>, table: &str) -> Result<bool, RepoError> {
    let mut statement =
        snap.conn().prepare_cached("SELECT 1 FROM pragma_table_list(?1) WHERE wr=0 AND schema='main'")?;
    Ok(statement.exists([table])?)
}
