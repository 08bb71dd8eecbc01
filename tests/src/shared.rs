//! Repositories that are dear to make: made once a build directory, then shared by all tests.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::corpus::{Extras, Shape, by_stock};
use crate::frond::target_directory;
use crate::{Fossil, Scratch};

/// Changes with what [`crate::corpus`] makes, so that a file made by an older maker is not taken for new.
const MAKER_VERSION: u32 = 2;

/// The first `upto` check-ins of a history, by stock. Never open it for writing: copy it.
#[track_caller]
pub fn corpus(shape: Shape, upto: usize, with: Extras) -> PathBuf {
    let Shape { checkins, files, seed } = shape;
    let name = format!("corpus-{MAKER_VERSION}-{checkins}-{files}-{seed}-{upto}-{with:?}.fossil");
    once(&name, |file| by_stock(&Fossil::new(), file, shape, upto, with))
}

/// A file that `make` writes if it is not there yet.
#[track_caller]
pub fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let dir = target_directory().join("tmp").join("frond-tests");
    std::fs::create_dir_all(&dir).expect("cannot make a directory for shared test files");
    let file = dir.join(name);
    // Other test processes may want the same file at the same moment.
    let lock = File::create(dir.join(format!("{name}.lock"))).expect("cannot make a lock file");
    lock.lock().expect("cannot take a lock");
    if !file.exists() {
        let scratch = Scratch::new();
        let made = scratch.file("made.fossil");
        make(&made);
        let new = dir.join(format!("{name}.new"));
        std::fs::copy(&made, &new)
            .and_then(|_| std::fs::rename(&new, &file))
            .expect("cannot keep a shared file");
    }
    file
}
