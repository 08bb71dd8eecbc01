//! What changed between two file lists (reference: repo.md 6.1.3).

use std::borrow::Cow;

use super::cards::{Entry, Rest};
use super::listing::Listing;

/// A file that a check-in changed against another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) name: Cow<'a, [u8]>,
    /// Content before, in hex; none if the file is new.
    pub(super) old: Option<&'a [u8]>,
    /// Content after, in hex; none if the file is gone.
    pub(super) new: Option<&'a [u8]>,
    pub(super) perm: i64,
    /// Name before, if it was another.
    pub(super) old_name: Option<Cow<'a, [u8]>>,
}

/// The tree of a check-in: its list, and the one that it amends.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) own: &'a Listing,
    pub(super) baseline: Option<&'a Listing>,
}

impl<'a> Tree<'a> {
    /// Every file, by name. What a baseline amends itself does not count.
    fn files(self) -> Vec<Entry<'a>> {
        let mut own = self.own.entries().peekable();
        let mut files = Vec::new();
        for entry in self.baseline.into_iter().flat_map(Listing::entries) {
            while let Some(earlier) = own.next_if(|own| own.name < entry.name) {
                files.push(earlier);
            }
            files.push(own.next_if(|own| own.name == entry.name).unwrap_or(entry));
        }
        files.extend(own);
        files.retain(|file| file.id.is_some());
        files
    }
}

/// The files that a root check-in brings.
pub(super) fn all(tree: Tree<'_>) -> Vec<Change<'_>> {
    tree.own.entries().map(addition).collect()
}

/// The files that differ, as stock sees it: a delta manifest is compared by the cards it has.
pub(super) fn between<'a>(child: Tree<'a>, parent: Tree<'a>) -> Vec<Change<'a>> {
    if child.baseline.is_none() && parent.baseline.is_none() && !child.own.renames {
        return between_plain(child.own.cards.rest(), parent.own.cards.rest());
    }
    let before = parent.files();
    let find =
        |name: &[u8]| before.binary_search_by(|file| (*file.name).cmp(name)).ok().map(|at| &before[at]);
    let mut changes: Vec<Change<'a>> = child.own.entries().filter_map(|file| change(file, &find)).collect();
    match (child.baseline, parent.baseline) {
        (None, _) => {
            let mut own = child.own.entries().peekable();
            for file in &before {
                while own.next_if(|own| own.name < file.name).is_some() {}
                if own.peek().is_none_or(|own| own.name != file.name) {
                    changes.push(deletion(file.clone()));
                }
            }
        }
        (Some(baseline), Some(_)) => changes.extend(reverted(child.own, parent.own, baseline)),
        (Some(_), None) => {}
    }
    changes
}

/// What a card of the child says about the files before it.
fn change<'a, 'b>(file: Entry<'a>, find: &impl Fn(&[u8]) -> Option<&'b Entry<'a>>) -> Option<Change<'a>>
where
    'a: 'b,
{
    let Entry { name, id: new, perm, old_name } = file;
    if let Some(old_name) = old_name {
        // Named with its old name, a file counts as changed even if nothing else did.
        return Some(match find(&old_name) {
            Some(old) => Change { name, old: old.id, new, perm, old_name: Some(old_name) },
            None => Change { name, old: None, new, perm, old_name: None },
        });
    }
    match find(&name) {
        None => new.is_some().then_some(Change { name, old: None, new, perm, old_name: None }),
        Some(old) if old.id == new && old.perm == perm => None,
        Some(old) => Some(Change { name, old: old.id, new, perm, old_name: None }),
    }
}

fn addition(file: Entry<'_>) -> Change<'_> {
    Change { name: file.name, old: None, new: file.id, perm: file.perm, old_name: None }
}

fn deletion(file: Entry<'_>) -> Change<'_> {
    Change { name: file.name, old: file.id, new: None, perm: 0, old_name: None }
}

/// What the parent's cards changed or deleted and the child's do not: such files are as in the baseline again.
///
/// A file that the parent deleted and a card of the child brings back gets a second row here, as in stock.
fn reverted<'a>(child: &'a Listing, parent: &'a Listing, baseline: &'a Listing) -> Vec<Change<'a>> {
    let mut own = child.entries().peekable();
    let mut base = baseline.entries().peekable();
    let mut changes = Vec::new();
    for old in parent.entries() {
        while own.next_if(|own| own.name < old.name).is_some() {}
        while base.next_if(|base| base.name < old.name).is_some() {}
        let file = match own.peek().filter(|own| own.name == old.name) {
            Some(_) if old.id.is_some() => None,
            Some(own) => Some(own).filter(|own| own.id.is_some()),
            None => base.peek().filter(|base| base.name == old.name),
        };
        if let Some(Entry { id, perm, .. }) = file {
            changes.push(Change { name: old.name, old: old.id, new: *id, perm: *perm, old_name: None });
        }
    }
    changes
}

/// The same for two full lists without old names, which share most of their bytes.
fn between_plain<'a>(mut child: Rest<'a>, mut parent: Rest<'a>) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    loop {
        child.skip_common(&mut parent);
        let (mut rest, mut rest_parent) = (child, parent);
        match (rest.next(), rest_parent.next()) {
            (None, None) => return changes,
            (Some(new), Some(old)) if new.name == old.name => {
                if new.id != old.id || new.perm != old.perm {
                    changes.push(Change {
                        name: new.name,
                        old: old.id,
                        new: new.id,
                        perm: new.perm,
                        old_name: None,
                    });
                }
                (child, parent) = (rest, rest_parent);
            }
            (new, Some(old)) if new.as_ref().is_none_or(|new| old.name < new.name) => {
                changes.push(deletion(old));
                parent = rest_parent;
            }
            (Some(new), _) => {
                changes.push(addition(new));
                child = rest;
            }
            (None, Some(old)) => {
                changes.push(deletion(old));
                parent = rest_parent;
            }
        }
    }
}
