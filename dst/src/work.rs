//! What users do to a repository: everything that the product can make.

mod chores;
pub mod rows;
pub mod settings;
pub mod upkeep;

use std::ops::Range;

use repo::author::{self, AuthorError};
use repo::checkin::{NewCheckin, NewFile, commit};
use repo::manifest::{
    Attachment, Control, ForumPost, TagCard, TagKind, Technote, TicketChange, TicketField, Wiki,
};
use repo::{Presence, Repo, Text, Tx, UnixTime, blob, branch, history, schema, shun, unversioned};
use xfer::card::Privacy;
use xfer::{ArtifactId, UvName, hash};

use crate::census::Census;
use crate::dice::{Dice, Ratio};
use crate::meant::{Change, FileMeant, Meant, Paper};
use crate::plan::Edition;
use crate::stock::lines::escaped;

/// A user at work.
pub struct Worker<'a> {
    /// Decides what to do.
    pub dice: &'a mut Dice,
    /// The name of the user, which makes contents differ.
    pub user: &'a str,
    /// The time that is written down.
    pub now: UnixTime,
    /// Something that no other action of this user has.
    pub count: u64,
    /// Bytes that exceed a budget.
    pub large: u64,
    /// Bytes of a content that does not get smaller, for some: they exceed a budget as they travel.
    pub noise: Option<u64>,
    /// What the seed means.
    pub edition: Edition,
    /// Counts what is done.
    pub census: &'a mut Census,
    /// What it is about to do.
    pub meant: &'a mut Meant,
}

/// What each choice of [`Worker::act`] is called.
const KINDS: [&str; 20] = [
    "check-in",
    "check-in",
    "check-in",
    "check-in",
    "check-in",
    "check-in",
    "merge",
    "tag",
    "tag",
    "wiki",
    "ticket",
    "technote",
    "attachment",
    "forum post",
    "private check-in",
    "shun",
    "file put",
    "file put",
    "file put",
    "file removed",
];

/// Files that everybody writes to.
const NAMES: [&str; 5] = ["a", "b/c", "b/d", "e", "f.bin"];

