//! A program at a terminal of its own, and who types there.

use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::line;

/// What the terminal is waited for to show, before an answer is typed to it.
#[derive(Debug, Clone, Copy)]
pub enum Prompt<'a> {
    /// The answer shows as it is typed.
    Open(&'a str),
    /// The answer does not show: the program must have turned the echo off.
    Hidden(&'a str),
}

/// Runs a command at a terminal and types the answers, in order. Gives everything that the terminal showed.
#[track_caller]
pub fn run(command: &Command, answers: &[(Prompt<'_>, &str)]) -> String {
    let mut script = at_terminal(command);
    let child = script.spawn();
    let mut child = child.unwrap_or_else(|error| panic!("cannot run {}: {error}", line(&script)));
    let mut keys = child.stdin.take().expect("a pipe");
    let mut screen = Screen { source: child.stdout.take().expect("a pipe"), shown: Vec::new(), seen: 0 };
    screen.wait_for("\n");
    let name = screen.text().trim().to_owned();
    for (prompt, answer) in answers {
        let (Prompt::Open(text) | Prompt::Hidden(text)) = prompt;
        screen.wait_for(text);
        if matches!(prompt, Prompt::Hidden(_)) {
            wait_until_hidden(&name);
        }
        keys.write_all(format!("{answer}\n").as_bytes()).expect("a terminal takes what is typed");
    }
    screen.source.read_to_end(&mut screen.shown).expect("a terminal can be read");
    child.wait().expect("a child that was started can be waited for");
    screen.text()
}

/// The command at a terminal, which shows its own name first.
fn at_terminal(command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
    let words = words.collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &format!("tty; {words}"), "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        script.current_dir(directory);
    }
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    script
}

struct Screen<R> {
    source: R,
    shown: Vec<u8>,
    /// How much of it was waited for already.
    seen: usize,
}

impl<R: Read> Screen<R> {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.shown[self.seen..]).contains(text) {
            let mut byte = [0];
            let read = self.source.read(&mut byte).expect("a terminal can be read");
            assert_eq!(read, 1, "the program ended without showing {text:?}\n{}", self.text());
            self.shown.extend(byte);
        }
        self.seen = self.shown.len();
    }
}

#[track_caller]
fn wait_until_hidden(terminal: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let said = Command::new("stty").args(["-F", terminal, "-a"]).output().expect("stty runs");
        if String::from_utf8_lossy(&said.stdout).contains(" -echo ") {
            return;
        }
        assert!(Instant::now() < deadline, "{terminal} shows what is typed\n{said:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
