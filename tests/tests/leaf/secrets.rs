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
fn secrets_of_a_broker_and_of_logins_there_are_shown_nowhere() {
    let password = "authorization { user: alice, password: \"hush-password\" }\n";
    let token = "authorization { token: \"hush-token\" }\n";
    for (configuration, login, variables, class) in [
        (password, "alice:hush-password@", &[][..], None),
        (password, "alice:hush-wrong@", &[], Some("refused")),
        (token, "hush-token@", &[], None),
        (token, "", &[("NATS_TOKEN", "hush-token")], None),
        (password, "", &[("NATS_USER", "alice"), ("NATS_PASSWORD", "hush-wrong")], Some("refused")),
    ] {
        let shown = shown_at(&Nats::with(configuration), login, variables, class);
        assert!(shown.contains("127.0.0.1"), "there is something to look at");
        assert!(!shown.contains("hush"), "{login} {variables:?}\n{shown}");
    }
}

/// All that a leaf shows at a broker, once that lets it in, or fails it in a way of this class.
#[track_caller]
fn shown_at(broker: &Nats, login: &str, variables: &[(&str, &str)], class: Option<&str>) -> String {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    scratch.write("login", "hush-login\n");
    let text = format!(
        "admin = '0'\nregistry = '1h'\nnats = 'nats://{login}127.0.0.1:{}'\nnats-login = 'sync'\n\
         nats-password-file = 'login'\n[defaults]\npoll = '300ms'\n[[repository]]\nfile = 'a.fossil'\n\
         [[bridge]]\nurl = 'http://127.0.0.1:1/'\nproject = '{}'\n",
        broker.port,
        "ab".repeat(20)
    );
    let config = scratch.write("leaf.toml", text).to_string_lossy().into_owned();
    let command = |words: &[&str]| {
        let mut command = frond.command(words);
        command.args(["--config", &config]).envs(variables.iter().copied()).env("RUST_LOG", "trace");
        command
    };
    let leaf = Leaf::start_command(&mut command(&["leaf", "--json"]));
    check_in(&frond, &file, "a.txt");
    let status = || leaf.status(&frond)["repositories"][0].clone();
    match class {
        None => until("the broker lets it in", || leaf.probe("/readyz").status == 200),
        Some(class) => until("the broker does not", || status()["broker_errors"][0]["class"] == class),
    }
    until("it wrote about itself", || status()["fleet"].as_array().is_some_and(|fleet| !fleet.is_empty()));
    until("a session failed", || !status()["peers"][0]["error"].is_null());
    let mut shown = status().to_string();
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        shown += &leaf.probe(path).text();
    }
    for words in [&["leaf", "status"][..], &["leaf", "check"], &["leaf", "check", "--json"], &["doctor"]] {
        shown += &frond_tests::frond::run(&mut command(words)).all();
    }
    shown += &frond.output(["table", "dump", "frond_leaves", "-R", &file.to_string_lossy()]);
    shown += &fs::read_to_string(format!("/proc/{}/cmdline", leaf.id())).unwrap();
    shown + &leaf.terminate()
}
