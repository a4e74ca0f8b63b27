//! Programs that understand: PocketSphinx from Debian's packages, and programs that behave badly.

use super::Line;
use crate::jobs::processes_with;
use crate::support::backend::{is_skipped, program};
use crate::support::caller::{silence, vowel};
use crate::support::process::Folder;
use crate::support::server::wait_until;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Returns the settings of PocketSphinx that the docs recommend.
pub fn settings() -> String {
    let docs = include_str!("../../docs/speech.md");
    let block = docs.split("[speech.stt.sphinx]\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    // Whatever else this machine does.
    format!("[speech.stt.sphinx]\n{}", block.replace("timeout = \"5s\"", "timeout = \"30s\""))
}

/// Finds what callers and the engine need.
pub fn sphinx() -> Result<(), String> {
    program("pocketsphinx_continuous", "pocketsphinx")?;
    program("flite", "flite")?;
    program("sox", "sox")?;
    if Path::new("/usr/share/pocketsphinx/model/en-us").exists() {
        Ok(())
    } else {
        Err("PocketSphinx has no model (Debian package pocketsphinx-en-us)".to_owned())
    }
}

/// Returns what a voice of flite says, as it comes over a line.
pub fn spoken(voice: &str, text: &str) -> Vec<i16> {
    let script = "flite -voice \"$0\" -t \"$1\" -o /dev/stdout | sox -q -t wav - -t raw -r 8000 -c 1 -b 16 -e signed -";
    let output = Command::new("sh").args(["-c", script, voice, text]).output().unwrap();
    assert!(output.status.success() && output.stdout.len() > 4000, "{output:?}");
    output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn says(line: &Line, language: &str, text: &str) -> String {
    line.says(language, &[silence(300), spoken("kal16", text), silence(1000)].concat()).said
}

#[test]
fn pocketsphinx_understands_words_of_a_grammar() {
    if is_skipped("pocketsphinx_understands_words_of_a_grammar", sphinx()) {
        return;
    }
    let echo = "[speech.stt.echo]\ncommand = [\"sh\", \"-c\", \"cat >/dev/null; echo $0 $(echo $1 | wc -m)\", \"{language}\", \"{words}\"]\n";
    let line = Line::new(&format!("{}{echo}", settings()), "words: [\"yes\", \"no\", \"blue moon\", \"Groß-Gerau\"]");
    for text in ["yes", "no", "blue moon"] {
        assert_eq!(says(&line, "en", text), format!("speech '{text}' 1.0"), "{}", line.server.log());
    }
    // A word that it can't know is left out, and that is reported once.
    assert_eq!(line.server.logged("can't understand \"groß-gerau\""), 1, "{}", line.server.log());
    // Other languages go to the other engine.
    assert_eq!(says(&line, "de_AT", "yes"), "speech 'de 31' 1.0");
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let id = |name: &str| name.starts_with("agi-rhai-") && name.ends_with(".jsgf");
    let left = left.filter(|entry| entry.file_name().to_str().is_some_and(id)).count();
    assert!(left < 8, "{left} grammars were left behind");
}

#[test]
fn pocketsphinx_says_which_word_it_cannot_know() {
    if is_skipped("pocketsphinx_says_which_word_it_cannot_know", sphinx()) {
        return;
    }
    let words = "words: [\"Groß-Gerau\", \"Q7\"]";
    let line = Line::new(&settings(), words);
    let said = says(&line, "en", "yes");
    assert!(said.contains("unavailable: listen: none of these words is in its dictionary: groß-gerau, q7"), "{said}");
    // Without the dictionary, it is the program that says so.
    let line = Line::new(&settings().replace("dictionary", "#"), words);
    let said = says(&line, "en", "yes");
    assert!(said.contains("`pocketsphinx_continuous` ended with status 1: ") && said.contains("is missing"), "{said}");
}

#[test]
fn pocketsphinx_hears_digits_and_free_speech() {
    if is_skipped("pocketsphinx_hears_digits_and_free_speech", sphinx()) {
        return;
    }
    let digit = r#"answer(); verbose(ask([], #{ speech: true, max: 1, first: 20, silence: 0.6 }));"#;
    let listens = super::LISTENS.replace("@OPTIONS@", "");
    let line = Line::with(&settings(), &[("listens", listens), ("digit", digit.to_owned())]);
    // Whatever it understands: nothing says what may be said.
    let said = says(&line, "en", "good morning");
    assert!(said.starts_with("speech '") && !said.starts_with("speech ''"), "{said}");
    let said = line.call_of("digit", "en", |caller| {
        caller.says(&[silence(300), spoken("kal16", "seven"), silence(1500)].concat());
    });
    assert_eq!(said.said, "7", "{}", line.server.log());
}

#[test]
fn bad_programs_cost_nobody_anything() {
    let folder = Folder::new();
    let gone = folder.file("gone", "");
    fs::set_permissions(&gone, fs::Permissions::from_mode(0o755)).unwrap();
    let programs = [
        ("[\"@GONE@\"]", "can't be started"),
        ("[\"false\"]", "ended with status 1"),
        ("[\"sh\", \"-c\", \"echo oh >&2; echo ERROR: no model >&2; echo bye >&2; exit 3\"]", "3: ERROR: no model"),
        ("[\"sh\", \"-c\", \"kill -9 $$\"]", "ended with status 137"),
        ("[\"sleep\", \"100\"]", "no answer within 5 s"),
        ("[\"sh\", \"-c\", \"kill -STOP $$\"]", "no answer within 5 s"),
        ("[\"yes\"]", "more than 65536 bytes"),
        ("[\"sh\", \"-c\", \"yes >&2\"]", "more than 65536 bytes"),
        ("[\"echo\", \"{\\\"error\\\": 5}\"]", "no `text`"),
        ("[\"sh\", \"-c\", \"yes yes | head -c 30000\"]", "more than 4000 characters"),
        ("[\"printf\", \"\\\\000no\\\\033[31m\\\\r\\\\nyes\"]", "no [31m yes"),
    ];
    let mut engines = String::new();
    for (number, (command, _)) in programs.iter().enumerate() {
        engines +=
            &format!("[speech.stt.bad{number}]\ncommand = {command}\nlanguages = [\"x{number}\"]\ntimeout = \"5s\"\n");
    }
    let mut line = Line::new(&engines.replace("@GONE@", &gone), "");
    fs::remove_file(&gone).unwrap();
    thread::scope(|scope| {
        for (number, (command, words)) in programs.iter().enumerate() {
            let line = &line;
            scope.spawn(move || {
                let called = line.says(&format!("x{number}"), &[vowel(600), silence(1000)].concat());
                let is_answer = called.said.starts_with("speech ");
                assert!(is_answer || called.said.starts_with("unavailable: listen: "), "{command}: {called:?}");
                assert!(called.said.contains(words) && called.took < Duration::from_secs(30), "{command}: {called:?}");
            });
        }
    });
    line.server.check_well();
}

#[test]
fn a_program_and_its_grammar_end_with_the_call() {
    let folder = Folder::new();
    let named = folder.path("grammar");
    let command = format!("cat >/dev/null; echo $0 >{0}.new; mv {0}.new {0}; exec sleep 4711.25", named.display());
    let engine = format!("[speech.stt.slow]\ncommand = ['sh', '-c', '{command}', '{{grammar}}']\ntimeout = '60s'\n");
    let line = Line::new(&engine, "words: \"yes\"");
    let called = line.call("en", |caller| {
        caller.says(&[vowel(600), silence(1000)].concat());
        wait_until("it is asked", || named.exists());
        assert_eq!(processes_with("sleep 4711.25").len(), 1);
        caller.hangs_up();
    });
    assert!(called.said.starts_with("unavailable: listen: the sound of the call broke off"), "{called:?}");
    wait_until("the program is gone", || processes_with("sleep 4711.25").is_empty());
    let grammar = fs::read_to_string(&named).unwrap();
    wait_until("the grammar is gone", || !Path::new(grammar.trim()).exists());
    assert!(grammar.trim().ends_with(".jsgf"), "{grammar}");
}
