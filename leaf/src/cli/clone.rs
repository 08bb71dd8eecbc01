//! `frond clone URL FILE`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use repo::user;
use serde::Serialize;
use sync::client::{self, ClientError, CloneOptions};
use sync::{CloneVersion, SyncError, SyncOptions, SyncResult};
use telemetry::within;

use super::commit::local_users;
use super::config::warn_of_unusable;
use crate::chance;
use crate::exit::{Code, Failure};
use crate::login;
use crate::network::{self, Beside, End, Network, Summary};
use crate::output::{Form, Output};

/// Clone a repository into a new file
///
/// Interrupted, the same command goes on where it stopped, unless the machine was restarted meanwhile. The file appears only when it
/// is whole.
#[derive(Debug, Args)]
pub(crate) struct Clone {
    /// The repository: http[s]://[USER@]HOST[:PORT]/PATH, or nats://HOST[:PORT]/PROJECT-CODE[?login=USER] for whoever
    /// serves the project on that broker. The password of USER is taken from FROND_PASSWORD, or
    /// from the first line of the file that FROND_PASSWORD_FILE names, or asked for
    #[arg(value_name = "URL")]
    url: String,
    /// The file to make
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Make USER the first user of the new repository
    #[arg(short = 'A', long, value_name = "USER")]
    admin_user: Option<String>,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    network: Network,
}

/// What the new file is, and how to log in to it: said once, before the summary.
#[derive(Serialize)]
struct Made<'a> {
    r#type: &'static str,
    admin_user: &'a str,
    password: &'a str,
    server_code: &'a str,
    project_code: &'a str,
}

impl Clone {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let begun = Instant::now();
        let tell = |url, failure: &Failure| network::unbegun(&self.file, url, "clone", failure);
        let url = network::given_url(&self.url, output).inspect_err(|failure| tell(None, failure))?;
        let login = login::find(&url, None).inspect_err(|failure| tell(Some(&url), failure))?;
        let remote_user = url.user().filter(|user| !user::is_special(user)).map(str::to_owned);
        let admin = first_user(self.admin_user.or(remote_user))?;
        let options = CloneOptions {
            session: SyncOptions {
                pull: true,
                user: login.user.clone(),
                password: login.password.clone(),
                unversioned: self.beside.unversioned,
                private: self.beside.private,
                tables: true,
                ..SyncOptions::default()
            },
            version: CloneVersion::default(),
            source: url.source(),
            remember: self.network.remember(&login)?,
            server: chance::code()?,
            admin: admin.clone(),
            admin_password: chance::password()?,
            guest: None,
        };
        let admin_password = options.admin_password.clone();
        let transport = url.wire(&self.network, None);
        let mut transport = transport.inspect_err(|failure| tell(Some(&url), failure))?;
        let (mut setting, span) = network::setting(&self.file, &url, output)?;
        let cloned = client::clone(&self.file, &mut transport, options, &mut setting);
        let cloned = network::run(within(span, cloned))?;
        let (_, result) = cloned.map_err(|error| match goes_on(&error) {
            true => told_of_rest(url.failure(error), &self.file),
            false => url.failure(error),
        })?;
        let session = SyncResult { resumed: result.is_resumed, ..result.sync.clone() };
        let summary = Summary::new("clone", &session, End::Done, begun);
        warn_of_unusable(&result.sync.unusable_settings, output);
        let made = Made {
            r#type: "clone",
            admin_user: &admin,
            password: &admin_password,
            server_code: &result.server,
            project_code: &result.sync.project,
        };
        if output.form() == Form::Json {
            output.answer(&made, String::new);
        }
        output.answer(&summary, || {
            format!(
                "{}project-id: {}\nserver-id:  {}\nadmin-user: {admin} (password is \"{admin_password}\")\n",
                summary.text(&url),
                result.sync.project,
                result.server,
            )
        });
        Ok(Code::Ok)
    }
}

/// Whether the same command may go on from where a clone failed so. What the file or another server is in the way of, it may not;
/// and of what could not be taken in, the failure itself says what is kept.
fn goes_on(error: &ClientError) -> bool {
    !matches!(
        error,
        ClientError::File(_) | ClientError::Sync(SyncError::OtherServer { .. } | SyncError::Repo(_))
    )
}

/// Says of a failed clone what is left of it, and how to go on from that.
fn told_of_rest(mut failure: Failure, file: &Path) -> Failure {
    let Some(rest) = client::work_file(file).filter(|rest| rest.exists()) else { return failure };
    if failure.hint.contains("is kept") || failure.hint.contains(&*rest.to_string_lossy()) {
        return failure;
    }
    failure.hint += &format!(
        "; what came so far is kept in {}: run the same command again to go on from there, or delete that file",
        rest.display()
    );
    failure
}

/// The first user of a new repository: `given`, else who works here.
pub(crate) fn first_user(given: Option<String>) -> Result<String, Failure> {
    let user = given.unwrap_or_else(local_user);
    if user.trim().is_empty() {
        let hint = "name the first user with -A USER";
        return Err(Failure::new(Code::Usage, format!("{user:?} is no name of a user"), hint));
    }
    if user::is_special(&user) {
        let what = format!("{user:?} stands for a kind of users, and cannot be the first user");
        return Err(Failure::new(Code::Usage, what, "name another one with -A USER"));
    }
    Ok(user)
}

/// Who works here, but for `other`.
pub(crate) fn first_user_but(other: &str) -> String {
    let system = ["root", "admin"].map(str::to_owned);
    let mut users = local_users().chain(system).filter(|user| user != other && !user::is_special(user));
    users.next().unwrap_or_default()
}

/// Who works here.
pub(crate) fn local_user() -> String {
    local_users().next().unwrap_or_else(|| "root".to_owned())
}

#[cfg(test)]
mod tests {
    use sync::client::FileError;
    use xfer::body::BodyError;

    use super::*;

    #[test]
    fn what_is_left_of_a_failed_clone_is_told_where_it_helps() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        let hint = |code, hint: &str| told_of_rest(Failure::new(code, "it failed", hint), &file).hint;
        assert_eq!(hint(Code::Refused, "log in"), "log in", "nothing is left");
        std::fs::write(client::work_file(&file).unwrap(), "").unwrap();
        let told = hint(Code::Refused, "log in");
        assert!(
            told.starts_with("log in; what came so far is kept in ") && told.contains(".a.fossil"),
            "{told}"
        );
        let said = "what came is kept; try again";
        assert_eq!(hint(Code::Partial, said), said);
        let exists = ClientError::File(FileError::Exists(file));
        assert!(!goes_on(&exists) && goes_on(&ClientError::Body(BodyError::NotZlib)));
    }

    #[test]
    fn who_stands_for_others_is_no_first_user() {
        for special in ["nobody", "anonymous", "developer", "reader", ""] {
            assert_eq!(first_user(Some(special.to_owned())).unwrap_err().code, Code::Usage, "{special}");
        }
        assert_eq!(first_user(Some("alice".to_owned())).unwrap(), "alice");
    }

    #[test]
    fn the_first_user_is_another_one_than_who_logs_in_from_elsewhere() {
        for taken in local_users().chain(["root".to_owned(), "admin".to_owned(), "sync".to_owned()]) {
            let first = first_user_but(&taken);
            assert!(!first.is_empty() && first != taken, "{taken}");
        }
    }
}
