//! A body that is longer than a message may be goes in parts. Here is what both ends know of it, without I/O.
//!
//! Parts are numbered from 0 and taken in order. The receiver grants credit: how many parts beyond those it has may be
//! on their way. A part that comes twice is dropped; after a gap, or a part that was damaged, everything from there is
//! asked for again.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// Parts that may be on their way at once.
pub(super) const CREDIT: u32 = 16;

/// Bytes of a part at most: other messages pass between parts.
pub(super) const MAX_PART_BYTES: usize = 512 * 1024;

/// How often parts may be asked for again without one more having come.
const MAX_REPEATS: u32 = 50;

/// What stands before a part: `NUMBER OFFSET CRC32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u32,
    /// Where its first byte belongs.
    pub(super) offset: u64,
    /// CRC-32 of its bytes.
    pub(super) sum: u32,
}

/// What the receiver says: `NEXT CREDIT`, and `again` if parts from there on were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    /// The first part that it does not have.
    pub(super) next: u32,
    /// How many from there on it takes.
    pub(super) credit: u32,
    /// Whether to send them even if they were sent.
    pub(super) resend: bool,
}

/// Why a transfer cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("a part does not begin where the one before it ends")]
    Offset,
    #[error("a part passes the end of its body, or is empty")]
    Length,
    #[error("parts are asked for that there are not")]
    NoSuchPart,
    #[error("parts were sent {MAX_REPEATS} times, and never arrived")]
    Lost,
}

/// A body on its way out.
pub(super) struct Outflow {
    bytes: Bytes,
    part_bytes: usize,
    /// The next part to send.
    next: u32,
    /// The first part that must wait for credit.
    end: u32,
    /// The first part that the receiver does not have.
    acked: u32,
    repeats: u32,
}

/// A body on its way in.
pub(super) struct Inflow {
    bytes: BytesMut,
    total: usize,
    next: u32,
    /// Whether the parts from `next` on were asked for again already.
    asked: bool,
    /// The first part that was not allowed yet, where parts are allowed one after another.
    allowed: Option<u32>,
}

impl Part {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let part = Self {
            number: decimal(words.next()?)?,
            offset: decimal(words.next()?)?,
            sum: words
                .next()
                .filter(|word| is_sum(word))
                .and_then(|word| u32::from_str_radix(word, 16).ok())?,
        };
        words.next().is_none().then_some(part)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:08x}", self.number, self.offset, self.sum)
    }
}

impl Ack {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (next, credit) = (decimal(words.next()?)?, decimal(words.next()?)?);
        let resend = match words.next() {
            None => false,
            Some("again") => true,
            Some(_) => return None,
        };
        words.next().is_none().then_some(Self { next, credit, resend })
    }
}

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.next, self.credit, if self.resend { " again" } else { "" })
    }
}

/// A number as it is written here: digits and nothing else.
fn decimal<T: std::str::FromStr>(word: &str) -> Option<T> {
    let is_plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if is_plain { word.parse().ok() } else { None }
}

fn is_sum(word: &str) -> bool {
    word.len() == 8 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl Outflow {
    /// Sends `bytes` in parts of so many.
    pub(super) fn new(bytes: Bytes, part_bytes: usize) -> Self {
        Self { bytes, part_bytes: part_bytes.max(1), next: 0, end: 0, acked: 0, repeats: 0 }
    }

    /// The next part that may go now.
    pub(super) fn next_part(&mut self) -> Option<(Part, Bytes)> {
        if !self.has_part() {
            return None;
        }
        let start = self.next as usize * self.part_bytes;
        let bytes = self.bytes.slice(start..(start + self.part_bytes).min(self.bytes.len()));
        let part = Part { number: self.next, offset: start as u64, sum: crc32fast::hash(&bytes) };
        self.next += 1;
        Some((part, bytes))
    }

    /// Whether there is a part that may go now.
    pub(super) fn has_part(&self) -> bool {
        self.next < self.end
    }

    /// Takes note of what the receiver says.
    pub(super) fn hear(&mut self, ack: Ack) -> Result<(), Flaw> {
        if ack.next > self.count() {
            return Err(Flaw::NoSuchPart);
        }
        // What was said before something else that was heard already counts for nothing.
        if ack.next < self.acked {
            return Ok(());
        }
        if ack.next > self.acked {
            self.repeats = 0;
        }
        self.acked = ack.next;
        self.next = self.next.max(ack.next);
        if ack.resend && self.next > ack.next {
            self.repeats += 1;
            if self.repeats > MAX_REPEATS {
                return Err(Flaw::Lost);
            }
            self.next = ack.next;
        }
        self.end = ack.next.saturating_add(ack.credit.min(CREDIT)).min(self.count());
        Ok(())
    }

    /// Whether the receiver has everything.
    pub(super) fn is_done(&self) -> bool {
        self.acked == self.count()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.bytes.len().div_ceil(self.part_bytes)).unwrap_or(u32::MAX)
    }
}

