//! Each variable is followed.

use std::net::SocketAddr;

use frond_tests::frond::run;
use frond_tests::gateway::Tls;
use frond_tests::leaf::{open_repository, until};
use frond_tests::{Frond, Leaf, Server};
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use serde_json::Value;

use crate::Bench;
use crate::collector::Manner;

/// A repository that is served and not measured, and who clones it.
struct Trial {
    bench: Bench,
    server: Server,
    clones: u32,
}

impl Trial {
    fn new() -> Self {
        let bench = Bench::new(Manner::Takes);
        let file = bench.scratch.file("served.fossil");
        open_repository(&Frond::new(), &file);
        let server = bench.frond.server(&file);
        Self { bench, server, clones: 0 }
    }

    /// Clones under these variables; gives what was logged.
    fn clone(&mut self, set: &[(&str, &str)]) -> String {
        self.clones += 1;
        let file = self.bench.scratch.file(&format!("copy-{}.fossil", self.clones));
        let mut command = self.bench.frond.command(["clone", "--once", &self.server.url()]);
        command.arg(file).env("RUST_LOG", "trace").envs(set.iter().copied());
        let said = run(&mut command);
        assert_eq!(said.code, Some(0), "{said}");
        said.stderr
    }

    fn at(&self) -> String {
        self.bench.collector.url.clone()
    }

    /// How many requests came to a path until now.
    fn came(&self, path: &str) -> usize {
        let heads = self.bench.collector.heads();
        heads.iter().filter(|head| head.split(' ').nth(1) == Some(path)).count()
    }
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

#[test]
fn headers_names_and_attributes_are_those_that_are_set() {
    let mut trial = Trial::new();
    let log = trial.clone(&[
        (ENDPOINT, &trial.at()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue,authorization=Bearer%20hush"),
        ("OTEL_SERVICE_NAME", "laptop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test"),
    ]);
    assert!(!log.contains("hush"), "a header is a secret\n{log}");
    let collector = &trial.bench.collector;
    for head in collector.heads() {
        assert!(
            head.contains("\nx-tenant: blue\n") && head.contains("\nauthorization: bearer hush\n"),
            "{head}"
        );
        assert!(head.contains("\ncontent-type: application/x-protobuf\n"), "{head}");
    }
    assert_eq!([trial.came("/v1/traces"), trial.came("/v1/metrics")], [1, 1]);
    assert_eq!(collector.resource("service.name"), "laptop", "the variable of its own goes first");
    assert_eq!(collector.resource("deployment.environment.name"), "test");
    assert_eq!(collector.resource("service.version"), env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_sent_and_where_to_is_what_is_set() {
    let mut trial = Trial::new();
    let at = trial.at();
    let (own, own_metrics) = (format!("{at}/traces-go-here"), format!("{at}/v1/metrics"));
    for (set, traces, metrics, own_path) in [
        (&[("OTEL_SDK_DISABLED", "true"), (ENDPOINT, &at)][..], 0, 0, 0),
        (&[("OTEL_TRACES_EXPORTER", "none"), (ENDPOINT, &at)], 0, 1, 0),
        (&[("OTEL_METRICS_EXPORTER", "none"), (ENDPOINT, &at)], 1, 0, 0),
        (&[("OTEL_TRACES_SAMPLER", "always_off"), (ENDPOINT, &at)], 0, 1, 0),
        (
            &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0"), (ENDPOINT, &at)],
            0,
            1,
            0,
        ),
        (
            &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1"), (ENDPOINT, &at)],
            1,
            1,
            0,
        ),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &own)], 0, 0, 1),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &own), (ENDPOINT, &at)], 0, 1, 1),
        (&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &own_metrics)], 0, 1, 0),
        (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), (ENDPOINT, &at)], 1, 1, 0),
        (&[("OTEL_TRACES_SAMPLER", "parentbased_always_off"), (ENDPOINT, &at)], 0, 1, 0),
        (&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_METRICS_EXPORTER", "otlp"), (ENDPOINT, &at)], 1, 1, 0),
        (&[], 0, 0, 0),
    ] {
        let paths = ["/v1/traces", "/v1/metrics", "/traces-go-here"];
        let before = paths.map(|path| trial.came(path));
        trial.clone(set);
        let came: Vec<usize> =
            paths.iter().zip(before).map(|(path, before)| trial.came(path) - before).collect();
        assert_eq!(came, [traces, metrics, own_path], "{set:?}");
    }
}

