//! Which scripts and tests `agi-rhai check` and `agi-rhai test` find in a folder, and which they leave alone.

use crate::support::process::{Folder, agi_rhai};
use std::process::{Command, Stdio};

/// A script with a mistake, so that each file that is checked is mentioned.
const MISTAKE: &str = "strem_file(\"beep\");\n";

const TEST: &str = "fn test_it() {}\n";

/// Makes a folder with a game, a build folder, a hidden folder and one that git ignores.
fn project() -> Folder {
    // Outside this repository, whose own ignore rules would apply.
    let folder = Folder::at(&std::env::temp_dir().join(Folder::name()));
    for place in ["", "below/", "target/tmp/", ".hidden/", "old/"] {
        folder.file(&format!("{place}game.rhai"), MISTAKE);
        folder.file(&format!("{place}game.test.rhai"), TEST);
    }
    folder.file("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    folder.file(".gitignore", "/old\n");
    folder
}

fn git(folder: &Folder) {
    std::fs::create_dir_all(folder.path(".git")).unwrap();
}

fn said(folder: &Folder, args: &[&str]) -> String {
    let output = agi_rhai(args).current_dir(folder.path("")).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the scripts that `agi-rhai check` reads.
fn checked(folder: &Folder, paths: &[&str]) -> String {
    let said = said(folder, &[&["check"], paths].concat());
    let places = said.lines().filter_map(|line| line.trim().strip_prefix("--> "));
    places.map(|place| place.split(':').next().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Returns the tests that `agi-rhai test` finds.
fn listed(folder: &Folder, paths: &[&str]) -> String {
    let said = said(folder, &[&["test", "--list"], paths].concat());
    said.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn build_folders_and_hidden_folders_are_skipped() {
    let folder = project();
    assert_eq!(checked(&folder, &[]), "below/game.rhai game.rhai old/game.rhai");
    assert_eq!(listed(&folder, &[]), "below/game::it game::it old/game::it");
}

#[test]
fn files_ignored_by_git_are_skipped() {
    let folder = project();
    git(&folder);
    assert_eq!(checked(&folder, &[]), "below/game.rhai game.rhai");
    assert_eq!(checked(&folder, &["."]), "below/game.rhai game.rhai");
    assert_eq!(listed(&folder, &[]), "below/game::it game::it");
    // As in git, ignore files in folders above and below count, too.
    folder.file("below/.gitignore", "*\n!game.rhai\n");
    assert_eq!(listed(&folder, &["below", "game.test.rhai"]), "game::it");
    assert_eq!(checked(&folder, &["below"]), "below/game.rhai");
    folder.file(".git/info/exclude", "/below\n");
    assert_eq!(checked(&folder, &[]), "game.rhai");
}

#[test]
fn named_paths_are_always_read() {
    let folder = project();
    git(&folder);
    for place in ["old", "target", "target/tmp", ".hidden"] {
        let script = if place == "target" { "target/tmp/game.rhai".to_owned() } else { format!("{place}/game.rhai") };
        assert_eq!(checked(&folder, &[place]), script);
        assert_eq!(checked(&folder, &[&script]), script);
        assert!(listed(&folder, &[place]).ends_with("game::it"), "{place}");
        assert_eq!(listed(&folder, &[&script]), "game::it");
    }
    // Even if the current folder is one.
    let output = agi_rhai(["test", "--list"]).current_dir(folder.path("target/tmp")).output().unwrap();
    assert!(output.stdout.starts_with(b"game::it\n"));
}

#[test]
fn links_to_folders_are_not_followed_and_links_to_scripts_are_read() {
    let folder = Folder::new();
    folder.file("game.rhai", MISTAKE);
    std::os::unix::fs::symlink(".", folder.path("round")).unwrap();
    std::os::unix::fs::symlink("game.rhai", folder.path("same.rhai")).unwrap();
    assert_eq!(checked(&folder, &[]), "game.rhai same.rhai");
}

#[test]
fn an_unreadable_folder_is_reported() {
    let folder = project();
    let locked = folder.path("below");
    let mode = |mode: &str| assert!(Command::new("chmod").arg(mode).arg(&locked).status().unwrap().success());
    mode("000");
    let readable = std::fs::read_dir(&locked).is_ok();
    let output = agi_rhai(["check"]).current_dir(folder.path("")).output().unwrap();
    mode("755");
    // Root reads everything.
    if !readable {
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors, "agi-rhai: cannot read ./below: Permission denied (os error 13)\n");
    }
}

#[test]
fn a_pipe_in_place_of_a_script_is_refused_instead_of_waited_for() {
    let folder = Folder::new();
    for name in ["game.rhai", "game.test.rhai", "lib.rhai"] {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, folder.path(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
    folder.file("imports.rhai", "import \"lib\" as lib; lib::f();");
    for args in [
        &["phone", "game.rhai"][..],
        &["check", "game.rhai"],
        &["check", "imports.rhai"],
        &["test", "game.test.rhai"],
        &["phone", "imports.rhai"],
    ] {
        let mut command = Command::new("timeout");
        command.arg("20").arg(agi_rhai([""; 0]).get_program()).args(args).current_dir(folder.path(""));
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = format!("{output:?}");
        assert!(output.status.code().is_some_and(|code| code != 124 && code > 0), "{args:?}: {said}");
        // What is imported is looked for among files alone.
        let why = if args.contains(&"imports.rhai") { "to import" } else { "it isn't a file, but a pipe or a device" };
        assert!(said.contains(why), "{args:?}: {said}");
    }
}
