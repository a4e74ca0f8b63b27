//! The language of tests, and its hints about functions that only scripts have.

use super::args::{Args, WordError, WordResult};
use super::expectation::FailedExpectation;
use super::stand_in::AsteriskPart;
use super::test::Step;
use super::test::Test;
use super::vocabulary::{Body, Row, StandInBody, TABLE, VOCABULARY};
use super::words::keep_functions;
use crate::command::{ANSWER, Access, After, Command, Hears, Kind, NOOP, Plays, Table, VERBOSE, Waits};
use crate::ivr::QUESTIONS;
use crate::script::{
    BUILTINS, Call, Language, add, add_shared_with_tests, add_typed, is_shared_with_tests, words_of_rhai,
};
use rhai::{Dynamic, EvalAltResult, Module, NativeCallContext};
use std::sync::Arc;

/// Functions other than the commands that tests don't have, and what tests have instead.
const INSTEAD: &[(&str, &str)] = &[
    ("sleep", "`wait(seconds)` lets time pass"),
    ("exit", "a test ends at its end, or with `return`"),
    ("caller", "`place_call(script, #{ callerid: \"200\" })` says who calls"),
    ("elapsed", "`seconds()` returns the seconds since the call began"),
    ("say", "`expect_prompt` and `wait_for` hear what the script says"),
    ("ask", "the caller answers with `press(keys)`"),
    ("collect", "the caller answers with `press(keys)`"),
    ("confirm", "the caller answers with `press(keys)`"),
    ("menu", "the caller answers with `press(keys)`"),
    ("dial", "`place_call(script, #{ dial_status: \"BUSY\" })` says how a `dial` ends"),
    ("http_get", ANSWER_HTTP),
    ("http_post", ANSWER_HTTP),
    ("http_put", ANSWER_HTTP),
    ("http_patch", ANSWER_HTTP),
    ("http_delete", ANSWER_HTTP),
    ("sql_rows", ANSWER_SQL),
    ("sql_row", ANSWER_SQL),
    ("sql_value", ANSWER_SQL),
    ("sql_run", ANSWER_SQL),
    ("mail", "`expect_mail(to, text)` looks at the mails of the script"),
    ("run_program", "`answer_program(service, answer)` answers the script in the place of a program"),
    ("after_call", "`expect_job(function)` looks at what is to run after the call, and `run_jobs()` runs it"),
    ("call_out", "`expect_call_out(target)` looks at the calls that the script asked for"),
];

const ANSWER_HTTP: &str = "`answer_http(service, answer)` answers the script, and `expect_http` looks at what it asked";
const ANSWER_SQL: &str =
    "`set_up_sql(service, text)` makes a database for the script, and `expect_sql_value` looks into it";

/// Hints for commands, where the columns of the table don't determine them.
static INSTEAD_OF_COMMANDS: &[(&Command, &str)] = &[
    (&ANSWER, "`place_call` places a call; whether to answer it is up to the script"),
    (&VERBOSE, "`print(text)` prints"),
    (&NOOP, "`print(text)` prints"),
];

