//! Who makes a check-in.

use repo::{Snapshot, Text, config, user};

use crate::exit::{Code, Failure};

/// The user that was named, else the file's default user, else who works here: as stock has it, the first of them
/// that is a user of the file. A file without users takes any.
pub(super) fn author(snap: &Snapshot<'_>, named: Option<&str>) -> Result<Text, Failure> {
    let any = snap.conn().query_row("SELECT EXISTS(SELECT 1 FROM user)", (), |row| row.get(0));
    let has_users: bool = any.map_err(repo::RepoError::from)?;
    let is_known = |login: &str| -> Result<bool, Failure> {
        Ok(!login.is_empty() && (!has_users || user::find(snap, login)?.is_some()))
    };
    if let Some(login) = named {
        if is_known(login)? {
            return Ok(login.into());
        }
        let what = format!("{login:?} is no user of the repository");
        return Err(Failure::new(Code::Failed, what, "name one with --user, or make it one"));
    }
    for login in config::get(snap, "default-user")?.into_iter().chain(local_users()) {
        if is_known(&login)? {
            return Ok(login[..].into());
        }
    }
    let what = "nobody who works here is a user of the repository";
    Err(Failure::new(Code::Failed, what, "say who you are: --user USER"))
}

/// Who works here, by the names that Fossil looks at, in its order.
pub(crate) fn local_users() -> impl Iterator<Item = String> {
    let names = ["FOSSIL_USER", "USER", "LOGNAME", "USERNAME"];
    names.into_iter().filter_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty())
}
