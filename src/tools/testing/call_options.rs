//! The options of `place_call`: one table, from which the reference, the checker and the reader are derived.

use super::args::{as_text, shown};
use super::stand_in::{Part, StandIn, StandInAnswer, TestFunctions};
use crate::calendar::{TimeZone, read_moment};
use crate::clock::Time;
use crate::command::{Kind, Param, Value};
use crate::pbx::{Caller, Channel, ChannelState, Database, IncomingCall, Sounds, Voice};
use crate::script::nearest;
use rhai::{Dynamic, Map, NativeCallContext};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a Dial of Asterisk ends.
const DIAL_STATUSES: [&str; 9] =
    ["ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", "DONTCALL", "TORTURE", "INVALIDARGS"];

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
    row(
        "variables",
        Kind::Map,
        "Channel variables and functions such as `CALLERID(name)`, and their values.",
        |options, given| {
            options.variables = given.map(r#"a map such as #{ LEVEL: "5" }"#)?;
            Ok(())
        },
    ),
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
    row(
        "dial_status",
        Kind::Any,
        "The `DIALSTATUS` that a `dial` ends with; an array for one `dial` after the other, the last one for the rest.",
        |options, given| {
            options.dial_statuses = match given.value {
                Value::List(items) if !items.is_empty() => given.list("")?,
                _ => vec![given.text().map_err(|_| given.must_be(r#"a text such as "BUSY", or an array of them"#))?],
            };
            given.check_dial_statuses(&options.dial_statuses)
        },
    ),
    row(
        "ring_seconds",
        Kind::Seconds,
        "How long a `dial` rings before it is answered or refused; 0 otherwise.",
        |options, given| {
            options.ring = given.length()?;
            Ok(())
        },
    ),
    row(
        "dial_seconds",
        Kind::Seconds,
        "How long whoever answers a `dial` talks before hanging up; 0 otherwise.",
        |options, given| {
            options.talk = given.length()?;
            Ok(())
        },
    ),
    row("applications", Kind::Map, "What stands in for applications: `#{ Queue: |args| 0 }`.", |options, given| {
        options.applications = given.stand_ins("#{ Queue: |args| 0 }", Part::Application)?;
        Ok(())
    }),
    row(
        "subroutines",
        Kind::Map,
        "What stands in for subroutines: `#{ \"context,extension,priority\": |args| \"value\" }`.",
        |options, given| {
            let wanted = r#"#{ "context,extension,priority": |args| "value" }"#;
            for (place, answer) in given.stand_ins(wanted, Part::Subroutine)? {
                let parts: Vec<&str> = place.split(',').map(str::trim).collect();
                let place = match parts[..] {
                    [context] => [context, "s", "1"],
                    [context, extension] => [context, extension, "1"],
                    [context, extension, priority] => [context, extension, priority],
                    _ => {
                        return Err(format!(
                            "`subroutines`: {place:?} must be a place in the dialplan, as in {wanted}"
                        ));
                    }
                };
                options.subroutines.push((place.map(str::to_owned), answer));
            }
            Ok(())
        },
    ),
    row(
        "functions",
        Kind::Map,
        "What stands in for functions of the dialplan: `#{ ODBC_PRICE: |args| \"9.99\" }`.",
        |options, given| {
            let wanted = r#"#{ ODBC_PRICE: |args| "9.99" }"#;
            options.functions = given.stand_ins(wanted, Part::Function)?;
            match options.functions.iter().find(|(name, _)| name.contains('(')) {
                Some((name, _)) => {
                    Err(format!("`functions`: {name:?} must be a name without parentheses, as in {wanted}"))
                }
                None => Ok(()),
            }
        },
    ),
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
    /// The value with the functions of the test in it, and where the test gives it.
    raw: Option<(&'a Dynamic, &'a NativeCallContext<'a>)>,
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

    fn length(&self) -> Result<Duration, String> {
        let seconds = match self.value {
            Value::Int(seconds) => i32::try_from(*seconds).ok().map(f64::from),
            Value::Float(seconds) => Some(*seconds),
            _ => None,
        };
        let length = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        length.ok_or_else(|| self.must_be("a number of seconds"))
    }

    /// Returns what stands in for something, by its name.
    fn stand_ins(&self, wanted: &str, part: Part) -> Result<Vec<(String, Arc<StandInAnswer>)>, String> {
        let Value::Map(items) = self.value else { return Err(self.must_be(&format!("a map such as {wanted}"))) };
        let raw = self.raw.and_then(|(raw, context)| Some((raw.read_lock::<Map>()?, context)));
        let read = |(name, value): &(Cow<'static, str>, Value)| {
            let raw = raw.as_ref().and_then(|(map, context)| Some((map.get(&**name)?, *context)));
            let answer = StandInAnswer::read(value, raw, part);
            let answer = answer.map_err(|wanted| {
                format!(
                    "`{}`: what stands in for `{name}` must be a function or {wanted}, not {}",
                    self.name,
                    shown(value)
                )
            })?;
            Ok((name.to_string(), Arc::new(answer)))
        };
        items.iter().map(read).collect()
    }

    fn check_dial_statuses(&self, statuses: &[String]) -> Result<(), String> {
        match statuses.iter().find(|status| !DIAL_STATUSES.contains(&status.as_str())) {
            None => Ok(()),
            Some(status) => Err(format!("`{}` must be one of {}, not {status:?}", self.name, DIAL_STATUSES.join(", "))),
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
    pub dial_statuses: Vec<String>,
    pub ring: Duration,
    pub talk: Duration,
    applications: Vec<(String, Arc<StandInAnswer>)>,
    /// By context, extension and priority.
    subroutines: Vec<([String; 3], Arc<StandInAnswer>)>,
    functions: Vec<(String, Arc<StandInAnswer>)>,
    pub time: Option<Time>,
    /// The time as the test writes it.
    written_time: Option<String>,
    pub zone: TimeZone,
    pub state: ChannelState,
    pub gone_at: Option<u64>,
}

impl CallOptions {
    /// Reads a map of options, which override this call and seed.
    pub fn read(given: &Value, call: IncomingCall, seed: u64) -> Result<Self, String> {
        Self::read_with_functions(given, None, call, seed)
    }

    /// Reads a test's map of options, in which there may be functions of the test.
    pub fn read_with_functions(
        given: &Value,
        raw: Option<(&Dynamic, &NativeCallContext)>,
        call: IncomingCall,
        seed: u64,
    ) -> Result<Self, String> {
        let mut options = Self {
            call,
            seed,
            params: BTreeMap::new(),
            variables: Vec::new(),
            database: Vec::new(),
            missing: Vec::new(),
            voice: Voice::Speaks,
            dial_statuses: Vec::new(),
            ring: Duration::ZERO,
            talk: Duration::ZERO,
            applications: Vec::new(),
            subroutines: Vec::new(),
            functions: Vec::new(),
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
        let raw = raw.and_then(|(raw, context)| Some((raw.read_lock::<Map>()?, context)));
        for (name, value) in map {
            let row = TABLE.iter().find(|row| row.param.name == name).ok_or_else(|| unknown(name))?;
            let raw = raw.as_ref().and_then(|(map, context)| Some((map.get(&**name)?, *context)));
            (row.read)(&mut options, &Given { name, value, raw })?;
        }
        options.read_time().map(|()| options)
    }

    /// Fills a database.
    pub fn fill(&self, database: &Database) {
        for (family, key, item) in &self.database {
            database.put(family, key, item);
        }
    }

    /// Returns the channel of the call. `functions` runs the functions of a test that stand in for something; without
    /// it, there are none.
    pub fn channel(
        &self,
        caller: Box<dyn Caller>,
        sounds: Arc<Sounds>,
        database: Database,
        functions: Option<&TestFunctions>,
    ) -> Channel {
        let mut channel = Channel::new(self.call.clone(), caller)
            .with_sounds(sounds)
            .with_database(database)
            .with_state(self.state)
            .with_voice(self.voice)
            .with_time_zone(self.zone.clone())
            .with_seed(self.seed)
            .with_dial_statuses(&self.dial_statuses)
            .with_dial_times(self.ring, self.talk);
        let stand_in = |what: String, answer: &Arc<StandInAnswer>| StandIn::new(what, answer, functions);
        for (name, answer) in &self.applications {
            let stand_in = stand_in(format!("the stand-in for the application `{name}`"), answer);
            channel = channel.with_application_by(name, move |channel, args| stand_in.application(channel, args));
        }
        for (place, answer) in &self.subroutines {
            let stand_in = stand_in(format!("the stand-in for the subroutine `{}`", place.join(",")), answer);
            let [context, extension, priority] = place;
            channel = channel.with_subroutine_by(context, extension, priority, move |channel, args| {
                stand_in.subroutine(channel, args)
            });
        }
        for (name, answer) in &self.functions {
            let stand_in = stand_in(format!("the stand-in for the function `{name}`"), answer);
            channel =
                channel.with_function(name, move |channel, args, written| stand_in.function(channel, args, written));
        }
        if let Some(command) = self.gone_at {
            channel = channel.with_hangup_before_command(command);
        }
        for (name, item) in &self.variables {
            channel.preset(name, item);
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
