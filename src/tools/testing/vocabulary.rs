//! The words of tests, declared: for the reference, the checker and editors, and what stands behind each.

use super::part;
use super::test::{Failed, Test};
use crate::command::{COMMANDS, Example, Function, Kind, Need, Param, Returns, Trouble};
use crate::ivr::QUESTIONS;
use crate::script::{BUILTINS, Call, Language, add, add_to_tests_too, arities, is_in_tests_too};
use rhai::{Dynamic, EvalAltResult, Module, NativeCallContext};
use std::sync::Arc;

const fn returns(doc: &'static str) -> Returns {
    Returns::Shape { doc, read: |_| Err(Trouble::Hangup(None)) }
}

const fn param(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Required, doc }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Optional, doc }
}

const fn example(script: &'static str, value: &'static str) -> Example {
    Example { caller: "", script, sends: "", reply: "", value }
}

const NOTHING: Returns = returns("nothing");
const PROMPT: Param = param(
    "prompt",
    Kind::Name,
    "A sound file's name, what is spoken such as `number 42`, or `number` for any; `beep`, `recording`, `music`.",
);
const FAMILY: Param = param("family", Kind::Name, "Family of the key.");
const KEY: Param = param("key", Kind::Name, "Key.");

/// The functions of a test, for the reference and the checker.
pub static VOCABULARY: &[&Function] = &[
    &Function {
        name: "place_call",
        summary: "Calls a script: it runs up to its first prompt, question or pause.",
        params: &[
            param("script", Kind::Name, "The script, seen from the test's file; `.rhai` may be left out."),
            optional("options", Kind::Options(part::OPTIONS), "Who calls, and what there is."),
        ],
        returns: NOTHING,
        examples: &[
            example(r#"place_call("guess"); next_prompt()"#, r#""guess-welcome""#),
            example(
                r#"place_call("guess", #{ callerid: "200", database: #{ "guess/200": 7 } }); wait_for("number")"#,
                r#""number 7""#,
            ),
        ],
    },
    &Function {
        name: "press",
        summary: "Presses keys of the telephone now, a tenth of a second apart unless told otherwise.",
        params: &[
            param("keys", Kind::Keys, "The keys: `0`-`9`, `*`, `#`, `A`-`D`."),
            optional("seconds", Kind::Seconds, "Seconds from one key to the next."),
        ],
        returns: NOTHING,
        examples: &[example(
            r#"place_call("guess", #{ seed: 1 }); wait_for("guess-enter"); press("50"); next_prompt()"#,
            r#""guess-higher""#,
        )],
    },
    &Function {
        name: "wait",
        summary: "Lets time pass on the line; the caller does nothing.",
        params: &[param("seconds", Kind::Seconds, "Seconds, whole or fraction.")],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); wait(1.5); seconds()"#, "1.5")],
    },
    &Function {
        name: "wait_for",
        summary: "Lets time pass until this prompt begins; others go by.",
        params: &[PROMPT],
        returns: returns("the prompt as text, such as `\"number 42\"`"),
        examples: &[example(r#"place_call("guess"); wait_for("guess-enter")"#, r#""guess-enter""#)],
    },
    &Function {
        name: "wait_for_question",
        summary: "Lets time pass until the script listens for keys in silence.",
        params: &[],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); wait_for_question(); heard().len()"#, "3")],
    },
    &Function {
        name: "hang_up",
        summary: "Hangs up now; the script runs to its end, `on_hangup` included.",
        params: &[],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); wait(2); hang_up(); ending()"#, r#""HANGUP""#)],
    },
    &Function {
        name: "send_text",
        summary: "Sends a text to the script, for `receive_text` and `receive_char`.",
        params: &[param("text", Kind::Text, "The text.")],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); send_text("hello")"#, "()")],
    },
    &Function {
        name: "next_prompt",
        summary: "Waits for the next prompt to begin.",
        params: &[],
        returns: returns("the prompt as text, such as `\"guess-enter\"` or `\"number 42\"`; `()` when the call ended"),
        examples: &[example(r#"place_call("guess"); next_prompt()"#, r#""guess-welcome""#)],
    },
    &Function {
        name: "next_number",
        summary: "Waits for the next number that is spoken, by SAY NUMBER or SAY DIGITS; other prompts go by.",
        params: &[],
        returns: returns("an integer"),
        examples: &[example(r#"place_call("guess", #{ database: #{ "guess/100": 7 } }); next_number()"#, "7")],
    },
    &Function {
        name: "next_digits",
        summary: "Waits for the next digits that are spoken, by SAY DIGITS or SAY NUMBER; other prompts go by.",
        params: &[],
        returns: returns("a text, which keeps zeros at its beginning: to be pressed, for instance"),
        examples: &[example(r#"place_call("memory"); press("1"); next_digits().len()"#, "3")],
    },
    &Function {
        name: "heard",
        summary: "Tells all prompts of this call so far.",
        params: &[],
        returns: returns("an array of texts"),
        examples: &[example(r#"place_call("guess"); heard()"#, r#"["guess-welcome"]"#)],
    },
    &Function {
        name: "variable",
        summary: "Tells a channel variable of this call, where the dialplan goes on, or whether the line is up.",
        params: &[param(
            "name",
            Kind::Name,
            "Its name; `CONTEXT`, `EXTEN`, `PRIORITY` are where the dialplan goes on, `CHANNEL(state)` is `Up` once answered.",
        )],
        returns: returns("a text; `()` when it is unset"),
        examples: &[example(r#"place_call("memory"); hang_up(); variable("MEMORY_SCORE")"#, r#""0""#)],
    },
    &Function {
        name: "database",
        summary: "Tells a value of AstDB.",
        params: &[FAMILY, KEY],
        returns: returns("a text; `()` when there is none"),
        examples: &[example(r#"place_call("subtraction"); hang_up(); database("subtraction", "100")"#, r#""0""#)],
    },
    &Function {
        name: "log",
        summary: "Tells what the script printed in this call, and what the host warned of.",
        params: &[],
        returns: returns("an array of texts"),
        examples: &[example(r#"place_call("guess"); log()"#, "[]")],
    },
    &Function {
        name: "ending",
        summary: "Tells how the call ended.",
        params: &[],
        returns: returns("`\"SUCCESS\"`, `\"HANGUP\"` or `\"FAILURE\"`; `()` while the call is on"),
        examples: &[example(r#"place_call("guess"); ending()"#, "()")],
    },
    &Function {
        name: "seconds",
        summary: "Tells the seconds since the call began.",
        params: &[],
        returns: returns("a number with a fraction"),
        examples: &[example(r#"place_call("guess"); wait(1); seconds()"#, "1.0")],
    },
    &Function {
        name: "expect",
        summary: "Fails the test unless this is true.",
        params: &[
            param("condition", Kind::Any, "What must be true."),
            optional("message", Kind::Text, "What to say if it is not."),
        ],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); expect(seconds() < 1, "it has just begun")"#, "()")],
    },
    &Function {
        name: "expect_equal",
        summary: "Fails the test unless two values are the same.",
        params: &[
            param("actual", Kind::Any, "The value there is."),
            param("expected", Kind::Any, "The value there should be."),
        ],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); expect_equal(heard().len(), 1)"#, "()")],
    },
    &Function {
        name: "expect_prompt",
        summary: "Waits for the next prompt to begin, which must be this one.",
        params: &[PROMPT],
        returns: NOTHING,
        examples: &[example(
            r#"place_call("guess"); expect_prompt("guess-welcome"); expect_prompt("guess-start")"#,
            "()",
        )],
    },
    &Function {
        name: "expect_number",
        summary: "Waits for the next prompt to begin, which must be this number.",
        params: &[param("number", Kind::INT, "The number.")],
        returns: NOTHING,
        examples: &[example(
            r#"place_call("guess", #{ database: #{ "guess/100": 7 } }); wait_for("guess-best"); expect_number(7)"#,
            "()",
        )],
    },
    &Function {
        name: "expect_variable",
        summary: "Fails the test unless this channel variable has this value.",
        params: &[
            param("name", Kind::Name, "Its name."),
            param("value", Kind::Any, "Its value; `()` for a variable that is unset."),
        ],
        returns: NOTHING,
        examples: &[example(r#"place_call("memory"); hang_up(); expect_variable("MEMORY_SCORE", 0)"#, "()")],
    },
    &Function {
        name: "expect_database",
        summary: "Fails the test unless AstDB has this value.",
        params: &[FAMILY, KEY, param("value", Kind::Any, "The value; `()` for a key that is not there.")],
        returns: NOTHING,
        examples: &[example(r#"place_call("subtraction"); hang_up(); expect_database("subtraction", "100", 0)"#, "()")],
    },
    &Function {
        name: "expect_log",
        summary: "Fails the test unless a line of the script's log has this text in it.",
        params: &[param("text", Kind::Name, "The text, or a part of it.")],
        returns: NOTHING,
        examples: &[example(
            r#"place_call("guess", #{ missing: ["guess-start"] }); wait_for("guess-enter"); expect_log("guess-start")"#,
            "()",
        )],
    },
    &Function {
        name: "expect_end",
        summary: "Lets the script run to its end while the caller does nothing more; it must end like this.",
        params: &[Param {
            name: "status",
            kind: Kind::Word(&["SUCCESS", "HANGUP", "FAILURE"]),
            need: Need::Default("SUCCESS"),
            doc: "SUCCESS at the end of the script, HANGUP when the call ended before, FAILURE by a fault.",
        }],
        returns: NOTHING,
        examples: &[example(r#"place_call("guess"); expect_end()"#, "()")],
    },
    &Function {
        name: "expect_fault",
        summary: "Lets the script run on, which must end with this fault.",
        params: &[param("text", Kind::Text, "The fault's message, or a part of it.")],
        returns: NOTHING,
        examples: &[],
    },
];

/// What a function does, in its test.
type Body = fn(&Test, &mut part::Args<'_, '_>) -> Result<Dynamic, part::Trouble>;

fn body(name: &str) -> Option<Body> {
    Some(match name {
        "place_call" => part::place_call,
        "press" => part::press,
        "wait" => part::wait,
        "wait_for" => part::wait_for,
        "wait_for_question" => part::wait_for_question,
        "hang_up" => part::hang_up,
        "send_text" => part::send_text,
        "next_prompt" => part::next_prompt,
        "next_number" => part::next_number,
        "next_digits" => part::next_digits,
        "heard" => part::heard,
        "variable" => part::variable,
        "database" => part::database,
        "log" => part::log,
        "ending" => part::ending,
        "seconds" => part::seconds,
        "expect" => part::expect,
        "expect_equal" => part::expect_equal,
        "expect_prompt" => part::expect_prompt,
        "expect_number" => part::expect_number,
        "expect_variable" => part::expect_variable,
        "expect_database" => part::expect_database,
        "expect_log" => part::expect_log,
        "expect_end" => part::expect_end,
        "expect_fault" => part::expect_fault,
        _ => return None,
    })
}

/// Functions of calls that tests do not have, and what they have instead.
const INSTEAD: &[(&str, &str)] = &[
    ("answer", "`place_call` places a call; whether the script answers it is the script's business"),
    ("hangup", "the caller hangs up by `hang_up()`"),
    ("sleep", "`wait(seconds)` lets time pass"),
    ("exit", "a test ends at its end, or by `return`"),
    ("caller", "who calls is said in `place_call(script, #{ callerid: \"200\" })`"),
    ("elapsed", "`seconds()` tells the seconds since the call began"),
    ("go_to", "where the dialplan goes on is told by `variable(\"CONTEXT\")`, `variable(\"EXTEN\")`"),
    ("say", "what the script says is heard by `expect_prompt` and `wait_for`"),
    ("ask", "the caller answers by `press(keys)`"),
    ("collect", "the caller answers by `press(keys)`"),
    ("confirm", "the caller answers by `press(keys)`"),
    ("menu", "the caller answers by `press(keys)`"),
    ("dial", "what a `dial` comes to is said in `place_call(script, #{ dial_status: \"BUSY\" })`"),
    ("stream_file", "what the script plays is heard by `expect_prompt` and `wait_for`"),
    ("control_stream_file", "what the script plays is heard by `expect_prompt` and `wait_for`"),
    ("get_data", "the caller answers by `press(keys)`"),
    ("get_option", "the caller answers by `press(keys)`"),
    ("wait_for_digit", "the caller answers by `press(keys)`"),
    ("say_number", "a number that is spoken is heard by `expect_number` and `next_number`"),
    ("say_digits", "digits that are spoken are heard by `expect_prompt(\"digits 12\")` and `next_digits`"),
    ("database_get", "`database(family, key)` and `expect_database` look into AstDB"),
    ("database_put", "what is in AstDB before a call is said in `place_call(script, #{ database: #{ \"f/k\": 1 } })`"),
    ("database_del", "each test begins with an empty AstDB"),
    ("database_deltree", "each test begins with an empty AstDB"),
    ("get_variable", "`variable(name)` and `expect_variable` look at channel variables"),
    ("get_full_variable", "`variable(name)` and `expect_variable` look at channel variables"),
    ("set_variable", "a variable set before the call is said in `place_call(script, #{ variables: #{ NAME: 1 } })`"),
    ("receive_text", "the caller sends a text by `send_text(text)`"),
    ("receive_char", "the caller sends a text by `send_text(text)`"),
    ("record_file", "a recording is heard by `wait_for(\"recording\")`"),
    ("verbose", "`print(text)` prints"),
    ("noop", "`print(text)` prints"),
];

/// What to say of a function that scripts have and tests have not, and of what tests have instead.
fn hint_for_unavailable(name: &str) -> Option<(String, String)> {
    let instead = INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead);
    let known = || {
        COMMANDS.iter().any(|command| command.function.name == name)
            || BUILTINS.iter().chain(QUESTIONS).any(|function| function.name == name && !is_in_tests_too(name))
    };
    let instead = instead.or_else(|| known().then_some("a test is the caller: it presses keys and hears prompts"))?;
    Some((format!("`{name}` is for scripts that are called, not for their tests"), instead.to_owned()))
}

impl Language {
    /// What the tests of scripts, `*.test.rhai`, can say: the caller's part, and no commands.
    #[must_use]
    pub fn of_tests() -> Self {
        let mut module = Module::new();
        add_to_tests_too(&mut module);
        add_all(&mut module);
        let kept = |function: &&'static Function| hint_for_unavailable(function.name).is_none();
        let functions = VOCABULARY.iter().chain(BUILTINS.iter().filter(|f| kept(f))).copied().collect();
        Self::of(module, functions, hint_for_unavailable)
    }
}

/// Registers the words of tests.
fn add_all(module: &mut Module) {
    for &function in VOCABULARY {
        let Some(body) = body(function.name) else { continue };
        for arity in arities(function) {
            add(module, function.name, arity, move |context, values| {
                let call = Call::of(context)?;
                let Some(test) = call.extensions().get::<Arc<Test>>() else {
                    return Err("there is no test here".into());
                };
                let before = test.now();
                let result = body(&test, &mut part::Args { function, values });
                // A test that goes on for ever while no time passes is to be stopped.
                if test.now() > before {
                    call.state.usage.computes_anew();
                }
                result.map_err(|trouble| raise(&call, &test, context, trouble))
            });
        }
    }
}

/// What a test sees of trouble: what was expected and did not come ends it, and no `try` can catch that.
fn raise(call: &Call, test: &Arc<Test>, context: &NativeCallContext, trouble: part::Trouble) -> Box<EvalAltResult> {
    let position = context.call_position();
    match trouble {
        part::Trouble::Misuse(message) => EvalAltResult::ErrorRuntime(message.into(), position).into(),
        part::Trouble::Failed(failed) => {
            let (script, line) = (context.call_source().unwrap_or_default(), position.line().unwrap_or(0));
            let message = failed.message.clone();
            test.fail(Failed { at: (script.to_owned(), line, position.position().unwrap_or(0)), ..*failed });
            call.state.usage.stop();
            // Of errors that end a call at once Rhai forgets the place.
            EvalAltResult::ErrorRuntime(message.into(), position).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_does_something() {
        for function in VOCABULARY {
            assert!(body(function.name).is_some(), "{}", function.name);
            assert!(function.summary.ends_with('.') && !function.summary.contains(". "), "{}", function.name);
        }
        for (name, _) in INSTEAD {
            let known = COMMANDS.iter().any(|command| command.function.name == *name);
            assert!(known || BUILTINS.iter().chain(QUESTIONS).any(|function| function.name == *name), "{name}");
        }
    }
}
