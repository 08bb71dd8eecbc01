//! What stands between a login and the secret it is checked with: the seam for whoever serves.

mod doorkeeper;

use repo::UnixTime;
use xfer::ArtifactId;

pub use self::doorkeeper::Doorkeeper;

/// A login whose signature is to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The project that the repository is of.
    pub project: &'a str,
    /// The user it names, who need not exist.
    pub user: &'a str,
    /// What the request hashes to. No two honest requests share one.
    pub nonce: &'a ArtifactId,
    /// Address it comes from, if it is known.
    pub peer: Option<&'a str>,
    /// When.
    pub now: UnixTime,
}

/// Whether a login is checked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Granted,
    /// Not now, whether it is good or not.
    Wait {
        /// For so long.
        seconds: u64,
    },
}

/// Whether a request was signed for this once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It was not seen before.
    First,
    /// Somebody sends it again.
    Again,
}

/// Slows down who guesses passwords, and tells requests that come again. Asked by [`crate::handle_sync`] for each
/// login that needs a secret. Several requests may ask at once.
pub trait Guard {
    /// Whether a login may be checked now.
    fn admit(&self, attempt: &Attempt<'_>) -> Admission;

    /// A login that was admitted was wrong.
    fn failed(&self, attempt: &Attempt<'_>);

    /// A login that was admitted was right.
    fn proved(&self, attempt: &Attempt<'_>) -> Freshness;
}

/// Admits everybody, at any time, with any request.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoGuard;

impl Guard for NoGuard {
    fn admit(&self, _: &Attempt<'_>) -> Admission {
        Admission::Granted
    }

    fn failed(&self, _: &Attempt<'_>) {}

    fn proved(&self, _: &Attempt<'_>) -> Freshness {
        Freshness::First
    }
}
