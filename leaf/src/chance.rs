//! Codes and passwords from the randomness of the system.

use crate::exit::{Code, Failure};

/// A project or server code: 40 hex digits.
pub(crate) fn code() -> Result<String, Failure> {
    let bytes: [u8; 20] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A password of 12 letters and digits that are hard to confuse, about 69 bits.
pub(crate) fn password() -> Result<String, Failure> {
    const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz";
    let mut password = String::new();
    while password.len() < 12 {
        let bytes: [u8; 32] = random()?;
        // Bytes past the last whole multiple would make some letters likelier.
        let fair = bytes.iter().filter(|byte| usize::from(**byte) < 256 / LETTERS.len() * LETTERS.len());
        password.extend(fair.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])));
    }
    password.truncate(12);
    Ok(password)
}

/// A byte.
pub(crate) fn byte() -> Result<u8, Failure> {
    Ok(random::<1>()?[0])
}

/// A number to draw others from.
pub(crate) fn seed() -> Result<u64, Failure> {
    Ok(u64::from_le_bytes(random()?))
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Code::Failed, format!("the system gives no random numbers: {error}"), "try again")
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_passwords_have_their_form_and_differ() {
        let codes = [code().unwrap(), code().unwrap()];
        assert!(codes.iter().all(|code| code.len() == 40 && code.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_ne!(codes[0], codes[1]);
        let passwords = [password().unwrap(), password().unwrap()];
        assert!(passwords.iter().all(|password| password.len() == 12));
        assert_ne!(passwords[0], passwords[1]);
    }
}
