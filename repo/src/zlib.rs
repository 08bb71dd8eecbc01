//! The container of `blob.content`: a 4-byte big-endian size and one zlib stream (reference: repo.md section 2.1).

use std::io::Read;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor};
use xfer::density::is_dense;

/// Deflate cannot do better than this, so a size prefix beyond it is a lie.
const GREATEST_RATIO: usize = 1032;

/// Bytes of a container that are read at a time.
const PART_BYTES: usize = 1 << 16;

/// Room beyond the end of what is inflated. Where there is less left than this, zlib goes on byte by byte: of a delta, from its
/// beginning.
const SLACK: usize = 300;

/// Up to this size deflating saves next to nothing, and clearing its tables of 128 KB takes longer than all else.
const STORED_BYTES: usize = 64;

/// What libdeflate makes at this level has the size of what zlib makes at level 6, in three fifths of the time.
const LEVEL: i32 = 5;

/// More room than this is not kept from one container to the next. Such a container stays where it was made.
const MOST_ROOM: usize = 1 << 20;

/// Says what is wrong with a container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its size prefix.
    #[error("{0} bytes are too few for a size prefix and a zlib stream")]
    TooShort(usize),
    /// Declares more than the limit.
    #[error("declares {declared} bytes, the limit is {limit}")]
    TooLarge {
        /// Size prefix.
        declared: usize,
        /// What was allowed.
        limit: usize,
    },
    /// No zlib stream, or a damaged one.
    #[error("is no zlib stream")]
    NotZlib,
    /// The size prefix is not the size of what follows.
    #[error("declares {declared} bytes and does not inflate to as many")]
    Size {
        /// Size prefix.
        declared: usize,
    },
}

/// Deflates and inflates containers. Keeps its tables from one to the next.
pub struct Codec {
    /// Tables of 700 KB, made when they are first needed.
    compress: Option<Compressor>,
    /// What short containers are made in.
    room: Vec<u8>,
    /// Of 40 KB, made when they are first needed.
    decompress: Option<Decompress>,
}

impl Codec {
    /// A codec that packs about as tightly as zlib at level 6.
    pub fn new() -> Self {
        Self { compress: None, room: Vec::new(), decompress: None }
    }

    /// Packs `plain`, which must be shorter than 2^32 bytes. What deflating makes no smaller is stored as it is.
    pub fn pack(&mut self, plain: &[u8]) -> Vec<u8> {
        let size = u32::try_from(plain.len()).expect("artifacts are bounded far below 2^32 bytes");
        if plain.len() <= STORED_BYTES {
            return stored(plain, size);
        }
        if is_dense(plain) {
            return copied(plain, size);
        }
        let compress = self.compress.get_or_insert_with(|| {
            Compressor::new(CompressionLvl::new(LEVEL).expect("a level that there is"))
        });
        let most = 4 + compress.zlib_compress_bound(plain.len());
        if most > MOST_ROOM {
            // What of it is not written takes no memory.
            let mut frame = vec![0; most];
            let length = fill(&mut frame, plain, size, compress);
            frame.truncate(length);
            return frame;
        }
        if self.room.len() < most {
            self.room = vec![0; most];
        }
        let length = fill(&mut self.room[..most], plain, size, compress);
        self.room[..length].to_vec()
    }

    /// Unpacks a container of at most `limit` bytes. What follows the zlib stream is ignored.
    pub fn unpack(&mut self, frame: &[u8], limit: usize) -> Result<Vec<u8>, FrameError> {
        let declared = declared_size(frame)?;
        let mut inflating = self.start(declared, frame.len(), limit)?;
        inflating.feed(&frame[4..])?;
        inflating.ended()
    }

    /// Unpacks a container of `length` bytes without having all of it in memory.
    pub(crate) fn unpack_from(
        &mut self,
        frame: &mut dyn Read,
        length: usize,
        limit: usize,
    ) -> std::io::Result<Result<Vec<u8>, FrameError>> {
        let mut part = vec![0; length.min(PART_BYTES)];
        frame.read_exact(&mut part)?;
        let declared = match declared_size(&part) {
            Ok(declared) => declared,
            Err(error) => return Ok(Err(error)),
        };
        let mut inflating = match self.start(declared, length, limit) {
            Ok(inflating) => inflating,
            Err(error) => return Ok(Err(error)),
        };
        let (mut from, mut to, mut read) = (4, part.len(), part.len());
        loop {
            match inflating.feed(&part[from..to]) {
                Ok(()) => return Ok(inflating.ended()),
                Err(FrameError::NotZlib) if read < length && inflating.is_hungry(read - 4) => {}
                Err(error) => return Ok(Err(error)),
            }
            (from, to) = (0, (length - read).min(PART_BYTES));
            frame.read_exact(&mut part[..to])?;
            read += to;
        }
    }

