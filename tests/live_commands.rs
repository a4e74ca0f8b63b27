//! Compares the simulator with the real Asterisk: the same script and caller on both give equal transcripts, line by
//! line except for what [`equal`] lists, for every command there is. Each case is played by AGI and by AsyncAGI.

use crate::live::MANAGED;
use crate::support::asterisk::{Call, Line, asterisk};
use crate::support::machine::Server;
use agi_rhai::agi::Reply;
use agi_rhai::command::{COMMANDS, Table};
use agi_rhai::pbx::{self, Channel, ChannelState, Plan, Voice};
use agi_rhai::transport::{Ending, Heard, Peer, Simulator, Transport};
use agi_rhai::{Host, Session, clock::Time};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The number of calls at a time.
const PARALLEL_CALLS: usize = 24;
/// How often a case that differs is retried: on a busy machine a key may come later than planned. A real difference
/// appears every time.
const MAX_TRIES: usize = 3;
/// Two frames of sound, in samples.
const FRAMES: i64 = 320;

/// A script and its caller, who follows a [`Plan`]. The keys of one step are 100 ms apart unless it says otherwise.
pub struct Case {
    pub name: &'static str,
    pub plan: &'static str,
    pub script: &'static str,
    pub simulated: fn(Channel) -> Channel,
    pub live: fn(Call) -> Call,
    /// Whether the script may use every application and function.
    pub allows_all: bool,
}

pub const fn case(name: &'static str, plan: &'static str, script: &'static str) -> Case {
    Case { name, plan, script, simulated: |channel| channel, live: |call| call, allows_all: false }
}

impl Case {
    pub const fn simulated(self, simulated: fn(Channel) -> Channel) -> Self {
        Self { simulated, ..self }
    }

    pub const fn allowing_all(self) -> Self {
        Self { allows_all: true, ..self }
    }

    const fn live(self, live: fn(Call) -> Call) -> Self {
        Self { live, ..self }
    }
}

/// A caller whose line carries sound.
fn sounding(case: Case) -> Case {
    // Answering waits for the first sound, which comes at once.
    case.simulated(|channel| channel.with_voice(Voice::Speaks).with_answer_delay(Duration::ZERO)).live(Call::sounding)
}

