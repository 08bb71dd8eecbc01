//! How requests and sessions end, as a collector sees it.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use frond_tests::frond::run;
use frond_tests::leaf::{open_repository, project_code, until};
use frond_tests::nats::ByHand;
use frond_tests::{Leaf, Nats, http};
use sync::nats::NatsServeOptions;

use crate::collector::{Manner, Seen};
use crate::{Bench, ends_in_time, is_over};

/// Has a client synchronize its copy, with a password; gives the exit code.
fn try_sync(bench: &Bench, url: &str, password: &str) -> Option<i32> {
    let mut command = bench.frond.command(["sync", "--once", url, "-R"]);
    command.arg(bench.scratch.file("copy.fossil")).env("FROND_PASSWORD", password);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush-of-the-collector");
    run(&mut bench.measured("client", command)).code
}

/// The HTTP status that a request was answered with.
const STATUS: &str = "http.response.status_code";

/// The address of a server, for a user.
fn with_user(url: &str, user: &str) -> String {
    url.replacen("http://", &format!("http://{user}@"), 1)
}

#[test]
fn every_request_ends_with_a_class_and_junk_is_no_failure_of_the_server() {
    let bench = Bench::new(Manner::Takes);
    let (file, leaf) = bench.leaf(&[]);
    let post = |kind: &str, body: &[u8]| {
        http::post(leaf.address(), "/", &format!("application/x-fossil{kind}"), body).status
    };
    assert_eq!(post("", b"no zlib at all"), 200, "an error card");
    assert_eq!(post("-uncompressed", b"file 0123 99\nshort"), 200, "an error card");
    fs::rename(&file, file.with_extension("away")).unwrap();
    assert_eq!(post("-uncompressed", b"pragma x\n"), 404);
    bench.collector.wait_for("sync.handle", 3);
    leaf.terminate();

    let ends: Vec<(String, String, bool)> = bench
        .collector
        .spans()
        .iter()
        .map(|span| (span.attribute("error.type"), span.attribute(STATUS), span.failed.is_some()))
        .collect();
    let expected = [("refused", "200", false), ("refused", "200", false), ("repository", "404", true)];
    let expected =
        expected.map(|(class, status, has_failed)| (class.to_owned(), status.to_owned(), has_failed));
    assert_eq!(ends, expected);
    let count = |outcome: &[(&str, &str)]| bench.collector.sum("server", "frond.server.requests", outcome);
    assert_eq!(
        [count(&[("outcome", "refused")]), count(&[("outcome", "repository")]), count(&[])],
        [2, 1, 3]
    );
}

