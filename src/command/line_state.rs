//! Commands about the line itself: answer, hang up, its state, the caller ID.

use super::declaration::{Access, After, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::Returns;
use crate::agi::Reply;

const SUBJECT: &str = "The call";

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] =
    &[&ANSWER, &HANGUP, &CHANNEL_STATUS, &SET_AUTOHANGUP, &SET_CALLERID, &SET_MUSIC, &TDD_MODE, &ASYNCAGI_BREAK];

/// `ANSWER`
pub static ANSWER: Command = Command {
    function: Function {
        name: "answer",
        summary: "Answers the call; does nothing when it is up already.",
        params: &[],
        returns: Returns::Nothing("0"),
        examples: &[Example { caller: "", script: "answer()", sends: "ANSWER", reply: "200 result=0", value: "()" }],
    },
    verb: "ANSWER",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 0..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    answers: true,
    hears: Hears::Nothing,
    waits: Waits::Unbounded,
    access: Access::Nothing,
    simulate: |channel, _| Some(Reply::of(if channel.answer() { 0 } else { -1 })),
    ..Command::UNSTATED
};

/// `HANGUP`
pub static HANGUP: Command = Command {
    function: Function {
        name: "hangup",
        summary: "Ends the call and the script; with the name of another channel, hangs that one up and returns.",
        params: &[
            Param::optional("channel", Kind::Name, "Name of another channel, such as `PJSIP/alice-00000001`.").a_name()
        ],
        returns: Returns::Nothing("1"),
        examples: &[
            Example { caller: "", script: "hangup()", sends: "HANGUP", reply: "200 result=1", value: "hangup" },
            Example {
                caller: "",
                script: r#"hangup("PJSIP/nobody-1")"#,
                sends: "HANGUP \"PJSIP/nobody-1\"\nCHANNEL STATUS",
                reply: "200 result=-1\n200 result=4",
                value: "failed: hangup: Asterisk answered -1: it failed, or what it names doesn't exist",
            },
        ],
    },
    verb: "HANGUP",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 0..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    after: After::HangsUp,
    access: Access::Nothing,
    simulate: |channel, words| Some(Reply::of(if channel.hangup(words.first().copied()) { 1 } else { -1 })),
    ..Command::UNSTATED
};

/// `CHANNEL STATUS`
pub static CHANNEL_STATUS: Command = Command {
    function: Function {
        name: "channel_status",
        summary: "Returns the state of this channel or of another one.",
        params: &[Param::optional("channel", Kind::Name, "Name of another channel; this one if left out.").a_name()],
        returns: Returns::Word(&[
            "down",
            "reserved",
            "offhook",
            "dialed",
            "ring",
            "ringing",
            "up",
            "busy",
            "dialing-offhook",
            "prering",
        ]),
        examples: &[
            Example {
                caller: "",
                script: "answer(); channel_status()",
                sends: "ANSWER\nCHANNEL STATUS",
                reply: "200 result=0\n200 result=6",
                value: r#""up""#,
            },
            Example {
                caller: "",
                script: r#"channel_status("PJSIP/nobody-1")"#,
                sends: "CHANNEL STATUS \"PJSIP/nobody-1\"\nCHANNEL STATUS",
                reply: "200 result=-1\n200 result=4",
                value: "()",
            },
        ],
    },
    verb: "CHANNEL STATUS",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 0..=1,
    on_minus_one: OnMinusOne::Value,
    dead: false,
    answers: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| {
        let state = channel.channel_status(words.first().copied());
        Some(Reply::of(state.map_or(-1, |state| i64::from(state.number()))))
    },
    ..Command::UNSTATED
};

/// `SET AUTOHANGUP`
pub static SET_AUTOHANGUP: Command = Command {
    function: Function {
        name: "set_autohangup",
        summary: "Hangs the call up after a time, whatever happens until then.",
        params: &[Param::required(
            "seconds",
            Kind::Seconds,
            "Seconds from now, which may have a fraction; 0 cancels it.",
        )
        .public()],
        returns: Returns::Nothing("0"),
        examples: &[Example {
            caller: "",
            script: "set_autohangup(0)",
            sends: "SET AUTOHANGUP 0",
            reply: "200 result=0",
            value: "()",
        }],
    },
    verb: "SET AUTOHANGUP",
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
        channel.set_autohangup(words[0].parse().ok()?);
        Some(Reply::of(0))
    },
    ..Command::UNSTATED
};

