//! The figures of docs/speech.md about how sound travels. They need a machine that does nothing else:
//! `cargo test --test main -- --ignored --nocapture live_speech_figures`.

use crate::support::asterisk::{Call, Running, asterisk, free_port};
use crate::support::caller::{Caller, Phone, tone, vowel, wav};
use crate::support::machine::Server;
use crate::support::process::Folder;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The conversations at a time.
const CALLS: usize = 100;
/// The silence that ends an answer.
const SILENCE: Duration = Duration::from_millis(500);
/// How long the callers speak.
const SPEECH: Duration = Duration::from_millis(700);

/// An engine that costs nothing: it answers at the end of the sound. Returns its port.
fn engine() -> u16 {
    fn answer(stream: &TcpStream) -> std::io::Result<()> {
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            let event: serde_json::Value = serde_json::from_str(&line)?;
            let length = event["payload_length"].as_u64().unwrap_or(0) + event["data_length"].as_u64().unwrap_or(0);
            std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
            if event["type"] == "audio-stop" {
                writer.write_all(b"{\"type\":\"transcript\",\"data\":{\"text\":\"yes\"}}\n")?;
            }
            line.clear();
        }
        Ok(())
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || answer(&stream));
        }
    });
    port
}

/// Starts a server with a prompt of a minute.
fn server() -> (Server, Folder) {
    let folder = asterisk().sounds_dir().join("en/live-speech");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("minute.wav"), wav(&tone(60_000))).unwrap();
    let own = Folder::new();
    let sounds = asterisk().sounds_dir();
    let config = format!(
        "[speech]\nsounds = [{:?}]\n[speech.stt.engine]\nurl = \"tcp://127.0.0.1:{}\"\nat_once = 200\n",
        sounds.to_str().unwrap(),
        engine()
    );
    let config = own.file("agi-rhai.toml", config);
    let server = Server::start_on(free_port(), &["--config", &config]);
    server.script(
        "listen.rhai",
        &format!(
            r##"answer();
            listen("live-speech/minute", #{{ words: ["yes"], first: 60, silence: {}, max: 5, keys: "1" }});"##,
            SILENCE.as_secs_f64()
        ),
    );
    server.script("wait.rhai", "answer(); stream_file(\"live-speech/minute\"); wait_for_digit(60000);");
    (server, own)
}

fn place(server: &Server, script: &str) -> (Running, Caller) {
    let phone = Phone::new();
    let call = asterisk().call(phone.calls(Call::request(&server.url(script), &[])));
    (call, phone.answered())
}

/// Returns words as people say them, from their first sound on, by the voices of flite.
fn words() -> Vec<Vec<i16>> {
    let folder = Folder::new();
    let mut words = Vec::new();
    for voice in ["slt", "rms", "awb", "kal16"] {
        for word in ["yes", "no", "stop", "sales", "support", "help", "seven", "four", "two", "please"] {
            let file = folder.path("word.wav");
            let spoken = Command::new("flite").args(["-voice", voice, "-t", word, "-o"]).arg(&file).status();
            assert!(spoken.expect("the voices are those of flite, which isn't installed").success());
            let bytes = fs::read(&file).unwrap();
            // All of these voices have 16,000 samples a second.
            let samples: Vec<i16> = bytes[44..]
                .chunks_exact(4)
                .map(|two| i16::midpoint(i16::from_le_bytes([two[0], two[1]]), i16::from_le_bytes([two[2], two[3]])))
                .collect();
            let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            let begins = samples.iter().position(|sample| sample.unsigned_abs() > loudest / 20).unwrap();
            words.push(samples[begins..].to_vec());
        }
    }
    words
}

/// Returns the mean and the 95th percentile, in milliseconds.
fn spread(mut lengths: Vec<Duration>) -> (f64, f64) {
    lengths.sort();
    let mean = lengths.iter().sum::<Duration>().as_secs_f64() * 1000.0 / lengths.len() as f64;
    (mean, lengths[(lengths.len() * 95).div_ceil(100) - 1].as_secs_f64() * 1000.0)
}

