//! The page as HTML. What others chose (names, addresses, errors) is escaped by the templates.

use maud::{DOCTYPE, Markup, html};
use repo::UnixTime;

use super::super::board::{Bridge, Condition, PeerReport, Report, RepositoryReport, Trouble};
use super::super::health::{self, Verdict};
use super::super::past::{Line, Look, Session};
use super::graph::{graph, tie};
use super::plot::plot;
use super::scale::{bytes, shortened, time};

/// All that is shown.
pub(super) struct Content {
    pub(super) report: Report,
    pub(super) sessions: Vec<Session>,
    pub(super) lags: Vec<(Line, Vec<Look>)>,
    pub(super) now: UnixTime,
}

/// The whole document.
pub(super) fn document(content: &Content) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Frond leaf" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="-/page.css";
                script src="-/page.js" defer {}
            }
            body data-events="-/events" {
                header {
                    h1 { "Frond leaf" }
                    p id="link" role="status" data-state="still" { "as it was when the page was loaded" }
                }
                main id="live" { (live(content)) }
                footer {
                    p.quiet { "The same as JSON: " code { "frond leaf status --json" } }
                }
            }
        }
    }
    .into_string()
}

/// What changes.
pub(super) fn live(content: &Content) -> Markup {
    let Content { report, sessions, lags, now } = content;
    html! {
        (head(report))
        section aria-labelledby="h-graph" {
            h2 id="h-graph" { "Who is in step with whom" }
            (graph(report))
        }
        @if !report.repositories.is_empty() {
            section aria-labelledby="h-peers" {
                h2 id="h-peers" { "Repositories and peers" }
                (peers(&report.repositories))
            }
            section aria-labelledby="h-lag" {
                h2 id="h-lag" { "Time since the last good session" }
                (plot(lags, *now))
            }
        }
        @if report.repositories.iter().any(|repository| !repository.fleet.is_empty()) {
            section aria-labelledby="h-fleet" {
                h2 id="h-fleet" { "The fleet" }
                (fleet(&report.repositories))
            }
        }
        @if !report.bridges.is_empty() {
            section aria-labelledby="h-bridges" {
                h2 id="h-bridges" { "Bridges" }
                (bridges(&report.bridges))
            }
        }
        @if !report.repositories.is_empty() {
            section aria-labelledby="h-sessions" {
                h2 id="h-sessions" { "Last sessions" }
                (recent(sessions, *now))
            }
        }
    }
}

fn head(report: &Report) -> Markup {
    let ready = health::is_ready(report);
    let peers: Vec<&PeerReport> =
        report.repositories.iter().flat_map(|repository| &repository.peers).collect();
    let open = report.repositories.iter().filter(|repository| repository.state == Condition::Open).count();
    let well = peers.iter().filter(|peer| peer.known.error.is_none() && peer.lag_seconds.is_some()).count();
    let lag = peers.iter().filter_map(|peer| peer.lag_seconds).max();
    let moved: u64 = peers.iter().map(|peer| peer.known.artifacts_sent + peer.known.artifacts_received).sum();
    html! {
        (verdict(&ready))
        dl.tiles {
            (tile("repositories open", &format!("{open} of {}", report.repositories.len())))
            (tile("peers in step", &format!("{well} of {}", peers.len())))
            (tile("largest lag", &lag.map_or("–".to_owned(), time)))
            (tile("artifacts moved", &moved.to_string()))
            (tile("up for", &time(report.uptime_seconds)))
            (tile("version", report.version))
        }
    }
}

