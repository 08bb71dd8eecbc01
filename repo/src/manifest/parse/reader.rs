//! Reading many artifacts.

use bytes::Bytes;

use super::fields::{Fields, Keep};
use super::known::KnownFiles;
use super::{Seal, build, cards};
use crate::manifest::Artifact;

/// Reads artifacts one after the other, and hashes many at once. What comes out does not depend on which were read
/// before.
#[derive(Default)]
pub(crate) struct Reader {
    /// The `F` cards of the last check-in of which [`KnownFiles`] can be made.
    files: Bytes,
}

impl Reader {
    /// What each content says, if it is structural. Of the files of a check-in only those with an old name are given.
    pub(crate) fn read(&mut self, contents: &[&Bytes]) -> Vec<Option<Artifact>> {
        let unsealed: Vec<_> = contents.iter().map(|content| self.unsealed(content)).collect();
        let texts: Vec<&[u8]> = unsealed.iter().flatten().map(|(_, seal)| seal.text).collect();
        let mut digests = lanes::md5(&texts).into_iter();
        let mut sealed = |(artifact, seal): (Artifact, Seal<'_>)| {
            digests.next().is_some_and(|digest| seal.agrees(&digest)).then_some(artifact)
        };
        unsealed.into_iter().map(|read| read.and_then(&mut sealed)).collect()
    }

    /// What a content says if its checksum agrees.
    fn unsealed<'a>(&mut self, content: &'a Bytes) -> Option<(Artifact, Seal<'a>)> {
        let mut fields = Fields { keep: Keep::Renamed, ..Fields::default() };
        let body = cards(content, &mut fields, &mut 0, KnownFiles::new(&self.files)).ok()?;
        let is_plain = fields.last_file.is_some() && fields.baseline.is_none() && !fields.has_odd_files;
        let file_cards = fields.file_cards.clone();
        let artifact = build::artifact(fields).ok()?;
        let seal = Seal::of(body)?;
        if is_plain {
            self.files = content.slice_ref(&body[file_cards]);
        }
        Some((artifact, seal))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::parse::{md5, parse};

    /// Cards in the order of the names on them, some of which come before others only once decoded, or do not count.
    const CARDS: [&str; 14] = [
        "F _FOSSIL_ {h}\n",
        "F a {h}\n",
        "F a {k}\n",
        "F a\\sb {h}\n",
        "F a! {h}\n",
        "F b\n",
        "F b {h} x\n",
        "F c\0{h}\n",
        "F c/.fslckout {h}\n",
        "F d {h} w a\n",
        "F d {k}\n",
        "F e {h}\n",
        "F f {k} l\n",
        "F g {h}\n",
    ];

    /// A check-in that has some of the cards, two of them perhaps in the wrong place.
    fn checkin() -> impl Strategy<Value = Bytes> {
        let cards = proptest::collection::vec(proptest::bool::weighted(0.7), CARDS.len());
        let swapped = proptest::option::weighted(0.2, (0..CARDS.len(), 0..CARDS.len()));
        let head = prop_oneof![6 => Just(""), 1 => Just("B {h}\n")];
        (head, cards, swapped, any::<bool>(), 0..20_u8).prop_map(|(head, chosen, swapped, sound, number)| {
            let mut cards = CARDS;
            if let Some((one, other)) = swapped {
                cards.swap(one, other);
            }
            let list: String =
                cards.iter().zip(chosen).filter(|(_, is)| *is).map(|(card, _)| *card).collect();
            let text = format!("{head}C {number}\nD 2020-01-01\n{list}U u\n");
            let text = text.replace("{h}", &"a".repeat(40)).replace("{k}", &"b".repeat(64));
            let mut digest = md5(text.as_bytes());
            digest[0] ^= u8::from(!sound);
            format!("{text}Z {}\n", faster_hex::hex_string(&digest)).into()
        })
    }

    /// What one artifact says, read alone.
    fn alone(content: &Bytes) -> Option<Artifact> {
        let mut artifact = parse(content).ok()?;
        if let Artifact::Checkin(checkin) = &mut artifact {
            checkin.files.retain(|file| file.old_name.is_some());
        }
        Some(artifact)
    }

    proptest! {
        #[test]
        fn it_does_not_matter_what_was_read_before(checkins in proptest::collection::vec(checkin(), 1..12)) {
            let expected: Vec<_> = checkins.iter().map(alone).collect();
            let at_once = Reader::default().read(&checkins.iter().collect::<Vec<_>>());
            prop_assert_eq!(&at_once, &expected);
            let mut reader = Reader::default();
            let one_by_one: Vec<_> = checkins.iter().flat_map(|content| reader.read(&[content])).collect();
            prop_assert_eq!(&one_by_one, &expected);
        }
    }

    #[test]
    fn cards_that_were_read_before_are_passed_over() {
        let list = |extra: &str| {
            let cards: String = (100..200).map(|n| format!("F {n} {}\n", "a".repeat(40))).collect();
            let text = format!("D 2020-01-01\n{cards}{extra}U u\n");
            Bytes::from(format!("{text}Z {}\n", faster_hex::hex_string(&md5(text.as_bytes()))))
        };
        let (first, second) = (list(""), list("F 200 x\n"));
        let mut reader = Reader::default();
        assert!(reader.read(&[&first])[0].is_some());
        assert!(reader.read(&[&second])[0].is_none(), "a hash is wrong");
        let mut fields = Fields::default();
        let known = KnownFiles::new(&reader.files);
        let mut cards_read = 0;
        cards(&first, &mut fields, &mut cards_read, known).unwrap();
        assert_eq!(cards_read, 4, "D, one F, U and Z");
    }
}
