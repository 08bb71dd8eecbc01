//! The two sides of an edge case.

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use frond_tests::corpus::{Extras, PROJECT, Shape, by_stock};
use frond_tests::http::{self, Answer};
use frond_tests::memory::{self, Peak};
use frond_tests::scripted::Request;
use frond_tests::{Fossil, Frond, Reply, Said, Scratch, Scripted, Server, sql};
use xfer::ArtifactId;

use crate::signing::{add_user, signed};

/// Ends every reply of good form.
pub(crate) const END: &str =
    "pragma server-version 22100 20230226 192424\n# timestamp 2026-01-01T00:00:00 errors 0\n";
/// What a client says first.
pub(crate) const VERSION: &str = "pragma client-version 22100 20230226 192424\n";
/// What a push begins with.
pub(crate) const PUSH: &str = "push 0000 c0ffee0000000000000000000000000000000000\n";
/// What a pull begins with.
pub(crate) const PULL: &str = "pull 0000 c0ffee0000000000000000000000000000000000\n";
/// More memory than this is never needed for the tiny repository of these tests.
const MEMORY_BYTES: u64 = 100 << 20;
/// Nor more than this where a client is sent the longest text that it reads at all, full of cards.
const CLIENT_BOMB_BYTES: u64 = (1 << 30) + (512 << 20) + MEMORY_BYTES;
/// Nor more than this on a server, however many bombs it is sent at once: one text of the longest that a request
/// may have, and the most cards.
const SERVER_BOMB_BYTES: u64 = (256 << 20) + (64 << 20) + MEMORY_BYTES;

/// What all cases share.
pub(crate) struct Bench {
    pub(crate) fossil: Fossil,
    pub(crate) frond: Frond,
    /// A small repository. Never served or changed itself.
    pub(crate) seed: PathBuf,
    _scratch: Scratch,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (fossil, scratch) = (Fossil::new(), Scratch::new());
        let seed = scratch.file("seed.fossil");
        let shape = Shape { checkins: 6, files: 4, seed: 3 };
        by_stock(&fossil, &seed, shape, 6, Extras::None);
        Self { fossil, frond: Frond::new(), seed, _scratch: scratch }
    }

    /// Some artifact of the seed: its name and its content.
    pub(crate) fn some_file(&self) -> (ArtifactId, Vec<u8>) {
        let sql =
            "SELECT uuid FROM blob WHERE size>2000 AND rid IN (SELECT fid FROM mlink) ORDER BY size LIMIT 1";
        let name = sql::column(&self.seed, sql).swap_remove(0);
        let content = self.fossil.output(["artifact", &name, "-R", &self.seed.to_string_lossy()]);
        let id: ArtifactId = name.parse().unwrap();
        assert!(xfer::hash::names(&id, content.as_bytes()), "stock prints the artifact as it is");
        (id, content.into_bytes())
    }

    /// The newest check-in of the seed.
    pub(crate) fn tip(&self) -> String {
        let sql = "SELECT uuid FROM event JOIN blob ON rid=objid WHERE type='ci' ORDER BY event.mtime DESC";
        sql::column(&self.seed, sql).swap_remove(0)
    }
}

/// A server that is asked by hand. Afterwards it must still serve.
pub(crate) struct ServerCase<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) dir: Scratch,
    pub(crate) file: PathBuf,
    pub(crate) server: Server,
    is_open: bool,
    most_bytes: Cell<u64>,
}

impl<'a> ServerCase<'a> {
    pub(crate) fn new(bench: &'a Bench) -> Self {
        Self::with(bench, |_| {})
    }

    pub(crate) fn with(bench: &'a Bench, prepare: impl FnOnce(&Path)) -> Self {
        let dir = Scratch::new();
        let file = dir.copy(&bench.seed, "served.fossil");
        prepare(&file);
        let server = bench.frond.server(&file);
        let nobody = sql::column(&file, "SELECT cap FROM user WHERE login='nobody'").swap_remove(0);
        let is_open = nobody.contains(|right| "oias".contains(right));
        Self { bench, dir, file, server, is_open, most_bytes: Cell::new(MEMORY_BYTES) }
    }

