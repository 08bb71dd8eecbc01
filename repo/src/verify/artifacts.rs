//! Every artifact against its name.

use std::collections::BTreeSet;

use xfer::ArtifactId;

use super::{Finding, Report};
use crate::ingest::Arrival;
use crate::ingest::crew::{Begun, Crew};
use crate::ingest::examine::{self, Batch, Item, Reading};
use crate::ingest::forest::{Forest, Node};
use crate::ingest::walk::Walk;
use crate::{RepoError, Rid, Snapshot, blob, content, dangling, unversioned};

/// Expands every artifact once and compares it with its name and size; looks at every delta, and at
/// unversioned files. What it found before an error stays in the report. Contents are held as when they arrive, so the memory it takes is bounded by
/// [`crate::Limits`] and the number of rows.
pub(super) fn check(snap: &Snapshot<'_>, report: &mut Report) -> Result<(), RepoError> {
    report.phantoms = phantoms(snap)?;
    let forest = Forest::of(nodes(snap, report)?);
    snap.expect(forest.bytes())?;
    snap.with_crew(forest.bytes(), |crew| {
        let passed = vec![false; forest.len()];
        let findings = &mut report.findings;
        let mut check = Check { snap, forest: &forest, crew, passed, findings };
        check.contents()?;
        check.cycles();
        Ok::<_, RepoError>(())
    })?;
    private_sources(snap, &mut report.findings)?;
    unversioned_files(snap, &mut report.findings)
}

/// Everything that is stored and should be expandable.
const STORED: &str = "SELECT blob.rid, blob.uuid, blob.size, delta.srcid
  FROM blob LEFT JOIN delta ON delta.rid=blob.rid WHERE blob.size>=0 ORDER BY blob.rid";

fn nodes(snap: &Snapshot<'_>, report: &mut Report) -> Result<Vec<Node>, RepoError> {
    let mut statement = snap.conn().prepare_cached(STORED)?;
    let mut rows = statement.query([])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        let rid: Rid = row.get(0)?;
        if dangling::with(snap, |dangling| dangling.contains(rid))? {
            report.waiting += 1;
            continue;
        }
        report.checked += 1;
        match ArtifactId::from_hex(row.get_ref(1)?.as_bytes().unwrap_or_default()) {
            Ok(id) => nodes.push(Node {
                rid,
                id,
                size: row.get(2)?,
                source: row.get(3)?,
                arrival: Arrival::Earlier,
                frame: None,
            }),
            Err(_) => report.findings.push(Finding::BadName { rid }),
        }
    }
    Ok(nodes)
}

