//! Whose a row is, where several say different things.

use super::*;

#[test]
fn t1_owners_are_enforced_from_who_is_logged_in() {
    let (mut alice, mut bob, mut server) = (Peer::new(Rule::Owner), Peer::new(Rule::Owner), Peer::bare());
    alice.put("alice", flag("x", 1));
    sync(&mut alice, &mut server, visitor(Authority::User("alice")));
    assert_equal(&mut alice, &mut server);
    // Bob wrote the same key before he knew, later: the server has decided, and he gives way.
    bob.now += 10;
    bob.put("bob", flag("x", 2));
    let moved = sync(&mut bob, &mut server, visitor(Authority::User("bob")));
    assert_eq!(moved.said, ["table t: a row was refused: the row belongs to \"alice\""]);
    assert_equal(&mut bob, &mut server);
    assert_equal(&mut alice, &mut server);
    // He cannot claim to be alice, nor delete, nor write as nobody.
    bob.now += 10;
    bob.put("alice", flag("x", 3));
    bob.put("alice", flag("y", 3));
    for authority in [Authority::User("bob"), Authority::Nobody] {
        let moved = sync(&mut bob, &mut server, visitor(authority));
        assert_eq!(moved.said.len(), 1, "{moved:?}");
        assert_equal(&mut alice, &mut server);
    }
    // Alice may, again and again.
    for on in 4..6 {
        alice.now += 100;
        alice.put("alice", flag("x", on));
        sync(&mut alice, &mut server, visitor(Authority::User("alice")));
        assert_equal(&mut alice, &mut server);
    }
    alice.remove("alice", "x");
    sync(&mut alice, &mut server, visitor(Authority::User("alice")));
    assert_eq!(server.rows()[0].state, State::Deleted);
}

/// A reply may have room for one row: what it does not come to is asked for, and sent, again.
#[test]
fn t1_a_server_with_little_room_decides_of_all_rows_that_it_was_sent() {
    let (mut bob, mut server) = (Peer::new(Rule::Owner), Peer::new(Rule::Owner));
    for (at, row) in ["u", "v", "w", "x"].into_iter().enumerate() {
        server.put("alice", flag(row, at as i64));
    }
    server.now += 20;
    server.put("alice", flag("y", 9));
    bob.now += 10;
    for row in ["u", "v", "w", "x"] {
        bob.put("bob", flag(row, 1));
    }
    let narrow = Visitor { reply_bytes: 0, ..visitor(Authority::User("bob")) };
    sync(&mut bob, &mut server, narrow);
    assert_equal(&mut bob, &mut server);
}

#[test]
fn t1_a_row_that_was_contested_too_often_leaves_room_for_the_others() {
    let mut bob = Peer::new(Rule::Owner);
    let narrow = Visitor { reply_bytes: 0, ..visitor(Authority::User("bob")) };
    // One server after the other says of this row that it is alice's.
    for time in 0..=i64::from(repo::table::MAX_VERDICTS) {
        let mut server = Peer::new(Rule::Owner);
        server.put("alice", flag("x", 0));
        bob.now += 10;
        let row = Row {
            values: flag("x", time),
            state: State::Live,
            mtime: bob.now,
            owner: Some("bob".to_owned()),
        };
        bob.write(|writer| writer.merge(&row, Authority::Peer).unwrap());
        sync(&mut bob, &mut server, narrow);
    }
    let mut server = Peer::new(Rule::Owner);
    server.put("alice", flag("x", 0));
    server.now += 1_000;
    server.put("alice", flag("y", 1));
    sync(&mut bob, &mut server, narrow);
    assert!(bob.rows().iter().any(|row| row.owner.as_deref() == Some("bob")), "it is contested");
    assert_eq!(bob.rows().len(), 2, "and the other one came all the same");
}

#[test]
fn t1_a_row_of_another_user_that_came_by_a_pull_stays_as_it_is_when_a_server_refuses_it() {
    let (mut alice, mut one, mut other) = (Peer::new(Rule::Owner), Peer::bare(), Peer::bare());
    alice.put("alice", flag("x", 1));
    for server in [&mut one, &mut other] {
        sync(&mut alice, server, visitor(Authority::User("alice")));
    }
    alice.now += 5;
    alice.put("alice", flag("x", 2));
    sync(&mut alice, &mut one, visitor(Authority::User("alice")));
    let mut bob = Peer::bare();
    sync(&mut bob, &mut one, visitor(Authority::User("bob")));
    sync(&mut bob, &mut other, visitor(Authority::User("bob")));
    assert_equal(&mut bob, &mut one);
    sync(&mut bob, &mut other, visitor(Authority::Peer));
    assert_equal(&mut other, &mut one);
}

#[test]
fn t1_what_a_server_decided_stays_though_an_administrator_asks_its_client() {
    let [mut administrator, mut between, mut server] = [0; 3].map(|_| Peer::new(Rule::Owner));
    server.put("alice", flag("x", 1));
    administrator.now += 10;
    administrator.put("bob", flag("x", 2));
    // As long as nobody has the row, it may be anybody's.
    sync(&mut administrator, &mut between, visitor(Authority::Administrator));
    assert_equal(&mut administrator, &mut between);
    sync(&mut between, &mut server, visitor(Authority::User("between")));
    assert_equal(&mut between, &mut server);
    let moved = sync(&mut administrator, &mut between, visitor(Authority::Administrator));
    assert_eq!(moved.said, ["table t: a row was refused: the row belongs to \"alice\""]);
    assert_equal(&mut administrator, &mut server);
    // Who may do everything changes the row, and it stays alice's.
    administrator.now += 10;
    administrator.put("alice", flag("x", 3));
    sync(&mut administrator, &mut between, visitor(Authority::Administrator));
    assert_equal(&mut administrator, &mut between);
}

#[test]
fn t1_three_who_ask_each_other_in_a_circle_agree_in_the_end() {
    let mut peers = [0; 3].map(|_| Peer::new(Rule::Owner));
    for (at, peer) in peers.iter_mut().enumerate() {
        peer.now += 10 * at as i64;
        peer.put(["alice", "bob", "carol"][at], flag("x", at as i64));
    }
    let mut said = Vec::new();
    for session in 0..60 {
        let [client, server] = peers.get_disjoint_mut([session % 3, (session + 1) % 3]).unwrap();
        said.extend(sync(client, server, visitor(Authority::User("eve"))).said);
    }
    let [one, two, three] = &mut peers;
    assert_equal(one, two);
    assert_equal(two, three);
    let end = "table t: a row was refused: servers disagree whose row it is";
    assert_eq!(said.iter().filter(|said| *said == end).count(), 1, "{said:?}");
}
