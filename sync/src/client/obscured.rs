//! The password that stock keeps beside the remembered address (config `last-sync-pw`).

/// What stock mixes into it, seen in what `fossil test-obscure` prints.
const PAD: [u8; 16] =
    [0xa7, 0x21, 0x31, 0xe3, 0x2a, 0x50, 0x2c, 0x86, 0x4c, 0xa4, 0x52, 0x25, 0xff, 0x49, 0x35, 0x85];

/// Reads an obscured password: hex of one salt byte, then each byte xored with the salt and the pad.
pub(crate) fn reveal(hex: &str) -> Option<String> {
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
    let bytes = bytes?;
    let (salt, rest) = bytes.split_first()?;
    let clear = rest.iter().zip(PAD.iter().cycle()).map(|(byte, pad)| byte ^ pad ^ salt);
    String::from_utf8(clear.collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_stock_obscured_are_read() {
        assert_eq!(reveal("b57af1e83af0").as_deref(), Some("hello"));
        for stock in ["23b43320f33d46399257be1064bf0e73c0dc5b48", "f760e7f427e992ed46836ac4b06bdaa714088f9c"]
        {
            assert_eq!(reveal(stock).as_deref(), Some("0123456789abcdefXYZ"));
        }
        for junk in ["", "b", "zz00", "b57", "ä0"] {
            assert_eq!(reveal(junk), None, "{junk}");
        }
    }
}
