//! The functions that say and ask: one table of their declarations and bodies.

use super::choices::Choices;
use super::dial::dial;
use super::keypad::keys;
use super::listening::listen;
use super::options::{Asks, OF_ASK, OF_COLLECT, OF_CONFIRM, OF_LISTEN, OF_MENU, Options};
use super::parts::read_parts;
use super::prompter::{Prompter, ScriptResult};
use super::question::Question;
use crate::command::{Example, Function, Kind, Need, Param, Privacy, Returns, Type, Value, declarations};
use crate::script::{Call, Named, add, dynamic, value};
use rhai::{Dynamic, FnPtr, Module};

/// A function: its declaration, and its body.
struct Row {
    function: Function,
    body: fn(&Prompter, &[&mut Dynamic]) -> ScriptResult,
}

const fn own_value(value_type: Type, doc: &'static str) -> Returns {
    Returns::Own { doc, value_type }
}

const fn param(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Param {
    Param { name, kind, need, privacy: Privacy::Private, doc }
}

const PARTS: Param =
    param("parts", Kind::Parts, Need::Required, "What to say: one part or an array of parts, as in `say`.");

const fn example(
    caller: &'static str,
    script: &'static str,
    sends: &'static str,
    reply: &'static str,
    value: &'static str,
) -> Example {
    Example { caller, script, sends, reply, value }
}

/// What Dial leaves in `DIALSTATUS`.
const DIAL_STATUSES: &[&str] =
    &["ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", "DONTCALL", "TORTURE", "INVALIDARGS"];

static TABLE: [Row; 7] = [
    Row {
        function: Function {
            name: "say",
            summary: "Says one part or several; the caller may end them with a key.",
            params: &[
                param(
                    "parts",
                    Kind::Parts,
                    Need::Required,
                    "One part or an array of parts: a text is a sound file, an integer a number; there are also \
                     `#{ text: \"Good morning\" }`, `#{ digits: \"0412\" }`, `#{ spell: \"abc\" }`, `#{ phonetic: \"abc\" }`, `#{ number: 2, gender: \"f\" }` and \
                     `#{ date: now() }`, which may have a `format` and a `zone` as in `say_datetime`.",
                ),
                param("keys", Kind::Keys, Need::Default(""), "Keys that end it early; none if left out."),
            ],
            returns: Returns::Key,
            examples: &[
                example(
                    "",
                    r#"say(["vm-youhave", 2, "vm-messages"])"#,
                    "STREAM FILE \"vm-youhave\" \"\"\nSAY NUMBER 2 \"\"\nSTREAM FILE \"vm-messages\" \"\"",
                    "200 result=0 endpos=7360\n200 result=0\n200 result=0 endpos=8640",
                    r#""""#,
                ),
                example(
                    "presses 1 after 1s",
                    r#"say(["vm-intro", "beep"], "12")"#,
                    r#"STREAM FILE "vm-intro" "12""#,
                    "200 result=49 endpos=8000",
                    r#""1""#,
                ),
                example(
                    "",
                    r#"say(["beep", ()])"#,
                    "",
                    "",
                    "argument: say: part 2 of `parts` is (): a part is a sound file, a whole number, or a map such as #{ digits: 12 }",
                ),
            ],
        },
        body: say,
    },
    Row {
        function: Function {
            name: "collect",
            summary: "Asks once for keys, and returns them with what ended them.",
            params: &[PARTS, param("options", Kind::Options(OF_COLLECT), Need::Optional, "A map of options.")],
            returns: own_value(
                Type::Map,
                "`#{ digits, ended_by }`; it was ended by `\"max\"`, `\"end\"`, `\"timeout\"` (after some keys), `\"none\"` or \
                 `\"cancel\"`",
            ),
            examples: &[
                example(
                    "presses 12# after 1s",
                    r#"collect("vm-intro", #{ max: 4 })"#,
                    "GET DATA \"vm-intro\" 5000 1\nGET DATA \"\" 2000 3",
                    "200 result=1\n200 result=2",
                    r#"#{"digits": "12", "ended_by": "end"}"#,
                ),
                example(
                    "",
                    r#"collect("vm-intro", #{ first: 3 }).ended_by"#,
                    r#"GET DATA "vm-intro" 3000 1"#,
                    "200 result= (timeout)",
                    r#""none""#,
                ),
            ],
        },
        body: collect,
    },
    Row {
        function: Function {
            name: "ask",
            summary: "Asks for keys until there is an answer.",
            params: &[PARTS, param("options", Kind::Options(OF_ASK), Need::Optional, "A map of options.")],
            returns: Returns::OwnKeys {
                doc: "the keys as text; `()` when all tries are used up or the caller pressed a `cancel` key",
            },
            examples: &[
                example(
                    "presses 0412 after 1s",
                    r#"ask("vm-enter-num-to-call", #{ max: 4 })"#,
                    "GET DATA \"vm-enter-num-to-call\" 5000 1\nGET DATA \"\" 2000 3",
                    "200 result=0\n200 result=412",
                    r#""0412""#,
                ),
                example(
                    "",
                    r#"ask(["vm-youhave", 2], #{ tries: 2, first: 1, give_up: "vm-goodbye" })"#,
                    "GET DATA \"vm-youhave\" 1 1\nSAY NUMBER 2 \"0123456789*#ABCD\"\nGET DATA \"\" 1000 1\n\
                     GET DATA \"vm-youhave\" 1 1\nSAY NUMBER 2 \"0123456789*#ABCD\"\nGET DATA \"\" 1000 1\n\
                     STREAM FILE \"vm-goodbye\" \"\"",
                    "200 result= (timeout)\n200 result=0\n200 result= (timeout)\n200 result= (timeout)\n200 result=0\n\
                     200 result= (timeout)\n200 result=0 endpos=7040",
                    "()",
                ),
                example(
                    "",
                    r#"ask("vm-intro", #{ trys: 2 })"#,
                    "",
                    "",
                    "argument: ask: `options` has no `trys`: did you mean `tries`?",
                ),
            ],
        },
        body: ask,
    },
    Row {
        function: Function {
            name: "confirm",
            summary: "Asks for yes, which is 1, or no, which is 2.",
            params: &[PARTS, param("options", Kind::Options(OF_CONFIRM), Need::Optional, "A map of options.")],
            returns: own_value(
                Type::BoolOrUnit,
                "`true` or `false`; `()` when all tries are used up or the caller pressed a `cancel` key",
            ),
            examples: &[example(
                "presses 1 after 1s",
                r#"confirm("vm-intro")"#,
                r#"GET DATA "vm-intro" 5000 1"#,
                "200 result=1",
                "true",
            )],
        },
        body: confirm,
    },
    Row {
        function: Function {
            name: "menu",
            summary: "Lets the caller choose by keys, matched as Asterisk matches extensions.",
            params: &[
                PARTS,
                param(
                    "choices",
                    Kind::Choices,
                    Need::Required,
                    "A map from keys, or patterns such as `_1XX`, to a value, or to a function that is called with the keys. \
                     The caller may also say a choice that is `#{ words: [\"sales\", \"buy\"], then: value }`.",
                ),
                param("options", Kind::Options(OF_MENU), Need::Optional, "A map of options."),
            ],
            returns: own_value(
                Type::Unknown,
                "the value of the choice, or what its function returns; `()` when all tries are used up or the caller \
                 pressed a `cancel` key",
            ),
            examples: &[
                example(
                    "presses 2 after 1s",
                    r#"menu("vm-intro", #{ "1": "sales", "2": || caller("nobody") })"#,
                    r#"GET DATA "vm-intro" 5000 1"#,
                    "200 result=2",
                    r#""nobody""#,
                ),
                example(
                    "presses 123 after 1s",
                    r#"menu("vm-intro", #{ "0": "operator", "_1XX": |extension| extension })"#,
                    "GET DATA \"vm-intro\" 5000 1\nWAIT FOR DIGIT 2000\nWAIT FOR DIGIT 2000",
                    "200 result=1\n200 result=50\n200 result=51",
                    r#""123""#,
                ),
            ],
        },
        body: menu,
    },
    Row {
        function: Function {
            name: "listen",
            summary: "Says something, and returns what the caller says to it, as an engine understands it.",
            params: &[PARTS, param("options", Kind::Options(OF_LISTEN), Need::Optional, "A map of options.")],
            returns: own_value(
                Type::Map,
                "`#{ text, confidence, ended_by, key, seconds }`; it was ended by `\"speech\"`, `\"none\"` (the caller said \
                 nothing), `\"key\"` or `\"max\"`. Of several `words`, `text` is the one that was heard, the last one if \
                 there were more; if none was, it is whatever was heard",
            ),
            examples: &[example(
                "",
                r#"listen("vm-intro", #{ words: [] })"#,
                "",
                "",
                "argument: listen: `words` is empty: leave it out, or name what may be said",
            )],
        },
        body: listen,
    },
    Row {
        function: Function {
            name: "dial",
            summary: "Calls somebody and connects the caller; the script goes on after they have hung up.",
            params: &[
                param(
                    "target",
                    Kind::DialTarget,
                    Need::Required,
                    "Whom to call, such as `PJSIP/200`; several are joined by `&`.",
                ),
                param(
                    "seconds",
                    Kind::Seconds,
                    Need::Default("30"),
                    "Seconds to let it ring; fractions are rounded up.",
                ),
                param("options", Kind::DialOptions, Need::Default(""), "Options of Dial; `g` is always among them."),
            ],
            returns: Returns::OwnWord {
                doc: "`DIALSTATUS`: `\"ANSWER\"`, `\"NOANSWER\"`, `\"BUSY\"`, `\"CONGESTION\"`, `\"CHANUNAVAIL\"`, `\"CANCEL\"` and others",
                words: DIAL_STATUSES,
            },
            examples: &[example(
                "",
                r#"dial("PJSIP/200", 20)"#,
                "EXEC \"Dial\" \"PJSIP/200,20,g\"\nGET VARIABLE \"DIALSTATUS\"",
                "200 result=0\n200 result=1 (CHANUNAVAIL)",
                r#""CHANUNAVAIL""#,
            )],
        },
        body: dial,
    },
];

/// The questions and menus, for the reference and the checker.
pub static QUESTIONS: &[&Function] = &declarations!(TABLE);

/// Registers the functions of the table.
pub(super) fn add_questions(module: &mut Module, named: &Named) {
    for Row { function, body } in TABLE.iter().filter(|row| named.contains(row.function.name)) {
        for arity in function.arities() {
            add(module, function.name, arity, |context, args| {
                body(&Prompter { function: function.name, call: Call::of(context)? }, args)
            });
        }
    }
}

fn say(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let keys = match args.get(1) {
        Some(given) => {
            keys(&value(given)).map_err(|problem| prompter.bad_argument("keys", format!("`keys` {problem}")))?
        }
        None => String::new(),
    };
    let key = prompter.say(&read_parts(prompter, "parts", args[0])?, &keys)?;
    Ok(dynamic(Value::Text(key.map(String::from).unwrap_or_default())))
}

fn collect(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), Asks::Collect)?;
    let parts = read_parts(prompter, "parts", args[0])?;
    let round = Question::new(prompter, options, None).round(&parts)?;
    let ended_by = Value::from(round.ended_by.word());
    Ok(dynamic(Value::map([("digits", Value::Text(round.keys)), ("ended_by", ended_by)])))
}

fn ask(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), Asks::Ask)?;
    let keys = Question::new(prompter, options, None).ask(args[0])?;
    Ok(keys.map_or(Dynamic::UNIT, |keys| dynamic(Value::Text(keys))))
}

fn confirm(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), Asks::Confirm)?;
    choose(prompter, args[0], options, Choices::yes_or_no())
}

fn menu(prompter: &Prompter, args: &[&mut Dynamic]) -> ScriptResult {
    let choices = Choices::read(prompter, args[1])?;
    let options = Options::read(prompter, args.get(2).map(|given| &**given), Asks::Menu)?;
    choose(prompter, args[0], options, choices)
}

fn choose(prompter: &Prompter, parts: &Dynamic, options: Options, choices: Choices) -> ScriptResult {
    let question = Question::new(prompter, options, Some(choices));
    let Some(keys) = question.ask(parts)? else { return Ok(Dynamic::UNIT) };
    let chosen = question.choices.as_ref().and_then(|choices| choices.find(&keys)).cloned().unwrap_or_default();
    let function = chosen.read_lock::<FnPtr>().map(|function| function.clone());
    match function {
        Some(function) => prompter.call_function("choices", &function, &keys),
        None => Ok(chosen),
    }
}
