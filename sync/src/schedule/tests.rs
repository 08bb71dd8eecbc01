use proptest::prelude::*;

use super::*;

const SETTLE: u64 = 50;

/// A pace with a session every 10 seconds, on the second.
fn pace() -> Pace {
    Pace {
        interval: Some(seconds(10)),
        jitter_percent: 0,
        settle: Duration::from_millis(SETTLE),
        retry: seconds(2),
        retry_cap: seconds(64),
        gives: true,
        takes: true,
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const DONE: Outcome = Outcome::Done { received: false };
const RECEIVED: Outcome = Outcome::Done { received: true };

/// Peers whose first session ended at second 0.
fn at_rest(paces: Vec<Pace>) -> Schedule {
    let peers = paces.len();
    let mut schedule = Schedule::new(paces, 7, Duration::ZERO);
    schedule.on(Wake::Tick, Duration::ZERO);
    for peer in 0..peers {
        schedule.on(Wake::Ended { peer, outcome: DONE }, Duration::ZERO);
    }
    schedule
}

/// Lets time pass to the next deadline, and gives it with what begins then.
fn next(schedule: &mut Schedule) -> (u128, Vec<(usize, Reason)>) {
    let at = schedule.next_deadline().expect("something is due");
    let begun = begun(&schedule.on(Wake::Tick, at));
    (at.as_millis(), begun)
}

fn begun(actions: &[Action]) -> Vec<(usize, Reason)> {
    let begin = |action: &Action| match action {
        Action::Begin { peer, reason } => Some((*peer, *reason)),
        Action::Announce => None,
    };
    actions.iter().filter_map(begin).collect()
}

#[test]
fn every_peer_has_a_session_at_the_start_and_at_each_interval() {
    let mut schedule = Schedule::new(vec![pace(), pace()], 7, seconds(5));
    let first = schedule.on(Wake::Tick, seconds(5));
    assert_eq!(begun(&first), [(0, Reason::Start), (1, Reason::Start)]);
    schedule.on(Wake::Ended { peer: 1, outcome: DONE }, seconds(6));
    assert_eq!(next(&mut schedule), (16_000, vec![(1, Reason::Interval)]), "peer 0 holds up nobody");
    assert_eq!(schedule.next_deadline(), None, "both are under way");
}

#[test]
fn news_begin_a_session_with_whom_they_concern() {
    let giver = Pace { takes: false, ..pace() };
    let taker = Pace { gives: false, ..pace() };
    let settled = 1_000 + u128::from(SETTLE);
    let cases = [
        (Wake::Changed, settled, vec![(0, Reason::Changed)]),
        (Wake::Announced(None), settled, vec![(1, Reason::Announced)]),
        (Wake::Announced(Some(1)), settled, vec![(1, Reason::Announced)]),
        (Wake::Announced(Some(0)), 10_000, vec![(0, Reason::Interval), (1, Reason::Interval)]),
        (Wake::Ended { peer: 0, outcome: RECEIVED }, 10_000, vec![(1, Reason::Interval)]),
        (Wake::Ended { peer: 1, outcome: RECEIVED }, settled, vec![(0, Reason::Changed)]),
    ];
    for (wake, at, sessions) in cases {
        let mut schedule = at_rest(vec![giver.clone(), taker.clone()]);
        if let Wake::Ended { peer, .. } = wake {
            schedule.on(Wake::SyncNow(Some(peer)), seconds(1));
        }
        assert_eq!(begun(&schedule.on(wake, seconds(1))), [], "{wake:?}");
        assert_eq!(next(&mut schedule), (at, sessions), "{wake:?}");
    }
}

#[test]
fn what_is_new_here_is_announced_wherever_it_came_from() {
    let mut schedule = at_rest(vec![pace()]);
    assert_eq!(schedule.on(Wake::Changed, seconds(1)), [Action::Announce]);
    schedule.on(Wake::Tick, seconds(2));
    let ended = |outcome| Wake::Ended { peer: 0, outcome };
    assert_eq!(schedule.on(ended(RECEIVED), seconds(3)), [Action::Announce]);
    schedule.on(Wake::SyncNow(None), seconds(4));
    assert_eq!(schedule.on(ended(DONE), seconds(5)), []);
}

#[test]
fn many_news_take_one_session() {
    let mut schedule = at_rest(vec![pace()]);
    for wake in [Wake::Changed, Wake::Announced(None), Wake::Changed, Wake::Announced(Some(0))] {
        assert_eq!(begun(&schedule.on(wake, seconds(1))), []);
    }
    assert_eq!(next(&mut schedule).1, [(0, Reason::Changed)]);
}

#[test]
fn news_during_a_session_begin_another_after_it() {
    for (wake, at, reason) in [
        (Wake::Changed, 1_000 + u128::from(SETTLE), Reason::Changed),
        (Wake::Announced(None), 1_000 + u128::from(SETTLE), Reason::Announced),
        (Wake::NetworkReturned, 11_000, Reason::Interval),
    ] {
        let mut schedule = Schedule::new(vec![pace()], 7, Duration::ZERO);
        schedule.on(Wake::Tick, Duration::ZERO);
        assert_eq!(begun(&schedule.on(wake, Duration::ZERO)), [], "one at a time");
        assert_eq!(begun(&schedule.on(Wake::Ended { peer: 0, outcome: DONE }, seconds(1))), []);
        assert_eq!(next(&mut schedule), (at, vec![(0, reason)]), "{wake:?}");
    }
}

#[test]
fn no_news_during_a_session_are_forgotten_for_others() {
    let settled = 2_000 + u128::from(SETTLE);
    for (first, news, at, reason) in [
        (Outcome::Failed, vec![Wake::Changed], settled, Reason::Changed),
        (DONE, vec![Wake::Announced(None), Wake::NetworkReturned], settled, Reason::Announced),
        (DONE, vec![Wake::Changed, Wake::NetworkReturned], settled, Reason::Changed),
    ] {
        let mut schedule = at_rest(vec![pace()]);
        schedule.on(Wake::SyncNow(None), seconds(1));
        schedule.on(Wake::Ended { peer: 0, outcome: first }, seconds(1));
        schedule.on(Wake::SyncNow(None), seconds(1));
        for &wake in &news {
            assert_eq!(begun(&schedule.on(wake, seconds(1))), [], "one at a time");
        }
        schedule.on(Wake::Ended { peer: 0, outcome: DONE }, seconds(2));
        assert_eq!(next(&mut schedule), (at, vec![(0, reason)]), "{news:?}");
    }
}

#[test]
fn who_asks_during_a_session_gets_the_next_at_once_whatever_came_of_it() {
    for outcome in [DONE, RECEIVED, Outcome::Failed, Outcome::Refused] {
        let mut schedule = Schedule::new(vec![pace()], 7, Duration::ZERO);
        schedule.on(Wake::Tick, Duration::ZERO);
        schedule.on(Wake::SyncNow(None), Duration::ZERO);
        schedule.on(Wake::Changed, Duration::ZERO);
        let actions = schedule.on(Wake::Ended { peer: 0, outcome }, seconds(1));
        assert_eq!(begun(&actions), [(0, Reason::Asked)], "{outcome:?}");
    }
}

#[test]
fn failures_in_a_row_wait_longer_up_to_the_cap() {
    let mut schedule = at_rest(vec![pace()]);
    let mut now = seconds(10);
    for longest in [2, 4, 8, 16, 32, 64, 64, 64] {
        assert_eq!(begun(&schedule.on(Wake::Tick, now)).len(), 1);
        schedule.on(Wake::Ended { peer: 0, outcome: Outcome::Failed }, now);
        let wait = schedule.next_deadline().unwrap() - now;
        assert!(wait <= seconds(longest) && wait * 2 >= seconds(longest), "{wait:?} of {longest} s");
        now += wait;
    }
    schedule.on(Wake::Tick, now);
    schedule.on(Wake::Ended { peer: 0, outcome: DONE }, now);
    assert_eq!(schedule.next_deadline(), Some(now + seconds(10)), "all is well again");
}

#[test]
fn a_refusal_waits_for_whoever_mends_it() {
    let mut schedule = at_rest(vec![pace()]);
    schedule.on(Wake::SyncNow(None), seconds(1));
    schedule.on(Wake::Ended { peer: 0, outcome: Outcome::Refused }, seconds(1));
    assert!(schedule.next_deadline().unwrap() >= seconds(33));
    assert_eq!(begun(&schedule.on(Wake::SyncNow(None), seconds(2))), [(0, Reason::Asked)]);
}

#[test]
fn after_failures_only_what_may_help_comes_before_the_wait_is_over() {
    let failing = || {
        let mut schedule = at_rest(vec![pace()]);
        let mut now = seconds(1);
        for _ in 0..6 {
            schedule.on(Wake::SyncNow(None), now);
            now += seconds(1);
            schedule.on(Wake::Ended { peer: 0, outcome: Outcome::Failed }, now);
        }
        (schedule, now)
    };
    let (mut schedule, now) = failing();
    let waits_until = schedule.next_deadline().unwrap();
    schedule.on(Wake::Changed, now);
    assert_eq!(schedule.next_deadline(), Some(waits_until), "a change here makes nobody reachable");
    schedule.on(Wake::Announced(Some(0)), now);
    assert_eq!(schedule.next_deadline(), Some(now + seconds(2)), "as after a first failure");
    let (mut schedule, now) = failing();
    assert_eq!(begun(&schedule.on(Wake::NetworkReturned, now)), [(0, Reason::NetworkReturned)]);
    schedule.on(Wake::Ended { peer: 0, outcome: Outcome::Failed }, now);
    assert!(schedule.next_deadline().unwrap() <= now + seconds(2), "the wait begins anew");
}

#[test]
fn without_an_interval_only_news_begin_a_session() {
    let mut schedule = at_rest(vec![Pace { interval: None, ..pace() }]);
    assert_eq!(schedule.next_deadline(), None);
    schedule.on(Wake::Changed, seconds(1));
    assert_eq!(next(&mut schedule).1, [(0, Reason::Changed)]);
    schedule.on(Wake::Ended { peer: 0, outcome: Outcome::Failed }, seconds(2));
    assert!(schedule.next_deadline().is_some(), "what failed is tried again");
}

#[test]
fn nothing_begins_once_it_is_to_stop() {
    let mut schedule = at_rest(vec![pace(), pace()]);
    schedule.on(Wake::SyncNow(Some(0)), seconds(1));
    assert_eq!(schedule.on(Wake::Stopping, seconds(1)), []);
    let ended = Wake::Ended { peer: 0, outcome: RECEIVED };
    for wake in [Wake::SyncNow(None), Wake::Changed, Wake::Tick, ended] {
        assert_eq!(schedule.on(wake, seconds(100)), []);
    }
    assert_eq!(schedule.next_deadline(), None);
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut schedule = at_rest(vec![pace()]);
    schedule.on(Wake::Tick, seconds(9));
    schedule.on(Wake::Changed, seconds(3));
    assert_eq!(schedule.next_deadline(), Some(seconds(9) + Duration::from_millis(SETTLE)));
}

/// A step of a long run: something happens to a peer, some time after the last.
fn step() -> impl Strategy<Value = (u8, usize, u64)> {
    (0..10_u8, 0..3_usize, prop_oneof![0..200_u64, 0..100_000_u64])
}

proptest! {
    #[test]
    fn whatever_happens_sessions_go_on_one_at_a_time_and_never_in_a_storm(
        seed: u64,
        jitter_percent in 0..=100_u32,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let pace = Pace { jitter_percent, ..pace() };
        let longest = pace.retry_cap.max(pace.interval.unwrap() * 2);
        let mut schedule = Schedule::new(vec![pace; 3], seed, Duration::ZERO);
        let mut again = schedule.clone();
        let (mut now, mut running) = (Duration::ZERO, [false; 3]);
        for (what, peer, later) in steps {
            now += Duration::from_millis(later);
            let ended = |outcome| if running[peer] { Wake::Ended { peer, outcome } } else { Wake::Tick };
            let wake = match what {
                0 => Wake::Changed,
                1 => Wake::Announced(Some(peer)),
                2 => Wake::Announced(None),
                3 => Wake::SyncNow(Some(peer)),
                4 => Wake::NetworkReturned,
                5 => ended(DONE),
                6 => ended(RECEIVED),
                7 => ended(Outcome::Failed),
                8 => ended(Outcome::Refused),
                _ => Wake::Tick,
            };
            if let Wake::Ended { .. } = wake {
                running[peer] = false;
            }
            let actions = schedule.on(wake, now);
            prop_assert_eq!(&actions, &again.on(wake, now), "the same seed decides the same");
            for (begins, _) in begun(&actions) {
                prop_assert!(!running[begins], "a second session with peer {} begins", begins);
                running[begins] = true;
            }
            if let Wake::SyncNow(Some(asked)) = wake {
                prop_assert!(running[asked]);
            }
            match schedule.next_deadline() {
                None => prop_assert!(running.iter().all(|is_running| *is_running), "nothing would ever happen"),
                Some(at) => {
                    prop_assert!(at > now, "whoever waits for the deadline would spin");
                    prop_assert!(at <= now + longest, "a peer is forgotten until {:?}", at);
                }
            }
            for (standing, is_running) in schedule.standings().zip(running) {
                prop_assert_eq!(standing.is_running, is_running);
                prop_assert_eq!(standing.next.is_none(), is_running);
            }
        }
    }
}

#[test]
fn a_peer_that_wants_to_be_left_alone_is_left_alone_so_long_at_least() {
    for (wait, least) in [(1, 1_000), (90, 90_000)] {
        let mut schedule = at_rest(vec![pace()]);
        schedule.on(Wake::SyncNow(Some(0)), Duration::ZERO);
        schedule.on(Wake::Ended { peer: 0, outcome: Outcome::Busy { wait: seconds(wait) } }, Duration::ZERO);
        let changed = schedule.on(Wake::Changed, Duration::ZERO);
        assert_eq!(begun(&changed), [], "news here make no difference");
        let (at, begun) = next(&mut schedule);
        assert!(at >= least && at <= least.max(2_000), "{at}");
        assert_eq!(begun, [(0, Reason::Retry)]);
    }
}
