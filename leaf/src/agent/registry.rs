//! The register of leaves: a synced table in which each writes a row about itself, so that every leaf knows the fleet.
//!
//! A row is its leaf's own (rule `self`): a server takes it from who logs in as the user that it names.

use std::sync::Arc;
use std::time::Duration;

use repo::table::{self, Column, Definition, Rule, SyncedTable, Type, Value, Values, Writer};
use repo::{Repo, RepoError, Snapshot, UnixTime};
use serde::Serialize;
use sync::client::now;
use sync::short;
use tokio::task::block_in_place;
use tokio::time::sleep;
use xfer::SqlName;

use super::board::Board;
use super::config::{Peer, Repository};
use super::stop::Stop;
use crate::exit::Failure;
use crate::remote;

/// The name of the table.
pub(crate) const TABLE: &str = "frond_leaves";

/// Time between two looks at what others wrote.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Leaves that are shown.
const SHOWN: usize = 1000;

/// Columns, those of the key first.
const COLUMNS: [(&str, Type); 7] = [
    ("login", Type::Text),
    ("id", Type::Text),
    ("version", Type::Text),
    ("platform", Type::Text),
    ("addresses", Type::Text),
    ("last_sync", Type::Integer),
    ("lag", Type::Integer),
];

/// Columns of the key.
const KEYS: usize = 2;

/// A leaf as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Leaf {
    /// Who it logs in as; `nobody` if it does not.
    pub(crate) login: String,
    /// The server code of its copy.
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) platform: String,
    /// Where it is reached, with blanks between.
    pub(crate) addresses: String,
    /// When a session of its own went well last.
    #[serde(skip)]
    pub(crate) last_sync: Option<UnixTime>,
    /// How long the peer that it heard least of was silent then, in seconds.
    #[serde(rename = "lag_seconds")]
    pub(crate) lag: Option<u64>,
    /// When it wrote this.
    #[serde(skip)]
    pub(crate) written: UnixTime,
}

/// Who keeps the row of one repository.
pub(crate) struct Registry {
    pub(crate) repository: Arc<Repository>,
    pub(crate) board: Board,
    /// Time between two rows, unless something of the leaf itself changed.
    pub(crate) every: Duration,
    pub(crate) addresses: Vec<String>,
    pub(crate) stop: Stop,
}

impl Registry {
    /// Writes and reads until the leaf is to stop.
    pub(crate) async fn keep(self) {
        let mut written: Option<Leaf> = None;
        loop {
            match block_in_place(|| self.turn(written.as_ref())) {
                Ok((own, leaves)) => {
                    written = own.or(written);
                    self.board.note(&self.repository.name, |known| known.fleet = leaves);
                }
                Err(failure) => {
                    tracing::info!(
                        repository = self.repository.name,
                        "the register: {}",
                        short(&failure.what)
                    );
                }
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = self.stop.wait() => return,
            }
        }
    }

    /// Writes the leaf's own row if it is time; gives it then, and all rows.
    fn turn(&self, written: Option<&Leaf>) -> Result<(Option<Leaf>, Vec<Leaf>), Failure> {
        let mut repo = Repo::open(&self.repository.file)?;
        let own = self.own(&mut repo)?;
        let is_due = written.is_none_or(|old| own.is_due_after(old, self.every));
        let own = is_due.then_some(own);
        if let Some(own) = &own {
            own.write(&mut repo)?;
        }
        let leaves = all(&repo.snapshot()?)?;
        Ok((own, leaves))
    }

    fn own(&self, repo: &mut Repo) -> Result<Leaf, Failure> {
        let id = remote::own_name(repo)?.map(|id| id.to_string()).unwrap_or_default();
        let report = self.board.report();
        let known = report.repositories.iter().find(|known| known.name == self.repository.name);
        let peers = known.map_or(&[][..], |known| &known.peers);
        Ok(Leaf {
            login: login(&self.repository.peers),
            id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            addresses: self.addresses.join(" "),
            last_sync: peers.iter().filter_map(|peer| peer.known.succeeded).max(),
            lag: peers.iter().filter_map(|peer| peer.lag_seconds).max(),
            written: now(),
        })
    }
}

/// Who the leaf logs in as where it does.
fn login(peers: &[Peer]) -> String {
    let mut users = peers.iter().filter_map(|peer| peer.address.user());
    users.find(|user| !repo::user::is_special(user)).unwrap_or("nobody").to_owned()
}

impl Leaf {
    /// Whether it is to be written in the place of an `old` row: others learn of its first session at once, and of later ones
    /// `every` so often.
    fn is_due_after(&self, old: &Self, every: Duration) -> bool {
        let age = self.written.0.saturating_sub(old.written.0);
        let is_old = age >= i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        let is_first = old.last_sync.is_none();
        self.last_sync != old.last_sync && (is_old || is_first) || !self.is_same_leaf(old)
    }

    fn is_same_leaf(&self, other: &Self) -> bool {
        let of = |leaf: &Self| {
            [&leaf.login, &leaf.id, &leaf.version, &leaf.platform, &leaf.addresses].map(Clone::clone)
        };
        of(self) == of(other)
    }

