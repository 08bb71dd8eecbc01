//! What a message may hold: nothing private where no right allows it, nothing shunned, nothing that is not held,
//! nothing that no right allows to be read, no more than its budget.

use std::collections::BTreeSet;

use xfer::card::{FileCard, Igot, Privacy};
use xfer::{ArtifactId, Card, Message};

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
    /// What the receiver asked for by name: that a name exists may be said to who knows it.
    pub asked: BTreeSet<ArtifactId>,
    /// Bytes of payload that may be more than one artifact.
    pub budget: u64,
}

impl Sending<'_> {
    /// Looks at every card.
    pub fn check(&self, message: &Message) -> Result<(), Violation> {
        let (mut bytes, mut payloads) = (0, 0);
        for card in &message.cards {
            match card {
                Card::File(file) => self.check_file(file)?,
                Card::Igot(igot) => self.check_igot(igot)?,
                Card::UvFile(_) | Card::UvIgot(_) => self.check_readable("unversioned files")?,
                _ => {}
            }
            if matches!(card, Card::File(_)) || matches!(card, Card::UvFile(file) if file.content.is_some()) {
                bytes += card.payload_bytes() as u64;
                payloads += 1;
            }
        }
        if payloads > 1 && bytes > self.budget {
            let text = format!("{payloads} artifacts of {bytes} bytes, the budget is {}", self.budget);
            return Err(Violation::new("budget", text));
        }
        Ok(())
    }

    /// Nothing is asked for that is held or shunned. That is so if nothing else happened to the sender meanwhile.
    pub fn check_gimmes(&self, message: &Message) -> Result<(), Violation> {
        for card in &message.cards {
            if let Card::Gimme(id) = card
                && (self.known.held.contains_key(id) || self.known.shunned.contains(id))
            {
                let text = format!("{id} is asked for though it is held or shunned");
                return Err(Violation::new("content", text));
            }
        }
        Ok(())
    }

    fn check_file(&self, file: &FileCard) -> Result<(), Violation> {
        self.check_readable("artifacts")?;
        self.check_name(&file.id, file.privacy)?;
        let Some(source) = &file.delta_source else { return Ok(()) };
        if file.privacy == Privacy::Public && self.model.privacy(source) == Some(Privacy::Private) {
            let text = format!("public {} is sent as a delta of private {source}", file.id);
            return Err(Violation::new("private", text));
        }
        if self.known.shunned.contains(source) {
            let text = format!("{} is sent as a delta of shunned {source}", file.id);
            return Err(Violation::new("shunned", text));
        }
        Ok(())
    }

    fn check_igot(&self, igot: &Igot) -> Result<(), Violation> {
        self.check_readable("names")?;
        if igot.privacy == Privacy::Private && self.asked.contains(&igot.id) {
            return Ok(());
        }
        self.check_name(&igot.id, igot.privacy)
    }

    fn check_name(&self, id: &ArtifactId, privacy: Privacy) -> Result<(), Violation> {
        let fail = |invariant, what: &str| Err(Violation::new(invariant, format!("{id} {what}")));
        if !self.known.held.contains_key(id) {
            return fail("content", "is offered and not held");
        }
        if self.known.shunned.contains(id) {
            return fail("shunned", "is offered though it is shunned");
        }
        let meant = self.model.privacy(id);
        match privacy {
            Privacy::Public if meant == Some(Privacy::Private) => {
                fail("private", "is private and sent as public")
            }
            Privacy::Public if self.known.private.contains(id) => {
                fail("private", "is private here and sent as public")
            }
            Privacy::Private if self.private == Leave::Denied => {
                fail("private", "is private, and sent to who may not see it")
            }
            Privacy::Public | Privacy::Private => Ok(()),
        }
    }

    fn check_readable(&self, what: &str) -> Result<(), Violation> {
        match self.read {
            Leave::Granted => Ok(()),
            Leave::Denied => Err(Violation::new("rights", format!("{what} are sent to who may not read"))),
        }
    }
}
