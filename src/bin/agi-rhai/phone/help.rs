//! The line of keys at the bottom, and the page of help.

use super::state::PhoneState;
use super::style::{Theme, fit, width};
use super::ui::Ui;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
/// Returns as many keys with their meanings as fit into one line.
pub fn help_line<'a>(view: &PhoneState, ui: &Ui, wide: usize) -> Line<'a> {
    let keys: &[(&str, &str)] = if ui.text.is_some() {
        &[("Enter", "sends"), ("Esc", "cancels")]
    } else if view.call.as_ref().is_some_and(|call| call.speech && call.end.is_none()) {
        &[("m", "say something"), ("0-9 * # A-D", "keys"), ("h", "hang up"), ("q", "quit"), ("?", "help")]
    } else if view.on_call() {
        &[
            ("0-9 * # A-D", "keys"),
            ("h", "hang up"),
            ("q", "quit"),
            ("?", "help"),
            ("s", "script"),
            ("l", "log"),
            ("t", "dialogue"),
            ("v", "values"),
        ]
    } else {
        &[
            ("Enter", "call"),
            ("q", "quit"),
            ("?", "help"),
            ("s", "script"),
            ("l", "log"),
            ("t", "dialogue"),
            ("v", "values"),
            ("↑↓", "scroll"),
        ]
    };
    let mut spans = Vec::new();
    let mut taken = 1;
    for (key, what) in keys {
        let long = width(key) + width(what) + 3;
        if taken + long > wide {
            break;
        }
        taken += long;
        spans.push(Span::styled(format!(" {key}"), ui.theme.strong));
        spans.push(Span::styled(format!(" {what} "), ui.theme.faint));
    }
    Line::from(spans)
}

/// All keys, for the page of help.
const HELP: [(&str, &str); 13] = [
    ("0-9 * # A-D", "the keys of the phone; a-d are A-D"),
    ("h", "hangs up"),
    ("Enter", "calls again, between calls"),
    ("m", "says something, or sends a text"),
    ("s", "the script: opens, closes"),
    ("l", "the log: what the script prints"),
    ("t", "the dialogue with Asterisk"),
    ("v", "variables: script, channel, AstDB"),
    ("↑ ↓ PgUp PgDn", "scroll the history"),
    ("End", "back to the last lines"),
    ("Ctrl-L", "redraws the screen"),
    ("Ctrl-Z", "suspends; fg resumes"),
    ("q Ctrl-C", "quits"),
];

pub fn draw_help(frame: &mut Frame<'_>, theme: &Theme, area: Rect) {
    let (wide, high) = (56.min(area.width), (u16::try_from(HELP.len()).unwrap_or(0) + 4).min(area.height));
    let area = Rect::new((area.width - wide) / 2, (area.height - high) / 2, wide, high);
    frame.render_widget(Clear, area);
    let block = Block::bordered().border_style(theme.faint).title(Span::styled(" Keys ", theme.accent));
    let block = block.title_bottom(Span::styled(" any key closes this page ", theme.faint));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let line = |(key, what): &(&'static str, &'static str)| {
        let gap = 15_usize.saturating_sub(width(key));
        Line::from(vec![
            Span::styled(format!("  {key}{}", " ".repeat(gap)), theme.strong),
            Span::raw(fit(what, usize::from(wide).saturating_sub(21))),
        ])
    };
    let mut lines = vec![Line::raw("")];
    lines.extend(HELP.iter().map(line));
    frame.render_widget(Paragraph::new(lines), inner);
}
