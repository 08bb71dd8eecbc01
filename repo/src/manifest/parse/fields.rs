//! Reads cards into fields, whatever kind of artifact they will turn out to make.

use std::borrow::Cow;
use std::ops::Range;

use xfer::ArtifactId;

use super::Rule;
use super::names::{is_hex, is_page_name, is_reserved, is_simple_path, tail};
use super::scan::{Scanner, unescape, until_nul};
use crate::manifest::{Cherrypick, Direction, FileEntry, Perm, TagCard, TagKind, TicketField, date};
use crate::{Text, UnixTime};

/// Kinds of artifact as the letters of the cards decide them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Checkin,
    Cluster,
    Control,
    Wiki,
    Ticket,
    Attachment,
    Technote,
    Forum,
}

/// An `A` card.
pub(super) struct AttachmentCard {
    pub(super) filename: Text,
    pub(super) target: Text,
    pub(super) source: Option<ArtifactId>,
}

/// Which files of a check-in are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Keep {
    #[default]
    All,
    /// Those with an old name.
    Renamed,
}

/// What the cards read so far say.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// Bit 0 is A.
    pub(super) seen: u32,
    pub(super) kind: Option<Kind>,
    pub(super) attachment: Option<AttachmentCard>,
    pub(super) baseline: Option<ArtifactId>,
    pub(super) comment: Option<Text>,
    pub(super) date: Option<UnixTime>,
    pub(super) technote: Option<(UnixTime, String)>,
    pub(super) keep: Keep,
    pub(super) files: Vec<FileEntry>,
    /// Name of the last F card that counts.
    pub(super) last_file: Option<Cow<'a, [u8]>>,
    /// Where the F cards stand in the text.
    pub(super) file_cards: Range<usize>,
    /// Whether there is an F card with an old name, or one that does not count.
    pub(super) has_odd_files: bool,
    pub(super) root: Option<ArtifactId>,
    pub(super) thread_title: Option<Text>,
    pub(super) in_reply_to: Option<ArtifactId>,
    pub(super) ticket_fields: Vec<TicketField>,
    /// Name of the last J card, sign included.
    pub(super) last_field: Option<&'a [u8]>,
    pub(super) ticket: Option<String>,
    pub(super) page: Option<Text>,
    pub(super) members: Vec<ArtifactId>,
    pub(super) mimetype: Option<Text>,
    pub(super) parents: Vec<ArtifactId>,
    pub(super) cherrypicks: Vec<Cherrypick>,
    pub(super) checksum: Option<String>,
    pub(super) tags: Vec<TagCard>,
    pub(super) user: Option<Text>,
    pub(super) text: Option<Text>,
}

impl<'a> Fields<'a> {
    /// Reads the tokens of one card.
    pub(super) fn read(&mut self, letter: u8, scanner: &mut Scanner<'a>) -> Result<(), Rule> {
        let mut card = Tokens { letter: char::from(letter), scanner };
        match letter {
            b'A' => once(&mut self.attachment, card.attachment()?, &card)?,
            b'B' => once(&mut self.baseline, card.id()?, &card)?,
            b'C' => once(&mut self.comment, card.text()?, &card)?,
            b'D' => once(&mut self.date, card.time()?, &card)?,
            b'E' => once(&mut self.technote, card.technote()?, &card)?,
            b'F' => self.file(&mut card)?,
            b'G' => once(&mut self.root, card.id()?, &card)?,
            b'H' => once(&mut self.thread_title, card.text()?, &card)?,
            b'I' => once(&mut self.in_reply_to, card.id()?, &card)?,
            b'J' => self.ticket_field(&mut card)?,
            b'K' => once(&mut self.ticket, card.ticket()?, &card)?,
            b'L' => once(&mut self.page, card.page()?, &card)?,
            b'M' => {
                let member = card.id()?;
                ascending(self.members.last() < Some(&member), &card)?;
                self.members.push(member);
            }
            b'N' => once(&mut self.mimetype, card.text()?, &card)?,
            b'P' => {
                while let Some(parent) = card.optional_id()? {
                    self.parents.push(parent);
                }
            }
            b'Q' => self.cherrypicks.push(card.cherrypick()?),
            b'R' => once(&mut self.checksum, card.checksum()?, &card)?,
            b'T' => self.tag(&mut card)?,
            b'U' => once(&mut self.user, card.user(), &card)?,
            b'W' => once(&mut self.text, card.content()?, &card)?,
            b'Z' => drop(card.checksum()?),
            _ if letter.is_ascii_uppercase() => return Err(Rule::UnknownCard(card.letter)),
            _ => return Err(Rule::NoCard),
        }
        self.seen |= 1 << (letter - b'A');
        self.kind = kind_by(letter).or(self.kind);
        Ok(())
    }