/// `SET CALLERID`
pub static SET_CALLERID: Command = Command {
    function: Function {
        name: "set_callerid",
        summary: "Sets the caller ID, which is shown to the party that this call is connected to.",
        params: &[Param::required(
            "callerid",
            Kind::Text,
            r#"Number, or name and number as in `"Bob" <123>`; 255 bytes at most."#,
        )],
        returns: Returns::Nothing("1"),
        examples: &[Example {
            caller: "",
            script: r#"set_callerid("\"Bob\" <123>")"#,
            sends: r#"SET CALLERID "\"Bob\" <123>""#,
            reply: "200 result=1",
            value: "()",
        }],
    },
    verb: "SET CALLERID",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 0..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    ahead: true,
    simulate: |channel, words| {
        channel.set_callerid(words.first().copied().unwrap_or_default());
        Some(Reply::of(1))
    },
    ..Command::UNSTATED
};

/// `SET MUSIC`
pub static SET_MUSIC: Command = Command {
    function: Function {
        name: "set_music",
        summary: "Starts or stops music on hold, which the caller hears until something else is played.",
        params: &[
            Param::required("on", Kind::OnOff, "`true` starts it, `false` stops it.").public(),
            Param::optional(
                "class",
                Kind::Name,
                "Class of music from musiconhold.conf; the channel's own if left out.",
            )
            .a_name(),
        ],
        returns: Returns::Nothing("0"),
        examples: &[Example {
            caller: "",
            script: r#"set_music(true, "jazz"); set_music(false)"#,
            sends: "SET MUSIC on \"jazz\"\nSET MUSIC off",
            reply: "200 result=0\n200 result=0",
            value: "()",
        }],
    },
    verb: "SET MUSIC",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=usize::MAX,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    ahead: true,
    simulate: |channel, words| {
        if words[0].eq_ignore_ascii_case("on") {
            channel.set_music(true, words.get(1).copied());
        } else if words[0].eq_ignore_ascii_case("off") {
            channel.set_music(false, None);
        }
        Some(Reply::of(0))
    },
    ..Command::UNSTATED
};

/// `TDD MODE`
pub static TDD_MODE: Command = Command {
    function: Function {
        name: "tdd_mode",
        summary: "Switches a telecommunications device for the deaf on or off; returns whether the channel could.",
        params: &[Param::required("mode", Kind::Word(&["on", "off", "mate", "tdd"]), "`on`, `off`, `mate` or `tdd`.")
            .public()],
        returns: Returns::Flag { yes: "1" },
        examples: &[Example {
            caller: "",
            script: r#"tdd_mode("on")"#,
            sends: r#"TDD MODE "on""#,
            reply: "200 result=0",
            value: "false",
        }],
    },
    verb: "TDD MODE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=1,
    on_minus_one: OnMinusOne::Failed,
    dead: false,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::Nothing,
    simulate: |channel, words| Some(Reply::of(u8::from(channel.tdd_mode(words[0])))),
    ..Command::UNSTATED
};

/// `ASYNCAGI BREAK`
pub static ASYNCAGI_BREAK: Command = Command {
    function: Function {
        name: "asyncagi_break",
        summary: "Ends an AsyncAGI session and the script; the dialplan goes on.",
        params: &[],
        returns: Returns::Nothing("0"),
        examples: &[Example {
            caller: "",
            script: "asyncagi_break()",
            sends: "ASYNCAGI BREAK",
            reply: "200 result=0",
            value: "end",
        }],
    },
    verb: "ASYNCAGI BREAK",
    subject: SUBJECT,
    since: Since::version("1.6.0"),
    words: 0..=0,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    after: After::Ends,
    access: Access::Nothing,
    simulate: |_, _| Some(Reply::of(0)),
    ..Command::UNSTATED
};
