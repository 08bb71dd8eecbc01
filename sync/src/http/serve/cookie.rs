//! The login card that newer clients put beside the message (reference: wire.md section 4.4).

use http::header::COOKIE;
use http::request::Parts;
use percent_encoding::percent_decode;

/// The name of the cookie.
const NAME: &str = "x-f-l-c";

/// The text of the login card in the cookie, or in the query, where stock takes it too. Of several Cookie lines
/// only the first is looked at, as in stock. Whether it is a login card is for the decoder to say.
pub(crate) fn login_card(head: &Parts) -> Option<Vec<u8>> {
    let cookies = head.headers.get(COOKIE).map(http::HeaderValue::as_bytes);
    let query = head.uri.query().map(str::as_bytes);
    cookies.and_then(|line| find(line, b';')).or_else(|| query.and_then(|line| find(line, b'&')))
}

fn find(line: &[u8], separator: u8) -> Option<Vec<u8>> {
    let pairs = line.split(|&byte| byte == separator);
    let mut values = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|&byte| byte == b'=')?;
        pair[..end].eq_ignore_ascii_case(NAME.as_bytes()).then(|| &pair[end + 1..])
    });
    values.next().map(plain)
}

fn plain(value: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = value.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&blanks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(uri: &str, cookies: &[&str]) -> Option<String> {
        let request = http::Request::builder().uri(uri);
        let request = cookies.iter().fold(request, |request, line| request.header("cookie", *line));
        let (head, ()) = request.body(()).unwrap().into_parts();
        login_card(&head).map(|card| String::from_utf8(card).unwrap())
    }

    #[test]
    fn the_card_is_found_wherever_stock_finds_it() {
        for (uri, cookies, expected) in [
            ("/", &["x-f-l-c=login+bob+1+2"][..], Some("login bob 1 2")),
            ("/", &["x-f-l-c=login%20bob%201%202"], Some("login bob 1 2")),
            ("/", &["x-f-l-c=login bob 1 2"], Some("login bob 1 2")),
            ("/", &["a=b; x-f-l-c=login+bob+1+2; c=d"], Some("login bob 1 2")),
            ("/", &["X-F-L-C=login+bob+1+2"], Some("login bob 1 2")),
            ("/", &["x-f-l-c=login+a%5Csb+1+2"], Some("login a\\sb 1 2")),
            ("/?a=b&x-f-l-c=login+bob+1+2", &[], Some("login bob 1 2")),
            ("/?x-f-l-c=other", &["x-f-l-c=login+bob+1+2"], Some("login bob 1 2")),
            ("/", &["x-f-l-c="], Some("")),
            ("/", &["a=b", "x-f-l-c=login+bob+1+2"], None),
            ("/", &["y-x-f-l-c=login+bob+1+2"], None),
            ("/", &["x-f-l-c"], None),
            ("/x-f-l-c=1", &[], None),
            ("/", &[], None),
        ] {
            assert_eq!(card(uri, cookies).as_deref(), expected, "{uri} {cookies:?}");
        }
    }
}
