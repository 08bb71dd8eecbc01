//! The password that stock keeps beside the remembered address (config `last-sync-pw`).

/// What stock mixes into it, seen in what `fossil test-obscure` prints.
const PAD: [u8; 16] =
    [0xa7, 0x21, 0x31, 0xe3, 0x2a, 0x50, 0x2c, 0x86, 0x4c, 0xa4, 0x52, 0x25, 0xff, 0x49, 0x35, 0x85];

/// Obscures a password: hex of the salt, then of each byte xored with the salt and the pad. Whoever reads the
/// file can undo it; it only keeps the password from being read in passing.
pub(crate) fn obscure(clear: &str, salt: u8) -> String {
    std::iter::once(salt).chain(mix(clear.as_bytes(), salt)).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads an obscured password.
pub(crate) fn reveal(hex: &str) -> Option<String> {
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
    let bytes = bytes?;
    let (salt, rest) = bytes.split_first()?;
    String::from_utf8(mix(rest, *salt).collect()).ok()
}

fn mix(bytes: &[u8], salt: u8) -> impl Iterator<Item = u8> {
    bytes.iter().zip(PAD.iter().cycle()).map(move |(byte, pad)| byte ^ pad ^ salt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `fossil test-obscure` printed.
    const BY_STOCK: [(&str, &str); 6] = [
        ("b57af1e83af0", "hello"),
        ("dd1299805298", "hello"),
        ("1ad55e47955f", "hello"),
        ("c50a81984a80", "hello"),
        ("23b43320f33d46399257be1064bf0e73c0dc5b48", "0123456789abcdefXYZ"),
        ("f760e7f427e992ed46836ac4b06bdaa714088f9c", "0123456789abcdefXYZ"),
    ];

    #[test]
    fn passwords_that_stock_obscured_are_read_and_written_alike() {
        for (hex, clear) in BY_STOCK {
            assert_eq!(reveal(hex).as_deref(), Some(clear));
            let salt = u8::from_str_radix(&hex[..2], 16).unwrap();
            assert_eq!(obscure(clear, salt), hex);
        }
    }

    #[test]
    fn what_is_no_obscured_password_is_not_read() {
        for junk in ["", "b", "zz00", "b57", "ä0"] {
            assert_eq!(reveal(junk), None, "{junk}");
        }
    }

    proptest! {
        #[test]
        fn every_password_is_read_back(clear in "\\PC{0,60}", salt: u8) {
            prop_assert_eq!(reveal(&obscure(&clear, salt)), Some(clear));
        }
    }
}
