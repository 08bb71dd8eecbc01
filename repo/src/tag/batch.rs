//! The statements and inheritances of a batch, applied as a rebuild meets them: in the order of rids.
//!
//! Two things depend on that order even in a rebuild, so the order is part of the meaning: of two statements
//! with one time the lower source rid holds, and a statement that is not newer than what is propagated to its
//! target when it comes does not hold at all. What comes late with a low rid, a filled phantom, can make such
//! a decision wrong that was right before; [`super::replay`] then makes them all anew for that tag.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::OptionalExtension;

use super::nodes::Nodes;
use super::replay::{self, Shadows};
use super::{BGCOLOR, BRANCH, COMMENT, DATE, PARENT, Row, Statement, TagId, USER, id_or_new};
use crate::manifest::TagKind;
use crate::{RepoError, Rid, Text, Tx};

/// Ancestors that are looked at to rule out a doubt. To decide about a tag anew costs as much as all who have it.
const MOST_ANCESTORS: usize = 100;

/// What the artifacts of one batch say about tags.
#[derive(Default)]
pub(crate) struct Batch {
    items: Vec<Item>,
    ids: BTreeMap<Text, TagId>,
}

/// What changed.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Artifacts whose event shows another colour, comment, user or time.
    pub(crate) decorations: BTreeSet<Rid>,
    /// Artifacts whose branch was stated, propagated or withdrawn: in this batch, or ever.
    pub(crate) branches: Branches,
    /// Check-ins given other parents, with the names of these, in the order given.
    pub(crate) parents: Vec<(Rid, Text)>,
}

/// Artifacts whose branch was stated, propagated or withdrawn.
pub(crate) enum Branches {
    /// In this batch.
    Now(BTreeSet<Rid>),
    /// At any time.
    Ever(BTreeSet<Rid>),
}

impl Default for Branches {
    fn default() -> Self {
        Self::Now(BTreeSet::new())
    }
}

impl Branches {
    fn insert(&mut self, rid: Rid) {
        let (Self::Now(rids) | Self::Ever(rids)) = self;
        rids.insert(rid);
    }
}

/// When a rebuild meets it: the rid it processes, and the place among what that artifact says.
pub(super) type Position = (Rid, usize);

pub(super) struct Item {
    pub(super) at: Position,
    pub(super) what: What,
}

pub(super) enum What {
    State(Statement),
    Inherit { child: Rid, parent: Rid },
}

impl Batch {
    /// Notes a statement.
    pub(crate) fn state(&mut self, statement: Statement) {
        self.push(statement.source, What::State(statement));
    }

    /// Notes that an artifact takes over what its primary parent propagates.
    pub(crate) fn inherit(&mut self, child: Rid, parent: Rid) {
        self.push(child, What::Inherit { child, parent });
    }

    /// The id of a tag, new if need be.
    pub(crate) fn id(&mut self, tx: &Tx<'_>, name: &Text) -> Result<TagId, RepoError> {
        if let Some(&id) = self.ids.get(name) {
            return Ok(id);
        }
        let id = id_or_new(tx, name)?;
        self.ids.insert(name.clone(), id);
        Ok(id)
    }

    fn push(&mut self, rid: Rid, what: What) {
        self.items.push(Item { at: (rid, self.items.len()), what });
    }

    /// Applies everything and writes `tagxref`. `linked`: the highest rid that was linked before this batch.
    pub(crate) fn apply(self, tx: &Tx<'_>, linked: Rid) -> Result<Outcome, RepoError> {
        let late = self.items.iter().any(|item| item.at.0 < linked);
        let order = if late { Order::Late } else { Order::Rids };
        let mut walk = Walk::new(tx, self.items, order)?;
        walk.run(tx)?;
        let Walk { mut outcome, doubtful, nodes, .. } = walk;
        let mut changed = nodes.write(tx)?;
        for tag in doubtful {
            let again = replay::replay(tx, tag)?;
            if let Some(branches) = again.branches {
                outcome.branches = Branches::Ever(branches);
            }
            changed.extend(again.changed.into_iter().map(|rid| (rid, tag)));
        }
        let visible = [BGCOLOR, COMMENT, USER, DATE];
        outcome.decorations =
            changed.iter().filter(|(_, tag)| visible.contains(tag)).map(|&(rid, _)| rid).collect();
        Ok(outcome)
    }
}

/// What a pass over items stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Everything before came with lower rids: as in a rebuild.
    Rids,
    /// Some of what came before has higher rids.
    Late,
    /// All that was ever said about one tag.
    Replay(TagId),
}

