//! Hostile texts for fuzz targets: sound ones, cut up and put together at random.
//!
//! Random bytes hardly ever get past the first check of a parser; edited texts do.

/// One change to a text: what to do, where, and with how much.
pub type Edit = (u8, u16, u16);

/// What texts are made of.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a, W> {
    /// Sound texts; at least one.
    pub seeds: &'a [Vec<u8>],
    /// What a hostile author would write at the seams; at least one.
    pub words: &'a [W],
}

impl<W: AsRef<[u8]>> Material<'_, W> {
    /// Makes a text: the seed that `first` picks, edited. The same numbers make the same text.
    pub fn text(&self, first: usize, edits: &[Edit]) -> Vec<u8> {
        let mut text = self.seeds[first % self.seeds.len()].clone();
        for &edit in edits {
            self.edit(&mut text, edit);
        }
        text
    }

    fn edit(&self, text: &mut Vec<u8>, (what, place, amount): Edit) {
        let (at, amount) = (usize::from(place) % (text.len() + 1), usize::from(amount));
        let end = (at + amount % 64).min(text.len());
        match what % 10 {
            0 => text.truncate(at),
            1 => drop(text.drain(at..end)),
            2 => text.insert(at, amount as u8),
            3 if at < text.len() => text[at] = amount as u8,
            4 if at < text.len() => text[at] ^= 1 << (amount % 8),
            5 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            6 => {
                let other = &self.seeds[amount % self.seeds.len()];
                let from = usize::from(place) % (other.len() + 1);
                text.splice(at..end, other[from..].iter().copied().take(200));
            }
            _ => {
                let word = self.words[amount % self.words.len()].as_ref();
                text.splice(at..at, word.iter().copied());
            }
        }
    }
}
