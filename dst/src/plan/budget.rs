//! What the settings of a repository say of its messages.

use crate::dice::{Dice, Ratio};

/// Settings of a peer that bound its messages beside its limits; none of them is set where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budgets {
    /// `max-download`: bytes of a reply.
    pub download: Option<u64>,
    /// `max-upload`: bytes of a request.
    pub upload: Option<u64>,
    /// `max-download-time`: seconds that a reply may take.
    pub download_seconds: Option<u64>,
}

impl Budgets {
    /// What a seed decides for each peer: most say nothing.
    pub(super) fn draw(seed: u64, nodes: usize) -> Vec<Self> {
        let draw = |node: usize| {
            let dice = &mut Dice::of(seed, "settings of a peer", node as u64);
            if !dice.hits(Ratio::new(1, 8)) {
                return Self::default();
            }
            Self {
                download: *dice.pick(&[None, Some(0), Some(500), Some(10_000)]),
                upload: *dice.pick(&[None, Some(0), Some(500), Some(10_000)]),
                download_seconds: *dice.pick(&[None, Some(0), Some(1), Some(10)]),
            }
        };
        (0..nodes).map(draw).collect()
    }

    /// The settings by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("max-download", self.download),
            ("max-upload", self.upload),
            ("max-download-time", self.download_seconds),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}
