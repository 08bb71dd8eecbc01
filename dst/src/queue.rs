//! What is to happen, in order of time; at one time, in the order in which it was planned.

use std::collections::BTreeMap;

/// Milliseconds since the run began.
pub type Moment = i64;

/// Events to come.
#[derive(Debug)]
pub struct Queue<T> {
    events: BTreeMap<(Moment, u64), T>,
    planned: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), planned: 0 }
    }
}

impl<T> Queue<T> {
    /// Plans an event.
    pub fn plan(&mut self, when: Moment, event: T) {
        self.events.insert((when, self.planned), event);
        self.planned += 1;
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Moment, T)> {
        self.events.pop_first().map(|((when, _), event)| (when, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_by_plan() {
        let mut queue = Queue::default();
        for (when, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            queue.plan(when, event);
        }
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, "abcd");
    }
}
