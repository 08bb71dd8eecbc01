//! How spans and metrics reach the collector: HTTP or HTTPS, from the exporters' own threads.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sync::short;
use tokio::runtime::{Builder, Runtime};

use crate::plan::Export;
use crate::start::Tries;

/// Most of a reply of the collector that is read, in bytes.
const REPLY_BYTES: usize = 1 << 20;

/// Why the collector cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectorError {
    #[error("the certificates in {file} cannot be read: {reason}")]
    Certificate { file: String, reason: String },
    #[error("there is no TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Sends what an exporter made. Exporters run on threads of their own, which may block.
pub(crate) struct Collector {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    /// What goes there: `traces` or `metrics`.
    what: &'static str,
    tries: Tries,
    is_failing: AtomicBool,
}

impl Collector {
    pub(crate) fn new(export: &Export, what: &'static str, tries: Tries) -> Result<Self, CollectorError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let builder = HttpsConnectorBuilder::new();
        let builder = match &export.certificate {
            Some(file) => builder.with_tls_config(trusting(file)?),
            None if export.is_secure => {
                builder.with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            }
            // The system's authorities take a while to read.
            None => builder.with_tls_config(with_roots(RootCertStore::empty())?),
        };
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let is_failing = AtomicBool::new(false);
        Ok(Self { runtime, client, timeout: export.timeout, what, tries, is_failing })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let whole = async {
            let response = self.client.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, REPLY_BYTES).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(self.timeout, whole).await?
    }

    /// Tells once that an export failed, and once that one went well again. A command has its own errors to tell.
    fn note(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let reason = match outcome {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers with HTTP status {}", response.status().as_u16())),
            Err(error) => Some(short(&with_causes(&**error)).into_owned()),
        };
        let was_failing = self.is_failing.swap(reason.is_some(), Ordering::Relaxed);
        let what = self.what;
        match (reason, self.tries) {
            (Some(reason), Tries::Again) if !was_failing => {
                tracing::warn!(reason, "the collector takes no {what}; those that it does not take are lost");
            }
            (None, Tries::Again) if was_failing => tracing::warn!("the collector takes {what} again"),
            (Some(reason), Tries::Once) => tracing::debug!(reason, "the collector takes no {what}"),
            _ => {}
        }
    }
}

/// What an error says, and what brought it about.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Trusts the authorities in a file, and no other.
fn trusting(file: &Path) -> Result<ClientConfig, CollectorError> {
    let bad = |reason: String| CollectorError::Certificate { file: file.display().to_string(), reason };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("there are none".to_owned()));
    }
    Ok(with_roots(roots)?)
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = rustls::crypto::ring::default_provider();
    let config =
        ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outcome = self.runtime.block_on(self.send(request));
        self.note(&outcome);
        outcome
    }
}
