//! How the C library keeps the memory of a server.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What glibc is told when it starts, and reads only then. It keeps memory apart for each of many threads otherwise, and more
/// and more of it for long pieces; a server has many threads of which few are busy. It gives back what is more than 16 MiB, and
/// pieces of 16 MiB at once: with 1 and 4 MiB, 200 files of 1 MiB took the server half as much time again, as each of their requests
/// got new memory, and no exchange took less at its peak.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "16777216"),
    ("MALLOC_MMAP_THRESHOLD_", "16777216"),
];

/// Starts this program anew, as the same process, with these settings, unless one of them was made already. Where that is not
/// possible it goes on as it is: it takes more memory then, and does the same.
pub(crate) fn begin() {
    if !cfg!(target_env = "gnu") || SETTINGS.iter().any(|(name, _)| env::var_os(name).is_some()) {
        return;
    }
    let (Ok(program), mut args) = (env::current_exe(), env::args_os()) else { return };
    let mut command = Command::new(program);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    // It comes back only if it failed.
    let _failed = command.args(args).envs(SETTINGS).exec();
}
