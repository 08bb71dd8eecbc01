//! What only reads.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use repo::Snapshot;
use repo::manifest::date;
use repo::unversioned::{self, Entry};
use serde::Serialize;

use super::super::Repository;
use super::no_such_file;
use crate::exit::{Code, Failure, from_io, without_temporary};
use crate::output::Output;
use crate::tree::Existing;

/// Write files to standard output
#[derive(Debug, Args)]
pub(super) struct Cat {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
}

impl Cat {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        for name in &self.names {
            output.bytes(&content(&snap, name)?);
        }
        Ok(Code::Ok)
    }
}

/// List files
#[derive(Debug, Args)]
pub(super) struct Ls {
    /// List what was deleted too
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    name: String,
    time: String,
    hash: Option<String>,
    size: u64,
}

impl Ls {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        for entry in unversioned::list(&repo.snapshot()?)? {
            if self.deleted || entry.version.hash.is_some() {
                let line = Line::of(&entry);
                output.answer(&line, || line.text());
            }
        }
        Ok(Code::Ok)
    }
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let mut time = date::format(repo::UnixTime::from_seconds(entry.version.mtime));
        time.truncate("YYYY-MM-DDTHH:MM:SS".len());
        Self {
            r#type: "unversioned",
            name: entry.name.to_str_lossy().into_owned(),
            time,
            hash: entry.version.hash.map(|hash| hash.to_string()),
            size: entry.size,
        }
    }

    fn text(&self) -> String {
        let Self { name, time, hash, size, .. } = self;
        let hash = hash.as_deref().map_or("deleted   ", |hash| &hash[..10]);
        format!("{hash}  {time}  {size:>10}  {name}")
    }
}

/// Write a file to disk
///
/// It appears whole or not at all. One that is there stays, unless it is the same or --force is given.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Where to
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Replace a file that is there and differs
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) repository: Repository,
}

impl Export {
    pub(super) fn run(self, _output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let content = content(&repo.snapshot()?, &self.name)?;
        let existing = if self.force { Existing::Replaced } else { Existing::Kept };
        match write(&self.path, &content, existing) {
            Ok(()) => Ok(Code::Ok),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read(&self.path).is_ok_and(|there| there == content) {
                    return Ok(Code::Ok);
                }
                let what = format!("{} is there and would be lost", self.path.display());
                Err(Failure::new(Code::Failed, what, "choose another place, or give --force"))
            }
            Err(error) => Err(from_io(&self.path, &without_temporary(error))),
        }
    }
}

/// Writes a file as a whole, or not at all.
fn write(path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let anybody = fs::Permissions::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().permissions(anybody).tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Kept => file.persist_noclobber(path)?,
        Existing::Replaced => file.persist(path)?,
    };
    Ok(())
}

/// Tell the hash by which peers compare their files
#[derive(Debug, Args)]
pub(super) struct Hash {
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct CatalogHash {
    r#type: &'static str,
    hash: String,
}

impl Hash {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let hash = unversioned::catalog_hash(&repo.snapshot()?)?.to_string();
        output.answer(&CatalogHash { r#type: "catalog-hash", hash: hash.clone() }, || hash);
        Ok(Code::Ok)
    }
}

fn content(snap: &Snapshot<'_>, name: &str) -> Result<bytes::Bytes, Failure> {
    unversioned::content(snap, name)?.ok_or_else(|| no_such_file(name))
}
