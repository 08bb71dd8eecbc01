//! Cards of a reply as stock takes them.

use repo::zlib::Codec;
use xfer::ArtifactId;

use super::{Heard, Session, igot};
use crate::stock::lines::{Line, id};
use crate::stock::{Store, Trip, trip};

/// Bytes of a `cfile`, unpacked.
const MOST: usize = 1 << 30;

impl Session {
    pub(super) fn take(
        &mut self,
        store: &mut Store,
        line: &Line,
        private: bool,
        heard: &mut Heard,
    ) -> Result<(), Trip> {
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
}

fn unescaped(token: &str) -> String {
    String::from_utf8_lossy(&xfer::token::unescape(token.as_bytes())).into_owned()
}