fn tile(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A table: the names of its columns, those of text before those of numbers, and its rows.
fn table(texts: &[&str], numbers: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        @for name in texts { th scope="col" { (name) } }
                        @for name in numbers { th.number scope="col" { (name) } }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

fn verdict(verdict: &Verdict) -> Markup {
    html! {
        @if verdict.is_good() {
            p.verdict.good { "✓ ready" }
        } @else {
            div.verdict.bad {
                p { "✕ " (verdict.status) }
                ul {
                    @for problem in &verdict.problems {
                        li {
                            @for name in [&problem.repository, &problem.peer].into_iter().flatten() { (name) ": " }
                            (problem.what)
                        }
                    }
                }
            }
        }
    }
}

fn peers(repositories: &[RepositoryReport]) -> Markup {
    let rows = html! {
        @for repository in repositories {
            @if repository.peers.is_empty() || repository.error.is_some() {
                tr {
                    th scope="row" { (repository.name) }
                    td colspan="9" { (condition(repository.state)) (trouble(repository.error.as_ref())) }
                }
            }
            @for peer in &repository.peers { (row(repository, peer)) }
            @for error in &repository.broker_errors {
                tr.error { td colspan="10" { (repository.name) ": " (trouble(Some(error))) } }
            }
        }
    };
    table(
        &["Repository", "Peer", "State"],
        &["Lag", "Next in", "Sessions", "Rounds", "Sent", "Received", "Bytes"],
        &rows,
    )
}

fn row(repository: &RepositoryReport, peer: &PeerReport) -> Markup {
    let known = &peer.known;
    let state = match (repository.state, known.syncing, known.failures) {
        (Condition::Open, true, _) => "synchronizing".to_owned(),
        (Condition::Open, false, _) if known.resting => "waits for its hours".to_owned(),
        (Condition::Open, false, 0) => "idle".to_owned(),
        (Condition::Open, false, failures) => format!("failed {failures}×"),
        (state, ..) => condition(state).to_owned(),
    };
    html! {
        tr {
            th scope="row" { (repository.name) }
            td title=(known.url) { (shortened(&known.url, 48)) }
            td { span class=(format!("dot {}", tie(peer).word())) aria-hidden="true" {} (state) }
            td.number { (peer.lag_seconds.map_or("never".to_owned(), time)) }
            td.number { (peer.next_seconds.map_or("–".to_owned(), time)) }
            td.number {
                (known.sessions)
                @if known.failed_sessions > 0 { span.quiet { " (" (known.failed_sessions) " failed)" } }
            }
            td.number { (known.rounds) }
            td.number { (known.artifacts_sent) }
            td.number { (known.artifacts_received) }
            td.number { (bytes(known.bytes_sent + known.bytes_received)) }
        }
        @if let Some(error) = &known.error {
            tr.error { td colspan="10" { (trouble(Some(error))) } }
        }
    }
}

fn trouble(trouble: Option<&Trouble>) -> Markup {
    html! {
        @if let Some(Trouble { class, message, hint }) = trouble {
            span.trouble { b { (class) } ": " (message) span.quiet { "; " (hint) } }
        }
    }
}

fn condition(state: Condition) -> &'static str {
    match state {
        Condition::Opening => "is opened",
        Condition::Cloning => "is cloned",
        Condition::Open => "open, without peers",
        Condition::Unusable => "cannot be used ",
    }
}

/// What the leaves say of themselves.
fn fleet(repositories: &[RepositoryReport]) -> Markup {
    let rows = html! {
        @for repository in repositories {
            @for leaf in &repository.fleet {
                tr {
                    th scope="row" { (repository.name) }
                    td title=(leaf.said.id) { (shortened(&leaf.said.id, 11)) }
                    td { (leaf.said.login) }
                    td { (leaf.said.version) }
                    td { (leaf.said.platform) }
                    td.number { (leaf.said.lag.map_or("–".to_owned(), time)) }
                    td.number { (time(leaf.written_seconds)) " ago" }
                    td.number title=(leaf.said.addresses) { (shortened(&leaf.said.addresses, 60)) }
                }
            }
        }
    };
    table(
        &["Repository", "Leaf", "Login", "Version", "Platform"],
        &["Lag then", "Written", "Reached at"],
        &rows,
    )
}

fn bridges(bridges: &[Bridge]) -> Markup {
    let rows = html! {
        @for bridge in bridges {
            @let mark = if bridge.error.is_some() { "bad" } else { "good" };
            tr {
                th scope="row" title=(bridge.url) { (shortened(&bridge.url, 48)) }
                td title=[bridge.project_code.as_deref()] {
                    (bridge.project_code.as_deref().map_or("not known yet".to_owned(), |code| shortened(code, 13)))
                }
                td {
                    span class=(format!("dot {mark}")) aria-hidden="true" {}
                    @if bridge.state == Condition::Open { "answers" } @else { "does not answer yet" }
                }
                td.number { (bridge.requests) }
                td.number { (bridge.failed_requests) }
                td.number { (bytes(bridge.bytes_sent + bridge.bytes_received)) }
            }
            @if bridge.error.is_some() {
                tr.error { td colspan="6" { (trouble(bridge.error.as_ref())) } }
            }
        }
    };
    table(&["Server", "Project", "State"], &["Requests", "Failed", "Bytes"], &rows)
}

fn recent(sessions: &[Session], now: UnixTime) -> Markup {
    if sessions.is_empty() {
        return html! { p.quiet { "None yet." } };
    }
    let rows = html! {
        @for session in sessions {
            @let mark = if session.class.is_some() { "bad" } else { "good" };
            tr {
                td { (ago(session.ended, now)) }
                td { (session.repository) }
                td title=(session.peer) { (shortened(&session.peer, 36)) }
                td { (session.reason) }
                td { span class=(format!("dot {mark}")) aria-hidden="true" {}
                    (session.class.unwrap_or("done"))
                    @if session.times > 1 { span.quiet { " ×" (session.times) } }
                }
                td.number { (session.rounds) }
                td.number { (session.artifacts_sent) }
                td.number { (session.artifacts_received) }
                td.number { (session.milliseconds) " ms" }
            }
        }
    };
    table(
        &["Ended", "Repository", "Peer", "Begun by", "Outcome"],
        &["Rounds", "Sent", "Received", "Took"],
        &rows,
    )
}

fn ago(at: UnixTime, now: UnixTime) -> Markup {
    let seconds = u64::try_from((now.0.saturating_sub(at.0)).max(0) / 1000).unwrap_or(0);
    let stamp = jiff::Timestamp::from_second(at.seconds()).map(|at| at.to_string()).unwrap_or_default();
    html! { time datetime=(stamp) title=(stamp) { (time(seconds)) " ago" } }
}