/// Returns what tests have instead of a command.
fn instead_of(command: &'static Command) -> &'static str {
    if let Some((_, instead)) = INSTEAD_OF_COMMANDS.iter().find(|(known, _)| std::ptr::eq(*known, command)) {
        return instead;
    }
    match (command.access, command.hears, command.plays) {
        (Access::ReadsVariable | Access::ReadsExpression, ..) => {
            "`variable(name)` and `expect_variable` look at channel variables"
        }
        (Access::SetsVariable, ..) => "`place_call(script, #{ variables: #{ NAME: 1 } })` sets variables before a call",
        (Access::ReadsEntry, ..) => "`database(family, key)` and `expect_database` look into AstDB",
        (Access::SetsEntry, ..) => "`place_call(script, #{ database: #{ \"f/k\": 1 } })` fills AstDB before a call",
        (Access::DeletesEntry | Access::DeletesEntries, ..) => "each test starts with an empty AstDB",
        (_, Hears::Text | Hears::Character, _) => "the caller sends text with `send_text(text)`",
        (_, Hears::Voice, _) => "`wait_for(\"recording\")` notices a recording",
        (_, _, Plays::Spoken("number")) => "`expect_number` and `next_number` hear a spoken number",
        (_, _, Plays::Spoken("digits")) => "`expect_prompt(\"digits 12\")` and `next_digits` hear spoken digits",
        (_, Hears::Digits { .. }, _) | (_, Hears::Key, Plays::Nothing) => "the caller answers with `press(keys)`",
        (_, Hears::Key, Plays::Sound(_)) if matches!(command.waits, Waits::AfterSound { .. }) => {
            "the caller answers with `press(keys)`"
        }
        (_, Hears::Key, Plays::Sound(_)) => "`expect_prompt` and `wait_for` hear what the script plays",
        _ if command.function.params.first().is_some_and(|param| param.kind == Kind::Application) => {
            "`place_call(script, #{ applications: #{ Queue: |args| 0 } })` says what an application does, and \
             `executed()` which ones the script has run"
        }
        _ if command.after == After::HangsUp => "the caller hangs up with `hang_up()`",
        _ => CALLERS_PART,
    }
}

/// The hint for anything else.
const CALLERS_PART: &str = "a test is the caller: it presses keys and hears prompts";

/// Returns what to say about a function that scripts have but tests don't, and what tests have instead.
fn hint_for_unavailable(name: &str) -> Option<(String, String)> {
    // Tests have words of their own by the names of commands.
    if VOCABULARY.iter().any(|word| word.name == name) {
        return None;
    }
    let listed = || INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead);
    let is_left = || BUILTINS.iter().chain(QUESTIONS).any(|known| known.name == name && !is_shared_with_tests(name));
    let instead = match Table::new().of_function(name) {
        Some(command) => instead_of(command),
        None => listed().or_else(|| is_left().then_some(CALLERS_PART))?,
    };
    Some((format!("`{name}` is for scripts, not for their tests"), instead.to_owned()))
}

impl Language {
    /// Creates the language of tests of scripts, `*.test.rhai`: it has the caller's part, and no commands.
    #[must_use]
    pub fn of_tests() -> Self {
        let mut module = Module::new();
        take_away(&mut module);
        add_shared_with_tests(&mut module);
        add_words(&mut module);
        let functions = VOCABULARY.iter().chain(BUILTINS.iter().filter(|f| is_shared_with_tests(f.name)));
        let functions = functions.copied().collect();
        Self::of(module, |_, _| {}, functions, hint_for_unavailable)
    }
}

/// Takes from tests what Rhai itself has of the functions that tests lack. Its `exit` would pass a test before its
/// expectations, and its `sleep` would really wait.
fn take_away(module: &mut Module) {
    for (name, types) in words_of_rhai().into_iter().filter(|(name, _)| hint_for_unavailable(name).is_some()) {
        add_typed(module, &name.clone(), &types, move |context, _| {
            Err(EvalAltResult::ErrorFunctionNotFound(format!("{name} ()"), context.call_position()).into())
        });
    }
}

/// Registers the words of tests.
fn add_words(module: &mut Module) {
    for Row { function, body, in_stand_ins } in &TABLE {
        for arity in function.arities() {
            add(module, function.name, arity, move |context, values| {
                let call = Call::of(context)?;
                let mut args = Args { function, context, values };
                if let Some(part) = call.extensions().get::<Arc<AsteriskPart>>() {
                    return in_stand_in(&call, &part, *in_stand_ins, &mut args);
                }
                let Some(test) = call.extensions().get::<Arc<Test>>() else {
                    return Err("this works only in a test".into());
                };
                let (result, time_passed) = match body {
                    Body::Keeps(body) => (body(&test, &mut args), false),
                    body => match test.replay(function.name, || keep_functions(&args)) {
                        Some(known) => known,
                        None => match say(&test, body, &mut args) {
                            Some(said) => said,
                            None => return Err(suspend(&call, context)),
                        },
                    },
                };
                // The limit on computing stops a test that keeps running while no time passes.
                if time_passed {
                    call.state.usage.restart_computing();
                }
                result.map_err(|error| raise(&call, &test, context, error))
            });
        }
    }
}

