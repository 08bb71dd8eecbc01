//! Bounds of peers: those that are shipped, extreme ones, and such as end sessions with which nothing is wrong.

use sync::Limits;

use super::Level;
use super::edition::{Draws, Edition};
use crate::dice::{Dice, Ratio};

/// Under none of them but [`bounded`] ones may an honest session end for its number of rounds. In a third of the runs all
/// have those that are shipped, which have to do as they are; in the others each artifact earns a round, since some peers
/// have room for one only.
pub(super) fn draw(seed: u64, level: Level, nodes: usize, edition: Edition) -> Vec<Limits> {
    let [mut draws, mut slow] = ["limits", "slow limits"].map(|group| Draws::new(seed, edition, group));
    let chance = match level {
        Level::Calm => Ratio::new(1, 4),
        Level::Rough => Ratio::new(1, 2),
        Level::Hostile => Ratio::new(3, 4),
    };
    if edition != Edition::First && Dice::of(seed, "shipped limits", 0).hits(Ratio::new(1, 3)) {
        return vec![Limits::default(); nodes];
    }
    let mut draw = |node: usize| {
        let dice = draws.on("limits of a peer", node);
        let limits = if dice.hits(chance) {
            extreme(dice, slow.on("slow limits of a peer", node), edition)
        } else {
            usual()
        };
        match level {
            Level::Calm | Level::Rough => limits,
            Level::Hostile => bounded(&mut Dice::of(seed, "bounds", node as u64), limits),
        }
    };
    (0..nodes).map(&mut draw).collect()
}

/// Small ones are of use for contents that are longer.
fn extreme(dice: &mut Dice, slow: &mut Dice, edition: Edition) -> Limits {
    let usual = usual();
    let is_first = edition == Edition::First;
    let (most_sent, most_replied) = if is_first { (250_000, 5_000_000) } else { (20_000, 20_000) };
    let limits = Limits {
        send_bytes: *dice.pick(&[0, 1, 300, 2_000, most_sent]),
        reply_bytes: *dice.pick(&[0, 1, 400, 3_000, most_replied]),
        gimmes: *dice.pick(&[1, 3, 20, 200]),
        reply_gimmes: *dice.pick(&[1, 4, 30, 500]),
        reply_ms: *slow.pick(&[0, 3, usual.reply_ms, usual.reply_ms]),
        ..usual
    };
    if is_first {
        limits
    } else {
        Limits { first_send_bytes: *dice.pick(&[300, 300, limits.first_send_bytes]), ..limits }
    }
}

/// Perhaps sets bounds that end sessions with which nothing is wrong.
fn bounded(dice: &mut Dice, limits: Limits) -> Limits {
    let usual = usual();
    if !dice.hits(Ratio::new(1, 3)) {
        return limits;
    }
    Limits {
        rounds: *dice.pick(&[3, 12, usual.rounds]),
        round_bytes: *dice.pick(&[1, 2_000, usual.round_bytes, u64::MAX]),
        idle_rounds: *dice.pick(&[1, 2, usual.idle_rounds, 10]),
        idle_gimmes: *dice.pick(&[1, 200, usual.idle_gimmes]),
        session_artifacts: *dice.pick(&[3, 40, usual.session_artifacts]),
        session_bytes: *dice.pick(&[1_000, 50_000, usual.session_bytes]),
        ..limits
    }
}

/// The same limits, without those that end sessions with which nothing is wrong. What is shipped ends none.
pub fn unbounded(limits: &Limits) -> Limits {
    if *limits == Limits::default() {
        return limits.clone();
    }
    let usual = usual();
    Limits {
        rounds: usual.rounds,
        idle_rounds: usual.idle_rounds,
        session_artifacts: usual.session_artifacts,
        session_bytes: usual.session_bytes,
        ..limits.clone()
    }
}

/// Gives one peer others, which take more rounds than those that are shipped leave room for.
pub(super) fn replace(limits: &mut [Limits], peer: usize, others: Limits) {
    for limits in limits.iter_mut().filter(|limits| **limits == Limits::default()) {
        *limits = usual();
    }
    limits[peer] = others;
}

/// Usual ones, that ask for one artifact a reply.
pub(super) fn shy() -> Limits {
    Limits { reply_gimmes: 1, ..usual() }
}

/// Usual ones, with room for one artifact a reply.
pub(super) fn narrow() -> Limits {
    Limits { reply_bytes: 1, ..usual() }
}

/// Usual ones, that ask for one artifact a request.
pub(super) fn modest() -> Limits {
    Limits { gimmes: 1, ..usual() }
}

/// Usual ones, with room for one thing a request.
pub(super) fn terse() -> Limits {
    Limits { send_bytes: 1, ..usual() }
}

/// Those that are shipped, under which sessions may have more rounds.
pub(super) fn usual() -> Limits {
    // Under small ones a row of a table takes two rounds.
    Limits { round_artifacts: 1, rounds: 2_000, ..Limits::default() }
}
