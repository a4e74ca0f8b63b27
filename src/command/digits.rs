//! Asking the caller for keys.

use super::declaration::{Access, Command, Example, Function, MissingSound, OnMinusOne, Plays, Since, Waits};
use super::hears::Hears;
use super::param::{INT, Kind, Param};
use super::playback::played;
use super::returns::Returns;
use crate::agi::Reply;
use crate::pbx::GetDataResult;

const SUBJECT: &str = "Keys";

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&GET_DATA, &GET_OPTION, &WAIT_FOR_DIGIT];

/// `GET DATA`
pub static GET_DATA: Command = Command {
    function: Function {
        name: "get_data",
        summary: "Plays a sound file and reads digits until `#`, enough of them or a silence; a key ends the prompt.",
        params: &[
            Param::required("file", Kind::Text, "Sound file, without extension; `\"\"` for none.").a_name(),
            Param::optional(
                "ms",
                Kind::Millis(INT.0, INT.1),
                "Milliseconds to wait from the end of the prompt, and again after each key; 0 or left out: 6000, then 2000.",
            ).public(),
            Param::optional("max_digits", Kind::Integer(1, 1023), "Digits that end it at once; 1023 if left out.").public(),
        ],
        returns: Returns::Digits,
        examples: &[
            Example {
                caller: "presses 0412# after 1s",
                script: r#"get_data("vm-enter-num-to-call", 5000, 6)"#,
                sends: r#"GET DATA "vm-enter-num-to-call" 5000 6"#,
                reply: "200 result=0412",
                value: r#""0412""#,
            },
            Example {
                caller: "presses 1 after 1s",
                script: r#"get_data("beep", 500, 2)"#,
                sends: r#"GET DATA "beep" 500 2"#,
                reply: "200 result= (timeout)",
                value: r#""""#,
            },
            Example {
                caller: "presses 42 after 1s",
                script: r#"get_data("no-such-file", 2000, 2)"#,
                sends: "GET DATA \"no-such-file\" 2000 2\nCHANNEL STATUS\nGET DATA \"\" 2000 2",
                reply: "200 result=-1\n200 result=4\n200 result=42",
                value: r#""42""#,
            },
        ],
    },
    verb: "GET DATA",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=usize::MAX,
    on_minus_one: OnMinusOne::MissingSound(MissingSound::AskWith("")),
    dead: false,
    plays: Plays::Sound(0),
    hears: Hears::Digits { max: 2 },
    waits: Waits::AfterSound { millis: 1, left_out: 6000, zero: 6000 },
    access: Access::Nothing,
    simulate: |channel, words| {
        // A text that isn't a number counts as left out.
        let ms = words.get(1).and_then(|ms| ms.parse().ok()).unwrap_or(0);
        let max = words.get(2).and_then(|max| max.parse().ok()).unwrap_or(1024);
        Some(match channel.get_data(words[0], ms, max) {
            GetDataResult::Digits(digits) => Reply::of(digits),
            GetDataResult::Timeout(digits) => Reply::of(digits).with_value("timeout"),
            GetDataResult::Failed => Reply::of(-1),
        })
    },
    ..Command::UNSTATED
};

/// `GET OPTION`
pub static GET_OPTION: Command = Command {
    function: Function {
        name: "get_option",
        summary: "Plays a sound file and waits for one of some keys; another key during the wait ends it too, as no key.",
        params: &[
            Param::required("file", Kind::Text, "Sound file, without extension.").a_name(),
            Param::required("escape_digits", Kind::Keys, "The keys to choose from.").public(),
            Param::optional(
                "ms",
                Kind::MILLIS,
                "Milliseconds to wait after the prompt; the channel's 5000 if left out.",
            )
            .public(),
        ],
        returns: Returns::Key,
        examples: &[
            Example {
                caller: "presses 2 after 1s",
                script: r#"get_option("vm-intro", "12", 3000)"#,
                sends: r#"GET OPTION "vm-intro" "12" 3000"#,
                reply: "200 result=50 endpos=8000",
                value: r#""2""#,
            },
            Example {
                caller: "",
                script: r#"get_option("beep", "12", 500)"#,
                sends: r#"GET OPTION "beep" "12" 500"#,
                reply: "200 result=0 endpos=3520",
                value: r#""""#,
            },
        ],
    },
    verb: "GET OPTION",
    subject: SUBJECT,
    since: Since::version("1.2"),
    words: 2..=3,
    on_minus_one: OnMinusOne::MissingSound(MissingSound::AskWith("silence/1")),
    dead: false,
    plays: Plays::Sound(0),
    hears: Hears::Key,
    waits: Waits::AfterSound { millis: 2, left_out: 5000, zero: 0 },
    access: Access::Nothing,
    simulate: |channel, words| {
        let ms = match words.get(2) {
            Some(ms) => Some(ms.parse().ok()?),
            None => None,
        };
        Some(played(&channel.get_option(words[0], words[1], ms)))
    },
    ..Command::UNSTATED
};

/// `WAIT FOR DIGIT`
pub static WAIT_FOR_DIGIT: Command = Command {
    function: Function {
        name: "wait_for_digit",
        summary: "Waits for any key.",
        params: &[Param::required("ms", Kind::MILLIS, "Milliseconds to wait; -1 waits forever.").public()],
        returns: Returns::Key,
        examples: &[
            Example {
                caller: "presses # after 1s",
                script: "wait_for_digit(5000)",
                sends: "WAIT FOR DIGIT 5000",
                reply: "200 result=35",
                value: "\"#\"",
            },
            Example {
                caller: "hangs up after 1s",
                script: "wait_for_digit(5000)",
                sends: "WAIT FOR DIGIT 5000\nCHANNEL STATUS",
                reply: "200 result=-1\nHANGUP\n511 Command Not Permitted on a dead channel or intercept routine",
                value: "hangup",
            },
        ],
    },
    verb: "WAIT FOR DIGIT",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Key,
    waits: Waits::Millis(0),
    access: Access::Nothing,
    simulate: |channel, words| Some(Reply::of(channel.wait_for_digit(words[0].parse().ok()?).code())),
    ..Command::UNSTATED
};
