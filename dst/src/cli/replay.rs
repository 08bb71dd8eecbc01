//! `frond-dst replay`: runs a script.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use dst::node::Templates;
use dst::script::{Expected, Script, line_of};
use dst::sim::{self, Outcome};

use super::report::{self, SHOWN};
use super::run::passed;
use super::vigil::{Again, Vigil};
use super::{Failure, Verdict};

/// Run a script that `shrink` wrote, and say whether the same rule is broken again.
///
/// Exit codes: 0 no rule is broken, not even the one that the script expects; 1 a rule is broken, the last line says
/// whether it is that one, by the same trace; 2 the script cannot be read, or names what its seed does not have; 3 the
/// simulator itself failed; 4 the run did not end within a minute; 141 nobody reads any further what is written.
#[derive(Args)]
pub(super) struct Replay {
    /// The script.
    file: PathBuf,
    /// Show the whole trace.
    #[arg(long)]
    trace: bool,
}

/// Bytes of a script at most.
const MAX_BYTES: u64 = 1 << 20;

impl Replay {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<Verdict, Failure> {
        let given = |error: String| Failure::Given(format!("{}: {error}", self.file.display()));
        let text = read(&self.file).map_err(given)?;
        let script: Script = text.parse().map_err(|error| given(format!("{error}")))?;
        if let Some((item, allowed)) = script.unknown() {
            let (line, kind) = (line_of(&text, &item).unwrap_or_default(), item.kind());
            let seed = script.seed;
            return Err(given(format!("line {line}: seed {seed} has no {item}; of {kind} it has {allowed}")));
        }
        let kept = if self.trace { usize::MAX } else { SHOWN };
        let (task, templates) = ((script.seed, script.level), Templates::new()?);
        let vigil = Vigil::start(Again::Script(report::replay(&self.file)));
        let outcome = vigil.during(task, || sim::play(&script, &templates, kept))?;
        let judgement = judge(script.expected.as_ref(), &outcome);
        let verdict = if outcome.violation.is_some() { Verdict::Broken } else { Verdict::Fine };
        match verdict {
            Verdict::Broken => report::script_broken(out, outcome, &script, &self.file)?,
            Verdict::Fine => passed(out, outcome, (&script).into(), self.trace.into())?,
        }
        writeln!(out, "{judgement}")?;
        Ok(verdict)
    }
}

/// Whether it came as the script says.
fn judge(expected: Option<&Expected>, outcome: &Outcome) -> String {
    let broken = outcome.violation.as_ref().map(|violation| violation.invariant);
    let Some(Expected { invariant, hash }) = expected else {
        return format!("rule broken: {}; the script expects none", broken.unwrap_or("none"));
    };
    let trace = if outcome.trace.hash() == *hash { "the same trace" } else { "another trace" };
    match broken {
        Some(broken) if broken == invariant => format!("broken again: {invariant}, by {trace}"),
        Some(broken) => format!("broken: {broken}; the script expects {invariant}"),
        None => format!("not broken again: {invariant}"),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("this is no script: it is longer than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "this is no script: it is not text in UTF-8".to_owned())
}
