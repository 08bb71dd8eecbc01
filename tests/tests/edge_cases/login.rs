//! Who asks, and how that is shown (section C).

use frond_tests::corpus::PROJECT;
use frond_tests::scripted::Request;
use frond_tests::{Reply, http, sql};
use xfer::hash::{sha1, sha3_256};

use crate::cards::{file, name};
use crate::signing::{add_user, login, login_of, secret, signed};
use crate::support::{
    ClientCase, END, PULL, PUSH, ServerCase, VERSION, answered, clone_tail, once, pull_cards, refused,
    refused_as, taken,
};

const FAILED: &str = "login\\sfailed";
const CANNOT_READ: &str = "not\\sauthorized\\sto\\sread";
const NEWS: &str = "something new\n";

pub(crate) fn login_after_push(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "i");
    let tail = [file(NEWS), b"# late\n".to_vec()].concat();
    let login = login("bob", &secret("bob", "pw"), &tail);
    refused(&case.cards([VERSION.as_bytes(), PUSH.as_bytes(), login.as_bytes(), &tail].concat()));
    assert!(!case.holds(&name(NEWS)));
    taken(&case.push(file(NEWS)));
    assert!(case.holds(&name(NEWS)));
}

/// In every round, and made as the reference says.
pub(crate) fn login_comes_first(case: &ClientCase<'_>) {
    let promise = format!("igot {}\n", name("never sent"));
    for command in ["pull", "push", "sync"] {
        let outcome = case.session(&[command], "bob:pw@", case.ahead().0, once(promise.clone()));
        outcome.went_well();
        assert_eq!(outcome.requests.len(), if command == "push" { 1 } else { 2 }, "{command}");
        outcome.requests.iter().for_each(|request| is_signed(request, "bob"));
    }
}

#[track_caller]
fn is_signed(request: &Request, user: &str) {
    let (card, tail) = request.text.split_once('\n').unwrap();
    let expected = login(&user.replace(' ', "\\s"), &secret(user, "pw"), tail.as_bytes());
    assert_eq!(format!("{card}\n"), expected, "{}", request.text);
}

pub(crate) fn wrong_nonce(case: &ServerCase<'_>) {
    for user in ["nobody", "anonymous", "dev"] {
        let card = login_of(user, &secret(user, "pw"), &sha1(b"another message"));
        refused_as(&case.cards(format!("{card}{VERSION}{PULL}# 5e3d\n")), FAILED);
    }
}

pub(crate) fn who_needs_no_signature_gets_no_rights(case: &ServerCase<'_>) {
    let closed = ServerCase::of_bob(case.bench, "");
    sql::execute(&closed.file, "UPDATE user SET cap='giosxy' WHERE login='anonymous'");
    for user in ["nobody", "anonymous"] {
        let request = |purpose: &str| {
            let tail = format!("{VERSION}{purpose}# 5e3d\n");
            login(user, "no secret", tail.as_bytes()) + &tail
        };
        answered(&case.cards(request(PULL)));
        refused_as(&closed.cards(request(PULL)), CANNOT_READ);
        refused_as(&closed.cards(request(PUSH)), "not\\sauthorized\\sto\\swrite");
    }
}

pub(crate) fn special_users(case: &ServerCase<'_>) {
    for user in ["developer", "reader"] {
        let secret = secret(user, "pw");
        sql::execute(&case.file, &format!("UPDATE user SET pw='{secret}' WHERE login='{user}'"));
        refused_as(&case.cards(signed(user, PULL)), FAILED);
    }
}

pub(crate) fn two_logins(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "i");
    add_user(&case.file, "eve", "i");
    for other in ["eve", "bob", "anonymous"] {
        let inner = signed(other, [PUSH.as_bytes(), &file(NEWS)].concat());
        refused(&case.cards([login("bob", &secret("bob", "pw"), &inner).as_bytes(), &inner].concat()));
        assert!(!case.holds(&name(NEWS)), "{other}");
    }
}

