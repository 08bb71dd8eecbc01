//! Expected links are those that stock 2.21 stored for the same text.

use proptest::prelude::*;

use super::*;

fn wiki(text: &str) -> String {
    backlinks(text.as_bytes(), None).join(" ")
}

fn markdown(text: &str) -> String {
    let mut found = backlinks(text.as_bytes(), Some(&"text/x-markdown".into()));
    found.sort();
    found.join(" ")
}

const WIKI_FORMS: &str = "short [abc] four [abcd] up [ABCDE1] bar [aa000002|text] lead [ aa000003] trail \
    [aa000004 ] sp [aa000005 | x] info [/info/aa000006] q [/info/aa000007?x] rel [info/aa000008] wk \
    [wiki:aa000009] url [http://h/info/aa000010] nowiki <nowiki>[aa000011]</nowiki> verb \
    <verbatim>[aa000012]</verbatim> ahref <a href=\"/info/aa000013\">x</a> md [t](aa000014) md2 \
    [t](/info/aa000015) digits [20200102] unk [deadbeef] forum [forum:aa000017] tkt [tkt:aa000018] art \
    [/artifact/aa000019] h64 [abababababababababababababababababababababababababababababababab] h65 \
    [ababababababababababababababababababababababababababababababababc] two[aa000020][aa000021] nest \
    [[aa000022]] nl [aa000\n023] pre <pre>[aa000024]</pre> code <code>[aa000025]</code> cmt \
    <!-- [aa000026] --> ent &#91;aa000027&#93; bad <foo>[aa000028]</foo> dup [aa000002] ln [/info/abc] open \
    [aa000029";

#[test]
fn wiki_links_are_those_of_the_worked_example() {
    assert_eq!(
        wiki(WIKI_FORMS),
        "abcd abcde1 aa000002 aa000004 aa000005 aa000006 20200102 deadbeef \
         abababababababababababababababababababababababababababababababab aa000020 aa000021 aa000024 aa000025 \
         aa000026 aa000028"
    );
}

const MARKDOWN_FORMS: &str = "lone [bb000001] para [t](bb000002) [t](/info/bb000003) [t](bb000004 \"title\") \
    [t][ref] [bb000005][] <bb000006> <https://x/info/bb000007> ![im](bb000008) `[t](bb000009)` \
    **[t](bb000010)** [t](BB000011) [t](#bb000012) [t](/info/bb000013?x) <a href=\"bb000014\">x</a> \
    [t](/artifact/bb000015) [t](abc) [t]( bb000016 ) [bb000017|t] [bb000018]: x [^bb000019]\n\
    fn[^n1] [x](<bb000020>)\n\n[ref]: bb000030\n[bb000005]: bb000031\n[^n1]: note [t](bb000032)\n\n    \
    [t](bb000033)\n\n```\n[t](bb000034)\n```\n\n> [t](bb000035)\n\n* [t](bb000036)\n\n# [t](bb000037)\n\n\
    <div>[t](bb000038)</div>\n\n| a | b |\n|---|---|\n| [t](bb000039) | x |\n";

#[test]
fn markdown_links_are_those_of_the_worked_example() {
    assert_eq!(
        markdown(MARKDOWN_FORMS),
        "bb000002 bb000003 bb000004 bb000010 bb000011 bb000016 bb000020 bb000030 bb000031 bb000032 bb000035 \
         bb000036 bb000037 bb000038 bb000039"
    );
}

#[test]
fn the_mimetype_says_what_counts() {
    for (mimetype, expected) in [
        (None, "aa000001"),
        (Some("text/x-fossil-wiki"), "aa000001"),
        (Some("text/x-markdown"), "aa000002"),
        (Some("text/plain"), ""),
        (Some("x"), ""),
        (Some(""), ""),
    ] {
        let found = backlinks(b"[aa000001] [x](aa000002)", mimetype.map(Text::from).as_ref());
        assert_eq!(found.join(" "), expected, "{mimetype:?}");
    }
}

#[test]
fn wiki_tags_hide_links_as_in_stock() {
    for (text, expected) in [
        ("<verbatim id=x>[aaaa0001]</verbatim id=x>[aaaa0002]", ""),
        ("<verbatim id>[aaaa0001]</verbatim>[aaaa0002]", "aaaa0002"),
        ("<verbatim>[aaaa0001]</verbatim a=b>[aaaa0002]", "aaaa0002"),
        ("<nowiki>[aaaa0001]<verbatim>[aaaa0002]</verbatim>[aaaa0003]</nowiki>[aaaa0004]", "aaaa0004"),
        ("<verbatim><nowiki>[aaaa0001]</nowiki>[aaaa0002]</verbatim>[aaaa0003]", "aaaa0003"),
        ("<NOWIKI/>[aaaa0001]", ""),
        ("<b x=\"[aaaa0001]>[aaaa0002]\">[aaaa0003]", "aaaa0003"),
        ("<b x='a\"[aaaa0001]>[aaaa0002]'>[aaaa0003]", "aaaa0003"),
        ("<b [aaaa0001] <i>[aaaa0002]", "aaaa0002"),
        ("<b \"[aaaa0001]> [aaaa0002]", "aaaa0001 aaaa0002"),
        ("<b/[aaaa0001]>[aaaa0002]", "aaaa0001 aaaa0002"),
        ("<b-x [aaaa0001]>[aaaa0002]", "aaaa0002"),
        ("<video [aaaa0001]>[aaaa0002]", "aaaa0001 aaaa0002"),
        ("<1b [aaaa0001]>", "aaaa0001"),
        ("</ b [aaaa0001]>", "aaaa0001"),
        ("<b [aaaa0001]", "aaaa0001"),
        ("[aaaa0001|text\nmore]", "aaaa0001"),
        ("[aaaa0007|x|y]", "aaaa0007"),
        ("[a[aaaa0001]", ""),
        ("[/info/abcd] [/info/abc] [/info/]", "abcd"),
    ] {
        assert_eq!(wiki(text), expected, "{text}");
    }
}

