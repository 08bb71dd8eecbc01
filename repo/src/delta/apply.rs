//! Applying a delta.

use super::number::{checksum, take_number};

/// Says why a delta does not apply. Offsets are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// It does not start with a number and LF.
    #[error("the delta does not start with the size of its target")]
    NoSize,
    /// A number should start here, or one ends here that passes 2^32 - 1.
    #[error("no number of 32 bits at byte {0} of the delta")]
    Number(usize),
    /// Neither `@`, `:` nor `;`, or a copy without its comma.
    #[error("unknown command at byte {0} of the delta")]
    Command(usize),
    /// The delta ends before its `;`.
    #[error("the delta has no end")]
    NoEnd,
    /// A copy reaches beyond the source.
    #[error("copy of {length} bytes at {offset} runs past the {source_size}-byte source")]
    CopyPastEnd {
        /// Where the copy starts.
        offset: usize,
        /// How long it is.
        length: usize,
        /// How long the source is.
        source_size: usize,
    },
    /// An insert reaches beyond the delta.
    #[error("insert of {length} bytes runs past the end of the delta")]
    InsertPastEnd {
        /// How long the insert is.
        length: usize,
    },
    /// Its commands do not make as many bytes as it says.
    #[error("the delta says it makes {declared} bytes, its commands make {actual} or more")]
    Size {
        /// What it says.
        declared: usize,
        /// Where counting ended.
        actual: usize,
    },
    /// Its target is larger than the limit.
    #[error("the delta makes {declared} bytes, the limit is {limit}")]
    TooLarge {
        /// What it says.
        declared: usize,
        /// What was allowed.
        limit: usize,
    },
}

/// The size of the target, as the delta says.
pub fn target_size(delta: &[u8]) -> Result<usize, DeltaError> {
    Ok(Commands::of(delta)?.declared)
}

/// Checks all of a delta that can be checked without its source.
pub fn check(delta: &[u8], limit: usize) -> Result<(), DeltaError> {
    measure(delta, usize::MAX, limit).map(|_| ())
}

/// Applies `delta` to `source`. The target never exceeds `limit` bytes.
///
/// The delta is read through before anything is allocated. Its checksum is left alone, as stock does: what
/// counts is the hash of the target. [`checksum_fits`] compares it.
pub fn apply(source: &[u8], delta: &[u8], limit: usize) -> Result<Vec<u8>, DeltaError> {
    let declared = measure(delta, source.len(), limit)?;
    let mut target = Vec::with_capacity(declared);
    for command in Commands::of(delta)? {
        match command? {
            Command::Copy { offset, length } => target.extend_from_slice(&source[offset..offset + length]),
            Command::Insert(bytes) => target.extend_from_slice(bytes),
            Command::End(_) => break,
        }
    }
    Ok(target)
}

/// Whether the checksum that the delta states is that of `target`.
pub fn checksum_fits(delta: &[u8], target: &[u8]) -> Result<bool, DeltaError> {
    for command in Commands::of(delta)? {
        if let Command::End(stated) = command? {
            return Ok(stated == checksum(target));
        }
    }
    Err(DeltaError::NoEnd)
}

/// Reads the whole delta and returns the size of its target, if it applies to a source of this size.
fn measure(delta: &[u8], source_size: usize, limit: usize) -> Result<usize, DeltaError> {
    let commands = Commands::of(delta)?;
    let declared = commands.declared;
    if declared > limit {
        return Err(DeltaError::TooLarge { declared, limit });
    }
    let mut actual = 0_usize;
    for command in commands {
        let length = match command? {
            Command::Copy { offset, length } => {
                if offset.checked_add(length).is_none_or(|end| end > source_size) {
                    return Err(DeltaError::CopyPastEnd { offset, length, source_size });
                }
                length
            }
            Command::Insert(bytes) => bytes.len(),
            Command::End(_) if actual == declared => return Ok(declared),
            Command::End(_) => break,
        };
        actual = actual.saturating_add(length);
        if actual > declared {
            break;
        }
    }
    Err(DeltaError::Size { declared, actual })
}

/// One step of a delta.
enum Command<'d> {
    Copy { offset: usize, length: usize },
    Insert(&'d [u8]),
    End(u32),
}

/// The commands of a delta in order. A delta that does not end yields an error last.
struct Commands<'d> {
    delta: &'d [u8],
    at: usize,
    declared: usize,
}

impl<'d> Commands<'d> {
    fn of(delta: &'d [u8]) -> Result<Self, DeltaError> {
        let mut at = 0;
        let declared = take_number(delta, &mut at).ok_or(DeltaError::NoSize)? as usize;
        if delta.get(at) != Some(&b'\n') {
            return Err(DeltaError::NoSize);
        }
        Ok(Self { delta, at: at + 1, declared })
    }

    fn number(&mut self) -> Result<u32, DeltaError> {
        let start = self.at;
        take_number(self.delta, &mut self.at).ok_or(DeltaError::Number(start))
    }

