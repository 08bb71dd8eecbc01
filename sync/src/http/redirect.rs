//! Where a redirect leads, and whether it may be followed (RFC 9110 section 10.2.2, RFC 3986 section 5.2).

use super::{Scheme, Url, UrlError, text};

/// The address that `location` means, said by the server at `from`. The login goes along to the same host
/// only; the error is what the server does: "to ..., which ...".
pub(crate) fn follow(from: &Url, location: &str) -> Result<Url, String> {
    let shown = text::plain(location.as_bytes());
    let no_address = |error: UrlError| format!("to {shown:?}, which is no address to follow: {error}");
    let mut to = resolve(from, location).map_err(no_address)?;
    if let Some(path) = to.path.strip_suffix("/xfer") {
        to.path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    }
    if from.scheme == Scheme::Https && to.scheme == Scheme::Http {
        return Err(format!("from https to {shown}, which is not secure"));
    }
    if from.user.is_some() && !from.is_same_host(&to) {
        return Err(format!(
            "to {shown}, another host, which must not get this login; give that address if you trust it"
        ));
    }
    to.user.clone_from(&from.user);
    to.password.clone_from(&from.password);
    to.checked().map_err(no_address)
}

fn resolve(base: &Url, reference: &str) -> Result<Url, UrlError> {
    if has_scheme(reference) {
        return reference.parse();
    }
    let scheme = base.scheme.as_str();
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}").parse();
    }
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let path = match path {
        "" => base.path.clone(),
        path if path.starts_with('/') => without_dots(path),
        path => {
            let directory = base.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            without_dots(&format!("{directory}/{path}"))
        }
    };
    format!("{scheme}://{}{path}", base.authority()).parse()
}

/// Whether a reference begins with a scheme: then it is absolute.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Takes `.` and `..` out of a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        }
        if !is_dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_from(from: &str, location: &str) -> Result<String, String> {
        follow(&from.parse().unwrap(), location).map(|to| to.to_string())
    }

    #[test]
    fn a_location_is_resolved_against_the_address_that_was_asked() {
        let cases = [
            ("http://h:81/a/b", "http://i/new", "http://i/new"),
            ("http://h:81/a/b", "/new", "http://h:81/new"),
            ("http://h:81/a/b", "new", "http://h:81/a/new"),
            ("http://h:81/a/b", "b/", "http://h:81/a/b/"),
            ("http://h:81/a/b", "./new?x#y", "http://h:81/a/new"),
            ("http://h:81/a/b", "../new", "http://h:81/new"),
            ("http://h:81/a/b", "../../../new/..", "http://h:81/"),
            ("http://h:81/a/b", "/c/./d/../e/.", "http://h:81/c/e/"),
            ("http://h:81/a/b", "//i:82/new", "http://i:82/new"),
            ("http://h:81/a/b", "?x", "http://h:81/a/b"),
            ("http://h:81/a/b", "", "http://h:81/a/b"),
            ("http://h:81", "new", "http://h:81/new"),
            ("https://h/a", "//i/new", "https://i/new"),
            ("https://[::1]:81/a", "/new", "https://[::1]:81/new"),
            ("http://h/a", "https://h/a", "https://h/a"),
            ("http://h/a", "/b/xfer/xfer", "http://h/b/xfer"),
            ("http://h/a", "/xfer", "http://h/"),
            ("http://bob@h/a", "/b", "http://bob@h/b"),
            ("http://bob@h/a", "https://eve:pw@h/b", "https://bob@h/b"),
        ];
        for (from, location, to) in cases {
            assert_eq!(follow_from(from, location).as_deref(), Ok(to), "{from} {location}");
        }
    }

    #[test]
    fn what_is_not_secure_or_no_address_is_not_followed() {
        let cases = [
            ("https://h/a", "http://h/a", "not secure"),
            ("http://bob@h/a", "http://i/a", "must not get this login"),
            ("http://bob@h/a", "//i/a", "must not get this login"),
            ("http://h/a", "ssh://h/a", "no address to follow"),
            ("http://h/a", "file:///etc", "no address to follow"),
            ("http://h/a", "mailto:me", "no address to follow"),
            ("http://h/a", "http:b", "no address to follow"),
            ("http://h/a", "//", "no address to follow"),
            ("http://h/a", "/a b", "no address to follow"),
        ];
        for (from, location, reason) in cases {
            let error = follow_from(from, location).expect_err(location);
            assert!(error.contains(reason), "{from} {location}\n{error}");
        }
        let long = (format!("http://{}@h/", "u".repeat(3000)), format!("/{}", "a".repeat(3000)));
        assert!(follow_from(&long.0, &long.1).expect_err("too long").contains("longer than 4096 bytes"));
    }
}
