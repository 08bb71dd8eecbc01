//! Lines that break, stall, end one way, and crawl: the client says so in time, or gets there, and what came before is
//! kept.

use std::thread;
use std::time::Duration;

use frond_tests::frond::UNREACHABLE;
use frond_tests::proxy::{Fault, Traffic, Way};
use frond_tests::{Proxy, Said};

use super::*;

/// What a line does. Where it ends is chosen by chance, as a share of what there is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Closed,
    Cut(Way),
    Stalls(Way),
    HalfClosed(Way),
    Slow(Fault),
}

const LINES: [Line; 9] = [
    Line::Closed,
    Line::Cut(Way::Up),
    Line::Cut(Way::Down),
    Line::Stalls(Way::Up),
    Line::Stalls(Way::Down),
    Line::HalfClosed(Way::Up),
    Line::HalfClosed(Way::Down),
    Line::Slow(Fault::Delay(Duration::from_millis(20))),
    Line::Slow(Fault::Throttle(400_000)),
];

impl Line {
    fn fault(self, traffic: Traffic, rng: &mut Rng) -> Fault {
        let mut byte = |way| {
            let all = if way == Way::Up { traffic.up } else { traffic.down };
            (way, (all as f64 * rng.unit() * 0.8) as u64)
        };
        match self {
            Self::Closed => Fault::Closed,
            Self::Slow(fault) => fault,
            Self::Cut(way) => {
                let (way, byte) = byte(way);
                Fault::Cut(way, byte)
            }
            Self::Stalls(way) => {
                let (way, byte) = byte(way);
                Fault::Stall(way, byte)
            }
            Self::HalfClosed(way) => {
                let (way, byte) = byte(way);
                Fault::HalfClosed(way, byte)
            }
        }
    }

    fn gets_there(self) -> bool {
        matches!(self, Self::Slow(_))
    }

    /// Stock has no patience that ends: who stalls it holds it for ever.
    fn suits(self, client: Who) -> bool {
        client == Who::Frond || !matches!(self, Self::Stalls(_))
    }
}

/// One operation on a bad line, then on a good one.
#[track_caller]
fn suffers(op: Op, client: Who, server: Who, line: Line, fault: Fault) -> Site {
    let site = Site::new(op, client);
    let process = site.serve(server);
    let proxy = Proxy::start(process.address);
    proxy.suffer(fault);
    let mut command = site.command(&proxy.url_as("dev", "pw"));
    if client == Who::Frond {
        // Where nothing stalls, who is slow is only slow.
        command.args(["--timeout", if matches!(line, Line::Stalls(_)) { "1" } else { "60" }]);
    }
    let said = ended(&mut command);
    let what = format!("{op:?} of {client:?} from {server:?}, {fault:?}\n{said}");
    match (client, server, line) {
        (Who::Stock, ..) => stock_tells(&said, op, fault, proxy.last_reply(), &what),
        // It answers half a request, in ways of its own.
        (_, Who::Stock, Line::HalfClosed(Way::Up)) => {
            let code = said.code.filter(|code| *code != 0);
            says_clearly(&said, code.unwrap_or_else(|| panic!("half a request went well: {what}")));
        }
        _ => tells(&said, line, &what),
    }
    for file in site.files() {
        site.frond.verify(&file);
    }
    assert!(!process.process().has_ended(), "the server ended: {what}");
    proxy.suffer(Fault::None);
    if !line.gets_there() {
        if op == Op::Clone && client == Who::Stock {
            let _ = std::fs::remove_file(&site.here);
        }
        let again = ended(&mut site.command(&proxy.url_as("dev", "pw")));
        assert_eq!(again.code, Some(0), "on the good line: {again}\nbefore that: {what}");
    }
    site.did_what_it_said();
    site.settles(&process);
    let log = process.stop();
    assert!(!log.contains("panicked"), "{log}");
    site
}

