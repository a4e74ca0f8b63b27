//! What a script has besides the commands: time, chance, numbers, the end.

use super::bindings::{add, add_commands, add_typed};
use super::bounded;
use super::call::Call;
use super::convert::{dynamic, value};
use super::shown::{SHOWN, quoted, shown};
use crate::agi::line::LONG_LINE;
use crate::command::{
    Example, Function, Kind, Need, Param, Privacy, Returns, SET_CONTEXT, SET_EXTENSION, SET_PRIORITY, Type, Value,
};
use rand::RngExt;
use rhai::{
    Array, Dynamic, EvalAltResult, FLOAT, FnPtr, FuncRegistration, INT, ImmutableString, Map, Module, NativeCallContext,
};
use std::any::TypeId;
use std::borrow::Cow;
use std::time::Duration;

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

const fn returns(doc: &'static str) -> Returns {
    gives(Type::Unknown, doc)
}

const fn gives(gives: Type, doc: &'static str) -> Returns {
    Returns::Own { doc, gives }
}

const fn param(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Param {
    Param { name, kind, need, privacy: Privacy::Private, doc }
}

const fn example(script: &'static str, value: &'static str) -> Example {
    Example { caller: "", script, sends: "", reply: "", value }
}

/// The functions of a script besides the commands, for the reference and the checker.
pub static BUILTINS: &[&Function] = &[
    &Function {
        name: "sleep",
        summary: "Waits; the end of the call ends it at once, keys pressed meanwhile are lost.",
        params: &[param("seconds", Kind::Seconds, Need::Required, "Seconds, whole or fraction.")],
        returns: returns("nothing"),
        examples: &[example("sleep(0.5)", "()")],
    },
    &Function {
        name: "exit",
        summary: "Ends the script from anywhere; the dialplan goes on.",
        params: &[],
        returns: Returns::Never,
        examples: &[example("exit()", "end")],
    },
    &Function {
        name: "go_to",
        summary: "Ends the script; the dialplan goes on at this place.",
        params: &[
            param("context", Kind::Name, Need::Required, "Context; whether it exists is not checked."),
            param("extension", Kind::Name, Need::Default("s"), "Extension."),
            param("priority", Kind::Name, Need::Default("1"), "Priority or label."),
        ],
        returns: Returns::Never,
        examples: &[Example {
            caller: "",
            script: r#"go_to("support")"#,
            sends: "SET CONTEXT \"support\"\nSET EXTENSION \"s\"\nSET PRIORITY \"1\"",
            reply: "200 result=0\n200 result=0\n200 result=0",
            value: "end",
        }],
    },
    &Function {
        name: "to_number",
        summary: "Makes a whole number of a text such as the digits a caller entered.",
        params: &[
            param("text", Kind::Text, Need::Required, "Text, number or `()`."),
            param("otherwise", Kind::Otherwise, Need::Optional, "What to give instead of `()`."),
        ],
        returns: gives(Type::NumberOrUnit, "an integer; `()` for `()`, an empty text, `12*` and more than 18 digits"),
        examples: &[
            example(r#"to_number("0412")"#, "412"),
            example(r#"to_number("12*")"#, "()"),
            example(r#"to_number("", 0)"#, "0"),
        ],
    },
    &Function {
        name: "random",
        summary: "Draws a number: a whole one between two, both included, or one from 0.0 up to 1.0.",
        params: &[
            param("least", Kind::INT, Need::Optional, "The least number."),
            param("most", Kind::INT, Need::Optional, "The largest number."),
        ],
        returns: gives(Type::Number, "a number"),
        examples: &[example("random(7, 7)", "7")],
    },
    &Function {
        name: "choose",
        summary: "Draws one element of an array.",
        params: &[param("array", Kind::Text, Need::Required, "Array with at least one element.")],
        returns: returns("the element"),
        examples: &[example("choose([5])", "5")],
    },
    &Function {
        name: "shuffle",
        summary: "Puts the elements of an array in random order.",
        params: &[param("array", Kind::Text, Need::Required, "Array, which is changed.")],
        returns: returns("the array"),
        examples: &[example("shuffle([5])", "[5]")],
    },
    &Function {
        name: "elapsed",
        summary: "Tells the seconds since the script began.",
        params: &[],
        returns: gives(Type::Number, "a number with a fraction"),
        examples: &[example("sleep(2); elapsed()", "2.0")],
    },
    &Function {
        name: "now",
        summary: "Tells the time in seconds since the Unix epoch, as the `say_*` functions take it.",
        params: &[],
        returns: gives(Type::Number, "an integer"),
        examples: &[example("let t = now(); sleep(2); now() - t", "2")],
    },
    &Function {
        name: "date",
        summary: "Splits a time into its parts.",
        params: &[
            param("epoch", Kind::INT, Need::Optional, "Seconds since the Unix epoch; now if left out."),
            param("zone", Kind::Name, Need::Optional, "Time zone, such as `Europe/Berlin`; the server's if left out."),
        ],
        returns: returns("`#{ year, month, day, hour, minute, second, weekday }`, with Monday as 1"),
        examples: &[example(r#"date(1210498014, "UTC").weekday"#, "7")],
    },
    &Function {
        name: "caller",
        summary: "Tells the caller's number.",
        params: &[param("otherwise", Kind::Otherwise, Need::Optional, "What to give instead of `()`.")],
        returns: gives(Type::TextOrUnit, "a text; `()` when it is withheld"),
        examples: &[example(r#"caller("nobody")"#, r#""nobody""#)],
    },
    &Function {
        name: "app_text",
        summary: "Quotes a text for an argument of `exec`, so that its commas do not part arguments.",
        params: &[param("text", Kind::Text, Need::Required, "The text.")],
        returns: returns("the text in quotes"),
        examples: &[example(r#"app_text("one, two")"#, r#""\"one, two\"""#)],
    },
];

/// Registers the commands and what goes with them.
pub(crate) fn add_core(module: &mut Module) {
    add_commands(module);
    add_to_calls(module);
    add_to_tests_too(module);
}

/// What only a call has.
fn add_to_calls(module: &mut Module) {
    let (int, float, text) = (TypeId::of::<INT>(), TypeId::of::<FLOAT>(), TypeId::of::<ImmutableString>());
    for kind in [int, float] {
        add_typed(module, "sleep", &[kind], sleep);
    }
    add_typed(module, "sleep", &[text], sleep);
    for arity in 0..=1 {
        add(module, "exit", arity, |context, _| Err(Call::of(context)?.exit()));
        add(module, "caller", arity, |context, args| {
            let number = Call::of(context)?.with_session(|session| {
                let number = session.environment().get("agi_callerid").filter(|number| number != "unknown");
                number.map(Cow::into_owned)
            })?;
            Ok(number.map_or_else(|| otherwise(args, 0), Dynamic::from))
        });
    }
    for arity in 1..=3 {
        add(module, "go_to", arity, go_to);
    }
    add(module, "elapsed", 0, |context, _| {
        let elapsed = Call::of(context)?.with_session(|session| session.script_now() - session.began())?;
        Ok(elapsed.as_secs_f64().into())
    });
}

/// What the tests of scripts have as well.
pub(crate) fn add_to_tests_too(module: &mut Module) {
    bounded::add_all(module);
    let (int, float, text, unit) =
        (TypeId::of::<INT>(), TypeId::of::<FLOAT>(), TypeId::of::<ImmutableString>(), TypeId::of::<()>());
    for arity in 1..=2 {
        add(
            module,
            "to_number",
            arity,
            |_, args| Ok(number(args[0]).map_or_else(|| otherwise(args, 1), Dynamic::from)),
        );
    }
    add(module, "random", 0, |context, _| Ok(Call::of(context)?.random().random_range(0.0..1.0).into()));
    add_typed(module, "random", &[int, int], |context, args| {
        let (least, most) = (integer(args[0]), integer(args[1]));
        if least > most {
            let message = format!("random: {least} to {most} holds no number");
            return Err(wrong(context, &message, "random: there is no number between the two"));
        }
        Ok(Call::of(context)?.random().random_range(least..=most).into())
    });
    add_typed(module, "choose", &[TypeId::of::<Array>()], |context, args| {
        let array = args[0].read_lock::<Array>().map(|array| array.clone()).unwrap_or_default();
        if array.is_empty() {
            let message = "choose: the array is empty";
            return Err(wrong(context, message, message));
        }
        let at = Call::of(context)?.random().random_range(0..array.len());
        Ok(array[at].clone())
    });
    FuncRegistration::new("shuffle").in_global_namespace().set_into_module(module, shuffle);
    add(module, "now", 0, |context, _| Ok(unix(&Call::of(context)?)?.into()));
    for arity in 0..=2 {
        add(module, "date", arity, date);
    }
    // Rhai's tell the text in their errors, which a script may catch and pass on.
    let register = |name: &str| FuncRegistration::new(name).in_global_namespace();
    register("parse_int")
        .set_into_module(module, |context: NativeCallContext, text: &str| parse_int(&context, text, 10));
    register("parse_int")
        .set_into_module(module, |context: NativeCallContext, text: &str, radix: INT| parse_int(&context, text, radix));
    register("parse_float").set_into_module(module, |context: NativeCallContext, text: &str| {
        let what = "parse_float: the text isn't a number";
        text.trim().parse::<FLOAT>().map_err(|_| wrong(&context, &format!("{what}: {}", quoted(text, SHOWN)), what))
    });
    add(module, "app_text", 1, |context, args| {
        let text = shown(args[0], LONG_LINE + 1);
        if text.len() > LONG_LINE {
            let what = format!("app_text: the text has more than {LONG_LINE} bytes");
            return Err(wrong(context, &what, &what));
        }
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(format!("\"{text}\"").into())
    });
    let containers = [TypeId::of::<Array>(), TypeId::of::<Map>(), TypeId::of::<FnPtr>()];
    let plain = [int, float, text, unit, TypeId::of::<bool>(), TypeId::of::<char>()];
    for kind in plain.into_iter().chain(containers) {
        add_typed(module, "print", &[kind], |context, args| {
            if let Ok(call) = Call::of(context) {
                call.state
                    .prints_at(context.call_source().unwrap_or_default(), context.call_position().line().unwrap_or(0));
            }
            Ok(bounded::form(context, args[0].clone()).into())
        });
    }
    // Rhai finds "5" == 5 false and () < 5 false without a word; here both are faults.
    for operator in ["==", "!=", "<", "<=", ">", ">="] {
        for number in [int, float] {
            add_typed(module, operator, &[text, number], |context, args| Err(compared(context, args)));
            add_typed(module, operator, &[number, text], |context, args| Err(compared(context, args)));
            if operator.starts_with(['<', '>']) {
                add_typed(module, operator, &[unit, number], |context, args| Err(compared(context, args)));
                add_typed(module, operator, &[number, unit], |context, args| Err(compared(context, args)));
            }
        }
    }
}

/// An error of a function: with the values that are not right, and without, for a call that has a secret.
fn wrong(context: &NativeCallContext, message: &str, discreet: &str) -> Box<EvalAltResult> {
    match Call::of(context) {
        Ok(call) => call.wrong(message, discreet),
        Err(_) => EvalAltResult::ErrorRuntime(message.into(), context.call_position()).into(),
    }
}

fn parse_int(context: &NativeCallContext, text: &str, radix: INT) -> Result<INT, Box<EvalAltResult>> {
    let Some(radix) = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)) else {
        let what = "parse_int: the radix must be between 2 and 36";
        return Err(wrong(context, &format!("{what}, not {radix}"), what));
    };
    let what = "parse_int: the text isn't a whole number";
    INT::from_str_radix(text.trim(), radix)
        .map_err(|_| wrong(context, &format!("{what}: {}", quoted(text, SHOWN)), what))
}

fn compared(context: &NativeCallContext, args: &[&mut Dynamic]) -> Box<EvalAltResult> {
    let shown = |value: &Dynamic| match super::convert::value(value) {
        Value::Text(text) => format!("the text {}", quoted(&text, SHOWN)),
        Value::Nothing => "()".to_owned(),
        _ => format!("the number {value}"),
    };
    let hint = if args.iter().any(|arg| arg.is_unit()) { "test for () first" } else { "use to_number()" };
    let kind = |value: &Dynamic| match super::convert::value(value) {
        Value::Text(_) => "a text",
        Value::Nothing => "()",
        _ => "a number",
    };
    wrong(
        context,
        &format!("{} compared with {}: {hint}", shown(args[0]), shown(args[1])),
        &format!("{} compared with {}: {hint}", kind(args[0]), kind(args[1])),
    )
}

fn integer(value: &Dynamic) -> INT {
    value.as_int().unwrap_or_default()
}

fn otherwise(args: &[&mut Dynamic], at: usize) -> Dynamic {
    args.get(at).map_or(Dynamic::UNIT, |value| (*value).clone())
}

/// The whole number a caller's digits make.
fn number(value: &Dynamic) -> Option<INT> {
    if let Ok(number) = value.as_int() {
        return Some(number);
    }
    let text = value.as_immutable_string_ref().ok()?;
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    (digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn unix(call: &Call) -> Result<INT, Box<EvalAltResult>> {
    let now = call.with_session(|session| session.script_wall().since_epoch())?;
    Ok(INT::try_from(now.as_secs()).unwrap_or(INT::MAX))
}

fn sleep(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let seconds = args[0].as_float().or_else(|_| args[0].as_int().map(seconds));
    let length = seconds.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let Some(length) = length else {
        let what = "sleep: `seconds` must be a number of seconds";
        return Err(wrong(context, &format!("{what}, not {}", shown(args[0], SHOWN)), what));
    };
    Call::of(context)?.pause(length).map(|()| Dynamic::UNIT)
}

#[expect(clippy::cast_precision_loss, reason = "no call sleeps for so many seconds that it matters")]
fn seconds(seconds: INT) -> FLOAT {
    seconds as FLOAT
}

fn go_to(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let call = Call::of(context)?;
    let place: [(_, Option<&str>); 3] = [(&SET_CONTEXT, None), (&SET_EXTENSION, Some("s")), (&SET_PRIORITY, Some("1"))];
    for (n, (command, default)) in place.into_iter().enumerate() {
        let given = args.get(n).map_or_else(|| Value::from(default.unwrap_or_default()), |arg| value(arg));
        call.invoke(command, &[given])?;
    }
    Err(call.exit())
}

#[expect(clippy::needless_pass_by_value, reason = "the form Rhai registers")]
fn shuffle(context: NativeCallContext, array: &mut Array) -> Result<Array, Box<EvalAltResult>> {
    let call = Call::of(&context)?;
    let mut chance = call.random();
    for last in (1..array.len()).rev() {
        array.swap(last, chance.random_range(0..=last));
    }
    Ok(array.clone())
}

fn date(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let epoch = match args.first() {
        Some(epoch) => {
            let what = "date: `epoch` must be an integer";
            number(epoch).ok_or_else(|| wrong(context, &format!("{what}, not {}", shown(epoch, SHOWN)), what))?
        }
        None => unix(&Call::of(context)?)?,
    };
    let zone = match args.get(1) {
        Some(zone) => {
            let name = shown(zone, SHOWN);
            let unknown = |_| wrong(context, &format!("date: no time zone {name:?}"), "date: no such time zone");
            jiff::tz::TimeZone::get(&name).map_err(unknown)?
        }
        None => jiff::tz::TimeZone::system(),
    };
    let beyond = |_| {
        let message = format!("date: {epoch} is no time of this calendar");
        wrong(context, &message, "date: `epoch` is no time of this calendar")
    };
    let time = jiff::Timestamp::from_second(epoch).map_err(beyond)?.to_zoned(zone);
    let part = |number: i64| Value::Int(number);
    Ok(dynamic(Value::map([
        ("year", part(time.year().into())),
        ("month", part(time.month().into())),
        ("day", part(time.day().into())),
        ("hour", part(time.hour().into())),
        ("minute", part(time.minute().into())),
        ("second", part(time.second().into())),
        ("weekday", part(time.weekday().to_monday_one_offset().into())),
    ])))
}
