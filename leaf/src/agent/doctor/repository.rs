//! A repository file: whether it opens, is whole at a glance, may be written, and is of a project.

use std::path::Path;
use std::time::Duration;

use repo::{Repo, RepoError, UnixTime, config, verify};
use sync::client::now;

use super::{CLOCK, Findings};
use crate::exit::Failure;
use crate::remote::is_project_code;

/// What peers meet by.
pub(super) struct Known {
    pub(super) project: String,
}

pub(super) fn examine(file: &Path, about: &str, findings: &mut Findings<'_>) -> Option<Known> {
    let told = |error: RepoError| Failure::from(error).at(file);
    let mut repo = match Repo::open(file) {
        Ok(repo) => repo,
        Err(error @ RepoError::ReadOnly { .. }) => {
            let failure = told(error);
            findings.fail(
                about,
                failure.what,
                "make the file writable for this user: it takes what peers send",
            );
            match Repo::open_read_only(file) {
                Ok(repo) => repo,
                Err(_) => return None,
            }
        }
        Err(error) => {
            findings.failure(about, &told(error));
            return None;
        }
    };
    match look(&mut repo, about, findings) {
        Ok(known) => known,
        Err(error) => {
            findings.failure(about, &told(error));
            None
        }
    }
}

fn look(repo: &mut Repo, about: &str, findings: &mut Findings<'_>) -> Result<Option<Known>, RepoError> {
    let snap = repo.snapshot()?;
    let report = verify::file(&snap)?;
    for finding in &report.findings {
        let hint = "restore the file from a backup or another clone; `frond verify` lists the damage";
        findings.fail(about, format!("the file is damaged: {finding}"), hint);
    }
    if let Some(newest) = report.newest.filter(|newest| ahead(*newest) > CLOCK) {
        let hours = ahead(newest).as_secs().div_ceil(3600);
        findings.warn(
            about,
            format!("its newest event is {hours} hours in the future"),
            "a clock is wrong: this machine's, or that of who made the check-in",
        );
    }
    let (project, server) = (config::project_code(&snap)?, config::server_code(&snap)?);
    let Some(project) = project.filter(|code| is_project_code(code)) else {
        findings.fail(
            about,
            "it has no project code of 40 or more hex digits",
            "only a repository of a project can be synchronized: clone it again",
        );
        return Ok(None);
    };
    if server.is_none_or(|code| code.is_empty()) {
        findings.warn(
            about,
            "it has no server code",
            "peers on a broker tell each other apart by it: clone it again",
        );
    }
    if report.findings.is_empty() {
        let what =
            format!("opens, its pages are sound, project {project}, journal mode {}", report.journal_mode);
        findings.well(about, what);
    }
    Ok(Some(Known { project }))
}

/// How far a time lies in the future.
fn ahead(time: UnixTime) -> Duration {
    Duration::from_millis(u64::try_from(time.0.saturating_sub(now().0)).unwrap_or(0))
}
