//! What the person at the phone has chosen to see.

use super::style::Theme;

/// What the person at the screen has chosen to see.
pub struct Ui {
    pub theme: Theme,
    /// The panels that are open, the one opened last at the end; the last ones are shown as far as there is room.
    pub panels: Vec<Panel>,
    /// Shows the last one in place of the history, if there is no room for both.
    pub insists: bool,
    /// Those there was room for.
    pub shown: Vec<Panel>,
    /// Variables and AstDB.
    pub values: Values,
    pub shows_values: bool,
    pub help: bool,
    /// How many lines of the history are below the screen.
    pub scroll: usize,
    /// A text being typed.
    pub text: Option<String>,
}

/// Where variables and AstDB are shown.
#[derive(Clone, Copy)]
pub enum Values {
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
