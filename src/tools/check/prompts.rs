//! The prompts that a script plays, with their sound files and their words.

use super::checker::Checker;
use super::finding::Finding;
use super::imports::{self, Imported, Reader, TextsAndNames, paths};
use super::outside::plays_what_it_is_told;
use super::report::Report;
use super::rules::{self, Rule};
use super::text::{Place, place};
use crate::command::{Command, Function, Kind, Plays};
use crate::disk;
use crate::pbx::Sounds;
use crate::pbx::prompts::{Prompt, is_english, parents, parse_prompts};
use crate::pbx::sound_files::{is_in, unplayable};
use crate::script::{Phrases, around, nearest};
use crate::utf8::NotUtf8;
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The extensions of sound files that people may write by mistake.
const ENDINGS: &[&str] =
    &["wav", "gsm", "ulaw", "alaw", "sln", "sln16", "g722", "mp3", "ogg", "g729", "wav49", "WAV", "raw", "slin"];

/// The prompts that tests can hear and that aren't sound files.
const HEARD: &[&str] =
    &["beep", "recording", "music", "number", "digits", "alpha", "phonetic", "date", "time", "datetime"];

/// The maximum number of findings of a kind that get a hint: finding one means comparing all names.
const MAX_HINTS: usize = 20;

/// Finds hints, up to a number.
#[derive(Default)]
struct Hints(usize);

impl Hints {
    fn find<T>(&mut self, find: impl FnOnce() -> Option<T>) -> Option<T> {
        self.0 += 1;
        if self.0 > MAX_HINTS { None } else { find() }
    }

    fn near<'a>(&mut self, name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        self.find(|| nearest(name, among))
    }
}

/// A prompt that a script names.
struct Named {
    name: String,
    place: Place,
    /// Whether it is played here. Otherwise, a test waits for it.
    played: bool,
}

/// Whether this is a text to be said rather than the name of a sound file.
fn is_words(name: &str) -> bool {
    !name.starts_with('/') && name.contains([' ', '!', '?'])
}

/// Whether an expression puts words to be said together with values.
fn composes_words(expr: &Expr) -> bool {
    let has_words = |parts: &[Expr]| {
        parts.iter().any(|part| match part {
            Expr::StringConstant(text, _) => is_words(text),
            other => composes_words(other),
        })
    };
    match expr {
        Expr::InterpolatedString(parts, _) => has_words(parts),
        Expr::FnCall(call, _) => call.name == "+" && has_words(&call.args),
        _ => false,
    }
}

/// The prompts that a script names, and the tables it has for them.
pub(super) struct Prompts {
    named: Vec<Named>,
    /// Where the script puts words to be said together with values.
    composed: Vec<Place>,
    /// The prompts in the tables beside the script and its imports; none if the script has no table.
    words: Option<BTreeSet<String>>,
    /// The languages with words of their own in the table beside the script; none if it has no table.
    languages: Option<BTreeSet<String>>,
    table: String,
}

/// Returns the path of the table beside a script. The table of `game.test.rhai` is that of the game.
fn beside(script: &Path) -> PathBuf {
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".test.rhai").or(name.strip_suffix(".rhai")).unwrap_or(&name);
    script.with_file_name(format!("{stem}.prompts"))
}

/// Returns the path of the script that a test is for.
fn under_test(test: &Path) -> PathBuf {
    beside(test).with_extension("rhai")
}

/// Whether there is a table of prompts or phrases beside a script.
pub(super) fn has_table(checker: &Checker, script: &Path) -> bool {
    let prompts = beside(script);
    let files = checker.files();
    [prompts.with_extension("phrases"), prompts].iter().any(|table| files.has(table))
}

impl Prompts {
    pub fn none() -> Self {
        Self { named: Vec::new(), composed: Vec::new(), words: None, languages: None, table: String::new() }
    }

    pub fn new(checker: &Checker, script: &Path, imported: &[Rc<Imported>]) -> Self {
        let own = beside(script);
        let files = checker.files();
        let mut words = None;
        let mut spoken = None;
        if let Some(text) = files.text(&own) {
            let (mut all, languages) = names_and_languages(&text);
            spoken = Some(languages);
            for import in imported {
                all.extend(
                    files.text(&beside(&import.path)).map(|text| names_and_languages(&text).0).unwrap_or_default(),
                );
            }
            words = Some(all);
        }
        let table = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { named: Vec::new(), composed: Vec::new(), words, languages: spoken, table }
    }

