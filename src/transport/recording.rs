//! Recorded calls: what went over the line, and when, in lines of JSON.
//!
//! The first line is the [`Header`], every further one a [`Line`]: a time in milliseconds since the session began, and
//! an [`Event`]. A file that ends in the middle, since the machine went down, can be read up to there.

use super::redaction::Redaction;
use super::{Ending, Heard, Note, Peer, Transport};
use crate::agi::Reply;
use crate::clock::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;
use tracing::warn;

/// The format written here; a file of another one is not read.
pub const FORMAT: u32 = 1;

/// So often between two other events a time the script asked for is kept: one that does nothing but ask is not to fill
/// the disk.
const MOST_ASKED: u32 = 64;

/// What is kept of a call whose file can be written only at its end, in events.
const MOST_KEPT: usize = 50_000;

/// What a recorded call began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    #[serde(rename = "agi-rhai")]
    pub format: u32,
    /// The script, by the path it was read from.
    pub script: String,
    /// Its version.
    pub version: String,
    /// What its random numbers came from.
    pub seed: u64,
    /// When the session began, in seconds since the Unix epoch.
    #[serde(with = "seconds")]
    pub started: Duration,
    /// `args`.
    pub args: Vec<String>,
    /// `params`.
    pub params: BTreeMap<String, String>,
    /// What the script could have Asterisk run besides what all may.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// What the script could not have Asterisk run.
    pub denied: Vec<String>,
    /// Whether Asterisk went on with the session after the hangup.
    pub dead_mode: bool,
    /// What the caller entered is not in it.
    #[serde(default)]
    pub redacted: bool,
    /// The opening block, as sent, line by line.
    pub environment: Vec<Bytes>,
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The time since the session began, in milliseconds.
    #[serde(with = "milliseconds")]
    pub at: Duration,
    /// What it was.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens in a recorded call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A line to Asterisk.
    Sent(Bytes),
    /// Its reply: code and text.
    Heard(String),
    /// The caller was gone.
    Hangup(During),
    /// The operator ended the call.
    Stop(During),
    /// The line was closed.
    Closed(During),
    /// The line broke.
    Broken(String),
    /// The script asked for the time.
    Asked(Asked),
    /// The script printed something into the log.
    Printed(Printed),
    /// The script begins to ask for something secret, or ends to: what is entered between is replaced, and where it
    /// comes back later, also where the rest of the call is not redacted.
    Secret(bool),
    /// The end.
    Ended(Ended),
}

impl Event {
    /// Whether it went over the line, or ended the call: what a script can be held against.
    #[must_use]
    pub const fn is_on_the_line(&self) -> bool {
        !matches!(self, Self::Asked(_) | Self::Printed(_) | Self::Secret(_))
    }
}

/// What the script did when something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum During {
    /// It waited for a reply.
    Command,
    /// It slept.
    Sleeping,
    /// It computed.
    Computing,
}

/// What a script asks for that is not in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// How long the call has been going on; in older recordings, the clock too.
    Time,
    /// The clock on the wall, which showed this, in seconds since the Unix epoch.
    Clock(#[serde(with = "seconds")] Duration),
}

/// What a script printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// The script it stood in.
    pub script: String,
    /// The line it stood in.
    pub line: usize,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The word of `AGI_RHAI_STATUS`.
    pub status: String,
    /// How many commands were sent.
    pub commands: u64,
    /// The script's fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Wrong>,
}

/// A fault, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// What was wrong.
    pub message: String,
    /// The script.
    pub script: String,
    /// The line, from 1; 0 where it had none.
    pub line: usize,
}

/// Bytes that are text as a rule: a JSON text, or `{"hex": "..."}` where they are no UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Hex { hex: String },
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::agi::text(&self.0).fmt(f)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                Written::Hex { hex: self.0.iter().map(|byte| format!("{byte:02x}")).collect() }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Hex { hex } => {
                let pair = |pair: &[u8]| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
                let whole = hex.len().is_multiple_of(2) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
                let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(pair).collect();
                bytes.filter(|_| whole).map(Self).ok_or_else(|| serde::de::Error::custom("no pairs of hex digits"))
            }
        }
    }
}

/// Times as numbers people can read: exact to the microsecond, which a float of this size is.
fn number(length: Duration, unit: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a float is exact for 285 years of microseconds")]
    let micros = length.as_micros() as f64;
    micros / unit
}

