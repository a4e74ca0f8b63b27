//! The options of `place_call`: one table, from which the reference, the checker and the reader are derived.

use super::args::{as_text, shown};
use crate::calendar::{TimeZone, read_moment};
use crate::clock::Time;
use crate::command::{Kind, Param, Value};
use crate::pbx::{Caller, Channel, ChannelState, Database, IncomingCall, Sounds, Voice};
use crate::script::nearest;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One option: how it is declared, and how it is read.
struct OptionRow {
    param: Param,
    read: fn(&mut CallOptions, &Given<'_>) -> Result<(), String>,
}

const fn row(
    name: &'static str,
    kind: Kind,
    doc: &'static str,
    read: fn(&mut CallOptions, &Given<'_>) -> Result<(), String>,
) -> OptionRow {
    OptionRow { param: Param::optional(name, kind, doc), read }
}

const TABLE: &[OptionRow] = &[
    row("callerid", Kind::Name, "The caller's number; `()` if it is withheld.", |options, given| {
        let withheld = *given.value == Value::Nothing;
        options.call.callerid = if withheld { None } else { Some(given.text()?).filter(|id| !id.is_empty()) };
        Ok(())
    }),
    row("name", Kind::Name, "The caller's name.", |options, given| {
        options.call.calleridname = Some(given.text()?);
        Ok(())
    }),
    row("extension", Kind::Name, "The extension that was dialed.", |options, given| {
        options.call.extension = given.text()?;
        Ok(())
    }),
    row("context", Kind::Name, "The dialplan context.", |options, given| {
        options.call.context = given.text()?;
        Ok(())
    }),
    row("dnid", Kind::Name, "The number that was dialed.", |options, given| {
        options.call.dnid = Some(given.text()?);
        Ok(())
    }),
    row("language", Kind::Name, "The channel's language.", |options, given| {
        options.call.language = given.text()?;
        Ok(())
    }),
    row("seed", Kind::Integer(i64::MIN, i64::MAX), "The seed of the call's random numbers.", |options, given| {
        // Negative seeds are fine too.
        let Value::Int(seed) = given.value else { return Err(given.must_be("a whole number")) };
        options.seed = seed.cast_unsigned();
        Ok(())
    }),
    row("args", Kind::Array, "The script's arguments, texts or numbers.", |options, given| {
        options.call.args = given.list(r#"an array such as ["5", "fast"]"#)?;
        Ok(())
    }),
    row("params", Kind::Map, "The parameters of a FastAGI address.", |options, given| {
        options.params = given.map(r#"a map such as #{ level: "5" }"#)?.into_iter().collect();
        Ok(())
    }),
    row("variables", Kind::Map, "Channel variables and their values.", |options, given| {
        options.variables = given.map(r#"a map such as #{ LEVEL: "5" }"#)?;
        Ok(())
    }),
    row("database", Kind::Map, "AstDB before the call: `#{ \"family/key\": value }`.", |options, given| {
        let wanted = r#"a map such as #{ "family/key": 7 }"#;
        for (key, item) in given.map(wanted)? {
            let Some((family, key)) = key.split_once('/') else {
                return Err(format!("`{}`: {key:?} must be a family and a key, as in {wanted}", given.name));
            };
            options.database.push((family.to_owned(), key.to_owned(), item));
        }
        Ok(())
    }),
    row("missing", Kind::Array, "Names of sound files that do not exist.", |options, given| {
        options.missing = given.list(r#"an array of sound files such as ["guess-welcome"]"#)?;
        Ok(())
    }),
    row(
        "voice",
        Kind::Word(&["speaks", "silent", "absent"]),
        "What the caller does while a recording is made.",
        |options, given| {
            let voices = [("speaks", Voice::Speaks), ("silent", Voice::Silent), ("absent", Voice::Absent)];
            options.voice = given.word(voices, r#""speaks", "silent" or "absent""#)?;
            Ok(())
        },
    ),
    row("dial_status", Kind::Name, "The `DIALSTATUS` that a `dial` ends with.", |options, given| {
        options.dial_status = Some(given.text()?);
        Ok(())
    }),
    row(
        "time",
        Kind::Any,
        "When the call begins, in the server's `zone`: `\"2026-12-03 09:30\"`, or seconds since the Unix epoch.",
        |options, given| {
            options.written_time = Some(match given.value {
                Value::Text(text) => text.clone(),
                _ => given.whole()?.to_string(),
            });
            Ok(())
        },
    ),
    row(
        "zone",
        Kind::Name,
        "The time zone of the server, such as `Europe/Berlin`; UTC by default.",
        |options, given| {
            let name = given.text()?;
            let unknown = || given.must_be(r#"a time zone such as "Europe/Berlin""#);
            options.zone = TimeZone::named(&name).ok_or_else(unknown)?;
            Ok(())
        },
    ),
    row(
        "state",
        Kind::Word(&["ring", "up"]),
        "The state of the channel before the call is answered.",
        |options, given| {
            options.state =
                given.word([("ring", ChannelState::Ring), ("up", ChannelState::Up)], r#""ring" or "up""#)?;
            Ok(())
        },
    ),
    row("gone_at", Kind::COUNT, "The number of the command before which the caller hangs up.", |options, given| {
        options.gone_at = Some(given.whole()?);
        Ok(())
    }),
];

/// The declarations of the options of `place_call`.
pub(super) static CALL_OPTIONS: &[Param] = &params::<{ TABLE.len() }>();

const fn params<const N: usize>() -> [Param; N] {
    let mut params = [TABLE[0].param; N];
    let mut at = 0;
    while at < N {
        params[at] = TABLE[at].param;
        at += 1;
    }
    params
}

/// The value of an option.
struct Given<'a> {
    name: &'a str,
    value: &'a Value,
}

impl Given<'_> {
    fn must_be(&self, wanted: &str) -> String {
        format!("`{}` must be {wanted}, not {}", self.name, shown(self.value))
    }

    fn text(&self) -> Result<String, String> {
        match self.value {
            Value::Text(_) | Value::Int(_) => as_text(self.value).ok_or_else(|| self.must_be("a text")),
            _ => Err(self.must_be("a text")),
        }
    }

    fn whole(&self) -> Result<u64, String> {
        match self.value {
            Value::Int(number) => {
                u64::try_from(*number).map_err(|_| self.must_be("a whole number that is not negative"))
            }
            _ => Err(self.must_be("a whole number")),
        }
    }

    fn list(&self, wanted: &str) -> Result<Vec<String>, String> {
        match self.value {
            Value::List(items) => Ok(items.iter().map(|item| as_text(item).unwrap_or_default()).collect()),
            _ => Err(self.must_be(wanted)),
        }
    }

    fn map(&self, wanted: &str) -> Result<Vec<(String, String)>, String> {
        match self.value {
            Value::Map(items) => {
                Ok(items.iter().map(|(name, item)| (name.to_string(), as_text(item).unwrap_or_default())).collect())
            }
            _ => Err(self.must_be(wanted)),
        }
    }

    fn word<T, const N: usize>(&self, words: [(&str, T); N], wanted: &str) -> Result<T, String> {
        let Value::Text(given) = self.value else { return Err(self.must_be(wanted)) };
        words.into_iter().find(|(word, _)| given == word).map(|(_, it)| it).ok_or_else(|| self.must_be(wanted))
    }
}

/// The options of one call.
pub(crate) struct CallOptions {
    pub call: IncomingCall,
    pub seed: u64,
    pub params: BTreeMap<String, String>,
    pub variables: Vec<(String, String)>,
    /// Family, key and value.
    pub database: Vec<(String, String, String)>,
    pub missing: Vec<String>,
    pub voice: Voice,
    pub dial_status: Option<String>,
    pub time: Option<Time>,
    /// The time as the test writes it.
    written_time: Option<String>,
    pub zone: TimeZone,
    pub state: ChannelState,
    pub gone_at: Option<u64>,
}

impl CallOptions {
    /// Reads a test's map of options, which override this call and seed.
    pub fn read(given: &Value, call: IncomingCall, seed: u64) -> Result<Self, String> {
        let mut options = Self {
            call,
            seed,
            params: BTreeMap::new(),
            variables: Vec::new(),
            database: Vec::new(),
            missing: Vec::new(),
            voice: Voice::Speaks,
            dial_status: None,
            time: None,
            written_time: None,
            zone: TimeZone::UTC,
            state: ChannelState::Ring,
            gone_at: None,
        };
        let map: &[(Cow<'_, str>, Value)] = match given {
            Value::Map(map) => map,
            Value::Nothing => &[],
            other => {
                return Err(format!("`options` must be a map such as #{{ callerid: \"200\" }}, not {}", shown(other)));
            }
        };
        for (name, value) in map {
            let row = TABLE.iter().find(|row| row.param.name == name).ok_or_else(|| unknown(name))?;
            (row.read)(&mut options, &Given { name, value })?;
        }
        options.read_time().map(|()| options)
    }

    /// Fills a database.
    pub fn fill(&self, database: &Database) {
        for (family, key, item) in &self.database {
            database.put(family, key, item);
        }
    }

    /// Returns the channel of the call.
    pub fn channel(&self, caller: Box<dyn Caller>, sounds: Arc<Sounds>, database: Database) -> Channel {
        let mut channel = Channel::new(self.call.clone(), caller)
            .with_sounds(sounds)
            .with_database(database)
            .with_state(self.state)
            .with_voice(self.voice)
            .with_time_zone(self.zone.clone());
        if let Some(status) = &self.dial_status {
            channel = channel.with_dial_status(status);
        }
        if let Some(command) = self.gone_at {
            channel = channel.with_hangup_before_command(command);
        }
        for (name, item) in &self.variables {
            channel.set_variable(name, item);
        }
        channel
    }

    /// Reads the time, once the time zone is known.
    fn read_time(&mut self) -> Result<(), String> {
        let Some(text) = &self.written_time else { return Ok(()) };
        let moment = read_moment(text, &self.zone).map_err(|problem| format!("`time`: {problem}"))?;
        let seconds = u64::try_from(moment).map_err(|_| format!("`time`: {text:?} is before 1970"))?;
        self.time = Some(Time::from_unix(seconds));
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    let known = || TABLE.iter().map(|row| row.param.name);
    match nearest(name, known()) {
        Some(near) => format!("there is no option `{name}`: did you mean `{near}`?"),
        None => format!("there is no option `{name}`; there are {}", known().collect::<Vec<_>>().join(", ")),
    }
}
