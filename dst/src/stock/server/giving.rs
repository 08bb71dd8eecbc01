//! What a reply gives: batches of a clone, what was asked for, and the lists at its end.

use repo::zlib::Codec;
use xfer::ArtifactId;
use xfer::body::ContentType;

use super::Pass;
use crate::rights::Right;
use crate::stock::{Store, Trip, trip};

/// `gimme` cards of one reply.
const GIMMES: usize = 500;

impl Pass<'_> {
    pub(super) fn clone(&mut self, words: &[&str]) -> Result<bool, Trip> {
        let push = format!("push {} {}\n", self.store.code, self.store.project);
        if !self.letters.allow(Right::Clone) {
            self.refuse("not authorized to clone")?;
            self.out.splice(0..0, push.bytes());
            return Ok(false);
        }
        let numbers: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
        match numbers.as_slice() {
            [version, seqno] if words.len() == 2 && *version >= 2 && *seqno > 0 => {
                if *version >= 3 {
                    self.framing = ContentType::Uncompressed;
                }
                let next = self.batch(*version, *seqno as usize)?;
                self.say(&format!("clone_seqno {next}\n"));
            }
            _ if words.is_empty() => self.seen.by_names = true,
            _ => return trip(format!("clone {}", words.join(" "))),
        }
        self.say(&push);
        Ok(true)
    }

    /// Artifacts from a row on. The size is looked at before each.
    fn batch(&mut self, version: u32, seqno: usize) -> Result<usize, Trip> {
        let rows: Vec<(usize, ArtifactId)> = self.store.rows_from(seqno).collect();
        let mut codec = Codec::new();
        for (rid, name) in rows {
            let private = self.store.private.contains(&name);
            if !self.store.may_leave(&name) || private && !self.private {
                continue;
            }
            if self.out.len() >= self.store.budgets.0 {
                return Ok(rid);
            }
            self.check_client(&name)?;
            if version >= 3 {
                if private {
                    self.say("private\n");
                }
                let (source, size, bytes) = self.store.stored(&name);
                let source = source.map(|source| format!("{source} ")).unwrap_or_default();
                let frame = codec.pack(&bytes);
                self.say(&format!("cfile {name} {source}{size} {}\n", frame.len()));
                let last = frame.last().copied();
                self.out.extend_from_slice(&frame);
                if last != Some(b'\n') {
                    self.say("\n");
                }
            } else {
                let card = self.store.stored_card(&name);
                self.out.extend_from_slice(&card);
            }
        }
        Ok(0)
    }

    fn check_client(&self, name: &ArtifactId) -> Result<(), Trip> {
        if self.client >= 20_000 || name.is_sha1() {
            return Ok(());
        }
        trip("Fossil version 2.0 or later required: no client-version came before")
    }

    pub(super) fn gimme(&mut self, name: ArtifactId) -> Result<(), Trip> {
        self.seen.gimmes = true;
        if !self.seen.pull && !self.seen.by_names {
            return trip("a gimme before pull");
        }
        self.lacks.insert(name);
        if !self.store.may_leave(&name) || self.theirs.contains(&name) {
            return Ok(());
        }
        let private = self.store.private.contains(&name);
        if private && !self.private {
            self.say(&format!("igot {name} 1\n"));
            return Ok(());
        }
        self.check_client(&name)?;
        // What is put off is announced once more at the end.
        if self.out.len() >= self.store.budgets.0 {
            self.say(&format!("igot {name}{}\n", if private { " 1" } else { "" }));
            return Ok(());
        }
        let by_names = self.seen.by_names;
        let card =
            if by_names { self.store.stored_card(&name) } else { self.store.file_card(&name, self.private) };
        self.out.extend_from_slice(&card);
        self.theirs.insert(name);
        Ok(())
    }

    pub(super) fn uvgimme(&mut self, name: &str) {
        if !self.store.files.contains_key(name) {
            return;
        }
        if self.out.len() >= self.store.budgets.0 {
            let line = self.store.file_igot(name);
            self.say(&line);
        } else {
            let card = self.store.uvfile(name, true);
            self.out.extend_from_slice(&card);
        }
    }

    /// The end of a reply, also after a refusal.
    pub(super) fn finish(&mut self) {
        if self.seen.push {
            let wanted = self.store.phantoms(self.private);
            let wanted = wanted.into_iter().filter(|name| !self.lacks.contains(name)).take(GIMMES);
            for name in wanted.collect::<Vec<_>>() {
                self.say(&format!("gimme {name}\n"));
            }
        }
        if self.seen.by_names && !self.seen.gimmes {
            self.announce(|_, _| true);
        } else if self.seen.pull || self.seen.by_names {
            self.announce_new();
        } else {
            return;
        }
        // All of it: what was just brought, phantoms and what is shunned too.
        if self.private {
            for name in self.store.private.clone() {
                self.say(&format!("igot {name} 1\n"));
            }
        }
    }

    fn announce_new(&mut self) {
        self.clusters = self.store.make_clusters();
        if self.seen.clusters {
            self.say("# sending-clusters\n");
            self.announce(|store, name| store.clusters.contains(name) && !store.unclustered.contains(name));
            self.say("# end-of-clusters\n");
        }
        if self.seen.catalog {
            self.announce(|_, _| true);
        } else {
            self.announce(|store, name| store.unclustered.contains(name));
        }
    }

    fn announce(&mut self, wanted: fn(&Store, &ArtifactId) -> bool) {
        let names: Vec<ArtifactId> = self
            .store
            .rows_from(1)
            .map(|(_, name)| name)
            .filter(|name| self.store.may_leave(name) && !self.store.private.contains(name))
            .filter(|name| !self.theirs.contains(name) && wanted(self.store, name))
            .collect();
        for name in names {
            self.say(&format!("igot {name}\n"));
        }
    }
}
