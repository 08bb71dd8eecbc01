//! One record: `MTIME KEY (COLUMN VALUE)*`, where keys and values are literals of SQL. They are read here, and
//! bound as values ever after: nothing of a record is ever part of a statement.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use super::group::{self, Group, Groups};

/// What a record is about: `TYPE` of its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Setting,
    User,
    Shun,
    Report,
    Concealed,
    Subscriber,
}

/// Where records of a kind are kept.
pub(super) struct Shape {
    /// `TYPE` of the card.
    pub(super) card: &'static str,
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    pub(super) columns: &'static [&'static str],
    /// None for settings, where the name says it.
    group: Option<Group>,
}

impl Kind {
    /// In the order in which stock sends them.
    pub(super) const ALL: [Self; 6] =
        [Self::Shun, Self::User, Self::Report, Self::Concealed, Self::Setting, Self::Subscriber];

    fn of_card(card: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.shape().card == card)
    }

    pub(super) fn shape(self) -> &'static Shape {
        match self {
            Self::Setting => {
                &Shape { card: "/config", table: "config", key: "name", columns: &["value"], group: None }
            }
            Self::User => &Shape {
                card: "/user",
                table: "user",
                key: "login",
                columns: &["pw", "cap", "info", "photo", "jx"],
                group: Some(Group::User),
            },
            Self::Shun => &Shape {
                card: "/shun",
                table: "shun",
                key: "uuid",
                columns: &["scom"],
                group: Some(Group::Shun),
            },
            Self::Report => &Shape {
                card: "/reportfmt",
                table: "reportfmt",
                key: "title",
                columns: &["owner", "cols", "sqlcode", "jx"],
                group: Some(Group::Ticket),
            },
            Self::Concealed => &Shape {
                card: "/concealed",
                table: "concealed",
                key: "hash",
                columns: &["content"],
                group: Some(Group::Email),
            },
            Self::Subscriber => &Shape {
                card: "/subscriber",
                table: "subscriber",
                key: "semail",
                columns: &["suname", "sdigest", "sdonotcall", "ssub", "sctime", "smip"],
                group: Some(Group::Subscriber),
            },
        }
    }

    /// The groups that every record of the kind belongs to; none for settings.
    pub(super) fn groups(self) -> Groups {
        self.shape().group.map_or(Groups::NONE, Groups::from)
    }
}

/// A literal of SQL. Text is of any bytes but NUL.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Integer(i64),
    /// Of more digits than an integer holds.
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl ToSql for Literal {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

impl From<ValueRef<'_>> for Literal {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) if number >= 0 => Self::Integer(number),
            // Neither a sign nor a point can be said in a record.
            ValueRef::Integer(number) => Self::Text(number.to_string().into_bytes()),
            ValueRef::Real(number) => Self::Text(number.to_string().into_bytes()),
            ValueRef::Text(text) if text.contains(&0) => Self::Blob(text.to_vec()),
            ValueRef::Text(text) => Self::Text(text.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

impl Literal {
    /// Appends the literal as stock writes it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"NULL"),
            Self::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Real(number) => out.extend_from_slice(format!("{number:.0}").as_bytes()),
            Self::Text(text) => {
                out.push(b'\'');
                for &byte in text {
                    if byte == b'\'' {
                        out.push(byte);
                    }
                    out.push(byte);
                }
                out.push(b'\'');
            }
            Self::Blob(bytes) => {
                out.extend_from_slice(b"X'");
                for byte in bytes {
                    out.extend_from_slice(format!("{byte:02X}").as_bytes());
                }
                out.push(b'\'');
            }
        }
    }
}

/// A record that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// What names the row: never empty.
    pub(super) key: Vec<u8>,
    /// What it says, each column of the kind at most once.
    pub(super) values: Vec<(&'static str, Literal)>,
}

