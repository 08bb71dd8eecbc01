//! What a leaf serves to web servers, to systemd, and over TLS.

use std::path::{Path, PathBuf};
use std::process::Command;

use frond_tests::leaf::{check_in_bytes, holds, open_repository, until};
use frond_tests::nginx::certificate;
use frond_tests::process::{Running, free_port, within};
use frond_tests::{Frond, Leaf, Nats, Scratch, Server, frond, http};

#[test]
fn probes_are_where_repositories_are_if_they_are_wanted_there() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    for (options, expected) in [(&["--probes"][..], 200), (&[], 404)] {
        let leaf = Leaf::of(&frond, &file, &[options, &["--base-path", "/code"]].concat());
        until("it is ready", || leaf.probe("/readyz").status == 200);
        let get = |path: &str| http::send(leaf.address(), &http::request(&format!("GET {path}"), &[], b""));
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(get(&format!("/code{path}")).status, expected, "{path}");
            assert_eq!(get(path).status, 404, "outside of the base path: {path}");
        }
        let head = http::send(leaf.address(), &http::request("HEAD /code/healthz", &[], b""));
        assert_eq!((head.status, head.body.len()), (expected, 0));
        assert_eq!(get("/code/").status, 200, "the page of the repository");
        leaf.terminate();
    }
}

#[test]
fn a_leaf_says_by_its_exit_code_whether_it_is_ready() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (file, copy) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(&frond, &file);
    let check = |socket: &str| frond.try_run(["leaf", "status", "--check", "--socket", socket]);
    let socket = |leaf: &Leaf| leaf.started["socket"].as_str().unwrap().to_owned();
    let leaf = Leaf::of(&frond, &file, &[]);
    until("it is ready", || check(&socket(&leaf)).code == Some(0));
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let waiting = Leaf::of(&frond, &copy, &["--peer", &nobody]);
    let said = check(&socket(&waiting));
    assert!(said.code == Some(frond::FAILED) && said.stdout.contains("b: is "), "{said}");
    let socket = socket(&leaf);
    leaf.terminate();
    assert_eq!(check(&socket).code, Some(frond::UNREACHABLE));
}

/// A repository to be served over TLS.
struct Secure {
    frond: Frond,
    scratch: Scratch,
    file: PathBuf,
    chain: PathBuf,
    key: PathBuf,
}

impl Secure {
    fn new() -> Self {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let [file, chain, key] = ["a.fossil", "chain.pem", "key.pem"].map(|name| scratch.file(name));
        open_repository(&frond, &file);
        certificate("localhost", &chain, &key);
        Self { frond, scratch, file, chain, key }
    }

