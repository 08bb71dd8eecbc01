//! Lanes of x86-64: AVX2, and twice as many of AVX-512.
//!
//! The only unsafe code of the project, and why each piece of it is sound: a function that needs instructions which
//! not every processor has is called only through a type whose value says that they are there ([`Sha3x8::detect`] and
//! its like); memory is read and written only through references to arrays of exactly the bytes that are meant.
#![allow(unsafe_code, reason = "the module that it is kept to")]

use crate::feed::Lanes;

/// Constants of the rounds of Keccak.
#[rustfmt::skip]
const KECCAK: [u64; 24] = [
    0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000,
    0x0000_0000_0000_808b, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
    0x0000_0000_0000_008a, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
    0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
    0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800a, 0x8000_0000_8000_000a,
    0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
];

/// Constants of the steps of MD5.
#[rustfmt::skip]
const MD5: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// What MD5 begins with.
const MD5_START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Bytes that SHA3-256 takes at a time.
const SHA3_BLOCK: usize = 136;
/// Bytes that MD5 takes at a time.
const MD5_BLOCK: usize = 64;

/// A round of Keccak over 25 vectors, by the names of the functions for their kind.
macro_rules! keccak_round {
    ($a:ident, $constant:expr, $xor:ident, $xor3:ident, $rol:ident, $chi:ident) => {{
        let column = [
            $xor3($xor3($a[0], $a[5], $a[10]), $a[15], $a[20]),
            $xor3($xor3($a[1], $a[6], $a[11]), $a[16], $a[21]),
            $xor3($xor3($a[2], $a[7], $a[12]), $a[17], $a[22]),
            $xor3($xor3($a[3], $a[8], $a[13]), $a[18], $a[23]),
            $xor3($xor3($a[4], $a[9], $a[14]), $a[19], $a[24]),
        ];
        let d = [
            $xor(column[4], $rol::<1, 63>(column[1])),
            $xor(column[0], $rol::<1, 63>(column[2])),
            $xor(column[1], $rol::<1, 63>(column[3])),
            $xor(column[2], $rol::<1, 63>(column[4])),
            $xor(column[3], $rol::<1, 63>(column[0])),
        ];
        // Where the five vectors of each row come from, and how far they are turned.
        let r0 = keccak_row!($a, d, $xor, $rol, $chi, 0 0, 6 44, 12 43, 18 21, 24 14);
        let r1 = keccak_row!($a, d, $xor, $rol, $chi, 3 28, 9 20, 10 3, 16 45, 22 61);
        let r2 = keccak_row!($a, d, $xor, $rol, $chi, 1 1, 7 6, 13 25, 19 8, 20 18);
        let r3 = keccak_row!($a, d, $xor, $rol, $chi, 4 27, 5 36, 11 10, 17 15, 23 56);
        let r4 = keccak_row!($a, d, $xor, $rol, $chi, 2 62, 8 55, 14 39, 15 41, 21 2);
        [
            $xor(r0[0], $constant), r0[1], r0[2], r0[3], r0[4],
            r1[0], r1[1], r1[2], r1[3], r1[4],
            r2[0], r2[1], r2[2], r2[3], r2[4],
            r3[0], r3[1], r3[2], r3[3], r3[4],
            r4[0], r4[1], r4[2], r4[3], r4[4],
        ]
    }};
}

macro_rules! keccak_row {
    ($a:ident, $d:ident, $xor:ident, $rol:ident, $chi:ident, $($from:literal $turn:literal),*) => {{
        let b = [$($rol::<$turn, { 64 - $turn }>($xor($a[$from], $d[$from % 5]))),*];
        [
            $chi(b[0], b[1], b[2]),
            $chi(b[1], b[2], b[3]),
            $chi(b[2], b[3], b[4]),
            $chi(b[3], b[4], b[0]),
            $chi(b[4], b[0], b[1]),
        ]
    }};
}

/// The 64 steps of MD5 over a block of 16 vectors.
macro_rules! md5_block {
    ($state:ident, $m:ident, $add:ident, $step:ident, $mux:ident, $xor3:ident, $odd:ident) => {{
        let [mut a, mut b, mut c, mut d] = $state;
        for i in 0..4 {
            a = $step::<7, 25>(a, b, $mux(b, c, d), $m[4 * i], MD5[4 * i]);
            d = $step::<12, 20>(d, a, $mux(a, b, c), $m[4 * i + 1], MD5[4 * i + 1]);
            c = $step::<17, 15>(c, d, $mux(d, a, b), $m[4 * i + 2], MD5[4 * i + 2]);
            b = $step::<22, 10>(b, c, $mux(c, d, a), $m[4 * i + 3], MD5[4 * i + 3]);
        }
        for i in 4..8 {
            a = $step::<5, 27>(a, b, $mux(d, b, c), $m[(20 * i + 1) % 16], MD5[4 * i]);
            d = $step::<9, 23>(d, a, $mux(c, a, b), $m[(20 * i + 6) % 16], MD5[4 * i + 1]);
            c = $step::<14, 18>(c, d, $mux(b, d, a), $m[(20 * i + 11) % 16], MD5[4 * i + 2]);
            b = $step::<20, 12>(b, c, $mux(a, c, d), $m[(20 * i) % 16], MD5[4 * i + 3]);
        }
        for i in 8..12 {
            a = $step::<4, 28>(a, b, $xor3(b, c, d), $m[(12 * i + 5) % 16], MD5[4 * i]);
            d = $step::<11, 21>(d, a, $xor3(a, b, c), $m[(12 * i + 8) % 16], MD5[4 * i + 1]);
            c = $step::<16, 16>(c, d, $xor3(d, a, b), $m[(12 * i + 11) % 16], MD5[4 * i + 2]);
            b = $step::<23, 9>(b, c, $xor3(c, d, a), $m[(12 * i + 14) % 16], MD5[4 * i + 3]);
        }
        for i in 12..16 {
            a = $step::<6, 26>(a, b, $odd(b, c, d), $m[(28 * i) % 16], MD5[4 * i]);
            d = $step::<10, 22>(d, a, $odd(a, b, c), $m[(28 * i + 7) % 16], MD5[4 * i + 1]);
            c = $step::<15, 17>(c, d, $odd(d, a, b), $m[(28 * i + 14) % 16], MD5[4 * i + 2]);
            b = $step::<21, 11>(b, c, $odd(c, d, a), $m[(28 * i + 21) % 16], MD5[4 * i + 3]);
        }
        [$add($state[0], a), $add($state[1], b), $add($state[2], c), $add($state[3], d)]
    }};
}

