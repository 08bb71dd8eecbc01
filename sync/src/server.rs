//! The server's side: one request in, one reply out, nothing kept between.

mod answer;
mod configuration;
mod intake;
mod links;
mod locks;
mod orders;
mod rights;
mod unversioned;

use std::sync::Arc;

use repo::manifest::date;
use repo::{Repo, UnixTime, cluster, config, partial};
use xfer::body::ContentType;
use xfer::card::CloneRequest;
use xfer::{Card, Message};

use self::answer::Answer;
use self::orders::{Mode, Orders};
use crate::tables::Compared;
use crate::{Cx, Event, RoundStats, Site, SyncError, tables};

/// Answers one message from a repository: [`handle_sync`], unless a host wraps it to authorise, to log, or to
/// announce what came. It runs on a thread that may block.
///
/// ```
/// use std::sync::{Arc, mpsc};
/// use sync::{Event, Handler, Observer, handle_sync};
/// use xfer::Message;
///
/// /// Counts what is kept.
/// #[derive(Default)]
/// struct Kept(u64);
///
/// impl Observer for Kept {
///     fn observe(&mut self, event: &Event<'_>) {
///         if let Event::RequestHandled { stats, .. } = event {
///             self.0 += stats.files_received;
///         }
///     }
/// }
///
/// let (announce, announced) = mpsc::channel();
/// let handler: Handler = Arc::new(move |repo, request, cx| {
///     if cx.peer.is_some_and(|address| address.starts_with("203.0.113.")) {
///         return Ok(Message::error("nobody of that network may sync here"));
///     }
///     let mut kept = Kept::default();
///     let reply = cx.watched_by(&mut kept, |cx| handle_sync(repo, request, cx))?;
///     if kept.0 > 0 {
///         // All of it is committed. Nobody may be listening any more.
///         let _ = announce.send(repo.path().map(std::path::Path::to_owned));
///     }
///     Ok(reply)
/// });
/// # let _ = (handler, announced);
/// ```
pub type Handler = Arc<dyn Fn(&mut Repo, &Message, &mut Cx<'_>) -> Result<Message, SyncError> + Send + Sync>;

/// Answers one request. What the client did wrong is an error card in the reply; what we did wrong is `Err`.
///
/// What a push brings is one transaction: all of it is verified and kept, or none. A clone and a pull only read,
/// so they wait for no writer; but where enough artifacts are in no cluster yet, a pull first makes clusters, if
/// the file can be written.
///
/// ```
/// use repo::{Genesis, Repo, UnixTime};
/// use sync::{Cx, Limits, NoFaults, NoGuard, NoObserver, handle_sync};
/// use xfer::{DecodeLimits, decode, encode};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (project, server) = ("ab".repeat(20), "cd".repeat(20));
/// let request = format!("pull {} {project}\n", "ef".repeat(20));
/// let mut repo = Repo::in_memory(&Genesis { project, server, public: "go".into(), ..Genesis::default() })?;
/// let mut cx = Cx {
///     now: UnixTime::from_seconds(1_800_000_000),
///     clock: None,
///     limits: &Limits::default(),
///     peer: Some("203.0.113.7"),
///     guard: &NoGuard,
///     buggify: &NoFaults,
///     observer: &mut NoObserver,
/// };
/// let request = decode(&request.into(), &DecodeLimits::default())?;
/// let reply = handle_sync(&mut repo, &request, &mut cx)?;
/// assert_eq!(encode(&reply), b"# timestamp 2027-01-15T08:00:00 errors 0\n", "there is nothing to tell");
/// # Ok(())
/// # }
/// ```
pub fn handle_sync(repo: &mut Repo, request: &Message, cx: &mut Cx<'_>) -> Result<Message, SyncError> {
    let (begun, read_before) = (cx.now, repo.cache_use());
    cx.tell(|cx| {
        let (operation, project) = purpose(request);
        Event::RequestStarted { operation, project, peer: cx.peer }
    });
    let (reply, stats) = match answer(repo, request, cx) {
        Ok((reply, stats)) => (Ok(reply), stats),
        Err(error) => (Err(error), RoundStats::default()),
    };
    let error = reply.as_ref().err().map(|error| error as &(dyn std::error::Error + 'static));
    cx.tell(|cx| Event::RequestHandled {
        cards: request.cards.len(),
        stats: &stats,
        duration: cx.since(begun),
        cache: repo.cache_use().since(read_before),
        refusal: reply.as_ref().ok().and_then(refusal_of),
        error,
    });
    reply
}

/// The first error that a reply tells of.
pub(crate) fn refusal_of(reply: &Message) -> Option<&str> {
    reply.cards.iter().find_map(|card| match card {
        Card::Error(text) => Some(text.as_str()),
        _ => None,
    })
}

/// What a request asks for, and the project that it names, for the observer.
fn purpose(request: &Message) -> (&'static str, Option<&str>) {
    let (mut pull, mut push, mut clone, mut project) = (false, false, false, None);
    for card in &request.cards {
        match card {
            Card::Pull(codes) => (pull, project) = (true, Some(codes.project.as_str())),
            Card::Push(codes) => (push, project) = (true, Some(codes.project.as_str())),
            Card::Clone(_) => clone = true,
            _ => {}
        }
    }
    let operation = match (clone, pull, push) {
        (true, ..) => "clone",
        (_, true, true) => "sync",
        (_, true, false) => "pull",
        (_, false, true) => "push",
        (..) => "other",
    };
    (operation, project)
}

/// How the reply to `request`, which came framed as `asked`, must be framed: as asked, but for a batch clone
/// of version 3, whose payloads are compressed already (reference: wire.md section 1.4).
pub fn reply_content_type(request: &Message, asked: ContentType) -> ContentType {
    let frames = |card: &Card| matches!(card, Card::Clone(CloneRequest::Batch { version: 3.., .. }));
    if request.cards.iter().any(frames) { ContentType::Uncompressed } else { asked }
}

fn answer(repo: &mut Repo, request: &Message, cx: &mut Cx<'_>) -> Result<(Message, RoundStats), SyncError> {
    let snap = repo.snapshot()?;
    if partial::load(&snap)?.is_some() {
        return Ok(refusal("this repository is an unfinished clone: try again later", cx.now));
    }
    if config::project_code(&snap)?.is_none_or(|code| code.is_empty()) {
        // A clone whose first reply is still to come: no card could name the project.
        return Ok(refusal("this repository has no project code yet: try again later", cx.now));
    }
    let mut orders = Orders::read(&snap, request, cx)?;
    drop(snap);
    match intake::take_in(repo, &mut orders, cx) {
        Ok(()) => {}
        Err(SyncError::BadArtifact(error)) => return Ok(refusal(&error.to_string(), cx.now)),
        Err(error) => return Err(error),
    }
    if orders.tables.begins() && (orders.pull == Mode::On || orders.push == Mode::On) {
        tables::expire(repo, cx.now)?;
    }
    if orders.pull == Mode::On {
        make_clusters(repo, cx)?;
    }
    let snap = repo.snapshot()?;
    let (mut cards, stats) = Answer::new(&snap, &mut orders, cx)?.run(cx)?;
    for (table, Compared { rows, stats }) in &orders.compared {
        cx.tell(|_| Event::TableStarted { table, rows: *rows });
        cx.tell(|_| Event::TableFinished { table, stats });
    }
    cards.push(timestamp(cx.now, orders.errors));
    Ok((Message::from(cards), stats))
}

/// A reply that is nothing but an error.
fn refusal(text: &str, now: UnixTime) -> (Message, RoundStats) {
    let cards = vec![Card::Error(text.to_owned()), timestamp(now, 1)];
    (Message::from(cards), RoundStats::default())
}

/// Makes clusters if they are due. A file that can not be written now does without: then the whole list is
/// announced.
fn make_clusters(repo: &mut Repo, cx: &Cx<'_>) -> Result<(), SyncError> {
    if !cluster::are_due(&repo.snapshot()?)? || cx.fires(Site::ClustersLater) {
        return Ok(());
    }
    match repo.begin().and_then(|tx| cluster::create(&tx, cx.now).and_then(|_| tx.commit())) {
        Err(error) if !error.is_read_only() => Err(error.into()),
        _ => Ok(()),
    }
}

/// The last line of every reply: its absence tells a client that we failed midway.
fn timestamp(now: UnixTime, errors: u32) -> Card {
    let mut time = date::format(now);
    time.truncate("YYYY-MM-DDTHH:MM:SS".len());
    Card::Comment(format!(" timestamp {time} errors {errors}").into())
}

#[cfg(test)]
mod tests;
