//! A message written a piece at a time.

use std::vec::IntoIter;

use bytes::Bytes;

use super::{Direction, file_line, login, write_card};
use crate::{Card, Message};

/// Bytes of a piece, at least, unless it is the last one or comes before a long payload.
const PIECE_BYTES: usize = 48 << 10;

/// The pieces of what [`super::encode`] gives. What was written is held no more, and long payloads are not copied.
#[derive(Debug)]
pub struct Pieces {
    cards: IntoIter<Card>,
    text: Vec<u8>,
    /// A payload that comes after the text.
    payload: Bytes,
    left: usize,
}

impl Pieces {
    /// Of a message.
    pub fn of(message: Message) -> Self {
        let mut text = Vec::new();
        if let Some(one) = &message.login {
            login(one, &mut text);
        }
        let left = text.len() + length(&message.cards);
        Self { cards: message.cards.into_iter(), text, payload: Bytes::new(), left }
    }

    /// Bytes that are still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Whether the text is a piece by now.
    fn fill(&mut self) -> bool {
        if self.text.len() >= PIECE_BYTES || !self.payload.is_empty() {
            return true;
        }
        match self.cards.next() {
            None => return true,
            Some(Card::File(one)) => {
                let payload = file_line(&one, &mut self.text);
                if payload.len() >= PIECE_BYTES {
                    self.payload = payload.clone();
                } else {
                    self.text.extend_from_slice(payload);
                }
            }
            Some(one) => write_card(&one, Direction::Request, &mut self.text),
        }
        false
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while !self.fill() {}
        let piece = if self.text.is_empty() {
            std::mem::take(&mut self.payload)
        } else {
            Bytes::from(std::mem::take(&mut self.text))
        };
        self.left -= piece.len();
        (!piece.is_empty()).then_some(piece)
    }
}

fn length(cards: &[Card]) -> usize {
    let mut text = Vec::new();
    let length = |card: &Card| {
        text.clear();
        let payload = match card {
            Card::File(one) => file_line(one, &mut text).len(),
            other => {
                write_card(other, Direction::Request, &mut text);
                0
            }
        };
        text.len() + payload
    };
    cards.iter().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{FileCard, Payload, Privacy};
    use crate::hash::sha3_256;

    fn file(length: usize, payload: fn(Bytes) -> Payload) -> Card {
        let bytes = Bytes::from(vec![b'x'; length]);
        Card::File(FileCard {
            id: sha3_256(&bytes),
            delta_source: None,
            payload: payload(bytes),
            privacy: Privacy::Private,
        })
    }

    #[test]
    fn pieces_are_the_message_and_as_long_as_they_say() {
        let zlib = |bytes| Payload::Zlib { size: 7, bytes };
        for lengths in
            [&[][..], &[0], &[10, PIECE_BYTES - 1, 10], &[PIECE_BYTES; 2], &[1, 3 * PIECE_BYTES, 1]]
        {
            let files = lengths.iter().flat_map(|&length| [file(length, zlib), file(length, Payload::Plain)]);
            let message: Message = files.chain([Card::Error("no".into())]).collect();
            let (whole, mut pieces) = (super::super::encode(&message), Pieces::of(message));
            assert_eq!(pieces.left(), whole.len());
            let mut got = Vec::new();
            while let Some(piece) = pieces.next() {
                got.extend_from_slice(&piece);
                assert_eq!(got.len() + pieces.left(), whole.len());
            }
            assert_eq!(got, whole, "{lengths:?}");
        }
        assert_eq!(Pieces::of(Message::default()).next(), None);
    }
}
