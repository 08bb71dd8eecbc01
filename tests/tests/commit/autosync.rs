//! Check-ins that are made together with others: pull, lock, fork check, check in, push, unlock.

use frond_tests::process::Server;

use super::*;

const LOCKS: &str = "SELECT count(*) FROM config WHERE name GLOB 'ci-lock-*'";

/// A server of a repository with one check-in, where everybody may push, and a clone of it.
struct Shared {
    site: Site,
    server: Server,
    clone: PathBuf,
    work: PathBuf,
}

impl Shared {
    fn new(serve: impl Fn(&Site) -> Server) -> Self {
        let site = Site::new();
        site.change("a.txt", "first");
        site.frond.output(["user", "capabilities", "nobody", "gio", "-R", &site.file.to_string_lossy()]);
        let (server, clone, work) =
            (serve(&site), site.scratch.file("clone.fossil"), site.scratch.dir("work"));
        site.frond.output(["clone", &server.url(), &clone.to_string_lossy(), "-A", "admin"]);
        Self { site, server, clone, work }
    }

    /// Checks a file in to the clone.
    fn commit(&self, name: &str, more: &[&str]) -> Said {
        std::fs::write(self.work.join(name), name).unwrap();
        let mut command = self.site.frond.command(["commit", name, "-m", name, "--autosync"]);
        frond_tests::frond::run(command.args(more).arg("-R").arg(&self.clone).current_dir(&self.work))
    }

    fn tips(&self) -> Vec<String> {
        sql::column(&self.site.file, "SELECT uuid FROM leaf JOIN blob USING(rid) ORDER BY 1")
    }

    fn count_in(&self, file: &Path, query: &str) -> String {
        sql::column(file, query)[0].clone()
    }
}

fn by_stock(site: &Site) -> Server {
    site.fossil.server(&site.file)
}

fn by_frond(site: &Site) -> Server {
    site.frond.server(&site.file)
}

#[test]
fn who_checks_in_builds_on_what_others_did_and_gives_the_lock_up() {
    for serve in [by_stock, by_frond] {
        let shared = Shared::new(serve);
        shared.site.change("b.txt", "by another");
        let said = shared.commit("c.txt", &[]);
        assert_eq!(said.code, Some(0), "{said}");
        let tips = shared.tips();
        assert!(tips.len() == 1 && said.stdout.contains(&tips[0]), "{tips:?}\n{said}");
        let out = shared.site.scratch.file("out");
        shared.site.run(&shared.work, &["export", "trunk", out.to_str().unwrap()]);
        assert_eq!(read(&out).into_keys().collect::<Vec<_>>(), ["a.txt", "b.txt", "c.txt"]);
        assert_eq!(shared.count_in(&shared.site.file, LOCKS), "0");
    }
}

#[test]
fn a_fork_is_refused_unless_it_is_wanted_and_nothing_stays_locked() {
    for serve in [by_stock, by_frond] {
        let shared = Shared::new(serve);
        let old = shared.tips()[0].clone();
        shared.site.change("b.txt", "by another");
        let refused = shared.commit("c.txt", &["--parent", &old]);
        assert_eq!(refused.code, Some(FAILED), "{refused}");
        assert!(refused.stderr.contains("goes on from there already"), "{refused}");
        assert_eq!((shared.tips().len(), &*shared.count_in(&shared.site.file, LOCKS)), (1, "0"));
        assert_eq!(shared.count_in(&shared.clone, "SELECT count(*) FROM event WHERE type='ci'"), "3");
        let forked = shared.commit("c.txt", &["--parent", &old, "--allow-fork"]);
        assert_eq!(forked.code, Some(0), "{forked}");
        assert_eq!((shared.tips().len(), &*shared.count_in(&shared.site.file, LOCKS)), (2, "0"));
    }
}

#[test]
fn what_somebody_else_is_about_to_do_is_waited_for_unless_it_is_overridden() {
    for serve in [by_stock, by_frond] {
        let shared = Shared::new(serve);
        let tip = shared.tips()[0].clone();
        let lock = "json_object('login', 'bob', 'clientid', 'somebody')";
        let lock = format!("REPLACE INTO config VALUES('ci-lock-{tip}', {lock}, strftime('%s', 'now') + 0)");
        sql::execute(&shared.site.file, &lock);
        let refused = shared.commit("b.txt", &[]);
        assert_eq!(refused.code, Some(LOCKED), "{refused}");
        assert!(refused.stderr.contains("bob is about to check in onto"), "{refused}");
        assert!(refused.stderr.contains("--override-lock"), "{refused}");
        assert_eq!(shared.tips(), [tip.as_str()]);
        let done = shared.commit("b.txt", &["--override-lock"]);
        assert_eq!(done.code, Some(0), "{done}");
        assert_ne!(shared.tips(), [tip]);
    }
}

#[test]
fn a_check_in_that_the_server_does_not_take_stays_here_and_that_is_said() {
    let shared = Shared::new(by_frond);
    shared.site.frond.output([
        "user",
        "capabilities",
        "nobody",
        "go",
        "-R",
        &shared.site.file.to_string_lossy(),
    ]);
    let said = shared.commit("b.txt", &[]);
    assert_eq!(said.code, Some(PARTIAL), "{said}");
    assert!(said.stdout.contains("New_Version"), "{said}");
    assert!(said.stderr.contains("was made, and is not on the server"), "{said}");
    // Without the server nothing is checked in at all.
    let Shared { server, .. } = &shared;
    server.process().kill();
    let said = shared.commit("c.txt", &[]);
    assert_eq!(said.code, Some(frond_tests::frond::UNREACHABLE), "{said}");
    assert_eq!(shared.count_in(&shared.clone, "SELECT count(*) FROM event WHERE type='ci'"), "3");
}

#[test]
fn without_a_server_to_remember_there_is_nobody_to_be_in_step_with() {
    let site = Site::new();
    let dir = site.scratch.dir("alone");
    std::fs::write(dir.join("a.txt"), "a").unwrap();
    let said = site.try_run(&dir, &["commit", "a.txt", "-m", "a", "--autosync"]);
    assert!(said.code == Some(USAGE) && said.stderr.contains("no server is remembered"), "{said}");
    let said = site.try_run(&dir, &["commit", "a.txt", "-m", "a", "--override-lock"]);
    assert_eq!(said.code, Some(USAGE), "{said}");
}
