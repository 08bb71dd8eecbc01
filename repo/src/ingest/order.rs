//! In which order a walk goes through a forest: sources before their deltas.

use std::collections::{BTreeMap, BinaryHeap};

use super::forest::Forest;
use crate::Rid;

/// How far one branch is followed beyond the next artifact on another: versions that follow each other have most in common.
const RUN: usize = 500;

/// Indexes of nodes in the order of a walk, and when the content of a source is needed next.
pub(crate) struct Order {
    nodes: Vec<usize>,
    /// Of each place of the order, the next one with a delta of the same source.
    next: Vec<Option<u32>>,
    /// Of each node, the place of the first of its deltas.
    first: Vec<Option<u32>>,
    /// Of each source outside of the forest, the place of the first of its deltas.
    outside: BTreeMap<Rid, u32>,
}

impl Order {
    /// The order in which most versions come soon after those that they follow, or soon before them: through each tree along
    /// the rids, on all of its branches together. Where more than `held_bytes` of contents would have to wait for their
    /// deltas so, it goes down branch after branch.
    pub(crate) fn of(forest: &Forest, held_bytes: usize) -> Self {
        Self::through(forest, trees(forest, held_bytes).concat())
    }

    /// The same of what is there for something: first comes the tree that has what has the least `turn`.
    pub(crate) fn towards(forest: &Forest, held_bytes: usize, turn: impl Fn(Rid) -> Option<usize>) -> Self {
        let first = |tree: &Vec<usize>| tree.iter().filter_map(|&index| turn(forest.node(index).rid)).min();
        let mut trees = trees(forest, held_bytes);
        trees.sort_by_cached_key(first);
        Self::through(forest, trees.concat())
    }

    /// Of what is left, branch after branch: those with few deltas first. So contents of few sources have to be held: each of
    /// them has a delta that at least as much hangs on as is still to be gone through.
    pub(crate) fn of_rest(forest: &Forest, is_left: &[bool]) -> Self {
        let weights = weights(forest);
        let mut nodes = Vec::new();
        let is_top =
            |index: usize| is_left[index] && forest.source(index).is_none_or(|source| !is_left[source]);
        for tops in groups(forest, is_top) {
            go_down(forest, &weights, &tops, &mut nodes);
        }
        Self::through(forest, nodes)
    }

    fn through(forest: &Forest, nodes: Vec<usize>) -> Self {
        let (mut next, mut first) = (vec![None; nodes.len()], vec![None; forest.len()]);
        let mut outside = BTreeMap::new();
        for (place, &index) in nodes.iter().enumerate().rev() {
            let here = u32::try_from(place).expect("rids of artifacts have fewer bits");
            next[place] = match (forest.source(index), forest.node(index).source) {
                (Some(source), _) => first[source].replace(here),
                (None, Some(source)) => outside.insert(source, here),
                (None, None) => None,
            };
        }
        Self { nodes, next, first, outside }
    }

    /// All of it, as indexes of nodes.
    pub(crate) fn nodes(&self) -> &[usize] {
        &self.nodes
    }

    /// The next place with a delta of the same source.
    pub(crate) fn next(&self, place: u32) -> Option<u32> {
        self.next[place as usize]
    }

    /// The place of the first delta of a node.
    pub(crate) fn first(&self, index: usize) -> Option<u32> {
        self.first[index]
    }

    /// The place of the first delta of what the node at a place of `other` is a delta of.
    pub(crate) fn first_beside(&self, forest: &Forest, other: &Self, place: u32) -> Option<u32> {
        let index = other.nodes[place as usize];
        match forest.source(index) {
            Some(source) => self.first[source],
            None => forest.node(index).source.and_then(|source| self.outside.get(&source).copied()),
        }
    }
}

/// Each tree in the order of a walk.
fn trees(forest: &Forest, held_bytes: usize) -> Vec<Vec<usize>> {
    let (weights, mut open) = (weights(forest), vec![0; forest.len()]);
    let tree = |tops: Vec<usize>| {
        let mut nodes = Vec::new();
        go_down(forest, &weights, &tops, &mut nodes);
        go_along(forest, &tops, &nodes, &mut open, held_bytes).unwrap_or(nodes)
    };
    groups(forest, |index| forest.is_top(index)).into_iter().map(tree).collect()
}

