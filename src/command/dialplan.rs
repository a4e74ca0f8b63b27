//! The dialplan: applications, subroutines, and where the call goes on.

use super::declaration::{Access, After, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::refusal::RefusalKind;
use super::returns::{ReadError, Returns};
use super::value::{Type, Value};
use crate::agi::Reply;
use crate::pbx::GosubResult;

const SUBJECT: &str = "The dialplan";

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&EXEC, &GOSUB, &SET_CONTEXT, &SET_EXTENSION, &SET_PRIORITY];

/// `EXEC`
pub static EXEC: Command = Command {
    function: Function {
        name: "exec",
        summary: "Runs a dialplan application and returns its value; its arguments are not escaped.",
        params: &[
            Param::required(
                "application",
                Kind::Application,
                "Name of the application, such as `Playback`; one that may do harm needs `--allow-exec`.",
            )
            .a_name(),
            Param::optional(
                "arguments",
                Kind::Joined,
                "Its arguments, joined with commas; `app_text` quotes one that holds commas.",
            ),
        ],
        returns: Returns::Shape {
            doc: "the application's value, an integer; -1 is one too",
            value_type: Type::Number,
            read: application,
        },
        examples: &[
            Example {
                caller: "",
                script: r#"exec("Set", "GLOBAL(FLEECE)=white as snow")"#,
                sends: r#"EXEC "Set" "GLOBAL(FLEECE)=white as snow""#,
                reply: "200 result=0",
                value: "0",
            },
            Example {
                caller: "",
                script: r#"exec("NoOp", "a", 2)"#,
                sends: r#"EXEC "NoOp" "a,2""#,
                reply: "200 result=0",
                value: "0",
            },
            Example {
                caller: "",
                script: r#"exec("Zapateller")"#,
                sends: r#"EXEC "Zapateller""#,
                reply: "200 result=-2",
                value: "refused: exec: Asterisk has no such application; is its module loaded?",
            },
        ],
    },
    verb: "EXEC",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=usize::MAX,
    on_minus_one: OnMinusOne::Value,
    dead: true,
    answers: true,
    hears: Hears::Nothing,
    waits: Waits::Unbounded,
    after: After::Fence("1"),
    access: Access::Anything,
    simulate: |channel, words| Some(Reply::of(channel.exec(words[0], words.get(1).copied().unwrap_or_default()))),
    ..Command::UNSTATED
};

