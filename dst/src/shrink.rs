//! Makes a run that breaks a rule smaller, as long as it breaks the same one: leaves out kinds of faults, peers, edges,
//! then halves of what happens, quarters, single things (delta debugging). The same run comes to the same end.

use std::collections::BTreeSet;

use repo::RepoError;

use crate::script::{Expected, Item, Script};
use crate::sim::Outcome;

/// The least that was found.
#[derive(Debug)]
pub struct Shrunk {
    /// The script, with what it comes to.
    pub script: Script,
    /// What it came to.
    pub outcome: Outcome,
    /// How many runs it took.
    pub runs: u64,
    /// Whether nothing more can be left out.
    pub end: End,
}

/// Why there was no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Whatever else is left out, the rule is not broken.
    Least,
    /// There were as many runs as were allowed, or the time was over.
    Bound,
}

/// Runs scripts, and says how long that may go on.
pub trait Player {
    /// Runs a script. Errors are those of the simulator itself.
    fn play(&mut self, script: &Script) -> Result<Outcome, RepoError>;

    /// Whether there is to be no further run after so many.
    fn is_over(&mut self, runs: u64) -> bool;
}

/// Makes a script smaller. None: it breaks no rule.
pub fn shrink(script: &Script, player: &mut dyn Player) -> Result<Option<Shrunk>, RepoError> {
    let outcome = player.play(script)?;
    let Some(violation) = &outcome.violation else { return Ok(None) };
    let invariant = violation.invariant;
    let mut search = Search { player, script: script.clone(), outcome, invariant, runs: 1 };
    let end = search.run()?;
    search.tidy()?;
    let Search { mut script, outcome, runs, .. } = search;
    script.expected = Some(Expected { invariant: invariant.to_owned(), hash: outcome.trace.hash() });
    Ok(Some(Shrunk { script, outcome, runs, end }))
}

/// What is left out together first: large things before small ones.
const ORDER: [fn(&Item) -> bool; 9] = [
    |item| matches!(item, Item::End | Item::Fault(_)),
    |item| matches!(item, Item::Feature(_) | Item::Choice(_)),
    |item| matches!(item, Item::Peer(_) | Item::Edge(_)),
    |item| {
        matches!(
            item,
            Item::Bulk
                | Item::Clone(_)
                | Item::Limits(_)
                | Item::Budgets(_)
                | Item::Skew(_)
                | Item::Daemon(_)
        )
    },
    |item| matches!(item, Item::Guest(_) | Item::Rights(_) | Item::Stock(_) | Item::DryRun(_)),
    |item| matches!(item, Item::Visit(_) | Item::Parting(_) | Item::Strike(..)),
    |item| matches!(item, Item::Session(_)),
    |item| matches!(item, Item::Action(_)),
    |item| matches!(item, Item::Hit(..)),
];

struct Search<'a> {
    player: &'a mut dyn Player,
    /// The smallest so far.
    script: Script,
    /// What it came to.
    outcome: Outcome,
    invariant: &'static str,
    runs: u64,
}

impl Search<'_> {
    fn run(&mut self) -> Result<End, RepoError> {
        loop {
            let before = self.script.without.len();
            for chosen in ORDER {
                self.reduce(chosen)?;
            }
            if self.player.is_over(self.runs) {
                return Ok(End::Bound);
            }
            if self.script.without.len() == before {
                return Ok(End::Least);
            }
        }
    }

    /// Leaves out what is chosen: all, halves, quarters, one by one.
    fn reduce(&mut self, chosen: fn(&Item) -> bool) -> Result<(), RepoError> {
        let mut items: Vec<Item> = self.items().into_iter().filter(chosen).collect();
        let mut size = items.len();
        while size > 0 {
            let mut first = 0;
            while first < items.len() {
                if self.player.is_over(self.runs) {
                    return Ok(());
                }
                let end = items.len().min(first + size);
                if !self.goes_without(&items[first..end])? {
                    first = end;
                    continue;
                }
                // With what was left out, other things may have stopped to happen.
                let left = self.items();
                first = items[..first].iter().filter(|item| left.contains(item)).count();
                items.retain(|item| left.contains(item));
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        Ok(())
    }

    /// All that can still be left out.
    fn items(&self) -> BTreeSet<Item> {
        let mut items = self.outcome.done.clone();
        items.extend(self.outcome.plan.items());
        items.retain(|item| !self.script.lacks(item));
        items
    }

    /// Whether the same rule is broken without these too; then they stay left out.
    fn goes_without(&mut self, items: &[Item]) -> Result<bool, RepoError> {
        let mut smaller = self.script.clone();
        smaller.without.extend(items);
        let outcome = self.play(&smaller)?;
        let is_same = outcome.violation.as_ref().is_some_and(|found| found.invariant == self.invariant);
        if is_same {
            (self.script, self.outcome) = (smaller, outcome);
        }
        Ok(is_same)
    }

    fn play(&mut self, script: &Script) -> Result<Outcome, RepoError> {
        self.runs += 1;
        self.player.play(script)
    }

    /// Does not say of what would not happen anyway that it is left out. That takes a run for each line of the text.
    fn tidy(&mut self) -> Result<(), RepoError> {
        let kinds: BTreeSet<String> = self.script.without.iter().map(Item::kind).collect();
        for kind in kinds {
            let mut shorter = self.script.clone();
            shorter.without.retain(|item| item.kind() != kind);
            if self.play(&shorter)?.trace.hash() == self.outcome.trace.hash() {
                self.script = shorter;
            }
        }
        Ok(())
    }
}
