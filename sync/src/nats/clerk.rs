//! Who knows the answers to requests of a broker: a repository of this machine, or a server that is asked in turn.

use std::time::Duration;

use super::bridge::Hub;
use super::line::Room;
use crate::http::serve::{Memory, Place, ServeOptions, Trouble, XferService};
use crate::{Carrier, PeerFault, TransportError, TurnedAway};

/// Who knows the answers.
#[derive(Clone)]
pub(super) enum Clerk {
    /// A repository of this machine.
    Own(XferService, Place),
    /// A server that is asked in turn.
    Hub(Hub),
}

/// Why a request gets no reply but a word.
pub(super) struct Refused {
    pub(super) fault: PeerFault,
    pub(super) text: String,
}

impl Clerk {
    /// Tells of a request that is turned away before it has come whole.
    pub(super) fn turned_away(&self, reason: TurnedAway) {
        let doorman = match self {
            Self::Own(service, _) => &service.options().turned_away,
            Self::Hub(hub) => hub.doorman(),
        };
        doorman(Carrier::Nats, reason);
    }

    /// What requests take that are being read.
    pub(super) fn requests(&self) -> &Memory {
        match self {
            Self::Own(service, _) => service.requests(),
            Self::Hub(hub) => hub.requests(),
        }
    }

    /// What helps where a reply does not go in one message.
    pub(super) fn how_to_shorten(&self) -> &'static str {
        match self {
            Self::Own(..) => "an artifact is as long as that; raise max_payload of the broker",
            Self::Hub(_) => {
                "lower the setting max-download of the server, or raise max_payload of the broker"
            }
        }
    }

    /// Bytes a second that a peer sends or takes at least.
    pub(super) fn least_rate(&self) -> u64 {
        match self {
            Self::Own(service, _) => service.options().least_rate,
            Self::Hub(_) => ServeOptions::default().least_rate,
        }
    }

    pub(super) fn request_bytes(&self) -> usize {
        match self {
            Self::Own(service, _) => service.options().decode.body_bytes,
            Self::Hub(hub) => hub.request_bytes(),
        }
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        match self {
            Self::Own(service, _) => service.options().idle_timeout,
            Self::Hub(hub) => hub.idle_timeout(),
        }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        let fault = match trouble {
            Trouble::Gone => PeerFault::Gone,
            Trouble::Busy | Trouble::Full => PeerFault::Busy,
            Trouble::DiskFull | Trouble::Failed => PeerFault::Failed,
        };
        Self { fault, text: trouble.text().to_owned() }
    }
}

/// The talk itself failed: as a rule nobody hears it.
impl From<TransportError> for Refused {
    fn from(error: TransportError) -> Self {
        Self { fault: PeerFault::Malformed, text: error.to_string() }
    }
}

/// Why a request in parts did not come whole.
pub(super) fn reason(error: &TransportError) -> TurnedAway {
    match error {
        TransportError::TimedOut { peer, .. } if peer == Room::MEMORY => TurnedAway::NoRoom,
        _ => TurnedAway::Late,
    }
}
