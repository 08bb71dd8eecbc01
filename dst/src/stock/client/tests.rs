//! Sessions between peers that are both like stock.

use repo::UnixTime;
use xfer::body::ContentType;
use xfer::hash;

use super::*;
use crate::stock::{Version, server};

const PROJECT: &str = "abababababababababababababababababababab";
const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn store(project: &str) -> Store {
    let mut store = Store::new(Version::V221, project, &"5e".repeat(20), (3_000, 2_000));
    store.users.insert("nobody".to_owned(), ("gioy".to_owned(), String::new()));
    store
}

fn task() -> Task {
    Task {
        clone: false,
        pull: true,
        push: true,
        private: false,
        unversioned: true,
        verily: false,
        login: None,
    }
}

fn converge(task: Task, client: &mut Store, server: &mut Store) -> u32 {
    let mut session = Session::new(task, 1);
    loop {
        let request = session.request(client);
        let reply = server::answer(server, &request, ContentType::Compressed, NOW).unwrap();
        match session.hear(client, &reply.text).unwrap() {
            Next::Go => {}
            Next::Done => return session.round,
            Next::Failed(text) => panic!("{text}"),
        }
    }
}

#[test]
fn two_of_them_converge() {
    let (mut client, mut server) = (store(PROJECT), store(PROJECT));
    for number in 0..40 {
        client.add(format!("{number} of the client {}", "x".repeat(number * 30)).into_bytes(), false);
        server.add(format!("{number} of the server").into_bytes(), false);
    }
    client.files.insert("a".to_owned(), (1_000, Some(b"a".to_vec())));
    server.files.insert("b".to_owned(), (1_000, Some(b"b".to_vec())));
    let rounds = converge(task(), &mut client, &mut server);
    assert!(rounds > 2, "{rounds}");
    let names = |store: &Store| store.known().held.into_keys().collect::<Vec<_>>();
    assert_eq!(names(&client).len(), 80);
    assert_eq!(names(&client), names(&server));
    assert_eq!(client.known().files, server.known().files);
    let mut copy = store("");
    converge(Task { clone: true, ..task() }, &mut copy, &mut server);
    assert_eq!(names(&copy), names(&server));
    assert_eq!(copy.project, PROJECT);
}

#[test]
fn a_clone_leaves_nothing_before_it_is_done() {
    let (mut copy, mut server) = (store(""), store(PROJECT));
    server.add(b"an artifact".to_vec(), false);
    let mut session = Session::new(Task { clone: true, ..task() }, 1);
    for is_last in [false, true] {
        let request = session.request(&mut copy);
        let reply = server::answer(&mut server, &request, ContentType::Compressed, NOW).unwrap();
        assert_eq!(session.hear(&mut copy, &reply.text).unwrap() == Next::Done, is_last);
        assert_eq!((copy.known().held.len(), copy.project.is_empty()), (usize::from(is_last), !is_last));
    }
}

/// As between two of stock 2.21. Frond passes over such a file: `an_empty_file_under_another_name_counts_as_not_sent`
/// in sync's tests, both roles.
#[test]
fn what_waits_for_its_delta_source_is_sent_as_an_empty_file_that_fails_the_session() {
    let text = |end: &str| format!("{}{end}", "a line that stays\n".repeat(20)).into_bytes();
    let (base, target) = (text("one"), text("two"));
    let (source, waiting) = (hash::sha3_256(&base), hash::sha3_256(&target));
    let holder = || {
        let mut store = store(PROJECT);
        store.put(waiting, Some(source), repo::delta::create(&base, &target), false).unwrap();
        store
    };
    let tripped = Trip(format!("wrong hash on received artifact {waiting}"));

    let (mut puller, mut holding) = (store(PROJECT), holder());
    let mut session = Session::new(task(), 1);
    let request = session.request(&mut puller);
    let reply = server::answer(&mut holding, &request, ContentType::Compressed, NOW).unwrap().text;
    assert_eq!(session.hear(&mut puller, &reply).unwrap(), Next::Go);
    let request = session.request(&mut puller);
    let reply = server::answer(&mut holding, &request, ContentType::Compressed, NOW).unwrap().text;
    assert_eq!(crate::stock::hollow(&reply), BTreeSet::from([waiting]));
    assert_eq!(session.hear(&mut puller, &reply).unwrap_err(), tripped);

    let (mut pusher, mut taker) = (holder(), store(PROJECT));
    let mut session = Session::new(Task { pull: false, ..task() }, 2);
    let request = session.request(&mut pusher);
    let reply = server::answer(&mut taker, &request, ContentType::Compressed, NOW).unwrap().text;
    assert_eq!(session.hear(&mut pusher, &reply).unwrap(), Next::Go);
    let request = session.request(&mut pusher);
    assert_eq!(crate::stock::hollow(&request), BTreeSet::from([waiting]));
    let answer = server::answer(&mut taker, &request, ContentType::Compressed, NOW);
    assert_eq!(answer.err(), Some(tripped));
}

#[test]
fn a_hundred_artifacts_make_a_cluster_and_arrive_through_it() {
    let (mut client, mut server) = (store(PROJECT), store(PROJECT));
    server.budgets = (5_000_000, 250_000);
    for number in 0..123 {
        server.add(format!("artifact {number}").into_bytes(), false);
    }
    // As the reference shows it: the cluster, what is in it, and the end.
    assert_eq!(converge(Task { unversioned: false, push: false, ..task() }, &mut client, &mut server), 3);
    assert_eq!(client.known().held.len(), 124);
    assert_eq!(client.unclustered.len(), 1);
}

#[test]
fn what_stock_trips_over_is_said() {
    let check = |request: &str, says: &str| {
        let answer = server::answer(&mut store(PROJECT), request.as_bytes(), ContentType::Compressed, NOW);
        let trip = answer.err().map(|trip| trip.0).unwrap_or_default();
        assert!(trip.contains(says), "{request:?}: {trip}");
    };
    let name = hash::sha1(b"x");
    check(&format!("gimme {name}\n"), "before pull");
    check(&format!("igot {name}\n"), "before push");
    check(&format!("file {name} 1\nx"), "before push");
    check(&format!("push x {PROJECT}\nfile {name} 1\ny"), "wrong hash");
    check(&format!("push x {PROJECT}\ncfile {name} 1 1\ny"), "cfile");
    check(&format!("push x {PROJECT}\nprivate\n"), "private");
    check("xigot a 00 1\n", "bad command");
    check(&format!("uvfile a 1 {name} 1 0\nx"), "no such table");
}
