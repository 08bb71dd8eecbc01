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
    /// What a seed decides for each peer: most say nothing. Of messages with room for hardly more than one artifact a
    /// session has more than those that `are_shipped` allow it, and is gone on with in the next one.
    pub(super) fn draw(seed: u64, nodes: usize, are_shipped: bool) -> Vec<Self> {
        let bytes = if are_shipped { [None, Some(10_000)] } else { [Some(0), Some(500)] };
        let bytes = [None, bytes[0], bytes[1], Some(10_000)];
        let draw = |node: usize| {
            let dice = &mut Dice::of(seed, "settings of a peer", node as u64);
            if !dice.hits(Ratio::new(1, 8)) {
                return Self::default();
            }
            Self {
                download: *dice.pick(&bytes),
                upload: *dice.pick(&bytes),
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