    /// Notes the prompts that are named in the call of a function.
    pub fn hear(&mut self, function: &Function, command: Option<&Command>, call: &FnCallExpr) {
        let prompt = match command.map(|command| command.plays) {
            Some(Plays::Sound(param)) => Some((param, true)),
            _ if matches!(function.name, "wait_for" | "expect_prompt") => Some((0, false)),
            _ => None,
        };
        if let Some((param, true)) = prompt
            && let Some(arg) = call.args.get(param)
        {
            self.composed(arg);
        }
        if let Some((param, played)) = prompt
            && let Some(Expr::StringConstant(name, position)) = call.args.get(param)
            && !name.is_empty()
        {
            self.named.push(Named { name: name.to_string(), place: place(*position), played });
        }
        for (param, arg) in function.params.iter().zip(&call.args) {
            match (param.kind, arg) {
                (Kind::Parts, parts) => self.parts(parts),
                (Kind::Options(options), Expr::Map(map, _)) => {
                    let is_parts = |name: &str| options.iter().any(|o| o.name == name && o.kind == Kind::Parts);
                    for (_, parts) in map.0.iter().filter(|(name, _)| is_parts(name.as_str())) {
                        self.parts(parts);
                    }
                }
                _ => {}
            }
        }
        // Playback and Background take several, joined with `&`.
        if function.params.first().is_some_and(|param| param.kind == Kind::Application)
            && let [Expr::StringConstant(application, _), Expr::StringConstant(files, position), ..] = &call.args[..]
            && ["playback", "background"].contains(&application.to_lowercase().as_str())
        {
            let files = files.split(',').next().unwrap_or_default();
            let names = files.split('&').filter(|name| !name.is_empty() && !name.contains(['$', ':']));
            self.named.extend(names.map(|name| Named { name: name.to_owned(), place: place(*position), played: true }));
        }
    }

    /// Notes the sound files among parts.
    fn parts(&mut self, parts: &Expr) {
        match parts {
            Expr::StringConstant(name, position) if !name.is_empty() => {
                self.named.push(Named { name: name.to_string(), place: place(*position), played: true });
            }
            Expr::Array(parts, _) => parts.iter().for_each(|part| self.parts(part)),
            other => self.composed(other),
        }
    }

    /// Notes words to be said that are put together with values.
    fn composed(&mut self, expr: &Expr) {
        if composes_words(expr) {
            self.composed.push(place(expr.start_position()));
        }
    }

    /// Reports prompts that have no sound file or no words.
    pub fn report(&mut self, checker: &Checker, report: &mut Report<'_, '_>) {
        let mut hints = Hints::default();
        let folders = Folders::new(&checker.sounds, self.languages.as_ref());
        for place in &self.composed {
            let message = "Asterisk plays recordings: it cannot read this out".to_owned();
            let hint = "say one part after the other, such as `say([\"you-have\", 3, \"messages\"])`".to_owned();
            report.add(&rules::WORDS_AS_SOUND, *place, message, Some(hint));
        }
        for Named { name, place, played } in &self.named {
            if *played
                && let Some((stem, ending)) = name.rsplit_once('.')
                && ENDINGS.contains(&ending)
            {
                let message = format!("leave out the ending `.{ending}` of a sound file");
                report.add(&rules::SOUND_EXTENSION, *place, message, Some(format!("write \"{stem}\"")));
                continue;
            }
            if name.starts_with('/') || Sounds::is_core(name) {
                continue;
            }
            if *played && !is_words(name) && !Sounds::is_extra(name) {
                report.played.push(name.clone());
            }
            if *played && is_words(name) && folders.lack(name).is_some() {
                let message = "this is taken for the name of a sound file: Asterisk cannot read words out".to_owned();
                let name = slug(name);
                let hint = format!("play a recording, such as \"{name}\", and write its words into {}", self.table);
                report.add(&rules::WORDS_AS_SOUND, *place, message, Some(hint));
                continue;
            }
            if !*played && (name.contains(' ') || HEARD.contains(&name.as_str())) {
                continue;
            }
            if *played
                && !checker.sounds.is_empty()
                && let Some(message) = folders.lack(name)
            {
                report.add(&rules::MISSING_SOUND, *place, message, hints.find(|| folders.hint(name)));
            }
            if let Some(words) = &self.words
                && !words.contains(name)
                && !Sounds::is_extra(name)
            {
                let near = hints.near(name, words.iter().map(String::as_str));
                let hint = near.map(|near| format!("did you mean \"{near}\"?"));
                let hint = hint.unwrap_or_else(|| format!("add a line `{name}: what it says`"));
                report.add(
                    &rules::MISSING_WORDS,
                    *place,
                    format!("no words for \"{name}\" in {}", self.table),
                    Some(hint),
                );
            }
        }
    }
}

