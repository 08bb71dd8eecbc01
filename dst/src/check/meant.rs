//! What a user asks for is what is committed: these artifacts and no others, private where that was meant, with the files
//! and the words that were given; files without history have the bytes that were put, [`rows`] are those
//! written, and [`records`] say what was said.

pub mod records;
pub mod rows;

use std::collections::{BTreeMap, BTreeSet};

use repo::zlib::Codec;
use repo::{Repo, RepoError, Rid, content};
use rusqlite::OptionalExtension as _;
use xfer::ArtifactId;
use xfer::card::Privacy;

use crate::known::Known;
use crate::meant::{Change, CheckinMeant, Content, FileMeant, Leaning, Meant, Paper, names};
use crate::model::Violation;
use crate::stock::lines::escaped;

/// Bytes of the largest file without history that anybody puts.
const MOST: usize = 1 << 24;

/// How private what is new was meant to be; none if nobody asked for it.
pub fn privacy(meant: &Meant, before: &Known, id: &ArtifactId) -> Option<Privacy> {
    let is_asked_for =
        meant.paper.is_some() || meant.contents.iter().any(|content| content.names().contains(id));
    is_asked_for.then(|| leaning(&meant.privacy, before))
}

fn leaning(leaning: &Leaning, before: &Known) -> Privacy {
    match leaning.is_private || leaning.like.iter().any(|id| before.private.contains(id)) {
        true => Privacy::Private,
        false => Privacy::Public,
    }
}

/// Looks at a repository after a user's commit.
pub fn check(repo: &mut Repo, before: &Known, now: &Known, meant: &Meant) -> Result<(), Violation> {
    let look = Look { repo, before, now };
    look.check(meant)
}

struct Look<'a> {
    repo: &'a mut Repo,
    before: &'a Known,
    now: &'a Known,
}

fn fail<T>(text: impl std::fmt::Display) -> Result<T, Violation> {
    Err(Violation::new("meant", text))
}

fn failed(error: impl Into<RepoError>) -> Violation {
    Violation::new("meant", error.into())
}