#[track_caller]
fn tells(said: &Said, line: Line, what: &str) {
    if line.gets_there() {
        assert_eq!(said.code, Some(0), "{what}");
        return;
    }
    assert_eq!(said.code, Some(UNREACHABLE), "{what}");
    says_clearly(said, UNREACHABLE);
    let waited = said.stderr.contains("sent nothing more for 1 seconds");
    assert_eq!(waited, matches!(line, Line::Stalls(_)), "{what}");
}

/// Bytes of the head of a reply of ours, at least as many as it has.
const HEAD_BYTES: u64 = 200;

/// What stock says as far as it can be known. It calls each operation done, and exits 0 but from a clone that failed; it tells
/// why the last round failed, and how much it sent and received. Where the head of a reply is cut, it takes what is left for a
/// reply, or not, by where that ends.
#[track_caller]
fn stock_tells(said: &Said, op: Op, fault: Fault, last_reply: u64, what: &str) {
    let (why, is_cut_down): (&[&str], bool) = match fault {
        Fault::None | Fault::Delay(_) | Fault::Throttle(_) => (&[], false),
        Fault::Closed | Fault::Cut(Way::Up, _) => (&["server did not reply"], false),
        Fault::HalfClosed(Way::Up, _) => {
            (&["server did not reply", "server says: 408 Request Timeout"], false)
        }
        Fault::Cut(Way::Down, _) | Fault::HalfClosed(Way::Down, _) => (&["response truncated: got "], true),
        Fault::Stall(..) => unreachable!("stock would wait for ever"),
    };
    let all = said.all();
    if !is_cut_down || last_reply >= HEAD_BYTES {
        let failed = !why.is_empty();
        let is_told = all.lines().any(|line| why.iter().any(|why| line.starts_with(why)));
        let is_aborted = all.contains("server returned an error - clone aborted");
        assert_eq!((is_told, is_aborted), (failed, failed && op == Op::Clone), "{what}");
        assert_eq!(said.code, Some(i32::from(is_aborted)), "{what}");
    }
    let moved = |word: &str| -> u64 {
        let (_, done) = all.split_once(" done, wire bytes ").unwrap_or_else(|| panic!("not done: {what}"));
        let number = done.split_once(word).and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no number after {word} {what}"))
    };
    let (sent, received) = (moved("sent:"), moved("received:"));
    let is_so = match fault {
        Fault::Closed => received == 0,
        Fault::Cut(Way::Down, bytes) | Fault::HalfClosed(Way::Down, bytes) => received == bytes,
        Fault::Cut(Way::Up, bytes) | Fault::HalfClosed(Way::Up, bytes) => sent >= bytes,
        _ => sent > 0 && received > 0,
    };
    assert!(is_so, "sent {sent}, received {received}: {what}");
}

/// Lines at a time: on most of them nothing moves most of the time.
const AT_ONCE: usize = 3;

/// Every line for every operation.
#[track_caller]
fn every_line(theme: u64, client: Who, server: Who) {
    for mut round in rounds(theme) {
        for op in OPS {
            let lines = LINES.into_iter().filter(|line| line.suits(client));
            let lines: Vec<_> =
                lines.map(|line| (line, line.fault(clean(op, client).traffic, &mut round.rng))).collect();
            thread::scope(|scope| {
                for lines in lines.chunks(LINES.len().div_ceil(AT_ONCE)) {
                    scope.spawn(move || {
                        for (at, (line, fault)) in lines.iter().enumerate() {
                            let site = suffers(op, client, server, *line, *fault);
                            if at == 0 {
                                site.is_sound();
                            }
                        }
                    });
                }
            });
        }
    }
}

#[test]
fn frond_and_its_own_server_come_through_bad_lines() {
    every_line(7, Who::Frond, Who::Frond);
}

#[test]
fn frond_and_a_stock_server_come_through_bad_lines() {
    every_line(8, Who::Frond, Who::Stock);
}

#[test]
fn stock_and_a_server_of_frond_come_through_bad_lines() {
    every_line(9, Who::Stock, Who::Frond);
}
