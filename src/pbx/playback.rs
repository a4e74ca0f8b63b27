//! The commands that play sounds and collect keys.

use super::caller::{Digit, Sound};
use super::channel::{Channel, KeyResult, WaitEvent};
use super::say::{self, SayCase};
use super::say_date::SpokenDate;
use super::sound_files::Clip;
use super::spoken::Spoken;
use crate::calendar::TimeZone;

use crate::clock::Time;
use std::time::Duration;

/// The result of STREAM FILE, GET OPTION and CONTROL STREAM FILE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaybackResult {
    /// The key that ended it.
    pub key: KeyResult,
    /// The position at the end, in samples. CONTROL STREAM FILE counts it in milliseconds, where -1 is the end of the
    /// file.
    pub endpos: i64,
}

/// The options of CONTROL STREAM FILE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaybackControls {
    /// How far to skip, in milliseconds.
    pub skip_ms: i64,
    /// The keys that skip forward; empty for Asterisk's default, `#`.
    pub forward: String,
    /// The keys that skip back; empty for Asterisk's default, `*`.
    pub rewind: String,
    /// The keys that pause and resume.
    pub pause: String,
    /// The position to start at, in milliseconds.
    pub offset_ms: i64,
}

impl Default for PlaybackControls {
    fn default() -> Self {
        Self { skip_ms: 3000, forward: "#".into(), rewind: "*".into(), pause: String::new(), offset_ms: 0 }
    }
}

/// The result of GET DATA.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetDataResult {
    /// As many digits as were requested, or those before a `#`.
    Digits(String),
    /// The digits before the timeout.
    Timeout(String),
    /// The file is missing, no digits were requested, or the call was hung up.
    Failed,
}

/// All keys, to which GET DATA listens.
pub(super) const ANY_KEY: &str = "0123456789*#ABCD";

/// How a stream ended, and at which sample.
pub(super) struct Streamed {
    pub end: StreamEnd,
    pub position: u64,
}

pub(super) enum StreamEnd {
    Finished,
    Key(Digit),
    /// The caller speaks, and the script listens.
    Speech,
    HungUp,
}

impl From<StreamEnd> for KeyResult {
    fn from(end: StreamEnd) -> Self {
        match end {
            StreamEnd::Finished | StreamEnd::Speech => Self::Nothing,
            StreamEnd::Key(digit) => Self::Pressed(digit),
            StreamEnd::HungUp => Self::Failed,
        }
    }
}

const FRAME: Duration = Duration::from_millis(20);
/// The default timeouts of GET DATA in milliseconds: for the first digit, and for each further one.
const DIGIT_TIMEOUTS: (i64, i64) = (6000, 2000);
/// The default timeout of GET OPTION after the file, in milliseconds: the digit timeout of the dialplan.
const OPTION_TIMEOUT: i64 = 5000;

impl Channel {
    /// STREAM FILE, starting at this sample.
    pub fn play(&mut self, file: &str, escape: &str, offset: i64) -> PlaybackResult {
        let Some(clip) = self.find(file) else { return PlaybackResult { key: KeyResult::Failed, endpos: offset } };
        let streamed = self.play_clip(clip, offset, Sound::File(file), escape);
        let key = KeyResult::from(streamed.end);
        self.set_variable("PLAYBACKSTATUS", if key == KeyResult::Nothing { "SUCCESS" } else { "FAILED" });
        PlaybackResult { key, endpos: signed(streamed.position) }
    }

    /// GET OPTION. Keys that aren't escape digits are dropped while the file plays, but end the wait after it.
    pub fn get_option(&mut self, file: &str, escape: &str, milliseconds: Option<i64>) -> PlaybackResult {
        let Some(clip) = self.find(file) else { return PlaybackResult { key: KeyResult::Failed, endpos: 0 } };
        let streamed = self.play_clip(clip, 0, Sound::File(file), escape);
        let endpos = signed(streamed.position);
        let key = match KeyResult::from(streamed.end) {
            KeyResult::Nothing => match self.wait_for_digit(milliseconds.unwrap_or(OPTION_TIMEOUT)) {
                KeyResult::Pressed(digit) if digit.is_in(escape) => KeyResult::Pressed(digit),
                // After a hangup too, since Asterisk looks -1 up in the escape digits.
                _ => KeyResult::Nothing,
            },
            key => key,
        };
        PlaybackResult { key, endpos }
    }

