//! `kill -9` of the client or the server in the middle of a clone, pull, push or sync, again and again; and a server whose
//! machine fails with it.
//!
//! The moment is a byte on the line, the beginning of a request or reply, or a byte of the file that grows.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use frond_tests::process::{Process, within};
use frond_tests::proxy::{Moment, Way};
use frond_tests::{Proxy, frond};

use super::stock::{self, Trouble};
use super::*;

/// Kills of one operation. What is left then is done in peace.
const KILLS: usize = 3;

/// Logs of one test that are torn, and how often it may try: who is killed early has none.
const TEARS: usize = 4;
const TRIES: usize = 12;

/// Where no server is yet.
const NOWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Client,
    Server,
}

/// When.
#[derive(Debug, Clone, Copy)]
enum When {
    On(Moment),
    /// Its file would grow beyond so many blocks of 512 bytes.
    File(u64),
}

/// What a failure of the power makes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tear {
    /// It ends somewhere.
    Cut,
    /// Its last frame, which is a page with a header, has other bytes in it.
    Garbled,
}

/// What came of one try.
struct Try {
    said: Said,
    /// Whether there was a kill.
    died: bool,
}

fn bytes(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Why a connection to a server that was killed broke, in the words of Frond's client.
const BROKE: [&str; 5] = [
    // Before the head of a reply was there.
    "connection closed before message completed",
    // In the midst of its body.
    "end of file before message length reached",
    // With some of the request unread.
    "Connection reset by peer (os error 104)",
    // While there was more of the request to send.
    "Broken pipe (os error 32)",
    // Before the request: one that was kept open for it.
    "connection was not ready",
];

struct Duel {
    site: Site,
    server: Who,
    victim: Victim,
    /// One address for all servers: a clone goes on only from the same.
    proxy: Proxy,
    kills: usize,
}

impl Duel {
    /// Whether the victim's file is the one that grows, so that a limit on its size kills it. Of stock's server it
    /// would kill a child.
    fn grows(&self) -> bool {
        match self.victim {
            Victim::Client => self.site.client == Who::Frond && self.site.op != Op::Push,
            Victim::Server => self.server == Who::Frond && self.site.op == Op::Push,
        }
    }

    /// Never so late that nothing is left to kill; the first time, in the first half.
    fn when(&self, rng: &mut Rng) -> When {
        let Clean { traffic, file_bytes } = clean(self.site.op, self.site.client);
        let share = rng.unit() * if self.kills == 0 { 0.5 } else { 0.9 };
        let part = |all: u64| (all as f64 * share) as u64;
        match rng.below(10) {
            0..3 if self.grows() => {
                let file = if self.victim == Victim::Client { &self.site.here } else { &self.site.there };
                let now = bytes(file);
                When::File((now + part(file_bytes.saturating_sub(now))) / 512)
            }
            0..6 => {
                let is_up = (rng.unit() * (traffic.up + traffic.down) as f64) < traffic.up as f64;
                let (way, all) = if is_up { (Way::Up, traffic.up) } else { (Way::Down, traffic.down) };
                When::On(Moment::Byte(way, part(all)))
            }
            _ => When::On(Moment::Turn(1 + part(traffic.turns))),
        }
    }

    /// One try, with a kill in it, if it takes that long.
    #[track_caller]
    fn attempt(&mut self, when: When) -> Try {
        let site = &self.site;
        let server = match (self.victim, when) {
            (Victim::Server, When::File(blocks)) => Server::start(|port| {
                let listen = format!("127.0.0.1:{port}");
                ended_at(
                    blocks,
                    &site.frond.command(["serve", site.there.to_str().unwrap(), "--listen", &listen]),
                )
            }),
            _ => site.serve(self.server),
        };
        let proxy = &self.proxy;
        proxy.reset();
        proxy.lead_to(server.address);
        let mut command = site.command(&proxy.url_as("dev", "pw"));
        if let (Victim::Client, When::File(blocks)) = (self.victim, when) {
            command = ended_at(blocks, &command);
        }
        let client: Arc<OnceLock<Process>> = Arc::default();
        if let When::On(moment) = when {
            let (client, server) = (Arc::clone(&client), server.process());
            let victim = self.victim;
            proxy.at(moment, move || match victim {
                Victim::Client => client.wait().kill(),
                Victim::Server => server.kill(),
            });
        }
        let running = Running::start(&mut command);
        client.get_or_init(|| running.process());
        let said = running.end(HANGS);
        let died = match self.victim {
            Victim::Client => said.code.is_none(),
            Victim::Server => server.process().has_ended(),
        };
        self.kills += usize::from(died);
        if self.victim == Victim::Client {
            assert!(!server.process().has_ended(), "the server died of its client's end\n{said}");
        }
        let log = server.stop();
        assert!(!log.contains("panicked"), "{log}");
        // Stock's has nothing to complain of.
        assert!(self.server == Who::Frond || log.is_empty(), "{log}");
        Try { said, died }
    }

    /// Whether all went well, by what the client says. It fails only of a server that was killed, and says of that what it may.
    #[track_caller]
    fn went_well(&self, Try { said, died }: &Try) -> bool {
        let is_of_server = *died && self.victim == Victim::Server;
        let trouble = if is_of_server { Trouble::KilledServer } else { Trouble::None };
        assert!(said.code.is_some() || self.victim == Victim::Client, "{said}");
        match (self.site.client, said.code) {
            (Who::Stock, _) => return stock::went_well(said, trouble),
            (Who::Frond, Some(0)) => return true,
            (Who::Frond, None) => {}
            (Who::Frond, Some(_)) => {
                says_clearly(said, frond::UNREACHABLE);
                let begin = format!("frond: the connection to {} broke: ", self.proxy.address);
                let what = said.stderr.lines().find_map(|line| line.strip_prefix(&begin)?.split_once("; "));
                let (why, hint) = what.unwrap_or_else(|| panic!("of something else: {said}"));
                assert!(is_of_server && BROKE.contains(&why), "{said}");
                let kept = "try again; what came so far is kept in ";
                assert!(hint == "try again" || hint.starts_with(kept), "{said}");
            }
        }
        false
    }

    /// What was left by a kill is sound as it is, and a success was one. Whether there is nothing left to do.
    #[track_caller]
    fn is_done(&self, tried: &Try) -> bool {
        let (site, went_well) = (&self.site, self.went_well(tried));
        // Stock does not go on with a clone, nor does it clean up.
        if site.op == Op::Clone && site.client == Who::Stock && !went_well {
            remove(&site.here);
        }
        for file in site.files() {
            site.frond.verify(&file);
        }
        let is_done = went_well || site.op == Op::Clone && site.here.exists();
        if is_done {
            site.did_what_it_said();
        }
        is_done
    }

    #[track_caller]
    fn run(&mut self, rng: &mut Rng) {
        let mut is_done = false;
        while self.kills < KILLS && !is_done {
            let when = self.when(rng);
            let tried = self.attempt(when);
            is_done = self.is_done(&tried);
        }
        let server = self.site.serve(self.server);
        self.proxy.reset();
        self.proxy.lead_to(server.address);
        if !is_done {
            let said = ended(&mut self.site.command(&self.proxy.url_as("dev", "pw")));
            let tried = Try { said, died: false };
            assert!(self.is_done(&tried), "{}", tried.said);
        }
        self.site.settles(&server);
        self.site.is_sound();
        if (self.site.client, self.server) == (Who::Frond, Who::Frond) {
            self.site.tables_agree();
        }
    }
}

/// Tears the log of a file that nobody has open: SQLite's write-ahead log, a header of 32 bytes and frames, each of them
/// a page with 24 bytes before it. Says whether there was one. Where pages of it are in the file already it is left
/// alone: they go there once the disk has the log, which is not torn any more.
fn tear(file: &Path, tear: Tear, rng: &mut Rng) -> bool {
    let (log, index) = (beside(file, "-wal"), beside(file, "-shm"));
    let number = |bytes: &[u8], at: usize| Some(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).unwrap());
    let mut frames = std::fs::read(&log).unwrap_or_default();
    let Some(page_bytes) = number(&frames, 8).map(u32::from_be_bytes) else { return false };
    let moved = number(&std::fs::read(&index).unwrap(), 96).map(u32::from_ne_bytes);
    let frame_bytes = 24 + page_bytes as usize;
    let count = frames.len().saturating_sub(32) / frame_bytes;
    if moved != Some(0) || count == 0 {
        return false;
    }
    match tear {
        Tear::Cut => frames.truncate(rng.below(frames.len())),
        Tear::Garbled => {
            let garbage_bytes = rng.between(8, 512);
            let garbage = rng.bytes(garbage_bytes);
            let at = 32 + (count - 1) * frame_bytes + rng.below(frame_bytes - garbage_bytes);
            frames[at..at + garbage_bytes].copy_from_slice(&garbage);
        }
    }
    std::fs::write(&log, frames).unwrap();
    std::fs::remove_file(&index).unwrap();
    true
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

/// The same command, ended by the system in the middle of the write that would make a file longer than so many blocks
/// of 512 bytes.
fn ended_at(blocks: u64, command: &Command) -> Command {
    within("sh", ["-c", &format!("ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\"")], command)
}

fn remove(file: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(file, suffix));
    }
}

