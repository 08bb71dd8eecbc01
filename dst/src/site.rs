//! Where a fault may hit by chance, each time that it is asked.

use crate::dice::Ratio;
use crate::plan::{Fault, dashed};

/// A place where chance decides whether a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// A request is lost.
    LoseRequest,
    /// A reply is lost.
    LoseReply,
    /// A request arrives twice.
    DoubleRequest,
    /// A reply arrives twice, in the first edition only: over no transport it can, since who waits for one listens at a
    /// place of its own, and for one only.
    DoubleReply,
    /// A request is late.
    DelayRequest,
    /// A reply is late.
    DelayReply,
    /// A request is cut short.
    CutRequest,
    /// A reply is cut short.
    CutReply,
    /// A request arrives with another content.
    FlipRequest,
    /// A reply arrives with another content.
    FlipReply,
    /// A peer dies after an action of its user.
    CrashAfterWork,
    /// A server dies when a request arrives.
    CrashBeforeRequest,
    /// A server dies after its commit, before the reply.
    CrashAfterRequest,
    /// A client dies when it has taken in a reply.
    CrashAfterReply,
    /// A session begins beside one that is under way.
    Crowd,
    /// A request takes a few seconds, so that others overtake it.
    ReorderRequest,
    /// A reply takes a few seconds.
    ReorderReply,
    /// A peer dies within a half-round, or what its user does.
    CrashWithin,
    /// A peer dies just before or after a commit of a half-round, or of what its user does.
    CrashAtCommit,
    /// A daemon does not hear that a peer has something new.
    LoseAnnouncement,
    /// A reply brings a false delta without its source, and is the last for a while.
    FalseDelta,
    /// The reply to a clone that was refused at first says no more of which project it is.
    NamelessReply,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::LoseRequest,
        Self::LoseReply,
        Self::DoubleRequest,
        Self::DoubleReply,
        Self::DelayRequest,
        Self::DelayReply,
        Self::CutRequest,
        Self::CutReply,
        Self::FlipRequest,
        Self::FlipReply,
        Self::CrashAfterWork,
        Self::CrashBeforeRequest,
        Self::CrashAfterRequest,
        Self::CrashAfterReply,
        Self::Crowd,
        Self::ReorderRequest,
        Self::ReorderReply,
        Self::CrashWithin,
        Self::CrashAtCommit,
        Self::LoseAnnouncement,
        Self::FalseDelta,
        Self::NamelessReply,
    ];

    /// The fault whose ratio decides how often it hits here.
    pub fn fault(self) -> Fault {
        match self {
            Self::LoseRequest => Fault::LoseRequest,
            Self::LoseReply | Self::LoseAnnouncement => Fault::LoseReply,
            Self::DoubleRequest | Self::DoubleReply => Fault::Duplicate,
            Self::DelayRequest | Self::DelayReply => Fault::Delay,
            Self::CutRequest | Self::CutReply => Fault::Truncate,
            Self::FlipRequest | Self::FlipReply | Self::FalseDelta | Self::NamelessReply => Fault::Flip,
            Self::CrashAfterWork
            | Self::CrashBeforeRequest
            | Self::CrashAfterRequest
            | Self::CrashAfterReply => Fault::Crash,
            Self::Crowd => Fault::Crowd,
            Self::ReorderRequest | Self::ReorderReply => Fault::Reorder,
            Self::CrashWithin | Self::CrashAtCommit => Fault::CrashWithin,
        }
    }

    /// How often it hits here, where its fault has this ratio: what can seldom happen does so each other time.
    pub fn ratio(self, of_fault: Ratio) -> Ratio {
        match self {
            Self::FalseDelta | Self::NamelessReply if of_fault != Ratio::NEVER => Ratio::new(1, 2),
            _ => of_fault,
        }
    }

    /// As it is written: in small letters, with dashes.
    pub fn name(self) -> String {
        dashed(&format!("{self:?}"))
    }

    /// Reads what [`Site::name`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|site| site.name() == name)
    }
}
