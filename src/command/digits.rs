//! Asking the caller for keys.

use super::playback::played;
use super::{After, Command, Example, Function, Kind, Minus, Returns, Sets, Since, Then, Waits, optional, required};
use crate::agi::Reply;
use crate::pbx::GetDataResult;

/// `GET DATA`
pub static GET_DATA: Command = Command {
    function: Function {
        name: "get_data",
        summary: "Plays a sound file and reads digits until `#`, enough of them or a silence; a key ends the prompt.",
        params: &[
            required("file", Kind::Text, "Sound file, without extension; `\"\"` for none."),
            optional(
                "ms",
                Kind::INT,
                "Milliseconds to wait from the end of the prompt, and again after each key; 0 or left out: 6000, then 2000.",
            ),
            optional("max_digits", Kind::Integer(1, 1023), "Digits that end it at once; 1023 if left out."),
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
    since: Since::version("1.0"),
    words: 1..=usize::MAX,
    minus: Minus::Sound { param: 0, then: Then::AskWith("") },
    dead: false,
    waits: Waits::Unbounded,
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| {
        // A text that is no number counts as left out.
        let ms = words.get(1).and_then(|ms| ms.parse().ok()).unwrap_or(0);
        let max = words.get(2).and_then(|max| max.parse().ok()).unwrap_or(1024);
        Some(match channel.get_data(words[0], ms, max) {
            GetDataResult::Digits(digits) => Reply::of(digits),
            GetDataResult::Timeout(digits) => Reply::of(digits).with_value("timeout"),
            GetDataResult::Failed => Reply::of(-1),
        })
    },
};

/// `GET OPTION`
pub static GET_OPTION: Command = Command {
    function: Function {
        name: "get_option",
        summary: "Plays a sound file and waits for one of some keys; another key during the wait ends it too, as no key.",
        params: &[
            required("file", Kind::Text, "Sound file, without extension."),
            required("escape_digits", Kind::Keys, "The keys to choose from."),
            optional("ms", Kind::MILLIS, "Milliseconds to wait after the prompt; the channel's 5000 if left out."),
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
    since: Since::version("1.2"),
    words: 2..=3,
    minus: Minus::Sound { param: 0, then: Then::AskWith("silence/1") },
    dead: false,
    waits: Waits::Unbounded,
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| {
        let ms = match words.get(2) {
            Some(ms) => Some(ms.parse().ok()?),
            None => None,
        };
        Some(played(&channel.get_option(words[0], words[1], ms)))
    },
};

/// `WAIT FOR DIGIT`
pub static WAIT_FOR_DIGIT: Command = Command {
    function: Function {
        name: "wait_for_digit",
        summary: "Waits for one key, whichever.",
        params: &[required("ms", Kind::MILLIS, "Milliseconds to wait; -1 for ever.")],
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
    since: Since::version("1.0"),
    words: 1..=1,
    minus: Minus::Failed,
    dead: false,
    waits: Waits::Millis(0),
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| Some(Reply::of(channel.wait_for_digit(words[0].parse().ok()?).code())),
};
