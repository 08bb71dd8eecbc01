//! The client's part: it remembers what is left to say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use repo::table::{self, Authority, SyncedTable, Version};
use repo::{RepoError, Snapshot, Tx, UnixTime};
use xfer::table::{TableCard, TablePragma};
use xfer::{ArtifactId, Card, KeyPrefix, Pragma, SqlName};

use super::exchange::{Exchange, Fit};
use super::intake::definition;
use super::{Flow, Heard, VERSION, take_in};

/// Rounds in a row that may move no row, beside one for each thing that is to be said: more than any two honest peers
/// need to find where they differ.
const IDLE_ROUNDS: usize = 16;

/// Rows of one table that a session moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableStats {
    /// To the peer.
    pub sent: u64,
    /// From the peer, and kept: they were newer.
    pub received: u64,
}

/// Synced tables in one session.
///
/// A request whose reply was lost may be composed again: nothing counts as said before [`TableSync::hear`].
pub(crate) struct TableSync {
    flow: Flow,
    phase: Phase,
    /// What is to be said.
    queue: VecDeque<Work>,
    request: Request,
    /// Parts whose rows were listed to the peer.
    listed: BTreeSet<(SqlName, KeyPrefix)>,
    /// Parts whose list was answered, and rows that were sent for: once is enough in a session.
    answered: BTreeSet<(SqlName, KeyPrefix)>,
    given: BTreeSet<(SqlName, ArtifactId)>,
    /// Rows that were sent. Those that are sent again, for want of a verdict, count for nothing.
    said: BTreeSet<(SqlName, ArtifactId)>,
    /// Rows that came when they were asked for, and are not kept: one that is dated far ahead, or a deletion that is
    /// forgotten already.
    refused: BTreeSet<(SqlName, ArtifactId)>,
    /// Parts that are empty here, and of which such a row came.
    kept_empty: BTreeSet<(SqlName, KeyPrefix)>,
    /// Tables that are left alone.
    blocked: BTreeSet<SqlName>,
    /// Rounds since one moved a row, or showed that one is not kept, and the most that was to be said at the beginning of
    /// one of them.
    idle: usize,
    most: usize,
    begun: Vec<(SqlName, u64)>,
    moved: Moved,
    pub(crate) stats: BTreeMap<SqlName, TableStats>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Says which tables there are.
    Hello,
    /// The same, to a peer that said that it has some.
    Offered,
    Talk,
    /// The peer does not know tables.
    Off,
}

/// One thing to say.
#[derive(Debug, Clone)]
enum Work {
    Schema(SqlName),
    Compare(SqlName, KeyPrefix, Option<ArtifactId>),
    /// Names a part by its digest, so that the peer lists it.
    Name(SqlName, KeyPrefix),
    Answer {
        table: SqlName,
        prefix: KeyPrefix,
        theirs: BTreeMap<ArtifactId, Version>,
        after: Option<ArtifactId>,
    },
    Row(SqlName, ArtifactId),
    Gimme(SqlName, ArtifactId, Version),
}

/// What the last request said.
#[derive(Default)]
struct Request {
    /// What is left of the queue after it.
    rest: VecDeque<Work>,
    listed: Vec<(SqlName, KeyPrefix)>,
    sent: BTreeSet<(SqlName, ArtifactId)>,
    asked: Vec<(SqlName, ArtifactId, Version)>,
    bytes: u64,
}

/// What a round moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// Rows that were kept, and bytes of all that came.
    pub(crate) received: u64,
    pub(crate) received_bytes: u64,
    /// Rows that were sent, and bytes of all cards.
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
}

/// What a reply brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Brought {
    /// Rows that were kept.
    pub(crate) rows: u64,
    /// Bytes of all rows.
    pub(crate) bytes: u64,
}

impl TableSync {
    pub(crate) fn new(flow: Flow) -> Self {
        Self {
            flow,
            phase: if flow.gives || flow.takes { Phase::Hello } else { Phase::Off },
            queue: VecDeque::new(),
            request: Request::default(),
            listed: BTreeSet::new(),
            answered: BTreeSet::new(),
            given: BTreeSet::new(),
            said: BTreeSet::new(),
            refused: BTreeSet::new(),
            kept_empty: BTreeSet::new(),
            blocked: BTreeSet::new(),
            idle: 0,
            most: 0,
            begun: Vec::new(),
            moved: Moved::default(),
            stats: BTreeMap::new(),
        }
    }

    /// Tables that are compared from now on, with their rows. Each is told once.
    pub(crate) fn begun(&mut self) -> Vec<(SqlName, u64)> {
        std::mem::take(&mut self.begun)
    }

