//! Explains errors that a script meets while it runs, with the values in it and without.

use super::explanation::Explanation;
use super::names::{Names, Wrong, WrongCall};
use super::values::{self, type_of};
use crate::command::Type;
use crate::script::language::Language;
use crate::script::names::{is_closure, written_name};
use crate::script::shown::{MAX_MESSAGE, short, shown};
use crate::script::text::{Place, ScriptText};
use rhai::{Dynamic, EvalAltResult, Map, Token};

/// An error raised by one of the host's functions: its text, with values and without.
#[derive(Debug)]
pub(crate) struct Raised {
    pub text: String,
    pub discreet: String,
}

/// Where an error was raised.
pub(crate) struct Site<'a> {
    /// The text of the script, if it is known.
    pub text: &'a ScriptText<'a>,
    pub language: &'a Language,
    pub place: Place,
}

impl Site<'_> {
    fn here(&self, (message, hint): (String, Option<String>)) -> Explanation {
        Explanation { message, hint, place: self.place }
    }

    /// Returns the index of the word at the place.
    fn word(&self) -> Option<usize> {
        self.text.word_at(self.place)
    }

    /// Returns the word at the place, or after it.
    fn token(&self, after: usize) -> Option<&Token> {
        self.text.words.get(self.word()? + after).map(|word| &word.token)
    }

    fn is_method(&self) -> bool {
        let before = self.word().and_then(|at| at.checked_sub(1)).map(|at| &self.text.words[at].token);
        matches!(before, Some(Token::Period | Token::Elvis))
    }

    /// Returns where the argument of this index begins, in the call at the place.
    fn argument(&self, index: usize) -> Option<Place> {
        let mut depth = 0;
        let mut argument = 0;
        for pair in self.text.words[self.word()? + 1..].windows(2) {
            match pair[0].token {
                Token::LeftParen | Token::LeftBracket | Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightParen | Token::RightBracket | Token::RightBrace => depth -= 1,
                Token::Comma if depth == 1 => argument += 1,
                _ => continue,
            }
            let begins = matches!(pair[0].token, Token::LeftParen | Token::Comma);
            if depth == 1 && begins && argument == index {
                return Some(pair[1].start);
            }
            if depth <= 0 {
                break;
            }
        }
        None
    }

    /// Returns how many parameters the closure has that the call at the place is given.
    fn parameters_of_closure(&self) -> Option<usize> {
        let rest = &self.text.words[self.word()? + 1..];
        let begin = rest.iter().position(|word| matches!(word.token, Token::Pipe | Token::Or | Token::SemiColon))?;
        match rest[begin].token {
            Token::Or => Some(0),
            Token::Pipe => {
                let inside = rest[begin + 1..].iter().take_while(|word| word.token != Token::Pipe);
                Some(inside.filter(|word| matches!(word.token, Token::Identifier(_))).count())
            }
            _ => None,
        }
    }

    /// Explains an error.
    pub fn explain(&self, error: &EvalAltResult) -> Explanation {
        match error {
            EvalAltResult::ErrorFunctionNotFound(signature, _) => self.call(signature),
            EvalAltResult::ErrorVariableNotFound(name, _) => match name.strip_prefix("global::") {
                Some(constant) => {
                    let name_at = self.word().and_then(|at| self.text.words.get(at + 2)).map(|word| word.start);
                    let is_path = self.token(1) == Some(&Token::DoubleColon);
                    let place = name_at.filter(|_| is_path).unwrap_or(self.place);
                    Names::new(self.text, self.language).constant(constant, place)
                }
                None => Names::new(self.text, self.language).variable(name, self.place),
            },
            EvalAltResult::ErrorRuntime(token, _) => {
                let message = thrown(token);
                let hint = self.hint_for_comparison(&message);
                self.here((message, hint))
            }
            EvalAltResult::ErrorNonPureMethodCallOnConstant(method, _) => {
                self.changed_constant(method).unwrap_or_else(|| self.here(other_error(error)))
            }
            EvalAltResult::ErrorDotExpr(message, _) => match property(message) {
                Some((name, kind)) => {
                    self.here(values::property(name, type_of(kind), self.language.names().counts(name).contains(&1)))
                }
                None => self.here((short(message, MAX_MESSAGE), None)),
            },
            EvalAltResult::ErrorMismatchDataType(wanted, given, _) if wanted == "bool" => {
                match values::condition(type_of(given)) {
                    Some((message, hint)) => self.here((message, Some(hint))),
                    None => self.here(other_error(error)),
                }
            }
            EvalAltResult::ErrorArrayBounds(length, index, _) => {
                self.here(values::bounds(*index, *length, ("element", "array")))
            }
            EvalAltResult::ErrorStringBounds(length, index, _) => {
                self.here(values::bounds(*index, *length, ("character", "text")))
            }
            other => self.here(other_error(other)),
        }
    }

    /// Explains the method at the place, which would change a constant: `name.method()`, or `name.entry.method()`.
    fn changed_constant(&self, method: &str) -> Option<Explanation> {
        let at = self.word()?;
        let words = &self.text.words;
        let mut root = at;
        while root >= 2 && words[root - 1].token == Token::Period {
            root -= 2;
        }
        let names = words[root..at].iter().step_by(2).map(|word| match &word.token {
            Token::Identifier(name) => Some(name.to_string()),
            _ => None,
        });
        let names: Vec<String> = names.collect::<Option<_>>()?;
        let has_arguments = self.token(1) == Some(&Token::LeftParen) && self.token(2) != Some(&Token::RightParen);
        let call = format!("{method}({})", if has_arguments { "..." } else { "" });
        let (message, hint) = values::read_only(names.first()?, &names.join("."), method, &call);
        Some(Explanation { message, hint, place: words[root].start })
    }

    /// Returns the hint for the error that a comparison raised: no other error has an operator as its place.
    fn hint_for_comparison(&self, message: &str) -> Option<String> {
        let is_comparison = matches!(
            self.token(0)?,
            Token::EqualsTo
                | Token::NotEqualsTo
                | Token::LessThan
                | Token::LessThanEqualsTo
                | Token::GreaterThan
                | Token::GreaterThanEqualsTo
        );
        let is_unit = message.starts_with("() is compared") || message.contains(" is compared with ()");
        let hint = if is_unit { values::TEST_FOR_UNIT } else { values::TO_NUMBER };
        (is_comparison && message.contains(" is compared with ")).then(|| hint.to_owned())
    }

    /// Explains a call that found no function for these values.
    fn call(&self, signature: &str) -> Explanation {
        let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
        let name = written_name(name);
        let types = types.strip_suffix(')').unwrap_or(types).replace("&str | ImmutableString | String", "string");
        let types: Vec<&str> = types.split(", ").filter(|name| !name.is_empty()).collect();
        let kinds: Vec<Type> = types.iter().map(|name| type_of(name)).collect();
        if is_closure(name) {
            return self.here(values::closure(self.parameters_of_closure(), types.len()));
        }
        if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return self.here(values::operator(name, &kinds, &types));
        }
        let is_method = self.is_method();
        let count = types.len().saturating_sub(usize::from(is_method));
        let call = WrongCall { name, place: self.place, count, is_method };
        let (wrong, explanation) = Names::new(self.text, self.language).call(&call);
        if wrong != Wrong::Values {
            return explanation;
        }
        let refused = self.language.names().refuses(name, &kinds);
        let Some((index, takes)) = refused else {
            let message = format!("`{name}` does not take {}", values::list(&kinds, &types));
            return Explanation { message, ..explanation };
        };
        let (message, hint) = values::argument(name, is_method && index == 0, &takes, kinds[index]);
        let place = if is_method && index == 0 { None } else { self.argument(index - usize::from(is_method)) };
        Explanation { message, hint, place: place.unwrap_or(self.place) }
    }

    /// Explains an error without values. All of the words come from here, or from the script, so none of them can
    /// come from a caller's keys. An error of an unknown kind, for instance from a newer Rhai, is reported by its
    /// place alone.
    pub fn explain_discreetly(&self, error: &EvalAltResult, raised: Option<&Raised>) -> Explanation {
        let message = match error {
            EvalAltResult::ErrorFunctionNotFound(signature, position) => {
                let (name, types) = signature.rsplit_once(" (").unwrap_or((signature, ""));
                let name = written_name(name);
                let types = types.strip_suffix(')').unwrap_or(types).split(", ").map(type_name).collect::<Vec<_>>();
                let types = types.join(", ");
                if self.is_here(name) || is_closure(name) {
                    let known = EvalAltResult::ErrorFunctionNotFound(format!("{name} ({types})"), *position);
                    return self.explain(&known);
                }
                let types = if types.is_empty() { String::new() } else { format!(" for {types}") };
                format!("no such function{types}")
            }
            EvalAltResult::ErrorVariableNotFound(name, _) | EvalAltResult::ErrorAssignmentToConstant(name, _)
                if self.is_here(name) =>
            {
                return self.explain(error);
            }
            EvalAltResult::ErrorMismatchDataType(wanted, given, _)
                if wanted == "bool" && values::condition(type_of(given)).is_some() =>
            {
                return self.explain(error);
            }
            EvalAltResult::ErrorStackOverflow(_) | EvalAltResult::ErrorTooManyOperations(_) => {
                return self.explain(error);
            }
            EvalAltResult::ErrorDotExpr(message, _)
                if property(message).is_some_and(|(name, _)| self.is_here(name)) =>
            {
                return self.explain(error);
            }
            EvalAltResult::ErrorMismatchDataType(wanted, given, _)
            | EvalAltResult::ErrorMismatchOutputType(wanted, given, _) => {
                format!("{} where {} is needed", type_name(given), type_name(wanted))
            }
            EvalAltResult::ErrorRuntime(token, _) => {
                let message = thrown_discreetly(token, raised);
                let hint = self.hint_for_comparison(&message);
                return self.here((message, hint));
            }
            other => kind(other).to_owned(),
        };
        self.here((message, None))
    }

    /// Whether the script has this name at the place.
    fn is_here(&self, name: &str) -> bool {
        let (line, column) = self.place;
        let rest: String = self.text.line(line).chars().skip(column.saturating_sub(1)).collect();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let rest = rest.strip_prefix(name).filter(|_| !name.is_empty());
        rest.is_some_and(|rest| !name.ends_with(is_word) || !rest.starts_with(is_word))
    }
}

/// Reads Rhai's message about a property that a type doesn't have: the property, and the type.
fn property(message: &str) -> Option<(&str, &str)> {
    let is_property = ["Unknown property", "No writable property"].iter().any(|start| message.starts_with(start));
    let mut quoted = message.split('\'').skip(1).step_by(2);
    is_property.then_some((quoted.next()?, quoted.next()?))
}

fn other_error(error: &EvalAltResult) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorTerminated(token, _) if !token.is_unit() => (shown(token, MAX_MESSAGE), None),
        EvalAltResult::ErrorStackOverflow(_) => (
            "functions call each other too deeply".to_owned(),
            Some("a function that calls itself must stop at some point".to_owned()),
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
        EvalAltResult::ErrorAssignmentToConstant(name, _) => (format!("`{name}` cannot be changed"), None),
        EvalAltResult::ErrorNonPureMethodCallOnConstant(name, _) => (
            format!("`{name}` changes its value, and this one is read-only"),
            Some("copy it first, and change the copy: `let copy = args;`".to_owned()),
        ),
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
