//! What observers of sessions make of events.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use sync::{SyncError, SyncOptions};

use super::*;
use crate::testing::{Kept, attribute, keeping, longest, metric};

fn begun() -> (Telemetry, Kept, Box<dyn Observer + Send>) {
    let (telemetry, kept) = keeping();
    let peer = Peer { repository: "r", peer: "http://h/", carrier: "http", host: "h", port: 80 };
    let (mut observer, _) = telemetry.session(&peer);
    let options = &SyncOptions::default();
    observer.observe(&Event::SessionStarted { operation: "pull", options, project: "" });
    observer.observe(&Event::RoundStarted { round: 1 });
    (telemetry, kept, observer)
}

fn ended<'a>(stats: &'a RoundStats, error: Option<&'a (dyn std::error::Error + 'static)>) -> Event<'a> {
    let (operation, project, rounds, duration) = ("pull", "", 1, Duration::ZERO);
    Event::SessionFinished { operation, project, rounds, stats, duration, error }
}

#[test]
fn sessions_that_overlap_are_not_mixed_up() {
    let (telemetry, kept) = keeping();
    let sessions = [("one", 1), ("two", 10), ("three", 100)];
    let mut observers = sessions.map(|(peer, _)| {
        let peer = Peer { repository: "r", peer, carrier: "http", host: "h", port: 80 };
        telemetry.session(&peer).0
    });
    let options = &SyncOptions::default();
    for step in 0..6_u32 {
        // Each comes one step further before any comes two.
        for (observer, (_, files_sent)) in observers.iter_mut().zip(sessions) {
            let stats = &RoundStats { files_sent, ..RoundStats::default() };
            let all = &RoundStats { files_sent: 2 * files_sent, ..RoundStats::default() };
            observer.observe(&match step {
                0 => Event::SessionStarted { operation: "pull", options, project: "" },
                1 | 3 => Event::RoundStarted { round: step.div_ceil(2) },
                2 | 4 => Event::RoundFinished { round: step / 2, stats, duration: Duration::ZERO },
                _ => ended(all, None),
            });
        }
    }
    drop(observers);
    let told = kept.spans("sync.session");
    let rounds = kept.spans("sync.round");
    assert_eq!((told.len(), rounds.len()), (3, 6));
    for (peer, files_sent) in sessions {
        let all = (2 * files_sent).to_string();
        assert_eq!(metric(&telemetry, "frond_artifacts_total", &[&format!("peer=\"{peer}\"")]), all);
        let session = told.iter().find(|span| attribute(span, "frond.peer") == peer).unwrap();
        assert_eq!(attribute(session, "frond.artifacts.sent"), all);
        let own = rounds.iter().filter(|round| round.parent_span_id == session.span_context.span_id());
        let own: Vec<_> = own
            .map(|round| {
                assert_eq!(round.span_context.trace_id(), session.span_context.trace_id());
                (attribute(round, "frond.round"), attribute(round, "frond.artifacts.sent"))
            })
            .collect();
        let expected = ["1", "2"].map(|round| (round.to_owned(), files_sent.to_string()));
        assert_eq!(own, expected, "{peer}");
    }
}

#[test]
fn what_a_round_moved_that_failed_is_counted_too() {
    let (telemetry, _kept, mut observer) = begun();
    let round = RoundStats { files_received: 2, bytes_sent: 10, ..RoundStats::default() };
    observer.observe(&Event::RoundFinished { round: 1, stats: &round, duration: Duration::ZERO });
    let all = RoundStats { files_received: 5, bytes_sent: 17, rows_sent: 1, ..RoundStats::default() };
    observer.observe(&ended(&all, Some(&SyncError::Unfinished)));
    // A clone goes on with another session, which has sums of its own.
    let options = &SyncOptions::default();
    observer.observe(&Event::SessionStarted { operation: "pull", options, project: "" });
    observer.observe(&Event::RoundFinished { round: 1, stats: &round, duration: Duration::ZERO });
    observer.observe(&ended(&round, None));
    drop(observer);
    for (name, direction, sum) in [
        ("frond_artifacts_total", "received", "7"),
        ("frond_network_io_bytes_total", "sent", "27"),
        ("frond_table_rows_total", "sent", "1"),
    ] {
        assert_eq!(metric(&telemetry, name, &[direction]), sum, "{name}");
    }
    let outcome = |class| metric(&telemetry, "frond_sessions_total", &[class]);
    assert_eq!([outcome("\"cut-short\""), outcome("\"ok\"")], ["1", "1"]);
    assert!(!telemetry.text().contains("outcome=\"stopped\""));
}

