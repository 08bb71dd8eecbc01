//! Replies: what is kept of them, and whether another round is needed (reference: wire.md sections 6.6 and 9).
//!
//! A session goes on as long as there is something to ask for. What was asked for and neither came nor was
//! announced again beside something that came is not asked for again in this session: a promise that is never
//! kept costs one round and leaves a phantom. Only what the peer did not announce before is asked for once more when it does:
//! it may have come there meanwhile. Phantoms that no peer can fill may be many, since whoever may push
//! can invent names: what the last reply announced is asked for before them, then the youngest; and each round
//! that brings nothing makes the next one ask for more, so that they take few rounds.

use std::collections::BTreeSet;

use repo::wanted::Hope;
use repo::{Origin, Presence, Repo, Snapshot, Tx, blob, config, link, partial, wanted};
use xfer::card::Igot;
use xfer::{ArtifactId, Message};

use super::circles::Circles;
use super::cloning::Phase;
use super::inbox::{self, Choice, Intake};
use super::progress::{Asked, Gain};
use super::reply::{self, Reply};
use super::{Goal, LoginState, Manner, Missed, Progress, Session};
use super::{preview, push};
use crate::tables::Brought;
use crate::{Cx, SyncError};

/// How many times more a request asks for after a round that brought nothing.
const IDLE_FACTOR: usize = 16;

/// What the error cards of a reply to a clone mean.
enum Verdict {
    /// Nothing that matters: take in what came with them.
    TakeIn,
    /// Ask again, in another way.
    AskAgain,
    /// The peer is done with us, and what we have may do.
    Finish,
}

impl Session {
    pub(super) fn absorb(
        &mut self,
        repo: &mut Repo,
        message: &Message,
        cx: &Cx<'_>,
    ) -> Result<Progress, SyncError> {
        let reply = Reply::read(message);
        self.stats.igots_received = reply.igots.len() as u64;
        self.stats.gimmes_received = reply.gimmes.len() as u64;
        self.result.config_offered += reply.configs.len() as u64;
        self.news.said.extend(reply.messages.iter().map(|&text| text.to_owned()));
        match &self.goal {
            Goal::Preview => self.absorb_catalog(&repo.snapshot()?, &reply, cx),
            Goal::Sync { pull } => {
                let pull = *pull;
                self.absorb_sync(repo, reply, pull, cx)
            }
            Goal::Clone(cloning) => {
                let phase = cloning.phase;
                self.absorb_clone(repo, &reply, phase, cx)
            }
        }
    }

    /// Whether a reply is whole, and the answer to our request. A server that was given half a request may take it for an
    /// empty one: its reply is whole, and as short as that of a server which lacks nothing. But who names his version names it
    /// wherever he is told ours, and all requests tell it. Stock does since 2.11.
    fn check(&mut self, reply: &Reply<'_>) -> Result<(), SyncError> {
        reply.check()?;
        let is_answer = match self.heard {
            _ if reply.names_version => true,
            Manner::Nothing => !reply.is_blank,
            // Who is asked for all, and not told what is here, names something.
            Manner::Silence => !reply.is_blank || !self.goal.is_pull() || self.pushing.is_on(),
            Manner::Words => true,
            Manner::Version => false,
        };
        if !is_answer {
            return Err(SyncError::Unanswered);
        }
        self.heard = if reply.names_version { Manner::Version } else { Manner::Words };
        Ok(())
    }

    /// Whether a reply may be one to an empty request: the first of a peer of which nothing is known yet, and that says nothing at
    /// all. Then the request is made again, as if the reply had been lost: a peer that does have nothing to say says so again.
    pub(super) fn is_in_doubt(&mut self, message: &Message) -> bool {
        let is_first = self.heard == Manner::Nothing && !matches!(self.goal, Goal::Clone(_));
        let is_in_doubt = is_first && reply::is_blank(message) && Reply::read(message).check().is_ok();
        if is_in_doubt {
            self.heard = Manner::Silence;
        }
        is_in_doubt
    }

    fn absorb_catalog(
        &mut self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
        cx: &Cx<'_>,
    ) -> Result<Progress, SyncError> {
        if !reply.errors.is_empty() {
            return Err(refused(reply));
        }
        self.check(reply)?;
        let mut preview = preview::compare(snap, &self.options, reply)?;
        self.unversioned.hear(snap, None, reply, cx.now)?;
        (preview.unversioned_send, preview.unversioned_receive) = self.unversioned.preview();
        self.result.preview = Some(preview);
        if let Some(said) = push::refusal(reply) {
            self.pushing.give_up(said);
        }
        Ok(Progress::Done)
    }

