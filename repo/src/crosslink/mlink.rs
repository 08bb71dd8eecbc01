//! Which files a check-in changed: `mlink` (reference: repo.md 6.1.3 and 6.1.4).
//!
//! The rows of a check-in are a function of its own list and those of its parents and cherry-picks, so they
//! are made when the last of these passes by, or at the end of the batch, and made anew when another comes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

use rusqlite::{OptionalExtension, params_from_iter};
use xfer::ArtifactId;
use xfer::card::Privacy;

use super::changes::{self, Change, Tree};
use super::listing::{Listing, Listings};
use crate::ingest::crew::{Begun, Crew};
use crate::ingest::examine::{self, Batch, Item, Reading};
use crate::ingest::forest::Forest;
use crate::ingest::walk::Walk;
use crate::manifest::Artifact;
use crate::{RepoError, Rid, Tx, blob, private, tag};

/// File names whose ids are remembered.
const KEPT_NAMES: usize = 50_000;

/// The file changes of the check-ins of a batch.
#[derive(Default)]
pub(super) struct FileLinks {
    pub(super) listings: Listings,
    pending: BTreeSet<Rid>,
    /// Check-ins of the batch.
    came: BTreeSet<Rid>,
    names: BTreeMap<Vec<u8>, i64>,
    /// Check-ins that are linked, as far as anyone asked.
    linked: BTreeSet<Rid>,
}

/// Where a check-in comes from.
struct Links {
    /// None: it is a root.
    primary: Option<Rid>,
    /// Merge parents and cherry-picks, each once, without the primary parent.
    others: Vec<Rid>,
    /// Parents and cherry-picks as the artifact has them.
    count: usize,
}

/// A row about to be written.
struct Row<'a> {
    parent: Option<Rid>,
    change: Change<'a>,
    by_merge: bool,
}

