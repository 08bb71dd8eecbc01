//! The configuration file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::hours::Hours;
use super::keys::{self, Key, nearest};
use super::value::{AdminAddress, BasePath, Every, ProxyHeader, RequestBytes, Span, TrustedProxy};
use crate::exit::{Code, Failure, from_reading};

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Leaf {
    pub(super) listen: Option<SocketAddr>,
    pub(super) base_path: Option<BasePath>,
    pub(super) trusted_proxies: Option<Vec<TrustedProxy>>,
    pub(super) proxy_header: Option<ProxyHeader>,
    pub(super) tls_certificate: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) request_bytes: Option<RequestBytes>,
    pub(super) probes: Option<bool>,
    pub(super) page: Option<bool>,
    pub(super) admin: Option<AdminAddress>,
    pub(super) nats: Option<String>,
    pub(super) nats_login: Option<String>,
    pub(super) nats_password_file: Option<PathBuf>,
    pub(super) prefix: Option<String>,
    pub(super) socket: Option<PathBuf>,
    pub(super) registry: Option<Every>,
    pub(super) drain: Option<Span>,
    pub(super) defaults: Defaults,
    pub(super) repository: Vec<Repository>,
    pub(super) bridge: Vec<Bridge>,
}

/// A server that is answered for.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Bridge {
    pub(super) url: String,
    pub(super) project: Option<String>,
    pub(super) name: Option<String>,
    pub(super) timeout: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Repository {
    pub(super) file: PathBuf,
    pub(super) name: Option<String>,
    pub(super) project: Option<String>,
    pub(super) admin_user: Option<String>,
    pub(super) nats_login: Option<String>,
    pub(super) nats_password_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) peer: Vec<Peer>,
}

/// Makes what a peer may differ in: keys of its own, and of what holds for all.
macro_rules! manner {
    ($($key:ident: $kind:ty,)*) => {
        /// A peer: who it is, and what differs from the defaults.
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub(super) struct Peer {
            pub(super) url: String,
            pub(super) password: Option<String>,
            pub(super) password_file: Option<PathBuf>,
            $(pub(super) $key: Option<$kind>,)*
        }

        /// What holds for every peer that says nothing else.
        #[derive(Debug, Default, Clone, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub(super) struct Defaults {
            $(pub(super) $key: Option<$kind>,)*
        }

        impl Peer {
            pub(super) fn manner(&self) -> Defaults {
                Defaults { $($key: self.$key.clone(),)* }
            }
        }

        impl Defaults {
            /// What is said here, else what `other` says.
            pub(super) fn or(&self, other: &Self) -> Self {
                Self { $($key: self.$key.clone().or_else(|| other.$key.clone()),)* }
            }
        }
    };
}
manner! {
    pull: bool,
    push: bool,
    private: bool,
    unversioned: bool,
    tables: bool,
    poll: Every,
    jitter: u32,
    hours: Hours,
    retry: Span,
    retry_cap: Span,
    timeout: Span,
    send_bytes: u64,
    up_rate: u64,
    down_rate: u64,
    within: Span,
}

/// Shows neither address nor password.
impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

/// Shows no address, which may hold a password.
impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Leaf, Failure> {
    let text = fs::read_to_string(path).map_err(|error| from_reading(path, &error))?;
    parse(&text).map_err(|wrong| {
        let place = wrong.line.map_or_else(String::new, |line| format!(":{line}"));
        let what = format!("{}{place}: {}", path.display(), wrong.what);
        Failure::new(Code::Usage, what, wrong.hint)
    })
}

/// What is wrong with the text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: Option<usize>,
    pub(super) what: String,
    pub(super) hint: String,
}

/// Reads the text of a file.
pub(super) fn parse(text: &str) -> Result<Leaf, Wrong> {
    let table = DeTable::parse(text).map_err(|error| of_toml(text, &error))?;
    check_leaf(text, table.get_ref())?;
    // The error of this reader shows the line, and with it what may be a password: only its message is taken.
    toml::from_str(text).map_err(|error| of_toml(text, &error))
}

fn of_toml(text: &str, error: &toml::de::Error) -> Wrong {
    let line = error.span().map(|span| line_of(text, span.start));
    Wrong { line, what: error.message().to_owned(), hint: "see README.md, \"A fleet of leaves\"".to_owned() }
}

fn check_leaf(text: &str, table: &DeTable<'_>) -> Result<(), Wrong> {
    let known: Vec<&str> = names(&[keys::LEAF]).chain(keys::TABLES).collect();
    check(text, table, &known, "")?;
    if let Some(DeValue::Table(defaults)) = table.get("defaults").map(Spanned::get_ref) {
        check(text, defaults, &names(&[keys::PEER]).collect::<Vec<_>>(), " of [defaults]")?;
    }
    for repository in tables(table, "repository") {
        let known: Vec<&str> = names(&[keys::REPOSITORY]).chain(["peer"]).collect();
        check(text, repository, &known, " of [[repository]]")?;
        for peer in tables(repository, "peer") {
            let known: Vec<&str> = names(&[keys::ADDRESS, keys::PEER]).collect();
            check(text, peer, &known, " of [[repository.peer]]")?;
        }
    }
    for bridge in tables(table, "bridge") {
        check(text, bridge, &names(&[keys::BRIDGE]).collect::<Vec<_>>(), " of [[bridge]]")?;
    }
    Ok(())
}

fn names(lists: &[&'static [Key]]) -> impl Iterator<Item = &'static str> {
    lists.iter().flat_map(|keys| keys.iter()).map(|key| key.name)
}

/// The tables of an array of them.
fn tables<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> impl Iterator<Item = &'t DeTable<'i>> {
    let items = match table.get(name).map(Spanned::get_ref) {
        Some(DeValue::Array(items)) => items.iter().map(Spanned::get_ref).collect(),
        _ => Vec::new(),
    };
    items.into_iter().filter_map(|item| match item {
        DeValue::Table(table) => Some(table),
        _ => None,
    })
}

fn check(text: &str, table: &DeTable<'_>, known: &[&'static str], of: &str) -> Result<(), Wrong> {
    let Some(wrong) = table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) else {
        return Ok(());
    };
    let name = wrong.get_ref().as_ref();
    let nearest = nearest(name, known.iter().copied()).unwrap_or_default();
    Err(Wrong {
        line: Some(line_of(text, wrong.span().start)),
        what: format!("unknown key {name:?}{of}"),
        hint: format!("did you mean {nearest:?}?"),
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