    /// A server where `bob` may do so much, and nobody anything.
    pub(crate) fn of_bob(bench: &'a Bench, rights: &str) -> Self {
        Self::with(bench, |file| {
            sql::execute(file, "UPDATE user SET cap='' WHERE login='nobody'");
            add_user(file, "bob", rights);
        })
    }

    /// Posts cards that bob signed.
    pub(crate) fn by_bob(&self, cards: impl AsRef<[u8]>) -> Answer {
        self.cards(signed("bob", cards))
    }

    /// Posts what bob pushes.
    pub(crate) fn push(&self, cards: impl AsRef<[u8]>) -> Answer {
        self.by_bob([PUSH.as_bytes(), cards.as_ref()].concat())
    }

    /// Whether an artifact is here, whole.
    #[track_caller]
    pub(crate) fn holds(&self, id: &ArtifactId) -> bool {
        let sql = "SELECT count(*) FROM blob WHERE size>=0 AND uuid=";
        sql::number(&self.file, &format!("{sql}'{id}' AND rid NOT IN ({DANGLING})")) > 0
    }

    /// A number from the file.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        sql::number(&self.file, sql)
    }

    /// The file is sound in the eyes of stock, and its derived tables are right.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        self.bench.fossil.test_integrity(&self.file);
        frond_tests::compare::derived_tables_equal_after_stock_rebuild(&self.bench.fossil, &self.file);
    }

    /// Allows what a message may grow to before it is refused.
    pub(crate) fn is_a_bomb(&self) {
        self.most_bytes.set(SERVER_BOMB_BYTES);
    }

    /// What the server took so far.
    #[track_caller]
    pub(crate) fn peak(&self) -> Peak {
        memory::peak(self.server.id()).expect("the server still runs")
    }

    /// Posts a body; the answer's body is inflated if need be.
    pub(crate) fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        opened(http::post(self.server.address, "/", content_type, body))
    }

    pub(crate) fn cards(&self, text: impl AsRef<[u8]>) -> Answer {
        self.post("application/x-fossil-uncompressed", text.as_ref())
    }

    /// Sends a request with header lines of one's own.
    pub(crate) fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        opened(http::send(self.server.address, &http::request(line, headers, body)))
    }

    /// The same from a client that hangs up afterwards.
    pub(crate) fn send_and_hang_up(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        opened(http::send_and_hang_up(self.server.address, &http::request(line, headers, body)))
    }
}

impl Drop for ServerCase<'_> {
    /// Whatever was asked, the server goes on, within its memory.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let answer = self.cards(pull_cards());
        if self.is_open {
            answered(&answer);
        } else {
            refused_as(&answer, "not\\sauthorized\\sto\\sread");
        }
        let peak = self.peak().resident;
        assert!(peak < self.most_bytes.get(), "the server took {} MB", peak >> 20);
    }
}

/// The answer with its body inflated, if need be.
pub(crate) fn opened(mut answer: Answer) -> Answer {
    if answer.header("content-type") == Some("application/x-fossil") && answer.body.len() > 4 {
        let mut text = Vec::new();
        let inflated = std::io::copy(&mut flate2::read::ZlibDecoder::new(&answer.body[4..]), &mut text);
        inflated.expect("a reply labelled application/x-fossil inflates");
        answer.body = text;
    }
    answer
}

/// A pull of good form.
pub(crate) fn pull_cards() -> String {
    format!("{VERSION}pull 0000 {PROJECT}\n# 5e3d\n")
}

