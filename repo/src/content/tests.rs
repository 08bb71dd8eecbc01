//! What is taken in, under which name, and for whom.

use std::ops::ControlFlow;

use xfer::card::Privacy::{self, Private, Public};
use xfer::hash::{sha1, sha3_256};

use super::*;
use crate::config::{HashPolicy, set_hash_policy};
use crate::testing::{NOW, delta, frame, held, hold, number, put as put_public, put_delta, repo};
use crate::{Presence, Repo, ingest, shun, unsent};

const TEXT: &[u8] = b"A text that is long enough to be the source of a delta.\n";
const OTHER: &[u8] = b"A text that is long enough to be the target of a delta.\n";

fn put_as(tx: &Tx<'_>, content: &[u8], privacy: Privacy) -> Stored {
    put(tx, &sha3_256(content), &Incoming::Whole(content), privacy).unwrap()
}

fn with_tx<T>(repo: &mut Repo, work: impl FnOnce(&Tx<'_>) -> T) -> T {
    let tx = repo.begin().unwrap();
    let result = work(&tx);
    ingest::settle(&tx, NOW).unwrap();
    tx.commit().unwrap();
    result
}

fn listed(repo: &mut Repo, content: &[u8]) -> &'static str {
    let tx = repo.begin().unwrap();
    let rid = blob::rid(&tx, &sha3_256(content)).unwrap().unwrap();
    let listed = |table: &str| number(&tx, &format!("SELECT {} IN {table}", rid.0)) == 1;
    match (listed("unclustered"), listed("private")) {
        (true, false) => "public",
        (false, true) => "private",
        (false, false) => "neither",
        (true, true) => "both",
    }
}

#[test]
fn a_shunned_name_is_refused_in_every_form() {
    let id = sha3_256(OTHER);
    let (delta, whole) = (delta(TEXT, OTHER), frame(OTHER));
    let source = sha3_256(TEXT);
    for incoming in [
        Incoming::Whole(OTHER),
        Incoming::Delta { source: &source, delta: &delta },
        Incoming::Frame { source: None, frame: &whole, size: 56 },
    ] {
        let mut repo = repo();
        hold(&mut repo, TEXT);
        with_tx(&mut repo, |tx| {
            shun::add(tx, &id, "a test", NOW).unwrap();
            assert_eq!(put(tx, &id, &incoming, Public).unwrap(), Stored::Refused);
            assert_eq!(blob::presence(tx, &id).unwrap(), Presence::Unknown);
            assert_eq!(blob::rid_or_phantom(tx, &id, Public).unwrap(), None);
            shun::remove(tx, &id).unwrap();
            assert!(matches!(put(tx, &id, &incoming, Public).unwrap(), Stored::Accepted(_)));
        });
    }
}

#[test]
fn the_hash_policy_decides_which_names_are_taken_and_given() {
    use HashPolicy::{Auto, Sha1, Sha3, Sha3Only, ShunSha1};
    // Policy; whether a SHA-1 name is taken; whether new content gets one; the same if it is known under
    // the other kind of name; the policy after a SHA3 name came.
    let cases = [
        (Sha1, true, true, false, Sha1),
        (Auto, true, true, false, Sha3),
        (Sha3, true, false, true, Sha3),
        (Sha3Only, true, false, false, Sha3Only),
        (ShunSha1, false, false, false, ShunSha1),
    ];
    for (policy, takes_sha1, gives_sha1, reuses_sha1, after) in cases {
        let mut repo = repo();
        with_tx(&mut repo, |tx| {
            set_hash_policy(tx, policy, NOW).unwrap();
            let stored = put(tx, &sha1(TEXT), &Incoming::Whole(TEXT), Public).unwrap();
            assert_eq!(stored != Stored::Refused, takes_sha1, "{policy:?}");
            assert_eq!(name(tx, b"new").unwrap().is_sha1(), gives_sha1, "{policy:?}");
            if !gives_sha1 {
                assert_eq!(name(tx, TEXT).unwrap().is_sha1(), reuses_sha1, "{policy:?}");
            }
            put_public(tx, OTHER).unwrap();
            assert_eq!(crate::config::hash_policy(tx).unwrap(), after);
            if gives_sha1 && after == policy {
                assert!(!name(tx, OTHER).unwrap().is_sha1(), "{policy:?}");
            }
        });
    }
}