    /// What the last round moved.
    pub(crate) fn moved(&self) -> Moved {
        self.moved
    }

    /// Whether there is something to say.
    pub(crate) fn has_more(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether it is the first request that comes next.
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self.phase, Phase::Hello | Phase::Offered)
    }

    /// Asks whether there are tables, where nothing can be said of them yet.
    pub(crate) fn ask(&self) -> Option<Card> {
        let known = Card::Pragma(Pragma::Table(TablePragma::Known(VERSION)));
        self.is_fresh().then_some(known)
    }

    /// Hears the answer to [`TableSync::ask`].
    pub(crate) fn hear_offer(&mut self, heard: &Heard<'_>) {
        if heard.is_known && self.phase == Phase::Hello {
            self.phase = Phase::Offered;
        }
    }

    /// Sends no more rows and definitions, those included that were to be said next: the peer takes none.
    pub(crate) fn stop_giving(&mut self) {
        self.flow.gives = false;
        self.queue.retain(|work| !matches!(work, Work::Schema(_) | Work::Row(..)));
    }

    /// The next cards, in about `room` bytes.
    pub(crate) fn compose(&mut self, snap: &Snapshot<'_>, room: u64) -> Result<Vec<Card>, RepoError> {
        let mut out = Exchange::new(snap, self.flow, room);
        let mut rest = self.queue.clone();
        if self.is_fresh() {
            out.pragma(TablePragma::Known(VERSION));
            for table in table::all(snap)? {
                let hash = Some(table::catalogue(snap, &table)?);
                out.pragma(TablePragma::Hash { table: table.name, hash });
            }
        }
        while let Some(work) = rest.pop_front() {
            if let Some(left) = say(snap, work, &mut out)? {
                rest.push_front(left);
                break;
            }
        }
        let bytes = out.bytes();
        let listed = out.cards.iter().filter_map(listed).collect();
        self.request =
            Request { rest, listed, sent: out.sent.into_iter().collect(), asked: out.asked, bytes };
        Ok(out.cards)
    }

    /// Notes that the last request said nothing of tables: what was to be said still is.
    pub(crate) fn was_silent(&mut self) {
        self.request = Request { rest: self.queue.clone(), ..Request::default() };
    }

    /// Keeps what a reply brings. Gives complaints to be told, too.
    pub(crate) fn store(
        &mut self,
        tx: &Tx<'_>,
        heard: &Heard<'_>,
        now: UnixTime,
    ) -> Result<(Brought, Vec<String>), RepoError> {
        // Who does not say that it knows tables brings none, and nothing was begun with it.
        let is_begun = self.phase == Phase::Talk || (self.is_fresh() && heard.is_known);
        if !self.flow.takes || !is_begun {
            return Ok((Brought::default(), Vec::new()));
        }
        // What comes back for a row that we sent is the peer's verdict: it belongs to somebody else there.
        let authority = |row: &xfer::table::RowCard| {
            let sent = self.request.sent.contains(&(row.table.clone(), row.key));
            if sent { Authority::Verdict } else { Authority::Peer }
        };
        let intake = take_in(tx, heard, authority, now)?;
        let mut brought = Brought { rows: 0, bytes: intake.bytes };
        for (name, rows) in &intake.stored {
            self.stats.entry(name.clone()).or_default().received += rows;
            brought.rows += rows;
        }
        let complaints = intake.complaints().collect();
        self.blocked.extend(intake.blocked);
        Ok((brought, complaints))
    }

    /// Decides what is to be said next, after what the reply brought was stored.
    pub(crate) fn hear(
        &mut self,
        snap: &Snapshot<'_>,
        heard: &Heard<'_>,
        brought: Brought,
    ) -> Result<Vec<String>, RepoError> {
        let Request { rest, listed, sent, asked, bytes } = std::mem::take(&mut self.request);
        self.listed.extend(listed);
        let mut news = 0;
        for row in &sent {
            if self.said.insert(row.clone()) {
                self.stats.entry(row.0.clone()).or_default().sent += 1;
                news += 1;
            }
        }
        self.moved = Moved {
            received: brought.rows,
            received_bytes: if brought.rows > 0 { brought.bytes } else { 0 },
            sent: news,
            sent_bytes: if news > 0 { bytes } else { 0 },
        };
        let to_say = std::mem::replace(&mut self.queue, rest).len();
        match self.phase {
            Phase::Hello | Phase::Offered if heard.is_known => {
                self.phase = Phase::Talk;
                self.begin(snap)?;
            }
            Phase::Hello | Phase::Offered => self.phase = Phase::Off,
            Phase::Talk | Phase::Off => {}
        }
        if self.phase == Phase::Off {
            self.queue.clear();
            return Ok(Vec::new());
        }
        let mut tables: BTreeMap<SqlName, SyncedTable> =
            table::all(snap)?.into_iter().map(|table| (table.name.clone(), table)).collect();
        let complaints = self.hear_schemas(&tables, heard);
        tables.retain(|name, _| !self.blocked.contains(name));
        let told: BTreeSet<_> = heard.rows().collect();
        let refused_before = self.refused.len();
        for (name, key, version) in &asked {
            let row = (name.clone(), *key);
            if tables.contains_key(name) && told.contains(&row) && lacks(snap, name, key, *version)? {
                self.refused.insert(row);
            }
        }
        let gain = news + brought.rows + (self.refused.len() - refused_before) as u64;
        if self.is_in_vain(gain, to_say) {
            self.queue.clear();
            return Ok(complaints);
        }
        self.hear_parts(snap, &tables, heard)?;
        // A reply has room for one row, which may be one that is not kept: a verdict on what was sent beside the question.
        for (name, key, version) in asked {
            let is_open = !told.is_empty() && !self.refused.contains(&(name.clone(), key));
            if tables.contains_key(&name) && is_open && lacks(snap, &name, &key, version)? {
                self.queue.push_back(Work::Gimme(name, key, version));
            }
        }
        if sent.iter().any(|row| told.contains(row)) {
            // It may have had no room to say more verdicts than these.
            let untold = sent.difference(&told).filter(|(name, _)| tables.contains_key(name)).cloned();
            self.queue.extend(untold.map(|(name, key)| Work::Row(name, key)));
        }
        self.leave_to_answers(snap)?;
        Ok(complaints)
    }

    /// Counts rounds in a row that gain nothing, at the end of one that had so many things to say. Says whether they are too
    /// many.
    fn is_in_vain(&mut self, gain: u64, to_say: usize) -> bool {
        (self.idle, self.most) = if gain == 0 { (self.idle + 1, self.most.max(to_say)) } else { (0, 0) };
        self.idle > IDLE_ROUNDS + self.most
    }

    /// Does not say on their own the rows that the answer to a list, which is still to be said, brings anyway.
    fn leave_to_answers(&mut self, snap: &Snapshot<'_>) -> Result<(), RepoError> {
        let mut answers = BTreeMap::new();
        for work in &self.queue {
            if let Work::Answer { table, prefix, theirs, after } = work {
                answers.insert((table, prefix.as_str()), (theirs, after));
            }
        }
        let mut brought = BTreeSet::new();
        let rows = self.queue.iter().filter_map(|work| match work {
            Work::Row(name, key) if !answers.is_empty() => Some((name, key)),
            _ => None,
        });
        for (name, key) in rows {
            let digits = key.to_string();
            let answer = (0..=digits.len()).find_map(|length| answers.get(&(name, &digits[..length])));
            let Some((theirs, after)) = answer else { continue };
            let is_ahead = after.is_none_or(|after| after < *key);
            if is_ahead && table::version(snap, name, key)? > theirs.get(key).copied() {
                brought.insert((name.clone(), *key));
            }
        }
        self.queue
            .retain(|work| !matches!(work, Work::Row(name, key) if brought.contains(&(name.clone(), *key))));
        Ok(())
    }

    fn begin(&mut self, snap: &Snapshot<'_>) -> Result<(), RepoError> {
        for table in table::all(snap)? {
            self.stats.entry(table.name.clone()).or_default();
            self.begun.push((table.name, table.rows));
        }
        Ok(())
    }

    /// Tells the peer of columns that it lacks.
    fn hear_schemas(&mut self, tables: &BTreeMap<SqlName, SyncedTable>, heard: &Heard<'_>) -> Vec<String> {
        let mut complaints = Vec::new();
        for card in &heard.changes {
            let TableCard::Schema(schema) = card else { continue };
            let Some(table) = tables.get(&schema.table) else { continue };
            let joined = definition(schema).map(|theirs| (table.definition.join(&theirs), theirs));
            match joined {
                Ok((Ok(joined), theirs)) if joined != theirs && self.flow.gives => {
                    self.queue.push_front(Work::Schema(table.name.clone()));
                }
                Ok((Err(error), _)) if self.blocked.insert(table.name.clone()) => {
                    complaints.push(format!("table {}: {error}", table.name));
                }
                _ => {}
            }
        }
        complaints
    }

    fn hear_parts(
        &mut self,
        snap: &Snapshot<'_>,
        tables: &BTreeMap<SqlName, SyncedTable>,
        heard: &Heard<'_>,
    ) -> Result<(), RepoError> {
        for (&name, hash) in &heard.hashes {
            if self.flow.gives && hash.is_none() && tables.contains_key(name) {
                self.queue.push_back(Work::Schema(name.clone()));
                self.answer(name, &KeyPrefix::default(), BTreeMap::new());
            }
        }
        for &(name, prefix, theirs) in &heard.nodes {
            let ours = if tables.contains_key(name) { table::digest(snap, name, prefix)? } else { theirs };
            if ours == theirs {
                continue;
            }
            let part = (name.clone(), prefix.clone());
            // What was sent of a part that is empty here was refused, and would be sent again.
            if ours.is_none() && heard.brings_rows_under(name, prefix) {
                self.kept_empty.insert(part.clone());
            }
            let is_kept_empty = ours.is_none() && self.kept_empty.contains(&part);
            match theirs {
                None => self.answer(name, prefix, BTreeMap::new()),
                // It did not come to an end with our list: perhaps it asks for what it refuses, each time anew. With
                // its own list we know what is left.
                Some(_) if self.listed.contains(&part) || is_kept_empty => {
                    self.queue.push_back(Work::Name(part.0, part.1));
                }
                theirs => self.queue.push_back(Work::Compare(name.clone(), prefix.clone(), theirs)),
            }
        }
        for &(name, prefix) in &heard.lists {
            if tables.contains_key(name) {
                let theirs = heard.listed(name, prefix);
                for (key, version) in &theirs {
                    let is_open = self.flow.takes && !self.refused.contains(&(name.clone(), *key));
                    if is_open && lacks(snap, name, key, *version)? {
                        self.queue.push_back(Work::Gimme(name.clone(), *key, *version));
                    }
                }
                self.answer(name, prefix, theirs);
            }
        }
        for gimme in heard.gimmes.iter().filter(|_| self.flow.gives) {
            let row = (gimme.table.clone(), gimme.key);
            if tables.contains_key(&gimme.table) && self.given.insert(row.clone()) {
                self.queue.push_back(Work::Row(row.0, row.1));
            }
        }
        Ok(())
    }

    fn answer(&mut self, name: &SqlName, prefix: &KeyPrefix, theirs: BTreeMap<ArtifactId, Version>) {
        if self.answered.insert((name.clone(), prefix.clone())) {
            let (table, prefix) = (name.clone(), prefix.clone());
            self.queue.push_back(Work::Answer { table, prefix, theirs, after: None });
        }
    }
}