/// Tops of trees, the newest first: those of one source together, what is whole alone.
fn groups(forest: &Forest, is_top: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut tops: Vec<usize> = (0..forest.len()).filter(|&index| is_top(index)).collect();
    tops.sort_by_key(|&index| forest.node(index).source);
    let source = |index: &usize| forest.node(*index).source;
    tops.chunk_by(|one, other| source(one).is_some() && source(one) == source(other))
        .rev()
        .map(<[usize]>::to_vec)
        .collect()
}

/// Branch after branch.
fn go_down(forest: &Forest, weights: &[usize], tops: &[usize], order: &mut Vec<usize>) {
    let mut open = Vec::new();
    let push = |open: &mut Vec<usize>, some: &[usize]| {
        let start = open.len();
        open.extend_from_slice(some);
        open[start..].sort_by_key(|&index| std::cmp::Reverse((weights[index], index)));
    };
    push(&mut open, tops);
    while let Some(index) = open.pop() {
        order.push(index);
        push(&mut open, forest.deltas_of(index));
    }
}

/// Along the rids of a tree, backwards if that is how most of its deltas lie. None if too many bytes would be held. `open` is
/// room to count in, a number for each node.
fn go_along(
    forest: &Forest,
    tops: &[usize],
    members: &[usize],
    open: &mut [usize],
    held_bytes: usize,
) -> Option<Vec<usize>> {
    let is_backward = |index: &&usize| forest.source(**index).is_some_and(|source| **index < source);
    let backward = members.iter().filter(is_backward).count() * 2 >= members.len();
    // What comes first has the greatest key. The way back from a key is the same.
    let key = |index: usize| if backward { index } else { usize::MAX - index };
    let bytes = |index: usize| usize::try_from(forest.node(index).size).unwrap_or(0);
    let mut waiting: BinaryHeap<usize> = tops.iter().map(|&index| key(index)).collect();
    let (mut order, mut held, mut on) = (Vec::with_capacity(members.len()), 0_usize, None);
    while let Some(at) = on.take().or_else(|| waiting.pop()) {
        let index = key(at);
        order.push(index);
        let deltas = forest.deltas_of(index);
        let first = waiting.peek().copied().unwrap_or(0);
        on = deltas.iter().map(|&delta| key(delta)).max().filter(|&next| next.saturating_add(RUN) >= first);
        waiting.extend(deltas.iter().map(|&delta| key(delta)).filter(|&delta| Some(delta) != on));
        open[index] = deltas.len();
        if !deltas.is_empty() {
            held = held.saturating_add(bytes(index));
        }
        if held > held_bytes {
            return None;
        }
        if let Some(source) = forest.source(index) {
            open[source] -= 1;
            if open[source] == 0 {
                held -= bytes(source);
            }
        }
    }
    Some(order)
}

