//! Tells everybody that it is time to stop.

use std::time::Duration;

use tokio::sync::watch;

/// Heard by everybody. A clone of it hears the same.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Option<Duration>>);

/// Tells them.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<Option<Duration>>);

/// Somebody who tells, and those who hear it.
pub(crate) fn pair() -> (Stopper, Stop) {
    let (tell, told) = watch::channel(None);
    (Stopper(tell), Stop(told))
}

impl Stopper {
    /// Tells them, once and for all. They know how long what is under way may take.
    pub(crate) fn stop(&self) {
        self.stop_within(Duration::ZERO);
    }

    /// Tells them, and how long what is under way may take.
    pub(crate) fn stop_within(&self, patience: Duration) {
        self.0.send_replace(Some(patience));
    }
}

impl Stop {
    /// Whether it was told.
    pub(crate) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// How long what is under way may take, where that was told.
    pub(crate) fn patience(&self) -> Duration {
        self.0.borrow().unwrap_or_default()
    }

    /// Waits until it is told. Whoever tells being gone is as good.
    pub(crate) async fn wait(&self) {
        let mut told = self.0.clone();
        let _ = told.wait_for(Option::is_some).await;
    }
}
