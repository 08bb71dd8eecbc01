//! The rows of tables that a user writes are those that are there then.

use std::collections::BTreeMap;

use super::fail;
use crate::beside::tables::{Key, Row, Tables};
use crate::meant::RowMeant;
use crate::model::Violation;

/// Looks at tables before and after what a user did to them.
pub fn check(before: &Tables, now: &Tables, meant: &[RowMeant]) -> Result<(), Violation> {
    let none = BTreeMap::new();
    for (name, table) in now {
        let held = before.get(name).map_or(&none, |table| &table.rows);
        for (key, row) in table.rows.iter().filter(|(key, row)| held.get(*key) != Some(*row)) {
            // Of several that are written at once under one key it is the last that stays.
            let is_it = |meant: &&RowMeant| meant.table == *name && row.content.starts_with(&meant.key);
            match meant.iter().rfind(is_it) {
                Some(meant) => check_row(meant, row, held.get(key))?,
                None => return fail(format!("nobody wrote a row of {name}: {}", row.content)),
            }
        }
    }
    meant.iter().try_for_each(|meant| check_there(meant, now))
}

fn check_row(meant: &RowMeant, row: &Row, held: Option<&Row>) -> Result<(), Violation> {
    let owner = match &meant.content {
        Some(_) => meant.owner.as_str(),
        None => held.map_or("", |held| held.owner.as_str()),
    };
    let content = meant.content.as_ref().unwrap_or(&meant.key);
    if row.deleted == meant.content.is_none() && row.content == *content && row.owner == owner {
        return Ok(());
    }
    fail(format!("{meant:?} was written, and {row:?} is there"))
}

/// What is written is there; what is deleted is not, whether it was there or not.
fn check_there(meant: &RowMeant, now: &Tables) -> Result<(), Violation> {
    let rows = now.get(&meant.table).map(|table| &table.rows);
    let row = |(_, row): (&Key, &Row)| row.content.starts_with(&meant.key) && !row.deleted;
    let is_there = rows.is_some_and(|rows| rows.iter().any(row));
    if is_there == meant.content.is_some() {
        return Ok(());
    }
    fail(format!("{meant:?} was written, and that it is there is {is_there}"))
}

#[cfg(test)]
mod tests {
    use repo::table::{Column, Definition, Rule, Type};
    use xfer::SqlName;

    use super::*;
    use crate::beside::tables::Table;

    fn tables(rows: &[(u8, &str, bool)]) -> Tables {
        let who = SqlName::new("who").expect("a name");
        let columns = vec![Column { name: who.clone(), kind: Type::Text }];
        let definition = Definition::new(columns, &[who], Rule::LastWriter).expect("a definition");
        let row = |&(key, content, deleted): &(u8, &str, bool)| {
            let (owner, first) = (String::new(), String::new());
            ([key; 20], Row { version: (1, [key; 20]), owner, deleted, first, content: content.to_owned() })
        };
        let rows = rows.iter().map(row).collect();
        [("notes".to_owned(), Table { definition, count: 0, rows })].into()
    }

    #[test]
    fn a_row_that_differs_or_that_nobody_wrote_is_found() {
        let meant = |key: &str, content: Option<&str>| RowMeant {
            table: "notes".to_owned(),
            key: key.to_owned(),
            content: content.map(str::to_owned),
            owner: String::new(),
        };
        let (put, gone) = (meant("k=1\n", Some("k=1\nx\n")), meant("k=1\n", None));
        let (nothing, held, other) =
            (tables(&[]), tables(&[(1, "k=1\nx\n", false)]), tables(&[(1, "k=1\ny\n", false)]));
        for (before, now, meant, sound) in [
            (&nothing, &held, Some(&put), true),
            (&other, &held, Some(&put), true),
            (&nothing, &other, Some(&put), false),
            (&nothing, &nothing, Some(&put), false),
            (&nothing, &held, None, false),
            (&held, &tables(&[(1, "k=1\n", true)]), Some(&gone), true),
            (&held, &held, Some(&gone), false),
            (&nothing, &nothing, Some(&gone), true),
        ] {
            assert_eq!(check(before, now, meant.map_or(&[], std::slice::from_ref)).is_ok(), sound);
        }
    }
}