/// Runs a word. Returns its value, and whether time has passed; or nothing, if the call must go on first.
fn say(test: &Arc<Test>, body: &Body, args: &mut Args<'_, '_>) -> Option<(WordResult, bool)> {
    let before = test.now();
    let word = args.function.name;
    let step = match body {
        Body::AtOnce(body) | Body::Keeps(body) => body(test, args).map(Step::Done),
        Body::Waits(body) | Body::Places(body) => body(test, args),
    };
    let result = match test.finish(step) {
        Some(result) => {
            if test.scripts.repeats {
                test.note(word, result.clone());
            }
            result
        }
        None => test.wait(word)?,
    };
    Some((result, test.now() > before))
}

/// Ends this run of the test, which goes on in another one.
fn suspend(call: &Call, context: &NativeCallContext) -> Box<EvalAltResult> {
    call.state.usage.stop();
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, context.call_position()).into()
}

/// Runs a word in a function that stands in for something of the dialplan.
fn in_stand_in(
    call: &Call,
    part: &AsteriskPart,
    body: Option<StandInBody>,
    args: &mut Args<'_, '_>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let position = args.context.call_position();
    let Some(body) = body else {
        let names: Vec<_> =
            TABLE.iter().filter(|row| row.in_stand_ins.is_some()).map(|row| row.function.name).collect();
        let message = format!(
            "{}: a function that stands in for a part of the dialplan plays Asterisk, not the caller: it can use {}",
            args.function.name,
            names.join(", ")
        );
        return Err(EvalAltResult::ErrorRuntime(message.into(), position).into());
    };
    let before = part.line().state().now;
    let result = body(part, args);
    if part.line().state().now > before {
        call.state.usage.restart_computing();
    }
    result.map_err(|error| match error {
        WordError::Misuse(message) => EvalAltResult::ErrorRuntime(message.into(), position).into(),
        WordError::Over => {
            call.state.usage.stop();
            EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
        }
        WordError::Unmet(failed) => {
            call.state.usage.stop();
            let at = place(args.context);
            part.line().state().failed_in_stand_in.get_or_insert(FailedExpectation { at, ..*failed });
            EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
        }
    })
}

/// Returns the place of a call in a test: script, line and column.
fn place(context: &NativeCallContext) -> (String, usize, usize) {
    let position = context.call_position();
    let script = context.call_source().unwrap_or_default().to_owned();
    (script, position.line().unwrap_or(0), position.position().unwrap_or(0))
}

/// Returns the error that a test sees. An expectation that was not met ends the test, and no `try` can catch that.
fn raise(call: &Call, test: &Arc<Test>, context: &NativeCallContext, error: WordError) -> Box<EvalAltResult> {
    let position = context.call_position();
    match error {
        WordError::Misuse(message) => EvalAltResult::ErrorRuntime(message.into(), position).into(),
        WordError::Over => EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into(),
        WordError::Unmet(mut failed) => {
            let message = failed.message.clone();
            // What failed in a function that stands in for something has its place already.
            if failed.at.1 == 0 {
                failed.at = place(context);
            }
            test.fail(*failed);
            call.state.usage.stop();
            // Rhai forgets the position of errors that end a call at once.
            EvalAltResult::ErrorRuntime(message.into(), position).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SERVICES;

    #[test]
    fn hints_are_about_functions_that_exist() {
        for (name, _) in INSTEAD {
            assert!(BUILTINS.iter().chain(QUESTIONS).chain(SERVICES).any(|function| function.name == *name), "{name}");
        }
    }

    #[test]
    fn a_function_that_tests_lack_fails_with_its_hint_though_rhai_has_one_of_that_name() {
        let language = Language::of_tests();
        let mut taken = Vec::new();
        for (name, types) in language.reachable() {
            if hint_for_unavailable(&name).is_none() {
                continue;
            }
            let sample = |kind: &&str| match *kind {
                "int" => "1",
                "float" => "0.5",
                _ => "()",
            };
            let call = format!("{name}({})", types.iter().map(sample).collect::<Vec<_>>().join(", "));
            let error = language.engine().run(&call).unwrap_err();
            assert!(matches!(*error, EvalAltResult::ErrorFunctionNotFound(..)), "{call}: {error}");
            taken.push(call);
        }
        assert_eq!(taken, ["exit()", "exit(())", "sleep(0.5)", "sleep(1)"]);
    }
}
