//! Several programs on one file at the same time, stock Fossil among them: nobody waits in vain, nothing is lost.

use std::thread;

use frond_tests::frond::summary;

use super::stock::Checkout;
use super::*;

/// Times that each does its part.
const EACH: usize = 4;

/// A file on which several work, and one elsewhere that serves.
struct Shared {
    site: Site,
    /// A stock checkout of the file that they share.
    checkout: Checkout,
}

impl Shared {
    #[track_caller]
    fn new() -> Self {
        let site = Site::new(Op::Sync, Who::Frond);
        let checkout = Checkout::open(&site.scratch, &site.here, "stock");
        Self { site, checkout }
    }

    fn here(&self) -> &str {
        self.site.here.to_str().unwrap()
    }

    /// Check-ins by stock in its checkout.
    #[track_caller]
    fn stock_checks_in(&self, times: usize) {
        for number in 0..times {
            self.checkout.check_in(number);
        }
    }

    #[track_caller]
    fn frond_checks_in(&self, branch: &str, times: usize) {
        for number in 0..times {
            self.site.check_in(&self.site.here, branch, &format!("{number}"));
        }
    }

    /// Stock's rebuild records a size of 0 for what waits for its delta source just then, and stock that pulls the
    /// source leaves it so: nothing but a rebuild puts that right.
    #[track_caller]
    fn puts_right_what_stock_recorded(&self) {
        let said = self.site.frond.try_run(["verify", "-R", self.here()]);
        if said.code == Some(0) {
            return;
        }
        let mut lines: Vec<&str> = said.stdout.lines().collect();
        lines.pop();
        assert!(lines.iter().all(|line| line.contains(": recorded size 0, is ")), "{said}");
        self.site.frond.output(["rebuild", "-R", self.here()]);
    }

    /// So many check-ins are on a branch, the one that began it aside.
    #[track_caller]
    fn has(&self, branch: &str, times: usize) {
        let sql = format!(
            "SELECT count(*) FROM tagxref JOIN event ON objid=rid AND type='ci' WHERE tagxref.tagid=8 AND value='{branch}'"
        );
        assert_eq!(sql::number(&self.site.here, &sql), times as i64, "on branch {branch}");
    }
}

#[test]
fn a_pull_beside_stock_that_commits_rebuilds_and_pulls() {
    for _ in rounds(12) {
        let shared = Shared::new();
        let site = &shared.site;
        let server = site.serve(Who::Frond);
        let url = server.url_as("dev", "pw");
        thread::scope(|scope| {
            scope.spawn(|| shared.stock_checks_in(EACH));
            scope.spawn(|| {
                for _ in 0..EACH {
                    Fossil::new().patiently(None, &["rebuild", shared.here()]);
                }
            });
            scope.spawn(|| {
                for _ in 0..EACH {
                    Fossil::new().patiently(None, &["pull", &url, "-R", shared.here()]);
                }
            });
            scope.spawn(|| {
                for _ in 0..2 * EACH {
                    summary(&site.frond.try_exchange("pull", &url, &site.here));
                }
            });
            scope.spawn(|| shared.frond_checks_in("frond", EACH));
        });
        shared.has("stock", EACH + 1);
        shared.has("frond", EACH);
        site.syncs(&server);
        shared.puts_right_what_stock_recorded();
        site.is_settled();
        site.is_sound();
    }
}

#[test]
fn a_server_beside_stock_and_frond_that_commit_rebuild_and_sync() {
    for _ in rounds(13) {
        let shared = Shared::new();
        let site = &shared.site;
        // The file that they share is served twice, and syncs with a third server.
        let ours = [Who::Frond, Who::Stock].map(|who| serve(&site.fossil, &site.frond, who, &site.here));
        let theirs = site.serve(Who::Frond);
        let other = site.scratch.copy(&shared::corpus(SHAPE, KNOWN, Extras::None), "other.fossil");
        let third = site.scratch.copy(&other, "third.fossil");
        for server in &ours {
            // Stock's fails where its first two requests meet.
            site.frond.pull(&server.url(), &third);
        }
        thread::scope(|scope| {
            scope.spawn(|| shared.stock_checks_in(EACH));
            scope.spawn(|| shared.frond_checks_in("frond", EACH));
            scope.spawn(|| {
                for number in 0..EACH {
                    Fossil::new()
                        .patiently(None, &["sync", &theirs.url_as("dev", "pw"), "-R", shared.here()]);
                    let name = format!("shared-{number}");
                    let words = ["uv", "add", other.to_str().unwrap(), "--as", &name, "-R", shared.here()];
                    site.frond.output(words);
                }
            });
            scope.spawn(|| {
                for number in 0..EACH {
                    site.check_in(&other, "second", &format!("{number}"));
                    summary(&site.frond.try_exchange("sync", &ours[number % 2].url_as("dev", "pw"), &other));
                }
            });
            scope.spawn(|| {
                for number in 0..EACH {
                    site.check_in(&third, "third", &format!("{number}"));
                    let url = ours[(number + 1) % 2].url_as("dev", "pw");
                    // A server of stock sends an empty file for what waits for its delta source.
                    let excuses = ["database is locked", "Database error", "wrong hash on received artifact"];
                    let excuses = &excuses[..excuses.len() - number % 2];
                    Fossil::new().despite(excuses, None, &["sync", &url, "-R", third.to_str().unwrap()]);
                }
            });
            scope.spawn(|| site.frond.output(["rebuild", "-R", shared.here()]));
        });
        for (branch, times) in [("stock", EACH + 1), ("frond", EACH), ("second", EACH), ("third", EACH)] {
            shared.has(branch, times);
        }
        for server in ours {
            server.terminate();
        }
        site.settles(&theirs);
        site.is_sound();
    }
}
