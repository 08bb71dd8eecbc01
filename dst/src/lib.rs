//! Deterministic simulation of whole fleets of peers under injected faults.
//!
//! The code is that of production: [`sync::Session`], [`sync::handle_sync`], [`repo`]. What is simulated is the world:
//! network, clocks, crashes, disks. A seed decides everything, so that a run happens again byte for byte.
//!
//! ```text
//!   dice, queue, trace     chance by seed and site; events in virtual time; the record
//!   plan, shape            what a seed decides beforehand
//!   rare                   legal choices that peers seldom make
//!   script, site, shrink   a run of which something is left out; what can be; the least that still fails
//!   node, known, work      a peer; what it holds; what its users do
//!   meant, answer, rights  what a user asks for, told before it is done; what a server had when it answered; what letters allow
//!   model                  every artifact that anybody made; the list of rules
//!   death                  how a peer dies in the midst of it
//!   feature, beside        what a run has beside artifacts and files: synced tables, locks, configuration
//!   census                 how often each kind of work was done
//!   templates              repositories to begin with
//!   stock                  peers that are not Frond's code, and strict
//!   talk, watch            a session; its events
//!   sim                    a run: event (what happens when), begin, exchange (rounds) and their halves, bounds (of messages),
//!                          ending (of sessions), working (users), side (what they do beside artifacts and files), audit (after
//!                          each commit), outcome; mishap (faults), damage and forgery (of messages), within (what peers do and
//!                          how they die in a half-round); forks, quarrels, race, loss, albums, crowds, relays (what is
//!                          brought about on purpose); daemon, stock; settle (the end without faults), later (its time comes of what is dated ahead);
//!                          configuring and rivals (users who change settings, other users, rows that are under way),
//!                          disfavour (stock shuns what is about to come)
//!   check                  what must always be true, a file a rule
//! ```
//!
//! ```
//! use dst::node::Templates;
//! use dst::plan::Level;
//!
//! let outcome = dst::sim::run(1, Level::Calm, &Templates::new()?, 30)?;
//! assert_eq!(outcome.violation, None);
//! # Ok::<(), repo::RepoError>(())
//! ```

pub mod answer;
pub mod beside;
pub mod census;
pub mod check;
pub mod death;
pub mod dice;
pub mod feature;
pub mod known;
pub mod meant;
pub mod model;
pub mod node;
pub mod plan;
pub mod queue;
pub mod rare;
pub mod rights;
pub mod script;
pub mod shape;
pub mod shrink;
pub mod sim;
pub mod site;
pub mod stock;
pub mod talk;
pub mod templates;
pub mod trace;
pub mod watch;
pub mod work;
