//! Sessions against our own server and against scripted ones. Numbers are those of the table of limits and
//! edge cases.

mod absent;
mod ahead;
mod circles;
mod clones;
mod configuration;
mod hints;
mod pulls;
mod pushes;
mod tables;

use repo::wanted::Hope;
use repo::{partial, wanted};
use xfer::card::Privacy;

use super::*;
use crate::Limits;
use crate::testing::{
    Diary, Fixture, PROJECT, SERVER, bob, both, converse, cx, fresh, holding, id, message, printed, pull,
    push, script, spelled, step, text,
};

const SEED: [u8; 20] = [7; 20];

fn clone(client: &mut Fixture, server: &mut dyn crate::testing::Peer) -> Result<SyncResult, SyncError> {
    converse(&mut Session::clone_into(pull(), SEED), client, server)
}

fn pulled(client: &mut Fixture, server: &mut dyn crate::testing::Peer) -> Result<SyncResult, SyncError> {
    converse(&mut Session::sync(pull(), SEED), client, server)
}

/// Clones from a script, and compares why that fails.
#[track_caller]
fn check_clone_fails(answer: impl FnMut(u32, &str) -> String, expected: &str) {
    let mut client = fresh();
    assert_eq!(clone(&mut client, &mut script(answer)).unwrap_err().to_string(), spelled(expected));
    assert_eq!(client.all(), Vec::<String>::new(), "nothing is kept");
}

/// Pulls from a script, and compares why that fails.
#[track_caller]
fn check_pull_fails(answer: impl FnMut(u32, &str) -> String, expected: &str) {
    let error = pulled(&mut holding("A"), &mut script(answer)).unwrap_err();
    assert_eq!(error.to_string(), spelled(expected));
}

fn file(name: &str) -> String {
    spelled(&format!("file {{{name}}} 10\n{}", text(name)))
}

/// The `gimme` lines of a request.
fn gimmes(request: &str) -> Vec<&str> {
    request.lines().filter_map(|line| line.strip_prefix("gimme ")).collect()
}

fn unfinished(client: &mut Fixture) -> Option<u32> {
    partial::load(&client.repo.snapshot().unwrap()).unwrap().map(|partial| partial.seqno)
}

fn delta_card(name: &str, source: &str) -> String {
    let delta = repo::delta::create(text(source).as_bytes(), text(name).as_bytes());
    let delta = String::from_utf8(delta).unwrap();
    format!("file {{{name}}} {{{source}}} {}\n{delta}", delta.len())
}

#[track_caller]
fn check_private(client: &mut Fixture, name: &str) {
    let snap = client.repo.snapshot().unwrap();
    let rid = repo::blob::rid(&snap, &id(name)).unwrap().unwrap();
    assert!(repo::private::contains(&snap, rid).unwrap(), "{name} is private");
}
