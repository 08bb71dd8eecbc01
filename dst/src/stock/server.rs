//! One request, answered in one pass over its cards (reference: wire.md sections 3, 5, 6.2 and 8). What it gives is in
//! `giving`.

mod giving;

use std::collections::BTreeSet;

use repo::UnixTime;
use repo::manifest::date;
use xfer::body::ContentType;
use xfer::{ArtifactId, hash};

use super::lines::{self, Line, escaped, id};
use super::{Store, Trip, Version, trip};
use crate::rights::{Letters, Right};

/// A reply.
pub struct Reply {
    /// Its cards.
    pub text: Vec<u8>,
    /// How it is framed.
    pub framing: ContentType,
    /// Clusters that were made.
    pub clusters: Vec<ArtifactId>,
    /// What was public here, and is hidden since the client announced it as private: nobody may do that.
    pub hidden: Vec<ArtifactId>,
}

/// Answers a request: one transaction, which is undone after a [`Trip`].
pub fn answer(store: &mut Store, text: &[u8], asked: ContentType, now: UnixTime) -> Result<Reply, Trip> {
    let mut draft = store.clone();
    let letters = draft.letters(None);
    let mut pass = Pass {
        store: &mut draft,
        text,
        letters,
        login: None,
        out: Vec::new(),
        errors: 0,
        framing: asked,
        seen: Seen::default(),
        private: false,
        next_private: false,
        client: 0,
        theirs: BTreeSet::new(),
        lacks: BTreeSet::new(),
        clusters: Vec::new(),
        hidden: Vec::new(),
    };
    for line in lines::read(text)? {
        if !pass.take(&line)? {
            break;
        }
    }
    pass.finish();
    let mut stamp = date::format(now);
    stamp.truncate("YYYY-MM-DDTHH:MM:SS".len());
    pass.out.extend_from_slice(format!("# timestamp {stamp} errors {}\n", pass.errors).as_bytes());
    let reply = Reply { text: pass.out, framing: pass.framing, clusters: pass.clusters, hidden: pass.hidden };
    *store = draft;
    Ok(reply)
}

/// Cards that were there, and what they opened.
#[derive(Debug, Default)]
struct Seen {
    pull: bool,
    push: bool,
    push_card: bool,
    by_names: bool,
    gimmes: bool,
    catalog: bool,
    clusters: bool,
    uv_hash: bool,
}

struct Pass<'a> {
    store: &'a mut Store,
    text: &'a [u8],
    letters: Letters,
    /// Nonce of the login.
    login: Option<String>,
    out: Vec<u8>,
    errors: u32,
    framing: ContentType,
    seen: Seen,
    /// Whether private artifacts may be shown.
    private: bool,
    next_private: bool,
    client: u32,
    /// What the peer has.
    theirs: BTreeSet<ArtifactId>,
    /// What it lacks.
    lacks: BTreeSet<ArtifactId>,
    clusters: Vec<ArtifactId>,
    hidden: Vec<ArtifactId>,
}