    fn options(&self) -> [&str; 4] {
        ["--tls-certificate", self.chain.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }

    /// Whether who trusts a certificate is served at a port.
    fn serves(&self, port: u16, trusted: &Path) -> bool {
        let mut command = self.frond.command(["pull", "--once", &format!("https://localhost:{port}/"), "-R"]);
        frond::run(command.arg(&self.file).env("SSL_CERT_FILE", trusted)).code == Some(0)
    }

    /// Puts another certificate in place, and waits until it is shown at a port; then one that does not fit its key, and
    /// has the server hear of it: the good one stays.
    #[track_caller]
    fn changes(&self, port: u16, tell: impl FnOnce()) {
        assert!(self.serves(port, &self.chain));
        let old = self.scratch.copy(&self.chain, "old.pem");
        certificate("localhost", &self.chain, &self.key);
        until("the new one is shown", || self.serves(port, &self.chain));
        assert!(!self.serves(port, &old));
        let good = self.scratch.copy(&self.chain, "good.pem");
        certificate("localhost", &self.chain, &self.scratch.file("other.pem"));
        tell();
        assert!(self.serves(port, &good));
    }
}

#[test]
fn a_leaf_serves_over_tls_and_reads_a_new_certificate_when_it_is_there() {
    let secure = Secure::new();
    let leaf = Leaf::of(&secure.frond, &secure.file, &secure.options());
    assert!(leaf.url().starts_with("https://"), "{}", leaf.url());
    secure.changes(leaf.address().port(), || leaf.signal("HUP"));
    let log = leaf.terminate();
    assert!(log.contains("there is a new certificate") && log.contains("stays as it was"), "{log}");
}

#[test]
fn frond_serve_reads_a_new_certificate_when_it_is_there() {
    let secure = Secure::new();
    let server = Server::start(|port| {
        let mut command = secure.frond.command(["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.args(secure.options()).arg(&secure.file);
        command
    });
    secure.changes(server.address.port(), || {});
    let log = server.stop();
    assert!(log.contains("there is a new certificate"), "{log}");
}

#[test]
fn a_request_longer_than_is_taken_says_so_until_longer_ones_are() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let [there, here, behind] = ["a.fossil", "b.fossil", "c.fossil"].map(|name| scratch.file(name));
    open_repository(&frond, &there);
    let config = |bytes: usize| {
        let text = format!(
            "listen = '127.0.0.1:0'\nadmin = '0'\nnats = '{}'\nrequest-bytes = {bytes}\n\
             [[repository]]\nfile = 'a.fossil'\n",
            broker.url()
        );
        scratch.write("leaf.toml", text)
    };
    let leaf = Leaf::start(&frond, ["--config", &config(1_000_000).to_string_lossy()]);
    until("it is ready", || leaf.probe("/readyz").status == 200);
    let project = frond.clone(&leaf.url(), &here)["project_code"].as_str().unwrap().to_owned();
    std::fs::copy(&here, &behind).unwrap();
    let addresses = [(leaf.url(), &here), (broker.project(&project), &behind)];
    let hashes = addresses.each_ref().map(|(url, file)| {
        let hash = check_in_bytes(&frond, file, 1_200_000 + url.len());
        let said = frond.try_exchange("push", url, file);
        assert_eq!(said.code, Some(frond::FAILED), "{said}");
        for words in ["longer than", "this server takes", "request-bytes"] {
            assert!(said.stderr.contains(words), "{words}: {said}");
        }
        assert!(!holds(&frond, &there, &hash));
        hash
    });
    config(2_000_000);
    leaf.signal("HUP");
    for ((url, file), hash) in addresses.iter().zip(hashes) {
        until("it is taken", || frond.try_exchange("push", url, file).code == Some(0));
        assert!(holds(&frond, &there, &hash));
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_at_the_start() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let (chain, key) = (scratch.file("chain.pem"), scratch.file("key.pem"));
    certificate("localhost", &chain, &key);
    std::fs::write(&key, "hush, no key\n").unwrap();
    let paths = [&file, &chain, &key].map(|path| path.to_string_lossy());
    let [file, chain, key] = &paths;
    let base = ["leaf", "-R", &**file, "--listen", "127.0.0.1:0", "--tls-certificate", &**chain];
    let said = frond.try_run(base.iter().copied().chain(["--tls-key", &**key]));
    assert!(said.code == Some(frond::FAILED) && said.stderr.contains("key.pem"), "{said}");
    assert!(!said.stderr.contains("hush"), "{said}");
    let said = frond.try_run(base);
    assert!(said.code == Some(frond::USAGE) && said.stderr.contains("tls-key"), "{said}");
}

#[test]
fn sockets_that_are_handed_down_are_those_of_the_repositories_and_of_the_probes() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let ports = [free_port(), free_port()];
    let listen = ports.map(|port| format!("127.0.0.1:{port}"));
    let leaf: Command = {
        let mut command = frond.command(["leaf", "-R"]);
        command.arg(&file);
        command
    };
    let activate = ["-l", &listen[0], "-l", &listen[1]];
    let leaf = Running::start(&mut within("systemd-socket-activate", activate, &leaf));
    let process = leaf.process();
    let [repositories, probes] = ports.map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    let get = |at, path: &str| http::send(at, &http::request(&format!("GET {path}"), &[], b""));
    until("it is ready", || get(probes, "/readyz").status == 200);
    assert_eq!(get(repositories, "/").status, 200);
    assert_eq!(get(repositories, "/readyz").status, 404);
    let copy = scratch.file("copy.fossil");
    frond.clone(&format!("http://{repositories}/"), &copy);
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let said = leaf.end(std::time::Duration::from_secs(60));
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains(&format!("serving at http://{repositories}/")), "{said}");
}

#[test]
fn a_new_configuration_whose_certificate_is_of_no_use_changes_nothing() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let (chain, key) = (scratch.file("chain.pem"), scratch.file("key.pem"));
    certificate("localhost", &chain, &key);
    let text = |chain: &str| {
        format!(
            "listen = '127.0.0.1:0'\nadmin = '0'\ntls-certificate = '{chain}'\ntls-key = 'key.pem'\n\
             [[repository]]\nfile = 'a.fossil'\n"
        )
    };
    let config = scratch.write("leaf.toml", text("chain.pem"));
    let leaf = Leaf::start(&frond, ["--config", &config.to_string_lossy()]);
    let port = leaf.url().rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned();
    let pulls = || {
        let mut command = frond.command(["pull", "--once", &format!("https://localhost:{port}/"), "-R"]);
        frond::run(command.arg(&file).env("SSL_CERT_FILE", &chain)).code == Some(0)
    };
    assert!(pulls());
    scratch.write("leaf.toml", text("none.pem"));
    leaf.signal("HUP");
    for _ in 0..20 {
        assert!(pulls(), "the old one is still there");
    }
    let log = leaf.terminate();
    assert!(log.contains("the configuration stays as it was") && log.contains("none.pem"), "{log}");
}