#[test]
fn what_is_received_for_all_is_private_no_more() {
    // How the name is known, how the content comes, where it is listed then.
    let cases = [
        ("unknown", Public, "public"),
        ("unknown", Private, "private"),
        ("public phantom", Public, "public"),
        ("public phantom", Private, "private"),
        ("private phantom", Public, "public"),
        ("private phantom", Private, "private"),
        ("private", Public, "public"),
        ("private", Private, "private"),
        ("public", Private, "public"),
        ("public", Public, "public"),
    ];
    for (before, privacy, after) in cases {
        let mut repo = repo();
        with_tx(&mut repo, |tx| match before {
            "public phantom" => drop(blob::rid_or_phantom(tx, &sha3_256(TEXT), Public).unwrap()),
            "private phantom" => drop(blob::rid_or_phantom(tx, &sha3_256(TEXT), Private).unwrap()),
            "private" => drop(put_as(tx, TEXT, Private)),
            "public" => drop(put_as(tx, TEXT, Public)),
            _ => {}
        });
        with_tx(&mut repo, |tx| put_as(tx, TEXT, privacy));
        assert_eq!(listed(&mut repo, TEXT), after, "{before}, then {privacy:?}");
        assert_eq!(number(&repo.begin().unwrap(), "SELECT count(*) FROM phantom"), 0);
    }
}

#[test]
fn what_waits_for_its_source_is_saved_by_its_whole_content() {
    let mut repo = repo();
    with_tx(&mut repo, |tx| {
        assert!(matches!(put_delta(tx, TEXT, OTHER).unwrap(), Stored::Dangling(_)));
        assert!(matches!(put_delta(tx, TEXT, OTHER).unwrap(), Stored::AlreadyHeld(_)));
    });
    with_tx(&mut repo, |tx| assert!(matches!(put_public(tx, OTHER).unwrap(), Stored::Accepted(_))));
    let tx = repo.begin().unwrap();
    assert_eq!(get(&tx, held(&tx, &sha3_256(OTHER))).unwrap(), OTHER);
    assert!(matches!(blob::presence(&tx, &sha3_256(TEXT)).unwrap(), Presence::Phantom(_)));
    assert_eq!(number(&tx, "SELECT count(*) FROM delta"), 0);
}

#[test]
fn a_delta_on_a_long_chain_is_stored_whole() {
    let texts: Vec<Vec<u8>> = (0..130).map(|n| [TEXT, format!("{n}").as_bytes()].concat()).collect();
    let mut repo = repo();
    with_tx(&mut repo, |tx| {
        put_public(tx, &texts[0]).unwrap();
        for pair in texts.windows(2) {
            put_delta(tx, &pair[0], &pair[1]).unwrap();
        }
    });
    let snap = repo.snapshot().unwrap();
    let whole: Vec<i64> = snap
        .conn()
        .prepare("SELECT rid FROM blob WHERE rid NOT IN (SELECT rid FROM delta) ORDER BY rid")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(whole, [1, 52, 103]);
    assert_eq!(get(&snap, Rid(130)).unwrap(), texts[129]);
}

