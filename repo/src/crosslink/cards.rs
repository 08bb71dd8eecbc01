//! The `F` cards of check-ins, as they stand in the artifact.
//!
//! Two versions of a large tree share almost all of their cards. So a list is kept in pieces of some cards each, and what
//! one has in common with another is there once, and seen to be the same without being read. Where a piece ends is
//! decided by the names on its cards, so that lists which came on different ways are cut alike.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memchr;

use crate::lines::{Lines, first_line, skip_common};
use crate::manifest;

/// One of so many names begins a piece.
const PIECE_CARDS: u32 = 16;

/// What a piece takes besides its bytes, in the lists that have it and for itself, about.
const PIECE_BYTES: usize = 32;

/// An `F` card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: Cow<'a, [u8]>,
    /// Hex digits; none in a delta manifest for a deletion.
    pub(super) id: Option<&'a [u8]>,
    /// `mlink.mperm`.
    pub(super) perm: i64,
    pub(super) old_name: Option<Cow<'a, [u8]>>,
}

/// The cards of one list, in their order.
#[derive(Debug, Default)]
pub(super) struct Cards {
    pieces: Vec<Arc<[u8]>>,
}

impl Cards {
    /// Takes cards in, each with its line end. What they have in common with `other` is shared with it.
    pub(super) fn new(mut text: &[u8], other: &Self) -> Self {
        let mut pieces = Vec::with_capacity(other.pieces.len() + 1);
        let mut known = &other.pieces[..];
        while !text.is_empty() {
            if let Some((piece, others)) = known.split_first()
                && let Some(rest) = text.strip_prefix(&**piece)
                && is_end(rest, others)
            {
                pieces.push(piece.clone());
                (text, known) = (rest, others);
                continue;
            }
            let (piece, rest) = text.split_at(first_piece(text));
            pieces.push(piece.into());
            text = rest;
            while known.first().is_some_and(|piece| !text.is_empty() && name(piece) < name(text)) {
                known = &known[1..];
            }
        }
        Self { pieces }
    }

    /// Every file.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.rest();
        std::iter::from_fn(move || rest.next())
    }

    /// All cards, to be read in step with those of another list.
    pub(super) fn rest(&self) -> Rest<'_> {
        Rest { cards: &[], pieces: &self.pieces }
    }

    /// Bytes that are there for no other list.
    pub(super) fn own_bytes(&self) -> usize {
        let own = self.pieces.iter().filter(|piece| Arc::strong_count(piece) == 1);
        self.pieces.len() * PIECE_BYTES + own.map(|piece| piece.len()).sum::<usize>()
    }
}

/// Cards still to come.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a> {
    /// Of the piece at hand.
    cards: &'a [u8],
    pieces: &'a [Arc<[u8]>],
}

impl<'a> Rest<'a> {
    /// The next file.
    pub(super) fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let mut lines = Lines(self.cards);
            let entry = lines.find_map(Entry::read);
            self.cards = lines.0;
            if entry.is_some() {
                return entry;
            }
            self.turn()?;
        }
    }

    /// Passes over what comes in both.
    pub(super) fn skip_common(&mut self, other: &mut Self) {
        loop {
            while self.cards.is_empty()
                && other.cards.is_empty()
                && let ([mine, pieces @ ..], [theirs, other_pieces @ ..]) = (self.pieces, other.pieces)
                && Arc::ptr_eq(mine, theirs)
            {
                (self.pieces, other.pieces) = (pieces, other_pieces);
            }
            if self.cards.is_empty() && self.turn().is_none()
                || other.cards.is_empty() && other.turn().is_none()
            {
                return;
            }
            (self.cards, other.cards) = skip_common(self.cards, other.cards);
            if !self.cards.is_empty() && !other.cards.is_empty() {
                return;
            }
        }
    }

    /// Goes on to the next piece.
    fn turn(&mut self) -> Option<()> {
        let (piece, pieces) = self.pieces.split_first()?;
        (self.cards, self.pieces) = (piece, pieces);
        Some(())
    }
}

impl<'a> Entry<'a> {
    /// Reads a card of an artifact that was parsed. None for the names that Fossil reserves for itself.
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut tokens = line.strip_prefix(b"F ")?.split(|&byte| byte == b' ');
        let name = unescape(tokens.next()?);
        let id = tokens.next();
        let perm = match tokens.next() {
            Some(perm) if perm.contains(&b'x') => 1,
            Some(perm) if perm.contains(&b'l') => 2,
            _ => 0,
        };
        (!manifest::is_reserved_file(&name)).then(|| Self {
            name,
            id,
            perm,
            old_name: tokens.next().map(unescape),
        })
    }
}

fn unescape(token: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', token).is_none() {
        return Cow::Borrowed(token);
    }
    Cow::Owned(xfer::token::unescape(token))
}

