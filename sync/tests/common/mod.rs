//! What tests of the server share.

use std::path::Path;

use sync::http::serve::{self, Repos, ServeOptions, XferService};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Serves what is at `path` until the sender is dropped; gives the port.
pub(crate) async fn listen(path: &Path, options: ServeOptions) -> (u16, oneshot::Sender<()>) {
    let service = XferService::new(Repos::new(path).unwrap(), options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(serve::run(listener, service, async { drop(stopped.await) }));
    (port, stop)
}
