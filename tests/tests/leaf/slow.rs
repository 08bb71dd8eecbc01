//! Slow lines, and limits on what goes over a line.

use std::path::Path;
use std::time::{Duration, Instant};

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::proxy::{Fault, Proxy};
use frond_tests::rng::Rng;
use frond_tests::{Frond, Leaf, Scratch};

/// 1 Mbit/s.
const MEGABIT: u64 = 125_000;

/// Checks a file in that does not compress.
fn check_in_bytes(frond: &Frond, scratch: &Scratch, file: &Path, length: usize) -> String {
    let directory = scratch.dir("bytes");
    std::fs::write(directory.join("bytes.bin"), Rng::new(length as u64).bytes(length)).unwrap();
    let mut command = frond.command(["commit", "--user", "ann", "-m", "bytes", "bytes.bin", "-R"]);
    let said = frond_tests::frond::run(command.arg(file).current_dir(&directory));
    assert_eq!(said.code, Some(0), "{said}");
    said.stdout.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn over_a_line_of_one_megabit_and_a_tenth_of_a_second_all_arrives_both_ways() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let server = frond.server(&a);
    let narrow = Proxy::start(server.address);
    narrow.suffer(Fault::Throttle(MEGABIT));
    let far = Proxy::start(narrow.address);
    far.suffer(Fault::Delay(Duration::from_millis(100)));
    let leaf = Leaf::of(&frond, &b, &["--peer", &far.url(), "--timeout", "10s"]);
    until("it is cloned", || leaf.probe("/readyz").status == 200);
    let large = check_in_bytes(&frond, &scratch, &a, 400_000);
    let small = check_in(&frond, &b, "small.txt");
    until("what was made there is here", || holds(&frond, &b, &large));
    until("what was made here is there", || holds(&frond, &a, &small));
    leaf.terminate();
}

#[test]
fn a_limit_on_bytes_a_second_is_kept() {
    const RATE: u64 = 200_000;
    const LENGTH: usize = 300_000;
    const PARTS: usize = 6;
    for (key, gives) in [("down-rate", false), ("up-rate", true)] {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
        open_repository(&frond, &a);
        let server = frond.server(&a);
        frond.output(["clone", "--once", &server.url(), &b.to_string_lossy(), "-A", "ann"]);
        let line = Proxy::start(server.address);
        let (from, to) = if gives { (&b, &a) } else { (&a, &b) };
        let text = format!(
            "admin = '0'\nsocket = 'leaf.sock'\n[[repository]]\nfile = 'b.fossil'\n[[repository.peer]]\nurl = '{}'\n\
             poll = '300ms'\nsend-bytes = 100000\n{key} = {RATE}\n",
            line.url()
        );
        let config = scratch.write("leaf.toml", text);
        let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
        until("it is ready", || leaf.probe("/readyz").status == 200);
        let begun = Instant::now();
        for part in 0..PARTS {
            let hash = check_in_bytes(&frond, &scratch, from, LENGTH + part);
            until("it arrives", || holds(&frond, to, &hash));
        }
        let (took, traffic) = (begun.elapsed(), line.traffic());
        let moved = if gives { traffic.up } else { traffic.down };
        assert!(moved >= (LENGTH * PARTS) as u64, "{moved} bytes");
        // A rest saves up a second; then no more than the rate, give or take a tenth.
        let most = RATE + RATE * u64::try_from(took.as_millis()).unwrap() / 1000 * 11 / 10;
        assert!(moved <= most, "{key}: {moved} bytes in {took:?}");
        leaf.terminate();
    }
}
