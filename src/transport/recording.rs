//! The format of recorded calls: what went over the line and when, in lines of JSON.
//!
//! The first line is the [`Header`]. Each further line is a [`Line`]: a time in milliseconds since the session began,
//! and an [`Event`]. A file that breaks off in the middle, because the machine went down, can be read up to there.

use super::request::{Answer, Failure, Request};
use crate::agi::Reply;
use crate::clock::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The version of the format. Files of other versions can't be read.
pub const FORMAT: u32 = 1;

/// How a recorded call began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    #[serde(rename = "agi-rhai")]
    pub format: u32,
    /// The script, by the path from which it was read.
    pub script: String,
    /// Its version.
    pub version: String,
    /// The seed of its random numbers.
    pub seed: u64,
    /// When the session began, in seconds since the Unix epoch.
    #[serde(with = "seconds")]
    pub started: Duration,
    /// `args`.
    pub args: Vec<String>,
    /// The script's `params`.
    pub params: BTreeMap<String, String>,
    /// The names that the script was allowed, in addition to those that all scripts are.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// The names that the script was denied.
    pub denied: Vec<String>,
    /// Whether Asterisk went on with the session after the hangup.
    pub dead_mode: bool,
    /// The time zone of the server, if its name was known.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Whether what the caller entered is left out.
    #[serde(default)]
    pub redacted: bool,
    /// The opening block, as sent, line by line.
    pub environment: Vec<Bytes>,
}

impl Header {
    /// Returns the opening block.
    #[must_use]
    pub fn opening_block(&self) -> Vec<u8> {
        let lines = self.environment.iter().flat_map(|line| line.0.iter().copied().chain([b'\n']));
        lines.chain([b'\n']).collect()
    }
}

/// An event and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The time since the session began, in milliseconds.
    #[serde(with = "milliseconds")]
    pub at: Duration,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happens in a recorded call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A line to Asterisk.
    Sent(Bytes),
    /// Its reply: code and text.
    Heard(String),
    /// The caller had hung up.
    Hangup(During),
    /// The operator ended the call.
    Stop(During),
    /// The line was closed.
    Closed(During),
    /// The line broke.
    Broken(String),
    /// The script asked for the time.
    Asked(Asked),
    /// The script printed something to the log.
    Printed(Printed),
    /// The script begins or stops asking for something secret. What is entered in between is replaced, wherever it
    /// comes back later, even if the rest of the call isn't redacted.
    Secret(bool),
    /// The script asked a service.
    Request(Request),
    /// The service answered.
    Answer(Answered),
    /// The end.
    Ended(Ended),
}

impl Event {
    /// Whether the event went over the line or to a service, or ended the call, so that a replay can compare it.
    #[must_use]
    pub const fn is_on_the_line(&self) -> bool {
        !matches!(self, Self::Asked(_) | Self::Printed(_) | Self::Secret(_))
    }
}

/// What a service answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answered {
    /// The value that the function returned.
    Value(Value),
    /// Why it returned none.
    Failure(Failure),
}

impl Answered {
    /// Creates the record of an answer.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        match answer {
            Ok(value) => Self::Value(value.clone()),
            Err(failure) => Self::Failure(failure.clone()),
        }
    }

    /// Returns the answer.
    ///
    /// # Errors
    /// The service failed.
    pub fn answer(&self) -> Answer {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Failure(failure) => Err(failure.clone()),
        }
    }
}

/// The activity of the script when something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum During {
    /// It was waiting for a reply.
    Command,
    /// It was sleeping.
    Sleeping,
    /// It was computing.
    Computing,
}

/// A time that a script asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// How long the call had lasted; in older recordings, the wall clock too.
    Time,
    /// The wall clock, which showed this time, in seconds since the Unix epoch.
    Clock(#[serde(with = "seconds")] Duration),
}

/// A text that a script printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// The script that printed it.
    pub script: String,
    /// The line of the script.
    pub line: usize,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The word of `AGI_RHAI_STATUS`.
    pub status: String,
    /// How many commands were sent.
    pub commands: u64,
    /// The fault of the script, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<RecordedFault>,
}

