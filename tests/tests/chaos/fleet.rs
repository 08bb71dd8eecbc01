//! A chain and a ring of repositories, each of them served by a process of its own while it syncs with its neighbour: what is
//! made at one comes to the others by way of those between, however often servers and clients are killed meanwhile. One of those
//! between is stock's: it serves, syncs and makes check-ins with stock.

use std::sync::{Arc, Mutex};
use std::thread;

use frond_tests::frond::UNREACHABLE;
use frond_tests::process::Process;
use frond_tests::proxy::{Moment, Way};

use super::kills::Victim;
use super::stock::{self, Checkout, Trouble};
use super::*;

/// Check-ins that are made at each, with a sync after each.
const EACH: usize = 3;
/// Kills at each server, of itself and of who asks it in turn.
const KILLS: usize = 4;
/// Tries of one sync: more than kills can spoil.
const TRIES: usize = 40;
/// Bytes that a server sends between two kills, at most: within a request of those that come often, or a transfer.
const LIFE_BYTES: [usize; 3] = [300, 1_000, 30_000];

/// Who asks whom, by their places.
type Edge = (usize, usize);

const CHAIN: [Edge; 4] = [(1, 0), (2, 1), (3, 2), (4, 3)];
const RING: [Edge; 3] = [(0, 1), (1, 2), (2, 0)];

/// A repository that is served.
struct Member {
    /// Whose program serves it, and syncs.
    who: Who,
    frond: Frond,
    fossil: Fossil,
    scratch: Scratch,
    branch: String,
    file: PathBuf,
    /// Where stock makes check-ins.
    checkout: Option<Checkout>,
    server: Mutex<Server>,
    /// One address for all of its servers.
    proxy: Proxy,
    /// Who asks it, or did.
    client: Mutex<Option<Process>>,
    chance: Mutex<Chance>,
}

/// What is still to be done to a server and who asks it, and what was.
struct Chance {
    rng: Rng,
    next: Victim,
    left: usize,
    killed: Vec<Victim>,
}

impl Member {
    /// The first has all of the history, the others a part. `next` is who is killed first.
    #[track_caller]
    fn start(at: usize, who: Who, next: Victim, rng: &mut Rng) -> Arc<Self> {
        let (frond, fossil, scratch) = (Frond::new(), Fossil::new(), Scratch::new());
        let base =
            if at == 0 { side("there", Base::Whole, Op::Sync) } else { side("here", Base::Part, Op::Sync) };
        let file = scratch.copy(&base, &format!("member-{at}.fossil"));
        let up = most_up(who);
        sql::execute(
            &file,
            &format!("REPLACE INTO config(name, value, mtime) VALUES('max-upload', {up}, 0)"),
        );
        let branch = format!("member-{at}");
        let checkout = (who == Who::Stock).then(|| Checkout::open(&scratch, &file, &branch));
        let server = serve(&fossil, &frond, who, &file);
        let proxy = Proxy::start(server.address);
        let rng = Rng::new(rng.bits());
        Arc::new(Self {
            who,
            frond,
            fossil,
            scratch,
            branch,
            file,
            checkout,
            server: Mutex::new(server),
            proxy,
            client: Mutex::default(),
            chance: Mutex::new(Chance { rng, next, left: KILLS, killed: Vec::new() }),
        })
    }

    /// Chooses the moment of the next kill: the first is soon.
    fn arm(self: &Arc<Self>) {
        let chance = &mut *self.chance.lock().unwrap();
        if chance.left == 0 {
            return;
        }
        chance.left -= 1;
        let life = if chance.killed.is_empty() { LIFE_BYTES[0] } else { chance.rng.pick(&LIFE_BYTES) };
        let moment = self.proxy.traffic().down + chance.rng.below(life) as u64;
        let member = Arc::downgrade(self);
        self.proxy.at(Moment::Byte(Way::Down, moment), move || {
            if let Some(member) = member.upgrade() {
                member.strike();
            }
        });
    }

    fn strike(&self) {
        let victim = self.chance.lock().unwrap().next;
        let client = self.client.lock().unwrap().clone().unwrap();
        let was_alive = victim == Victim::Server || !client.has_ended();
        match victim {
            Victim::Server => self.restart(),
            Victim::Client => client.kill(),
        }
        let chance = &mut *self.chance.lock().unwrap();
        chance.killed.extend(was_alive.then_some(victim));
        chance.next = if victim == Victim::Server { Victim::Client } else { Victim::Server };
    }

    /// Kills the server, and starts another one on the same file.
    fn restart(&self) {
        let mut server = self.server.lock().unwrap();
        server.process().kill();
        *server = serve(&self.fossil, &self.frond, self.who, &self.file);
        self.proxy.lead_to(server.address);
    }

    /// Who was killed; now nobody is any more.
    fn peace(&self) -> Vec<Victim> {
        self.proxy.reset();
        self.chance.lock().unwrap().killed.clone()
    }

    /// Makes check-ins, and brings each to a neighbour; gives their names.
    #[track_caller]
    fn works(&self, neighbour: Option<&Arc<Self>>) -> Vec<String> {
        let mut made = Vec::new();
        for number in 0..EACH {
            made.push(self.makes(number));
            let Some(neighbour) = neighbour else { continue };
            let brought = (0..TRIES).any(|_| {
                if !neighbour.proxy.is_armed() {
                    neighbour.arm();
                }
                self.went_well(&self.syncs(neighbour))
            });
            assert!(brought, "{} did not get through in {TRIES} tries", self.branch);
            let held = compare::artifacts(&neighbour.file);
            assert!(made.iter().all(|name| held.contains(name)), "{} believes {made:?} brought", self.branch);
        }
        made
    }

