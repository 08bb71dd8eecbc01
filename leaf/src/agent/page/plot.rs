//! How the lag of each peer went, as a drawing.

use maud::{Markup, html};
use repo::UnixTime;

use super::super::past::{Line, Look};
use super::scale::{axis, shortened, time};

/// Lines that are drawn: those of the peers that lag most.
const LINES: usize = 6;

/// The time that is shown.
const SPAN_MS: i64 = 3_600_000;

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
        return html! { p.quiet { "No session went well yet." } };
    }
    lines.sort_by_key(|(line, _, most)| (std::cmp::Reverse(*most), *line));
    let left_out = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    let most = lines.iter().map(|(.., most)| *most).max().unwrap_or(0);
    let (end, steps) = axis(most);
    html! {
        div.scroll {
            svg.plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="plot-title" {
                title id="plot-title" { "Seconds since the last good session with each peer, in the last hour" }
                @for step in 0..=steps {
                    @let y = y(end / steps * step, end);
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
                    text.tick x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (time(end / steps * step)) }
                }
                @for minutes in [60, 45, 30, 15, 0] {
                    @let x = x(now.0 - minutes * 60_000, now);
                    @let anchor = if minutes == 0 { "end" } else { "middle" };
                    text.tick x=(x) y=(HEIGHT - 8.0) text-anchor=(anchor) {
                        @if minutes == 0 { "now" } @else { "−" (minutes) " min" }
                    }
                }
                @for (index, (_, looks, _)) in lines.iter().enumerate() {
                    @for points in pieces(looks, end, now) {
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

/// The points of a line, broken where nothing was known.
fn pieces(looks: &[Look], end: u64, now: UnixTime) -> Vec<String> {
    let shown = looks.iter().filter(|look| look.at.0 >= now.0 - SPAN_MS && look.at <= now);
    let mut pieces = vec![String::new()];
    for look in shown {
        match (look.lag_seconds, pieces.last_mut()) {
            (Some(lag), Some(piece)) => {
                *piece += &format!("{:.1},{:.1} ", x(look.at.0, now), y(lag, end));
            }
            _ => pieces.push(String::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[expect(clippy::cast_precision_loss, reason = "a point of a drawing")]
fn x(at_ms: i64, now: UnixTime) -> f64 {
    let part = 1.0 - (now.0 - at_ms) as f64 / SPAN_MS as f64;
    LEFT + part * (WIDTH - LEFT - RIGHT)
}

#[expect(clippy::cast_precision_loss, reason = "a point of a drawing")]
fn y(lag: u64, end: u64) -> f64 {
    let part = lag as f64 / end.max(1) as f64;
    HEIGHT - BOTTOM - part.min(1.0) * (HEIGHT - TOP - BOTTOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_nothing_was_known_and_begins_an_hour_ago() {
        let now = UnixTime(10 * SPAN_MS);
        let look = |ago: i64, lag_seconds| Look { at: UnixTime(now.0 - ago), lag_seconds };
        let looks = [look(SPAN_MS + 1, Some(1)), look(SPAN_MS, Some(0)), look(5, None), look(0, Some(10))];
        assert_eq!(pieces(&looks, 10, now), ["64.0,174.0 ", "708.0,12.0 "]);
    }

    #[test]
    fn names_are_escaped() {
        let line = Line { repository: "<b>".into(), peer: "\"><script>".into() };
        let text =
            plot(&[(line, vec![Look { at: UnixTime(0), lag_seconds: Some(1) }])], UnixTime(0)).into_string();
        assert!(!text.contains("<b>") && !text.contains("<script"), "{text}");
    }
}
