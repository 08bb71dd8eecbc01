//! Why a session fails.

use std::error::Error;

use repo::RepoError;
use xfer::body::BodyError;
use xfer::{ArtifactId, DecodeError};

use crate::{SyncResult, TransportError};

/// Says what failed, whose fault it is, and so whether a retry helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// Our repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The peer sent something that is no message.
    #[error("the peer sent a malformed message: {0}")]
    Decode(#[from] DecodeError),
    /// The peer refused, in its own words.
    #[error("the peer refused: {0}")]
    Refused(String),
    /// The peer takes no push of this user. What there was to pull was pulled; nothing counts as pushed.
    #[error("the peer takes no push of {user}, who lacks capability i there: {said}")]
    PushRefused {
        /// What the peer said.
        said: String,
        /// Who asked; `nobody` without a login.
        user: String,
        /// What the session did beside.
        result: Box<SyncResult>,
    },
    /// The peer takes no unversioned files of this user. Everything else was done.
    #[error("the peer takes no unversioned files of {user}, who lacks capability y there: {files} stay here")]
    UnversionedRefused {
        /// How many it would have got.
        files: usize,
        /// Who asked; `nobody` without a login.
        user: String,
        /// What the session did beside.
        result: Box<SyncResult>,
    },
    /// The peer refuses to be cloned by nobody, and no user and password were given.
    #[error("the peer wants a user and a password: {0}")]
    PasswordNeeded(String),
    /// The peer's artifact is not what its name promises, or can not be unpacked. Nothing of its reply was kept.
    #[error("the peer sent a bad artifact: {0}")]
    BadArtifact(#[source] RepoError),
    /// The reply is a web page.
    #[error("the peer answered with a web page, not with a sync reply: {0}")]
    WebPage(String),
    /// The peer sent a card that has no place in a reply.
    #[error("the peer sent a card that has no place in a reply: {0}")]
    UnexpectedCard(String),
    /// The reply has no timestamp: the peer failed while it wrote it. A retry may help.
    #[error("the peer's reply has no timestamp at its end: it failed midway")]
    Unfinished,
    /// The reply answers an empty request: ours did not come to the peer as it was sent. Nothing of it counts as taken there.
    /// A retry may help.
    #[error("the peer answered as if it had been asked nothing: the request did not get there whole")]
    Unanswered,
    /// A reply to a clone has no `push` card, so we do not know the project.
    #[error("the peer's clone reply does not name its project")]
    NoProjectNamed,
    /// A reply to a clone has artifacts, and no word of how to go on.
    #[error("the peer's clone reply has no clone_seqno")]
    NoCloneSeqno,
    /// The next batch would not start after the last one.
    #[error("the peer's clone_seqno does not rise: asked from {asked}, told to go on from {told}")]
    CloneSeqno {
        /// Where the batch started.
        asked: u32,
        /// Where the next one would.
        told: u32,
    },
    /// The peer holds another project.
    #[error("the peer holds project {theirs}, this repository is of project {ours}")]
    WrongProject {
        /// Project code of this repository.
        ours: String,
        /// Project code that the peer named.
        theirs: String,
    },
    /// The caller wants another project than the one of this repository, or of the peer that is cloned.
    #[error("project {wanted} is wanted, and this is project {here}")]
    OtherProject {
        /// Project code that the caller named.
        wanted: String,
        /// Project code that was found.
        here: String,
    },
    /// Another repository file answers than the one that the clone began with.
    #[error(
        "another repository answers than the one this clone began with (server code {theirs}, not {ours})"
    )]
    OtherServer {
        /// Server code that the clone began with.
        ours: String,
        /// Server code that the peer named now.
        theirs: String,
    },
    /// Deltas whose sources the peer does not send. What came is kept; the clone is not whole.
    #[error(
        "the clone is not whole: {count} artifacts are deltas of artifacts that the peer does not send, {first} among them"
    )]
    UnresolvedDeltas {
        /// How many.
        count: u64,
        /// One of them.
        first: ArtifactId,
    },
    /// Rounds went by, and nothing new came though the peer keeps promising.
    #[error("{rounds} rounds in a row brought nothing new, though the peer keeps announcing artifacts")]
    Idle {
        /// How many.
        rounds: u32,
    },
    /// More rounds than what they moved is worth. What came is kept: the next session goes on from there.
    #[error("no end after {rounds} rounds, which moved {artifacts} artifacts")]
    TooManyRounds {
        /// How many rounds.
        rounds: u32,
        /// How many artifacts they moved.
        artifacts: u64,
    },
    /// More content than a session may take. What came is kept: the next session goes on from there.
    #[error("the session took {artifacts} artifacts, {bytes} bytes: more than its bounds")]
    TooMuch {
        /// How many artifacts.
        artifacts: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// The repository has no project code.
    #[error("this repository has no project code: it can not be synchronized")]
    NoProject,
    /// A clone wants a fresh repository, or one of an interrupted clone.
    #[error("a clone needs a fresh repository, and this one holds artifacts")]
    NotFresh,
    /// The repository is an interrupted clone.
    #[error("this repository is an unfinished clone: finish it with another clone of the same source")]
    UnfinishedClone,
    /// Neither pull nor push.
    #[error("nothing to do: a session needs a direction")]
    NothingToDo,
}

