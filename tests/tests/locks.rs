//! Check-in locks, with stock Fossil and Frond at either end and on one file.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use frond_tests::corpus::PROJECT;
use frond_tests::{Fossil, Frond, Scratch, Server, http, sql};
use repo::{Repo, UnixTime};
use sync::{
    CheckinLock, Cx, Limits, NoFaults, NoGuard, NoObserver, Progress, Session, SyncOptions, SyncResult,
};
use xfer::{ArtifactId, DecodeLimits};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

/// A repository of two check-ins.
struct Site {
    scratch: Scratch,
    fossil: Fossil,
    file: PathBuf,
}

impl Site {
    fn new() -> Self {
        let (scratch, fossil) = (Scratch::new(), Fossil::new());
        let file = scratch.file("site.fossil");
        fossil.new_repository(&file, PROJECT);
        let site = Self { scratch, fossil, file };
        let work = site.open(&site.file.to_string_lossy(), "first");
        std::fs::write(work.join("a.txt"), "a\n").unwrap();
        site.fossil.output_in(&work, ["add", "a.txt"]);
        site.fossil.output_in(&work, ["commit", "-m", "begin"]);
        site.fossil.output_in(&work, ["close"]);
        site
    }

    /// A checkout of what is at an address or in a file.
    fn open(&self, from: &str, name: &str) -> PathBuf {
        let work = self.scratch.dir(name);
        let file = if from.starts_with("http") {
            let file = self.scratch.file(&format!("{name}.fossil"));
            self.fossil.clone(from, &file);
            // A clone that nobody asks for a password does not keep the one it was given.
            for words in [&["add", "up", from][..], &["up"]] {
                let words = words.iter().map(OsStr::new);
                let whole = [OsStr::new("remote")].into_iter().chain(words);
                self.fossil.output(whole.chain(["-R".as_ref(), file.as_os_str()]));
            }
            file
        } else {
            PathBuf::from(from)
        };
        self.fossil.output_in(&work, ["open".as_ref(), file.as_os_str()]);
        work
    }

    /// The check-in that has no child yet.
    fn tip(&self) -> ArtifactId {
        let tips = sql::column(&self.file, "SELECT uuid FROM leaf JOIN blob USING(rid)");
        ArtifactId::from_hex(tips[0].as_bytes()).unwrap()
    }

    fn locks(&self) -> Vec<String> {
        sql::column(&self.file, "SELECT value FROM config WHERE name GLOB 'ci-lock-*' ORDER BY name")
    }

    /// Commits in `first` with an editor in which `second` tries to commit too. What `second` was told.
    #[track_caller]
    fn commits_at_once(&self, server: &Server) -> String {
        let url = server.url_as("dev", "pw");
        let (first, second) = (self.open(&url, "one"), self.open(&url, "two"));
        for work in [&first, &second] {
            std::fs::write(work.join("a.txt"), format!("{}\n", work.display())).unwrap();
        }
        let told = self.scratch.file("told");
        let editor = self.scratch.write(
            "editor",
            format!(
                "#!/bin/sh\necho committed > \"$1\"\ncd '{}' && fossil commit -m second --no-prompt > '{}' 2>&1 < /dev/null\nexit 0\n",
                second.display(),
                told.display()
            ),
        );
        make_executable(&editor);
        let mut commit = self.fossil.command_in(Some(&first));
        commit.arg("commit").env("EDITOR", &editor).env("VISUAL", &editor);
        let said = frond_tests::frond::run(&mut commit);
        assert!(said.code == Some(0) && said.all().contains("New_Version"), "{said}");
        std::fs::read_to_string(told).unwrap()
    }

