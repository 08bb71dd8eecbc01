//! What metrics say of what happened, and all that spans say.

use frond_tests::corpus::by_frond;
use frond_tests::frond::{count, run};
use frond_tests::leaf::{check_in, project_code, until};
use frond_tests::{Leaf, Nats, Server};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde_json::Value;
use telemetry::metrics::{ALL, Kind};

use crate::collector::{Manner, Seen};
use crate::{Bench, tree};

/// The metrics of a command are what its summary says.
#[track_caller]
pub(crate) fn add_up(bench: &Bench, summary: &Value, peer: &str) {
    let operation = summary["operation"].as_str().unwrap();
    let sum = |name: &str, labels: &[(&str, &str)]| bench.collector.sum("client", name, labels);
    let one = [("operation", operation), ("outcome", "ok"), ("peer", peer)];
    assert_eq!((sum("frond.sessions", &one), sum("frond.sessions", &[])), (1, 1), "{operation}");
    for (metric, number) in [
        ("frond.artifacts", "artifacts"),
        ("frond.network.io", "bytes"),
        ("frond.unversioned", "unversioned"),
        ("frond.table.rows", "rows"),
    ] {
        for direction in ["sent", "received"] {
            let expected = count(summary, &format!("{number}_{direction}"));
            assert_eq!(
                sum(metric, &[("direction", direction), ("peer", peer)]),
                expected,
                "{metric}, {direction}"
            );
        }
    }
    let rounds = u32::try_from(count(summary, "rounds")).unwrap();
    let histogram = |name| bench.collector.histogram("client", name);
    assert_eq!(histogram("frond.session.rounds"), (1, f64::from(rounds)));
    assert_eq!(histogram("frond.client.request.duration").0, u64::from(rounds));
    let (sessions, seconds) = histogram("frond.session.duration");
    let all = summary["seconds"].as_f64().unwrap();
    // The one in milliseconds, the other with what is done before and after.
    assert!(sessions == 1 && seconds <= all + 0.001, "{seconds} of {all}");
}

#[test]
fn unversioned_files_and_rows_are_counted_on_both_machines() {
    let bench = Bench::new(Manner::Takes);
    let (served, leaf) = bench.leaf(&[]);
    bench.put_a_row(&served);
    let note = bench.scratch.write("note", "a note");
    let (note, path) = (note.to_string_lossy(), served.to_string_lossy());
    bench.frond.output(["uv", "add", &*note, "--as", "note", "-R", &*path]);
    let cloned = bench.session(&["clone", "--once", "-u", &leaf.url()], &bench.scratch.file("client.fossil"));
    assert_eq!((count(&cloned, "rows_received"), count(&cloned, "unversioned_received")), (1, 1));
    add_up(&bench, &cloned, &leaf.url());
    leaf.terminate();
    let sum = |name| bench.collector.sum("server", name, &[("direction", "sent")]);
    assert_eq!([sum("frond.server.table.rows"), sum("frond.server.unversioned")], [1, 1]);
}

#[test]
fn every_metric_comes_with_the_unit_the_labels_and_the_bounds_of_the_reference() {
    let bench = Bench::new(Manner::Takes);
    let (_, leaf) = bench.leaf(&[]);
    let file = bench.scratch.file("client.fossil");
    bench.session(&["clone", "--once", &leaf.url()], &file);
    check_in(&bench.frond, &file, "new.txt");
    bench.sync(&leaf.url(), &file);
    leaf.terminate();
    let names = |attributes: &[KeyValue]| {
        let mut names: Vec<String> = attributes.iter().map(|attribute| attribute.key.clone()).collect();
        names.sort();
        names
    };
    let mut known = 0;
    for metric in ["client", "server"].into_iter().flat_map(|service| bench.collector.metrics(service)) {
        let meant = ALL.iter().find(|one| one.name == metric.name).unwrap();
        assert_eq!((metric.unit.as_str(), metric.description.as_str()), (meant.unit, meant.help));
        let (labels, fits): (Vec<_>, bool) = match metric.data.unwrap() {
            Data::Sum(sum) => {
                let fits = match meant.kind {
                    Kind::Counter => sum.is_monotonic,
                    Kind::Level => !sum.is_monotonic,
                    Kind::Gauge | Kind::Histogram(_) => false,
                };
                (sum.data_points.iter().map(|point| names(&point.attributes)).collect(), fits)
            }
            Data::Gauge(gauge) => (
                gauge.data_points.iter().map(|point| names(&point.attributes)).collect(),
                meant.kind == Kind::Gauge,
            ),
            Data::Histogram(histogram) => {
                let points = histogram.data_points;
                let fits = matches!(meant.kind, Kind::Histogram(bounds)
                    if points.iter().all(|point| point.explicit_bounds == bounds));
                (points.iter().map(|point| names(&point.attributes)).collect(), fits)
            }
            other => panic!("{} is {other:?}", metric.name),
        };
        assert!(fits, "{} is another kind, or has other bounds", metric.name);
        let mut wanted: Vec<&str> = meant.labels.to_vec();
        wanted.sort_unstable();
        for labels in labels {
            assert_eq!(labels, wanted, "{}", metric.name);
            known += 1;
        }
    }
    assert!(known > 20, "{known} numbers came");
}

