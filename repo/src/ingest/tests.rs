//! Artifacts in every order, true and false.

use md5::Digest as _;
use proptest::prelude::*;
use xfer::card::Privacy;
use xfer::hash::{sha1, sha3_256};

use super::*;
use crate::content::{Incoming, Stored, put as put_as};
use crate::testing::{NOW, delta, frame, held, hold, number, put, put_delta, repo};
use crate::{Presence, Repo, blob, verify};

/// Versions of a text, each with another last line.
fn versions(count: usize) -> Vec<Vec<u8>> {
    let text = "A line of a text that goes on.\n".repeat(3);
    (0..count).map(|n| format!("{text}{n}\n").into_bytes()).collect()
}

fn settle_and_commit(repo: &mut Repo, puts: impl FnOnce(&Tx<'_>)) -> Settled {
    let tx = repo.begin().unwrap();
    puts(&tx);
    let settled = settle(&tx, NOW).unwrap();
    tx.commit().unwrap();
    settled
}

fn assert_holds(repo: &mut Repo, contents: &[Vec<u8>]) {
    let snap = repo.snapshot().unwrap();
    for content in contents {
        let Presence::Held(rid) = blob::presence(&snap, &sha3_256(content)).unwrap() else {
            panic!("{:?} is not held", String::from_utf8_lossy(content));
        };
        assert_eq!(content::get(&snap, rid).unwrap(), content);
        assert_eq!(content::size(&snap, rid).unwrap(), Some(content.len() as u64));
    }
}

#[test]
fn a_chain_of_deltas_in_any_order_is_held_in_the_end() {
    let texts = versions(60);
    let orders: [fn(usize) -> usize; 3] = [|n| n, |n| 59 - n, |n| n * 37 % 60];
    for order in orders {
        for transactions in [1, 7, 60] {
            let mut repo = repo();
            let mut verified = 0;
            let places: Vec<usize> = (0..60).map(order).collect();
            for part in places.chunks(60_usize.div_ceil(transactions)) {
                verified += settle_and_commit(&mut repo, |tx| {
                    for &n in part {
                        match n {
                            0 => put(tx, &texts[0]).unwrap(),
                            _ => put_delta(tx, &texts[n - 1], &texts[n]).unwrap(),
                        };
                    }
                })
                .verified;
            }
            assert_eq!(verified, 60);
            assert_holds(&mut repo, &texts);
        }
    }
}

#[test]
fn a_chain_of_20_000_deltas_settles_and_expands() {
    let texts = versions(20_000);
    let ids: Vec<ArtifactId> = texts.iter().map(|text| sha3_256(text)).collect();
    let mut repo = repo();
    let settled = settle_and_commit(&mut repo, |tx| {
        for (n, text) in texts.iter().enumerate().rev() {
            let source = n.checked_sub(1);
            let stored = source.map_or_else(|| text.clone(), |source| delta(&texts[source], text));
            let source = source.map(|source| &ids[source]);
            let incoming = Incoming::Frame { source, frame: &frame(&stored), size: text.len() as u32 };
            put_as(tx, &ids[n], &incoming, Privacy::Public).unwrap();
        }
    });
    assert_eq!(settled.verified, 20_000);
    let snap = repo.snapshot().unwrap();
    assert_eq!(
        snap.conn().query_row("SELECT count(*) FROM delta", [], |row| row.get::<_, i64>(0)).unwrap(),
        19_999
    );
    drop(snap);
    assert_holds(&mut repo, &texts[19_998..]);
    assert_holds(&mut repo, &texts[..2]);
    assert_holds(&mut repo, &texts[10_000..10_300]);
}

#[test]
fn little_memory_for_held_sources_changes_nothing_nor_do_sizes_that_are_wrong() {
    let texts = versions(200);
    for said in [None, Some(0), Some(1)] {
        let mut repo = repo();
        let limits =
            crate::Limits { held_bytes: 5000, cache_bytes: 3000, threads: 2, ..crate::Limits::default() };
        repo.set_limits(limits).unwrap();
        settle_and_commit(&mut repo, |tx| {
            for (n, text) in texts.iter().enumerate().rev() {
                // A bushy tree: the parent of n is n / 3.
                let source = (n > 0).then(|| &texts[n / 3]);
                let plain = source.map_or_else(|| text.clone(), |source| delta(source, text));
                let (source, frame) = (source.map(|source| sha3_256(source)), frame(&plain));
                let size = said.unwrap_or(text.len() as u32);
                let incoming = Incoming::Frame { source: source.as_ref(), frame: &frame, size };
                content::put(tx, &sha3_256(text), &incoming, Privacy::Public).unwrap();
            }
        });
        assert_holds(&mut repo, &texts);
    }
}

#[test]
fn wrong_bytes_are_an_error_and_nothing_stays() {
    let text = versions(1).remove(0);
    let name = sha3_256(b"another");
    let unlike = delta(&text, b"something else");
    let no_delta = b"no delta";
    let cut = frame(&text).slice(..20);
    let whole = frame(&text);
    let source = sha3_256(&text);
    let cases = [
        Incoming::Whole(&text),
        Incoming::Delta { source: &source, delta: &unlike },
        Incoming::Delta { source: &source, delta: no_delta },
        Incoming::Frame { source: None, frame: &whole, size: text.len() as u32 },
        Incoming::Frame { source: None, frame: &cut, size: text.len() as u32 },
        Incoming::Frame { source: Some(&source), frame: &whole, size: text.len() as u32 },
        Incoming::Delta { source: &name, delta: &unlike },
    ];
    for incoming in cases {
        let mut repo = repo();
        hold(&mut repo, &text);
        let tx = repo.begin().unwrap();
        let error = put_as(&tx, &name, &incoming, Privacy::Public)
            .and_then(|_| settle(&tx, NOW))
            .expect_err("wrong bytes were taken in");
        assert_eq!(error.fault(), Fault::Sender, "{error}");
        assert!(error.to_string().contains(&name.to_string()), "{error}");
        drop(tx);
        let snap = repo.snapshot().unwrap();
        assert_eq!(blob::presence(&snap, &name).unwrap(), Presence::Unknown);
    }
}

#[test]
fn a_delta_that_waits_is_checked_as_far_as_can_be() {
    let name = sha3_256(b"target");
    let source = sha3_256(b"source");
    let cases: [&[u8]; 3] = [b"6\n3:abc0;", b"~~~~~\n~~~~~@0,0;", b"6\n6:abcdef"];
    for delta in cases {
        for incoming in [
            Incoming::Delta { source: &source, delta },
            Incoming::Frame { source: Some(&source), frame: &frame(delta), size: 6 },
        ] {
            let mut repo = repo();
            let tx = repo.begin().unwrap();
            let result = put_as(&tx, &name, &incoming, Privacy::Public).and_then(|_| settle(&tx, NOW));
            assert!(matches!(result, Err(RepoError::BadDelta { .. })), "{result:?}");
        }
    }
}

#[test]
fn a_false_delta_that_waited_becomes_a_phantom_and_its_source_stays() {
    let texts = versions(4);
    let false_name = sha3_256(b"what the delta does not make");
    let mut repo = repo();
    let settled = settle_and_commit(&mut repo, |tx| {
        // texts[1] under a false name, texts[2] on top of that, texts[3] on top of that.
        let (first, second) = (delta(&texts[0], &texts[1]), delta(&texts[1], &texts[2]));
        let incoming = Incoming::Delta { source: &sha3_256(&texts[0]), delta: &first };
        let stored = put_as(tx, &false_name, &incoming, Privacy::Public).unwrap();
        assert!(matches!(stored, Stored::Dangling(_)));
        let incoming = Incoming::Delta { source: &false_name, delta: &second };
        put_as(tx, &sha3_256(&texts[2]), &incoming, Privacy::Public).unwrap();
        put_delta(tx, &texts[2], &texts[3]).unwrap();
    });
    assert_eq!(settled, Settled::default());
    let settled = settle_and_commit(&mut repo, |tx| {
        put(tx, &texts[0]).unwrap();
    });
    assert_eq!(settled, Settled { verified: 1, dropped: vec![false_name], ..Settled::default() });
    assert_holds(&mut repo, &texts[..1]);
    let tx = repo.begin().unwrap();
    assert!(matches!(blob::presence(&tx, &false_name).unwrap(), Presence::Phantom(_)));
    for text in &texts[2..] {
        assert!(matches!(blob::presence(&tx, &sha3_256(text)).unwrap(), Presence::Dangling(_)));
    }
    drop(tx);
    // What hangs on it can still be saved.
    settle_and_commit(&mut repo, |tx| {
        put(tx, &texts[2]).unwrap();
    });
    assert_holds(&mut repo, &texts[2..]);
}

#[test]
fn a_delta_of_itself_is_an_error_that_names_it() {
    let texts = versions(3);
    let ids: Vec<ArtifactId> = texts.iter().map(|text| sha3_256(text)).collect();
    let any = delta(&texts[0], &texts[1]);
    for cycle in [&ids[..1], &ids[..2], &ids[..3]] {
        for between in ["one transaction", "several"] {
            let mut repo = repo();
            let mut tx = repo.begin().unwrap();
            let mut last = None;
            for (n, id) in cycle.iter().enumerate() {
                let source = &cycle[(n + 1) % cycle.len()];
                last = Some(put_as(&tx, id, &Incoming::Delta { source, delta: &any }, Privacy::Public));
                if between == "several" && n + 1 < cycle.len() {
                    settle(&tx, NOW).unwrap();
                    tx.commit().unwrap();
                    tx = repo.begin().unwrap();
                }
            }
            if between == "several" && cycle.len() > 1 {
                // Another peer may have sent the rest.
                let earlier: Vec<ArtifactId> = cycle[..cycle.len() - 1].to_vec();
                assert_eq!(last.unwrap().unwrap(), Stored::Circular(earlier));
                continue;
            }
            let Some(Err(RepoError::DeltaCycle { id })) = last else {
                panic!("{last:?} for {} in {between}", cycle.len());
            };
            assert_eq!(id, cycle[cycle.len() - 1]);
        }
    }
}

#[test]
fn the_size_is_the_real_one_whatever_the_sender_says() {
    let texts = versions(2);
    let mut repo = repo();
    settle_and_commit(&mut repo, |tx| {
        let incoming = Incoming::Frame { source: None, frame: &frame(&texts[0]), size: 7 };
        put_as(tx, &sha3_256(&texts[0]), &incoming, Privacy::Public).unwrap();
        let source = sha3_256(&texts[0]);
        let delta = frame(&delta(&texts[0], &texts[1]));
        let incoming = Incoming::Frame { source: Some(&source), frame: &delta, size: 7 };
        put_as(tx, &sha3_256(&texts[1]), &incoming, Privacy::Public).unwrap();
    });
    assert_holds(&mut repo, &texts);
}

#[test]
fn a_public_artifact_is_never_a_delta_of_a_private_one() {
    let texts = versions(3);
    let ids: Vec<ArtifactId> = texts.iter().map(|text| sha3_256(text)).collect();
    let deltas: Vec<Vec<u8>> = (1..3).map(|n| delta(&texts[n - 1], &texts[n])).collect();
    let orders = [[0, 1, 2], [1, 0, 2], [2, 1, 0]];
    for order in orders {
        for transactions in [1, 3] {
            let mut repo = repo();
            for part in order.chunks(3 / transactions) {
                settle_and_commit(&mut repo, |tx| {
                    for &n in part {
                        match n {
                            0 => put_as(tx, &ids[0], &Incoming::Whole(&texts[0]), Privacy::Private),
                            1 => put_as(
                                tx,
                                &ids[1],
                                &Incoming::Delta { source: &ids[0], delta: &deltas[0] },
                                Privacy::Public,
                            ),
                            _ => put_as(
                                tx,
                                &ids[2],
                                &Incoming::Delta { source: &ids[1], delta: &deltas[1] },
                                Privacy::Private,
                            ),
                        }
                        .unwrap();
                    }
                });
            }
            assert_holds(&mut repo, &texts);
            let tx = repo.begin().unwrap();
            assert!(private::contains(&tx, held(&tx, &ids[0])).unwrap());
            assert!(!private::contains(&tx, held(&tx, &ids[1])).unwrap());
            let leaks = "SELECT count(*) FROM delta WHERE srcid IN private AND rid NOT IN private";
            assert_eq!(number(&tx, leaks), 0, "{order:?}");
            assert_eq!(number(&tx, "SELECT count(*) FROM unclustered JOIN private USING(rid)"), 0);
        }
    }
}

#[test]
fn both_names_of_one_content_are_held() {
    let mut repo = repo();
    settle_and_commit(&mut repo, |tx| {
        put(tx, b"hello\n").unwrap();
        put_as(tx, &sha1(b"hello\n"), &Incoming::Whole(b"hello\n"), Privacy::Public).unwrap();
    });
    let tx = repo.begin().unwrap();
    assert_ne!(held(&tx, &sha1(b"hello\n")), held(&tx, &sha3_256(b"hello\n")));
}

/// A forest of artifacts: which is a delta of which, in what order they come, after which of them to settle, and
/// which are private.
#[derive(Debug, Clone)]
struct Story {
    parents: Vec<Option<usize>>,
    order: Vec<usize>,
    settles: Vec<bool>,
    private: Vec<bool>,
}

fn story() -> impl Strategy<Value = Story> {
    (2..30_usize).prop_flat_map(|count| {
        let parents: Vec<_> = (0..count).map(|n| proptest::option::weighted(0.85, 0..n.max(1))).collect();
        let parents = parents.prop_map(|mut parents| {
            parents[0] = None;
            parents
        });
        let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
        let flags = |p| proptest::collection::vec(proptest::bool::weighted(p), count);
        (parents, order, flags(0.3), flags(0.2)).prop_map(|(parents, order, settles, private)| Story {
            parents,
            order,
            settles,
            private,
        })
    })
}

proptest! {
    #[test]
    fn any_forest_in_any_order_is_held_and_sound(story in story()) {
        let texts = versions(story.parents.len());
        let mut repo = repo();
        let mut verified = 0;
        let ends = story.settles.iter().enumerate().filter(|(_, settles)| **settles).map(|(n, _)| n + 1);
        let mut start = 0;
        for end in ends.chain([story.order.len()]) {
            verified += settle_and_commit(&mut repo, |tx| {
                for &n in &story.order[start..end] {
                    let privacy = if story.private[n] { Privacy::Private } else { Privacy::Public };
                    let id = sha3_256(&texts[n]);
                    let stored = match story.parents[n] {
                        None => put_as(tx, &id, &Incoming::Whole(&texts[n]), privacy),
                        Some(parent) => {
                            let source = sha3_256(&texts[parent]);
                            let delta = delta(&texts[parent], &texts[n]);
                            put_as(tx, &id, &Incoming::Delta { source: &source, delta: &delta }, privacy)
                        }
                    };
                    stored.unwrap();
                }
            })
            .verified;
            start = end;
        }
        prop_assert_eq!(verified, texts.len() as u64);
        assert_holds(&mut repo, &texts);
        let findings = verify::artifacts(&repo.snapshot().unwrap()).unwrap().findings;
        prop_assert!(findings.is_empty(), "{:?}", findings);
        let tx = repo.begin().unwrap();
        for (text, private) in texts.iter().zip(&story.private) {
            prop_assert_eq!(private::contains(&tx, held(&tx, &sha3_256(text))).unwrap(), *private);
        }
        prop_assert_eq!(number(&tx, "SELECT count(*) FROM phantom"), 0);
        prop_assert_eq!(
            number(&tx, "SELECT count(*) FROM blob WHERE (rid IN unclustered) = (rid IN private)"), 0
        );
    }
}

#[test]
fn a_large_artifact_that_does_not_compress_is_held() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let first: Vec<u8> = (0..1_100_000).map(|_| noise()).collect();
    let second = [&first[..], b"and an end"].concat();
    let mut repo = repo();
    settle_and_commit(&mut repo, |tx| {
        put_delta(tx, &first, &second).unwrap();
        put(tx, &first).unwrap();
    });
    let stored = frame(&first);
    assert_holds(&mut repo, &[first.clone(), second]);
    let snap = repo.snapshot().unwrap();
    let rid = blob::rid(&snap, &sha3_256(&first)).unwrap().unwrap();
    assert!(content::stored_frame(&snap, rid).unwrap() == stored);
}

