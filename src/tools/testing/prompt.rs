//! Prompts, as tests name them.

use crate::clock::Time;
use crate::pbx::prompts::foreign;
use crate::pbx::{Sound, Sounds, Spoken};

/// A prompt the caller heard.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    /// The name in tests: `guess-enter`, `number 42`.
    pub text: String,
    /// What it says, unless it is a sound file.
    pub spoken: Option<Spoken>,
    /// The language of the channel at that time.
    pub language: String,
    pub at: Time,
    /// The number of events before it, which keeps the order of what happens at one moment.
    pub order: usize,
}

impl Prompt {
    /// Returns the language in which it is spoken, if it isn't English.
    pub fn spoken_language(&self) -> Option<&str> {
        self.spoken.as_ref().and_then(|_| foreign(&self.language))
    }

    /// Returns what else is known about how it is spoken: ` (zone Europe/Berlin)`.
    pub fn manner(&self, with_format: bool) -> String {
        let Some(Spoken { gender, format, zone, .. }) = &self.spoken else { return String::new() };
        let format = format.as_ref().filter(|_| with_format);
        let parts = [("gender", gender.as_ref()), ("format", format), ("zone", zone.as_ref())];
        let parts = parts.into_iter().filter_map(|(name, part)| Some(format!("{name} {}", part?)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }
}

/// How the names of texts begin that an engine speaks.
const TEXT: &str = "text ";

/// Returns the text that an engine speaks in this prompt.
pub(super) fn text_of(prompt: &Prompt) -> Option<&str> {
    prompt.text.strip_prefix(TEXT)
}

/// The kinds of spoken prompts.
const SPOKEN: [&str; 8] = ["text", "number", "digits", "alpha", "phonetic", "date", "time", "datetime"];

/// Returns the name of a sound in tests; `None` for silence.
pub(super) fn prompt_name(sound: &Sound<'_>) -> Option<String> {
    Some(match sound {
        Sound::Silence => return None,
        Sound::File(name) => {
            Sounds::spoken_text(name).map_or_else(|| (*name).to_owned(), |text| format!("{TEXT}{text}"))
        }
        Sound::Spoken(spoken) => format!("{} {}", spoken.kind, spoken.words),
        Sound::Beep => "beep".to_owned(),
        Sound::Recording(name) => format!("recording {name}"),
        Sound::Music(_) => "music".to_owned(),
    })
}

/// Whether this is the prompt that a test means. `number` stands for any number, and `datetime 1796290200` for that
/// moment in any format.
pub(super) fn matches(prompt: &Prompt, like: &str) -> bool {
    match &prompt.spoken {
        Some(Spoken { kind, text, .. }) => {
            prompt.text == like
                || *kind == like
                || like.strip_prefix(kind).is_some_and(|rest| rest.trim_start() == text)
        }
        None => prompt.text == like || (like == "recording" && prompt.text.starts_with("recording ")),
    }
}

/// Whether a test means something other than a sound file: speech, a beep, a recording, or music.
pub(super) fn is_word(like: &str) -> bool {
    let kind = like.split(' ').next().unwrap_or_default();
    SPOKEN.contains(&kind) || ["beep", "recording", "music"].contains(&kind)
}
