//! Nothing gets out of the directory, nothing is lost in it, and no file in it is half a file.

use std::process::Stdio;
use std::time::Duration;

use frond_tests::artifact::Cards;
use frond_tests::rng::Rng;
use repo::{Origin, Repo, UnixTime, content, ingest};
use xfer::card::Privacy;

use super::*;

/// Puts a check-in with these files into the repository that no program would make; gives its name.
fn hostile(site: &Site, files: &[(&str, &str, &str)]) -> String {
    let mut repo = Repo::open(&site.file).unwrap();
    let tx = repo.begin().unwrap();
    tx.set_origin(Origin::default());
    let mut cards = String::new();
    for (name, content, perm) in files {
        let (_, id) = content::add(&tx, content.as_bytes(), Privacy::Public).unwrap().unwrap();
        cards.push_str(&format!("F {name} {id}{perm}\n"));
    }
    let checkin = Cards::checkin("hostile", "2030-01-01T00:00:00", &cards);
    let (_, id) = content::add(&tx, &checkin, Privacy::Public).unwrap().unwrap();
    ingest::settle(&tx, UnixTime::default()).unwrap();
    assert_eq!(sql_number(&tx, "SELECT count(*) FROM event WHERE comment='hostile'"), 1, "it is no check-in");
    tx.commit().unwrap();
    id.to_string()
}

fn sql_number(tx: &repo::Tx<'_>, sql: &str) -> i64 {
    tx.conn().query_row(sql, (), |row| row.get(0)).unwrap()
}

