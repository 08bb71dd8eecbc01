//! How a command ends: exit codes, and errors as one line that says what and what to do.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use repo::RepoError;
use repo::author::AuthorError;
use repo::error::Fault;
use sync::client::{ClientError, FileError};
use sync::nats::{HubError, NatsServeError};
use sync::{PeerFault, SyncError, TransportError};

/// Exit codes. Any other that is not 0 is a failure too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done.
    Ok = 0,
    /// Failed, in a way that has no code of its own.
    Failed = 1,
    /// The command line is wrong (clap uses the same).
    Usage = 2,
    /// Part of it was done, and stays.
    Partial = 3,
    /// Nobody was reached; a retry may help.
    Network = 4,
    /// Login or permission refused.
    Refused = 5,
    /// No such repository.
    NoRepository = 10,
    /// Another process holds the repository.
    Locked = 11,
    /// Interrupted by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command failed: `what`, then what the user can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) what: String,
    pub(crate) hint: String,
    /// How long the peer wants to be left alone, if it said so.
    pub(crate) wait: Option<Duration>,
    /// The error of a repository file that may not know which.
    of_file: Option<Box<RepoError>>,
}

impl Failure {
    pub(crate) fn new(code: Code, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, what: what.into(), hint: hint.into(), wait: None, of_file: None }
    }

    /// Says how long the peer wants to be left alone.
    #[must_use]
    pub(crate) fn not_before(self, wait: Option<Duration>) -> Self {
        Self { wait, ..self }
    }

    /// The word for it where sessions are counted that could not begin, among those of [`SyncError::class`].
    pub(crate) fn class(&self) -> &'static str {
        match self.code {
            Code::Locked => "repository-busy",
            Code::NoRepository => "repository",
            Code::Network => "unreachable",
            Code::Refused => "login",
            Code::Usage => "usage",
            Code::Ok | Code::Failed | Code::Partial | Code::Interrupted | Code::Terminated => {
                if self.of_file.is_some() { "repository" } else { "other" }
            }
        }
    }

    /// Names the repository file, if the failure is about it and does not.
    #[must_use]
    pub(crate) fn at(mut self, file: &Path) -> Self {
        let Some(error) = self.of_file.take() else { return self };
        let (what, file) = (error.at(file).to_string(), file.display().to_string());
        self.what = if what.contains(&file) { what } else { format!("{file}: {what}") };
        self
    }
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        let what = error.to_string();
        let (code, hint) = match &error {
            RepoError::NotFound { .. } => (Code::NoRepository, "check the name of the repository file"),
            RepoError::NotARepository { .. } => (Code::NoRepository, "name a Fossil repository file"),
            RepoError::AlreadyExists { .. } => (Code::Failed, "choose another name, or move it away"),
            RepoError::OtherSchema { .. } => (Code::Failed, "bring it up to date with `fossil rebuild`"),
            RepoError::Locked { .. } => (Code::Locked, "see which process uses the file"),
            RepoError::ReadOnly { .. } => {
                (Code::Failed, "make the file and its directory writable, or work on a copy")
            }
            RepoError::Inaccessible { .. } => {
                (Code::Failed, "check that the file and its directory may be used")
            }
            RepoError::DiskFull { .. } => (Code::Failed, "free some room, then run the same command again"),
            RepoError::Corrupt { .. } => (
                Code::Failed,
                "restore the file from a backup or another clone; `frond verify` lists the damage",
            ),
            _ => (Code::Failed, "run `frond verify` on the file"),
        };
        Self { of_file: Some(Box::new(error)), ..Self::new(code, what, hint) }
    }
}

