//! `docs/commands.md`, written from the table.

use super::{COMMANDS, Command, Function, Kind, Minus, Need, Then};
use std::fmt::Write;

/// The reference page of all commands, of these functions besides, and of those that only tests have.
#[must_use]
pub fn page(builtins: &[&Function], of_tests: &[&Function]) -> String {
    let mut page = String::from(
        "# Commands\n\n<!-- Generated from the tables in src/command and src/script; refresh it with \
         AGI_RHAI_BLESS=1 cargo test. -->\n\n\
         Every AGI command is a function named by its verb. A failure is an error a script can catch:\n\
         `#{ kind, command, parameter, code, result, message, script, line }`. Numbers and verbs follow Asterisk 22.10.\n\n",
    );
    for command in COMMANDS {
        let function = &command.function;
        let _ = write!(
            page,
            "## {}\n\n`{}` sends `{}`. {}\n\n{}",
            function.name,
            function.signature(),
            command.verb,
            function.summary,
            article(function)
        );
    }
    let tests = "# In tests\n\nWhat only tests can say, `*.test.rhai`; see [testing.md](testing.md).\n\n";
    for (title, functions) in [("# Besides the commands\n\n", builtins), (tests, of_tests)] {
        page.push_str(title);
        for function in functions {
            let _ = write!(
                page,
                "## {}\n\n`{}` {}\n\n{}",
                function.name,
                function.signature(),
                function.summary,
                article(function)
            );
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// What there is to say of a function besides its summary: parameters, value, examples.
#[must_use]
pub fn article(function: &Function) -> String {
    let mut page = String::new();
    describe(&mut page, function);
    for note in notes(function) {
        let _ = writeln!(page, "* {note}");
    }
    examples(&mut page, function);
    page
}

/// What an author has to know of a command besides its parameters and its value; nothing of other functions.
#[must_use]
pub fn notes(function: &Function) -> Vec<&'static str> {
    let Some(command) = Command::of_function(function.name) else { return Vec::new() };
    let missing = match command.minus {
        Minus::Sound { then: Then::GoOn, .. } => Some("A missing sound file is logged; the call goes on without it."),
        Minus::Sound { then: Then::AskWith(_), .. } => {
            Some("A missing sound file is logged; the question is asked without it.")
        }
        _ => None,
    };
    let dead = if command.dead { "Works after the hangup." } else { "Does not work after the hangup." };
    missing.into_iter().chain([dead]).collect()
}

fn describe(page: &mut String, function: &Function) {
    for param in function.params {
        let optional = if param.need == Need::Optional { ", may be left out" } else { "" };
        let _ = writeln!(page, "* `{}` ({}{optional}): {}", param.name, param.kind.name(), param.doc);
        if let Kind::Options(options) = param.kind {
            for option in options {
                let usual = match option.need {
                    Need::Default(usual) if option.kind == Kind::Keys => format!(", `{usual:?}` if left out"),
                    Need::Default(usual) => format!(", {usual} if left out"),
                    Need::Required | Need::Optional => String::new(),
                };
                let _ = writeln!(page, "  * `{}` ({}{usual}): {}", option.name, option.kind.name(), option.doc);
            }
        }
    }
    let _ = writeln!(page, "* Gives {}.", function.returns.doc());
}

fn examples(page: &mut String, function: &Function) {
    page.push('\n');
    for example in function.examples {
        let caller =
            if example.caller.is_empty() { String::new() } else { format!("// the caller {}\n", example.caller) };
        let _ = writeln!(page, "```rhai\n{caller}{}  // {}\n```", example.script, example.value);
    }
    page.push('\n');
}
