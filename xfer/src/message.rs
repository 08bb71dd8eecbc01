//! One message: what travels one way in one round.

use crate::{Card, Login};

/// The cards of one request or reply, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The login card, which covers every byte after its own line. Always first on the wire.
    pub login: Option<Login>,
    /// Everything else, comments included.
    pub cards: Vec<Card>,
}