#[test]
fn a_span_is_a_session_or_a_round_and_never_an_artifact() {
    let bench = Bench::new(Manner::Takes);
    let file = bench.scratch.file("many.fossil");
    let mut repo = by_frond::create(&file).unwrap();
    by_frond::add(&mut repo, 1, 20, 200).unwrap();
    drop(repo);
    let server = Server::start(|port| {
        let listen = format!("127.0.0.1:{port}");
        let command = bench.frond.command(["serve", &*file.to_string_lossy(), "--listen", &listen]);
        bench.measured("server", command)
    });
    let client = bench.scratch.file("client.fossil");
    let cloned = bench.session(&["clone", "--once", &server.url()], &client);
    assert!(count(&cloned, "artifacts_received") > 400);
    let rounds = usize::try_from(count(&cloned, "rounds")).unwrap();
    bench.collector.wait_for("sync.handle", rounds);
    assert_eq!(bench.collector.spans().len(), 1 + 2 * rounds, "of both machines");
}

#[test]
fn a_hub_without_peers_shows_what_it_holds() {
    let bench = Bench::new(Manner::Takes);
    let (_, leaf) = bench.leaf(&[]);
    let shown = |name: &str| {
        let text = leaf.probe("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let size = |least: f64| shown("frond_repository_size_bytes{").is_some_and(|bytes| bytes >= least);
    until("the size is shown", || size(1.0));
    assert_eq!(shown("frond_phantoms{"), Some(0.0));
    let [copy, other] = ["copy.fossil", "other.fossil"].map(|name| bench.scratch.file(name));
    for file in [&copy, &other] {
        bench.frond.clone(&leaf.url(), file);
    }
    let before = shown("frond_repository_size_bytes{").unwrap();
    frond_tests::leaf::check_in_bytes(&bench.frond, &copy, 200_000);
    bench.sync(&leaf.url(), &copy);
    until("the size grew", || size(before + 200_000.0));
    // What the one pushed is read for the other.
    bench.sync(&leaf.url(), &other);
    until("the reads are shown", || shown("frond_cache_hits_ratio{").is_some());
    leaf.terminate();
}

#[test]
fn what_a_bridge_hands_on_is_in_the_trace_and_counted() {
    let (bench, broker) = (Bench::new(Manner::Takes), Nats::start());
    let (served, server) = bench.leaf(&[]);
    let words = ["leaf", "--json", "--nats", &broker.url(), "--bridge", &server.url(), "--admin", "0"];
    let bridge = Leaf::start_command(&mut bench.measured("bridge", bench.frond.command(words)));
    let project = bench.frond.output(["info", "--json", "-R", &served.to_string_lossy()]);
    let project: Value = serde_json::from_str(&project).unwrap();
    let url = format!("{}/{}", broker.url(), project["project_code"].as_str().unwrap());
    let copy = bench.scratch.file("copy.fossil");
    until("the bridge answers", || {
        run(bench.frond.command(["clone", "--once", &url]).arg(&copy)).code == Some(0)
    });
    bench.sync(&url, &copy);
    bridge.terminate();
    server.terminate();

    let spans = bench.collector.spans();
    let session = spans.iter().find(|span| span.name == "sync.session").unwrap();
    let trace: Vec<Seen> = spans.iter().filter(|span| span.trace == session.trace).cloned().collect();
    let expected = "client sync.session sync nats nats\n  client sync.round 1 nats\n    bridge sync.handle bridge nats\n      \
                    server sync.handle sync POST\n";
    assert_eq!(tree(&trace, &[], 0), expected);
    let sum = |name: &str, labels: &[(&str, &str)]| bench.collector.sum("bridge", name, labels);
    let handed = sum("frond.server.requests", &[("operation", "bridge"), ("outcome", "ok")]);
    assert!(handed >= 2, "those of the clone, and one more");
    assert!(sum("frond.server.network.io", &[("direction", "sent")]) > 0);
}

/// What spans say, a line each: names of attributes, and values where they are always the same.
fn said(spans: &[Seen]) -> String {
    let fixed =
        ["frond.operation", "frond.carrier", "frond.round", "http.request.method", "messaging.system"];
    let line = |span: &Seen| {
        let told = |attribute: &KeyValue| match attribute.key.as_str() {
            name if fixed.contains(&name) => format!("{name}={}", span.attribute(name)),
            name => name.to_owned(),
        };
        let mut all: Vec<String> = span.attributes.iter().map(told).collect();
        all.sort();
        format!("{} {}: {}\n", span.service, span.name, all.join(" "))
    };
    spans.iter().map(line).collect()
}

#[test]
fn spans_say_this_and_nothing_else() {
    let (bench, broker) = (Bench::new(Manner::Takes), Nats::start());
    let (served, leaf) = bench.leaf(&["--nats", &broker.url()]);
    let file = bench.scratch.file("client.fossil");
    bench.frond.clone(&leaf.url(), &file);
    for (url, name) in [(leaf.url(), "one.txt"), (broker.project(&project_code(&served)), "two.txt")] {
        check_in(&bench.frond, &file, name);
        bench.sync(&url, &file);
    }
    leaf.terminate();
    let spans = bench.collector.spans();
    let of = |carrier: &str| -> Vec<Seen> {
        let is_meant = |span: &&Seen| span.service == "client" && span.attribute("frond.carrier") == carrier;
        let session = spans.iter().find(is_meant).unwrap();
        spans.iter().filter(|span| span.trace == session.trace).cloned().collect()
    };
    let expected = "\
        client sync.session: frond.artifacts.sent frond.bytes.received frond.bytes.sent frond.carrier=http \
        frond.igots.sent frond.operation=sync frond.peer frond.project frond.repository frond.rounds server.address server.port\n\
        client sync.round: frond.artifacts.sent frond.igots.sent frond.round=1 http.request.body.size http.request.method=POST \
        http.response.body.size http.response.status_code server.address server.port\n\
        server sync.handle: client.address frond.artifacts.received frond.cards frond.igots.received frond.operation=sync frond.project \
        frond.repository http.request.body.size http.request.method=POST http.response.body.size \
        http.response.status_code url.path\n";
    assert_eq!(said(&of("http")), expected);
    let expected = "\
        client sync.session: frond.artifacts.sent frond.bytes.received frond.bytes.sent frond.carrier=nats frond.igots.sent \
        frond.operation=sync frond.peer frond.project frond.repository frond.rounds messaging.system=nats server.address server.port\n\
        client sync.round: frond.artifacts.sent frond.igots.sent frond.reply.size frond.round=1 messaging.destination.name \
        messaging.message.body.size messaging.operation.name messaging.operation.type messaging.system=nats server.address \
        server.port\n\
        server sync.handle: frond.artifacts.received frond.cards frond.igots.received frond.operation=sync frond.peer frond.project \
        frond.reply.size frond.repository messaging.destination.name messaging.message.body.size messaging.operation.name \
        messaging.operation.type messaging.system=nats\n";
    let spans = of("nats");
    assert_eq!(said(&spans), expected);
    let [_, round, handled] = &spans[..] else { panic!("three spans: {spans:?}") };
    let subject = format!("fossil.{}.sync", project_code(&served));
    for (name, value) in [
        ("messaging.destination.name", subject),
        ("messaging.message.body.size", round.attribute("messaging.message.body.size")),
        ("frond.reply.size", round.attribute("frond.reply.size")),
    ] {
        assert_eq!([round.attribute(name), handled.attribute(name)], [&*value; 2], "{name}");
    }
    for (name, values) in [
        ("messaging.operation.type", ["send", "process"]),
        ("messaging.operation.name", ["request", "answer"]),
    ] {
        assert_eq!([round, handled].map(|span| span.attribute(name)), values, "{name}");
    }
}
