//! The parameters of functions.

/// One parameter of a function, or one option in a map of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name, as shown in the reference and in errors.
    pub name: &'static str,
    /// The values that it accepts.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
    /// The part of it that a recording keeps once the caller's data has been removed.
    pub privacy: Privacy,
    /// Its meaning, with the unit.
    pub doc: &'static str,
}

/// Whether a parameter may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be given.
    Required,
    /// If it is left out, this is sent.
    Default(&'static str),
    /// If it is left out, nothing is sent.
    Optional,
}

/// The part of an argument that a recording keeps once the caller's data has been removed. By default, an argument is
/// private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Privacy {
    /// A value that may have been made from what the caller entered: all of its digits are replaced.
    Private,
    /// The name of a file, a variable or an extension: it is kept, except for numbers that the caller entered.
    Name,
    /// A setting of the command, such as a time: it is kept.
    Public,
}

/// The values that a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text. Numbers count as texts, and `true` and `false` are sent as 1 and 0.
    Text,
    /// A text that isn't empty.
    Name,
    /// Keys of the telephone: `0`-`9`, `*`, `#`, `A`-`D`.
    Keys,
    /// An integer within these bounds, or a text that is one.
    Integer(i64, i64),
    /// Milliseconds: an integer within these bounds, or a text that is one.
    Millis(i64, i64),
    /// A number of seconds, which may have a fraction.
    Seconds,
    /// A number from 0 to 1.
    Share,
    /// Seconds: an integer within these bounds, or a text that is one.
    WholeSeconds(i64, i64),
    /// `true` or `false`, sent as `on` or `off`.
    OnOff,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Digits to say. A text that doesn't begin with a digit is sent with another verb, since Asterisk's SAY DIGITS
    /// doesn't accept it; an empty text isn't sent at all.
    Digits {
        /// The verb that says the text with the same recordings.
        other_verb: &'static str,
    },
    /// Whom the application Dial calls, such as `PJSIP/200`; several are joined by `&`.
    DialTarget,
    /// The name of a dialplan application, whose arguments follow.
    Application,
    /// The name of a variable or dialplan function to read.
    Read,
    /// The name of a variable or dialplan function to set.
    Written,
    /// A text in which Asterisk evaluates `${...}` and `$[...]`.
    Expression,
    /// Any number of further texts, joined with commas to one word.
    Joined,
    /// Any number of further texts, each of which is a word.
    Rest,
    /// Options of the application Dial.
    DialOptions,
    /// The format of a date.
    DateFormat,
    /// A time zone such as `Europe/Berlin`. Asterisk takes any text, and UTC for what is none.
    TimeZone,
    /// `#{ beep, silence, offset }` of RECORD FILE.
    RecordOptions,
    /// Parts to say: a sound file, a number, a map such as `#{ digits: "0412" }`, or an array of these.
    Parts,
    /// A map from keys, or patterns of keys, to what each of them stands for.
    Choices,
    /// The name of a service, by the table of `agi-rhai.toml` in which it is: `http`; no command has such a parameter.
    Service(&'static str),
    /// A statement of SQL, with `:name` in the places of values; no command has such a parameter.
    Sql,
    /// A function: a closure, or `Fn("name")`.
    Function,
    /// A map that may have these keys.
    Options(&'static [Param]),
    /// The value to return in place of `()`; no command has such a parameter.
    Otherwise,
    /// Any value; no command has such a parameter.
    Any,
    /// An array; no command has such a parameter.
    Array,
    /// A map; no command has such a parameter.
    Map,
}

/// The options of RECORD FILE.
const RECORD_OPTIONS: &[Param] = &[
    Param::optional("beep", Kind::OnOff, "Whether a beep comes first."),
    Param::optional("silence", Kind::WholeSeconds(0, INT.1), "Seconds of silence that end it."),
    Param::optional("offset", Kind::COUNT, "Samples of an existing file to keep."),
];

/// The range of Asterisk's `int`.
pub(super) const INT: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

impl Kind {
    /// Any integer that fits Asterisk's `int`.
    pub const INT: Self = Self::Integer(INT.0, INT.1);
    /// Milliseconds to wait; -1 waits forever.
    pub const MILLIS: Self = Self::Millis(-1, INT.1);
    /// A count or a position.
    pub const COUNT: Self = Self::Integer(0, INT.1);
    /// Seconds since the Unix epoch, which Asterisk reads as an `int`.
    pub const EPOCH: Self = Self::Integer(INT.0, INT.1);

    /// Whether it accepts any number of arguments.
    #[must_use]
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Joined | Self::Rest)
    }

    /// Whether Asterisk runs what it names or contains.
    #[must_use]
    pub const fn is_run(self) -> bool {
        matches!(self, Self::Application | Self::Read | Self::Written | Self::Expression | Self::DialOptions)
    }

    /// Whether the value may become any number of words on the wire.
    #[must_use]
    pub const fn is_several_words(self) -> bool {
        matches!(self, Self::Rest | Self::RecordOptions)
    }

    /// Returns the names that a map of options may have; `None` if it isn't such a map.
    #[must_use]
    pub fn options(self) -> Option<Vec<&'static str>> {
        match self {
            Self::RecordOptions | Self::Options(_) => Some(self.option_params().iter().map(|p| p.name).collect()),
            _ => None,
        }
    }

    /// Returns the options that a map of them may have, each with the values that it accepts.
    #[must_use]
    pub(crate) const fn option_params(self) -> &'static [Param] {
        match self {
            Self::RecordOptions => RECORD_OPTIONS,
            Self::Options(params) => params,
            _ => &[],
        }
    }

    /// Returns the name of the type, as the reference has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text
            | Self::Name
            | Self::DialTarget
            | Self::Application
            | Self::Read
            | Self::Written
            | Self::Expression
            | Self::DialOptions
            | Self::DateFormat
            | Self::TimeZone
            | Self::Service(_)
            | Self::Sql
            | Self::Joined
            | Self::Rest => "text",
            Self::Keys => "keys",
            Self::Integer(..) | Self::Millis(..) | Self::WholeSeconds(..) => "integer",
            Self::Seconds | Self::Share => "number",
            Self::OnOff => "bool",
            Self::Word(_) => "word",
            Self::Digits { .. } => "digits",
            Self::RecordOptions | Self::Choices | Self::Options(_) | Self::Map => "map",
            Self::Parts => "parts",
            Self::Function => "function",
            Self::Array => "array",
            Self::Any | Self::Otherwise => "value",
        }
    }
}

impl Param {
    /// Declares a private parameter that must be given.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Required, privacy: Privacy::Private, doc }
    }

    /// Declares a private parameter for which `default` is sent if it is left out.
    #[must_use]
    pub const fn defaulted(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Default(default), privacy: Privacy::Private, doc }
    }

    /// Declares a private parameter that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Optional, privacy: Privacy::Private, doc }
    }

    /// Declares that the argument is a name: [`Privacy::Name`].
    #[must_use]
    pub const fn a_name(self) -> Self {
        Self { privacy: Privacy::Name, ..self }
    }

    /// Declares that the argument is a setting: [`Privacy::Public`].
    #[must_use]
    pub const fn public(self) -> Self {
        Self { privacy: Privacy::Public, ..self }
    }
}
