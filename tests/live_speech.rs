//! Calls on a real Asterisk that listen: what callers say and press during prompts and after them, engines of every
//! kind of trouble, and every road on which sound comes here.

use crate::live::ends;
use crate::support::asterisk::{Asterisk, Call, Ending, Running, asterisk, free_port};
use crate::support::caller::{Caller, Phone, silence, tone, vowel, wav};
use crate::support::machine::Server;
use crate::support::process::{Folder, agi_rhai};
use crate::support::server::wait_until;
use agi_rhai::transport::{Audio, AudioFormat, Pipes, Stream};
use agi_rhai::{Host, Session, Status};
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::{LazyLock, Once};
use std::thread;
use std::time::{Duration, Instant};

/// Listens once in the language of the call, and says what was heard and after how many seconds.
const SCRIPT: &str = r##"answer();
    fn on_hangup() { set_variable("GONE", 1); }
    set_variable("CHANNEL(language)", "LANGUAGE");
    let options = #{ words: ["yes", "no"], first: 1.5, silence: 0.4, max: 2, keys: "1#" };
    let heard = #{};
    try { heard = listen("live-speech/long", options); }
    catch (error) { heard = #{ ended_by: error.kind, text: "", key: "" }; }
    set_variable("HEARD", heard.ended_by + " " + heard.text + heard.key);
    verbose("heard");"##;

/// An engine that understands everything as the same word, and others that don't: each has a language to itself.
const ENGINES: &str = r#"
[speech.stt.engine]
command = ["sh", "-c", "cat >/dev/null; echo yes"]
[speech.stt.slow]
timeout = "1m"
languages = ["sl"]
command = ["sh", "-c", "cat >/dev/null; echo $$ >>PIDS; exec sleep 60"]
[speech.stt.killed]
languages = ["ki"]
command = ["sh", "-c", "cat >/dev/null; kill -KILL $$"]
[speech.stt.deaf]
languages = ["de"]
command = ["sh", "-c", "exit 3"]
[speech.stt.lying]
languages = ["ly"]
command = ["sh", "-c", "cat >/dev/null; head -c 9000000 /dev/zero"]
"#;

/// Returns the Asterisk of all tests, with the sound of these: a prompt of four seconds, a tone.
fn usual() -> &'static Asterisk {
    static MADE: Once = Once::new();
    MADE.call_once(|| add_sounds(asterisk()));
    asterisk()
}

/// Returns an Asterisk without the application AudioSocket, which the tests of this file share.
fn without_audio_socket() -> &'static Asterisk {
    static SHARED: LazyLock<Asterisk> = LazyLock::new(|| {
        let asterisk = Asterisk::start_without_audio_socket();
        add_sounds(&asterisk);
        asterisk
    });
    &SHARED
}

fn add_sounds(asterisk: &Asterisk) {
    let folder = asterisk.sounds_dir().join("en/live-speech");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("long.wav"), wav(&tone(4000))).unwrap();
}

/// Returns a script that listens in this language.
fn in_language(language: &str) -> String {
    SCRIPT.replace("LANGUAGE", language)
}

/// A way in which scripts run.
struct Way {
    /// The folder of the scripts, if Asterisk starts a process for each call.
    folder: &'static str,
    server: Option<Server>,
    /// The machine that Asterisk calls.
    machine: String,
    asterisk: &'static Asterisk,
    by_eagi: bool,
    own: Folder,
}

impl Way {
    fn process(folder: &'static str, asterisk: &'static Asterisk) -> Way {
        let speech = asterisk.inside(&asterisk.sounds_dir().join("../speech"));
        asterisk.script(&format!("{folder}/agi-rhai.toml"), &format!("[speech]\nfolder = {speech:?}\n{ENGINES}"));
        Way { folder, server: None, machine: String::new(), asterisk, by_eagi: false, own: Folder::new() }
    }

    fn server() -> Way {
        Way::server_with("", &[], "127.0.0.1")
    }

