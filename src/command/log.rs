//! Commands that write to Asterisk's console.

use super::declaration::{Access, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::Returns;
use crate::agi::Reply;

const SUBJECT: &str = "Log";

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&VERBOSE, &NOOP];

/// `VERBOSE`
pub static VERBOSE: Command = Command {
    function: Function {
        name: "verbose",
        summary: "Writes a message to Asterisk's console.",
        params: &[
            Param::required("message", Kind::Text, "The message."),
            Param::defaulted("level", Kind::Integer(0, 10), "1", "Verbosity from which it is shown.").public(),
        ],
        returns: Returns::Nothing("1"),
        examples: &[Example {
            caller: "",
            script: r#"verbose("score: 7")"#,
            sends: r#"VERBOSE "score: 7" 1"#,
            reply: "200 result=1",
            value: "()",
        }],
    },
    verb: "VERBOSE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    ahead: true,
    simulate: |_, _| Some(Reply::of(1)),
    ..Command::UNSTATED
};

/// `NOOP`
pub static NOOP: Command = Command {
    function: Function {
        name: "noop",
        summary: "Does nothing; what follows can be seen in Asterisk's AGI debugging.",
        params: &[Param::optional("words", Kind::Rest, "Any texts.")],
        returns: Returns::Nothing("0"),
        examples: &[Example {
            caller: "",
            script: r#"noop("here")"#,
            sends: r#"NOOP "here""#,
            reply: "200 result=0",
            value: "()",
        }],
    },
    verb: "NOOP",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 0..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    ahead: true,
    simulate: |_, _| Some(Reply::of(0)),
    ..Command::UNSTATED
};
