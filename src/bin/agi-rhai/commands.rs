//! `agi-rhai commands`: the reference in the terminal, generated from the same tables as docs/commands.md.

use crate::out;
use crate::terminal::shows_colour;
use agi_rhai::command::{Command, Example, Function, Kind, Need, Param, Table};
use agi_rhai::internals::BUILTINS;
use agi_rhai::internals::QUESTIONS;
use agi_rhai::internals::VOCABULARY;
use agi_rhai::internals::reference::notes;
use agi_rhai::internals::{WORDS, Word};
use agi_rhai::script::Language;
use std::fmt::Write as _;
use std::io::stdout;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  agi-rhai commands                 all functions, one per line
  agi-rhai commands stream_file     one of them
  agi-rhai commands STREAM FILE     the same by its name in Asterisk
  agi-rhai commands grammar         all with `grammar` in their names
Exit codes: 0 shown, 2 there is no such function.";

/// Shows the functions of scripts: all of them, or one with its examples
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CommandsOptions {
    /// A function, an AGI command as Asterisk spells it, or a part of their names
    #[arg(value_name = "NAME")]
    name: Vec<String>,
}

/// The lists of functions that send no command of their own, with their subjects.
const OTHERS: [(&str, &[&Function]); 3] = [
    ("Besides the commands", BUILTINS),
    ("Questions and menus", QUESTIONS),
    ("In tests, which end in .test.rhai", VOCABULARY),
];

/// The width of the output, in columns.
const WIDTH: usize = 80;
/// The column at which summaries and descriptions of parameters begin.
const SUMMARY_COLUMN: usize = 28;

pub fn commands(options: &CommandsOptions) -> ExitCode {
    let colour = shows_colour(&stdout());
    let mut page = Page { text: String::new(), colour };
    let wanted = options.name.join(" ");
    if wanted.is_empty() {
        page.list(|_| true, |_| false);
        page.text.push_str("\n`agi-rhai commands NAME` describes one of them, with examples.\n");
        return page.print();
    }
    if let Some(function) = find(&wanted) {
        page.entry(function);
        return page.print();
    }
    let words: Vec<&Word> = WORDS.iter().filter(|word| word.name().eq_ignore_ascii_case(&wanted)).collect();
    if !words.is_empty() {
        page.words(&words);
        return page.print();
    }
    let part = wanted.to_lowercase().replace(' ', "_");
    let named = |name: &str| part.len() > 1 && name.contains(&part);
    page.list(|function| named(function.name), |word| named(word.name()));
    if !page.text.is_empty() {
        return page.print();
    }
    let like = Language::new().similar(&part).filter(|like| find(like).is_some());
    let hint = like.map_or("`agi-rhai commands` lists all".to_owned(), |like| format!("did you mean `{like}`?"));
    out::error(format_args!("there is no function `{wanted}`; {hint}"));
    ExitCode::from(2)
}

/// Finds the function of this name, or the one that sends this command.
fn find(wanted: &str) -> Option<&'static Function> {
    let name = wanted.to_lowercase().replace(' ', "_");
    let sends = || Table::new().iter().find(|command| command.verb.eq_ignore_ascii_case(wanted));
    all().find(|function| function.name == name).or_else(|| sends().map(|command| &command.function))
}

/// Returns the command that a function sends, if it sends a single one.
fn command(function: &Function) -> Option<&'static Command> {
    Table::new().of(function)
}

fn all() -> impl Iterator<Item = &'static Function> {
    groups().into_iter().flat_map(|(_, functions)| functions)
}

