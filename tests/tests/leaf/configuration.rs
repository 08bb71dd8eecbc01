//! Configurations that cannot work, and what `check` says.

use frond_tests::frond::{NO_REPOSITORY, USAGE};
use frond_tests::leaf::open_repository;
use frond_tests::{Frond, Leaf, Scratch};

#[test]
fn a_configuration_that_cannot_work_is_an_error_that_says_where_and_what_to_do() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let cases = [
        (
            "[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'http://h/'\npol = '5s'\n",
            &["leaf.toml:5", "\"poll\""][..],
        ),
        ("lisen = 1\n", &["leaf.toml:1", "\"listen\""]),
        ("listen = \n", &["leaf.toml:1"]),
        ("drain = 'soon'\n[[repository]]\nfile = 'a'\n", &["leaf.toml:1", "5s"]),
        ("drain = '5s'\n", &["no repository", "-R FILE"]),
    ];
    for (text, about) in cases {
        let config = scratch.write("leaf.toml", text);
        for command in [&["leaf", "check"][..], &["leaf"]] {
            let said = frond.try_run(command.iter().copied().chain(["--config", &config.to_string_lossy()]));
            assert_eq!(said.code, Some(USAGE), "{said}");
            assert!(about.iter().all(|word| said.stderr.contains(word)), "{about:?}\n{said}");
        }
    }
    for words in
        [&["leaf"][..], &["leaf", "-R", "a", "--poll", "5"], &["leaf", "check", "--config", "none.toml"]]
    {
        assert_ne!(frond.try_run(words).code, Some(0), "{words:?}");
    }
}

#[test]
fn check_tells_all_that_is_wrong() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let text = "lisen = 1\ndrain = 5\n[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'ftp://h/'\n";
    let config = scratch.write("leaf.toml", text);
    for command in [&["leaf", "check", "--json"][..], &["doctor", "--json"]] {
        let said = frond.try_run(command.iter().copied().chain(["--config", &config.to_string_lossy()]));
        assert_ne!(said.code, Some(0), "{said}");
        let told: Vec<&str> = said.stdout.lines().filter(|line| line.contains("\"hint\"")).collect();
        let about = ["lisen", "drain", "ftp://h/"];
        assert_eq!(told.len(), about.len(), "{said}");
        assert!(told.iter().zip(about).all(|(line, word)| line.contains(word)), "{said}");
    }
}

#[test]
fn a_leaf_that_does_not_start_leaves_no_socket() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, socket) = (taken.local_addr().unwrap().to_string(), scratch.file("leaf.sock"));
    let mut command = frond.command(["leaf", "--listen", &address, "--socket"]);
    let said = frond_tests::frond::run(command.arg(&socket).arg("-R").arg(&file));
    assert!(said.code != Some(0) && said.stderr.contains(&address) && !socket.exists(), "{said}");
}

#[test]
fn a_repository_that_is_nowhere_is_an_error_at_the_start() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let said = frond.try_run(["leaf", "-R", &scratch.file("y.fossil").to_string_lossy()]);
    assert!(said.code == Some(NO_REPOSITORY) && said.stderr.contains("no peer to clone it from"), "{said}");
}

#[test]
fn a_leaf_whose_configuration_is_wrong_by_now_still_says_how_it_is() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    open_repository(&frond, &scratch.file("a.fossil"));
    for socket in ["", "socket = 'leaf.sock'\n"] {
        let text = format!("{socket}[[repository]]\nfile = 'a.fossil'\n");
        let config = scratch.write("leaf.toml", &text);
        let config = config.to_str().unwrap();
        let leaf = Leaf::start(&frond, ["--config", config]);
        scratch.write("leaf.toml", format!("lisen = 1\n{text}"));
        let said = frond.try_run(["leaf", "status", "--config", config]);
        let says = said.stdout.contains("a.fossil") || said.stdout.contains("REPOSITORY");
        assert!(said.code == Some(0) && says && said.stderr.contains("\"lisen\""), "{said}");
        leaf.terminate();
        let said = frond.try_run(["leaf", "status", "--config", config]);
        assert_eq!(said.code, Some(USAGE), "{said}");
    }
}

#[test]
fn the_environment_says_what_flags_do_not() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    let mut command = frond.command(["leaf", "check", "--json", "--poll", "7s", "-R"]);
    command.arg(&file).env("FROND_LEAF_POLL", "9s").env("FROND_LEAF_PEERS", "http://h/,http://i/");
    command.env("FROND_LEAF_ADMIN", "9191");
    let said = frond_tests::frond::run(&mut command);
    let shown: serde_json::Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert_eq!(shown["admin"], "127.0.0.1:9191");
    let peers = shown["repositories"][0]["peers"].as_array().unwrap();
    assert_eq!(peers.iter().map(|peer| peer["poll"].as_str().unwrap()).collect::<Vec<_>>(), ["7s", "7s"]);
}
