//! Reads `agi-rhai.toml`.

use super::checks::Checked;
use super::keys::keys_of;
use super::mistake::SettingsError;
use super::section::{File, Purpose, Read, Section, similar};
use super::{Settings, SpeechSettings};
use crate::agi::printable;
use crate::disk;
use crate::utf8::{self, NotUtf8};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What `agi-rhai.toml` holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The services.
    pub settings: Settings,
    /// The options of the program, in the order of their names.
    pub options: Vec<OptionSetting>,
}

/// An option of the program that is set in `agi-rhai.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSetting {
    /// Its name, such as `max_calls`.
    pub name: String,
    /// Its value, or its values if it is a list.
    pub values: Vec<String>,
    /// Whether it is `true` or `false`, rather than a text or a number.
    pub is_flag: bool,
    /// An error at its place, without a message.
    place: SettingsError,
}

impl OptionSetting {
    /// Returns the error that this is no value of the option.
    pub fn wrong(&self, message: impl Into<String>) -> Box<SettingsError> {
        Box::new(SettingsError { message: message.into(), ..self.place.clone() })
    }
}

impl Settings {
    /// Reads the services from a file, with the variables and the files that it names.
    ///
    /// # Errors
    /// The file can't be read, or has a mistake.
    pub fn read(file: &Path) -> Result<Self, Box<SettingsError>> {
        read(file, &[], Purpose::Use, &mut Vec::new()).map(|contents| contents.settings)
    }
}

/// Reads a file, in which options of these names may be set besides the services. Adds the files that it names to
/// `others`: passwords, tokens and certificates.
///
/// # Errors
/// The file can't be read, or has a mistake.
pub fn read(file: &Path, options: &[&str], purpose: Purpose, others: &mut Vec<PathBuf>) -> Read<Contents> {
    let bytes = disk::read(file).map_err(|error| SettingsError::of_file(file, format!("cannot read it: {error}")))?;
    let text = utf8::decode(&bytes).map_err(|NotUtf8 { line, column, message, hint, .. }| {
        let error = SettingsError::of_file(file, message).with_hint(hint);
        Box::new(SettingsError { line, column, ..*error })
    })?;
    let tree = DeTable::parse(text).map_err(|error| {
        let place = error.span().unwrap_or_default();
        SettingsError::at(file, text, place, options, error.message().replace('\n', " "))
    })?;
    let mut file = File { path: file, text, purpose, options, others };
    let mut contents = Contents::default();
    let settings = &mut contents.settings;
    let mut manager_of_calls = 0..0;
    for (key, mut value) in tree.into_inner() {
        let place = key.span();
        match &**key.get_ref() {
            "http" => settings.http = named(&mut file, "http", place, value)?,
            "sql" => settings.sql = named(&mut file, "sql", place, value)?,
            "mail" => settings.mail = named(&mut file, "mail", place, value)?,
            "program" => settings.program = named(&mut file, "program", place, value)?,
            "manager" => settings.manager = named(&mut file, "manager", place, value)?,
            "store" => settings.store = Some(one(&mut file, "store".to_owned(), place, value)?),
            "callout" => {
                let manager = value.get_ref().as_table().and_then(|keys| keys.get("manager"));
                manager_of_calls = manager.map(Spanned::span).unwrap_or_default();
                settings.callout = Some(one(&mut file, "callout".to_owned(), place, value)?);
            }
            "speech" => settings.speech = Some(speech(&mut file, place, value)?),
            name if options.contains(&name) => {
                expand(&file, &mut value)?;
                contents.options.push(option(&file, name, &value)?);
            }
            name => {
                let known = [keys_of::<Settings>(), options].concat();
                let message = format!("`{name}` is neither a kind of service nor an option");
                return Err(file.wrong(place, message).did_you_mean(similar(name, &known)));
            }
        }
    }
    let manager = contents.settings.callout.as_ref().and_then(|callout| callout.manager.as_ref());
    if let Some(manager) = manager.filter(|name| !name.contains("${") || purpose == Purpose::Use)
        && !contents.settings.manager.contains_key(manager)
    {
        let known: Vec<&str> = contents.settings.manager.keys().map(String::as_str).collect();
        let error = file.wrong(manager_of_calls, format!("there is no `[manager.{}]`", printable(manager)));
        return Err(error.did_you_mean(similar(manager, &known)));
    }
    Ok(contents)
}

