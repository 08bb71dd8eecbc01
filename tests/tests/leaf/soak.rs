//! The soak of a fleet, small.

use std::time::Duration;

use frond_tests::soak::Fleet;

#[test]
fn a_fleet_under_kills_cuts_stalls_and_a_broker_that_is_away_converges_and_is_sound() {
    let mut fleet = Fleet::start(3, 2, 1);
    fleet.trouble(Duration::from_secs(10));
    assert!(fleet.converge("the last fault"));
    assert!(fleet.time_one());
    fleet.without_broker(Duration::from_secs(15));
    assert!(fleet.converge("the broker came back"));
    assert!(fleet.verify());
}
