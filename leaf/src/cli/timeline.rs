//! `frond timeline -R FILE`.

use clap::{Args, ValueEnum};
use repo::history::{self, Happening, Kind};
use repo::{Text, UnixTime};
use serde::Serialize;

use super::Repository;
use crate::exit::{Code, Failure};
use crate::output::{Form, Output};

/// Tell what happened last
#[derive(Debug, Args)]
pub(crate) struct Timeline {
    #[command(flatten)]
    pub(super) repository: Repository,
    /// At most so many entries; 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Only entries of one type
    #[arg(short = 't', long, value_name = "TYPE")]
    r#type: Option<Type>,
}

/// Types of entries, by Fossil's letters.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Type {
    /// Check-ins
    Ci,
    /// Technotes
    E,
    /// Forum posts
    F,
    /// Tags
    G,
    /// Tickets
    T,
    /// Wiki pages
    W,
}

#[derive(Serialize)]
struct Entry {
    r#type: &'static str,
    kind: &'static str,
    hash: String,
    time: String,
    user: Option<String>,
    comment: Option<String>,
    branch: Option<String>,
    tags: Vec<String>,
}

impl Timeline {
    pub(crate) fn run(self, output: &Output) -> Result<Code, Failure> {
        let mut repo = self.repository.read()?;
        let snap = repo.snapshot()?;
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let happenings = history::timeline(&snap, self.r#type.map(Type::kind), limit)?;
        if happenings.is_empty() {
            let what = if self.r#type.is_some() { "nothing of this type" } else { "nothing" };
            output.note(&format!("{what} has happened in this repository yet"));
        }
        match output.form() {
            Form::Json => happenings.iter().for_each(|one| output.answer(&entry(one), String::new)),
            Form::Text => output.text(&text(&happenings)),
        }
        Ok(Code::Ok)
    }
}

impl Type {
    fn kind(self) -> Kind {
        match self {
            Self::Ci => Kind::Checkin,
            Self::E => Kind::Technote,
            Self::F => Kind::Forum,
            Self::G => Kind::Tag,
            Self::T => Kind::Ticket,
            Self::W => Kind::Wiki,
        }
    }
}

fn entry(one: &Happening) -> Entry {
    let lossy = |text: &Option<Text>| text.as_ref().map(|text| text.to_str_lossy().into_owned());
    let (day, time) = when(one.at);
    Entry {
        r#type: "event",
        kind: one.kind.code(),
        hash: one.id.to_string(),
        time: format!("{day}T{time}Z"),
        user: lossy(&one.user),
        comment: comment(one),
        branch: lossy(&one.branch),
        tags: one.tags.iter().map(|tag| tag.to_str_lossy().into_owned()).collect(),
    }
}

/// What happened, in words. Of a wiki page the table has its name and a sign for what was done with it.
fn comment(one: &Happening) -> Option<String> {
    let comment = one.comment.as_ref()?.to_str_lossy();
    let page = |done: &str| comment.get(1..).map(|name| format!("{done} wiki page \"{name}\""));
    let told = match comment.chars().next().filter(|_| one.kind == Kind::Wiki) {
        Some('+') => page("Add"),
        Some('-') => page("Delete"),
        Some(':') => page("Edit to"),
        _ => None,
    };
    Some(told.unwrap_or_else(|| comment.into_owned()))
}

/// Stock's form: a heading a day, a line an entry.
fn text(happenings: &[Happening]) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for one in happenings {
        let (day, time) = when(one.at);
        if day != last {
            text.push_str(&format!("=== {day} ===\n"));
            last = day;
        }
        let user = one.user.as_ref().map(Text::to_str_lossy).unwrap_or_default();
        let comment = comment(one).unwrap_or_default();
        let comment: Vec<_> = comment.split_whitespace().collect();
        let tags: Vec<_> = one.tags.iter().map(Text::to_str_lossy).collect();
        let tags = if tags.is_empty() { String::new() } else { format!(" tags: {}", tags.join(", ")) };
        let line = format!("{time} [{}] {} (user: {user}{tags})\n", one.id.short(), comment.join(" "));
        text.push_str(&line.replace(|c: char| c.is_control() && c != '\n', " "));
    }
    text
}

/// Day and time of day, UTC.
fn when(at: UnixTime) -> (String, String) {
    let Ok(at) = jiff::Timestamp::from_millisecond(at.0) else {
        return ("????-??-??".into(), "??:??:??".into());
    };
    (at.strftime("%Y-%m-%d").to_string(), at.strftime("%H:%M:%S").to_string())
}