    fn absorb_sync(
        &mut self,
        repo: &mut Repo,
        mut reply: Reply<'_>,
        pull: bool,
        cx: &Cx<'_>,
    ) -> Result<Progress, SyncError> {
        if !reply.errors.is_empty() {
            return self.judge_sync(&reply, pull, cx);
        }
        self.check(&reply)?;
        self.expire_tables(repo, cx)?;
        let snap = repo.snapshot()?;
        self.pushing.hear(&snap, &reply)?;
        self.result.lock_failure = self.locking.hear(&reply).or(self.result.lock_failure.take());
        self.result.avoid_delta_manifests |= reply.avoids_deltas;
        let links = self.linking.hear(&snap, &reply, cx.now)?;
        if !pull {
            // Nobody asked for what it has.
            reply.files.clear();
            reply.igots.clear();
        }
        let delivered = self.pushing.delivered();
        let idle = delivered.is_empty() && reply.files.is_empty() && links.is_empty();
        let idle = idle && !self.unversioned.brings_news(&reply) && !reply.tables.brings_rows();
        let idle = idle && !self.is_configured_anew(&snap, &reply)?;
        if idle && !inbox::is_news(&snap, &reply.igots, self.deepest())? {
            self.conclude_configuration();
            self.unversioned.hear(&snap, None, &reply, cx.now)?;
            self.hear_tables(&snap, &reply, Brought::default())?;
            self.plan(&snap, &reply, &Intake::default(), cx)?;
            drop(snap);
        } else {
            drop(snap);
            let tx = repo.begin()?;
            push::settle(&tx, &delivered)?;
            links.iter().try_for_each(|link| link::keep(&tx, link))?;
            self.take_in_tables(&tx, &reply, cx)?;
            self.take_configuration(&tx, &reply)?;
            self.take_in(&tx, &reply, cx)?;
            self.pushing.hear_again(&tx, &reply)?;
            tx.commit()?;
        }
        if self.effort.is_half_spent(cx.limits) {
            self.pushing.say_no_more();
        }
        self.next_round(cx)
    }

    /// Judges error cards. Who may pull but not push goes on to pull.
    fn judge_sync(&mut self, reply: &Reply<'_>, pull: bool, cx: &Cx<'_>) -> Result<Progress, SyncError> {
        let about_push = reply.errors.iter().all(|text| is_about_push(text));
        if !self.pushing.is_on() || !about_push {
            return Err(refused(reply));
        }
        self.pushing.give_up(&reply.errors.join("; "));
        self.tables.stop_giving();
        if pull || !self.unversioned.is_done() { self.ask_again(cx) } else { Ok(Progress::Done) }
    }

    fn absorb_clone(
        &mut self,
        repo: &mut Repo,
        reply: &Reply<'_>,
        phase: Phase,
        cx: &Cx<'_>,
    ) -> Result<Progress, SyncError> {
        if !reply.errors.is_empty() {
            match self.judge(reply, phase)? {
                Verdict::TakeIn => {}
                Verdict::AskAgain => return self.ask_again(cx),
                Verdict::Finish => {
                    self.unavailable.extend(std::mem::take(&mut self.wanted).iter());
                    let tx = repo.begin()?;
                    self.count_unasked(&tx)?;
                    return self.conclude(tx, cx);
                }
            }
        }
        self.check(reply)?;
        let tx = repo.begin()?;
        self.learn_project(&tx, reply, phase, cx)?;
        self.advance(reply, phase)?;
        if let Goal::Clone(cloning) = &mut self.goal
            && cloning.drops_waiting()
        {
            wanted::drop_waiting(&tx)?;
        }
        self.take_configuration(&tx, reply)?;
        if phase == Phase::Settle {
            self.take_in_tables(&tx, reply, cx)?;
        } else {
            self.tables.hear_offer(&reply.tables);
        }
        self.take_in(&tx, reply, cx)?;
        let Goal::Clone(cloning) = &self.goal else { unreachable!("a clone") };
        // The request that asked for the configuration is also the first one that can log in.
        let settled = self.configuring.is_done() && self.wanted.is_empty();
        let done = match cloning.phase {
            Phase::Batch { .. } => false,
            Phase::Announce => settled,
            Phase::Settle => settled && self.unversioned.is_done() && !self.tables.has_more(),
        };
        if done {
            return self.conclude(tx, cx);
        }
        cloning.save(&tx, &self.codes.project)?;
        tx.commit()?;
        self.effort.check(cx.limits)?;
        Ok(Progress::Continue)
    }

