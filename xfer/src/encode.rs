//! Cards into bytes, in the form stock sends.
//!
//! One form differs by direction: a stock server ends a `cfile` payload with a LF unless it has one at its
//! end. Sent to a server, that LF is a blank line, which a stock server answers as an unknown card. So
//! [`encode`] writes none and suits both directions; [`reply`] writes what a stock server would, byte for byte.
//!
//! Nothing a card holds can break the frame of the message: a blank, LF or NUL inside a text that must be one
//! token is written escaped, inside a comment or an unknown card as a space, an empty text as one escaped
//! blank. Of these, only the texts of `error`, `message`, `login`, `pragma ci-lock-fail` and `pragma link` are
//! unescaped by the receiver.

use std::io::Write as _;

use bytes::Bytes;

use crate::card::{CloneRequest, Codes, Config, FileCard, Igot, Payload, Privacy, UvFile, UvIgot};
use crate::pragma::Version;
use crate::table::{RowCard, TableCard, TablePragma};
use crate::token::{is_token, push_escaped};
use crate::{ArtifactId, Card, Login, Message, Pragma, UvName};

/// Writes a message, in the form that suits a server and a client.
pub fn encode(message: &Message) -> Vec<u8> {
    write(message, Direction::Request)
}

/// Writes a message as a server sends it: a LF follows each `cfile` payload that does not end in one.
pub fn reply(message: &Message) -> Vec<u8> {
    write(message, Direction::Reply)
}

/// Writes one card at the end of `out`, in the form of [`encode`].
pub fn card(card: &Card, out: &mut Vec<u8>) {
    write_card(card, Direction::Request, out);
}

/// Gives the bytes that a login covers, all cards of a request, one after the other.
pub(crate) fn each_of_tail(message: &Message, mut take: impl FnMut(&[u8])) {
    let mut out = Vec::new();
    for one in &message.cards {
        out.clear();
        card(one, &mut out);
        take(&out);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

fn write(message: &Message, direction: Direction) -> Vec<u8> {
    let mut out = Vec::with_capacity(estimate(message));
    if let Some(one) = &message.login {
        login(one, &mut out);
    }
    for one in &message.cards {
        write_card(one, direction, &mut out);
    }
    out
}

/// Room for a typical line a card, and for the payloads.
fn estimate(message: &Message) -> usize {
    let line = |card: &Card| if matches!(card, Card::File(_)) { 160 } else { 96 };
    160 + message.cards.iter().map(|card| line(card) + card.payload_bytes()).sum::<usize>()
}

fn write_card(card: &Card, direction: Direction, out: &mut Vec<u8>) {
    match card {
        Card::Pull(one) => codes("pull", one, out),
        Card::Push(one) => codes("push", one, out),
        Card::Clone(one) => clone(*one, out),
        Card::CloneSeqno(seqno) => Line::of("clone_seqno", out).number(*seqno).end(),
        Card::File(one) => file(one, direction, out),
        Card::Igot(one) => igot(*one, out),
        Card::Gimme(id) => Line::of("gimme", out).hash(id).end(),
        Card::UvFile(one) => uv_file(one, out),
        Card::UvIgot(one) => uv_igot(one, out),
        Card::UvGimme(name) => Line::of("uvgimme", out).token(name.as_str()).end(),
        Card::Config(one) => config(one, out),
        Card::ReqConfig(name) => Line::of("reqconfig", out).token(name).end(),
        Card::Cookie(text) => Line::of("cookie", out).token(text).end(),
        Card::Pragma(one) => pragma(one, out),
        Card::Table(one) => table(one, out),
        Card::Error(text) => Line::of("error", out).escaped(text).end(),
        Card::Message(text) => Line::of("message", out).escaped(text).end(),
        Card::Comment(text) => {
            out.push(b'#');
            raw_line(text, out);
        }
        Card::Unknown(line) => raw_line(line, out),
    }
}

fn login(login: &Login, out: &mut Vec<u8>) {
    Line::of("login", out).escaped(&login.user).hash(&login.nonce).hash(&login.signature).end();
}

fn codes(operator: &str, codes: &Codes, out: &mut Vec<u8>) {
    Line::of(operator, out).token(&codes.server).token(&codes.project).end();
}

fn clone(request: CloneRequest, out: &mut Vec<u8>) {
    match request {
        CloneRequest::Announce => Line::of("clone", out).end(),
        CloneRequest::Batch { version, seqno } => Line::of("clone", out).number(version).number(seqno).end(),
    }
}

fn igot(igot: Igot, out: &mut Vec<u8>) {
    let line = Line::of("igot", out).hash(&igot.id);
    match igot.privacy {
        Privacy::Public => line.end(),
        Privacy::Private => line.number(1).end(),
    }
}

fn file(file: &FileCard, direction: Direction, out: &mut Vec<u8>) {
    if file.privacy == Privacy::Private {
        Line::of("private", out).end();
    }
    let operator = match file.payload {
        Payload::Plain(_) => "file",
        Payload::Zlib { .. } => "cfile",
    };
    let mut line = Line::of(operator, out).hash(&file.id);
    if let Some(source) = &file.delta_source {
        line = line.hash(source);
    }
    match &file.payload {
        Payload::Plain(bytes) => {
            line.number(bytes.len()).end();
            out.extend_from_slice(bytes);
        }
        Payload::Zlib { size, bytes } => {
            line.number(*size).number(bytes.len()).end();
            out.extend_from_slice(bytes);
            if direction == Direction::Reply && out.last() != Some(&b'\n') {
                out.push(b'\n');
            }
        }
    }
}

fn uv_file(file: &UvFile, out: &mut Vec<u8>) {
    let (size, flags, content) = match (&file.hash, &file.content) {
        (None, _) => (0, file.flags | UvFile::DELETED, None),
        (Some(_), None) => (file.size as usize, file.flags & !UvFile::DELETED | UvFile::OMITTED, None),
        (Some(_), Some(content)) => (content.len(), file.flags & !UvFile::NO_CONTENT, Some(content)),
    };
    uv_line("uvfile", &file.name, file.mtime, file.hash.as_ref(), out).number(size).number(flags).end();
    out.extend_from_slice(content.map_or(&[], |content| content));
}

fn uv_igot(igot: &UvIgot, out: &mut Vec<u8>) {
    uv_line("uvigot", &igot.name, igot.mtime, igot.hash.as_ref(), out).number(igot.size).end();
}

fn uv_line<'a>(
    operator: &str,
    name: &UvName,
    mtime: i64,
    hash: Option<&ArtifactId>,
    out: &'a mut Vec<u8>,
) -> Line<'a> {
    Line::of(operator, out).token(name.as_str()).number(mtime).hash_or_none(hash)
}

