//! The examples on the real Asterisk: the account that locks, the survey that survives a hangup, the caller who is
//! screened, the dentist's appointments, those that are spoken; and phrases in the languages Asterisk speaks.

use crate::live::{MANAGED, Way, commands, ends, pause, value_after_hangup};
use crate::support::asterisk::{Call, Line, Running, asterisk};
use crate::support::caller::{Phone, vowel};
use agi_rhai::pbx::Sounds;
use std::time::Duration;

const KEY_INTERVAL: Duration = Duration::from_millis(120);

/// Types these keys a moment after a command has begun.
pub fn type_at(call: &mut Running, command: &str, keys: &str) {
    call.wait_for(command);
    pause(300);
    call.type_keys(keys, KEY_INTERVAL);
}

/// Returns the commands since the last one that starts like this.
fn since(call: &Running, start: &str) -> Vec<String> {
    let all = commands(call);
    let from = all.iter().rposition(|command| command.starts_with(start)).map_or(0, |at| at + 1);
    all[from..].iter().filter(|command| !command.contains("AGI_RHAI_")).cloned().collect()
}

/// Runs a test by AGI and by AsyncAGI at the same time, each with an account of its own.
fn in_both_ways(test: impl Fn(Way, &str) + Sync) {
    std::thread::scope(|scope| {
        for (way, account) in [(Way::Agi, "7311"), (Way::AsyncAgi, "7321")] {
            let test = &test;
            std::thread::Builder::new()
                .name(format!("{way:?}"))
                .spawn_scoped(scope, move || test(way, account))
                .expect("there are threads");
        }
    });
}

/// Checks that no recording was missing.
pub fn check_no_sound_missing(name: &str) {
    let log = asterisk().stderr();
    let missing = log.lines().find(|line| line.contains("missing") && line.contains(name));
    assert_eq!(missing, None);
}

#[test]
fn live_example_pin_locks_after_three_wrong_tries() {
    in_both_ways(pin);
    // The PIN appears in no log.
    assert!(!asterisk().stderr().contains("4711081"));
    assert!(!MANAGED.log().contains("4711081"));
    check_no_sound_missing("pin-");
}

fn pin(way: Way, account: &str) {
    asterisk().cli(&format!("database put pin {account} 4711081"));
    asterisk().cli(&format!("database del pin-locked {account}"));
    let call = |keys: &[&str]| {
        let mut call = asterisk().call(way.call("pin.rhai", &[]));
        type_at(&mut call, "GET DATA \"pin-account\"", account);
        for keys in keys {
            type_at(&mut call, "GET DATA \"pin-enter\"", keys);
        }
        let ending = call.wait_end();
        ends(&ending, "SUCCESS", "SUCCESS", true);
        call
    };
    let opened = call(&["99#", "4711081#"]);
    let said = commands(&opened).join("\n");
    assert!(
        said.contains("GET DATA \"pin-wrong\" 1 1\nSAY NUMBER 2 \"0123456789*#ABCD\"\nGET DATA \"pin-more-tries\" 1 1"),
        "{said}"
    );
    assert!(
        said.contains(&format!("SET VARIABLE \"PIN_ACCOUNT\" \"{account}\"\nSTREAM FILE \"pin-welcome\" \"\"")),
        "{said}"
    );

    let locked = call(&["1#", "2#", "3#"]);
    let end = [
        "STREAM FILE \"pin-locked\" \"\"",
        "SAY NUMBER 15 \"\"",
        "STREAM FILE \"minutes\" \"\"",
        "STREAM FILE \"vm-goodbye\" \"\"",
    ];
    assert_eq!(since(&locked, "DATABASE PUT")[1..], end, "{:?}", commands(&locked));
    assert!(asterisk().database_get("pin-locked", account).is_some());

    // The next call hears how long the lock lasts, and isn't asked for a PIN.
    let refused = call(&[]);
    assert!(commands(&refused).iter().any(|command| command == "STREAM FILE \"pin-locked\" \"\""));
    // The operator unlocks it.
    asterisk().cli(&format!("database del pin-locked {account}"));
    // A caller who knows the menu types everything at once.
    let mut ahead = asterisk().call(way.call("pin.rhai", &[]));
    type_at(&mut ahead, "GET DATA \"pin-account\"", &format!("{account}4711081#"));
    ends(&ahead.wait_end(), "SUCCESS", "SUCCESS", true);
    assert!(commands(&ahead).iter().any(|command| command == "STREAM FILE \"pin-welcome\" \"\""));
}

