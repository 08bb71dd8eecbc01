//! One session as stock drives it (reference: wire.md sections 6, 7 and 9): what it says is in `request`, how it takes a card
//! of a reply in `cards`, and when it stops here.

mod cards;
mod request;

use std::collections::BTreeSet;

use xfer::ArtifactId;

use super::lines::{self, Line};
use super::{Store, Trip, trip};

/// `gimme` cards of one request, unless the last reply brought more than half as many.
const GIMMES: usize = 200;
/// No session with a sound peer takes so many rounds.
const ROUNDS: u32 = 2_000;

/// What a session is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// A clone; then nothing else.
    pub clone: bool,
    /// Pull.
    pub pull: bool,
    /// Push.
    pub push: bool,
    /// Private artifacts too.
    pub private: bool,
    /// Files without history too.
    pub unversioned: bool,
    /// Compare everything.
    pub verily: bool,
    /// Who logs in, with which password.
    pub login: Option<(String, String)>,
}

/// What follows a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another round.
    Go,
    /// Stock would say that all is well.
    Done,
    /// Stock would show this, and stop.
    Failed(String),
}

/// A session.
pub struct Session {
    task: Task,
    seed: u64,
    round: u32,
    /// Cards of the next request that answer the last reply.
    queued: Vec<u8>,
    /// How many of them are files, or wait for room.
    files_queued: usize,
    gimmes: usize,
    seqno: u32,
    /// What the server has, as far as this round showed.
    theirs: BTreeSet<ArtifactId>,
    uv_hash_sent: bool,
    /// Files that the server is to get, with or without content.
    uv_owed: Vec<(String, bool)>,
    uv_gimmes: usize,
    asked: bool,
    has_push: bool,
    /// What a clone has by now: all of it is one transaction, and a clone that fails leaves no file (seen with 2.21).
    draft: Option<Store>,
}

#[derive(Default)]
struct Heard {
    files: usize,
    new_phantoms: bool,
    uv_files: usize,
    uv_mode: Option<bool>,
    catalog: BTreeSet<String>,
    stamped: bool,
    push: bool,
    seqno: Option<u32>,
    error: Option<String>,
    private_igots: bool,
}

impl Session {
    /// Begins one. The seed makes its comments like no other.
    pub fn new(task: Task, seed: u64) -> Self {
        Self {
            task,
            seed,
            round: 0,
            queued: Vec::new(),
            files_queued: 0,
            gimmes: GIMMES,
            seqno: 1,
            theirs: BTreeSet::new(),
            uv_hash_sent: false,
            uv_owed: Vec::new(),
            uv_gimmes: 0,
            asked: false,
            has_push: false,
            draft: None,
        }
    }

    /// What it is to do.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Reads a reply: one transaction, which is undone after a [`Trip`]. All replies to a clone are one.
    pub fn hear(&mut self, store: &mut Store, text: &[u8]) -> Result<Next, Trip> {
        if !self.task.clone {
            return self.absorb(store, text);
        }
        let mut draft = self.draft.take().unwrap_or_else(|| store.clone());
        let next = self.absorb(&mut draft, text)?;
        match next {
            Next::Go => self.draft = Some(draft),
            Next::Done => *store = draft,
            Next::Failed(_) => {}
        }
        Ok(next)
    }

    fn absorb(&mut self, store: &mut Store, text: &[u8]) -> Result<Next, Trip> {
        let mut draft = store.clone();
        let mut heard = Heard::default();
        self.queued.clear();
        (self.files_queued, self.uv_gimmes) = (0, 0);
        let mut private = false;
        for line in read_reply(text)? {
            if let Some(comment) = &line.comment {
                heard.stamped |= comment.starts_with(" timestamp ");
            } else if line.words == ["private"] {
                private = true;
            } else {
                let is_file = matches!(line.words[0].as_str(), "file" | "cfile");
                self.take(&mut draft, &line, private && is_file, &mut heard)?;
                private &= !is_file;
            }
            if heard.error.is_some() && !(self.task.clone && self.round == 1) {
                break;
            }
        }
        if let Some(error) = heard.error.take().filter(|_| !self.task.clone || self.round > 1) {
            *store = draft;
            return Ok(Next::Failed(error));
        }
        if !heard.stamped {
            return trip("a reply without a timestamp");
        }
        self.push_files(&draft, &heard);
        let next = self.next(&mut draft, &heard)?;
        *store = draft;
        Ok(next)
    }

    /// What the catalog does not have is pushed too, if files are taken at all.
    fn push_files(&mut self, store: &Store, heard: &Heard) {
        match heard.uv_mode {
            Some(true) if self.task.push => {
                for (name, (_, content)) in &store.files {
                    if content.is_some() && !heard.catalog.contains(name) {
                        self.uv_owed.push((name.clone(), true));
                    }
                }
            }
            Some(false) => self.uv_owed.clear(),
            _ => {}
        }
    }

    fn next(&mut self, store: &mut Store, heard: &Heard) -> Result<Next, Trip> {
        if self.round >= ROUNDS {
            return trip(format!("{ROUNDS} rounds and no end"));
        }
        if self.task.clone {
            return self.next_of_clone(store, heard);
        }
        self.gimmes = GIMMES.max(2 * heard.files);
        let open = !store.phantoms(self.task.private).is_empty() && self.task.pull;
        let go = (heard.files > 0 || heard.new_phantoms) && open
            || self.files_queued > 0
            || !self.uv_owed.is_empty()
            || heard.private_igots && self.task.push && self.round == 1
            || self.uv_gimmes > 0 && (heard.uv_files > 0 || self.round < 3);
        Ok(if go { Next::Go } else { Next::Done })
    }

    fn next_of_clone(&mut self, store: &mut Store, heard: &Heard) -> Result<Next, Trip> {
        if let Some(seqno) = heard.seqno {
            if seqno != 0 && seqno <= self.seqno {
                return trip(format!(
                    "clone_seqno {seqno} after {}: the clone would go on for ever",
                    self.seqno
                ));
            }
            self.seqno = seqno;
        }
        if heard.seqno.is_some() && !heard.push {
            return trip("a clone reply without push: the clone would end here");
        }
        self.has_push |= heard.push;
        if self.round == 1 || heard.files > 0 {
            return Ok(Next::Go);
        }
        if self.seqno > 0 {
            return Ok(Next::Failed("the clone stops: nothing comes any more".to_owned()));
        }
        if !self.has_push {
            return trip("a clone without push: the project would be unknown");
        }
        store.rebuild()?;
        Ok(Next::Done)
    }
}

fn igot(name: &ArtifactId, private: bool) -> String {
    format!("igot {name}{}\n", if private { " 1" } else { "" })
}

/// A reply may hold blank lines: they come after what is compressed.
fn read_reply(text: &[u8]) -> Result<Vec<Line>, Trip> {
    lines::read_from(text, lines::Blank::Skipped)
}

#[cfg(test)]
mod tests;
