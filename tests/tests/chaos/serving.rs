//! A server that is killed again and again while several clients work with it, and started again on the same file.

use std::sync::{Arc, Mutex};
use std::thread;

use frond_tests::frond::{LOCKED, UNREACHABLE};
use frond_tests::proxy::{Moment, Way};
use frond_tests::{Proxy, Said};

use super::stock::{self, Trouble};
use super::*;

const KILLS: usize = 6;
/// Check-ins or wiki pages that each client makes, and brings to the server one by one.
const EACH: usize = 3;
/// Tries of each to bring it there: more than kills can spoil.
const TRIES: usize = 40;
/// Bytes that the server sends between two kills, at most.
const LIFE_BYTES: usize = 1_000;

/// The server, and what makes it a new one.
struct Hub {
    fossil: Fossil,
    frond: Frond,
    file: PathBuf,
    who: Who,
    proxy: Proxy,
    server: Mutex<Server>,
    chance: Mutex<(Rng, usize)>,
    /// What clients were told that it has.
    told: Mutex<BTreeSet<String>>,
    /// What of that a new server had not: a client that comes again would bring it again, so that it would not show.
    lost: Mutex<Vec<String>>,
}

impl Hub {
    #[track_caller]
    fn start(who: Who, file: PathBuf, rng: Rng) -> Arc<Self> {
        let (fossil, frond) = (Fossil::new(), Frond::new());
        let server = serve(&fossil, &frond, who, &file);
        let proxy = Proxy::start(server.address);
        let (server, chance) = (Mutex::new(server), Mutex::new((rng, 0)));
        let (told, lost) = (Mutex::default(), Mutex::default());
        Arc::new(Self { fossil, frond, file, who, proxy, server, chance, told, lost })
    }

    /// Chooses the moment of the next kill.
    fn arm(self: &Arc<Self>) {
        let (rng, kills) = &mut *self.chance.lock().unwrap();
        if *kills < KILLS {
            *kills += 1;
            let moment = self.proxy.traffic().down + rng.below(LIFE_BYTES) as u64;
            let hub = Arc::clone(self);
            self.proxy.at(Moment::Byte(Way::Down, moment), move || hub.kill());
        }
    }

    fn kill(self: &Arc<Self>) {
        let mut server = self.server.lock().unwrap();
        let told = self.told.lock().unwrap().clone();
        server.process().kill();
        *server = serve(&self.fossil, &self.frond, self.who, &self.file);
        let held = compare::artifacts(&self.file);
        self.lost.lock().unwrap().extend(told.difference(&held).cloned());
        self.proxy.lead_to(server.address);
        drop(server);
        self.arm();
    }

    /// What was told to clients is there now, and was after each kill.
    #[track_caller]
    fn lost_nothing(&self) {
        let (told, lost) = (self.told.lock().unwrap(), self.lost.lock().unwrap());
        let held = compare::artifacts(&self.file);
        let gone: Vec<_> = told.difference(&held).collect();
        assert!(
            gone.is_empty() && lost.is_empty(),
            "of {}, lost at a kill {lost:?}, for ever {gone:?}",
            told.len()
        );
    }

    /// How often the server was killed; now no more.
    fn peace(&self) -> usize {
        let left = usize::from(self.proxy.is_armed());
        self.proxy.reset();
        self.chance.lock().unwrap().1 - left
    }
}

/// A client of the hub, with artifacts of its own.
struct Client {
    who: Who,
    name: String,
    file: PathBuf,
    site: Site,
}

impl Client {
    /// Makes something and brings it to the hub, again and again; notes what arrived, as far as it was told.
    #[track_caller]
    fn works(&self, hub: &Hub, url: &str) {
        for number in 0..EACH {
            let made = self.make(number);
            let brought = (0..TRIES).any(|_| self.brings(url));
            assert!(brought, "{} did not get through in {TRIES} tries", self.name);
            hub.told.lock().unwrap().extend(made);
        }
    }

