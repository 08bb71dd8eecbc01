//! An observer that looks whether events come in order and in pairs.

use std::collections::BTreeSet;

use sync::{Event, Observer};
use xfer::ArtifactId;

/// What one session, or one request, told so far.
#[derive(Debug, Default)]
pub struct Watch {
    stage: Stage,
    round: u32,
    /// The first event that had no place.
    broken: Option<String>,
    /// Tables whose comparison began and did not end yet.
    tables: BTreeSet<String>,
    /// Whether an error was told of by which it ends.
    has_failed: bool,
    /// How often an artifact was refused.
    pub refused: u64,
    /// Artifacts that were refused.
    pub dropped: BTreeSet<ArtifactId>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Between,
    InRound,
    Handling,
    After,
}

impl Watch {
    /// The first event that had no place, or that what began did not end.
    pub fn complaint(&self) -> Option<String> {
        if let Some(table) = self.tables.first() {
            return Some(format!("table {table} began, and did not end"));
        }
        let open = || (self.stage != Stage::After).then(|| format!("it ended {:?}", self.stage));
        self.broken.clone().or_else(open)
    }

    fn complain(&mut self, text: impl FnOnce() -> String) {
        self.broken.get_or_insert_with(text);
    }

    fn expect(&mut self, stages: &[Stage], next: Stage, event: &Event<'_>) {
        if !stages.contains(&self.stage) {
            let stage = self.stage;
            self.broken.get_or_insert_with(|| format!("{} came {stage:?}", name(event)));
        }
        self.stage = next;
    }

    fn expect_round(&mut self, round: u32, next: u32, event: &Event<'_>) {
        if round != next && round != self.round {
            let last = self.round;
            self.broken.get_or_insert_with(|| format!("{} of {round} came after {last}", name(event)));
        }
        self.round = round;
    }
}

impl Observer for Watch {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::SessionStarted { .. } => self.expect(&[Stage::Before], Stage::Between, event),
            Event::RoundStarted { round } => {
                // One that failed on its way is begun again.
                if self.stage == Stage::InRound && *round != self.round {
                    self.complain(|| {
                        format!("the start of round {round} came before the end of the last one")
                    });
                }
                self.expect_round(*round, self.round + 1, event);
                self.expect(&[Stage::Between, Stage::InRound], Stage::InRound, event);
            }
            Event::RoundFinished { round, .. } => {
                self.expect_round(*round, self.round, event);
                self.expect(&[Stage::InRound], Stage::Between, event);
            }
            Event::Failed { again, .. } => {
                self.has_failed |= !again;
                self.expect(&[Stage::Between, Stage::InRound], self.stage, event);
            }
            Event::SessionFinished { rounds, error, .. } => {
                if error.is_some() != self.has_failed {
                    self.complain(|| format!("an error at the end: {error:?}, told: {}", error.is_none()));
                }
                self.expect_round(*rounds, self.round, event);
                // What fails, fails in the midst of a round.
                let midst: &[Stage] =
                    if error.is_some() { &[Stage::Between, Stage::InRound] } else { &[Stage::Between] };
                self.expect(midst, Stage::After, event);
            }
            Event::RequestStarted { .. } => self.expect(&[Stage::Before], Stage::Handling, event),
            Event::RequestHandled { .. } => self.expect(&[Stage::Handling], Stage::After, event),
            Event::Refused { id } => {
                self.refused += 1;
                self.dropped.insert(**id);
                self.expect(&[Stage::InRound, Stage::Handling], self.stage, event);
            }
            Event::Crosslinked { .. } | Event::PeerSaid { .. } => {
                self.expect(&[Stage::InRound, Stage::Handling], self.stage, event);
            }
            Event::TableStarted { table, .. } => {
                self.expect(&[Stage::InRound, Stage::Handling], self.stage, event);
                if !self.tables.insert(table.to_string()) {
                    self.complain(|| format!("table {table} began twice"));
                }
            }
            Event::TableFinished { table, .. } => {
                self.expect(&[Stage::Between, Stage::InRound, Stage::Handling], self.stage, event);
                if !self.tables.remove(table.as_str()) {
                    self.complain(|| format!("table {table} ended, and did not begin"));
                }
            }
            _ => {}
        }
    }
}

fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::SessionStarted { .. } => "the start of a session",
        Event::RoundStarted { .. } => "the start of a round",
        Event::RoundFinished { .. } => "the end of a round",
        Event::SessionFinished { .. } => "the end of a session",
        Event::Failed { .. } => "a failure",
        Event::RequestStarted { .. } => "the start of a request",
        Event::RequestHandled { .. } => "the end of a request",
        Event::TableStarted { .. } => "the start of a table",
        Event::TableFinished { .. } => "the end of a table",
        _ => "news",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(events: &[Event<'_>], complains: Option<&str>) {
        let mut watch = Watch::default();
        events.iter().for_each(|event| watch.observe(event));
        assert_eq!(watch.complaint().as_deref(), complains);
    }

    #[test]
    fn what_begins_has_to_end() {
        let started = || Event::RequestStarted { operation: "pull", project: None, peer: None };
        let stats = sync::RoundStats::default();
        let handled = || Event::RequestHandled {
            cards: 1,
            stats: &stats,
            duration: Duration::ZERO,
            cache: repo::CacheUse::default(),
            refusal: None,
            error: None,
        };
        check(&[started(), handled()], None);
        check(&[started()], Some("it ended Handling"));
        check(&[started(), handled(), handled()], Some("the end of a request came After"));
        check(&[Event::RoundStarted { round: 1 }], Some("the start of a round came Before"));
    }
}
