//! What changes the files of a repository.

use std::path::PathBuf;

use clap::Args;
use repo::unversioned::{self, Entry};
use repo::{Origin, Tx};
use serde::Serialize;
use sync::client::now;

use super::super::Repository;
use super::{name, no_such_file};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Add files, or new versions of them
#[derive(Debug, Args)]
pub(super) struct Add {
    /// Where they are
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Call the one file so, and not by its path
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// What became of a file.
#[derive(Serialize)]
struct Change {
    r#type: &'static str,
    name: String,
    hash: Option<String>,
    size: u64,
}

impl Change {
    fn of(r#type: &'static str, entry: &Entry) -> Self {
        let hash = entry.version.hash.map(|hash| hash.to_string());
        Self { r#type, name: entry.name.to_str_lossy().into_owned(), hash, size: entry.size }
    }

    fn tell(&self, output: &Output) {
        output.answer(self, || format!("{} {}", self.r#type, self.name));
    }
}

impl Add {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        if self.name.is_some() && self.paths.len() != 1 {
            let what = "--as names one file, and several are given";
            return Err(Failure::new(Code::Usage, what, "add them one by one"));
        }
        let mut repo = self.repository.write()?;
        let tx = repo.begin()?;
        tx.set_origin(here());
        let mut added = Vec::new();
        for path in &self.paths {
            let text = path.to_string_lossy();
            let name = name(self.name.as_deref().unwrap_or(&text))?;
            let content = std::fs::read(path).map_err(|error| {
                let what = format!("cannot read {}: {error}", path.display());
                Failure::new(Code::Failed, what, "nothing was added; check the path")
            })?;
            added.push(unversioned::put(&tx, &name, &content, now())?);
        }
        tx.commit()?;
        for entry in &added {
            Change::of("add", entry).tell(output);
        }
        Ok(Code::Ok)
    }
}

/// Delete files, here and, with the next sync, everywhere
#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
}

impl Rm {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.write()?;
        let tx: Tx<'_> = repo.begin()?;
        let mut removed = Vec::new();
        for name in &self.names {
            removed.push(unversioned::remove(&tx, name, now())?.ok_or_else(|| no_such_file(name))?);
        }
        tx.commit()?;
        for entry in &removed {
            Change::of("remove", entry).tell(output);
        }
        Ok(Code::Ok)
    }
}

/// Content that was made here.
fn here() -> Origin {
    Origin { time: now(), ..Origin::default() }
}
