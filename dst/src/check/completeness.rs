//! A session that reports success left nothing behind that the peer offered but what it counts as unavailable, and
//! nothing at all that it knew by name and the peer had for it when it answered; while nothing fails, nothing that the peer
//! has for everybody. It took nothing off the list of unsent artifacts that the peer does not have.

use std::collections::{BTreeMap, BTreeSet};

use xfer::ArtifactId;

use crate::known::Known;
use crate::model::Violation;
use crate::talk::{Kind, Talk};

/// A client after a session.
pub struct Client<'a> {
    /// What it holds.
    pub known: &'a Known,
    /// Whether nothing happened to it beside the session.
    pub is_alone: bool,
    /// Names that earlier sessions, or this one, asked for in vain.
    pub missed: &'a BTreeSet<ArtifactId>,
    /// What its deltas are of.
    pub sources: &'a BTreeMap<ArtifactId, ArtifactId>,
    /// Rounds in a row that bring nothing, after which it asks for nothing more.
    pub idle_rounds: u32,
}

/// Looks at a session that succeeded, before anything else happens. `server` is what it holds now, whatever happened to
/// it.
pub fn check(talk: &Talk, client: &Client<'_>, server: &Known) -> Result<(), Violation> {
    let fail = |text: String| Err(Violation::new("completeness", text));
    let (result, known) = (talk.session.result(), client.known);
    let asks = talk.options.ci_lock.is_some() && talk.kind == Kind::Sync;
    if asks && result.lock_failure.is_some() != talk.is_barred {
        let told = &result.lock_failure;
        return Err(Violation::new("locks", format!("{} hides a lock in the way: {told:?}", talk.name())));
    }
    if talk.asked_group().is_some() && !talk.asks.1 {
        return fail(format!("{} succeeded without the configuration that it is to get", talk.name()));
    }
    if !talk.options.pull {
        return Ok(());
    }
    let lacking = lacking(talk, client);
    if lacking.len() as u64 > result.unavailable {
        let (count, told) = (lacking.len(), result.unavailable);
        let id = lacking.first().expect("there is one");
        let text = format!("{} succeeded without {id}, one of {count}, and tells of {told}", talk.name());
        return fail(text);
    }
    if let Some((id, what)) = left_behind(talk, client, &lacking) {
        return fail(format!("{} succeeded without {id}, which {what}", talk.name()));
    }
    let most = known.phantoms.len() + known.waiting.len() + in_vain(talk, known);
    if client.is_alone && result.unavailable > most as u64 {
        let told = result.unavailable;
        return fail(format!("{} tells of {told} that it lacks, which are {most} at most", talk.name()));
    }
    check_files(talk, known, server)
}

/// What the peer offered and is not here, and where nothing else made them all names without content.
fn lacking(talk: &Talk, client: &Client<'_>) -> BTreeSet<ArtifactId> {
    let (known, mut lacking) = (client.known, talk.offered.clone());
    if client.is_alone {
        let open = |id: &&ArtifactId| talk.options.private || !known.private.contains(*id);
        lacking.extend(known.phantoms.iter().filter(open));
    }
    lacking.retain(|id| !known.held.contains_key(id) && !known.shunned.contains(id));
    lacking
}

/// Something that the peer had for the client when it answered, and that the client does not hold, and why it should.
fn left_behind(
    talk: &Talk,
    client: &Client<'_>,
    lacking: &BTreeSet<ArtifactId>,
) -> Option<(ArtifactId, &'static str)> {
    let (known, chances) = (client.known, &talk.chances);
    let is_here = |id: &ArtifactId| known.held.contains_key(id) || known.shunned.contains(id);
    // Of what comes as a delta it is the source that is to be had.
    let is_excused = |id: &ArtifactId| is_let_go(talk, known, root(client.sources, known, id));
    // What found no room may be asked for again too late: the peer went back to a backup meanwhile.
    let had = chances.had.intersection(&chances.open);
    if let Some(id) = had.copied().find(|id| !is_here(id) && !known.waiting.contains(id) && !is_excused(id)) {
        return Some((id, "was asked for when it was there"));
    }
    if chances.idle >= client.idle_rounds {
        return None;
    }
    // Of those that were missed before some have their turn, and the rest once one of them came.
    let has_turn = |id: &ArtifactId| {
        let others = || chances.asked.intersection(client.missed).any(|other| !is_here(other));
        !client.missed.contains(id) || !others()
    };
    let is_late = |id: &&ArtifactId| {
        chances.open.contains(*id) && !is_here(id) && !known.waiting.contains(*id) && !is_excused(id)
    };
    if let Some(id) = chances.late.iter().find(is_late) {
        return Some((*id, "was announced after it was asked for in vain, and nobody asked again"));
    }
    let unasked = lacking.iter().find(|id| {
        chances.open.contains(id) && !chances.asked.contains(id) && has_turn(id) && !is_excused(id)
    });
    unasked.map(|id| (*id, "was there, and nobody asked for it"))
}

