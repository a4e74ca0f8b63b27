//! A script with a mistake reaches no caller, whatever runs it, and whatever runs it says the same.

use crate::support::process::{ENVIRONMENT, Folder, agi_rhai};
use std::io::Write;
use std::process::Stdio;

/// Runs the program in a folder with this input. Returns its exit code and everything it printed.
fn run(folder: &Folder, args: &[&str], input: &str) -> (i32, String) {
    let mut command = agi_rhai(args);
    command.current_dir(folder.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

/// A test that calls the game.
const TEST: &str = "fn test_a_call() { place_call(\"game\"); expect_end(); }\n";

/// Everything that runs or judges the script `game.rhai`: its arguments, its input, and its exit code if the script
/// has a mistake.
const COMMANDS: &[(&[&str], &str, i32)] = &[
    (&["check", "game.rhai"], "", 1),
    (&["serve", "--check", "--scripts", "."], "", 1),
    (&["phone", "--fast", "game.rhai"], "", 1),
    (&["game.rhai"], ENVIRONMENT, 1),
    (&["test", "game.test.rhai"], "", 1),
    (&["test", "--storm", "game.rhai", "--calls", "3"], "", 2),
];

/// Asserts that each command keeps `game.rhai` out and says each of these texts, and that no command gets as far as
/// running it.
#[track_caller]
fn check_kept_out(files: &[(&str, &[u8])], says: &[&str]) {
    let folder = Folder::new();
    folder.file("game.test.rhai", TEST);
    for (name, bytes) in files {
        folder.file(name, bytes);
    }
    for (args, input, code) in COMMANDS {
        let (found, said) = run(&folder, args, input);
        assert_eq!(found, *code, "{args:?}: {said}");
        for text in says {
            assert!(said.contains(text), "{args:?} doesn't say {text:?}: {said}");
        }
        assert!(!said.contains("ANSWER") && !said.contains("answers"), "{args:?} has run it: {said}");
    }
}

/// Asserts that each command accepts these files.
#[track_caller]
fn check_accepted(files: &[(&str, &[u8])]) {
    let folder = Folder::new();
    folder.file("game.test.rhai", TEST);
    for (name, bytes) in files {
        folder.file(name, bytes);
    }
    for (args, input, _) in COMMANDS {
        let (found, said) = run(&folder, args, input);
        assert_eq!(found, 0, "{args:?}: {said}");
    }
}

const IMPORTER: &[u8] = b"import \"lib\" as lib;\nanswer();\nlib::play();\n";

#[test]
fn a_file_that_is_not_utf_8_is_an_error_with_its_place() {
    let (latin, hint) = ("Gr\u{fffd}\u{fffd}e", "in Latin-1 or Windows-1252, this byte is `ü`");
    check_kept_out(&[("game.rhai", b"answer();\n// Gr\xfc\xdfe\n")], &["game.rhai:2:6", "0xFC", latin, hint]);
    check_kept_out(
        &[("game.rhai", IMPORTER), ("lib.rhai", b"fn play() {\n    verbose(\"Gr\xfc\xdfe\");\n}\n")],
        &["lib.rhai:2:16", "0xFC", hint],
    );
    check_kept_out(
        &[("game.rhai", b"answer();\n"), ("game.phrases", b"; Gr\xfc\xdfe\nhello: vm-hello\n")],
        &["game.phrases:1:5", "0xFC", hint],
    );
    let utf_16: Vec<u8> = "answer();\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_kept_out(&[("game.rhai", &utf_16)], &["game.rhai:1:1", "the file is UTF-16, not UTF-8", "save the file"]);
}

#[test]
fn a_byte_order_mark_is_accepted_in_every_kind_of_file() {
    check_accepted(&[
        ("game.rhai", &[b"\xef\xbb\xbf", IMPORTER].concat()),
        ("lib.rhai", b"\xef\xbb\xbffn play() {\r\n    say(#{ phrase: \"hello\" });\r\n}\r\n"),
        ("game.phrases", b"\xef\xbb\xbfhello: vm-goodbye\r\n"),
        ("game.prompts", b"\xef\xbb\xbfvm-goodbye: Goodbye.\r\n"),
        ("game.test.rhai", &[b"\xef\xbb\xbf", TEST.as_bytes()].concat()),
    ]);
}

#[test]
fn a_comment_that_never_ends_is_an_error_where_it_begins() {
    let says = "this comment never ends";
    check_kept_out(&[("game.rhai", b"answer();\n/* later:\nhangup();\n")], &["game.rhai:2:1", says]);
    check_kept_out(&[("game.rhai", b"answer();\n/* a /* b */\nhangup();\n")], &["game.rhai:2:1", says]);
    check_kept_out(
        &[("game.rhai", IMPORTER), ("lib.rhai", b"fn play() { }\n  /* fn other() { }\n")],
        &["lib.rhai:2:3", says],
    );
}

#[test]
fn a_file_of_tests_and_a_table_of_prompts_are_held_to_the_same() {
    let folder = Folder::new();
    folder.file("game.rhai", "answer();\n");
    for (test, says) in [
        (&b"// Gr\xfc\xdfe\nfn test_a() { place_call(\"game\"); }\n"[..], "game.test.rhai:1:6"),
        (b"fn test_a() { place_call(\"game\"); }\n/* fn test_b() { }\n", "game.test.rhai:2:1"),
    ] {
        folder.file("game.test.rhai", test);
        for args in [["test", "game.test.rhai"], ["check", "game.test.rhai"]] {
            let (code, said) = run(&folder, &args, "");
            assert!(code == 1 && said.contains(says), "{args:?} doesn't say {says}: {said}");
        }
    }
    folder.file("game.test.rhai", TEST);
    folder.file("game.prompts", b"a: b\ngame-hello: Gr\xfc\xdfe\n");
    for (args, input, _) in COMMANDS.iter().filter(|(args, ..)| matches!(args[0], "check" | "phone" | "test")) {
        let (code, said) = run(&folder, args, input);
        assert!(code > 0 && said.contains("game.prompts:2:15"), "{args:?}: {said}");
    }
}
