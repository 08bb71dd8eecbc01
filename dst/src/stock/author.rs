//! What else users of a peer like stock write: all kinds of artifacts that stock knows, each as stock writes it.

use repo::manifest::{
    self, Artifact, Attachment, Checkin, FileEntry, ForumPost, Perm, TagCard, TagKind, Technote,
    TicketChange, TicketField,
};
use repo::{Text, UnixTime};
use xfer::{ArtifactId, hash};

use super::Store;
use super::user::{NAMES, content};
use crate::dice::{Dice, Ratio};

/// A user at work.
pub struct Author<'a> {
    /// What it writes to.
    pub store: &'a mut Store,
    /// Decides what.
    pub dice: &'a mut Dice,
    /// Its name.
    pub user: &'a str,
    /// The number of what it does: no two do the same.
    pub count: u64,
    /// When.
    pub now: UnixTime,
}

/// A check-in to be made.
struct Place {
    /// What it goes on from.
    parent: ArtifactId,
    /// The files of that.
    files: Vec<FileEntry>,
    merged: Option<ArtifactId>,
    branch: Option<String>,
}

impl Author<'_> {
    /// Writes something. Gives what kind of thing, and its name; none if there is nothing to build on.
    pub fn write(&mut self) -> Option<(&'static str, ArtifactId)> {
        match self.dice.below(8) {
            0 => Some(("ticket", self.ticket())),
            1 => Some(("technote", self.technote())),
            2 => Some(("attachment", self.attachment())),
            3 => Some(("forum post", self.post())),
            4 => {
                let (branch, place) = (format!("side{}", self.dice.below(3)), self.place(|_, _| true)?);
                Some(("branch", self.check_in(Place { branch: Some(branch), ..place })))
            }
            5 => {
                let place = self.place(Store::is_continued)?;
                Some(("fork", self.check_in(place)))
            }
            _ => {
                let place = self.place(|_, _| true)?;
                let merged = self.one_of(|_, id| *id != place.parent)?;
                Some(("merge", self.check_in(Place { merged: Some(merged), ..place })))
            }
        }
    }

    /// Some public check-in.
    fn one_of(&mut self, fits: impl Fn(&Store, &ArtifactId) -> bool) -> Option<ArtifactId> {
        let store = &*self.store;
        let is_public = |id: &&ArtifactId| !store.private.contains(*id) && fits(store, id);
        let all: Vec<ArtifactId> = store.checkins.iter().filter(is_public).copied().collect();
        if all.is_empty() { None } else { Some(*self.dice.pick(&all)) }
    }

    /// Some public check-in to go on from, whose files are all told in it.
    fn place(&mut self, fits: impl Fn(&Store, &ArtifactId) -> bool) -> Option<Place> {
        let parent = self.one_of(fits)?;
        match self.store.content(&parent).map(manifest::parse) {
            Some(Ok(Artifact::Checkin(Checkin { baseline: None, files, .. }))) => {
                Some(Place { parent, files, merged: None, branch: None })
            }
            _ => None,
        }
    }

    fn check_in(&mut self, place: Place) -> ArtifactId {
        let Place { parent, mut files, merged, branch } = place;
        let name: Text = (*self.dice.pick(&NAMES)).into();
        let id = Some(self.content());
        files.retain(|file| file.name != name);
        files.push(FileEntry { name, id, perm: Perm::default(), old_name: None });
        files.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
        let tag = |kind, name: &str, value: Option<&str>| TagCard {
            kind,
            name: name.into(),
            target: None,
            value: value.map(Into::into),
        };
        let begins = |name: &String| {
            vec![
                tag(TagKind::Propagate, "branch", Some(name)),
                tag(TagKind::Propagate, &format!("sym-{name}"), None),
                tag(TagKind::Cancel, "sym-trunk", None),
            ]
        };
        let checkin = Checkin {
            comment: Some(self.line("work")),
            date: self.now,
            files,
            parents: [Some(parent), merged].into_iter().flatten().collect(),
            tags: branch.as_ref().map(begins).unwrap_or_default(),
            user: Some(self.user.into()),
            ..Checkin::default()
        };
        self.add(&Artifact::Checkin(checkin))
    }

    fn ticket(&mut self) -> ArtifactId {
        let field = |name: &str, append, value: Text| TicketField { name: name.into(), append, value };
        let appends = self.dice.hits(Ratio::new(1, 2));
        let fields =
            vec![field("comment", appends, self.line("comment")), field("title", false, self.line("title"))];
        let ticket = hash::sha1(&[self.dice.below(4) as u8]).to_string();
        let change = TicketChange { date: self.now, fields, ticket, user: Some(self.user.into()) };
        self.add(&Artifact::Ticket(change))
    }

    fn technote(&mut self) -> ArtifactId {
        let note = Technote {
            comment: Some(self.line("note")),
            date: self.now,
            time: UnixTime::from_seconds(1_795_000_000),
            technote: hash::sha1(&[100 + self.dice.below(2) as u8]).to_string(),
            mimetype: None,
            parents: Vec::new(),
            tags: Vec::new(),
            user: Some(self.user.into()),
            text: self.text(),
        };
        self.add(&Artifact::Technote(note))
    }

    fn attachment(&mut self) -> ArtifactId {
        let attachment = Attachment {
            filename: "shot.png".into(),
            target: "Home".into(),
            source: Some(self.content()),
            comment: Some(self.line("attached")),
            date: self.now,
            mimetype: None,
            user: Some(self.user.into()),
        };
        self.add(&Artifact::Attachment(attachment))
    }

    fn post(&mut self) -> ArtifactId {
        let post = ForumPost {
            date: self.now,
            root: None,
            title: Some(self.line("thread")),
            in_reply_to: None,
            mimetype: None,
            parent: None,
            user: Some(self.user.into()),
            text: self.text(),
        };
        self.add(&Artifact::Forum(post))
    }

    fn add(&mut self, artifact: &Artifact) -> ArtifactId {
        self.store.add(manifest::write(artifact), false)
    }

    fn content(&mut self) -> ArtifactId {
        let content = content(self.dice, self.user, self.count, false);
        self.store.add(content, false)
    }

    fn text(&mut self) -> Text {
        Text(content(self.dice, self.user, self.count, false))
    }

    fn line(&self, what: &str) -> Text {
        format!("{what} {} of {}", self.count, self.user).as_str().into()
    }
}
