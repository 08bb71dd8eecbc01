//! What the tests of this crate share: small repositories of artifacts that go by a letter, messages in their
//! own text, and the loop that passes them.
//!
//! In a text `{A}` stands for the name of the artifact `A`, whose content is `artifact A`, `{S}` and `{P}` for
//! the codes of the server and the project, `{V}` for our version.

use std::cell::Cell;

use bytes::Bytes;
use repo::content::{self, Incoming};
use repo::manifest::{self, Artifact};
use repo::{Genesis, Presence, Repo, Tx, UnixTime, blob, ingest, shun};
use xfer::card::Privacy;
use xfer::{ArtifactId, DecodeLimits, Login, Message, Secret, hash};

use crate::{Cx, Event, Limits, NoFaults, Observer, Progress, Session, SyncError, SyncOptions, SyncResult};

pub(crate) const PROJECT: &str = "abababababababababababababababababababab";
pub(crate) const SERVER: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_795_229_633);

/// The content of an artifact.
pub(crate) fn text(name: &str) -> String {
    format!("artifact {name}")
}

/// The name of an artifact.
pub(crate) fn id(name: &str) -> ArtifactId {
    hash::sha3_256(text(name).as_bytes())
}

/// A repository under construction.
pub(crate) struct Fixture {
    pub(crate) repo: Repo,
    pub(crate) limits: Limits,
}

/// A repository that everybody may clone and pull from, holding artifacts.
pub(crate) fn holding(names: &str) -> Fixture {
    over(Repo::in_memory(&genesis()).unwrap()).with(names)
}

/// A chain of versions as stock stores it: the newest whole, each older one a delta of the next.
pub(crate) fn versions(count: usize) -> Fixture {
    let name = |number: usize| format!("{}{number}", "version-of-a-longer-text-number-".repeat(8));
    let mut fixture = holding("").with(&name(count));
    for number in (1..count).rev() {
        fixture = fixture.delta(&name(number), &name(number + 1), Privacy::Public);
    }
    // The newest version has rid 1; each is the parent of the next.
    let parents: Vec<String> = (1..count).map(|child| format!("({}, {child}, 1, 0)", child + 1)).collect();
    fixture.sql(&format!("INSERT INTO plink(pid, cid, isprim, mtime) VALUES {}", parents.join(", ")));
    fixture
}

/// A repository of any kind, under the default limits.
pub(crate) fn over(repo: Repo) -> Fixture {
    Fixture { repo, limits: Limits::default() }
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        project: PROJECT.to_owned(),
        server: SERVER.to_owned(),
        user: "admin".to_owned(),
        password: Some("secret".to_owned()),
        public: "gorz".to_owned(),
        now: NOW,
    }
}

/// A repository that a clone may begin in.
pub(crate) fn fresh() -> Fixture {
    let genesis = Genesis { server: "c".repeat(40), user: "me".to_owned(), now: NOW, ..Genesis::default() };
    over(Repo::in_memory(&genesis).unwrap())
}

impl Fixture {
    pub(crate) fn with(self, names: &str) -> Self {
        names.split_whitespace().fold(self, |fixture, name| fixture.artifact(name, Privacy::Public))
    }

    pub(crate) fn private(self, name: &str) -> Self {
        self.artifact(name, Privacy::Private)
    }

    pub(crate) fn phantom(mut self, name: &str) -> Self {
        self.change(|tx| {
            blob::rid_or_phantom(tx, &id(name), Privacy::Public).unwrap();
        });
        self
    }

    /// Holds a cluster of names that somebody made up. Returns its name.
    pub(crate) fn forge_cluster(&mut self, members: u32) -> ArtifactId {
        self.cluster((0..members).map(|number| id(&format!("invented {number}"))).collect())
    }

    /// Has a cluster of these, so that they are announced one by one no more.
    pub(crate) fn clustered(mut self, names: &str) -> Self {
        self.cluster(names.split_whitespace().map(id).collect());
        self
    }

