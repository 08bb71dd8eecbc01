//! `frond serve FILE|DIRECTORY`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use sync::http::serve::{self, Certificate, Forwarding, Repos, ServeOptions, XferService};
use sync::nats::{Address, ConnectOptions, Connection, NatsServeOptions, NatsServer, Topic};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::agent::config::{BasePath, ProxyHeader, RequestBytes, TrustedProxy, listen_address};
use crate::agent::serving::watch as watch_certificate;
use crate::exit::{Code, Failure};
use crate::measure;
use crate::network::{self, Signals};
use crate::output::Output;
use crate::remote;

/// Serve a repository, or every *.fossil of a directory
///
/// In a directory the first segment of the path picks the repository: http://HOST:PORT/NAME is NAME.fossil.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The repository file, or the directory
    #[arg(value_name = "FILE|DIRECTORY")]
    pub(super) path: PathBuf,
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    listen: SocketAddr,
    /// Serve everything under this path
    #[arg(long, value_name = "/PATH", default_value = "")]
    base_path: BasePath,
    /// Web servers before this one, by address or network, whose word counts for who asks
    #[arg(long, value_name = "ADDR[/BITS]", value_delimiter = ',')]
    trusted_proxies: Vec<TrustedProxy>,
    /// How they say it: in X-Forwarded-For, -Proto and -Host, or in Forwarded
    #[arg(long, value_name = "x-forwarded|forwarded", default_value = "x-forwarded")]
    proxy_header: ProxyHeader,
    /// Serve over TLS only, with this chain of certificates (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Bytes of the longest request that is taken; an artifact travels in one
    #[arg(long, value_name = "BYTES", default_value_t)]
    request_bytes: RequestBytes,
    /// Answer on this broker too: nats://HOST[:PORT] or tls://HOST[:PORT]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// What subjects on the broker begin with
    #[arg(long, value_name = "PREFIX", default_value = Topic::PREFIX, requires = "nats")]
    prefix: String,
}

#[derive(Serialize)]
struct Listening {
    r#type: &'static str,
    url: String,
}

impl Serve {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let repos = Repos::new(&self.path)?;
        let options = self.options()?;
        let scheme = if options.certificate.is_some() { "https" } else { "http" };
        let certificate = options.certificate.clone();
        let service = XferService::new(repos, options);
        network::runtime(2)?.block_on(async {
            if let Some(certificate) = certificate {
                tokio::spawn(watch_certificate(certificate));
            }
            let (end, ended) = watch::channel(());
            let over_broker = self.over_broker(&service, ended, output).await?;
            let cannot = |error: std::io::Error| {
                let what = format!("cannot listen on {}: {error}", self.listen);
                Failure::new(Code::Failed, what, "choose another address or port with --listen")
            };
            let stop = stop().map_err(cannot)?;
            let listener = TcpListener::bind(self.listen).await.map_err(cannot)?;
            let at = listener.local_addr().map_err(cannot)?;
            let url = format!("{scheme}://{at}{}/", self.base_path.0);
            output.answer(&Listening { r#type: "listening", url: url.clone() }, || {
                format!("Serving {} at {url}", self.path.display())
            });
            let (refused, is_refused) = oneshot::channel::<()>();
            let over_http = serve::run(listener, service, async {
                tokio::select! {
                    () = stop => {}
                    _ = is_refused => {}
                }
                drop(end);
            });
            let over_broker = async {
                let ended = over_broker.await;
                drop(refused);
                ended
            };
            let ((), ended) = tokio::join!(over_http, over_broker);
            ended.map(|()| Code::Ok)
        })
    }

    fn options(&self) -> Result<ServeOptions, Failure> {
        let files = self.tls_certificate.as_ref().zip(self.tls_key.as_ref());
        let certificate = files.map(|(chain, key)| Certificate::load(chain, key)).transpose();
        let certificate = certificate.map_err(|error| {
            Failure::new(
                Code::Failed,
                error.to_string(),
                "name PEM files: the server's certificate comes first",
            )
        })?;
        Ok(ServeOptions {
            base_path: self.base_path.0.clone(),
            forwarding: Forwarding {
                proxies: self.trusted_proxies.iter().map(|proxy| proxy.0).collect(),
                header: self.proxy_header.0,
            },
            certificate: certificate.map(Arc::new),
            decode: ServeOptions::taking(self.request_bytes.0),
            observer: measure::requests(|_| None),
            turned_away: measure::turned_away(),
            ..ServeOptions::default()
        })
    }

    /// Tells the broker what is served. What it gives answers there until `ended` is closed, or the broker refuses that.
    async fn over_broker(
        &self,
        service: &XferService,
        mut ended: watch::Receiver<()>,
        output: &Output,
    ) -> Result<impl Future<Output = Result<(), Failure>> + use<>, Failure> {
        let server = match &self.nats {
            None => None,
            Some(url) => {
                let broker = remote::broker_of_flag(url)?;
                let connection = Connection::open(&broker, &ConnectOptions::default()).await?;
                let options = NatsServeOptions { prefix: self.prefix.clone(), ..NatsServeOptions::default() };
                let server = NatsServer::open(&connection, service, &options).await?;
                for served in server.served() {
                    let (broker, topic) = (broker.clone(), served.topic);
                    let url = Address { broker, topic, peer: None, login: None }.to_string();
                    output.answer(&Listening { r#type: "listening", url: url.clone() }, || {
                        format!("Serving {} at {url}\n", served.file.display())
                    });
                }
                Some(server)
            }
        };
        Ok(async move {
            let stopped = async move { while ended.changed().await.is_ok() {} };
            match server {
                Some(server) => Ok(server.run(stopped).await?),
                None => {
                    stopped.await;
                    Ok(())
                }
            }
        })
    }
}

/// Ends with the first SIGINT or SIGTERM. What was begun is still answered; a second signal ends that too.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::listen()?;
    Ok(async move {
        signals.next().await;
        measure::ending();
        tokio::spawn(async move {
            crate::output::interrupted(signals.next().await, "stopped at once");
        });
    })
}
