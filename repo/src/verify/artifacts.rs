//! Every artifact against its name.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use xfer::ArtifactId;

use super::Finding;
use crate::ingest::forest::{Forest, Node};
use crate::ingest::naming::{self, Batch, Nameless, Namers};
use crate::ingest::walk::Walk;
use crate::ingest::{Arrival, BATCH_BYTES};
use crate::{RepoError, Rid, Snapshot, blob, content, dangling};

/// Expands every artifact once and compares it with its name and size; looks at every delta. Contents are
/// held as when they arrive, so the memory it takes is bounded by [`crate::Limits`] and the number of rows.
pub fn artifacts(snap: &Snapshot<'_>) -> Result<Vec<Finding>, RepoError> {
    let mut findings = Vec::new();
    let forest = Forest::of(nodes(snap, &mut findings)?);
    let threads = snap.memory().borrow().limits.threads;
    let mut findings = naming::with_namers(threads, forest.bytes(), |namers| {
        let passed = vec![false; forest.len()];
        let mut check = Check { snap, forest: &forest, namers, passed, findings };
        check.contents()?;
        check.cycles();
        Ok::<_, RepoError>(check.findings)
    })?;
    private_sources(snap, &mut findings)?;
    Ok(findings)
}

/// Everything that is stored and should be expandable.
const STORED: &str = "SELECT blob.rid, blob.uuid, blob.size, delta.srcid, source.size
  FROM blob LEFT JOIN delta ON delta.rid=blob.rid LEFT JOIN blob AS source ON source.rid=delta.srcid
 WHERE blob.size>=0 ORDER BY blob.rid";

fn nodes(snap: &Snapshot<'_>, findings: &mut Vec<Finding>) -> Result<Vec<Node>, RepoError> {
    let mut statement = snap.conn().prepare_cached(STORED)?;
    let mut rows = statement.query([])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        let rid: Rid = row.get(0)?;
        let name = row.get_ref(1)?.as_bytes().unwrap_or_default();
        let Ok(id) = ArtifactId::from_hex(name) else {
            findings.push(Finding::BadName { rid });
            continue;
        };
        if dangling::with(snap, |dangling| dangling.contains(rid))? {
            findings.push(Finding::Waiting { id });
            continue;
        }
        let source: Option<Rid> = row.get(3)?;
        if let (Some(source), ValueRef::Null) = (source, row.get_ref(4)?) {
            findings.push(Finding::SourceMissing { id, source });
            continue;
        }
        nodes.push(Node { rid, id, size: row.get(2)?, source, arrival: Arrival::Earlier });
    }
    Ok(nodes)
}

struct Check<'s, 'r> {
    snap: &'s Snapshot<'r>,
    forest: &'s Forest,
    namers: &'s Namers,
    passed: Vec<bool>,
    findings: Vec<Finding>,
}

impl Check<'_, '_> {
    fn contents(&mut self) -> Result<(), RepoError> {
        let mut walk = Walk::through(self.forest);
        let mut expanded = Vec::new();
        let mut bytes = 0;
        let mut being_named = None;
        while let Some((index, step)) = walk.step(self.snap)? {
            self.passed[index] = true;
            match step {
                Ok(content) => {
                    bytes += content.len();
                    expanded.push(Nameless { index, expected: self.forest.node(index).id, content });
                }
                Err(reason) => {
                    self.findings.push(Finding::Unreadable { id: self.forest.node(index).id, reason });
                    for below in walk.abandon_below(index) {
                        self.passed[below] = true;
                        self.findings.push(Finding::SourceUnreadable { id: self.forest.node(below).id });
                    }
                }
            }
            if bytes >= BATCH_BYTES {
                bytes = 0;
                let next = self.namers.start(std::mem::take(&mut expanded));
                self.compare(being_named.replace(next));
            }
        }
        self.compare(being_named);
        let last = self.namers.start(expanded);
        self.compare(Some(last));
        Ok(())
    }

    fn compare(&mut self, batch: Option<Arc<Batch>>) {
        let Some(batch) = batch else { return };
        for (item, actual) in batch.items().iter().zip(self.namers.finish(&batch)) {
            let &Node { id, size, .. } = self.forest.node(item.index);
            if actual != id {
                self.findings.push(Finding::WrongHash { id, actual });
            }
            if size != item.content.len() as i64 {
                self.findings.push(Finding::WrongSize { id, recorded: size, actual: item.content.len() });
            }
        }
    }