fn config(config: &Config, out: &mut Vec<u8>) {
    Line::of("config", out).token(&config.name).number(config.record.len()).end();
    record(&config.record, out);
}

fn record(bytes: &Bytes, out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    out.push(b'\n');
}

fn table(card: &TableCard, out: &mut Vec<u8>) {
    match card {
        TableCard::Schema(one) => {
            let line = Line::of("schema", out).token(one.table.as_str()).number(one.version).hash(&one.hash);
            line.number(one.mtime).number(one.json.len()).end();
            record(&one.json, out);
        }
        TableCard::Igot(one) => {
            Line::of("xigot", out)
                .token(one.table.as_str())
                .hash(&one.key)
                .number(one.mtime)
                .hash(&one.hash)
                .end();
        }
        TableCard::Gimme(one) => Line::of("xgimme", out).token(one.table.as_str()).hash(&one.key).end(),
        TableCard::Row(one) => row("xrow", one, out),
        TableCard::Delete(one) => row("xdelete", one, out),
    }
}

fn row(operator: &str, row: &RowCard, out: &mut Vec<u8>) {
    let line = Line::of(operator, out).token(row.table.as_str()).hash(&row.key);
    let line = line.number(row.mtime).number(row.json.len());
    match &row.owner {
        Some(owner) => line.escaped(owner).end(),
        None => line.end(),
    }
    record(&row.json, out);
}

