//! Engines that understand what callers say: real ones, and stand-ins for servers that hold to their protocols or
//! break them. Calls come from a scripted Asterisk.
#![expect(clippy::disallowed_methods, reason = "engines live in real time")]

pub mod accuracy;
pub mod programs;
mod servers;
mod stand_ins;

use crate::jobs::Site;
use crate::support::server::{PATIENCE, Peer, Server, environment, reply};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A script that listens once and says what it heard, or why it heard nothing. `@OPTIONS@` is for more options.
const LISTENS: &str = r#"answer();
    try {
        let heard = listen([], #{ first: 20, silence: 0.3, keys: "1", @OPTIONS@ });
        verbose(`${heard.ended_by} '${heard.text}${heard.key}' ${heard.confidence}`);
    } catch (error) {
        verbose(`${error.kind}: ${error.message}`);
    }"#;

/// A server, and the Asterisk of its calls.
struct Line {
    server: Server,
    _site: Site,
}

/// What a call has come to.
#[derive(Debug)]
struct Called {
    said: String,
    took: Duration,
}

/// A caller on the line, whose sound Asterisk sends.
struct Caller(TcpStream);

impl Line {
    /// Serves with these engines. The script listens with these options.
    fn new(engines: &str, options: &str) -> Self {
        Self::with(engines, &[("listens", LISTENS.replace("@OPTIONS@", options))])
    }

    /// Serves these scripts.
    fn with(engines: &str, scripts: &[(&str, String)]) -> Self {
        let site = Site::new(engines);
        for (name, text) in scripts {
            site.script(name, text);
        }
        Self { server: site.serve(), _site: site }
    }

    /// Calls in this language, and does this as soon as the script listens.
    #[track_caller]
    fn call(&self, language: &str, acts: impl FnOnce(&mut Caller) + Send) -> Called {
        self.call_of("listens", language, acts)
    }

    /// Calls another script.
    #[track_caller]
    fn call_of(&self, script: &str, language: &str, acts: impl FnOnce(&mut Caller) + Send) -> Called {
        let mut peer: Peer = self.server.connect();
        let language = format!("agi_language: {language}\n");
        peer.send(environment(script).replacen("agi_language: en\n", &language, 1));
        let (mut acts, began) = (Some(acts), Instant::now());
        let played = peer.play_with(|line| {
            let arguments = line.strip_prefix("EXEC AudioSocket ");
            let Some((id, address)) = arguments.and_then(|arguments| arguments.trim_matches('"').split_once(','))
            else {
                return Some(reply(line).to_owned());
            };
            let acts = acts.take().expect("it listens once");
            let has_ended = Caller::connect(id, address).talk(acts);
            Some(format!("200 result={}", if has_ended { 0 } else { -1 }))
        });
        let (took, said) = (began.elapsed(), played.said().join("; "));
        assert_eq!(played.status(), "SUCCESS", "{said} {}", self.server.log());
        Called { said, took }
    }

    /// Calls, and says this.
    #[track_caller]
    fn says(&self, language: &str, sound: &[i16]) -> Called {
        self.call(language, |caller| caller.says(sound))
    }
}

impl Caller {
    /// Connects as Asterisk's application AudioSocket does.
    fn connect(id: &str, address: &str) -> Self {
        let id = u128::from_str_radix(&id.replace('-', ""), 16).expect("an id");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[&[1, 0, 16], &id.to_be_bytes()[..]].concat()).unwrap();
        Self(stream)
    }

    /// Acts, while what is to be played is read to the end. Returns whether the other end has said that it is the end.
    fn talk(mut self, acts: impl FnOnce(&mut Caller) + Send) -> bool {
        let mut reader = self.0.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| acts(&mut self));
            let mut played = Vec::new();
            let _ = reader.read_to_end(&mut played);
            let _ = reader.shutdown(Shutdown::Both);
            played.ends_with(&[0, 0, 0])
        })
    }

    /// Says something. It comes faster than anybody speaks: only the sound counts.
    fn says(&mut self, sound: &[i16]) {
        for frame in sound.chunks(160) {
            let length = (frame.len() * 2) as u16;
            let samples = frame.iter().flat_map(|sample| sample.to_le_bytes());
            let bytes: Vec<u8> = [0x10].into_iter().chain(length.to_be_bytes()).chain(samples).collect();
            // The other end may have heard enough.
            let _ = self.0.write_all(&bytes);
        }
    }

    fn presses(&mut self, key: u8) {
        let _ = self.0.write_all(&[3, 0, 1, key]);
    }

    fn hangs_up(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
