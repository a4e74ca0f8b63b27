//! How often PocketSphinx understands callers whose voices are synthesised, on a line of telephones: through the whole
//! program, as a script asks.

use super::Line;
use super::programs::{settings, sphinx};
use crate::support::backend::{is_skipped, program};
use crate::support::caller::silence;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

const FLITE: [&str; 5] = ["awb", "kal", "kal16", "rms", "slt"];
const ESPEAK: [&str; 4] = ["en-us", "en-gb", "en-us+f3", "en-us+m3"];
const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// How many callers speak at a time.
const CALLERS: usize = 4;
/// How loud they are: the root mean square of the samples.
const LOUDNESS: f64 = 2000.0;

/// What a caller says, and how.
#[derive(Clone, Copy, Debug)]
struct Try {
    voice: &'static str,
    text: &'static str,
    /// How long and how high, of the usual.
    stretch: f64,
    pitch: f64,
}

/// Returns so many ways to say each of these words for each of these voices.
fn tries(voices: &[&'static str], texts: &[&'static str], ways: usize) -> Vec<Try> {
    let mut all = Vec::new();
    for way in 0..ways {
        let (stretch, pitch) = ([1.0, 0.9, 1.15, 1.05, 0.95][way % 5], [1.0, 1.1, 0.9, 0.95][way % 4]);
        for &text in texts {
            all.extend(voices.iter().map(|voice| Try { voice, text, stretch, pitch }));
        }
    }
    all
}

impl Try {
    /// Has it said, with noise that is this much below the voice, in dB. Lines carry µ-law.
    fn sound(&self, noise: f64) -> Vec<i16> {
        let Self { voice, text, stretch, pitch } = *self;
        let engine = if FLITE.contains(&voice) {
            "flite -voice $0 --setf duration_stretch=$2 --setf f0_shift=$3 -t $1 -o /dev/stdout"
        } else {
            "espeak-ng -v $0 -s $4 -p $5 --stdout $1"
        };
        let script = format!("{engine} | sox -q -t wav - -t raw -r 8000 -c 1 -b 16 -e signed -");
        let numbers =
            [stretch, pitch, (165.0 / stretch).round(), (50.0 * pitch).round()].map(|number| number.to_string());
        let output = Command::new("sh").args(["-c", &script, voice, text]).args(numbers).output().unwrap();
        assert!(output.status.success() && output.stdout.len() > 2000, "{self:?}: {output:?}");
        let said = output.stdout.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])));
        let said: Vec<f64> = said.skip_while(|sample| sample.abs() < 20.0).collect();
        let rms = (said.iter().map(|sample| sample * sample).sum::<f64>() / said.len() as f64).sqrt();
        let mut seed = 88_172_645_463_325_252_u64 ^ said.len() as u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let level = LOUDNESS * 10f64.powf(-noise / 20.0);
        let quiet = silence(500).into_iter().chain(silence(1300)).map(f64::from).collect::<Vec<_>>();
        let (before, after) = quiet.split_at(4000);
        let line = before.iter().copied().chain(said.iter().map(|sample| sample * LOUDNESS / rms));
        let line = line.chain(after.iter().copied());
        // The sum of twelve is as good as normal.
        line.map(|sample| law(sample + level * ((0..12).map(|_| random()).sum::<f64>() - 6.0))).collect()
    }
}

/// What is left of a sample on a line that carries µ-law.
fn law(sample: f64) -> i16 {
    let share = (sample.abs() / 32768.0).min(1.0);
    let step = ((1.0 + 255.0 * share).ln() / 256f64.ln() * 127.0).round() / 127.0;
    (sample.signum() * (256f64.powf(step) - 1.0) / 255.0 * 32767.0) as i16
}

/// Plays a call of a script to a caller who says this, and returns the answer that the script got.
pub type Asked<'a> = dyn Fn(&str, &[i16]) -> String + Sync + 'a;

/// Returns how many of these are understood.
fn understood(asked: &Asked<'_>, tries: &[Try], noise: f64) -> usize {
    let (next, right) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while let Some(one) = tries.get(next.fetch_add(1, Relaxed)) {
                    let digit = DIGITS.iter().position(|digit| *digit == one.text);
                    let (script, expected) = match digit {
                        Some(digit) => ("digit", digit.to_string()),
                        None => ("sure", (one.text == "yes").to_string()),
                    };
                    let sound = one.sound(noise);
                    let said = asked(script, &sound);
                    if said != expected {
                        // Shown with --nocapture.
                        eprintln!("{one:?}: {said:?}");
                    }
                    right.fetch_add(usize::from(said == expected), Relaxed);
                }
            });
        }
    });
    right.into_inner()
}

/// Returns the names and texts of two scripts that ask for a digit, and for yes or no. `@ANSWER@` in the text of what they
/// do is the answer.
pub fn scripts(then: &str) -> [(&'static str, String); 2] {
    let options = "#{ speech: true, tries: 1, max: 1, first: 20, silence: 0.8 }";
    let asks = [("digit", "ask", options.to_owned()), ("sure", "confirm", options.replace("max: 1, ", ""))];
    asks.map(|(name, ask, options)| {
        (name, format!("answer(); {}", then.replace("@ANSWER@", &format!("to_string({ask}([], {options}))"))))
    })
}

fn line() -> Line {
    Line::with(&settings(), &scripts("verbose(@ANSWER@);"))
}

fn asked(line: &Line) -> impl Fn(&str, &[i16]) -> String + Sync {
    |script, sound| line.call_of(script, "en", |caller| caller.says(sound)).said
}

#[test]
fn pocketsphinx_understands_most_callers() {
    if is_skipped("pocketsphinx_understands_most_callers", sphinx()) {
        return;
    }
    let line = line();
    // All were understood when this was written, and 27 of the digits; 16 without trimming and levelling.
    let sure = tries(&FLITE, &["yes", "no"], 1);
    let right = understood(&asked(&line), &sure, 50.0);
    assert!(right >= 9, "yes and no: {right} of {}", sure.len());
    let digits = tries(&["awb", "kal", "rms"], &DIGITS, 1);
    let right = understood(&asked(&line), &digits, 20.0);
    assert!(right >= 23, "digits: {right} of {}", digits.len());
}

/// Prints a table. The docs say how to run it.
#[test]
#[ignore = "it takes some minutes, and measures rather than tests"]
fn accuracy_of_pocketsphinx() {
    let lack = sphinx().and_then(|()| program("espeak-ng", "espeak-ng").map(drop));
    if is_skipped("accuracy_of_pocketsphinx", lack) {
        return;
    }
    let line = line();
    measure(&asked(&line), &FLITE);
    measure(&asked(&line), &ESPEAK);
}

/// Measures callers with the voices of flite.
pub fn measure_flite(asked: &Asked<'_>) {
    measure(asked, &FLITE);
}

fn measure(asked: &Asked<'_>, voices: &[&'static str]) {
    for (what, texts, ways) in [("yes/no", &["yes", "no"][..], 20), ("digits", &DIGITS[..], 4)] {
        for (noise, label) in [(50.0, "quiet"), (20.0, "20 dB")] {
            let mut table = format!("{what} {label}:");
            let (mut right, mut all) = (0, 0);
            for voice in voices {
                let tries = tries(&[voice], texts, ways);
                let own = understood(asked, &tries, noise);
                table += &format!(" {voice} {own}/{}", tries.len());
                right += own;
                all += tries.len();
            }
            eprintln!("{table} = {:.1} % of {all}", 100.0 * right as f64 / all as f64);
        }
    }
}