    fn byte(&mut self) -> Result<u8, DeltaError> {
        let byte = *self.delta.get(self.at).ok_or(DeltaError::NoEnd)?;
        self.at += 1;
        Ok(byte)
    }

    fn command(&mut self) -> Result<Command<'d>, DeltaError> {
        if self.at >= self.delta.len() {
            return Err(DeltaError::NoEnd);
        }
        let count = self.number()?;
        match self.byte()? {
            b'@' => {
                let offset = self.number()? as usize;
                if self.byte()? != b',' {
                    return Err(DeltaError::Command(self.at - 1));
                }
                Ok(Command::Copy { offset, length: count as usize })
            }
            b':' => {
                let length = count as usize;
                let rest = &self.delta[self.at..];
                let bytes = rest.get(..length).ok_or(DeltaError::InsertPastEnd { length })?;
                self.at += length;
                Ok(Command::Insert(bytes))
            }
            b';' => Ok(Command::End(count)),
            _ => Err(DeltaError::Command(self.at - 1)),
        }
    }
}

impl<'d> Iterator for Commands<'d> {
    type Item = Result<Command<'d>, DeltaError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.command())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FOX: &[u8] = b"The quick brown fox jumps over the lazy dog.\nLine two here.\n";

    fn lines(replaced: &str) -> Vec<u8> {
        let line = |n: u32| if n == 150 { format!("{replaced}\n") } else { format!("{n}\n") };
        (1..=300).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn the_worked_examples_of_the_reference_apply() {
        let leaps = b"The quick brown fox leaps over the lazy dog.\nLine two here.\nAnd three.\n".to_vec();
        let cases: [(&[u8], &[u8], Vec<u8>); 2] = [
            (FOX, b"17\nK@0,3:leaa@N,B:And three.\n3b8qtY;", leaps),
            (&lines("xxx"), b"H4\n7d@0,3:1509P@7g,ThNlY;", lines("150")),
        ];
        for (source, delta, target) in cases {
            assert_eq!(target_size(delta).unwrap(), target.len());
            assert_eq!(apply(source, delta, 2000).unwrap(), target);
            assert!(checksum_fits(delta, &target).unwrap());
            check(delta, 2000).unwrap();
        }
    }

    #[test]
    fn a_delta_that_breaks_a_rule_is_refused() {
        let cases: [(&[u8], DeltaError); 20] = [
            (b"", DeltaError::NoSize),
            (b"5", DeltaError::NoSize),
            (b"\n0;", DeltaError::NoSize),
            (b"5@0,", DeltaError::NoSize),
            (b"40000000\n0;", DeltaError::NoSize),
            (b"5\n", DeltaError::NoEnd),
            (b"5\n5@0,", DeltaError::NoEnd),
            (b"5\n5@0,0", DeltaError::NoEnd),
            (b"5\n5", DeltaError::NoEnd),
            (b"5\n5@0", DeltaError::NoEnd),
            (b"5\n\x005@0,0;", DeltaError::Number(2)),
            (b"5\n5@,0;", DeltaError::Number(4)),
            (b"5\n5@0;0;", DeltaError::Command(5)),
            (b"5\n5?0,0;", DeltaError::Command(3)),
            (b"5\n5:abc", DeltaError::InsertPastEnd { length: 5 }),
            (b"5\n5@u,0;", DeltaError::CopyPastEnd { offset: 57, length: 5, source_size: 60 }),
            (
                b"5\n3~~~~~@3~~~~~,0;",
                DeltaError::CopyPastEnd {
                    offset: u32::MAX as usize,
                    length: u32::MAX as usize,
                    source_size: 60,
                },
            ),
            (b"5\n4@0,0;", DeltaError::Size { declared: 5, actual: 4 }),
            (b"5\n6@0,0;", DeltaError::Size { declared: 5, actual: 6 }),
            (b"G~\n0;", DeltaError::TooLarge { declared: 1087, limit: 1000 }),
        ];
        for (delta, expected) in cases {
            assert_eq!(apply(FOX, delta, 1000), Err(expected), "{}", String::from_utf8_lossy(delta));
        }
    }

    #[test]
    fn a_wrong_checksum_and_bytes_after_the_end_do_no_harm() {
        assert_eq!(apply(FOX, b"3\n3@0,77;rest", 1000).unwrap(), b"The");
        assert!(!checksum_fits(b"3\n3@0,77;rest", b"The").unwrap());
        assert_eq!(apply(FOX, b"3\n0@0,3@0,0:0;", 1000).unwrap(), b"The");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(delta in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = apply(FOX, &delta, 1 << 16);
        }

        #[test]
        fn no_commands_make_it_panic(delta in "[0-3~]{1,6}\n([0-9~]{1,6}[@:;,]){0,12}") {
            let _ = apply(FOX, delta.as_bytes(), 1 << 16);
        }
    }
}