/// A public check-in of a private file, linked before the walk gets to the file.
#[test]
fn what_is_stored_whole_while_it_waits_for_the_walk_is_taken_as_such() {
    let texts = versions(2);
    let file = sha3_256(&texts[1]);
    let cards = format!("C check-in\nD 2020-01-01T00:00:00\nF file {file}\nU u\n");
    let seal = faster_hex::hex_string(&md5::Md5::digest(cards.as_bytes()));
    let checkin = format!("{cards}Z {seal}\n").into_bytes();
    for threads in [1, 2] {
        let mut repo = repo();
        repo.set_limits(crate::Limits { threads, ..crate::Limits::default() }).unwrap();
        let settled = settle_and_commit(&mut repo, |tx| {
            put_as(tx, &sha3_256(&texts[0]), &Incoming::Whole(&texts[0]), Privacy::Private).unwrap();
            let (source, delta) = (sha3_256(&texts[0]), delta(&texts[0], &texts[1]));
            let incoming = Incoming::Delta { source: &source, delta: &delta };
            put_as(tx, &file, &incoming, Privacy::Private).unwrap();
            put(tx, &checkin).unwrap();
            for filling in [1, 2, 3] {
                put(tx, &vec![filling; 2 * examine::BATCH_BYTES]).unwrap();
            }
        });
        assert_eq!(settled.verified, 6);
        assert_holds(&mut repo, &texts);
        let tx = repo.begin().unwrap();
        assert_eq!(number(&tx, "SELECT count(*) FROM private"), 1, "the older version");
        assert_eq!(number(&tx, "SELECT count(*) FROM delta"), 0);
        tx.commit().unwrap();
    }
}

