//! One table of `agi-rhai.toml` while it is read.

use super::keys::keys_of;
use super::mistake::SettingsError;
use super::values::Secret;
use crate::disk;
use crate::similar::nearest;
use crate::transport::Failure;
use crate::utf8;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A result whose error has its place in the file.
pub(super) type Read<T> = Result<T, Box<SettingsError>>;

/// What the settings are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To reach the services. Every variable is set, and every file is there.
    Use,
    /// To know their names and what scripts may ask of them, maybe on another machine: variables may be unset, and
    /// files missing.
    Names,
}

/// The file that is being read.
pub(super) struct File<'a> {
    pub path: &'a Path,
    pub text: &'a str,
    pub purpose: Purpose,
    /// The options that may be set beside services.
    pub options: &'a [&'a str],
    /// The other files that it names and whose content matters.
    pub others: &'a mut Vec<PathBuf>,
}

impl File<'_> {
    /// Creates an error about a part of the text.
    pub fn wrong(&self, place: Range<usize>, message: impl Into<String>) -> Box<SettingsError> {
        SettingsError::at(self.path, self.text, place, self.options, message)
    }

    /// Returns a path that is named in the file: relative ones begin at its folder.
    pub fn path(&self, named: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| named.to_owned(), |folder| folder.join(named))
    }
}

/// A table of the file.
pub(super) struct Section<'f, 'a> {
    pub file: &'f mut File<'a>,
    /// Its name, such as `http.weather`.
    pub name: String,
    /// Where it is named.
    pub place: Range<usize>,
    pub keys: DeTable<'a>,
}

impl Section<'_, '_> {
    /// Reads the values of the table.
    pub fn values<T: DeserializeOwned>(&mut self) -> Read<T> {
        let known = keys_of::<T>();
        for key in self.keys.keys() {
            let name = key.get_ref();
            if !known.contains(&&**name) {
                let message = format!("`{name}` isn't a setting of `[{}]`", self.name);
                let error = self.file.wrong(key.span(), message);
                return Err(match similar(name, known) {
                    Some(meant) => error.did_you_mean(Some(meant)),
                    None => error.with_hint(format!("it has {}", known.join(", "))),
                });
            }
        }
        let table = Spanned::new(self.place.clone(), DeValue::Table(self.keys.clone()));
        T::deserialize(ValueDeserializer::from(table)).map_err(|error| {
            let place = error.span().unwrap_or_else(|| self.place.clone());
            let (message, hint) = error.message().split_once('\n').unwrap_or((error.message(), ""));
            let error = self.file.wrong(place, self.explain(message));
            if hint.is_empty() { error } else { error.with_hint(hint) }
        })
    }

    /// Explains an error of serde, without the value.
    fn explain(&self, message: &str) -> String {
        if let Some(key) = message.strip_prefix("missing field ") {
            return format!("`[{}]` lacks {key}", self.name);
        }
        let invalid = ["invalid type: ", "invalid value: ", "invalid length "];
        let Some(found) = invalid.iter().find_map(|prefix| message.strip_prefix(prefix)) else {
            return message.to_owned();
        };
        let expected = found.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
        let expected = match expected {
            "a string" | "path string" => "a text",
            "a boolean" => "true or false",
            "usize" => "a whole number",
            "a sequence" => "a list of texts",
            "a map" => "a table",
            other if other.starts_with("struct ") => "a table",
            other => other,
        };
        let kinds = [
            ("string", "a text"),
            ("integer", "a whole number"),
            ("floating point", "a number"),
            ("boolean", "true or false"),
            ("sequence", "a list"),
            ("map", "a table"),
        ];
        let found = kinds.iter().find(|(kind, _)| found.starts_with(kind));
        match found {
            Some((_, found)) if *found != expected => format!("expected {expected}, not {found}"),
            _ => format!("expected {expected}"),
        }
    }

