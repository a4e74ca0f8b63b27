//! Styles, and text that fits the screen.

use crate::terminal::colour_is_wanted;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
/// Styles by meaning. Without colour, bold and faint text carry the meaning.
pub struct Theme {
    pub faint: Style,
    pub strong: Style,
    pub accent: Style,
    pub good: Style,
    pub bad: Style,
    pub warning: Style,
    pub pressed: Style,
}

impl Theme {
    pub fn new() -> Self {
        let plain = Style::new();
        let colour = |colour| if colour_is_wanted() { plain.fg(colour) } else { plain };
        Self {
            faint: if colour_is_wanted() { plain.fg(Color::DarkGray) } else { plain.add_modifier(Modifier::DIM) },
            strong: plain.add_modifier(Modifier::BOLD),
            accent: colour(Color::Cyan),
            good: colour(Color::Green).add_modifier(Modifier::BOLD),
            bad: colour(Color::Red).add_modifier(Modifier::BOLD),
            warning: colour(Color::Yellow),
            pressed: colour(Color::Cyan).add_modifier(Modifier::BOLD | Modifier::REVERSED),
        }
    }
}

/// Returns the width of a text in columns.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Cuts a text to one line of at most this width, and replaces control characters.
pub fn fit(text: &str, max: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&text) <= max {
        return text;
    }
    let mut short = String::new();
    let mut taken = 0;
    for letter in text.chars() {
        let wide = width(letter.encode_utf8(&mut [0; 4]));
        if taken + wide + 1 > max {
            break;
        }
        taken += wide;
        short.push(letter);
    }
    if max > 0 {
        short.push('…');
    }
    short
}

/// Wraps a text into at most `lines` lines of this width, and cuts the last one.
pub fn wrap(text: &str, max: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match wrapped.last_mut() {
            Some(line) if wrapped_fits(line, word, max) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => wrapped.push(word.to_owned()),
        }
    }
    if wrapped.len() > lines && lines > 0 {
        let rest = wrapped.split_off(lines - 1).join(" ");
        wrapped.push(rest);
    }
    wrapped.iter().map(|line| fit(line, max)).collect()
}

fn wrapped_fits(line: &str, word: &str, max: usize) -> bool {
    width(line) + 1 + width(word) <= max
}
