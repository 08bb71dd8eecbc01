//! Logins: who is slowed down, what counts once, what a user inherits. Numbers are those of the table of limits
//! and edge cases.

use repo::UnixTime;

use crate::guard::Doorkeeper;
use crate::testing::{Fixture, NOW, check_reply, holding, message, printed, signed, spelled};
use crate::{Cx, NoFaults, NoObserver};

/// A server with a guard, where `bob` may read and nobody may do anything.
struct Guarded {
    server: Fixture,
    guard: Doorkeeper,
    seconds: i64,
    requests: u32,
}

impl Guarded {
    fn new() -> Self {
        let server = holding("A").rights("bob", "o").rights("nobody", "");
        Self { server, guard: Doorkeeper::default(), seconds: 0, requests: 0 }
    }

    /// The first line of the reply to a request from somewhere.
    fn reply(&mut self, request: &str, peer: &str) -> String {
        let mut observer = NoObserver;
        let mut cx = Cx {
            now: UnixTime::from_seconds(NOW.seconds() + self.seconds),
            clock: None,
            limits: &self.server.limits,
            peer: Some(peer),
            guard: &self.guard,
            buggify: &NoFaults,
            observer: &mut observer,
        };
        let reply = crate::handle_sync(&mut self.server.repo, &message(request), &mut cx).unwrap();
        printed(&reply).lines().next().unwrap_or_default().to_owned()
    }

    /// A request of bob's that was not sent before.
    fn pull(&mut self) -> String {
        self.requests += 1;
        signed(&format!("pull {{S}} {{P}}\n# {}\n", self.requests))
    }

    /// The same, with a signature that is not right.
    fn guess(&mut self) -> String {
        let mut request = message(&self.pull());
        let login = request.login.as_mut().unwrap();
        login.signature = xfer::hash::sha1(b"a guess");
        printed(&request)
    }
}

const HERE: &str = "198.51.100.7";
const THERE: &str = "203.0.113.9";
const FAILED: &str = "error login\\sfailed";
const WAIT: &str = "error too\\smany\\sfailed\\slogins,\\stry\\sagain\\sin\\s";

#[test]
fn who_guesses_waits_and_may_log_in_afterwards() {
    let mut guarded = Guarded::new();
    for _ in 0..5 {
        let guess = guarded.guess();
        assert_eq!(guarded.reply(&guess, HERE), FAILED);
    }
    for _ in 0..3 {
        let (guess, pull) = (guarded.guess(), guarded.pull());
        assert_eq!(guarded.reply(&guess, HERE), format!("{WAIT}1\\sseconds"), "wrong");
        assert_eq!(guarded.reply(&pull, HERE), format!("{WAIT}1\\sseconds"), "right");
        assert_eq!(
            guarded.reply("pull {S} {P}\n", HERE),
            "error not\\sauthorized\\sto\\sread",
            "without a login"
        );
    }
    guarded.seconds += 1;
    let pull = guarded.pull();
    assert_eq!(guarded.reply(&pull, HERE), spelled("igot {A}"));
}

#[test]
fn a_user_whom_a_stranger_attacks_logs_in_from_elsewhere_within_seconds() {
    let mut guarded = Guarded::new();
    for _ in 0..12 {
        guarded.seconds += 64;
        let guess = guarded.guess();
        assert_eq!(guarded.reply(&guess, HERE), FAILED);
    }
    let pull = guarded.pull();
    assert_eq!(guarded.reply(&pull, THERE), format!("{WAIT}4\\sseconds"));
    guarded.seconds += 4;
    let (guess, pull) = (guarded.guess(), guarded.pull());
    assert_eq!(guarded.reply(&guess, HERE), format!("{WAIT}60\\sseconds"));
    assert_eq!(guarded.reply(&pull, THERE), spelled("igot {A}"));
}

#[test]
fn a_request_that_is_not_what_was_signed_is_no_guess() {
    let mut guarded = Guarded::new();
    for _ in 0..20 {
        let changed = format!("{}# more\n", guarded.pull());
        assert_eq!(guarded.reply(&changed, HERE), FAILED);
    }
    let pull = guarded.pull();
    assert_eq!(guarded.reply(&pull, HERE), spelled("igot {A}"));
}

/// 59: a captured request reads nothing.
#[test]
fn a_signed_request_is_answered_once() {
    let mut guarded = Guarded::new();
    let (pull, other) = (guarded.pull(), guarded.pull());
    let again = "error this\\slogin\\swas\\sused\\sbefore,\\sand\\sis\\sgood\\sfor\\sone\\srequest";
    assert_eq!(guarded.reply(&pull, HERE), spelled("igot {A}"));
    assert_eq!(guarded.reply(&pull, HERE), again);
    assert_eq!(guarded.reply(&pull, THERE), again);
    assert_eq!(guarded.reply(&other, HERE), spelled("igot {A}"));
    let unsigned =
        "login nobody da39a3ee5e6b4b0d3255bfef95601890afd80709 da39a3ee5e6b4b0d3255bfef95601890afd80709\n";
    assert_eq!(guarded.reply(unsigned, HERE), guarded.reply(unsigned, HERE), "needs no secret");
}

/// As stock has it: what either stands for may itself be the other.
#[test]
fn letters_that_stand_for_a_user_are_followed_to_the_end() {
    let request = signed("pull {S} {P}\n# 1\n");
    let (yes, no) = ("igot {A}\n", "error not\\sauthorized\\sto\\sread\n");
    for (nobody, developer, reader, bob, expected) in [
        ("", "u", "o", "v", yes),
        ("", "o", "v", "u", yes),
        ("v", "o", "", "", yes),
        ("u", "", "o", "", yes),
        ("", "s", "", "v", yes),
        ("", "vo", "", "v", yes),
        ("", "o", "o", "d", no),
    ] {
        let server = holding("A").rights("nobody", nobody).rights("bob", bob);
        check_reply(server.rights("developer", developer).rights("reader", reader), &request, expected);
    }
}

/// Reference: wire.md section 4.5. Of each letter, what it is good for.
#[test]
fn each_letter_is_good_for_what_the_protocol_says() {
    let ask = |letter: &str, cards: &str| {
        let mut server = holding("A").private("B").rights("bob", letter).rights("nobody", "");
        let reply = server.reply(&signed(&format!("{cards}# {letter} {cards}")));
        !reply.contains("not\\sauthorized")
    };
    for (letter, clone, read, write, private, configure) in [
        ("g", true, false, false, false, false),
        ("o", false, true, false, false, false),
        ("i", false, true, true, false, false),
        ("x", false, false, false, true, false),
        ("y", false, false, false, false, false),
        ("e", false, false, false, false, false),
        ("a", true, true, true, false, true),
        ("s", true, true, true, false, true),
    ] {
        let may = [
            ask(letter, "clone 3 1\n"),
            ask(letter, "pull {S} {P}\n"),
            ask(letter, "push {S} {P}\n"),
            ask(letter, "pragma send-private\n"),
            ask(letter, "config /config 0\n\n"),
        ];
        assert_eq!(may, [clone, read, write, private, configure], "{letter}");
    }
}
