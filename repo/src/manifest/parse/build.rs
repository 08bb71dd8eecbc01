//! Fields into an artifact: which kind it is, and whether it has the cards of that kind.

use super::Rule;
use super::fields::{Fields, Kind};
use crate::manifest::{Artifact, Attachment, Checkin, Control, ForumPost, Technote, TicketChange, Wiki};

/// Letters of the cards that a kind of artifact may have, and those that it must.
fn cards_of(kind: Kind) -> (&'static [u8], &'static [u8]) {
    match kind {
        Kind::Checkin => (b"BCDFNPQRTUZ", b"DZ"),
        Kind::Cluster => (b"MZ", b"MZ"),
        Kind::Control => (b"DTUZ", b"DTUZ"),
        Kind::Wiki => (b"CDLNPUWZ", b"DLUWZ"),
        Kind::Ticket => (b"DJKUZ", b"DJKUZ"),
        Kind::Attachment => (b"ACDNUZ", b"ADZ"),
        Kind::Technote => (b"CDENPTUWZ", b"DEWZ"),
        Kind::Forum => (b"DGHINPUWZ", b"DUWZ"),
    }
}

/// Makes the artifact that the cards describe.
pub(super) fn artifact(fields: Fields<'_>) -> Result<Artifact, Rule> {
    let kind = fields.kind.unwrap_or_else(|| kind_by_default(&fields));
    check_cards(kind, fields.seen)?;
    match kind {
        Kind::Checkin => checkin(fields),
        Kind::Cluster => Ok(Artifact::Cluster(fields.members)),
        Kind::Control => control(fields),
        Kind::Wiki => wiki(fields),
        Kind::Ticket => ticket(fields),
        Kind::Attachment => attachment(fields),
        Kind::Technote => technote(fields),
        Kind::Forum => forum(fields),
    }
}

/// Without a card that decides, a comment or parents make a check-in.
fn kind_by_default(fields: &Fields<'_>) -> Kind {
    if fields.seen & (bit(b'C') | bit(b'P')) != 0 { Kind::Checkin } else { Kind::Control }
}

fn bit(letter: u8) -> u32 {
    1 << (letter - b'A')
}

fn check_cards(kind: Kind, seen: u32) -> Result<(), Rule> {
    let (allowed, required) = cards_of(kind);
    let is_seen = |letter: &u8| seen & bit(*letter) != 0;
    if let Some(letter) = (b'A'..=b'Z').find(|letter| is_seen(letter) && !allowed.contains(letter)) {
        return Err(Rule::NotAllowed(char::from(letter)));
    }
    if let Some(letter) = required.iter().find(|letter| !is_seen(letter)) {
        return Err(Rule::MissingCard(char::from(*letter)));
    }
    Ok(())
}

fn need<T>(field: Option<T>, letter: char) -> Result<T, Rule> {
    field.ok_or(Rule::MissingCard(letter))
}

fn checkin(fields: Fields<'_>) -> Result<Artifact, Rule> {
    Ok(Artifact::Checkin(Checkin {
        baseline: fields.baseline,
        comment: fields.comment,
        date: need(fields.date, 'D')?,
        files: fields.files,
        mimetype: fields.mimetype,
        parents: fields.parents,
        cherrypicks: fields.cherrypicks,
        checksum: fields.checksum,
        tags: fields.tags,
        user: fields.user,
    }))
}

fn control(fields: Fields<'_>) -> Result<Artifact, Rule> {
    if fields.tags.iter().any(|tag| tag.target.is_none()) {
        return Err(Rule::TagTarget);
    }
    Ok(Artifact::Control(Control { date: need(fields.date, 'D')?, tags: fields.tags, user: fields.user }))
}

fn wiki(fields: Fields<'_>) -> Result<Artifact, Rule> {
    Ok(Artifact::Wiki(Wiki {
        comment: fields.comment,
        date: need(fields.date, 'D')?,
        title: need(fields.page, 'L')?,
        mimetype: fields.mimetype,
        parents: fields.parents,
        user: fields.user,
        text: need(fields.text, 'W')?,
    }))
}

fn ticket(fields: Fields<'_>) -> Result<Artifact, Rule> {
    Ok(Artifact::Ticket(TicketChange {
        date: need(fields.date, 'D')?,
        fields: fields.ticket_fields,
        ticket: need(fields.ticket, 'K')?,
        user: fields.user,
    }))
}

fn attachment(fields: Fields<'_>) -> Result<Artifact, Rule> {
    let card = need(fields.attachment, 'A')?;
    Ok(Artifact::Attachment(Attachment {
        filename: card.filename,
        target: card.target,
        source: card.source,
        comment: fields.comment,
        date: need(fields.date, 'D')?,
        mimetype: fields.mimetype,
        user: fields.user,
    }))
}

fn technote(fields: Fields<'_>) -> Result<Artifact, Rule> {
    let (time, technote) = need(fields.technote, 'E')?;
    Ok(Artifact::Technote(Technote {
        comment: fields.comment,
        date: need(fields.date, 'D')?,
        time,
        technote,
        mimetype: fields.mimetype,
        parents: fields.parents,
        tags: fields.tags,
        user: fields.user,
        text: need(fields.text, 'W')?,
    }))
}

fn forum(fields: Fields<'_>) -> Result<Artifact, Rule> {
    if fields.thread_title.is_some() && fields.in_reply_to.is_some() {
        return Err(Rule::TitleOfReply);
    }
    if fields.parents.len() > 1 {
        return Err(Rule::ExtraToken);
    }
    Ok(Artifact::Forum(ForumPost {
        date: need(fields.date, 'D')?,
        root: fields.root,
        title: fields.thread_title,
        in_reply_to: fields.in_reply_to,
        mimetype: fields.mimetype,
        parent: fields.parents.first().copied(),
        user: fields.user,
        text: need(fields.text, 'W')?,
    }))
}
