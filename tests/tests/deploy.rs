//! What is in leaf/deploy, and what the program says of itself: units, scripts, manual pages, completions.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use frond_tests::leaf::{check_in, holds, until};
use frond_tests::process::{Running, free_port};
use frond_tests::{Frond, Scratch, frond};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../leaf/deploy").join(name)
}

#[test]
fn systemd_takes_the_units_as_they_are() {
    let scratch = Scratch::new();
    let program = frond::binary().to_string_lossy();
    for name in ["frond-leaf.service", "frond-leaf.socket"] {
        let text = std::fs::read_to_string(deploy(name)).unwrap();
        scratch.write(name, text.replace("/usr/bin/frond", &program));
    }
    for name in ["frond-leaf.service", "frond-leaf.socket"] {
        let said =
            frond::run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(scratch.file(name)));
        assert!(said.code == Some(0) && !said.all().contains(name), "{said}");
    }
}

#[test]
fn the_hub_and_its_leaves_as_processes_keep_in_step_and_end_together() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let fleet = scratch.file("fleet");
    let mut script = Command::new("sh");
    script.arg(deploy("fleet.sh")).arg(&fleet).current_dir(scratch.path());
    script.env("FROND", frond::binary()).env("PORT", free_port().to_string()).env("HOME", scratch.path());
    script.env("USER", "admin").env("FROND_LEAF_POLL", "500ms");
    let running = Running::start(&mut script);
    let process = running.process();
    let file = |name: &str| fleet.join(format!("{name}.fossil"));
    until("the last leaf is cloned", || file("leaf3").exists() || process.has_ended());
    let hash = check_in(&frond, &file("leaf3"), "news.txt");
    for name in ["hub", "leaf1", "leaf2"] {
        until("the check-in is everywhere", || holds(&frond, &file(name), &hash) || process.has_ended());
    }
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let said = running.end(Duration::from_secs(60));
    assert_eq!(said.code, Some(0), "{said}");
    assert!(!said.all().contains("password"), "{said}");
    for name in ["hub", "leaf1", "leaf2", "leaf3"] {
        assert!(!fleet.join(format!("{name}.sock")).exists(), "{name} did not end well\n{said}");
        frond.verify(&file(name));
    }
}

#[test]
fn no_example_shows_the_password_of_a_new_repository() {
    for name in ["fleet.sh", "compose.yaml"] {
        let text = std::fs::read_to_string(deploy(name)).unwrap();
        let made: Vec<&str> = text.lines().filter(|line| line.contains("-A ann")).collect();
        assert!(!made.is_empty() && made.iter().all(|line| line.ends_with(">/dev/null")), "{name}: {made:?}");
    }
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let pages = scratch.file("man1");
    frond.output(["man", &*pages.to_string_lossy()]);
    let page =
        |name: &str| std::fs::read_to_string(pages.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    for name in ["frond.1", "frond-clone.1", "frond-leaf.1", "frond-leaf-status.1", "frond-doctor.1"] {
        let text = page(name);
        assert!(text.contains(".TH") && text.contains(".SH OPTIONS"), "{name}\n{text}");
    }
    assert!(page("frond-leaf.1").contains("FROND_LEAF_LISTEN"), "variables of the environment too");
    // The unit refers to it.
    assert!(std::fs::read_to_string(deploy("frond-leaf.service")).unwrap().contains("man:frond-leaf(1)"));
    let said = frond.try_run(["man", "/proc/nowhere"]);
    assert!(said.code == Some(frond::FAILED) && said.stderr.contains("/proc/nowhere"), "{said}");
}

#[test]
fn completions_are_scripts_that_a_shell_reads() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let script = scratch.write("frond.bash", frond.output(["completions", "bash"]));
    let complete = "source \"$1\"; COMP_WORDS=(frond leaf st); COMP_CWORD=2; _frond frond st leaf; echo \"${COMPREPLY[@]}\"";
    let said = frond::run(Command::new("bash").args(["-c", complete, "bash"]).arg(&script));
    assert!(said.code == Some(0) && said.stdout.trim() == "status", "{said}");
    for (shell, words) in [("zsh", "#compdef frond"), ("fish", "complete -c frond")] {
        assert!(frond.output(["completions", shell]).contains(words), "{shell}");
    }
    assert_eq!(frond.try_run(["completions", "cmd"]).code, Some(frond::USAGE));
}