impl From<AuthorError> for Failure {
    fn from(error: AuthorError) -> Self {
        let what = error.to_string();
        let hint = match error {
            AuthorError::Repo(error) => return error.into(),
            AuthorError::Malformed(_) | AuthorError::Ambiguous => "choose other names and words",
            AuthorError::Shunned(_) => "leave it out, or take it off the list of what is shunned",
            AuthorError::NoParent(_) | AuthorError::NoContent(_) => "pull first",
            AuthorError::NoFile(_) => "see `frond ls`",
            AuthorError::FileIsDirectory(_) => "delete the other in the same check-in: --all",
        };
        Self::new(Code::Failed, what, hint)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Sync(error) => error.into(),
            ClientError::Transport(error) => error.into(),
            ClientError::File(error) => error.into(),
            ClientError::Body(_) => {
                Self::new(Code::Failed, what, "nothing of it was kept; tell whoever runs the server")
            }
            _ => Self::new(Code::Failed, what, "try again"),
        }
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let what = error.to_string();
        let (code, hint) = match error {
            SyncError::Repo(error) if error.fault() == Fault::Sender => {
                (Code::Failed, "nothing of it was kept; tell whoever runs the server")
            }
            SyncError::Repo(error) => return error.into(),
            SyncError::PasswordNeeded(_) => (
                Code::Refused,
                "name a user in the URL (http://USER@HOST/), and put its password in FROND_PASSWORD",
            ),
            SyncError::PushRefused { .. } => (
                Code::Refused,
                "ask whoever runs the server for capability i, or log in as a user who has it",
            ),
            SyncError::UnversionedRefused { .. } => (
                Code::Refused,
                "ask whoever runs the server for capability y, which neither a nor s includes",
            ),
            SyncError::Refused(text) if text.contains("login failed") => {
                (Code::Refused, "check the user in the URL and its password; give it anew in FROND_PASSWORD")
            }
            SyncError::Refused(text) if text.contains("too many failed logins") => {
                (Code::Network, "wait as long as the server says, then log in with the right password")
            }
            SyncError::Refused(text) if text.contains("was used before") => {
                (Code::Network, "an answer was lost on its way here: run the command again")
            }
            SyncError::Refused(text) if text.contains("wrong project") => {
                (Code::Failed, "name the server of this project, or clone the other one")
            }
            SyncError::Refused(text) if text.contains("sync private") => (
                Code::Refused,
                "leave --private out, or log in as a user with capability x: what came before is kept",
            ),
            SyncError::Refused(text) if text.contains("not authorized") => (
                Code::Refused,
                "log in as a user who may do this: http://USER@HOST/, its password in FROND_PASSWORD",
            ),
            SyncError::Refused(text) if is_over_soon(&text) => (Code::Network, IN_USE),
            SyncError::Refused(_) => (Code::Failed, "ask whoever runs the server"),
            SyncError::WrongProject { .. } => {
                (Code::Failed, "name the server of this project, or clone the other one")
            }
            SyncError::UnresolvedDeltas { .. } | SyncError::Idle { .. } => {
                (Code::Partial, "what came is kept; try again later, or from a server that has everything")
            }
            SyncError::TooManyRounds { .. } | SyncError::TooMuch { .. } => (
                Code::Partial,
                "what came is kept; run the same command again to go on, if you trust the server",
            ),
            SyncError::Unfinished | SyncError::Unanswered => (Code::Network, "try again"),
            SyncError::OtherServer { .. } => (
                Code::Failed,
                "delete the unfinished file to begin anew, or clone from the first server again",
            ),
            SyncError::UnfinishedClone => (Code::NoRepository, "finish it: run the same `frond clone` again"),
            SyncError::NoProject => {
                (Code::Failed, "only a repository with a project code can be synchronized")
            }
            _ => (Code::Failed, "nothing of the last reply was kept; tell whoever runs the server"),
        };
        Self::new(code, what, hint)
    }
}