impl Inflow {
    /// Expects `total` bytes. What is announced costs nothing: memory is taken as they come.
    pub(super) fn new(total: usize) -> Self {
        Self { bytes: BytesMut::new(), total, next: 0, asked: false, allowed: None }
    }

    /// Expects them no faster than each part is allowed.
    pub(super) fn slow(total: usize) -> Self {
        Self { allowed: Some(0), ..Self::new(total) }
    }

    /// What to tell the sender first, and when nothing came for a while.
    pub(super) fn wish(&mut self) -> Ack {
        self.asked = true;
        // What was allowed and did not come has to be allowed again.
        self.allowed = self.allowed.map(|_| self.next);
        self.ack(true)
    }

    /// Whether one more part may be allowed.
    pub(super) fn may_allow(&self) -> bool {
        self.allowed.is_some() && self.credit() < CREDIT && !self.is_done()
    }

    /// Allows one more part; gives what to tell the sender.
    pub(super) fn allow(&mut self) -> Ack {
        self.allowed = self.allowed.map(|allowed| allowed.saturating_add(1));
        self.ack(false)
    }

    /// Whether a part may be on its way.
    pub(super) fn expects_any(&self) -> bool {
        self.credit() > 0
    }

    /// Whether each part has to be allowed.
    pub(super) fn is_slow(&self) -> bool {
        self.allowed.is_some()
    }

    fn credit(&self) -> u32 {
        self.allowed.map_or(CREDIT, |allowed| allowed.saturating_sub(self.next))
    }

    fn ack(&self, resend: bool) -> Ack {
        Ack { next: self.next, credit: self.credit(), resend }
    }

