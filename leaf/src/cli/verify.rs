//! `frond verify -R FILE`.

use clap::Args;
use repo::verify::{self, Finding};
use repo::{Repo, RepoError, census};
use serde::Serialize;
use sync::client::now;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::{Form, Output};

/// Check every artifact, and the derived tables against a rebuild
///
/// Changes nothing. A file that cannot be written is checked without its derived tables.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    repository: Repository,
}

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    artifact: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    artifacts: u64,
    phantoms: u64,
    findings: usize,
    /// Whether the derived tables were compared too.
    derived: bool,
}

impl Verify {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let (mut repo, derived) = match Repo::open(&self.repository.file) {
            Err(RepoError::ReadOnly { .. }) => (self.repository.read()?, false),
            opened => (opened?, true),
        };
        let mut findings = verify::artifacts(&repo.snapshot()?)?;
        if derived {
            findings.extend(verify::derived_rows(&mut repo, now())?);
        } else {
            output.note("the file cannot be written: its derived tables are not compared");
        }
        let census = census::count(&repo.snapshot()?)?;
        for finding in &findings {
            output.answer(&line(finding), || finding.to_string());
        }
        let answer = Answer {
            r#type: "verified",
            artifacts: census.artifacts,
            phantoms: census.phantoms,
            findings: findings.len(),
            derived,
        };
        output.answer(&answer, || answer.text());
        if findings.is_empty() {
            return Ok(Code::Ok);
        }
        if output.form() == Form::Text {
            output.note(advice(&findings));
        }
        Ok(Code::Failed)
    }
}

impl Answer {
    fn text(&self) -> String {
        let Self { artifacts, phantoms, findings, .. } = self;
        let phantoms = if *phantoms > 0 { format!(", {phantoms} known by name only") } else { String::new() };
        let found = if *findings == 0 { "nothing wrong".to_owned() } else { format!("{findings} findings") };
        format!("{artifacts} artifacts checked{phantoms}: {found}")
    }
}

fn line(finding: &Finding) -> Line {
    let artifact = finding.artifact().map(ToString::to_string);
    Line { r#type: "finding", artifact, message: finding.to_string() }
}

fn advice(findings: &[Finding]) -> &'static str {
    let is_derived = |finding: &Finding| {
        matches!(finding, Finding::ExtraRow { .. } | Finding::MissingRow { .. } | Finding::WrongSize { .. })
    };
    if findings.iter().all(is_derived) {
        return "frond: every artifact is sound; `frond rebuild` puts the rest right";
    }
    "frond: artifacts are missing or damaged; get them from another clone"
}