pub(crate) fn one_login(case: &ClientCase<'_>) {
    let outcome = case.session(&["sync"], "bob:pw@", case.ahead().0, once(""));
    for request in &outcome.went_well().requests {
        assert_eq!(request.text.lines().filter(|line| line.starts_with("login ")).count(), 1);
        let head = request.head.to_ascii_lowercase();
        assert!(!head.contains("\r\ncookie:") && !head.contains("\r\nauthorization:"), "{head}");
    }
}

/// Nobody may pull here; whoever wanted to be somebody does not.
pub(crate) fn login_of_five_tokens(case: &ServerCase<'_>) {
    let good = String::from_utf8(signed("dev", PULL)).unwrap();
    answered(&case.cards(&good));
    let text = good.replacen('\n', " extra\n", 1);
    assert!(!case.cards(text).text().contains("igot "), "it runs as nobody");
}

pub(crate) fn nonce_of_64_digits(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "o");
    let tail = format!("{VERSION}{PULL}# 5e3d\n");
    let of = |nonce: &xfer::ArtifactId| login_of("bob", &secret("bob", "pw"), nonce) + &tail;
    answered(&case.cards(of(&sha3_256(tail.as_bytes()))));
    refused_as(&case.cards(of(&sha3_256(b"another message"))), FAILED);
}

pub(crate) fn empty_password(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "os");
    sql::execute(&case.file, "UPDATE user SET pw='' WHERE login='bob'");
    let tail = format!("{VERSION}{PULL}# 5e3d\n");
    for secret in [String::new(), secret("bob", ""), secret("bob", "pw")] {
        refused_as(&case.cards(login("bob", &secret, tail.as_bytes()) + &tail), FAILED);
    }
    sql::execute(&case.file, "UPDATE user SET pw=NULL WHERE login='bob'");
    refused_as(&case.cards(login("bob", "", tail.as_bytes()) + &tail), FAILED);
}

pub(crate) fn password_in_clear(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "o");
    sql::execute(&case.file, "UPDATE user SET pw='open sesame' WHERE login='bob'");
    let with = |secret: &str| {
        let tail = format!("{VERSION}{PULL}# {}\n", sha1(secret.as_bytes()));
        case.cards(login("bob", secret, tail.as_bytes()) + &tail)
    };
    for secret in ["open sesame", &secret("bob", "open sesame")] {
        answered(&with(secret));
    }
    for secret in ["pw", &secret("bob", "pw"), &secret("", "open sesame")] {
        refused_as(&with(secret), FAILED);
    }
}

/// A server answers it once. Another one, which does not remember it, takes nothing new under its nonce.
pub(crate) fn replay(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "i");
    let request = signed("bob", [PUSH.as_bytes(), &file(NEWS)].concat());
    taken(&case.cards(&request));
    assert!(case.holds(&name(NEWS)));
    refused_as(
        &case.cards(&request),
        "this\\slogin\\swas\\sused\\sbefore,\\sand\\sis\\sgood\\sfor\\sone\\srequest",
    );
    let elsewhere = || http::cards(case.bench.frond.server(&case.file).address, "/", &request);
    taken(&elsewhere());
    let of_it = format!("(SELECT rid FROM blob WHERE uuid='{}')", name(NEWS));
    sql::execute(
        &case.file,
        &format!("DELETE FROM unclustered WHERE rid IN {of_it}; DELETE FROM blob WHERE rid IN {of_it}"),
    );
    let answer = elsewhere();
    refused(&answer);
    assert!(answer.text().contains("nonce"), "{answer:?}");
    assert!(!case.holds(&name(NEWS)));
    taken(&case.push(file(NEWS)));
}

/// Two requests that are alike to the byte have one nonce: the second must bring nothing new, and fails at nothing.
pub(crate) fn same_bytes_of_two_users(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "iy");
    add_user(&case.file, "eve", "iy");
    let uvfile = format!("uvfile a.txt 100 {} 2 0\nhi", sha1(b"hi"));
    for cards in [file(NEWS), uvfile.into_bytes()] {
        let tail = [VERSION.as_bytes(), PUSH.as_bytes(), &cards].concat();
        for user in ["bob", "eve"] {
            let card = login(user, &secret(user, "pw"), &tail);
            taken(&case.cards([card.as_bytes(), &tail].concat()));
        }
    }
    assert!(case.holds(&name(NEWS)));
    assert_eq!(case.number("SELECT count(*) FROM unversioned WHERE name='a.txt' AND sz=2"), 1);
}