    /// Judges error cards. Nobody may log in to the first round of a clone, be it by batches or by names, so its
    /// refusals tell little.
    fn judge(&mut self, reply: &Reply<'_>, phase: Phase) -> Result<Verdict, SyncError> {
        let each = |test: fn(&str) -> bool| reply.errors.iter().all(|text| test(text));
        let batch = matches!(phase, Phase::Batch { .. });
        let demanded =
            |text: &str| text.contains("login failed") || (self.options.private && text.contains("private"));
        if phase == Phase::Settle && reply.errors.iter().any(|text| demanded(text)) {
            return Err(refused(reply));
        }
        // Who may clone and not pull has all that there is to have, unless the right went in the midst of it.
        if phase == Phase::Settle && each(is_about_rights) && !self.unversioned.is_short() {
            self.news.said.extend(reply.errors.iter().map(|&text| text.to_owned()));
            return Ok(Verdict::Finish);
        }
        let Goal::Clone(cloning) = &mut self.goal else { unreachable!("a clone") };
        if batch && each(is_about_version) && cloning.fall_back() {
            return Ok(Verdict::AskAgain);
        }
        if phase == Phase::Settle || self.login == LoginState::Sent {
            return Err(refused(reply));
        }
        let is_answered = if batch { reply.clone_seqno.is_some() } else { !reply.igots.is_empty() };
        if is_answered && each(|text| text.contains("private")) {
            return Ok(Verdict::TakeIn);
        }
        if !each(is_about_rights) {
            return Err(refused(reply));
        }
        if self.credentials().is_none() {
            return Err(SyncError::PasswordNeeded(reply.errors.join("; ")));
        }
        if let Some(push) = reply.push {
            self.adopt(&push.project)?;
        }
        Ok(Verdict::AskAgain)
    }

    fn ask_again(&mut self, cx: &Cx<'_>) -> Result<Progress, SyncError> {
        self.effort.add(Gain { asked: Asked::InVain, ..Gain::default() });
        self.effort.check(cx.limits)?;
        Ok(Progress::Continue)
    }

    fn learn_project(
        &mut self,
        tx: &Tx<'_>,
        reply: &Reply<'_>,
        phase: Phase,
        cx: &Cx<'_>,
    ) -> Result<(), SyncError> {
        match reply.push {
            Some(push) => self.adopt(&push.project)?,
            None if matches!(phase, Phase::Batch { .. }) || self.codes.project.is_empty() => {
                return Err(SyncError::NoProjectNamed);
            }
            None => {}
        }
        // It may have been named by who refused us before we logged in.
        if config::project_code(tx)?.as_ref() != Some(&self.codes.project) {
            config::set(tx, "project-code", &self.codes.project, cx.now)?;
        }
        Ok(())
    }

    fn adopt(&mut self, theirs: &str) -> Result<(), SyncError> {
        if self.codes.project.is_empty() {
            theirs.clone_into(&mut self.codes.project);
            self.check_project()?;
        }
        if self.codes.project == theirs {
            return Ok(());
        }
        Err(SyncError::WrongProject { ours: self.codes.project.clone(), theirs: theirs.to_owned() })
    }

    /// Moves the cursor of the batches. A peer that answers with names instead knows no batches.
    fn advance(&mut self, reply: &Reply<'_>, phase: Phase) -> Result<(), SyncError> {
        let (Goal::Clone(cloning), Phase::Batch { seqno }) = (&mut self.goal, phase) else { return Ok(()) };
        let Some(push) = reply.push else { return Err(SyncError::NoProjectNamed) };
        if reply.clone_seqno.is_none() && reply.files.is_empty() && !reply.igots.is_empty() {
            cloning.phase = Phase::Announce;
            return Ok(());
        }
        cloning.advance(seqno, reply.clone_seqno, push)
    }

