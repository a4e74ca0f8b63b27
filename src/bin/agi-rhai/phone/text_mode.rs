//! The phone in lines of text: prompts are written, keys are typed.

use super::audio::Audio;
use super::call::{LoadedScript, PhoneCall, PhoneSetup, SpokenTexts, Tapped, asked, shown_answer, shown_request};
use super::keypad::{QueueWaker, is_question, length, listens};
use super::state::manner;
use crate::out;
use crate::terminal::shows_colour;
use crate::text::call_time;
use agi_rhai::Status;
use agi_rhai::clock::{Stopwatch, Time};
use agi_rhai::internals::{foreign, printable};
use agi_rhai::pbx::{Act, Caller, Digit, Hearing, Sound, Sounds};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::io::{BufRead, IsTerminal, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::Waker;
use std::thread::Builder;
use std::time::Duration;

/// Plays a script to the person at the keyboard.
pub fn play(setup: &PhoneSetup, version: &LoadedScript) -> Result<Status> {
    show(&format!(
        "Calling {}. Type keys 0-9 * # or what you say, and press Enter; h hangs up.",
        printable(&setup.name())
    ));
    let tell = Box::new(|what: String| show(&format!("  {}", printable(&what))));
    let audio = if setup.setting.audio { Audio::start(setup, tell) } else { None };
    let caller = Keyboard::new(setup, version, audio.clone())?;
    let (is_asking, began) = (Arc::clone(&caller.is_asking), caller.began);
    let mut shows_answer = true;
    let note = move |tapped: Tapped<'_>, at: Time| {
        // Who is asked to listen is the person at the keyboard.
        is_asking.store(matches!(tapped, Tapped::Asks(request) if request.function != "listen"), Relaxed);
        let is_shown = match tapped {
            Tapped::Asks(request) => !["speak", "listen"].contains(&request.function.as_str()),
            Tapped::Answered(answer) => answer.is_err() || std::mem::replace(&mut shows_answer, true),
            Tapped::Line(_) => false,
        };
        if matches!(tapped, Tapped::Asks(_)) {
            shows_answer = is_shown;
        }
        if !is_shown {
            return;
        }
        let what = match tapped {
            Tapped::Line(_) => return,
            Tapped::Asks(request) => format!("asks {}: {}", asked(request), shown_request(request)),
            Tapped::Answered(answer) => format!("the answer: {}", shown_answer(answer)),
        };
        show(&format!("{:>7}  {}", call_time(at - began), printable(&what)));
    };
    let mut line = PhoneCall::new(setup, version, Box::new(caller), Box::new(note))?;
    if let Some(audio) = &audio {
        line.observe(Arc::new(audio.clone()));
    }
    let end = line.run(setup, version);
    if let Some(audio) = audio {
        audio.close();
    }
    if let Some(fault) = end.fault() {
        show(&fault.render(shows_colour(&stdout())));
    }
    end.summary().iter().for_each(|line| show(line));
    Ok(end.outcome.status)
}

/// Returns the language of what is heard, as it is shown after its name: ` [de]`.
fn label(language: Option<&str>) -> String {
    language.map_or_else(String::new, |language| format!(" [{language}]"))
}

fn show(line: &str) {
    out::line(line);
}

/// Something for which the caller waits.
enum Input {
    /// A line was typed.
    Line(String),
    /// There are no more lines.
    End,
    /// A service may have answered.
    Wakeup,
}

/// Something that the caller has typed.
enum Typed {
    Key(char),
    Sentence(String),
}

/// Reads a line: a sentence if it has a letter that isn't a key, or is in quotes; otherwise keys.
fn typed(line: &str) -> Vec<Typed> {
    let is_other = |c: char| c.is_alphabetic() && !matches!(c.to_ascii_uppercase(), 'A'..='D' | 'H');
    let line = line.trim();
    if line.contains(is_other) || line.starts_with('"') {
        vec![Typed::Sentence(line.trim_matches('"').to_owned())]
    } else {
        line.chars().map(Typed::Key).collect()
    }
}

/// The caller at the keyboard, in real time. With `fast`, time passes only in questions.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Keyboard {
    lines: Receiver<Input>,
    wake: Sender<Input>,
    /// Whether the script waits for a service.
    is_asking: Arc<AtomicBool>,
    typed: VecDeque<Typed>,
    /// Whether the script hears out what was said.
    has_spoken: bool,
    gone: bool,
    patient: bool,
    sounds: Arc<Sounds>,
    spoken: SpokenTexts,
    audio: Option<Audio>,
    shown: u64,
    asked: bool,
    /// The last key that was heard, with the prompt and its end. If they are still the same, the key was ignored.
    last: Option<(Digit, u64, Time)>,
    clock: Stopwatch,
    began: Time,
    skipped: Duration,
    fast: bool,
}

