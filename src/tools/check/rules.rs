//! The rules of the checker: their names, and what they are for.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It goes wrong when the line runs.
    Error,
    /// It is most likely a mistake.
    Warning,
}

/// What the checker looks for.
#[derive(Debug)]
pub struct Rule {
    /// Its name, such as `unknown-function`.
    pub name: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: &'static str,
    /// Why that is wrong, and what to do.
    pub help: &'static str,
}

const fn error(name: &'static str, summary: &'static str, help: &'static str) -> Rule {
    Rule { name, severity: Severity::Error, summary, help }
}

const fn warning(name: &'static str, summary: &'static str, help: &'static str) -> Rule {
    Rule { name, severity: Severity::Warning, summary, help }
}

pub(super) static SYNTAX: Rule = error(
    "syntax",
    "The text is no script.",
    "The script cannot be run at all until this is mended. What comes behind it is not checked.",
);
pub(super) static UNKNOWN_FUNCTION: Rule = error(
    "unknown-function",
    "A function is called that does not exist.",
    "It is no command, no function of Rhai, none of the script's own and none of an import. Mind the spelling: names are \
     in lower case with underscores.",
);
pub(super) static ARGUMENT_COUNT: Rule = error(
    "argument-count",
    "A function is called with too many or too few arguments.",
    "`agi-rhai commands NAME` shows what a command takes. In a method call, what stands before the dot is the first \
     argument.",
);
pub(super) static BAD_ARGUMENT: Rule = error(
    "bad-argument",
    "An argument is one the command can never take.",
    "Milliseconds are whole numbers (5000, not \"5s\"), keys are 0-9, *, #, A-D, and some arguments are one of a few words.",
);
pub(super) static NOT_ALLOWED: Rule = error(
    "not-allowed",
    "A command asks Asterisk for what scripts may not have run.",
    "Scripts may use the applications and functions of Asterisk that run no program, touch no file and begin no other code \
     of the dialplan. Whoever runs agi-rhai allows others by name, with `--allow-exec`; tell it to the checker, too.",
);
pub(super) static UNKNOWN_OPTION: Rule = error(
    "unknown-option",
    "A map of options has a name in it the function does not know.",
    "Options are not guessed: one that is misspelt would change nothing, so the call is refused.",
);
pub(super) static UNDEFINED_VARIABLE: Rule = error(
    "undefined-variable",
    "A variable is named that is not there.",
    "A variable begins with `let`, and ends with the braces it began in. A function sees none of the script's variables: \
     hand it over as a parameter, or keep it in `state`.",
);
pub(super) static UNDEFINED_IMPORT: Rule = error(
    "undefined-import",
    "The name before `::` is no import of the script.",
    "Write `import \"lib/menu\" as menu;` above the first use. A function sees the imports that stand above it.",
);
pub(super) static MISSING_IMPORT: Rule = error(
    "missing-import",
    "A script that is imported is not there.",
    "Imports are looked for beside the script and below the scripts folder (`--scripts`), never elsewhere.",
);
pub(super) static BROKEN_IMPORT: Rule = error(
    "broken-import",
    "A script that is imported has a fault.",
    "Neither script can run until it is mended. An imported script may only define functions and constants: commands at \
     its top are a fault, since there is no call yet.",
);
pub(super) static TEXT_AS_NUMBER: Rule = error(
    "text-as-number",
    "A text is compared with a number, or calculated with.",
    "Keys, digits, variables and entries of AstDB are text, and \"5\" is not 5. `to_number(text)` makes a number of it, \
     or `()` where there is none.",
);
pub(super) static READ_ONLY: Rule = error(
    "read-only",
    "A value is changed that belongs to the call.",
    "`env`, `args` and `params` say how the call began and stay so. What the script wants to keep goes into `state` or \
     into variables of its own.",
);
pub(super) static CONDITION: Rule = error(
    "condition-not-bool",
    "A condition is neither true nor false.",
    "Rhai takes only `true` and `false` as a condition. Compare: `if key != \"\"`, `if count > 0`.",
);
pub(super) static AFTER_HANGUP: Rule = error(
    "after-hangup",
    "`on_hangup` uses a command that needs the caller.",
    "After the hangup nobody listens any more, and Asterisk refuses such a command. Database, variables, `verbose` and \
     `exec` still work: `agi-rhai commands NAME` tells it of each command.",
);
pub(super) static ASTERISK_VERSION: Rule = error(
    "asterisk-version",
    "This version of Asterisk does not have that command, argument or application.",
    "Told only with `--asterisk VERSION`. An application counts as present if the last release of that version has it.",
);
pub(super) static ENDLESS_LOOP: Rule = warning(
    "endless-loop",
    "Nothing in a loop ends it, and it asks the caller for nothing.",
    "A loop ends by `break`, `return`, `exit()` or its condition. One that never waits takes all of a processor until the \
     host stops the script; one that only plays prompts ends when the caller hangs up.",
);
pub(super) static UNREACHABLE: Rule = warning(
    "unreachable-code",
    "A statement can never run.",
    "It stands behind one that does not come back: `hangup()`, `exit()`, `go_to`, `return`, `throw`, `break`, `continue` \
     or a loop without end.",
);
pub(super) static UNUSED_VARIABLE: Rule = warning(
    "unused-variable",
    "A variable is never read.",
    "It may be misspelt where it was to be read. One that is not needed may go; a name that begins with `_` is not told.",
);
pub(super) static UNUSED_PARAMETER: Rule = warning(
    "unused-parameter",
    "A function does not use one of its parameters.",
    "Leave it out where the function is called, too, or let its name begin with `_`.",
);
pub(super) static UNUSED_FUNCTION: Rule = warning(
    "unused-function",
    "A function is never called.",
    "It may be misspelt where it was to be called. Functions of a script that only defines things are for who imports it, \
     and not told.",
);
pub(super) static UNUSED_IMPORT: Rule = warning(
    "unused-import",
    "An import is never used.",
    "Every import is read and compiled with the script: leave it out.",
);
pub(super) static UNUSED_VALUE: Rule = warning(
    "unused-value",
    "A value is calculated and dropped.",
    "`count == 5;` compares and does nothing with the answer: `=` sets a variable, `==` compares.",
);
pub(super) static NEVER_EQUAL: Rule = warning(
    "never-equal",
    "Two values are compared that are never equal.",
    "What is of another type is never equal. No key and no digits are `\"\"`, while a variable, an entry of AstDB or a \
     number that is not there is `()`.",
);
pub(super) static SHADOWED_NAME: Rule = warning(
    "shadowed-name",
    "A variable has the name of one of the call's own values.",
    "`env`, `args`, `params` and `state` belong to the call. Where a variable has such a name, they cannot be reached.",
);
pub(super) static UNKNOWN_ENVIRONMENT: Rule = warning(
    "unknown-environment",
    "Asterisk tells nothing of this name at the start of a call.",
    "`env` holds `agi_callerid`, `agi_channel`, `agi_extension` and the like; what is not in it is `()`.",
);
pub(super) static MISSING_SOUND: Rule = warning(
    "missing-sound",
    "A prompt has no sound file.",
    "Told only with `--sounds DIR`. It is looked for as Asterisk does, DIR/LANGUAGE/NAME.* and DIR/NAME.*; a prompt that \
     one of several languages lacks is told, too. Asterisk's own sounds are known.",
);
pub(super) static MISSING_WORDS: Rule = warning(
    "missing-words",
    "A prompt is not in the table of prompts beside the script.",
    "Where there is a table (`game.prompts` beside `game.rhai`) it is to hold the words of every prompt the script plays, \
     but for Asterisk's own sounds. It may be misspelt here or there.",
);
pub(super) static SOUND_EXTENSION: Rule = warning(
    "sound-extension",
    "The name of a sound file has its ending.",
    "Asterisk adds the ending itself and takes the format that suits the channel: `welcome`, not `welcome.wav`.",
);
pub(super) static UNUSED_PROMPT: Rule = warning(
    "unused-prompt",
    "The table of prompts has a prompt nobody plays.",
    "It may be misspelt in the script or in the table. Told only where the script names all its prompts in quotes.",
);
pub(super) static BAD_PROMPTS: Rule = error(
    "bad-prompts",
    "A line of the table of prompts is not understood.",
    "Each line is `name: words`, a comment after `;`, or blank.",
);
pub(super) static BAD_PHRASES: Rule = error(
    "bad-phrases",
    "A line of the table of phrases is not understood, or a phrase has nothing for some numbers of a language.",
    "Each line of `game.phrases` is `name: sounds`, or `name form: sounds`; the forms are those of the language in the \
     heading above, such as `[en]`.",
);
pub(super) static UNKNOWN_PHRASE: Rule = warning(
    "unknown-phrase",
    "A phrase is not in the table of phrases beside the script.",
    "It may be misspelt here or there. Told only where there is a table (`game.phrases` beside `game.rhai`).",
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
    &SHADOWED_NAME,
    &UNKNOWN_ENVIRONMENT,
    &MISSING_SOUND,
    &MISSING_WORDS,
    &SOUND_EXTENSION,
    &UNUSED_PROMPT,
    &UNKNOWN_PHRASE,
    &UNKNOWN_RULE,
];