fn length(number: f64, unit: f64) -> Result<Duration, String> {
    let length = Duration::try_from_secs_f64(number * unit / 1e6);
    let length = length.map_err(|_| format!("{number} is no time"))?;
    let micros = u64::try_from((length + Duration::from_nanos(500)).as_micros());
    micros.map(Duration::from_micros).map_err(|_| format!("{number} is no time"))
}

mod milliseconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(super::number(*length, 1e3))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::length(f64::deserialize(deserializer)?, 1e3).map_err(serde::de::Error::custom)
    }
}

mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(super::number(*length, 1e6))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::length(f64::deserialize(deserializer)?, 1e6).map_err(serde::de::Error::custom)
    }
}

/// A recorded call that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Tape {
    /// What it began with.
    pub header: Header,
    /// What happened, in order.
    pub lines: Vec<Line>,
}

/// A line of a file that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Tape {
    /// Reads a file. A last line that breaks off is left out: the machine may have gone down.
    ///
    /// # Errors
    /// Every line that is not understood.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<Unreadable>> {
        // A file of nothing but a header may lack its line feed.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes, |at| &bytes[..at]);
        let mut lines = (1..).zip(whole.split(|byte| *byte == b'\n'));
        let first = lines.next().map(|(_, line)| line).unwrap_or_default();
        let header = header(first).map_err(|problem| vec![Unreadable { line: 1, problem }])?;
        let mut read = Vec::new();
        let mut wrong = Vec::new();
        let mut before = Duration::ZERO;
        for (line, text) in lines.filter(|(_, text)| !text.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Line>(text) {
                Ok(event) if event.at < before => {
                    let problem = format!("it happens before the line above it: {}", shown(text));
                    wrong.push(Unreadable { line, problem });
                }
                Ok(event) => {
                    before = event.at;
                    read.push(event);
                }
                Err(error) => {
                    let error = error.to_string();
                    let error = error.split(" at line ").next().unwrap_or_default();
                    wrong.push(Unreadable { line, problem: format!("{error}: {}", shown(text)) });
                }
            }
        }
        if wrong.is_empty() { Ok(Self { header, lines: read }) } else { Err(wrong) }
    }

    /// How the call ended; `None` where the file breaks off before.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.lines.iter().rev().find_map(|line| if let Event::Ended(ended) = &line.event { Some(ended) } else { None })
    }

    /// Whether digits in it are not what they were.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.header.redacted || self.lines.iter().any(|line| matches!(line.event, Event::Secret(_)))
    }

    /// The opening block.
    #[must_use]
    pub fn environment(&self) -> Vec<u8> {
        let lines = self.header.environment.iter().flat_map(|line| line.0.iter().copied().chain([b'\n']));
        lines.chain([b'\n']).collect()
    }
}

fn shown(line: &[u8]) -> String {
    let text = crate::agi::text(line);
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn header(line: &[u8]) -> Result<Header, String> {
    let value = serde_json::from_slice::<serde_json::Value>(line);
    let format = value.as_ref().ok().and_then(|value| value.get("agi-rhai")?.as_u64());
    match format {
        None => Err(format!("no recording of agi-rhai: it begins with {}", shown(line))),
        Some(format) if format != u64::from(FORMAT) => {
            Err(format!("a recording of format {format}, and this agi-rhai reads format {FORMAT}"))
        }
        Some(_) => serde_json::from_slice(line).map_err(|error| {
            let error = error.to_string();
            format!("the header of a recording: {}", error.split(" at line ").next().unwrap_or_default())
        }),
    }
}

/// Keeps what goes over the line of another transport.
pub struct Recording {
    inner: Box<dyn Transport>,
    out: Box<dyn Write + Send>,
    began: Time,
    in_flight: bool,
    asked: u32,
    /// What is to be redacted, which is known only at the end.
    kept: Option<(Header, Vec<Line>)>,
    /// There is more than is kept.
    is_full: bool,
    /// From the first secret on.
    secrets: Option<Redaction>,
    is_secret: bool,
    scratch: Vec<u8>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("began", &self.began).finish_non_exhaustive()
    }
}

/// A moment as exact as it is written down, so that a script is told the same one when the call is played again.
#[must_use]
pub fn written(time: Time) -> Time {
    let since = time.since_epoch();
    Time::default() + Duration::new(since.as_secs(), since.subsec_micros() * 1000)
}

