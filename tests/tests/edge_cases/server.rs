//! What `frond serve` makes of requests that are not as they should be.

use std::io::Write;

use flate2::Compression;
use frond_tests::corpus::PROJECT;
use frond_tests::http::{self, Answer};
use frond_tests::{Scratch, compare, sql};

use crate::support::{
    ServerCase, VERSION, answered, bomb, bomb_of, container, opened, packed, pull_cards, refused, turned_away,
};

const SYNC: &str = "application/x-fossil";
const PLAIN: &str = "application/x-fossil-uncompressed";

pub(crate) fn body_is_no_zlib(case: &ServerCase<'_>) {
    let text = pull_cards();
    refused(&case.post(SYNC, text.as_bytes()));
    refused(&case.post(SYNC, &[&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()));
}

pub(crate) fn prefix_too_small(case: &ServerCase<'_>) {
    refused(&case.post(SYNC, &container(5, pull_cards().as_bytes())));
}

/// Here it is refused. What the prefix promises is never asked of the system, even if it is within the limit.
pub(crate) fn prefix_too_large(case: &ServerCase<'_>) {
    let text = pull_cards();
    refused(&case.post(SYNC, &container(0x7fff_0000, text.as_bytes())));
    for _ in 0..8 {
        refused(&case.post(SYNC, &container(text.len() as u32 + 1, text.as_bytes())));
    }
    let before = case.peak().reserved;
    refused(&case.post(SYNC, &container(0x0fff_0000, text.as_bytes())));
    let grown = case.peak().reserved - before;
    assert!(grown < 200 << 20, "{} MB for a prefix that says 255 MB", grown >> 20);
}

pub(crate) fn prefix_absurd(case: &ServerCase<'_>) {
    refused(&case.post(SYNC, &container(0xffff_fff0, pull_cards().as_bytes())));
}

pub(crate) fn zip_bomb(case: &ServerCase<'_>) {
    // What is too long is not even begun.
    refused(&case.post(SYNC, &bomb()));
    // What holds more than it declares is given up there.
    refused(&case.post(SYNC, &[&1000_u32.to_be_bytes(), &bomb()[4..]].concat()));
    let peak = case.peak().resident;
    assert!(peak < 100 << 20, "{} MB for bodies that are refused early", peak >> 20);
    // What declares as much as it may can come many times at once.
    case.is_a_bomb();
    let body = bomb_of(250);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let (address, body) = (case.server.address, &body);
            scope.spawn(move || refused(&opened(http::post(address, "/", SYNC, body))));
        }
    });
}

pub(crate) fn junk_after_zlib(case: &ServerCase<'_>) {
    refused(&case.post(SYNC, &[packed(pull_cards().as_bytes()), b"junk".to_vec()].concat()));
}

pub(crate) fn tiny_body(case: &ServerCase<'_>) {
    only_a_timestamp(&case.post(SYNC, b""), SYNC);
    for body in [&b"a"[..], b"# a", b"# a\n", &[0, 0, 0, 0]] {
        refused(&case.post(SYNC, body));
    }
}

pub(crate) fn empty_message(case: &ServerCase<'_>) {
    for (kind, body) in [(SYNC, packed(b"")), (PLAIN, Vec::new())] {
        only_a_timestamp(&case.post(kind, &body), kind);
    }
}

