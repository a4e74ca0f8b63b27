//! The host's functions other than the commands, declared and implemented in one table. Also, those of Rhai's
//! functions that behave differently here.

use super::bindings::{add, add_typed};
use super::bounded;
use super::call::Call;
use super::convert::value;
use super::shown::{MAX_SHOWN, quoted, shown};
use super::times;
use crate::agi::line::LONG_LINE;
use crate::command::{
    Example, Function, Kind, Need, Param, Privacy, Returns, SET_CONTEXT, SET_EXTENSION, SET_PRIORITY, Type, Value,
    declarations,
};
use rand::RngExt;
use rhai::{
    Array, Dynamic, EvalAltResult, FLOAT, FnPtr, FuncRegistration, INT, ImmutableString, Map, Module,
    NativeCallContext, RhaiFunc, Shared,
};
use std::any::TypeId;
use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

type Outcome = Result<Dynamic, Box<EvalAltResult>>;

/// Runs a function with the arguments it was called with.
type Body = fn(&NativeCallContext, &mut [&mut Dynamic]) -> Outcome;

/// A type of Rhai's values, so that it can be a constant.
type RhaiType = fn() -> TypeId;

const INTEGER: RhaiType = TypeId::of::<INT>;
const FRACTION: RhaiType = TypeId::of::<FLOAT>;
const TEXT: RhaiType = TypeId::of::<ImmutableString>;
const ARRAY: RhaiType = TypeId::of::<Array>;

/// One function of the host: its declaration, how Rhai finds it, and its body.
struct Builtin {
    function: Function,
    types: Types,
    /// Whether tests of scripts have it too.
    in_tests: bool,
    body: Body,
}

/// The types of arguments for which a function is registered. The checker reads them from the engine.
enum Types {
    /// Any types, for as many arguments as are declared.
    Any,
    /// The types in one of these lists.
    Of(&'static [&'static [RhaiType]]),
    /// These types. The function changes its first argument.
    Method(&'static [RhaiType]),
}

const fn returns(doc: &'static str) -> Returns {
    own_value(Type::Unknown, doc)
}

const fn own_value(value_type: Type, doc: &'static str) -> Returns {
    Returns::Own { doc, value_type }
}

