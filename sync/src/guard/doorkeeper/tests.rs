use super::*;

const HERE: Option<&str> = Some("198.51.100.7");
const THERE: Option<&str> = Some("203.0.113.9");
const PROXY: Option<&str> = Some("127.0.0.1");

/// A doorkeeper, and the time in milliseconds.
#[derive(Default)]
struct Door(Doorkeeper, i64);

impl Door {
    fn attempt<T>(&self, user: &str, peer: Option<&str>, then: impl FnOnce(&Attempt<'_>) -> T) -> T {
        let nonce = hash::sha1(format!("{} {user} {peer:?}", self.1).as_bytes());
        let now = UnixTime(1_795_229_633_000 + self.1);
        then(&Attempt { project: "p", user, nonce: &nonce, peer, now })
    }

    /// For how many seconds a login is not checked.
    fn wait(&self, user: &str, peer: Option<&str>) -> u64 {
        match self.attempt(user, peer, |attempt| self.0.admit(attempt)) {
            Admission::Granted => 0,
            Admission::Wait { seconds } => seconds,
        }
    }

    /// Waits as long as it is told to, and fails.
    fn fail(&mut self, user: &str, peer: Option<&str>) -> u64 {
        let wait = self.wait(user, peer);
        self.1 += wait as i64 * 1000;
        self.attempt(user, peer, |attempt| self.0.failed(attempt));
        wait
    }

    fn prove(&mut self, user: &str, peer: Option<&str>) -> Freshness {
        self.1 += 1;
        self.attempt(user, peer, |attempt| self.0.proved(attempt))
    }

    /// The waits of so many failures in a row.
    fn waits(&mut self, count: u32, user: impl Fn(u32) -> String, peer: impl Fn(u32) -> String) -> Vec<u64> {
        (0..count).map(|number| self.fail(&user(number), Some(&peer(number)))).collect()
    }
}

fn bob(_: u32) -> String {
    "bob".to_owned()
}

fn user(number: u32) -> String {
    format!("user{number}")
}

fn here(_: u32) -> String {
    "198.51.100.7".to_owned()
}

fn host(number: u32) -> String {
    format!("203.0.{}.{}", number / 200, number % 200)
}

#[test]
fn five_failures_are_free_and_each_further_one_doubles_the_wait() {
    let waits = Door::default().waits(15, bob, here);
    assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 64, 64, 64]);
}

#[test]
fn an_address_waits_whomever_it_names() {
    let waits = Door::default().waits(9, user, here);
    assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8]);
}

#[test]
fn a_user_waits_wherever_it_comes_from_but_not_long() {
    let waits = Door::default().waits(10, bob, host);
    assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 4, 4]);
}

#[test]
fn others_do_not_wait() {
    let mut door = Door::default();
    door.waits(10, bob, here);
    assert_eq!(door.wait("alice", THERE), 0);
    assert_eq!(door.wait("alice", HERE), 32, "the address");
    assert_eq!(door.wait("bob", THERE), 4, "the user");
}

#[test]
fn a_stranger_at_one_address_bars_a_user_from_elsewhere_for_a_sixteenth_of_the_time() {
    let mut door = Door::default();
    door.waits(20, bob, here);
    let mut turns = [THERE, HERE].map(|peer| {
        let begun = door.1;
        while door.wait("bob", peer) > 0 {
            door.1 += 1000;
        }
        (door.1 - begun) / 1000
    });
    turns[1] += turns[0];
    assert_eq!(turns, [4, 64]);
}

#[test]
fn a_user_who_is_known_at_an_address_does_not_wait_there() {
    let mut door = Door::default();
    door.prove("bob", THERE);
    door.waits(10, bob, host);
    assert_eq!((door.wait("bob", THERE), door.wait("bob", HERE)), (0, 4));
    door.fail("bob", THERE);
    assert_eq!(door.wait("bob", THERE), 4, "until a login fails there");
    door.1 += TRUST_MS;
    door.prove("bob", HERE);
    door.waits(10, bob, host);
    door.1 += TRUST_MS - 60_000;
    door.waits(10, bob, host);
    assert_eq!(door.wait("bob", HERE), 0);
    door.1 += 61_000;
    door.waits(1, bob, host);
    assert_eq!(door.wait("bob", HERE), 4, "a day later");
}

