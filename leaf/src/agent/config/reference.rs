//! The reference of the configuration, as README.md has it.

use std::fmt::Write as _;

use clap::{Args as _, Command};

use super::flags::Flags;
use super::keys::{ADDRESS, BRIDGE, Key, LEAF, PEER, REPOSITORY};

/// Tables of all keys, in Markdown.
pub(crate) fn reference() -> String {
    let flags = Flags::augment_args(Command::new("leaf"));
    // What else says something of a bridge says it in one flag.
    let no_flags = Command::new("leaf");
    let mut text = String::new();
    let tables: [(&str, &[&[Key]], &Command); 4] = [
        ("The leaf", &[LEAF], &flags),
        ("`[[repository]]`, any number", &[REPOSITORY], &flags),
        (
            "`[[repository.peer]]`, any number; all but the first three may stand in `[defaults]` too",
            &[ADDRESS, PEER],
            &flags,
        ),
        (
            "`[[bridge]]`, any number (flag `--bridge [PROJECT-CODE=]URL`, variable `FROND_LEAF_BRIDGES`)",
            &[BRIDGE],
            &no_flags,
        ),
    ];
    for (title, keys, flags) in tables {
        let _ = writeln!(
            text,
            "{title}:\n\n| key | for example | default | flag, environment | |\n|---|---|---|---|---|"
        );
        for key in keys.iter().flat_map(|keys| keys.iter()) {
            let Key { name, example, default, about } = key;
            let _ = writeln!(
                text,
                "| `{name}` | `{example}` | {default} | {} | {about} |",
                elsewhere(flags, name)
            );
        }
        text.push('\n');
    }
    text
}

/// The flag and the variable that say the same as a key.
fn elsewhere(flags: &Command, key: &str) -> String {
    let key = match key {
        "file" => "repository",
        "url" => "peer",
        key => key,
    };
    let says = |flag: &str| flag == key || flag.strip_prefix("no-") == Some(key);
    let Some(arg) = flags.get_arguments().find(|arg| arg.get_long().is_some_and(says)) else {
        return String::new();
    };
    let flag = arg.get_long().map(|long| format!("`--{long}`"));
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
    flag.into_iter().chain(variable).collect::<Vec<_>>().join(", ")
}