#[test]
fn a_frame_is_stored_as_it_came() {
    // Another program compresses otherwise.
    let mut stored = vec![0, 0, 0, TEXT.len() as u8, 0x78, 0x01, 0x01];
    let length = TEXT.len() as u16;
    stored.extend(length.to_le_bytes().into_iter().chain((!length).to_le_bytes()));
    stored.extend_from_slice(TEXT);
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in TEXT {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stored.extend((b << 16 | a).to_be_bytes());
    let stored = Bytes::from(stored);
    let mut repo = repo();
    with_tx(&mut repo, |tx| {
        let incoming = Incoming::Frame { source: None, frame: &stored, size: TEXT.len() as u32 };
        put(tx, &sha3_256(TEXT), &incoming, Public).unwrap();
    });
    let tx = repo.begin().unwrap();
    let rid = held(&tx, &sha3_256(TEXT));
    assert_eq!(stored_frame(&tx, rid).unwrap(), stored);
    assert_eq!(get(&tx, rid).unwrap(), TEXT);
}

#[test]
fn what_is_made_here_waits_to_be_sent() {
    let mut repo = repo();
    let rid = with_tx(&mut repo, |tx| {
        let (rid, id) = add(tx, TEXT, Public).unwrap().unwrap();
        assert_eq!(id, sha3_256(TEXT));
        rid
    });
    with_tx(&mut repo, |tx| {
        assert_eq!(unsent::all(tx).unwrap(), [rid]);
        unsent::remove(tx, rid).unwrap();
        // It is known, and was sent.
        assert_eq!(add(tx, TEXT, Public).unwrap().unwrap().0, rid);
        assert_eq!(unsent::all(tx).unwrap(), []);
    });
}

#[test]
fn an_artifact_beyond_the_limit_is_refused_before_it_is_made() {
    let limits = crate::Limits { artifact_bytes: 1000, ..crate::Limits::default() };
    let big = vec![b'x'; 1001];
    let id = sha3_256(&big);
    let bomb = b"Fe\nFe@0,0;";
    let (packed, source) = (frame(&big), sha3_256(TEXT));
    for incoming in [
        Incoming::Whole(&big),
        Incoming::Frame { source: None, frame: &packed, size: 5 },
        Incoming::Delta { source: &source, delta: bomb },
        Incoming::Frame { source: Some(&source), frame: &frame(bomb), size: 5 },
    ] {
        let mut repo = repo();
        hold(&mut repo, TEXT);
        repo.set_limits(limits.clone()).unwrap();
        let tx = repo.begin().unwrap();
        let error = put(&tx, &id, &incoming, Public).and_then(|_| ingest::settle(&tx, NOW)).unwrap_err();
        assert!(error.to_string().contains("the limit is 1000"), "{error}");
    }
}

#[test]
fn what_waits_is_replaced_by_a_delta_of_something_else() {
    let third = b"A text that is long enough for anything.\n";
    let mut repo = repo();
    with_tx(&mut repo, |tx| put_delta(tx, TEXT, OTHER).unwrap());
    with_tx(&mut repo, |tx| assert!(matches!(put_delta(tx, TEXT, OTHER).unwrap(), Stored::AlreadyHeld(_))));
    with_tx(&mut repo, |tx| assert!(matches!(put_delta(tx, third, OTHER).unwrap(), Stored::Dangling(_))));
    with_tx(&mut repo, |tx| put_public(tx, third).unwrap());
    with_tx(&mut repo, |tx| assert!(matches!(blob::presence(tx, &sha3_256(OTHER)), Ok(Presence::Held(_)))));
}

#[test]
fn what_waits_is_not_replaced_by_a_delta_of_what_waits_for_it() {
    let third = b"A text that is long enough for anything.\n";
    let mut repo = repo();
    with_tx(&mut repo, |tx| put_delta(tx, TEXT, OTHER).unwrap());
    with_tx(&mut repo, |tx| put_delta(tx, OTHER, third).unwrap());
    with_tx(&mut repo, |tx| assert!(matches!(put_delta(tx, third, OTHER).unwrap(), Stored::AlreadyHeld(_))));
    with_tx(&mut repo, |tx| put_public(tx, TEXT).unwrap());
    for content in [OTHER, third] {
        with_tx(&mut repo, |tx| held(tx, &sha3_256(content)));
    }
}

/// `texts[n]` as a delta of `texts[n + 1]`, of the last one none: as a file keeps older versions.
fn waiting(texts: &[&[u8]]) -> Repo {
    let mut repo = repo();
    with_tx(&mut repo, |tx| {
        for pair in texts.windows(2) {
            assert!(matches!(put_delta(tx, pair[1], pair[0]).unwrap(), Stored::Dangling(_)));
        }
    });
    repo
}

const LATEST: &[u8] = b"A text that is long enough to be lost.\n";

#[test]
fn a_delta_of_what_waits_for_it_counts_as_not_come_and_nothing_is_written() {
    let mut repo = waiting(&[TEXT, OTHER, LATEST]);
    let rows = |tx: &Tx<'_>| {
        let sql =
            "SELECT group_concat(rid || ',' || rcvid || ',' || size || ',' || quote(content)) FROM blob";
        let blobs: String = tx.conn().query_row(sql, [], |row| row.get(0)).unwrap();
        let sql = "SELECT group_concat(rid || ',' || srcid) FROM delta";
        (blobs, tx.conn().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap())
    };
    let before = with_tx(&mut repo, |tx| rows(tx));
    let circle = |texts: &[&[u8]]| Stored::Circular(texts.iter().map(|text| sha3_256(text)).collect());
    with_tx(&mut repo, |tx| {
        assert_eq!(put_delta(tx, TEXT, LATEST).unwrap(), circle(&[TEXT, OTHER]));
        assert_eq!(put_delta(tx, OTHER, LATEST).unwrap(), circle(&[OTHER]));
    });
    assert_eq!(with_tx(&mut repo, |tx| rows(tx)), before);
    with_tx(&mut repo, |tx| {
        assert!(matches!(put_public(tx, TEXT).unwrap(), Stored::Accepted(_)));
        assert!(matches!(put_delta(tx, TEXT, LATEST).unwrap(), Stored::Accepted(_)));
    });
    for content in [TEXT, OTHER, LATEST] {
        with_tx(&mut repo, |tx| assert_eq!(get(tx, held(tx, &sha3_256(content))).unwrap(), content));
    }
}