/// Reads `[speech]`, with the engines in it.
fn speech<'a>(file: &mut File<'a>, place: Range<usize>, mut value: Spanned<DeValue<'a>>) -> Read<SpeechSettings> {
    let mut engines = |kind| match value.get_mut() {
        DeValue::Table(keys) => keys.remove_entry(kind),
        _ => None,
    };
    let (tts, stt) = (engines("tts"), engines("stt"));
    let mut speech: SpeechSettings = one(file, "speech".to_owned(), place, value)?;
    if let Some((key, engines)) = tts {
        speech.tts = named(file, "speech.tts", key.span(), engines)?;
    }
    if let Some((key, engines)) = stt {
        speech.stt = named(file, "speech.stt", key.span(), engines)?;
    }
    Ok(speech)
}

/// Reads the services of a kind, by name.
fn named<'a, T: Checked + DeserializeOwned>(
    file: &mut File<'a>,
    kind: &str,
    place: Range<usize>,
    value: Spanned<DeValue<'a>>,
) -> Read<BTreeMap<String, T>> {
    let DeValue::Table(services) = value.into_inner() else {
        return Err(no_name(file, kind, place));
    };
    let mut found = BTreeMap::new();
    for (name, value) in services {
        let place = name.span();
        let name = name.into_inner().into_owned();
        if !value.get_ref().is_table() {
            return Err(no_name(file, kind, place));
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(is_part) {
            let message = "the name of a service is made of letters, digits, `_` and `-`";
            return Err(file.wrong(place, message));
        }
        let service = one(file, format!("{kind}.{name}"), place, value)?;
        found.insert(name, service);
    }
    Ok(found)
}

fn no_name(file: &File, kind: &str, place: Range<usize>) -> Box<SettingsError> {
    let error = file.wrong(place, format!("services of this kind have names, as in `[{kind}.NAME]`"));
    error.with_hint("a script asks a service by its name")
}

/// Reads one service.
fn one<'a, T: Checked + DeserializeOwned>(
    file: &mut File<'a>,
    name: String,
    place: Range<usize>,
    mut value: Spanned<DeValue<'a>>,
) -> Read<T> {
    expand(file, &mut value)?;
    let DeValue::Table(mut keys) = value.into_inner() else {
        return Err(file.wrong(place, format!("`{name}` is a table: `[{name}]`")));
    };
    if file.purpose == Purpose::Names {
        // A variable that isn't set here stands for a value that isn't known.
        for key in ["timeout", "max_body", "max_output", "max_size"] {
            if keys.get(key).and_then(|value| value.get_ref().as_str()).is_some_and(|text| text.contains("${")) {
                keys.remove(key);
            }
        }
    }
    let mut section = Section { file, name, place, keys };
    let mut settings: T = section.values()?;
    settings.check(&mut section)?;
    Ok(settings)
}

/// Reads an option of the program.
fn option(file: &File, name: &str, value: &Spanned<DeValue>) -> Read<OptionSetting> {
    let text = |value: &Spanned<DeValue>| match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(value) => Ok(value.to_string()),
        _ => Err(file.wrong(value.span(), format!("expected a value of the option `{name}`"))),
    };
    let values = match value.get_ref() {
        DeValue::Array(values) => values.iter().map(text).collect::<Read<Vec<_>>>()?,
        _ => vec![text(value)?],
    };
    let is_flag = value.get_ref().is_bool();
    Ok(OptionSetting { name: name.to_owned(), values, is_flag, place: *file.wrong(value.span(), "") })
}

/// Replaces `${NAME}` by the variable of the environment, in every text. `$${` stands for `${`.
fn expand(file: &File, value: &mut Spanned<DeValue>) -> Read<()> {
    let place = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => {
            let expanded = expanded(file, text, &place)?;
            *text = DeString::Owned(expanded);
            Ok(())
        }
        DeValue::Array(values) => values.iter_mut().try_for_each(|value| expand(file, value)),
        DeValue::Table(values) => values.iter_mut().try_for_each(|(_, value)| expand(file, value)),
        _ => Ok(()),
    }
}

fn expanded(file: &File, text: &str, place: &Range<usize>) -> Read<String> {
    // In the file, where the text may be written with escapes.
    let at = |written: &str| {
        let offset = file.text.get(place.clone()).and_then(|text| text.find(written)).unwrap_or(0);
        place.start + offset..place.end
    };
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, variable)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            whole.extend([before, "${"]);
            rest = variable;
            continue;
        }
        whole.push_str(before);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let Some((name, after)) = variable.split_once('}').filter(|(name, _)| name.chars().all(is_part)) else {
            let error = file.wrong(at("${"), "a variable of the environment is written as `${NAME}`");
            return Err(error.with_hint("`$${` stands for `${` itself"));
        };
        match std::env::var(name) {
            Ok(value) => whole.push_str(&value),
            Err(_) if file.purpose == Purpose::Names => whole.extend(["${", name, "}"]),
            Err(_) => {
                let message = format!("the environment has no `{name}`");
                return Err(file.wrong(at(&format!("${{{name}}}")), message));
            }
        }
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole)
}
