//! What users do to the configuration, and to each other.

use repo::configuration::{self, Authority, Group, Policy, Precedence};
use repo::{Repo, RepoError, Tx, UnixTime, config, user};
use rusqlite::params;
use xfer::card::Config;
use xfer::{Secret, hash};

use crate::check::configuration::HUSH;
use crate::dice::Dice;
use crate::meant::{RecordMeant, Says};
use crate::node::{PASSWORDS, PROJECT};

/// A user who may do everything, at work.
pub struct Keeper<'a> {
    /// Decides what to do.
    pub dice: &'a mut Dice,
    /// The time that is written down.
    pub now: UnixTime,
    /// Names that others log in with.
    pub logins: &'a [String],
    /// Something that no other change has.
    pub count: u64,
    /// What it is about to change.
    pub meant: Vec<RecordMeant>,
}

/// Where those of [`SETTINGS`] begin that stay where they are.
const FIRST_SECRET: usize = 11;

/// Settings.
const SETTINGS: [&str; 14] = [
    "project-name",
    "project-description",
    "ignore-glob",
    "css",
    "footer",
    "xfer-push-script",
    "walias:/old",
    "interwiki:wp",
    "user-color-map",
    "ticket-table",
    "ticket-title-expr",
    "last-sync-pw",
    "sync-pw:http://elsewhere/",
    "th1-setup",
];

/// Letters that users get.
const LETTERS: [&str; 9] = ["gio", "gioxy", "gioy", "gioa", "gioax", "go", "s", "", "v"];

