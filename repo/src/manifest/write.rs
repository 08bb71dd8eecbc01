//! Structural artifacts into bytes.

use xfer::ArtifactId;

use super::parse::md5;
use crate::manifest::{
    Artifact, Attachment, Checkin, Cherrypick, Control, Direction, FileEntry, ForumPost, Perm, TagCard,
    Technote, TicketChange, TicketField, Wiki, date,
};
use crate::{Text, UnixTime};

/// Writes an artifact as stock does, with its cards in order and its Z card.
///
/// Lists are written in the order they have: [`crate::manifest::parse()`] wants files by name, tags by sign, name
/// and target, ticket fields by name with their sign, members by hash. Texts that no artifact can carry, such as
/// a ticket field with a blank in its name, give bytes that do not parse.
pub fn write(artifact: &Artifact) -> Vec<u8> {
    let mut cards = Cards::default();
    match artifact {
        Artifact::Checkin(checkin) => cards.checkin(checkin),
        Artifact::Cluster(members) => cards.ids('M', members),
        Artifact::Control(control) => cards.control(control),
        Artifact::Wiki(wiki) => cards.wiki(wiki),
        Artifact::Ticket(ticket) => cards.ticket(ticket),
        Artifact::Attachment(attachment) => cards.attachment(attachment),
        Artifact::Technote(technote) => cards.technote(technote),
        Artifact::Forum(post) => cards.forum(post),
    }
    cards.seal()
}

/// The cards written so far.
#[derive(Default)]
struct Cards(Vec<u8>);

impl Cards {
    fn checkin(&mut self, checkin: &Checkin) {
        self.id('B', checkin.baseline);
        self.text('C', checkin.comment.as_ref());
        self.time(checkin.date);
        for file in &checkin.files {
            self.file(file);
        }
        self.text('N', checkin.mimetype.as_ref());
        self.parents(&checkin.parents);
        for cherrypick in &checkin.cherrypicks {
            self.cherrypick(cherrypick);
        }
        if let Some(checksum) = &checkin.checksum {
            self.line('R', &[checksum.as_bytes()]);
        }
        self.tags(&checkin.tags);
        self.text('U', checkin.user.as_ref());
    }

    fn control(&mut self, control: &Control) {
        self.time(control.date);
        self.tags(&control.tags);
        self.text('U', control.user.as_ref());
    }

    fn wiki(&mut self, wiki: &Wiki) {
        self.text('C', wiki.comment.as_ref());
        self.time(wiki.date);
        self.text('L', Some(&wiki.title));
        self.text('N', wiki.mimetype.as_ref());
        self.parents(&wiki.parents);
        self.text('U', wiki.user.as_ref());
        self.content(&wiki.text);
    }

    fn ticket(&mut self, ticket: &TicketChange) {
        self.time(ticket.date);
        for field in &ticket.fields {
            self.ticket_field(field);
        }
        self.line('K', &[ticket.ticket.as_bytes()]);
        self.text('U', ticket.user.as_ref());
    }

    fn attachment(&mut self, attachment: &Attachment) {
        let filename = xfer::token::escape(attachment.filename.as_bytes());
        let target = xfer::token::escape(attachment.target.as_bytes());
        let source = attachment.source.map(|source| source.to_string());
        let mut tokens = vec![&filename[..], &target];
        tokens.extend(source.as_ref().map(String::as_bytes));
        self.line('A', &tokens);
        self.text('C', attachment.comment.as_ref());
        self.time(attachment.date);
        self.text('N', attachment.mimetype.as_ref());
        self.text('U', attachment.user.as_ref());
    }

    fn technote(&mut self, technote: &Technote) {
        self.text('C', technote.comment.as_ref());
        self.time(technote.date);
        self.line('E', &[standing_time(technote.time).as_bytes(), technote.technote.as_bytes()]);
        self.text('N', technote.mimetype.as_ref());
        self.parents(&technote.parents);
        self.tags(&technote.tags);
        self.text('U', technote.user.as_ref());
        self.content(&technote.text);
    }

    fn forum(&mut self, post: &ForumPost) {
        self.time(post.date);
        self.id('G', post.root);
        self.text('H', post.title.as_ref());
        self.id('I', post.in_reply_to);
        self.text('N', post.mimetype.as_ref());
        self.parents(post.parent.as_slice());
        self.text('U', post.user.as_ref());
        self.content(&post.text);
    }