impl FileLinks {
    /// Links what a check-in that has just come completes: itself, and what is compared with it. Says what of that
    /// came in earlier batches.
    pub(super) fn arrived(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<Vec<Rid>, RepoError> {
        self.came.insert(rid);
        self.attempt(tx, rid)?;
        let mut compared = compared_with(tx, rid)?;
        for &child in &compared {
            self.attempt(tx, child)?;
        }
        compared.retain(|child| !self.came.contains(child));
        Ok(compared)
    }

    /// Has the rows of a check-in made anew.
    pub(super) fn redo(&mut self, rid: Rid) {
        self.pending.insert(rid);
    }

    /// Makes the rows of all check-ins that could not be compared in passing.
    pub(super) fn finish(&mut self, tx: &Tx<'_>) -> Result<(), RepoError> {
        let mut left = usize::MAX;
        while !self.pending.is_empty() && self.pending.len() < left {
            left = self.pending.len();
            self.pass_again(tx)?;
        }
        // Whose lists are not all to be had, or not at once.
        for rid in std::mem::take(&mut self.pending) {
            self.link(tx, rid, None)?;
            self.listings.release(rid);
        }
        Ok(())
    }

    /// Goes once more through the chains of deltas that the lists of what is pending are in.
    fn pass_again(&mut self, tx: &Tx<'_>) -> Result<(), RepoError> {
        let mut compared: BTreeMap<Rid, Vec<Rid>> = BTreeMap::new();
        for &rid in &self.pending {
            for list in comparing(tx, rid)?.into_iter().chain([rid]) {
                compared.entry(list).or_default().push(rid);
            }
        }
        let forest = Forest::above(tx, &compared.keys().copied().collect(), usize::MAX)?;
        tx.with_crew(forest.bytes(), |crew| self.pass_through(tx, &forest, crew, &compared))
    }

    /// Expands a forest, and links what is `compared` with each list in it once that is read, which others do meanwhile.
    fn pass_through(
        &mut self,
        tx: &Tx<'_>,
        forest: &Forest,
        crew: &Crew,
        compared: &BTreeMap<Rid, Vec<Rid>>,
    ) -> Result<(), RepoError> {
        let mut walk = Walk::helped(tx, forest, crew);
        let mut batch = Batch::first_of(Reading::Structural, forest.bytes());
        let mut being_read: Option<Begun<Batch>> = None;
        while let Some((index, expanded)) = walk.step(tx)? {
            let rid = forest.node(index).rid;
            let Ok(content) = expanded else {
                // What that means is decided where it is needed.
                walk.abandon_below(index);
                continue;
            };
            let Some(checkins) = compared.get(&rid) else { continue };
            if self.listings.touch(rid) {
                self.attempt_all(tx, checkins)?;
                continue;
            }
            batch.push(Item { index, expected: None, content });
            if !batch.is_full() {
                continue;
            }
            let is_large = batch.is_large();
            let before = being_read.replace(crew.begin(batch.take()));
            let large = if is_large { being_read.take() } else { None };
            for read in before.iter().chain(&large) {
                self.take_lists(tx, forest, crew, read, compared)?;
            }
        }
        let last = crew.begin(batch.take());
        being_read
            .iter()
            .chain([&last])
            .try_for_each(|read| self.take_lists(tx, forest, crew, read, compared))
    }

    /// Keeps lists that were read, and links what is `compared` with each.
    fn take_lists(
        &mut self,
        tx: &Tx<'_>,
        forest: &Forest,
        crew: &Crew,
        read: &Begun<Batch>,
        compared: &BTreeMap<Rid, Vec<Rid>>,
    ) -> Result<(), RepoError> {
        for (Item { index, content, .. }, found) in
            read.work().items().iter().zip(examine::finish(crew, read))
        {
            let rid = forest.node(*index).rid;
            if let Some(Artifact::Checkin(checkin)) = &found.artifact {
                self.listings.add(tx, rid, content, checkin)?;
            }
            self.attempt_all(tx, &compared[&rid])?;
        }
        Ok(())
    }

    /// Links what is pending of some check-ins, as far as the lists are at hand.
    fn attempt_all(&mut self, tx: &Tx<'_>, checkins: &[Rid]) -> Result<(), RepoError> {
        for &checkin in checkins {
            if self.pending.contains(&checkin) {
                self.attempt(tx, checkin)?;
            }
        }
        Ok(())
    }

    /// Links a check-in if every list that takes part is at hand; else it waits for the end of the batch.
    fn attempt(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<(), RepoError> {
        let Some(own) = self.at_hand(rid) else {
            self.pending.insert(rid);
            return Ok(());
        };
        let links = links(tx, rid, &own)?;
        let complete = links.primary.iter().chain(&links.others).all(|&other| self.at_hand(other).is_some());
        if !complete {
            self.pending.insert(rid);
            self.listings.hold(rid);
            return Ok(());
        }
        self.pending.remove(&rid);
        self.listings.release(rid);
        self.link(tx, rid, Some(links))
    }

    fn at_hand(&self, rid: Rid) -> Option<Rc<Listing>> {
        let own = self.listings.peek(rid)?.clone();
        match own.baseline {
            Some(baseline) if !self.listings.has(baseline) => None,
            _ => Some(own),
        }
    }

    /// Makes the rows of a check-in, given its links if they are known.
    fn link(&mut self, tx: &Tx<'_>, rid: Rid, known: Option<Links>) -> Result<(), RepoError> {
        let Some(own) = self.tree(tx, rid)? else {
            return Ok(());
        };
        let links = match known {
            Some(links) => links,
            None => links(tx, rid, &own.0)?,
        };
        let is_without_primary = match links.primary {
            Some(primary) => !self.is_checkin(tx, primary)?,
            None => own.0.parents > 0,
        };
        if is_without_primary {
            return Ok(());
        }
        let mut others = Vec::new();
        if let Some(primary) = links.primary {
            let Some(tree) = self.tree(tx, primary)? else {
                return Ok(());
            };
            others.push((primary, tree));
            for other in links.others {
                if let Some(tree) = self.tree(tx, other)? {
                    others.push((other, tree));
                }
            }
        }
        let rows = rows(as_tree(&own), &others, links.count);
        self.write(tx, rid, &rows)
    }

    /// The lists of a check-in that is linked.
    fn tree(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<Option<Lists>, RepoError> {
        if !self.is_checkin(tx, rid)? {
            return Ok(None);
        }
        let Some(own) = self.listings.load(tx, rid)? else {
            return Ok(None);
        };
        let baseline = match own.baseline {
            Some(baseline) => self.listings.load(tx, baseline)?,
            None => None,
        };
        Ok(Some((own, baseline)))
    }

    fn write(&mut self, tx: &Tx<'_>, rid: Rid, rows: &[Row<'_>]) -> Result<(), RepoError> {
        tx.prepared("DELETE FROM mlink WHERE mid=?1")?.execute([rid])?;
        let privacy = privacy(tx, rid)?;
        let may_publish = privacy == Privacy::Public && !rows.is_empty() && private::any(tx)?;
        let mut values = Vec::with_capacity(rows.len());
        let primary = rows.first().and_then(|row| row.parent);
        for row in rows {
            let change = &row.change;
            let fid = Self::content(tx, change.new, privacy)?;
            let pid = if row.by_merge { -1 } else { Self::content(tx, change.old, privacy)? };
            if may_publish && fid > 0 {
                // What a public check-in contains is public.
                private::remove(tx, Rid(fid))?;
            }
            let name = self.name(tx, &change.name)?;
            let old_name = change.old_name.as_ref().map_or(Ok(0), |name| self.name(tx, name))?;
            let parent = row.parent.map_or(0, |parent| parent.0);
            let auxiliary = row.parent != primary;
            values.push([rid.0, fid, parent, pid, name, old_name, change.perm, auxiliary.into()]);
        }
        insert(tx, &values)
    }

    /// Whether an artifact is a check-in that has been linked.
    fn is_checkin(&mut self, tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
        let is_linked = self.linked.contains(&rid) || is_checkin(tx, rid)?;
        if is_linked {
            self.linked.insert(rid);
        }
        Ok(is_linked)
    }

    /// `fid` or `pid`: 0 for no content.
    fn content(tx: &Tx<'_>, hex: Option<&[u8]>, privacy: Privacy) -> Result<i64, RepoError> {
        let Some(id) = hex.and_then(|hex| ArtifactId::from_hex(hex).ok()) else {
            return Ok(0);
        };
        Ok(blob::rid_or_phantom(tx, &id, privacy)?.map_or(0, |rid| rid.0))
    }

    /// The id of a file name, new if need be.
    fn name(&mut self, tx: &Tx<'_>, name: &[u8]) -> Result<i64, RepoError> {
        if let Some(&id) = self.names.get(name) {
            return Ok(id);
        }
        let text = crate::Text::from(name);
        let known = tx
            .prepared("SELECT fnid FROM filename WHERE name=?1")?
            .query_row([&text], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                tx.prepared("INSERT INTO filename(name) VALUES(?1)")?.execute([&text])?;
                tx.conn().last_insert_rowid()
            }
        };
        if self.names.len() >= KEPT_NAMES {
            self.names.clear();
        }
        self.names.insert(name.to_vec(), id);
        Ok(id)
    }
}

/// A row of `mlink`, column by column.
type Values = [i64; 8];

const INSERT: &str = "INSERT INTO mlink(mid, fid, pmid, pid, fnid, pfnid, mperm, isaux) VALUES";
const ROW: &str = "(?, ?, ?, ?, ?, ?, ?, ?)";

/// To execute a statement costs as much as to write two rows: so many are written by one.
const AT_ONCE: usize = 8;

static INSERT_ONE: LazyLock<String> = LazyLock::new(|| format!("{INSERT}{ROW}"));
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| format!("{INSERT}{}", [ROW; AT_ONCE].join(",")));