impl From<NatsServeError> for Failure {
    fn from(error: NatsServeError) -> Self {
        let what = error.to_string();
        let hint = match error {
            NatsServeError::Broker(error) => return error.into(),
            NatsServeError::NoProject(_) => "only a repository with a project code can be served on a broker",
            NatsServeError::Word(_) => "choose another prefix",
            _ => "run `frond verify` on what is served",
        };
        Self::new(Code::Failed, what, hint)
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Transport(error) => error.into(),
            HubError::NoProject { .. } => {
                Self::new(Code::Failed, error.to_string(), "check its URL, or give the project code with it")
            }
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let code = match &error {
            TransportError::Status { status: 401 | 403 | 407, .. } => Code::Refused,
            TransportError::Access { .. } => Code::Refused,
            TransportError::PeerFailed { fault: PeerFault::Gone, .. } => Code::NoRepository,
            TransportError::Status { status: 404 | 410, .. } => Code::NoRepository,
            TransportError::Status { status: 400, text, .. } if of_database(text) => Code::Network,
            error if error.may_retry() => Code::Network,
            _ => Code::Failed,
        };
        let hint = match &error {
            TransportError::UnknownHost { .. } => "check the host name and the network",
            TransportError::Unreachable { .. } => "check the port and that the server runs, then try again",
            TransportError::TimedOut { .. } | TransportError::CutShort { .. } => "try again",
            TransportError::TooSlow { .. } => {
                "try again, with a longer --timeout: an exchange may take 30 times that"
            }
            TransportError::Proxy { .. } => {
                "check --proxy, http_proxy and https_proxy; `--proxy off` goes without"
            }
            TransportError::Tls { .. } => {
                "check the address and the clock; for a certificate of your own set SSL_CERT_FILE"
            }
            TransportError::WrongScheme { speaks: "https", .. } => "write the address with https://",
            TransportError::WrongScheme { .. } => "write the address with http://",
            TransportError::Status { status: 407, .. } => {
                "give the proxy's user and password in its address: http://USER:PASSWORD@HOST:PORT"
            }
            TransportError::Status { status: 401 | 403, .. } => "log in as a user who may do this",
            TransportError::Status { status: 507, .. } => {
                "tell whoever runs the server to make room, then try again"
            }
            TransportError::Status { status: 500.., .. } if !error.may_retry() => SERVER_FAILED,
            TransportError::Empty { .. } => SERVER_FAILED,
            TransportError::Status { status: 400, text, .. } if of_database(text) => IN_USE,
            TransportError::Status { .. } if error.may_retry() => {
                "try again later, or ask whoever runs the server"
            }
            TransportError::Status { status: 413, text, .. }
                if text.contains("longer than this server takes") =>
            {
                LONGER_REQUESTS
            }
            TransportError::Status { status: 413, .. } => {
                "what stands before the server takes no request as long as this: its limit must be raised (nginx: \
                 client_max_body_size 256m)"
            }
            TransportError::Status { status: 400, .. } => {
                "try again; if it stays so, check the URL, and tell whoever runs the server"
            }
            TransportError::Status { .. } => "check the URL: it must be that of a Fossil repository",
            TransportError::NotFossil { .. } => "check the URL: it must be that of a Fossil repository",
            TransportError::TooLong { .. } => "ask whoever runs the server",
            TransportError::Redirect { .. } => "give the address the repository has now",
            TransportError::Access { .. } => {
                "check who asks: in the URL, in a context or a file of credentials, or in NATS_* variables"
            }
            TransportError::WrongPort { .. } => "give the broker's port for clients, 4222 as a rule",
            TransportError::NobodyAnswers { .. } => {
                "check the project code and the prefix, and that a leaf serves it on this broker"
            }
            TransportError::PeerFailed { fault: PeerFault::Failed, .. } => SERVER_FAILED,
            TransportError::PeerFailed { fault: PeerFault::TooLong, .. } => LONGER_REQUESTS,
            TransportError::PeerFailed { fault: PeerFault::Unreachable, .. } => {
                "see that the server behind this bridge runs, then try again"
            }
            TransportError::PeerFailed { .. } => "try again later",
            TransportError::Exhausted => "try again",
        };
        Self::new(code, error.to_string(), hint)
    }
}

/// Whether a stock server gave up a request because another one, or another program, was at its file.
fn of_database(text: &str) -> bool {
    text.contains("Database error") || text.contains("database is locked")
}

/// Whether the database of a stock server failed in a way that another try does not meet: somebody else wrote, or brought
/// what this request brings too. Of an attachment that it has by then, stock makes the row once more.
fn is_over_soon(text: &str) -> bool {
    let why = text.split_once("Database error: ").map_or("", |(_, why)| why);
    why.starts_with("database is locked") || why.starts_with("UNIQUE constraint failed")
}

const IN_USE: &str = "the server's file was in use by others: try again";

/// What to do where only the server's own people can tell whether a retry helps.
const LONGER_REQUESTS: &str =
    "an artifact travels in one request: whoever runs the server may let it take longer ones (request-bytes)";

const SERVER_FAILED: &str = "the fault is the server's: tell whoever runs it; its log should say why";

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let what = error.to_string();
        match error {
            FileError::Exists(file) => {
                let file = file.display();
                Self::new(
                    Code::Failed,
                    what,
                    format!("choose another name, or bring it up to date: frond pull -R {file}"),
                )
            }
            FileError::Busy(_) => Self::new(Code::Locked, what, "wait for it, or choose another name"),
            FileError::NoName(_) => Self::new(Code::Usage, what, "name the file to make"),
            FileError::OtherSource { file, source_url, private } => {
                let option = if private { "--private " } else { "" };
                let name =
                    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let target = name.strip_prefix('.').and_then(|name| name.strip_suffix(".frond-clone"));
                let target = file.with_file_name(target.unwrap_or(&name));
                let hint = format!(
                    "finish it (frond clone {option}{source_url} {}, with USER@ before the host if it takes a login), or delete {}",
                    target.display(),
                    file.display()
                );
                Self::new(Code::Failed, what, hint)
            }
            FileError::Io { file, error } => from_io(&file, &error),
        }
    }
}

