//! The language of tests, and what it says about functions that only scripts have.

use super::args::{Args, WordError};
use super::expectation::FailedExpectation;
use super::test::Test;
use super::vocabulary::{Row, TABLE, VOCABULARY};
use crate::command::{COMMANDS, Function};
use crate::ivr::QUESTIONS;
use crate::script::{BUILTINS, Call, Language, add, add_to_tests_too, arities};
use rhai::{EvalAltResult, Module, NativeCallContext};
use std::sync::Arc;

/// Functions of scripts that tests have as well.
const SHARED: [&str; 7] = ["to_number", "random", "choose", "shuffle", "now", "date", "app_text"];

/// Functions of scripts that tests do not have, and what tests have instead.
const INSTEAD: &[(&str, &str)] = &[
    ("answer", "`place_call` places a call; whether to answer it is up to the script"),
    ("hangup", "the caller hangs up with `hang_up()`"),
    ("sleep", "`wait(seconds)` lets time pass"),
    ("exit", "a test ends at its end, or with `return`"),
    ("caller", "`place_call(script, #{ callerid: \"200\" })` says who calls"),
    ("elapsed", "`seconds()` returns the seconds since the call began"),
    ("go_to", "`variable(\"CONTEXT\")` and `variable(\"EXTEN\")` say where the dialplan goes on"),
    ("say", "`expect_prompt` and `wait_for` hear what the script says"),
    ("ask", "the caller answers with `press(keys)`"),
    ("collect", "the caller answers with `press(keys)`"),
    ("confirm", "the caller answers with `press(keys)`"),
    ("menu", "the caller answers with `press(keys)`"),
    ("dial", "`place_call(script, #{ dial_status: \"BUSY\" })` says how a `dial` ends"),
    ("stream_file", "`expect_prompt` and `wait_for` hear what the script plays"),
    ("control_stream_file", "`expect_prompt` and `wait_for` hear what the script plays"),
    ("get_data", "the caller answers with `press(keys)`"),
    ("get_option", "the caller answers with `press(keys)`"),
    ("wait_for_digit", "the caller answers with `press(keys)`"),
    ("say_number", "`expect_number` and `next_number` hear a spoken number"),
    ("say_digits", "`expect_prompt(\"digits 12\")` and `next_digits` hear spoken digits"),
    ("database_get", "`database(family, key)` and `expect_database` look into AstDB"),
    ("database_put", "`place_call(script, #{ database: #{ \"f/k\": 1 } })` fills AstDB before a call"),
    ("database_del", "each test starts with an empty AstDB"),
    ("database_deltree", "each test starts with an empty AstDB"),
    ("get_variable", "`variable(name)` and `expect_variable` look at channel variables"),
    ("get_full_variable", "`variable(name)` and `expect_variable` look at channel variables"),
    ("set_variable", "`place_call(script, #{ variables: #{ NAME: 1 } })` sets variables before a call"),
    ("receive_text", "the caller sends text with `send_text(text)`"),
    ("receive_char", "the caller sends text with `send_text(text)`"),
    ("record_file", "`wait_for(\"recording\")` notices a recording"),
    ("verbose", "`print(text)` prints"),
    ("noop", "`print(text)` prints"),
];

/// Returns what to say about a function that scripts have but tests don't, and what tests have instead.
fn hint_for_unavailable(name: &str) -> Option<(String, String)> {
    let instead = INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead);
    let known = || {
        COMMANDS.iter().any(|command| command.function.name == name)
            || BUILTINS.iter().chain(QUESTIONS).any(|function| function.name == name && !SHARED.contains(&name))
    };
    let instead = instead.or_else(|| known().then_some("a test is the caller: it presses keys and hears prompts"))?;
    Some((format!("`{name}` is for scripts, not for their tests"), instead.to_owned()))
}

impl Language {
    /// The language of tests of scripts, `*.test.rhai`: the caller's part, and no commands.
    #[must_use]
    pub fn of_tests() -> Self {
        let mut module = Module::new();
        add_to_tests_too(&mut module);
        add_words(&mut module);
        let kept = |function: &&'static Function| hint_for_unavailable(function.name).is_none();
        let functions = VOCABULARY.iter().chain(BUILTINS.iter().filter(|f| kept(f))).copied().collect();
        Self::of(module, functions, hint_for_unavailable)
    }
}

/// Registers the words of tests.
fn add_words(module: &mut Module) {
    for Row { function, body } in &TABLE {
        for arity in arities(function) {
            add(module, function.name, arity, move |context, values| {
                let call = Call::of(context)?;
                let Some(test) = call.extensions().get::<Arc<Test>>() else {
                    return Err("this works only in a test".into());
                };
                let before = test.now();
                let result = body(&test, &mut Args { function, values });
                // The limit on computing stops a test that runs on while no time passes.
                if test.now() > before {
                    call.state.usage.computes_anew();
                }
                result.map_err(|error| raise(&call, &test, context, error))
            });
        }
    }
}

/// The error that a test sees. An expectation that was not met ends the test, and no `try` can catch that.
fn raise(call: &Call, test: &Arc<Test>, context: &NativeCallContext, error: WordError) -> Box<EvalAltResult> {
    let position = context.call_position();
    match error {
        WordError::Misuse(message) => EvalAltResult::ErrorRuntime(message.into(), position).into(),
        WordError::Unmet(failed) => {
            let (script, line) = (context.call_source().unwrap_or_default(), position.line().unwrap_or(0));
            let message = failed.message.clone();
            test.fail(FailedExpectation { at: (script.to_owned(), line, position.position().unwrap_or(0)), ..*failed });
            call.state.usage.stop();
            // Rhai forgets the position of errors that end a call at once.
            EvalAltResult::ErrorRuntime(message.into(), position).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_about_functions_that_exist() {
        for (name, _) in INSTEAD {
            let known = COMMANDS.iter().any(|command| command.function.name == *name);
            assert!(known || BUILTINS.iter().chain(QUESTIONS).any(|function| function.name == *name), "{name}");
        }
    }
}