#[test]
fn a_circle_names_what_was_there_before_and_not_what_came_with_it() {
    let between = b"A text that is long enough to come between.\n";
    let mut repo = waiting(&[TEXT, LATEST]);
    let tx = repo.begin().unwrap();
    put_delta(&tx, TEXT, between).unwrap();
    assert_eq!(put_delta(&tx, between, LATEST).unwrap(), Stored::Circular(vec![sha3_256(TEXT)]));
    put_delta(&tx, OTHER, b"something else").unwrap();
    let error = put_delta(&tx, b"something else", OTHER).unwrap_err();
    assert!(matches!(error, RepoError::DeltaCycle { id } if id == sha3_256(OTHER)), "{error}");
}

#[test]
#[should_panic(expected = "not settled")]
fn a_commit_without_settling_is_a_mistake() {
    let mut repo = repo();
    let tx = repo.begin().unwrap();
    put_public(&tx, TEXT).unwrap();
    let _ = tx.commit();
}

#[test]
fn who_knows_but_the_name_of_a_private_artifact_does_not_make_it_public() {
    let (id, source) = (sha3_256(OTHER), sha3_256(TEXT));
    let (lie, truth) = (delta(TEXT, b"A text"), delta(TEXT, OTHER));
    let cases = [
        (Incoming::Whole(b"not it"), "private"),
        (Incoming::Delta { source: &source, delta: &lie }, "private"),
        (Incoming::Delta { source: &sha3_256(b"unknown"), delta: &truth }, "private"),
        (Incoming::Delta { source: &source, delta: &truth }, "public"),
        (Incoming::Whole(OTHER), "public"),
    ];
    for (incoming, expected) in cases {
        let mut repo = repo();
        hold(&mut repo, TEXT);
        with_tx(&mut repo, |tx| put_as(tx, OTHER, Private));
        with_tx(&mut repo, |tx| drop(put(tx, &id, &incoming, Public)));
        assert_eq!(listed(&mut repo, OTHER), expected, "{incoming:?}");
    }
}