impl Keeper<'_> {
    /// Makes the first guest.
    pub fn invite(&mut self, repo: &mut Repo) -> Result<(), RepoError> {
        let tx = repo.begin()?;
        self.empower(&tx, "guest0")?;
        tx.commit()
    }

    /// Changes a record. Says what.
    pub fn set(&mut self, repo: &mut Repo) -> Result<String, RepoError> {
        if self.dice.below(2) == 0 {
            // Several peers are to change one at one time.
            self.now = UnixTime(self.now.0 / 20_000 * 20_000);
        }
        let tx = repo.begin()?;
        let what = match self.dice.below(12) {
            0 => self.conceal(&tx)?,
            1 => self.report(&tx)?,
            // Two peers are to have the same one, with different rights.
            2..=6 => {
                let login = format!("guest{}", self.dice.below(2));
                self.empower(&tx, &login)?
            }
            _ => {
                let name = *self.dice.pick(&SETTINGS);
                self.choose(&tx, name)?;
                format!("sets {name}")
            }
        };
        tx.commit()?;
        Ok(what)
    }

    /// Changes who may log in, with what, or what they may do.
    pub fn change_user(&mut self, repo: &mut Repo) -> Result<String, RepoError> {
        let tx = repo.begin()?;
        let what = match self.dice.below(12) {
            0 => {
                let letters = *self.dice.pick(&["go", "g", "", "gio"]);
                self.means("/user", user::NOBODY, Says::Letters(letters.to_owned()));
                user::set_capabilities(&tx, user::NOBODY, letters, self.now)?;
                format!("lets nobody do {letters:?}")
            }
            1 => {
                let letters = *self.dice.pick(&["ei", "eiy"]);
                self.means("/user", user::DEVELOPER, Says::Letters(letters.to_owned()));
                user::set_capabilities(&tx, user::DEVELOPER, letters, self.now)?;
                format!("lets developers do {letters}")
            }
            choice if !self.logins.is_empty() => {
                let login = self.dice.pick(self.logins).clone();
                match choice {
                    2 | 3 if user::find(&tx, &login)?.is_some() => {
                        self.means("/user", &login, Says::Gone);
                        user::remove(&tx, &login)?;
                        format!("removes {login}")
                    }
                    4..=6 => {
                        let (password, secret) = self.secret(&login);
                        self.means("/user", &login, Says::Password(password));
                        user::set_password(&tx, &login, &secret, self.now)?;
                        format!("changes the password of {login}")
                    }
                    _ => self.empower(&tx, &login)?,
                }
            }
            _ => "has no user to change".to_owned(),
        };
        tx.commit()?;
        Ok(what)
    }

    /// Makes a user, or makes one another.
    fn empower(&mut self, tx: &Tx<'_>, login: &str) -> Result<String, RepoError> {
        let letters = *self.dice.pick(&LETTERS);
        let (password, secret) = self.secret(login);
        self.means("/user", login, Says::User(letters.to_owned(), password));
        user::set_capabilities(tx, login, letters, self.now)?;
        user::set_password(tx, login, &secret, self.now)?;
        Ok(format!("lets {login} do {letters:?}"))
    }

    fn conceal(&mut self, tx: &Tx<'_>) -> Result<String, RepoError> {
        let address = format!("user{}@example.org", self.dice.below(4));
        let name = hash::sha1(address.as_bytes()).to_string();
        self.means("/concealed", &name, Says::Words(format!(" content {}", quoted(&address))));
        let sql = "REPLACE INTO concealed(hash, content, mtime) VALUES(?1, ?2, ?3)";
        tx.conn().execute(sql, params![name, address, self.now.seconds()])?;
        Ok(format!("hides {address}"))
    }

    fn report(&mut self, tx: &Tx<'_>) -> Result<String, RepoError> {
        let title = format!("Report {}", self.dice.below(2));
        let code = format!("SELECT {}", self.count);
        let words = format!(" owner 'o' cols '' sqlcode {} jx '{{}}'", quoted(&code));
        self.means("/reportfmt", &title, Says::Words(words));
        let sql = "REPLACE INTO reportfmt(owner, title, mtime, cols, sqlcode) VALUES('o', ?1, ?2, '', ?3)";
        tx.conn().execute(sql, params![title, self.now.seconds(), code])?;
        Ok(format!("writes {title}"))
    }

    fn choose(&mut self, tx: &Tx<'_>, name: &str) -> Result<(), RepoError> {
        let value = match name {
            "ticket-table" => columns(self.dice.below(3)),
            "ticket-title-expr" => (*self.dice.pick(&["title", "comment"])).to_owned(),
            _ => {
                let piece = if SETTINGS[FIRST_SECRET..].contains(&name) { HUSH } else { "value" };
                let value = format!("{piece} \"quoted\" it's {}", self.count);
                self.means("/config", name, Says::Words(format!(" value {}", quoted(&value))));
                return config::set(tx, name, &value, self.now);
            }
        };
        self.means("/config", name, Says::Words(format!(" value {}", quoted(&value))));
        // What decides how tickets are kept is brought as from a file: they are made anew.
        let record = format!("{} '{name}' value '{value}'", self.now.seconds()).into_bytes().into();
        let config = Config { name: "/config".to_owned(), record };
        let precedence = Precedence::Theirs;
        let policy = Policy { groups: Group::All.into(), authority: Authority::full(), precedence };
        configuration::take(tx, &[&config], &policy).map(drop)
    }

    /// What a user logs in with, and what is stored of it. Some are kept in clear, as old versions of stock did.
    fn secret(&mut self, login: &str) -> (String, Secret) {
        let password = *self.dice.pick(&PASSWORDS);
        let secret = if self.dice.below(4) == 0 {
            Secret::stored(password)
        } else {
            Secret::derive(PROJECT, login, password)
        };
        (password.to_owned(), secret)
    }

    fn means(&mut self, kind: &'static str, key: &str, says: Says) {
        self.meant.push(RecordMeant { kind, key: key.to_owned(), time: self.now, says });
    }
}

/// A text as a card has it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table of tickets, of which each project has its own.
fn columns(own: u64) -> String {
    format!(
        "CREATE TABLE ticket(tkt_id INTEGER PRIMARY KEY, tkt_uuid TEXT UNIQUE, tkt_mtime DATE, title TEXT, comment TEXT,
           own{own} TEXT);
         CREATE TABLE ticketchng(tkt_id INTEGER, tkt_rid INTEGER, tkt_mtime DATE, comment TEXT);
         CREATE INDEX ticketchng_idx1 ON ticketchng(tkt_id, tkt_mtime);"
    )
}