#[test]
fn markdown_blocks_and_spans_hide_links_as_in_stock() {
    for (text, expected) in [
        ("[t]\n(bb000001)", "bb000001"),
        ("[t]\n\n(bb000001)", ""),
        ("[t]\\(bb000001)", ""),
        ("\\[t](bb000001)", ""),
        ("\\\\[t](bb000001)", "bb000001"),
        ("[a \\] b](bb000001)", "bb000001"),
        ("[a [t](bb000001) b](bb000002)", "bb000001 bb000002"),
        ("![a [t](bb000001)](bb000002)", ""),
        ("[![a](bb000001)](bb000002)", "bb000002"),
        ("[t](bb000001 x)", ""),
        ("[t](bb000001 \"x)", ""),
        ("[t](bb000001 \"x\" y)", ""),
        ("[t](bb000001 'x\")", "bb000001"),
        ("[Ref ]\n\n[rEf]: bb000001", "bb000001"),
        ("[t][ref]\n\n    [ref]: bb000001", ""),
        ("[t][ref]\n\n[ref]:\n bb000001", "bb000001"),
        ("[t][ref]\n```\n[ref]: bb000001\n```\n", "bb000001"),
        ("[r][s]\n\n[r]: bb000001", ""),
        ("[t][r]\n\n[r]: bb000001 \"x\" y", ""),
        ("[t][r]\n[r]: bb000001\n[r]: bb000002", "bb000002"),
        ("[^a](bb000001)", ""),
        ("[^r2]\n[^ref]: [t](bb000001)", ""),
        ("[^ref]\n[^ref]: a [^r2]\n[^r2]: [t](bb000001)\n", "bb000001"),
        ("x(^ [t](bb000001) )", "bb000001"),
        ("x\n    [t](bb000001)", "bb000001"),
        ("x\n\n    [t](bb000001)", ""),
        ("> a\n\n>     [t](bb000001)", ""),
        ("* x\n\n        [t](bb000001)", ""),
        ("* x\n  * [t](bb000001)\n    * [t](bb000002)", "bb000001 bb000002"),
        ("* [t\n* ](bb000001)", ""),
        ("[a|b](bb000001)", ""),
        ("x\n[a|b](bb000001)", "bb000001"),
        ("[t\n](bb000001)\n---", ""),
        ("<pre>\n[t](bb000001)\n\n[t](bb000002)\n</pre>\n\n[t](bb000003)", "bb000003"),
        ("<pre>\n[t](bb000001)\n</pre>\n[t](bb000003)", "bb000001 bb000003"),
        ("<!--\n\n[t](bb000001)\n\n-->\n[t](bb000003)", "bb000003"),
        ("```\n[t](bb000001)\n\n[t](bb000002)", "bb000001 bb000002"),
        ("x\n```\n[t](bb000001)\n\n[t](bb000002)\n```\n", "bb000001 bb000002"),
        ("~~~\n[t](bb000001)\n~~~\n[t](bb000002)", "bb000002"),
        ("``[t](bb000001)`[t](bb000002)``", ""),
        ("<a href=\"[t](bb000001)\">", ""),
        ("<1 [t](bb000001)>", "bb000001"),
    ] {
        assert_eq!(markdown(text), expected, "{text:?}");
    }
}

/// Takes hours where the time grows with the square of the size.
#[test]
fn hostile_texts_take_linear_time() {
    for piece in [
        "[",
        "]",
        "[a](",
        "[a][",
        "[[a](",
        "<a ",
        "<a \"",
        "<!--",
        "<!--\n\n",
        "<pre>\n\n",
        "`",
        "` `` ",
        "> ",
        "* ",
        "\n* ",
        "[a]: b\n",
        "[^a]:\n\n",
        "[^a]",
        "|`",
        "![",
        "(^",
        "\\",
        "<verbatim>",
        "<nowiki>[",
        "# ",
        "\n> ",
    ] {
        let text = piece.repeat(300_000 / piece.len());
        let _ = (wiki(&text), markdown(&text));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "([\\[\\]()<>`|!\\\\#*>\n \t^:\"'-]|abcd|[^a]|<pre>|</pre>|<!--|-->|é){0,60}") {
        let _ = (wiki(&text), markdown(&text));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        for mimetype in [None, Some(Text::from("text/x-markdown"))] {
            let _ = backlinks(&text, mimetype.as_ref());
        }
    }
}