    fn file(&mut self, file: &FileEntry) {
        self.begin('F');
        self.token(file.name.as_bytes());
        if let Some(id) = &file.id {
            self.id_token(id);
            let perm = match (file.perm, &file.old_name) {
                (Perm::Executable, _) => &b" x"[..],
                (Perm::Symlink, _) => b" l",
                (Perm::Regular, Some(_)) => b" w",
                (Perm::Regular, None) => b"",
            };
            self.0.extend_from_slice(perm);
            if let Some(old_name) = &file.old_name {
                self.token(old_name.as_bytes());
            }
        }
        self.0.push(b'\n');
    }

    fn cherrypick(&mut self, cherrypick: &Cherrypick) {
        let sign = match cherrypick.direction {
            Direction::Pick => '+',
            Direction::BackOut => '-',
        };
        let target = format!("{sign}{}", cherrypick.target);
        let baseline = cherrypick.baseline.map(|baseline| baseline.to_string());
        let mut tokens = vec![target.as_bytes()];
        tokens.extend(baseline.as_ref().map(String::as_bytes));
        self.line('Q', &tokens);
    }

    fn ticket_field(&mut self, field: &TicketField) {
        self.0.extend_from_slice(if field.append { b"J +" } else { b"J " });
        self.0.extend_from_slice(field.name.as_bytes());
        if !field.value.as_bytes().is_empty() {
            self.token(field.value.as_bytes());
        }
        self.0.push(b'\n');
    }

    fn tags(&mut self, tags: &[TagCard]) {
        for tag in tags {
            let name = [&[tag.kind.sign()], tag.name.as_bytes()].concat();
            self.begin('T');
            self.token(&name);
            match &tag.target {
                Some(target) => self.id_token(target),
                None => self.token(b"*"),
            }
            if let Some(value) = &tag.value {
                self.token(value.as_bytes());
            }
            self.0.push(b'\n');
        }
    }

    fn parents(&mut self, parents: &[ArtifactId]) {
        if parents.is_empty() {
            return;
        }
        self.begin('P');
        for parent in parents {
            self.id_token(parent);
        }
        self.0.push(b'\n');
    }

    fn ids(&mut self, letter: char, ids: &[ArtifactId]) {
        for id in ids {
            self.id(letter, Some(*id));
        }
    }

    fn id(&mut self, letter: char, id: Option<ArtifactId>) {
        if let Some(id) = id {
            self.line(letter, &[id.to_string().as_bytes()]);
        }
    }

    fn text(&mut self, letter: char, text: Option<&Text>) {
        if let Some(text) = text {
            self.line(letter, &[&xfer::token::escape(text.as_bytes())]);
        }
    }

    fn time(&mut self, time: UnixTime) {
        self.line('D', &[date::format(time).as_bytes()]);
    }

    fn content(&mut self, text: &Text) {
        self.line('W', &[text.0.len().to_string().as_bytes()]);
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'\n');
    }

    /// A card of tokens that need no escape.
    fn line(&mut self, letter: char, tokens: &[&[u8]]) {
        self.begin(letter);
        for token in tokens {
            self.0.push(b' ');
            self.0.extend_from_slice(token);
        }
        self.0.push(b'\n');
    }

    fn begin(&mut self, letter: char) {
        self.0.push(letter as u8);
    }

    fn token(&mut self, text: &[u8]) {
        self.0.push(b' ');
        self.0.extend_from_slice(&xfer::token::escape(text));
    }

    fn id_token(&mut self, id: &ArtifactId) {
        let mut digits = [0; 64];
        self.0.push(b' ');
        if let Ok(hex) = faster_hex::hex_encode(id.as_bytes(), &mut digits[..2 * id.as_bytes().len()]) {
            self.0.extend_from_slice(hex.as_bytes());
        }
    }

    fn seal(mut self) -> Vec<u8> {
        let digest = faster_hex::hex_string(&md5(&self.0));
        self.line('Z', &[digest.as_bytes()]);
        self.0
    }
}

/// A technote stands at a second; stock writes no fraction there.
fn standing_time(time: UnixTime) -> String {
    let mut text = date::format(time);
    if text.ends_with(".000") {
        text.truncate(text.len() - 4);
    }
    text
}

#[cfg(test)]
mod tests;
