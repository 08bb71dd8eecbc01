//! A repository as it was some check-ins ago.

use std::path::{Path, PathBuf};

use frond_tests::{Frond, shared, sql};

/// A copy of a repository that an import made, without its newest check-ins and what came with them.
pub(crate) fn without_newest(frond: &Frond, full: &Path, checkins: usize) -> PathBuf {
    let name = full.file_stem().unwrap_or_default().to_string_lossy();
    shared::once(&format!("{name}-without-{checkins}.fossil"), |file| {
        std::fs::copy(full, file).expect("a copy");
        // An import gives rids in the order of history, a check-in after its files.
        let last = sql::number(
            file,
            &format!("SELECT objid FROM event WHERE type='ci' ORDER BY objid DESC LIMIT 1 OFFSET {checkins}"),
        );
        sql::execute(file, &format!("INSERT INTO shun SELECT uuid, 0, '' FROM blob WHERE rid>{last}"));
        frond.output(["rebuild", "-q", "-R", &*file.to_string_lossy()]);
        sql::execute(file, "DELETE FROM shun; VACUUM");
        assert_eq!(
            sql::number(file, "SELECT count(*) FROM phantom"),
            0,
            "something old is of a new check-in"
        );
    })
}
