//! The values of settings that have a form of their own.

use serde::{Deserialize, Deserializer, de::Error};
use std::fmt;
use std::time::Duration;

/// A duration with its unit: `"2s"`, `"500ms"`, `"1m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(D::Error::custom(format!("`{text}` is not a duration such as \"2s\" or \"500ms\""))),
        };
        let number: f64 = number.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a duration")))?;
        Duration::try_from_secs_f64(number * scale).map(Self).map_err(D::Error::custom)
    }
}

/// A number of bytes with its unit: `"256KiB"`, `"1MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let scale = match unit {
            "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return Err(D::Error::custom(format!("`{text}` is not a size such as \"256KiB\" or \"1MiB\""))),
        };
        let number: usize = number.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a size")))?;
        Ok(Self(number.saturating_mul(scale)))
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
