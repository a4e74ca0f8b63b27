//! Prompts that are spoken because they have no recording: by the words in the table beside their script.
//!
//! The request "speak" has the name of a `prompt` instead of a `text`, and its answer is the file to play: the prompt
//! itself if there is a recording, or else one that was spoken. With `missing: true`, Asterisk has said that there is
//! none.

use super::sounds::SoundFolders;
use crate::clock::{Stopwatch, Time};
use crate::pbx::prompts::{is_english, parents, parse_prompts};
use crate::service::settings::{Settings, SpeechSettings, TIMEOUT};
use crate::sync::lock;
use crate::transport::Request;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// The language of what names none, unless the operator says otherwise.
const LANGUAGE: &str = "en";
/// For how long it is believed that Asterisk has no recording of a prompt. Somebody may add one.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many of these are remembered.
const MAX_REMEMBERED: usize = 4096;
/// How large a table may be.
const MAX_TABLE: u64 = 4 * 1024 * 1024;

/// What is known of prompts without a recording.
#[derive(Clone, Debug, Default)]
pub(in crate::service) struct Prompts {
    /// The tables of the script of this call; `None` if its prompts aren't spoken.
    tables: Option<Arc<[PathBuf]>>,
    missing: Arc<Mutex<Missing>>,
    /// The task that speaks ahead of calls.
    ahead: Arc<Mutex<Option<AbortHandle>>>,
}

/// The prompts and languages for which Asterisk has no recording, as it has said itself, and when.
#[derive(Debug)]
struct Missing {
    clock: Stopwatch,
    said: HashMap<(String, String), Time>,
}

impl Default for Missing {
    fn default() -> Self {
        Self { clock: Stopwatch::start(), said: HashMap::new() }
    }
}

/// What to play for a prompt.
enum Playable {
    /// The prompt itself.
    Recording,
    /// These words, in this language.
    Words(String, String),
}

/// Whether a request is for a prompt.
pub(in crate::service) fn is_prompt(request: &Request) -> bool {
    request.function == "speak" && request.arguments.contains_key("prompt")
}

impl SpeechSettings {
    /// Returns the language of texts that name none, where no channel says it.
    pub(crate) fn default_language(&self) -> &str {
        self.language.as_deref().unwrap_or(LANGUAGE)
    }
}

impl Prompts {
    /// Returns the same for the call of a script with these tables, whose prompts are spoken.
    pub fn with_tables(&self, tables: Arc<[PathBuf]>) -> Self {
        Self { tables: Some(tables), ..self.clone() }
    }

    /// Whether prompts without a recording are spoken in this call.
    pub fn are_spoken(&self) -> bool {
        self.tables.is_some()
    }

    /// Has what is spoken ahead be spoken by this task alone.
    pub fn speak_ahead(&self, task: Option<AbortHandle>) {
        if let Some(before) = std::mem::replace(&mut *lock(&self.ahead), task) {
            before.abort();
        }
    }

    /// Returns the text to be spoken for a request; `None` if it is for a prompt that Asterisk has to play itself.
    pub async fn text(&self, request: Request, settings: Arc<Settings>) -> Option<Request> {
        if !is_prompt(&request) {
            return Some(request);
        }
        let tables = self.tables.clone()?;
        let (name, language) = (request.text("prompt").to_owned(), request.text("language").to_owned());
        let is_missing = self.is_missing((name.clone(), language.clone()), &request);
        let find = move || {
            let speech = settings.speech.as_ref();
            let default = speech.map_or(LANGUAGE, SpeechSettings::default_language);
            let folders = SoundFolders::of(speech);
            let has = |languages: &[&str]| {
                !is_missing && (folders.is_empty() || !folders.files_in(&name, languages.iter().copied()).is_empty())
            };
            find(&name, &language, default, &tables, has)
        };
        // A disk that doesn't answer must not cost a call more than a moment.
        match timeout(TIMEOUT, tokio::task::spawn_blocking(find)).await {
            Ok(Ok(Playable::Words(text, language))) => {
                Some(Request::new("speak", "").with("text", text).with("language", language))
            }
            _ => None,
        }
    }

