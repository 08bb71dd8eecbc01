//! Leaves that meet at a broker, without a hub.

use std::path::{Path, PathBuf};

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::nats::ByHand;
use frond_tests::process::free_port;
use frond_tests::{Fossil, Frond, Leaf, Nats, Scratch, sql};
use serde_json::Value;

/// Three copies of a repository, and a leaf for each at the broker; news alone begin sessions.
fn fleet(frond: &Frond, scratch: &Scratch, broker: &Nats) -> Vec<(PathBuf, Leaf)> {
    fleet_with(frond, scratch, broker, &[])
}

/// The same with more flags.
fn fleet_with(frond: &Frond, scratch: &Scratch, broker: &Nats, flags: &[&str]) -> Vec<(PathBuf, Leaf)> {
    let first = scratch.file("a.fossil");
    open_repository(frond, &first);
    let server = frond.server(&first);
    for name in ["b.fossil", "c.fossil"] {
        let file = scratch.file(name);
        // It remembers no address: there is only the broker.
        frond.output(["clone", "--once", &server.url(), &file.to_string_lossy()]);
        frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
    }
    drop(server);
    let files = ["a.fossil", "b.fossil", "c.fossil"].map(|name| scratch.file(name));
    let start = |file: PathBuf| {
        let leaf = Leaf::of(frond, &file, &[&["--nats", &broker.url(), "--poll", "off"], flags].concat());
        (file, leaf)
    };
    let fleet: Vec<_> = files.into_iter().map(start).collect();
    for (_, leaf) in &fleet {
        until("it is ready", || leaf.probe("/readyz").status == 200);
    }
    fleet
}

#[track_caller]
fn reaches_all(frond: &Frond, fleet: &[(PathBuf, Leaf)], hash: &str) {
    for (file, _) in fleet {
        until("the check-in is everywhere", || holds(frond, file, hash));
    }
}

#[test]
fn a_check_in_on_any_leaf_is_announced_to_all_and_fetched() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fleet = fleet(&frond, &scratch, &broker);
    for (number, (file, _)) in fleet.iter().enumerate() {
        let hash = check_in(&frond, file, &format!("{number}.txt"));
        reaches_all(&frond, &fleet, &hash);
    }
    for (_, leaf) in fleet {
        leaf.terminate();
    }
}

