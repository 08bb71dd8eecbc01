//! Requests with a login (reference: wire.md section 4.1), made here by the letter of the reference.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use frond_tests::corpus::PROJECT;
use frond_tests::sql;
use xfer::ArtifactId;

use crate::support::VERSION;

/// Makes a user whose password is `pw`.
#[track_caller]
pub(crate) fn add_user(file: &Path, user: &str, rights: &str) {
    let secret = secret(user, "pw");
    sql::execute(file, &format!("INSERT INTO user(login, pw, cap) VALUES('{user}', '{secret}', '{rights}')"));
}

/// What a password is kept as.
pub(crate) fn secret(user: &str, password: &str) -> String {
    xfer::hash::sha1(format!("{PROJECT}/{user}/{password}").as_bytes()).to_string()
}

/// A request that a user with password `pw` signed. No other has its nonce.
pub(crate) fn signed(user: &str, cards: impl AsRef<[u8]>) -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let end = format!("# {number:040}\n");
    let tail = [VERSION.as_bytes(), cards.as_ref(), end.as_bytes()].concat();
    [login(user, &secret(user, "pw"), &tail).as_bytes(), &tail].concat()
}

/// A login card for what follows it.
pub(crate) fn login(user: &str, secret: &str, tail: &[u8]) -> String {
    login_of(user, secret, &xfer::hash::sha1(tail))
}

/// A login card with whatever nonce.
pub(crate) fn login_of(user: &str, secret: &str, nonce: &ArtifactId) -> String {
    let signature = xfer::hash::sha1(format!("{nonce}{secret}").as_bytes());
    format!("login {user} {nonce} {signature}\n")
}
