//! Tables of phrases: the words around numbers, in each language and in each of its plural forms.
//!
//! `game.phrases` is beside `game.rhai`, in the style of the table of prompts, `game.prompts`:
//! ```text
//! ; Each line is a phrase: its name, a colon, and what is played: sound files, and values in braces.
//! [en]
//! messages 0: vm-youhave vm-no vm-messages
//! messages one: vm-youhave {n} vm-message
//! messages other: vm-youhave {n} vm-messages
//! ```

use super::fault::{Fault, Source};
use super::names::{distance, nearest};
use crate::pbx::prompts::{HEADING_HINT, HeadingError, heading, parents};
use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

/// The phrases that Asterisk's own recordings can say.
const CORE: &str = include_str!("core.phrases");
/// The language of lines without a heading. It is also used if a table lacks the caller's language, since Asterisk's
/// own recordings are in English too.
const ENGLISH: &str = "en";
/// The genders of numbers in Asterisk. `w`, `m` and `n` are those of Czech.
const GENDERS: [&str; 6] = ["m", "f", "n", "c", "w", "p"];
/// The maximum number of parts that a script may say at once, including those of nested phrases. No sentence has as
/// many.
pub(crate) const MAX_PARTS: usize = 1000;
/// The maximum length of a line, in bytes.
const MAX_LINE: usize = 32 * 1024;
const MAX_LANGUAGES: usize = 500;
/// How deeply nested phrases are counted. In a call they can't be nested as deeply.
const MAX_DEPTH: usize = 20;
const A_LINE: &str = "a line is `name: sounds`, such as `messages one: vm-youhave {n} vm-message`";

/// A table of phrases.
#[derive(Debug)]
pub struct Phrases {
    source: Source,
    languages: Vec<LanguagePhrases>,
}

/// The phrases of one language.
#[derive(Debug)]
struct LanguagePhrases {
    name: String,
    phrases: BTreeMap<String, Phrase>,
}

/// One phrase in one language.
#[derive(Debug, Default)]
pub(crate) struct Phrase {
    forms: BTreeMap<Form, Wording>,
    /// The values that it uses, in any form.
    values: BTreeSet<String>,
}

/// One line of the table: the wording for some numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wording {
    pub items: Vec<Item>,
    /// Its line, counted from 1; 0 for a phrase without a wording for the number.
    pub line: usize,
}

/// The numbers for which a form is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// This number alone.
    Exactly(i64),
    /// The numbers in this plural category.
    Category(PluralCategory),
}

/// One part of a wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A sound file.
    Sound(String),
    /// A value from the script.
    Value {
        /// Its name.
        name: String,
        /// How it is said.
        way: SayAs,
    },
}

/// How a value is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SayAs {
    /// As `say` does: a number, a sound file, a map.
    Part,
    /// As a number of this gender.
    Gender(String),
    /// As a map with this name: `{code digits}` is `#{ digits: code }`.
    Map(&'static str),
    /// As a date, in this format.
    Date(String),
    /// As money, of this currency.
    Money(String),
}

/// The form of a phrase depends on a number, but the script didn't pass any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoNumber;

/// An error in a line of a table.
#[derive(Debug)]
struct TableError {
    /// The line, counted from 1.
    line: usize,
    /// The column in characters, counted from 1.
    column: usize,
    message: String,
    hint: Option<String>,
}

impl TableError {
    fn in_table(self, name: &str, lines: &[&str]) -> Fault {
        let source = lines.get(self.line.wrapping_sub(1)).copied().unwrap_or_default().to_owned();
        let Self { line, column, message, hint } = self;
        Fault { hint, line, column, source, ..Fault::new(name, message) }
    }
}

impl PartialEq for Phrases {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Phrases {
    /// Reads a table from the text of a file. Returns the valid lines, and the faults of the others.
    pub fn parse(name: &str, text: &str) -> (Self, Vec<Fault>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader { languages: Vec::new(), known: None, errors: Vec::new(), line: 0 };
        for (line, text) in (1..).zip(text.lines()) {
            reader.line = line;
            reader.read(text);
        }
        let mut errors = reader.errors;
        errors.extend(reader.languages.iter().flat_map(LanguagePhrases::gaps));
        let source = Source { name: name.to_owned(), text: text.to_owned() };
        let table = Self { source, languages: reader.languages };
        errors.extend(table.too_long());
        errors.sort_by_key(|error| (error.line, error.column));
        let lines: Vec<&str> = text.lines().collect();
        (table, errors.into_iter().map(|error| error.in_table(name, &lines)).collect())
    }