/// Returns a name for the recording of a text.
fn slug(words: &str) -> String {
    let plain = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let words: Vec<String> = words.split_whitespace().map(plain).filter(|word: &String| !word.is_empty()).collect();
    if words.is_empty() { "welcome".to_owned() } else { words[..words.len().min(4)].join("-") }
}

/// Returns the names of the prompts in a table, in any language, and the languages that have words of their own.
fn names_and_languages(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let prompts = parse_prompts(text).0;
    let languages = prompts.iter().filter_map(|prompt| prompt.language.clone()).collect();
    (prompts.into_iter().map(|prompt| prompt.name).collect(), languages)
}

/// Returns the table of phrases beside a script.
fn phrases_beside(checker: &Checker, script: &Path) -> Option<(PathBuf, Result<String, NotUtf8>)> {
    let path = beside(script).with_extension("phrases");
    let text = checker.files().decoded(&path)?;
    Some((path, text))
}

/// Reports phrases that a script names but its table doesn't have. A script without a table may be imported by one
/// that has the phrase.
pub(super) fn unknown_phrases(checker: &Checker, script: &Path, ast: &AST, report: &mut Report<'_, '_>) {
    let Some((path, Ok(text))) = phrases_beside(checker, script) else { return };
    let (own, core) = (Phrases::parse("", &text).0, Phrases::core());
    let mut hints = Hints::default();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::Map(map, _))) = nodes.last() {
            for (key, value) in &map.0 {
                if key.as_str() == "phrase"
                    && let Expr::StringConstant(name, position) = value
                    && own.variants(name).chain(core.variants(name)).next().is_none()
                {
                    let table = path.file_name().unwrap_or_default().to_string_lossy();
                    let near = hints.near(name, own.entries().map(|(_, name, _)| name));
                    let hint = near.map(|near| format!("did you mean \"{near}\"?"));
                    let message = format!("no phrase \"{name}\" in {table}");
                    report.add(&rules::UNKNOWN_PHRASE, place(*position), message, hint);
                }
            }
        }
        true
    });
}

/// Returns the sound files that the table of phrases beside a script names, apart from Asterisk's own.
#[cfg(feature = "speech")]
pub(super) fn played_by_phrases(checker: &Checker, script: &Path) -> Vec<String> {
    let Some((path, Ok(text))) = phrases_beside(checker, script) else { return Vec::new() };
    let (phrases, _) = Phrases::parse(&path.to_string_lossy(), &text);
    let names = phrases.sounds().map(|(_, name, _)| name);
    let own = names.filter(|name| !name.starts_with('/') && !Sounds::is_core(name) && !Sounds::is_extra(name));
    own.map(str::to_owned).collect()
}

