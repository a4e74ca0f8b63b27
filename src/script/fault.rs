//! Faults: what is wrong in a script, where, and what would be right.

use super::functions::Language;
use super::shown::{short, shown};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rhai::{Dynamic, EvalAltResult, Map, ParseError, Position};
use std::fmt;

/// What a message takes of a script's value, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 1000;

/// The text of a script, kept for showing a fault in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub name: String,
    pub text: String,
}

/// A mistake in a script, or a limit it ran into.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// What would be right, where that is known.
    pub hint: Option<String>,
    /// The script.
    pub script: String,
    /// The line, from 1; 0 where it has none.
    pub line: usize,
    /// The column in characters, from 1; 0 where it has none.
    pub column: usize,
    /// The text of the line.
    pub source: String,
    /// The functions it was called from, innermost first: name, script, line.
    pub calls: Vec<(String, String, usize)>,
}

impl Fault {
    /// A fault without a place in a script.
    #[must_use]
    pub fn new(script: &str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            script: script.to_owned(),
            line: 0,
            column: 0,
            source: String::new(),
            calls: Vec::new(),
        }
    }

    /// What became of a panic: who panicked, and with which words.
    pub(crate) fn of_panic(script: &str, who: &str, panic: &(dyn std::any::Any + Send)) -> Box<Self> {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Box::new(Self::new(script, format!("{who} panicked: {what}")))
    }

    fn at(mut self, position: Position, sources: &[Source]) -> Self {
        self.line = position.line().unwrap_or(0);
        self.column = position.position().unwrap_or(usize::from(self.line > 0));
        if let Some(source) = sources.iter().find(|source| source.name == self.script) {
            self.source = source.text.lines().nth(self.line.wrapping_sub(1)).unwrap_or_default().to_owned();
        }
        self
    }

    pub(super) fn of_parse(script: &str, error: &ParseError, language: &Language, sources: &[Source]) -> Box<Self> {
        let (message, hint) = match error.err_type() {
            rhai::ParseErrorType::VariableUndefined(name) => (
                format!("unknown variable `{name}`"),
                Some(language.like(name).map_or_else(
                    || "a function sees its parameters, `state`, `env`, `args` and `params`, but no variable from outside".to_owned(),
                    |like| format!("did you mean `{like}`?"),
                )),
            ),
            rhai::ParseErrorType::Reserved(word)
            | rhai::ParseErrorType::BadInput(rhai::LexError::ImproperSymbol(word, _))
                if word == "eval" =>
            {
                ("`eval` is off".to_owned(), None)
            }
            other => {
                let map = matches!(other, rhai::ParseErrorType::MissingToken(_, why) if why.contains("object map literal"));
                let hint = "names in a map that are no words stand in quotes, and commas between its entries: #{ \"1\": 5 }";
                (other.to_string(), map.then(|| hint.to_owned()))
            }
        };
        let message = short(message, LONGEST_MESSAGE);
        Box::new(Self { hint, ..Self::new(script, message).at(error.position(), sources) })
    }

    pub(super) fn of_error(script: &str, error: &EvalAltResult, language: &Language, sources: &[Source]) -> Box<Self> {
        let mut script = script.to_owned();
        let mut calls = Vec::new();
        let mut error = error;
        loop {
            match error {
                EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
                    calls.insert(0, (name.clone(), script.clone(), position.line().unwrap_or(0)));
                    if !source.is_empty() {
                        script.clone_from(source);
                    }
                    error = inner;
                }
                EvalAltResult::ErrorInModule(name, inner, _) => {
                    if !name.is_empty() {
                        script.clone_from(name);
                    }
                    error = inner;
                }
                _ => break,
            }
        }
        if let EvalAltResult::ErrorParsing(kind, position) = error {
            return Self::of_parse(&script, &ParseError(Box::new(kind.clone()), *position), language, sources);
        }
        let (message, hint) = explain(error, language);
        let message = short(message, LONGEST_MESSAGE);
        Box::new(Self { hint, calls, ..Self::new(&script, message).at(error.position(), sources) })
    }

    /// As [`render`](Self::render), for a log whose level says already that it is an error.
    #[must_use]
    pub fn report(&self) -> String {
        let rendered = self.render(false);
        rendered.strip_prefix("error: ").map(str::to_owned).unwrap_or(rendered)
    }

    /// The fault with its line of source and a caret below it, over several lines.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        self.render_as(Level::ERROR, colour)
    }

    /// The same for a place that is worth a look, and no fault.
    pub(super) fn render_note(&self, colour: bool) -> String {
        self.render_as(Level::NOTE, colour)
    }

    fn render_as(&self, level: Level<'static>, colour: bool) -> String {
        let marked = (self.line > 0).then(|| {
            let rest = self.source.chars().skip(self.column.saturating_sub(1));
            let word = rest.take_while(|c| c.is_alphanumeric() || *c == '_').count();
            (self.line, self.column, word.max(1))
        });
        let title = (level, None, self.message.as_str());
        render(title, &self.script, marked, &self.source, &self.calls, self.hint.as_deref(), colour)
    }
}

