//! Files without history of a peer like stock (reference: wire.md section 10.3).

use repo::{UnixTime, manifest};
use xfer::{ArtifactId, hash};

use super::Store;
use crate::stock::{Trip, lines, trip};

impl Store {
    /// What the files hash to.
    pub fn files_hash(&self) -> String {
        let mut text = String::new();
        for (name, (mtime, content)) in &self.files {
            if let Some(content) = content {
                let mut time = manifest::date::format(UnixTime::from_seconds(*mtime));
                time.truncate("YYYY-MM-DDTHH:MM:SS".len());
                text.push_str(&format!("{name} {} {}\n", time.replace('T', " "), file_hash(content)));
            }
        }
        hash::sha1(text.as_bytes()).to_string()
    }

    /// How a version of a file stands to ours: below 3 it is taken, 3 is the same, above it ours is newer.
    pub fn file_status(&self, name: &str, mtime: i64, theirs: &str) -> u32 {
        let Some((ours, content)) = self.files.get(name) else { return 0 };
        let hash = content.as_ref().map_or_else(|| "-".to_owned(), |bytes| file_hash(bytes).to_string());
        match (ours.cmp(&mtime), hash.as_str().cmp(theirs)) {
            (std::cmp::Ordering::Less, std::cmp::Ordering::Equal) => 2,
            (std::cmp::Ordering::Equal, std::cmp::Ordering::Equal) => 3,
            (std::cmp::Ordering::Greater, std::cmp::Ordering::Equal) => 4,
            (std::cmp::Ordering::Less, _) | (std::cmp::Ordering::Equal, std::cmp::Ordering::Less) => 1,
            (..) => 5,
        }
    }

    /// A line of the catalog.
    pub fn file_igot(&self, name: &str) -> String {
        let (mtime, content) = &self.files[name];
        match content {
            Some(bytes) => format!("uvigot {name} {mtime} {} {}\n", file_hash(bytes), bytes.len()),
            None => format!("uvigot {name} {mtime} - 0\n"),
        }
    }

    /// A `uvfile` line and its content.
    pub fn uvfile(&self, name: &str, with_content: bool) -> Vec<u8> {
        let (mtime, content) = &self.files[name];
        let Some(bytes) = content else { return format!("uvfile {name} {mtime} - 0 1\n").into_bytes() };
        let flags = if with_content { 0 } else { 4 };
        let line = format!("uvfile {name} {mtime} {} {} {flags}\n", file_hash(bytes), bytes.len());
        let mut card = line.into_bytes();
        if with_content {
            card.extend_from_slice(bytes);
        }
        card
    }

    /// Takes a `uvfile` card. Says whether anything changed.
    pub fn take_file(&mut self, words: &[String], payload: &[u8]) -> Result<bool, Trip> {
        let [_, name, mtime, hash, size, flags] = words else { return trip("malformed uvfile line") };
        let number = |word: &str| word.parse::<i64>().map_err(|_| Trip("malformed uvfile line".to_owned()));
        let (mtime, size, flags) = (number(mtime)?, number(size)?, number(flags)?);
        if flags & 5 == 0 && !hash::names(&lines::id(hash)?, payload) {
            return trip("in uvfile line, HASH does not match CONTENT");
        }
        if (flags & 1 != 0) != (hash == "-") || flags & 1 != 0 && size != 0 {
            return trip(format!("a uvfile that contradicts itself: {}", words.join(" ")));
        }
        self.has_files = true;
        let status = self.file_status(name, mtime, hash);
        match (status, flags) {
            (3.., _) => return Ok(false),
            (0, 1) => return Ok(false),
            (0 | 1, 4) => return trip(format!("{name} comes without its content")),
            (2, _) => self.files.get_mut(name).expect("it has a status").0 = mtime,
            (_, 1) => drop(self.files.insert(name.clone(), (mtime, None))),
            _ => drop(self.files.insert(name.clone(), (mtime, Some(payload.to_vec())))),
        }
        Ok(true)
    }
}

/// The name of an unversioned file's content.
pub fn file_hash(content: &[u8]) -> ArtifactId {
    hash::sha3_256(content)
}
