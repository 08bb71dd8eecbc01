//! Two repositories of one project, of which one lacks the newest check-ins.

use std::path::PathBuf;

use crate::corpus::{Extras, Shape};
use crate::{Fossil, Frond, Scratch, compare, shared};

/// Two repositories, and who works with them.
#[derive(Debug)]
pub struct Pair {
    /// Stock Fossil.
    pub fossil: Fossil,
    /// The program under test.
    pub frond: Frond,
    /// Where both are.
    pub scratch: Scratch,
    /// Has everything.
    pub ahead: PathBuf,
    /// Lacks the newest check-ins.
    pub behind: PathBuf,
}

impl Pair {
    /// 2,000 check-ins, of which one repository lacks the last 500.
    #[track_caller]
    pub fn new() -> Self {
        Self::of(Shape::of(2000), 1500, Extras::None)
    }

    /// A history, of which one repository has only the first `known` check-ins, and nothing of `extras`.
    #[track_caller]
    pub fn of(shape: Shape, known: usize, extras: Extras) -> Self {
        let scratch = Scratch::new();
        let ahead = scratch.copy(&shared::corpus(shape, shape.checkins, extras), "ahead.fossil");
        let behind = scratch.copy(&shared::corpus(shape, known, Extras::None), "behind.fossil");
        Self { fossil: Fossil::new(), frond: Frond::new(), scratch, ahead, behind }
    }

    /// How many artifacts one lacks.
    #[track_caller]
    pub fn missing(&self) -> u64 {
        let (ahead, behind) = (compare::artifacts(&self.ahead), compare::artifacts(&self.behind));
        ahead.difference(&behind).count() as u64
    }

    /// Both hold the same but for the clusters that each made for itself, and both are sound.
    #[track_caller]
    pub fn caught_up(&self) {
        compare::contents_equal(&self.behind, &self.ahead);
        compare::are_sound(&self.fossil, [&self.behind, &self.ahead]);
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}