impl Recording {
    /// Keeps what goes over this line in `out`, a line at a time; a header that says `redacted`, at the end and without
    /// what the caller entered. What cannot be written is lost: a call never fails for it.
    pub fn new(inner: Box<dyn Transport>, began: Time, header: Header, out: Box<dyn Write + Send>) -> Self {
        let mut recording = Self {
            inner,
            out,
            began,
            in_flight: false,
            asked: 0,
            kept: None,
            is_full: false,
            secrets: None,
            is_secret: false,
            scratch: Vec::new(),
        };
        if header.redacted {
            recording.kept = Some((header, Vec::new()));
        } else {
            recording.write(&header);
        }
        recording
    }

    fn write(&mut self, line: &impl Serialize) {
        self.scratch.clear();
        if serde_json::to_writer(&mut self.scratch, line).is_ok() {
            self.scratch.push(b'\n');
            let _ = self.out.write_all(&self.scratch);
        }
    }

    fn event(&mut self, event: Event) {
        self.asked = 0;
        self.event_at(self.now(), event);
    }

    fn event_at(&mut self, now: Time, mut event: Event) {
        if let Some(secrets) = &mut self.secrets {
            secrets.hide(&mut event, self.is_secret);
        }
        let line = Line { at: now - self.began, event };
        match &mut self.kept {
            None => self.write(&line),
            Some((_, lines)) => {
                if lines.len() < MOST_KEPT {
                    lines.push(line);
                } else if !std::mem::replace(&mut self.is_full, true) {
                    warn!("a recording breaks off: a call that is redacted is kept for {MOST_KEPT} events at most");
                }
            }
        }
    }

    fn keep_asked(&mut self, now: Time, asked: Asked) {
        self.asked += 1;
        if self.asked <= MOST_ASKED {
            self.event_at(now, Event::Asked(asked));
        }
    }

    /// Writes what was kept until the end.
    fn close(&mut self) {
        if let Some((mut header, mut lines)) = self.kept.take() {
            Redaction::apply(&mut header, &mut lines);
            self.write(&header);
            for line in &lines {
                self.write(line);
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.close();
    }
}

impl Transport for Recording {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.inner.open()
    }

    fn peer(&self) -> Peer {
        self.inner.peer()
    }

    fn now(&self) -> Time {
        written(self.inner.now())
    }

    fn wall(&self) -> Time {
        written(self.inner.wall())
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.event(Event::Sent(Bytes(line.to_vec())));
        let sent = self.inner.send(line);
        self.in_flight = sent.is_ok();
        match &sent {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.event(Event::Closed(During::Command)),
            Err(error) => self.event(Event::Broken(error.to_string())),
            Ok(()) => {}
        }
        sent
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        let during = match () {
            () if self.in_flight => During::Command,
            () if until <= self.now() => During::Computing,
            () => During::Sleeping,
        };
        // A moment later where it is not as exact: else it would seem not to have come.
        let rounded = written(until);
        let until = if rounded == until || until == Time::NEVER { until } else { rounded + Duration::from_micros(1) };
        let heard = self.inner.receive(until);
        match &heard {
            Ok(Heard::Silence) => {}
            Ok(Heard::Reply(reply)) => {
                self.in_flight = false;
                self.event(Event::Heard(format!("{} {}", reply.code, reply.text)));
            }
            Ok(Heard::Hangup) => self.event(Event::Hangup(during)),
            Ok(Heard::Stop) => self.event(Event::Stop(during)),
            Ok(Heard::Closed) => self.event(Event::Closed(during)),
            Err(error) => self.event(Event::Broken(error.to_string())),
        }
        heard
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.inner.interrupt()
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        self.inner.leave(ending)
    }

    fn asked(&mut self) -> Time {
        let now = self.now();
        self.keep_asked(now, Asked::Time);
        now
    }

    fn asked_wall(&mut self) -> Time {
        let wall = self.wall();
        self.keep_asked(self.now(), Asked::Clock(wall.since_epoch()));
        wall
    }

    fn keep(&mut self, note: Note<'_>) {
        match note {
            Note::Printed { script, line, text } => {
                self.event(Event::Printed(Printed { text: text.to_owned(), script: script.to_owned(), line }));
            }
            Note::Secret(secret) => {
                // A redacted call is so from its beginning.
                if self.kept.is_none() {
                    self.secrets.get_or_insert_with(Redaction::of_secrets);
                    self.is_secret = secret;
                }
                self.event(Event::Secret(secret));
            }
            Note::Ended(ended) => {
                self.event(Event::Ended(ended.clone()));
                self.close();
            }
        }
        self.inner.keep(note);
    }
}

/// The reply of an event's text.
pub(super) fn reply(heard: &str) -> Option<Reply> {
    let (code, text) = heard.split_once(' ').unwrap_or((heard, ""));
    Some(Reply::new(code.parse().ok()?, text))
}
