//! Speech recognition, if Asterisk has an engine for it.

use super::declaration::{Access, Command, Example, Function, OnMinusOne, Plays, Since, Waits};
use super::hears::Hears;
use super::param::{INT, Kind, Param};
use super::returns::{ReadError, Returns};
use super::value::{Type, Value};
use crate::agi::Reply;
use crate::pbx::RecognizeResult;

const SUBJECT: &str = "Recognising speech";

const NO_ENGINE: &str = "Asterisk has no speech engine or object for this";
const GRAMMAR: Param = Param::required("grammar", Kind::Name, "Name of the grammar.").a_name();

fn done(done: bool) -> Reply {
    Reply::of(u8::from(done))
}

fn nothing(reply: &Reply) -> Result<Value, ReadError> {
    match reply.result() {
        "1" => Ok(Value::Nothing),
        _ => Err(ReadError::failed(NO_ENGINE)),
    }
}

const NOTHING: Returns = Returns::Shape { doc: "nothing", value_type: Type::Unit, read: nothing };

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[
    &SPEECH_CREATE,
    &SPEECH_SET,
    &SPEECH_LOAD_GRAMMAR,
    &SPEECH_ACTIVATE_GRAMMAR,
    &SPEECH_RECOGNIZE,
    &SPEECH_DEACTIVATE_GRAMMAR,
    &SPEECH_UNLOAD_GRAMMAR,
    &SPEECH_DESTROY,
];

