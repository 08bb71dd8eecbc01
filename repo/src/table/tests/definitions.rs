//! What a table may be, and what it may become.

use super::*;

#[test]
fn t7_columns_are_added_and_nothing_else_is_changed() {
    let base = definition("name:text on:integer", "name", Rule::LastWriter);
    let mut peer = Peer::with(&base);
    peer.put("a", flag("x", 1)).unwrap();
    let before = digest(&peer.repo.snapshot().unwrap(), &name("t"), &KeyPrefix::default()).unwrap();
    let wider = definition("name:text note:text", "name", Rule::LastWriter);
    assert_eq!(peer.define(&wider).unwrap(), Defined::Extended);
    assert_eq!(peer.define(&wider).unwrap(), Defined::Unchanged);
    assert_eq!(peer.define(&base).unwrap(), Defined::Unchanged);
    let joined = peer.table().definition;
    assert_eq!(joined, definition("name:text note:text on:integer", "name", Rule::LastWriter));
    assert_eq!(joined, wider.join(&base).unwrap());
    let after = digest(&peer.repo.snapshot().unwrap(), &name("t"), &KeyPrefix::default()).unwrap();
    assert_eq!(before, after, "a new column changes no row");
    peer.put("a", values([("name", text("x")), ("note", text("n"))])).unwrap();

    let cases = [
        ("name:text on:text", "name", Rule::LastWriter, "column on is integer here, text there"),
        (
            "name:text on:integer",
            "name on",
            Rule::LastWriter,
            "the keys differ: name text here, name text, on integer there",
        ),
        (
            "name:blob on:integer",
            "name",
            Rule::LastWriter,
            "the keys differ: name text here, name blob there",
        ),
        (
            "name:text on:integer",
            "name",
            Rule::Owner,
            "the conflict rules differ: last-writer here, owner there",
        ),
    ];
    for (columns, keys, rule, expected) in cases {
        let error = peer.define(&definition(columns, keys, rule)).unwrap_err();
        assert_eq!(error.to_string(), format!("table t: {expected}"));
        assert_eq!(peer.table().definition, joined);
    }
}

#[test]
fn a_definition_that_makes_no_table_is_refused() {
    let many: String = (0..65).map(|n| format!("c{n}:text ")).collect();
    let cases = [
        ("a:text", "", Rule::Owner, "a table needs a column that is its key"),
        ("a:text", "b", Rule::Owner, "the key b is no column"),
        ("a:text a:integer", "a", Rule::Owner, "column a is there twice"),
        ("a:text", "a a", Rule::Owner, "column a is there twice"),
        ("a:real", "a", Rule::Owner, "column a is real, and so cannot be part of the key"),
        (&many, "c1", Rule::Owner, "a table has at most 64 columns"),
    ];
    for (columns, keys, rule, expected) in cases {
        assert_eq!(try_definition(columns, keys, rule).unwrap_err().to_string(), expected);
    }
    try_definition("a:integer", "a", Rule::Own).unwrap_err();
    let jsons = [
        "",
        "{}",
        r#"{"columns":[],"conflict":"self"}"#,
        r#"{"columns":[{"name":"a","type":"text","pk":true}],"conflict":"mtime-wins"}"#,
        r#"{"columns":[{"name":"a b","type":"text","pk":true}],"conflict":"self"}"#,
        r#"{"columns":[{"name":"a","type":"text","pk":true}],"conflict":"self","more":1}"#,
    ];
    for json in jsons {
        Definition::parse(json.as_bytes()).unwrap_err();
    }
    let json = r#"{"columns":[{"name":"a","type":"text","pk":true}],"conflict":"self"}"#;
    assert_eq!(Definition::parse(json.as_bytes()).unwrap().to_json(), json);
}