/// One pass over items in their order.
pub(super) struct Walk {
    items: Vec<Item>,
    /// Children that have not taken over anything yet: their parents do not know them.
    unborn: BTreeSet<Rid>,
    order: Order,
    shadows: Shadows,
    pub(super) nodes: Nodes,
    pub(super) outcome: Outcome,
    /// Tags for which the order of arrival may have decided.
    doubtful: BTreeSet<TagId>,
}

impl Walk {
    pub(super) fn new(tx: &Tx<'_>, mut items: Vec<Item>, order: Order) -> Result<Self, RepoError> {
        items.sort_unstable_by_key(|item| item.at);
        let unborn = items
            .iter()
            .filter_map(|item| match item.what {
                What::Inherit { child, .. } => Some(child),
                What::State(_) => None,
            })
            .collect();
        Ok(Self {
            items,
            unborn,
            order,
            shadows: Shadows::of(tx)?,
            nodes: Nodes::default(),
            outcome: Outcome::default(),
            doubtful: BTreeSet::new(),
        })
    }

    pub(super) fn run(&mut self, tx: &Tx<'_>) -> Result<(), RepoError> {
        for item in std::mem::take(&mut self.items) {
            match item.what {
                What::State(statement) => self.state(tx, statement)?,
                What::Inherit { child, parent } => self.inherit(tx, child, parent)?,
            }
        }
        Ok(())
    }

    fn state(&mut self, tx: &Tx<'_>, new: Statement) -> Result<(), RepoError> {
        let (target, tag) = (new.target, new.tag);
        let known = self.nodes.find(tx, target, tag)?.cloned();
        let holds = known.as_ref().is_none_or(|row| {
            // Equal times: only a late arrival is met later and has the lower rid.
            row.time < new.time || row.time == new.time && row.source.is_some_and(|first| new.source < first)
        });
        if self.order == Order::Late {
            let is_propagated = known.as_ref().is_some_and(|row| row.source.is_none());
            // Above it may stand what was propagated when a rebuild meets this.
            let overruled = new.source != target
                && match primary_parent(tx, target)? {
                    Some(parent) => self
                        .nodes
                        .find(tx, parent, tag)?
                        .is_some_and(|row| row.kind == TagKind::Propagate && row.time >= new.time),
                    None => false,
                };
            // A rebuild hands it on before it is overruled: below, older statements do not hold then, and
            // who had a branch once is looked at for leaves.
            let was_handed_on = match known.as_ref().and_then(|row| row.source) {
                Some(later) if !holds && new.kind == TagKind::Propagate => {
                    children(tx, target)?.iter().any(|&child| child < later)
                }
                _ => false,
            };
            let withdrawn = tag == BRANCH && new.kind != TagKind::Propagate;
            if overruled || !holds && is_propagated || withdrawn || was_handed_on {
                self.doubtful.insert(tag);
            }
            self.doubt_shadowed(tx, target, tag)?;
        }
        if !holds {
            return self.shadows.remember(tx, &new);
        }
        if let Some(old) = known
            && let Some(source) = old.source
        {
            let old = Statement { target, tag, kind: old.kind, value: old.value, source, time: old.time };
            self.shadows.remember(tx, &old)?;
        }
        let Statement { kind, value, source, time, .. } = new;
        if let (PARENT, TagKind::Add, Some(names)) = (tag, kind, &value) {
            self.outcome.parents.push((target, names.clone()));
        }
        let row = Row { tag, kind, source: Some(source), origin: target, value, time };
        self.nodes.set(tx, target, row.clone())?;
        if tag == BRANCH {
            self.outcome.branches.insert(target);
        }
        self.propagate(tx, target, &row)
    }