/// How many requests a leaf turned away for a reason.
fn turned_away(leaf: &Leaf, carrier: &str, reason: &str) -> Option<u64> {
    let text = leaf.probe("/metrics").text();
    let labels = format!("frond_server_turned_away_total{{carrier=\"{carrier}\",reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&labels)?.parse().ok())
}

#[test]
fn requests_that_never_came_whole_are_counted_by_why() {
    let (bench, broker) = (Bench::new(Manner::Takes), Nats::start());
    let names = ["one", "two"].map(|name| bench.scratch.file(&format!("{name}.fossil")));
    names.iter().for_each(|file| open_repository(&bench.frond, file));
    let config = format!(
        "listen = '127.0.0.1:0'\nadmin = '0'\nsocket = 'leaf.sock'\ndrain = '1s'\nnats = '{}'\n\
         [[repository]]\nfile = 'one.fossil'\n[[repository]]\nfile = 'two.fossil'\n",
        broker.url()
    );
    let config = bench.scratch.write("leaf.toml", config);
    let leaf = Leaf::start(&bench.frond, ["--config", &*config.to_string_lossy()]);
    until("the leaf is ready", || leaf.probe("/readyz").status == 200);

    let begin = |path: &str, kind: &str, length: &str| {
        let headers = [("Content-Type", kind), ("Content-Length", length)];
        let bytes = http::request(&format!("POST {path}"), &headers, b"half");
        http::send_and_hang_up(leaf.address(), &bytes).status
    };
    let fossil = "application/x-fossil";
    for (path, kind, length, status, reason) in [
        ("/three", fossil, "8", 404, "no_repository"),
        ("/one", fossil, "99999999999", 413, "too_long"),
        ("/one", fossil, "8", 408, "late"),
        ("/one", "text/plain", "4", 415, "malformed"),
    ] {
        assert_eq!(turned_away(&leaf, "http", reason), None, "{reason}");
        assert_eq!(begin(path, kind, length), status);
        assert_eq!(turned_away(&leaf, "http", reason), Some(1), "{reason}");
    }

    let subject = format!("fossil.{}.sync", project_code(&names[0]));
    let mut hand = ByHand::connect(&broker);
    hand.subscribe("_INBOX.by-hand", 1);
    for (headers, reason) in [
        ("Frond-Takes: 1000000\r\nFrond-Body: 99999999999\r\n", "too_long"),
        ("Frond-Takes: much\r\n", "malformed"),
    ] {
        until("the leaf answers at the broker", || {
            hand.publish_with(&subject, "_INBOX.by-hand", headers, b"");
            hand.has_more(Duration::from_millis(200))
        });
        let count = turned_away(&leaf, "nats", reason);
        assert!(count >= Some(1), "{reason}: {count:?}");
        while hand.has_more(Duration::from_millis(200)) {
            hand.hear();
        }
    }
    // More requests than are read at once, which say how long they are, and of which nothing more comes.
    let begun = NatsServeOptions::default().concurrent + 1;
    for _ in 0..begun {
        hand.publish_with(&subject, "_INBOX.by-hand", "Frond-Takes: 1000000\r\nFrond-Body: 9\r\n", b"");
    }
    until("there is no room for the last", || turned_away(&leaf, "nats", "no_room").is_some());
    leaf.terminate();
}

#[test]
fn what_fails_has_its_class_in_its_spans_and_in_the_sums() {
    let bench = Bench::new(Manner::Takes);
    let (_, leaf) = bench.leaf(&[]);
    bench.frond.clone(&leaf.url(), &bench.scratch.file("copy.fossil"));
    assert_eq!(try_sync(&bench, "http://127.0.0.1:1/", ""), Some(4), "nobody is there");
    let count = |outcome| bench.collector.sum("client", "frond.sessions", &[("outcome", outcome)]);
    assert_eq!([count("unreachable"), count("ok")], [1, 0]);
    assert_eq!(try_sync(&bench, &with_user(&leaf.url(), "ann"), "wrong"), Some(5), "a wrong password");
    assert_eq!([count("refused"), count("ok")], [1, 0]);
    // Those of the clone, which was not measured, are the server's alone.
    bench.collector.wait_for("sync.handle", 3);
    leaf.terminate();

    let spans = bench.collector.spans();
    let of_client = |name: &str| -> Vec<&Seen> { spans.iter().filter(|span| span.name == name).collect() };
    for name in ["sync.session", "sync.round"] {
        let told: Vec<(String, &str)> = of_client(name)
            .iter()
            .map(|span| (span.attribute("error.type"), span.failed.as_deref().unwrap_or("well")))
            .collect();
        let [(first, unreachable), (second, refused)] = &told[..] else { panic!("{name}: {told:?}") };
        assert_eq!([first.as_str(), second.as_str()], ["unreachable", "refused"], "{name}");
        assert!(unreachable.starts_with("cannot connect to 127.0.0.1:1"), "{unreachable}");
        assert!(refused.contains("login failed"), "{refused}");
    }
    let round = &of_client("sync.round")[1];
    let handled = spans.iter().find(|span| span.parent == round.id).unwrap();
    assert_eq!((handled.attribute("error.type").as_str(), &handled.failed), ("refused", &None));
    assert_eq!(handled.events, ["refused"]);
}

#[test]
fn a_round_that_fails_says_where_it_went_and_with_what_status_it_came_back() {
    let (bench, broker) = (Bench::new(Manner::Takes), Nats::start());
    let (file, leaf) = bench.leaf(&[]);
    bench.frond.clone(&leaf.url(), &bench.scratch.file("copy.fossil"));
    let project = project_code(&file);
    assert_eq!(try_sync(&bench, &broker.project(&project), ""), Some(4), "nobody answers");
    fs::rename(&file, file.with_extension("away")).unwrap();
    assert_eq!(try_sync(&bench, &leaf.url(), ""), Some(10), "it is not there");
    leaf.terminate();
    let rounds = bench.collector.spans().into_iter().filter(|span| span.name == "sync.round");
    let told: Vec<[String; 3]> = rounds
        .map(|round| ["error.type", "messaging.destination.name", STATUS].map(|name| round.attribute(name)))
        .collect();
    let subject = format!("fossil.{project}.sync");
    assert_eq!(told, [["unreachable", &*subject, ""], ["http-status", "", "404"]]);
}

#[test]
fn no_secret_is_in_what_is_sent() {
    let bench = Bench::new(Manner::Takes);
    let (file, leaf) = bench.leaf(&[]);
    let mut command = bench.frond.command(["user", "new", "kim", "--capabilities", "gio", "-R"]);
    let password = bench.scratch.write("password", "hush-of-kim");
    let said = run(command.arg(&file).env("FROND_NEW_PASSWORD_FILE", password));
    assert_eq!(said.code, Some(0), "{said}");
    bench.frond.clone(&leaf.url(), &bench.scratch.file("copy.fossil"));
    let url = with_user(&leaf.url(), "kim");
    assert_eq!(try_sync(&bench, &url, "hush-of-kim"), Some(0));
    assert_eq!(try_sync(&bench, &url, "hush-of-nobody"), Some(5));
    bench.collector.wait_for("sync.handle", 4);
    leaf.terminate();
    let bodies = bench.collector.bodies();
    let holds = |text: &str| {
        bodies.iter().filter(|body| body.windows(text.len()).any(|part| part == text.as_bytes())).count()
    };
    assert!(holds("kim@127.0.0.1") > 0, "there is something to look at");
    assert_eq!(holds("hush"), 0);
}

#[test]
fn a_session_that_cannot_begin_is_counted() {
    let bench = Bench::new(Manner::Takes);
    let gone = bench.scratch.file("gone.fossil");
    let (_, leaf) = bench.leaf(&["--peer", &gone.to_string_lossy()]);
    until("it is counted", || {
        let text = leaf.probe("/metrics").text();
        let mut lines = text.lines().filter(|line| line.starts_with("frond_sessions_total"));
        lines.any(|line| line.contains("operation=\"sync\"") && line.contains("outcome=\"repository\""))
    });
    leaf.terminate();
    let spans = bench.collector.spans();
    let session = spans.iter().find(|span| span.name == "sync.session").unwrap();
    assert_eq!(session.attribute("error.type"), "repository");
    assert!(session.failed.as_ref().unwrap().contains("gone.fossil"), "{session:?}");
}

#[test]
fn a_command_that_fails_before_its_session_is_counted() {
    let bench = Bench::new(Manner::Takes);
    let file = bench.scratch.file("copy.fossil");
    bench.frond.output(["new", &*file.to_string_lossy(), "-A", "ann"]);
    let file = file.to_string_lossy();
    let cases: [(&[&str], &str); 3] = [
        (&["clone", "--once", "http://127.0.0.1:1/", &*file], "clone"),
        (&["sync", "-R", &*file], "sync"),
        (&["pull", "--once", "http://kim@127.0.0.1:1/", "-R", &*file], "pull"),
    ];
    for (words, operation) in cases {
        let mut command = bench.measured("client", bench.frond.command(words));
        let said = run(command.env_remove("FROND_PASSWORD"));
        assert_ne!(said.code, Some(0), "{said}");
        let sum = |labels: &[(&str, &str)]| bench.collector.sum("client", "frond.sessions", labels);
        assert_eq!((sum(&[("operation", operation)]), sum(&[("outcome", "ok")])), (1, 0), "{words:?}");
    }
}

#[test]
fn a_program_in_the_middle_of_a_session_ends_in_time_though_the_collector_hangs() {
    let bench = Bench::new(Manner::Hangs);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let file = bench.scratch.file("copy.fossil");
    let command = bench.frond.command(["clone", "--once", &url, &*file.to_string_lossy()]);
    let mut child = bench.measured("client", command).stderr(Stdio::null()).spawn().unwrap();
    // Somebody asks, and gets no answer.
    let _asking = silent.accept().unwrap();
    ends_in_time(child.id(), || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(143));

    let (_, leaf) = bench.leaf(&["--peer", &url, "--drain", "2s"]);
    let _asking = silent.accept().unwrap();
    ends_in_time(leaf.id(), || is_over(leaf.id()));
    assert_eq!(leaf.wait().0.code(), Some(0));
}
