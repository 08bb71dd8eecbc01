//! Cards and pragmas of synced tables.

use nom::Parser;
use nom::combinator::opt;

use super::args::{Fault, Parsed, end, escaped, hash, integer, long_integer, token, unknown};
use super::error::DecodeErrorKind as Kind;
use crate::table::{RowGimme, RowIgot, TableCard, TablePragma};
use crate::{ArtifactId, Card, SqlName};

/// A card with a payload, without it.
pub(super) enum Head {
    Schema { table: SqlName, version: u32, hash: ArtifactId, mtime: i64, size: u32 },
    Row(RowHead),
    Delete(RowHead),
}

/// `xrow` or `xdelete` without its payload.
pub(super) struct RowHead {
    pub(super) table: SqlName,
    pub(super) key: ArtifactId,
    pub(super) mtime: i64,
    pub(super) owner: Option<String>,
    pub(super) size: u32,
}

pub(super) fn schema(args: &[u8]) -> Parsed<'_, Head> {
    let (rest, (table, version, hash, mtime, size, ())) =
        (sql_name, integer, hash, long_integer, integer, end).parse(args)?;
    Ok((rest, Head::Schema { table, version, hash, mtime, size }))
}

pub(super) fn row(args: &[u8]) -> Parsed<'_, RowHead> {
    let (rest, (table, key, mtime, size, owner, ())) =
        (sql_name, hash, long_integer, integer, opt(escaped), end).parse(args)?;
    Ok((rest, RowHead { table, key, mtime, owner, size }))
}

pub(super) fn igot(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (table, key, mtime, hash, ())) = (sql_name, hash, long_integer, hash, end).parse(args)?;
    Ok((rest, Card::Table(TableCard::Igot(RowIgot { table, key, mtime, hash }))))
}

pub(super) fn gimme(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (table, key, ())) = (sql_name, hash, end).parse(args)?;
    Ok((rest, Card::Table(TableCard::Gimme(RowGimme { table, key }))))
}

/// A pragma about synced tables; none if the arguments do not fit.
pub(super) fn pragma(tokens: &[&[u8]]) -> Result<Option<TablePragma>, nom::Err<Fault>> {
    Ok(match tokens {
        [b"x-tables", version, ..] => read(version).map(TablePragma::Known),
        [b"xtable-hash", table, hash] => match (read(table), hash_or_none(hash)?) {
            (Some(table), Some(hash)) => Some(TablePragma::Hash { table, hash }),
            _ => None,
        },
        [b"xtable-node", table, prefix, hash] => match (read(table), read(prefix), hash_or_none(hash)?) {
            (Some(table), Some(prefix), Some(hash)) => Some(TablePragma::Node { table, prefix, hash }),
            _ => None,
        },
        [b"xtable-list", table, prefix] => {
            read(table).zip(read(prefix)).map(|(table, prefix)| TablePragma::List { table, prefix })
        }
        _ => None,
    })
}

fn sql_name(line: &[u8]) -> Parsed<'_, SqlName> {
    let (rest, text) = token(line)?;
    match SqlName::new(String::from_utf8_lossy(text)) {
        Ok(name) => Ok((rest, name)),
        Err(error) => unknown(Kind::SqlName(error)),
    }
}

fn read<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// The outer none is for what is neither a hash nor `-`.
fn hash_or_none(text: &[u8]) -> Result<Option<Option<ArtifactId>>, nom::Err<Fault>> {
    if text == b"-" {
        return Ok(Some(None));
    }
    Ok(super::pragma::if_fits(hash(text))?.map(Some))
}
