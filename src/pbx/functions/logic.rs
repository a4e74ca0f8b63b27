//! Dialplan functions that decide.

use super::pattern::Pattern;
use crate::pbx::channel::Channel;
use crate::pbx::scan::leading_number;

/// The number that Asterisk's functions return for yes or no.
pub(super) fn flag(yes: bool) -> String {
    if yes { "1" } else { "0" }.to_owned()
}

pub(super) fn exists(_: &mut Channel, text: &str) -> Option<String> {
    Some(flag(!text.is_empty()))
}

pub(super) fn is_null(_: &mut Channel, text: &str) -> Option<String> {
    Some(flag(text.is_empty()))
}

/// `IF(condition?yes:no)`
pub(super) fn if_function(_: &mut Channel, text: &str) -> Option<String> {
    let (condition, branches) = split_outside_quotes(text, '?');
    let condition = condition.trim();
    if condition.is_empty() {
        return None;
    }
    let (yes, no) = split_outside_quotes(branches, ':');
    Some(strip_quotes(if is_true(condition) { yes } else { no }.trim()).to_owned())
}

/// Whether Asterisk considers a condition true: not if it is empty, or a number that is zero.
pub(in crate::pbx) fn is_true(condition: &str) -> bool {
    match condition.bytes().next() {
        None => false,
        Some(b'0'..=b'9') => leading_number(condition) != Some(0),
        Some(_) => true,
    }
}

/// Splits a text at the first such letter outside of quotes.
fn split_outside_quotes(text: &str, at: char) -> (&str, &str) {
    let mut quoted = false;
    for (index, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            _ if letter == at && !quoted => return (&text[..index], &text[index + at.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
}

fn strip_quotes(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// `SET(NAME=value)`, whose value is the new one.
pub(super) fn set(channel: &mut Channel, text: &str) -> Option<String> {
    let (name, value) = text.split_once('=')?;
    channel.set_variable(name.trim(), value.trim());
    Some(value.trim().to_owned())
}

/// `REGEX("pattern" text)`. Asterisk removes a backslash from the pattern before it reads it, so `\\.` is a dot.
pub(super) fn regex(_: &mut Channel, text: &str) -> Option<String> {
    let text = text.strip_prefix('"')?;
    let mut pattern = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            '"' => break,
            '\\' => pattern.extend(letters.next()),
            letter => pattern.push(letter),
        }
    }
    let text = letters.as_str();
    let text = text.strip_prefix([' ', '\t']).unwrap_or(text);
    Some(flag(Pattern::parse(&pattern)?.is_found_in(text)))
}

/// `EVAL(text)` expands what the text expands to.
pub(super) fn eval(channel: &mut Channel, text: &str) -> Option<String> {
    (!text.is_empty()).then(|| channel.expand(text))
}

/// `DIALPLAN_EXISTS(context,extension,priority)`
pub(super) fn dialplan_exists(channel: &mut Channel, text: &str) -> Option<String> {
    let mut parts = text.split(',').map(str::trim);
    let context = parts.next().filter(|context| !context.is_empty())?.to_owned();
    let (extension, priority) = (parts.next(), parts.next());
    let exists = channel.labels.iter().any(|label| {
        label.context == context
            && extension.is_none_or(|extension| label.extension == extension)
            && priority.is_none_or(|priority| {
                label.name.as_deref() == Some(priority) || leading_number(priority) == Some(label.priority)
            })
    });
    Some(flag(exists))
}
