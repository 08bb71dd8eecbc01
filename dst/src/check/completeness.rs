//! A session that reports success left nothing behind that the peer offered or could have given, but what it counts as
//! unavailable, and took nothing off the list of unsent artifacts that the peer does not have.

use std::collections::BTreeSet;

use xfer::ArtifactId;

use super::wire::Leave;
use crate::known::Known;
use crate::model::Violation;
use crate::talk::{Kind, Soundness, Talk};

/// Who was asked, where nothing happened to it beside the session.
pub struct Giver<'a> {
    /// What it holds.
    pub known: &'a Known,
    /// Whether it shows what is private.
    pub private: Leave,
    /// How many names a request asks it for.
    pub gimmes: usize,
}

impl Giver<'_> {
    fn has(&self, id: &ArtifactId) -> bool {
        let shows = self.private == Leave::Granted || !self.known.private.contains(id);
        self.known.held.contains_key(id) && !self.known.shunned.contains(id) && shows
    }
}

/// Looks at a session that succeeded, before anything else happens. Without a giver nothing is known of what there was.
///
/// `server` is what it holds now, whatever happened to it.
pub fn check(
    talk: &Talk,
    (client, commits): (&Known, u64),
    server: &Known,
    giver: Option<&Giver<'_>>,
) -> Result<(), Violation> {
    let fail = |text: String| Err(Violation::new("completeness", text));
    let result = talk.session.result();
    let asks = talk.options.ci_lock.is_some() && talk.kind == Kind::Sync;
    if asks && result.lock_failure.is_some() != talk.is_barred {
        let told = &result.lock_failure;
        return Err(Violation::new("locks", format!("{} hides a lock in the way: {told:?}", talk.name())));
    }
    if talk.asked_group().is_some() && !talk.asks.1 {
        return fail(format!("{} succeeded without the configuration that it is to get", talk.name()));
    }
    if !talk.options.pull || talk.soundness == Soundness::Damaged {
        return Ok(());
    }
    let is_alone = talk.commits == Some(commits);
    let lacking = lacking(talk, client, is_alone.into());
    if lacking.len() as u64 > result.unavailable {
        let (count, told) = (lacking.len(), result.unavailable);
        let id = lacking.first().expect("there is one");
        let text = format!("{} succeeded without {id}, one of {count}, and tells of {told}", talk.name());
        return fail(text);
    }
    // A delta that was damaged on its way shows that only when its source comes; then it is not asked for again at once.
    let is_let_go = |id: &ArtifactId| {
        client.barred.contains(id) || talk.watch.dropped.contains(id) || talk.hollow.contains(id)
    };
    // Of what a cluster named meanwhile, if that is more than one request asks for, the first may all be lacking there.
    let is_late = |id: &ArtifactId| !talk.lacked.contains(id) && !talk.offered.contains(id);
    if let Some(giver) = giver.filter(|giver| talk.lacked.len() <= giver.gimmes)
        && let Some(id) = lacking
            .iter()
            .find(|id| giver.has(id) && !is_let_go(id) && !(lacking.len() > giver.gimmes && is_late(id)))
    {
        return fail(format!("{} succeeded without {id}, which could be had", talk.name()));
    }
    let most = client.phantoms.len() + client.waiting.len() + in_vain(talk, client);
    if is_alone && result.unavailable > most as u64 {
        let told = result.unavailable;
        return fail(format!("{} tells of {told} that it lacks, which are {most} at most", talk.name()));
    }
    check_files(talk, client, server)
}

/// What else happened to a client during a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Something,
}

impl From<bool> for Beside {
    fn from(is_alone: bool) -> Self {
        if is_alone { Self::Nothing } else { Self::Something }
    }
}

/// What the peer offered and is not here, and where nothing else made them all names without content.
fn lacking(talk: &Talk, client: &Known, beside: Beside) -> BTreeSet<ArtifactId> {
    let mut lacking = talk.offered.clone();
    if beside == Beside::Nothing {
        let open = |id: &&ArtifactId| talk.options.private || !client.private.contains(*id);
        lacking.extend(client.phantoms.iter().filter(open));
    }
    lacking.retain(|id| !client.held.contains_key(id) && !client.shunned.contains(id));
    lacking
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

/// After a session in which nothing failed, the peer lacks no name of what may be given to it.
pub fn check_given(talk: &Talk, client: &Known, server: &Known) -> Result<(), Violation> {
    if !talk.options.push {
        return Ok(());
    }
    let is_open = |id: &&ArtifactId| !server.private.contains(*id) && !server.shunned.contains(*id);
    match server.phantoms.iter().find(|id| client.gives(id) && is_open(id)) {
        None => Ok(()),
        Some(id) => {
            Err(Violation::new("completeness", format!("{} is done, and the peer lacks {id}", talk.name())))
        }
    }
}

/// What came off the list of unsent artifacts, the peer has, be it as a delta of what it shuns, unless that was damaged
/// on its way. `server` is what it holds; none if it went back to an earlier state meanwhile.
pub fn check_released(talk: &Talk, client: &Known, server: Option<&Known>) -> Result<(), Violation> {
    let Some(server) = server.filter(|_| talk.soundness == Soundness::Sound) else { return Ok(()) };
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
