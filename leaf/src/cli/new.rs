//! `frond new FILE`.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use repo::checkin::{self, NewCheckin};
use repo::{Genesis, Repo, RepoError, Text, UnixTime};
use serde::Serialize;
use sync::client::now;

use super::clone::first_user;
use crate::chance;
use crate::exit::{Code, Failure, from_io};
use crate::output::Output;

/// Make a new repository
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The file to make
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The first user, who may do everything
    #[arg(short = 'A', long, value_name = "USER")]
    admin_user: Option<String>,
    /// Let everyone clone and pull without a login
    #[arg(long)]
    public_read: bool,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    file: PathBuf,
    project_code: String,
    server_code: String,
    admin_user: String,
    password: String,
}

impl New {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let answer = Answer {
            r#type: "new",
            project_code: chance::code()?,
            server_code: chance::code()?,
            admin_user: first_user(self.admin_user)?,
            password: chance::password()?,
            file: self.file,
        };
        let genesis = Genesis {
            project: answer.project_code.clone(),
            server: answer.server_code.clone(),
            user: answer.admin_user.clone(),
            password: Some(answer.password.clone()),
            public: if self.public_read { "go".to_owned() } else { String::new() },
            now: now(),
        };
        let mut repo = Repo::create(&answer.file, &genesis).map_err(|error| match error {
            RepoError::NotFound { .. } => from_io(&answer.file, &ErrorKind::NotFound.into()),
            error => error.into(),
        })?;
        first_checkin(&mut repo, &answer.admin_user, genesis.now)?;
        output.answer(&answer, || {
            format!(
                "project-id: {}\nserver-id:  {}\nadmin-user: {} (initial password is \"{}\")\n",
                answer.project_code, answer.server_code, answer.admin_user, answer.password
            )
        });
        Ok(Code::Ok)
    }
}

/// Makes the check-in without files that stock begins with: `fossil open` takes no repository without one.
fn first_checkin(repo: &mut Repo, user: &str, now: UnixTime) -> Result<(), Failure> {
    let first = NewCheckin {
        comment: Text::from("initial empty check-in"),
        user: Text::from(user),
        date: now,
        ..NewCheckin::default()
    };
    let tx = repo.begin()?;
    let made = checkin::commit(&tx, &first);
    made.map_err(|error| Failure::new(Code::Failed, error.to_string(), "remove the file and try again"))?;
    Ok(tx.commit()?)
}
