//! The keys of the configuration file, for people: what a wrong one is compared with, and the reference.

/// A key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// A value that it may have, as it is written in the file.
    pub(super) example: &'static str,
    /// What holds without it.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

const fn key(name: &'static str, example: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, example, default, about }
}

/// Of the leaf as a whole.
pub(super) const LEAF: &[Key] = &[
    key(
        "listen",
        "\"0.0.0.0:8080\"",
        "not served",
        "serve the repositories here: one of them on every path, several under their names",
    ),
    key("base-path", "\"/code\"", "none", "serve everything under this path"),
    key(
        "trusted-proxies",
        "[\"127.0.0.1\", \"10.0.0.0/8\"]",
        "none",
        "web servers before the leaf, by address or network, whose word counts for who asks",
    ),
    key(
        "proxy-header",
        "\"x-forwarded\"",
        "x-forwarded",
        "how they say it: x-forwarded (X-Forwarded-For, -Proto and -Host) or forwarded (RFC 7239)",
    ),
    key(
        "tls-certificate",
        "\"fullchain.pem\"",
        "none",
        "serve over TLS only, with this chain of certificates; it is read anew when the file changes, and on SIGHUP",
    ),
    key("tls-key", "\"privkey.pem\"", "none", "the key of that certificate"),
    key(
        "request-bytes",
        "268435456",
        "268435456",
        "bytes of the longest request that is taken, over HTTP and on the broker; an artifact travels in one",
    ),
    key(
        "probes",
        "true",
        "false",
        "answer /healthz, /readyz and /metrics at `listen` too, below `base-path`, to everybody",
    ),
    key(
        "page",
        "true",
        "false",
        "show the status page at the root of `listen` too, below `base-path`, to everybody",
    ),
    key(
        "admin",
        "\"127.0.0.1:9090\"",
        "none",
        "answer /healthz, /readyz and /metrics here, and show a status page; a port alone is one of loopback",
    ),
    key(
        "nats",
        "\"nats://broker:4222\"",
        "none",
        "the broker where the peers of each repository meet: answer there, announce what is new, hear of what is",
    ),
    key(
        "nats-login",
        "\"sync\"",
        "nobody",
        "the user of each repository who logs in to its copies on that broker; a copy that is cloned has the same",
    ),
    key(
        "nats-password-file",
        "\"sync.password\"",
        "FROND_PASSWORD",
        "a file whose first line is the password of that user",
    ),
    key("prefix", "\"fossil\"", "fossil", "what subjects on that broker begin with"),
    key("socket", "\"/run/frond/leaf.sock\"", "see below", "the socket for `status` and `sync-now`"),
    key(
        "registry",
        "\"5m\"",
        "off",
        "write a row about this leaf into the synced table `frond_leaves` of each repository, so often at most; `status` shows all rows",
    ),
    key(
        "drain",
        "\"25s\"",
        "25s",
        "how long a leaf that is to stop waits for rounds and requests it has begun",
    ),
];

/// Tables of the leaf. Their keys are below.
pub(super) const TABLES: [&str; 3] = ["defaults", "repository", "bridge"];

/// Of a repository.
pub(super) const REPOSITORY: &[Key] = &[
    key(
        "file",
        "\"team.fossil\"",
        "must be given",
        "the repository file, from the directory of the configuration file; cloned from a peer if it is not there",
    ),
    key("name", "\"team\"", "that of the file", "its name in paths, status and metrics"),
    key(
        "project",
        "\"0123456789abcdef0123456789abcdef01234567\"",
        "none",
        "its project code: if it is not there, it is cloned from whoever has it on the leaf's broker",
    ),
    key(
        "admin-user",
        "\"ann\"",
        "user of the peer",
        "the first user, should it be cloned, and not nats-login; set a password with `frond user password`",
    ),
    key(
        "nats-login",
        "\"sync\"",
        "that of the leaf",
        "the user who logs in to its copies on the leaf's broker, if another than elsewhere",
    ),
    key(
        "nats-password-file",
        "\"sync.password\"",
        "that of the leaf",
        "a file whose first line is the password of that user",
    ),
    key(
        "hook",
        "[\"/usr/local/bin/deploy\", \"team\"]",
        "none",
        "a program and its arguments, run when the repository changed; FROND_HOOK_FILE and FROND_HOOK_REPOSITORY say which",
    ),
];

/// Of a peer alone.
pub(super) const ADDRESS: &[Key] = &[
    key(
        "url",
        "\"https://bob@hub.example/team\"",
        "must be given",
        "where it is: http, https, nats (with the project code), or a repository file of this machine",
    ),
    key("password", "\"secret\"", "see below", "the password of the user in `url`"),
    key("password-file", "\"hub.password\"", "none", "a file whose first line is that password"),
];

/// Of a peer, or of all in `[defaults]`.
pub(super) const PEER: &[Key] = &[
    key("pull", "true", "true", "get what the peer has"),
    key("push", "true", "true", "give the peer what it lacks"),
    key("private", "false", "false", "private artifacts too (the user needs capability x)"),
    key("unversioned", "false", "false", "unversioned files too (giving needs capability y)"),
    key("tables", "true", "true", "synced tables too"),
    key("poll", "\"30s\"", "5s", "time between sessions when nothing happens, or \"off\""),
    key("jitter", "10", "10", "how far `poll` may vary either way, in percent up to 50"),
    key(
        "hours",
        "\"22:00-06:00, 12:00-13:00\"",
        "always",
        "times of day, local ones, at which sessions may begin by themselves; at others only when they are asked for",
    ),
    key("retry", "\"1s\"", "1s", "wait after a failure, doubled by each further one"),
    key("retry-cap", "\"5m\"", "5m", "longest such wait, and the wait after a refusal"),
    key("timeout", "\"60s\"", "60s", "give a session up when the peer sends nothing for so long"),
    key("send-bytes", "250000", "250000", "bytes of artifacts in one request; one artifact may exceed it"),
    key(
        "up-rate",
        "100000",
        "no limit",
        "bytes a second to the peer, in sessions that this leaf begins: within a tenth, in any five seconds; not with files, nor with agents of the plain form: a message moves at once",
    ),
    key(
        "down-rate",
        "100000",
        "no limit",
        "bytes a second from the peer, in sessions that this leaf begins: within a tenth, in any five seconds; not with files, nor with agents of the plain form: a message moves at once",
    ),
    key("within", "\"10m\"", "not required", "the leaf is ready only if a session went well so recently"),
];

/// Of a bridge.
pub(super) const BRIDGE: &[Key] = &[
    key(
        "url",
        "\"https://hub.example/team\"",
        "must be given",
        "a server, stock Fossil as well, that is answered for on the leaf's broker; whoever asks logs in by itself",
    ),
    key(
        "project",
        "\"0123456789abcdef0123456789abcdef01234567\"",
        "the server is asked",
        "its project code; given, who asks while the server is away hears so",
    ),
    key(
        "name",
        "\"hub\"",
        "by its address",
        "what it is called on the broker; bridges of one name share the work",
    ),
    key("timeout", "\"60s\"", "60s", "give a request up when the server sends nothing for so long"),
];

/// Every key there is.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    [LEAF, REPOSITORY, ADDRESS, PEER, BRIDGE].into_iter().flatten()
}

/// Which of `names` a wrong one resembles most.
pub(super) fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let likeness = |name: &&str| strsim::jaro_winkler(wrong, name);
    names.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
