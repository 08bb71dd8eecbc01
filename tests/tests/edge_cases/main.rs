//! The limits and edge cases of the protocol, line by line.
//!
//! The numbers are those of the project's list of limits and edge cases. A line has cases
//! on the server's side (`frond serve` asked by hand), on the client's side (`frond` against a scripted
//! server), a test elsewhere that shows it, or a reason why none is needed.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

mod artifacts;
mod cards;
mod client;
mod concurrent;
mod configuration;
mod convergence;
mod deltas;
mod hostile;
mod login;
mod pushes;
mod server;
mod signing;
mod support;
mod unversioned;

use std::panic::{AssertUnwindSafe, catch_unwind};

use frond_tests::named;
use support::{Bench, ClientCase, ServerCase};

/// How a line is shown.
enum Show {
    /// `frond serve`, asked by hand.
    Server(fn(&ServerCase<'_>)),
    /// `frond pull` or `frond clone`, answered by a script.
    Client(fn(&ClientCase<'_>)),
    /// By a test of another file, which is there.
    Test(&'static str, &'static str),
    /// Not here, and why.
    Elsewhere(&'static str),
}

use Show::{Client, Elsewhere, Server, Test};

/// Tests of other files.
const SERVER: &str = "sync/src/server/tests.rs";
const SERVER_HINTS: &str = "sync/src/server/tests/hints.rs";
const SESSION_HINTS: &str = "sync/src/session/tests/hints.rs";
const LOGINS: &str = "sync/tests/http_login.rs";
const CLONES: &str = "sync/src/session/tests/clones.rs";

/// Number, what comes in, how the MUST is shown. One entry a line and side.
const LINES: &[(u32, &str, Show)] = &[
    (1, "a body that is not zlib, labelled application/x-fossil", Server(server::body_is_no_zlib)),
    (1, "a reply that is not zlib, labelled application/x-fossil", Client(client::reply_is_no_zlib)),
    (2, "a length prefix smaller than the data", Server(server::prefix_too_small)),
    (2, "a length prefix smaller than the data", Client(client::prefix_too_small)),
    (3, "a length prefix larger than the data", Server(server::prefix_too_large)),
    (3, "a length prefix larger than the data", Client(client::prefix_too_large)),
    (4, "a length prefix of 0xFFFFFFF0", Server(server::prefix_absurd)),
    (4, "a length prefix of 0xFFFFFFF0", Client(client::prefix_absurd)),
    (5, "a zip bomb", Server(server::zip_bomb)),
    (5, "a zip bomb", Client(client::zip_bomb)),
    (6, "junk after the zlib stream", Server(server::junk_after_zlib)),
    (6, "junk after the zlib stream", Client(client::junk_after_zlib)),
    (7, "a body of four bytes or fewer", Server(server::tiny_body)),
    (8, "an empty message", Server(server::empty_message)),
    (9, "a raw deflate or gzip body", Server(server::raw_deflate_or_gzip)),
    (10, "a content type of this protocol that nobody knows", Server(server::unknown_content_type)),
    (11, "a content type in another case", Server(server::content_type_case)),
    (11, "what the client sends", Client(client::content_type_is_lower_case)),
    (12, "a content type with a parameter", Server(server::content_type_parameter)),
    (12, "a content type with a parameter", Client(client::content_type_parameter)),
    (13, "POST without Content-Length", Server(server::no_content_length)),
    (14, "a chunked request", Server(server::chunked_request)),
    (15, "replies are never chunked", Server(server::replies_have_a_length)),
    (15, "a chunked reply", Client(client::chunked_reply)),
    (16, "a reply without Content-Length", Client(client::reply_without_length)),
    (17, "no 100 Continue unless asked for", Server(server::replies_have_a_length)),
    (18, "redirects", Client(client::redirects)),
    (19, "a redirect loop", Client(client::redirect_loop)),
    (
        20,
        "a redirect from https to http",
        Test("sync/src/http/redirect.rs", "what_is_not_secure_or_no_address_is_not_followed"),
    ),
    (21, "a Location that ends with /xfer", Client(client::redirect_to_xfer)),
    (22, "a body shorter than Content-Length", Server(server::short_body)),
    (22, "a reply shorter than Content-Length", Client(client::short_reply)),
    (23, "an absurd Content-Length", Server(server::absurd_content_length)),
    (24, "a path that climbs", Server(server::climbing_path)),
    (25, "a header line without end", Server(server::long_header)),
    (26, "GET with the content type of a sync", Server(server::get_with_sync_type)),
    (27, "a reply of text/html with status 200", Client(client::html_reply)),
    (28, "a reply of status 400", Client(client::status_400)),
    (29, "a blank line", Server(server::blank_line)),
    (29, "what the client sends", Client(client::no_blank_lines)),
    (30, "a blank line", Client(client::blank_line)),
    (31, "CRLF, tabs, leading blanks", Server(server::odd_blanks)),
    (31, "CRLF, tabs, leading blanks", Client(client::odd_blanks)),
    (32, "LF after a payload", Client(client::line_feed_after_payload)),
    (32, "LF after a payload of a push", Server(pushes::line_feed_after_payload)),
    (32, "what the client pushes", Client(pushes::what_is_pushed)),
    (33, "more than six tokens", Server(server::many_tokens)),
    (34, "an unknown card", Server(server::unknown_card)),
    (34, "an unknown card", Client(client::unknown_card)),
    (35, "cards of a server, sent to a server", Server(server::cards_of_a_server)),
    (36, "an error of two tokens", Client(client::error_of_two_tokens)),
    (36, "errors are one token", Server(server::errors_are_one_token)),
    (37, "a card of 3 MB", Server(server::long_card)),
    (37, "a card of 3 MB", Client(client::long_card)),
    (38, "a NUL in a card", Server(server::nul_in_card)),
    (38, "a NUL in a card", Client(client::nul_in_card)),
    (39, "a size over 2^31-1", Server(server::huge_size)),
    (39, "a size over 2^31-1", Client(client::huge_size)),
    (40, "a negative size", Client(client::negative_size)),
    (41, "a size larger than the rest", Client(client::size_past_the_end)),
    (42, "a size smaller than the payload", Client(client::size_too_small)),
    (43, "a hash of 41 digits", Server(server::hash_of_41_digits)),
    (43, "a hash of 41 digits", Client(client::hash_of_41_digits)),
    (44, "an upper-case hash", Client(client::upper_case_hash)),
    (44, "an upper-case hash in a push", Server(pushes::upper_case_hash)),
    (45, "an upper-case project code", Server(server::upper_case_project)),
    (46, "codes that are no hashes", Server(server::codes_that_are_no_hashes)),
    (47, "a client version without a date", Server(server::version_without_date)),
    (48, "no client version", Server(server::no_client_version)),
    (48, "what the client sends", Client(client::version_comes_first)),
    (49, "two client versions", Server(server::two_client_versions)),
    (50, "a login after a push", Server(login::login_after_push)),
    (50, "what the client sends", Client(login::login_comes_first)),
    (51, "a wrong nonce", Server(login::wrong_nonce)),
    (52, "nobody and anonymous with any signature", Server(login::who_needs_no_signature_gets_no_rights)),
    (53, "the special users developer and reader", Server(login::special_users)),
    (54, "two login cards", Server(login::two_logins)),
    (54, "what the client sends", Client(login::one_login)),
    (55, "a login of five tokens", Server(login::login_of_five_tokens)),
    (56, "a nonce of 64 digits", Server(login::nonce_of_64_digits)),
    (57, "an empty password", Server(login::empty_password)),
    (58, "a password in clear", Server(login::password_in_clear)),
    (59, "a request sent again", Server(login::replay)),
    (60, "the same bytes of two users", Server(login::same_bytes_of_two_users)),
    (60, "what the client sends", Client(login::random_comments)),
    (
        61,
        "a password of 40 hex digits",
        Test("tests/tests/users.rs", "passwords_and_users_that_could_not_work_are_refused"),
    ),
    (62, "a user name with a blank", Server(login::user_with_a_blank)),
    (62, "a user name with a blank", Client(login::user_with_a_blank_is_escaped)),
    (63, "the first round of a clone", Server(login::refused_clone)),
    (63, "the first round of a clone", Client(login::clone_logs_in_from_the_second_round_on)),
    (64, "a login in a cookie", Test(LOGINS, "a_login_is_taken_from_the_body_the_cookie_and_the_query")),
    (64, "a login in a cookie and one in the body", Test(LOGINS, "a_request_has_one_login")),
    (64, "what the client sends", Client(login::one_login)),
    (65, "the version that the server says it is", Server(login::advertised_version)),
    (66, "a wrong hash, full or delta, in a push", Server(pushes::wrong_hash)),
    (66, "a wrong hash, full or delta, in a pull", Client(deltas::wrong_hash_in_a_pull)),
    (67, "a wrong hash in a clone", Client(deltas::wrong_hash_in_a_clone)),
    (68, "a delta with a bad checksum but the right result", Client(deltas::bad_checksum)),
    (69, "a delta whose header lies", Client(deltas::header_lies)),
    (70, "a delta without a size line", Client(deltas::no_size_line)),
    (71, "a delta that copies outside its source", Client(deltas::copy_outside)),
    (72, "a delta header of 2^30 with a tiny body", Client(deltas::huge_header)),
    (73, "a delta that is a copy bomb", Client(deltas::copy_bomb)),
    (74, "a delta from an unknown source", Client(deltas::source_comes_later)),
    (75, "a delta whose source never comes", Client(deltas::source_never_comes)),
    (76, "a delta from itself, and a cycle", Client(deltas::cycles)),
    (77, "a very long delta chain", Client(deltas::long_chain)),
    (78, "a delta whose source is shunned", Client(deltas::source_is_shunned)),
    (79, "an empty artifact", Client(deltas::empty_artifact)),
    (80, "the same bytes under two names", Client(deltas::two_names)),
    (81, "a cfile pushed to a server", Server(pushes::cfile_is_stored_with_its_real_size)),
    (81, "what the client pushes", Client(pushes::what_is_pushed)),
    (82, "a cfile with a wrong size", Client(deltas::cfile_wrong_size)),
    (83, "a cfile that is not zlib", Client(deltas::cfile_no_zlib)),
    (84, "a cfile whose prefix lies", Client(deltas::cfile_prefix_lies)),
    (85, "a file that is there already", Client(deltas::already_there)),
    (86, "a file whose name is shunned", Client(deltas::shunned_file)),
    (87, "an artifact of 2 GB or more", Client(client::huge_size)),
    (88, "a SHA-1 name where the policy shuns them", Client(deltas::policy_shuns_sha1)),
    (89, "file names that climb or are not simple", Client(artifacts::bad_names)),
    (90, "a file name with a backslash", Client(artifacts::backslash)),
    (91, "a file name with a NUL", Client(artifacts::nul_name)),
    (92, "files named like Fossil's own", Client(artifacts::reserved_names)),
    (93, "files twice or out of order", Client(artifacts::unsorted_files)),
    (94, "names that differ in case only", Client(artifacts::case_collision)),
    (95, "a link and a file below it", Test("tests/tests/commit/export.rs", "hostile_names_lead_nowhere")),
    (96, "a wrong R card", Client(artifacts::wrong_r_card)),
    (97, "a wrong Z card", Client(artifacts::wrong_z_card)),
    (98, "no last LF, CRLF, tabs, double blanks", Client(artifacts::bad_layout)),
    (99, "the year 9999, and no date at all", Client(artifacts::odd_dates)),
    (100, "an unknown parent", Client(artifacts::unknown_parent)),
    (101, "a delta manifest with an unknown baseline", Client(artifacts::unknown_baseline)),
    (102, "a baseline that is none", Client(artifacts::bad_baseline)),
    (103, "a tag named like a hash", Client(artifacts::hex_tag)),
    (104, "a control artifact about itself", Client(artifacts::control_about_itself)),
    (105, "a control artifact that sets the tag private", Client(artifacts::private_tag)),
    (106, "a control artifact that sets the tag parent", Client(artifacts::parent_tag)),
    (107, "a cluster out of order or with a name twice", Client(artifacts::bad_clusters)),
    (108, "a forged cluster of real names", Client(artifacts::cluster_of_real_names)),
    (109, "a forged cluster of invented names", Client(artifacts::cluster_of_invented_names)),
    (110, "a cluster with very many members", Client(artifacts::large_cluster)),
    (111, "a forum post with neither H, G nor I", Client(artifacts::empty_forum_post)),
    (112, "a ticket with an unknown column", Client(artifacts::unknown_ticket_column)),
    (113, "signed artifacts", Client(artifacts::signed)),
    (
        114,
        "a forged user name",
        Elsewhere("a matter of display: names in artifacts are what their authors say"),
    ),
    (115, "an igot that is never satisfied", Client(convergence::igot_never_satisfied)),
    (116, "a new invented igot in every reply", Client(convergence::endless_igots)),
    (117, "the same gimme in every reply to a push", Client(pushes::same_gimme_in_every_reply)),
    (118, "a clone server that sends the same in every reply", Client(convergence::same_clone_reply)),
    (119, "a clone_seqno that does not rise", Client(convergence::seqno_stands_still)),
    (120, "a clone_seqno that is no number", Client(convergence::bad_seqno)),
    (120, "a clone from no number", Server(server::clone_from_no_number)),
    (121, "a clone reply without a push card", Client(convergence::no_push_card)),
    (122, "a push card with a bad code", Client(convergence::bad_push_card)),
    (123, "a budget smaller than any artifact", Server(server::tiny_budget)),
    (124, "more than 500 igots that the server lacks", Server(pushes::many_unknown_igots)),
    (125, "gimme before pull, igot before push", Server(server::cards_too_early)),
    (126, "igot with the private flag for a public artifact", Client(convergence::public_stays_public)),
    (127, "igot without the flag for a private artifact", Client(convergence::private_stays_private)),
    (127, "igots of a pusher, with and without the flag", Server(pushes::igot_hides_and_publishes_nothing)),
    (128, "a gimme for a private artifact", Server(server::gimme_of_a_private_artifact)),
    (129, "a file that nobody asked for", Client(convergence::unasked_file)),
    (130, "a push after unsent was cleared", Server(pushes::unsent_was_cleared)),
    (130, "a refused push", Client(pushes::refused_push_stays_unsent)),
    (131, "private artifacts of who may push none", Server(pushes::private_without_the_right)),
    (131, "private artifacts of who may push them", Server(pushes::private_with_the_right)),
    (132, "private and cfile to a peer that takes none", Server(pushes::private_without_the_right)),
    (132, "private and cfile to a peer that takes none", Client(pushes::private_that_nobody_asked_for)),
    (133, "a private clone where everybody may clone", Server(pushes::private_clone)),
    (134, "what s and a do not stand for", Server(pushes::private_without_the_right)),
    (134, "what s and a do not stand for", Server(unversioned::without_the_right)),
    (135, "uvfile where there is no table", Server(unversioned::no_table_yet)),
    (136, "uvfile without content", Server(unversioned::no_content)),
    (137, "uvfile without the right", Server(unversioned::without_the_right)),
    (138, "uvfile older than what is here, and as old", Server(unversioned::which_version_stays)),
    (139, "uvfile from the far future", Server(unversioned::far_future)),
    (140, "the deletion of an unknown name", Server(unversioned::deletion)),
    (141, "names that stock refuses", Server(unversioned::bad_names)),
    (141, "names that stock refuses", Client(unversioned::bad_names_from_a_server)),
    (142, "uvgimme without the right", Server(unversioned::asking_without_the_right)),
    (142, "a pull that does not ask for files", Server(unversioned::nothing_unasked)),
    (143, "a record of configuration that is no literal", Server(configuration::no_literal)),
    (144, "a record older than what is here", Server(configuration::which_record_stays)),
    (144, "a record of the project code", Server(configuration::what_never_travels)),
    (144, "a record of who is no admin", Server(configuration::who_is_no_admin)),
    (145, "a record with a wrong size", Server(configuration::wrong_size)),
    (145, "what the client sends", Client(configuration::records_end_with_a_line_feed)),
    (146, "a user record of an admin who may not set up", Server(configuration::user_record)),
    (147, "configuration that was not asked for", Client(configuration::not_asked_for)),
    (
        148,
        "ci-lock of who may not push",
        Test(SERVER_HINTS, "only_who_may_push_takes_a_lock_or_gives_one_up"),
    ),
    (149, "a stale lock", Test(SERVER_HINTS, "a_lock_ends_with_its_time_or_when_its_checkout_gives_it_up")),
    (
        150,
        "client-url",
        Test(SERVER_HINTS, "where_a_client_is_served_is_kept_if_it_may_push_and_others_could_go_there"),
    ),
    (151, "a cookie card", Test(SESSION_HINTS, "a_cookie_of_a_server_goes_to_nobody")),
    (152, "a writer that holds the file", Server(concurrent::writer_holds_the_file)),
    (152, "a server that says its file is locked", Client(concurrent::locked_server)),
    (153, "eight pushes at once", Server(concurrent::parallel_pushes)),
    (154, "a pull while another writes", Server(concurrent::writer_holds_the_file)),
    (155, "a pull that makes clusters", Test(SERVER, "a_pull_makes_clusters_when_enough_is_in_none")),
    (
        155,
        "a file that can only be read",
        Test(SERVER, "a_file_that_cannot_be_written_is_served_without_new_clusters"),
    ),
    (156, "a reply without timestamp", Client(concurrent::no_timestamp)),
    (157, "a server whose clock is wrong", Client(concurrent::odd_clocks)),
    (158, "an error card", Client(concurrent::error_card)),
    (159, "req-clusters without a right", Test(SERVER, "clusters_are_named_only_to_those_who_may_read")),
    (
        160,
        "avoid-delta-manifests of a Frond server",
        Test(SERVER_HINTS, "who_asks_for_a_lock_is_told_to_avoid_delta_manifests_where_the_setting_says_so"),
    ),
    (
        160,
        "avoid-delta-manifests of a stock server",
        Test("tests/tests/locks.rs", "stocks_wish_for_no_delta_manifests_is_heard"),
    ),
    (161, "a schema of the future", Server(concurrent::schema_of_the_future_is_not_served)),
    (161, "a schema of the future", Client(concurrent::schema_of_the_future)),
    (162, "the project of a parent", Elsewhere("Frond has no child projects: a pull is of one project")),
    (
        163,
        "row numbers of another file",
        Test(CLONES, "another_file_of_the_project_answers_a_resumed_clone_from_the_start"),
    ),
    (164, "a clone of a file", Server(concurrent::clone_of_a_file)),
    (165, "requests from this machine", Server(concurrent::local_requests)),
    (166, "rights of anonymous", Server(pushes::rights_of_anonymous)),
    (167, "who may push and not clone", Server(pushes::who_may_push_and_not_clone)),
    (168, "a good file, then a malformed one", Server(pushes::good_file_then_a_malformed_one)),
    (
        169,
        "clone and pull in one request",
        Test(SERVER, "a_clone_and_a_pull_in_one_request_are_both_answered"),
    ),
    (170, "igot of what follows", Server(pushes::igot_of_what_follows)),
    (171, "send-catalog without pull", Server(concurrent::catalog_without_pull)),
    (
        172,
        "clusters are split as by stock",
        Test("repo/src/cluster.rs", "members_are_split_as_stock_splits_them"),
    ),
    (173, "POST without Content-Type", Server(hostile::no_content_type)),
    (
        174,
        "a pull before a commit",
        Test(SESSION_HINTS, "a_session_of_many_rounds_keeps_the_lock_that_it_took"),
    ),
    (
        174,
        "the push of a commit",
        Test(SESSION_HINTS, "the_push_of_a_commit_gives_its_lock_up_in_the_round_that_brings_the_last_of_it"),
    ),
    (175, "a record of configuration that must not go", Server(configuration::what_never_travels)),
    (176, "credentials of HTTP, beside a login", Server(login::basic_credentials)),
    (176, "what the client sends", Client(login::one_login)),
    (177, "two Cookie header lines", Test(LOGINS, "a_cookie_that_holds_no_login_is_passed_over")),
    (177, "what the client sends", Client(login::one_login)),
    (178, "a transport command", Elsewhere("Frond runs no transport commands")),
    (179, "unversioned files of a clone in batches", Client(unversioned::clone_in_batches)),
    (
        180,
        "a clone with a password in its URL",
        Test("tests/tests/login.rs", "a_login_given_to_a_clone_serves_later_pulls_of_frond_and_of_stock"),
    ),
    (181, "a delta that waits for its source", Server(hostile::dangling_delta)),
    (182, "a false delta whose source comes", Server(hostile::false_delta_whose_source_comes)),
    (183, "a server that cuts its reply at any byte", Client(hostile::cut_anywhere)),
    (183, "a client that cuts its request at any byte", Server(hostile::request_cut_anywhere)),
    (183, "a server that stalls", Client(hostile::stalls)),
    (183, "a server that drips", Test("sync/tests/http_client.rs", "a_server_that_drips_is_given_up")),
    (184, "endless new content", Client(hostile::endless_content)),
    (184, "endless new names", Client(hostile::endless_names)),
    (185, "a pushed control artifact that sets the tag private", Server(hostile::private_tag)),
];

#[test]
fn every_line_of_the_sections_is_listed() {
    for number in 1..=185 {
        assert!(LINES.iter().any(|(listed, ..)| *listed == number), "line {number} is not listed");
    }
    for (number, what, show) in LINES {
        match show {
            Elsewhere(reason) => assert!(!reason.is_empty(), "line {number} ({what}) has no reason"),
            Test(file, name) => named::is_a_test(file, name),
            Server(_) | Client(_) => {}
        }
    }
}

#[test]
fn the_server_does_what_it_must() {
    let bench = Bench::new();
    let failed = LINES.iter().filter_map(|(number, what, show)| {
        let Server(case) = show else { return None };
        attempt(*number, what, || case(&ServerCase::new(&bench)))
    });
    report(&failed.collect::<Vec<_>>());
}

#[test]
fn the_client_does_what_it_must() {
    let bench = Bench::new();
    let failed = LINES.iter().filter_map(|(number, what, show)| {
        let Client(case) = show else { return None };
        attempt(*number, what, || case(&ClientCase::new(&bench)))
    });
    report(&failed.collect::<Vec<_>>());
}

/// Runs one case. All are run, so that one failure does not hide the next. `EDGE_CASE` picks one line.
fn attempt(number: u32, what: &str, case: impl FnOnce()) -> Option<String> {
    if std::env::var("EDGE_CASE").is_ok_and(|wanted| wanted != number.to_string()) {
        return None;
    }
    let failed = catch_unwind(AssertUnwindSafe(case)).is_err();
    failed.then(|| format!("line {number}: {what}"))
}

fn report(failed: &[String]) {
    assert!(
        failed.is_empty(),
        "{} cases failed (their stories are above):\n{}",
        failed.len(),
        failed.join("\n")
    );
}
