//! Which names artifacts may carry.

/// Whether this is a path of non-empty components, none of them `.` or `..`.
///
/// Back slashes, control characters and what is no UTF-8 are allowed: whoever writes to a disk must look
/// again.
pub(super) fn is_simple_path(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some(slash) = memchr::memchr(b'/', rest) {
        if !is_component(&rest[..slash]) {
            return false;
        }
        rest = &rest[slash + 1..];
    }
    is_component(rest)
}

fn is_component(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
}

/// Whether Fossil keeps a file of its own under that name: such a file is left out of the tree.
pub fn is_reserved(name: &[u8]) -> bool {
    let tail = tail(name);
    if !matches!(tail, [b'_' | b'.', ..]) {
        return false;
    }
    let stem = [&b"_FOSSIL_"[..], b".fslckout"]
        .into_iter()
        .find(|stem| tail.get(..stem.len()).is_some_and(|head| head.eq_ignore_ascii_case(stem)));
    let Some(stem) = stem else { return false };
    let suffix = &tail[stem.len()..];
    [&b""[..], b"-wal", b"-shm", b"-journal"].iter().any(|known| suffix.eq_ignore_ascii_case(known))
}

/// The last component of a path.
pub(super) fn tail(name: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', name).map_or(name, |slash| &name[slash + 1..])
}

/// Whether a wiki page may have that name.
pub(super) fn is_page_name(name: &[u8]) -> bool {
    let bad = |pair: &[u8]| pair[1] < b' ' || pair == b"  ";
    (1..=100).contains(&name.len()) && name[0] > b' ' && !name.ends_with(b" ") && !name.windows(2).any(bad)
}

/// Whether all characters are hex digits of either case; so is the empty text.
pub(super) fn is_hex(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_paths_have_plain_components() {
        for good in ["a", "a/b", ".x", "a/.x", "..x/y", "a/...", "a\\b", ".git/hooks/x"] {
            assert!(is_simple_path(good.as_bytes()), "{good}");
        }
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b"] {
            assert!(!is_simple_path(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn files_of_fossil_itself_are_reserved_in_any_case_and_folder() {
        for name in
            ["_FOSSIL_", "_fossil_", ".fslckout", ".FSLCKOUT-wal", "a/_fossil_-shm", "a/.fslckout-journal"]
        {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in [".fos", ".fos-wal", "x_FOSSIL_", "_FOSSIL_x", "_FOSSIL_/x", ".fslckout-x", "", "a/"] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn page_names_have_no_stray_space() {
        let long = "x".repeat(100);
        for good in ["a", "a b", "a\u{7f}", "é", long.as_str()] {
            assert!(is_page_name(good.as_bytes()), "{good}");
        }
        let too_long = "x".repeat(101);
        for bad in ["", " a", "a ", "a  b", "a\tb", "\u{1f}", too_long.as_str()] {
            assert!(!is_page_name(bad.as_bytes()), "{bad}");
        }
    }
}
