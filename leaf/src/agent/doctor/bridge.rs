//! A server that is answered for on the broker.

use sync::http::HttpOptions;
use sync::nats::{Hub, HubOptions};
use tokio::time::timeout;

use super::{Findings, PATIENCE};
use crate::agent::config::Bridge;
use crate::exit::Failure;

pub(super) async fn examine(bridge: &Bridge, http: &HttpOptions, findings: &mut Findings<'_>) {
    let about = format!("bridge {}", bridge.url);
    let http = HttpOptions { idle_timeout: PATIENCE, connect_timeout: PATIENCE, ..http.clone() };
    let hub = Hub::new(bridge.url.clone(), HubOptions { http, ..HubOptions::default() });
    let asked = match timeout(PATIENCE * 2, hub.project()).await {
        Ok(asked) => asked.map_err(Failure::from),
        Err(_) => {
            let what = format!("the server was not done after {} seconds", (PATIENCE * 2).as_secs());
            return findings.fail(&about, what, "see what the server does, and what is between");
        }
    };
    match (asked, &bridge.project) {
        (Err(failure), _) => findings.failure(&about, &failure),
        (Ok(project), Some(wanted)) if project != *wanted => findings.fail(
            &about,
            format!("the server is of project {project}, and not {wanted}"),
            "leave the key project out, or give the address of the other one",
        ),
        (Ok(project), _) => findings.well(&about, format!("the server answers, project {project}")),
    }
}