/// A caller whose line carries silence.
fn quiet(case: Case) -> Case {
    case.simulated(|channel| channel.with_voice(Voice::Silent).with_answer_delay(Duration::ZERO))
        .live(|call| call.speaking("silence/10"))
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        // The line.
        case("status", "", r#"channel_status(); answer(); channel_status(); answer(); channel_status("PJSIP/nobody-1")"#),
        case("hangup", "", "answer(); hangup()"),
        case("hangup unanswered", "", "hangup(); noop(); fn on_hangup() { noop(\"bye\"); }"),
        case(
            "hangup of another",
            "",
            r#"let other = get_variable("OTHER"); channel_status(other); hangup(other); sleep(1); channel_status(other);
               try { hangup(other); } catch (e) { verbose(e.message); }"#,
        )
        .simulated(|mut channel| {
            channel.set_variable("OTHER", "Local/agi@game-00000001;2");
            channel.with_channel("Local/agi@game-00000001;2", ChannelState::Ring)
        })
        // In a context whose calls no server takes.
        .live(|call| {
            let other = asterisk().call(Call::agi("agi:async").context(asterisk().context())).channel();
            call.variable("OTHER", &other)
        }),
        case("autohangup", "", r#"answer(); set_autohangup(1.5); wait_for_digit(5000); noop(); fn on_hangup() { noop("bye"); }"#),
        case("autohangup off", "", "answer(); set_autohangup(1); set_autohangup(0); wait_for_digit(1500)"),
        case(
            "callerid",
            "",
            r#"for id in ["\"Bob\" <123>", "123", "Bob", "Bob <77>", "", "\"A, \\\"B\\\"\" <9>", "<55>", "\"Müller\" <1>", "+49 (30) 123"] {
                   set_callerid(id); get_variable("CALLERID(name)"); get_variable("CALLERID(num)"); get_variable("CALLERID(all)");
               }"#,
        ),
        case("music", "", r#"answer(); set_music(true, "default"); wait_for_digit(300); stream_file("beep"); set_music(false); set_music(true); set_music(false)"#),
        case("tdd", "", r#"for mode in ["on", "off", "mate", "tdd"] { tdd_mode(mode); }"#),
        case("break", "", "asyncagi_break(); noop()"),
        // Playing.
        case("stream", "", r#"answer(); stream_file("beep"); stream_file("beep", "", 1600); stream_file("beep", "", 999999); stream_file("digits/1", "1")"#),
        case("stream unanswered", "", r#"stream_file("beep"); channel_status()"#),
        case("stream key", "presses 2 when vm-intro after 700ms", r#"answer(); stream_file("vm-intro", "123"); get_variable("PLAYBACKSTATUS")"#),
        case("stream other key", "presses 9 when vm-intro after 700ms, presses # after 500ms", r##"answer(); stream_file("vm-intro", "#*")"##),
        case("stream offset", "presses # when demo-congrats after 500ms", r##"answer(); stream_file("demo-congrats", "#", 80000)"##),
        case("stream missing", "", r#"answer(); stream_file("no-such-file"); stream_file(""); stream_file("beep&beep"); stream_file("beep"); get_variable("PLAYBACKSTATUS")"#),
        case("stream hangup", "hangs up when vm-intro after 700ms", r#"answer(); stream_file("vm-intro"); noop("not reached"); fn on_hangup() { noop("bye"); }"#),
        case(
            "control",
            "presses 5 when vm-intro after 700ms",
            r#"answer(); control_stream_file("beep"); control_stream_file("vm-intro", "5"); get_variable("CPLAYBACKSTATUS"); get_variable("CPLAYBACKOFFSET"); get_variable("CPLAYBACKSTOPKEY")"#,
        ),
        case(
            "control forward",
            "presses # when demo-congrats after 500ms, presses 5 after 600ms",
            r#"answer(); control_stream_file("demo-congrats", "5"); get_variable("CPLAYBACKSTATUS")"#,
        ),
        case(
            "control rewind",
            "presses 7 when demo-congrats after 2s, presses 9 after 600ms, presses 5 after 500ms",
            r#"answer(); control_stream_file("demo-congrats", "5", 1000, "9", "7"); get_variable("CPLAYBACKSTATUS")"#,
        ),
        case(
            "control pause",
            "presses 8 when demo-congrats after 700ms, presses 8 after 800ms, presses 5 after 500ms",
            r##"answer(); control_stream_file("demo-congrats", "5", 3000, "#", "*", "8"); get_variable("CPLAYBACKSTATUS")"##,
        ),
        case(
            "control stop in a pause",
            "presses 8 when demo-congrats after 700ms, presses 5 after 500ms",
            r##"answer(); control_stream_file("demo-congrats", "5", 3000, "#", "*", "8"); get_variable("CPLAYBACKSTATUS")"##,
        ),
        case("control offset", "presses 5 when vm-intro after 500ms", r##"answer(); control_stream_file("vm-intro", "5", 3000, "#", "*", "0", 4000)"##),
        case("control end", "", r##"answer(); control_stream_file("vm-intro", "", 3000, "#", "*", "0", 4000); get_variable("CPLAYBACKSTATUS"); control_stream_file("beep", "", 3000, "#", "*", "0", 60000)"##),
        case("control missing", "", r#"answer(); control_stream_file("no-such-file"); get_variable("CPLAYBACKSTATUS")"#),
        case("control hangup", "hangs up when vm-intro after 500ms", r#"answer(); control_stream_file("vm-intro"); fn on_hangup() { get_variable("CPLAYBACKSTATUS"); }"#),
        // Asking.
        case("data", "presses 12# every 200ms when beep after 700ms", r#"answer(); get_data("beep", 1000, 4)"#),
        case("data none", "", r#"answer(); get_data("beep", 1000, 4); get_data("", 300, 1)"#),
        case("data default", "", r#"answer(); get_data("beep")"#),
        case("data some", "presses 0* every 200ms when beep after 700ms", r#"answer(); get_data("beep", 1000, 4)"#),
        case("data full", "presses 347 every 200ms when beep after 100ms", r#"answer(); get_data("beep", 1000, 2); noop()"#),
        case("data barge-in", "presses 7 when demo-congrats after 500ms", r#"answer(); get_data("demo-congrats", 1000, 1)"#),
        case("data pound", "presses # when beep after 200ms, presses # when vm-intro after 500ms", r#"answer(); get_data("beep", 1000, 4); get_data("vm-intro", 1000, 1)"#),
        case("data usual time", "presses 1 when beep after 700ms", r#"answer(); get_data("beep", 0, 3)"#),
        case("data no prompt", "presses 1 after 1s, presses 2 after 1100ms", r#"answer(); get_data("", 2000, 2)"#),
        case("data missing", "presses 42 every 200ms after 1500ms", r#"answer(); get_data("no-such-file", 2000, 2)"#),
        case("data hangup", "presses 12 every 200ms when vm-intro after 500ms, hangs up after 400ms", r#"answer(); get_data("vm-intro", 5000, 4); noop(); fn on_hangup(last) { noop(last.command); }"#),
        case("data hangup at once", "hangs up when demo-congrats after 500ms", r#"answer(); get_data("demo-congrats", 5000, 4); fn on_hangup(last) { noop(last.command); }"#),
        case("option", "presses 1 when demo-congrats after 700ms, presses 2 when beep after 1200ms, presses 9 when vm-intro after 900ms", r#"answer(); get_option("demo-congrats", "12", 2000); get_option("beep", "12", 2000); get_option("vm-intro", "12", 1000)"#),
        case("option other key", "presses 9 when beep after 1200ms", r#"answer(); get_option("beep", "12", 2000); get_option("beep", "12", 700); get_option("beep", "12", 0)"#),
        case("option usual time", "", r#"answer(); get_option("beep", "12")"#),
        case("option missing", "presses 2 after 2s", r#"answer(); get_option("no-such-file", "12", 2000); get_option("no-such-file", "12", 100)"#),
        case("option hangup", "hangs up when beep after 1s", r#"answer(); get_option("beep", "12", 3000)"#),
        case("digit", "presses 5 after 1s, presses # after 1s, presses * after 1s, presses A after 1s", "answer(); for i in 0..4 { wait_for_digit(3000); } wait_for_digit(300); wait_for_digit(0)"),
        case("digit forever", "presses 7 after 2s", "answer(); wait_for_digit(-1)"),
        case("digit lost", "presses 12 every 200ms after 1s, presses 3 after 600ms", "answer(); wait_for_digit(3000); sleep(1); wait_for_digit(500)"),
        case("digit hangup", "hangs up after 1s", "answer(); wait_for_digit(5000); fn on_hangup() { noop(\"bye\"); }"),
        case("sleep hangup", "hangs up after 1s", r#"answer(); sleep(5); noop(); fn on_hangup() { database_put("live", "sleep", 1); }"#),
        // Saying.
        case("number", "", r#"answer(); say_number(0); say_number(7, "", "f"); say_number(1000000); say_number(-5); say_number(2147483647); say_number(115)"#),
        case("number key", "presses 5 when \"number 123456\" after 700ms, presses 9 when \"number 42\" after 500ms", r#"answer(); say_number(123456, "5"); say_number(42, "5")"#),
        case("digits", "", r#"answer(); say_digits("007"); say_digits("1*2#"); say_digits("*12"); say_digits(""); say_digits(-5)"#),
        case("digits key", "presses * when \"digits 123456\" after 700ms", r##"answer(); say_digits("123456", "0123456789*#")"##),
        case("alpha", "", r#"answer(); say_alpha("a1-!"); say_alpha(""); say_alpha("aB", "", "a"); say_alpha("ü")"#),
        case("alpha case", "", r#"answer(); say_alpha("aB", "", "l"); say_alpha("aB", "", "u"); say_alpha("aB", "", "n")"#),
        case("alpha key", "presses 5 when \"alpha abcdef\" after 700ms", r#"answer(); say_alpha("abcdef", "5")"#),
        case("phonetic", "presses 5 when \"phonetic abcdef\" after 700ms", r#"answer(); say_phonetic(""); say_phonetic("a1"); say_phonetic("abcdef", "5")"#),
        case("date", "", r#"answer(); say_date(1210498014)"#),
        case("time", "", r#"answer(); say_time(0); say_time(1210498014)"#),
        case("date key", "presses 5 when \"date 1210498014\" after 700ms, presses 5 when \"time 1210498014\" after 700ms, presses 5 when \"datetime 1210498014\" after 700ms", r#"answer(); say_date(1210498014, "5"); say_time(1210498014, "5"); say_datetime(1210498014, "5")"#),
        case("datetime", "", r#"answer(); say_datetime(1210498014, "", "'digits/at' IMp", "Europe/Berlin"); say_datetime(4102444800, "", "Y", "UTC"); say_datetime(0, "", "")"#),
        case("datetime missing", "", r#"answer(); try { say_datetime(0, "", "'no-such-file'"); } catch (e) { verbose(e.kind); } say_datetime(0, "", "Y", "No/Where")"#),
        case("say hangup", "hangs up when \"number 123456\" after 700ms", r#"answer(); say_number(123456); fn on_hangup() { verbose("bye"); }"#),
        // Recording.
        case("record empty", "presses 5 when recording after 700ms", r##"answer(); record_file("t/empty", "gsm", "#5", 8000); record_file("t/empty", "gsm", "#", 700); record_file("t/empty", "gsm", "#", 0); record_file("t/empty", "gsm", "", 300)"##),
        case("record bad", "", r##"answer(); try { record_file("t/bad", "no-format", "#", 500); } catch (e) { verbose(e.message); }"##),
        case("record beep key", "presses # when beep after 200ms", r##"answer(); let r = record_file("t/beep-key", "gsm", "#", 2000, #{ beep: true }); verbose(r.ended_by + r.digit)"##),
        case("record beep hangup", "hangs up when beep after 200ms", r##"answer(); record_file("t/beep-hangup", "gsm", "#", 2000, #{ beep: true }); fn on_hangup(last) { noop(last.command); }"##),
        sounding(case("record", "presses 5 when recording after 1s", r##"answer(); record_file("t/tone", "gsm", "#5", 8000); record_file("t/tone", "gsm", "#", 1000); stream_file("t/tone"); record_file("t/tone", "gsm", "#", 1000, #{ offset: 4000 }); record_file("t/tone-wav", "wav", "#", 500); record_file("t/tone-ulaw", "ulaw", "#", 500)"##)),
        sounding(case("record beep", "presses # when recording after 1s", r##"answer(); record_file("t/tone-beep", "gsm", "#", -1, #{ beep: true, silence: 2 })"##)),
        sounding(case("record hangup", "hangs up when recording after 1s", r##"answer(); record_file("t/tone-hangup", "gsm", "#", 8000); fn on_hangup(last) { noop(last.command); }"##)),
        quiet(case("record quiet", "", r##"answer(); record_file("t/quiet", "gsm", "#", 8000, #{ silence: 1 }); record_file("t/quiet", "gsm", "#", 8000, #{ silence: 2, beep: true }); record_file("t/quiet", "gsm", "#", 1500, #{ silence: 5 })"##)),
        // Variables.
        case(
            "variables",
            "",
            r#"set_variable("A", 1); get_variable("A"); get_variable("a"); set_variable("_B", 2); get_variable("B"); get_variable("_B");
               set_variable("__C", 3); get_variable("C"); set_variable("X Y", "z (1)"); get_variable("X Y"); get_variable("UNSET");
               set_variable("EMPTY", ""); get_variable("EMPTY");
               try { get_variable("NOFUNC(x)"); } catch (e) { noop(e.kind); }
               try { set_variable("NOFUNC(x)", 1); } catch (e) { noop(e.kind); }
               get_variable("CHANNEL(state)"); get_variable("CHANNEL(nosuch)"); get_variable("EXTEN"); get_variable("CONTEXT"); get_variable("PRIORITY");
               set_variable("CHANNEL(language)", "de"); get_variable("CHANNEL(language)"); get_variable("CHANNEL"); get_variable("LEN(abc)");
               set_variable("Q", "a \"b\" c:\\d"); get_variable("Q"); get_variable("AGISTATUS")"#,
        ),
        case(
            "full variables",
            "",
            r#"set_variable("A", 1); get_full_variable("<${A}> ${UNSET}| ${A:0:1} ${LEN(abc)}"); get_full_variable("${UNSET}"); get_full_variable("");
               get_full_variable("${A}", "PJSIP/nobody-1"); get_full_variable("${A}", get_variable("CHANNEL"));
               try { get_full_variable("${NOFUNC(x)}"); } catch (e) { noop(e.kind); }
               get_full_variable("plain (text)"); get_full_variable("${CALLERID(num)}-${CHANNEL(state)}-${EXTEN}")"#,
        ),
        // AstDB.
        case(
            "database",
            "",
            r#"database_get("live1", "k"); database_put("live1", "k", "v"); database_put("live1", "k/sub", "v2"); database_put("live1/deep", "k", "v3"); database_put("live12", "k", "v4");
               database_get("live1", "k/sub"); database_get("live1/deep", "k"); database_get("live1", "deep/k"); database_deltree("live1", "k"); database_get("live1", "k"); database_get("live1", "k/sub");
               database_get("live1", "deep/k"); database_deltree("live1", "nothere"); database_deltree("nothere"); database_deltree("live1"); database_get("live1", "deep/k"); database_get("live12", "k");
               database_put("live1", "e", ""); database_get("live1", "e"); database_put("live1", "a b", "x (y)"); database_get("live1", "a b"); database_get("LIVE1", "e");
               database_del("live1", "e"); database_del("live1", "e"); database_get("live1", "e"); set_variable("DB(live1/fn)", "via"); get_variable("DB(live1/fn)"); database_get("live1", "fn"); get_variable("DB(live1/absent)")"#,
        ),
        // The dialplan.
        case(
            "exec",
            "",
            r#"answer(); exec("Playback", "beep"); get_variable("PLAYBACKSTATUS"); exec("Playback", "no-such-file"); get_variable("PLAYBACKSTATUS"); exec("NoOp"); exec("noop", "a", "b c");
               try { exec("Zapateller"); } catch (e) { verbose(e.kind); } exec("Wait", 0.3); exec("Set", "A=1,B=2"); get_variable("A"); exec("Set", "B=2"); get_variable("B"); exec("Set", "P=${A}"); get_variable("P");
               set_variable("AGIEXECFULL", true); exec("Set", "P=${A}"); get_variable("P"); set_variable("AGIEXECFULL", false); exec("UserEvent", "x", "a: b"); exec("Verbose", 1, "hello, world");
               exec("SayDigits", 1); exec("Set", "GLOBAL(LIVE)=white as snow"); get_variable("LIVE"); get_variable("GLOBAL(LIVE)"); exec("SendDTMF", "12"); exec("Log", "NOTICE,live")"#,
        ),
        case(
            "exec keys",
            "presses 5 when demo-congrats after 500ms, presses 7 after 300ms, presses 123 every 200ms when beep after 700ms",
            r#"answer(); exec("Background", "demo-congrats"); exec("WaitExten", 2); exec("WaitExten", 0.5); exec("Read", "X", "beep", 3, "", 1, 2); get_variable("X"); get_variable("READSTATUS"); exec("Background", "no-such-file"); get_variable("BACKGROUNDSTATUS")"#,
        ),
        case("exec read nothing", "", r#"answer(); exec("Read", "X", "beep", 3, "", 1, 1); get_variable("X"); get_variable("READSTATUS")"#),
        case("exec hangup", "", r#"answer(); exec("Hangup"); noop("not reached"); fn on_hangup() { noop("bye"); }"#),
        case("exec unanswered", "", r#"exec("Ringing"); exec("Progress"); channel_status(); exec("Answer"); channel_status()"#),
        case("exec goto", "", r#"exec("Goto", "landed", "s", 2); get_variable("CONTEXT"); get_variable("EXTEN"); get_variable("PRIORITY"); exec("GotoIf", "0?landed,other,1"); exec("GotoIf", "1?landed,other,1"); get_variable("EXTEN")"#)
            .simulated(|channel| channel.with_label("landed", "other", 1)),
        case("exec dial busy", "", r#"answer(); exec("Dial", "Local/busy@callees/n", 5); get_variable("DIALSTATUS")"#).simulated(|channel| channel.with_dial_status("BUSY")),
        case("exec dial nobody", "", r#"answer(); exec("Dial", "Local/nosuch@callees/n", 1); get_variable("DIALSTATUS")"#),
        case("exec dial rings", "", r#"answer(); exec("Dial", "Local/rings@callees/n", 1); get_variable("DIALSTATUS")"#).simulated(|channel| channel.with_dial_status("NOANSWER")),
        case("exec dial", "", r#"answer(); exec("Dial", "Local/answers@callees/n", 5, "g"); get_variable("DIALSTATUS"); exec("Dial", "Local/answers@callees/n", 5); get_variable("DIALSTATUS"); channel_status()"#)
            .simulated(|channel| channel.with_dial_status("ANSWER")),
        case("exec dial limits", "", r#"answer(); for options in ["gS(2)", "gL(1700)"] { exec("Dial", "Local/stays@callees/n", 5, options); for name in ["DIALSTATUS", "ANSWEREDTIME", "DIALEDTIME", "DIALEDPEERNUMBER", "HANGUPCAUSE"] { get_variable(name); } } exec("Dial", "Local/busy@callees/n", 5); for name in ["ANSWEREDTIME", "ANSWEREDTIME_MS", "DIALEDTIME", "DIALEDPEERNUMBER", "HANGUPCAUSE"] { get_variable(name); }"#)
            .simulated(|channel| channel.with_dial_statuses(&["ANSWER", "ANSWER", "BUSY"].map(str::to_owned)).with_dial_times(Duration::ZERO, Duration::from_secs(60))),
        case("exec dial congested", "", r#"exec("Dial", "Local/congested@callees/n", 5); get_variable("DIALSTATUS"); get_variable("ANSWEREDTIME"); channel_status()"#).simulated(|channel| channel.with_dial_status("CONGESTION")),
        case("exec dial unanswered", "", r#"exec("Dial", "Local/answers@callees/n", 5, "g"); get_variable("DIALSTATUS"); get_variable("DIALEDPEERNUMBER"); channel_status()"#)
            .simulated(|channel| channel.with_dial_status("ANSWER")),
        case("exec dial talk hangup", "hangs up after 3200ms", r#"answer(); exec("Dial", "Local/stays@callees/n", 5, "g"); fn on_hangup() { for name in ["DIALSTATUS", "ANSWEREDTIME", "DIALEDTIME", "HANGUPCAUSE"] { get_variable(name); } }"#)
            .simulated(|channel| channel.with_dial_status("ANSWER").with_dial_times(Duration::ZERO, Duration::from_secs(60))),
        case("exec wait hangup", "hangs up after 1s", r#"answer(); exec("Wait", 5); fn on_hangup() { noop("bye"); }"#),
        case("exec playback hangup", "hangs up when demo-congrats after 700ms", r#"answer(); exec("Playback", "demo-congrats"); fn on_hangup() { get_variable("PLAYBACKSTATUS"); exec("Playback", "beep"); exec("NoOp"); exec("Set", "A=1"); }"#),
        case("exec background hangup", "hangs up when demo-congrats after 700ms", r#"answer(); exec("Background", "demo-congrats"); fn on_hangup() { get_variable("BACKGROUNDSTATUS"); }"#),
        case("exec waitexten hangup", "hangs up after 1s", r#"answer(); exec("WaitExten", 5); fn on_hangup() { noop("bye"); }"#),
        case("exec read hangup", "hangs up when demo-congrats after 700ms", r#"answer(); exec("Read", "X", "demo-congrats"); fn on_hangup() { get_variable("READSTATUS"); }"#),
        case("exec dial hangup", "hangs up after 1s", r#"answer(); exec("Dial", "Local/rings@callees/n", 5); fn on_hangup() { get_variable("DIALSTATUS"); }"#).simulated(|channel| channel.with_dial_status("NOANSWER")),
        case("exec return", "", r#"answer(); exec("Return", "x"); noop("on")"#).simulated(|channel| channel.with_application("Return", -1)),
        case("exec say", "", r#"answer(); exec("SayNumber", 12); exec("SayAlpha", "ab"); exec("SayPhonetic", "a"); exec("Playback", "beep&beep")"#),
        case(
            "gosub",
            "",
            r#"gosub("sub", "s", 1, "a", "b"); get_variable("GOSUB_RETVAL"); for place in [["sub", "nosuch", 1], ["sub", "s", 99], ["sub", "s", "abc"], ["nosuch", "s", 1]] { try { gosub(place[0], place[1], place[2]); } catch (e) { verbose(e.message); } } channel_status()"#,
        )
        .simulated(|channel| channel.with_subroutine("sub", "s", 1, Some("got a"))),
        case("go_to", "", r#"answer(); go_to("landed", "other", 2)"#),
        case("set place", "", r#"set_context("landed"); set_extension("s"); set_priority("label"); try { set_priority("no-such"); } catch (e) { verbose(e.kind); } get_variable("PRIORITY"); get_variable("CONTEXT"); get_variable("EXTEN")"#)
            .simulated(|channel| channel.with_named_label("landed", "s", "label", 3)),
        // Text.
        case("text", "says \"hello (world)\" after 1s, says \"yes\" after 1s", r#"answer(); receive_text(3000); receive_char(3000); receive_text(300); receive_char(300); receive_text(0); receive_char(0)"#),
        case("text forever", "says \"ok\" after 1s, hangs up after 500ms", r#"answer(); receive_text(-1); receive_char(5000); fn on_hangup() { noop("bye"); }"#),
        case("send", "", r#"answer(); send_text("hello"); send_text("hello world"); send_text(""); send_image("no-such-image")"#),
        // Other commands.
        case("console", "", r#"verbose("hello"); verbose("hello \"you\"", 3); noop(); noop("a", "b c")"#),
        case(
            "speech",
            "",
            r#"answer();
               try { speech_create("none"); } catch (e) { noop(e.kind); }
               try { speech_set("a", "b"); } catch (e) { noop(e.kind); }
               try { speech_load_grammar("a", "b"); } catch (e) { noop(e.kind); }
               try { speech_activate_grammar("a"); } catch (e) { noop(e.kind); }
               try { speech_recognize("beep", 2); } catch (e) { noop(e.kind); }
               try { speech_deactivate_grammar("a"); } catch (e) { noop(e.kind); }
               try { speech_unload_grammar("a"); } catch (e) { noop(e.kind); }
               try { speech_destroy(); } catch (e) { noop(e.kind); }"#,
        ),
        case("fault", "", "answer();\nlet x = 1;\nthrow \"nonsense\""),
        case("uncaught", "", r#"set_priority("no-such")"#),
    ];
    // After the hangup: what Asterisk permits, and what it doesn't.
    cases.push(
        case(
            "dead",
            "",
            r#"noop("a"); verbose("a"); database_put("live-dead", "k", "v"); database_get("live-dead", "k"); database_del("live-dead", "k"); database_deltree("live-dead"); exec("NoOp", "x"); exec("Playback", "beep"); get_variable("PLAYBACKSTATUS");
               exec("Set", "A=1"); get_variable("A"); get_full_variable("${A}"); set_variable("B", 1); get_variable("EXTEN"); get_variable("CHANNEL(state)");
               try { speech_unload_grammar("a"); } catch (e) { noop(e.kind); } try { speech_destroy(); } catch (e) { noop(e.kind); }
               answer(); noop("not reached"); fn on_hangup() { noop("bye"); }"#,
        )
        .simulated(|mut channel| {
            channel.answer();
            channel.hangup(None);
            channel.set_context("dead");
            channel.set_extension("h");
            channel
        })
        .live(Call::dead),
    );
    cases
}

/// A step of the caller: an act, and when it happens.
struct Step {
    /// The prompt that is awaited.
    when: Option<String>,
    after: Duration,
    act: Act,
}

enum Act {
    /// Keys, and how far apart.
    Press(String, Duration),
    HangUp,
    Say(String),
}

/// Parses the same notation as [`Plan`].
fn steps(plan: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for step in plan.split(", ").filter(|step| !step.is_empty()) {
        let (what, after) = match step.rsplit_once(" after ") {
            Some((what, after)) => (what, after),
            None => (step, "0ms"),
        };
        let after = match after.strip_suffix("ms") {
            Some(ms) => Duration::from_millis(ms.parse().unwrap()),
            None => Duration::from_secs_f64(after.strip_suffix('s').unwrap().parse().unwrap()),
        };
        let (what, when) = match what.split_once(" when ") {
            Some((what, when)) => (what, Some(when.trim_matches('"').to_owned())),
            None => (what, None),
        };
        let act = match what.split_once(' ').unwrap() {
            ("presses", keys) => {
                let (keys, every) = keys.split_once(" every ").unwrap_or((keys, "100ms"));
                let every = every.strip_suffix("ms").unwrap().parse().unwrap();
                Act::Press(keys.to_owned(), Duration::from_millis(every))
            }
            ("says", text) => Act::Say(text.trim_matches('"').to_owned()),
            ("hangs", _) => Act::HangUp,
            _ => panic!("no such step: {step}"),
        };
        steps.push(Step { when, after, act });
    }
    steps
}

/// Whether this command plays the prompt of a plan's `when`.
fn plays(command: &str, prompt: &str) -> bool {
    match prompt.split_once(' ') {
        _ if prompt == "recording" => command.starts_with("RECORD FILE"),
        _ if prompt == "beep" && command.starts_with("RECORD FILE") => command.contains(" BEEP"),
        Some((kind, text)) => {
            let verb = format!("SAY {} ", kind.to_uppercase());
            let said = command.strip_prefix(&verb).and_then(|said| said.split(' ').next());
            said.is_some_and(|said| said.trim_matches('"') == text)
        }
        // EXEC has its arguments in one word.
        None => command.split(['"', ',']).any(|word| word == prompt),
    }
}

/// How a case is played.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Agi,
    AsyncAgi,
}

/// The server of the cases that may use everything, and the context of their calls by AsyncAGI.
static ALLOWING: LazyLock<(Server, &str)> = LazyLock::new(|| {
    let context = asterisk().context();
    (Server::start_managed(asterisk(), &[context], &["--allow-exec=*"]), context)
});

impl Case {
    fn file(&self) -> String {
        format!("live-commands/{}.rhai", self.name.replace(' ', "-"))
    }

    /// Returns the server that plays it.
    fn server(&self) -> &'static Server {
        if self.allows_all { &ALLOWING.0 } else { &MANAGED }
    }

    /// Returns the call that plays it.
    fn call(&self, way: Way) -> Call {
        let file = self.file();
        (self.live)(match (way, self.allows_all) {
            (Way::Agi, false) => Call::script(&file, &[]),
            (Way::Agi, true) => Call::request("agi-rhai", &["--allow-exec=*", &file]),
            (Way::AsyncAgi, false) => Call::by_manager(&file, &[]),
            (Way::AsyncAgi, true) => Call::by_manager(&file, &[]).context(ALLOWING.1),
        })
    }
}

/// Plays the case on the real Asterisk.
fn live(case: &Case, way: Way) -> Vec<String> {
    let mut running = asterisk().call(case.call(way));
    let first = running.command().unwrap_or_else(|| panic!("no command came. {}", running.story()));
    let (mut now, mut current) = (Instant::now(), Some(first));
    for step in steps(case.plan) {
        if let Some(prompt) = &step.when {
            while !current.as_ref().is_some_and(|command| plays(command, prompt)) {
                current = running.command();
                assert!(current.is_some(), "no command plays {prompt}. {}", running.story());
            }
            now = Instant::now();
            // A recording begins after its beep.
            if prompt == "recording" && current.as_ref().is_some_and(|command| command.contains(" BEEP")) {
                now += Duration::from_millis(440);
            }
            // Each time a prompt is played triggers only one step.
            current = None;
        }
        now += step.after;
        thread::sleep(now.saturating_duration_since(Instant::now()));
        match step.act {
            Act::Press(keys, every) => {
                running.type_keys(&keys, every);
                now += every * u32::try_from(keys.len() - 1).unwrap();
            }
            Act::HangUp => running.hangup(),
            Act::Say(text) => running.text(&text),
        }
    }
    running.wait_end();
    let transcript = running.transcript();
    // The environment comes before the first command.
    let begin = transcript.iter().position(|line| matches!(line, Line::Script(_))).unwrap_or(0);
    let text = |line: &Line| match line {
        Line::Script(line) => format!("C: {line}"),
        Line::Asterisk(line) => format!("S: {line}"),
    };
    transcript[begin..].iter().map(text).collect()
}

/// The simulated Asterisk as it is over AsyncAGI: without a hangup's notice, and without commands after it.
struct AsyncSimulator {
    inner: Simulator,
    is_waiting: bool,
    hung_up: bool,
    is_over: bool,
    verb: String,
    failed: bool,
}

impl AsyncSimulator {
    fn new(inner: Simulator) -> Self {
        Self { inner, is_waiting: false, hung_up: false, is_over: false, verb: String::new(), failed: false }
    }
}

impl Transport for AsyncSimulator {
    fn open(&mut self) -> io::Result<Vec<u8>> {
        self.inner.open()
    }

    fn peer(&self) -> Peer {
        Peer { dead_mode: false }
    }

    fn now(&self) -> Time {
        self.inner.now()
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        // What happened in the meantime is known by now.
        let now = self.now();
        if self.is_over || matches!(self.receive(now)?, Heard::Closed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.is_waiting = true;
        self.verb = String::from_utf8_lossy(line)
            .split(|letter: char| letter == '"' || letter.is_ascii_digit())
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned();
        self.inner.send(line)
    }

    fn receive(&mut self, until: Time) -> io::Result<Heard> {
        if self.failed && !self.is_over {
            self.is_over = true;
            return Ok(Heard::Closed);
        }
        loop {
            if self.hung_up && !self.is_waiting && !self.is_over {
                self.is_over = true;
                return Ok(Heard::Closed);
            }
            match self.inner.receive(until)? {
                Heard::Hangup => self.hung_up = true,
                Heard::Reply(reply) => {
                    self.is_waiting = false;
                    self.failed = fails(&self.verb, &reply);
                    return Ok(Heard::Reply(reply));
                }
                heard => return Ok(heard),
            }
        }
    }

    fn leave(&mut self, ending: Ending) -> io::Result<()> {
        if self.is_over { Ok(()) } else { self.inner.leave(ending) }
    }
}

/// Whether Asterisk ends a session of AsyncAGI because of this reply: any failure of these commands is like a hangup.
fn fails(verb: &str, reply: &Reply) -> bool {
    const FATAL: [&str; 7] = [
        "STREAM FILE",
        "CONTROL STREAM FILE",
        "GET OPTION",
        "RECORD FILE",
        "SAY DATETIME",
        // Even if nothing came in time.
        "RECEIVE CHAR",
        "GOSUB",
    ];
    verb == "ASYNCAGI BREAK" || reply.result() == "-1" && FATAL.contains(&verb)
}

/// Plays the case on the simulator.
fn simulated(case: &Case, way: Way) -> Vec<String> {
    let plan: Plan = case.plan.parse().unwrap_or_else(|error| panic!("the plan of {}: {error}", case.name));
    let call = pbx::IncomingCall {
        channel: "Local/agi@game-00000000;2".into(),
        kind: "Local".into(),
        callerid: None,
        context: "game".into(),
        extension: "agi".into(),
        ..pbx::IncomingCall::default()
    };
    // A silent phone sends no sound at all, and Asterisk waits half a second for the first.
    let channel = Channel::new(call, Box::new(plan))
        .with_state(ChannelState::Ring)
        .with_voice(Voice::Absent)
        .with_answer_delay(Duration::from_millis(500));
    let simulator = Simulator::new((case.simulated)(channel));
    let transcript = simulator.transcript();
    let mut host = Host::new();
    if case.allows_all {
        host.allow(["*".to_owned()]);
    }
    let script = host.compile(&case.file(), case.script).unwrap_or_else(|fault| panic!("{fault}"));
    let transport: Box<dyn Transport> = match way {
        Way::Agi => Box::new(simulator),
        Way::AsyncAgi => Box::new(AsyncSimulator::new(simulator)),
    };
    host.run(Session::begin(transport).unwrap(), &script, vec![]);
    let lines = transcript.lock().unwrap();
    let text = |note: &String| {
        let from = note[..3].to_owned();
        note[3..].lines().map(|line| format!("{from}{line}")).collect::<Vec<_>>()
    };
    lines.iter().flat_map(text).collect()
}

/// Replaces what cannot be equal on both, which is all listed here, and keeps the rest.
fn normalized(case: &Case, way: Way, lines: &[String]) -> Vec<String> {
    let mut normal: Vec<String> = Vec::new();
    let mut usage = false;
    let folders = [asterisk().inside(&asterisk().agi_dir()), case.server().scripts().display().to_string()];
    for line in lines {
        // The notice of a hangup is a line in FastAGI, like which the simulator acts, and a signal to a program.
        if line == "S: HANGUP" {
            continue;
        }
        // The text between the lines of a 520 is Asterisk's documentation.
        if line.starts_with("S: 520-") {
            usage = true;
        } else if line.starts_with("S: 520 ") {
            usage = false;
        } else if usage {
            continue;
        }
        let mut line = line.clone();
        // Names of channels.
        while let Some(begin) = line.find("Local/agi@") {
            let end = line[begin..].find([')', '"', ' ']).map_or(line.len(), |length| begin + length);
            line.replace_range(begin..end, "CHANNEL");
        }
        // Where the calls are whose scripts may use everything.
        if way == Way::AsyncAgi && case.allows_all {
            line = line.replace(&format!("({})", ALLOWING.1), "(game)");
        }
        // The folder in which a script was found.
        for folder in &folders {
            line = line.replace(&format!("{folder}/"), "");
        }
        // After a timeout, RECORD FILE returns a leftover of its wait, in milliseconds.
        if line.starts_with("S: 200 result=")
            && let Some((_, rest)) = line.split_once(" (timeout) endpos=")
        {
            line = format!("S: 200 result=N (timeout) endpos={rest}");
        }
        // CONTROL STREAM FILE returns milliseconds: converted to samples, as in the others.
        if normal.last().is_some_and(|asked| asked.starts_with("C: CONTROL STREAM FILE"))
            && let Some((head, ms)) = line.split_once("endpos=")
            && let Ok(ms @ 0..) = ms.parse::<i64>()
        {
            line = format!("{head}endpos={}", ms * 8);
        }
        // This is a position in milliseconds too.
        if normal.last().is_some_and(|asked| asked == r#"C: GET VARIABLE "CPLAYBACKOFFSET""#)
            && let Some(ms) =
                line.strip_prefix("S: 200 result=1 (").and_then(|rest| rest.strip_suffix(')')?.parse::<i64>().ok())
        {
            line = format!("S: 200 result=1 (MS) endpos={}", ms * 8);
        }
        // Over AsyncAGI, a command takes up to a tenth of a second more, and these go on meanwhile.
        let asked = normal.last().map_or("", String::as_str);
        if way == Way::AsyncAgi
            && ["ANSWEREDTIME", "DIALEDTIME", "CDR(duration)", "CDR(billsec)"]
                .iter()
                .any(|name| asked == format!("C: GET VARIABLE \"{name}\""))
        {
            line = line.replace(|letter: char| letter.is_ascii_digit(), "N");
        }
        normal.push(line);
    }
    normal
}

/// Returns where they differ first. Positions may be two frames apart.
fn difference(live: &[String], simulated: &[String]) -> Option<usize> {
    (0..live.len().max(simulated.len())).find(|&at| match (live.get(at), simulated.get(at)) {
        (Some(live), Some(simulated)) => !equal(live, simulated),
        _ => true,
    })
}

fn equal(live: &str, simulated: &str) -> bool {
    let split = |line: &str| -> Option<(String, i64, String)> {
        let (head, rest) = line.split_once("endpos=")?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '-').unwrap_or(rest.len());
        Some((head.to_owned(), rest[..end].parse().ok()?, rest[end..].to_owned()))
    };
    match (split(live), split(simulated)) {
        // -1 isn't a position.
        (Some(a), Some(b)) => {
            a.0 == b.0 && a.2 == b.2 && (a.1 == b.1 || a.1.min(b.1) >= 0 && (a.1 - b.1).abs() <= FRAMES)
        }
        _ => live == simulated,
    }
}

/// Shows both transcripts side by side where they differ.
fn report(case: &Case, way: Way, live: &[String], simulated: &[String], at: usize) -> String {
    let show = |lines: &[String]| lines[at.saturating_sub(3).min(lines.len())..(at + 4).min(lines.len())].join("\n  ");
    format!(
        "=== {} ({way:?}, {}), from line {} on\n  {}\nAsterisk:\n  {}\nthe simulator:\n  {}\n",
        case.name,
        case.plan,
        at + 1,
        case.script.lines().next().unwrap_or_default(),
        show(live),
        show(simulated)
    )
}

/// Returns the verbs of the commands sent.
fn verbs(lines: &[String]) -> BTreeSet<&'static str> {
    let mut verbs = BTreeSet::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix("C: ")) {
        let words = agi_rhai::internals::split(line.as_bytes());
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        verbs.extend(Table::new().of_words(&words).map(|(command, _)| command.verb));
    }
    verbs
}

/// Plays these cases on both. Returns the reports of those that differ, and the commands sent.
pub fn differing(cases: &[Case]) -> (Vec<String>, BTreeSet<&'static str>) {
    let (next, used, problems) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let only = std::env::var("AGI_RHAI_CASE").unwrap_or_default();
    for case in cases {
        asterisk().script(&case.file(), case.script);
        case.server().save(&case.file(), case.script);
    }
    // Once the last one is live, all are.
    if let Some(case) = cases.first() {
        static TIMES: AtomicUsize = AtomicUsize::new(0);
        case.server().script("saved-last", &format!("noop({});", TIMES.fetch_add(1, Ordering::Relaxed)));
    }
    let jobs: Vec<(Way, &Case)> = [Way::Agi, Way::AsyncAgi]
        .into_iter()
        .flat_map(|way| cases.iter().map(move |case| (way, case)))
        // On a dead channel, there is no session of AsyncAGI.
        .filter(|(way, case)| case.name.contains(&only) && (*way, case.name) != (Way::AsyncAgi, "dead"))
        .collect();
    // A case keeps files and values of AstDB, which its other way must not find.
    let taken: BTreeMap<&str, Mutex<()>> = cases.iter().map(|case| (case.name, Mutex::default())).collect();
    let work = || {
        while let Some(&(way, case)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let _taken = taken[case.name].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let once = || {
                let lines = (live(case, way), simulated(case, way));
                let (live, simulated) = (normalized(case, way, &lines.0), normalized(case, way, &lines.1));
                used.lock().unwrap().extend(verbs(&live));
                difference(&live, &simulated).map(|at| report(case, way, &live, &simulated, at))
            };
            let tried = catch_unwind(AssertUnwindSafe(|| {
                (1..MAX_TRIES).fold(once(), |problem, _| problem.and_then(|_| once()))
            }));
            let problem = tried.unwrap_or_else(|panic| {
                let why = panic.downcast_ref::<String>().map_or("panicked", String::as_str);
                Some(format!("=== {} ({way:?}): {why}\n", case.name))
            });
            problems.lock().unwrap().extend(problem);
        }
    };
    thread::scope(|scope| {
        for _ in 0..PARALLEL_CALLS {
            // A script may need the stack of a main thread.
            thread::Builder::new().stack_size(8 << 20).spawn_scoped(scope, work).expect("cannot start a thread");
        }
    });
    (problems.into_inner().unwrap(), used.into_inner().unwrap())
}

#[test]
fn live_commands_match_the_simulator() {
    std::fs::create_dir_all(asterisk().sounds_dir().join("t")).expect("the folder for recordings cannot be made");
    let cases = cases();
    let (problems, used) = differing(&cases);
    assert!(problems.is_empty(), "{} of {} cases differ:\n{}", problems.len(), cases.len(), problems.join("\n"));
    if std::env::var_os("AGI_RHAI_CASE").is_none() {
        for command in COMMANDS {
            assert!(used.contains(command.verb), "no case sends {}", command.verb);
        }
    }
}

#[test]
fn differences_are_detected() {
    assert!(equal("S: 200 result=0 endpos=3520", "S: 200 result=0 endpos=3840"));
    assert!(!equal("S: 200 result=0 endpos=3520", "S: 200 result=0 endpos=3841"));
    assert!(!equal("S: 200 result=0 endpos=-1", "S: 200 result=0 endpos=0"));
    assert!(!equal("S: 200 result=50 endpos=3520", "S: 200 result=49 endpos=3520"));
    assert!(!equal("C: NOOP", "C: NOOP \"\""));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(difference(&lines("a\nb"), &lines("a\nb\nc")), Some(2));
    assert_eq!(difference(&lines("a\nb"), &lines("a\nc")), Some(1));
    assert_eq!(difference(&lines("a\nb"), &lines("a\nb")), None);
}
