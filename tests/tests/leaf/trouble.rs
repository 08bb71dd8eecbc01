//! Peers that hang, refuse, or are not there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::process::free_port;
use frond_tests::{Frond, Leaf, Scratch};
use serde_json::Value;

/// A peer of a status.
fn peer<'s>(status: &'s Value, url: &str) -> &'s Value {
    let peers = status["repositories"][0]["peers"].as_array().unwrap();
    peers.iter().find(|peer| peer["url"] == url).unwrap_or_else(|| panic!("no {url} in {status}"))
}

#[test]
fn a_peer_that_hangs_does_not_hold_up_another() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let good = Leaf::of(&frond, &a, &[]);
    frond.clone(&good.url(), &b);
    // It takes connections, and never answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hanging = format!("http://{}/", silent.local_addr().unwrap());
    let leaf = Leaf::of(&frond, &b, &["--peer", &hanging, "--peer", &good.url(), "--drain", "1s"]);
    until("a session with the silent one is under way", || {
        peer(&leaf.status(&frond), &hanging)["syncing"] == true
    });
    for turn in 0..3 {
        let hash = check_in(&frond, &a, &format!("{turn}.txt"));
        until("the other peer is heard", || holds(&frond, &b, &hash));
    }
    let status = leaf.status(&frond);
    assert_eq!(peer(&status, &hanging)["sessions"], 0, "the session with the silent one is still under way");
    let log = leaf.terminate();
    assert!(log.contains("before its sessions finished"), "{log}");
    for beside in ["b.fossil-wal", "b.fossil-shm"] {
        assert!(!scratch.file(beside).exists(), "{beside} is left\n{log}");
    }
}

/// A server in front of another: it holds every reply back until it is told to let go.
struct Holding {
    url: String,
    holds: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

fn holding(server: std::net::SocketAddr) -> Holding {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (holds, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (held, noted) = (Arc::clone(&holds), Arc::clone(&asked));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (held, noted) = (Arc::clone(&held), Arc::clone(&noted));
            std::thread::spawn(move || pass(client, TcpStream::connect(server).unwrap(), &held, &noted));
        }
    });
    Holding { url, holds, asked }
}

fn pass(mut client: TcpStream, mut server: TcpStream, holds: &AtomicBool, asked: &AtomicBool) {
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            if server.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    });
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = from_server.read(&mut buffer) {
        asked.store(true, Ordering::SeqCst);
        while holds.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to_client.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

#[test]
fn a_leaf_that_is_to_end_finishes_its_round() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let server = frond.server(&a);
    frond.clone(&server.url(), &b);
    let hash = check_in(&frond, &a, "late.txt");
    let slow = holding(server.address);
    let leaf = Leaf::of(&frond, &b, &["--peer", &slow.url]);
    // The first reply says what there is, the next brings it.
    until("the leaf asked", || slow.asked.load(Ordering::SeqCst));
    slow.holds.store(false, Ordering::SeqCst);
    until("the change came", || holds(&frond, &b, &hash));

    let hash = check_in(&frond, &b, "given.txt");
    slow.asked.store(false, Ordering::SeqCst);
    slow.holds.store(true, Ordering::SeqCst);
    until("a round is under way", || slow.asked.load(Ordering::SeqCst));
    leaf.signal("TERM");
    until("it says that it is not ready", || leaf.probe("/readyz").text().contains("draining"));
    slow.holds.store(false, Ordering::SeqCst);
    let (status, log) = leaf.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("before its sessions finished"), "the round was finished\n{log}");
    frond.verify(&b);
    // What was not given in that round is given in the next life.
    let again = Leaf::of(&frond, &b, &["--peer", &server.url()]);
    until("the change arrives", || holds(&frond, &a, &hash));
    again.terminate();
}

#[test]
fn a_second_signal_ends_a_leaf_at_once() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hanging = format!("http://{}/", silent.local_addr().unwrap());
    let leaf = Leaf::of(&frond, &file, &["--peer", &hanging, "--drain", "1h"]);
    until("a session is under way", || peer(&leaf.status(&frond), &hanging)["syncing"] == true);
    leaf.signal("TERM");
    until("it drains", || leaf.probe("/readyz").text().contains("draining"));
    leaf.signal("TERM");
    assert_eq!(leaf.wait().0.code(), Some(143));
}

#[test]
fn a_peer_that_comes_later_is_found_and_gives_the_clone() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/");
    let leaf = Leaf::of(&frond, &b, &["--peer", &url]);
    until("it says that it cannot be cloned yet", || {
        leaf.probe("/readyz").text().contains("is being cloned: cannot connect")
    });
    let listen = format!("127.0.0.1:{port}");
    let first = Leaf::start(&frond, ["-R", &a.to_string_lossy(), "--listen", &listen]);
    until("it is cloned", || leaf.probe("/readyz").status == 200);
    first.terminate();
    let hash = check_in(&frond, &b, "alone.txt");
    until("the failure is known", || {
        leaf.status(&frond)["repositories"][0]["peers"][0]["error"]["class"] == "network"
    });
    let _back = Leaf::start(&frond, ["-R", &a.to_string_lossy(), "--listen", &listen]);
    until("what was made alone arrives", || holds(&frond, &a, &hash));
    until("the failure is over", || leaf.status(&frond)["repositories"][0]["peers"][0]["error"].is_null());
}

#[test]
fn a_refusal_is_told_with_what_to_do_and_the_rest_is_done() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    frond.output(["user", "capabilities", "nobody", "go", "-R", &a.to_string_lossy()]);
    let server = frond.server(&a);
    let leaf = Leaf::of(&frond, &b, &["--peer", &server.url(), "--within", "1h"]);
    until("it is cloned", || leaf.probe("/readyz").status == 200);
    check_in(&frond, &b, "refused.txt");
    let error = || peer(&leaf.status(&frond), &server.url())["error"].clone();
    until("the refusal is known", || error()["class"] == "refused");
    assert!(error()["hint"].as_str().unwrap().contains("capability i"), "{}", error());
    let hash = check_in(&frond, &a, "taken.txt");
    until("what the peer has comes all the same", || holds(&frond, &b, &hash));
    assert_eq!(leaf.probe("/healthz").status, 200);
    let metrics = leaf.probe("/metrics").text();
    let labels = format!("direction=\"received\",peer=\"{}\",repository=\"b\"", server.url());
    assert!(metrics.contains(&format!("frond_artifacts_total{{{labels}}} ")), "{metrics}");
}
