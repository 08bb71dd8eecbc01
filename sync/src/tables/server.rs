//! The server's words about tables. Nothing is kept between requests.

use std::collections::BTreeMap;

use repo::table::{self, SyncedTable};
use repo::{RepoError, Snapshot};
use xfer::table::TablePragma;
use xfer::{Card, KeyPrefix, Pragma, SqlName};

use super::exchange::{Exchange, Fit};
use super::{Flow, Heard, Intake, TableStats, VERSION};

/// What is said about tables, and what became of those that were compared.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) cards: Vec<Card>,
    pub(crate) compared: BTreeMap<SqlName, Compared>,
}

/// A table in one request.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Rows here, tombstones included.
    pub(crate) rows: u64,
    pub(crate) stats: TableStats,
}

/// Answers what a request says about tables. To a client that says nothing of them nothing is said.
pub(crate) fn reply(
    snap: &Snapshot<'_>,
    heard: &Heard<'_>,
    intake: &Intake,
    flow: Flow,
    room: u64,
) -> Result<Said, RepoError> {
    if !flow.gives && !flow.takes {
        return Ok(Said::default());
    }
    let out = Exchange::new(snap, flow, room);
    let mut server = Server { snap, tables: BTreeMap::new(), flow, out, differing: Vec::new() };
    server.tables = table::all(snap)?.into_iter().map(|table| (table.name.clone(), table)).collect();
    if heard.is_known {
        server.introduce(heard)?;
    }
    server.answer(heard, intake)?;
    let compared = server.compared(heard, intake);
    let complaints = intake.complaints().map(Card::Message);
    Ok(Said { cards: complaints.chain(server.out.cards).collect(), compared })
}

/// Tells a clone that there are tables, if there are.
pub(crate) fn offer(snap: &Snapshot<'_>) -> Result<Option<Card>, RepoError> {
    let known = Card::Pragma(Pragma::Table(TablePragma::Known(VERSION)));
    Ok((!table::all(snap)?.is_empty()).then_some(known))
}

struct Server<'a> {
    snap: &'a Snapshot<'a>,
    tables: BTreeMap<SqlName, SyncedTable>,
    flow: Flow,
    out: Exchange<'a>,
    /// Tables whose hash differs from that which the client named.
    differing: Vec<SqlName>,
}

impl Server<'_> {
    /// Answers the hashes of whole tables, and tells of tables that the client did not name.
    fn introduce(&mut self, heard: &Heard<'_>) -> Result<(), RepoError> {
        let (out, root) = (&mut self.out, KeyPrefix::default());
        out.pragma(TablePragma::Known(VERSION));
        for (name, table) in &self.tables {
            let theirs = heard.hashes.get(name);
            let ours = table::catalogue(self.snap, table)?;
            if theirs == Some(&Some(ours)) || theirs.is_none() && !self.flow.gives {
                continue;
            }
            self.differing.push(name.clone());
            out.schema(table);
            let fit = match theirs {
                Some(Some(_)) => out.describe(table, &root)?,
                _ => out.compare(table, &root, None)?,
            };
            if fit != Fit::All {
                out.node(name, &root, table::digest(self.snap, name, &root)?);
            }
        }
        let lacking = heard.hashes.keys().filter(|name| self.flow.takes && !self.tables.contains_key(**name));
        for name in lacking {
            out.pragma(TablePragma::Hash { table: (*name).clone(), hash: None });
        }
        Ok(())
    }

    /// The tables that this request is about: those that it names beyond their hash, or whose hash differs.
    fn compared(&self, heard: &Heard<'_>, intake: &Intake) -> BTreeMap<SqlName, Compared> {
        let nodes = heard.nodes.iter().map(|(name, ..)| *name);
        let lists = heard.lists.iter().map(|(name, _)| *name);
        let gimmes = heard.gimmes.iter().map(|gimme| &gimme.table);
        let disputed = intake.disputed.iter().map(|(name, _)| name);
        let named = nodes.chain(lists).chain(gimmes).chain(intake.stored.keys()).chain(disputed);
        let mut compared = BTreeMap::<SqlName, Compared>::new();
        for name in named.chain(&self.differing) {
            let Some(table) = self.tables.get(name).filter(|_| !compared.contains_key(name)) else {
                continue;
            };
            let received = intake.stored.get(name).copied().unwrap_or_default();
            let stats = TableStats { sent: 0, received };
            compared.insert(name.clone(), Compared { rows: table.rows, stats });
        }
        for (name, _) in &self.out.sent {
            compared.entry(name.clone()).or_default().stats.sent += 1;
        }
        compared
    }

    /// What finds no room is named by its digest, so that the client comes back for it.
    fn answer(&mut self, heard: &Heard<'_>, intake: &Intake) -> Result<(), RepoError> {
        let Self { snap, tables, flow, out, .. } = self;
        // Whose row it is was decided here: the client gives way.
        for (name, key) in intake.disputed.iter().filter(|_| flow.gives) {
            if let Some(table) = tables.get(name) {
                out.send(table, key)?;
            }
        }
        for gimme in heard.gimmes.iter().filter(|_| flow.gives) {
            if let Some(table) = tables.get(&gimme.table) {
                out.send(table, &gimme.key)?;
            }
        }
        for &(name, prefix) in &heard.lists {
            let Some(table) = tables.get(name) else { continue };
            let theirs = heard.listed(name, prefix);
            let fits = [out.ask(table, &theirs)?, out.answer(table, prefix, &theirs, None)?];
            if fits != [Fit::All; 2] {
                out.node(name, prefix, table::digest(snap, name, prefix)?);
            }
        }
        for (name, prefix, theirs) in &heard.nodes {
            let Some(table) = tables.get(*name) else { continue };
            let fit = out.compare(table, prefix, theirs.as_ref())?;
            if fit != Fit::All {
                out.node(name, prefix, table::digest(snap, name, prefix)?);
            }
        }
        Ok(())
    }
}
