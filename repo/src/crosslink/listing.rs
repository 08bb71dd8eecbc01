//! File lists of check-ins, as they stand in the artifact.
//!
//! A list is kept as the bytes of its `F` cards, which ascend by name. Two versions of a large tree share
//! almost all of them, and equal bytes need no reading.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::error::Fault;
use crate::lines::Lines;
use crate::manifest::{Artifact, Checkin, Direction, Reader};
use crate::tx::Damage;
use crate::{RepoError, Rid, Tx, content, manifest};

/// Bytes of artifacts that [`Listings`] keeps.
const KEPT_BYTES: usize = 10 << 20;

/// The file list of a check-in, and what else its file changes depend on.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    content: Bytes,
    files: Range<usize>,
    /// Whether an old name is given anywhere.
    pub(super) renames: bool,
    /// Number of `P` hashes, as written.
    pub(super) parents: usize,
    /// Number of `Q +` cards.
    pub(super) picks: usize,
    /// Rid of the baseline of a delta manifest.
    pub(super) baseline: Option<Rid>,
}

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

impl Listing {
    fn new(content: &Bytes, checkin: &Checkin, baseline: Option<Rid>) -> Self {
        Self {
            content: content.clone(),
            files: file_cards(content),
            renames: checkin.files.iter().any(|file| file.old_name.is_some()),
            parents: checkin.parents.len(),
            picks: checkin.cherrypicks.iter().filter(|pick| pick.direction == Direction::Pick).count(),
            baseline,
        }
    }

    /// The artifact that has it.
    pub(super) fn content(&self) -> Bytes {
        self.content.clone()
    }

    /// The `F` cards, each with its line end.
    pub(super) fn cards(&self) -> &[u8] {
        &self.content[self.files.clone()]
    }

    /// Every file of the list itself, without that of a baseline.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        Lines(self.cards()).filter_map(Entry::read)
    }
}

impl<'a> Entry<'a> {
    /// Reads a card of an artifact that was parsed. None for the names that Fossil reserves for itself.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
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

fn unescape(token: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', token).is_none() {
        return Cow::Borrowed(token);
    }
    Cow::Owned(xfer::token::unescape(token))
}

/// Recently used lists, by rid, bounded in bytes. Those that are waited with leave last: in a walk through a history
/// there are as many as it has open branches.
#[derive(Default)]
pub(super) struct Listings {
    lists: BTreeMap<Rid, Kept>,
    /// By last use: those that may leave, and those that are held.
    free: BTreeMap<u64, Rid>,
    held: BTreeMap<u64, Rid>,
    clock: u64,
    bytes: usize,
    held_bytes: usize,
    reader: Reader,
}

/// A list, and whether it is held.
struct Kept {
    listing: Listing,
    used: u64,
    is_held: bool,
}

impl Listings {
    /// Keeps the list of a check-in that has just been read.
    pub(super) fn keep(&mut self, rid: Rid, content: &Bytes, checkin: &Checkin, baseline: Option<Rid>) {
        self.insert(rid, Listing::new(content, checkin, baseline));
    }

    /// A list that is at hand.
    pub(super) fn peek(&self, rid: Rid) -> Option<&Listing> {
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
        self.held_bytes += kept.listing.content.len();
        while self.held_bytes > KEPT_BYTES / 2 {
            let Some((_, &oldest)) = self.held.first_key_value() else { break };
            self.release(oldest);
        }
    }

    /// Lets a list leave that was held.
    pub(super) fn release(&mut self, rid: Rid) {
        let Some(kept) = self.lists.get_mut(&rid).filter(|kept| kept.is_held) else { return };
        kept.is_held = false;
        self.held.remove(&kept.used);
        self.free.insert(kept.used, rid);
        self.held_bytes -= kept.listing.content.len();
    }

    /// The list of a check-in; none if the artifact is no check-in or not here.
    pub(super) fn load(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<Option<Listing>, RepoError> {
        if let Some(kept) = self.lists.get_mut(&rid) {
            self.clock += 1;
            let uses = if kept.is_held { &mut self.held } else { &mut self.free };
            uses.remove(&kept.used);
            kept.used = self.clock;
            uses.insert(self.clock, rid);
            return Ok(Some(kept.listing.clone()));
        }
        let Some(content) = held(tx, rid)? else {
            return Ok(None);
        };
        let Some(Some(Artifact::Checkin(checkin))) = self.reader.read(&[&content]).pop() else {
            return Ok(None);
        };
        let baseline = match &checkin.baseline {
            Some(baseline) => crate::blob::rid(tx, baseline)?,
            None => None,
        };
        let listing = Listing::new(&content, &checkin, baseline);
        self.insert(rid, listing.clone());
        Ok(Some(listing))
    }

    fn insert(&mut self, rid: Rid, listing: Listing) {
        self.remove(rid);
        self.clock += 1;
        self.bytes += listing.content.len();
        self.free.insert(self.clock, rid);
        self.lists.insert(rid, Kept { listing, used: self.clock, is_held: false });
        while self.bytes > KEPT_BYTES && self.free.len() > 1 {
            let Some((_, &oldest)) = self.free.first_key_value() else { break };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, rid: Rid) {
        self.release(rid);
        let Some(kept) = self.lists.remove(&rid) else { return };
        self.free.remove(&kept.used);
        self.bytes -= kept.listing.content.len();
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