/// What is named and not held, but for what must not come.
fn phantoms(snap: &Snapshot<'_>) -> Result<u64, RepoError> {
    let sql = "SELECT count(*) FROM blob WHERE size<0 AND uuid NOT IN (SELECT uuid FROM shun)";
    let count: i64 = snap.conn().query_row(sql, [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

struct Check<'s, 'r> {
    snap: &'s Snapshot<'r>,
    forest: &'s Forest,
    crew: &'s Crew,
    passed: Vec<bool>,
    findings: &'s mut Vec<Finding>,
}

impl Check<'_, '_> {
    fn contents(&mut self) -> Result<(), RepoError> {
        let mut walk = Walk::helped(self.snap, self.forest, self.crew);
        self.sourceless(&mut walk);
        let mut expanded = Batch::new(Reading::No);
        let mut being_examined = None;
        while let Some((index, step)) = walk.step(self.snap)? {
            self.passed[index] = true;
            match step {
                Ok(content) => {
                    expanded.push(Item { index, expected: Some(self.forest.node(index).id), content });
                }
                Err(reason) => {
                    walk.abandon_below(index);
                    let (id, below) = (self.forest.node(index).id, self.pass_below(index));
                    self.findings.push(Finding::Unreadable { id, reason, below });
                }
            }
            if expanded.is_full() {
                let next = self.crew.begin(expanded.take());
                self.compare(being_examined.replace(next));
            }
        }
        self.compare(being_examined);
        let last = self.crew.begin(expanded.take());
        self.compare(Some(last));
        Ok(())
    }

    fn compare(&mut self, batch: Option<Begun<Batch>>) {
        let Some(batch) = batch else { return };
        for (item, found) in batch.work().items().iter().zip(examine::finish(self.crew, &batch)) {
            let &Node { id, size, .. } = self.forest.node(item.index);
            if let Some(actual) = found.name.filter(|&actual| actual != id) {
                self.findings.push(Finding::WrongHash { id, actual });
            }
            if size != item.content.len() as i64 {
                self.findings.push(Finding::WrongSize { id, recorded: size, actual: item.content.len() });
            }
        }
    }

    /// Deltas of rows that hold no artifact.
    fn sourceless(&mut self, walk: &mut Walk<'_>) {
        for index in self.forest.without_source() {
            walk.abandon(index);
            self.passed[index] = true;
            let &Node { id, source, .. } = self.forest.node(index);
            let below = self.pass_below(index);
            self.findings.extend(source.map(|source| Finding::SourceMissing { id, source, below }));
        }
    }

    /// What no walk from a whole artifact reaches: each cycle, with what hangs on it.
    fn cycles(&mut self) {
        for index in self.left().collect::<Vec<_>>() {
            if self.passed[index] {
                continue;
            }
            let root = self.in_cycle(index);
            self.passed[root] = true;
            let id = self.forest.node(root).id;
            let below = self.pass_below(root);
            self.findings.push(Finding::DeltaCycle { id, below });
        }
    }

    fn left(&self) -> impl Iterator<Item = usize> {
        (0..self.forest.len()).filter(|&index| !self.passed[index])
    }

    /// The first member of the cycle above a node.
    fn in_cycle(&self, index: usize) -> usize {
        let up = |index: usize| self.forest.source(index).unwrap_or(index);
        let mut seen = BTreeSet::new();
        let mut at = index;
        while seen.insert(at) {
            at = up(at);
        }
        let (entry, mut first) = (at, at);
        while up(at) != entry {
            at = up(at);
            first = first.min(at);
        }
        first
    }

    /// Marks everything that hangs on a node, and counts it.
    fn pass_below(&mut self, index: usize) -> usize {
        let mut below = 0;
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            for &child in self.forest.deltas_of(index) {
                if !std::mem::replace(&mut self.passed[child], true) {
                    below += 1;
                    open.push(child);
                }
            }
        }
        below
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

fn unversioned_files(snap: &Snapshot<'_>, findings: &mut Vec<Finding>) -> Result<(), RepoError> {
    for name in unversioned::names(snap)? {
        match unversioned::content(snap, &name.to_str_lossy()) {
            Ok(_) => {}
            Err(RepoError::Corrupt { reason, .. }) => findings.push(Finding::Unversioned { reason }),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xfer::hash::{sha1, sha3_256};

    use crate::testing::{NOW, frame, hold, put_delta, repo};
    use crate::verify::{Report, artifacts};
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
    fn check(sql: &str, expected: &[&str]) -> Report {
        let mut repo = made();
        let tx = repo.begin().unwrap();
        tx.conn()
            .execute("UPDATE blob SET content=?1 WHERE rid=4", [&frame(TEXTS[3].as_bytes())[..]])
            .unwrap();
        tx.conn().execute_batch(sql).unwrap();
        tx.commit().unwrap();
        let snap = repo.snapshot().unwrap();
        let report = artifacts(&snap).unwrap();
        let mut found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        for (n, text) in TEXTS.iter().enumerate() {
            let name = sha3_256(text.as_bytes()).to_string();
            found = found.into_iter().map(|line| line.replace(&name, &format!("#{n}"))).collect();
        }
        assert_eq!(found, expected, "{sql}");
        report
    }

    #[test]
    fn a_sound_file_has_no_findings() {
        check("", &[]);
    }

    #[test]
    fn each_kind_of_damage_is_found() {
        let sha1_name = sha1(TEXTS[3].as_bytes());
        check("UPDATE blob SET uuid=upper(uuid) WHERE rid=4", &["row 4 of blob has no name of an artifact"]);
        check("UPDATE blob SET content=NULL WHERE rid=4", &["#3: unreadable: row 4 of blob has no content"]);
        check(
            "UPDATE blob SET content=x'00000005789c' WHERE rid=2",
            &["#1: unreadable: artifact #1: its compressed form is no zlib stream; with it 1 delta on it"],
        );
        check(
            "UPDATE blob SET content=NULL WHERE rid=1",
            &["#0: unreadable: row 1 of blob has no content; with it 2 deltas on it"],
        );
        check("UPDATE delta SET srcid=77 WHERE rid=3", &["#2: a delta of row 77, which holds no artifact"]);
        check(
            "UPDATE delta SET srcid=77 WHERE rid=2",
            &["#1: a delta of row 77, which holds no artifact; with it 1 delta on it"],
        );
        check(
            "UPDATE blob SET uuid=upper(uuid) WHERE rid=2",
            &["row 2 of blob has no name of an artifact", "#2: a delta of row 2, which holds no artifact"],
        );
        check("UPDATE blob SET size=3 WHERE rid=3", &["#2: recorded size 3, is 46"]);
        check("UPDATE delta SET srcid=3 WHERE rid=2", &["#1: a delta of itself; with it 1 delta on it"]);
        check(
            "UPDATE delta SET srcid=2 WHERE rid=2; INSERT INTO delta VALUES(4,4)",
            &["#1: a delta of itself; with it 1 delta on it", "#3: a delta of itself"],
        );
        check("INSERT INTO private VALUES(1)", &["#1: public, a delta of private #0"]);
        check("INSERT INTO private VALUES(1),(2),(3)", &[]);
        let false_name = sha3_256(b"false");
        check(
            &format!("UPDATE blob SET uuid='{false_name}' WHERE rid=4"),
            &[&format!("{false_name}: content hashes to #3")],
        );
        check(&format!("UPDATE blob SET uuid='{sha1_name}' WHERE rid=4"), &[]);
    }

    #[test]
    fn what_has_not_come_is_no_fault_of_the_file() {
        let phantom = "UPDATE blob SET size=-1, content=NULL WHERE rid=1; INSERT INTO phantom VALUES(1)";
        let report = check(phantom, &[]);
        assert_eq!((report.checked, report.waiting, report.phantoms), (1, 2, 1));
        let shunned = format!("{phantom}; INSERT INTO shun SELECT uuid, 0, '' FROM blob WHERE rid=1");
        assert_eq!(check(&shunned, &[]).phantoms, 0);
    }
}
