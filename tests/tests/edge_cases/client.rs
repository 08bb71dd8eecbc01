//! What `frond pull` and `frond clone` make of replies that are not as they should be, and what they send.

use std::io::Write;

use frond_tests::corpus::PROJECT;
use frond_tests::{Reply, Scripted};

use crate::cards::{file, name};
use crate::support::{ClientCase, END, Outcome, bomb, bomb_of, container, once, packed};

const SYNC: &str = "application/x-fossil";
const PLAIN: &str = "application/x-fossil-uncompressed";
const CONTENT: &[u8] = b"something new\n";

/// A reply that brings [`CONTENT`].
fn news() -> Vec<u8> {
    [file(CONTENT), END.into()].concat()
}

/// A script whose first reply is `reply`; later ones are empty.
fn first(reply: Reply) -> impl Fn(&frond_tests::scripted::Request) -> Reply + Send + 'static {
    move |request| if request.number == 1 { reply.clone() } else { Reply::cards(END) }
}

pub(crate) fn reply_is_no_zlib(case: &ClientCase<'_>) {
    case.pull(first(Reply::typed(SYNC, news()))).failed("the reply is no message").lacks(&name(CONTENT));
    let body = [&(news().len() as u32).to_be_bytes()[..], &news()].concat();
    let outcome = case.pull(first(Reply::typed(SYNC, body)));
    outcome.failed("labelled application/x-fossil but does not inflate").lacks(&name(CONTENT));
}

pub(crate) fn prefix_too_small(case: &ClientCase<'_>) {
    case.pull(first(Reply::typed(SYNC, container(5, &news()))))
        .failed("says it holds 5 bytes, but inflates to more")
        .lacks(&name(CONTENT));
}

/// Here it is refused. What the prefix promises is never asked of the system, even if it is within the limit.
pub(crate) fn prefix_too_large(case: &ClientCase<'_>) {
    case.may_reserve(800 << 20);
    for (prefix, words) in [
        (news().len() as u32 + 1, "bytes, but inflates to"),
        (0x3fff_0000, "says it holds 1073676288 bytes, but inflates to"),
        (0x7fff_0000, "a body of more than 1073741824 bytes"),
    ] {
        case.pull(first(Reply::typed(SYNC, container(prefix, &news())))).failed(words).lacks(&name(CONTENT));
    }
    case.pull(first(Reply::typed(SYNC, packed(&news())))).went_well().holds(&name(CONTENT));
}

pub(crate) fn prefix_absurd(case: &ClientCase<'_>) {
    case.may_reserve(800 << 20);
    case.pull(first(Reply::typed(SYNC, container(0xffff_fff0, &news()))))
        .failed("a body of more than 1073741824 bytes")
        .lacks(&name(CONTENT));
}

pub(crate) fn zip_bomb(case: &ClientCase<'_>) {
    // What declares too much is not even begun; what holds more than it declares is given up there.
    case.pull(first(Reply::typed(SYNC, bomb()))).failed("a body of more than 1073741824 bytes");
    let liar = [&1000_u32.to_be_bytes(), &bomb()[4..]].concat();
    case.pull(first(Reply::typed(SYNC, liar))).failed("says it holds 1000 bytes, but inflates to more");
    // What declares as much as it may is inflated once.
    case.is_a_bomb();
    case.pull(first(Reply::typed(SYNC, bomb_of(1000)))).failed("more than 4194304 cards");
}

pub(crate) fn junk_after_zlib(case: &ClientCase<'_>) {
    let body = [packed(&news()), b"junk".to_vec()].concat();
    case.pull(first(Reply::typed(SYNC, body)))
        .failed("4 bytes follow the body's zlib stream")
        .lacks(&name(CONTENT));
}

pub(crate) fn content_type_is_lower_case(case: &ClientCase<'_>) {
    let outcome = case.clone_once(file(CONTENT));
    outcome.went_well().holds(&name(CONTENT));
    for request in &outcome.requests {
        let header = request.head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type:"));
        let value = header.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim()).unwrap();
        assert!(matches!(value, SYNC | PLAIN), "{value}");
        assert!(request.head.starts_with("POST / HTTP/1."), "{}", request.head);
        let lower = request.head.to_ascii_lowercase();
        assert!(lower.contains("\r\ncontent-length: ") && !lower.contains("transfer-encoding"), "{lower}");
    }
}