    /// Starts a server with these settings for speech, these options, and a port at this machine.
    fn server_with(speech: &str, options: &[&str], machine: &str) -> Way {
        let asterisk = usual();
        let own = Folder::new();
        let engines = ENGINES.replace("PIDS", own.path("pids").to_str().unwrap());
        let sounds = asterisk.sounds_dir();
        let config = format!("[speech]\nsounds = [{:?}]\n{speech}\n{engines}", sounds.to_str().unwrap());
        let config = own.file("agi-rhai.toml", config);
        let port = free_port();
        let address = format!("{machine}:{port}");
        let server = Server::start(&[&["--config", &config, "--listen", &address], options].concat());
        Way { folder: "", server: Some(server), machine: address, asterisk, by_eagi: false, own }
    }

    fn script(&self, name: &str, text: &str) {
        match &self.server {
            Some(server) => server.script(name, text),
            None => self.asterisk.script(&format!("{}/{name}.rhai", self.folder), text),
        }
    }

    fn call(&self, script: &str) -> Call {
        match &self.server {
            Some(_) => Call::request(&format!("agi://{}/{script}.rhai", self.machine), &[]),
            None if self.by_eagi => Call::script(&format!("{}/{script}.rhai", self.folder), &[]).eagi(),
            None => Call::script(&format!("{}/{script}.rhai", self.folder), &[]),
        }
    }

    fn place(&self, script: &str) -> (Running, Phone) {
        let phone = Phone::new();
        (self.asterisk.call(phone.calls(self.call(script))), phone)
    }

    /// Places a call whose prompt is heard.
    fn listening(&self, script: &str) -> (Running, Caller) {
        let (call, phone) = self.place(script);
        let caller = phone.answered();
        caller.hears_sound();
        (call, caller)
    }

    /// Returns how a call ended that has heard this.
    #[track_caller]
    fn heard(&self, mut call: Running, what: &str) -> Ending {
        let ending = call.wait_end();
        let heard = ending.variables.get("HEARD").cloned();
        assert_eq!(heard.as_deref(), Some(what), "{}\n{}", self.log(), call.story());
        ends(&ending, "SUCCESS", "SUCCESS", true);
        ending
    }

    fn log(&self) -> String {
        self.server.as_ref().map_or_else(|| self.asterisk.stderr(), Server::log)
    }
}

/// Something that a caller says who hears how it ends.
fn word() -> Vec<i16> {
    vowel(500)
}

