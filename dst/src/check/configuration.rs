//! Configuration: a message has what was asked for, as it stands, as far as the rights go, and nothing else; a record
//! changes only for who may, to what was brought, and to something newer; nobody makes, becomes or changes a user who
//! may do more; what is of one machine stays there; and in the end what is newer is everywhere that it may be.
//!
//! What stands where, and what may travel, is stated here anew (wire.md sections 4.5 and 11).

use std::collections::BTreeMap;

use repo::configuration::Group;
use xfer::{Card, Message};

use super::tables::Cause;
use crate::beside::records::{Record, Records, Secrets};
use crate::model::Violation;
use crate::rights::{Letters, Right};

/// A piece of every secret of a machine that users of the simulator set.
pub const HUSH: &str = "hush-hush";

/// Settings that travel, of those that there are, and their groups.
const TRAVEL: [(&str, &[&str]); 13] = [
    ("project-name", &["project"]),
    ("project-description", &["project"]),
    ("ignore-glob", &["project"]),
    ("hash-policy", &["project"]),
    ("css", &["skin", "css"]),
    ("footer", &["skin"]),
    ("timeline-plaintext", &["skin"]),
    ("ticket-table", &["ticket"]),
    ("ticket-title-expr", &["ticket"]),
    ("xfer-push-script", &["xfer"]),
    ("walias:/old", &["alias"]),
    ("interwiki:wp", &["interwiki"]),
    ("user-color-map", &["user"]),
];

/// The groups that a record is of; none if it stays where it is.
fn groups(kind: &str, key: &str) -> &'static [&'static str] {
    match kind {
        "/user" => &["user"],
        "/shun" => &["shun"],
        "/concealed" => &["email"],
        "/reportfmt" => &["ticket"],
        "/config" => TRAVEL.iter().find(|(name, _)| *name == key).map_or(&[], |(_, groups)| groups),
        _ => &[],
    }
}

/// Whether a record is of any group.
pub fn travels(kind: &str, key: &str) -> bool {
    !groups(kind, key).is_empty()
}

fn is_of(kind: &str, key: &str, group: &str) -> bool {
    let groups = groups(kind, key);
    groups.contains(&group) || (group == "all" && !groups.is_empty())
}

/// Whether a user gets the records of a kind who asks for this group. Of users only who may administer hears, and that
/// goes for all of their group.
fn may_see(kind: &str, key: &str, group: &str, letters: &Letters) -> bool {
    let is_of_users = groups(kind, key).contains(&"user");
    letters.allow(Right::Read)
        && is_of(kind, key, group)
        && (!is_of_users || letters.allow(Right::Admin))
        && (kind != "/concealed" || letters.allow(Right::Addresses))
}

/// Whether who has these letters may make, or be, somebody with those.
fn covers(letters: &Letters, wanted: &Letters) -> bool {
    let beyond = |&right: &Right| wanted.allow(right) && !letters.allow(right);
    letters.allow(Right::SetUp) || ![Right::SetUp, Right::Private, Right::WriteFiles].iter().any(beyond)
}

/// Records of a message: kind, and the words of the card.
fn brought(message: &Message) -> impl Iterator<Item = (&str, String)> {
    message.cards.iter().filter_map(|card| match card {
        Card::Config(config) => {
            Some((config.name.as_str(), String::from_utf8_lossy(&config.record).into_owned()))
        }
        _ => None,
    })
}

