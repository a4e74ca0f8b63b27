//! Recording the caller.

use super::{
    After, Command, Example, Function, Kind, Minus, Returns, Sets, Since, Trouble, Value, Waits, optional, required,
};
use crate::agi::Reply;
use crate::pbx::{RecordOptions, RecordResult};

/// `RECORD FILE`
pub static RECORD_FILE: Command = Command {
    function: Function {
        name: "record_file",
        summary: "Records the caller to a file until a key, a silence or a time; keep what you have by looking at it in `on_hangup(last)`.",
        params: &[
            required(
                "file",
                Kind::Name,
                "File to write, without extension; a relative name is below the sounds folder.",
            ),
            required("format", Kind::Name, "Format, such as `wav` or `gsm`."),
            required("escape_digits", Kind::Keys, "Keys that end it."),
            required("ms", Kind::MILLIS, "Milliseconds at most; -1 without limit."),
            optional(
                "options",
                Kind::RecordOptions,
                "`beep`: whether a beep comes first; `silence`: seconds of silence that end it; `offset`: samples of an existing file to keep.",
            ),
        ],
        returns: Returns::Shape {
            doc: "`#{ ended_by: \"digit\" or \"timeout\", digit, samples, seconds }`",
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
    since: Since::version("1.0"),
    words: 4..=usize::MAX,
    minus: Minus::Value,
    dead: false,
    waits: Waits::Millis(3),
    after: After::Nothing,
    sets: Sets::Nothing,
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
};

fn recorded(reply: &Reply) -> Result<Value, Trouble> {
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
    let digit = || super::returns::key(reply.result()).unwrap_or_default();
    match reply.word() {
        Some("dtmf") => Ok(ended("digit", digit())),
        // The number before `(timeout)` is a leftover of the wait, not a key.
        Some("timeout") => Ok(ended("timeout", String::new())),
        // A key in the beep.
        Some("randomerror") if !digit().is_empty() => Ok(ended("digit", digit())),
        Some("hangup") => Err(Trouble::Hangup(Some(ended("hangup", String::new())))),
        Some("writefile") => {
            Err(Trouble::failed("Asterisk cannot write the file: is the format known and the folder writable?"))
        }
        _ => Err(Trouble::failed(&format!("Asterisk answered {:?}", reply.text))),
    }
}
