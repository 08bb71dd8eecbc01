//! The pieces of which clones and rebuilds are made: `cargo bench -p frond-repo`. To find what became slower; nothing is
//! asserted.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use repo::content::{self, Incoming};
use repo::manifest::{self, Artifact, Checkin, FileEntry, Perm};
use repo::zlib::Codec;
use repo::{Genesis, Limits, Repo, Rid, Text, Tx, UnixTime, delta, ingest, rebuild};
use xfer::card::{Card, FileCard, Payload, Privacy};
use xfer::{ArtifactId, DecodeLimits, Message, hash};

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

/// A text of so many lines, one of which is of this version.
fn text(lines: usize, version: usize) -> Vec<u8> {
    let line = |line: usize| match (line * 7) % lines == version % lines {
        true => format!("line {line} as version {version} has it\n"),
        false => format!("line {line} that all versions have\n"),
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

fn in_memory() -> Repo {
    Repo::in_memory(&Genesis { project: "ab".repeat(20), ..Genesis::default() }).unwrap()
}

fn put(tx: &Tx<'_>, content: &[u8], before: Option<&[u8]>) -> ArtifactId {
    let id = hash::sha3_256(content);
    match before {
        None => content::put(tx, &id, &Incoming::Whole(content), Privacy::Public).unwrap(),
        Some(before) => {
            let source = hash::sha3_256(before);
            let delta = delta::create(before, content);
            let incoming = Incoming::Delta { source: &source, delta: &delta };
            content::put(tx, &id, &incoming, Privacy::Public).unwrap()
        }
    };
    id
}

fn decoding(c: &mut Criterion) {
    let card = |version: usize| {
        let content = text(50, version);
        let bytes = Bytes::from(Codec::new().pack(&content));
        let payload = Payload::Zlib { size: content.len() as u32, bytes };
        let id = hash::sha3_256(&content);
        Card::File(FileCard { id, delta_source: None, payload, privacy: Privacy::Public })
    };
    let message = Message::from((0..10_000).map(card).collect::<Vec<_>>());
    let text = Bytes::from(xfer::encode(&message));
    let mut group = c.benchmark_group("message");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("decode a reply to a clone", |b| {
        b.iter(|| xfer::decode(black_box(&text), &DecodeLimits::default()).unwrap());
    });
    group.finish();
}

fn hashing(c: &mut Criterion) {
    let texts: Vec<Vec<u8>> = (0..64).map(|version| text(1000, version)).collect();
    let ids: Vec<ArtifactId> = texts.iter().map(|text| hash::sha3_256(text)).collect();
    let batch: Vec<(&ArtifactId, &[u8])> = ids.iter().zip(texts.iter().map(Vec::as_slice)).collect();
    let mut group = c.benchmark_group("hash");
    group.throughput(Throughput::Bytes(texts.iter().map(Vec::len).sum::<usize>() as u64));
    group.bench_function("64 texts together", |b| b.iter(|| hash::same_kinds(black_box(&batch))));
    group.bench_function("64 texts one by one", |b| {
        b.iter(|| texts.iter().map(|text| hash::sha3_256(black_box(text))).collect::<Vec<_>>());
    });
    group.finish();
}

fn deltas(c: &mut Criterion) {
    let (before, after) = (text(5000, 1), text(5000, 2));
    let delta = delta::create(&before, &after);
    let limit = Limits::default().artifact_bytes;
    let mut group = c.benchmark_group("delta");
    group.throughput(Throughput::Bytes(after.len() as u64));
    group.bench_function("create", |b| b.iter(|| delta::create(black_box(&before), black_box(&after))));
    group.bench_function("apply", |b| {
        b.iter(|| delta::apply(black_box(&before), black_box(&delta), limit).unwrap());
    });
    group.finish();
}

fn chains(c: &mut Criterion) {
    let mut repo = in_memory();
    repo.set_limits(Limits { cache_bytes: 0, ..Limits::default() }).unwrap();
    let tx = repo.begin().unwrap();
    let texts: Vec<Vec<u8>> = (0..500).map(|version| text(1000, version)).collect();
    put(&tx, &texts[0], None);
    for pair in texts.windows(2) {
        put(&tx, &pair[1], Some(&pair[0]));
    }
    ingest::settle(&tx, NOW).unwrap();
    tx.commit().unwrap();
    let snap = repo.snapshot().unwrap();
    c.bench_function("expand a chain of 500 deltas", |b| b.iter(|| content::get(&snap, Rid(500)).unwrap()));
}

/// A history in one line: so many check-ins of a tree of 200 files, of which each changes one.
fn history(checkins: usize) -> Repo {
    let mut repo = in_memory();
    let tx = repo.begin().unwrap();
    let mut files: Vec<FileEntry> = (0..200)
        .map(|number| FileEntry {
            name: Text::from(format!("directory/file-{number:04}").as_str()),
            id: Some(hash::sha3_256(b"")),
            perm: Perm::Regular,
            old_name: None,
        })
        .collect();
    let mut before: Option<(ArtifactId, Vec<u8>)> = None;
    for number in 0..checkins {
        let file = number * 7 % files.len();
        files[file].id = Some(hash::sha3_256(&number.to_le_bytes()));
        let checkin = Checkin {
            comment: Some(Text::from(format!("check-in {number}").as_str())),
            date: UnixTime::from_seconds(NOW.0 / 1000 + number as i64 * 60),
            files: files.clone(),
            parents: before.iter().map(|(id, _)| *id).collect(),
            user: Some(Text::from("user")),
            ..Checkin::default()
        };
        let content = manifest::write(&Artifact::Checkin(checkin));
        let id = put(&tx, &content, before.as_ref().map(|(_, content)| content.as_slice()));
        before = Some((id, content));
    }
    ingest::settle(&tx, NOW).unwrap();
    tx.commit().unwrap();
    repo
}

fn linking(c: &mut Criterion) {
    let repo = history(10_000);
    let mut group = c.benchmark_group("link");
    group.sample_size(10);
    group.bench_function("10,000 check-ins", |b| {
        b.iter_batched_ref(
            || repo.copy_in_memory().unwrap(),
            |repo| {
                let tx = repo.begin().unwrap();
                rebuild::run(&tx, NOW, &mut |_| ()).unwrap();
                tx.commit().unwrap();
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(pieces, decoding, hashing, deltas, chains, linking);
criterion_main!(pieces);
