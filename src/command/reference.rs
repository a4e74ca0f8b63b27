//! Writes `docs/commands.md` from the table.

use super::declaration::{Command, Function, MissingSound, OnMinusOne};
use super::param::{Kind, Need};
use super::table::Table;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Commands

<!-- Generated from the tables in src/command and src/script; refresh it with AGI_RHAI_BLESS=1 cargo test. -->

Every AGI command is a function of the same name: `STREAM FILE` is `stream_file`. Names, limits and results are those of
Asterisk 22.10. A failure is an error that a script can catch, with `try` and `catch`:
`#{ kind, command, parameter, code, result, message, script, line }`.

How to read the entries:

* In `name(a, b = 1, c?, d...)`, `a` must be given, `b` is 1 if it is left out, `c` may be left out, and `d` stands for
  any number of arguments.
* A *text* may also be given as a number. *Keys* are a text of `0`-`9`, `*`, `#` and `A`-`D`. An *integer* is a whole
  number, or a text that is one; a *number* may have a fraction; a *bool* is `true` or `false`. *Parts* are what
  [`say`](#say) takes.
* The comment after an example is its value. `hangup` and `end` mean that the script ends there; `failed:`, `refused:`
  and `argument:` are the kind of an error, and its message follows.

";

/// Writes the reference page: all commands, the other functions, and the functions that only tests have.
#[must_use]
pub fn page(commands: &Table, builtins: &[&Function], of_tests: &[&Function]) -> String {
    let mut page = String::from(INTRODUCTION);
    for command in commands.iter() {
        let function = &command.function;
        let _ = write!(
            page,
            "## {}\n\n`{}` sends `{}`.\n\n{}\n\n{}",
            function.name,
            function.signature(),
            command.verb,
            function.summary,
            article(function, Some(command))
        );
    }
    let tests = "# In tests\n\nWords that only tests have, which are in files `*.test.rhai`; see \
                 [testing.md](testing.md).\n\n";
    for (title, functions) in [("# Besides the commands\n\n", builtins), (tests, of_tests)] {
        page.push_str(title);
        for function in functions {
            let _ = write!(
                page,
                "## {}\n\n`{}`\n\n{}\n\n{}",
                function.name,
                function.signature(),
                function.summary,
                article(function, None)
            );
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Describes a function beyond its summary: its parameters, its value, examples, and notes on the command it sends.
#[must_use]
pub fn article(function: &Function, command: Option<&Command>) -> String {
    let mut page = String::new();
    describe(&mut page, function);
    for note in command.map(notes).unwrap_or_default() {
        let _ = writeln!(page, "* {note}");
    }
    examples(&mut page, function);
    page
}

/// Returns what an author must know about a command in addition to its parameters and value.
#[must_use]
pub fn notes(command: &Command) -> Vec<&'static str> {
    let missing = match command.on_minus_one {
        OnMinusOne::MissingSound(MissingSound::GoOn) => {
            Some("A missing sound file is logged; the call goes on without it.")
        }
        OnMinusOne::MissingSound(MissingSound::AskWith(_)) => {
            Some("A missing sound file is logged; the question is asked without it.")
        }
        OnMinusOne::Value | OnMinusOne::Failed => None,
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
    let _ = writeln!(page, "* Returns {}.", function.returns.doc());
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
