//! The next request, composed before the reply to the last one is taken in, or what it is to have, read before that came: so
//! the peer works while this side does.
//!
//! It asks for what comes next whatever that reply brings: the next batch of a clone, or artifacts that are lacking and were
//! not asked for. Those are what the reply announces, what clusters in it list, and what was known to be lacking before. What
//! else a request may say waits for one that is composed in its turn.

use std::collections::{BTreeMap, BTreeSet};

use repo::manifest::{self, Artifact};
use repo::wanted::{self, Hope};
use repo::{Repo, RepoError, Snapshot, blob, private, shun};
use xfer::card::{CloneRequest, FileCard, Payload, Privacy};
use xfer::{ArtifactId, Card, Message, Pragma, hash};

use super::cloning::Phase;
use super::inbox::{self, Choice};
use super::reply::Reply;
use super::{Goal, LoginState, Session, Step};
use crate::version::ADVERTISED;
use crate::{Cx, Event, RoundStats};

/// A request that was sent ahead.
pub(super) struct Ahead {
    asks_for: AsksFor,
    login: LoginState,
}

enum AsksFor {
    /// The batch that starts at this rid of the server.
    Batch(u32),
    /// These, and not yet those of the second list, which the reply announced and the next one need not name again.
    Artifacts(Vec<ArtifactId>, BTreeMap<ArtifactId, Privacy>),
}

impl Session {
    /// Composes the request after the last one from what its reply says, before [`Session::handle_reply`] takes that in;
    /// none if what to ask for depends on more. It only reads. Whoever sends it asks [`Session::go_ahead`] afterwards
    /// whether its reply is wanted; not to send it does no harm.
    ///
    /// # Panics
    /// If no request is under way.
    pub fn look_ahead(&mut self, repo: &mut Repo, reply: &Message, cx: &Cx<'_>) -> Option<Message> {
        assert!(self.step == Step::Composed, "no request is under way");
        self.ahead = None;
        let reply = Reply::read(reply);
        if !reply.errors.is_empty() || reply.check().is_err() || reply.files.is_empty() {
            return None;
        }
        // A file that fails now fails again when the reply is taken in, and is told of then.
        let asks_for = self.comes_next(&repo.snapshot().ok()?, &reply, cx).ok().flatten()?;
        let mut cards = vec![Card::Pragma(Pragma::ClientVersion(ADVERTISED))];
        if self.options.private {
            cards.push(Card::Pragma(Pragma::SendPrivate));
        }
        match &asks_for {
            AsksFor::Batch(seqno) => {
                let Goal::Clone(cloning) = &self.goal else { unreachable!("batches are those of a clone") };
                cards.push(Card::Clone(CloneRequest::Batch { version: cloning.version, seqno: *seqno }));
            }
            AsksFor::Artifacts(ids, _) => {
                cards.push(Card::Pull(self.codes.clone()));
                cards.extend(ids.iter().copied().map(Card::Gimme));
                if self.clusters_are_due(self.result.rounds + 1) {
                    cards.push(Card::Pragma(Pragma::ReqClusters));
                }
            }
        }
        cards.push(Card::Comment(format!(" {}", self.nonces.next()).into()));
        // The reply to the last request is still to be judged by whether that one had a login.
        let last_login = self.login;
        let request = self.signed(Message { login: None, cards });
        let login = std::mem::replace(&mut self.login, last_login);
        self.ahead = Some(Ahead { asks_for, login });
        Some(request)
    }

    /// Reads what the next request is to have, files without history, while the peer works on the last one: then it is at
    /// hand. It takes as much memory as the contents of a request. Not to call it does no harm.
    pub fn read_ahead(&mut self, repo: &mut Repo, cx: &Cx<'_>) {
        if !self.has_to_read_ahead() {
            return;
        }
        let most = self.send_bytes(cx);
        let Ok(snap) = repo.snapshot() else { return };
        // What fails now fails again when the request is composed, and is told of then.
        let _ = self.unversioned.read_ahead(&snap, most);
    }

    /// Whether there is anything for [`Session::read_ahead`].
    pub(crate) fn has_to_read_ahead(&self) -> bool {
        self.step == Step::Composed && self.unversioned.has_to_read()
    }