    /// One session of Frond's.
    fn session(&self, server: &Server, options: SyncOptions, seed: u8) -> SyncResult {
        let file = self.scratch.file(&format!("session-{seed}.fossil"));
        std::fs::copy(&self.file, &file).unwrap();
        let mut repo = Repo::open(&file).unwrap();
        let user = Some("dev".to_owned());
        let options = SyncOptions { user, password: Some("pw".to_owned()), ..options };
        let mut session = Session::sync(options, [seed; 20]);
        let limits = Limits::default();
        loop {
            let mut observer = NoObserver;
            let mut cx = Cx {
                now: UnixTime::from_seconds(1_795_229_633),
                clock: None,
                limits: &limits,
                peer: None,
                guard: &NoGuard,
                buggify: &NoFaults,
                observer: &mut observer,
            };
            let request = session.next_request(&mut repo, &mut cx).unwrap();
            let reply = exchange(server.address, &xfer::encode(&request));
            if session.handle_reply(&mut repo, &reply, &mut cx).unwrap() == Progress::Done {
                return session.result();
            }
        }
    }
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn exchange(server: SocketAddr, cards: &[u8]) -> xfer::Message {
    let answer = http::cards(server, "/", cards);
    assert_eq!(answer.status, 200, "{answer:?}");
    xfer::decode(&Bytes::from(answer.body), &DecodeLimits::default()).unwrap()
}

fn locking(parent: ArtifactId, client: &str) -> SyncOptions {
    let ci_lock = Some(CheckinLock { parent, client: client.to_owned() });
    SyncOptions { pull: true, ci_lock, ..SyncOptions::default() }
}

fn unlocking(client: &str) -> SyncOptions {
    SyncOptions { pull: true, ci_unlock: Some(client.to_owned()), ..SyncOptions::default() }
}

/// The same of stock's server and ours.
#[test]
fn of_two_stock_checkouts_that_commit_at_once_the_second_is_told_who_was_first() {
    for serve in [
        |site: &Site, _: &Frond| site.fossil.server(&site.file),
        |site: &Site, frond: &Frond| frond.server(&site.file),
    ] {
        let (site, frond) = (Site::new(), Frond::new());
        let server = serve(&site, &frond);
        let told = site.commits_at_once(&server);
        assert!(told.contains("Parent check-in locked by dev"), "{told}");
        assert_eq!(sql::number(&site.file, "SELECT count(*) FROM event WHERE comment='committed'"), 1);
        assert_eq!(site.locks(), Vec::<String>::new(), "given up with the push");
    }
}

#[test]
fn a_frond_session_takes_meets_and_gives_up_locks_of_a_stock_server() {
    let site = Site::new();
    let server = site.fossil.server(&site.file);
    let tip = site.tip();
    assert_eq!(site.session(&server, locking(tip, ONE), 1).lock_failure, None);
    assert_eq!(site.locks(), [format!(r#"{{"login":"dev","clientid":"{ONE}"}}"#)]);
    let failure = site.session(&server, locking(tip, TWO), 2).lock_failure.unwrap();
    let since = sql::number(&site.file, "SELECT mtime FROM config WHERE name GLOB 'ci-lock-*'");
    assert_eq!((failure.held_by.as_str(), failure.since.seconds()), ("dev", since));
    assert_eq!(site.session(&server, unlocking(ONE), 3).rounds, 1);
    assert_eq!(site.locks(), Vec::<String>::new());
}

/// 160.
#[test]
fn stocks_wish_for_no_delta_manifests_is_heard() {
    let site = Site::new();
    sql::execute(&site.file, "INSERT INTO config VALUES('forbid-delta-manifests', '1', 0)");
    let server = site.fossil.server(&site.file);
    assert!(site.session(&server, locking(site.tip(), ONE), 1).avoid_delta_manifests);
    assert!(!site.session(&server, unlocking(ONE), 2).avoid_delta_manifests);
}

#[test]
fn stock_and_frond_see_each_others_locks_on_one_file() {
    let (site, frond) = (Site::new(), Frond::new());
    let (stock, ours) = (site.fossil.server(&site.file), frond.server(&site.file));
    let tip = site.tip();
    let holder = |server: &Server, client: &str, seed| {
        site.session(server, locking(tip, client), seed).lock_failure.map(|failure| failure.held_by)
    };
    let dev = Some("dev".to_owned());
    assert_eq!(holder(&stock, ONE, 1), None);
    assert_eq!(holder(&ours, TWO, 2), dev);
    site.session(&ours, unlocking(ONE), 3);
    assert_eq!(holder(&ours, TWO, 4), None);
    assert_eq!(holder(&stock, ONE, 5), dev);
    site.session(&stock, unlocking(TWO), 6);
    assert_eq!(holder(&stock, ONE, 7), None);
}
