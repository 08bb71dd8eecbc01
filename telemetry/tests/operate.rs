//! What operators are given fits what is measured, and what Prometheus reads.

#![allow(clippy::unwrap_used, reason = "a test fails where they do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use frond_tests::leaf::{check_in, open_repository, until};
use frond_tests::{Frond, Leaf, Scratch};
use frond_tests::{debian, frond, http};
use serde_json::Value;
use telemetry::metrics::{ALL, Kind, reference};

fn operate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("operate").join(name)
}

fn promtool(words: &[&str], file: &Path) {
    let mut command = Command::new(debian::program("promtool"));
    command.args(words);
    if words.contains(&"metrics") {
        command.stdin(Stdio::from(fs::File::open(file).unwrap()));
    } else {
        command.arg(file);
    }
    let said = frond::run(&mut command);
    assert_eq!(said.code, Some(0), "{}\n{said}", fs::read_to_string(file).unwrap());
}

/// The names of metrics that a text speaks of, without what a histogram adds.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("frond_"));
    let base = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
        parts.unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

#[test]
fn alerts_and_dashboard_speak_of_metrics_that_there_are() {
    let there_are: BTreeSet<String> = ALL.iter().map(telemetry::metrics::Metric::prometheus_name).collect();
    for name in ["alerts.yml", "dashboard.json"] {
        let named = named(&fs::read_to_string(operate(name)).unwrap());
        assert!(named.len() > 3, "{name} speaks of {named:?}");
        assert_eq!(named.difference(&there_are).next(), None, "{name}");
    }
}

/// What the panels of a dashboard ask.
fn expressions(dashboard: &Value) -> Vec<String> {
    match dashboard {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let scratch = Scratch::new();
    let dashboard = serde_json::from_str(&fs::read_to_string(operate("dashboard.json")).unwrap()).unwrap();
    let asked = expressions(&dashboard);
    assert!(asked.len() > 10, "{asked:?}");
    // Grafana puts its own in place of this before it asks. A JSON string is one of YAML.
    let rule = |(number, asked): (usize, String)| {
        let asked = Value::from(asked.replace("$__rate_interval", "5m"));
        format!("  - record: frond:panel_{number}\n    expr: {asked}\n")
    };
    let rules: String = asked.into_iter().enumerate().map(rule).collect();
    promtool(
        &["check", "rules"],
        &scratch.write("rules.yml", format!("groups:\n- name: panels\n  rules:\n{rules}")),
    );
}

#[test]
fn the_alerts_are_rules_of_prometheus() {
    promtool(&["check", "rules"], &operate("alerts.yml"));
}

#[test]
fn operators_are_told_of_the_alerts_that_there_are() {
    let names = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let is_name = |word: &&str| word.strip_prefix("Frond").is_some_and(|rest| !rest.is_empty());
        words.filter(is_name).map(str::to_owned).collect()
    };
    let there_are = names(&fs::read_to_string(operate("alerts.yml")).unwrap());
    assert!(there_are.len() > 5, "{there_are:?}");
    let told = Path::new(env!("CARGO_MANIFEST_DIR")).join("../leaf/OPERATIONS.md");
    assert_eq!(names(&fs::read_to_string(told).unwrap()), there_are);
}

