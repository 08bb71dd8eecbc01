//! Disfavours: what a client is about to give a server like stock is shunned there, by its name, before it comes; what is a
//! delta of it is lost there with all that comes along.

use xfer::hash;

use super::Sim;
use crate::check::content::Maker;
use crate::dice::Ratio;
use crate::model::Violation;
use crate::node::Power;
use crate::plan::{Edge, Edition, Login};

/// Numbers of what the clients' users do.
const FIRST: u64 = 20_000;
/// Lines of a file: more than is sent as it is, whatever it is a version of.
const LINES: usize = 30;

impl Sim {
    /// Now and then, in place of what a user of a peer like stock does otherwise. Says whether it is so.
    pub(super) fn disfavours(&mut self, number: u64, at: usize) -> Result<bool, Violation> {
        let chance = Ratio::new(1, 6);
        if self.plan.edition < Edition::Fourth || !self.dice("disfavour", number).hits(chance) {
            return Ok(false);
        }
        let is_heard = |edge: &&Edge| {
            edge.server == at && edge.login == Login::Password && self.nodes[edge.client].is_at_work()
        };
        let Some(client) = self.plan.edges.iter().find(is_heard).map(|edge| edge.client) else {
            return Ok(false);
        };
        let text = (0..LINES).map(|line| format!("line {line} of {number}\n")).collect::<String>();
        let contents = ["one", "two"].map(|version| format!("{version}\n{text}").into_bytes());
        let names = [hash::sha3_256(&contents[0]), hash::sha1(&contents[0])];
        let mut parent = None;
        for (version, content) in contents.into_iter().enumerate() {
            let number = FIRST + 2 * number + version as u64;
            self.work(number, client, |mut worker, repo| worker.rewrite(repo, &mut parent, content))?;
            if self.nodes[client].power == Power::Off || parent.is_none() {
                return Ok(true);
            }
        }
        let held = &self.nodes[client].known.held;
        let Some(id) = names.into_iter().find(|name| held.contains_key(name)) else { return Ok(true) };
        let Some(store) = &mut self.nodes[at].stock else { return Ok(true) };
        store.shunned.insert(id);
        self.census.note("shun of stock before it comes");
        self.tell(&format!(
            "peer {at}, like stock, shuns {} before it comes{}",
            id.short(),
            self.action(number)
        ));
        self.audit(at, Maker::User).map(|_| true)
    }
}
