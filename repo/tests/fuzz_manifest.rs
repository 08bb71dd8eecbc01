//! Hostile structural artifacts and texts: sound ones, cut up and put together at random.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --test fuzz_manifest`.

use std::time::Duration;

use md5::Digest as _;
use mutate::{Edit, Material};
use repo::manifest::{Artifact, parse, write};
use repo::markup::backlinks;

const SMOKE: Duration = Duration::from_millis(500);

/// Cards of sound artifacts; `{h}` and `{k}` stand for hashes.
const ARTIFACTS: &[&str] = &[
    "B {h}\nC a\\sb\nD 2020-01-01T00:00:00\nF a/b {h} w c\nF c\nF d {k} x\nN text/plain\nP {h} {k}\nQ +{h} {k}\n\
     R 00112233445566778899aabbccddeeff\nT *branch * x\nT +sym-x {h}\nT -sym-y *\nU u\n",
    "C x\nD 2459000.5\nF .a {h}\nF _FOSSIL_ {h}\nF b {h} l\nP {h}\nU\n",
    "M {h}\nM {k}\n",
    "D 2020-01-01T00:00:00.123\nT *x {h} v\nT +sym-x {k}\nT -sym-x {h}\nU u\n",
    "C c\nD 2020-01-01\nL Some\\sPage\nN text/x-markdown\nP {h} {k}\nU u\nW 5\nhello\n",
    "D 12:00\nJ +a x\nJ b\nJ c y\\nz\nK {40}\nU u\n",
    "A a/b.png Some\\sPage {h}\nC c\nD -0010-01-01T00:00:00\nN image/png\nU u\n",
    "C c\nD 2020-01-01\nE 2020-02-02 {40}\nP {k}\nN text/plain\nT +sym-x *\nU u\nW 2\n\n\n\n",
    "D 2020-01-01\nG {h}\nH title\nN x\nP {k}\nU u\nW 0\n\n",
    "D 2020-01-01\nG {h}\nI {k}\nU u\nW 3\nabc\n",
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nC x\nD 2020-01-01\nU u\n",
];

const TEXTS: &[&str] = &[
    "[abcd] [abcd|x] <nowiki>[abcd]</nowiki> <verbatim id=x>[abcd]</verbatim> <b x=\"[abcd]\"> <!-- [abcd] -->",
    "[t](abcd) [t][r] [r][] [^n] (^[x](abcd)) ![i](abcd) `[t](abcd)` **[t](abcd)**\n\n[r]: abcd\n[^n]: [t](abcd)\n",
    "> * [t](abcd)\n>   1. [t](abcd)\n\n    code\n\n```\n[t](abcd)\n```\n\n| a | [t](abcd) |\n|---|---|\n# [t](abcd)\n",
    "<pre>\n[t](abcd)\n</pre>\n\n<script>x</script>\n\n<!--\n\n-->\n\n[a [b](abcd) c](/info/abcd \"t\")\n===\n",
];

const WORDS: &[&str] = &[
    "\n",
    " ",
    "\0",
    "\\",
    "\\0",
    "\r\n",
    "*",
    "+",
    "-",
    "0",
    "W 5\n",
    "W 99999999999999999999\n",
    "Z ",
    "F ",
    "P ",
    "U\n",
    "N x\n",
    "T +x *\n",
    "J + \n",
    "-----BEGIN PGP SIGNATURE",
    "é",
    "\u{b}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "`",
    "![",
    "](",
    "][",
    "[^",
    "]: ",
    "<!--",
    "-->",
    "</pre>\n\n",
    "<verbatim>",
    "\n\n    ",
    "\n> ",
    "\n* ",
    "|",
    "\"",
    "\t",
];

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    let long = "b".repeat(64);
    let short = format!("{}a", "0".repeat(39));
    let fill =
        |text: &&str| text.replace("{h}", &short).replace("{k}", &long).replace("{40}", &short).into_bytes();
    texts.iter().map(fill).collect()
}

/// Adds the Z card, without which nothing is looked at to the end.
fn seal(mut text: Vec<u8>) -> Vec<u8> {
    let start = text.windows(2).position(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
    let signed = text.starts_with(b"-----BEGIN");
    let digest = faster_hex::hex_string(&md5::Md5::digest(&text[if signed { start } else { 0 }..]));
    text.extend_from_slice(format!("Z {digest}\n").as_bytes());
    text
}

/// What was read once is written in a form that is read as the same.
fn assert_settled(artifact: &Artifact) {
    let written = write(artifact);
    assert_eq!(parse(&written).as_ref(), Ok(artifact), "{}", String::from_utf8_lossy(&written));
}

#[test]
fn fuzz_parse() {
    let seeds = seeds(ARTIFACTS);
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        if let Ok(artifact) = parse(&seal(Material { seeds: &seeds, words: WORDS }.text(*first, edits))) {
            assert_settled(&artifact);
        }
    });
}

#[test]
fn fuzz_parse_of_raw_bytes() {
    bolero::check!().with_test_time(SMOKE).for_each(|bytes: &[u8]| {
        let _ = parse(bytes);
    });
}

#[test]
fn fuzz_backlinks() {
    let seeds = seeds(TEXTS);
    bolero::check!().with_test_time(SMOKE).with_type::<(usize, Vec<Edit>)>().for_each(|(first, edits)| {
        let text = Material { seeds: &seeds, words: WORDS }.text(*first, edits);
        for mimetype in [None, Some("text/x-markdown".into())] {
            for target in backlinks(&text, mimetype.as_ref()) {
                assert!((4..=64).contains(&target.len()));
                assert!(target.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
            }
        }
    });
}
