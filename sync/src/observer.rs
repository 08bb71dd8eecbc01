//! What happens in rounds, told to whoever listens.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use repo::CacheUse;
use xfer::{ArtifactId, SqlName};

use crate::tables::TableStats;
use crate::{SyncOptions, TraceContext};

/// What one round, or one request, moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoundStats {
    /// Artifacts sent.
    pub files_sent: u64,
    /// Artifacts received and stored.
    pub files_received: u64,
    /// `gimme` cards sent.
    pub gimmes_sent: u64,
    /// `gimme` cards received.
    pub gimmes_received: u64,
    /// `igot` cards sent.
    pub igots_sent: u64,
    /// `igot` cards received.
    pub igots_received: u64,
    /// Unversioned files sent, deletions among them.
    pub uv_files_sent: u64,
    /// Unversioned files received and stored.
    pub uv_files_received: u64,
    /// `uvgimme` cards sent.
    pub uv_gimmes_sent: u64,
    /// `uvgimme` cards received.
    pub uv_gimmes_received: u64,
    /// Rows of synced tables sent.
    pub rows_sent: u64,
    /// Rows of synced tables received and kept.
    pub rows_received: u64,
    /// Records of configuration sent.
    pub config_sent: u64,
    /// Records of configuration received that changed something.
    pub config_received: u64,
    /// Bytes sent, as they travelled.
    pub bytes_sent: u64,
    /// Bytes received, as they travelled.
    pub bytes_received: u64,
}

impl RoundStats {
    /// Adds what another round moved.
    pub fn add(&mut self, other: &Self) {
        self.files_sent += other.files_sent;
        self.files_received += other.files_received;
        self.gimmes_sent += other.gimmes_sent;
        self.gimmes_received += other.gimmes_received;
        self.igots_sent += other.igots_sent;
        self.igots_received += other.igots_received;
        self.uv_files_sent += other.uv_files_sent;
        self.uv_files_received += other.uv_files_received;
        self.uv_gimmes_sent += other.uv_gimmes_sent;
        self.uv_gimmes_received += other.uv_gimmes_received;
        self.rows_sent += other.rows_sent;
        self.rows_received += other.rows_received;
        self.config_sent += other.config_sent;
        self.config_received += other.config_received;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session begins.
    SessionStarted {
        /// `clone`, `pull`, `push`, `sync` or `uv sync`.
        operation: &'static str,
        /// What it is to do. The password is not shown.
        options: &'a SyncOptions,
        /// Project code of the repository; empty where a clone does not know it yet.
        project: &'a str,
    },
    /// A round begins.
    RoundStarted {
        /// Counting from 1.
        round: u32,
    },
    /// A request went to the peer, whether a reply came or not: what its carrier knows of that, if anything.
    Carried {
        /// What it was sent to, where a broker carries it: a subject.
        destination: Option<&'a str>,
        /// The HTTP status that it was answered with.
        status: Option<u16>,
    },
    /// A request was carried to the peer and its reply back.
    Exchanged {
        /// Time between the two, on the caller's clock.
        duration: Duration,
    },
    /// A round ended well.
    RoundFinished {
        /// Counting from 1.
        round: u32,
        /// What it moved.
        stats: &'a RoundStats,
        /// How long it took on the caller's clock, the way to the peer and back included.
        duration: Duration,
    },
    /// The session ended, converged or not.
    SessionFinished {
        /// As when it began.
        operation: &'static str,
        /// Project code.
        project: &'a str,
        /// How many rounds it took.
        rounds: u32,
        /// What all rounds moved.
        stats: &'a RoundStats,
        /// How long it took on the caller's clock.
        duration: Duration,
        /// Why it failed, if it did.
        error: Option<&'a (dyn Error + 'static)>,
    },
    /// A server took up a request.
    RequestStarted {
        /// What is asked, as far as the cards tell: `clone`, `pull`, `push`, `sync` or `other`.
        operation: &'static str,
        /// The project that the request names; none in a clone.
        project: Option<&'a str>,
        /// Address of whoever asks, if it is known.
        peer: Option<&'a str>,
    },
    /// A server answered a request, or failed to. One that could not be read did not start.
    RequestHandled {
        /// Cards of the request.
        cards: usize,
        /// What the request moved, seen from the server. How many bytes travelled is not known here.
        stats: &'a RoundStats,
        /// How long it took on the caller's clock; zero if there is none.
        duration: Duration,
        /// How the contents that it needed were read.
        cache: CacheUse,
        /// What whoever asks was told is wrong with the request, if it was refused.
        refusal: Option<&'a str>,
        /// Why it failed, if it did.
        error: Option<&'a (dyn Error + 'static)>,
    },
    /// The reply to a request that was handled is whole, and goes on its way.
    Replied {
        /// Its bytes, as they travel.
        bytes: u64,
    },
    /// There is no room for the reply to a request that was handled: whoever asked is told to come again.
    NoRoom,
    /// Whoever asked gets no reply to a request that was handled, or that we failed in, but a status.
    Declined {
        /// Which, over HTTP; what another carrier says in its place means the same.
        status: u16,
    },
    /// Something failed: an exchange of a session, which is made again; what ends a session, before
    /// [`Self::SessionFinished`] tells so; or what was to be done before a session began, or after it ended.
    Failed {
        /// What the session does, or was to do.
        operation: &'static str,
        /// What kind of failure it is ([`crate::class_of`]).
        class: &'static str,
        /// What failed.
        error: &'a (dyn Error + 'static),
        /// Whether the same is tried again.
        again: bool,
    },
    /// A synced table is compared with the peer's: by a client once a session, by a server in each request that is
    /// about it, once it is answered.
    TableStarted {
        /// Which.
        table: &'a SqlName,
        /// Rows here, tombstones included.
        rows: u64,
    },
    /// The session, or the request, is over for a synced table.
    TableFinished {
        /// Which.
        table: &'a SqlName,
        /// Rows that it moved.
        stats: &'a TableStats,
    },
    /// Artifacts were linked into the derived tables.
    Crosslinked {
        /// How many.
        artifacts: u64,
    },
    /// The peer sent a `message` card or an error to show.
    PeerSaid {
        /// What it said.
        text: &'a str,
    },
    /// An artifact that the peer sent was refused.
    Refused {
        /// Which.
        id: &'a ArtifactId,
    },
}

