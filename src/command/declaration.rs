//! The columns of the table of commands: everything that is known of a [`Command`] in advance.

use super::hears::Hears;
use super::param::{Kind, Need, Param};
use super::refusal::{Refusal, RefusalKind};
use super::returns::Returns;
use crate::agi::Reply;
use crate::pbx::Channel;
use crate::plural::plural;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A function that scripts can call, as the reference and the checker know it.
#[derive(Debug)]
pub struct Function {
    /// The name in scripts.
    pub name: &'static str,
    /// Its description, in one sentence.
    pub summary: &'static str,
    /// The parameters, in order.
    pub params: &'static [Param],
    /// The value that it returns.
    pub returns: Returns,
    /// How it is used; the tests run each example.
    pub examples: &'static [Example],
}

/// One AGI command, declared in one place.
///
/// A row may leave out columns by ending in `..Command::UNSTATED`. It promises nothing about them, and logs and
/// recordings mask the replies.
///
/// ```
/// use agi_rhai::agi::Reply;
/// use agi_rhai::command::{Command, Function, Hears, Kind, Param, Returns};
///
/// static GET_WEATHER: Command = Command {
///     function: Function {
///         name: "get_weather",
///         summary: "Tells the weather at a place.",
///         params: &[Param::required("place", Kind::Name, "Name of the place.").a_name()],
///         returns: Returns::Text { absent: "0" },
///         ..Function::UNSTATED
///     },
///     verb: "GET WEATHER",
///     words: 1..=1,
///     hears: Hears::Nothing,
///     simulate: |_, _| Some(Reply::of(1).with_value("rain")),
///     ..Command::UNSTATED
/// };
/// assert_eq!(GET_WEATHER.function.signature(), "get_weather(place)");
/// ```
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
pub struct Command {
    /// The script's view.
    pub function: Function,
    /// The words of the command as Asterisk lists them, such as `STREAM FILE`.
    pub verb: &'static str,
    /// The heading under which the reference lists it.
    pub subject: &'static str,
    /// The version of Asterisk that introduced it.
    pub since: Since,
    /// The number of words that Asterisk takes after the verb; it answers any other number with 520.
    pub words: RangeInclusive<usize>,
    /// The meaning of the result -1, once a hangup has been ruled out.
    pub on_minus_one: OnMinusOne,
    /// Whether Asterisk still allows it after the hangup.
    pub dead: bool,
    /// The sound that the caller hears.
    pub plays: Plays,
    /// Whether it answers the call, may do so, or tells whether the call has been answered.
    pub answers: bool,
    /// The input that it takes from the caller.
    pub hears: Hears,
    /// How long Asterisk may take to answer.
    pub waits: Waits,
    /// The consequences for the session, once it has been answered.
    pub after: After,
    /// The variables and database entries that it reads or changes.
    pub access: Access,
    /// Whether Asterisk says `100 Trying` before it carries the command out successfully.
    pub interim: bool,
    /// Whether it returns nothing and can hardly fail, so that the next one may be sent before its reply has come: over
    /// AsyncAGI, each reply may take a tenth of a second.
    pub ahead: bool,
    /// Returns the simulated Asterisk's reply to the words after the verb; `None` stands for a 520.
    pub simulate: fn(&mut Channel, &[&str]) -> Option<Reply>,
}

/// The version of Asterisk that introduced a command, and the versions that introduced later parameters. Source: the
/// commands listed in `res/res_agi.c` and `apps/app_stack.c` at the end of each branch from 1.0 to 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The version that introduced the command.
    pub version: &'static str,
    /// The indices of parameters that came later, from 0, and the major version that introduced each.
    pub params: &'static [(usize, u32)],
}

impl Since {
    /// Returns a command's version, if all its parameters came with it.
    #[must_use]
    pub const fn version(version: &'static str) -> Self {
        Self { version, params: &[] }
    }

    /// Returns the major version that introduced the command.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }
}

