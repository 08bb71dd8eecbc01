//! What users do now and then: rename and delete files, take over single changes, close branches, edit posts, attach
//! files to anything, write texts full of links, pack old versions, look around. Some manifests are as stock makes them
//! and this product does not: amending another one, signed, with cherry-picks.

use repo::author::{self, AuthorError};
use repo::checkin::{NewCheckin, NewFile, commit};
use repo::config::{self, HashPolicy};
use repo::content::{self, Incoming, Stored};
use repo::history::{self, Kind};
use repo::manifest::{
    self, Artifact, Attachment, Checkin, Cherrypick, Control, Direction, ForumPost, Perm, TagCard, TagKind,
    Technote, TicketChange, TicketField, Wiki,
};
use repo::{Origin, Presence, Repo, Rid, Text, Tx, blob, branch, census, deltify, ingest, user};
use xfer::card::Privacy;
use xfer::{ArtifactId, hash};

use super::{ARTIFACTS, CHECKINS, PUBLIC_CHECKINS, Worker, page_card};
use crate::dice::Ratio;

impl Worker<'_> {
    /// Does one of these, in a transaction of its own. Says what; nothing happened after an error.
    pub fn chore(&mut self, repo: &mut Repo) -> Result<String, AuthorError> {
        let tx = repo.begin()?;
        let (chore, done) = match self.dice.below(25) {
            0..=4 => ("rearrange", self.rearrange(&tx)?),
            5 | 6 => ("pick", self.pick(&tx)?),
            7..=9 => ("amend", self.amend(&tx)?),
            10 | 11 => ("close", self.close(&tx)?),
            12 | 13 => ("edit post", self.edit_post(&tx)?),
            14 | 15 => ("attach to any", self.attach_to_any(&tx)?),
            16..=20 => ("write links", self.write_links(&tx)?),
            21 | 22 => ("pack", self.pack(&tx)?),
            23 => ("look around", self.look_around(&tx)?),
            _ => ("noise", self.check_in_noise(&tx)?),
        };
        tx.commit()?;
        self.note(chore, &done);
        Ok(done)
    }

    /// Renames, deletes, and makes executable or links.
    fn rearrange(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let Some((parent, rid)) = self.checkin(tx, CHECKINS)? else {
            return Ok("has nothing to rearrange".into());
        };
        let files = history::files(tx, rid)?.unwrap_or_default();
        let (mut new, mut deleted) = (Vec::new(), Vec::new());
        for file in files.iter().take(4) {
            match self.dice.below(4) {
                0 => deleted.push(file.name.clone()),
                1 => {
                    let name = format!("moved/{}/{}", self.count, file.name.to_str_lossy());
                    let content = self.content(Privacy::Public);
                    let old_name = Some(file.name.clone());
                    new.push(NewFile { name: name.as_str().into(), content, old_name, ..NewFile::default() });
                }
                2 => {
                    let perm = *self.dice.pick(&[Perm::Executable, Perm::Symlink, Perm::Regular]);
                    let content = self.line("target").into_bytes();
                    new.push(NewFile { name: file.name.clone(), content, perm, old_name: None });
                }
                _ => {}
            }
        }
        let checkin = NewCheckin { files: new, deleted, ..self.new_checkin(Some(parent)) };
        self.meant.check_in(&checkin);
        Ok(format!("rearranges {}", commit(tx, &checkin)?.short()))
    }

    /// A check-in that takes over or backs out another one's change.
    fn pick(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let Some((parent, rid)) = self.checkin(tx, PUBLIC_CHECKINS)? else {
            return Ok("has nothing to pick".into());
        };
        let Some(files) = history::files(tx, rid)? else { return Ok("has not all to pick".into()) };
        let target = self.one_of(tx, PUBLIC_CHECKINS)?.unwrap_or(parent);
        let direction = *self.dice.pick(&[Direction::Pick, Direction::BackOut]);
        let cherrypicks = vec![Cherrypick { direction, target, baseline: None }];
        let checkin = Checkin { files, cherrypicks, ..self.manifest(parent) };
        self.raw(tx, &manifest::write(&Artifact::Checkin(checkin)))
    }

    /// A check-in that lists only what it changes, signed or not.
    fn amend(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let Some((parent, rid)) = self.checkin(tx, PUBLIC_CHECKINS)? else {
            return Ok("has nothing to amend".into());
        };
        let Some(before) = history::read(tx, rid)? else { return Ok("has not all to amend".into()) };
        let (baseline, mut files) = match before.baseline {
            Some(baseline) => (baseline, before.files),
            None => (parent, before.files.into_iter().take(1).collect()),
        };
        if let Some(file) = files.first_mut() {
            file.id = self.dice.hits(Ratio::new(1, 2)).then_some(file.id).flatten();
            file.old_name = None;
        }
        let checkin = Checkin { baseline: Some(baseline), files, ..self.manifest(parent) };
        let mut bytes = manifest::write(&Artifact::Checkin(checkin));
        if self.dice.hits(Ratio::new(1, 3)) {
            bytes = [
                b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n",
                &bytes[..],
                b"-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
            ]
            .concat();
        }
        self.raw(tx, &bytes)
    }

    /// What does not get smaller, and does not go through SQLite in one piece.
    fn check_in_noise(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let parent = self.one_of(tx, CHECKINS)?;
        let content = (0..25_000).flat_map(|_| self.dice.bits().to_le_bytes()).collect();
        let files = vec![NewFile { name: "noise".into(), content, ..NewFile::default() }];
        let checkin = NewCheckin { files, ..self.new_checkin(parent) };
        self.meant.check_in(&checkin);
        Ok(format!("checks in noise {}", commit(tx, &checkin)?.short()))
    }

    /// Closes the newest leaf of a branch.
    fn close(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let name = match self.dice.below(2) {
            0 => branch::main(tx)?,
            _ => format!("side{}", self.dice.below(3)).as_str().into(),
        };
        let open = branch::leaves(tx, &name)?.into_iter().find(|leaf| !leaf.is_closed);
        let Some(leaf) = open else { return Ok("has nothing to close".into()) };
        let tag = TagCard { kind: TagKind::Add, name: "closed".into(), target: Some(leaf.id), value: None };
        self.mean_tag(&tag, leaf.id);
        let control = Control { date: self.now, tags: vec![tag], user: Some(self.user.into()) };
        Ok(format!("closes {} by {}", leaf.id.short(), author::tags(tx, control)?.short()))
    }

    fn edit_post(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        if !repo::schema::has_table(tx, "forumpost")? {
            return Ok("has no post to edit".into());
        }
        let Some(parent) = self.one_of(tx, POSTS)? else { return Ok("has no post to edit".into()) };
        let Presence::Held(rid) = blob::presence(tx, &parent)? else {
            return Ok("has no post to edit".into());
        };
        let Ok(Artifact::Forum(before)) = manifest::parse(&content::get(tx, rid)?) else {
            return Ok("has no post to edit".into());
        };
        let empties = self.dice.hits(Ratio::new(1, 3));
        let text = if empties { Text::default() } else { self.markup(Some(parent)).as_str().into() };
        let post =
            ForumPost { date: self.now, parent: Some(parent), user: Some(self.user.into()), text, ..before };
        let parent = format!("P {parent}");
        self.meant.cards([parent, page_card(&post.text), self.user_card()]);
        Ok(format!("edits a post {}", author::post(tx, post)?.short()))
    }

    /// Attaches to a ticket, a technote or a page, or takes an attachment away.
    fn attach_to_any(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let number = self.dice.below(4) as u8;
        let target = match self.dice.below(3) {
            0 => hash::sha1(&[number]).to_string(),
            1 => hash::sha1(&[100 + number % 2]).to_string(),
            _ => "Help".to_owned(),
        };
        let attachment = Attachment {
            filename: "shot.png".into(),
            target: target.as_str().into(),
            source: None,
            comment: None,
            date: self.now,
            mimetype: None,
            user: Some(self.user.into()),
        };
        if self.dice.hits(Ratio::new(1, 3)) {
            return self.raw(tx, &manifest::write(&Artifact::Attachment(attachment)));
        }
        let file = self.line("a picture").into_bytes();
        self.mean_attachment(&attachment, &file);
        Ok(format!("attaches {} to {target}", author::attach(tx, attachment, &file)?.short()))
    }

    /// Writes a page, a technote or a ticket whose text mentions other artifacts.
    fn write_links(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let mentioned = self.one_of(tx, ARTIFACTS)?;
        let text: Text = self.markup(mentioned).as_str().into();
        let user = Some(Text::from(self.user));
        let mimetype =
            *self.dice.pick(&[None, Some("text/x-markdown"), Some("text/x-fossil-wiki"), Some("text/plain")]);
        let (date, mimetype) = (self.now, mimetype.map(Text::from));
        self.meant.cards([page_card(&text), self.user_card()]);
        let id = match self.dice.below(3) {
            0 => {
                let title = "Home".into();
                author::wiki(
                    tx,
                    Wiki { comment: None, date, title, mimetype, parents: Vec::new(), user, text },
                )?
            }
            1 => {
                let technote = hash::sha1(&[100 + self.dice.below(2) as u8]).to_string();
                let (comment, tags) = (Some("a [note] of it".into()), Vec::new());
                let note = Technote {
                    comment,
                    date,
                    time: date,
                    technote,
                    mimetype,
                    parents: Vec::new(),
                    tags,
                    user,
                    text,
                };
                author::technote(tx, note)?
            }
            _ => {
                let ticket = hash::sha1(&[self.dice.below(4) as u8]).to_string();
                let field = |name: &str, value| TicketField { name: name.into(), append: false, value };
                let fields = vec![field("comment", text), field("status", "Closed".into())];
                self.mean_ticket(&fields, &ticket);
                author::ticket(tx, TicketChange { date, fields, ticket, user })?
            }
        };
        Ok(format!("writes links {}", id.short()))
    }

    /// Keeps an artifact as a delta of another one.
    fn pack(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let (Some(one), Some(other)) = (self.one_of(tx, ARTIFACTS)?, self.one_of(tx, ARTIFACTS)?) else {
            return Ok("has nothing to pack".into());
        };
        let both = (blob::presence(tx, &one)?, blob::presence(tx, &other)?);
        let (Presence::Held(rid), Presence::Held(source)) = both else {
            return Ok("has nothing to pack".into());
        };
        let packed = one != other && deltify::deltify(tx, rid, source)?;
        let done = if packed { "packs" } else { "has no room to save by packing" };
        Ok(format!("{done} {} by {}", one.short(), other.short()))
    }

    /// Asks what people ask.
    fn look_around(&mut self, tx: &Tx<'_>) -> Result<String, AuthorError> {
        let (seen, counted) = (history::timeline(tx, None, 20)?.len(), census::count(tx)?);
        let mut known = user::list(tx)?.len() + usize::from(config::hash_policy(tx)? == HashPolicy::Sha3);
        for kind in [Kind::Checkin, Kind::Wiki, Kind::Ticket, Kind::Technote, Kind::Forum, Kind::Tag] {
            known += history::timeline(tx, Some(kind), 5)?.len();
        }
        for name in ["tip", "trunk", "tag:release", "side1", "root:trunk", "abab"] {
            known += usize::from(matches!(history::named(tx, name)?, history::Named::One(_)));
        }
        if let Some((checkin, rid)) = self.checkin(tx, CHECKINS)? {
            known += census::named(tx, &checkin.to_string()[..8], 2)?.len();
            known += history::beginning(tx, &checkin.to_string()[..6], 2)?.len();
            known +=
                usize::from(branch::of(tx, rid)?.is_some()) + usize::from(branch::is_continued(tx, rid)?);
            known += usize::from(branch::is_closed(tx, rid)?);
        }
        Ok(format!("sees {seen} of {} artifacts, and {known}", counted.artifacts))
    }

    /// A check-in and its row.
    fn checkin(&mut self, tx: &Tx<'_>, sql: &str) -> Result<Option<(ArtifactId, Rid)>, AuthorError> {
        let Some(id) = self.one_of(tx, sql)? else { return Ok(None) };
        Ok(match blob::presence(tx, &id)? {
            Presence::Held(rid) => Some((id, rid)),
            _ => None,
        })
    }

    fn manifest(&self, parent: ArtifactId) -> Checkin {
        Checkin {
            baseline: None,
            comment: Some(self.line("as stock does").as_str().into()),
            date: self.now,
            files: Vec::new(),
            mimetype: None,
            parents: vec![parent],
            cherrypicks: Vec::new(),
            checksum: None,
            tags: Vec::new(),
            user: Some(self.user.into()),
        }
    }

    /// Stores an artifact as it is.
    fn raw(&mut self, tx: &Tx<'_>, bytes: &[u8]) -> Result<String, AuthorError> {
        tx.set_origin(Origin { time: self.now, ..Origin::default() });
        let id = hash::sha3_256(bytes);
        self.meant.contents.push(bytes.into());
        if content::put(tx, &id, &Incoming::Whole(bytes), Privacy::Public)? == Stored::Refused {
            return Err(AuthorError::Shunned(id));
        }
        ingest::settle(tx, self.now)?;
        Ok(format!("makes {}", id.short()))
    }

    /// A text with links and what looks like some, in either markup.
    fn markup(&mut self, mentioned: Option<ArtifactId>) -> String {
        let id = mentioned.map_or_else(|| "0123456789".to_owned(), |id| id.to_string()[..16].to_owned());
        let mut text = self.line("links");
        for _ in 0..self.dice.between(3, 10) {
            let piece = *self.dice.pick(&PIECES);
            text.push_str(&piece.replace("ID", &id));
        }
        text
    }
}

