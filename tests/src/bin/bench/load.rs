//! Requests that move nothing, from many clients at once.

use std::fmt::{self, Display};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use frond_tests::{cost, sql};
use repo::{Repo, UnixTime};
use sync::{Cx, Limits, NoFaults, NoGuard, NoObserver, Session, SyncOptions};
use xfer::body::{ContentType, pack};

use crate::ends::{Bench, Program};
use crate::table::{commit, median};

/// What this is called.
pub(crate) const NAME: &str = "no-op requests of 32 clients";

const CLIENTS: usize = 32;

/// Artifacts that are in no cluster, and so named in each request and reply. How many an import leaves is chance.
const NAMED: usize = 50;

/// How long they ask.
const TIME: Duration = Duration::from_secs(3);

/// What a server managed.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    answers: u64,
    failures: u64,
    /// Milliseconds in which nineteen of twenty requests were answered.
    slow_ms: f64,
    server_cpu: f64,
    server_bytes: u64,
}

/// What was measured of both.
pub(crate) struct Row {
    checkins: usize,
    loads: Vec<[Load; 2]>,
}

/// Has both servers asked, in turn.
pub(crate) fn row(bench: &Bench) -> Row {
    let request = request(bench);
    let pair = || [Program::Frond, Program::Stock].map(|program| load(bench, program, &request));
    pair();
    Row { checkins: bench.checkins, loads: (0..bench.pairs).map(|_| pair()).collect() }
}

impl Row {
    /// Milliseconds of our server's processor for a request.
    pub(crate) fn server_ms(&self) -> f64 {
        median(self.loads.iter().map(|[ours, _]| 1000.0 * ours.server_cpu / ours.answers as f64))
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |side: usize, what: fn(&Load) -> f64| median(self.loads.iter().map(|pair| what(&pair[side])));
        let rate = |load: &Load| load.answers as f64 / TIME.as_secs_f64();
        let ratio = median(self.loads.iter().map(|[ours, theirs]| rate(ours) / rate(theirs)));
        let sum = |side: usize| self.loads.iter().map(|pair| pair[side].failures).sum::<u64>();
        let per_request = |load: &Load| load.server_cpu / load.answers as f64;
        writeln!(
            f,
            "| {NAME}, {} | {:.0} / {:.0} a second; 95 % in {:.1} / {:.1} ms; {} / {} failed \
             | **{ratio:.1}** (20, 100) | - | {:.5} / {:.5} | - | {:.0} / {:.0} | - | - | {} | {} |",
            self.checkins,
            of(0, rate),
            of(1, rate),
            of(0, |load| load.slow_ms),
            of(1, |load| load.slow_ms),
            sum(0),
            sum(1),
            of(0, per_request),
            of(1, per_request),
            of(0, |load| load.server_bytes as f64 / 1_048_576.0),
            of(1, |load| load.server_bytes as f64 / 1_048_576.0),
            self.loads.len(),
            commit(),
        )
    }
}

/// The repository with [`NAMED`] artifacts in no cluster, made once.
fn copy(bench: &Bench, name: &str) -> PathBuf {
    let file = bench.scratch.file(name);
    if !file.exists() {
        std::fs::copy(&bench.corpus, &file).expect("a copy");
        sql::execute(
            &file,
            &format!(
                "INSERT INTO unclustered SELECT rid FROM blob
                  WHERE size>=0 AND rid NOT IN (SELECT rid FROM unclustered)
                  ORDER BY rid DESC LIMIT max(0, {NAMED}-(SELECT count(*) FROM unclustered))"
            ),
        );
    }
    file
}

/// What a client asks that has all.
fn request(bench: &Bench) -> Vec<u8> {
    let mut repo = Repo::open(&copy(bench, "asker.fossil")).expect("a repository");
    let mut session = Session::sync(SyncOptions { pull: true, ..SyncOptions::default() }, [0; 20]);
    let mut cx = Cx {
        now: UnixTime::from_seconds(1_800_000_000),
        clock: None,
        limits: &Limits::default(),
        peer: None,
        guard: &NoGuard,
        buggify: &NoFaults,
        observer: &mut NoObserver,
    };
    let message = session.next_request(&mut repo, &mut cx).expect("a request");
    let body = pack(xfer::encode(&message), ContentType::Compressed);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        body.content_type.as_str(),
        body.bytes.len()
    );
    [head.as_bytes(), &body.bytes].concat()
}

fn load(bench: &Bench, program: Program, request: &[u8]) -> Load {
    let file = copy(bench, &format!("load-{program:?}.fossil"));
    let server = bench.serve(program, &file);
    let (id, address) = (server.id(), server.address);
    let before = cost::processor_seconds(id);
    let (clients, peaks) = cost::peaks(&[id], || {
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, request))).collect();
            clients.into_iter().map(|client| client.join().expect("a client")).collect::<Vec<_>>()
        })
    });
    let failures = clients.iter().map(|(_, failures)| failures).sum();
    let mut times: Vec<f64> = clients.into_iter().flat_map(|(times, _)| times).collect();
    times.sort_unstable_by(f64::total_cmp);
    Load {
        answers: times.len() as u64,
        failures,
        slow_ms: times.get(times.len() * 19 / 20).copied().unwrap_or(0.0),
        server_cpu: cost::processor_seconds(id) - before,
        server_bytes: peaks[0],
    }
}

/// Asks over and over: how many milliseconds each answer took, and how often none came.
fn ask(server: SocketAddr, request: &[u8]) -> (Vec<f64>, u64) {
    let (mut times, mut failures, begun) = (Vec::new(), 0, Instant::now());
    let mut line = None;
    while begun.elapsed() < TIME {
        let asked = Instant::now();
        match exchange(server, &mut line, request) {
            Ok(()) => times.push(asked.elapsed().as_secs_f64() * 1000.0),
            Err(_) => {
                line = None;
                failures += 1;
            }
        }
    }
    (times, failures)
}

/// One request, on the connection that there is if the server kept it.
fn exchange(
    server: SocketAddr,
    line: &mut Option<BufReader<TcpStream>>,
    request: &[u8],
) -> std::io::Result<()> {
    let mut stream = match line.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            BufReader::new(stream)
        }
    };
    stream.get_mut().write_all(request)?;
    let broken = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(broken());
        }
    }
    let head = head.to_ascii_lowercase();
    if head.split(' ').nth(1) != Some("200") {
        return Err(broken());
    }
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_start_matches(':').trim().to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).ok_or_else(broken)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let is_kept = head.starts_with("http/1.1") && header("connection").as_deref() != Some("close");
    *line = is_kept.then_some(stream);
    Ok(())
}
