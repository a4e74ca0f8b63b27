//! Expansion of templates with `${...}`, and the encoding of URIs.

use super::scan::leading_number;
use std::fmt::Write as _;

/// Expands a template, looking names up with `read`.
pub(super) fn substitute(template: &str, depth: usize, read: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        text.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let (name, after) = split_at_closing_brace(inside);
        rest = after;
        let name = if depth > 0 && name.contains("${") { substitute(name, depth - 1, read) } else { name.to_owned() };
        let (name, range) = split_range(&name);
        if let Some(value) = read(name) {
            text.push_str(substring(&value, range));
        }
    }
    text.push_str(rest);
    text
}

/// Splits the text at the closing brace that matches; without one, all of it is inside.
fn split_at_closing_brace(text: &str) -> (&str, &str) {
    let mut open = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return (&text[..at], &text[at + 1..]);
        }
    }
    (text, "")
}

/// Splits `:offset:length` off a name, unless the colon is inside parentheses.
fn split_range(name: &str) -> (&str, (i64, i64)) {
    let mut open = 0_i32;
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'(' => open += 1,
            b')' => open -= 1,
            b':' if open == 0 => {
                let (offset, length) = match name[at + 1..].split_once(':') {
                    Some((offset, length)) => (offset, Some(length)),
                    None => (&name[at + 1..], None),
                };
                let number = |text: &str| leading_number(text).map(i64::from);
                let offset = number(offset);
                // As sscanf does: without an offset there is no length either.
                let length = offset.and(length).and_then(number).unwrap_or(i64::MAX);
                return (&name[..at], (offset.unwrap_or(0), length));
            }
            _ => {}
        }
    }
    (name, (0, i64::MAX))
}

/// Returns a part of a text. Both numbers count bytes, from the end if negative. Characters are never split.
fn substring(text: &str, (offset, length): (i64, i64)) -> &str {
    let all = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let from = if offset < 0 { (all + offset).max(0) } else { offset.min(all) };
    let to = if length < 0 { all + length } else { from.saturating_add(length).min(all) }.max(from);
    let boundary = |at: i64| {
        let mut at = usize::try_from(at).unwrap_or(0);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    &text[boundary(from)..boundary(to)]
}

pub(super) fn uri_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

pub(super) fn uri_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
