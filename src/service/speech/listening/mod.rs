//! Listening to callers: Asterisk's AudioSocket brings the sound of a call, and takes that of the prompt.

mod audio_socket;
mod conversation;
mod lacking;
mod listener;
mod overheard;
mod prompt;
pub(crate) mod recorded;
mod server;

pub(in crate::service) use lacking::Lacking;
pub(in crate::service) use listener::{Engine, Terms};
pub(in crate::service) use overheard::Overheard;
pub(in crate::service) use server::{Ports, SoundServer};

use crate::service::settings::Settings;
use crate::service::speech::sounds::SoundFolders;
use crate::transport::{Answer, Failure, Request};
use conversation::converse;
use prompt::Prompt;
use serde_json::json;
use tokio::sync::oneshot;

/// A conversation for which everything is ready but its sound.
pub(in crate::service) struct Conversation {
    /// What Asterisk is told: the id of the call, and where to connect to.
    pub arguments: String,
    expected: server::Expected,
    prompt: (Prompt, Vec<i16>),
    terms: Terms,
}

/// Prepares a conversation.
///
/// # Errors
/// Returns the answer to the request if there is no conversation: Asterisk has to play something first, or sound can't
/// reach us.
pub(in crate::service) async fn prepare(
    request: &Request,
    settings: &Settings,
    server: &SoundServer,
    host: &str,
) -> Result<Conversation, Answer> {
    let parts = request.argument("prompt").as_array().cloned().unwrap_or_default();
    let (language, speech) = (request.text("language").to_owned(), settings.speech.clone());
    let spoken = settings.speech_folder();
    let found = tokio::task::spawn_blocking(move || {
        let folders = SoundFolders::of(speech.as_ref());
        let mut prompt = Prompt::find(&parts, &folders, spoken.as_deref(), &language)?;
        let samples = prompt.read();
        Ok::<_, usize>((prompt, samples))
    });
    let prompt = match found.await {
        Ok(Ok(prompt)) => prompt,
        Ok(Err(count)) => return Err(Ok(json!({ "play": count }))),
        Err(_) => return Err(Err(Failure::unavailable("no thread to read sound files"))),
    };
    let expected = server.expect();
    let arguments = format!("{},{host}:{}", audio_socket::written(expected.id), server.port());
    Ok(Conversation { arguments, expected, prompt, terms: Terms::of(request) })
}