/// Returns the findings in the table of phrases beside a script, and adds the sound files it plays to `played`.
fn phrases_table(checker: &Checker, script: &Path, played: &mut Vec<String>) -> Vec<Finding> {
    let Some((path, text)) = phrases_beside(checker, script) else { return Vec::new() };
    let text = match text {
        Ok(text) => text,
        Err(error) => return vec![Finding::of_encoding(&rules::BAD_PHRASES, &path, error)],
    };
    let (phrases, flaws) = Phrases::parse(&path.to_string_lossy(), &text);
    played.extend(phrases.sounds().map(|(_, name, _)| name.to_owned()));
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let mut findings = Vec::new();
    let mut add = |rule, line: usize, column, width, message, hint| {
        let source = lines.get(line - 1).copied().unwrap_or_default();
        findings.push(in_table(rule, &path, (line, column, width), source, message, hint));
    };
    for flaw in flaws {
        let rest = lines.get(flaw.line - 1).into_iter().flat_map(|line| line.chars().skip(flaw.column - 1));
        let width = rest.take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).count();
        add(&rules::BAD_PHRASES, flaw.line, flaw.column, width, flaw.message, flaw.hint);
    }
    let own = phrases.entries().filter(|(_, name, _)| Phrases::core().variants(name).next().is_none());
    for Untranslated { name, line, missing } in untranslated(own) {
        let message = format!("no phrase `{name}` in {}", headings(&missing));
        let hint = format!("add a line `{name}: ...` below [{}]", missing[0]);
        add(&rules::MISSING_TRANSLATION, line, 1, name.chars().count(), message, Some(hint));
    }
    let prompts = checker.files().text(&beside(script));
    let (words, spoken) = prompts.as_deref().map(names_and_languages).unzip();
    let folders = Folders::new(&checker.sounds, spoken.as_ref());
    let mut hints = Hints::default();
    for (_, name, line) in phrases.sounds() {
        if name.starts_with('/') || Sounds::is_core(name) {
            continue;
        }
        let source = lines.get(line - 1).copied().unwrap_or_default();
        let column = source.find(name).map_or(1, |at| source[..at].chars().count() + 1);
        let width = name.chars().count();
        if !checker.sounds.is_empty()
            && let Some(message) = folders.lack(name)
        {
            add(&rules::MISSING_SOUND, line, column, width, message, hints.find(|| folders.hint(name)));
        }
        if let Some(words) = &words
            && !words.contains(name)
            && !Sounds::is_extra(name)
        {
            let near = hints.near(name, words.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean \"{near}\"?"));
            let hint = hint.unwrap_or_else(|| format!("add a line `{name}: what it says`"));
            let table = beside(script);
            let table = table.file_name().unwrap_or_default().to_string_lossy();
            add(&rules::MISSING_WORDS, line, column, width, format!("no words for \"{name}\" in {table}"), Some(hint));
        }
    }
    findings
}

/// Creates a finding in a table, at this line, column and width.
fn in_table(
    rule: &'static Rule,
    table: &Path,
    (line, column, width): (usize, usize, usize),
    source: &str,
    message: String,
    hint: Option<String>,
) -> Finding {
    let (before, source) = around(source, column);
    Finding {
        rule: rule.name,
        severity: rule.severity,
        message,
        hint,
        script: table.to_string_lossy().into_owned(),
        line,
        column,
        width: width.max(1),
        source: source.to_owned(),
        missing: None,
        before,
    }
}