    fn cluster(&mut self, mut names: Vec<ArtifactId>) -> ArtifactId {
        names.sort_unstable();
        let cluster = manifest::write(&Artifact::Cluster(names));
        let name = hash::sha3_256(&cluster);
        self.change(|tx| {
            content::put(tx, &name, &Incoming::Whole(&cluster), Privacy::Public).unwrap();
        });
        name
    }

    pub(crate) fn shunned(mut self, name: &str) -> Self {
        self.change(|tx| shun::add(tx, &id(name), "", NOW).unwrap());
        self
    }

    /// Holds `name` as a delta of `source`, which may be a phantom.
    pub(crate) fn delta(self, name: &str, source: &str, privacy: Privacy) -> Self {
        self.delta_of(name, source, &text(name), privacy)
    }

    /// Holds as `name` a delta of `source` that gives something else; `source` is to be a phantom.
    pub(crate) fn false_delta(self, name: &str, source: &str) -> Self {
        self.delta_of(name, source, "something else", Privacy::Public)
    }

    fn delta_of(mut self, name: &str, source: &str, content: &str, privacy: Privacy) -> Self {
        self.change(|tx| {
            let delta = repo::delta::create(text(source).as_bytes(), content.as_bytes());
            let frame = Bytes::from(repo::zlib::Codec::new().pack(&delta));
            let size = content.len() as u32;
            let incoming = Incoming::Frame { source: Some(&id(source)), frame: &frame, size };
            content::put(tx, &id(name), &incoming, privacy).unwrap();
        });
        self
    }

    /// Changes what a user may do; the user `bob` is made, with the password `correct horse`.
    pub(crate) fn rights(mut self, user: &str, capabilities: &str) -> Self {
        let secret = Secret::derive(PROJECT, user, "correct horse");
        self.sql(&format!(
            "INSERT OR IGNORE INTO user(login, pw) VALUES('{user}', '{}');
             UPDATE user SET cap='{capabilities}' WHERE login='{user}'",
            secret.expose()
        ));
        self
    }

    /// Holds artifacts that were made here since the last push.
    pub(crate) fn unsent(mut self, names: &str) -> Self {
        for name in names.split_whitespace() {
            self.change(|tx| {
                content::add(tx, text(name).as_bytes(), Privacy::Public).unwrap();
            });
        }
        self
    }

    /// How many artifacts wait for a push.
    pub(crate) fn waiting(&mut self) -> usize {
        repo::unsent::all(&self.repo.snapshot().unwrap()).unwrap().len()
    }

