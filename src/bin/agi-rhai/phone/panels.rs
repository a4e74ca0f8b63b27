//! The panels of the screen: history, variables and AstDB, log, dialogue, script and fault.

use super::state::{CallState, HistoryEntry, HistoryEvent, KeyFate, LineSound, PhoneState, manner};
use super::style::{Theme, fit, width, wrap};
use super::ui::Ui;
use crate::text::call_time;
use agi_rhai::Status;
use agi_rhai::internals::ScriptFrame;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use std::sync::Arc;
/// Draws the title of a panel and returns the area below it.
pub fn panel(frame: &mut Frame<'_>, title: &str, theme: &Theme, area: Rect) -> Rect {
    let title = fit(title, usize::from(area.width).saturating_sub(4));
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(theme.faint)
        .title(Line::from(vec![Span::styled("─ ", theme.faint), Span::styled(format!("{title} "), theme.accent)]));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

pub fn draw_history(frame: &mut Frame<'_>, view: &PhoneState, ui: &mut Ui, area: Rect) {
    let high = usize::from(area.height.saturating_sub(1));
    let max = view.history.len().saturating_sub(high);
    ui.scroll = ui.scroll.min(max);
    let title = match ui.scroll {
        0 => "Said and pressed".to_owned(),
        below => format!("Said and pressed ({below} more below)"),
    };
    let inner = panel(frame, &title, &ui.theme, area);
    let wide = usize::from(inner.width).saturating_sub(1);
    let skipped = max - ui.scroll;
    let lines: Vec<Line<'_>> =
        view.history.iter().skip(skipped).take(high).map(|entry| history_line(entry, &ui.theme, wide)).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn history_line<'a>(entry: &HistoryEntry, theme: &Theme, wide: usize) -> Line<'a> {
    let at = entry.at.map(call_time).unwrap_or_default();
    let room = wide.saturating_sub(11);
    let (style, text, words) = match &entry.what {
        HistoryEvent::Prompt(LineSound::File { name, words }) => {
            (Style::new(), format!("▸ {name}"), words.clone().unwrap_or_default())
        }
        HistoryEvent::Prompt(LineSound::Spoken(spoken, language)) => (
            Style::new(),
            format!("▸ {} {}", spoken.kind, spoken.words),
            manner(spoken, language.as_deref()).unwrap_or_default(),
        ),
        HistoryEvent::Prompt(LineSound::Beep) => (Style::new(), "▸ beep".to_owned(), String::new()),
        HistoryEvent::Prompt(LineSound::Recording(name)) => (Style::new(), format!("● records {name}"), String::new()),
        HistoryEvent::Prompt(LineSound::Music(class)) => {
            (Style::new(), format!("♪ music on hold, {class}"), String::new())
        }
        HistoryEvent::Prompt(LineSound::Silence) => (Style::new(), String::new(), String::new()),
        HistoryEvent::Keys(keys, fate) => {
            let keys: String = keys.chars().map(|key| format!(" {key}")).collect();
            match fate {
                KeyFate::Heard => (theme.accent.add_modifier(Modifier::BOLD), format!("◂{keys}"), String::new()),
                KeyFate::Ignored => (theme.faint, format!("◂{keys}"), "is ignored here".to_owned()),
                KeyFate::Dropped => (theme.faint, format!("◂{keys}"), "the script isn't listening".to_owned()),
            }
        }
        HistoryEvent::Printed(text) => (theme.warning, format!("· {text}"), String::new()),
        HistoryEvent::Note(text) => (theme.faint, format!("  {text}"), String::new()),
        HistoryEvent::Began(text) => (theme.good, format!("● {text}"), String::new()),
        HistoryEvent::Ended(status @ Status::Success) => (theme.good, format!("■ ended: {status}"), String::new()),
        HistoryEvent::Ended(status @ Status::Hangup) => (theme.warning, format!("■ ended: {status}"), String::new()),
        HistoryEvent::Ended(status) => (theme.bad, format!("■ ended: {status}"), String::new()),
    };
    let text = fit(&text, room);
    let words = fit(&words, room.saturating_sub(width(&text) + 2));
    Line::from(vec![
        Span::styled(format!(" {at:>7}  "), theme.faint),
        Span::styled(text, style),
        Span::styled(format!("  {words}"), theme.faint),
    ])
}

/// Draws the variables of the script and of the function that runs, those of the channel, and AstDB.
pub fn draw_values(frame: &mut Frame<'_>, view: &PhoneState, theme: &Theme, area: Rect) {
    let call = view.call.as_ref();
    let mut frames = call.map(|call| call.version.variables.frames()).unwrap_or_default().into_iter();
    let script = frames.next().unwrap_or_default().variables;
    let mut lists: Vec<(String, Vec<(String, String)>)> = Vec::new();
    // The innermost function first: what it does is of most interest.
    if let Some(ScriptFrame { function: Some(function), variables }) = frames.next_back() {
        lists.push((format!("In {function}"), variables));
    }
    lists.push(("Variables".to_owned(), script));
    lists.push((
        "Channel variables".to_owned(),
        call.map(|call| call.variables.all().into_iter().collect()).unwrap_or_default(),
    ));
    lists.push(("AstDB".to_owned(), view.database.entries()));
    let rows = rows_of(&lists.iter().map(|(_, values)| values.len()).collect::<Vec<_>>(), area.height.into());
    let rows = rows.into_iter().map(|rows| Constraint::Length(u16::try_from(rows).unwrap_or(u16::MAX)));
    let areas = Layout::vertical(rows).split(area);
    for ((title, values), area) in lists.iter().zip(areas.iter()) {
        list(frame, title, values, theme, *area);
    }
}

/// Shares out rows to lists of this many values, each with a title: everyone gets what it needs if it can, and the
/// longest ones give up rows.
fn rows_of(counts: &[usize], high: usize) -> Vec<usize> {
    let mut rows: Vec<usize> = counts.iter().map(|count| count.max(&1) + 1).collect();
    while rows.iter().sum::<usize>() > high {
        let Some(longest) = rows.iter_mut().max_by_key(|rows| **rows) else { break };
        *longest -= 1;
    }
    if let Some(last) = rows.last_mut() {
        *last += high.saturating_sub(counts.iter().map(|count| count.max(&1) + 1).sum());
    }
    rows
}

fn list(frame: &mut Frame<'_>, title: &str, values: &[(String, String)], theme: &Theme, area: Rect) {
    let high = usize::from(area.height.saturating_sub(1));
    let inner = panel(frame, title, theme, area);
    let wide = usize::from(inner.width).saturating_sub(2);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (name, value) in values {
        let name = fit(name, wide * 2 / 3);
        let value = fit(value, wide.saturating_sub(width(&name) + 3));
        lines.push(Line::from(vec![
            Span::styled(format!(" {name}"), theme.faint),
            Span::styled(" = ", theme.faint),
            Span::raw(value),
        ]));
    }
    if lines.is_empty() {
        lines.push(Line::styled(" none", theme.faint));
    }
    if lines.len() > high && high > 0 {
        let more = lines.len() - high + 1;
        lines.truncate(high - 1);
        lines.push(Line::styled(format!(" and {more} more"), theme.faint));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

pub fn draw_log(frame: &mut Frame<'_>, view: &PhoneState, theme: &Theme, area: Rect) {
    let inner = panel(frame, "Log", theme, area);
    let wide = usize::from(inner.width).saturating_sub(1);
    let high = usize::from(inner.height);
    let lines = view.log.iter().skip(view.log.len().saturating_sub(high)).map(|line| {
        let at = line.at.map(call_time).unwrap_or_default();
        let place = line.place.as_deref().map(|place| format!("{place}  ")).unwrap_or_default();
        let place = fit(&place, wide / 2);
        let text = fit(&line.text, wide.saturating_sub(10 + width(&place)));
        let style = if line.warning { theme.warning } else { Style::new() };
        Line::from(vec![Span::styled(format!(" {at:>7}  {place}"), theme.faint), Span::styled(text, style)])
    });
    let mut lines: Vec<Line<'_>> = lines.collect();
    if lines.is_empty() {
        lines.push(Line::styled(" nothing logged yet", theme.faint));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

pub fn draw_dialogue(frame: &mut Frame<'_>, view: &PhoneState, theme: &Theme, area: Rect) {
    let inner = panel(frame, "Dialogue with Asterisk", theme, area);
    let wide = usize::from(inner.width).saturating_sub(1);
    let high = usize::from(inner.height);
    let lines = view.dialogue.iter().skip(view.dialogue.len().saturating_sub(high)).map(|line| {
        let style = if line.text.starts_with('>') { Style::new() } else { theme.faint };
        Line::from(vec![
            Span::styled(format!(" {:>7}  ", call_time(line.at)), theme.faint),
            Span::styled(fit(&line.text, wide.saturating_sub(10)), style),
        ])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inner);
}

/// Draws the script around its current line.
pub fn draw_script(frame: &mut Frame<'_>, view: &PhoneState, theme: &Theme, area: Rect) {
    let call = view.call.as_ref();
    // The running script, or between calls the one that the next call will run.
    let running = call.filter(|call| call.end.is_none());
    let version = running.map(|call| &call.version).or(view.version.as_ref());
    let is_same = |call: &&CallState| version.is_some_and(|version| Arc::ptr_eq(version, &call.version));
    let place = call.filter(is_same).and_then(|call| call.place.as_ref());
    let found = version.and_then(|version| {
        let wanted = |(name, _): &(&str, &str)| place.is_none_or(|(place, _)| place == name);
        version.script.sources().find(wanted)
    });
    let Some((name, source)) = found else {
        panel(frame, "Script", theme, area);
        return;
    };
    let name = std::path::Path::new(name).file_name().unwrap_or_default().to_string_lossy();
    let line = place.map_or(0, |(_, line)| *line);
    let title = if line > 0 { format!("Script  {name}:{line}") } else { format!("Script  {name}") };
    let inner = panel(frame, &title, theme, area);
    let high = usize::from(inner.height);
    let wide = usize::from(inner.width).saturating_sub(8);
    let count = source.lines().count();
    let first = line.saturating_sub(1 + high / 2).min(count.saturating_sub(high));
    let lines = source.lines().enumerate().skip(first).take(high).map(|(number, text)| {
        let number = number + 1;
        let text = fit(&text.replace('\t', "    "), wide);
        if number == line {
            let style = if running.is_some() { theme.strong } else { Style::new() };
            Line::from(vec![Span::styled(format!(" →{number:>4}  "), theme.accent), Span::styled(text, style)])
        } else {
            Line::from(vec![Span::styled(format!("  {number:>4}  "), theme.faint), Span::styled(text, theme.faint)])
        }
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inner);
}

/// Removes empty lines.
pub fn shortened(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    lines.into_iter().filter(|line| line.spans.iter().any(|span| !matches!(span.content.trim(), "" | "|"))).collect()
}

/// Returns a fault with its source. The caret stays visible on a narrow screen.
pub fn fault_lines<'a>(fault: &str, theme: &Theme, wide: usize) -> Vec<Line<'a>> {
    let is_caret = |line: &&str| line.trim_start().starts_with('|') && line.contains('^');
    let caret = fault.lines().find(is_caret).map_or(0, |line| line.trim_end().chars().count());
    let gutter = fault.lines().find_map(|line| line.find('|')).unwrap_or(0) + 2;
    let cut = caret.saturating_sub(wide);
    let mut lines = Vec::new();
    for (at, line) in fault.lines().enumerate() {
        if line.chars().nth(gutter.saturating_sub(2)) == Some('|') {
            let shown: String = if cut > 0 {
                line.chars().take(gutter).chain(line.chars().skip(gutter + cut)).collect()
            } else {
                line.to_owned()
            };
            let style = if is_caret(&line) { theme.bad } else { Style::new() };
            lines.push(Line::styled(format!(" {}", fit(&shown, wide)), style));
        } else if let Some((arrow, place)) = line.split_once("--> ") {
            // The end of a long path matters most.
            let place: Vec<char> = place.chars().collect();
            let skipped = place.len().saturating_sub(wide.saturating_sub(width(arrow) + 4));
            let place: String = place[skipped..].iter().collect();
            lines.push(Line::styled(format!(" {arrow}--> {place}"), theme.faint));
        } else {
            let style = if at == 0 { theme.bad } else { theme.accent };
            lines.extend(wrap(line, wide, 3).into_iter().map(|line| Line::styled(format!(" {line}"), style)));
        }
    }
    lines
}