    /// CONTROL STREAM FILE.
    pub fn control_play(&mut self, file: &str, stop: &str, controls: &PlaybackControls) -> PlaybackResult {
        let played = self.controlled(file, stop, controls);
        let status = match played.key {
            KeyResult::Pressed(digit) => {
                self.set_variable("CPLAYBACKSTOPKEY", &digit.to_string());
                "USERSTOPPED"
            }
            KeyResult::Nothing => "SUCCESS",
            KeyResult::Failed => "ERROR",
        };
        self.set_variable("CPLAYBACKSTATUS", status);
        self.set_variable("CPLAYBACKOFFSET", &played.endpos.to_string());
        played
    }

    fn controlled(&mut self, file: &str, stop: &str, controls: &PlaybackControls) -> PlaybackResult {
        let default = |keys: &'_ str, default| if keys.is_empty() { default } else { keys.to_owned() };
        let (forward, rewind) = (default(&controls.forward, "#".to_owned()), default(&controls.rewind, "*".to_owned()));
        let listened = format!("{forward}{rewind}{stop}{}", controls.pause);
        let (name, from_end) = match file.len().checked_sub(4).and_then(|at| file.split_at_checked(at)) {
            Some((name, end)) if end.eq_ignore_ascii_case(":end") => (name, true),
            _ => (file, false),
        };
        let Some(clip) = self.find(name) else { return PlaybackResult { key: KeyResult::Failed, endpos: -1 } };
        let offset = controls.offset_ms.saturating_mul(8);
        let skip = controls.skip_ms.saturating_mul(8);
        let mut position = if from_end || offset < 0 {
            // An offset of -1 ms means the end of the file.
            let back = if offset == -8 { 0 } else { offset };
            clip.seek(signed(clip.samples).saturating_sub(back))
        } else {
            clip.seek(offset)
        };
        self.next_prompt();
        loop {
            let streamed = self.stream(clip, position, Sound::File(name), &listened);
            position = streamed.position;
            let key = match streamed.end {
                StreamEnd::Finished | StreamEnd::Speech => {
                    return PlaybackResult { key: KeyResult::Nothing, endpos: -1 };
                }
                StreamEnd::HungUp => return PlaybackResult { key: KeyResult::Failed, endpos: signed(position) / 8 },
                StreamEnd::Key(key) => key,
            };
            if key.is_in(&forward) {
                let target = clip.seek(signed(position).saturating_add(skip));
                // Skipping past the end goes back from there.
                position = if target >= clip.samples { clip.rewind(target, skip) } else { target };
            } else if key.is_in(&rewind) {
                position = clip.rewind(position, skip);
            } else if key.is_in(&controls.pause) {
                match self.paused(&controls.pause, stop) {
                    // A pause key resumes, even if it is also a stop key.
                    KeyResult::Pressed(digit) if !digit.is_in(&controls.pause) => {
                        return PlaybackResult { key: KeyResult::Pressed(digit), endpos: signed(position) / 8 };
                    }
                    KeyResult::Failed => {
                        return PlaybackResult { key: KeyResult::Failed, endpos: signed(position) / 8 };
                    }
                    _ => self.next_prompt(),
                }
            } else {
                return PlaybackResult { key: KeyResult::Pressed(key), endpos: signed(position) / 8 };
            }
        }
    }

    fn paused(&mut self, pause: &str, stop: &str) -> KeyResult {
        loop {
            match self.wait_for_digit(-1) {
                KeyResult::Pressed(digit) if !digit.is_in(pause) && !digit.is_in(stop) => {}
                key => return key,
            }
        }
    }