    pub(crate) fn limited(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Lost the content of what has this rid.
    pub(crate) fn without(mut self, rid: usize) -> Self {
        self.sql(&format!(
            "UPDATE blob SET size=-1, content=NULL, rcvid=0 WHERE rid={rid};
             DELETE FROM delta WHERE rid={rid};
             INSERT INTO phantom VALUES({rid})"
        ));
        self
    }

    pub(crate) fn sql(&mut self, sql: &str) {
        self.change(|tx| tx.conn().execute_batch(sql).unwrap());
    }

    pub(crate) fn artifact(mut self, name: &str, privacy: Privacy) -> Self {
        self.change(|tx| {
            content::put(tx, &id(name), &Incoming::Whole(text(name).as_bytes()), privacy).unwrap();
        });
        self
    }

    pub(crate) fn keeps_private(&mut self, name: &str) -> bool {
        let snap = self.repo.snapshot().unwrap();
        let rid = blob::rid(&snap, &id(name)).unwrap().unwrap();
        repo::private::contains(&snap, rid).unwrap()
    }

    pub(crate) fn holds(&mut self, name: &str) -> bool {
        let snap = self.repo.snapshot().unwrap();
        matches!(blob::presence(&snap, &id(name)).unwrap(), Presence::Held(_))
    }

    /// The names of what is held and verified, sorted.
    pub(crate) fn all(&mut self) -> Vec<String> {
        let snap = self.repo.snapshot().unwrap();
        let mut statement = snap.conn().prepare("SELECT uuid FROM blob WHERE size>=0 ORDER BY uuid").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }

    pub(crate) fn answer(&mut self, request: &Message) -> Result<Message, SyncError> {
        let (faults, mut observer) = (NoFaults, crate::NoObserver);
        crate::handle_sync(&mut self.repo, request, &mut cx(&self.limits, &faults, &mut observer))
    }

    /// The reply to a request, both in their own text, without the timestamp.
    pub(crate) fn reply(&mut self, request: &str) -> String {
        let reply = printed(&self.answer(&message(request)).unwrap());
        let stamp = reply.rfind("# timestamp 2026-11-21T02:53:53 errors ").expect("a timestamp");
        reply[..stamp].to_owned()
    }

    fn change(&mut self, change: impl FnOnce(&Tx<'_>)) {
        let tx = self.repo.begin().unwrap();
        change(&tx);
        ingest::settle(&tx, NOW).unwrap();
        tx.commit().unwrap();
    }
}

/// Compares the reply to a request with what is expected, all in their own text.
#[track_caller]
pub(crate) fn check_reply(mut server: Fixture, request: &str, expected: &str) {
    assert_eq!(server.reply(request), spelled(expected), "reply to {request}");
}

/// Puts names and codes for what stands in braces.
pub(crate) fn spelled(text: &str) -> String {
    let mut spelled =
        text.replace("{S}", SERVER).replace("{P}", PROJECT).replace("{V}", "22100 20230226 192424");
    for letter in 'A'..='N' {
        spelled = spelled.replace(&format!("{{{letter}}}"), &id(&letter.to_string()).to_string());
    }
    spelled
}

/// Reads a message.
#[track_caller]
pub(crate) fn message(text: &str) -> Message {
    xfer::decode(&Bytes::from(spelled(text)), &DecodeLimits::default()).unwrap()
}

/// Signs a message as `bob`.
pub(crate) fn signed(text: &str) -> String {
    let mut message = message(text);
    let secret = Secret::derive(PROJECT, "bob", "correct horse");
    message.login = Some(Login::sign(&message, "bob", &secret));
    printed(&message)
}

/// Writes a message; what is not UTF-8 in it becomes readable.
pub(crate) fn printed(message: &Message) -> String {
    String::from_utf8_lossy(&xfer::encode(message)).into_owned()
}

pub(crate) fn cx<'a>(limits: &'a Limits, faults: &'a NoFaults, observer: &'a mut dyn Observer) -> Cx<'a> {
    Cx { now: NOW, clock: None, limits, peer: None, guard: &crate::NoGuard, buggify: faults, observer }
}

pub(crate) fn pull() -> SyncOptions {
    SyncOptions { pull: true, ..SyncOptions::default() }
}

pub(crate) fn push() -> SyncOptions {
    SyncOptions { push: true, ..SyncOptions::default() }
}

/// Pull and push at once.
pub(crate) fn both() -> SyncOptions {
    SyncOptions { pull: true, push: true, ..SyncOptions::default() }
}

/// Options of a user who logs in.
pub(crate) fn bob(options: &SyncOptions) -> SyncOptions {
    let password = Some("correct horse".to_owned());
    SyncOptions { user: Some("bob".to_owned()), password, ..options.clone() }
}

/// One end of a conversation: takes requests in the text of messages, for scripted servers.
pub(crate) trait Peer {
    fn hear(&mut self, request: &Message) -> Message;
}

impl Peer for Fixture {
    /// By way of bytes, as over the network.
    fn hear(&mut self, request: &Message) -> Message {
        let request = message(&printed_exactly(request));
        let reply = self.answer(&request).unwrap();
        xfer::decode(&xfer::encode(&reply).into(), &DecodeLimits::default()).unwrap()
    }
}

/// Answers by what a function makes of the round, counting from 1, and the request; and names its version, as stock does.
pub(crate) struct Script<F>(pub(crate) F, pub(crate) u32);

