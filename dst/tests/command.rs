//! The command: what it prints, and how it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use dst::node::Templates;
use dst::plan::{Edition, Level};
use dst::script::{Item, Script, Scrutiny};
use dst::sim::Outcome;
use dst::site::Site;

fn frond_dst(words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_frond-dst")).args(words).output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code().expect("it ends by itself"), text(&stdout), text(&stderr))
}

#[track_caller]
fn check(words: &[&str], code: i32, says: &[&str]) -> String {
    let (ended, out, err) = frond_dst(words);
    let all = format!("{out}{err}");
    assert_eq!(ended, code, "{words:?}: {all}");
    for text in says {
        assert!(all.contains(text), "{words:?} does not say {text}: {all}");
    }
    out
}

/// A seed, and words that break a rule in it.
fn planted() -> (String, String) {
    let templates = Templates::new().expect("repositories in memory");
    for seed in 0..1_000 {
        let outcome = dst::sim::play(&Script::new(seed, Level::Rough), &templates, 0).expect("a run");
        let mut done = outcome.done.iter();
        let hit = done.find(|item| matches!(item, Item::Hit(Site::LoseReply, turn) if turn.part == 1));
        if let Some(hit) = hit {
            return (seed.to_string(), format!("action 0,{hit}"));
        }
    }
    panic!("no seed lost a reply");
}

#[test]
fn a_seed_that_breaks_no_rule_ends_with_0() {
    check(&["run", "--seed", "1", "--level", "calm"], 0, &["seed 1 calm: ", "hash "]);
    check(&["sweep", "--seeds", "0..3"], 0, &["calm: 3 seeds, 0 broken", "hostile: 3 seeds"]);
    for edition in Edition::ALL.map(|edition| edition.to_string()) {
        let words = ["meta", "--seeds", "0..3", "--level", "rough", "--edition", &edition];
        check(&words, 0, &["rough: 3 seeds, each the same twice"]);
    }
    check(&["meta", "--level", "calm"], 0, &["calm: 50 seeds, each the same twice"]);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let sweep = |jobs| check(&["sweep", "--seeds", "0..12", "--jobs", jobs], 0, &[]);
    assert_eq!(sweep("1"), sweep("3"));
}

#[test]
fn a_soak_ends_with_its_time_and_says_where_it_began() {
    let says = ["from seed 5 on", "at calm, rough, hostile", "seeds 5 to ", " runs in ", "0 broken"];
    check(&["soak", "--minutes", "0.01", "--from", "5"], 0, &says);
    let words = ["soak", "--minutes", "0.01", "--level", "calm", "--edition", "1"];
    check(&words, 0, &["from seed 1", "at calm\n"]);
}