pub(crate) fn content_type_parameter(case: &ClientCase<'_>) {
    let kind = "application/x-fossil-uncompressed; charset=utf-8";
    case.pull(first(Reply::typed(kind, news()))).went_well().holds(&name(CONTENT));
    let kind = "application/x-fossil; charset=utf-8";
    case.pull(first(Reply::typed(kind, packed(&news())))).went_well().holds(&name(CONTENT));
}

pub(crate) fn chunked_reply(case: &ClientCase<'_>) {
    let news = news();
    let (one, two) = news.split_at(20);
    let mut body = Vec::new();
    for chunk in [one, two, b""] {
        write!(body, "{:x}\r\n", chunk.len()).unwrap();
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    let headers = [("Content-Type", PLAIN), ("Transfer-Encoding", "chunked"), ("Connection", "close")];
    case.pull(first(Reply::http("200 OK", &headers, &body))).went_well().holds(&name(CONTENT));
    // Without the last chunk it is cut short.
    let outcome = case.pull(first(Reply::http("200 OK", &headers, &body[..body.len() - 5])));
    outcome.failed("broke").lacks(&name(CONTENT));
}

pub(crate) fn reply_without_length(case: &ClientCase<'_>) {
    // The connection closes, so the reply is whole: it has its timestamp.
    let headers = [("Content-Type", PLAIN)];
    case.pull(first(Reply::http("200 OK", &headers, news()))).went_well().holds(&name(CONTENT));
    // An empty reply is no reply.
    case.pull(first(Reply::http("200 OK", &headers, ""))).failed("it closed before it said anything");
    case.clone(first(Reply::http("200 OK", &headers, ""))).failed("it closed before it said anything");
    // Nor is one that closes too early.
    let outcome = case.pull(first(Reply::http("200 OK", &headers, file(CONTENT))));
    outcome.failed("no timestamp at its end").lacks(&name(CONTENT));
}

pub(crate) fn redirects(case: &ClientCase<'_>) {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let target = Scripted::start(once(file(CONTENT)));
        let to = format!("http://{}/new/place", target.address);
        let outcome = case.pull(first(Reply::redirect(status, &to)));
        outcome.went_well().holds(&name(CONTENT));
        let moved = &target.requests()[0];
        assert!(moved.head.starts_with("POST /new/place HTTP/1."), "{status}: {}", moved.head);
        assert_eq!(moved.text, outcome.requests[0].text, "{status}: the same request again");
    }
    // Stock gives up here; a relative Location means the same server (RFC 9110).
    let outcome = case.pull(move |request| match request.number {
        1 => Reply::redirect("302 Found", "/new/place"),
        2 => Reply::cards(news()),
        _ => Reply::cards(END),
    });
    outcome.went_well().holds(&name(CONTENT));
    let moved = &outcome.requests[1];
    assert!(moved.head.starts_with("POST /new/place HTTP/1."), "{}", moved.head);
    let target = Scripted::start(once(file(CONTENT)));
    let outcome = case.pull(first(Reply::redirect("303 See Other", &target.url())));
    outcome.failed("HTTP status 303").lacks(&name(CONTENT)).rounds(1);
    assert!(target.requests().is_empty());
    case.pull(first(Reply::redirect("302 Found", "ftp://127.0.0.1/")))
        .failed("which is no address to follow");
    case.pull(first(Reply::http("302 Found", &[("Content-Length", "0")], "")))
        .failed("without saying where to");
}

pub(crate) fn redirect_loop(case: &ClientCase<'_>) {
    let outcome = case.pull(|request| {
        let host = request.head.lines().find_map(|line| {
            line.split_once(':')
                .filter(|(key, _)| key.eq_ignore_ascii_case("host"))
                .map(|(_, value)| value.trim())
        });
        Reply::redirect("302 Found", &format!("http://{}/again", host.unwrap()))
    });
    outcome.failed("redirects without end").rounds(20);
}

