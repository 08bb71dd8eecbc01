//! Cards into bytes, in the form stock sends.

use crate::{Card, Message};

/// Writes a message.
pub fn encode(_message: &Message) -> Vec<u8> { unimplemented!() }

/// Writes one card at the end of `out`.
pub fn card(_card: &Card, _out: &mut Vec<u8>) { unimplemented!() }
