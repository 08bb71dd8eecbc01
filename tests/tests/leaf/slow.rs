//! Slow lines, and limits on what goes over a line.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use frond_tests::leaf::{check_in, check_in_bytes, holds, open_repository, project_code, until};
use frond_tests::proxy::{Fault, Proxy, Way};
use frond_tests::{Frond, Leaf, Nats, Scratch};

/// 1 Mbit/s.
const MEGABIT: u64 = 125_000;

/// A line of one megabit a second, and before it one of a tenth of a second, to connect to.
///
/// It is made of proxies at loopback, not of a network namespace: those can be had, but many kernels of small machines know
/// no `netem`, without which no namespace delays anything.
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

/// What a leaf and its peer reach each other by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Http,
    Nats,
}

/// What had moved at a moment between two.
struct Look {
    before: Instant,
    moved: u64,
    after: Instant,
}

/// How long the rate is looked at at a time.
const WINDOW: Duration = Duration::from_secs(5);

/// Moves an artifact at no more than a megabit a second, and looks at the line while it moves.
#[track_caller]
fn moves_as_fast_as_it_may(carrier: Carrier, key: &str, way: Way) {
    const LENGTH: usize = 1_000_000;
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let there = Leaf::of(&frond, &a, &["--poll", "off", "--nats", &broker.url()]);
    until("it is ready", || there.probe("/readyz").status == 200);
    frond.output(["clone", "--once", &there.url(), &b.to_string_lossy(), "-A", "ann"]);
    let (from, to) = if way == Way::Up { (&b, &a) } else { (&a, &b) };
    let hash = check_in_bytes(&frond, from, LENGTH);
    let server = match carrier {
        Carrier::Http => there.address(),
        Carrier::Nats => SocketAddr::from(([127, 0, 0, 1], broker.port)),
    };
    let far = Proxy::start(server);
    far.suffer(Fault::Delay(Duration::from_millis(50)));
    let line = Proxy::exact(far.address);
    let url = match carrier {
        Carrier::Http => line.url(),
        Carrier::Nats => format!("nats://{}/{}", line.address, project_code(&a)),
    };
    let text = format!(
        "admin = '0'\nsocket = 'leaf.sock'\n[[repository]]\nfile = 'b.fossil'\n[[repository.peer]]\nurl = '{url}'\n\
         poll = 'off'\n{key} = {MEGABIT}\n"
    );
    let config = scratch.write("leaf.toml", text);
    let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
    let mut looks: Vec<Look> = Vec::new();
    until("the artifact is there", || {
        let before = Instant::now();
        let traffic = line.traffic();
        let moved = if way == Way::Up { traffic.up } else { traffic.down };
        if looks.last().is_none_or(|last| last.moved < moved) {
            looks.push(Look { before, moved, after: Instant::now() });
        }
        moved > LENGTH as u64 && holds(&frond, to, &hash)
    });
    leaf.terminate();
    for (at, first) in looks.iter().enumerate() {
        let within = looks[at..].iter().take_while(|look| look.after.duration_since(first.before) <= WINDOW);
        let moved = within.last().map_or(0, |last| last.moved - first.moved);
        let most = MEGABIT * WINDOW.as_secs() * 11 / 10;
        assert!(moved <= most, "{carrier:?} {key}: {moved} bytes in {WINDOW:?}, not {most}");
    }
    let first = looks.iter().find(|look| look.moved > LENGTH as u64 / 20).unwrap();
    let last = looks.iter().find(|look| look.moved >= LENGTH as u64).unwrap();
    let took = u64::try_from(last.before.duration_since(first.after).as_millis()).unwrap();
    let (moved, least) = (last.moved - first.moved, MEGABIT * took / 1000 * 9 / 10);
    assert!(moved >= least, "{carrier:?} {key}: {moved} bytes in {took} ms, not {least}");
    println!("{carrier:?} {key}: {} bytes a second", moved * 1000 / took);
}

#[test]
fn what_comes_is_as_fast_as_its_limit_and_no_faster_while_it_comes() {
    moves_as_fast_as_it_may(Carrier::Http, "down-rate", Way::Down);
}

#[test]
fn what_goes_is_as_fast_as_its_limit_and_no_faster_while_it_goes() {
    moves_as_fast_as_it_may(Carrier::Http, "up-rate", Way::Up);
}

#[test]
fn over_a_broker_what_comes_is_as_fast_as_its_limit_and_no_faster_while_it_comes() {
    moves_as_fast_as_it_may(Carrier::Nats, "down-rate", Way::Down);
}

#[test]
fn over_a_broker_what_goes_is_as_fast_as_its_limit_and_no_faster_while_it_goes() {
    moves_as_fast_as_it_may(Carrier::Nats, "up-rate", Way::Up);
}

#[test]
fn what_a_leaf_announces_that_may_send_but_slowly_is_fetched_at_once_by_others() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let files = ["a", "b", "c"].map(|name| scratch.file(&format!("{name}.fossil")));
    open_repository(&frond, &files[0]);
    let server = frond.server(&files[0]);
    for file in &files[1..] {
        frond.output(["clone", "--once", &server.url(), &file.to_string_lossy(), "-A", "ann"]);
        frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
    }
    drop(server);
    let start = |name: &str, more: &str| {
        let text = format!(
            "admin = '0'\nsocket = '{name}.sock'\nnats = '{}'\n[defaults]\npoll = 'off'\n{more}\
             [[repository]]\nfile = '{name}.fossil'\n",
            broker.url()
        );
        let config = scratch.write(&format!("{name}.toml"), text);
        let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
        until("it is ready", || leaf.probe("/readyz").status == 200);
        leaf
    };
    // By itself the first would take longer than anybody here waits: five minutes.
    let _fleet = [start("a", "up-rate = 1000\n"), start("b", ""), start("c", "")];
    let hash = check_in_bytes(&frond, &files[0], 300_000);
    for file in &files[1..] {
        until("the others have it", || holds(&frond, file, &hash));
    }
}

#[test]
fn leaves_that_reach_their_broker_over_slow_lines_keep_in_step() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let first = scratch.file("a.fossil");
    open_repository(&frond, &first);
    let project = project_code(&first);
    let lines: Vec<_> = (0..3).map(|_| slow_line(SocketAddr::from(([127, 0, 0, 1], broker.port)))).collect();
    let fleet: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip(&lines)
        .map(|(name, (_, far))| {
            let file = scratch.file(&format!("{name}.fossil"));
            let url = format!("nats://{}", far.address);
            let leaf = Leaf::of(&frond, &file, &["--nats", &url, "--project", &project, "--poll", "5s"]);
            until("it is there", || leaf.probe("/readyz").status == 200);
            frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
            (file, leaf)
        })
        .collect();
    let large = check_in_bytes(&frond, &fleet[1].0, 200_000);
    let small = check_in(&frond, &fleet[2].0, "small.txt");
    for (file, _) in &fleet {
        until("all have both", || holds(&frond, file, &large) && holds(&frond, file, &small));
    }
}
