//! The maker of repositories makes what the other tests rely on.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use frond_tests::corpus::{Extras, Shape, by_frond, by_stock};
use frond_tests::{Fossil, Scratch, compare, sql};

const SMALL: Shape = Shape { checkins: 40, files: 20, seed: 7 };

#[test]
fn the_same_seed_makes_the_same_artifacts_and_another_seed_does_not() {
    let (fossil, scratch) = (Fossil::new(), Scratch::new());
    let make = |name: &str, shape| {
        let file = scratch.file(name);
        by_stock(&fossil, &file, shape, shape.checkins, Extras::None);
        file
    };
    let (one, again) = (make("one", SMALL), make("again", SMALL));
    compare::artifact_lists_equal(&one, &again);
    let other = make("other", Shape { seed: 8, ..SMALL });
    assert_ne!(compare::artifacts(&one), compare::artifacts(&other));
}

#[test]
fn a_stale_repository_holds_nothing_but_clusters_that_the_whole_one_lacks() {
    let (fossil, scratch) = (Fossil::new(), Scratch::new());
    let (whole, stale) = (scratch.file("whole"), scratch.file("stale"));
    by_stock(&fossil, &whole, SMALL, 40, Extras::None);
    by_stock(&fossil, &stale, SMALL, 30, Extras::None);
    let all = compare::artifacts(&whole);
    let lists = compare::clusters(&stale);
    assert!(compare::artifacts(&stale).iter().all(|name| all.contains(name) || lists.contains(name)));
    assert!(compare::artifacts(&stale).len() < all.len());
}

#[test]
fn extras_bring_every_kind_of_artifact() {
    let (fossil, scratch) = (Fossil::new(), Scratch::new());
    let file = scratch.file("extras");
    by_stock(&fossil, &file, Shape { checkins: 60, files: 20, seed: 7 }, 60, Extras::All);
    for (what, sql) in [
        ("check-ins", "SELECT count(*) FROM event WHERE type='ci'"),
        ("technotes", "SELECT count(*) FROM event WHERE type='e'"),
        ("forum posts", "SELECT count(*) FROM forumpost"),
        ("tag changes", "SELECT count(*) FROM event WHERE type='g'"),
        ("ticket changes", "SELECT count(*) FROM event WHERE type='t'"),
        ("wiki pages", "SELECT count(*) FROM event WHERE type='w'"),
        ("attachments", "SELECT count(*) FROM attachment"),
        ("cherry-picks", "SELECT count(*) FROM cherrypick WHERE NOT isExclude"),
        ("back-outs", "SELECT count(*) FROM cherrypick WHERE isExclude"),
        ("renames", "SELECT count(*) FROM mlink WHERE pfnid>0"),
        ("executables", "SELECT count(*) FROM mlink WHERE mperm=1"),
        ("links", "SELECT count(*) FROM mlink WHERE mperm=2"),
        ("deletions", "SELECT count(*) FROM mlink WHERE fid=0"),
        ("merges", "SELECT count(*) FROM plink WHERE NOT isprim"),
        ("delta manifests", "SELECT count(*) FROM plink WHERE baseid IS NOT NULL"),
        ("backlinks", "SELECT count(*) FROM backlink"),
        ("private artifacts", "SELECT count(*) FROM private"),
        ("unversioned files", "SELECT count(*) FROM unversioned WHERE hash IS NOT NULL"),
        ("SHA-1 names", "SELECT count(*) FROM blob WHERE length(uuid)=40"),
        ("clusters", "SELECT count(*) FROM tagxref WHERE tagid=7"),
        ("empty artifacts", "SELECT count(*) FROM blob WHERE size=0"),
        ("deltas", "SELECT count(*) FROM delta"),
    ] {
        assert!(sql::number(&file, sql) > 0, "no {what}");
    }
    fossil.test_integrity(&file);
}

#[test]
fn a_repository_that_frond_wrote_is_one_to_stock() {
    let (fossil, scratch) = (Fossil::new(), Scratch::new());
    let file = scratch.file("by-frond.fossil");
    let mut repo = by_frond::create(&file).unwrap();
    assert_eq!(by_frond::add(&mut repo, 7, 30, 100).unwrap(), 100);
    // Going on later makes what one go would have made.
    assert_eq!(by_frond::add(&mut repo, 7, 30, 50).unwrap(), 150);
    drop(repo);
    fossil.test_integrity(&file);
    compare::derived_tables_equal_after_stock_rebuild(&fossil, &file);
    for sql in [
        "SELECT count(*) FROM mlink WHERE pfnid>0",
        "SELECT count(*) FROM plink WHERE NOT isprim",
        "SELECT count(*) FROM delta",
        "SELECT count(*) FROM attachment",
    ] {
        assert!(sql::number(&file, sql) > 0, "{sql}");
    }
    let once = scratch.file("once.fossil");
    let mut repo = by_frond::create(&once).unwrap();
    by_frond::add(&mut repo, 7, 30, 150).unwrap();
    compare::artifact_lists_equal(&file, &once);
    let (checkout, tip) = (scratch.dir("checkout"), scratch.dir("copy"));
    fossil.output_in(&checkout, ["open", &file.to_string_lossy()]);
    let status = fossil.output_in(&checkout, ["status"]);
    assert!(!status.contains("MISSING") && !status.contains("EDITED"), "{status}");
    let server = fossil.server(&file);
    fossil.clone(&server.url(), &tip.join("clone.fossil"));
    compare::artifact_lists_equal(&file, &tip.join("clone.fossil"));
}