/// A fault and its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFault {
    /// The message.
    pub message: String,
    /// The script.
    pub script: String,
    /// The line, from 1; 0 if there is none.
    pub line: usize,
}

/// Bytes that are usually text: JSON has a text for them, or `{"hex": "..."}` if they aren't UTF-8.
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
                bytes.filter(|_| whole).map(Self).ok_or_else(|| serde::de::Error::custom("not pairs of hex digits"))
            }
        }
    }
}

/// Formats durations as readable numbers. A float of this size is exact to the microsecond.
fn number(length: Duration, unit: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a float is exact for 285 years of microseconds")]
    let micros = length.as_micros() as f64;
    micros / unit
}

fn length(number: f64, unit: f64) -> Result<Duration, String> {
    let length = Duration::try_from_secs_f64(number * unit / 1e6);
    let length = length.map_err(|_| format!("{number} is not a duration"))?;
    let micros = u64::try_from((length + Duration::from_nanos(500)).as_micros());
    micros.map(Duration::from_micros).map_err(|_| format!("{number} is not a duration"))
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

/// A recorded call, as it was read from its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tape {
    /// How it began.
    pub header: Header,
    /// The events, in order.
    pub lines: Vec<Line>,
}

/// A line of a file that can't be read as a line of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// The problem.
    pub problem: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Tape {
    /// Reads a file. An incomplete last line is left out: the machine may have gone down.
    ///
    /// # Errors
    /// Returns every line that can't be read.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<BadLine>> {
        // A file that holds only a header may lack its line feed.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes, |at| &bytes[..at]);
        let mut lines = (1..).zip(whole.split(|byte| *byte == b'\n'));
        let first = lines.next().map(|(_, line)| line).unwrap_or_default();
        let header = header(first).map_err(|problem| vec![BadLine { line: 1, problem }])?;
        let mut read = Vec::new();
        let mut wrong = Vec::new();
        let mut before = Duration::ZERO;
        for (line, text) in lines.filter(|(_, text)| !text.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Line>(text) {
                Ok(event) if event.at < before => {
                    let problem = format!("its time is before that of the line above: {}", shown(text));
                    wrong.push(BadLine { line, problem });
                }
                Ok(event) => {
                    before = event.at;
                    read.push(event);
                }
                Err(error) => {
                    let error = error.to_string();
                    let error = error.split(" at line ").next().unwrap_or_default();
                    wrong.push(BadLine { line, problem: format!("{error}: {}", shown(text)) });
                }
            }
        }
        if wrong.is_empty() { Ok(Self { header, lines: read }) } else { Err(wrong) }
    }

    /// Returns how the call ended; `None` if the file breaks off before that.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.lines.iter().rev().find_map(|line| if let Event::Ended(ended) = &line.event { Some(ended) } else { None })
    }

    /// Whether it contains stand-ins for what the caller entered.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.header.redacted || self.lines.iter().any(|line| matches!(line.event, Event::Secret(_)))
    }

    /// Returns the opening block.
    #[must_use]
    pub fn environment(&self) -> Vec<u8> {
        self.header.opening_block()
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
        None => Err(format!("not a recording of agi-rhai: it begins with {}", shown(line))),
        Some(format) if format != u64::from(FORMAT) => {
            Err(format!("a recording of format {format}, and this agi-rhai reads format {FORMAT}"))
        }
        Some(_) => serde_json::from_slice(line).map_err(|error| {
            let error = error.to_string();
            format!("the header of a recording: {}", error.split(" at line ").next().unwrap_or_default())
        }),
    }
}

/// Rounds a time as the format does, so that a script gets the same time when the call is replayed.
#[must_use]
pub fn written(time: Time) -> Time {
    let since = time.since_epoch();
    Time::default() + Duration::new(since.as_secs(), since.subsec_micros() * 1000)
}

/// Reads a reply from an event's text.
pub(super) fn reply(heard: &str) -> Option<Reply> {
    let (code, text) = heard.split_once(' ').unwrap_or((heard, ""));
    Some(Reply::new(code.parse().ok()?, text))
}
