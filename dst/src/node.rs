//! One peer: a repository, a clock, users.

use std::collections::BTreeMap;

use repo::{Repo, RepoError, UnixTime, config, user};
use rusqlite::OptionalExtension as _;
use sync::Limits;
use sync::guard::Doorkeeper;
use xfer::{ArtifactId, Secret};

use crate::beside::Beside;
use crate::death::{MOST_MINES, Mine, TRIPPED, Trap};
use crate::dice::{Dice, Ratio};
use crate::known::Known;
use crate::plan::{Birth, Edge, Edition, Login, Plan};
use crate::queue::Moment;
use crate::rights::Letters;
use crate::stock::{Store, Version};
pub use crate::templates::Templates;
use crate::templates::{self, Model};

/// The project of every run.
pub const PROJECT: &str = "abababababababababababababababababababab";
/// When every run begins.
pub(crate) const START: UnixTime = UnixTime::from_seconds(1_795_229_633);
const PASSWORD: &str = "correct horse";
/// Passwords that users get. Their clients know one of them.
pub(crate) const PASSWORDS: [&str; 3] = [PASSWORD, PASSWORD, "battery staple"];

/// Whether a peer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It does.
    On,
    /// It does not: nothing arrives.
    Off,
}

/// Pages of a file on a disk that has room.
const FREE_PAGES: u64 = 1 << 30;

/// Whether a peer has the project yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is to be cloned, or is being cloned.
    Unborn,
    /// It has it.
    Whole,
}

/// What a look at a repository shows.
pub enum Seen {
    /// Nothing was written since the last one.
    Nothing,
    /// Something was, as where contents are stored in another way or tables are derived anew, but it holds the same.
    Same,
    /// It holds something else. This is what it held before.
    Other(Box<Known>),
}

/// A peer.
pub struct Node {
    /// Its repository.
    pub repo: Repo,
    /// What the repository held after the last commit.
    pub known: Known,
    /// What it had beside artifacts and files.
    pub beside: Beside,
    /// What it holds instead of a repository, if it is like stock.
    pub stock: Option<Store>,
    /// What its repository was like at the beginning.
    pub model: Model,
    /// Whether it has the project.
    pub stage: Stage,
    /// Whether it runs.
    pub power: Power,
    /// How often it began to run: what was under way before is gone.
    pub life: u32,
    /// How often it went back to an earlier state.
    pub returns: u32,
    /// How wrong its clock is, in milliseconds.
    pub skew: i64,
    /// Its limits.
    pub limits: Limits,
    /// How often it committed.
    pub commits: u64,
    /// How often it committed since then and held the same as before.
    pub vain: u64,
    /// Letters of its users.
    accounts: BTreeMap<String, String>,
    /// Rows that were written when it was looked at last; none if all has to be looked at.
    written: Option<u64>,
    /// The same, of what is beside.
    pub written_aside: Option<u64>,
    /// Slows down who guesses passwords, in some runs.
    pub door: Option<Door>,
    /// An earlier state.
    backup: Option<Backup>,
    beginning: Option<Backup>,
    /// As many as the disk has room for.
    most_pages: u64,
    /// A commit at which it dies, or that is counted, in what it does now or did last.
    trap: Option<Trap>,
}

/// What a repository may keep in memory: too little for the contents here, for some.
fn memory(plan: &Plan, index: usize) -> repo::Limits {
    let usual = templates::limits();
    if plan.edition < Edition::Third {
        return usual;
    }
    let mut dice = Dice::of(plan.seed, "memory of a repository", index as u64);
    let held_bytes = *dice.pick(&[0, 2_000, usual.held_bytes]);
    repo::Limits { held_bytes, cache_bytes: *dice.pick(&[0, usual.cache_bytes]), ..usual }
}

/// What a server keeps in memory of those who log in.
#[derive(Default)]
pub struct Door {
    /// The product's.
    pub keeper: Doorkeeper,
    /// When logins were taken.
    pub taken: BTreeMap<ArtifactId, UnixTime>,
    /// Whether a login failed: those who fail often wait, whatever they may do by then.
    pub has_refused: bool,
}

