//! The table of commands, and how to look one up.

use super::declaration::{Command, Function};
use super::{database, dialplan, digits, line_state, log, playback, record, say, speech, text, variable};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The commands of each subject, in the order of the reference.
const SUBJECTS: [&[&Command]; 11] = [
    line_state::COMMANDS,
    playback::COMMANDS,
    digits::COMMANDS,
    say::COMMANDS,
    record::COMMANDS,
    variable::COMMANDS,
    database::COMMANDS,
    dialplan::COMMANDS,
    text::COMMANDS,
    log::COMMANDS,
    speech::COMMANDS,
];

/// Asterisk's commands, in the order of the reference.
pub static COMMANDS: &[&Command] = &{
    const COUNT: usize = {
        let (mut count, mut at) = (0, 0);
        while at < SUBJECTS.len() {
            count += SUBJECTS[at].len();
            at += 1;
        }
        count
    };
    let mut all: [&Command; COUNT] = [SUBJECTS[0][0]; COUNT];
    let (mut count, mut at) = (0, 0);
    while at < SUBJECTS.len() {
        let mut row = 0;
        while row < SUBJECTS[at].len() {
            all[count] = SUBJECTS[at][row];
            count += 1;
            row += 1;
        }
        at += 1;
    }
    all
};

/// The commands that a script has: Asterisk's, and those that an embedder adds.
#[derive(Clone, Debug, Default)]
pub struct Table {
    added: Vec<&'static Command>,
}

impl Table {
    /// Creates a table of Asterisk's commands.
    #[must_use]
    pub const fn new() -> Self {
        Self { added: Vec::new() }
    }

    /// Adds a command, which replaces one with the same verb or function name.
    pub fn add(&mut self, command: &'static Command) {
        self.added.insert(0, command);
    }

    /// Returns all commands, in the order of the reference.
    pub fn iter(&self) -> impl Iterator<Item = &'static Command> + Clone {
        let replaced = |command: &&'static Command| {
            let same = |added: &&Command| {
                added.function.name == command.function.name || added.verb.eq_ignore_ascii_case(command.verb)
            };
            !self.added.iter().any(same)
        };
        COMMANDS.iter().copied().filter(replaced).chain(self.added.iter().rev().copied())
    }

    /// Returns the command whose function has this name.
    #[must_use]
    pub fn of_function(&self, name: &str) -> Option<&'static Command> {
        self.added.iter().chain(COMMANDS).copied().find(|command| command.function.name == name)
    }

    /// Returns the command that this function sends; `None` for other functions.
    #[must_use]
    pub fn of(&self, function: &Function) -> Option<&'static Command> {
        self.of_function(function.name).filter(|command| std::ptr::eq(&raw const command.function, function))
    }

    /// Returns the command that these words of a line begin with, and how many of the words are its verb. As in
    /// Asterisk, case doesn't matter.
    #[must_use]
    pub fn of_words(&self, words: &[impl AsRef<str>]) -> Option<(&'static Command, usize)> {
        let matched = |command: &'static Command| {
            let mut verb = 0;
            let matches = command.verb.split(' ').all(|word| {
                verb += 1;
                words.get(verb - 1).is_some_and(|w| w.as_ref().eq_ignore_ascii_case(word))
            });
            matches.then_some((command, verb))
        };
        let first = words.first()?.as_ref();
        let by_word = by_first_word();
        let listed = by_word.get(first).or_else(|| by_word.get(&*first.to_ascii_uppercase()));
        let listed = listed.into_iter().flatten().copied().filter_map(matched);
        // Of several with the longest verb, the last one is taken: the one that was added.
        listed.chain(self.added.iter().rev().copied().filter_map(matched)).max_by_key(|(_, verb)| *verb)
    }
}

/// The commands by the first word of their verb, since a simulator looks one up for every line.
fn by_first_word() -> &'static HashMap<&'static str, Vec<&'static Command>> {
    static BY_WORD: OnceLock<HashMap<&'static str, Vec<&'static Command>>> = OnceLock::new();
    BY_WORD.get_or_init(|| {
        let mut by_word: HashMap<&str, Vec<&Command>> = HashMap::new();
        for &command in COMMANDS {
            by_word.entry(command.verb.split(' ').next().unwrap_or_default()).or_default().push(command);
        }
        by_word
    })
}
