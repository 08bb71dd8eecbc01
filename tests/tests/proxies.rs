//! Servers that are reached through an HTTP proxy, or over TLS.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::PathBuf;

use frond_tests::corpus::{Extras, Shape, by_stock};
use frond_tests::{Fossil, Frond, Gateway, Said, Scratch, Server, Tls, compare, frond};

/// No resolver knows it: who gets there was taken there by a proxy.
const NAME: &str = "repository.invalid";

/// A proxy that leads nowhere.
const NOWHERE: &str = "http://no-such-proxy.invalid:3128";

struct Bench {
    fossil: Fossil,
    frond: Frond,
    scratch: Scratch,
    whole: PathBuf,
    server: Server,
}

impl Bench {
    fn new() -> Self {
        let (fossil, frond, scratch) = (Fossil::new(), Frond::new(), Scratch::new());
        let whole = scratch.file("whole.fossil");
        by_stock(&fossil, &whole, Shape { checkins: 20, files: 10, seed: 7 }, 20, Extras::None);
        let server = frond.server(&whole);
        Self { fossil, frond, scratch, whole, server }
    }

    fn clone(&self, url: &str, args: &[&str], env: &[(&str, &str)]) -> Said {
        let file = self.scratch.file("clone.fossil");
        let mut command = self.frond.command(["clone", "-q", url, &file.to_string_lossy()]);
        frond::run(command.args(args).envs(env.iter().copied()))
    }

    #[track_caller]
    fn clones(&self, url: &str, args: &[&str], env: &[(&str, &str)]) {
        let said = self.clone(url, args, env);
        assert_eq!(said.code, Some(0), "{args:?} {env:?}\n{said}");
        let clone = self.scratch.file("clone.fossil");
        compare::contents_equal(&clone, &self.whole);
        std::fs::remove_file(clone).unwrap();
    }

    #[track_caller]
    fn fails(&self, url: &str, args: &[&str], env: &[(&str, &str)], code: i32, words: &[&str]) {
        let said = self.clone(url, args, env);
        assert_eq!(said.code, Some(code), "{args:?} {env:?}\n{said}");
        for word in words {
            assert!(said.stderr.contains(word), "no `{word}`\n{said}");
        }
    }
}

#[test]
fn an_http_server_is_reached_through_the_proxy_that_is_named() {
    let bench = Bench::new();
    let proxy = Gateway::start(bench.server.address);
    let (url, via) = (format!("http://{NAME}/"), proxy.url());
    bench.clones(&url, &["--proxy", &via], &[]);
    bench.clones(&url, &["--proxy", &via], &[("http_proxy", NOWHERE)]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
        bench.clones(&url, &[], &[(name, &via)]);
    }
    // Stock goes the same way.
    let file = bench.scratch.file("stock.fossil");
    bench.fossil.output(["clone", &url, &file.to_string_lossy(), "--proxy", &via]);
    compare::contents_equal(&file, &bench.whole);
    for line in proxy.lines() {
        assert!(line.starts_with(&format!("POST http://{NAME}/ HTTP/1.")), "{line}");
    }
}

#[test]
fn a_server_that_needs_no_proxy_is_reached_without() {
    let bench = Bench::new();
    let url = bench.server.url();
    bench.clones(&url, &["--proxy", "off"], &[("http_proxy", NOWHERE)]);
    bench.clones(&url, &[], &[("http_proxy", NOWHERE)]);
    bench.fails(&url, &["--proxy", NOWHERE], &[], 4, &["no-such-proxy.invalid"]);
}

#[test]
fn an_https_server_is_reached_through_a_tunnel() {
    let bench = Bench::new();
    let certificate = bench.scratch.file("certificate.pem");
    let tls = Tls::start(bench.server.address, NAME, &certificate);
    let proxy = Gateway::start(tls.address);
    let (url, via, certificate) = (format!("https://{NAME}/"), proxy.url(), certificate.to_string_lossy());
    bench.clones(&url, &["--proxy", &via], &[("SSL_CERT_FILE", &certificate)]);
    bench.clones(&url, &[], &[("https_proxy", &via), ("SSL_CERT_FILE", &certificate)]);
    for line in proxy.lines() {
        assert_eq!(line, format!("CONNECT {NAME}:443 HTTP/1.1"));
    }
    bench.fails(&url, &["--proxy", &via], &[], 1, &["no secure connection to", "UnknownIssuer"]);
}

#[test]
fn a_port_for_tls_says_so_to_a_request_in_clear() {
    let bench = Bench::new();
    let tls = Tls::start(bench.server.address, "localhost", &bench.scratch.file("certificate.pem"));
    let url = format!("http://127.0.0.1:{}/", tls.address.port());
    bench.fails(&url, &[], &[], 1, &["speaks https, not http", "write the address with https://"]);
}

#[test]
fn a_proxy_that_cannot_be_used_is_not_passed_by_in_silence() {
    let bench = Bench::new();
    let url = format!("http://{NAME}/");
    bench.fails(&url, &["--proxy", "socks5://p:1"], &[], 2, &["http://"]);
    bench.fails(&url, &[], &[("all_proxy", "socks5://p:1")], 2, &["socks5", "all_proxy"]);
    // It answers, and is no proxy.
    bench.fails(
        &format!("https://{NAME}/"),
        &["--proxy", &bench.server.url()],
        &[],
        1,
        &["the proxy 127.0.0.1", "--proxy off"],
    );
}
