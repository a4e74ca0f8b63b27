//! Faults: what is wrong in a script, where, and what would be right.

use super::language::Language;
use super::shown::{short, shown};
use crate::agi::{is_hidden, printable};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rhai::{AST, ASTNode, Dynamic, EvalAltResult, Expr, Map, ParseError, Position};
use std::fmt;

/// What a message takes of a script's value, in bytes.
pub(crate) const MAX_MESSAGE: usize = 1000;

/// The text of a script, kept for showing a fault in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
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
    /// Message and hint with the values of the call, where `message` and `hint` do without: see [`Fault::in_full`].
    pub(crate) full: Option<(String, Option<String>)>,
}

/// What goes beside a message that tells no values.
const LEFT_OUT: &str = "values are left out, since the caller has answered a secret question";

/// An error that a function of ours has raised: its text, and what may be told of it where no value may.
#[derive(Debug)]
pub(crate) struct Raised {
    pub text: String,
    pub discreet: String,
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
            full: None,
        }
    }

    /// The fault with the values of the call, for the eyes of whoever made the call: a developer at the phone, a test.
    ///
    /// Once a caller has answered a secret question, whatever a script computes may be made of the answer. From then
    /// on a fault is told without values (`the text "4711" compared with the number 5` is `a text compared with a
    /// number`), so that wherever it goes, into a log or to Asterisk, the secret does not go with it.
    #[must_use]
    pub fn in_full(mut self: Box<Self>) -> Box<Self> {
        if let Some((message, hint)) = self.full.take() {
            (self.message, self.hint) = (message, hint);
        }
        self
    }

    /// Lets the fault tell this instead, and this in full.
    pub(crate) fn told_as(&mut self, (message, hint): (String, Option<String>)) {
        let hint = hint.map_or_else(|| LEFT_OUT.to_owned(), |hint| format!("{hint}; {LEFT_OUT}"));
        let message = std::mem::replace(&mut self.message, message);
        self.full = Some((message, self.hint.replace(hint)));
    }

    /// What became of a panic: who panicked, and with which words.
    pub(crate) fn of_panic(script: &str, who: &str, panic: &(dyn std::any::Any + Send)) -> Box<Self> {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Box::new(Self::new(script, format!("{who} panicked: {what}")))
    }

    /// The same without those words: they may hold values of the call.
    pub(crate) fn of_discreet_panic(script: &str, who: &str, panic: &(dyn std::any::Any + Send)) -> Box<Self> {
        let mut fault = Self::of_panic(script, who, panic);
        fault.told_as((format!("{who} panicked"), None));
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

    /// Places a fault that has no place: in this line of this script, or nowhere if that is line 0.
    pub(crate) fn stands_at(&mut self, script: String, line: usize, sources: &[Source]) {
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

    /// Places a fault that has no place where this function of the script begins.
    pub(crate) fn stands_at_least_in(&mut self, function: &str, sources: &[Source]) {
        let begins =
            |line: &str| line.split_once("fn ").is_some_and(|(_, rest)| rest.trim_start().starts_with(function));
        if let Some(source) = sources.first()
            && let Some(line) = source.text.lines().position(begins)
        {
            self.stands_at(source.name.clone(), line + 1, sources);
        }
    }

    /// Places a data race Rhai tells no place of: `argument #1 of function 'for_each'`. Without doubt where the script
    /// calls that function once, else at the first call, and the others are named.
    pub(crate) fn stands_at_call(&mut self, ast: &AST, what: &str, sources: &[Source]) {
        let Some(name) = what.split('\'').nth(1) else { return };
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
        self.stands_at(self.script.clone(), *first, sources);
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            self.message = format!("{} (or in line {})", self.message, others.join(", "));
        }
    }

    pub(crate) fn of_parse(script: &str, error: &ParseError, language: &Language, sources: &[Source]) -> Box<Self> {
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
        let message = short(message, MAX_MESSAGE);
        Box::new(Self { hint, ..Self::new(script, message).at(error.position(), sources) })
    }

    pub(crate) fn of_error(script: &str, error: &EvalAltResult, language: &Language, sources: &[Source]) -> Box<Self> {
        let mut script = script.to_owned();
        let mut calls = Vec::new();
        let mut error = error;
        // Rhai tells no place of some errors: then it is that of the call they came out of.
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

    /// The fault of this error as it is told where the caller has answered a secret question. `raised` is the last
    /// error of a function of ours.
    pub(crate) fn discreetly(
        mut self: Box<Self>,
        error: &EvalAltResult,
        language: &Language,
        raised: Option<&Raised>,
    ) -> Box<Self> {
        let before = self.source.char_indices().nth(self.column.saturating_sub(1));
        let here = before.map_or("", |(at, _)| &self.source[at..]);
        let told = explain_discreetly(error.unwrap_inner(), language, here, raised);
        self.told_as(told);
        if let (Some(raised), Some((message, _))) = (raised, &mut self.full)
            && *message == raised.discreet
        {
            message.clone_from(&raised.text);
        }
        self
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

/// What is wrong, as rustc would show it: the title (how bad it is, the rule, the message), the script, what is marked
/// in its line (line, column, width in characters), the functions it was called from, and what would be right.
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
    // One for one, so that what is marked stays where it is.
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
        let name = if name.starts_with("anon$") { "a closure".to_owned() } else { format!("`{name}`") };
        report = report.element(Level::NOTE.message(format!(
            "in {}, called at {}:{line}",
            printable(&name),
            printable(script)
        )));
    }
    if let Some(hint) = hint {
        report = report.element(Level::HELP.message(printable(hint)));
    }
    renderer.render(&[report])
}

/// In one line: `game.rhai:12:5: what is wrong; what would be right`.
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
                let hint = language.like(name).map(|like| format!("did you mean `{like}`?"));
                let types = if types.is_empty() { String::new() } else { format!(" for {types}") };
                return (format!("no function `{name}`{types}"), hint);
            }
            (format!("`{name}` does not go with {types}"), None)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => (format!("unknown variable `{name}`"), None),
        EvalAltResult::ErrorRuntime(token, _) => (thrown(token), None),
        EvalAltResult::ErrorTerminated(token, _) if !token.is_unit() => (shown(token, MAX_MESSAGE), None),
        EvalAltResult::ErrorStackOverflow(_) => (
            "functions call each other too deep".to_owned(),
            Some("a function that calls itself has to end at some time; the limit is 64 calls deep".to_owned()),
        ),
        EvalAltResult::ErrorDataRace(what, _) => (
            format!("{what} is in use: the function that runs this closure is about to change it"),
            Some(
                "a copy first: `let list = state.list; list.for_each(..)` may change `state` in the closure".to_owned(),
            ),
        ),
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            let hint = match what.as_str() {
                "Length of string" => "the limit is that of one text, and of all texts of an array or map together",
                _ => "the limit counts what is inside as well",
            };
            (format!("{what} is too large"), Some(hint.to_owned()))
        }
        EvalAltResult::ErrorModuleNotFound(name, _) => (format!("no script {name:?} to import"), None),
        EvalAltResult::ErrorAssignmentToConstant(name, _) => (format!("`{name}` cannot be changed"), None),
        EvalAltResult::ErrorIndexNotFound(index, _) => (format!("Invalid index: {}", shown(index, MAX_MESSAGE)), None),
        other => {
            let mut text = short(other, MAX_MESSAGE);
            // The place is told besides.
            if let Some(at) = text.rfind(" (line ") {
                text.truncate(at);
            }
            (text, None)
        }
    }
}