    /// What no walk from a whole artifact reaches.
    fn cycles(&mut self) {
        for index in (0..self.forest.len()).filter(|&index| !self.passed[index]) {
            self.findings.push(Finding::DeltaCycle { id: self.forest.node(index).id });
        }
    }
}

fn private_sources(snap: &Snapshot<'_>, findings: &mut Vec<Finding>) -> Result<(), RepoError> {
    let mut statement = snap.conn().prepare_cached(
        "SELECT delta.rid, delta.srcid FROM private CROSS JOIN delta ON delta.srcid=private.rid
          WHERE delta.rid NOT IN (SELECT rid FROM private) ORDER BY 1",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (rid, source) in rows.collect::<Result<Vec<(Rid, Rid)>, _>>()? {
        if content::size(snap, source)?.is_some() {
            let (id, source) = (blob::id(snap, rid)?, blob::id(snap, source)?);
            findings.push(Finding::PrivateSource { id, source });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xfer::hash::{sha1, sha3_256};

    use super::*;
    use crate::testing::{NOW, frame, hold, put_delta, repo};
    use crate::{Repo, ingest};

    const TEXTS: [&str; 4] = [
        "a first version of a text that has some length",
        "a second version of a text that has some length",
        "a third version of a text that has some length",
        "something else",
    ];

    /// Holds the first text and two deltas on it, one on the other, and another text.
    fn made() -> Repo {
        let mut repo = repo();
        hold(&mut repo, TEXTS[0].as_bytes());
        let tx = repo.begin().unwrap();
        put_delta(&tx, TEXTS[0].as_bytes(), TEXTS[1].as_bytes()).unwrap();
        put_delta(&tx, TEXTS[1].as_bytes(), TEXTS[2].as_bytes()).unwrap();
        ingest::settle(&tx, NOW).unwrap();
        tx.commit().unwrap();
        hold(&mut repo, TEXTS[3].as_bytes());
        repo
    }

    /// What is found after SQL was run, with names shortened to `#n` for text n.
    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let mut repo = made();
        let tx = repo.begin().unwrap();
        tx.conn()
            .execute("UPDATE blob SET content=?1 WHERE rid=4", [&frame(TEXTS[3].as_bytes())[..]])
            .unwrap();
        tx.conn().execute_batch(sql).unwrap();
        tx.commit().unwrap();
        let snap = repo.snapshot().unwrap();
        let mut found: Vec<String> = artifacts(&snap).unwrap().iter().map(ToString::to_string).collect();
        for (n, text) in TEXTS.iter().enumerate() {
            let name = sha3_256(text.as_bytes()).to_string();
            found = found.into_iter().map(|line| line.replace(&name, &format!("#{n}"))).collect();
        }
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn a_sound_file_has_no_findings() {
        check("", &[]);
    }

    #[test]
    fn each_kind_of_damage_is_found() {
        let sha1_name = sha1(TEXTS[3].as_bytes());
        check("UPDATE blob SET uuid=upper(uuid) WHERE rid=4", &["row 4 of blob has no name of an artifact"]);
        check("UPDATE blob SET content=NULL WHERE rid=4", &["#3: unreadable: no content for rid Rid(4)"]);
        check(
            "UPDATE blob SET content=x'00000005789c' WHERE rid=2",
            &[
                "#1: unreadable: artifact #1: its compressed form is no zlib stream",
                "#2: unreadable, because its delta source is",
            ],
        );
        check("UPDATE delta SET srcid=77 WHERE rid=3", &["#2: a delta of row 77, which does not exist"]);
        check("UPDATE blob SET size=3 WHERE rid=3", &["#2: recorded size 3, is 46"]);
        check("UPDATE delta SET srcid=3 WHERE rid=2", &["#1: a delta of itself", "#2: a delta of itself"]);
        check("INSERT INTO private VALUES(1)", &["#1: public, a delta of private #0"]);
        check("INSERT INTO private VALUES(1),(2),(3)", &[]);
        check(
            "UPDATE blob SET size=-1, content=NULL WHERE rid=1; INSERT INTO phantom VALUES(1)",
            &["#1: not verified, waits for its delta source", "#2: not verified, waits for its delta source"],
        );
        let false_name = sha3_256(b"false");
        check(
            &format!("UPDATE blob SET uuid='{false_name}' WHERE rid=4"),
            &[&format!("{false_name}: content hashes to #3")],
        );
        check(&format!("UPDATE blob SET uuid='{sha1_name}' WHERE rid=4"), &[]);
    }
}
