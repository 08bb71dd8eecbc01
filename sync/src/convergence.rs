//! Random small repositories, lost replies, small budgets: sessions end, and both sides hold the same.

use proptest::prelude::*;
use xfer::card::Privacy;
use xfer::{Card, Message};

use crate::testing::{Fixture, both, cx, fresh, holding, message, pull, step, versions};
use crate::{NoFaults, NoObserver, Progress, Session};

/// An artifact of the server.
#[derive(Debug, Clone)]
struct Artifact {
    /// Stored as a delta of an earlier one, counted back from it.
    source: Option<prop::sample::Index>,
    /// What the client has of it before a pull.
    client: Beforehand,
}

#[derive(Debug, Clone, Copy)]
enum Beforehand {
    Nothing,
    Phantom,
    Held,
}

#[derive(Debug, Clone)]
struct Case {
    artifacts: Vec<Artifact>,
    reply_bytes: u64,
    gimmes: usize,
    /// Whether the client sends the next request before it takes in a reply.
    looks_ahead: bool,
    /// How often each reply is lost, in turn.
    losses: Vec<u8>,
}

/// A case in which no reply is lost.
fn quiet() -> Case {
    Case { artifacts: Vec::new(), reply_bytes: 0, gimmes: 0, looks_ahead: false, losses: vec![0] }
}

fn artifact() -> impl Strategy<Value = Artifact> {
    let client = prop_oneof![Just(Beforehand::Nothing), Just(Beforehand::Phantom), Just(Beforehand::Held)];
    (any::<Option<prop::sample::Index>>(), client).prop_map(|(source, client)| Artifact { source, client })
}

fn case() -> impl Strategy<Value = Case> {
    let artifacts = prop::collection::vec(artifact(), 0..25);
    let losses = prop::collection::vec(0..3_u8, 1..5);
    (artifacts, 0..400_u64, 1..10_usize, any::<bool>(), losses).prop_map(
        |(artifacts, reply_bytes, gimmes, looks_ahead, losses)| Case {
            artifacts,
            reply_bytes,
            gimmes,
            looks_ahead,
            losses,
        },
    )
}

fn server(case: &Case) -> Fixture {
    let mut server = holding("").limited(|limits| limits.reply_bytes = case.reply_bytes);
    for (number, artifact) in case.artifacts.iter().enumerate() {
        let name = number.to_string();
        server = match artifact.source {
            Some(source) if number > 0 => {
                server.delta(&name, &source.index(number).to_string(), Privacy::Public)
            }
            _ => server.with(&name),
        };
    }
    server
}

