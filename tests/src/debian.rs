//! Programs of Debian packages that are unpacked and not installed, since they would start services.

use std::path::PathBuf;

use crate::frond::target_directory;

/// Where `tests/install-packages.sh` put a program, or its name where the machine has it.
///
/// # Panics
/// If it is nowhere: nothing is skipped.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    let unpacked = target_directory().join("debian/usr/bin").join(name);
    installed.or_else(|| unpacked.is_file().then_some(unpacked)).unwrap_or_else(|| {
        panic!("there is no {name}: run tests/install-packages.sh");
    })
}
