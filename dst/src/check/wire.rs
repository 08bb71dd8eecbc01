//! One message on its way out: each card is held against the rules that concern it.

use std::collections::BTreeSet;

use xfer::card::FileCard;
use xfer::{ArtifactId, Card, Message};

use super::{budget, content, private, rights, shunned};
use crate::known::Known;
use crate::model::{Model, Violation};

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It is.
    Granted,
    /// It is not.
    Denied,
}

impl From<bool> for Leave {
    fn from(granted: bool) -> Self {
        if granted { Self::Granted } else { Self::Denied }
    }
}

/// Who sends a message, and what the receiver may see.
pub struct Sending<'a> {
    /// What the sender holds.
    pub known: &'a Known,
    /// Everything that was made.
    pub model: &'a Model,
    /// Whether the receiver may read at all.
    pub read: Leave,
    /// Whether the receiver may see what is private.
    pub private: Leave,
    /// What the receiver asked for by name: that a name exists may be said to who knows it, and that it is not sent.
    pub asked: BTreeSet<ArtifactId>,
    /// Bytes of payload that may be more than one artifact.
    pub budget: u64,
    /// Names that it may ask for.
    pub gimmes: usize,
}

impl Sending<'_> {
    /// Looks at every card.
    pub fn check(&self, message: &Message) -> Result<(), Violation> {
        for card in &message.cards {
            match card {
                Card::File(file) => self.check_file(file)?,
                Card::Igot(igot) => {
                    rights::check_readable(self, "names")?;
                    content::check_offered(self, &igot.id)?;
                    shunned::check_sent(self, &igot.id)?;
                    private::check_announced(self, igot)?;
                }
                Card::UvFile(_) | Card::UvIgot(_) => rights::check_readable(self, "unversioned files")?,
                _ => {}
            }
        }
        budget::check_bytes(message, self.budget)?;
        budget::check_whole(message)?;
        budget::check_gimmes(message, self.gimmes, &self.asked)
    }

    fn check_file(&self, file: &FileCard) -> Result<(), Violation> {
        rights::check_readable(self, "artifacts")?;
        content::check_offered(self, &file.id)?;
        shunned::check_sent(self, &file.id)?;
        private::check_sent(self, &file.id, file.privacy)?;
        let Some(source) = &file.delta_source else { return Ok(()) };
        private::check_source(self, file, source)?;
        shunned::check_source(self, file, source)
    }
}
