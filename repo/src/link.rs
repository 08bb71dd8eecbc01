//! Where else a project is to be found: rows of `config` that repositories tell each other, in stock's form
//! (reference: wire.md section 5.2). They are hints for people. Nothing here is ever contacted for being listed.

use rusqlite::{OptionalExtension as _, params};

use crate::{RepoError, Snapshot, Tx, UnixTime};

/// Longest address that is kept, in bytes.
const MAX_URL_BYTES: usize = 256;

/// Longest description that is kept, in bytes.
const MAX_JSON_BYTES: usize = 1024;

/// Addresses that are kept of one kind, and told at once. Whoever may push can invent them.
const MAX_LINKS: i64 = 100;

/// How long an address counts as fresh: it is neither written again nor told anew.
const DAY: i64 = 24 * 3600;

/// How long an address is told after it was last heard of.
const MONTH: i64 = 30 * DAY;

/// Another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its address.
    pub url: String,
    /// What is known of it: a JSON object.
    pub json: String,
    /// When it was last heard of.
    pub seen: UnixTime,
}

/// The form in which an address is kept: without default port, query and fragment, its host in lower case. None
/// for what others could not use or should not see: no http or https, the machine itself, a user or password.
pub fn normal_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'\'' | b'`' | b'\\');
    let fits = url.len() <= MAX_URL_BYTES && path.bytes().all(is_plain);
    (fits && is_elsewhere(authority)).then(|| format!("{scheme}://{authority}{path}"))
}

/// Whether an authority names a host that others can reach.
fn is_elsewhere(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_local = ["localhost", "::1", "::", "0.0.0.0"].contains(&host)
        || host.ends_with(".localhost")
        || host.starts_with("127.");
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !host.is_empty() && !is_local && authority.bytes().all(is_name)
}

