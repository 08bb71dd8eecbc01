//! What a person has to know of a rule that was broken.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::Path;

use dst::plan::{self, Edition, Level, Plan};
use dst::script::{Item, Script, Scrutiny};
use dst::sim::Outcome;
use sync::Limits;

/// Lines of the trace that a violation shows.
pub(super) const SHOWN: usize = 30;

/// How this command is called.
const CALL: &str = "cargo run --release -p frond-dst --";

/// Writes the last lines of the trace, and what was broken. `again` are the words that run it again.
fn broken(out: &mut impl Write, outcome: Outcome, extent: Extent, again: &str) -> io::Result<()> {
    let (seed, level) = (outcome.seed, outcome.level.name());
    let Some(violation) = &outcome.violation else { return Ok(()) };
    let (lines, told) = (outcome.trace.lines(), told(&outcome, extent));
    for line in outcome.trace.last() {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "\nseed {seed}, level {level}, broken: {violation}")?;
    writeln!(out, "{told}after {lines} lines of trace")?;
    writeln!(out, "again: {CALL} {again} --trace")
}

/// The same of a script in a file.
pub(super) fn script_broken(
    out: &mut impl Write,
    outcome: Outcome,
    script: &Script,
    path: &Path,
) -> io::Result<()> {
    broken(out, outcome, script.into(), &replay(path))
}

/// The same of a seed of which nothing is left out.
pub(super) fn seed_broken(out: &mut impl Write, outcome: Outcome) -> io::Result<()> {
    let (seed, level) = (outcome.seed, outcome.level.name());
    let words = Words::of(&outcome);
    broken(out, outcome, Extent::Whole, &format!("run --seed {seed} --level {level}{words}"))?;
    writeln!(out, "smaller: {CALL} shrink --seed {seed} --level {level}{words} -o seed-{seed}-{level}.script")
}

/// What a command line has to say beside a seed and a level, where that is not what it does unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Words {
    edition: Edition,
    scrutiny: Scrutiny,
}

impl Words {
    pub(super) fn new(edition: Edition, scrutiny: Scrutiny) -> Self {
        Self { edition, scrutiny }
    }

    /// Those of a run.
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self::new(outcome.plan.edition, outcome.scrutiny)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.edition != Edition::default() {
            write!(f, " --edition {}", self.edition.number())?;
        }
        match self.scrutiny {
            Scrutiny::Sampled => Ok(()),
            Scrutiny::Thorough => f.write_str(" --thorough"),
        }
    }
}

/// Writes where two runs of a seed differ, and the words that compare them again.
pub(super) fn seed_differs(out: &mut impl Write, script: &Script, difference: &str) -> io::Result<()> {
    let (seed, level) = (script.seed, script.level.name());
    let words = Words::new(script.edition, script.scrutiny);
    writeln!(out, "seed {seed} {level} is not the same twice:\n{difference}")?;
    writeln!(out, "again: {CALL} meta --seeds {seed}..{} --level {level}{words}", seed.saturating_add(1))
}

/// The command that runs a seed again.
pub(super) fn run(seed: u64, level: Level, words: Words) -> String {
    command(&format!("run --seed {seed} --level {}{words} --trace", level.name()))
}

/// The command that has these words.
pub(super) fn command(words: &str) -> String {
    format!("{CALL} {words}")
}

/// The words that run a script again.
pub(super) fn replay(script: &Path) -> String {
    format!("replay {}", file(script))
}

/// A file as a word that no shell and no command takes for something else.
pub(super) fn file(path: &Path) -> String {
    let name = path.display().to_string();
    let name = if name.starts_with('-') { format!("./{name}") } else { name };
    quoted(&name)
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:=@%,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How much there is of a seed in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// A script leaves something out.
    Part,
}

impl From<&Script> for Extent {
    fn from(script: &Script) -> Self {
        if script.without.is_empty() { Self::Whole } else { Self::Part }
    }
}

/// What a seed decided, a line each; where only a part of it is there, what took place.
pub(super) fn told(outcome: &Outcome, extent: Extent) -> String {
    match extent {
        Extent::Whole => options(&outcome.plan),
        Extent::Part => left(outcome),
    }
}

