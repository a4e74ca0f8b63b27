//! Prompts, as tests name them.

use crate::pbx::Sound;
use crate::pbx::prompts::foreign;

/// The kinds of spoken prompts.
const SPOKEN: [&str; 7] = ["number", "digits", "alpha", "phonetic", "date", "time", "datetime"];

/// Returns the name of a sound in tests; `None` for silence.
pub(super) fn prompt_name(sound: &Sound<'_>) -> Option<String> {
    Some(match sound {
        Sound::Silence => return None,
        Sound::File(name) => (*name).to_owned(),
        Sound::Spoken { kind, text } => format!("{kind} {text}"),
        Sound::Beep => "beep".to_owned(),
        Sound::Recording(name) => format!("recording {name}"),
        Sound::Music(_) => "music".to_owned(),
    })
}

/// Whether this is the prompt that a test means. `number` stands for any number.
pub(super) fn matches(prompt: &str, like: &str) -> bool {
    let kinds = SPOKEN.into_iter().chain(["recording"]);
    prompt == like || prompt.split_once(' ').is_some_and(|(kind, _)| kind == like && { kinds }.any(|k| k == like))
}

/// Returns the language of a spoken prompt, if it isn't English.
pub(super) fn spoken_language<'a>(prompt: &str, language: &'a str) -> Option<&'a str> {
    let kind = prompt.split_once(' ').map_or(prompt, |(kind, _)| kind);
    foreign(language).filter(|_| SPOKEN.contains(&kind))
}

/// Whether a test means something other than a sound file: speech, a beep, a recording, or music.
pub(super) fn is_word(like: &str) -> bool {
    let kind = like.split(' ').next().unwrap_or_default();
    SPOKEN.contains(&kind) || ["beep", "recording", "music"].contains(&kind)
}
