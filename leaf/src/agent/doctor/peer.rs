//! A peer: whether it is reached, who we are there, what we may, and what its clock says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use repo::Repo;
use sync::client::{self, ClientError, Remember, Setting, now};
use sync::http::HttpOptions;
use sync::{SyncOptions, TransportError};
use tokio::time::timeout;

use super::{CLOCK, Findings, PATIENCE};
use crate::agent::config::{Address, Peer, Repository, Secret};
use crate::agent::meeting::Meeting;
use crate::agent::rate::Rates;
use crate::agent::session::{credentials, needs_password, no_password, options, told_of_login};
use crate::agent::stop;
use crate::agent::wire::Wire;
use crate::exit::{Code, Failure};
use crate::remote;

/// How long a session that changes nothing may take.
const SESSION: Duration = Duration::from_secs(120);

/// Asks a peer what would move: it says so only to who may.
pub(super) async fn examine(
    repository: &Repository,
    peer: &Peer,
    meeting: Option<&Meeting>,
    http: &HttpOptions,
    findings: &mut Findings<'_>,
) {
    let about = format!("peer {} of {}", peer.address, repository.name);
    // Where there is no meeting, what was found of the broker or of the repository says why.
    if meets(peer) && meeting.is_none() {
        return;
    }
    let peer = Peer { timeout: peer.timeout.min(PATIENCE), ..peer.clone() };
    let asked = async {
        match repository.file.exists() {
            true => ask(repository, &peer, meeting, http).await,
            false => ask_for_clone(repository, &peer, meeting, http).await,
        }
    };
    let heard = match timeout(SESSION, asked).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(failure)) => return findings.failure(&about, &failure),
        Err(_) => {
            let hint = match repository.file.exists() {
                true => "see with `frond sync -n -v` what takes so long",
                false => "see with `frond clone -v` what takes so long",
            };
            return findings.warn(&about, "it is reached, and was not done in two minutes", hint);
        }
    };
    match heard.outcome {
        Ok(what) => findings.well(&about, what),
        Err(failure) => findings.failure(&about, &failure),
    }
    if let Some(time) = heard.time {
        clock(&about, time, findings);
    }
}

/// What a peer said.
struct Heard {
    /// What we may and what would move, or why nothing does.
    outcome: Result<String, Failure>,
    /// What its clock shows.
    time: Option<SystemTime>,
}

async fn ask(
    repository: &Repository,
    peer: &Peer,
    meeting: Option<&Meeting>,
    http: &HttpOptions,
) -> Result<Heard, Failure> {
    let mut repo = Repo::open_read_only(&repository.file)?;
    let own = remote::own_name(&mut repo)?;
    let (_stopper, stop) = stop::pair();
    let mut wire =
        Wire::new(peer, http, own, meeting.map(|meeting| (meeting, None)), stop, &Rates::default())?;
    let password = credentials(peer, &mut repo)?;
    let (user, password) = wire.login(peer, password.as_ref());
    let options = SyncOptions { user, password, dry_run: true, ..options(peer) };
    let mut setting = Setting::new()?;
    let session = client::sync(&mut repo, &mut wire, options, Remember::No, &mut setting).await;
    let outcome = match session {
        Ok(result) => {
            let (send, receive) =
                result.preview.map_or((0, 0), |preview| (preview.send.len(), preview.receive.len()));
            let moves = format!("artifacts to send: {send}, to receive: {receive}");
            Ok(format!("is reached, and lets us do what we want; {moves}"))
        }
        // Who is at a meeting comes and goes.
        Err(error) if meets(peer) && is_nobody(&error) => {
            Ok("nobody else is there just now who could say what we may".to_owned())
        }
        Err(error) => Err(told_of_login(error.into(), peer, wire.peer())),
    };
    Ok(Heard { outcome, time: wire.peer_time() })
}

/// The same for a repository that is not there yet: whether it can be had from this peer.
async fn ask_for_clone(
    repository: &Repository,
    peer: &Peer,
    meeting: Option<&Meeting>,
    http: &HttpOptions,
) -> Result<Heard, Failure> {
    let (_stopper, stop) = stop::pair();
    let meeting = meeting.map(|meeting| (meeting, None));
    let mut wire = Wire::new(peer, http, None, meeting, stop, &Rates::default())?;
    let password = match &peer.password {
        Secret::Found { password, .. } => Some(password),
        Secret::None if needs_password(peer) => return Err(no_password(&peer.address)),
        Secret::None => None,
    };
    let (user, password) = wire.login(peer, password);
    let options = SyncOptions { user, password, push: false, pull: true, ..options(peer) };
    let outcome = match client::try_clone(&mut wire, options, &mut Setting::new()?).await {
        Ok(project) if repository.project.as_ref().is_some_and(|wanted| *wanted != project) => {
            let what = format!("it has project {project}, and another one is wanted");
            Err(Failure::new(Code::Failed, what, "mend the key project (--project), or the peer's address"))
        }
        Ok(project) => Ok(format!("is reached, and lets us clone project {project}, as a leaf will do")),
        Err(error) if meets(peer) && is_nobody(&error) => {
            Ok("nobody is there just now from whom it could be cloned".to_owned())
        }
        Err(error) => Err(told_of_login(error.into(), peer, wire.peer())),
    };
    Ok(Heard { outcome, time: wire.peer_time() })
}

fn is_nobody(error: &ClientError) -> bool {
    matches!(error, ClientError::Transport(TransportError::NobodyAnswers { .. }))
}

fn meets(peer: &Peer) -> bool {
    matches!(peer.address, Address::Meeting { .. })
}

fn clock(about: &str, theirs: SystemTime, findings: &mut Findings<'_>) {
    let ours = UNIX_EPOCH + Duration::from_millis(u64::try_from(now().0).unwrap_or(0));
    let (by, which) = match theirs.duration_since(ours) {
        Ok(by) => (by, "behind"),
        Err(error) => (error.duration(), "ahead of"),
    };
    if by > CLOCK {
        findings.fail(
            about,
            format!("this machine's clock is {} seconds {which} the peer's", by.as_secs()),
            "see which of them is wrong, and keep it right: timedatectl set-ntp true",
        );
    }
}
