//! Who asks, where web servers stand before us: what they say in `X-Forwarded-*`, or in `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Longest name of a host that is shown.
const MAX_HOST_BYTES: usize = 255;

/// Which web servers are believed, and how they say who asks them. By default nobody is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Their addresses.
    pub proxies: Vec<Network>,
    /// What they write it into. They must replace what a client put there, or add to its end.
    pub header: ForwardHeader,
}

/// An address, or a network of them: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// How a web server says who asks it. What comes in the other way is not looked at: a client may have put it there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardHeader {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded`, with `for`, `proto` and `host`.
    Forwarded,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Who asks.
    pub(crate) address: IpAddr,
    pub(crate) site: Option<Site>,
}

/// The address that clients know us under, as a web server before us says it: `https://HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site(pub(crate) String);

/// What one web server says of whom it was asked by.
#[derive(Default)]
struct Hop<'a> {
    client: Option<IpAddr>,
    scheme: Option<&'a str>,
    host: Option<&'a str>,
}

impl Forwarding {
    /// Whether the one at this address is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|Network(network)| network.contains(&address))
    }

    /// Who sent a request that came over a connection from `from`. Each web server names the one before it, at the end;
    /// so far as those are believed, the way is followed back.
    pub(crate) fn origin(&self, from: IpAddr, headers: &HeaderMap) -> Origin {
        let mut origin = Origin { address: from, site: None };
        if !self.trusts(from) {
            return origin;
        }
        let (mut scheme, mut host) = (None, None);
        let hops = match self.header {
            ForwardHeader::XForwarded => {
                (scheme, host) = (last(headers, &X_PROTO), last(headers, &X_HOST));
                all(headers, &X_FOR)
                    .flat_map(|line| line.split(','))
                    .map(|client| Hop { client: address(client), ..Hop::default() })
                    .collect()
            }
            ForwardHeader::Forwarded => {
                all(headers, &FORWARDED).flat_map(|line| outside_quotes(line, ',')).map(hop).collect()
            }
        };
        let hops: Vec<Hop<'_>> = hops;
        for hop in hops.iter().rev() {
            (scheme, host) = (hop.scheme.or(scheme), hop.host.or(host));
            // One that says nothing of use ends the way: it is the last who is known.
            let Some(client) = hop.client else { break };
            origin.address = client;
            if !self.trusts(client) {
                break;
            }
        }
        origin.site = site(scheme, host.or_else(|| last(headers, &HOST)));
        origin
    }
}

impl Network {
    /// Whether every address is in it.
    pub fn is_everyone(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let network = address.or_else(|_| text.parse::<IpNet>().map(|network| network.trunc()));
        network.map(Self).map_err(|_| {
            format!("{text:?} is no address and no network; write it as 192.0.2.1 or 10.0.0.0/8")
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(network) = self;
        if network.prefix_len() == network.max_prefix_len() {
            return network.addr().fmt(f);
        }
        network.fmt(f)
    }
}

impl FromStr for ForwardHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "x-forwarded" => Ok(Self::XForwarded),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(format!("{text:?} is no header for this; there are x-forwarded and forwarded")),
        }
    }
}

impl std::fmt::Display for ForwardHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::XForwarded => "x-forwarded",
            Self::Forwarded => "forwarded",
        })
    }
}

const X_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

fn all<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    // What is no text says nothing: it ends the way there.
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"))
}

/// What the nearest web server put last.
fn last<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    all(headers, name).last()?.rsplit(',').next().map(str::trim)
}

fn hop(text: &str) -> Hop<'_> {
    let mut hop = Hop::default();
    for pair in outside_quotes(text, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.client = address(value),
            "proto" => hop.scheme = Some(value),
            "host" => hop.host = Some(value),
            _ => {}
        }
    }
    hop
}

