//! Disks that are really full: an error that says so, nothing broken, and it goes on once there is room.

use frond_tests::frond::FAILED;
use frond_tests::process::within;
use frond_tests::{Disk, Server};

use super::*;

/// Room for everything.
const PLENTY_KIB: u64 = 64 * 1024;

/// A repository on a disk of its own, and one elsewhere that it meets.
struct Place {
    site: Site,
    disk: Disk,
}

impl Place {
    /// The client's or the server's file is on the disk, which has room.
    #[track_caller]
    fn new(op: Op) -> Self {
        let site = Site::new(op, Who::Frond);
        let disk = Disk::of(&site.scratch, PLENTY_KIB);
        Self { site, disk }
    }

    /// Runs `frond` where the disk is.
    #[track_caller]
    fn frond(&self, words: &[&str]) -> Said {
        ended(&mut self.disk.inside(&self.site.frond.command(words)))
    }

    /// Fails for want of room, and says so.
    #[track_caller]
    fn is_full(&self, words: &[&str]) {
        let said = self.frond(words);
        says_clearly(&said, FAILED);
        assert!(said.stderr.contains("the disk is full") && said.stderr.contains("free some room"), "{said}");
    }

    /// What is there can be read; that all of it is right can be seen as soon as there is room.
    #[track_caller]
    fn is_sound(&self, file: &str) {
        if self.disk.run(Command::new("test").args(["-e", file])).code == Some(0) {
            self.works(&["timeline", "-R", file]);
            self.disk.leave(PLENTY_KIB);
            self.works(&["verify", "-R", file]);
        }
    }

    #[track_caller]
    fn works(&self, words: &[&str]) {
        let said = self.frond(words);
        assert_eq!(said.code, Some(0), "{said}");
    }
}

/// What a client writes, with so little room that it stops early or late.
#[test]
fn a_client_on_a_full_disk_says_so_and_goes_on_later() {
    for mut round in rounds(10) {
        for op in OPS {
            let mut place = Place::new(op);
            let server = place.site.serve(if round.rng.chance(0.5) { Who::Frond } else { Who::Stock });
            let url = server.url_as("dev", "pw");
            let file = match op {
                Op::Clone => place.disk.file("here.fossil"),
                _ => place.disk.take(&place.site.here, "here.fossil"),
            };
            let file = file.to_str().unwrap();
            let words = match op {
                Op::Clone => vec!["clone", &url, file, "-A", "admin", "-u"],
                _ => vec![op.word(), &url, "-R", file, "-u"],
            };
            // A push writes little here.
            let most = if op == Op::Push { 3 } else { 200 };
            for most in [most, 3] {
                place.disk.leave(round.rng.below(most) as u64);
                place.is_full(&words);
                place.is_sound(file);
            }
            place.disk.leave(PLENTY_KIB);
            place.works(&words);
            place.disk.give("here.fossil", &place.site.scratch.file("here.fossil"));
            place.site.here = place.site.scratch.file("here.fossil");
            place.site.did_what_it_said();
            place.site.settles(&server);
            place.site.is_sound();
        }
    }
}

/// What is made here.
#[test]
fn what_is_made_on_a_full_disk_is_made_later() {
    let place = Place::new(Op::Sync);
    let file = place.disk.take(&place.site.here, "here.fossil");
    let file = file.to_str().unwrap();
    let large = place.site.scratch.write("large", Rng::new(3).bytes(400_000));
    let large = large.to_str().unwrap();
    let base = place.site.scratch.path().to_str().unwrap();
    let cases: [&[&str]; 5] = [
        &["uv", "add", large, "--as", "large", "-R", file],
        &["commit", large, "--base", base, "-m", "large", "--user", "dev", "-R", file],
        &["table", "put", "hosts", "name=new", "load=2", "--user", "dev", "-R", file],
        &["user", "capabilities", "dev", "s", "-R", file],
        &["rebuild", "-R", file],
    ];
    for words in cases {
        for room in [0, 3] {
            place.disk.leave(room);
            let before = place.frond(&["info", "--json", "-R", file]).stdout;
            place.is_full(words);
            place.is_sound(file);
            place.disk.leave(room);
            assert_eq!(place.frond(&["info", "--json", "-R", file]).stdout, before, "{words:?}");
        }
    }
    place.disk.leave(PLENTY_KIB);
    for words in cases {
        place.works(words);
    }
    place.is_sound(file);
    place.disk.give("here.fossil", &place.site.here);
    compare::are_sound(&place.site.fossil, [&place.site.here]);
}

