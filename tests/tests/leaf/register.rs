//! What leaves write about themselves, when they may begin sessions, and where they get what they have not.

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::{Frond, Leaf, Nats, Scratch, sql};
use serde_json::Value;

/// The server codes of the leaves that one knows of.
fn known(frond: &Frond, leaf: &Leaf) -> Vec<String> {
    let status = leaf.status(frond);
    let fleet = status["repositories"][0]["fleet"].as_array().unwrap();
    let mut ids: Vec<String> = fleet.iter().map(|leaf| leaf["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn every_leaf_knows_the_fleet_and_nobody_writes_the_row_of_another() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let hub = scratch.file("hub.fossil");
    open_repository(&frond, &hub);
    let logins = ["bob", "eve"];
    for login in logins {
        let mut command = frond.command(["user", "new", login, "--capabilities", "gio", "-R"]);
        let file = scratch.write("new", format!("{login}-pw"));
        frond_tests::frond::run(command.arg(&hub).env("FROND_NEW_PASSWORD_FILE", file));
    }
    let first = Leaf::of(&frond, &hub, &["--registry", "1h"]);
    let leaves: Vec<Leaf> = logins
        .iter()
        .map(|login| {
            scratch.write(login, format!("{login}-pw\n"));
            let text = format!(
                "admin = '0'\nlisten = '127.0.0.1:0'\nregistry = '1h'\nsocket = '{login}.sock'\n\
                 [defaults]\npoll = '500ms'\n[[repository]]\nfile = '{login}.fossil'\n\
                 [[repository.peer]]\nurl = 'http://{login}@{}/'\npassword-file = '{login}'\n",
                first.address()
            );
            let config = scratch.write(&format!("{login}.toml"), text);
            Leaf::start(&frond, ["--config", &config.to_string_lossy()])
        })
        .collect();
    for leaf in leaves.iter().chain([&first]) {
        until("it knows all three", || known(&frond, leaf).len() == 3);
    }
    let status = first.status(&frond);
    let fleet = status["repositories"][0]["fleet"].as_array().unwrap();
    let of = |login: &str| -> Value {
        fleet
            .iter()
            .find(|leaf| leaf["login"] == login)
            .cloned()
            .unwrap_or_else(|| panic!("{login}: {status}"))
    };
    let code = sql::column(&scratch.file("bob.fossil"), "SELECT value FROM config WHERE name='server-code'");
    assert_eq!(of("bob")["id"], code[0].as_str());
    assert_eq!(of("bob")["addresses"], format!("http://{}/", leaves[0].address()));
    assert_eq!(of("nobody")["platform"], format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH));
    for text in [
        frond.output(["leaf", "status", "--socket", first.started["socket"].as_str().unwrap()]),
        first.probe("/").text(),
    ] {
        assert!(text.contains("eve") && text.contains(&format!("{}/", leaves[0].address())), "{text}");
    }
    // Eve writes Bob's row: it stays where she is.
    let eves = scratch.file("eve.fossil");
    let forged = ["table", "put", "frond_leaves", "login=bob", &format!("id={}", code[0]), "version=forged"];
    let said = frond.try_run(forged.iter().chain(&["--user", "bob", "-R", &eves.to_string_lossy()]));
    assert_eq!(said.code, Some(0), "{said}");
    let hash = check_in(&frond, &eves, "after.txt");
    until("a session was after it", || holds(&frond, &hub, &hash));
    let versions = "SELECT count(*) FROM fx_x_frond_leaves WHERE version='forged'";
    assert_eq!(sql::column(&hub, versions), ["0"]);
    for leaf in leaves.into_iter().chain([first]) {
        leaf.terminate();
    }
}

#[test]
fn a_leaf_rests_outside_of_its_hours_unless_it_is_asked() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let server = frond.server(&a);
    frond.clone(&server.url(), &b);
    // Two hours from now, for one hour, wherever this machine is.
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let hour = |ahead: u64| (seconds / 3600 + ahead) % 24;
    let resting = format!("{:02}:00-{:02}:00", hour(2), hour(3));
    let working = format!("{:02}:00-{:02}:00", hour(0), hour(2));
    let start = |hours: &str| {
        let socket = scratch.file("socket");
        let mut command =
            frond.command(["leaf", "--json", "--poll", "300ms", "--admin", "0", "--hours", hours]);
        command.args(["--peer", &server.url(), "--socket"]).arg(&socket).arg("-R").arg(&b).env("TZ", "UTC");
        Leaf::start_command(&mut command)
    };
    let leaf = start(&resting);
    let peer = || leaf.status(&frond)["repositories"][0]["peers"][0].clone();
    until("it rests", || peer()["resting"] == true);
    let hash = check_in(&frond, &b, "mine.txt");
    until("the repository is open", || leaf.probe("/readyz").status == 200);
    assert_eq!((&peer()["sessions"], &peer()["resting"]), (&0.into(), &true.into()));
    frond.output(["leaf", "sync-now", "--socket", leaf.started["socket"].as_str().unwrap()]);
    until("what was asked for is done", || holds(&frond, &a, &hash));
    until("it rests again", || peer()["resting"] == true);
    leaf.terminate();

    let leaf = start(&working);
    let hash = check_in(&frond, &a, "theirs.txt");
    until("it comes by itself", || holds(&frond, &b, &hash));
    leaf.terminate();
}

#[test]
fn a_leaf_that_knows_only_broker_and_project_gets_its_repository_there() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &a);
    let code = sql::column(&a, "SELECT value FROM config WHERE name='project-code'")[0].clone();
    let other = Leaf::of(&frond, &b, &["--nats", &broker.url(), "--project", &code]);
    until("it says that nobody answers", || other.probe("/readyz").text().contains("nobody answers"));
    let unknown = Leaf::of(&frond, &scratch.file("c.fossil"), &["--nats", &broker.url()]);
    until("without the project it says what is missing", || {
        unknown.probe("/readyz").text().contains("not known which project")
    });
    let first = Leaf::of(&frond, &a, &["--nats", &broker.url()]);
    until("it is cloned", || other.probe("/readyz").status == 200);
    for (here, there, name) in [(&a, &b, "a.txt"), (&b, &a, "b.txt")] {
        frond.output(["user", "capabilities", "nobody", "gio", "-R", &here.to_string_lossy()]);
        let hash = check_in(&frond, here, name);
        until("it is on the other", || holds(&frond, there, &hash));
    }
    for leaf in [first, other, unknown] {
        leaf.terminate();
    }
}
