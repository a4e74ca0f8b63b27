//! Faults: errors in scripts, with their place and a hint.

use super::language::Language;
use super::names::{is_closure, written_name};
use super::shown::{short, shown};
use crate::agi::{is_hidden, printable};
use crate::utf8::NotUtf8;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rhai::{AST, ASTNode, Dynamic, EvalAltResult, Expr, Map, ParseError, Position};
use std::fmt;

/// The maximum number of bytes that a script's value may take in a message.
pub(crate) const MAX_MESSAGE: usize = 1000;

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
    /// The message and the hint with values, if `message` and `hint` are without: see [`Fault::in_full`].
    pub(crate) full: Option<(String, Option<String>)>,
}

/// The hint of a message without values.
const LEFT_OUT: &str = "values are left out, since the caller has answered a secret question";

/// An error raised by one of the host's functions: its text, with values and without.
#[derive(Debug)]
pub(crate) struct Raised {
    pub text: String,
    pub discreet: String,
}

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
            full: None,
        }
    }

    /// Returns the fault with the values of the call. It is meant for the person who made the call: a developer at
    /// the phone, a test.
    ///
    /// Once a caller has answered a secret question, any value of the script may have been made from the answer. From
    /// then on, a fault is reported without values (`the text "4711" compared with the number 5` becomes `a text
    /// compared with a number`), so that the secret doesn't reach a log, Asterisk, or wherever else the fault goes.
    #[must_use]
    pub fn in_full(mut self: Box<Self>) -> Box<Self> {
        if let Some((message, hint)) = self.full.take() {
            (self.message, self.hint) = (message, hint);
        }
        self
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

    fn at(mut self, position: Position, sources: &[Source]) -> Self {
        self.line = position.line().unwrap_or(0);
        self.column = position.position().unwrap_or(usize::from(self.line > 0));
        if let Some(source) = sources.iter().find(|source| source.name == self.script) {
            self.source = source.text.lines().nth(self.line.wrapping_sub(1)).unwrap_or_default().to_owned();
        }
        self
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

    /// Converts a compile error into a fault.
    pub(crate) fn of_parse(script: &str, error: &ParseError, language: &Language, sources: &[Source]) -> Box<Self> {
        let (message, hint) = match error.err_type() {
            rhai::ParseErrorType::VariableUndefined(name) => (
                format!("unknown variable `{name}`"),
                Some(language.similar(name).map_or_else(
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
                let hint = "put commas between the entries of a map, and names that aren't words in quotes: #{ \"1\": 5 }";
                (other.to_string(), map.then(|| hint.to_owned()))
            }
        };
        let message = short(message, MAX_MESSAGE);
        Box::new(Self { hint, ..Self::new(script, message).at(error.position(), sources) })
    }

    /// Converts a runtime error into a fault.
    pub(crate) fn of_error(script: &str, error: &EvalAltResult, language: &Language, sources: &[Source]) -> Box<Self> {
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
        if let EvalAltResult::ErrorParsing(kind, position) = error {
            return Self::of_parse(&script, &ParseError(Box::new(kind.clone()), *position), language, sources);
        }
        let (message, hint) = explain(error, language);
        let message = short(message, MAX_MESSAGE);
        let (script, position) = match error.position() {
            place if place.is_none() => called,
            place => (script, place),
        };
        Box::new(Self { hint, calls, ..Self::new(&script, message).at(position, sources) })
    }

    /// Hides the values of this error's fault, because the caller has answered a secret question. `raised` is the
    /// last error of one of the host's functions.
    pub(crate) fn discreetly(
        mut self: Box<Self>,
        error: &EvalAltResult,
        language: &Language,
        raised: Option<&Raised>,
    ) -> Box<Self> {
        let before = self.source.char_indices().nth(self.column.saturating_sub(1));
        let here = before.map_or("", |(at, _)| &self.source[at..]);
        self.hide_values(explain_discreetly(error.unwrap_inner(), language, here, raised));
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
        rendered.strip_prefix("error: ").map(str::to_owned).unwrap_or(rendered)
    }

    /// Returns the fault on several lines, with the line of the script and a caret below the place.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        self.render_as(Level::ERROR, colour)
    }

    /// Returns the same as a note, for a place that isn't an error.
    pub(crate) fn render_note(&self, colour: bool) -> String {
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

/// Renders an error as rustc does. It consists of a title (level, rule, message), the script, the marked part of a
/// line (line, column, width in characters), the functions it was called from, and a hint.
pub(crate) fn render(
    (level, rule, message): (Level<'static>, Option<&str>, &str),
    script: &str,
    marked: Option<(usize, usize, usize)>,
    source: &str,
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
        let start = column.saturating_sub(1);
        report = report.element(
            Snippet::source(source)
                .line_start(line)
                .path(&*script)
                .annotation(AnnotationKind::Primary.span(byte(start)..byte(start + width))),
        );
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

/// Writes the fault on one line: `game.rhai:12:5: message; hint`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.script))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", printable(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "; {}", printable(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

fn explain(error: &EvalAltResult, language: &Language) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
            let name = written_name(name);
            let types = &types.strip_suffix(')').unwrap_or(types).replace("&str | ImmutableString | String", "string");
            if let Some((message, hint)) = language.hint_for_unavailable(name) {
                return (message, Some(hint));
            }
            if let Some(function) = language.function(name) {
                return (
                    format!("`{name}` takes {}, not {}", function.arity(), count(types)),
                    Some(format!("it is called as {}", function.signature())),
                );
            }
            if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                let hint = language.similar(name).map(|like| format!("did you mean `{like}`?"));
                let types = if types.is_empty() { String::new() } else { format!(" for {types}") };
                return (format!("no function `{name}`{types}"), hint);
            }
            (format!("`{name}` doesn't work with {types}"), None)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => (format!("unknown variable `{name}`"), None),
        EvalAltResult::ErrorRuntime(token, _) => (thrown(token), None),
        EvalAltResult::ErrorTerminated(token, _) if !token.is_unit() => (shown(token, MAX_MESSAGE), None),
        EvalAltResult::ErrorStackOverflow(_) => (
            "functions call each other too deeply".to_owned(),
            Some("a function that calls itself must stop at some point; the limit is 64 nested calls".to_owned()),
        ),
        EvalAltResult::ErrorDataRace(what, _) => (
            format!("{what} is in use: the function that runs this closure is about to change it"),
            Some(
                "work on a copy: with `let list = state.list; list.for_each(..)` the closure may change `state`"
                    .to_owned(),
            ),
        ),
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            let hint = match what.as_str() {
                "Length of string" => "the limit applies to one text, and to all texts of an array or map together",
                _ => "the limit also counts the elements of arrays and maps inside",
            };
            (format!("{what} is too large"), Some(hint.to_owned()))
        }
        EvalAltResult::ErrorModuleNotFound(name, _) => (format!("no script {name:?} to import"), None),
        EvalAltResult::ErrorNonPureMethodCallOnConstant(name, _) => (
            format!("`{name}` changes its value, and this one is read-only"),
            Some("copy it first, and change the copy: let copy = args;".to_owned()),
        ),
        EvalAltResult::ErrorAssignmentToConstant(name, _) => (format!("`{name}` cannot be changed"), None),
        EvalAltResult::ErrorIndexNotFound(index, _) => (format!("Invalid index: {}", shown(index, MAX_MESSAGE)), None),
        other => {
            let mut text = short(other, MAX_MESSAGE);
            // The fault has the place already.
            if let Some(at) = text.rfind(" (line ") {
                text.truncate(at);
            }
            (text, None)
        }
    }
}

/// Returns the message and the hint of an error without values. All of their words come from here, or from the script
/// at the place of the error (`here`), so none of them can come from a caller's keys. An error of an unknown kind,
/// for instance from a newer Rhai, is reported by its place alone.
fn explain_discreetly(
    error: &EvalAltResult,
    language: &Language,
    here: &str,
    raised: Option<&Raised>,
) -> (String, Option<String>) {
    let is_here = |name: &str| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let rest = here.strip_prefix(name).filter(|_| !name.is_empty());
        rest.is_some_and(|rest| !name.ends_with(is_word) || !rest.starts_with(is_word))
    };
    let message = match error {
        EvalAltResult::ErrorFunctionNotFound(signature, position) => {
            let (name, types) = signature.rsplit_once(" (").unwrap_or((signature, ""));
            let name = written_name(name);
            let types = types.strip_suffix(')').unwrap_or(types).split(", ").map(type_name).collect::<Vec<_>>();
            let types = types.join(", ");
            if is_here(name) {
                let known = EvalAltResult::ErrorFunctionNotFound(format!("{name} ({types})"), *position);
                return explain(&known, language);
            }
            let types = if types.is_empty() { String::new() } else { format!(" for {types}") };
            format!("no such function{types}")
        }
        EvalAltResult::ErrorVariableNotFound(name, _) | EvalAltResult::ErrorAssignmentToConstant(name, _)
            if is_here(name) =>
        {
            return explain(error, language);
        }
        EvalAltResult::ErrorStackOverflow(_) | EvalAltResult::ErrorTooManyOperations(_) => {
            return explain(error, language);
        }
        EvalAltResult::ErrorMismatchDataType(wanted, given, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, given, _) => {
            format!("{} where {} is needed", type_name(given), type_name(wanted))
        }
        EvalAltResult::ErrorRuntime(token, _) => return (thrown_discreetly(token, raised), None),
        other => kind(other).to_owned(),
    };
    (message, None)
}

/// Returns the kind of an error in words.
const fn kind(error: &EvalAltResult) -> &'static str {
    match error {
        EvalAltResult::ErrorParsing(..) => "this cannot be compiled",
        EvalAltResult::ErrorVariableExists(..) => "this variable already exists",
        EvalAltResult::ErrorForbiddenVariable(..) => "a variable cannot have this name",
        EvalAltResult::ErrorVariableNotFound(..) => "unknown variable",
        EvalAltResult::ErrorPropertyNotFound(..) | EvalAltResult::ErrorDotExpr(..) => "no such property",
        EvalAltResult::ErrorIndexNotFound(..) => "there is nothing at this index",
        EvalAltResult::ErrorModuleNotFound(..) => "no such script to import",
        EvalAltResult::ErrorUnboundThis(..) => "there is no `this` here",
        EvalAltResult::ErrorIndexingType(..) => "this value has no elements",
        EvalAltResult::ErrorArrayBounds(..) => "the index is outside the array",
        EvalAltResult::ErrorStringBounds(..) => "the index is outside the text",
        EvalAltResult::ErrorBitFieldBounds(..) => "the index is outside the bits of a number",
        EvalAltResult::ErrorFor(..) => "`for` cannot loop over this value",
        EvalAltResult::ErrorNonPureMethodCallOnConstant(..) | EvalAltResult::ErrorAssignmentToConstant(..) => {
            "a constant cannot be changed"
        }
        EvalAltResult::ErrorArithmetic(..) => "this cannot be calculated: not a number, too large, or divided by zero",
        EvalAltResult::ErrorTooManyVariables(..) => "too many variables",
        EvalAltResult::ErrorDataTooLarge(..) => "a text, array or map is too large",
        EvalAltResult::ErrorTerminated(..) => "the script was ended",
        _ => "an error of another kind",
    }
}

