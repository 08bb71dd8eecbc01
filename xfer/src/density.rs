//! Tells bytes that deflating makes no smaller from others, without deflating them.

/// Bytes of a sample.
const SAMPLE: usize = 512;

/// Samples of a text, spread over it.
const SAMPLES: usize = 8;

/// Less than this is no longer in samples than as a whole.
const LEAST: usize = 4 * SAMPLE * SAMPLES;

/// Whether `bytes` are as dense as deflating could make them: random, encrypted, or compressed already. Short texts
/// never count as such.
///
/// Only how often each value occurs in some samples is looked at. What is taken for dense in spite of repetitions is
/// sent or stored somewhat longer than it might be, nothing else.
pub fn is_dense(bytes: &[u8]) -> bool {
    if bytes.len() < LEAST {
        return false;
    }
    let mut counts = [0_u32; 256];
    let stride = (bytes.len() - SAMPLE) / (SAMPLES - 1);
    for start in (0..SAMPLES).map(|sample| sample * stride) {
        for &byte in &bytes[start..start + SAMPLE] {
            counts[usize::from(byte)] += 1;
        }
    }
    let total = (SAMPLE * SAMPLES) as u32;
    let squares: u32 = counts.iter().map(|count| count * count).sum();
    // If all values are as frequent, chance makes this about one sixteenth more than total * total / 256, give or take
    // a hundredth. At an eighth more, a code for single bytes would save one percent.
    squares * 8 < total * total / 256 * 9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(size: usize, mask: u8) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8 & mask
        };
        (0..size).map(|_| next()).collect()
    }

    fn hex(size: usize) -> Vec<u8> {
        noise(size, 15).into_iter().map(|digit| b"0123456789abcdef"[usize::from(digit)]).collect()
    }

    #[test]
    fn only_what_is_long_and_has_no_frequent_values_is_dense() {
        let mut mixed = hex(LEAST);
        mixed.append(&mut noise(LEAST, 255));
        let cases = [
            ("noise", noise(LEAST, 255), true),
            ("long noise", noise(1 << 20, 255), true),
            ("short noise", noise(LEAST - 1, 255), false),
            ("seven bits of noise", noise(LEAST, 127), false),
            ("names", hex(1 << 16), false),
            ("half names, half noise", mixed, false),
            ("zeros", vec![0; 1 << 20], false),
            ("nothing", Vec::new(), false),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(is_dense(&bytes), expected, "{what}");
        }
    }
}
