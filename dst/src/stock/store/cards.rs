//! Artifacts of a peer like stock as it sends them: as deltas of the version before to who asks, as they are stored to who
//! clones.

use repo::delta;
use xfer::ArtifactId;

use super::{Content, Store};

/// Contents up to this size are sent as they are.
const SMALL: usize = 100;
/// What a delta has to save.
const SAVED: usize = 50;

impl Store {
    /// A `file` line and what follows it, for a peer that asked: a delta of the version before if that saves enough.
    pub fn file_card(&self, id: &ArtifactId, show_private: bool) -> Vec<u8> {
        let private = self.private.contains(id);
        let mut card = if private { b"private\n".to_vec() } else { Vec::new() };
        // Stock announces what still waits for its delta source, has no content for it, and sends that, to who asks and to
        // who is pushed to (seen with 2.21).
        let content = self.content(id).unwrap_or_default();
        let usable = |source: &ArtifactId| {
            !self.shunned.contains(source) && (!self.private.contains(source) || private && show_private)
        };
        let source = self.before.get(id).and_then(|(_, before)| *before).filter(usable);
        if let Some((source, base)) = source.and_then(|source| Some((source, self.content(&source)?)))
            && content.len() > SMALL
        {
            let delta = delta::create(base, content);
            if delta.len() + SAVED <= content.len() {
                card.extend_from_slice(format!("file {id} {source} {}\n", delta.len()).as_bytes());
                card.extend_from_slice(&delta);
                return card;
            }
        }
        card.extend_from_slice(format!("file {id} {}\n", content.len()).as_bytes());
        card.extend_from_slice(content);
        card
    }

    /// How it is stored, for a clone: an older version as a delta of the one after it. The source if it is one, the
    /// size of the artifact, and the bytes.
    pub fn stored(&self, id: &ArtifactId) -> (Option<ArtifactId>, usize, Vec<u8>) {
        match &self.contents[id] {
            Content::Phantom => (None, 0, Vec::new()),
            Content::Waiting(source, bytes) => {
                (Some(*source), delta::target_size(bytes).unwrap_or(0), bytes.clone())
            }
            Content::Whole(content) => {
                let is_after = |after: &&ArtifactId| {
                    self.before.get(*after).is_some_and(|(_, before)| before == &Some(*id))
                        && self.may_leave(after)
                        && !self.private.contains(*after)
                        && self.before_chain(after).all(|other| other != **after)
                };
                let after = self.names.iter().find(is_after);
                let base = after.and_then(|after| Some((*after, self.content(after)?)));
                if let Some((after, base)) = base {
                    let bytes = delta::create(base, content);
                    if bytes.len() + SAVED <= content.len() {
                        return (Some(after), content.len(), bytes);
                    }
                }
                (None, content.len(), content.clone())
            }
        }
    }

    /// A `file` line and what follows it, for a clone: what is stored.
    pub fn stored_card(&self, id: &ArtifactId) -> Vec<u8> {
        let (source, _, bytes) = self.stored(id);
        let mut card = if self.private.contains(id) { b"private\n".to_vec() } else { Vec::new() };
        let source = source.map(|source| format!("{source} ")).unwrap_or_default();
        card.extend_from_slice(format!("file {id} {source}{}\n", bytes.len()).as_bytes());
        card.extend_from_slice(&bytes);
        card
    }

    /// Versions before one, until they begin anew.
    fn before_chain(&self, id: &ArtifactId) -> impl Iterator<Item = ArtifactId> + '_ {
        let step = |at: &ArtifactId| self.before.get(at).and_then(|(_, before)| *before);
        std::iter::successors(step(id), move |at| step(at)).take(self.names.len())
    }
}