/// So no two requests are alike.
pub(crate) fn random_comments(case: &ClientCase<'_>) {
    let promise = format!("igot {}\n", name("never sent"));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2 {
        for request in &case.pull_once(promise.clone()).went_well().rounds(2).requests {
            let comment = request.text.lines().last().unwrap().to_owned();
            let digits = comment.strip_prefix("# ").unwrap_or_default();
            assert!(digits.len() >= 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{comment}");
            assert!(seen.insert(comment), "{seen:?}");
        }
    }
}

pub(crate) fn user_with_a_blank(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "");
    add_user(&case.file, "big bob", "o");
    let tail = format!("{VERSION}{PULL}# 5e3d\n");
    let with = |secret: &str| login("big\\sbob", secret, tail.as_bytes()) + &tail;
    answered(&case.cards(with(&secret("big bob", "pw"))));
    refused_as(&case.cards(with(&secret("big\\sbob", "pw"))), FAILED);
}

pub(crate) fn user_with_a_blank_is_escaped(case: &ClientCase<'_>) {
    let outcome = case.session(&["pull"], "big%20bob:pw@", case.copy(), once(file(NEWS)));
    outcome.went_well().holds(&name(NEWS));
    is_signed(&outcome.requests[0], "big bob");
}

pub(crate) fn refused_clone(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "g");
    let clone = format!("{VERSION}clone 3 1\n# 5e3d\n");
    let text = case.cards(clone).text();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("push ") && lines[0].ends_with(&format!(" {PROJECT}")), "{text}");
    assert_eq!(lines[1], "error not\\sauthorized\\sto\\sclone", "{text}");
    assert!(lines.len() == 3 && lines[2].starts_with("# timestamp "), "{text}");
    assert!(case.by_bob("clone 3 1\n").text().contains("clone_seqno 0\n"));
}

pub(crate) fn clone_logs_in_from_the_second_round_on(case: &ClientCase<'_>) {
    let refusal = format!("push 5e5e {PROJECT}\nerror not\\sauthorized\\sto\\sclone\n{END}");
    let whole = [file(NEWS), clone_tail("0").into_bytes(), END.into()].concat();
    let outcome = case.clone_as(&[], "bob:pw@", move |request| match request.number {
        1 => Reply::cards(refusal.clone()),
        _ => Reply::cards(whole.clone()),
    });
    outcome.went_well().holds(&name(NEWS));
    assert!(!outcome.requests[0].text.contains("login "), "{}", outcome.requests[0].text);
    outcome.requests[1..].iter().for_each(|request| is_signed(request, "bob"));
}

/// Peers move their login from the body to a cookie for who says it is of 2.27 or newer.
pub(crate) fn advertised_version(case: &ServerCase<'_>) {
    let text = case.cards(pull_cards()).text();
    let version = text.lines().find_map(|line| line.strip_prefix("pragma server-version ")).unwrap();
    let number: u32 = version.split(' ').next().unwrap().parse().unwrap();
    assert!((20_000..22_700).contains(&number), "{version}");
}

/// They count for nothing: neither good nor bad ones.
pub(crate) fn basic_credentials(case: &ServerCase<'_>) {
    let case = ServerCase::of_bob(case.bench, "o");
    sql::execute(&case.file, "REPLACE INTO config VALUES('http_authentication_ok', '1', 0)");
    let with = |credentials: &str, cards: &[u8]| {
        let (length, value) = (cards.len().to_string(), format!("Basic {credentials}"));
        let kind = ("Content-Type", "application/x-fossil-uncompressed");
        case.send("POST /", &[kind, ("Content-Length", &length), ("Authorization", &value)], cards)
    };
    // bob:wrong and bob:pw.
    answered(&with("Ym9iOndyb25n", &signed("bob", PULL)));
    refused_as(&with("Ym9iOnB3", pull_cards().as_bytes()), CANNOT_READ);
}
