//! The upper part of the screen: the call and the keypad.

use super::call::PhoneSetup;
use super::state::{CallState, LineSound, PhoneState, ShownEnd, manner};
use super::style::{Theme, fit, wrap};
use agi_rhai::Status;
use agi_rhai::clock::Time;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use std::time::Duration;
/// Draws the current sound and the keypad.
pub fn draw_call(frame: &mut Frame<'_>, view: &PhoneState, setup: &PhoneSetup, theme: &Theme, area: Rect) {
    let block = Block::new().borders(Borders::TOP).border_style(theme.faint);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let pad = if inner.width >= 52 && inner.height >= 4 { 17 } else { 0 };
    let [text, keys] = Layout::horizontal([Constraint::Min(0), Constraint::Length(pad)]).areas(inner);
    let wide = usize::from(text.width).saturating_sub(3);
    let lines = match &view.call {
        Some(CallState { end: Some(end), .. }) => ended(end, view, theme, wide),
        Some(call) => on_call(call, setup, theme, wide, text.height.into()),
        None => vec![Line::styled("  There is no call yet.", theme.faint)],
    };
    frame.render_widget(Paragraph::new(lines), text);
    if pad > 0 {
        frame.render_widget(Paragraph::new(keypad(view.call.as_ref(), theme)), keys);
    }
}

/// Returns the lines about the current sound.
fn on_call<'a>(call: &CallState, setup: &PhoneSetup, theme: &Theme, wide: usize, high: usize) -> Vec<Line<'a>> {
    let now = call.now();
    let left = call.until - now;
    let computing = left.is_zero() && call.command.is_none();
    let (title, words) = match &call.sound {
        LineSound::File { name, words } => (format!("▸ {name}"), words.clone()),
        LineSound::Spoken(spoken, language) => {
            (format!("▸ {} {}", spoken.kind, spoken.words), manner(spoken, language.as_deref()))
        }
        LineSound::Beep => ("▸ beep".to_owned(), None),
        LineSound::Recording(name) => (format!("● records {name}"), Some("Speak, if you like.".to_owned())),
        LineSound::Music(class) => (format!("♪ music on hold, {class}"), None),
        LineSound::Silence if let Some((service, _)) = &call.asks => (format!("… waits for {service}"), None),
        LineSound::Silence if call.speech => {
            ("? listens: say something (m), or press a key".to_owned(), call.question(wide.saturating_sub(2)))
        }
        LineSound::Silence if call.listening => ("? waits for a key".to_owned(), call.question(wide.saturating_sub(2))),
        LineSound::Silence if computing => ("… computes".to_owned(), None),
        LineSound::Silence if call.command.is_none() => ("… sleeps".to_owned(), None),
        LineSound::Silence => (format!("… {}", call.command.unwrap_or_default()), None),
    };
    let style =
        if call.sound == LineSound::Silence && !call.listening && !call.speech { theme.faint } else { theme.strong };
    let mut lines = vec![Line::styled(format!("  {}", fit(&title, wide)), style)];
    let words = words.map(|words| wrap(&words, wide.saturating_sub(2), 2)).unwrap_or_default();
    for at in 0..high.saturating_sub(3).min(2) {
        let words = words.get(at).map(String::as_str).unwrap_or_default();
        lines.push(Line::raw(format!("    {words}")));
    }
    lines.push(progress(call, now, left, setup, theme, wide));
    let mut keys = vec![if call.listening {
        let which = call.listened.as_ref().map(|keys| format!(": {keys}")).unwrap_or_default();
        Span::styled(format!("  keys are heard{which}"), theme.accent)
    } else {
        Span::styled("  keys are not heard now", theme.faint)
    }];
    if !call.entered.is_empty() {
        let shown = call.entered.chars().map(|key| format!(" {key}")).collect::<String>();
        keys.push(Span::styled(format!("  ◂{shown}"), theme.accent.add_modifier(Modifier::BOLD)));
    }
    lines.push(Line::from(keys));
    lines
}

