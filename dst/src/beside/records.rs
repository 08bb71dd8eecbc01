//! Settings, users and the like, as a repository holds them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use repo::{RepoError, Snapshot};

use crate::node;
use crate::rights::Letters;

/// Records by kind, as cards name it, and key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records(BTreeMap<(&'static str, String), Record>);

/// A row.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Seconds since 1970 when it changed last; none if it does not say, or not in seconds.
    pub mtime: Option<i64>,
    /// Of a user, capability letters as they stand there.
    pub letters: String,
    /// Of a user, what is as good as the password; empty if there is none.
    pub secret: String,
    /// How a card of it begins; empty if it does not travel.
    head: String,
    /// What a card says of the secret.
    telling: String,
    /// What else it says.
    rest: String,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {:.200}{}{:.200}", self.mtime, self.head, self.telling, self.rest)
    }
}

/// Whether a card tells what one may log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// It does.
    Told,
    /// It does not.
    Kept,
}

/// Where records of each kind are: the card, the table, the key, the other columns (wire.md section 11).
const KINDS: [(&str, &str, &str, &[&str]); 5] = [
    ("/config", "config", "name", &["value"]),
    ("/user", "user", "login", &["cap", "info", "photo", "jx"]),
    ("/shun", "shun", "uuid", &["scom"]),
    ("/reportfmt", "reportfmt", "title", &["owner", "cols", "sqlcode", "jx"]),
    ("/concealed", "concealed", "hash", &["content"]),
];

impl Record {
    /// The words of a card of it; none if it does not say when it changed.
    pub fn card(&self, secrets: Secrets) -> Option<String> {
        let telling = if secrets == Secrets::Told { self.telling.as_str() } else { "" };
        (!self.head.is_empty()).then(|| [&self.head, telling, &self.rest].concat())
    }

    /// What it says, but for the key and the secret.
    pub fn content(&self) -> &str {
        &self.rest
    }

    /// Whether this is what became of another one when a card came that has these words.
    pub fn comes_of(&self, held: Option<&Self>, card: &str) -> bool {
        let is_as_before = held.is_none_or(|held| held.secret == self.secret);
        self.card(Secrets::Told).as_deref() == Some(card)
            || (is_as_before && self.card(Secrets::Kept).as_deref() == Some(card))
    }
}

impl Records {
    /// A record.
    pub fn get(&self, kind: &str, key: &str) -> Option<&Record> {
        let (kind, ..) = KINDS.iter().find(|(known, ..)| *known == kind)?;
        self.0.get(&(*kind, key.to_owned()))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, &Record)> {
        self.0.iter().map(|((kind, key), record)| (*kind, key.as_str(), record))
    }

    /// Whether there are none, as in a run that does not look at them.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What capability letters stand for here.
    pub fn expand(&self, letters: &str) -> Letters {
        Letters::like([letters], self.letters("developer"), self.letters("reader"))
    }

    /// What everybody may do, and this user, if anybody logs in.
    pub fn rights(&self, user: Option<&str>) -> Letters {
        let own = user.map_or("", |user| self.letters(user));
        self.expand(&[self.letters("nobody"), own].concat())
    }

    /// Whether a peer that is this user gets in with its password.
    pub fn admits(&self, user: &str) -> bool {
        self.get("/user", user).is_some_and(|row| node::is_password(user, &row.secret))
    }

    fn letters(&self, user: &str) -> &str {
        self.get("/user", user).map_or("", |user| user.letters.as_str())
    }
}

/// Reads all of them, but for rows of `config` that are locks.
pub(super) fn read(snap: &Snapshot<'_>) -> Result<Records, RepoError> {
    static QUERIES: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    let mut records = BTreeMap::new();
    for (kind, sql) in QUERIES.get_or_init(queries) {
        let mut statement = snap.conn().prepare_cached(sql)?;
        let found = statement.query_map([], |row| {
            let record = Record {
                mtime: row.get(1)?,
                letters: row.get(2)?,
                secret: row.get(3)?,
                head: row.get(4)?,
                telling: row.get(5)?,
                rest: row.get(6)?,
            };
            Ok(((*kind, row.get(0)?), record))
        })?;
        for record in found {
            let (key, record) = record?;
            records.insert(key, record);
        }
    }
    Ok(Records(records))
}

fn queries() -> Vec<(&'static str, String)> {
    // What is NULL is not said.
    let said = |column: &str| format!("coalesce(' {column} '||nullif(quote({column}), 'NULL'), '')");
    let query = |(kind, table, key, columns): (&'static str, &str, &str, &[&str])| {
        let rest: Vec<String> = columns.iter().map(|column| said(column)).collect();
        let (letters, secret, telling) = match kind {
            "/user" => ("coalesce(cap, '')", "coalesce(pw, '')", said("pw")),
            _ => ("''", "''", "''".to_owned()),
        };
        let sql = format!(
            "SELECT {key}, CASE typeof(mtime) WHEN 'integer' THEN mtime END, {letters}, {secret},
               CASE WHEN typeof(mtime) IN ('integer', 'real') AND mtime>=0
                    THEN CAST(mtime AS TEXT)||' '||quote({key}) ELSE '' END, {telling}, {}
               FROM {table} WHERE {key} NOT GLOB 'ci-lock-*'",
            rest.join("||")
        );
        (kind, sql)
    };
    KINDS.map(query).into()
}