/// Returns the findings in the tables beside a script; without the script, only the errors in its table of prompts.
pub(super) fn table(checker: &Checker, script: &Path, parsed: Option<(&Engine, &AST)>) -> Vec<Finding> {
    // The table beside a test is that of the script under test, which plays the prompts.
    if Checker::is_test(script) && checker.files().text(&under_test(script)).is_some() {
        return Vec::new();
    }
    let mut played = Vec::new();
    let mut findings = if parsed.is_some() { phrases_table(checker, script, &mut played) } else { Vec::new() };
    let path = beside(script);
    let text = match checker.files().decoded(&path) {
        None => return findings,
        Some(Err(error)) => {
            findings.push(Finding::of_encoding(&rules::BAD_PROMPTS, &path, error));
            return findings;
        }
        Some(Ok(text)) => text,
    };
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let source = |line: usize| lines.get(line - 1).copied().unwrap_or_default();
    let others = findings.len();
    let mut add = |rule: &'static Rule, line: usize, width, message, hint| {
        let allowed = line.checked_sub(2).and_then(|above| lines.get(above)).is_some_and(|above| {
            above.trim_start().starts_with(';') && above.contains(&format!("agi-rhai: allow({})", rule.name))
        });
        if !allowed {
            findings.push(in_table(rule, &path, (line, 1, width), source(line), message, hint));
        }
    };
    let (prompts, errors) = parse_prompts(&text);
    for error in errors {
        let hint = if error.hint.starts_with("expected") {
            "write `name: words`, or begin the line with `;`"
        } else {
            error.hint
        };
        let width = source(error.line).chars().count();
        add(&rules::BAD_PROMPTS, error.line, width, error.problem, Some(hint.to_owned()));
    }
    let Some((engine, ast)) = parsed else { return findings };
    let reader = Reader::new(engine, checker.files(), checker.places(script));
    let imported: Vec<Rc<Imported>> = paths(ast).iter().filter_map(|name| reader.import(script, name)).collect();
    let imported = imports::all(&imported);
    let said = TextsAndNames::of(ast);
    let played: HashSet<String> = played.into_iter().collect();
    let may = |name: &str| {
        played.contains(name) || said.may_contain(name) || imported.iter().any(|i| i.said.may_contain(name))
    };
    let mut hints = Hints::default();
    let is_told = plays_what_it_is_told(checker.known_functions(script), ast);
    for Prompt { name, line, .. } in prompts.iter().filter(|prompt| !is_told && !may(&prompt.name)) {
        let near = hints.near(name, said.texts.iter().map(String::as_str));
        let hint = near.map(|near| format!("the script plays \"{near}\""));
        let message = format!("\"{name}\" is never played");
        add(&rules::UNUSED_PROMPT, *line, name.chars().count(), message, hint);
    }
    let entries = prompts.iter().map(|p| (p.language.as_deref().unwrap_or_default(), p.name.as_str(), p.line));
    for Untranslated { name, line, missing } in untranslated(entries) {
        let hint = format!("add a line `{name}: what it says` below [{}]", missing[0]);
        let message = format!("no words for \"{name}\" in {}", headings(&missing));
        add(&rules::MISSING_TRANSLATION, line, name.chars().count(), message, Some(hint));
    }
    findings[others..].sort_by_key(|finding| finding.line);
    findings
}

/// An entry of a table that some languages of the table lack.
struct Untranslated<'a> {
    name: &'a str,
    line: usize,
    missing: Vec<&'a str>,
}

/// Returns what some languages lack, among the entries of a table: their language, name and line. Without a language
/// are words for everybody, if the table has English ones besides; otherwise, they are words in a language as well.
fn untranslated<'a>(entries: impl Iterator<Item = (&'a str, &'a str, usize)>) -> Vec<Untranslated<'a>> {
    let mut languages: Vec<&str> = Vec::new();
    let mut all: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
    for (language, name, line) in entries {
        if !language.is_empty() && !languages.contains(&language) {
            languages.push(language);
        }
        all.entry(name).or_insert((line, Vec::new())).1.push(language);
    }
    let has_english = languages.iter().any(|language| is_english(language));
    let lacks = |there: &[&str], language: &str| {
        !parents(language).any(|parent| there.iter().any(|known| known.eq_ignore_ascii_case(parent)))
    };
    all.into_iter()
        .filter(|(_, (_, there))| !(has_english && there.contains(&"")))
        .map(|(name, (line, there))| {
            // What [de] lacks, [de_AT] lacks with it.
            let is_alone = |language: &str| !parents(language).skip(1).any(|parent| languages.contains(&parent));
            let missing = languages.iter().copied().filter(|language| lacks(&there, language) && is_alone(language));
            let missing = missing.collect();
            Untranslated { name, line, missing }
        })
        .filter(|entry| !entry.missing.is_empty())
        .collect()
}

/// Lists languages as they stand in a table: `[de], [fr]`.
fn headings(languages: &[&str]) -> String {
    languages.iter().map(|language| format!("[{language}]")).collect::<Vec<_>>().join(", ")
}

/// Folders of sound files.
struct Folders<'a> {
    paths: &'a [PathBuf],
    /// The languages for which one of the folders has a folder.
    languages: Vec<String>,
    /// Those of them in which the script speaks.
    spoken: Vec<String>,
}

