//! Sound files: their names, lengths and words.

use super::prompts::{PromptError, is_english, parents, parse_prompts};
use crate::utf8::decode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Asterisk's English core sounds: one name with its number of 20 ms frames per line, sorted by bytes.
const CORE: &str = include_str!("core-sounds-en.txt");

/// The samples per second, of everything here.
const RATE: u64 = 8000;

/// The sound files a channel can play, by name without extension.
///
/// A name is looked up as Asterisk does it: in the caller's language (`de_AT`, then `de`), without a language, and in
/// English; among the lengths given by [`with`](Self::with), then on disk, then among Asterisk's English core sounds. A
/// prompt whose words are known, but that has no file, lasts as long as it takes to say them. Any other sound is
/// missing, as on a real Asterisk. Results are cached, negative ones too: each name is looked up on disk once, and
/// clones share the cache.
#[derive(Clone, Debug)]
pub struct Sounds {
    core: bool,
    folders: Vec<PathBuf>,
    lengths: BTreeMap<String, u64>,
    words: Vec<LanguageWords>,
    missing: BTreeSet<String>,
    cache: Arc<Cache>,
}

/// The words of prompts in one language.
#[derive(Clone, Debug)]
struct LanguageWords {
    /// Empty for words without a language.
    language: String,
    words: BTreeMap<String, String>,
}

/// The words of a prompt, as a caller hears them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Words<'a> {
    /// What is said.
    pub text: &'a str,
    /// The language they are in, if the table says so.
    pub language: Option<&'a str>,
}

/// The results of look-ups, by language and name.
type Cache = RwLock<HashMap<String, HashMap<String, Option<Clip>>>>;

/// The maximum number of cached names per language, since scripts may make up names.
const MAX_CACHED: usize = 4096;

/// The length of a sound file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clip {
    /// The length in samples at 8 kHz.
    pub samples: u64,
    /// Asterisk can seek only to multiples of this many samples. In a gsm file that is 160, the size of its frames.
    pub grain: u64,
}

impl Default for Sounds {
    fn default() -> Self {
        Self::stock()
    }
}

impl Sounds {
    /// Returns Asterisk's English core sounds.
    #[must_use]
    pub fn stock() -> Self {
        Self { core: true, ..Self::none() }
    }

    /// Returns an empty set of sounds.
    #[must_use]
    pub fn none() -> Self {
        Self {
            core: false,
            folders: Vec::new(),
            lengths: BTreeMap::new(),
            words: Vec::new(),
            missing: BTreeSet::new(),
            cache: Arc::default(),
        }
    }

