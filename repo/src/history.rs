//! What people ask about a project's history: what happened, which check-in a name means, its files.

use rusqlite::{OptionalExtension as _, params};
use xfer::ArtifactId;

use crate::manifest::{self, Artifact, Checkin, FileEntry};
use crate::{RepoError, Rid, Snapshot, Text, UnixTime, blob, content};

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// The artifact that tells of it.
    pub id: ArtifactId,
    /// When, as amended.
    pub at: UnixTime,
    /// What kind.
    pub kind: Kind,
    /// Who, as amended.
    pub user: Option<Text>,
    /// What, as amended.
    pub comment: Option<Text>,
    /// The branch of a check-in.
    pub branch: Option<Text>,
    /// The symbolic tags on it, that of its branch too.
    pub tags: Vec<Text>,
}

/// What a timeline tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A check-in.
    Checkin,
    /// A wiki page.
    Wiki,
    /// A ticket.
    Ticket,
    /// A technote.
    Technote,
    /// A forum post.
    Forum,
    /// Tags.
    Tag,
    /// A kind of a newer Fossil.
    Other,
}

impl Kind {
    /// The code in the `event` table.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Checkin => "ci",
            Self::Wiki => "w",
            Self::Ticket => "t",
            Self::Technote => "e",
            Self::Forum => "f",
            Self::Tag => "g",
            Self::Other => "?",
        }
    }

    fn of(code: &str) -> Self {
        let all = [Self::Checkin, Self::Wiki, Self::Ticket, Self::Technote, Self::Forum, Self::Tag];
        all.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Other)
    }
}

/// Newest first. Tag 8 is `branch`; its value on a check-in names the branch.
const TIMELINE: &str =
    "SELECT b.uuid, e.mtime, e.type, coalesce(e.euser, e.user), coalesce(e.ecomment, e.comment),
        (SELECT x.value FROM tagxref x WHERE x.rid=e.objid AND x.tagid=8 AND x.tagtype>0), e.objid
   FROM event e CROSS JOIN blob b ON b.rid=e.objid
  WHERE ?1 IS NULL OR e.type=?1
  ORDER BY e.mtime DESC, e.objid DESC
  LIMIT ?2";

/// In the order in which they came to be, as stock lists them.
const TAGS: &str = "SELECT substr(t.tagname,5) FROM tagxref x CROSS JOIN tag t ON t.tagid=x.tagid
  WHERE x.rid=?1 AND x.tagtype>0 AND t.tagname GLOB 'sym-*' ORDER BY x.rowid";

/// What happened last, of one kind or of all, `limit` at most.
pub fn timeline(snap: &Snapshot<'_>, kind: Option<Kind>, limit: usize) -> Result<Vec<Happening>, RepoError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = snap.conn().prepare_cached(TIMELINE)?;
    let mut rows = statement.query(params![kind.map(Kind::code), limit])?;
    let mut happenings = Vec::new();
    while let Some(row) = rows.next()? {
        let Ok(id) = ArtifactId::from_hex(row.get_ref(0)?.as_bytes().unwrap_or_default()) else { continue };
        happenings.push(Happening {
            id,
            at: UnixTime::from_julian_day(row.get(1)?),
            kind: Kind::of(&row.get::<_, String>(2)?),
            user: row.get(3)?,
            comment: row.get(4)?,
            branch: row.get(5)?,
            tags: tags(snap, row.get(6)?)?,
        });
    }
    Ok(happenings)
}

fn tags(snap: &Snapshot<'_>, rid: i64) -> Result<Vec<Text>, RepoError> {
    let mut statement = snap.conn().prepare_cached(TAGS)?;
    let tags = statement.query_map([rid], |row| row.get(0))?;
    Ok(tags.collect::<Result<_, _>>()?)
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// This check-in.
    One(Rid),
    /// None.
    None,
    /// More than one begins so.
    Several,
}

const TIP: &str = "SELECT objid FROM event WHERE type='ci' ORDER BY mtime DESC, objid DESC LIMIT 1";

const TAGGED: &str = "SELECT e.objid FROM tag t CROSS JOIN tagxref x ON x.tagid=t.tagid
        CROSS JOIN event e ON e.objid=x.rid
  WHERE t.tagname='sym-'||?1 AND x.tagtype>0 AND e.type='ci'
  ORDER BY e.mtime DESC, e.objid DESC LIMIT 1";

const PREFIX: &str = "SELECT b.rid, b.uuid FROM blob b CROSS JOIN event e ON e.objid=b.rid
  WHERE b.uuid>=?1 AND b.uuid<?1||'g' AND e.type='ci' ORDER BY b.uuid LIMIT ?2";

/// Shortest beginning of a hash that may name a check-in.
const MIN_PREFIX: usize = 4;

