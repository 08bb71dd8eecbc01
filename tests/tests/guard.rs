//! Logins of stock Fossil at `frond serve`: who guesses waits, who sends is written down.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::PathBuf;

use frond_tests::corpus::PROJECT;
use frond_tests::{Fossil, Frond, Scratch, Server, sql};

struct Site {
    scratch: Scratch,
    fossil: Fossil,
    file: PathBuf,
    server: Server,
}

impl Site {
    fn new() -> Self {
        let (scratch, fossil) = (Scratch::new(), Fossil::new());
        let file = scratch.file("site.fossil");
        fossil.new_repository(&file, PROJECT);
        let server = Frond::new().server(&file);
        Self { scratch, fossil, file, server }
    }

    /// A clone in which something was committed.
    fn ahead(&self) -> PathBuf {
        let (file, work) = (self.scratch.file("ahead.fossil"), self.scratch.dir("work"));
        self.fossil.clone(&self.server.url(), &file);
        self.fossil.output([
            "settings".as_ref(),
            "autosync".as_ref(),
            "off".as_ref(),
            "-R".as_ref(),
            file.as_os_str(),
        ]);
        self.fossil.output_in(&work, ["open".as_ref(), file.as_os_str()]);
        std::fs::write(work.join("a.txt"), "a\n").unwrap();
        self.fossil.output_in(&work, ["add", "a.txt"]);
        self.fossil.output_in(&work, ["commit", "-m", "a"]);
        file
    }

    /// What stock says when it pushes with a password.
    fn push(&self, file: &std::path::Path, password: &str) -> String {
        let url = self.server.url_as("dev", password);
        self.fossil.try_run(["push".as_ref(), url.as_ref(), "-R".as_ref(), file.as_os_str()]).all()
    }
}

#[test]
fn the_address_of_who_pushes_is_recorded() {
    let site = Site::new();
    let said = site.push(&site.ahead(), "pw");
    let sql = "SELECT login || ' ' || rcvfrom.ipaddr FROM rcvfrom JOIN user USING(uid) WHERE rcvfrom.ipaddr IS NOT NULL";
    assert_eq!(sql::column(&site.file, sql), ["dev 127.0.0.1"], "{said}");
}

#[test]
fn stock_is_told_to_wait_after_five_wrong_passwords_and_then_gets_in() {
    let site = Site::new();
    let file = site.ahead();
    for _ in 0..5 {
        let said = site.push(&file, "guess");
        assert!(said.contains("login failed"), "{said}");
    }
    let mut said = site.push(&file, "guess");
    for _ in 0..100 {
        if said.contains("too many failed logins, try again in ") {
            break;
        }
        // The machine was slow: the second was over.
        said = site.push(&file, "guess");
    }
    assert!(said.contains("too many failed logins, try again in "), "{said}");
    std::thread::sleep(std::time::Duration::from_secs(4));
    let said = site.push(&file, "pw");
    assert!(said.contains("Push done") && !said.contains("Error"), "{said}");
    assert_eq!(sql::number(&site.file, "SELECT count(*) FROM event WHERE comment='a'"), 1);
}
