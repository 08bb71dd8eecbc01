//! What is kept when the configuration is read anew.

use super::super::config::{Flags, Source, load};
use super::*;

#[test]
fn what_was_counted_of_a_peer_goes_on_where_its_repository_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("leaf.toml");
    let read = |repository: &str, peers: &[&str]| {
        let peers = peers.iter().map(|url| format!("[[repository.peer]]\nurl = '{url}'\n"));
        let text = format!("[[repository]]\n{repository}\n{}", peers.collect::<String>());
        std::fs::write(&file, text).unwrap();
        load(&Flags::of(Source { config: Some(file.clone()), ..Source::default() })).unwrap()
    };
    let board = Board::new(Clock::start());
    board.set(&read("file = 'a.fossil'", &["http://h/1", "http://h/2"]), |_| false);
    board.note_peer("a", 1, |known| {
        (known.sessions, known.succeeded, known.syncing) = (7, Some(now()), true);
    });
    let told = || -> Vec<(String, u64, bool, bool)> {
        let repository = board.report().repositories.remove(0);
        let peers = repository.peers.into_iter();
        peers
            .map(|one| (one.known.url, one.known.sessions, one.lag_seconds.is_some(), one.known.syncing))
            .collect()
    };
    let peer = |url: &str, sessions, has_lag| (url.to_owned(), sessions, has_lag, false);
    board.set(&read("file = 'a.fossil'", &["http://h/2", "http://h/3"]), |_| false);
    assert_eq!(told(), [peer("http://h/2", 7, true), peer("http://h/3", 0, false)]);
    // Another file is another repository.
    board.set(&read("name = 'a'\nfile = 'b.fossil'", &["http://h/2"]), |_| false);
    assert_eq!(told(), [peer("http://h/2", 0, false)]);
}
