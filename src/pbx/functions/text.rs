//! Dialplan functions of texts and of lists in variables.

use super::arguments::Arguments;
use crate::pbx::channel::Channel;
use crate::pbx::expansion::{uri_decode, uri_encode};
use crate::pbx::scan::leading_number;

pub(super) fn len(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.len().to_string())
}

pub(super) fn to_lower(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.to_ascii_lowercase())
}

pub(super) fn to_upper(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.to_ascii_uppercase())
}

pub(super) fn encode_uri(_: &mut Channel, text: &str) -> Option<String> {
    Some(uri_encode(text))
}

pub(super) fn decode_uri(_: &mut Channel, text: &str) -> Option<String> {
    Some(uri_decode(text))
}

pub(super) fn pass_through(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// `QUOTE(text)`
pub(super) fn quote(_: &mut Channel, text: &str) -> Option<String> {
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// `CSV_QUOTE(text)`
pub(super) fn csv_quote(_: &mut Channel, text: &str) -> Option<String> {
    Some(format!("\"{}\"", text.replace('"', "\"\"")))
}

pub(super) fn trim(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.trim().to_owned())
}

pub(super) fn trim_start(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.trim_start().to_owned())
}

pub(super) fn trim_end(_: &mut Channel, text: &str) -> Option<String> {
    Some(text.trim_end().to_owned())
}

/// `FILTER(allowed,text)` keeps the allowed characters, among which `a-z` is a range.
pub(super) fn filter(_: &mut Channel, text: &str) -> Option<String> {
    let (allowed, text) = text.split_once(',')?;
    let mut ranges = Vec::new();
    let mut letters = unescaped(allowed).chars().collect::<Vec<_>>().into_iter().peekable();
    while let Some(from) = letters.next() {
        let to = letters.next_if_eq(&'-').and_then(|_| letters.next()).unwrap_or(from);
        ranges.push(from..=to);
    }
    Some(text.chars().filter(|letter| ranges.iter().any(|range| range.contains(letter))).collect())
}

/// Replaces C's escapes, such as `\n` and `\x30`.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut letters = after.chars();
        match letters.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('x') => {
                let code = letters.as_str().get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                plain.extend(code.map(char::from));
                letters = letters.as_str().get(2..).unwrap_or("").chars();
            }
            Some(letter) => plain.push(letter),
            None => {}
        }
        rest = letters.as_str();
    }
    plain + rest
}

/// Returns the delimiter of a list: a comma if none is given.
fn delimiter(text: &str, otherwise: char) -> char {
    unescaped(text).chars().next().unwrap_or(otherwise)
}

/// `REPLACE(variable,find-letters,letter)` replaces letters, or removes them.
pub(super) fn replace(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 3);
    let letters = arguments.given(1)?.to_owned();
    let by = arguments.get(2).chars().next();
    let value = channel.get_variable(arguments.get(0))?;
    Some(value.chars().filter_map(|letter| if letters.contains(letter) { by } else { Some(letter) }).collect())
}

/// `STRREPLACE(variable,find,replacement,most)`
pub(super) fn replace_text(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 4);
    let find = arguments.given(1)?;
    let most = leading_number(arguments.get(3)).and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0);
    let value = channel.get_variable(arguments.get(0))?;
    Some(value.replacen(find, arguments.get(2), most.unwrap_or(usize::MAX)))
}

/// `CUT(variable,delimiter,fields)`, whose fields are such as `2`, `1-2`, `2-` and `1&3`.
pub(super) fn cut(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 3);
    let fields = arguments.given(2)?;
    let delimiter = delimiter(arguments.get(1), '-');
    let value = channel.get_variable(arguments.get(0)).unwrap_or_default();
    let all: Vec<&str> = value.split(delimiter).collect();
    let mut chosen: Vec<&str> = Vec::new();
    for field in fields.split('&') {
        let (from, to) = match field.split_once('-') {
            None => (leading_number(field)?, leading_number(field)?),
            Some((from, to)) => (leading_number(from).unwrap_or(1), leading_number(to).unwrap_or(i32::MAX)),
        };
        let from = usize::try_from(from).ok()?.max(1);
        let to = usize::try_from(to).ok()?.min(all.len());
        chosen.extend(all.get(from - 1..to.max(from - 1)).unwrap_or_default());
    }
    Some(chosen.join(&delimiter.to_string()))
}

