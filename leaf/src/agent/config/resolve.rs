//! Puts flags, environment, file and defaults together, and checks them.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sync::http::Password;
use sync::http::serve::{ForwardHeader, Forwarding};
use sync::nats::{Broker, Topic};

use super::file::{self, Defaults};
use super::flags::{Flags, Source};
use super::wrongs::Wrongs;
use super::{Address, Config, Peer, Repository, Secret, TlsFiles, bridges};
use crate::exit::{Code, Failure};
use crate::login;
use crate::remote::{self, Remote};

/// How far an interval may vary, in percent.
const MAX_JITTER_PERCENT: u32 = 50;

/// What the leaf is to do, or the first thing that is wrong with that.
pub(crate) fn load(flags: &Flags) -> Result<Config, Failure> {
    load_or_all_wrong(flags).map_err(|mut wrong| wrong.remove(0))
}

/// What the leaf is to do, or all that is wrong with that: one thing at least.
pub(crate) fn load_or_all_wrong(flags: &Flags) -> Result<Config, Vec<Failure>> {
    let path = match (&flags.source.repository, &flags.source.config) {
        (Some(_), _) => None,
        (None, None) if !flags.bridges.is_empty() => None,
        (None, _) => Some(config_file(&flags.source).map_err(|failure| vec![failure])?),
    };
    let mut wrongs = Wrongs::default();
    let mut said = path.as_deref().map(|path| file::read(path, &mut wrongs)).unwrap_or_default();
    let directory = path.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    take_flags(flags, &mut said, &mut wrongs);
    let manner = flags.manner();
    let has_broker = flags.nats.is_some() || said.nats.is_some();
    let nats = wrongs.keep(broker(flags, said.nats.as_deref())).flatten();
    let mut repositories = Vec::new();
    for of_file in &said.repository {
        let manner_of = |peer: &file::Peer| manner.or(&peer.manner()).or(&said.defaults);
        let mut repository = repository(of_file, &directory, manner_of, &mut wrongs);
        if let Some(broker) = &nats {
            let met = broker_login(flags, &said, of_file, &directory)
                .and_then(|login| on_the_broker(broker, login, &manner.or(&said.defaults)));
            repository.peers.extend(wrongs.keep(met));
        }
        repositories.push(repository);
    }
    check(&repositories, &mut wrongs);
    let bridges = bridges::all(&said.bridge, has_broker, &mut wrongs);
    let tls = wrongs.keep(tls_files(flags, &said, &directory)).flatten();
    let forwarding = forwarding(flags, &said);
    let socket = flags.source.socket.clone().or_else(|| said.socket.map(|socket| directory.join(socket)));
    wrongs.end(Config {
        listen: flags.listen.or(said.listen),
        base_path: flags.base_path.clone().or(said.base_path).map(|path| path.0).unwrap_or_default(),
        forwarding,
        tls,
        request_bytes: flags.request_bytes.or(said.request_bytes).unwrap_or_default(),
        probes: flags.probes || said.probes.unwrap_or(false),
        page: flags.page || said.page.unwrap_or(false),
        admin: flags.admin.or(said.admin).map(|address| address.0),
        socket: socket.unwrap_or_else(|| {
            let first = repositories.first().map(|repository| repository.file.as_path());
            default_socket(first.or(path.as_deref()).unwrap_or(Path::new("bridge")))
        }),
        nats,
        prefix: flags.prefix.clone().or(said.prefix).unwrap_or_else(|| Topic::PREFIX.to_owned()),
        registry: flags.registry.or(said.registry).and_then(super::value::Every::time),
        drain: flags.drain.or(said.drain).map_or(Duration::from_secs(25), |span| span.0),
        file: path,
        repositories,
        bridges,
    })
}

