//! Explains names that don't exist: variables, functions, imports.

use super::explanation::Explanation;
use super::habits::{self, Instead, KEYWORDS, VALUES};
use super::scope::Scopes;
use crate::agi::environment::NAMES;
use crate::command::{Function, MAX_ARGUMENTS};
use crate::pbx::versions;
use crate::plural::plural;
use crate::script::language::Language;
use crate::script::names::{CALL_VARIABLES, distance, nearest, plain};
use crate::script::text::{Place, ScriptText};
use rhai::Token;
use std::cell::Cell;
use std::collections::BTreeSet;

/// Explains the names of a script.
pub(crate) struct Names<'a> {
    text: &'a ScriptText<'a>,
    language: &'a Language,
    scopes: Scopes,
    /// How many names of the script have been compared so far.
    compared: Cell<usize>,
}

/// After how many comparisons with names of the script no further mistakes get the nearest of them as a hint. A script
/// with thousands of functions and as many mistakes would take minutes otherwise.
const MAX_COMPARED: usize = 100_000;

/// A call that cannot work, because there is no such function, or none with as many parameters.
pub(crate) struct WrongCall<'a> {
    pub name: &'a str,
    pub place: Place,
    /// The number of arguments; without the value before the dot, if it is a method.
    pub count: usize,
    /// Whether the function is called with a dot.
    pub is_method: bool,
}

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// There is no such function.
    Name,
    /// The function takes other numbers of arguments.
    Count,
    /// The function takes as many arguments, but not these values.
    Values,
}

impl<'a> Names<'a> {
    pub fn new(text: &'a ScriptText<'a>, language: &'a Language) -> Self {
        Self { text, language, scopes: Scopes::new(text), compared: Cell::new(0) }
    }

    /// Explains a variable that does not exist.
    pub fn variable(&self, name: &str, at: Place) -> Explanation {
        let hint = self.hint_for_variable(name, at);
        Explanation { message: format!("unknown variable `{name}`"), hint: Some(hint), place: at }
    }

    /// Whether a name may be compared with this many names of the script.
    fn may_compare(&self, names: usize) -> bool {
        let compared = self.compared.get();
        self.compared.set(compared.saturating_add(names));
        compared < MAX_COMPARED
    }

    fn is_function(&self, name: &str) -> bool {
        self.text.heads_of(name).next().is_some()
    }