    fn take_in(&mut self, tx: &Tx<'_>, reply: &Reply<'_>, cx: &Cx<'_>) -> Result<(), SyncError> {
        tx.set_origin(Origin { time: cx.now, ..Origin::default() });
        // What was asked for and comes so did not come. Unasked, as in a batch of a clone, it would be missed by nobody.
        let asked: BTreeSet<ArtifactId> = self.wanted.iter().chain(self.told.iter().copied()).collect();
        let came = reply.files.iter().filter(|file| !(asked.contains(&file.id) && inbox::is_hollow(file)));
        let came: Vec<_> = came.copied().collect();
        let is_older = |id: &ArtifactId| match &self.goal {
            Goal::Clone(cloning) => cloning.found.contains(id),
            Goal::Sync { .. } | Goal::Preview => !self.waited.contains(id),
        };
        let mut intake = inbox::store(tx, &came, self.deepest(), cx.now, is_older)?;
        intake.names = inbox::note(tx, &reply.igots, self.deepest())?;
        if self.result.rounds == 1 {
            // Of what this request announced the reply names nothing, whoever knows of it.
            let knows_none = reply.gimmes.len() as u64 >= self.stats.igots_sent;
            let is_all_news = intake.names > 0 && intake.names == reply.igots.len() as u64;
            self.is_far_behind = knows_none && is_all_news;
        }
        // Asking again for what was false would bring the same again, but for what had waited since an earlier session.
        let is_sync = matches!(self.goal, Goal::Sync { .. });
        if is_sync {
            self.waited.extend(intake.waiting.iter().copied());
        }
        if !intake.settled.dropped.is_empty() {
            let came: BTreeSet<ArtifactId> = reply.files.iter().map(|file| file.id).collect();
            let is_theirs = |id: &&ArtifactId| !is_sync || came.contains(id) || self.waited.contains(id);
            self.unavailable.extend(intake.settled.dropped.iter().filter(is_theirs).copied());
        }
        self.news.refused = std::mem::take(&mut intake.refused);
        self.news.refused.append(&mut intake.settled.dropped);
        self.news.linked = intake.settled.linked;
        self.stats.uv_files_received = self.unversioned.hear(tx, Some(tx), reply, cx.now)?;
        self.plan(tx, reply, &intake, cx)
    }

    /// Decides what the next request asks for.
    fn plan(
        &mut self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
        intake: &Intake,
        cx: &Cx<'_>,
    ) -> Result<(), SyncError> {
        let batch =
            matches!(&self.goal, Goal::Clone(cloning) if matches!(cloning.phase, Phase::Batch { .. }));
        let has_asked = !self.wanted.is_empty();
        self.missed = self.find_missed(snap, reply)?;
        let asked: BTreeSet<ArtifactId> = self.wanted.iter().collect();
        self.circles.hear(intake, reply.igots.iter().any(|igot| asked.contains(&igot.id)));
        let met = self.give_up(snap, reply, intake, asked)?;
        for id in self.circles.reopened(snap)? {
            self.unavailable.remove(&id);
        }
        let asked = match (has_asked, met) {
            (false, _) => Asked::Nothing,
            (true, 0) => Asked::Artifacts,
            (true, _) => Asked::Answered,
        };
        let Intake { new: artifacts, bytes, names, .. } = *intake;
        let (sent, sent_bytes) = self.pushing.under_way();
        let (files, file_bytes) = self.unversioned.moved();
        let rows = self.tables.moved();
        let (artifacts, bytes) = (artifacts + rows.received, bytes + rows.received_bytes);
        let (moved, moved_bytes) = (sent + files + rows.sent, sent_bytes + file_bytes + rows.sent_bytes);
        self.effort.add(Gain { artifacts, bytes, moved, moved_bytes, names, asked });
        self.stats.files_received = intake.new;
        if batch {
            return Ok(());
        }
        if self.effort.is_exhausted(cx.limits) {
            return self.count_unasked(snap);
        }
        if matches!(self.goal, Goal::Sync { pull: false }) {
            return Ok(());
        }
        let brought = usize::try_from(intake.new.saturating_mul(2)).unwrap_or(usize::MAX);
        let factor = IDLE_FACTOR.saturating_pow(self.effort.idle());
        let bold = cx.limits.gimmes.saturating_mul(factor).min(cx.limits.idle_gimmes);
        let limit = brought.max(cx.limits.gimmes).max(bold);
        let is_wanted = |id: &ArtifactId| !self.unavailable.contains(id);
        // Of those that were missed before, a session asks for a few, and for more if this peer has any of them.
        let missed = match self.missed {
            Missed::Untried => cx.limits.gimmes,
            Missed::Found => limit,
            Missed::Lacking => 0,
        };
        // What came in this session would come as it came.
        let may_differ = |id: &ArtifactId| is_wanted(id) && !self.waited.contains(id);
        let late = self.circles.choose(snap, self.deepest(), limit, may_differ)?;
        let room = limit - late.len();
        let promised: Vec<Igot> = self.promised.iter().map(|(&id, &privacy)| Igot { id, privacy }).collect();
        let igots: Vec<&Igot> = reply.igots.iter().copied().chain(&promised).collect();
        let mut choice = inbox::choose(snap, &igots, self.deepest(), room, missed, is_wanted)?;
        choice.add_listed(snap, room, is_wanted)?;
        let promised = inbox::left_over(snap, &igots, &choice, room, is_wanted)?;
        self.wanted = choice.after(late);
        self.promised = promised;
        if self.wanted.is_empty() {
            self.wanted = inbox::choose_stuck(snap, self.deepest(), cx.limits.gimmes, is_wanted)?;
        }
        if self.wanted.is_empty() { self.count_unasked(snap) } else { Ok(()) }
    }

