//! The pages a browser gets: what is served here, and how to clone it.

/// A page about one repository, with its address if that is known for sure; as a rule only the browser knows it.
pub(crate) fn repository(name: &str, url: Option<&str>) -> String {
    let name = escape(name);
    let about = match url {
        Some(_) => "",
        None => " URL is the address of this page, as your browser shows it.",
    };
    let url = escape(url.unwrap_or("URL"));
    let file = escape(&file_name(&name));
    page(
        &name,
        &format!(
            "<h1>{name}</h1>\n\
             <p>This is a <a href=\"https://fossil-scm.org/\">Fossil</a> repository, served by Frond. \
             There is nothing to browse here: clone it, with Frond or with Fossil.{about}</p>\n\
             <pre>frond clone {url} {file}.fossil\nfossil clone {url} {file}.fossil</pre>\n\
             <p>A pull later brings what is new:</p>\n\
             <pre>frond pull -R {file}.fossil\nfossil pull -R {file}.fossil</pre>\n"
        ),
    )
}

/// A page that lists repositories: name and link of each.
pub(crate) fn list(repositories: &[(String, String)]) -> String {
    let mut items = String::new();
    for (name, url) in repositories {
        items.push_str(&format!("<li><a href=\"{}\">{}</a></li>\n", escape(url), escape(name)));
    }
    let text = if items.is_empty() {
        "<p>No repository is served here yet.</p>\n".to_owned()
    } else {
        format!(
            "<p>Fossil repositories, served by Frond. Each page says how to clone it.</p>\n<ul>\n{items}</ul>\n"
        )
    };
    page("Repositories", &format!("<h1>Repositories</h1>\n{text}"))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

/// A file name to suggest: letters, digits, `-`, `_` and `.` of the repository's name.
fn file_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "project".to_owned() } else { name.to_owned() }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_text() {
        let page = repository("<script>\"x\"'<", Some("https://h/<script>"));
        assert!(!page.contains("<script>") && !page.contains("'<"));
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_list_links_to_each_repository() {
        let page = list(&[("a".into(), "./a?'".into())]);
        assert!(page.contains("<li><a href=\"./a?&#39;\">a</a></li>"));
        assert!(list(&[]).contains("No repository"));
    }
}
