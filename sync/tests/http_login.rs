//! Logins over HTTP: in the body, in a cookie, and where none is looked for (limits-and-edge-cases, lines 54, 55,
//! 59, 64, 176 and 177).
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

use http::Request;
use http_body_util::{BodyExt as _, Full};
use repo::{Genesis, Repo, UnixTime, user};
use sync::http::serve::{RemoteAddress, Repos, ServeOptions, XferService};
use xfer::body::{Body, ContentType, pack};
use xfer::{Card, DecodeLimits, Login, Message, Secret};

const HERE: &str = "198.51.100.7";
const FAILED: &str = "error login\\sfailed";
const TWO: &str = "error multiple\\slogin\\scards";
const NOBODY: &str = "error not\\sauthorized\\sto\\sread";
const READ: &str = "igot";

/// A repository that `bob` and `a b` may read, and nobody else.
struct Site {
    service: XferService,
    _directory: tempfile::TempDir,
    requests: u32,
}

/// Where a request has its login.
enum Place<'a> {
    Body,
    Header(&'a str, &'a str),
    Query,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.fossil");
        let now = UnixTime::from_seconds(1_800_000_000);
        let genesis = Genesis { project: project(), server: "cd".repeat(20), now, ..Genesis::default() };
        let mut repo = Repo::create(&file, &genesis).unwrap();
        let tx = repo.begin().unwrap();
        for name in ["bob", "a b"] {
            user::set_capabilities(&tx, name, "io", now).unwrap();
            user::set_password(&tx, name, &Secret::derive(&project(), name, "pw"), now).unwrap();
        }
        repo::content::add(&tx, b"artifact", xfer::card::Privacy::Public).unwrap();
        repo::ingest::settle(&tx, now).unwrap();
        tx.commit().unwrap();
        let service = XferService::new(Repos::new(&file).unwrap(), ServeOptions::default());
        Self { service, _directory: directory, requests: 0 }
    }

    /// Cards that no other request has.
    fn pull(&mut self) -> Message {
        self.requests += 1;
        let codes = xfer::card::Codes { server: "x".to_owned(), project: project() };
        Message::from(vec![Card::Pull(codes), Card::comment(format!(" {}", self.requests))])
    }

    /// The first word or two of the reply to cards with a header line or none.
    async fn ask(&self, uri: &str, headers: &[(&str, &str)], text: Vec<u8>, kind: ContentType) -> String {
        let body = pack(text, kind);
        let mut request = Request::post(uri)
            .header("content-type", kind.as_str())
            .header("content-length", body.bytes.len())
            .extension(RemoteAddress(HERE.to_owned()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = self.service.answer(request.body(Full::new(body.bytes)).unwrap()).await;
        assert_eq!(reply.status(), 200);
        let bytes = reply.into_body().collect().await.unwrap().to_bytes();
        let text = xfer::body::unpack(&Body { content_type: kind, bytes }, &DecodeLimits::default()).unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let first = text.lines().next().unwrap_or_default();
        if first.starts_with("igot ") { READ.to_owned() } else { first.to_owned() }
    }

    /// A pull of `name`, whose login is somewhere.
    async fn pull_as(&mut self, name: &str, password: &str, place: Place<'_>) -> String {
        let message = self.pull();
        let login = Login::sign(&message, name, &Secret::derive(&project(), name, password));
        let signed = xfer::encode(&Message { login: Some(login), ..message });
        let end = signed.iter().position(|&byte| byte == b'\n').unwrap();
        let (card, cards) = (String::from_utf8(signed[..end].to_vec()).unwrap(), signed[end + 1..].to_vec());
        let value = card.replace('\\', "%5C").replace(' ', "+");
        let plain = ContentType::Uncompressed;
        match place {
            Place::Body => self.ask("/", &[], signed, plain).await,
            Place::Header(header, form) => {
                let form = form.replace("{+}", &value).replace("{ }", &card);
                self.ask("/", &[(header, &form.replace("{%}", &value.replace('+', "%20")))], cards, plain)
                    .await
            }
            Place::Query => self.ask(&format!("/?x-f-l-c={value}"), &[], cards, plain).await,
        }
    }
}

fn project() -> String {
    "ab".repeat(20)
}

#[tokio::test]
async fn a_login_is_taken_from_the_body_the_cookie_and_the_query() {
    let mut site = Site::new();
    for name in ["bob", "a b"] {
        assert_eq!(site.pull_as(name, "pw", Place::Body).await, READ);
        assert_eq!(site.pull_as(name, "pw", Place::Query).await, READ);
        for form in ["x-f-l-c={+}", "X-F-L-C={+}", "a=b; x-f-l-c={+}; c=d", "x-f-l-c={%}", "x-f-l-c={ }"] {
            assert_eq!(site.pull_as(name, "pw", Place::Header("cookie", form)).await, READ, "{name} {form}");
        }
    }
}

#[tokio::test]
async fn a_login_in_a_cookie_covers_the_text_of_a_packed_body() {
    let mut site = Site::new();
    let message = site.pull();
    let login = Login::sign(&message, "bob", &Secret::derive(&project(), "bob", "pw"));
    let cookie = format!("x-f-l-c=login+bob+{}+{}", login.nonce, login.signature);
    let text = xfer::encode(&message);
    assert_eq!(site.ask("/", &[("cookie", &cookie)], text, ContentType::Compressed).await, READ);
}

#[tokio::test]
async fn a_cookie_with_a_wrong_login_fails_the_request() {
    let mut site = Site::new();
    let cookie = Place::Header("cookie", "x-f-l-c={+}");
    assert_eq!(site.pull_as("bob", "guess", cookie).await, FAILED);
    let other =
        "x-f-l-c=login+bob+da39a3ee5e6b4b0d3255bfef95601890afd80709+da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let text = xfer::encode(&site.pull());
    assert_eq!(
        site.ask("/", &[("cookie", other)], text, ContentType::Uncompressed).await,
        FAILED,
        "another body"
    );
}

/// 177, and what else stock passes over.
#[tokio::test]
async fn a_cookie_that_holds_no_login_is_passed_over() {
    let mut site = Site::new();
    for form in ["x-f-l-c=", "x-f-l-c={+}%0A", "x-f-l-c={+}+more", "x-f-l-c=pull+x+y", "x-f-l-c=bob", "y={+}"]
    {
        assert_eq!(site.pull_as("bob", "pw", Place::Header("cookie", form)).await, NOBODY, "{form}");
    }
    let message = site.pull();
    let login = Login::sign(&message, "bob", &Secret::derive(&project(), "bob", "pw"));
    let second = format!("x-f-l-c=login+bob+{}+{}", login.nonce, login.signature);
    let headers = [("cookie", "a=b"), ("cookie", second.as_str())];
    assert_eq!(site.ask("/", &headers, xfer::encode(&message), ContentType::Uncompressed).await, NOBODY);
}

/// 54, 55, 64.
#[tokio::test]
async fn a_request_has_one_login() {
    let mut site = Site::new();
    let message = site.pull();
    let secret = Secret::derive(&project(), "bob", "pw");
    let once = String::from_utf8(xfer::encode(&message.signed("bob", &secret))).unwrap();
    let anonymous =
        "login anonymous da39a3ee5e6b4b0d3255bfef95601890afd80709 da39a3ee5e6b4b0d3255bfef95601890afd80709\n";
    let plain = ContentType::Uncompressed;
    let over = Login::sign(&Message::default(), "bob", &secret);
    let hashed = xfer::hash::sha1(once.as_bytes());
    let cookie = format!("x-f-l-c=login+bob+{hashed}+{}", over.signature);
    for (headers, text, expected) in [
        (vec![], format!("{once}{anonymous}"), TWO),
        (vec![], format!("{anonymous}{once}"), TWO),
        (vec![("cookie", cookie.as_str())], once.clone(), TWO),
        (
            vec![],
            once.replacen('\n', " more\n", 1),
            "error card\\s1\\sat\\sbyte\\s0:\\sthe\\swrong\\snumber\\sof\\stokens",
        ),
        (vec![], once.clone(), READ),
    ] {
        assert_eq!(site.ask("/", &headers, text.clone().into_bytes(), plain).await, expected, "{text}");
    }
}

/// 176: a header of HTTP's own logs nobody in, good or bad, and does no harm beside a login.
#[tokio::test]
async fn an_authorization_header_is_not_looked_at() {
    let mut site = Site::new();
    // bob:pw, and something that is none.
    for value in ["Basic Ym9iOnB3", "Basic ???", "Bearer x"] {
        let text = xfer::encode(&site.pull());
        let headers = [("authorization", value)];
        assert_eq!(site.ask("/", &headers, text, ContentType::Uncompressed).await, NOBODY, "{value}");
        let signed = site.pull().signed("bob", &Secret::derive(&project(), "bob", "pw"));
        assert_eq!(site.ask("/", &headers, xfer::encode(&signed), ContentType::Uncompressed).await, READ);
    }
}

/// 59.
#[tokio::test]
async fn a_service_slows_down_who_guesses_and_answers_a_signed_request_once() {
    let mut site = Site::new();
    let signed = xfer::encode(&site.pull().signed("bob", &Secret::derive(&project(), "bob", "pw")));
    let plain = ContentType::Uncompressed;
    assert_eq!(site.ask("/", &[], signed.clone(), plain).await, READ);
    let again = site.ask("/", &[], signed, plain).await;
    assert!(again.starts_with("error this\\slogin\\swas\\sused\\sbefore"), "{again}");
    let mut said = Vec::new();
    for _ in 0..7 {
        said.push(site.pull_as("bob", "guess", Place::Body).await);
    }
    assert_eq!(said[..5], [FAILED; 5]);
    assert!(said[5].starts_with("error too\\smany\\sfailed\\slogins"), "{said:?}");
    let other = site.pull_as("a b", "pw", Place::Body).await;
    assert!(other.starts_with("error too\\smany"), "it is the address that waits: {other}");
}
