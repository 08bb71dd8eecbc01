//! What users of a peer like stock do: check-ins, pages, tags, files without history.

use repo::UnixTime;
use repo::manifest::{self, Artifact, Checkin, Control, FileEntry, Perm, TagCard, TagKind, Wiki};

use super::Store;
use crate::dice::{Dice, Ratio};

/// Names that the users of all peers write to.
pub(super) const NAMES: [&str; 5] = ["a", "b/c", "b/d", "e", "f.bin"];

/// Does something. Says what.
pub fn act(store: &mut Store, dice: &mut Dice, user: &str, count: u64, now: UnixTime) -> String {
    match dice.below(12) {
        0..=5 => check_in(store, dice, user, count, now, false),
        6 => check_in(store, dice, user, count, now, true),
        7 => wiki(store, dice, user, count, now),
        8 => tag(store, dice, user, count, now),
        9 => shun(store, dice),
        _ => file(store, dice, user, count, now),
    }
}

/// Contents that are alike at their ends; what is private is unlike all else.
pub(super) fn content(dice: &mut Dice, user: &str, count: u64, private: bool) -> Vec<u8> {
    let kind = if private { "Private" } else { "Public" };
    let size = if dice.hits(Ratio::new(1, 3)) { dice.between(200, 3_000) } else { 1 };
    let mut content = format!("{kind} content {count} of {user} {}\n", dice.bits()).into_bytes();
    while (content.len() as u64) < size {
        let line = format!("a line that stays, at {}\n", content.len());
        content.extend_from_slice(line.as_bytes());
    }
    content
}

fn check_in(
    store: &mut Store,
    dice: &mut Dice,
    user: &str,
    count: u64,
    now: UnixTime,
    private: bool,
) -> String {
    let parents: Vec<_> =
        store.checkins.iter().filter(|id| private || !store.private.contains(*id)).copied().collect();
    let last = parents.len().saturating_sub(1);
    let parent = match parents.len() {
        0 => None,
        _ if dice.hits(Ratio::new(2, 3)) => Some(parents[last]),
        length => Some(parents[dice.place(length)]),
    };
    let before = match parent.and_then(|id| store.content(&id).map(manifest::parse)) {
        Some(Ok(Artifact::Checkin(checkin))) if checkin.baseline.is_none() => checkin,
        _ => Checkin::default(),
    };
    // A root has no files of its parent.
    let parent = parent.filter(|_| before.date != UnixTime::default());
    let mut files = before.files;
    for _ in 0..dice.between(1, 2) {
        let (name, content) = (*dice.pick(&NAMES), content(dice, user, count, private));
        let id = Some(store.add(content, private));
        files.retain(|file| file.name != name.into());
        files.push(FileEntry { name: name.into(), id, perm: Perm::default(), old_name: None });
    }
    files.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    let tag = |kind, name: &str, value: Option<&str>| TagCard {
        kind,
        name: name.into(),
        target: None,
        value: value.map(Into::into),
    };
    let tags = match parent {
        Some(_) => Vec::new(),
        None => {
            vec![tag(TagKind::Propagate, "branch", Some("trunk")), tag(TagKind::Propagate, "sym-trunk", None)]
        }
    };
    let checkin = Checkin {
        comment: Some(format!("work {count} of {user}").as_str().into()),
        date: now,
        files,
        parents: parent.into_iter().collect(),
        tags,
        user: Some(user.into()),
        ..Checkin::default()
    };
    let id = store.add(manifest::write(&Artifact::Checkin(checkin)), private);
    format!("checks in {} {}", if private { "Private" } else { "Public" }, id.short())
}

fn wiki(store: &mut Store, dice: &mut Dice, user: &str, count: u64, now: UnixTime) -> String {
    let wiki = Wiki {
        comment: None,
        date: now,
        title: (*dice.pick(&["Home", "Help"])).into(),
        mimetype: None,
        parents: Vec::new(),
        user: Some(user.into()),
        text: repo::Text(content(dice, user, count, false)),
    };
    format!("writes {}", store.add(manifest::write(&Artifact::Wiki(wiki)), false).short())
}

fn tag(store: &mut Store, dice: &mut Dice, user: &str, count: u64, now: UnixTime) -> String {
    let public: Vec<_> = store.checkins.iter().filter(|id| !store.private.contains(*id)).copied().collect();
    if public.is_empty() {
        return "has nothing to tag".to_owned();
    }
    let target = Some(*dice.pick(&public));
    let name = (*dice.pick(&["bgcolor", "sym-release", "audit"])).into();
    let value = Some(format!("value {count} of {user}").as_str().into());
    let tags = vec![TagCard { kind: TagKind::Add, name, target, value }];
    let control = Control { date: now, tags, user: Some(user.into()) };
    format!("tags by {}", store.add(manifest::write(&Artifact::Control(control)), false).short())
}

/// No clusters: what a shunned one lists is announced to nobody until a rebuild.
fn shun(store: &mut Store, dice: &mut Dice) -> String {
    let known = store.known();
    let names: Vec<_> = known.held.keys().filter(|id| !store.clusters.contains(*id)).copied().collect();
    if names.is_empty() || dice.hits(Ratio::new(1, 4)) {
        return "shuns nothing".to_owned();
    }
    // What a next version is a delta of, if there is any.
    let last = store.checkins.last();
    let mut tip: Vec<_> = match last.and_then(|id| store.content(id).map(manifest::parse)) {
        Some(Ok(Artifact::Checkin(checkin))) => checkin.files.iter().filter_map(|file| file.id).collect(),
        _ => Vec::new(),
    };
    tip.extend(last);
    let current: Vec<_> = names.iter().filter(|id| tip.contains(id)).copied().collect();
    let id = *dice.pick(if current.is_empty() { &names } else { &current });
    store.shunned.insert(id);
    if dice.hits(Ratio::new(1, 2)) {
        return format!("shuns {}", id.short());
    }
    store.drop_shunned();
    format!("shuns {}, and drops it", id.short())
}

fn file(store: &mut Store, dice: &mut Dice, user: &str, count: u64, now: UnixTime) -> String {
    let name = *dice.pick(&["one", "two", "three/four"]);
    let last = store.files.get(name).map_or(i64::MIN, |(mtime, _)| mtime + 1);
    let mtime = (now.seconds() / 20 * 20).max(last);
    store.has_files = true;
    if store.files.contains_key(name) && dice.hits(Ratio::new(1, 3)) {
        store.files.insert(name.to_owned(), (mtime, None));
        return format!("removes {name}");
    }
    let content = content(dice, user, count, false);
    store.files.insert(name.to_owned(), (mtime, Some(content)));
    format!("puts {name} at {mtime}")
}
