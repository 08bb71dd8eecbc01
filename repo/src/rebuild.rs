//! Derived tables anew, from the artifacts alone (reference: repo.md sections 1.1 and 2.2).
//!
//! Other than stock this invents no control artifacts for a repository without a trunk, and tables that it
//! does not know stay as they are.

use bytes::Bytes;
use xfer::ArtifactId;

use crate::crosslink::{self, Linker};
use crate::error::Fault;
use crate::ingest::crew::{Begun, Crew};
use crate::ingest::examine::{self, Batch, Item, Reading};
use crate::tx::Damage;
use crate::{
    RepoError, Rid, Tx, UnixTime, blob, config, content, dangling, ingest, private, schema, table, tag,
};

/// Tables that follow from the artifacts, without those of tickets, whose columns are the project's
/// ([`schema::ticket`]).
const TABLES: [&str; 14] = [
    "filename",
    "mlink",
    "plink",
    "leaf",
    "event",
    "phantom",
    "orphan",
    "unclustered",
    "unsent",
    "tag",
    "tagxref",
    "backlink",
    "attachment",
    "cherrypick",
];

/// Those of them that are made when they are first needed.
const LATER: [(&str, &str); 4] = [
    ("forumpost", crosslink::forum::TABLE),
    ("fx_frond_tag", tag::SHADOWS),
    ("fx_frond_cherrypick", crosslink::checkin::WAITING),
    ("fx_frond_listed", private::LISTED),
];

/// From so many artifacts on, indexes are faster made at the end than kept up to date.
const MANY: u64 = 1000;

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Artifacts seen.
    pub done: u64,
    /// Artifacts held.
    pub total: u64,
}

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Artifacts that could be expanded.
    pub artifacts: u64,
    /// Structural ones among them.
    pub structural: u64,
    /// Those that are stored and could not be expanded: whatever follows from them is missing now. What waits
    /// for its delta source is not among them. That a content is not what its name says shows only in
    /// [`crate::verify`].
    pub damaged: Vec<ArtifactId>,
}

/// Makes every derived table anew, corrects recorded sizes, and stores whole what is public and a delta of
/// something private. Shunned artifacts leave the file.
///
/// The columns of tickets are those of the setting `ticket-table`. A damaged artifact counts as missing, and the rest is
/// linked without it.
pub fn run(tx: &Tx<'_>, now: UnixTime, progress: &mut dyn FnMut(Progress)) -> Result<Rebuilt, RepoError> {
    drop_shunned(tx)?;
    part_from_private(tx)?;
    make_tables(tx)?;
    fill_lists(tx)?;
    tx.memory().borrow_mut().damage = Damage::CountsAsMissing;
    let total: i64 = tx.conn().query_row("SELECT count(*) FROM blob WHERE size>=0", [], |row| row.get(0))?;
    let total = total.unsigned_abs();
    if total >= MANY {
        schema::late::put_off(tx)?;
    }
    tx.expect(usize::MAX)?;
    let (linker, rebuilt, damaged) = tx.with_crew(usize::MAX, |crew| {
        let mut linking = Linking::new(tx, crew);
        let damaged = ingest::every(tx, crew, &mut |rid, content| {
            if linking.add(rid, content)? {
                progress(Progress { done: linking.rebuilt.artifacts, total });
            }
            Ok(())
        })?;
        linking.move_on()?;
        linking.move_on()?;
        Ok::<_, RepoError>((linking.linker, linking.rebuilt, damaged))
    })?;
    linker.finish(tx, now)?;
    schema::late::make(tx)?;
    tx.memory().borrow_mut().damage = Damage::IsAnError;
    note(tx, now)?;
    table::mend(tx, now)?;
    Ok(Rebuilt { damaged, ..rebuilt })
}

/// While one batch is being read by other threads, this one expands the next and links the one before.
struct Linking<'t, 'r> {
    tx: &'t Tx<'r>,
    crew: &'t Crew,
    linker: Linker,
    expanded: Batch,
    /// Where they are in the file.
    rids: Vec<Rid>,
    being_read: Option<(Vec<Rid>, Begun<Batch>)>,
    rebuilt: Rebuilt,
}

