//! Servers that are answered for on the broker, as they are configured.

use std::collections::BTreeSet;
use std::time::Duration;

use sync::http::Url;
use sync::nats::PeerId;

use super::Bridge;
use super::file;
use super::resolve::misuse;
use super::wrongs::Wrongs;
use crate::exit::Failure;
use crate::remote;

/// What `[PROJECT-CODE=]URL` says.
pub(super) fn said_by_flag(text: &str) -> file::Bridge {
    let is_code = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (project, url) = match text.split_once('=') {
        Some((code, url)) if is_code(code) => (Some(code.to_owned()), url),
        _ => (None, text),
    };
    file::Bridge { url: url.to_owned(), project, ..file::Bridge::default() }
}

/// All of them, checked.
pub(super) fn all(said: &[file::Bridge], has_broker: bool, wrongs: &mut Wrongs) -> Vec<Bridge> {
    if !said.is_empty() && !has_broker {
        wrongs.add(misuse("a bridge needs a broker to answer on", "name it with --nats or the key nats"));
    }
    let bridges: Vec<Bridge> = said.iter().filter_map(|said| wrongs.keep(one(said))).collect();
    let mut urls = BTreeSet::new();
    for bridge in &bridges {
        if !urls.insert(bridge.url.to_string()) {
            wrongs.add(misuse(&format!("the bridge to {} is there twice", bridge.url), "keep one of them"));
        }
    }
    bridges
}

fn one(said: &file::Bridge) -> Result<Bridge, Failure> {
    let shown = said.url.rsplit_once('@').map_or(said.url.as_str(), |(_, rest)| rest);
    let form = "write it as http://HOST/PATH or https://HOST/PATH";
    let url: Url = said.url.parse().map_err(|error| misuse(&format!("bridge {shown:?}: {error}"), form))?;
    if url.user.is_some() {
        let hint = "take the user out of its url: whoever asks logs in by itself, with ?login=USER";
        return Err(misuse(&format!("bridge {shown:?} has a user"), hint));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        misuse(&format!("bridge {shown}: {error}"), "letters, digits, - and _ make one")
    };
    if let Some(project) = said.project.as_deref().filter(|text| !remote::is_project_code(text)) {
        let what = format!("bridge {shown}: {}", remote::no_project_code(project));
        return Err(misuse(&what, "write the whole code of the project, or leave it out"));
    }
    let name = said.name.as_deref().map(PeerId::new).transpose().map_err(|error| wrong(&error))?;
    let timeout = said.timeout.map_or(Duration::from_secs(60), |span| span.0);
    Ok(Bridge { url, project: said.project.clone(), name, timeout })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_says_where_and_may_say_which_project() {
        for (text, project, url) in [
            ("http://h/a", None, "http://h/a"),
            ("ab12=http://h/a", Some("ab12"), "http://h/a"),
            ("http://h/a=b", None, "http://h/a=b"),
        ] {
            let said = said_by_flag(text);
            assert_eq!((said.project.as_deref(), said.url.as_str()), (project, url), "{text}");
        }
    }

    #[test]
    fn a_bridge_that_cannot_work_is_an_error_without_its_secrets() {
        let of = |url: &str| file::Bridge { url: url.into(), ..file::Bridge::default() };
        let read = |said: &[file::Bridge], has_broker| {
            let mut wrongs = Wrongs::default();
            let bridges = all(said, has_broker, &mut wrongs);
            wrongs.end(bridges)
        };
        for (said, has_broker, about) in [
            (vec![of("http://h/")], false, "a broker"),
            (vec![of("http://h/"), of("http://h:80/")], true, "twice"),
            (vec![of("http://bob:hush@h/")], true, "has a user"),
            (vec![of("nats://hush@h/")], true, "http://"),
            (vec![of("")], true, "http://"),
            (vec![file::Bridge { project: Some("a.b".into()), ..of("http://h/") }], true, "project code"),
            (vec![file::Bridge { name: Some("*".into()), ..of("http://h/") }], true, "a peer"),
        ] {
            let wrong = read(&said, has_broker).unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].what.contains(about), "{about}: {wrong:?}");
            assert!(!format!("{wrong:?}").contains("hush"), "{wrong:?}");
        }
        assert_eq!(read(&[of("http://h/"), of("http://h/b")], true).unwrap().len(), 2);
    }
}
