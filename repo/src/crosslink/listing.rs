//! File lists of check-ins, those at hand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use memchr::{memchr, memmem};

use super::cards::{Cards, Entry};
use crate::error::Fault;
use crate::manifest::{Artifact, Checkin, Direction, Reader};
use crate::tx::Damage;
use crate::{RepoError, Rid, Tx, content};

/// Bytes that the lists at hand take.
pub(super) const KEPT_BYTES: usize = 20 << 20;

/// What a list takes besides its cards, about.
const LISTING_BYTES: usize = 256;

/// The file list of a check-in, and what else its file changes depend on.
#[derive(Debug)]
pub(super) struct Listing {
    /// The `F` cards.
    pub(super) cards: Cards,
    /// Whether an old name is given anywhere.
    pub(super) renames: bool,
    /// Number of `P` hashes, as written.
    pub(super) parents: usize,
    /// Number of `Q +` cards.
    pub(super) picks: usize,
    /// Rid of the baseline of a delta manifest.
    pub(super) baseline: Option<Rid>,
}

impl Listing {
    fn new(cards: Cards, checkin: &Checkin, baseline: Option<Rid>) -> Self {
        Self {
            cards,
            renames: checkin.files.iter().any(|file| file.old_name.is_some()),
            parents: checkin.parents.len(),
            picks: checkin.cherrypicks.iter().filter(|pick| pick.direction == Direction::Pick).count(),
            baseline,
        }
    }

    /// Every file of the list itself, without that of a baseline.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.cards.entries()
    }

    /// Bytes that would be free without it.
    fn bytes(&self) -> usize {
        LISTING_BYTES + self.cards.own_bytes()
    }
}

/// Where the `F` cards stand: one run, as cards are sorted by letter.
fn file_cards(content: &[u8]) -> Range<usize> {
    let start = match content.starts_with(b"F ") {
        true => 0,
        false => match memmem::find(content, b"\nF ") {
            Some(at) => at + 1,
            None => return 0..0,
        },
    };
    let mut end = start;
    if !content.starts_with(b"-") {
        // Nothing after the run has a line that begins so.
        end = memmem::rfind(content, b"\nF ").map_or(start, |at| at + 1);
    }
    while content[end..].starts_with(b"F ") {
        end += memchr(b'\n', &content[end..]).map_or(content.len() - end, |line| line + 1);
    }
    start..end
}

/// Lists of check-ins by rid, bounded in bytes. Who was used last stays, and who is waited with stays longer: in a walk
/// through a history there are as many as it has open branches.
#[derive(Default)]
pub(super) struct Listings {
    lists: BTreeMap<Rid, Kept>,
    /// By last use: those that may leave, and those that are held.
    free: BTreeMap<u64, Rid>,
    held: BTreeMap<u64, Rid>,
    clock: u64,
    bytes: usize,
    /// The one that came last: the next has much in common with it.
    last: Option<Rid>,
    reader: Reader,
}

/// A list, and whether it is held.
struct Kept {
    listing: Rc<Listing>,
    used: u64,
    is_held: bool,
}

impl Listings {
    /// Keeps the list of a check-in that has just been read. What it is stored as a delta of has most in common with it.
    pub(super) fn keep(
        &mut self,
        rid: Rid,
        content: &Bytes,
        checkin: &Checkin,
        baseline: Option<Rid>,
        source: Option<Rid>,
    ) {
        if self.lists.contains_key(&rid) {
            return;
        }
        let cards = &content[file_cards(content)];
        let like = [source, self.last].into_iter().flatten().find_map(|other| self.peek(other));
        let cards = match like {
            Some(like) => Cards::new(cards, &like.cards),
            None => Cards::new(cards, &Cards::default()),
        };
        let listing = Rc::new(Listing::new(cards, checkin, baseline));
        self.clock += 1;
        self.bytes += listing.bytes();
        self.last = Some(rid);
        self.free.insert(self.clock, rid);
        self.lists.insert(rid, Kept { listing, used: self.clock, is_held: false });
        self.make_room();
    }

    /// A list that is at hand.
    pub(super) fn peek(&self, rid: Rid) -> Option<&Rc<Listing>> {
        self.lists.get(&rid).map(|kept| &kept.listing)
    }

    /// Whether a list is at hand.
    pub(super) fn has(&self, rid: Rid) -> bool {
        self.lists.contains_key(&rid)
    }

    /// Has a list stay at hand, if there is room.
    pub(super) fn hold(&mut self, rid: Rid) {
        let Some(kept) = self.lists.get_mut(&rid).filter(|kept| !kept.is_held) else { return };
        kept.is_held = true;
        self.free.remove(&kept.used);
        self.held.insert(kept.used, rid);
    }

    /// Lets a list leave that was held.
    pub(super) fn release(&mut self, rid: Rid) {
        let Some(kept) = self.lists.get_mut(&rid).filter(|kept| kept.is_held) else { return };
        kept.is_held = false;
        self.held.remove(&kept.used);
        self.free.insert(kept.used, rid);
    }

    /// Notes that a list is used, and says whether it is at hand.
    pub(super) fn touch(&mut self, rid: Rid) -> bool {
        let Some(kept) = self.lists.get_mut(&rid) else { return false };
        self.clock += 1;
        let uses = if kept.is_held { &mut self.held } else { &mut self.free };
        uses.remove(&kept.used);
        kept.used = self.clock;
        uses.insert(self.clock, rid);
        true
    }

