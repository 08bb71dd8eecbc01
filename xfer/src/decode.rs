//! Bytes into cards: strict where stock guesses (reference: wire.md section 2).
//!
//! Lines are cut here, their arguments are read in `decode/line.rs` (one function a card), `decode/pragma.rs`
//! and `decode/args.rs`. A line is one of three things: a card; a line this protocol does not have, which
//! becomes [`Card::Unknown`] for the receiver to answer or to stop at; or an error, after which the message
//! cannot be trusted.
//!
//! What is taken although no stock peer writes it: blank lines, CRLF, runs of blanks between tokens and before
//! the first, leading zeros, comments before the login card (dropped), and tokens past the last one that means
//! something (dropped) of `igot`, `private`, `uvfile`, a bare `clone`, and of pragmas without a fixed number of
//! tokens.
//!
//! What is refused although stock takes it: a last line without its LF. Stock ends every line, so such a message
//! was cut short, and the last card may say another thing than its sender meant. A message that is cut at a
//! boundary of cards is as good as any: that it is whole is for the container and HTTP to say.

mod args;
mod error;
mod line;
mod pragma;
mod table;

use bytes::Bytes;
use memchr::memchr2;

use self::error::DecodeErrorKind as Kind;
pub use self::error::{DecodeError, DecodeErrorKind};
use self::line::{FileHead, Line, PayloadForm, UvFileHead};
use crate::card::{Config, FileCard, Payload, Privacy, UvFile};
use crate::table::{RowCard, Schema, TableCard};
use crate::token::is_blank;
use crate::{ArtifactId, Card, Login, Message, hash};

/// What a message may cost. The defaults hold every message that stock peers send.
///
/// A stock peer's message exceeds its budget (5 MB of reply, 250 kB of request) by one whole artifact of any
/// size; the defaults allow for the largest that a repository file can hold. Lower them where peers are not
/// trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of a body as it travels: 1 GiB.
    pub body_bytes: usize,
    /// Bytes of a message after inflating: 1 GiB.
    pub message_bytes: usize,
    /// Bytes of one card's line, without its LF: 1 MiB.
    pub line_bytes: usize,
    /// Bytes of one payload: 1 GiB.
    pub payload_bytes: usize,
    /// Cards of a message, comments included: 4 Mi. A decoded card takes about 128 bytes, a line may take two.
    pub cards: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            body_bytes: 1024 * MIB,
            message_bytes: 1024 * MIB,
            line_bytes: MIB,
            payload_bytes: 1024 * MIB,
            cards: 4 * MIB,
        }
    }
}

/// Reads a message. Payloads are slices of `text`: nothing is copied.
pub fn decode(text: &Bytes, limits: &DecodeLimits) -> Result<Message, DecodeError> {
    let mut decoder = Decoder {
        text,
        limits,
        at: 0,
        read: 0,
        next_privacy: Privacy::Public,
        only_comments: true,
        message: Message::default(),
    };
    if text.len() > limits.message_bytes {
        return Err(decoder.error(0, Kind::MessageTooLong { limit: limits.message_bytes }));
    }
    while decoder.at < text.len() {
        let start = decoder.at;
        if text[start] == b'\n' {
            decoder.at += 1;
            continue;
        }
        decoder.card().map_err(|kind| decoder.error(start, kind))?;
    }
    Ok(decoder.message)
}

/// Reads the text of a login card that travels beside a message, and covers all of it. None for anything else.
pub(crate) fn login(card: &[u8], message: &[u8]) -> Option<Login> {
    if card.contains(&b'\n') {
        return None;
    }
    let Ok(Line::Login { user, nonce, signature }) = line::read(card) else { return None };
    Some(Login { user, nonce, signature, tail: hash::of_message(&nonce, message) })
}

struct Decoder<'a> {
    text: &'a Bytes,
    limits: &'a DecodeLimits,
    /// Where the next line, or the payload of this one, begins.
    at: usize,
    /// Cards read so far, this one included.
    read: usize,
    /// What the next `file` or `cfile` card is.
    next_privacy: Privacy,
    /// Whether a login card may still come.
    only_comments: bool,
    message: Message,
}

impl<'a> Decoder<'a> {
    fn error(&self, offset: usize, kind: Kind) -> DecodeError {
        DecodeError { offset, card: self.read.max(1), kind }
    }