    fn comes_next(
        &self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
        cx: &Cx<'_>,
    ) -> Result<Option<AsksFor>, RepoError> {
        match &self.goal {
            Goal::Clone(cloning) => {
                let Phase::Batch { seqno } = cloning.phase else { return Ok(None) };
                let next = reply.clone_seqno.filter(|&next| next > seqno && cloning.is_steady());
                Ok(next.filter(|_| !self.codes.project.is_empty()).map(AsksFor::Batch))
            }
            Goal::Sync { pull: true } if self.has_only_to_pull() => {
                let asked: BTreeSet<ArtifactId> = self.wanted.iter().collect();
                let came: BTreeSet<ArtifactId> = reply.files.iter().map(|file| file.id).collect();
                let postponed: BTreeSet<ArtifactId> = reply.igots.iter().map(|igot| igot.id).collect();
                let is_wanted = |id: &ArtifactId| {
                    let is_open = !asked.contains(id) || postponed.contains(id);
                    is_open && !came.contains(id) && !self.unavailable.contains(id)
                };
                let most = cx.limits.gimmes.max(2 * came.len());
                let mut ids = new_names(snap, reply, self.deepest(), most, is_wanted)?;
                let rest = most - ids.len();
                ids.append(&mut wanted::phantoms(snap, self.deepest(), Hope::New, rest, is_wanted)?);
                if ids.is_empty() {
                    return Ok(None);
                }
                let choice = Choice { promising: ids, missed: Vec::new() };
                let promised = inbox::left_over(snap, &reply.igots, &choice, choice.len(), is_wanted)?;
                Ok(Some(AsksFor::Artifacts(choice.promising, promised)))
            }
            Goal::Sync { .. } | Goal::Preview => Ok(None),
        }
    }

    /// Whether a request that only asks for artifacts keeps nothing else waiting.
    fn has_only_to_pull(&self) -> bool {
        !self.pushing.has_more()
            && self.unversioned.is_done()
            && self.configuring.is_done()
            && !self.tables.has_more()
            && !self.locking.has_more()
    }

    /// Begins the round of the request that [`Session::look_ahead`] gave for the last reply. False if that request is not
    /// what comes next after all: then its reply is to be forgotten.
    pub fn go_ahead(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(Ahead { asks_for, login }) = self.ahead.take() else { return false };
        if self.step != Step::Absorbed {
            return false;
        }
        let (asked, promised) = match (&self.goal, asks_for) {
            (Goal::Clone(cloning), AsksFor::Batch(seqno)) if cloning.phase == (Phase::Batch { seqno }) => {
                (Vec::new(), BTreeMap::new())
            }
            (Goal::Sync { pull: true }, AsksFor::Artifacts(ids, promised)) => (ids, promised),
            _ => return false,
        };
        self.result.rounds += 1;
        self.stats = RoundStats { gimmes_sent: asked.len() as u64, ..RoundStats::default() };
        self.begun[1] = cx.now;
        self.told = Vec::new();
        self.login = login;
        self.promised.extend(promised);
        self.wanted = Choice { promising: asked, missed: Vec::new() };
        self.pushing.was_silent();
        self.tables.was_silent();
        self.step = Step::Composed;
        cx.tell(|_| Event::RoundStarted { round: self.result.rounds });
        true
    }
}

/// Up to `limit` names that nobody told us of before and that `is_wanted`: what a reply announces, and what clusters in it
/// list; and of that what is private here, which is to become public.
fn new_names(
    snap: &Snapshot<'_>,
    reply: &Reply<'_>,
    deepest: Privacy,
    limit: usize,
    is_wanted: impl Fn(&ArtifactId) -> bool,
) -> Result<Vec<ArtifactId>, RepoError> {
    let announced = |as_what: Privacy| {
        let igots = reply.igots.iter().filter(move |igot| igot.privacy == as_what && as_what <= deepest);
        (as_what, igots.map(|igot| igot.id).collect::<Vec<_>>())
    };
    let listed = reply.files.iter().map(|file| (Privacy::Public, members(file)));
    let is_any_private = private::any(snap)?;
    let (mut names, mut seen) = (Vec::new(), BTreeSet::new());
    for (privacy, ids) in [Privacy::Public, Privacy::Private].map(announced).into_iter().chain(listed) {
        for (id, known) in ids.iter().zip(blob::rids_of(snap, &ids)?) {
            if names.len() == limit {
                return Ok(names);
            }
            if !is_wanted(id) || !seen.insert(*id) {
                continue;
            }
            let is_lacking = match known {
                None => !shun::contains(snap, id)?,
                Some(_) => is_any_private && privacy == Privacy::Public && inbox::is_kept_private(snap, id)?,
            };
            if is_lacking {
                names.push(*id);
            }
        }
    }
    Ok(names)
}

/// What a file lists, if it is a cluster, came as a whole and is public; else nothing. What is not the artifact that it is
/// said to be lists nothing.
fn members(file: &FileCard) -> Vec<ArtifactId> {
    let (Payload::Plain(text), None, Privacy::Public) = (&file.payload, &file.delta_source, file.privacy)
    else {
        return Vec::new();
    };
    if !text.starts_with(b"M ") || !hash::names(&file.id, text) {
        return Vec::new();
    }
    match manifest::parse(text) {
        Ok(Artifact::Cluster(members)) => members,
        _ => Vec::new(),
    }
}
