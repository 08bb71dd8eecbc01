//! Leaves as processes: what they keep in step, what stops them, and what they show.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here is the finding")]

mod away;
mod bridge;
mod broker;
mod configuration;
mod fleet;
mod life;
mod page;
mod register;
mod secrets;
mod serving;
mod slow;
mod soak;
mod trouble;