/// The server did what a pull asks for.
#[track_caller]
pub(crate) fn answered(answer: &Answer) {
    let text = answer.text();
    assert!(answer.status == 200 && text.contains("igot ") && text.contains("# timestamp "), "{answer:?}");
    assert!(!text.contains("error "), "{text}");
}

/// The server read the request and refused it: the reply holds error cards, and nothing else but its end.
#[track_caller]
pub(crate) fn refused(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = answer.text();
    let mut cards = text.lines().filter(|line| !line.starts_with("# timestamp ")).peekable();
    assert!(cards.peek().is_some() && cards.all(|line| line.starts_with("error ")), "{answer:?}");
}

/// The same for a reason, in the words of the card.
#[track_caller]
pub(crate) fn refused_as(answer: &Answer, words: &str) {
    refused(answer);
    assert!(answer.text().starts_with(&format!("error {words}\n")), "not {words:?}: {answer:?}");
}

/// The server took the whole request.
#[track_caller]
pub(crate) fn taken(answer: &Answer) {
    let text = answer.text();
    assert!(answer.status == 200 && text.ends_with(" errors 0\n") && !text.contains("error "), "{answer:?}");
}

/// The server did not take the request for a message: a status says why, and there are no cards.
#[track_caller]
pub(crate) fn turned_away(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_ne!(answer.header("content-type").map(|kind| kind.contains("fossil")), Some(true), "{answer:?}");
}