/// The parts of a line between separators that are not in quotes.
fn outside_quotes(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    line.split(move |c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = plain.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

fn site(scheme: Option<&str>, host: Option<&str>) -> Option<Site> {
    let scheme =
        scheme.map(str::to_ascii_lowercase).filter(|scheme| scheme == "http" || scheme == "https")?;
    let is_host = |host: &&str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        !host.is_empty() && host.len() <= MAX_HOST_BYTES && host.bytes().all(fits)
    };
    Some(Site(format!("{scheme}://{}", host.filter(is_host)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(header: ForwardHeader, from: &str, headers: &[(&str, &str)]) -> (String, Option<String>) {
        let proxies = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"];
        let proxies = proxies.iter().map(|text| text.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let found = Forwarding { proxies, header }.origin(from.parse().unwrap(), &map);
        (found.address.to_string(), found.site.map(|Site(site)| site))
    }

    #[test]
    fn the_way_is_followed_back_as_far_as_each_is_believed() {
        const FOR: &str = "x-forwarded-for";
        type Headers = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Headers, &str)] = &[
            ("10.0.0.1", &[(FOR, "192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("192.0.2.9", &[(FOR, "192.0.2.1")], "192.0.2.9"),
            ("10.0.0.1", &[(FOR, "198.51.100.1, 192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(FOR, "198.51.100.1, 192.0.2.1, 10.9.9.9")], "192.0.2.1"),
            ("10.0.0.1", &[(FOR, "198.51.100.1"), (FOR, "192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(FOR, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", &[(FOR, "192.0.2.1, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(FOR, "192.0.2.1, unknown, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[(FOR, "192.0.2.1:5000")], "192.0.2.1"),
            ("10.0.0.1", &[(FOR, "::ffff:192.0.2.1")], "192.0.2.1"),
            ("2001:db8::1", &[(FOR, "[2001:db9::7]:80")], "2001:db9::7"),
            ("2001:db8::1", &[(FOR, "2001:db9::7")], "2001:db9::7"),
            ("10.0.0.1", &[("forwarded", "for=192.0.2.1")], "10.0.0.1"),
        ];
        for (from, headers, expected) in cases {
            assert_eq!(origin(ForwardHeader::XForwarded, from, headers).0, *expected, "{from} {headers:?}");
        }
        let cases: &[(Headers, &str)] = &[
            (&[("forwarded", "for=192.0.2.1;proto=https, for=10.0.0.2")], "192.0.2.1"),
            (&[("forwarded", "For=\"[2001:db9::7]:4711\"")], "2001:db9::7"),
            (&[("forwarded", "for=198.51.100.1, by=\"a,b\";for=192.0.2.1")], "192.0.2.1"),
            (&[("forwarded", "for=_hidden")], "10.0.0.1"),
            (&[(FOR, "192.0.2.1")], "10.0.0.1"),
        ];
        for (headers, expected) in cases {
            assert_eq!(origin(ForwardHeader::Forwarded, "10.0.0.1", headers).0, *expected, "{headers:?}");
        }
    }

    #[test]
    fn the_site_is_what_a_believed_server_says_and_nothing_that_is_no_host() {
        let x = |proto, host| {
            let headers = [("x-forwarded-proto", proto), ("x-forwarded-host", host), ("host", "inner:1")];
            origin(ForwardHeader::XForwarded, "10.0.0.1", &headers).1
        };
        assert_eq!(x("https", "code.example").as_deref(), Some("https://code.example"));
        assert_eq!(x("http", "[2001:db8::1]:81").as_deref(), Some("http://[2001:db8::1]:81"));
        assert_eq!(x("https", "evil.example, code.example").as_deref(), Some("https://code.example"));
        for (proto, host) in [("ftp", "h"), ("https", "<script>"), ("https", ""), ("https", "h/p")] {
            assert_eq!(x(proto, host), None, "{proto} {host}");
        }
        let own = [("x-forwarded-proto", "https"), ("host", "inner:1")];
        let found = |from| origin(ForwardHeader::XForwarded, from, &own).1;
        assert_eq!(found("10.0.0.1").as_deref(), Some("https://inner:1"));
        assert_eq!(found("192.0.2.9"), None, "who is not believed says nothing");
        let forwarded = [("forwarded", "for=192.0.2.1;proto=https;host=\"code.example:8443\"")];
        let found = origin(ForwardHeader::Forwarded, "127.0.0.1", &forwarded).1;
        assert_eq!(found.as_deref(), Some("https://code.example:8443"));
    }

    #[test]
    fn networks_are_written_as_people_do() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for text in ["", "host", "10.0.0.0/33", "10.0.0"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