    /// Returns the names of Asterisk's English core sounds, and their lengths.
    pub fn core() -> impl Iterator<Item = (&'static str, Duration)> {
        let entry = |line: &'static str| {
            let (name, frames) = line.split_once(' ')?;
            Some((name, Duration::from_millis(frames.parse::<u64>().ok()? * 20)))
        };
        CORE.lines().filter(|line| !line.starts_with(';')).filter_map(entry)
    }

    /// Adds a sound file of this many samples at 8 kHz. The name may begin with a language: `de/welcome`.
    #[must_use]
    pub fn with(mut self, name: &str, samples: u64) -> Self {
        self.lengths.insert(name.to_owned(), samples);
        self.changed()
    }

    /// Removes a sound file, in every language.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.missing.insert(name.to_owned());
        self
    }

    /// Adds the words of a prompt, for callers in every language that has none of its own.
    #[must_use]
    pub fn with_words(mut self, name: &str, words: &str) -> Self {
        self.add_words("", name, words);
        self.changed()
    }

    /// Adds the words of all prompts in a text: lines `name: words`, and headings such as `[de]` above those in another
    /// language. Comments begin with `;`.
    ///
    /// # Errors
    /// A line is none of these.
    pub fn with_prompts(mut self, text: &str) -> Result<Self, PromptError> {
        let (prompts, errors) = parse_prompts(text);
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        for prompt in prompts {
            self.add_words(prompt.language.as_deref().unwrap_or_default(), &prompt.name, &prompt.words);
        }
        Ok(self.changed())
    }

    fn add_words(&mut self, language: &str, name: &str, words: &str) {
        let at = self.words.iter().position(|known| known.language.eq_ignore_ascii_case(language));
        let at = at.unwrap_or_else(|| {
            self.words.push(LanguageWords { language: language.to_owned(), words: BTreeMap::new() });
            self.words.len() - 1
        });
        self.words[at].words.insert(name.to_owned(), words.to_owned());
    }

    /// Returns the sounds of the script at this path: Asterisk's core sounds, those in the folder `sounds` beside the
    /// script, and the prompts in the table beside it.
    ///
    /// # Errors
    /// The table cannot be read or parsed.
    pub fn beside(script: &Path) -> std::io::Result<Self> {
        let mut sounds = Self::stock();
        let beside = script.with_file_name("sounds");
        if beside.is_dir() {
            sounds = sounds.with_folder(beside);
        }
        let table = script.with_extension("prompts");
        if !table.is_file() {
            return Ok(sounds);
        }
        let wrong = |error: String| std::io::Error::other(format!("{}{error}", table.display()));
        let bytes = fs::read(&table)?;
        let text = decode(&bytes).map_err(|error| wrong(format!(":{}:{}: {error}", error.line, error.column)))?;
        sounds.with_prompts(text).map_err(|error| wrong(format!(": {error}")))
    }

    /// Adds a folder of sound files. As in Asterisk, the subfolder of the language is searched first:
    /// `folder/en/welcome.gsm`, then `folder/welcome.gsm`. Of several formats of one file, the first in Asterisk's
    /// usual order counts.
    #[must_use]
    pub fn with_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.folders.push(path.into());
        self.changed()
    }

    /// Empties the cache after a change.
    fn changed(mut self) -> Self {
        self.cache = Arc::default();
        self
    }

    /// Finds the sound file of this name in this language, or else in the default language.
    #[must_use]
    pub fn find(&self, name: &str, language: &str) -> Option<Clip> {
        if name.is_empty() || self.missing.contains(name) {
            return None;
        }
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(clip) = cache.get(language).and_then(|names| names.get(name)) {
            return *clip;
        }
        drop(cache);
        let clip = self.look_up(name, language);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        let names = cache.entry(language.to_owned()).or_default();
        if names.len() < MAX_CACHED {
            names.insert(name.to_owned(), clip);
        }
        clip
    }

    /// Whether there is a sound of this name for callers of some language.
    #[must_use]
    pub(crate) fn exists(&self, name: &str) -> bool {
        let languages = self.words.iter().map(|known| known.language.as_str());
        languages.chain(["en"]).any(|language| self.find(name, language).is_some())
    }

    fn look_up(&self, name: &str, language: &str) -> Option<Clip> {
        let english = || self.recorded(&format!("en/{name}")).or_else(|| self.core.then(|| core_sound(name)).flatten());
        let own = || parents(language).map(|language| format!("{language}/{name}"));
        let files = if name.starts_with('/') {
            self.recorded(name)
        } else {
            own().find_map(|name| self.recorded(&name)).or_else(|| self.recorded(name))
        };
        files
            .or_else(|| if is_english(language) { english() } else { None })
            .or_else(|| parents(language).find_map(|language| self.words_in(language, name)).map(estimated))
            .or_else(|| if name.starts_with('/') { None } else { english() })
            .or_else(|| self.words(name, language).map(estimated))
    }

    /// Returns the sound file of exactly this name.
    fn recorded(&self, name: &str) -> Option<Clip> {
        let given = self.lengths.get(name).map(|&samples| Clip { samples, grain: 1 });
        given.or_else(|| self.on_disk(name))
    }

    /// Returns the words of a prompt for a caller of this language. They are looked up as Asterisk looks up sound
    /// files: in `de_AT`, in `de`, without a language, and in English.
    #[must_use]
    pub fn words(&self, name: &str, language: &str) -> Option<Words<'_>> {
        parents(language).chain(["", "en"]).find_map(|language| self.words_in(language, name))
    }

    fn words_in(&self, language: &str, name: &str) -> Option<Words<'_>> {
        let known = self.words.iter().find(|known| known.language.eq_ignore_ascii_case(language))?;
        let language = Some(known.language.as_str()).filter(|language| !language.is_empty());
        known.words.get(name).map(|text| Words { text, language })
    }

    /// Returns the names of the prompts whose words are known.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> =
            self.words.iter().flat_map(|known| known.words.keys()).map(String::as_str).collect();
        names.into_iter()
    }

    fn on_disk(&self, name: &str) -> Option<Clip> {
        if name.starts_with('/') {
            // Absolute names are looked up only if there are folders, so that by default a simulation doesn't depend
            // on the machine it runs on.
            return if self.folders.is_empty() { None } else { measure(Path::new(name)) };
        }
        self.folders.iter().find_map(|folder| measure(&folder.join(name)))
    }
}