    /// Whether anything came, or is to come, that other sessions had asked for in vain; as before, where the last request
    /// asked for nothing of that, unless the peer has got some that this session asked for in vain too.
    fn find_missed(&mut self, snap: &Snapshot<'_>, reply: &Reply<'_>) -> Result<Missed, SyncError> {
        let verdict = if self.wanted.missed.is_empty() { self.missed } else { Missed::Lacking };
        self.lacked.extend(&self.wanted.missed);
        if self.lacked.is_empty() {
            return Ok(verdict);
        }
        // What comes as a delta may wait for its source.
        let sent = reply.files.iter().filter(|file| !inbox::is_hollow(file)).map(|file| &file.id);
        let there: BTreeSet<&ArtifactId> = reply.igots.iter().map(|igot| &igot.id).chain(sent).collect();
        let mut lacked = BTreeSet::new();
        for id in &self.lacked {
            if !there.contains(id) && wanted::lacks(snap, id)? {
                lacked.insert(*id);
            }
        }
        let is_any_found = lacked.len() < self.lacked.len();
        self.lacked = lacked;
        Ok(if is_any_found { Missed::Found } else { verdict })
    }

    /// Counts what this session does not come to ask for.
    fn count_unasked(&mut self, snap: &Snapshot<'_>) -> Result<(), SyncError> {
        self.unasked = 0;
        for hope in [Hope::New, Hope::Missed] {
            wanted::phantoms(snap, self.deepest(), hope, usize::MAX, |id| {
                self.unasked += u64::from(!self.unavailable.contains(id));
                false
            })?;
        }
        self.unasked += wanted::waiting(snap, self.deepest(), |id| self.unavailable.contains(id))?;
        Ok(())
    }

    /// Notes what was asked for and did not come. A reply that is full announces the rest again: be it full of what
    /// waits for its delta source as before. Says how much of what was asked for came and is here: what another session
    /// brought meanwhile, too.
    fn give_up(
        &mut self,
        snap: &Snapshot<'_>,
        reply: &Reply<'_>,
        intake: &Intake,
        wanted: BTreeSet<ArtifactId>,
    ) -> Result<u64, SyncError> {
        let announced: BTreeSet<ArtifactId> =
            reply.igots.iter().filter(|igot| igot.privacy <= self.deepest()).map(|igot| igot.id).collect();
        for id in &announced {
            if self.absent.remove(id) {
                self.unavailable.remove(id);
            }
        }
        self.wanted = Choice::default();
        // What was named as lacking may take the room, too.
        let told: BTreeSet<ArtifactId> =
            self.told.iter().copied().filter(|id| !wanted.contains(id)).collect();
        let is_asked = |id: &ArtifactId| wanted.contains(id) || told.contains(id);
        let came: BTreeSet<ArtifactId> = reply.files.iter().map(|file| file.id).filter(is_asked).collect();
        let mut postponed = BTreeSet::new();
        if intake.new > 0 || !came.is_empty() {
            postponed.extend(reply.igots.iter().map(|igot| igot.id).filter(|id| !came.contains(id)));
        }
        let mut met = 0;
        for id in told.intersection(&came) {
            met += u64::from(!wanted::lacks(snap, id)?);
        }
        for id in wanted {
            let is_open = postponed.contains(&id) || intake.waiting.contains(&id);
            let is_here = !wanted::lacks(snap, &id)?;
            // Another session may have stored it, as a delta that waits, too.
            if came.contains(&id) && (is_here || matches!(blob::presence(snap, &id)?, Presence::Dangling(_)))
            {
                met += 1;
            }
            // What is private here and came as such has not become public.
            if (!is_here || inbox::is_kept_private(snap, &id)?) && !is_open {
                self.unavailable.insert(id);
                if !came.contains(&id) && !announced.contains(&id) {
                    self.absent.insert(id);
                }
            }
        }
        Ok(met)
    }

