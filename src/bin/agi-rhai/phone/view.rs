//! What the screen looks like.

use super::call::Setup;
use super::live::{Current, Ended, Entry, Fate, OnLine, View, What};
use crate::terminal::colour_is_wanted;
use crate::text::call_time;
use agi_rhai::Status;
use agi_rhai::clock::Time;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};
use std::sync::Arc;
use std::time::Duration;

/// What the person at the screen has chosen to see.
pub struct Ui {
    theme: Theme,
    /// The panels that are open, the one opened last at the end; the last ones are shown as far as there is room.
    panels: Vec<Panel>,
    /// Shows the last one in place of the history, if there is no room for both.
    insists: bool,
    /// Those there was room for.
    shown: Vec<Panel>,
    /// Variables and AstDB.
    values: Values,
    shows_values: bool,
    pub help: bool,
    /// How many lines of the history are below the screen.
    pub scroll: usize,
    /// A text being typed.
    pub text: Option<String>,
}

/// Where variables and AstDB are shown.
#[derive(Clone, Copy)]
enum Values {
    Hidden,
    /// Beside the history, if there is room.
    Beside,
    /// Beside the history, or in its place.
    Asked,
}

/// What is shown below the history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Log,
    Dialogue,
    Script,
}

impl Ui {
    pub fn new() -> Self {
        Self {
            theme: Theme::new(),
            panels: vec![Panel::Log, Panel::Script],
            insists: false,
            shown: Vec::new(),
            values: Values::Beside,
            shows_values: false,
            help: false,
            scroll: 0,
            text: None,
        }
    }

    /// Opens a panel, or closes it if it is open.
    pub fn toggle(&mut self, panel: Panel) {
        let open = self.shown.contains(&panel);
        self.panels.retain(|other| *other != panel);
        if !open {
            self.panels.push(panel);
        }
        self.insists = !open;
    }

    pub fn toggle_values(&mut self) {
        self.values = if self.shows_values { Values::Hidden } else { Values::Asked };
    }

    pub fn scroll_by(&mut self, lines: isize) {
        self.scroll = self.scroll.saturating_add_signed(lines);
    }
}

/// Styles by meaning. Without colour the meaning is in bold and faint.
struct Theme {
    faint: Style,
    strong: Style,
    accent: Style,
    good: Style,
    bad: Style,
    warning: Style,
    pressed: Style,
}