    fn hint_for_variable(&self, name: &str, at: Place) -> String {
        if let Some(hint) = self.hint_for_scope(name, at) {
            return hint;
        }
        let before = self.text.word_at(at).and_then(|word| word.checked_sub(1)).map(|at| &self.text.words[at].token);
        if before == Some(&Token::Import) {
            return format!("the path of an import is a text in quotes: `import \"{name}\" as {name};`");
        }
        if self.is_function(name) {
            return format!("`{name}` is a function: call it as `{name}(...)`, or pass it on as `Fn(\"{name}\")`");
        }
        if self.language.names().exists(name) {
            let args = if self.language.names().counts(name).contains(&0) { "" } else { "..." };
            return format!("`{name}` is a function: call it as `{name}({args})`");
        }
        let word = self.text.word_at(at);
        let next = word.and_then(|word| self.text.words.get(word + 1)).map(|word| &word.token);
        let keyword = || habits::find(KEYWORDS, name).filter(|_| next != Some(&Token::Period));
        if let Some(habit) = habits::find(VALUES, name).or_else(keyword) {
            return habit.hint.to_owned();
        }
        if NAMES.iter().any(|(known, _)| *known == name) {
            return format!("write `env.{name}`");
        }
        let near = self.may_compare(self.scopes.declared.len()).then(|| self.scopes.visible(at));
        let visible = near.into_iter().flatten().map(|variable| variable.name.as_str()).chain(CALL_VARIABLES);
        if let Some(near) = nearest(name, visible) {
            return format!("did you mean `{near}`?");
        }
        if next == Some(&Token::Equals) {
            return format!("define a new variable with `let`: `let {name} = ...`");
        }
        if name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
            return format!("a variable of the dialplan is read with `get_variable(\"{name}\")`");
        }
        if self.scopes.function_at(at).is_some() {
            return "a function sees its parameters, `state`, `env`, `args` and `params`, but no variables from outside"
                .to_owned();
        }
        format!("define it first: `let {name} = ...;`; a text stands in quotes: \"{name}\"")
    }

    /// Explains why a variable that the script defines is not visible here.
    fn hint_for_scope(&self, name: &str, at: Place) -> Option<String> {
        let mut same = self.scopes.named(name);
        if let Some(function) = self.scopes.function_at(at)
            && let Some(outside) = same.find(|variable| variable.top)
        {
            return Some(if outside.constant {
                format!("a function sees the script's constants as `global::{name}`")
            } else {
                format!(
                    "a function does not see the script's variables: pass it to `{function}` as a parameter, or use \
                     `state.{name}` everywhere"
                )
            });
        }
        let own: Vec<_> = self.scopes.of_function_at(at, name).collect();
        if let Some(ended) = own.iter().find(|variable| variable.end <= at) {
            let line = ended.place.0;
            return Some(format!(
                "`{name}` of line {line} exists only in its block: write `let {name}` before that block"
            ));
        }
        let later = own.iter().find(|variable| variable.place > at)?;
        Some(format!("`{name}` is defined only in line {}: move its `let` up", later.place.0))
    }

    /// Explains `global::name`, where the script has no such constant. The place is that of the name.
    pub fn constant(&self, name: &str, at: Place) -> Explanation {
        let constants = self.scopes.declared.iter().filter(|variable| variable.top && variable.constant);
        let variable = self.scopes.declared.iter().find(|variable| variable.top && variable.name == name);
        let hint = match nearest(name, constants.map(|constant| constant.name.as_str())) {
            Some(near) => format!("did you mean `global::{near}`?"),
            None if variable.is_some_and(|variable| variable.constant) => {
                format!("define it before the call: move `const {name}` up")
            }
            None => match variable {
                Some(variable) => {
                    format!(
                        "only a `const` can be used like this: write `const` instead of `let` in line {}",
                        variable.place.0
                    )
                }
                None => format!("define it outside of functions: `const {name} = ...;`"),
            },
        };
        Explanation::new(at, format!("the script has no constant `{name}`"), hint)
    }

    /// Explains a name before `::` that is no import.
    pub fn module(&self, name: &str, at: Place) -> Explanation {
        let is_above = |place: &Place| *place < at;
        let known = self.scopes.imports.iter().filter(|(_, place)| is_above(place)).map(|(name, _)| name.as_str());
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}::`?"),
            None if self.scopes.imports.iter().any(|(known, _)| known == name) => {
                "a function sees only the imports above it".to_owned()
            }
            None => format!("write `import \"...\" as {name};` above"),
        };
        Explanation::new(at, format!("`{name}` is not an import"), hint)
    }

    /// Explains a call of a function that does not exist, or not with as many parameters.
    pub fn call(&self, call: &WrongCall<'_>) -> (Wrong, Explanation) {
        let &WrongCall { name, place, count, is_method } = call;
        if let Some((message, hint)) = self.language.hint_for_unavailable(name) {
            return (Wrong::Name, Explanation::new(place, message, hint));
        }
        let own: BTreeSet<usize> = self.text.heads_of(name).map(|head| head.params.len()).collect();
        let values = count + usize::from(is_method);
        let known = self.language.names().counts(name);
        if own.is_empty() && known.is_empty() && !self.language.names().exists(name) {
            return (Wrong::Name, self.unknown_function(call));
        }
        if own.contains(&count) || self.language.names().takes(name, values) {
            let hint = match habits::instead(name) {
                Some(Instead::Call(function)) if is_method => Some(format!("did you mean `.{function}()`?")),
                Some(Instead::Call(function)) => Some(format!("did you mean `{function}`?")),
                Some(Instead::Write(sentence)) => Some((*sentence).to_owned()),
                None => None,
            };
            return (
                Wrong::Values,
                Explanation { message: format!("`{name}` does not take these values"), hint, place },
            );
        }
        // A function may lack a number of arguments in between, as `random` does.
        let is_outside = |function: &&'static Function| own.is_empty() && !function.arities().contains(&values);
        let explanation = match self.language.function(name).filter(is_outside) {
            Some(function) => {
                let takes = if function.max_arguments().is_none() && values > MAX_ARGUMENTS {
                    format!("at most {MAX_ARGUMENTS} arguments")
                } else {
                    function.arity()
                };
                let dot = if is_method { "; the value before the dot is its first argument" } else { "" };
                let hint = format!("it is called as `{}`{dot}", function.signature());
                Explanation::new(place, format!("`{name}` takes {takes}, not {values}"), hint)
            }
            None => self.wrong_count(call, &known, &own),
        };
        (Wrong::Count, explanation)
    }

    fn wrong_count(&self, call: &WrongCall<'_>, known: &BTreeSet<usize>, own: &BTreeSet<usize>) -> Explanation {
        let &WrongCall { name, place, count, is_method } = call;
        let less = usize::from(is_method);
        let mut possible: BTreeSet<usize> = known.iter().filter_map(|known| known.checked_sub(less)).collect();
        possible.extend(own);
        let head = self.text.heads_of(name).next();
        let hint = head.map(|head| {
            let params: Vec<&str> = head.params.iter().map(|(name, _)| name.as_str()).collect();
            format!("it is defined as `{name}({})` in line {}", params.join(", "), head.start.0)
        });
        let counts: Vec<String> = possible.iter().map(usize::to_string).collect();
        let takes = match &counts[..] {
            [] if known.is_empty() => {
                return Explanation {
                    message: format!("`{name}` does not take {}", plural(count, "argument")),
                    hint,
                    place,
                };
            }
            [] => {
                return Explanation {
                    message: format!("`{name}` is not called with a dot"),
                    hint: Some(format!("write `{name}()`")),
                    place,
                };
            }
            [one] if one == "0" => "no arguments".to_owned(),
            [_] => plural(possible.first().copied().unwrap_or(0), "argument"),
            _ => format!("{} arguments", counts.join(" or ")),
        };
        let message = if is_method {
            format!("`.{name}()` takes {takes} in its parentheses, not {count}")
        } else {
            format!("`{name}` takes {takes}, not {count}")
        };
        Explanation { message, hint, place }
    }

    fn unknown_function(&self, call: &WrongCall<'_>) -> Explanation {
        let name = call.name;
        let (dot, parentheses) = if call.is_method { (".", "()") } else { ("", "") };
        let in_variable = !call.is_method
            && self
                .scopes
                .of_function_at(call.place, name)
                .any(|variable| variable.place < call.place && call.place < variable.end);
        let hint = if in_variable {
            Some(format!("a function in a variable is called as `{name}.call(...)`"))
        } else {
            match self.similar(name) {
                Some(Similar::Function(like)) => Some(format!("did you mean `{dot}{like}{parentheses}`?")),
                Some(Similar::Sentence(sentence)) => Some(sentence.to_owned()),
                None if versions::names().any(|known| plain(known) == plain(name)) => {
                    let rest = if call.count == 0 { "" } else { ", ..." };
                    Some(format!("run an application of the dialplan with `exec(\"{name}\"{rest})`"))
                }
                None => None,
            }
        };
        Explanation { message: format!("no function `{name}`"), hint, place: call.place }
    }

    /// Returns what may have been meant by the name of a function.
    fn similar(&self, name: &str) -> Option<Similar> {
        let near = self.may_compare(self.text.heads.len()).then_some(&self.text.heads);
        let own: Vec<&str> = near.into_iter().flatten().map(|head| head.name.as_str()).collect();
        let names = self.language.names();
        if let Some(near) = own.iter().find(|own| distance(name, own) == 1) {
            return Some(Similar::Function((*near).to_owned()));
        }
        let like = || names.similar(name, &own);
        let from = |instead: &'static Instead| match instead {
            Instead::Call(function) if names.exists(function) => Some(Similar::Function((*function).to_owned())),
            Instead::Call(_) => None,
            Instead::Write(sentence) => Some(Similar::Sentence(sentence)),
        };
        habits::instead(name)
            .and_then(from)
            .or_else(|| like().map(Similar::Function))
            .or_else(|| habits::instead_of_misspelt(name).and_then(from))
    }
}

enum Similar {
    Function(String),
    Sentence(&'static str),
}
