//! A message holds no more than its budget, or one artifact, and beside that one row of a table; what a server puts off
//! for want of room had none; a session takes no more rounds than what it moves, and where its peers differ, ask for.
//!
//! What the budget counts are the contents of artifacts and of files without history, as they are sent, and rows of tables. What
//! it does not count: the lines of all cards, among them names that are announced and asked for; digests and definitions of
//! tables; cards of configuration, all of which come in one reply, as in stock. For these there is a bound that comes from what
//! there is to say: a line is short, and says something of an artifact or a file that no other line of its kind says
//! ([`check_whole`]).

use std::collections::{BTreeMap, BTreeSet};

use sync::Limits;
use xfer::table::TableCard;
use xfer::{ArtifactId, Card, Message, encode};

use crate::beside::tables::{Key, Row, Tables, Version};
use crate::known::Known;
use crate::model::Violation;
use crate::talk::{Kind, Talk, Traffic};

/// Rows of a part of a table up to which it is listed, and not divided into sixteen.
const LISTED_ROWS: usize = 32;
/// Rounds about one part of a table that may move no row, where a message has room for one thing only: its digest is
/// compared, or its rows are listed; it is named again after a list that found no room to be answered; the list of
/// the other side turns out to hold nothing that is older.
const PART_ROUNDS: u64 = 3;

/// Rounds that differences in tables may cost, beside one for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap(u64);

impl Gap {
    /// Looks at two peers before a session: a definition takes a round, and so does each step in the search for the
    /// rows in which they differ.
    pub fn between(ours: &Tables, theirs: &Tables) -> Self {
        let (empty, versions) = (BTreeMap::new(), |(key, row): (&Key, &Row)| (*key, row.version));
        let mut rounds = 0;
        for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
            let [one, other] =
                [ours, theirs].map(|tables| tables.get(name).map_or(&empty, |table| &table.rows));
            let (one, other) = (one.iter().map(versions).collect(), other.iter().map(versions).collect());
            rounds += 1 + PART_ROUNDS * parts(&one, &other, 0);
        }
        Self(rounds)
    }
}

type Versions = Vec<(Key, Version)>;

/// How many parts differ, from one on whose keys have this many digits in common.
fn parts(one: &Versions, other: &Versions, depth: usize) -> u64 {
    if one == other {
        return 0;
    }
    if one.len().max(other.len()) <= LISTED_ROWS {
        return 1;
    }
    let child = |rows: &Versions, digit: u8| -> Versions {
        rows.iter()
            .copied()
            .filter(|(key, _)| key[depth / 2] >> (4 * (1 - depth % 2)) & 15 == digit)
            .collect()
    };
    1 + (0..16).map(|digit| parts(&child(one, digit), &child(other, digit), depth + 1)).sum::<u64>()
}

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
    // A row goes where there is any room at all, and one where there is none.
    let rows: Vec<u64> = message.cards.iter().filter_map(row_bytes).collect();
    let before_last = bytes + rows.iter().rev().skip(1).sum::<u64>();
    if rows.len() > 1 && before_last > budget {
        let (count, text) = (rows.len(), format!("{before_last} bytes come before the last of"));
        return Err(Violation::new("budget", format!("{text} {count} rows, the budget is {budget}")));
    }
    Ok(())
}

/// Bytes of a card beside its payload, at most: a word, two names and a few numbers, or the name of a file.
const LINE_BYTES: usize = 256;
/// How often one kind of card may name the same: once, and once more as a rare choice.
const TIMES: u64 = 2;

/// Looks at all that a message holds beside payloads: short lines, of which no two kinds of card say the same of one artifact or
/// file. So it takes no more than what its sender and its receiver have names for.
pub(super) fn check_whole(message: &Message) -> Result<(), Violation> {
    let payloads: usize = message.cards.iter().map(Card::payload_bytes).sum();
    let (lines, whole) = (message.cards.len() + 1, encode(message).len());
    if whole > payloads + LINE_BYTES * lines {
        let text = format!("{whole} bytes for payloads of {payloads} bytes in {lines} lines");
        return Err(Violation::new("budget", text));
    }
    let mut said = BTreeMap::new();
    for (kind, named) in message.cards.iter().filter_map(named) {
        let times = said.entry((kind, named)).or_insert(0);
        *times += 1;
        if *times > TIMES {
            return Err(Violation::new("budget", format!("{kind} of {named:?} comes {times} times")));
        }
    }
    Ok(())
}

/// What a card names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named<'c> {
    Artifact(ArtifactId),
    File(&'c str),
}

