//! Recorded calls: what went over the line, and when, in lines of JSON.
//!
//! The first line is the [`Header`], every further one a [`Line`]: a time in milliseconds since the session began, and
//! an [`Event`]. A file that ends in the middle, since the machine went down, can be read up to there.

use crate::agi::Reply;
use crate::clock::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The format written here; a file of another one is not read.
pub const FORMAT: u32 = 1;

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

/// A moment as exact as it is written down, so that a script is told the same one when the call is played again.
#[must_use]
pub fn written(time: Time) -> Time {
    let since = time.since_epoch();
    Time::default() + Duration::new(since.as_secs(), since.subsec_micros() * 1000)
}

/// The reply of an event's text.
pub(super) fn reply(heard: &str) -> Option<Reply> {
    let (code, text) = heard.split_once(' ').unwrap_or((heard, ""));
    Some(Reply::new(code.parse().ok()?, text))
}
