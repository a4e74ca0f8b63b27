//! Faults: errors in scripts, with their place and a hint.

use super::explain::{self, Explanation, Raised, Site};
use super::language::Language;
use super::names::{is_closure, written_name};
use super::shown::{MAX_MESSAGE, short};
use super::text::{ScriptText, around, place};
use super::usage::Limit;
use crate::agi::{is_hidden, printable};
use crate::plural::plural;
use crate::service::settings::SettingsError;
use crate::utf8::NotUtf8;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use rhai::{AST, ASTNode, Engine, EvalAltResult, Expr, ParseError, Position};
use std::fmt;

/// The text of a script, kept to show faults in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub name: String,
    pub text: String,
}

/// An error in a script, or a limit the script has exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The error.
    pub message: String,
    /// How to fix it, if known.
    pub hint: Option<String>,
    /// The name of the script.
    pub script: String,
    /// The line, counted from 1; 0 if there is none.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if there is none.
    pub column: usize,
    /// The text of the line.
    pub source: String,
    /// The functions it was called from, innermost first: name, script, line.
    pub calls: Vec<(String, String, usize)>,
    /// The limit that the script has exceeded.
    pub(crate) limit: Option<Limit>,
    /// The message and the hint with values, if `message` and `hint` are without: see [`Fault::in_full`].
    pub(crate) full: Option<(String, Option<String>)>,
    /// What else the checker knows, if it found it.
    pub(crate) found: Option<Found>,
    /// Further errors in the same file.
    pub(crate) others: Vec<Self>,
}

/// What the checker knows about a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The rule it breaks.
    pub rule: &'static str,
    /// The width of the place in characters.
    pub width: usize,
    /// Whether it is only a warning.
    pub is_warning: bool,
}

/// The maximum number of errors of a file that are rendered.
const MAX_RENDERED: usize = 20;

/// The hint of a message without values.
const LEFT_OUT: &str = "values are left out, since the caller has answered a secret question";