/// A message in the container of `application/x-fossil`, with a prefix of one's own.
pub(crate) fn container(prefix: u32, text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(prefix.to_be_bytes().to_vec(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A body of about a megabyte that inflates to 1.2 GB.
pub(crate) fn bomb() -> Vec<u8> {
    bomb_of(1200)
}

/// A body that inflates to so many megabytes.
pub(crate) fn bomb_of(megabytes: u32) -> Vec<u8> {
    let bytes = megabytes * 1_000_000;
    let mut encoder = ZlibEncoder::new(bytes.to_be_bytes().to_vec(), Compression::fast());
    for _ in 0..megabytes {
        encoder.write_all(&b"#\n".repeat(500_000)).unwrap();
    }
    encoder.finish().unwrap()
}

/// A message in its container.
pub(crate) fn packed(text: &[u8]) -> Vec<u8> {
    container(text.len() as u32, text)
}

/// A client that is answered by a script.
pub(crate) struct ClientCase<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) dir: Scratch,
    most_bytes: Cell<u64>,
    may_reserve: Cell<Option<u64>>,
}

/// What became of the client.
pub(crate) struct Outcome {
    pub(crate) said: Said,
    pub(crate) requests: Vec<Request>,
    pub(crate) file: PathBuf,
    is_clone: bool,
    peak: Peak,
    most_bytes: u64,
}

impl<'a> ClientCase<'a> {
    pub(crate) fn new(bench: &'a Bench) -> Self {
        Self { bench, dir: Scratch::new(), most_bytes: Cell::new(MEMORY_BYTES), may_reserve: Cell::new(None) }
    }

    /// Lets it ask the system for no more than so many bytes, used or not.
    pub(crate) fn may_reserve(&self, bytes: u64) {
        self.may_reserve.set(Some(bytes));
    }

    /// Allows what a message may grow to before it is refused.
    pub(crate) fn is_a_bomb(&self) {
        self.most_bytes.set(CLIENT_BOMB_BYTES);
    }

    /// Allows what an artifact of this size may take.
    pub(crate) fn brings(&self, artifact: &[u8]) {
        self.most_bytes.set(MEMORY_BYTES + artifact.len() as u64 * 5 / 2);
    }

    /// A copy of the seed to pull into, under a name of its own.
    pub(crate) fn copy(&self) -> PathBuf {
        let count = std::fs::read_dir(self.dir.path()).unwrap().count();
        self.dir.copy(&self.bench.seed, &format!("client-{count}.fossil"))
    }

    /// Pulls into a copy of the seed.
    pub(crate) fn pull(&self, script: impl Fn(&Request) -> Reply + Send + 'static) -> Outcome {
        self.pull_into(self.copy(), script)
    }

    /// Pulls into a file.
    pub(crate) fn pull_into(
        &self,
        file: PathBuf,
        script: impl Fn(&Request) -> Reply + Send + 'static,
    ) -> Outcome {
        self.session(&["pull"], "", file, script)
    }

    /// Runs a session: `words` are the command and its options, `login` what the URL says of the user.
    pub(crate) fn session(
        &self,
        words: &[&str],
        login: &str,
        file: PathBuf,
        script: impl Fn(&Request) -> Reply + Send + 'static,
    ) -> Outcome {
        let server = Scripted::start(script);
        let path = file.to_string_lossy().into_owned();
        let url = server.url().replace("http://", &format!("http://{login}"));
        self.run(&[words, &[&url, "-R", &path]].concat(), file, &server)
    }

    /// A copy of the seed with something that was made there, and its name.
    #[track_caller]
    pub(crate) fn ahead(&self) -> (PathBuf, ArtifactId) {
        let file = self.copy();
        (file.clone(), make_page(self.bench, &self.dir, &file, "what is new\n"))
    }

    /// Clones into a file that does not exist.
    pub(crate) fn clone(&self, script: impl Fn(&Request) -> Reply + Send + 'static) -> Outcome {
        self.clone_as(&[], "", script)
    }

    /// The same with options, and with what the URL says of the user.
    pub(crate) fn clone_as(
        &self,
        options: &[&str],
        login: &str,
        script: impl Fn(&Request) -> Reply + Send + 'static,
    ) -> Outcome {
        let count = std::fs::read_dir(self.dir.path()).unwrap().count();
        let file = self.dir.file(&format!("clone-{count}.fossil"));
        let server = Scripted::start(script);
        let path = file.to_string_lossy().into_owned();
        let url = server.url().replace("http://", &format!("http://{login}"));
        self.run(&[&["clone"], options, &[&url, &path]].concat(), file, &server)
    }

    fn run(&self, words: &[&str], file: PathBuf, server: &Scripted) -> Outcome {
        let mut command = self.bench.frond.command(words);
        if let Some(bytes) = self.may_reserve.get() {
            command = memory::limited(&command, bytes);
        }
        let (said, peak) = memory::run(&mut command);
        let (is_clone, most_bytes) = (words[0] == "clone", self.most_bytes.get());
        Outcome { said, requests: server.requests(), file, is_clone, peak, most_bytes }
    }

    /// Pulls what one reply brings; every later reply is empty.
    pub(crate) fn pull_once(&self, reply: impl Into<Vec<u8>>) -> Outcome {
        self.pull(once(reply))
    }

    /// Clones what one reply brings; every later reply is empty.
    pub(crate) fn clone_once(&self, files: impl Into<Vec<u8>>) -> Outcome {
        self.clone(once([files.into(), clone_tail("0").into_bytes()].concat()))
    }
}

/// Has stock write a wiki page; gives the name of the artifact.
#[track_caller]
pub(crate) fn make_page(bench: &Bench, dir: &Scratch, file: &Path, text: &str) -> ArtifactId {
    let page = dir.write("page.txt", text);
    let words =
        ["wiki", "create", "New", &page.to_string_lossy(), "--user", "dev", "-R", &file.to_string_lossy()]
            .map(str::to_owned);
    bench.fossil.output(words);
    let names = sql::column(file, "SELECT uuid FROM unsent JOIN blob USING(rid) ORDER BY rid DESC");
    names[0].parse().unwrap()
}

/// A script of one reply, which is empty afterwards. The timestamp is added.
pub(crate) fn once(cards: impl Into<Vec<u8>>) -> impl Fn(&Request) -> Reply + Send + 'static {
    let cards = [cards.into(), END.into()].concat();
    move |request| if request.number == 1 { Reply::cards(cards.clone()) } else { Reply::cards(END) }
}