#[test]
fn what_is_expanded_together_is_shown_once_with_what_it_was_wanted_with() {
    let texts: Vec<Vec<u8>> =
        (0..40).map(|n| format!("{}{n}\n", "The same. ".repeat(20)).into_bytes()).collect();
    for held_bytes in [100_000, 1000, 0] {
        let mut repo = repo();
        repo.set_limits(crate::Limits { held_bytes, cache_bytes: 0, ..crate::Limits::default() }).unwrap();
        let rids: Vec<Rid> = with_tx(&mut repo, |tx| {
            for (n, text) in texts.iter().enumerate() {
                // Two chains, whose newest ones are whole.
                match texts.get(n + 2) {
                    Some(newer) => drop(put_delta(tx, newer, text).unwrap()),
                    None => drop(put_public(tx, text).unwrap()),
                }
            }
            ingest::settle(tx, NOW).unwrap();
            texts.iter().map(|text| held(tx, &sha3_256(text))).collect()
        });
        // Alone, with its delta source, with one of the other chain, with itself, and each with the other.
        let pairs = [(0, None), (3, Some(5)), (10, Some(31)), (20, Some(20)), (38, Some(1)), (1, Some(38))];
        let wanted = pairs.each_ref().map(|&(one, with)| (rids[one], with.map(|with: usize| rids[with])));
        let snap = repo.snapshot().unwrap();
        let mut shown = Vec::new();
        together(&snap, &wanted, &mut |found| {
            let Event::Shown(Shown { rid, content, delta }) = found else {
                return Ok(ControlFlow::Continue(()));
            };
            let place = texts.iter().position(|text| text == content).unwrap();
            assert_eq!(rid, rids[place]);
            let with = pairs.iter().find(|pair| pair.0 == place).unwrap().1;
            let expected = with.map(|with| crate::delta::create(&texts[with], content));
            assert_eq!(delta, expected, "{place}");
            shown.push((place, with));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        shown.sort_unstable();
        let mut expected = pairs.to_vec();
        expected.sort_unstable();
        assert_eq!(shown, expected, "{held_bytes}");

        let mut count = 0;
        together(&snap, &wanted, &mut |found| {
            count += usize::from(matches!(found, Event::Shown(_)));
            Ok(if count == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
        assert_eq!(count, 2, "whoever has enough is shown no more");
        for most in 0..pairs.len() {
            let (mut shown, mut is_over) = (0, false);
            together(&snap, &wanted, &mut |found| {
                match found {
                    Event::Step { .. } if is_over => panic!("a step after the last one"),
                    Event::Step { ready } => is_over = shown + ready == most,
                    Event::Shown(_) => {
                        shown += 1;
                        return Ok(ControlFlow::Continue(()));
                    }
                }
                Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .unwrap();
            assert!(is_over, "there is a step for each, so that one can break before each");
            assert_eq!(shown, most, "what is ready then is shown, and no other");
        }
    }
}

#[test]
fn what_is_expanded_together_comes_in_the_order_asked_whatever_was_expanded_before() {
    let texts = [b"one".as_slice(), b"two", b"three"];
    for warm in 0..3 {
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let mut repo = repo();
            let rids = with_tx(&mut repo, |tx| {
                texts.map(|text| held(tx, &put_public(tx, text).map(|_| sha3_256(text)).unwrap()))
            });
            let snap = repo.snapshot().unwrap();
            get(&snap, rids[warm]).unwrap();
            let mut shown = Vec::new();
            together(&snap, &order.map(|one| (rids[one], None)), &mut |found| {
                if let Event::Shown(found) = found {
                    shown.push(found.rid);
                }
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            assert_eq!(shown, order.map(|one| rids[one]), "{warm} was expanded before");
        }
    }
}