const fn param(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Param {
    Param { name, kind, need, privacy: Privacy::Private, doc }
}

const fn example(script: &'static str, value: &'static str) -> Example {
    Example { caller: "", script, sends: "", reply: "", value }
}

const ZONE: Param =
    param("zone", Kind::TimeZone, Need::Optional, "Time zone, such as `Europe/Berlin`; the server's if left out.");

static TABLE: [Builtin; 14] = [
    Builtin {
        function: Function {
            name: "sleep",
            summary: "Waits; the end of the call ends it at once, and keys pressed meanwhile are lost.",
            params: &[param("seconds", Kind::Seconds, Need::Required, "Seconds, whole or fraction.")],
            returns: own_value(Type::Unit, "nothing"),
            examples: &[example("sleep(0.5)", "()")],
        },
        types: Types::Of(&[&[INTEGER], &[FRACTION], &[TEXT]]),
        in_tests: false,
        body: sleep,
    },
    Builtin {
        function: Function {
            name: "exit",
            summary: "Ends the script, from a function or an import too; the dialplan goes on.",
            params: &[param(
                "value",
                Kind::Any,
                Need::Optional,
                "Any value, which is ignored: it is there since Rhai's own `exit` has it.",
            )],
            returns: Returns::Never,
            examples: &[example("exit()", "end")],
        },
        types: Types::Any,
        in_tests: false,
        body: exit,
    },
    Builtin {
        function: Function {
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
        types: Types::Any,
        in_tests: false,
        body: go_to,
    },
    Builtin {
        function: Function {
            name: "to_number",
            summary: "Converts a text such as the digits of a caller to a whole number.",
            params: &[
                param("text", Kind::Any, Need::Required, "A text, a number or `()`."),
                param("otherwise", Kind::Otherwise, Need::Optional, "Value to return instead of `()`."),
            ],
            returns: own_value(
                Type::NumberOrUnit,
                "an integer; `()` for `()`, an empty text, `12*` and more than 18 digits",
            ),
            examples: &[
                example(r#"to_number("0412")"#, "412"),
                example(r#"to_number("12*")"#, "()"),
                example(r#"to_number("", 0)"#, "0"),
            ],
        },
        types: Types::Any,
        in_tests: true,
        body: to_number,
    },
    Builtin {
        function: Function {
            name: "random",
            summary: "Returns a random number: a whole one between two, both included; without them, one from 0.0 up to 1.0.",
            params: &[
                param("least", Kind::INT, Need::Optional, "The smallest number; it needs `most`."),
                param("most", Kind::INT, Need::Optional, "The largest number."),
            ],
            returns: own_value(Type::Number, "a number"),
            examples: &[example("random(7, 7)", "7")],
        },
        types: Types::Of(&[&[], &[INTEGER, INTEGER]]),
        in_tests: true,
        body: random,
    },
    Builtin {
        function: Function {
            name: "choose",
            summary: "Returns a random element of an array.",
            params: &[param("array", Kind::Array, Need::Required, "Array with at least one element.")],
            returns: returns("the element"),
            examples: &[example("choose([5])", "5")],
        },
        types: Types::Of(&[&[ARRAY]]),
        in_tests: true,
        body: choose,
    },
    Builtin {
        function: Function {
            name: "shuffle",
            summary: "Puts the elements of an array in random order.",
            params: &[param("array", Kind::Array, Need::Required, "Array, which is changed.")],
            returns: returns("the array"),
            examples: &[example("shuffle([5])", "[5]")],
        },
        types: Types::Method(&[ARRAY]),
        in_tests: true,
        body: shuffle,
    },
    Builtin {
        function: Function {
            name: "elapsed",
            summary: "Returns the seconds since the script began.",
            params: &[],
            returns: own_value(Type::Number, "a number with a fraction"),
            examples: &[example("sleep(2); elapsed()", "2.0")],
        },
        types: Types::Any,
        in_tests: false,
        body: times::elapsed,
    },
    Builtin {
        function: Function {
            name: "now",
            summary: "Returns the time in seconds since the Unix epoch, as the `say_*` functions take it.",
            params: &[],
            returns: own_value(Type::Number, "an integer"),
            examples: &[example("let t = now(); sleep(2); now() - t", "2")],
        },
        types: Types::Any,
        in_tests: true,
        body: times::now,
    },
    Builtin {
        function: Function {
            name: "date",
            summary: "Splits a time into its parts.",
            params: &[
                param("epoch", Kind::INT, Need::Optional, "Seconds since the Unix epoch; now if left out."),
                ZONE,
            ],
            returns: returns("`#{ year, month, day, hour, minute, second, weekday }`, with Monday as 1"),
            examples: &[example(r#"date(1210498014, "UTC").weekday"#, "7")],
        },
        types: Types::Any,
        in_tests: true,
        body: times::date,
    },
    Builtin {
        function: Function {
            name: "time_at",
            summary: "Returns the time of a date and time of day, as `now` and the `say_*` functions have it.",
            params: &[
                param("year", Kind::Integer(1, 9998), Need::Required, "Year, with four digits."),
                param("month", Kind::Integer(1, 12), Need::Required, "Month, 1 to 12."),
                param("day", Kind::Integer(1, 31), Need::Required, "Day of the month."),
                param("hour", Kind::Integer(0, 23), Need::Default("0"), "Hour, 0 to 23."),
                param("minute", Kind::Integer(0, 59), Need::Default("0"), "Minute."),
                ZONE,
            ],
            returns: own_value(Type::Number, "an integer: seconds since the Unix epoch"),
            examples: &[
                example(r#"time_at(2026, 12, 3, 9, 30, "UTC")"#, "1796290200"),
                example(r#"date(time_at(2026, 12, 3), "UTC").weekday"#, "4"),
            ],
        },
        types: Types::Any,
        in_tests: true,
        body: times::time_at,
    },
    Builtin {
        function: Function {
            name: "next_weekday",
            summary: "Returns the next time, after now, at which it is this weekday and time of day.",
            params: &[
                param(
                    "weekday",
                    Kind::Name,
                    Need::Required,
                    "`\"monday\"` to `\"sunday\"`, or 1 to 7 with Monday as 1, as in `date`.",
                ),
                param("hour", Kind::Integer(0, 23), Need::Default("0"), "Hour, 0 to 23."),
                param("minute", Kind::Integer(0, 59), Need::Default("0"), "Minute."),
                ZONE,
            ],
            returns: own_value(Type::Number, "an integer: seconds since the Unix epoch"),
            examples: &[example(r#"date(next_weekday("monday", 9), "UTC").weekday"#, "1")],
        },
        types: Types::Any,
        in_tests: true,
        body: times::next_weekday,
    },
    Builtin {
        function: Function {
            name: "caller",
            summary: "Returns the caller's number.",
            params: &[param("otherwise", Kind::Otherwise, Need::Optional, "Value to return instead of `()`.")],
            returns: own_value(Type::TextOrUnit, "a text; `()` when it is withheld"),
            examples: &[example(r#"caller("nobody")"#, r#""nobody""#)],
        },
        types: Types::Any,
        in_tests: false,
        body: caller,
    },
    Builtin {
        function: Function {
            name: "app_text",
            summary: "Quotes a text for an argument of `exec`, so that its commas don't separate arguments.",
            params: &[param("text", Kind::Text, Need::Required, "The text.")],
            returns: returns("the text in quotes"),
            examples: &[example(r#"app_text("one, two")"#, r#""\"one, two\"""#)],
        },
        types: Types::Any,
        in_tests: true,
        body: app_text,
    },
];

/// The host's functions other than the commands, for the reference and the checker.
pub static BUILTINS: &[&Function] = &declarations!(TABLE);

/// Returns the types of the parameters of a declared function, for each way to call it.
pub(crate) fn ways_of(function: &Function) -> Vec<Vec<TypeId>> {
    let builtin = TABLE.iter().find(|builtin| std::ptr::eq(&raw const builtin.function, function));
    match builtin.map(|builtin| &builtin.types) {
        Some(Types::Of(lists)) => lists.iter().map(|types| ids(types)).collect(),
        Some(Types::Method(types)) => vec![ids(types)],
        Some(Types::Any) | None => function.arities().map(|arity| vec![TypeId::of::<Dynamic>(); arity]).collect(),
    }
}

fn ids(types: &[RhaiType]) -> Vec<TypeId> {
    types.iter().map(|id| id()).collect()
}

/// Whether tests of scripts have this function of the host too.
pub(crate) fn is_shared_with_tests(name: &str) -> bool {
    TABLE.iter().any(|builtin| builtin.in_tests && builtin.function.name == name)
}

/// Registers the host's own functions, and Rhai's functions that behave differently here.
pub(crate) fn add_to_calls(module: &mut Module) {
    for builtin in &TABLE {
        builtin.add(module);
    }
    add_replacements(module);
}

/// Registers the part of this that tests of scripts have too.
pub(crate) fn add_shared_with_tests(module: &mut Module) {
    for builtin in TABLE.iter().filter(|builtin| builtin.in_tests) {
        builtin.add(module);
    }
    add_replacements(module);
}

impl Builtin {
    fn add(&self, module: &mut Module) {
        let (name, body) = (self.function.name, self.body);
        match self.types {
            Types::Any => self.function.arities().for_each(|arity| add(module, name, arity, body)),
            Types::Of(lists) => lists.iter().for_each(|types| add_typed(module, name, &ids(types), body)),
            Types::Method(types) => {
                let func = Shared::new(move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
                    body(&context.ok_or("called without a context")?, args)
                });
                FuncRegistration::new(name).in_global_namespace().set_into_module_raw(
                    module,
                    ids(types),
                    RhaiFunc::Method { func, has_context: true, is_pure: false, is_volatile: true },
                );
            }
        }
    }
}

/// Registers Rhai's functions that behave differently here.
fn add_replacements(module: &mut Module) {
    bounded::add_all(module);
    add_parsers(module);
    add_print(module);
    add_comparisons(module);
}

/// Registers the functions that read numbers. Rhai's errors quote the text, and a script may catch them and pass them
/// on.
fn add_parsers(module: &mut Module) {
    let register = |name: &str| FuncRegistration::new(name).in_global_namespace();
    register("parse_int")
        .set_into_module(module, |context: NativeCallContext, text: &str| parse_int(&context, text, 10));
    register("parse_int")
        .set_into_module(module, |context: NativeCallContext, text: &str, radix: INT| parse_int(&context, text, radix));
    register("parse_float").set_into_module(module, |context: NativeCallContext, text: &str| {
        let message = "parse_float: the text isn't a number";
        text.trim()
            .parse::<FLOAT>()
            .map_err(|_| wrong(&context, &format!("{message}: {}", quoted(text, MAX_SHOWN)), message))
    });
}

/// Registers `print`, which notes its place: Rhai doesn't report it.
fn add_print(module: &mut Module) {
    let types = [
        TypeId::of::<INT>(),
        TypeId::of::<FLOAT>(),
        TypeId::of::<ImmutableString>(),
        TypeId::of::<()>(),
        TypeId::of::<bool>(),
        TypeId::of::<char>(),
        TypeId::of::<Array>(),
        TypeId::of::<Map>(),
        TypeId::of::<FnPtr>(),
        TypeId::of::<Range<INT>>(),
        TypeId::of::<RangeInclusive<INT>>(),
    ];
    for types in types.iter().map(std::slice::from_ref).chain([&[][..]]) {
        add_typed(module, "print", types, |context, args| {
            if let Ok(call) = Call::of(context) {
                call.state.note_print_place(context);
            }
            let text = args.first().map(|value| bounded::form(context, (**value).clone()));
            Ok(text.unwrap_or_default().into())
        });
    }
}

/// Registers comparisons that are mistakes. In plain Rhai, `"5" == 5` and `() < 5` are false without an error.
fn add_comparisons(module: &mut Module) {
    let (text, unit) = (TypeId::of::<ImmutableString>(), TypeId::of::<()>());
    for operator in ["==", "!=", "<", "<=", ">", ">="] {
        let others = if operator.starts_with(['<', '>']) { &[text, unit][..] } else { &[text] };
        for number in [TypeId::of::<INT>(), TypeId::of::<FLOAT>()] {
            for &other in others {
                add_typed(module, operator, &[other, number], |context, args| Err(compared(context, args)));
                add_typed(module, operator, &[number, other], |context, args| Err(compared(context, args)));
            }
        }
    }
}

/// Creates the error of a function, with and without the values at fault. Once a call knows a secret, it uses the
/// latter.
fn wrong(context: &NativeCallContext, message: &str, without_values: &str) -> Box<EvalAltResult> {
    match Call::of(context) {
        Ok(call) => call.wrong(message, without_values),
        Err(_) => EvalAltResult::ErrorRuntime(message.into(), context.call_position()).into(),
    }
}

fn parse_int(context: &NativeCallContext, text: &str, radix: INT) -> Result<INT, Box<EvalAltResult>> {
    let Some(radix) = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)) else {
        let message = "parse_int: the radix must be between 2 and 36";
        return Err(wrong(context, &format!("{message}, not {radix}"), message));
    };
    let message = "parse_int: the text isn't a whole number";
    INT::from_str_radix(text.trim(), radix)
        .map_err(|_| wrong(context, &format!("{message}: {}", quoted(text, MAX_SHOWN)), message))
}

fn compared(context: &NativeCallContext, args: &[&mut Dynamic]) -> Box<EvalAltResult> {
    let shown = |operand: &Dynamic| match value(operand) {
        Value::Text(text) => format!("the text {}", quoted(&text, MAX_SHOWN)),
        Value::Nothing => "()".to_owned(),
        _ => format!("the number {operand}"),
    };
    let kind = |operand: &Dynamic| match value(operand) {
        Value::Text(_) => "a text",
        Value::Nothing => "()",
        _ => "a number",
    };
    let operator = context.fn_name();
    wrong(
        context,
        &format!("{} is compared with {} by `{operator}`", shown(args[0]), shown(args[1])),
        &format!("{} is compared with {} by `{operator}`", kind(args[0]), kind(args[1])),
    )
}

fn sleep(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let seconds = args[0].as_float().or_else(|_| args[0].as_int().map(to_float));
    let length = seconds.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let Some(length) = length else {
        let message = "sleep: `seconds` must be a number of seconds";
        return Err(wrong(context, &format!("{message}, not {}", shown(args[0], MAX_SHOWN)), message));
    };
    Call::of(context)?.pause(length).map(|()| Dynamic::UNIT)
}

#[expect(clippy::cast_precision_loss, reason = "no call sleeps long enough for it to matter")]
fn to_float(seconds: INT) -> FLOAT {
    seconds as FLOAT
}

fn exit(context: &NativeCallContext, _: &mut [&mut Dynamic]) -> Outcome {
    Err(Call::of(context)?.exit())
}

fn go_to(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let call = Call::of(context)?;
    let commands: [(_, Option<&str>); 3] =
        [(&SET_CONTEXT, None), (&SET_EXTENSION, Some("s")), (&SET_PRIORITY, Some("1"))];
    for (n, (command, default)) in commands.into_iter().enumerate() {
        let given = args.get(n).map_or_else(|| Value::from(default.unwrap_or_default()), |arg| value(arg));
        call.invoke(command, &[given])?;
    }
    Err(call.exit())
}

#[expect(clippy::unnecessary_wraps, reason = "the form of all functions of the table")]
fn to_number(_: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    Ok(whole_number(args[0]).map_or_else(|| fallback(args, 1), Dynamic::from))
}

/// Returns the whole number that a caller's digits form.
fn whole_number(value: &Dynamic) -> Option<INT> {
    if let Ok(number) = value.as_int() {
        return Some(number);
    }
    let text = value.as_immutable_string_ref().ok()?;
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    (digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Returns the argument that replaces a missing value; `()` if the script passed none.
fn fallback(args: &[&mut Dynamic], at: usize) -> Dynamic {
    args.get(at).map_or(Dynamic::UNIT, |value| (*value).clone())
}

fn random(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let call = Call::of(context)?;
    let [least, most] = args else { return Ok(call.random().random_range(0.0..1.0).into()) };
    let (least, most) = (least.as_int().unwrap_or_default(), most.as_int().unwrap_or_default());
    if least > most {
        let message = format!("random: there is no number from {least} to {most}");
        return Err(call.wrong(&message, "random: `least` is greater than `most`"));
    }
    Ok(call.random().random_range(least..=most).into())
}

fn choose(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let call = Call::of(context)?;
    let array = args[0].read_lock::<Array>().map(|array| array.clone()).unwrap_or_default();
    if array.is_empty() {
        let message = "choose: the array is empty";
        return Err(call.wrong(message, message));
    }
    let at = call.random().random_range(0..array.len());
    Ok(array[at].clone())
}

fn shuffle(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let call = Call::of(context)?;
    let Some(mut array) = args[0].write_lock::<Array>() else { return Ok(Dynamic::UNIT) };
    let mut random = call.random();
    for last in (1..array.len()).rev() {
        array.swap(last, random.random_range(0..=last));
    }
    Ok(array.clone().into())
}

fn caller(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let number = Call::of(context)?.with_session(|session| {
        let number = session.environment().get("agi_callerid").filter(|number| number != "unknown");
        number.map(Cow::into_owned)
    })?;
    Ok(number.map_or_else(|| fallback(args, 0), Dynamic::from))
}

fn app_text(context: &NativeCallContext, args: &mut [&mut Dynamic]) -> Outcome {
    let text = shown(args[0], LONG_LINE + 1);
    if text.len() > LONG_LINE {
        let message = format!("app_text: the text is longer than {LONG_LINE} bytes");
        return Err(wrong(context, &message, &message));
    }
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{text}\"").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Language;

    #[test]
    fn functions_are_called_with_as_many_arguments_as_declared() {
        let mut module = Module::new();
        add_to_calls(&mut module);
        let reachable = Language::of(module, |_, _| {}, BUILTINS.to_vec(), |_| None).reachable();
        for function in BUILTINS {
            let counts: Vec<usize> =
                reachable.iter().filter(|(name, _)| name == function.name).map(|(_, types)| types.len()).collect();
            let declared = function.arities();
            assert!(counts.contains(declared.start()) && counts.contains(declared.end()), "{}", function.name);
            assert!(counts.iter().all(|count| declared.contains(count)), "{} takes {counts:?}", function.name);
        }
    }
}
