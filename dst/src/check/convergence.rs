//! After a time without faults every peer holds what any peer holds that it can be reached from, for all to see if that
//! peer has it so, private artifacts where those may go; and peers that give each other unversioned files have the same.

use std::collections::BTreeSet;

use xfer::ArtifactId;

use crate::known::Known;
use crate::model::Violation;

/// Which way things go between peers: pairs of a giver and a taker.
#[derive(Debug, Clone, Default)]
pub struct Flows {
    /// Public artifacts.
    pub artifacts: BTreeSet<(usize, usize)>,
    /// Private ones too.
    pub private: BTreeSet<(usize, usize)>,
    /// Unversioned files.
    pub files: BTreeSet<(usize, usize)>,
    /// The latest time, in seconds, that each peer takes from others; nothing is said of those that are not here. What is
    /// dated later it takes as of that time.
    pub latest: Vec<i64>,
}

/// When a file was changed, and to what; none: it was deleted.
pub(super) type Version = (i64, Option<ArtifactId>);

/// Compares all peers.
pub fn check(peers: &[&Known], flows: &Flows) -> Result<(), Violation> {
    // A peer says of what waits for something shunned that it could not be had: `completeness` looks after that.
    let all: BTreeSet<ArtifactId> = peers.iter().flat_map(|known| known.held.keys().copied()).collect();
    for id in all {
        let open = holders(peers, |peer| peer.is_public(&id));
        // Who is like stock takes a name for public, but for one that is in a cluster only: what it hides goes no further.
        let hides = |peer: usize| peers[peer].is_stock && peers[peer].private.contains(&id);
        let takes = |peer: usize| peers[peer].takes(&id) && !hides(peer) && !waits_in_vain(peers, peer, &id);
        for peer in reached(open, &flows.artifacts, takes) {
            if !peers[peer].is_public(&id) && takes(peer) {
                return Err(missed(&id, peer, peers[peer], "which is public elsewhere,"));
            }
        }
        let any = holders(peers, |peer| peer.held.contains_key(&id));
        let takes = |peer: usize| peers[peer].takes(&id) && !waits_in_vain(peers, peer, &id);
        for peer in reached(any, &flows.private, takes) {
            if !peers[peer].held.contains_key(&id) && takes(peer) {
                return Err(missed(&id, peer, peers[peer], "which it may have though it is private,"));
            }
        }
    }
    check_files(peers, flows)
}

/// Whether a peer like stock was sent this as a delta of something that others shunned before it came: it asks for the
/// source for ever, and takes the artifact in no other form.
fn waits_in_vain(peers: &[&Known], peer: usize, id: &ArtifactId) -> bool {
    let is_kept_back = |source: &ArtifactId| peers.iter().any(|other| other.shunned.contains(source));
    let known = peers[peer];
    known.is_stock && known.waiting.contains(id) && known.phantoms.iter().any(is_kept_back)
}

fn holders(peers: &[&Known], holds: impl Fn(&Known) -> bool) -> BTreeSet<usize> {
    (0..peers.len()).filter(|&peer| holds(peers[peer])).collect()
}

fn missed(id: &ArtifactId, peer: usize, known: &Known, what: &str) -> Violation {
    Violation::new("convergence", format!("{id}, {what} did not reach peer {peer}, {}", known.state(id)))
}

/// Who is given files has nothing older than the giver; peers that give each other files have the same. A deletion does
/// not pass through a peer that never had the file, so that it reaches nobody else for sure. Two that deleted a file at
/// different times keep these times, as in stock, while the files that they have are the same: then their hashes are
/// equal, and nothing is said of any file. As soon as a file differs the later time is taken.
pub fn check_files(peers: &[&Known], flows: &Flows) -> Result<(), Violation> {
    for &(from, to) in &flows.files {
        let latest = |peer: usize| flows.latest.get(peer).copied().unwrap_or(i64::MAX);
        // The same content, of which one has a date that the other cannot believe: that is left as it is.
        let is_ahead = |ours: &Version, theirs: &Version| ours.0 > latest(to) || theirs.0 > latest(from);
        let is_silent = peers[from].live_files() == peers[to].live_files();
        let is_behind = |(name, version): &(&String, &Version)| match peers[to].files.get(*name) {
            Some((_, None)) if version.1.is_none() && is_silent => false,
            Some(theirs) if theirs.1 == version.1 && is_ahead(version, theirs) => false,
            Some(_) if version.0 > latest(to) && peers[to].gave_way(name, **version) => false,
            Some(theirs) if version.0 > latest(to) && peers[to].ahead.contains_key(*name) => {
                (peers[to].ahead[*name], theirs.1) < (version.0, version.1)
            }
            Some(theirs) => *theirs < (version.0.min(latest(to)), version.1),
            None => version.1.is_some(),
        };
        if let Some((name, version)) = peers[from].files.iter().find(is_behind) {
            let theirs = peers[to].files.get(name);
            let text = format!("{name} is {version:?} at peer {from}, and {theirs:?} at {to}");
            return Err(Violation::new("convergence", text));
        }
    }
    for &(one, other) in flows.files.iter().filter(|&&(one, other)| flows.files.contains(&(other, one))) {
        let is_ahead = |name: &str| {
            let latest = [one, other].iter().filter_map(|&peer| flows.latest.get(peer)).min();
            let versions = [one, other].into_iter().filter_map(|peer| peers[peer].files.get(name));
            latest.is_some_and(|latest| versions.max().is_some_and(|version| version.0 > *latest))
        };
        let [ours, theirs] = [one, other].map(|peer| {
            let mut files = peers[peer].live_files();
            files.retain(|name, _| !is_ahead(name));
            files
        });
        if ours != theirs {
            let text = format!("unversioned files of {one} and {other} differ: {ours:?}, {theirs:?}");
            return Err(Violation::new("convergence", text));
        }
    }
    Ok(())
}

