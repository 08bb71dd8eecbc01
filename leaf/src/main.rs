//! The `frond` command.

mod agent;
mod chance;
mod cli;
mod exit;
mod lean;
mod login;
mod measure;
mod network;
mod output;
mod progress;
mod remote;
mod tree;
mod waiting;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(failure) => return output::Output::json_only().fail(&failure),
    };
    let kind = cli.command.kind();
    if kind != measure::Kind::Command {
        lean::begin();
    }
    let output = output::Output::new(&cli.global);
    output::start_logs(&cli.global);
    measure::start(kind);
    let code = match cli.command.run(&output) {
        Ok(code) => code.into(),
        Err(failure) => output.fail(&failure),
    };
    measure::end(kind);
    code
}
