//! The login card (reference: wire.md section 4.1).

use crate::{ArtifactId, Message};

/// `login USER NONCE SIG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Login name, unescaped.
    pub user: String,
    /// What the sender says the rest of the message hashes to.
    pub nonce: ArtifactId,
    /// SHA-1 of the nonce's 40 digits followed by the secret.
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
    /// secret itself, as stock does.
    pub fn derive(_project: &str, _user: &str, _password: &str) -> Self { unimplemented!() }

    /// Takes the text of `user.pw` as it is.
    pub fn stored(text: impl Into<String>) -> Self { Self(text.into()) }

    /// The text.
    pub fn expose(&self) -> &str { &self.0 }
}

impl Login {
    /// Signs `message` (which must not change afterwards) for `user`.
    pub fn sign(_message: &Message, _user: &str, _secret: &Secret) -> Self { unimplemented!() }

    /// Whether the nonce is the hash of the rest of the message.
    pub fn covers_message(&self) -> bool { self.nonce == self.tail }

    /// Whether the signature was made with `secret`. Takes the same time for every answer.
    pub fn is_signed_with(&self, _secret: &Secret) -> bool { unimplemented!() }
}
