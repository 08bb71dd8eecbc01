//! One function a card.

use nom::combinator::{cut, opt};
use nom::{Err, Parser};

use super::args::{
    Fault, Parsed, code, end, escaped, hash, hash_or_none, integer, long_integer, malformed, number, prose,
    text, token, uv_name,
};
use super::error::DecodeErrorKind as Kind;
use super::{pragma, table};
use crate::card::{CloneRequest, Codes, Igot, Privacy, UvFile, UvIgot};
use crate::{ArtifactId, Card, UvName};

/// What a line says.
pub(super) enum Line {
    Card(Card),
    Unknown,
    Login { user: String, nonce: ArtifactId, signature: ArtifactId },
    Private,
    File(FileHead),
    UvFile(UvFileHead),
    Config { name: String, size: u32 },
    Table(table::Head),
}

/// `file` and `cfile` without their payload.
#[derive(Clone, Copy)]
pub(super) struct FileHead {
    pub(super) id: ArtifactId,
    pub(super) delta_source: Option<ArtifactId>,
    pub(super) form: PayloadForm,
    pub(super) size: u32,
}

/// What the payload of a [`FileHead`] is.
#[derive(Clone, Copy)]
pub(super) enum PayloadForm {
    Plain,
    Zlib { size: u32 },
}

/// `uvfile` without its payload.
pub(super) struct UvFileHead {
    pub(super) name: UvName,
    pub(super) mtime: i64,
    pub(super) hash: Option<ArtifactId>,
    pub(super) size: u32,
    pub(super) flags: u32,
}

/// Reads a line that is neither blank nor a comment.
pub(super) fn read(line: &[u8]) -> Result<Line, Kind> {
    let parsed = token(line).and_then(|(args, operator)| dispatch(operator, args));
    match parsed {
        Ok((_, line)) => Ok(line),
        Err(Err::Failure(Fault(kind))) => Err(kind),
        Err(Err::Error(_) | Err::Incomplete(_)) => Ok(Line::Unknown),
    }
}

fn dispatch<'a>(operator: &[u8], args: &'a [u8]) -> Parsed<'a, Line> {
    match operator {
        b"igot" => card(igot, args),
        b"gimme" => card(gimme, args),
        b"file" => cut(file).parse(args),
        b"cfile" => cut(cfile).parse(args),
        b"private" => Ok((args, Line::Private)),
        b"pragma" => card(pragma::read, args),
        b"login" => cut(login).parse(args),
        b"pull" => card(pull, args),
        b"push" => card(push, args),
        b"clone" => card(clone, args),
        b"clone_seqno" => card(clone_seqno, args),
        b"uvfile" => cut(uv_file).parse(args),
        b"uvigot" => card(uv_igot, args),
        b"uvgimme" => card(uv_gimme, args),
        b"config" => cut(config).parse(args),
        b"reqconfig" => card(req_config, args),
        b"cookie" => card(cookie, args),
        b"error" => card(error, args),
        b"message" => card(message, args),
        b"schema" => cut(table::schema.map(Line::Table)).parse(args),
        b"xrow" => cut(table::row.map(table::Head::Row).map(Line::Table)).parse(args),
        b"xdelete" => cut(table::row.map(table::Head::Delete).map(Line::Table)).parse(args),
        b"xigot" => card(table::igot, args),
        b"xgimme" => card(table::gimme, args),
        _ => Ok((args, Line::Unknown)),
    }
}

fn card<'a>(parse: fn(&'a [u8]) -> Parsed<'a, Card>, args: &'a [u8]) -> Parsed<'a, Line> {
    parse(args).map(|(rest, card)| (rest, Line::Card(card)))
}

fn login(args: &[u8]) -> Parsed<'_, Line> {
    let (rest, (user, nonce, signature, ())) = (escaped, hash, hash, end).parse(args)?;
    Ok((rest, Line::Login { user, nonce, signature }))
}

fn codes(args: &[u8]) -> Parsed<'_, Codes> {
    let (rest, (server, project, ())) = (text, code, end).parse(args)?;
    Ok((rest, Codes { server, project }))
}