#[test]
fn a_certificate_that_is_named_is_the_one_that_is_trusted() {
    let mut trial = Trial::new();
    let address: SocketAddr = trial.at().trim_start_matches("http://").parse().unwrap();
    let (trusted, other) = (trial.bench.scratch.file("ca.pem"), trial.bench.scratch.file("other.pem"));
    let tls = Tls::start(address, "localhost", &trusted);
    let _other = Tls::start(address, "localhost", &other);
    let at = format!("https://localhost:{}", tls.address.port());
    for (certificate, came) in [(Some(&other), 0), (None, 0), (Some(&trusted), 1)] {
        let file = certificate.map(|file| file.to_string_lossy()).unwrap_or_default();
        trial.clone(&[(ENDPOINT, &at), ("OTEL_EXPORTER_OTLP_CERTIFICATE", &file)]);
        assert_eq!([trial.came("/v1/traces"), trial.came("/v1/metrics")], [came, came], "{certificate:?}");
    }
}

#[test]
fn what_cannot_be_followed_is_told_and_stops_nothing() {
    let mut trial = Trial::new();
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/no/such.key"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "no address"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no attribute"),
        ("OTEL_BSP_SCHEDULE_DELAY", "now and then"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "nonsense"),
    ] {
        let log = trial.clone(&[(ENDPOINT, &trial.at()), (name, value)]);
        let told = log.lines().find(|line| line.contains("nothing is sent")).unwrap_or_default();
        assert!(told.contains(value), "{name} is {value}\n{log}");
    }
    assert_eq!(trial.bench.collector.requests(), 0);
}

#[test]
fn what_concerns_nothing_here_is_told_and_all_else_is_sent() {
    let mut trial = Trial::new();
    for (name, value) in
        [("OTEL_LOGS_EXPORTER", "otlp"), ("OTEL_PROPAGATORS", "b3"), ("OTEL_METRIC_EXPORT_TIMEOUT", "x")]
    {
        let before = trial.bench.collector.requests();
        let log = trial.clone(&[(ENDPOINT, &trial.at()), (name, value), ("FROND_LOG_FORMAT", "json")]);
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = |line: &Value| line["fields"]["message"].as_str().unwrap_or_default().starts_with(name);
        let levels: Vec<Value> = lines.filter(told).map(|line| line["level"].clone()).collect();
        assert_eq!(levels, ["WARN"], "{name} is {value}\n{log}");
        assert_eq!(trial.bench.collector.requests(), before + 2, "{name}");
    }
}

#[test]
fn sums_since_the_last_time_are_sent_where_that_is_preferred_and_those_since_the_start_shown() {
    let bench = Bench::new(Manner::Takes);
    let file = bench.scratch.file("served.fossil");
    open_repository(&bench.frond, &file);
    let words = ["leaf", "--json", "-R", &*file.to_string_lossy(), "--listen", "127.0.0.1:0", "--admin", "0"];
    let mut command = bench.measured("server", bench.frond.command(words));
    command.env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    let leaf = Leaf::start_command(&mut command);
    until("the leaf is ready", || leaf.probe("/readyz").status == 200);
    for name in ["one", "two"] {
        bench.frond.clone(&leaf.url(), &bench.scratch.file(name));
        // Sent, and not to be sent again.
        let came = bench.collector.requests();
        until("more is sent", || bench.collector.requests() > came + 3);
    }
    let shown = leaf.probe("/metrics").text();
    let is_meant =
        |line: &&str| line.starts_with("frond_server_requests_total{") && line.contains("\"clone\"");
    let line = shown.lines().find(is_meant).unwrap();
    assert!(line.ends_with(" 2"), "{line}");
    leaf.terminate();
    let temporality = bench.collector.temporality("server", "frond.server.requests");
    assert!(temporality.iter().all(|one| *one == AggregationTemporality::Delta), "{temporality:?}");
    assert!(!temporality.is_empty());
}
