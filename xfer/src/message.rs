//! One message: what travels one way in one round.

use crate::{Card, Login, Secret};

/// The cards of one request or reply, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The login card, which covers every byte after its own line. Always first on the wire.
    pub login: Option<Login>,
    /// Everything else, comments included.
    pub cards: Vec<Card>,
}

impl Message {
    /// A message of one `error` card.
    pub fn error(text: impl Into<String>) -> Self {
        Self::from(vec![Card::Error(text.into())])
    }

    /// Adds a card at the end. A login does not cover it: sign last.
    pub fn push(&mut self, card: impl Into<Card>) {
        self.cards.push(card.into());
    }

    /// Puts a login card in front. The cards must not change afterwards.
    pub fn signed(mut self, user: &str, secret: &Secret) -> Self {
        self.login = Some(Login::sign(&self, user, secret));
        self
    }

    /// The text of the first `error` card.
    pub fn first_error(&self) -> Option<&str> {
        self.cards
            .iter()
            .find_map(|card| if let Card::Error(text) = card { Some(text.as_str()) } else { None })
    }
}

impl From<Vec<Card>> for Message {
    fn from(cards: Vec<Card>) -> Self {
        Self { login: None, cards }
    }
}

impl FromIterator<Card> for Message {
    fn from_iter<I: IntoIterator<Item = Card>>(cards: I) -> Self {
        Self::from(Vec::from_iter(cards))
    }
}