    /// Returns an error for each phrase that may have too many parts, but none for the phrases that use it.
    fn too_long(&self) -> Vec<TableError> {
        let mut sizes = Sizes { table: self, known: HashMap::new(), too_long: Vec::new() };
        for (_, name, _) in self.entries() {
            sizes.of(name, 0);
        }
        let error = |(name, line)| TableError {
            line,
            column: 1,
            message: format!(
                "the phrase `{name}` has more than {MAX_PARTS} parts, those of the phrases it uses included"
            ),
            hint: Some("each use of a phrase counts all of its parts".to_owned()),
        };
        sizes.too_long.into_iter().map(error).collect()
    }

    /// Reads a table that must not have a fault.
    pub(crate) fn compile(name: &str, text: &str) -> Result<Self, Box<Fault>> {
        let (phrases, faults) = Self::parse(name, text);
        faults.into_iter().next().map_or(Ok(phrases), |fault| Err(Box::new(fault)))
    }

    /// Returns the phrases that Asterisk's own English recordings can say.
    pub(crate) fn core() -> &'static Self {
        static TABLE: OnceLock<Phrases> = OnceLock::new();
        TABLE.get_or_init(|| Self::parse("core.phrases", CORE).0)
    }

    /// Returns the path of the file.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// Returns its text, without a byte order mark.
    pub(crate) fn text(&self) -> &str {
        &self.source.text
    }

    /// Returns the phrases of all languages: language, name, and the line of the first form.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.languages.iter().flat_map(|language| {
            language.phrases.iter().map(|(name, phrase)| (language.name.as_str(), name.as_str(), phrase.line()))
        })
    }

    /// Returns the sound files it plays: language, name, and line.
    pub fn sounds(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.languages.iter().flat_map(|language| {
            let forms = language.phrases.values().flat_map(|phrase| phrase.forms.values());
            let items = forms.flat_map(|form| form.items.iter().map(|item| (item, form.line)));
            items.filter_map(|(item, line)| match item {
                Item::Sound(name) => Some((language.name.as_str(), name.as_str(), line)),
                Item::Value { .. } => None,
            })
        })
    }

    /// Returns the values a phrase uses, in any language.
    pub(crate) fn values(&self, phrase: &str) -> impl Iterator<Item = &str> {
        let phrases = self.languages.iter().filter_map(move |language| language.phrases.get(phrase));
        phrases.flat_map(|phrase| &phrase.values).map(String::as_str)
    }

    /// Whether a phrase uses this value.
    pub(crate) fn takes(&self, phrase: &str, value: &str) -> bool {
        self.variants(phrase).any(|(_, phrase)| phrase.values.contains(value))
    }

    /// Returns a phrase in each language that has it, in the order of the table.
    pub(crate) fn variants(&self, phrase: &str) -> impl Iterator<Item = (&str, &Phrase)> {
        self.languages
            .iter()
            .filter_map(move |language| language.phrases.get(phrase).map(|phrase| (language.name.as_str(), phrase)))
    }

    /// Returns the phrase with the most similar name, if there is one similar enough to be meant.
    pub(crate) fn similar(&self, name: &str) -> Option<&str> {
        nearest(name, self.entries().map(|(_, known, _)| known))
    }
}

/// Returns the best variant for a caller of this language: `de_AT`, then `de`, then `en`, then the first of all.
pub(crate) fn best_variant<'a>(variants: &[(&'a str, &'a Phrase)], language: &str) -> Option<(&'a str, &'a Phrase)> {
    parents(language)
        .chain([ENGLISH])
        .find_map(|wanted| variants.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)))
        .or(variants.first())
        .copied()
}