/// How many bytes the first piece of a text takes.
fn first_piece(text: &[u8]) -> usize {
    let mut end = first_line(text).len();
    while end < text.len() && !begins_piece(&text[end..]) {
        end += first_line(&text[end..]).len();
    }
    end
}

/// Whether a piece ends before a text, where in another list it ends before `others`.
fn is_end(text: &[u8], others: &[Arc<[u8]>]) -> bool {
    text.is_empty() || others.first().is_some_and(|piece| name(piece) == name(text)) || begins_piece(text)
}

/// Whether the first card of a text begins a piece.
fn begins_piece(text: &[u8]) -> bool {
    // FNV-1a: the end of a name has its say in every bit.
    let hash = name(text)
        .iter()
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash >> 16).is_multiple_of(PIECE_CARDS)
}

/// The name on the first card of a text, as it is written.
fn name(text: &[u8]) -> &[u8] {
    let name = text.get(2..).unwrap_or_default();
    &name[..memchr::memchr2(b' ', b'\n', name).unwrap_or(name.len())]
}

#[cfg(test)]
impl Cards {
    /// The pieces, each with what marks it out and the bytes it has.
    pub(super) fn shared(&self) -> impl Iterator<Item = (*const u8, usize)> {
        self.pieces.iter().map(|piece| (piece.as_ptr(), piece.len()))
    }

    /// What the list takes besides them.
    pub(super) fn room(&self) -> usize {
        self.pieces.len() * PIECE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(cards: &Cards) -> Vec<u8> {
        cards.pieces.concat()
    }

    /// Cards of files by their numbers, with a version each.
    fn listed(files: &[(u16, u8)]) -> Vec<u8> {
        let card = |(number, version): &(u16, u8)| format!("F name-{number:05} {version:02x}\n");
        files.iter().map(card).collect::<String>().into_bytes()
    }

    fn lists() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let files = proptest::collection::btree_map(0..400_u16, 0..3_u8, 0..300);
        let list = files.prop_map(|files| listed(&files.into_iter().collect::<Vec<_>>()));
        proptest::collection::vec(list, 2..5)
    }

    proptest! {
        #[test]
        fn lists_are_cut_alike_and_whole_whatever_they_share(texts in lists()) {
            let alone: Vec<Cards> = texts.iter().map(|text| Cards::new(text, &Cards::default())).collect();
            let mut before = Cards::default();
            for (list, alone) in texts.iter().zip(&alone) {
                let cards = Cards::new(list, &before);
                prop_assert_eq!(&text(&cards), list);
                prop_assert_eq!(&cards.pieces, &alone.pieces);
                before = cards;
            }
        }

        #[test]
        fn what_is_common_is_passed_over(texts in lists()) {
            let first = Cards::new(&texts[0], &Cards::default());
            let second = Cards::new(&texts[1], &first);
            let (mut left, mut right) = (first.rest(), second.rest());
            left.skip_common(&mut right);
            let (expected, expected_right) = skip_common(&texts[0], &texts[1]);
            let left: Vec<Entry<'_>> = std::iter::from_fn(|| left.next()).collect();
            let right: Vec<Entry<'_>> = std::iter::from_fn(|| right.next()).collect();
            let read = |text| Lines(text).filter_map(Entry::read).collect::<Vec<_>>();
            prop_assert_eq!(left, read(expected));
            prop_assert_eq!(right, read(expected_right));
        }
    }

    #[test]
    fn a_list_with_one_card_more_takes_room_for_a_piece() {
        let mut files: Vec<(u16, u8)> = (0..2000).map(|number| (2 * number, 0)).collect();
        let first = Cards::new(&listed(&files), &Cards::default());
        assert_eq!(first.own_bytes(), first.pieces.len() * PIECE_BYTES + text(&first).len());
        files.insert(1000, (1999, 0));
        let second = Cards::new(&listed(&files), &first);
        let new =
            second.pieces.iter().filter(|piece| !first.pieces.iter().any(|old| Arc::ptr_eq(old, piece)));
        assert!((1..=2).contains(&new.count()));
        let (bytes, shared) = (second.own_bytes(), second.pieces.len() * PIECE_BYTES);
        assert!(bytes > shared && bytes < shared + 10_000, "{bytes}");
    }

    #[test]
    fn entries_are_decoded_and_reserved_names_left_out() {
        let read = |line: &'static str| Entry::read(line.as_bytes());
        assert_eq!(
            read("F a\\sb aa xl c\\sd"),
            Some(Entry {
                name: Cow::Borrowed(b"a b"),
                id: Some(b"aa"),
                perm: 1,
                old_name: Some(Cow::Borrowed(b"c d")),
            })
        );
        assert_eq!(read("F a"), Some(Entry { name: Cow::Borrowed(b"a"), id: None, perm: 0, old_name: None }));
        assert_eq!(read("F _FOSSIL_ aa"), None);
    }
}
