//! Configuration from and to a file, in the form of `fossil configuration export`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use repo::configuration::{self, Authority, Group, Policy, Precedence};
use repo::manifest::date;
use serde::Serialize;
use sync::client::now;
use xfer::{Card, DecodeLimits, Message};

use super::super::Repository;
use super::{group, warn_of_unusable};
use crate::exit::{Code, Failure, from_io, from_reading};
use crate::output::{Output, counted};

/// Longest file that is read, in bytes.
const LONGEST_BYTES: u64 = 256 << 20;

/// Write a group to a new file
///
/// The groups user and all hold what users log in with: the file can be read by its owner only.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// What to write: project, skin, ..., all
    #[arg(value_name = "GROUP", value_parser = group)]
    group: Group,
    /// The file to make
    #[arg(value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// Read a file of configuration: what it says replaces what is here
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    pub(super) repository: Repository,
}

/// Read a file of configuration: of two versions the newer one stays
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Serialize)]
struct Answer {
    r#type: &'static str,
    records: u64,
}

impl Export {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let records = configuration::export(&repo.snapshot()?, self.group.into(), &Authority::full())?;
        let answer = Answer { r#type: "exported", records: records.len() as u64 };
        let mut cards = self.title();
        cards.extend(records.into_iter().map(Card::Config));
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(&self.out);
        let mut file = made.map_err(|error| from_io(&self.out, &error))?;
        file.write_all(&xfer::encode(&Message::from(cards))).map_err(|error| {
            // Half a file says less than none.
            let _ = std::fs::remove_file(&self.out);
            from_io(&self.out, &error)
        })?;
        output.answer(&answer, || format!("{}\n", counted(answer.records, "record")));
        Ok(Code::Ok)
    }

    fn title(&self) -> Vec<Card> {
        let time = date::format(now());
        let lines = [
            format!(" The \"{}\" configuration exported from", self.group.name()),
            format!(" repository {:?}", self.repository.file.display().to_string()),
            format!(" on {}", time.replace('T', " ")),
        ];
        lines.map(Card::comment).into()
    }
}

impl Import {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        read(&self.input, &self.repository, Precedence::Theirs, output)
    }
}

impl Merge {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        read(&self.input, &self.repository, Precedence::Later, output)
    }
}

fn read(
    file: &Path,
    repository: &Repository,
    precedence: Precedence,
    output: &Output,
) -> Result<Code, Failure> {
    let mut repo = repository.write()?;
    let size = std::fs::metadata(file).map_err(|error| from_reading(file, &error))?.len();
    if size > LONGEST_BYTES {
        return Err(not_configuration(file, &format!("it has {size} bytes")));
    }
    let content = std::fs::read(file).map_err(|error| from_reading(file, &error))?;
    let message = xfer::decode(&content.into(), &DecodeLimits::default())
        .map_err(|error| not_configuration(file, &error.to_string()))?;
    let mut configs = Vec::new();
    for card in &message.cards {
        match card {
            Card::Config(config) => configs.push(config),
            Card::Comment(_) => {}
            _ => return Err(not_configuration(file, "it holds other cards")),
        }
    }
    let policy = Policy { groups: Group::All.into(), authority: Authority::full(), precedence };
    let tx = repo.begin()?;
    let taken = configuration::take(&tx, &configs, &policy)?;
    tx.commit()?;
    warn_of_unusable(&taken.unusable, output);
    let answer = Answer { r#type: "taken", records: taken.changed };
    output.answer(&answer, || {
        format!("{} of {} taken\n", taken.changed, counted(configs.len() as u64, "record"))
    });
    Ok(Code::Ok)
}

fn not_configuration(file: &Path, reason: &str) -> Failure {
    let what = format!("{}: this is no exported configuration: {reason}", file.display());
    Failure::new(Code::Failed, what, "name a file that `config export` wrote")
}