/// Returns the processor time of a process so far.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Returns the resident memory of a process, in KiB.
fn memory(pid: u32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "it measures"]
fn live_interruptions_stop_the_prompt_at_once() {
    let (server, _own) = server();
    let (mut by_voice, mut by_key) = (Vec::new(), Vec::new());
    for word in words() {
        let (mut call, caller) = place(&server, "listen.rhai");
        caller.hears_sound();
        thread::sleep(Duration::from_millis(500));
        let said = Instant::now();
        caller.says(&word);
        call.wait_end();
        // The first frame of what is said, as it came in.
        by_voice.push(caller.last_sound().unwrap() - said + Duration::from_millis(20));
        let (mut call, caller) = place(&server, "listen.rhai");
        caller.hears_sound();
        thread::sleep(Duration::from_millis(500));
        let channel = call.channel();
        let pressed = Instant::now();
        let key = [("Channel", channel.as_str()), ("Digit", "1"), ("Duration", "60"), ("Receive", "true")];
        call.action("PlayDTMF", &key);
        call.wait_end();
        by_key.push(caller.last_sound().unwrap() - pressed);
    }
    let ((voice, voice_p95), (key, key_p95)) = (spread(by_voice), spread(by_key));
    eprintln!("after a voice begins, the prompt is heard for {voice:.0} ms, p95 {voice_p95:.0} ms");
    eprintln!("after a key of 60 ms begins, the prompt is heard for {key:.0} ms, p95 {key_p95:.0} ms");
    assert!(voice_p95 <= 250.0 && key_p95 <= 100.0);
}

#[test]
#[ignore = "it measures"]
fn live_many_conversations_at_a_time() {
    let (server, _own) = server();
    let pid = server.process.id();
    // The threads and the pools of everything.
    let (mut first, caller) = place(&server, "listen.rhai");
    caller.says(&vowel(700));
    first.wait_end();
    let many = |script: &str| -> Vec<(Running, Caller)> { (0..CALLS).map(|_| place(&server, script)).collect() };
    let settled = || {
        thread::sleep(Duration::from_secs(3));
        (memory(pid), processor_time(pid), Instant::now())
    };
    // Such as play a prompt and wait, for comparison.
    let waiting = many("wait.rhai");
    let (waits, ..) = settled();
    for (mut call, _) in waiting {
        call.hangup();
        call.wait_end();
    }
    let listening = many("listen.rhai");
    let (listens, spent, since) = settled();
    thread::sleep(Duration::from_secs(5));
    let share = (processor_time(pid) - spent).as_secs_f64() / since.elapsed().as_secs_f64() * 100.0 / CALLS as f64;
    // All of them speak within two seconds.
    let mut said = Vec::new();
    for (_, caller) in &listening {
        thread::sleep(Duration::from_millis(20));
        caller.says(&vowel(SPEECH.as_millis() as usize));
        said.push(Instant::now() + SPEECH);
    }
    let (mut beyond, mut most) = (Vec::new(), 0);
    for ((mut call, caller), ends) in listening.into_iter().zip(said) {
        most = most.max(memory(pid));
        call.wait_end();
        let ended = loop {
            if let Some(ended) = caller.ended_at() {
                break ended;
            }
            thread::sleep(Duration::from_millis(1));
        };
        beyond.push(ended.saturating_duration_since(ends + SILENCE));
    }
    let (mean, p95) = spread(beyond);
    let each = (listens - waits) / CALLS as i64;
    eprintln!(
        "{CALLS} calls listen during a prompt: {share:.2} % of a processor each, {each} KiB more than one that waits"
    );
    eprintln!("at most {} KiB while they speak", (most - waits) / CALLS as i64);
    eprintln!(
        "from the end of speech and {SILENCE:?} of silence to the end of the call: {mean:.0} ms, p95 {p95:.0} ms"
    );
}