pub(crate) fn redirect_to_xfer(case: &ClientCase<'_>) {
    let target = Scripted::start(once(""));
    let to = format!("http://{}/b/xfer/xfer", target.address);
    case.pull(first(Reply::redirect("301 Moved", &to))).went_well();
    let head = target.requests()[0].head.clone();
    assert!(head.starts_with("POST /b/xfer HTTP/1."), "{head}");
}

pub(crate) fn short_reply(case: &ClientCase<'_>) {
    let length = (news().len() + 1).to_string();
    let headers = [("Content-Type", PLAIN), ("Content-Length", &length), ("Connection", "close")];
    case.pull(first(Reply::http("200 OK", &headers, news()))).failed("broke").lacks(&name(CONTENT));
}

pub(crate) fn html_reply(case: &ClientCase<'_>) {
    let page = "<html><title>x</title><body><p>Down for <b>maintenance</b></p></body></html>";
    for outcome in [
        case.pull(first(Reply::typed("text/html; charset=utf-8", page))),
        case.clone(first(Reply::typed("text/html", page))),
    ] {
        outcome.failed("x Down for maintenance;");
    }
}

pub(crate) fn status_400(case: &ClientCase<'_>) {
    for status in ["400 Bad Request", "404 Not Found", "500 Oops", "204 No Content"] {
        let headers = [("Content-Type", PLAIN), ("Content-Length", "0"), ("Connection", "close")];
        case.pull(first(Reply::http(status, &headers, ""))).failed(&format!("HTTP status {}", &status[..3]));
    }
}

pub(crate) fn no_blank_lines(case: &ClientCase<'_>) {
    let outcome = case.clone_once(file(CONTENT));
    let pulled = case.pull_once(file(CONTENT));
    for request in outcome.requests.iter().chain(&pulled.requests) {
        assert!(!request.text.contains("\n\n") && !request.text.starts_with('\n'), "{}", request.text);
        assert!(
            request.text.lines().last().unwrap().starts_with("# "),
            "ends with a random comment: {}",
            request.text
        );
    }
}

pub(crate) fn blank_line(case: &ClientCase<'_>) {
    case.pull_once([b"\n\n".to_vec(), file(CONTENT), b"\n\n".to_vec()].concat())
        .went_well()
        .holds(&name(CONTENT));
}

pub(crate) fn odd_blanks(case: &ClientCase<'_>) {
    let card = format!("  file\t{}   {}\r\n", name(CONTENT), CONTENT.len());
    let cards = [card.as_bytes(), CONTENT, b"message hi\r\n"].concat();
    case.pull_once(cards).went_well().holds(&name(CONTENT));
}

pub(crate) fn line_feed_after_payload(case: &ClientCase<'_>) {
    case.pull_once([file(CONTENT), b"\n".to_vec(), file("more\n")].concat())
        .went_well()
        .holds(&name("more\n"));
}

pub(crate) fn unknown_card(case: &ClientCase<'_>) {
    for card in ["frobnicate\n", "Message hi\n", "push a b c d\n", "uvigot a\n"] {
        let outcome = case.pull_once([card.as_bytes(), &file(CONTENT)].concat());
        let words = format!("a card that has no place in a reply: {}", card.trim_end());
        outcome.failed(&words).lacks(&name(CONTENT)).rounds(1);
    }
}

pub(crate) fn error_of_two_tokens(case: &ClientCase<'_>) {
    case.pull_once("error two tokens\n").failed("a card that has no place in a reply: error two tokens");
    case.pull_once("error not\\sauthorized\\sto\\sread\n").failed("refused: not authorized to read;");
}

pub(crate) fn long_card(case: &ClientCase<'_>) {
    let outcome = case.pull_once(format!("message {}\n", "x".repeat(3 << 20)));
    outcome.failed("the line has more than 1048576 bytes");
    assert!(outcome.said.stderr.len() < 10_000, "{} bytes of stderr", outcome.said.stderr.len());
}

pub(crate) fn nul_in_card(case: &ClientCase<'_>) {
    case.pull_once("message a\0b\n").failed("a NUL in the card's line");
}

