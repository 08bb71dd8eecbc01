//! Cards that bring artifacts, good and bad.

use xfer::ArtifactId;

/// A `file` card under the right name.
pub(crate) fn file(content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    named(&name(content), content)
}

/// The SHA3-256 name of some content.
pub(crate) fn name(content: impl AsRef<[u8]>) -> ArtifactId {
    xfer::hash::sha3_256(content.as_ref())
}

/// A `file` card under whatever name.
pub(crate) fn named(id: &ArtifactId, content: &[u8]) -> Vec<u8> {
    [format!("file {id} {}\n", content.len()).as_bytes(), content].concat()
}

/// A `file` card that brings a delta.
pub(crate) fn delta(id: &ArtifactId, source: &ArtifactId, delta: &[u8]) -> Vec<u8> {
    [format!("file {id} {source} {}\n", delta.len()).as_bytes(), delta].concat()
}

/// A `cfile` card, with the size it claims and the frame it brings.
pub(crate) fn cfile(id: &ArtifactId, size: usize, frame: &[u8]) -> Vec<u8> {
    [format!("cfile {id} {size} {}\n", frame.len()).as_bytes(), frame, b"\n"].concat()
}
