//! No commit loses what was held, nor takes an older version of an unversioned file for a newer one; nothing that
//! is shunned comes back, and what was meant to be private is known to be.

use xfer::card::Privacy;

use crate::known::Known;
use crate::model::{Model, Violation};

/// Compares two moments of one repository.
pub fn check(before: &Known, now: &Known, model: &Model) -> Result<(), Violation> {
    if let Some(id) = before.held.keys().find(|id| !now.held.contains_key(id)) {
        return Err(Violation::new("kept", format!("{id} was held and is gone")));
    }
    for id in now.held.keys().filter(|id| !before.held.contains_key(id)) {
        if before.shunned.contains(id) {
            return Err(Violation::new("shunned", format!("{id} came though it is shunned")));
        }
    }
    for id in now.held.keys().filter(|id| !now.private.contains(id)) {
        if model.privacy(id) == Some(Privacy::Private) {
            return Err(Violation::new("private", format!("{id} was meant to be private, and is public")));
        }
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