/// What was decided beforehand, a line each.
fn options(plan: &Plan) -> String {
    let Plan { shape, births, sessions, actions, forks, quarrels, framing, .. } = plan;
    let peers = births.len();
    format!(
        "{shape:?} of {peers} peers, {sessions} sessions, {actions} changes, {forks} forks, {quarrels} quarrels, {framing:?}\n{}",
        details(plan)
    )
}

/// What took place of that, where a script leaves out the rest.
pub(super) fn left(outcome: &Outcome) -> String {
    let plan = outcome.left();
    let talking = plan.items().into_iter().filter(|item| matches!(item, Item::Peer(_))).count();
    let Plan { shape, births, sessions, actions, framing, .. } = &plan;
    let peers = births.len();
    format!(
        "{shape:?} of {peers} peers, of which {talking} talk, {sessions} sessions, {actions} changes, {framing:?}\n{}",
        details(&plan)
    )
}

fn details(plan: &Plan) -> String {
    let mut text = String::new();
    let parts = [
        plan.step.map(|step| format!("clocks go on by {step} ms each time that they are looked at")),
        plan.race.map(|edge| format!("two sessions race over edge {edge}")),
        plan.loss.map(|edge| format!("the server of edge {edge} loses a cluster")),
        plan.crowd.map(|crowd| format!("many rows are written at edge {}, {:?}", crowd.edge, crowd.kind)),
        plan.relay
            .map(|[from, to]| format!("what goes over edge {from} is asked for over edge {to} meanwhile")),
        plan.album.map(|edge| format!("a table comes over edge {edge} as a disk is nearly full")),
    ];
    parts.into_iter().flatten().for_each(|part| text.extend([part.as_str(), "\n"]));
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
                let first = limits.first_send_bytes.min(send);
                let (gimmes, reply_gimmes) = (limits.gimmes, limits.reply_gimmes);
                writeln!(
                    text,
                    "{item}: send {first} to {send} and {gimmes} gimmes, reply {reply} in {} ms and {reply_gimmes} gimmes{}",
                    limits.reply_ms,
                    bounds(limits)
                )
            }
            Item::Budgets(peer) => {
                let named =
                    plan.budgets[peer as usize].named().map(|(name, value)| format!(" {name} {value}"));
                writeln!(text, "{item}:{}", named.collect::<String>())
            }
            Item::Skew(peer) => writeln!(text, "{item}: {} ms", plan.skews[peer as usize]),
            Item::Bulk => writeln!(text, "{item}: {} and {} files", plan.bulk, plan.more_bulk),
            Item::Guest(peer) => writeln!(text, "{item}: letters {:?}", plan.nobody[peer as usize]),
            Item::Stock(peer) => {
                let version = plan.stock[peer as usize];
                version.map_or(Ok(()), |version| writeln!(text, "{item}: {version:?}"))
            }
            Item::Choice(site) => {
                let ratio = plan.choices[&site];
                writeln!(text, "{item}: {} in {}", ratio.part, ratio.whole)
            }
            Item::Clone(_) | Item::Daemon(_) | Item::Feature(_) => writeln!(text, "{item}"),
            _ => Ok(()),
        };
    }
    text
}