/// What the census calls it where a message brought records, and any that travels changed by it.
pub fn came(before: &Records, now: &Records, cause: &Cause<'_>) -> Option<&'static str> {
    let (message, name) = match cause {
        Cause::User(_) => return None,
        Cause::Request { message, .. } => (message, "configuration pushed"),
        Cause::Reply { message, .. } => (message, "configuration pulled"),
    };
    let is_new = |(kind, key, record): (&str, &str, &Record)| {
        travels(kind, key) && before.get(kind, key) != Some(record)
    };
    (brought(message).next().is_some() && now.iter().any(is_new)).then_some(name)
}

/// Compares what is sent with what is to be sent.
fn compare(message: &Message, expected: &BTreeMap<(&str, String), &str>) -> Result<(), Violation> {
    let mut left = expected.clone();
    for (kind, card) in brought(message) {
        if left.remove(&(kind, card.clone())).is_none() {
            return fail(format!("{kind} is sent and ought not to be: {card:.200}"));
        }
        if card.contains(HUSH) {
            return fail(format!("what is of one machine leaves: {card:.200}"));
        }
    }
    match left.first_key_value() {
        Some(((kind, card), _)) => fail(format!("{kind} ought to be sent: {card:.200}")),
        None => Ok(()),
    }
}

/// Looks at what a client sends. `group` is what it is to give; it does so once.
pub fn check_request(message: &Message, group: Option<Group>, records: &Records) -> Result<(), Violation> {
    if brought(message).next().is_none() {
        return Ok(());
    }
    let mut expected = BTreeMap::new();
    for (kind, key, record) in records.iter() {
        if group.is_some_and(|group| is_of(kind, key, group.name()))
            && let Some(card) = record.card(Secrets::Told)
        {
            expected.insert((kind, card), key);
        }
    }
    compare(message, &expected)
}

/// Looks at what a server sends. `records` are those that it had when it did.
pub fn check_reply(
    request: &Message,
    reply: &Message,
    letters: &Letters,
    records: &Records,
) -> Result<(), Violation> {
    let is_error = reply.cards.iter().any(|card| matches!(card, Card::Error(_)));
    if is_error && brought(reply).next().is_none() {
        return Ok(());
    }
    let mut expected = BTreeMap::new();
    for card in &request.cards {
        let Card::ReqConfig(name) = card else { continue };
        let Some(group) = name.strip_prefix('/') else { continue };
        for (kind, key, record) in records.iter().filter(|(kind, key, _)| may_see(kind, key, group, letters))
        {
            let is_within = covers(letters, &records.expand(&record.letters));
            let secrets = if kind != "/user" || is_within { Secrets::Told } else { Secrets::Kept };
            if let Some(card) = record.card(secrets) {
                expected.insert((kind, card), key);
            }
        }
    }
    compare(reply, &expected)
}

/// Compares two moments of one repository.
pub fn check(before: &Records, now: &Records, cause: &Cause<'_>) -> Result<(), Violation> {
    let (message, group, bringer) = match cause {
        Cause::User(_) => return Ok(()),
        Cause::Request { message, letters, .. } => (message, "all", Some(*letters)),
        Cause::Reply { message, group, .. } => (message, group.map_or("", Group::name), None),
    };
    if let Some((kind, key, _)) = before
        .iter()
        .find(|(kind, key, _)| travels(kind, key) && *key != "hash-policy" && now.get(kind, key).is_none())
    {
        return fail(format!("{kind} {key} is gone"));
    }
    for (kind, key, record) in now.iter() {
        let held = before.get(kind, key);
        // What a repository knows of its own artifacts also decides how the next ones are named.
        if held == Some(record) || key == "hash-policy" || (!travels(kind, key) && !is_secret(record)) {
            continue;
        }
        let changed = format!("{kind} {key} changed from {held:?} to {record:?}");
        if !is_of(kind, key, group)
            || !brought(message).any(|(other, card)| other == kind && record.comes_of(held, &card))
        {
            return fail(format!("{changed}, which nobody asked for or brought"));
        }
        if !gives_way(held, record) {
            return fail(format!("{changed}, which is no newer"));
        }
        let Some(letters) = bringer else { continue };
        let is_within = |user: Option<&Record>| {
            kind != "/user" || user.is_none_or(|user| covers(letters, &before.expand(&user.letters)))
        };
        if !letters.allow(Right::Admin) || !is_within(held) || !is_within(Some(record)) {
            return fail(format!("{changed}, for who may not"));
        }
    }
    Ok(())
}

/// A setting of one machine.
fn is_secret(record: &Record) -> bool {
    record.card(Secrets::Told).is_some_and(|card| card.contains(HUSH))
}

/// Whether what is held makes way for another record.
fn gives_way(held: Option<&Record>, record: &Record) -> bool {
    held.is_none_or(|held| held.mtime.is_some() && held.mtime < record.mtime)
}

/// A client and a server after a session that asked for all, and gave all if it might.
pub struct Pair<'a> {
    /// What the client holds.
    pub client: &'a Records,
    /// What the server holds.
    pub server: &'a Records,
    /// What the client's user may do.
    pub letters: &'a Letters,
}

impl Pair<'_> {
    /// Each has of the other what it may have.
    pub fn check(&self) -> Result<(), Violation> {
        let Self { client, server, letters } = self;
        for (kind, key, record) in server.iter() {
            let is_told = record.mtime.is_some() && may_see(kind, key, "all", letters);
            if is_told && gives_way(client.get(kind, key), record) {
                return fail(format!("the client lacks {kind} {key}: {record:?}"));
            }
        }
        for (kind, key, record) in client.iter().filter(|_| letters.allow(Right::Admin)) {
            let held = server.get(kind, key);
            let is_within = |user: Option<&Record>| {
                kind != "/user" || user.is_none_or(|user| covers(letters, &server.expand(&user.letters)))
            };
            let is_told = record.mtime.is_some() && is_of(kind, key, "all");
            if is_told && is_within(held) && is_within(Some(record)) && gives_way(held, record) {
                return fail(format!("the server lacks {kind} {key}: {record:?}"));
            }
        }
        Ok(())
    }
}

fn fail(text: String) -> Result<(), Violation> {
    Err(Violation::new("configuration", text))
}