impl Look<'_> {
    fn check(mut self, meant: &Meant) -> Result<(), Violation> {
        let mut new: BTreeSet<ArtifactId> = self.now.held.keys().copied().collect();
        new.retain(|id| !self.before.held.contains_key(id));
        let wanted = leaning(&meant.privacy, self.before);
        for content in &meant.contents {
            let Some(id) = content.names().into_iter().find(|id| self.now.held.contains_key(id)) else {
                return fail(format!("a content of {} bytes was given, and is not held", content.size()));
            };
            self.check_privacy(&id, wanted)?;
            new.remove(&id);
        }
        match (&meant.paper, new.pop_first(), new.first()) {
            (None, None, _) => {}
            (Some(paper), Some(id), None) => {
                self.check_privacy(&id, wanted)?;
                self.check_paper(paper, &id, meant)?;
            }
            (Some(_), None, _) => return fail("an artifact was asked for, and none is new"),
            (_, Some(id), _) => return fail(format!("nobody asked for {id}")),
        }
        if let Some(id) = meant.shunned.filter(|id| !self.now.shunned.contains(id)) {
            return fail(format!("{id} was to be shunned, and is not"));
        }
        match &meant.file {
            Some(file) => self.check_file(file),
            None if self.before.files != self.now.files => fail("nobody asked for a change of files"),
            None => Ok(()),
        }
    }

    /// What others may see already is not made private again, nor what is in a check-in that they may see.
    fn check_privacy(&mut self, id: &ArtifactId, wanted: Privacy) -> Result<(), Violation> {
        let is_private = self.now.private.contains(id);
        match wanted {
            Privacy::Public if is_private => fail(format!("{id} is private, and was meant for all")),
            Privacy::Private
                if !is_private && !self.before.is_public(id) && !self.is_in_public(id).map_err(failed)? =>
            {
                fail(format!("{id} is for all to see, and was meant to be private"))
            }
            Privacy::Public | Privacy::Private => Ok(()),
        }
    }

    /// Whether a check-in for all to see names this content.
    fn is_in_public(&mut self, id: &ArtifactId) -> Result<bool, RepoError> {
        let snap = self.repo.snapshot()?;
        let sql = "SELECT 1 FROM blob CROSS JOIN mlink ON fid=rid WHERE uuid=?1 AND mid NOT IN (SELECT rid FROM private)";
        Ok(snap.conn().prepare_cached(sql)?.exists([id.to_string()])?)
    }

    fn text(&mut self, id: &ArtifactId) -> Result<String, Violation> {
        let Some(&rid) = self.now.held.get(id) else { return fail(format!("{id} is not held")) };
        let snap = self.repo.snapshot().map_err(failed)?;
        let bytes = content::get(&snap, Rid(rid)).map_err(failed)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn check_paper(&mut self, paper: &Paper, id: &ArtifactId, meant: &Meant) -> Result<(), Violation> {
        let text = self.text(id)?;
        match paper {
            Paper::Checkin(checkin) => self.check_checkin(checkin, id, &text),
            Paper::Cards(cards) => check_cards(cards, &meant.contents, &text),
        }
    }

    fn check_checkin(&mut self, meant: &CheckinMeant, id: &ArtifactId, text: &str) -> Result<(), Violation> {
        let mut expected = match meant.parents.first() {
            Some(parent) => self.tree(parent)?,
            None => BTreeMap::new(),
        };
        expected.values_mut().for_each(|file| file.old_name.clear());
        meant.gone.iter().for_each(|name| drop(expected.remove(name)));
        let actual = self.tree(id)?;
        for (name, (content, perm, old_name)) in &meant.files {
            let (perm, old_name) = ((*perm).to_owned(), old_name.clone().unwrap_or_default());
            let ids = content.names().map(|id| id.to_string());
            let id = actual.get(name).map(|file| file.id.clone()).filter(|id| ids.contains(id));
            let [first, _] = ids;
            expected.insert(name.clone(), File { id: id.unwrap_or(first), perm, old_name });
        }
        if actual != expected {
            let differs = |name: &&String| actual.get(*name) != expected.get(*name);
            let name = expected.keys().chain(actual.keys()).find(differs).expect("one differs");
            let (is, was) = (actual.get(name), expected.get(name));
            return fail(format!("{name} of {id} is {is:?}, and was to be {was:?}"));
        }
        let mut cards = vec![format!("C {}", escaped(&meant.comment)), format!("U {}", escaped(&meant.user))];
        if !meant.parents.is_empty() {
            let parents: Vec<String> = meant.parents.iter().map(ToString::to_string).collect();
            cards.push(format!("P {}", parents.join(" ")));
        }
        check_cards(&cards, &[], text)?;
        self.check_tags(meant, text)
    }

    fn check_tags(&mut self, meant: &CheckinMeant, text: &str) -> Result<(), Violation> {
        let (begins, own): (Vec<&str>, Vec<&str>) =
            cards_of(text, 'T').partition(|card| !card.starts_with("T +"));
        let tags = meant.tags.iter().map(|tag| format!("T +sym-{} *", escaped(tag)));
        if !own.iter().map(|tag| (*tag).to_owned()).eq(tags) {
            return fail(format!("its tags are {own:?}, and were to be {:?}", meant.tags));
        }
        let before = match meant.parents.first() {
            Some(parent) => Some(self.branch(parent)?),
            None => None,
        };
        let branch = meant.branch.clone().or_else(|| before.is_none().then(|| "trunk".to_owned()));
        let mut expected = Vec::new();
        if let Some(branch) = branch.filter(|branch| before.as_ref() != Some(branch)) {
            let name = escaped(&branch);
            expected.extend([format!("T *branch * {name}"), format!("T *sym-{name} *")]);
            expected.extend(before.map(|before| format!("T -sym-{} *", escaped(&before))));
        }
        if begins.iter().map(|card| (*card).to_owned()).eq(expected.iter().cloned()) {
            return Ok(());
        }
        fail(format!("its branch is {begins:?}, and was to be {expected:?}"))
    }

    fn branch(&mut self, checkin: &ArtifactId) -> Result<String, Violation> {
        let snap = self.repo.snapshot().map_err(failed)?;
        let sql = "SELECT value FROM tagxref JOIN blob USING(rid) WHERE tagid=8 AND tagtype>0 AND uuid=?1";
        let mut statement = snap.conn().prepare_cached(sql).map_err(failed)?;
        let value = statement.query_row([checkin.to_string()], |row| row.get::<_, Option<String>>(0));
        Ok(value.optional().map_err(failed)?.flatten().unwrap_or_else(|| "trunk".to_owned()))
    }

    /// The files of a check-in, those of its baseline included.
    fn tree(&mut self, checkin: &ArtifactId) -> Result<BTreeMap<String, File>, Violation> {
        let text = self.text(checkin)?;
        let baseline =
            cards_of(&text, 'B').next().and_then(|card| ArtifactId::from_hex(&card.as_bytes()[2..]).ok());
        let mut files = match baseline {
            Some(baseline) => self.tree(&baseline)?,
            None => BTreeMap::new(),
        };
        for card in cards_of(&text, 'F') {
            let mut words = card[2..].split(' ').map(unescaped);
            let name = words.next().unwrap_or_default();
            let Some(id) = words.next() else {
                files.remove(&name);
                continue;
            };
            let perm = words.next().filter(|perm| perm != "w").unwrap_or_default();
            files.insert(name, File { id, perm, old_name: words.next().unwrap_or_default() });
        }
        Ok(files)
    }

    fn check_file(&mut self, meant: &FileMeant) -> Result<(), Violation> {
        let name = &meant.name;
        let others = |known: &Known| -> Vec<_> {
            let others = known.files.iter().filter(|(other, _)| *other != name);
            others.map(|(name, version)| (name.clone(), *version)).collect()
        };
        if others(self.before) != others(self.now) {
            return fail(format!("{name} was to change, and another file did"));
        }
        let before = self.before.files.get(name);
        let mtime = before.map_or(i64::MIN, |(mtime, _)| mtime + 1).max(meant.time.seconds());
        let (bytes, hash) = match (&meant.change, before.and_then(|(_, hash)| *hash)) {
            (Change::Touch(_), Some(hash)) => (None, Some(hash)),
            (Change::Put(bytes) | Change::Touch(bytes), _) => (Some(bytes), None),
            (Change::Remove, _) => (None, None),
        };
        let held = self.file(name)?;
        let is_it = match (&held, bytes) {
            (Some((_, Some(id), Some(content))), Some(bytes)) => {
                content == bytes && names(bytes).contains(id)
            }
            (Some((_, id, content)), None) => *id == hash && content.is_some() == hash.is_some(),
            _ => false,
        };
        match held {
            Some((held, ..)) if is_it && held == mtime => Ok(()),
            held => fail(format!("{name} was to be {:?} at {mtime}, and is {held:?}", meant.change)),
        }
    }

    /// A file without history: its time, its hash and its content.
    fn file(&mut self, name: &str) -> Result<Option<FileHeld>, Violation> {
        let snap = self.repo.snapshot().map_err(failed)?;
        let sql = "SELECT mtime, hash, encoding, content FROM unversioned WHERE name=?1";
        let mut statement = snap.conn().prepare_cached(sql).map_err(failed)?;
        let row = statement.query_row([name], |row| {
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2)?, row.get(3)?))
        });
        let row: Option<(i64, _, _, Option<Vec<u8>>)> = row.optional().map_err(failed)?;
        let Some((mtime, hash, encoding, content)) = row else { return Ok(None) };
        let content = match (content, encoding) {
            (Some(frame), 1) => match Codec::new().unpack(&frame, MOST) {
                Ok(content) => Some(content),
                Err(reason) => return fail(format!("{name} cannot be read: {reason}")),
            },
            (content, _) => content,
        };
        Ok(Some((mtime, hash.and_then(|hash| ArtifactId::from_hex(hash.as_bytes()).ok()), content)))
    }
}