#[test]
fn a_session_that_nobody_ends_is_counted_as_stopped() {
    let (telemetry, kept, observer) = begun();
    drop(observer);
    let labels = ["operation=\"pull\"", "outcome=\"stopped\""];
    assert_eq!(metric(&telemetry, "frond_sessions_total", &labels), "1");
    for name in ["sync.round", "sync.session"] {
        let span = kept.span(name);
        assert_eq!((attribute(&span, "error.type").as_str(), span.status), ("stopped", Status::Unset));
    }
}

#[test]
fn a_session_that_could_not_begin_is_counted_and_in_the_trace() {
    let (telemetry, kept) = keeping();
    let peer = Peer { repository: "r", peer: "/p", carrier: "file", host: "", port: 0 };
    telemetry.unbegun(&peer, "sync", "repository", &"x".repeat(1 << 20));
    let labels = ["operation=\"sync\"", "outcome=\"repository\""];
    assert_eq!(metric(&telemetry, "frond_sessions_total", &labels), "1");
    let span = kept.span("sync.session");
    assert_eq!(attribute(&span, "error.type"), "repository");
    assert!(matches!(span.status, Status::Error { .. }) && longest(&span) < 1100);
}

#[test]
fn what_is_tried_again_is_an_event_of_its_round_and_counted_by_its_class() {
    let (telemetry, kept, mut observer) = begun();
    let error = SyncError::Unfinished;
    for again in [true, true, false] {
        observer.observe(&Event::Failed { operation: "pull", class: "cut-short", error: &error, again });
        if again {
            observer.observe(&Event::RoundStarted { round: 1 });
        }
    }
    observer.observe(&ended(&RoundStats::default(), Some(&error)));
    drop(observer);
    assert_eq!(metric(&telemetry, "frond_retries_total", &["class=\"cut-short\""]), "2");
    assert_eq!(metric(&telemetry, "frond_sessions_total", &["outcome=\"cut-short\""]), "1");
    let events: Vec<String> = kept.span("sync.round").events.iter().map(|e| e.name.to_string()).collect();
    assert_eq!(events, ["tried again"; 2]);
}

#[test]
fn a_round_says_where_its_last_request_went_and_what_it_was_answered_with() {
    let (_telemetry, kept, mut observer) = begun();
    let error = &SyncError::Unfinished;
    observer.observe(&Event::Carried { destination: None, status: Some(503) });
    observer.observe(&Event::Failed { operation: "pull", class: "http-status", error, again: true });
    observer.observe(&Event::Carried { destination: Some("fossil.project.sync"), status: Some(404) });
    observer.observe(&ended(&RoundStats::default(), Some(error)));
    drop(observer);
    let round = kept.span("sync.round");
    let of = |attributes: &[KeyValue]| -> Vec<String> {
        let meant = ["messaging.destination.name", "http.response.status_code"];
        let told = attributes.iter().filter(|attribute| meant.contains(&attribute.key.as_str()));
        told.map(|attribute| attribute.value.to_string()).collect()
    };
    assert_eq!(of(&round.attributes), ["fossil.project.sync", "404"]);
    assert_eq!(of(&round.events[0].attributes), ["503"], "what was tried before");
}

#[test]
fn what_fails_before_a_session_or_after_it_is_counted() {
    let (telemetry, kept, mut observer) = begun();
    observer.observe(&ended(&RoundStats::default(), None));
    let error = &SyncError::NotFresh;
    observer.observe(&Event::Failed { operation: "clone", class: "usage", error, again: false });
    drop(observer);
    let labels = ["operation=\"clone\"", "outcome=\"usage\""];
    assert_eq!(metric(&telemetry, "frond_sessions_total", &labels), "1");
    assert_eq!(metric(&telemetry, "frond_sessions_total", &["outcome=\"ok\""]), "1");
    let span = kept.span("sync.session");
    assert_eq!(attribute(&span, "error.type"), "usage");
    assert!(matches!(span.status, Status::Error { .. }));
}

#[test]
fn spans_hold_no_more_than_a_kib_of_what_a_peer_says() {
    let long = "x".repeat(1 << 20);
    let (_telemetry, kept, mut observer) = begun();
    observer.observe(&Event::PeerSaid { text: &long });
    observer.observe(&ended(&RoundStats::default(), Some(&SyncError::Refused(long.clone()))));
    drop(observer);
    for name in ["sync.round", "sync.session"] {
        let longest = longest(&kept.span(name));
        assert!((1024..1100).contains(&longest), "{name}: {longest} bytes");
    }
}
