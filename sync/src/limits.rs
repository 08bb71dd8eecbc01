//! Budgets and bounds, all in one place.

/// Every number that bounds a session. The defaults are stock's where stock has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of artifacts in one request; one artifact may exceed it.
    pub send_bytes: u64,
    /// Bytes of artifacts in one reply; one artifact may exceed it.
    pub reply_bytes: u64,
    /// Rounds of one session.
    pub rounds: u32,
    /// `gimme` cards of one request at least; twice what the last round brought, if that is more.
    pub gimmes: usize,
    /// `gimme` cards of one reply.
    pub reply_gimmes: usize,
    /// Rounds in a row that may bring nothing new.
    pub idle_rounds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { send_bytes: 250_000, reply_bytes: 5_000_000, rounds: 100, gimmes: 200, reply_gimmes: 500, idle_rounds: 3 }
    }
}
