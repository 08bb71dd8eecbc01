//! HTTP, both ends (reference: wire.md section 1).
//!
//! [`HttpTransport`] is the client's side of a round, [`serve`] the server's. What a body is follows from its
//! Content-Type alone, on both sides; the path only says which repository.

mod client;
mod connect;
mod explain;
#[cfg(test)]
mod fuzz;
mod heard;
mod paced;
mod page;
mod proxy;
mod redirect;
pub mod serve;
mod text;
mod url;

pub use client::{HttpOptions, HttpTransport};
pub use proxy::{Proxies, ProxyError};
pub(crate) use url::read_authority;
pub use url::{AuthorityError, Password, Scheme, Url, UrlError};
