//! What other implementations of the protocol got wrong, line by line.
//!
//! The numbers are those of the project's notes on an earlier implementation: its bugs with stock Fossil, and
//! weaknesses that were found in it. Each is shown by a test that a row names and that must be there, by a case of
//! the worked examples of crosslinking, or by a case here.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

mod cases;

use std::panic::catch_unwind;
use std::path::Path;

use frond_tests::named;

/// How a bug is shown not to be here.
enum Show {
    /// By a test elsewhere: its file and its name.
    Test(&'static str, &'static str),
    /// By a worked example, whose title begins so. Stock makes the same rows of all of them.
    Worked(&'static str),
    /// Here.
    Case(fn()),
    /// Not at all, and why.
    Nowhere(&'static str),
}

use Show::{Case, Nowhere, Test, Worked};

const WORKED: &str = "repo/tests/crosslink/cases.md";
const INTEROP_CLONE: &str = "tests/tests/interop_clone.rs";
const INTEROP_PULL: &str = "tests/tests/interop_pull.rs";
const LOGIN: &str = "tests/tests/login.rs";
const SERVER: &str = "sync/src/server/tests.rs";
const SERVER_PUSHES: &str = "sync/src/server/tests/pushes.rs";
const SERVER_HINTS: &str = "sync/src/server/tests/hints.rs";
const SERVER_LOGINS: &str = "sync/src/server/tests/logins.rs";
const CLONES: &str = "sync/src/session/tests/clones.rs";
const PULLS: &str = "sync/src/session/tests/pulls.rs";
const PUSHES: &str = "sync/src/session/tests/pushes.rs";
const TABLES: &str = "sync/src/tables/tests.rs";
const HOSTILE_TABLES: &str = "sync/src/tables/tests/hostile.rs";
const OWNERS_OF_ROWS: &str = "sync/src/tables/tests/owners.rs";
const ROWS: &str = "repo/src/table/tests.rs";
const DEFINITIONS: &str = "repo/src/table/tests/definitions.rs";
const COMMIT: &str = "tests/tests/commit/round_trips.rs";
const UNVERSIONED: &str = "tests/tests/unversioned.rs";
const CONCURRENCY: &str = "tests/tests/concurrency.rs";

const BROKER: &str = "concerns message brokers, which Frond does not speak to";

/// Number, symptom, how it is shown. One entry a bug and show.
const BUGS: &[(&str, &str, Show)] = &[
    ("#203", "every login is refused", Test(INTEROP_PULL, "a_login_opens_what_nobody_may_read")),
    (
        "#203",
        "the random comment is not covered",
        Test("xfer/src/login.rs", "the_reference_login_is_signed_to_the_byte"),
    ),
    (
        "#152",
        "a clone by stock ends well and has no check-ins",
        Test(INTEROP_CLONE, "two_thousand_checkins_go_round"),
    ),
    ("#138", "stock downloads everything twice", Test(SERVER, "a_clone_of_version_3_gets_the_stored_form")),
    ("#138", "stock downloads everything twice", Case(cases::stock_clones_in_as_few_requests_as_it_can)),
    ("#101", "stock gets nothing of a long reply", Case(cases::stock_clones_what_is_longer_than_a_buffer)),
    (
        "#104 #106",
        "what is no container is taken for one",
        Test("xfer/src/body.rs", "broken_containers_are_refused"),
    ),
    (
        "#104 #106",
        "garbage is accepted",
        Test("sync/tests/http_serve.rs", "a_body_that_is_no_message_gets_an_error_card"),
    ),
    ("#164", "a clone from stock fails", Test(INTEROP_CLONE, "every_kind_of_artifact_goes_round")),
    (
        "#164",
        "the reply to a clone is packed",
        Test(SERVER, "only_a_batch_clone_of_version_3_changes_the_framing_of_the_reply"),
    ),
    (
        "#74",
        "stock answers bad command: clone_seqno",
        Test(CLONES, "requests_of_a_clone_are_as_stock_sends_them"),
    ),
    (
        "#88 #109",
        "a large artifact cannot be cloned",
        Test("tests/tests/memory.rs", "three_artifacts_of_100_mb"),
    ),
    (
        "#88 #109",
        "a reply passes its budget by more than one artifact",
        Test(SERVER, "a_second_artifact_waits_if_it_does_not_fit_with_the_first"),
    ),
    ("#17", "a clone of a busy server never ends", Case(cases::a_clone_of_a_busy_server_ends)),
    (
        "#14",
        "a panic after a partial transfer",
        Test("tests/tests/kill.rs", "twenty_kills_at_random_moments_lose_nothing"),
    ),
    (
        "#53 #57",
        "deltas before their sources are lost",
        Test("repo/src/ingest/tests.rs", "a_chain_of_deltas_in_any_order_is_held_in_the_end"),
    ),
    (
        "#53 #57",
        "deltas before their sources are lost",
        Test(CLONES, "a_delta_may_come_rounds_before_its_source"),
    ),
    (
        "#64",
        "a clone succeeds that is not whole",
        Test(CLONES, "a_clone_whose_deltas_never_get_their_source_is_not_whole"),
    ),
    ("#112", "a clone holds other bytes", Test("repo/src/content/tests.rs", "a_frame_is_stored_as_it_came")),
    ("#112", "a clone holds other bytes", Case(cases::a_clone_holds_the_same_bytes)),
    (
        "#141 #98 #113",
        "a clone is much longer than what is stored",
        Case(cases::a_clone_is_about_as_long_as_what_is_stored),
    ),
    (
        "#184",
        "changes of tickets are missing",
        Test(INTEROP_PULL, "new_artifacts_of_every_kind_arrive_in_a_pull"),
    ),
    ("#184", "changes of tickets are missing", Worked("101. ticket: change with status")),
    ("#189 #197", "leaves are lost", Worked("12. start of a branch")),
    ("#189 #197", "leaves are lost", Worked("71. closed branch tip merged")),
    ("#198", "wrong branches", Worked("34. control: an older tag does not displace a newer one")),
    ("#198", "wrong branches", Worked("70. merge into a branch")),
    ("#193", "rows of files of merges are missing", Worked("16. merge of three parents")),
    ("#193", "rows of files of cherry-picks are missing", Worked("17. cherry-pick")),
    (
        "#193",
        "T cards about others are passed over",
        Worked("72. check-in that carries a T card for another"),
    ),
    ("#193", "a phantom parent has no row", Worked("27. parent missing (phantom)")),
    ("#157", "deletions are wrong", Worked("2. edit, add and delete in one full manifest")),
    ("#157", "renames are wrong", Worked("5. rename + edit + exec bit")),
    (
        "#180",
        "a check-in before its files is stranded",
        Case(cases::a_check_in_that_comes_before_its_files_can_be_opened),
    ),
    ("#180", "a check-in before its files is stranded", Worked("30. file content missing (phantom)")),
    ("#223 #225", "diff says that all changed", Test(COMMIT, "new_artifacts_are_named_as_stock_names_them")),
    (
        "#223 #225",
        "diff says that all changed",
        Test(COMMIT, "unchanged_files_keep_their_names_under_another_policy"),
    ),
    (
        "#33",
        "database is locked",
        Test(CONCURRENCY, "many_clients_push_and_pull_at_once_and_nothing_is_lost"),
    ),
    (
        "#28",
        "stock sees a file of 4 kB",
        Test(CONCURRENCY, "a_server_that_was_told_to_end_leaves_the_file_whole_by_itself"),
    ),
    (
        "#30",
        "a check-in drops other files",
        Test(COMMIT, "a_check_in_changes_what_is_named_and_nothing_else"),
    ),
    (
        "#51",
        "a rename spoils the F card",
        Test("repo/src/manifest/write/tests.rs", "a_manifest_is_written_as_stock_writes_it"),
    ),
    ("#51", "a rename spoils the F card", Worked("4. rename only")),
    ("#50", "no U card, or an empty one", Worked("141. U card without a token")),
    ("#50", "no U card, or an empty one", Worked("31. check-in without U")),
    ("#68", "an empty file panics", Test(COMMIT, "stock_opens_what_was_imported_and_sees_no_change")),
    (
        "#79",
        "a file that is gone is checked in as it was",
        Test("tests/tests/commit/refusals.rs", "files_that_cannot_be_meant"),
    ),
    ("#47", "an event without a user", Case(cases::an_event_without_a_user_is_shown)),
    (
        "#46",
        "tables of tickets are missing",
        Test("repo/tests/stock_files.rs", "a_new_file_has_the_tables_and_rows_of_stock"),
    ),
    (
        "#90-93",
        "escapes of J and T cards",
        Test("repo/src/manifest/write/tests.rs", "a_written_artifact_reads_back"),
    ),
    ("#90-93", "escapes of J and T cards", Test("xfer/src/token.rs", "every_special_byte_has_its_escape")),
    (
        "#156",
        "signed manifests",
        Test("repo/src/manifest/parse/tests.rs", "a_clear_signed_artifact_is_read_inside_its_wrapper"),
    ),
    ("#156", "signed artifacts", Worked("88. clear-signed control artifact")),
    ("#60", "times lose their fractions", Worked("61. time: child 1 ms younger")),
    (
        "#60",
        "times lose their fractions",
        Test("repo/src/manifest/date.rs", "times_are_read_as_sqlite_reads_them"),
    ),
    (
        "#185",
        "one lost packet ends a clone for good",
        Test("tests/tests/kill.rs", "a_clone_that_is_killed_again_and_again_gets_there"),
    ),
    (
        "#185",
        "a closed connection ends a session",
        Test(
            "sync/tests/http_client.rs",
            "one_connection_serves_many_rounds_and_is_made_anew_when_it_was_closed",
        ),
    ),
    (
        "#166 #167 #120",
        "a deadline is passed over for minutes",
        Test(
            "tests/tests/interrupt.rs",
            "a_clone_that_is_interrupted_later_leaves_what_came_and_tells_how_to_finish_it",
        ),
    ),
    ("#202", "a pull of nothing takes minutes", Test(PULLS, "a_pull_with_nothing_new_needs_no_write")),
    ("#200", "a transaction for each artifact of a pull", Case(cases::a_pull_is_one_transaction_a_round)),
    ("#162 of the hubs", "a stale reply wins", Nowhere(BROKER)),
    ("#120 of the hubs", "clones wait for each other for ever", Case(cases::many_clones_at_once_all_end)),
    (
        "#160 of the hubs",
        "nobody hears of what was pushed",
        Test(SERVER_PUSHES, "the_observer_hears_what_was_taken"),
    ),
    (
        "#162 of the library",
        "stock processes share a home",
        Nowhere("concerns tests: each `Fossil` of these has a home of its own"),
    ),
    (
        "S1",
        "one captured login is good for all",
        Test("xfer/src/login.rs", "a_changed_message_is_not_covered"),
    ),
    ("S1", "one captured login is good for all", Test(SERVER_LOGINS, "a_signed_request_is_answered_once")),
    ("S1", "of many logins the last wins", Test("xfer/tests/decode/frame.rs", "login_comes_first_and_once")),
    ("S2", "everybody may do everything in a new file", Case(cases::nobody_may_do_anything_in_a_new_file)),
    ("S3", "gimme and igot without rights", Test(SERVER, "gimme_and_igot_before_pull_and_push_are_ignored")),
    ("S3", "unversioned files without rights", Test(UNVERSIONED, "rights_decide_who_gives_and_who_takes")),
    ("S3", "clusters without rights", Test(SERVER, "clusters_are_named_only_to_those_who_may_read")),
    (
        "S3",
        "tables without rights",
        Test(HOSTILE_TABLES, "s3_who_may_not_is_told_nothing_and_changes_nothing"),
    ),
    ("S3", "locks without rights", Test(SERVER_HINTS, "only_who_may_push_takes_a_lock_or_gives_one_up")),
    (
        "S3",
        "the configuration, whoever asks",
        Test(
            "sync/src/server/tests/configuration.rs",
            "configuration_is_told_to_who_may_read_users_to_admins_and_addresses_to_who_may_see_them",
        ),
    ),
    ("S3", "the configuration, whoever asks", Case(cases::configuration_is_told_to_nobody_who_may_not_read)),
    ("S4", "an empty password logs in", Case(cases::an_empty_password_is_none)),
    ("S5", "set-up users cannot push", Test(SERVER_PUSHES, "files_need_a_push_that_was_allowed")),
    (
        "S5",
        "u and v stand for nothing",
        Test(SERVER_LOGINS, "letters_that_stand_for_a_user_are_followed_to_the_end"),
    ),
    ("S6", "a login on the web shuts the user out", Case(cases::a_user_who_logged_in_on_the_web_may_sync)),
    ("S7", "projects are mixed", Test(SERVER, "what_is_not_allowed_is_refused_in_the_words_of_stock")),
    (
        "S8",
        "no clone with a login",
        Test(CLONES, "a_clone_that_needs_a_login_logs_in_from_the_second_round_on"),
    ),
    (
        "S8",
        "no clone with a login",
        Test(LOGIN, "a_login_given_to_a_clone_serves_later_pulls_of_frond_and_of_stock"),
    ),
    ("T1", "owners are not kept", Test(ROWS, "t1_owners_are_kept_and_only_the_owner_writes")),
    ("T1", "owners are not kept", Test(OWNERS_OF_ROWS, "t1_owners_are_enforced_from_who_is_logged_in")),
    ("T2", "keys of JSON become SQL", Test(ROWS, "t2_what_a_row_names_is_a_column_or_an_error")),
    ("T3", "a key that does not fit panics", Test(ROWS, "t3_a_value_that_does_not_fit_is_an_error")),
    (
        "T3",
        "a row that does not fit panics",
        Test(HOSTILE_TABLES, "what_is_no_row_is_refused_with_a_reason_and_the_rest_is_kept"),
    ),
    ("T4", "bytes come back as text", Test(ROWS, "t4_bytes_come_back_as_bytes_in_keys_too")),
    (
        "T5",
        "a row costs the whole table",
        Test(ROWS, "t5_a_row_is_found_by_its_key_and_a_change_costs_one_path"),
    ),
    (
        "T5",
        "every row is announced every round",
        Test(TABLES, "of_a_hundred_thousand_rows_ten_changed_ones_are_exchanged"),
    ),
    (
        "T6",
        "two of one time never agree",
        Test(ROWS, "t6_of_two_equally_old_versions_the_same_stays_everywhere"),
    ),
    (
        "T6",
        "two of one time never agree",
        Test(TABLES, "three_peers_in_any_order_end_equal_under_every_rule"),
    ),
    (
        "T7",
        "a definition is replaced by any other",
        Test(DEFINITIONS, "t7_columns_are_added_and_nothing_else_is_changed"),
    ),
    (
        "T7",
        "no column is ever added",
        Test(TABLES, "t7_columns_that_one_peer_added_reach_the_other_whoever_asks"),
    ),
    (
        "T8",
        "stock is sent cards of tables",
        Test("tests/tests/tables.rs", "t8_stock_works_against_a_repository_with_tables_and_is_sent_none"),
    ),
    ("T9", "tombstones stay for ever", Test(ROWS, "t9_tombstones_expire_after_the_horizon")),
    (
        "T9",
        "tombstones come back",
        Test(TABLES, "t9_expired_tombstones_neither_come_back_nor_keep_peers_apart"),
    ),
    (
        "I1",
        "stock cannot read unversioned files",
        Test(UNVERSIONED, "what_frond_keeps_stock_reads_and_the_reverse"),
    ),
    ("I1", "rows of unversioned files", Test("repo/tests/unversioned.rs", "the_rows_are_those_of_stock")),
    ("I2", "catalogs never agree", Test(UNVERSIONED, "frond_and_a_server_end_with_the_same_files")),
    ("I2", "a time of 0 and tombstones", Case(cases::a_time_of_0_and_a_tombstone_settle)),
    ("I3", "uv-push-ok whoever asks", Test(UNVERSIONED, "rights_decide_who_gives_and_who_takes")),
    ("I4", "what is no error is one", Case(cases::stock_that_may_not_push_pulls_all_the_same)),
    ("I5", "no clusters are made", Test(SERVER, "a_pull_makes_clusters_when_enough_is_in_none")),
    (
        "I5",
        "no clusters are sent",
        Test(PUSHES, "clusters_are_named_when_the_peer_lacks_more_than_what_is_new"),
    ),
    ("I6", "rows of locks", Test("repo/src/lock.rs", "the_row_is_stocks")),
    (
        "I6",
        "locks cannot be asked for",
        Test("tests/tests/locks.rs", "a_frond_session_takes_meets_and_gives_up_locks_of_a_stock_server"),
    ),
    ("I7", "a reply without a budget", Test(PULLS, "what_does_not_fit_in_a_reply_comes_with_the_next_ones")),
    ("I7", "a push sends whole files only", Case(cases::a_push_sends_deltas)),
    (
        "I8",
        "igot in a pull is asked for",
        Test(SERVER_PUSHES, "a_server_asks_for_what_it_lacks_and_the_client_does_not"),
    ),
    ("I8", "a pull announces", Case(cases::a_pull_of_who_has_something_new_is_one_round)),
    ("I9", "no artifact over 64 MB", Test("tests/tests/memory.rs", "three_artifacts_of_100_mb")),
    ("N1", "the wrong port", Nowhere(BROKER)),
    ("N2", "an answer to oneself", Nowhere(BROKER)),
    ("N3", "no message over a megabyte", Nowhere(BROKER)),
    ("N4", "an empty reply is a success", Test(PUSHES, "nothing_counts_as_sent_before_the_reply_is_in")),
    ("N4", "an empty reply is a success", Case(cases::an_empty_reply_marks_nothing_as_sent)),
    ("B3", "a gateway drops the content type", Case(cases::a_reply_without_a_content_type_is_told)),
    ("N5", "one slow target holds up all", Nowhere("a session has one peer")),
    ("N6", "news of a check-in are lost", Nowhere(BROKER)),
    ("N7", "a helper process has to be restarted", Nowhere("there is none: one process does all")),
    ("N8", "a reader of its own does not know deltas", Nowhere("all reading is by repo::content")),
    ("N9", "a pairing grants nothing", Nowhere(BROKER)),
];

const NUMBERS: &str = "#203 #152 #138 #101 #104 #106 #164 #74 #88 #109 #17 #14 #53 #57 #64 #112 #141 #98 #113 #184 #189 #197 \
     #198 #193 #157 #180 #223 #225 #33 #28 #30 #51 #50 #68 #79 #47 #46 #90-93 #156 #60 #185 #166 #167 #120 #202 \
     #200 #162 #160 S1 S2 S3 S4 S5 S6 S7 S8 T1 T2 T3 T4 T5 T6 T7 T8 T9 I1 I2 I3 I4 I5 I6 I7 I8 I9 N1 N2 N3 N4 B3 \
     N5 N6 N7 N8 N9";

#[test]
fn every_bug_is_listed() {
    for number in NUMBERS.split_whitespace() {
        let is_listed = |(listed, ..): &(&str, &str, Show)| listed.split(' ').any(|one| one == number);
        assert!(BUGS.iter().any(is_listed), "{number} is not listed");
    }
}

#[test]
fn what_a_row_names_is_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(WORKED);
    let worked = std::fs::read_to_string(path).unwrap();
    for (number, symptom, show) in BUGS {
        match show {
            Test(file, name) => named::is_a_test(file, name),
            Worked(title) => {
                let heading = format!("### {title}");
                let found = worked.lines().filter(|line| line.starts_with(&heading)).count();
                assert_eq!(found, 1, "{number}: {WORKED} has no case {title:?}");
            }
            Nowhere(reason) => assert!(!reason.is_empty(), "{number} ({symptom}) has no reason"),
            Case(_) => {}
        }
    }
}

#[test]
fn no_bug_is_here() {
    let failed: Vec<_> = BUGS
        .iter()
        .filter_map(|(number, symptom, show)| {
            let Case(case) = show else { return None };
            catch_unwind(case).is_err().then(|| format!("{number}: {symptom}"))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} cases failed (their stories are above):\n{}",
        failed.len(),
        failed.join("\n")
    );
}