#[track_caller]
fn nothing_is_lost(theme: u64, client: Who, server: Who) {
    for mut round in rounds(theme) {
        for op in OPS {
            for victim in [Victim::Client, Victim::Server] {
                // Three moments may all be too late, by some seeds: who ends well before is not killed.
                let was_killed = (0..TRIES).any(|_| {
                    let (site, proxy) = (Site::new(op, client), Proxy::start(NOWHERE.into()));
                    let mut duel = Duel { site, server, victim, proxy, kills: 0 };
                    duel.run(&mut round.rng);
                    duel.kills > 0
                });
                assert!(was_killed, "{op:?}: the {victim:?} was never killed");
            }
        }
    }
}

#[test]
fn frond_and_its_own_server_lose_nothing_when_killed() {
    nothing_is_lost(1, Who::Frond, Who::Frond);
}

#[test]
fn frond_and_a_stock_server_lose_nothing_when_killed() {
    nothing_is_lost(2, Who::Frond, Who::Stock);
}

#[test]
fn stock_and_a_server_of_frond_lose_nothing_when_killed() {
    nothing_is_lost(3, Who::Stock, Who::Frond);
}

/// The disk forgets more here than one that was waited for would: what clients were told may be gone, but no commit is
/// there by halves, and a client brings again what it believes there.
#[test]
fn a_write_that_was_torn_is_undone() {
    for mut round in rounds(14) {
        let (mut torn, mut undone) = (0, 0);
        for _ in 0..TRIES {
            let op = if torn < 2 { Op::Push } else { Op::Sync };
            let (site, proxy) = (Site::new(op, Who::Frond), Proxy::start(NOWHERE.into()));
            let mut duel = Duel { site, server: Who::Frond, victim: Victim::Server, proxy, kills: 0 };
            // Beyond the last byte, it is killed once the client was told that all is done.
            let byte = clean(op, Who::Frond).traffic.up as f64 * round.rng.unit() * 1.25;
            duel.attempt(When::On(Moment::Byte(Way::Up, byte as u64)));
            let site = &duel.site;
            let whole = site.scratch.copy(&site.there, "whole.fossil");
            let _ = std::fs::copy(beside(&site.there, "-wal"), beside(&whole, "-wal"));
            let how = if torn % 2 == 0 { Tear::Cut } else { Tear::Garbled };
            if !tear(&site.there, how, &mut round.rng) {
                continue;
            }
            torn += 1;
            site.frond.verify(&site.there);
            let (kept, held) = (compare::artifacts(&site.there), compare::artifacts(&whole));
            assert!(kept.is_subset(&held), "{op:?}, {how:?}: there is more than before");
            undone += usize::from(kept != held);
            let server = site.serve(Who::Frond);
            site.settles(&server);
            site.is_sound();
            site.tables_agree();
            if torn == TEARS {
                break;
            }
        }
        assert!(torn > 0 && undone > 0, "{torn} logs were torn, {undone} lost something by it");
    }
}
