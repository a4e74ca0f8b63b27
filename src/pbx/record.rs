//! RECORD FILE.

use super::caller::{Digit, Sound};
use super::channel::{Channel, KeyResult, Voice, WaitEvent};
use super::playback::{frames, signed};
use crate::clock::Time;
use std::time::Duration;

/// The options of RECORD FILE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordOptions {
    /// The sample of an existing recording at which to continue; 0 starts a new one.
    pub offset: i64,
    /// Whether to beep first.
    pub beep: bool,
    /// The seconds of silence that end the recording; 0 to ignore silence.
    pub silence: i64,
}

/// The result of RECORD FILE, with its endpos in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordResult {
    /// An escape digit ended it.
    Digit(Digit, i64),
    /// The timeout or silence ended it.
    Timeout(i64),
    /// A hangup ended it.
    HangUp(i64),
    /// The line failed, which never happens in the simulator.
    WaitFor(i64),
    /// The file cannot be written: the format is unknown, or the folder is missing.
    WriteFile,
    /// A key or a hangup interrupted the beep, or the beep has no sound file.
    RandomError(KeyResult, i64),
}

/// How many samples Asterisk cuts off a recording ended by a key: those of the key's tone.
const TONE: u64 = 1600;
/// The samples per second.
const SECOND: u64 = 8000;

impl Channel {
    /// RECORD FILE. A negative time means no limit. The recording can be played in the same call.
    pub fn record(
        &mut self,
        file: &str,
        format: &str,
        escape: &str,
        milliseconds: i64,
        options: &RecordOptions,
    ) -> RecordResult {
        if options.beep {
            let key = match self.find("beep") {
                Some(clip) => KeyResult::from(self.play_clip(clip, 0, Sound::Beep, escape).end),
                None => KeyResult::Failed,
            };
            if key != KeyResult::Nothing {
                return RecordResult::RandomError(key, options.offset);
            }
        }
        if self.dead {
            return RecordResult::RandomError(KeyResult::Failed, options.offset);
        }
        let Some(rate) = rate(format).filter(|_| self.can_write(file)) else { return RecordResult::WriteFile };
        // Only an existing recording is continued; a new one starts at 0.
        let existing = if options.offset == 0 { 0 } else { self.recordings.get(file).copied().unwrap_or(0) };
        let start = existing.min(u64::try_from(options.offset).unwrap_or(0));
        self.next_prompt();
        let began = self.now();
        let silence_ends = u64::try_from(options.silence)
            .ok()
            .filter(|&seconds| seconds > 0 && self.voice == Voice::Silent)
            .map_or(Time::NEVER, |seconds| began + Duration::from_secs(seconds) + Duration::from_millis(20));
        let until = self.deadline(milliseconds);
        let ended = loop {
            if milliseconds == 0 {
                break WaitEvent::TimeUp;
            }
            match self.hear(until.min(silence_ends), Sound::Recording(file), !escape.is_empty()) {
                WaitEvent::Key(digit) if digit.is_in(escape) => break WaitEvent::Key(digit),
                WaitEvent::Key(_) | WaitEvent::Text(_) | WaitEvent::Speech(_) => {}
                ended => break ended,
            }
        };
        let now = self.now();
        let heard = if self.voice == Voice::Absent || now <= began { 0 } else { frames(began, now) * 160 };
        let written = start.saturating_add(heard);
        let kept = match ended {
            WaitEvent::Key(_) => written.saturating_sub(TONE),
            // Asterisk keeps the first second of the silence.
            WaitEvent::TimeUp if now >= silence_ends => {
                let seconds = u64::try_from(options.silence).unwrap_or(1);
                written.saturating_sub((seconds - 1).saturating_mul(SECOND))
            }
            _ => written,
        };
        self.recordings.insert(file.to_owned(), kept);
        // Without any audio, a timeout or a hangup returns the requested offset.
        let endpos = |samples| signed(samples).saturating_mul(rate) / 8000;
        let plain = if heard == 0 { options.offset } else { endpos(kept) };
        match ended {
            WaitEvent::Key(digit) => RecordResult::Digit(digit, endpos(kept)),
            WaitEvent::HungUp => RecordResult::HangUp(plain),
            WaitEvent::TimeUp | WaitEvent::Text(_) | WaitEvent::Speech(_) => RecordResult::Timeout(plain),
        }
    }

    fn can_write(&self, file: &str) -> bool {
        let file = if file.starts_with('/') { file } else { return !file.is_empty() };
        let mut folder = file;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if self.writable.contains(parent) {
                return true;
            }
            folder = parent;
        }
        false
    }
}

