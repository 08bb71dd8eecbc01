use std::collections::BTreeSet;
use std::path::Path;

use super::keys::{ADDRESS, BRIDGE, Key, LEAF, PEER, REPOSITORY};
use super::*;

/// What the text of a file says; or what is wrong with it, one thing at least.
fn parse(text: &str) -> Result<file::Leaf, Vec<file::Wrong>> {
    let (leaf, wrong) = file::parse(text);
    if wrong.is_empty() { Ok(leaf) } else { Err(wrong) }
}

/// The one thing that is wrong with a text.
#[track_caller]
fn wrong(text: &str) -> file::Wrong {
    let mut wrong = parse(text).unwrap_err();
    assert_eq!(wrong.len(), 1, "{text}: {wrong:?}");
    wrong.remove(0)
}

fn from_file(text: &str) -> Result<Config, crate::exit::Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leaf.toml");
    std::fs::write(&path, text).unwrap();
    let source = Source { config: Some(path), ..Source::default() };
    load(&Flags::of(source))
}

fn lines(keys: &[Key]) -> String {
    keys.iter().map(|key| format!("{} = {}\n", key.name, key.example)).collect()
}

#[test]
fn every_key_of_the_reference_is_one_that_is_read() {
    let (leaf, peer) = (lines(LEAF), lines(PEER));
    let (repository, address, bridge) = (lines(REPOSITORY), lines(ADDRESS), lines(BRIDGE));
    let text = format!(
        "{leaf}[defaults]\n{peer}[[repository]]\n{repository}[[repository.peer]]\n{address}{peer}\
         [[bridge]]\n{bridge}"
    );
    let read = parse(&text).unwrap();
    assert_eq!(read.repository[0].peer[0].poll, read.defaults.poll);
}

#[test]
fn every_key_that_is_read_is_in_the_reference() {
    // What serde says it expected, in backquotes after the wrong name.
    let expected = |text: &str| -> BTreeSet<String> {
        let error = toml::from_str::<file::Leaf>(text).unwrap_err().message().to_owned();
        error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
    };
    let named = |lists: &[&[Key]], more: &[&str]| -> BTreeSet<String> {
        let keys = lists.iter().flat_map(|keys| keys.iter()).map(|key| key.name);
        keys.chain(more.iter().copied()).map(str::to_owned).collect()
    };
    assert_eq!(expected("zz = 1"), named(&[LEAF], &keys::TABLES));
    assert_eq!(expected("[defaults]\nzz = 1"), named(&[PEER], &[]));
    assert_eq!(expected("[[repository]]\nzz = 1"), named(&[REPOSITORY], &["peer"]));
    assert_eq!(
        expected("[[repository]]\nfile=''\n[[repository.peer]]\nzz = 1"),
        named(&[ADDRESS, PEER], &[])
    );
    assert_eq!(expected("[[bridge]]\nzz = 1"), named(&[BRIDGE], &[]));
}

#[test]
fn a_wrong_key_is_named_with_its_line_and_the_nearest_there_is() {
    let cases = [
        ("listne = 1", 1, "listen"),
        ("drain = '1s'\nadmni = 1", 2, "admin"),
        ("[default]\npoll = '5s'", 1, "defaults"),
        ("[[repository]]\nfile = 'a'\n[[repository.peers]]", 3, "peer"),
        ("[[repository]]\nfile = 'a'\n\n[[repository.peer]]\nurl = 'b'\npol = '5s'", 6, "poll"),
    ];
    for (text, line, nearest) in cases {
        let wrong = wrong(text);
        assert_eq!(wrong.line, Some(line), "{text}");
        assert!(wrong.what.starts_with("unknown key"), "{}", wrong.what);
        assert_eq!(wrong.hint, format!("did you mean {nearest:?}?"), "{text}");
    }
}

#[test]
fn a_wrong_value_is_an_error_with_its_line_and_without_the_value_of_others() {
    let peer = "[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'http://bob:hush@h/'\npush = 'yes'\n";
    let secret = "[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'b'\npassword = 4711\n";
    for (text, line, key) in [
        ("drain = 'soon'", 1, "drain"),
        ("drain = 5", 1, "drain"),
        ("\nlisten = 'here'", 2, "listen"),
        ("[defaults]\npoll = 10", 2, "poll"),
        ("trusted-proxies = ['10.0.0.0/8', 7]", 1, "trusted-proxies"),
        ("[repository]\nfile = 'a'", 1, "repository"),
        (peer, 5, "push"),
        (secret, 5, "password"),
    ] {
        let wrong = wrong(text);
        assert_eq!(wrong.line, Some(line), "{wrong:?}");
        assert!(wrong.what.starts_with(key), "{wrong:?}");
        assert!(key == "repository" || wrong.hint.contains(&format!("{key} = ")), "{wrong:?}");
        let said = format!("{wrong:?}");
        assert!(!said.contains("hush") && !said.contains("4711"), "{said}");
    }
}

