//! Times a rebuild, or the taking in of all artifacts of a file as a clone does: `measure rebuild|clone FILE WORK`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]

use std::path::Path;
use std::time::Instant;

use repo::content::{self, Incoming};
use repo::outgoing::Outlet;
use repo::{Genesis, Repo, Rid, UnixTime, ingest, rebuild};

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (kind, file, work) = (args[1].as_str(), Path::new(&args[2]), Path::new(&args[3]));
    let _ = std::fs::remove_file(work);
    let begun;
    match kind {
        "rebuild" => {
            std::fs::copy(file, work).unwrap();
            begun = Instant::now();
            let mut repo = Repo::open(work).unwrap();
            let tx = repo.begin().unwrap();
            rebuild::run(&tx, NOW, &mut |_| ()).unwrap();
            println!("rebuilt after {:.2} s", begun.elapsed().as_secs_f64());
            tx.commit().unwrap();
        }
        _ => {
            let mut theirs = Repo::open_read_only(file).unwrap();
            let mut ours = Repo::create(work, &Genesis::default()).unwrap();
            begun = Instant::now();
            let snap = theirs.snapshot().unwrap();
            let outlet = Outlet::new(&snap);
            let mut next = Some(Rid(1));
            let mut rounds = 0;
            while let Some(first) = next {
                let tx = ours.begin().unwrap();
                let (mut bytes, mut from) = (0, first);
                next = None;
                'round: loop {
                    let piece = outlet.piece(from, 500).unwrap();
                    for outgoing in &piece.artifacts {
                        if bytes > 5_000_000 {
                            next = Some(outgoing.rid);
                            break 'round;
                        }
                        let frame = outlet.frame(outgoing.rid).unwrap();
                        bytes += frame.len();
                        let source = outgoing.source.as_ref().map(|source| &source.id);
                        let incoming = Incoming::Frame { source, frame: &frame, size: outgoing.size };
                        content::put(&tx, &outgoing.id, &incoming, outgoing.privacy).unwrap();
                    }
                    let Some(after) = piece.next else { break };
                    from = after;
                }
                let put = begun.elapsed().as_secs_f64();
                let settled = ingest::settle(&tx, NOW).unwrap();
                rounds += 1;
                println!(
                    "round {rounds}: put by {put:.2} s, settled {} of which {} linked by {:.2} s",
                    settled.verified,
                    settled.linked,
                    begun.elapsed().as_secs_f64()
                );
                tx.commit().unwrap();
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
    println!("{kind}: {:.2} s wall, {:.2} s CPU", begun.elapsed().as_secs_f64(), cpu());
}