/// Returns the sample rate of a format that Asterisk can write.
fn rate(format: &str) -> Option<i64> {
    Some(match format {
        "gsm" | "wav" | "WAV" | "wav49" | "ulaw" | "ul" | "mu" | "ulw" | "pcm" | "alaw" | "al" | "alw" | "sln"
        | "slin" | "raw" | "g722" | "g729" | "g726-16" | "g726-24" | "g726-32" | "g726-40" | "vox" | "ilbc"
        | "iLBC" | "au" => 8000,
        "sln12" => 12_000,
        "sln16" | "slin16" | "wav16" | "siren7" => 16_000,
        "sln24" => 24_000,
        "sln32" | "siren14" => 32_000,
        "sln44" => 44_100,
        "sln48" | "g719" => 48_000,
        "sln96" => 96_000,
        "sln192" => 192_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::{channel, elapsed};
    use super::*;

    fn check(plan: &str, voice: Voice, ms: i64, options: RecordOptions, expected: &str) {
        let mut channel = channel(plan).with_voice(voice);
        let recorded = channel.record("msg", "gsm", "#", ms, &options);
        let reply = match recorded {
            RecordResult::Digit(digit, endpos) => format!("{} (dtmf) endpos={endpos}", digit.code()),
            RecordResult::Timeout(endpos) => format!("0 (timeout) endpos={endpos}"),
            RecordResult::HangUp(endpos) => format!("-1 (hangup) endpos={endpos}"),
            RecordResult::WaitFor(endpos) => format!("-1 (waitfor) endpos={endpos}"),
            RecordResult::WriteFile => "-1 (writefile)".into(),
            RecordResult::RandomError(key, endpos) => format!("{} (randomerror) endpos={endpos}", key.code()),
        };
        assert_eq!(format!("{reply} [{} ms]", elapsed(&channel)), expected, "{plan}");
    }

    #[test]
    fn every_ending_has_its_result() {
        let (plain, beep) = (RecordOptions::default(), RecordOptions { beep: true, ..RecordOptions::default() });
        check("", Voice::Speaks, 700, plain, "0 (timeout) endpos=5600 [700 ms]");
        check("", Voice::Absent, 700, plain, "0 (timeout) endpos=0 [700 ms]");
        check("", Voice::Speaks, 0, plain, "0 (timeout) endpos=0 [0 ms]");
        check("presses 1# after 900ms", Voice::Speaks, 8000, plain, "35 (dtmf) endpos=6400 [1000 ms]");
        check("presses # after 2703ms", Voice::Absent, 8000, beep, "35 (dtmf) endpos=0 [2703 ms]");
        check("hangs up after 1s", Voice::Speaks, -1, plain, "-1 (hangup) endpos=8000 [1000 ms]");
        check("presses # after 200ms", Voice::Speaks, 8000, beep, "35 (randomerror) endpos=0 [200 ms]");
        check("hangs up after 200ms", Voice::Speaks, 8000, beep, "-1 (randomerror) endpos=0 [200 ms]");
        check("hangs up when recording after 1s", Voice::Speaks, -1, beep, "-1 (hangup) endpos=8000 [1440 ms]");
    }

    #[test]
    fn silence_ends_a_recording() {
        let silence = RecordOptions { silence: 3, ..RecordOptions::default() };
        check("", Voice::Silent, 9000, silence, "0 (timeout) endpos=8160 [3020 ms]");
        check("", Voice::Speaks, 9000, silence, "0 (timeout) endpos=72000 [9000 ms]");
        check("", Voice::Silent, 2000, silence, "0 (timeout) endpos=16000 [2000 ms]");
    }

    #[test]
    fn a_recording_can_be_played_and_continued() {
        let mut channel = channel("");
        let on = RecordOptions { offset: 4000, ..RecordOptions::default() };
        assert_eq!(channel.record("msg", "wav", "", 1000, &RecordOptions::default()), RecordResult::Timeout(8000));
        assert_eq!(channel.play("msg", "", 0).endpos, 8000);
        assert_eq!(channel.record("msg", "wav", "", 1000, &on), RecordResult::Timeout(12_000));
        assert_eq!(channel.record("other", "wav16", "", 1000, &on), RecordResult::Timeout(16_000));
        assert_eq!(channel.recordings().len(), 2);
    }

    #[test]
    fn only_known_formats_in_writable_folders_are_recorded() {
        let mut channel = channel("").with_writable("/srv/voice/");
        let mut record =
            |file, format| channel.record(file, format, "", 20, &RecordOptions::default()) != RecordResult::WriteFile;
        assert!(record("custom/rec", "gsm") && record("/tmp/x/rec", "wav") && record("/srv/voice/a", "ulaw"));
        assert!(!record("/nonexistent/dir/rec", "gsm") && !record("custom/rec", "nofmt") && !record("", "gsm"));
    }
}