pub(crate) fn script<F: FnMut(u32, &str) -> String>(answer: F) -> Script<F> {
    Script(answer, 0)
}

impl<F: FnMut(u32, &str) -> String> Peer for Script<F> {
    fn hear(&mut self, request: &Message) -> Message {
        self.1 += 1;
        let answer = (self.0)(self.1, &printed(request));
        message(&format!(
            "pragma server-version 22100 20230226 192424\n{answer}# timestamp 2026-11-21T02:53:53 errors 0\n"
        ))
    }
}

fn printed_exactly(message: &Message) -> String {
    String::from_utf8(xfer::encode(message)).expect("requests of these tests are text")
}

/// Runs a session to its end.
pub(crate) fn converse(
    session: &mut Session,
    client: &mut Fixture,
    server: &mut dyn Peer,
) -> Result<SyncResult, SyncError> {
    while step(session, client, server)? == Progress::Continue {}
    Ok(session.result())
}

/// One round.
pub(crate) fn step(
    session: &mut Session,
    client: &mut Fixture,
    server: &mut dyn Peer,
) -> Result<Progress, SyncError> {
    let (faults, mut observer) = (NoFaults, crate::NoObserver);
    let mut cx = cx(&client.limits, &faults, &mut observer);
    let request = session.next_request(&mut client.repo, &mut cx)?;
    let reply = server.hear(&request);
    session.handle_reply(&mut client.repo, &reply, &mut cx)
}

thread_local! {
    /// Events that were made in this thread, and the allocations that this took.
    static TOLD: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Makes an event, and counts the allocations that this takes.
pub(crate) fn counted<T>(make: impl FnOnce() -> T) -> T {
    let mut made = None;
    let counted = allocation_counter::measure(|| made = Some(make()));
    let (events, allocations) = TOLD.get();
    TOLD.set((events + 1, allocations + counted.count_total));
    made.expect("it was made")
}

/// How many events were made in this thread until now.
pub(crate) fn told() -> u64 {
    TOLD.get().0
}

/// How many allocations that took.
pub(crate) fn allocations() -> u64 {
    TOLD.get().1
}

/// Writes down what an observer is told.
#[derive(Default)]
pub(crate) struct Diary(pub(crate) Vec<String>);

impl Observer for Diary {
    fn observe(&mut self, event: &Event<'_>) {
        self.0.push(match event {
            Event::SessionStarted { operation, .. } => format!("{operation} started"),
            Event::RoundStarted { round } => format!("round {round} started"),
            Event::Carried { status, .. } => format!("carried, {status:?}"),
            Event::Exchanged { .. } => "exchanged".to_owned(),
            Event::RoundFinished { round, stats, .. } => {
                format!("round {round} finished, {} received", stats.files_received)
            }
            Event::SessionFinished { rounds, error: None, .. } => format!("finished after {rounds}"),
            Event::SessionFinished { error: Some(error), .. } => format!("failed: {error}"),
            Event::RequestStarted { operation, .. } => format!("{operation} request"),
            Event::RequestHandled { refusal: Some(text), .. } => format!("refused: {text}"),
            Event::RequestHandled { stats, error: None, .. } => format!("handled, {} sent", stats.files_sent),
            Event::RequestHandled { error: Some(error), .. } => format!("not handled: {error}"),
            Event::Replied { .. } => "replied".to_owned(),
            Event::NoRoom => "no room".to_owned(),
            Event::Declined { status } => format!("declined with {status}"),
            Event::Failed { class, again, .. } => {
                format!("{class}: {}", if *again { "again" } else { "in vain" })
            }
            Event::Crosslinked { .. } => "crosslinked".to_owned(),
            Event::PeerSaid { text } => format!("peer: {text}"),
            Event::TableStarted { table, rows } => format!("table {table}, {rows} rows"),
            Event::TableFinished { table, stats } => {
                format!("table {table}, {} sent, {} received", stats.sent, stats.received)
            }
            Event::Refused { id } => format!("refused {}", id.short()),
        });
    }
}
