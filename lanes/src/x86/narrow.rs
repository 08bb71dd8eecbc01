//! Vectors of 256 bits.

use std::arch::x86_64::*;

use super::{KECCAK, MD5, MD5_BLOCK, SHA3_BLOCK, part, word};

type V = __m256i;

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> V {
    // SAFETY: 32 bytes are read, which the array has.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_u64(words: &[u64; 4]) -> V {
    // SAFETY: 32 bytes are read, which the array has.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_u64(words: &mut [u64; 4], vector: V) {
    // SAFETY: 32 bytes are written, which the array has, and any bytes are integers.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_u32(words: &[u32; 8]) -> V {
    // SAFETY: 32 bytes are read, which the array has.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_u32(words: &mut [u32; 8], vector: V) {
    // SAFETY: 32 bytes are written, which the array has, and any bytes are integers.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: V, b: V) -> V {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: V, b: V, c: V) -> V {
    xor(xor(a, b), c)
}

/// `a ^ (!b & c)`
#[inline]
#[target_feature(enable = "avx2")]
fn chi(a: V, b: V, c: V) -> V {
    xor(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rol<const LEFT: i32, const RIGHT: i32>(a: V) -> V {
    _mm256_or_si256(_mm256_slli_epi64::<LEFT>(a), _mm256_srli_epi64::<RIGHT>(a))
}

/// `if a { b } else { c }`, bit by bit
#[inline]
#[target_feature(enable = "avx2")]
fn mux(a: V, b: V, c: V) -> V {
    xor(c, _mm256_and_si256(a, xor(b, c)))
}

/// `b ^ (a | !c)`
#[inline]
#[target_feature(enable = "avx2")]
fn odd(a: V, b: V, c: V) -> V {
    xor(b, _mm256_or_si256(a, xor(c, _mm256_set1_epi32(-1))))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: V, b: V) -> V {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn step<const LEFT: i32, const RIGHT: i32>(a: V, b: V, mixed: V, m: V, constant: u32) -> V {
    let sum = add(add(a, mixed), add(m, _mm256_set1_epi32(constant.cast_signed())));
    add(b, _mm256_or_si256(_mm256_slli_epi32::<LEFT>(sum), _mm256_srli_epi32::<RIGHT>(sum)))
}

/// Eight words of each of eight runs: a vector for each place of a word.
#[inline]
#[target_feature(enable = "avx2")]
fn words32(runs: &[&[u8]; 8], at: usize) -> [V; 8] {
    let mut fours = [[_mm256_setzero_si256(); 4]; 2];
    for (four, of_four) in fours.iter_mut().enumerate() {
        let run = |number: usize| load(part(runs[4 * four + number], at));
        let (r0, r1, r2, r3) = (run(0), run(1), run(2), run(3));
        let (low, low_too) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpacklo_epi32(r2, r3));
        let (high, high_too) = (_mm256_unpackhi_epi32(r0, r1), _mm256_unpackhi_epi32(r2, r3));
        *of_four = [
            _mm256_unpacklo_epi64(low, low_too),
            _mm256_unpackhi_epi64(low, low_too),
            _mm256_unpacklo_epi64(high, high_too),
            _mm256_unpackhi_epi64(high, high_too),
        ];
    }
    let [[a0, a1, a2, a3], [b0, b1, b2, b3]] = fours;
    [
        _mm256_permute2x128_si256::<0x20>(a0, b0),
        _mm256_permute2x128_si256::<0x20>(a1, b1),
        _mm256_permute2x128_si256::<0x20>(a2, b2),
        _mm256_permute2x128_si256::<0x20>(a3, b3),
        _mm256_permute2x128_si256::<0x31>(a0, b0),
        _mm256_permute2x128_si256::<0x31>(a1, b1),
        _mm256_permute2x128_si256::<0x31>(a2, b2),
        _mm256_permute2x128_si256::<0x31>(a3, b3),
    ]
}

#[target_feature(enable = "avx2")]
pub(super) fn keccak(state: &mut [[u64; 4]; 25], runs: &[&[u8]; 4]) {
    let mut a = [_mm256_setzero_si256(); 25];
    for (vector, words) in a.iter_mut().zip(&*state) {
        *vector = load_u64(words);
    }
    for at in (0..runs[0].len()).step_by(SHA3_BLOCK) {
        for (number, vector) in a.iter_mut().enumerate().take(SHA3_BLOCK / 8) {
            let of = |lane: usize| word(runs[lane], at + 8 * number);
            *vector = xor(*vector, _mm256_set_epi64x(of(3), of(2), of(1), of(0)));
        }
        for constant in KECCAK {
            let constant = _mm256_set1_epi64x(constant.cast_signed());
            a = keccak_round!(a, constant, xor, xor3, rol, chi);
        }
    }
    for (vector, words) in a.into_iter().zip(state) {
        store_u64(words, vector);
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn md5(state: &mut [[u32; 8]; 4], runs: &[&[u8]; 8]) {
    let [a, b, c, d] = &*state;
    let mut now = [load_u32(a), load_u32(b), load_u32(c), load_u32(d)];
    for at in (0..runs[0].len()).step_by(MD5_BLOCK) {
        let (first, second) = (words32(runs, at), words32(runs, at + 32));
        let mut m = [_mm256_setzero_si256(); 16];
        m[..8].copy_from_slice(&first);
        m[8..].copy_from_slice(&second);
        now = md5_block!(now, m, add, step, mux, xor3, odd);
    }
    for (vector, words) in now.into_iter().zip(state) {
        store_u32(words, vector);
    }
}
