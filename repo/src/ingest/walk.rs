//! Expanding a forest of deltas, each artifact once.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::crew::Crew;
use super::forest::{Forest, Node};
use super::inflate::Ahead;
use super::order::Order;
use crate::error::Fault;
use crate::{RepoError, Rid, Snapshot, content};

/// Goes through a forest from sources to deltas.
pub(crate) struct Walk<'f> {
    forest: &'f Forest,
    order: Order,
    /// The next place of the order, and how many were passed in an order before this one.
    place: u32,
    passed: usize,
    /// Contents of sources by the place where they are needed next.
    held: BTreeMap<u32, Bytes>,
    held_bytes: usize,
    /// How many of those bytes there may be.
    most: usize,
    /// Whether the order goes on as if recorded sizes were true.
    is_trusting: bool,
    abandoned: Vec<bool>,
    ahead: Option<Ahead<'f>>,
}

impl<'f> Walk<'f> {
    pub(crate) fn through(snap: &Snapshot<'_>, forest: &'f Forest) -> Self {
        Self::in_order(snap, forest, Order::of)
    }

    /// A walk for which others inflate what it gets to next.
    pub(crate) fn helped(snap: &Snapshot<'_>, forest: &'f Forest, crew: &'f Crew) -> Self {
        Self::through(snap, forest).by(crew)
    }

    /// The same that comes first to the tree of what has the least `turn`, and so on.
    pub(crate) fn towards(
        snap: &Snapshot<'_>,
        forest: &'f Forest,
        crew: &'f Crew,
        turn: impl Fn(Rid) -> Option<usize>,
    ) -> Self {
        Self::in_order(snap, forest, |forest, most| Order::towards(forest, most, turn)).by(crew)
    }

    fn by(self, crew: &'f Crew) -> Self {
        let ahead = (!crew.is_alone()).then(|| Ahead::of(crew));
        Self { ahead, ..self }
    }

    fn in_order(
        snap: &Snapshot<'_>,
        forest: &'f Forest,
        order: impl FnOnce(&Forest, usize) -> Order,
    ) -> Self {
        let most = snap.memory().borrow().limits.held_bytes;
        Self {
            forest,
            order: order(forest, most),
            place: 0,
            passed: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            most,
            is_trusting: true,
            abandoned: vec![false; forest.len()],
            ahead: None,
        }
    }

    /// Expands the next node. The inner error is about that node; an outer one ends the walk.
    #[expect(clippy::type_complexity, reason = "two kinds of failure, and an end")]
    pub(crate) fn step(
        &mut self,
        snap: &Snapshot<'_>,
    ) -> Result<Option<(usize, Result<Bytes, RepoError>)>, RepoError> {
        loop {
            let place = self.place;
            let Some(&index) = self.order.nodes().get(place as usize) else { return Ok(None) };
            self.place += 1;
            let at_hand = self.take(place);
            if self.abandoned[index] {
                if let Some(content) = at_hand {
                    self.hold(self.order.next(place), content);
                }
                continue;
            }
            let source = match (self.forest.node(index).source, at_hand) {
                (Some(source), None) => Some(content::get(snap, source)?),
                (_, at_hand) => at_hand,
            };
            if let Some(content) = &source {
                self.hold(self.order.next(place), content.clone());
            }
            return match self.expand(snap, place, index, source.as_ref()) {
                Ok(content) => {
                    drop(source);
                    self.hold(self.order.first(index), content.clone());
                    self.make_room();
                    Ok(Some((index, Ok(content))))
                }
                Err(error) if error.fault() == Fault::Sender || matches!(error, RepoError::NoContent(_)) => {
                    Ok(Some((index, Err(error))))
                }
                Err(error) => Err(error),
            };
        }
    }

    /// How many nodes were passed. At the end it is all of them, unless there are cycles.
    pub(crate) fn seen(&self) -> usize {
        self.passed + self.place as usize
    }

    /// Gives up a node and everything that hangs on it.
    pub(crate) fn abandon(&mut self, index: usize) {
        self.abandoned[index] = true;
        self.abandon_below(index);
    }

    /// Gives up everything that hangs on a node, and lists it.
    pub(crate) fn abandon_below(&mut self, index: usize) -> Vec<usize> {
        let below = self.forest.below(index);
        for &index in &below {
            self.abandoned[index] = true;
        }
        below
    }

    pub(crate) fn is_abandoned(&self, index: usize) -> bool {
        self.abandoned[index]
    }

    fn expand(
        &mut self,
        snap: &Snapshot<'_>,
        place: u32,
        index: usize,
        source: Option<&Bytes>,
    ) -> Result<Bytes, RepoError> {
        let Node { rid, id, frame, .. } = self.forest.node(index);
        let inflated = match &mut self.ahead {
            Some(ahead) => ahead.take(snap, self.forest, &self.order, place as usize)?,
            None => frame.as_ref().map(|frame| snap.memory().borrow_mut().unpack(frame)),
        };
        match inflated {
            Some(inflated) => content::expand_inflated(snap, id, inflated, source),
            // Meanwhile it was stored whole.
            None if snap.memory().borrow().unsettled.was_rewritten(*rid) => content::expand(snap, *rid, None),
            None => content::expand(snap, *rid, source),
        }
    }

    fn take(&mut self, place: u32) -> Option<Bytes> {
        let content = self.held.remove(&place);
        self.held_bytes -= content.as_ref().map_or(0, Bytes::len);
        content
    }

    /// Keeps the content of a source until it is needed, if it is.
    fn hold(&mut self, next: Option<u32>, content: Bytes) {
        if let Some(next) = next {
            self.held_bytes += content.len();
            self.held.insert(next, content);
        }
    }

    /// Lets contents go that are needed last, if there are too many bytes of them: they will be fetched again.
    fn make_room(&mut self) {
        if self.held_bytes > self.most && self.is_trusting {
            self.start_anew();
        }
        while self.held_bytes > self.most
            && self.held.len() > 1
            && let Some((_, content)) = self.held.pop_last()
        {
            self.held_bytes -= content.len();
        }
    }

    /// Goes on branch after branch: recorded sizes were wrong, and contents would be fetched again without end. What is held
    /// may stay, and there may be `most` bytes more.
    fn start_anew(&mut self) {
        self.is_trusting = false;
        self.most = self.most.saturating_add(self.held_bytes);
        let mut is_left = vec![false; self.forest.len()];
        for &index in &self.order.nodes()[self.place as usize..] {
            is_left[index] = true;
        }
        self.passed += self.place as usize;
        let order = Order::of_rest(self.forest, &is_left);
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        for (place, content) in held {
            self.hold(order.first_beside(self.forest, &self.order, place), content);
        }
        (self.order, self.place) = (order, 0);
        self.ahead = self.ahead.take().map(Ahead::anew);
    }
}
