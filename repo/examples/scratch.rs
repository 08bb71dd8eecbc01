#![allow(missing_docs, clippy::all, clippy::print_stdout)]
use std::collections::BTreeMap;
fn walk(dir: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
    for e in std::fs::read_dir(dir).unwrap() {
        let p = e.unwrap().path();
        if p.is_dir() { walk(&p, out) } else { out.push(p) }
    }
}
fn main() {
    let mut files = vec![];
    walk(std::path::Path::new(&std::env::args().nth(1).unwrap()), &mut files);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut shown = 0;
    let mut blobs = vec![];
    for f in files {
        let bytes = std::fs::read(&f).unwrap();
        match repo::manifest::parse(&bytes) {
            Ok(a) => {
                let k = format!("{a:?}").split('(').next().unwrap().to_string();
                *kinds.entry(k.clone()).or_default() += 1;
                let w = repo::manifest::write(&a);
                assert_eq!(repo::manifest::parse(&w).as_ref(), Ok(&a));
                let norm = |b: &[u8]| {
                    String::from_utf8_lossy(b)
                        .lines()
                        .filter(|l| !l.starts_with("Z "))
                        .map(|l| {
                            if l.starts_with("D ") && !l.contains('.') {
                                format!("{l}.000")
                            } else {
                                l.to_string()
                            }
                        })
                        .collect::<Vec<_>>()
                };
                if norm(&w) != norm(&bytes) {
                    *kinds.entry(k + "!=").or_default() += 1;
                    if shown < 5 {
                        shown += 1;
                        println!(
                            "--- {}\n{}--- got\n{}",
                            f.display(),
                            String::from_utf8_lossy(&bytes),
                            String::from_utf8_lossy(&w)
                        );
                    }
                }
                blobs.push(bytes);
            }
            Err(e) => {
                *kinds.entry(format!("{:?}", e.rule)).or_default() += 1;
            }
        }
    }
    println!("{kinds:#?}");
    let total: usize = blobs.iter().map(Vec::len).sum();
    let t = std::time::Instant::now();
    let mut n = 0;
    while t.elapsed().as_secs_f64() < 1.0 {
        for b in &blobs {
            n += 1;
            std::hint::black_box(repo::manifest::parse(b).unwrap());
        }
    }
    let rounds = n as f64 / blobs.len() as f64;
    println!(
        "{} artifacts, {} bytes: {:.1} MB/s, {:.2} us each",
        blobs.len(),
        total,
        total as f64 * rounds / t.elapsed().as_secs_f64() / 1e6,
        t.elapsed().as_secs_f64() / n as f64 * 1e6
    );
}