/// Is told what happens. It cannot influence a session.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::mpsc;
///
/// use repo::{Genesis, Repo};
/// use sync::client::{self, Remember, Setting};
/// use sync::transport::Mock;
/// use sync::{Event, Observer, SyncOptions};
/// use xfer::body::{ContentType, pack};
///
/// struct Rounds(mpsc::Sender<(u32, u64)>);
///
/// impl Observer for Rounds {
///     fn observe(&mut self, event: &Event<'_>) {
///         if let Event::RoundFinished { round, stats, .. } = event {
///             // Nobody may be listening any more.
///             let _ = self.0.send((*round, stats.files_received));
///         }
///     }
/// }
///
/// let (tell, told) = mpsc::channel();
/// let mut setting = Setting { observer: Box::new(Rounds(tell)), ..Setting::new()? };
/// let (project, server) = ("ab".repeat(20), "cd".repeat(20));
/// let mut repo = Repo::in_memory(&Genesis { project, server, ..Genesis::default() })?;
/// // A peer that has nothing to tell.
/// let reply = "pragma server-version 22100 20230226 192424\n# timestamp 2027-01-15T08:00:00 errors 0\n";
/// let reply = pack(reply.as_bytes(), ContentType::Compressed);
/// let options = SyncOptions { pull: true, ..SyncOptions::default() };
/// client::sync(&mut repo, &mut Mock::new([Ok(reply)]), options, Remember::No, &mut setting).await?;
/// assert_eq!(told.try_iter().collect::<Vec<_>>(), [(1, 0)]);
/// # Ok(())
/// # }
/// ```
pub trait Observer {
    /// Called once per event.
    fn observe(&mut self, event: &Event<'_>);

    /// Says where the trace of the round, or request, under way goes on: a client sends it along with the request, a
    /// server names it in its log.
    fn trace(&self) -> Option<TraceContext> {
        None
    }

    /// Called on the thread that works on a request, before it does.
    fn take_up(&mut self) {}

    /// Called on that thread when it is done with the request, of which more may be told elsewhere.
    fn lay_down(&mut self) {}
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Over HTTP.
    Http,
    /// Over a NATS broker.
    Nats,
    /// Within one machine: the repository is a file of whoever asks.
    File,
}

/// Where a request came from, as far as the server knows before it reads it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// How it came.
    pub carrier: Carrier,
    /// Address of whoever sent it, or its name at a broker.
    pub peer: Option<&'a str>,
    /// The repository that it is meant for, or the address of a server that is asked in turn.
    pub file: &'a Path,
    /// The path or subject that it was sent to.
    pub target: &'a str,
    /// Bytes of its body, as they travelled.
    pub bytes: u64,
    /// The trace that it belongs to.
    pub trace: Option<&'a TraceContext>,
}