    /// What was said of an artifact and does not hold may hold after a change.
    fn doubt_shadowed(&mut self, tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<(), RepoError> {
        if !self.doubtful.contains(&tag) && self.shadows.any(tx, rid, tag)? {
            self.doubtful.insert(tag);
        }
        Ok(())
    }

    fn inherit(&mut self, tx: &Tx<'_>, child: Rid, parent: Rid) -> Result<(), RepoError> {
        self.unborn.remove(&child);
        let rows: Vec<Row> = self.nodes.of(tx, parent)?.clone();
        if self.order == Order::Late {
            self.doubt_lost(tx, child, parent, &rows)?;
        }
        for row in &rows {
            let wanted = match self.order {
                Order::Replay(tag) => row.tag == tag,
                Order::Rids | Order::Late => true,
            };
            if wanted && self.receive(tx, child, row)? {
                self.propagate(tx, child, row)?;
            }
        }
        Ok(())
    }

    /// A parent may have lost what a rebuild hands on to this child before it is lost: a branch, or what an older
    /// statement about the child has to give way to.
    fn doubt_lost(&mut self, tx: &Tx<'_>, child: Rid, parent: Rid, rows: &[Row]) -> Result<(), RepoError> {
        let own = self.nodes.of(tx, child)?.iter();
        let told = own.filter(|row| row.source.is_some_and(|source| source != child)).map(|row| row.tag);
        for tag in told.chain([BRANCH]).collect::<BTreeSet<_>>() {
            let may_be_lost = match rows.iter().find(|row| row.tag == tag) {
                Some(row) => row.kind != TagKind::Propagate,
                None => self.may_have_had(tx, parent, tag)?,
            };
            if may_be_lost && (tag == BRANCH || self.shadows.was_propagated(tx, tag)?) {
                self.doubtful.insert(tag);
            }
        }
        Ok(())
    }

    /// Whether an artifact that has not got a tag may have had it from an ancestor. Not if everything that it descends from
    /// has not got it either, up to a root or to what is not linked yet: that has handed on nothing.
    fn may_have_had(&mut self, tx: &Tx<'_>, rid: Rid, tag: TagId) -> Result<bool, RepoError> {
        let mut at = rid;
        for _ in 0..MOST_ANCESTORS {
            if self.unborn.contains(&at) {
                return Ok(false);
            }
            let Some(parent) = primary_parent(tx, at)? else { return Ok(false) };
            if self.nodes.find(tx, parent, tag)?.is_some() {
                return Ok(true);
            }
            at = parent;
        }
        Ok(true)
    }

    /// Hands a row on to all descendants that it reaches.
    fn propagate(&mut self, tx: &Tx<'_>, from: Rid, row: &Row) -> Result<(), RepoError> {
        let mut open = vec![from];
        while let Some(parent) = open.pop() {
            for child in children(tx, parent)? {
                if !self.unborn.contains(&child) && self.receive(tx, child, row)? {
                    open.push(child);
                }
            }
        }
        Ok(())
    }

    /// Lets a row reach one artifact; says whether it goes on from there.
    fn receive(&mut self, tx: &Tx<'_>, rid: Rid, row: &Row) -> Result<bool, RepoError> {
        let known = self.nodes.find(tx, rid, row.tag)?;
        let goes_on = known.is_none_or(|known| known.source.is_none() && is_overtaken(known, row))
            && (known.is_some() || row.kind == TagKind::Propagate);
        if self.order == Order::Late {
            let doubt = known.is_some_and(|known| match known.source {
                Some(source) if row.tag == BRANCH && known.kind != TagKind::Propagate => source != rid,
                Some(source) => row.kind == TagKind::Propagate && source != rid && known.time <= row.time,
                None => known.time == row.time && known.origin != row.origin,
            });
            if doubt || row.tag == BRANCH && row.kind != TagKind::Propagate {
                self.doubtful.insert(row.tag);
            }
            self.doubt_shadowed(tx, rid, row.tag)?;
        }
        if !goes_on {
            return Ok(false);
        }
        if row.kind == TagKind::Propagate {
            self.nodes.set(tx, rid, handed_on(row))?;
        } else {
            self.nodes.remove(tx, rid, row.tag)?;
        }
        if row.tag == BRANCH {
            self.outcome.branches.insert(rid);
        }
        Ok(true)
    }
}

/// Whether what was propagated before gives way to a row. Equal times: only where that row took the place of
/// the one that was propagated.
fn is_overtaken(known: &Row, row: &Row) -> bool {
    known.time < row.time || known.time == row.time && known.origin == row.origin && *known != handed_on(row)
}

/// The row that a descendant has of this one.
fn handed_on(row: &Row) -> Row {
    Row { source: None, kind: TagKind::Propagate, ..row.clone() }
}

/// The primary parent of an artifact, be it here or not.
pub(crate) fn primary_parent(tx: &Tx<'_>, child: Rid) -> Result<Option<Rid>, RepoError> {
    let mut statement = tx.prepared("SELECT pid FROM plink WHERE cid=?1 AND isprim")?;
    Ok(statement.query_row([child], |row| row.get(0)).optional()?)
}

/// The artifacts whose primary parent this is.
pub(super) fn children(tx: &Tx<'_>, parent: Rid) -> Result<Vec<Rid>, RepoError> {
    let mut statement = tx.prepared("SELECT cid FROM plink WHERE pid=?1 AND isprim")?;
    Ok(statement.query_map([parent], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
