//! Pragmas (reference: wire.md section 5.2). Unknown ones are kept, and ignored by both sides.

use crate::ArtifactId;
use crate::table::TablePragma;

/// One `pragma` card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pragma {
    /// `client-version V [D T]`.
    ClientVersion(Version),
    /// `server-version V [D T]`.
    ServerVersion(Version),
    /// `send-private`.
    SendPrivate,
    /// `send-catalog`.
    SendCatalog,
    /// `req-clusters`.
    ReqClusters,
    /// `uv-hash HASH`.
    UvHash(ArtifactId),
    /// `uv-push-ok`.
    UvPushOk,
    /// `uv-pull-only`.
    UvPullOnly,
    /// `ci-lock CHECKIN CLIENTID`.
    CiLock {
        /// The check-in that is about to get a child.
        checkin: ArtifactId,
        /// The checkout that asks.
        client: String,
    },
    /// `ci-unlock CLIENTID`.
    CiUnlock {
        /// The checkout that lets go.
        client: String,
    },
    /// `ci-lock-fail USER MTIME`.
    CiLockFail {
        /// Who holds the lock; empty if a user without a login does.
        user: String,
        /// Since when, in seconds since 1970.
        since: i64,
    },
    /// `avoid-delta-manifests`.
    AvoidDeltaManifests,
    /// `client-url URL`.
    ClientUrl(String),
    /// `req-links`.
    ReqLinks,
    /// `link URL JSON MTIME`.
    Link {
        /// The other host.
        url: String,
        /// What it said of itself.
        json: String,
        /// Seconds since 1970.
        mtime: i64,
    },
    /// `x-more-gimmes`: the sender lacks more artifacts than the `gimme` cards of this reply ask for. An extension; who
    /// answers with a `gimme` card for what it will not send is asked for the others.
    MoreGimmes,
    /// One about synced tables.
    Table(TablePragma),
    /// Any other, or a known one with arguments that do not fit: every token after `pragma`.
    Other(Vec<Vec<u8>>),
}

/// A program version, and the build it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// `major * 10000 + minor * 100 + patch`.
    pub number: u32,
    /// Build date `YYYYMMDD` and time `HHMMSS`.
    pub build: Option<(u32, u32)>,
}
