//! Changes of tickets in words.

use super::super::event::{self, html};
use super::super::short::Digits;
use super::fields::State;
use crate::manifest::TicketChange;
use crate::{RepoError, Text, Tx, config};

/// How a project words its tickets.
pub(super) struct Wording {
    digits: Digits,
    /// Setting `ticket-title-expr`: a column of tickets, whatever its name says.
    title: String,
    /// Setting `ticket-status-column`.
    status: String,
}

impl Wording {
    pub(super) fn of(tx: &Tx<'_>) -> Result<Self, RepoError> {
        let setting = |name: &str, default: &str| -> Result<String, RepoError> {
            Ok(config::get(tx, name)?.filter(|set| !set.is_empty()).unwrap_or_else(|| default.to_owned()))
        };
        Ok(Self {
            digits: Digits::of(tx)?,
            title: setting("ticket-title-expr", "title")?,
            status: setting("ticket-status-column", "status")?,
        })
    }

    /// Comment and brief comment of a change that has just acted on a ticket.
    pub(super) fn tell(&self, change: &TicketChange, state: &State<'_>, order: Order) -> (Text, Text) {
        let name = change.ticket.as_bytes();
        let (long, short) = (self.digits.long(name), self.digits.short(name));
        let link = [b"[", long, b"|", short, b"]"].concat();
        let title = html(&state.value(&self.title).unwrap_or_default().0);
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
}

/// Whether a change made its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    First,
    Later,
}