    /// Whether Asterisk has said that it has no recording of a prompt in a language, in this request or before.
    fn is_missing(&self, prompt: (String, String), request: &Request) -> bool {
        let mut missing = lock(&self.missing);
        if request.arguments.get("missing") == Some(&Value::Bool(true)) {
            if missing.said.len() >= MAX_REMEMBERED {
                missing.said.clear();
            }
            let now = missing.clock.now();
            missing.said.insert(prompt, now);
            return true;
        }
        let now = missing.clock.now();
        missing.said.get(&prompt).is_some_and(|at| now - *at < REMEMBERED)
    }
}

/// Finds out what to play: like the simulator, words in the caller's own language before a recording in English.
fn find(
    name: &str,
    language: &str,
    default: &str,
    tables: &[PathBuf],
    has_recording: impl Fn(&[&str]) -> bool,
) -> Playable {
    let own: Vec<&str> = parents(language).chain([""]).chain(is_english(language).then_some("en")).collect();
    if has_recording(&own) {
        return Playable::Recording;
    }
    let words = words(name, tables);
    let in_language = |wanted: &str| {
        let spoken = |of: &Option<String>| of.as_deref().unwrap_or(default).eq_ignore_ascii_case(wanted);
        words.iter().find(|(of, _)| spoken(of))
    };
    let own = parents(language).find_map(in_language);
    if own.is_none() && has_recording(&["en"]) {
        return Playable::Recording;
    }
    let others = || words.iter().find(|(of, _)| of.is_none()).or_else(|| in_language("en"));
    match own.or_else(others) {
        Some((of, words)) => Playable::Words(words.clone(), of.as_deref().unwrap_or(default).to_owned()),
        None => Playable::Recording,
    }
}

/// Returns the words of a prompt in the first table that has some, with their languages.
fn words(name: &str, tables: &[PathBuf]) -> Vec<(Option<String>, String)> {
    let of_table = |table: &PathBuf| {
        let is_small = fs::metadata(table).is_ok_and(|found| found.is_file() && found.len() <= MAX_TABLE);
        let text = if is_small { fs::read(table).unwrap_or_default() } else { Vec::new() };
        let prompts = parse_prompts(&String::from_utf8_lossy(&text)).0.into_iter();
        let named = prompts.filter(|prompt| prompt.name == name && !prompt.words.trim().is_empty());
        named.map(|prompt| (prompt.language, prompt.words)).collect::<Vec<_>>()
    };
    tables.iter().map(of_table).find(|words| !words.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_the_own_language_come_before_a_recording_in_english() {
        let folder = std::env::temp_dir().join(format!("agi-rhai-prompts-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let table = folder.join("coin.prompts");
        fs::write(&table, "ask: Heads?\nbye: Bye\n[de]\nask: Kopf?\n").unwrap();
        let check = |name: &str, language: &str, recorded: &[&str], expected: &str| {
            let has = |languages: &[&str]| languages.iter().any(|language| recorded.contains(language));
            let found = match find(name, language, "en", std::slice::from_ref(&table), has) {
                Playable::Recording => "recording".to_owned(),
                Playable::Words(words, language) => format!("{language}: {words}"),
            };
            assert_eq!(found, expected, "{name} in {language}, recorded in {recorded:?}");
        };
        check("ask", "en", &[], "en: Heads?");
        check("ask", "de_AT", &[], "de: Kopf?");
        check("ask", "de", &["en"], "de: Kopf?");
        check("ask", "de", &["de"], "recording");
        check("ask", "de", &[""], "recording");
        check("ask", "en_GB", &["en"], "recording");
        check("bye", "de", &["en"], "recording");
        check("bye", "de", &[], "en: Bye");
        check("nosuch", "en", &[], "recording");
        fs::remove_dir_all(&folder).unwrap();
    }
}
