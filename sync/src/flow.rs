//! How fast bytes may move between a peer and us.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Says how fast bytes may move one way. Whoever moves some waits for as long as it says first, moves a piece, and says
/// how long that was.
pub trait Flow: Send + Sync {
    /// Bytes of a piece: what moves without a wait in between. At least 1.
    fn piece_bytes(&self) -> usize;

    /// Bytes that the system may take from the peer before they are read: what a line of some delay holds.
    fn ahead_bytes(&self) -> usize;

    /// How long nothing may move from now on.
    fn wait(&self) -> Duration;

    /// So many bytes moved.
    fn moved(&self, bytes: usize);
}

/// How fast bytes may move to a peer and from it; as fast as they can where nothing is said.
#[derive(Clone, Default)]
pub struct Flows {
    /// To the peer.
    pub up: Option<Arc<dyn Flow>>,
    /// From the peer.
    pub down: Option<Arc<dyn Flow>>,
}

impl fmt::Debug for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flows").field("up", &self.up.is_some()).field("down", &self.down.is_some()).finish()
    }
}
