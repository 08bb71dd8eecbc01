//! `frond artifact HASH -R FILE`.

use clap::Args;
use repo::content;
use serde::Serialize;
use xfer::ArtifactId;

use super::{Repository, name};
use crate::exit::{Code, Failure};
use crate::output::{Form, Output};

/// Write an artifact as it is
#[derive(Debug, Args)]
pub(crate) struct Artifact {
    /// Its name, or the beginning of it
    #[arg(value_name = "HASH")]
    hash: String,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// Content that is not UTF-8 is given as hex.
#[derive(Serialize)]
struct Answer<'a> {
    r#type: &'static str,
    hash: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl Artifact {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let (rid, id) = name::artifact(&snap, &self.hash)?;
        let bytes = content::get(&snap, rid)?;
        write(output, &id, &bytes);
        Ok(Code::Ok)
    }
}

/// Writes content as it is, or in JSON.
pub(crate) fn write(output: &Output, id: &ArtifactId, bytes: &[u8]) {
    if output.form() == Form::Text {
        output.bytes(bytes);
        return;
    }
    let text = std::str::from_utf8(bytes).ok();
    let hex = text.is_none().then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    let answer = Answer { r#type: "artifact", hash: id.to_string(), size: bytes.len(), text, hex };
    output.answer(&answer, String::new);
}
