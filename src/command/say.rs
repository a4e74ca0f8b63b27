//! Saying numbers, letters and dates with Asterisk's recordings.

use super::declaration::{Access, Command, ESCAPE_DIGITS, Example, Function, OnMinusOne, Plays, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::Returns;
use crate::agi::Reply;
use crate::pbx::{KeyResult, SayCase};

const SUBJECT: &str = "Saying numbers, letters and times";

fn said(key: KeyResult) -> Reply {
    Reply::of(key.code())
}

/// Returns the number at the start of a text, as C's `sscanf("%d")` reads it.
fn leading_number(text: &str) -> Option<i32> {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    let number: i64 = text[..sign + digits].parse().ok().or((digits > 0).then_some(i64::MAX))?;
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i32")]
    Some(number.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
}

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] =
    &[&SAY_NUMBER, &SAY_DIGITS, &SAY_ALPHA, &SAY_PHONETIC, &SAY_DATE, &SAY_TIME, &SAY_DATETIME];

/// `SAY NUMBER`
pub static SAY_NUMBER: Command = Command {
    function: Function {
        name: "say_number",
        summary: "Says a number; the caller may end it with a key.",
        params: &[
            Param::required("number", Kind::INT, "Whole number to say."),
            ESCAPE_DIGITS,
            Param::optional(
                "gender",
                Kind::Text,
                "Gender of the number in languages that have one: `m`, `f`, `n`, `c`.",
            )
            .a_name(),
        ],
        returns: Returns::Key,
        examples: &[
            Example {
                caller: "",
                script: "say_number(42)",
                sends: r#"SAY NUMBER 42 """#,
                reply: "200 result=0",
                value: r#""""#,
            },
            Example {
                caller: "presses 1 after 500ms",
                script: r#"say_number(-5, "1")"#,
                sends: r#"SAY NUMBER -5 "1""#,
                reply: "200 result=49",
                value: r#""1""#,
            },
        ],
    },
    verb: "SAY NUMBER",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=3,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("number"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        Some(said(channel.say_number(leading_number(words[0])?, words[1], words.get(2).copied())))
    },
    ..Command::UNSTATED
};

/// `SAY DIGITS`
pub static SAY_DIGITS: Command = Command {
    function: Function {
        name: "say_digits",
        summary: "Says digits one by one, `*` and `#` too; the caller may end it with a key.",
        params: &[
            Param::required(
                "digits",
                Kind::Digits { other_verb: "SAY ALPHA" },
                "Digits to say; an empty text says nothing.",
            ),
            ESCAPE_DIGITS,
        ],
        returns: Returns::Key,
        examples: &[
            Example {
                caller: "",
                script: r#"say_digits("007")"#,
                sends: r#"SAY DIGITS "007" """#,
                reply: "200 result=0",
                value: r#""""#,
            },
            Example {
                caller: "",
                script: r#"say_digits("*12")"#,
                sends: r#"SAY ALPHA "*12" """#,
                reply: "200 result=0",
                value: r#""""#,
            },
            Example { caller: "", script: r#"say_digits("")"#, sends: "", reply: "", value: r#""""# },
        ],
    },
    verb: "SAY DIGITS",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("digits"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        leading_number(words[0])?;
        Some(said(channel.say_digits(words[0], words[1])))
    },
    ..Command::UNSTATED
};

/// `SAY ALPHA`
pub static SAY_ALPHA: Command = Command {
    function: Function {
        name: "say_alpha",
        summary: "Spells a text letter by letter; the caller may end it with a key.",
        params: &[
            Param::required("text", Kind::Text, "Text to spell."),
            ESCAPE_DIGITS,
            Param::optional(
                "case",
                Kind::Word(&["a", "l", "u", "n"]),
                "Says the case of letters: `a` of all, `l` of lower, `u` of upper ones, `n` of none (from Asterisk 12 on).",
            ).public(),
        ],
        returns: Returns::Key,
        examples: &[Example {
            caller: "",
            script: r#"say_alpha("abc1")"#,
            sends: r#"SAY ALPHA "abc1" """#,
            reply: "200 result=0",
            value: r#""""#,
        }],
    },
    verb: "SAY ALPHA",
    subject: SUBJECT,
    since: Since { version: "1.2", params: &[(2, 12)] },
    words: 2..=3,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("alpha"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        let case = words.get(2).map_or(Some(SayCase::None), |word| SayCase::parse(word))?;
        Some(said(channel.say_alpha(words[0], words[1], case)))
    },
    ..Command::UNSTATED
};

/// `SAY PHONETIC`
pub static SAY_PHONETIC: Command = Command {
    function: Function {
        name: "say_phonetic",
        summary: "Spells a text in the phonetic alphabet (alpha, bravo, ...); the caller may end it with a key.",
        params: &[Param::required("text", Kind::Text, "Text to spell."), ESCAPE_DIGITS],
        returns: Returns::Key,
        examples: &[Example {
            caller: "",
            script: r#"say_phonetic("ab")"#,
            sends: r#"SAY PHONETIC "ab" """#,
            reply: "200 result=0",
            value: r#""""#,
        }],
    },
    verb: "SAY PHONETIC",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("phonetic"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| Some(said(channel.say_phonetic(words[0], words[1]))),
    ..Command::UNSTATED
};

/// `SAY DATE`
pub static SAY_DATE: Command = Command {
    function: Function {
        name: "say_date",
        summary: "Says a date, in the server's time zone; the caller may end it with a key.",
        params: &[
            Param::required(
                "epoch",
                Kind::EPOCH,
                "Seconds since the Unix epoch; Asterisk reads 32 bits, up to the year 2038.",
            ),
            ESCAPE_DIGITS,
        ],
        returns: Returns::Key,
        examples: &[Example {
            caller: "",
            script: "say_date(1210498014)",
            sends: r#"SAY DATE 1210498014 """#,
            reply: "200 result=0",
            value: r#""""#,
        }],
    },
    verb: "SAY DATE",
    subject: SUBJECT,
    since: Since::version("1.2"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("date"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| Some(said(channel.say_date(words[0].parse().ok()?, words[1]))),
    ..Command::UNSTATED
};

/// `SAY TIME`
pub static SAY_TIME: Command = Command {
    function: Function {
        name: "say_time",
        summary: "Says a time of day, in the server's time zone; the caller may end it with a key.",
        params: &[
            Param::required(
                "epoch",
                Kind::EPOCH,
                "Seconds since the Unix epoch; Asterisk reads 32 bits, up to the year 2038.",
            ),
            ESCAPE_DIGITS,
        ],
        returns: Returns::Key,
        examples: &[Example {
            caller: "",
            script: "say_time(1210498014)",
            sends: r#"SAY TIME 1210498014 """#,
            reply: "200 result=0",
            value: r#""""#,
        }],
    },
    verb: "SAY TIME",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("time"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| Some(said(channel.say_time(words[0].parse().ok()?, words[1]))),
    ..Command::UNSTATED
};

/// `SAY DATETIME`
pub static SAY_DATETIME: Command = Command {
    function: Function {
        name: "say_datetime",
        summary: "Says a date and time; the caller may end it with a key.",
        params: &[
            Param::required("epoch", Kind::Integer(0, i64::MAX), "Seconds since the Unix epoch."),
            ESCAPE_DIGITS,
            Param::optional(
                "format",
                Kind::DateFormat,
                "Format as in voicemail.conf; `ABdY 'digits/at' IMp` if left out.",
            )
            .a_name(),
            Param::optional("zone", Kind::TimeZone, "Time zone, such as `Europe/Berlin`; the server's if left out.")
                .a_name(),
        ],
        returns: Returns::Key,
        examples: &[
            Example {
                caller: "",
                script: "say_datetime(1210498014)",
                sends: r#"SAY DATETIME 1210498014 """#,
                reply: "200 result=0",
                value: r#""""#,
            },
            Example {
                caller: "",
                script: r#"say_datetime(1210498014, "", "IMp", "UTC")"#,
                sends: r#"SAY DATETIME 1210498014 "" "IMp" "UTC""#,
                reply: "200 result=0",
                value: r#""""#,
            },
        ],
    },
    verb: "SAY DATETIME",
    subject: SUBJECT,
    since: Since::version("1.2"),
    words: 2..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    plays: Plays::Spoken("datetime"),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        let (format, zone) = (words.get(2).copied(), words.get(3).copied());
        Some(said(channel.say_datetime(words[0].parse().ok()?, words[1], format, zone)))
    },
    ..Command::UNSTATED
};
