//! How the lag of each peer went, as a drawing.

use maud::{Markup, html};
use repo::UnixTime;

use super::super::past::{Line, Look};
use super::scale::{axis, shortened, time};

/// Lines that are drawn: those of the peers that lag most.
const LINES: usize = 6;

/// The times that may be shown, in minutes: the least that has all that is known, or the longest.
const SPANS: [i64; 4] = [4, 12, 32, 60];

const MINUTE_MS: i64 = 60_000;

/// Points of a line at most: of several looks the largest lag is shown, so that what comes and goes between two sessions
/// is a band no more.
const POINTS: i64 = 120;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// The drawing, with what is what below it.
pub(super) fn plot(lags: &[(Line, Vec<Look>)], now: UnixTime) -> Markup {
    let mut lines: Vec<(&Line, &[Look], u64)> = lags
        .iter()
        .filter_map(|(line, looks)| {
            Some((line, &looks[..], looks.iter().filter_map(|look| look.lag_seconds).max()?))
        })
        .collect();
    if lines.is_empty() {
        return html! { p.quiet { "No good session was seen yet." } };
    }
    let first =
        lags.iter().filter_map(|(_, looks)| looks.first()).map(|look| look.at.0).min().unwrap_or(now.0);
    let known = (now.0 - first) / MINUTE_MS;
    let minutes = SPANS.into_iter().find(|minutes| known < *minutes).unwrap_or(60);
    let frame = Frame { now: now.0, span: minutes * MINUTE_MS, end: 0 };
    lines.sort_by_key(|(line, _, most)| (std::cmp::Reverse(*most), *line));
    let left_out = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    let most = lines.iter().map(|(.., most)| *most).max().unwrap_or(0);
    let (end, steps) = axis(most);
    let frame = Frame { end, ..frame };
    html! {
        div.scroll {
            svg.plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="plot-title" {
                title id="plot-title" { "Seconds since the last good session with each peer, in the last " (minutes) " minutes" }
                @for step in 0..=steps {
                    @let y = frame.y(end / steps * step);
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
                    text.tick x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (time(end / steps * step)) }
                }
                @for ago in [minutes, minutes * 3 / 4, minutes / 2, minutes / 4, 0] {
                    @let x = frame.x(now.0 - ago * MINUTE_MS);
                    @let anchor = if ago == 0 { "end" } else { "middle" };
                    text.tick x=(x) y=(HEIGHT - 8.0) text-anchor=(anchor) {
                        @if ago == 0 { "now" } @else { "−" (ago) " min" }
                    }
                }
                @for (index, (_, looks, _)) in lines.iter().enumerate() {
                    @for points in frame.pieces(looks) {
                        polyline class=(format!("lag s{index}")) points=(points) {}
                    }
                }
            }
        }
        ul.legend {
            @for (index, (line, looks, _)) in lines.iter().enumerate() {
                li {
                    span class=(format!("key s{index}")) aria-hidden="true" {}
                    (line.repository) ", " span title=(line.peer) { (shortened(&line.peer, 40)) } ": "
                    (looks.last().and_then(|look| look.lag_seconds).map_or("never".to_owned(), time))
                }
            }
            @if left_out > 0 {
                li.quiet { "and " (left_out) " that lag less" }
            }
        }
    }
}

/// What part of the past is drawn, and up to which lag.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Milliseconds.
    now: i64,
    span: i64,
    /// Seconds.
    end: u64,
}

impl Frame {
    /// The points of a line, broken where nothing was known.
    fn pieces(&self, looks: &[Look]) -> Vec<String> {
        let Self { now, span, .. } = *self;
        let shown = looks.iter().filter(|look| look.at.0 >= now - span && look.at.0 <= now);
        let mut pieces: Vec<Vec<(i64, u64)>> = vec![Vec::new()];
        for look in shown {
            let part = (look.at.0 - (now - span)) * POINTS / span;
            match (look.lag_seconds, pieces.last_mut().and_then(|piece| piece.last_mut())) {
                (Some(lag), Some((last, most))) if *last == part => *most = lag.max(*most),
                (Some(lag), _) => pieces.last_mut().into_iter().for_each(|piece| piece.push((part, lag))),
                (None, _) => pieces.push(Vec::new()),
            }
        }
        let text = |piece: &Vec<(i64, u64)>| -> String {
            let points =
                piece.iter().map(|(part, lag)| (self.x(now - span + part * span / POINTS), self.y(*lag)));
            points.map(|(x, y)| format!("{x:.1},{y:.1} ")).collect()
        };
        pieces.iter().filter(|piece| !piece.is_empty()).map(text).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "a point of a drawing")]
    fn x(&self, at: i64) -> f64 {
        let part = 1.0 - (self.now - at) as f64 / self.span as f64;
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    #[expect(clippy::cast_precision_loss, reason = "a point of a drawing")]
    fn y(&self, lag: u64) -> f64 {
        let part = lag as f64 / self.end.max(1) as f64;
        HEIGHT - BOTTOM - part.min(1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_nothing_was_known_and_shows_the_largest_of_several_looks() {
        let frame = Frame { now: 10 * MINUTE_MS, span: 2 * MINUTE_MS, end: 10 };
        let look = |ago: i64, lag_seconds| Look { at: UnixTime(frame.now - ago), lag_seconds };
        let looks = [
            look(2 * MINUTE_MS + 1, Some(9)),
            look(2 * MINUTE_MS, Some(0)),
            look(MINUTE_MS, Some(2)),
            look(MINUTE_MS - 1, Some(5)),
            look(5000, None),
            look(0, Some(10)),
        ];
        assert_eq!(frame.pieces(&looks), ["64.0,174.0 386.0,93.0 ", "708.0,12.0 "]);
    }

    #[test]
    fn names_are_escaped() {
        let line = Line { repository: "<b>".into(), peer: "\"><script>".into() };
        let text =
            plot(&[(line, vec![Look { at: UnixTime(0), lag_seconds: Some(1) }])], UnixTime(0)).into_string();
        assert!(!text.contains("<b>") && !text.contains("<script"), "{text}");
    }
}