impl Conversation {
    /// Waits for its sound, and holds it. The channel is closed once Asterisk has connected.
    pub async fn hold(mut self, engine: Engine, is_waiting: oneshot::Receiver<()>) -> Answer {
        let stream = (&mut self.expected.stream).await;
        drop(is_waiting);
        match stream {
            Ok(stream) => converse(stream, self.prompt, self.terms, engine).await,
            Err(_) => Err(Failure::unavailable("the port for the sound of calls was closed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::audio_socket::{FRAME, Frame, OPENING, THE_END, push_sound, take};
    use super::*;
    use crate::audio::sounds::{silence, vowel};
    use crate::audio::wav;
    use crate::clock::Stopwatch;
    use crate::service::runtime;
    use crate::service::settings::SpeechSettings;
    use crate::sync::lock;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::{sleep, timeout};

    /// What the caller does.
    #[derive(Clone)]
    enum Act {
        /// Says this.
        Says(Vec<i16>),
        /// Sends this as fast as it can, in frames as large as they may be.
        Floods(Vec<i16>),
        /// Presses a key, which makes a gap.
        Presses(u8),
        /// Sends nothing for this long, as phones do that are silent.
        SendsNothing(u64),
        /// Hangs up.
        HangsUp,
    }

    /// What came of it: the answer, when it came, how long the prompt was heard, and what the engine heard. All times
    /// are in milliseconds.
    #[derive(Debug)]
    struct Held {
        answer: Answer,
        took: u128,
        played: usize,
        engine_heard: usize,
        ended_properly: bool,
    }

    /// How the engine does.
    #[derive(Clone, Copy, PartialEq)]
    enum Does {
        Well,
        FailsAtOnce,
        NeverAnswers,
    }

    fn request(prompt: &[&str]) -> Request {
        let prompt: Vec<_> = prompt.iter().map(|name| json!({ "file": name })).collect();
        Request::new("listen", "")
            .with("prompt", prompt)
            .with("barge_in", true)
            .with("language", "en")
            .with("first", 0.6)
            .with("silence", 0.3)
            .with("max", 1.0)
            .with("keys", "1#")
    }

    /// A folder with a prompt of two seconds.
    fn sounds() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("agi-rhai-listening-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("en")).unwrap();
        std::fs::write(folder.join("en/long.wav"), wav(&vec![7; 16_000], 8000)).unwrap();
        std::fs::write(folder.join("en/other.g722"), [0; 80]).unwrap();
        folder
    }

    fn settings() -> Settings {
        let speech = SpeechSettings { sounds: Some(vec![sounds()]), ..SpeechSettings::default() };
        Settings { speech: Some(speech), ..Settings::default() }
    }

    fn local() -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
    }

    /// Holds a conversation with this caller.
    fn hold(request: &Request, acts: &[Act], does: Does) -> Held {
        runtime().unwrap().block_on(async {
            let server = SoundServer::open(local()).unwrap();
            let Ok(conversation) = prepare(request, &settings(), &server, "127.0.0.1").await else {
                panic!("no sound")
            };
            let (id, address) = conversation.arguments.split_once(',').unwrap();
            let id = u128::from_str_radix(&id.replace('-', ""), 16).unwrap();
            let caller = tokio::spawn(call(address.to_owned(), id, acts.to_vec()));
            let heard = Arc::new(Mutex::new(0));
            let engine_heard = Arc::clone(&heard);
            let engine: Engine = Box::new(move |mut sound, ended| {
                Box::pin(async move {
                    if does == Does::FailsAtOnce {
                        return Err(Failure::unavailable("it is down"));
                    }
                    while let Some(samples) = sound.recv().await {
                        *lock(&engine_heard) += samples.len() / 8;
                    }
                    if does == Does::NeverAnswers {
                        let _ = ended.await;
                        sleep(Duration::from_millis(300)).await;
                        return Err(Failure::unavailable("it gave no answer"));
                    }
                    Ok(json!({ "text": "yes", "confidence": 0.5 }))
                })
            });
            let clock = Stopwatch::start();
            let (_waiting, is_waiting) = oneshot::channel();
            let answer = conversation.hold(engine, is_waiting).await;
            let took = clock.elapsed().as_millis();
            let (played, ended_properly) = caller.await.unwrap();
            let engine_heard = *lock(&heard);
            Held { answer, took, played, engine_heard, ended_properly }
        })
    }

    /// Calls as Asterisk does. Returns how many milliseconds of the prompt were heard, and whether the end was told.
    async fn call(address: String, id: u128, acts: Vec<Act>) -> (usize, bool) {
        let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
        to.write_all(&[&[1, 0, 16], &id.to_be_bytes()[..]].concat()).await.unwrap();
        let sending = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            let mut send = Vec::new();
            for act in acts {
                let frames: Vec<i16> = match act {
                    Act::Says(samples) => samples,
                    Act::Floods(samples) => {
                        for frame in samples.chunks(32_767) {
                            send.clear();
                            push_sound(&mut send, frame);
                            if to.write_all(&send).await.is_err() {
                                return;
                            }
                        }
                        continue;
                    }
                    Act::Presses(key) => {
                        let _ = to.write_all(&[3, 0, 1, key]).await;
                        continue;
                    }
                    Act::SendsNothing(ms) => {
                        sleep(Duration::from_millis(ms)).await;
                        ticks.reset();
                        continue;
                    }
                    Act::HangsUp => return,
                };
                for frame in frames.chunks(FRAME) {
                    ticks.tick().await;
                    send.clear();
                    push_sound(&mut send, frame);
                    // The other end may have ended already.
                    if to.write_all(&send).await.is_err() {
                        return;
                    }
                }
            }
            sleep(Duration::from_secs(60)).await;
        });
        let (mut received, mut played, mut ended) = (Vec::new(), 0, false);
        while from.read_buf(&mut received).await.unwrap_or(0) > 0 {
            while let Some(frame) = take(&mut received) {
                match frame {
                    Frame::Sound(samples) => played += usize::from(samples.contains(&7)) * 20,
                    Frame::End => ended = true,
                    Frame::Key(_) => {}
                }
            }
        }
        sending.abort();
        (played, ended)
    }

    #[test]
    fn speech_stops_the_prompt_and_ends_with_silence() {
        let acts = [Act::Says([silence(400), vowel(400), silence(3000)].concat())];
        let held = hold(&request(&["long"]), &acts, Does::Well);
        let answer = held.answer.as_ref().unwrap();
        assert_eq!(
            (&answer["ended_by"], &answer["text"], &answer["confidence"]),
            (&json!("speech"), &json!("yes"), &json!(0.5))
        );
        let seconds = answer["seconds"].as_f64().unwrap();
        assert!((0.35..0.5).contains(&seconds), "{held:?}");
        assert!(held.ended_properly && (380..1500).contains(&held.played), "{held:?}");
        // All of it, with some of the silence around it.
        assert!((600..1300).contains(&held.engine_heard), "{held:?}");
        assert!(held.took >= 1000, "{held:?}");
    }

    #[test]
    fn a_phone_that_sends_no_silence_is_silent() {
        let acts = [Act::Says([silence(100), vowel(400)].concat()), Act::SendsNothing(3000)];
        let held = hold(&request(&[]), &acts, Does::Well);
        assert_eq!(held.answer.as_ref().unwrap()["ended_by"], "speech", "{held:?}");
        assert!(held.took < 2500, "{held:?}");
    }

    #[test]
    fn whoever_says_nothing_is_waited_for_after_the_prompt() {
        let held = hold(&request(&["long"]), &[Act::Says(silence(4000))], Does::Well);
        assert_eq!(held.answer, Ok(json!({ "ended_by": "none", "seconds": 0.0 })));
        assert!(held.played == 2000 && held.took >= 2600, "{held:?}");
    }

    #[test]
    fn speech_ends_at_its_limit() {
        let acts = [Act::Says([silence(100), vowel(4000)].concat())];
        let held = hold(&request(&[]), &acts, Does::Well);
        let answer = held.answer.as_ref().unwrap();
        assert_eq!((&answer["ended_by"], &answer["text"]), (&json!("max"), &json!("yes")));
        assert!((1050..3000).contains(&held.took), "{held:?}");
    }

    #[test]
    fn sound_that_comes_too_fast_costs_no_more_memory() {
        let acts = [Act::Floods(vowel(1000).repeat(100))];
        let held = hold(&request(&[]), &acts, Does::Well);
        assert_eq!(held.answer.as_ref().unwrap()["ended_by"], "max", "{held:?}");
        // What is allowed, and at most a frame more on each side.
        assert!((1000..10_000).contains(&held.engine_heard), "{held:?}");
    }

    #[test]
    fn keys_count_at_every_moment() {
        let key = |answer: &Answer| answer.as_ref().unwrap()["key"].as_str().map(str::to_owned);
        // During the prompt; one that doesn't count changes nothing.
        let acts = [Act::Says(silence(200)), Act::Presses(b'5'), Act::Says(silence(200)), Act::Presses(b'1')];
        let held = hold(&request(&["long"]), &acts, Does::Well);
        assert_eq!(key(&held.answer).as_deref(), Some("1"));
        assert!(held.ended_properly && (300..1500).contains(&held.played), "{held:?}");
        // While the caller speaks.
        let acts = [Act::Says([silence(100), vowel(300)].concat()), Act::Presses(b'#'), Act::Says(vowel(500))];
        let held = hold(&request(&["long"]), &acts, Does::NeverAnswers);
        assert_eq!(key(&held.answer).as_deref(), Some("#"));
        // While an engine thinks.
        let acts = [Act::Says([silence(100), vowel(300), silence(500)].concat()), Act::Presses(b'1')];
        let held = hold(&request(&["long"]), &acts, Does::NeverAnswers);
        assert_eq!(key(&held.answer).as_deref(), Some("1"), "{held:?}");
        // When it has failed already.
        let acts = [Act::Says([silence(100), vowel(300)].concat()), Act::Presses(b'1')];
        let held = hold(&request(&["long"]), &acts, Does::FailsAtOnce);
        assert_eq!(key(&held.answer).as_deref(), Some("1"));
    }

    #[test]
    fn an_engine_that_is_down_shows_when_the_caller_has_spoken() {
        let acts = [Act::Says([silence(100), vowel(400), silence(3000)].concat())];
        for does in [Does::FailsAtOnce, Does::NeverAnswers] {
            let held = hold(&request(&["long"]), &acts, does);
            assert_eq!(held.answer.as_ref().unwrap_err().kind, crate::transport::FailureKind::Unavailable);
            assert!(held.ended_properly && (700..3000).contains(&held.took), "{held:?}");
        }
    }

    #[test]
    fn nothing_stops_a_prompt_that_must_be_heard() {
        let acts =
            [Act::Says(vowel(600)), Act::Presses(b'1'), Act::Says([silence(1800), vowel(300), silence(900)].concat())];
        let held = hold(&request(&["long"]).with("barge_in", false), &acts, Does::Well);
        assert_eq!(held.answer.as_ref().unwrap()["ended_by"], "speech", "{held:?}");
        assert_eq!(held.played, 2000, "{held:?}");
    }

    #[test]
    fn a_hangup_ends_it() {
        let held = hold(&request(&["long"]), &[Act::Says(silence(200)), Act::HangsUp], Does::Well);
        assert!(held.answer.as_ref().unwrap_err().message.contains("the sound of the call broke off"), "{held:?}");
    }

    #[test]
    fn what_cannot_be_read_here_is_left_to_asterisk() {
        runtime().unwrap().block_on(async {
            let server = SoundServer::open(local()).unwrap();
            let play = async |prompt: &[&str]| match prepare(&request(prompt), &settings(), &server, "x").await {
                Ok(_) => None,
                Err(answer) => answer.unwrap()["play"].as_u64(),
            };
            assert_eq!(play(&["long"]).await, None);
            assert_eq!(play(&["other"]).await, Some(1));
            assert_eq!(play(&["long", "missing", "long"]).await, Some(2));
        });
    }

    #[test]
    fn whoever_holds_connections_open_keeps_no_call_out() {
        runtime().unwrap().block_on(async {
            let server = SoundServer::open(local()).unwrap();
            let mut expected = server.expect();
            let mut open = Vec::new();
            for _ in 0..300 {
                open.push(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap());
            }
            let mut call = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
            call.write_all(&[&[1, 0, 16], &expected.id[..]].concat()).await.unwrap();
            timeout(Duration::from_secs(30), &mut expected.stream).await.unwrap().unwrap();
        });
    }

    #[test]
    fn strangers_get_nothing() {
        runtime().unwrap().block_on(async {
            let folder = sounds();
            std::fs::write(folder.join(format!("{:032x}.wav", 10)), b"a sound").unwrap();
            std::fs::write(folder.join("secret.wav"), b"a secret").unwrap();
            let server = Ports::default().remote(local(), Some(folder)).unwrap();
            let expected = server.expect();
            let ask = async |bytes: &[u8]| {
                let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
                let _ = stream.write_all(bytes).await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
                String::from_utf8(answer).unwrap()
            };
            let get = async |method: &str, path: &str| {
                ask(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await
            };
            let name = format!("/{:032x}.wav", 10);
            let found = get("GET", &name).await;
            assert!(
                found.starts_with("HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: 7\r\n"),
                "{found}"
            );
            assert!(found.contains("\r\nCache-Control: max-age=") && found.ends_with("\r\n\r\na sound"), "{found}");
            assert!(get("HEAD", &name).await.ends_with("Connection: close\r\n\r\n"));
            for path in [
                "/secret.wav",
                "/",
                "/../secret.wav",
                "/en/long.wav",
                &format!("/{:032x}.wav", 11),
                "/%2e%2e/secret.wav",
            ] {
                assert!(
                    get("GET", path).await.starts_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"),
                    "{path}"
                );
            }
            for nonsense in [&b"POST / HTTP/1.1\r\n\r\n........"[..], &[1; OPENING], &[0xff; 100], b"", b"G", &THE_END]
            {
                assert_eq!(ask(nonsense).await, "");
            }
            assert_eq!(get("GET", &"x".repeat(20_000)).await, "");
            // The call that waits still gets its sound.
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
            stream.write_all(&[&[1, 0, 16], &expected.id[..]].concat()).await.unwrap();
            let mut expected = expected;
            timeout(Duration::from_secs(30), &mut expected.stream).await.unwrap().unwrap();
        });
    }
}
