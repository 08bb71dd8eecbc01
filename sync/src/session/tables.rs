//! Synced tables in a session.

use repo::{Repo, RepoError, Snapshot, Tx};
use xfer::Card;

use super::cloning::Phase;
use super::reply::Reply;
use super::{Goal, Session};
use crate::tables::{self, Brought};
use crate::{Cx, Event};

/// How many rows a complaint of either side is about: its form is part of the protocol between Fronds.
pub(super) fn refused_rows(text: &str) -> u64 {
    let Some((_, said)) = text.strip_prefix("table ").and_then(|text| text.split_once(": ")) else {
        return 0;
    };
    if said.starts_with("a row was refused: ") {
        return 1;
    }
    let count = said.split_once(" rows were refused, ").map(|(count, _)| count);
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

impl Session {
    /// What the next request says of tables. Until a clone is at the point where it pulls it only asks whether there
    /// are any.
    pub(super) fn compose_tables(&mut self, snap: &Snapshot<'_>, room: u64) -> Result<Vec<Card>, RepoError> {
        match &self.goal {
            Goal::Clone(cloning) if cloning.phase != Phase::Settle => {
                Ok(self.tables.ask().into_iter().collect())
            }
            Goal::Clone(_) | Goal::Sync { .. } | Goal::Preview => self.tables.compose(snap, room),
        }
    }

    /// Forgets what is past the horizon before the first comparison.
    pub(super) fn expire_tables(&self, repo: &mut Repo, cx: &Cx<'_>) -> Result<(), RepoError> {
        if self.tables.is_fresh() { tables::expire(repo, cx.now) } else { Ok(()) }
    }

    /// Keeps what a reply brings of tables.
    pub(super) fn take_in_tables(
        &mut self,
        tx: &Tx<'_>,
        reply: &Reply<'_>,
        cx: &Cx<'_>,
    ) -> Result<(), RepoError> {
        let (brought, complaints) = self.tables.store(tx, &reply.tables, cx.now)?;
        self.news.said.extend(complaints);
        self.hear_tables(tx, reply, brought)
    }

    /// Decides what the next request says of tables.
    pub(super) fn hear_tables(
        &mut self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
        brought: Brought,
    ) -> Result<(), RepoError> {
        if !self.pushing.is_on() {
            self.tables.stop_giving();
        }
        let complaints = self.tables.hear(snap, &reply.tables, brought)?;
        self.news.said.extend(complaints);
        Ok(())
    }

    /// Tells which tables are compared.
    pub(super) fn report_tables(&mut self, cx: &mut Cx<'_>) {
        for (table, rows) in self.tables.begun() {
            cx.tell(|_| Event::TableStarted { table: &table, rows });
        }
    }

    /// Rows that were sent and received so far.
    pub(super) fn rows_moved(&self) -> (u64, u64) {
        let stats = self.tables.stats.values();
        stats.fold((0, 0), |(sent, received), table| (sent + table.sent, received + table.received))
    }

    /// Tells what became of them.
    pub(super) fn finish_tables(&self, cx: &mut Cx<'_>) {
        for (table, stats) in &self.tables.stats {
            cx.tell(|_| Event::TableFinished { table, stats });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::refused_rows;

    #[test]
    fn complaints_say_how_many_rows_they_are_about() {
        for (text, rows) in [
            ("table t: a row was refused: the row belongs to \"alice\"", 1),
            ("table t: 12 rows were refused, the first: the row belongs to \"alice\"", 12),
            ("table t is defined otherwise here", 0),
            ("pull only - not authorized to push", 0),
        ] {
            assert_eq!(refused_rows(text), rows, "{text}");
        }
    }
}
