//! What goes in comes out.

use super::*;

/// The tree as a checkout without symbolic links has it.
fn without_links(tree: &Tree) -> Tree {
    let flat = |node: &Node| match node {
        Node::Link(target) => Node::File(target.as_bytes().to_vec()),
        node => node.clone(),
    };
    tree.iter().map(|(name, node)| (name.clone(), flat(node))).collect()
}

#[track_caller]
fn nothing_changed(site: &Site, checkout: &Path) {
    let changes = site.fossil.output_in(checkout, ["changes", "--hash"]);
    assert_eq!(changes.trim(), "", "stock sees changes");
    assert_eq!(site.fossil.output_in(checkout, ["diff"]).trim(), "");
}

#[test]
fn stock_opens_what_was_imported_and_sees_no_change() {
    let site = Site::new();
    let (tree, dir) = (sample(), site.scratch.dir("tree"));
    write(&dir, &tree);
    site.set("allow-symlinks", "1");
    let answer = site.import(&dir);
    assert_eq!(counts(&answer), [tree.len() as u64, 0, 0]);
    site.is_sound();

    let checkout = site.open("checkout", "trunk");
    assert_eq!(read(&checkout), tree);
    nothing_changed(&site, &checkout);

    // Some files change, some go, some come; a file becomes a directory, another one executable.
    let next = site.scratch.dir("next");
    let mut changed = tree.clone();
    changed.remove("odd/[b]*?");
    changed.remove("empty");
    changed.remove("deep/up");
    changed.insert("empty/is/a/directory".into(), Node::File(b"now".to_vec()));
    changed.insert("bytes.bin".into(), Node::Executable((0..=255).collect()));
    changed.insert("link".into(), Node::Link("run.sh".into()));
    changed.insert("readme.md".into(), Node::File(b"short".to_vec()));
    write(&next, &changed);
    let answer = site.import(&next);
    assert_eq!(counts(&answer), [1, 3, 3]);
    site.is_sound();
    site.fossil.output_in(&checkout, ["update"]);
    assert_eq!(read(&checkout), changed);
    nothing_changed(&site, &checkout);
    assert_eq!(site.number("SELECT count(*) FROM mlink WHERE fid=0"), 3, "deletions are linked");
}

#[test]
fn links_are_plain_files_without_the_setting_and_stay_links() {
    let site = Site::new();
    let (tree, dir) = (sample(), site.scratch.dir("tree"));
    write(&dir, &tree);
    site.import(&dir);
    let (checkout, exported) = (site.open("checkout", "trunk"), site.scratch.file("exported"));
    site.run(&dir, &["export", "trunk", exported.to_str().unwrap()]);
    assert_eq!(read(&exported), read(&checkout));
    assert_eq!(read(&exported), without_links(&tree));
    // What was exported so is no change, but for what is changed then.
    let said = site.try_run(&exported, &["import", ".", "-m", "x"]);
    assert_eq!(said.code, Some(FAILED), "{said}");
    std::fs::write(exported.join("link"), "a text of its own").unwrap();
    let answer = site.import(&exported);
    assert_eq!(counts(&answer), [0, 1, 0]);
    let manifest = site.manifest(&answer);
    let links: Vec<&str> = manifest.lines().filter(|line| line.ends_with(" l")).collect();
    assert_eq!(links.len(), 2, "{manifest}");
}

#[test]
fn what_stock_checks_in_is_exported_as_stock_checks_it_out() {
    let site = Site::new();
    for (setting, name) in [("1", "with"), ("0", "without")] {
        site.set("allow-symlinks", "1");
        let checkout = site.open(&format!("work-{name}"), "trunk");
        write(&checkout, &Tree::from([(format!("only {name}"), Node::Link("nowhere".into()))]));
        if setting == "1" {
            write(&checkout, &sample());
        }
        site.fossil.output_in(&checkout, ["addremove", "--dotfiles"]);
        site.fossil.output_in(&checkout, ["commit", "-m", name, "--no-warnings"]);
        site.set("allow-symlinks", setting);
        let other = site.open(&format!("other-{name}"), "trunk");
        let exported = site.scratch.file(&format!("exported-{name}"));
        let answer = site.run(&other, &["export", "trunk", exported.to_str().unwrap()]);
        assert_eq!(read(&exported), read(&other));
        assert_eq!(answer["written"], read(&other).len() as u64);
        for dir in [checkout, other] {
            site.fossil.output_in(&dir, ["close", "--force"]);
        }
    }
}

