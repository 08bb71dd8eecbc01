//! `frond rebuild -R FILE`.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use sync::client::now;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::Output;
use crate::progress::Counter;

/// Make every derived table anew from the artifacts
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    repository: Repository,
}

#[derive(Serialize)]
struct Answer {
    schema: u32,
    artifacts: u64,
    structural: u64,
    seconds: f64,
}

impl Rebuild {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let begun = Instant::now();
        let mut repo = self.repository.write()?;
        let tx = repo.begin()?;
        let mut counter = Counter::new(*output, "artifacts");
        let rebuilt =
            repo::rebuild::run(&tx, now(), &mut |progress| counter.show(progress.done, progress.total))?;
        tx.commit()?;
        drop(counter);
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let answer =
            Answer { schema: 1, artifacts: rebuilt.artifacts, structural: rebuilt.structural, seconds };
        output.answer(&answer, || {
            format!(
                "{} artifacts, {} of them structural, in {seconds} s",
                answer.artifacts, answer.structural
            )
        });
        Ok(Code::Ok)
    }
}
