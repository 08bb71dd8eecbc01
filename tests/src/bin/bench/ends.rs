//! Clients and servers of both kinds.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::cost::{self, Cost};
use frond_tests::{Fossil, Frond, Proxy, Said, Scratch, Server, compare, shared};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Frond,
    Stock,
}

/// Who works with whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) client: Program,
    pub(crate) server: Program,
}

/// What the client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Clone,
    Pull,
    Push,
    Sync,
    Rebuild,
    Unversioned,
}

/// A file that one end works on.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// None yet.
    Nothing,
    /// A copy of this one, anew each time.
    Anew(PathBuf),
    /// A copy of this one, the same each time.
    Kept(PathBuf),
}

/// Something to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) name: String,
    /// Ours, and those that it is compared with.
    pub(crate) ends: [Ends; 2],
    pub(crate) verb: Verb,
    pub(crate) here: Place,
    pub(crate) there: Place,
    /// How many clients there are at once.
    pub(crate) at_once: usize,
    /// How often each does it.
    pub(crate) times: usize,
    /// How many times as fast as stock it is to be, and might be.
    pub(crate) target: (f64, f64),
    pub(crate) is_plain_clone: bool,
    /// What it leaves behind: the artifacts of this file, whatever clusters each has.
    pub(crate) result: Option<PathBuf>,
}

/// What a turn of some work took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    pub(crate) client: Cost,
    pub(crate) server_cpu: f64,
}

/// What else can be seen of some work, by who does not mind the time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observed {
    pub(crate) client_bytes: u64,
    pub(crate) server_bytes: u64,
    pub(crate) rounds: u64,
    pub(crate) travelled: u64,
}

/// What is shared by all works.
pub(crate) struct Bench {
    pub(crate) frond: Frond,
    pub(crate) fossil: Fossil,
    pub(crate) scratch: Scratch,
    pub(crate) checkins: usize,
    pub(crate) pairs: usize,
    pub(crate) corpus: PathBuf,
}

impl Bench {
    pub(crate) fn new(checkins: usize, pairs: usize) -> Self {
        let corpus = shared::corpus(Shape::of(checkins), checkins, Extras::None);
        Self { frond: Frond::new(), fossil: Fossil::new(), scratch: Scratch::new(), checkins, pairs, corpus }
    }

    /// An empty repository of the same project.
    pub(crate) fn empty(&self, name: &str) -> PathBuf {
        let file = self.scratch.file(name);
        if !file.exists() {
            self.fossil.new_repository(&file, PROJECT);
            // Unversioned files take a capability that set-up users do not have.
            let path = file.to_string_lossy();
            self.fossil.output(["user", "capabilities", "dev", "sy", "-R", &path]);
        }
        file
    }

    pub(crate) fn serve(&self, program: Program, file: &Path) -> Server {
        match program {
            Program::Frond => self.frond.server(file),
            Program::Stock => self.fossil.server(file),
        }
    }

    /// Does it once, on whatever files `side` has.
    pub(crate) fn turn(&self, work: &Work, side: usize) -> Turn {
        until_it_goes_well(work.ends[side], || self.try_turn(work, side))
    }

    fn try_turn(&self, work: &Work, side: usize) -> Result<Turn, String> {
        let files = self.files(work, side);
        let server = self.server(work, side);
        let url = server.as_ref().map(|server| server.url_as("dev", "pw")).unwrap_or_default();
        let before = server.as_ref().map_or(0.0, |server| cost::processor_seconds(server.id()));
        let mut turn = Turn::default();
        for _ in 0..work.times {
            let mut commands = self.commands(work, side, &url, &files);
            let (said, cost) = cost::of(&mut commands);
            said.iter().try_for_each(went_well)?;
            turn.client.wall += cost.wall;
            turn.client.cpu += cost.cpu;
        }
        turn.server_cpu = server.as_ref().map_or(0.0, |server| cost::processor_seconds(server.id())) - before;
        Ok(turn)
    }

    /// Does it once more, through somebody who counts.
    pub(crate) fn observe(&self, work: &Work, side: usize) -> Observed {
        until_it_goes_well(work.ends[side], || self.try_to_observe(work, side))
    }

    fn try_to_observe(&self, work: &Work, side: usize) -> Result<Observed, String> {
        let files = self.files(work, side);
        let server = self.server(work, side);
        let proxy = server.as_ref().map(|server| Proxy::start(server.address));
        let url = proxy.as_ref().map(|proxy| proxy.url_as("dev", "pw")).unwrap_or_default();
        let us = std::process::id();
        let server_id = server.as_ref().map_or(us, Server::id);
        let mut commands = self.commands(work, side, &url, &files);
        let (said, peaks) = cost::peaks(&[server_id], || {
            std::thread::scope(|scope| {
                let run = |command| scope.spawn(move || frond_tests::memory::run(command));
                let clients: Vec<_> = commands.iter_mut().map(run).collect();
                clients.into_iter().map(|client| client.join().expect("a client")).collect::<Vec<_>>()
            })
        });
        said.iter().try_for_each(|(said, _)| went_well(said))?;
        work.result.iter().for_each(|result| self.is_as(result, work, side, &files));
        let traffic = proxy.map(|proxy| proxy.traffic());
        Ok(Observed {
            client_bytes: said.iter().map(|(_, client)| client.resident).max().unwrap_or(0),
            server_bytes: if server.is_some() { peaks[0] } else { 0 },
            rounds: traffic.map_or(0, |traffic| traffic.requests),
            travelled: traffic.map_or(0, |traffic| traffic.up + traffic.down),
        })
    }

