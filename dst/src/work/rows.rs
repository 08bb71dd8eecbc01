//! What users do to synced tables.

use std::ops::Range;

use repo::table::{self, Column, Definition, Rule, SyncedTable, TableError, Type, Value, Values, Writer};
use repo::{Repo, Tx, UnixTime};
use rusqlite::types::ToSqlOutput;
use xfer::SqlName;

use crate::beside::shown;
use crate::beside::tables::{Row, Tables};
use crate::dice::{Dice, Ratio};
use crate::meant::RowMeant;
use crate::node;

/// A user at work on tables.
pub struct Scribe<'a> {
    /// Decides what to do.
    pub dice: &'a mut Dice,
    /// The peer.
    pub peer: usize,
    /// How many peers there are.
    pub peers: usize,
    /// The time that is written down.
    pub now: UnixTime,
    /// Bytes that exceed a budget.
    pub large: u64,
    /// What is there.
    pub tables: &'a Tables,
    /// Rows that it is about to write.
    pub meant: Vec<RowMeant>,
}

/// What was done, or refused.
#[derive(Debug)]
pub struct Done {
    /// Under which name.
    pub user: String,
    /// What, for the trace.
    pub what: String,
    /// How it is counted.
    pub kind: Kind,
    /// A refusal that there is no reason for, or a deed that should have been refused.
    pub wrong: Option<String>,
}

/// Kinds of work on tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A table is made.
    Define,
    /// A table gets columns.
    Extend,
    /// A definition does not go with what is here.
    Quarrel,
    /// A row is written.
    Put,
    /// Many rows are.
    PutMany,
    /// A row is written that is on its way here.
    Rival,
    /// Rows are written that somebody else writes at once.
    Quarrelled,
    /// Many rows are written where little fits into a message.
    Crowd,
    /// A table is made, with long rows.
    Album,
    /// A row is deleted.
    Remove,
    /// A row was another user's.
    Denied,
    /// A row was too long.
    TooLong,
    /// There was nothing to do.
    Nothing,
}

/// Tables that everybody may make, with what their rows belong to.
const TABLES: [(&str, Rule); 4] =
    [("notes", Rule::LastWriter), ("profile", Rule::Own), ("claims", Rule::Owner), ("odd", Rule::LastWriter)];

/// Columns that only some peers know of at first.
const MORE: [(&str, Type); 4] =
    [("more", Type::Text), ("rank", Type::Integer), ("share", Type::Real), ("photo", Type::Blob)];

/// Tables that need not be made anew in each run: all but the odd one, with all columns.
pub fn agreed() -> Vec<(SqlName, Definition)> {
    let agreed = TABLES.into_iter().filter(|(table, _)| *table != "odd");
    let definition = |(table, rule)| {
        let columns = columns().into_iter().chain(MORE.map(column)).collect();
        let definition = Definition::new(columns, &[sql("who"), sql("slot")], rule);
        (sql(table), definition.expect("a definition that is sound"))
    };
    agreed.map(definition).collect()
}

/// Rows of an album.
const ALBUM_ROWS: i64 = 3;

/// Columns that every table has.
fn columns() -> Vec<Column> {
    [("who", Type::Text), ("slot", Type::Integer), ("body", Type::Text)].map(column).into()
}

fn column((name, kind): (&str, Type)) -> Column {
    Column { name: sql(name), kind }
}

