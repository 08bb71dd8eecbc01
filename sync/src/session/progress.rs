//! When to give up on a peer.
//!
//! An honest session ends by itself; the bounds here are for the others. A round makes progress if it brought
//! a new artifact, or took one. The number of rounds is bounded by `rounds` plus what the session earned: one more for every
//! `round_artifacts` artifacts or `round_bytes` bytes moved, so a large clone may take the rounds it needs,
//! and a peer that drips one small artifact a round may not. Everything that came is kept in any case.
//!
//! Names without content are no fault of the peer: a forged cluster on it may list any number of them. So a
//! session whose rounds bring nothing is merely over. One whose every round brings nothing but new names is not
//! honest.

use crate::{Limits, SyncError};

/// What one round brought.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gain {
    /// New artifacts.
    pub(crate) artifacts: u64,
    /// Their bytes, as they travelled.
    pub(crate) bytes: u64,
    /// Artifacts that it sent, and unversioned files either way.
    pub(crate) moved: u64,
    /// Their bytes.
    pub(crate) moved_bytes: u64,
    /// Names that were announced and not known before.
    pub(crate) names: u64,
    /// Whether the round asked for artifacts by name.
    pub(crate) asked: Asked,
}

/// Whether a round should have brought something. A batch of a clone need not: its cursor rises all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It asked what there is, or for a batch.
    #[default]
    Nothing,
    /// It named what it wants, and nothing of that came.
    Artifacts,
    /// It named what it wants, and some of it came, be it that another session had brought that meanwhile.
    Answered,
    /// It was refused, and will be put in another way.
    InVain,
}

/// Whether there is a reason to ask on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outlook {
    #[default]
    Open,
    /// The last rounds brought nothing, and the last one announced nothing new.
    Bleak,
}

/// What a session took so far.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    rounds: u32,
    idle: u32,
    /// Those of the idle rounds that announced new names.
    promising: u32,
    outlook: Outlook,
    artifacts: u64,
    bytes: u64,
    moved: u64,
    moved_bytes: u64,
}

impl Effort {
    /// Adds a round.
    pub(crate) fn add(&mut self, gain: Gain) {
        self.rounds = self.rounds.saturating_add(1);
        self.artifacts = self.artifacts.saturating_add(gain.artifacts);
        self.bytes = self.bytes.saturating_add(gain.bytes);
        self.moved = self.moved.saturating_add(gain.moved);
        self.moved_bytes = self.moved_bytes.saturating_add(gain.moved_bytes);
        if gain.artifacts > 0 || gain.asked == Asked::Answered {
            (self.idle, self.promising) = (0, 0);
        } else if gain.asked != Asked::Nothing {
            let promises = gain.names > 0 || gain.asked == Asked::InVain;
            self.idle += 1;
            self.promising += u32::from(promises);
            self.outlook = if promises { Outlook::Open } else { Outlook::Bleak };
        }
    }

    /// Rounds in a row that brought nothing though something was asked for.
    pub(crate) fn idle(&self) -> u32 {
        self.idle
    }

    /// Whether what is still wanted is not to be had from this peer.
    pub(crate) fn is_exhausted(&self, limits: &Limits) -> bool {
        self.idle >= limits.idle_rounds && self.outlook == Outlook::Bleak
    }

    /// Whether half of the rounds are over that a session has without earning any.
    pub(crate) fn is_half_spent(&self, limits: &Limits) -> bool {
        self.rounds >= limits.rounds / 2
    }

    /// Whether another round is within bounds.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), SyncError> {
        if self.promising >= limits.idle_rounds {
            return Err(SyncError::Idle { rounds: self.idle });
        }
        if self.artifacts > limits.session_artifacts || self.bytes > limits.session_bytes {
            return Err(SyncError::TooMuch { artifacts: self.artifacts, bytes: self.bytes });
        }
        let (artifacts, bytes) =
            (self.artifacts.saturating_add(self.moved), self.bytes.saturating_add(self.moved_bytes));
        let earned = artifacts / limits.round_artifacts.max(1) + bytes / limits.round_bytes.max(1);
        if u64::from(self.rounds) >= u64::from(limits.rounds).saturating_add(earned) {
            return Err(SyncError::TooManyRounds { rounds: self.rounds, artifacts });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes rounds until one is refused, at most 3,000, and says how many were allowed and why no more.
    fn rounds(gain: impl Fn(u32) -> Gain) -> (u32, String) {
        let limits = Limits::default();
        let mut effort = Effort::default();
        for round in 1..=3_000 {
            effort.add(gain(round));
            if let Err(error) = effort.check(&limits) {
                return (round, error.to_string());
            }
        }
        (3_000, String::new())
    }

    fn gain(artifacts: u64, bytes: u64) -> Gain {
        Gain { artifacts, bytes, names: 1, asked: Asked::Artifacts, ..Gain::default() }
    }

    #[test]
    fn a_clone_of_many_full_batches_is_not_bounded_by_rounds() {
        assert_eq!(rounds(|_| gain(4_000, 5_000_000)).0, 3_000);
        assert_eq!(rounds(|_| gain(1, 5_000_000)).0, 3_000);
        assert_eq!(rounds(|_| gain(20, 4_000)).0, 3_000);
    }

    #[test]
    fn a_peer_that_drips_small_artifacts_is_given_up() {
        let (rounds, error) = rounds(|_| gain(1, 100));
        assert!((100..150).contains(&rounds), "{rounds}");
        assert_eq!(error, format!("no end after {rounds} rounds, which moved {rounds} artifacts"));
    }

    #[test]
    fn a_peer_that_promises_and_never_sends_is_given_up() {
        let (rounds, error) = rounds(|_| gain(0, 0));
        assert_eq!(rounds, 3);
        assert_eq!(
            error,
            "3 rounds in a row brought nothing new, though the peer keeps announcing artifacts"
        );
    }

    #[test]
    fn a_peer_that_lacks_what_it_lists_is_left_in_peace() {
        let (limits, mut effort) = (Limits::default(), Effort::default());
        for round in 1..=3 {
            assert!(!effort.is_exhausted(&limits), "round {round}");
            effort.add(Gain { names: 0, ..gain(0, 0) });
            effort.check(&limits).unwrap();
        }
        assert!(effort.is_exhausted(&limits));
        effort.add(gain(1, 10));
        assert!(!effort.is_exhausted(&limits));
    }

    #[test]
    fn a_peer_that_sends_now_and_then_is_given_up_too() {
        let (rounds, _) = rounds(|round| gain(u64::from(round % 3 == 0), 10));
        assert!(rounds < 150, "{rounds}");
    }

    #[test]
    fn more_content_than_the_session_may_take_is_an_error() {
        let (_, error) = rounds(|_| gain(1, 1 << 30));
        assert!(error.starts_with("the session took 65 artifacts"), "{error}");
    }
}
