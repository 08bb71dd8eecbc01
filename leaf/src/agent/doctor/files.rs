//! Files, their rights, and the room on their disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::statvfs;
use sync::http::serve::Certificate;

use super::Findings;
use crate::agent::config::{Config, TlsFiles};
use crate::exit::without_temporary;

/// Room below which nothing goes on.
const LEAST_ROOM: u64 = 16 << 20;

/// Room that should be there beside what a repository takes.
const ROOM: u64 = 256 << 20;

/// Whether others than the owner may read a file.
pub(super) fn is_open_to_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

pub(super) fn certificate(config: &Config, findings: &mut Findings<'_>) {
    let Some(TlsFiles { certificate, key }) = &config.tls else { return };
    let about = "certificate";
    match Certificate::load(certificate, key) {
        Ok(_) => findings.well(about, format!("{} fits its key", certificate.display())),
        Err(error) => findings.fail(
            about,
            error.to_string(),
            "tls-certificate is a PEM file with the server's certificate first, tls-key one with its key",
        ),
    }
    if is_open_to_others(key) {
        findings.warn(about, format!("{}: others may read this key", key.display()), "chmod 640, or 600");
    }
}

/// Whether files can be made where a repository is, and the room there.
pub(super) fn directory(file: &Path, about: &str, findings: &mut Findings<'_>) {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Err(error) = tempfile::tempfile_in(directory) {
        findings.fail(
            about,
            format!("{}: no file can be made there: {}", directory.display(), without_temporary(error)),
            "SQLite keeps its journal beside the file: make the directory writable for this user",
        );
    }
    let size = fs::metadata(file).map_or(0, |metadata| metadata.len());
    let Ok(disk) = statvfs(directory) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let what = format!("{}: {} MiB free on its disk", directory.display(), free >> 20);
    let hint = "free some room: a rebuild or a backup takes as much as the file";
    match free {
        _ if free < LEAST_ROOM => findings.fail(about, what, hint),
        _ if free < size.saturating_add(ROOM) => findings.warn(about, what, hint),
        _ => findings.well(about, what),
    }
}
