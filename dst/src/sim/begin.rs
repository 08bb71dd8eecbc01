//! How sessions begin.

use repo::RepoError;
use sync::{CheckinLock, CloneVersion, SyncOptions};

use super::event::TWINS;
use super::{Sim, broken};
use crate::check::budget::Gap;
use crate::dice::Ratio;
use crate::model::Violation;
use crate::node::{Power, Stage, name};
use crate::plan::{Edge, Edition};
use crate::rights::{Letters, Right};
use crate::script::Item;
use crate::site::Site;
use crate::talk::{Before, Kind, Talk, allowed};

impl Sim {
    pub(super) fn begin(&mut self, number: u64, edge: usize) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        if self.nodes[client].power == Power::Off {
            return Ok(());
        }
        if self.is_daemon_at_work(client) {
            self.done.insert(Item::Session(number));
            return self.ask_daemon(edge);
        }
        let life = self.nodes[client].life;
        let lives = |talk: &Talk| self.plan.edition < Edition::Fifth || talk.life == life;
        let of_client = |talk: &&Talk| self.plan.edges[talk.edge].client == client;
        let busy = self.talks.values().filter(of_client).any(lives);
        let is_twin = (TWINS..2 * TWINS).contains(&number);
        if busy && self.nodes[client].stage == Stage::Unborn {
            return Ok(());
        }
        if busy && !is_twin {
            let Some(hit) = self.hits(Site::Crowd, number.into()) else { return Ok(()) };
            self.tell(&format!("#{number} begins beside another session of {client} ({hit})"));
        }
        let kind = match self.nodes[client].stage {
            Stage::Whole => Kind::Sync,
            Stage::Unborn
                if self.plan.edges.iter().position(|other| other.client == client) == Some(edge) =>
            {
                Kind::Clone
            }
            Stage::Unborn => return Ok(()),
        };
        let letters = self.nodes[server].letters(client, self.plan.edges[edge].login);
        let mut options = allowed(&self.plan.edges[edge], &letters);
        let mut dice = self.dice("options", number);
        (options.pull, options.push) =
            *dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
        options.verily = dice.hits(Ratio::new(1, 8));
        // Some ask for what they may not have.
        options.private |= dice.hits(Ratio::new(1, 12));
        if kind == Kind::Clone {
            (options.pull, options.push, options.private) = (true, false, false);
        }
        self.done.insert(Item::Session(number));
        let crowds =
            self.talks.values().any(|talk| self.plan.edges[talk.edge].client == client && talk.life == life);
        if crowds {
            self.census.note("two sessions at once");
        }
        self.open(number, edge, kind, options)
    }

    /// Begins a session.
    pub(super) fn open(
        &mut self,
        number: u64,
        edge: usize,
        kind: Kind,
        mut options: SyncOptions,
    ) -> Result<(), Violation> {
        let (client, server) = (self.plan.edges[edge].client, self.plan.edges[edge].server);
        self.choose_extras(number, client, &mut options).map_err(broken)?;
        self.add_aside(number.into(), edge, &mut options)?;
        let both_frond = !self.is_stock(client) && !self.is_stock(server);
        let has_direction = options.pull || options.push;
        options.dry_run = kind == Kind::Sync
            && has_direction
            && both_frond
            && !self.side.is_settled
            && self.dice("dry run", number).hits(Ratio::new(1, 12))
            && !self.script.lacks(&Item::DryRun(number));
        if options.dry_run {
            self.done.insert(Item::DryRun(number));
        }
        let mut talk = Talk::new(edge, kind, options, &mut self.dice("talk", number));
        if both_frond {
            talk = talk.ask_for(self.clone_version(number, edge));
        }
        (talk.life, talk.server_returns) = (self.nodes[client].life, self.nodes[server].returns);
        talk.begun = self.now;
        talk.commits = Some(self.nodes[client].commits);
        talk.server_commits = Some(self.nodes[server].commits);
        talk.before = self.before(&self.plan.edges[edge]);
        talk.stock = self.stock_session(&talk, number.into());
        if talk.stock.is_some() {
            // Stock asks nothing twice.
            talk.patience = 0;
        }
        let dry = if talk.options.dry_run { format!(" ({})", Item::DryRun(number)) } else { String::new() };
        self.tell(&format!("#{number} {} of {client} with {server}{dry}", talk.name()));
        self.send_request(number, talk)
    }

    /// What there is before a session.
    pub(super) fn before(&self, edge: &Edge) -> Before {
        let tables = |at: usize| &self.nodes[at].beside.tables;
        // Who is like stock has none.
        let theirs = if self.is_stock(edge.server) { edge.client } else { edge.server };
        let gap = Gap::between(tables(edge.client), tables(theirs));
        Before { gap, private: self.nodes[edge.client].known.private.clone() }
    }

    /// Most clones are of the newest kind; of those that are refused at first, as nobody may clone without a login, half go by
    /// names.
    pub(super) fn clone_version(&self, number: u64, edge: usize) -> CloneVersion {
        let mut dice = self.dice("clone version", number);
        match dice.below(6) {
            0 => CloneVersion::V1,
            1 => CloneVersion::V2,
            _ if self.plan.edition < Edition::Seventh || self.may_all_clone(self.plan.edges[edge].server) => {
                CloneVersion::V3
            }
            _ if dice.hits(Ratio::new(1, 2)) => CloneVersion::V1,
            _ => CloneVersion::V3,
        }
    }

    /// Whether nobody has to log in to clone from a peer, as it was at first.
    pub(super) fn may_all_clone(&self, at: usize) -> bool {
        Letters::of([self.plan.nobody[at]]).allow(Right::Clone)
    }

    /// Some sessions tell where their peer is served, ask for such places, or come before or after a commit.
    pub(super) fn choose_extras(
        &mut self,
        number: u64,
        client: usize,
        options: &mut SyncOptions,
    ) -> Result<(), RepoError> {
        let mut dice = self.dice("extras", number);
        let mut some = || dice.hits(Ratio::new(1, 6));
        options.client_url = some().then(|| format!("http://{}.example:8080/", name(client)));
        options.links = some();
        let (locks, unlocks) = (some(), some());
        let checkout = format!("{client:040x}");
        if locks && let Some(parent) = self.nodes[client].newest_checkin()? {
            options.ci_lock = Some(CheckinLock { parent, client: checkout.clone() });
        }
        options.ci_unlock = unlocks.then_some(checkout);
        Ok(())
    }
}
