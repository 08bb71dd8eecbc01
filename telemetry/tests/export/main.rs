//! What a collector gets of a client and a leaf, and what they do where the collector is of no use.

#![allow(clippy::unwrap_used, reason = "a test fails where they do")]

mod collector;

use std::path::{Path, PathBuf};
use std::process::Command;

use frond_tests::frond::{count, run, summary};
use frond_tests::leaf::{check_in, open_repository, until};
use frond_tests::{Frond, Leaf, Nats, Scratch};
use serde_json::Value;

use self::collector::{Collector, Manner, Seen};

struct Bench {
    frond: Frond,
    scratch: Scratch,
    collector: Collector,
}

impl Bench {
    fn new(manner: Manner) -> Self {
        Self { frond: Frond::new(), scratch: Scratch::new(), collector: Collector::start(manner) }
    }

    /// Has a command send what it measures, under a name of its own.
    fn measured(&self, service: &str, mut command: Command) -> Command {
        command
            .env("OTEL_SERVICE_NAME", service)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.collector.url)
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "100");
        command
    }

    /// A leaf of a repository that everybody may clone and push to.
    fn leaf(&self, more: &[&str]) -> (PathBuf, Leaf) {
        let file = self.scratch.file("served.fossil");
        open_repository(&self.frond, &file);
        let path = file.to_string_lossy();
        let words = ["leaf", "--json", "-v", "-R", &path, "--listen", "127.0.0.1:0", "--admin", "0"];
        let command = self.frond.command(words.iter().chain(more));
        let leaf = Leaf::start_command(&mut self.measured("server", command));
        until("the leaf is ready", || leaf.probe("/readyz").status == 200);
        (file, leaf)
    }

    /// Runs a session; gives its summary.
    fn session(&self, words: &[&str], file: &Path) -> Value {
        let mut command = self.frond.command([&["--json"], words].concat());
        command.arg(file);
        summary(&run(&mut self.measured("client", command)))
    }

    fn sync(&self, url: &str, file: &Path) -> Value {
        self.session(&["sync", "--once", url, "-R"], file)
    }
}

/// Spans as a tree, one a line, children below their parents.
fn tree(spans: &[Seen], parent: &[u8], depth: usize) -> String {
    let mut text = String::new();
    for span in spans.iter().filter(|span| span.parent == parent) {
        let more =
            ["frond.operation", "frond.round", "frond.carrier", "http.request.method", "messaging.system"];
        let more: Vec<String> =
            more.iter().map(|name| span.attribute(name)).filter(|value| !value.is_empty()).collect();
        let line = format!("{}{} {} {}", "  ".repeat(depth), span.service, span.name, more.join(" "));
        text.push_str(line.trim_end());
        text.push('\n');
        text.push_str(&tree(spans, &span.id, depth + 1));
    }
    text
}

/// What a session of so many rounds is to look like: each round is handled once, on the other side.
fn session_tree(operation: &str, carrier: &str, rounds: &[&str]) -> String {
    let (session, handled) = match carrier {
        "http" => ("http", "POST"),
        _ => ("nats nats", "nats"),
    };
    let mut text = format!("client sync.session {operation} {session}\n");
    for (index, asked) in rounds.iter().enumerate() {
        text.push_str(&format!(
            "  client sync.round {}\n    server sync.handle {asked} {handled}\n",
            index + 1
        ));
    }
    text
}