/// Puts the repository and the bridges that flags name in their place.
fn take_flags(flags: &Flags, said: &mut file::Leaf, wrongs: &mut Wrongs) {
    if let Some(file) = &flags.source.repository {
        said.repository = wrongs.keep(of_flags(file.clone(), flags)).into_iter().collect();
    } else if !flags.peers.is_empty() {
        wrongs.add(misuse(
            "--peer is for the repository of -R FILE",
            "put the peers into the configuration file",
        ));
    }
    said.bridge.extend(flags.bridges.iter().map(|text| bridges::said_by_flag(text)));
    // Where something could not be read, that may have been one.
    if said.repository.is_empty() && said.bridge.is_empty() && wrongs.is_empty() {
        wrongs.add(misuse(
            "there is no repository to keep in step",
            "name one with -R FILE, or in a [[repository]] of the configuration file",
        ));
    }
}

/// Where the leaf of a configuration listens that has something wrong, as far as that can still be read.
pub(crate) fn socket_of_broken(source: &Source) -> Option<PathBuf> {
    if let Some(file) = &source.repository {
        return Some(default_socket(file));
    }
    let path = config_file(source).ok()?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let said: toml::Table = std::fs::read_to_string(&path).ok()?.parse().ok()?;
    let text =
        |value: Option<&toml::Value>| value.and_then(toml::Value::as_str).map(|text| directory.join(text));
    let first = || said.get("repository")?.as_array()?.first()?.get("file");
    text(said.get("socket")).or_else(|| Some(default_socket(text(first()).as_deref().unwrap_or(&path))))
}

/// Whose word counts for who asks.
fn forwarding(flags: &Flags, said: &file::Leaf) -> Forwarding {
    let of_file = said.trusted_proxies.as_deref().unwrap_or_default();
    let proxies = if flags.trusted_proxies.is_empty() { of_file } else { &flags.trusted_proxies };
    Forwarding {
        proxies: proxies.iter().map(|proxy| proxy.0).collect(),
        header: flags.proxy_header.or(said.proxy_header).map_or(ForwardHeader::default(), |header| header.0),
    }
}

fn tls_files(flags: &Flags, said: &file::Leaf, directory: &Path) -> Result<Option<TlsFiles>, Failure> {
    let file = |flag: &Option<PathBuf>, said: &Option<PathBuf>| {
        flag.clone().or_else(|| said.as_ref().map(|file| directory.join(file)))
    };
    let certificate = file(&flags.tls_certificate, &said.tls_certificate);
    match (certificate, file(&flags.tls_key, &said.tls_key)) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(misuse("tls-certificate without tls-key", "name the file of its key too")),
        (None, Some(_)) => Err(misuse("tls-key without tls-certificate", "name its certificate too")),
    }
}

/// The configuration file that is meant.
fn config_file(source: &Source) -> Result<PathBuf, Failure> {
    if let Some(file) = &source.config {
        return Ok(file.clone());
    }
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
    let user = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    let places = user.into_iter().chain([PathBuf::from("/etc")]).map(|place| place.join("frond/leaf.toml"));
    let found = places.into_iter().find(|file| file.is_file());
    found.ok_or_else(|| {
        misuse("no repository and no configuration file is named", "give -R FILE or --config FILE")
    })
}

/// The one repository that flags name.
fn of_flags(file: PathBuf, flags: &Flags) -> Result<file::Repository, Failure> {
    let mut peer = Vec::new();
    for url in &flags.peers {
        if Remote::read(url).is_ok_and(|remote| remote.has_secret()) {
            return Err(misuse(
                "a password on the command line or in FROND_LEAF_PEERS is seen by others",
                "put it in FROND_PASSWORD, in a file that FROND_PASSWORD_FILE names, or in a configuration file",
            ));
        }
        peer.push(file::Peer { url: url.clone(), ..file::Peer::default() });
    }
    if peer.is_empty() {
        peer.extend(remembered(&file).map(|url| file::Peer { url, ..file::Peer::default() }));
    }
    Ok(file::Repository { file, project: flags.project.clone(), peer, ..file::Repository::default() })
}

/// The server that a repository was synchronized with last.
fn remembered(file: &Path) -> Option<String> {
    let mut repo = repo::Repo::open_read_only(file).ok()?;
    sync::client::remembered_url(&repo.snapshot().ok()?).ok()?
}

