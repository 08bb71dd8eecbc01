//! Pragmas: unknown ones, and known ones whose arguments do not fit, are kept as they are.

use nom::Parser;
use nom::multi::many_m_n;

use super::args::{Fault, Parsed, hash, number, token};
use super::table;
use crate::pragma::Version;
use crate::token::unescape;
use crate::{Card, Pragma};

/// Tokens after `pragma` that are kept, as stock does.
const KEPT: usize = 5;

pub(super) fn read(args: &[u8]) -> Parsed<'_, Card> {
    let (rest, tokens) = many_m_n(1, KEPT, token).parse(args)?;
    let pragma = match known(&tokens)? {
        Some(pragma) => pragma,
        None => Pragma::Other(tokens.into_iter().map(<[u8]>::to_vec).collect()),
    };
    Ok((rest, Card::Pragma(pragma)))
}

/// Which arguments fit is what stock tests: a fixed number of tokens for some, at least so many for others.
/// An upper-case hash is an error here too.
fn known(tokens: &[&[u8]]) -> Result<Option<Pragma>, nom::Err<Fault>> {
    Ok(match tokens {
        [b"client-version", version @ ..] => read_version(version).map(Pragma::ClientVersion),
        [b"server-version", version @ ..] => read_version(version).map(Pragma::ServerVersion),
        [b"send-private", ..] => Some(Pragma::SendPrivate),
        [b"send-catalog", ..] => Some(Pragma::SendCatalog),
        [b"req-clusters", ..] => Some(Pragma::ReqClusters),
        [b"uv-hash", text, ..] => if_fits(hash(text))?.map(Pragma::UvHash),
        [b"uv-push-ok", ..] => Some(Pragma::UvPushOk),
        [b"uv-pull-only", ..] => Some(Pragma::UvPullOnly),
        [b"ci-lock", checkin, client] => if_fits(hash(checkin))?
            .zip(read_text(client))
            .map(|(checkin, client)| Pragma::CiLock { checkin, client }),
        [b"ci-unlock", client] if is_client(client) => {
            read_text(client).map(|client| Pragma::CiUnlock { client })
        }
        [b"ci-lock-fail", user, since] => {
            read_escaped(user).zip(number(since).ok()).map(|(user, since)| Pragma::CiLockFail { user, since })
        }
        // A lock of nobody known: stock's server writes an empty user, which is no token.
        [b"ci-lock-fail", since] => {
            number(since).ok().map(|since| Pragma::CiLockFail { user: String::new(), since })
        }
        [b"avoid-delta-manifests", ..] => Some(Pragma::AvoidDeltaManifests),
        [b"x-more-gimmes", ..] => Some(Pragma::MoreGimmes),
        [b"client-url", url] => read_text(url).map(Pragma::ClientUrl),
        [b"req-links", ..] => Some(Pragma::ReqLinks),
        [b"link", url, json, mtime] => match (read_escaped(url), read_escaped(json), number(mtime)) {
            (Some(url), Some(json), Ok(mtime)) => Some(Pragma::Link { url, json, mtime }),
            _ => None,
        },
        _ => table::pragma(tokens)?.map(Pragma::Table),
    })
}

/// `V [D T]`: one of D and T alone is as none.
fn read_version(tokens: &[&[u8]]) -> Option<Version> {
    let build = match tokens {
        [_, date, time, ..] => Some((small(date)?, small(time)?)),
        _ => None,
    };
    Some(Version { number: small(tokens.first()?)?, build })
}

fn small(text: &[u8]) -> Option<u32> {
    u32::try_from(number(text).ok()?).ok()
}

fn is_client(text: &[u8]) -> bool {
    matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit)
}

fn read_text(text: &[u8]) -> Option<String> {
    String::from_utf8(text.to_vec()).ok()
}

fn read_escaped(text: &[u8]) -> Option<String> {
    String::from_utf8(unescape(text)).ok()
}

/// None where stock would not know the card.
pub(super) fn if_fits<T>(parsed: Parsed<'_, T>) -> Result<Option<T>, nom::Err<Fault>> {
    match parsed {
        Ok((_, value)) => Ok(Some(value)),
        Err(nom::Err::Failure(fault)) => Err(nom::Err::Failure(fault)),
        Err(nom::Err::Error(_) | nom::Err::Incomplete(_)) => Ok(None),
    }
}
