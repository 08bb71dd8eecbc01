use proptest::prelude::*;
use xfer::hash::{sha1, sha3_256};

use super::*;
use crate::testing::{NOW, number, repo};
use crate::{Repo, config};

fn name(text: &str) -> UvName {
    UvName::new(text).unwrap()
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn take_file(tx: &Tx<'_>, file: &UvFile, now: UnixTime) -> Result<Taken, RepoError> {
    Ok(take_files(tx, &[file], now)?[0])
}

/// A repository, open for changes that are not kept.
fn with(test: impl FnOnce(&Tx<'_>)) {
    let mut repo: Repo = repo();
    test(&repo.begin().unwrap());
}

fn igot(text: &str, mtime: i64, hash: Option<ArtifactId>) -> UvIgot {
    UvIgot { name: name(text), mtime, hash, size: 0 }
}

fn file(text: &str, mtime: i64, content: &'static [u8]) -> UvFile {
    UvFile {
        name: name(text),
        mtime,
        hash: Some(sha3_256(content)),
        size: content.len() as u32,
        flags: 0,
        content: Some(Bytes::from_static(content)),
    }
}

#[test]
fn the_catalog_hash_is_that_of_the_reference() {
    with(|tx| {
        assert_eq!(catalog_hash(tx).unwrap(), sha1(b""));
        let rows = [
            ("b.txt", 2000, "e33b1c00a220bf7776bc60e90714bc2631b73e4c"),
            ("big.bin", 10, "ea666116fd63188876f5e83e27a23cd5df3500eb5521352c3d9352b41db18a56"),
            ("a.txt", 1000, "ea666116fd63188876f5e83e27a23cd5df3500eb5521352c3d9352b41db18a56"),
        ];
        for (text, mtime, hash) in rows {
            let hash = Some(ArtifactId::from_hex(hash.as_bytes()).unwrap());
            rows::write(tx, &name(text), &Version { mtime, hash }, b"").unwrap();
        }
        put(tx, &name("gone"), b"", at(5)).unwrap();
        remove(tx, "gone", at(6)).unwrap();
        assert_eq!(catalog_hash(tx).unwrap().to_string(), "8d0b6de786b42309b78213c67983480882912197");
    });
}

#[test]
fn a_known_catalog_hash_is_used_until_something_changes() {
    with(|tx| {
        let known = sha1(b"known");
        let changes: [fn(&Tx<'_>); 3] = [
            |tx| drop(put(tx, &name("a"), b"1", at(1)).unwrap()),
            |tx| drop(touch(tx, "a", at(9)).unwrap()),
            |tx| drop(remove(tx, "a", at(20)).unwrap()),
        ];
        for change in changes {
            config::set(tx, "uv-hash", &known.to_string(), NOW).unwrap();
            assert_eq!(catalog_hash(tx).unwrap(), known);
            change(tx);
            assert_ne!(catalog_hash(tx).unwrap(), known);
        }
    });
}

#[test]
fn what_was_put_is_found_listed_and_read() {
    with(|tx| {
        assert_eq!(
            (list(tx).unwrap(), find(tx, "a").unwrap(), content(tx, "a").unwrap()),
            (vec![], None, None)
        );
        let long = [7; 5000];
        let b = put(tx, &name("b"), &long, at(100)).unwrap();
        let a = put(tx, &name("a"), b"", at(100)).unwrap();
        assert_eq!(b.version, Version { mtime: 100, hash: Some(sha3_256(&long)) });
        assert_eq!(list(tx).unwrap(), [a.clone(), b]);
        assert_eq!(find(tx, "a").unwrap(), Some(a));
        assert_eq!(content(tx, "b").unwrap().unwrap(), &long[..]);
        assert_eq!(content(tx, "a").unwrap().unwrap(), "");
        assert_eq!(number(tx, "SELECT sum(encoding) FROM unversioned WHERE name='b'"), 1);
        assert_eq!(number(tx, "SELECT sum(encoding) FROM unversioned WHERE name='a'"), 0);
    });
}

#[test]
fn a_change_is_later_than_what_it_replaces() {
    with(|tx| {
        let mtime = |entry: Entry| entry.version.mtime;
        assert_eq!(mtime(put(tx, &name("a"), b"1", at(100)).unwrap()), 100);
        assert_eq!(mtime(put(tx, &name("a"), b"2", at(100)).unwrap()), 101);
        assert_eq!(mtime(touch(tx, "a", at(50)).unwrap().unwrap()), 102);
        assert_eq!(mtime(remove(tx, "a", at(102)).unwrap().unwrap()), 103);
        assert_eq!(mtime(put(tx, &name("a"), b"2", at(0)).unwrap()), 104);
        assert_eq!(mtime(touch(tx, "a", at(500)).unwrap().unwrap()), 500);
    });
}

#[test]
fn only_what_is_there_is_deleted_or_touched() {
    with(|tx| {
        assert_eq!(remove(tx, "a", NOW).unwrap(), None);
        put(tx, &name("a"), b"1", at(1)).unwrap();
        assert_eq!((remove(tx, "b", NOW).unwrap(), touch(tx, "b", NOW).unwrap()), (None, None));
        let tombstone = remove(tx, "a", at(2)).unwrap().unwrap();
        assert_eq!((remove(tx, "a", NOW).unwrap(), touch(tx, "a", NOW).unwrap()), (None, None));
        assert_eq!(list(tx).unwrap(), [tombstone]);
        assert_eq!(content(tx, "a").unwrap(), None);
    });
}

#[test]
fn the_later_version_wins_and_at_one_time_the_greater_hash() {
    let (low, high) = (ArtifactId::sha1([1; 20]), ArtifactId::sha3([2; 32]));
    let cases = [
        // Time and hash here, then the peer's.
        ((5, Some(low)), (6, Some(low)), Status::TakeTime),
        ((6, Some(low)), (6, Some(low)), Status::Same),
        ((7, Some(low)), (6, Some(low)), Status::GiveTime),
        ((5, Some(high)), (6, Some(low)), Status::Take),
        ((6, Some(low)), (6, Some(high)), Status::Take),
        ((6, Some(high)), (6, Some(low)), Status::Give),
        ((7, Some(low)), (6, Some(high)), Status::Give),
        ((6, None), (6, Some(low)), Status::Take),
        ((6, Some(low)), (6, None), Status::Give),
        ((5, Some(low)), (6, None), Status::Take),
        ((6, None), (6, None), Status::Same),
        ((5, None), (6, None), Status::TakeTime),
    ];
    for ((here_time, here), (peer_time, peer), expected) in cases {
        let here = Version { mtime: here_time, hash: here };
        let peer = Version { mtime: peer_time, hash: peer };
        assert_eq!(compare(&here, &peer), expected, "{here:?} {peer:?}");
    }
    let peer = Version { mtime: 6, hash: Some(low) };
    with(|tx| assert_eq!(status(tx, "a", &peer, NOW).unwrap(), Status::Unknown));
}

#[test]
fn a_time_far_in_the_future_is_capped_and_not_taken_again() {
    with(|tx| {
        let cap = NOW.seconds() + FUTURE_SECONDS;
        assert_eq!(take_file(tx, &file("a", i64::MAX, b"1"), NOW).unwrap(), Taken::Stored);
        assert_eq!(find(tx, "a").unwrap().unwrap().version.mtime, cap);
        let later = at(NOW.seconds() + 1000);
        assert_eq!(take_igot(tx, &igot("a", i64::MAX, Some(sha3_256(b"1"))), later).unwrap(), Status::Same);
        assert_eq!(find(tx, "a").unwrap().unwrap().version.mtime, cap);
    });
}

#[test]
fn of_two_versions_from_far_in_the_future_that_stays_of_which_the_later_time_was_said() {
    with(|tx| {
        let soon = NOW.seconds() + FUTURE_SECONDS;
        let cases = [
            (file("a", soon + 500, b"1"), Taken::Stored),
            (file("a", soon + 400, b"2"), Taken::Ignored),
            (file("a", soon + 600, b"2"), Taken::Stored),
            (file("a", soon + 500, b"1"), Taken::Ignored),
            // What is believed is compared with what is kept.
            (file("a", soon + 3, b"3"), Taken::Stored),
            (file("a", soon + 400, b"1"), Taken::Stored),
        ];
        for (number, (file, expected)) in (0..).zip(cases) {
            let now = at(NOW.seconds() + number);
            assert_eq!(take_file(tx, &file, now).unwrap(), expected, "{file:?}");
        }
        let now = at(NOW.seconds() + 9);
        assert_eq!(take_igot(tx, &igot("a", soon + 399, None), now).unwrap(), Status::Same);
        assert_eq!(take_igot(tx, &igot("a", soon + 401, None), now).unwrap(), Status::Take);
        assert_eq!(find(tx, "a").unwrap().unwrap().version, Version { mtime: soon + 9, hash: None });
        assert_eq!(take_igot(tx, &igot("a", soon + 400, None), now).unwrap(), Status::Same);
    });
}

#[test]
fn a_file_of_a_peer_is_taken_as_its_status_says() {
    with(|tx| {
        let omitted = |file: UvFile| UvFile { flags: UvFile::OMITTED, content: None, ..file };
        let deleted = |mtime| UvFile {
            hash: None,
            size: 0,
            flags: UvFile::DELETED,
            content: None,
            ..file("a", mtime, b"")
        };
        let cases = [
            (deleted(5), Taken::Ignored),
            (omitted(file("a", 5, b"1")), Taken::ContentMissing),
            (file("a", 5, b"1"), Taken::Stored),
            (file("a", 5, b"1"), Taken::Ignored),
            (file("a", 4, b"2"), Taken::Ignored),
            (omitted(file("a", 6, b"1")), Taken::Stored),
            (omitted(file("a", 7, b"2")), Taken::ContentMissing),
            (file("a", 7, b"2"), Taken::Stored),
            (deleted(7), Taken::Ignored),
            (deleted(8), Taken::Stored),
            (file("a", 8, b"3"), Taken::Stored),
        ];
        for (file, expected) in cases {
            assert_eq!(take_file(tx, &file, NOW).unwrap(), expected, "{file:?}");
        }
        assert_eq!(content(tx, "a").unwrap().unwrap(), "3");
        let false_hash = UvFile { hash: Some(sha1(b"5")), ..file("a", 9, b"4") };
        assert!(matches!(take_file(tx, &false_hash, NOW), Err(RepoError::WrongHash { .. })));
        // Content that its sender lost comes as nothing, under the hash it had.
        let lost = UvFile { hash: Some(sha3_256(b"4")), ..file("a", 9, b"") };
        assert!(matches!(take_file(tx, &lost, NOW), Err(RepoError::WrongHash { .. })));
        assert_eq!(content(tx, "a").unwrap().unwrap(), "3");
    });
}

#[test]
fn a_damaged_row_is_an_error_that_names_it() {
    let cases = [
        ("content=NULL", "a: its content is missing"),
        ("content=x'3132'", "a: its content is not what its hash says"),
        ("encoding=1", "a: 1 bytes are too few for a size prefix and a zlib stream"),
        ("hash='x'", "a: an artifact name has 40 or 64 hex digits, not 1"),
        ("hash=7", "a: an artifact name has 40 or 64 hex digits, not 1"),
    ];
    for (change, expected) in cases {
        with(|tx| {
            put(tx, &name("a"), b"1", NOW).unwrap();
            tx.conn().execute_batch(&format!("UPDATE unversioned SET {change}")).unwrap();
            let error = content(tx, "a").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        });
    }
}

#[test]
fn a_file_beyond_the_limit_is_refused() {
    let mut repo = repo();
    let limits = crate::Limits { artifact_bytes: 3, ..crate::Limits::default() };
    repo.set_limits(limits).unwrap();
    let tx = repo.begin().unwrap();
    assert!(put(&tx, &name("a"), b"123", NOW).is_ok());
    assert!(matches!(put(&tx, &name("a"), b"1234", NOW), Err(RepoError::TooLarge { .. })));
}

proptest! {
    /// Whatever versions are handed round in whatever order, everybody ends with one of them.
    #[test]
    fn versions_converge_in_any_order(
        versions in proptest::collection::vec((0..4_i64, 0..4_u8), 1..8),
        turn in 0..8_usize,
    ) {
        let igots: Vec<UvFile> = versions
            .iter()
            .map(|&(mtime, content)| match content {
                0 => UvFile { hash: None, size: 0, flags: UvFile::DELETED, content: None, ..file("a", mtime, b"") },
                1 => file("a", mtime, b"1"),
                2 => file("a", mtime, b"2"),
                _ => file("a", mtime, b"3"),
            })
            .collect();
        let end = |order: &mut dyn Iterator<Item = &UvFile>| {
            let mut repo = repo();
            let tx = repo.begin().unwrap();
            put(&tx, &name("a"), b"0", at(-9)).unwrap();
            for file in order {
                take_file(&tx, file, NOW).unwrap();
            }
            find(&tx, "a").unwrap()
        };
        let turned = turn % igots.len();
        let forth = end(&mut igots.iter());
        prop_assert_eq!(&forth, &end(&mut igots.iter().rev()));
        prop_assert_eq!(&forth, &end(&mut igots[turned..].iter().chain(&igots[..turned])));
    }
}

#[test]
fn what_was_made_here_by_a_clock_that_was_ahead_gives_way_to_what_is_further_ahead_only() {
    let soon = NOW.seconds() + FUTURE_SECONDS;
    for (said, status, taken) in
        [(soon + 499, Status::Give, Taken::Ignored), (soon + 501, Status::Take, Taken::Stored)]
    {
        with(|tx| {
            put(tx, &name("a"), b"1", at(soon + 500)).unwrap();
            let theirs = file("a", said, b"2");
            assert_eq!(
                super::status(tx, "a", &Version { mtime: said, hash: theirs.hash }, NOW).unwrap(),
                status
            );
            assert_eq!(take_file(tx, &theirs, NOW).unwrap(), taken);
            // Nor does the other one come back.
            assert_eq!(take_file(tx, &file("a", soon + 500, b"1"), NOW).unwrap(), Taken::Ignored);
        });
    }
}

#[test]
fn a_change_made_here_stays_though_what_it_replaces_was_dated_far_ahead() {
    for said in [NOW.seconds() + 10 * FUTURE_SECONDS, i64::MAX] {
        with(|tx| {
            let theirs = file("a", said, b"1");
            assert_eq!(take_file(tx, &theirs, NOW).unwrap(), Taken::Stored);
            let ours = put(tx, &name("a"), b"2", NOW).unwrap();
            for seconds in [2, FUTURE_SECONDS] {
                let later = at(NOW.seconds() + seconds);
                assert_eq!(take_file(tx, &theirs, later).unwrap(), Taken::Ignored, "{said}");
                assert_eq!(find(tx, "a").unwrap().unwrap(), ours);
            }
            touch(tx, "a", NOW).unwrap().unwrap();
            let tombstone = remove(tx, "a", NOW).unwrap().unwrap();
            assert_eq!(take_file(tx, &theirs, at(NOW.seconds() + 9)).unwrap(), Taken::Ignored);
            assert_eq!(find(tx, "a").unwrap().unwrap(), tombstone);
        });
    }
}

#[test]
fn a_change_made_here_by_a_clock_that_is_ahead_too_is_given_to_who_has_one_of_that_date() {
    let (day, date) = (86_400, NOW.seconds() + 3 * 86_400);
    with(|tx| {
        take_file(tx, &file("a", NOW.seconds() + 2 * day, b"theirs"), NOW).unwrap();
        let mut hashes = [sha3_256(b"ours"), sha3_256(b"others")];
        put(tx, &name("a"), b"ours", at(date)).unwrap();
        let ours = hashes[0];
        hashes.sort();
        let expected = if hashes[1] == ours { Status::Give } else { Status::Take };
        let theirs = |mtime: i64| Version { mtime, hash: Some(sha3_256(b"others")) };
        assert_eq!(status(tx, "a", &theirs(date), NOW).unwrap(), expected);
        assert_eq!(status(tx, "a", &theirs(date - 1), NOW).unwrap(), Status::Give);
        assert_eq!(status(tx, "a", &theirs(date + 1), NOW).unwrap(), Status::Take);
    });
}

#[test]
fn a_change_made_here_by_a_clock_that_is_ahead_too_gives_way_to_later_ones_only() {
    let soon = NOW.seconds() + FUTURE_SECONDS;
    let changes: [fn(&Tx<'_>, UnixTime); 3] = [
        |tx, time| drop(put(tx, &name("a"), b"2", time).unwrap()),
        |tx, time| drop(touch(tx, "a", time).unwrap().unwrap()),
        |tx, time| drop(remove(tx, "a", time).unwrap().unwrap()),
    ];
    for change in changes {
        with(|tx| {
            assert_eq!(take_file(tx, &file("a", soon + 100, b"1"), NOW).unwrap(), Taken::Stored);
            change(tx, at(soon + 500));
            assert_eq!(take_file(tx, &file("a", soon + 400, b"3"), NOW).unwrap(), Taken::Ignored);
            assert_eq!(take_file(tx, &file("a", soon + 600, b"3"), NOW).unwrap(), Taken::Stored);
        });
    }
}

/// Tells one repository what the other has of the file, as in a session that moves files both ways; says whether it took it.
fn tell(from: &Tx<'_>, to: &Tx<'_>, now: UnixTime) -> bool {
    let Some(entry) = find(from, "a").unwrap() else { return false };
    let Version { mtime, hash } = entry.version;
    let content = content(from, "a").unwrap();
    let flags = if hash.is_none() { UvFile::DELETED } else { 0 };
    let file = UvFile { name: name("a"), mtime, hash, size: entry.size as u32, flags, content };
    let before = find(to, "a").unwrap();
    take_file(to, &file, now).unwrap();
    find(to, "a").unwrap() != before
}

#[test]
fn versions_dated_far_ahead_come_to_rest_between_their_makers_and_are_one_when_their_time_comes() {
    let soon = NOW.seconds() + 3 * FUTURE_SECONDS;
    for dates in [[soon, soon], [soon, soon + 20], [soon + 20, soon], [soon, soon + FUTURE_SECONDS]] {
        // Each tells those beside it.
        let mut repos: [Repo; 5] = std::array::from_fn(|_| repo());
        let peers: Vec<Tx<'_>> = repos.iter_mut().map(|repo| repo.begin().unwrap()).collect();
        put(&peers[0], &name("a"), b"1", at(dates[0])).unwrap();
        put(&peers[4], &name("a"), b"2", at(dates[1])).unwrap();
        let pass = |seconds: i64| {
            let ways = (0..4).flat_map(|peer| [(peer, peer + 1), (peer + 1, peer)]);
            ways.filter(|&(from, to)| tell(&peers[from], &peers[to], at(seconds))).count()
        };
        let moved: Vec<usize> = (0..40).map(|round| pass(NOW.seconds() + 7 * round)).collect();
        assert_eq!(moved[20..], [0; 20], "{dates:?}: {moved:?}");
        let late = soon + 9 * FUTURE_SECONDS;
        for round in 0..4 {
            pass(late + round);
        }
        let all: Vec<_> = peers.iter().map(|peer| find(peer, "a").unwrap().unwrap().version).collect();
        assert!(all.iter().all(|version| version == &all[0]), "{dates:?}: {all:?}");
    }
}