/// What was told of files that were not written.
fn skipped(said: &Said) -> Vec<String> {
    let lines = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["type"] == "skipped");
    lines.map(|line| line["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hostile_names_lead_nowhere() {
    let site = Site::new();
    let long = "x".repeat(300);
    let files = [
        (".GIT/config", "hook", ""),
        (".git/hooks/post-checkout", "hook", " x"),
        ("A.txt", "upper", ""),
        ("a.txt", "lower", ""),
        ("a\\\\..\\\\b", "backslashes", ""),
        ("evil", "/etc", " l"),
        ("evil/x", "through a link", ""),
        ("file", "text", ""),
        ("file/x", "below a file", ""),
        (&long, "long", ""),
    ];
    let checkin = hostile(&site, &files);
    let outside = site.scratch.dir("outside");
    for setting in ["0", "1"] {
        site.set("allow-symlinks", setting);
        let dir = site.scratch.dir(&format!("out-{setting}"));
        // A link that was planted earlier leads out.
        std::os::unix::fs::symlink(&outside, dir.join("file")).unwrap();
        std::os::unix::fs::symlink(outside.join("new"), dir.join("a.txt")).unwrap();
        let words = ["export", &checkin, dir.to_str().unwrap(), "--force", "--json"];
        let said = site.try_run(site.scratch.path(), &words);
        assert_eq!(said.code, Some(PARTIAL), "{said}");
        let mut expected = vec![".GIT/config", ".git/hooks/post-checkout", "evil/x", "file/x", &long];
        expected.sort_unstable();
        let mut found = skipped(&said);
        found.sort_unstable();
        assert_eq!(found, expected, "{said}");
        assert!(said.stdout.contains("A.txt in case only"), "{said}");
        let written = read(&dir);
        let names: Vec<&str> = written.keys().map(String::as_str).collect();
        assert_eq!(names, ["A.txt", "a.txt", "a\\..\\b", "evil", "file"]);
        let link = if setting == "1" { Node::Link("/etc".into()) } else { Node::File(b"/etc".to_vec()) };
        assert_eq!((&written["evil"], &written["file"]), (&link, &Node::File(b"text".to_vec())));
        assert!(read(&outside).is_empty(), "something got out");
        // Stock does not write those two either.
        let checkout = site.scratch.dir(&format!("checkout-{setting}"));
        let file = site.file.to_string_lossy();
        let said = site.fossil.try_run_in(Some(&checkout), ["open", &file, &checkin], b"");
        for name in ["evil/x because", "file/x because"] {
            assert!(said.all().contains(name), "{said}");
        }
    }
}

#[test]
fn a_linked_directory_is_not_entered() {
    let site = Site::new();
    let tree = site.scratch.dir("tree");
    write(
        &tree,
        &Tree::from([("d/x".into(), Node::File(b"1".to_vec())), ("y".into(), Node::File(b"2".to_vec()))]),
    );
    site.import(&tree);
    let (dir, outside) = (site.scratch.dir("out"), site.scratch.dir("outside"));
    std::os::unix::fs::symlink(&outside, dir.join("d")).unwrap();
    let said = site.try_run(&dir, &["export", "trunk", ".", "--force", "--json"]);
    assert_eq!((said.code, skipped(&said)), (Some(PARTIAL), vec!["d/x".to_owned()]), "{said}");
    assert!(read(&outside).is_empty() && dir.join("d").is_symlink() && dir.join("y").is_file());
}

#[test]
fn what_is_there_and_differs_is_kept() {
    let site = Site::new();
    let tree = site.scratch.dir("tree");
    write(&tree, &sample());
    site.import(&tree);
    let dir = site.scratch.dir("out");
    let mine = Tree::from([
        ("readme.md".into(), Node::File(b"mine".to_vec())),
        ("bytes.bin".into(), Node::Executable((0..=255).collect())),
        ("extra".into(), Node::File(b"mine too".to_vec())),
        ("empty".into(), Node::File(Vec::new())),
    ]);
    write(&dir, &mine);
    let said = site.try_run(&dir, &["export", "trunk", "."]);
    assert_eq!(said.code, Some(FAILED), "{said}");
    assert!(said.stderr.contains("bytes.bin, readme.md; nothing was written"), "{said}");
    assert_eq!(read(&dir), mine);
    site.set("allow-symlinks", "on");
    let answer = site.run(&dir, &["export", "trunk", ".", "--force"]);
    assert_eq!((&answer["written"], &answer["unchanged"]), (&13.into(), &1.into()));
    let mut expected = sample();
    expected.insert("extra".into(), mine["extra"].clone());
    assert_eq!(read(&dir), expected);
    let answer = site.run(&dir, &["export", "trunk", "."]);
    assert_eq!((&answer["written"], &answer["unchanged"]), (&0.into(), &14.into()));
    // A directory is never replaced.
    std::fs::remove_file(dir.join("empty")).unwrap();
    write(&dir, &Tree::from([("empty/mine".into(), Node::File(Vec::new()))]));
    let said = site.try_run(&dir, &["export", "trunk", ".", "--force", "--json"]);
    assert_eq!((said.code, skipped(&said)), (Some(PARTIAL), vec!["empty".to_owned()]), "{said}");
}

#[test]
fn what_cannot_be_exported_is_told() {
    let site = Site::new();
    site.change("f", "text");
    let file = site.scratch.write("file", "");
    let (inside, file) = (file.join("x"), file.to_str().unwrap().to_owned());
    for words in [
        &["export", "none", "out"][..],
        &["export", "trunk", &file],
        &["export", "trunk", inside.to_str().unwrap()],
    ] {
        let said = site.try_run(site.scratch.path(), words);
        assert_eq!(said.code, Some(FAILED), "{said}");
        assert_eq!(said.stderr.trim().lines().count(), 1, "{said}");
    }
    assert!(!site.scratch.file("out").exists());
    // The content of a file is known by name only.
    let phantom = "UPDATE blob SET size=-1, content=NULL WHERE rid=(SELECT fid FROM mlink)";
    sql::execute(&site.file, phantom);
    let said = site.try_run(site.scratch.path(), &["export", "trunk", "out"]);
    assert!(said.code == Some(FAILED) && said.stderr.contains("is not here; pull first"), "{said}");
}

#[test]
fn killed_in_the_middle_it_leaves_whole_files_only() {
    let site = Site::new();
    let tree = site.scratch.dir("tree");
    let mut rng = Rng::new(3);
    for number in 0..100 {
        std::fs::write(tree.join(format!("file-{number:02}")), rng.bytes(50_000)).unwrap();
    }
    site.import(&tree);
    let (whole, dir) = (read(&tree), site.scratch.dir("out"));
    let (mut kills, mut halves) = (0, 0);
    for attempt in 0..40 {
        let mut command = site.frond.command(["export", "trunk", ".", "--force", "-R"]);
        command.arg(&site.file).current_dir(&dir).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(10 + 3 * attempt));
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let written = read(&dir);
        for (name, node) in &written {
            assert!(whole.get(name) == Some(node), "{name} is not whole, or should not be there");
        }
        halves += u32::from(!written.is_empty() && written.len() < whole.len());
        // The next one finds other files in the place of these.
        for name in written.keys().step_by(2) {
            std::fs::remove_file(dir.join(name)).unwrap();
        }
    }
    assert!(kills > 0 && halves > 0, "{kills} exports were killed, {halves} in the middle");
    site.run(&dir, &["export", "trunk", "."]);
    assert!(read(&dir) == whole);
}
