//! The view settings of the full-screen phone.

use super::style::Theme;

/// The view settings, which keys change.
#[expect(clippy::struct_excessive_bools, reason = "independent settings")]
pub struct Ui {
    pub theme: Theme,
    /// The open panels, in the order in which they were opened. If there isn't room for all, the last ones are shown.
    pub panels: Vec<Panel>,
    /// Whether the log is shown even while it is empty.
    pub wants_log: bool,
    /// Shows the last panel instead of the history if there isn't room for both.
    pub replaces_history: bool,
    /// The panels there was room for.
    pub shown: Vec<Panel>,
    /// How to show variables and AstDB.
    pub values: Values,
    pub shows_values: bool,
    pub help: bool,
    /// The number of history lines below the screen.
    pub scroll: usize,
    /// The text being typed.
    pub text: Option<String>,
}

/// How variables and AstDB are shown.
#[derive(Clone, Copy)]
pub enum Values {
    Hidden,
    /// Beside the history if there is room.
    Beside,
    /// Beside the history, or else instead of it.
    Requested,
}

/// A panel below the history.
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
            wants_log: false,
            replaces_history: false,
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
        if panel == Panel::Log {
            self.wants_log = !open;
        }
        if !open {
            self.panels.push(panel);
        }
        self.replaces_history = !open;
    }

    pub fn toggle_values(&mut self) {
        self.values = if self.shows_values { Values::Hidden } else { Values::Requested };
    }

    pub fn scroll_by(&mut self, lines: isize) {
        self.scroll = self.scroll.saturating_add_signed(lines);
    }
}
