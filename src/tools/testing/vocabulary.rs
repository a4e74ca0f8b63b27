//! The words of tests: one table of their declarations and bodies.

use super::args::{Args, WordResult};
use super::call_options::CALL_OPTIONS;
use super::stand_in::AsteriskPart;
use super::test::StepResult;
use super::test::Test;
use super::words::{self, asterisk};
use crate::command::{Example, Function, Kind, Param, Returns, Type, declarations};
use std::sync::Arc;

/// A word, with its declaration and its body.
pub(super) struct Row {
    pub function: Function,
    pub body: Body,
    /// What it does in a function that stands in for something of the dialplan; `None` if it has no meaning there.
    pub in_stand_ins: Option<StandInBody>,
}

/// What a word does.
pub(super) enum Body {
    /// Something that takes no time.
    AtOnce(fn(&Arc<Test>, &mut Args<'_, '_>) -> WordResult),
    /// Keeps a function of the test, and so does it in each run of the test.
    Keeps(fn(&Arc<Test>, &mut Args<'_, '_>) -> WordResult),
    /// Lets time pass in the call.
    Waits(fn(&Arc<Test>, &mut Args<'_, '_>) -> StepResult),
    /// Places a call, among whose options are functions of the test.
    Places(fn(&Arc<Test>, &mut Args<'_, '_>) -> StepResult),
}

/// The body of a word in a function that stands in for something of the dialplan.
pub(super) type StandInBody = fn(&AsteriskPart, &mut Args<'_, '_>) -> WordResult;

const fn returns(doc: &'static str) -> Returns {
    Returns::Own { doc, value_type: Type::Unknown }
}

const fn param(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param::required(name, kind, doc)
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param::optional(name, kind, doc)
}

const fn example(script: &'static str, value: &'static str) -> Example {
    Example { caller: "", script, sends: "", reply: "", value }
}

const NOTHING: Returns = returns("nothing");
const PROMPT: Param = param(
    "prompt",
    Kind::Name,
    "A sound file's name, speech such as `number 42`, or `number` for any; `beep`, `recording`, `music`.",
);
const FAMILY: Param = param("family", Kind::Name, "Family of the key.");
const KEY: Param = param("key", Kind::Name, "Key.");

const SERVICE: Param = param("service", Kind::Name, "The name of the service, as the script gives it.");
const SERVICE_OR_TABLE: Param = param(
    "service",
    Kind::Name,
    "The name of the service, as the script gives it. `store` is that of the store, and of what is written down there: mails \
     and jobs; `callout` that of calls out; `speech.tts` and `speech.stt` those of all engines that speak and listen.",
);
/// The options of `speak`.
const OF_SPEECH: &[Param] = &[
    optional("heard", Kind::Text, "What an engine understands instead; `\"\"` for nothing."),
    Param::defaulted("confidence", Kind::Share, "1", "How sure it is, from 0 to 1."),
];

const STORE_KEY: Param = param("key", Kind::Name, "Key.");
const STORE_BOARD: Param = param("board", Kind::Name, "Name of the board.");

/// A function of scripts that tests have too, for the store.
const fn store_row(
    name: &'static str,
    summary: &'static str,
    params: &'static [Param],
    returns: Returns,
    examples: &'static [Example],
) -> Row {
    Row {
        function: Function { name, summary, params, returns, examples },
        body: Body::AtOnce(words::ask_store),
        in_stand_ins: None,
    }
}

