//! Legal but rare choices of a peer, made on purpose by the simulator.

/// A decision that a peer may take either way, and where the core seldom or never takes the other one. What is
/// chosen is something that a sound peer could do: nothing false is ever said or stored. New ones come last: what seeds of the
/// simulator turn on goes by the place of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Site {
    /// A message takes up no more artifacts, long before its budget is spent: as if its time were up.
    Full,
    /// An artifact is sent as it is where a delta of it would do.
    Whole,
    /// A reply to a pull brings artifacts that nobody asked for, perhaps as deltas of what the client lacks.
    Unasked,
    /// An artifact is announced though the peer sent it or is sent it.
    AnnouncedAgain,
    /// A reply that answers requests for artifacts leaves out the list of what there is: the reply before had it.
    ListLeftOut,
    /// An artifact is asked for twice in one message.
    AskedTwice,
    /// A request for an artifact is passed over, as if the artifact had just been shunned.
    Unanswered,
    /// The catalog of unversioned files is sent though the client has the same files.
    CatalogAnyway,
    /// Clusters are made later than they could be.
    ClustersLater,
    /// A server does not know what `req-clusters` is.
    ClustersUnknown,
    /// What was made since the last push is announced only, and not sent unasked.
    NamesOnly,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Full,
        Self::Whole,
        Self::Unasked,
        Self::AnnouncedAgain,
        Self::ListLeftOut,
        Self::AskedTwice,
        Self::Unanswered,
        Self::CatalogAnyway,
        Self::ClustersLater,
        Self::ClustersUnknown,
        Self::NamesOnly,
    ];
}

/// Says whether the rare choice is taken.
pub trait Buggify {
    /// True if the rare choice is taken this time.
    fn fires(&self, site: Site) -> bool;
}

/// Production: no rare choices.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoFaults;

impl Buggify for NoFaults {
    fn fires(&self, _site: Site) -> bool {
        false
    }
}
