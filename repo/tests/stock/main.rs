//! Artifacts made here in the eyes of stock Fossil, and stock's in ours.
//!
//! Needs the program `fossil`, 2.21 or newer.

mod authored;
mod fossil;
mod manifests;
