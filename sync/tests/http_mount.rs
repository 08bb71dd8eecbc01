//! The service beside other routes, in a router that knows nothing of it.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::Request;
use axum::middleware::map_request;
use axum::routing::get;
use bytes::Bytes;
use repo::{Genesis, Repo};
use sync::Transport as _;
use sync::http::serve::{RemoteAddress, Repos, ServeOptions, XferService};
use sync::http::{HttpOptions, HttpTransport};
use tokio::net::TcpListener;
use xfer::Message;
use xfer::body::{Body, ContentType};

/// Every repository of a directory under `/code`, answering with the address of who asks, and `/healthz`.
fn router(directory: &std::path::Path) -> Router {
    let genesis = Genesis { project: "ab".repeat(20), server: "cd".repeat(20), ..Genesis::default() };
    drop(Repo::create(&directory.join("a.fossil"), &genesis).unwrap());
    let options = ServeOptions {
        handler: Arc::new(|_, _, cx| Ok(Message::error(cx.peer.unwrap_or("nobody")))),
        ..ServeOptions::default()
    };
    let service = XferService::new(Repos::new(directory).unwrap(), options);
    Router::new().route("/healthz", get(async || "well")).nest_service("/code", service)
}

async fn start(router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn ask(port: u16, path: &str) -> Result<Bytes, sync::TransportError> {
    let url = format!("http://127.0.0.1:{port}{path}").parse().unwrap();
    let request = Body { content_type: ContentType::Uncompressed, bytes: Bytes::from_static(b"# a\n") };
    Ok(HttpTransport::new(url, HttpOptions::default()).exchange(request).await?.bytes)
}

async fn page(router: Router, path: &str) -> (u16, String) {
    use tower_service::Service as _;
    let request = Request::get(path).body(AxumBody::empty()).unwrap();
    let reply = router.clone().call(request).await.unwrap();
    let status = reply.status().as_u16();
    let body = axum::body::to_bytes(reply.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_service_answers_under_its_prefix_and_other_routes_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let router = router(directory.path());
    assert_eq!(page(router.clone(), "/healthz").await, (200, "well".to_owned()));
    let (status, list) = page(router.clone(), "/code/").await;
    assert!(status == 200 && list.contains("<a href=\"./a\">a</a>"), "{list}");
    assert!(page(router.clone(), "/code/a").await.1.contains("fossil clone URL a.fossil"));
    assert_eq!(page(router.clone(), "/code/b").await.0, 404);
    assert_eq!(page(router.clone(), "/a").await.0, 404);

    let port = start(router).await;
    assert_eq!(ask(port, "/code/a").await.unwrap(), "error nobody\n");
    assert_eq!(ask(port, "/code/a/xfer").await.unwrap(), "error nobody\n");
    let other = ask(port, "/other/a").await.unwrap_err();
    assert!(other.to_string().contains("HTTP status 404"), "{other}");
}

#[tokio::test]
async fn a_host_names_who_asks_and_may_refuse_by_the_head_of_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let named = map_request(async |mut request: Request| {
        request.extensions_mut().insert(RemoteAddress("192.0.2.7".to_owned()));
        if request.uri().path() == "/code/shut" { Err("shut") } else { Ok(request) }
    });
    let port = start(router(directory.path()).layer(named)).await;
    assert_eq!(ask(port, "/code/a").await.unwrap(), "error 192.0.2.7\n");
    let shut = ask(port, "/code/shut").await.unwrap_err();
    assert!(shut.to_string().ends_with("it answers with text/plain; charset=utf-8: shut"), "{shut}");
}
