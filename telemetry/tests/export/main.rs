//! What a collector gets of a client and a leaf, and what they do where the collector is of no use.

#![allow(clippy::unwrap_used, reason = "a test fails where they do")]

mod collector;
mod ends;
mod sums;
mod variables;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use frond_tests::frond::{count, run, summary};
use frond_tests::leaf::{check_in, open_repository, project_code, until};
use frond_tests::{Frond, Leaf, Nats, Scratch, Server};
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

    /// Makes a synced table in a repository, and puts a row into it.
    fn put_a_row(&self, file: &Path) {
        let path = file.to_string_lossy();
        let columns = ["--column", "who:text", "--key", "who", "--conflict", "last-writer", "-R", &path];
        self.frond.output([&["table", "create", "state"][..], &columns].concat());
        self.frond.output(["table", "put", "state", "who=ann", "-R", &path]);
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
    let (session, round, handled) = match carrier {
        "http" => ("http", " POST", "POST"),
        _ => ("nats nats", " nats", "nats"),
    };
    let mut text = format!("client sync.session {operation} {session}\n");
    for (index, asked) in rounds.iter().enumerate() {
        text.push_str(&format!(
            "  client sync.round {}{round}\n    server sync.handle {asked} {handled}\n",
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
    sums::add_up(bench, &cloned, url);
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
    sums::add_up(bench, &synced, url);
    // The leaf's are of both.
    let served_as = served.file_stem().unwrap().to_string_lossy();
    let served_as = ("repository", &*served_as);
    let sum = |name: &str, labels: &[(&str, &str)]| {
        bench.collector.sum("server", name, &[labels, &[served_as]].concat())
    };
    assert_eq!(sum("frond.server.requests", &[("outcome", "ok"), ("carrier", carrier)]), rounds);
    assert_eq!(sum("frond.server.artifacts", &[("direction", "sent")]), artifacts);
    assert_eq!(sum("frond.server.artifacts", &[("direction", "received")]), count(&synced, "artifacts_sent"));
    for (theirs, ours) in [("bytes_sent", "received"), ("bytes_received", "sent")] {
        let moved = count(&cloned, theirs) + count(&synced, theirs);
        assert_eq!(sum("frond.server.network.io", &[("direction", ours)]), moved, "{theirs}");
    }
    assert_eq!(bench.collector.histogram("server", "frond.server.request.duration").0, rounds);
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
fn a_session_of_two_leaves_over_a_broker_is_one_trace_on_both_machines() {
    let (bench, broker) = (Bench::new(Manner::Takes), Nats::start());
    let (served, hub) = bench.leaf(&["--nats", &broker.url()]);
    let (url, copy) = (broker.project(&project_code(&served)), bench.scratch.file("copy.fossil"));
    let copy = copy.to_string_lossy();
    let words = ["leaf", "--json", "-R", &copy, "--peer", &url, "--admin", "0"];
    let leaf = Leaf::start_command(&mut bench.measured("client", bench.frond.command(words)));
    bench.collector.wait_for("sync.handle", 2);
    let logs = [leaf.terminate(), hub.terminate()];

    let spans = bench.collector.spans();
    let is_meant =
        |span: &&Seen| span.service == "client" && span.name == "sync.session" && span.failed.is_none();
    let session = spans.iter().find(is_meant);
    let session = session.unwrap_or_else(|| panic!("no session\n{}", logs.concat()));
    let trace: Vec<Seen> = spans.iter().filter(|span| span.trace == session.trace).cloned().collect();
    assert_eq!(tree(&trace, &[], 0), session_tree("clone", "nats", &["clone", "pull"]));
    let sums = [("client", "frond.artifacts", "received"), ("server", "frond.server.artifacts", "sent")];
    let [received, sent] =
        sums.map(|(service, name, way)| bench.collector.sum(service, name, &[("direction", way)]));
    assert_eq!((received, received > 0), (sent, true));
}

/// A program is to end so soon after SIGTERM, whatever the collector is like.
const TIME_TO_END: Duration = Duration::from_secs(5);

/// Tells a process to end, and waits for it.
#[track_caller]
fn ends_in_time(id: u32, mut has_ended: impl FnMut() -> bool) {
    let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap();
    assert!(told.success());
    let until = Instant::now() + TIME_TO_END;
    while !has_ended() {
        assert!(Instant::now() < until, "it still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process is gone, or waits for nothing but to be asked how it ended.
fn is_over(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

#[test]
fn a_collector_that_is_of_no_use_stops_nothing_and_no_end() {
    for manner in [Some(Manner::Fails), Some(Manner::Hangs), None] {
        let mut bench = Bench::new(manner.unwrap_or(Manner::Takes));
        if manner.is_none() {
            // Nobody listens there.
            bench.collector.url = "http://127.0.0.1:1".to_owned();
        }
        let (served, leaf) = bench.leaf(&[]);
        let server = Server::start(|port| {
            let listen = format!("127.0.0.1:{port}");
            let command = bench.frond.command(["serve", &*served.to_string_lossy(), "--listen", &listen]);
            bench.measured("server", command)
        });
        for (url, name) in [(leaf.url(), "of-leaf"), (server.url(), "of-server")] {
            bench.session(&["clone", "--once", &url], &bench.scratch.file(&format!("{name}.fossil")));
        }
        // Those of both servers, and of both clients.
        until("it was tried", || manner.is_none() || bench.collector.requests() >= 4);
        ends_in_time(server.process().id(), || server.process().has_ended());
        ends_in_time(leaf.id(), || is_over(leaf.id()));
        assert_eq!(leaf.wait().0.code(), Some(0), "{manner:?}");
    }
}

#[test]
fn a_server_tells_once_that_the_collector_fails_and_once_that_all_is_well_again() {
    let bench = Bench::new(Manner::Fails);
    let (_, leaf) = bench.leaf(&[]);
    let comes = |more: usize| {
        let before = bench.collector.requests();
        until("more is tried", || bench.collector.requests() >= before + more);
    };
    comes(3);
    bench.collector.behave(Manner::Takes);
    comes(3);
    let log = leaf.terminate();
    let told = |text: &str| log.lines().filter(|line| line.contains("WARN") && line.contains(text)).count();
    assert_eq!(told("the collector takes no metrics"), 1, "{log}");
    assert!(log.contains("it answers with HTTP status 500"), "{log}");
    assert_eq!(told("the collector takes metrics again"), 1, "{log}");
}

#[test]
fn sessions_at_the_same_time_are_not_mixed_up() {
    let bench = Bench::new(Manner::Takes);
    let names = ["one", "two", "three", "four"];
    let mut served = String::new();
    for name in names {
        let file = bench.scratch.file(&format!("{name}.fossil"));
        open_repository(&bench.frond, &file);
        served += &format!("[[repository]]\nfile = '{name}.fossil'\n");
    }
    let config = |name: &str, text: String| {
        bench.scratch.write(name, format!("admin = '0'\nsocket = '{name}.sock'\n{text}"))
    };
    let start = |service: &str, config: PathBuf| {
        let mut command = bench.frond.command(["leaf", "--json", "--config"]);
        command.arg(config);
        Leaf::start_command(&mut bench.measured(service, command))
    };
    let hub = start("server", config("hub.toml", format!("listen = '127.0.0.1:0'\n{served}")));
    let peer = |name: &str| {
        format!(
            "[[repository]]\nfile = '{name}-copy.fossil'\n[[repository.peer]]\nurl = '{}{name}'\n",
            hub.url()
        )
    };
    let peers = format!("[defaults]\npoll = '200ms'\n{}", names.map(peer).concat());
    let leaf = start("client", config("leaf.toml", peers));
    bench.collector.wait_for("sync.handle", 8 * names.len());
    let url = hub.url();
    leaf.terminate();
    hub.terminate();

    let spans = bench.collector.spans();
    let of_name = |name: &str| -> Vec<&Seen> { spans.iter().filter(|span| span.name == name).collect() };
    for handled in of_name("sync.handle") {
        let round = of_name("sync.round").into_iter().find(|round| round.id == handled.parent).unwrap();
        let session = of_name("sync.session").into_iter().find(|session| session.id == round.parent).unwrap();
        assert_eq!([&session.trace, &round.trace], [&handled.trace, &handled.trace]);
        let served = handled.attribute("frond.repository");
        assert_eq!(session.attribute("frond.peer"), format!("{url}{served}"));
        assert_eq!(session.attribute("frond.repository"), format!("{served}-copy"));
    }
}

#[test]
fn a_peer_that_is_a_file_is_in_the_trace() {
    let bench = Bench::new(Manner::Takes);
    let (hub, copy) = (bench.scratch.file("hub.fossil"), bench.scratch.file("copy.fossil"));
    open_repository(&bench.frond, &hub);
    let (hub, copy) = (hub.to_string_lossy(), copy.to_string_lossy());
    let command = bench.frond.command(["leaf", "--json", "-R", &copy, "--peer", &hub, "--admin", "0"]);
    let leaf = Leaf::start_command(&mut bench.measured("leaf", command));
    bench.collector.wait_for("sync.handle", 2);
    until("it is counted", || {
        leaf.probe("/metrics").text().contains("frond_server_requests_total{carrier=\"file\"")
    });
    leaf.terminate();
    let spans = bench.collector.spans();
    let clone: Vec<Seen> = spans.iter().filter(|span| span.trace == spans[0].trace).cloned().collect();
    let expected = "leaf sync.session clone file\n  leaf sync.round 1\n    leaf sync.handle clone file\n  \
                    leaf sync.round 2\n    leaf sync.handle pull file\n";
    assert_eq!(tree(&clone, &[], 0), expected);
}

#[test]
fn a_synced_table_is_told_of_on_both_machines() {
    let bench = Bench::new(Manner::Takes);
    let (served, leaf) = bench.leaf(&[]);
    bench.put_a_row(&served);
    let cloned = bench.session(&["clone", "--once", &leaf.url()], &bench.scratch.file("client.fossil"));
    assert_eq!(count(&cloned, "rows_received"), 1);
    leaf.terminate();
    for name in ["sync.session", "sync.handle"] {
        let spans = bench.collector.spans();
        let mut events = spans.iter().filter(|span| span.name == name).flat_map(|span| &span.events);
        assert!(events.any(|event| event == "table compared"), "{name}");
    }
}

#[test]
fn log_lines_name_the_span_they_were_written_in() {
    let bench = Bench::new(Manner::Takes);
    let (served, hub) = bench.leaf(&["--log-format", "json"]);
    let copy = bench.scratch.file("copy.fossil");
    bench.frond.clone(&hub.url(), &copy);
    let copy = copy.to_string_lossy();
    let words =
        ["leaf", "--json", "-v", "--log-format", "json", "-R", &copy, "--peer", &hub.url(), "--admin", "0"];
    let leaf = Leaf::start_command(&mut bench.measured("client", bench.frond.command(words)));
    check_in(&bench.frond, &served, "theirs.txt");
    bench.collector.wait_for("sync.handle", 3);
    let logs = [leaf.terminate(), hub.terminate()];
    let spans = bench.collector.spans();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (log, said, name) in
        [(&logs[0], "session ended", "sync.session"), (&logs[1], "answered", "sync.handle")]
    {
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut known = 0;
        for line in lines.iter().filter(|line| line["fields"]["message"] == said) {
            // Fields of the line, or beside them.
            let id = |name: &str| line[name].as_str().or(line["fields"][name].as_str()).unwrap_or_default();
            let span = spans.iter().find(|span| hex(&span.id) == id("span_id"));
            // The clone by a command that nobody measures, and what came too late, are in no span that was sent.
            known +=
                usize::from(span.is_some_and(|span| span.name == name && hex(&span.trace) == id("trace_id")));
        }
        assert!(known > 0, "no line is in {name}\n{log}");
    }
}

#[test]
fn nothing_set_means_nothing_sent_and_no_thread_of_its_own() {
    let bench = Bench::new(Manner::Takes);
    let file = bench.scratch.file("served.fossil");
    open_repository(&bench.frond, &file);
    let leaf = Leaf::of(&bench.frond, &file, &[]);
    let threads = exporters(&leaf);
    assert_eq!(threads, Vec::<String>::new());
    let metrics = leaf.probe("/metrics").text();
    assert!(metrics.contains("frond_ready 1"), "{metrics}");
    leaf.terminate();
    assert_eq!(bench.collector.requests(), 0);

    // Where something is set they are there, and these are their names.
    let bench = Bench::new(Manner::Takes);
    let (_, leaf) = bench.leaf(&[]);
    assert_eq!(exporters(&leaf).len(), 2);
    leaf.terminate();
}

/// Threads that export.
fn exporters(leaf: &Leaf) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", leaf.id())).unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
    };
    tasks.map(name).filter(|name| name.starts_with("OpenTelemetry")).collect()
}
