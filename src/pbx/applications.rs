//! The dialplan applications that EXEC can run.

use super::caller::Sound;
use super::channel::{Channel, KeyResult};
use super::channel_state::ChannelState;
use super::functions::Missing;
use super::playback::{ANY_KEY, GetDataResult, StreamEnd};
use super::say::SayCase;
use super::scan::leading_number;
use crate::clock::Time;
use std::time::Duration;

/// The result of EXEC for an unknown application.
const NO_SUCH_APPLICATION: i32 = -2;

impl Channel {
    /// EXEC: runs an application and returns its value, or -2 if the simulator doesn't know the application.
    ///
    /// It simulates `Answer`, `Background`, `Busy`, `Congestion`, `Dial`, `Gosub` (as a `Goto`), `Goto`, `GotoIf`,
    /// `Hangup`, `Log`, `MSet`, `MusicOnHold`, `NoOp`, `Playback`, `Proceeding`, `Progress`, `Read` (of one file),
    /// `Ringing`, `SayAlpha`, `SayDigits`, `SayNumber`, `SayPhonetic`, `SendDTMF`, `Set`, `StartMusicOnHold`,
    /// `StopMusicOnHold`, `System`, `TrySystem`, `UserEvent`, `Verbose`, `Wait` and `WaitExten`, and what
    /// [`with_application`](Self::with_application) and [`with_application_by`](Self::with_application_by) declared.
    /// `System` runs nothing and succeeds; `Dial` ends as [`with_dial_status`](Self::with_dial_status) and
    /// [`with_dial_times`](Self::with_dial_times) say. Other applications of a real Asterisk don't exist here.
    pub fn exec(&mut self, application: &str, arguments: &str) -> i32 {
        let full = self.get_variable("AGIEXECFULL").is_some_and(|value| is_true(&value));
        let arguments = if full { self.expand(arguments) } else { arguments.to_owned() };
        self.executed.push((application.to_owned(), arguments.clone()));
        let name = application.to_ascii_lowercase();
        if let Some(value) = self.stand_in_for_application(&name, &arguments) {
            return value;
        }
        if let Some(value) = self.applications.get(&name) {
            return *value;
        }
        let split: Vec<&str> = arguments.split(',').collect();
        let argument = |number: usize| split.get(number).copied().map_or("", str::trim);
        match name.as_str() {
            "noop" | "verbose" | "log" | "progress" | "proceeding" | "ringing" | "userevent" => 0,
            "set" => self.assign(&arguments),
            "mset" => {
                for pair in &split {
                    self.assign(pair.trim());
                }
                0
            }
            "answer" => value(self.answer()),
            "hangup" => {
                self.die();
                -1
            }
            "wait" => value(seconds(argument(0)).is_none_or(|length| self.idle(self.now() + length))),
            "playback" => self.playback(&arguments, argument(0), argument(1)),
            "background" => self.background(&arguments, argument(0), argument(1)),
            "waitexten" => {
                let length = seconds(argument(0)).unwrap_or(self.facts.response_timeout);
                match self.key_before(self.now() + length) {
                    // After a timeout the dialplan goes on, as far as an AGI script can tell.
                    KeyResult::Nothing => 0,
                    key => key.code(),
                }
            }
            "read" => self.read_digits(&split),
            "saynumber" | "saydigits" | "sayalpha" | "sayphonetic" => self.say_application(&name, &arguments),
            "startmusiconhold" => {
                self.set_music(true, Some(argument(0)));
                0
            }
            "stopmusiconhold" => {
                self.set_music(false, None);
                0
            }
            "musiconhold" => self.music_on_hold(argument(0), argument(1)),
            "senddtmf" => self.send_dtmf(argument(0), argument(1), argument(2)),
            "goto" => self.goto(&arguments),
            "gotoif" => self.goto_if(&arguments),
            "gosub" => self.goto(arguments.split('(').next().unwrap_or_default()),
            "dial" => self.dial(&arguments),
            "busy" | "congestion" => {
                let until = seconds(argument(0)).map_or(Time::NEVER, |length| self.now() + length);
                self.idle(until);
                -1
            }
            "system" | "trysystem" => {
                self.set_variable("SYSTEMSTATUS", "SUCCESS");
                0
            }
            _ => {
                self.executed.pop();
                self.note_missing(Missing::Application(application.to_owned()));
                NO_SUCH_APPLICATION
            }
        }
    }