#[test]
fn a_broker_that_comes_back_brings_what_was_missed() {
    let (frond, scratch, mut broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fleet = fleet(&frond, &scratch, &broker);
    let first = check_in(&frond, &fleet[0].0, "before.txt");
    reaches_all(&frond, &fleet, &first);
    broker.stop();
    let missed: Vec<String> = fleet
        .iter()
        .enumerate()
        .map(|(n, (file, _))| check_in(&frond, file, &format!("alone-{n}.txt")))
        .collect();
    broker.restart();
    for hash in &missed {
        reaches_all(&frond, &fleet, hash);
    }
}

#[test]
fn stock_pushes_to_one_leaf_and_clones_from_another() {
    let (frond, scratch, broker, fossil) = (Frond::new(), Scratch::new(), Nats::start(), Fossil::new());
    let fleet = fleet(&frond, &scratch, &broker);
    let clone = scratch.file("stock.fossil");
    fossil.clone(&fleet[0].1.url(), &clone);
    let hash = check_in(&frond, &clone, "by-stock.txt");
    fossil.exchange("push", &fleet[0].1.url(), &clone);
    reaches_all(&frond, &fleet, &hash);
    let other = scratch.file("other.fossil");
    fossil.clone(&fleet[2].1.url(), &other);
    assert!(holds(&frond, &other, &hash));
}

#[test]
fn stock_commits_to_the_file_of_one_leaf_and_all_have_it() {
    let (frond, scratch, broker, fossil) = (Frond::new(), Scratch::new(), Nats::start(), Fossil::new());
    let fleet = fleet(&frond, &scratch, &broker);
    let checkout = scratch.dir("checkout");
    fossil.output_in(&checkout, ["open", &fleet[1].0.to_string_lossy()]);
    std::fs::write(checkout.join("by-stock.txt"), "by stock\n").unwrap();
    fossil.output_in(&checkout, ["add", "by-stock.txt"]);
    fossil.output_in(&checkout, ["commit", "-m", "by stock", "--no-warnings"]);
    let made = "SELECT uuid FROM blob JOIN event ON rid=objid WHERE comment='by stock'";
    let hash = sql::column(&fleet[1].0, made)[0].clone();
    reaches_all(&frond, &fleet, &hash);
}

/// The row of the status about the broker.
fn at_broker(frond: &Frond, leaf: &Leaf) -> Value {
    leaf.status(frond)["repositories"][0]["peers"][0].clone()
}

fn config(file: &Path, name: &str) -> String {
    sql::column(file, &format!("SELECT value FROM config WHERE name='{name}'"))[0].clone()
}

#[test]
fn news_of_a_leaf_that_is_gone_keep_no_other_from_being_heard_and_fail_nothing() {
    const GONE: &str = "9999999999999999999999999999999999999999";
    for configuration in ["", "jetstream { store_dir: \"{STORE}\" }\n"] {
        let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::with(configuration));
        let fleet = fleet(&frond, &scratch, &broker);
        let project = config(&fleet[0].0, "project-code");
        // The first one was alone for a while.
        let failed = |leaf: &Leaf| {
            until("it has met another", || {
                let row = at_broker(&frond, leaf);
                row["syncing"] == false && row["error"].is_null() && !row["last_sync"].is_null()
            });
            at_broker(&frond, leaf)["failed_sessions"].clone()
        };
        let failed: Vec<Value> = fleet.iter().map(|(_, leaf)| failed(leaf)).collect();
        let mut hand = ByHand::connect(&broker);
        for number in 0..200 {
            let news = format!(r#"{{"uuid":"{number:040x}","peer_id":"{GONE}"}}"#);
            hand.publish(&format!("fossil.{project}.commit"), "", news.as_bytes());
        }
        hand.flush();
        let hash = check_in(&frond, &fleet[0].0, "after.txt");
        reaches_all(&frond, &fleet, &hash);
        for ((file, leaf), failed) in fleet.iter().zip(failed) {
            until("it is at rest", || {
                let row = at_broker(&frond, leaf);
                row["syncing"] == false && row["reason"] != "start"
            });
            let row = at_broker(&frond, leaf);
            assert!(row["failed_sessions"] == failed && row["error"].is_null(), "{row}");
            if !configuration.is_empty() {
                let own = config(file, "server-code");
                let subject = format!("$JS.API.CONSUMER.INFO.FROND_fossil_{project}.{own}");
                until("all is acknowledged", || {
                    let heard = ByHand::connect(&broker).ask(&subject, b"");
                    let said: Value = serde_json::from_slice(&heard.payload).unwrap();
                    said["num_ack_pending"] == 0 && said["num_pending"] == 0
                });
            }
        }
    }
}

#[test]
fn a_leaf_that_hangs_holds_up_no_other() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    // Whoever waited for it would wait for longer than this test.
    let fleet = fleet_with(&frond, &scratch, &broker, &["--timeout", "1h"]);
    let before = check_in(&frond, &fleet[2].0, "before.txt");
    reaches_all(&frond, &fleet, &before);
    let (project, hanging) = (config(&fleet[2].0, "project-code"), config(&fleet[2].0, "server-code"));
    fleet[2].1.signal("STOP");
    let news = format!(r#"{{"uuid":"{}","peer_id":"{hanging}"}}"#, "7".repeat(40));
    let mut hand = ByHand::connect(&broker);
    hand.publish(&format!("fossil.{project}.commit"), "", news.as_bytes());
    hand.flush();
    for (_, leaf) in &fleet[..2] {
        until("it asks the one that hangs", || at_broker(&frond, leaf)["syncing"] == true);
    }
    for (from, to) in [(0, 1), (1, 0)] {
        let hash = check_in(&frond, &fleet[from].0, &format!("{from}.txt"));
        until("the check-in is on the other", || holds(&frond, &fleet[to].0, &hash));
    }
    fleet[2].1.signal("CONT");
}

#[test]
fn what_the_broker_does_not_allow_is_told_by_status_and_page() {
    let broker = Nats::with(
        "no_auth_user: leaf\nauthorization { users: [ { user: leaf, password: pw, permissions: {\n\
         subscribe: { deny: [\"fossil.*.sync\", \"fossil.*.commit\"] } } } ] }\n",
    );
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let leaf = Leaf::of(&frond, &file, &["--nats", &broker.url(), "--poll", "off"]);
    let told = ["it does not answer at the broker", "it hears of nothing new at the broker"];
    for told in told {
        until("it is told", || broker_error(&frond, &leaf, told)["class"] == "refused");
    }
    let socket = leaf.started["socket"].as_str().unwrap();
    let (text, page) = (frond.output(["leaf", "status", "--socket", socket]), leaf.probe("/").text());
    assert!(told.iter().all(|told| text.contains(told) && page.contains(told)), "{text}{page}");
    assert!(leaf.probe("/readyz").text().contains(told[0]));
}

#[test]
fn that_a_broker_does_not_keep_announcements_for_this_user_is_told_and_they_are_heard_all_the_same() {
    let broker = Nats::with(
        "jetstream { store_dir: \"{STORE}\" }\nno_auth_user: leaf\nauthorization { users: [ { user: leaf,\n\
         password: pw, permissions: { publish: [\"fossil.>\", \"_INBOX.>\"] } } ] }\n",
    );
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let fleet = fleet(&frond, &scratch, &broker);
    let hash = check_in(&frond, &fleet[0].0, "a.txt");
    reaches_all(&frond, &fleet, &hash);
    for (_, leaf) in fleet {
        let log = leaf.terminate();
        let words = ["WARN", "announcements are not kept for who is away", "$JS.API.STREAM.INFO"];
        assert!(log.lines().any(|line| words.iter().all(|word| line.contains(word))), "{log}");
    }
}

/// What the status says of what fails at the broker, if it says this.
fn broker_error(frond: &Frond, leaf: &Leaf, told: &str) -> Value {
    let errors = leaf.status(frond)["repositories"][0]["broker_errors"].clone();
    let says = |error: &&Value| error["message"].as_str().is_some_and(|text| text.contains(told));
    errors.as_array().unwrap().iter().find(says).cloned().unwrap_or_default()
}

#[test]
fn a_broker_that_does_not_let_the_leaf_in_is_told_with_what_to_do() {
    let leafnodes = free_port();
    let broker = Nats::with(&format!(
        "authorization {{ user: leaf, password: right }}\nleafnodes {{ listen: \"127.0.0.1:{leafnodes}\" }}\n"
    ));
    for (port, password, class, hint) in [
        (broker.port, "wrong", "refused", "check who asks"),
        (leafnodes, "right", "failed", "the broker's port for clients"),
    ] {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let file = scratch.file("a.fossil");
        open_repository(&frond, &file);
        let url = format!("nats://127.0.0.1:{port}");
        let mut command = frond.command(["leaf", "--json", "-v", "--admin", "0", "--nats", &url, "-R"]);
        command.arg(&file).env("NATS_USER", "leaf").env("NATS_PASSWORD", password);
        let leaf = Leaf::start_command(&mut command);
        let error = || broker_error(&frond, &leaf, "it does not reach the broker");
        until("it is told", || error()["class"] == class);
        assert!(error()["hint"].as_str().unwrap().contains(hint), "{}", error());
        until("the session is over", || at_broker(&frond, &leaf)["error"]["class"] == class);
        assert_eq!(at_broker(&frond, &leaf)["syncing"], false);
        assert_eq!(leaf.probe("/readyz").status, 503);
        leaf.terminate();
    }
}

#[test]
fn a_leaf_that_ends_together_with_its_broker_waits_for_nobody() {
    let (frond, scratch, mut broker) = (Frond::new(), Scratch::new(), Nats::start());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let leaf = Leaf::of(&frond, &file, &["--nats", &broker.url(), "--drain", "1h"]);
    until("it is ready", || leaf.probe("/readyz").status == 200);
    leaf.signal("TERM");
    broker.stop();
    let (status, log) = leaf.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_leaf_that_is_there_before_its_broker_has_announcements_kept() {
    let mut broker = Nats::with("jetstream { store_dir: \"{STORE}\" }\n");
    broker.stop();
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let leaf = Leaf::of(&frond, &file, &["--nats", &broker.url()]);
    until("it misses the broker", || {
        broker_error(&frond, &leaf, "it does not reach the broker")["class"] == "network"
    });
    broker.restart();
    let (project, own) = (config(&file, "project-code"), config(&file, "server-code"));
    let subject = format!("$JS.API.CONSUMER.INFO.FROND_fossil_{project}.{own}");
    until("the broker keeps announcements for it", || {
        let heard = ByHand::connect(&broker).ask(&subject, b"");
        let said: Value = serde_json::from_slice(&heard.payload).unwrap();
        said["name"] == own.as_str()
    });
    until("it misses it no more", || {
        leaf.status(&frond)["repositories"][0]["broker_errors"].as_array().unwrap().is_empty()
    });
}

/// Has somebody log in as `sync` who may pull and push, and nobody else.
#[track_caller]
fn close(frond: &Frond, scratch: &Scratch, file: &Path) {
    close_to_all_but(frond, scratch, file, "gio");
}

/// Has somebody log in as `sync` with these rights, and nobody else.
#[track_caller]
fn close_to_all_but(frond: &Frond, scratch: &Scratch, file: &Path, rights: &str) {
    let file = file.to_string_lossy();
    let password = scratch.write("sync.password", "sesame\n");
    let mut command = frond.command(["user", "new", "sync", "-R", &file]);
    let said = frond_tests::frond::run(command.env("FROND_NEW_PASSWORD_FILE", password));
    assert_eq!(said.code, Some(0), "{said}");
    for (user, capabilities) in [("sync", rights), ("nobody", ""), ("anonymous", "")] {
        frond.output(["user", "capabilities", user, capabilities, "-R", &file]);
    }
}

#[test]
fn what_is_private_unversioned_or_a_row_of_a_table_goes_over_the_broker_if_it_is_wanted() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let files = ["a.fossil", "b.fossil"].map(|name| scratch.file(name));
    open_repository(&frond, &files[0]);
    let server = frond.server(&files[0]);
    frond.output(["clone", "--once", &server.url(), &files[1].to_string_lossy(), "-A", "ann"]);
    drop(server);
    let run = |file: &Path, words: &[&str]| frond.output([words, &["-R", &file.to_string_lossy()]].concat());
    let start = |name: &str| {
        close_to_all_but(&frond, &scratch, &scratch.file(&format!("{name}.fossil")), "gioxy");
        let text = format!(
            "admin = '0'\nnats = '{}'\nnats-login = 'sync'\nnats-password-file = 'sync.password'\n\
             [defaults]\npoll = '500ms'\nprivate = true\nunversioned = true\n\
             [[repository]]\nfile = '{name}.fossil'\n",
            broker.url()
        );
        let config = scratch.write(&format!("{name}.toml"), text);
        Leaf::start(&frond, ["--config", &config.to_string_lossy()])
    };
    let columns = ["--column", "name:text", "--column", "load:integer", "--key", "name"];
    run(&files[0], &[&["table", "create", "hosts", "--conflict", "last-writer"][..], &columns].concat());
    run(&files[0], &["table", "put", "hosts", "name=first", "load=7", "--user", "ann"]);
    let note = scratch.write("note.txt", "a note");
    run(&files[0], &["uv", "add", &note.to_string_lossy(), "--as", "note.txt"]);
    let work = scratch.dir("work");
    std::fs::write(work.join("secret.txt"), "secret").unwrap();
    let mut command = frond.command(["commit", "--user", "ann", "-m", "secret", "secret.txt", "--private"]);
    let said = frond_tests::frond::run(command.arg("-R").arg(&files[0]).current_dir(&work));
    let secret = said.stdout.split_whitespace().last().unwrap().to_owned();
    let _fleet = [start("a"), start("b")];
    until("the private check-in is there", || holds(&frond, &files[1], &secret));
    until("the unversioned file is there", || run(&files[1], &["uv", "ls"]).contains("note.txt"));
    until("the row is there", || {
        let said = frond.try_run(["table", "dump", "hosts", "-R", &files[1].to_string_lossy()]);
        said.stdout.contains("first")
    });
    assert_eq!(sql::number(&files[1], "SELECT count(*) FROM private"), 2, "the check-in and its file");
}

#[test]
fn who_checks_in_together_with_others_does_it_over_the_broker_too() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fleet = fleet(&frond, &scratch, &broker);
    let file = scratch.file("clone.fossil");
    let project = config(&fleet[0].0, "project-code");
    check_in(&frond, &fleet[0].0, "first.txt");
    frond.output(["clone", &broker.project(&project), &file.to_string_lossy(), "-A", "ann"]);
    let by_another = check_in(&frond, &fleet[0].0, "by-another.txt");
    reaches_all(&frond, &fleet, &by_another);
    let work = scratch.dir("work");
    std::fs::write(work.join("mine.txt"), "mine").unwrap();
    let mut command = frond.command(["commit", "mine.txt", "-m", "mine", "--autosync", "--user", "ann"]);
    let said = frond_tests::frond::run(command.arg("-R").arg(&file).current_dir(&work));
    assert_eq!(said.code, Some(0), "{said}");
    let tip = "SELECT uuid FROM leaf JOIN blob USING(rid)";
    let mine = sql::column(&file, tip)[0].clone();
    reaches_all(&frond, &fleet, &mine);
    for (file, _) in &fleet {
        assert_eq!(sql::column(file, tip), std::slice::from_ref(&mine), "it builds on what the other did");
    }
}

