//! Questions and menus: what would take a script several commands each time, and is easy to get wrong.

mod choices;
mod dial;
mod functions;
mod keypad;
mod listening;
mod options;
mod parts;
mod phrases;
mod play;
mod prompter;
mod question;
mod speech;
#[cfg(feature = "speech")]
mod texts;

pub use choices::CHOICE_MEMBERS;
pub use functions::QUESTIONS;
pub(crate) use options::option_elsewhere;
#[cfg(feature = "speech")]
pub(crate) use texts::constant_texts;

use crate::command::COMMANDS;
use crate::script::{BUILTINS, Language, Named, add_commands, add_to_calls};
use crate::world::{SERVICES, add_services};
use functions::add_questions;
use rhai::Module;

impl Language {
    /// Creates the language of scripts: the commands, the functions that go with them, questions and menus.
    #[must_use]
    pub fn new() -> Self {
        let mut module = Module::new();
        add_to_calls(&mut module);
        let commands = COMMANDS.iter().map(|command| &command.function);
        let functions = commands.chain(BUILTINS.iter().chain(SERVICES).chain(QUESTIONS).copied()).collect();
        Self::of(module, add_named, functions, |_| None)
    }
}

/// Registers the functions that scripts have only if they name them.
fn add_named(module: &mut Module, named: &Named) {
    add_commands(module, named);
    add_services(module, named);
    add_questions(module, named);
}

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}
