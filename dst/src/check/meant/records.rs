//! Settings, users and the like are what a user made them, and nothing else of them changes.

use super::fail;
use crate::beside::records::{Record, Records};
use crate::check::configuration;
use crate::meant::{RecordMeant, Says};
use crate::model::Violation;
use crate::node;

/// Looks at records before and after what a user did. What a file says of itself may change with it.
pub fn check(before: &Records, now: &Records, meant: &[RecordMeant]) -> Result<(), Violation> {
    let keys = before.iter().chain(now.iter()).map(|(kind, key, _)| (kind, key));
    for (kind, key) in keys.filter(|&(kind, key)| is_of_users(kind, key)) {
        let (held, record) = (before.get(kind, key), now.get(kind, key));
        if held != record && !meant.iter().any(|meant| (meant.kind, meant.key.as_str()) == (kind, key)) {
            return fail(format!("{kind} {key} changed from {held:?} to {record:?}, which nobody meant"));
        }
    }
    meant.iter().try_for_each(|meant| {
        let (held, record) = (before.get(meant.kind, &meant.key), now.get(meant.kind, &meant.key));
        match is_so(meant, held, record) {
            true => Ok(()),
            false => fail(format!("{meant:?} was asked for, and {record:?} is there")),
        }
    })
}

/// Names that are shunned, and how artifacts are named, are looked at elsewhere.
fn is_of_users(kind: &str, key: &str) -> bool {
    kind != "/shun" && key != "hash-policy" && configuration::travels(kind, key)
}

fn is_so(meant: &RecordMeant, held: Option<&Record>, record: Option<&Record>) -> bool {
    let Some(record) = record else {
        // Nobody has no password to change.
        let is_nobody = held.is_none() && matches!(meant.says, Says::Password(_));
        return is_nobody || matches!(meant.says, Says::Gone);
    };
    let secret = held.map_or("", |held| held.secret.as_str());
    let says = match &meant.says {
        Says::Gone => return false,
        Says::Words(words) => record.content() == words,
        Says::Letters(letters) => record.letters == *letters && record.secret == secret,
        Says::Password(password) => {
            held.is_some_and(|held| held.letters == record.letters)
                && node::is_secret_of(&meant.key, password, &record.secret)
        }
        Says::User(letters, password) => {
            record.letters == *letters && node::is_secret_of(&meant.key, password, &record.secret)
        }
    };
    says && record.mtime == Some(meant.time.seconds())
}

#[cfg(test)]
mod tests {
    use repo::{Repo, UnixTime, config, user};

    use super::*;
    use crate::beside::Beside;
    use crate::feature::Feature;
    use crate::templates;

    const NOW: UnixTime = UnixTime(5_000);

    /// What is there before and after something was done.
    fn around(act: impl FnOnce(&repo::Tx<'_>)) -> (Records, Records) {
        let mut repo = templates::make(node::PROJECT).expect("a repository");
        let features = [Feature::Configuration].into();
        let read = |repo: &mut Repo| Beside::read(repo, &features).expect("it can be read").records;
        let before = read(&mut repo);
        let tx = repo.begin().expect("a transaction");
        act(&tx);
        tx.commit().expect("a commit");
        let now = read(&mut repo);
        (before, now)
    }

    #[test]
    fn what_nobody_meant_and_what_is_otherwise_than_meant_is_found() {
        let meant = |key: &str, says: Says| RecordMeant {
            kind: if key == "css" { "/config" } else { "/user" },
            key: key.to_owned(),
            time: NOW,
            says,
        };
        let css = |value: &str| meant("css", Says::Words(format!(" value '{value}'")));
        let set = around(|tx| config::set(tx, "css", "a", NOW).expect("it is set"));
        let made = around(|tx| user::set_capabilities(tx, "ann", "gio", NOW).expect("she is made"));
        let late = RecordMeant { time: UnixTime(9_000), ..css("a") };
        for ((before, now), meant, sound) in [
            (&set, Some(css("a")), true),
            (&set, Some(css("b")), false),
            (&set, Some(late), false),
            (&set, Some(meant("css", Says::Gone)), false),
            (&set, None, false),
            (&made, Some(meant("ann", Says::Letters("gio".to_owned()))), true),
            (&made, Some(meant("ann", Says::Letters("s".to_owned()))), false),
            (&made, Some(meant("ann", Says::User("gio".to_owned(), "pw".to_owned()))), false),
            (&made, None, false),
        ] {
            let found = check(before, now, meant.as_slice());
            assert_eq!(found.is_ok(), sound, "{meant:?}: {found:?}");
        }
    }
}
