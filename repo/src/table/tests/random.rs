//! Random rows in random order.

use proptest::prelude::*;

use super::*;

fn any_row(rule: Rule) -> impl Strategy<Value = Row> {
    let users = prop_oneof![Just("alice"), Just("bob")];
    (users, 0..3_i64, 0..4_i64, any::<bool>()).prop_map(move |(user, on, mtime, deleted)| {
        let owner = (rule == Rule::Owner).then_some(user);
        if deleted { dead("x", NOW.0 + mtime, owner) } else { live(flag("x", on), NOW.0 + mtime, owner) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn peers_that_saw_the_same_rows_hold_the_same(
        (rule, rows) in (0..3_usize).prop_flat_map(|rule| {
            let rule = Rule::ALL[rule];
            (Just(rule), prop::collection::vec((0..3_usize, any_row(rule)), 1..12))
        }),
        meetings in prop::collection::vec((0..3_usize, 0..3_usize), 0..6),
    ) {
        let mut peers = [flags(rule), flags(rule), flags(rule)];
        for (peer, row) in &rows {
            peers[*peer].merge(row, Authority::Peer).unwrap();
        }
        // Any meetings, then enough of them for everything to reach everybody.
        for (to, from) in meetings.into_iter().chain([(0, 1), (1, 2), (2, 0), (0, 1), (1, 2), (2, 0)]) {
            if let Ok([to, from]) = peers.get_disjoint_mut([to, from]) {
                to.takes_all_of(from);
            }
        }
        let greatest = rows.iter().map(|(_, row)| row).max_by_key(|row| row.version()).unwrap();
        for peer in &mut peers {
            prop_assert_eq!(peer.rows(), vec![greatest.clone()]);
        }
    }

    #[test]
    fn digests_depend_on_the_rows_alone(
        mut rows in prop::collection::vec((0..300_i64, 0..3_i64), 1..120),
        pieces in 1..5_usize,
    ) {
        let (mut one, mut other) = (flags(Rule::LastWriter), flags(Rule::LastWriter));
        let merge = |writer: &mut Writer<'_, '_>, rows: &[(i64, i64)]| {
            for (n, on) in rows {
                writer.merge(&live(flag(&n.to_string(), *on), *on, None), Authority::Peer).unwrap();
            }
        };
        for piece in rows.chunks(pieces) {
            one.at(NOW.0, |writer| merge(writer, piece));
        }
        rows.reverse();
        other.at(NOW.0, |writer| merge(writer, &rows));
        prop_assert_eq!(one.rows(), other.rows());
        prop_assert_eq!(one.catalogue(), other.catalogue());
        other.put("a", flag("7", 9)).unwrap();
        prop_assert_ne!(one.catalogue(), other.catalogue());
    }

    #[test]
    fn no_payload_panics(json in r#"\{"(name|on|x)":("[a-z]{0,3}"|[0-9.e-]{1,5}|null)(,"(on|name)":[0-9"]{1,3})?\}?"#) {
        let table = definition("name:text on:integer", "name", Rule::LastWriter);
        for state in [State::Live, State::Deleted] {
            drop(parse(&table, state, &json));
        }
    }
}
