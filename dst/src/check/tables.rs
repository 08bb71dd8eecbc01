//! Synced tables: only who may change a row changes it, only a newer version takes the place of another, every version
//! is one that somebody wrote, and in the end peers that give each other rows have the same.
//!
//! Whose word counts for what is stated here anew. A user writes in a table of rule `last-writer` every row, of rule
//! `self` those that the user is named in, of rule `owner` those that are the user's and nobody else's where they come.
//! Who may administer brings every row, and takes none from its owner. A server is believed; and where a row is another
//! user's there, what its client has of it gives way, however new it is, eight times.

use std::collections::{BTreeMap, BTreeSet};

use repo::configuration::Group;
use repo::table::{self, Rule};
use repo::{Repo, RepoError, UnixTime};
use xfer::table::{RowCard, TableCard, TablePragma};
use xfer::{Card, Message, Pragma};

use crate::beside::tables::{Key, Row, Table, Tables, Version};
use crate::model::Violation;
use crate::rights::{Letters, Right};

/// Every version of a row that was ever written, with what it says.
#[derive(Debug, Default)]
pub struct Written(BTreeMap<(String, Key), BTreeMap<Version, String>>);

/// Rows by table and key.
pub type Rows = BTreeSet<(String, Key)>;

/// Why tables or configuration changed.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// This user wrote, here.
    User(&'a str),
    /// A client brought it.
    Request {
        /// What the client's user may do.
        letters: &'a Letters,
        /// Who logged in.
        user: Option<&'a str>,
        /// What it sent.
        message: &'a Message,
    },
    /// A server sent it.
    Reply {
        /// What it sent.
        message: &'a Message,
        /// Rows that it was sent before.
        given: &'a Rows,
        /// Configuration that it was asked for.
        group: Option<Group>,
    },
}

/// How often a row gives way to an older one of another user.
pub const VERDICTS: u32 = 8;
/// How long a deletion is remembered, in milliseconds: 90 days.
const HORIZON: i64 = 90 * 86_400_000;
/// How far ahead of the own clock a row may be, in milliseconds: a day.
const AHEAD: i64 = 86_400_000;

/// Compares two moments of one repository.
pub fn check(
    before: &Tables,
    now: &Tables,
    cause: Cause<'_>,
    time: UnixTime,
    written: &mut Written,
) -> Result<(), Violation> {
    if let Some(name) = before.keys().find(|name| !now.contains_key(*name)) {
        return fail(format!("table {name} is gone"));
    }
    let brought = brought(cause);
    for (name, table) in now {
        let held = before.get(name);
        if let Some(held) = held
            && (!held.agrees(table) || !table.columns().is_superset(&held.columns()))
        {
            return fail(format!("table {name} has other columns, another key or another rule now"));
        }
        if table.count != table.rows.len() as i64 {
            return fail(format!("table {name} has {} rows, and says {}", table.rows.len(), table.count));
        }
        let none = BTreeMap::new();
        let rows = held.map_or(&none, |held| &held.rows);
        for (key, row) in rows.iter().filter(|(key, _)| !table.rows.contains_key(*key)) {
            if !row.deleted || row.version.0 >= time.0 - HORIZON {
                return fail(format!("table {name}: a row is gone without a trace: {}", row.content));
            }
            let _ = key;
        }
        for (key, row) in table.rows.iter().filter(|(key, row)| rows.get(*key) != Some(row)) {
            let change = Change { table, row, held: rows.get(key), cause };
            let place = (name.clone(), *key);
            let is_brought =
                brought.as_ref().is_none_or(|brought| brought.contains(&(place.clone(), row.version.0)));
            change
                .check(is_brought, time)
                .and_then(|()| written.know(place, row, cause))
                .map_err(|text| Violation::new("tables", format!("table {name}: {text}: {}", row.shown())))?;
        }
    }
    Ok(())
}

impl Written {
    /// What a user wrote is noted; what came must have been written.
    fn know(&mut self, place: (String, Key), row: &Row, cause: Cause<'_>) -> Result<(), String> {
        let known = self.0.entry(place).or_default();
        let says = format!("{} {} {}", row.owner, row.deleted, row.content);
        match (known.get(&row.version), cause) {
            (Some(known), _) if *known == says => Ok(()),
            (Some(known), _) => Err(format!("one version says two things, the other is {known}")),
            (None, Cause::User(_)) => {
                known.insert(row.version, says);
                Ok(())
            }
            (None, _) => Err("nobody wrote this version".to_owned()),
        }
    }
}