/// Returns the items of a list in a variable, and their delimiter.
fn list_of(channel: &mut Channel, name: &str, by: &str) -> (Vec<String>, char) {
    let delimiter = delimiter(by, ',');
    let value = channel.get_variable(name).unwrap_or_default();
    let items = if value.is_empty() { Vec::new() } else { value.split(delimiter).map(str::to_owned).collect() };
    (items, delimiter)
}

fn joined(items: &[String], delimiter: char) -> String {
    items.join(&delimiter.to_string())
}

/// `FIELDQTY(variable,delimiter)`
pub(super) fn field_count(channel: &mut Channel, text: &str) -> Option<String> {
    let (name, by) = text.split_once(',').unwrap_or((text, ""));
    Some(list_of(channel, name, by).0.len().to_string())
}

/// `FIELDNUM(variable,delimiter,item)`
pub(super) fn field_number(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 3);
    let (items, _) = list_of(channel, arguments.get(0), arguments.get(1));
    let found = items.iter().position(|item| item == arguments.get(2));
    Some(found.map_or(0, |at| at + 1).to_string())
}

/// `LISTFILTER(variable,delimiter,item)` leaves an item out.
pub(super) fn without_item(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 3);
    let (mut items, delimiter) = list_of(channel, arguments.get(0), arguments.get(1));
    items.retain(|item| item != arguments.get(2));
    Some(joined(&items, delimiter))
}

/// `STRBETWEEN(variable,text)` puts a text between the letters.
pub(super) fn between(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    let value = channel.get_variable(arguments.get(0))?;
    Some(value.chars().map(String::from).collect::<Vec<_>>().join(arguments.get(1)))
}

pub(super) fn pop(channel: &mut Channel, text: &str) -> Option<String> {
    take(channel, text, Vec::pop)
}

pub(super) fn shift(channel: &mut Channel, text: &str) -> Option<String> {
    take(channel, text, |items| (!items.is_empty()).then(|| items.remove(0)))
}

/// Takes an item off the list in a variable.
fn take(channel: &mut Channel, text: &str, item: fn(&mut Vec<String>) -> Option<String>) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    channel.get_variable(arguments.get(0))?;
    let (mut items, delimiter) = list_of(channel, arguments.get(0), arguments.get(1));
    let item = item(&mut items).unwrap_or_default();
    channel.set_variable(arguments.get(0), &joined(&items, delimiter));
    Some(item)
}

pub(super) fn push(channel: &mut Channel, text: &str, value: &str) {
    let arguments = Arguments::new(text, 2);
    let (mut items, delimiter) = list_of(channel, arguments.get(0), arguments.get(1));
    items.push(value.to_owned());
    channel.set_variable(arguments.get(0), &joined(&items, delimiter));
}

pub(super) fn unshift(channel: &mut Channel, text: &str, value: &str) {
    let arguments = Arguments::new(text, 2);
    let (mut items, delimiter) = list_of(channel, arguments.get(0), arguments.get(1));
    items.insert(0, value.to_owned());
    channel.set_variable(arguments.get(0), &joined(&items, delimiter));
}

/// `ARRAY(name,name)`
pub(super) fn write_array(channel: &mut Channel, text: &str, value: &str) {
    let values = Arguments::new(value, usize::MAX);
    for (at, name) in text.split(',').enumerate() {
        channel.set_variable(name.trim(), values.get(at));
    }
}

/// `KEYPADHASH(name)`: the keys on which these letters are printed.
pub(super) fn keypad(_: &mut Channel, text: &str) -> Option<String> {
    let key = |letter: char| {
        Some(match letter.to_ascii_lowercase() {
            '1' => '1',
            '2' | 'a'..='c' => '2',
            '3' | 'd'..='f' => '3',
            '4' | 'g'..='i' => '4',
            '5' | 'j'..='l' => '5',
            '6' | 'm'..='o' => '6',
            '7' | 'p'..='s' => '7',
            '8' | 't'..='v' => '8',
            '9' | 'w'..='z' => '9',
            '0' => '0',
            _ => return None,
        })
    };
    Some(text.chars().filter_map(key).collect())
}
