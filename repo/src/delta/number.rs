//! The numbers and the checksum of the delta format.

/// Digits of base 64, in order.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// What stands in [`VALUES`] for a byte that is no digit.
const NONE: u8 = 0xff;

/// The value of each byte as a digit.
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}

/// Reads the number at `at` and moves `at` behind it. None if there is no digit, or more than 32 bits.
pub(super) fn take_number(text: &[u8], at: &mut usize) -> Option<u32> {
    let digits = text[*at..].iter().map(|&byte| VALUES[usize::from(byte)]).take_while(|&value| value != NONE);
    let mut number = None;
    for value in digits {
        let shifted = u64::from(number.unwrap_or(0_u32)) << 6 | u64::from(value);
        number = Some(u32::try_from(shifted).ok()?);
        *at += 1;
    }
    number
}

/// Writes a number.
pub(super) fn put_number(number: u32, out: &mut Vec<u8>) {
    let mut shift = if number == 0 { 0 } else { number.ilog2() / 6 * 6 };
    loop {
        out.push(DIGITS[(number >> shift & 63) as usize]);
        if shift == 0 {
            return;
        }
        shift -= 6;
    }
}

/// How many digits [`put_number`] writes.
pub(super) fn digits(number: usize) -> usize {
    if number == 0 { 1 } else { number.ilog2() as usize / 6 + 1 }
}

/// The sum of `target` as big-endian words of 32 bits, padded with zeros.
pub(super) fn checksum(target: &[u8]) -> u32 {
    let (words, rest) = target.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let sum = words.iter().fold(0_u32, |sum, word| sum.wrapping_add(u32::from_be_bytes(*word)));
    sum.wrapping_add(u32::from_be_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_were_written() {
        for number in [0, 1, 63, 64, 71, 4095, 4096, 1092, 3_861_077_538, u32::MAX] {
            let mut text = Vec::new();
            put_number(number, &mut text);
            assert_eq!(text.len(), digits(number as usize));
            let mut at = 0;
            assert_eq!(take_number(&text, &mut at), Some(number));
            assert_eq!(at, text.len());
        }
    }

    #[test]
    fn the_number_of_the_reference_is_written_as_there() {
        let mut text = Vec::new();
        put_number(3_861_077_538, &mut text);
        assert_eq!(text, b"3b8qtY");
    }

    #[test]
    fn a_number_of_more_than_32_bits_is_none() {
        assert_eq!(take_number(b"3~~~~~", &mut 0), Some(u32::MAX));
        assert_eq!(take_number(b"400000", &mut 0), None);
        assert_eq!(take_number(b"~~~~~~~~~~~~~~~~", &mut 0), None);
    }
}
