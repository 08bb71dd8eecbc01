//! Configurations that cannot work, and what `check` says.

use frond_tests::frond::USAGE;
use frond_tests::{Frond, Scratch};

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
