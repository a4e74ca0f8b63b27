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
    // The log indents the lines of a message.
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let said = said.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
    (output.status.code().unwrap(), said)
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
        // In the log of a call, each error is one line.
        let is_log = args[0] == "game.rhai";
        let shown =
            |text: &&&str| !is_log || !(text.starts_with("error[") || text.contains('|') || text.contains('\u{fffd}'));
        for text in says.iter().filter(shown) {
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

#[test]
fn a_mistake_that_only_the_checker_finds_keeps_a_script_out() {
    check_kept_out(
        &[("game.rhai", b"if args.len() > 5 {\n    anser();\n}\nanswer();\nstrem_file(\"beep\");\n")],
        &[
            "no function `anser`",
            "error[unknown-function]: no function `anser`\n--> ",
            "game.rhai:2:5\n|\n2 |     anser();\n|     ^^^^^\n|\n= help: did you mean `answer`?",
            "no function `strem_file`",
            "error[unknown-function]: no function `strem_file`",
        ],
    );
    check_kept_out(
        &[("game.rhai", IMPORTER), ("lib.rhai", b"fn play() {\n    hangup(1, 2);\n}\n")],
        &["error[argument-count]: `hangup` takes ", "lib.rhai:2:5"],
    );
    // All mistakes at once, though compiling ends at the first.
    check_kept_out(
        &[("game.rhai", b"print(a);\nprint(b);\nanser();\n")],
        &["unknown variable `a`", "unknown variable `b`", "no function `anser`"],
    );
    let prompts: &[(&str, &[u8])] = &[("game.rhai", b"answer();\n"), ("game.prompts", b"hello: Hello.\nno colon\n")];
    check_kept_out(prompts, &["game.prompts:2:1", "there is no `:` after the name"]);
}

#[test]
fn warnings_and_allowed_errors_keep_no_script_out() {
    check_accepted(&[("game.rhai", b"let unused = 1;\nanswer();\n")]);
    check_accepted(&[(
        "game.rhai",
        b"if args.len() > 5 {\n    anser(); // agi-rhai: allow(unknown-function)\n}\nanswer();\n",
    )]);
}

#[test]
fn unchecked_scripts_run_until_their_mistake() {
    let folder = Folder::new();
    folder.file("game.rhai", "answer();\nif args.len() > 5 { anser(); }\n");
    folder.file("game.test.rhai", TEST);
    for (args, input, _) in COMMANDS.iter().filter(|(args, ..)| args[0] != "check") {
        let mut unchecked = args.to_vec();
        unchecked.insert(usize::from(args[0] != "game.rhai"), "--unchecked");
        let (code, said) = run(&folder, &unchecked, input);
        assert_eq!(code, 0, "{unchecked:?}: {said}");
    }
}

/// Asserts that a script runs to its end although it looks wrong, and that nothing keeps it out.
#[track_caller]
fn check_works(files: &[(&str, &str)]) {
    let folder = Folder::new();
    for (name, text) in files {
        folder.file(name, text);
    }
    for args in [&["phone", "--fast", "game.rhai"][..], &["check", "."], &["serve", "--check", "--scripts", "."]] {
        let (code, said) = run(&folder, args, "");
        assert_eq!(code, 0, "{args:?}: {said}\n{files:?}");
    }
}

#[test]
fn scripts_that_work_are_not_kept_out() {
    for text in [
        // What fails is caught.
        "try { anser(); } catch { answer(); }",
        "try { exec(\"System\", \"true\"); } catch (e) { verbose(e.kind); }",
        "try { get_data(); } catch { } try { wait_for_digit(\"5s\"); } catch { }",
        "let key = \"a\"; try { if key == 5 { answer(); } } catch { } try { if key { } } catch { }",
        "try { env.x = 1; } catch { } try { record_file(\"a\", \"gsm\", \"#\", 5, #{ bep: 1 }); } catch { }",
        // A function that the script asks for.
        "if is_def_fn(\"extra\", 0) { extra(); }",
        // A variable that a function of the script changes through `this`.
        "fn convert() { this = to_number(this); } let x = \"5\"; x.convert(); if x == 5 { answer(); }",
        "let x = \"5\"; let f = || { x = 5; }; f.call(); if x == 5 { answer(); }",
        "let x = \"5\"; for i in 0..1 { x = i; } if x == 0 { answer(); }",
        // A case that is never reached fails nothing.
        "switch get_data(\"beep\", 100, 1) { 1 => answer(), _ => verbose(\"other\") }",
        "let m = #{ play: |x| x }; m.play(1); let name = \"play\"; m[name].call(2);",
        "fn twice(x) { x * 2 } let f = Fn(\"twice\"); verbose(f.call(2)); verbose([1].map(Fn(\"twice\"))[0]);",
        "say_number(to_number(\"7\", 0) % 4); verbose(\"a\" - \"b\"); verbose(\"5\" + 5);",
    ] {
        check_works(&[("game.rhai", text)]);
    }
    // An import may call functions of whoever imports it.
    check_works(&[
        (
            "game.rhai",
            "import \"lib\" as lib;\nlib::run(); lib::point(Fn(\"on_key\"));\nfn on_key(key) { verbose(key); }\n\
             fn on_this() { verbose(this); }\n",
        ),
        (
            "lib.rhai",
            "fn run() { on_key(\"1\"); let x = \"3\"; x.on_this(); }\n\
             fn point(f) { f.call(\"4\"); }\n",
        ),
    ]);
}

#[test]
fn an_import_is_judged_with_the_script_that_imports_it() {
    // Neither of the two defines what the import calls.
    check_kept_out(
        &[
            ("game.rhai", b"import \"lib\" as lib;\nanswer();\nlib::run();\nfn on_kee(key) { verbose(key); }\n"),
            ("lib.rhai", b"fn run() { on_key(\"1\"); }\n"),
        ],
        &["error[unknown-function]: no function `on_key`", "lib.rhai:1:12"],
    );
}