impl Pass<'_> {
    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
    }

    /// Gives up what was answered so far. The rest of the request is not looked at.
    fn refuse(&mut self, text: &str) -> Result<bool, Trip> {
        self.out.clear();
        self.errors += 1;
        self.say(&format!("error {}\n", escaped(text)));
        Ok(false)
    }

    /// Says whether to go on.
    fn take(&mut self, line: &Line) -> Result<bool, Trip> {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => {}
            ["login", user, nonce, signature] => return self.log_in(line.end, user, nonce, signature),
            ["pull", _, project] => {
                if *project != self.store.project {
                    return self.refuse("wrong project");
                }
                if !self.letters.allow(Right::Read) {
                    return self.refuse("not authorized to read");
                }
                self.seen.pull = true;
            }
            ["push", _, project] => {
                self.seen.push_card = true;
                if *project != self.store.project {
                    return self.refuse("wrong project");
                }
                match (self.letters.allow(Right::Write), self.seen.pull) {
                    (true, _) => self.seen.push = true,
                    (false, true) => self.say("message pull\\sonly\\s-\\snot\\sauthorized\\sto\\spush\n"),
                    (false, false) => return self.refuse("not authorized to write"),
                }
            }
            ["clone", rest @ ..] => return self.clone(rest),
            ["gimme", name] => self.gimme(id(name)?)?,
            ["igot", name, rest @ ..] => self.igot(id(name)?, rest.first() == Some(&"1"))?,
            ["private"] => {
                if !self.letters.allow(Right::Private) {
                    return trip(
                        "a private artifact comes from who may not give any: it would be public here",
                    );
                }
                self.next_private = true;
            }
            ["file", name, .., _] => {
                if !self.seen.push_card {
                    return trip("a file before push");
                }
                if !self.seen.push {
                    return self.refuse("not authorized to write");
                }
                let source = if words.len() == 4 { Some(id(words[2])?) } else { None };
                let name = id(name)?;
                let private = std::mem::take(&mut self.next_private);
                if self.store.reads(source) {
                    self.theirs.insert(name);
                }
                if self.store.put(name, source, line.payload.clone(), private)? {
                    self.note_nonce()?;
                }
            }
            ["cfile", ..] => return trip("a cfile is pushed: its size would be wrong here"),
            ["uvfile", ..] => return self.uvfile(line),
            ["uvgimme", name] => self.uvgimme(name),
            ["reqconfig" | "cookie", _] => {}
            ["config", ..] => return self.refuse("not authorized to push configuration"),
            ["pragma", pragma @ ..] => self.pragma(pragma)?,
            _ => return trip(format!("bad command: {}", words.join(" "))),
        }
        Ok(true)
    }

    fn log_in(&mut self, end: usize, user: &str, nonce: &str, signature: &str) -> Result<bool, Trip> {
        if self.login.is_some() || self.seen.pull || self.seen.push_card {
            return trip("a login after something that needs it");
        }
        if hash::sha1(&self.text[end..]).to_string() != nonce {
            return trip("the nonce of a login is not the hash of what follows");
        }
        let Some((_, secret)) = self.store.users.get(user) else { return self.refuse("login failed") };
        if hash::sha1(format!("{nonce}{secret}").as_bytes()).to_string() != signature {
            return self.refuse("login failed");
        }
        self.letters = self.store.letters(Some(user));
        self.login = Some(nonce.to_owned());
        Ok(true)
    }

    fn note_nonce(&mut self) -> Result<(), Trip> {
        let Some(nonce) = self.login.clone() else { return Ok(()) };
        // One request writes it down once; another one with the same could not be told from a replay.
        let first = !self.theirs.contains(&hash::sha1(nonce.as_bytes()));
        self.theirs.insert(hash::sha1(nonce.as_bytes()));
        if first && !self.store.note_nonce(&nonce) {
            return trip("UNIQUE constraint failed: rcvfrom.nonce");
        }
        Ok(())
    }

    fn igot(&mut self, name: ArtifactId, private: bool) -> Result<(), Trip> {
        if !self.seen.push_card {
            return trip("an igot before push");
        }
        if !self.seen.push {
            return Ok(());
        }
        let trusted = self.letters.allow(Right::Private);
        if self.store.is_known(&name) {
            self.theirs.insert(name);
            if !private {
                self.store.publish(&name);
            } else if self.store.private.insert(name) && !self.store.is_phantom(&name) {
                self.hidden.push(name);
            }
        } else if !private || trusted {
            self.store.announce(name, private);
            self.theirs.insert(name);
        }
        Ok(())
    }

    fn uvfile(&mut self, line: &Line) -> Result<bool, Trip> {
        if !self.letters.allow(Right::WriteFiles) {
            return trip("a uvfile without the right: 2.21 drops it in silence, 2.29 refuses the request");
        }
        if !self.seen.uv_hash && !self.store.has_files {
            return trip("no such table: unversioned");
        }
        self.store.take_file(&line.words, &line.payload)?;
        // Whatever became of it, the request is written down.
        if self.store.version == Version::V229 {
            self.note_nonce()?;
        }
        Ok(true)
    }

    fn pragma(&mut self, words: &[&str]) -> Result<(), Trip> {
        match words {
            ["client-version", version, rest @ ..] => {
                self.client = version.parse().map_err(|_| Trip(format!("client-version {version}")))?;
                if rest.len() == 2 {
                    self.say(&format!("pragma server-version {}\n", self.store.version.pragma()));
                }
            }
            ["send-private"] if self.letters.allow(Right::Private) => self.private = true,
            ["send-private"] => self.say("error not\\sauthorized\\sto\\ssync\\sprivate\\scontent\n"),
            ["send-catalog"] => self.seen.catalog = true,
            ["req-clusters"] => self.seen.clusters = self.store.version == Version::V229,
            ["uv-hash", theirs] => {
                self.seen.uv_hash = true;
                if !self.letters.allow(Right::Read) || *theirs == self.store.files_hash() {
                    return Ok(());
                }
                self.store.has_files = true;
                let may = self.letters.allow(Right::WriteFiles);
                self.say(if may { "pragma uv-push-ok\n" } else { "pragma uv-pull-only\n" });
                for name in self.store.files.keys().cloned().collect::<Vec<_>>() {
                    let line = self.store.file_igot(&name);
                    self.say(&line);
                }
            }
            // Unknown ones are passed over.
            _ => {}
        }
        Ok(())
    }
}
