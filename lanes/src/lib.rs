//! Digests of many texts at once.
//!
//! A hash is a chain of steps that each need the one before, so one text at a time leaves most of a processor
//! idle. Here several texts take the steps together, each in its lane of the vector registers: SHA3-256 is then
//! two to seven times as fast, MD5 five to fifteen times. Which registers there are is asked at run time; without
//! them the texts are hashed one after the other. What comes out is the same.

mod feed;
#[cfg(target_arch = "x86_64")]
mod x86;

use md5::Digest as _;

/// So many texts of equal lengths keep all lanes busy, of whatever hash.
pub const LANES: usize = 16;

/// The digest of each text: SHA3-256 with the padding of FIPS 202.
pub fn sha3_256(texts: &[&[u8]]) -> Vec<[u8; 32]> {
    #[cfg(target_arch = "x86_64")]
    if texts.len() > 1 {
        if let Some(mut lanes) = x86::Sha3x8::detect() {
            return feed::digests(&mut lanes, texts);
        }
        if let Some(mut lanes) = x86::Sha3x4::detect() {
            return feed::digests(&mut lanes, texts);
        }
    }
    texts.iter().map(|text| sha3::Sha3_256::digest(text).into()).collect()
}

/// The digest of each text: MD5.
pub fn md5(texts: &[&[u8]]) -> Vec<[u8; 16]> {
    #[cfg(target_arch = "x86_64")]
    if texts.len() > 1 {
        if let Some(mut lanes) = x86::Md5x16::detect() {
            return feed::digests(&mut lanes, texts);
        }
        if let Some(mut lanes) = x86::Md5x8::detect() {
            return feed::digests(&mut lanes, texts);
        }
    }
    texts.iter().map(|text| md5::Md5::digest(text).into()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts whose lengths are around those of blocks, and long ones among them.
    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let length =
            prop_oneof![0..140_usize, 260..280_usize, 0..5000_usize, Just(0), Just(55), Just(56), Just(64)];
        let text = (length, any::<u8>())
            .prop_map(|(length, seed)| (0..length).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect());
        proptest::collection::vec(text, 0..40)
    }

    /// Every kind of lanes that this machine has, against one text at a time.
    fn check(texts: &[&[u8]]) {
        let sha3: Vec<[u8; 32]> = texts.iter().map(|text| sha3::Sha3_256::digest(text).into()).collect();
        let md5: Vec<[u8; 16]> = texts.iter().map(|text| md5::Md5::digest(text).into()).collect();
        assert!(sha3_256(texts) == sha3);
        assert!(super::md5(texts) == md5);
        #[cfg(target_arch = "x86_64")]
        {
            assert!(x86::Sha3x8::detect().is_none_or(|mut lanes| feed::digests(&mut lanes, texts) == sha3));
            assert!(x86::Sha3x4::detect().is_none_or(|mut lanes| feed::digests(&mut lanes, texts) == sha3));
            assert!(x86::Md5x16::detect().is_none_or(|mut lanes| feed::digests(&mut lanes, texts) == md5));
            assert!(x86::Md5x8::detect().is_none_or(|mut lanes| feed::digests(&mut lanes, texts) == md5));
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded_as_alone() {
        let text: Vec<u8> = (0..600).map(|at| (at * 7) as u8).collect();
        let texts: Vec<&[u8]> = (0..text.len()).map(|length| &text[..length]).collect();
        check(&texts);
        for count in 0..20 {
            check(&texts[300..300 + count]);
        }
    }

    proptest! {
        #[test]
        fn lanes_give_what_one_text_at_a_time_gives(texts in texts()) {
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            check(&texts);
        }
    }
}
