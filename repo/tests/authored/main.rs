//! Artifacts made here in the eyes of stock Fossil, and stock's in ours.
//!
//! Needs the program `fossil`, 2.21 or newer.

#![allow(clippy::unwrap_used, reason = "in tests")]

mod fossil;
mod manifests;
mod repository;