impl Scribe<'_> {
    /// Does something, in a transaction of its own.
    pub fn act(&mut self, repo: &mut Repo) -> Result<Done, TableError> {
        if self.dice.hits(Ratio::new(1, 2)) {
            // Several rows are to have one time.
            self.now = UnixTime(self.now.0 / 20_000 * 20_000);
        }
        let tx = repo.begin()?;
        let choice = if self.tables.is_empty() { 0 } else { self.dice.below(12) };
        let done = match choice {
            0 | 1 => self.define(&tx),
            2..=7 => self.put(&tx, 1),
            8 => {
                let many = if self.dice.hits(Ratio::new(1, 4)) { self.dice.between(40, 300) } else { 5 };
                self.put(&tx, many)
            }
            _ => self.remove(&tx),
        };
        let done = done?;
        if matches!(done.kind, Kind::Denied | Kind::TooLong | Kind::Quarrel) {
            self.meant.clear();
            return Ok(done);
        }
        tx.commit()?;
        Ok(done)
    }

    fn done(&self, user: &str, kind: Kind, what: String) -> Done {
        Done { user: user.to_owned(), what, kind, wrong: None }
    }

    fn define(&mut self, tx: &Tx<'_>) -> Result<Done, TableError> {
        let (table, rule) = *self.dice.pick(&TABLES);
        let is_odd = table == "odd" && self.dice.hits(Ratio::new(1, 2));
        let rule = if is_odd { *self.dice.pick(&Rule::ALL) } else { rule };
        let mut columns = columns();
        for (name, kind) in MORE {
            if self.dice.hits(Ratio::new(1, 3)) {
                let kind = if is_odd && table == "odd" { *self.dice.pick(&Type::ALL) } else { kind };
                columns.push(column((name, kind)));
            }
        }
        let definition = Definition::new(columns, &[sql("who"), sql("slot")], rule)
            .map_err(|reason| TableError::Definition { table: sql(table), reason })?;
        let what = format!("defines {table} {}", definition.to_json());
        let kind = match table::define(tx, &sql(table), &definition, self.now.0) {
            Ok(table::Defined::Created) => Kind::Define,
            Ok(table::Defined::Extended) => Kind::Extend,
            Ok(table::Defined::Unchanged) => Kind::Nothing,
            Err(TableError::Definition { .. }) if table == "odd" => Kind::Quarrel,
            Err(error) => return Err(error),
        };
        Ok(self.done(&node::name(self.peer), kind, what))
    }

    /// Some write in the name of others: whoever has the file can.
    fn user(&mut self) -> String {
        let is_forged = self.dice.hits(Ratio::new(1, 6));
        node::name(if is_forged { self.dice.place(self.peers) } else { self.peer })
    }

    fn key(&mut self, user: &str) -> Values {
        let who = if self.dice.hits(Ratio::new(3, 4)) {
            user.to_owned()
        } else {
            node::name(self.dice.place(self.peers))
        };
        let slot = self.dice.below(3) as i64;
        Values::from([(sql("who"), Value::Text(who)), (sql("slot"), Value::Integer(slot))])
    }

    /// Writes the row that has this key, as another peer did that did not tell yet.
    pub fn rival(&mut self, repo: &mut Repo, name: &SqlName, key: Values) -> Result<Done, TableError> {
        let what = format!("writes {} of {name} too, as {}", key_shown(&key), node::name(self.peer));
        self.write(repo, name, vec![key], (Kind::Rival, what))
    }

    /// Writes the rows that have these keys, while somebody else does.
    pub fn quarrel(
        &mut self,
        repo: &mut Repo,
        name: &SqlName,
        keys: Vec<Values>,
    ) -> Result<Done, TableError> {
        let what = format!("writes {} of {name}, as {}", keys.len(), node::name(self.peer));
        self.write(repo, name, keys, (Kind::Quarrelled, what))
    }

    /// Writes many rows of the peer's own at once, of a table that it makes if it has none of that name.
    pub fn crowd(&mut self, repo: &mut Repo, name: &str, slots: Range<i64>) -> Result<Done, TableError> {
        let what =
            format!("writes {} of {name} at once, as {}", slots.end - slots.start, node::name(self.peer));
        self.write_own(repo, name, slots, (Kind::Crowd, what), |scribe, key, writer| {
            scribe.filled(key, writer, 2)
        })
    }

    /// Makes a table that nobody else makes, with rows that are long.
    pub fn album(&mut self, repo: &mut Repo) -> Result<Done, TableError> {
        let bytes = self.dice.between(6_000, 16_000) as usize;
        let what = format!("writes {ALBUM_ROWS} rows of {bytes} bytes, as {}", node::name(self.peer));
        self.write_own(repo, "album", 0..ALBUM_ROWS, (Kind::Album, what), |_, mut row, _| {
            row.insert(sql("body"), Value::Text("z".repeat(bytes)));
            row
        })
    }

    fn write_own(
        &mut self,
        repo: &mut Repo,
        name: &str,
        slots: Range<i64>,
        (kind, what): (Kind, String),
        row: impl Fn(&mut Self, Values, &Writer<'_, '_>) -> Values,
    ) -> Result<Done, TableError> {
        let (table, user, tx) = (sql(name), node::name(self.peer), repo.begin()?);
        if !self.tables.contains_key(name) {
            let rule =
                TABLES.iter().find(|(table, _)| *table == name).map_or(Rule::LastWriter, |table| table.1);
            let definition = Definition::new(columns(), &[sql("who"), sql("slot")], rule)
                .map_err(|reason| TableError::Definition { table: table.clone(), reason })?;
            table::define(&tx, &table, &definition, self.now.0)?;
        }
        let mut writer = Writer::open(&tx, &table, self.now)?;
        for slot in slots {
            let key =
                Values::from([(sql("who"), Value::Text(user.clone())), (sql("slot"), Value::Integer(slot))]);
            let row = row(self, key, &writer);
            self.mean(&table, &row, &user, writer.table());
            writer.put(row, &user)?;
        }
        writer.finish()?;
        tx.commit()?;
        Ok(self.done(&user, kind, what))
    }

    /// Writes the rows that have these keys, all or none.
    fn write(
        &mut self,
        repo: &mut Repo,
        name: &SqlName,
        keys: Vec<Values>,
        (kind, what): (Kind, String),
    ) -> Result<Done, TableError> {
        let tx = repo.begin()?;
        let user = node::name(self.peer);
        if !self.tables.contains_key(name.as_str()) {
            return Ok(self.done(&user, Kind::Nothing, what));
        }
        let mut writer = Writer::open(&tx, name, self.now)?;
        for key in keys {
            let expected = self.is_allowed(name.as_str(), &key, &user);
            let row = self.filled(key, &writer, 2);
            self.mean(name, &row, &user, writer.table());
            match writer.put(row, &user) {
                Ok(_) => {}
                Err(TableError::NotTheOwner(_)) => {
                    self.meant.clear();
                    return Ok(self.denied(&user, what, expected));
                }
                Err(error) => return Err(error),
            }
        }
        writer.finish()?;
        tx.commit()?;
        Ok(self.done(&user, kind, what))
    }

    /// A row with this key and something in its other columns; `count` rows are to be written at once.
    fn filled(&mut self, mut row: Values, writer: &Writer<'_, '_>, count: u64) -> Values {
        let columns = writer.table().definition.columns();
        for column in columns.filter(|column| !["who", "slot"].contains(&column.name.as_str())) {
            if let Some(value) = self.value(column.kind, count) {
                row.insert(column.name.clone(), value);
            }
        }
        row
    }

    /// Says which row is to be written.
    fn mean(&mut self, name: &SqlName, row: &Values, user: &str, table: &SyncedTable) {
        let column = |column: &Column| {
            let value = row.get(&column.name).map(value_shown);
            value.map(|value| format!("\"{}\"={value}\n", column.name))
        };
        let content = table.definition.columns().filter_map(column).collect();
        let has_owners = table.definition.rule() == Rule::Owner;
        self.meant.push(RowMeant {
            table: name.as_str().to_owned(),
            key: key_shown(row),
            content: Some(content),
            owner: if has_owners { user.to_owned() } else { String::new() },
        });
    }

    fn put(&mut self, tx: &Tx<'_>, count: u64) -> Result<Done, TableError> {
        let names: Vec<&String> = self.tables.keys().collect();
        let name = sql(self.dice.pick(&names).as_str());
        let user = self.user();
        let mut writer = Writer::open(tx, &name, self.now)?;
        let mut what = format!("writes {count} to {name} as {user}:");
        for number in 0..count {
            let mut row = self.key(&user);
            if count > 1 {
                row.insert(sql("who"), Value::Text(user.clone()));
                row.insert(sql("slot"), Value::Integer(100 + number as i64));
            }
            let row = self.filled(row, &writer, count);
            what.push_str(&format!(" {:.60}", key_shown(&row)));
            let expected = self.is_allowed(name.as_str(), &row, &user);
            self.mean(&name, &row, &user, writer.table());
            match writer.put(row, &user) {
                Ok(_) => {}
                Err(TableError::RowTooLong(_)) => return Ok(self.done(&user, Kind::TooLong, what)),
                Err(TableError::NotTheOwner(_)) => return Ok(self.denied(&user, what, expected)),
                Err(error) => return Err(error),
            }
        }
        writer.finish()?;
        Ok(self.done(&user, if count > 1 { Kind::PutMany } else { Kind::Put }, what))
    }

    fn remove(&mut self, tx: &Tx<'_>) -> Result<Done, TableError> {
        let names: Vec<&String> = self.tables.keys().collect();
        let name = sql(self.dice.pick(&names).as_str());
        let user = self.user();
        let key = self.key(&user);
        let mut writer = Writer::open(tx, &name, self.now)?;
        let what = format!("removes {} from {name} as {user}", key_shown(&key));
        let expected = self.is_allowed(name.as_str(), &key, &user);
        let (table, content, owner) = (name.as_str().to_owned(), None, String::new());
        self.meant.push(RowMeant { table, key: key_shown(&key), content, owner });
        let kind = match writer.remove(key, &user) {
            Ok(true) => Kind::Remove,
            Ok(false) => Kind::Nothing,
            Err(TableError::NotTheOwner(_)) => return Ok(self.denied(&user, what, expected)),
            Err(error) => return Err(error),
        };
        writer.finish()?;
        Ok(self.done(&user, kind, what))
    }

    fn denied(&self, user: &str, what: String, expected: bool) -> Done {
        let wrong = expected.then(|| format!("{user} may write, and was refused: {what}"));
        Done { wrong, ..self.done(user, Kind::Denied, what) }
    }

    /// Whether a user may write the row with this key here.
    fn is_allowed(&self, table: &str, row: &Values, user: &str) -> bool {
        let Some(table) = self.tables.get(table) else { return false };
        let wanted = key_shown(row);
        let held = table.rows.values().find(|held| held.content.starts_with(&wanted));
        let first = row.get(&sql("who")).map(value_shown).unwrap_or_default();
        let owner = user.to_owned();
        let row = Row { version: (0, [0; 20]), owner, deleted: false, first, content: String::new() };
        table.may_write(&row, held, user)
    }

    /// Mostly small ones, now and then one that exceeds a budget, or what a row may have.
    fn value(&mut self, kind: Type, count: u64) -> Option<Value> {
        let bits = self.dice.bits();
        Some(match kind {
            Type::Text => Value::Text(match self.dice.below(12) {
                0 => return None,
                1 => String::new(),
                2 => "it's \"quoted\", \\ and\nÜber \u{1F980}".to_owned(),
                3 if count == 1 => "x".repeat(self.large as usize),
                4 if count == 1 && bits.is_multiple_of(8) => "y".repeat(table::MAX_ROW_BYTES),
                _ => format!("text {bits:x}"),
            }),
            Type::Integer => {
                Value::Integer(*self.dice.pick(&[0, 1, -1, i64::MAX, i64::MIN, 1 << 53, bits as i64]))
            }
            Type::Real => Value::Real(*self.dice.pick(&[
                0.0,
                1.5,
                -0.1,
                f64::MAX,
                f64::MIN_POSITIVE,
                5e-324,
                (bits >> 11) as f64 / 3.0,
            ])),
            Type::Blob => Value::Blob(match self.dice.below(4) {
                0 => return None,
                1 => Vec::new(),
                _ => bits.to_le_bytes()[..self.dice.place(9)].to_vec(),
            }),
        })
    }
}

/// The key of one of the rows that a quarrel is about.
pub fn quarrel_key(number: u64, slot: i64) -> Values {
    Values::from([
        (sql("who"), Value::Text(format!("quarrel {number}"))),
        (sql("slot"), Value::Integer(slot)),
    ])
}

fn sql(name: &str) -> SqlName {
    SqlName::new(name).expect("a name of a table or column")
}

/// The columns of the key, as the content of a row shows them.
fn key_shown(row: &Values) -> String {
    let column = |name: &str| row.get(&sql(name)).map(|value| format!("\"{name}\"={}\n", value_shown(value)));
    ["who", "slot"].into_iter().filter_map(column).collect()
}

fn value_shown(value: &Value) -> String {
    match rusqlite::ToSql::to_sql(value) {
        Ok(ToSqlOutput::Borrowed(value)) => shown(value),
        other => format!("{other:?}"),
    }
}