struct Backup {
    repo: Repo,
    stage: Stage,
    accounts: BTreeMap<String, String>,
    stock: Option<Store>,
}

impl Node {
    /// The peer of this number at the beginning.
    pub fn new(plan: &Plan, index: usize, templates: &Templates) -> Result<Self, RepoError> {
        let birth = plan.births[index];
        let model = Model::draw(plan, birth);
        let stage = match birth {
            Birth::Empty => Stage::Whole,
            Birth::Clone => Stage::Unborn,
        };
        let mut node = Self {
            repo: templates.lend(model, plan)?,
            model,
            stock: plan.stock[index].map(|version| store(plan, index, version)),
            known: Known::default(),
            beside: Beside::default(),
            stage,
            power: Power::On,
            life: 0,
            returns: 0,
            skew: plan.skews[index],
            limits: plan.limits[index].clone(),
            commits: 0,
            vain: 0,
            accounts: BTreeMap::new(),
            written: None,
            written_aside: None,
            door: Dice::of(plan.seed, "doorkeepers", 0).hits(Ratio::new(1, 2)).then(Door::default),
            backup: None,
            beginning: None,
            most_pages: FREE_PAGES,
            trap: None,
        };
        node.repo.set_limits(memory(plan, index))?;
        node.found(plan, index)?;
        Ok(node)
    }

    /// Gives the repository its code and its users.
    pub fn found(&mut self, plan: &Plan, index: usize) -> Result<(), RepoError> {
        let now = START;
        let tx = self.repo.begin()?;
        config::set(&tx, "server-code", &format!("{index:040x}"), now)?;
        let mut accounts = BTreeMap::from([(user::NOBODY.to_owned(), plan.nobody[index].to_owned())]);
        for edge in plan.edges.iter().filter(|edge| edge.server == index) {
            accounts.insert(name(edge.client), edge.letters.to_owned());
        }
        for (name, value) in plan.budgets[index].named() {
            config::set(&tx, name, &value.to_string(), now)?;
        }
        for (login, letters) in &accounts {
            user::set_capabilities(&tx, login, letters, now)?;
            if login != user::NOBODY {
                user::set_password(&tx, login, &Secret::derive(PROJECT, login, PASSWORD), now)?;
            }
        }
        tx.commit()?;
        self.accounts = accounts;
        if let Some(store) = &mut self.stock {
            let secret = |login: &String| Secret::derive(PROJECT, login, PASSWORD).expose().to_owned();
            let users = self.accounts.iter();
            store.users =
                users.map(|(login, letters)| (login.clone(), (letters.clone(), secret(login)))).collect();
        }
        self.look()?;
        Ok(())
    }

    /// Changes what a client may do.
    pub fn set_letters(&mut self, client: usize, letters: &str, now: UnixTime) -> Result<(), RepoError> {
        let tx = self.repo.begin()?;
        user::set_capabilities(&tx, &name(client), letters, now)?;
        tx.commit()?;
        self.accounts.insert(name(client), letters.to_owned());
        Ok(())
    }

    /// What comes of a login of a client: users may change.
    pub fn login(&self, client: usize, login: Login) -> Login {
        let records = &self.beside.records;
        let is_lost = login == Login::Password && !records.is_empty() && !records.admits(&name(client));
        if is_lost { Login::Wrong } else { login }
    }

    /// What a client that logs in so may do.
    pub fn letters(&self, client: usize, login: Login) -> Letters {
        if !self.beside.records.is_empty() {
            let user = (self.login(client, login) == Login::Password).then(|| name(client));
            return self.beside.records.rights(user.as_deref());
        }
        let nobody = self.accounts.get(user::NOBODY);
        let own = self.accounts.get(&name(client)).filter(|_| login == Login::Password);
        Letters::of(nobody.into_iter().chain(own).map(String::as_str))
    }