/// Runs a session whose replies are lost now and then: the request is then made again. It looks ahead or not, and comes
/// to the same.
fn run(mut session: Session, client: &mut Fixture, server: &mut Fixture, case: &Case) -> u32 {
    let (faults, mut observer) = (NoFaults, NoObserver);
    let limits = client.limits.clone();
    let mut cx = cx(&limits, &faults, &mut observer);
    let mut ahead = None;
    for lost in case.losses.iter().cycle() {
        let mut reply = Message::default();
        for _ in 0..=*lost {
            let request = match ahead.take() {
                Some(request) => request,
                None => session.next_request(&mut client.repo, &mut cx).unwrap(),
            };
            reply = server.answer(&request).unwrap();
        }
        ahead = case.looks_ahead.then(|| session.look_ahead(&mut client.repo, &reply, &cx)).flatten();
        if session.handle_reply(&mut client.repo, &reply, &mut cx).unwrap() == Progress::Done {
            break;
        }
        ahead = ahead.filter(|_| session.go_ahead(&mut cx));
    }
    session.result().rounds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_clone_holds_what_the_server_holds(case in case()) {
        let (mut client, mut server) = (fresh(), server(&case));
        run(Session::clone_into(pull(), [1; 20]), &mut client, &mut server, &case);
        prop_assert_eq!(client.all(), server.all());
    }

    #[test]
    fn a_clone_that_is_cut_short_anywhere_goes_on(case in case(), cuts in prop::collection::vec(0..4_usize, 0..6)) {
        let (mut client, mut server) = (fresh(), server(&case));
        for rounds in cuts {
            let mut session = Session::clone_into(pull(), [2; 20]);
            let partial = repo::partial::load(&client.repo.snapshot().unwrap()).unwrap();
            if partial.is_none() && !client.all().is_empty() {
                break;
            }
            for _ in 0..rounds {
                if step(&mut session, &mut client, &mut server).unwrap() == Progress::Done {
                    break;
                }
            }
        }
        if client.all().is_empty() || repo::partial::load(&client.repo.snapshot().unwrap()).unwrap().is_some() {
            run(Session::clone_into(pull(), [3; 20]), &mut client, &mut server, &case);
        }
        prop_assert_eq!(client.all(), server.all());
    }

    #[test]
    fn after_a_pull_the_client_holds_what_the_server_holds(case in case()) {
        let mut server = server(&case);
        let mut client = holding("").limited(|limits| limits.gimmes = case.gimmes);
        for (number, artifact) in case.artifacts.iter().enumerate() {
            client = match artifact.client {
                Beforehand::Nothing => client,
                Beforehand::Phantom => client.phantom(&number.to_string()),
                Beforehand::Held => client.with(&number.to_string()),
            };
        }
        run(Session::sync(pull(), [4; 20]), &mut client, &mut server, &case);
        prop_assert_eq!(client.all(), server.all());
        let again = run(Session::sync(pull(), [5; 20]), &mut client, &mut server, &quiet());
        prop_assert_eq!(again, 1);
    }

    #[test]
    fn after_a_sync_both_hold_all_that_either_held(case in case(), made in 0..20_usize, send_bytes in 0..200_u64) {
        let mut server = server(&case).rights("nobody", "io");
        let mut client =
            holding("").limited(|limits| (limits.gimmes, limits.send_bytes) = (case.gimmes, send_bytes));
        server.limits.reply_gimmes = case.gimmes;
        for (number, artifact) in case.artifacts.iter().enumerate() {
            client = match artifact.client {
                Beforehand::Nothing => client,
                Beforehand::Phantom => client.phantom(&number.to_string()),
                Beforehand::Held => client.with(&number.to_string()),
            };
        }
        for number in 0..made {
            let name = format!("made-{number}");
            client = if number % 2 == 0 { client.unsent(&name) } else { client.with(&name) };
        }
        let mut all: Vec<String> = client.all().into_iter().chain(server.all()).collect();
        all.sort();
        all.dedup();
        run(Session::sync(both(), [7; 20]), &mut client, &mut server, &case);
        prop_assert_eq!(client.all(), server.all());
        prop_assert_eq!(client.all(), all);
        prop_assert_eq!(client.waiting(), 0);
        let again = run(Session::sync(both(), [8; 20]), &mut client, &mut server, &quiet());
        prop_assert_eq!(again, 1);
    }
}

#[test]
fn deltas_of_a_pull_go_towards_older_versions_only() {
    let mut server = versions(5);
    let ids = server.all();
    let mut request = String::from("pragma client-version 22100 20230226 192424\npull {S} {P}\n");
    for id in &ids {
        request += &format!("gimme {id}\n");
    }
    let reply = server.answer(&message(&request)).unwrap();
    let deltas =
        reply.cards.iter().filter(|card| matches!(card, Card::File(file) if file.delta_source.is_some()));
    assert_eq!(deltas.count(), 4, "{reply:?}");

    // One at a time, whichever comes first, the client ends with all.
    for gimmes in 1..6 {
        let mut client = holding("").limited(|limits| limits.gimmes = gimmes);
        let mut server = versions(5).limited(|limits| limits.reply_bytes = 1);
        run(Session::sync(pull(), [6; 20]), &mut client, &mut server, &quiet());
        assert_eq!(client.all(), ids);
    }
}
