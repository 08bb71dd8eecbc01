//! What capability letters allow, as the reference says it (wire.md section 4.5). It is written down here anew, so
//! that it is compared with what the product makes of them.

/// What a user may do, in letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letters(String);

/// What sync asks letters for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Clone.
    Clone,
    /// Pull, and read unversioned files.
    Read,
    /// Push.
    Write,
    /// See and give private artifacts.
    Private,
    /// Give unversioned files.
    WriteFiles,
    /// See the addresses that tickets hide.
    Addresses,
    /// Give configuration, and rows of others.
    Admin,
    /// Make users who may do everything.
    SetUp,
}

impl Letters {
    /// The letters of some rows of the table of users together. `v` and `u` stand for what the users `developer`
    /// and `reader` of a new repository have.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a str>) -> Self {
        Self::like(rows, "ei", "kptw")
    }

    /// The same, where those two have these letters.
    pub fn like<'a>(rows: impl IntoIterator<Item = &'a str>, developer: &str, reader: &str) -> Self {
        let mut letters: String = rows.into_iter().collect();
        // Each may be like the other.
        for (letter, likes) in [('v', developer), ('u', reader), ('v', developer)] {
            letters.push_str(if letters.contains(letter) { likes } else { "" });
        }
        Self(letters)
    }

    /// Whether they allow something.
    pub fn allow(&self, right: Right) -> bool {
        let any = |wanted: &str| self.0.chars().any(|letter| wanted.contains(letter));
        match right {
            Right::Clone => any("gas"),
            Right::Read => any("oias"),
            Right::Write => any("ias"),
            Right::Private => any("x"),
            Right::WriteFiles => any("y"),
            Right::Addresses => any("eas"),
            Right::Admin => any("as"),
            Right::SetUp => any("s"),
        }
    }
}