#[test]
fn leaves_whose_repositories_are_closed_to_nobody_log_in_to_each_other() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let files = ["a.fossil", "b.fossil", "c.fossil"].map(|name| scratch.file(name));
    open_repository(&frond, &files[0]);
    close(&frond, &scratch, &files[0]);
    let project = config(&files[0], "project-code");
    let start = |name: &str, more: &str| {
        let text = format!(
            "admin = '0'\nnats = '{}'\n[defaults]\npoll = 'off'\n\
             [[repository]]\nfile = '{name}.fossil'\nproject = '{project}'\n{more}",
            broker.url()
        );
        let config = scratch.write(&format!("{name}.toml"), text);
        Leaf::start(&frond, ["--config", &config.to_string_lossy()])
    };
    let login = "nats-login = 'sync'\nnats-password-file = 'sync.password'\n";
    let mut fleet = vec![(files[0].clone(), start("a", login))];
    // These are cloned over the broker, and let the others in by themselves.
    for (file, name) in files[1..].iter().zip(["b", "c"]) {
        let leaf = start(name, login);
        until("it is cloned", || leaf.probe("/readyz").status == 200);
        let users = "SELECT login || ' ' || cap FROM user WHERE login IN ('sync', 'nobody') ORDER BY login";
        assert_eq!(sql::column(file, users), ["nobody ", "sync gio"]);
        let first = sql::column(file, "SELECT login FROM user WHERE cap='s'");
        assert!(first.len() == 1 && first[0] != "sync", "{first:?}");
        fleet.push((file.clone(), leaf));
    }
    for (number, (file, _)) in fleet.iter().enumerate() {
        let hash = check_in(&frond, file, &format!("{number}.txt"));
        reaches_all(&frond, &fleet, &hash);
    }
    let stranger = start("stranger", "");
    until("who logs in as nobody is refused", || {
        stranger.status(&frond)["repositories"][0]["error"]["class"] == "refused"
    });
    assert!(!scratch.file("stranger.fossil").exists());
    scratch.write("wrong.password", "a guess\n");
    let wrong = start("wrong", &login.replace("sync.password", "wrong.password"));
    until("who gives a wrong password hears whose, and where it is from", || {
        let error = &wrong.status(&frond)["repositories"][0]["error"];
        let says = |text: &str| error["message"].as_str().is_some_and(|message| message.contains(text));
        says("login failed") && says("user sync") && says("nats-password-file") && says("asked was peer")
    });
    let url = broker.project(&project);
    let said = frond.try_run(["clone", &url, &scratch.file("clone.fossil").to_string_lossy()]);
    let hints = said.stderr.contains("?login=USER") && !said.stderr.contains("http://USER@");
    assert!(said.code == Some(frond_tests::frond::REFUSED) && hints, "{said}");
}
