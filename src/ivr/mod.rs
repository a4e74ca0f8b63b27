//! Questions and menus: what would take a script several commands each time, and is easy to get wrong.

mod choices;
mod dial;
mod functions;
mod keypad;
mod options;
mod parts;
mod phrases;
mod play;
mod prompter;
mod question;

pub use functions::QUESTIONS;

use crate::command::COMMANDS;
use crate::script::{BUILTINS, Language, add_to_calls};
use crate::world::{SERVICES, add_services};
use functions::add_questions;
use rhai::Module;

impl Language {
    /// Creates the language of scripts: the commands, the functions that go with them, questions and menus.
    #[must_use]
    pub fn new() -> Self {
        let mut module = Module::new();
        add_to_calls(&mut module);
        add_services(&mut module);
        add_questions(&mut module);
        let commands = COMMANDS.iter().map(|command| &command.function);
        Self::of(module, commands.chain(BUILTINS.iter().chain(SERVICES).chain(QUESTIONS).copied()).collect(), |_| None)
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}