pub(crate) fn huge_size(case: &ClientCase<'_>) {
    let size = |size: &str| [format!("file {} {size}\n", name(CONTENT)).as_bytes(), CONTENT].concat();
    // 4294967310 is the right size modulo 2^32.
    for size in [size("99999999999"), size("2147483648"), size("4294967310")] {
        case.pull_once(size).failed("a number over 2147483647").lacks(&name(CONTENT));
    }
}

pub(crate) fn negative_size(case: &ClientCase<'_>) {
    for size in ["-1", "-14", "+14", "0x0e", "14.0"] {
        let card = [format!("file {} {size}\n", name(CONTENT)).as_bytes(), CONTENT].concat();
        case.pull_once(card).failed("a number that is not all digits").lacks(&name(CONTENT));
    }
}

pub(crate) fn size_past_the_end(case: &ClientCase<'_>) {
    let card = [format!("file {} 5000\n", name(CONTENT)).as_bytes(), CONTENT].concat();
    let outcome = case.pull(first(Reply::cards(card)));
    outcome.failed("a payload of 5000 bytes is cut off: 14 are left").lacks(&name(CONTENT));
    // Even if nothing else is wrong with it.
    let card = [format!("file {} {}\n", name(CONTENT), CONTENT.len() + 1).as_bytes(), CONTENT].concat();
    let outcome = case.pull(first(Reply::cards(card)));
    outcome.failed("a payload of 15 bytes is cut off: 14 are left").lacks(&name(CONTENT));
}

pub(crate) fn size_too_small(case: &ClientCase<'_>) {
    let card = [format!("file {} 9\n", name(CONTENT)).as_bytes(), CONTENT].concat();
    case.pull_once(card).failed("a card that has no place in a reply:  new;").lacks(&name(CONTENT));
}

pub(crate) fn hash_of_41_digits(case: &ClientCase<'_>) {
    for digits in [39, 41, 63, 65] {
        let hash = "a".repeat(digits);
        let words = format!("a card that has no place in a reply: igot {hash}");
        case.pull_once(format!("igot {hash}\n")).failed(&words);
        let words = format!("a hash has 40 or 64 digits, not {digits}");
        case.pull_once(format!("file {hash} 1\nx")).failed(&words);
    }
}

pub(crate) fn upper_case_hash(case: &ClientCase<'_>) {
    let upper = name(CONTENT).to_string().to_uppercase();
    let card = [format!("file {upper} {}\n", CONTENT.len()).as_bytes(), CONTENT].concat();
    case.pull_once(card.clone()).failed("a hash in upper case").lacks(&name(CONTENT));
    case.clone_once(card).failed("a hash in upper case").lacks(&name(CONTENT));
}

pub(crate) fn version_comes_first(case: &ClientCase<'_>) {
    // A promise makes each ask twice, the clone by a pull.
    let promise = format!("igot {}\n", name("never sent")).into_bytes();
    let cards = [file(CONTENT), promise].concat();
    let (cloned, pulled) = (case.clone_once(cards.clone()), case.pull_once(cards));
    for outcome in [&cloned, &pulled] {
        outcome.went_well().holds(&name(CONTENT)).rounds(2);
        for request in &outcome.requests {
            let words: Vec<_> = request.text.lines().next().unwrap().split(' ').collect();
            let [pragma, kind, version, day, time] = words[..] else { panic!("{}", request.text) };
            assert_eq!((pragma, kind), ("pragma", "client-version"));
            assert!(version.parse::<u32>().unwrap() >= 20_000, "names of 64 digits need this: {version}");
            assert!(day.len() == 8 && time.parse::<u32>().is_ok(), "{}", request.text);
        }
    }
    let purpose = |outcome: &Outcome, round: usize| {
        outcome.requests[round].text.lines().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(purpose(&cloned, 0), "clone 3 1");
    for request in [purpose(&cloned, 1), purpose(&pulled, 0), purpose(&pulled, 1)] {
        assert!(request.starts_with("pull ") && request.ends_with(&format!(" {PROJECT}")), "{request}");
    }
}