#[test]
fn a_check_in_changes_what_is_named_and_nothing_else() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    write(&dir, &sample());
    site.import(&dir);
    // A new and a changed file are named; others changed, came and went as well.
    std::fs::write(dir.join("empty"), "no longer").unwrap();
    std::fs::write(dir.join("readme.md"), "changed too").unwrap();
    std::fs::write(dir.join("extra"), "unnamed").unwrap();
    std::fs::remove_file(dir.join("bytes.bin")).unwrap();
    std::fs::remove_dir_all(dir.join("odd")).unwrap();
    std::fs::write(dir.join("deep/new"), "in a directory").unwrap();
    let answer = site.run(&dir, &["commit", "empty", "deep", "-m", "two of them"]);
    assert_eq!(counts(&answer), [1, 1, 0]);
    let checkout = site.open("checkout", "trunk");
    let mut expected = without_links(&sample());
    expected.insert("empty".into(), Node::File(b"no longer".to_vec()));
    expected.insert("deep/new".into(), Node::File(b"in a directory".to_vec()));
    assert_eq!(read(&checkout), expected);

    // Deletions are recorded where they are asked for.
    let answer = site.run(&dir, &["commit", "odd", "--all", "-m", "gone"]);
    assert_eq!(counts(&answer), [0, 0, 4]);
    let answer = site.run(&dir, &["commit", "--all", "-m", "the rest"]);
    assert_eq!(counts(&answer), [1, 1, 1]);
    site.is_sound();
}

#[test]
fn names_are_relative_to_the_base() {
    let site = Site::new();
    let dir = site.scratch.dir("tree/src");
    std::fs::write(dir.join("main.c"), "1").unwrap();
    let tree = site.scratch.file("tree");
    site.run(&tree, &["commit", "src/main.c", "-m", "from above"]);
    std::fs::write(dir.join("main.c"), "2").unwrap();
    site.run(&dir, &["commit", "--base", "..", "src/../src//main.c", "-m", "with a base"]);
    std::fs::write(dir.join("main.c"), "3").unwrap();
    let absolute = dir.join("main.c");
    let answer = site.run(
        site.scratch.path(),
        &["commit", "--base", "tree", absolute.to_str().unwrap(), "-m", "absolute"],
    );
    assert_eq!(counts(&answer), [0, 1, 0]);
    let manifest = site.manifest(&answer);
    assert_eq!(manifest.lines().filter(|line| line.starts_with("F src/main.c ")).count(), 1, "{manifest}");
}

#[test]
fn new_artifacts_are_named_as_stock_names_them() {
    for (policy, digits) in [("sha1", 40), ("auto", 64), ("sha3", 64), ("sha3-only", 64), ("shun-sha1", 64)] {
        let site = Site::new();
        site.set("allow-symlinks", "1");
        let checkout = site.open("checkout", "trunk");
        site.fossil.output_in(&checkout, ["hash-policy", policy]);
        let said = site.fossil.output_in(&checkout, ["commit", "-m", "stock", "--allow-empty"]);
        let stocks = said.lines().find_map(|line| line.strip_prefix("New_Version: "));
        assert_eq!(stocks.map(str::len), Some(digits), "{policy}: {said}");
        let dir = site.scratch.dir("tree");
        write(&dir, &sample());
        let answer = site.import(&dir);
        assert_eq!(text(&answer, "checkin").len(), digits, "{policy}");
        let others = format!("SELECT count(*) FROM mlink JOIN blob ON rid=fid WHERE length(uuid)<>{digits}");
        assert_eq!(site.number(&others), 0, "{policy}");
        site.fossil.output_in(&checkout, ["update", "trunk"]);
        nothing_changed(&site, &checkout);
        site.fossil.test_integrity(&site.file);
    }
}

#[test]
fn unchanged_files_keep_their_names_under_another_policy() {
    let site = Site::new();
    site.set("allow-symlinks", "1");
    let checkout = site.open("checkout", "trunk");
    site.fossil.output_in(&checkout, ["hash-policy", "sha1"]);
    let dir = site.scratch.dir("tree");
    write(&dir, &sample());
    site.import(&dir);
    site.fossil.output_in(&checkout, ["hash-policy", "sha3-only"]);
    std::fs::write(dir.join("empty"), "not any more").unwrap();
    let answer = site.import(&dir);
    assert_eq!(counts(&answer), [0, 1, 0]);
    site.fossil.output_in(&checkout, ["update", "trunk"]);
    nothing_changed(&site, &checkout);
    site.is_sound();
}