impl<'t, 'r> Linking<'t, 'r> {
    fn new(tx: &'t Tx<'r>, crew: &'t Crew) -> Self {
        let expanded = Batch::new(Reading::Structural);
        let (linker, rids, rebuilt) = Default::default();
        Self { tx, crew, linker, expanded, rids, being_read: None, rebuilt }
    }

    /// Takes in an artifact. Says whether others were linked meanwhile.
    fn add(&mut self, rid: Rid, content: &Bytes) -> Result<bool, RepoError> {
        self.expanded.push(Item { index: self.rids.len(), expected: None, content: content.clone() });
        self.rids.push(rid);
        let is_full = self.expanded.is_full();
        if is_full {
            self.move_on()?;
        }
        Ok(is_full)
    }

    /// Has what was expanded read, and links what was being read until now.
    fn move_on(&mut self) -> Result<(), RepoError> {
        let next = (std::mem::take(&mut self.rids), self.crew.begin(self.expanded.take()));
        let Some((rids, batch)) = self.being_read.replace(next) else { return Ok(()) };
        for (item, found) in batch.work().items().iter().zip(examine::finish(self.crew, &batch)) {
            self.rebuilt.artifacts += 1;
            if let Some(artifact) = &found.artifact {
                self.linker.take_in(self.tx, rids[item.index], &item.content, artifact)?;
                self.rebuilt.structural += 1;
            }
        }
        Ok(())
    }
}