#[test]
fn live_example_survey_resumes_after_a_hangup() {
    asterisk().cli("database deltree survey 7312");
    asterisk().cli("database put survey-finished callers 4");
    let place = || asterisk().call(Call::script("survey.rhai", &[]).caller_id("Guest <7312>"));
    let mut call = place();
    type_at(&mut call, "STREAM FILE \"survey-welcome\"", "#");
    type_at(&mut call, "GET DATA \"survey-friendly\"", "5");
    call.wait_for("GET DATA \"survey-quick\"");
    call.hangup();
    ends(&call.wait_end(), "HANGUP", "HANGUP", false);
    assert_eq!(value_after_hangup("survey", "7312").as_deref(), Some("5"));

    let mut call = place();
    // The caller is back, and types ahead of the question.
    type_at(&mut call, "STREAM FILE \"survey-questions-left\"", "#");
    type_at(&mut call, "GET DATA \"survey-quick\"", "72");
    type_at(&mut call, "GET DATA \"survey-again\"", "3");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    let said = commands(&call).join("\n");
    assert!(
        said.contains(
            "STREAM FILE \"survey-back\" \"#\"\nSAY NUMBER 2 \"#\"\nSTREAM FILE \"survey-questions-left\" \"#\""
        ),
        "{said}"
    );
    assert!(
        said.contains("STREAM FILE \"survey-so-far\" \"\"\nSAY NUMBER 5 \"\"\nSTREAM FILE \"survey-callers\" \"\""),
        "{said}"
    );
    assert!(said.contains("STREAM FILE \"survey-took\" \"\"\nSAY NUMBER "), "{said}");
    assert_eq!(asterisk().database_get("survey", "7312").as_deref(), Some("523"));
    check_no_sound_missing("survey-");
}

#[test]
fn live_example_screening_leaves_a_message() {
    let place = |callee: &str| {
        let call = Call::script("screening.rhai", &[&format!("Local/{callee}@callees")]);
        let mut call = asterisk().call(call.sounding().caller_id("Friend <7313>"));
        call.wait_for("RECORD FILE");
        pause(1500);
        call.press("#");
        call
    };
    let mut answered = place("answers");
    ends(&answered.wait_end(), "SUCCESS", "SUCCESS", true);
    let name = format!("screening-name-{}", answered.unique_id());
    let dialed = commands(&answered).into_iter().find(|command| command.starts_with("EXEC ")).unwrap();
    assert!(dialed.starts_with("EXEC \"Dial\" \"Local/answers@callees,20,A("), "{dialed}");
    assert!(dialed.ends_with(&format!("/{name})mg\"")), "{dialed}");
    assert_eq!(since(&answered, "GET VARIABLE \"DIALSTATUS\""), [""; 0]);

    let mut busy = place("busy");
    type_at(&mut busy, "GET DATA \"screening-menu\"", "2");
    busy.wait_for("RECORD FILE");
    pause(2000);
    busy.hangup();
    ends(&busy.wait_end(), "HANGUP", "HANGUP", false);
    let key = format!("7313-{}", busy.unique_id());
    let message = value_after_hangup("screening", &key).expect("the message is not kept");
    assert!(message.ends_with(&format!("screening-message-{}", busy.unique_id())), "{message}");
    assert!(commands(&busy).iter().any(|command| command == "STREAM FILE \"screening-busy\" \"\""));
    check_no_sound_missing("screening-");
}

