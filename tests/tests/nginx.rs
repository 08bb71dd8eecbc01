//! Frond behind a real web server: what its defaults and the recommended configuration do to rounds.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use frond_tests::corpus::{Extras, Shape, by_stock};
use frond_tests::nginx::{behind, certificate};
use frond_tests::process::{Running, free_port};
use frond_tests::rng::Rng;
use frond_tests::{Fossil, Frond, Nginx, Scratch, Server, compare, frond, http, leaf};

struct Bench {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    whole: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let whole = scratch.file("whole.fossil");
        by_stock(&fossil, &whole, Shape { checkins: 40, files: 10, seed: 7 }, 40, Extras::None);
        Self { fossil, frond, scratch, whole }
    }

    /// Clones with Frond and with stock.
    #[track_caller]
    fn both_clone(&self, url: &str) {
        let (ours, stock) = (self.scratch.file("ours.fossil"), self.scratch.file("stock.fossil"));
        self.frond.clone(url, &ours);
        self.fossil.clone(url, &stock);
        for file in [&ours, &stock] {
            compare::contents_equal(file, &self.whole);
            std::fs::remove_file(file).unwrap();
        }
    }
}

/// A repository that everybody may push to, and a clone of it with check-ins of so many files of random bytes each.
struct Push {
    frond: Frond,
    scratch: Scratch,
    theirs: PathBuf,
    ours: PathBuf,
    server: Server,
}

impl Push {
    #[track_caller]
    fn of(files: usize, bytes: usize) -> Self {
        let (frond, scratch) = (Frond::new(), Scratch::new());
        let (theirs, ours) = (scratch.file("theirs.fossil"), scratch.file("ours.fossil"));
        leaf::open_repository(&frond, &theirs);
        let server = frond.server(&theirs);
        frond.clone(&server.url(), &ours);
        let tree = scratch.dir("tree");
        let mut rng = Rng::new(7);
        for number in 0..files {
            let content: Vec<u8> = (0..bytes).map(|_| rng.bits() as u8).collect();
            std::fs::write(tree.join(format!("{number}.bin")), content).unwrap();
        }
        let mut command = frond.command(["import", "-m", "random", "-R"]);
        let said = frond::run(command.arg(&ours).arg(&tree));
        assert_eq!(said.code, Some(0), "{said}");
        Self { frond, scratch, theirs, ours, server }
    }
}

#[test]
fn clones_and_pushes_pass_a_web_server_that_is_left_as_it_is() {
    let bench = Bench::new();
    let server = bench.frond.server(&bench.whole);
    bench.both_clone(&Nginx::before(server.address).url());
    let push = Push::of(5, 10_000);
    let nginx = Nginx::before(push.server.address);
    push.frond.push(&nginx.url(), &push.ours);
    compare::contents_equal(&push.theirs, &push.ours);
}

#[test]
fn replies_are_the_same_whether_the_web_server_buffers_them_or_not() {
    let bench = Bench::new();
    let server = bench.frond.server(&bench.whole);
    for buffering in [
        "proxy_buffering off; proxy_request_buffering off; proxy_http_version 1.1;",
        // Whatever is longer than two pages goes to a file of nginx, or waits.
        "proxy_buffers 2 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 4k; client_body_buffer_size 1k;",
        "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;",
    ] {
        let nginx =
            Nginx::start(&format!("{buffering} location / {{ proxy_pass http://{}; }}", server.address));
        bench.both_clone(&nginx.url());
    }
}

#[test]
fn repositories_are_found_behind_the_lines_of_the_readme() {
    let bench = Bench::new();
    let directory = bench.scratch.dir("repositories");
    std::fs::copy(&bench.whole, directory.join("whole.fossil")).unwrap();
    let server = behind(&bench.frond, &directory, &[]);
    let page = include_str!("../../README.md");
    let block = page.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("README.md has lines for nginx");
    assert!(block.contains("http://127.0.0.1:8080/;"), "{block}");
    let nginx = Nginx::start(&block.replace("127.0.0.1:8080", &server.address.to_string()));
    bench.both_clone(&format!("{}code/whole", nginx.url()));
}

#[test]
fn repositories_under_a_base_path_are_found_whether_the_web_server_cuts_it_or_not() {
    let bench = Bench::new();
    let directory = bench.scratch.dir("repositories");
    std::fs::copy(&bench.whole, directory.join("whole.fossil")).unwrap();
    for (options, target) in [(&["--base-path", "/code"][..], ""), (&[], "/")] {
        let server = behind(&bench.frond, &directory, options);
        let lines = format!(
            "location /code/ {{ client_max_body_size 256m; proxy_pass http://{}{target}; }}",
            server.address
        );
        let nginx = Nginx::start(&lines);
        bench.both_clone(&format!("{}code/whole", nginx.url()));
        let list = http::send(nginx.address(), &http::request("GET /code/", &[], b""));
        assert!(list.status == 200 && list.text().contains("href=\"./whole\""), "{list:?}");
    }
}

