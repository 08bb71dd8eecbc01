//! Messages that say something else than their sender did, though no checksum of the transport tells, and the login is good
//! for them all the same: what is wrong went wrong at the sender, or at somebody whom it trusts.

use std::collections::BTreeSet;

use bytes::Bytes;
use repo::zlib::Codec;
use xfer::body::{Body, pack, unpack};
use xfer::card::{Payload, Privacy};
use xfer::encode::card as encode_card;
use xfer::table::TableCard;
use xfer::{ArtifactId, Card, DecodeLimits, Message, Pragma, Secret, decode, encode};

use super::mishap::Way;
use crate::dice::Dice;
use crate::node::{self, PROJECT};
use crate::plan::Edge;

/// No artifact of the simulator is longer.
const MOST: usize = 1 << 30;

/// The message with a wrong bit in the content of one of its artifacts or files, be that a delta, or packed; none if there
/// is none.
pub(super) fn forge_content(body: &Body, edge: &Edge, dice: &mut Dice) -> Option<Body> {
    let mut message = read(&unpack(body, &DecodeLimits::default()).ok()?)?;
    let mut contents: Vec<Content<'_>> = message.cards.iter_mut().filter_map(Content::of).collect();
    if contents.is_empty() {
        return None;
    }
    let place = dice.place(contents.len());
    contents.swap_remove(place).change(dice)?;
    Some(pack(encode(&signed(message, edge)), body.content_type))
}

/// The message with a wrong bit in a delta whose source is not `held` where it goes, and without that source; none if there is
/// no such delta.
pub(super) fn forge_delta(
    body: &Body,
    edge: &Edge,
    held: impl Fn(&ArtifactId) -> bool,
    dice: &mut Dice,
) -> Option<Body> {
    let mut message = read(&unpack(body, &DecodeLimits::default()).ok()?)?;
    let lacking = |card: &Card| match card {
        Card::File(file) if file.privacy == Privacy::Public => file.delta_source.filter(|id| !held(id)),
        _ => None,
    };
    let places: Vec<usize> =
        (0..message.cards.len()).filter(|&at| lacking(&message.cards[at]).is_some()).collect();
    if places.is_empty() {
        return None;
    }
    let place = *dice.pick(&places);
    let source = lacking(&message.cards[place])?;
    Content::of(&mut message.cards[place])?.change(dice)?;
    message.cards.retain(|card| !matches!(card, Card::File(file) if file.id == source));
    Some(pack(encode(&signed(message, edge)), body.content_type))
}

/// A reply that does as it is asked, and says no more of which project that is; none if it did not say it.
pub(super) fn forge_nameless(body: &Body, edge: &Edge) -> Option<Body> {
    let mut message = read(&unpack(body, &DecodeLimits::default()).ok()?)?;
    let is_refusal = message.cards.iter().any(|card| matches!(card, Card::Error(_)));
    let count = message.cards.len();
    message.cards.retain(|card| !matches!(card, Card::Push(_)));
    let is_altered = message.cards.len() < count && !is_refusal;
    is_altered.then(|| pack(encode(&signed(message, edge)), body.content_type))
}

/// A request that says of what it brings for everybody that it is private; none if it brings nothing of that kind. Whoever may not
/// bring what is private is refused that.
pub(super) fn forge_private(body: &Body, edge: &Edge) -> Option<Body> {
    let mut message = read(&unpack(body, &DecodeLimits::default()).ok()?)?;
    let mut is_altered = false;
    for card in &mut message.cards {
        if let Card::File(file) = card {
            is_altered |= file.privacy == Privacy::Public;
            file.privacy = Privacy::Private;
        }
    }
    is_altered.then(|| pack(encode(&signed(message, edge)), body.content_type))
}

/// A message with another card.
pub(super) struct Forged {
    pub(super) body: Body,
    /// What kind of card was altered.
    pub(super) kind: &'static str,
    /// What its line has become.
    pub(super) line: String,
}

/// The message with another byte somewhere in the text of one of its cards; none if there is none that may be altered. Its
/// name, a number, a hash, a framing, what it carries: perhaps nobody can read it any more.
pub(super) fn forge_card(body: &Body, edge: &Edge, way: Way, dice: &mut Dice) -> Option<Forged> {
    let message = read(&unpack(body, &DecodeLimits::default()).ok()?)?;
    let places: Vec<usize> =
        (0..message.cards.len()).filter(|&at| may_alter(&message.cards[at], way)).collect();
    if places.is_empty() {
        return None;
    }
    let place = *dice.pick(&places);
    let (mut text, mut kind, mut line) = (Vec::new(), "", String::new());
    for (at, card) in message.cards.iter().enumerate() {
        let start = text.len();
        encode_card(card, &mut text);
        if at == place {
            kind = name(card);
            alter(&mut text[start..], dice);
            let shown = text[start..].split(|&byte| byte == b'\n').next().unwrap_or_default();
            line = shown.escape_ascii().to_string();
        }
    }
    // Who cannot be understood any more needs no login.
    let altered = read(&text).map(|altered| Message { login: message.login.clone(), ..altered });
    let passes = |altered: &Message| grants(altered) && !grants(&message) || reveals(altered, &message);
    if altered.as_ref().is_some_and(passes) {
        return None;
    }
    let text = altered.map_or(text, |altered| encode(&signed(altered, edge)));
    Some(Forged { body: pack(text, body.content_type), kind, line })
}

