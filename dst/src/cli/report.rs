//! What a person has to know of a rule that was broken.

use std::fmt::Write as _;
use std::io::{self, Write};

use dst::plan::{self, Level, Plan};
use dst::script::Item;
use dst::sim::Outcome;
use sync::Limits;

/// Lines of the trace that a violation shows.
pub(super) const SHOWN: usize = 30;

/// How this command is called.
const CALL: &str = "cargo run --release -p frond-dst --";

/// Writes the last lines of the trace, and what was broken. `again` are the words that run it again.
pub(super) fn broken(out: &mut impl Write, outcome: Outcome, again: &str) -> io::Result<()> {
    let (seed, level) = (outcome.seed, outcome.level.name());
    let Some(violation) = outcome.violation else { return Ok(()) };
    let lines = outcome.trace.lines();
    for line in outcome.trace.last() {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "\nseed {seed}, level {level}, broken: {violation}")?;
    writeln!(out, "{}after {lines} lines of trace", options(&outcome.plan))?;
    writeln!(out, "again: {CALL} {again} --trace")
}

/// The same of a seed of which nothing is left out.
pub(super) fn seed_broken(out: &mut impl Write, outcome: Outcome) -> io::Result<()> {
    let (seed, level) = (outcome.seed, outcome.level.name());
    broken(out, outcome, &format!("run --seed {seed} --level {level}"))?;
    writeln!(out, "smaller: {CALL} shrink --seed {seed} --level {level} -o seed-{seed}-{level}.script")
}

/// Writes where two runs of a seed differ, and the words that compare them again.
pub(super) fn seed_differs(
    out: &mut impl Write,
    seed: u64,
    level: Level,
    difference: &str,
) -> io::Result<()> {
    let level = level.name();
    writeln!(out, "seed {seed} {level} is not the same twice:\n{difference}")?;
    writeln!(out, "again: {CALL} meta --seeds {seed}..{} --level {level}", seed.saturating_add(1))
}

/// What was decided beforehand, a line each.
pub(super) fn options(plan: &Plan) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:?} of {} peers", plan.shape, plan.births.len());
    for (at, edge) in plan.edges.iter().enumerate().filter(|(at, _)| !plan.unused.contains(at)) {
        let private = if edge.private { ", private" } else { "" };
        let files = if edge.unversioned { ", unversioned" } else { "" };
        let (client, server, login, letters) = (edge.client, edge.server, edge.login, edge.letters);
        let _ = writeln!(
            text,
            "edge {at}: {client} asks {server} by {login:?}, letters {letters}{private}{files}"
        );
    }
    for item in plan.items() {
        let _ = match item {
            Item::Fault(fault) => {
                let ratio = plan.ratio(fault);
                writeln!(text, "{item}: {} in {}", ratio.part, ratio.whole)
            }
            Item::Limits(peer) => {
                let limits = &plan.limits[peer as usize];
                let (send, reply) = (limits.send_bytes, limits.reply_bytes);
                let (gimmes, reply_gimmes) = (limits.gimmes, limits.reply_gimmes);
                writeln!(
                    text,
                    "{item}: send {send} and {gimmes} gimmes, reply {reply} and {reply_gimmes} gimmes{}",
                    bounds(limits)
                )
            }
            Item::Skew(peer) => writeln!(text, "{item}: {} ms", plan.skews[peer as usize]),
            Item::Bulk => writeln!(text, "{item}: {} files", plan.bulk),
            Item::Clone(_) | Item::Daemon(_) => writeln!(text, "{item}"),
            _ => Ok(()),
        };
    }
    text
}
