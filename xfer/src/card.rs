//! The cards of the sync protocol (reference: wire.md sections 2, 3 and 5).

use bytes::Bytes;

use crate::table::TableCard;
use crate::{ArtifactId, Pragma, UvName};

/// One card. `private` is folded into the file that it modifies; `login` is in [`crate::Message`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Card {
    /// `pull SCODE PCODE`: the client wants what the server has.
    Pull(Codes),
    /// `push SCODE PCODE`: the client offers what it has; in a clone reply, the server's codes.
    Push(Codes),
    /// `clone [VERS SEQNO]`.
    Clone(CloneRequest),
    /// `clone_seqno N`: where the next clone request goes on; 0 when all was sent.
    CloneSeqno(u32),
    /// `file` or `cfile`, with its `private`.
    File(FileCard),
    /// `igot HASH [1]`.
    Igot(Igot),
    /// `gimme HASH`.
    Gimme(ArtifactId),
    /// `uvfile NAME MTIME HASH SIZE FLAGS`.
    UvFile(UvFile),
    /// `uvigot NAME MTIME HASH SIZE`.
    UvIgot(UvIgot),
    /// `uvgimme NAME`.
    UvGimme(UvName),
    /// `config NAME SIZE` with its record.
    Config(Config),
    /// `reqconfig NAME`.
    ReqConfig(String),
    /// `cookie TEXT`.
    Cookie(String),
    /// `pragma NAME ...`.
    Pragma(Pragma),
    /// A card about a synced table.
    Table(TableCard),
    /// `error TEXT`, unescaped.
    Error(String),
    /// `message TEXT`, unescaped.
    Message(String),
    /// `#` and the rest of the line, which is kept without its `#` and LF.
    Comment(Bytes),
    /// A card this protocol does not have: its whole line without LF.
    Unknown(Bytes),
}

impl Card {
    /// A comment: `text` begins right after the `#`, usually with a blank.
    pub fn comment(text: impl Into<Bytes>) -> Self {
        Self::Comment(text.into())
    }

    /// A whole public artifact, as a `file` card.
    pub fn file(id: ArtifactId, content: impl Into<Bytes>) -> Self {
        let payload = Payload::Plain(content.into());
        Self::File(FileCard { id, delta_source: None, payload, privacy: Privacy::Public })
    }

    /// The bytes that follow the card's line, or are most of it. What a budget counts.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::File(file) => file.payload.bytes().len(),
            Self::UvFile(file) => file.content.as_ref().map_or(0, Bytes::len),
            Self::Config(config) => config.record.len(),
            Self::Table(card) => card.payload_bytes(),
            Self::Cookie(text) | Self::Error(text) | Self::Message(text) => text.len(),
            Self::Comment(text) | Self::Unknown(text) => text.len(),
            Self::Pull(_) | Self::Push(_) | Self::Clone(_) | Self::CloneSeqno(_) | Self::Igot(_) => 0,
            Self::Gimme(_) | Self::UvIgot(_) | Self::UvGimme(_) | Self::ReqConfig(_) | Self::Pragma(_) => 0,
        }
    }
}

macro_rules! card_from {
    ($($content:ident => $card:ident),+) => {
        $(impl From<$content> for Card {
            fn from(content: $content) -> Self {
                Self::$card(content)
            }
        })+
    };
}

card_from!(CloneRequest => Clone, FileCard => File, Igot => Igot, UvFile => UvFile, UvIgot => UvIgot,
    Config => Config, Pragma => Pragma, TableCard => Table);

/// The two codes of `pull` and `push`. Only the project is ever compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// The sender's server code: any token.
    pub server: String,
    /// The project code: 40 or 64 hex digits, compared byte for byte.
    pub project: String,
}

/// What kind of clone is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneRequest {
    /// `clone`: every artifact is announced, the client asks for each.
    Announce,
    /// `clone VERS SEQNO`: artifacts in batches, from rid `seqno` on.
    Batch {
        /// 2: `file` cards; 3 and more: `cfile` cards in an uncompressed reply.
        version: u32,
        /// First rid wanted, 1 for the start; 0 for one that is not a positive number.
        seqno: u32,
    },
}

/// Who may see an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Privacy {
    /// Announced and sent to all who may read.
    #[default]
    Public,
    /// Announced and sent only where private content was asked for and allowed.
    Private,
}

/// One artifact in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCard {
    /// The name of the artifact (not of the payload, if that is a delta).
    pub id: ArtifactId,
    /// The artifact that the payload is a delta against; none if the payload is the artifact.
    pub delta_source: Option<ArtifactId>,
    /// The bytes.
    pub payload: Payload,
    /// Whether a `private` card came before.
    pub privacy: Privacy,
}

/// The bytes of a [`FileCard`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// `file`: as they are.
    Plain(Bytes),
    /// `cfile`: in the form of `blob.content`, a 4-byte big-endian size and a zlib stream.
    Zlib {
        /// Size of the artifact after delta expansion, in bytes.
        size: u32,
        /// Size prefix and zlib stream. Not checked by the decoder.
        bytes: Bytes,
    },
}

impl Payload {
    /// The bytes as they travel.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Plain(bytes) | Self::Zlib { bytes, .. } => bytes,
        }
    }
}

/// `igot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Igot {
    /// What the sender holds.
    pub id: ArtifactId,
    /// Private if the third token is `1`.
    pub privacy: Privacy,
}

impl Igot {
    /// Announces a public artifact.
    pub fn public(id: ArtifactId) -> Self {
        Self { id, privacy: Privacy::Public }
    }

    /// Announces a private artifact.
    pub fn private(id: ArtifactId) -> Self {
        Self { id, privacy: Privacy::Private }
    }
}

/// `uvfile`: the content of an unversioned file, or its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UvFile {
    /// Name of the file.
    pub name: UvName,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Hash of the content; none for a deletion.
    pub hash: Option<ArtifactId>,
    /// Size in bytes.
    pub size: u32,
    /// [`UvFile::DELETED`], [`UvFile::OMITTED`], or 0.
    pub flags: u32,
    /// The content; none if the flags say so. The encoder takes size and flags from it.
    pub content: Option<Bytes>,
}

impl UvFile {
    /// The flag of a deletion: no hash, size 0, no content.
    pub const DELETED: u32 = 1;
    /// The flag of a new mtime for content that the peer has, or of content that is too large to send.
    pub const OMITTED: u32 = 4;
    pub(crate) const NO_CONTENT: u32 = Self::DELETED | Self::OMITTED;
}

/// `uvigot`: one line of the catalog of unversioned files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UvIgot {
    /// Name of the file.
    pub name: UvName,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Hash of the content; none for a deletion.
    pub hash: Option<ArtifactId>,
    /// Size in bytes.
    pub size: u32,
}

/// `config`: one record of configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `/config`, `/user`, ...
    pub name: String,
    /// The record, without the LF after it.
    pub record: Bytes,
}