impl Phrase {
    /// Returns the wording for this number in this language.
    pub(crate) fn form(&self, language: &str, number: Option<i64>) -> Result<&Wording, NoNumber> {
        static NOTHING: Wording = Wording { items: Vec::new(), line: 0 };
        let other = || self.find(Form::Category(PluralCategory::Other)).unwrap_or(&NOTHING);
        if self.forms.keys().all(|form| *form == Form::Category(PluralCategory::Other)) {
            return Ok(other());
        }
        let number = number.ok_or(NoNumber)?;
        let exactly = self.find(Form::Exactly(number));
        Ok(exactly.or_else(|| self.find(Form::Category(category(language, number)?))).unwrap_or_else(other))
    }

    fn find(&self, form: Form) -> Option<&Wording> {
        self.forms.get(&form)
    }

    /// Returns the line of its first form.
    pub(crate) fn line(&self) -> usize {
        self.forms.values().map(|form| form.line).min().unwrap_or(0)
    }
}

/// Counts the parts of phrases, as far as the table shows them: the values from the script are unknown.
struct Sizes<'a> {
    table: &'a Phrases,
    /// The sizes so far. A phrase that uses itself is reported by the call, not here.
    known: HashMap<&'a str, usize>,
    too_long: Vec<(&'a str, usize)>,
}

impl Sizes<'_> {
    fn of(&mut self, name: &str, depth: usize) -> usize {
        if let Some(size) = self.known.get(name) {
            return *size;
        }
        let languages = &self.table.languages;
        let Some((name, _)) = languages.iter().find_map(|language| language.phrases.get_key_value(name)) else {
            // Asterisk's own phrases have few parts.
            return 1;
        };
        if depth == MAX_DEPTH {
            return 1;
        }
        self.known.insert(name, 0);
        let mut largest = 0;
        for wording in languages.iter().filter_map(|l| l.phrases.get(name)).flat_map(|phrase| phrase.forms.values()) {
            let mut size = 0;
            let mut are_parts_small = true;
            for item in &wording.items {
                let part = self.of_item(item, depth);
                are_parts_small &= part <= MAX_PARTS;
                size += part;
            }
            if size > MAX_PARTS && are_parts_small && largest <= MAX_PARTS {
                self.too_long.push((name, wording.line));
            }
            largest = largest.max(size);
        }
        // Whatever uses this is too long as well, so the exact size doesn't matter.
        largest = largest.min(MAX_PARTS + 1);
        self.known.insert(name, largest);
        largest
    }

    fn of_item(&mut self, item: &Item, depth: usize) -> usize {
        match item {
            Item::Value { way: SayAs::Money(currency), .. } => {
                let all = [currency, &format!("{currency}-cents"), "money"];
                all.iter().map(|name| self.of(name, depth + 1)).sum::<usize>().max(1)
            }
            Item::Value { way: SayAs::Map("duration"), .. } => {
                let units = ["days", "hours", "minutes", "seconds", "and"];
                units.iter().map(|name| self.of(name, depth + 1)).sum::<usize>().max(1)
            }
            Item::Value { way: SayAs::Map("ordinal"), .. } => self.of("ordinal", depth + 1).max(1),
            Item::Sound(_) | Item::Value { .. } => 1,
        }
    }
}

/// Converts Asterisk's name of a language to the standard one.
fn locale(language: &str) -> Option<Locale> {
    let (name, rest) = language.split_once(['_', '-']).unwrap_or((language, ""));
    let name = match name.to_ascii_lowercase().as_str() {
        // Asterisk's own names of Swedish, Greek, Czech, Georgian, Mexican Spanish and Taiwanese Chinese.
        "se" => "sv".to_owned(),
        "gr" => "el".to_owned(),
        "cz" => "cs".to_owned(),
        "ge" => "ka".to_owned(),
        "mx" => "es".to_owned(),
        "tw" => "zh".to_owned(),
        name => name.to_owned(),
    };
    // The country matters: Portuguese has other forms in Portugal than in Brazil. No language needs more than that.
    let country = rest.split(['_', '-']).next().filter(|country| country.len() == 2);
    let both = country.and_then(|country| format!("{name}-{country}").parse().ok());
    both.or_else(|| name.parse().ok())
}

