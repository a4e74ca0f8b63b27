//! What `agi-rhai serve --check` says about speech.

use agi_rhai::service::Settings;
use agi_rhai::service::settings::SpeechSettings;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How speech works with some settings, and what can't work.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SpeechReport {
    pub lines: Vec<String>,
    pub warnings: Vec<String>,
}

impl SpeechReport {
    /// Describes the speech of a server. `is_public` says whether an Asterisk on another machine may call it.
    pub fn of(settings: &Settings, is_public: bool) -> Self {
        let mut report = Self::default();
        let Some(speech) = &settings.speech else { return report };
        if !speech.tts.is_empty() {
            report.speaking(speech, settings.speech_folder(), is_public);
        }
        if !speech.stt.is_empty() {
            report.listening(speech, settings.recordings_folder(), is_public);
        }
        report
    }

    fn speaking(&mut self, speech: &SpeechSettings, folder: Option<PathBuf>, is_public: bool) {
        // A language has the first engine with a voice for it.
        let mut languages: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (name, engine) in &speech.tts {
            for (language, voice) in &engine.voices {
                languages.entry(language).or_insert((name, voice));
            }
        }
        let mut spoken: Vec<String> = languages
            .iter()
            .map(|(language, (engine, voice))| format!("{language} by `{engine}` (voice {voice})"))
            .collect();
        if let Some((name, _)) = speech.tts.iter().find(|(_, engine)| engine.voices.is_empty()) {
            let others = if spoken.is_empty() { "every language" } else { "every other language" };
            spoken.push(format!("{others} by `{name}`"));
        }
        self.lines.push(format!("speaks {}", spoken.join(", ")));
        let Some(folder) = folder else {
            self.warnings.push("nothing can be spoken: `folder` in `[speech]` is missing".to_owned());
            return;
        };
        let elsewhere = match speech.listen {
            Some(listen) => format!("; elsewhere it fetches them from port {}", listen.port()),
            None => String::new(),
        };
        self.lines.push(format!("an Asterisk here reads what is spoken in {}{elsewhere}", folder.display()));
        if let Some(closed) = closed_to_others(&folder) {
            self.warnings.push(format!(
                "an Asterisk that runs as another user can't read what is spoken: {} is closed to others; `folder` in \
                 `[speech]` names another folder",
                closed.display()
            ));
        }
        if is_public && speech.listen.is_none() {
            self.warnings.push(
                "an Asterisk on another machine can't fetch what is spoken: `listen` in `[speech]` is missing"
                    .to_owned(),
            );
        }
    }

    fn listening(&mut self, speech: &SpeechSettings, folder: Option<PathBuf>, is_public: bool) {
        let understood = speech.stt.iter().map(|(name, engine)| match &engine.languages {
            Some(languages) => format!("{} by `{name}`", languages.join(", ")),
            None => format!("every language by `{name}`"),
        });
        self.lines.push(format!("understands {}", understood.collect::<Vec<_>>().join(", ")));
        let port = match speech.listen {
            Some(listen) => format!("on port {}", listen.port()),
            None => "on this machine".to_owned(),
        };
        self.lines.push(format!("hears calls by AudioSocket {port} (Asterisk 20 and later)"));
        if let Some(folder) = folder {
            let folder = folder.display();
            self.lines.push(format!("without AudioSocket, an Asterisk here records what callers say, in {folder}"));
        }
        if is_public && speech.listen.is_none() {
            self.warnings.push(
                "an Asterisk on another machine can't send the sound of its calls: `listen` in `[speech]` is missing"
                    .to_owned(),
            );
        }
    }
}

/// Returns the folder on the way to this one, or this one, into which other users can't look.
fn closed_to_others(folder: &Path) -> Option<PathBuf> {
    const SEARCH: u32 = 0o001;
    let folder = std::path::absolute(folder).ok()?;
    let mut way: Vec<&Path> = folder.ancestors().collect();
    way.reverse();
    // What isn't there yet will be created open.
    let mode = |path: &Path| path.metadata().ok().map(|found| found.permissions().mode());
    way.into_iter().find(|path| mode(path).is_some_and(|mode| mode & SEARCH == 0)).map(Path::to_owned)
}
