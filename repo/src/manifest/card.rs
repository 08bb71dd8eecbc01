//! What structural artifacts say.

use xfer::ArtifactId;

use crate::{Text, UnixTime};

/// A structural artifact.
#[derive(Debug, Clone, PartialEq)]
pub enum Artifact {
    /// A check-in: a tree of files and its place in history.
    Checkin(Checkin),
    /// A list of artifacts.
    Cluster(Vec<ArtifactId>),
    /// Tags added to or cancelled on other artifacts.
    Control(Control),
    /// One version of a wiki page.
    Wiki(Wiki),
    /// One change of a ticket.
    Ticket(TicketChange),
    /// A file attached to a page, ticket, technote or post.
    Attachment(Attachment),
    /// One version of a technote.
    Technote(Technote),
    /// A forum post, reply, or an edit of one.
    Forum(ForumPost),
}

/// Who made the artifact: the `U` card. None if there is no card; a card without a name is `anonymous`.
pub type User = Option<Text>;

/// A check-in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkin {
    /// `B`: the full manifest that the file list amends.
    pub baseline: Option<ArtifactId>,
    /// `C`.
    pub comment: Option<Text>,
    /// `D`.
    pub date: UnixTime,
    /// `F`, by name; names Fossil reserves for itself are left out.
    pub files: Vec<FileEntry>,
    /// `N`.
    pub mimetype: Option<Text>,
    /// `P`; the first is the primary parent.
    pub parents: Vec<ArtifactId>,
    /// `Q`.
    pub cherrypicks: Vec<Cherrypick>,
    /// `R`: 32 hex digits, as written.
    pub checksum: Option<String>,
    /// `T`.
    pub tags: Vec<TagCard>,
    /// `U`.
    pub user: User,
}

/// An `F` card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Path from the root of the tree.
    pub name: Text,
    /// Its content; none in a delta manifest for a deletion.
    pub id: Option<ArtifactId>,
    /// Executable, symbolic link or neither.
    pub perm: Perm,
    /// Its name in the primary parent, if it was renamed.
    pub old_name: Option<Text>,
}

/// Kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Perm {
    /// An ordinary file.
    #[default]
    Regular = 0,
    /// Executable.
    Executable = 1,
    /// A symbolic link; the content is its target.
    Symlink = 2,
}

/// A `Q` card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cherrypick {
    /// Whether the change was taken (`+`) or backed out (`-`).
    pub direction: Direction,
    /// The check-in whose change it was.
    pub target: ArtifactId,
    /// The first of a range.
    pub baseline: Option<ArtifactId>,
}

/// Whether a cherry-pick adds or removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `+`.
    Pick,
    /// `-`.
    BackOut,
}

/// A `T` card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagCard {
    /// `-`, `+` or `*`.
    pub kind: TagKind,
    /// Name without the sign.
    pub name: Text,
    /// What it applies to; none for `*`: the artifact that carries the card.
    pub target: Option<ArtifactId>,
    /// Value.
    pub value: Option<Text>,
}

/// `tagxref.tagtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagKind {
    /// `-`.
    Cancel = 0,
    /// `+`.
    Add = 1,
    /// `*`.
    Propagate = 2,
}

impl TagKind {
    /// The character before the name in a `T` card.
    pub const fn sign(self) -> u8 {
        match self {
            Self::Cancel => b'-',
            Self::Add => b'+',
            Self::Propagate => b'*',
        }
    }
}

/// A control artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// `D`.
    pub date: UnixTime,
    /// `T`; every target is named.
    pub tags: Vec<TagCard>,
    /// `U`.
    pub user: User,
}

/// One version of a wiki page.
#[derive(Debug, Clone, PartialEq)]
pub struct Wiki {
    /// `C`.
    pub comment: Option<Text>,
    /// `D`.
    pub date: UnixTime,
    /// `L`.
    pub title: Text,
    /// `N`.
    pub mimetype: Option<Text>,
    /// `P`.
    pub parents: Vec<ArtifactId>,
    /// `U`.
    pub user: User,
    /// `W`.
    pub text: Text,
}

/// One change of a ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct TicketChange {
    /// `D`.
    pub date: UnixTime,
    /// `J`.
    pub fields: Vec<TicketField>,
    /// `K`: 40 hex digits, as written.
    pub ticket: String,
    /// `U`.
    pub user: User,
}

/// A `J` card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketField {
    /// Name, without a leading `+`. It is written as it is, without escapes: no white space.
    pub name: Text,
    /// Whether the name had a leading `+`: the value is appended.
    pub append: bool,
    /// Value; empty if none was given.
    pub value: Text,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// Last component of the name of the file.
    pub filename: Text,
    /// Hash or name of a wiki page.
    pub target: Text,
    /// The content; none for a deletion.
    pub source: Option<ArtifactId>,
    /// `C`.
    pub comment: Option<Text>,
    /// `D`.
    pub date: UnixTime,
    /// `N`.
    pub mimetype: Option<Text>,
    /// `U`.
    pub user: User,
}

/// One version of a technote.
#[derive(Debug, Clone, PartialEq)]
pub struct Technote {
    /// `C`.
    pub comment: Option<Text>,
    /// `D`.
    pub date: UnixTime,
    /// `E`: the time it stands at.
    pub time: UnixTime,
    /// `E`: 40 or 64 hex digits, not the name of an artifact.
    pub technote: String,
    /// `N`.
    pub mimetype: Option<Text>,
    /// `P`.
    pub parents: Vec<ArtifactId>,
    /// `T`, all on itself.
    pub tags: Vec<TagCard>,
    /// `U`.
    pub user: User,
    /// `W`.
    pub text: Text,
}

/// A forum post.
#[derive(Debug, Clone, PartialEq)]
pub struct ForumPost {
    /// `D`.
    pub date: UnixTime,
    /// `G`: the first post of the thread; none if this is it.
    pub root: Option<ArtifactId>,
    /// `H`: title.
    pub title: Option<Text>,
    /// `I`: the post that this replies to.
    pub in_reply_to: Option<ArtifactId>,
    /// `N`.
    pub mimetype: Option<Text>,
    /// `P`: the version that this edits.
    pub parent: Option<ArtifactId>,
    /// `U`.
    pub user: User,
    /// `W`.
    pub text: Text,
}
