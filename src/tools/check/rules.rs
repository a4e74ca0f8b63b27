//! The rules of the checker: their names, and what they are for.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It fails when the line runs.
    Error,
    /// It is probably a mistake.
    Warning,
}

/// One kind of mistake that the checker finds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Its name, such as `unknown-function`.
    pub name: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// The mistake, in one sentence.
    pub summary: &'static str,
    /// Why it is wrong, and what to do about it.
    pub help: &'static str,
    /// Whether it fails only when the line runs, so that a `try` around it catches the failure.
    pub(super) can_be_caught: bool,
}

const fn error(name: &'static str, summary: &'static str, help: &'static str) -> Rule {
    Rule { name, severity: Severity::Error, summary, help, can_be_caught: false }
}

/// Returns a rule whose mistakes fail when the line runs.
const fn fails(name: &'static str, summary: &'static str, help: &'static str) -> Rule {
    Rule { can_be_caught: true, ..error(name, summary, help) }
}

const fn warning(name: &'static str, summary: &'static str, help: &'static str) -> Rule {
    Rule { name, severity: Severity::Warning, summary, help, can_be_caught: false }
}

pub(super) static SYNTAX: Rule = error(
    "syntax",
    "The script has a syntax error.",
    "The script cannot run until this is fixed. What comes after it is not checked.",
);
pub(super) static UNKNOWN_FUNCTION: Rule = fails(
    "unknown-function",
    "The script calls a function that does not exist.",
    "It is not a command, nor a function of Rhai, the script or an import. Check the spelling: names are in lower \
     case with underscores.",
);
pub(super) static ARGUMENT_COUNT: Rule = fails(
    "argument-count",
    "A function is called with too many or too few arguments.",
    "`agi-rhai commands NAME` shows what a command takes. In a method call, the value before the dot is the first \
     argument.",
);
pub(super) static BAD_ARGUMENT: Rule = fails(
    "bad-argument",
    "An argument is one that the command never accepts.",
    "Milliseconds are whole numbers (5000, not \"5s\"), keys are 0-9, *, #, A-D, and some arguments are one of a few \
     words.",
);
pub(super) static NOT_ALLOWED: Rule = fails(
    "not-allowed",
    "A command asks Asterisk to run something that scripts may not make it run.",
    "Scripts may use those applications and functions of Asterisk that run no programs, touch no files and start no \
     other code of the dialplan. The operator allows others by name with `--allow-exec`; give the same \
     option to the checker.",
);
pub(super) static UNKNOWN_OPTION: Rule = fails(
    "unknown-option",
    "A map of options has a name that the function does not know.",
    "A misspelt option would change nothing, so the function refuses it.",
);
pub(super) static UNDEFINED_VARIABLE: Rule = error(
    "undefined-variable",
    "The script uses a variable that does not exist.",
    "A variable exists from its `let` to the end of the block around it. A function does not see the script's \
     variables: pass it as a parameter, or keep it in `state`.",
);
pub(super) static UNDEFINED_IMPORT: Rule = error(
    "undefined-import",
    "The name before `::` is not an import of the script.",
    "Write `import \"lib/menu\" as menu;` above the first use. A function sees the imports above it.",
);
pub(super) static MISSING_IMPORT: Rule = error(
    "missing-import",
    "An imported script does not exist.",
    "Imports are looked for beside the script and below the scripts folder (`--scripts`), never elsewhere.",
);
pub(super) static BROKEN_IMPORT: Rule = error(
    "broken-import",
    "An imported script has a fault.",
    "Neither script can run until it is fixed. An imported script may only define functions and constants: commands \
     at its top are a fault, since there is no call yet.",
);
pub(super) static TEXT_AS_NUMBER: Rule = fails(
    "text-as-number",
    "A text is compared with a number, or used in a calculation.",
    "Keys, digits, variables and entries of AstDB are text, and \"5\" is not 5. `to_number(text)` turns it into a \
     number, or into `()` if it is not one.",
);
pub(super) static READ_ONLY: Rule = fails(
    "read-only",
    "The script changes a constant, or a value that belongs to the call.",
    "`env`, `args` and `params` say how the call began and never change. Keep your own values in `state` or in \
     variables.",
);
pub(super) static CONDITION: Rule = fails(
    "condition-not-bool",
    "A condition is neither true nor false.",
    "Rhai accepts only `true` and `false` as a condition. Compare: `if key != \"\"`, `if count > 0`.",
);
pub(super) static AFTER_HANGUP: Rule = error(
    "after-hangup",
    "`on_hangup` uses a command that needs the caller.",
    "After the hangup nobody listens any more, and Asterisk refuses such commands. Database, variables, `verbose` and \
     `exec` still work: `agi-rhai commands NAME` says it for each command.",
);
pub(super) static ASYNC_AGI: Rule = warning(
    "async-agi",
    "`on_hangup` uses a command, and calls may come by AsyncAGI.",
    "A hangup ends AsyncAGI, so the command is refused there. Checked only where `agi-rhai.toml` names a `[manager.NAME]`. \
     The store and other services work in any call.",
);
pub(super) static ASTERISK_VERSION: Rule = fails(
    "asterisk-version",
    "This version of Asterisk does not have that command, argument or application.",
    "Checked only with `--asterisk VERSION`. A version has an application if its last release has it.",
);
pub(super) static ENDLESS_LOOP: Rule = warning(
    "endless-loop",
    "Nothing in a loop ends it, and it asks the caller for nothing.",
    "A loop ends with `break`, `return`, `exit()` or its condition. One that never waits keeps a processor busy until \
     the host stops the script; one that only plays prompts ends when the caller hangs up.",
);
pub(super) static UNREACHABLE: Rule = warning(
    "unreachable-code",
    "A statement can never run.",
    "It comes after one that never returns: `hangup()`, `exit()`, `go_to`, `return`, `throw`, `break`, `continue` or \
     an endless loop.",
);
pub(super) static UNUSED_VARIABLE: Rule = warning(
    "unused-variable",
    "A variable is never read.",
    "It may be misspelt where it should be read. Remove it if it is not needed; names that begin with `_` are not \
     reported.",
);
pub(super) static UNUSED_PARAMETER: Rule = warning(
    "unused-parameter",
    "A function does not use one of its parameters.",
    "Remove it here and where the function is called, or let its name begin with `_`.",
);
pub(super) static UNUSED_FUNCTION: Rule = warning(
    "unused-function",
    "A function is never called.",
    "It may be misspelt where it should be called. Functions of a script that only defines things are for other \
     scripts, and are not reported.",
);
pub(super) static UNUSED_IMPORT: Rule = warning(
    "unused-import",
    "An import is never used.",
    "Every import is read and compiled with the script: remove it.",
);
pub(super) static UNUSED_VALUE: Rule = warning(
    "unused-value",
    "A value is calculated but not used.",
    "`count == 5;` compares, and nothing uses the result: `=` sets a variable, `==` compares.",
);
pub(super) static NEVER_EQUAL: Rule = warning(
    "never-equal",
    "The script compares two values that are never equal.",
    "Values of different types are never equal. No key and no digits are `\"\"`, while a missing variable, entry of \
     AstDB or number is `()`.",
);
pub(super) static NO_VALUE: Rule = warning(
    "no-value",
    "The script uses the value of a function that returns nothing.",
    "In Rhai, methods such as `trim`, `replace`, `push` and `sort` change the value before the dot and return `()`: \
     write `number.trim();` on a line of its own, and then use `number`.",
);
pub(super) static EARLY_CALL: Rule = warning(
    "early-call",
    "A choice of a menu is a call, which runs before the menu.",
    "`\"1\": open()` calls `open` and makes what it returns the choice. `\"1\": || open()` is a function, which the menu \
     calls when the caller presses 1.",
);
pub(super) static WORDS_AS_SOUND: Rule = warning(
    "words-as-sound",
    "A sound file is named by words that should be said.",
    "Asterisk plays recordings and cannot read a text out. Give the recording a name, such as `welcome`, play that, and \
     write its words into the table of prompts, as `welcome: Welcome to the dentist`.",
);
pub(super) static TEST_NOT_RUN: Rule = warning(
    "test-not-run",
    "A test is never run.",
    "A test is a function without parameters whose name begins with `test_`, in a file whose name ends in `.test.rhai`.",
);
pub(super) static NO_ANSWER: Rule = warning(
    "no-answer",
    "The script plays something before it answers the call.",
    "Before the call is answered, most callers hear nothing. Write `answer();` above it. If the dialplan has answered, or \
     the sound is meant for a call that isn't answered, write `// agi-rhai: allow(no-answer)`.",
);
pub(super) static LOST_CHANGE: Rule = warning(
    "lost-change",
    "A value is changed that nothing keeps.",
    "`caller(\"\").trim();` changes a value that is in no variable. A function gets copies: what it changes in a \
     parameter is lost, unless it returns it.",
);
pub(super) static SHARED_LOOP_VARIABLE: Rule = warning(
    "shared-loop-variable",
    "Functions made in a loop share its variable.",
    "A closure sees the variable of a `for` itself, not the value that it had when the closure was made. After the loop, \
     all of them see the last value. A variable defined inside the loop is a new one each time.",
);
pub(super) static WRONG_UNIT: Rule = warning(
    "wrong-unit",
    "A time is most likely given in another unit.",
    "Asterisk's commands count milliseconds, but `sleep`, `dial` and the options of questions count seconds. \
     `agi-rhai commands NAME` tells the unit.",
);
pub(super) static DIALPLAN_SYNTAX: Rule = warning(
    "dialplan-syntax",
    "A name is written as in the dialplan, or not as the dialplan needs it.",
    "`get_variable(\"X\")` takes the name alone, `get_full_variable(\"${X}\")` an expression, and Dial takes a technology \
     and a name: `PJSIP/200`.",
);
pub(super) static NOT_INTERPOLATED: Rule = warning(
    "not-interpolated",
    "A text in double quotes contains `${...}` with a variable of the script.",
    "Only a text in backticks takes in values: `` `You are ${name}` ``.",
);
pub(super) static SHADOWED_NAME: Rule = warning(
    "shadowed-name",
    "A variable has the name of a value of the call.",
    "`env`, `args`, `params` and `state` belong to the call. A variable of that name hides them.",
);
pub(super) static UNKNOWN_ENVIRONMENT: Rule = warning(
    "unknown-environment",
    "Asterisk sends nothing of this name at the start of a call.",
    "`env` has `agi_callerid`, `agi_channel`, `agi_extension` and the like; any other name is `()`.",
);
pub(super) static UNKNOWN_TIME_ZONE: Rule = warning(
    "unknown-time-zone",
    "There is no time zone of this name, and Asterisk takes UTC instead.",
    "A zone is written as in the tz database: `Europe/Berlin`. Not checked on a machine without that database.",
);
pub(super) static UNKNOWN_SERVICE: Rule = fails(
    "unknown-service",
    "The operator's file has no service of this name, or does not allow this.",
    "`agi-rhai.toml` names the services that scripts may ask, and what they may ask of them: the methods of a web API, \
     whether a database is `read_only`, who may be called (`targets`) or written to (`to`). A path of a web API must \
     not leave its `url`. What a script puts together is known only in a call. Names are checked only if there is such \
     a file in the folder of the scripts, or the one given by `--config`. The server and a process per call warn of \
     it and run the script, since the service may be added at any time.",
);
pub(super) static MISSING_SOUND: Rule = warning(
    "missing-sound",
    "A prompt has no sound file.",
    "Checked only with `--sounds DIR`, as Asterisk would look for it: DIR/LANGUAGE/NAME.* and DIR/NAME.*. A prompt \
     that one of several languages lacks is reported too; if the script has a table of prompts, only for the languages \
     that the table has. Asterisk's own sounds are known.",
);
pub(super) static MISSING_WORDS: Rule = warning(
    "missing-words",
    "A prompt is not in the table of prompts beside the script.",
    "If there is a table (`game.prompts` beside `game.rhai`), it must have the words of every prompt that the script \
     plays, except for Asterisk's own sounds. The name may be misspelt here or there.",
);
pub(super) static MISSING_TRANSLATION: Rule = warning(
    "missing-translation",
    "A prompt or a phrase is missing in one of the languages of its table.",
    "Callers in that language hear the words of another. Lines above the first heading of a table of prompts are for \
     everybody if the table has an `[en]` of its own, and otherwise need a translation. For a single prompt without \
     words, write `; agi-rhai: allow(missing-translation)` above its line.",
);
pub(super) static SOUND_EXTENSION: Rule = warning(
    "sound-extension",
    "The name of a sound file has an ending.",
    "Asterisk adds the ending itself and chooses the format that suits the channel: `welcome`, not `welcome.wav`.",
);
pub(super) static UNUSED_PROMPT: Rule = warning(
    "unused-prompt",
    "The table of prompts has a prompt that is never played.",
    "It may be misspelt in the script or in the table. Checked only if the script names all its prompts in quotes.",
);
pub(super) static BAD_PROMPTS: Rule = error(
    "bad-prompts",
    "A line of the table of prompts is invalid.",
    "Each line is `name: words`, a language such as `[de]`, a comment after `;`, or blank.",
);
pub(super) static BAD_PHRASES: Rule = error(
    "bad-phrases",
    "A line of the table of phrases is invalid, or a phrase lacks a form for some numbers of a language.",
    "Each line of `game.phrases` is `name: sounds`, or `name form: sounds`; the forms are those of the language in \
     the heading above, such as `[en]`.",
);
pub(super) static UNKNOWN_PHRASE: Rule = warning(
    "unknown-phrase",
    "A phrase is not in the table of phrases beside the script.",
    "It may be misspelt here or there. Checked only if there is a table (`game.phrases` beside `game.rhai`).",
);
pub(super) static UNKNOWN_PROPERTY: Rule = fails(
    "unknown-property",
    "A text, number or array has no such property.",
    "Only maps have entries of their own. What other languages have as properties are functions here: `list.len()`, not \
     `list.length`.",
);
pub(super) static SQL_GLUED: Rule = error(
    "sql-glued",
    "A statement of SQL is put together from values.",
    "Whatever a caller enters could become a part of the statement, and do anything there. The statement must stand in \
     the script as one text, with `:name` in the place of each value; the values follow it: `sql_row(\"crm\", \"select \
     name from people where number = :number\", #{ number: caller() })`.",
);
pub(super) static SQL_VALUES: Rule = fails(
    "sql-values",
    "The values of a statement of SQL are not those that it names.",
    "Each `:name` in the statement needs a value of this name, and each value a place. A name is recognized outside quotes \
     and comments only.",
);
pub(super) static OTHERWISE_LACKS: Rule = warning(
    "otherwise-lacks",
    "`otherwise` lacks an entry that the script reads from the answer.",
    "If the service is unavailable, the function returns the value of `otherwise`. What the script reads from an answer \
     must be there, too, or it is ().",
);
pub(super) static CLOSURE_PARAMETERS: Rule = fails(
    "closure-parameters",
    "A closure has more parameters than it is called with, or fewer.",
    "`map`, `filter` and the like call it with an element and its index, `reduce` with the result so far before these, \
     and `sort` with two elements. A choice of a menu gets the keys.",
);
pub(super) static JOINED_NUMBER: Rule = warning(
    "joined-number",
    "`+` joins a text that came into the call with a number.",
    "Keys, variables and entries of AstDB are text: \"1\" + 1 is \"11\". To calculate, write `to_number(key) + 1`; to join \
     them, write `${key}1` in backticks.",
);
pub(super) static UNKNOWN_RULE: Rule = warning(
    "unknown-rule",
    "A comment allows a rule that does not exist.",
    "`// agi-rhai: allow(unused-variable)` takes the names of rules, separated by commas.",
);