/// The types of lanes, by what the processor must have.
macro_rules! lanes {
    ($(#[$doc:meta])* $sha3:ident, $sha3_lanes:literal, $keccak:path, $(#[$doc5:meta])* $md5:ident, $md5_lanes:literal, $compress:path, $feature:tt) => {
        $(#[$doc])*
        pub(crate) struct $sha3 {
            state: [[u64; $sha3_lanes]; 25],
        }

        impl $sha3 {
            /// Lanes, if the processor has them.
            pub(crate) fn detect() -> Option<Self> {
                is_x86_feature_detected!($feature).then(|| Self { state: [[0; $sha3_lanes]; 25] })
            }
        }

        impl Lanes<$sha3_lanes, SHA3_BLOCK> for $sha3 {
            type Digest = [u8; 32];
            const BLOCK: usize = SHA3_BLOCK;

            fn pad(rest: &[u8], _: usize, end: &mut [u8; SHA3_BLOCK]) -> usize {
                *end = [0; SHA3_BLOCK];
                end[..rest.len()].copy_from_slice(rest);
                end[rest.len()] = 0x06;
                end[SHA3_BLOCK - 1] |= 0x80;
                SHA3_BLOCK
            }

            fn clear(&mut self, lane: usize) {
                self.state.iter_mut().for_each(|word| word[lane] = 0);
            }

            fn absorb(&mut self, runs: &[&[u8]; $sha3_lanes]) {
                // SAFETY: there is no value of this type unless the processor has what the function needs.
                unsafe { $keccak(&mut self.state, runs) }
            }

            fn digest(&self, lane: usize) -> [u8; 32] {
                let mut digest = [0; 32];
                for (bytes, word) in digest.chunks_exact_mut(8).zip(&self.state) {
                    bytes.copy_from_slice(&word[lane].to_le_bytes());
                }
                digest
            }
        }

        $(#[$doc5])*
        pub(crate) struct $md5 {
            state: [[u32; $md5_lanes]; 4],
        }

        impl $md5 {
            /// Lanes, if the processor has them.
            pub(crate) fn detect() -> Option<Self> {
                is_x86_feature_detected!($feature).then(|| Self { state: [[0; $md5_lanes]; 4] })
            }
        }

        impl Lanes<$md5_lanes, { 2 * MD5_BLOCK }> for $md5 {
            type Digest = [u8; 16];
            const BLOCK: usize = MD5_BLOCK;

            fn pad(rest: &[u8], text_bytes: usize, end: &mut [u8; 2 * MD5_BLOCK]) -> usize {
                *end = [0; 2 * MD5_BLOCK];
                end[..rest.len()].copy_from_slice(rest);
                end[rest.len()] = 0x80;
                let bytes = if rest.len() < MD5_BLOCK - 8 { MD5_BLOCK } else { 2 * MD5_BLOCK };
                end[bytes - 8..bytes].copy_from_slice(&(text_bytes as u64).wrapping_mul(8).to_le_bytes());
                bytes
            }

            fn clear(&mut self, lane: usize) {
                for (word, start) in self.state.iter_mut().zip(MD5_START) {
                    word[lane] = start;
                }
            }

            fn absorb(&mut self, runs: &[&[u8]; $md5_lanes]) {
                // SAFETY: there is no value of this type unless the processor has what the function needs.
                unsafe { $compress(&mut self.state, runs) }
            }

            fn digest(&self, lane: usize) -> [u8; 16] {
                let mut digest = [0; 16];
                for (bytes, word) in digest.chunks_exact_mut(4).zip(&self.state) {
                    bytes.copy_from_slice(&word[lane].to_le_bytes());
                }
                digest
            }
        }
    };
}

lanes!(
    /// Eight texts at once.
    Sha3x8, 8, wide::keccak,
    /// Sixteen texts at once.
    Md5x16, 16, wide::md5, "avx512f"
);
lanes!(
    /// Four texts at once.
    Sha3x4, 4, narrow::keccak,
    /// Eight texts at once.
    Md5x8, 8, narrow::md5, "avx2"
);

/// The bytes of a run from a place on.
fn part<const BYTES: usize>(run: &[u8], at: usize) -> &[u8; BYTES] {
    run[at..].first_chunk().expect("runs are whole blocks")
}

fn word(run: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(*part(run, at))
}

mod narrow;
mod wide;