/// Why a request was turned away before it had come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// There is no repository where it was sent.
    NoRepository,
    /// It is longer than is taken.
    TooLong,
    /// It did not arrive in time, or broke off on its way.
    Late,
    /// There is no room for it now.
    NoRoom,
    /// Its head is not that of a request, or its body not as long as that says.
    Malformed,
}

/// Hears of each request that was turned away before it had come whole: it has no observer.
pub type Doorman = Arc<dyn Fn(Carrier, TurnedAway) + Send + Sync>;

/// Makes the observer of one request, when it has come whole. Dropped unasked, the request was not answered.
pub type ObserverSource = Arc<dyn Fn(&Origin<'_>) -> Box<dyn Observer + Send> + Send + Sync>;

/// Both are told, one after the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&mut self, event: &Event<'_>) {
        self.0.observe(event);
        self.1.observe(event);
    }

    fn trace(&self) -> Option<TraceContext> {
        self.0.trace().or_else(|| self.1.trace())
    }

    fn take_up(&mut self) {
        self.0.take_up();
        self.1.take_up();
    }

    fn lay_down(&mut self) {
        // What was taken up last is laid down first.
        self.1.lay_down();
        self.0.lay_down();
    }
}

impl<T: Observer + ?Sized> Observer for Box<T> {
    fn observe(&mut self, event: &Event<'_>) {
        (**self).observe(event);
    }

    fn trace(&self) -> Option<TraceContext> {
        (**self).trace()
    }

    fn take_up(&mut self) {
        (**self).take_up();
    }

    fn lay_down(&mut self) {
        (**self).lay_down();
    }
}

impl<T: Observer + ?Sized> Observer for &mut T {
    fn observe(&mut self, event: &Event<'_>) {
        (**self).observe(event);
    }

    fn trace(&self) -> Option<TraceContext> {
        (**self).trace()
    }

    fn take_up(&mut self) {
        (**self).take_up();
    }

    fn lay_down(&mut self) {
        (**self).lay_down();
    }
}

/// Nobody listens.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&mut self, _event: &Event<'_>) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::testing::Diary;

    /// Has a trace, and hears nothing.
    struct Traced(&'static str);

    impl Observer for Traced {
        fn observe(&mut self, _event: &Event<'_>) {}

        fn trace(&self) -> Option<TraceContext> {
            TraceContext::new(self.0, None)
        }
    }

    #[test]
    fn of_several_observers_each_is_told_and_the_first_that_has_a_trace_gives_it() {
        let (one, two) = (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01",
        );
        let (mut first, mut second) = (Diary::default(), Diary::default());
        let mut all = ((&mut first, Traced(one)), (Box::new(Traced(two)), &mut second));
        all.observe(&Event::RoundStarted { round: 1 });
        assert_eq!(all.trace(), TraceContext::new(one, None));
        assert_eq!([first.0, second.0], [["round 1 started"]; 2]);
    }

    /// Writes down when work on a request begins and ends.
    struct Shift(&'static str, Arc<Mutex<Vec<String>>>);

    impl Observer for Shift {
        fn observe(&mut self, _event: &Event<'_>) {}

        fn take_up(&mut self) {
            self.1.lock().unwrap().push(format!("{} up", self.0));
        }

        fn lay_down(&mut self) {
            self.1.lock().unwrap().push(format!("{} down", self.0));
        }
    }

    #[test]
    fn what_was_taken_up_last_is_laid_down_first() {
        let shifts = Arc::<Mutex<Vec<String>>>::default();
        let mut both = (Shift("one", Arc::clone(&shifts)), Shift("two", Arc::clone(&shifts)));
        both.take_up();
        both.lay_down();
        assert_eq!(*shifts.lock().unwrap(), ["one up", "two up", "two down", "one down"]);
    }
}