impl Theme {
    fn new() -> Self {
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

/// The width of a text in columns.
fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in one line that does no harm to the screen, at most so wide.
fn fit(text: &str, most: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&text) <= most {
        return text;
    }
    let mut short = String::new();
    let mut taken = 0;
    for letter in text.chars() {
        let wide = width(letter.encode_utf8(&mut [0; 4]));
        if taken + wide + 1 > most {
            break;
        }
        taken += wide;
        short.push(letter);
    }
    if most > 0 {
        short.push('…');
    }
    short
}

/// A text over lines so wide, at most so many; the last one is cut.
fn wrap(text: &str, most: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match wrapped.last_mut() {
            Some(line) if wrapped_fits(line, word, most) => {
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
    wrapped.iter().map(|line| fit(line, most)).collect()
}

fn wrapped_fits(line: &str, word: &str, most: usize) -> bool {
    width(line) + 1 + width(word) <= most
}

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, view: &View, setup: &Setup, ui: &mut Ui) {
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
    let [title, call, rest, told, help] = Layout::vertical(rows).areas(area);
    let theme = &ui.theme;
    frame.render_widget(title_line(view, setup, theme, title.width.into()), title);
    draw_call(frame, view, setup, theme, call);
    draw_rest(frame, view, ui, rest);
    let theme = &ui.theme;
    if let Some(text) = &ui.text {
        let line = Line::from(vec![
            Span::styled(" text to send: ", theme.accent),
            Span::raw(fit(text, usize::from(told.width).saturating_sub(17))),
            Span::styled("▏", theme.accent),
        ]);
        frame.render_widget(line, told);
    } else if let Some(news) = &view.news {
        frame.render_widget(
            Line::styled(format!(" {}", fit(news, usize::from(told.width).saturating_sub(2))), theme.warning),
            told,
        );
    }
    frame.render_widget(help_line(view, ui, help.width.into()), help);
    if ui.help {
        draw_help(frame, theme, area);
    }
}

fn title_line<'a>(view: &View, setup: &Setup, theme: &Theme, wide: usize) -> Line<'a> {
    let state = match &view.call {
        Some(call) if call.end.is_none() => (theme.good, format!("● call {}  {}", call.number, call_time(call.age()))),
        _ if view.broken.is_some() => (theme.bad, "waits for the mend".to_owned()),
        Some(call) => (theme.faint, format!("no call  {}", call_time(call.age()))),
        None => (theme.faint, "no call".to_owned()),
    };
    let from = match setup.setting.callerid.as_str() {
        "" => "number withheld".to_owned(),
        number => format!("from {number}"),
    };
    // What may be cut on a narrow screen comes last.
    let mut details = from;
    if let Some(call) = &view.call {
        let plural = if call.commands == 1 { "" } else { "s" };
        details = format!("{details} · seed {} · {} command{plural}", call.seed, call.commands);
    }
    details = format!("{details} · {},{}", setup.setting.context, setup.setting.extension);
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

/// The line itself: what is heard, and the keys.
fn draw_call(frame: &mut Frame<'_>, view: &View, setup: &Setup, theme: &Theme, area: Rect) {
    let block = Block::new().borders(Borders::TOP).border_style(theme.faint);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let pad = if inner.width >= 52 && inner.height >= 4 { 17 } else { 0 };
    let [text, keys] = Layout::horizontal([Constraint::Min(0), Constraint::Length(pad)]).areas(inner);
    let wide = usize::from(text.width).saturating_sub(3);
    let lines = match &view.call {
        Some(Current { end: Some(end), .. }) => ended(end, view, theme, wide),
        Some(call) => on_call(call, setup, theme, wide, text.height.into()),
        None => vec![Line::styled("  There is no call yet.", theme.faint)],
    };
    frame.render_widget(Paragraph::new(lines), text);
    if pad > 0 {
        frame.render_widget(Paragraph::new(keypad(view.call.as_ref(), theme)), keys);
    }
}

/// What the caller hears right now.
fn on_call<'a>(call: &Current, setup: &Setup, theme: &Theme, wide: usize, high: usize) -> Vec<Line<'a>> {
    let now = call.now();
    let left = call.until - now;
    let computing = left.is_zero() && call.command.is_none();
    let (title, words) = match &call.sound {
        OnLine::File { name, words } => (format!("▸ {name}"), words.clone()),
        OnLine::Spoken { kind, text, words } => (format!("▸ {kind} {text}"), words.clone()),
        OnLine::Beep => ("▸ beep".to_owned(), None),
        OnLine::Recording(name) => (format!("● records {name}"), Some("Speak, if you like.".to_owned())),
        OnLine::Music(class) => (format!("♪ music on hold, {class}"), None),
        OnLine::Silence if call.asked => ("? waits for a key".to_owned(), None),
        OnLine::Silence if computing => ("… computes".to_owned(), None),
        OnLine::Silence if call.command.is_none() => ("… sleeps".to_owned(), None),
        OnLine::Silence => (format!("… {}", call.command.unwrap_or_default()), None),
    };
    let style = if call.sound == OnLine::Silence && !call.asked { theme.faint } else { theme.strong };
    let mut lines = vec![Line::styled(format!("  {}", fit(&title, wide)), style)];
    let words = words.map(|words| wrap(&words, wide.saturating_sub(2), 2)).unwrap_or_default();
    for at in 0..high.saturating_sub(3).min(2) {
        let words = words.get(at).map(String::as_str).unwrap_or_default();
        lines.push(Line::raw(format!("    {words}")));
    }
    lines.push(progress(call, now, left, setup, theme, wide));
    let mut keys = vec![if call.asked {
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

/// A bar that grows while something plays and shrinks while an answer is waited for.
fn progress<'a>(call: &Current, now: Time, left: Duration, setup: &Setup, theme: &Theme, wide: usize) -> Line<'a> {
    let endless = call.until == Time::NEVER || left > Duration::from_secs(24 * 3600);
    if left.is_zero() || endless {
        let what = if endless { "as long as it takes" } else { "" };
        return Line::styled(format!("    {what}"), theme.faint);
    }
    let question = call.asked && matches!(call.sound, OnLine::Silence | OnLine::Music(_));
    let (done, whole) = match (&call.sound, call.length) {
        // A file may begin in its middle, and skip.
        (OnLine::File { .. }, Some(length)) => (length.saturating_sub(left), length),
        (_, Some(length)) => ((now - call.since).min(length), length),
        _ => (now - call.since, call.until - call.since),
    };
    let seconds = if question || call.sound == OnLine::Silence {
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

/// How the last call ended.
fn ended<'a>(end: &Ended, view: &View, theme: &Theme, wide: usize) -> Vec<Line<'a>> {
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
    let next = if view.broken.is_some() {
        Line::styled("  Mend the script and save it.", theme.warning)
    } else {
        Line::from(vec![
            Span::styled("  Enter", theme.strong),
            Span::raw(" calls again, "),
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

/// The keys, bright while they are listened to; the one just pressed is lit.
fn keypad<'a>(call: Option<&Current>, theme: &Theme) -> Vec<Line<'a>> {
    let call = call.filter(|call| call.end.is_none());
    let asked = call.is_some_and(|call| call.asked);
    let lit = call.and_then(|call| call.key.filter(|(_, at)| call.now() - *at < Duration::from_millis(400)));
    let rows = ["123A", "456B", "789C", "*0#D"];
    let key = |key: char| {
        let style = match lit {
            Some((pressed, _)) if pressed == key => theme.pressed,
            _ if asked => theme.strong,
            _ => theme.faint,
        };
        [Span::styled(format!(" {key} "), style), Span::raw(" ")]
    };
    rows.iter().map(|row| Line::from(row.chars().flat_map(key).collect::<Vec<_>>())).collect()
}

/// The history, the values beside it, and the panels below.
fn draw_rest(frame: &mut Frame<'_>, view: &View, ui: &mut Ui, area: Rect) {
    // A fault of the last call is shown until another version is there.
    let is_same = |call: &&Current| view.version.as_ref().is_some_and(|version| Arc::ptr_eq(version, &call.version));
    let ended = view.call.as_ref().filter(is_same).and_then(|call| call.end.as_ref());
    let fault = view.broken.as_deref().or_else(|| ended.and_then(|end| end.fault.as_deref()));
    let mut left = area.height;
    // A fault is shown whole, if it is not larger than the screen.
    let fault = fault.map(|text| fault_lines(text, &ui.theme, usize::from(area.width).saturating_sub(2)));
    let fault_rows = fault.as_ref().map_or(0, |lines| u16::try_from(lines.len() + 1).unwrap_or(u16::MAX));
    let fault = fault.map(|lines| if fault_rows > left { shortened(lines) } else { lines });
    let fault_rows = fault_rows.min(left);
    left -= fault_rows;
    // As many panels as there is room for, when the history keeps some lines.
    let mut count = ui.panels.len();
    while count > 0 && usize::from(left) < count * 6 + 7 {
        count -= 1;
    }
    let many = u16::try_from(count).unwrap_or(1).max(1);
    let mut rows = (if many == 1 { left * 2 / 5 } else { left * 3 / 5 / many }).max(6);
    if count == 0 && ui.insists && left > 1 {
        (count, rows) = (1, left);
    }
    let shown = ui.panels[ui.panels.len() - count..].to_vec();
    let mut constraints = vec![Constraint::Min(0)];
    constraints.extend(shown.iter().map(|_| Constraint::Length(rows)));
    constraints.push(Constraint::Length(fault_rows));
    let areas = Layout::vertical(constraints).split(area);
    let side = match ui.values {
        Values::Beside | Values::Asked if area.width >= 64 => (area.width * 3 / 8).min(48),
        Values::Asked => area.width,
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

/// A panel with a rule above it; gives what is below the rule.
fn panel(frame: &mut Frame<'_>, title: &str, theme: &Theme, area: Rect) -> Rect {
    let title = fit(title, usize::from(area.width).saturating_sub(4));
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(theme.faint)
        .title(Line::from(vec![Span::styled("─ ", theme.faint), Span::styled(format!("{title} "), theme.accent)]));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn draw_history(frame: &mut Frame<'_>, view: &View, ui: &mut Ui, area: Rect) {
    let high = usize::from(area.height.saturating_sub(1));
    let most = view.history.len().saturating_sub(high);
    ui.scroll = ui.scroll.min(most);
    let title = match ui.scroll {
        0 => "Said and pressed".to_owned(),
        below => format!("Said and pressed ({below} more below)"),
    };
    let inner = panel(frame, &title, &ui.theme, area);
    let wide = usize::from(inner.width).saturating_sub(1);
    let skipped = most - ui.scroll;
    let lines: Vec<Line<'_>> =
        view.history.iter().skip(skipped).take(high).map(|entry| history_line(entry, &ui.theme, wide)).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn history_line<'a>(entry: &Entry, theme: &Theme, wide: usize) -> Line<'a> {
    let at = entry.at.map(call_time).unwrap_or_default();
    let room = wide.saturating_sub(11);
    let (style, text, words) = match &entry.what {
        What::Prompt(OnLine::File { name, words }) => {
            (Style::new(), format!("▸ {name}"), words.clone().unwrap_or_default())
        }
        What::Prompt(OnLine::Spoken { kind, text, words }) => {
            (Style::new(), format!("▸ {kind} {text}"), words.clone().unwrap_or_default())
        }
        What::Prompt(OnLine::Beep) => (Style::new(), "▸ beep".to_owned(), String::new()),
        What::Prompt(OnLine::Recording(name)) => (Style::new(), format!("● records {name}"), String::new()),
        What::Prompt(OnLine::Music(class)) => (Style::new(), format!("♪ music on hold, {class}"), String::new()),
        What::Prompt(OnLine::Silence) => (Style::new(), String::new(), String::new()),
        What::Keys(keys, fate) => {
            let keys: String = keys.chars().map(|key| format!(" {key}")).collect();
            match fate {
                Fate::Heard => (theme.accent.add_modifier(Modifier::BOLD), format!("◂{keys}"), String::new()),
                Fate::Ignored => (theme.faint, format!("◂{keys}"), "means nothing here".to_owned()),
                Fate::Dropped => (theme.faint, format!("◂{keys}"), "nobody listens".to_owned()),
            }
        }
        What::Printed(text) => (theme.warning, format!("· {text}"), String::new()),
        What::Told(text) => (theme.faint, format!("  {text}"), String::new()),
        What::Began(text) => (theme.good, format!("● {text}"), String::new()),
        What::Ended(status @ Status::Success) => (theme.good, format!("■ ended: {status}"), String::new()),
        What::Ended(status @ Status::Hangup) => (theme.warning, format!("■ ended: {status}"), String::new()),
        What::Ended(status) => (theme.bad, format!("■ ended: {status}"), String::new()),
    };
    let text = fit(&text, room);
    let words = fit(&words, room.saturating_sub(width(&text) + 2));
    Line::from(vec![
        Span::styled(format!(" {at:>7}  "), theme.faint),
        Span::styled(text, style),
        Span::styled(format!("  {words}"), theme.faint),
    ])
}

/// Variables and AstDB, as they are at the moment.
fn draw_values(frame: &mut Frame<'_>, view: &View, theme: &Theme, area: Rect) {
    let variables: Vec<(String, String)> =
        view.call.as_ref().map(|call| call.variables.all().into_iter().collect()).unwrap_or_default();
    let entries = view.database.entries();
    let half = usize::from(area.height / 2);
    let wanted = variables.len().max(1) + 1;
    let rest = (entries.len().max(1) + 1).min(half);
    let top = wanted.min(usize::from(area.height).saturating_sub(rest)).max(2);
    let top = Constraint::Length(u16::try_from(top).unwrap_or(u16::MAX));
    let [above, below] = Layout::vertical([top, Constraint::Min(0)]).areas(area);
    list(frame, "Variables", &variables, theme, above);
    list(frame, "AstDB", &entries, theme, below);
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

fn draw_log(frame: &mut Frame<'_>, view: &View, theme: &Theme, area: Rect) {
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
        lines.push(Line::styled(" nothing printed yet", theme.faint));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn draw_dialogue(frame: &mut Frame<'_>, view: &View, theme: &Theme, area: Rect) {
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

/// The script, around the line that runs.
fn draw_script(frame: &mut Frame<'_>, view: &View, theme: &Theme, area: Rect) {
    let call = view.call.as_ref();
    // What runs; between calls, what the next one will run.
    let running = call.filter(|call| call.end.is_none());
    let version = running.map(|call| &call.version).or(view.version.as_ref());
    let is_same = |call: &&Current| version.is_some_and(|version| Arc::ptr_eq(version, &call.version));
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

/// Without the lines that only keep a distance.
fn shortened(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    lines.into_iter().filter(|line| line.spans.iter().any(|span| !matches!(span.content.trim(), "" | "|"))).collect()
}

/// A fault with its source; the caret stays in sight on a narrow screen.
fn fault_lines<'a>(fault: &str, theme: &Theme, wide: usize) -> Vec<Line<'a>> {
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
            // Of a long path the end counts.
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

/// The keys in one line, as many as there is room for.
fn help_line<'a>(view: &View, ui: &Ui, wide: usize) -> Line<'a> {
    let keys: &[(&str, &str)] = if ui.text.is_some() {
        &[("Enter", "sends"), ("Esc", "does not")]
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

/// All keys, on a page of their own.
const HELP: [(&str, &str); 13] = [
    ("0-9 * # A-D", "the keys of the phone; a-d are A-D"),
    ("h", "hangs up"),
    ("Enter", "calls again, when no call is on"),
    ("m", "sends a text, for receive_text"),
    ("s", "the script, and the line that runs"),
    ("l", "the log: what the script prints"),
    ("t", "the dialogue with Asterisk"),
    ("v", "variables and AstDB"),
    ("↑ ↓ PgUp PgDn", "what was said before"),
    ("End", "back to the present"),
    ("Ctrl-L", "draws the screen anew"),
    ("Ctrl-Z", "back to the shell; fg comes back"),
    ("q Ctrl-C", "quits"),
];

fn draw_help(frame: &mut Frame<'_>, theme: &Theme, area: Rect) {
    let (wide, high) = (56.min(area.width), (u16::try_from(HELP.len()).unwrap_or(0) + 4).min(area.height));
    let area = Rect::new((area.width - wide) / 2, (area.height - high) / 2, wide, high);
    frame.render_widget(Clear, area);
    let block = Block::bordered().border_style(theme.faint).title(Span::styled(" Keys ", theme.accent));
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