#[test]
fn all_that_is_wrong_is_told_in_one_go() {
    let text = "lisen = 1\ndrain = 5\n[defaults]\npoll = 10\n[[repository]]\nname = 'b'\n\
                [[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'ftp://h/'\n\
                [[repository.peer]]\nurl = 'http://h/'\njitter = 51\n[[bridge]]\nurl = 'http://h/'\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leaf.toml");
    std::fs::write(&path, text).unwrap();
    let source = Source { config: Some(path), ..Source::default() };
    let wrong = load_or_all_wrong(&Flags::of(source)).unwrap_err();
    let told: Vec<&str> = wrong.iter().map(|failure| failure.what.as_str()).collect();
    let about = ["lisen", "drain", "poll", "has no file", "ftp://h/", "jitter", "a broker"];
    assert_eq!(told.len(), about.len(), "{told:#?}");
    for (told, about) in told.iter().zip(about) {
        assert!(told.contains(about), "{about}: {told}");
    }
}

#[test]
fn what_is_said_of_one_peer_goes_before_what_is_said_of_all() {
    let config = from_file(
        "[defaults]\npoll = '1m'\npush = false\n[[repository]]\nfile = 'a.fossil'\n\
         [[repository.peer]]\nurl = 'http://h/'\npoll = 'off'\n[[repository.peer]]\nurl = 'b.fossil'\npush = true\n",
    )
    .unwrap();
    let [first, second] = &config.repositories[0].peers[..] else { panic!("two peers") };
    assert_eq!((first.poll, first.push), (None, false));
    assert_eq!((second.poll, second.push), (Some(Duration::from_secs(60)), true));
    assert_eq!(config.repositories[0].name, "a");
    assert!(
        matches!(&second.address, Address::File(file) if file.is_absolute()),
        "from the file's directory"
    );
}

#[test]
fn a_flag_goes_before_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leaf.toml");
    std::fs::write(
        &path,
        "listen = '127.0.0.1:1'\n[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'b'\npoll = '1h'\n",
    )
    .unwrap();
    let args = ["leaf", "--config", path.to_str().unwrap(), "--poll", "7s", "--listen", "127.0.0.1:2"];
    let matches = <Flags as clap::Args>::augment_args(clap::Command::new("leaf")).get_matches_from(args);
    let config = load(&<Flags as clap::FromArgMatches>::from_arg_matches(&matches).unwrap()).unwrap();
    assert_eq!(config.repositories[0].peers[0].poll, Some(Duration::from_secs(7)));
    assert_eq!(config.listen, Some("127.0.0.1:2".parse().unwrap()));
}

#[test]
fn what_cannot_work_is_an_error_that_says_which() {
    let of_peer =
        |key: &str| format!("[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'http://h/'\n{key}\n");
    let cases = [
        (String::new(), "no repository"),
        (
            "[[repository]]\nfile = 'a'\n[[repository]]\nfile = 'b'\nname = 'a'\n".to_owned(),
            "are called \"a\"",
        ),
        ("[[repository]]\nfile = 'a'\n[[repository]]\nfile = 'a'\nname = 'b'\n".to_owned(), "is there twice"),
        ("[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'a'\n".to_owned(), "its own peer"),
        ("[[repository]]\nfile = 'a'\n[[repository.peer]]\npoll = '5s'\n".to_owned(), "no url"),
        ("[[repository]]\nfile = 'a'\nname = '../b'\n".to_owned(), "no name"),
        (of_peer("pull = false\npush = false"), "neither pull nor push"),
        (of_peer("jitter = 51"), "jitter"),
        (of_peer("up-rate = 0"), "0 bytes"),
        ("[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'ftp://h/'\n".to_owned(), "no URL"),
        (
            "[[repository]]\nfile='a'\n[[repository.peer]]\nurl='http://u@h/'\npassword-file='none'\n"
                .to_owned(),
            "none",
        ),
    ];
    for (text, about) in cases {
        let failure = from_file(&text).unwrap_err();
        assert!(failure.what.contains(about), "{text}: {}", failure.what);
    }
}

#[test]
fn passwords_are_found_where_they_are_said_and_shown_nowhere() {
    let config = from_file(
        "[[repository]]\nfile = 'a'\n[[repository.peer]]\nurl = 'http://bob:hush1@h/'\n\
         [[repository.peer]]\nurl = 'http://al@h/'\npassword = 'hush2'\n[[repository.peer]]\nurl = 'http://h/x'\n",
    )
    .unwrap();
    let peers = &config.repositories[0].peers;
    let found: Vec<Option<&str>> = peers
        .iter()
        .map(|peer| match &peer.password {
            Secret::Found { password, .. } => Some(password.0.as_str()),
            Secret::None => None,
        })
        .collect();
    assert_eq!(found, [Some("hush1"), Some("hush2"), None]);
    let shown = Shown::new(&config);
    let all = format!("{config:?}{}{}", shown.text(), serde_json::to_string(&shown).unwrap());
    assert!(!all.contains("hush"), "{all}");
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let source = Source { repository: Some(Path::new("a").to_owned()), ..Source::default() };
    let flags = Flags { source, peers: vec!["http://bob:hush@h/".to_owned()], ..Flags::default() };
    let failure = load(&flags).unwrap_err();
    assert!(!failure.what.contains("hush") && failure.what.contains("password"), "{}", failure.what);
}

#[test]
fn readme_has_the_reference() {
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&reference()), "put this into README.md:\n{}", reference());
}
