//! `frond completions SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Print what a shell needs to complete the words of frond
///
/// For example: frond completions bash > /usr/share/bash-completion/completions/frond
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "as every command")]
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "frond", &mut script);
        output.bytes(&script);
        Ok(Code::Ok)
    }
}