#[test]
fn renames_by_stock_leave_no_trace_in_later_check_ins() {
    let site = Site::new();
    site.change("old.txt", "text\n");
    let checkout = site.open("checkout", "trunk");
    site.fossil.output_in(&checkout, ["mv", "--hard", "old.txt", "new.txt"]);
    site.fossil.output_in(&checkout, ["commit", "-m", "renamed", "--no-warnings"]);
    let answer = site.change("other.txt", "x\n");
    let manifest = site.manifest(&answer);
    let files: Vec<&str> = manifest.lines().filter(|line| line.starts_with("F ")).collect();
    assert!(
        files.len() == 2 && files[0].starts_with("F new.txt ") && !manifest.contains("old.txt"),
        "{manifest}"
    );
    site.is_sound();
}

#[test]
fn an_import_leaves_out_what_is_no_part_of_the_tree() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    let plain = |text: &str| Node::File(text.as_bytes().to_vec());
    let names = [
        "a.c",
        "a.o",
        "build/out",
        "sub/.git/config",
        ".git/HEAD",
        ".hg/store",
        ".svn/x",
        "sub/b.c",
        "aux.c",
    ];
    let tree: Tree = names.into_iter().map(|name| (name.into(), plain(name))).collect();
    write(&dir, &tree);
    write(&dir, &Tree::from([(".fslckout".into(), plain("")), ("_FOSSIL_".into(), plain(""))]));
    std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    // The repository itself lies there too.
    let inside = dir.join("site.fossil");
    std::fs::rename(&site.file, &inside).unwrap();
    let site = Site { file: inside, ..site };
    site.set("ignore-glob", "*.o, build");
    let said = site.try_run(&dir, &["import", ".", "--allow-reserved", "-m", "first"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("socket"), "what is left out by its kind is told\n{said}");
    let listed = || site.frond.output(["ls", "-R", &site.file.to_string_lossy()]);
    assert_eq!(listed(), "a.c\naux.c\nsub/b.c\n");

    // A file that was named is part of the tree from then on; the tree's own settings count for more.
    site.run(&dir, &["commit", "a.o", "-m", "an ignored file"]);
    std::fs::write(dir.join("a.o"), "changed").unwrap();
    write(&dir, &Tree::from([(".fossil-settings/ignore-glob".into(), plain("# all\n*.h\n"))]));
    let answer = site.import(&dir);
    assert_eq!((counts(&answer), &answer["left_out"]), ([2, 1, 0], &1.into()));
    assert_eq!(listed(), ".fossil-settings/ignore-glob\na.c\na.o\naux.c\nbuild/out\nsub/b.c\n");
}

#[test]
fn a_private_check_in_stays_here() {
    let site = Site::new();
    site.change("public.txt", "for all\n");
    let dir = site.scratch.dir("tree");
    std::fs::write(dir.join("secret.txt"), "a secret\n").unwrap();
    std::fs::write(dir.join("public.txt"), "for all\n").unwrap();
    let answer = site.run(&dir, &["commit", "secret.txt", "public.txt", "-m", "secret", "--private"]);
    assert_eq!((text(&answer, "branch"), &answer["private"]), ("private", &Value::Bool(true)));
    assert_eq!(site.number("SELECT count(*) FROM private"), 2);
    std::fs::write(dir.join("secret.txt"), "another secret\n").unwrap();
    let answer = site.run(&dir, &["commit", "secret.txt", "-m", "more", "--branch", "private"]);
    assert_eq!(answer["private"], Value::Bool(true), "what is built on it is private too");
    assert_eq!(site.number("SELECT count(*) FROM private"), 4);
    let answer = site.change("public.txt", "for all, again\n");
    assert_eq!((text(&answer, "branch"), &answer["private"]), ("trunk", &Value::Bool(false)));
    site.is_sound();

    sql::execute(&site.file, "UPDATE user SET cap='go' WHERE login='nobody'");
    let (server, clone) = (site.fossil.server(&site.file), site.scratch.file("clone.fossil"));
    site.fossil.clone(&server.url(), &clone);
    let mut expected = compare::artifacts(&site.file);
    expected.retain(|name| compare::artifacts(&clone).contains(name));
    assert_eq!(expected, compare::artifacts(&site.file), "everything public arrives");
    assert_eq!(sql::number(&clone, "SELECT count(*) FROM blob"), expected.len() as i64, "and nothing else");
    // In stock the branch is there, and so is what hides it.
    let checkout = site.open("checkout", "private");
    assert_eq!(std::fs::read_to_string(checkout.join("secret.txt")).unwrap(), "another secret\n");
    std::fs::write(checkout.join("secret.txt"), "by stock\n").unwrap();
    site.fossil.output_in(&checkout, ["commit", "-m", "by stock", "--no-warnings"]);
    assert_eq!(site.number("SELECT count(*) FROM private"), 6);
}