fn rules(language: &str) -> Option<PluralRules> {
    PluralRules::try_new_cardinal(locale(language)?.into()).ok()
}

/// Returns the plural category of a number in this language; `None` if the language is unknown.
fn category(language: &str, number: i64) -> Option<PluralCategory> {
    Some(rules(language)?.category_for(number))
}

/// Plural categories, each with its first numbers.
type Categories = Vec<(PluralCategory, Vec<i64>)>;

/// Returns the plural categories of a language's whole numbers, each with its first numbers.
fn categories(language: &str) -> Categories {
    let Some(rules) = rules(language) else { return Vec::new() };
    let mut found: Categories = Vec::new();
    for number in (0..=200_i64).chain([1_000, 1_000_000]) {
        let category = rules.category_for(number);
        match found.iter_mut().find(|(known, _)| *known == category) {
            Some((_, numbers)) if numbers.len() < 4 => numbers.push(number),
            Some(_) => {}
            None => found.push((category, vec![number])),
        }
    }
    found.sort_by_key(|(category, _)| *category);
    found
}

const fn word(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

/// Lists categories with their numbers: `one (1, 21, 31), few (2, 3, 4)`.
fn shown(categories: &[(PluralCategory, Vec<i64>)]) -> String {
    let shown = categories.iter().map(|(category, numbers)| {
        let numbers: Vec<String> = numbers.iter().take(3).map(ToString::to_string).collect();
        let more = if numbers.len() == 3 { ", ..." } else { "" };
        format!("`{}` ({}{more})", word(*category), numbers.join(", "))
    });
    shown.collect::<Vec<_>>().join(", ")
}

impl LanguagePhrases {
    /// Returns an error for each phrase that lacks a form.
    fn gaps(&self) -> Vec<TableError> {
        let has = |phrase: &Phrase, category| phrase.find(Form::Category(category)).is_some();
        let mut errors = Vec::new();
        let mut known: Option<Vec<_>> = None;
        for (name, phrase) in &self.phrases {
            if has(phrase, PluralCategory::Other) {
                continue;
            }
            let known = known.get_or_insert_with(|| categories(&self.name));
            let missing: Vec<_> = known.iter().filter(|(category, _)| !has(phrase, *category)).cloned().collect();
            if known.is_empty() || !missing.is_empty() {
                let missing = if missing.is_empty() { "`other`".to_owned() } else { shown(&missing) };
                errors.push(TableError {
                    line: phrase.line(),
                    column: 1,
                    message: format!("the phrase `{name}` has nothing for {missing} in [{}]", self.name),
                    hint: Some(format!("`{name} other: ...` is for all numbers without a line of their own")),
                });
            }
        }
        errors
    }
}

/// Reads a table line by line.
struct Reader {
    languages: Vec<LanguagePhrases>,
    /// The plural categories of the last language, once they have been looked up.
    known: Option<Categories>,
    errors: Vec<TableError>,
    line: usize,
}

/// An error with its offset in the line, its message and its hint.
type Located = (usize, String, Option<String>);

impl Reader {
    fn read(&mut self, text: &str) {
        let start = text.len() - text.trim_start().len();
        let line = text.trim();
        if line.is_empty() || line.starts_with(';') {
            return;
        }
        let read = if line.len() > MAX_LINE {
            Err((0, format!("the line is longer than {} KiB", MAX_LINE / 1024), None))
        } else if let Some(name) = heading(line) {
            self.heading(name)
        } else {
            self.phrase(line)
        };
        if let Err((at, message, hint)) = read {
            let column = text[..start + at].chars().count() + 1;
            self.errors.push(TableError { line: self.line, column, message, hint });
        }
    }

    fn heading(&mut self, name: Result<&str, HeadingError>) -> Result<(), Located> {
        let usual = || Some(HEADING_HINT.to_owned());
        let name = name.map_err(|error| (error.offset, error.problem, usual()))?;
        if self.languages.iter().any(|language| language.name.eq_ignore_ascii_case(name)) {
            let hint = Some("put all phrases of a language below one heading".to_owned());
            return Err((0, format!("[{name}] has a heading already"), hint));
        }
        if self.languages.len() == MAX_LANGUAGES {
            return Err((0, format!("a table has at most {MAX_LANGUAGES} languages"), None));
        }
        self.languages.push(LanguagePhrases { name: name.to_owned(), phrases: BTreeMap::new() });
        self.known = None;
        Ok(())
    }

    fn phrase(&mut self, line: &str) -> Result<(), Located> {
        let hint = || Some(A_LINE.to_owned());
        let Some((left, right)) = line.split_once(':') else {
            return Err((0, "there is no `:` after the name".to_owned(), hint()));
        };
        let mut words = left.split_whitespace();
        let name = words.next().ok_or_else(|| (0, "there is no name before the `:`".to_owned(), hint()))?;
        let form = words.next();
        let at = |word: &str| word.as_ptr() as usize - line.as_ptr() as usize;
        if let Some(word) = words.next() {
            let hint = Some("before the `:` come a name and, if it matters, a form such as `one`".to_owned());
            return Err((at(word), format!("`{word}` is one word too many before the `:`"), hint));
        }
        if let Some(odd) = name.find(['{', '}', '[', ']', '"', '#', ';']) {
            return Err((odd, format!("{name:?} cannot be the name of a phrase"), hint()));
        }
        if self.languages.is_empty() {
            self.languages.push(LanguagePhrases { name: ENGLISH.to_owned(), phrases: BTreeMap::new() });
        }
        // By now there is one.
        let Some(language) = self.languages.last_mut() else { return Ok(()) };
        let form = match form {
            Some(word) => {
                form_of(word, &language.name, &mut self.known).map_err(|(message, hint)| (at(word), message, hint))?
            }
            None => Form::Category(PluralCategory::Other),
        };
        let items =
            items(right).map_err(|(column, message, hint)| (line.len() - right.len() + column, message, hint))?;
        let phrase = language.phrases.entry(name.to_owned()).or_default();
        if phrase.find(form).is_some() {
            return Err((0, format!("[{}] has `{}` already", language.name, left.trim()), None));
        }
        phrase.values.extend(items.iter().filter_map(|item| match item {
            Item::Sound(_) => None,
            Item::Value { name, .. } => Some(name.clone()),
        }));
        phrase.forms.insert(form, Wording { items, line: self.line });
        Ok(())
    }
}

fn form_of(word: &str, language: &str, known: &mut Option<Categories>) -> Result<Form, (String, Option<String>)> {
    if word.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = word.parse()
    {
        return Ok(Form::Exactly(number));
    }
    let category = PluralCategory::get_for_cldr_string(word);
    if category == Some(PluralCategory::Other) {
        return Ok(Form::Category(PluralCategory::Other));
    }
    let known = &*known.get_or_insert_with(|| categories(language));
    let all = known.iter().map(|(category, _)| *category).chain([PluralCategory::Other]);
    if let Some(category) = category
        && all.clone().any(|known| known == category)
    {
        return Ok(Form::Category(category));
    }
    let near = nearest(word, all.map(self::word));
    let hint = match near {
        Some(like) if category.is_none() && distance(word, like) <= 1 => format!("did you mean `{like}`?"),
        _ if known.is_empty() => {
            format!("the forms of [{language}] are unknown: use `other` and numbers")
        }
        _ => format!("its forms are {}, or a number such as `0` for that number alone", shown(known)),
    };
    Err((format!("[{language}] has no form `{word}`"), Some(hint)))
}

/// Reads what follows the `:`.
fn items(text: &str) -> Result<Vec<Item>, Located> {
    let mut items = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(items) };
        if items.len() == MAX_PARTS {
            return Err((at, format!("a phrase has at most {MAX_PARTS} parts"), None));
        }
        if let Some(inner) = rest.strip_prefix('{') {
            let hint = || Some("a value is written as its name in braces, such as {n}".to_owned());
            let end = inner.find(['{', '}']).filter(|end| inner[*end..].starts_with('}'));
            let end = end.ok_or_else(|| (at, "this `{` has no `}`".to_owned(), hint()))?;
            items.push(value(&inner[..end]).map_err(|(message, hint)| (at + 1, message, hint))?);
            rest = &inner[end + 1..];
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(rest.len());
        let name = &rest[..end];
        if first == ';' {
            return Err((at, "a comment needs a line of its own".to_owned(), None));
        }
        if let Some(odd) = name.find(['}', '"', ',', ';']) {
            let hint = if name[odd..].starts_with('}') {
                "a value is written as its name in braces, such as {n}"
            } else {
                "sound files are written one after the other, without quotes or commas"
            };
            return Err((at + odd, format!("{name:?} cannot be the name of a sound file"), Some(hint.to_owned())));
        }
        items.push(Item::Sound(name.to_owned()));
        rest = &rest[end..];
    }
}

