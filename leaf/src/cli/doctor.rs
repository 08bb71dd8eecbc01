//! `frond doctor`.

use clap::Args;
use serde::Serialize;

use crate::agent::config::Flags;
use crate::agent::doctor::{self, Finding, Level};
use crate::exit::{Code, Failure};
use crate::network;
use crate::output::Output;

/// Look for what keeps a leaf from its work, and say what to do
///
/// Looks at the configuration, the repositories and their disk, the certificate, the broker, the peers (who we are there, and
/// what we may), the clock, and what went wrong for the leaf that runs. Changes nothing. Exit code: 1 if something does not work, else 0.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    flags: Flags,
}

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    errors: u32,
    warnings: u32,
}

impl Doctor {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut summary = Summary { r#type: "doctor", errors: 0, warnings: 0 };
        network::run(doctor::examine(&self.flags, &mut |finding| {
            match finding.level {
                Level::Ok => {}
                Level::Warning => summary.warnings += 1,
                Level::Error => summary.errors += 1,
            }
            output.answer(finding, || text(finding));
        }))?;
        output.answer(&summary, || summary.text());
        Ok(if summary.errors == 0 { Code::Ok } else { Code::Failed })
    }
}

impl Summary {
    fn text(&self) -> String {
        match (self.errors, self.warnings) {
            (0, 0) => "\nall is well\n".to_owned(),
            (errors, warnings) => format!("\nerrors: {errors}, warnings: {warnings}\n"),
        }
    }
}

fn text(finding: &Finding) -> String {
    let Finding { level, about, what, hint, .. } = finding;
    let level = match level {
        Level::Ok => "ok",
        Level::Warning => "WARNING",
        Level::Error => "ERROR",
    };
    let hint = hint.as_ref().map_or_else(String::new, |hint| format!("         -> {hint}\n"));
    format!("{level:<8} {about}: {what}\n{hint}")
}