impl Place {
    /// A server whose file is on the disk.
    #[track_caller]
    fn serve(&self) -> Server {
        let file = self.disk.take(&self.site.there, "there.fossil");
        Server::start(|port| {
            let listen = format!("127.0.0.1:{port}");
            self.disk.inside(&self.site.frond.command(["serve", file.to_str().unwrap(), "--listen", &listen]))
        })
    }
}

/// It still gives what it has, takes nothing, and says that the fault is its own.
#[test]
fn a_server_on_a_full_disk_gives_and_takes_nothing() {
    for op in OPS {
        for room in [0, 8, 40] {
            let mut place = Place::new(op);
            let server = place.serve();
            let url = server.url_as("dev", "pw");
            place.disk.leave(room);
            let said = ended(&mut place.site.command(&url));
            if matches!(op, Op::Clone | Op::Pull) {
                assert_eq!(said.code, Some(0), "{room} KiB: {said}");
                place.site.did_what_it_said();
            } else {
                says_clearly(&said, FAILED);
                assert!(said.stderr.contains("507: the server's disk is full"), "{said}");
            }
            place.disk.leave(PLENTY_KIB);
            let said = ended(&mut place.site.command_of(Op::Sync, &url));
            assert_eq!(said.code, Some(0), "with room again: {said}");
            server.terminate();
            place.disk.give("there.fossil", &place.site.scratch.file("there.fossil"));
            place.site.there = place.site.scratch.file("there.fossil");
            place.site.is_settled();
            if room == 8 {
                place.site.is_sound();
            }
        }
    }
}

/// Stock gets from such a server what it has, too.
#[test]
fn stock_clones_and_pulls_from_a_full_disk() {
    for op in [Op::Clone, Op::Pull] {
        let mut place = Place::new(op);
        place.site.client = Who::Stock;
        let server = place.serve();
        place.disk.leave(0);
        let said = ended(&mut place.site.command(&server.url_as("dev", "pw")));
        assert_eq!(said.code, Some(0), "{said}");
        place.site.did_what_it_said();
        compare::are_sound(&place.site.fossil, [&place.site.here]);
        place.site.frond.verify(&place.site.here);
        place.disk.leave(PLENTY_KIB);
        server.terminate();
        place.works(&["verify", "-R", place.disk.file("there.fossil").to_str().unwrap()]);
    }
}

/// A file that may not grow is no full disk, and as little a reason to break it. This needs no right to mount.
#[test]
fn a_file_that_may_not_grow_stays_sound() {
    for mut round in rounds(11) {
        for op in [Op::Clone, Op::Pull, Op::Sync] {
            let site = Site::new(op, Who::Frond);
            let server = site.serve(Who::Frond);
            let url = server.url_as("dev", "pw");
            let blocks = site.here.metadata().map_or(0, |metadata| metadata.len() / 512);
            let limit = blocks + round.rng.below(300) as u64;
            let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
            let said = ended(&mut within("sh", ["-c", &script], &site.command(&url)));
            says_clearly(&said, FAILED);
            for file in site.files() {
                site.frond.verify(&file);
            }
            let said = ended(&mut site.command(&url));
            assert_eq!(said.code, Some(0), "{said}");
            site.did_what_it_said();
            site.settles(&server);
            site.is_sound();
        }
    }
}