/// What is left out, since nobody can tell that it is false ([`grants`] and [`reveals`] are other such things): what is private, which would be
/// given to everybody in truth; rows of tables, of which an altered one is a row like others; settings and users, which are whatever an administrator says; and
/// the code of the project in a reply, which who clones takes for its own.
fn may_alter(card: &Card, way: Way) -> bool {
    match card {
        Card::File(file) => file.privacy == Privacy::Public,
        Card::Igot(igot) => igot.privacy == Privacy::Public,
        Card::Push(_) => way == Way::Request,
        Card::Table(TableCard::Row(_) | TableCard::Delete(_)) | Card::Config(_) => false,
        _ => true,
    }
}

/// Whether a message leaves nothing that stands in the way of private artifacts: neither does it ask for the right to see
/// them, which is answered only if it is lacking, nor is that the answer. Who asked and hears nothing has the right.
fn grants(message: &Message) -> bool {
    !message.cards.iter().any(|card| match card {
        Card::Pragma(Pragma::SendPrivate) => true,
        Card::Error(text) => text.as_str().contains("private"),
        _ => false,
    })
}

/// Whether something that a message gives as private comes as public in the altered one: without the end of its line, a card
/// takes the word `private` that follows along.
fn reveals(altered: &Message, message: &Message) -> bool {
    let given = |message: &Message, privacy: Privacy| -> BTreeSet<ArtifactId> {
        let file = |card: &Card| match card {
            Card::File(file) if file.privacy == privacy => Some(file.id),
            _ => None,
        };
        message.cards.iter().filter_map(file).collect()
    };
    !given(altered, Privacy::Public).is_disjoint(&given(message, Privacy::Private))
}

/// Puts another byte in place of one in the line of a card, or in what follows it: half of the time one of its kind, so that
/// it is read.
fn alter(text: &mut [u8], dice: &mut Dice) {
    let line = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |end| end + 1);
    let length = if dice.below(4) == 0 { text.len() } else { line };
    let place = dice.place(length);
    let byte = text[place];
    text[place] = match byte {
        b'0'..=b'9' if dice.below(2) == 0 => b'0' + (byte - b'0' + dice.between(1, 9) as u8) % 10,
        b'a'..=b'f' if dice.below(2) == 0 => b'a' + (byte - b'a' + dice.between(1, 5) as u8) % 6,
        _ => byte ^ (1 << dice.below(8)),
    };
}

fn read(text: &[u8]) -> Option<Message> {
    decode(&Bytes::copy_from_slice(text), &DecodeLimits::default()).ok()
}

/// Signed anew, if it was signed.
fn signed(mut message: Message, edge: &Edge) -> Message {
    if let (Some(_), (Some(user), Some(password))) = (&message.login, node::credentials(edge)) {
        message.login = Some(xfer::Login::sign(&message, &user, &Secret::derive(PROJECT, &user, &password)));
    }
    message
}

fn name(card: &Card) -> &'static str {
    match card {
        Card::Pull(_) => "pull",
        Card::Push(_) => "push",
        Card::Clone(_) => "clone",
        Card::CloneSeqno(_) => "clone_seqno",
        Card::File(_) => "file",
        Card::Igot(_) => "igot",
        Card::Gimme(_) => "gimme",
        Card::UvFile(_) => "uvfile",
        Card::UvIgot(_) => "uvigot",
        Card::UvGimme(_) => "uvgimme",
        Card::Config(_) => "config",
        Card::ReqConfig(_) => "reqconfig",
        Card::Cookie(_) => "cookie",
        Card::Pragma(_) => "pragma",
        Card::Table(_) => "table",
        Card::Error(_) => "error",
        Card::Message(_) => "message",
        Card::Comment(_) => "comment",
        Card::Unknown(_) => "unknown card",
    }
}

/// Bytes of a message that a hash is there for.
enum Content<'m> {
    Plain(&'m mut Bytes),
    Packed(&'m mut Bytes),
}

impl<'m> Content<'m> {
    fn of(card: &'m mut Card) -> Option<Self> {
        let (content, bytes) = match card {
            Card::File(file) => match &mut file.payload {
                Payload::Plain(bytes) => (Self::Plain as fn(_) -> _, bytes),
                Payload::Zlib { bytes, .. } => (Self::Packed as fn(_) -> _, bytes),
            },
            Card::UvFile(file) => (Self::Plain as fn(_) -> _, file.content.as_mut()?),
            _ => return None,
        };
        (!bytes.is_empty()).then(|| content(bytes))
    }

    fn change(self, dice: &mut Dice) -> Option<()> {
        let flip = |bytes: &mut Vec<u8>, dice: &mut Dice| {
            let place = dice.place(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << dice.below(8);
            }
        };
        match self {
            Self::Plain(bytes) => {
                let mut content = bytes.to_vec();
                flip(&mut content, dice);
                *bytes = content.into();
            }
            Self::Packed(frame) => {
                let mut codec = Codec::new();
                let mut content = codec.unpack(frame, MOST).ok()?;
                flip(&mut content, dice);
                *frame = codec.pack(&content).into();
            }
        }
        Some(())
    }
}
