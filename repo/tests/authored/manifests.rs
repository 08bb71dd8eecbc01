//! Structural artifacts: what stock writes and what stock reads.

use std::collections::BTreeMap;

use md5::Digest as _;
use repo::manifest::{self, Artifact};
use repo::{Repo, Rid, content};

use crate::fossil::Fossil;

fn kind(artifact: &Artifact) -> &'static str {
    match artifact {
        Artifact::Checkin(_) => "check-in",
        Artifact::Cluster(_) => "cluster",
        Artifact::Control(_) => "control",
        Artifact::Wiki(_) => "wiki",
        Artifact::Ticket(_) => "ticket",
        Artifact::Attachment(_) => "attachment",
        Artifact::Technote(_) => "technote",
        Artifact::Forum(_) => "forum",
    }
}

/// Every kind that stock's command line makes.
fn made_by_stock(fossil: &Fossil) {
    let tree = fossil.path("tree");
    std::fs::create_dir(&tree).unwrap();
    fossil.run(["init", "stock.fossil"]);
    let run = |line: &str| {
        let args: Vec<String> = line.split(' ').map(|word| word.replace('~', " ")).collect();
        let said = fossil.run_in(&tree, args);
        assert!(
            !["sage: ", "ERROR", "not resolve", "unknown"].iter().any(|bad| said.contains(bad)),
            "{line}: {said}"
        );
    };
    run("open ../stock.fossil");
    for number in 0..4 {
        std::fs::write(tree.join("a file"), "line\n".repeat(number + 1)).unwrap();
        std::fs::write(tree.join(format!("f{number}")), format!("{number}\n")).unwrap();
        std::fs::write(fossil.path("note"), format!("\n text {number}\n\n")).unwrap();
        run("add .");
        run(&format!("commit -m change~{number}\n\tab\tend --no-warnings"));
        let verb = if number == 0 { "create" } else { "commit" };
        run(&format!("wiki {verb} A~page ../note -M text/x-markdown"));
        run(&format!("wiki {verb} A~note ../note --technote 2020-01-01T00:00:00 --technote-tags x,y"));
        run(&format!("ticket add title it~fails~{number} comment more\n private_contact me"));
    }
    // Made after a rename, it would copy the letter that made room for the old name, and not the name.
    run("branch new other trunk");
    run("mv --hard f1 renamed~file");
    run("rm --hard f2");
    run("commit -m moved --branch side --tag v~1 --bgcolor #abcdef --no-warnings");
    run("update trunk");
    run("merge side");
    run("commit -m merged --no-warnings --delta");
    run("tag add --raw a~tag trunk its~value");
    run("tag cancel v~1 side");
    run("amend trunk -m better~said --author somebody");
    run("attachment add A~page ../note");
}

#[test]
fn what_stock_writes_is_written_the_same() {
    let fossil = Fossil::new();
    made_by_stock(&fossil);
    let mut repo = Repo::open(&fossil.path("stock.fossil")).unwrap();
    let snap = repo.snapshot().unwrap();
    let mut statement = snap.conn().prepare("SELECT rid FROM blob WHERE size>=0").unwrap();
    let rids: Vec<Rid> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for rid in rids {
        let bytes = content::get(&snap, rid).unwrap();
        let Ok(artifact) = manifest::parse(&bytes) else { continue };
        *kinds.entry(kind(&artifact)).or_default() += 1;
        let written = manifest::write(&artifact);
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&bytes));
    }
    for kind in ["check-in", "control", "wiki", "ticket", "technote", "attachment"] {
        assert!(kinds.contains_key(kind), "{kind} in {kinds:?}");
    }
}

