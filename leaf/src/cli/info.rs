//! `frond info -R FILE`.

use std::path::PathBuf;

use clap::Args;
use repo::{census, config, partial};
use serde::Serialize;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Tell what a repository is and how much it holds
#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    project_name: Option<String>,
    repository: PathBuf,
    project_code: Option<String>,
    server_code: Option<String>,
    /// False for a clone that was interrupted.
    whole: bool,
    checkins: u64,
    artifacts: u64,
    phantoms: u64,
    private: u64,
    bytes: u64,
    remote: Option<String>,
}

impl Info {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let remote = sync::client::remembered_url(&repo.snapshot()?)?;
        let snap = repo.snapshot()?;
        let census = census::count(&snap)?;
        let answer = Answer {
            r#type: "repository",
            project_name: config::get(&snap, "project-name")?,
            repository: std::path::absolute(&self.repository.file).unwrap_or(self.repository.file),
            project_code: config::project_code(&snap)?,
            server_code: config::server_code(&snap)?,
            whole: partial::load(&snap)?.is_none(),
            checkins: census.checkins,
            artifacts: census.artifacts,
            phantoms: census.phantoms,
            private: census.private,
            bytes: census.file_bytes,
            remote,
        };
        output.answer(&answer, || answer.text());
        Ok(Code::Ok)
    }
}

impl Answer {
    fn text(&self) -> String {
        let or = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
        let mut lines = vec![
            ("project-name", or(&self.project_name, "<unnamed>")),
            ("repository", self.repository.display().to_string()),
            ("project-code", or(&self.project_code, "<none>")),
            ("server-code", or(&self.server_code, "<none>")),
            ("checkins", self.checkins.to_string()),
            ("artifacts", self.artifacts.to_string()),
            ("bytes", self.bytes.to_string()),
        ];
        let counted = [("phantoms", self.phantoms), ("private", self.private)];
        lines.extend(counted.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name, n.to_string())));
        if let Some(remote) = &self.remote {
            lines.push(("remote", remote.clone()));
        }
        if !self.whole {
            lines.push(("state", "an unfinished clone".to_owned()));
        }
        lines.iter().map(|(name, value)| format!("{:14}{value}\n", format!("{name}:"))).collect()
    }
}
