//! `agi-rhai sounds`: the recordings that scripts need.

use crate::support::process::{Folder, agi_rhai};
use agi_rhai::internals::parse_prompts;
use agi_rhai::pbx::Sounds;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// An engine that notes what it is to say, and hums.
const ENGINES: &str = "[speech.tts.hums]\nvoices = { en = \"anna\", de = \"berta\" }\n\
    command = ['sh', '-c', 'echo \"$1: $(cat)\" >>@FOLDER@/asked; cat @FOLDER@/tone.wav', 'sh', '{voice}']\n";

const TABLE: &str = "coin-ask: Heads or tails?\ncoin-bye: Bye.\nbeep: Beep\n[de]\ncoin-ask: Kopf oder Zahl?\n";

/// Returns a WAV file with two seconds of a tone at 16 kHz.
pub fn tone() -> Vec<u8> {
    let samples: Vec<i16> = (0..32_000)
        .map(|n| (f64::from(n) * 440.0 * std::f64::consts::TAU / 16_000.0).sin() * 3000.0)
        .map(|s| s as i16)
        .collect();
    let size = samples.len() as u32 * 2;
    let mut file = [b"RIFF".as_slice(), &(size + 36).to_le_bytes(), b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    file.extend([1, 0, 1, 0]);
    file.extend([16_000u32.to_le_bytes(), 32_000u32.to_le_bytes()].concat());
    file.extend([2, 0, 16, 0]);
    file.extend([b"data".as_slice(), &size.to_le_bytes()].concat());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// Makes a game with these engines.
fn coin(settings: &str) -> Folder {
    let folder = Folder::new();
    let path = folder.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    folder.file("agi-rhai.toml", settings.replace("@FOLDER@", &path));
    folder.file("tone.wav", tone());
    folder.file("coin.rhai", r#"answer(); say(["coin-ask", "coin-lost", "vm-goodbye", "beep"]); say("coin-bye");"#);
    folder.file("coin.prompts", TABLE);
    folder
}

/// Runs `agi-rhai sounds` in a folder. Returns its exit code and what it printed, in the order of its lines.
fn sounds(folder: &Folder, args: &[&str]) -> (i32, String) {
    let output = agi_rhai(["sounds"]).args(args).current_dir(folder.path("")).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    (output.status.code().unwrap(), lines.join("\n"))
}

fn asked(folder: &Folder) -> Vec<String> {
    let asked = fs::read_to_string(folder.path("asked")).unwrap_or_default();
    let mut lines: Vec<String> = asked.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_missing_is_listed_and_made() {
    let folder = coin(ENGINES);
    let missing = "./sounds/de/coin-ask: missing (\"Kopf oder Zahl?\")\n\
                   ./sounds/en/coin-ask: missing (\"Heads or tails?\")\n\
                   ./sounds/en/coin-bye: missing (\"Bye.\")\n\
                   ./sounds/en/coin-lost: missing, and its words too (./coin.rhai)\n\
                   ./sounds: 0 there, 4 missing";
    let listed = sounds(&folder, &["--check"]);
    assert_eq!((listed.0, listed.1.replace("./", "")), (1, missing.replace("./", "")));
    assert!(asked(&folder).is_empty() && !folder.path("sounds").exists());

    let (code, said) = sounds(&folder, &[]);
    assert!(code == 1 && said.contains("coin-lost.wav: no table has its words"), "{code} {said}");
    assert!(said.contains("3 recordings made, 1 still missing"), "{said}");
    assert_eq!(asked(&folder), ["anna: Bye.", "anna: Heads or tails?", "berta: Kopf oder Zahl?"]);
    let made = Sounds::none().with_folder(folder.path("sounds"));
    for name in ["en/coin-ask", "en/coin-bye", "de/coin-ask"] {
        let samples = made.find(name, "").expect("a recording that Asterisk plays").samples;
        assert!((15_000..17_000).contains(&samples), "{name}: {samples}");
    }

    // Everything else is there now, and nothing is made again.
    folder.file("coin.prompts", format!("{TABLE}[en]\ncoin-lost: You have lost.\n"));
    let (code, said) = sounds(&folder, &["coin.rhai"]);
    assert!(code == 0 && said.contains("1 recording made") && asked(&folder).len() == 4, "{code} {said}");
    assert_eq!(sounds(&folder, &["--check"]).0, 0);
    // Another format is another recording.
    assert_eq!(sounds(&folder, &["--check", "--format", "ulaw"]).0, 1);
}

#[test]
fn a_recording_stays_as_it_is_unless_somebody_says_otherwise() {
    let folder = coin(ENGINES);
    let own = folder.file("sounds/en/coin-ask.gsm", [1; 330]);
    folder.file("sounds/en/coin-bye.wav", "my own");
    sounds(&folder, &[]);
    assert_eq!(fs::read(&own).unwrap(), [1; 330]);
    assert!(!folder.path("sounds/en/coin-ask.wav").exists());
    // Asterisk refuses this one, so it is made.
    assert_ne!(fs::read(folder.path("sounds/en/coin-bye.wav")).unwrap(), b"my own");
    let before = asked(&folder).len();
    sounds(&folder, &["--overwrite"]);
    assert_eq!(asked(&folder).len(), before + 3);
    assert!(folder.path("sounds/en/coin-ask.wav").exists());
}

#[test]
fn recordings_of_any_kind_are_imported() {
    let folder = coin("");
    for (at, kind) in ["flac", "mp3", "ogg", "m4a", "aiff"].iter().enumerate() {
        let recording = fs::read(format!("tests/sounds/headset.{kind}")).unwrap();
        let (name, table) = (format!("take-{at}"), folder.path("coin.prompts"));
        let words = fs::read_to_string(&table).unwrap();
        folder.file("coin.prompts", format!("{name}: Take {at}\n{words}"));
        folder.file(&format!("raw/{name}.{kind}"), &recording);
    }
    folder.file("raw/de/coin-ask.flac", fs::read("tests/sounds/headset.flac").unwrap());
    folder.file("raw/other.wav", tone());
    folder.file("raw/notes.txt", "Take 3 was best.");
    let (code, said) = sounds(&folder, &["--import", "raw"]);
    assert!(code == 0 && said.contains("raw/other.wav: no script plays it") && !said.contains("notes"), "{said}");
    assert!(said.contains("6 recordings made, 3 still missing"), "{said}");
    let made = Sounds::none().with_folder(folder.path("sounds"));
    for name in ["en/take-0", "en/take-1", "en/take-2", "en/take-3", "en/take-4", "de/coin-ask"] {
        // A second of sound with half a second of silence at each end.
        let samples = made.find(name, "").unwrap_or_else(|| panic!("no {name}")).samples;
        assert!((7_500..10_500).contains(&samples), "{name}: {samples} samples");
        let file = fs::read(folder.path(&format!("sounds/{name}.wav"))).unwrap();
        let loudest =
            file[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs()).max();
        // It was recorded at a tenth of full scale.
        assert!((3_500..7_000).contains(&loudest.unwrap()), "{name}: {loudest:?}");
    }
    folder.file("raw/coin-bye.mp3", "no recording");
    let (code, said) = sounds(&folder, &["--import", "raw"]);
    assert!(code == 1 && said.contains("sounds/en/coin-bye.wav: this "), "{code} {said}");
    assert!(!folder.path("sounds/en/coin-bye.wav").exists());
}

#[test]
fn recordings_are_written_in_every_format() {
    let folder = coin(ENGINES);
    for format in ["wav", "sln", "ulaw", "alaw", "wav16", "sln16"] {
        sounds(&folder, &["--format", format, "--out", format, "coin.prompts"]);
        let made = Sounds::none().with_folder(folder.path(format));
        let samples = made.find("en/coin-bye", "").unwrap_or_else(|| panic!("no {format}")).samples;
        assert!((15_900..16_100).contains(&samples), "{format}: {samples} samples");
    }
}

#[test]
fn an_engine_that_cannot_speak_is_reported() {
    let folder = coin("[speech.tts.bad]\ncommand = ['sh', '-c', 'echo no voice >&2; exit 1']\n");
    let (code, said) = sounds(&folder, &["coin.rhai"]);
    assert!(code == 1 && said.contains("en/coin-bye.wav: `sh` ended with status 1: no voice"), "{said}");
    assert!(said.contains("0 recordings made, 4 still missing"), "{said}");
    for (settings, args, right) in [
        ("", &["coin.rhai"][..], "agi-rhai.toml has no `[speech.tts.NAME]`"),
        (ENGINES, &["--engine", "hms", "coin.rhai"], "no engine `[speech.tts.hms]`; there is hums"),
        ("[speech.tts.x]\ncomand = ['true']\n", &[], "`comand` isn't a setting"),
        ("", &["nosuch.rhai"], "there is no nosuch.rhai"),
        ("", &["--import", "nosuch"], "nosuch: "),
    ] {
        let (code, said) = sounds(&coin(settings), args);
        assert!(code == 2 && said.contains(right), "{args:?}: {code} {said}");
    }
    // What needs no engine doesn't look for one.
    assert_eq!(sounds(&coin("[speech.tts.x]\ncommand = ['/no/such/program']\n"), &["--check"]).0, 1);
}

#[test]
fn every_recording_of_our_own_belongs_to_a_script() {
    let mut known = BTreeSet::new();
    for table in fs::read_dir("scripts").unwrap().map(|entry| entry.unwrap().path()) {
        if table.extension().is_some_and(|extension| extension == "prompts") {
            for prompt in parse_prompts(&fs::read_to_string(&table).unwrap()).0 {
                known.insert(format!("{}/{}.gsm", prompt.language.as_deref().unwrap_or("en"), prompt.name));
            }
        }
    }
    for language in ["en", "de"] {
        for file in fs::read_dir(Path::new("scripts/sounds").join(language)).unwrap() {
            let name = format!("{language}/{}", file.unwrap().file_name().into_string().unwrap());
            assert!(known.contains(&name), "{name} is in no table");
        }
    }
}
