//! Who talks to whom.

/// A topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All ask the first.
    Star,
    /// Each asks the one before.
    Chain,
    /// Each asks the one before, and the first the last.
    Ring,
    /// Each asks all before it.
    Mesh,
    /// Two stars, joined by one link.
    Islands,
    /// A star whose last peer comes and goes.
    Visitor,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Star, Self::Chain, Self::Ring, Self::Mesh, Self::Islands, Self::Visitor];

    /// How many peers it takes.
    pub fn least_nodes(self) -> u64 {
        match self {
            Self::Star | Self::Chain | Self::Mesh | Self::Visitor => 2,
            Self::Ring => 3,
            Self::Islands => 4,
        }
    }

    /// Whether so many peers make this shape, and no simpler one.
    pub fn is_made_of(self, nodes: usize) -> bool {
        let least = match self {
            Self::Visitor => 2,
            Self::Star | Self::Chain | Self::Ring | Self::Mesh => 3,
            Self::Islands => 4,
        };
        nodes >= least
    }
}

/// Clients and their servers.
pub fn pairs(shape: Shape, nodes: usize) -> Vec<(usize, usize)> {
    let later = 1..nodes;
    match shape {
        Shape::Star | Shape::Visitor => later.map(|node| (node, 0)).collect(),
        Shape::Chain => later.map(|node| (node, node - 1)).collect(),
        Shape::Ring => later.map(|node| (node, node - 1)).chain([(0, nodes - 1)]).collect(),
        Shape::Mesh => later.flat_map(|node| (0..node).map(move |server| (node, server))).collect(),
        Shape::Islands => {
            let other = nodes / 2;
            later.map(|node| if node <= other { (node, 0) } else { (node, other) }).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_can_be_reached_and_none_asks_itself() {
        for shape in Shape::ALL {
            for nodes in shape.least_nodes() as usize..11 {
                let pairs = pairs(shape, nodes);
                let mut reached = std::collections::BTreeSet::from([0]);
                for _ in 0..nodes {
                    for &(client, server) in &pairs {
                        assert_ne!(client, server, "{shape:?}");
                        if reached.contains(&client) || reached.contains(&server) {
                            reached.extend([client, server]);
                        }
                    }
                }
                assert_eq!(reached.len(), nodes, "{shape:?}");
            }
        }
    }
}
