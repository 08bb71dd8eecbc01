//! Structural artifacts written by hand.

use md5::{Digest, Md5};

/// The cards of structural artifacts.
#[derive(Debug, Clone, Copy)]
pub struct Cards;

impl Cards {
    /// Puts the Z card after other cards.
    pub fn seal(cards: &str) -> Vec<u8> {
        let mut hex = String::new();
        for byte in Md5::digest(cards.as_bytes()) {
            hex.push_str(&format!("{byte:02x}"));
        }
        format!("{cards}Z {hex}\n").into_bytes()
    }

    /// A forum post without its Z card; `middle` are the cards between D and U.
    pub fn post(date: &str, middle: &str, text: &str) -> String {
        format!("D {date}\n{middle}U dev\nW {}\n{text}\n", text.len())
    }

    /// A check-in without parents, with files given as `F` lines.
    pub fn checkin(comment: &str, date: &str, middle: &str) -> Vec<u8> {
        Self::seal(&format!("C {comment}\nD {date}\n{middle}T *branch * trunk\nT *sym-trunk *\nU dev\n"))
    }

    /// A cluster of names, which must be sorted.
    pub fn cluster<T: std::fmt::Display>(members: &[T]) -> Vec<u8> {
        Self::seal(&members.iter().map(|member| format!("M {member}\n")).collect::<String>())
    }

    /// Wraps an artifact as PGP's clear-signing does. Nobody checks the signature.
    pub fn clear_sign(artifact: &[u8]) -> Vec<u8> {
        let before = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n";
        let after = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n";
        [before, artifact, after].concat()
    }
}