    /// What its clock shows.
    pub fn time(&self, now: Moment) -> UnixTime {
        UnixTime(START.0 + now + self.skew)
    }

    /// The check-in that was made last, as far as is known here.
    pub fn newest_checkin(&mut self) -> Result<Option<ArtifactId>, RepoError> {
        let snap = self.repo.snapshot()?;
        let sql = "SELECT uuid FROM event JOIN blob ON rid=objid WHERE type='ci' ORDER BY event.mtime DESC, rid DESC";
        let mut statement = snap.conn().prepare_cached(sql)?;
        let name: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(name.and_then(|name| ArtifactId::from_hex(name.as_bytes()).ok()))
    }

    /// Looks at the repository again, if something was written since it was looked at last.
    pub fn look(&mut self) -> Result<Seen, RepoError> {
        let written = Some(self.repo.rows_written());
        if written == self.written && self.stock.is_none() {
            return Ok(Seen::Nothing);
        }
        self.written = written;
        let known = match &self.stock {
            Some(store) => store.known(),
            None => Known::read(&mut self.repo)?,
        };
        if known == self.known {
            self.vain += 1;
            return Ok(Seen::Same);
        }
        self.vain = 0;
        let before = std::mem::replace(&mut self.known, known);
        self.commits += u64::from(!self.known.is_as_good_as(&before));
        Ok(Seen::Other(Box::new(before)))
    }

    /// Begins anew with what is committed.
    pub fn restart(&mut self) -> Result<(), RepoError> {
        self.life += 1;
        self.power = Power::On;
        if self.repo.is_held() {
            self.repo.forget();
        } else {
            self.repo = self.repo.copy_in_memory()?;
        }
        (self.written, self.written_aside) = (None, None);
        self.forget_logins();
        self.keep_limit()
    }

    /// Nobody has to wait any more who gave a wrong password.
    pub fn forget_logins(&mut self) {
        self.door = self.door.take().map(|_| Door::default());
    }

