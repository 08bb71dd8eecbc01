//! A browser without a window, told what to do over its pipe for developers: a command, or an event, is JSON up to a NUL.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Scratch;
use crate::frond::target_directory;
use crate::process::Process;

/// How long an answer may take. It never does: a machine that is busy is no finding.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a browser that is to end may be silent.
const CLOSING: Duration = Duration::from_secs(5);

/// What makes a picture into figures.
const FIGURES: &str = "(async (data) => {
  const image = new Image();
  image.src = `data:image/png;base64,${data}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const drawing = canvas.getContext('2d');
  drawing.drawImage(image, 0, 0);
  const bytes = drawing.getImageData(0, 0, image.width, image.height).data;
  const colours = new Set();
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4) {
    colours.add((bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]);
    sum += bytes[at] + bytes[at + 1] + bytes[at + 2];
  }
  return [image.width, image.height, colours.size, sum / (bytes.length / 4) / 3];
})";

/// A browser with one page open. Dropped, it is ended, by its id.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    _home: Scratch,
    to: ChildStdin,
    from: Receiver<Value>,
    commands: u64,
    page: String,
    /// Another page, which looks at pictures.
    desk: String,
    complaints: Vec<String>,
}

/// What a page looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: u64,
    /// Pixels.
    pub height: u64,
    /// How many there are.
    pub colours: u64,
    /// From 0, all black, to 255, all white.
    pub brightness: f64,
}

impl Browser {
    /// Starts one. A machine without it fails the test: nothing is skipped.
    #[track_caller]
    pub fn start() -> Self {
        let home = Scratch::new();
        let mut command = Command::new("sh");
        // Its pipes are the descriptors 3 and 4.
        command.args([
            "-c",
            "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            "sh",
            "chromium-headless-shell",
        ]);
        command.args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--no-proxy-server", "--disable-background-networking", "--disable-component-update"]);
        command.arg(format!("--user-data-dir={}", home.path().display())).env("HOME", home.path());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("sh runs");
        let (to, answers) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (tell, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message else { return };
                let message = serde_json::from_slice(&message).unwrap_or(Value::Null);
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let (page, desk) = (String::new(), String::new());
        let process = Process::of(child);
        let mut browser =
            Self { process, _home: home, to, from, commands: 0, page, desk, complaints: Vec::new() };
        (browser.page, browser.desk) = (browser.new_page(), browser.new_page());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.tell(domain, &json!({}));
        }
        browser
    }

    /// Opens an address, and waits until all of it is there.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        let opened = self.tell("Page.navigate", &json!({ "url": url }));
        assert_eq!(opened.get("errorText"), None, "{url}: {opened}");
        while self.evaluate("document.readyState") != "complete" {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sets what the page is shown on: so many pixels, and what the reader prefers, `light` or `dark`.
    #[track_caller]
    pub fn show_on(&mut self, width: u32, height: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.tell("Emulation.setDeviceMetricsOverride", &screen);
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": [scheme] }));
    }

    /// What an expression comes to in the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.evaluate_in(&self.page.clone(), expression)
    }

    /// What the page looks like. The picture is left in the target directory, for people.
    #[track_caller]
    pub fn picture(&mut self, name: &str) -> Picture {
        let shot = self.tell("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = shot["data"].as_str().expect("a picture").to_owned();
        let directory = target_directory().join("screenshots");
        let bytes = STANDARD.decode(&data).expect("a picture is base64");
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::write(directory.join(Path::new(name).with_extension("png")), bytes))
            .expect("a picture can be left");
        let figures = self.evaluate_in(&self.desk.clone(), &format!("{FIGURES}('{data}')"));
        let number = |at: usize| figures[at].as_u64().expect("a number");
        let brightness = figures[3].as_f64().expect("a number");
        Picture { width: number(0), height: number(1), colours: number(2), brightness }
    }

    /// What the browser complained of since the last call: errors of scripts, what is not there, what the policy forbids.
    #[track_caller]
    pub fn complaints(&mut self) -> Vec<String> {
        // Whatever was said before this answer is here by then.
        self.evaluate("0");
        std::mem::take(&mut self.complaints)
    }

    #[track_caller]
    fn new_page(&mut self) -> String {
        let target = self.call(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", &target);
        attached["sessionId"].as_str().expect("a session has a name").to_owned()
    }

    #[track_caller]
    fn evaluate_in(&mut self, session: &str, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call(Some(session), "Runtime.evaluate", &parameters);
        assert_eq!(answer.get("exceptionDetails"), None, "{answer}");
        answer["result"]["value"].take()
    }

    #[track_caller]
    fn tell(&mut self, method: &str, parameters: &Value) -> Value {
        self.call(Some(&self.page.clone()), method, parameters)
    }

    #[track_caller]
    fn call(&mut self, session: Option<&str>, method: &str, parameters: &Value) -> Value {
        self.commands += 1;
        let mut command = json!({ "id": self.commands, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let mut message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!(
                    "{method}: no answer of chromium-headless-shell ({error}): run tests/install-packages.sh"
                )
            });
            if message["id"] == self.commands {
                assert_eq!(message.get("error"), None, "{method}: {message}");
                return message["result"].take();
            }
            self.hear(&message);
        }
    }

    fn hear(&mut self, event: &Value) {
        let parameters = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => &parameters["entry"],
            Some("Runtime.exceptionThrown") => &parameters["exceptionDetails"],
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" => &parameters["args"],
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        // The pipe ends with it; what it says until then is of no use any more.
        while self.from.recv_timeout(CLOSING).is_ok() {}
        self.process.kill();
        let _ = self.process.wait();
    }
}
