//! A dry run changes nothing on either side, and tells of nothing as missing that is here.

use sync::Preview;

use crate::known::Known;
use crate::model::{Model, Violation};

/// Looks at a server that answered a dry run. As in stock, whoever is asked for all makes the clusters that are due.
pub fn check_server(before: &Known, now: &Known, model: &Model) -> Result<(), Violation> {
    let new = |id: &&xfer::ArtifactId| !before.held.contains_key(id) && model.members(id).is_none();
    if let Some(id) = now.held.keys().find(new) {
        return fail(format!("a server took {id} from a dry run"));
    }
    let rest = |known: &Known| (known.private.clone(), known.shunned.clone(), known.files.clone());
    if rest(before) == rest(now) {
        Ok(())
    } else {
        fail("a server changed something for a dry run".to_owned())
    }
}

/// Looks at a client that heard the reply. `commits` is how often it committed before and since.
pub fn check_client(commits: (u64, u64), preview: Option<&Preview>, known: &Known) -> Result<(), Violation> {
    if commits.0 != commits.1 {
        return fail("a client changed something in a dry run".to_owned());
    }
    let Some(preview) = preview else { return Ok(()) };
    if let Some(id) =
        preview.receive.iter().find(|id| known.held.contains_key(id) || known.shunned.contains(id))
    {
        return fail(format!("{id} is here, or shunned, and told as what would come"));
    }
    match preview.send.iter().find(|id| !known.held.contains_key(id)) {
        Some(id) => fail(format!("{id} is not here, and told as what would go")),
        None => Ok(()),
    }
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("preview", text))
}
