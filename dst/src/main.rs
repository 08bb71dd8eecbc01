//! The command `frond-dst`: runs seeds of the simulator.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A run makes and drops millions of small things; SQLite takes its memory here too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
