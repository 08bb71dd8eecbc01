//! What is announced reaches who listens, and who comes back.

use std::future::Future;
use std::time::{Duration, Instant};

use frond_tests::Nats;
use frond_tests::corpus::PROJECT;
use frond_tests::nats::ByHand;
use sync::nats::{
    Announcement, Announcements, ConnectOptions, Connection, Durability, News, PeerId, Topic, announce,
    announcements,
};

fn run<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
}

async fn connect(broker: &Nats) -> Connection {
    Connection::open(&broker.url().parse().unwrap(), &ConnectOptions::default()).await.unwrap()
}

fn topic() -> Topic {
    Topic::new(Topic::PREFIX, PROJECT).unwrap()
}

fn peer(name: &str) -> PeerId {
    PeerId::new(name).unwrap()
}

/// What `name` has to tell: an artifact whose name is made of one digit.
fn news(digit: char, name: &str) -> Announcement {
    Announcement { hash: digit.to_string().repeat(40).parse().unwrap(), peer: Some(peer(name)) }
}

/// The next announcement; a test that waits in vain fails.
async fn next(heard: &mut Announcements) -> Announcement {
    let next = tokio::time::timeout(Duration::from_secs(60), heard.next()).await;
    let News { announcement, receipt } = next.expect("an announcement comes").unwrap();
    receipt.acknowledge().await;
    announcement
}

#[test]
fn an_announcement_reaches_all_others_and_older_agents_are_understood() {
    let broker = Nats::start();
    run(async {
        let (here, there) = (connect(&broker).await, connect(&broker).await);
        let mut heard =
            announcements(&here, &topic(), Some(peer("here")), &Durability::Passing).await.unwrap();
        // One of this peer, though of another process; one of another peer; one of an older agent.
        announce(&there, &topic(), &news('1', "here")).await.unwrap();
        announce(&there, &topic(), &news('2', "there")).await.unwrap();
        there.flush().await.unwrap();
        assert_eq!(next(&mut heard).await, news('2', "there"));
        let mut hand = ByHand::connect(&broker);
        let text = format!(r#"{{"rid":12,"uuid":"{}","peer_id":"old"}}"#, "3".repeat(40));
        hand.publish(&topic().commit(), "", text.as_bytes());
        hand.flush();
        assert_eq!(next(&mut heard).await, news('3', "old"));
    });
}

#[test]
fn who_was_away_hears_what_was_announced_where_the_broker_keeps_it() {
    let broker = Nats::with("jetstream { store_dir: \"{STORE}\" }\n");
    run(async {
        let kept = Durability::Kept(peer("here"));
        let here = connect(&broker).await;
        let heard = announcements(&here, &topic(), Some(peer("here")), &kept).await.unwrap();
        assert!(heard.are_kept());
        drop((heard, here));
        let there = connect(&broker).await;
        for digit in ['1', '2', '3'] {
            announce(&there, &topic(), &news(digit, "there")).await.unwrap();
        }
        there.flush().await.unwrap();
        for left in [&['1', '2', '3'][..], &[]] {
            let here = connect(&broker).await;
            let mut heard = announcements(&here, &topic(), Some(peer("here")), &kept).await.unwrap();
            for digit in left {
                assert_eq!(next(&mut heard).await, news(*digit, "there"));
            }
            // What was heard does not come again; what is new does.
            announce(&there, &topic(), &news('4', "there")).await.unwrap();
            assert_eq!(next(&mut heard).await, news('4', "there"));
            // It comes twice: as it is said, and as it is kept.
            assert_eq!(next(&mut heard).await, news('4', "there"));
            here.flush().await.unwrap();
        }
    });
}

#[test]
fn what_was_not_acknowledged_is_not_done_for_the_broker() {
    let broker = Nats::with("jetstream { store_dir: \"{STORE}\" }\n");
    run(async {
        let (here, there) = (connect(&broker).await, connect(&broker).await);
        let kept = Durability::Kept(peer("here"));
        let mut heard = announcements(&here, &topic(), None, &kept).await.unwrap();
        let mut receipts = Vec::new();
        for digit in ['1', '2'] {
            announce(&there, &topic(), &news(digit, "there")).await.unwrap();
            // It comes twice: as it is said, and as it is kept.
            for _ in 0..2 {
                receipts.push(heard.next().await.unwrap().receipt);
            }
        }
        assert_eq!(receipts.iter().filter(|receipt| receipt.is_wanted()).count(), 2);
        assert_eq!(waiting(&broker), 2, "none was acknowledged");
        for receipt in receipts {
            receipt.acknowledge().await;
        }
        here.flush().await.unwrap();
        assert_eq!(waiting(&broker), 0);
    });
}

/// How many announcements the broker gave to the peer `here` that were not acknowledged.
fn waiting(broker: &Nats) -> u64 {
    let subject = format!("$JS.API.CONSUMER.INFO.FROND_{}_{PROJECT}.here", Topic::PREFIX);
    let said = said(&mut ByHand::connect(broker), &subject, b"");
    said["num_ack_pending"].as_u64().unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn a_broker_that_comes_to_keep_announcements_keeps_them_from_then_on() {
    let mut broker = Nats::start();
    run(async {
        let here = connect(&broker).await;
        let kept = Durability::Kept(peer("here"));
        let mut heard = announcements(&here, &topic(), None, &kept).await.unwrap();
        assert!(!heard.are_kept());
        let configuration = broker.dir().join("server.conf");
        let text = std::fs::read_to_string(&configuration).unwrap();
        let store = broker.dir().join("store");
        std::fs::write(&configuration, format!("{text}jetstream {{ store_dir: {store:?} }}\n")).unwrap();
        broker.restart();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !heard.are_kept() {
            assert!(Instant::now() < deadline, "it never keeps them");
            let _ = tokio::time::timeout(Duration::from_millis(50), heard.next()).await;
        }
    });
}

#[test]
fn a_stream_that_others_made_for_the_subject_is_taken() {
    let broker = Nats::with("jetstream { store_dir: \"{STORE}\" }\n");
    let mut hand = ByHand::connect(&broker);
    let stream = br#"{"name":"ALL","subjects":["fossil.>"],"storage":"file","retention":"limits"}"#;
    let made = said(&mut hand, "$JS.API.STREAM.CREATE.ALL", stream);
    assert_eq!(made["config"]["name"], "ALL", "{made}");
    run(async {
        let here = connect(&broker).await;
        let kept = Durability::Kept(peer("here"));
        let heard = announcements(&here, &topic(), None, &kept).await.unwrap();
        assert!(heard.are_kept());
        let consumer = said(&mut hand, "$JS.API.CONSUMER.INFO.ALL.here", b"");
        assert_eq!(consumer["config"]["filter_subject"], topic().commit(), "{consumer}");
        assert_eq!(said(&mut hand, "$JS.API.STREAM.NAMES", b"")["total"], 1);
    });
}

/// What the broker answers.
fn said(hand: &mut ByHand, subject: &str, payload: &[u8]) -> serde_json::Value {
    serde_json::from_slice(&hand.ask(subject, payload).payload).unwrap()
}

#[test]
fn a_broker_that_keeps_nothing_does_for_who_is_there() {
    let broker = Nats::start();
    run(async {
        let (here, there) = (connect(&broker).await, connect(&broker).await);
        let kept = Durability::Kept(peer("here"));
        let mut heard = announcements(&here, &topic(), None, &kept).await.unwrap();
        assert!(!heard.are_kept());
        announce(&there, &topic(), &news('1', "there")).await.unwrap();
        assert_eq!(next(&mut heard).await, news('1', "there"));
    });
}