    /// Reads one line, and its payload if it has one.
    fn card(&mut self) -> Result<(), Kind> {
        let start = self.at;
        let line = self.next_line()?;
        if let Some(comment) = line.strip_prefix(b"#") {
            self.count()?;
            let comment = self.text.slice(start + 1..start + 1 + comment.len());
            self.message.cards.push(Card::Comment(comment));
            return Ok(());
        }
        if line.iter().copied().all(is_blank) {
            return Ok(());
        }
        self.count()?;
        let card = match line::read(line)? {
            Line::Card(card) => card,
            Line::Unknown => Card::Unknown(self.text.slice(start..start + line.len())),
            Line::Login { user, nonce, signature } => return self.login(user, nonce, signature),
            Line::Private => {
                self.next_privacy = Privacy::Private;
                self.only_comments = false;
                return Ok(());
            }
            Line::File(head) => self.file(head)?,
            Line::UvFile(head) => self.uv_file(head)?,
            Line::Config { name, size } => {
                let record = self.record(size)?;
                Card::Config(Config { name, record })
            }
            Line::Table(head) => Card::Table(self.table(head)?),
        };
        self.only_comments = false;
        self.message.cards.push(card);
        Ok(())
    }

    fn count(&mut self) -> Result<(), Kind> {
        self.read += 1;
        if self.read > self.limits.cards {
            return Err(Kind::TooManyCards { limit: self.limits.cards });
        }
        Ok(())
    }

    /// Takes the bytes up to the next LF.
    fn next_line(&mut self) -> Result<&'a [u8], Kind> {
        let limit = self.limits.line_bytes;
        let rest = &self.text[self.at..];
        let window = &rest[..rest.len().min(limit.saturating_add(1))];
        let length = match memchr2(b'\n', 0, window) {
            Some(end) if window[end] == 0 => return Err(self.bad_line(Kind::NulInLine)),
            Some(end) => end,
            None if window.len() > limit => return Err(self.bad_line(Kind::LineTooLong { limit })),
            None => return Err(self.bad_line(Kind::UnterminatedLine)),
        };
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// Counts a card whose line cannot be taken.
    fn bad_line(&mut self, kind: Kind) -> Kind {
        self.read += 1;
        kind
    }

    /// Takes the next `size` bytes.
    fn payload(&mut self, size: u32) -> Result<Bytes, Kind> {
        let left = self.text.len() - self.at;
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        if wanted > self.limits.payload_bytes {
            return Err(Kind::PayloadTooLong { size, limit: self.limits.payload_bytes });
        }
        if wanted > left {
            return Err(Kind::Truncated { size, left });
        }
        let payload = self.text.slice(self.at..self.at + wanted);
        self.at += wanted;
        Ok(payload)
    }

    fn login(&mut self, user: String, nonce: ArtifactId, signature: ArtifactId) -> Result<(), Kind> {
        if self.message.login.is_some() {
            return Err(Kind::RepeatedLogin);
        }
        if !self.only_comments {
            return Err(Kind::LoginNotFirst);
        }
        // Comments before it: the login does not cover them.
        self.message.cards.clear();
        self.only_comments = false;
        let tail = hash::of_message(&nonce, &self.text[self.at..]);
        self.message.login = Some(Login { user, nonce, signature, tail });
        Ok(())
    }

    fn file(&mut self, head: FileHead) -> Result<Card, Kind> {
        let bytes = self.payload(head.size)?;
        let payload = match head.form {
            PayloadForm::Plain => Payload::Plain(bytes),
            PayloadForm::Zlib { size } => Payload::Zlib { size, bytes },
        };
        let privacy = std::mem::replace(&mut self.next_privacy, Privacy::Public);
        Ok(Card::File(FileCard { id: head.id, delta_source: head.delta_source, payload, privacy }))
    }

    fn uv_file(&mut self, head: UvFileHead) -> Result<Card, Kind> {
        let UvFileHead { name, mtime, hash, size, flags } = head;
        let content = if flags & UvFile::NO_CONTENT == 0 { Some(self.payload(size)?) } else { None };
        Ok(Card::UvFile(UvFile { name, mtime, hash, size, flags, content }))
    }

    /// Takes the next `size` bytes and the LF after them.
    fn record(&mut self, size: u32) -> Result<Bytes, Kind> {
        let record = self.payload(size)?;
        if self.text.get(self.at) != Some(&b'\n') {
            return Err(Kind::UnterminatedRecord);
        }
        self.at += 1;
        Ok(record)
    }

    fn table(&mut self, head: table::Head) -> Result<TableCard, Kind> {
        Ok(match head {
            table::Head::Schema { table, version, hash, mtime, size } => {
                TableCard::Schema(Schema { table, version, hash, mtime, json: self.record(size)? })
            }
            table::Head::Row(head) => TableCard::Row(self.row(head)?),
            table::Head::Delete(head) => TableCard::Delete(self.row(head)?),
        })
    }

    fn row(&mut self, head: table::RowHead) -> Result<RowCard, Kind> {
        let table::RowHead { table, key, mtime, owner, size } = head;
        Ok(RowCard { table, key, mtime, owner, json: self.record(size)? })
    }
}
