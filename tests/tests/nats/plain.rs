//! Agents that know nothing but the container: no headers, one message each way.

use std::process::Stdio;

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::{FAILED, UNREACHABLE, count};
use frond_tests::nats::ByHand;
use frond_tests::{Fossil, Frond, Nats, Pair, Scratch, compare, http, shared};
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::{Card, DecodeLimits, Message, decode};

use crate::{large, rename_server};

const SUBJECT: &str = "fossil.c0ffee0000000000000000000000000000000000.sync";

fn container(cards: &str) -> Vec<u8> {
    pack(cards.as_bytes(), ContentType::Compressed).bytes.to_vec()
}

#[track_caller]
fn opened(payload: Vec<u8>) -> Message {
    let limits = DecodeLimits::default();
    let body = Body { content_type: ContentType::Compressed, bytes: payload.into() };
    decode(&unpack(&body, &limits).unwrap(), &limits).unwrap()
}

#[test]
fn who_asks_without_headers_is_answered_without_headers_in_one_message() {
    let (frond, broker, scratch) = (Frond::new(), Nats::start(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(2000), 2000, Extras::None), "original.fossil");
    let _server = frond.server_on(&broker, &original);
    let mut hand = ByHand::connect(&broker);
    let (mut next, mut artifacts, mut rounds) = (1, 0, 0);
    // A clone as the older agent makes it, whose replies would be longer than a message.
    while next != 0 {
        let answer = hand.ask(
            SUBJECT,
            &container(&format!("pragma client-version 22800 20260315 120000\nclone 3 {next}\n")),
        );
        assert_eq!(answer.headers, None);
        assert!(answer.payload.len() <= 1 << 20, "{} bytes", answer.payload.len());
        let message = opened(answer.payload);
        artifacts += message.cards.iter().filter(|card| matches!(card, Card::File(_))).count();
        let told = message.cards.iter().find_map(|card| match card {
            Card::CloneSeqno(number) => Some(*number),
            _ => None,
        });
        next = told.unwrap();
        rounds += 1;
    }
    assert_eq!(artifacts, compare::artifacts(&original).len());
    assert!(rounds > 3, "{rounds} rounds for a repository of 11 MB");
}

#[test]
fn what_cannot_be_answered_in_one_message_is_answered_with_an_error_card() {
    let (fossil, frond, broker, scratch) = (Fossil::new(), Frond::new(), Nats::start(), Scratch::new());
    let original = large(&fossil, &scratch, "original.fossil", 3_000_000);
    let _server = frond.server_on(&broker, &original);
    let mut hand = ByHand::connect(&broker);
    for (asked, said) in [
        (
            container("pragma client-version 22800 20260315 120000\nclone 3 2\n"),
            "this broker carries 1048576 at once",
        ),
        (b"no container".to_vec(), "body"),
    ] {
        let answer = hand.ask(SUBJECT, &asked);
        assert_eq!(answer.headers, None);
        let message = opened(answer.payload);
        let error = |card: &Card| matches!(card, Card::Error(text) if text.contains(said));
        assert!(message.cards.iter().any(error), "{said}: {:?}", message.cards);
    }
}

