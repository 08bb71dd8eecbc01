//! Realistic repositories, repeatable by seed, of any size.
//!
//! [`history`] invents what developers did; [`git`] writes it as a stream for `fossil import --git`,
//! [`by_stock`] has stock Fossil make a repository of it, with everything a Git stream cannot carry;
//! [`by_frond`] has Frond make one.
//! The same arguments give the same check-ins on every machine.

pub mod by_frond;
pub mod extras;
pub mod git;
pub mod history;
pub mod stock;

pub use history::{Checkin, History, Shape};
pub use stock::{Extras, by_stock};

/// The project code of every repository made here, so that any two of them may sync.
pub const PROJECT: &str = "c0ffee0000000000000000000000000000000000";
