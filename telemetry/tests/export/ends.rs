//! How requests and sessions end, as a collector sees it.

use std::fs;

use frond_tests::http;

use crate::Bench;
use crate::collector::Manner;

#[test]
fn every_request_ends_with_a_class_and_junk_is_no_failure_of_the_server() {
    let bench = Bench::new(Manner::Takes);
    let (file, leaf) = bench.leaf(&[]);
    let post = |kind: &str, body: &[u8]| {
        http::post(leaf.address(), "/", &format!("application/x-fossil{kind}"), body).status
    };
    assert_eq!(post("", b"no zlib at all"), 200, "an error card");
    assert_eq!(post("-uncompressed", b"file 0123 99\nshort"), 200, "an error card");
    fs::rename(&file, file.with_extension("away")).unwrap();
    assert_eq!(post("-uncompressed", b"pragma x\n"), 404);
    bench.collector.wait_for("sync.handle", 3);
    leaf.terminate();

    let ends: Vec<(String, bool)> = bench
        .collector
        .spans()
        .iter()
        .map(|span| (span.attribute("error.type"), span.failed.is_some()))
        .collect();
    let expected = [("refused", false), ("refused", false), ("repository", true)];
    assert_eq!(ends, expected.map(|(class, has_failed)| (class.to_owned(), has_failed)));
    let count = |outcome: &[(&str, &str)]| bench.collector.sum("server", "frond.server.requests", outcome);
    assert_eq!([count(&[("outcome", "refused")]), count(&[("outcome", "repository")]), count(&[])], [2, 1, 3]);
}