/// The configuration that OPERATIONS.md recommends, with the ports and files of this test.
#[track_caller]
fn recommended(server: SocketAddr, chain: &Path, key: &Path) -> Nginx {
    let page = include_str!("../../leaf/OPERATIONS.md");
    let block = page.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("OPERATIONS.md recommends a configuration of nginx");
    for text in ["listen 443 ssl", "http://127.0.0.1:8080", "/etc/ssl/code.pem", "/etc/ssl/code.key"] {
        assert!(block.contains(text), "no {text}\n{block}");
    }
    let block = block
        .replace("http://127.0.0.1:8080", &format!("http://{server}"))
        .replace("/etc/ssl/code.pem", &chain.to_string_lossy())
        .replace("/etc/ssl/code.key", &key.to_string_lossy());
    Nginx::with(|port| block.replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl")))
}

#[test]
fn the_recommended_configuration_ends_tls_and_takes_what_the_server_takes() {
    let push = Push::of(1, 3_000_000);
    let chain = push.scratch.file("chain.pem");
    let key = push.scratch.file("key.pem");
    certificate("localhost", &chain, &key);
    let nginx = recommended(push.server.address, &chain, &key);
    let url = format!("https://localhost:{}/", nginx.address().port());
    let mut command = push.frond.command(["push", "--json", &url, "-R"]);
    let said = frond::run(command.arg(&push.ours).env("SSL_CERT_FILE", &chain));
    frond::summary(&said);
    compare::contents_equal(&push.theirs, &push.ours);
    let copy = push.scratch.file("copy.fossil");
    let mut command = push.frond.command(["clone", "--json", &url]);
    frond::summary(&frond::run(command.arg(&copy).env("SSL_CERT_FILE", &chain)));
    compare::contents_equal(&copy, &push.theirs);
}

#[test]
fn the_recommended_configuration_tells_who_asks_and_under_which_address() {
    let bench = Bench::new();
    let directory = bench.scratch.dir("repositories");
    std::fs::copy(&bench.whole, directory.join("whole.fossil")).unwrap();
    let server = behind(&bench.frond, &directory, &["--trusted-proxies", "127.0.0.0/8"]);
    let (chain, key) = (bench.scratch.file("chain.pem"), bench.scratch.file("key.pem"));
    certificate("localhost", &chain, &key);
    let nginx = recommended(server.address, &chain, &key);
    // An outer web server of this machine, which speaks TLS to the recommended one.
    let outer = Nginx::start(&format!(
        "location / {{ proxy_pass https://{}; proxy_set_header Host code.example; \
         proxy_set_header X-Forwarded-For 198.51.100.9; }}",
        nginx.address()
    ));
    let page = http::send(outer.address(), &http::request("GET /whole", &[], b""));
    assert!(page.text().contains("fossil clone https://code.example/whole whole.fossil"), "{page:?}");
    let log = server.stop();
    assert!(log.contains("peer=\"198.51.100.9\""), "{log}");
}

#[test]
fn who_guesses_passwords_through_a_web_server_holds_up_nobody_else() {
    let bench = Bench::new();
    let server = behind(&bench.frond, &bench.whole, &["--trusted-proxies", "127.0.0.1"]);
    let through = |client: &str| {
        Nginx::start(&format!(
            "location / {{ proxy_pass http://{}; proxy_set_header X-Forwarded-For {client}; }}",
            server.address
        ))
    };
    let (guesser, other) = (through("198.51.100.9"), through("192.0.2.7"));
    let copy = bench.scratch.file("copy.fossil");
    bench.frond.clone(&guesser.url(), &copy);
    let pull = |nginx: &Nginx, user: &str, password: &str| {
        let url = format!("http://{user}:{password}@{}/", nginx.address());
        bench.frond.try_exchange("pull", &url, &copy)
    };
    for turn in 0..5 {
        let said = pull(&guesser, &format!("user{turn}"), "guess");
        assert!(said.code == Some(frond::REFUSED) && said.stderr.contains("login failed"), "{said}");
    }
    let said = pull(&guesser, "dev", "pw");
    assert!(said.stderr.contains("too many failed logins"), "its address waits, whoever it names\n{said}");
    assert_eq!(pull(&other, "dev", "pw").code, Some(0), "another address does not");
}

#[test]
fn a_push_in_requests_that_are_too_long_goes_on_with_shorter_ones() {
    let push = Push::of(30, 20_000);
    let server = push.server.address;
    let nginx =
        Nginx::start(&format!("client_max_body_size 60k; location / {{ proxy_pass http://{server}; }}"));
    let summary = push.frond.push(&nginx.url(), &push.ours);
    assert!(frond::count(&summary, "rounds") > 10, "{summary}");
    compare::contents_equal(&push.theirs, &push.ours);
    // Nothing of it is needed where there is room.
    let push = Push::of(30, 20_000);
    let summary = push.frond.push(&push.server.url(), &push.ours);
    assert!(frond::count(&summary, "rounds") < 6, "{summary}");
}

#[test]
fn an_artifact_that_is_too_long_for_the_web_server_fails_the_push_and_says_what_to_set() {
    for bytes in [1_200_000, 12_000_000] {
        let push = Push::of(1, bytes);
        let nginx = Nginx::before(push.server.address);
        let said = push.frond.try_exchange("push", &nginx.url(), &push.ours);
        assert_eq!(said.code, Some(frond::FAILED), "{said}");
        for words in ["413", "the request has ", "nginx: client_max_body_size 256m"] {
            assert!(said.stderr.contains(words), "no {words:?}\n{said}");
        }
        push.frond.push(&push.server.url(), &push.ours);
        compare::contents_equal(&push.theirs, &push.ours);
    }
}

#[test]
fn a_server_that_comes_back_behind_its_web_server_is_waited_for() {
    let bench = Bench::new();
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let nginx = Nginx::before(address);
    let copy = bench.scratch.file("copy.fossil");
    let mut command = bench.frond.command(["clone", "-v", &nginx.url()]);
    let running = Running::start(command.arg(&copy));
    // The first request gets 502 at once: nobody is there.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut command = bench.frond.command(["serve", "--listen", &address.to_string()]);
    let server = Running::start(command.arg(&bench.whole));
    let said = running.end(std::time::Duration::from_secs(120));
    server.process().kill();
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("asking again in "), "{said}");
    compare::contents_equal(&copy, &bench.whole);
}
