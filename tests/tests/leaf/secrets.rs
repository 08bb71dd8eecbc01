//! No secret is ever shown.

use std::fs;

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::{Frond, Leaf, Nats, Scratch};

const SECRETS: [&str; 3] = ["hush-of-the-url", "hush-of-the-file", "hush-of-the-variable"];

#[test]
fn passwords_are_in_no_log_no_status_no_metrics_and_no_list_of_processes() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let hub = scratch.file("hub.fossil");
    frond.output(["new", &*hub.to_string_lossy(), "-A", "ann"]);
    for (login, secret) in ["url", "file", "variable"].into_iter().zip(SECRETS) {
        let mut command = frond.command(["user", "new", login, "--capabilities", "gio", "-R"]);
        let file = scratch.write("new", secret);
        let said = frond_tests::frond::run(command.arg(&hub).env("FROND_NEW_PASSWORD_FILE", file));
        assert_eq!(said.code, Some(0), "{said}");
    }
    let server = frond.server(&hub);
    let at = server.address;
    scratch.write("password", format!("{}\n", SECRETS[1]));
    let tables: String = [
        ("url", format!("url:{}", SECRETS[0]), ""),
        ("file", "file".to_owned(), "password-file = 'password'\n"),
        ("variable", "variable".to_owned(), ""),
    ]
    .iter()
    .map(|(name, login, more)| {
        format!("[[repository]]\nfile = '{name}.fossil'\n[[repository.peer]]\nurl = 'http://{login}@{at}/'\n{more}")
    })
    .collect();
    let config = scratch.write("leaf.toml", format!("admin = '0'\n[defaults]\npoll = '1s'\n{tables}"));
    let environment = ("FROND_PASSWORD", SECRETS[2]);
    let command = |words: &[&str]| {
        let mut command = frond.command(words);
        command.arg("--config").arg(&config).env(environment.0, environment.1).env("RUST_LOG", "trace");
        command
    };
    let mut shown = frond_tests::frond::run(&mut command(&["leaf", "check"])).all();
    shown += &frond_tests::frond::run(&mut command(&["leaf", "check", "--json"])).all();

    let leaf = Leaf::start_command(&mut command(&["leaf", "--json"]));
    until("all are cloned", || leaf.probe("/readyz").status == 200);
    let hash = check_in(&frond, &scratch.file("file.fossil"), "a.txt");
    until("the login is good", || holds(&frond, &hub, &hash));
    until("the others have it", || holds(&frond, &scratch.file("variable.fossil"), &hash));
    shown += &leaf.status(&frond).to_string();
    shown += &frond_tests::frond::run(&mut command(&["leaf", "status"])).all();
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        shown += &leaf.probe(path).text();
    }
    shown += &fs::read_to_string(format!("/proc/{}/cmdline", leaf.id())).unwrap();
    drop(server);
    until("the failure is known", || !leaf.status(&frond)["repositories"][0]["peers"][0]["error"].is_null());
    shown += &leaf.status(&frond).to_string();
    shown += &leaf.terminate();
    assert!(shown.contains("session ended"), "there is a log to look at");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is shown in\n{shown}");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    let said =
        frond.try_run(["leaf", "-R", &*file.to_string_lossy(), "--peer", "http://bob:hush@127.0.0.1:1/"]);
    assert_eq!(said.code, Some(frond_tests::frond::USAGE), "{said}");
    assert!(!said.stderr.contains("hush") && said.stderr.contains("FROND_PASSWORD"), "{said}");
    open_repository(&frond, &file);
    for login in ["bob:hush", "hush"] {
        let broker = format!("nats://{login}@127.0.0.1:1");
        let said = frond.try_run(["serve", &*file.to_string_lossy(), "--nats", &broker]);
        assert_eq!(said.code, Some(frond_tests::frond::USAGE), "{said}");
        assert!(!said.stderr.contains("hush") && said.stderr.contains("NATS_PASSWORD"), "{said}");
    }
}

#[test]
fn passwords_of_a_broker_are_shown_nowhere() {
    const SECRET: &str = "hush-of-the-broker";
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let broker = Nats::with(&format!("authorization {{ user: alice, password: \"{SECRET}\" }}\n"));
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let login = |password: &str| format!("nats://alice:{password}@127.0.0.1:{}", broker.port);
    let text = |password: &str| {
        format!(
            "admin = '0'\nregistry = '1h'\nnats = '{}'\n[defaults]\npoll = '300ms'\n[[repository]]\nfile = 'a.fossil'\n\
             [[bridge]]\nurl = 'http://127.0.0.1:1/'\nproject = '{}'\n",
            login(password),
            "ab".repeat(20)
        )
    };
    let mut shown = String::new();
    for (password, is_good) in [(SECRET, true), ("hush-of-the-broker-wrong", false)] {
        let config = scratch.write("leaf.toml", text(password));
        let config = config.to_string_lossy();
        let mut command = frond.command(["leaf", "--json", "--config", &config]);
        let leaf = Leaf::start_command(command.env("RUST_LOG", "trace"));
        until("it tried", || (leaf.probe("/readyz").status == 200) == is_good || !is_good);
        check_in(&frond, &file, &format!("{is_good}.txt"));
        until("it wrote about itself", || {
            leaf.status(&frond)["repositories"][0]["fleet"].as_array().is_some_and(|fleet| !fleet.is_empty())
        });
        for path in ["/healthz", "/readyz", "/metrics", "/"] {
            shown += &leaf.probe(path).text();
        }
        shown += &leaf.status(&frond).to_string();
        shown += &frond.output(["leaf", "check", "--config", &config]);
        shown += &frond.output(["table", "dump", "frond_leaves", "-R", &file.to_string_lossy()]);
        shown += &fs::read_to_string(format!("/proc/{}/cmdline", leaf.id())).unwrap();
        shown += &leaf.terminate();
    }
    assert!(shown.contains("127.0.0.1"), "there is something to look at");
    assert!(!shown.contains("hush"), "{shown}");
}
