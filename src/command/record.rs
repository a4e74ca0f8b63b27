//! Recording the caller.

use super::declaration::{Access, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::{ReadError, Returns, key};
use super::value::{Type, Value};
use crate::agi::Reply;
use crate::pbx::{RecordOptions, RecordResult};

const SUBJECT: &str = "Recording";

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&RECORD_FILE];

/// `RECORD FILE`
pub static RECORD_FILE: Command = Command {
    function: Function {
        name: "record_file",
        summary: "Records the caller to a file until a key, silence or the time limit ends it; after a hangup, `on_hangup(last)` has the result.",
        params: &[
            Param::required(
                "file",
                Kind::Name,
                "File to write, without extension; a relative name is below the sounds folder.",
            ).a_name(),
            Param::required("format", Kind::Name, "Format, such as `wav` or `gsm`.").a_name(),
            Param::required("escape_digits", Kind::Keys, "Keys that end it.").public(),
            Param::required("ms", Kind::MILLIS, "Maximum length in milliseconds; -1 for no limit.").public(),
            Param::optional(
                "options",
                Kind::RecordOptions,
                "`beep`: whether a beep comes first; `silence`: seconds of silence that end it; `offset`: samples of an existing file to keep.",
            ).public(),
        ],
        returns: Returns::Shape {
            doc: "`#{ ended_by: \"digit\" or \"timeout\", digit, samples, seconds }`",
            value_type: Type::Map,
            read: recorded,
        },
        examples: &[
            Example {
                caller: "presses # after 2s",
                script: r##"record_file("greeting", "gsm", "#", 8000).ended_by"##,
                sends: "RECORD FILE \"greeting\" \"gsm\" \"#\" 8000",
                reply: "200 result=35 (dtmf) endpos=14400",
                value: r#""digit""#,
            },
            Example {
                caller: "",
                script: r##"record_file("greeting", "gsm", "#", 700, #{ beep: true, silence: 3 }).ended_by"##,
                sends: "RECORD FILE \"greeting\" \"gsm\" \"#\" 700 BEEP s=3",
                reply: "200 result=0 (timeout) endpos=5600",
                value: r#""timeout""#,
            },
            Example {
                caller: "",
                script: r##"record_file("greeting", "no-format", "#", 700)"##,
                sends: "RECORD FILE \"greeting\" \"no-format\" \"#\" 700\nCHANNEL STATUS",
                reply: "200 result=-1 (writefile)\n200 result=4",
                value: "failed: record_file: Asterisk cannot write the file: is the format known and the folder writable?",
            },
        ],
    },
    verb: "RECORD FILE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 4..=usize::MAX,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    hears: Hears::Voice,
    waits: Waits::Millis(3),
    access: Access::Nothing,
    simulate: |channel, words| {
        let beep = words[4..].iter().any(|word| word.eq_ignore_ascii_case("BEEP"));
        let silence =
            words[4..].iter().find_map(|word| word.strip_prefix("s=")).and_then(|s| s.parse().ok()).unwrap_or(0);
        let offset = words.get(4).and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let options = RecordOptions { offset, beep, silence };
        let ms = words[3].parse().ok()?;
        let reply = |result: i64, word: &str, endpos: i64| Reply::of(result).with_value(word).with("endpos", endpos);
        Some(match channel.record(words[0], words[1], words[2], ms, &options) {
            RecordResult::Digit(digit, endpos) => reply(digit.code().into(), "dtmf", endpos),
            RecordResult::Timeout(endpos) => reply(0, "timeout", endpos),
            RecordResult::HangUp(endpos) => reply(-1, "hangup", endpos),
            RecordResult::WaitFor(endpos) => reply(-1, "waitfor", endpos),
            RecordResult::RandomError(key, endpos) => reply(key.code().into(), "randomerror", endpos),
            RecordResult::WriteFile => Reply::of(-1).with_value("writefile"),
        })
    },
    ..Command::UNSTATED
};

fn recorded(reply: &Reply) -> Result<Value, ReadError> {
    let samples = reply.number("endpos").unwrap_or(0);
    let ended = |by: &str, digit: String| {
        #[expect(clippy::cast_precision_loss, reason = "a recording has far fewer samples than a float holds")]
        let seconds = samples as f64 / 8000.0;
        Value::map([
            ("ended_by", Value::from(by)),
            ("digit", Value::Text(digit)),
            ("samples", Value::Int(samples)),
            ("seconds", Value::Float(seconds)),
        ])
    };
    let digit = || key(reply.result()).unwrap_or_default();
    match reply.word() {
        Some("dtmf") => Ok(ended("digit", digit())),
        // The number before `(timeout)` is left over from the wait, and isn't a key.
        Some("timeout") => Ok(ended("timeout", String::new())),
        // A key interrupted the beep.
        Some("randomerror") if !digit().is_empty() => Ok(ended("digit", digit())),
        Some("hangup") => Err(ReadError::Hangup(Some(ended("hangup", String::new())))),
        Some("writefile") => {
            Err(ReadError::failed("Asterisk cannot write the file: is the format known and the folder writable?"))
        }
        _ => Err(ReadError::unexpected(reply)),
    }
}
