//! What the messages of a peer may hold, by its limits and its settings.

use xfer::{Card, Message};

use super::Sim;
use crate::check::deadline::Allowance;
use crate::model::Violation;
use crate::plan::{Budgets, Edition};

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
            self.census.note("content over the budget");
        }
        Ok(())
    }
}
