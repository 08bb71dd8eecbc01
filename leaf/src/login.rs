//! Who logs in, and where the password comes from.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::path::Path;

use sync::http::Password;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Code, Failure};
use crate::network;
use crate::remote::Remote;

/// Holds the password.
const PASSWORD: &str = "FROND_PASSWORD";

/// Names a file whose first line is the password.
const PASSWORD_FILE: &str = "FROND_PASSWORD_FILE";

/// Names a file whose first line is a password to set.
const NEW_PASSWORD_FILE: &str = "FROND_NEW_PASSWORD_FILE";

/// Longest first line of such a file, in bytes.
const MAX_LINE_BYTES: u64 = 4096;

/// A login. Without a user there is none.
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) origin: Origin,
}

/// Where a password comes from: only what the user gave is there to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the address, or typed.
    Given,
    /// From the environment, from the repository, or there is none.
    Elsewhere,
}

/// The login that an address stands for. Its password is that of the address, else that of the environment,
/// else `kept`, else it is asked for.
pub(crate) fn find(url: &Remote, kept: Option<String>) -> Result<Login, Failure> {
    let user = url.user().map(str::to_owned);
    let login = |password, origin| Login { user: user.clone(), password, origin };
    let Some(name) = &user else { return Ok(login(None, Origin::Elsewhere)) };
    let given = url.password().map(|Password(text)| text.clone()).filter(|text| !text.is_empty());
    if given.is_some() {
        return Ok(login(given, Origin::Given));
    }
    let found = match from_environment()? {
        Some(password) => Some(password),
        None => kept.filter(|text| !text.is_empty()),
    };
    if found.is_some() || name == "anonymous" || name == "nobody" {
        return Ok(login(found, Origin::Elsewhere));
    }
    let may_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    let typed = if may_ask { ask(&format!("Password of {name} at {}: ", url.authority()))? } else { None };
    if typed.is_none() {
        let what = format!("no password for user {name:?} of {}", url.authority());
        return Err(Failure::new(
            Code::Refused,
            what,
            "put it in FROND_PASSWORD, or in a file that FROND_PASSWORD_FILE names",
        ));
    }
    Ok(login(typed, Origin::Given))
}

/// A password to set for a user: the first line of stdin, if that is asked for; else of a file that the environment
/// names; else typed, twice.
pub(crate) fn new_password(user: &str, from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        return line_of(io::stdin()).map_err(|reason| {
            let what = format!("stdin: no password can be read: {reason}");
            Failure::new(Code::Usage, what, "write it there as the first line")
        });
    }
    if let Some(file) = env::var_os(NEW_PASSWORD_FILE).filter(|value| !value.is_empty()) {
        return first_line(Path::new(&file), NEW_PASSWORD_FILE);
    }
    let may_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    let typed = if may_ask { ask(&format!("New password of {user}: "))? } else { None };
    let Some(password) = typed else {
        let hint =
            format!("give --password-stdin, or have {NEW_PASSWORD_FILE} name a file that begins with it");
        return Err(Failure::new(Code::Usage, format!("no new password for user {user:?}"), hint));
    };
    if ask("The same again: ")?.as_ref() != Some(&password) {
        return Err(Failure::new(Code::Usage, "the two passwords differ", "nothing was changed; try again"));
    }
    Ok(password)
}

/// The password that the environment holds or names.
pub(crate) fn from_environment() -> Result<Option<String>, Failure> {
    let value = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(password) = value(PASSWORD) {
        let no_text =
            |_: OsString| Failure::new(Code::Usage, format!("{PASSWORD} is not UTF-8"), "set it anew");
        return password.into_string().map(Some).map_err(no_text);
    }
    value(PASSWORD_FILE).map(|file| first_line(Path::new(&file), PASSWORD_FILE)).transpose()
}

/// The first line of the file that a variable, or a key, names.
pub(crate) fn first_line(file: &Path, variable: &str) -> Result<String, Failure> {
    let opened = File::open(file).map_err(|error| error.to_string());
    opened.and_then(line_of).map_err(|reason| {
        let what = format!("{}: no password can be read: {reason}", file.display());
        Failure::new(Code::Usage, what, format!("have {variable} name a file that begins with it"))
    })
}

fn line_of(source: impl io::Read) -> Result<String, String> {
    let mut line = String::new();
    let read = BufReader::new(source.take(MAX_LINE_BYTES)).read_line(&mut line);
    read.map_err(|error| error.to_string())?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("its first line is empty".to_owned());
    }
    Ok(password.to_owned())
}

/// Asks on the terminal, without an echo. None if nothing was typed.
fn ask(prompt: &str) -> Result<Option<String>, Failure> {
    // With a handler of ours in place, ^C ends the prompt and not the program, and the echo comes back.
    let runtime = network::runtime(1)?;
    let guard = runtime.enter();
    let caught = signal(SignalKind::interrupt());
    let typed = rpassword::prompt_password(prompt);
    drop((caught, guard));
    match typed {
        Ok(password) => Ok(Some(password).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Failure::new(Code::Interrupted, "interrupted", "nothing was done"))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn the_first_line_of_a_password_file_is_the_password() {
        for (content, password) in [("pw", "pw"), ("pw\nother\n", "pw"), ("p w \r\n", "p w ")] {
            assert_eq!(first_line(file(content.as_bytes()).path(), PASSWORD_FILE).unwrap(), password);
        }
    }

    #[test]
    fn a_password_file_without_a_password_is_an_error_that_names_it() {
        let files = [file(b""), file(b"\npw\n"), file(b"\xff\n")];
        for name in files.iter().map(tempfile::NamedTempFile::path).chain([Path::new("/no/such/file")]) {
            let failure = first_line(name, PASSWORD_FILE).unwrap_err();
            assert!(failure.what.contains(name.to_str().unwrap()), "{}", failure.what);
        }
    }

    #[test]
    fn a_password_of_the_address_goes_before_any_other_and_is_to_be_remembered() {
        let kept = || Some("kept".to_owned());
        let cases = [
            ("http://bob:pw@h/", kept(), Some("pw"), Origin::Given),
            ("http://bob:@h/", kept(), Some("kept"), Origin::Elsewhere),
            ("http://bob@h/", kept(), Some("kept"), Origin::Elsewhere),
            ("http://anonymous@h/", None, None, Origin::Elsewhere),
            ("http://h/", kept(), None, Origin::Elsewhere),
        ];
        for (url, kept, password, origin) in cases {
            let login = find(&Remote::read(url).unwrap(), kept).unwrap();
            assert_eq!((login.password.as_deref(), login.origin), (password, origin), "{url}");
        }
    }
}
