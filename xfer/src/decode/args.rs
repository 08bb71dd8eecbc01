//! The argument grammar: what the tokens after an operator can be.
//!
//! Of nom's two kinds of failure, `Error` means that the line is no card of this protocol (stock calls it
//! unknown), `Failure` that the message is malformed.

use nom::bytes::complete::{take_while, take_while1};
use nom::error::{ErrorKind, ParseError};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::error::DecodeErrorKind as Kind;
use crate::token::{is_blank, unescape};
use crate::{ArtifactId, UvName};

/// The rest of a line, and what was read.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// Why an argument does not fit.
#[derive(Debug)]
pub(super) struct Fault(pub(super) Kind);

impl ParseError<&[u8]> for Fault {
    /// The only primitive that fails is the one that needs a token to be there.
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        Self(Kind::TokenCount)
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// One token, as it is.
pub(super) fn token(line: &[u8]) -> Parsed<'_, &[u8]> {
    preceded(take_while(is_blank), take_while1(|byte| !is_blank(byte))).parse(line)
}

/// The end of the line.
pub(super) fn end(line: &[u8]) -> Parsed<'_, ()> {
    match line.iter().copied().all(is_blank) {
        true => Ok((&[], ())),
        false => unknown(Kind::TokenCount),
    }
}

/// The name of an artifact.
pub(super) fn hash(line: &[u8]) -> Parsed<'_, ArtifactId> {
    let (rest, text) = token(line)?;
    match ArtifactId::from_hex(text) {
        Ok(id) => Ok((rest, id)),
        Err(_) => bad_hash(text),
    }
}

/// The name of an artifact, or `-`.
pub(super) fn hash_or_none(line: &[u8]) -> Parsed<'_, Option<ArtifactId>> {
    let (rest, text) = token(line)?;
    if text == b"-" {
        return Ok((rest, None));
    }
    hash(line).map(|(rest, id)| (rest, Some(id)))
}

/// 40 or 64 hex digits in any case, kept as they are: a project code is compared byte for byte.
pub(super) fn code(line: &[u8]) -> Parsed<'_, String> {
    let (rest, text) = token(line)?;
    let is_code = matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit);
    match str::from_utf8(text) {
        Ok(text) if is_code => Ok((rest, text.to_owned())),
        _ => unknown(Kind::HashDigit),
    }
}

/// A number up to 2^31-1.
pub(super) fn integer(line: &[u8]) -> Parsed<'_, u32> {
    let (rest, number) = number_up_to(i64::from(i32::MAX), line)?;
    Ok((rest, u32::try_from(number).expect("less than 2^31")))
}

/// A number up to 2^63-1.
pub(super) fn long_integer(line: &[u8]) -> Parsed<'_, i64> {
    number_up_to(i64::MAX, line)
}

/// Reads a token's text as a number, if it is one that fits.
pub(super) fn number(text: &[u8]) -> Result<i64, Kind> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Kind::Integer);
    }
    let digits = str::from_utf8(text).map_err(|_| Kind::Integer)?;
    digits.parse().map_err(|_| Kind::IntegerTooLarge { limit: i64::MAX })
}

/// The name of an unversioned file.
pub(super) fn uv_name(line: &[u8]) -> Parsed<'_, UvName> {
    let (rest, text) = token(line)?;
    match UvName::from_token(text) {
        Ok(name) => Ok((rest, name)),
        Err(error) => unknown(Kind::UvName(error)),
    }
}

/// A token that is text, as it is.
pub(super) fn text(line: &[u8]) -> Parsed<'_, String> {
    let (rest, token) = token(line)?;
    utf8(token.to_vec()).map(|text| (rest, text))
}

/// An escaped token that must be exact.
pub(super) fn escaped(line: &[u8]) -> Parsed<'_, String> {
    let (rest, token) = token(line)?;
    utf8(unescape(token)).map(|text| (rest, text))
}

/// An escaped token for people: bytes that are not UTF-8 are replaced.
pub(super) fn prose(line: &[u8]) -> Parsed<'_, String> {
    let (rest, token) = token(line)?;
    Ok((rest, String::from_utf8_lossy(&unescape(token)).into_owned()))
}

/// Not a card of this protocol.
pub(super) fn unknown<T>(kind: Kind) -> Result<T, nom::Err<Fault>> {
    Err(nom::Err::Error(Fault(kind)))
}

/// Not a message.
pub(super) fn malformed<T>(kind: Kind) -> Result<T, nom::Err<Fault>> {
    Err(nom::Err::Failure(Fault(kind)))
}

fn number_up_to(limit: i64, line: &[u8]) -> Parsed<'_, i64> {
    let (rest, text) = token(line)?;
    match number(text) {
        Ok(number) if number <= limit => Ok((rest, number)),
        Ok(_) | Err(Kind::IntegerTooLarge { .. }) => malformed(Kind::IntegerTooLarge { limit }),
        Err(kind) => malformed(kind),
    }
}

/// Upper case is a mistake to be told; anything else that is no hash is what stock calls unknown.
fn bad_hash<T>(text: &[u8]) -> Result<T, nom::Err<Fault>> {
    if !matches!(text.len(), 40 | 64) {
        return unknown(Kind::HashLength(text.len()));
    }
    if text.iter().all(u8::is_ascii_hexdigit) {
        return malformed(Kind::UpperCaseHash);
    }
    unknown(Kind::HashDigit)
}

fn utf8(bytes: Vec<u8>) -> Result<String, nom::Err<Fault>> {
    String::from_utf8(bytes).or_else(|_| malformed(Kind::NotUtf8))
}