/// How many nodes hang on each, itself included.
fn weights(forest: &Forest) -> Vec<usize> {
    let mut open: Vec<usize> = (0..forest.len()).map(|index| forest.deltas_of(index).len()).collect();
    let mut weights = vec![1; forest.len()];
    let mut ready: Vec<usize> = (0..forest.len()).filter(|&index| open[index] == 0).collect();
    while let Some(index) = ready.pop() {
        let Some(source) = forest.source(index) else { continue };
        weights[source] += weights[index];
        open[source] -= 1;
        if open[source] == 0 {
            ready.push(source);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xfer::hash::sha3_256;

    use super::super::Arrival;
    use super::super::forest::Node;
    use super::*;

    /// A forest of artifacts of ten bytes each, from the index of what each is a delta of; beyond them, of what is elsewhere.
    fn forest(sources: &[Option<usize>]) -> Forest {
        let node = |(index, source): (usize, &Option<usize>)| Node {
            rid: Rid(index as i64 + 1),
            id: sha3_256(&index.to_be_bytes()),
            size: 10,
            source: source.map(|source| Rid(source as i64 + 1)),
            arrival: Arrival::Now,
            frame: None,
        };
        Forest::of(sources.iter().enumerate().map(node).collect())
    }

    /// How many bytes wait at most for their deltas, if each source does so until the last of them.
    fn held(forest: &Forest, order: &Order) -> usize {
        let (mut open, mut waits, mut most) = (vec![0; forest.len()], 0, 0);
        for &index in order.nodes() {
            open[index] = forest.deltas_of(index).len();
            waits += usize::from(open[index] > 0);
            most = most.max(waits);
            if let Some(source) = forest.source(index) {
                open[source] -= 1;
                waits -= usize::from(open[source] == 0);
            }
        }
        most * 10
    }

    /// Each node once, after its source; and each place leads to the next delta of the same source.
    fn check(forest: &Forest, order: &Order) {
        let mut places = BTreeMap::new();
        for (place, &index) in order.nodes().iter().enumerate() {
            assert!(forest.source(index).is_none_or(|source| places.contains_key(&source)), "{index}");
            assert_eq!(places.insert(index, place as u32), None, "{index} comes twice");
        }
        for index in 0..forest.len() {
            let mut expected: Vec<u32> = forest.deltas_of(index).iter().map(|delta| places[delta]).collect();
            expected.sort_unstable();
            let led: Vec<u32> =
                std::iter::successors(order.first(index), |&place| order.next(place)).collect();
            assert_eq!(led, expected, "the deltas of {index}");
        }
    }

    #[test]
    fn branches_are_gone_along_together() {
        // Two branches of versions in turn, each a delta of the next one on its branch.
        let backward: Vec<Option<usize>> =
            (0..4000).map(|index| if index < 3998 { Some(index + 2) } else { None }).collect();
        let backward = forest(&[&backward[..3998], &[Some(4000), Some(4000), None]].concat());
        let order = Order::of(&backward, 1000);
        check(&backward, &order);
        let far = order.nodes().iter().enumerate().map(|(place, &index)| place.abs_diff(4000 - index));
        assert!(far.max().unwrap() <= 2 * RUN);
        assert!(held(&backward, &order) <= 30);
    }

    #[test]
    fn where_too_much_would_wait_it_goes_branch_after_branch() {
        // Each has a delta of its own far behind all others.
        let comb: Vec<Option<usize>> = (0..4000_usize)
            .map(|index| if index < 2000 { index.checked_sub(1) } else { Some(index - 2000) })
            .collect();
        let forest = forest(&comb);
        for (bytes, most) in [(100_000, 20_010), (1000, 20)] {
            let order = Order::of(&forest, bytes);
            check(&forest, &order);
            assert_eq!(order.nodes().len(), 4000);
            assert!(held(&forest, &order) <= most, "{} bytes of {bytes}", held(&forest, &order));
        }
    }

    #[test]
    fn what_is_a_delta_of_itself_is_in_no_order() {
        let forest = forest(&[Some(1), Some(0), Some(1), None, Some(99)]);
        assert_eq!(Order::of(&forest, 1000).nodes(), [4, 3]);
    }

    proptest! {
        #[test]
        fn sources_come_before_their_deltas(
            sources in proptest::collection::vec(any::<prop::sample::Index>(), 1..300),
            held_bytes in 0_usize..200,
            seen in any::<prop::sample::Index>(),
        ) {
            // Of each the source is one of those before it, or none; then they are mixed, by a prime.
            let count = sources.len();
            let mixed = |index: usize| (index * 7919) % count;
            let mut mixed_sources = vec![None; count];
            for (index, source) in sources.iter().enumerate() {
                let source = source.index(index + 1);
                mixed_sources[mixed(index)] = (source < index).then(|| mixed(source));
            }
            let forest = forest(&mixed_sources);
            let order = Order::of(&forest, held_bytes);
            prop_assert_eq!(order.nodes().len(), count);
            check(&forest, &order);

            let (done, rest) = order.nodes().split_at(seen.index(count));
            let mut is_left = vec![false; count];
            rest.iter().for_each(|&index| is_left[index] = true);
            let again = Order::of_rest(&forest, &is_left);
            let mut both = [done, again.nodes()].concat();
            prop_assert!(again.nodes().iter().all(|&index| is_left[index]));
            both.sort_unstable();
            prop_assert_eq!(both, (0..count).collect::<Vec<_>>());
        }
    }
}
