//! A real web server before ours.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::Server;
use crate::{Frond, Scratch};

/// Debian's nginx in a directory of its own, as a single process. Dropped, it is killed, by its id.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    _dir: Scratch,
}

impl Nginx {
    /// Starts one whose `server` block has these lines, with everything else as nginx has it by default. A machine
    /// without nginx fails the test: nothing is skipped.
    #[track_caller]
    pub fn start(lines: &str) -> Self {
        Self::with(|port| format!("server {{ listen 127.0.0.1:{port};\n{lines}\n}}"))
    }

    /// Starts one with what `http` has in it, for a port.
    #[track_caller]
    pub fn with(http: impl Fn(u16) -> String) -> Self {
        let dir = Scratch::new();
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let found = Command::new(program).arg("-v").output();
        assert!(found.is_ok(), "these tests need a web server, and {program} does not run: install nginx");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {};\n", dir.dir(kind).display()))
            .collect();
        let server = Server::start(|port| {
            let http = http(port);
            let pid = dir.file("pid");
            let text = format!(
                "daemon off; master_process off; error_log stderr; pid {};\nevents {{}}\nhttp {{ access_log off;\n\
                 {temporary}{http}\n}}\n",
                pid.display()
            );
            let file = dir.write("nginx.conf", text);
            let mut command = Command::new(program);
            command.arg("-e").arg("stderr").arg("-p").arg(dir.path()).arg("-c").arg(file);
            command
        });
        Self { server, _dir: dir }
    }

    /// Starts one that hands everything on, with nginx's defaults.
    #[track_caller]
    pub fn before(server: SocketAddr) -> Self {
        Self::start(&format!("location / {{ proxy_pass http://{server}; }}"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The URL of its root.
    pub fn url(&self) -> String {
        self.server.url()
    }
}

/// Makes a self-signed certificate for a name, and its key, as PEM files.
#[track_caller]
pub fn certificate(name: &str, chain: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    std::fs::write(chain, made.cert.pem()).expect("cannot write the certificate");
    std::fs::write(key, made.signing_key.serialize_pem()).expect("cannot write the key");
}

/// Serves a repository, or a directory of them, on a port of its own, with more options.
#[track_caller]
pub fn behind(frond: &Frond, path: &Path, options: &[&str]) -> Server {
    Server::start(|port| {
        let listen = format!("127.0.0.1:{port}");
        let mut command = frond.command(["serve", "-v", "--listen", &listen]);
        command.arg(path).args(options);
        command
    })
}
