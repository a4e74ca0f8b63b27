//! Text and pictures on channels that carry them.

use super::declaration::{Access, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::{ReadError, Returns};
use super::value::{Type, Value};
use crate::agi::Reply;

const SUBJECT: &str = "Text and pictures";

const MILLIS: Param =
    Param::required("ms", Kind::MILLIS, "Milliseconds to wait; -1 waits forever, 0 not at all.").public();

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&SEND_TEXT, &RECEIVE_TEXT, &RECEIVE_CHAR, &SEND_IMAGE];

/// `SEND TEXT`
pub static SEND_TEXT: Command = Command {
    function: Function {
        name: "send_text",
        summary: "Sends a text to the caller's device; returns whether the channel could take it.",
        params: &[Param::required("text", Kind::Text, "The text.")],
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
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(Reply::of(if channel.send_text(words[0]) { 0 } else { -1 })),
    ..Command::UNSTATED
};

/// `SEND IMAGE`
pub static SEND_IMAGE: Command = Command {
    function: Function {
        name: "send_image",
        summary: "Sends an image; returns whether the channel could take it.",
        params: &[Param::required("name", Kind::Name, "Image file, without extension.").a_name()],
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
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(Reply::of(if channel.send_image(words[0]) { 0 } else { -1 })),
    ..Command::UNSTATED
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
    subject: SUBJECT,
    since: Since::version("1.2"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    hears: Hears::Text,
    waits: Waits::Millis(0),
    access: Access::Nothing,
    simulate: |channel, words| {
        let text = channel.receive_text(words[0].parse().ok()?);
        Some(text.map_or_else(|| Reply::of(-1), |text| Reply::of(1).with_value(text)))
    },
    ..Command::UNSTATED
};

/// `RECEIVE CHAR`
pub static RECEIVE_CHAR: Command = Command {
    function: Function {
        name: "receive_char",
        summary: "Waits for a text from the caller's device and returns its first character.",
        params: &[MILLIS],
        returns: Returns::Shape {
            doc: "a text of one character; `()` if none came",
            value_type: Type::TextOrUnit,
            read: character,
        },
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
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    hears: Hears::Character,
    waits: Waits::Millis(0),
    access: Access::Nothing,
    simulate: |channel, words| {
        Some(match channel.receive_char(words[0].parse().ok()?) {
            None => Reply::of(-1).with_value("hangup"),
            Some(0) => Reply::of(0).with_value("timeout"),
            Some(character) => Reply::of(character),
        })
    },
    ..Command::UNSTATED
};

/// Asterisk says `(hangup)` after a mere timeout too, so only the number counts.
fn character(reply: &Reply) -> Result<Value, ReadError> {
    match reply.result().parse::<i64>() {
        Ok(code @ 1..=255) => Ok(Value::Text(char::from(u8::try_from(code).unwrap_or_default()).to_string())),
        Ok(_) => Ok(Value::Nothing),
        Err(_) => Err(ReadError::unexpected(reply)),
    }
}