/// Returns the name of a type, if it is one of Rhai's own.
fn type_name(name: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "()",
        "bool",
        "i64",
        "f64",
        "char",
        "string",
        "array",
        "map",
        "Fn",
        "range",
        "range=",
        "timestamp",
        "blob",
        "decimal",
    ];
    match name {
        "" => "",
        "&str | ImmutableString | String" => "string",
        _ => KNOWN.into_iter().find(|known| *known == name).unwrap_or("another type"),
    }
}

fn thrown_discreetly(token: &Dynamic, raised: Option<&Raised>) -> String {
    let text = thrown(token);
    match raised {
        Some(raised) if raised.text == text || raised.discreet == text => raised.discreet.clone(),
        _ if token.is_unit() => text,
        _ => "a value was thrown".to_owned(),
    }
}

/// Returns the message of a thrown value. An uncaught refusal is a map that has one.
fn thrown(token: &Dynamic) -> String {
    if let Some(map) = token.read_lock::<Map>()
        && let Some(message) = map.get("message").or_else(|| map.get("error"))
    {
        return shown(message, MAX_MESSAGE);
    }
    if token.is_unit() { "thrown without a value".to_owned() } else { shown(token, MAX_MESSAGE) }
}

fn count(types: &str) -> String {
    match types.split(", ").filter(|t| !t.is_empty()).count() {
        0 => "none".to_owned(),
        n => n.to_string(),
    }
}
