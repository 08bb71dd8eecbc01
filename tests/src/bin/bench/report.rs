//! The table as a whole: what was measured now, among what an earlier run kept.

use std::fmt::{self, Display};
use std::path::Path;

use crate::table;

/// Rows, and how cost grows.
#[derive(Default)]
pub(crate) struct Report {
    /// Lines of the table, by their first cell.
    rows: Vec<(String, String)>,
    growth: Vec<Growth>,
}

/// What something costs at one size of a repository.
struct Growth {
    what: String,
    checkins: usize,
    value: f64,
}

impl Report {
    /// What an earlier run kept; nothing if there was none.
    pub(crate) fn read(file: &Path) -> Self {
        let mut report = Self::default();
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            if let Some(growth) = Growth::read(line) {
                report.growth.push(growth);
            } else if line.starts_with("| ") && !line.starts_with("| work |") {
                report.put(&format!("{line}\n"));
            }
        }
        report
    }

    /// Adds a line of the table, or puts it in the place of an earlier one of the same name.
    pub(crate) fn put(&mut self, line: &str) {
        let name = line.split('|').nth(1).unwrap_or_default().trim().to_owned();
        match self.rows.iter_mut().find(|row| row.0 == name) {
            Some(row) => line.clone_into(&mut row.1),
            None => self.rows.push((name, line.to_owned())),
        }
    }

    /// Notes what something costs at one size.
    pub(crate) fn grow(&mut self, what: &str, checkins: usize, value: f64) {
        self.growth.retain(|known| (known.what.as_str(), known.checkins) != (what, checkins));
        self.growth.push(Growth { what: what.to_owned(), checkins, value });
    }
}

impl Growth {
    /// Reads back what [`Report`] writes of it.
    fn read(line: &str) -> Option<Self> {
        let (what, rest) = line.strip_prefix("- ")?.rsplit_once(" at ")?;
        let (checkins, rest) = rest.split_once(" check-ins: ")?;
        let (value, _) = rest.split_once(',')?;
        Some(Self { what: what.to_owned(), checkins: checkins.parse().ok()?, value: value.parse().ok()? })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", table::head())?;
        self.rows.iter().try_for_each(|(_, line)| f.write_str(line))?;
        if !self.growth.is_empty() {
            writeln!(f, "\nHow Frond's cost grows (aimed at: within 1.2 of the smaller repository):\n")?;
        }
        for Growth { what, checkins, value } in &self.growth {
            let of_same = self.growth.iter().filter(|other| other.what == *what);
            let least = of_same.min_by_key(|other| other.checkins).map_or(*value, |least| least.value);
            let share = value / least;
            writeln!(f, "- {what} at {checkins} check-ins: {value:.3}, {share:.2} of the smallest")?;
        }
        Ok(())
    }
}