/// The part that a card says it lists.
fn listed(card: &Card) -> Option<(SqlName, KeyPrefix)> {
    match card {
        Card::Pragma(Pragma::Table(TablePragma::List { table, prefix })) => {
            Some((table.clone(), prefix.clone()))
        }
        _ => None,
    }
}

/// Whether this version of a row, or a newer one, is not here.
fn lacks(snap: &Snapshot<'_>, name: &SqlName, key: &ArtifactId, version: Version) -> Result<bool, RepoError> {
    Ok(table::version(snap, name, key)?.is_none_or(|held| held < version))
}

/// Says one thing; gives back what found no room.
fn say(snap: &Snapshot<'_>, work: Work, out: &mut Exchange<'_>) -> Result<Option<Work>, RepoError> {
    let name = match &work {
        Work::Schema(name) | Work::Compare(name, ..) | Work::Name(name, _) => name,
        Work::Row(name, _) | Work::Gimme(name, ..) => name,
        Work::Answer { table, .. } => table,
    };
    let Some(table) = table::find(snap, name)? else { return Ok(None) };
    let fit = match &work {
        Work::Schema(_) => {
            out.schema(&table);
            Fit::All
        }
        Work::Compare(_, prefix, theirs) => out.compare(&table, prefix, theirs.as_ref())?,
        Work::Name(_, prefix) => out.name(&table, prefix)?,
        Work::Answer { prefix, theirs, after, .. } => out.answer(&table, prefix, theirs, *after)?,
        Work::Row(_, key) => out.send(&table, key)?,
        Work::Gimme(_, key, version) => out.gimme(&table, *key, *version)?,
    };
    Ok(match (fit, work) {
        (Fit::All, _) => None,
        (Fit::Cut(last), Work::Answer { table, prefix, theirs, after }) => {
            Some(Work::Answer { table, prefix, theirs, after: last.or(after) })
        }
        (Fit::Cut(_), work) => Some(work),
    })
}
