//! What must be equal, and where it is not.

use std::collections::BTreeSet;
use std::path::Path;

use repo::derived;

use crate::{Fossil, Scratch, sql};

/// The names of all artifacts a file holds, private ones aside.
#[track_caller]
pub fn artifacts(file: &Path) -> BTreeSet<String> {
    let sql = "SELECT uuid FROM blob WHERE size>=0 AND rid NOT IN private";
    sql::column(file, sql).into_iter().collect()
}

/// The names of the clusters among them, which each repository may make on its own.
#[track_caller]
pub fn clusters(file: &Path) -> BTreeSet<String> {
    let sql = "SELECT uuid FROM tagxref JOIN blob USING(rid) WHERE tagid=7 AND tagtype=1 AND size>=0";
    sql::column(file, sql).into_iter().collect()
}

/// Two files hold the same artifacts.
#[track_caller]
pub fn artifact_lists_equal(one: &Path, other: &Path) {
    let (ours, theirs) = (artifacts(one), artifacts(other));
    assert!(!ours.is_empty(), "{} holds nothing", one.display());
    same(one, &ours, other, &theirs);
}

/// One file holds everything that another holds, but for clusters.
#[track_caller]
pub fn holds_all_of(file: &Path, other: &Path) {
    let (ours, lists) = (artifacts(file), clusters(other));
    let missing = artifacts(other).into_iter().filter(|name| !ours.contains(name) && !lists.contains(name));
    let missing: Vec<String> = missing.collect();
    assert!(
        missing.is_empty(),
        "{} lacks {} artifacts: {:?}",
        file.display(),
        missing.len(),
        missing.first()
    );
}

/// Two files hold the same artifacts but for clusters.
#[track_caller]
pub fn contents_equal(one: &Path, other: &Path) {
    let lists: BTreeSet<String> = clusters(one).union(&clusters(other)).cloned().collect();
    let but_lists = |file: &Path| artifacts(file).difference(&lists).cloned().collect::<BTreeSet<_>>();
    same(one, &but_lists(one), other, &but_lists(other));
}

#[track_caller]
fn same(one: &Path, ours: &BTreeSet<String>, other: &Path, theirs: &BTreeSet<String>) {
    let (only_one, only_other) = (ours.difference(theirs), theirs.difference(ours));
    let first = |names: &mut dyn Iterator<Item = &String>| names.take(5).cloned().collect::<Vec<_>>();
    assert!(
        ours == theirs,
        "{} holds {} artifacts, {} holds {}; only the first has {:?}, only the second {:?}",
        one.display(),
        ours.len(),
        other.display(),
        theirs.len(),
        first(&mut only_one.into_iter()),
        first(&mut only_other.into_iter()),
    );
}

/// The derived tables of a file are those that stock's rebuild makes of its artifacts.
#[track_caller]
pub fn derived_tables_equal_after_stock_rebuild(fossil: &Fossil, file: &Path) {
    let scratch = Scratch::new();
    let rebuilt = scratch.file("rebuilt.fossil");
    // Not a plain copy: the file may be served at this moment.
    sql::execute(file, &format!("VACUUM INTO '{}'", rebuilt.display()));
    fossil.rebuild(&rebuilt);
    let dump = |file: &Path| derived::dump(&sql::open(file)).expect("derived tables can be dumped");
    let (ours, stocks) = (dump(file), dump(&rebuilt));
    let mut differences = derived::compare(&ours, &stocks);
    // What was not sent yet is no matter of artifacts: a rebuild forgets it.
    differences.retain(|difference| difference.table != "unsent");
    let shown: Vec<String> = differences.iter().take(30).map(ToString::to_string).collect();
    assert!(
        differences.is_empty(),
        "derived tables of {} (-) differ from stock's rebuild (+):\n{}",
        file.display(),
        shown.join("\n")
    );
    assert!(ours.rows().next().is_some(), "{} has no derived rows", file.display());
}

/// Everything there is to say of a finished copy: it holds what the original holds, every artifact is
/// sound, the derived tables are right.
#[track_caller]
pub fn is_whole_copy(fossil: &Fossil, copy: &Path, original: &Path) {
    artifact_lists_equal(copy, original);
    are_sound(fossil, [copy]);
}

/// Every artifact of these files is sound, and so are the derived tables.
#[track_caller]
pub fn are_sound(fossil: &Fossil, files: impl IntoIterator<Item: AsRef<Path>>) {
    for file in files {
        fossil.test_integrity(file.as_ref());
        derived_tables_equal_after_stock_rebuild(fossil, file.as_ref());
    }
}

/// Names, times and contents of the unversioned files that a file holds.
#[track_caller]
pub fn unversioned(file: &Path) -> BTreeSet<Vec<String>> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE name='unversioned'";
    if sql::number(file, table) == 0 {
        return BTreeSet::new();
    }
    let sql = "SELECT name, mtime, hash, sz FROM unversioned WHERE hash IS NOT NULL";
    sql::rows(file, sql).into_iter().collect()
}

/// What is private in one file is not in the other.
#[track_caller]
pub fn nothing_private_went(from: &Path, to: &Path) {
    let private = sql::column(from, "SELECT uuid FROM blob JOIN private USING(rid)");
    let held = artifacts(to);
    let gone: Vec<_> = private.iter().filter(|name| held.contains(*name)).collect();
    assert!(gone.is_empty(), "{} has what is private in {}: {gone:?}", to.display(), from.display());
}