/// Waits for five seconds, after which a request goes again.
#[test]
fn a_peer_that_takes_a_request_and_hangs_holds_nobody_up() {
    let (frond, broker, scratch) = (Frond::new(), Nats::start(), Scratch::new());
    let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
    let (mut hanging, copy) = (ByHand::connect(&broker), scratch.file("copy.fossil"));
    hanging.join(SUBJECT, &format!("sync-{PROJECT}"), 1);
    let mut command = frond.command(["clone", "-q", &broker.project(PROJECT), &copy.to_string_lossy()]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    hanging.hear();
    // It hangs from now on; here is somebody who does not.
    hanging.unsubscribe(1);
    let _server = frond.server_on(&broker, &original);
    assert!(child.wait().unwrap().success());
    assert_eq!(compare::artifacts(&copy), compare::artifacts(&original));
}

/// Answers on the broker like the older bridge: hands containers on to an HTTP server, and containers back.
fn bridge(hand: &mut ByHand, server: std::net::SocketAddr, requests: usize) {
    for _ in 0..requests {
        let asked = hand.hear();
        let answer = http::post(server, "/", "application/x-fossil", &asked.payload);
        assert_eq!(answer.header("content-type"), Some("application/x-fossil"));
        hand.publish(&asked.reply, "", &answer.body);
    }
}

#[test]
fn who_answers_without_headers_is_understood() {
    let (pair, broker) = (Pair::of(Shape::of(300), 200, Extras::None), Nats::start());
    let missing = pair.missing();
    let stock = pair.fossil.server(&pair.ahead);
    let mut hand = ByHand::connect(&broker);
    hand.subscribe(SUBJECT, 1);
    let url = broker.project(PROJECT);
    let pulled = std::thread::scope(|scope| {
        let pulling = scope.spawn(|| pair.frond.try_exchange("pull", &url, &pair.behind));
        while !pulling.is_finished() {
            if hand.has_more(std::time::Duration::from_millis(50)) {
                bridge(&mut hand, stock.address, 1);
            }
        }
        pulling.join().unwrap()
    });
    let pulled = frond_tests::frond::summary(&pulled);
    assert!(count(&pulled, "artifacts_received") >= missing, "{pulled}");
    drop(stock);
    pair.caught_up();
}

#[test]
fn a_session_that_one_without_a_name_answered_is_answered_by_nobody_who_has_one() {
    let (pair, broker) = (Pair::of(Shape::of(300), 200, Extras::None), Nats::start());
    let missing = pair.missing();
    let stock = pair.fossil.server(&pair.ahead);
    // It has nothing to give, and is asked beside the older agent each time.
    let stale = pair.scratch.copy(&pair.behind, "stale.fossil");
    rename_server(&stale, &"ab".repeat(20));
    let named = pair.frond.server_on(&broker, &stale);
    let signal = |name: &str| {
        let told = std::process::Command::new("kill").args([name, &named.id().to_string()]).status();
        assert!(told.unwrap().success());
    };
    let mut hand = ByHand::connect(&broker);
    hand.subscribe(SUBJECT, 1);
    let url = broker.project(PROJECT);
    let pulled = std::thread::scope(|scope| {
        signal("-STOP");
        let pulling = scope.spawn(|| pair.frond.try_exchange("pull", &url, &pair.behind));
        bridge(&mut hand, stock.address, 1);
        // The broker has that before anything that the other one says.
        std::thread::sleep(std::time::Duration::from_millis(300));
        signal("-CONT");
        while !pulling.is_finished() {
            if hand.has_more(std::time::Duration::from_millis(50)) {
                // The other one is faster.
                std::thread::sleep(std::time::Duration::from_millis(200));
                bridge(&mut hand, stock.address, 1);
            }
        }
        pulling.join().unwrap()
    });
    let pulled = frond_tests::frond::summary(&pulled);
    assert!(count(&pulled, "artifacts_received") >= missing, "{pulled}");
    assert!(count(&pulled, "rounds") > 1, "{pulled}");
    drop(stock);
    pair.caught_up();
}

#[test]
fn an_empty_reply_and_one_that_is_none_are_no_success() {
    let (frond, broker, scratch) = (Frond::new(), Nats::start(), Scratch::new());
    let file = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "a.fossil");
    let url = broker.project(PROJECT);
    let mut hand = ByHand::connect(&broker);
    hand.subscribe(SUBJECT, 1);
    for (headers, payload, code, said) in [
        ("", &b""[..], FAILED, "empty reply"),
        ("", b"nonsense", FAILED, "the reply is no message"),
        (
            "Frond-Error: busy\r\nFrond-Peer: p\r\n",
            b"come again",
            UNREACHABLE,
            "p could not answer: come again",
        ),
        ("Frond-Error: failed\r\nFrond-Peer: p\r\n", b"it broke", FAILED, "p could not answer: it broke"),
        ("Frond-Body: 99999999999999\r\n", b"", FAILED, "longer than"),
        ("Frond-Part: x\r\n", b"", FAILED, "Frond-Part"),
    ] {
        let answer = std::thread::scope(|scope| {
            let pulling = scope.spawn(|| frond.try_exchange("pull", &url, &file));
            let asked = hand.hear();
            if headers.is_empty() {
                hand.publish(&asked.reply, "", payload);
            } else {
                hand.publish_with(&asked.reply, "_INBOX.nobody", headers, payload);
            }
            pulling.join().unwrap()
        });
        assert_eq!(answer.code, Some(code), "{answer}");
        assert!(answer.all().contains(said), "{said}: {answer}");
    }
}
