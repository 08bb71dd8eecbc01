//! No text makes the URL parser panic, and what it accepts it writes so that it reads the same again.
#![cfg(feature = "http")]

use sync::http::Url;

#[test]
fn any_text_is_read_or_refused() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        for text in [text.to_owned(), format!("http://{text}"), format!("https://u:p@h{text}")] {
            let Ok(url) = text.parse::<Url>() else { continue };
            let shown = url.to_string();
            let again: Url = shown.parse().unwrap_or_else(|error| panic!("{shown:?} of {text:?}: {error}"));
            let unsaid = Url { password: None, ..url };
            assert_eq!(again, unsaid, "{text:?}");
        }
    });
}
