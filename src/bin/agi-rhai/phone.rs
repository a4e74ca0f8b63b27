//! A simulated phone in lines of text: what is played is written, keys are typed.

use agi_rhai::clock::{Stopwatch, Time};
use agi_rhai::pbx::{Act, Call, Caller, Channel, Digit, Hearing, Sound, Sounds};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Script, Session, Status};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Plays a script to whoever sits at the keyboard.
pub fn play(host: &Host, script: &Script, path: &Path, args: Vec<String>, number: &str, fast: bool) -> Result<Status> {
    let sounds = Arc::new(sounds(path)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    show(&format!("Calling {name}. Type keys 0-9 * # and press Enter; h hangs up."));
    let call = Call { request: name, callerid: Some(number.to_owned()), args: args.clone(), ..Call::default() };
    let caller = Keyboard::new(Arc::clone(&sounds), fast);
    let channel = Channel::new(call, Box::new(caller)).with_sounds(sounds);
    let session = Session::begin(Box::new(Simulator::new(channel)))?;
    let outcome = host.run(session, script, args);
    if let Some(fault) = &outcome.fault {
        show(&fault.render(stdout().is_terminal()));
    }
    show(&format!(
        "Call ended: {}, {} s, {} commands, seed {}.",
        outcome.status,
        outcome.length.as_secs(),
        outcome.commands,
        outcome.seed
    ));
    Ok(outcome.status)
}

/// Asterisk's own sounds, those beside the script, and the words of its prompts.
pub fn sounds(script: &Path) -> Result<Sounds> {
    let mut sounds = Sounds::stock();
    let beside = script.with_file_name("sounds");
    if beside.is_dir() {
        sounds = sounds.with_folder(beside);
    }
    let table = script.with_extension("prompts");
    if table.is_file() {
        let text = std::fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
        sounds = sounds.with_prompts(&text).with_context(|| format!("in {}", table.display()))?;
    }
    Ok(sounds)
}

fn show(line: &str) {
    // Whoever reads from a pipe may have had enough.
    let _ = writeln!(stdout(), "{line}").and_then(|()| stdout().flush());
}

/// The person at the keyboard, in real time; `fast`, time stands still but for questions.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
struct Keyboard {
    lines: Receiver<String>,
    keys: VecDeque<char>,
    gone: bool,
    patient: bool,
    sounds: Arc<Sounds>,
    shown: u64,
    asked: bool,
    clock: Stopwatch,
    skipped: Duration,
    fast: bool,
}

impl Keyboard {
    fn new(sounds: Arc<Sounds>, fast: bool) -> Self {
        let (sender, lines) = channel();
        // The only way to read lines and let time pass at once; it ends with the process.
        std::thread::spawn(move || stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self {
            lines,
            keys: VecDeque::new(),
            gone: false,
            // Keys from a pipe come all at once and wait until they are asked for.
            patient: !stdin().is_terminal(),
            sounds,
            shown: 0,
            asked: false,
            clock: Stopwatch::start(),
            skipped: Duration::ZERO,
            fast,
        }
    }

    fn show(&mut self, hears: &Hearing<'_>) {
        if hears.prompt != self.shown {
            self.shown = hears.prompt;
            self.asked = false;
            match &hears.sound {
                Sound::Silence => {}
                Sound::File(name) => match self.sounds.words(name) {
                    Some(words) => show(&format!("  plays {name}: \"{words}\"")),
                    None => show(&format!("  plays {name}")),
                },
                Sound::Spoken { kind, text } => show(&format!("  says {kind} {text}")),
                Sound::Beep => show("  beep"),
                Sound::Recording(name) => show(&format!("  records {name}: speak, if you like")),
                Sound::Music(class) => show(&format!("  plays music on hold ({class})")),
            }
        }
        if hears.asked && matches!(hears.sound, Sound::Silence) && !self.asked {
            self.asked = true;
            show("  waits for keys");
        }
    }
}

impl Caller for Keyboard {
    fn now(&self) -> Time {
        self.clock.now() + self.skipped
    }

    fn wait(&mut self, until: Time, hears: &Hearing<'_>) -> Option<Act> {
        self.show(hears);
        loop {
            if hears.asked || !self.patient {
                while let Some(key) = self.keys.pop_front() {
                    match key {
                        'h' | 'H' => return Some(Act::HangUp),
                        key => {
                            if let Some(digit) = Digit::new(key.to_ascii_uppercase()) {
                                return Some(Act::Key(digit));
                            }
                        }
                    }
                }
            }
            if self.gone && self.keys.is_empty() && hears.asked {
                // Nobody is there any more.
                return Some(Act::HangUp);
            }
            let left = until - self.now();
            if left.is_zero() {
                return None;
            }
            if self.gone || (self.fast && !hears.asked) {
                self.skipped += left;
                return None;
            }
            match self.lines.recv_timeout(left.min(Duration::from_secs(3600))) {
                Ok(line) => self.keys.extend(line.chars()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.gone = true,
            }
        }
    }
}
