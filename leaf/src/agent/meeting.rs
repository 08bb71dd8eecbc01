//! A repository on the leaf's broker: it is asked for there, says what is new here, and hears what is new elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use repo::Repo;
use sync::http::serve::{Repos, ServeOptions, XferService};
use sync::nats::{
    Announcement, Connection, Durability, NatsServeOptions, NatsServer, News, PeerId, Receipt, Topic,
    announce, announcements,
};
use sync::schedule::Wake;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use xfer::ArtifactId;

use super::board::{AtBroker, Board};
use super::config::{Repository, RequestBytes};
use super::heard::Heard;
use super::metrics;
use super::stop::Stop;
use crate::exit::Failure;
use crate::measure;

/// How long an announcement, or the receipt of one, may take to leave. Who does not hear it hears of it in the next
/// session.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time between tries to be heard of on the broker.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// Requests that are worked on at once, a repository.
const CONCURRENT: usize = 2;

/// Where the peers of a repository meet.
pub(crate) struct Meeting {
    pub(crate) connection: Connection,
    pub(crate) topic: Topic,
    pub(crate) own: PeerId,
    heard: Mutex<Heard>,
    /// Rings when something is heard.
    bell: Notify,
    announced: Mutex<Option<ArtifactId>>,
}

impl Meeting {
    pub(crate) fn new(connection: Connection, topic: Topic, own: PeerId) -> Self {
        let (heard, announced) = (Mutex::default(), Mutex::default());
        Self { connection, topic, own, heard, bell: Notify::new(), announced }
    }

    /// Takes the next news that this repository lacks.
    pub(crate) fn next_heard(&self, repo: &mut Repo) -> Option<News> {
        loop {
            let news = lock(&self.heard).next()?;
            let hash = &news.announcement.hash;
            let holds = repo.snapshot().and_then(|snap| repo::blob::presence(&snap, hash));
            if !matches!(holds, Ok(repo::blob::Presence::Held(_))) {
                return Some(news);
            }
            self.has_dealt_with(Some(news.receipt));
        }
    }

    /// Waits until something is heard that no session has taken yet.
    pub(crate) async fn hears(&self) {
        while lock(&self.heard).is_empty() {
            self.bell.notified().await;
        }
    }

    /// Takes back news that no session could deal with.
    pub(crate) fn hear_again(&self, news: News) {
        let receipt = lock(&self.heard).hear_again(news);
        self.has_dealt_with(receipt);
    }

    /// Lets the broker know that an announcement need not come again.
    pub(crate) fn has_dealt_with(&self, receipt: Option<Receipt>) {
        if let Some(receipt) = receipt.filter(Receipt::is_wanted) {
            tokio::spawn(async move {
                // One that does not arrive comes again.
                let _ = timeout(PATIENCE, receipt.acknowledge()).await;
            });
        }
    }

    fn hear(&self, news: News) {
        let receipt = lock(&self.heard).hear(news);
        self.has_dealt_with(receipt);
        self.bell.notify_one();
    }

    /// Says what is newest here, if it did not say so before.
    pub(crate) fn tell(self: &Arc<Self>, newest: ArtifactId) {
        if lock(&self.announced).replace(newest).as_ref() == Some(&newest) {
            return;
        }
        let meeting = Arc::clone(self);
        tokio::spawn(async move {
            let announcement = Announcement { hash: newest, peer: Some(meeting.own.clone()) };
            let sent = timeout(PATIENCE, announce(&meeting.connection, &meeting.topic, &announcement)).await;
            if !matches!(sent, Ok(Ok(()))) {
                // It counts as not said.
                lock(&meeting.announced).take();
            }
        });
    }

    /// Answers and listens until the leaf is to stop. `peer` is the place of the broker among the peers.
    pub(crate) async fn attend(
        self: Arc<Self>,
        repository: Arc<Repository>,
        (drain, RequestBytes(request_bytes)): (Duration, RequestBytes),
        peer: usize,
        wakes: mpsc::Sender<Wake>,
        board: Board,
        stop: Stop,
    ) {
        let files = [(repository.name.clone(), repository.file.clone())];
        let name = repository.name.clone();
        let observer = metrics::requests(&board, move |_| Some(name.clone()));
        let decode = ServeOptions::taking(request_bytes);
        let options = ServeOptions {
            decode,
            drain_timeout: drain,
            observer,
            turned_away: measure::turned_away(),
            // There may be many repositories, and requests of whole fleets at once.
            concurrent: CONCURRENT,
            kept: 1,
            ..ServeOptions::default()
        };
        let service = XferService::new(Repos::named(files), options);
        let asked =
            NatsServeOptions { prefix: self.topic.prefix().to_owned(), ..NatsServeOptions::default() };
        let tell = |failure: Option<&Failure>| {
            board.note(&repository.name, |known| known.tell(AtBroker::Answers, failure));
        };
        let served = async {
            while !stop.is_set() {
                let opened = tokio::select! {
                    opened = self.answer(&service, &asked) => opened,
                    () = stop.wait() => return,
                };
                let ended = match opened {
                    Ok(server) => {
                        tell(None);
                        server.run(stop.wait()).await.map_err(Failure::from)
                    }
                    Err(failure) => Err(failure),
                };
                let Err(failure) = ended else { return };
                tell(Some(&failure));
                tokio::select! {
                    () = sleep(TRY_EVERY) => {}
                    () = stop.wait() => return,
                }
            }
        };
        let listened = async {
            tokio::select! {
                () = self.listen(&repository, peer, &wakes, &board) => {}
                () = stop.wait() => {}
            }
        };
        let watched = async {
            tokio::select! {
                () = self.watch_line(&repository, &wakes, &board) => {}
                () = stop.wait() => {}
            }
        };
        tokio::join!(served, listened, watched);
    }

    /// Tells the broker that the repository is asked for here. Why there is no broker is told elsewhere.
    async fn answer(&self, service: &XferService, asked: &NatsServeOptions) -> Result<NatsServer, Failure> {
        self.connection.rises().await;
        Ok(NatsServer::open(&self.connection, service, asked).await?)
    }

    async fn listen(&self, repository: &Repository, peer: usize, wakes: &mpsc::Sender<Wake>, board: &Board) {
        let durability = Durability::Kept(self.own.clone());
        loop {
            self.connection.rises().await;
            match announcements(&self.connection, &self.topic, Some(self.own.clone()), &durability).await {
                Ok(mut coming) => {
                    board.note(&repository.name, |known| known.tell(AtBroker::Hears, None));
                    while let Some(news) = coming.next().await {
                        self.hear(news);
                        let _ = wakes.try_send(Wake::Announced(Some(peer)));
                    }
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    board.note(&repository.name, |known| known.tell(AtBroker::Hears, Some(&failure)));
                }
            }
            sleep(TRY_EVERY).await;
        }
    }

    /// Tells why the broker is not reached. One that is back is a network that is back.
    async fn watch_line(&self, repository: &Repository, wakes: &mpsc::Sender<Wake>, board: &Board) {
        // That it takes a moment at first is no news.
        let mut was_away = false;
        loop {
            let reached = self.connection.reached().await.map_err(Failure::from);
            let failure = reached.err();
            board.note(&repository.name, |known| known.tell(AtBroker::Reaches, failure.as_ref()));
            if failure.is_some() {
                was_away = true;
                let _ = timeout(TRY_EVERY, self.connection.rises()).await;
                continue;
            }
            if was_away {
                lock(&self.announced).take();
                let _ = wakes.try_send(Wake::NetworkReturned);
                let _ = wakes.try_send(Wake::Changed);
            }
            self.connection.falls().await;
            was_away = true;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
