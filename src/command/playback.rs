//! Playing sound files.

use super::declaration::{
    Access, Command, ESCAPE_DIGITS, Example, Function, MissingSound, OnMinusOne, Plays, Since, Waits,
};
use super::hears::Hears;
use super::param::{INT, Kind, Param};
use super::returns::Returns;
use crate::agi::Reply;
use crate::pbx::{PlaybackControls, PlaybackResult};

const SUBJECT: &str = "Playing sound files";

pub(super) fn played(played: &PlaybackResult) -> Reply {
    Reply::of(played.key.code()).with("endpos", played.endpos)
}

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&STREAM_FILE, &CONTROL_STREAM_FILE];

/// `STREAM FILE`
pub static STREAM_FILE: Command = Command {
    function: Function {
        name: "stream_file",
        summary: "Plays a sound file; the caller may end it with a key.",
        params: &[
            Param::required("file", Kind::Text, "Sound file, without extension.").a_name(),
            ESCAPE_DIGITS,
            Param::optional("offset", Kind::COUNT, "Sample to start from.").public(),
        ],
        returns: Returns::Key,
        examples: &[
            Example {
                caller: "",
                script: r#"stream_file("beep")"#,
                sends: r#"STREAM FILE "beep" """#,
                reply: "200 result=0 endpos=3520",
                value: r#""""#,
            },
            Example {
                caller: "presses 2 after 1s",
                script: r#"stream_file("vm-intro", "12")"#,
                sends: r#"STREAM FILE "vm-intro" "12""#,
                reply: "200 result=50 endpos=8000",
                value: r#""2""#,
            },
            Example {
                caller: "",
                script: r#"stream_file("no-such-file")"#,
                sends: "STREAM FILE \"no-such-file\" \"\"\nCHANNEL STATUS",
                reply: "200 result=-1 endpos=0\n200 result=4",
                value: r#""""#,
            },
        ],
    },
    verb: "STREAM FILE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=3,
    on_minus_one: OnMinusOne::MissingSound(MissingSound::GoOn),
    dead: false,
    plays: Plays::Sound(0),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        let offset = words.get(2).map_or(Some(0), |offset| offset.parse().ok())?;
        Some(played(&channel.play(words[0], words[1], offset)))
    },
    ..Command::UNSTATED
};

/// `CONTROL STREAM FILE`
pub static CONTROL_STREAM_FILE: Command = Command {
    function: Function {
        name: "control_stream_file",
        summary: "Plays a sound file in which the caller may wind forward, wind back and pause.",
        params: &[
            Param::required("file", Kind::Text, "Sound file, without extension.").a_name(),
            ESCAPE_DIGITS,
            Param::optional("skip_ms", Kind::Millis(0, INT.1), "Milliseconds to wind by; 3000 if left out.").public(),
            Param::optional("forward", Kind::Keys, "Key that winds forward; `#` if left out.").public(),
            Param::optional("rewind", Kind::Keys, "Key that winds back; `*` if left out.").public(),
            Param::optional("pause", Kind::Keys, "Key that pauses and resumes; none if left out.").public(),
            Param::optional("offset_ms", Kind::Millis(0, INT.1), "Milliseconds to start from.").public(),
        ],
        returns: Returns::Key,
        examples: &[Example {
            caller: "presses 9 after 500ms",
            script: r#"control_stream_file("vm-intro", "9", 1000)"#,
            sends: r#"CONTROL STREAM FILE "vm-intro" "9" 1000"#,
            reply: "200 result=57 endpos=500",
            value: r#""9""#,
        }],
    },
    verb: "CONTROL STREAM FILE",
    subject: SUBJECT,
    since: Since { version: "1.2", params: &[(6, 12)] },
    words: 2..=7,
    on_minus_one: OnMinusOne::MissingSound(MissingSound::GoOn),
    dead: false,
    plays: Plays::Sound(0),
    hears: Hears::Key,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, words| {
        let usual = PlaybackControls::default();
        let number = |at: usize, usual: i64| words.get(at).map_or(Some(usual), |word| word.parse().ok());
        let controls = PlaybackControls {
            skip_ms: number(2, usual.skip_ms)?,
            forward: words.get(3).map_or(usual.forward, |word| (*word).to_owned()),
            rewind: words.get(4).map_or(usual.rewind, |word| (*word).to_owned()),
            pause: words.get(5).map_or(usual.pause, |word| (*word).to_owned()),
            offset_ms: number(6, usual.offset_ms)?,
        };
        Some(played(&channel.control_play(words[0], words[1], &controls)))
    },
    ..Command::UNSTATED
};