    /// Makes room for what a container of `length` bytes declares, if it may be true.
    fn start(&mut self, declared: usize, length: usize, limit: usize) -> Result<Inflating<'_>, FrameError> {
        if declared > limit {
            return Err(FrameError::TooLarge { declared, limit });
        }
        if declared / GREATEST_RATIO > length - 4 {
            return Err(FrameError::Size { declared });
        }
        if let Some(used) = &mut self.decompress {
            used.reset(true);
        }
        let stream = self.decompress.get_or_insert_with(|| Decompress::new(true));
        // More than declared, so that too long a stream shows. Zeroed once: filling a growing vector
        // would clear what is left of it again for every part.
        Ok(Inflating { stream, declared, plain: vec![0; declared + SLACK] })
    }
}

/// A container of which a part is unpacked.
struct Inflating<'a> {
    stream: &'a mut Decompress,
    declared: usize,
    plain: Vec<u8>,
}

impl Inflating<'_> {
    /// Inflates a part of the stream. [`FrameError::NotZlib`] if the stream does not end in it.
    fn feed(&mut self, part: &[u8]) -> Result<(), FrameError> {
        let start = self.stream.total_in();
        loop {
            let read = (self.stream.total_in() - start) as usize;
            let written = self.written();
            let status = self
                .stream
                .decompress(&part[read..], &mut self.plain[written..], FlushDecompress::None)
                .map_err(|_| FrameError::NotZlib)?;
            if status == Status::StreamEnd {
                return Ok(());
            }
            if self.written() > self.declared {
                return Err(FrameError::Size { declared: self.declared });
            }
            if (self.stream.total_in() - start) as usize == read && self.written() == written {
                return Err(FrameError::NotZlib);
            }
        }
    }

    /// Bytes that came out of the stream so far.
    fn written(&self) -> usize {
        self.stream.total_out() as usize
    }

    /// The whole, if it is as long as declared.
    fn ended(self) -> Result<Vec<u8>, FrameError> {
        let Self { declared, .. } = self;
        if self.written() != declared {
            return Err(FrameError::Size { declared });
        }
        let mut plain = self.plain;
        plain.truncate(declared);
        Ok(plain)
    }

    /// Whether everything that was fed was used up.
    fn is_hungry(&self, fed: usize) -> bool {
        self.stream.total_in() as usize == fed
    }
}

/// Packs `plain` into a container that begins where the room does, and gives its length.
fn fill(room: &mut [u8], plain: &[u8], size: u32, compress: &mut Compressor) -> usize {
    let (prefix, stream) = room.split_at_mut(4);
    prefix.copy_from_slice(&size.to_be_bytes());
    4 + compress.zlib_compress(plain, stream).expect("there is room for whatever comes of it")
}

/// A container of what deflating makes no smaller: blocks that are not compressed.
fn copied(plain: &[u8], size: u32) -> Vec<u8> {
    let mut copy = Compress::new(Compression::none(), true);
    let mut frame = Vec::with_capacity(64 + plain.len() + plain.len() / 512);
    frame.extend_from_slice(&size.to_be_bytes());
    loop {
        let rest = &plain[copy.total_in() as usize..];
        let status = copy
            .compress_vec(rest, &mut frame, FlushCompress::Finish)
            .expect("deflating memory into memory does not fail");
        if status == Status::StreamEnd {
            return frame;
        }
        frame.reserve(4096 + plain.len() / 8);
    }
}

/// A container whose zlib stream is one block that is not compressed.
fn stored(plain: &[u8], size: u32) -> Vec<u8> {
    let length = size as u16;
    let mut frame = Vec::with_capacity(plain.len() + 15);
    frame.extend_from_slice(&size.to_be_bytes());
    // A window of 32 KB and the fastest level, as the stream's head says; then the last block.
    frame.extend_from_slice(&[0x78, 0x01, 0x01]);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&(!length).to_le_bytes());
    frame.extend_from_slice(plain);
    frame.extend_from_slice(&adler32(plain).to_be_bytes());
    frame
}

