//! Channel variables.

use super::declaration::{Access, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::Returns;
use crate::agi::Reply;

const SUBJECT: &str = "Channel variables";

fn value(value: Option<String>) -> Reply {
    value.map_or_else(|| Reply::of(0), |value| Reply::of(1).with_value(value))
}

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&GET_VARIABLE, &GET_FULL_VARIABLE, &SET_VARIABLE];

/// `GET VARIABLE`
pub static GET_VARIABLE: Command = Command {
    function: Function {
        name: "get_variable",
        summary: "Reads a channel variable or a dialplan function; Asterisk cuts the value at 1023 bytes.",
        params: &[
            Param::required("name", Kind::Read, "Name of a variable, or a function such as `CALLERID(num)`.").a_name()
        ],
        returns: Returns::Text { absent: "0" },
        examples: &[
            Example {
                caller: "",
                script: r#"set_variable("COLOUR", "a (dark) red"); get_variable("COLOUR")"#,
                sends: "SET VARIABLE \"COLOUR\" \"a (dark) red\"\nGET VARIABLE \"COLOUR\"",
                reply: "200 result=1\n200 result=1 (a (dark) red)",
                value: r#""a (dark) red""#,
            },
            Example {
                caller: "",
                script: r#"get_variable("UNSET")"#,
                sends: r#"GET VARIABLE "UNSET""#,
                reply: "200 result=0",
                value: "()",
            },
            Example {
                caller: "",
                script: r#"get_variable("a\nb")"#,
                sends: "",
                reply: "",
                value: "argument: get_variable: `name` holds a line break, which AGI cannot carry",
            },
        ],
    },
    verb: "GET VARIABLE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Value,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::ReadsVariable,
    simulate: |channel, words| Some(value(channel.get_variable(words[0]))),
    ..Command::UNSTATED
};

/// `GET FULL VARIABLE`
pub static GET_FULL_VARIABLE: Command = Command {
    function: Function {
        name: "get_full_variable",
        summary: "Evaluates a dialplan expression such as `${CALLERID(num)}`; unset values are empty.",
        params: &[
            Param::required("expression", Kind::Expression, "Text with `${...}` in it.").a_name(),
            Param::optional("channel", Kind::Name, "Name of another channel; this one if left out.").a_name(),
        ],
        returns: Returns::Text { absent: "0" },
        examples: &[
            Example {
                caller: "",
                script: r#"set_variable("N", 3); get_full_variable("${N} of ${M}.")"#,
                sends: "SET VARIABLE \"N\" \"3\"\nGET FULL VARIABLE \"${N} of ${M}.\"",
                reply: "200 result=1\n200 result=1 (3 of .)",
                value: r#""3 of .""#,
            },
            Example {
                caller: "",
                script: r#"get_full_variable("${N}", "PJSIP/nobody-1")"#,
                sends: r#"GET FULL VARIABLE "${N}" "PJSIP/nobody-1""#,
                reply: "200 result=0",
                value: "()",
            },
        ],
    },
    verb: "GET FULL VARIABLE",
    subject: SUBJECT,
    since: Since::version("1.2"),
    words: 1..=2,
    on_minus_one: OnMinusOne::Value,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::ReadsExpression,
    simulate: |channel, words| Some(value(channel.get_full_variable(words[0], words.get(1).copied()))),
    ..Command::UNSTATED
};

/// `SET VARIABLE`
pub static SET_VARIABLE: Command = Command {
    function: Function {
        name: "set_variable",
        summary: "Sets a channel variable or writes to a dialplan function.",
        params: &[
            Param::required(
                "name",
                Kind::Written,
                "Name of a variable, `_NAME` or `__NAME` to hand it on to called channels, or a function.",
            )
            .a_name(),
            Param::required("value", Kind::Text, "The new value."),
        ],
        returns: Returns::Nothing("1"),
        examples: &[
            Example {
                caller: "",
                script: r#"set_variable("CALLERID(name)", "Bob")"#,
                sends: r#"SET VARIABLE "CALLERID(name)" "Bob""#,
                reply: "200 result=1",
                value: "()",
            },
            Example {
                caller: "",
                script: r#"set_variable("X", ())"#,
                sends: "",
                reply: "",
                value: "argument: set_variable: `value` must be a text, not ()",
            },
        ],
    },
    verb: "SET VARIABLE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::SetsVariable,
    ahead: true,
    simulate: |channel, words| {
        channel.set_variable(words[0], words[1]);
        Some(Reply::of(1))
    },
    ..Command::UNSTATED
};
