//! Vectors of 512 bits.

use std::arch::x86_64::*;

use super::{KECCAK, MD5, MD5_BLOCK, SHA3_BLOCK, part, word};

type V = __m512i;

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> V {
    // SAFETY: 64 bytes are read, which the array has.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_u64(words: &[u64; 8]) -> V {
    // SAFETY: 64 bytes are read, which the array has.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_u64(words: &mut [u64; 8], vector: V) {
    // SAFETY: 64 bytes are written, which the array has, and any bytes are integers.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_u32(words: &[u32; 16]) -> V {
    // SAFETY: 64 bytes are read, which the array has.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_u32(words: &mut [u32; 16], vector: V) {
    // SAFETY: 64 bytes are written, which the array has, and any bytes are integers.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: V, b: V) -> V {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// `a ^ (!b & c)`
#[inline]
#[target_feature(enable = "avx512f")]
fn chi(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rol<const LEFT: i32, const RIGHT: i32>(a: V) -> V {
    _mm512_rol_epi64::<LEFT>(a)
}

/// `if a { b } else { c }`, bit by bit
#[inline]
#[target_feature(enable = "avx512f")]
fn mux(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<0xca>(a, b, c)
}

/// `b ^ (a | !c)`
#[inline]
#[target_feature(enable = "avx512f")]
fn odd(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<0x39>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: V, b: V) -> V {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn step<const LEFT: i32, const RIGHT: i32>(a: V, b: V, mixed: V, m: V, constant: u32) -> V {
    let sum = add(add(a, mixed), add(m, _mm512_set1_epi32(constant.cast_signed())));
    add(b, _mm512_rol_epi32::<LEFT>(sum))
}

/// Four by four parts of 128 bits, columns into rows.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn(a: V, b: V, c: V, d: V) -> [V; 4] {
    let (even_ab, even_cd) = (_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0x88>(c, d));
    let (odd_ab, odd_cd) = (_mm512_shuffle_i64x2::<0xdd>(a, b), _mm512_shuffle_i64x2::<0xdd>(c, d));
    [
        _mm512_shuffle_i64x2::<0x88>(even_ab, even_cd),
        _mm512_shuffle_i64x2::<0x88>(odd_ab, odd_cd),
        _mm512_shuffle_i64x2::<0xdd>(even_ab, even_cd),
        _mm512_shuffle_i64x2::<0xdd>(odd_ab, odd_cd),
    ]
}

/// Eight words of each of eight runs: a vector for each place of a word.
#[inline]
#[target_feature(enable = "avx512f")]
fn words64(runs: &[&[u8]; 8], at: usize) -> [V; 8] {
    let mut r = [_mm512_setzero_si512(); 8];
    for lane in 0..8 {
        r[lane] = load(part(runs[lane], at));
    }
    let even = turn(
        _mm512_unpacklo_epi64(r[0], r[1]),
        _mm512_unpacklo_epi64(r[2], r[3]),
        _mm512_unpacklo_epi64(r[4], r[5]),
        _mm512_unpacklo_epi64(r[6], r[7]),
    );
    let odd = turn(
        _mm512_unpackhi_epi64(r[0], r[1]),
        _mm512_unpackhi_epi64(r[2], r[3]),
        _mm512_unpackhi_epi64(r[4], r[5]),
        _mm512_unpackhi_epi64(r[6], r[7]),
    );
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}

/// Sixteen words of each of sixteen runs: a vector for each place of a word.
#[inline]
#[target_feature(enable = "avx512f")]
fn words32(runs: &[&[u8]; 16], at: usize) -> [V; 16] {
    let zero = _mm512_setzero_si512();
    // By four runs each: vectors whose parts of 128 bits have words 0, 4, 8, 12 of the four; then 1, 5, ...
    let mut fours = [[zero; 4]; 4];
    for (four, of_four) in fours.iter_mut().enumerate() {
        let run = |number: usize| load(part(runs[4 * four + number], at));
        let (r0, r1, r2, r3) = (run(0), run(1), run(2), run(3));
        let (low, low_too) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpacklo_epi32(r2, r3));
        let (high, high_too) = (_mm512_unpackhi_epi32(r0, r1), _mm512_unpackhi_epi32(r2, r3));
        *of_four = [
            _mm512_unpacklo_epi64(low, low_too),
            _mm512_unpackhi_epi64(low, low_too),
            _mm512_unpacklo_epi64(high, high_too),
            _mm512_unpackhi_epi64(high, high_too),
        ];
    }
    let mut words = [zero; 16];
    for first in 0..4 {
        let turned = turn(fours[0][first], fours[1][first], fours[2][first], fours[3][first]);
        for (number, vector) in turned.into_iter().enumerate() {
            words[4 * number + first] = vector;
        }
    }
    words
}

#[target_feature(enable = "avx512f")]
pub(super) fn keccak(state: &mut [[u64; 8]; 25], runs: &[&[u8]; 8]) {
    let mut a = [_mm512_setzero_si512(); 25];
    for (vector, words) in a.iter_mut().zip(&*state) {
        *vector = load_u64(words);
    }
    for at in (0..runs[0].len()).step_by(SHA3_BLOCK) {
        let (first, second) = (words64(runs, at), words64(runs, at + 64));
        for number in 0..8 {
            a[number] = xor(a[number], first[number]);
            a[8 + number] = xor(a[8 + number], second[number]);
        }
        let last = |lane: usize| word(runs[lane], at + 128);
        let last = _mm512_set_epi64(last(7), last(6), last(5), last(4), last(3), last(2), last(1), last(0));
        a[16] = xor(a[16], last);
        for constant in KECCAK {
            let constant = _mm512_set1_epi64(constant.cast_signed());
            a = keccak_round!(a, constant, xor, xor3, rol, chi);
        }
    }
    for (vector, words) in a.into_iter().zip(state) {
        store_u64(words, vector);
    }
}

#[target_feature(enable = "avx512f")]
pub(super) fn md5(state: &mut [[u32; 16]; 4], runs: &[&[u8]; 16]) {
    let [a, b, c, d] = &*state;
    let mut now = [load_u32(a), load_u32(b), load_u32(c), load_u32(d)];
    for at in (0..runs[0].len()).step_by(MD5_BLOCK) {
        let m = words32(runs, at);
        now = md5_block!(now, m, add, step, mux, xor3, odd);
    }
    for (vector, words) in now.into_iter().zip(state) {
        store_u32(words, vector);
    }
}
