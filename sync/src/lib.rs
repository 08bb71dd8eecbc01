//! Convergence of two repositories.
//!
//! The core is pure: [`Session`] drives a client, [`handle_sync`] answers for a server, both are functions
//! of a repository, a message and a [`Cx`], and write in one SQLite transaction at most. The shell moves the
//! bytes: [`client`] over any [`Transport`], [`http`] for both ends of HTTP, [`nats`] for both ends of a NATS broker.

pub mod buggify;
pub mod cx;
pub mod error;
pub mod guard;
pub mod limits;
pub mod observer;
mod outbox;
pub mod schedule;
pub mod server;
pub mod session;
mod short;
pub mod tables;
pub mod trace;
pub mod transport;
mod version;
mod watched;

#[cfg(test)]
mod convergence;
#[cfg(test)]
mod testing;

#[cfg(feature = "http")]
pub mod client;
#[cfg(feature = "http")]
mod flow;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "nats")]
pub mod nats;

pub use buggify::{Buggify, NoFaults, Site};
pub use cx::Cx;
pub use error::{SyncError, class_of};
#[cfg(feature = "http")]
pub use flow::{Flow, Flows};
pub use guard::{Guard, NoGuard};
pub use limits::Limits;
pub use observer::{
    Carrier, Doorman, Event, NoObserver, Observer, ObserverSource, Origin, RoundStats, TurnedAway,
};
pub use server::{Handler, handle_sync, reply_content_type};
pub use session::{
    CheckinLock, CheckinLockFailure, CloneVersion, Preview, Progress, Session, SyncOptions, SyncResult,
};
pub use short::short;
pub use tables::TableStats;
pub use trace::TraceContext;
pub use transport::{PeerFault, Transport, TransportError};
pub use watched::Watched;
