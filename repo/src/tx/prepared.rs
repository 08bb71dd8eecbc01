//! Statements of a transaction, each looked for in the connection's cache once.
//!
//! That cache finds a statement by its text, which it reads and copies each time: of a clone, which executes some tens of
//! thousands, that took a twentieth.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use rusqlite::{CachedStatement, Connection, Statement};

/// The statements that a transaction used so far. They go back to the connection's cache with it.
#[derive(Default)]
pub(super) struct Statements<'r> {
    kept: RefCell<Kept<'r>>,
}

/// Statements beside the texts that they were prepared from; none where one is in use.
#[derive(Default)]
struct Kept<'r> {
    texts: Vec<&'static str>,
    statements: Vec<Option<CachedStatement<'r>>>,
}

/// A statement that is in use.
pub(crate) struct Prepared<'s, 'r> {
    home: &'s Statements<'r>,
    place: usize,
    /// Some until it is dropped.
    statement: Option<CachedStatement<'r>>,
}

impl<'r> Statements<'r> {
    /// The statement of a text. A text is known by where it is: one that is in two places is prepared twice.
    pub(super) fn get(&self, conn: &'r Connection, text: &'static str) -> rusqlite::Result<Prepared<'_, 'r>> {
        let mut kept = self.kept.borrow_mut();
        let known = kept.texts.iter().position(|&known| std::ptr::eq(known, text));
        let place = known.unwrap_or_else(|| {
            kept.texts.push(text);
            kept.statements.push(None);
            kept.texts.len() - 1
        });
        let statement = match kept.statements[place].take() {
            Some(statement) => statement,
            None => conn.prepare_cached(text)?,
        };
        Ok(Prepared { home: self, place, statement: Some(statement) })
    }
}

impl<'r> Deref for Prepared<'_, 'r> {
    type Target = Statement<'r>;

    fn deref(&self) -> &Statement<'r> {
        self.statement.as_ref().expect("it is there until it is dropped")
    }
}

impl<'r> DerefMut for Prepared<'_, 'r> {
    fn deref_mut(&mut self) -> &mut Statement<'r> {
        self.statement.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Prepared<'_, '_> {
    fn drop(&mut self) {
        if let Some(mut statement) = self.statement.take() {
            // What was bound is copied, and may be long.
            statement.clear_bindings();
            self.home.kept.borrow_mut().statements[self.place] = Some(statement);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_prepared_once_and_again_while_it_is_in_use() {
        let conn = Connection::open_in_memory().unwrap();
        let statements = Statements::default();
        let sql = "SELECT ?1";
        let number = |statement: &mut Statement<'_>, given: Option<i64>| -> Option<i64> {
            statement.query_row([given], |row| row.get(0)).unwrap()
        };
        for given in [1, 2] {
            assert_eq!(number(&mut statements.get(&conn, sql).unwrap(), Some(given)), Some(given));
        }
        assert_eq!(statements.kept.borrow().statements.len(), 1);
        let mut outer = statements.get(&conn, sql).unwrap();
        let mut rows = outer.query([3]).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().get(0), Ok(3));
        assert_eq!(number(&mut statements.get(&conn, sql).unwrap(), Some(4)), Some(4));
        assert!(rows.next().unwrap().is_none());
        drop(rows);
        drop(outer);
        let mut kept = statements.get(&conn, sql).unwrap();
        let nothing: Option<i64> = kept.raw_query().next().unwrap().unwrap().get(0).unwrap();
        assert_eq!(nothing, None, "what was bound is gone");
    }

    #[test]
    fn a_statement_that_cannot_be_prepared_leaves_nothing_behind() {
        let conn = Connection::open_in_memory().unwrap();
        let statements = Statements::default();
        assert!(statements.get(&conn, "SELECT 1 FROM t").is_err());
        conn.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1)").unwrap();
        assert!(statements.get(&conn, "SELECT 1 FROM t").unwrap().exists([]).unwrap());
    }
}
