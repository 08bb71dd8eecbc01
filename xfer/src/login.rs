//! The login card (reference: wire.md section 4.1).

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::{ArtifactId, Message, decode, encode, hash};

/// `login USER NONCE SIG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Login name, unescaped.
    pub user: String,
    /// What the sender says the rest of the message hashes to.
    pub nonce: ArtifactId,
    /// SHA-1 of the nonce's digits followed by the secret.
    pub signature: ArtifactId,
    /// What the rest of the message does hash to, with the algorithm of `nonce`. The decoder computes it.
    pub tail: ArtifactId,
}

/// The secret of a user: SHA-1 of `project/login/password`, or the password itself where the project
/// code is not known. It is as good as the password: never log it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Derives the secret that stock stores in `user.pw`. A password of 40 hex digits is taken as the
    /// secret itself, as stock does; so is any password if the project code is not known (empty).
    pub fn derive(project: &str, user: &str, password: &str) -> Self {
        let is_secret = password.len() == 40 && password.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_secret || project.is_empty() {
            return Self(password.to_owned());
        }
        Self(hash::sha1(format!("{project}/{user}/{password}").as_bytes()).to_string())
    }

    /// Takes the text of `user.pw` as it is.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Login {
    /// Signs the cards of `message` (which must not change afterwards) for `user`.
    ///
    /// Only requests are signed. Nonces must be unique: end the message with a comment that no other has.
    pub fn sign(message: &Message, user: &str, secret: &Secret) -> Self {
        let mut hash = hash::MessageHash::default();
        encode::each_of_tail(message, |bytes| hash.update(bytes));
        let nonce = hash.finish();
        Self { user: user.to_owned(), nonce, signature: signature(&nonce, secret), tail: nonce }
    }

    /// Reads the text of a login card that travels beside the message, in a cookie, without its LF. It covers all
    /// of the message. None if it is no login card: stock then passes it over (reference: wire.md section 4.4).
    pub fn read(card: &[u8], message: &[u8]) -> Option<Self> {
        decode::login(card, message)
    }

    /// Whether the nonce is the hash of the rest of the message.
    pub fn covers_message(&self) -> bool {
        self.nonce == self.tail
    }

    /// Whether the signature was made with `secret`. Takes the same time for every answer.
    ///
    /// An empty secret is nobody's: the answer is no.
    pub fn is_signed_with(&self, secret: &Secret) -> bool {
        let expected = signature(&self.nonce, secret);
        let equal: bool = expected.as_bytes().ct_eq(self.signature.as_bytes()).into();
        equal && !secret.0.is_empty()
    }
}

fn signature(nonce: &ArtifactId, secret: &Secret) -> ArtifactId {
    hash::sha1(format!("{nonce}{}", secret.0).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeLimits, decode};

    // The worked example of wire.md section 4.2, which a stock 2.21 server accepted.
    const PROJECT: &str = "abababababababababababababababababababab";
    const SECRET: &str = "d50f557ca674fe43a4fc7094d6b7db39850a3648";
    const CARD: &str =
        "login bob 84364d98aa09d2538559015b468a5c48aa17c92d 52e7b910788fdbd3e355e2c416d2c2a2ac4a191c\n";
    const CARDS: &str = "pragma client-version 22100 20230226 192424\n\
        pull 0000000000000000000000000000000000000000 abababababababababababababababababababab\n# 5555\n";

    fn read(text: &str) -> Message {
        decode(&text.to_owned().into(), &DecodeLimits::default()).unwrap()
    }

    #[test]
    fn the_reference_login_is_signed_to_the_byte() {
        let secret = Secret::derive(PROJECT, "bob", "correct horse");
        assert_eq!(secret.expose(), SECRET);
        let mut message = read(CARDS);
        message.login = Some(Login::sign(&message, "bob", &secret));
        assert_eq!(String::from_utf8(encode(&message)).unwrap(), format!("{CARD}{CARDS}"));
    }

    #[test]
    fn the_reference_login_is_accepted() {
        let login = read(&format!("{CARD}{CARDS}")).login.unwrap();
        assert!(login.covers_message());
        assert!(login.is_signed_with(&Secret::stored(SECRET)));
        assert!(!login.is_signed_with(&Secret::stored("correct horse")));
        assert!(!login.is_signed_with(&Secret::stored("")));
    }

    #[test]
    fn a_login_beside_the_message_covers_all_of_it() {
        let beside = |card: &str, message: &str| Login::read(card.as_bytes(), message.as_bytes());
        let login = beside(CARD.trim_end(), CARDS).unwrap();
        assert!(login.covers_message() && login.is_signed_with(&Secret::stored(SECRET)));
        assert!(!beside(CARD.trim_end(), &format!("{CARD}{CARDS}")).unwrap().covers_message());
        let five = format!("{} x", CARD.trim_end());
        for card in ["", "login", CARD, &five, &CARD.trim_end()[6..], "pull 0 0", "# login", "login bob 1 2"]
        {
            assert_eq!(beside(card, CARDS), None, "{card:?}");
        }
    }

    #[test]
    fn a_changed_message_is_not_covered() {
        let login = read(&format!("{CARD}{CARDS}# 6666\n")).login.unwrap();
        assert!(!login.covers_message());
    }

    #[test]
    fn a_nonce_of_64_digits_is_checked_with_sha3() {
        let nonce = hash::sha3_256(CARDS.as_bytes());
        let signature = signature(&nonce, &Secret::stored(SECRET));
        let login = read(&format!("login bob {nonce} {signature}\n{CARDS}")).login.unwrap();
        assert!(login.covers_message());
        assert!(login.is_signed_with(&Secret::stored(SECRET)));
    }

    #[test]
    fn a_password_that_looks_like_a_secret_is_one() {
        assert_eq!(Secret::derive(PROJECT, "bob", SECRET).expose(), SECRET);
        assert_eq!(Secret::derive("", "bob", "correct horse").expose(), "correct horse");
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::stored("hunter2")), "Secret(..)");
    }
}
