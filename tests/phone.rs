//! The phone in the terminal: keys in, screen out.

mod picture;

use crate::http::backend::Backend;
use crate::support::process::{Folder, Process, agi_rhai, program};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything takes here, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program on a pseudo-terminal, and its user.
struct Terminal {
    child: Child,
    keys: File,
    /// Another handle of the terminal's side, to check its settings.
    line: File,
    before: Termios,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
    /// Tells the reader to stop.
    gone: Arc<AtomicBool>,
}

impl Terminal {
    /// Starts `agi-rhai ARGS` with 80 columns and 24 rows.
    fn start(args: &[&str]) -> Self {
        Self::start_on(80, 24, &mut agi_rhai(args))
    }

    fn start_on(columns: u16, rows: u16, command: &mut Command) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let name = ptsname(&near, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let line = OpenOptions::new().read(true).write(true).open(path).unwrap();
        tcsetwinsize(&line, size(columns, rows)).unwrap();
        let before = tcgetattr(&line).unwrap();
        // In a session of its own, with this terminal.
        let mut session = Command::new("/usr/bin/setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        if command.get_envs().all(|(name, _)| name != "NO_COLOR") {
            session.env_remove("NO_COLOR");
        }
        session.env("TERM", "xterm-256color");
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        let end = || line.try_clone().unwrap();
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(near);
        let mut output = keys.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(non_zero(rows), non_zero(columns), 0)));
        let shown = Arc::clone(&screen);
        let gone = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&gone);
        let reader = std::thread::spawn(move || {
            let (mut bytes, mut waiting) = ([0; 4096], Vec::new());
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                if stop.load(Relaxed) {
                    break;
                }
                waiting.extend_from_slice(&bytes[..length]);
                // Frames are synchronized: a frame counts once it is complete.
                let last = |mark: &[u8]| waiting.windows(mark.len()).rposition(|bytes| bytes == mark);
                let whole = match (last(b"\x1b[?2026h"), last(b"\x1b[?2026l")) {
                    (Some(begins), ends) if ends.is_none_or(|ends| ends < begins) => begins,
                    _ => waiting.len(),
                };
                shown.lock().unwrap().process(&waiting[..whole]);
                waiting.drain(..whole);
            }
        });
        Self { child, keys, line, before, screen, reader: Some(reader), gone }
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen meets a condition.
    #[track_caller]
    fn wait_until(&mut self, what: &str, is: impl Fn(&vt100::Screen) -> bool) -> &mut Self {
        let began = Instant::now();
        while !is(self.screen.lock().unwrap().screen()) {
            if began.elapsed() > PATIENCE {
                panic!("{what} does not appear:\n{}", self.text());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    /// Waits until this text is on the screen.
    #[track_caller]
    fn sees(&mut self, text: &str) -> &mut Self {
        self.wait_until(text, |screen| screen.contents().contains(text))
    }

    /// Waits until this text is no longer on the screen.
    #[track_caller]
    fn sees_no(&mut self, text: &str) -> &mut Self {
        self.wait_until(&format!("no {text}"), |screen| !screen.contents().contains(text))
    }

    fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.screen.lock().unwrap().screen_mut().set_size(non_zero(rows), non_zero(columns));
        tcsetwinsize(&self.line, size(columns, rows)).unwrap();
        self
    }

    fn signal(&mut self, name: &str) -> &mut Self {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
        self
    }

    /// Closes the window.
    fn goes_away(&mut self) -> &mut Self {
        self.gone.store(true, Relaxed);
        self.reader.take().unwrap().join().unwrap();
        let nothing = || OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        (self.keys, self.line) = (nothing(), nothing());
        self
    }

    /// Waits for the program to end, and checks that it has restored the terminal.
    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > PATIENCE => panic!("it does not end:\n{}", self.text()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        self.wait_until("the usual screen with its cursor", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let after = tcgetattr(&self.line).unwrap();
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before), "the terminal's settings");
        status.code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

fn non_zero(length: u16) -> std::num::NonZero<u16> {
    length.try_into().unwrap()
}

#[test]
fn the_bare_program_explains_itself() {
    let mut terminal = Terminal::start_on(100, 120, agi_rhai([""; 0]).env("AGI_RHAI_SEED", "7"));
    assert_eq!(terminal.ends(), Some(2));
    terminal.sees("Usage:").sees("Commands:").sees("phone").sees("serve").sees("Exit codes:").sees_no("error:");
    // Asterisk, which forgot the script, gets an error of a few lines.
    let ended = Process::call(&mut agi_rhai([""; 0])).end();
    ended.code(2).says("<SCRIPT>");
    assert!(ended.stderr.lines().count() < 8, "{}", ended.stderr);
}

/// A game with a question that can be answered at once, one that accepts only some keys, and stored values.
const QUIZ: &str = r##"
answer();
stream_file("welcome", "#");
let played = to_number(database_get("quiz", "played"), 0);
database_put("quiz", "played", played + 1);
stream_file("rules");
let keys = get_data("ask", 6000, 2);
print(`keys: ${keys}`);
set_variable("KEYS", keys);
say_number(to_number(keys, 0));
stream_file("bye");
"##;

const PROMPTS: &str = "welcome: Welcome to the quiz, which is a game of many many words, so that it lasts\n\
    rules: There are no rules\nask: What is it\nbye: Bye\n";

/// Makes a folder with the quiz. Returns it and the path of the quiz.
fn quiz() -> (Folder, String) {
    let folder = Folder::new();
    folder.file("quiz.prompts", PROMPTS);
    let script = folder.file("quiz.rhai", QUIZ);
    (folder, script)
}

#[test]
fn a_game_can_be_played_to_its_end() {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/guess.rhai");
    let mut terminal = Terminal::start_on(100, 50, &mut agi_rhai(["phone", "--fast", "--db", "guess/201=9", scripts]));
    let (mut low, mut high) = (1, 100);
    let said = |screen: &vt100::Screen| {
        let text = screen.contents();
        // The history alone: below it the script itself is shown.
        let history = text.split("─ Script  ").next().unwrap();
        history.rsplit_once("◂").map_or(history, |(_, tail)| tail).to_owned()
    };
    terminal.sees("waits for a key");
    for round in 0.. {
        assert!(round < 8, "{}", terminal.text());
        let guess = (low + high) / 2;
        // It asks for at most three digits.
        let keys = if guess == 100 { "100".to_owned() } else { format!("{guess}#") };
        let typed: String = keys.chars().map(|key| format!("{key} ")).collect();
        terminal.press(&keys);
        // Another question, or whether to play again.
        terminal.wait_until("the answer", |screen| {
            let tail = said(screen);
            tail.trim_start().starts_with(typed.trim_end())
                && ["guess-enter", "guess-again"].iter().any(|prompt| tail.contains(prompt))
        });
        let tail = said(terminal.screen.lock().unwrap().screen());
        match () {
            () if tail.contains("guess-higher") => low = guess + 1,
            () if tail.contains("guess-lower") => high = guess - 1,
            () => break,
        }
    }
    // The best game of this caller so far, with its words.
    terminal.sees("guess-new-best").sees("This is your best game so far.");
    terminal.press("9").sees("ended: SUCCESS").sees("The dialplan goes on at default,s,2.");
    terminal.wait_until("fewer guesses than 9", |screen| {
        let text = screen.contents();
        let best = text.split("/guess/201 = ").nth(1).and_then(|rest| rest.chars().next());
        best.is_some_and(|best| ('1'..'9').contains(&best))
    });
    terminal.press("q");
    assert_eq!(terminal.ends(), Some(0));
    // The normal screen afterwards.
    terminal.sees("Call ended: SUCCESS").sees("Stored in AstDB: /guess/201=");
}

#[test]
fn a_key_ends_a_prompt_only_if_the_prompt_accepts_it() {
    let (_folder, script) = quiz();
    let mut terminal = Terminal::start(&["phone", &script]);
    terminal.sees("welcome").sees("Welcome to the quiz").sees("keys are heard: #").sees("quiz.rhai:3");
    // Another key than the one that ends it.
    terminal.press("5").sees("◂ 5  is ignored here");
    let began = Instant::now();
    terminal.press("#").sees("▸ rules").sees("◂ #");
    assert!(began.elapsed() < Duration::from_secs(4), "the welcome takes 6 s");
    terminal.sees("keys are not heard now").press("7").sees("◂ 7  the script isn't listening");
    // A key in the prompt of a question is its first one.
    terminal.sees("▸ ask").press("4").sees("waits for a key").sees("keys are heard  ◂ 4").press("d");
    terminal.sees("· keys: 4D").sees("KEYS = 4D").sees("▸ number 0").sees("▸ bye").sees("ended: SUCCESS");
    terminal.press("q").ends();
}

#[test]
fn a_question_counts_down_and_shows_its_timeout() {
    let folder = Folder::new();
    let script = folder.file("ask.rhai", "wait_for_digit(1200);\nwait_for_digit(-1);");
    let mut terminal = Terminal::start(&["phone", &script]);
    terminal.sees("1.0 s left").sees("0.5 s left").sees("no key within 1.2 s").sees("as long as it takes");
    terminal.press("1").sees("ended: SUCCESS").press("q").ends();
}

#[test]
fn the_words_of_a_question_stay_while_it_waits() {
    let folder = Folder::new();
    folder.file("two.prompts", "welcome: Welcome to this\nask: How many sheep do you see\nagain: Are you sure\n");
    let script = folder.file(
        "two.rhai",
        "stream_file(\"welcome\");\nask([\"ask\", 3], #{ max: 1 });\nconfirm(\"again\", #{ first: 600 });",
    );
    let mut terminal = Terminal::start(&["phone", "--fast", &script]);
    let line = |screen: &vt100::Screen, mark: &str| {
        let rows: Vec<String> = screen.rows(0, 62).collect();
        let at = rows.iter().position(|row| row.trim_start().starts_with(mark));
        at.map(|at| rows[at + 1].trim().to_owned()).unwrap_or_default()
    };
    let shows = |words: &'static str| move |screen: &vt100::Screen| line(screen, "? waits for a key") == words;
    terminal.wait_until("all of the question", shows("Welcome to this How many sheep do you see 3"));
    terminal.press("3").wait_until("the next question alone", shows("Are you sure"));
    terminal.press("1").sees("ended: SUCCESS");
    terminal.press("q").ends();
}

#[test]
fn variables_of_the_script_and_of_the_function_that_runs_are_shown() {
    let folder = Folder::new();
    let script = "const LEVEL = 3; let name = \"Ada\"; let list = 1; let list = [1, 2];\nstate.score = 7;\n\
        fn inner(guess) { let twice = guess * 2; wait_for_digit(-1); state.score += twice; wait_for_digit(-1); }\n\
        fn outer() { let hidden = 1; inner(21); }\nouter();\nname += \"!\";\nwait_for_digit(-1);";
    let script = folder.file("vars.rhai", script);
    let mut terminal = Terminal::start_on(100, 40, &mut agi_rhai(["phone", &script]));
    terminal.sees("─ In inner()").sees("guess = 21").sees("twice = 42");
    terminal
        .sees("─ Variables ")
        .sees("LEVEL = 3")
        .sees("name = \"Ada\"")
        .sees("list = [1, 2]")
        .sees("state.score = 7");
    assert!(!terminal.text().contains("hidden = 1\n"), "{}", terminal.text());
    terminal.press("1").sees("state.score = 49");
    terminal.press("1").sees("name = \"Ada!\"").sees_no("─ In inner()").press("1").sees("ended: SUCCESS");
    // What a function computes takes no longer for being watched.
    folder.file("vars.rhai", "fn f(x) { x + 1 }\nlet n = 0;\nwhile n < 3000 { n = f(n); }\nwait_for_digit(-1);");
    terminal.sees("was saved").press("\r").sees("n = 3000").press("1").sees("ended: SUCCESS").press("q").ends();
}

#[test]
fn after_a_hangup_the_caller_can_call_again_and_astdb_survives() {
    let (_folder, script) = quiz();
    let mut terminal = Terminal::start(&["phone", "--seed", "77", &script]);
    terminal.sees("call 1").sees("▸ welcome").sees("seed 77").press("#").sees("/quiz/played = 1").press("h");
    terminal.sees("you hang up").sees("Call ended: HANGUP").sees("AGI_RHAI_STATUS = HANGUP").sees("Enter calls again");
    // There is no call to press keys in.
    terminal.press("1\r").sees("● call 2").press("#").sees("/quiz/played = 2").press("h").sees("Call ended: HANGUP");
    terminal.press("q");
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn a_computing_script_blocks_neither_the_screen_nor_the_hangup() {
    let folder = Folder::new();
    let script =
        folder.file("busy.rhai", "answer();\nlet n = 0;\nloop { n += 1; }\nfn on_hangup() { print(\"gone\"); }");
    let mut terminal = Terminal::start(&["phone", "--max-computing", "50", &script]);
    terminal.sees("computes").sees("0:01").press("l").press("h").sees("ended: HANGUP").sees("· gone");
    terminal.press("\r").sees("call 2").sees("computes").press("q");
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn a_script_saved_during_a_call_is_run_by_the_next() {
    let folder = Folder::new();
    let library = |text: &str| folder.file("words.rhai", format!("fn text() {{ \"{text}\" }}"));
    library("one");
    let script = folder.file("main.rhai", "import \"words\" as words;\nprint(words::text());\nwait_for_digit(-1);");
    let mut terminal = Terminal::start(&["phone", &script]);
    terminal.sees("· one").sees("waits for a key");
    // The same for its imports and the table of its prompts.
    library("two");
    terminal.sees("main.rhai was saved: the next call runs it").press("1").sees("ended: SUCCESS");
    terminal.press("\r").sees("· two").press("1").sees("Enter calls again");
    folder.file("main.prompts", "beep: What a beep\n");
    terminal.sees("main.rhai was saved: Enter calls it");
    folder.file("main.rhai", "stream_file(\"beep\");");
    terminal.sees_no("import").press("\r").sees("What a beep").sees("ended: SUCCESS").press("q").ends();
}

#[test]
fn a_fault_is_shown_with_its_source_until_it_is_fixed() {
    let folder = Folder::new();
    let script = folder.file("a.rhai", "answer();\n  throw \"wrong\";\n");
    let mut terminal = Terminal::start(&["phone", &script]);
    // A fault that appears only when it runs.
    terminal.sees("wrong").sees("2 |   throw").sees("^^^^^").sees("Call ended: FAILURE");
    // A mistake that only the checker finds, which the next call would run into.
    folder.file("a.rhai", "answer();\n  anser();\n");
    terminal
        .sees("a.rhai was saved, and is broken: Enter calls the last good version")
        .sees("no function `anser`")
        .sees("2 |   anser();")
        .sees("did you mean `answer`?");
    // A fault that keeps it from being compiled.
    folder.file("a.rhai", "answer();\nlet = 5;\n");
    terminal
        .sees("a.rhai was saved, and is broken: Enter calls the last good version")
        .sees("2 | let = 5;")
        .sees("    ^");
    terminal
        .sees("the last edit is broken")
        .press("\r")
        .sees("● call 2")
        .sees("Call ended: FAILURE")
        .sees("2 | let = 5;");
    folder.file("a.rhai", "answer();\nwait_for_digit(-1);\n");
    terminal.sees("a.rhai is fixed: Enter calls it").sees_no("let = 5").press("\r").sees("● call 3");
    // Broken during a call, which goes on; then what it imports appears.
    folder.file("a.rhai", "import \"b\" as b;\nprint(b::text());\nwait_for_digit(-1);");
    terminal
        .sees("this call goes on with the last good version")
        .sees("no script \"b\" to import")
        .press("1")
        .sees("ended: SUCCESS");
    folder.file("b.rhai", "fn text() { \"from b\" }");
    terminal.sees_no("no script \"b\"").press("\r").sees("· from b");
    // A faulty table of prompts.
    folder.file("a.prompts", "no colon here\n");
    terminal.sees("error[bad-prompts]: there is no `:`").sees("1 | no colon here").press("q");
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn the_phone_waits_for_a_script_that_is_broken_from_the_start() {
    let folder = Folder::new();
    let script = folder.file("a.rhai", "let = 5;");
    let mut terminal = Terminal::start(&[&script]);
    terminal.sees("waiting for a fix").sees("1 | let = 5;").sees("There is no call yet");
    folder.file("a.rhai", "wait_for_digit(-1);");
    terminal.sees("is fixed: Enter calls it").press("\r").sees("call 1").press("q").ends();
}

#[test]
fn panels_show_the_dialogue_the_log_and_the_script() {
    let (_folder, script) = quiz();
    let mut terminal = Terminal::start(&["phone", "--var", "LEVEL=3", &script]);
    terminal.sees("─ Script  quiz.rhai:3").sees("→   3  stream_file(\"welcome\", \"#\");").sees("LEVEL = 3");
    terminal.press("t").sees("Dialogue with Asterisk").sees("> STREAM FILE \"welcome\" \"#\"").sees_no("─ Script");
    terminal
        .press("#")
        .sees("> DATABASE PUT \"quiz\" \"played\" \"1\"")
        .press("t")
        .sees_no("Dialogue")
        .sees("─ Script");
    // An empty log takes no room, unless somebody wants to see it.
    terminal.sees_no("─ Log").press("l").sees("nothing logged yet").press("l").sees_no("─ Log");
    terminal.press("l").sees("nothing logged yet").sees("▸ ask").press("12").sees("quiz.rhai:8  keys: 12");
    terminal.press("v").sees_no("LEVEL = 3").press("v").sees("LEVEL = 3");
    terminal.press("?").sees("says something, or sends a text").sees("any key closes this page");
    terminal.press("?").sees_no("sends a text");
    terminal.press("q").ends();
}

#[test]
fn the_screen_adapts_to_its_size() {
    let folder = Folder::new();
    folder.file(
        "wide.prompts",
        "wide: 欢迎来到这个游戏 — ὦ ξεῖν᾽ 🎲🎲🎲 \u{1b}[31m\ttab 欢迎来到这个游戏欢迎来到这个游戏欢迎来到这个游戏欢\n",
    );
    let script = folder.file(
        "wide.rhai",
        "\tprint(\"欢迎来到这个游戏欢迎来到这个游戏欢迎来到这个游戏欢迎来到这个游戏\");\nstream_file(\"wide\");\nset_variable(\"变量变量变量变量变量变量变量变量\", \"值值值值值值值值值\");\nwait_for_digit(-1);",
    );
    let mut terminal = Terminal::start(&["phone", "--fast", &script]);
    terminal.sees("waits for a key").sees("值");
    for (columns, rows) in
        [(120, 40), (79, 23), (61, 16), (40, 12), (33, 7), (20, 5), (9, 3), (1, 1), (200, 60), (80, 24)]
    {
        // A complete screen has its last line in the last row.
        terminal.resize(columns, rows).press("t");
        if columns > 20 && rows > 3 {
            terminal.wait_until("the line of help in the last row", |screen| {
                let lines: Vec<String> = screen.rows(0, columns).collect();
                lines.last().unwrap().contains("0-9 * # A-D") && lines[0].contains("wide.rhai")
            });
        }
    }
    terminal.press("1").sees("ended: SUCCESS").press("q");
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn the_terminal_is_restored_however_the_phone_ends() {
    let (_folder, script) = quiz();
    for end in ["q", "\u{3}", "TERM", "INT", "HUP"] {
        let mut terminal = Terminal::start(&[&script]);
        terminal.wait_until("a screen of its own", |screen| screen.alternate_screen() && screen.hide_cursor());
        terminal.sees("▸ welcome");
        if end.len() == 1 {
            terminal.press(end);
        } else {
            terminal.signal(end);
        }
        assert_eq!(terminal.ends(), Some(0), "{end:?}");
        terminal.sees("Call ended: HANGUP");
    }
}

/// Without a window nothing can end the call, and no process may remain.
#[test]
fn closing_the_window_ends_the_phone() {
    let (_folder, script) = quiz();
    let mut terminal = Terminal::start(&[&script]);
    terminal.sees("▸ welcome").goes_away();
    let began = Instant::now();
    while terminal.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "it keeps running without a terminal");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn suspending_gives_the_terminal_back_to_the_shell() {
    let (_folder, script) = quiz();
    let program = program();
    let mut shell = Command::new("bash");
    shell.args(["--norc", "-i"]).env("PS1", "shell> ").env("HISTFILE", "/dev/null");
    let mut terminal = Terminal::start_on(80, 24, &mut shell);
    terminal.sees("shell>").press(&format!("{program} phone {script}\r")).sees("▸ welcome");
    terminal.press("\u{1a}").wait_until("the shell", |screen| !screen.alternate_screen()).sees("Stopped");
    terminal.press("fg\r").wait_until("the phone", |screen| screen.alternate_screen()).sees("Said and pressed");
    terminal.press("q").sees("Call ended: HANGUP").wait_until("the shell", |screen| !screen.alternate_screen());
    terminal.press("exit\r");
    let began = Instant::now();
    while terminal.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "{}", terminal.text());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_log_is_on_the_screen_and_in_the_log_file() {
    let (folder, script) = quiz();
    let log = folder.path("phone.log");
    let mut terminal =
        Terminal::start(&["phone", "--fast", "--log", log.to_str().unwrap(), "--log-level", "debug", &script]);
    terminal.press("l").sees("─ Log").sees("> GET DATA \"ask\"").sees("waits for a key").press("12");
    terminal.sees("ended: SUCCESS").press("q");
    assert_eq!(terminal.ends(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("keys: 12") && log.contains("> GET DATA \"ask\""), "{log}");
}

#[test]
fn a_panic_leaves_the_screen_intact() {
    let folder = Folder::new();
    let panics = "answer();\nfor n in 0..100 { let a = []; for i in 0..60 { a.push(i * 7 % 60); } a.sort(|x, y| random(-1, 1)); }";
    let script = folder.file("a.rhai", panics);
    let log = folder.path("phone.log");
    let mut command = agi_rhai(["phone", "--fast", "--log", log.to_str().unwrap(), &script]);
    let mut terminal = Terminal::start_on(80, 24, command.env("RUST_BACKTRACE", "0"));
    terminal
        .sees("error in comparer for sorting")
        .sees("Call ended: FAILURE")
        .press("l")
        .sees("panicked in thread call at");
    // The words of the default hook appear nowhere, and the frame is intact.
    let shown = terminal.text();
    assert!(!shown.contains("thread 'call'") && shown.contains("Enter call  q quit"), "{shown}");
    terminal.press("q");
    assert_eq!(terminal.ends(), Some(0));
    assert!(std::fs::read_to_string(log).unwrap().contains("ERROR panicked in thread call at"));
}

#[test]
fn no_color_disables_colour() {
    let (_folder, script) = quiz();
    let coloured = |terminal: &mut Terminal| {
        terminal.sees("▸ welcome").sees("keys are heard");
        let screen = terminal.screen.lock().unwrap();
        let screen = screen.screen();
        let cells = (0..24).flat_map(|row| (0..80).filter_map(move |column| screen.cell(row, column)));
        cells.filter(|cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default).count()
    };
    assert!(coloured(&mut Terminal::start(&["phone", &script])) > 0);
    assert_eq!(coloured(&mut Terminal::start_on(80, 24, agi_rhai(["phone", &script]).env("NO_COLOR", "1"))), 0);
}

#[test]
fn fast_mode_waits_only_for_answers() {
    let (_folder, script) = quiz();
    let began = Instant::now();
    let mut terminal = Terminal::start(&["phone", "--fast", &script]);
    terminal.sees("waits for a key").press("4").sees("◂ 4").press("2").sees("▸ number 42").sees("ended: SUCCESS");
    // Its prompts take 13 s, and the call lasted that long.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    terminal.wait_until("the length of the call", |screen| screen.contents().contains("no call  0:1"));
    terminal.press("q").ends();
}

#[test]
fn a_text_message_can_be_sent_when_the_script_waits_for_one() {
    let folder = Folder::new();
    let script = folder.file("text.rhai", "print(`got ${receive_text(-1)}`);");
    let mut terminal = Terminal::start(&["phone", &script]);
    terminal.sees("receive_text").press("m").sees("text to send").press("hi 5#q").sees("hi 5#q").press("\r");
    terminal.sees("· got hi 5#q").sees("ended: SUCCESS").press("q").ends();
}

/// A script that logs everything it is given.
const LOGS_ITS_CALL: &str = r##"
verbose(`${caller()}|${env.agi_calleridname}|${env.agi_extension}|${env.agi_context}|${env.agi_dnid}`);
verbose(`${env.agi_language}|${get_variable("A")}|${get_variable("B")}|${database_get("f", "k/l")}|${args}`);
print(`${caller()}|${env.agi_calleridname}|${env.agi_extension}|${env.agi_context}|${env.agi_dnid}`);
print(`${env.agi_language}|${get_variable("A")}|${get_variable("B")}|${database_get("f", "k/l")}|${args}`);
"##;

#[test]
fn the_options_set_up_the_call() {
    let folder = Folder::new();
    let script = folder.file("given.rhai", LOGS_ITS_CALL);
    let options = [
        "phone",
        "--callerid",
        "555",
        "--name",
        "Ada Lovelace",
        "--extension",
        "42",
        "--context",
        "games",
        "--dnid",
        "800",
        "--language",
        "de",
        "--var",
        "A=1=2",
        "--var",
        "B=",
        "--db",
        "f/k/l=v",
        "--arg",
        "-x",
        &script,
        "y",
        "--fast",
    ];
    let said = ["555|Ada Lovelace|42|games|800", r#"de|1=2||v|["-x", "y", "--fast"]"#];
    let mut process = Process::start(&mut agi_rhai(options));
    process.close();
    let ended = process.end();
    ended.code(0).says(said[0]).says(said[1]);
    let mut terminal = Terminal::start_on(120, 30, &mut agi_rhai(options));
    terminal.sees(said[0]).sees(said[1]).sees("ended: SUCCESS").sees("goes on at games,42,2").press("q").ends();
    // A withheld number, as `()`.
    let mut process = Process::start(&mut agi_rhai(["phone", "--callerid", "", &script]));
    process.close();
    process.end().code(0).says("|unknown|s|default|unknown");
    for (option, value, right) in [
        ("--var", "X", "NAME=VALUE"),
        ("--db", "x=1", "FAMILY/KEY=VALUE"),
        ("--name", "a\nb", "one line"),
        ("--sounds", "/no/such", "no such folder"),
    ] {
        let mut process = Process::start(&mut agi_rhai(["phone", option, value, &script]));
        process.close();
        process.end().code(2).says(right);
    }
}

#[test]
fn without_a_terminal_the_phone_prints_lines() {
    let (folder, script) = quiz();
    let mut process = Process::start(&mut agi_rhai(["phone", "--fast", &script]));
    process.send("5#\n42");
    process.close();
    let ended = process.end();
    ended.code(0).says("keys: 42");
    let lines = ended.lines.join("\n");
    let expected = [
        "Calling quiz.rhai. Type keys 0-9 * # or what you say, and press Enter; h hangs up.",
        "plays welcome: \"Welcome to the quiz",
        "key 5",
        "key 5 is ignored here",
        "key #",
        "plays rules: \"There are no rules\"",
        "plays ask",
        "key 4",
        "key 2",
        "says number 42",
        "plays bye: \"Bye\"",
        "Call ended: SUCCESS, ",
        "The dialplan goes on at default,s,2.",
        "KEYS=42",
        "Stored in AstDB: /quiz/played=1",
    ];
    let mut rest = lines.as_str();
    for text in expected {
        rest = rest.split_once(text).unwrap_or_else(|| panic!("no {text:?} in its place in\n{lines}")).1;
    }
    assert!(!lines.contains('\u{1b}'), "{lines}");
    // And on a terminal, for screen readers.
    let mut terminal = Terminal::start(&["phone", "--plain", &script]);
    terminal
        .sees("plays welcome")
        .press("#\n")
        .sees("key #")
        .sees("plays ask")
        .press("1\n2\n")
        .sees("Call ended: SUCCESS");
    assert!(!terminal.screen.lock().unwrap().screen().alternate_screen());
    assert_eq!(terminal.ends(), Some(0));
    drop(folder);
}

/// Makes a player that notes what it plays, and plays until it is ended, unless it is to fail.
fn player(folder: &Folder, name: &str, text: &str) {
    let path = folder.file(&format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn prompts_are_played_aloud_until_a_key_ends_them() {
    let (folder, script) = quiz();
    let notes = folder.path("played");
    for name in
        ["sounds/en/welcome.gsm", "sounds/rules.wav", "extra/digits/40.ulaw", "extra/digits/2.ulaw", "extra/ask.g722"]
    {
        folder.file(name, [0; 16000]);
    }
    let text = format!("echo \"$$ $*\" >>{}; while :; do /bin/sleep 0.02; done", notes.display());
    player(&folder, "play", &text);
    let path = folder.path("bin");
    let extra = folder.path("extra");
    let extra = extra.to_str().unwrap();
    let mut terminal = Terminal::start_on(
        100,
        30,
        agi_rhai(["phone", "--audio", "--sounds", extra, &script]).env("PATH", &path).env("AST_DATA_DIR", "/nowhere"),
    );
    let played = || std::fs::read_to_string(&notes).unwrap_or_default();
    let wait = |text: &str| {
        let began = Instant::now();
        while !played().contains(text) {
            assert!(began.elapsed() < PATIENCE, "{text} is not in {}", played());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait("/sounds/en/welcome.gsm\n");
    let plays = |file: &str| {
        let played = played();
        let line = played.lines().rfind(|line| line.ends_with(file)).unwrap();
        Path::new("/proc").join(line.split(' ').next().unwrap()).exists()
    };
    assert!(plays("welcome.gsm") && played().contains(" -q /"), "{}", played());
    terminal.press("#").sees("▸ rules");
    wait("/sounds/rules.wav\n");
    assert!(!plays("welcome.gsm"), "two players at a time");
    terminal.sees("▸ ask").sees("cannot play .g722").press("42");
    // Both words of a number at once, in their own format.
    wait(&format!("-q -t ul -r 8000 -c 1 {extra}/digits/40.ulaw -t ul -r 8000 -c 1 {extra}/digits/2.ulaw\n"));
    terminal.sees("no sound file bye").sees("ended: SUCCESS");
    // A hangup stops them too, and so does the end of the phone.
    for keys in ["h", "q"] {
        terminal.press("\r");
        let began = Instant::now();
        while !plays("welcome.gsm") {
            assert!(began.elapsed() < PATIENCE, "{}", played());
            std::thread::sleep(Duration::from_millis(5));
        }
        terminal.press(keys);
        while plays("welcome.gsm") {
            assert!(began.elapsed() < PATIENCE, "{}", played());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(terminal.ends(), Some(0));
    // No player is left running.
    for file in ["welcome.gsm", "rules.wav", "2.ulaw"] {
        assert!(!plays(file), "{file}");
    }
    // Players that fail, and no player at all.
    player(&folder, "play", "echo 'no default device' >&2; exit 2");
    let mut terminal = Terminal::start_on(100, 30, agi_rhai(["phone", "--audio", &script]).env("PATH", &path));
    terminal.sees("no sound: the player failed: no default device").press("q").ends();
    std::fs::remove_file(path.join("play")).unwrap();
    let mut process = Process::start(agi_rhai(["phone", "--audio", "--fast", &script]).env("PATH", &path));
    process.close();
    let lines = process.end().lines.join("\n");
    assert!(
        lines.contains("no sound: none of play (of sox)") && lines.contains("aplay and paplay is installed"),
        "{lines}"
    );
}

/// Returns a folder with a script that asks the service `slow`, which answers after this time.
fn asking(script: &str, delay: Duration) -> (Folder, String, String) {
    let backend = Backend::start(move |stream, _| {
        std::thread::sleep(delay);
        let body = r#"{"n":7}"#;
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
    });
    let folder = Folder::new();
    let config = folder.file("agi-rhai.toml", format!("[http.slow]\nurl = \"http://{}/\"\n", backend.address));
    let script = folder.file("ask.rhai", script);
    (folder, script, config)
}

#[test]
fn a_call_waits_for_a_service_in_real_time_and_says_so() {
    let script = r#"let answer = http_get("slow", "/now", #{ timeout: 20 }); print(`it is ${answer.body.n}`); wait_for_digit(-1);"#;
    for fast in [&[][..], &["--fast"]] {
        let (_folder, script, config) = asking(script, Duration::from_millis(1200));
        let began = Instant::now();
        let args = [&["phone", "--config", &config], fast, &[&script]].concat();
        let mut terminal = Terminal::start_on(100, 40, &mut agi_rhai(args));
        terminal.sees("waits for slow").sees("slow answers after ").sees("it is 7").sees("waits for a key");
        assert!(began.elapsed() >= Duration::from_millis(1200));
        // The log is there as soon as it says something.
        terminal.sees("slow: {").press("t").sees("? http_get(\"slow\", path: \"/now\"").press("5");
        terminal.sees("ended: SUCCESS").press("q").ends();
    }
}

#[test]
fn a_hangup_is_heard_while_a_service_is_asked() {
    let script = r#"fn on_hangup() { print("cleaned up"); } http_get("slow", "/", #{ timeout: 55 });"#;
    let (_folder, script, config) = asking(script, Duration::from_secs(50));
    let mut terminal = Terminal::start(&["phone", "--config", &config, &script]);
    terminal.sees("waits for slow");
    let began = Instant::now();
    // Keys don't end the wait.
    terminal.press("5").sees("isn't listening").press("h").sees("cleaned up").sees("ended: HANGUP");
    assert!(began.elapsed() < Duration::from_secs(30), "the service answers after 50 s");
    terminal.press("q").ends();
}

#[test]
fn a_late_wakeup_ends_no_command() {
    // The answer comes in time, and the call goes on with a question whose timeout counts.
    let script = r#"
        for n in 0..3 { http_get("slow", "/", #{ timeout: 20 }); }
        let began = elapsed();
        let key = wait_for_digit(700);
        print(`waited ${(elapsed() - began) >= 0.7} ${key}`);
    "#;
    let (_folder, script, config) = asking(script, Duration::from_millis(5));
    let mut terminal = Terminal::start(&["phone", "--config", &config, &script]);
    terminal.sees("waited true").sees("ended: SUCCESS").press("q").ends();
}

#[test]
fn a_call_in_lines_of_text_waits_for_services_even_if_fast_or_without_a_caller() {
    let script =
        r#"let answer = http_get("slow", "/now", #{ timeout: 20, otherwise: () }); say_number(answer.body.n);"#;
    let (_folder, script, config) = asking(script, Duration::from_millis(700));
    let mut phone = agi_rhai(["phone", "--fast", "--config", &config, &script]);
    let output = phone.stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    for part in ["asks slow: http_get(\"slow\", path: \"/now\"", "the answer: {", "says number 7"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn an_offline_phone_answers_with_samples_of_the_tests_and_keeps_a_store() {
    let folder = Folder::new();
    let script = folder.file(
        "line.rhai",
        r#"
        say_number(http_get("weather", "/now").body.celsius);
        say_number(sql_value("crm", "select age from people where name = 'Ann'"));
        print(`call ${store_add("calls", 1)}`);
        if http_get("other", "/", #{ otherwise: () }) == () { print("nobody there"); }
        wait_for_digit(-1);
        "#,
    );
    folder.file(
        "line.test.rhai",
        r#"
        fn test_it() {
            answer_http("weather", |request| #{ body: #{ celsius: 21 } });
            set_up_sql("crm", "create table people (name, age); insert into people values ('Ann', 44)");
            place_call("line");
            expect_end();
        }
        "#,
    );
    let mut terminal = Terminal::start(&["phone", "--offline", "--fast", &script]);
    terminal.sees("number 21").sees("number 44").sees("call 1").sees("nobody there").press("1");
    terminal.sees("ended: SUCCESS").press("\r").sees("call 2").press("1").sees("ended: SUCCESS").press("q").ends();
}
