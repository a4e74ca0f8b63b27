//! What the scripts of a server will say: it is spoken before anybody calls.

use crate::ivr::constant_texts;
use crate::pbx::prompts::parse_prompts;
use crate::script::{Library, Script};
use crate::service::Services;
use crate::service::settings::SpeechSettings;
use crate::transport::Request;
use std::collections::BTreeSet;
use std::path::Path;

/// Has the constant texts of all scripts spoken in the background, and the words of prompts without a recording if the
/// operator wants those to be spoken. This is for the loader's thread: it reads tables.
pub(super) fn speak_ahead(library: &Library, services: &Services) {
    let settings = services.settings();
    let mut ahead = Ahead { services, seen: BTreeSet::new(), texts: Vec::new() };
    if let Some(speech) = settings.speech.as_ref().filter(|speech| !speech.tts.is_empty()) {
        for listed in library.list() {
            if let Ok(found) = library.get(&listed.name) {
                ahead.add(&found.script, speech);
            }
        }
    }
    services.speak_ahead(ahead.texts);
}

struct Ahead<'a> {
    services: &'a Services,
    /// The files that were read: imports belong to many scripts.
    seen: BTreeSet<String>,
    texts: Vec<(Services, Request)>,
}

impl Ahead<'_> {
    fn add(&mut self, script: &Script, speech: &SpeechSettings) {
        let default = speech.default_language();
        let with_tables = self.services.with_tables_of(script.sources().map(|(name, _)| name));
        for (source, text) in script.sources() {
            if !self.seen.insert(source.to_owned()) {
                continue;
            }
            let table = std::fs::read(Path::new(source).with_extension("prompts")).unwrap_or_default();
            let prompts = parse_prompts(&String::from_utf8_lossy(&table)).0;
            // Callers speak the language of the operator, and those in which the table has words.
            let mut languages = BTreeSet::from([default]);
            languages.extend(prompts.iter().filter_map(|prompt| prompt.language.as_deref()));
            for part in constant_texts(text) {
                let own = part.language.as_deref();
                for language in own.into_iter().chain(languages.iter().copied().filter(|_| own.is_none())) {
                    let mut request =
                        Request::new("speak", "").with("text", part.text.as_str()).with("language", language);
                    if let Some(voice) = &part.voice {
                        request = request.with("voice", voice.as_str());
                    }
                    self.texts.push((self.services.clone(), request));
                }
            }
            for prompt in with_tables.iter().flat_map(|_| &prompts) {
                let language = prompt.language.as_deref().unwrap_or(default);
                let request = Request::new("speak", "").with("prompt", prompt.name.as_str()).with("language", language);
                self.texts.extend(with_tables.clone().map(|services| (services, request)));
            }
        }
    }
}