/// What is wrong, as rustc would show it: the title (how bad it is, the rule, the message), the script, what is marked
/// in its line (line, column, width in characters), the functions it was called from, and what would be right.
pub(super) fn render(
    (level, rule, message): (Level<'static>, Option<&str>, &str),
    script: &str,
    marked: Option<(usize, usize, usize)>,
    source: &str,
    calls: &[(String, String, usize)],
    hint: Option<&str>,
    colour: bool,
) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut title = level.primary_title(message);
    if let Some(rule) = rule {
        title = title.id(rule);
    }
    let mut report = title.elements(std::iter::empty::<annotate_snippets::Element<'_>>());
    if let Some((line, column, width)) = marked {
        let byte = |at: usize| source.char_indices().nth(at).map_or(source.len(), |(at, _)| at);
        let start = column.saturating_sub(1);
        report = report.element(
            Snippet::source(source)
                .line_start(line)
                .path(script)
                .annotation(AnnotationKind::Primary.span(byte(start)..byte(start + width))),
        );
    }
    for (name, script, line) in calls {
        let name = if name.starts_with("anon$") { "a closure".to_owned() } else { format!("`{name}`") };
        report = report.element(Level::NOTE.message(format!("in {name}, called at {script}:{line}")));
    }
    if let Some(hint) = hint {
        report = report.element(Level::HELP.message(hint.to_owned()));
    }
    renderer.render(&[report])
}

/// In one line: `game.rhai:12:5: what is wrong; what would be right`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

fn explain(error: &EvalAltResult, language: &Language) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
            let types = &types.strip_suffix(')').unwrap_or(types).replace("&str | ImmutableString | String", "string");
            if let Some((message, hint)) = language.stranger(name) {
                return (message, Some(hint));
            }
            if let Some(function) = language.function(name) {
                return (
                    format!("`{name}` takes {}, not {}", function.arity(), count(types)),
                    Some(format!("it is called as {}", function.signature())),
                );
            }
            if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                let hint = language.like(name).map(|like| format!("did you mean `{like}`?"));
                let types = if types.is_empty() { String::new() } else { format!(" for {types}") };
                return (format!("no function `{name}`{types}"), hint);
            }
            (format!("`{name}` does not go with {types}"), None)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => (format!("unknown variable `{name}`"), None),
        EvalAltResult::ErrorRuntime(token, _) => (thrown(token), None),
        EvalAltResult::ErrorTerminated(token, _) if !token.is_unit() => (shown(token, LONGEST_MESSAGE), None),
        EvalAltResult::ErrorStackOverflow(_) => (
            "functions call each other too deep".to_owned(),
            Some("a function that calls itself has to end at some time; the limit is 64 calls deep".to_owned()),
        ),
        EvalAltResult::ErrorTooManyOperations(_) => (
            "the script computes too long while it is imported".to_owned(),
            Some("an imported script may only define functions and constants".to_owned()),
        ),
        EvalAltResult::ErrorDataTooLarge(what, _) => (format!("{what} is too large"), None),
        EvalAltResult::ErrorModuleNotFound(name, _) => (format!("no script {name:?} to import"), None),
        EvalAltResult::ErrorAssignmentToConstant(name, _) => (format!("`{name}` cannot be changed"), None),
        EvalAltResult::ErrorIndexNotFound(index, _) => {
            (format!("Invalid index: {}", shown(index, LONGEST_MESSAGE)), None)
        }
        other => {
            let mut text = short(other, LONGEST_MESSAGE);
            // The place is told besides.
            if let Some(at) = text.rfind(" (line ") {
                text.truncate(at);
            }
            (text, None)
        }
    }
}

/// The message of a thrown value: an uncaught refusal is a map that has one.
fn thrown(token: &Dynamic) -> String {
    if let Some(map) = token.read_lock::<Map>()
        && let Some(message) = map.get("message").or_else(|| map.get("error"))
    {
        return shown(message, LONGEST_MESSAGE);
    }
    if token.is_unit() { "thrown without a value".to_owned() } else { shown(token, LONGEST_MESSAGE) }
}

fn count(types: &str) -> String {
    match types.split(", ").filter(|t| !t.is_empty()).count() {
        0 => "none".to_owned(),
        n => n.to_string(),
    }
}
