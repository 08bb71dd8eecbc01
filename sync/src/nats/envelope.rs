//! The headers of a message. One without any is a round of an agent that knows only the plain form.

use async_nats::{HeaderMap, HeaderValue};
use xfer::body::ContentType;

use super::part::{Ack, Part};
use super::topic::PeerId;
use crate::{PeerFault, TraceContext};

/// Names of headers. They are read whatever the case of their letters.
mod name {
    pub(super) const CONTENT_TYPE: &str = "Content-Type";
    /// Who sends.
    pub(super) const PEER: &str = "Frond-Peer";
    /// In a request: longest reply that may come in parts, in bytes.
    pub(super) const TAKES: &str = "Frond-Takes";
    /// In a request: longest message of a reply, in bytes.
    pub(super) const PART_BYTES: &str = "Frond-Part-Bytes";
    /// The body follows in parts, and has so many bytes.
    pub(super) const BODY: &str = "Frond-Body";
    pub(super) const PART: &str = "Frond-Part";
    pub(super) const ACK: &str = "Frond-Ack";
    pub(super) const ERROR: &str = "Frond-Error";
    /// Sent to see whether somebody is there.
    pub(super) const PROBE: &str = "Frond-Probe";
}

/// What the headers of a message say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) content_type: Option<ContentType>,
    pub(super) peer: Option<PeerId>,
    pub(super) takes: Option<u64>,
    pub(super) part_bytes: Option<u64>,
    pub(super) body: Option<u64>,
    pub(super) part: Option<Part>,
    pub(super) ack: Option<Ack>,
    pub(super) error: Option<PeerFault>,
    pub(super) is_probe: bool,
    /// The trace that a request belongs to: carried for others.
    pub(super) trace: Option<TraceContext>,
}

/// A header that is none of ours in a message that has one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header {name} of a message says {value:?}")]
pub(super) struct BadHeader {
    name: &'static str,
    value: String,
}

impl Envelope {
    pub(super) fn read(headers: Option<&HeaderMap>) -> Result<Self, BadHeader> {
        let mut envelope = Self::default();
        let Some(headers) = headers else { return Ok(envelope) };
        let (mut parent, mut state) = (None, None);
        for (name, values) in headers.iter() {
            let (name, values): (&str, _) = (name.as_ref(), values.iter().map(HeaderValue::as_str));
            for value in values {
                if name.eq_ignore_ascii_case(TraceContext::PARENT) {
                    parent = Some(value);
                } else if name.eq_ignore_ascii_case(TraceContext::STATE) {
                    state = Some(value);
                } else {
                    envelope.read_one(name, value)?;
                }
            }
        }
        envelope.trace = parent.and_then(|parent| TraceContext::new(parent, state));
        Ok(envelope)
    }

    fn read_one(&mut self, name: &str, value: &str) -> Result<(), BadHeader> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is(name::CONTENT_TYPE) {
            self.content_type = Some(good(name::CONTENT_TYPE, value, ContentType::parse)?);
        } else if is(name::PEER) {
            self.peer = Some(good(name::PEER, value, |text| PeerId::new(text).ok())?);
        } else if is(name::TAKES) {
            self.takes = Some(good(name::TAKES, value, |text| text.parse().ok())?);
        } else if is(name::PART_BYTES) {
            self.part_bytes = Some(good(name::PART_BYTES, value, |text| text.parse().ok())?);
        } else if is(name::BODY) {
            self.body = Some(good(name::BODY, value, |text| text.parse().ok())?);
        } else if is(name::PART) {
            self.part = Some(good(name::PART, value, Part::read)?);
        } else if is(name::ACK) {
            self.ack = Some(good(name::ACK, value, Ack::read)?);
        } else if is(name::ERROR) {
            self.error = Some(read_fault(value));
        } else if is(name::PROBE) {
            self.is_probe = true;
        }
        Ok(())
    }

    pub(super) fn write(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = self.content_type {
            headers.insert(name::CONTENT_TYPE, content_type.as_str());
        }
        let fields = [
            (name::PEER, self.peer.as_ref().map(ToString::to_string)),
            (name::TAKES, self.takes.map(|bytes| bytes.to_string())),
            (name::PART_BYTES, self.part_bytes.map(|bytes| bytes.to_string())),
            (name::BODY, self.body.map(|bytes| bytes.to_string())),
            (name::PART, self.part.map(|part| part.to_string())),
            (name::ACK, self.ack.map(|ack| ack.to_string())),
            (name::ERROR, self.error.map(|fault| fault_name(fault).to_owned())),
            (name::PROBE, self.is_probe.then(|| "1".to_owned())),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        for (name, value) in self.trace.iter().flat_map(TraceContext::fields) {
            headers.insert(name, value);
        }
        headers
    }
}

fn good<T>(name: &'static str, value: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, BadHeader> {
    read(value.trim()).ok_or_else(|| BadHeader { name, value: value.chars().take(80).collect() })
}

const FAULTS: [(PeerFault, &str); 7] = [
    (PeerFault::Busy, "busy"),
    (PeerFault::Unreachable, "unreachable"),
    (PeerFault::Gone, "gone"),
    (PeerFault::Failed, "failed"),
    (PeerFault::TooLong, "too-long"),
    (PeerFault::Malformed, "malformed"),
    (PeerFault::Own, "own"),
];

fn fault_name(fault: PeerFault) -> &'static str {
    FAULTS.into_iter().find(|(known, _)| *known == fault).map_or("failed", |(_, name)| name)
}

/// A class that is not known is that of a failure.
fn read_fault(value: &str) -> PeerFault {
    let value = value.trim();
    FAULTS.into_iter().find(|(_, name)| *name == value).map_or(PeerFault::Failed, |(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let envelope = Envelope {
            content_type: Some(ContentType::Uncompressed),
            peer: Some(PeerId::new("a-1").unwrap()),
            takes: Some(1 << 40),
            part_bytes: Some(1024),
            body: Some(7),
            part: Some(Part { number: 3, offset: 9, sum: 0xab }),
            ack: Some(Ack { next: 4, credit: 16, resend: true }),
            error: Some(PeerFault::Own),
            is_probe: true,
            trace: TraceContext::new(&format!("00-{:032x}-{:016x}-01", 1, 2), Some("vendor=1")),
        };
        assert_eq!(Envelope::read(Some(&envelope.write())), Ok(envelope));
        assert_eq!(Envelope::read(None), Ok(Envelope::default()));
        assert!(Envelope::default().write().is_empty());
        for (fault, name) in FAULTS {
            assert_eq!((fault_name(fault), read_fault(name)), (name, fault));
        }
        assert_eq!(read_fault("no-such-class"), PeerFault::Failed);
    }

    #[test]
    fn names_have_no_case_and_values_are_checked() {
        let read = |name: &str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value);
            Envelope::read(Some(&headers))
        };
        assert_eq!(
            read("content-TYPE", "application/x-fossil; a=b").unwrap().content_type,
            Some(ContentType::Compressed)
        );
        assert_eq!(read("x-other", "?").unwrap(), Envelope::default());
        for (name, value) in [
            ("Content-Type", "text/html"),
            ("frond-peer", "a.b"),
            ("frond-peer", ""),
            ("frond-body", "-1"),
            ("frond-takes", "99999999999999999999"),
            ("frond-part", "1 2"),
            ("frond-ack", "x"),
        ] {
            assert!(read(name, value).is_err(), "{name}: {value}");
        }
    }
}
