//! What is done for a request on a thread that may block.

use bytes::Bytes;
use http::StatusCode;
use repo::RepoError;
use xfer::body::{Body, ContentType, pack, unpack};
use xfer::{Card, DecodeErrorKind, Message, decode, encode};

use super::repos::{Open, Place, Repos};
use super::{RemoteAddress, ServeOptions, Site, page};
use crate::client::now;
use crate::server::refusal_of;
use crate::{Cx, Event, NoFaults, Observer, SyncError, Watched, reply_content_type, short};

/// Repositories and how to answer from them.
pub(crate) struct Desk {
    pub(crate) repos: Repos,
    pub(crate) options: ServeOptions,
}

/// A request for one round, as it came.
pub(crate) struct Letter {
    pub(crate) body: Body,
    pub(crate) peer: Option<RemoteAddress>,
    /// A login card from outside the body.
    pub(crate) login: Option<Vec<u8>>,
    pub(crate) form: Form,
}

/// What the reply is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Framed as suits it, as long as the limits say.
    AsAsked,
    /// Compressed, and with so many bytes of artifacts at most where there is more than one.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "for peers that know nothing else"))]
    Plain { reply_bytes: u64 },
}

/// What two logins get, wherever they are.
const TWO_LOGINS: &str = "multiple login cards";

/// Why there is no answer. The reasons are logged, not sent: they may name files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The file is not there any more, or is no repository.
    Gone,
    /// Another process holds the file; a retry helps.
    Busy,
    /// No memory for the reply now; a retry helps.
    Full,
    /// What was sent finds no room on the disk.
    DiskFull,
    /// We failed.
    Failed,
}

impl Trouble {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::NOT_FOUND,
            Self::Busy | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What an observer is told of it.
    pub(crate) fn event(self) -> Event<'static> {
        Event::Declined { status: self.status().as_u16() }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Gone => "no such repository",
            Self::Busy => "the repository is busy, try again",
            Self::Full => "the server has no room now, try again",
            Self::DiskFull => "the server's disk is full; nothing of the request was kept",
            Self::Failed => "the server failed; its log says why",
        }
    }
}

/// The answer to a round.
pub(crate) struct Answered {
    pub(crate) body: Body,
    pub(crate) watch: Watched,
    /// The repository that gave it, to be put back.
    pub(crate) open: Option<Open>,
}

impl Desk {
    /// Answers one round. A request that cannot be read is answered with an error card. Whether the reply is given, the
    /// observer is to be told by the caller.
    pub(crate) fn answer(
        &self,
        place: &Place,
        letter: Letter,
        watch: Box<dyn Observer + Send>,
    ) -> Result<Answered, Trouble> {
        let mut watch = Watched::take_up(watch);
        let Letter { body, peer, login, form } = letter;
        let asked = body.content_type;
        let message = match self.read(body, login.as_deref()) {
            Ok(message) => message,
            Err(text) => {
                watch.end(0, Some(&text), None);
                watch.lay_down();
                return Ok(Answered { body: pack(encode(&refusal(text)), asked), watch, open: None });
            }
        };
        let framing = match form {
            Form::AsAsked => reply_content_type(&message, asked),
            Form::Plain { .. } => ContentType::Compressed,
        };
        let opened = self.repos.open(&place.file, &self.options.repo_limits).map_err(SyncError::from);
        let handled = opened.and_then(|mut open| {
            let reply = self.handle(&mut open, &message, peer.as_ref(), form, &mut watch)?;
            Ok((open, reply))
        });
        let (open, reply) = match handled {
            Ok(done) => done,
            Err(error) => {
                watch.end(message.cards.len(), None, Some(&error));
                let trouble = trouble(place, &error);
                watch.observe(&trouble.event());
                return Err(trouble);
            }
        };
        watch.end(message.cards.len(), refusal_of(&reply), None);
        drop(message);
        let text = encode(&reply);
        drop(reply);
        watch.lay_down();
        Ok(Answered { body: pack(text, framing), watch, open: Some(open) })
    }

