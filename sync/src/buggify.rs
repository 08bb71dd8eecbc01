//! Legal but rare choices of a peer, made on purpose by the simulator.

/// A decision that a peer may take either way. There is none yet: a site is added here together with the choice,
/// where the core makes it, that the simulator is to take. Until then nobody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Site {}

/// Says whether the rare choice is taken.
pub trait Buggify {
    /// True if the rare choice is taken this time.
    fn fires(&mut self, site: Site) -> bool;
}

/// Production: no rare choices.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoFaults;

impl Buggify for NoFaults {
    fn fires(&mut self, _site: Site) -> bool {
        false
    }
}
