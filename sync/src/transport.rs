//! How a round travels.

use std::future::Future;

use xfer::body::Body;

/// Carries one request to the peer and its reply back.
pub trait Transport {
    /// One exchange.
    fn exchange(&mut self, request: Body) -> impl Future<Output = Result<Body, TransportError>>;
}

/// Why an exchange failed: never the fault of a message.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers there. A retry may help.
    #[error("cannot reach {peer}: {reason}")]
    Unreachable {
        /// Where.
        peer: String,
        /// Why.
        reason: String,
    },
    // The owner of this module adds the rest.
}
