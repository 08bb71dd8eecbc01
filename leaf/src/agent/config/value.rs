//! Values of the configuration in their own forms.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sync::http::serve::{ForwardHeader, Network, ServeOptions};
use xfer::DecodeLimits;

/// A time: `5s`, `1m 30s`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// How often: a time, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Every {
    Off,
    Time(Duration),
}

/// Where probes are: `ADDR:PORT`, or a port, which is one of loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminAddress(pub(crate) SocketAddr);

/// A web server before us that is believed, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrustedProxy(pub(crate) Network);

/// How those say who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProxyHeader(pub(crate) ForwardHeader);

/// A path to serve under: empty, or `/p` without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BasePath(pub(crate) String);

/// Bytes of the longest request that is taken: a million, lest nothing gets through, to 1 GiB, which no body exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestBytes(pub(crate) usize);

/// Longest time that may be given: a year.
const MAX_SPAN: Duration = Duration::from_secs(365 * 24 * 3600);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time; write it as 5s, 1m30s or 2h");
        let time: SignedDuration = text.parse().map_err(|_| wrong())?;
        let time = Duration::try_from(time).map_err(|_| wrong())?;
        match time {
            Duration::ZERO => Err(format!("{text:?} is no time to wait")),
            time if time >= MAX_SPAN => Err(format!("{text:?} is longer than a year")),
            time => Ok(Self(time)),
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let Span(time) = text.parse().map_err(|error| format!("{error}, or as off"))?;
        Ok(Self::Time(time))
    }
}

impl Every {
    pub(crate) fn time(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Time(time) => Some(time),
        }
    }
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(port) = text.trim_start_matches(':').parse() {
            return Ok(Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
        }
        let wrong = |_| format!("{text:?} is no address; write it as 9090 or 127.0.0.1:9090");
        text.parse().map(Self).map_err(wrong)
    }
}

/// Where to listen for others.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        |_| format!("{text:?} is no address; write it as 127.0.0.1:8080, or 0.0.0.0:8080 for other machines");
    text.parse().map_err(wrong)
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.trim_end_matches('/');
        let fits =
            path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~'));
        if !fits || !(path.is_empty() || path.starts_with('/')) || path.contains("//") {
            return Err(
                "a base path begins with / and has letters, digits and -_.~ between its slashes".to_owned()
            );
        }
        Ok(Self(path.to_owned()))
    }
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl FromStr for ProxyHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl Default for RequestBytes {
    fn default() -> Self {
        Self(ServeOptions::REQUEST_BYTES)
    }
}

impl TryFrom<usize> for RequestBytes {
    type Error = String;

    fn try_from(bytes: usize) -> Result<Self, String> {
        let most = DecodeLimits::default().body_bytes;
        if (1_000_000..=most).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(format!("the longest request is of 1000000 to {most} bytes"))
        }
    }
}

impl FromStr for RequestBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<usize>().map_err(|error| format!("{text:?}: {error}"))?.try_into()
    }
}

impl<'de> Deserialize<'de> for RequestBytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        usize::deserialize(from)?.try_into().map_err(D::Error::custom)
    }
}

/// Reads a value from its text in a file.
macro_rules! from_text {
    ($($kind:ty),*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
from_text!(Span, Every, AdminAddress, BasePath, TrustedProxy, ProxyHeader, super::Hours);

/// A time as people write it.
pub(crate) fn shown(time: Duration) -> String {
    SignedDuration::try_from(time).map_or_else(|_| "for ever".to_owned(), |time| format!("{time:#}"))
}

impl fmt::Display for RequestBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Time(time) => f.write_str(&shown(*time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        for (text, seconds) in [("5s", 5), ("1m 30s", 90), ("1m30s", 90), ("2h", 7200), ("10 minutes", 600)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["5", "", "-5s", "0s", "20000h", "soon", "off"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("off".parse(), Ok(Every::Off));
        assert_eq!("5s".parse(), Ok(Every::Time(Duration::from_secs(5))));
    }

    #[test]
    fn the_longest_request_is_bounded_either_way() {
        for (text, fits) in
            [("999999", false), ("1000000", true), ("1073741824", true), ("1073741825", false)]
        {
            assert_eq!(text.parse::<RequestBytes>().is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        for (text, address) in [
            ("9090", "127.0.0.1:9090"),
            (":9090", "127.0.0.1:9090"),
            ("[::1]:1", "[::1]:1"),
            ("0.0.0.0:2", "0.0.0.0:2"),
        ] {
            assert_eq!(text.parse(), Ok(AdminAddress(address.parse().unwrap())), "{text}");
        }
        assert!("here".parse::<AdminAddress>().is_err());
    }
}