    /// Makes artifacts, and gives their names.
    #[track_caller]
    fn make(&self, number: usize) -> Vec<String> {
        let before = compare::artifacts(&self.file);
        match self.who {
            Who::Frond => drop(self.site.check_in(&self.file, &self.name, &format!("{number}"))),
            Who::Stock => {
                let text = self.site.scratch.write(&self.name, format!("page {number}\n"));
                let page = format!("Page-{}-{number}", self.name);
                let words =
                    ["wiki", "create", &page, text.to_str().unwrap(), "-R", self.file.to_str().unwrap()];
                self.site.fossil.output(words.map(str::to_owned));
            }
        }
        compare::artifacts(&self.file).difference(&before).cloned().collect()
    }

    /// Whether a sync went well, as far as the client says. Frond fails in ways that a retry may mend, and no others.
    #[track_caller]
    fn brings(&self, url: &str) -> bool {
        let said: Said = ended(&mut self.site.command(url));
        match self.who {
            Who::Frond => {
                assert!(matches!(said.code, Some(0 | UNREACHABLE)), "{said}");
                said.code == Some(0)
            }
            Who::Stock => stock::went_well(&said, Trouble::KilledServer),
        }
    }
}

#[track_caller]
fn what_was_brought_stays(theme: u64, server: Who, clients: &[Who]) {
    for round in rounds(theme) {
        let base = Site::new(Op::Sync, Who::Frond);
        let hub = Hub::start(server, base.there.clone(), round.rng.clone());
        let url = hub.proxy.url_as("dev", "pw");
        let clients: Vec<Client> = clients
            .iter()
            .enumerate()
            .map(|(at, who)| {
                let site = Site::new(Op::Sync, *who);
                Client { who: *who, name: format!("client-{at}"), file: site.here.clone(), site }
            })
            .collect();
        // In step from the start, so that kills meet what is new.
        for client in &clients {
            assert!(client.brings(&url));
        }
        hub.arm();
        thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| client.works(&hub, &url));
            }
        });
        let kills = hub.peace();
        assert!(kills > 1, "killed {kills} times only");
        hub.lost_nothing();
        for client in &clients {
            assert!(client.brings(&url));
        }
        for client in &clients {
            assert!(client.brings(&url));
            compare::contents_equal(&client.file, &hub.file);
            assert_eq!(compare::unversioned(&client.file), compare::unversioned(&hub.file));
            client.site.frond.verify(&client.file);
            base.fossil.test_integrity(&client.file);
        }
        base.frond.verify(&hub.file);
        compare::are_sound(&base.fossil, [&hub.file, &clients[0].file]);
    }
}

#[test]
fn what_was_brought_to_a_server_of_frond_stays_however_often_it_is_killed() {
    what_was_brought_stays(4, Who::Frond, &[Who::Frond, Who::Frond, Who::Stock]);
}

#[test]
fn what_was_brought_to_a_stock_server_stays_however_often_it_is_killed() {
    what_was_brought_stays(5, Who::Stock, &[Who::Frond, Who::Frond]);
}

/// A check-in that was told is there, a check-in that was not told is there as a whole or not at all: while a server
/// on the same file is killed.
#[test]
fn check_ins_beside_a_server_that_is_killed_stay() {
    for round in rounds(6) {
        let site = Site::new(Op::Sync, Who::Frond);
        let hub = Hub::start(Who::Frond, site.there.clone(), round.rng.clone());
        let url = hub.proxy.url_as("dev", "pw");
        let client = Client { who: Who::Frond, name: "client".into(), file: site.here.clone(), site };
        hub.arm();
        thread::scope(|scope| {
            scope.spawn(|| client.works(&hub, &url));
            for number in 0..8 {
                let said = client.site.try_check_in(&hub.file, "beside", &format!("{number}"));
                assert_ne!(said.code, Some(LOCKED), "{said}");
                hub.told.lock().unwrap().insert(checkin(&said));
            }
        });
        assert!(hub.peace() > 1, "too few kills");
        hub.lost_nothing();
        let beside = "SELECT count(*) FROM tagxref WHERE tagid=8 AND value='beside'";
        assert_eq!(sql::number(&hub.file, beside), 8);
        assert!(client.brings(&url));
        client.site.is_settled();
        client.site.is_sound();
    }
}