impl<'a> Folders<'a> {
    /// `table` has the languages of the table of prompts beside the script. A script without a table is taken to speak
    /// all languages.
    fn new(folders: &'a [PathBuf], table: Option<&BTreeSet<String>>) -> Self {
        let inside = folders.iter().flat_map(|folder| disk::entries(folder)).filter(|path| disk::is_dir(path));
        let names = inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let mut languages: Vec<String> = names.filter(|name| is_language(name)).collect();
        languages.sort();
        languages.dedup();
        let has_words = |language: &String| table.is_none_or(|table| parents(language).any(|of| table.contains(of)));
        let spoken = languages.iter().filter(|language| has_words(language)).cloned().collect();
        Self { paths: folders, languages, spoken }
    }

    /// Whether there is a file of this name, in any format.
    fn has(&self, name: &str) -> bool {
        self.paths.iter().any(|folder| is_in(folder, name))
    }

    /// Returns what is missing, if some language lacks a file of this name.
    fn lack(&self, name: &str) -> Option<String> {
        let has = |language: &String| self.has(&format!("{language}/{name}"));
        if self.is_for_all_languages(name) {
            return None;
        }
        let there: Vec<&String> = self.languages.iter().filter(|language| has(language)).collect();
        let missing: Vec<&String> = self.spoken.iter().filter(|language| !there.contains(language)).collect();
        let list = |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        match (&there[..], &missing[..]) {
            ([], _) => Some(format!("no sound file \"{name}\"")),
            (_, []) => None,
            (there, missing) => Some(format!("no sound file \"{name}\" in {}, only in {}", list(missing), list(there))),
        }
    }

    /// Whether there is a file outside the folders of languages, which then serves all of them.
    fn is_for_all_languages(&self, name: &str) -> bool {
        let exists = |folder: &PathBuf| {
            let path = folder.join(name);
            let (Some(parent), Some(stem)) = (path.parent(), path.file_name()) else { return false };
            let stem = format!("{}.", stem.to_string_lossy());
            let names = disk::entries(parent).into_iter();
            let mut names = names.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
            names.any(|file| {
                file.strip_prefix(&stem).is_some_and(|ending| ENDINGS.contains(&ending) || !ending.contains('.'))
            }) && (is_in(folder, name) || unplayable(folder, name).is_none())
        };
        self.paths.iter().any(exists)
    }

    /// Returns a hint about a missing file.
    fn hint(&self, name: &str) -> Option<String> {
        let localized = |language: &String| format!("{language}/{name}");
        let names: Vec<String> = self.languages.iter().map(localized).chain([name.to_owned()]).collect();
        let is_somewhere = names.iter().any(|name| self.has(name));
        let mut places = names.into_iter().flat_map(|name| self.paths.iter().map(move |folder| (folder, name.clone())));
        if let Some((path, problem)) = places.find_map(|(folder, name)| unplayable(folder, &name)) {
            let path = path.display();
            return Some(format!("{path} {problem}; Asterisk plays wav files of 8000 Hz, mono, 16 bits"));
        }
        if Sounds::is_extra(name) {
            return Some("it is one of Asterisk's extra sounds, which are installed separately".to_owned());
        }
        if is_somewhere { None } else { self.near(name) }
    }

    /// Returns a hint with a file of a similar name.
    fn near(&self, name: &str) -> Option<String> {
        let (inside, _) = name.rsplit_once('/').map_or(("", name), |(folder, name)| (folder, name));
        let mut names = Vec::new();
        for folder in self.paths {
            let mut candidates = vec![folder.join(inside)];
            candidates.extend(self.languages.iter().map(|language| folder.join(language).join(inside)));
            for path in candidates.iter().flat_map(|folder| disk::entries(folder)) {
                if let Some(stem) = path.file_stem() {
                    let stem = stem.to_string_lossy();
                    names.push(if inside.is_empty() { stem.into_owned() } else { format!("{inside}/{stem}") });
                }
            }
        }
        nearest(name, names.iter().map(String::as_str)).map(|near| format!("did you mean \"{near}\"?"))
    }
}

/// Whether the name of a folder is that of a language: `en`, `de_CH`.
fn is_language(name: &str) -> bool {
    let (language, region) = name.split_once('_').unwrap_or((name, "XX"));
    let letters = |text: &str, case: fn(&char) -> bool| text.chars().all(|c| case(&c));
    (2..=3).contains(&language.len())
        && letters(language, char::is_ascii_lowercase)
        && region.len() == 2
        && letters(region, char::is_ascii_uppercase)
}
