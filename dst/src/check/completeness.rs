//! A session that reports success left nothing behind that the peer offered, and took nothing off the list of
//! unsent artifacts that the peer does not have.

use crate::known::Known;
use crate::model::Violation;
use crate::talk::{Kind, Soundness, Talk};

/// Looks at a session that succeeded, before anything else happens.
pub fn check(talk: &Talk, client: &Known, commits: u64) -> Result<(), Violation> {
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
    if talk.options.pull && result.unavailable == 0 && talk.soundness == Soundness::Sound {
        let left = |id: &&xfer::ArtifactId| !client.held.contains_key(id) && !client.shunned.contains(id);
        if let Some(id) = talk.offered.iter().find(left) {
            return fail(format!("{} succeeded without {id}, which the peer offered", talk.name()));
        }
        let open = |id: &&xfer::ArtifactId| {
            !client.shunned.contains(id) && (talk.options.private || !client.private.contains(id))
        };
        if talk.commits == Some(commits)
            && let Some(id) = client.phantoms.iter().find(open)
        {
            return fail(format!("{} succeeded, and says nothing of phantom {id}", talk.name()));
        }
    }
    Ok(())
}

/// What came off the list of unsent artifacts, the peer has, be it as a delta of what it shuns. `server` is what it holds; none if it went back to an
/// earlier state meanwhile.
pub fn check_released(talk: &Talk, client: &Known, server: Option<&Known>) -> Result<(), Violation> {
    let Some(server) = server else { return Ok(()) };
    for id in talk.released.iter().filter(|id| !client.shunned.contains(id)) {
        if !server.held.contains_key(id) && server.takes(id) {
            let text = format!("{id} counts as sent, and the peer does not hold it");
            return Err(Violation::new("completeness", text));
        }
    }
    Ok(())
}
