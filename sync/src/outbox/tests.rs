//! Artifacts that get into a message each in its own way, under one budget.

use super::*;
use crate::testing::{Fixture, cx, holding, id, text};
use crate::{Limits, NoFaults, NoObserver};

/// A delta that is stored as such, one that is made, an artifact that is too small for either, and one too large to be held.
struct Mixed {
    fixture: Fixture,
    names: [String; 4],
}

/// What became of one that was asked for: the form in which it was sent, and its bytes; none if there was no room.
type Told = (String, Option<(&'static str, u64)>);

impl Mixed {
    fn new() -> Self {
        let version = |which: &str| format!("{}{which}", "version-of-a-longer-text-".repeat(8));
        let (old, native, made) = (version("old"), version("native"), version("made"));
        let large = "large-".repeat(LARGE_BYTES as usize / 6 + 1);
        let mut fixture =
            holding(&format!("{old} {made} small {large}")).delta(&native, &old, Privacy::Public);
        for child in [&native, &made] {
            fixture.sql(&format!(
                "INSERT INTO plink(pid, cid, isprim, mtime) SELECT p.rid, c.rid, 1, 0 FROM blob p, blob c
                  WHERE p.uuid='{}' AND c.uuid='{}'",
                id(&old),
                id(child)
            ));
        }
        Self { fixture, names: [native, made, "small".to_owned(), large] }
    }

    /// Asks for them in an order, for a reply of so many bytes.
    fn ask(&mut self, order: [usize; 4], reply_bytes: u64) -> Vec<Told> {
        let (limits, mut observer) = (Limits { reply_bytes, ..Limits::default() }, NoObserver);
        let (snap, cx) = (self.fixture.repo.snapshot().unwrap(), cx(&limits, &NoFaults, &mut observer));
        let mut outbox = Outbox::of_reply(&snap, &cx).unwrap();
        let asked = order.map(|at| outbox.outlet().find(&id(&self.names[at])).unwrap().unwrap());
        let mut told = Vec::new();
        let name = |id: ArtifactId| id.to_string();
        outbox
            .towards_older(&mut asked.into_iter().map(|one| Ok((one, Form::Delta))), &mut |one, card| {
                told.push((name(one.id), card.map(|card| sent(&card))));
                ControlFlow::Continue(())
            })
            .unwrap();
        told
    }
}

fn sent(card: &Card) -> (&'static str, u64) {
    let Card::File(file) = card else { panic!("{card:?}") };
    let form = if file.delta_source.is_some() { "delta" } else { "whole" };
    (form, card.payload_bytes() as u64)
}

fn bytes(told: &[Told]) -> (usize, u64) {
    let sent: Vec<u64> = told.iter().filter_map(|(_, sent)| sent.map(|(_, bytes)| bytes)).collect();
    (sent.len(), sent.iter().sum())
}

const ORDERS: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];

#[test]
fn with_room_for_all_each_goes_its_own_way() {
    let mut mixed = Mixed::new();
    let large = text(&mixed.names[3]).len() as u64;
    for order in ORDERS {
        let told = mixed.ask(order, 2 * large);
        let form = |at: usize| {
            let name = id(&mixed.names[at]).to_string();
            told.iter().find(|(id, _)| *id == name).and_then(|(_, sent)| sent.map(|(form, _)| form))
        };
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!([0, 1, 2, 3].map(form), [Some("delta"), Some("delta"), Some("whole"), Some("whole")]);
    }
}

#[test]
fn whatever_the_ways_all_share_one_budget_and_what_is_put_off_finds_no_room() {
    let mut mixed = Mixed::new();
    let plenty = mixed.ask(ORDERS[0], u64::MAX);
    let size = |name: &String| plenty.iter().find(|(id, _)| id == name).unwrap().1.unwrap().1;
    let sizes: Vec<u64> = plenty.iter().map(|(id, _)| size(id)).collect();
    // Each sum of some of them, and a byte less and more.
    let sums =
        (0..16_usize).map(|some| (0..4).filter(|at| some >> at & 1 == 1).map(|at| sizes[at]).sum::<u64>());
    let budgets: BTreeSet<u64> = sums.flat_map(|sum| [sum.saturating_sub(1), sum, sum + 1]).collect();
    for (order, &budget) in ORDERS.iter().flat_map(|order| budgets.iter().map(move |budget| (order, budget)))
    {
        let told = mixed.ask(*order, budget);
        let names: BTreeSet<&String> = told.iter().map(|(id, _)| id).collect();
        assert_eq!((told.len(), names.len()), (4, 4), "each is told of once: {told:?}");
        let (count, bytes) = bytes(&told);
        assert!(count == 1 || count > 1 && bytes <= budget, "{count} of {bytes} bytes under {budget}");
        for (name, _) in told.iter().filter(|(_, sent)| sent.is_none()) {
            // A stored delta has to have room as it is stored, too.
            let frame = size(name) + 16;
            assert!(bytes + frame > budget, "{} bytes are put off beside {bytes} of {budget}", size(name));
        }
    }
}

/// How many of `names` are sent, asked for in order, in a reply that has so much time by a clock that goes on with each look.
fn sent_in_time(fixture: Fixture, names: &[String], reply_ms: u64) -> usize {
    let mut fixture = fixture.limited(|limits| limits.reply_ms = reply_ms);
    let elapsed = std::cell::Cell::new(0);
    let clock = || {
        elapsed.set(elapsed.get() + 1);
        UnixTime(elapsed.get())
    };
    let mut observer = NoObserver;
    let mut cx = cx(&fixture.limits, &NoFaults, &mut observer);
    cx.clock = Some(&clock);
    let snap = fixture.repo.snapshot().unwrap();
    let mut outbox = Outbox::of_reply(&snap, &cx).unwrap();
    let asked = names.iter().map(|name| outbox.outlet().find(&id(name)).unwrap().unwrap());
    let asked: Vec<Outgoing> = asked.collect();
    let mut told = Vec::new();
    outbox
        .towards_older(&mut asked.into_iter().map(|one| Ok((one, Form::Delta))), &mut |_, card| {
            told.push(card.is_some());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(told.len(), names.len(), "each is told of");
    told.into_iter().filter(|is_sent| *is_sent).count()
}

#[test]
fn what_is_ready_when_time_is_up_is_sent_and_no_more() {
    let names: Vec<String> =
        (0..6).map(|n| format!("{}{n}", "version-of-a-longer-text-".repeat(9))).collect();
    let apart = || holding(&names.join(" "));
    let versions = || {
        let mut fixture = apart();
        for pair in names.windows(2) {
            let [older, newer] = [id(&pair[0]), id(&pair[1])];
            fixture.sql(&format!(
                "INSERT INTO plink(pid, cid, isprim, mtime)
                 SELECT p.rid, c.rid, 1, 0 FROM blob p, blob c WHERE p.uuid='{older}' AND c.uuid='{newer}'"
            ));
        }
        fixture
    };
    for reply_ms in 1..9 {
        // The first needs no time, each further one a look that comes in time.
        assert_eq!(
            sent_in_time(apart(), &names, reply_ms),
            names.len().min(reply_ms as usize),
            "{reply_ms} ms"
        );
        let sent = sent_in_time(versions(), &names, reply_ms);
        assert!(sent >= 1 && sent <= reply_ms as usize, "{sent} of versions in {reply_ms} ms");
    }
    assert_eq!(sent_in_time(versions(), &names, 100), names.len());
}