    /// Work counts if it is done.
    fn is_as(&self, result: &Path, work: &Work, side: usize, files: &[PathBuf]) {
        match work.verb {
            Verb::Push => compare::holds_all_of(&self.scratch.file(&there(side)), result),
            _ => files.iter().for_each(|file| compare::holds_all_of(file, result)),
        }
    }

    fn server(&self, work: &Work, side: usize) -> Option<Server> {
        let file = self.place(&work.there, &there(side))?;
        Some(self.serve(work.ends[side].server, &file))
    }

    /// The files of the clients.
    pub(crate) fn files(&self, work: &Work, side: usize) -> Vec<PathBuf> {
        let name = |client| format!("here-{side}-{client}.fossil");
        let names = (0..work.at_once).map(name);
        names.map(|name| self.place(&work.here, &name).unwrap_or_else(|| self.gone(&name))).collect()
    }

    fn place(&self, place: &Place, name: &str) -> Option<PathBuf> {
        match place {
            Place::Nothing => None,
            Place::Anew(from) => {
                let file = self.gone(name);
                copy(from, &file);
                Some(file)
            }
            Place::Kept(from) => {
                let name = format!("kept-{}-{name}", from.file_name()?.to_string_lossy());
                let file = self.scratch.file(&name);
                if !file.exists() {
                    copy(from, &file);
                }
                Some(file)
            }
        }
    }

    /// A file that is not there any more, nor what a server that was killed left beside it.
    fn gone(&self, name: &str) -> PathBuf {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(self.scratch.file(&format!("{name}{suffix}")));
        }
        self.scratch.file(name)
    }

    fn commands(&self, work: &Work, side: usize, url: &str, files: &[PathBuf]) -> Vec<Command> {
        files.iter().map(|file| self.command(work.ends[side].client, work.verb, url, file)).collect()
    }

    fn command(&self, program: Program, verb: Verb, url: &str, file: &Path) -> Command {
        let file = &*file.to_string_lossy();
        match program {
            Program::Frond => self.frond.command(match verb {
                Verb::Clone => vec!["clone", "-q", url, file],
                Verb::Pull => vec!["pull", "-q", "--once", url, "-R", file],
                Verb::Push => vec!["push", "-q", "--once", url, "-R", file],
                Verb::Sync => vec!["sync", "-q", "--once", url, "-R", file],
                Verb::Rebuild => vec!["rebuild", "-q", "-R", file],
                Verb::Unversioned => vec!["uv", "sync", "-q", "--once", url, "-R", file],
            }),
            Program::Stock => {
                let mut command = self.fossil.command_in(None);
                command.args(match verb {
                    Verb::Clone => vec!["clone", "--no-open", url, file],
                    Verb::Pull => vec!["pull", "--once", url, "-R", file],
                    Verb::Push => vec!["push", "--once", url, "-R", file],
                    Verb::Sync => vec!["sync", "--once", url, "-R", file],
                    Verb::Rebuild => vec!["rebuild", file],
                    Verb::Unversioned => vec!["uv", "sync", url, "-R", file],
                });
                command
            }
        }
    }
}

/// The name of the file that a server has anew.
fn there(side: usize) -> String {
    format!("there-{side}.fossil")
}

/// Both ends of one kind.
pub(crate) const fn both(program: Program) -> Ends {
    Ends { client: program, server: program }
}

/// How often stock alone may try: of several clients at once its server turns one away now and then, with status 400.
const TRIES: usize = 3;

/// Tries again what fails between two of stock. Where Frond takes part nothing may fail.
fn until_it_goes_well<T>(ends: Ends, turn: impl Fn() -> Result<T, String>) -> T {
    let is_stock = matches!(ends, Ends { client: Program::Stock, server: Program::Stock });
    let tries = if is_stock { TRIES } else { 1 };
    for left in (0..tries).rev() {
        match turn() {
            Ok(took) => return took,
            Err(_) if left > 0 => {}
            Err(said) => panic!("{said}"),
        }
    }
    unreachable!("the last try ends it")
}

/// Stock exits 0 after many errors: what it says counts.
fn went_well(said: &Said) -> Result<(), String> {
    let is_bad = said.all().lines().any(|line| line.starts_with("Error") || line.contains("fatal"));
    if said.code == Some(0) && !is_bad { Ok(()) } else { Err(said.to_string()) }
}

/// Copies a repository, onto the disk: the first commit would write all of it there, and whoever makes that wait for it.
fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()).expect("a copy");
}
