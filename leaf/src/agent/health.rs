//! Whether the leaf lives, and whether it is ready, with what is wrong.

use serde::Serialize;

use super::board::{Condition, Phase, Report};

/// A task that did not turn for so long is stuck: it looks at its file every few seconds.
const STUCK_SECONDS: u64 = 120;

/// An answer to a probe.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) r#type: &'static str,
    /// `ok`, or that of which `problems` tells.
    pub(crate) status: &'static str,
    pub(crate) problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<String>,
    pub(crate) what: String,
}

impl Verdict {
    fn of(problems: Vec<Problem>, otherwise: &'static str) -> Self {
        Self { r#type: "verdict", status: if problems.is_empty() { "ok" } else { otherwise }, problems }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Whether the process lives: its tasks turn.
pub(crate) fn lives(report: &Report) -> Verdict {
    let stuck = report.repositories.iter().filter(|repository| {
        repository.turned_seconds > STUCK_SECONDS && repository.state == Condition::Open
    });
    let what = |seconds: u64| format!("its task is stuck for {seconds} seconds");
    let of_repositories = stuck.map(|repository| Problem {
        repository: Some(repository.name.clone()),
        peer: None,
        what: what(repository.turned_seconds),
    });
    let is_stuck = report.turned_seconds > STUCK_SECONDS;
    let own = is_stuck.then(|| of_leaf(&format!("the leaf: {}", what(report.turned_seconds))));
    Verdict::of(own.into_iter().chain(of_repositories).collect(), "stuck")
}

/// Whether it does what it is there for: every repository is open, and every peer that must be was synchronized with
/// recently enough.
pub(crate) fn is_ready(report: &Report) -> Verdict {
    let mut problems = Vec::new();
    match report.phase {
        Phase::Running => {}
        Phase::Starting => problems.push(of_leaf("starting")),
        Phase::Draining => problems.push(of_leaf("draining")),
    }
    for repository in &report.repositories {
        let name = || Some(repository.name.clone());
        let why =
            || repository.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
        let what = match repository.state {
            Condition::Open => None,
            Condition::Opening => Some("is not open yet".to_owned()),
            Condition::Cloning => Some(format!("is being cloned{}", why())),
            Condition::Unusable => Some(format!("cannot be used{}", why())),
        };
        problems.extend(what.map(|what| Problem { repository: name(), peer: None, what }));
        // That the network is away passes; what a broker refuses does not.
        let lasting = repository.broker_errors.iter().filter(|error| error.class != "network");
        problems.extend(lasting.map(|error| Problem {
            repository: name(),
            peer: None,
            what: error.message.clone(),
        }));
        for peer in &repository.peers {
            let Some(within) = peer.known.within_seconds else { continue };
            let why =
                peer.known.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
            let what = match peer.lag_seconds {
                None => format!("no session went well yet{why}"),
                Some(lag) if lag > within => {
                    format!("the last good session was {lag} seconds ago, and {within} are allowed{why}")
                }
                Some(_) => continue,
            };
            problems.push(Problem { repository: name(), peer: Some(peer.known.url.clone()), what });
        }
    }
    for bridge in report.bridges.iter().filter(|bridge| bridge.state != Condition::Open) {
        let why = bridge.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
        let what = format!("its bridge does not answer yet{why}");
        problems.push(Problem { repository: None, peer: Some(bridge.url.clone()), what });
    }
    Verdict::of(problems, "not ready")
}

fn of_leaf(what: &str) -> Problem {
    Problem { repository: None, peer: None, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::board::{Board, Trouble};
    use super::super::clock::Clock;
    use super::super::config::{Flags, Source, load};
    use super::*;

    /// The board of a leaf with a peer that is required.
    fn board() -> Board {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("leaf.toml");
        let text = "[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'http://h/'\nwithin = '1m'\n";
        std::fs::write(&file, text).unwrap();
        let source = Source { config: Some(file), ..Source::default() };
        let board = Board::new(Clock::start());
        board.set(&load(&Flags::of(source)).unwrap(), |_| false);
        board
    }

    fn problems(board: &Board) -> Vec<String> {
        is_ready(&board.report()).problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_leaf_is_ready_when_it_runs_with_its_files_open_and_its_peers_heard_of() {
        let board = board();
        assert_eq!(problems(&board), ["starting", "is not open yet", "no session went well yet"]);
        board.enter(Phase::Running);
        board.note("a", |known| known.state = Condition::Open);
        let trouble = Trouble { class: "network", message: "nobody there".into(), hint: String::new() };
        board.note_peer("a", 0, |peer| peer.error = Some(trouble.clone()));
        assert_eq!(problems(&board), ["no session went well yet: nobody there"]);
        board.note_peer("a", 0, |peer| peer.succeeded = Some(sync::client::now()));
        assert!(is_ready(&board.report()).is_good());
        let long_ago = repo::UnixTime(sync::client::now().0 - 61_500);
        board.note_peer("a", 0, |peer| peer.succeeded = Some(long_ago));
        assert_eq!(problems(&board).len(), 1, "too long ago");
        board.enter(Phase::Draining);
        assert_eq!(problems(&board)[0], "draining");
    }

    #[test]
    fn what_sessions_note_is_no_sign_of_the_task_that_begins_them() {
        let board = board();
        std::thread::sleep(std::time::Duration::from_millis(1));
        let turned = |board: &Board| {
            let mut seen = None;
            board.note("a", |known| seen = Some(known.turned));
            seen.unwrap()
        };
        let before = turned(&board);
        board.note_peer("a", 0, |peer| peer.rounds += 1);
        assert_eq!(turned(&board), before);
        board.turn_of("a");
        assert!(turned(&board) > before);
    }

    #[test]
    fn a_leaf_lives_as_long_as_its_tasks_turn() {
        let board = board();
        board.note("a", |known| known.state = Condition::Open);
        let mut report = board.report();
        assert!(lives(&report).is_good());
        report.repositories[0].turned_seconds = STUCK_SECONDS + 1;
        assert!(!lives(&report).is_good());
        let mut report = board.report();
        report.turned_seconds = STUCK_SECONDS + 1;
        assert!(!lives(&report).is_good());
    }
}
