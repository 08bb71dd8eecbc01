//! A message holds no more than its budget, or one artifact; a session takes no more rounds than what it moves asks
//! for.

use xfer::{Card, Message};

use crate::model::Violation;
use crate::talk::Talk;

/// Rounds of a session beside those that move something: to ask, to hear of clusters, to hear that all is said.
const USUAL_ROUNDS: u64 = 8;
/// Rounds in a row that may move no row before tables are given up: with little room it takes so many to find that
/// what differs is what the other side refuses.
const IDLE_ROUNDS: u64 = 16;

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

/// Looks at a session in which nothing failed. `held` is how much the client holds in the end: a clone by names that was
/// cut short leaves no batch to go on from, so that the next one is given again what is there, an artifact a round where
/// there is little room.
pub fn check_rounds(talk: &Talk, held: usize) -> Result<(), Violation> {
    let result = talk.session.result();
    let stats = result.stats;
    let rows: u64 = result.tables.values().map(|table| table.sent + table.received).sum();
    let moved =
        stats.files_sent + stats.files_received + stats.uv_files_sent + stats.uv_files_received + rows;
    // With little room a row is asked for in one round, and sent in the next.
    let idle = if result.tables.is_empty() { 0 } else { IDLE_ROUNDS };
    let tables = 2 * result.tables.len() as u64 + rows + idle;
    let again = if result.resumed { held as u64 } else { 0 };
    let bound = USUAL_ROUNDS + moved + again + result.unavailable + talk.watch.refused + tables;
    if u64::from(result.rounds) <= bound {
        return Ok(());
    }
    let (rounds, refused) = (result.rounds, result.refused_rows);
    let text = format!("{rounds} rounds for {moved} artifacts, files and rows, {refused} refused rows");
    Err(Violation::new("budget", text))
}
