//! One session as stock drives it (reference: wire.md sections 6, 7 and 9).

use std::collections::BTreeSet;

use repo::zlib::Codec;
use xfer::{ArtifactId, Secret, hash};

use super::lines::{self, Line, id};
use super::{Store, Trip, Version, trip};

/// `gimme` cards of one request, unless the last reply brought more than half as many.
const GIMMES: usize = 200;
/// No session with a sound peer takes so many rounds.
const ROUNDS: u32 = 2_000;
const MOST: usize = 1 << 30;

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

    /// The next request. What is unsent counts as sent from then on, whatever becomes of it.
    pub fn request(&mut self, store: &mut Store) -> Vec<u8> {
        if !self.task.clone {
            return self.compose(store);
        }
        let mut draft = self.draft.take().unwrap_or_else(|| store.clone());
        let request = self.compose(&mut draft);
        self.draft = Some(draft);
        request
    }

    fn compose(&mut self, store: &mut Store) -> Vec<u8> {
        self.round += 1;
        self.theirs.clear();
        let mut out = Vec::new();
        let say = |out: &mut Vec<u8>, line: &str| out.extend_from_slice(line.as_bytes());
        if self.task.private && self.round == 1 {
            say(&mut out, "pragma send-private\n");
        }
        say(&mut out, &format!("pragma client-version {}\n", store.version.pragma()));
        if self.task.private && self.round > 1 {
            say(&mut out, "pragma send-private\n");
        }
        if self.task.clone {
            if self.seqno > 0 {
                say(&mut out, &format!("clone 3 {}\n", self.seqno));
            }
            if self.round == 2 {
                say(&mut out, "reqconfig /all\n");
            }
        } else {
            self.request_sync(store, &mut out);
        }
        let nonce = hash::sha1(format!("{} {}", self.seed, self.round).as_bytes());
        say(&mut out, &format!("# {nonce}\n"));
        self.signed(store, out)
    }

    fn request_sync(&mut self, store: &mut Store, out: &mut Vec<u8>) {
        let say = |out: &mut Vec<u8>, line: &str| out.extend_from_slice(line.as_bytes());
        let codes = format!("{} {}\n", store.code, store.project);
        if self.task.pull {
            say(out, &format!("pull {codes}"));
            if self.task.verily && self.round == 1 {
                say(out, "pragma send-catalog\n");
            }
        }
        if self.task.push {
            say(out, &format!("push {codes}"));
        }
        out.append(&mut self.queued);
        self.asked = false;
        if self.task.pull {
            for name in store.phantoms(self.task.private).into_iter().take(self.gimmes) {
                say(out, &format!("gimme {name}\n"));
                self.asked = true;
            }
            if store.version == Version::V229 && self.round == 3 && self.asked {
                say(out, "pragma req-clusters\n");
            }
        }
        if self.task.push {
            self.request_push(store, out);
        }
        if self.task.unversioned && !self.uv_hash_sent {
            say(out, &format!("pragma uv-hash {}\n", store.files_hash()));
            self.uv_hash_sent = true;
        }
        while let Some((name, with_content)) = self.uv_owed.pop() {
            out.extend_from_slice(&store.uvfile(&name, with_content));
            if out.len() >= store.budgets.1 {
                break;
            }
        }
    }

    fn request_push(&mut self, store: &mut Store, out: &mut Vec<u8>) {
        for name in std::mem::take(&mut store.unsent) {
            let private = store.private.contains(&name);
            if !store.may_leave(&name) || self.theirs.contains(&name) || private && !self.task.private {
                continue;
            }
            if out.len() >= store.budgets.1 {
                out.extend_from_slice(igot(&name, private).as_bytes());
                continue;
            }
            out.extend_from_slice(&store.file_card(&name, self.task.private));
            self.theirs.insert(name);
        }
        let all = self.task.verily && self.round == 1;
        let is_third = store.version == Version::V229 && self.round == 3 && self.files_queued > 0;
        for (_, name) in store.rows_from(1) {
            let listed =
                all || store.unclustered.contains(&name) || is_third && store.clusters.contains(&name);
            let open = store.may_leave(&name) && !store.private.contains(&name);
            if listed && open && !self.theirs.contains(&name) {
                out.extend_from_slice(igot(&name, false).as_bytes());
            }
        }
        // All of it, also what was just sent, phantoms and what is shunned (seen with 2.21).
        if self.task.private {
            store.private.iter().for_each(|name| out.extend_from_slice(igot(name, true).as_bytes()));
        }
    }

    /// Logs in, but in the first round of a clone.
    fn signed(&self, store: &Store, out: Vec<u8>) -> Vec<u8> {
        let Some((user, password)) = self.task.login.as_ref().filter(|_| !self.task.clone || self.round > 1)
        else {
            return out;
        };
        let nonce = hash::sha1(&out);
        let secret = Secret::derive(&store.project, user, password);
        let signature = hash::sha1(format!("{nonce}{}", secret.expose()).as_bytes());
        [format!("login {user} {nonce} {signature}\n").into_bytes(), out].concat()
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

    fn take(&mut self, store: &mut Store, line: &Line, private: bool, heard: &mut Heard) -> Result<(), Trip> {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["file", name, .., _] => {
                if private && !self.task.private {
                    return trip("a private artifact that was not asked for");
                }
                let source = if words.len() == 4 { Some(id(words[2])?) } else { None };
                if store.reads(source) {
                    self.theirs.insert(id(name)?);
                }
                heard.files += usize::from(store.put(id(name)?, source, line.payload.clone(), private)?);
            }
            ["cfile", name, .., usize, _] => {
                if !self.task.clone || private && !self.task.private {
                    return trip("a cfile in a pull, or a private one that was not asked for");
                }
                let source = if words.len() == 5 { Some(id(words[2])?) } else { None };
                let bytes = Codec::new().unpack(&line.payload, MOST);
                let bytes = bytes.map_err(|error| Trip(format!("cfile {name}: {error}")))?;
                let name = id(name)?;
                store.put(name, source, bytes, private)?;
                heard.files += 1;
                let size = store.content(&name).map(<[u8]>::len);
                if size.is_some_and(|size| size.to_string() != *usize) {
                    return trip(format!("cfile {name} is said to have {usize} bytes"));
                }
            }
            ["igot", name, rest @ ..] => self.take_igot(store, id(name)?, rest.first() == Some(&"1"), heard),
            ["gimme", name] if self.task.push => self.take_gimme(store, id(name)?),
            ["gimme", _] => return trip("a gimme for who does not push"),
            ["uvigot", name, mtime, hash, _] if self.uv_hash_sent => {
                heard.catalog.insert((*name).to_owned());
                self.take_uvigot(store, name, mtime, hash)?;
            }
            ["uvfile", ..] if self.uv_hash_sent => {
                heard.uv_files += usize::from(store.take_file(&line.words, &line.payload)?);
            }
            ["uvigot" | "uvfile", ..] => return trip("a file without history that was not asked for"),
            ["push", _, project] if self.task.clone => {
                if project.len() != 40 {
                    return trip(format!("unknown command: [push], of project {project}"));
                }
                if self.seqno > 0 && heard.seqno.is_none() && heard.files > 0 {
                    return trip("push before clone_seqno: no further batch would be asked for");
                }
                (*project).clone_into(&mut store.project);
                heard.push = true;
            }
            ["clone_seqno", seqno] if self.task.clone => {
                heard.seqno = Some(seqno.parse().map_err(|_| Trip(format!("clone_seqno {seqno}")))?);
            }
            ["message", text] => {
                if text.starts_with("pull\\sonly\\s") {
                    self.task.push = false;
                    self.queued.clear();
                }
            }
            ["error", text] => heard.error = Some(unescaped(text)),
            ["config", ..] if self.task.clone && self.round > 1 => {}
            ["cookie", _] => {}
            ["pragma", "uv-push-ok"] => heard.uv_mode = Some(true),
            ["pragma", "uv-pull-only"] => heard.uv_mode = Some(false),
            [
                "pragma",
                "server-version" | "ci-lock-fail" | "avoid-delta-manifests" | "link" | "x-more-gimmes",
                ..,
            ] => {}
            _ => return trip(format!("unknown command: {}", words.join(" "))),
        }
        Ok(())
    }

    fn take_gimme(&mut self, store: &Store, name: ArtifactId) {
        let private = store.private.contains(&name);
        if !store.may_leave(&name) || private && !self.task.private || self.theirs.contains(&name) {
            return;
        }
        if self.queued.len() >= store.budgets.1 {
            self.queued.extend_from_slice(igot(&name, private).as_bytes());
            return;
        }
        self.queued.extend_from_slice(&store.file_card(&name, self.task.private));
        self.files_queued += 1;
        self.theirs.insert(name);
    }

    fn take_igot(&mut self, store: &mut Store, name: ArtifactId, private: bool, heard: &mut Heard) {
        self.theirs.insert(name);
        if store.is_known(&name) {
            match private {
                true if store.is_phantom(&name) => drop(store.private.insert(name)),
                true => heard.private_igots = true,
                false => store.publish(&name),
            }
        } else if (!private || self.task.private) && (self.task.pull || self.task.clone) {
            let before = store.is_known(&name);
            store.announce(name, private);
            heard.new_phantoms |= store.is_known(&name) != before;
        }
    }

    fn take_uvigot(&mut self, store: &mut Store, name: &str, mtime: &str, hash: &str) -> Result<(), Trip> {
        let time = mtime.parse().map_err(|_| Trip(format!("uvigot {name} {mtime}")))?;
        match (store.file_status(name, time, hash), hash) {
            (0, "-") => {}
            (1, "-") => drop(store.files.insert(name.to_owned(), (time, None))),
            (0 | 1, _) if self.task.pull => {
                self.queued.extend_from_slice(format!("uvgimme {name}\n").as_bytes());
                self.uv_gimmes += 1;
            }
            (2, _) => store.files.get_mut(name).expect("it has a status").0 = time,
            (4, _) if self.task.push => self.uv_owed.push((name.to_owned(), false)),
            (5, _) if self.task.push => self.uv_owed.push((name.to_owned(), true)),
            _ => {}
        }
        Ok(())
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

fn unescaped(token: &str) -> String {
    String::from_utf8_lossy(&xfer::token::unescape(token.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests;