    /// Writes down what was asked for in vain, for later sessions. It is a hint: a file that cannot be written now
    /// does without.
    pub(super) fn note_missed(&mut self, repo: &mut Repo, cx: &Cx<'_>) -> Result<(), SyncError> {
        if self.unavailable.is_empty() {
            return Ok(());
        }
        let snap = repo.snapshot()?;
        // What was sent as a delta of something that came later is here.
        for id in std::mem::take(&mut self.unavailable) {
            if wanted::lacks(&snap, &id)? {
                self.unavailable.insert(id);
            }
        }
        let missed = wanted::to_miss(&snap, self.unavailable.iter(), cx.limits.gimmes)?;
        drop(snap);
        if missed.is_empty() {
            return Ok(());
        }
        match repo.begin().and_then(|tx| wanted::miss(&tx, &missed).and_then(|()| tx.commit())) {
            Err(error) if !error.is_read_only() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn next_round(&self, cx: &Cx<'_>) -> Result<Progress, SyncError> {
        let is_heard = !self.pushing.has_more() && self.unversioned.is_done() && !self.locking.has_more();
        if self.wanted.is_empty() && is_heard && !self.tables.has_more() {
            return Ok(Progress::Done);
        }
        self.effort.check(cx.limits)?;
        Ok(Progress::Continue)
    }

    /// Takes the mark of an unfinished clone off, if nothing that was received still waits for its source.
    fn conclude(&mut self, tx: Tx<'_>, cx: &Cx<'_>) -> Result<Progress, SyncError> {
        let Goal::Clone(cloning) = &mut self.goal else { unreachable!("a clone") };
        if let Some((count, first)) = wanted::dangling(&tx)? {
            cloning.phase = Phase::Settle;
            let is_over = !cloning.asks_once_more();
            cloning.save(&tx, &self.codes.project)?;
            if is_over {
                tx.commit()?;
                return Err(SyncError::UnresolvedDeltas { count, first });
            }
            wanted::drop_waiting(&tx)?;
            self.unavailable.clear();
            self.circles = Circles::new();
            let most = cx.limits.gimmes;
            self.wanted = inbox::choose(&tx, &[], self.deepest(), most, most, |_| true)?;
            if !self.wanted.is_empty() {
                tx.commit()?;
                return self.effort.check(cx.limits).map(|()| Progress::Continue);
            }
        }
        if !self.configuring.is_done() {
            config::unset(&tx, "hash-policy")?;
        }
        if config::get(&tx, "hash-policy")?.is_none() {
            let policy = config::hash_policy(&tx)?;
            config::set_hash_policy(&tx, policy, cx.now)?;
        }
        partial::clear(&tx)?;
        tx.commit()?;
        Ok(Progress::Done)
    }
}

fn refused(reply: &Reply<'_>) -> SyncError {
    SyncError::Refused(reply.errors.join("; "))
}

/// Whether it is pushing that the peer refuses.
fn is_about_push(text: &str) -> bool {
    text.contains("not authorized to write")
}

/// Whether a login, or another one, might help. Stock may add a reason, so only the gist is compared.
fn is_about_rights(text: &str) -> bool {
    text.contains("not authorized") || text.contains("login failed")
}

/// Whether the peer does not know this kind of clone.
fn is_about_version(text: &str) -> bool {
    text.contains("bad command") && text.contains("clone")
}
