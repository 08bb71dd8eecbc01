//! The derived tables against a rebuild.
//!
//! Whole dumps of both would not fit in memory. Each row is hashed, and those of which one side alone has the
//! hash are looked up again: 16 bytes a row and table are held.

use std::collections::BTreeMap;

use xfer::hash::sha3_256;

use super::Finding;
use crate::derived;
use crate::{RepoError, Tx, UnixTime, rebuild};

/// Wrong rows that are shown of each table: enough to see what is wrong.
const SHOWN_PER_TABLE: usize = 50;

/// Half of the hash of a row.
type Print = [u8; 16];

/// Rows that one side alone has.
#[derive(Default)]
struct Alone {
    before: Vec<Print>,
    after: Vec<Print>,
}

/// Rows that a rebuild would not make, or would make. The transaction is left as it was found.
pub(super) fn compare(tx: &Tx<'_>, now: UnixTime) -> Result<Vec<Finding>, RepoError> {
    let tables: Vec<&'static str> = derived::tables().filter(|&table| table != "unsent").collect();
    let before = tables.iter().map(|table| prints(tx, table)).collect::<Result<Vec<_>, _>>()?;
    tx.conn().execute_batch("SAVEPOINT rebuilding")?;
    rebuild::run(tx, now, &mut |_| {})?;
    let mut different = Vec::new();
    for (&table, before) in tables.iter().zip(before) {
        let mut alone = only_in_one(before, prints(tx, table)?);
        if may_stay(table) {
            alone.before.clear();
        }
        let missing = texts(tx, table, &alone.after)?;
        different.push((table, alone, missing));
    }
    tx.conn().execute_batch("ROLLBACK TO rebuilding; RELEASE rebuilding")?;
    let mut findings = Vec::new();
    for (table, alone, missing) in different {
        let extra = texts(tx, table, &alone.before)?;
        let hidden = alone.before.len() + alone.after.len() - extra.len() - missing.len();
        let table = || table.to_owned();
        findings.extend(extra.into_iter().map(|row| Finding::ExtraRow { table: table(), row }));
        findings.extend(missing.into_iter().map(|row| Finding::MissingRow { table: table(), row }));
        findings.extend((hidden > 0).then(|| Finding::MoreRows { table: table(), rows: hidden }));
    }
    Ok(findings)
}

/// Stock leaves the names of purged artifacts where they are, and they do no harm: where a row uses one, that
/// row shows.
fn may_stay(table: &str) -> bool {
    matches!(table, "filename" | "tag")
}

/// The hashes of all rows, sorted.
fn prints(tx: &Tx<'_>, table: &str) -> Result<Vec<Print>, RepoError> {
    let mut prints = Vec::new();
    derived::each_row(tx.conn(), table, &mut |row| prints.push(print(row)))?;
    prints.sort_unstable();
    Ok(prints)
}

fn print(row: &str) -> Print {
    let mut print = [0; 16];
    print.copy_from_slice(&sha3_256(row.as_bytes()).as_bytes()[..16]);
    print
}

/// Merges two sorted lists.
fn only_in_one(before: Vec<Print>, after: Vec<Print>) -> Alone {
    let mut alone = Alone::default();
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    loop {
        match (before.peek(), after.peek()) {
            (None, None) => return alone,
            (Some(ours), Some(theirs)) if ours == theirs => {
                before.next();
                after.next();
            }
            (Some(ours), theirs) if theirs.is_none_or(|theirs| ours < theirs) => {
                alone.before.extend(before.next());
            }
            _ => alone.after.extend(after.next()),
        }
    }
}

/// The rows with these hashes, sorted: the first 50.
fn texts(tx: &Tx<'_>, table: &str, prints: &[Print]) -> Result<Vec<String>, RepoError> {
    let mut wanted: BTreeMap<Print, usize> = BTreeMap::new();
    for &print in prints.iter().take(SHOWN_PER_TABLE) {
        *wanted.entry(print).or_default() += 1;
    }
    let mut rows = Vec::new();
    if wanted.is_empty() {
        return Ok(rows);
    }
    derived::each_row(tx.conn(), table, &mut |row| {
        if let Some(open) = wanted.get_mut(&print(row)).filter(|open| **open > 0) {
            *open -= 1;
            rows.push(row.to_owned());
        }
    })?;
    rows.sort_unstable();
    Ok(rows)
}
