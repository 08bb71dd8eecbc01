//! The text of a reply that is no message: what a person would read of it.

/// Most characters of it that are shown.
const MAX_CHARS: usize = 300;

/// Elements whose content is not for people.
const SILENT: [&str; 3] = ["script", "style", "head"];

/// Takes the tags out of `html`, joins the rest to one line and shortens it. Plain text stays as it is.
pub(crate) fn plain(html: &[u8]) -> String {
    let html = String::from_utf8_lossy(html);
    let mut text = String::new();
    let mut rest = html.as_ref();
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        text.push(' ');
        rest = skip_tag(&rest[open..]);
    }
    text.push_str(rest);
    let text = unescape(&text);
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    shorten(&words.join(" "))
}

fn skip_tag(at: &str) -> &str {
    let name: String =
        at[1..].chars().take_while(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let Some(end) = at.find('>') else { return "" };
    let rest = &at[end + 1..];
    if !SILENT.contains(&name.as_str()) {
        return rest;
    }
    let close = format!("</{name}");
    rest.to_ascii_lowercase().find(&close).map_or("", |end| &rest[end..])
}

fn unescape(text: &str) -> String {
    const ENTITIES: [(&str, &str); 5] =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&nbsp;", " "), ("&amp;", "&")];
    ENTITIES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= MAX_CHARS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MAX_CHARS).collect();
    format!("{cut}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_one_line() {
        let cases = [
            ("", ""),
            ("plain\n text", "plain text"),
            ("<h1>Not\tFound</h1><p>a &lt;b&gt; &amp;c</p>", "Not Found a <b> &c"),
            ("<HEAD><title>x</title></HEAD>y<style>p{}</style>z", "y z"),
            ("<script>never closed", ""),
            ("broken <tag", "broken"),
            ("\x1b[31mred", "[31mred"),
            ("</</>", ""),
        ];
        for (html, text) in cases {
            assert_eq!(plain(html.as_bytes()), text, "{html}");
        }
    }

    #[test]
    fn a_long_page_is_cut() {
        assert_eq!(plain("ä".repeat(500).as_bytes()).chars().count(), MAX_CHARS + 3);
    }
}
