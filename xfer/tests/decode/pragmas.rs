//! Each pragma, as it is read and as it is written, and when it means nothing.

use super::*;

#[test]
fn every_pragma_is_read_and_written() {
    let version = |build| Version { number: 22100, build };
    let client = "0123456789abcdef0123456789abcdef01234567".to_owned();
    let cases = [
        ("client-version 22100 20230226 192424", Pragma::ClientVersion(version(Some((20_230_226, 192_424))))),
        ("client-version 22100", Pragma::ClientVersion(version(None))),
        ("server-version 22100 20230226 0", Pragma::ServerVersion(version(Some((20_230_226, 0))))),
        ("send-private", Pragma::SendPrivate),
        ("send-catalog", Pragma::SendCatalog),
        ("req-clusters", Pragma::ReqClusters),
        ("uv-hash {B}", Pragma::UvHash(b())),
        ("uv-push-ok", Pragma::UvPushOk),
        ("uv-pull-only", Pragma::UvPullOnly),
        ("ci-lock {A} id", Pragma::CiLock { checkin: a(), client: "id".into() }),
        ("ci-unlock 0123456789abcdef0123456789abcdef01234567", Pragma::CiUnlock { client }),
        ("ci-lock-fail a\\sb 1795241260", Pragma::CiLockFail { user: "a b".into(), since: 1_795_241_260 }),
        ("ci-lock-fail  1795241260", Pragma::CiLockFail { user: String::new(), since: 1_795_241_260 }),
        ("avoid-delta-manifests", Pragma::AvoidDeltaManifests),
        ("x-more-gimmes", Pragma::MoreGimmes),
        ("client-url http://h/x", Pragma::ClientUrl("http://h/x".into())),
        ("req-links", Pragma::ReqLinks),
        (
            "link http://h/ {\"a\":\\s1} 5",
            Pragma::Link { url: "http://h/".into(), json: "{\"a\": 1}".into(), mtime: 5 },
        ),
        ("x-new thing", Pragma::Other(vec![b"x-new".to_vec(), b"thing".to_vec()])),
    ];
    for (text, expected) in cases {
        check(&format!("pragma {text}\n"), pragma(expected));
    }
}

#[test]
fn a_pragma_with_arguments_that_do_not_fit_is_kept_and_means_nothing() {
    for text in [
        "client-version",
        "client-version x",
        "client-version 22100 2023 x",
        "uv-hash",
        "uv-hash zzz",
        "ci-lock {A}",
        "ci-lock zzz id",
        "ci-lock {A} id more",
        "ci-unlock id",
        "ci-lock-fail bob",
        "ci-lock-fail bob -1",
        "client-url a b",
        "link a b",
        "link a b 5 6",
        "link a b x",
        "SEND-PRIVATE",
    ] {
        let tokens = fill(text).split(' ').map(|token| token.as_bytes().to_vec()).collect();
        check(&format!("pragma {text}\n"), pragma(Pragma::Other(tokens)));
    }
}
