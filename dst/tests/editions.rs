//! What seeds of each edition mean. Kept seeds are of their edition for good: what they draw is not to change by what is invented
//! later.

use dst::plan::{Edition, Level, Plan};
use sync::Limits;
use xfer::hash;

/// All that a seed decides beforehand, as a text. What a later edition adds to a plan does not belong here. Limits are told where
/// they are not those that are shipped: these may change.
fn told(plan: &Plan) -> String {
    let mut parts = vec![
        format!("{:?} {:?} {:?} {:?}", plan.shape, plan.edges, plan.births, plan.nobody),
        format!("{:?} {:?} {:?} {:?}", plan.budgets, plan.step, plan.skews, plan.faults),
        format!("{:?} {:?} {:?} {:?}", plan.features, plan.stock, plan.daemons, plan.choices),
        format!("{} {} {} {}", plan.actions, plan.sessions, plan.bulk, plan.more_bulk),
        format!("{} {} {}", plan.forks, plan.quarrels, plan.are_makers_apart),
        format!("{:?} {:?} {:?} {:?} {:?}", plan.race, plan.loss, plan.crowd, plan.relay, plan.album),
        format!("{:?} {}", plan.framing, plan.span),
    ];
    let shipped = numbers(&Limits::default());
    for limits in &plan.limits {
        let pairs = numbers(limits).into_iter().zip(shipped);
        parts.extend(pairs.map(|(own, usual)| if own == usual { "-".to_owned() } else { own.to_string() }));
    }
    parts.join(" ")
}

fn numbers(limits: &Limits) -> [u64; 13] {
    [
        limits.send_bytes,
        limits.first_send_bytes,
        limits.reply_bytes,
        limits.reply_ms,
        limits.rounds.into(),
        limits.round_artifacts,
        limits.round_bytes,
        limits.idle_rounds.into(),
        limits.session_artifacts,
        limits.session_bytes,
        limits.gimmes as u64,
        limits.idle_gimmes as u64,
        limits.reply_gimmes as u64,
    ]
}

/// The SHA1 of what the first hundred seeds of each level decide.
fn meaning(edition: Edition) -> String {
    let plans =
        Level::ALL.into_iter().flat_map(|level| (0..100).map(move |seed| Plan::draw(seed, level, edition)));
    let text: String = plans.map(|plan| told(&plan) + "\n").collect();
    hash::sha1(text.as_bytes()).to_string()
}

#[test]
fn seeds_of_an_edition_go_on_meaning_the_same() {
    let hashes = Edition::ALL.map(|edition| (edition.number(), meaning(edition)));
    let kept = [
        (1, "e611e4315a4f9f49ee568d4f4c354ca6395fdc8f"),
        (2, "9b7a945bb050987224fc708f0d1a821433e19b98"),
        (3, "792f397137479665f977ea18a62ac63848071086"),
        (4, "a4428e0956dca7c62af722f30b770213f6c2a9a8"),
        (5, "387a07b5687d6931d79fb52e04a0f10ff07e5265"),
        (6, "387a07b5687d6931d79fb52e04a0f10ff07e5265"),
        (7, "8498be1f4b110e02451f6acdf853a7317bcfbc60"),
        (8, "8498be1f4b110e02451f6acdf853a7317bcfbc60"),
    ];
    assert_eq!(hashes, kept.map(|(number, meaning)| (number, meaning.to_owned())));
}