fn insert(tx: &Tx<'_>, rows: &[Values]) -> Result<(), RepoError> {
    let (many, rest) = rows.as_chunks::<AT_ONCE>();
    for rows in many {
        tx.prepared(&INSERT_MANY)?.execute(params_from_iter(rows.as_flattened()))?;
    }
    for row in rest {
        tx.prepared(&INSERT_ONE)?.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// Whether an artifact is a check-in that has been linked.
pub(super) fn is_checkin(tx: &Tx<'_>, rid: Rid) -> Result<bool, RepoError> {
    let mut statement = tx.prepared("SELECT 1 FROM event WHERE objid=?1 AND type='ci'")?;
    Ok(statement.exists([rid])?)
}

/// Whether an artifact is private.
pub(super) fn privacy(tx: &Tx<'_>, rid: Rid) -> Result<Privacy, RepoError> {
    Ok(if private::contains(tx, rid)? { Privacy::Private } else { Privacy::Public })
}

/// The check-ins that are compared with this one: those that have it for a parent, or pick it.
fn compared_with(tx: &Tx<'_>, rid: Rid) -> Result<Vec<Rid>, RepoError> {
    blob::rids(
        tx,
        "SELECT cid FROM plink WHERE pid=?1
         UNION SELECT childid FROM cherrypick WHERE parentid=?1 AND NOT isExclude",
        [rid],
    )
}

/// The check-ins that this one is compared with: its parents, and what it picks.
fn comparing(tx: &Tx<'_>, rid: Rid) -> Result<Vec<Rid>, RepoError> {
    blob::rids(
        tx,
        "SELECT pid FROM plink WHERE cid=?1
         UNION SELECT parentid FROM cherrypick WHERE childid=?1 AND NOT isExclude",
        [rid],
    )
}

fn links(tx: &Tx<'_>, rid: Rid, own: &Listing) -> Result<Links, RepoError> {
    let mut statement =
        tx.prepared("SELECT pid, isprim FROM plink WHERE cid=?1 ORDER BY isprim DESC, rowid")?;
    let parents: Vec<(Rid, bool)> =
        statement.query_map([rid], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut picks = Vec::new();
    if own.picks > 0 {
        let mut statement =
            tx.prepared("SELECT parentid FROM cherrypick WHERE childid=?1 AND NOT isExclude")?;
        picks = statement.query_map([rid], |row| row.get(0))?.collect::<Result<_, _>>()?;
    }
    // The artifact may name a parent twice, which counts; a parent tag takes the place of its cards.
    let given_anew = parents.len() != own.parents && tag::effective(tx, rid, tag::PARENT)?.is_some();
    let count = own.picks + if given_anew { parents.len() } else { own.parents };
    let primary = parents.iter().find(|(_, first)| *first).map(|&(parent, _)| parent);
    let mut others: Vec<Rid> = Vec::new();
    for other in parents.iter().map(|&(parent, _)| parent).chain(picks) {
        if Some(other) != primary && !others.contains(&other) {
            others.push(other);
        }
    }
    Ok(Links { primary, others, count })
}

/// The list of a check-in, and that of its baseline.
type Lists = (Rc<Listing>, Option<Rc<Listing>>);

fn as_tree(lists: &Lists) -> Tree<'_> {
    Tree { own: &lists.0, baseline: lists.1.as_deref() }
}

type Compared = (Rid, Lists);

/// The rows of a check-in: those against the primary parent first.
fn rows<'a>(own: Tree<'a>, others: &'a [Compared], links: usize) -> Vec<Row<'a>> {
    let row = |parent: Option<Rid>| move |change| Row { parent, change, by_merge: false };
    let Some(((primary, parent), others)) = others.split_first() else {
        return changes::all(own).into_iter().map(row(None)).collect();
    };
    let mut rows: Vec<Row<'a>> =
        changes::between(own, as_tree(parent)).into_iter().map(row(Some(*primary))).collect();
    if rows.is_empty() {
        return rows;
    }
    let mut times: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for row in &rows {
        *times.entry(row.change.name.to_vec()).or_default() += 1;
    }
    for (rid, other) in others {
        for change in changes::between(own, as_tree(other)) {
            if let Some(times) = times.get_mut(&*change.name) {
                *times += 1;
                rows.push(row(Some(*rid))(change));
            }
        }
    }
    if links > 1 {
        for row in &mut rows {
            row.by_merge = row.change.old.is_none() && times[&*row.change.name] < links;
        }
    }
    rows
}
