//! Changes of tickets in words.

use rusqlite::hooks::AuthAction;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use super::super::event::{self, html};
use super::super::short::Digits;
use super::fields::State;
use crate::manifest::TicketChange;
use crate::{RepoError, Text, Tx, config, sandbox};

/// How a project words its tickets.
pub(super) struct Wording {
    digits: Digits,
    /// Setting `ticket-title-expr`: SQL over the columns of a ticket.
    title: String,
    /// Where that is worked out, if it is more than the name of a column: the setting may come from a peer.
    sandbox: Option<Connection>,
    /// Setting `ticket-status-column`.
    status: String,
}

impl Wording {
    pub(super) fn of(tx: &Tx<'_>) -> Result<Self, RepoError> {
        let setting = |name: &str, default: &str| -> Result<String, RepoError> {
            Ok(config::get(tx, name)?.filter(|set| !set.is_empty()).unwrap_or_else(|| default.to_owned()))
        };
        let title = setting("ticket-title-expr", "title")?;
        Ok(Self {
            digits: Digits::of(tx)?,
            sandbox: if is_name(&title) { None } else { Some(sandbox::open(may_do)?) },
            title,
            status: setting("ticket-status-column", "status")?,
        })
    }

    /// Comment and brief comment of a change that has just acted on a ticket.
    pub(super) fn tell(&self, change: &TicketChange, state: &State<'_>, order: Order) -> (Text, Text) {
        let name = change.ticket.as_bytes();
        let (long, short) = (self.digits.long(name), self.digits.short(name));
        let link = [b"[", long, b"|", short, b"]"].concat();
        let title = html(&self.title(state));
        if order == Order::First {
            let comment = event::text(&[b"New ticket ", &link, b" <i>", &title, b"</i>."]);
            return (comment, event::text(&[b"New ticket ", &link, b"."]));
        }
        let count = change.fields.len();
        let set = change
            .fields
            .iter()
            .find(|field| !field.append && field.name.as_bytes() == self.status.as_bytes());
        if let Some(status) = set {
            let status = html(status.value.as_bytes());
            let others = match count - 1 {
                0 => String::new(),
                1 => " plus 1 other change".to_owned(),
                n => format!(" plus {n} other changes"),
            };
            let comment =
                event::text(&[&status, b" ticket ", &link, b": <i>", &title, b"</i>", others.as_bytes()]);
            return (comment, event::text(&[&status, b" ticket ", &link, b"."]));
        }
        let plural = if count == 1 { "" } else { "s" };
        let status = html(&state.value(&self.status).unwrap_or_default().0);
        let tail = format!(" with {count} other change{plural}");
        let comment = event::text(&[
            b"Ticket ",
            &link,
            b" <i>",
            &title,
            b"</i> status still ",
            &status,
            tail.as_bytes(),
        ]);
        let brief = event::text(&[b"Ticket ", &link, format!(": {count} change{plural}").as_bytes()]);
        (comment, brief)
    }

    /// The title of a ticket; empty if there is none, or if the expression is no good.
    fn title(&self, state: &State<'_>) -> Vec<u8> {
        let Some(sandbox) = &self.sandbox else { return state.value(&self.title).unwrap_or_default().0 };
        let (names, values): (Vec<String>, Vec<Option<Text>>) = state.columns().unzip();
        let columns: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("?{} AS \"{}\"", at + 1, name.replace('"', "\"\"")))
            .collect();
        let sql = format!("SELECT {} FROM (SELECT {})", self.title, columns.join(","));
        let Ok(mut statement) = sandbox.prepare(&sql) else { return Vec::new() };
        let title = statement.query_row(params_from_iter(values), |row| {
            Ok(match row.get_ref(0)? {
                ValueRef::Text(text) | ValueRef::Blob(text) => text.to_vec(),
                ValueRef::Integer(number) => number.to_string().into_bytes(),
                ValueRef::Real(number) => number.to_string().into_bytes(),
                ValueRef::Null => Vec::new(),
            })
        });
        title.unwrap_or_default()
    }
}

fn is_name(title: &str) -> bool {
    title.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn may_do(action: &AuthAction<'_>) -> bool {
    matches!(action, AuthAction::Select | AuthAction::Read { .. } | AuthAction::Function { .. })
}

/// Whether a change made its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    First,
    Later,
}