/// Whether a client's own address is to be written down. `url` is normal.
pub fn is_news(snap: &Snapshot<'_>, url: &str, now: UnixTime) -> Result<bool, RepoError> {
    let seen = snap
        .conn()
        .prepare_cached("SELECT CAST(mtime AS INTEGER) FROM config WHERE name='syncfrom:' || ?1")?
        .query_row([url], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    match seen {
        Some(seen) => Ok(now.seconds().saturating_sub(seen.unwrap_or(0)) > DAY),
        None => has_room(snap, "syncfrom:"),
    }
}

/// Notes that the repository at `url`, which is normal, synchronized with this one.
pub fn heard_from(tx: &Tx<'_>, url: &str, now: UnixTime) -> Result<(), RepoError> {
    tx.prepared("REPLACE INTO config(name, value, mtime) VALUES('syncfrom:' || ?1, '{}', ?2)")?
        .execute(params![url, now.seconds()])?;
    Ok(())
}

/// Places that were heard of within a month: those that this repository synchronized with, either way, and Git
/// repositories it is exported to. What others merely told is not told on.
pub fn recent(snap: &Snapshot<'_>, now: UnixTime) -> Result<Vec<Link>, RepoError> {
    let mut statement = snap.conn().prepare_cached(
        "SELECT substr(name, instr(name, ':')+1), name GLOB 'gitpush:*', CAST(mtime AS INTEGER) FROM config
         WHERE (name GLOB 'syncwith:*' OR name GLOB 'syncfrom:*' OR name GLOB 'gitpush:*')
         AND mtime>?1 ORDER BY 1, mtime DESC",
    )?;
    let mut rows = statement.query([now.seconds().saturating_sub(MONTH)])?;
    let mut links: Vec<Link> = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(url) = normal_url(&row.get::<_, String>(0)?) else { continue };
        if links.iter().any(|link| link.url == url) {
            continue;
        }
        let json = if row.get(1)? { r#"{"type":"git"}"# } else { "{}" }.to_owned();
        links.push(Link { url, json, seen: UnixTime::from_seconds(row.get(2)?) });
        if links.len() as i64 == MAX_LINKS {
            break;
        }
    }
    Ok(links)
}

/// Which of the places that a peer told are worth to be written down, in the form they are kept.
pub fn news(snap: &Snapshot<'_>, told: Vec<Link>, now: UnixTime) -> Result<Vec<Link>, RepoError> {
    let mut news = Vec::new();
    for link in told {
        let Some(url) = normal_url(&link.url) else { continue };
        let known = snap
            .conn()
            .prepare_cached("SELECT CAST(mtime AS INTEGER) FROM config WHERE name='link:' || ?1")?
            .query_row([&url], |row| row.get::<_, Option<i64>>(0))
            .optional()?;
        let is_new = match known {
            Some(seen) => link.seen.seconds() > seen.unwrap_or(0),
            None => has_room(snap, "link:")?,
        };
        if is_new && link.seen <= now && is_object(snap, &link.json)? && news.len() < MAX_LINKS as usize {
            news.push(Link { url, ..link });
        }
    }
    Ok(news)
}

/// Writes down what [`news`] found.
pub fn keep(tx: &Tx<'_>, link: &Link) -> Result<(), RepoError> {
    tx.prepared("REPLACE INTO config(name, value, mtime) VALUES('link:' || ?1, ?2, ?3)")?
        .execute(params![link.url, link.json, link.seen.seconds()])?;
    Ok(())
}

fn is_object(snap: &Snapshot<'_>, json: &str) -> Result<bool, RepoError> {
    if json.len() > MAX_JSON_BYTES {
        return Ok(false);
    }
    let sql = "SELECT CASE WHEN json_valid(?1) THEN json_type(?1)='object' ELSE 0 END";
    Ok(snap.conn().prepare_cached(sql)?.query_row([json], |row| row.get(0))?)
}

fn has_room(snap: &Snapshot<'_>, kind: &str) -> Result<bool, RepoError> {
    let sql = "SELECT count(*) FROM config WHERE substr(name, 1, length(?1))=?1";
    let count: i64 = snap.conn().prepare_cached(sql)?.query_row([kind], |row| row.get(0))?;
    Ok(count < MAX_LINKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Repo;
    use crate::testing::{NOW, repo};

    fn later(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(NOW.seconds() + seconds)
    }

    fn link(url: &str, json: &str, seconds: i64) -> Link {
        Link { url: url.to_owned(), json: json.to_owned(), seen: later(seconds) }
    }

    #[test]
    fn only_an_address_that_others_can_use_is_kept() {
        for (url, normal) in [
            ("http://example.org/x", Some("http://example.org/x")),
            ("HTTPS://Example.ORG:443/X/", Some("https://example.org/X/")),
            ("http://example.org:8080", Some("http://example.org:8080")),
            ("http://e.org/x?a=b#c", Some("http://e.org/x")),
            ("http://[2001:db8::1]:80/x", Some("http://[2001:db8::1]/x")),
            ("https://bob:secret@example.org/x", None),
            ("https://bob@example.org/x", None),
            ("http://localhost/x", None),
            ("http://LOCALHOST:8080/x", None),
            ("http://a.localhost/x", None),
            ("http://127.0.0.1/x", None),
            ("http://[::1]/x", None),
            ("http://0.0.0.0/", None),
            ("http:///x", None),
            ("http://", None),
            ("ftp://example.org/", None),
            ("ssh://example.org/", None),
            ("file:///etc/passwd", None),
            ("javascript://example.org/", None),
            ("example.org", None),
            ("http://example.org/<script>", None),
            ("http://exa mple.org/", None),
            ("http://exämple.org/", None),
        ] {
            assert_eq!(normal_url(url).as_deref(), normal, "{url}");
        }
        assert_eq!(normal_url(&format!("http://example.org/{}", "x".repeat(300))), None);
    }

    fn heard(repo: &mut Repo, url: &str, seconds: i64) {
        let tx = repo.begin().unwrap();
        heard_from(&tx, url, later(seconds)).unwrap();
        tx.commit().unwrap();
    }

    #[test]
    fn a_client_is_written_down_once_a_day() {
        let mut repo = repo();
        let url = "http://example.org/x";
        assert!(is_news(&repo.snapshot().unwrap(), url, NOW).unwrap());
        heard(&mut repo, url, 0);
        for (seconds, news) in [(0, false), (DAY, false), (DAY + 1, true)] {
            assert_eq!(is_news(&repo.snapshot().unwrap(), url, later(seconds)).unwrap(), news, "{seconds}");
        }
    }

    #[test]
    fn invented_addresses_do_not_fill_the_file() {
        let mut repo = repo();
        for number in 0..MAX_LINKS {
            heard(&mut repo, &format!("http://h{number}.org/"), 0);
        }
        let snap = repo.snapshot().unwrap();
        assert!(!is_news(&snap, "http://one.more/", NOW).unwrap());
        assert!(is_news(&snap, "http://h1.org/", later(2 * DAY)).unwrap(), "what is known is renewed");
        assert_eq!(recent(&snap, NOW).unwrap().len() as i64, MAX_LINKS);
    }

    #[test]
    fn what_is_told_is_a_month_old_at_most_and_shows_no_password() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        for (name, age) in [
            ("syncfrom:http://from.org/", 0),
            ("syncwith:http://with.org/", 29 * DAY),
            ("syncwith:http://old.org/", 31 * DAY),
            ("gitpush:https://git.org/x", 0),
            ("gitpush:https://bob:secret@git.org/y", 0),
            ("link:http://told.org/", 0),
            ("last-sync-url", 0),
        ] {
            crate::config::set(&tx, name, r#"{"own":"thing"}"#, later(-age)).unwrap();
        }
        let expected = [
            link("http://from.org/", "{}", 0),
            link("http://with.org/", "{}", -29 * DAY),
            link("https://git.org/x", r#"{"type":"git"}"#, 0),
        ];
        assert_eq!(recent(&tx, NOW).unwrap(), expected);
    }

    #[test]
    fn of_what_a_peer_tells_the_sound_and_newer_is_kept() {
        let mut repo = repo();
        let tx = repo.begin().unwrap();
        keep(&tx, &link("http://known.org/", "{}", -10)).unwrap();
        let told = vec![
            link("HTTP://new.org/", r#"{"src":"http://a.org/"}"#, 0),
            link("http://known.org/", "{}", -20),
            link("http://known.org/", "{}", -5),
            link("http://future.org/", "{}", 5),
            link("http://array.org/", "[]", 0),
            link("http://broken.org/", "{", 0),
            link("http://long.org/", &format!(r#"{{"a":"{}"}}"#, "x".repeat(2000)), 0),
            link("http://bob:secret@own.org/", "{}", 0),
        ];
        let expected =
            [link("http://new.org/", r#"{"src":"http://a.org/"}"#, 0), link("http://known.org/", "{}", -5)];
        assert_eq!(news(&tx, told, NOW).unwrap(), expected);
    }
}