/// The checksum at the end of a zlib stream.
fn adler32(plain: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    let step = |(sum, of_sums): (u32, u32), &byte: &u8| {
        let sum = (sum + u32::from(byte)) % PRIME;
        (sum, (of_sums + sum) % PRIME)
    };
    let (sum, of_sums) = plain.iter().fold((1, 0), step);
    of_sums << 16 | sum
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

/// The size prefix of a container: the size of what it holds, as its maker says.
pub fn declared_size(frame: &[u8]) -> Result<usize, FrameError> {
    match frame.first_chunk::<4>() {
        Some(prefix) => Ok(u32::from_be_bytes(*prefix) as usize),
        None => Err(FrameError::TooShort(frame.len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let mut out = vec![0; hex.len() / 2];
        faster_hex::hex_decode(hex.as_bytes(), &mut out).unwrap();
        out
    }

    /// Bytes that hardly compress.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..size).map(|_| next()).collect()
    }

    #[test]
    fn the_containers_of_the_reference_unpack() {
        let cases: [(&str, &[u8]); 2] =
            [("00000006789ccb48cdc9c9e70200084b021f", b"hello\n"), ("00000000789c030000000001", b"")];
        for (hex, plain) in cases {
            assert_eq!(Codec::new().unpack(&bytes(hex), 100).unwrap(), plain);
        }
    }

    #[test]
    fn a_container_that_lies_is_refused() {
        let good = Codec::new().pack(&[7; 1000]);
        let with_size = |size: u32| [&size.to_be_bytes()[..], &good[4..]].concat();
        let cases = [
            (vec![0, 0], FrameError::TooShort(2)),
            (with_size(999), FrameError::Size { declared: 999 }),
            (with_size(1001), FrameError::Size { declared: 1001 }),
            (with_size(0), FrameError::Size { declared: 0 }),
            (with_size(900_000), FrameError::Size { declared: 900_000 }),
            (with_size(u32::MAX), FrameError::TooLarge { declared: u32::MAX as usize, limit: 1_000_000 }),
            (good[..good.len() - 1].to_vec(), FrameError::NotZlib),
            (good[..4].to_vec(), FrameError::NotZlib),
            (b"\0\0\0\x05hello".to_vec(), FrameError::NotZlib),
        ];
        for (frame, expected) in cases {
            let mut codec = Codec::new();
            assert_eq!(codec.unpack(&frame, 1_000_000), Err(expected.clone()), "{frame:02x?}");
            let read = codec.unpack_from(&mut &frame[..], frame.len(), 1_000_000).unwrap();
            assert_eq!(read, Err(expected), "{frame:02x?}");
        }
    }

    #[test]
    fn a_container_of_many_parts_unpacks() {
        for size in [PART_BYTES - 20, PART_BYTES, 3 * PART_BYTES, 1_000_000] {
            let plain = noise(size);
            let mut codec = Codec::new();
            let frame = codec.pack(&plain);
            let unpacked = codec.unpack_from(&mut &frame[..], frame.len(), size).unwrap();
            assert!(unpacked.as_ref() == Ok(&plain));
            let cut = frame.len() - 1;
            assert_eq!(codec.unpack_from(&mut &frame[..cut], cut, size).unwrap(), Err(FrameError::NotZlib));
        }
    }

    #[test]
    fn a_codec_packs_long_and_short_by_turns() {
        let mut codec = Codec::new();
        for size in [70, MOST_ROOM / 2, 100, 2 * MOST_ROOM, MOST_ROOM, 80] {
            let plain: Vec<u8> = (0..size).map(|at| (at / 100) as u8).collect();
            let frame = codec.pack(&plain);
            assert!(frame == Codec::new().pack(&plain), "{size}: what was packed before leaves no trace");
            assert!(codec.unpack(&frame, size).as_ref() == Ok(&plain));
        }
    }

    #[test]
    fn noise_is_stored_as_it_is() {
        let plain = noise(1_000_000);
        let mut codec = Codec::new();
        let frame = codec.pack(&plain);
        assert!(frame.len() < plain.len() + plain.len() / 5_000 + 20, "{} bytes", frame.len());
        assert!(frame.windows(1_000).any(|part| part == &plain[..1_000]));
        assert!(codec.unpack(&frame, plain.len()).unwrap() == plain);
    }

    #[test]
    fn what_is_small_is_not_compressed_and_what_is_not_is() {
        let size = |length: usize| Codec::new().pack(&vec![7; length]).len();
        assert_eq!(size(STORED_BYTES), STORED_BYTES + 15);
        assert!(size(STORED_BYTES + 1) < STORED_BYTES);
        // As the reference's zlib sums up the same bytes.
        assert_eq!(adler32(b"hello\n"), 0x084b_021f);
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(plain in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let mut codec = Codec::new();
            for _ in 0..2 {
                let frame = codec.pack(&plain);
                prop_assert_eq!(codec.unpack(&frame, plain.len()).unwrap(), plain.clone());
                let read = codec.unpack_from(&mut &frame[..], frame.len(), plain.len()).unwrap();
                prop_assert_eq!(read.unwrap(), plain.clone());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Codec::new().unpack(&frame, 1 << 20);
        }
    }
}
