//! Words for Asterisk's own console.

use super::{
    After, Command, Example, Function, Kind, Minus, Returns, Sets, Since, Waits, defaulted, optional, required,
};
use crate::agi::Reply;

/// `VERBOSE`
pub static VERBOSE: Command = Command {
    function: Function {
        name: "verbose",
        summary: "Writes a message to Asterisk's console.",
        params: &[
            required("message", Kind::Text, "The message."),
            defaulted("level", Kind::Integer(0, 10), "1", "Verbosity from which it is shown."),
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
    since: Since::version("1.0"),
    words: 1..=usize::MAX,
    minus: Minus::Failed,
    dead: true,
    waits: Waits::Short,
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |_, _| Some(Reply::of(1)),
};

/// `NOOP`
pub static NOOP: Command = Command {
    function: Function {
        name: "noop",
        summary: "Does nothing; what follows can be seen in Asterisk's AGI debugging.",
        params: &[optional("words", Kind::Rest, "Any texts.")],
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
    since: Since::version("1.0"),
    words: 0..=usize::MAX,
    minus: Minus::Failed,
    dead: true,
    waits: Waits::Short,
    after: After::Nothing,
    sets: Sets::Nothing,
    simulate: |_, _| Some(Reply::of(0)),
};
