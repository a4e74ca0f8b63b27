//! Dialplan functions of AstDB.

use super::logic::flag;
use crate::pbx::channel::Channel;

/// Splits `family/key`.
fn entry(text: &str) -> Option<(&str, &str)> {
    text.split_once('/')
}

/// Returns a value, which `DB_RESULT` then holds, too.
fn found(channel: &mut Channel, (family, key): (&str, &str)) -> Option<String> {
    let value = channel.database.get(family, key)?;
    channel.variables.set("DB_RESULT", &value);
    Some(value)
}

pub(super) fn read(channel: &mut Channel, text: &str) -> Option<String> {
    Some(found(channel, entry(text)?).unwrap_or_default())
}

pub(super) fn write(channel: &mut Channel, text: &str, value: &str) {
    if let Some((family, key)) = entry(text) {
        channel.database.put(family, key, value);
    }
}

pub(super) fn exists(channel: &mut Channel, text: &str) -> Option<String> {
    Some(flag(found(channel, entry(text)?).is_some()))
}

/// `DB_DELETE` returns the value that it deletes.
pub(super) fn delete(channel: &mut Channel, text: &str) -> Option<String> {
    let value = read(channel, text);
    write_delete(channel, text, "");
    value
}

pub(super) fn write_delete(channel: &mut Channel, text: &str, _: &str) {
    if let Some((family, key)) = entry(text) {
        channel.database.del(family, key);
    }
}

/// Returns the keys below a prefix, without it.
fn below(channel: &Channel, prefix: &str) -> Vec<String> {
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { "/".to_owned() } else { format!("/{prefix}/") };
    let entries = channel.database.entries();
    entries.into_iter().filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// `DB_KEYS(prefix)`: the next part of each key below the prefix.
pub(super) fn keys(channel: &mut Channel, prefix: &str) -> Option<String> {
    let mut keys: Vec<String> =
        below(channel, prefix).iter().map(|key| key.split('/').next().unwrap_or_default().to_owned()).collect();
    keys.sort();
    keys.dedup();
    Some(keys.join(","))
}

/// `DB_KEYCOUNT(prefix)`
pub(super) fn key_count(channel: &mut Channel, prefix: &str) -> Option<String> {
    Some(below(channel, prefix).len().to_string())
}
