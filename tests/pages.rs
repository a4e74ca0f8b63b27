//! The reference in the terminal, completion in shells, and the manual pages.

use crate::support::process::{Folder, agi_rhai, program};
use agi_rhai::command::COMMANDS;
use agi_rhai::internals::BUILTINS;
use agi_rhai::internals::QUESTIONS;
use agi_rhai::internals::VOCABULARY;
use std::process::{Command, Stdio};

/// Runs the program without a call. Returns the exit code, standard output and standard error.
fn typed(args: &[&str]) -> (Option<i32>, String, String) {
    run(&mut agi_rhai(args))
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_list_of_functions_fits_the_terminal() {
    let (code, list, _) = typed(&["commands"]);
    assert_eq!(code, Some(0));
    assert!(list.lines().all(|line| line.chars().count() <= 80 && !line.contains('\u{1b}')), "{list}");
    for line in [
        "The call\n",
        "  stream_file               Plays a sound file.\n",
        "  get_data                  Plays a sound file and reads digits until `#`.\n",
        "  random                    Returns a random number: a whole one between two.\n",
        "\nQuestions and menus\n",
    ] {
        assert!(list.contains(line), "no {line:?} in {list}");
    }
    let names = COMMANDS
        .iter()
        .map(|c| c.function.name)
        .chain(BUILTINS.iter().chain(QUESTIONS).chain(VOCABULARY).map(|f| f.name));
    for name in names {
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name} is missing");
    }
}

#[test]
fn a_function_is_shown_with_its_whole_entry() {
    let (code, page, _) = typed(&["commands", "stream_file"]);
    let expected = r#"stream_file(file, escape_digits = "", offset?)
    sends STREAM FILE

Plays a sound file; the caller may end it with a key.

Parameters
    file                    (text) Sound file, without extension.
    escape_digits           (keys, `""` if left out) Keys that end it early;
                            none if left out.
    offset                  (integer from 0, may be left out) Sample to start
                            from.

Returns
    the key pressed, as text; `""` if none.
    A missing sound file is logged; the call goes on without it.
    Does not work after the hangup.

Examples
    stream_file("beep")
        to Asterisk  STREAM FILE "beep" ""
        its reply    200 result=0 endpos=3520
        value        ""

    // the caller presses 2 after 1s
    stream_file("vm-intro", "12")
        to Asterisk  STREAM FILE "vm-intro" "12"
        its reply    200 result=50 endpos=8000
        value        "2"

    stream_file("no-such-file")
        to Asterisk  STREAM FILE "no-such-file" ""
        its reply    200 result=-1 endpos=0
        to Asterisk  CHANNEL STATUS
        its reply    200 result=4
        value        ""
"#;
    assert_eq!((code, page.as_str()), (Some(0), expected));
    for words in [&["STREAM", "FILE"][..], &["stream file"], &["Stream_File"]] {
        assert_eq!(typed(&[&["commands"], words].concat()).1, page, "{words:?}");
    }
    // Every entry fits, except for lines that show the wire or a script as they are.
    for function in COMMANDS.iter().map(|command| command.function.name) {
        let (code, page, _) = typed(&["commands", function]);
        assert_eq!(code, Some(0), "{function}");
        let entries = page.split("\nExample").next().unwrap().lines().skip(1);
        for line in entries {
            assert!(line.chars().count() <= 80, "{function}: {line}");
        }
    }
    let menu = typed(&["commands", "menu"]).1;
    assert!(menu.contains("        tries               (integer from 1 to 1000, `3` if left out) How often"), "{menu}");
    assert_eq!(typed(&["commands", "sub_string"]).1.lines().next(), Some("text.sub_string(start, length?)"));
}

