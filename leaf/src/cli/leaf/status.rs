//! `frond leaf status`.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::socket;
use crate::agent::config::Source;
use crate::agent::control::{self, Request};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// Show how a running leaf is: repositories, peers, what they exchanged, and what is wrong
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    source: Source,
    /// Only say whether it does its work: exit code 0 if it is ready, as /readyz says, and no peer refused the last session
    /// (login or rights), else 1
    #[arg(long)]
    check: bool,
}

/// The head of the table.
const HEAD: [&str; 8] = ["REPOSITORY", "PEER", "STATE", "LAG", "ROUNDS", "SENT", "RECEIVED", "BYTES"];

impl Status {
    pub(super) fn run(self, output: &Output) -> Result<Code, Failure> {
        if self.check {
            return check(&socket(&self.source, output)?, output);
        }
        let report = control::ask(&socket(&self.source, output)?, &Request::Status)?;
        output.answer(&report, || text(&report));
        Ok(Code::Ok)
    }
}

/// Whether the leaf is ready and refused nowhere, and what is wrong if not.
fn check(socket: &Path, output: &Output) -> Result<Code, Failure> {
    let mut verdict = control::ask(socket, &Request::Ready)?;
    let refused = refusals(&control::ask(socket, &Request::Status)?);
    if !refused.is_empty() {
        if verdict["status"] == "ok" {
            verdict["status"] = "refused".into();
        }
        if let Some(problems) = verdict["problems"].as_array_mut() {
            problems.extend(refused);
        }
    }
    output.answer(&verdict, || {
        let mut text = format!("{}\n", word(&verdict["status"]));
        for problem in verdict["problems"].as_array().into_iter().flatten() {
            let of = ["repository", "peer"].map(|key| problem[key].as_str());
            let of = of.iter().flatten().map(|name| format!("{name}: ")).collect::<String>();
            let _ = writeln!(text, "{of}{}", word(&problem["what"]));
        }
        text
    });
    Ok(if verdict["status"] == "ok" { Code::Ok } else { Code::Failed })
}

/// The peers that refused the last session as a whole.
fn refusals(report: &Value) -> Vec<Value> {
    let mut refusals = Vec::new();
    for repository in report["repositories"].as_array().into_iter().flatten() {
        for peer in repository["peers"].as_array().into_iter().flatten() {
            let has_failed = peer["failures"].as_u64().unwrap_or(0) > 0;
            if has_failed && peer["error"]["class"] == "refused" {
                let what = format!("refused the last session: {}", word(&peer["error"]["message"]));
                refusals.push(json!({ "repository": repository["name"], "peer": peer["url"], "what": what }));
            }
        }
    }
    refusals
}

fn text(report: &Value) -> String {
    let mut text = format!(
        "leaf {}, process {}, {}, up {} s\n\n",
        word(&report["version"]),
        report["process"],
        word(&report["phase"]),
        report["uptime_seconds"]
    );
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut troubles = String::new();
    for repository in report["repositories"].as_array().into_iter().flatten() {
        let name = word(&repository["name"]);
        trouble(&mut troubles, name, &repository["error"]);
        for error in repository["broker_errors"].as_array().into_iter().flatten() {
            trouble(&mut troubles, name, error);
        }
        let peers = repository["peers"].as_array().map_or(&[][..], Vec::as_slice);
        if peers.is_empty() {
            let dash = || "-".to_owned();
            let state = word(&repository["state"]).to_owned();
            rows.push([name.to_owned(), dash(), state, dash(), dash(), dash(), dash(), dash()]);
        }
        for peer in peers {
            rows.push(row(name, word(&repository["state"]), peer));
            trouble(&mut troubles, &format!("{name}, {}", word(&peer["url"])), &peer["error"]);
        }
    }
    table(&mut text, &rows);
    bridges(&mut text, &mut troubles, &report["bridges"]);
    fleet(&mut text, &report["repositories"]);
    if !troubles.is_empty() {
        let _ = write!(text, "\n{troubles}");
    }
    text
}

fn row(name: &str, state: &str, peer: &Value) -> [String; 8] {
    let state = match (state, peer["syncing"].as_bool(), peer["failures"].as_u64()) {
        ("open", Some(true), _) => "syncing".to_owned(),
        ("open", ..) if peer["resting"] == true => "waits for its hours".to_owned(),
        ("open", _, Some(failures @ 1..)) => format!("failed {failures}x"),
        ("open", ..) => "idle".to_owned(),
        _ => state.to_owned(),
    };
    let lag = peer["lag_seconds"].as_u64().map_or("never".to_owned(), |lag| format!("{lag} s"));
    let bytes = peer["bytes_sent"].as_u64().unwrap_or(0) + peer["bytes_received"].as_u64().unwrap_or(0);
    let number = |key: &str| peer[key].to_string();
    [
        name.to_owned(),
        word(&peer["url"]).to_owned(),
        state,
        lag,
        number("rounds"),
        number("artifacts_sent"),
        number("artifacts_received"),
        bytes.to_string(),
    ]
}

fn trouble(text: &mut String, of: &str, error: &Value) {
    if let Some(message) = error["message"].as_str() {
        let _ = writeln!(text, "{of}: {} ({}); {}", message, word(&error["class"]), word(&error["hint"]));
    }
}

/// Leaves of the register, if there are any.
fn fleet(text: &mut String, repositories: &Value) {
    let mut rows = vec![
        ["REPOSITORY", "LEAF", "LOGIN", "VERSION", "PLATFORM", "SEEN", "LAG", "REACHED AT"]
            .map(str::to_owned),
    ];
    for repository in repositories.as_array().into_iter().flatten() {
        for leaf in repository["fleet"].as_array().into_iter().flatten() {
            let seconds =
                |key: &str| leaf[key].as_u64().map_or("never".to_owned(), |count| format!("{count} s"));
            rows.push([
                word(&repository["name"]).to_owned(),
                word(&leaf["id"]).chars().take(10).collect(),
                word(&leaf["login"]).to_owned(),
                word(&leaf["version"]).to_owned(),
                word(&leaf["platform"]).to_owned(),
                format!("{} ago", seconds("written_seconds")),
                seconds("lag_seconds"),
                leaf["addresses"].as_str().filter(|text| !text.is_empty()).unwrap_or("-").to_owned(),
            ]);
        }
    }
    if rows.len() > 1 {
        text.push('\n');
        table(text, &rows);
    }
}

/// Servers that are answered for, if there are any.
fn bridges(text: &mut String, troubles: &mut String, bridges: &Value) {
    let bridges = bridges.as_array().map_or(&[][..], Vec::as_slice);
    if bridges.is_empty() {
        return;
    }
    let mut rows = vec![["BRIDGE", "PROJECT", "STATE", "REQUESTS", "FAILED", "BYTES"].map(str::to_owned)];
    for bridge in bridges {
        let bytes =
            bridge["bytes_sent"].as_u64().unwrap_or(0) + bridge["bytes_received"].as_u64().unwrap_or(0);
        rows.push([
            word(&bridge["url"]).to_owned(),
            word(&bridge["project_code"]).to_owned(),
            word(&bridge["state"]).to_owned(),
            bridge["requests"].to_string(),
            bridge["failed_requests"].to_string(),
            bytes.to_string(),
        ]);
        trouble(troubles, &format!("bridge {}", word(&bridge["url"])), &bridge["error"]);
    }
    text.push('\n');
    table(text, &rows);
}

fn table<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