    fn write(&self, repo: &mut Repo) -> Result<(), Failure> {
        let name = name(TABLE);
        let tx = repo.begin()?;
        table::define(&tx, &name, &definition(), 0)?;
        let mut writer = Writer::open(&tx, &name, self.written)?;
        writer.put(self.values(), &self.login)?;
        writer.finish()?;
        Ok(tx.commit()?)
    }

    fn values(&self) -> Values {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let values = [
            text(&self.login),
            text(&self.id),
            text(&self.version),
            text(&self.platform),
            text(&self.addresses),
            self.last_sync.map(|at| Value::Integer(at.0)),
            self.lag.and_then(|lag| i64::try_from(lag).ok()).map(Value::Integer),
        ];
        let columns = COLUMNS.into_iter().zip(values);
        columns.filter_map(|((column, _), value)| Some((name(column), value?))).collect()
    }

    fn read(row: &table::Row) -> Self {
        let value = |column: &str| row.values.get(&name(column));
        let text = |column: &str| match value(column) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let number = |column: &str| match value(column) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        };
        Self {
            login: text("login"),
            id: text("id"),
            version: text("version"),
            platform: text("platform"),
            addresses: text("addresses"),
            last_sync: number("last_sync").map(UnixTime),
            lag: number("lag").and_then(|lag| u64::try_from(lag).ok()),
            written: UnixTime(row.mtime),
        }
    }
}

/// Every leaf that wrote a row, by login and id.
fn all(snap: &Snapshot<'_>) -> Result<Vec<Leaf>, RepoError> {
    let Some(found) = table::find(snap, &name(TABLE))?.filter(is_register) else { return Ok(Vec::new()) };
    let mut leaves = Vec::new();
    table::each_live(snap, &found, &mut |row| {
        if leaves.len() < SHOWN {
            leaves.push(Leaf::read(&row));
        }
    })?;
    Ok(leaves)
}

/// Whether it is a table of this kind: its columns may be more by now, and somebody may have made another one.
fn is_register(found: &SyncedTable) -> bool {
    found.definition.join(&definition()).is_ok()
}

fn definition() -> Definition {
    let columns = COLUMNS.map(|(column, kind)| Column { name: name(column), kind });
    let keys: Vec<SqlName> = COLUMNS[..KEYS].iter().map(|(column, _)| name(column)).collect();
    Definition::new(columns.to_vec(), &keys, Rule::Own).expect("the definition is one")
}

fn name(text: &str) -> SqlName {
    SqlName::new(text).expect("the names of this table are names")
}

#[cfg(test)]
mod tests {
    use repo::Genesis;

    use super::*;

    fn leaf(id: &str) -> Leaf {
        Leaf {
            login: "bob".into(),
            id: id.into(),
            version: "1".into(),
            platform: "linux/riscv64".into(),
            addresses: "http://a/ nats://b/".into(),
            last_sync: Some(UnixTime(77)),
            lag: Some(5),
            written: UnixTime(1_700_000_000_000),
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written_and_a_newer_one_takes_its_place() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        assert_eq!(all(&repo.snapshot().unwrap()).unwrap(), []);
        leaf("b").write(&mut repo).unwrap();
        leaf("a").write(&mut repo).unwrap();
        let newer = Leaf { lag: None, written: UnixTime(1_700_000_060_000), ..leaf("b") };
        newer.write(&mut repo).unwrap();
        assert_eq!(all(&repo.snapshot().unwrap()).unwrap(), [leaf("a"), newer]);
    }

    #[test]
    fn a_row_is_written_anew_after_the_first_session_after_a_while_and_when_the_leaf_changed() {
        let every = Duration::from_secs(60);
        let at = |milliseconds, last_sync: Option<i64>, addresses: &str| Leaf {
            written: UnixTime(milliseconds),
            last_sync: last_sync.map(UnixTime),
            addresses: addresses.into(),
            ..leaf("a")
        };
        for (now, old, is_due) in [
            (at(10, Some(5), "a"), at(0, None, "a"), true),
            (at(10, None, "a"), at(0, None, "a"), false),
            (at(10, Some(9), "a"), at(0, Some(5), "a"), false),
            (at(60_000, Some(9), "a"), at(0, Some(5), "a"), true),
            (at(60_000, Some(5), "a"), at(0, Some(5), "a"), false),
            (at(10, Some(5), "b"), at(0, Some(5), "a"), true),
        ] {
            assert_eq!(now.is_due_after(&old, every), is_due, "{now:?} after {old:?}");
        }
    }

    #[test]
    fn another_table_of_that_name_is_left_alone() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        let column = Column { name: name("x"), kind: Type::Text };
        let other = Definition::new(vec![column], &[name("x")], Rule::LastWriter).unwrap();
        let tx = repo.begin().unwrap();
        table::define(&tx, &name(TABLE), &other, 0).unwrap();
        tx.commit().unwrap();
        assert_eq!(all(&repo.snapshot().unwrap()).unwrap(), []);
        assert!(leaf("a").write(&mut repo).is_err());
    }
}