impl Keyboard {
    fn new(setup: &PhoneSetup, version: &LoadedScript, audio: Option<Audio>) -> Result<Self> {
        let (sender, lines) = channel();
        let wake = sender.clone();
        // Only a thread of its own can read lines while time passes. It ends with the process.
        let read = move || {
            let lines = stdin().lock().lines().map_while(Result::ok).map(Input::Line);
            lines.chain([Input::End]).try_for_each(|input| sender.send(input))
        };
        Builder::new().name("keys".to_owned()).spawn(read).context("no thread for the keys")?;
        let clock = setup.clock();
        Ok(Self {
            lines,
            wake,
            is_asking: Arc::default(),
            typed: VecDeque::new(),
            has_spoken: false,
            gone: false,
            // Keys from a pipe arrive all at once and wait for questions.
            patient: !stdin().is_terminal(),
            sounds: Arc::clone(&version.sounds),
            spoken: version.spoken.clone(),
            audio,
            shown: 0,
            asked: false,
            last: None,
            clock,
            began: clock.now(),
            skipped: Duration::ZERO,
            fast: setup.setting.fast,
        })
    }

    /// Prints a line with the time of the call.
    fn say(&self, what: &str) {
        show(&format!("{:>7}  {}", call_time(self.now() - self.began), printable(what)));
    }

    fn show(&mut self, until: Time, hearing: &Hearing<'_>) {
        if let Some((key, prompt, end)) = self.last.take()
            && (prompt, end) == (hearing.prompt, until)
        {
            self.say(&format!("key {key} is ignored here"));
        }
        if hearing.prompt != self.shown {
            self.shown = hearing.prompt;
            self.asked &= is_question(hearing);
            match &hearing.sound {
                Sound::File(name) if self.spoken.text(name).is_some() => {
                    let text = self.spoken.text(name).unwrap_or_default();
                    self.say(&format!("says \"{text}\""));
                }
                Sound::File(name) => match self.sounds.words(name, hearing.language) {
                    Some(words) => self.say(&format!("plays {name}{}: \"{}\"", label(words.language), words.text)),
                    None => self.say(&format!("plays {name}")),
                },
                Sound::Spoken(spoken) => {
                    let manner = manner(spoken, foreign(hearing.language));
                    let manner = manner.map_or_else(String::new, |manner| format!(" {manner}"));
                    self.say(&format!("says {} {}{manner}", spoken.kind, spoken.words));
                }
                Sound::Beep => self.say("beep"),
                Sound::Recording(name) => self.say(&format!("records {name}: speak, if you like")),
                Sound::Music(class) => self.say(&format!("plays music on hold ({class})")),
                _ => {}
            }
            if let Some(audio) = &self.audio {
                audio.play(hearing, length(hearing, &self.sounds), until);
            }
        }
        if is_question(hearing) && !self.asked && !self.has_spoken {
            self.asked = true;
            self.say(if hearing.speech { "waits for speech or keys" } else { "waits for keys" });
        }
    }

    /// Returns the next act, if it is due.
    fn next(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        // What comes from a pipe is one answer after the other.
        if self.patient && (!listens(hearing) || self.has_spoken) {
            return None;
        }
        while let Some(typed) = self.typed.pop_front() {
            let key = match typed {
                Typed::Key(key) => key,
                Typed::Sentence(said) => {
                    self.has_spoken = hearing.speech;
                    let how = if hearing.speech { "" } else { ", but the script isn't listening to speech" };
                    self.say(&format!("you say \"{said}\"{how}"));
                    return Some(Act::Says(said));
                }
            };
            if key.eq_ignore_ascii_case(&'h') {
                self.say("you hang up");
                return Some(Act::HangUp);
            }
            if let Some(digit) = Digit::new(key.to_ascii_uppercase()) {
                self.say(&format!(
                    "key {digit}{}",
                    if hearing.listening { "" } else { ", but the script isn't listening" }
                ));
                self.last = hearing.listening.then_some((digit, hearing.prompt, until));
                return Some(Act::Key(digit));
            }
        }
        if self.gone && listens(hearing) && !self.has_spoken {
            self.say("the input has ended: hanging up");
            return Some(Act::HangUp);
        }
        None
    }
}

impl Caller for Keyboard {
    fn waker(&mut self) -> Option<Waker> {
        Some(Waker::from(Arc::new(QueueWaker(self.wake.clone(), || Input::Wakeup))))
    }

    fn now(&self) -> Time {
        self.clock.now() + self.skipped
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        self.show(until, hearing);
        loop {
            if let Some(act) = self.next(until, hearing) {
                return Some(act);
            }
            let left = until - self.now();
            if left.is_zero() {
                if std::mem::take(&mut self.has_spoken) {
                    self.asked = false;
                } else if is_question(hearing) {
                    self.asked = false;
                    self.say(if hearing.speech { "nothing came" } else { "no key came" });
                }
                return None;
            }
            // Keys from a pipe may interrupt a prompt, so prompts wait for them too.
            let waits = !self.has_spoken && (is_question(hearing) || self.patient && listens(hearing));
            // A service takes its time, which nothing can skip.
            if (self.gone || (self.fast && !waits)) && !self.is_asking.load(Relaxed) {
                if until == Time::NEVER {
                    // The wait would never end.
                    return Some(Act::HangUp);
                }
                self.skipped += left;
                self.has_spoken = false;
                return None;
            }
            match self.lines.recv_timeout(left.min(Duration::from_secs(3600))) {
                Ok(Input::Line(line)) => self.typed.extend(typed(&line)),
                Ok(Input::Wakeup) => return Some(Act::Wakeup),
                Ok(Input::End) | Err(RecvTimeoutError::Disconnected) => self.gone = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
