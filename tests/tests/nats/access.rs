//! Who is let in by a broker, and that no secret shows where others can read it.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frond_tests::corpus::{Extras, PROJECT, Shape};
use frond_tests::frond::{FAILED, REFUSED, UNREACHABLE, USAGE};
use frond_tests::process::{Running, free_port};
use frond_tests::{Frond, Nats, Scratch, Server, shared};
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair as CertKey};

/// What the environment says of a user.
const ALICE: [(&str, &str); 2] = [("NATS_USER", "alice"), ("NATS_PASSWORD", "s3cret")];

/// Serves a repository on a broker that wants to know who asks, and pulls from it under other conditions.
struct Door {
    frond: Frond,
    scratch: Scratch,
    broker: Nats,
    _server: Server,
}

impl Door {
    /// `variables` let the server in.
    #[track_caller]
    fn new(configuration: &str, scratch: Scratch, url: &str, variables: &[(&str, &str)]) -> Self {
        let (frond, broker) = (Frond::new(), Nats::with(configuration));
        let original = scratch.copy(&shared::corpus(Shape::of(300), 300, Extras::None), "original.fossil");
        let stale = scratch.copy(&original, "stale.fossil");
        frond_tests::sql::execute(
            &stale,
            "UPDATE config SET value=printf('%040d',7) WHERE name='server-code'",
        );
        let url = url.replace("PORT", &broker.port.to_string());
        let server = Server::start(|port| {
            let mut command =
                frond.command(["serve", "--listen", &format!("127.0.0.1:{port}"), "--nats", &url]);
            command.arg(&original).envs(variables.iter().copied());
            command
        });
        Self { frond, scratch, broker, _server: server }
    }

    /// Asks at an address in which PORT and CODE stand for what they are.
    #[track_caller]
    fn asks(&self, url: &str, variables: &[(&str, &str)], code: i32, said: &str) {
        let url = url.replace("PORT", &self.broker.port.to_string()).replace("CODE", PROJECT);
        let stale = self.scratch.file("stale.fossil");
        let mut command = self.frond.command(["pull", "-v", &url, "-R", &stale.to_string_lossy()]);
        let answer = frond_tests::frond::run(command.envs(variables.iter().copied()));
        assert_eq!(answer.code, Some(code), "{answer}");
        assert!(answer.all().contains(said), "{said}: {answer}");
        assert!(!answer.all().contains("s3cret"), "{answer}");
        let kept = frond_tests::sql::column(&stale, "SELECT value FROM config WHERE name LIKE 'last-sync%'");
        assert!(!kept.join("\n").contains("s3cret"), "{kept:?}");
    }
}

