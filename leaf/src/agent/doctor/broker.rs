//! The broker where peers meet.

use repo::{Repo, config as settings};
use sync::TransportError;
use sync::nats::{ConnectOptions, Connection, Durability, PeerId, Topic, announcements};

use super::{Findings, PATIENCE};
use crate::agent::config::{Config, Repository};
use crate::agent::meeting::Meeting;
use crate::{chance, remote};

/// Messages shorter than this make every round many of them.
const SMALL_PAYLOAD: usize = 64 << 10;

/// Where the peers of a repository meet, if it is of a project, or to be cloned and of a project that is named.
pub(super) fn meeting(config: &Config, repository: &Repository, connection: &Connection) -> Option<Meeting> {
    let (project, own) = if repository.file.exists() {
        let mut repo = Repo::open_read_only(&repository.file).ok()?;
        let own = remote::own_name(&mut repo).ok()??;
        (settings::project_code(&repo.snapshot().ok()?).ok()??, own)
    } else {
        (repository.project.clone()?, PeerId::new(&chance::code().ok()?).ok()?)
    };
    let topic = Topic::new(&config.prefix, &project).ok()?;
    Some(Meeting::new(connection.clone(), topic, own))
}

/// Gives the connection, if the broker lets us in.
pub(super) async fn examine(
    config: &Config,
    projects: &[String],
    findings: &mut Findings<'_>,
) -> Option<Connection> {
    let broker = config.nats.as_ref()?;
    let about = "broker";
    let mut topics = Vec::new();
    for project in projects {
        match Topic::new(&config.prefix, project) {
            Ok(topic) => topics.push(topic),
            Err(error) => findings.fail(about, error.to_string(), "choose another prefix"),
        }
    }
    let options = ConnectOptions { connect_timeout: PATIENCE, ..ConnectOptions::default() };
    let connection = match Connection::open(broker, &options).await {
        Ok(connection) => connection,
        Err(error) => {
            let hint = match &error {
                TransportError::WrongPort { .. } => {
                    "give the port for clients, that of `listen` or `port` in the broker's configuration: 4222 as a rule"
                }
                TransportError::Access { .. } => {
                    "check the user, token or file that says who asks, and that the broker knows it"
                }
                _ => "check that the broker runs, its address, and what is between",
            };
            findings.fail(about, error.to_string(), hint);
            return None;
        }
    };
    let most = connection.max_payload();
    let what = format!("{} lets us in, messages may have {most} bytes", connection.broker());
    if most < SMALL_PAYLOAD {
        findings.warn(about, what, "raise max_payload of the broker: rounds travel in many small pieces");
    } else {
        findings.well(about, what);
    }
    for topic in &topics {
        // Whether the leaf may speak there is not tried: others would hear it.
        if let Err(error) = announcements(&connection, topic, None, &Durability::Passing).await {
            let hint =
                "let this user publish and subscribe at what README.md names under \"Over a NATS broker\"";
            findings.fail(about, error.to_string(), hint);
        }
    }
    Some(connection)
}