type FileHeld = (i64, Option<ArtifactId>, Option<Vec<u8>>);

/// A file of a check-in, as its card says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    id: String,
    perm: String,
    old_name: String,
}

/// The cards that are meant are there, and no others of their letters. `@` stands for the name of the content.
fn check_cards(meant: &[String], contents: &[Content], text: &str) -> Result<(), Violation> {
    let is_it = |card: &str, meant: &String| match contents.first() {
        Some(content) => content.names().iter().any(|id| card == meant.replace('@', &id.to_string())),
        None => card == meant,
    };
    for card in meant {
        let letter = card.chars().next().expect("a card has a letter");
        let same = || meant.iter().filter(|other| other.starts_with(letter));
        let there: Vec<&str> = cards_of(text, letter).collect();
        let all = same().all(|card| there.iter().any(|there| is_it(there, card)));
        if !all || same().count() != there.len() {
            return fail(format!("the cards {:?} were meant, and are {there:?}", same().collect::<Vec<_>>()));
        }
    }
    Ok(())
}

/// The cards of one letter, be the artifact signed or not. The text of a page, which comes after all cards but the last,
/// is one too.
fn cards_of(text: &str, letter: char) -> impl Iterator<Item = &str> {
    let start = text
        .strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----")
        .map_or(text, |signed| signed.split_once("\n\n").map_or(signed, |(_, text)| text));
    let page = start.find("\nW ").map(|end| end + 1);
    let head = page.map_or(start, |page| &start[..page]);
    let last = start.rfind("\nZ ").unwrap_or(start.len());
    let page = page.filter(|_| letter == 'W').and_then(|page| start.get(page..last));
    let is_card = move |line: &&str| line.starts_with(letter) && line[1..].starts_with(' ');
    head.lines().filter(is_card).chain(page)
}

