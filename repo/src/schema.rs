//! The tables of a repository file (reference: repo.md sections 1 and 2).

pub(crate) mod late;
pub(crate) mod ticket;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;
use xfer::login::Secret;

use crate::repo::Genesis;
use crate::{RepoError, Snapshot, Tx, config, user};

/// What must be said before the first table of a file is made.
pub(crate) const BEFORE: &str = "PRAGMA page_size=4096; PRAGMA encoding='UTF-8'; PRAGMA journal_mode=DELETE;";

/// A smaller file is no repository.
pub(crate) const LEAST_FILE_BYTES: u64 = 16_834;

/// The schema versions that stock accepts, both included.
const OLDEST_SCHEMA: &str = "2011-04-25 19:50";
pub(crate) const NEWEST_SCHEMA: &str = "2015-01-24";

/// Who made the derived tables: config `rebuilt`.
pub(crate) const VERSION: &str = concat!("Frond ", env!("CARGO_PKG_VERSION"));

/// Tables by whose names a repository is recognised.
const LANDMARKS: [&str; 7] = ["blob", "delta", "rcvfrom", "user", "config", "mlink", "plink"];

/// Tables that only change by what users do; a rebuild leaves them alone.
const KEPT: &str = include_str!("schema/kept.sql");

/// Tables that follow from the artifacts, but for those of tickets; a rebuild makes them anew.
pub(crate) const DERIVED: &str = include_str!("schema/derived.sql");

/// Makes every table and row of a new file.
pub(crate) fn create(tx: &Tx<'_>, genesis: &Genesis) -> Result<(), RepoError> {
    // 252006673 marks a repository.
    tx.conn().execute_batch("PRAGMA application_id=252006673")?;
    tx.conn().execute_batch(KEPT)?;
    tx.conn().execute_batch(DERIVED)?;
    ticket::make(tx)?;
    create_config(tx, genesis)?;
    create_users(tx, genesis)
}

/// Whether this is a repository of a kind that can be used.
pub(crate) fn check(snap: &Snapshot<'_>) -> Result<(), RepoError> {
    let mut statement =
        snap.conn().prepare("SELECT 1 FROM sqlite_schema WHERE type='table' AND lower(name)=?1")?;
    for table in LANDMARKS {
        if !statement.exists([table])? {
            let reason = "tables are missing";
            return Err(RepoError::NotARepository { path: crate::error::Place::default(), reason });
        }
    }
    // A file without a version is for local use only, as in stock.
    match config::get(snap, "aux-schema")? {
        Some(schema) if !(OLDEST_SCHEMA..=NEWEST_SCHEMA).contains(&schema.as_str()) => {
            Err(RepoError::OtherSchema { path: crate::error::Place::default(), schema })
        }
        _ => Ok(()),
    }
}

/// Whether the file has a table of this name.
pub fn has_table(snap: &Snapshot<'_>, name: &str) -> Result<bool, RepoError> {
    let version = snap.schema_version()?;
    if let Some(has) = snap.memory().borrow_mut().tables.get(version, name) {
        return Ok(has);
    }
    let mut statement = snap
        .conn()
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type='table' AND lower(name)=lower(?1)")?;
    let has = statement.exists([name])?;
    snap.memory().borrow_mut().tables.put(name, has);
    Ok(has)
}

/// Which tables there are, as far as it was asked, in one version of the schema.
#[derive(Default)]
pub(crate) struct Tables {
    version: i64,
    known: BTreeMap<String, bool>,
}

impl Tables {
    fn get(&mut self, version: i64, name: &str) -> Option<bool> {
        if self.version != version {
            *self = Self { version, known: BTreeMap::new() };
        }
        self.known.get(name).copied()
    }

    fn put(&mut self, name: &str, has: bool) {
        self.known.insert(name.to_owned(), has);
    }