/// Whoever gets a public delta must not learn from it what is private.
fn part_from_private(tx: &Tx<'_>) -> Result<(), RepoError> {
    let sql = "SELECT delta.rid FROM private CROSS JOIN delta ON delta.srcid=private.rid JOIN blob ON blob.rid=srcid
                WHERE blob.size>=0 AND delta.rid NOT IN (SELECT rid FROM private)";
    for rid in blob::rids(tx, sql, [])? {
        match content::store_whole(tx, rid) {
            // Damaged: what can be expanded is told later.
            Err(error) if error.fault() == Fault::Sender || matches!(error, RepoError::NoContent(_)) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Takes out what must not be here. Deltas of it are stored whole; of those that could not be expanded yet a name
/// remains, to be asked for.
fn drop_shunned(tx: &Tx<'_>) -> Result<(), RepoError> {
    for rid in blob::rids(tx, "SELECT rid FROM blob WHERE uuid IN (SELECT uuid FROM shun)", [])? {
        for child in blob::rids(tx, "SELECT rid FROM delta WHERE srcid=?1", [rid])? {
            content::store_whole(tx, child)?;
            if content::delta_source(tx, child)?.is_some() {
                content::make_phantom(tx, child)?;
            }
        }
        for sql in [
            "DELETE FROM delta WHERE rid=?1",
            "DELETE FROM private WHERE rid=?1",
            "DELETE FROM blob WHERE rid=?1",
        ] {
            tx.prepared(sql)?.execute([rid])?;
        }
    }
    dangling::forget(tx);
    tx.memory().borrow_mut().names.forget();
    Ok(())
}

fn make_tables(tx: &Tx<'_>) -> Result<(), RepoError> {
    if !schema::empty(tx, &TABLES, &schema::statements(schema::DERIVED))? {
        TABLES.iter().try_for_each(|table| drop_table(tx, table))?;
        tx.conn().execute_batch(schema::DERIVED)?;
    }
    for (table, script) in LATER {
        if !schema::empty(tx, &[table], &schema::statements(script))? {
            drop_table(tx, table)?;
        }
    }
    schema::ticket::make(tx)
}

fn drop_table(tx: &Tx<'_>, table: &str) -> Result<(), RepoError> {
    Ok(tx.conn().execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?)
}

/// Phantoms, and what is to be announced but for members of clusters, which leave when those are linked.
fn fill_lists(tx: &Tx<'_>) -> Result<(), RepoError> {
    tx.conn().execute_batch(
        "INSERT INTO phantom SELECT rid FROM blob WHERE size<0;
         INSERT INTO unclustered SELECT rid FROM blob WHERE rid NOT IN (SELECT rid FROM private);",
    )?;
    Ok(())
}

fn note(tx: &Tx<'_>, now: UnixTime) -> Result<(), RepoError> {
    config::set(tx, "content-schema", "2", now)?;
    config::set(tx, "aux-schema", schema::NEWEST_SCHEMA, now)?;
    config::set(tx, "rebuilt", schema::VERSION, now)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use xfer::card::Privacy;
    use xfer::hash::sha3_256;

    use super::*;
    use crate::content::Incoming;
    use crate::{Genesis, Repo, shun, testing};

    const NOW: UnixTime = UnixTime::from_seconds(1_600_000_000);

    /// A repository with one file, then `sql`, then rebuilt.
    fn rebuilt(sql: &str, shunned: &[&[u8]]) -> Repo {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        let tx = repo.begin().unwrap();
        let content = b"a file\n";
        content::put(&tx, &sha3_256(content), &Incoming::Whole(content), Privacy::Public).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        tx.conn().execute_batch(sql).unwrap();
        for content in shunned {
            shun::add(&tx, &sha3_256(content), "", NOW).unwrap();
        }
        run(&tx, NOW, &mut |_| ()).unwrap();
        tx.commit().unwrap();
        repo
    }

    #[test]
    fn indexes_that_are_put_off_are_made_as_they_were() {
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        let tx = repo.begin().unwrap();
        for number in 0..MANY {
            let content = number.to_le_bytes();
            content::put(&tx, &sha3_256(&content), &Incoming::Whole(&content), Privacy::Public).unwrap();
        }
        ingest::settle(&tx, NOW).unwrap();
        let schema = |tx: &Tx<'_>| {
            let mut statement =
                tx.conn().prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.collect::<Result<Vec<(String, Option<String>)>, _>>().unwrap()
        };
        let before = schema(&tx);
        assert_eq!(run(&tx, NOW, &mut |_| ()).unwrap().artifacts, MANY);
        assert_eq!(schema(&tx), before);
        tx.commit().unwrap();
    }

    fn count(repo: &mut Repo, from: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {from}");
        repo.snapshot().unwrap().conn().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn tables_of_others_stay() {
        let mut repo = rebuilt("CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)", &[]);
        assert_eq!(count(&mut repo, "theirs"), 1);
    }

    /// A rebuild of a file with a column more than the default, and perhaps the setting.
    #[track_caller]
    fn check_columns(setting: Option<&str>, mood: i64, colour: i64) {
        let setting = setting.map_or(String::new(), |setting| {
            format!("INSERT INTO config(name, value) VALUES('ticket-table', '{setting}');")
        });
        let mut repo = rebuilt(&format!("ALTER TABLE ticket ADD COLUMN mood TEXT; {setting}"), &[]);
        let mut columns =
            |name| count(&mut repo, &format!("pragma_table_info('ticket') WHERE name='{name}'"));
        assert_eq!((columns("mood"), columns("colour")), (mood, colour), "{setting}");
    }

    #[test]
    fn the_setting_says_the_columns_of_tickets() {
        check_columns(Some("CREATE TABLE ticket(tkt_id, tkt_uuid, tkt_mtime, colour)"), 0, 1);
        check_columns(None, 0, 0);
        check_columns(Some("garbage"), 1, 0);
    }

    #[test]
    fn what_is_shunned_leaves_the_file() {
        let mut repo = rebuilt("", &[b"a file\n"]);
        assert_eq!(count(&mut repo, "blob"), 0);
    }

    #[test]
    fn of_what_waits_for_something_shunned_a_name_remains() {
        let texts: [&[u8]; 3] = [b"a text that is shunned", b"a text that is wanted", b"a text that is long"];
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        let tx = repo.begin().unwrap();
        testing::put_delta(&tx, texts[0], texts[1]).unwrap();
        testing::put_delta(&tx, texts[1], texts[2]).unwrap();
        shun::add(&tx, &sha3_256(texts[0]), "", NOW).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        let found = run(&tx, NOW, &mut |_| ()).unwrap();
        assert_eq!((found.artifacts, found.damaged), (0, vec![]));
        assert_eq!(testing::number(&tx, "SELECT count(*) FROM delta"), 1);
        testing::put(&tx, texts[1]).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        for text in &texts[1..] {
            testing::held(&tx, &sha3_256(text));
        }
        tx.commit().unwrap();
    }

    #[test]
    fn nothing_is_left_to_be_sent_and_everything_to_be_announced() {
        let mut repo = rebuilt("INSERT INTO unsent SELECT rid FROM blob; DELETE FROM unclustered", &[]);
        assert_eq!((count(&mut repo, "unsent"), count(&mut repo, "unclustered")), (0, 1));
    }

    /// Two versions of a text, each a delta of the one before, beside another text, with names shortened to
    /// their numbers.
    #[track_caller]
    fn check_damage(sql: &str, sound: u64, damaged: &[usize]) {
        let texts = [1, 2, 3].map(|n| format!("{}{n}\n", "A line of a text that goes on.\n".repeat(3)));
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        let tx = repo.begin().unwrap();
        testing::put(&tx, texts[0].as_bytes()).unwrap();
        testing::put_delta(&tx, texts[0].as_bytes(), texts[1].as_bytes()).unwrap();
        testing::put_delta(&tx, texts[1].as_bytes(), texts[2].as_bytes()).unwrap();
        testing::put(&tx, b"another text").unwrap();
        ingest::settle(&tx, NOW).unwrap();
        tx.commit().unwrap();
        let tx = repo.begin().unwrap();
        tx.conn().execute_batch(sql).unwrap();
        let found = run(&tx, NOW, &mut |_| ()).unwrap();
        let expected: Vec<_> = damaged.iter().map(|&n| sha3_256(texts[n].as_bytes())).collect();
        assert_eq!((found.artifacts, found.damaged), (sound, expected), "{sql}");
        tx.commit().unwrap();
    }

    #[test]
    fn what_cannot_be_expanded_is_told() {
        check_damage("", 4, &[]);
        check_damage("UPDATE blob SET content=NULL WHERE rid=1", 1, &[0, 1, 2]);
        check_damage("UPDATE blob SET content=x'00000005789c' WHERE rid=2", 2, &[1, 2]);
        check_damage("UPDATE blob SET content=x'00' WHERE rid=3", 3, &[2]);
        check_damage("UPDATE delta SET srcid=3 WHERE rid=2", 2, &[1, 2]);
        check_damage("UPDATE delta SET srcid=77 WHERE rid=2", 2, &[1, 2]);
    }

    #[test]
    fn what_is_public_is_no_delta_of_something_private() {
        let texts: [&[u8]; 2] =
            [b"a text that is private, of some length", b"a text that is private, and more"];
        let mut repo = Repo::in_memory(&Genesis::default()).unwrap();
        let tx = repo.begin().unwrap();
        testing::put(&tx, texts[0]).unwrap();
        testing::put_delta(&tx, texts[0], texts[1]).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        tx.conn().execute_batch("INSERT INTO private VALUES(1)").unwrap();
        assert_eq!(testing::number(&tx, "SELECT count(*) FROM delta"), 1);
        run(&tx, NOW, &mut |_| ()).unwrap();
        assert_eq!(testing::number(&tx, "SELECT count(*) FROM delta"), 0);
        assert_eq!(content::get(&tx, Rid(2)).unwrap(), texts[1]);
        tx.commit().unwrap();
    }

    #[test]
    fn what_waits_for_a_phantom_is_not_damaged() {
        check_damage(
            "UPDATE blob SET size=-1, content=NULL WHERE rid=1; INSERT INTO phantom VALUES(1)",
            1,
            &[],
        );
    }

    #[test]
    fn a_wrong_size_is_corrected() {
        let mut repo = rebuilt("UPDATE blob SET size=99", &[]);
        assert_eq!(count(&mut repo, "blob WHERE size=7"), 1);
    }
}