/// A row that is new or another than before.
struct Change<'a> {
    table: &'a Table,
    row: &'a Row,
    held: Option<&'a Row>,
    cause: Cause<'a>,
}

impl Change<'_> {
    fn check(&self, is_brought: bool, time: UnixTime) -> Result<(), String> {
        if !is_brought {
            return Err("it changed, and nobody brought it".to_owned());
        }
        if !self.is_allowed() {
            return Err(format!("it was changed without the right, from {:?}", self.held.map(Row::shown)));
        }
        let is_newer = self.held.is_none_or(|held| held.version < self.row.version);
        if !is_newer && !self.is_verdict() {
            return Err(format!("it is older than {:?}", self.held.map(Row::shown)));
        }
        if !matches!(self.cause, Cause::User(_)) && self.row.version.0 > time.0 + AHEAD {
            return Err(format!("it is dated far after {}", time.0));
        }
        Ok(())
    }

    fn is_allowed(&self) -> bool {
        match self.cause {
            Cause::User(user) => self.table.may_write(self.row, self.held, user),
            Cause::Reply { .. } => true,
            Cause::Request { letters, user, .. } => {
                letters.allow(Right::Write) && may_bring(self.table, self.row, self.held, letters, user)
            }
        }
    }

    /// Whether a server said that the row that it was sent is another user's.
    fn is_verdict(&self) -> bool {
        matches!(self.cause, Cause::Reply { .. })
            && self.table.definition.rule() == Rule::Owner
            && self.held.is_some_and(|held| held.owner != self.row.owner)
    }
}

impl Row {
    fn shown(&self) -> String {
        let state = if self.deleted { "deleted" } else { "live" };
        format!("{state} at {} of {:?}: {:.80}", self.version.0, self.owner, self.content.replace('\n', " "))
    }
}

/// Whether a client may bring a row to a server that holds `held` of it.
fn may_bring(table: &Table, row: &Row, held: Option<&Row>, letters: &Letters, user: Option<&str>) -> bool {
    match user {
        Some(_) if letters.allow(Right::Admin) => {
            table.definition.rule() != Rule::Owner || held.is_none_or(|held| held.owner == row.owner)
        }
        Some(user) => table.may_write(row, held, user),
        None => table.definition.rule() == Rule::LastWriter,
    }
}

/// Rows of a message, with their times; none where nothing travelled.
fn brought(cause: Cause<'_>) -> Option<BTreeSet<((String, Key), i64)>> {
    let message = match cause {
        Cause::User(_) => return None,
        Cause::Request { message, .. } | Cause::Reply { message, .. } => message,
    };
    Some(rows(message).map(|row| (place(row), row.mtime)).collect())
}

/// Rows that a message brings.
pub fn given(message: &Message) -> Rows {
    rows(message).map(place).collect()
}

fn rows(message: &Message) -> impl Iterator<Item = &RowCard> {
    message.cards.iter().filter_map(|card| match card {
        Card::Table(TableCard::Row(row) | TableCard::Delete(row)) => Some(row),
        _ => None,
    })
}

fn place(row: &RowCard) -> (String, Key) {
    let key = row.key.as_bytes().try_into().expect("keys are hashed by SHA-1");
    (row.table.to_string(), key)
}

/// Who may not read hears of no table, but that they are known.
pub fn check_reply(message: &Message, letters: &Letters) -> Result<(), Violation> {
    let tells = |card: &Card| match card {
        Card::Table(_) => true,
        Card::Pragma(Pragma::Table(pragma)) => !matches!(pragma, TablePragma::Known(_)),
        _ => false,
    };
    if !letters.allow(Right::Read) && message.cards.iter().any(tells) {
        return fail("tables are told of to who may not read".to_owned());
    }
    Ok(())
}

/// A client and a server that talked until nothing changed any more.
pub struct Pair<'a> {
    /// What the client holds.
    pub client: &'a Tables,
    /// What the server holds.
    pub server: &'a Tables,
    /// What the client's user may do.
    pub letters: &'a Letters,
    /// Who logs in.
    pub user: Option<&'a str>,
    /// Rows whose owner the client was told too often.
    pub contested: &'a Rows,
    /// What the two clocks showed when they began to talk for the last time.
    pub clocks: (UnixTime, UnixTime),
}

