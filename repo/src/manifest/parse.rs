//! Bytes into structural artifacts.
//!
//! One pass over the bytes, card by card; the only copies are the texts that the result owns.
//! Stricter than stock in three points: a hash with upper-case digits, a file name with an escaped NUL and
//! the date `now` make the artifact plain content.

mod build;
mod fields;
mod known;
mod names;
mod reader;
mod scan;

use memchr::memmem;

use self::fields::Fields;
use self::known::KnownFiles;
pub use self::names::is_reserved;
pub(crate) use self::reader::Reader;
use self::scan::Scanner;
use crate::manifest::Artifact;

/// Says which rule the bytes break, and where. Not an error of anybody: most content is not structural.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("card {card}: {rule}")]
pub struct NotStructural {
    /// Number of the card, from 1; 0 if the text as a whole is meant.
    pub card: u32,
    /// What it breaks.
    pub rule: Rule,
}

/// A rule of structural artifacts (reference: repo.md section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The last byte is a line feed.
    #[error("the last line has no end")]
    NoLineEnd,
    /// The text begins with a capital letter and a space, and has ten bytes or more.
    #[error("the first line is no card")]
    NotCards,
    /// A card is a letter followed by a space or by the end of the line.
    #[error("the line is no card")]
    NoCard,
    /// The Z card agrees with the bytes before it.
    #[error("the Z card does not agree with the text")]
    Checksum,
    /// The letter is one of the known ones.
    #[error("there is no {0} card")]
    UnknownCard(char),
    /// Letters ascend.
    #[error("the {0} card comes too late")]
    Order(char),
    /// Most cards occur once.
    #[error("a second {0} card")]
    Repeated(char),
    /// Cards have the tokens they need.
    #[error("a token of the {0} card is missing")]
    MissingToken(char),
    /// Cards have no more tokens than they need.
    #[error("a token too many on the card before")]
    ExtraToken,
    /// A token has the form that its place asks for.
    #[error("a token of the {0} card is malformed")]
    Token(char),
    /// Cards of one letter ascend and differ.
    #[error("the {0} cards are not in order")]
    Unsorted(char),
    /// The content after a W card has the size it says.
    #[error("the content after the W card has another size")]
    Content,
    /// The kind of artifact allows the card.
    #[error("the {0} card is not allowed in this kind of artifact")]
    NotAllowed(char),
    /// The kind of artifact has the cards it needs.
    #[error("the {0} card that this kind of artifact needs is missing")]
    MissingCard(char),
    /// A forum post has either a title or a post it replies to.
    #[error("a forum post with both H and I cards")]
    TitleOfReply,
    /// Tags of a check-in may apply to itself, those of a control artifact may not; those of a technote must.
    #[error("a T card whose target or sign this kind of artifact does not allow")]
    TagTarget,
}

/// Reads a structural artifact, clear-signed or not.
pub fn parse(content: &[u8]) -> Result<Artifact, NotStructural> {
    let mut fields = Fields::default();
    let mut card = 0;
    let body = cards(content, &mut fields, &mut card, KnownFiles::none())?;
    let artifact = build::artifact(fields).map_err(|rule| NotStructural { card, rule })?;
    match Seal::of(body) {
        Some(seal) if seal.agrees(&md5(seal.text)) => Ok(artifact),
        _ => Err(NotStructural { card: 0, rule: Rule::Checksum }),
    }
}

/// Reads the cards of an artifact, and gives the text that has them. The checksum comes later: most content that
/// begins like a card fails at once, unhashed.
fn cards<'a>(
    content: &'a [u8],
    fields: &mut Fields<'a>,
    card: &mut u32,
    mut known: KnownFiles<'_>,
) -> Result<&'a [u8], NotStructural> {
    let whole = |rule| NotStructural { card: 0, rule };
    if content.last() != Some(&b'\n') {
        return Err(whole(Rule::NoLineEnd));
    }
    let body = signed_text(content).unwrap_or(content);
    if body.len() < 10 || !body[0].is_ascii_uppercase() || body[1] != b' ' || body.last() != Some(&b'\n') {
        return Err(whole(Rule::NotCards));
    }
    read(&mut Scanner::new(body), fields, card, &mut known)
        .map_err(|rule| NotStructural { card: *card, rule })?;
    Ok(body)
}

fn read<'a>(
    scanner: &mut Scanner<'a>,
    fields: &mut Fields<'a>,
    number: &mut u32,
    known: &mut KnownFiles<'_>,
) -> Result<(), Rule> {
    let (size, mut previous) = (scanner.rest().len(), 0);
    let mut start = 0;
    while let Some(letter) = scanner.card()? {
        *number = number.saturating_add(1);
        // Stock once wrote technotes with N after P.
        let late_mimetype = letter == b'N' && previous == b'P' && fields.technote.is_some();
        if letter < previous && !late_mimetype {
            return Err(Rule::Order(char::from(letter)));
        }
        previous = letter;
        fields.read(letter, scanner)?;
        if letter == b'F' {
            known.pass(scanner, fields);
            let first = if fields.file_cards.is_empty() { start } else { fields.file_cards.start };
            fields.file_cards = first..size - scanner.rest().len();
        }
        start = size - scanner.rest().len();
    }
    Ok(())
}

/// The Z card at the end, and the text that it is the checksum of.
struct Seal<'a> {
    text: &'a [u8],
    digits: &'a [u8],
}

impl<'a> Seal<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        let (text, card) = body.split_last_chunk::<35>()?;
        card.starts_with(b"Z ").then_some(Self { text, digits: &card[2..34] })
    }

    fn agrees(&self, digest: &[u8; 16]) -> bool {
        let mut digits = [0; 32];
        faster_hex::hex_encode(digest, &mut digits).is_ok() && self.digits == digits
    }
}

/// The digest that Z and R cards carry.
pub(super) fn md5(text: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(text).into()
}

/// The text inside a clear-sign wrapper: after the first blank line, up to the last signature line.
fn signed_text(content: &[u8]) -> Option<&[u8]> {
    let (rest, signature) = if let Some(rest) = content.strip_prefix(b"-----BEGIN PGP SIGNED MESSAGE-----") {
        (rest, &b"\n-----BEGIN PGP SIGNATURE"[..])
    } else {
        (content.strip_prefix(b"-----BEGIN SSH SIGNED MESSAGE-----")?, &b"\n-----BEGIN SSH SIGNATURE"[..])
    };
    let unix = memmem::find(rest, b"\n\n").map(|at| at + 2);
    let dos = memmem::find(rest, b"\n\r\n").map(|at| at + 3);
    let start = [unix, dos].into_iter().flatten().min()?;
    let text = &rest[start..];
    let end = memmem::rfind(text, signature).map_or(text.len(), |at| at + 1);
    Some(&text[..end])
}

#[cfg(test)]
mod tests;