/// Pieces of texts. ID becomes the name of an artifact.
const PIECES: [&str; 30] = [
    " [ID]",
    "\n\n# A heading of [ID]\n",
    "\n  * an item [ID|with text]\n",
    " [text](ID)",
    " [text][ref]\n\n[ref]: ID\n",
    " ![image](/info/ID \"title\")",
    " `[ID]`",
    "\n```\n[ID]\n```\n",
    "\n    [ID]\n",
    "<verbatim>[ID]</verbatim>",
    "<nowiki>[ID]</nowiki>",
    " <a href=\"/info/ID\">there</a>",
    "\n> quoted [ID]\n",
    "\n1. one [ID]\n2. two\n",
    "\n| a | [ID] |\n|---|---|\n| b | c |\n",
    " **bold [ID]** _slanted_ ~~gone~~",
    " \\[ID\\] <https://example.org/> &amp; http://example.org/",
    "\n----\n\n<!-- [ID] -->\n",
    " [/info/ID|text] [wiki:Home] [mailto:a@example.org]",
    " [^1]\n\n[^1]: a note [ID]\n",
    "\nHeading [ID]\n===\n\nAnother\n---\n",
    "\n<div>\n[ID]\n</div>\n\n",
    "\n<pre>\n[ID]\n</pre>\n",
    "\n- one\n  - two [ID]\n    - three\n\n      [ID]\n",
    "\n~~~ text\n[ID]\n~~~\n",
    "\n\n[ref]: <ID> 'a title'\n[other]:\n  ID\n  (title)\n",
    " [ref] [Ref][] [collapsed][ref] ![image][ref]",
    "\n***\n* * *\n> * a\n>   > b [ID]\n",
    "\n  #  enumerated [ID]\n\n<ul><li>[ID]</ul><table><tr><td>[ID]</table>\n",
    " ``code ` [ID]`` [a [nested] link](<ID> \"x\") [broken](ID",
];

const POSTS: &str =
    "SELECT b.uuid FROM forumpost f JOIN blob b ON b.rid=f.fpid WHERE b.size>=0 ORDER BY b.uuid";