#[test]
fn stock_pushes_what_was_checked_in() {
    let site = Site::new();
    let (server_file, clone) =
        (site.scratch.copy(&site.file, "server.fossil"), site.scratch.file("clone.fossil"));
    site.fossil.output([
        "user",
        "new",
        "dev",
        "dev@example.test",
        "pw",
        "-R",
        &server_file.to_string_lossy(),
    ]);
    site.fossil.output(["user", "capabilities", "dev", "s", "-R", &server_file.to_string_lossy()]);
    let server = site.fossil.server(&server_file);
    site.fossil.clone(&server.url_as("dev", "pw"), &clone);
    let site = Site { file: clone, ..site };
    let dir = site.scratch.dir("tree");
    write(&dir, &sample());
    site.run(&dir, &["import", ".", "-m", "to be pushed", "--user", "dev"]);
    assert_eq!(site.number("SELECT count(*) FROM unsent"), sample().len() as i64 + 1);
    assert_eq!(site.number("SELECT count(*) FROM unclustered"), sample().len() as i64 + 2);
    site.fossil.output(["push", &server.url_as("dev", "pw"), "-R", &site.file.to_string_lossy()]);
    compare::contents_equal(&site.file, &server_file);
}

#[test]
fn branches_and_tags_are_those_of_stock() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    std::fs::write(dir.join("f"), "1").unwrap();
    site.run(&dir, &["commit", "f", "-m", "on trunk"]);
    std::fs::write(dir.join("f"), "2").unwrap();
    let words = [
        "commit", "f", "-m", "begins", "--parent", "trunk", "--branch", "a side", "--tag", "v1", "--tag",
        "v 2",
    ];
    let answer = site.run(&dir, &words);
    let manifest = site.manifest(&answer);
    let cards: Vec<&str> = manifest.lines().filter(|line| line.starts_with('T')).collect();
    let expected =
        ["T *branch * a\\sside", "T *sym-a\\sside *", "T +sym-v\\s2 *", "T +sym-v1 *", "T -sym-trunk *"];
    assert_eq!(cards, expected);
    std::fs::write(dir.join("f"), "3").unwrap();
    let answer = site.run(&dir, &["commit", "f", "-m", "goes on", "--branch", "a side"]);
    assert!(!site.manifest(&answer).contains("\nT "), "{answer}");
    let checkout = site.open("checkout", "v1");
    assert_eq!(std::fs::read_to_string(checkout.join("f")).unwrap(), "2");
    let leaves = site.fossil.output_in(&checkout, ["leaves"]);
    assert!(
        leaves.contains("goes on") && leaves.contains("on trunk") && !leaves.contains("begins"),
        "{leaves}"
    );
    site.is_sound();
}