impl Pair<'_> {
    /// Each has of the other what it may have.
    pub fn check(&self) -> Result<(), Violation> {
        for (name, ours) in self.client {
            let (told, writes) = (format!("table {name}"), self.letters.allow(Right::Write));
            match self.server.get(name) {
                None if writes => return fail(format!("{told} did not reach the server")),
                Some(theirs) if theirs.agrees(ours) => self.check_table(name, ours, theirs)?,
                None | Some(_) => {}
            }
        }
        let missing = self.server.keys().find(|name| !self.client.contains_key(*name));
        match missing.filter(|_| self.letters.allow(Right::Read)) {
            None => Ok(()),
            Some(name) => fail(format!("table {name} did not reach the client")),
        }
    }

    /// Whether the client takes a row of the server by its clock.
    fn is_told(&self, row: &Row) -> bool {
        row.version.0 <= self.clocks.0.0 + AHEAD && !is_past(row, self.clocks.0)
    }

    fn check_table(&self, name: &str, ours: &Table, theirs: &Table) -> Result<(), Violation> {
        let (reads, writes) = (self.letters.allow(Right::Read), self.letters.allow(Right::Write));
        if reads && !ours.columns().is_superset(&theirs.columns()) {
            return fail(format!("table {name}: the client lacks columns of the server"));
        }
        if writes && !theirs.columns().is_superset(&ours.columns()) {
            return fail(format!("table {name}: the server lacks columns of the client"));
        }
        for (key, row) in theirs.rows.iter().filter(|_| reads) {
            if self.is_told(row) && ours.rows.get(key).is_none_or(|held| held.version < row.version) {
                return fail(format!("table {name}: the client lacks {}", row.shown()));
            }
        }
        for (key, row) in ours.rows.iter().filter(|_| writes) {
            let (held, is_contested) =
                (theirs.rows.get(key), self.contested.contains(&(name.to_owned(), *key)));
            let is_taken = row.version.0 <= self.clocks.1.0 + AHEAD && !is_past(row, self.clocks.1);
            if !is_taken {
                continue;
            }
            if may_bring(theirs, row, held, self.letters, self.user) {
                if held.is_none_or(|held| held.version < row.version) {
                    return fail(format!("table {name}: the server lacks {}", row.shown()));
                }
            } else if reads
                && self.user.is_some()
                && !is_contested
                && held.is_some_and(|held| held.owner != row.owner && self.is_told(held))
            {
                return fail(format!("table {name}: another user's on the server: {}", row.shown()));
            }
        }
        Ok(())
    }
}

/// Whether a deletion that some of these peers have, each with its clock, is forgotten by the clock of one, while others have the
/// row: whoever forgets it is given the row again, and so on without end.
pub fn is_deletion_forgotten(peers: &[(&Tables, UnixTime)]) -> bool {
    let (mut live, mut past) = (BTreeSet::new(), BTreeSet::new());
    for (name, table) in peers.iter().flat_map(|(tables, _)| *tables) {
        for (key, row) in &table.rows {
            if !row.deleted {
                live.insert((name, key));
            } else if peers.iter().any(|(_, clock)| is_past(row, *clock)) {
                past.insert((name, key));
            }
        }
    }
    !live.is_disjoint(&past)
}

/// Whether it may be forgotten.
fn is_past(row: &Row, clock: UnixTime) -> bool {
    row.deleted && row.version.0 < clock.0 - HORIZON
}

/// The digest of a table tells exactly whether two peers hold the same of it.
pub fn check_digests(peers: &mut [(&mut Repo, &Tables)]) -> Result<(), Violation> {
    let mut first: BTreeMap<_, (String, Vec<(Key, Version)>)> = BTreeMap::new();
    let mut contents = BTreeMap::new();
    for (repo, tables) in peers {
        for (name, digest) in digests(repo).map_err(|error| Violation::new("tables", error))? {
            let Some(table) = tables.get(&name) else { return fail(format!("table {name} was not seen")) };
            let versions = table.rows.iter().map(|(key, row)| (*key, row.version)).collect();
            let content = (table.definition.to_json(), versions);
            let known = first.entry(digest).or_insert_with(|| content.clone());
            if *known != content || *contents.entry(content).or_insert(digest) != digest {
                return fail(format!("table {name}: its digest does not tell what it holds"));
            }
        }
    }
    Ok(())
}

fn digests(repo: &mut Repo) -> Result<Vec<(String, xfer::ArtifactId)>, RepoError> {
    let snap = repo.snapshot()?;
    let tables = table::all(&snap)?;
    tables.iter().map(|table| Ok((table.name.to_string(), table::catalogue(&snap, table)?))).collect()
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("tables", text))
}