/// Whether a process is running.
fn is_running(pid: &str) -> bool {
    // One that has ended and that nobody has waited for isn't.
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

fn over(way: &Way) {
    way.script("listen", &in_language("en"));
    // The caller says something during the prompt, which stops it.
    let (speaking, caller) = way.listening("listen");
    let (mut keys, key_caller) = way.listening("listen");
    let (silent, silent_caller) = way.listening("listen");
    let (long, long_caller) = way.listening("listen");
    let (mut key_in_speech, spoken_caller) = way.listening("listen");
    let (mut gone, _gone_caller) = way.listening("listen");
    let said = Instant::now();
    caller.says(&word());
    long_caller.says(&vowel(6000));
    spoken_caller.says(&vowel(6000));
    gone.hangup();
    keys.press("51");
    key_in_speech.press("#");
    let ended = gone.wait_end();
    ends(&ended, "HANGUP", "HANGUP", false);
    assert_eq!(ended.variables.get("GONE").map(String::as_str), Some("1"));
    way.heard(speaking, "speech yes");
    let last = caller.last_sound().unwrap().saturating_duration_since(said);
    assert!(last < Duration::from_millis(1500) && caller.loud_frames() < 150, "{last:?} {}", caller.loud_frames());
    way.heard(keys, "key 1");
    assert!(key_caller.loud_frames() < 190, "{}", key_caller.loud_frames());
    way.heard(key_in_speech, "key #");
    way.heard(long, "max yes");
    way.heard(silent, "none ");
    assert!(silent_caller.loud_frames() >= 195, "{}", silent_caller.loud_frames());
}

#[test]
fn live_a_process_hears_what_callers_say_and_press() {
    over(&Way::process("live-speech-process", usual()));
}

#[test]
fn live_the_server_hears_what_callers_say_and_press() {
    over(&Way::server());
}

/// An Asterisk without AudioSocket sends the sound of a call by EAGI.
#[test]
fn live_eagi_hears_what_callers_say_and_press() {
    over(&Way { by_eagi: true, ..Way::process("live-speech-eagi", without_audio_socket()) });
}

/// An Asterisk without AudioSocket and EAGI records what callers say.
#[test]
fn live_recordings_hold_what_callers_say() {
    let way = Way::process("live-speech-recordings", without_audio_socket());
    way.script("listen", &in_language("en"));
    let (speaking, caller) = way.listening("listen");
    let (mut key, _key_caller) = way.listening("listen");
    let (silent, silent_caller) = way.listening("listen");
    let (long, long_caller) = way.listening("listen");
    let (mut late_key, late_caller) = way.listening("listen");
    let (mut gone, gone_caller) = way.listening("listen");
    key.press("1");
    way.heard(key, "key 1");
    wait_until("the prompt is over", || caller.loud_frames() >= 195);
    caller.says(&[silence(700), word()].concat());
    wait_until("the prompt is over", || long_caller.loud_frames() >= 195);
    long_caller.says(&vowel(6000));
    wait_until("the prompt is over", || late_caller.loud_frames() >= 195 && gone_caller.loud_frames() >= 195);
    late_caller.says(&vowel(6000));
    gone_caller.says(&vowel(6000));
    late_key.wait_for("RECORD FILE");
    late_key.press("#");
    gone.wait_for("RECORD FILE");
    gone.hangup();
    ends(&gone.wait_end(), "HANGUP", "HANGUP", false);
    way.heard(late_key, "key #");
    way.heard(speaking, "speech yes");
    way.heard(silent, "none ");
    assert!(silent_caller.loud_frames() >= 195, "{}", silent_caller.loud_frames());
    way.heard(long, "max yes");
    let folder = way.asterisk.sounds_dir().join("../speech/heard");
    wait_until("no recording is left", || fs::read_dir(&folder).unwrap().next().is_none());
}

/// A program of somebody else, in which the sound of a call by EAGI is a stream of samples.
#[test]
fn live_an_embedder_reads_the_sound_of_eagi() {
    let folder = asterisk().agi_dir();
    let fifo = |name: &str| asterisk().inside(&folder.join(format!("eagi-{name}")));
    // A program that Asterisk starts, whose descriptors come here.
    let relay = format!(
        "#!/bin/sh\nexec 4<&0\ncat <&4 >{} &\ncat <&3 >{} &\nexec cat {}\n",
        fifo("in"),
        fifo("audio"),
        fifo("out")
    );
    asterisk().program("eagi-relay", &relay);
    let heard = |format: &str| {
        for name in ["in", "audio", "out"] {
            let fifo = folder.join(format!("eagi-{name}"));
            let _ = fs::remove_file(&fifo);
            rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        }
        let mut call = Call::agi("eagi-relay").eagi().sounding();
        if !format.is_empty() {
            call = call.variable("EAGI_AUDIO_FORMAT", format);
        }
        let mut call = asterisk().call(call);
        let reader = File::open(folder.join("eagi-in")).unwrap();
        let audio = Audio::new(File::open(folder.join("eagi-audio")).unwrap());
        let writer = OpenOptions::new().write(true).open(folder.join("eagi-out")).unwrap();
        let mut session = Session::begin(Box::new(Stream::over(Pipes::new(reader, writer, None)))).unwrap();
        assert!(session.is_enhanced());
        let format = session.audio_format().unwrap();
        let samples = audio.samples(&format).ok().map(|samples| thread::spawn(move || samples.flatten().collect()));
        let host = Host::new();
        let script = host.compile("eagi.rhai", "answer(); sleep(1.5);").unwrap();
        assert_eq!(host.run(session, &script, vec![]).status, Status::Success);
        ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
        (format, samples.map(|samples: thread::JoinHandle<Vec<i16>>| samples.join().unwrap()))
    };
    let (format, samples) = heard("");
    let samples = samples.unwrap();
    assert_eq!(format, AudioFormat::Linear(8000));
    // A second of the caller's tone at least, which has a thousand periods.
    let loud = samples.iter().filter(|sample| sample.unsigned_abs() > 1000).count();
    let periods = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!(loud > 4000 && (900..2000).contains(&periods), "{} {loud} {periods}", samples.len());
    let (format, samples) = heard("ulaw");
    assert_eq!((format, samples), (AudioFormat::Other("ulaw".to_owned()), None));
}

/// Without any road, an error says what would help.
#[test]
fn live_a_call_without_a_road_is_told_what_would_help() {
    let way = Way::process("live-speech-nowhere", without_audio_socket());
    let settings = format!("[speech]\nfolder = \"/proc/nowhere\"\n{ENGINES}");
    way.asterisk.script("live-speech-nowhere/agi-rhai.toml", &settings);
    way.script("listen", &in_language("en").replace("error.kind", "error.kind + error.message"));
    let (mut call, _phone) = way.place("listen");
    let ending = call.wait_end();
    let heard = &ending.variables["HEARD"];
    assert!(heard.starts_with("unavailable") && heard.contains("app_audiosocket.so"), "{heard}");
}

/// Engines that are killed, deaf, slow or lying: each call goes on in time, and others notice nothing.
#[test]
fn live_engines_in_trouble_hold_up_no_call() {
    let way = Way::server();
    let troubled = ["sl", "ki", "de", "ly"];
    for language in ["en"].into_iter().chain(troubled) {
        way.script(language, &in_language(language));
    }
    way.script(
        "otherwise",
        &in_language("sl").replace("keys:", "otherwise: #{ ended_by: \"value\", text: \"\", key: \"\" }, keys:"),
    );
    let place = |script: &str| way.listening(script);
    let calls: Vec<(Running, Caller)> = troubled.map(place).into();
    let (otherwise, otherwise_caller) = place("otherwise");
    let (mut key, key_caller) = place("sl");
    let (mut gone, gone_caller) = place("sl");
    let (neighbour, neighbour_caller) = place("en");
    let said = Instant::now();
    for caller in calls.iter().map(|(_, caller)| caller) {
        caller.says(&word());
    }
    for caller in [&otherwise_caller, &key_caller, &gone_caller, &neighbour_caller] {
        caller.says(&word());
    }
    way.heard(neighbour, "speech yes");
    // A key and a hangup while the engine thinks: one process for each of four callers.
    let pids = || fs::read_to_string(way.own.path("pids")).unwrap_or_default();
    wait_until("the slow engine has heard all four", || pids().lines().count() == 4);
    key.press("1");
    gone.hangup();
    ends(&gone.wait_end(), "HANGUP", "HANGUP", false);
    way.heard(key, "key 1");
    for (call, _) in calls {
        way.heard(call, "unavailable ");
    }
    way.heard(otherwise, "value ");
    // 0.5 s of speech, 0.4 s of silence, 1.5 s for the engine; the rest is for a busy machine.
    assert!(said.elapsed() < Duration::from_secs(20), "{:?}", said.elapsed());
    wait_until("no engine is left", || !pids().lines().any(is_running));
}

/// The operator ends calls that listen, one by `agi-rhai calls` and others by a server that stops.
#[test]
fn live_the_operator_ends_calls_that_listen() {
    let mut way = Way::server_with("", &["--drain", "1s"], "127.0.0.1");
    way.script("listen", &in_language("sl").replace("first: 1.5", "first: 60"));
    let (prompt, _prompt_caller) = way.listening("listen");
    let (thinking, thinking_caller) = way.listening("listen");
    let (waiting, waiting_caller) = way.listening("listen");
    thinking_caller.says(&word());
    let pids = || fs::read_to_string(way.own.path("pids")).unwrap_or_default();
    wait_until("the engine thinks", || !pids().is_empty());
    wait_until("the prompt is over", || waiting_caller.loud_frames() >= 195);
    way.server.as_ref().unwrap().process.signal("TERM");
    for mut call in [prompt, thinking, waiting] {
        let ending = call.wait_end();
        ends(&ending, "SUCCESS", "HANGUP", true);
        assert_eq!(ending.error, "ended by the operator", "{}", call.story());
        assert_eq!(ending.variables.get("GONE").map(String::as_str), Some("1"));
    }
    wait_until("no engine is left", || !pids().lines().any(is_running));
    assert_eq!(way.server.as_mut().unwrap().process.wait(), Some(0));
}

/// Returns an address of this machine that isn't loopback.
fn own_address() -> Option<String> {
    let table = fs::read_to_string("/proc/net/fib_trie").ok()?;
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let own = lines.windows(2).filter(|pair| pair[1] == "/32 host LOCAL");
    own.filter_map(|pair| pair[0].strip_prefix("|-- ")).find(|own| !own.starts_with("127.")).map(str::to_owned)
}

/// An Asterisk on another machine, or so it seems: it connects to the port of the settings, and fetches what is spoken
/// there.
#[test]
fn live_a_remote_asterisk_sends_sound_and_fetches_what_is_spoken() {
    let Some(own) = own_address() else {
        assert!(std::env::var("CI").is_err(), "this machine has no address but loopback");
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let port = free_port();
    let spoken = Folder::new();
    let word = spoken.file("word.wav", wav(&tone(4000)));
    let speech = format!(
        "listen = \"0.0.0.0:{port}\"\nfolder = {:?}\n[speech.tts.engine]\ncommand = [\"cat\", {word:?}]\n",
        spoken.path("speech").to_str().unwrap()
    );
    let way = Way::server_with(&speech, &["--allow", &own], &own);
    way.script("listen", &in_language("en"));
    way.script("speak", r##"answer(); say(#{ text: "a long text" }, "#");"##);
    let (call, caller) = way.listening("listen");
    let (mut spoken, hearing) = way.listening("speak");
    caller.says(&vowel(500));
    way.heard(call, "speech yes");
    let story = spoken.story();
    assert!(story.contains(&format!("\"http://{own}:{port}/")), "{story}");
    wait_until("the text is heard", || hearing.loud_frames() >= 50);
    spoken.press("#");
    ends(&spoken.wait_end(), "SUCCESS", "SUCCESS", true);
    // What is spoken stops for a caller who speaks, too: it is played from here.
    way.script("ask", &in_language("en").replace("\"live-speech/long\"", "#{ text: \"a long text\" }"));
    let (call, caller) = way.listening("ask");
    caller.says(&vowel(500));
    way.heard(call, "speech yes");
    assert!(caller.loud_frames() < 190, "{}", caller.loud_frames());
    // Without a port for it, there is a failure that names the setting.
    let way = Way::server_with("", &["--allow", &own], &own);
    way.script("listen", &in_language("en").replace("error.kind", "error.message"));
    let (mut call, _phone) = way.place("listen");
    let ending = call.wait_end();
    let heard = &ending.variables["HEARD"];
    assert!(heard.contains(&own) && heard.contains("`listen` in `[speech]`"), "{heard}");
}

/// A recorded call that listens is replayed without an engine, and without Asterisk.
#[test]
fn live_a_recorded_call_that_listens_is_replayed() {
    let recordings = Folder::new();
    let folder = recordings.path("calls");
    let way = Way::server_with("", &["--record", folder.to_str().unwrap()], "127.0.0.1");
    way.script("listen", &in_language("en"));
    let (spoken, caller) = way.listening("listen");
    caller.says(&[silence(200), word()].concat());
    way.heard(spoken, "speech yes");
    let recorded: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    wait_until("the recording is complete", || !replay(&recorded[0]).contains("breaks off"));
    let replayed = replay(&recorded[0]);
    assert!(replayed.contains(": same: "), "{replayed}");
    let text = fs::read_to_string(&recorded[0]).unwrap();
    assert!(text.contains(r#""ended_by":"speech""#) && !text.contains("AudioSocket"), "{text}");
}

fn replay(recorded: &Path) -> String {
    let output = agi_rhai(["replay", recorded.to_str().unwrap()]).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