/// `EXEC AudioSocket`, which the host sends where a script listens: Asterisk connects to us with the sound of the
/// channel, until we end it.
#[cfg(feature = "speech")]
pub(crate) static AUDIO_SOCKET: Command = Command {
    function: Function {
        name: "listen",
        summary: "Has Asterisk send the sound of the channel.",
        params: &[Param::required("arguments", Kind::Name, "The id of the call, and where to connect to.")],
        returns: Returns::Shape {
            doc: "0 once it has been ended; otherwise -1",
            value_type: Type::Number,
            read: application,
        },
        ..Function::UNSTATED
    },
    verb: "EXEC AudioSocket",
    subject: SUBJECT,
    since: Since::version("20.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Value,
    hears: Hears::Nothing,
    waits: Waits::Unbounded,
    after: After::Nothing,
    access: Access::Nothing,
    ..Command::UNSTATED
};

fn application(reply: &Reply) -> Result<Value, ReadError> {
    match reply.result().parse() {
        Ok(-2) => Err(ReadError::Refused(
            RefusalKind::Refused,
            "Asterisk has no such application; is its module loaded?".to_owned(),
        )),
        Ok(value) => Ok(Value::Int(value)),
        Err(_) => Err(ReadError::unexpected(reply)),
    }
}

/// `GOSUB`
pub static GOSUB: Command = Command {
    function: Function {
        name: "gosub",
        summary: "Runs a subroutine of the dialplan, up to its Return.",
        params: &[
            Param::required("context", Kind::Name, "Context of the subroutine.").a_name(),
            Param::required("extension", Kind::Name, "Extension in it.").a_name(),
            Param::required("priority", Kind::Name, "Priority or label.").a_name(),
            Param::optional("arguments", Kind::Joined, "Its arguments, joined with commas: `ARG1`, `ARG2`, ..."),
        ],
        returns: Returns::Shape {
            doc: "nothing; the subroutine's value is in the variable `GOSUB_RETVAL`",
            value_type: Type::Unit,
            read: subroutine,
        },
        examples: &[Example {
            caller: "",
            script: r#"gosub("no-such-context", "s", 1)"#,
            sends: "GOSUB \"no-such-context\" \"s\" \"1\"\nCHANNEL STATUS",
            reply: "200 result=-1 Gosub label not found\n200 result=4",
            value: "failed: gosub: Gosub label not found",
        }],
    },
    verb: "GOSUB",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 3..=4,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    answers: true,
    hears: Hears::Nothing,
    waits: Waits::Unbounded,
    access: Access::Anything,
    interim: true,
    simulate: |channel, words| {
        Some(match channel.gosub(words[0], words[1], words[2], words.get(3).copied()) {
            GosubResult::NotFound => Reply::new(200, "result=-1 Gosub label not found"),
            GosubResult::Failed => Reply::new(200, "result=-1 Gosub failed"),
            GosubResult::Complete => Reply::new(200, "result=0 Gosub complete"),
            GosubResult::AbnormalExit => Reply::new(200, "result=0 Gosub complete (abnormal exit)"),
        })
    },
    ..Command::UNSTATED
};

fn subroutine(reply: &Reply) -> Result<Value, ReadError> {
    match reply.result() {
        "0" => Ok(Value::Nothing),
        _ => Err(ReadError::failed(reply.text.split_once(' ').map_or("Gosub failed", |(_, text)| text))),
    }
}

/// `SET CONTEXT`
pub static SET_CONTEXT: Command = Command {
    function: Function {
        name: "set_context",
        summary: "Sets the context in which the dialplan goes on; `go_to` sets all three.",
        params: &[Param::required("context", Kind::Name, "The context; whether it exists is not checked.").a_name()],
        returns: Returns::Nothing("0"),
        examples: &[Example {
            caller: "",
            script: r#"set_context("default")"#,
            sends: r#"SET CONTEXT "default""#,
            reply: "200 result=0",
            value: "()",
        }],
    },
    verb: "SET CONTEXT",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    ahead: true,
    simulate: |channel, words| {
        channel.set_context(words[0]);
        Some(Reply::of(0))
    },
    ..Command::UNSTATED
};

/// `SET EXTENSION`
pub static SET_EXTENSION: Command = Command {
    function: Function {
        name: "set_extension",
        summary: "Sets the extension at which the dialplan goes on; `go_to` sets all three.",
        params: &[Param::required("extension", Kind::Name, "The extension; whether it exists is not checked.").a_name()],
        returns: Returns::Nothing("0"),
        examples: &[Example {
            caller: "",
            script: r#"set_extension("s")"#,
            sends: r#"SET EXTENSION "s""#,
            reply: "200 result=0",
            value: "()",
        }],
    },
    verb: "SET EXTENSION",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    ahead: true,
    simulate: |channel, words| {
        channel.set_extension(words[0]);
        Some(Reply::of(0))
    },
    ..Command::UNSTATED
};

/// `SET PRIORITY`
pub static SET_PRIORITY: Command = Command {
    function: Function {
        name: "set_priority",
        summary: "Sets the priority at which the dialplan goes on; `go_to` sets all three.",
        params: &[Param::required("priority", Kind::Name, "Number, or label of the extension.").a_name()],
        returns: Returns::Nothing("0"),
        examples: &[
            Example {
                caller: "",
                script: "set_priority(1)",
                sends: r#"SET PRIORITY "1""#,
                reply: "200 result=0",
                value: "()",
            },
            Example {
                caller: "",
                script: r#"set_priority("no-such-label")"#,
                sends: r#"SET PRIORITY "no-such-label""#,
                reply: "520-Invalid command syntax.  Proper usage follows:\nSets the priority at which the dialplan goes on; `go_to` sets all three.\n520 End of proper usage.",
                value: "refused: set_priority: Asterisk cannot make sense of the arguments",
            },
        ],
    },
    verb: "SET PRIORITY",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| channel.set_priority(words[0]).then(|| Reply::of(0)),
    ..Command::UNSTATED
};
