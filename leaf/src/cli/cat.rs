//! `frond cat NAME [CHECKIN] -R FILE`.

use clap::Args;
use repo::blob::{self, Presence};
use repo::content;

use super::{Repository, artifact, ls};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Write a file of a check-in
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// Its path from the root of the tree
    #[arg(value_name = "NAME")]
    name: String,
    /// A tag, a branch, `tip`, or the beginning of a hash; by default the newest check-in of the main branch
    #[arg(value_name = "CHECKIN")]
    checkin: Option<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
}

impl Cat {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let files = ls::files(&snap, self.checkin.as_deref())?;
        let file = files.iter().find(|file| file.name.as_bytes() == self.name.as_bytes());
        let Some(id) = file.and_then(|file| file.id) else {
            let what = format!("no file is called {:?} in that check-in", self.name);
            return Err(Failure::new(Code::Failed, what, "see `frond ls`"));
        };
        let Presence::Held(rid) = blob::presence(&snap, &id)? else {
            let what = format!("the content of {:?} ({id}) is not here", self.name);
            return Err(Failure::new(Code::Failed, what, "pull first"));
        };
        artifact::write(output, &id, &content::get(&snap, rid)?);
        Ok(Code::Ok)
    }
}
