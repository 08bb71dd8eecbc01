//! Synced tables in a session.

use repo::{Repo, RepoError, Snapshot, Tx};
use xfer::Card;

use super::cloning::Phase;
use super::reply::Reply;
use super::{Goal, Session};
use crate::tables::{self, Brought};
use crate::{Cx, Event};

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
            cx.observer.observe(&Event::TableStarted { table: &table, rows });
        }
    }

    /// Tells what became of them.
    pub(super) fn finish_tables(&self, cx: &mut Cx<'_>) {
        for (table, stats) in &self.tables.stats {
            cx.observer.observe(&Event::TableFinished { table, stats });
        }
    }
}
