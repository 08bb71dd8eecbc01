//! How a broker is asked to let us in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::address::{AddressError, Broker, Security, read_places, split_scheme, usual_port};
use crate::http::Password;

/// Longest file that is read for a seed or a context, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Who asks, and the certificates of the connection. Secrets never show in what is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Name of a user of the broker.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Password>,
    /// A token, in the place of a user.
    pub token: Option<Password>,
    /// A file of credentials: a signed token and the seed that goes with it.
    pub credentials: Option<PathBuf>,
    /// A file with the seed of a key (`nk`).
    pub nkey: Option<PathBuf>,
    /// A PEM file with the authorities to trust; none: those of the system.
    pub authorities: Option<PathBuf>,
    /// A PEM file with the certificate that we show.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub key: Option<PathBuf>,
    /// A context of the `nats` program, which fills in what is not given here.
    pub context: Option<String>,
}

/// Why it is not known how to ask.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{} is no {what}", file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// The servers of a context.
    #[error("{}: its url: {reason}", file.display())]
    Servers {
        /// The context.
        file: PathBuf,
        /// What is wrong with them.
        reason: AddressError,
    },
    /// A certificate without its key, or the other way round.
    #[error("a certificate needs its key, and a key its certificate")]
    Pair,
}

impl Broker {
    /// Fills in what the environment says where the address does not say who asks: `NATS_USER` and
    /// `NATS_PASSWORD`, `NATS_TOKEN`, `NATS_CREDS`, `NATS_NKEY`, `NATS_CONTEXT`; and `NATS_CA`, `NATS_CERT`,
    /// `NATS_KEY`. Then what the context says, if there is one.
    pub fn completed(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, AccessError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let file = |name: &str| variable(name).map(PathBuf::from);
        let access = &mut self.access;
        if access.user.is_some() && access.password.is_none() {
            access.password = variable("NATS_PASSWORD").map(Password);
        }
        if !access.says_who() && access.context.is_none() {
            access.user = variable("NATS_USER");
            access.password = access.user.as_ref().and(variable("NATS_PASSWORD")).map(Password);
            access.token = variable("NATS_TOKEN").map(Password);
            access.credentials = file("NATS_CREDS");
            access.nkey = file("NATS_NKEY");
            access.context = if access.says_who() { None } else { variable("NATS_CONTEXT") };
        }
        fill(&mut access.authorities, || file("NATS_CA"));
        if access.certificate.is_none() && access.key.is_none() {
            (access.certificate, access.key) = (file("NATS_CERT"), file("NATS_KEY"));
        }
        if let Some(name) = access.context.clone() {
            let home = || variable("HOME").map(|home| Path::new(&home).join(".config"));
            let base = file("XDG_CONFIG_HOME").or_else(home).unwrap_or_default();
            self.follow(&base.join("nats/context").join(format!("{name}.json")))?;
        }
        if self.access.certificate.is_some() != self.access.key.is_some() {
            return Err(AccessError::Pair);
        }
        Ok(self)
    }