fn table_pragma(pragma: &TablePragma, line: Line<'_>) {
    match pragma {
        TablePragma::Known(version) => line.token("x-tables").number(*version).end(),
        TablePragma::Hash { table, hash } => {
            line.token("xtable-hash").token(table.as_str()).hash_or_none(hash.as_ref()).end();
        }
        TablePragma::Node { table, prefix, hash } => {
            line.token("xtable-node")
                .token(table.as_str())
                .token(prefix.to_string())
                .hash_or_none(hash.as_ref())
                .end();
        }
        TablePragma::List { table, prefix } => {
            line.token("xtable-list").token(table.as_str()).token(prefix.to_string()).end();
        }
    }
}

fn pragma(pragma: &Pragma, out: &mut Vec<u8>) {
    let line = Line::of("pragma", out);
    match pragma {
        Pragma::ClientVersion(version) => line.token("client-version").version(*version).end(),
        Pragma::ServerVersion(version) => line.token("server-version").version(*version).end(),
        Pragma::SendPrivate => line.token("send-private").end(),
        Pragma::SendCatalog => line.token("send-catalog").end(),
        Pragma::ReqClusters => line.token("req-clusters").end(),
        Pragma::UvHash(hash) => line.token("uv-hash").hash(hash).end(),
        Pragma::UvPushOk => line.token("uv-push-ok").end(),
        Pragma::UvPullOnly => line.token("uv-pull-only").end(),
        Pragma::CiLock { checkin, client } => line.token("ci-lock").hash(checkin).token(client).end(),
        Pragma::CiUnlock { client } => line.token("ci-unlock").token(client).end(),
        // What stock writes when nobody known holds the lock. Its own client does not understand that; ours does.
        Pragma::CiLockFail { user, since } if user.is_empty() => {
            line.token("ci-lock-fail").nothing().number(since).end();
        }
        Pragma::CiLockFail { user, since } => line.token("ci-lock-fail").escaped(user).number(since).end(),
        Pragma::MoreGimmes => line.token("x-more-gimmes").end(),
        Pragma::AvoidDeltaManifests => line.token("avoid-delta-manifests").end(),
        Pragma::ClientUrl(url) => line.token("client-url").token(url).end(),
        Pragma::ReqLinks => line.token("req-links").end(),
        Pragma::Link { url, json, mtime } => {
            line.token("link").escaped(url).escaped(json).number(mtime).end();
        }
        Pragma::Table(one) => table_pragma(one, line),
        Pragma::Other(tokens) if tokens.is_empty() => line.token("").end(),
        Pragma::Other(tokens) => tokens.iter().fold(line, Line::token).end(),
    }
}

fn raw_line(text: &Bytes, out: &mut Vec<u8>) {
    out.extend(text.iter().map(|&byte| if matches!(byte, b'\n' | 0) { b' ' } else { byte }));
    out.push(b'\n');
}

/// A card's line that is being written.
struct Line<'a>(&'a mut Vec<u8>);

impl<'a> Line<'a> {
    fn of(operator: &str, out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(operator.as_bytes());
        Self(out)
    }

    /// A text that the receiver takes as it is.
    fn token(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        if is_token(text) {
            self.0.push(b' ');
            self.0.extend_from_slice(text);
            return self;
        }
        self.escaped(text)
    }

    /// A text that the receiver unescapes.
    fn escaped(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.0.push(b' ');
        for &byte in if text.is_empty() { b" " } else { text } {
            push_escaped(byte, self.0);
        }
        self
    }

    /// An empty text, where the receiver can tell that one is missing.
    fn nothing(self) -> Self {
        self.0.push(b' ');
        self
    }

    fn hash(self, id: &ArtifactId) -> Self {
        let mut digits = [0; 64];
        let digits = &mut digits[..2 * id.as_bytes().len()];
        faster_hex::hex_encode(id.as_bytes(), digits).expect("two digits a byte");
        self.0.push(b' ');
        self.0.extend_from_slice(digits);
        self
    }

    fn hash_or_none(self, id: Option<&ArtifactId>) -> Self {
        match id {
            Some(id) => self.hash(id),
            None => self.token("-"),
        }
    }

    fn number(self, number: impl std::fmt::Display) -> Self {
        write!(self.0, " {number}").expect("writing into memory");
        self
    }

    fn version(self, version: Version) -> Self {
        let line = self.number(version.number);
        match version.build {
            Some((date, time)) => line.number(date).number(time),
            None => line,
        }
    }

    fn end(self) {
        self.0.push(b'\n');
    }
}
