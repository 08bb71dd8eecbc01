//! Control artifacts: tags put on other artifacts (reference: repo.md 6.3).

use super::event::{self, Event, html};
use super::{Linker, short};
use crate::manifest::{Control, TagCard, TagKind};
use crate::{RepoError, Rid, Text, Tx};

/// Notes the tags, and writes the row of the timeline that tells of them.
pub(super) fn arrived(
    linker: &mut Linker,
    tx: &Tx<'_>,
    rid: Rid,
    control: &Control,
) -> Result<(), RepoError> {
    let comment = tell(&control.tags, short::Digits::of(tx)?);
    event::write(
        tx,
        &Event {
            kind: "g",
            rid,
            time: control.date,
            tag: None,
            user: control.user.as_ref(),
            comment: Some(&comment),
            brief: None,
        },
    )?;
    linker.fresh.insert(rid);
    linker.state(tx, rid, &control.tags, control.date)
}

/// All that an artifact does, target by target, in words.
fn tell(cards: &[TagCard], digits: short::Digits) -> Text {
    let mut cards: Vec<(String, &TagCard)> =
        cards.iter().filter_map(|card| Some((card.target?.to_string(), card))).collect();
    cards.sort_by(|(target, card), (other_target, other)| {
        let key = |card: &TagCard| (card.kind.sign(), card.name.clone());
        target.cmp(other_target).then_with(|| key(card).cmp(&key(other)))
    });
    let mut phrases: Vec<Vec<u8>> = Vec::new();
    for of_one in cards.chunk_by(|(target, _), (next, _)| target == next) {
        let target = &of_one[0].0;
        let long = digits.long(target.as_bytes());
        phrases.push([b"Edit [", long, b"|", digits.short(target.as_bytes()), b"]:"].concat());
        let mut moved = false;
        for (_, card) in of_one {
            let sign = card.kind;
            moved |= sign == TagKind::Propagate && card.name.as_bytes() == b"branch";
            let told_by_move = moved && sign != TagKind::Add && card.name.as_bytes().starts_with(b"sym-");
            if !told_by_move {
                phrases.push(phrase(card, long));
            }
        }
    }
    Text(phrases.join(&b' '))
}

/// One card in words.
fn phrase(card: &TagCard, target: &[u8]) -> Vec<u8> {
    let value = html(card.value.as_ref().map(Text::as_bytes).unwrap_or_default());
    let quoted = |start: &str| [start.as_bytes(), b" \"", &value, b"\"."].concat();
    let note = match card.value {
        Some(_) => [b" with note \"", &value[..], b"\"."].concat(),
        None => b".".to_vec(),
    };
    let noted = |start: &str| [start.as_bytes(), &note].concat();
    let name = html(card.name.as_bytes());
    match (card.kind, card.name.as_bytes()) {
        (TagKind::Propagate, b"branch") => {
            // 2.29 writes the first of the two names as part of a URL.
            let pieces: [&[u8]; 7] =
                [b"Move to branch [/timeline?r=", &value, b"&nd&dp=", target, b"&unhide | ", &value, b"]."];
            pieces.concat()
        }
        (TagKind::Propagate, b"bgcolor") => quoted("Change branch background color to"),
        (TagKind::Add, b"bgcolor") => quoted("Change background color to"),
        (TagKind::Cancel, b"bgcolor") => noted("Cancel background color"),
        (TagKind::Add, b"comment") => b"Edit check-in comment.".to_vec(),
        (TagKind::Add, b"user") => quoted("Change user to"),
        (TagKind::Add, b"date") => [b"Timestamp ", &value[..], b"."].concat(),
        (TagKind::Add, b"closed") => noted("Mark \"Closed\""),
        (TagKind::Cancel, b"closed") => noted("Remove the \"Closed\" mark"),
        (sign, full) if full.starts_with(b"sym-") => {
            let start: &[u8] = match sign {
                TagKind::Cancel => b"Cancel tag \"",
                TagKind::Add => b"Add tag \"",
                TagKind::Propagate => b"Add propagating tag \"",
            };
            [start, &name[4..], b"\"", &note].concat()
        }
        (sign, _) => {
            let start: &[u8] = match sign {
                TagKind::Cancel => b"Cancel \"",
                TagKind::Add => b"Add \"",
                TagKind::Propagate => b"Add propagating \"",
            };
            let end = match card.value {
                Some(_) => [b"\" with value \"", &value[..], b"\"."].concat(),
                None => b"\".".to_vec(),
            };
            [start, &name, &end].concat()
        }
    }
}
