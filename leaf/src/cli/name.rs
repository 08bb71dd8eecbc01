//! What a name on the command line means, and one wording for what it does not mean.

use repo::history::{self, Named};
use repo::{Rid, Snapshot, blob, census};
use xfer::ArtifactId;

use crate::exit::{Code, Failure};

/// Fewest digits that may stand for a hash.
const MIN_DIGITS: usize = 4;

/// How many of the artifacts are listed that a name may mean.
const LISTED: usize = 10;

/// Digits of a listed hash.
const LISTED_DIGITS: usize = 16;

/// The artifact whose hash is or begins with `name`.
pub(crate) fn artifact(snap: &Snapshot<'_>, name: &str) -> Result<(Rid, ArtifactId), Failure> {
    let found = if name.len() < MIN_DIGITS { Vec::new() } else { census::named(snap, name, LISTED + 1)? };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(unknown("artifact", name, "give the beginning of its hash")),
        _ => Err(ambiguous("artifacts", name, &found)),
    }
}

/// The check-in that `name` means; by default the newest one of the main branch. Gives what it is called too.
pub(crate) fn checkin(snap: &Snapshot<'_>, name: Option<&str>) -> Result<(Rid, String), Failure> {
    let Some(name) = name else { return newest(snap) };
    match history::named(snap, name)? {
        Named::One(rid) => Ok((rid, name.to_owned())),
        Named::None => Err(unknown("check-in", name, "see `frond timeline`")),
        Named::Several => Err(ambiguous("check-ins", name, &history::beginning(snap, name, LISTED + 1)?)),
    }
}

fn newest(snap: &Snapshot<'_>) -> Result<(Rid, String), Failure> {
    let main = repo::config::get(snap, "main-branch")?.unwrap_or_else(|| "trunk".to_owned());
    for name in [main.as_str(), "tip"] {
        if let Named::One(rid) = history::named(snap, name)? {
            return Ok((rid, blob::id(snap, rid)?.short()));
        }
    }
    Err(Failure::new(Code::Failed, "the repository has no check-ins", "pull first"))
}

fn unknown(kind: &str, name: &str, hint: &str) -> Failure {
    if name.len() < MIN_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let what = format!("{name:?} is too short for the hash of an artifact, and no {kind} is called so");
        return Failure::new(Code::Failed, what, format!("give {MIN_DIGITS} digits or more"));
    }
    Failure::new(Code::Failed, format!("no {kind} is called {name:?}"), hint)
}

fn ambiguous(kind: &str, name: &str, found: &[(Rid, ArtifactId)]) -> Failure {
    let digits = |(_, id): &(Rid, ArtifactId)| id.to_string().chars().take(LISTED_DIGITS).collect();
    let mut listed: Vec<String> = found.iter().take(LISTED).map(digits).collect();
    if found.len() > LISTED {
        listed.push("...".to_owned());
    }
    let what = format!("several {kind} begin with {name:?}: {}", listed.join(", "));
    Failure::new(Code::Failed, what, "give more digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_ten_of_those_that_a_name_may_mean_are_listed() {
        let ids: Vec<_> = (0..11_u8).map(|n| (Rid(1), xfer::hash::sha1(&[n]))).collect();
        let shown = |n: usize| ids[n].1.to_string()[..16].to_owned();
        let two = ambiguous("artifacts", "ab", &ids[..2]);
        assert_eq!(two.what, format!("several artifacts begin with \"ab\": {}, {}", shown(0), shown(1)));
        let many = ambiguous("artifacts", "ab", &ids).what;
        assert!(many.contains(&shown(9)) && !many.contains(&shown(10)) && many.ends_with(", ..."), "{many}");
    }
}