/// The check-in a name means: `tip` (the newest), a tag or branch (its newest check-in; `tag:NAME` where NAME
/// looks like something else), or the beginning of a hash.
pub fn named(snap: &Snapshot<'_>, name: &str) -> Result<Named, RepoError> {
    let one = |sql: &str, name: Option<&str>| -> Result<Named, RepoError> {
        let mut statement = snap.conn().prepare_cached(sql)?;
        let rid = statement.query_row(rusqlite::params_from_iter(name), |row| row.get(0)).optional()?;
        Ok(rid.map_or(Named::None, |rid| Named::One(Rid(rid))))
    };
    if let Some(tag) = name.strip_prefix("tag:") {
        return one(TAGGED, Some(tag));
    }
    if name == "tip" {
        return one(TIP, None);
    }
    match one(TAGGED, Some(name))? {
        Named::None => by_prefix(snap, name),
        found => Ok(found),
    }
}

fn by_prefix(snap: &Snapshot<'_>, prefix: &str) -> Result<Named, RepoError> {
    Ok(match beginning(snap, prefix, 2)?.as_slice() {
        [] => Named::None,
        [(rid, _)] => Named::One(*rid),
        _ => Named::Several,
    })
}

/// The check-ins whose hashes begin with `prefix`, of 4 digits or more, in the order of their hashes, `limit` at
/// most.
pub fn beginning(
    snap: &Snapshot<'_>,
    prefix: &str,
    limit: usize,
) -> Result<Vec<(Rid, ArtifactId)>, RepoError> {
    if prefix.len() < MIN_PREFIX || prefix.len() > 64 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Vec::new());
    }
    let mut statement = snap.conn().prepare_cached(PREFIX)?;
    let mut rows =
        statement.query(params![prefix.to_ascii_lowercase(), i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Ok(id) = ArtifactId::from_hex(row.get_ref(1)?.as_bytes().unwrap_or_default()) {
            found.push((Rid(row.get(0)?), id));
        }
    }
    Ok(found)
}

/// The files of a check-in by name, each with its content. None if it is no check-in, or its baseline is not
/// here.
pub fn files(snap: &Snapshot<'_>, checkin: Rid) -> Result<Option<Vec<FileEntry>>, RepoError> {
    let Some(checkin) = read(snap, checkin)? else { return Ok(None) };
    let Some(baseline) = checkin.baseline else { return Ok(Some(checkin.files)) };
    let baseline = match blob::presence(snap, &baseline)? {
        blob::Presence::Held(rid) => read(snap, rid)?,
        _ => None,
    };
    Ok(baseline.map(|baseline| amend(baseline.files, checkin.files)))
}

/// A check-in as it was written down; none if the artifact is no check-in.
pub fn read(snap: &Snapshot<'_>, rid: Rid) -> Result<Option<Checkin>, RepoError> {
    let content = content::get(snap, rid)?;
    Ok(match manifest::parse(&content) {
        Ok(Artifact::Checkin(checkin)) => Some(checkin),
        _ => None,
    })
}

/// Applies what a delta manifest says to the files of its baseline. Both are in the order of their names.
fn amend(baseline: Vec<FileEntry>, changes: Vec<FileEntry>) -> Vec<FileEntry> {
    let mut files: std::collections::BTreeMap<Text, FileEntry> =
        baseline.into_iter().map(|file| (file.name.clone(), file)).collect();
    for change in changes {
        if change.id.is_some() {
            files.insert(change.name.clone(), change);
        } else {
            files.remove(&change.name);
        }
    }
    files.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, digit: Option<&str>) -> FileEntry {
        let id = digit.map(|digit| ArtifactId::from_hex(digit.repeat(40).as_bytes()).unwrap());
        FileEntry { name: name.into(), id, perm: manifest::Perm::Regular, old_name: None }
    }

    #[test]
    fn a_delta_manifest_adds_changes_and_removes_files_of_its_baseline() {
        let baseline = vec![file("a", Some("1")), file("b", Some("2")), file("d", Some("4"))];
        let changes = vec![file("a", None), file("b", Some("3")), file("c", Some("5")), file("e", None)];
        let files = vec![file("b", Some("3")), file("c", Some("5")), file("d", Some("4"))];
        assert_eq!(amend(baseline, changes), files);
    }

    #[test]
    fn an_empty_repository_has_no_history() {
        let mut repo = crate::testing::repo();
        let snap = repo.snapshot().unwrap();
        assert!(timeline(&snap, None, 9).unwrap().is_empty());
        for name in ["tip", "trunk", "tag:x", "abcd", "", "%"] {
            assert_eq!(named(&snap, name).unwrap(), Named::None, "{name}");
        }
    }
}
