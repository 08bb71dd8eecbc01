//! Rows that are not kept, since they are dated far ahead: others are not to suffer from them.

use super::*;

const TWO_DAYS_MS: i64 = 2 * 86_400_000;

#[test]
fn a_row_that_is_refused_stands_in_the_way_of_no_other_and_is_asked_for_once() {
    for (rows, reply_bytes) in [(0, 1), (1, 1), (5, 1), (60, 1), (60, 500), (60, REPLY_BYTES)] {
        for ahead in 0..12 {
            let (mut client, mut server) = (many(0), many(rows));
            let now = server.now;
            server.now += TWO_DAYS_MS;
            server.put("a", flag(&format!("ahead-{ahead}"), 1));
            server.now = now;
            let moved = sync(&mut client, &mut server, Visitor { reply_bytes, ..visitor(Authority::Peer) });
            assert_eq!(client.rows().len() as i64, rows, "{rows} rows, {reply_bytes} bytes: {moved:?}");
            assert!(i64::from(moved.rounds) <= 4 * rows + 6, "{rows} rows, {reply_bytes} bytes: {moved:?}");
        }
    }
}

#[test]
fn many_rows_that_are_refused_stand_in_the_way_of_no_other_either() {
    for (ahead, request_bytes, reply_bytes) in [
        (20, 2_000, 1),
        (100, 2_000, 1),
        (100, 700, 1),
        (100, 1, 1),
        (200, REQUEST_BYTES, 1),
        (200, 2_000, 500),
    ] {
        let (mut client, mut server) = (many(0), many(0));
        server.now += TWO_DAYS_MS;
        (0..ahead).for_each(|n| server.put("a", flag(&format!("ahead-{n}"), 1)));
        server.now -= TWO_DAYS_MS;
        (0..20).for_each(|n| server.put("a", flag(&format!("host-{n}"), 1)));
        let narrow = Visitor { request_bytes, reply_bytes, ..visitor(Authority::Peer) };
        let moved = sync(&mut client, &mut server, narrow);
        let case = format!("{ahead} rows ahead, {request_bytes} and {reply_bytes} bytes");
        assert_eq!(client.rows().len(), 20, "{case}: {} rounds", moved.rounds);
    }
}