    /// Keeps what answered for the next request.
    pub(crate) fn keep(&self, place: Place, open: Open) {
        self.repos.keep(place.file, open, self.options.kept);
    }

    /// Reads a message, and the login beside it. Two logins are refused unseen: they test no password.
    fn read(&self, request: Body, login: Option<&[u8]>) -> Result<Message, String> {
        let limits = &self.options.decode;
        let text = if request.bytes.is_empty() {
            Bytes::new()
        } else {
            unpack(&request, limits).map_err(|e| e.to_string())?
        };
        drop(request);
        let mut message = decode(&text, limits).map_err(|error| match error.kind {
            DecodeErrorKind::RepeatedLogin => TWO_LOGINS.to_owned(),
            _ => error.to_string(),
        })?;
        let Some(login) = login.and_then(|card| xfer::Login::read(card, &text)) else { return Ok(message) };
        match message.login {
            Some(_) => Err(TWO_LOGINS.to_owned()),
            None => {
                message.login = Some(login);
                Ok(message)
            }
        }
    }

    fn handle(
        &self,
        open: &mut Open,
        message: &Message,
        peer: Option<&RemoteAddress>,
        form: Form,
        observer: &mut dyn Observer,
    ) -> Result<Message, SyncError> {
        let mut limits = self.options.limits.clone();
        if let Form::Plain { reply_bytes } = form {
            limits.reply_bytes = limits.reply_bytes.min(reply_bytes);
        }
        let mut cx = Cx {
            now: now(),
            clock: Some(&now),
            limits: &limits,
            peer: peer.map(|RemoteAddress(address)| address.as_str()),
            guard: &*self.options.guard,
            buggify: &NoFaults,
            observer,
        };
        (self.options.handler)(&mut open.repo, message, &mut cx)
    }

    /// The page at `path` (without the base path) of the request for `asked`. Its links are relative: nobody
    /// here knows under which host and prefix a proxy shows it, unless one that is believed says so.
    pub(crate) fn page(
        &self,
        path: &str,
        asked: &str,
        site: Option<&Site>,
    ) -> Result<Option<String>, Trouble> {
        let is_root = path.trim_matches('/').is_empty();
        if is_root && self.repos.is_directory() {
            let places = self.repos.list().map_err(|error| {
                tracing::error!(%error, "cannot list the directory");
                Trouble::Gone
            })?;
            let from = asked.rsplit('/').next().unwrap_or_default();
            let up_to = if from.is_empty() { ".".to_owned() } else { format!("./{from}") };
            let link = |place: Place| (place.name, format!("{up_to}{}", place.path));
            return Ok(Some(page::list(&places.into_iter().map(link).collect::<Vec<_>>())));
        }
        let may_name = self.repos.is_directory() && !path.trim_matches('/').contains('/');
        if !is_root && !may_name {
            return Ok(None);
        }
        let place = self.repos.locate(path).filter(|place| self.repos.holds_repository(place));
        let url = site.map(|Site(site)| format!("{site}{asked}"));
        Ok(place.map(|place| page::repository(&place.name, url.as_deref())))
    }
}

fn refusal(text: String) -> Message {
    Message { login: None, cards: vec![Card::Error(text)] }
}

/// Logs what went wrong; gives what the client is told.
fn trouble(place: &Place, error: &SyncError) -> Trouble {
    tracing::error!(file = %place.file.display(), error = %short(&error.to_string()), "a request failed");
    let SyncError::Repo(error) = error else { return Trouble::Failed };
    match error {
        RepoError::NotFound { .. } | RepoError::NotARepository { .. } => Trouble::Gone,
        RepoError::DiskFull { .. } => Trouble::DiskFull,
        error if error.may_retry() => Trouble::Busy,
        _ => Trouble::Failed,
    }
}
