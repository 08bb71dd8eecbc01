//! Whoever looks after a repository finds it sound, and it holds afterwards what it held before.

use crate::known::Known;
use crate::model::Violation;
use crate::work::upkeep::Kept;

/// Compares two moments of one repository, between which only its owner looked after it.
pub fn check(kept: &Kept, before: &Known, now: &Known) -> Result<(), Violation> {
    if let Some(wrong) = &kept.wrong {
        return Err(Violation::new("upkeep", format!("{}: {wrong}", kept.what)));
    }
    let names = |known: &Known| known.held.keys().copied().collect::<Vec<_>>();
    let lists = |known: &Known| [known.phantoms.clone(), known.waiting.clone(), known.private.clone()];
    let same = names(before) == names(now)
        && lists(before) == lists(now)
        && before.shunned == now.shunned
        && before.files == now.files;
    if same { Ok(()) } else { Err(Violation::new("upkeep", format!("{} changed what is held", kept.what))) }
}