/// What ends sessions with which nothing is wrong.
fn bounds(limits: &Limits) -> String {
    if *limits == plan::unbounded(limits) {
        return String::new();
    }
    let Limits { rounds, idle_rounds, session_artifacts, session_bytes, .. } = limits;
    format!(
        ", no session of over {rounds} rounds, {idle_rounds} idle, {session_artifacts} artifacts, {session_bytes} bytes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst::node::Templates;
    use dst::plan::{Crowd, Crowding, Level};
    use dst::sim;

    /// What breaks the rule for trials, with lines to spare.
    fn script() -> Script {
        Script { planted: [Item::Action(0)].into(), ..Script::new(7, Level::Hostile) }
    }

    fn play(script: &Script) -> Outcome {
        let templates = Templates::new().expect("repositories in memory");
        sim::play(script, &templates, SHOWN).expect("a run")
    }

    fn planted() -> Outcome {
        play(&script())
    }

    #[test]
    fn a_broken_rule_is_told_with_what_the_seed_decided_and_how_to_run_it_again() {
        let outcome = planted();
        let (decided, lines) = (options(&outcome.plan), outcome.trace.lines());
        let last = planted().trace.last();
        let mut out = Vec::new();
        seed_broken(&mut out, outcome).expect("memory");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(last.len(), SHOWN);
        let trace = last.join("\n");
        let expected = format!(
            "{trace}\n\nseed 7, level hostile, broken: planted: all that it takes happened\n{decided}\
             after {lines} lines of trace\n\
             again: cargo run --release -p frond-dst -- run --seed 7 --level hostile --trace\n\
             smaller: cargo run --release -p frond-dst -- shrink --seed 7 --level hostile -o seed-7-hostile.script\n"
        );
        assert_eq!(text, expected);
        assert!(trace.contains("VIOLATION planted"), "{trace}");
    }

    #[test]
    fn a_script_is_told_with_what_took_place_where_it_leaves_something_out() {
        let whole = script();
        let part = Script { without: (0..2).map(Item::Session).collect(), ..whole.clone() };
        for (script, is_whole) in [(whole, true), (part, false)] {
            let outcome = play(&script);
            let (all, left) = (options(&outcome.plan), left(&outcome));
            assert_ne!(all, left);
            let (told, lines, mut out) =
                (if is_whole { all } else { left }, outcome.trace.lines(), Vec::new());
            script_broken(&mut out, outcome, &script, Path::new("a.script")).expect("memory");
            let text = String::from_utf8(out).expect("text");
            let end = format!(
                ", broken: planted: all that it takes happened\n{told}after {lines} lines of trace\n\
                 again: cargo run --release -p frond-dst -- replay a.script --trace\n"
            );
            assert!(text.ends_with(&end), "{text}");
        }
    }

    #[test]
    fn a_command_is_told_as_a_shell_takes_it() {
        let cases = [
            ("a/b-1.script", "a/b-1.script"),
            ("my runs/a.script", "'my runs/a.script'"),
            ("it's", r"'it'\''s'"),
            ("$HOME;*", "'$HOME;*'"),
            ("~", "'~'"),
            ("", "''"),
        ];
        for (path, word) in cases {
            assert_eq!(replay(Path::new(path)), format!("replay {word}"));
        }
        // A name that begins with a dash is no option.
        assert_eq!(replay(Path::new("-x")), "replay ./-x");
    }

    #[test]
    fn what_is_left_of_a_run_counts_what_took_place() {
        let outcome = planted();
        let (plan, left) = (outcome.left(), left(&outcome));
        let count = |is: fn(&Item) -> bool| outcome.done.iter().filter(|&item| is(item)).count();
        let (sessions, actions) =
            (count(|item| matches!(item, Item::Session(_))), count(|item| matches!(item, Item::Action(_))));
        assert!(left.contains(&format!(" talk, {sessions} sessions, {actions} changes, ")), "{left}");
        assert_eq!((plan.race, plan.loss), (None, None), "it ended before");
    }

    #[test]
    fn what_is_brought_about_on_purpose_is_left_where_its_user_did_something() {
        let (mut outcome, crowd) = (planted(), Crowd { edge: 0, kind: Crowding::Apart });
        let purposes = |plan: &Plan| (plan.race, plan.crowd, plan.relay, plan.album);
        let all = (Some(0), Some(crowd), Some([0, 1]), Some(0));
        let plan = &mut outcome.plan;
        (plan.race, plan.crowd, plan.relay, plan.album) = all;
        outcome.done = [900, 970, 980, 990].map(Item::Action).into();
        assert_eq!(purposes(&outcome.left()), all);
        outcome.done.clear();
        assert_eq!(purposes(&outcome.left()), (None, None, None, None));
    }

    #[test]
    fn what_a_seed_decided_has_its_step_its_race_and_its_loss() {
        let plan = Plan { step: None, ..Plan::draw(1, Level::Calm, Edition::default()) };
        let all = Plan { step: Some(400), race: Some(0), loss: Some(1), ..plan.clone() };
        let lines = "clocks go on by 400 ms each time that they are looked at\n\
                     two sessions race over edge 0\nthe server of edge 1 loses a cluster\n";
        assert_eq!(options(&all).replacen(lines, "", 1), options(&plan));
        assert_ne!(options(&all), options(&plan));
    }
}