/// Looks up a core sound by binary search in the text, so that nothing needs to be parsed or stored in advance.
fn core_sound(name: &str) -> Option<Clip> {
    let mut text = CORE;
    while let Some(comment) = text.strip_prefix(';') {
        text = comment.split_once('\n')?.1;
    }
    while !text.is_empty() {
        let middle = text.len() / 2;
        let start = text.as_bytes()[..middle].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let (key, frames) = text[start..end].split_once(' ')?;
        match name.as_bytes().cmp(key.as_bytes()) {
            std::cmp::Ordering::Less => text = &text[..start],
            std::cmp::Ordering::Greater => text = text.get(end + 1..).unwrap_or_default(),
            std::cmp::Ordering::Equal => return Some(Clip { samples: frames.parse::<u64>().ok()? * 160, grain: 160 }),
        }
    }
    None
}

/// Estimates how long it takes to say these words: two and a half words per second, and 0.3 s for a breath.
fn estimated(words: Words<'_>) -> Clip {
    let words = words.text.split_whitespace().count() as u64;
    Clip { samples: words * RATE * 2 / 5 + RATE * 3 / 10, grain: 1 }
}

/// Returns the length of a file in the first format that is on disk.
fn measure(path: &Path) -> Option<Clip> {
    // The extension, and how many bytes hold how many samples at 8 kHz.
    const FORMATS: &[(&str, u64, u64)] = &[
        ("gsm", 33, 160),
        ("wav", 2, 1),
        ("WAV", 65, 320),
        ("wav49", 65, 320),
        ("ulaw", 1, 1),
        ("ul", 1, 1),
        ("mu", 1, 1),
        ("pcm", 1, 1),
        ("alaw", 1, 1),
        ("al", 1, 1),
        ("sln", 2, 1),
        ("slin", 2, 1),
        ("raw", 2, 1),
        ("g722", 1, 1),
        ("sln16", 4, 1),
        ("slin16", 4, 1),
        ("wav16", 4, 1),
        ("sln48", 12, 1),
        ("slin48", 12, 1),
        ("g729", 10, 80),
    ];
    let name = path.file_name()?.to_str()?;
    FORMATS.iter().find_map(|&(extension, bytes, samples)| {
        let path = path.with_file_name(format!("{name}.{extension}"));
        let size = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        let size = if extension.to_ascii_lowercase().starts_with("wav") { wav_data(&path, size) } else { size };
        Some(Clip { samples: size / bytes * samples, grain: samples })
    })
}

