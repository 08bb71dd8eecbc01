//! The certificate of a server that ends TLS itself. It is read anew while connections go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// A chain of certificates and its key, from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    newest: Arc<Newest>,
    /// What the files looked like when they were read last.
    read: Mutex<Option<[Looks; 2]>>,
    config: Arc<ServerConfig>,
}

/// Why there is no certificate. Files are named, and nothing of what they hold.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read, or is no PEM of the kind it is to be.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// The files are no use, or not together.
    #[error("{} and {} cannot be used: {error}", chain.display(), key.display())]
    Unusable {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
}

/// What new connections are shown.
#[derive(Debug)]
struct Newest(RwLock<Arc<CertifiedKey>>);

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Looks {
    size: u64,
    modified: Option<SystemTime>,
}

impl Certificate {
    /// Reads the chain, the server's own certificate first, and its key.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let looks = looks(chain, key);
        let newest = Arc::new(Newest(RwLock::new(Arc::new(read(chain, key, &provider)?))));
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let unusable =
            |error| CertificateError::Unusable { chain: chain.to_owned(), key: key.to_owned(), error };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Newest>::clone(&newest);
        let mut config = config.map_err(unusable)?.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            newest,
            read: Mutex::new(looks),
            config: Arc::new(config),
        })
    }

    /// Reads both files again. Says whether there is another certificate now; with an error, the old one stays.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let looks = looks(&self.chain, &self.key);
        let new = read(&self.chain, &self.key, self.config.crypto_provider())?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = looks;
        let mut newest = self.newest.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = newest.cert != new.cert;
        *newest = Arc::new(new);
        Ok(is_other)
    }

    /// The same, if a file does not look any more as it did when it was read.
    pub fn reload_if_changed(&self) -> Result<bool, CertificateError> {
        let known = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if known == looks(&self.chain, &self.key) { Ok(false) } else { self.reload() }
    }

    /// Whether it is of these files.
    pub fn is_of(&self, chain: &Path, key: &Path) -> bool {
        self.chain == chain && self.key == key
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl ResolvesServerCert for Newest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
    let of = |file: &Path| {
        let file = file.to_owned();
        move |error| CertificateError::File { file, error }
    };
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(of(chain))?;
    if certificates.is_empty() {
        return Err(of(chain)(pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(of(key))?;
    CertifiedKey::from_der(certificates, secret, provider).map_err(|error| CertificateError::Unusable {
        chain: chain.to_owned(),
        key: key.to_owned(),
        error,
    })
}

fn looks(chain: &Path, key: &Path) -> Option<[Looks; 2]> {
    let of = |file: &Path| {
        let metadata = fs::metadata(file).ok()?;
        Some(Looks { size: metadata.len(), modified: metadata.modified().ok() })
    };
    Some([of(chain)?, of(key)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a certificate and its key; gives the key of another.
    fn write(chain: &Path, key: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(chain, made.cert.pem()).unwrap();
        fs::write(key, made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn a_certificate_is_read_anew_and_the_old_one_stays_where_the_new_one_is_of_no_use() {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
        write(&chain, &key);
        let certificate = Certificate::load(&chain, &key).unwrap();
        assert!(!certificate.reload().unwrap(), "the same");
        assert!(!certificate.reload_if_changed().unwrap());
        let old = fs::read(&key).unwrap();
        write(&chain, &key);
        let new = fs::read(&key).unwrap();
        fs::write(&key, &old).unwrap();
        let error = certificate.reload().unwrap_err().to_string();
        assert!(error.contains("key.pem cannot be used"), "{error}");
        fs::write(&key, &new).unwrap();
        assert!(certificate.reload().unwrap(), "another");
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
        let error = || Certificate::load(&chain, &key).unwrap_err().to_string();
        assert!(error().contains("chain.pem"), "{}", error());
        write(&chain, &key);
        fs::write(&key, "not a key\n").unwrap();
        assert!(error().contains("key.pem") && !error().contains("not a key"), "{}", error());
        write(&chain, &key);
        fs::write(&chain, "").unwrap();
        assert!(error().contains("chain.pem"), "{}", error());
    }
}