pub(super) static TABLE: [Row; 51] = [
    Row {
        function: Function {
            name: "place_call",
            summary: "Calls a script: it runs up to its first prompt, question or pause.",
            params: &[
                param("script", Kind::Name, "The script, relative to the test's file; `.rhai` may be left out."),
                optional("options", Kind::Options(CALL_OPTIONS), "Who calls, and under which circumstances."),
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
        body: Body::Places(words::place_call),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "press",
            summary: "Presses keys of the telephone now, a tenth of a second apart if not given.",
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
        body: Body::Waits(words::press),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "wait",
            summary: "Lets time pass on the line; the caller does nothing.",
            params: &[param("seconds", Kind::Seconds, "Seconds, whole or fraction.")],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); wait(1.5); seconds()"#, "1.5")],
        },
        body: Body::Waits(words::wait),
        in_stand_ins: Some(asterisk::wait),
    },
    Row {
        function: Function {
            name: "wait_for",
            summary: "Lets time pass until this prompt begins, skipping others before it.",
            params: &[PROMPT],
            returns: returns("the prompt as text, such as `\"number 42\"`"),
            examples: &[example(r#"place_call("guess"); wait_for("guess-enter")"#, r#""guess-enter""#)],
        },
        body: Body::Waits(words::wait_for),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "wait_for_question",
            summary: "Lets time pass until the script listens for keys in silence.",
            params: &[],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); wait_for_question(); heard().len()"#, "3")],
        },
        body: Body::Waits(words::wait_for_question),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "hang_up",
            summary: "Hangs up now; the script runs to its end, `on_hangup` included.",
            params: &[],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); wait(2); hang_up(); ending()"#, r#""HANGUP""#)],
        },
        body: Body::Waits(words::hang_up),
        in_stand_ins: Some(asterisk::hang_up),
    },
    Row {
        function: Function {
            name: "send_text",
            summary: "Sends a text to the script, for `receive_text` and `receive_char`.",
            params: &[param("text", Kind::Text, "The text.")],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); send_text("hello")"#, "()")],
        },
        body: Body::Waits(words::send_text),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "speak",
            summary: "Says something now, to a script that listens.",
            params: &[
                param("text", Kind::Name, "What is said. A word takes 0.4 s."),
                optional("options", Kind::Options(OF_SPEECH), "What an engine makes of it."),
            ],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); speak("yes", #{ heard: "guess", confidence: 0.3 })"#, "()")],
        },
        body: Body::Waits(words::speak),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "set_variable",
            summary: "Sets a variable or a function of the dialplan, in a function that stands in for a part of it.",
            params: &[
                param("name", Kind::Name, "Its name, such as `QUEUESTATUS`."),
                param("value", Kind::Any, "Its value, a text or a number."),
            ],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::AtOnce(words::set_variable),
        in_stand_ins: Some(asterisk::set_variable),
    },
    Row {
        function: Function {
            name: "go_to",
            summary: "Ends a function that stands in for a part of the dialplan, which then goes on at this place.",
            params: &[
                param("context", Kind::Name, "Context."),
                Param::defaulted("extension", Kind::Name, "s", "Extension."),
                Param::defaulted("priority", Kind::Name, "1", "Priority, a number."),
            ],
            returns: Returns::Never,
            examples: &[],
        },
        body: Body::AtOnce(words::go_to),
        in_stand_ins: Some(asterisk::go_to),
    },
    Row {
        function: Function {
            name: "next_prompt",
            summary: "Waits for the next prompt to begin.",
            params: &[],
            returns: returns(
                "the prompt as text, such as `\"guess-enter\"` or `\"number 42\"`; `()` when the call has ended",
            ),
            examples: &[example(r#"place_call("guess"); next_prompt()"#, r#""guess-welcome""#)],
        },
        body: Body::Waits(words::next_prompt),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "next_number",
            summary: "Waits for the next number that is spoken by SAY NUMBER or SAY DIGITS, skipping other prompts before it.",
            params: &[],
            returns: returns("an integer"),
            examples: &[example(r#"place_call("guess", #{ database: #{ "guess/100": 7 } }); next_number()"#, "7")],
        },
        body: Body::Waits(words::next_number),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "next_digits",
            summary: "Waits for the next digits that are spoken by SAY DIGITS or SAY NUMBER, skipping other prompts before them.",
            params: &[],
            returns: returns("a text, which keeps leading zeros: to press, for instance"),
            examples: &[example(r#"place_call("memory"); press("1"); next_digits().len()"#, "3")],
        },
        body: Body::Waits(words::next_digits),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "heard",
            summary: "Returns all prompts of this call so far.",
            params: &[],
            returns: returns("an array of texts"),
            examples: &[example(r#"place_call("guess"); heard()"#, r#"["guess-welcome"]"#)],
        },
        body: Body::AtOnce(words::heard),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "variable",
            summary: "Returns a channel variable or a function of the dialplan, as it is in this call.",
            params: &[param(
                "name",
                Kind::Name,
                "Its name, or a function such as `CALLERID(name)`; `CONTEXT`, `EXTEN`, `PRIORITY` are where the dialplan goes on, `CHANNEL(state)` is `Up` once answered.",
            )],
            returns: returns("a text; `()` when it is unset"),
            examples: &[example(r#"place_call("memory"); hang_up(); variable("MEMORY_SCORE")"#, r#""0""#)],
        },
        body: Body::AtOnce(words::variable),
        in_stand_ins: Some(asterisk::variable),
    },
    Row {
        function: Function {
            name: "database",
            summary: "Returns a value of AstDB.",
            params: &[FAMILY, KEY],
            returns: returns("a text; `()` when there is none"),
            examples: &[example(r#"place_call("subtraction"); hang_up(); database("subtraction", "100")"#, r#""0""#)],
        },
        body: Body::AtOnce(words::database),
        in_stand_ins: Some(asterisk::database),
    },
    Row {
        function: Function {
            name: "executed",
            summary: "Returns the applications that the script has run, with their arguments.",
            params: &[],
            returns: returns("an array of texts such as `\"Dial(PJSIP/200,30,g)\"`"),
            examples: &[example(r#"place_call("guess"); executed()"#, "[]")],
        },
        body: Body::AtOnce(words::executed),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "log",
            summary: "Returns what the script printed in this call, and the host's warnings.",
            params: &[],
            returns: returns("an array of texts"),
            examples: &[example(r#"place_call("guess"); log()"#, "[]")],
        },
        body: Body::AtOnce(words::log),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "ending",
            summary: "Returns how the call ended.",
            params: &[],
            returns: returns("`\"SUCCESS\"`, `\"HANGUP\"` or `\"FAILURE\"`; `()` during the call"),
            examples: &[example(r#"place_call("guess"); ending()"#, "()")],
        },
        body: Body::AtOnce(words::ending),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "seconds",
            summary: "Returns the seconds since the call began.",
            params: &[],
            returns: returns("a number with a fraction"),
            examples: &[example(r#"place_call("guess"); wait(1); seconds()"#, "1.0")],
        },
        body: Body::AtOnce(words::seconds),
        in_stand_ins: Some(asterisk::seconds),
    },
    Row {
        function: Function {
            name: "expect",
            summary: "Fails the test unless this is true.",
            params: &[
                param("condition", Kind::Any, "What must be true."),
                optional("message", Kind::Text, "The message if it is not."),
            ],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); expect(seconds() < 1, "it has just begun")"#, "()")],
        },
        body: Body::AtOnce(words::expect),
        in_stand_ins: Some(asterisk::expect),
    },
    Row {
        function: Function {
            name: "expect_equal",
            summary: "Fails the test unless two values are the same.",
            params: &[
                param("actual", Kind::Any, "The actual value."),
                param("expected", Kind::Any, "The expected value."),
            ],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); expect_equal(heard().len(), 1)"#, "()")],
        },
        body: Body::AtOnce(words::expect_equal),
        in_stand_ins: Some(asterisk::expect_equal),
    },
    Row {
        function: Function {
            name: "expect_prompt",
            summary: "Waits for the next prompt to begin, which must be this one.",
            params: &[PROMPT],
            returns: NOTHING,
            examples: &[example(
                r#"place_call("guess"); expect_prompt("guess-welcome"); expect_prompt("guess-start")"#,
                "()",
            )],
        },
        body: Body::Waits(words::expect_prompt),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_number",
            summary: "Waits for the next prompt to begin, which must be this number.",
            params: &[param("number", Kind::INT, "The number.")],
            returns: NOTHING,
            examples: &[example(
                r#"place_call("guess", #{ database: #{ "guess/100": 7 } }); wait_for("guess-best"); expect_number(7)"#,
                "()",
            )],
        },
        body: Body::Waits(words::expect_number),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_said",
            summary: "Waits for the next prompt to begin, which must be what `say` makes of this part.",
            params: &[param(
                "part",
                Kind::Any,
                "A part as `say` takes it: `42`, `#{ number: 2, gender: \"f\" }`, `#{ digits: \"0412\" }`, \
                 `#{ date: \"2026-12-03 09:30\", format: \"IMp\", zone: \"Europe/Berlin\" }`, a sound file, or an array of \
                 these. Of what it leaves out, anything will do; `()` means that the script gave none.",
            )],
            returns: NOTHING,
            examples: &[example(
                r#"place_call("guess", #{ database: #{ "guess/100": 7 } }); wait_for("guess-best"); expect_said(#{ number: 7 })"#,
                "()",
            )],
        },
        body: Body::Waits(words::expect_said),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_spoken",
            summary: "Waits for the next prompt to begin, which must be this text, spoken by an engine.",
            params: &[param("text", Kind::Text, "The text, as in a part `#{ text: ... }`.")],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::Waits(words::expect_spoken),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_variable",
            summary: "Fails the test unless this channel variable has this value.",
            params: &[
                param("name", Kind::Name, "Its name."),
                param("value", Kind::Any, "Its value; `()` for an unset variable."),
            ],
            returns: NOTHING,
            examples: &[example(r#"place_call("memory"); hang_up(); expect_variable("MEMORY_SCORE", 0)"#, "()")],
        },
        body: Body::AtOnce(words::expect_variable),
        in_stand_ins: Some(asterisk::expect_variable),
    },
    Row {
        function: Function {
            name: "expect_database",
            summary: "Fails the test unless AstDB has this value.",
            params: &[FAMILY, KEY, param("value", Kind::Any, "The value; `()` for a missing key.")],
            returns: NOTHING,
            examples: &[example(
                r#"place_call("subtraction"); hang_up(); expect_database("subtraction", "100", 0)"#,
                "()",
            )],
        },
        body: Body::AtOnce(words::expect_database),
        in_stand_ins: Some(asterisk::expect_database),
    },
    Row {
        function: Function {
            name: "expect_log",
            summary: "Fails the test unless a line of the script's log contains this text.",
            params: &[param("text", Kind::Name, "The text, or a part of it.")],
            returns: NOTHING,
            examples: &[example(
                r#"place_call("guess", #{ missing: ["guess-start"] }); wait_for("guess-enter"); expect_log("guess-start")"#,
                "()",
            )],
        },
        body: Body::AtOnce(words::expect_log),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_end",
            summary: "Lets the script run to its end while the caller does nothing more; it must end with this status.",
            params: &[Param::defaulted(
                "status",
                Kind::Word(&["SUCCESS", "HANGUP", "FAILURE"]),
                "SUCCESS",
                "SUCCESS at the end of the script, HANGUP if the call ended before, FAILURE after a fault.",
            )],
            returns: NOTHING,
            examples: &[example(r#"place_call("guess"); expect_end()"#, "()")],
        },
        body: Body::Waits(words::expect_end),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_fault",
            summary: "Lets the script run to its end, which must be this fault.",
            params: &[param("text", Kind::Text, "The fault's message, or a part of it.")],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::Waits(words::expect_fault),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "answer_http",
            summary: "Answers in the place of a web API, from now on and in all calls of this test.",
            params: &[
                SERVICE,
                param(
                    "answers",
                    Kind::Any,
                    "A function `|request| #{ status: 200, headers: #{}, body: #{} }`, or such a map. `request` has `method`, \
                     `path`, `query`, `headers` and `body`; what an answer leaves out is 200, `#{}` and `\"\"`. A failure \
                     is `#{ kind: \"failed\", message: \"...\" }`, as for every service.",
                ),
            ],
            returns: NOTHING,
            examples: &[example(
                r#"answer_http("weather", |request| #{ body: #{ at: request.path, celsius: 21 } }); place_call("guess")"#,
                "()",
            )],
        },
        body: Body::Keeps(words::answer_http),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "set_up_sql",
            summary: "Has an SQLite in memory stand in for a database, and runs these statements in it.",
            params: &[
                SERVICE,
                param("text", Kind::Text, "Statements, each of which ends with a semicolon, in the SQL of SQLite."),
            ],
            returns: NOTHING,
            examples: &[example(
                r#"set_up_sql("crm", "create table people (number, name)"); set_up_sql("crm", "insert into people values ('100', 'Ann')")"#,
                "()",
            )],
        },
        body: Body::AtOnce(words::set_up_sql),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "answer_sql",
            summary: "Answers in the place of a database what an SQLite can't, from now on and in all calls of this test.",
            params: &[
                SERVICE,
                param(
                    "answers",
                    Kind::Any,
                    "A function `|text, values| rows`. It returns an array of maps, one for each row, and how many rows \
                     were changed for `sql_run`; for `()`, the database of `set_up_sql` is asked.",
                ),
            ],
            returns: NOTHING,
            examples: &[example(
                r#"answer_sql("crm", |text, values| if "full_text" in text { [#{ name: "Ann" }] }); place_call("guess")"#,
                "()",
            )],
        },
        body: Body::Keeps(words::answer_sql),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "answer_program",
            summary: "Answers in the place of a program, from now on and in all calls of this test.",
            params: &[
                SERVICE,
                param(
                    "answers",
                    Kind::Any,
                    "A function `|arguments, input| #{ status: 0, output: \"\", error: \"\" }`, or such a map; a text is the \
                     output.",
                ),
            ],
            returns: NOTHING,
            examples: &[example(
                r#"answer_program("fortune", |arguments| "You will win."); place_call("guess")"#,
                "()",
            )],
        },
        body: Body::Keeps(words::answer_program),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "service_is_down",
            summary: "Makes a service unreachable from now on, or lets it be reached again.",
            params: &[
                SERVICE_OR_TABLE,
                Param::defaulted(
                    "yes",
                    Kind::Any,
                    "true",
                    "Whether it is down, or a failure such as `#{ kind: \"unavailable\", message: \"...\" }`; an array says \
                     it of each further request in turn.",
                ),
            ],
            returns: NOTHING,
            examples: &[example(r#"service_is_down("weather"); place_call("guess")"#, "()")],
        },
        body: Body::AtOnce(words::service_is_down),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "service_is_slow",
            summary: "Makes a service take this long for each answer from now on, by the clock of the call.",
            params: &[
                SERVICE_OR_TABLE,
                param(
                    "seconds",
                    Kind::Any,
                    "Seconds, whole or fraction; 0 ends it. An array says it of each further request in turn.",
                ),
            ],
            returns: NOTHING,
            examples: &[example(r#"service_is_slow("weather", 1.5); place_call("guess")"#, "()")],
        },
        body: Body::AtOnce(words::service_is_slow),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_http",
            summary: "Fails the test unless a web API was asked this.",
            params: &[
                SERVICE,
                param(
                    "method",
                    Kind::Word(&["GET", "POST", "PUT", "PATCH", "DELETE"]),
                    "GET, POST, PUT, PATCH or DELETE.",
                ),
                param("path", Kind::Name, "The path that the script gave."),
                optional("body", Kind::Any, "What was sent: a part of a text, or some members of a map."),
            ],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::AtOnce(words::expect_http),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_sql_value",
            summary: "Fails the test unless this is the first value that a query finds in the database of `set_up_sql`.",
            params: &[
                SERVICE,
                param("text", Kind::Text, "The query."),
                param("values", Kind::Any, "Its values, by name; they may be left out."),
                optional("expected", Kind::Any, "The value, always the last argument; `()` if there is no row."),
            ],
            returns: NOTHING,
            examples: &[
                example(
                    r#"set_up_sql("crm", "create table people (name)"); expect_sql_value("crm", "select count(*) from people", 0)"#,
                    "()",
                ),
                example(
                    r#"set_up_sql("crm", "create table t (a, b); insert into t values (1, 'x')"); expect_sql_value("crm", "select b from t where a = :a", #{ a: 1 }, "x")"#,
                    "()",
                ),
            ],
        },
        body: Body::AtOnce(words::expect_sql_value),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_mail",
            summary: "Fails the test unless a script has sent a mail with this text.",
            params: &[
                param("to", Kind::Name, "One of its recipients."),
                param("text", Kind::Text, "A part of its subject or text."),
            ],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::AtOnce(words::expect_mail),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_job",
            summary: "Fails the test unless a script has asked by `after_call` for this function to run.",
            params: &[
                param("function", Kind::Name, "The name of the function."),
                optional("value", Kind::Any, "What it gets."),
            ],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::AtOnce(words::expect_job),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "run_jobs",
            summary: "Runs what scripts have left by `after_call`, without a channel, until nothing is left to run.",
            params: &[],
            returns: returns("how many functions ran to their end; one that lacks a service waits for the next time"),
            examples: &[example(r#"place_call("guess"); hang_up(); run_jobs()"#, "0")],
        },
        body: Body::AtOnce(words::run_jobs),
        in_stand_ins: None,
    },
    Row {
        function: Function {
            name: "expect_call_out",
            summary: "Fails the test unless a script has asked by `call_out` for this call.",
            params: &[
                param("target", Kind::Name, "Whom to call, such as `PJSIP/200`."),
                optional("options", Kind::Any, "Some of its options: `#{ callerid: \"100\" }`."),
            ],
            returns: NOTHING,
            examples: &[],
        },
        body: Body::AtOnce(words::expect_call_out),
        in_stand_ins: None,
    },
    store_row(
        "store_get",
        "Returns a value from the store that this test and its calls share.",
        &[STORE_KEY],
        returns("the value; `()` if there is none"),
        &[example(r#"store_get("best")"#, "()")],
    ),
    store_row(
        "store_put",
        "Stores a value for the calls of this test.",
        &[
            STORE_KEY,
            param("value", Kind::Any, "The value."),
            optional("options", Kind::Map, "`#{ expires: seconds }`, by the clock of the test."),
        ],
        NOTHING,
        &[example(r#"store_put("best", 7); store_get("best")"#, "7")],
    ),
    store_row("store_del", "Deletes a stored value.", &[STORE_KEY], NOTHING, &[]),
    store_row(
        "store_keys",
        "Returns the keys of the store that begin like this.",
        &[param("prefix", Kind::Text, "The beginning of the keys; `\"\"` for all.")],
        returns("an array of texts, in order"),
        &[example(r#"store_put("best", 7); store_keys("")"#, r#"["best"]"#)],
    ),
    store_row(
        "store_add",
        "Adds to a stored number.",
        &[STORE_KEY, param("n", Kind::Any, "What is added, a number.")],
        returns("the new number"),
        &[example(r#"store_add("calls", 2); store_add("calls", 1)"#, "3")],
    ),
    store_row(
        "board_put",
        "Enters a score in a board, which keeps the best of each name.",
        &[
            STORE_BOARD,
            param("name", Kind::Name, "Whose score it is."),
            param("score", Kind::Any, "The score, a number."),
        ],
        NOTHING,
        &[],
    ),
    store_row(
        "board_top",
        "Returns the best entries of a board.",
        &[STORE_BOARD, param("n", Kind::Any, "How many.")],
        returns("an array of `#{ rank, name, score }`, the best first"),
        &[example(r#"board_put("game", "Ann", 12); board_top("game", 3).len()"#, "1")],
    ),
    store_row(
        "board_rank",
        "Returns the rank of a name on a board.",
        &[STORE_BOARD, param("name", Kind::Name, "Whose rank it is.")],
        returns("the rank, from 1; `()` if the name isn't there"),
        &[example(r#"board_put("game", "Ann", 12); board_rank("game", "Ann")"#, "1")],
    ),
];

/// The functions of tests, for the reference and the checker.
pub static VOCABULARY: &[&Function] = &declarations!(TABLE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_one_sentence() {
        for function in VOCABULARY {
            assert!(function.summary.ends_with('.') && !function.summary.contains(". "), "{}", function.name);
        }
    }
}