    /// A version that was rolled back may come again and be another.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// The statements of a script, each of which ends a line.
pub(crate) fn statements(script: &str) -> Vec<String> {
    let code = |line: &&str| !line.starts_with("--");
    let plain: Vec<&str> = script.lines().filter(code).collect();
    let statements = plain.join("\n").replace("IF NOT EXISTS ", "");
    let statements = statements.trim_end_matches(['\n', ';']).split(";\n");
    statements.filter(|sql| !sql.is_empty()).map(str::to_owned).collect()
}

/// Empties tables if they are as these statements make them, and says whether. To make them anew has SQLite prepare
/// every statement anew.
pub(crate) fn empty(tx: &Tx<'_>, tables: &[&str], statements: &[String]) -> Result<bool, RepoError> {
    let is_definition = |sql: &&String| sql.starts_with("CREATE ");
    let wanted: BTreeSet<String> = statements.iter().filter(is_definition).cloned().collect();
    let sql = "SELECT sql FROM sqlite_schema WHERE tbl_name=?1 AND sql NOT NULL";
    let mut present = BTreeSet::new();
    for table in tables {
        for sql in tx.prepared(sql)?.query_map([table], |row| row.get::<_, String>(0))? {
            present.insert(sql?);
        }
    }
    if present != wanted {
        return Ok(false);
    }
    for table in tables {
        tx.conn().prepare_cached(&format!("DELETE FROM {table}"))?.execute([])?;
    }
    for sql in statements.iter().filter(|sql| !is_definition(sql)) {
        tx.conn().prepare_cached(sql)?.execute([])?;
    }
    Ok(true)
}

fn create_config(tx: &Tx<'_>, genesis: &Genesis) -> Result<(), RepoError> {
    let rows = [
        ("content-schema", "2"),
        ("aux-schema", NEWEST_SCHEMA),
        ("rebuilt", VERSION),
        ("hash-policy", "2"),
        ("server-code", &genesis.server),
        ("project-code", &genesis.project),
        ("admin-log", "1"),
        ("access-log", "1"),
        ("autosync", "1"),
        ("localauth", "0"),
        ("timeline-plaintext", "1"),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        config::set(tx, name, value, genesis.now)?;
    }
    Ok(())
}

/// The first user, and the four that carry what kinds of users have in common.
fn create_users(tx: &Tx<'_>, genesis: &Genesis) -> Result<(), RepoError> {
    let secret = genesis
        .password
        .as_ref()
        .map(|password| Secret::derive(&genesis.project, &genesis.user, password).expose().to_owned());
    // Stock lets nobody log in as `anonymous` whose row has no password; it shows this one to the visitor,
    // so it need not be secret.
    let captcha = xfer::hash::sha1(genesis.server.as_bytes()).to_string()[..16].to_uppercase();
    let rows = [
        (genesis.user.as_str(), secret.as_deref().unwrap_or_default(), "s", ""),
        (user::ANONYMOUS, &captcha, "", "Anon"),
        (user::NOBODY, "", &genesis.public, "Nobody"),
        (user::DEVELOPER, "", "ei", "Dev"),
        (user::READER, "", "kptw", "Reader"),
    ];
    for (login, password, capabilities, info) in rows {
        tx.conn().execute(
            "INSERT INTO user(login, pw, cap, info) VALUES(?1, ?2, ?3, ?4)",
            params![login, password, capabilities, info],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Repo;

    #[test]
    fn a_new_repository_passes_its_own_check() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        check(&repo.snapshot().unwrap()).unwrap();
    }

    #[test]
    fn schemas_out_of_range_are_refused() {
        let cases = [
            ("2011-04-25 19:49", false),
            ("2011-04-25 19:50", true),
            ("2015-01-24", true),
            ("2015-01-24 1", false),
            ("", false),
        ];
        for (schema, accepted) in cases {
            let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
            let tx = repo.begin().unwrap();
            config::set(&tx, "aux-schema", schema, Default::default()).unwrap();
            assert_eq!(check(&tx).is_ok(), accepted, "{schema}");
        }
    }

    #[test]
    fn a_file_without_one_of_the_tables_is_no_repository() {
        for table in LANDMARKS {
            let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
            let tx = repo.begin().unwrap();
            tx.conn().execute_batch(&format!("DROP TABLE {table}")).unwrap();
            assert!(matches!(check(&tx), Err(RepoError::NotARepository { .. })), "{table}");
        }
    }
}