#[test]
fn what_shrink_writes_replay_breaks_again() {
    let (seed, plant) = planted();
    let dir = std::env::temp_dir().join(format!("frond-dst-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("least.script");
    let path = file.to_str().expect("a name in UTF-8");
    let shrink = ["shrink", "--seed", &seed, "--level", "rough", "--plant", &plant];
    let again = format!("again: cargo run --release -p frond-dst -- replay {path} --trace");
    check(&[&shrink[..], &["-o", path]].concat(), 0, &["broken: planted", &again]);
    check(&["replay", path], 1, &["broken again: planted, by the same trace", &again]);
    let text = std::fs::read_to_string(&file).expect("the script");
    assert_eq!(check(&shrink, 0, &[]), text);
    // At the first level at which all that happens.
    check(&["shrink", "--seed", &seed, "--plant", &plant], 0, &["\nlevel ", "\nexpect planted "]);

    replace(&file, "expect planted", "expect kept");
    check(&["replay", path], 1, &["broken: planted; the script expects kept"]);
    replace(&file, "planted action 0", "");
    replace(&file, "\nseed ", "\nwithout hit lose-reply 0-1.1\nseed ");
    check(&["replay", path], 2, &["'0-1.1' is none of N, N.N"]);
    std::fs::write(&file, "frond-dst script 1\nseed 1\nlevel calm\nexpect kept 0\n").expect("a file");
    check(&["replay", path], 0, &["not broken again: kept"]);
    std::fs::write(&file, "frond-dst script 1\nseed 1\nlevel calm\nwithout peer 900\n").expect("a file");
    check(&["replay", path], 2, &["least.script: line 4: seed 1 has no peer 900; of peer it has 0 to "]);
    let text = "frond-dst script 1\nseed 1\nlevel calm\nwithout bulk\nwithout action 1 400 # many\n";
    std::fs::write(&file, text).expect("a file");
    check(&["replay", path], 2, &["line 4: seed 1 has no bulk; of bulk it has none"]);
    replace(&file, "without bulk\n", "\n");
    check(&["replay", path], 2, &["line 5: seed 1 has no action 400; of action it has 0 to ", "from 499 on"]);
    std::fs::write(&file, "frond-dst script 1\nseed 1\nlevel calm\nexpect keptt 0\n").expect("a file");
    check(&["replay", path], 2, &["least.script: line 4: 'keptt' is no rule; there are answered, "]);
    std::fs::write(&file, b"\xff\xfe").expect("a file");
    check(&["replay", path], 2, &["not text in UTF-8"]);
    std::fs::write(&file, vec![b'#'; 2 << 20]).expect("a file");
    check(&["replay", path], 2, &["longer than 1048576 bytes"]);
    std::fs::remove_dir_all(&dir).expect("the directory goes");
}

#[test]
fn a_script_that_cannot_be_written_is_told_before_the_search_and_leaves_nothing_behind() {
    let (seed, plant) = planted();
    let dir = std::env::temp_dir().join(format!("frond-dst-unwritten-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let sound = ["shrink", "--seed", "1", "--level", "calm"];
    let broken = ["shrink", "--seed", &seed, "--level", "rough", "--plant", &plant];
    let shrink = |words: &[&str], path: &Path, code, says: &[&str]| {
        let path = path.to_str().expect("a name in UTF-8");
        check(&[words, &["-o", path]].concat(), code, says);
    };
    shrink(&broken, &dir.join("none").join("a.script"), 2, &["cannot write", "No such file"]);
    shrink(&broken, &dir, 2, &["cannot write", "directory"]);
    shrink(&sound, &dir.join("a.script"), 2, &["breaks no rule at level calm"]);
    assert_eq!(std::fs::read_dir(&dir).expect("a directory").count(), 0);
    // What was there stays until there is something better.
    let kept = dir.join("it's here.script");
    std::fs::write(&kept, "kept").expect("a file");
    shrink(&sound, &kept, 2, &["breaks no rule"]);
    assert_eq!(std::fs::read_to_string(&kept).expect("a file"), "kept");
    let quoted = format!("replay '{}/it'\\''s here.script' --trace", dir.display());
    shrink(&broken, &kept, 0, &["broken: planted", &quoted]);
    let text = std::fs::read_to_string(&kept).expect("the script");
    assert!(text.starts_with("frond-dst script 1\n# Run it"), "{text}");
    std::fs::remove_dir_all(&dir).expect("the directory goes");
}

#[test]
fn who_reads_no_further_hears_no_complaint() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frond-dst"));
    command.args(["run", "--seed", "7", "--level", "rough", "--trace"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

fn replace(file: &Path, what: &str, with: &str) {
    let text = std::fs::read_to_string(file).expect("a script");
    assert!(text.contains(what), "{text}");
    std::fs::write(file, text.replacen(what, with, 1)).expect("a file");
}

#[test]
fn a_wrong_word_says_what_is_wrong_with_it() {
    let cases: [(&[&str], &str); 9] = [
        (&[], "Usage: frond-dst <COMMAND>"),
        (&["walk"], "'walk'"),
        (&["run"], "--seed <N>"),
        (&["run", "--seed", "1", "--level", "mild"], "calm, rough, hostile"),
        (&["run", "--seed", "1", "--edition", "99"], "[possible values: 1, 2, 3, 4"),
        (&["sweep"], "--seeds <A..B>"),
        (&["shrink", "--seed", "1", "--level", "calm"], "seed 1 breaks no rule at level calm"),
        (&["shrink", "--seed", "1"], "seed 1 breaks no rule at level calm, rough, hostile"),
        (&["replay", "/nowhere/at/all"], "No such file"),
    ];
    for (words, says) in cases {
        check(words, 2, &[says]);
    }
}

#[test]
fn a_wrong_number_is_told_what_is_wrong_what_is_allowed_and_an_example() {
    let seed = "write a whole number from 0 to 18446744073709551615, such as 7";
    let seeds = "write A..B, from seed A on, below seed B (0 to 18446744073709551615), such as 0..1000";
    let minutes = "write minutes, more than 0 and at most 525600, such as 10 or 0.5";
    let jobs = "write a whole number from 1 on, such as 4";
    let bound = "write a whole number from 1 to 18446744073709551615, such as 100";
    let cases: [(&[&str], &str, &str, &str); 26] = [
        (&["run"], "--seed", "x", "that is no seed"),
        (&["run"], "--seed", "-1", "that is no seed"),
        (&["shrink"], "--seed", "", "that is no seed"),
        (&["soak", "--minutes", "1"], "--from", "1.5", "that is no seed"),
        (&["sweep"], "--seeds", "5", "there is no '..' in it"),
        (&["sweep"], "--seeds", "..5", "there is no A"),
        (&["sweep"], "--seeds", "5..", "there is no B"),
        (&["sweep"], "--seeds", "5..x", "B is 'x', which is no seed"),
        (&["meta"], "--seeds", "-1..5", "A is '-1', which is no seed"),
        (&["sweep"], "--seeds", "5..5", "there is no seed in it, since B is not greater than A"),
        (&["meta"], "--seeds", "6..5", "there is no seed in it, since B is not greater than A"),
        (&["soak"], "--minutes", "", "that is no number"),
        (&["soak"], "--minutes", "-", "that is no number"),
        (&["soak"], "--minutes", "nan", "that is no number"),
        (&["soak"], "--minutes", "0", "that is no time"),
        (&["soak"], "--minutes", "-1", "that is no time"),
        (&["soak"], "--minutes", "inf", "that is too long"),
        (&["soak"], "--minutes", "1e300", "that is too long"),
        (&["sweep", "--seeds", "0..1"], "--jobs", "0", "without a thread nothing runs"),
        (&["soak", "--minutes", "1"], "--jobs", "x", "that is no number of threads"),
        (&["meta"], "--jobs", "-1", "that is no number of threads"),
        (&["meta"], "--jobs", "1.5", "that is no number of threads"),
        (&["shrink", "--seed", "1"], "--runs", "0/3", "that is no number"),
        (&["shrink", "--seed", "1"], "--runs", "0", "that is too little"),
        (&["shrink", "--seed", "1"], "--seconds", "-1", "that is no number"),
        (&["shrink", "--seed", "1"], "--seconds", "18446744073709551616", "that is no number"),
    ];
    for (words, option, value, wrong) in cases {
        let allowed = match option {
            "--seeds" => seeds,
            "--minutes" => minutes,
            "--jobs" => jobs,
            "--runs" | "--seconds" => bound,
            _ => seed,
        };
        let told = format!("error: invalid value '{value}' for '{option} <");
        let given = format!("{option}={value}");
        check(&[words, &[&given]].concat(), 2, &[&told, &format!(">': {wrong}: {allowed}\n")]);
    }
    for words in [["run", "--seed", "-1"], ["soak", "--minutes", "-1"]] {
        check(&words, 2, &["invalid value '-1'"]);
    }
}

#[test]
fn help_tells_of_every_command_and_of_the_exit_codes() {
    let commands = ["run", "sweep", "soak", "meta", "shrink", "replay"];
    check(&["--help"], 0, &[&commands[..], &["Exit codes"]].concat());
    for command in commands {
        check(&[command, "--help"], 0, &["Usage: frond-dst"]);
    }
    for command in ["run", "sweep", "soak", "meta", "shrink"] {
        let newest = format!("[default: {}]", Edition::default());
        check(&[command, "--help"], 0, &[&newest, "[possible values: 1, 2, 3, 4"]);
    }
    check(
        &["shrink", "--help"],
        0,
        &["Exit codes: 0 there is a script", "without it, the first level at", "--plant <ITEMS>"],
    );
    check(&["replay", "--help"], 0, &["Exit codes: 0 no rule is broken", "; 1 a rule is broken"]);
}

#[test]
fn what_is_planted_is_held_against_the_seed_as_a_script_is() {
    let cases: [(&str, &[&str]); 7] = [
        ("", &["nothing is named"]),
        ("actions 3", &["invalid value 'actions 3' for '--plant <ITEMS>'", "'actions' is none of fault"]),
        ("action 0,action x", &["invalid value 'action x'", "'x' is no number"]),
        ("strike lose-reply 0", &["'lose-reply' is no strike; there are link-down, "]),
        ("fault crash", &["'fault crash' has no moment at which it happens; what has is session, "]),
        (
            "action 400",
            &["--plant: seed 2 has no action 400 at level rough; of action it has 0 to ", "from 499 on"],
        ),
        (
            "hit lose-reply 1.1",
            &["--plant: seed 2 has no hit lose-reply 1.1 at level rough", "lose-reply is off"],
        ),
    ];
    for (planted, says) in cases {
        let words = ["shrink", "--seed", "2", "--edition", "1", "--level", "rough", "--plant", planted];
        check(&words, 2, says);
    }
    // At no level. What it has at one only is tried there.
    let says =
        ["no session 400 at level calm", "no session 400 at level rough", "no session 400 at level hostile"];
    check(&["shrink", "--seed", "2", "--plant", "session 400"], 2, &says);
    let (seed, _) = planted();
    let says = [format!("seed {seed} breaks no rule at level rough")];
    check(&["shrink", "--seed", &seed, "--plant", "hit lose-reply 9999.1"], 2, &[&says[0]]);
}

#[test]
fn a_thorough_look_after_every_commit_changes_nothing_of_what_happens() {
    let templates = Templates::new().expect("repositories in memory");
    let run = |seed, scrutiny| {
        let script = Script::new(seed, Level::Rough).under(scrutiny);
        dst::sim::play(&script, &templates, 0).expect("a run")
    };
    let looks = |outcome: &Outcome| {
        let [all, rebuilt] =
            ["all contents expanded", "compared with a rebuild"].map(|kind| outcome.census.count(kind));
        (all, rebuilt)
    };
    let (mut few, mut many) = ((0, 0), (0, 0));
    for seed in 0..4 {
        let [sampled, thorough] = [Scrutiny::Sampled, Scrutiny::Thorough].map(|scrutiny| run(seed, scrutiny));
        assert_eq!(sampled.trace.hash(), thorough.trace.hash(), "seed {seed}");
        few = (few.0 + looks(&sampled).0, few.1 + looks(&sampled).1);
        many = (many.0 + looks(&thorough).0, many.1 + looks(&thorough).1);
    }
    assert!(many.0 > 10 * few.0 && many.1 > 10 * few.1, "{many:?} looks, {few:?} where they are drawn");
}

#[test]
fn the_command_that_runs_a_thorough_run_again_says_so() {
    let (seed, plant) = planted();
    let words = ["shrink", "--seed", &seed, "--level", "rough", "--thorough", "--plant", &plant];
    let script = check(&words, 0, &["\nthorough\n"]);
    assert_eq!(script.parse::<Script>().expect("a script").scrutiny, Scrutiny::Thorough);
}
