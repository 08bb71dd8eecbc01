//! Indexes that linking itself does not read. For much at once, they are faster made at the end than kept up to date.

use crate::{RepoError, Tx};

const NAMES: [&str; 2] = ["mlink_i2", "mlink_i4"];

/// Takes them off, until [`make`]. It has SQLite prepare every statement anew, and so has that.
pub(crate) fn put_off(tx: &Tx<'_>) -> Result<(), RepoError> {
    NAMES.iter().try_for_each(|name| Ok(tx.conn().execute_batch(&format!("DROP INDEX IF EXISTS {name}"))?))
}

/// Makes those that are missing.
pub(crate) fn make(tx: &Tx<'_>) -> Result<(), RepoError> {
    for sql in super::statements(super::DERIVED) {
        let Some(name) = NAMES.iter().find(|name| sql.starts_with(&format!("CREATE INDEX {name} "))) else {
            continue;
        };
        let exists = "SELECT 1 FROM sqlite_schema WHERE type='index' AND name=?1";
        if !tx.prepared(exists)?.exists([name])? {
            tx.conn().execute_batch(&sql)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::partial::{self, Partial};
    use crate::testing::repo;

    fn indexes(tx: &Tx<'_>) -> BTreeSet<(String, Option<String>)> {
        let mut statement =
            tx.conn().prepare("SELECT name, sql FROM sqlite_schema WHERE type='index'").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_is_put_off_until_a_clone_is_whole_is_made_as_it_was() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let before = indexes(&tx);
        partial::save(&tx, &Partial::default()).unwrap();
        let meanwhile = indexes(&tx);
        assert_eq!(before.difference(&meanwhile).count(), NAMES.len());
        partial::save(&tx, &Partial::default()).unwrap();
        partial::clear(&tx).unwrap();
        assert_eq!(indexes(&tx), before);
        tx.commit().unwrap();
    }
}
