//! What is measured.

use std::path::PathBuf;

use frond_tests::rng::Rng;
use frond_tests::shared;

use crate::ends::{Bench, Ends, Place, Program, Verb, Work, both};
use crate::stale;

/// Files of a mebibyte that are exchanged unversioned.
const FILES: usize = 200;

/// Works at one size, and those that do not depend on it at the largest.
pub(crate) fn all(bench: &Bench) -> Vec<Work> {
    let size = bench.checkins;
    let full = || bench.corpus.clone();
    let stale = |checkins| stale::without_newest(&bench.frond, &bench.corpus, checkins);
    let work = |name: &str, verb, here, there, target| Work {
        name: format!("{name}, {size}"),
        ends: [both(Program::Frond), both(Program::Stock)],
        verb,
        here,
        there,
        at_once: 1,
        times: 1,
        target,
        is_plain_clone: false,
        result: Some(full()),
    };
    let clone = Work {
        is_plain_clone: true,
        ..work("clone", Verb::Clone, Place::Nothing, Place::Kept(full()), (6.0, 10.0))
    };
    let mut works =
        vec![clone.clone(), work("rebuild", Verb::Rebuild, Place::Anew(full()), Place::Nothing, (6.0, 10.0))];
    for (name, verb) in [("no-op pull, 20 times", Verb::Pull), ("no-op sync, 20 times", Verb::Sync)] {
        let work = work(name, verb, Place::Kept(full()), Place::Kept(full()), (1.5, 3.0));
        works.push(Work { times: 20, ..work });
    }
    let newest = [
        ("the newest quarter", size / 4, (10.0, 15.0), (8.0, 12.0)),
        ("the newest 100", 100, (8.0, 15.0), (8.0, 12.0)),
    ];
    for (what, checkins, pull, push) in newest {
        let stale = stale(checkins);
        let name = format!("pull of {what}");
        works.push(work(&name, Verb::Pull, Place::Anew(stale.clone()), Place::Kept(full()), pull));
        let name = format!("push of {what}");
        works.push(work(&name, Verb::Push, Place::Kept(full()), Place::Anew(stale), push));
    }
    let with = |name: &str, client, server, target| Work {
        name: format!("{name}, {size}"),
        ends: [Ends { client, server }, both(Program::Stock)],
        target,
        is_plain_clone: false,
        ..clone.clone()
    };
    works.push(with("stock clones from Frond", Program::Stock, Program::Frond, (1.0, 2.0)));
    works.push(with("Frond clones from stock", Program::Frond, Program::Stock, (5.0, 8.0)));
    works.push(Work {
        name: format!("4 clones at once, {size}"),
        at_once: 4,
        target: (5.0, 8.0),
        is_plain_clone: false,
        ..clone
    });
    if size > 2000 {
        return works;
    }
    let (empty, files) = (bench.empty("no-files.fossil"), files(bench));
    let name = "200 unversioned files, push";
    works.push(Work {
        name: name.to_owned(),
        result: None,
        ..work(name, Verb::Unversioned, Place::Kept(files.clone()), Place::Anew(empty.clone()), (8.0, 20.0))
    });
    let name = "200 unversioned files, pull";
    works.push(Work {
        name: name.to_owned(),
        result: None,
        ..work(name, Verb::Unversioned, Place::Anew(empty), Place::Kept(files), (6.0, 20.0))
    });
    works
}

/// A repository with unversioned files, whose bytes do not compress.
fn files(bench: &Bench) -> PathBuf {
    shared::once("unversioned-200.fossil", |file| {
        std::fs::copy(bench.empty("no-files.fossil"), file).expect("a copy");
        let dir = bench.scratch.dir("files");
        let mut rng = Rng::new(1);
        let names: Vec<String> = (0..FILES).map(|number| format!("file-{number:03}")).collect();
        for name in &names {
            std::fs::write(dir.join(name), rng.bytes(1 << 20)).expect("a file");
        }
        let path = file.to_string_lossy();
        let words = ["uv", "add"].into_iter().chain(names.iter().map(String::as_str)).chain(["-R", &path]);
        bench.fossil.output_in(&dir, words);
    })
}
