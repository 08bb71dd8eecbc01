//! What can go wrong, and which of it a seed turns on.

use std::collections::BTreeMap;

use super::Level;
use crate::dice::{Dice, Ratio};

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A request does not arrive.
    LoseRequest,
    /// A reply does not arrive, though the server did all of it.
    LoseReply,
    /// A request arrives twice. No reply does: who waits for one, over HTTP or a broker, listens for one only, at a place
    /// that nobody else has.
    Duplicate,
    /// A message arrives long after the sender gave up, perhaps after later ones.
    Delay,
    /// A message breaks off at any byte.
    Truncate,
    /// A bit of a message is wrong.
    Flip,
    /// A link is down, both ways.
    LinkDown,
    /// A link is down one way.
    OneWay,
    /// A peer dies, also between the commit and the reply, and comes back with what was committed.
    Crash,
    /// A database can grow no further.
    DiskFull,
    /// A clock jumps.
    ClockJump,
    /// A peer goes back to an earlier copy of its repository.
    Restore,
    /// A second session begins beside one that is under way.
    Crowd,
    /// The rights of a user change.
    Rights,
    /// A peer takes long to answer, often longer than its clients wait.
    Slow,
    /// Messages overtake each other.
    Reorder,
    /// A peer dies in the midst of a half-round, or of what its user does: within one of its transactions, or just before or
    /// after it is committed.
    CrashWithin,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::LoseRequest,
        Self::LoseReply,
        Self::Duplicate,
        Self::Delay,
        Self::Truncate,
        Self::Flip,
        Self::LinkDown,
        Self::OneWay,
        Self::Crash,
        Self::DiskFull,
        Self::ClockJump,
        Self::Restore,
        Self::Crowd,
        Self::Rights,
        Self::Slow,
        Self::Reorder,
        Self::CrashWithin,
    ];

    /// Whether it strikes a peer or an edge at a time that is drawn; else it hits by chance, each time that it may. A crash does both.
    pub fn has_its_time(self) -> bool {
        match self {
            Self::LinkDown
            | Self::OneWay
            | Self::Crash
            | Self::DiskFull
            | Self::ClockJump
            | Self::Restore
            | Self::Rights
            | Self::Slow => true,
            Self::LoseRequest
            | Self::LoseReply
            | Self::Duplicate
            | Self::Delay
            | Self::Truncate
            | Self::Flip
            | Self::Crowd
            | Self::Reorder
            | Self::CrashWithin => false,
        }
    }

    /// As it is written: in small letters, with dashes.
    pub fn name(self) -> String {
        dashed(&format!("{self:?}"))
    }

    /// Reads what [`Fault::name`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// `TwoWords` as `two-words`.
pub(crate) fn dashed(name: &str) -> String {
    let mut dashed = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !dashed.is_empty() {
            dashed.push('-');
        }
        dashed.push(letter.to_ascii_lowercase());
    }
    dashed
}

/// The faults that a seed turns on, each at a ratio of its own.
pub(super) fn draw(seed: u64, level: Level) -> BTreeMap<Fault, Ratio> {
    let mut faults = BTreeMap::new();
    for fault in Fault::ALL {
        // By name: one more fault changes no other.
        let dice = &mut Dice::of(seed, &format!("is there {fault:?}"), 0);
        let (chance, least) = match level {
            Level::Calm => (Ratio::NEVER, 1),
            Level::Rough => (Ratio::new(1, 3), 8),
            Level::Hostile => (Ratio::new(2, 3), 3),
        };
        if dice.hits(chance) {
            faults.insert(fault, Ratio::new(1, dice.between(least, 4 * least)));
        }
    }
    faults
}
