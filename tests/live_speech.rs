//! Calls on a real Asterisk that listen: what callers say and press during prompts and after them, over every road on
//! which sound comes here.

use crate::live::ends;
use crate::support::asterisk::{Call, Running, asterisk};
use crate::support::caller::{Caller, Phone, tone, vowel, wav};
use crate::support::machine::Server;
use crate::support::process::Folder;
use std::fs;
use std::sync::Once;
use std::time::{Duration, Instant};

/// Listens once, and says what it heard.
const SCRIPT: &str = r##"answer();
    fn on_hangup() { set_variable("GONE", 1); }
    let heard = listen("live-speech/long", #{
        words: ["yes", "no"], first: 1.5, silence: 0.4, max: 2, keys: "1#",
        otherwise: #{ ended_by: "otherwise", text: "", key: "" }
    });
    set_variable("HEARD", heard.ended_by + " " + heard.text + heard.key);
    verbose("heard");"##;

/// An engine that understands everything as the same word.
const ENGINE: &str = "[speech.stt.engine]\ncommand = [\"sh\", \"-c\", \"cat >/dev/null; echo yes\"]\n";

/// Makes the sounds of the tests: a prompt of four seconds, a tone.
fn sounds() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let folder = asterisk().sounds_dir().join("en/live-speech");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("long.wav"), wav(&tone(4000))).unwrap();
    });
}

/// A way in which scripts run.
struct Way {
    /// The folder of the scripts, if Asterisk starts a process for each call.
    folder: &'static str,
    server: Option<Server>,
}

impl Way {
    fn process(folder: &'static str, settings: &str, script: &str) -> Way {
        sounds();
        asterisk().script(&format!("{folder}/agi-rhai.toml"), settings);
        asterisk().script(&format!("{folder}/listen.rhai"), script);
        Way { folder, server: None }
    }

    fn server(settings: &str, script: &str) -> Way {
        sounds();
        let folder = Folder::new();
        let sounds = asterisk().sounds_dir();
        folder.file("agi-rhai.toml", format!("[speech]\nsounds = [{:?}]\n{settings}", sounds.to_str().unwrap()));
        let server = Server::start(&["--config", folder.path("agi-rhai.toml").to_str().unwrap()]);
        server.script("listen.rhai", script);
        Way { folder: "", server: Some(server) }
    }

    fn place(&self) -> (Running, Phone) {
        let call = match &self.server {
            Some(server) => Call::request(&server.url("listen.rhai"), &[]),
            None => Call::script(&format!("{}/listen.rhai", self.folder), &[]),
        };
        let phone = Phone::new();
        (asterisk().call(phone.calls(call)), phone)
    }

    fn log(&self) -> String {
        self.server.as_ref().map_or_else(|| asterisk().stderr(), Server::log)
    }
}

/// A call whose prompt is heard.
fn listening(way: &Way) -> (Running, Caller) {
    let (call, phone) = way.place();
    let caller = phone.answered();
    caller.hears_sound();
    (call, caller)
}

#[track_caller]
fn heard(way: &Way, mut call: Running, what: &str) {
    let ending = call.wait_end();
    let heard = ending.variables.get("HEARD").cloned();
    assert_eq!(heard.as_deref(), Some(what), "{}\n{}", way.log(), call.story());
    ends(&ending, "SUCCESS", "SUCCESS", true);
}

fn over(way: &Way) {
    // The caller says something during the prompt, which stops it.
    let (speaking, caller) = listening(way);
    let (keys, key_caller) = listening(way);
    let (mut silent, silent_caller) = listening(way);
    let (mut gone, _gone_caller) = listening(way);
    let said = Instant::now();
    caller.says(&vowel(500));
    gone.hangup();
    let ended = gone.wait_end();
    ends(&ended, "HANGUP", "HANGUP", false);
    assert_eq!(ended.variables.get("GONE").map(String::as_str), Some("1"));
    heard(way, speaking, "speech yes");
    let last = caller.last_sound().unwrap().saturating_duration_since(said);
    eprintln!("the prompt was last heard {last:?} after the voice began");
    assert!(last < Duration::from_millis(1500) && caller.loud_frames() < 150, "{last:?} {}", caller.loud_frames());
    let mut keys = keys;
    keys.press("51");
    heard(way, keys, "key 1");
    assert!(key_caller.loud_frames() < 190, "{}", key_caller.loud_frames());
    let ending = silent.wait_end();
    assert_eq!(ending.variables.get("HEARD").map(String::as_str), Some("none "), "{}", silent.story());
    assert!(silent_caller.loud_frames() >= 195, "{}", silent_caller.loud_frames());
}

#[test]
fn live_a_process_hears_what_callers_say_and_press() {
    over(&Way::process("live-speech-process", ENGINE, SCRIPT));
}

#[test]
fn live_the_server_hears_what_callers_say_and_press() {
    over(&Way::server(ENGINE, SCRIPT));
}