fn unescaped(word: &str) -> String {
    let mut text = String::new();
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        text.push(match (letter, if letter == '\\' { letters.next() } else { None }) {
            ('\\', Some('s')) => ' ',
            ('\\', Some('n')) => '\n',
            ('\\', Some(other)) => other,
            (letter, _) => letter,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_read_from_artifacts_signed_or_not_and_the_page_whole() {
        let page = "C a\\sb\nU me\nW 7\nC one\nU\nZ 00\n";
        let signed = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n{page}-----END\n");
        for text in [page, &signed] {
            assert_eq!(cards_of(text, 'C').collect::<Vec<_>>(), ["C a\\sb"]);
            assert_eq!(cards_of(text, 'W').collect::<Vec<_>>(), ["W 7\nC one\nU"]);
        }
        assert_eq!(unescaped("a\\sb\\nc\\\\d"), "a b\nc\\d");
    }

    #[test]
    fn a_card_that_differs_or_that_nobody_meant_is_found() {
        let text = "A shot Home 86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\nT +x a\nT +y a\nU me\nZ 00\n";
        for (cards, sound) in [
            (&["A shot Home @", "U me"][..], true),
            (&["A shot Help @"], false),
            (&["T +x a", "T +y a"], true),
            (&["T +x a"], false),
            (&["U you"], false),
        ] {
            let cards: Vec<String> = cards.iter().map(|card| (*card).to_owned()).collect();
            assert_eq!(check_cards(&cards, &[b"a".as_slice().into()], text).is_ok(), sound, "{cards:?}");
        }
    }
}