/// How a clone reply ends, but for its timestamp.
pub(crate) fn clone_tail(seqno: &str) -> String {
    format!("clone_seqno {seqno}\npush 5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e {PROJECT}\n")
}

impl Outcome {
    /// It ended well.
    #[track_caller]
    pub(crate) fn went_well(&self) -> &Self {
        assert_eq!(self.said.code, Some(0), "{}", self.said);
        self.is_sane()
    }

    /// It failed for a reason that it says in these words, and did not crash. A clone that failed left no file.
    #[track_caller]
    pub(crate) fn failed(&self, words: &str) -> &Self {
        assert!(!matches!(self.said.code, Some(0) | None), "it should have failed\n{}", self.said);
        let message = self.said.stderr.lines().last().unwrap_or_default();
        assert!(message.starts_with("frond: ") && message.contains(words), "not {words:?}\n{}", self.said);
        assert!(!self.is_clone || !self.file.exists(), "half a clone has its name\n{}", self.said);
        self.is_sane()
    }

    /// It took so many rounds.
    #[track_caller]
    pub(crate) fn rounds(&self, count: usize) -> &Self {
        assert_eq!(self.requests.len(), count, "rounds\n{}", self.said);
        self
    }

    /// It did not crash, and took no more memory and rounds than it may.
    #[track_caller]
    pub(crate) fn is_sane(&self) -> &Self {
        let said = &self.said;
        assert!(said.code.is_some_and(|code| code != 101) && !said.stderr.contains("panicked"), "{said}");
        assert!(self.peak.resident < self.most_bytes, "it took {} MB", self.peak.resident >> 20);
        assert!(self.requests.len() <= 150, "{} requests", self.requests.len());
        self
    }

    /// The artifact is there, whole.
    #[track_caller]
    pub(crate) fn holds(&self, id: &ArtifactId) -> &Self {
        assert!(self.has(id), "{id} is not there\n{}", self.said);
        self
    }

    /// The artifact is not there.
    #[track_caller]
    pub(crate) fn lacks(&self, id: &ArtifactId) -> &Self {
        assert!(!self.has(id), "{id} is there\n{}", self.said);
        self
    }

    fn has(&self, id: &ArtifactId) -> bool {
        let held = "SELECT count(*) FROM blob WHERE size>=0 AND uuid=";
        // A clone that failed may have left its work under another name, or nothing.
        let work = sync::client::work_file(&self.file).unwrap();
        let file = if self.file.exists() { &self.file } else { &work };
        file.exists() && sql::number(file, &format!("{held}'{id}' AND rid NOT IN ({DANGLING})")) > 0
    }

    /// The artifact is a delta that waits for its source: there, but of no use yet.
    #[track_caller]
    pub(crate) fn dangles(&self, id: &ArtifactId) -> &Self {
        let sql = format!("SELECT count(*) FROM blob WHERE uuid='{id}' AND rid IN ({DANGLING})");
        assert_eq!(self.number(&sql), 1, "{id} does not dangle\n{}", self.said);
        self
    }

    /// A number from the file.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        sql::number(&self.file, sql)
    }

    /// The file is sound in the eyes of stock, and its derived tables are right.
    #[track_caller]
    pub(crate) fn is_sound(&self, bench: &Bench) -> &Self {
        bench.fossil.test_integrity(&self.file);
        frond_tests::compare::derived_tables_equal_after_stock_rebuild(&bench.fossil, &self.file);
        self
    }
}

/// Deltas whose source is missing, at whatever depth.
const DANGLING: &str = "WITH RECURSIVE d(rid) AS (SELECT delta.rid FROM delta JOIN blob ON blob.rid=srcid WHERE size<0 \
     UNION SELECT delta.rid FROM delta JOIN d ON srcid=d.rid) SELECT rid FROM d";
