//! Who makes a check-in.

use repo::{Snapshot, Text, config, user};
use sync::client::remembered_url;

use crate::cli::clone::local_user;
use crate::exit::{Code, Failure};
use crate::remote::Remote;

/// The user that was named, who must be one of the file, else the one of [`known_user`].
pub(super) fn author(snap: &Snapshot<'_>, named: Option<&str>) -> Result<Text, Failure> {
    let Some(login) = named else {
        let what = "nobody who works here is a user of the repository";
        let known = known_user(snap)?;
        let hint = "say who you are: --user USER, one of those that `frond user list` shows";
        return known.ok_or_else(|| Failure::new(Code::Failed, what, hint));
    };
    if is_known(snap, login)? {
        return Ok(login.into());
    }
    let what = format!("{login:?} is no user of the repository");
    Err(Failure::new(
        Code::Failed,
        what,
        "name one that `frond user list` shows with --user, or make it one: `frond user new`",
    ))
}

/// The file's default user, else who works here, else the user of the remembered address: as stock has it, the
/// first of them that is a user of the file; last, where the system does not say who works here, whom a new file gets then. A
/// file without users takes any.
pub(crate) fn known_user(snap: &Snapshot<'_>) -> Result<Option<Text>, Failure> {
    let of_file = config::get(snap, "default-user")?;
    let address = remembered_url(snap)?.and_then(|url| Remote::read(&url).ok());
    let remote = address.and_then(|url| url.user().map(str::to_owned));
    let unsaid = local_users().next().is_none().then(local_user);
    for login in of_file.into_iter().chain(local_users()).chain(remote).chain(unsaid) {
        if is_known(snap, &login)? {
            return Ok(Some(login[..].into()));
        }
    }
    Ok(None)
}

fn is_known(snap: &Snapshot<'_>, login: &str) -> Result<bool, Failure> {
    if login.is_empty() {
        return Ok(false);
    }
    let any = snap.conn().query_row("SELECT EXISTS(SELECT 1 FROM user)", (), |row| row.get(0));
    let has_users: bool = any.map_err(repo::RepoError::from)?;
    Ok(!has_users || user::find(snap, login)?.is_some())
}

/// Who works here, by the names that Fossil looks at, in its order.
pub(crate) fn local_users() -> impl Iterator<Item = String> {
    let names = ["FOSSIL_USER", "USER", "LOGNAME", "USERNAME"];
    names.into_iter().filter_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty())
}