impl SyncError {
    /// One word for what kind of failure it is, for figures and alerts. The set of words is closed.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Repo(RepoError::DiskFull { .. }) => "disk-full",
            Self::Repo(error) if error.may_retry() => "repository-busy",
            Self::Repo(_) => "repository",
            Self::Decode(_) | Self::WebPage(_) | Self::UnexpectedCard(_) => "malformed",
            Self::BadArtifact(_) => "bad-artifact",
            Self::Refused(_) | Self::PushRefused { .. } | Self::UnversionedRefused { .. } => "refused",
            Self::PasswordNeeded(_) => "login",
            Self::Unfinished | Self::Unanswered => "cut-short",
            Self::NoProjectNamed
            | Self::NoCloneSeqno
            | Self::CloneSeqno { .. }
            | Self::UnresolvedDeltas { .. } => "incomplete",
            Self::WrongProject { .. } | Self::OtherProject { .. } | Self::OtherServer { .. } => {
                "wrong-project"
            }
            Self::Idle { .. } | Self::TooManyRounds { .. } => "no-progress",
            Self::TooMuch { .. } => "limit",
            Self::NoProject | Self::NotFresh | Self::UnfinishedClone | Self::NothingToDo => "usage",
        }
    }
}

/// One word for what kind of failure an [`crate::Event`] tells of: [`SyncError::class`], [`TransportError::class`] or that
/// of a client's error; `other` for what is none of them.
pub fn class_of(error: &(dyn Error + 'static)) -> &'static str {
    if let Some(error) = error.downcast_ref::<SyncError>() {
        return error.class();
    }
    if let Some(error) = error.downcast_ref::<TransportError>() {
        return error.class();
    }
    #[cfg(feature = "http")]
    if let Some(error) = error.downcast_ref::<crate::client::ClientError>() {
        return error.class();
    }
    let is_malformed = error.is::<DecodeError>() || error.is::<BodyError>();
    if is_malformed { "malformed" } else { "other" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_class_of_what_failed() {
        let peer = || "h:80".to_owned();
        let slow = TransportError::TimedOut { peer: peer(), after: std::time::Duration::ZERO };
        let refused = TransportError::Status { peer: peer(), status: 403, text: String::new() };
        let cases: [(&(dyn Error + 'static), &str); 4] = [
            (&SyncError::Unfinished, "cut-short"),
            (&slow, "timeout"),
            (&refused, "http-status"),
            (&std::fmt::Error, "other"),
        ];
        for (error, class) in cases {
            assert_eq!(class_of(error), class, "{error}");
        }
    }
}
