//! Stock Fossil as the author of a repository.

use std::io::BufWriter;
use std::path::Path;
use std::process::Stdio;

use super::history::Shape;
use super::{PROJECT, extras, git};
use crate::Fossil;

/// Whether a repository gets what a Git stream cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extras {
    /// Check-ins only: the same artifacts on every machine.
    None,
    /// Every kind of artifact, private ones, unversioned files. These carry the time of day.
    All,
}

/// Makes a repository of the first `upto` check-ins of a history. Every artifact in it is also in the
/// repository of the whole history, so the two make a server and a stale client.
#[track_caller]
pub fn by_stock(fossil: &Fossil, file: &Path, shape: Shape, upto: usize, with: Extras) {
    import(fossil, file, shape, upto);
    fossil.prepare(file, PROJECT);
    if with == Extras::All {
        extras::add(fossil, file);
    }
}

#[track_caller]
fn import(fossil: &Fossil, file: &Path, shape: Shape, upto: usize) {
    let mut command = fossil.command_in(None);
    command.args(["import", "--git", "--use-author", "--admin-user", "admin"]).arg(file);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut import = command.spawn().expect("cannot run fossil import");
    let pipe = import.stdin.take().expect("stdin is a pipe");
    let written = git::write(shape, upto, &mut BufWriter::new(pipe));
    let status = import.wait().expect("a child that was started can be waited for");
    assert!(status.success() && written.is_ok(), "fossil import failed: {status}, {written:?}");
}