/// Peers that something comes to, those that have it included. It goes on from those only that pass it on.
fn reached(
    mut reached: BTreeSet<usize>,
    flows: &BTreeSet<(usize, usize)>,
    passes_on: impl Fn(usize) -> bool,
) -> BTreeSet<usize> {
    loop {
        let next = |&(from, to): &(usize, usize)| {
            (reached.contains(&from) && passes_on(from) && !reached.contains(&to)).then_some(to)
        };
        let more: Vec<usize> = flows.iter().filter_map(next).collect();
        if more.is_empty() {
            return reached;
        }
        reached.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_go_on_along_the_flows_only() {
        let flows = BTreeSet::from([(0, 1), (1, 2), (3, 2)]);
        assert_eq!(reached(BTreeSet::from([0]), &flows, |_| true), BTreeSet::from([0, 1, 2]));
        assert_eq!(reached(BTreeSet::from([0]), &flows, |peer| peer != 1), BTreeSet::from([0, 1]));
    }

    #[test]
    fn a_file_that_is_older_at_who_is_given_it_is_found() {
        let id = xfer::hash::sha1(b"x");
        let with = |version: Option<Version>| Known {
            files: version.map(|version| ("a".to_owned(), version)).into_iter().collect(),
            ..Known::default()
        };
        let flows = Flows { files: [(0, 1)].into(), ..Flows::default() };
        let (none, old, new, deleted) = (None, Some((1, Some(id))), Some((2, Some(id))), Some((2, None)));
        let cases = [
            (new, old, false),
            (new, none, false),
            (deleted, old, false),
            (new, deleted, false),
            (deleted, none, true),
            (old, deleted, true),
            (none, old, true),
            (deleted, new, true),
            (deleted, Some((1, None)), true),
        ];
        for (from, to, sound) in cases {
            assert_eq!(check(&[&with(from), &with(to)], &flows).is_ok(), sound, "{from:?} {to:?}");
        }
        for (from, to, latest, sound) in [
            (new, old, [9, 1], true),
            (new, old, [9, 2], false),
            (new, old, [0, 9], true),
            (new, Some((1, None)), [9, 1], false),
            (new, Some((2, None)), [9, 1], true),
        ] {
            let flows = Flows { latest: latest.into(), ..flows.clone() };
            assert_eq!(check(&[&with(from), &with(to)], &flows).is_ok(), sound, "{from:?} {to:?} {latest:?}");
        }
        let mut behind = with(Some((1, None)));
        behind.files.insert("b".to_owned(), (1, Some(id)));
        assert!(check(&[&with(deleted), &behind], &flows).is_err(), "files differ");
    }

    #[test]
    fn what_is_missing_at_a_peer_is_found() {
        let id = xfer::hash::sha1(b"x");
        let with = Known { held: [(id, 1)].into(), ..Known::default() };
        let without = Known::default();
        let flows = Flows { artifacts: [(0, 1)].into(), ..Flows::default() };
        assert!(check(&[&with, &without], &flows).is_err());
        assert!(check(&[&without, &with], &flows).is_ok());
        let shunning = Known { shunned: [id].into(), ..Known::default() };
        assert!(check(&[&with, &shunning], &flows).is_ok());
    }

    #[test]
    fn what_is_public_elsewhere_may_not_stay_private() {
        let id = xfer::hash::sha1(b"x");
        let open = Known { held: [(id, 1)].into(), ..Known::default() };
        let hidden = Known { private: [id].into(), ..open.clone() };
        let flows = Flows { artifacts: [(0, 1)].into(), ..Flows::default() };
        assert!(check(&[&open, &hidden], &flows).is_err());
        assert!(check(&[&hidden, &open], &flows).is_ok());
        let stock = Known { is_stock: true, ..hidden };
        assert!(check(&[&open, &stock], &flows).is_ok());
    }

    #[test]
    fn what_waits_for_a_source_that_others_shun_stays_away_from_stock_only() {
        let [id, source] = [b"x", b"y"].map(|content| xfer::hash::sha1(content));
        let with = Known { held: [(id, 1)].into(), shunned: [source].into(), ..Known::default() };
        let waiting = Known { waiting: [id].into(), phantoms: [source].into(), ..Known::default() };
        let flows = Flows { artifacts: [(0, 1)].into(), ..Flows::default() };
        assert!(check(&[&with, &waiting], &flows).is_err());
        let stock = Known { is_stock: true, ..waiting };
        assert!(check(&[&with, &stock], &flows).is_ok());
        assert!(check(&[&Known { shunned: BTreeSet::new(), ..with }, &stock], &flows).is_err());
    }

    #[test]
    fn what_is_private_goes_where_it_may_go() {
        let id = xfer::hash::sha1(b"x");
        let with = Known { held: [(id, 1)].into(), private: [id].into(), ..Known::default() };
        let without = Known::default();
        let both = BTreeSet::from([(0, 1)]);
        for (private, sound) in [(both.clone(), false), (BTreeSet::new(), true)] {
            let flows = Flows { artifacts: both.clone(), private, ..Flows::default() };
            assert_eq!(check(&[&with, &without], &flows).is_ok(), sound);
        }
    }
}
