//! The status page.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use frond_tests::leaf::{check_in, open_repository, until};
use frond_tests::process::free_port;
use frond_tests::{Browser, Frond, Leaf, Nginx, Scratch};
use serde_json::Value;

/// A leaf with a peer that is there and one that is not; a repository has a name that is none for HTML.
fn leaf(frond: &Frond, scratch: &Scratch) -> Leaf {
    let (a, b) = (scratch.file("a.fossil"), scratch.file("b.fossil"));
    open_repository(frond, &a);
    open_repository(frond, &b);
    let config = scratch.write(
        "leaf.toml",
        format!(
            "admin = '0'\n[defaults]\npoll = '1s'\n\
             [[repository]]\nfile = 'c.fossil'\nname = '<b>&\"c'\n[[repository.peer]]\nurl = 'a.fossil'\n\
             [[repository]]\nfile = 'b.fossil'\n[[repository.peer]]\nurl = 'http://127.0.0.1:{}/'\n",
            free_port()
        ),
    );
    let leaf = Leaf::start(frond, ["--config", &config.to_string_lossy()]);
    until("a session went well and another did not", || {
        let page = leaf.probe("/").text();
        page.contains("class=\"tie good\"") && page.contains("class=\"tie bad\"")
    });
    leaf
}

/// What a page refers to.
fn references(page: &str) -> Vec<String> {
    let values = |name: &str| -> Vec<String> {
        let mark = format!("{name}=\"");
        page.split(&mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    ["href", "src", "data-events"].into_iter().flat_map(values).filter(|url| url != "data:,").collect()
}

#[test]
fn the_page_shows_what_there_is_and_runs_nothing_but_its_own() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let leaf = leaf(&frond, &scratch);
    let answer = leaf.probe("/");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = answer.text();
    assert!(page.contains("&lt;b&gt;&amp;&quot;c") && !page.contains("<b>&"), "{page}");
    assert!(page.contains("cannot connect to 127.0.0.1"), "{page}");
    // What the policy forbids is not there.
    for bad in [" style=", "<style", "<script>", " onload=", " onclick=", "javascript:"] {
        assert!(!page.contains(bad), "{bad} in\n{page}");
    }
    // Under whatever path it is shown, its parts are below that.
    let references = references(&page);
    assert_eq!(references, ["-/page.css", "-/page.js", "-/events"]);
    for (path, kind) in [("/-/page.css", "text/css"), ("/-/page.js", "text/javascript")] {
        let part = leaf.probe(path);
        assert_eq!(part.status, 200);
        assert!(part.header("content-type").unwrap().starts_with(kind), "{part:?}");
        assert_eq!(part.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(leaf.probe("/-/nothing").status, 404);
}

fn admin(leaf: &Leaf) -> SocketAddr {
    let url = leaf.started["admin_url"].as_str().unwrap();
    url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// A browser that listens.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn at(leaf: &Leaf) -> Self {
        Self::to(admin(leaf), "/-/events")
    }

    fn to(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
        Self(BufReader::new(stream))
    }

    /// What comes up to an empty line.
    fn block(&mut self) -> String {
        let mut block = String::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended after\n{block}");
            if line.trim().is_empty() && !block.is_empty() {
                return block;
            }
            block += &line;
        }
    }
}

#[test]
fn a_browser_is_told_what_changes() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let leaf = leaf(&frond, &scratch);
    let mut listener = Listener::at(&leaf);
    let head = listener.block();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    let first = listener.block();
    assert!(first.contains("event: status\ndata: ") && first.contains("tie good"), "{first}");
    check_in(&frond, &scratch.file("a.fossil"), "new.txt");
    until("the change is told", || listener.block().contains("<td>interval</td>"));
    // So many may listen, and probes are answered all the same.
    let listeners: Vec<Listener> = (0..20).map(|_| Listener::at(&leaf)).collect();
    let heads = listeners.into_iter().map(|mut listener| {
        let head = listener.block();
        (head.starts_with("HTTP/1.1 200"), listener)
    });
    let heads: Vec<(bool, Listener)> = heads.collect();
    assert_eq!(heads.iter().filter(|(taken, _)| *taken).count(), 15);
    assert!(leaf.probe("/healthz").status == 200 && leaf.probe("/").status == 200);
    drop((heads, listener));
    until("their places are free again", || Listener::at(&leaf).block().starts_with("HTTP/1.1 200"));
    leaf.terminate();
}

#[test]
fn a_web_server_that_buffers_hands_each_event_on_as_it_comes() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let leaf = Leaf::of(&frond, &file, &[]);
    // What is in these buffers would take more events than this test waits for.
    let nginx = Nginx::start(&format!(
        "proxy_buffer_size 64k; proxy_buffers 8 1m; proxy_busy_buffers_size 4m;\n\
         location /status/ {{ proxy_pass http://{}/; }}",
        admin(&leaf)
    ));
    let mut listener = Listener::to(nginx.address(), "/status/-/events");
    let head = listener.block();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    for _ in 0..2 {
        let event = listener.block();
        assert!(event.contains("event: status\ndata: "), "{event}");
    }
}

