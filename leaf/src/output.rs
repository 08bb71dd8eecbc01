//! Everything the user reads: answers on stdout, errors and logs on stderr. Nothing else prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use telemetry::logs;
use tracing_subscriber::EnvFilter;

use crate::cli::{Global, LogForm};
use crate::exit::{Code, Failure};

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A bar, drawn over and over.
    Bar,
    /// A line now and then.
    Lines,
    /// Nowhere.
    None,
}

/// Version of the form of all JSON answers. It rises when a field goes or changes its meaning.
const SCHEMA: u32 = 1;

/// An answer in JSON, on a line of its own.
#[derive(Serialize)]
struct Line<'a, T> {
    schema: u32,
    #[serde(flatten)]
    object: &'a T,
}

/// Why a command failed, in JSON.
#[derive(Serialize)]
struct Error<'a> {
    r#type: &'static str,
    code: u8,
    message: &'a str,
    hint: &'a str,
}

/// Writes answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    form: Form,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let form = if global.json { Form::Json } else { Form::Text };
        Self { form, quiet: global.quiet }
    }

    /// That of a command line that cannot be read any further.
    pub(crate) fn json_only() -> Self {
        Self { form: Form::Json, quiet: false }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn progress(&self) -> Progress {
        match self.form {
            _ if self.quiet => Progress::None,
            Form::Json => Progress::None,
            Form::Text if io::stderr().is_terminal() => Progress::Bar,
            Form::Text => Progress::Lines,
        }
    }

    /// An answer: one JSON object on a line of its own, or the text.
    pub(crate) fn answer<T: Serialize>(&self, object: &T, text: impl FnOnce() -> String) {
        match self.form {
            Form::Json => self.json(object),
            Form::Text => self.text(&text()),
        }
    }

    /// A line of text that is an answer, as it is.
    pub(crate) fn text(&self, text: &str) {
        self.bytes(text.as_bytes());
        if !text.is_empty() && !text.ends_with('\n') {
            self.bytes(b"\n");
        }
    }

    /// Bytes that are an answer.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            stop_writing(&error);
        }
    }

    fn json<T: Serialize>(&self, object: &T) {
        match serde_json::to_string(&Line { schema: SCHEMA, object }) {
            Ok(line) => self.text(&line),
            Err(error) => eprintln!("frond: the answer cannot be written as JSON: {error}"),
        }
    }

    /// Says something beside the answer.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && self.form == Form::Text {
            eprintln!("{text}");
        }
    }

    /// Says what may go wrong one day, in every form.
    pub(crate) fn warn(&self, text: &str) {
        if !self.quiet {
            eprintln!("frond: warning: {text}");
        }
    }

    /// Says why the command failed, and what to do.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        eprintln!("frond: {}; {}", failure.what, failure.hint);
        if self.form == Form::Json {
            self.json(&Error {
                r#type: "error",
                code: failure.code as u8,
                message: &failure.what,
                hint: &failure.hint,
            });
        }
        failure.code.into()
    }
}

/// `1 file`, `2 files`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Nobody reads on (`frond timeline | head`): that is the reader's choice. Anything else is a failure.
fn stop_writing(error: &io::Error) -> ! {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(Code::Ok as i32);
    }
    eprintln!("frond: the answer cannot be written: {error}; free some room, or write it elsewhere");
    std::process::exit(Code::Failed as i32);
}

/// Ends the program at once, from the task that waits for signals.
pub(crate) fn interrupted(code: Code, text: &str) -> ! {
    eprintln!("\nfrond: {text}");
    std::process::exit(code as i32);
}

/// Logs go to stderr; RUST_LOG says which, else `-v` and `-q` do.
pub(crate) fn start_logs(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        // What the client of brokers finds worth telling is told again by who uses it.
        (true, _) => "error,async_nats=off",
        (false, 0) => "warn,async_nats=off",
        (false, 1) => "info,async_nats=off",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let form = match global.log_format {
        LogForm::Text => logs::Form::Text,
        LogForm::Json => logs::Form::Json,
    };
    logs::start(filter, form, colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "file")), ["0 files", "1 file", "2 files"]);
    }
}