/// One clone and one sync. The clone of a small repository takes one round for the artifacts and one to ask what came
/// meanwhile; the sync one, since what was never sent goes at once.
#[track_caller]
fn is_traced_and_counted(bench: &Bench, served: &Path, leaf: Leaf, url: &str, carrier: &str) {
    let file = bench.scratch.file("client.fossil");
    let cloned = bench.session(&["clone", "--once", url], &file);
    let artifacts = count(&cloned, "artifacts_received");
    check_in(&bench.frond, &file, "new.txt");
    let synced = bench.sync(url, &file);
    let rounds = count(&cloned, "rounds") + count(&synced, "rounds");
    bench.collector.wait_for("sync.handle", usize::try_from(rounds).unwrap());
    leaf.terminate();

    // A leaf at a broker has sessions of its own.
    let mut spans = bench.collector.spans();
    spans.retain(|span| span.service == "client" || span.name == "sync.handle");
    let expected =
        session_tree("clone", carrier, &["clone", "pull"]) + &session_tree("sync", carrier, &["sync"]);
    assert_eq!(tree(&spans, &[], 0), expected);
    let mut traces: Vec<&[u8]> = spans.iter().map(|span| span.trace.as_slice()).collect();
    traces.dedup();
    assert_eq!(traces.len(), 2, "a session is one trace on both machines");
    for session in spans.iter().filter(|span| span.name == "sync.session") {
        assert_eq!(session.attribute("frond.peer"), url, "an address without secrets");
        assert_eq!(session.attribute("server.address"), "127.0.0.1");
    }

    // Each command sends its own sums; the last are those of the sync.
    let sum = |name: &str, labels: &[(&str, &str)]| bench.collector.sum("client", name, labels);
    assert_eq!(sum("frond.sessions", &[("operation", "sync"), ("outcome", "ok"), ("peer", url)]), 1);
    assert_eq!(sum("frond.artifacts", &[("direction", "sent")]), count(&synced, "artifacts_sent"));
    assert_eq!(sum("frond.network.io", &[("direction", "sent")]), count(&synced, "bytes_sent"));
    assert_eq!(sum("frond.network.io", &[("direction", "received")]), count(&synced, "bytes_received"));
    // The leaf's are of both.
    let served_as = served.file_stem().unwrap().to_string_lossy();
    let served_as = ("repository", &*served_as);
    let sum = |name: &str, labels: &[(&str, &str)]| {
        bench.collector.sum("server", name, &[labels, &[served_as]].concat())
    };
    assert_eq!(sum("frond.server.requests", &[("outcome", "ok"), ("carrier", carrier)]), rounds);
    assert_eq!(sum("frond.server.artifacts", &[("direction", "sent")]), artifacts);
    assert_eq!(sum("frond.server.artifacts", &[("direction", "received")]), count(&synced, "artifacts_sent"));
}

#[test]
fn a_clone_and_a_sync_over_http_are_one_trace_each_on_both_machines() {
    let bench = Bench::new(Manner::Takes);
    let (served, leaf) = bench.leaf(&[]);
    let url = leaf.url();
    is_traced_and_counted(&bench, &served, leaf, &url, "http");
}

#[test]
fn a_clone_and_a_sync_over_a_broker_are_one_trace_each_on_both_machines() {
    let (bench, broker) = (Bench::new(Manner::Takes), Nats::start());
    let (served, leaf) = bench.leaf(&["--nats", &broker.url()]);
    let project = bench.frond.output(["info", "--json", "-R", &served.to_string_lossy()]);
    let project: Value = serde_json::from_str(&project).unwrap();
    let url = format!("{}/{}", broker.url(), project["project_code"].as_str().unwrap());
    is_traced_and_counted(&bench, &served, leaf, &url, "nats");
}

#[test]
fn a_collector_that_is_of_no_use_stops_nothing() {
    for manner in [Manner::Fails, Manner::Hangs] {
        let bench = Bench::new(manner);
        let (_, leaf) = bench.leaf(&[]);
        let file = bench.scratch.file("client.fossil");
        bench.session(&["clone", "--once", &leaf.url()], &file);
        until("it was tried", || bench.collector.requests() > 0);
        leaf.terminate();
    }
    // Nobody listens there.
    let mut bench = Bench::new(Manner::Takes);
    bench.collector.url = "http://127.0.0.1:1".to_owned();
    let (_, leaf) = bench.leaf(&[]);
    bench.session(&["clone", "--once", &leaf.url()], &bench.scratch.file("client.fossil"));
    leaf.terminate();
}

#[test]
fn nothing_set_means_nothing_sent_and_no_thread_of_its_own() {
    let bench = Bench::new(Manner::Takes);
    let file = bench.scratch.file("served.fossil");
    open_repository(&bench.frond, &file);
    let leaf = Leaf::of(&bench.frond, &file, &[]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", leaf.id())).unwrap();
    let names: Vec<String> = tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default())
        .collect();
    assert!(names.len() > 1 && !names.iter().any(|name| name.starts_with("OpenTelemetry")), "{names:?}");
    let metrics = leaf.probe("/metrics").text();
    assert!(metrics.contains("frond_ready 1"), "{metrics}");
    leaf.terminate();
    assert_eq!(bench.collector.requests(), 0);
}

#[test]
fn what_cannot_be_followed_is_told_and_stops_nothing() {
    let bench = Bench::new(Manner::Takes);
    for (name, value) in
        [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem")]
    {
        let file = bench.scratch.file(&format!("{name}.fossil"));
        let mut command = bench.measured("client", bench.frond.command(["new"]));
        let said = run(command.arg(&file).env(name, value));
        assert_eq!(said.code, Some(0), "{said}");
        assert!(said.stderr.contains(value) && said.stderr.contains("nothing is sent"), "{said}");
    }
    assert_eq!(bench.collector.requests(), 0);
}
