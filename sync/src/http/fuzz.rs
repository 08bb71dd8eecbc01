//! Hostile addresses, and hostile servers that redirect: sound ones, cut up and put together at random.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --lib http::fuzz`.

use std::time::Duration;

use mutate::{Edit, Material};

use super::{Scheme, Url, redirect};

const SMOKE: Duration = Duration::from_millis(500);

const ADDRESSES: &[&str] = &[
    "http://h",
    "HTTP://user@Host.Example:80?x#y",
    "https://b%20ob:p%40ss%3aword@Example.ORG:8443/a/../b//c%2Fd/./e.fossil?x=1&y=%zz#f/g",
    "http://[2001:DB8:0:0::1]:8080/code/project",
    "https://al+ice:%C3%A9%2b@[::ffff:127.0.0.1]:443/~user/;v=1,2/(x)!$&'*+=:@/xfer",
    "http://a@b@127.0.0.1:65535/{path}{path}..",
    "http://{user}:{user}@h/",
    "http://{user}@h/{path}",
];

const LOCATIONS: &[&str] = &[
    "/new",
    "/a/./b/../../../c/..",
    "../x/./y/{path}/..",
    "//user:pw@[::1]:81/new/xfer",
    "//host.example",
    "?x=../..#y",
    "#y",
    "",
    "xfer",
    "https://user:pw@Example.ORG:8443/moved/{path}?x#y",
    "http://[2001:db8::1]/moved",
    "mailto:a@b",
];

const WORDS: &[&str] = &[
    "http://",
    "https://",
    "HttPs://",
    "ssh://",
    "://",
    "//",
    "/",
    "/../",
    "/./",
    "/..",
    "/xfer",
    "@",
    "user@",
    "user:pass@",
    ":",
    ":0",
    ":80",
    ":443",
    ":+80",
    ":65535",
    ":65536",
    ":99999999999999999999",
    "[",
    "]",
    "[::]",
    "[::1]",
    "[fe80::1%25eth0]",
    "[1:2:3:4:5:6:7:8]",
    "127.0.0.1",
    "0x7f.1",
    "xn--nxasmq6b",
    ".",
    "-",
    "%",
    "%0",
    "%00",
    "%0d%0a",
    "%25",
    "%2f",
    "%40",
    "%3A",
    "%ff",
    "%c3%a9",
    "+",
    "?",
    "#",
    "&",
    "\\",
    "<",
    "\"",
    " ",
    "\t",
    "\r\nHost: x\r\n",
    "\0",
    "\u{7f}",
    "é",
    "\u{202e}",
    "\u{ff0f}",
    "İ",
];

/// Each text with short parts, and with parts so long that the limit is near.
fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    let fill = |times: usize| {
        let (user, path) = ("é%20+".repeat(times), "s~/".repeat(times));
        move |text: &&str| text.replace("{user}", &user).replace("{path}", &path).into_bytes()
    };
    texts.iter().map(fill(3)).chain(texts.iter().map(fill(300))).collect()
}

/// A few edits are enough: after many, nothing is an address any more.
fn text(seeds: &[Vec<u8>], first: usize, edits: &[Edit]) -> String {
    let text = Material { seeds, words: WORDS }.text(first, &edits[..edits.len() % 6]);
    String::from_utf8_lossy(&text).into_owned()
}

/// What may be shown and kept reads as the same, and no password is in it.
#[track_caller]
fn assert_settled(url: &Url, of: &str) {
    let shown = url.to_string();
    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?} of {of:?}");
    let again: Url = shown.parse().unwrap_or_else(|error| panic!("{shown:?} of {of:?}: {error}"));
    let unsaid = Url { password: None, ..url.clone() };
    assert_eq!(again, unsaid, "{of:?}");
}

#[test]
fn any_text_is_read_or_refused() {
    let seeds = seeds(ADDRESSES);
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        let text = text(&seeds, *first, edits);
        if let Ok(url) = text.parse::<Url>() {
            assert_settled(&url, &text);
        }
    });
}

#[test]
fn any_redirect_is_followed_or_refused() {
    let (addresses, locations) = (seeds(ADDRESSES), seeds(LOCATIONS));
    type Twice = (usize, Vec<Edit>, usize, Vec<Edit>);
    bolero::check!().with_test_time(SMOKE).with_type::<Twice>().for_each(|(first, edits, second, more)| {
        let Ok(from) = text(&addresses, *first, edits).parse::<Url>() else { return };
        let location = text(&locations, *second, more);
        let Ok(to) = redirect::follow(&from, &location) else { return };
        assert_settled(&to, &location);
        assert!((from.scheme, to.scheme) != (Scheme::Https, Scheme::Http), "{from} {location:?}");
        assert_eq!((&to.user, &to.password), (&from.user, &from.password), "{from} {location:?}");
        assert!(to.user.is_none() || to.host == from.host, "{from} {location:?}");
        if location.starts_with('/') && !location.starts_with("//") {
            assert_eq!(to.authority(), from.authority(), "{from} {location:?}");
            assert!(!to.path.split('/').any(|segment| matches!(segment, "." | "..")), "{to}");
        }
    });
}

#[test]
fn any_bytes_are_no_reason_to_panic() {
    bolero::check!().with_test_time(SMOKE).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for text in [text.to_string(), format!("http://{text}"), format!("https://u:p@h{text}")] {
            if let Ok(url) = text.parse::<Url>() {
                assert_settled(&url, &text);
            }
        }
    });
}