/// `SPEECH CREATE`
pub static SPEECH_CREATE: Command = Command {
    function: Function {
        name: "speech_create",
        summary: "Creates the speech object that the other speech commands use.",
        params: &[Param::required("engine", Kind::Text, "Name of the engine.").a_name()],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r#"speech_create("lumenvox")"#,
            sends: r#"SPEECH CREATE "lumenvox""#,
            reply: "200 result=0",
            value: "failed: speech_create: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH CREATE",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 0..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(done(channel.speech_create(words.first().copied().unwrap_or_default()))),
    ..Command::UNSTATED
};

/// `SPEECH SET`
pub static SPEECH_SET: Command = Command {
    function: Function {
        name: "speech_set",
        summary: "Sets a value of the speech engine.",
        params: &[
            Param::required("name", Kind::Name, "Name of the setting.").a_name(),
            Param::required("value", Kind::Text, "The new value."),
        ],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r#"speech_set("name", "value")"#,
            sends: r#"SPEECH SET "name" "value""#,
            reply: "200 result=0",
            value: "failed: speech_set: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH SET",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(done(channel.speech_set(words[0], words[1]))),
    ..Command::UNSTATED
};

/// `SPEECH LOAD GRAMMAR`
pub static SPEECH_LOAD_GRAMMAR: Command = Command {
    function: Function {
        name: "speech_load_grammar",
        summary: "Loads a grammar.",
        params: &[GRAMMAR, Param::required("path", Kind::Name, "Where the grammar is found.").a_name()],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r#"speech_load_grammar("digits", "/grammars/digits")"#,
            sends: r#"SPEECH LOAD GRAMMAR "digits" "/grammars/digits""#,
            reply: "200 result=0",
            value: "failed: speech_load_grammar: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH LOAD GRAMMAR",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(done(channel.speech_load_grammar(words[0], words[1]))),
    ..Command::UNSTATED
};

/// `SPEECH ACTIVATE GRAMMAR`
pub static SPEECH_ACTIVATE_GRAMMAR: Command = Command {
    function: Function {
        name: "speech_activate_grammar",
        summary: "Activates a loaded grammar.",
        params: &[GRAMMAR],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r#"speech_activate_grammar("digits")"#,
            sends: r#"SPEECH ACTIVATE GRAMMAR "digits""#,
            reply: "200 result=0",
            value: "failed: speech_activate_grammar: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH ACTIVATE GRAMMAR",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(done(channel.speech_activate_grammar(words[0]))),
    ..Command::UNSTATED
};

/// `SPEECH DEACTIVATE GRAMMAR`
pub static SPEECH_DEACTIVATE_GRAMMAR: Command = Command {
    function: Function {
        name: "speech_deactivate_grammar",
        summary: "Deactivates a grammar.",
        params: &[GRAMMAR],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r#"speech_deactivate_grammar("digits")"#,
            sends: r#"SPEECH DEACTIVATE GRAMMAR "digits""#,
            reply: "200 result=0",
            value: "failed: speech_deactivate_grammar: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH DEACTIVATE GRAMMAR",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(done(channel.speech_deactivate_grammar(words[0]))),
    ..Command::UNSTATED
};

/// `SPEECH UNLOAD GRAMMAR`
pub static SPEECH_UNLOAD_GRAMMAR: Command = Command {
    function: Function {
        name: "speech_unload_grammar",
        summary: "Unloads a grammar.",
        params: &[GRAMMAR],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r#"speech_unload_grammar("digits")"#,
            sends: r#"SPEECH UNLOAD GRAMMAR "digits""#,
            reply: "200 result=0",
            value: "failed: speech_unload_grammar: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH UNLOAD GRAMMAR",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(done(channel.speech_unload_grammar(words[0]))),
    ..Command::UNSTATED
};

/// `SPEECH DESTROY`
pub static SPEECH_DESTROY: Command = Command {
    function: Function {
        name: "speech_destroy",
        summary: "Gives up the speech object.",
        params: &[],
        returns: NOTHING,
        examples: &[Example {
            caller: "",
            script: r"speech_destroy()",
            sends: "SPEECH DESTROY",
            reply: "200 result=0",
            value: "failed: speech_destroy: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH DESTROY",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 0..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, _| Some(done(channel.speech_destroy())),
    ..Command::UNSTATED
};

/// `SPEECH RECOGNIZE`
pub static SPEECH_RECOGNIZE: Command = Command {
    function: Function {
        name: "speech_recognize",
        summary: "Plays a sound file and listens to what the caller says.",
        params: &[
            Param::required("prompt", Kind::Text, "Sound file, without extension.").a_name(),
            Param::required("seconds", Kind::WholeSeconds(INT.0, INT.1), "Seconds to wait.").public(),
            Param::optional("offset", Kind::COUNT, "Sample to start from.").public(),
        ],
        returns: Returns::Shape {
            doc: "`#{ ended_by, digit, results: [#{ text, score, grammar }] }`",
            value_type: Type::Map,
            read: recognized,
        },
        examples: &[Example {
            caller: "",
            script: r#"speech_recognize("beep", 3)"#,
            sends: r#"SPEECH RECOGNIZE "beep" 3"#,
            reply: "200 result=0",
            value: "failed: speech_recognize: Asterisk has no speech engine or object for this",
        }],
    },
    verb: "SPEECH RECOGNIZE",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 2..=usize::MAX,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    plays: Plays::Sound(0),
    hears: Hears::Speech,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        let offset = words.get(2).and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let one = |word: &str, endpos| Reply::of(1).with_value(word).with("endpos", endpos);
        Some(match channel.speech_recognize(words[0], words[1].parse().ok()?, offset) {
            None => Reply::of(0),
            Some(RecognizeResult::Timeout(endpos)) => one("timeout", endpos),
            Some(RecognizeResult::HangUp(endpos)) => one("hangup", endpos),
            Some(RecognizeResult::Digit(digit, endpos)) => {
                Reply::new(200, format!("result=1 (digit) digit={digit} endpos={endpos}"))
            }
            Some(RecognizeResult::Speech { endpos, results }) => {
                use std::fmt::Write;
                let mut reply = one("speech", endpos).with("results", i64::try_from(results.len()).unwrap_or(0));
                for (n, result) in results.iter().enumerate() {
                    let (score, text, grammar) = (result.score, &result.text, &result.grammar);
                    let _ = write!(reply.text, " score{n}={score} text{n}=\"{text}\" grammar{n}={grammar}");
                }
                reply
            }
        })
    },
    ..Command::UNSTATED
};

fn recognized(reply: &Reply) -> Result<Value, ReadError> {
    if reply.result() != "1" {
        return Err(ReadError::failed(NO_ENGINE));
    }
    let mut results = Vec::new();
    let ended_by = match reply.word() {
        Some("hangup") => return Err(ReadError::Hangup(None)),
        Some(word @ ("digit" | "timeout")) => word,
        _ => {
            // Texts aren't escaped: each ends where the next name begins.
            for n in 0..reply.number("results").unwrap_or(0).clamp(0, 64) {
                let score = reply.number(&format!("score{n}")).unwrap_or(0);
                let rest = reply.text.split_once(&format!(" text{n}=\"")).map_or("", |(_, rest)| rest);
                let (text, rest) = rest.split_once(&format!("\" grammar{n}=")).unwrap_or((rest, ""));
                let grammar = rest.split(&format!(" score{}=", n + 1)).next().unwrap_or_default();
                results.push(Value::map([
                    ("text", Value::from(text)),
                    ("score", Value::Int(score)),
                    ("grammar", Value::from(grammar)),
                ]));
            }
            "speech"
        }
    };
    Ok(Value::map([
        ("ended_by", Value::from(ended_by)),
        ("digit", Value::from(reply.field("digit").unwrap_or_default())),
        ("results", Value::List(results)),
    ]))
}
