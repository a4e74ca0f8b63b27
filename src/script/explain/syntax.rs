//! Explains syntax errors to people who see them for the first time.

use super::brackets;
use super::explanation::Explanation;
use super::habits::{self, CHARACTERS, INVISIBLE, KEYWORDS, OPERATORS, SYMBOLS, VALUES};
use super::names::Names;
use super::values;
use crate::command::Type;
use crate::script::language::Language;
use crate::script::parse::parse;
use crate::script::shown::{MAX_MESSAGE, MAX_SHOWN, short};
use crate::script::text::{Place, ScriptText, Word, place};
use rhai::{LexError, ParseError, ParseErrorType, Token};

/// Explains an error that the parser reports.
pub(crate) fn parse_error(error: &ParseError, text: &ScriptText<'_>, language: &Language) -> Explanation {
    let here = place(error.position());
    let unknown = match error.err_type() {
        ParseErrorType::VariableUndefined(name) => Names::new(text, language).variable(name, here),
        ParseErrorType::ModuleUndefined(name) => Names::new(text, language).module(name, here),
        _ => return syntax(error, text, language),
    };
    // A word of another language is an unknown variable to the parser, which stops there: the syntax error that
    // follows says more.
    let mut engine = Language::compiler();
    engine.set_strict_variables(false);
    match parse(&engine, &text.lines().join("\n")) {
        Err(error) => syntax(&error, text, language),
        Ok(_) => unknown,
    }
}

fn syntax(error: &ParseError, text: &ScriptText<'_>, language: &Language) -> Explanation {
    let here = place(error.position());
    let at = text.words.partition_point(|word| word.start < here);
    let syntax = Syntax { text, language, here, at };
    let habit = syntax.line_of_dialplan().or_else(|| syntax.comment()).or_else(|| syntax.head_of_for());
    let mut explanation = habit.unwrap_or_else(|| syntax.of(error.err_type()));
    explanation.message = short(explanation.message, MAX_MESSAGE);
    explanation
}

/// A syntax error at its place.
struct Syntax<'a, 't> {
    text: &'a ScriptText<'t>,
    language: &'a Language,
    here: Place,
    /// The index of the first word at or after that place.
    at: usize,
}

type Found = Option<Explanation>;

/// Returns the text of a name or keyword.
fn name(word: &Word) -> Option<String> {
    let text = word.token.to_string();
    text.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(text)
}

fn is(word: Option<&Word>, token: &Token) -> bool {
    word.is_some_and(|word| word.token == *token)
}

/// Explains a word of another language.
fn keyword(word: &str, place: Place) -> Explanation {
    let hint = habits::find(KEYWORDS, word).map(|habit| habit.hint.to_owned());
    Explanation { message: no(word), hint, place }
}

fn no(what: &str) -> String {
    format!("there is no `{what}`")
}