/// What a card is, and what it names.
fn named(card: &Card) -> Option<(&'static str, Named<'_>)> {
    match card {
        Card::File(file) => Some(("file", Named::Artifact(file.id))),
        Card::Igot(igot) => Some(("igot", Named::Artifact(igot.id))),
        Card::Gimme(id) => Some(("gimme", Named::Artifact(*id))),
        Card::UvFile(file) => Some(("uvfile", Named::File(file.name.as_str()))),
        Card::UvIgot(igot) => Some(("uvigot", Named::File(igot.name.as_str()))),
        Card::UvGimme(name) => Some(("uvgimme", Named::File(name.as_str()))),
        _ => None,
    }
}

fn row_bytes(card: &Card) -> Option<u64> {
    match card {
        Card::Table(TableCard::Row(_) | TableCard::Delete(_)) => Some(card.payload_bytes() as u64),
        _ => None,
    }
}

/// What a container adds to content that does not get smaller.
const FRAME_BYTES: u64 = 64;

/// Looks at a reply that puts something off: artifacts of these sizes would have found no room.
pub fn check_full(
    reply: &Message,
    budget: u64,
    put_off: impl IntoIterator<Item = u64>,
) -> Result<(), Violation> {
    let sent = reply.cards.iter().filter(|card| matches!(card, Card::File(_) | Card::UvFile(_)));
    let (count, bytes) =
        sent.fold((0, 0), |(count, bytes), card| (count + 1, bytes + card.payload_bytes() as u64));
    for size in put_off {
        if count == 0 || bytes + size + FRAME_BYTES <= budget {
            let text = format!("an artifact of {size} bytes is put off beside {count} of {bytes} bytes");
            return Err(Violation::new("budget", format!("{text}, the budget is {budget}")));
        }
    }
    Ok(())
}

/// Looks at what a message asks for, beside what the receiver asked for, which is named where it is not sent.
pub(super) fn check_gimmes(
    message: &Message,
    most: usize,
    asked: &BTreeSet<ArtifactId>,
) -> Result<(), Violation> {
    let name = |card: &Card| if let Card::Gimme(id) = card { Some(*id) } else { None };
    let names: BTreeSet<ArtifactId> =
        message.cards.iter().filter_map(name).filter(|id| !asked.contains(id)).collect();
    if names.len() <= most {
        return Ok(());
    }
    Err(Violation::new("budget", format!("{} artifacts are asked for, {most} at most", names.len())))
}

/// Rounds that move nothing, however much there is to move. Each comes once at most.
fn quiet_rounds(talk: &Talk) -> u64 {
    let ask = 1;
    match talk.kind {
        // What is private is named after the peer showed that it lets us; a lock is given up after the last artifact.
        Kind::Sync => ask + u64::from(talk.options.private) + u64::from(talk.options.ci_unlock.is_some()),
        Kind::Clone => {
            // Nobody can log in before the project is known; what fits into no batch is not known before the next
            // one, which may be empty; then it pulls, and asks for the configuration.
            let (log_in, last_batch, pull) = (1, 1, 1);
            ask + log_in + last_batch + pull
        }
    }
}

/// Looks at a session in which nothing failed, and that had both sides for itself. Every round is quiet, moves
/// something, finds out that something is not to be had or not to be kept, or is one of the search in tables.
///
/// `known` is what the client has in the end. A clone by names that was cut short leaves no batch to go on from, so that the
/// next one is given again what is there, an artifact a round where there is little room. What it had kept private and came
/// as public is nothing new. What the peer asked for in vain, which is given, counts as well: a peer that asks for a few at a
/// time is told what it does not get.
pub fn check_rounds(talk: &Talk, known: &Known) -> Result<usize, Violation> {
    let (gap, held) = (talk.before.gap, known.held.len());
    let published = talk.before.private.iter().filter(|id| known.is_public(id)).count();
    let withheld = talk.wishes.iter().filter(|id| !known.gives(id)).count();
    let result = talk.session.result();
    let stats = result.stats;
    let rows: u64 = result.tables.values().map(|table| table.sent + table.received).sum();
    let moved =
        stats.files_sent + stats.files_received + stats.uv_files_sent + stats.uv_files_received + rows;
    let in_vain = result.unavailable + talk.watch.refused + result.refused_rows;
    let search = if result.tables.is_empty() { 0 } else { gap.0 };
    let again = if result.resumed { held as u64 } else { 0 };
    let bound = quiet_rounds(talk) + moved + (published + withheld) as u64 + again + in_vain + search;
    if u64::from(result.rounds) <= bound {
        return Ok(withheld);
    }
    let rounds = result.rounds;
    let text = format!(
        "{rounds} rounds for {moved} artifacts, files and rows, {in_vain} in vain, {search} to find rows"
    );
    Err(Violation::new("budget", text))
}

