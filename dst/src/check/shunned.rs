//! Nothing that is shunned comes back, and nothing of it leaves.

use xfer::ArtifactId;
use xfer::card::FileCard;

use super::wire::Sending;
use crate::known::Known;
use crate::model::Violation;

/// Compares two moments of one repository. What waited for its delta source was here before it was shunned, as what
/// is held and shunned is: it did not come.
pub fn check(before: &Known, now: &Known) -> Result<(), Violation> {
    let was_here = |id: &ArtifactId| before.held.contains_key(id) || before.waiting.contains(id);
    let came = |id: &&ArtifactId| now.held.contains_key(id) && !was_here(id);
    match before.shunned.iter().find(came) {
        None => Ok(()),
        Some(id) => fail(format!("{id} came though it is shunned")),
    }
}

/// An artifact that is sent or announced.
pub(super) fn check_sent(sending: &Sending<'_>, id: &ArtifactId) -> Result<(), Violation> {
    if sending.known.shunned.contains(id) {
        return fail(format!("{id} is offered though it is shunned"));
    }
    Ok(())
}

/// What an artifact is a delta of.
pub(super) fn check_source(
    sending: &Sending<'_>,
    file: &FileCard,
    source: &ArtifactId,
) -> Result<(), Violation> {
    if sending.known.shunned.contains(source) {
        return fail(format!("{} is sent as a delta of shunned {source}", file.id));
    }
    Ok(())
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("shunned", text))
}