impl Worker<'_> {
    /// Does something, in a transaction of its own. Says what; nothing happened after an error.
    pub fn act(&mut self, repo: &mut Repo) -> Result<String, AuthorError> {
        let tx = repo.begin()?;
        let choice = self.dice.below(20);
        let done = match choice {
            0..=5 => self.check_in(&tx, Privacy::Public)?,
            6 => self.merge(&tx)?,
            7 | 8 => self.tag(&tx)?,
            9 => self.wiki(&tx)?,
            10 => self.ticket(&tx)?,
            11 => self.technote(&tx)?,
            12 => self.attach(&tx)?,
            13 => self.post(&tx)?,
            14 => self.check_in(&tx, Privacy::Private)?,
            15 => self.shun(&tx)?,
            16..=18 => self.put_file(&tx)?,
            _ => self.remove_file(&tx)?,
        };
        tx.commit()?;
        self.note(KINDS[choice as usize], &done);
        Ok(done)
    }

    /// Counts what was done, unless there was nothing to do it to.
    fn note(&mut self, kind: &str, done: &str) {
        if !done.starts_with("has no") && done != "shuns nothing" {
            self.census.note(kind);
        }
    }

    /// Checks in many small files at once, which have these numbers.
    pub fn bulk(&mut self, repo: &mut Repo, numbers: Range<u64>) -> Result<String, AuthorError> {
        let tx = repo.begin()?;
        let file = |number: u64| {
            let (name, content) = (format!("bulk/{number}"), format!("{} {number}\n", self.user));
            NewFile { name: name.as_str().into(), content: content.into_bytes(), ..NewFile::default() }
        };
        let files: Vec<NewFile> = numbers.map(file).collect();
        let new = NewCheckin { files, ..self.new_checkin(None) };
        self.meant.check_in(&new);
        let id = commit(&tx, &new)?;
        tx.commit()?;
        Ok(format!("checks in {} as {}", new.files.len(), id.short()))
    }

    /// Checks in something new on a check-in.
    pub fn go_on_from(
        &mut self,
        repo: &mut Repo,
        parent: &ArtifactId,
    ) -> Result<(ArtifactId, String), AuthorError> {
        let tx = repo.begin()?;
        let content = self.content(Privacy::Public);
        let files = vec![NewFile { name: NAMES[0].into(), content, ..NewFile::default() }];
        let new = NewCheckin { files, ..self.new_checkin(Some(*parent)) };
        self.meant.check_in(&new);
        let id = commit(&tx, &new)?;
        tx.commit()?;
        Ok((id, format!("goes on from {} with {}", parent.short(), id.short())))
    }

    /// Merges the heads of a fork.
    pub fn join(&mut self, repo: &mut Repo, heads: [ArtifactId; 2]) -> Result<String, AuthorError> {
        let tx = repo.begin()?;
        let [parent, other] = heads;
        let new = NewCheckin { merged: vec![other], ..self.new_checkin(Some(parent)) };
        self.meant.check_in(&new);
        let id = commit(&tx, &new)?;
        tx.commit()?;
        self.census.note("merge of a fork");
        Ok(format!("merges {} into {} by {}", other.short(), parent.short(), id.short()))
    }

    /// Checks in a content of a file on a check-in, whose place the new one takes; without it, on any.
    pub fn rewrite(
        &mut self,
        repo: &mut Repo,
        parent: &mut Option<ArtifactId>,
        content: Vec<u8>,
    ) -> Result<String, AuthorError> {
        let tx = repo.begin()?;
        let before = if parent.is_some() { *parent } else { self.one_of(&tx, CHECKINS)? };
        let files = vec![NewFile { name: NAMES[0].into(), content, ..NewFile::default() }];
        let new = NewCheckin { files, ..self.new_checkin(before) };
        self.meant.check_in(&new);
        let id = commit(&tx, &new)?;
        tx.commit()?;
        *parent = Some(id);
        Ok(format!("writes a file again by {}", id.short()))
    }

    /// Shuns a name, whether it is known here or not.
    pub fn shun_name(&mut self, repo: &mut Repo, id: &ArtifactId) -> Result<String, AuthorError> {
        self.meant.shunned = Some(*id);
        let tx = repo.begin()?;
        shun::add(&tx, id, "", self.now)?;
        tx.commit()?;
        Ok(format!("shuns {} by name", id.short()))
    }

    fn check_in(&mut self, tx: &Tx<'_>, privacy: Privacy) -> Result<String, AuthorError> {
        let parent = self.one_of(tx, CHECKINS)?;
        let count = if parent.is_none() { 2 } else { self.dice.between(1, 3) };
        let mut files = Vec::new();
        for _ in 0..count {
            let name = *self.dice.pick(&NAMES);
            if files.iter().all(|file: &NewFile| file.name != name.into()) {
                let content = self.content(privacy);
                files.push(NewFile { name: name.into(), content, ..NewFile::default() });
            }
        }
        let branch = self.dice.hits(Ratio::new(1, 4)).then(|| format!("side{}", self.dice.below(3)));
        let tags = if self.dice.hits(Ratio::new(1, 8)) { vec!["release".into()] } else { Vec::new() };
        let branch = branch.as_deref().map(Text::from);
        let mut new = NewCheckin { files, branch, tags, privacy, ..self.new_checkin(parent) };
        self.move_files(tx, &mut new)?;
        self.note_shape(tx, &new)?;
        self.meant.check_in(&new);
        let id = commit(tx, &new)?;
        Ok(format!("checks in {:?} {}", privacy, id.short()))
    }

    /// Now and then a file goes, or gets another name.
    fn move_files(&mut self, tx: &Tx<'_>, new: &mut NewCheckin) -> Result<(), AuthorError> {
        let chance = self.dice.below(8);
        let Some(Presence::Held(parent)) =
            new.parent.map(|parent| blob::presence(tx, &parent)).transpose()?
        else {
            return Ok(());
        };
        let held = if chance < 2 { history::files(tx, parent)?.unwrap_or_default() } else { Vec::new() };
        let is_written = |name: &Text| new.files.iter().any(|file| file.name == *name);
        let Some(old) = held.into_iter().find(|entry| !is_written(&entry.name)) else { return Ok(()) };
        if chance == 0 {
            self.census.note("file of a check-in deleted");
            new.deleted.push(old.name);
            return Ok(());
        }
        self.census.note("file of a check-in renamed");
        let name = format!("moved/{}", self.count);
        let content = self.content(new.privacy);
        let old_name = Some(old.name);
        new.files.push(NewFile { name: name.as_str().into(), content, old_name, ..NewFile::default() });
        Ok(())
    }

    fn note_shape(&mut self, tx: &Tx<'_>, new: &NewCheckin) -> Result<(), AuthorError> {
        for file in &new.files {
            if file.content.is_empty() {
                self.census.note("empty content");
            }
        }
        if new.branch.is_some() {
            self.census.note("branch");
        }
        let parent = new.parent.map(|parent| blob::presence(tx, &parent)).transpose()?;
        if let Some(Presence::Held(parent)) = parent
            && new.branch.is_none()
            && branch::is_continued(tx, parent)?
        {
            self.census.note("fork");
        }
        Ok(())
    }

    fn merge(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let parent = self.one_of(tx, CHECKINS)?;
        let mut others = names(tx, PUBLIC_CHECKINS)?;
        if self.edition >= Edition::Sixth {
            others.retain(|other| Some(other) != parent.map(|parent| parent.to_string()).as_ref());
        }
        let merged = self.mostly_newest(&others).filter(|other| Some(*other) != parent && parent.is_some());
        let new = NewCheckin { merged: merged.into_iter().collect(), ..self.new_checkin(parent) };
        self.meant.check_in(&new);
        let (id, merges) = (commit(tx, &new)?, !new.merged.is_empty());
        Ok(format!("{} {}", if merges { "merges" } else { "has nothing to merge, and makes" }, id.short()))
    }

    fn tag(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let Some(target) = self.one_of(tx, CHECKINS)? else { return Ok("has nothing to tag".into()) };
        let kind = *self.dice.pick(&[TagKind::Cancel, TagKind::Add, TagKind::Propagate]);
        let name = *self.dice.pick(&["bgcolor", "closed", "sym-release", "comment", "branch", "audit"]);
        let value = (kind != TagKind::Cancel).then(|| Text::from(self.line("value").as_str()));
        let tag = TagCard { kind, name: name.into(), target: Some(target), value };
        self.mean_tag(&tag, target);
        let control = Control { date: self.now, tags: vec![tag], user: Some(self.user.into()) };
        let id = author::tags(tx, control)?;
        Ok(format!("tags {} {name} by {}", target.short(), id.short()))
    }

    /// What is said of something private is private.
    fn mean_tag(&mut self, tag: &TagCard, target: ArtifactId) {
        let value = tag.value.as_ref().map(|value| format!(" {}", escaped(&value.to_str_lossy())));
        let (sign, name) = (char::from(tag.kind.sign()), tag.name.to_str_lossy());
        let card = format!("T {sign}{name} {target}{}", value.unwrap_or_default());
        self.meant.cards([card, self.user_card()]);
        self.meant.privacy.like.push(target);
    }

    fn user_card(&self) -> String {
        format!("U {}", escaped(self.user))
    }

    fn wiki(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let title = *self.dice.pick(&["Home", "Help", "Plan of the year"]);
        let wiki = Wiki {
            comment: None,
            date: self.now,
            title: title.into(),
            mimetype: Some("text/x-markdown".into()),
            parents: Vec::new(),
            user: Some(self.user.into()),
            text: Text(self.content(Privacy::Public)),
        };
        self.meant.cards([text_card('L', &wiki.title), page_card(&wiki.text), self.user_card()]);
        Ok(format!("writes {title} {}", author::wiki(tx, wiki)?.short()))
    }

    fn ticket(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let ticket = hash::sha1(&[self.dice.below(4) as u8]).to_string();
        let field = |name: &str, append, value: String| TicketField {
            name: name.into(),
            append,
            value: value.as_str().into(),
        };
        let fields = vec![
            field("title", false, self.line("title")),
            field("comment", self.dice.hits(Ratio::new(1, 2)), self.line("comment")),
        ];
        self.mean_ticket(&fields, &ticket);
        let change = TicketChange { date: self.now, fields, ticket, user: Some(self.user.into()) };
        Ok(format!("changes a ticket {}", author::ticket(tx, change)?.short()))
    }

    fn mean_ticket(&mut self, fields: &[TicketField], ticket: &str) {
        let card = |field: &TicketField| {
            let (sign, name) = (if field.append { "+" } else { "" }, field.name.to_str_lossy());
            format!("J {sign}{name} {}", escaped(&field.value.to_str_lossy())).trim_end().to_owned()
        };
        let mut cards: Vec<String> = fields.iter().map(card).collect();
        cards.extend([format!("K {ticket}"), self.user_card()]);
        self.meant.paper = Some(Paper::Cards(cards));
    }

    fn technote(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let note = Technote {
            comment: Some(self.line("note").as_str().into()),
            date: self.now,
            time: UnixTime::from_seconds(1_795_000_000),
            technote: hash::sha1(&[100 + self.dice.below(2) as u8]).to_string(),
            mimetype: None,
            parents: Vec::new(),
            tags: Vec::new(),
            user: Some(self.user.into()),
            text: Text(self.content(Privacy::Public)),
        };
        self.meant.cards([page_card(&note.text), self.user_card()]);
        Ok(format!("notes {}", author::technote(tx, note)?.short()))
    }

    fn attach(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let attachment = Attachment {
            filename: "shot.png".into(),
            target: "Home".into(),
            source: None,
            comment: Some(self.line("attached").as_str().into()),
            date: self.now,
            mimetype: None,
            user: Some(self.user.into()),
        };
        let file = self.content(Privacy::Public);
        self.mean_attachment(&attachment, &file);
        Ok(format!("attaches {}", author::attach(tx, attachment, &file)?.short()))
    }

    fn mean_attachment(&mut self, attachment: &Attachment, file: &[u8]) {
        let card = format!("A {} {} @", attachment.filename.to_str_lossy(), attachment.target.to_str_lossy());
        self.meant.cards([card, self.user_card()]);
        self.meant.contents.push(file.into());
    }

    fn post(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let any = schema::has_table(tx, "forumpost")?;
        let root = if any { self.one_of(tx, THREADS)? } else { None };
        let root = root.filter(|_| self.dice.hits(Ratio::new(2, 3)));
        let title = root.is_none().then(|| Text::from(self.line("thread").as_str()));
        let post = ForumPost {
            date: self.now,
            root,
            title,
            in_reply_to: root,
            mimetype: None,
            parent: None,
            user: Some(self.user.into()),
            text: Text(self.content(Privacy::Public)),
        };
        self.meant.cards([page_card(&post.text), self.user_card()]);
        Ok(format!("posts {}", author::post(tx, post)?.short()))
    }

    fn shun(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let some = self.dice.hits(Ratio::new(1, 2));
        let Some(id) = self.one_of(tx, ARTIFACTS)?.filter(|_| some) else {
            return Ok("shuns nothing".into());
        };
        self.meant.shunned = Some(id);
        shun::add(tx, &id, "", self.now)?;
        Ok(format!("shuns {}", id.short()))
    }

    fn put_file(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let name = self.file_name();
        let content = self.content(Privacy::Public);
        // Some are given a later time only.
        let touches = self.dice.below(2) == 0;
        let change = if touches { Change::Touch(content.clone()) } else { Change::Put(content.clone()) };
        self.mean_file(name.as_str(), change);
        let touched = match touches {
            true => unversioned::touch(tx, name.as_str(), self.coarse_time())?,
            false => None,
        };
        if let Some(entry) = touched {
            self.census.note("file touched");
            return Ok(format!("touches {name}: {}", entry.version.mtime));
        }
        let entry = unversioned::put(tx, &name, &content, self.coarse_time())?;
        Ok(format!("puts {name} at {}", entry.version.mtime))
    }

    /// Writes the file that others write too.
    pub fn put_one(&mut self, repo: &mut Repo) -> Result<String, AuthorError> {
        let tx = repo.begin()?;
        let name = UvName::new("one").expect("a name that all peers take");
        let content = self.content(Privacy::Public);
        self.mean_file(name.as_str(), Change::Put(content.clone()));
        let entry = unversioned::put(&tx, &name, &content, self.coarse_time())?;
        tx.commit()?;
        Ok(format!("puts {name} at {}", entry.version.mtime))
    }

    fn remove_file(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let live = unversioned::list(tx)?.into_iter().filter(|entry| entry.version.hash.is_some());
        let names: Vec<Text> = live.map(|entry| entry.name).collect();
        if names.is_empty() {
            return Ok("has no file to remove".into());
        }
        let name = self.dice.pick(&names).to_str_lossy();
        self.mean_file(&name, Change::Remove);
        unversioned::remove(tx, &name, self.coarse_time())?;
        Ok(format!("removes {name}"))
    }

    fn mean_file(&mut self, name: &str, change: Change) {
        self.meant.file = Some(FileMeant { name: name.to_owned(), time: self.coarse_time(), change });
    }

    /// Now, to 20 seconds: several files are to have one time.
    fn coarse_time(&self) -> UnixTime {
        UnixTime::from_seconds(self.now.seconds() / 20 * 20)
    }

    fn file_name(&mut self) -> UvName {
        UvName::new(*self.dice.pick(&["one", "two", "three/four"])).expect("a name that all peers take")
    }

    fn new_checkin(&self, parent: Option<ArtifactId>) -> NewCheckin {
        NewCheckin {
            parent,
            comment: self.line("work").as_str().into(),
            user: self.user.into(),
            date: self.now,
            ..NewCheckin::default()
        }
    }

    fn line(&self, what: &str) -> String {
        format!("{what} {} of {}", self.count, self.user)
    }

    /// Contents of many sizes, alike at their ends so that deltas are worth while. The empty one is everybody's, private here
    /// and public there; all else that is private is unlike what is public.
    fn content(&mut self, privacy: Privacy) -> Vec<u8> {
        let size = match self.dice.below(10) {
            0 if privacy == Privacy::Public || self.edition >= Edition::Fourth => return Vec::new(),
            0..=4 => self.dice.between(1, 60),
            5..=7 if self.noise.is_none() => self.dice.between(100, 900),
            8 if self.noise.is_none() => self.dice.between(1_000, 4_000),
            _ => return self.large_content(privacy),
        };
        self.lines(privacy, size)
    }

    /// One that exceeds a budget.
    fn large_content(&mut self, privacy: Privacy) -> Vec<u8> {
        let Some(size) = self.noise else { return self.lines(privacy, self.large) };
        let mut content = self.lines(privacy, 1);
        while (content.len() as u64) < size {
            let (bits, letters) = (self.dice.bits(), 0..10);
            content.extend(letters.map(|place| b'0' + (bits >> (6 * place) & 63) as u8));
        }
        content.push(b'\n');
        content
    }

    fn lines(&mut self, privacy: Privacy, size: u64) -> Vec<u8> {
        let mut content = format!("{privacy:?} {} {}\n", self.line("content"), self.dice.bits()).into_bytes();
        while (content.len() as u64) < size {
            let line = content.len();
            content.extend_from_slice(format!("a line that stays, at {line}\n").as_bytes());
        }
        content
    }

    fn one_of(&mut self, tx: &Tx<'_>, sql: &str) -> Result<Option<ArtifactId>, AuthorError> {
        Ok(self.mostly_newest(&names(tx, sql)?))
    }

    /// One of these, mostly the newest, which is the last: history is to be deep and to fork now and then.
    fn mostly_newest(&mut self, names: &[String]) -> Option<ArtifactId> {
        let last = names.len().checked_sub(1)?;
        let place = if self.dice.hits(Ratio::new(2, 3)) { last } else { self.dice.place(names.len()) };
        ArtifactId::from_hex(names[place].as_bytes()).ok()
    }
}

