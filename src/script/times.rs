//! The functions about time: now, the parts of a date, and moments made of them.

use super::call::Call;
use super::convert::{dynamic, value};
use super::names::nearest;
use super::shown::{MAX_SHOWN, quoted, shown};
use crate::calendar::{self, TimeZone, WEEKDAYS};
use crate::command::Value;
use rhai::{Dynamic, EvalAltResult, INT, NativeCallContext};

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

/// A function that was called, for its error messages.
struct Called<'a> {
    name: &'static str,
    call: Call<'a>,
    args: &'a [&'a mut Dynamic],
}

impl<'a> Called<'a> {
    fn new(
        name: &'static str,
        context: &'a NativeCallContext,
        args: &'a [&'a mut Dynamic],
    ) -> Result<Self, Box<EvalAltResult>> {
        Ok(Self { name, call: Call::of(context)?, args })
    }

    /// Creates an error, with and without the values at fault.
    fn wrong(&self, problem: &str, without_values: &str) -> Box<EvalAltResult> {
        self.call.wrong(&format!("{}: {problem}", self.name), &format!("{}: {without_values}", self.name))
    }

    /// Creates the error of an argument that must be something else.
    fn must_be(&self, parameter: &str, wanted: &str, given: &str) -> Box<EvalAltResult> {
        let wanted = format!("`{parameter}` must be {wanted}");
        self.wrong(&format!("{wanted}, not {given}"), &wanted)
    }

    /// Returns a whole number, which may be written as text.
    fn number(&self, at: usize, parameter: &str) -> Result<INT, Box<EvalAltResult>> {
        let given = &*self.args[at];
        let number = match value(given) {
            Value::Int(number) => Some(number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.must_be(parameter, "a whole number", &described(given)))
    }

    /// Returns the time zone with this name; the server's if none was given.
    fn zone(&self, at: usize) -> Result<TimeZone, Box<EvalAltResult>> {
        let Some(given) = self.args.get(at) else {
            return self.call.with_session(|session| session.time_zone());
        };
        let Value::Text(name) = value(given) else {
            return Err(self.must_be("zone", "a time zone such as \"Europe/Berlin\"", &described(given)));
        };
        TimeZone::named(&name).ok_or_else(|| {
            let problem = format!("no time zone {}; one is written as \"Europe/Berlin\"", quoted(&name, MAX_SHOWN));
            self.wrong(&problem, "no such time zone")
        })
    }
}

/// Returns a value for an error message: a text in quotes.
fn described(given: &Dynamic) -> String {
    match value(given) {
        Value::Text(text) => format!("the text {}", quoted(&text, MAX_SHOWN)),
        Value::Nothing => "()".to_owned(),
        _ => shown(given, MAX_SHOWN),
    }
}

pub(super) fn elapsed(context: &NativeCallContext, _: &mut [&mut Dynamic]) -> Outcome {
    let elapsed = Call::of(context)?.with_session(|session| session.script_now() - session.began())?;
    Ok(elapsed.as_secs_f64().into())
}

pub(super) fn now(context: &NativeCallContext, _: &mut [&mut Dynamic]) -> Outcome {
    Ok(unix_time(&Call::of(context)?)?.into())
}

fn unix_time(call: &Call) -> Result<INT, Box<EvalAltResult>> {
    let now = call.with_session(|session| session.script_wall().since_epoch())?;
    Ok(INT::try_from(now.as_secs()).unwrap_or(INT::MAX))
}

pub(super) fn date(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let called = Called::new("date", context, args)?;
    let epoch = if args.is_empty() { unix_time(&called.call)? } else { called.number(0, "epoch")? };
    let time = calendar::civil(epoch, &called.zone(1)?).ok_or_else(|| {
        let outside = "is outside the calendar, which ends with the year 9999";
        called.wrong(&format!("{epoch} {outside}"), &format!("`epoch` {outside}"))
    })?;
    let part = |number: i8| Value::Int(number.into());
    Ok(dynamic(Value::map([
        ("year", Value::Int(time.year.into())),
        ("month", part(time.month)),
        ("day", part(time.day)),
        ("hour", part(time.hour)),
        ("minute", part(time.minute)),
        ("second", part(time.second)),
        ("weekday", part(time.weekday)),
    ])))
}

pub(super) fn time_at(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let called = Called::new("time_at", context, args)?;
    let [year, month, day] = [called.number(0, "year")?, called.number(1, "month")?, called.number(2, "day")?];
    let (hour, minute) = called.time_of_day(3)?;
    let moment = calendar::moment(year, month, day, hour, minute, &called.zone(5)?);
    Ok(moment.map_err(|problem| called.wrong(&problem, "there is no such date or time"))?.into())
}

pub(super) fn next_weekday(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let called = Called::new("next_weekday", context, args)?;
    let weekday = called.weekday()?;
    let (hour, minute) = called.time_of_day(1)?;
    let [hour, minute] = [("hour", hour, 23), ("minute", minute, 59)].map(|(parameter, number, most)| {
        let fits = i8::try_from(number).ok().filter(|number| (0..=most).contains(number));
        fits.ok_or_else(|| called.must_be(parameter, &format!("0 to {most}"), &number.to_string()))
    });
    let after = unix_time(&called.call)?;
    let moment = calendar::next_weekday(after, weekday, hour?, minute?, &called.zone(3)?);
    let outside = "the calendar ends with the year 9999";
    Ok(moment.ok_or_else(|| called.wrong(outside, outside))?.into())
}

impl Called<'_> {
    /// Returns hour and minute, which are 0 if left out.
    fn time_of_day(&self, at: usize) -> Result<(INT, INT), Box<EvalAltResult>> {
        let part = |at: usize, parameter| if at < self.args.len() { self.number(at, parameter) } else { Ok(0) };
        Ok((part(at, "hour")?, part(at + 1, "minute")?))
    }

    /// Returns the number of a weekday that is given by its name or number.
    fn weekday(&self) -> Result<i8, Box<EvalAltResult>> {
        let given = &*self.args[0];
        let number = match value(given) {
            Value::Int(number) => i8::try_from(number).ok().filter(|number| (1..=7).contains(number)),
            Value::Text(name) => {
                let name = name.trim();
                let at = WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
                at.and_then(|at| i8::try_from(at + 1).ok())
            }
            _ => None,
        };
        number.ok_or_else(|| {
            let near = match value(given) {
                Value::Text(name) => nearest(&name.to_ascii_lowercase(), WEEKDAYS.into_iter()),
                _ => None,
            };
            let hint = near.map_or_else(String::new, |near| format!(": did you mean \"{near}\"?"));
            self.must_be("weekday", "\"monday\" to \"sunday\" or 1 to 7", &format!("{}{hint}", described(given)))
        })
    }
}
