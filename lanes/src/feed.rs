//! Keeps every lane busy: whoever is done gets the next text.

/// Several hashes in step with each other. `N`: how many; `TAIL`: bytes of the longest padded end of a text.
pub(crate) trait Lanes<const N: usize, const TAIL: usize> {
    /// What comes out.
    type Digest: Copy + Default;
    /// Bytes that a step takes from each lane.
    const BLOCK: usize;

    /// Writes what is left of a text behind its whole blocks, and the padding. Says how many bytes that is.
    fn pad(rest: &[u8], text_bytes: usize, end: &mut [u8; TAIL]) -> usize;
    /// Begins anew in one lane.
    fn clear(&mut self, lane: usize);
    /// Takes the same number of whole blocks into each lane.
    fn absorb(&mut self, runs: &[&[u8]; N]);
    /// What a lane came to.
    fn digest(&self, lane: usize) -> Self::Digest;
}

/// A text on its way through a lane.
struct Lane<'t, const TAIL: usize> {
    /// Its place; none once there is nothing left to do.
    text: Option<usize>,
    /// Whole blocks to come.
    body: &'t [u8],
    end: [u8; TAIL],
    /// Which part of `end` is to come.
    left: std::ops::Range<usize>,
}

impl<const TAIL: usize> Lane<'_, TAIL> {
    /// What comes next, in one piece.
    fn run(&self) -> &[u8] {
        if self.body.is_empty() { &self.end[self.left.clone()] } else { self.body }
    }

    fn pass(&mut self, bytes: usize) {
        if self.body.is_empty() {
            self.left.start += bytes;
        } else {
            self.body = &self.body[bytes..];
        }
    }
}

/// The digest of each text. Long ones begin first, so that the lanes end together.
pub(crate) fn digests<const N: usize, const TAIL: usize, L: Lanes<N, TAIL>>(
    lanes: &mut L,
    texts: &[&[u8]],
) -> Vec<L::Digest> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_unstable_by_key(|&text| std::cmp::Reverse(texts[text].len()));
    let mut order = order.into_iter();
    let mut digests = vec![L::Digest::default(); texts.len()];
    let mut busy: [Lane<'_, TAIL>; N] =
        std::array::from_fn(|_| Lane { text: None, body: &[], end: [0; TAIL], left: 0..0 });
    loop {
        for (number, lane) in busy.iter_mut().enumerate().filter(|(_, lane)| lane.run().is_empty()) {
            if let Some(done) = lane.text.take() {
                digests[done] = lanes.digest(number);
            }
            let Some(next) = order.next() else { continue };
            let text = texts[next];
            let (body, rest) = text.split_at(text.len() - text.len() % L::BLOCK);
            lane.text = Some(next);
            lane.body = body;
            lane.left = 0..L::pad(rest, text.len(), &mut lane.end);
            lanes.clear(number);
        }
        let active = || busy.iter().filter(|lane| lane.text.is_some());
        let Some(shortest) = active().map(Lane::run).min_by_key(|run| run.len()) else { return digests };
        // A lane without a text goes along; nobody asks what it came to.
        let bytes = shortest.len();
        lanes.absorb(&std::array::from_fn(|number| match busy[number].text {
            Some(_) => &busy[number].run()[..bytes],
            None => shortest,
        }));
        for lane in busy.iter_mut().filter(|lane| lane.text.is_some()) {
            lane.pass(bytes);
        }
    }
}
