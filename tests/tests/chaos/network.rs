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
        (Who::Stock, ..) => {}
        // It answers half a request, in ways of its own.
        (_, Who::Stock, Line::HalfClosed(Way::Up)) => {
            says_clearly(&said, said.code.filter(|code| *code != 0).unwrap());
        }
        _ => tells(&said, line, &what),
    }
    for file in site.files() {
        site.frond.verify(&file);
    }
    assert!(!process.process().has_ended(), "the server ended: {what}");
    proxy.suffer(Fault::None);
    if said.code != Some(0) {
        if op == Op::Clone && client == Who::Stock {
            let _ = std::fs::remove_file(&site.here);
        }
        let again = ended(&mut site.command(&proxy.url_as("dev", "pw")));
        assert_eq!(again.code, Some(0), "on the good line: {again}\nbefore that: {what}");
    }
    if client == Who::Frond {
        site.did_what_it_said();
    }
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
