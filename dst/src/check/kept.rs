//! Nothing is lost: no commit loses what was held, nor takes an older version of an unversioned file for a newer one. Who
//! is like stock drops what it shuns.

use xfer::ArtifactId;

use super::convergence::Version;
use crate::known::Known;
use crate::model::Violation;

/// Compares two moments of one repository.
pub fn check(before: &Known, now: &Known) -> Result<(), Violation> {
    let is_dropped = |id: &ArtifactId| now.is_stock && now.shunned.contains(id);
    if let Some(id) = before.held.keys().find(|id| !now.held.contains_key(id) && !is_dropped(id)) {
        return Err(Violation::new("kept", format!("{id} was held and is gone")));
    }
    for (name, version) in &before.files {
        match now.files.get(name) {
            Some(later) if later >= version => {}
            // Of two that are dated too far ahead what was said of them decides, and the one that is taken is kept as of an
            // earlier time.
            Some(later) if said(now, name, later) >= said(before, name, version) => {}
            later => {
                let text = format!("{name} was {version:?} and is {later:?}");
                return Err(Violation::new("kept", text));
            }
        }
    }
    Ok(())
}

/// A version as of the time that was said of it.
fn said(known: &Known, name: &str, version: &Version) -> Version {
    (known.ahead.get(name).copied().unwrap_or(version.0).max(version.0), version.1)
}
