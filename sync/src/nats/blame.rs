//! Whose fault it is that there is no connection to a broker.

use std::error::Error;
use std::io;
use std::time::Duration;

use async_nats::{ConnectError, ConnectErrorKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::{Broker, Carried};
use super::connection::ConnectOptions;
use crate::TransportError;

/// How long something that is no broker may take to say what it is.
const DIAGNOSIS: Duration = Duration::from_secs(2);

/// What is said of a port for the web where one for clients was meant.
const WEB: &str = "it speaks HTTP, as for WebSocket (ws://), monitoring and web servers";

/// Says whose fault it is that there is no connection.
pub(super) async fn explain(
    broker: &Broker,
    authority: &str,
    options: &ConnectOptions,
    error: &ConnectError,
) -> TransportError {
    let (peer, reason) = (authority.to_owned(), root_cause(error));
    let access = |reason: &str| TransportError::Access { broker: peer.clone(), reason: reason.to_owned() };
    match error.kind() {
        ConnectErrorKind::Dns | ConnectErrorKind::ServerParse => {
            TransportError::UnknownHost { host: peer, reason }
        }
        ConnectErrorKind::AuthorizationViolation => access("it lets in nobody who asks like this"),
        ConnectErrorKind::Authentication => access("the seed is none, or signs nothing"),
        ConnectErrorKind::Tls => TransportError::Tls { peer, reason },
        ConnectErrorKind::Io if is_about_tls(error) => TransportError::Tls { peer, reason },
        ConnectErrorKind::Io if reason.contains("leaf node port") => {
            wrong_port(peer, "it is that for leaf nodes of the broker")
        }
        ConnectErrorKind::Io if reason.contains("route port") => {
            wrong_port(peer, "it is that for other brokers of the cluster")
        }
        ConnectErrorKind::Io if reason.contains("gateway port") || reason.contains("wrong port") => {
            wrong_port(peer, "it is that for other brokers")
        }
        ConnectErrorKind::Io if reason.to_ascii_lowercase().contains("authentication") => access(&reason),
        ConnectErrorKind::Io if reason.to_ascii_lowercase().contains("authorization") => access(&reason),
        ConnectErrorKind::Io if broker.carried == Carried::WebSocket => unreachable(&peer, reason),
        ConnectErrorKind::TimedOut => match broker.carried == Carried::Tcp && web_server(broker).await {
            true => wrong_port(peer, WEB),
            false => TransportError::TimedOut { peer, after: options.connect_timeout },
        },
        ConnectErrorKind::Io if web_server(broker).await => wrong_port(peer, WEB),
        ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => unreachable(&peer, reason),
    }
}

/// No connection, for a reason that is told.
pub(super) fn unreachable(peer: &str, reason: String) -> TransportError {
    TransportError::Unreachable { peer: peer.to_owned(), reason }
}

fn wrong_port(peer: String, reason: &str) -> TransportError {
    TransportError::WrongPort { peer, reason: reason.to_owned() }
}

/// Whether the first server answers to a web browser.
async fn web_server(broker: &Broker) -> bool {
    let Some(place) = broker.servers.first() else { return false };
    let ask = async {
        let mut stream = TcpStream::connect((place.host.as_str(), place.port)).await.ok()?;
        stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut said = [0; 5];
        stream.read_exact(&mut said).await.ok()?;
        Some(said == *b"HTTP/")
    };
    timeout(DIAGNOSIS, ask).await.ok().flatten().unwrap_or_default()
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let inner =
        |error: &'e (dyn Error + 'static)| error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    std::iter::successors(Some(error), move |&error| match inner(error) {
        Some(inner) => Some(inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn is_about_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<rustls::Error>)
}
