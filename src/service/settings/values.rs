//! The values of settings that have a form of their own.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// The longest time that can be set.
const MAX_LENGTH: Duration = Duration::from_secs(24 * 3600);

/// A length of time, written with its unit: `"2s"`, `"500ms"`, `"1m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

/// A number of bytes, written with its unit: `"256KiB"`, `"1MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl Length {
    const UNITS: [(&'static str, &'static str); 12] = [
        ("", "s"),
        ("s", "s"),
        ("sec", "s"),
        ("secs", "s"),
        ("seconds", "s"),
        ("ms", "ms"),
        ("msec", "ms"),
        ("m", "m"),
        ("min", "m"),
        ("minutes", "m"),
        ("h", "h"),
        ("hours", "h"),
    ];
    const FORM: &'static str = "a length of time with its unit, such as \"2s\", \"500ms\" or \"1m\"";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let length = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()?;
        (!length.is_zero() && length <= MAX_LENGTH).then_some(Self(length))
    }
}

impl Size {
    const UNITS: [(&'static str, &'static str); 11] = [
        ("b", "B"),
        ("bytes", "B"),
        ("k", "KiB"),
        ("kb", "KiB"),
        ("kib", "KiB"),
        ("m", "MiB"),
        ("mb", "MiB"),
        ("mib", "MiB"),
        ("g", "GiB"),
        ("gb", "GiB"),
        ("gib", "GiB"),
    ];
    const FORM: &'static str = "a number of bytes with its unit, such as \"64KiB\" or \"1MiB\"";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let scale = match unit {
            "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            "GiB" => 1024 * 1024 * 1024,
            _ => return None,
        };
        let size = number.parse::<usize>().ok()?.checked_mul(scale)?;
        (size > 0).then_some(Self(size))
    }
}

/// Reads a text of this form. The error doesn't show it.
struct InForm<T> {
    form: &'static str,
    parse: fn(&str) -> Option<T>,
    /// Units as people write them, and what they are called here.
    units: &'static [(&'static str, &'static str)],
}

impl<T> InForm<T> {
    /// Returns what was meant, if only the unit is wrong.
    fn meant(&self, text: &str) -> Option<String> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
        let unit = unit.trim().to_lowercase();
        let (_, unit) = self.units.iter().find(|(written, _)| *written == unit)?;
        let meant = format!("{number}{unit}");
        (self.parse)(&meant).map(|_| meant)
    }
}

impl<T> Visitor<'_> for InForm<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.form)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| {
            // On a second line, the hint.
            let hint = self.meant(text).map(|meant| format!("\ndid you mean \"{meant}\"?"));
            E::custom(format_args!("this isn't {}{}", self.form, hint.unwrap_or_default()))
        })
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(InForm { form: Self::FORM, parse: Self::parse, units: &Self::UNITS })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(InForm { form: Self::FORM, parse: Self::parse, units: &Self::UNITS })
    }
}

/// A text that may hold a secret: it is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}
