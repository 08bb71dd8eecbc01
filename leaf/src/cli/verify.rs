//! `frond verify -R FILE`.

use clap::Args;
use repo::verify::{self, Finding};
use repo::{Repo, RepoError};
use serde::Serialize;
use sync::client::now;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::{Form, Output, counted};

/// Check every artifact, and the derived tables against a rebuild
///
/// Changes nothing. A file that cannot be written is checked without its derived tables.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(super) repository: Repository,
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
    /// Artifacts that were checked.
    artifacts: u64,
    /// Artifacts that are named and not held.
    phantoms: u64,
    /// Artifacts that cannot be checked before their delta sources come.
    waiting: u64,
    findings: usize,
    /// Whether the derived tables were compared too.
    derived: bool,
}

impl Verify {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let report = match Repo::open(&self.repository.file) {
            Err(RepoError::ReadOnly { .. }) => {
                output.note("the file cannot be written: its derived tables are not compared");
                let mut repo = self.repository.read()?;
                repo.snapshot().and_then(|snap| verify::artifacts(&snap))
            }
            Err(error @ RepoError::Corrupt { .. }) => verify::unopened(&self.repository.file, error),
            opened => opened.and_then(|mut repo| verify::all(&mut repo, now())),
        };
        let report = report.map_err(failure)?;
        for finding in &report.findings {
            output.answer(&line(finding), || finding.to_string());
        }
        let answer = Answer {
            r#type: "verified",
            artifacts: report.checked,
            phantoms: report.phantoms,
            waiting: report.waiting,
            findings: report.findings.len(),
            derived: report.derived,
        };
        output.answer(&answer, || answer.text());
        if output.form() == Form::Text && !report.findings.is_empty() {
            output.note(advice(&report.findings));
        }
        if report.lacks_room {
            return Err(self.without_room(&report.findings));
        }
        Ok(if report.findings.is_empty() { Code::Ok } else { Code::Failed })
    }

    /// Why the derived tables were not compared.
    fn without_room(&self, findings: &[Finding]) -> Failure {
        let file = self.repository.file.display();
        let what = format!(
            "{file}: its derived tables are not compared: that takes room for a while, and the disk is full"
        );
        let code = if findings.is_empty() { Code::Partial } else { Code::Failed };
        Failure::new(code, what, "free some room, then run the same command again")
    }
}

impl Answer {
    fn text(&self) -> String {
        let found = match self.findings {
            0 => "nothing wrong".to_owned(),
            some => counted(some as u64, "finding"),
        };
        let mut text = format!("{} checked: {found}", counted(self.artifacts, "artifact"));
        if self.phantoms > 0 {
            text.push_str(&format!("\n{} more are named and not held", self.phantoms));
        }
        if self.waiting > 0 {
            let what =
                "more wait for their delta sources and cannot be checked before; `frond pull` gets those";
            text.push_str(&format!("\n{} {what}", self.waiting));
        }
        text
    }
}

fn line(finding: &Finding) -> Line {
    let artifact = finding.artifact().map(ToString::to_string);
    Line { r#type: "finding", artifact, message: finding.to_string() }
}

/// Why nothing can be said of a file, without the advice to run the same command.
fn failure(error: RepoError) -> Failure {
    let mut failure = Failure::from(error);
    if failure.hint.contains("frond verify") {
        "restore the file from a backup or another clone".clone_into(&mut failure.hint);
    }
    failure
}

fn advice(findings: &[Finding]) -> &'static str {
    if findings.iter().any(|finding| matches!(finding, Finding::Page { .. })) {
        return "frond: the file itself is damaged, which `frond rebuild` does not cure, and its derived tables are not \
                compared; restore it from a backup or another clone";
    }
    if findings.iter().any(Finding::is_damage) {
        return "frond: artifacts are damaged, which `frond rebuild` does not cure; clone another copy, and pull into that what \
                only this one has";
    }
    "frond: every artifact is sound; `frond rebuild` puts the rest right"
}