    /// The list of a check-in; none if the artifact is no check-in or not here.
    pub(super) fn load(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<Option<Rc<Listing>>, RepoError> {
        if self.touch(rid) {
            return Ok(self.peek(rid).cloned());
        }
        match held(tx, rid)? {
            Some(content) => self.read(tx, rid, &content),
            None => Ok(None),
        }
    }

    /// The list of a check-in, from its content; none if that is no check-in.
    pub(super) fn read(
        &mut self,
        tx: &Tx<'_>,
        rid: Rid,
        content: &Bytes,
    ) -> Result<Option<Rc<Listing>>, RepoError> {
        let Some(Some(Artifact::Checkin(checkin))) = self.reader.read(&[content]).pop() else {
            return Ok(None);
        };
        self.add(tx, rid, content, &checkin)?;
        Ok(self.peek(rid).cloned())
    }

    /// Keeps the list of a check-in that was read.
    pub(super) fn add(
        &mut self,
        tx: &Tx<'_>,
        rid: Rid,
        content: &Bytes,
        checkin: &Checkin,
    ) -> Result<(), RepoError> {
        let baseline = match &checkin.baseline {
            Some(baseline) => crate::blob::rid(tx, baseline)?,
            None => None,
        };
        let source = content::delta_source(tx, rid)?;
        self.keep(rid, content, checkin, baseline, source);
        Ok(())
    }

    /// Has lists leave until there is room. The one that came last stays: the next one shares its pieces.
    fn make_room(&mut self) {
        while self.bytes > KEPT_BYTES {
            let oldest =
                |uses: &BTreeMap<u64, Rid>| uses.values().copied().find(|&rid| Some(rid) != self.last);
            let (free, held) = (oldest(&self.free), oldest(&self.held));
            let leaves = if self.held.len() > self.free.len() { held.or(free) } else { free.or(held) };
            let Some(leaves) = leaves else { return };
            self.remove(leaves);
        }
    }

    fn remove(&mut self, rid: Rid) {
        let Some(kept) = self.lists.remove(&rid) else { return };
        let uses = if kept.is_held { &mut self.held } else { &mut self.free };
        uses.remove(&kept.used);
        self.bytes -= kept.listing.bytes();
    }
}

/// The content of an artifact that is here and whole; what is damaged fails or counts as missing, as the
/// transaction says.
pub(super) fn held(tx: &Tx<'_>, rid: Rid) -> Result<Option<Bytes>, RepoError> {
    match content::get(tx, rid) {
        Ok(content) => Ok(Some(content)),
        Err(RepoError::NoContent(_)) => Ok(None),
        Err(error) if error.fault() == Fault::Sender => match tx.memory().borrow().damage {
            Damage::CountsAsMissing => Ok(None),
            Damage::IsAnError => Err(error),
        },
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_wherever_they_stand() {
        let cases: [(&str, &str); 4] = [
            ("D x\nF a\nF b c\nU u\n", "F a\nF b c\n"),
            ("F a\nZ x\n", "F a\n"),
            ("D x\nU F\nZ x\n", ""),
            ("D x\nF a\n", "F a\n"),
        ];
        for (text, cards) in cases {
            let range = file_cards(text.as_bytes());
            assert_eq!(&text[range], cards, "{text:?}");
        }
    }

    /// A check-in of so many files, one of which has a version.
    fn checkin(files: usize, changed: usize, version: usize) -> Bytes {
        let card = |file| format!("F {file:06} {:040}\n", if file == changed { version } else { 0 });
        format!("D 2020-01-01\n{}U u\n", (0..files).map(card).collect::<String>()).into()
    }

    /// What the lists at hand take, counted anew.
    fn bytes(listings: &Listings) -> usize {
        let pieces: BTreeMap<_, _> =
            listings.lists.values().flat_map(|kept| kept.listing.cards.shared()).collect();
        let lists = listings.lists.values().map(|kept| LISTING_BYTES + kept.listing.cards.room());
        lists.sum::<usize>() + pieces.values().sum::<usize>()
    }

    #[test]
    fn many_lists_of_one_tree_are_at_hand_and_what_they_take_is_bounded() {
        let mut listings = Listings::default();
        for version in 0..3000 {
            let content = checkin(2000, version * 7 % 2000, version);
            listings.keep(Rid(version as i64), &content, &Checkin::default(), None, None);
            if version % 3 == 0 {
                listings.hold(Rid(version as i64));
            }
            if version % 5 == 0 {
                listings.release(Rid(version as i64 - 30));
            }
        }
        assert_eq!(listings.bytes, bytes(&listings));
        assert!(listings.bytes <= KEPT_BYTES);
        assert!(listings.lists.len() > 500, "{}", listings.lists.len());
        assert!(listings.has(Rid(2999)));
    }

    #[test]
    fn a_list_that_is_too_long_is_at_hand_until_the_next_comes() {
        let mut listings = Listings::default();
        let (long, short) = (checkin(KEPT_BYTES / 40, 0, 0), checkin(1, 0, 0));
        listings.keep(Rid(1), &long, &Checkin::default(), None, None);
        assert!(listings.has(Rid(1)));
        listings.hold(Rid(1));
        listings.keep(Rid(2), &short, &Checkin::default(), None, None);
        assert!(listings.has(Rid(2)));
        listings.keep(Rid(3), &short, &Checkin::default(), None, None);
        assert!(!listings.has(Rid(1)));
        assert_eq!(listings.bytes, bytes(&listings));
    }
}