#[test]
fn users_and_passwords() {
    let configuration = "authorization { users: [ { user: alice, password: s3cret } ] }\n";
    let door = Door::new(configuration, Scratch::new(), "nats://127.0.0.1:PORT", &ALICE);
    door.asks("nats://alice:s3cret@127.0.0.1:PORT/CODE", &[], 0, "Pull done");
    let alice = ALICE;
    door.asks("nats://127.0.0.1:PORT/CODE", &alice, 0, "Pull done");
    door.asks("nats://alice:@127.0.0.1:PORT/CODE", &alice[1..], 0, "Pull done");
    for url in ["nats://127.0.0.1:PORT/CODE", "nats://alice:s3cret2@127.0.0.1:PORT/CODE"] {
        door.asks(url, &[], REFUSED, "lets in nobody who asks like this");
    }
    let contexts = door.scratch.dir("config/nats/context");
    let context =
        format!(r#"{{"url":"nats://127.0.0.1:{}","user":"alice","password":"s3cret"}}"#, door.broker.port);
    std::fs::write(contexts.join("hub.json"), context).unwrap();
    let base = door.scratch.file("config");
    let base = [("XDG_CONFIG_HOME", base.to_str().unwrap())];
    door.asks("nats:///CODE?context=hub", &base, 0, "Pull done");
    door.asks("nats:///CODE?context=none", &base, USAGE, "none.json");
}

#[test]
fn what_a_user_of_the_broker_may_not_say_or_hear_is_said() {
    let configuration = "authorization { users: [\n\
        { user: server, password: s3cret },\n\
        { user: deaf, password: s3cret, permissions: { subscribe: [\"_INBOX.>\"] } },\n\
        { user: dumb, password: s3cret, permissions: { publish: [\"other.>\"] } },\n\
        { user: lost, password: s3cret, permissions: { subscribe: [\"fossil.>\"] } } ] }\n";
    let server = [("NATS_USER", "server"), ("NATS_PASSWORD", "s3cret")];
    let door = Door::new(configuration, Scratch::new(), "nats://127.0.0.1:PORT", &server);
    for (user, said) in
        [("dumb", "Permissions Violation for Publish"), ("lost", "Permissions Violation for Subscription")]
    {
        let url = format!("nats://{user}:s3cret@127.0.0.1:PORT/CODE");
        door.asks(&url, &[], REFUSED, said);
    }
    door.asks("nats://deaf:s3cret@127.0.0.1:PORT/CODE", &[], 0, "Pull done");
    let file = door.scratch.file("original.fossil");
    let broker = door.broker.url();
    let words = ["serve", &file.to_string_lossy(), "--listen", "127.0.0.1:0", "--nats", &broker];
    let mut command = door.frond.command(words);
    // One that came up would serve for good.
    let serves = Running::start(command.env("NATS_USER", "deaf").env("NATS_PASSWORD", "s3cret"));
    let serves = serves.end(Duration::from_secs(60));
    assert_eq!(serves.code, Some(REFUSED), "{serves}");
    assert!(serves.stderr.contains("fossil.") && !serves.all().contains("s3cret"), "{serves}");
}

#[test]
fn tokens() {
    let token = [("NATS_TOKEN", "s3cret")];
    let door =
        Door::new("authorization { token: s3cret }\n", Scratch::new(), "nats://127.0.0.1:PORT", &token);
    door.asks("nats://s3cret@127.0.0.1:PORT/CODE", &[], 0, "Pull done");
    door.asks("nats://127.0.0.1:PORT/CODE", &token, 0, "Pull done");
    door.asks("nats://127.0.0.1:PORT/CODE", &[], REFUSED, "refuses");
}

#[test]
fn seeds_of_keys() {
    let scratch = Scratch::new();
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let seed = |pair: &KeyPair, name: &str| {
        scratch.write(name, format!("# a seed\n{}\n", pair.seed().unwrap())).to_string_lossy().into_owned()
    };
    let (right, wrong) = (seed(&user, "right.nk"), seed(&other, "wrong.nk"));
    let none = scratch.write("none.nk", "nothing here\n").to_string_lossy().into_owned();
    let configuration = format!("authorization {{ users: [ {{ nkey: {} }} ] }}\n", user.public_key());
    let door = Door::new(&configuration, scratch, "nats://127.0.0.1:PORT", &[("NATS_NKEY", &right)]);
    door.asks(&format!("nats://127.0.0.1:PORT/CODE?nkey={right}"), &[], 0, "Pull done");
    door.asks(&format!("nats://127.0.0.1:PORT/CODE?nkey={wrong}"), &[], REFUSED, "refuses");
    door.asks(&format!("nats://127.0.0.1:PORT/CODE?nkey={none}"), &[], REFUSED, "is no seed of a key");
}

/// A signed statement of `by` about `of`.
fn statement(by: &KeyPair, of: &str, kind: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let head = part(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let (from, limits) = (by.public_key(), r#""subs":-1,"data":-1,"payload":-1"#);
    let more = match kind {
        "account" => format!(
            r#","limits":{{{limits},"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1}}"#
        ),
        "user" => format!(r#",{limits},"pub":{{}},"sub":{{}}"#),
        _ => String::new(),
    };
    let claims = format!(
        r#"{{"jti":"x","iat":1700000000,"iss":"{from}","name":"{kind}","sub":"{of}","nats":{{"type":"{kind}","version":2{more}}}}}"#
    );
    let signed = format!("{head}.{}", part(&claims));
    let signature = by.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn files_of_credentials() {
    let scratch = Scratch::new();
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let token = statement(&account, &user.public_key(), "user");
    let file = |name: &str, seed: &str| {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        scratch.write(name, text).to_string_lossy().into_owned()
    };
    let right = file("right.creds", &user.seed().unwrap());
    let wrong = file("wrong.creds", &KeyPair::new_user().seed().unwrap());
    let none = scratch.write("none.creds", "nothing here\n").to_string_lossy().into_owned();
    let configuration = format!(
        "operator: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {} }}\n",
        statement(&operator, &operator.public_key(), "operator"),
        account.public_key(),
        statement(&operator, &account.public_key(), "account"),
    );
    let door = Door::new(&configuration, scratch, "nats://127.0.0.1:PORT", &[("NATS_CREDS", &right)]);
    door.asks(&format!("nats://127.0.0.1:PORT/CODE?creds={right}"), &[], 0, "Pull done");
    door.asks(&format!("nats://127.0.0.1:PORT/CODE?creds={wrong}"), &[], REFUSED, "refuses");
    door.asks(
        &format!("nats://127.0.0.1:PORT/CODE?creds={none}"),
        &[],
        REFUSED,
        "is no file of NATS credentials",
    );
}

/// Writes an authority, and a certificate of it with its key.
fn certificates(scratch: &Scratch) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = CertKey::generate().unwrap();
    scratch.write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
    let issuer = Issuer::new(authority, authority_key);
    for name in ["server", "client"] {
        let key = CertKey::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        scratch.write(&format!("{name}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
        scratch.write(&format!("{name}-key.pem"), key.serialize_pem());
    }
}

fn tls(scratch: &Scratch, verify: &str) -> String {
    let file = |name: &str| scratch.file(name).to_string_lossy().into_owned();
    format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\"{verify} }}\n",
        file("server.pem"),
        file("server-key.pem"),
        file("ca.pem")
    )
}

#[test]
fn encrypted_connections() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let authority = text(&scratch.file("ca.pem"));
    let configuration = tls(&scratch, "");
    let door = Door::new(&configuration, scratch, "tls://localhost:PORT", &[("NATS_CA", &authority)]);
    for scheme in ["tls", "nats"] {
        door.asks(&format!("{scheme}://localhost:PORT/CODE?ca={authority}"), &[], 0, "Pull done");
        door.asks(&format!("{scheme}://localhost:PORT/CODE"), &[], FAILED, "no secure connection");
    }
    let other = format!("tls://127.0.0.1:PORT/CODE?ca={authority}");
    door.asks(&other, &[], FAILED, "no secure connection");
}

#[test]
fn connections_over_web_sockets() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let authority = scratch.file("ca.pem").to_string_lossy().into_owned();
    for (scheme, security) in [("ws", "no_tls: true\n".to_owned()), ("wss", tls(&scratch, ""))] {
        let (port, other) = (free_port(), free_port());
        let configuration = format!(
            "authorization {{ users: [ {{ user: alice, password: s3cret }} ] }}\nhttp: \"127.0.0.1:{other}\"\n\
             websocket {{ listen: \"127.0.0.1:{port}\"\n{security} }}\n"
        );
        let variables = [&ALICE[..], &[("NATS_CA", authority.as_str())]].concat();
        let url = format!("{scheme}://localhost:{port}");
        // What serves is reached over a socket, too.
        let door = Door::new(&configuration, Scratch::new(), &url, &variables);
        door.asks(&format!("{url}/CODE?ca={authority}"), &ALICE, 0, "Pull done");
        let with_password = url.replace("://", "://alice:s3cret@");
        door.asks(&format!("{with_password}/CODE?ca={authority}"), &[], 0, "Pull done");
        door.asks(&format!("{url}/CODE?ca={authority}"), &[], REFUSED, "lets in nobody who asks like this");
        // Ports that are for something else.
        let code = if scheme == "ws" { UNREACHABLE } else { FAILED };
        door.asks(&format!("{scheme}://localhost:{other}/CODE?ca={authority}"), &ALICE, code, "localhost");
    }
}

#[test]
fn certificates_of_clients() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let file = |name: &str| scratch.file(name).to_string_lossy().into_owned();
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client-key.pem"));
    let configuration = tls(&scratch, ", verify: true");
    let variables = [("NATS_CA", &ca[..]), ("NATS_CERT", &cert), ("NATS_KEY", &key)];
    let door = Door::new(&configuration, scratch, "tls://localhost:PORT", &variables);
    door.asks(&format!("tls://localhost:PORT/CODE?ca={ca}&cert={cert}&key={key}"), &[], 0, "Pull done");
    door.asks(&format!("tls://localhost:PORT/CODE?ca={ca}"), &[], FAILED, "no secure connection");
    door.asks(&format!("tls://localhost:PORT/CODE?ca={ca}&cert={cert}"), &[], USAGE, "needs its key");
}
