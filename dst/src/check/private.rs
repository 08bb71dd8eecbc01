//! No private artifact leaves, nor the name of one, but to who may see it; and what was meant to be private is known
//! to be.

use xfer::ArtifactId;
use xfer::card::{FileCard, Igot, Privacy};

use super::wire::{Leave, Sending};
use crate::known::Known;
use crate::model::{Model, Violation};

/// Looks at one repository.
pub fn check(now: &Known, model: &Model) -> Result<(), Violation> {
    for id in now.held.keys().filter(|id| !now.private.contains(id)) {
        if model.privacy(id) == Some(Privacy::Private) {
            return fail(id, "was meant to be private, and is public");
        }
    }
    Ok(())
}

/// An artifact that is sent or announced as this private.
pub(super) fn check_sent(sending: &Sending<'_>, id: &ArtifactId, privacy: Privacy) -> Result<(), Violation> {
    let meant = sending.model.privacy(id);
    match privacy {
        Privacy::Public if meant == Some(Privacy::Private) => fail(id, "is private and sent as public"),
        Privacy::Public if sending.known.private.contains(id) => {
            fail(id, "is private here and sent as public")
        }
        Privacy::Private if sending.private == Leave::Denied => {
            fail(id, "is private, and sent to who may not see it")
        }
        Privacy::Public | Privacy::Private => Ok(()),
    }
}

/// A name: who asked for it knows it already.
pub(super) fn check_announced(sending: &Sending<'_>, igot: &Igot) -> Result<(), Violation> {
    if igot.privacy == Privacy::Private && sending.asked.contains(&igot.id) {
        return Ok(());
    }
    check_sent(sending, &igot.id, igot.privacy)
}

/// What a public artifact is a delta of.
pub(super) fn check_source(
    sending: &Sending<'_>,
    file: &FileCard,
    source: &ArtifactId,
) -> Result<(), Violation> {
    if file.privacy == Privacy::Public && sending.model.privacy(source) == Some(Privacy::Private) {
        return fail(&file.id, &format!("is public and sent as a delta of private {source}"));
    }
    Ok(())
}

fn fail(id: &ArtifactId, what: &str) -> Result<(), Violation> {
    Err(Violation::new("private", format!("{id} {what}")))
}