/// All rules.
pub static RULES: &[&Rule] = &[
    &SYNTAX,
    &UNKNOWN_FUNCTION,
    &ARGUMENT_COUNT,
    &BAD_ARGUMENT,
    &NOT_ALLOWED,
    &UNKNOWN_OPTION,
    &UNDEFINED_VARIABLE,
    &UNDEFINED_IMPORT,
    &MISSING_IMPORT,
    &BROKEN_IMPORT,
    &TEXT_AS_NUMBER,
    &CONDITION,
    &READ_ONLY,
    &AFTER_HANGUP,
    &ASYNC_AGI,
    &ASTERISK_VERSION,
    &BAD_PROMPTS,
    &BAD_PHRASES,
    &ENDLESS_LOOP,
    &UNREACHABLE,
    &UNUSED_VARIABLE,
    &UNUSED_PARAMETER,
    &UNUSED_FUNCTION,
    &UNUSED_IMPORT,
    &UNUSED_VALUE,
    &NEVER_EQUAL,
    &NO_VALUE,
    &LOST_CHANGE,
    &EARLY_CALL,
    &WORDS_AS_SOUND,
    &TEST_NOT_RUN,
    &NO_ANSWER,
    &SHARED_LOOP_VARIABLE,
    &WRONG_UNIT,
    &DIALPLAN_SYNTAX,
    &NOT_INTERPOLATED,
    &SHADOWED_NAME,
    &UNKNOWN_ENVIRONMENT,
    &UNKNOWN_TIME_ZONE,
    &UNKNOWN_SERVICE,
    &MISSING_SOUND,
    &MISSING_WORDS,
    &MISSING_TRANSLATION,
    &SOUND_EXTENSION,
    &UNUSED_PROMPT,
    &UNKNOWN_PHRASE,
    &UNKNOWN_PROPERTY,
    &SQL_GLUED,
    &SQL_VALUES,
    &OTHERWISE_LACKS,
    &CLOSURE_PARAMETERS,
    &JOINED_NUMBER,
    &UNKNOWN_RULE,
];
