//! Looking at a repository after each commit.

use repo::RepoError;

use super::{Sim, broken};
use crate::check::content::{self, Maker};
use crate::check::derived::Wrong;
use crate::check::rights::Came;
use crate::check::{clusters, derived, kept, private, shunned};
use crate::dice::{Ratio, Turn};
use crate::model::Violation;
use crate::node::{Node, Seen};
use crate::plan::Level;
use crate::script::Scrutiny;

impl Sim {
    /// Whether a failure of a repository is one that a fault made: its own disk is full at this moment.
    pub(super) fn is_excused(&mut self, at: usize, error: &RepoError) -> bool {
        let is_excused = matches!(error, RepoError::DiskFull { .. }) && self.nodes[at].is_disk_full();
        if is_excused {
            self.census.note("no room to write");
        }
        is_excused
    }

    /// Looks at a repository after a commit. Gives what came from elsewhere.
    pub(super) fn audit(&mut self, at: usize, maker: Maker) -> Result<Came, Violation> {
        let before = match self.nodes[at].look().map_err(broken)? {
            Seen::Nothing => return Ok(Came::default()),
            Seen::Same if self.is_stock(at) => return Ok(Came::default()),
            Seen::Same => return self.audit_all(at).map(|()| Came::default()),
            Seen::Other(before) if self.is_stock(at) => return self.audit_stock(at, &before, maker),
            Seen::Other(before) => before,
        };
        let Self { nodes, model, meant, .. } = self;
        let node = &mut nodes[at];
        let place = |violation: Violation| violation.at(at);
        let Node { repo, known, .. } = node;
        let artifacts = content::check(repo, &before, known, maker, meant, model).map_err(place)?;
        kept::check(&before, known).map_err(place)?;
        shunned::check(&before, known).map_err(place)?;
        private::check(known, model).map_err(place)?;
        clusters::check(known, model).map_err(place)?;
        let came = Came::between(&before, known, artifacts);
        self.audit_all(at)?;
        Ok(came)
    }

    /// After some commits all of a repository is looked at, whether or not it holds the same as before.
    fn audit_all(&mut self, at: usize) -> Result<(), Violation> {
        self.audit_contents(at)?;
        self.audit_derived(at)
    }

    /// After some commits all that is held is expanded, and not only what is new.
    fn audit_contents(&mut self, at: usize) -> Result<(), Violation> {
        if !self.is_looked_at(at, "all contents after a commit") {
            return Ok(());
        }
        let Node { repo, known, .. } = &mut self.nodes[at];
        content::check_all(repo, known, &mut self.model).map_err(|violation| violation.at(at))?;
        self.census.note("all contents expanded");
        Ok(())
    }

    /// After some commits derived tables are compared with a rebuild: it takes longer than all the rest. Those are drawn among
    /// all after which they can be compared.
    pub(super) fn audit_derived(&mut self, at: usize) -> Result<(), Violation> {
        if derived::depend_on_shuns(&self.nodes[at].known) || !self.is_looked_at(at, "derived after a commit")
        {
            return Ok(());
        }
        let (time, shuns) = (self.nodes[at].time(self.now), !self.nodes[at].known.shunned.is_empty());
        let repo = &mut self.nodes[at].repo;
        let outcome =
            if shuns { derived::check_apart(repo, time) } else { derived::check_unchanged(repo, time) };
        match outcome {
            Ok(()) if shuns => self.census.note("compared with a rebuild without shuns"),
            Ok(()) => self.census.note("compared with a rebuild"),
            Err(Wrong::Failed(error)) if self.is_excused(at, &error) => {}
            Err(Wrong::NotCompared) if self.nodes[at].is_disk_full() => {}
            Err(wrong) => return Err(Violation::new("derived", format!("peer {at}: {wrong}"))),
        }
        Ok(())
    }

    /// Whether all of a repository is looked at in this way after the commit that was just made. Most of those that leave what it
    /// holds the same write nothing that this is about.
    fn is_looked_at(&self, at: usize, way: &str) -> bool {
        let Node { commits, vain, .. } = self.nodes[at];
        let usual = if self.plan.level == Level::Calm { 192 } else { 24 };
        let chance = Ratio::new(1, if vain > 0 { 8 * usual } else { usual });
        let turn = Turn { number: commits, part: at as u64, copy: vain };
        self.script.scrutiny == Scrutiny::Thorough || self.dice(way, turn).hits(chance)
    }

    /// A half-round that failed changed nothing.
    pub(super) fn unchanged(&mut self, at: usize) -> Result<(), Violation> {
        let Seen::Other(before) = self.nodes[at].look().map_err(broken)? else { return Ok(()) };
        let what = before.difference(&self.nodes[at].known);
        Err(Violation::new("atomic", format!("peer {at}: a transaction that failed changed what is {what}")))
    }
}