fn names(tx: &Tx<'_>, sql: &str) -> Result<Vec<String>, AuthorError> {
    let failed = |error: rusqlite::Error| AuthorError::Repo(error.into());
    let mut statement = tx.conn().prepare_cached(sql).map_err(failed)?;
    let names = statement.query_map([], |row| row.get(0)).map_err(failed)?;
    names.collect::<Result<_, _>>().map_err(failed)
}

fn text_card(letter: char, text: &Text) -> String {
    format!("{letter} {}", escaped(&text.to_str_lossy()))
}

fn page_card(text: &Text) -> String {
    format!("W {}\n{}", text.0.len(), text.to_str_lossy())
}

const CHECKINS: &str = "SELECT b.uuid FROM event e JOIN blob b ON b.rid=e.objid
  WHERE e.type='ci' AND b.size>=0 ORDER BY e.mtime, b.uuid";
const PUBLIC_CHECKINS: &str = "SELECT b.uuid FROM event e JOIN blob b ON b.rid=e.objid
  WHERE e.type='ci' AND b.size>=0 AND b.rid NOT IN private ORDER BY e.mtime, b.uuid";
const THREADS: &str = "SELECT b.uuid FROM forumpost f JOIN blob b ON b.rid=f.fpid
  WHERE f.froot=f.fpid AND b.size>=0 ORDER BY b.uuid";
/// No clusters: as in stock, what a shunned cluster lists is announced to nobody until a rebuild.
const ARTIFACTS: &str = "SELECT uuid FROM blob WHERE size>=0
  AND rid NOT IN (SELECT rid FROM tagxref WHERE tagid=7) ORDER BY uuid";
