//! A message takes up no further artifact once its time is over: what it holds by then it was asked for before.

use xfer::{Card, Message};

use crate::model::Violation;

/// How much time a message had, by a clock that goes on by a step each time that somebody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Milliseconds.
    pub span: u64,
    /// Milliseconds that pass from look to look; none if the clock stands still.
    pub step: Option<u64>,
}

impl Allowance {
    /// Artifacts that it has room for: one in any case, and one for each look that comes in time.
    fn most(self) -> u64 {
        let looks = self.step.map_or(u64::MAX, |step| self.span.saturating_sub(1) / step.max(1));
        looks.saturating_add(1)
    }

    /// Looks at a message. Says whether it held as much as its time allowed.
    pub fn check(self, message: &Message) -> Result<bool, Violation> {
        let is_payload = |card: &&Card| {
            matches!(card, Card::File(_)) || matches!(card, Card::UvFile(file) if file.content.is_some())
        };
        let count = message.cards.iter().filter(is_payload).count() as u64;
        if count <= self.most() {
            return Ok(count == self.most());
        }
        let Self { span, step } = self;
        Err(Violation::new("deadline", format!("{count} artifacts in {span} ms, {step:?} ms each")))
    }
}

#[cfg(test)]
mod tests {
    use xfer::hash;

    use super::*;

    #[test]
    fn the_first_artifact_needs_no_time_and_each_further_one_a_look() {
        let id = hash::sha1(b"x");
        let of = |count: u64| Message::from((0..count).map(|_| Card::file(id, "x")).collect::<Vec<_>>());
        for (span, step, count, reached) in [
            (0, Some(1), 1, Some(true)),
            (0, Some(1), 2, None),
            (3, Some(1), 3, Some(true)),
            (3, Some(1), 4, None),
            (3, Some(2), 2, Some(true)),
            (30_000, Some(400), 75, Some(true)),
            (30_000, Some(400), 76, None),
            (30_000, Some(1), 9, Some(false)),
            (0, None, 9, Some(false)),
        ] {
            let allowance = Allowance { span, step };
            assert_eq!(allowance.check(&of(count)).ok(), reached, "{allowance:?} {count}");
        }
    }
}
