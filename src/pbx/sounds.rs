//! Sound files: their names, lengths and words.

use super::prompts::{PromptError, is_english, parents, parse_prompts};
use super::sound_files::{Clip, formats, transcripts};
use crate::disk;
use crate::utf8::decode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Asterisk's English core sounds: one name with its number of 20 ms frames per line, sorted by bytes.
const CORE: &str = include_str!("core-sounds-en.txt");

/// The same for the extra sounds, which aren't part of every installation. Their lengths are estimates.
const EXTRA: &str = include_str!("extra-sounds-en.txt");

/// How the names of texts begin that an engine speaks on a real call. A simulated one needs no files: the rest of the
/// name is the text.
const SPOKEN: &str = "spoken/";

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
    stock: bool,
    folders: Vec<PathBuf>,
    lengths: BTreeMap<String, u64>,
    words: Vec<LanguageWords>,
    /// The words of Asterisk's own sounds, from the transcripts in the folders.
    transcripts: Vec<LanguageWords>,
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

impl Default for Sounds {
    fn default() -> Self {
        Self::stock()
    }
}

impl Sounds {
    /// Returns Asterisk's English core sounds and extra sounds.
    #[must_use]
    pub fn stock() -> Self {
        Self { stock: true, ..Self::none() }
    }

    /// Returns an empty set of sounds.
    #[must_use]
    pub fn none() -> Self {
        Self {
            stock: false,
            folders: Vec::new(),
            lengths: BTreeMap::new(),
            words: Vec::new(),
            transcripts: Vec::new(),
            missing: BTreeSet::new(),
            cache: Arc::default(),
        }
    }

    /// Returns the names of Asterisk's English core sounds, and their lengths.
    pub fn core() -> impl Iterator<Item = (&'static str, Duration)> {
        entries(CORE)
    }

    /// Returns the names of Asterisk's English extra sounds, which aren't part of every installation, and estimates of
    /// their lengths.
    pub fn extra() -> impl Iterator<Item = (&'static str, Duration)> {
        entries(EXTRA)
    }

    /// Returns the name of a text that is spoken on a simulated call.
    pub(crate) fn spoken(text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        format!("{SPOKEN}{}", words.join(" "))
    }

    /// Returns the name of what is spoken on a simulated call: a text, or the words of a prompt, which are known.
    pub(crate) fn spoken_for(prompt: &str, text: &str) -> String {
        if prompt.is_empty() { Self::spoken(text) } else { prompt.to_owned() }
    }

    /// Returns the text that is spoken on a simulated call under this name.
    #[doc(hidden)]
    pub fn spoken_text(name: &str) -> Option<&str> {
        name.strip_prefix(SPOKEN)
    }

    /// Whether this is one of Asterisk's English core sounds.
    pub(crate) fn is_core(name: &str) -> bool {
        stock_sound(CORE, name).is_some()
    }