    /// Takes a part; gives what to tell the sender, if anything.
    pub(super) fn take(&mut self, part: &Part, bytes: &[u8]) -> Result<Option<Ack>, Flaw> {
        if part.number < self.next {
            return Ok(None);
        }
        let is_sound = part.number == self.next && part.sum == crc32fast::hash(bytes);
        if !is_sound {
            return Ok((!self.asked).then(|| self.wish()));
        }
        if part.offset != self.bytes.len() as u64 {
            return Err(Flaw::Offset);
        }
        if bytes.is_empty() || bytes.len() > self.total - self.bytes.len() {
            return Err(Flaw::Length);
        }
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            let missing = self.total - self.bytes.len();
            self.bytes.reserve(missing.min(self.bytes.len().max(bytes.len())));
        }
        self.bytes.extend_from_slice(bytes);
        self.next += 1;
        self.asked = false;
        Ok(Some(self.ack(false)))
    }

    /// Bytes that came.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything is there.
    pub(super) fn is_done(&self) -> bool {
        self.bytes.len() == self.total
    }

    /// The body, once it is whole.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written_and_in_no_other_way() {
        let part = Part { number: 12, offset: 6_291_456, sum: 0xbeef };
        assert_eq!(part.to_string(), "12 6291456 0000beef");
        assert_eq!(Part::read("12 6291456 0000beef"), Some(part));
        for text in [
            "",
            "1",
            "1 2",
            "1 2 0000beef 3",
            "01 2 0000beef",
            "+1 2 0000beef",
            "1 2 beef",
            "1 2 0000BEEF",
            "1  2 0000beef",
            "4294967296 2 0000beef",
            "1 -2 0000beef",
            "1 2 +000beef",
        ] {
            assert_eq!(Part::read(text), None, "{text}");
        }
        let ack = Ack { next: 7, credit: 16, resend: true };
        assert_eq!((ack.to_string().as_str(), Ack::read("7 16 again")), ("7 16 again", Some(ack)));
        assert_eq!(Ack::read("7 16"), Some(Ack { resend: false, ..ack }));
        for text in ["", "7", "7 16 once", "7 16 again again", "7 x", "7 016", " 7 16"] {
            assert_eq!(Ack::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_part_that_does_not_fit_ends_the_transfer() {
        let part = |number, offset, bytes: &[u8]| Part { number, offset, sum: crc32fast::hash(bytes) };
        let taken = |part: Part, bytes: &[u8]| {
            let mut inflow = Inflow::new(4);
            inflow.take(&Part { number: 0, offset: 0, sum: crc32fast::hash(b"ab") }, b"ab").unwrap();
            inflow.take(&part, bytes)
        };
        assert_eq!(taken(part(1, 3, b"cd"), b"cd"), Err(Flaw::Offset));
        assert_eq!(taken(part(1, 2, b"cde"), b"cde"), Err(Flaw::Length));
        assert_eq!(taken(part(1, 2, b""), b""), Err(Flaw::Length));
        assert_eq!(taken(part(0, 0, b"ab"), b"ab"), Ok(None));
        let again = Ok(Some(Ack { next: 1, credit: CREDIT, resend: true }));
        assert_eq!(taken(part(2, 4, b"ef"), b"ef"), again, "a gap");
        assert_eq!(taken(part(1, 2, b"cd"), b"ce"), again, "damaged");
        assert_eq!(taken(part(1, 2, b"cd"), b"cd"), Ok(Some(Ack { next: 2, credit: CREDIT, resend: false })));
        let mut outflow = Outflow::new(Bytes::from_static(b"abc"), 2);
        assert_eq!(outflow.hear(Ack { next: 3, credit: 1, resend: false }), Err(Flaw::NoSuchPart));
    }

    #[test]
    fn no_more_parts_are_on_their_way_than_there_is_credit_for() {
        let mut outflow = Outflow::new(Bytes::from(vec![0; 100]), 1);
        assert!(outflow.next_part().is_none());
        outflow.hear(Ack { next: 0, credit: u32::MAX, resend: true }).unwrap();
        let mut sent = 0;
        while outflow.next_part().is_some() {
            sent += 1;
        }
        assert_eq!(sent, CREDIT);
        for _ in 0..MAX_REPEATS {
            outflow.hear(Ack { next: 0, credit: 1, resend: true }).unwrap();
            assert!(outflow.next_part().is_some() && outflow.next_part().is_none());
        }
        assert_eq!(outflow.hear(Ack { next: 0, credit: 1, resend: true }), Err(Flaw::Lost));
    }

    /// What happens to a message on its way.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Arrives,
        IsLost,
        ComesTwice,
        IsDamaged,
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![6 => Just(Fate::Arrives), 1 => Just(Fate::IsLost), 1 => Just(Fate::ComesTwice), 1 => Just(Fate::IsDamaged)]
    }

    proptest! {
        #[test]
        fn every_header_is_read_again(number: u32, offset: u64, sum: u32, credit: u32, resend: bool) {
            let part = Part { number, offset, sum };
            prop_assert_eq!(Part::read(&part.to_string()), Some(part));
            let ack = Ack { next: number, credit, resend };
            prop_assert_eq!(Ack::read(&ack.to_string()), Some(ack));
        }

        #[test]
        fn what_is_lost_doubled_or_damaged_arrives_in_the_end(
            bytes in proptest::collection::vec(any::<u8>(), 1..400),
            part_bytes in 1usize..40,
            fates in proptest::collection::vec(fate(), 0..200),
        ) {
            let body = Bytes::from(bytes);
            let (mut out, mut into) = (Outflow::new(body.clone(), part_bytes), Inflow::new(body.len()));
            let mut fates = fates.into_iter();
            let mut parts: VecDeque<(Part, Bytes)> = VecDeque::new();
            let mut acks = VecDeque::from([into.wish()]);
            for _ in 0..20_000 {
                if out.is_done() {
                    break;
                }
                while let Some(ack) = acks.pop_front() {
                    match fates.next().unwrap_or(Fate::Arrives) {
                        Fate::Arrives | Fate::IsDamaged => out.hear(ack).unwrap(),
                        Fate::IsLost => {}
                        Fate::ComesTwice => { out.hear(ack).unwrap(); out.hear(ack).unwrap(); }
                    }
                }
                while let Some((part, bytes)) = out.next_part() {
                    match fates.next().unwrap_or(Fate::Arrives) {
                        Fate::Arrives => parts.push_back((part, bytes)),
                        Fate::IsLost => {}
                        Fate::ComesTwice => parts.extend([(part, bytes.clone()), (part, bytes)]),
                        Fate::IsDamaged => {
                            let mut bad = bytes.to_vec();
                            bad[0] ^= 1;
                            parts.push_back((part, bad.into()));
                        }
                    }
                }
                while let Some((part, bytes)) = parts.pop_front() {
                    acks.extend(into.take(&part, &bytes).unwrap());
                }
                if acks.is_empty() {
                    // Nothing more comes: the receiver asks again after a while.
                    acks.push_back(into.wish());
                }
            }
            prop_assert!(out.is_done() && into.is_done());
            prop_assert_eq!(into.into_bytes(), body);
        }
    }
}
