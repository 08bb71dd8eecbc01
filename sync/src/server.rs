//! The server's side: one request in, one reply out, nothing kept between.

use repo::Repo;
use xfer::Message;

use crate::{Cx, SyncError};

/// Answers one request. What the client did wrong is an error card in the reply; what we did wrong is `Err`.
pub fn handle_sync(_repo: &mut Repo, _request: &Message, _cx: &mut Cx<'_>) -> Result<Message, SyncError> { unimplemented!() }