    /// GET DATA. The timeout starts at the end of the file, and again after each key; 0 means Asterisk's default.
    pub fn get_data(&mut self, file: &str, milliseconds: i64, max: i64) -> GetDataResult {
        let (first, between) = match milliseconds {
            0 => DIGIT_TIMEOUTS,
            1.. => (milliseconds, milliseconds),
            _ => (1_000_000_000, 1_000_000_000),
        };
        self.digits(file, first, between, max, "#")
    }

    pub(super) fn digits(&mut self, file: &str, first: i64, between: i64, max: i64, enders: &str) -> GetDataResult {
        let clip = if file.is_empty() { None } else { self.find(file) };
        if max == 0 || self.dead || (clip.is_none() && !file.is_empty()) {
            return GetDataResult::Failed;
        }
        let mut digits = String::new();
        let mut key = match clip {
            Some(clip) => self.play_clip(clip, 0, Sound::File(file), ANY_KEY).end.into(),
            None => KeyResult::Nothing,
        };
        if key == KeyResult::Nothing {
            key = self.wait_for_digit(first);
        }
        loop {
            match key {
                KeyResult::Failed => return GetDataResult::Failed,
                KeyResult::Nothing => return GetDataResult::Timeout(digits),
                KeyResult::Pressed(digit) if digit.is_in(enders) => return GetDataResult::Digits(digits),
                KeyResult::Pressed(digit) => digits.push(digit.letter()),
            }
            if signed(digits.len() as u64) >= max {
                return GetDataResult::Digits(digits);
            }
            key = self.wait_for_digit(between);
        }
    }

    /// WAIT FOR DIGIT. A negative time waits forever.
    pub fn wait_for_digit(&mut self, milliseconds: i64) -> KeyResult {
        self.key_before(self.deadline(milliseconds))
    }
}

/// The SAY commands, which speak English in every language.
impl Channel {
    /// SAY NUMBER. The gender changes nothing in English.
    pub fn say_number(&mut self, number: i32, escape: &str, gender: Option<&str>) -> KeyResult {
        let spoken = Spoken::plain("number", &number.to_string(), say::number(number));
        self.say(&Spoken { gender: gender.filter(|gender| !gender.is_empty()).map(str::to_owned), ..spoken }, escape)
    }

    /// SAY DIGITS.
    pub fn say_digits(&mut self, text: &str, escape: &str) -> KeyResult {
        let names = say::digits(text, &|name| self.find(name).is_some());
        self.say(&Spoken::plain("digits", text, names), escape)
    }

    /// SAY ALPHA.
    pub fn say_alpha(&mut self, text: &str, escape: &str, case: SayCase) -> KeyResult {
        let names = say::alpha(text, case, &|name| self.find(name).is_some());
        self.say(&Spoken::plain("alpha", text, names), escape)
    }

    /// SAY PHONETIC.
    pub fn say_phonetic(&mut self, text: &str, escape: &str) -> KeyResult {
        let names = say::phonetic(text, &|name| self.find(name).is_some());
        self.say(&Spoken::plain("phonetic", text, names), escape)
    }

    /// SAY DATE.
    pub fn say_date(&mut self, epoch: i64, escape: &str) -> KeyResult {
        let spoken = self.spoken_date(epoch, &self.time_zone).date();
        self.say(&spoken, escape)
    }

    /// SAY TIME.
    pub fn say_time(&mut self, epoch: i64, escape: &str) -> KeyResult {
        let spoken = self.spoken_date(epoch, &self.time_zone).time();
        self.say(&spoken, escape)
    }

    /// SAY DATETIME.
    pub fn say_datetime(&mut self, epoch: i64, escape: &str, format: Option<&str>, zone: Option<&str>) -> KeyResult {
        let german = self.language().eq_ignore_ascii_case("de");
        let format = format.unwrap_or(if german { "A dBY HMS" } else { "ABdY 'digits/at' IMp" });
        let zone = zone.filter(|zone| !zone.is_empty());
        let time_zone = zone.map_or_else(|| self.time_zone.clone(), TimeZone::as_asterisk_reads);
        let sound_words = |sound: &str| match self.sounds.words(sound, self.language()) {
            Some(words) => words.text.to_owned(),
            None => sound.strip_prefix("digits/").unwrap_or(sound).to_owned(),
        };
        let spoken = self.spoken_date(epoch, &time_zone).datetime(format, &sound_words);
        self.say(&Spoken { zone: zone.map(str::to_owned), ..spoken }, escape)
    }

