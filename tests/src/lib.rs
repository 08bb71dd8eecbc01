//! Helpers for tests that drive the binary and stock Fossil side by side.
//!
//! A helper that fails panics with the whole story: what was run, what it said. The integration tests of
//! this package are about Frond; that a machine lacks stock Fossil is a failure, not a reason to skip.

pub mod artifact;
pub mod browser;
pub mod compare;
pub mod corpus;
pub mod cost;
pub mod debian;
pub mod disk;
pub mod fossil;
pub mod frond;
pub mod gateway;
pub mod http;
pub mod leaf;
pub mod memory;
pub mod named;
pub mod nats;
pub mod nginx;
pub mod pair;
pub mod process;
pub mod proxy;
pub mod rng;
pub mod scratch;
pub mod scripted;
pub mod shared;
pub mod soak;
pub mod sql;
pub mod terminal;

pub use browser::Browser;
pub use disk::Disk;
pub use fossil::Fossil;
pub use frond::Frond;
pub use gateway::{Gateway, Tls};
pub use leaf::Leaf;
pub use nats::Nats;
pub use nginx::Nginx;
pub use pair::Pair;
pub use process::{Said, Server};
pub use proxy::Proxy;
pub use scratch::Scratch;
pub use scripted::{Reply, Scripted};
