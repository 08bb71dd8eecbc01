//! Leaves that keep repositories in step.

use std::path::{Path, PathBuf};

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::{Fossil, Frond, Leaf, Scratch, compare};

/// A chain of leaves, each of which has the one before it as its peer; all but the first were not there before.
fn chain(frond: &Frond, scratch: &Scratch, names: &[&str]) -> Vec<(PathBuf, Leaf)> {
    let mut chain: Vec<(PathBuf, Leaf)> = Vec::new();
    for name in names {
        let file = scratch.file(name);
        let url = chain.last().map(|(_, leaf)| leaf.url());
        let leaf = match &url {
            None => {
                open_repository(frond, &file);
                Leaf::of(frond, &file, &[])
            }
            Some(url) => Leaf::of(frond, &file, &["--peer", url]),
        };
        until("the repository is there and ready", || leaf.probe("/readyz").status == 200);
        admit(frond, &file);
        chain.push((file, leaf));
    }
    chain
}

/// Lets everybody clone, pull from and push to a repository.
fn admit(frond: &Frond, file: &Path) {
    frond.output(["user", "capabilities", "nobody", "gio", "-R", &file.to_string_lossy()]);
}

#[track_caller]
fn reaches_all(frond: &Frond, chain: &[(PathBuf, Leaf)], hash: &str) {
    for (file, _) in chain {
        until("the check-in is everywhere", || holds(frond, file, hash));
    }
}

#[test]
fn a_check_in_on_any_leaf_is_soon_on_all() {
    let (frond, scratch, fossil) = (Frond::new(), Scratch::new(), Fossil::new());
    let chain = chain(&frond, &scratch, &["a.fossil", "b.fossil", "c.fossil"]);
    for (number, (file, _)) in chain.iter().enumerate() {
        let hash = check_in(&frond, file, &format!("{number}.txt"));
        reaches_all(&frond, &chain, &hash);
    }
    let files: Vec<PathBuf> = chain.iter().map(|(file, _)| file.clone()).collect();
    for (_, leaf) in chain {
        leaf.terminate();
    }
    for file in &files[1..] {
        compare::is_whole_copy(&fossil, file, &files[0]);
    }
}

#[test]
fn stock_works_on_the_file_of_one_leaf_and_pulls_from_another() {
    let (frond, scratch, fossil) = (Frond::new(), Scratch::new(), Fossil::new());
    let chain = chain(&frond, &scratch, &["a.fossil", "b.fossil"]);
    let clone = scratch.file("stock.fossil");
    fossil.clone(&chain[0].1.url(), &clone);

    let checkout = scratch.dir("checkout");
    fossil.output_in(&checkout, ["open", &chain[1].0.to_string_lossy()]);
    std::fs::write(checkout.join("by-stock.txt"), "by stock\n").unwrap();
    fossil.output_in(&checkout, ["add", "by-stock.txt"]);
    fossil.output_in(&checkout, ["commit", "-m", "by stock", "--no-warnings"]);

    let timeline = |file: &Path| frond.output(["timeline", "-R", &file.to_string_lossy()]);
    until("stock's check-in is on the other leaf", || timeline(&chain[0].0).contains("by stock"));
    fossil.pull(&chain[0].1.url(), &clone);
    assert!(timeline(&clone).contains("by stock"));
}

#[test]
fn stock_pushes_to_a_leaf_and_all_have_it() {
    let (frond, scratch, fossil) = (Frond::new(), Scratch::new(), Fossil::new());
    let chain = chain(&frond, &scratch, &["a.fossil", "b.fossil", "c.fossil"]);
    let clone = scratch.file("stock.fossil");
    fossil.clone(&chain[2].1.url(), &clone);
    let hash = check_in(&frond, &clone, "pushed.txt");
    fossil.exchange("push", &chain[2].1.url(), &clone);
    reaches_all(&frond, &chain, &hash);
}

#[test]
fn one_leaf_keeps_several_repositories_with_stock_and_with_files() {
    let (frond, scratch, fossil) = (Frond::new(), Scratch::new(), Fossil::new());
    let (stock, disk) = (scratch.file("stock.fossil"), scratch.file("disk.fossil"));
    fossil.new_repository(&stock, &"ab".repeat(20));
    open_repository(&frond, &disk);
    let server = fossil.server(&stock);
    scratch.write("pw", "pw\n");
    let config = scratch.write(
        "leaf.toml",
        format!(
            "listen = '127.0.0.1:0'\nadmin = '0'\n[defaults]\npoll = '500ms'\n\
             [[repository]]\nfile = 'one.fossil'\n[[repository.peer]]\nurl = 'http://dev@{}/'\npassword-file = 'pw'\n\
             [[repository]]\nfile = 'two.fossil'\n[[repository.peer]]\nurl = 'disk.fossil'\n",
            server.address
        ),
    );
    let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
    until("both are there and ready", || leaf.probe("/readyz").status == 200);
    let (one, two) = (scratch.file("one.fossil"), scratch.file("two.fossil"));
    for (here, there) in [(&one, &stock), (&two, &disk)] {
        let mine = check_in(&frond, here, "mine.txt");
        until("what was made here is there", || holds(&frond, there, &mine));
        let theirs = check_in(&frond, there, "theirs.txt");
        until("what was made there is here", || holds(&frond, here, &theirs));
    }
    for name in ["one", "two"] {
        admit(&frond, &scratch.file(&format!("{name}.fossil")));
        let copy = scratch.file(&format!("copy-of-{name}.fossil"));
        frond.clone(&format!("{}{name}", leaf.url()), &copy);
    }
}