    fn spoken_date<'a>(&'a self, epoch: i64, zone: &'a TimeZone) -> SpokenDate<'a> {
        let now = i64::try_from(self.now().since_epoch().as_secs()).unwrap_or(i64::MAX);
        SpokenDate { epoch, zone, now, language: self.language() }
    }

    fn say(&mut self, spoken: &Spoken, escape: &str) -> KeyResult {
        self.next_prompt();
        for name in &spoken.files {
            let Some(clip) = self.find(name) else { return KeyResult::Failed };
            match self.stream(clip, 0, Sound::Spoken(spoken), escape).end {
                StreamEnd::Finished => {}
                end => return end.into(),
            }
        }
        if self.dead { KeyResult::Failed } else { KeyResult::Nothing }
    }
}

/// Streaming sound files.
impl Channel {
    /// Finds a sound file: a recording of this call, or one of the sounds.
    pub(super) fn find(&self, name: &str) -> Option<Clip> {
        let recorded = self.recordings.get(name).map(|&samples| Clip { samples, grain: 1 });
        recorded.or_else(|| self.sounds.find(name, self.language()))
    }

    /// Plays a file as a prompt of its own.
    pub(super) fn play_clip(&mut self, clip: Clip, offset: i64, sound: Sound<'_>, escape: &str) -> Streamed {
        self.next_prompt();
        self.stream(clip, clip.seek(offset), sound, escape)
    }

    /// Plays from this sample until the end of the file, one of these keys, or a hangup.
    pub(super) fn stream(&mut self, clip: Clip, from: u64, sound: Sound<'_>, keys: &str) -> Streamed {
        let began = self.now();
        let left = clip.samples.saturating_sub(from);
        let until = began + Duration::from_micros(left.saturating_mul(125));
        let end = loop {
            if left == 0 && !self.dead {
                break StreamEnd::Finished;
            }
            match self.hear(until, sound, !keys.is_empty()) {
                WaitEvent::Key(digit) if digit.is_in(keys) => break StreamEnd::Key(digit),
                WaitEvent::HungUp => break StreamEnd::HungUp,
                WaitEvent::TimeUp => break StreamEnd::Finished,
                WaitEvent::Speech(utterance) => {
                    self.said = Some(utterance);
                    break StreamEnd::Speech;
                }
                WaitEvent::Key(_) | WaitEvent::Text(_) => {}
            }
        };
        let position = match end {
            StreamEnd::Finished => clip.samples,
            StreamEnd::Key(_) | StreamEnd::Speech | StreamEnd::HungUp => {
                clip.samples.min(from.saturating_add(frames(began, self.now()) * 160))
            }
        };
        Streamed { end, position }
    }
}

/// Returns the number of frames Asterisk has written so far: one at the start and one every 20 ms.
pub(super) fn frames(began: Time, now: Time) -> u64 {
    let micros = (now - began).as_micros().div_ceil(FRAME.as_micros());
    u64::try_from(micros).unwrap_or(u64::MAX / 160).clamp(1, u64::MAX / 160)
}

impl Clip {
    /// Returns the last sample at or before this one that Asterisk can seek to.
    fn seek(self, sample: i64) -> u64 {
        let sample = u64::try_from(sample).unwrap_or(0);
        (sample / self.grain.max(1) * self.grain.max(1)).min(self.samples)
    }

    fn rewind(self, position: u64, by: i64) -> u64 {
        self.seek(signed(position).saturating_sub(by))
    }
}

