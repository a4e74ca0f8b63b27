//! Escapes untrusted text before it is shown.

use std::borrow::Cow;

/// Whether a terminal or an editor would act on this character instead of showing it. This holds for control
/// characters, and for those that change the direction of writing, break lines or are invisible. Code points that will
/// never be characters count too: XML cannot hold two of them.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
                | '\u{fdd0}'..='\u{fdef}'
        )
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Escapes untrusted text, such as a caller's name or a script's value, for a terminal or a log. Hidden characters
/// become `\n`, `\u{1b}` and so on. All untrusted text that is shown goes through here.
///
/// ```
/// assert_eq!(agi_rhai::internals::printable("Zoë 電話"), "Zoë 電話");
/// assert_eq!(agi_rhai::internals::printable("a\x1b]0;b\u{9b}\n\u{202e}"), r"a\u{1b}]0;b\u{9b}\n\u{202e}");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// Escapes text of several lines. Its line breaks and tabs are trusted, and stay.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !matches!(c, '\n' | '\t') && is_hidden(c))
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return text.into();
    }
    let mut all = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) { all.extend(c.escape_default()) } else { all.push(c) }
    }
    all.into()
}
