//! Deltas find what the versions have in common about as well as stock's.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here is the finding")]

use flate2::read::ZlibDecoder;
use frond_tests::corpus::{Extras, Shape};
use frond_tests::{Scratch, shared, sql};
use repo::{Repo, Rid, content, delta};

#[test]
fn deltas_are_within_1_15_of_the_size_of_stocks() {
    let scratch = Scratch::new();
    let file = scratch.copy(&shared::corpus(Shape::of(2000), 2000, Extras::None), "corpus.fossil");
    let pairs = sql::rows(&file, "SELECT rid, srcid FROM delta WHERE rid % 5 = 0 ORDER BY rid");
    assert!(pairs.len() > 500, "{} deltas", pairs.len());
    let mut repo = Repo::open_read_only(&file).unwrap();
    let snap = repo.snapshot().unwrap();
    let (mut ours, mut stocks) = (0, 0);
    for pair in pairs {
        let (target, source): (i64, i64) = (pair[0].parse().unwrap(), pair[1].parse().unwrap());
        let sql = "SELECT content FROM blob WHERE rid=?1";
        let frame: Vec<u8> = snap.conn().query_row(sql, [target], |row| row.get(0)).unwrap();
        let made_by_stock = std::io::copy(&mut ZlibDecoder::new(&frame[4..]), &mut std::io::sink()).unwrap();
        let (source, target) =
            (content::get(&snap, Rid(source)).unwrap(), content::get(&snap, Rid(target)).unwrap());
        let made = delta::create(&source, &target);
        assert_eq!(delta::apply(&source, &made, target.len()).unwrap(), target);
        ours += made.len() as u64;
        stocks += made_by_stock;
    }
    let ratio = ours as f64 / stocks as f64;
    println!("{ours} bytes of deltas, stock has {stocks}: {ratio:.3}");
    assert!(ratio <= 1.15, "{ours} bytes of deltas, stock has {stocks}: {ratio:.3}");
}
