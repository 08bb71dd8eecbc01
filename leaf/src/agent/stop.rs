//! Tells everybody that it is time to stop.

use tokio::sync::watch;

/// Heard by everybody. A clone of it hears the same.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// Tells them.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

/// Somebody who tells, and those who hear it.
pub(crate) fn pair() -> (Stopper, Stop) {
    let (tell, told) = watch::channel(false);
    (Stopper(tell), Stop(told))
}

impl Stopper {
    /// Tells them, once and for all.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was told.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is told. Whoever tells being gone is as good.
    pub(crate) async fn wait(&self) {
        let mut told = self.0.clone();
        let _ = told.wait_for(|told| *told).await;
    }
}
