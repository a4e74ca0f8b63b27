//! Texts that are spoken before anybody calls, and prompts that are spoken because they have no recording.

use crate::jobs::{Site, listen};
use crate::sounds::tone;
use crate::support::process::{Folder, Process, agi_rhai};
use crate::support::server::{reply, wait_until};
use std::fs;

/// An engine that notes what it is to say, and hums.
const ENGINE: &str = "[speech.tts.hums]\n\
    command = ['sh', '-c', 'echo \"$1: $(cat)\" >>@FOLDER@/asked; cat @FOLDER@/tone.wav', 'sh', '{voice}']\n";

const GREETS: &str = r##"
    answer();
    say(#{ text: "Good morning" });
    if env.agi_language == "xx" { say(#{ text: "Guten Tag", language: "de" }); }
"##;

fn site(settings: &str) -> Site {
    let site = Site::new(settings);
    site.folder.file("tone.wav", tone());
    site
}

fn asked(site: &Site) -> Vec<String> {
    let asked = fs::read_to_string(site.folder.path("asked")).unwrap_or_default();
    let mut lines: Vec<String> = asked.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Returns how many texts have been made.
fn made(site: &Site) -> usize {
    let files = fs::read_dir(site.folder.path("state/speech")).into_iter().flatten().flatten();
    files.filter(|file| file.path().extension().is_some_and(|extension| extension == "wav")).count()
}

/// Returns the sound files that a call has played. One that was spoken is `*`.
fn played(lines: &[String]) -> Vec<String> {
    let names = lines.iter().filter_map(|line| line.strip_prefix("STREAM FILE \"")?.split('"').next());
    names.map(|name| if name.starts_with('/') { "*" } else { name }.to_owned()).collect()
}

#[test]
fn constant_texts_are_spoken_before_anybody_calls() {
    let site = site(ENGINE);
    site.script("greet", GREETS);
    let server = site.serve();
    wait_until("both texts are spoken", || made(&site) == 2);
    assert_eq!(asked(&site), ["de: Guten Tag", "en: Good morning"]);
    let lines = server.call("greet").play().lines;
    assert_eq!(played(&lines), ["*"], "{}", server.log());
    assert_eq!(asked(&site).len(), 2);
    // A script that is edited, in a language that its table speaks, too.
    site.folder.file("scripts/greet.prompts", "greet-bye: Bye\n[fr]\ngreet-bye: Adieu\n");
    site.script("greet", r##"say(#{ text: "Good evening" });"##);
    wait_until("the new text is spoken", || asked(&site).len() == 4);
    assert!(asked(&site).contains(&"fr: Good evening".to_owned()), "{:?}", asked(&site));
    // And settings that are.
    site.folder.file("scripts/agi-rhai.toml", "[speech.tts.other]\ncommand = ['sh', '-c', 'echo >>other']\n");
    server.wait_for_log("texts can't be spoken ahead of calls");
}

#[test]
fn a_broken_engine_is_reported_once_and_no_call_waits_for_what_is_made_ahead() {
    let site = site("[speech.tts.bad]\ncommand = ['sh', '-c', 'echo >>@FOLDER@/asked; exit 1']\n");
    for name in ["a", "b", "c"] {
        site.script(name, &format!("answer(); say(#{{ text: \"{name}\" }});"));
    }
    let server = site.serve();
    server.wait_for_log("texts can't be spoken ahead of calls");
    // The others aren't tried in vain.
    assert_eq!(asked(&site).len(), 1);
    assert_eq!(server.status("a"), "SUCCESS");
    assert_eq!(server.logged("texts can't be spoken ahead"), 1);
}

const PLAYS: &str = r#"
    answer();
    say(["there", "gone", "unknown"]);
    set_variable("CHANNEL(language)", "de");
    say(["there", "gone", "gone"]);
"#;

/// A site with a recording of `there` in English, and words of it and of `gone` in English and German.
fn without_recordings(settings: &str) -> Site {
    let site = site(&format!("[speech]\nmissing_prompts = true\n{settings}\n{ENGINE}"));
    site.script("plays", PLAYS);
    site.folder.file("scripts/plays.prompts", "there: I am here\ngone: I am gone\n[de]\ngone: Ich bin weg\n");
    site.folder.file("sounds/en/there.gsm", [0; 330]);
    site
}

#[test]
fn prompts_without_a_recording_are_spoken() {
    let site = without_recordings("sounds = ['@FOLDER@/sounds']");
    let lines = listen(Process::call(&mut site.one_shot("plays"))).lines;
    assert_eq!(played(&lines), ["there", "*", "unknown", "there", "*", "*"], "{}", site.log());
    assert_eq!(asked(&site), ["de: Ich bin weg", "en: I am gone"]);
    // A server makes them ahead, of what it finds without a recording.
    fs::remove_file(site.folder.path("asked")).unwrap();
    fs::remove_dir_all(site.folder.path("state/speech")).unwrap();
    let server = site.serve();
    wait_until("both prompts are spoken", || made(&site) == 2);
    assert_eq!(played(&server.call("plays").play().lines), ["there", "*", "unknown", "there", "*", "*"]);
    assert_eq!(asked(&site).len(), 2);
    // A recording that comes later is played.
    site.folder.file("sounds/de/gone.gsm", [0; 330]);
    assert_eq!(played(&server.call("plays").play().lines), ["there", "*", "unknown", "there", "gone", "gone"]);
}

#[test]
fn a_prompt_that_asterisk_misses_is_spoken_from_then_on() {
    let site = without_recordings("sounds = []");
    let server = site.serve();
    let call = || {
        let missing = |line: &str| line.starts_with("STREAM FILE \"gone\"");
        let answer = |line: &str| if missing(line) { "200 result=-1 endpos=0" } else { reply(line) };
        server.call("plays").play_with(|line| Some(answer(line).to_owned()))
    };
    let first = ["there", "gone", "*", "unknown", "there", "gone", "*", "gone", "*"];
    assert_eq!(played(&call().lines), first, "{}", server.log());
    assert_eq!(played(&call().lines), ["there", "*", "unknown", "there", "*", "*"]);
    assert_eq!(asked(&site), ["de: Ich bin weg", "en: I am gone"]);
}

#[test]
fn a_prompt_that_nobody_can_speak_is_played_as_before() {
    let site = without_recordings("sounds = ['@FOLDER@/sounds']");
    site.folder.file(
        "scripts/agi-rhai.toml",
        "[speech]\nmissing_prompts = true\nsounds = ['../sounds']\n[speech.tts.bad]\ncommand = ['false']\n",
    );
    let lines = listen(Process::call(&mut site.one_shot("plays"))).lines;
    assert_eq!(played(&lines), ["there", "gone", "unknown", "there", "gone", "gone"]);
    assert!(site.log().contains("a prompt without a recording isn't spoken"), "{}", site.log());
}

#[test]
fn replays_and_tests_agree_with_calls_whose_prompts_were_spoken() {
    let site = without_recordings("sounds = ['@FOLDER@/sounds']");
    let tapes = site.folder.path("tapes").to_str().unwrap().to_owned();
    let mut command = site.one_shot("plays");
    let record = Process::call(command.env("AGI_RHAI_RECORD", &tapes));
    assert!(played(&listen(record).lines).contains(&"*".to_owned()), "{}", site.log());
    let output = agi_rhai(["replay", &tapes]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // Simulated callers hear the words anyway.
    site.folder.file(
        "scripts/plays.test.rhai",
        "fn test_plays() { place_call(\"plays\"); expect_prompt(\"there\"); expect_prompt(\"gone\"); hang_up(); }",
    );
    let test = site.folder.path("scripts/plays.test.rhai");
    let output = agi_rhai(["test", test.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Plays a script on the phone in a folder with these settings, to somebody who types this.
fn phone(settings: &str, script: &str, typed: &str) -> String {
    let folder = Folder::new();
    let path = folder.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    folder.file("tone.wav", tone());
    folder.file("agi-rhai.toml", settings.replace("@FOLDER@", &path));
    let script = folder.file("talk.rhai", script);
    let mut process = Process::start(&mut agi_rhai(["phone", "--fast", "--state", &format!("{path}/state"), &script]));
    process.send(typed);
    process.close();
    let ended = process.end();
    [ended.lines.join("\n"), ended.stderr].join("\n")
}

#[test]
fn a_sentence_typed_on_the_phone_is_speech() {
    let script = r##"
        answer();
        let said = listen(#{ text: "Yes or no?" }, #{ words: ["yes", "no"] });
        verbose(`heard ${said.text} ${said.ended_by}`);
        let sure = confirm(#{ text: "Sure?" }, #{ speech: true });
        verbose(`sure ${sure}`);
        let name = listen(#{ text: "Name?" }, #{ first: 1, keys: "#" });
        verbose(`name ${name.ended_by}`);
        print(`${said.text} ${sure} ${name.ended_by}`);
    "##;
    // With words where there is no engine, and by an engine where there is one.
    for settings in ["", ENGINE] {
        let shown = phone(settings, script, "yes\nno\n#\n");
        for text in
            ["says \"Yes or no?\"", "you say \"yes\"", "says \"Sure?\"", "you say \"no\"", "key #", "yes false key"]
        {
            assert!(shown.contains(text), "no {text:?} in\n{shown}");
        }
        assert!(!shown.contains("asks speak") && !shown.contains("/state/speech"), "{shown}");
    }
    // A mistake of the operator is seen.
    let shown = phone("[speech.tts.bad]\ncommand = ['false']\n", script, "yes\nno\n#\n");
    assert!(shown.contains("`false` ended with status 1") && !shown.contains("says \"Sure?\""), "{shown}");
}

#[test]
fn serve_check_tells_how_texts_are_spoken() {
    let site = site(
        "[speech]\nfolder = '@FOLDER@/speech'\n[speech.tts.espeak]\ncommand = ['true']\n\
         [speech.tts.flite]\ncommand = ['true']\nvoices = { en = 'rms' }\n\
         [speech.stt.vosk]\nurl = 'ws://127.0.0.1:2700'\nlanguages = ['en', 'de']\n",
    );
    site.script("greet", GREETS);
    let scripts = site.folder.path("scripts").to_str().unwrap().to_owned();
    let check = |more: &[&str]| {
        let output = agi_rhai(["serve", "--check", "--scripts", &scripts]).args(more).output().unwrap();
        assert!(output.status.success());
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    fs::create_dir(site.folder.path("speech")).unwrap();
    let [said, _] = check(&[]);
    for line in [
        "speech: speaks en by `flite` (voice rms), every other language by `espeak`\n",
        "understands en, de by `vosk`\n",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
    assert!(said.contains(&format!("reads what is spoken in {}", site.folder.path("speech").display())), "{said}");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(site.folder.path("speech"), closed).unwrap();
    let [_, warned] = check(&["--listen", "0.0.0.0:4573"]);
    assert!(warned.contains("speech is closed to others"), "{warned}");
    assert!(warned.contains("can't fetch what is spoken: `listen` in `[speech]` is missing"), "{warned}");
}

#[test]
fn many_callers_who_are_to_hear_the_same_have_it_made_once() {
    let site = site(
        "[speech.tts.slow]\n\
         command = ['sh', '-c', 'cat >/dev/null; echo >>@FOLDER@/asked; sleep 0.3; cat @FOLDER@/tone.wav']\n",
    );
    // It isn't constant, so nothing is made ahead.
    site.script("greet", r##"let name = "Anna"; answer(); say(#{ text: `Dear ${name}` });"##);
    let server = site.serve();
    let calls: Vec<_> = (0..10).map(|_| server.call("greet")).collect();
    let calls: Vec<_> = calls.into_iter().map(|call| std::thread::spawn(|| call.play())).collect();
    for call in calls {
        assert_eq!(played(&call.join().unwrap().lines), ["*"], "{}", server.log());
    }
    assert_eq!(asked(&site).len(), 1);
}