    /// Makes a check-in, and gives its name.
    #[track_caller]
    fn makes(&self, number: usize) -> String {
        if let Some(checkout) = &self.checkout {
            return checkout.check_in(number);
        }
        let said = check_in(&self.frond, &self.scratch, &self.file, &self.branch, &number.to_string());
        assert_eq!(said.code, Some(0), "{said}");
        checkin(&said)
    }

    /// Whether a sync went well. It fails in ways that a retry may mend, unless it is killed.
    #[track_caller]
    fn went_well(&self, said: &Said) -> bool {
        if self.who == Who::Stock {
            return stock::went_well(said, Trouble::SharedFile);
        }
        assert!(matches!(said.code, Some(0 | UNREACHABLE) | None), "{said}");
        said.code == Some(0)
    }

    /// Syncs with a neighbour, whatever comes of it.
    #[track_caller]
    fn syncs(&self, neighbour: &Self) -> Said {
        let url = neighbour.proxy.url_as("dev", "pw");
        let words = ["sync", &url, "-u", "-R", self.file.to_str().unwrap()];
        let mut command = command_by(&self.fossil, &self.frond, self.who, words);
        let running = {
            // Who is to kill it waits until it is known.
            let mut client = neighbour.client.lock().unwrap();
            let running = Running::start(&mut command);
            *client = Some(running.process());
            running
        };
        running.end(HANGS)
    }

    /// Nobody finds fault with it.
    #[track_caller]
    fn is_sound(&self) {
        self.frond.verify(&self.file);
        self.fossil.test_integrity(&self.file);
    }

    fn rows(&self) -> String {
        self.frond.output(["table", "dump", "hosts", "-R", self.file.to_str().unwrap()])
    }
}

/// Syncs over each edge, again and again, until no pass brings anything: one for each that something comes by, as many for a
/// cluster that is made on the way, and one that has nothing to do.
#[track_caller]
fn settle(members: &[Arc<Member>], edges: &[Edge]) {
    let held = || members.iter().map(|member| compare::artifacts(&member.file)).collect::<Vec<_>>();
    let mut before = held();
    let most = 2 * members.len();
    for _ in 0..most {
        for &(asks, asked) in edges {
            let said = members[asks].syncs(&members[asked]);
            assert!(members[asks].went_well(&said), "{asks} cannot sync with {asked}: {said}");
        }
        let after = held();
        if after == before {
            return;
        }
        before = after;
    }
    panic!("{most} passes, and still something comes");
}

#[track_caller]
fn comes_everywhere(theme: u64, count: usize, edges: &[Edge]) {
    for mut round in rounds(theme) {
        // In the midst of all, between two of Frond.
        let stock = 1 + round.rng.below(count - 2);
        let members: Vec<_> = (0..count)
            .map(|at| {
                let who = if at == stock { Who::Stock } else { Who::Frond };
                // So that stock's client is killed, and its server.
                let first = if edges.contains(&(stock, at)) { Victim::Client } else { Victim::Server };
                Member::start(at, who, first, &mut round.rng)
            })
            .collect();
        let began_with: BTreeSet<String> =
            members.iter().flat_map(|member| compare::artifacts(&member.file)).collect();
        let made: Vec<String> = thread::scope(|scope| {
            let work = |at: usize| {
                let asked = edges.iter().find(|(asks, _)| *asks == at).map(|(_, asked)| &members[*asked]);
                members[at].works(asked)
            };
            let threads: Vec<_> = (0..count).map(|at| scope.spawn(move || work(at))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let killed: Vec<_> = members.iter().map(|member| member.peace()).collect();
        let stocks = edges.iter().find(|(asks, _)| *asks == stock).map(|(_, asked)| &killed[*asked]);
        assert!(
            stocks.unwrap().contains(&Victim::Client) && killed[stock].contains(&Victim::Server),
            "member {stock} was not killed as both, but {killed:?}"
        );
        for member in &members {
            member.restart();
            member.frond.verify(&member.file);
        }
        settle(&members, edges);
        for member in &members {
            let held = compare::artifacts(&member.file);
            let lost: Vec<_> = began_with.iter().chain(&made).filter(|name| !held.contains(*name)).collect();
            assert!(lost.is_empty(), "{} lacks {lost:?}", member.branch);
            compare::contents_equal(&member.file, &members[0].file);
            assert_eq!(compare::unversioned(&member.file), compare::unversioned(&members[0].file));
            member.is_sound();
        }
        // Stock knows no rows.
        for &(asks, asked) in edges.iter().filter(|(asks, asked)| ![asks, asked].contains(&&stock)) {
            assert_eq!(members[asks].rows(), members[asked].rows(), "at {asks} and {asked}");
        }
        compare::are_sound(&members[0].fossil, [&members[stock].file, &members[count - 1].file]);
    }
}

#[test]
fn what_is_made_in_a_chain_comes_to_all_of_it_however_often_servers_and_clients_are_killed() {
    comes_everywhere(15, 5, &CHAIN);
}

#[test]
fn what_is_made_in_a_ring_comes_to_all_of_it_however_often_servers_and_clients_are_killed() {
    comes_everywhere(16, 3, &RING);
}