    fn file(&mut self, card: &mut Tokens<'_, 'a>) -> Result<(), Rule> {
        let name = card.path()?;
        let id = match card.optional_id()? {
            None if self.baseline.is_none() => return Err(card.missing()),
            id => id,
        };
        let perm = perm(card.scanner.token().unwrap_or_default());
        let old_name = card.optional_path()?;
        ascending(self.last_file.as_ref().is_none_or(|last| *last < name), card)?;
        let is_reserved = is_reserved(&name);
        self.has_odd_files |= is_reserved || old_name.is_some();
        if is_reserved {
            return Ok(());
        }
        if self.keep == Keep::All || old_name.is_some() {
            let old_name = old_name.map(|name| Text(name.into_owned()));
            self.files.push(FileEntry { name: Text::from(&*name), id, perm, old_name });
        }
        self.last_file = Some(name);
        Ok(())
    }

    fn ticket_field(&mut self, card: &mut Tokens<'_, 'a>) -> Result<(), Rule> {
        let written = card.token()?;
        ascending(self.last_field < Some(written), card)?;
        self.last_field = Some(written);
        let (name, append) = written.strip_prefix(b"+").map_or((written, false), |name| (name, true));
        let value = card.scanner.token().map(unescape).unwrap_or_default();
        self.ticket_fields.push(TicketField { name: Text::from(name), append, value: Text(value) });
        Ok(())
    }

    fn tag(&mut self, card: &mut Tokens<'_, 'a>) -> Result<(), Rule> {
        let tag = card.tag()?;
        ascending(self.tags.last().is_none_or(|last| order(last) < order(&tag)), card)?;
        if self.technote.is_some() && (tag.target.is_some() || tag.kind != TagKind::Add) {
            return Err(Rule::TagTarget);
        }
        self.tags.push(tag);
        Ok(())
    }
}

/// The kind that a letter decides on, if it does.
fn kind_by(letter: u8) -> Option<Kind> {
    Some(match letter {
        b'A' => Kind::Attachment,
        b'B' | b'F' | b'Q' | b'R' => Kind::Checkin,
        b'E' => Kind::Technote,
        b'G' | b'H' | b'I' => Kind::Forum,
        b'J' | b'K' => Kind::Ticket,
        b'L' => Kind::Wiki,
        b'M' => Kind::Cluster,
        _ => return None,
    })
}

fn perm(token: &[u8]) -> Perm {
    if token.contains(&b'x') {
        Perm::Executable
    } else if token.contains(&b'l') {
        Perm::Symlink
    } else {
        Perm::Regular
    }
}

/// What T cards are sorted by: the name with its sign, then the target, itself first.
fn order(tag: &TagCard) -> (u8, &[u8], Option<ArtifactId>) {
    (tag.kind.sign(), tag.name.as_bytes(), tag.target)
}

fn once<T>(field: &mut Option<T>, value: T, card: &Tokens<'_, '_>) -> Result<(), Rule> {
    if field.is_some() {
        return Err(Rule::Repeated(card.letter));
    }
    *field = Some(value);
    Ok(())
}

fn ascending(ordered: bool, card: &Tokens<'_, '_>) -> Result<(), Rule> {
    if ordered { Ok(()) } else { Err(Rule::Unsorted(card.letter)) }
}

/// A name as a token has it.
pub(super) fn decoded(token: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(b'\\', token) {
        Some(_) => Cow::Owned(xfer::token::unescape(token)),
        None => Cow::Borrowed(token),
    }
}

/// The tokens of one card.
struct Tokens<'s, 'a> {
    letter: char,
    scanner: &'s mut Scanner<'a>,
}

