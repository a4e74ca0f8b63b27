//! The layout of the screen.

use super::call::PhoneSetup;
use super::call_view::draw_call;
use super::help::{draw_help, help_line};
use super::panels::{draw_dialogue, draw_history, draw_log, draw_script, draw_values, fault_lines, panel, shortened};
use super::state::{CallState, PhoneState};
use super::style::{Theme, fit, width};
use super::ui::{Panel, Ui, Values};
use crate::text::call_time;
use agi_rhai::internals::plural;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use std::sync::Arc;

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, view: &PhoneState, setup: &PhoneSetup, ui: &mut Ui) {
    let area = frame.area();
    let call_rows = match area.height {
        0..9 => area.height.saturating_sub(2),
        9..18 => 5,
        _ => 6,
    };
    let news = u16::from(view.news.is_some() && area.height > 10 || ui.text.is_some());
    let rows = [
        Constraint::Length(1),
        Constraint::Length(call_rows),
        Constraint::Min(0),
        Constraint::Length(news),
        Constraint::Length(1),
    ];
    let [title, call, rest, message, help] = Layout::vertical(rows).areas(area);
    let theme = &ui.theme;
    frame.render_widget(title_line(view, setup, theme, title.width.into()), title);
    draw_call(frame, view, setup, theme, call);
    draw_rest(frame, view, ui, rest);
    let theme = &ui.theme;
    if let Some(text) = &ui.text {
        let line = Line::from(vec![
            Span::styled(" text to send: ", theme.accent),
            Span::raw(fit(text, usize::from(message.width).saturating_sub(17))),
            Span::styled("▏", theme.accent),
        ]);
        frame.render_widget(line, message);
    } else if let Some(news) = &view.news {
        frame.render_widget(
            Line::styled(format!(" {}", fit(news, usize::from(message.width).saturating_sub(2))), theme.warning),
            message,
        );
    }
    frame.render_widget(help_line(view, ui, help.width.into()), help);
    if ui.help {
        draw_help(frame, theme, area);
    }
}

fn title_line<'a>(view: &PhoneState, setup: &PhoneSetup, theme: &Theme, wide: usize) -> Line<'a> {
    let state = match &view.call {
        Some(call) if call.end.is_none() => (theme.good, format!("● call {}  {}", call.number, call_time(call.age()))),
        _ if view.version.is_none() => (theme.bad, "waiting for a fix".to_owned()),
        _ if view.broken.is_some() => (theme.bad, "the last edit is broken".to_owned()),
        Some(call) => (theme.faint, format!("no call  {}", call_time(call.age()))),
        None => (theme.faint, "no call".to_owned()),
    };
    let from = match setup.setting.callerid() {
        "" => "number withheld".to_owned(),
        number => format!("from {number}"),
    };
    // The least important part, which a narrow screen cuts off, comes last.
    let mut details = from;
    if let Some(call) = &view.call {
        details = format!("{details} · seed {} · {}", call.seed, plural(call.commands, "command"));
    }
    details = format!("{details} · {},{}", setup.setting.context(), setup.setting.extension());
    let right = width(&state.1) + 1;
    let name = fit(&setup.name(), wide.saturating_sub(right + 2));
    let left = 1 + width(&name);
    let details = fit(&details, wide.saturating_sub(left + right + 4));
    let gap = wide.saturating_sub(left + 2 + width(&details) + right);
    Line::from(vec![
        Span::raw(" "),
        Span::styled(name, theme.strong),
        Span::styled(format!("  {details}{}", " ".repeat(gap)), theme.faint),
        Span::styled(state.1, state.0),
    ])
}

/// Draws the history, the values beside it, and the panels below.
fn draw_rest(frame: &mut Frame<'_>, view: &PhoneState, ui: &mut Ui, area: Rect) {
    // A fault of the last call is shown until the script is loaded again.
    let is_same = |call: &&CallState| view.version.as_ref().is_some_and(|version| Arc::ptr_eq(version, &call.version));
    let ended = view.call.as_ref().filter(is_same).and_then(|call| call.end.as_ref());
    let fault = view.broken.as_deref().or_else(|| ended.and_then(|end| end.fault.as_deref()));
    let mut left = area.height;
    // A fault is shown in full if it fits the screen.
    let fault = fault.map(|text| fault_lines(text, &ui.theme, usize::from(area.width).saturating_sub(2)));
    let fault_rows = fault.as_ref().map_or(0, |lines| u16::try_from(lines.len() + 1).unwrap_or(u16::MAX));
    let fault = fault.map(|lines| if fault_rows > left { shortened(lines) } else { lines });
    let fault_rows = fault_rows.min(left);
    left -= fault_rows;
    // As many panels as fit while the history keeps some lines.
    let is_empty_log = |panel: &Panel| *panel == Panel::Log && view.log.len() == 0 && !ui.wants_log;
    let panels: Vec<Panel> = ui.panels.iter().copied().filter(|panel| !is_empty_log(panel)).collect();
    let mut count = panels.len();
    while count > 0 && usize::from(left) < count * 6 + 7 {
        count -= 1;
    }
    let many = u16::try_from(count).unwrap_or(1).max(1);
    let mut rows = (if many == 1 { left * 2 / 5 } else { left * 3 / 5 / many }).max(6);
    if count == 0 && ui.replaces_history && left > 1 {
        (count, rows) = (1, left);
    }
    let shown = panels[panels.len() - count..].to_vec();
    let mut constraints = vec![Constraint::Min(0)];
    constraints.extend(shown.iter().map(|_| Constraint::Length(rows)));
    constraints.push(Constraint::Length(fault_rows));
    let areas = Layout::vertical(constraints).split(area);
    let side = match ui.values {
        Values::Beside | Values::Requested if area.width >= 64 => (area.width * 3 / 8).min(48),
        Values::Requested => area.width,
        Values::Beside | Values::Hidden => 0,
    };
    ui.shows_values = side > 0;
    let [history, values] = Layout::horizontal([Constraint::Min(0), Constraint::Length(side)]).areas(areas[0]);
    if history.width > 0 {
        draw_history(frame, view, ui, history);
    }
    if side > 0 {
        draw_values(frame, view, &ui.theme, values);
    }
    for (panel, area) in shown.iter().zip(areas.iter().skip(1)) {
        match panel {
            Panel::Log => draw_log(frame, view, &ui.theme, *area),
            Panel::Dialogue => draw_dialogue(frame, view, &ui.theme, *area),
            Panel::Script => draw_script(frame, view, &ui.theme, *area),
        }
    }
    ui.shown = shown;
    if let Some(fault) = fault {
        let inner = panel(frame, "Fault", &ui.theme, areas[areas.len() - 1]);
        frame.render_widget(Paragraph::new(fault), inner);
    }
}
