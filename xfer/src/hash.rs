//! The hashes that name artifacts and sign logins.
//!
//! SHA-1 is the collision-detecting kind: content built to collide gets the safe digest Fossil gives it.

use sha1_checked::Digest as _;
use sha3::Digest as _;

use crate::ArtifactId;

/// SHA-1 with collision detection, as stock names 40-digit artifacts.
pub fn sha1(content: &[u8]) -> ArtifactId {
    let digest = sha1_checked::Sha1::digest(content);
    ArtifactId::sha1(digest.into())
}

/// The same SHA-1, of a message, piece by piece and three times as fast. Logins are all that
/// depends on it: what names artifacts is [`sha1`], which is in use for longer.
#[derive(Default)]
pub(crate) struct MessageHash(sha1dc::mitigate::Hasher);

impl MessageHash {
    /// Goes on with these bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub(crate) fn finish(self) -> ArtifactId {
        let digest = self.0.finalize().unwrap_or_else(|built| built.digest());
        ArtifactId::sha1(digest.into())
    }
}

/// Hashes a message with the algorithm that `like` uses.
pub(crate) fn of_message(like: &ArtifactId, message: &[u8]) -> ArtifactId {
    if !like.is_sha1() {
        return sha3_256(message);
    }
    let mut hash = MessageHash::default();
    hash.update(message);
    hash.finish()
}

/// SHA3-256 (FIPS 202 padding).
pub fn sha3_256(content: &[u8]) -> ArtifactId {
    ArtifactId::sha3(sha3::Sha3_256::digest(content).into())
}

/// Names `content` with the algorithm that `like` uses.
pub fn same_kind(like: &ArtifactId, content: &[u8]) -> ArtifactId {
    if like.is_sha1() { sha1(content) } else { sha3_256(content) }
}

/// Names each of some contents with the algorithm that the name beside it uses: faster than one after the other.
pub fn same_kinds(contents: &[(&ArtifactId, &[u8])]) -> Vec<ArtifactId> {
    let long: Vec<&[u8]> =
        contents.iter().filter(|(like, _)| !like.is_sha1()).map(|&(_, content)| content).collect();
    let mut long = lanes::sha3_256(&long).into_iter().map(ArtifactId::sha3);
    let name = |&(like, content): &(&ArtifactId, &[u8])| {
        if like.is_sha1() { sha1(content) } else { long.next().expect("each of them was hashed") }
    };
    contents.iter().map(name).collect()
}

/// Whether `content` is what `id` names.
pub fn names(id: &ArtifactId, content: &[u8]) -> bool {
    same_kind(id, content) == *id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Contents of one SHA-1, where nobody looks for collisions.
    const COLLISIONS: [&[u8]; 2] = [
        include_bytes!("../tests/collision/sha-mbles-1.bin"),
        include_bytes!("../tests/collision/sha-mbles-2.bin"),
    ];

    #[test]
    fn the_hashes_are_those_of_the_standards() {
        assert_eq!(sha1(b"").to_string(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(sha1(b"abc").to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let empty = "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a";
        assert_eq!(sha3_256(b"").to_string(), empty);
    }

    #[test]
    fn content_made_to_collide_is_named_as_stock_names_it() {
        let names = ["4f3d9be4a472c4dae83c6314aa6c36a064c1fd14", "9ed5d77a4f48be1dbf3e9e15650733eb850897f2"];
        for (content, name) in COLLISIONS.into_iter().zip(names) {
            assert_eq!(sha1(content).to_string(), name);
        }
    }

    /// The hash of a message that comes in two pieces.
    fn of_two(message: &[u8], at: usize) -> ArtifactId {
        let (one, other) = message.split_at(at.min(message.len()));
        let mut hash = MessageHash::default();
        hash.update(one);
        hash.update(other);
        hash.finish()
    }

    #[test]
    fn a_message_that_is_built_to_collide_hashes_to_what_names_it() {
        for content in COLLISIONS {
            for at in [0, 1, 64, 300, content.len()] {
                assert_eq!(of_two(content, at), sha1(content));
            }
        }
    }

    proptest! {
        #[test]
        fn a_message_hashes_to_what_names_it(
            message in prop::collection::vec(any::<u8>(), 0..5_000),
            at in 0_usize..5_000,
        ) {
            prop_assert_eq!(of_two(&message, at), sha1(&message));
            prop_assert_eq!(of_message(&sha1(b""), &message), sha1(&message));
            prop_assert_eq!(of_message(&sha3_256(b""), &message), sha3_256(&message));
        }
    }

    #[test]
    fn many_are_named_as_one_by_one() {
        let texts: Vec<Vec<u8>> = (0..50_usize).map(|n| vec![n as u8; n * n]).collect();
        let kinds = [sha1(b""), sha3_256(b"")];
        let contents: Vec<(&ArtifactId, &[u8])> =
            texts.iter().enumerate().map(|(n, text)| (&kinds[n % 3 % 2], text.as_slice())).collect();
        let names: Vec<ArtifactId> =
            contents.iter().map(|(like, content)| same_kind(like, content)).collect();
        assert_eq!(same_kinds(&contents), names);
    }

    #[test]
    fn a_name_tells_the_algorithm() {
        for id in [sha1(b"x"), sha3_256(b"x")] {
            assert_eq!(same_kind(&id, b"x"), id);
            assert!(names(&id, b"x"));
            assert!(!names(&id, b"y"));
        }
    }
}
