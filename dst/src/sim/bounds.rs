//! What the messages of a peer may hold, by its limits and its settings.

use xfer::{Card, Message};

use super::Sim;
use crate::check::deadline::Allowance;
use crate::dice::Ratio;
use crate::model::Violation;
use crate::plan::{Budgets, Edition, Level};

/// The largest of the budgets that are drawn.
const MUCH: u64 = 20_000;
/// The least of those that are shipped.
const SHIPPED: u64 = 1_000_000;
/// What is long, where no budget is.
const LONG_BYTES: u64 = 20_000;

impl Sim {
    fn budgets(&self, at: usize) -> Budgets {
        self.plan.budgets[at]
    }

    /// Bytes of artifacts in the request of a round, from 1 on: who took one is trusted with twice as much.
    pub(super) fn request_bytes(&self, at: usize, round: u32) -> u64 {
        let limits = &self.nodes[at].limits;
        let doubled = round.saturating_sub(1).min(u64::BITS - 1);
        let grown = limits.first_send_bytes.saturating_mul(1 << doubled);
        limits.send_bytes.min(grown).min(self.budgets(at).upload.unwrap_or(u64::MAX))
    }

    /// Bytes of artifacts in a reply.
    pub(super) fn reply_bytes(&self, at: usize) -> u64 {
        self.nodes[at].limits.reply_bytes.min(self.budgets(at).download.unwrap_or(u64::MAX))
    }

    /// Milliseconds that a reply may take up artifacts.
    pub(super) fn reply_ms(&self, at: usize) -> u64 {
        let seconds = self.budgets(at).download_seconds.unwrap_or(u64::MAX).max(1);
        self.nodes[at].limits.reply_ms.min(seconds.saturating_mul(1_000))
    }

    /// A length that exceeds a budget of a peer, if it has one that is small.
    pub(super) fn large(&self, at: usize) -> u64 {
        let mut least = self.reply_bytes(at);
        if self.plan.edition != Edition::First {
            least = least.min(self.request_bytes(at, 1));
        }
        least.min(LONG_BYTES) + 500
    }

    /// The length of a content that exceeds a budget of a peer even where it was made as small as it gets: in some actions
    /// one of those that were drawn, seldom one that is shipped.
    pub(super) fn noise(&self, number: u64, at: usize) -> Option<u64> {
        let mut dice = self.dice("noise", number);
        if self.plan.edition < Edition::Fifth || !dice.hits(Ratio::new(1, 3)) {
            return None;
        }
        let budget = *dice.pick(&[self.reply_bytes(at), self.request_bytes(at, 1)]);
        let is_shipped = budget >= SHIPPED;
        let budget = match is_shipped {
            true if self.plan.level != Level::Calm && dice.hits(Ratio::new(1, 8)) => {
                self.request_bytes(at, 1)
            }
            true => LONG_BYTES,
            false => budget,
        };
        // Six bits of a byte are noise.
        Some(budget * 4 / 3 + 500)
    }

    /// Looks at the size of a message that is sent.
    pub(super) fn check_size(
        &mut self,
        message: &Message,
        budget: u64,
        allowance: Allowance,
    ) -> Result<(), Violation> {
        if allowance.check(message)? {
            self.census.note("time was up");
        }
        let over =
            |card: &&Card| matches!(card, Card::File(file) if file.payload.bytes().len() as u64 > budget);
        // What everything exceeds is no budget.
        if budget > 1 && message.cards.iter().any(|card| over(&card)) {
            self.census.note(match budget {
                ..MUCH => "content over the budget",
                MUCH..SHIPPED => "content over a budget of 20,000 bytes",
                _ => "content over a budget that is shipped",
            });
        }
        Ok(())
    }
}