fn repository(
    said: &file::Repository,
    directory: &Path,
    manner: impl Fn(&file::Peer) -> Defaults,
    wrongs: &mut Wrongs,
) -> Repository {
    let file = directory.join(&said.file);
    let stem = said.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = said.name.clone().or(stem).unwrap_or_default();
    if said.file.as_os_str().is_empty() {
        wrongs.add(misuse("a repository has no file", "add file = \"...\" to its [[repository]]"));
    } else if name.is_empty()
        || name.starts_with(['.', '-'])
        || name.contains(['/', '\\'])
        || name.contains(char::is_control)
    {
        wrongs.add(misuse(&format!("{name:?} is no name for a repository"), "give it one with the key name"));
    }
    let read = |said_of: &file::Peer| {
        peer(said_of, &manner(said_of), directory).map_err(|mut failure| {
            failure.what = format!("repository {name}: {}", failure.what);
            failure
        })
    };
    let peers = said.peer.iter().filter_map(|said_of| wrongs.keep(read(said_of))).collect();
    if let Some(project) = said.project.as_deref().filter(|text| !remote::is_project_code(text)) {
        let what = format!("repository {name}: {}", remote::no_project_code(project));
        wrongs.add(misuse(&what, "write the whole code of the project"));
    }
    let (project, admin_user, hook) = (said.project.clone(), said.admin_user.clone(), said.hook.clone());
    Repository { name, file, project, admin_user, hook, peers }
}

fn peer(said: &file::Peer, manner: &Defaults, directory: &Path) -> Result<Peer, Failure> {
    let address = address(&said.url, directory)?;
    let password = password(said, &address, directory)?;
    peer_of(address, password, manner)
}

fn peer_of(address: Address, password: Secret, manner: &Defaults) -> Result<Peer, Failure> {
    let peer = Peer {
        password,
        pull: manner.pull.unwrap_or(true),
        push: manner.push.unwrap_or(true),
        private: manner.private.unwrap_or(false),
        unversioned: manner.unversioned.unwrap_or(false),
        tables: manner.tables.unwrap_or(true),
        poll: manner.poll.map_or(Some(Duration::from_secs(5)), super::value::Every::time),
        jitter_percent: manner.jitter.unwrap_or(10),
        hours: manner.hours.clone(),
        retry: manner.retry.map_or(Duration::from_secs(1), |span| span.0),
        retry_cap: manner.retry_cap.map_or(Duration::from_secs(300), |span| span.0),
        timeout: manner.timeout.map_or(Duration::from_secs(60), |span| span.0),
        send_bytes: manner.send_bytes.unwrap_or(250_000),
        up_rate: manner.up_rate,
        down_rate: manner.down_rate,
        within: manner.within.map(|span| span.0),
        address,
    };
    let wrong = |what: &str, hint: &str| Err(misuse(&format!("peer {}: {what}", peer.address), hint));
    if !peer.pull && !peer.push && !peer.unversioned {
        return wrong("neither pull nor push", "leave one of them on, or take the peer out");
    }
    if peer.jitter_percent > MAX_JITTER_PERCENT {
        return wrong("jitter above 50", "an interval varies by 50 percent at most");
    }
    if peer.up_rate == Some(0) || peer.down_rate == Some(0) {
        return wrong("a rate of 0 bytes", "leave the key out for no limit");
    }
    if peer.send_bytes == 0 {
        return wrong("a budget of 0 bytes", "leave the key out for 250,000");
    }
    Ok(peer)
}

/// The broker of the leaf.
fn broker(flags: &Flags, said: Option<&str>) -> Result<Option<Broker>, Failure> {
    match &flags.nats {
        Some(text) => remote::broker_of_flag(text).map(Some),
        None => said.map(remote::broker).transpose(),
    }
}