/// Returns the number of bytes of audio in a wav file of this size: those of its `data` chunk, or all bytes after a
/// plain header.
fn wav_data(path: &Path, size: u64) -> u64 {
    let find = || -> Option<u64> {
        let mut file = File::open(path).ok()?;
        let mut head = [0; 12];
        file.read_exact(&mut head).ok()?;
        if &head[..4] != b"RIFF" {
            return None;
        }
        let mut at = 12;
        while at + 8 <= size {
            let mut chunk = [0; 8];
            file.seek(SeekFrom::Start(at)).ok()?;
            file.read_exact(&mut chunk).ok()?;
            let [.., a, b, c, d] = chunk;
            let length = u64::from(u32::from_le_bytes([a, b, c, d]));
            at += 8;
            if &chunk[..4] == b"data" {
                return Some(length.min(size - at));
            }
            at += length + length % 2;
        }
        None
    };
    find().unwrap_or_else(|| size.saturating_sub(44))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sounds: &Sounds, name: &str, language: &str, expected: &str) {
        let found = match sounds.find(name, language) {
            Some(Clip { samples, grain }) => format!("{samples}/{grain}"),
            None => "missing".to_owned(),
        };
        assert_eq!(found, expected, "{name} in {language}");
    }

    #[test]
    fn core_sounds_have_their_lengths() {
        let stock = Sounds::stock();
        check(&stock, "beep", "en", "3520/160");
        check(&stock, "digits/40", "de", "7680/160");
        for name in ["", "nosuch", "digits", ";", "core", "zzz", "!", "beep 22"] {
            check(&stock, name, "en", "missing");
        }
        check(&Sounds::none(), "beep", "en", "missing");
    }

    #[test]
    fn the_core_table_is_sorted_and_complete() {
        let lines: Vec<_> = CORE.lines().skip_while(|line| line.starts_with(';')).collect();
        assert_eq!(lines.len(), 568);
        assert_eq!(Sounds::core().count(), 568);
        assert_eq!(Sounds::core().find(|(name, _)| *name == "beep"), Some(("beep", Duration::from_millis(440))));
        assert!(lines.windows(2).all(|pair| pair[0].split(' ').next() < pair[1].split(' ').next()));
        assert!(lines.iter().all(|line| core_sound(line.split(' ').next().unwrap()).is_some()));
    }

    #[test]
    fn given_lengths_come_first_and_words_last() {
        let sounds = Sounds::stock().with("de/beep", 99).with("beep", 7).with_words("beep", "Beep.");
        check(&sounds, "beep", "en", "7/1");
        check(&sounds, "beep", "de_CH", "99/1");
        let sounds = Sounds::stock().with_prompts("; mine\n\ngreet: Hello, who is there?\nbeep:\n").unwrap();
        check(&sounds, "greet", "en", "15200/1");
        check(&sounds.clone().without("greet").without("digits/1"), "greet", "en", "missing");
        check(&sounds, "beep", "en", "3520/160");
        assert_eq!(sounds.words("greet", "en").unwrap().text, "Hello, who is there?");
    }

    #[test]
    fn words_are_found_as_asterisk_finds_sound_files() {
        let table = "ask: Heads or tails?\nbeep: Peep
            [de]\nask: Kopf oder Zahl? Bitte.\nhi: Servus\nbeep: Piep
            [en]\nbye: Bye";
        let sounds = Sounds::stock().with_prompts(table).unwrap();
        let words = |name, language| {
            let words = sounds.words(name, language);
            words.map(|words| format!("{} {}", words.language.unwrap_or("-"), words.text)).unwrap_or_default()
        };
        assert_eq!(words("ask", "en"), "- Heads or tails?");
        assert_eq!(words("ask", "de_AT"), "de Kopf oder Zahl? Bitte.");
        assert_eq!(words("bye", "de"), "en Bye");
        assert_eq!(words("hi", "fr"), "");
        check(&sounds, "ask", "fr", "12000/1");
        check(&sounds, "ask", "de", "15200/1");
        check(&sounds, "hi", "en", "missing");
        // Asterisk's own recording is English, so only a caller in German hears the words of the table.
        check(&sounds, "beep", "en_GB", "3520/160");
        check(&sounds, "beep", "fr", "3520/160");
        check(&sounds, "beep", "de", "5600/1");
        check(&sounds.with("ask", 9), "ask", "de", "9/1");
        assert!(Sounds::none().with_prompts("a: b\nfoo\n").unwrap_err().to_string().starts_with("line 2: "));
    }

    #[test]
    fn files_on_disk_are_measured() {
        let folder = std::env::temp_dir().join(format!("agi-rhai-sounds-{}", std::process::id()));
        fs::create_dir_all(folder.join("de")).unwrap();
        fs::write(folder.join("a.gsm"), [0; 330]).unwrap();
        fs::write(folder.join("de/a.ulaw"), [0; 77]).unwrap();
        let mut wav = b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00".to_vec();
        wav.extend([0; 16]);
        wav.extend(b"data\x08\x00\x00\x00");
        wav.extend([0; 20]);
        fs::write(folder.join("b.wav"), wav).unwrap();
        let sounds = Sounds::none().with_folder(&folder);
        check(&sounds, "a", "en", "1600/160");
        check(&sounds, "a", "de", "77/1");
        check(&sounds, "b", "en", "4/1");
        check(&sounds, folder.join("a").to_str().unwrap(), "en", "1600/160");
        check(&sounds, "..", "en", "missing");
        fs::remove_dir_all(&folder).unwrap();
    }
}
