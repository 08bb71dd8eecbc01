//! `frond rebuild -R FILE`.

use std::time::Instant;

use clap::Args;
use repo::{Snapshot, verify};
use serde::Serialize;
use sync::client::now;
use xfer::ArtifactId;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::{Output, counted};
use crate::progress::Counter;

/// Make every derived table anew from the artifacts
///
/// Does nothing in a file whose pages are damaged, which no rebuild cures.
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    artifacts: u64,
    structural: u64,
    /// Artifacts that cannot be read.
    damaged: usize,
    seconds: f64,
}

impl Rebuild {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let begun = Instant::now();
        let mut repo = self.repository.write()?;
        let tx = repo.begin()?;
        self.check_pages(&tx)?;
        let mut counter = Counter::new(*output, "artifacts");
        let rebuilt =
            repo::rebuild::run(&tx, now(), &mut |progress| counter.show(progress.done, progress.total))?;
        tx.commit()?;
        drop(counter);
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let answer = Answer {
            r#type: "rebuilt",
            artifacts: rebuilt.artifacts,
            structural: rebuilt.structural,
            damaged: rebuilt.damaged.len(),
            seconds,
        };
        output.answer(&answer, || {
            format!(
                "{}, {} of them structural, in {seconds} s",
                counted(answer.artifacts, "artifact"),
                answer.structural
            )
        });
        if rebuilt.damaged.is_empty() {
            return Ok(Code::Ok);
        }
        let file = self.repository.file.display();
        Err(Failure::new(
            Code::Partial,
            format!("{file}: {}", without(&rebuilt.damaged)),
            format!(
                "`frond verify -R {file}` tells what is wrong; clone another copy, and pull into that what only this one has"
            ),
        ))
    }
}

impl Rebuild {
    /// Writes nothing into a file with damaged pages: what is read there is not what was written.
    fn check_pages(&self, snap: &Snapshot<'_>) -> Result<(), Failure> {
        let found = verify::damaged_pages(snap)?;
        let Some(first) = found.first() else { return Ok(()) };
        let file = self.repository.file.display();
        let more = if found.len() > 1 { ", and more" } else { "" };
        Err(Failure::new(
            Code::Failed,
            format!("{file}: pages of the file are damaged, nothing was changed: {first}{more}"),
            format!(
                "no rebuild cures that: restore the file from a backup or another clone; `frond verify -R {file}` \
                 lists the damage"
            ),
        ))
    }
}

/// Names that are shown.
const SHOWN: usize = 3;

/// What the derived tables lack.
fn without(damaged: &[ArtifactId]) -> String {
    let mut names: Vec<String> = damaged.iter().take(SHOWN).map(ToString::to_string).collect();
    if damaged.len() > SHOWN {
        names.push("...".to_owned());
    }
    let artifacts = if damaged.len() == 1 { "artifact" } else { "artifacts" };
    format!(
        "rebuilt without {} damaged {artifacts}, which cannot be read: {}",
        damaged.len(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_damaged_artifacts_are_named() {
        let ids: Vec<ArtifactId> = (0..5_u8).map(|n| xfer::hash::sha1(&[n])).collect();
        let one = without(&ids[..1]);
        assert!(one.contains("1 damaged artifact,") && one.ends_with(&ids[0].to_string()), "{one}");
        let all = without(&ids);
        assert!(all.contains("5 damaged artifacts,") && all.ends_with("..."), "{all}");
        assert!(all.contains(&ids[2].to_string()) && !all.contains(&ids[3].to_string()), "{all}");
    }
}
