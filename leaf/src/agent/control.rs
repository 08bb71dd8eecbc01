//! The local socket: how `frond leaf status` and `sync-now` speak to the leaf. A line of JSON is answered with one.

use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader as StdReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::board::Board;
use super::health;
use crate::exit::{Code, Failure};

/// Longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;

/// Longest answer that a command reads, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Callers at once.
const CALLERS: usize = 16;

/// How long a caller may take, and how long a command waits for the leaf.
const PATIENCE: Duration = Duration::from_secs(10);

/// What may be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    Status,
    /// Whether it is ready.
    Ready,
    SyncNow {
        /// By name; None: every one.
        repository: Option<String>,
        /// By address, as the status shows it; None: every one.
        peer: Option<String>,
    },
}

/// Somebody wants sessions now.
pub(crate) struct Call {
    pub(crate) repository: Option<String>,
    pub(crate) peer: Option<String>,
    /// Told how many sessions were asked for, or what is wrong.
    pub(crate) answer: oneshot::Sender<Result<usize, String>>,
}

/// What `sync-now` is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    r#type: String,
    pub(crate) sessions: usize,
}

/// The socket, for as long as the leaf lives.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens. A socket that a dead leaf left behind is replaced, one of a living leaf is an error.
    pub(crate) fn listen(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            let what = format!("{}: cannot listen there: {error}", path.display());
            Failure::new(Code::Failed, what, "name another socket with --socket")
        };
        if StdStream::connect(path).is_ok() {
            let what = format!("{}: another leaf answers there", path.display());
            return Err(Failure::new(Code::Locked, what, "stop it, or name another socket with --socket"));
        }
        let is_socket = fs::symlink_metadata(path).is_ok_and(|found| {
            use std::os::unix::fs::FileTypeExt as _;
            found.file_type().is_socket()
        });
        if is_socket {
            fs::remove_file(path).map_err(cannot)?;
        }
        let listener = UnixListener::bind(path).map_err(cannot)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(cannot)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers whoever calls.
    pub(crate) async fn serve(&self, board: Board, calls: mpsc::Sender<Call>) {
        let callers = Arc::new(Semaphore::new(CALLERS));
        loop {
            let Ok(place) = Arc::clone(&callers).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "nobody can call");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let (board, calls) = (board.clone(), calls.clone());
            tokio::spawn(async move {
                // A caller that goes away, or takes too long, is no loss.
                let _ = timeout(PATIENCE, answer(stream, &board, &calls)).await;
                drop(place);
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, board: &Board, calls: &mpsc::Sender<Call>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST_BYTES)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Status) => serde_json::to_value(board.report()),
        Ok(Request::Ready) => serde_json::to_value(health::is_ready(&board.report())),
        Ok(Request::SyncNow { repository, peer }) => {
            let (tell, told) = oneshot::channel();
            let _ = calls.send(Call { repository, peer, answer: tell }).await;
            match told.await.unwrap_or_else(|_| Err("the leaf is about to stop".to_owned())) {
                Ok(sessions) => serde_json::to_value(Asked { r#type: "sync-now".to_owned(), sessions }),
                Err(text) => Ok(refusal(&text)),
            }
        }
        Err(error) => Ok(refusal(&format!("the request cannot be read: {error}"))),
    };
    let mut text = answer.unwrap_or_else(|error| refusal(&error.to_string())).to_string();
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

fn refusal(text: &str) -> Value {
    serde_json::json!({ "type": "error", "message": text })
}

/// Asks the leaf at a socket.
pub(crate) fn ask(socket: &Path, request: &Request) -> Result<Value, Failure> {
    let none = |error: io::Error| {
        let what = format!("{}: no leaf answers: {error}", socket.display());
        Failure::new(Code::Network, what, "start it with `frond leaf`, or name its socket with --socket")
    };
    let broken = |error: &dyn std::fmt::Display| {
        let what = format!("{}: the leaf's answer cannot be read: {error}", socket.display());
        Failure::new(Code::Failed, what, "try again")
    };
    let mut stream = StdStream::connect(socket).map_err(none)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(none)?;
    let mut line = serde_json::to_string(request).map_err(|error| broken(&error))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(none)?;
    let mut answer = String::new();
    StdReader::new(stream.take(MAX_ANSWER_BYTES)).read_line(&mut answer).map_err(none)?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| broken(&error))?;
    match answer["type"].as_str() {
        Some("error") => {
            let what = answer["message"].as_str().unwrap_or("the leaf refuses").to_owned();
            Err(Failure::new(Code::Failed, what, "see `frond leaf status`"))
        }
        _ => Ok(answer),
    }
}
