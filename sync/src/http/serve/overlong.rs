//! A request that is longer than is taken.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// So much of it is heard before it is answered,
const MOST_BYTES: usize = 16 << 20;

/// for so long,
const LONGEST: Duration = Duration::from_secs(5);

/// and no longer than this after its last byte: who says nothing waits for the answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Lets a peer say what it is saying, so that it gets to read the answer: to who is cut short the line seems to break.
/// Nothing of it is kept.
pub(super) async fn hear_out<B: HttpBody<Data = Bytes>>(body: B) {
    let hear = async {
        let mut body = std::pin::pin!(body);
        let mut bytes = 0;
        while let Ok(Some(Ok(frame))) = timeout(PAUSE, body.frame()).await
            && bytes < MOST_BYTES
        {
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // What takes longer is cut short.
    let _ = timeout(LONGEST, hear).await;
}
