//! Who is in step with whom, as a drawing: repositories on the left, peers on the right.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::board::Report;
use super::scale::shortened;

/// Places on either side that are drawn; the tables have all.
const MOST: usize = 24;

const WIDTH: usize = 720;
const ROW: usize = 40;
const BOX: usize = 250;

/// How it goes between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    Good,
    Busy,
    /// No session yet.
    New,
    Bad,
}

impl Tie {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::New => "new",
            Self::Bad => "bad",
        }
    }
}

/// Places and ties, by their number on each side.
#[derive(Debug, Default, PartialEq, Eq)]
struct Graph {
    left: Vec<String>,
    right: Vec<String>,
    ties: Vec<(usize, usize, Tie)>,
    left_out: usize,
}

/// The drawing.
pub(super) fn graph(report: &Report) -> Markup {
    let graph = Graph::of(report);
    if graph.ties.is_empty() {
        return html! { p.quiet { "No peers: repositories are served, and synchronized with nobody." } };
    }
    let rows = graph.left.len().max(graph.right.len());
    let height = rows * ROW + 8;
    let y = |index: usize, count: usize| 4 + ROW * rows * (2 * index + 1) / (2 * count.max(1));
    let (from, to) = (BOX, WIDTH - BOX);
    html! {
        div.scroll {
            svg.graph viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby="graph-title" {
                title id="graph-title" { "Repositories of this leaf, and the peers that each is kept in step with" }
                @for (left, right, tie) in &graph.ties {
                    @let (y1, y2) = (y(*left, graph.left.len()), y(*right, graph.right.len()));
                    @let middle = (from + to) / 2;
                    path class=(format!("tie {}", tie.word()))
                        d=(format!("M{from} {y1} C{middle} {y1} {middle} {y2} {to} {y2}")) {}
                    @if *tie == Tie::Bad {
                        text.cross x=(middle) y=((y1 + y2) / 2 + 5) text-anchor="middle" { "✕" }
                    }
                }
                @for (side, names) in [(0, &graph.left), (WIDTH - BOX, &graph.right)] {
                    @for (index, name) in names.iter().enumerate() {
                        @let middle = y(index, names.len());
                        rect.place x=(side + 1) y=(middle - 14) width=(BOX - 2) height="28" rx="6" {}
                        text.name x=(side + BOX / 2) y=(middle + 5) text-anchor="middle" {
                            title { (name) }
                            (shortened(name, 32))
                        }
                    }
                }
            }
        }
        @if graph.left_out > 0 {
            p.quiet { "Not drawn: " (graph.left_out) ". The tables have all." }
        }
    }
}

impl Graph {
    fn of(report: &Report) -> Self {
        let mut graph = Self::default();
        let mut right = BTreeMap::new();
        for repository in report.repositories.iter().filter(|repository| !repository.peers.is_empty()) {
            let left = graph.left.len();
            if left == MOST {
                graph.left_out += 1;
                continue;
            }
            graph.left.push(repository.name.clone());
            for peer in &repository.peers {
                let next = right.len();
                let at = *right.entry(peer.known.url.clone()).or_insert(next);
                if at == graph.right.len() && at < MOST {
                    graph.right.push(peer.known.url.clone());
                }
                match at < MOST {
                    true => graph.ties.push((left, at, tie(peer))),
                    false => graph.left_out += 1,
                }
            }
        }
        graph
    }
}

pub(super) fn tie(peer: &super::super::board::PeerReport) -> Tie {
    match (&peer.known.error, peer.known.syncing, peer.lag_seconds) {
        (Some(_), ..) => Tie::Bad,
        (None, true, _) => Tie::Busy,
        (None, false, None) => Tie::New,
        (None, false, Some(_)) => Tie::Good,
    }
}