/// The meaning of the result -1, once a hangup has been ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMinusOne {
    /// A value like any other.
    Value,
    /// The command failed.
    Failed,
    /// The sound file that the command [plays](Plays::Sound) is missing.
    MissingSound(MissingSound),
}

/// How a call goes on if a sound file is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingSound {
    /// As if the file had been played.
    GoOn,
    /// The question is asked with this sound file instead.
    AskWith(&'static str),
}

/// The sound that the caller hears during a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plays {
    /// Nothing, or nothing that is known in advance.
    Nothing,
    /// The sound file named by the argument at this index, from 0; nothing if that is empty.
    Sound(usize),
    /// The first argument, spoken. The simulator calls this by the given word: `digits 12`.
    Spoken(&'static str),
}

/// How long Asterisk may take to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waits {
    /// It answers at once.
    Short,
    /// As many milliseconds as the argument at this index says, from 0; forever if it is negative.
    Millis(usize),
    /// As long as a sound file lasts, and some milliseconds more.
    AfterSound {
        /// The index of the argument that says how many, from 0.
        millis: usize,
        /// How many, if the argument is left out.
        left_out: u32,
        /// How many, if the argument is 0.
        zero: u32,
    },
    /// Any time: a prompt, an application or a caller decides.
    Unbounded,
}

/// The variables and database entries that a command reads or changes, for code that keeps a copy of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Nothing that could be read as a variable, a function or an entry of the database.
    Nothing,
    /// Reads the variable or function that its first argument names.
    ReadsVariable,
    /// Reads the variables and functions in its first argument, an expression.
    ReadsExpression,
    /// Sets the variable or function that its first argument names to its second argument.
    SetsVariable,
    /// Reads the entry of the database whose family and key are its first two arguments.
    ReadsEntry,
    /// Sets that entry to its third argument.
    SetsEntry,
    /// Deletes that entry.
    DeletesEntry,
    /// Deletes several entries of the database.
    DeletesEntries,
    /// Anything: the dialplan runs.
    Anything,
}

/// The consequences of a command for its session, once it has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum After {
    /// Nothing.
    Nothing,
    /// With this result, Asterisk sends a stray reply after the true one.
    Fence(&'static str),
    /// Called without arguments, it hangs up the call.
    HangsUp,
    /// The script ends; the dialplan goes on.
    Ends,
}

/// An example of a command. The tests run it against a scripted peer and against the simulator.
#[derive(Debug)]
pub struct Example {
    /// The behaviour of the caller, in the language of [`Plan`](crate::pbx::Plan).
    pub caller: &'static str,
    /// The script.
    pub script: &'static str,
    /// The lines that it sends.
    pub sends: &'static str,
    /// The lines that Asterisk answers.
    pub reply: &'static str,
    /// The script's value as Rhai writes it, or the kind and message of the error.
    pub value: &'static str,
}

/// The keys that interrupt a sound.
pub(super) const ESCAPE_DIGITS: Param =
    Param::defaulted("escape_digits", Kind::Keys, "", "Keys that end it early; none if left out.").public();

/// The maximum number of arguments a script can pass to a function that takes any number of them.
pub const MAX_ARGUMENTS: usize = 9;

/// The declarations in a `static` table whose rows have a `function`. It is a macro, since a constant function can't be
/// generic over the type of the rows.
macro_rules! declarations {
    ($table:expr) => {{
        let mut declared: [&Function; $table.len()] = [&$table[0].function; $table.len()];
        let mut row = 1;
        while row < $table.len() {
            declared[row] = &$table[row].function;
            row += 1;
        }
        declared
    }};
}
pub(crate) use declarations;

impl Function {
    /// A declaration that states nothing. A row that ends in `..Function::UNSTATED` stays valid when there is a new
    /// column.
    pub const UNSTATED: Self = Self {
        name: "",
        summary: "",
        params: &[],
        returns: Returns::Own { doc: "nothing", value_type: super::value::Type::Unknown },
        examples: &[],
    };

