//! Requests, watched to their end.

use std::error::Error;
use std::time::Duration;

use repo::CacheUse;

use crate::{Event, Observer, RoundStats, TraceContext};

/// The observer of a request, which is told of its end once, whoever brought it about: what cannot be read never reaches
/// [`crate::handle_sync`], and a [`crate::Handler`] of a host need not call it.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use sync::{Event, Observer, Watched};
///
/// struct Ends(Arc<Mutex<Vec<String>>>);
///
/// impl Observer for Ends {
///     fn observe(&mut self, event: &Event<'_>) {
///         if let Event::RequestHandled { refusal, .. } = event {
///             self.0.lock().unwrap().push(refusal.unwrap_or("answered").to_owned());
///         }
///     }
/// }
///
/// let told = Arc::default();
/// let mut watched = Watched::take_up(Box::new(Ends(Arc::clone(&told))));
/// watched.end(0, Some("this is no message"), None);
/// watched.end(0, None, None);
/// assert_eq!(*told.lock().unwrap(), ["this is no message"], "it ends once");
/// ```
pub struct Watched {
    observer: Box<dyn Observer + Send>,
    has_ended: bool,
}

impl Watched {
    /// Watches a request from now on, on the thread that works on it.
    pub fn take_up(mut observer: Box<dyn Observer + Send>) -> Self {
        observer.take_up();
        Self { observer, has_ended: false }
    }

    /// Tells of the end of the request, which had so many cards as far as that is known, unless it has been told: what
    /// whoever asks was told is wrong with it, or why we failed.
    pub fn end(&mut self, cards: usize, refusal: Option<&str>, error: Option<&(dyn Error + 'static)>) {
        if !self.has_ended {
            let (stats, duration, cache) = (&RoundStats::default(), Duration::ZERO, CacheUse::default());
            self.observe(&Event::RequestHandled { cards, stats, duration, cache, refusal, error });
        }
    }
}

impl Observer for Watched {
    fn observe(&mut self, event: &Event<'_>) {
        self.has_ended |= matches!(event, Event::RequestHandled { .. });
        self.observer.observe(event);
    }

    fn trace(&self) -> Option<TraceContext> {
        self.observer.trace()
    }

    fn lay_down(&mut self) {
        self.observer.lay_down();
    }
}