impl<'a> Tokens<'_, 'a> {
    fn missing(&self) -> Rule {
        Rule::MissingToken(self.letter)
    }

    fn malformed(&self) -> Rule {
        Rule::Token(self.letter)
    }

    fn token(&mut self) -> Result<&'a [u8], Rule> {
        self.scanner.token().ok_or_else(|| self.missing())
    }

    fn text(&mut self) -> Result<Text, Rule> {
        Ok(Text(unescape(self.token()?)))
    }

    fn id(&mut self) -> Result<ArtifactId, Rule> {
        let token = self.token()?;
        ArtifactId::from_hex(token).map_err(|_| self.malformed())
    }

    fn optional_id(&mut self) -> Result<Option<ArtifactId>, Rule> {
        let Some(token) = self.scanner.token() else { return Ok(None) };
        ArtifactId::from_hex(token).map(Some).map_err(|_| self.malformed())
    }

    fn time(&mut self) -> Result<UnixTime, Rule> {
        let token = self.token()?;
        date::parse(token).ok_or_else(|| self.malformed())
    }

    fn path(&mut self) -> Result<Cow<'a, [u8]>, Rule> {
        self.optional_path()?.ok_or_else(|| self.missing())
    }

    /// A path of a file. An escaped NUL, at which stock would cut the name, is refused.
    fn optional_path(&mut self) -> Result<Option<Cow<'a, [u8]>>, Rule> {
        let Some(token) = self.scanner.token() else { return Ok(None) };
        let name = decoded(token);
        if !is_simple_path(&name) || name.contains(&0) {
            return Err(self.malformed());
        }
        Ok(Some(name))
    }

    fn attachment(&mut self) -> Result<AttachmentCard, Rule> {
        let path = self.text()?;
        let target = self.text()?;
        let source = self.optional_id()?;
        let is_id = matches!(target.0.len(), 40 | 64) && is_hex(&target.0);
        if !is_simple_path(&path.0) || !(is_id || is_page_name(&target.0)) {
            return Err(self.malformed());
        }
        Ok(AttachmentCard { filename: Text::from(tail(&path.0)), target, source })
    }

    fn technote(&mut self) -> Result<(UnixTime, String), Rule> {
        let time = self.time()?;
        let id = self.token()?;
        Ok((time, self.hex(id, &[40, 64])?))
    }

    fn ticket(&mut self) -> Result<String, Rule> {
        let id = self.token()?;
        self.hex(id, &[40])
    }

    fn checksum(&mut self) -> Result<String, Rule> {
        let digest = self.token()?;
        self.hex(digest, &[32])
    }

    fn hex(&self, token: &[u8], lengths: &[usize]) -> Result<String, Rule> {
        if !lengths.contains(&token.len()) || !is_hex(token) {
            return Err(self.malformed());
        }
        String::from_utf8(token.to_vec()).map_err(|_| self.malformed())
    }

    fn page(&mut self) -> Result<Text, Rule> {
        let name = self.text()?;
        if is_page_name(&name.0) { Ok(name) } else { Err(self.malformed()) }
    }

    fn cherrypick(&mut self) -> Result<Cherrypick, Rule> {
        let (direction, target) = match self.token()? {
            [b'+', target @ ..] => (Direction::Pick, target),
            [b'-', target @ ..] => (Direction::BackOut, target),
            _ => return Err(self.malformed()),
        };
        let target = ArtifactId::from_hex(target).map_err(|_| self.malformed())?;
        Ok(Cherrypick { direction, target, baseline: self.optional_id()? })
    }

    fn tag(&mut self) -> Result<TagCard, Rule> {
        let name = unescape(self.token()?);
        let target = match self.token()? {
            b"*" => None,
            hash => Some(ArtifactId::from_hex(hash).map_err(|_| self.malformed())?),
        };
        let value = self.scanner.token().map(|token| Text(unescape(token)));
        let (kind, name) = match &name[..] {
            [b'-', name @ ..] => (TagKind::Cancel, name),
            [b'+', name @ ..] => (TagKind::Add, name),
            [b'*', name @ ..] => (TagKind::Propagate, name),
            _ => return Err(self.malformed()),
        };
        // A name of hex digits could be taken for a hash.
        if is_hex(name) {
            return Err(self.malformed());
        }
        Ok(TagCard { kind, name: Text::from(name), target, value })
    }

    /// A card without a name stands for the anonymous user.
    fn user(&mut self) -> Text {
        let name = self.scanner.token().map(unescape).unwrap_or_default();
        if name.is_empty() { Text::from("anonymous") } else { Text(name) }
    }

    /// `size`, then that many bytes. Digits end at the first other character, as in stock.
    fn content(&mut self) -> Result<Text, Rule> {
        let token = self.token()?;
        let mut digits = token.iter().take_while(|byte| byte.is_ascii_digit());
        let size = digits
            .try_fold(0_usize, |size, digit| size.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
        let content = self.scanner.content(size.ok_or_else(|| self.malformed())?)?;
        Ok(Text::from(until_nul(content)))
    }
}