    fn assign(&mut self, pair: &str) -> i32 {
        if let Some((name, value)) = pair.split_once('=') {
            self.set_variable(name, value);
        }
        0
    }

    fn playback(&mut self, arguments: &str, files: &str, options: &str) -> i32 {
        if arguments.is_empty() {
            return -1;
        }
        if self.dead {
            // Asterisk counts playing to a dead channel as success.
            self.set_variable("PLAYBACKSTATUS", "FAILED");
            return 0;
        }
        let options = options.to_ascii_lowercase();
        let (mut result, mut missing) = (true, false);
        let up = self.state == ChannelState::Up;
        let skip = !up && options.contains("skip");
        if !skip && (up || options.contains("noanswer") || self.answer()) {
            for file in files.split('&').map(str::trim) {
                match self.find(file) {
                    None => missing = true,
                    Some(clip) => {
                        let end = self.play_clip(clip, 0, Sound::File(file), "").end;
                        result = !matches!(end, StreamEnd::HungUp);
                    }
                }
                if !result {
                    break;
                }
            }
        } else {
            result = skip;
        }
        self.set_variable("PLAYBACKSTATUS", if missing { "FAILED" } else { "SUCCESS" });
        value(result)
    }

    fn background(&mut self, arguments: &str, files: &str, options: &str) -> i32 {
        if arguments.is_empty() {
            return -1;
        }
        let up = self.state == ChannelState::Up;
        let (mut key, mut missing) = (KeyResult::Nothing, false);
        let skip = !up && (options.eq_ignore_ascii_case("skip") || options.contains('s'));
        let silent = options.eq_ignore_ascii_case("noanswer") || options.contains('n');
        if !skip {
            if !up && !silent && !self.answer() {
                key = KeyResult::Failed;
            }
            for file in files.split('&').map(str::trim) {
                if key != KeyResult::Nothing {
                    break;
                }
                let Some(clip) = self.find(file) else {
                    missing = true;
                    break;
                };
                key = self.play_clip(clip, 0, Sound::File(file), ANY_KEY).end.into();
            }
        }
        self.set_variable("BACKGROUNDSTATUS", if missing { "FAILED" } else { "SUCCESS" });
        key.code()
    }

