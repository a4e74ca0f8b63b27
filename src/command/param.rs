//! Parameters: what a function takes.

/// One parameter of a function, or one option in a map of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name, in the reference and in errors.
    pub name: &'static str,
    /// The values it takes.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
    /// What a recording without the caller's data keeps of it.
    pub privacy: Privacy,
    /// Its meaning, with the unit.
    pub doc: &'static str,
}

/// Whether a parameter may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be given.
    Required,
    /// If left out, this is sent.
    Default(&'static str),
    /// If left out, nothing is sent.
    Optional,
}

/// What a recording without the caller's data keeps of an argument. Unless a parameter says otherwise, it is private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Privacy {
    /// A value, which may be made of what the caller entered: all of its digits are replaced.
    Private,
    /// The name of a file, a variable, an extension: kept, but for numbers the caller entered.
    Name,
    /// A setting of the command, such as a time: kept.
    Public,
}

/// The values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text; numbers are texts too, and `true` and `false` are sent as 1 and 0.
    Text,
    /// A text that is not empty.
    Name,
    /// Keys of the telephone: `0`-`9`, `*`, `#`, `A`-`D`.
    Keys,
    /// An integer within these bounds, or a text that is one.
    Integer(i64, i64),
    /// A number of seconds, whole or fraction.
    Seconds,
    /// `true` or `false`, sent as `on` or `off`.
    OnOff,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Digits to say. A text that does not begin with a digit is sent with another verb, since Asterisk's SAY DIGITS
    /// does not take it; for an empty text nothing is sent.
    Digits {
        /// The verb, which says the text with the same recordings.
        other_verb: &'static str,
    },
    /// The name of a dialplan application; its arguments follow.
    Application,
    /// The name of a variable or dialplan function that is read.
    Read,
    /// The name of a variable or dialplan function that is set.
    Written,
    /// Any text, in which Asterisk evaluates `${...}` and `$[...]`.
    Expression,
    /// Any number of further texts, joined with commas into one word.
    Joined,
    /// Any number of further texts, a word each.
    Rest,
    /// Options of the application Dial.
    DialOptions,
    /// `#{ beep, silence, offset }` of RECORD FILE.
    RecordOptions,
    /// What to say: a sound file, a number, a map such as `#{ digits: "0412" }`, or an array of such.
    Parts,
    /// A map from keys, or patterns of keys, to what each of them means.
    Choices,
    /// A function, as a closure or by `Fn("name")`.
    Function,
    /// A map that may hold these.
    Options(&'static [Param]),
    /// The value to give in place of `()`; no command has such a parameter.
    Otherwise,
    /// Any value; no command has such a parameter.
    Any,
    /// A map; no command has such a parameter.
    Map,
}

/// The integers Asterisk's `int` holds.
pub(super) const INT: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

impl Kind {
    /// Any integer of Asterisk's `int`.
    pub const INT: Self = Self::Integer(INT.0, INT.1);
    /// Milliseconds to wait, -1 for ever.
    pub const MILLIS: Self = Self::Integer(-1, INT.1);
    /// A count or a position.
    pub const COUNT: Self = Self::Integer(0, INT.1);
    /// Seconds since the Unix epoch that Asterisk reads as `int`.
    pub const EPOCH: Self = Self::Integer(INT.0, INT.1);

    /// Whether it takes any number of arguments.
    #[must_use]
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Joined | Self::Rest)
    }

    /// Whether Asterisk runs what it names or holds.
    #[must_use]
    pub const fn is_run(self) -> bool {
        matches!(self, Self::Application | Self::Read | Self::Written | Self::Expression | Self::DialOptions)
    }

    /// Whether the value may be any number of words on the wire.
    #[must_use]
    pub const fn is_several_words(self) -> bool {
        matches!(self, Self::Rest | Self::RecordOptions)
    }

    /// Returns the names a map of options may have; `None` if it takes none.
    #[must_use]
    pub fn options(self) -> Option<Vec<&'static str>> {
        match self {
            Self::RecordOptions => Some(vec!["beep", "silence", "offset"]),
            Self::Options(params) => Some(params.iter().map(|param| param.name).collect()),
            _ => None,
        }
    }

    /// Returns the name of the type in the reference.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text
            | Self::Name
            | Self::Application
            | Self::Read
            | Self::Written
            | Self::Expression
            | Self::DialOptions
            | Self::Otherwise
            | Self::Joined
            | Self::Rest => "text",
            Self::Keys => "keys",
            Self::Integer(..) => "integer",
            Self::Seconds => "number",
            Self::OnOff => "bool",
            Self::Word(_) => "word",
            Self::Digits { .. } => "digits",
            Self::RecordOptions | Self::Choices | Self::Options(_) | Self::Map => "map",
            Self::Parts => "parts",
            Self::Function => "function",
            Self::Any => "value",
        }
    }
}

impl Param {
    /// A private parameter that must be given.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Required, privacy: Privacy::Private, doc }
    }

    /// A private parameter for which `default` is sent if it is left out.
    #[must_use]
    pub const fn defaulted(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Default(default), privacy: Privacy::Private, doc }
    }

    /// A private parameter that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Optional, privacy: Privacy::Private, doc }
    }

    /// States that the argument is a name: [`Privacy::Name`].
    #[must_use]
    pub const fn a_name(self) -> Self {
        Self { privacy: Privacy::Name, ..self }
    }

    /// States that the argument is a setting: [`Privacy::Public`].
    #[must_use]
    pub const fn public(self) -> Self {
        Self { privacy: Privacy::Public, ..self }
    }
}
