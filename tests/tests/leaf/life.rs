//! How leaves begin, go on and end.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use frond_tests::corpus::{Extras, Shape};
use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::process::within;
use frond_tests::{Frond, Leaf, Scratch};

#[test]
fn a_way_to_somewhere_that_was_not_there_before_begins_sessions() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    for file in [&a, &b] {
        std::fs::copy(frond_tests::shared::corpus(Shape::of(300), 300, Extras::None), file).unwrap();
    }
    let (file, peer) = (b.to_string_lossy(), a.to_string_lossy());
    let leaf = frond.command(["leaf", "--json", "-v", "-R", &file, "--peer", &peer, "--poll", "off"]);
    // A network of its own, to which a route is added while the leaf runs.
    let script = "ip link set lo up
        (n=0; while [ ! -e go ] && [ $n -lt 1200 ]; do n=$((n + 1)); sleep 0.05; done
         exec ip route add 10.9.0.0/16 dev lo) >/dev/null 2>&1 &
        exec \"$0\" \"$@\"";
    let inside = within("sh", ["-c", script], &leaf);
    let mut outside = within("unshare", ["--net", "--map-root-user"], &inside);
    let leaf = Leaf::start_command(outside.current_dir(scratch.path()));
    let peer = || leaf.status(&frond)["repositories"][0]["peers"][0].clone();
    until("the first session is done", || peer()["sessions"] == 1);
    scratch.write("go", "");
    until("another session begins", || peer()["reason"] == "network-returned");
}

#[test]
fn a_program_runs_when_the_repository_changed_whoever_changed_it() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let server = frond.server(&a);
    frond.clone(&server.url(), &b);
    let script = "{ echo \"$FROND_HOOK_REPOSITORY $FROND_HOOK_FILE\"; env; } >> ran; exit 3";
    let text = format!(
        "socket = 'leaf.sock'\n[[repository]]\nfile = 'b.fossil'\nhook = ['sh', '-c', '{script}']\n\
         [[repository.peer]]\nurl = '{}'\npoll = '500ms'\n",
        server.url()
    );
    let config = scratch.write("leaf.toml", text);
    let mut command = frond.command(["leaf", "--json", "--config"]);
    for name in ["FROND_PASSWORD", "NATS_PASSWORD", "NATS_TOKEN"] {
        command.env(name, "s3cret");
    }
    for name in ["HEADERS", "METRICS_HEADERS", "TRACES_HEADERS"] {
        command.env(format!("OTEL_EXPORTER_OTLP_{name}"), "authorization=s3cret");
    }
    let leaf = Leaf::start_command(command.arg(&config));
    let ran = || fs::read_to_string(scratch.file("ran")).unwrap_or_default();
    let times = || ran().lines().filter(|line| *line == format!("b {}", b.display())).count();
    for (file, name) in [(&b, "here.txt"), (&a, "there.txt")] {
        let before = times();
        check_in(&frond, file, name);
        until("the program ran", || times() > before);
    }
    assert!(!ran().contains("s3cret"));
    let log = leaf.terminate();
    assert!(log.contains("the hook failed") && log.contains("exit status: 3"), "{log}");
}

#[test]
fn a_leaf_that_was_killed_goes_on_when_it_is_started_again() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let first = Leaf::of(&frond, &a, &[]);
    let mut last = String::new();
    for turn in 0..5 {
        let mut leaf = Leaf::of(&frond, &b, &["--peer", &first.url()]);
        if turn == 0 {
            until("the repository is cloned", || b.exists());
        }
        last = check_in(&frond, &b, &format!("{turn}.txt"));
        leaf.kill();
    }
    let leaf = Leaf::of(&frond, &b, &["--peer", &first.url()]);
    until("everything arrives", || holds(&frond, &a, &last));
    leaf.terminate();
    first.terminate();
    frond.verify(&a);
    frond.verify(&b);
}

#[test]
fn a_leaf_that_is_to_end_leaves_its_file_whole_and_nothing_beside_it() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let leaf = Leaf::of(&frond, &file, &[]);
    until("it is ready", || leaf.probe("/readyz").status == 200);
    check_in(&frond, &file, "a.txt");
    leaf.terminate();
    let names = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["a.fossil"]);
}

