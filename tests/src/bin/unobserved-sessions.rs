//! Sessions of the core that nobody observes, in memory: no file, nothing that carries them, and nothing beside them that
//! costs time.
//!
//! `unobserved-sessions` runs them and says how often they allocated. `unobserved-sessions --compare OTHER` has valgrind
//! count the instructions of this program and of another, which was built with `--cfg frond_unobserved` and so does not
//! even make the events; exits 1 if it takes over 0.5 % more, or allocates more often.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use repo::{Genesis, Repo, UnixTime, content, ingest};
use sync::{Cx, Limits, NoFaults, NoGuard, NoObserver, Progress, Session, SyncOptions, handle_sync};
use xfer::card::Privacy;
use xfer::{DecodeLimits, Message, decode, encode};

/// How many instructions a session may take, in those of one that makes no events.
const SLOWEST: f64 = 1.005;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const USAGE: &str = "usage: unobserved-sessions [SESSIONS | --compare OTHER]";

/// Two numbers of sessions: what is the same in both, such as starting the program, does not count.
const SESSIONS: [u32; 2] = [20, 220];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => say(&run(SESSIONS[1]).to_string()),
        ["--compare", other] => return compare(other.as_ref()),
        [sessions] => say(&run(sessions.parse().expect(USAGE)).to_string()),
        _ => panic!("{USAGE}"),
    }
    ExitCode::SUCCESS
}

/// Runs so many sessions, every second of them with something to move each way; gives how often they allocated.
fn run(sessions: u32) -> u64 {
    let side = |server: &str| {
        let public = "goi".to_owned();
        let (project, server) = ("ab".repeat(20), server.repeat(20));
        let genesis = Genesis { project, server, public, now: NOW, ..Genesis::default() };
        let mut repo = Repo::in_memory(&genesis).expect("a repository");
        add(&mut repo, &genesis.server);
        repo
    };
    let (mut ours, mut theirs) = (side("cd"), side("ef"));
    let mut allocations = 0;
    for number in 0..sessions {
        if number % 2 == 0 {
            add(&mut ours, &format!("ours {number}"));
            add(&mut theirs, &format!("theirs {number}"));
        }
        let counted = allocation_counter::measure(|| converge(&mut ours, &mut theirs));
        allocations += counted.count_total;
    }
    allocations
}

fn add(repo: &mut Repo, text: &str) {
    let tx = repo.begin().expect("a transaction");
    content::add(&tx, text.as_bytes(), Privacy::Public).expect("an artifact");
    ingest::settle(&tx, NOW).expect("a link");
    tx.commit().expect("a commit");
}

fn converge(ours: &mut Repo, theirs: &mut Repo) {
    let mut cx = Cx {
        now: NOW,
        // Each half-round asks it, as servers do.
        clock: Some(&|| NOW),
        limits: &Limits::default(),
        peer: None,
        guard: &NoGuard,
        buggify: &NoFaults,
        observer: &mut NoObserver,
    };
    let travel =
        |message: &Message| decode(&encode(message).into(), &DecodeLimits::default()).expect("a message");
    let mut session =
        Session::sync(SyncOptions { pull: true, push: true, ..SyncOptions::default() }, [7; 20]);
    loop {
        let request = session.next_request(ours, &mut cx).expect("a request");
        let reply = handle_sync(theirs, &travel(&request), &mut cx).expect("a reply");
        if session.handle_reply(ours, &travel(&reply), &mut cx).expect("an end") == Progress::Done {
            return;
        }
    }
}

fn compare(other: &Path) -> ExitCode {
    let own = std::env::current_exe().expect("this program");
    let told = counted(&own);
    let untold = counted(other);
    say(&format!("{:<34} {:>16} {:>16}", "a session in memory, both ends", "instructions", "allocations"));
    for (what, counts) in [("nobody observes", &told), ("built without the calls", &untold)] {
        say(&format!("{what:<34} {:>16.0} {:>16.2}", counts[0], counts[1]));
    }
    let ratio = told[0] / untold[0];
    say(&format!("ratio {ratio:.5}"));
    if ratio > SLOWEST || told[1] > untold[1] { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Instructions and allocations of one session.
fn counted(program: &Path) -> [f64; 2] {
    let runs = SESSIONS.map(|sessions| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let said = command.arg(program).arg(sessions.to_string()).output();
        let said = said.expect("valgrind runs: it is in the Debian package of that name");
        let log = String::from_utf8_lossy(&said.stderr);
        let instructions = log.lines().find_map(|line| line.split("Collected : ").nth(1));
        let allocations = String::from_utf8_lossy(&said.stdout);
        let number = |text: &str| text.trim().parse::<f64>().unwrap_or_else(|_| panic!("{text:?} in\n{log}"));
        [number(instructions.unwrap_or_default()), number(&allocations)]
    });
    let sessions = f64::from(SESSIONS[1] - SESSIONS[0]);
    [0, 1].map(|index| (runs[1][index] - runs[0][index]) / sessions)
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("stdout is there");
}