/// The check-in comes first, and its file after it: nobody hides what is public.
#[test]
fn a_private_file_of_a_public_check_in_is_public() {
    for with_checkin in [false, true] {
        let file = b"what a check-in contains";
        let cards = format!("C check-in\nD 2020-01-01T00:00:00\nF file {}\nU u\n", sha3_256(file));
        let seal = faster_hex::hex_string(&md5::Md5::digest(cards.as_bytes()));
        let checkin = format!("{cards}Z {seal}\n").into_bytes();
        let mut repo = repo();
        if with_checkin {
            hold(&mut repo, &checkin);
        }
        settle_and_commit(&mut repo, |tx| {
            put_as(tx, &sha3_256(file), &Incoming::Whole(file), Privacy::Private).unwrap();
        });
        let tx = repo.begin().unwrap();
        assert_eq!(number(&tx, "SELECT count(*) FROM private"), i64::from(!with_checkin));
        tx.commit().unwrap();
        let findings = verify::all(&mut repo, NOW).unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");
    }
}

#[test]
fn of_deltas_that_wait_some_take_another_form_in_one_message() {
    let texts = versions(103);
    let mut repo = repo();
    settle_and_commit(&mut repo, |tx| {
        for text in &texts[2..] {
            put_delta(tx, &texts[0], text).unwrap();
        }
    });
    let mut taken = 0;
    settle_and_commit(&mut repo, |tx| {
        for text in &texts[2..] {
            taken += u32::from(matches!(put_delta(tx, &texts[1], text).unwrap(), Stored::Dangling(_)));
        }
    });
    assert_eq!(taken, 100);
}
