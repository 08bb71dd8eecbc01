//! The command that is run when a repository changed.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::config::Repository;
use super::stop::Stop;

/// Time between two looks whether the command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Variables that hold secrets of the leaf.
const SECRETS: [&str; 6] = [
    "FROND_PASSWORD",
    "NATS_PASSWORD",
    "NATS_TOKEN",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
];

/// Runs the command of one repository: one at a time, and once for all changes that came while it ran.
#[derive(Debug)]
pub(crate) struct Hook {
    repository: Arc<Repository>,
    bell: Notify,
}

/// A command under way. Dropped, it is killed.
struct Running(Child);

impl Hook {
    /// None: the repository has no such command.
    pub(crate) fn of(repository: &Arc<Repository>) -> Option<Arc<Self>> {
        let has_one = !repository.hook.is_empty();
        has_one.then(|| Arc::new(Self { repository: Arc::clone(repository), bell: Notify::new() }))
    }

    /// The repository changed.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Runs the command whenever it is time, until the leaf is to stop; what is under way then is finished.
    pub(crate) async fn attend(self: Arc<Self>, stop: Stop) {
        loop {
            tokio::select! {
                () = self.bell.notified() => {}
                () = stop.wait() => return,
            }
            let (name, program) = (&self.repository.name, self.repository.hook.first());
            match self.run().await {
                Ok(status) if status.success() => tracing::debug!(repository = name, program, "the hook ran"),
                Ok(status) => tracing::warn!(repository = name, program, %status, "the hook failed"),
                Err(error) => tracing::warn!(repository = name, program, %error, "the hook does not run"),
            }
        }
    }

    async fn run(&self) -> std::io::Result<ExitStatus> {
        let Some((program, args)) = self.repository.hook.split_first() else {
            return Ok(ExitStatus::default());
        };
        let file = std::path::absolute(&self.repository.file)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("FROND_HOOK_FILE", &file).env("FROND_HOOK_REPOSITORY", &self.repository.name);
        for name in SECRETS {
            command.env_remove(name);
        }
        if let Some(directory) = file.parent() {
            command.current_dir(directory);
        }
        let mut running = Running(command.spawn()?);
        loop {
            if let Some(status) = running.0.try_wait()? {
                return Ok(status);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is left alone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