    /// Lets the peer die as soon as it writes to one of these tables, until [`Node::disarm`]: what it is about to commit
    /// then is lost, what it committed before is not. False if there is no such table yet.
    pub fn arm(&mut self, mines: &[Mine]) -> Result<bool, RepoError> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name=?1";
        let mut armed = false;
        for (number, mine) in mines.iter().enumerate() {
            let tables: i64 = self.repo.snapshot()?.conn().query_row(sql, [mine.table], |row| row.get(0))?;
            if tables == 0 {
                continue;
            }
            self.write_temporary(&format!(
                "CREATE TEMP TRIGGER mine{number} AFTER {} ON main.{} BEGIN SELECT RAISE(ABORT, '{TRIPPED}'); END",
                mine.change, mine.table
            ))?;
            armed = true;
        }
        Ok(armed)
    }

    /// Lets the peer die at a commit, or counts them, until [`Node::disarm`].
    pub fn lay(&mut self, trap: Trap) -> Result<(), RepoError> {
        let asked = trap.clone();
        self.trap = Some(trap);
        self.repo.ask_before_commits(Some(move || asked.may_commit()))
    }

    /// Whether users can do something now, and it is no peer like stock.
    pub fn is_at_work(&self) -> bool {
        self.power == Power::On && self.stage == Stage::Whole && self.stock.is_none()
    }

    /// The trap that the peer died in since it was asked last.
    pub fn sprung(&mut self) -> Option<Trap> {
        self.trap.take().filter(Trap::is_sprung)
    }

    /// Whether what the peer did is over without a commit, as far as those were counted.
    pub fn is_undone(&self) -> bool {
        self.trap.as_ref().is_some_and(|trap| trap.commits() == 0)
    }

    /// Takes back [`Node::arm`] and [`Node::lay`].
    pub fn disarm(&mut self) -> Result<(), RepoError> {
        self.repo.ask_before_commits(None::<fn() -> bool>)?;
        let drops = (0..MOST_MINES).map(|number| format!("DROP TRIGGER IF EXISTS temp.mine{number};"));
        self.write_temporary(&drops.collect::<String>())
    }

    fn write_temporary(&mut self, sql: &str) -> Result<(), RepoError> {
        let tx = self.repo.begin()?;
        tx.conn().execute_batch(sql)?;
        tx.commit()
    }

    /// Keeps a copy.
    pub fn back_up(&mut self) -> Result<(), RepoError> {
        let (repo, stage, accounts) = (self.repo.copy_in_memory()?, self.stage, self.accounts.clone());
        self.backup = Some(Backup { repo, stage, accounts, stock: self.stock.clone() });
        Ok(())
    }

    /// Keeps a copy that no later one takes the place of.
    pub fn keep_beginning(&mut self) -> Result<(), RepoError> {
        let backup = self.backup.take();
        self.back_up()?;
        self.beginning = std::mem::replace(&mut self.backup, backup);
        Ok(())
    }

    /// Goes back to that one.
    pub fn begin_anew(&mut self) -> Result<bool, RepoError> {
        self.backup = self.beginning.take();
        self.restore()
    }

    /// Goes back to the copy, if there is one. Says whether there was.
    pub fn restore(&mut self) -> Result<bool, RepoError> {
        let Some(backup) = self.backup.take() else { return Ok(false) };
        (self.repo, self.stage, self.accounts) = (backup.repo, backup.stage, backup.accounts);
        self.stock = backup.stock;
        self.life += 1;
        self.returns += 1;
        (self.written, self.written_aside) = (None, None);
        self.look()?;
        self.commits += 1;
        self.keep_limit()?;
        Ok(true)
    }

    /// Lets the database grow by this many pages only; none: as far as it likes.
    pub fn limit_pages(&mut self, more: Option<u64>) -> Result<(), RepoError> {
        let pages: i64 = self.repo.snapshot()?.conn().query_row("PRAGMA page_count", [], |row| row.get(0))?;
        self.most_pages = more.map_or(FREE_PAGES, |more| pages.unsigned_abs() + more);
        self.keep_limit()
    }

    /// Whether the disk has room for a few pages only, or for none.
    pub fn is_disk_full(&self) -> bool {
        self.most_pages < FREE_PAGES
    }

    /// A full disk is as full for whoever opens the file next.
    fn keep_limit(&mut self) -> Result<(), RepoError> {
        let sql = format!("PRAGMA max_page_count={}", self.most_pages);
        Ok(self.repo.snapshot()?.conn().query_row(&sql, [], |_| Ok(()))?)
    }
}

fn store(plan: &Plan, index: usize, version: Version) -> Store {
    let project = if plan.births[index] == Birth::Clone { "" } else { PROJECT };
    let dice = &mut Dice::of(plan.seed, "budgets", index as u64);
    let budgets = (*dice.pick(&[3_000, 20_000, 5_000_000]), *dice.pick(&[1_000, 20_000, 250_000]));
    Store::new(version, project, &format!("{index:040x}"), budgets)
}

/// Whether what is stored of a user is good for the password that clients know.
pub(crate) fn is_password(login: &str, stored: &str) -> bool {
    is_secret_of(login, PASSWORD, stored)
}

/// Whether this may be stored of a user with that password.
pub(crate) fn is_secret_of(login: &str, password: &str, stored: &str) -> bool {
    stored == password || stored == Secret::derive(PROJECT, login, password).expose()
}

/// The user that a peer is on others.
pub fn name(node: usize) -> String {
    format!("peer{node}")
}

/// User and password that a client gives.
pub fn credentials(edge: &Edge) -> (Option<String>, Option<String>) {
    match edge.login {
        Login::Nobody => (None, None),
        Login::Password => (Some(name(edge.client)), Some(PASSWORD.to_owned())),
        Login::Wrong => (Some(name(edge.client)), Some("wrong".to_owned())),
    }
}
