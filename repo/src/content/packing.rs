//! Stored forms of what came plain, made by other threads while this one stores those before.

use std::ops::Range;

use bytes::Bytes;

use crate::Snapshot;
use crate::ingest::crew::{self, Begun, Crew, Tools, Work};

/// Plain bytes whose stored forms are made while those before are stored.
const AHEAD_BYTES: usize = 1 << 20;

/// Plain bytes that one thread packs at a time.
const PIECE_BYTES: usize = 32 << 10;

/// A stored form that is that of what came: of an artifact, or of a delta.
#[derive(Debug, Clone)]
pub struct Packed(pub(super) Bytes);

/// Of several artifacts or deltas, the stored forms; none of what is to be packed by whoever stores it.
struct Packing {
    plain: Vec<Option<Bytes>>,
    pieces: Vec<Range<usize>>,
}

/// Tells of each thing that came in its turn, with the stored form of those that are `plain`. Without it where there are too
/// few bytes to have other threads lend a hand: then there is nothing to be gained.
pub fn packed_ahead<E>(
    snap: &Snapshot<'_>,
    plain: &[Option<Bytes>],
    mut each: impl FnMut(usize, Option<Packed>) -> Result<(), E>,
) -> Result<(), E> {
    let sizes: Vec<usize> = plain.iter().map(|plain| plain.as_ref().map_or(0, Bytes::len)).collect();
    snap.with_crew(sizes.iter().sum(), |crew| {
        if crew.is_alone() {
            return (0..plain.len()).try_for_each(|place| each(place, None));
        }
        let parts = crew::pieces(sizes.iter().copied(), AHEAD_BYTES);
        let mut coming = parts.first().map(|part| begin(crew, &plain[part.clone()]));
        for (number, part) in parts.iter().enumerate() {
            let next = parts.get(number + 1).map(|next| begin(crew, &plain[next.clone()]));
            let Some(begun) = std::mem::replace(&mut coming, next) else { unreachable!("a part was begun") };
            let packed = crew.finish(&begun).into_iter().flatten();
            part.clone().zip(packed).try_for_each(|(place, packed)| each(place, packed))?;
        }
        Ok(())
    })
}

fn begin(crew: &Crew, plain: &[Option<Bytes>]) -> Begun<Packing> {
    let sizes: Vec<usize> = plain.iter().map(|plain| plain.as_ref().map_or(0, Bytes::len)).collect();
    crew.begin(Packing { plain: plain.to_vec(), pieces: crew::pieces(sizes.into_iter(), PIECE_BYTES) })
}

impl Work for Packing {
    type Found = Vec<Option<Packed>>;

    fn parts(&self) -> usize {
        self.pieces.len()
    }

    fn part(&self, number: usize, tools: &mut Tools) -> Vec<Option<Packed>> {
        let mut pack = |plain: &Bytes| Packed(tools.codec.pack(plain).into());
        let piece = self.pieces[number].clone();
        self.plain[piece].iter().map(|plain| plain.as_ref().map(&mut pack)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RepoError;
    use crate::testing::repo;
    use crate::zlib::Codec;

    /// What comes plain, of so many bytes each; nothing for what comes packed.
    fn things(sizes: &[Option<usize>]) -> Vec<Option<Bytes>> {
        let thing = |(number, size): (usize, &Option<usize>)| {
            size.map(|size| format!("{number} ").repeat(size).into_bytes()[..size].to_vec().into())
        };
        sizes.iter().enumerate().map(thing).collect()
    }

    #[test]
    fn each_is_told_of_in_its_turn_with_its_own_stored_form() {
        let many: Vec<_> = (0..400).map(|number| Some(number * 30).filter(|_| number % 7 > 0)).collect();
        let cases: [(&[Option<usize>], bool); 5] = [
            (&[], false),
            (&[None, Some(10), Some(0)], false),
            (&[Some(300 << 10), None, Some(2 << 20), Some(10)], true),
            (&[None, Some(3 << 20), None], true),
            (&many, true),
        ];
        for (sizes, is_much) in cases {
            let (mut repo, plain) = (repo(), things(sizes));
            let threads = repo.snapshot().unwrap().memory().borrow().limits.threads;
            let (mut told, mut codec) = (Vec::new(), Codec::new());
            packed_ahead(&repo.snapshot().unwrap(), &plain, |place, packed| {
                told.push(place);
                let expected = plain[place].as_ref().filter(|_| is_much && threads > 1);
                assert_eq!(packed.map(|packed| packed.0), expected.map(|plain| codec.pack(plain).into()));
                Ok::<_, RepoError>(())
            })
            .unwrap();
            assert_eq!(told, (0..sizes.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_is_the_last_that_is_told_of() {
        let (mut repo, plain) = (repo(), things(&[Some(1 << 20); 4]));
        let mut told = 0;
        let ended = packed_ahead(&repo.snapshot().unwrap(), &plain, |place, _| {
            told += 1;
            if place == 1 { Err(place) } else { Ok(()) }
        });
        assert_eq!((ended, told), (Err(1), 2));
    }
}
