//! What was announced and waits for a session: of each peer the latest, which a session with it brings with all before.

use std::collections::VecDeque;

use sync::nats::{News, Receipt};

/// Peers whose news wait. What is beyond them is older, and comes with the next regular session.
const MOST: usize = 256;

/// News that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Heard(VecDeque<News>);

impl Heard {
    /// Takes news. Gives the receipt of those that need not come again: they wait already, or newer ones do.
    pub(crate) fn hear(&mut self, news: News) -> Option<Receipt> {
        let of_same = |known: &News| known.announcement.peer == news.announcement.peer;
        let Some(place) = self.0.iter().position(of_same) else {
            if self.0.len() == MOST {
                // Without a receipt of ours they come again, if the broker keeps them.
                self.0.pop_front();
            }
            self.0.push_back(news);
            return None;
        };
        if self.0[place].announcement == news.announcement {
            if news.receipt.is_wanted() {
                self.0[place].receipt = news.receipt;
            }
            return None;
        }
        // What comes again was there before what waits.
        if news.receipt.is_again() {
            return Some(news.receipt);
        }
        let before = self.0.remove(place);
        self.0.push_back(news);
        before.map(|before| before.receipt)
    }

    /// Takes back what a session could not deal with. Gives its receipt if newer ones wait.
    pub(crate) fn hear_again(&mut self, news: News) -> Option<Receipt> {
        if self.0.iter().any(|known| known.announcement.peer == news.announcement.peer) {
            return Some(news.receipt);
        }
        self.0.push_back(news);
        None
    }

    /// The news that have waited for longest.
    pub(crate) fn next(&mut self) -> Option<News> {
        self.0.pop_front()
    }

    /// Whether any wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use sync::nats::{Announcement, PeerId};

    use super::*;

    fn news(number: usize, peer: &str) -> News {
        let hash = format!("{number:040x}").parse().unwrap();
        News {
            announcement: Announcement { hash, peer: Some(PeerId::new(peer).unwrap()) },
            receipt: Receipt::default(),
        }
    }

    fn waiting(heard: &mut Heard) -> Vec<(String, String)> {
        std::iter::from_fn(|| heard.next())
            .map(|News { announcement: Announcement { hash, peer }, .. }| {
                (peer.unwrap().to_string(), hash.to_string().trim_start_matches('0').to_owned())
            })
            .collect()
    }

    #[test]
    fn of_each_peer_the_latest_waits() {
        let mut heard = Heard::default();
        heard.hear(news(1, "a"));
        heard.hear(news(2, "b"));
        (3..300).for_each(|number| drop(heard.hear(news(number, "a"))));
        assert_eq!(waiting(&mut heard), [("b".into(), "2".into()), ("a".into(), "12b".into())]);
        assert!(heard.is_empty());
    }

    #[test]
    fn with_too_many_peers_the_newest_stay() {
        let mut heard = Heard::default();
        (1..=MOST + 3).for_each(|number| drop(heard.hear(news(number, &format!("p{number}")))));
        let waiting = waiting(&mut heard);
        assert_eq!(waiting.len(), MOST);
        assert_eq!(waiting[0].0, "p4");
        assert_eq!(waiting[MOST - 1].0, format!("p{}", MOST + 3));
    }

    #[test]
    fn what_comes_back_does_not_take_the_place_of_what_is_newer() {
        let mut heard = Heard::default();
        heard.hear(news(2, "a"));
        assert!(heard.hear_again(news(1, "a")).is_some());
        assert!(heard.hear_again(news(1, "b")).is_none());
        assert_eq!(waiting(&mut heard), [("a".into(), "2".into()), ("b".into(), "1".into())]);
    }
}