/// Returns a bar that grows while a sound plays and shrinks while the script waits for keys.
fn progress<'a>(
    call: &CallState,
    now: Time,
    left: Duration,
    setup: &PhoneSetup,
    theme: &Theme,
    wide: usize,
) -> Line<'a> {
    let endless = call.until == Time::NEVER || left > Duration::from_secs(24 * 3600);
    if left.is_zero() || endless {
        let what = if endless { "as long as it takes" } else { "" };
        return Line::styled(format!("    {what}"), theme.faint);
    }
    let question = (call.listening || call.speech) && matches!(call.sound, LineSound::Silence | LineSound::Music(_));
    let (done, whole) = match (&call.sound, call.length) {
        // A file may start in its middle, and skip.
        (LineSound::File { .. }, Some(length)) => (length.saturating_sub(left), length),
        (_, Some(length)) => ((now - call.since).min(length), length),
        _ => (now - call.since, call.until - call.since),
    };
    let seconds = if question || call.sound == LineSound::Silence {
        format!("{:.1} s left", whole.saturating_sub(done).as_secs_f64())
    } else {
        format!("{:.1} / {:.1} s", done.as_secs_f64(), whole.as_secs_f64())
    };
    let room = wide.saturating_sub(2 + 15).min(60);
    let part = done.as_secs_f64() / whole.as_secs_f64().max(0.001);
    let part = if question { 1.0 - part } else { part };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a screen's width")]
    #[expect(clippy::cast_precision_loss, reason = "a screen is no wider")]
    let full = ((room as f64 * part).round() as usize).min(room);
    let style = if question { theme.warning } else { theme.accent };
    let note = if setup.setting.fast && !question { "  --fast" } else { "" };
    Line::from(vec![
        Span::raw("    "),
        Span::styled("━".repeat(full), style),
        Span::styled("─".repeat(room - full), theme.faint),
        Span::styled(format!("  {seconds}{note}"), theme.faint),
    ])
}

/// Returns the lines about the end of the last call.
fn ended<'a>(end: &ShownEnd, view: &PhoneState, theme: &Theme, wide: usize) -> Vec<Line<'a>> {
    let (style, how) = match end.status {
        Some(Status::Success) => (theme.good, "Call ended: SUCCESS".to_owned()),
        Some(status @ Status::Hangup) => (theme.warning, format!("Call ended: {status}")),
        Some(status) => (theme.bad, format!("Call ended: {status}")),
        None => (theme.bad, "The call could not begin".to_owned()),
    };
    let goes_on = match &end.goes_on {
        Some(place) => format!("The dialplan goes on at {place}."),
        None => "Hung up: the dialplan goes on at extension h, if any.".to_owned(),
    };
    let next = if view.version.is_none() {
        Line::styled("  Fix the script and save it.", theme.warning)
    } else {
        let again = if view.broken.is_some() { " calls the last good version, " } else { " calls again, " };
        Line::from(vec![
            Span::styled("  Enter", theme.strong),
            Span::raw(again),
            Span::styled("q", theme.strong),
            Span::raw(" quits."),
        ])
    };
    vec![
        Line::styled(format!("  {}", fit(&how, wide)), style),
        Line::raw(format!("  {}", fit(&goes_on, wide))),
        Line::raw(""),
        next,
    ]
}

/// Returns the keypad, bright while the script listens, with the last key highlighted for a moment.
fn keypad<'a>(call: Option<&CallState>, theme: &Theme) -> Vec<Line<'a>> {
    let call = call.filter(|call| call.end.is_none());
    let listening = call.is_some_and(|call| call.listening);
    let lit = call.and_then(|call| call.key.filter(|(_, at)| call.now() - *at < Duration::from_millis(400)));
    let rows = ["123A", "456B", "789C", "*0#D"];
    let key = |key: char| {
        let style = match lit {
            Some((pressed, _)) if pressed == key => theme.pressed,
            _ if listening => theme.strong,
            _ => theme.faint,
        };
        [Span::styled(format!(" {key} "), style), Span::raw(" ")]
    };
    rows.iter().map(|row| Line::from(row.chars().flat_map(key).collect::<Vec<_>>())).collect()
}