/// Looks at a session after a round, whatever happened to it: it has as many as its limits say, and those that it earned by
/// what it moved.
pub fn check_earned(talk: &Talk, limits: &Limits) -> Result<(), Violation> {
    let (rounds, Traffic { things, bytes }) = (u64::from(talk.session.result().rounds), talk.traffic);
    let earned = things / limits.round_artifacts.max(1) + bytes / limits.round_bytes.max(1);
    if rounds <= u64::from(limits.rounds) + earned {
        return Ok(());
    }
    let text = format!(
        "{rounds} rounds, {} at first, and {earned} for {things} things of {bytes} bytes",
        limits.rounds
    );
    Err(Violation::new("budget", text))
}

/// What fits in the `gimme` cards of one message under the limits that are shipped.
const FEW: u64 = 100;
/// What one reply after the other can tell of artifacts: a cluster of clusters comes, a cluster that it names, what that
/// names as a delta, the source of the delta.
const STEPS_OF_ARTIFACTS: u64 = 4;
/// The same of rows, beside those: a definition, the digests of its parts, those of smaller parts, lists, rows.
const STEPS_OF_ROWS: u64 = 5;
/// Rounds that a session may have beside the quiet ones, however much it moves, where all fits in any message: one that
/// names what there is, and one for each step.
const NEWS_ROUNDS: u64 =
    1 + if STEPS_OF_ROWS > STEPS_OF_ARTIFACTS { STEPS_OF_ROWS } else { STEPS_OF_ARTIFACTS };

/// Looks at a session in which nothing failed, between peers with the limits that are shipped, whose messages all had room
/// for everything: `withheld` is as in [`check_rounds`].
pub fn check_few_rounds(talk: &Talk, withheld: usize) -> Result<(), Violation> {
    let result = talk.session.result();
    let stats = result.stats;
    let asked = stats.files_sent + stats.files_received + withheld as u64 + result.unavailable;
    if asked > FEW || u64::from(result.rounds) <= quiet_rounds(talk) + NEWS_ROUNDS {
        return Ok(());
    }
    let text = format!("{} rounds where all of {asked} artifacts would fit in one", result.rounds);
    Err(Violation::new("budget", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(keys: impl Iterator<Item = u8>) -> Versions {
        keys.map(|first| ([first; 20], (1, [0; 20]))).collect()
    }

    #[test]
    fn what_is_put_off_though_there_is_room_is_found() {
        let id = xfer::hash::sha1(b"x");
        let payload = xfer::card::Payload::Plain(bytes::Bytes::from_static(&[0; 100]));
        let privacy = xfer::card::Privacy::Public;
        let file = Card::File(xfer::card::FileCard { id, delta_source: None, payload, privacy });
        let (none, one) = (Message::default(), Message { cards: vec![file], ..Message::default() });
        for (reply, budget, size, sound) in
            [(&none, 0, 10, false), (&one, 0, 10, true), (&one, 150, 10, true), (&one, 200, 10, false)]
        {
            assert_eq!(check_full(reply, budget, [size]).is_ok(), sound, "{budget}");
        }
        assert!(check_full(&none, 0, []).is_ok());
    }

    #[test]
    fn what_is_said_of_one_artifact_again_and_again_is_found() {
        let igot = |name: &[u8]| Card::Igot(xfer::card::Igot::public(xfer::hash::sha1(name)));
        let long = Card::UvGimme(xfer::UvName::new("x".repeat(2 * LINE_BYTES)).expect("a name"));
        let cases = [
            (vec![], true),
            (vec![igot(b"a"), igot(b"b"), igot(b"a")], true),
            (vec![igot(b"a"), igot(b"a"), igot(b"a")], false),
            (vec![igot(b"a"), igot(b"a"), Card::Gimme(xfer::hash::sha1(b"a"))], true),
            (vec![long], false),
        ];
        for (cards, sound) in cases {
            let message = Message { cards, ..Message::default() };
            assert_eq!(check_whole(&message).is_ok(), sound, "{message:?}");
        }
    }

    #[test]
    fn only_parts_that_differ_count_and_large_ones_are_divided() {
        let many = rows(0..=255);
        let without_one = rows(0..255);
        for (one, other, expected) in [
            (rows(0..3), rows(0..3), 0),
            (rows(0..3), rows(0..2), 1),
            (rows(0..0), rows(0..32), 1),
            (many.clone(), many.clone(), 0),
            (many.clone(), without_one, 2),
            (many, rows(0..0), 17),
        ] {
            assert_eq!(parts(&one, &other, 0), expected);
            assert_eq!(parts(&other, &one, 0), expected);
        }
    }
}