#[test]
fn an_alert_fires_where_it_should_and_not_elsewhere() {
    let scratch = Scratch::new();
    // An hour: a peer that is behind, a server of which each repository fails in another way, sessions that end in this way
    // and that, and a request that brings what is not taken. Seven: a repository that lacks something all the time, one that
    // has done so for five, and one that had all in between.
    let series = |name: &str, repository: &str, more: &str, values: &str| {
        format!(
            "  - series: '{name}{{instance=\"i\",repository=\"{repository}\",{more}}}'\n    values: '{values}'\n"
        )
    };
    let requests = |outcome: &str| {
        let labels = format!("outcome=\"{outcome}\"");
        series("frond_server_requests_total", outcome, &labels, "0+60x60")
    };
    let sessions = |repository: &str, outcome: &str| {
        let labels = format!("peer=\"p\",outcome=\"{outcome}\"");
        series("frond_sessions_total", repository, &labels, "0+1x60")
    };
    let input: String = ["ok", "refused", "dropped", "busy", "repository"].map(requests).concat()
        + &series("frond_lag_seconds", "behind", "peer=\"p\"", "3000+60x60")
        + &series("frond_lag_seconds", "in step", "peer=\"p\"", "30x60")
        + &sessions("never well", "unreachable")
        + &sessions("now and then", "unreachable")
        + &sessions("now and then", "ok")
        + &sessions("given up", "stopped")
        + &series("frond_artifacts_refused_total", "shuns theirs", "peer=\"p\"", "0+1x60")
        + &series("frond_server_artifacts_refused_total", "shuns", "carrier=\"http\"", "0+1x60")
        + &series("frond_repository_open", "moved", "", "0x60")
        + &series("frond_repository_open", "in place", "", "1x60")
        + &series("frond_phantoms", "lacks", "", "1x420")
        + &series("frond_phantoms", "young", "", "_x120 1x300")
        + &series("frond_phantoms", "mended", "", "1x200 0 1x220");
    let fires = |alert: &str, repository: &str| {
        format!("    - labels: '{{alertname=\"{alert}\",repository=\"{repository}\"}}'\n      value: 1\n")
    };
    let expected = fires("FrondFallsBehind", "behind")
        + &fires("FrondServerFails", "busy")
        + &fires("FrondServerFails", "repository")
        + &fires("FrondSessionsFail", "never well")
        + &fires("FrondArtifactsRefused", "shuns theirs")
        + &fires("FrondArtifactsRefused", "shuns")
        + &fires("FrondRepositoryShut", "moved");
    let fire_at = |time: &str, expected: &str| {
        format!(
            "  - expr: 'count by (alertname, repository) (ALERTS{{alertstate=\"firing\"}})'\n    eval_time: {time}\n    \
             exp_samples:\n{expected}"
        )
    };
    let expected = fire_at("1h", &expected) + &fire_at("7h", &fires("FrondLacksArtifacts", "lacks"));
    let alerts = operate("alerts.yml");
    let test = format!(
        "rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n{input}  \
         promql_expr_test:\n{expected}",
        alerts.display()
    );
    promtool(&["test", "rules"], &scratch.write("test.yml", test));
}

#[test]
fn nobody_else_names_opentelemetry() {
    fn named(directory: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "toml")
                && fs::read_to_string(&path).unwrap().contains("opentelemetry")
            {
                found.insert(path);
            }
        }
    }
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = fs::read_to_string(all.join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let names: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(names.contains(&"telemetry") && names.contains(&"leaf"), "{names:?}");
    let mut found = BTreeSet::new();
    for name in names.into_iter().filter(|name| *name != "telemetry") {
        named(&all.join(name), &mut found);
    }
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn the_reference_of_metrics_is_that_of_the_code() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("METRICS.md")).unwrap();
    let table = reference();
    assert!(text.contains(&table), "put this into METRICS.md:\n{table}");
}

#[test]
fn what_a_leaf_shows_is_what_the_reference_has_and_prometheus_reads_it() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let (served, file) = (scratch.file("served.fossil"), scratch.file("copy.fossil"));
    open_repository(&frond, &served);
    let server = Leaf::of(&frond, &served, &[]);
    frond.output(["clone", &server.url(), &file.to_string_lossy()]);
    let leaf = Leaf::of(&frond, &file, &["--peer", &server.url()]);
    check_in(&frond, &served, "theirs.txt");
    check_in(&frond, &file, "ours.txt");
    let shows = |leaf: &Leaf, what: &str| leaf.probe("/metrics").text().contains(what);
    for what in ["frond_artifacts_total{direction=\"sent\"", "frond_crosslinked_total"] {
        until("both have both", || shows(&leaf, what));
    }

    let mut seen = BTreeSet::new();
    for leaf in [leaf, server] {
        let answer: http::Answer = leaf.probe("/metrics");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = answer.text();
        promtool(&["check", "metrics"], &scratch.write("metrics.txt", &*text));
        seen.extend(named(&text));
        leaf.terminate();
    }
    let known: BTreeSet<String> = ALL.iter().map(telemetry::metrics::Metric::prometheus_name).collect();
    assert_eq!(seen.difference(&known).next(), None, "shown, and in no list");
    // What nothing happened of is not shown.
    let quiet = [
        "frond_unversioned_total",
        "frond_table_rows_total",
        "frond_artifacts_refused_total",
        "frond_retries_total",
        "frond_server_unversioned_total",
        "frond_server_table_rows_total",
        "frond_server_artifacts_refused_total",
        "frond_server_turned_away_total",
    ];
    let missing: Vec<&String> =
        known.difference(&seen).filter(|name| !quiet.contains(&name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(ALL.iter().any(|metric| metric.kind == Kind::Gauge));
}