fn pull(args: &[u8]) -> Parsed<'_, Card> {
    codes.map(Card::Pull).parse(args)
}

fn push(args: &[u8]) -> Parsed<'_, Card> {
    codes.map(Card::Push).parse(args)
}

/// Two arguments of which the first is a number from 2 on ask for batches; anything else is the old protocol.
fn clone(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (version, seqno, more)) = (opt(token), opt(token), opt(token)).parse(args)?;
    let small = |text| u32::try_from(number(text).ok()?).ok().filter(|&number| number <= i32::MAX as u32);
    let request = match (version.and_then(small), seqno, more) {
        (Some(version @ 2..), Some(seqno), None) => {
            CloneRequest::Batch { version, seqno: small(seqno).unwrap_or(0) }
        }
        _ => CloneRequest::Announce,
    };
    Ok((rest, Card::Clone(request)))
}

fn clone_seqno(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (seqno, ())) = (integer, end).parse(args)?;
    Ok((rest, Card::CloneSeqno(seqno)))
}

fn file(args: &[u8]) -> Parsed<'_, Line> {
    let (rest, id) = hash(args)?;
    let (rest, (delta_source, size, ())) = (source_before(1), integer, end).parse(rest)?;
    Ok((rest, Line::File(FileHead { id, delta_source, form: PayloadForm::Plain, size })))
}

fn cfile(args: &[u8]) -> Parsed<'_, Line> {
    let (rest, id) = hash(args)?;
    let (rest, (delta_source, whole, size, ())) = (source_before(2), integer, integer, end).parse(rest)?;
    let form = PayloadForm::Zlib { size: whole };
    Ok((rest, Line::File(FileHead { id, delta_source, form, size })))
}

/// The delta source of a file card: there if more tokens follow than the `sizes` that must.
fn source_before<'a>(sizes: usize) -> impl Parser<&'a [u8], Output = Option<ArtifactId>, Error = Fault> {
    move |line: &'a [u8]| {
        let mut after = line;
        for _ in 0..=sizes {
            match token(after) {
                Ok((rest, _)) => after = rest,
                Err(_) => return Ok((line, None)),
            }
        }
        hash.map(Some).parse(line)
    }
}

fn igot(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (id, flag)) = (hash, opt(token)).parse(args)?;
    let privacy = if flag == Some(b"1") { Privacy::Private } else { Privacy::Public };
    Ok((rest, Card::Igot(Igot { id, privacy })))
}

fn gimme(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (id, ())) = (hash, end).parse(args)?;
    Ok((rest, Card::Gimme(id)))
}

fn uv_file(args: &[u8]) -> Parsed<'_, Line> {
    let (rest, (name, mtime, hash, size, flags)) =
        (uv_name, long_integer, hash_or_none, integer, integer).parse(args)?;
    let deleted = flags & UvFile::DELETED != 0;
    if deleted != hash.is_none() || deleted && size != 0 {
        return malformed(Kind::UvDeletion);
    }
    Ok((rest, Line::UvFile(UvFileHead { name, mtime, hash, size, flags })))
}

fn uv_igot(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (name, mtime, hash, size, ())) =
        (uv_name, long_integer, hash_or_none, integer, end).parse(args)?;
    Ok((rest, Card::UvIgot(UvIgot { name, mtime, hash, size })))
}

fn uv_gimme(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (name, ())) = (uv_name, end).parse(args)?;
    Ok((rest, Card::UvGimme(name)))
}

fn config(args: &[u8]) -> Parsed<'_, Line> {
    let (rest, (name, size, ())) = (text, integer, end).parse(args)?;
    Ok((rest, Line::Config { name, size }))
}

fn req_config(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (name, ())) = (text, end).parse(args)?;
    Ok((rest, Card::ReqConfig(name)))
}

fn cookie(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (text, ())) = (text, end).parse(args)?;
    Ok((rest, Card::Cookie(text)))
}

fn error(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (text, ())) = (prose, end).parse(args)?;
    Ok((rest, Card::Error(text)))
}

fn message(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, (text, ())) = (prose, end).parse(args)?;
    Ok((rest, Card::Message(text)))
}