pub(super) fn signed(samples: u64) -> i64 {
    i64::try_from(samples).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::{channel, elapsed};
    use super::*;

    /// Compares the result, the milliseconds it took, and whether the channel is dead.
    fn check(plan: &str, run: impl Fn(&mut Channel) -> String, expected: &str) {
        let mut channel = channel(plan);
        let result = run(&mut channel);
        let dead = if channel.is_dead() { " dead" } else { "" };
        assert_eq!(format!("{result} [{} ms]{dead}", elapsed(&channel)), expected, "{plan}");
    }

    fn reply(played: PlaybackResult) -> String {
        format!("{} endpos={}", played.key.code(), played.endpos)
    }

    fn data(data: GetDataResult) -> String {
        match data {
            GetDataResult::Digits(digits) => digits,
            GetDataResult::Timeout(digits) => format!("{digits} (timeout)"),
            GetDataResult::Failed => "-1".into(),
        }
    }

    #[test]
    fn stream_file_replies_like_a_real_asterisk() {
        check("", |c| reply(c.play("beep", "", 0)), "0 endpos=3520 [440 ms]");
        check("", |c| reply(c.play("nosuchfile", "", 0)), "-1 endpos=0 [0 ms]");
        check("", |c| reply(c.play("beep", "", 2000)), "0 endpos=3520 [200 ms]");
        check("", |c| reply(c.play("beep", "", 99_999)), "0 endpos=3520 [0 ms]");
        check("", |c| reply(c.play("beep", "", -5)), "0 endpos=3520 [440 ms]");
        check("presses 8 after 2454ms", |c| reply(c.play("vm-intro", "789", 0)), "56 endpos=19680 [2454 ms]");
        check("presses 2 after 1s", |c| reply(c.play("vm-intro", "12", 0)), "50 endpos=8000 [1000 ms]");
        check("presses 2 after 0s", |c| reply(c.play("vm-intro", "12", 0)), "50 endpos=160 [0 ms]");
        check("presses 3 after 10ms", |c| reply(c.play("beep", "12", 0)), "0 endpos=3520 [440 ms]");
        check("hangs up after 510ms", |c| reply(c.play("vm-intro", "", 0)), "-1 endpos=4160 [510 ms] dead");
        check(
            "presses 1 after 300ms",
            |c| {
                let played = reply(c.play("vm-intro", "1", 0));
                format!("{played} {}", c.get_variable("PLAYBACKSTATUS").unwrap())
            },
            "49 endpos=2400 FAILED [300 ms]",
        );
    }

    #[test]
    fn control_stream_file_skips_and_pauses() {
        let controls = |pause: &str, skip_ms, offset_ms| PlaybackControls {
            pause: pause.into(),
            skip_ms,
            offset_ms,
            ..PlaybackControls::default()
        };
        let run = |stop: &'static str, controls: PlaybackControls| {
            move |c: &mut Channel| {
                let played = reply(c.control_play("vm-intro", stop, &controls));
                format!("{played} {}", c.get_variable("CPLAYBACKSTATUS").unwrap())
            }
        };
        check("", |c| reply(c.control_play("beep", "", &PlaybackControls::default())), "0 endpos=-1 [440 ms]");
        check("", |c| reply(c.control_play("nosuch", "", &PlaybackControls::default())), "-1 endpos=-1 [0 ms]");
        check("presses 5 after 1s", run("5", controls("", 3000, 0)), "53 endpos=1000 USERSTOPPED [1000 ms]");
        check("presses #5 after 1s", run("5", controls("", 1000, 0)), "53 endpos=2100 USERSTOPPED [1100 ms]");
        check("presses *5 after 1s", run("5", controls("", 3000, 0)), "53 endpos=100 USERSTOPPED [1100 ms]");
        check("presses 5 after 1s", run("5", controls("", 3000, 500)), "53 endpos=1500 USERSTOPPED [1000 ms]");
        check(
            "presses 0 after 1s, presses 7 after 1s, presses 0 after 1s, presses 5 after 1s",
            |c| reply(c.control_play("vm-intro", "5", &controls("0", 0, 0))),
            "53 endpos=2000 [4000 ms]",
        );
        check(
            "presses 0 after 1s, hangs up after 1s",
            run("5", controls("0", 0, 0)),
            "-1 endpos=1000 ERROR [2000 ms] dead",
        );
        check("", |c| reply(c.control_play("beep:end", "", &PlaybackControls::default())), "0 endpos=-1 [0 ms]");
    }

    #[test]
    fn get_option_waits_after_the_file() {
        check("", |c| reply(c.get_option("beep", "12", Some(500))), "0 endpos=3520 [940 ms]");
        check("", |c| reply(c.get_option("beep", "12", None)), "0 endpos=3520 [5440 ms]");
        check("", |c| reply(c.get_option("nosuch", "12", Some(500))), "-1 endpos=0 [0 ms]");
        check("presses 2 after 600ms", |c| reply(c.get_option("beep", "12", Some(500))), "50 endpos=3520 [600 ms]");
        check("presses 3 after 600ms", |c| reply(c.get_option("beep", "12", Some(500))), "0 endpos=3520 [600 ms]");
        check("hangs up after 600ms", |c| reply(c.get_option("beep", "12", Some(500))), "0 endpos=3520 [600 ms] dead");
        check("hangs up after 100ms", |c| reply(c.get_option("beep", "12", Some(500))), "-1 endpos=800 [100 ms] dead");
    }

    #[test]
    fn get_data_collects_digits() {
        check("", |c| data(c.get_data("beep", 500, 2)), " (timeout) [940 ms]");
        check("", |c| data(c.get_data("nosuch", 500, 2)), "-1 [0 ms]");
        check("", |c| data(c.get_data("", 500, 2)), " (timeout) [500 ms]");
        check("", |c| data(c.get_data("beep", 500, 0)), "-1 [0 ms]");
        check("", |c| data(c.get_data("", 0, 9)), " (timeout) [6000 ms]");
        check("presses 12 after 1s", |c| data(c.get_data("", 0, 9)), "12 (timeout) [3100 ms]");
        check("presses 01*2# after 100ms", |c| data(c.get_data("beep", 5000, 4)), "01*2 [400 ms]");
        check("presses 01# after 100ms", |c| data(c.get_data("beep", 5000, 4)), "01 [300 ms]");
        check("presses # after 100ms", |c| data(c.get_data("beep", 5000, 4)), " [100 ms]");
        check("presses 1 after 1s, hangs up after 1s", |c| data(c.get_data("", -1, 4)), "-1 [2000 ms] dead");
        check(
            "presses 1234 every 120ms after 1s",
            |c| format!("{} {}", data(c.get_data("vm-intro", 1, 1)), data(c.get_data("", 2000, 3))),
            "1 234 [1360 ms]",
        );
    }

    #[test]
    fn wait_for_digit_waits_for_any_key() {
        let wait = |ms| move |c: &mut Channel| c.wait_for_digit(ms).code().to_string();
        check("", wait(300), "0 [300 ms]");
        check("presses 5 after 700ms", wait(5000), "53 [700 ms]");
        check("presses 5 after 700ms", wait(700), "53 [700 ms]");
        check("presses 5 after 700ms", wait(-1), "53 [700 ms]");
        check("presses 5 after 0s", wait(0), "0 [0 ms]");
        check("hangs up after 500ms", wait(5000), "-1 [500 ms] dead");
        check("", wait(-1), "-1 [0 ms] dead");
    }

    #[test]
    fn numbers_and_dates_can_be_interrupted() {
        let say = |escape: &'static str| move |c: &mut Channel| c.say_number(42, escape, None).code().to_string();
        check("", say(""), "0 [1720 ms]");
        check("presses 4 when number 42 after 1s", say("4"), "52 [1000 ms]");
        check("hangs up after 1s", say(""), "-1 [1000 ms] dead");
        check("", |c| c.say_datetime(1_210_498_014, "", None, None).code().to_string(), "0 [9340 ms]");
        check("", |c| c.say_datetime(0, "", Some("'nosuch'A"), None).code().to_string(), "-1 [0 ms]");
        check("", |c| c.say_digits("", "").code().to_string(), "0 [0 ms]");
    }
}