/// What is wrong, in words that are ours or stand in the script at that place (`here`), and in no others: nothing of it
/// can come from what a caller typed. A kind of mistake that is not known here, of a newer Rhai say, is told by its
/// place.
fn explain_discreetly(
    error: &EvalAltResult,
    language: &Language,
    here: &str,
    raised: Option<&Raised>,
) -> (String, Option<String>) {
    let stands = |name: &str| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let rest = here.strip_prefix(name).filter(|_| !name.is_empty());
        rest.is_some_and(|rest| !name.ends_with(is_word) || !rest.starts_with(is_word))
    };
    let message = match error {
        EvalAltResult::ErrorFunctionNotFound(signature, position) => {
            let (name, types) = signature.rsplit_once(" (").unwrap_or((signature, ""));
            let types = types.strip_suffix(')').unwrap_or(types).split(", ").map(type_name).collect::<Vec<_>>();
            let types = types.join(", ");
            if stands(name) {
                let known = EvalAltResult::ErrorFunctionNotFound(format!("{name} ({types})"), *position);
                return explain(&known, language);
            }
            let types = if types.is_empty() { String::new() } else { format!(" for {types}") };
            format!("no such function{types}")
        }
        EvalAltResult::ErrorVariableNotFound(name, _) | EvalAltResult::ErrorAssignmentToConstant(name, _)
            if stands(name) =>
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

/// What kind of mistake it is.
const fn kind(error: &EvalAltResult) -> &'static str {
    match error {
        EvalAltResult::ErrorParsing(..) => "this cannot be compiled",
        EvalAltResult::ErrorVariableExists(..) => "this variable is there already",
        EvalAltResult::ErrorForbiddenVariable(..) => "a variable cannot have this name",
        EvalAltResult::ErrorVariableNotFound(..) => "unknown variable",
        EvalAltResult::ErrorPropertyNotFound(..) | EvalAltResult::ErrorDotExpr(..) => "no such property",
        EvalAltResult::ErrorIndexNotFound(..) => "nothing is kept under this index",
        EvalAltResult::ErrorModuleNotFound(..) => "no such script to import",
        EvalAltResult::ErrorUnboundThis(..) => "there is no `this` here",
        EvalAltResult::ErrorIndexingType(..) => "this has no parts to be named by an index",
        EvalAltResult::ErrorArrayBounds(..) => "an index beyond the array",
        EvalAltResult::ErrorStringBounds(..) => "an index beyond the text",
        EvalAltResult::ErrorBitFieldBounds(..) => "an index beyond the bits of a number",
        EvalAltResult::ErrorFor(..) => "this cannot be gone through by `for`",
        EvalAltResult::ErrorNonPureMethodCallOnConstant(..) | EvalAltResult::ErrorAssignmentToConstant(..) => {
            "a constant cannot be changed"
        }
        EvalAltResult::ErrorArithmetic(..) => "this cannot be calculated: no number, too large, or divided by zero",
        EvalAltResult::ErrorTooManyVariables(..) => "too many variables",
        EvalAltResult::ErrorDataTooLarge(..) => "a text, array or map is too large",
        EvalAltResult::ErrorTerminated(..) => "the script was ended",
        _ => "a mistake of another kind",
    }
}

/// A type's name, where it is one of the language.
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

/// The message of a thrown value: an uncaught refusal is a map that has one.
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
