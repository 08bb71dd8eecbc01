//! Nothing is lost: no commit loses what was held, nor takes an older version of an unversioned file for a newer one. Who
//! is like stock drops what it shuns.

use xfer::ArtifactId;

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
            later => {
                let text = format!("{name} was {version:?} and is {later:?}");
                return Err(Violation::new("kept", text));
            }
        }
    }
    Ok(())
}
