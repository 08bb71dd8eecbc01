//! Tests that a table names, so that a row can point to one elsewhere and still fail.

use std::path::Path;

/// Fails if `file`, a path in this workspace, does not hold a test of that name.
#[track_caller]
pub fn is_a_test(file: &str, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(holds_test(&text, name), "{file} has no test {name}");
}

/// A function of that name with `#[test]`, or what begins with `#[tokio::test`, among the lines above it.
fn holds_test(text: &str, name: &str) -> bool {
    let starts = [format!("fn {name}("), format!("async fn {name}(")];
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if starts.iter().any(|start| line.starts_with(start)) {
            return is_test;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            is_test = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_function_with_the_attribute_is_a_test() {
        let text = "#[test]\n/// Says so.\nfn one() {\n}\nfn two() {}\n#[tokio::test(flavor = \"x\")]\nasync fn three() {}\n";
        let found = ["one", "two", "three", "four", "on"].map(|name| holds_test(text, name));
        assert_eq!(found, [true, false, true, false, false]);
    }
}