#[test]
fn live_example_dentist_books_an_appointment_and_takes_a_message() {
    let place = || asterisk().call(Call::script("dentist.rhai", &[]).sounding().caller_id("Anna <7314>"));
    let mut booking = place();
    type_at(&mut booking, "GET DATA \"dentist-language\"", "1");
    type_at(&mut booking, "GET DATA \"dentist-menu\"", "1");
    type_at(&mut booking, "GET DATA \"dentist-day\"", "1");
    type_at(&mut booking, "GET DATA \"dentist-time\"", "0930");
    type_at(&mut booking, "GET DATA \"dentist-right\"", "1");
    booking.wait_for("STREAM FILE \"dentist-booked\"");
    booking.hangup();
    ends(&booking.wait_end(), "HANGUP", "HANGUP", false);
    let sent = commands(&booking);
    let read_back =
        sent.iter().find_map(|command| command.strip_prefix("SAY DATETIME ")).expect("nothing is read back");
    assert!(read_back.ends_with(" \"0123456789*#ABCD\" \"AdB IMp\" \"Europe/Berlin\""), "{read_back}");
    let when = read_back.split(' ').next().unwrap();
    assert_eq!(asterisk().database_get("dentist", when).as_deref(), Some("7314"));
    asterisk().cli(&format!("database del dentist {when}"));

    let mut message = place();
    type_at(&mut message, "GET DATA \"dentist-language\"", "2");
    type_at(&mut message, "GET DATA \"dentist-menu\"", "2");
    message.wait_for("RECORD FILE");
    pause(2500);
    message.press("#");
    type_at(&mut message, "GET DATA \"dentist-review\"", "1");
    message.wait_for("STREAM FILE \"auth-thankyou\"");
    message.hangup();
    ends(&message.wait_end(), "HANGUP", "HANGUP", false);
    let sent = commands(&message);
    let file = format!("dentist-{}-1", message.unique_id());
    assert!(sent.iter().any(|command| command == "SET VARIABLE \"CHANNEL(language)\" \"de\""), "{sent:?}");
    assert!(
        sent.iter().any(|command| command.starts_with("SET VARIABLE \"DENTIST_MESSAGE\"") && command.contains(&file)),
        "{sent:?}"
    );
    check_no_sound_missing("dentist-");
}

/// An engine that hears what is expected at each question of the booking.
const BOOKING_ENGINE: &str = r#"[speech.stt.stub]
command = ["sh", "-c", """
    cat >/dev/null
    case "$0" in
        *English*) echo "English, please" ;;
        *Monday*) echo "on Monday" ;;
        *zero*) echo "at two o'clock" ;;
        *) echo "yes" ;;
    esac
    """, "{words}"]
"#;

#[test]
fn live_example_booking_is_made_by_voice() {
    let store = asterisk().agi_dir().join("live-booking/store.sqlite");
    asterisk().script("live-booking/booking.rhai", include_str!("../scripts/booking.rhai"));
    asterisk().script(
        "live-booking/agi-rhai.toml",
        &format!(
            "{BOOKING_ENGINE}[store]\nurl = \"sqlite:{}\"\n[speech]\nsounds = [{:?}]\n",
            asterisk().inside(&store),
            asterisk().inside(&asterisk().sounds_dir())
        ),
    );
    let phone = Phone::new();
    let mut call = asterisk().call(phone.calls(Call::script("live-booking/booking.rhai", &[])));
    let caller = phone.answered();
    for question in ["language", "day", "hour", "right"] {
        call.wait_for("EXEC AudioSocket");
        // In the middle of the prompt.
        pause(500);
        assert!(caller.ended_at().is_none(), "{question}: {}", call.story());
        caller.says(&vowel(800));
    }
    call.wait_for("STREAM FILE \"booking-booked\"");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    let sent = commands(&call);
    assert!(sent.iter().any(|command| command == "SET VARIABLE \"CHANNEL(language)\" \"en\""), "{sent:?}");
    assert!(!sent.iter().any(|command| command.starts_with("GET DATA")), "{sent:?}");
    check_no_sound_missing("booking-");
}

