//! Tells systemd how the leaf is, where systemd started it.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::interval;

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

/// Says again and again that the leaf lives, if systemd wants to hear it.
pub(crate) fn keep_watchdog(tasks: &mut JoinSet<()>) {
    let Some(every) =
        sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| *every > Duration::ZERO)
    else {
        return;
    };
    tasks.spawn(async move {
        let mut ticks = interval(every);
        loop {
            ticks.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    });
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}
