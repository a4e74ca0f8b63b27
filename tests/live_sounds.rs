//! Recordings of `agi-rhai sounds`, texts that an engine speaks, and prompts without a recording, on a real Asterisk.

use crate::sounds::tone;
use crate::support::asterisk::{Call, Line, asterisk};
use crate::support::process::{Folder, agi_rhai};
use std::fs;

/// Runs a script. Returns what was played of each sound file, in samples at 8 kHz; the names of those that were spoken
/// are `*`.
fn played(mut call: crate::support::asterisk::Running) -> Vec<(String, Option<u64>)> {
    call.wait_end();
    let lines = call.transcript();
    let replies = lines.windows(2).filter_map(|pair| match pair {
        [Line::Script(sent), Line::Asterisk(reply)] => {
            let name = sent.strip_prefix("STREAM FILE \"")?.split('"').next()?;
            let name = if name.starts_with('/') { "*" } else { name };
            let samples = reply.strip_prefix("200 result=0 endpos=").and_then(|samples| samples.parse().ok());
            Some((name.to_owned(), samples))
        }
        _ => None,
    });
    let played: Vec<_> = replies.collect();
    assert!(!played.is_empty(), "{}", call.story());
    played
}

#[test]
fn live_recordings_are_played_in_every_format_of_the_telephone() {
    let folder = Folder::new();
    let raw = fs::read("tests/sounds/headset.flac").unwrap();
    let formats = ["wav", "sln", "ulaw", "alaw"];
    let out = asterisk().sounds_dir();
    for format in formats {
        let name = format!("made-{format}");
        folder.file("made.prompts", format!("{name}: Hello\n"));
        folder.file(&format!("raw/{name}.flac"), &raw);
        let table = folder.path("made.prompts");
        let imported = agi_rhai(["sounds", "--format", format, "--import"])
            .args([folder.path("raw").as_os_str(), "--out".as_ref(), out.as_os_str(), table.as_os_str()])
            .output()
            .unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    }
    let names: Vec<String> = formats.iter().map(|format| format!("\"made-{format}\"")).collect();
    asterisk().script("made/made.rhai", &format!("answer(); say([{}]);", names.join(", ")));
    for (name, samples) in played(asterisk().call(Call::script("made/made.rhai", &[]))) {
        // A second, and a little of the silence at both ends.
        let samples = samples.unwrap_or_else(|| panic!("{name} isn't played"));
        assert!((7_500..10_500).contains(&samples), "{name}: {samples}");
    }
}

#[test]
fn live_texts_and_prompts_without_a_recording_are_spoken() {
    let kept = asterisk().agi_dir().join("spoken/kept");
    asterisk().script("spoken/line.prompts", "spoken-ask: Where to?\nvm-goodbye: Bye\n");
    let tone_file = asterisk().agi_dir().join("spoken/tone.wav");
    fs::write(&tone_file, tone()).unwrap();
    let settings = format!(
        "[speech]\nmissing_prompts = true\nfolder = {:?}\n[speech.tts.hums]\n\
         command = ['sh', '-c', 'cat >/dev/null; cat {}']\n",
        asterisk().inside(&kept),
        asterisk().inside(&tone_file)
    );
    asterisk().script("spoken/agi-rhai.toml", &settings);
    asterisk().script(
        "spoken/line.rhai",
        r##"
        answer();
        let to = menu(#{ text: "Press one for sales, or two for support." }, #{ "1": "sales", "2": "support" });
        say(["spoken-ask", #{ text: `I connect you to ${to}.` }, "vm-goodbye"]);
        set_variable("TO", to);
    "##,
    );
    let call = asterisk().call(Call::script("spoken/line.rhai", &[]).sounding().pressing("2", 0.5));
    let heard = played(call);
    let names: Vec<&str> = heard.iter().map(|(name, _)| name.as_str()).collect();
    // Asterisk has a recording of its own of the last one.
    assert_eq!(names, ["*", "*", "vm-goodbye"]);
    // Two seconds of the tone.
    assert!(
        heard[..2].iter().all(|(_, samples)| samples.is_some_and(|samples| (15_900..16_100).contains(&samples))),
        "{heard:?}"
    );
}
