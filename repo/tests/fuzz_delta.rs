//! Hostile deltas and containers, and texts to make deltas of.
//!
//! Each target runs for half a second under `cargo test`; for longer with
//! `BOLERO_RANDOM_TEST_TIME_MS=300000 cargo test --release --test fuzz_delta`.

use std::time::Duration;

use repo::delta::{apply, check, checksum_fits, create, target_size};
use repo::zlib::{Codec, declared_size};

const SMOKE: Duration = Duration::from_millis(500);

/// No target may be larger than this.
const LIMIT: usize = 1 << 16;

const SOURCE: &[u8] = b"The quick brown fox jumps over the lazy dog.\nLine two here.\n";

const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// One piece of a delta: what it is, and two numbers.
type Piece = (u8, u32, u32);

/// One change to a text: what to do, where, and with how much.
type Edit = (u8, u16, u8);

/// Whatever the delta is: no panic, no more than the limit, and as many bytes as it said.
fn assert_harmless(delta: &[u8]) {
    let size = target_size(delta);
    let checked = check(delta, LIMIT);
    match apply(SOURCE, delta, LIMIT) {
        Ok(target) => {
            assert!(target.len() <= LIMIT);
            assert_eq!(size, Ok(target.len()));
            assert_eq!(checked, Ok(()));
            checksum_fits(delta, &target).expect("a delta that applies has an end");
        }
        Err(_) => drop(checksum_fits(delta, SOURCE)),
    }
}

fn number(number: u32, delta: &mut Vec<u8>) {
    let places = (0..6).rev().map(|place| (number >> (6 * place) & 63) as usize);
    delta.extend(places.skip_while(|&digit| digit == 0).map(|digit| DIGITS[digit]));
}

/// Deltas that are nearly good.
fn written(size: u32, pieces: &[Piece]) -> Vec<u8> {
    let mut delta = Vec::new();
    number(size, &mut delta);
    delta.push(b'\n');
    for &(what, count, offset) in pieces {
        // Most numbers are small, so that some copies fit.
        let (count, offset) = (count >> (count % 32), offset >> (offset % 32));
        number(count, &mut delta);
        match what % 8 {
            0..=3 => {
                delta.push(b'@');
                number(offset, &mut delta);
                delta.push(b',');
            }
            4 | 5 => {
                delta.push(b':');
                delta.extend((0..count.min(100)).map(|n| n as u8));
            }
            6 => delta.push(b';'),
            _ => delta.push(offset as u8),
        }
    }
    delta.push(b';');
    delta
}

fn edited(mut text: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for &(what, place, amount) in edits {
        let at = usize::from(place) % (text.len() + 1);
        let end = (at + usize::from(amount)).min(text.len());
        match what % 5 {
            0 => drop(text.drain(at..end)),
            1 => text.insert(at, amount),
            2 if at < text.len() => text[at] = amount,
            3 => text.rotate_left(at),
            _ => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
        }
    }
    text
}

#[test]
fn any_bytes_as_a_delta() {
    bolero::check!().with_type::<Vec<u8>>().with_test_time(SMOKE).for_each(|delta| assert_harmless(delta));
}

#[test]
fn deltas_that_are_nearly_good() {
    bolero::check!().with_type::<(u32, Vec<Piece>)>().with_test_time(SMOKE).for_each(|(size, pieces)| {
        assert_harmless(&written(*size, pieces));
        assert_harmless(&written(size % 200, pieces));
    });
}

#[test]
fn deltas_of_edited_texts() {
    bolero::check!().with_type::<(Vec<u8>, Vec<Edit>, Vec<Edit>)>().with_test_time(SMOKE).for_each(
        |(text, first, second)| {
            let source = edited(text.clone(), first);
            let target = edited(source.clone(), second);
            let delta = create(&source, &target);
            assert_eq!(apply(&source, &delta, target.len()), Ok(target.clone()));
            assert_eq!(checksum_fits(&delta, &target), Ok(true));
            assert_harmless(&edited(delta, second));
        },
    );
}

#[test]
fn containers_cut_up() {
    bolero::check!().with_type::<(Vec<u8>, Vec<Edit>)>().with_test_time(SMOKE).for_each(|(text, edits)| {
        let mut codec = Codec::new();
        let frame = codec.pack(text);
        assert_eq!(codec.unpack(&frame, text.len()).as_ref(), Ok(text));
        let frame = edited(frame, edits);
        if let Ok(plain) = codec.unpack(&frame, LIMIT) {
            assert!(plain.len() <= LIMIT);
            assert_eq!(declared_size(&frame), Ok(plain.len()));
        }
    });
}