/// Who logs in to the copies of a repository on the leaf's broker, and the password.
fn broker_login(
    flags: &Flags,
    said: &file::Leaf,
    of: &file::Repository,
    directory: &Path,
) -> Result<(Option<String>, Secret), Failure> {
    let of_file = of.nats_password_file.as_ref().or(said.nats_password_file.as_ref());
    let file = flags.nats_password_file.clone().or_else(|| of_file.map(|file| directory.join(file)));
    let login = flags.nats_login.as_ref().or(of.nats_login.as_ref()).or(said.nats_login.as_ref());
    let Some(login) = login else {
        return match file {
            Some(_) => Err(misuse("nats-password-file without nats-login", "say whose password it is")),
            None => Ok((None, Secret::None)),
        };
    };
    let found = |text: String, origin| Secret::Found { password: Password(text), origin };
    let password = match &file {
        Some(file) => found(login::first_line(file, "nats-password-file")?, "its nats-password-file"),
        None => login::from_environment()?.map_or(Secret::None, |text| found(text, "the environment")),
    };
    if password == Secret::None && !repo::user::is_special(login) {
        let hint = "name a file with nats-password-file, or put it in FROND_PASSWORD";
        return Err(misuse(&format!("there is no password for nats-login {login:?}"), hint));
    }
    Ok((Some(login.clone()), password))
}

/// Whoever is on the leaf's broker, as a peer.
fn on_the_broker(
    broker: &Broker,
    (login, password): (Option<String>, Secret),
    manner: &Defaults,
) -> Result<Peer, Failure> {
    let broker = format!("{}://{}", broker.scheme(), broker.authority());
    peer_of(Address::Meeting { broker, login }, password, manner)
}

fn address(text: &str, directory: &Path) -> Result<Address, Failure> {
    if text.is_empty() {
        return Err(misuse("a peer has no url", "add url = \"...\" to its [[repository.peer]]"));
    }
    if let Some(path) = text.strip_prefix("file://") {
        return Ok(Address::File(directory.join(path)));
    }
    if !text.contains("://") {
        return Ok(Address::File(directory.join(text)));
    }
    Remote::read(text).map(Address::Remote)
}

/// The password of a peer: that of its address, else of its keys, else of the environment.
fn password(said: &file::Peer, address: &Address, directory: &Path) -> Result<Secret, Failure> {
    let found = |text: String, origin| Ok(Secret::Found { password: Password(text), origin });
    let Address::Remote(remote) = address else { return Ok(Secret::None) };
    if remote.user().is_none() {
        return Ok(Secret::None);
    }
    if let Some(Password(text)) = remote.password().filter(|password| !password.0.is_empty()) {
        return found(text.clone(), "its url");
    }
    if let Some(text) = &said.password {
        return found(text.clone(), "the key password");
    }
    if let Some(file) = &said.password_file {
        return found(login::first_line(&directory.join(file), "password-file")?, "its password-file");
    }
    login::from_environment()?.map_or(Ok(Secret::None), |text| found(text, "the environment"))
}

/// Nothing may be there twice, and no repository be its own peer.
fn check(repositories: &[Repository], wrongs: &mut Wrongs) {
    let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
    for repository in repositories {
        if !names.insert(&repository.name) {
            let what = format!("two repositories are called {:?}", repository.name);
            wrongs.add(misuse(&what, "give one of them another name with the key name"));
        }
        if !files.insert(&repository.file) {
            let what = format!("{} is there twice", repository.file.display());
            wrongs.add(misuse(&what, "put all peers of a file under one [[repository]]"));
        }
        let mut addresses = BTreeSet::new();
        for peer in &repository.peers {
            let shown = peer.address.to_string();
            if peer.address == Address::File(repository.file.clone()) {
                wrongs.add(misuse(&format!("{shown} is its own peer"), "name another file"));
            }
            if !addresses.insert(shown.clone()) {
                let what = format!("repository {}: peer {shown} is there twice", repository.name);
                wrongs.add(misuse(&what, "keep one of them"));
            }
        }
    }
}

/// The socket that a leaf and its commands find without being told: that of the service, else beside the first
/// repository, or the configuration file of a leaf without one.
fn default_socket(first: &Path) -> PathBuf {
    if let Some(runtime) = env::var_os("RUNTIME_DIRECTORY").filter(|value| !value.is_empty()) {
        return Path::new(&runtime).join("leaf.sock");
    }
    let mut name = first.as_os_str().to_owned();
    name.push(".leaf");
    PathBuf::from(name)
}

pub(super) fn misuse(what: &str, hint: &str) -> Failure {
    Failure::new(Code::Usage, what, hint)
}
