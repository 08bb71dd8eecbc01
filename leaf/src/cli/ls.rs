//! `frond ls [CHECKIN] -R FILE`.

use clap::Args;
use repo::manifest::{FileEntry, Perm};
use repo::{Rid, Snapshot, history};
use serde::Serialize;

use super::{Repository, name};
use crate::exit::{Code, Failure};
use crate::output::{Form, Output};

/// List the files of a check-in
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// A tag, a branch, `tip`, or the beginning of a hash; by default the newest check-in of the main branch
    #[arg(value_name = "CHECKIN")]
    checkin: Option<String>,
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    name: String,
    hash: Option<String>,
    perm: &'static str,
}

impl Ls {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let files = files(&snap, self.checkin.as_deref())?;
        match output.form() {
            Form::Json => files.iter().for_each(|file| output.answer(&line(file), String::new)),
            Form::Text => {
                let names = files.iter().flat_map(|file| [file.name.as_bytes(), b"\n"]);
                output.bytes(&names.collect::<Vec<_>>().concat());
            }
        }
        Ok(Code::Ok)
    }
}

fn line(file: &FileEntry) -> Line {
    Line {
        r#type: "file",
        name: file.name.to_str_lossy().into_owned(),
        hash: file.id.map(|id| id.to_string()),
        perm: match file.perm {
            Perm::Regular => "regular",
            Perm::Executable => "executable",
            Perm::Symlink => "symlink",
        },
    }
}

/// The files of the check-in that `name` means.
pub(crate) fn files(snap: &Snapshot<'_>, name: Option<&str>) -> Result<Vec<FileEntry>, Failure> {
    let (rid, name) = name::checkin(snap, name)?;
    files_of(snap, rid, &name)
}

/// The files of a check-in that is called `name`.
pub(crate) fn files_of(snap: &Snapshot<'_>, checkin: Rid, name: &str) -> Result<Vec<FileEntry>, Failure> {
    history::files(snap, checkin)?.ok_or_else(|| {
        let what = format!("the files of check-in {name:?} are not all known: its baseline is not here");
        Failure::new(Code::Failed, what, "pull first")
    })
}
