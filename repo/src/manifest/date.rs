//! Times as SQLite's `julianday()` reads them.

use crate::UnixTime;

/// Reads any constant time that SQLite's `julianday()` accepts; `now` and modifiers are refused.
pub fn parse(_text: &[u8]) -> Option<UnixTime> {
    unimplemented!()
}

/// Writes `YYYY-MM-DDTHH:MM:SS.sss`.
pub fn format(_time: UnixTime) -> String {
    unimplemented!()
}
