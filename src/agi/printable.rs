//! Foreign text made fit to be shown.

use std::borrow::Cow;

/// Whether a terminal or an editor would do something at this character instead of showing it: control characters, and
/// those by which the direction of writing is turned, lines are broken or nothing is seen at all.
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
        )
}

/// A text from outside, such as a caller's name or a script's value, as it may be shown on a terminal or in a log: what
/// would not be seen is written out, `\n`, `\u{1b}`. Everything foreign that is shown goes through here.
///
/// ```
/// assert_eq!(agi_rhai::agi::printable("Zoë 電話"), "Zoë 電話");
/// assert_eq!(agi_rhai::agi::printable("a\x1b]0;b\u{9b}\n\u{202e}"), r"a\u{1b}]0;b\u{9b}\n\u{202e}");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    written_out(text, is_hidden)
}

/// The same for a text of several lines that are ours to break, and to indent.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    written_out(text, |c| !matches!(c, '\n' | '\t') && is_hidden(c))
}

fn written_out(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return text.into();
    }
    let mut all = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) { all.extend(c.escape_default()) } else { all.push(c) }
    }
    all.into()
}