/// Whether this cannot come, or not in this session: it was damaged on its way or passed over, refused, sent as a file
/// without content, or is a delta of what is shunned here.
fn is_let_go(talk: &Talk, client: &Known, id: &ArtifactId) -> bool {
    client.barred.contains(id)
        || has_come_false(talk, id)
        || talk.hollow.contains(id)
        || talk.chances.spoilt.contains(id)
}

/// Whether it came and was refused. A delta that was damaged on its way shows that only when its source comes; what came in
/// this session, or for a clone, is not asked for again at once, and what waited since an earlier session is.
fn has_come_false(talk: &Talk, id: &ArtifactId) -> bool {
    talk.watch.dropped.contains(id) && (talk.kind == Kind::Clone || talk.came.contains(id))
}

/// What has to come so that a delta can be expanded; itself if it is none that waits, one of them if they run in a circle.
fn root<'a>(
    sources: &'a BTreeMap<ArtifactId, ArtifactId>,
    client: &Known,
    mut id: &'a ArtifactId,
) -> &'a ArtifactId {
    for _ in 0..sources.len() {
        match sources.get(id) {
            Some(source) if client.waiting.contains(id) => id = source,
            _ => break,
        }
    }
    id
}

/// Whether a delta waits for something that the peer had not, or that could not come in this session: what it got after it was
/// asked for, and announced to nobody, it is not asked for again.
pub fn waits_in_vain(talk: &Talk, client: &Known, sources: &BTreeMap<ArtifactId, ArtifactId>) -> bool {
    let chances = &talk.chances;
    client.waiting.iter().any(|id| {
        let root = root(sources, client, id);
        let is_told = !chances.absent.contains(root);
        let was_there = chances.had.contains(root) || is_told && chances.open.contains(root);
        !was_there || client.barred.contains(id) || is_let_go(talk, client, root)
    })
}

/// Of what the peer offered, what was asked for though it is here, or is not wanted here.
fn in_vain(talk: &Talk, client: &Known) -> usize {
    let is_vain = |id: &&ArtifactId| client.private.contains(*id) || client.shunned.contains(*id);
    talk.offered.iter().filter(is_vain).count()
}

/// What the peer has of files without history is here, or something newer. It may have gone back behind what it named, or
/// deleted it meanwhile.
fn check_files(talk: &Talk, client: &Known, server: &Known) -> Result<(), Violation> {
    let is_behind = |(name, version): &(&String, &(i64, Option<ArtifactId>))| {
        let is_there = server.files.get(*name).is_some_and(|there| there >= *version && there.1.is_some());
        version.1.is_some() && is_there && client.files.get(*name).is_none_or(|here| here < *version)
    };
    let Some((name, version)) = talk.files.iter().find(is_behind) else { return Ok(()) };
    let here = client.files.get(name);
    let text = format!("{} succeeded, {name} is {here:?}, and {version:?} there", talk.name());
    Err(Violation::new("completeness", text))
}

/// After a session in which nothing failed, and that lacks nothing, all is here that the peer may give to everybody, be it
/// announced or not.
pub fn check_whole(talk: &Talk, client: &Known, server: &Known) -> Result<(), Violation> {
    let is_whole = (talk.options.pull || talk.kind == Kind::Clone) && !talk.options.dry_run;
    if !is_whole || talk.session.result().unavailable > 0 {
        return Ok(());
    }
    let is_left = |id: &&ArtifactId| server.gives(id) && client.takes(id) && !client.held.contains_key(*id);
    match server.held.keys().find(is_left) {
        None => Ok(()),
        Some(id) => Err(Violation::new(
            "completeness",
            format!("{} is done and lacks nothing, and {id} is not here", talk.name()),
        )),
    }
}

/// After a session in which nothing failed, the peer lacks no name of what may be given to it. What was private here, and became
/// public by what this session brought, goes with the next one.
pub fn check_given(talk: &Talk, client: &Known, server: &Known) -> Result<(), Violation> {
    if !talk.options.push {
        return Ok(());
    }
    let is_open = |id: &&ArtifactId| !server.private.contains(*id) && !server.shunned.contains(*id);
    let was_open = |id: &&ArtifactId| !talk.before.private.contains(*id);
    match server.phantoms.iter().find(|id| client.gives(id) && is_open(id) && was_open(id)) {
        None => Ok(()),
        Some(id) => {
            Err(Violation::new("completeness", format!("{} is done, and the peer lacks {id}", talk.name())))
        }
    }
}

/// What came off the list of unsent artifacts in rounds that were not damaged on their way, the peer has, be it as a delta
/// of what it shuns. `server` is what it holds; none if it went back to an earlier state meanwhile.
pub fn check_released(talk: &Talk, client: &Known, server: Option<&Known>) -> Result<(), Violation> {
    let Some(server) = server else { return Ok(()) };
    for id in talk.released.iter().filter(|id| !client.shunned.contains(id)) {
        // A delta may come before its source, and is kept until that is here.
        let is_there = server.held.contains_key(id) || server.waiting.contains(id);
        if !is_there && server.takes(id) {
            let text = format!("{id} counts as sent, and the peer does not hold it");
            return Err(Violation::new("completeness", text));
        }
    }
    Ok(())
}