    /// Whether this is one of Asterisk's English extra sounds.
    pub(crate) fn is_extra(name: &str) -> bool {
        stock_sound(EXTRA, name).is_some()
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
        add_words(&mut self.words, "", name, words);
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
            let language = prompt.language.as_deref().unwrap_or_default();
            add_words(&mut self.words, language, &prompt.name, &prompt.words);
        }
        Ok(self.changed())
    }

    /// Returns the sounds of the script at this path: Asterisk's core sounds, those in the folder `sounds` beside the
    /// script, and the prompts in the table beside it.
    ///
    /// # Errors
    /// The table cannot be read or parsed.
    pub fn beside(script: &Path) -> std::io::Result<Self> {
        let mut sounds = Self::stock();
        let beside = script.with_file_name("sounds");
        if disk::is_dir(&beside) {
            sounds = sounds.with_folder(beside);
        }
        let table = script.with_extension("prompts");
        if !disk::is_file(&table) {
            return Ok(sounds);
        }
        let wrong = |error: String| std::io::Error::other(format!("{}{error}", table.display()));
        let bytes = disk::read(&table)?;
        let text = decode(&bytes).map_err(|error| wrong(format!(":{}:{}: {error}", error.line, error.column)))?;
        sounds.with_prompts(text).map_err(|error| wrong(format!(": {error}")))
    }

    /// Adds a folder of sound files. As in Asterisk, the subfolder of the language is searched first:
    /// `folder/en/welcome.gsm`, then `folder/welcome.gsm`. Of several formats of one file, the first in Asterisk's
    /// usual order counts. If Asterisk's transcripts of its sounds are there (`core-sounds-en.txt`), they are read.
    #[must_use]
    pub fn with_folder(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        for (language, transcript) in transcripts(&path) {
            let text = disk::read(&transcript).unwrap_or_default();
            for prompt in parse_prompts(&String::from_utf8_lossy(&text)).0 {
                add_words(&mut self.transcripts, &language, &prompt.name, &prompt.words);
            }
        }
        self.folders.push(path);
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
        let clip = self.look_up(name, language).map(|(clip, _)| clip);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        let names = cache.entry(language.to_owned()).or_default();
        if names.len() < MAX_CACHED {
            names.insert(name.to_owned(), clip);
        }
        clip
    }

    /// Returns the path of the sound file that is played for this name in this language; `None` if only its length is
    /// known. It isn't cached.
    #[must_use]
    pub fn file(&self, name: &str, language: &str) -> Option<PathBuf> {
        self.look_up(name, language).filter(|_| !self.missing.contains(name))?.1
    }

    /// Whether there is a sound of this name for callers of some language.
    #[must_use]
    pub(crate) fn exists(&self, name: &str) -> bool {
        let languages = self.words.iter().map(|known| known.language.as_str());
        languages.chain(["en"]).any(|language| self.find(name, language).is_some())
    }

    /// Returns the sound of this name in this language, and its file if that is on disk.
    fn look_up(&self, name: &str, language: &str) -> Option<(Clip, Option<PathBuf>)> {
        let stock = |table| if self.stock { stock_sound(table, name).map(without_file) } else { None };
        let estimated = |words| without_file(estimated(words));
        let english = || self.recorded(&format!("en/{name}")).or_else(|| stock(CORE));
        let own = || parents(language).map(|language| format!("{language}/{name}"));
        let files = if name.starts_with('/') {
            self.recorded(name)
        } else {
            own().find_map(|name| self.recorded(&name)).or_else(|| self.recorded(name))
        };
        files
            .or_else(|| if is_english(language) { english() } else { None })
            .or_else(|| parents(language).find_map(|language| words_in(&self.words, language, name)).map(estimated))
            .or_else(|| if name.starts_with('/') { None } else { english() })
            .or_else(|| words_of(&self.words, name, language).map(estimated))
            .or_else(|| stock(EXTRA))
            .or_else(|| spoken_words(name).map(estimated))
    }

    /// Returns the sound file of exactly this name.
    fn recorded(&self, name: &str) -> Option<(Clip, Option<PathBuf>)> {
        let given = self.lengths.get(name).map(|&samples| without_file(Clip { samples, grain: 1 }));
        given.or_else(|| self.on_disk(name).map(|(path, clip)| (clip, Some(path))))
    }

    /// Returns the words of a prompt for a caller of this language. They are looked up as Asterisk looks up sound
    /// files: in `de_AT`, in `de`, without a language, and in English. The words of Asterisk's own sounds are known if
    /// there is a transcript in one of the folders.
    #[must_use]
    pub fn words<'a>(&'a self, name: &'a str, language: &str) -> Option<Words<'a>> {
        words_of(&self.words, name, language)
            .or_else(|| words_of(&self.transcripts, name, language))
            .or_else(|| spoken_words(name))
    }

    /// Returns the names of the prompts whose words are known.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> =
            self.words.iter().flat_map(|known| known.words.keys()).map(String::as_str).collect();
        names.into_iter()
    }

    fn on_disk(&self, name: &str) -> Option<(PathBuf, Clip)> {
        let in_first_format = |path: &Path| formats(path).next();
        if name.starts_with('/') {
            // Absolute names are looked up only if there are folders, so that by default a simulation doesn't depend
            // on the machine it runs on.
            return if self.folders.is_empty() { None } else { in_first_format(Path::new(name)) };
        }
        self.folders.iter().find_map(|folder| in_first_format(&folder.join(name)))
    }
}

const fn without_file(clip: Clip) -> (Clip, Option<PathBuf>) {
    (clip, None)
}

fn add_words(known: &mut Vec<LanguageWords>, language: &str, name: &str, words: &str) {
    let at = known.iter().position(|known| known.language.eq_ignore_ascii_case(language)).unwrap_or_else(|| {
        known.push(LanguageWords { language: language.to_owned(), words: BTreeMap::new() });
        known.len() - 1
    });
    known[at].words.insert(name.to_owned(), words.to_owned());
}

/// Returns the words of a text that is spoken on a simulated call.
fn spoken_words(name: &str) -> Option<Words<'_>> {
    Sounds::spoken_text(name).map(|text| Words { text, language: None })
}

fn words_of<'a>(known: &'a [LanguageWords], name: &str, language: &str) -> Option<Words<'a>> {
    parents(language).chain(["", "en"]).find_map(|language| words_in(known, language, name))
}

fn words_in<'a>(known: &'a [LanguageWords], language: &str, name: &str) -> Option<Words<'a>> {
    let known = known.iter().find(|known| known.language.eq_ignore_ascii_case(language))?;
    let language = Some(known.language.as_str()).filter(|language| !language.is_empty());
    known.words.get(name).map(|text| Words { text, language })
}

/// Returns the names and lengths in a table of stock sounds.
fn entries(table: &'static str) -> impl Iterator<Item = (&'static str, Duration)> {
    let entry = |line: &'static str| {
        let (name, frames) = line.split_once(' ')?;
        Some((name, Duration::from_millis(frames.parse::<u64>().ok()? * 20)))
    };
    table.lines().filter(|line| !line.starts_with(';')).filter_map(entry)
}

