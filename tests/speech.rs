//! Texts that are spoken: by real engines, from the folder of what was spoken before, and for simulated callers.

use crate::http::backend::{Backend as WebServer, response};
use crate::jobs::{Site, listen};
use crate::support::backend::{Backend, is_skipped, python};
use crate::support::process::{Folder, Process, agi_rhai};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Engines that are programs: in the file of the operator, and what they need.
const ENGINES: [(&str, &str); 2] = [
    ("espeak-ng", "command = ['espeak-ng', '--stdout', '-v', '{voice}']"),
    ("flite", r#"command = ["sh", "-c", 'flite -voice "$1" -t "$(cat)" -o /dev/stdout', "sh", "slt"]"#),
];

/// An engine that counts how often it speaks.
const COUNTING: &str = "[speech.tts.counting]\ncommand = ['sh', '-c', 'echo >>@FOLDER@/asked; exec espeak-ng --stdout -v \"$1\"', 'sh', '{voice}']\n";

const GREETS: &str =
    r##"answer(); say([#{ text: "Good morning, Anna." }, 3, #{ text: "Guten Tag", language: "de" }]);"##;

/// Returns the sound files that a call has played.
fn played(lines: &[String]) -> Vec<PathBuf> {
    let file = |line: &String| Some(PathBuf::from(line.strip_prefix("STREAM FILE \"")?.split('"').next()?));
    lines.iter().filter_map(file).collect()
}

/// Returns the samples of a file as Asterisk plays it: 8 kHz, one channel, 16 bits.
#[track_caller]
fn samples(file: &Path) -> Vec<i16> {
    let bytes = fs::read(file.with_extension("wav")).unwrap();
    assert_eq!(bytes[20..36], [1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0], "its format");
    bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn call(site: &Site, script: &str) -> Vec<String> {
    listen(Process::call(&mut site.one_shot(script))).lines
}

fn asked(site: &Site) -> usize {
    fs::read_to_string(site.folder.path("asked")).unwrap_or_default().lines().count()
}

#[test]
fn engines_speak_in_the_format_of_asterisk() {
    for (name, command) in ENGINES {
        let site = Site::new(&format!("[speech.tts.{name}]\n{command}\n"));
        site.script("greet", GREETS);
        let lines = call(&site, "greet");
        let files = played(&lines);
        assert_eq!(files.len(), 2, "{name}: {lines:?} {}", site.log());
        assert_ne!(files[0], files[1]);
        for file in &files {
            let samples = samples(file);
            let seconds = samples.len() as f64 / 8000.0;
            let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((0.4..3.0).contains(&seconds) && loudest > 3000, "{name}: {seconds} s, {loudest}");
            // Whoever Asterisk runs as.
            assert_eq!(fs::metadata(file.with_extension("wav")).unwrap().permissions().mode() & 0o777, 0o644);
        }
    }
}

/// Starts an engine behind the published library of the Wyoming protocol; `None` if this machine has no such library.
pub fn wyoming_server() -> Option<Backend> {
    let python = python("wyoming");
    if is_skipped("A SERVER BY THE LIBRARY OF WYOMING", python.as_ref().map(drop).map_err(String::clone)) {
        return None;
    }
    let python = python.unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/speech/wyoming_server.py");
    Some(Backend::start(Folder::new(), move |_, port| {
        let mut command = Command::new(&python);
        command.arg(&program).arg(port.to_string());
        command
    }))
}

#[test]
fn a_wyoming_server_speaks() {
    let Some(server) = wyoming_server() else { return };
    let url = format!("[speech.tts.server]\nurl = \"tcp://127.0.0.1:{}\"\n", server.port);
    for voices in ["", "voices = { en = \"en-us\", de = \"de\" }\n"] {
        let site = Site::new(&format!("{url}{voices}"));
        site.script("greet", GREETS);
        let lines = call(&site, "greet");
        let files = played(&lines);
        assert_eq!(files.len(), 2, "{lines:?} {} {}", site.log(), server.log());
        for file in files {
            assert!((3200..24_000).contains(&samples(&file).len()), "{file:?}");
        }
    }
    let site = Site::new(&url);
    site.script("greet", "say(#{ text: \"hi\", voice: \"nobody\" });");
    call(&site, "greet");
    assert!(site.log().contains("a text isn't spoken: the engine says: VoiceNotFound: nobody"), "{}", site.log());
}

#[test]
fn a_web_api_speaks() {
    let sound = Command::new("espeak-ng").args(["--stdout", "Good morning, Anna"]).output().unwrap().stdout;
    let api = WebServer::answers(response("200 OK", "", sound));
    let site = Site::new(&format!(
        "[speech.tts.web]\nurl = \"http://{}/v1\"\ntoken_file = \"@FOLDER@/token\"\nvoices = {{ de = \"nova\" }}\n\
         [speech.tts.web2]\nurl = \"http://{}/v1/\"\nmodel = \"kokoro\"\n",
        api.address, api.address
    ));
    site.folder.file("token", "geheim\n");
    site.script("greet", GREETS);
    let lines = call(&site, "greet");
    let files = played(&lines);
    assert_eq!(files.len(), 2, "{lines:?} {}", site.log());
    assert!((3200..24_000).contains(&samples(&files[0]).len()));
    let mut requests = api.seen();
    requests.sort();
    let said = |at: usize, words: &[&str]| {
        let request = &requests[at];
        assert!(request.starts_with("POST /v1/audio/speech "), "{request}");
        for word in words {
            assert!(request.contains(word), "{word}: {request}");
        }
    };
    said(0, &["\"input\":\"Good morning, Anna.\"", "\"model\":\"kokoro\"", "\"voice\":\"alloy\""]);
    said(1, &["\"input\":\"Guten Tag\"", "\"model\":\"tts-1\"", "\"voice\":\"nova\"", "Bearer geheim"]);
}

#[test]
fn a_text_is_spoken_once_and_kept_for_all_processes() {
    let site = Site::new(COUNTING);
    site.script("greet", GREETS);
    let first = call(&site, "greet");
    assert_eq!(asked(&site), 2, "{first:?} {}", site.log());
    assert_eq!(played(&call(&site, "greet")), played(&first));
    let server = site.serve();
    let lines = server.call("greet").play();
    assert_eq!(lines.status(), "SUCCESS", "{}", server.log());
    assert_eq!(asked(&site), 2);
    // It would speak what is new before the call does.
    drop(server);
    // Another voice is another sound, and so is another text.
    site.script(
        "greet",
        r##"say([#{ text: "Good morning, Anna.", voice: "en-us" }, #{ text: "Good morning, Hanna." }]);"##,
    );
    call(&site, "greet");
    assert_eq!(asked(&site), 4);
}

#[test]
fn what_was_not_heard_for_long_makes_room() {
    let site = Site::new(&format!("[speech]\nmax_size = \"64KiB\"\n{COUNTING}"));
    for n in 0..6 {
        site.script("count", &format!("say(#{{ text: \"This is number {n} of six\" }});"));
        call(&site, "count");
        std::thread::sleep(Duration::from_millis(20));
    }
    let folder = site.folder.path("state/speech");
    let sizes = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    let (count, size) = sizes.fold((0, 0), |(count, size), length| (count + 1, size + length));
    assert!((1..6).contains(&count) && size <= 64 * 1024, "{count} files of {size} bytes");
    // The last one is still there.
    call(&site, "count");
    assert_eq!(asked(&site), 6);
}

#[test]
fn a_call_goes_on_without_what_an_engine_cannot_say() {
    for (command, said) in [
        ("['false']", "ended with status 1"),
        ("['sh', '-c', 'echo oh no >&2; exit 3']", "ended with status 3: oh no"),
        ("['echo', 'this is no sound']", "it gave no sound"),
        ("['sleep', '60']", "gave no answer within 0.3 s"),
        ("['yes']", "more than 67108864 bytes"),
    ] {
        let site = Site::new(&format!("[speech.tts.bad]\ncommand = {command}\ntimeout = \"300ms\"\n"));
        site.script("greet", &format!("{GREETS} verbose(\"done\");"));
        let began = Instant::now();
        let lines = call(&site, "greet");
        assert!(lines.iter().any(|line| line.contains("VERBOSE \"done\"")), "{command}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains("SAY NUMBER 3")) && played(&lines).is_empty(), "{lines:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{command}: {:?}", began.elapsed());
        let log = site.log();
        if command != "['yes']" {
            assert!(log.contains(said), "{command}: {log}");
        }
        assert!(log.contains("a text isn't spoken"), "{log}");
    }
}

#[test]
fn what_nobody_can_say_is_an_error() {
    let only_english = "[speech.tts.flite]\ncommand = ['true']\nvoices = { en = \"slt\" }\n";
    for (settings, text, said) in [
        ("", "hi", "agi-rhai.toml has no `[speech.tts.NAME]`"),
        (only_english, "hi\", language: \"fr", "no engine in agi-rhai.toml has a voice for the language `fr`"),
        (only_english, "hi\", voice: \"-o/etc/passwd", "this can't be a `voice`"),
        (only_english, " ", "takes `text` as a text, and this one is empty"),
    ] {
        let site = Site::new(settings);
        site.script("greet", &format!("say(#{{ text: \"{text}\" }});"));
        call(&site, "greet");
        assert!(site.log().contains(said), "{said}: {}", site.log());
    }
}

#[test]
fn simulated_callers_hear_texts_without_an_engine() {
    let folder = Folder::new();
    folder.file(
        "greet.rhai",
        r##"answer(); say(#{ text: "Good  morning,\nAnna" });
        let key = ask(["beep", #{ text: "Press one" }], #{ max: 1 });
        if key == "1" { say(#{ text: "Thank you", language: "en" }); }"##,
    );
    let test = |last: &str| {
        format!(
            "fn test_greet() {{
                place_call(\"greet\");
                expect_spoken(\"Good morning, Anna\");
                expect_prompt(\"beep\");
                expect_said(#{{ text: \"Press one\" }});
                press(\"1\");
                {last}
                expect_end();
            }}"
        )
    };
    let run = |text: String| {
        folder.file("greet.test.rhai", text);
        let output = agi_rhai(["test", folder.path("greet.test.rhai").to_str().unwrap()]).output().unwrap();
        (
            output.status.success(),
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat(),
        )
    };
    let (passed, said) = run(test("expect_spoken(\"Thank you\");"));
    assert!(passed, "{said}");
    let (passed, said) = run(test("expect_spoken(\"Good bye\");"));
    assert!(!passed && said.contains("the text \"Good bye\"") && said.contains("text Thank you"), "{said}");
}
