//! The configuration file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::hours::Hours;
use super::keys::{self, Key, nearest};
use super::value::{AdminAddress, BasePath, Every, ProxyHeader, RequestBytes, Span, TrustedProxy};
use super::wrongs::Wrongs;
use crate::exit::{Code, Failure, from_reading};

/// Keys whose values are shown in no error: they may hold a password.
const SECRET: [&str; 3] = ["password", "url", "nats"];

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
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Repository {
    pub(super) file: PathBuf,
    pub(super) name: Option<String>,
    pub(super) project: Option<String>,
    pub(super) admin_user: Option<String>,
    pub(super) nats_login: Option<String>,
    pub(super) nats_password_file: Option<PathBuf>,
    pub(super) hook: Vec<String>,
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

/// Reads the file. What is wrong with it is left out.
pub(super) fn read(path: &Path, wrongs: &mut Wrongs) -> Leaf {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            wrongs.add(from_reading(path, &error));
            return Leaf::default();
        }
    };
    let (leaf, found) = parse(&text);
    for Wrong { line, what, hint } in found {
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        wrongs.add(Failure::new(Code::Usage, format!("{}{place}: {what}", path.display()), hint));
    }
    leaf
}

/// What is wrong with the text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: Option<usize>,
    pub(super) what: String,
    pub(super) hint: String,
}

/// Reads the text of a file. What is wrong with it is left out, and told in the order of its lines.
pub(super) fn parse(text: &str) -> (Leaf, Vec<Wrong>) {
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => return (Leaf::default(), vec![of_toml(text, &error, None)]),
    };
    let mut wrong = Vec::new();
    drop_unknown(text, table.get_mut(), &mut wrong);
    let leaf = loop {
        let error = match Leaf::deserialize(Deserializer::from(table.clone())) {
            Ok(leaf) => break leaf,
            Err(error) => error,
        };
        let key = error.span().and_then(|span| take_out(table.get_mut(), span.start));
        wrong.push(of_toml(text, &error, key.as_deref()));
        if key.is_none() {
            break Leaf::default();
        }
    };
    wrong.sort_by_key(|wrong| wrong.line);
    (leaf, wrong)
}

/// What an error says of the value of a key. Of the error's text only the message is taken: the rest shows the line, and with
/// it what may be a password.
fn of_toml(text: &str, error: &toml::de::Error, key: Option<&str>) -> Wrong {
    let line = error.span().map(|span| line_of(text, span.start));
    let what = match key {
        Some(key) if SECRET.contains(&key) => format!("{key} has no value of its kind"),
        Some(key) => format!("{key}: {}", error.message()),
        None => error.message().to_owned(),
    };
    let example = key.and_then(|key| keys::all().find(|known| known.name == key));
    let hint = match example {
        Some(Key { name, example, .. }) => format!("write it like this: {name} = {example}"),
        None => "see README.md, \"A fleet of leaves\"".to_owned(),
    };
    Wrong { line, what, hint }
}

/// Takes out the innermost value that is at an offset of the text, and gives its key.
fn take_out(table: &mut DeTable<'_>, at: usize) -> Option<String> {
    for (_, value) in table.iter_mut() {
        let taken = match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, at),
            DeValue::Array(items) => items.iter_mut().find_map(|item| match item.get_mut() {
                DeValue::Table(inner) => take_out(inner, at),
                _ => None,
            }),
            _ => None,
        };
        if taken.is_some() {
            return taken;
        }
    }
    let is_there = |value: &Spanned<DeValue<'_>>| value.span().start == at || value.span().contains(&at);
    let (key, _) = table.iter().find(|(_, value)| is_there(value))?;
    let key = key.get_ref().clone().into_owned();
    table.remove(key.as_str());
    Some(key)
}

/// Drops keys that nobody knows, with a word on each.
fn drop_unknown(text: &str, table: &mut DeTable<'_>, wrong: &mut Vec<Wrong>) {
    let known: Vec<&str> = names(&[keys::LEAF]).chain(keys::TABLES).collect();
    check(text, table, &known, "", wrong);
    if let Some(DeValue::Table(defaults)) = table.get_mut("defaults").map(Spanned::get_mut) {
        check(text, defaults, &names(&[keys::PEER]).collect::<Vec<_>>(), " of [defaults]", wrong);
    }
    for repository in tables(table, "repository") {
        let known: Vec<&str> = names(&[keys::REPOSITORY]).chain(["peer"]).collect();
        check(text, repository, &known, " of [[repository]]", wrong);
        for peer in tables(repository, "peer") {
            let known: Vec<&str> = names(&[keys::ADDRESS, keys::PEER]).collect();
            check(text, peer, &known, " of [[repository.peer]]", wrong);
        }
    }
    for bridge in tables(table, "bridge") {
        check(text, bridge, &names(&[keys::BRIDGE]).collect::<Vec<_>>(), " of [[bridge]]", wrong);
    }
}

fn names(lists: &[&'static [Key]]) -> impl Iterator<Item = &'static str> {
    lists.iter().flat_map(|keys| keys.iter()).map(|key| key.name)
}

/// The tables of an array of them.
fn tables<'t, 'i>(table: &'t mut DeTable<'i>, name: &str) -> impl Iterator<Item = &'t mut DeTable<'i>> {
    let items = match table.get_mut(name).map(Spanned::get_mut) {
        Some(DeValue::Array(items)) => items.iter_mut(),
        _ => std::slice::IterMut::default(),
    };
    items.filter_map(|item| match item.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    })
}

fn check(text: &str, table: &mut DeTable<'_>, known: &[&'static str], of: &str, wrong: &mut Vec<Wrong>) {
    let unknown: Vec<_> =
        table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).cloned().collect();
    for key in unknown {
        let name = key.get_ref().as_ref();
        let nearest = nearest(name, known.iter().copied()).unwrap_or_default();
        wrong.push(Wrong {
            line: Some(line_of(text, key.span().start)),
            what: format!("unknown key {name:?}{of}"),
            hint: format!("did you mean {nearest:?}?"),
        });
        table.remove(name);
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
