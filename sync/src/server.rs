//! The server's side: one request in, one reply out, nothing kept between.

use repo::Repo;
use xfer::body::ContentType;
use xfer::card::CloneRequest;
use xfer::{Card, Message};

use crate::{Cx, SyncError};

/// Answers one request. What the client did wrong is an error card in the reply; what we did wrong is `Err`.
pub fn handle_sync(_repo: &mut Repo, _request: &Message, _cx: &mut Cx<'_>) -> Result<Message, SyncError> { unimplemented!() }

/// How the reply to `request`, which came framed as `asked`, must be framed: as asked, but for a batch clone
/// of version 3, whose payloads are compressed already (reference: wire.md section 1.4).
pub fn reply_content_type(request: &Message, asked: ContentType) -> ContentType {
    let frames = |card: &Card| matches!(card, Card::Clone(CloneRequest::Batch { version: 3.., .. }));
    if request.cards.iter().any(frames) { ContentType::Uncompressed } else { asked }
}