    /// Read(variable,file,max,options,attempts,timeout).
    fn read_digits(&mut self, arguments: &[&str]) -> i32 {
        let argument = |number: usize| arguments.get(number).copied().map_or("", str::trim);
        let (variable, file, options) = (argument(0), argument(1), argument(3));
        if variable.is_empty() {
            return 0;
        }
        if self.state != ChannelState::Up {
            if options.contains('s') {
                self.set_variable(variable, "");
                self.set_variable("READSTATUS", "SKIPPED");
                return 0;
            }
            if !options.contains('n') {
                self.answer();
            }
        }
        let max = leading_number(argument(2)).filter(|max| (1..=255).contains(max)).unwrap_or(255);
        let attempts = leading_number(argument(4)).filter(|tries| *tries > 0).unwrap_or(1);
        let wait = seconds(argument(5)).map(|length| i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
        let [first, between] = [self.facts.response_timeout, self.facts.digit_timeout]
            .map(|length| i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
        let (mut digits, mut status) = (String::new(), "ERROR");
        for _ in 0..attempts {
            match self.digits(file, wait.unwrap_or(first), wait.unwrap_or(between), max.into(), "#") {
                GetDataResult::Digits(typed) => (digits, status) = (typed, "OK"),
                GetDataResult::Timeout(typed) => (digits, status) = (typed, "TIMEOUT"),
                GetDataResult::Failed => break,
            }
            if !digits.is_empty() {
                break;
            }
        }
        let status = if self.dead { "HANGUP" } else { status };
        self.set_variable(variable, &digits);
        self.set_variable("READSTATUS", status);
        0
    }

    fn say_application(&mut self, name: &str, arguments: &str) -> i32 {
        let interrupt = self.get_variable("SAY_DTMF_INTERRUPT").is_some_and(|value| is_true(&value));
        let escape = if interrupt { ANY_KEY } else { "" };
        match name {
            "saydigits" => self.say_digits(arguments, escape).code(),
            "sayalpha" => self.say_alpha(arguments, escape, SayCase::None).code(),
            "sayphonetic" => self.say_phonetic(arguments, escape).code(),
            _ if arguments.is_empty() => -1,
            _ => match arguments.split(',').next().unwrap_or_default().trim().parse() {
                Ok(number) => {
                    let code = self.say_number(number, escape, arguments.split(',').nth(1)).code();
                    if interrupt { code } else { 0 }
                }
                Err(_) => 0,
            },
        }
    }

    fn music_on_hold(&mut self, class: &str, length: &str) -> i32 {
        let until = seconds(length).map_or(Time::NEVER, |length| self.now() + length);
        let before = self.music.take();
        self.set_music(true, Some(class));
        let alive = self.idle(until);
        self.music = before;
        value(alive)
    }

    /// Each digit is a tone followed by a pause.
    fn send_dtmf(&mut self, digits: &str, pause: &str, length: &str) -> i32 {
        let count = u32::try_from(digits.chars().count()).unwrap_or(u32::MAX);
        let milliseconds =
            |text: &str, default| leading_number(text).and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
        let each = Duration::from_millis(milliseconds(pause, 250) + milliseconds(length, 100));
        value(self.idle(self.now() + each.saturating_mul(count)))
    }

    /// `[[context,]extension,]priority`, where the priority is a number or a known label.
    fn goto(&mut self, place: &str) -> i32 {
        let parts: Vec<&str> = place.split(',').map(str::trim).collect();
        let (context, extension, priority) = match parts[..] {
            [priority] => (None, None, priority),
            [extension, priority] => (None, Some(extension), priority),
            [context, extension, priority, ..] => (Some(context), Some(extension), priority),
            [] => return -1,
        };
        let context = context.unwrap_or(&self.context).to_owned();
        let extension = extension.unwrap_or(&self.extension).to_owned();
        let Some(number) = self.priority_of(&context, &extension, priority) else { return -1 };
        (self.context, self.extension) = (context, extension);
        self.set_priority_number(number);
        0
    }

    fn goto_if(&mut self, text: &str) -> i32 {
        let (condition, branches) = text.split_once('?').unwrap_or((text, ""));
        let (yes, no) = branches.split_once(':').unwrap_or((branches, ""));
        // An empty text and zero are false; any other text is true.
        let condition = condition.trim();
        let branch = if condition.is_empty() || leading_number(condition) == Some(0) { no } else { yes };
        if branch.is_empty() { 0 } else { self.goto(branch) }
    }
}

fn value(success: bool) -> i32 {
    if success { 0 } else { -1 }
}

/// Whether Asterisk considers this text true.
fn is_true(text: &str) -> bool {
    ["yes", "true", "y", "t", "1", "on"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Reads a duration in seconds, which may be a fraction; `None` if it is zero or not a number.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok().filter(|length| !length.is_zero())
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::{channel, elapsed};

    /// Runs `Application(arguments)` and compares its value, the time it took, and these variables.
    fn check(plan: &str, call: &str, variables: &str, expected: &str) {
        let mut channel = channel(plan).with_application("Custom", 7).with_named_label("default", "s", "here", 5);
        let (name, arguments) = call.split_once('(').unwrap();
        let result = channel.exec(name, arguments.strip_suffix(')').unwrap());
        let mut text = format!("{result} at {}", elapsed(&channel));
        for name in variables.split_whitespace() {
            text = format!("{text} {name}={}", channel.get_variable(name).unwrap_or_else(|| "-".into()));
        }
        if channel.is_dead() {
            text += " dead";
        }
        assert_eq!(text, expected, "{call}");
    }

    #[test]
    fn applications_that_take_no_time() {
        check("", "NoSuchApp(x)", "", "-2 at 0");
        check("", "Verbose(1,hello)", "", "0 at 0");
        check("", "custom(x)", "", "7 at 0");
        check("", "Set(Y=white as = snow, really)", "Y", "0 at 0 Y=white as = snow, really");
        check("", "MSet(A=1,B=2)", "A B", "0 at 0 A=1 B=2");
        check("", "Set(GLOBAL(FLEECE)=white)", "FLEECE", "0 at 0 FLEECE=white");
        check("", "Hangup()", "", "-1 at 0 dead");
        check("", "System(rm -rf /)", "SYSTEMSTATUS", "0 at 0 SYSTEMSTATUS=SUCCESS");
        check("", "Dial(SIP/x,10)", "DIALSTATUS", "0 at 0 DIALSTATUS=CHANUNAVAIL");
    }

    #[test]
    fn applications_that_play() {
        check(
            "presses 5 after 100ms",
            "Playback(beep&nosuch&beep)",
            "PLAYBACKSTATUS",
            "0 at 880 PLAYBACKSTATUS=FAILED",
        );
        check("hangs up after 100ms", "Playback(beep)", "", "-1 at 100 dead");
        check("presses 5 after 100ms", "Background(beep)", "BACKGROUNDSTATUS", "53 at 100 BACKGROUNDSTATUS=SUCCESS");
        check("", "Background(beep)", "", "0 at 440");
        check("presses 5 after 100ms", "SayNumber(42)", "", "0 at 1720");
        check("presses 12# after 100ms", "Read(X,beep)", "X READSTATUS", "0 at 300 X=12 READSTATUS=OK");
        check("presses 1 after 500ms", "Read(X,beep,2,,2,3)", "X READSTATUS", "0 at 3500 X=1 READSTATUS=TIMEOUT");
        check("", "Read(X,,2,,2,3)", "X READSTATUS", "0 at 6000 X= READSTATUS=TIMEOUT");
    }

    #[test]
    fn applications_that_wait() {
        check("presses 5 after 100ms", "Wait(1.5)", "", "0 at 1500");
        check("hangs up after 100ms", "Wait(1.5)", "", "-1 at 100 dead");
        check("", "Wait()", "", "0 at 0");
        check("presses 5 after 100ms", "WaitExten(2)", "", "53 at 100");
        check("", "MusicOnHold(default,3)", "", "0 at 3000");
        check("", "MusicOnHold()", "", "-1 at 0 dead");
        check("", "SendDTMF(123,100)", "", "0 at 600");
    }

    #[test]
    fn applications_that_move() {
        check("", "Goto(here)", "PRIORITY", "0 at 0 PRIORITY=4");
        check("", "Goto(ctx,e,3)", "CONTEXT EXTEN PRIORITY", "0 at 0 CONTEXT=ctx EXTEN=e PRIORITY=2");
        check("", "Goto(nowhere)", "PRIORITY", "-1 at 0 PRIORITY=1");
        check("", "GotoIf(1?here)", "PRIORITY", "0 at 0 PRIORITY=4");
        check("", "GotoIf(0?here)", "PRIORITY", "0 at 0 PRIORITY=1");
    }

    #[test]
    fn arguments_are_expanded_only_if_agiexecfull_is_set() {
        let mut channel = channel("");
        channel.set_variable("A", "x");
        channel.exec("Set", "B=${A}");
        assert_eq!(channel.get_variable("B").unwrap(), "${A}");
        channel.set_variable("AGIEXECFULL", "yes");
        channel.exec("Set", "B=${A}");
        assert_eq!(channel.get_variable("B").unwrap(), "x");
        assert_eq!(channel.executed().len(), 2);
    }
}
