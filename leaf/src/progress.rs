//! What a session does, told while it does it: a bar on a terminal, else a line every ten seconds.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sync::{Event, Observer, RoundStats};

use crate::output::{Output, Progress};

/// Time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Follows one session.
pub(crate) struct Reporter {
    output: Output,
    show: Show,
    round: u32,
    total: RoundStats,
}

enum Show {
    Bar(ProgressBar),
    Lines { last: Instant },
    Nothing,
}

impl Reporter {
    pub(crate) fn new(output: Output) -> Self {
        let show = match output.progress() {
            Progress::Bar => Show::Bar(bar()),
            Progress::Lines => Show::Lines { last: Instant::now() },
            Progress::None => Show::Nothing,
        };
        Self { output, show, round: 0, total: RoundStats::default() }
    }

    fn tell(&mut self) {
        let Self { output, show, round, total } = self;
        let text = || {
            let artifacts = total.files_received;
            let (received, sent) = (HumanBytes(total.bytes_received), HumanBytes(total.bytes_sent));
            format!("round {round}: {artifacts} artifacts, {received} received, {sent} sent")
        };
        match show {
            Show::Bar(bar) => bar.set_message(text()),
            Show::Lines { last } if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                output.note(&text());
            }
            Show::Lines { .. } | Show::Nothing => {}
        }
    }

    fn say(&self, text: &str) {
        self.aside(|output| output.note(text));
    }

    /// Writes lines, above the bar if there is one.
    fn aside(&self, write: impl FnOnce(&Output)) {
        match &self.show {
            Show::Bar(bar) => bar.suspend(|| write(&self.output)),
            Show::Lines { .. } | Show::Nothing => write(&self.output),
        }
    }
}

/// The line that `-v` logs of a round.
fn of_round(round: u32, stats: &RoundStats) -> String {
    format!(
        "round {round}: sent {} artifacts, {} gimme, {} igot, {} bytes; received {} artifacts, {} gimme, {} igot, \
         {} bytes",
        stats.files_sent,
        stats.gimmes_sent,
        stats.igots_sent,
        stats.bytes_sent,
        stats.files_received,
        stats.gimmes_received,
        stats.igots_received,
        stats.bytes_received,
    )
}

impl Observer for Reporter {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::RoundStarted { round } => {
                self.round = *round;
                self.tell();
            }
            Event::RoundFinished { round, stats, .. } => {
                self.aside(|_| tracing::info!("{}", of_round(*round, stats)));
                self.total.files_received += stats.files_received;
                self.total.bytes_received += stats.bytes_received;
                self.total.bytes_sent += stats.bytes_sent;
                self.tell();
            }
            Event::PeerSaid { text } => self.say(&format!("the server says: {text}")),
            Event::Refused { id } => self.say(&format!("refused artifact {id}")),
            Event::SessionFinished { .. } => self.show.clear(),
            _ => {}
        }
    }
}

impl Show {
    fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Follows work of a known size.
pub(crate) struct Counter {
    output: Output,
    show: Show,
    what: &'static str,
}

impl Counter {
    pub(crate) fn new(output: Output, what: &'static str) -> Self {
        let show = match output.progress() {
            Progress::Bar => Show::Bar(bar()),
            Progress::Lines => Show::Lines { last: Instant::now() },
            Progress::None => Show::Nothing,
        };
        Self { output, show, what }
    }

    pub(crate) fn show(&mut self, done: u64, total: u64) {
        let Self { output, show, what } = self;
        match show {
            // Every artifact would be too often even for a bar.
            Show::Bar(bar) if done.is_multiple_of(256) => {
                bar.set_message(format!("{done} of {total} {what}"));
            }
            Show::Lines { last } if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                output.note(&format!("{done} of {total} {what}"));
            }
            Show::Bar(_) | Show::Lines { .. } | Show::Nothing => {}
        }
    }
}