/// Returns the functions by subject.
fn groups() -> Vec<(&'static str, Vec<&'static Function>)> {
    let mut groups: Vec<(&'static str, Vec<&'static Function>)> = Vec::new();
    for command in Table::new().iter() {
        match groups.iter_mut().find(|(subject, _)| *subject == command.subject) {
            Some((_, functions)) => functions.push(&command.function),
            None => groups.push((command.subject, vec![&command.function])),
        }
    }
    groups.extend(OTHERS.map(|(subject, functions)| (subject, functions.to_vec())));
    groups
}

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn print(&self) -> ExitCode {
        out::text(&self.text);
        ExitCode::SUCCESS
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let text = self.paint("1", text);
        self.line(&text);
    }

    fn paint(&self, how: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{how}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Colours text between backticks, or keeps the backticks without colour.
    fn code(&self, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let parts = text.split('`').enumerate();
        parts.map(|(number, part)| if number % 2 == 1 { self.paint("36", part) } else { part.to_owned() }).collect()
    }

    /// Adds a wrapped and indented text, whose first line starts with `before`.
    fn wrapped(&mut self, before: &str, indent: usize, text: &str) {
        let mut line = format!("{before:indent$}");
        let mut lines = Vec::new();
        for word in text.split_whitespace() {
            if line.trim_end().chars().count() + 1 + word.chars().count() > WIDTH && !line.trim().is_empty() {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            }
            if line.chars().count() > indent {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        // All lines at once, since text in backticks may span lines.
        let lines = self.code(&lines.join("\n"));
        for line in lines.lines() {
            self.line(line);
        }
    }

    fn list(&mut self, wanted: impl Fn(&Function) -> bool, word: impl Fn(&Word) -> bool) {
        for (subject, functions) in groups() {
            let functions: Vec<&Function> = functions.into_iter().filter(|function| wanted(function)).collect();
            if functions.is_empty() {
                continue;
            }
            self.heading(subject);
            for function in functions {
                self.listed(function.name, &brief(function.summary));
            }
        }
        let words: Vec<&Word> = WORDS.iter().filter(|one| word(one)).collect();
        if !words.is_empty() {
            self.heading("Of the language itself");
            for word in words {
                self.listed(&format!("{}.{}", word.of, word.name()), &brief(word.summary));
            }
        }
    }

    fn listed(&mut self, name: &str, summary: &str) {
        let gap = " ".repeat(SUMMARY_COLUMN.saturating_sub(2 + name.chars().count()).max(1));
        let line = format!("  {}{gap}{}", self.paint("36", name), self.code(summary));
        self.line(&line);
    }

    fn words(&mut self, words: &[&Word]) {
        for word in words {
            self.heading(&format!("{}.{}", word.of, word.signature));
            self.wrapped("", 4, word.summary);
            let (example, value) = word.example;
            self.line("");
            self.line(&format!("    {example}"));
            self.line(&format!("        {value}"));
        }
    }

    fn entry(&mut self, function: &Function) {
        self.heading(&function.signature());
        if let Some(command) = command(function) {
            let line = format!("    sends {}", command.verb);
            let line = self.paint("2", &line);
            self.line(&line);
        }
        self.line("");
        self.wrapped("", 0, function.summary);
        if !function.params.is_empty() {
            self.heading("Parameters");
            for param in function.params {
                self.param(param, 4);
            }
        }
        self.heading("Returns");
        self.wrapped("", 4, &format!("{}.", function.returns.doc()));
        for note in command(function).map(notes).unwrap_or_default() {
            self.wrapped("", 4, note);
        }
        self.heading(if function.examples.len() == 1 { "Example" } else { "Examples" });
        for (number, example) in function.examples.iter().enumerate() {
            if number > 0 {
                self.text.push('\n');
            }
            self.example(example);
        }
    }

    fn param(&mut self, param: &Param, indent: usize) {
        let kind = match param.kind {
            Kind::Word(words) => format!("one of `{}`", words.join("`, `")),
            Kind::Integer(min, max) | Kind::Millis(min, max) | Kind::WholeSeconds(min, max) => range(min, max),
            kind => kind.name().to_owned(),
        };
        let need = match param.need {
            Need::Required => String::new(),
            Need::Default("") => ", `\"\"` if left out".to_owned(),
            Need::Default(default) => format!(", `{default}` if left out"),
            Need::Optional => ", may be left out".to_owned(),
        };
        let name = format!("{}{}", " ".repeat(indent), param.name);
        let name = if name.len() + 2 > SUMMARY_COLUMN { name + "  " } else { name };
        self.wrapped(&name, SUMMARY_COLUMN, &format!("({kind}{need}) {}", param.doc));
        if let Kind::Options(options) = param.kind {
            for option in options {
                self.param(option, indent + 4);
            }
        }
    }

    fn example(&mut self, example: &Example) {
        if !example.caller.is_empty() {
            let line = self.paint("2", &format!("    // the caller {}", example.caller));
            self.line(&line);
        }
        for line in example.script.lines() {
            let line = self.paint("36", line);
            self.line(&format!("    {line}"));
        }
        let mut rows: Vec<(&str, &str)> = Vec::new();
        let sends = example.sends.lines().map(|line| ("to Asterisk", line));
        let replies = example.reply.lines().map(|line| ("its reply", line));
        // Each line is followed by its reply.
        let (sends, replies): (Vec<_>, Vec<_>) = (sends.collect(), replies.collect());
        for number in 0..sends.len().max(replies.len()) {
            rows.extend(sends.get(number));
            rows.extend(replies.get(number));
        }
        rows.push(("value", example.value));
        for (what, line) in rows {
            let what = self.paint("2", &format!("{what:<13}"));
            let _ = writeln!(self.text, "        {what}{line}");
        }
    }
}

fn range(min: i64, max: i64) -> String {
    match (min, max) {
        (i64::MIN..=-2_000_000_000, 2_000_000_000..) => "integer".to_owned(),
        (_, 2_000_000_000..) => format!("integer from {min}"),
        _ => format!("integer from {min} to {max}"),
    }
}

/// Shortens a summary to fit into the list, if possible at the end of a clause.
fn brief(summary: &str) -> String {
    let room = WIDTH - SUMMARY_COLUMN;
    if summary.chars().count() <= room {
        return summary.to_owned();
    }
    let fits = |at: &usize| summary[..*at].chars().count() < room;
    let mut stops = summary.match_indices(['.', ';', ':', ',']).map(|(at, _)| at).filter(fits);
    let ends = |part: &str, sign: char| part.matches(sign).count();
    let whole = |part: &str| ends(part, '`').is_multiple_of(2) && ends(part, '(') == ends(part, ')');
    match stops.rfind(|&at| whole(&summary[..at])) {
        Some(at) if summary[..at].chars().count() > 15 => format!("{}.", &summary[..at]),
        _ => {
            let cut = summary.match_indices(' ').map(|(at, _)| at).rfind(fits).unwrap_or(0);
            format!("{}…", &summary[..cut])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_belongs_to_a_subject() {
        let groups = groups();
        let subjects: Vec<&str> = groups.iter().map(|(subject, _)| *subject).collect();
        assert_eq!(subjects[..3], ["The call", "Playing sound files", "Keys"]);
        assert!(!subjects.contains(&Command::UNSTATED.subject), "{subjects:?}");
        assert!(groups.iter().all(|(_, functions)| !functions.is_empty()));
    }

    #[test]
    fn every_summary_fits_its_line() {
        for function in all() {
            assert!(brief(function.summary).chars().count() <= WIDTH - SUMMARY_COLUMN, "{}", function.name);
            assert!(function.name.len() + 3 <= SUMMARY_COLUMN, "{}", function.name);
        }
    }
}
