//! The AGI commands, each declared once.
//!
//! A [`Command`] says all there is to know of one AGI command: what a script passes and gets, what goes over the wire,
//! what a -1 means, how the simulator answers. Everything else is a loop over [`COMMANDS`]: the functions of a script,
//! the simulator, the reference page, the tests of the examples. Source: `res/res_agi.c` and `apps/app_stack.c` of
//! Asterisk 22.10.

mod database;
mod dialplan;
mod digits;
mod line_state;
mod log;
mod param;
pub mod permissions;
mod playback;
mod record;
pub mod reference;
mod returns;
mod say;
mod speech;
mod text;
mod value;
mod variable;

pub use database::{DATABASE_DEL, DATABASE_DELTREE, DATABASE_GET, DATABASE_PUT};
pub use dialplan::EXEC;
pub use digits::{GET_DATA, WAIT_FOR_DIGIT};
pub use line_state::CHANNEL_STATUS;
pub use log::{NOOP, VERBOSE};
pub use param::{Encoded, Kind, Need, Param, Rules};
pub use permissions::Permissions;
pub use playback::STREAM_FILE;
pub use returns::{Returns, Trouble};
pub use say::{SAY_ALPHA, SAY_DATETIME, SAY_DIGITS, SAY_NUMBER, SAY_PHONETIC};
pub use value::Value;
pub use variable::{GET_VARIABLE, SET_VARIABLE};

use crate::agi::Reply;
use crate::pbx::Channel;
use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// A function a script can call, as the reference and the checker know it.
#[derive(Debug)]
pub struct Function {
    /// The name in scripts.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What it takes, in order.
    pub params: &'static [Param],
    /// What the script gets.
    pub returns: Returns,
    /// How it is used, each one run by the tests.
    pub examples: &'static [Example],
}

/// One AGI command, declared.
#[derive(Debug)]
pub struct Command {
    /// The script's view.
    pub function: Function,
    /// The words of the command as Asterisk lists them, such as `STREAM FILE`.
    pub verb: &'static str,
    /// From which version of Asterisk on it is there.
    pub since: Since,
    /// How many words Asterisk takes behind the verb; others are answered with 520.
    pub words: RangeInclusive<usize>,
    /// What the result -1 means once a hangup is ruled out.
    pub minus: Minus,
    /// Whether Asterisk allows it after the hangup.
    pub dead: bool,
    /// How long Asterisk may take for the answer.
    pub waits: Waits,
    /// What has to happen once it has been answered.
    pub after: After,
    /// What it may change of the channel.
    pub sets: Sets,
    /// The answer of the simulated Asterisk to the words behind the verb; `None` is a 520.
    pub simulate: fn(&mut Channel, &[&str]) -> Option<Reply>,
}

/// From which version of Asterisk on a command is there, and those of its parameters that came later. Source: the
/// commands listed in `res/res_agi.c` and `apps/app_stack.c` at the end of each branch from 1.0 to 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The version that brought the command.
    pub version: &'static str,
    /// The numbers of parameters that came later, from 0, and the major version that brought each.
    pub params: &'static [(usize, u32)],
}

impl Since {
    /// A command this version of Asterisk brought, with all its parameters.
    #[must_use]
    pub const fn version(version: &'static str) -> Self {
        Self { version, params: &[] }
    }

    /// The major version that brought the command.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }
}

/// What the result -1 means once a hangup is ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minus {
    /// A value like any other.
    Value,
    /// The command failed.
    Failed,
    /// The sound file in this parameter is missing.
    Sound {
        /// The number of the parameter, from 0.
        param: usize,
        /// How the call goes on.
        then: Then,
    },
}

/// How a call goes on without a sound file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// As if the file had been played.
    GoOn,
    /// The question is asked with this sound file instead.
    AskWith(&'static str),
}

/// How long Asterisk may take to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It answers at once.
    Short,
    /// As many milliseconds as the parameter of this number says.
    Millis(usize),
    /// As long as it takes: a prompt, an application, a caller.
    Unbounded,
}

/// What a command may change of the channel, for whoever keeps some of it in mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// Nothing that can be read as a variable or function.
    Nothing,
    /// The variable or function its first argument names, to its second.
    Variable,
    /// Anything: the dialplan runs.
    Anything,
}

/// What has to happen once a command has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Nothing,
    /// With this result Asterisk sends a stray reply behind the true one.
    Fence(&'static str),
    /// Called without arguments, it has hung up the call.
    HangsUp,
    /// The script ends; the dialplan goes on.
    Ends,
}

/// How a command is used: run against a scripted peer and against the simulator by the tests.
#[derive(Debug)]
pub struct Example {
    /// What the caller does, in the words of [`Plan`](crate::pbx::Plan).
    pub caller: &'static str,
    /// The script.
    pub script: &'static str,
    /// The lines it sends.
    pub sends: &'static str,
    /// The lines Asterisk answers.
    pub reply: &'static str,
    /// The script's value, as Rhai writes it; or the error's kind and message.
    pub value: &'static str,
}