impl Fault {
    /// Returns a fault without a place in the script.
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
            limit: None,
            full: None,
            found: None,
            others: Vec::new(),
        }
    }

    /// Makes one fault of all errors of a file; `None` if there are none.
    pub(crate) fn of_all(errors: Vec<Self>) -> Option<Box<Self>> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(Box::new(Self { others: errors.collect(), ..first }))
    }

    /// Returns the errors of the file one by one.
    pub(crate) fn each(&self) -> impl Iterator<Item = Self> {
        let first = Self { others: Vec::new(), ..self.clone() };
        std::iter::once(first).chain(self.others.iter().cloned())
    }

    /// Returns the fault with the values of the call. It is meant for the person who made the call: a developer at
    /// the phone, a test.
    ///
    /// Once a caller has answered a secret question, any value of the script may have been made from the answer. From
    /// then on, a fault is reported without values (`the text "4711" is compared with the number 5` becomes
    /// `a text is compared with a number`), so that the secret doesn't reach a log, Asterisk, or wherever else the
    /// fault goes.
    #[must_use]
    pub fn in_full(mut self: Box<Self>) -> Box<Self> {
        if let Some((message, hint)) = self.full.take() {
            (self.message, self.hint) = (message, hint);
        }
        self
    }

    /// Adds a sentence to the hint. It must not hold values of the call.
    pub(crate) fn add_to_hint(&mut self, sentence: &str) {
        let with = |hint: &mut Option<String>| {
            *hint = Some(hint.take().map_or_else(|| sentence.to_owned(), |hint| format!("{hint}; {sentence}")));
        };
        with(&mut self.hint);
        if let Some((_, hint)) = &mut self.full {
            with(hint);
        }
    }

    /// Replaces the message and the hint by ones without values. [`Fault::in_full`] brings the present ones back.
    pub(crate) fn hide_values(&mut self, (message, hint): (String, Option<String>)) {
        let hint = hint.map_or_else(|| LEFT_OUT.to_owned(), |hint| format!("{hint}; {LEFT_OUT}"));
        let message = std::mem::replace(&mut self.message, message);
        self.full = Some((message, self.hint.replace(hint)));
    }

    /// Returns the fault of a panic, with its message.
    pub(crate) fn of_panic(script: &str, who: &str, panic: &(dyn std::any::Any + Send)) -> Box<Self> {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Box::new(Self::new(script, format!("{who} panicked: {message}")))
    }

    /// Returns the fault of a panic without its message, which may contain values of the call.
    pub(crate) fn of_discreet_panic(script: &str, who: &str, panic: &(dyn std::any::Any + Send)) -> Box<Self> {
        let mut fault = Self::of_panic(script, who, panic);
        fault.hide_values((format!("{who} panicked"), None));
        fault
    }

    /// Sets the place of a fault that has none. Line 0 changes nothing.
    pub(crate) fn place_at(&mut self, script: String, line: usize, sources: &[Source]) {
        if self.line == 0 && line > 0 {
            let source = sources.iter().find(|source| source.name == script);
            source
                .and_then(|source| source.text.lines().nth(line - 1))
                .unwrap_or_default()
                .clone_into(&mut self.source);
            self.column = 1 + self.source.chars().take_while(|c| c.is_whitespace()).count();
            (self.script, self.line) = (script, line);
        }
    }

    /// Sets the place of a fault that has none to the line in which this function of the script begins.
    pub(crate) fn place_at_function(&mut self, function: &str, sources: &[Source]) {
        let begins =
            |line: &str| line.split_once("fn ").is_some_and(|(_, rest)| rest.trim_start().starts_with(function));
        if let Some(source) = sources.first()
            && let Some(line) = source.text.lines().position(begins)
        {
            self.place_at(source.name.clone(), line + 1, sources);
        }
    }

    /// Sets the place of a data race that has none: it is the call that `race` names, such as `argument #1 of
    /// function 'for_each'`. If the script calls that function several times, the place is the first call, and the
    /// message lists the others.
    pub(crate) fn place_at_call(&mut self, ast: &AST, race: &str, sources: &[Source]) {
        let Some(name) = race.split('\'').nth(1) else { return };
        let mut lines = Vec::new();
        ast.walk(&mut |nodes| {
            if let Some(ASTNode::Expr(Expr::FnCall(call, place) | Expr::MethodCall(call, place))) = nodes.last()
                && call.name == name
            {
                lines.extend(place.line());
            }
            true
        });
        lines.dedup();
        let Some((first, others)) = lines.split_first() else { return };
        self.place_at(self.script.clone(), *first, sources);
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            self.message = format!("{} (or in line {})", self.message, others.join(", "));
        }
    }

    /// Converts the error of a file that isn't UTF-8 into a fault.
    pub(crate) fn of_encoding(file: &str, error: NotUtf8) -> Box<Self> {
        let NotUtf8 { line, column, source, message, hint } = error;
        Box::new(Self { hint: Some(hint), line, column, source, ..Self::new(file, message) })
    }

    /// Sets the place of a fault in this text.
    fn of_explanation(script: &str, explanation: Explanation, text: &ScriptText<'_>) -> Self {
        let Explanation { message, hint, place: (line, column) } = explanation;
        let column = if line > 0 { column.max(1) } else { 0 };
        Self { hint, line, column, source: text.line(line).to_owned(), ..Self::new(script, message) }
    }

    /// Converts a compile error in this text into a fault.
    pub(crate) fn of_parse(script: &str, error: &ParseError, text: &str, language: &Language) -> Box<Self> {
        let text = ScriptText::new(&Engine::new_raw(), text);
        Box::new(Self::of_explanation(script, explain::parse_error(error, &text, language), &text))
    }

    /// Converts a runtime error into a fault.
    pub(crate) fn of_error(script: &str, error: &EvalAltResult, language: &Language, sources: &[Source]) -> Box<Self> {
        Self::explain_with(script, error, language, sources, in_full)
    }

    fn explain_with(
        script: &str,
        error: &EvalAltResult,
        language: &Language,
        sources: &[Source],
        explain: impl FnOnce(&Site<'_>, &EvalAltResult) -> Explanation,
    ) -> Box<Self> {
        let mut script = script.to_owned();
        let mut calls = Vec::new();
        let mut error = error;
        // Some of Rhai's errors have no place, and get that of the call they came from.
        let mut called = (script.clone(), Position::NONE);
        loop {
            match error {
                EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
                    if !position.is_none() {
                        called = (script.clone(), *position);
                    }
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
        let (script, position) = match error.position() {
            place if place.is_none() => called,
            place => (script, place),
        };
        let source = sources.iter().find(|source| source.name == script);
        let text = source.map_or("", |source| source.text.as_str());
        if let EvalAltResult::ErrorParsing(kind, position) = error {
            return Self::of_parse(&script, &ParseError(Box::new(kind.clone()), *position), text, language);
        }
        let text = ScriptText::new(&Engine::new_raw(), text);
        let site = Site { text: &text, language, place: place(position) };
        let mut explanation = explain(&site, error);
        explanation.message = short(explanation.message, MAX_MESSAGE);
        Box::new(Self { calls, ..Self::of_explanation(&script, explanation, &text) })
    }

    /// Hides the values of this error's fault, because the caller has answered a secret question. `raised` is the
    /// last error of one of the host's functions.
    pub(crate) fn discreetly(
        mut self: Box<Self>,
        error: &EvalAltResult,
        language: &Language,
        sources: &[Source],
        raised: Option<&Raised>,
    ) -> Box<Self> {
        let discreet = Self::explain_with(&self.script, error, language, sources, |site, error| {
            site.explain_discreetly(error, raised)
        });
        self.hide_values((discreet.message, discreet.hint));
        if let (Some(raised), Some((message, _))) = (raised, &mut self.full)
            && *message == raised.discreet
        {
            message.clone_from(&raised.text);
        }
        self
    }

    /// Returns the fault as [`render`](Self::render) does, but without `error:`, for a log that has levels of its
    /// own.
    #[must_use]
    pub fn report(&self) -> String {
        let rendered = self.render(false);
        ["error", "warning"]
            .iter()
            .find_map(|level| rendered.strip_prefix(&format!("{level}: ")))
            .unwrap_or(&rendered)
            .to_owned()
    }

    /// Returns the fault on several lines, with the line of the script and a caret below the place.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = if self.found.is_some_and(|found| found.is_warning) { Level::WARNING } else { Level::ERROR };
        let mut rendered = self.render_as(level, colour);
        for other in self.others.iter().take(MAX_RENDERED - 1) {
            rendered = format!("{rendered}\n\n{}", other.render(colour));
        }
        match self.others.len().saturating_sub(MAX_RENDERED - 1) {
            0 => rendered,
            more => format!("{rendered}\n\nand {}", plural(more, "more error")),
        }
    }

    /// Returns the same as a note, for a place that isn't an error.
    pub(crate) fn render_note(&self, colour: bool) -> String {
        self.render_as(Level::NOTE, colour)
    }

    fn render_as(&self, level: Level<'static>, colour: bool) -> String {
        let marked = (self.line > 0).then(|| {
            let rest = self.source.chars().skip(self.column.saturating_sub(1));
            let word = || rest.take_while(|c| c.is_alphanumeric() || *c == '_').count().max(1);
            (self.line, self.column, self.found.map_or_else(word, |found| found.width))
        });
        let title = (level, self.found.map(|found| found.rule), self.message.as_str());
        let source = around(&self.source, self.column);
        render(title, &self.script, marked, source, &self.calls, self.hint.as_deref(), colour)
    }
}

/// Renders an error as rustc does. It consists of a title (level, rule, message), the script, the marked part of a
/// line (line, column, width in characters), the functions it was called from, and a hint.
pub(crate) fn render(
    (level, rule, message): (Level<'static>, Option<&str>, &str),
    script: &str,
    marked: Option<(usize, usize, usize)>,
    (before, source): (usize, &str),
    calls: &[(String, String, usize)],
    hint: Option<&str>,
    colour: bool,
) -> String {
    let (message, script) = (printable(message), printable(script));
    // Each character is replaced by one character, so the marked part stays in its place.
    let source: String = source.chars().map(|c| if c != '\t' && is_hidden(c) { '\u{fffd}' } else { c }).collect();
    let source = source.as_str();
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut title = level.primary_title(&*message);
    if let Some(rule) = rule {
        title = title.id(rule);
    }
    let mut report = title.elements(std::iter::empty::<annotate_snippets::Element<'_>>());
    if let Some((line, column, width)) = marked {
        let byte = |at: usize| source.char_indices().nth(at).map_or(source.len(), |(at, _)| at);
        let start = column.saturating_sub(1 + before);
        let snippet = Snippet::source(source)
            .line_start(line)
            .annotation(AnnotationKind::Primary.span(byte(start)..byte(start + width)));
        report = if before == 0 {
            report.element(snippet.path(&*script))
        } else {
            report.element(Origin::path(&*script).line(line).char_column(column)).element(snippet)
        };
    }
    for (name, script, line) in calls {
        let name = if is_closure(name) { "a closure".to_owned() } else { format!("`{}`", written_name(name)) };
        let place = if *line > 0 { format!("at {script}:{line}") } else { format!("from {script}") };
        let note = format!("in {}, called {}", printable(&name), printable(&place));
        report = report.element(Level::NOTE.message(note));
    }
    if let Some(hint) = hint {
        report = report.element(Level::HELP.message(printable(hint)));
    }
    renderer.render(&[report])
}

fn in_full(site: &Site<'_>, error: &EvalAltResult) -> Explanation {
    site.explain(error)
}

/// Writes the fault on one line: `game.rhai:12:5: message; hint [rule] (and 2 more errors)`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.script))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", printable(&self.message))?;
        if let Some(hint) = &self.hint {
            write!(f, "; {}", printable(hint))?;
        }
        if let Some(found) = self.found {
            write!(f, " [{}]", found.rule)?;
        }
        match self.others.len() {
            0 => Ok(()),
            others => write!(f, " (and {})", plural(others, "more error")),
        }
    }
}

impl std::error::Error for Fault {}

/// A mistake in the operator's file is shown as one in a script.
impl From<&SettingsError> for Fault {
    fn from(error: &SettingsError) -> Self {
        let SettingsError { message, hint, file, line, column, source, .. } = error.clone();
        Self { hint, line, column, source, ..Self::new(&file, message) }
    }
}
