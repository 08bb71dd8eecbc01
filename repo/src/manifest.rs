//! Structural artifacts: check-ins, clusters, tags, wiki pages, tickets, attachments, technotes, forum posts
//! (reference: repo.md section 5).
//!
//! An artifact that breaks a rule is not an error: it is plain content.

pub mod card;
pub mod date;
pub mod parse;
pub mod write;

pub use card::*;
pub(crate) use parse::Reader;
pub use parse::is_reserved as is_reserved_file;
pub use parse::{NotStructural, parse};
pub use write::write;
