//! What a user asks for, told before the product does it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use repo::UnixTime;
use repo::checkin::NewCheckin;
use repo::manifest::Perm;
use xfer::card::Privacy;
use xfer::{ArtifactId, hash};

/// What one action is to make, and nothing else.
#[derive(Debug, Default)]
pub struct Meant {
    /// Contents that are to be artifacts.
    pub contents: Vec<Content>,
    /// The artifact that says what is done; of a file without history there is none.
    pub paper: Option<Paper>,
    /// How private they are to be.
    pub privacy: Leaning,
    /// What is done to a file without history.
    pub file: Option<FileMeant>,
    /// A name that is shunned.
    pub shunned: Option<ArtifactId>,
}

/// How private something is to be.
#[derive(Debug, Default)]
pub struct Leaning {
    /// Whatever else is, it is to be private.
    pub is_private: bool,
    /// If one of these is private, it is too.
    pub like: Vec<ArtifactId>,
}

/// A structural artifact.
#[derive(Debug)]
pub enum Paper {
    /// A check-in.
    Checkin(CheckinMeant),
    /// Something else: its cards of these letters are these, as they are written.
    Cards(Vec<String>),
}

/// A check-in.
#[derive(Debug, Default)]
pub struct CheckinMeant {
    /// What it builds on, and what it merges.
    pub parents: Vec<ArtifactId>,
    /// Files that it changes: the content, `x` or `l` if it is a program or a link, and the name before.
    pub files: BTreeMap<String, (Content, &'static str, Option<String>)>,
    /// Names of files that go.
    pub gone: Vec<String>,
    /// The branch that begins with it, if it is not on that already.
    pub branch: Option<String>,
    /// Its own tags.
    pub tags: Vec<String>,
    /// What it says.
    pub comment: String,
    /// Who makes it.
    pub user: String,
}

/// What is done to a file without history.
#[derive(Debug)]
pub struct FileMeant {
    /// Its name.
    pub name: String,
    /// When.
    pub time: UnixTime,
    /// What.
    pub change: Change,
}

/// A change of a file without history.
#[derive(Debug)]
pub enum Change {
    /// This is its content.
    Put(Vec<u8>),
    /// It gets a later time; where it is not, this content.
    Touch(Vec<u8>),
    /// It goes.
    Remove,
}

/// A row of a table that is written.
#[derive(Debug)]
pub struct RowMeant {
    /// The table.
    pub table: String,
    /// The columns of its key, as the content of a row shows them.
    pub key: String,
    /// All its columns; none: it is deleted.
    pub content: Option<String>,
    /// Whose it is to be, in a table whose rows have owners; else empty.
    pub owner: String,
}

/// A setting, a user or the like that is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMeant {
    /// The card that names it.
    pub kind: &'static str,
    /// Which one.
    pub key: String,
    /// When it changes.
    pub time: UnixTime,
    /// What it is to say.
    pub says: Says,
}

/// What a record is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Nothing: it goes.
    Gone,
    /// The words of its card that come after the key.
    Words(String),
    /// Of a user, these capability letters.
    Letters(String),
    /// Of a user, this password; nothing if there is no such user.
    Password(String),
    /// Of a user, these letters and this password.
    User(String, String),
}

/// A content that is given, hashed once.
#[derive(Debug, Clone)]
pub struct Content(Rc<(Vec<u8>, OnceCell<[ArtifactId; 2]>)>);

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self(Rc::new((bytes.to_vec(), OnceCell::new())))
    }
}

impl Content {
    /// How many bytes.
    pub fn size(&self) -> usize {
        self.0.0.len()
    }

    /// The names that it may have.
    pub fn names(&self) -> [ArtifactId; 2] {
        let (bytes, named) = &*self.0;
        *named.get_or_init(|| names(bytes))
    }
}

/// The names that a content may have.
pub fn names(content: &[u8]) -> [ArtifactId; 2] {
    [hash::sha1(content), hash::sha3_256(content)]
}

impl Meant {
    /// A check-in.
    pub fn check_in(&mut self, new: &NewCheckin) {
        let text = |text: &repo::Text| text.to_str_lossy().into_owned();
        let mut meant = CheckinMeant {
            parents: new.parent.into_iter().chain(new.merged.iter().copied()).collect(),
            gone: new.deleted.iter().map(text).collect(),
            branch: new.branch.as_ref().map(text),
            tags: new.tags.iter().map(text).collect(),
            comment: text(&new.comment),
            user: text(&new.user),
            ..CheckinMeant::default()
        };
        for file in &new.files {
            let perm = match file.perm {
                Perm::Executable => "x",
                Perm::Symlink => "l",
                Perm::Regular => "",
            };
            let old_name = file.old_name.as_ref().map(text);
            meant.gone.extend(old_name.clone());
            let content = Content::from(file.content.as_slice());
            meant.files.insert(text(&file.name), (content.clone(), perm, old_name));
            self.contents.push(content);
        }
        self.privacy.is_private = new.privacy == Privacy::Private;
        self.privacy.like.extend(new.parent);
        self.paper = Some(Paper::Checkin(meant));
    }

    /// Another artifact, of which these cards are known.
    pub fn cards<const N: usize>(&mut self, cards: [String; N]) {
        self.paper = Some(Paper::Cards(cards.into()));
    }
}
