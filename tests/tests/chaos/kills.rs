//! `kill -9` of the client or the server in the middle of a clone, pull, push or sync, again and again.
//!
//! The moment is a byte on the line, the beginning of a request or reply, or a byte of the file that grows.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use frond_tests::process::{Process, within};
use frond_tests::proxy::{Moment, Way};
use frond_tests::{Proxy, frond};

use super::*;

/// Kills of one operation. What is left then is done in peace.
const KILLS: usize = 3;

/// Where no server is yet.
const NOWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
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

fn bytes(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

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

    /// One try, with a kill in it, if it takes that long. Says what the client said.
    #[track_caller]
    fn attempt(&mut self, when: When) -> Said {
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
        said
    }

    /// What was left by a kill is sound as it is, and a success was one.
    #[track_caller]
    fn check(&self, said: &Said) {
        let site = &self.site;
        match (site.client, said.code) {
            (Who::Frond, Some(0)) => site.did_what_it_said(),
            (Who::Frond, Some(_)) => says_clearly(said, frond::UNREACHABLE),
            _ => {}
        }
        // Stock does not go on with a clone, nor does it clean up.
        if site.op == Op::Clone && site.client == Who::Stock && said.code != Some(0) {
            remove(&site.here);
        }
        for file in site.files() {
            site.frond.verify(&file);
        }
        if site.op == Op::Clone && site.client == Who::Frond && site.here.exists() {
            site.did_what_it_said();
        }
    }

    /// Whether there is nothing left to do.
    fn is_done(&self, said: &Said) -> bool {
        said.code == Some(0) || self.site.op == Op::Clone && self.site.here.exists()
    }

    #[track_caller]
    fn run(&mut self, rng: &mut Rng) {
        let mut is_done = false;
        while self.kills < KILLS && !is_done {
            let when = self.when(rng);
            let said = self.attempt(when);
            self.check(&said);
            is_done = self.is_done(&said);
        }
        let server = self.site.serve(self.server);
        self.proxy.reset();
        self.proxy.lead_to(server.address);
        if !is_done {
            let said = ended(&mut self.site.command(&self.proxy.url_as("dev", "pw")));
            assert_eq!(said.code, Some(0), "{said}");
            self.site.did_what_it_said();
        }
        self.site.settles(&server);
        self.site.is_sound();
        if (self.site.client, self.server) == (Who::Frond, Who::Frond) {
            self.site.tables_agree();
        }
    }
}

/// The same command, ended by the system in the middle of the write that would make a file longer than so many blocks
/// of 512 bytes.
fn ended_at(blocks: u64, command: &Command) -> Command {
    within("sh", ["-c", &format!("ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\"")], command)
}

fn remove(file: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
}

#[track_caller]
fn nothing_is_lost(theme: u64, client: Who, server: Who) {
    for mut round in rounds(theme) {
        for op in OPS {
            for victim in [Victim::Client, Victim::Server] {
                let (site, proxy) = (Site::new(op, client), Proxy::start(NOWHERE.into()));
                let mut duel = Duel { site, server, victim, proxy, kills: 0 };
                duel.run(&mut round.rng);
                assert!(duel.kills > 0, "{op:?}: the {victim:?} was never killed");
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