/// Looks up a stock sound by binary search in the text, so that nothing needs to be parsed or stored in advance.
fn stock_sound(table: &str, name: &str) -> Option<Clip> {
    let mut text = table;
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

#[cfg(test)]
mod tests {
    use super::super::sound_files::unplayable;
    use super::*;
    use std::fs;

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
        for name in ["", "nosuch", "digits/", ";", "core", "zzz", "!", "beep 22"] {
            check(&stock, name, "en", "missing");
        }
        check(&Sounds::none(), "beep", "en", "missing");
    }

    #[test]
    fn the_tables_are_sorted_and_complete() {
        for (table, count) in [(CORE, 568), (EXTRA, 1346)] {
            let lines: Vec<_> = table.lines().skip_while(|line| line.starts_with(';')).collect();
            assert_eq!(lines.len(), count);
            assert_eq!(entries(table).count(), count);
            assert!(lines.windows(2).all(|pair| pair[0].split(' ').next() < pair[1].split(' ').next()));
            assert!(lines.iter().all(|line| stock_sound(table, line.split(' ').next().unwrap()).is_some()));
        }
        assert!(Sounds::extra().all(|(name, _)| !Sounds::is_core(name)));
        assert_eq!(Sounds::core().find(|(name, _)| *name == "beep"), Some(("beep", Duration::from_millis(440))));
    }

    #[test]
    fn extra_sounds_have_estimated_lengths_unless_a_table_has_other_words() {
        check(&Sounds::stock(), "weasels-eaten-phonesys", "en", "21600/160");
        check(&Sounds::stock(), "ha/phone", "de", "5600/160");
        check(&Sounds::stock().with_words("welcome", "One two three."), "welcome", "en", "12000/1");
        check(&Sounds::none(), "weasels-eaten-phonesys", "en", "missing");
    }

    #[test]
    fn words_of_stock_sounds_come_from_transcripts_in_the_folders() {
        let folder = std::env::temp_dir().join(format!("agi-rhai-transcripts-{}", std::process::id()));
        fs::create_dir_all(folder.join("de")).unwrap();
        fs::write(folder.join("core-sounds-en.txt"), "; Core\n\nbeep: [a beep]\n    sung\nask: Mine?\nnosuch: No.")
            .unwrap();
        fs::write(folder.join("de/core-sounds-de.txt"), "beep: [ein Piep]").unwrap();
        fs::write(folder.join("de/notes.txt"), "beep: [wrong]").unwrap();
        let sounds = Sounds::stock().with_folder(&folder).with_words("ask", "Own?");
        let words = |name, language| sounds.words(name, language).map(|words| (words.text, words.language));
        assert_eq!(words("beep", "en"), Some(("[a beep]", None)));
        assert_eq!(words("beep", "de_AT"), Some(("[ein Piep]", Some("de"))));
        assert_eq!(words("ask", "en"), Some(("Own?", None)));
        // A transcript says nothing about which files there are.
        check(&sounds, "nosuch", "en", "missing");
        check(&sounds, "beep", "de", "3520/160");
        fs::remove_dir_all(&folder).unwrap();
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
        let wav = |name: &str, rate: u32, channels: u8, bits: u8| {
            let mut wav = b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00".to_vec();
            wav.extend([channels, 0]);
            wav.extend(rate.to_le_bytes());
            wav.extend([0, 0, 0, 0, 0, 0, bits, 0]);
            wav.extend(b"data\x08\x00\x00\x00");
            wav.extend([0; 20]);
            fs::write(folder.join(name), wav).unwrap();
        };
        wav("b.wav", 8000, 1, 16);
        wav("fast.wav", 44_100, 2, 16);
        wav("small.wav", 8000, 1, 8);
        fs::write(folder.join("no.wav"), "x").unwrap();
        let sounds = Sounds::none().with_folder(&folder);
        check(&sounds, "a", "en", "1600/160");
        check(&sounds, "a", "de", "77/1");
        check(&sounds, "b", "en", "4/1");
        assert_eq!(sounds.file("a", "de_AT"), Some(folder.join("de/a.ulaw")));
        assert_eq!(sounds.file("a", "fr"), Some(folder.join("a.gsm")));
        assert_eq!(sounds.clone().without("a").file("a", "de"), None);
        assert_eq!(Sounds::stock().with_folder(&folder).file("beep", "en"), None);
        // As a real Asterisk has it, which plays no other kind of wav file.
        for (name, why) in
            [("fast", "has 44100 Hz and is stereo"), ("small", "has 8 bits"), ("no", "is not a wav file")]
        {
            check(&sounds, name, "en", "missing");
            assert_eq!(unplayable(&folder, name).unwrap().1, why);
        }
        assert!(unplayable(&folder, "b").is_none() && unplayable(&folder, "nosuch").is_none());
        check(&sounds, folder.join("a").to_str().unwrap(), "en", "1600/160");
        check(&sounds, "..", "en", "missing");
        fs::remove_dir_all(&folder).unwrap();
    }
}
