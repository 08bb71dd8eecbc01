//! Budgets and bounds, all in one place.

/// Every number that bounds a session. The defaults are stock's where stock has one.
///
/// The life of a check-in lock is not among them: each repository has its own, in the setting `lock-timeout`
/// ([`crate::CheckinLock`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of artifacts in one request at most, as far as [`Limits::first_send_bytes`] lets it grow; one artifact may
    /// exceed it.
    pub send_bytes: u64,
    /// Bytes of artifacts in the first request of a session; each further one may bring twice as many. It fits what web
    /// servers take unless they are told otherwise, 1 MiB, and most sessions need no more.
    pub first_send_bytes: u64,
    /// Bytes of artifacts in one reply; a single artifact may exceed it, a second one then waits.
    pub reply_bytes: u64,
    /// Milliseconds that may pass before a reply takes up no further artifact. Needs [`crate::Cx::clock`].
    pub reply_ms: u64,
    /// Rounds of one session, beside those that its size earns: see `round_artifacts` and `round_bytes`.
    pub rounds: u32,
    /// One more round is allowed for every so many new artifacts.
    pub round_artifacts: u64,
    /// One more round is allowed for every so many bytes of new artifacts, as they travelled.
    pub round_bytes: u64,
    /// Rounds in a row that may bring nothing new though something was asked for. After them the session is
    /// over, without what the peer does not send; with an error if it announced more in each of them.
    pub idle_rounds: u32,
    /// New artifacts of one session.
    pub session_artifacts: u64,
    /// Bytes of new artifacts of one session, as they travelled.
    pub session_bytes: u64,
    /// `gimme` cards of one request at least; twice what the last round brought, if that is more.
    pub gimmes: usize,
    /// `gimme` cards of one request at most, where rounds that brought nothing made it ask for more.
    pub idle_gimmes: usize,
    /// `gimme` cards of one reply. Who withholds something is told that more is wanted, and names it, so that the others
    /// have their turn; stock does not: with a number below what stock clients withhold these are asked for the same,
    /// again and again.
    pub reply_gimmes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            send_bytes: 5_000_000,
            first_send_bytes: 1_000_000,
            reply_bytes: 5_000_000,
            reply_ms: 30_000,
            rounds: 100,
            round_artifacts: 4,
            round_bytes: 16_384,
            idle_rounds: 3,
            session_artifacts: 16_000_000,
            session_bytes: 64 << 30,
            gimmes: 200,
            idle_gimmes: 50_000,
            reply_gimmes: 500,
        }
    }
}