const H: &str = "0123456789abcdef0123456789abcdef01234567";
const K: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// Sound artifacts of every kind, without their Z cards.
fn sound() -> Vec<String> {
    let d = "D 2020-01-01T00:00:00";
    vec![
        format!(
            "B {H}\nC a\\sb\n{d}\nF a/b {H} w c\nF c\nF d {K} x\nN text/plain\nP {H} {K}\nQ +{H}\n\
                 R 00112233445566778899aabbccddeeff\nT *branch * x\nT +sym-x {H}\nT -sym-y *\nU u\n"
        ),
        format!("C x\n{d}\nF .a {H}\nF _FOSSIL_ {H}\nF b {H} l\nP {H}\nU\n"),
        format!("M {H}\nM {K}\n"),
        format!("{d}\nT *x {H} v\nT +sym-x {K}\nT -sym-x {H}\nU u\n"),
        format!("C c\n{d}\nL Some\\sPage\nN text/x-markdown\nP {H} {K}\nU u\nW 5\nhello\n"),
        format!("{d}\nJ +a x\nJ b\nJ c y\\nz\nK {H}\nU u\n"),
        format!("A a/b.png Some\\sPage {H}\nC c\n{d}\nN image/png\nU u\n"),
        format!("C c\n{d}\nE 2020-02-02 {H}\nN text/plain\nP {K}\nT +sym-x *\nU u\nW 2\n\n\n\n"),
        format!("{d}\nG {H}\nH title\nN x\nP {K}\nU u\nW 0\n\n"),
        format!("{d}\nG {H}\nI {K}\nU u\nW 3\nabc\n"),
    ]
}

fn seal(cards: &str) -> Vec<u8> {
    let digest = faster_hex::hex_string(&md5::Md5::digest(cards));
    format!("{cards}Z {digest}\n").into_bytes()
}

/// A generator that gives the same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Changes a line or a token.
fn change(cards: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = cards.lines().map(str::to_owned).collect();
    let at = dice.below(lines.len());
    match dice.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => lines.swap(at, dice.below(cards.lines().count())),
        3 => {
            let cards = [
                "C x",
                "D 2020-01-01",
                "F z",
                "N x",
                "P",
                "U u",
                "H t",
                "L p",
                "W 0\n",
                "T +y *",
                "X x",
                "a b",
            ];
            lines.insert(at, dice.pick(&cards).to_owned());
        }
        _ => {
            let mut tokens: Vec<&str> = lines[at].split(' ').collect();
            let tokens_at = dice.below(tokens.len());
            let (short, lower) = (&H[1..], "x/../y");
            let new = dice.pick(&[
                "",
                "*",
                "+abc",
                "+x",
                "-x",
                "x",
                "../x",
                lower,
                "/x",
                "x/",
                ".",
                "a\\sb",
                "a\\s\\sb",
                "\\s",
                H,
                K,
                short,
                "12",
                "-1",
                "99999999999",
                "2020-13-01",
                "12:00",
                "w",
                "\\",
                "x\\",
                "_FOSSIL_",
                "a//b",
                "é",
            ]);
            match dice.below(3) {
                0 => tokens[tokens_at] = new,
                1 => tokens.insert(tokens_at + 1, new),
                _ => drop(tokens.remove(tokens_at)),
            }
            let line = tokens.join(" ");
            lines[at] = line;
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn stock_and_frond_agree_on_what_is_structural() {
    let fossil = Fossil::new();
    let mut dice = Dice(1);
    let sound = sound();
    let mut agreed: BTreeMap<bool, u32> = BTreeMap::new();
    for number in 0..400 {
        let mut cards = sound[number % sound.len()].clone();
        for _ in 0..number / sound.len() % 4 {
            cards = if cards.is_empty() { cards } else { change(&cards, &mut dice) };
        }
        let bytes = seal(&cards);
        std::fs::write(fossil.path("artifact"), &bytes).unwrap();
        let said = fossil.run(["test-parse-manifest", "artifact"]);
        let ours = manifest::parse(&bytes);
        assert_eq!(ours.is_ok(), said.contains("manifest_parse() worked"), "{cards:?}\n{ours:?}\n{said}");
        *agreed.entry(ours.is_ok()).or_default() += 1;
    }
    assert!(agreed.values().all(|count| *count > 50), "{agreed:?}");
}
