//! Repositories to begin with. One that a run is done with goes back to where it began, and the next run has it: that
//! is much cheaper than a copy, and SQLite has its statements ready.

use std::cell::RefCell;
use std::collections::BTreeMap;

use repo::author::{self, AuthorError};
use repo::manifest::{self, Artifact, Checkin, Control, ForumPost, TagCard, TagKind};
use repo::partial::{self, Partial};
use repo::table::TableError;
use repo::{Genesis, Repo, RepoError, Tx, UnixTime, content, ingest, table, unversioned, wanted};
use xfer::card::Privacy;
use xfer::{UvName, hash};

use crate::dice::{Dice, Ratio};
use crate::feature::Feature;
use crate::node::{PROJECT, START};
use crate::plan::{Birth, Fault, Plan};
use crate::work::rows;

/// New repositories, made once, and those that are ready to be used again.
pub struct Templates {
    originals: BTreeMap<Model, Repo>,
    spare: RefCell<BTreeMap<(Model, Schema), Vec<Repo>>>,
}

/// Whether a run makes tables. To undo that has SQLite prepare every statement anew: who has a repository next that this was
/// done to is best somebody who makes tables too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Schema {
    /// Few do.
    Stays,
    /// Most do.
    Changes,
}

impl Schema {
    fn of(plan: &Plan) -> Self {
        if plan.features.contains(&Feature::Tables) { Self::Changes } else { Self::Stays }
    }
}

/// What a repository is like at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model {
    birth: Birth,
    tables: Tables,
}

/// Tables that are made when they are first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tables {
    /// They are still to be made.
    Few,
    /// Some are there, as in a repository that was used for a while. Most runs begin so: when a table is made, SQLite
    /// prepares every statement anew.
    Usual,
    /// Synced tables are there too, without rows.
    Synced,
}

impl Model {
    /// What the repository of a peer is like.
    pub fn draw(plan: &Plan, birth: Birth) -> Self {
        let few = !may_share(plan) || Dice::of(plan.seed, "few tables", 0).hits(Ratio::new(1, 16));
        let synced = plan.features.contains(&Feature::Tables)
            && birth == Birth::Empty
            && Dice::of(plan.seed, "synced tables", 0).hits(Ratio::new(7, 8));
        let tables = match (few, synced) {
            (true, _) => Tables::Few,
            (false, false) => Tables::Usual,
            (false, true) => Tables::Synced,
        };
        Self { birth, tables }
    }
}

impl Templates {
    /// Makes them.
    pub fn new() -> Result<Self, RepoError> {
        let mut originals = BTreeMap::new();
        for (birth, project) in [(Birth::Empty, PROJECT), (Birth::Clone, "")] {
            for tables in [Tables::Few, Tables::Usual, Tables::Synced] {
                let mut repo = make(project)?;
                if tables != Tables::Few {
                    furnish(&mut repo)?;
                }
                if tables == Tables::Synced {
                    define(&mut repo)?;
                }
                originals.insert(Model { birth, tables }, repo);
            }
        }
        Ok(Self { originals, spare: RefCell::default() })
    }

    /// A repository for a peer.
    pub fn lend(&self, model: Model, plan: &Plan) -> Result<Repo, RepoError> {
        let original = &self.originals[&model];
        if !may_share(plan) {
            return original.copy_in_memory();
        }
        if let Some(spare) = self.spare.borrow_mut().get_mut(&(model, Schema::of(plan))).and_then(Vec::pop) {
            return Ok(spare);
        }
        let mut repo = original.copy_in_memory()?;
        repo.hold()?;
        Ok(repo)
    }

    /// Takes a repository back that a run had.
    pub fn give_back(&self, model: Model, plan: &Plan, mut repo: Repo) {
        if repo.is_held() && repo.go_back().is_ok() {
            self.spare.borrow_mut().entry((model, Schema::of(plan))).or_default().push(repo);
        }
    }
}

/// A full disk takes back more than one may lose who goes back, a backup is a copy of what is committed, and so is what
/// whoever dies, within a transaction or not, begins with again.
fn may_share(plan: &Plan) -> bool {
    [Fault::DiskFull, Fault::Restore, Fault::Crash, Fault::CrashWithin]
        .iter()
        .all(|fault| !plan.faults.contains_key(fault))
}

/// Makes the tables that are made when they are first needed, as another repository that needed them has them.
fn furnish(repo: &mut Repo) -> Result<(), RepoError> {
    let mut used = make(PROJECT)?;
    let tx = used.begin()?;
    use_tables(&tx).map_err(|error| match error {
        AuthorError::Repo(error) => error,
        error => unreachable!("anybody may do that: {error}"),
    })?;
    tx.commit()?;
    let (before, after) = (schema(repo)?, schema(&mut used)?);
    let tx = repo.begin()?;
    for sql in after.iter().filter(|sql| !before.contains(sql)) {
        tx.conn().execute_batch(sql)?;
    }
    tx.commit()
}

/// Needs them: for a clone, a file without history, a post, something asked for in vain, a statement about a tag that
/// came too late.
fn use_tables(tx: &Tx<'_>) -> Result<(), AuthorError> {
    let name = UvName::new("file").expect("a name that all peers take");
    partial::save(tx, &Partial::default())?;
    unversioned::put(tx, &name, b"", START)?;
    author::post(tx, post())?;
    wanted::miss(tx, &[hash::sha1(b"what nobody has")])?;
    let checkin = Checkin { date: START, user: Some("admin".into()), ..Checkin::default() };
    let checkin = manifest::write(&Artifact::Checkin(checkin));
    let target = content::name(tx, &checkin)?;
    content::add(tx, &checkin, Privacy::Public)?;
    ingest::settle(tx, START)?;
    for later in [2_000, 1_000] {
        let value = Some(later.to_string().as_str().into());
        let tags = vec![TagCard { kind: TagKind::Add, name: "bgcolor".into(), target: Some(target), value }];
        let date = UnixTime(START.0 + later);
        author::tags(tx, Control { date, tags, user: Some("admin".into()) })?;
    }
    Ok(())
}

/// Makes the synced tables that most users agree on.
fn define(repo: &mut Repo) -> Result<(), RepoError> {
    let tx = repo.begin()?;
    for (name, definition) in rows::agreed() {
        table::define(&tx, &name, &definition, START.0).map_err(|error| match error {
            TableError::Repo(error) => error,
            error => unreachable!("nothing is in its way: {error}"),
        })?;
    }
    tx.commit()
}

fn schema(repo: &mut Repo) -> Result<Vec<String>, RepoError> {
    let snap = repo.snapshot()?;
    let sql = "SELECT sql FROM sqlite_schema WHERE sql NOT NULL AND name NOT GLOB 'sqlite_*' ORDER BY rowid";
    let mut statement = snap.conn().prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn post() -> ForumPost {
    ForumPost {
        date: START,
        root: None,
        title: Some("A thread".into()),
        in_reply_to: None,
        mimetype: None,
        parent: None,
        user: Some("admin".into()),
        text: "A post".into(),
    }
}

pub(crate) fn make(project: &str) -> Result<Repo, RepoError> {
    let genesis = Genesis {
        project: project.to_owned(),
        server: "5e".repeat(20),
        user: "admin".to_owned(),
        now: START,
        ..Genesis::default()
    };
    let mut repo = Repo::in_memory(&genesis)?;
    repo.set_limits(limits())?;
    Ok(repo)
}

/// What a repository may cost. Threads would end in another order each time.
pub(crate) fn limits() -> repo::Limits {
    repo::Limits { threads: 1, cache_bytes: 1 << 20, ..repo::Limits::default() }
}