impl Record {
    /// Reads a record. None if it is not one: a key that is no text, a value that is no literal, a login that is
    /// not UTF-8. Columns that the kind does not have are passed over, and of a repeated one the first counts.
    pub(super) fn parse(card: &str, bytes: &[u8]) -> Option<Self> {
        let kind = Kind::of_card(card)?;
        let mut reader = Reader(bytes);
        let Literal::Integer(mtime) = reader.literal()? else { return None };
        let Literal::Text(key) = reader.literal()? else { return None };
        if key.is_empty() || (kind == Kind::User && std::str::from_utf8(&key).is_err()) {
            return None;
        }
        let mut values: Vec<(&'static str, Literal)> = Vec::new();
        while let Some(word) = reader.word() {
            let value = reader.literal()?;
            let known = kind.shape().columns.iter().find(|column| column.as_bytes() == word);
            if let Some(&column) = known.filter(|&column| values.iter().all(|(other, _)| other != column)) {
                values.push((column, value));
            }
        }
        Some(Self { kind, mtime, key, values })
    }

    /// The groups that it belongs to; none if it may not travel.
    pub(super) fn groups(&self) -> Groups {
        match self.kind {
            Kind::Setting => group::of_setting(&self.key),
            kind => kind.groups(),
        }
    }

    /// What it says of a column, as text.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let (_, value) = self.values.iter().find(|(name, _)| *name == column)?;
        match value {
            Literal::Null => None,
            Literal::Integer(number) => Some(number.to_string()),
            Literal::Real(number) => Some(number.to_string()),
            Literal::Text(bytes) | Literal::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// What is left of a record.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next word, up to a blank.
    fn word(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.trim_ascii_start();
        let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(length);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next literal, which a blank or the end must follow.
    fn literal(&mut self) -> Option<Literal> {
        self.0 = self.0.trim_ascii_start();
        match self.0 {
            [b'\'', rest @ ..] => {
                let text = self.quoted(rest)?;
                (!text.contains(&0)).then_some(Literal::Text(text))
            }
            [b'x' | b'X', b'\'', rest @ ..] => {
                let digits = self.quoted(rest)?;
                let mut bytes = vec![0; digits.len() / 2];
                faster_hex::hex_decode(&digits, &mut bytes).ok()?;
                Some(Literal::Blob(bytes))
            }
            _ => bare(self.word()?),
        }
    }

    /// The inside of quotes, of which the first is read, with doubled ones halved.
    fn quoted(&mut self, inside: &'a [u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut rest = inside;
        loop {
            let end = rest.iter().position(|&byte| byte == b'\'')?;
            text.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.first() {
                Some(b'\'') => text.push(b'\''),
                Some(byte) if !byte.is_ascii_whitespace() => return None,
                _ => break,
            }
            rest = &rest[1..];
        }
        self.0 = rest;
        Some(text)
    }
}

/// A literal without quotes.
fn bare(word: &[u8]) -> Option<Literal> {
    if word.eq_ignore_ascii_case(b"null") {
        return Some(Literal::Null);
    }
    if !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(word).ok()?;
    digits.parse().map(Literal::Integer).ok().or_else(|| digits.parse().map(Literal::Real).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Option<Literal> {
        let record = Record::parse("/config", format!("1 'css' value {text}").as_bytes())?;
        record.values.into_iter().next().map(|(_, value)| value)
    }

    #[test]
    fn a_value_is_a_literal_of_sql_and_nothing_else() {
        let text = |text: &str| Some(Literal::Text(text.as_bytes().to_vec()));
        let cases = [
            ("'a b'", text("a b")),
            ("''", text("")),
            ("'it''s'", text("it's")),
            ("''''", text("'")),
            ("'a\n\tb' ", text("a\n\tb")),
            ("x'4142'", Some(Literal::Blob(b"AB".to_vec()))),
            ("X'00ff'", Some(Literal::Blob(vec![0, 255]))),
            ("x''", Some(Literal::Blob(Vec::new()))),
            ("12", Some(Literal::Integer(12))),
            ("99999999999999999999", Some(Literal::Real(1e20))),
            ("NULL", Some(Literal::Null)),
            ("null", Some(Literal::Null)),
            ("'a", None),
            ("'a';drop", None),
            ("'a'b'", None),
            ("'a\0b'", None),
            ("x'4'", None),
            ("x'zz'", None),
            ("-1", None),
            ("1.5", None),
            ("random()", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(value(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_record_is_none() {
        let cases = [
            ("/config", ""),
            ("/config", "1"),
            ("/config", "1 'css' value"),
            ("/config", "x 'css' value '1'"),
            ("/config", "2440587.5 'css' value '1'"),
            ("/config", "-1 'css' value '1'"),
            ("/config", "99999999999999999999 'css' value '1'"),
            ("/config", "'1' 'css' value '1'"),
            ("/config", "1 css value '1'"),
            ("/config", "1 '' value '1'"),
            ("/user", "1 NULL pw 'x'"),
            ("/user", "1 '' pw 'x'"),
            ("/config", "1 'css' value '1' other ;"),
            ("/Config", "1 'css' value '1'"),
            ("config", "1 'css' value '1'"),
            ("css", "1 'css' value '1'"),
        ];
        for (card, record) in cases {
            assert_eq!(Record::parse(card, record.as_bytes()), None, "{card} {record}");
        }
        assert_eq!(Record::parse("/user", b"1 '\xff' pw 'x'"), None);
    }

    #[test]
    fn unknown_columns_are_passed_over_and_the_first_of_two_counts() {
        let record = Record::parse("/user", b" 7  'bob' cookie 'c' cap 'v' uid 1 cap 's' pw NULL\n").unwrap();
        let cap = Literal::Text(b"v".to_vec());
        assert_eq!(record.values, [("cap", cap), ("pw", Literal::Null)]);
        assert_eq!((record.mtime, record.key), (7, b"bob".to_vec()));
        assert!(Record::parse("/shun", b"1 'abc'").unwrap().values.is_empty());
    }

    fn literals() -> impl Strategy<Value = Literal> {
        prop_oneof![
            Just(Literal::Null),
            (0..i64::MAX).prop_map(Literal::Integer),
            proptest::collection::vec(1_u8.., 0..40).prop_map(Literal::Text),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Literal::Blob),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(mtime in 0..i64::MAX, key in "[^\0]{1,20}", pw in literals(), jx in literals()) {
            let mut written = mtime.to_string().into_bytes();
            for (name, value) in [("", &Literal::Text(key.clone().into_bytes())), (" pw", &pw), (" jx", &jx)] {
                written.extend_from_slice(name.as_bytes());
                written.push(b' ');
                value.write(&mut written);
            }
            let record = Record::parse("/user", &written).unwrap();
            prop_assert_eq!(record.mtime, mtime);
            prop_assert_eq!(record.key, key.into_bytes());
            prop_assert_eq!(record.values, vec![("pw", pw), ("jx", jx)]);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for kind in Kind::ALL {
                let _ = Record::parse(kind.shape().card, &bytes);
            }
        }

        #[test]
        fn no_text_of_record_like_pieces_makes_the_reader_panic(
            pieces in proptest::collection::vec(
                prop_oneof![Just("'"), Just("''"), Just(" "), Just("x'"), Just("NULL"), Just("pw"), Just("1"), Just("é")],
                0..30,
            ),
        ) {
            let _ = Record::parse("/user", pieces.concat().as_bytes());
            let _ = Record::parse("/user", format!("1 'a' {}", pieces.concat()).as_bytes());
        }
    }
}