#[test]
fn an_address_that_keeps_failing_is_not_trusted_for_a_login_in_between() {
    let mut door = Door::default();
    door.waits(6, user, here);
    door.1 += 64_000;
    door.prove("bob", HERE);
    door.fail("alice", HERE);
    assert!(door.wait("bob", HERE) > 0);
}

#[test]
fn what_is_not_checked_makes_nobody_wait_longer() {
    let mut door = Door::default();
    door.waits(6, bob, here);
    for _ in 0..100 {
        assert_eq!(door.wait("bob", HERE), 2);
    }
    door.1 += 2000;
    assert_eq!(door.wait("bob", HERE), 0);
}

#[test]
fn of_those_that_come_at_once_one_is_checked() {
    let mut door = Door::default();
    assert_eq!([0; 10].map(|_| door.wait("bob", HERE)), [0; 10], "nobody failed yet");
    door.waits(8, bob, here);
    door.1 += 8000;
    assert_eq!([0; 3].map(|_| door.wait("bob", HERE)), [0, 8, 8]);
    door.1 += 8000;
    assert_eq!(door.wait("bob", HERE), 0);
    door.prove("bob", HERE);
    assert_eq!(door.wait("bob", HERE), 0, "the next round of the one who was right");
}

#[test]
fn a_quarter_of_an_hour_without_a_failure_and_all_is_forgotten() {
    let mut door = Door::default();
    door.waits(20, bob, here);
    door.1 += FORGET_MS;
    assert_eq!(door.waits(6, bob, here), [0, 0, 0, 0, 0, 1]);
}

#[test]
fn a_web_server_before_us_does_not_wait_for_its_visitors() {
    let mut door = Door::default();
    for number in 0..20 {
        assert_eq!(door.fail(&user(number), PROXY), 0);
    }
    for number in 0..10 {
        assert!(door.fail("bob", PROXY) <= 4, "failure {number}");
    }
    door.prove("bob", PROXY);
    assert_eq!(door.wait("bob", PROXY), 4, "a login there vouches for nobody else there");
    assert_eq!(door.wait("alice", None), 0);
}

#[test]
fn a_network_of_ipv6_counts_as_one_address() {
    let mut door = Door::default();
    door.waits(6, user, |number| format!("2001:db8::{number:x}"));
    assert!(door.wait("alice", Some("2001:db8::ffff")) > 0);
    assert_eq!(door.wait("alice", Some("2001:db8:0:1::1")), 0);
    door.waits(6, user, |_| "::ffff:203.0.113.9".to_owned());
    assert!(door.wait("alice", THERE) > 0, "the same address, written otherwise");
}

#[test]
fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
    let mut door = Door::default();
    door.waits(6, bob, here);
    door.1 -= 3_600_000;
    assert_eq!(door.wait("bob", HERE), 2);
}

#[test]
fn a_request_counts_once() {
    let door = Door::default();
    let prove = |user| door.attempt("x", HERE, |attempt| door.0.proved(&Attempt { user, ..*attempt }));
    assert_eq!(
        [prove("bob"), prove("bob"), prove("alice")],
        [Freshness::First, Freshness::Again, Freshness::First]
    );
}

#[test]
fn memory_is_bounded_and_the_oldest_go_first() {
    let mut door = Door::default();
    for number in 0..KEPT as u32 + 100 {
        door.1 += 1;
        door.attempt(&user(number), PROXY, |attempt| door.0.failed(attempt));
        door.attempt(&user(number), HERE, |attempt| door.0.proved(attempt));
    }
    for _ in 0..ANSWERED {
        door.prove("bob", HERE);
    }
    let book = door.0.book();
    assert_eq!((book.failures.len(), book.trusted.len()), (KEPT, KEPT));
    assert_eq!((book.answered.len(), book.order.len()), (ANSWERED, ANSWERED));
    let key = |user: &str| door.attempt(user, PROXY, |attempt| Keys::of(attempt).user);
    assert!(!book.failures.contains_key(&key("user0")) && book.failures.contains_key(&key("user10099")));
}

#[test]
fn requests_are_known_for_a_day() {
    let mut door = Door::default();
    door.prove("bob", HERE);
    door.1 += ANSWERED_MS;
    door.prove("bob", HERE);
    assert_eq!(door.0.book().answered.len(), 1);
}