#[test]
fn the_author_is_found_as_in_stock() {
    let site = Site::new();
    for user in ["ann", "bob", "dora"] {
        sql::execute(&site.file, &format!("INSERT INTO user(login, pw, cap) VALUES('{user}', '', 'i')"));
    }
    let dir = site.scratch.dir("tree");
    let author = |words: &[&str], env: &[(&str, &str)]| {
        let mut command =
            site.frond.command([&["commit", "--allow-empty", "-m", "x", "--json"], words].concat());
        command.env_remove("USER").arg("-R").arg(&site.file).current_dir(&dir).envs(env.iter().copied());
        let said = frond_tests::frond::run(
            command.env_remove("LOGNAME").env_remove("USERNAME").envs(env.iter().copied()),
        );
        if said.code != Some(0) {
            assert_eq!(said.code, Some(FAILED), "{said}");
            return None;
        }
        let answer: Value = serde_json::from_str(&said.stdout).unwrap();
        let user = text(&answer, "user").to_owned();
        assert!(site.manifest(&answer).contains(&format!("\nU {user}\n")));
        Some(user)
    };
    assert_eq!(author(&[], &[("USER", "admin")]).as_deref(), Some("admin"));
    assert_eq!(author(&[], &[("USER", "ann"), ("FOSSIL_USER", "bob")]).as_deref(), Some("bob"));
    assert_eq!(author(&[], &[("USER", "nemo"), ("LOGNAME", "ann")]).as_deref(), Some("ann"));
    assert_eq!(author(&[], &[("USER", "nemo")]), None);
    assert_eq!(author(&[], &[]), None);
    assert_eq!(author(&["--user", "nemo"], &[("USER", "admin")]), None);
    assert_eq!(author(&["--user", "ann"], &[("USER", "admin")]).as_deref(), Some("ann"));
    site.set("last-sync-url", "http://ann@h/");
    assert_eq!(author(&[], &[("USER", "nemo")]).as_deref(), Some("ann"));
    assert_eq!(author(&[], &[("USER", "bob")]).as_deref(), Some("bob"));
    site.set("last-sync-url", "https://nemo@h/");
    assert_eq!(author(&[], &[("USER", "nemo")]), None);
    site.set("default-user", "dora");
    assert_eq!(author(&[], &[("FOSSIL_USER", "bob")]).as_deref(), Some("dora"));
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    write(&dir, &Tree::from([("gone".into(), Node::File(vec![])), ("stays".into(), Node::File(vec![]))]));
    site.import(&dir);
    std::fs::remove_file(dir.join("gone")).unwrap();
    std::fs::write(dir.join("stays"), "changed").unwrap();
    std::fs::write(dir.join("new"), "").unwrap();
    let before = std::fs::read(&site.file).unwrap();
    let said = site.try_run(&dir, &["import", ".", "-m", "x", "-n"]);
    assert_eq!(said.stdout, "DELETED  gone\nADDED    new\nEDITED   stays\n3 changes\n", "{said}");
    let said = site.try_run(&dir, &["import", ".", "-m", "x", "-n", "--json"]);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[0]["change"], &lines[3]["checkin"]),
        (4, &"deleted".into(), &Value::Null)
    );
    assert!(std::fs::read(&site.file).unwrap() == before, "the file changed");
}

#[test]
fn memory_is_bounded_by_one_file() {
    let site = Site::new();
    let dir = site.scratch.dir("tree");
    let mut rng = frond_tests::rng::Rng::new(1);
    for number in 0..30 {
        std::fs::write(dir.join(format!("file-{number}")), rng.bytes(4_000_000)).unwrap();
    }
    let bound = (100 << 20) + 4_000_000 * 5 / 2;
    for (text, change) in [("all", 0), ("one of them", 1)] {
        std::fs::write(dir.join("file-7"), rng.bytes(4_000_000 - change)).unwrap();
        let mut command =
            site.frond.command(["import", ".", "-q", "-m", text, "-R", &site.file.to_string_lossy()]);
        let (said, peak) = frond_tests::memory::run(command.current_dir(&dir));
        assert_eq!(said.code, Some(0), "{said}");
        assert!(peak.resident < bound, "{text}: {} MB", peak.resident >> 20);
    }
    let mut command =
        site.frond.command(["export", "trunk", "out", "-q", "-R", &site.file.to_string_lossy()]);
    let (said, peak) = frond_tests::memory::run(command.current_dir(site.scratch.path()));
    assert_eq!(said.code, Some(0), "{said}");
    assert!(peak.resident < bound, "export: {} MB", peak.resident >> 20);
    assert!(read(&dir) == read(&site.scratch.file("out")));
}

/// Upon a delta manifest of stock too, where one would be the shortest to write.
#[test]
fn no_checkin_is_a_delta_manifest() {
    for forbidden in ["0", "1"] {
        let site = Site::new();
        let tree = site.scratch.dir("tree");
        for number in 0..50 {
            std::fs::write(tree.join(format!("file-{number}.txt")), format!("text {number}\n")).unwrap();
        }
        let baseline = site.import(&tree);
        let dir = site.open("stock", "trunk");
        std::fs::write(dir.join("file-1.txt"), "by stock\n").unwrap();
        let words = ["commit", "--delta", "-m", "a delta", "--no-warnings", "--user-override", "admin"];
        site.fossil.output_in(&dir, words);
        let by_stock = site.fossil.output(["artifact", "trunk", "-R", &site.file.to_string_lossy()]);
        assert!(by_stock.contains(&format!("B {}\n", text(&baseline, "checkin"))), "{by_stock}");
        site.set("forbid-delta-manifests", forbidden);
        let one = site.change("file-2.txt", "by frond\n");
        std::fs::write(tree.join("file-1.txt"), "by stock\n").unwrap();
        let all = site.import(&tree);
        for manifest in [site.manifest(&one), site.manifest(&all)] {
            let lines = |card: &str| manifest.lines().filter(|line| line.starts_with(card)).count();
            assert_eq!((lines("B "), lines("F ")), (0, 50), "{manifest}");
        }
        site.is_sound();
    }
}