#[track_caller]
fn only_a_timestamp(answer: &Answer, kind: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some(kind));
    let text = answer.text();
    assert!(text.starts_with("# timestamp ") && text.ends_with(" errors 0\n"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

pub(crate) fn raw_deflate_or_gzip(case: &ServerCase<'_>) {
    let text = pull_cards();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(text.as_bytes()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let prefix = (text.len() as u32).to_be_bytes().to_vec();
    for stream in [deflate.finish().unwrap(), gzip.finish().unwrap()] {
        refused(&case.post(SYNC, &stream));
        refused(&case.post(SYNC, &[prefix.clone(), stream].concat()));
    }
}

pub(crate) fn unknown_content_type(case: &ServerCase<'_>) {
    for kind in ["application/x-fossilZZZ", "application/x-fossil-brotli", "text/plain"] {
        turned_away(&case.post(kind, pull_cards().as_bytes()), 415);
    }
    for kind in [PLAIN, "application/x-fossil-debug"] {
        answered(&case.post(kind, pull_cards().as_bytes()));
    }
}

/// A server may be lenient, and this one is.
pub(crate) fn content_type_case(case: &ServerCase<'_>) {
    answered(&case.post("Application/X-Fossil-Uncompressed", pull_cards().as_bytes()));
    answered(&case.post("APPLICATION/X-FOSSIL", &packed(pull_cards().as_bytes())));
}

pub(crate) fn content_type_parameter(case: &ServerCase<'_>) {
    answered(&case.post("application/x-fossil-uncompressed; charset=utf-8", pull_cards().as_bytes()));
    answered(&case.post("application/x-fossil;charset=utf-8", &packed(pull_cards().as_bytes())));
}

pub(crate) fn no_content_length(case: &ServerCase<'_>) {
    turned_away(&case.send("POST /", &[("Content-Type", PLAIN)], pull_cards().as_bytes()), 411);
}

pub(crate) fn chunked_request(case: &ServerCase<'_>) {
    let text = pull_cards();
    let body = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    let length = body.len().to_string();
    let (kind, chunked) = (("Content-Type", PLAIN), ("Transfer-Encoding", "chunked"));
    let length = ("Content-Length", length.as_str());
    for headers in [&[kind, chunked][..], &[kind, chunked, length], &[kind, length, chunked]] {
        turned_away(&case.send("POST /", headers, body.as_bytes()), 411);
    }
}

pub(crate) fn replies_have_a_length(case: &ServerCase<'_>) {
    let clone = format!("{VERSION}clone 3 1\n# 5e3d\n");
    for version in ["1.0", "1.1"] {
        for (kind, body) in [
            (SYNC, packed(pull_cards().as_bytes())),
            (PLAIN, pull_cards().into_bytes()),
            (SYNC, packed(clone.as_bytes())),
            (SYNC, b"no message".to_vec()),
            ("text/plain", b"no message".to_vec()),
        ] {
            let length = body.len();
            let head = format!(
                "POST / HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            let answer = http::send(case.server.address, &[head.as_bytes(), &body].concat());
            assert!(answer.status >= 200, "no interim replies: {answer:?}");
            assert_eq!(
                answer.header("content-length"),
                Some(answer.body.len().to_string().as_str()),
                "{answer:?}"
            );
            assert_eq!(answer.header("transfer-encoding"), None);
            assert_eq!(answer.header("content-encoding"), None);
        }
    }
}

pub(crate) fn short_body(case: &ServerCase<'_>) {
    let text = pull_cards();
    let length = (text.len() + 10).to_string();
    let headers = [("Content-Type", PLAIN), ("Content-Length", length.as_str())];
    turned_away(&case.send_and_hang_up("POST /", &headers, text.as_bytes()), 408);
}

pub(crate) fn absurd_content_length(case: &ServerCase<'_>) {
    let text = pull_cards();
    let wrapped = (text.len() as u64 + (1 << 32)).to_string();
    for (length, status) in [
        ("abc", 400),
        ("0x5", 400),
        ("-5", 400),
        ("+5", 400),
        ("5, 7", 400),
        ("5abc", 400),
        ("99999999999999999999999", 400),
        (&wrapped, 413),
    ] {
        let headers = [("Content-Type", PLAIN), ("Content-Length", length)];
        turned_away(&case.send_and_hang_up("POST /", &headers, text.as_bytes()), status);
    }
}

pub(crate) fn climbing_path(case: &ServerCase<'_>) {
    let length = pull_cards().len().to_string();
    let headers = [("Content-Type", PLAIN), ("Content-Length", length.as_str())];
    for path in ["/../..", "/no/such/page", "/%2e%2e/x"] {
        answered(&case.send(&format!("POST {path}"), &headers, pull_cards().as_bytes()));
    }
    // Where a directory is served, nothing outside it is.
    let outside = Scratch::new();
    outside.copy(&case.bench.seed, "secret.fossil");
    let inside = outside.dir("inside");
    std::fs::copy(&case.bench.seed, inside.join("open.fossil")).unwrap();
    let server = case.bench.frond.server(&inside);
    answered(&http::cards(server.address, "/open", pull_cards()));
    for path in ["/../secret", "/..%2fsecret", "/%2e%2e/secret", "/../open/../secret", "//secret", "/secret"]
    {
        let request = http::request(&format!("POST {path}"), &headers, pull_cards().as_bytes());
        turned_away(&http::send(server.address, &request), 404);
    }
}

pub(crate) fn long_header(case: &ServerCase<'_>) {
    let with = |extra: &[(&str, &str)]| {
        let length = pull_cards().len().to_string();
        let headers = [extra, &[("Content-Type", PLAIN), ("Content-Length", &length)]].concat();
        case.send("POST /", &headers, pull_cards().as_bytes())
    };
    answered(&with(&[("X-Long", &"x".repeat(8_000))]));
    turned_away(&with(&[("X-Many", "x"); 200]), 431);
    // No more than the limit is sent: what is left unread would cost the reply.
    let mut head = http::request("POST /", &[("X-Long", &"x".repeat(64 << 10))], b"");
    head.truncate(64 << 10);
    turned_away(&http::send(case.server.address, &head), 431);
}

pub(crate) fn get_with_sync_type(case: &ServerCase<'_>) {
    for method in ["GET", "PUT", "DELETE"] {
        let answer =
            case.send(&format!("{method} /"), &[("Content-Type", SYNC), ("Content-Length", "0")], b"");
        assert_eq!(answer.status, 405, "{method}");
    }
}

pub(crate) fn blank_line(case: &ServerCase<'_>) {
    answered(&case.cards(pull_cards().replace('\n', "\n\n")));
}

pub(crate) fn odd_blanks(case: &ServerCase<'_>) {
    answered(&case.cards(pull_cards().replace('\n', "\r\n")));
    answered(&case.cards(format!("  {}", pull_cards().replace(" 0000 ", " \t 0000\t"))));
}

pub(crate) fn many_tokens(case: &ServerCase<'_>) {
    let answer = case.cards(format!("{VERSION}pragma a b c d e f g h i\n{}", pull_cards()));
    answered(&answer);
    refused(&case.cards(format!("{VERSION}pull 0000 {PROJECT} 3 4 5 6 7 8\n# 5e3d\n")));
}

pub(crate) fn unknown_card(case: &ServerCase<'_>) {
    for card in ["frobnicate", "PULL a b", "gimme zzz", "cookie a b", "pragma"] {
        let answer = case.cards(format!("{VERSION}{card}\n# 5e3d\n"));
        refused(&answer);
        assert!(answer.text().starts_with("error bad\\scommand:"), "{card}: {answer:?}");
    }
}

pub(crate) fn cards_of_a_server(case: &ServerCase<'_>) {
    let id = "0".repeat(64);
    for card in ["error a", "message a", "clone_seqno 4", &format!("uvigot a 1 {id} 3")] {
        let answer = case.cards(format!("{VERSION}{card}\n# 5e3d\n"));
        refused(&answer);
        assert!(answer.text().starts_with("error bad\\scommand:"), "{card}: {answer:?}");
    }
}

pub(crate) fn errors_are_one_token(case: &ServerCase<'_>) {
    let text = case.cards(format!("{VERSION}pull 0000 {}\n# 5e3d\n", "0".repeat(40))).text();
    let error = text.lines().find(|line| line.starts_with("error ")).expect(&text);
    assert_eq!(error, "error wrong\\sproject");
}

pub(crate) fn long_card(case: &ServerCase<'_>) {
    let answer = case.cards(format!("{VERSION}frobnicate {}\n", "x".repeat(3 << 20)));
    refused(&answer);
    assert!(answer.body.len() < 10_000, "{} bytes of answer", answer.body.len());
}

pub(crate) fn nul_in_card(case: &ServerCase<'_>) {
    refused(&case.cards(format!("{VERSION}frob\0nicate\n# 5e3d\n")));
    refused(&case.cards(format!("{VERSION}pull 00\x0000 {PROJECT}\n# 5e3d\n")));
}

pub(crate) fn huge_size(case: &ServerCase<'_>) {
    let id = "0".repeat(64);
    for size in ["99999999999", "2147483648", "4294967299"] {
        refused(&case.cards(format!("{VERSION}push 0000 {PROJECT}\nfile {id} {size}\nabc")));
    }
}

pub(crate) fn hash_of_41_digits(case: &ServerCase<'_>) {
    for digits in [39, 41, 63, 65] {
        let gimme = format!("gimme {}", "0".repeat(digits));
        let text = case.cards(format!("{VERSION}pull 0000 {PROJECT}\n{gimme}\n# 5e3d\n")).text();
        let bad = format!("error bad\\scommand:\\s{}\n", gimme.replace(' ', "\\s"));
        assert!(text.starts_with(&bad), "{text}");
        // A line of unknown meaning may be passed over; one with a payload can not.
        refused(&case.cards(format!("{VERSION}file {} 1\nx", "0".repeat(digits))));
    }
}

pub(crate) fn upper_case_project(case: &ServerCase<'_>) {
    let answer = case.cards(format!("{VERSION}pull 0000 {}\n# 5e3d\n", PROJECT.to_uppercase()));
    refused(&answer);
    assert!(answer.text().starts_with("error wrong\\sproject\n"), "{}", answer.text());
}

pub(crate) fn codes_that_are_no_hashes(case: &ServerCase<'_>) {
    answered(&case.cards(format!("{VERSION}pull anything-goes {PROJECT}\n# 5e3d\n")));
    refused(&case.cards(format!("{VERSION}pull 0000 no-hash\n# 5e3d\n")));
}

pub(crate) fn version_without_date(case: &ServerCase<'_>) {
    only_a_timestamp(&case.cards("pragma client-version 22100\n# 5e3d\n"), PLAIN);
    let text = case.cards(format!("{VERSION}# 5e3d\n")).text();
    assert!(text.contains("pragma server-version "), "{text}");
}

pub(crate) fn no_client_version(case: &ServerCase<'_>) {
    let (id, _) = case.bench.some_file();
    let text = case.cards(format!("pull 0000 {PROJECT}\ngimme {id}\n# 5e3d\n")).text();
    assert!(!text.contains("server-version"), "{text}");
    assert!(text.starts_with("error Fossil\\sversion\\s2.0\\sor\\slater\\srequired.\n"), "{text}");
    assert!(!text.contains("file "), "{text}");
}

pub(crate) fn two_client_versions(case: &ServerCase<'_>) {
    let answer = case.cards(format!("{VERSION}{}", pull_cards()));
    answered(&answer);
    assert_eq!(answer.text().matches("pragma server-version ").count(), 2, "{answer:?}");
}

pub(crate) fn clone_from_no_number(case: &ServerCase<'_>) {
    for seqno in ["0", "-1", "x", "2147483648", "4294967297", "99999999999"] {
        refused(&case.cards(format!("{VERSION}clone 3 {seqno}\n# 5e3d\n")));
    }
}

pub(crate) fn tiny_budget(case: &ServerCase<'_>) {
    let tiny = |file: &std::path::Path| sql::execute(file, "INSERT INTO config VALUES('max-download','1',0)");
    let slow = ServerCase::with(case.bench, tiny);
    let copy = slow.dir.file("clone.fossil");
    case.bench.fossil.clone(&slow.server.url(), &copy);
    compare::artifact_lists_equal(&copy, &slow.file);
    let artifacts = sql::number(&slow.file, "SELECT count(*) FROM blob WHERE size>=0");
    let first = slow.cards(format!("{VERSION}clone 2 1\n# 5e3d\n")).text();
    assert_eq!(first.lines().filter(|line| line.starts_with("file ")).count(), 1, "{first}");
    let ours = slow.dir.file("ours.fossil");
    let said = case.bench.frond.try_run(["clone", "--json", &slow.server.url(), &ours.to_string_lossy()]);
    let rounds = frond_tests::frond::summary(&said)["rounds"].as_i64();
    assert!(artifacts > 2 && rounds >= Some(artifacts), "{rounds:?} rounds for {artifacts} artifacts");
    compare::artifact_lists_equal(&ours, &slow.file);
}

pub(crate) fn cards_too_early(case: &ServerCase<'_>) {
    let (id, _) = case.bench.some_file();
    let sent = |text: &str| text.contains(&format!("file {id} "));
    let early = case.cards(format!("{VERSION}gimme {id}\npull 0000 {PROJECT}\n# 5e3d\n"));
    answered(&early);
    assert!(!sent(&early.text()), "{early:?}");
    let in_time = case.cards(format!("{VERSION}pull 0000 {PROJECT}\ngimme {id}\n# 5e3d\n"));
    assert!(sent(&in_time.text()), "{in_time:?}");
    let unknown = "ab".repeat(32);
    let answer = case.cards(format!("{VERSION}igot {unknown}\npull 0000 {PROJECT}\n# 5e3d\n"));
    answered(&answer);
    assert!(!answer.text().contains(&unknown), "{answer:?}");
    assert_eq!(sql::number(&case.file, "SELECT count(*) FROM blob WHERE size<0"), 0);
}

pub(crate) fn gimme_of_a_private_artifact(case: &ServerCase<'_>) {
    let (id, _) = case.bench.some_file();
    let hide = format!("INSERT INTO private SELECT rid FROM blob WHERE uuid='{id}'");
    let case = ServerCase::with(case.bench, |file| sql::execute(file, &hide));
    let old = "pragma client-version 21100 20200412 000000\n";
    let text = case.cards(format!("{old}pull 0000 {PROJECT}\ngimme {id}\n# 5e3d\n")).text();
    assert!(text.contains("# timestamp ") && !text.contains(&id.to_string()), "an older one is not: {text}");
    let text = case.cards(format!("{VERSION}pull 0000 {PROJECT}\ngimme {id}\n# 5e3d\n")).text();
    assert!(!text.contains("file ") && !text.contains("error "), "{text}");
    assert!(text.contains(&format!("igot {id} 1\n")), "a client of 2020 and later is told: {text}");
    let text = case.cards(format!("{VERSION}clone 3 1\n# 5e3d\n")).text();
    assert!(text.contains("clone_seqno 0\n") && text.contains("cfile "), "{text}");
    assert!(!text.contains(&id.to_string()), "a clone does not bring private artifacts");
}