#[test]
fn where_repositories_are_served_the_page_is_shown_to_who_asks_for_it() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let file = scratch.file("a.fossil");
    open_repository(&frond, &file);
    let get = |leaf: &Leaf, path: &str| {
        let request = frond_tests::http::request(&format!("GET {path}"), &[], b"");
        frond_tests::http::send(leaf.address(), &request)
    };
    let hidden = Leaf::of(&frond, &file, &[]);
    assert!(!get(&hidden, "/").text().contains("-/events"));
    hidden.terminate();
    let leaf = Leaf::of(&frond, &file, &["--page", "--base-path", "/code"]);
    let page = get(&leaf, "/code/");
    assert!(page.header("content-security-policy").is_some(), "{page:?}");
    for part in references(&page.text()) {
        assert_eq!(get(&leaf, &format!("/code/{part}")).status, 200, "{part}");
    }
    let event = get(&leaf, "/code/-/events").text();
    assert!(event.starts_with("retry: 2000\nevent: status\ndata: "), "{event}");
    frond.clone(&leaf.url(), &scratch.file("copy.fossil"));
}

/// What is to be known of the page as it is laid out.
const LAYOUT: &str = "(() => {
  const box = (element) => element.getBoundingClientRect();
  const root = document.documentElement;
  const all = [...document.querySelectorAll('body *')];
  const has = (element) => element.closest('.scroll') === null && box(element).width > 0;
  return {
    state: document.getElementById('link').dataset.state,
    text: document.body.innerText,
    beyond: all.filter((element) => has(element) && box(element).right > root.clientWidth + 1).map((e) => e.outerHTML),
    scrolls: root.scrollWidth > root.clientWidth,
    spilled: [...document.querySelectorAll('svg .name')].filter((name) => name.getComputedTextLength() > 250).length,
    drawings: [...document.querySelectorAll('main svg')].map((svg) => Math.round(box(svg).height)),
    lines: document.querySelectorAll('svg .tie').length,
    rows: document.querySelectorAll('main tbody tr').length,
    ground: getComputedStyle(document.body).backgroundColor,
  };
})()";

#[test]
fn a_browser_shows_the_page_wide_and_narrow_by_day_and_by_night() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let leaf = leaf(&frond, &scratch);
    let mut browser = Browser::start();
    browser.show_on(1280, 900, "light");
    browser.open(leaf.started["admin_url"].as_str().unwrap());
    until("its script hears of events", || browser.evaluate(LAYOUT)["state"] == "live");
    browser.evaluate("document.querySelector('#live').firstElementChild.id = 'old'");
    until("it shows what comes", || browser.evaluate("document.querySelector('#old') === null") == true);
    until("it draws the lag", || browser.evaluate("document.querySelector('.plot') !== null") == true);
    for (name, width, height, scheme, ground) in [
        ("page-wide", 1280, 900, "light", "rgb(251, 250, 247)"),
        ("page-dark", 1280, 900, "dark", "rgb(20, 24, 22)"),
        ("page-narrow", 380, 800, "light", "rgb(251, 250, 247)"),
        ("page-narrow-dark", 380, 800, "dark", "rgb(20, 24, 22)"),
    ] {
        browser.show_on(width, height, scheme);
        let layout = browser.evaluate(LAYOUT);
        let text = layout["text"].as_str().unwrap();
        for shown in
            ["Frond leaf", "✓ ready", "<b>&\"c", "a.fossil", "cannot connect to 127.0.0.1", "Last sessions"]
        {
            assert!(text.contains(shown), "{name}: {shown} is not in\n{text}");
        }
        assert_eq!(layout["ground"], ground, "{name}");
        assert_eq!(
            (&layout["beyond"], &layout["scrolls"]),
            (&Value::from([""; 0]), &Value::Bool(false)),
            "{name}"
        );
        assert_eq!((&layout["spilled"], &layout["lines"]), (&Value::from(0), &Value::from(2)), "{name}");
        assert!(layout["rows"].as_u64().unwrap() >= 4, "{name}: {layout}");
        let drawings = layout["drawings"].as_array().unwrap();
        assert!(
            drawings.len() == 2 && drawings.iter().all(|height| height.as_u64() > Some(50)),
            "{name}: {drawings:?}"
        );
        let picture = browser.picture(name);
        assert_eq!((picture.width, picture.height), (width.into(), height.into()), "{name}");
        assert!(picture.colours > 100, "{name} is blank: {picture:?}");
        assert_eq!(picture.brightness > 128.0, scheme == "light", "{name}: {picture:?}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
    // What the policy forbids would be heard of.
    browser.evaluate("document.body.setAttribute('style', 'color: red')");
    let complaints = browser.complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("Content Security Policy"), "{complaints:?}");
}