    /// Returns the minimum number of arguments.
    #[must_use]
    pub fn min_arguments(&self) -> usize {
        self.params.iter().filter(|param| param.need == Need::Required).count()
    }

    /// Returns the maximum number of arguments; `None` if there is no limit.
    #[must_use]
    pub fn max_arguments(&self) -> Option<usize> {
        let repeats = self.params.last().is_some_and(|param| param.kind.repeats());
        (!repeats).then_some(self.params.len())
    }

    /// Returns the numbers of arguments with which a script can call it.
    #[must_use]
    pub fn arities(&self) -> RangeInclusive<usize> {
        self.min_arguments()..=self.max_arguments().unwrap_or(MAX_ARGUMENTS)
    }

    /// Returns the number of arguments in words: `no arguments`, `at most 1 argument`, `1 to 3 arguments`.
    #[must_use]
    pub fn arity(&self) -> String {
        match (self.min_arguments(), self.max_arguments()) {
            (0, None) => "any number of arguments".to_owned(),
            (min, None) => format!("{} or more", plural(min, "argument")),
            (_, Some(0)) => "no arguments".to_owned(),
            (min, Some(max)) if min == max => plural(max, "argument"),
            (0, Some(max)) => format!("at most {}", plural(max, "argument")),
            (min, Some(max)) if min + 1 == max => format!("{min} or {max} arguments"),
            (min, Some(max)) => format!("{min} to {max} arguments"),
        }
    }

    /// Returns how to call it: `stream_file(file, escape_digits = "", offset?)`.
    #[must_use]
    pub fn signature(&self) -> String {
        let params: Vec<String> = self
            .params
            .iter()
            .map(|p| match p.need {
                _ if p.kind.repeats() => format!("{}...", p.name),
                Need::Required => p.name.to_owned(),
                Need::Default(d) if d.parse::<i64>().is_ok() => format!("{} = {d}", p.name),
                Need::Default(d) => format!("{} = {d:?}", p.name),
                Need::Optional => format!("{}?", p.name),
            })
            .collect();
        format!("{}({})", self.name, params.join(", "))
    }
}

impl Command {
    /// A row that states nothing, from which others can take columns. It assumes the worst: the reply is private,
    /// anything may have changed, and the answer may take any time.
    pub const UNSTATED: Self = Self {
        function: Function::UNSTATED,
        verb: "",
        subject: "Other commands",
        since: Since::version("1.0"),
        words: 0..=usize::MAX,
        on_minus_one: OnMinusOne::Failed,
        dead: false,
        plays: Plays::Nothing,
        answers: false,
        hears: Hears::Unstated,
        waits: Waits::Unbounded,
        after: After::Nothing,
        access: Access::Anything,
        interim: false,
        ahead: false,
        simulate: |_, _| None,
    };

    /// Returns the sound file among these arguments.
    #[must_use]
    pub fn sound<'a>(&self, args: &'a [impl AsRef<str>]) -> Option<&'a str> {
        let Plays::Sound(param) = self.plays else { return None };
        args.get(param).map(AsRef::as_ref).filter(|file| !file.is_empty())
    }

    /// Returns how long it listens after the sound it plays, given these arguments; `None` if there is no limit.
    #[must_use]
    pub fn listens(&self, args: &[impl AsRef<str>]) -> Option<Duration> {
        let given = |param: usize| args.get(param).and_then(|ms| ms.as_ref().parse().ok());
        match self.waits {
            Waits::Short | Waits::Unbounded => Some(Duration::ZERO),
            Waits::Millis(param) => given(param).map(Duration::from_millis),
            Waits::AfterSound { millis, left_out, zero } => Some(match given(millis) {
                None => Duration::from_millis(left_out.into()),
                Some(0) => Duration::from_millis(zero.into()),
                Some(ms) => Duration::from_millis(ms),
            }),
        }
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