#[test]
fn systemd_is_told_what_a_leaf_does_and_that_it_lives() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let config = scratch.write("leaf.toml", "[[repository]]\nfile = 'a.fossil'\n");
    let at = scratch.file("notify");
    let systemd = UnixDatagram::bind(&at).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let next = || {
        let mut bytes = [0; 256];
        let length = systemd.recv(&mut bytes).expect("systemd is told something");
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let after_beats = || std::iter::repeat_with(next).find(|said| said != "WATCHDOG=1").unwrap();
    let mut command = frond.command(["leaf", "--json", "--config", &config.to_string_lossy()]);
    command.env("NOTIFY_SOCKET", &at).env("WATCHDOG_USEC", "100000");
    let leaf = Leaf::start_command(&mut command);
    assert_eq!(after_beats(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    leaf.signal("HUP");
    let said = after_beats();
    let when = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{said}"));
    assert!(when.parse::<u64>().unwrap() > 0);
    assert_eq!(after_beats(), "READY=1");
    assert_eq!(next(), "WATCHDOG=1");
    leaf.signal("TERM");
    assert_eq!(after_beats(), "STOPPING=1");
    assert_eq!(leaf.wait().0.code(), Some(0));
}

#[test]
fn two_leaves_do_not_share_a_socket() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let mut leaf = Leaf::of(&frond, &file, &[]);
    let said = frond.try_run(["leaf", "-R", &file.to_string_lossy()]);
    assert_eq!(said.code, Some(frond_tests::frond::LOCKED), "{said}");
    leaf.kill();
    Leaf::of(&frond, &file, &[]).terminate();
}

#[test]
fn a_signal_and_a_command_begin_sessions_at_once() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let server = frond.server(&a);
    let socket = scratch.file("socket");
    let socket = socket.to_str().unwrap();
    let leaf = Leaf::of(&frond, &b, &["--peer", &server.url(), "--poll", "off", "--socket", socket]);
    let sessions = || leaf.status(&frond)["repositories"][0]["peers"][0]["sessions"].as_u64();
    until("the first session is over", || sessions() == Some(1));
    for (number, name) in ["USR1", "command"].into_iter().enumerate() {
        let hash = check_in(&frond, &a, &format!("{name}.txt"));
        match name {
            "command" => drop(frond.output(["leaf", "sync-now", "--socket", socket])),
            signal => leaf.signal(signal),
        }
        until("the change came", || holds(&frond, &b, &hash));
        until("the session is over", || sessions() >= Some(2 + number as u64));
    }
    let said = frond.try_run(["leaf", "sync-now", "--socket", socket, "--peer", "http://nobody/"]);
    assert!(said.code == Some(1) && said.stderr.contains("no peer"), "{said}");
}

#[test]
fn what_a_new_configuration_does_not_touch_goes_on() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let table = |name: &str| format!("[[repository]]\nfile = '{name}.fossil'\n");
    for name in ["one", "two"] {
        open_repository(&frond, &scratch.file(&format!("{name}.fossil")));
    }
    let head = "listen = '127.0.0.1:0'\nadmin = '0'\n";
    let config = scratch.write("leaf.toml", format!("{head}{}", table("one")));
    let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
    let names = || -> Vec<String> {
        let status = leaf.status(&frond);
        let repositories = status["repositories"].as_array().unwrap().iter();
        repositories.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), ["one"]);

    scratch.write("leaf.toml", format!("{head}{}{}", table("one"), table("two")));
    leaf.signal("HUP");
    until("the second is there", || names() == ["one", "two"]);
    let copy = scratch.file("copy.fossil");
    until("the second is served", || {
        frond.try_exchange("clone", &format!("{}two", leaf.url()), &copy).code.is_some()
    });

    scratch.write("leaf.toml", format!("{head}lisen = 1\n{}", table("two")));
    leaf.signal("HUP");
    scratch.write("leaf.toml", format!("{head}{}", table("two")));
    leaf.signal("HUP");
    until("only the second is there", || names() == ["two"]);
    until("all is ready", || leaf.probe("/readyz").status == 200);
    leaf.terminate();
}
