//! What a synced table looks like.

use std::fmt;

use serde::{Deserialize, Serialize};
use xfer::table::SqlNameError;
use xfer::{ArtifactId, SqlName, hash};

/// Columns and conflict rule. Columns of the key stand first, in their order; the others follow by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    keys: Vec<Column>,
    others: Vec<Column>,
    rule: Rule,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Its name.
    pub name: SqlName,
    /// What it holds, if it is not NULL.
    pub kind: Type,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// UTF-8.
    Text,
    /// 64 bits, signed.
    Integer,
    /// A finite double.
    Real,
    /// Bytes.
    Blob,
}

/// Who may write a row, and which of two versions stays. In all of them it is the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Whoever may push.
    LastWriter,
    /// The user who wrote the row first, until the tombstone of a deleted row has expired.
    Owner,
    /// The user whose name is in the first column of the key.
    #[serde(rename = "self")]
    Own,
}

/// Says why a definition is none, or why two do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Not the JSON of a definition.
    #[error("no definition of a table: {0}")]
    Json(String),
    /// A bad name.
    #[error("column {name:?}: {reason}")]
    Name {
        /// Which.
        name: String,
        /// Why.
        reason: SqlNameError,
    },
    /// A name twice.
    #[error("column {0} is there twice")]
    Repeated(SqlName),
    /// Nothing to tell rows apart by.
    #[error("a table needs a column that is its key")]
    NoKey,
    /// A key names no column.
    #[error("the key {0} is no column")]
    UnknownKey(SqlName),
    /// A key that rounding would change.
    #[error("column {0} is real, and so cannot be part of the key")]
    RealKey(SqlName),
    /// No place for the user's name.
    #[error("in a table with conflict rule self the first column of the key holds the user: text, not {0}")]
    SelfNeedsText(Type),
    /// More than [`Definition::MAX_COLUMNS`].
    #[error("a table has at most {} columns", Definition::MAX_COLUMNS)]
    TooMany,
    /// The other definition has other keys.
    #[error("the keys differ: {ours} here, {theirs} there")]
    OtherKeys {
        /// Ours.
        ours: String,
        /// The other.
        theirs: String,
    },
    /// The other definition has another rule.
    #[error("the conflict rules differ: {ours} here, {theirs} there")]
    OtherRule {
        /// Ours.
        ours: Rule,
        /// The other.
        theirs: Rule,
    },
    /// The other definition has another type for a column, or makes it a key.
    #[error("column {column} is {ours} here, {theirs} there")]
    OtherType {
        /// Which.
        column: SqlName,
        /// Ours.
        ours: Type,
        /// The other.
        theirs: Type,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    columns: Vec<WrittenColumn>,
    conflict: Rule,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenColumn {
    name: String,
    r#type: Type,
    pk: bool,
}

impl Type {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Text, Self::Integer, Self::Real, Self::Blob];
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::LastWriter, Self::Owner, Self::Own];
}

impl Definition {
    /// Columns of one table, keys included.
    pub const MAX_COLUMNS: usize = 64;

    /// Puts a definition together; `keys` are names of `columns`.
    pub fn new(columns: Vec<Column>, keys: &[SqlName], rule: Rule) -> Result<Self, DefinitionError> {
        let mut others = columns;
        others.sort();
        if let Some(pair) = others.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(DefinitionError::Repeated(pair[0].name.clone()));
        }
        let mut own = Vec::new();
        for key in keys {
            if own.iter().any(|column: &Column| column.name == *key) {
                return Err(DefinitionError::Repeated(key.clone()));
            }
            let found = others.iter().position(|column| column.name == *key);
            own.push(others.remove(found.ok_or_else(|| DefinitionError::UnknownKey(key.clone()))?));
        }
        let definition = Self { keys: own, others, rule };
        definition.check().map(|()| definition)
    }

    fn check(&self) -> Result<(), DefinitionError> {
        let Some(first) = self.keys.first() else { return Err(DefinitionError::NoKey) };
        if let Some(real) = self.keys.iter().find(|key| key.kind == Type::Real) {
            return Err(DefinitionError::RealKey(real.name.clone()));
        }
        if self.rule == Rule::Own && first.kind != Type::Text {
            return Err(DefinitionError::SelfNeedsText(first.kind));
        }
        if self.columns().count() > Self::MAX_COLUMNS {
            return Err(DefinitionError::TooMany);
        }
        Ok(())
    }

    /// Reads what [`Definition::to_json`] writes.
    pub fn parse(json: &[u8]) -> Result<Self, DefinitionError> {
        let written: Written =
            serde_json::from_slice(json).map_err(|error| DefinitionError::Json(error.to_string()))?;
        let (mut columns, mut keys) = (Vec::new(), Vec::new());
        for WrittenColumn { name, r#type, pk } in written.columns {
            let name =
                SqlName::new(name.as_str()).map_err(|reason| DefinitionError::Name { name, reason })?;
            if pk {
                keys.push(name.clone());
            }
            columns.push(Column { name, kind: r#type });
        }
        Self::new(columns, &keys, written.conflict)
    }

    /// The definition as JSON: always the same text for the same definition.
    pub fn to_json(&self) -> String {
        let column =
            |column: &Column, pk| WrittenColumn { name: column.name.to_string(), r#type: column.kind, pk };
        let keys = self.keys.iter().map(|key| column(key, true));
        let others = self.others.iter().map(|other| column(other, false));
        let written = Written { columns: keys.chain(others).collect(), conflict: self.rule };
        serde_json::to_string(&written).expect("texts only")
    }

    /// Names the definition: SHA-1 of its JSON.
    pub fn hash(&self) -> ArtifactId {
        hash::sha1(self.to_json().as_bytes())
    }

    /// The columns that tell rows apart.
    pub fn keys(&self) -> &[Column] {
        &self.keys
    }

    /// All columns.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.keys.iter().chain(&self.others)
    }

    /// Who may write.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The columns of both: the same whichever comes first. Keys, rule and common columns must not differ.
    pub fn join(&self, other: &Self) -> Result<Self, DefinitionError> {
        if self.keys != other.keys {
            let keys = |keys: &[Column]| {
                keys.iter().map(|key| format!("{} {}", key.name, key.kind)).collect::<Vec<_>>().join(", ")
            };
            return Err(DefinitionError::OtherKeys { ours: keys(&self.keys), theirs: keys(&other.keys) });
        }
        if self.rule != other.rule {
            return Err(DefinitionError::OtherRule { ours: self.rule, theirs: other.rule });
        }
        let mut others = self.others.clone();
        for new in &other.others {
            match self.others.iter().find(|column| column.name == new.name) {
                None => others.push(new.clone()),
                Some(held) if held.kind == new.kind => {}
                Some(held) => {
                    let (column, ours, theirs) = (new.name.clone(), held.kind, new.kind);
                    return Err(DefinitionError::OtherType { column, ours, theirs });
                }
            }
        }
        others.sort();
        let joined = Self { keys: self.keys.clone(), others, rule: self.rule };
        joined.check().map(|()| joined)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Blob => "blob",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LastWriter => "last-writer",
            Self::Owner => "owner",
            Self::Own => "self",
        })
    }
}