    /// Fills in what a context file says.
    fn follow(&mut self, file: &Path) -> Result<(), AccessError> {
        let content = || AccessError::Content { file: file.to_owned(), what: "context of the nats program" };
        let context: Value = serde_json::from_str(&read(file)?).map_err(|_| content())?;
        let text = |name: &str| context[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let path = |name: &str| text(name).map(PathBuf::from);
        if self.servers.is_empty() {
            let url = text("url").unwrap_or_else(|| "127.0.0.1".to_owned());
            let servers = url.split(',').map(str::trim);
            for (carried, security, _) in servers.clone().filter_map(|one| split_scheme(one).ok()) {
                self.carried = carried;
                self.security = if security == Security::Required { security } else { self.security };
            }
            let places: Vec<&str> = servers
                .map(|one| one.split_once("://").map_or(one, |(_, rest)| rest))
                .map(|one| one.rsplit_once('@').map_or(one, |(_, place)| place).trim_end_matches('/'))
                .collect();
            self.servers = read_places(&places.join(","), usual_port(self.carried, self.security))
                .map_err(|reason| AccessError::Servers { file: file.to_owned(), reason })?;
        }
        let access = &mut self.access;
        if !access.says_who() {
            access.user = text("user");
            access.password = text("password").map(Password);
            access.token = text("token").map(Password);
            access.credentials = path("creds");
            access.nkey = path("nkey");
        }
        fill(&mut access.authorities, || path("ca"));
        if access.certificate.is_none() && access.key.is_none() {
            (access.certificate, access.key) = (path("cert"), path("key"));
        }
        Ok(())
    }
}

impl Access {
    /// Whether it says who asks.
    fn says_who(&self) -> bool {
        self.user.is_some() || self.token.is_some() || self.credentials.is_some() || self.nkey.is_some()
    }
}

/// The seed in a file: its line that begins with `S`.
pub(super) fn seed(file: &Path) -> Result<Password, AccessError> {
    let text = read(file)?;
    let seed = text.lines().map(str::trim).find(|line| line.starts_with('S') && line.len() > 40);
    let none = || AccessError::Content { file: file.to_owned(), what: "seed of a key" };
    seed.map(|seed| Password(seed.to_owned())).ok_or_else(none)
}

/// The text of a file of credentials.
pub(super) fn credentials(file: &Path) -> Result<Password, AccessError> {
    let text = read(file)?;
    if text.contains("-----BEGIN NATS USER JWT-----") {
        return Ok(Password(text));
    }
    Err(AccessError::Content { file: file.to_owned(), what: "file of NATS credentials" })
}

fn read(file: &Path) -> Result<String, AccessError> {
    let failed = |reason| AccessError::File { file: file.to_owned(), reason };
    let length = fs::metadata(file).map_err(failed)?.len();
    if length > MAX_FILE_BYTES {
        return Err(failed(io::Error::other("it is too long")));
    }
    fs::read_to_string(file).map_err(failed)
}

fn fill<T>(into: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if into.is_none() {
        *into = value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(text: &str, variables: &[(&str, &str)]) -> Result<Broker, AccessError> {
        let value = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        text.parse::<Broker>().unwrap().completed(value)
    }

    #[test]
    fn the_environment_fills_in_who_asks_only_where_the_address_does_not_say() {
        let all = [("NATS_USER", "eva"), ("NATS_PASSWORD", "pw"), ("NATS_CA", "/ca.pem")];
        let eva = completed("nats://h", &all).unwrap().access;
        assert_eq!(eva.user.as_deref(), Some("eva"));
        assert_eq!(eva.password, Some(Password("pw".into())));
        assert_eq!(eva.authorities, Some("/ca.pem".into()));
        let token = completed("nats://t0ken@h", &all).unwrap().access;
        assert_eq!((token.user, token.token), (None, Some(Password("t0ken".into()))));
        let bob = completed("nats://bob:@h", &all).unwrap().access;
        assert_eq!((bob.user.as_deref(), bob.password), (Some("bob"), Some(Password("pw".into()))));
        assert!(matches!(completed("nats://h?cert=/c.pem", &[]), Err(AccessError::Pair)));
    }

    #[test]
    fn a_context_names_servers_and_who_asks() {
        let directory = tempfile::tempdir().unwrap();
        let contexts = directory.path().join("nats/context");
        fs::create_dir_all(&contexts).unwrap();
        let text = r#"{"description":"","url":"nats://a:1,tls://u@b","token":"","user":"eva","password":"pw",
            "creds":"","nkey":"","cert":"","key":"","ca":"/ca.pem"}"#;
        fs::write(contexts.join("prod.json"), text).unwrap();
        fs::write(contexts.join("bad.json"), "[").unwrap();
        let base = directory.path().to_str().unwrap();
        let broker = completed("nats://?context=prod", &[("XDG_CONFIG_HOME", base)]).unwrap();
        assert_eq!(broker.authority(), "a:1,b");
        assert_eq!(broker.security, Security::Required);
        assert_eq!(broker.access.user.as_deref(), Some("eva"));
        assert_eq!(broker.access.authorities, Some("/ca.pem".into()));
        let named = completed("nats://h", &[("NATS_CONTEXT", "prod"), ("XDG_CONFIG_HOME", base)]).unwrap();
        assert_eq!((named.authority().as_str(), named.access.user.as_deref()), ("h", Some("eva")));
        let bad = completed("nats://h?context=bad", &[("XDG_CONFIG_HOME", base)]);
        assert!(matches!(bad, Err(AccessError::Content { .. })));
        let none = completed("nats://h?context=none", &[("XDG_CONFIG_HOME", base)]);
        assert!(matches!(none, Err(AccessError::File { .. })));
    }
}