#[test]
fn part_of_a_name_finds_all_matches_and_a_typo_gets_a_suggestion() {
    let (code, list, _) = typed(&["commands", "grammar"]);
    assert_eq!(code, Some(0));
    let names: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(
        names
            == ["speech_load_grammar", "speech_activate_grammar", "speech_deactivate_grammar", "speech_unload_grammar"],
        "{names:?}"
    );
    let (code, out, err) = typed(&["commands", "strem_file"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "agi-rhai: there is no function `strem_file`; did you mean `stream_file`?\n");
    let (code, _, err) = typed(&["commands", "quux", "frob"]);
    assert_eq!(code, Some(2));
    assert_eq!(err, "agi-rhai: there is no function `quux frob`; `agi-rhai commands` lists all\n");
}

/// Returns bash's completions for the last of these words, with the program's own script loaded.
fn bash(words: &[&str]) -> Vec<String> {
    let script = r#"
        source <("$0" completions bash)
        COMP_WORDS=(agi-rhai "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
        set -- $(complete -p agi-rhai)
        while [ "$1" != -F ]; do shift; done
        "$2" agi-rhai "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, program()]).args(words);
    let (code, out, err) = run(&mut command);
    assert!(err.is_empty(), "{words:?}: {err}");
    assert!(code.is_some(), "{words:?}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_subcommands_options_and_scripts() {
    assert_eq!(bash(&["se"]), ["serve"]);
    assert_eq!(bash(&["--rec"]), ["--record"]);
    assert_eq!(bash(&["phone", "--calleri"]), ["--callerid"]);
    assert_eq!(bash(&["completions", "z"]), ["zsh"]);
    let calls = bash(&["calls", ""]);
    assert!(["list", "show", "end"].iter().all(|name| calls.contains(&(*name).to_owned())), "{calls:?}");
    // Where there is nothing to offer, bash completes files, because of `-o default`.
    for words in [&["phone", ""][..], &["phone", "scripts/gu"], &["test", ""], &["lsp", ""], &["scripts/gu"]] {
        assert_eq!(bash(words), [""; 0], "{words:?}");
    }
    let script = typed(&["completions", "bash"]).1;
    assert!(script.lines().any(|line| line.trim().starts_with("complete -F ") && line.contains("-o default agi-rhai")));
}

#[test]
fn every_shell_has_a_completion_script() {
    for (shell, holds) in [
        ("zsh", "#compdef agi-rhai"),
        ("fish", "complete -c agi-rhai"),
        ("elvish", "set edit:completion:arg-completer[agi-rhai]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let (code, script, _) = typed(&["completions", shell]);
        assert!(code == Some(0) && script.contains(holds), "{shell}: {script}");
    }
    assert!(typed(&["completions", "zsh"]).1.contains("commands \"$@\"\n    _files\n"));
    let (code, out, err) = typed(&["completions", "tcsh"]);
    assert!(code == Some(2) && out.is_empty() && err.contains("bash, elvish, fish, powershell, zsh"), "{err}");
}

#[test]
fn the_manual_pages_are_written_and_rendered() {
    let (code, page, _) = typed(&["man"]);
    assert_eq!(code, Some(0));
    assert!(page.contains(".TH agi-rhai 1 ") && page.contains("AGI(agi\\-rhai,game.rhai,a,b)"), "{page}");
    let folder = Folder::new();
    let pages = folder.path("share/man1");
    assert_eq!(typed(&["man", pages.to_str().unwrap()]), (Some(0), String::new(), String::new()));
    let mut names: Vec<String> =
        std::fs::read_dir(&pages).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in ["agi-rhai.1", "agi-rhai-phone.1", "agi-rhai-calls-show.1", "agi-rhai-lsp.1"] {
        assert!(names.contains(&name.to_owned()), "no {name} in {names:?}");
    }
    for (formatter, args) in [("groff", &["-man", "-ww", "-Tutf8"][..]), ("mandoc", &["-T", "lint", "-W", "warning"])] {
        for name in &names {
            let mut command = Command::new(formatter);
            command.args(args).arg(pages.join(name));
            let Ok(output) = command.stdin(Stdio::null()).output() else {
                eprintln!("{formatter} is not installed here");
                break;
            };
            let said = if formatter == "groff" { output.stderr } else { [output.stdout, output.stderr].concat() };
            assert_eq!(String::from_utf8_lossy(&said), "", "{formatter} {name}");
        }
    }
    let file = folder.file("file", "");
    let (code, _, err) = typed(&["man", &file]);
    assert!(code == Some(2) && err.contains(&format!("cannot write to {file}")), "{err}");
}
