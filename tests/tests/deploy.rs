//! What is in leaf/deploy, and what the program says of itself: units, scripts, manual pages, completions.

#![allow(clippy::unwrap_used, reason = "what fails here is the finding")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use frond_tests::leaf::{check_in, holds, open_repository, until};
use frond_tests::process::{Running, free_port, within};
use frond_tests::{Frond, Leaf, Nats, Scratch, frond};

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
fn the_leaf_takes_the_configuration_that_is_told_beside_the_unit() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let page = std::fs::read_to_string(deploy("../OPERATIONS.md")).unwrap();
    let section = page.split("\n## systemd\n").nth(1).unwrap();
    let block = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = scratch.write("leaf.toml", block);
    let said = frond.output(["leaf", "check", "--config", &*config.to_string_lossy()]);
    // Where the unit may write.
    for place in ["/run/frond/leaf.sock", "/var/lib/frond/team.fossil"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    let unit = std::fs::read_to_string(deploy("frond-leaf.service")).unwrap();
    for line in ["RuntimeDirectory=frond", "StateDirectory=frond"] {
        assert!(unit.lines().any(|of| of == line), "{line}: {unit}");
    }
}

#[test]
fn the_hub_and_its_leaves_as_processes_keep_in_step_and_end_together() {
    let (frond, scratch, broker) = (Frond::new(), Scratch::new(), Nats::start());
    let fleet = scratch.file("fleet");
    let mut script = Command::new("sh");
    script.arg(deploy("fleet.sh")).arg(&fleet).current_dir(scratch.path());
    script.env("FROND", frond::binary()).env("PORT", free_port().to_string()).env("HOME", scratch.path());
    script.env("USER", "admin").env("FROND_LEAF_POLL", "500ms").env("NATS", broker.url());
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

/// The words of a list such as `[leaf, -R, "a b"]`.
fn words(list: &str) -> Vec<String> {
    let inner = list.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.unwrap_or_else(|| panic!("{list} is no list"));
    inner.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

#[test]
fn the_leaf_takes_the_commands_and_variables_of_image_and_example() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let [image, example] =
        ["Containerfile", "compose.yaml"].map(|name| std::fs::read_to_string(deploy(name)).unwrap());
    let after = |text: &str, key: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.trim().to_owned())).collect()
    };
    let mut commands: Vec<Vec<String>> = after(&image, "CMD").iter().map(|list| words(list)).collect();
    let health = commands.remove(0);
    let in_example = after(&example, "command:").into_iter().filter(|list| list.contains("leaf"));
    commands.extend(in_example.map(|list| words(&list)));
    let in_script = after(&example, "exec frond").into_iter();
    commands.extend(in_script.map(|line| line.split(' ').map(str::to_owned).collect()));
    assert_eq!(commands.len(), 3, "of the image, of the leaves, of the hub: {commands:?}");
    let variables: Vec<(String, String)> = after(&image, "ENV")
        .iter()
        .flat_map(|line| line.split(' '))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(variables.len(), 2);
    for command in commands {
        assert_eq!(command[0], "leaf");
        let mut check = frond.command(["leaf", "check"]);
        let said = frond::run(check.args(&command[1..]).envs(variables.clone()));
        assert_eq!(said.code, Some(0), "{command:?}: {said}");
    }
    // What looks whether a container is well.
    assert_eq!(health[0], "/usr/bin/frond");
    let file = scratch.file("team.fossil");
    open_repository(&frond, &file);
    let leaf = Leaf::of(&frond, &file, &[]);
    until("it is well", || {
        let at = health.iter().position(|word| word == "--socket").unwrap();
        let args = health[1..=at].iter().map(String::as_str).chain(leaf.started["socket"].as_str());
        frond.try_run(args).code == Some(0)
    });
}

#[test]
fn the_quick_start_for_a_fleet_does_what_it_says() {
    let (frond, scratch) = (Frond::new(), Scratch::new());
    let readme = std::fs::read_to_string(deploy("../../README.md")).unwrap();
    let section = readme.split("\n## A fleet of leaves\n").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let lines: Vec<&str> = block.lines().map(|line| line.split(" #").next().unwrap().trim()).collect();
    let [new, first, other, commit, status] = lines[..] else { panic!("five commands: {block}") };
    let [here, there] = ["here", "there"].map(|name| scratch.dir(name));
    std::os::unix::fs::symlink(frond::binary(), scratch.file("frond")).unwrap();
    let path = format!("{}:{}", scratch.path().display(), std::env::var("PATH").unwrap());
    let in_shell = |line: &str, dir: &Path| {
        let mut command = within("sh", ["-c", line], &frond.command([""; 0]));
        // Somebody else works on each machine.
        command.env("PATH", &path).env("USER", dir.file_name().unwrap()).current_dir(dir);
        command
    };
    let ports = [free_port(), free_port()];
    let leaf = |line: &str, at: usize| {
        let line = line.strip_suffix(" &").unwrap().replace("frond leaf", "exec frond leaf --json -v");
        let line = line.replace("0.0.0.0:8080", &format!("127.0.0.1:{}", ports[at]));
        let line = line.replace("that-host:8080", &format!("127.0.0.1:{}", ports[0]));
        Leaf::start_command(&mut in_shell(&line, [&here, &there][at]))
    };
    let done = |line: &str, dir: &Path| {
        let said = frond::run(&mut in_shell(line, dir));
        assert_eq!(said.code, Some(0), "{line}: {said}");
        said.stdout
    };
    done(new, &here);
    let _first = leaf(first, 0);
    let _other = leaf(other, 1);
    let copy = there.join("team.fossil");
    until("it is cloned", || copy.exists());
    for (from, to) in [(&there, &here), (&here, &there)] {
        std::fs::write(from.join("README.md"), format!("a change by {}\n", from.display())).unwrap();
        let said = done(commit, from);
        let hash = said.split_whitespace().last().unwrap();
        until("the check-in is on the other leaf", || holds(&frond, &to.join("team.fossil"), hash));
    }
    assert!(done(status, &there).contains(&format!("http://127.0.0.1:{}/", ports[0])));
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