/// Reads what is in braces: `n`, `n f`, `code digits`, `when date ABdY`.
fn value(text: &str) -> Result<Item, (String, Option<String>)> {
    let text = text.trim();
    let (name, how) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (how, more) = how.trim().split_once(char::is_whitespace).unwrap_or((how.trim(), ""));
    let more = more.trim();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !fits {
        return Err((
            format!("{name:?} cannot be the name of a value"),
            Some("a value is written as its name in braces, such as {n}".to_owned()),
        ));
    }
    if name == "phrase" {
        return Err((
            "a value cannot be called `phrase`".to_owned(),
            Some("`phrase` names the phrase itself".to_owned()),
        ));
    }
    let way = match how {
        "" => SayAs::Part,
        "date" => SayAs::Date(more.to_owned()),
        "money" if !more.is_empty() && !more.contains(char::is_whitespace) => SayAs::Money(more.to_owned()),
        "money" => {
            let hint = format!("write it after `money`, such as {{{name} money EUR}}");
            return Err(("`money` needs a currency".to_owned(), Some(hint)));
        }
        "digits" => SayAs::Map("digits"),
        "spell" => SayAs::Map("spell"),
        "ordinal" => SayAs::Map("ordinal"),
        "duration" => SayAs::Map("duration"),
        gender if GENDERS.contains(&gender) => SayAs::Gender(gender.to_owned()),
        _ => {
            let hint = "after the name may come a gender (`m`, `f`, `n`, `c`, `w`, `p`), `digits`, `spell`, `ordinal`, \
                        `duration`, `money EUR`, `date` or `date FORMAT`";
            return Err((format!("`{how}` isn't a way to say a value"), Some(hint.to_owned())));
        }
    };
    if !more.is_empty() && !matches!(way, SayAs::Date(_) | SayAs::Money(_)) {
        return Err((format!("unexpected `{more}` after `{how}`"), None));
    }
    Ok(Item::Value { name: name.to_owned(), way })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Phrases {
        let (phrases, faults) = Phrases::parse("game.phrases", text);
        assert_eq!(faults, [], "in {text:?}");
        phrases
    }

    /// Compares which form is said for each number. Every form plays a sound of its own name.
    fn check(language: &str, forms: &str, expected: &str) {
        let lines: String = forms.split_whitespace().map(|form| format!("x {form}: {form}\n")).collect();
        let table = table(&format!("[{language}]\n{lines}"));
        let (_, phrase) = table.variants("x").next().unwrap();
        for pair in expected.split_whitespace() {
            let (number, form) = pair.split_once(':').unwrap();
            let items = &phrase.form(language, Some(number.parse().unwrap())).unwrap().items;
            assert_eq!(*items, [Item::Sound(form.to_owned())], "{number} in {language}");
        }
    }

    #[test]
    fn every_language_has_its_own_forms() {
        check("en", "one other", "0:other 1:one 2:other 11:other 21:other 101:other");
        check("de_AT", "one other", "0:other 1:one 2:other 21:other");
        check("pl", "one few many", "0:many 1:one 2:few 4:few 5:many 12:many 21:many 22:few 112:many 1000:many");
        check("fr", "one other", "0:one 1:one 2:other 1000000:other");
        let arabic = "0:zero 1:one 2:two 3:few 10:few 11:many 99:many 100:other 102:other 103:few";
        check("ar", "zero one two few many other", arabic);
        check("ru_RU", "one few many", "1:one 2:few 5:many 11:many 21:one 111:many");
        check("ja", "other", "0:other 1:other 100:other");
        check("pt_BR", "one other", "0:one 1:one 2:other");
        check("pt_PT", "one other", "0:other 1:one 2:other");
        check("no", "one other", "0:other 1:one 2:other");
    }

    #[test]
    fn asterisks_own_names_of_languages_are_understood() {
        check("se", "one other", "1:one 2:other");
        check("cz", "one few other", "1:one 3:few 5:other");
        check("gr", "one other", "1:one 2:other");
        check("tw", "other", "1:other");
        check("en_US_f_Allison", "one other", "1:one 2:other");
    }

    #[test]
    fn a_form_for_one_number_goes_before_its_category() {
        check("en", "0 1 one other", "0:0 1:1 2:other");
        check("en", "one 12 other", "1:one 12:12 -1:one -2:other");
    }

    #[test]
    fn a_line_without_a_form_is_for_all_other_numbers() {
        let table = table("x: a {n} b\nx 0: c\ny: d");
        let phrase = |name| table.variants(name).next().unwrap().1;
        assert_eq!(phrase("x").form("en", Some(5)).unwrap().items.len(), 3);
        assert_eq!(phrase("x").form("en", None), Err(NoNumber));
        assert_eq!(phrase("y").form("en", None).unwrap().items, [Item::Sound("d".to_owned())]);
    }

    #[test]
    fn every_way_to_say_a_value_is_read() {
        let table = table(
            "x: a{n}b {n f} {code digits}{ name spell } {t date} {t date ABdY 'digits/at' IMp} \
             {sum money EUR} {n ordinal}",
        );
        let (_, phrase) = table.variants("x").next().unwrap();
        let items: Vec<String> =
            phrase.form("en", None).unwrap().items.iter().map(|item| format!("{item:?}")).collect();
        let value = |name: &str, way: &str| format!("Value {{ name: {name:?}, way: {way} }}");
        assert_eq!(
            items,
            [
                "Sound(\"a\")".to_owned(),
                value("n", "Part"),
                "Sound(\"b\")".to_owned(),
                value("n", "Gender(\"f\")"),
                value("code", "Map(\"digits\")"),
                value("name", "Map(\"spell\")"),
                value("t", "Date(\"\")"),
                value("t", "Date(\"ABdY 'digits/at' IMp\")"),
                value("sum", "Money(\"EUR\")"),
                value("n", "Map(\"ordinal\")"),
            ]
        );
    }

    #[test]
    fn the_nearest_language_to_the_callers_is_used() {
        let all = table("[de]\nx: d\ny: d\n[en]\nx: e\n[de_AT]\nx: a\n[fr]\ny: f");
        let found = |phrase, language| {
            let variants: Vec<_> = all.variants(phrase).collect();
            best_variant(&variants, language).unwrap().0
        };
        assert_eq!(found("x", "de_AT"), "de_AT");
        assert_eq!(found("x", "de_AT_female"), "de_AT");
        assert_eq!(found("x", "de_CH"), "de");
        assert_eq!(found("x", "it"), "en");
        assert_eq!(found("x", ""), "en");
        assert_eq!(found("y", "en"), "de");
        assert_eq!(found("y", "FR"), "fr");
    }

    fn check_faults(text: &str, expected: &[&str]) {
        let (_, faults) = Phrases::parse("game.phrases", text);
        let faults: Vec<String> =
            faults.iter().map(|fault| fault.to_string().replacen("game.phrases:", "", 1)).collect();
        assert_eq!(faults, expected, "in {text:?}");
    }

    #[test]
    fn faults_have_a_place_and_a_hint() {
        const A_LINE: &str = "a line is `name: sounds`, such as `messages one: vm-youhave {n} vm-message`";
        const A_VALUE: &str = "a value is written as its name in braces, such as {n}";
        check_faults("; fine\n\n  [de]\nx: a\n", &[]);
        check_faults("\u{feff}x: a\n", &[]);
        check_faults("x a", &[&format!("1:1: there is no `:` after the name; {A_LINE}")]);
        check_faults(" : a", &[&format!("1:2: there is no name before the `:`; {A_LINE}")]);
        check_faults("# x: a", &[&format!("1:1: \"#\" cannot be the name of a phrase; {A_LINE}")]);
        check_faults(
            "x one two: a",
            &["1:7: `two` is one word too many before the `:`; before the `:` come a name and, if it matters, \
                 a form such as `one`"],
        );
        check_faults(
            "[de\nx: a",
            &["1:1: the heading does not end with `]`; a heading is a language in brackets, such as [de] or [pt_BR]"],
        );
        check_faults(
            "[de 2]",
            &[
                "1:2: \"de 2\" cannot be the name of a language; a heading is a language in brackets, such as [de] or [pt_BR]",
            ],
        );
        check_faults(
            "x: a\n[de]\n[EN]",
            &["3:1: [EN] has a heading already; put all phrases of a language below one heading"],
        );
        check_faults("ü: a {n", &[&format!("1:6: this `{{` has no `}}`; {A_VALUE}")]);
        check_faults("x: {a {n}", &[&format!("1:4: this `{{` has no `}}`; {A_VALUE}")]);
        check_faults("x: a}", &[&format!("1:5: \"a}}\" cannot be the name of a sound file; {A_VALUE}")]);
        check_faults("x: {}", &[&format!("1:5: \"\" cannot be the name of a value; {A_VALUE}")]);
        check_faults("x: {phrase}", &["1:5: a value cannot be called `phrase`; `phrase` names the phrase itself"]);
        check_faults(
            "x: \"a\", b",
            &["1:4: \"\\\"a\\\",\" cannot be the name of a sound file; sound files are written one after the \
                 other, without quotes or commas"],
        );
        check_faults("x: a ; hello", &["1:6: a comment needs a line of its own"]);
        check_faults("x: {n money}", &["1:5: `money` needs a currency; write it after `money`, such as {n money EUR}"]);
        check_faults("x: {n f f}", &["1:5: unexpected `f` after `f`"]);
        check_faults(
            "x: {n female}",
            &["1:5: `female` isn't a way to say a value; after the name may come a gender (`m`, `f`, `n`, `c`, `w`, \
                 `p`), \
               `digits`, `spell`, `ordinal`, `duration`, `money EUR`, `date` or `date FORMAT`"],
        );
        check_faults("x one: a\nx other: b\nx  one: c", &["3:1: [en] has `x  one` already"]);
        check_faults("x: a\nx other: b", &["2:1: [en] has `x other` already"]);
    }

    #[test]
    fn forms_that_a_language_lacks_are_faults() {
        check_faults(
            "x one: a\nx few: b\nx other: c",
            &["2:3: [en] has no form `few`; its forms are `one` (1), `other` (0, 2, 3, ...), or a number such as `0` \
                 for that number alone"],
        );
        check_faults("x oen: a\nx: b", &["1:3: [en] has no form `oen`; did you mean `one`?"]);
        check_faults("x ones: a\nx: b", &["1:3: [en] has no form `ones`; did you mean `one`?"]);
        check_faults(
            "[pl]\nx one: a\nx few: b",
            &["2:1: the phrase `x` has nothing for `many` (0, 5, 6, ...) in [pl]; `x other: ...` is for all numbers \
                 without a line of their own"],
        );
        check_faults(
            "[pl]\nx 0: a",
            &["2:1: the phrase `x` has nothing for `one` (1), `few` (2, 3, 4, ...), `many` (0, 5, 6, ...) in [pl]; \
               `x other: ...` is for all numbers without a line of their own"],
        );
        check_faults(
            "[kids]\nx one: a\nx other: b",
            &["2:3: [kids] has no form `one`; the forms of [kids] are unknown: use `other` and numbers"],
        );
    }

    #[test]
    fn the_core_table_is_valid_and_has_its_recordings() {
        let (core, faults) = Phrases::parse("core.phrases", CORE);
        assert_eq!(faults, []);
        let sounds = crate::pbx::Sounds::stock();
        for (language, name, _) in core.sounds() {
            assert!(sounds.find(name, language).is_some(), "{name}");
        }
    }
}
