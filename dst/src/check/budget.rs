//! A message holds no more than its budget, or one artifact; a session takes no more rounds than what it moves asks
//! for.

use xfer::{Card, Message};

use crate::model::Violation;
use crate::talk::Talk;

/// Rounds of a session beside those that move something: to ask, to hear of clusters, to hear that all is said.
const USUAL_ROUNDS: u64 = 8;

/// Looks at the payloads of a message.
pub(super) fn check_bytes(message: &Message, budget: u64) -> Result<(), Violation> {
    let is_payload = |card: &&Card| {
        matches!(card, Card::File(_)) || matches!(card, Card::UvFile(file) if file.content.is_some())
    };
    let payloads = message.cards.iter().filter(is_payload);
    let (count, bytes) =
        payloads.fold((0, 0), |(count, bytes), card| (count + 1, bytes + card.payload_bytes() as u64));
    if count > 1 && bytes > budget {
        return Err(Violation::new(
            "budget",
            format!("{count} artifacts of {bytes} bytes, the budget is {budget}"),
        ));
    }
    Ok(())
}

/// Looks at a session in which nothing failed.
pub fn check_rounds(talk: &Talk) -> Result<(), Violation> {
    let result = talk.session.result();
    let stats = result.stats;
    let moved = stats.files_sent + stats.files_received + stats.uv_files_sent + stats.uv_files_received;
    let bound = USUAL_ROUNDS + moved + result.unavailable + talk.watch.refused;
    if u64::from(result.rounds) <= bound {
        return Ok(());
    }
    Err(Violation::new("budget", format!("{} rounds for {moved} artifacts and files", result.rounds)))
}
