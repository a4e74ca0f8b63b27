//! Text and pictures on channels that carry them.

use super::{After, Command, Example, Function, Kind, Minus, Returns, Sets, Since, Trouble, Value, Waits, required};
use crate::agi::Reply;

const MILLIS: super::Param = required("ms", Kind::MILLIS, "Milliseconds to wait; -1 for ever, 0 not at all.");

/// `SEND TEXT`
pub static SEND_TEXT: Command = Command {
    function: Function {
        name: "send_text",
        summary: "Sends a text to the caller's device; tells whether the channel could take it.",
        params: &[required("text", Kind::Text, "The text.")],
        returns: Returns::Flag { yes: "0" },
        examples: &[Example {
            caller: "",
            script: r#"send_text("hello")"#,
            sends: r#"SEND TEXT "hello""#,
            reply: "200 result=0",
            value: "true",
        }],
    },
    verb: "SEND TEXT",
    since: Since::version("1.0"),
    words: 1..=1,
    minus: Minus::Value,
    dead: false,
    waits: Waits::Short,
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| Some(Reply::of(if channel.send_text(words[0]) { 0 } else { -1 })),
};

/// `SEND IMAGE`
pub static SEND_IMAGE: Command = Command {
    function: Function {
        name: "send_image",
        summary: "Sends an image; tells whether the channel could take it.",
        params: &[required("name", Kind::Name, "Image file, without extension.")],
        returns: Returns::Flag { yes: "0" },
        examples: &[Example {
            caller: "",
            script: r#"send_image("hello")"#,
            sends: r#"SEND IMAGE "hello""#,
            reply: "200 result=0",
            value: "true",
        }],
    },
    verb: "SEND IMAGE",
    since: Since::version("1.0"),
    words: 1..=1,
    minus: Minus::Value,
    dead: false,
    waits: Waits::Short,
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| Some(Reply::of(if channel.send_image(words[0]) { 0 } else { -1 })),
};

/// `RECEIVE TEXT`
pub static RECEIVE_TEXT: Command = Command {
    function: Function {
        name: "receive_text",
        summary: "Waits for a text from the caller's device.",
        params: &[MILLIS],
        returns: Returns::Text { absent: "-1" },
        examples: &[
            Example {
                caller: r#"says "yes (1)" after 1s"#,
                script: "receive_text(2000)",
                sends: "RECEIVE TEXT 2000",
                reply: "200 result=1 (yes (1))",
                value: r#""yes (1)""#,
            },
            Example {
                caller: "",
                script: "receive_text(200)",
                sends: "RECEIVE TEXT 200\nCHANNEL STATUS",
                reply: "200 result=-1\n200 result=4",
                value: "()",
            },
        ],
    },
    verb: "RECEIVE TEXT",
    since: Since::version("1.2"),
    words: 1..=1,
    minus: Minus::Value,
    dead: false,
    waits: Waits::Millis(0),
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| {
        let text = channel.receive_text(words[0].parse().ok()?);
        Some(text.map_or_else(|| Reply::of(-1), |text| Reply::of(1).with_value(text)))
    },
};

/// `RECEIVE CHAR`
pub static RECEIVE_CHAR: Command = Command {
    function: Function {
        name: "receive_char",
        summary: "Waits for a text from the caller's device and gives its first character.",
        params: &[MILLIS],
        returns: Returns::Shape { doc: "a text of one character; `()` if none came", read: character },
        examples: &[
            Example {
                caller: r#"says "yes" after 1s"#,
                script: "receive_char(2000)",
                sends: "RECEIVE CHAR 2000",
                reply: "200 result=121",
                value: r#""y""#,
            },
            Example {
                caller: "",
                script: "receive_char(200)",
                sends: "RECEIVE CHAR 200\nCHANNEL STATUS",
                reply: "200 result=-1 (hangup)\n200 result=4",
                value: "()",
            },
        ],
    },
    verb: "RECEIVE CHAR",
    since: Since::version("1.0"),
    words: 1..=1,
    minus: Minus::Value,
    dead: false,
    waits: Waits::Millis(0),
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |channel, words| {
        Some(match channel.receive_char(words[0].parse().ok()?) {
            None => Reply::of(-1).with_value("hangup"),
            Some(0) => Reply::of(0).with_value("timeout"),
            Some(character) => Reply::of(character),
        })
    },
};

/// Asterisk says `(hangup)` after a mere timeout too, so only the number counts.
fn character(reply: &Reply) -> Result<Value, Trouble> {
    match reply.result().parse::<i64>() {
        Ok(code @ 1..=255) => Ok(Value::Text(char::from(u8::try_from(code).unwrap_or_default()).to_string())),
        Ok(_) => Ok(Value::Nothing),
        Err(_) => Err(Trouble::failed(&format!("Asterisk answered {:?}", reply.text))),
    }
}