/// The same look-ups as in `languages::sound_files_are_found_in_the_language_that_the_channel_has_now`.
#[test]
fn live_sounds_are_found_in_the_language_of_the_moment() {
    let frames = |count: usize| [0xd5_u8].repeat(count * 33);
    for (name, count) in [("lang-ask", 2), ("de/lang-ask", 10), ("de/lang-nur", 3), ("en/lang-only", 5)] {
        let path = asterisk().sounds_dir().join(format!("{name}.gsm"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, frames(count)).unwrap();
    }
    asterisk().script(
        "phrases/sounds.rhai",
        r#"
        answer();
        fn play() { say(["lang-ask", "lang-nur", "lang-only"]); }
        play();
        set_variable("CHANNEL(language)", "de_AT");
        play();
        exec("Set", "CHANNEL(language)=fr");
        play();
    "#,
    );
    let mut call = asterisk().call(Call::script("phrases/sounds.rhai", &[]));
    // A missing file makes Asterisk itself speak of a failure.
    ends(&call.wait_end(), "FAILURE", "SUCCESS", true);
    let lines = call.transcript();
    let replies = lines.windows(2).filter_map(|pair| match pair {
        [Line::Script(sent), Line::Asterisk(reply)] if sent.starts_with("STREAM FILE") => {
            Some(reply.strip_prefix("200 result=0 endpos=").unwrap_or("missing"))
        }
        _ => None,
    });
    let expected = ["320", "missing", "800", "1600", "480", "800", "320", "missing", "800"];
    assert_eq!(replies.collect::<Vec<_>>(), expected, "{lines:?}");
}

/// What docs/scripting.md promises of `${NAME}` in a template: Asterisk doesn't look at what it put there.
#[test]
fn live_a_variable_in_a_template_is_never_evaluated() {
    asterisk().script(
        "phrases/tricks.rhai",
        r#"
        let template = "[${URIENCODE(${WHO})}] [${FILTER(0-9,${WHO})}] [${WHO}]";
        for who in ["200)},${EXTEN}", "200)}:1"] {
            set_variable("WHO", who);
            noop(get_full_variable(template));
        }
    "#,
    );
    let mut call = asterisk().call(Call::script("phrases/tricks.rhai", &[]));
    call.wait_end();
    let said: Vec<String> = commands(&call).into_iter().filter(|command| command.starts_with("NOOP")).collect();
    let expected = [
        "NOOP \"[200)%7D%2C%24%7BEXTEN%7D] [200] [200)},${EXTEN}]\"",
        // A `)` before a `:` ends the argument; what follows is taken for a substring.
        "NOOP \"[00] [00] [200)}:1]\"",
    ];
    assert_eq!(said, expected);
}

#[test]
fn live_only_plain_wav_files_are_played() {
    let wav = |format: u16, rate: u32, channels: u16, bits: u16| {
        let mut wav = b"RIFF\xc8\x00\x00\x00WAVEfmt \x10\x00\x00\x00".to_vec();
        for field in [format, channels] {
            wav.extend(field.to_le_bytes());
        }
        wav.extend(rate.to_le_bytes());
        wav.extend((rate * u32::from(channels * bits / 8)).to_le_bytes());
        for field in [channels * bits / 8, bits] {
            wav.extend(field.to_le_bytes());
        }
        wav.extend(b"data\xa0\x00\x00\x00");
        wav.extend([0; 160]);
        wav
    };
    let files = [
        ("wav-plain", wav(1, 8000, 1, 16)),
        ("wav-fast", wav(1, 44_100, 1, 16)),
        ("wav-16k", wav(1, 16_000, 1, 16)),
        ("wav-stereo", wav(1, 8000, 2, 16)),
        ("wav-small", wav(1, 8000, 1, 8)),
        ("wav-float", wav(3, 8000, 1, 16)),
        ("wav-none", b"RIFX".to_vec()),
    ];
    for (name, text) in &files {
        std::fs::write(asterisk().sounds_dir().join(format!("{name}.wav")), text).unwrap();
    }
    let names: Vec<String> = files.iter().map(|(name, _)| format!("{name:?}")).collect();
    asterisk()
        .script("phrases/wav.rhai", &format!("answer(); for name in [{}] {{ stream_file(name); }}", names.join(", ")));
    let mut call = asterisk().call(Call::script("phrases/wav.rhai", &[]));
    ends(&call.wait_end(), "FAILURE", "SUCCESS", true);
    let lines = call.transcript();
    let simulated = Sounds::none().with_folder(asterisk().sounds_dir());
    for (name, _) in &files {
        let sent = Line::Script(format!("STREAM FILE \"{name}\" \"\""));
        let at = lines.iter().position(|line| *line == sent).unwrap();
        let samples = simulated.find(name, "en").map(|clip| clip.samples);
        let reply = samples.map_or("200 result=-1 endpos=0".to_owned(), |n| format!("200 result=0 endpos={n}"));
        assert_eq!(lines[at + 1], Line::Asterisk(reply), "{name}");
        assert_eq!(samples, (*name == "wav-plain").then_some(80));
    }
}

#[test]
fn live_phrases_use_the_channels_language() {
    asterisk().script(
        "phrases/tell.rhai",
        r#"
        answer();
        let messages = #{ phrase: "messages", n: 1 };
        say(messages);
        set_variable("CHANNEL(language)", "de");
        say(messages);
        exec("Set", "CHANNEL(language)=pl");
        say([messages, #{ phrase: "messages", n: 3 }]);
        noop(get_variable("CHANNEL(language)"));
    "#,
    );
    asterisk().script(
        "phrases/tell.phrases",
        "messages one: vm-youhave {n} vm-message\nmessages other: vm-youhave {n} vm-messages
        [de]\nmessages one: vm-youhave {n f} vm-message\nmessages: vm-youhave {n} vm-messages
        [pl]\nmessages one: {n f} vm-message\nmessages few: {n f} vm-INBOX\nmessages many: {n} vm-messages\n",
    );
    let mut call = asterisk().call(Call::script("phrases/tell.rhai", &[]));
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    let said: Vec<String> = commands(&call).into_iter().filter(|command| !command.contains("AGI_RHAI_")).collect();
    assert_eq!(
        said,
        [
            "ANSWER",
            "STREAM FILE \"vm-youhave\" \"\"",
            "SAY NUMBER 1 \"\"",
            "STREAM FILE \"vm-message\" \"\"",
            "SET VARIABLE \"CHANNEL(language)\" \"de\"",
            "STREAM FILE \"vm-youhave\" \"\"",
            "SAY NUMBER 1 \"\" \"f\"",
            "STREAM FILE \"vm-message\" \"\"",
            "EXEC \"Set\" \"CHANNEL(language)=pl\"",
            "GET VARIABLE \"CHANNEL(language)\"",
            "SAY NUMBER 1 \"\" \"f\"",
            "STREAM FILE \"vm-message\" \"\"",
            "SAY NUMBER 3 \"\" \"f\"",
            "STREAM FILE \"vm-INBOX\" \"\"",
            "GET VARIABLE \"CHANNEL(language)\"",
            "NOOP \"pl\"",
        ]
    );
}

#[test]
fn live_example_tour_reports_what_this_asterisk_can_do() {
    in_both_ways(|way, _| tour(way));
    check_no_sound_missing("tour-");
}

fn tour(way: Way) {
    let mut call = asterisk().call(way.call("tour.rhai", &[]).sounding());
    type_at(&mut call, "WAIT FOR DIGIT 5000", "5");
    call.wait_for("RECORD FILE");
    pause(1500);
    call.press("1");
    ends(&call.wait_end(), "SUCCESS", "SUCCESS", true);
    let said = commands(&call);
    // A Local channel takes no images, and whether it takes a text depends on what is at its other end.
    let failed = said.iter().find_map(|command| command.strip_prefix("SET VARIABLE \"TOUR_FAILED\" ")).unwrap();
    let failed: Vec<&str> = failed.trim_matches('"').split(", ").filter(|name| !name.is_empty()).collect();
    assert!(failed.iter().all(|name| ["SEND TEXT", "SEND IMAGE"].contains(name)), "{failed:?}");
    let passed = said.iter().find_map(|command| command.strip_prefix("SET VARIABLE \"TOUR_PASSED\" ")).unwrap();
    assert_eq!(passed, format!("\"{}\"", 8 - failed.len()));
    assert!(said.iter().any(|command| command.starts_with("VERBOSE \"agi_request = ")), "{said:?}");
}