impl<'a> Syntax<'a, '_> {
    fn words(&self) -> &'a [Word] {
        &self.text.words
    }

    /// Returns the word at the place of the error.
    fn found(&self) -> Option<&'a Word> {
        self.words().get(self.at).filter(|word| word.start == self.here)
    }

    fn found_name(&self) -> Option<String> {
        self.found().and_then(name)
    }

    fn before(&self) -> Option<&'a Word> {
        self.at.checked_sub(1).and_then(|at| self.words().get(at))
    }

    /// Returns the name right before the place of the error, and where it is.
    fn name_before(&self) -> Option<(String, Place)> {
        self.before().and_then(|word| Some((name(word)?, word.start)))
    }

    /// Returns the last place of the word before the error, where something is missing.
    fn after(&self) -> Place {
        self.before().map_or(self.here, |word| (word.end.0, word.end.1.saturating_sub(1).max(1)))
    }

    /// Returns a word as the script has it.
    fn written(&self, word: &Word) -> String {
        let line = self.text.line(word.start.0).chars().skip(word.start.1 - 1);
        let width = if word.end.0 == word.start.0 { word.end.1 - word.start.1 } else { usize::MAX };
        short(line.take(width).collect::<String>(), MAX_SHOWN)
    }

    fn on_line(&self, line: usize) -> &'a [Word] {
        let start = self.words().partition_point(|word| word.start.0 < line);
        let end = self.words().partition_point(|word| word.start.0 <= line);
        &self.words()[start..end]
    }

    fn here(&self, message: impl Into<String>, hint: impl Into<String>) -> Explanation {
        Explanation::new(self.here, message, hint)
    }

    /// Explains a line of `extensions.conf`.
    fn line_of_dialplan(&self) -> Found {
        let is_line = |line: usize| match self.on_line(line) {
            [first, then, ..] if then.token == Token::DoubleArrow => {
                name(first).is_some_and(|first| matches!(&*first, "exten" | "same")).then_some(line)
            }
            _ => None,
        };
        let heading = |line: usize| {
            let text = self.text.line(line).trim();
            let is_heading = text.starts_with('[') && text.ends_with(']');
            (is_heading && is_line(line + 1).is_some()).then_some(line)
        };
        let before = self.before().map_or(self.here.0, |word| word.start.0);
        let line = is_line(self.here.0).or_else(|| is_line(before)).or_else(|| heading(self.here.0))?;
        let start = self.on_line(line).first()?.start;
        let hint = "a script calls functions instead: `answer();`, `say(\"hello-world\");`";
        Some(Explanation::new(start, "this is a line of the dialplan", hint))
    }

    /// Explains a comment of another language.
    fn comment(&self) -> Found {
        let hint = "a comment begins with `//`";
        let line = self.text.line(self.here.0);
        let rest = line.trim_start();
        if rest.starts_with("-- ") && line.chars().count() - rest.chars().count() + 1 == self.here.1 {
            return Some(self.here("`--` does not begin a comment", hint));
        }
        if matches!(self.found().map(|word| &word.token), Some(Token::Reserved(sign)) if sign.as_str() == "#") {
            return Some(self.here("`#` does not begin a comment", hint));
        }
        let words = self.on_line(self.here.0);
        let begins = words.iter().enumerate().position(|(at, word)| {
            let alone =
                at == 0 || matches!(words[at - 1].token, Token::SemiColon | Token::RightBrace | Token::LeftBrace);
            let is_words = words.get(at + 1).is_some_and(|one| matches!(one.token, Token::Identifier(_)))
                && words.get(at + 2).is_some_and(|two| name(two).is_some());
            word.token == Token::SemiColon && word.start < self.here && alone && is_words
        })?;
        Some(Explanation::new(words[begins].start, "`;` does not begin a comment", hint))
    }

    /// Explains the head of a loop that counts as in C, or goes through a list as in other languages.
    fn head_of_for(&self) -> Found {
        let before = &self.words()[..self.at];
        let head = before.iter().rposition(|word| word.token == Token::For)?;
        let inside = &before[head + 1..];
        if inside.iter().any(|word| word.token == Token::LeftBrace) {
            return None;
        }
        let line: Vec<&Word> =
            self.words()[head + 1..].iter().take_while(|word| word.token != Token::LeftBrace).collect();
        let start = line.first()?.start;
        let count = "count with `for i in 0..5 { ... }`; go through a list with `for item in list { ... }`";
        let has = |token: &Token| line.iter().any(|word| word.token == *token);
        let name_of = |at: usize| line.get(at).and_then(|word| name(word));
        let is_in_c = has(&Token::SemiColon) && has(&Token::Equals)
            || matches!(line.first()?.token, Token::Let | Token::Const)
            || matches!(line.get(1).map(|word| &word.token), Some(Token::Let | Token::Const));
        if is_in_c || is(line.get(1).copied(), &Token::Equals) {
            return Some(Explanation::new(start, "the head of this `for` is written as in another language", count));
        }
        if line.first()?.token == Token::LeftParen && name_of(2).as_deref() == Some("in") {
            let hint = "leave out the parentheses: `for item in list { ... }`";
            return Some(Explanation::new(start, "the head of a `for` has no parentheses around it", hint));
        }
        None
    }

    fn of(&self, error: &ParseErrorType) -> Explanation {
        use ParseErrorType as E;
        match error {
            E::BadInput(error) => self.of_input(error),
            E::MissingToken(token, why) => self.of_missing(token, why),
            E::Reserved(word) => self.of_reserved(word),
            E::UnknownOperator(sign) => self.of_operator(sign),
            E::VariableExpected => self.of_variable_name(),
            E::ExprExpected(what) => self.of_expression(what),
            E::PropertyExpected => self.of_property(),
            E::LoopBreak => self.of_break(),
            E::AssignmentToConstant(constant) => self.of_constant(constant),
            E::UnexpectedEOF => Explanation::without_hint(self.after(), "the script ends in the middle of something"),
            other => self.of_definition(other),
        }
    }

    fn of_input(&self, error: &LexError) -> Explanation {
        match error {
            LexError::MalformedChar(inside) => {
                let inside = short(inside, MAX_SHOWN);
                let plain = !inside.contains(['"', '\\', '\n']);
                let hint = if plain { format!("write \"{inside}\"") } else { "write \"...\"".to_owned() };
                self.here("a text needs double quotes; single quotes are for one character", hint)
            }
            LexError::UnterminatedString if self.text.line(self.here.0).chars().nth(self.here.1 - 1) == Some('"') => {
                self.here("the closing quote of a text is missing", "a text in \"...\" must end on the same line")
            }
            LexError::UnterminatedString => {
                let hint = "a text in backticks ends with a backtick, and each `${` in it with `}`";
                self.here("the closing backtick of a text is missing", hint)
            }
            LexError::MalformedEscapeSequence(sequence) => {
                let message = format!("`{}` means nothing in a text", short(sequence, MAX_SHOWN));
                let place = (self.here.0, self.here.1.saturating_sub(1).max(1));
                Explanation::new(place, message, "a backslash is written `\\\\`, a new line `\\n`")
            }
            LexError::MalformedNumber(number) => {
                let message = format!("`{}` is not a number", short(number, MAX_SHOWN));
                self.here(message, "numbers are written `5`, `1_000` or `2.5`")
            }
            LexError::ImproperSymbol(symbol, _) if symbol == "=" => {
                self.here("`=` sets a variable and does not compare", "write `==`")
            }
            LexError::ImproperSymbol(word, _) if word == "eval" => {
                Explanation::without_hint(self.here, "`eval` is not available")
            }
            LexError::ImproperSymbol(word, _) if word == "this" => {
                self.here("`this` exists only in functions", "it is the value that `value.play()` calls `play` with")
            }
            LexError::ImproperSymbol(symbol, why) => match habits::find(SYMBOLS, symbol) {
                Some(habit) => {
                    let object = self.object_before().filter(|_| symbol == "->");
                    object.unwrap_or_else(|| self.here(no(symbol), habit.hint))
                }
                None if why.trim().is_empty() => {
                    Explanation::without_hint(self.here, format!("`{symbol}` does not belong here"))
                }
                None => Explanation::without_hint(self.here, why.trim()),
            },
            LexError::UnexpectedInput(input) => self.of_unexpected(input),
            other => Explanation::without_hint(self.here, other.to_string()),
        }
    }

    /// Explains the object of another language before the place of the error.
    fn object_before(&self) -> Found {
        let (word, place) = self.name_before()?;
        habits::find(VALUES, &word).map(|habit| Explanation::new(place, no(&word), habit.hint))
    }

    /// Explains a character that is part of no word, or a word that cannot stand at its place.
    fn of_unexpected(&self, input: &str) -> Explanation {
        let mut letters = input.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            if INVISIBLE.contains(letter) {
                let hint = "delete it and type an ordinary space: it may come from a web page or a word processor";
                let message = format!("this looks like a space, but is the character U+{:04X}", u32::from(letter));
                return self.here(message, hint);
            }
            if let Some((_, what, hint)) = CHARACTERS.iter().find(|(letters, ..)| letters.contains(letter)) {
                return self.here(format!("`{letter}` is {what}"), *hint);
            }
        }
        let before = self.before().map(|word| &word.token);
        match (input, before) {
            (">", Some(Token::LessThan)) => Explanation::new(self.after(), no("<>"), "write `!=`"),
            (">", Some(Token::LessThanEqualsTo)) => Explanation::new(
                self.before().map_or(self.here, |word| word.start),
                no("<=>"),
                "compare with `<`, `==` or `>`",
            ),
            ("}" | ")" | "]", _) => self.of_closing(input),
            ("else", _) => self
                .here("this `else` follows no `if`", "it comes right after a block: `if x == 1 { ... } else { ... }`"),
            ("catch", _) => self.here(
                "this `catch` follows no `try`",
                "it comes right after a block: `try { ... } catch (error) { ... }`",
            ),
            ("fn", _) => self.here("a function without a name is not written `fn`", "write `|x| x + 1`"),
            _ => match habits::find(KEYWORDS, input) {
                Some(habit) => self.here(no(input), habit.hint),
                None => {
                    Explanation::without_hint(self.here, format!("`{}` does not belong here", short(input, MAX_SHOWN)))
                }
            },
        }
    }

    /// Explains a closing bracket that nothing opened.
    fn of_closing(&self, bracket: &str) -> Explanation {
        let opening = match bracket {
            "}" => "{",
            ")" => "(",
            _ => "[",
        };
        match brackets::open(&self.words()[..self.at]).last() {
            Some(open) => {
                let open = self.written(open);
                Explanation::without_hint(
                    self.here,
                    format!("`{bracket}` does not belong here: something is missing after `{open}`, or before this"),
                )
            }
            None => self.here(
                format!("there is a `{bracket}` too many"),
                format!("no `{opening}` is open here: remove it, or add a `{opening}` above"),
            ),
        }
    }

    fn of_reserved(&self, word: &str) -> Explanation {
        if word == "eval" {
            return Explanation::without_hint(self.here, "`eval` is not available");
        }
        let next = self.words().get(self.at + 1);
        match word {
            "++" | "--" => {
                let variable = next.and_then(name).unwrap_or_else(|| "x".to_owned());
                return self.here(no(word), format!("write `{variable} {}= 1`", &word[..1]));
            }
            "$" => return self.of_dollar(self.at),
            "?" => return self.of_operator(word),
            _ => {}
        }
        if word.starts_with(char::is_alphabetic)
            && matches!(self.before().map(|word| &word.token), Some(Token::Let | Token::Const | Token::Fn))
        {
            return self.of_variable_name();
        }
        if self.language.names().exists(word) {
            return self.call_without_parentheses(word, self.here, next);
        }
        match habits::find(VALUES, word)
            .or_else(|| habits::find(KEYWORDS, word))
            .or_else(|| habits::find(SYMBOLS, word))
        {
            Some(habit) => self.here(no(word), habit.hint),
            None if word.starts_with(char::is_alphabetic) => {
                self.here(format!("`{word}` cannot be a name"), "choose another one: Rhai reserves this word")
            }
            None => Explanation::without_hint(self.here, format!("`{word}` does not belong here")),
        }
    }

    /// Explains a `$`, which other languages write before variables.
    fn of_dollar(&self, at: usize) -> Explanation {
        let sign = self.words().get(at).map_or(self.here, |word| word.start);
        let (next, then) = (self.words().get(at + 1), self.words().get(at + 2));
        if is(next, &Token::LeftBrace) {
            let variable = then.and_then(name).unwrap_or_else(|| "NAME".to_owned());
            let hint = match habits::find(VALUES, &variable) {
                Some(habit) => habit.hint.to_owned(),
                None => format!("write `get_variable(\"{variable}\")`"),
            };
            return Explanation::new(sign, "a variable of the dialplan is not written `${...}` in a script", hint);
        }
        let Some(variable) = next.and_then(name) else {
            return Explanation::without_hint(sign, "`$` does not belong here");
        };
        if let Some(habit) = habits::find(VALUES, &variable).filter(|_| variable.eq_ignore_ascii_case("agi")) {
            return Explanation::new(sign, no(&format!("${variable}")), habit.hint);
        }
        Explanation::new(sign, "a variable is written without `$`", format!("write `{variable}`"))
    }

    /// Explains a function that is called without parentheses.
    fn call_without_parentheses(&self, function: &str, place: Place, argument: Option<&Word>) -> Explanation {
        let same_line = argument.filter(|word| word.start.0 == place.0);
        let is_value = |token: &Token| {
            matches!(
                token,
                Token::IntegerConstant(_) | Token::FloatConstant(_) | Token::StringConstant(_) | Token::Identifier(_)
            )
        };
        let argument = match same_line {
            Some(word) if is_value(&word.token) => self.written(word),
            Some(word) if word.token != Token::SemiColon => "...".to_owned(),
            _ => String::new(),
        };
        let message = format!("`{function}` is a function, which needs parentheses");
        Explanation::new(place, message, format!("write `{function}({argument})`"))
    }

    fn of_operator(&self, sign: &str) -> Explanation {
        match sign {
            "++" | "--" => {
                let variable = self.name_before().map_or_else(|| "x".to_owned(), |(name, _)| name);
                self.here(no(sign), format!("write `{variable} {}= 1`", &sign[..1]))
            }
            "?" => self.here("there is no `? :`", "`if` has a value: `let x = if a > b { 1 } else { 2 };`"),
            "$" => match self.name_before() {
                Some((word, place)) if habits::find(KEYWORDS, &word).is_some() => keyword(&word, place),
                _ => self.of_dollar(self.at),
            },
            "~" if is(self.words().get(self.at + 1), &Token::Equals) => self.here(no("~="), "write `!=`"),
            "#" => self.here("`#` does not begin a comment", "a comment begins with `//`"),
            _ => match habits::find(SYMBOLS, sign) {
                Some(habit) => self.here(no(sign), habit.hint),
                None => Explanation::without_hint(self.here, no(sign)),
            },
        }
    }

    fn of_variable_name(&self) -> Explanation {
        let found = self.found();
        match found.map(|word| &word.token) {
            Some(Token::Reserved(sign)) if sign.as_str() == "$" => self.of_dollar(self.at),
            Some(Token::LeftParen | Token::LeftBracket | Token::LeftBrace | Token::Unit) => {
                self.here("one `let` defines one variable", "write `let x = list[0]; let y = list[1];`")
            }
            Some(Token::IntegerConstant(_) | Token::FloatConstant(_)) => self.here(
                "a name cannot begin with a digit",
                "a name has letters, digits and `_`, and begins with a letter",
            ),
            _ => match self.found_name() {
                Some(word) => {
                    self.here(format!("`{word}` cannot be a name"), "choose another one: Rhai reserves this word")
                }
                None => self.here("the name of a variable is missing", "write `let x = 5;`"),
            },
        }
    }

    fn of_expression(&self, what: &str) -> Explanation {
        let word = self.found_name();
        match (what, word.as_deref()) {
            ("literal", Some(word)) if habits::find(KEYWORDS, word).is_some() => keyword(word, self.here),
            ("literal", _) => self.here(
                "a case must be a text, a number, `true`, `false` or `_`",
                "compare other values in a condition: `_ if x == y => ...`",
            ),
            ("a boolean", _) => self.here("the condition is missing", "write `if x == 1 { ... }`"),
            _ => self.here("a value is missing", format!("Rhai expects {what} here")),
        }
    }

    fn of_property(&self) -> Explanation {
        let dot = self.before().map_or(self.here, |word| word.start);
        match self.found().map(|word| &word.token) {
            Some(Token::StringConstant(_) | Token::InterpolatedString(_)) => {
                Explanation::new(dot, "`.` does not join texts", "write `+`")
            }
            Some(Token::IntegerConstant(_) | Token::FloatConstant(_)) => {
                Explanation::new(dot, "a number cannot follow `.`", "an element is written in brackets: `args[0]`")
            }
            _ => Explanation::new(dot, "the name of a function or an entry must follow `.`", "write `list.len()`"),
        }
    }

    /// Explains a `break` outside of a loop.
    fn of_break(&self) -> Explanation {
        let word = self.found_name().unwrap_or_else(|| "break".to_owned());
        let before = &self.words()[..self.at];
        let in_switch = brackets::open(before).iter().rev().any(|brace| {
            let at = self.text.word_at(brace.start).unwrap_or(0);
            let head = before[..at].iter().rev().take_while(|word| {
                !matches!(word.token, Token::LeftBrace | Token::RightBrace | Token::SemiColon | Token::DoubleArrow)
            });
            brace.token == Token::LeftBrace && head.into_iter().any(|word| word.token == Token::Switch)
        });
        if in_switch && word == "break" {
            return self.here("a case of a `switch` needs no `break`", "remove it: no case goes on into the next");
        }
        let hint = "`return` leaves a function, and `exit()` ends the script";
        self.here(format!("`{word}` works only in a loop"), hint)
    }

    fn of_constant(&self, constant: &str) -> Explanation {
        let defined = self.words().windows(2).find(|pair| {
            pair[0].token == Token::Const && name(&pair[1]).as_deref() == Some(constant) && pair[0].start < self.here
        });
        let hint = match defined {
            Some(pair) => format!("to change it, define it with `let` instead of `const` in line {}", pair[0].start.0),
            None => "define it with `let` instead of `const` to change it".to_owned(),
        };
        self.here(format!("`{constant}` is a constant, which cannot be changed"), hint)
    }

    /// Explains errors in definitions, and the rest.
    fn of_definition(&self, error: &ParseErrorType) -> Explanation {
        use ParseErrorType as E;
        match error {
            E::FnMissingName => self.here("the name of the function is missing", "write `fn play(name) { ... }`"),
            E::FnMissingParams(function) => {
                let message = format!("the parentheses of the function `{function}` are missing");
                Explanation::new(self.after(), message, format!("write `fn {function}() {{ ... }}`"))
            }
            E::FnMissingBody(function) => {
                let rest: String = self.text.line(self.here.0).chars().skip(self.here.1 - 1).take(2).collect();
                let hint = match &*rest {
                    rest if rest == "->" || rest.starts_with(':') => "a function has no type: leave it out".to_owned(),
                    _ if function.is_empty() => "write `|x| { ... }`".to_owned(),
                    _ => format!("write `fn {function}(...) {{ ... }}`"),
                };
                self.here("the block of the function is missing", hint)
            }
            E::FnDuplicatedParam(_, param) => {
                self.here(format!("two parameters have the name `{param}`"), "give each its own name")
            }
            E::FnDuplicatedDefinition(function, params) => {
                let first = self.text.head(function, *params).map_or(0, |head| head.start.0);
                self.here(
                    format!("the script has two functions `{function}` with as many parameters"),
                    format!("give one of them another name; the first is in line {first}"),
                )
            }
            E::WrongFnDefinition => {
                let open = brackets::open(&self.words()[..self.at]).last().map_or(self.here.0, |open| open.start.0);
                self.here(
                    "a function cannot be defined inside a block or another function",
                    format!("the `{{` of line {open} is still open here: close it, or move the function out of it"),
                )
            }
            E::WrongExport => {
                self.here("`export` works only outside of blocks and functions", "move it out of the braces")
            }
            E::DuplicatedProperty(name) => self.here(format!("the map has two entries `{name}`"), "remove one of them"),
            E::MismatchedType(wanted, given) if wanted == "a boolean expression" => {
                let kind = if given == "a string" { Type::Text } else { Type::Number };
                match values::condition(kind) {
                    Some((message, hint)) => self.here(message, hint),
                    None => Explanation::without_hint(self.here, error.to_string()),
                }
            }
            E::ExprTooDeep => self.here("this is nested too deeply", "calculate a part of it before, in a variable"),
            E::WrongSwitchDefaultCase => self.here("the case `_` must be the last one", "move it to the end"),
            other => Explanation::without_hint(self.here, other.to_string()),
        }
    }

    fn of_missing(&self, token: &str, why: &str) -> Explanation {
        if let Some(explanation) = self.of_word_between().or_else(|| self.of_comment_sign()) {
            return explanation;
        }
        match token {
            ";" => self.of_missing_semicolon(),
            "{" => self.of_missing_block(),
            "}" if why == "to terminate this block" => self.of_unclosed_block(),
            "catch" => self.of_missing_catch(),
            "=>" => self.here("`=>` is missing after the case", "a case is written `\"1\" => answer(),`"),
            ":" => {
                self.here("`:` is missing after the name of an entry", "a map is written `#{ name: \"Ann\", age: 7 }`")
            }
            "in" => self.here("`in` is missing", "write `for item in list { ... }`"),
            "while" => self.here("`while` or `until` is missing after the block", "write `do { ... } while x < 5;`"),
            "," | ")" | "]" | "}" => self.of_missing_separator(token, why),
            _ => Explanation::without_hint(self.here, format!("`{token}` is missing {why}")),
        }
    }

    /// Explains a word that other languages write between two values, or before one.
    fn of_word_between(&self) -> Found {
        if let Some(found) = self.found_name()
            && let Some(habit) = habits::find(OPERATORS, &found).filter(|_| found != "not")
        {
            return Some(self.here(no(&found), habit.hint));
        }
        let (word, place) = self.name_before()?;
        let habit = habits::find(OPERATORS, &word).filter(|_| word == "not")?;
        Some(Explanation::new(place, no(&word), habit.hint))
    }

    /// Explains a `//` that was meant to divide.
    fn of_comment_sign(&self) -> Found {
        let before = self.before()?;
        let (comment, place) = self.text.comments.iter().find(|(_, place)| {
            place.0 == before.end.0 && *place >= before.end && *place < self.here && place.1 <= before.end.1 + 1
        })?;
        let ends = comment.trim_end();
        (comment.starts_with("//") && (ends.ends_with(';') || ends.ends_with(')')))
            .then(|| Explanation::new(*place, "`//` begins a comment", "divide with `/`; whole numbers stay whole"))
    }

    fn of_missing_semicolon(&self) -> Explanation {
        let found = self.found();
        let sign = found.map(|word| &word.token);
        if sign == Some(&Token::DoubleArrow) {
            return self.of_arrow();
        }
        if let Some(explanation) = self.of_map_without_sign() {
            return explanation;
        }
        if matches!(sign, Some(Token::RightParen | Token::RightBracket | Token::RightBrace))
            && brackets::open(&self.words()[..self.at]).is_empty()
        {
            return self.of_closing(&found.map(|word| word.token.to_string()).unwrap_or_default());
        }
        let after_let =
            self.at.checked_sub(2).is_some_and(|at| matches!(self.words()[at].token, Token::Let | Token::Const));
        let variable = self.name_before().map(|(name, _)| name).unwrap_or_default();
        match sign {
            Some(Token::EqualsTo) if after_let => {
                return self
                    .here("`==` compares and does not set a variable", format!("write `let {variable} = ...;`"));
            }
            Some(Token::Colon) if after_let => {
                return self.here("a variable has no type", format!("write `let {variable} = ...;`"));
            }
            Some(Token::Comma) => return self.here("one `let` defines one variable", "write `let x = 1; let y = 2;`"),
            Some(Token::Minus) if after_let => {
                return self.here("a name cannot have a `-`", "a name has letters, digits and `_`: `my_name`");
            }
            Some(Token::Equals) if !variable.is_empty() => {
                return self.here("setting a variable has no value", "set one after the other: `y = 5; x = y;`");
            }
            _ => {}
        }
        if let Some(explanation) = self.of_words_in_a_row().or_else(|| self.of_head_in_parentheses()) {
            return explanation;
        }
        Explanation::new(
            self.after(),
            "a `;` is missing",
            "each statement ends with `;`, unless it ends with a block in braces",
        )
    }

    /// Explains two words in a row, of which the first is a habit from elsewhere, or a function.
    fn of_words_in_a_row(&self) -> Found {
        let (word, place) = self.name_before()?;
        let found = self.found()?;
        if found.start.0 != place.0 {
            return None;
        }
        if habits::find(KEYWORDS, &word).is_some() && !(word == "print" || word == "source" || word == "date") {
            return Some(keyword(&word, place));
        }
        if self.found_name().is_some_and(|next| matches!(&*next, "from")) {
            return Some(keyword("from", self.here));
        }
        if self.found_name().as_deref() == Some("do") || matches!(found.token, Token::If | Token::While) {
            return None;
        }
        let is_argument = matches!(
            found.token,
            Token::StringConstant(_)
                | Token::InterpolatedString(_)
                | Token::IntegerConstant(_)
                | Token::FloatConstant(_)
                | Token::Identifier(_)
                | Token::MapStart
        );
        let is_function = self.language.names().exists(&word) || self.text.heads.iter().any(|head| head.name == word);
        (is_argument && is_function).then(|| self.call_without_parentheses(&word, place, Some(found)))
    }

    /// Explains a word from elsewhere before parentheses, such as `foreach (...)` or `function(x) { ... }`.
    fn of_head_in_parentheses(&self) -> Found {
        let inside = brackets::open(&self.words()[..self.at]).last().copied();
        let open = match self.before().map(|word| &word.token) {
            Some(Token::RightParen) => brackets::partner(&self.words()[..self.at]),
            Some(Token::Unit) => self.before(),
            _ => inside,
        }?;
        let at = self.text.word_at(open.start)?.checked_sub(1)?;
        let word = name(&self.words()[at])?;
        let is_value = at.checked_sub(1).map(|at| &self.words()[at].token);
        habits::find(KEYWORDS, &word)?;
        let place = self.words()[at].start;
        if matches!(is_value, Some(Token::Equals | Token::Colon | Token::Comma | Token::LeftParen)) {
            return Some(Explanation::new(place, no(&word), "a function without a name is written `|x| x + 1`"));
        }
        (!self.language.names().exists(&word)).then(|| keyword(&word, place))
    }

    fn of_arrow(&self) -> Explanation {
        let hint = "a function without a name is written `|x| x + 1`";
        self.here("a function is not written with `=>`", hint)
    }

    /// Explains a map without the `#` before its brace.
    fn of_map_without_sign(&self) -> Found {
        let at = self.at.checked_sub(2)?;
        let brace = &self.words()[at];
        let key = matches!(self.words()[at + 1].token, Token::Identifier(_) | Token::StringConstant(_));
        let is_pair = is(self.found(), &Token::Colon) && brace.token == Token::LeftBrace && key;
        let before = at.checked_sub(1).map(|before| &self.words()[before].token);
        let is_value = matches!(
            before,
            Some(Token::Equals | Token::LeftParen | Token::Comma | Token::Colon | Token::Return | Token::LeftBracket)
        );
        (is_pair && is_value)
            .then(|| Explanation::new(brace.start, "a map begins with `#{`", "write `#{ name: \"Ann\", age: 7 }`"))
    }

    fn of_missing_block(&self) -> Explanation {
        let found = self.found_name();
        if let Some(word) = found.as_deref()
            && (word == "do" || habits::find(KEYWORDS, word).is_some_and(|habit| habit.hint.contains("block")))
        {
            return self
                .here(format!("a block does not begin with `{word}`"), format!("write braces: {}", self.block()));
        }
        if is(self.found(), &Token::Colon) {
            return self.here("a block does not begin with `:`", format!("write braces: {}", self.block()));
        }
        if is(self.found(), &Token::SemiColon) {
            return self.here("`;` does not belong here", format!("the block follows: {}", self.block()));
        }
        if is(self.before(), &Token::Catch) && found.is_some() {
            return self.here("the variable of `catch` stands in parentheses", "write `catch (error) { ... }`");
        }
        if is(self.found(), &Token::DoubleArrow) {
            return self.of_arrow();
        }
        if self.name_before().is_some_and(|(_, place)| place.0 == self.here.0) && is(self.found(), &Token::LeftParen) {
            return Explanation::new(self.after(), "`{` is missing", "a block stands in braces");
        }
        let hint = format!("write {}: the braces are needed for one statement too", self.block());
        Explanation::new(self.after(), "the `{` of a block is missing", hint)
    }

    /// Returns how the block is written whose beginning is missing.
    fn block(&self) -> &'static str {
        let forms = |token: &Token| {
            Some(match token {
                Token::If => "`if x == 1 { ... }`",
                Token::Else => "`else { ... }`",
                Token::While => "`while x < 5 { ... }`",
                Token::For => "`for i in 0..5 { ... }`",
                Token::Loop => "`loop { ... }`",
                Token::Do => "`do { ... } while x < 5;`",
                Token::Try => "`try { ... } catch (error) { ... }`",
                Token::Catch => "`catch (error) { ... }`",
                Token::Switch => "`switch x { 1 => ..., _ => ... }`",
                _ => return None,
            })
        };
        self.words()[..self.at].iter().rev().find_map(|word| forms(&word.token)).unwrap_or("`if x == 1 { ... }`")
    }

    fn of_unclosed_block(&self) -> Explanation {
        let Some((brace, closing)) = brackets::unclosed(self.text) else {
            return Explanation::new(self.after(), "a `}` is missing at the end", "each `{` needs its `}`");
        };
        let hint = match closing {
            Some(closing) => {
                format!("add a `}}` before line {}, whose `}}` is indented like an outer block", closing.start.0)
            }
            None => "add a `}` where the block ends".to_owned(),
        };
        Explanation::new(brace.start, "this `{` is never closed", hint)
    }

    fn of_missing_catch(&self) -> Explanation {
        match self.found_name() {
            Some(word) if habits::find(KEYWORDS, &word).is_some() => keyword(&word, self.here),
            _ => Explanation::new(
                self.after(),
                "a `catch` is missing after `try`",
                "write `try { ... } catch (error) { ... }`",
            ),
        }
    }

    /// Explains what is missing inside brackets: a comma, or the bracket at the end.
    fn of_missing_separator(&self, token: &str, why: &str) -> Explanation {
        let found = self.found();
        if let (Some(before), Some(found)) = (self.before(), found)
            && matches!(&before.token, Token::Identifier(letter) if matches!(letter.as_str(), "f" | "r" | "b"))
            && matches!(found.token, Token::StringConstant(_) | Token::InterpolatedString(_) | Token::CharConstant(_))
            && before.end == found.start
        {
            let hint = "write the text in backticks: `score: ${score}`";
            return Explanation::new(before.start, "a text has no letter before its quotes", hint);
        }
        let sign = found.map(|word| &word.token);
        if why.contains("parameter") && matches!(sign, Some(Token::Colon | Token::Equals)) {
            return self
                .here("a parameter is only a name", "leave out types and default values: `fn play(name, level)`");
        }
        if why.contains("catch variable") {
            return self.here("`catch` takes one name in its parentheses", "write `catch (error) { ... }`");
        }
        match sign {
            Some(Token::DoubleArrow) => return self.of_arrow(),
            Some(Token::Equals) if why.contains("argument") => return self.of_named_argument(),
            Some(Token::IntegerConstant(_) | Token::FloatConstant(_)) if why.contains("end this object map") => {
                let number = found.map(|word| self.written(word)).unwrap_or_default();
                return self.here(
                    "the name of an entry cannot be a number",
                    format!("write it as a text: `#{{ \"{number}\": ... }}`"),
                );
            }
            _ => {}
        }
        if let Some(explanation) = self.of_head_in_parentheses() {
            return explanation;
        }
        let open = brackets::open(&self.words()[..self.at]).last().copied();
        let ends = match sign {
            None | Some(Token::SemiColon | Token::RightBrace | Token::RightParen | Token::RightBracket) => true,
            // A word on the next line that begins a statement.
            Some(_) => {
                found.is_some_and(|word| word.start.0 > self.after().0)
                    && open.is_some_and(|open| open.start.0 == self.after().0)
            }
        };
        let Some(open) = open.filter(|_| ends || token != ",") else {
            let between = match why {
                why if why.contains("array") => "the elements of an array",
                why if why.contains("map") => "the entries of a map",
                why if why.contains("switch") => "the cases of a `switch`",
                why if why.contains("parameter") => "parameters",
                _ => "arguments",
            };
            return Explanation::new(self.after(), format!("a `,` is missing between {between}"), "write `a, b`");
        };
        let closing = match open.token {
            Token::LeftBrace | Token::MapStart => "}",
            Token::LeftParen => ")",
            _ => "]",
        };
        let (sign, line, column) = (self.written(open), open.start.0, open.start.1);
        let place = if line == self.after().0 { format!("column {column}") } else { format!("line {line}") };
        Explanation::new(
            self.after(),
            format!("a `{closing}` is missing"),
            format!("it closes the `{sign}` in {place}"),
        )
    }

    /// Explains `name = value` among the arguments of a call.
    fn of_named_argument(&self) -> Explanation {
        let (variable, _) = self.name_before().unwrap_or_default();
        let call = brackets::open(&self.words()[..self.at]).last().and_then(|open| {
            let at = self.text.word_at(open.start)?.checked_sub(1)?;
            name(&self.words()[at])
        });
        if call.as_deref() == Some("Set") {
            return self.here("`=` does not belong into a call", format!("write `set_variable(\"{variable}\", ...)`"));
        }
        self.here(
            "arguments have no names",
            format!("give the value alone, or a map of options: `#{{ {variable}: ... }}`"),
        )
    }
}
