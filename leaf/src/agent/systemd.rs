//! Tells systemd how the leaf is, where systemd started it.

use std::net::TcpListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::board::Board;
use super::health;
use crate::exit::{Code, Failure};

/// The sockets that systemd listens at for us, in the order of its unit.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// For `listen`.
    pub(crate) listen: Option<TcpListener>,
    /// For `admin`.
    pub(crate) admin: Option<TcpListener>,
}

/// Takes them, if there are any.
pub(crate) fn sockets() -> Result<Handed, Failure> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 2 {
        let what = format!("{} sockets were handed down", handed.len());
        return Err(Failure::new(
            Code::Usage,
            what,
            "there may be one for `listen`, and one for `admin` after it",
        ));
    }
    let mut take = |index| {
        handed.take_tcp_listener(index).map_err(|error| {
            let what = format!("socket {} of those that were handed down is of no use: {error}", index + 1);
            Failure::new(Code::Usage, what, "let the socket unit have ListenStream=ADDRESS:PORT")
        })
    };
    Ok(Handed { listen: take(0)?, admin: take(1)? })
}

/// The leaf runs.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It reads its configuration anew.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// It is about to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says again and again that the leaf lives, as long as it does, if systemd wants to hear it.
pub(crate) fn keep_watchdog(tasks: &mut JoinSet<()>, board: Board) {
    let Some(every) =
        sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| *every > Duration::ZERO)
    else {
        return;
    };
    tasks.spawn(async move {
        let mut ticks = interval(every);
        loop {
            ticks.tick().await;
            let verdict = health::lives(&board.report());
            if verdict.is_good() {
                tell(&[NotifyState::Watchdog]);
            } else {
                tracing::error!(problems = ?verdict.problems, "systemd is not told that the leaf lives");
            }
        }
    });
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}
