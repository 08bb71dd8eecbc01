//! Slow lines, and limits on what goes over a line.

use std::net::SocketAddr;
use std::time::Duration;

use frond_tests::leaf::{check_in, check_in_bytes, holds, open_repository, until};
use frond_tests::proxy::{Fault, Proxy, Way};
use frond_tests::{Frond, Leaf, Scratch};

/// 1 Mbit/s.
const MEGABIT: u64 = 125_000;

/// A line of one megabit a second, and before it one of a tenth of a second, to connect to.
fn slow_line(server: SocketAddr) -> (Proxy, Proxy) {
    let narrow = Proxy::start(server);
    narrow.suffer(Fault::Throttle(MEGABIT));
    let far = Proxy::start(narrow.address);
    far.suffer(Fault::Delay(Duration::from_millis(100)));
    (narrow, far)
}

#[test]
fn over_a_line_of_one_megabit_and_a_tenth_of_a_second_all_arrives_both_ways() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let server = frond.server(&a);
    let (_narrow, far) = slow_line(server.address);
    let leaf = Leaf::of(&frond, &b, &["--peer", &far.url(), "--timeout", "10s"]);
    until("it is cloned", || leaf.probe("/readyz").status == 200);
    let large = check_in_bytes(&frond, &a, 400_000);
    let small = check_in(&frond, &b, "small.txt");
    until("what was made there is here", || holds(&frond, &b, &large));
    until("what was made here is there", || holds(&frond, &a, &small));
    leaf.terminate();
}

/// Moves an artifact over a line of one megabit and a tenth of a second, at no more than half of that. The time is that of
/// the leaf's one session, the bytes are those on the line.
#[track_caller]
fn moves_as_fast_as_it_may(key: &str, way: Way) {
    const RATE: u64 = MEGABIT / 2;
    const LENGTH: usize = 360_000;
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let there = Leaf::of(&frond, &a, &["--poll", "off"]);
    frond.output(["clone", "--once", &there.url(), &b.to_string_lossy(), "-A", "ann"]);
    let (from, to) = if way == Way::Up { (&b, &a) } else { (&a, &b) };
    let hash = check_in_bytes(&frond, from, LENGTH);
    let (narrow, far) = slow_line(there.address());
    let text = format!(
        "admin = '0'\nsocket = 'leaf.sock'\n[[repository]]\nfile = 'b.fossil'\n[[repository.peer]]\nurl = '{}'\n\
         poll = 'off'\n{key} = {RATE}\n",
        far.url()
    );
    let config = scratch.write("leaf.toml", text);
    let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
    let peer = || leaf.status(&frond)["repositories"][0]["peers"][0].clone();
    until("the session is done", || peer()["sessions"] == 1);
    assert!(holds(&frond, to, &hash));
    let (took, traffic) = (peer()["milliseconds"].as_u64().unwrap(), narrow.traffic());
    let moved = if way == Way::Up { traffic.up } else { traffic.down };
    assert!(moved >= LENGTH as u64, "{moved} bytes");
    // Within a tenth of the rate; a rest saves up a second.
    let (least, most) = (RATE * took / 1000 * 9 / 10, RATE * (took + 1000) / 1000 * 11 / 10);
    assert!((least..=most).contains(&moved), "{key}: {moved} bytes in {took} ms, not {least} to {most}");
}

#[test]
fn what_comes_is_as_fast_as_its_limit_and_no_faster() {
    moves_as_fast_as_it_may("down-rate", Way::Down);
}

#[test]
fn what_goes_is_as_fast_as_its_limit_and_no_faster() {
    moves_as_fast_as_it_may("up-rate", Way::Up);
}
