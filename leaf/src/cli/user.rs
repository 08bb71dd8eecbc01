//! `frond user new|password|capabilities|list`.

use clap::{Args, Subcommand};
use repo::user::{self, User};
use repo::{Snapshot, config};
use serde::Serialize;
use sync::client::now;
use xfer::Secret;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::login;
use crate::output::Output;

/// Say who may log in to a repository, and what they may do
#[derive(Debug, Args)]
pub(crate) struct Users {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    New(New),
    Password(Password),
    Capabilities(Capabilities),
    #[command(visible_alias = "ls")]
    List(List),
}

/// Make a user
#[derive(Debug, Args)]
struct New {
    /// The name to log in with
    #[arg(value_name = "LOGIN")]
    login: String,
    /// What the user may do, in letters; else what the setting default-perms says, else u
    #[arg(long, value_name = "LETTERS", value_parser = letters)]
    capabilities: Option<String>,
    /// Who it is
    #[arg(long, value_name = "TEXT", default_value = "")]
    contact: String,
    #[command(flatten)]
    secret: NewPassword,
    #[command(flatten)]
    repository: Repository,
}

/// Give a user another password
#[derive(Debug, Args)]
struct Password {
    /// Whom
    #[arg(value_name = "LOGIN")]
    login: String,
    #[command(flatten)]
    secret: NewPassword,
    #[command(flatten)]
    repository: Repository,
}

/// Show or change what a user may do
#[derive(Debug, Args)]
struct Capabilities {
    /// Who
    #[arg(value_name = "LOGIN")]
    login: String,
    /// What the user may do from now on, in letters; "" for nothing
    #[arg(value_name = "LETTERS", value_parser = letters)]
    capabilities: Option<String>,
    #[command(flatten)]
    repository: Repository,
}

/// List all users
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    repository: Repository,
}

/// Where a new password comes from
#[derive(Debug, Args)]
struct NewPassword {
    /// Take the first line of stdin for the password; else that of the file that FROND_NEW_PASSWORD_FILE names is
    /// taken, or it is asked for, twice
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    r#type: &'static str,
    login: &'a str,
    capabilities: &'a str,
    contact: &'a str,
    may_log_in: bool,
}

impl Users {
    pub(crate) fn repository(&self) -> &Repository {
        match &self.action {
            Action::New(New { repository, .. })
            | Action::Password(Password { repository, .. })
            | Action::Capabilities(Capabilities { repository, .. })
            | Action::List(List { repository }) => repository,
        }
    }

    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        match self.action {
            Action::New(action) => action.run(output),
            Action::Password(action) => action.run(output),
            Action::Capabilities(action) => action.run(output),
            Action::List(action) => action.run(output),
        }
    }
}

impl New {
    fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.write()?;
        let login = self.login;
        if login.is_empty() || login.contains(char::is_control) {
            return Err(Failure::new(Code::Usage, "this is no name to log in with", "choose another one"));
        }
        let exists = || Failure::new(Code::Failed, format!("user {login:?} exists already"), SEE_LIST);
        let snap = repo.snapshot()?;
        if user::find(&snap, &login)?.is_some() {
            return Err(exists());
        }
        let capabilities = match self.capabilities {
            Some(capabilities) => capabilities,
            None => config::get(&snap, "default-perms")?.unwrap_or_else(|| "u".to_owned()),
        };
        let project = project(&snap)?;
        drop(snap);
        let secret = self.secret.derive(&project, &login)?;
        let tx = repo.begin()?;
        if user::find(&tx, &login)?.is_some() {
            return Err(exists());
        }
        user::set_capabilities(&tx, &login, &capabilities, now())?;
        user::set_contact(&tx, &login, &self.contact, now())?;
        user::set_password(&tx, &login, &secret, now())?;
        let user = known(&tx, &login)?;
        tx.commit()?;
        show(&user, output);
        Ok(Code::Ok)
    }
}

impl Password {
    fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.write()?;
        let snap = repo.snapshot()?;
        known(&snap, &self.login)?;
        if user::is_special(&self.login) {
            let what = format!("{} stands for a kind of users: nobody logs in by this name", self.login);
            return Err(Failure::new(Code::Usage, what, "name a user who logs in"));
        }
        let project = project(&snap)?;
        drop(snap);
        let secret = self.secret.derive(&project, &self.login)?;
        let tx = repo.begin()?;
        user::set_password(&tx, &self.login, &secret, now())?;
        let user = known(&tx, &self.login)?;
        tx.commit()?;
        show(&user, output);
        Ok(Code::Ok)
    }
}

impl Capabilities {
    fn run(self, output: &Output) -> Result<Code, Failure> {
        let user = match self.capabilities {
            None => known(&self.repository.read()?.snapshot()?, &self.login)?,
            Some(capabilities) => {
                let mut repo = self.repository.write()?;
                let tx = repo.begin()?;
                known(&tx, &self.login)?;
                user::set_capabilities(&tx, &self.login, &capabilities, now())?;
                let user = known(&tx, &self.login)?;
                tx.commit()?;
                user
            }
        };
        output.answer(&Shown::of(&user), || format!("{}\n", user.capabilities));
        Ok(Code::Ok)
    }
}

impl List {
    fn run(self, output: &Output) -> Result<Code, Failure> {
        for user in user::list(&self.repository.read()?.snapshot()?)? {
            show(&user, output);
        }
        Ok(Code::Ok)
    }
}

impl NewPassword {
    /// What is stored in place of the password.
    fn derive(&self, project: &str, login: &str) -> Result<Secret, Failure> {
        let password = login::new_password(login, self.password_stdin)?;
        if password.len() == 40 && password.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let what = "a password of 40 hex digits would be taken for a stored secret";
            return Err(Failure::new(Code::Usage, what, "choose another one"));
        }
        Ok(Secret::derive(project, login, &password))
    }
}

impl<'a> Shown<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            r#type: "user",
            login: &user.login,
            capabilities: &user.capabilities,
            contact: &user.contact,
            may_log_in: !user.password.is_empty() && !user::is_special(&user.login),
        }
    }
}

/// What to do about a name that is wrong.
const SEE_LIST: &str = "see `frond user list`";

fn show(user: &User, output: &Output) {
    output.answer(&Shown::of(user), || {
        let User { login, capabilities, contact, .. } = user;
        format!("{login:<16} {capabilities:<16} {contact}").trim_end().to_owned() + "\n"
    });
}

fn known(snap: &Snapshot<'_>, login: &str) -> Result<User, Failure> {
    user::find(snap, login)?
        .ok_or_else(|| Failure::new(Code::Failed, format!("there is no user {login:?}"), SEE_LIST))
}

/// The project code, which secrets are made with.
fn project(snap: &Snapshot<'_>) -> Result<String, Failure> {
    config::project_code(snap)?.filter(|code| !code.is_empty()).ok_or_else(|| {
        let what = "this repository has no project code: no password can be stored";
        Failure::new(Code::Failed, what, "clone it from where it has one")
    })
}

/// Reads capability letters.
fn letters(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("capabilities are letters and digits".to_owned())
}