/// What the system said about a file that was to be read.
pub(crate) fn from_reading(file: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let hint = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "check the name",
        ErrorKind::PermissionDenied => "make it readable, or leave it out",
        _ => "check the file and its directory",
    };
    Failure::new(Code::Failed, format!("{}: {error}", file.display()), hint)
}

/// What the system said about a file.
pub(crate) fn from_io(file: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let hint = match error.kind() {
        ErrorKind::NotFound => "make the directory first",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some room, then run the same command again"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "choose a place that you may write to",
        _ => "check the file and its directory",
    };
    let what = match missing_directory(file) {
        Some(directory) if error.kind() == ErrorKind::NotFound => {
            format!("{}: there is no directory {}", file.display(), directory.display())
        }
        _ => format!("{}: {error}", file.display()),
    };
    Failure::new(Code::Failed, what, hint)
}

/// What the system said, without the name of a file that was to be there for a moment only.
pub(crate) fn without_temporary(error: std::io::Error) -> std::io::Error {
    match error.to_string().split_once(" at path ") {
        Some((said, _)) => std::io::Error::new(error.kind(), said),
        None => error,
    }
}

/// The first directory on the way to a file that is not there.
fn missing_directory(file: &Path) -> Option<&Path> {
    let above = file.ancestors().skip(1).filter(|directory| !directory.as_os_str().is_empty());
    above.take_while(|directory| !directory.exists()).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_file_names_it_once() {
        let file = Path::new("/tmp/a.fossil");
        let id = xfer::hash::sha1(b"");
        let size = || RepoError::TooLarge { id, size: 2, limit: 1 };
        let cases = [
            (RepoError::NoContent(repo::Rid(7)).into(), true),
            (RepoError::Locked { path: repo::error::Place::default() }.into(), true),
            (size().into(), true),
            (SyncError::Repo(size()).into(), false),
            (Failure::new(Code::Failed, "no such user", "see who there is"), false),
        ];
        for (failure, named) in cases {
            let failure = failure.at(file).at(Path::new("/other"));
            assert_eq!(failure.what.matches("/tmp/a.fossil: ").count(), usize::from(named), "{failure:?}");
            assert!(
                !failure.what.contains("/other") && !failure.what.contains("the repository"),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_file_in_no_directory_is_an_error_that_names_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("a");
        let not_found = std::io::Error::from(std::io::ErrorKind::NotFound);
        for file in [missing.join("x"), missing.join("b/c/x")] {
            let failure = from_io(&file, &not_found);
            assert!(
                failure.what.ends_with(&format!(": there is no directory {}", missing.display())),
                "{failure:?}"
            );
        }
        let failure = from_io(&directory.path().join("x"), &not_found);
        assert!(!failure.what.contains("no directory"), "{failure:?}");
    }

    #[test]
    fn a_file_that_was_to_be_there_for_a_moment_only_is_not_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = tempfile::NamedTempFile::new_in(directory.path().join("none")).unwrap_err();
        assert!(error.to_string().contains(".tmp"), "{error}");
        let told = without_temporary(error);
        assert_eq!(told.kind(), std::io::ErrorKind::NotFound);
        assert!(!told.to_string().contains(".tmp") && told.to_string().contains("os error"), "{told}");
    }

    #[test]
    fn exit_codes_tell_what_kind_of_failure_it_was() {
        let peer = || "h:80".to_owned();
        let database = |why: &str| SyncError::Refused(format!("Database error: {why}: {{SQL}}")).into();
        let cases: [(Failure, Code); 11] = [
            (TransportError::UnknownHost { host: "h".into(), reason: String::new() }.into(), Code::Network),
            (TransportError::Status { peer: peer(), status: 401, text: String::new() }.into(), Code::Refused),
            (
                TransportError::Status { peer: peer(), status: 404, text: String::new() }.into(),
                Code::NoRepository,
            ),
            (SyncError::Refused("not authorized to read".into()).into(), Code::Refused),
            (
                SyncError::Refused("too many failed logins, try again in 4 seconds".into()).into(),
                Code::Network,
            ),
            (SyncError::Refused("this login was used before".into()).into(), Code::Network),
            (database("database is locked"), Code::Network),
            (database("UNIQUE constraint failed: attachment.attachid"), Code::Network),
            (database("database disk image is malformed"), Code::Failed),
            (FileError::Busy("f".into()).into(), Code::Locked),
            (SyncError::UnfinishedClone.into(), Code::NoRepository),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.code, code, "{failure:?}");
            assert!(!failure.hint.is_empty());
        }
    }
}
