//! Who may do what (reference: repo.md section 7, wire.md section 4).

use rusqlite::{OptionalExtension as _, Row, params};
use xfer::login::Secret;

use crate::{RepoError, Snapshot, Text, Tx, UnixTime};

/// Everyone who does not log in; everyone has what this one may do.
pub const NOBODY: &str = "nobody";
/// Web visitors who solved a captcha. Counts for nothing in sync.
pub const ANONYMOUS: &str = "anonymous";
/// What capability `v` stands for.
pub const DEVELOPER: &str = "developer";
/// What capability `u` stands for.
pub const READER: &str = "reader";

/// A row of `user`.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Row id, which `rcvfrom` refers to.
    pub uid: i64,
    /// Name.
    pub login: String,
    /// The secret, or a password in clear; empty: no login. Either is as good as the password: never log it.
    pub password: String,
    /// Capability letters, as they stand there.
    pub capabilities: String,
    /// Who it is, in words.
    pub contact: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { uid, login, capabilities, contact, password: _ } = self;
        let shown = (uid, login, capabilities, contact);
        f.debug_tuple("User").field(&shown).finish()
    }
}

/// Whether a name stands for a kind of users: nobody logs in by it.
pub fn is_special(login: &str) -> bool {
    [NOBODY, ANONYMOUS, DEVELOPER, READER].contains(&login)
}

/// What is read of a row.
const COLUMNS: &str = "uid, login, coalesce(pw, ''), coalesce(cap, ''), coalesce(info, '')";

/// Looks a user up by name.
pub fn find(snap: &Snapshot<'_>, login: &str) -> Result<Option<User>, RepoError> {
    let sql = format!("SELECT {COLUMNS} FROM user WHERE login=?1");
    Ok(snap.conn().prepare_cached(&sql)?.query_row([login], read).optional()?)
}

/// Every user, by name.
pub fn list(snap: &Snapshot<'_>) -> Result<Vec<User>, RepoError> {
    let sql = format!("SELECT {COLUMNS} FROM user WHERE login NOT NULL ORDER BY login");
    let mut statement = snap.conn().prepare_cached(&sql)?;
    Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    let text = |column| row.get::<_, Text>(column).map(|text| text.to_str_lossy().into_owned());
    Ok(User {
        uid: row.get(0)?,
        login: text(1)?,
        password: text(2)?,
        capabilities: text(3)?,
        contact: text(4)?,
    })
}

/// What capabilities stand for: themselves, and for `v` and `u` those of the users [`DEVELOPER`] and [`READER`],
/// which may hold the other letter in turn.
pub fn expand(snap: &Snapshot<'_>, capabilities: &str) -> Result<String, RepoError> {
    let mut all = capabilities.to_owned();
    let mut inherited = vec![('v', DEVELOPER), ('u', READER)];
    while let Some(next) = inherited.iter().position(|(letter, _)| all.contains(*letter)) {
        let (_, like) = inherited.remove(next);
        if let Some(like) = find(snap, like)? {
            all.push_str(&like.capabilities);
        }
    }
    Ok(all)
}

/// Makes a user, or changes what the user may do.
pub fn set_capabilities(
    tx: &Tx<'_>,
    login: &str,
    capabilities: &str,
    now: UnixTime,
) -> Result<(), RepoError> {
    tx.prepared(
        "INSERT INTO user(login, pw, cap, info, mtime) VALUES(?1, '', ?2, '', ?3)
             ON CONFLICT(login) DO UPDATE SET cap=?2, mtime=?3",
    )?
    .execute(params![login, capabilities, now.seconds()])?;
    Ok(())
}

/// Changes a user's secret. Says whether there is such a user.
pub fn set_password(tx: &Tx<'_>, login: &str, secret: &Secret, now: UnixTime) -> Result<bool, RepoError> {
    let changed = tx.prepared("UPDATE user SET pw=?2, mtime=?3 WHERE login=?1")?.execute(params![
        login,
        secret.expose(),
        now.seconds()
    ])?;
    Ok(changed > 0)
}

/// Changes what is said of a user.
pub fn set_contact(tx: &Tx<'_>, login: &str, contact: &str, now: UnixTime) -> Result<(), RepoError> {
    tx.prepared("UPDATE user SET info=?2, mtime=?3 WHERE login=?1")?.execute(params![
        login,
        contact,
        now.seconds()
    ])?;
    Ok(())
}

/// Gives a user another name, which nobody may have yet. The secret, which depends on the name, goes.
pub fn rename(tx: &Tx<'_>, login: &str, new: &str, now: UnixTime) -> Result<(), RepoError> {
    tx.prepared("UPDATE user SET login=?2, pw='', mtime=?3 WHERE login=?1")?.execute(params![
        login,
        new,
        now.seconds()
    ])?;
    Ok(())
}

/// Has every user of whom it is not known when they changed have changed now: so later changes elsewhere prevail.
pub fn stamp(tx: &Tx<'_>, now: UnixTime) -> Result<(), RepoError> {
    tx.prepared("UPDATE user SET mtime=?1 WHERE mtime IS NULL")?.execute([now.seconds()])?;
    Ok(())
}

/// Removes a user. What they did stays under their name.
pub fn remove(tx: &Tx<'_>, login: &str) -> Result<(), RepoError> {
    tx.prepared("DELETE FROM user WHERE login=?1")?.execute([login])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, repo};

    #[test]
    fn a_new_file_has_the_first_user_and_the_special_ones() {
        let mut repo = repo();
        let snap = repo.snapshot().unwrap();
        let cases = [("alice", "s"), (NOBODY, ""), (ANONYMOUS, ""), (DEVELOPER, "ei"), (READER, "kptw")];
        for (login, capabilities) in cases {
            assert_eq!(find(&snap, login).unwrap().unwrap().capabilities, capabilities, "{login}");
        }
        assert_eq!(find(&snap, "mallory").unwrap(), None);
    }

    #[test]
    fn a_user_gets_a_secret_and_capabilities() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let secret = Secret::derive("d8a2890475e7bf98e6bcde61975ee4dc71542449", "bob", "bobpw");
        assert!(!set_password(&tx, "bob", &secret, NOW).unwrap());
        set_capabilities(&tx, "bob", "v", NOW).unwrap();
        assert!(set_password(&tx, "bob", &secret, NOW).unwrap());
        set_capabilities(&tx, "bob", "ix", NOW).unwrap();
        let bob = find(&tx, "bob").unwrap().unwrap();
        assert_eq!(bob.password, "31f32f0602b42526ff5744f7c927e79e4795bc8f");
        assert_eq!(bob.capabilities, "ix");
        assert!(!format!("{bob:?}").contains(&bob.password));
    }

    #[test]
    fn a_renamed_user_keeps_number_and_capabilities_and_not_the_secret() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        let alice = find(&tx, "alice").unwrap().unwrap();
        rename(&tx, "alice", "bob", NOW).unwrap();
        assert_eq!(find(&tx, "alice").unwrap(), None);
        let bob = User { login: "bob".into(), password: String::new(), ..alice };
        assert_eq!(find(&tx, "bob").unwrap(), Some(bob));
    }
}
