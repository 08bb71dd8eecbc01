//! Making a delta.
//!
//! The source is cut into blocks of 16 bytes; a rolling sum over the target finds blocks that may be equal,
//! and each hit is stretched both ways.

use super::number::{checksum, digits, put_number};

/// Bytes of a block of the source, and of the window over the target.
const BLOCK: usize = 16;

/// How many blocks of one sum are tried at one place. Bounds the time that a source of equal blocks costs.
const TRIES: usize = 64;

/// A match this long is taken without trying the rest.
const GOOD_ENOUGH: usize = 2048;

/// No block.
const NONE: u32 = u32::MAX;

/// Makes a delta that turns `source` into `target`. Both are shorter than 2^32 bytes.
pub fn create(source: &[u8], target: &[u8]) -> Vec<u8> {
    let mut delta = Vec::with_capacity(64 + target.len() / 16);
    put_number(size(target), &mut delta);
    delta.push(b'\n');
    let mut writer = Writer { target, delta, written: 0 };
    if source.len() > BLOCK && target.len() >= BLOCK {
        write_matches(source, target, &mut writer);
    }
    writer.insert_until(target.len());
    put_number(checksum(target), &mut writer.delta);
    writer.delta.push(b';');
    writer.delta
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("artifacts are bounded far below 2^32 bytes")
}

fn write_matches(source: &[u8], target: &[u8], writer: &mut Writer<'_>) {
    let index = Index::of(source);
    let mut at = 0;
    while at + BLOCK <= target.len() {
        let mut window = Window::over(&target[at..at + BLOCK]);
        let found = loop {
            if let Some(found) = index.best(source, target, at, writer.written, window.sum()) {
                break Some(found);
            }
            if at + BLOCK >= target.len() {
                break None;
            }
            window.roll(target[at], target[at + BLOCK]);
            at += 1;
        };
        let Some(found) = found else { return };
        writer.insert_until(found.target);
        writer.copy(&found);
        at = found.target + found.length;
    }
}

/// Bytes of the target that the source has too.
struct Match {
    source: usize,
    target: usize,
    length: usize,
}

impl Match {
    /// Bytes that a copy of it takes in the delta.
    fn cost(&self) -> usize {
        digits(self.length) + digits(self.source) + 2
    }
}

/// Blocks of the source by their sums.
struct Index {
    /// First block of each slot.
    slots: Vec<u32>,
    /// The next block of the same slot, for each block.
    next: Vec<u32>,
}

impl Index {
    fn of(source: &[u8]) -> Self {
        let blocks = source.len() / BLOCK;
        let mut index = Self { slots: vec![NONE; blocks.next_power_of_two()], next: vec![NONE; blocks] };
        // Backwards, so that each slot lists its blocks from the front. Of a run of equal blocks the first
        // is enough: a match is stretched from there.
        for block in (0..blocks).rev() {
            let bytes = &source[block * BLOCK..][..BLOCK];
            let slot = index.slot(Window::over(bytes).sum());
            let head = index.slots[slot];
            index.next[block] = head;
            if head as usize == block + 1 && source[(block + 1) * BLOCK..][..BLOCK] == *bytes {
                index.next[block] = index.next[block + 1];
            }
            index.slots[slot] = block as u32;
        }
        index
    }

    fn slot(&self, sum: u32) -> usize {
        (sum.wrapping_mul(0x9e37_79b1) >> 7) as usize & (self.slots.len() - 1)
    }

    /// The longest match around the window at `at`, if a copy of it is shorter than the bytes themselves. It
    /// reaches back no farther than `floor`.
    fn best(&self, source: &[u8], target: &[u8], at: usize, floor: usize, sum: u32) -> Option<Match> {
        let mut best: Option<Match> = None;
        let mut block = self.slots[self.slot(sum)];
        for _ in 0..TRIES {
            if block == NONE {
                break;
            }
            let found = stretch(source, target, block as usize * BLOCK, at, floor);
            let longest = best.as_ref().map_or(0, |best| best.length);
            if found.length > longest && found.length > found.cost() {
                let enough = found.length >= GOOD_ENOUGH;
                best = Some(found);
                if enough {
                    break;
                }
            }
            block = self.next[block as usize];
        }
        best
    }
}

/// Makes the match of `source[from..]` and `target[at..]` as long as it gets, both ways.
fn stretch(source: &[u8], target: &[u8], from: usize, at: usize, floor: usize) -> Match {
    let forward = alike(&source[from..], &target[at..]);
    if forward < BLOCK {
        // Another block with the same sum.
        return Match { source: from, target: at, length: 0 };
    }
    let before = source[..from].iter().rev().zip(target[floor..at].iter().rev());
    let back = before.take_while(|(a, b)| a == b).count();
    Match { source: from - back, target: at - back, length: forward + back }
}

