//! Both ends of sessions, in one process.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use repo::{Repo, content, ingest};
use rustix::time::{ClockId, Timespec, clock_gettime};
use sync::client::{self, CloneOptions, Remember, Setting, now};
use sync::http::serve::{self, Repos, ServeOptions, XferService};
use sync::http::{HttpOptions, HttpTransport};
use sync::{NoObserver, Observer, ObserverSource, SyncOptions};
use telemetry::{Peer, Plan, Telemetry, Tries};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use xfer::card::Privacy;

/// What sessions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Clone all.
    Clone,
    /// Pull where there is nothing new, over and over.
    Pulls,
    /// Sync one new artifact, over and over.
    Syncs,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Clone, Self::Pulls, Self::Syncs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clone => "a clone of 1000 check-ins",
            Self::Pulls => "a pull of nothing",
            Self::Syncs => "a sync of one new artifact",
        }
    }

    /// How many are measured at once: so few that what else the machine does is much the same for all ways of measuring.
    pub(crate) fn sessions(self) -> u32 {
        match self {
            Self::Clone => 1,
            Self::Pulls => 10,
            Self::Syncs => 5,
        }
    }

    /// How often each process is measured.
    pub(crate) fn turns(self) -> usize {
        match self {
            Self::Clone => 1,
            Self::Pulls => 40,
            Self::Syncs => 20,
        }
    }
}

/// What a worker is asked for the time of processors that it has taken so far.
pub(crate) const PROCESSORS: &str = "processors";

/// Does what is asked on stdin, a line each, and says how many nanoseconds it took.
pub(crate) fn run(way: &str, file: &Path) -> ExitCode {
    let telemetry = (!way.starts_with("off")).then(|| {
        let plan = Plan::read(|name| std::env::var(name).ok()).expect("variables that can be followed");
        Telemetry::start(&plan, Tries::Again).expect("measures")
    });
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    runtime.block_on(async {
        let url = serve(file, telemetry.clone()).await;
        let mut ends = Ends { telemetry, url, copy: file.with_extension("copy"), made: 0 };
        for line in std::io::stdin().lock().lines() {
            let line = line.expect("stdin is there");
            let time = match Work::ALL.into_iter().find(|work| work.name() == line) {
                Some(work) => ends.measure(work).await,
                None if line == PROCESSORS => processor_time(),
                None => panic!("it is not known what {line:?} is"),
            };
            writeln!(std::io::stdout(), "{}", time.as_nanos()).expect("stdout is there");
        }
    });
    ExitCode::SUCCESS
}

/// Of all threads of this process until now.
fn processor_time() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(tv_sec.try_into().expect("no time before the beginning"));
    seconds + Duration::from_nanos(tv_nsec.try_into().expect("no time before the beginning"))
}

async fn serve(file: &Path, telemetry: Option<Telemetry>) -> String {
    let observer: ObserverSource = Arc::new(move |origin| match &telemetry {
        Some(telemetry) => telemetry.request("corpus", origin),
        None => Box::new(NoObserver),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let options = ServeOptions { observer, ..ServeOptions::default() };
    let service = XferService::new(Repos::new(file).expect("a repository"), options);
    tokio::spawn(serve::run(listener, service, std::future::pending()));
    url
}

struct Ends {
    telemetry: Option<Telemetry>,
    url: String,
    copy: PathBuf,
    made: u32,
}

impl Ends {
    async fn measure(&mut self, work: Work) -> Duration {
        if work == Work::Clone || !self.copy.exists() {
            let _ = fs::remove_file(&self.copy);
            let time = self.clone_all().await;
            if work == Work::Clone {
                return time;
            }
        }
        let mut repo = Repo::open(&self.copy).expect("the copy");
        let mut time = Duration::ZERO;
        let push = work == Work::Syncs;
        for _ in 0..work.sessions() {
            if push {
                self.make(&mut repo);
            }
            let begun = Instant::now();
            let options = SyncOptions { pull: true, push, ..SyncOptions::default() };
            let (mut transport, mut setting) = (self.transport(), self.setting());
            let result = client::sync(&mut repo, &mut transport, options, Remember::No, &mut setting);
            let result = result.await.expect("a session");
            drop(setting);
            time += begun.elapsed();
            assert_eq!(result.stats.files_sent, u64::from(push));
        }
        time
    }

    async fn clone_all(&self) -> Duration {
        let options = CloneOptions {
            source: self.url.clone(),
            remember: Remember::No,
            server: "ef".repeat(20),
            admin: "me".to_owned(),
            admin_password: "correct horse".to_owned(),
            ..CloneOptions::default()
        };
        let begun = Instant::now();
        let (mut transport, mut setting) = (self.transport(), self.setting());
        client::clone(&self.copy, &mut transport, options, &mut setting).await.expect("a clone");
        drop(setting);
        begun.elapsed()
    }

    /// Makes an artifact that no other has.
    fn make(&mut self, repo: &mut Repo) {
        self.made += 1;
        let text = format!("artifact {} of {}", self.made, self.copy.display());
        let tx = repo.begin().expect("a transaction");
        content::add(&tx, text.as_bytes(), Privacy::Public).expect("an artifact");
        ingest::settle(&tx, now()).expect("a link");
        tx.commit().expect("a commit");
    }

    fn transport(&self) -> HttpTransport {
        HttpTransport::new(self.url.parse().expect("a URL"), HttpOptions::default())
    }

    fn setting(&self) -> Setting {
        let peer = Peer { repository: "copy", peer: &self.url, carrier: "http", host: "127.0.0.1", port: 80 };
        let observer: Box<dyn Observer + Send> = match &self.telemetry {
            Some(telemetry) => telemetry.session(&peer).0,
            None => Box::new(NoObserver),
        };
        Setting { observer, ..Setting::new().expect("chance") }
    }
}