    /// Creates an error about the value of a key, or about the whole table if it hasn't that key.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> Box<SettingsError> {
        let place = self.keys.get(key).map_or_else(|| self.place.clone(), Spanned::span);
        self.file.wrong(place, message)
    }

    /// Returns an error about an element of a list.
    pub fn wrong_element(&self, key: &str, index: usize, message: impl Into<String>) -> Box<SettingsError> {
        let list = self.keys.get(key).and_then(|value| value.get_ref().as_array());
        match list.and_then(|list| list.get(index)) {
            Some(element) => self.file.wrong(element.span(), message),
            None => self.wrong(key, message),
        }
    }

    /// Reads the secret in the file that a key names.
    pub fn secret(&mut self, key: &str, named: &mut Option<PathBuf>) -> Read<Option<Secret>> {
        let Some(path) = self.found(key, named)? else { return Ok(None) };
        let cannot = |why: &dyn std::fmt::Display| self.wrong(key, format!("cannot read {}: {why}", path.display()));
        let bytes = disk::read(&path).map_err(|error| cannot(&error))?;
        let text = utf8::decode(&bytes).map_err(|_| cannot(&"it isn't UTF-8"))?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() {
            return Err(self.wrong(key, format!("{} is empty", path.display())));
        }
        if text.contains(char::is_control) {
            return Err(self.wrong(key, format!("{} holds more than one line of text", path.display())));
        }
        Ok(Some(Secret(text.to_owned())))
    }

    /// Reads the certificates in the file that a key names.
    pub fn certificates(&mut self, key: &str, named: &mut Option<PathBuf>) -> Read<Option<Secret>> {
        let Some(path) = self.found(key, named)? else { return Ok(None) };
        let cannot = |why: &dyn std::fmt::Display| self.wrong(key, format!("{} can't be used: {why}", path.display()));
        let bytes = disk::read(&path).map_err(|error| cannot(&error))?;
        let text = utf8::decode(&bytes).map_err(|_| cannot(&"it isn't UTF-8"))?;
        #[cfg(feature = "tls")]
        crate::service::tls::certificates(text).map_err(|why| cannot(&why))?;
        Ok(Some(Secret(text.to_owned())))
    }

    /// Checks that the values make a client, which connects to nobody yet. What is wrong is found where the key is
    /// that the reason names.
    pub fn usable<T>(&self, client: impl FnOnce() -> Result<T, Failure>) -> Read<()> {
        if self.holds_variables() {
            return Ok(());
        }
        let Err(failure) = client() else { return Ok(()) };
        let message = failure.message;
        let place = |key: &str| message.find(&format!("`{key}`")).or_else(|| message.find(&format!("] {key}`")));
        let named = self.keys.keys().filter_map(|key| Some((place(key.get_ref())?, key.get_ref())));
        let key = named.min().map_or("", |(_, key)| key);
        Err(self.wrong(key, message))
    }

    /// Whether a value isn't known, since a variable of the environment isn't set.
    pub fn holds_variables(&self) -> bool {
        fn is_open(value: &DeValue) -> bool {
            match value {
                DeValue::String(text) => text.contains("${"),
                DeValue::Array(values) => values.iter().any(|value| is_open(value.get_ref())),
                DeValue::Table(values) => values.values().any(|value| is_open(value.get_ref())),
                _ => false,
            }
        }
        self.file.purpose == Purpose::Names && self.keys.values().any(|value| is_open(value.get_ref()))
    }

    /// Checks that the file that a key names is there.
    pub fn found(&mut self, key: &str, named: &mut Option<PathBuf>) -> Read<Option<PathBuf>> {
        let Some(named) = named else { return Ok(None) };
        *named = self.file.path(named);
        if self.file.purpose == Purpose::Names {
            return Ok(None);
        }
        self.file.others.push(named.clone());
        match std::fs::metadata(&named) {
            Ok(_) => Ok(Some(named.clone())),
            Err(error) => Err(self.wrong(key, format!("cannot read {}: {error}", named.display()))),
        }
    }
}

/// Returns which of these names may have been meant. On the command line they have dashes.
pub(super) fn similar<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.replace('-', "_");
    let same = known.iter().find(|known| **known == name || known.strip_suffix("_file") == Some(&name));
    same.copied().or_else(|| nearest(&name, known.iter().copied()))
}
