//! Values of columns, on the wire, in the file and as bytes to hash.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value as Json};
use xfer::SqlName;

use super::{Definition, TableError, Type};

/// A value that is not NULL.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// UTF-8.
    Text(String),
    /// 64 bits, signed.
    Integer(i64),
    /// Finite, and no negative zero: SQLite keeps neither.
    Real(f64),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The columns of a row that are not NULL.
pub type Values = BTreeMap<SqlName, Value>;

/// Which columns are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those of the key.
    Key,
    /// All.
    Row,
}

impl Value {
    /// Reads a value as people write it: text as it is, numbers in decimal, bytes in hex digits.
    pub fn parse(text: &str, kind: Type) -> Option<Self> {
        match kind {
            Type::Text => Some(Self::Text(text.to_owned())),
            Type::Integer => text.parse().ok().map(Self::Integer),
            Type::Real => Self::real(text.parse().ok()?),
            Type::Blob => unhex(text).map(Self::Blob),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Type {
        match self {
            Self::Text(_) => Type::Text,
            Self::Integer(_) => Type::Integer,
            Self::Real(_) => Type::Real,
            Self::Blob(_) => Type::Blob,
        }
    }

    fn real(number: f64) -> Option<Self> {
        // Adding zero makes a negative zero positive.
        number.is_finite().then_some(Self::Real(number + 0.0))
    }

    fn from_json(json: &Json, kind: Type) -> Option<Self> {
        match (json, kind) {
            (Json::String(text), Type::Text) => Some(Self::Text(text.clone())),
            (Json::String(digits), Type::Blob) => unhex(digits).map(Self::Blob),
            (Json::Number(number), Type::Integer) => number.as_i64().map(Self::Integer),
            (Json::Number(number), Type::Real) if number.is_f64() => Self::real(number.as_f64()?),
            _ => None,
        }
    }

    /// The value as JSON: bytes are a text of hex digits.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(text.as_str()),
            Self::Integer(number) => Json::from(*number),
            Self::Real(number) => Json::from(*number),
            Self::Blob(bytes) => Json::from(faster_hex::hex_string(bytes)),
        }
    }

    /// Reads a column of the file; none if it holds something else.
    pub(super) fn from_sql(value: ValueRef<'_>, kind: Type) -> Option<Self> {
        match (value, kind) {
            (ValueRef::Text(text), Type::Text) => Some(Self::Text(str::from_utf8(text).ok()?.to_owned())),
            (ValueRef::Integer(number), Type::Integer) => Some(Self::Integer(number)),
            (ValueRef::Real(number), Type::Real) => Self::real(number),
            (ValueRef::Blob(bytes), Type::Blob) => Some(Self::Blob(bytes.to_vec())),
            _ => None,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Checks values against the columns that they are for.
pub(super) fn check(values: &Values, definition: &Definition, part: Part) -> Result<(), TableError> {
    for (name, value) in values {
        let column = definition.columns().find(|column| column.name == *name);
        let column = column.ok_or_else(|| TableError::UnknownColumn(name.to_string()))?;
        if value.kind() != column.kind {
            return Err(TableError::WrongType { column: name.clone(), wanted: column.kind });
        }
        if part == Part::Key && !definition.keys().contains(column) {
            return Err(TableError::NotInKey(name.clone()));
        }
    }
    match definition.keys().iter().find(|key| !values.contains_key(&key.name)) {
        Some(key) => Err(TableError::NoKey(key.name.clone())),
        None => Ok(()),
    }
}

/// The values as a JSON object, which leaves out what is NULL.
pub(super) fn to_json(values: &Values) -> String {
    let object: Map<_, _> = values.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect();
    Json::Object(object).to_string()
}

/// Reads what [`to_json`] writes. A column may be `null` too, but not be there twice.
pub(super) fn from_json(json: &[u8], definition: &Definition, part: Part) -> Result<Values, TableError> {
    let malformed = |error: serde_json::Error| TableError::Json(error.to_string());
    let mut reader = serde_json::Deserializer::from_slice(json);
    let pairs = (&mut reader).deserialize_map(Pairs).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    let mut values = Values::new();
    let mut nulls = Vec::new();
    for (name, json) in pairs {
        let column = definition.columns().find(|column| column.name.as_str() == name);
        let column = column.ok_or(TableError::UnknownColumn(name))?;
        let name = &column.name;
        if values.contains_key(name) || nulls.contains(name) {
            return Err(TableError::RepeatedColumn(name.clone()));
        }
        if json.is_null() {
            nulls.push(name.clone());
            continue;
        }
        let wrong = || TableError::WrongType { column: name.clone(), wanted: column.kind };
        values.insert(name.clone(), Value::from_json(&json, column.kind).ok_or_else(wrong)?);
    }
    check(&values, definition, part).map(|()| values)
}

/// Adds values to what is hashed. No two sets of values give the same bytes.
pub(super) fn push_bytes(values: &Values, out: &mut Vec<u8>) {
    for (name, value) in values {
        push_framed(name.as_str().as_bytes(), out);
        match value {
            Value::Text(text) => push_typed(b't', text.as_bytes(), out),
            Value::Integer(number) => push_typed(b'i', &number.to_be_bytes(), out),
            Value::Real(number) => push_typed(b'r', &number.to_be_bytes(), out),
            Value::Blob(bytes) => push_typed(b'b', bytes, out),
        }
    }
}

/// Adds bytes with their number before them.
pub(super) fn push_framed(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_be_bytes());
    out.extend(bytes);
}

fn push_typed(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    push_framed(bytes, out);
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; digits.len() / 2];
    faster_hex::hex_decode(digits.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// Reads an object as it is written, names that repeat included.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, Json)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}
