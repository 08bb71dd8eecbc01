//! What must always be true. A file a rule, which its first sentence states.
//!
//! After what a user does: [`meant`]. After every commit: [`content`], [`kept`], [`private`], [`shunned`], [`clusters`], [`tables`], [`configuration`]; [`upkeep`]
//! where an owner looked after a repository; [`derived`], and [`content`] of all that is held, after every one if runs are looked at
//! thoroughly, else after one of 24 (of 192 where all is calm); of those that leave what is held the same, after an eighth of
//! that. Of every message: [`wire`], with [`rights`] and [`budget`], and [`deadline`]; of a request and its reply: [`locks`], [`preview`]. Of what a daemon begins:
//! [`schedule`]. At the end of a session: [`completeness`], [`events`]. At the end of a run: [`convergence`], [`derived`].

pub mod budget;
pub mod clusters;
pub mod completeness;
pub mod configuration;
pub mod content;
pub mod convergence;
pub mod deadline;
pub mod derived;
pub mod events;
pub mod kept;
pub mod locks;
pub mod meant;
pub mod preview;
pub mod private;
pub mod rights;
pub mod schedule;
pub mod shunned;
pub mod tables;
mod ties;
pub mod upkeep;
pub mod wire;