/// How many bytes at the beginning are equal.
fn alike(a: &[u8], b: &[u8]) -> usize {
    let wide = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0).take_while(|(a, b)| a == b).count();
    let start = wide * 16;
    start + a[start..].iter().zip(&b[start..]).take_while(|(a, b)| a == b).count()
}

/// A sum over a block that moves on byte by byte.
struct Window {
    plain: u32,
    weighted: u32,
}

impl Window {
    fn over(bytes: &[u8]) -> Self {
        let mut window = Self { plain: 0, weighted: 0 };
        for &byte in bytes {
            window.plain = window.plain.wrapping_add(byte.into());
            window.weighted = window.weighted.wrapping_add(window.plain);
        }
        window
    }

    fn roll(&mut self, out: u8, into: u8) {
        self.plain = self.plain.wrapping_sub(out.into()).wrapping_add(into.into());
        let leaving = u32::from(out).wrapping_mul(BLOCK as u32);
        self.weighted = self.weighted.wrapping_sub(leaving).wrapping_add(self.plain);
    }

    fn sum(&self) -> u32 {
        self.plain & 0xffff | self.weighted << 16
    }
}

/// The delta so far.
struct Writer<'t> {
    target: &'t [u8],
    delta: Vec<u8>,
    /// Bytes of the target that the delta makes so far.
    written: usize,
}

impl Writer<'_> {
    fn insert_until(&mut self, end: usize) {
        if end > self.written {
            let bytes = &self.target[self.written..end];
            put_number(size(bytes), &mut self.delta);
            self.delta.push(b':');
            self.delta.extend_from_slice(bytes);
            self.written = end;
        }
    }

    fn copy(&mut self, found: &Match) {
        put_number(found.length as u32, &mut self.delta);
        self.delta.push(b'@');
        put_number(found.source as u32, &mut self.delta);
        self.delta.push(b',');
        self.written += found.length;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{apply, checksum_fits, target_size};
    use super::*;

    fn check(source: &[u8], target: &[u8]) -> Vec<u8> {
        let delta = create(source, target);
        assert_eq!(target_size(&delta).unwrap(), target.len());
        assert_eq!(apply(source, &delta, target.len()).unwrap(), target);
        assert!(checksum_fits(&delta, target).unwrap());
        delta
    }

    #[test]
    fn the_worked_example_of_the_reference_comes_out_as_there() {
        let source = b"The quick brown fox jumps over the lazy dog.\nLine two here.\n";
        let target = b"The quick brown fox leaps over the lazy dog.\nLine two here.\nAnd three.\n";
        assert_eq!(check(source, target), b"17\nK@0,3:leaa@N,B:And three.\n3b8qtY;");
    }

    #[test]
    fn short_and_empty_texts_are_inserted() {
        let cases: [(&[u8], &[u8], &[u8]); 3] = [
            (b"", b"", b"0\n0;"),
            (b"abc", b"", b"0\n0;"),
            (b"0123456789abcdef", b"0123", b"4\n4:0123mC8p;"),
        ];
        for (source, target, delta) in cases {
            let made = check(source, target);
            assert_eq!(made[..delta.len().min(4)], delta[..delta.len().min(4)]);
        }
    }

    #[test]
    fn texts_of_few_different_blocks_take_bounded_time() {
        let zeros = vec![0; 1 << 18];
        assert!(check(&zeros, &zeros[..1 << 17]).len() < 40);
        // Blocks that share their sum and are not equal.
        let mut source = Vec::new();
        for n in 0..8000_u32 {
            let mut block = [100_u8; BLOCK];
            for bit in 0..15 {
                // Moves between neighbours that leave both sums alone need three bytes.
                if n >> bit & 1 == 1 && bit + 2 < BLOCK {
                    block[bit] += 1;
                    block[bit + 1] -= 2;
                    block[bit + 2] += 1;
                }
            }
            source.extend_from_slice(&block);
        }
        let target: Vec<u8> = source.iter().rev().copied().collect();
        check(&source, &target);
    }

    proptest! {
        #[test]
        fn what_is_made_applies(source in text(), target in text()) {
            check(&source, &target);
        }

        #[test]
        fn an_edit_costs_little(
            source in proptest::collection::vec(any::<u8>(), 200..4000),
            at in any::<prop::sample::Index>(),
            edit in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let at = at.index(source.len());
            let target = [&source[..at], &edit, &source[at..]].concat();
            prop_assert!(check(&source, &target).len() < 90);
        }
    }

    /// Texts of few letters, which have much in common.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(b"a".to_vec()), Just(b"bcdefgh".to_vec()), any::<[u8; 5]>().prop_map(Vec::from)],
            0..200,
        )
        .prop_map(|pieces| pieces.concat())
    }
}