/// What kind of refusal a script can catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// An argument Asterisk cannot carry or take; nothing was sent.
    Argument,
    /// Asterisk refused the command: 510, 511, 520 or an unknown application.
    Refused,
    /// Asterisk tried and failed.
    Failed,
}

impl RefusalKind {
    /// The word a script sees in `kind`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A command that did not do what the script asked: the one error a script can catch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// The verb.
    pub command: &'static str,
    /// The parameter at fault, where there is one.
    pub parameter: Option<&'static str>,
    /// The code of Asterisk's reply, where there was one.
    pub code: Option<u16>,
    /// The result of Asterisk's reply, where there was one.
    pub result: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Refusal {
    /// What is wrong, without any value a script gave.
    pub(crate) fn discreet(&self) -> String {
        let what = match (self.kind, self.parameter) {
            (RefusalKind::Argument, Some(parameter)) => return format!("{}: `{parameter}` is not right", self.command),
            (RefusalKind::Argument, None) => "an argument is not right",
            (RefusalKind::Refused, _) => "Asterisk refused it",
            (RefusalKind::Failed, _) => "it failed",
        };
        format!("{}: {what}", self.command)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Command {
    /// The command of this function name.
    #[must_use]
    pub fn of_function(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().copied().find(|command| command.function.name == name)
    }

    /// The command a line's words begin with, and how many of them are its verb. Asterisk ignores case here.
    #[must_use]
    pub fn of_words(words: &[&str]) -> Option<(&'static Self, usize)> {
        let matched = |command: &&'static Self| {
            let mut verb = 0;
            command
                .verb
                .split(' ')
                .all(|word| {
                    verb += 1;
                    words.get(verb - 1).is_some_and(|w| w.eq_ignore_ascii_case(word))
                })
                .then_some((*command, verb))
        };
        let first = words.first()?;
        let by_word = by_first_word();
        let commands = by_word.get(*first).or_else(|| by_word.get(&*first.to_ascii_uppercase()))?;
        commands.iter().filter_map(matched).max_by_key(|(_, verb)| *verb)
    }

    pub(crate) fn refusal(&self, kind: RefusalKind, message: impl fmt::Display) -> Refusal {
        Refusal {
            kind,
            command: self.verb,
            parameter: None,
            code: None,
            result: None,
            message: format!("{}: {message}", self.function.name),
        }
    }
}

/// The commands by the first word of their verb: a simulator looks one up for every line.
fn by_first_word() -> &'static HashMap<&'static str, Vec<&'static Command>> {
    static BY_WORD: OnceLock<HashMap<&'static str, Vec<&'static Command>>> = OnceLock::new();
    BY_WORD.get_or_init(|| {
        let mut by_word: HashMap<&str, Vec<&Command>> = HashMap::new();
        for &command in COMMANDS {
            by_word.entry(command.verb.split(' ').next().unwrap_or_default()).or_default().push(command);
        }
        by_word
    })
}

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Required, doc }
}

const fn defaulted(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Default(default), doc }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Optional, doc }
}

const ESCAPE_DIGITS: Param = defaulted("escape_digits", Kind::Keys, "", "Keys that end it early; none if left out.");

/// Every command, in the order of the reference.
pub static COMMANDS: &[&Command] = &[
    &line_state::ANSWER,
    &line_state::HANGUP,
    &line_state::CHANNEL_STATUS,
    &line_state::SET_AUTOHANGUP,
    &line_state::SET_CALLERID,
    &line_state::SET_MUSIC,
    &line_state::TDD_MODE,
    &line_state::ASYNCAGI_BREAK,
    &playback::STREAM_FILE,
    &playback::CONTROL_STREAM_FILE,
    &digits::GET_DATA,
    &digits::GET_OPTION,
    &digits::WAIT_FOR_DIGIT,
    &say::SAY_NUMBER,
    &say::SAY_DIGITS,
    &say::SAY_ALPHA,
    &say::SAY_PHONETIC,
    &say::SAY_DATE,
    &say::SAY_TIME,
    &say::SAY_DATETIME,
    &record::RECORD_FILE,
    &variable::GET_VARIABLE,
    &variable::GET_FULL_VARIABLE,
    &variable::SET_VARIABLE,
    &database::DATABASE_GET,
    &database::DATABASE_PUT,
    &database::DATABASE_DEL,
    &database::DATABASE_DELTREE,
    &dialplan::EXEC,
    &dialplan::GOSUB,
    &dialplan::SET_CONTEXT,
    &dialplan::SET_EXTENSION,
    &dialplan::SET_PRIORITY,
    &text::SEND_TEXT,
    &text::RECEIVE_TEXT,
    &text::RECEIVE_CHAR,
    &text::SEND_IMAGE,
    &log::VERBOSE,
    &log::NOOP,
    &speech::SPEECH_CREATE,
    &speech::SPEECH_SET,
    &speech::SPEECH_LOAD_GRAMMAR,
    &speech::SPEECH_ACTIVATE_GRAMMAR,
    &speech::SPEECH_RECOGNIZE,
    &speech::SPEECH_DEACTIVATE_GRAMMAR,
    &speech::SPEECH_UNLOAD_GRAMMAR,
    &speech::SPEECH_DESTROY,
];
