//! What users do to repositories.

use repo::Repo;
use repo::author::AuthorError;
use xfer::ArtifactId;

use super::Sim;
use super::within::{Errand, Place};
use crate::census::Census;
use crate::check::content::Maker;
use crate::check::{meant, upkeep};
use crate::dice::Ratio;
use crate::known::Known;
use crate::meant::Meant;
use crate::model::Violation;
use crate::node::{Node, Power, Stage, name};
use crate::script::Item;
use crate::site::Site;
use crate::work::Worker;
use crate::work::upkeep::Sound;

impl Sim {
    /// A user does something to a peer's repository.
    pub(super) fn act(&mut self, number: u64, at: usize) -> Result<(), Violation> {
        if self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        self.done.insert(Item::Action(number));
        if self.is_stock(at) {
            return self.act_as_stock(number, at);
        }
        let strange = self.strange_name(number);
        let chore = self.dice("chore", number).hits(Ratio::new(1, 6));
        self.work(number, at, |mut worker, repo| match strange {
            Some(id) => worker.shun_name(repo, &id),
            None if chore => worker.chore(repo),
            None => worker.act(repo),
        })?;
        let keeps = self.dice("is kept up", 0).hits(Ratio::new(1, 10));
        if keeps && self.dice("upkeep", number).hits(Ratio::new(1, 3)) {
            self.keep_up(number, at)
        } else {
            Ok(())
        }
    }

    /// An owner looks after a peer's repository.
    pub(super) fn keep_up(&mut self, number: u64, at: usize) -> Result<(), Violation> {
        if self.nodes[at].power == Power::Off {
            return Ok(());
        }
        let mut dice = self.dice("work of upkeep", number);
        self.errand = Errand::new(Place::Upkeep, number);
        let armed = self.arm(at)?;
        let node = &mut self.nodes[at];
        let before = node.known.clone();
        let sound = if before.shunned.is_empty() { Sound::All } else { Sound::Artifacts };
        let mut census = Census::default();
        let mut worker = Worker {
            now: node.time(self.now),
            user: &name(at),
            count: number,
            large: 0,
            noise: None,
            dice: &mut dice,
            edition: self.plan.edition,
            census: &mut census,
            meant: &mut Meant::default(),
        };
        let done = worker.keep_up(&mut node.repo, sound);
        self.disarm(at, armed)?;
        let kept = match done {
            Ok(kept) => kept,
            Err(AuthorError::Repo(error)) if self.dies_of(at, &error, Maker::User)?.is_some() => {
                return Ok(());
            }
            Err(AuthorError::Repo(error)) if self.is_excused(at, &error) => {
                self.tell(&format!("peer {at} fails: {error}"));
                return self.unchanged(at);
            }
            Err(error) => return Err(Violation::new("upkeep", format!("peer {at}: {error}"))),
        };
        self.census.add(&census);
        self.tell(&format!("peer {at} does {}", kept.what));
        if kept.what == "verify" && !kept.is_done && !self.nodes[at].is_disk_full() {
            return Err(Violation::new("upkeep", format!("peer {at}: derived tables were not compared")));
        }
        self.audit(at, Maker::User)?;
        self.audit_meant(at, &[])?;
        upkeep::check(&kept, &before, &self.nodes[at].known).map_err(|violation| violation.at(at))?;
        self.died_at_commit(at);
        Ok(())
    }

    /// Now and then a name that this peer may never have heard of, to be shunned.
    pub(super) fn strange_name(&self, number: u64) -> Option<ArtifactId> {
        let mut dice = self.dice("strange name", number);
        if dice.hits(Ratio::new(1, 25)) { self.model.some(dice.bits()) } else { None }
    }

    pub(super) fn bulk(&mut self, at: usize) -> Result<(), Violation> {
        let (number, files) = (self.plan.actions + 1, self.plan.bulk);
        self.work(number, at, |mut worker, repo| worker.bulk(repo, 0..files))
    }

    pub(super) fn bulk_again(&mut self, at: usize) -> Result<(), Violation> {
        if self.is_stock(at) || self.nodes[at].power == Power::Off || self.nodes[at].stage == Stage::Unborn {
            return Ok(());
        }
        let (number, first) = (self.plan.actions + 2, self.plan.bulk);
        let files = first..first + self.plan.more_bulk;
        self.work(number, at, |mut worker, repo| worker.bulk(repo, files))
    }

    pub(super) fn work(
        &mut self,
        number: u64,
        at: usize,
        job: impl FnOnce(Worker<'_>, &mut Repo) -> Result<String, AuthorError>,
    ) -> Result<(), Violation> {
        let mut dice = self.dice("work", number);
        self.errand = Errand::new(Place::Work, number);
        let (armed, large, noise) = (self.arm(at)?, self.large(at), self.noise(number, at));
        let (node, mut census) = (&mut self.nodes[at], Census::default());
        let worker = Worker {
            now: node.time(self.now),
            user: &name(at),
            count: number,
            large,
            noise,
            dice: &mut dice,
            edition: self.plan.edition,
            census: &mut census,
            meant: &mut self.meant,
        };
        let done = job(worker, &mut node.repo);
        self.disarm(at, armed)?;
        if done.is_ok() {
            self.census.add(&census);
        }
        let acted = self.acted_on(number, at, done);
        self.meant = Meant::default();
        acted
    }

    /// What leaves an action out of a script, as a line of the trace ends with it; nothing of what no script can leave out.
    pub(super) fn action(&self, number: u64) -> String {
        let action = Item::Action(number);
        if self.done.contains(&action) { format!(" ({action})") } else { String::new() }
    }

    pub(super) fn acted_on(
        &mut self,
        number: u64,
        at: usize,
        done: Result<String, AuthorError>,
    ) -> Result<(), Violation> {
        let before = self.nodes[at].known.clone();
        match done {
            Ok(what) => self.tell(&format!("peer {at} {what}{}", self.action(number))),
            // What there is to build on may be shunned, or not all here.
            Err(error @ (AuthorError::Shunned(_) | AuthorError::NoParent(_) | AuthorError::NoContent(_))) => {
                self.tell(&format!("peer {at} cannot: {error}{}", self.action(number)));
                self.meant = Meant::default();
            }
            // Who died after a commit committed what was meant.
            Err(AuthorError::Repo(error)) if self.dies_of(at, &error, Maker::User)?.is_some() => {
                let is_done = self.nodes[at].known != before;
                return if is_done { self.check_meant(at, &before) } else { Ok(()) };
            }
            Err(AuthorError::Repo(error)) if self.is_excused(at, &error) => {
                self.tell(&format!("peer {at} fails: {error}{}", self.action(number)));
                return self.unchanged(at);
            }
            Err(error) => return Err(Violation::new("work", format!("peer {at}: {error}"))),
        }
        self.audit(at, Maker::User)?;
        self.check_meant(at, &before)?;
        self.audit_meant(at, &[])?;
        self.may_crash(Site::CrashAfterWork, number.into(), at);
        Ok(())
    }

    /// What a user committed is what was meant.
    fn check_meant(&mut self, at: usize, before: &Known) -> Result<(), Violation> {
        let Node { repo, known, .. } = &mut self.nodes[at];
        meant::check(repo, before, known, &self.meant).map_err(|violation| violation.at(at))
    }
}
