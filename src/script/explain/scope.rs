//! Which variables and functions a place of a script sees, as its words show it.

use crate::script::text::{Place, ScriptText, Word};
use rhai::Token;
use std::collections::HashMap;

/// A variable that the script defines.
pub(super) struct Declared {
    pub name: String,
    pub place: Place,
    pub constant: bool,
    /// Whether it is outside of all blocks.
    pub top: bool,
    /// The index of the function around it; `None` outside of functions.
    function: Option<usize>,
    /// The place where its block ends.
    pub end: Place,
}

/// A named function of the script.
struct Function {
    name: String,
    start: Place,
    end: Place,
}

/// The variables and functions of a script.
pub(super) struct Scopes {
    pub declared: Vec<Declared>,
    /// The indices of the variables of each name, in order.
    by_name: HashMap<String, Vec<usize>>,
    functions: Vec<Function>,
    /// The names of its imports, and where they stand.
    pub imports: Vec<(String, Place)>,
}

const END: Place = (usize::MAX, 0);

/// A bracket that is open.
struct Open {
    /// The function that ends with it.
    function: Option<usize>,
    /// The variables that end with it.
    declared: Vec<usize>,
    brace: bool,
    /// How many variables of heads before it wait for their block.
    pending: usize,
}

struct Reader {
    scopes: Scopes,
    open: Vec<Open>,
    /// Variables of a head, which belong to the block that follows.
    pending: Vec<usize>,
}

fn identifier(word: Option<&Word>) -> Option<(String, Place)> {
    match word {
        Some(Word { token: Token::Identifier(name), start, .. }) => Some((name.to_string(), *start)),
        _ => None,
    }
}

impl Reader {
    fn declare(&mut self, word: Option<&Word>, constant: bool, pending: bool) {
        let Some((name, place)) = identifier(word) else { return };
        let function = self.open.iter().rev().find_map(|open| open.function);
        let top = self.open.is_empty() && !pending;
        let id = self.scopes.declared.len();
        self.scopes.by_name.entry(name.clone()).or_default().push(id);
        self.scopes.declared.push(Declared { name, place, constant, top, function, end: END });
        if pending {
            self.pending.push(id);
        } else if let Some(open) = self.open.iter_mut().rev().find(|open| open.brace) {
            open.declared.push(id);
        }
    }

    /// Returns how many variables of heads don't belong to what the innermost bracket holds.
    fn kept(&self) -> usize {
        self.open.last().map_or(0, |open| open.pending).min(self.pending.len())
    }

    /// Ends the scope of variables whose block didn't come, as those of a closure without braces.
    fn end_pending(&mut self, place: Place) {
        for id in self.pending.split_off(self.kept()) {
            self.scopes.declared[id].end = place;
        }
    }

    fn close(&mut self, place: Place) {
        self.end_pending(place);
        let Some(open) = self.open.pop() else { return };
        for id in open.declared {
            self.scopes.declared[id].end = place;
        }
        if let Some(function) = open.function {
            self.scopes.functions[function].end = place;
        }
    }

    /// Reads the names up to a token.
    fn names(&mut self, words: &[Word], until: &[Token]) {
        for word in words.iter().take_while(|word| !until.contains(&word.token)) {
            self.declare(Some(word), false, true);
        }
    }
}

impl Scopes {
    pub fn new(text: &ScriptText<'_>) -> Self {
        let words = &text.words;
        let scopes = Self { declared: Vec::new(), by_name: HashMap::new(), functions: Vec::new(), imports: Vec::new() };
        let mut reader = Reader { scopes, open: Vec::new(), pending: Vec::new() };
        let mut head = None;
        let mut in_params = false;
        for (at, word) in words.iter().enumerate() {
            let next = words.get(at + 1);
            match word.token {
                Token::Let | Token::Const => reader.declare(next, word.token == Token::Const, false),
                Token::For => reader.names(&words[at + 1..], &[Token::In, Token::LeftBrace]),
                Token::Catch => reader.names(&words[at + 1..], &[Token::LeftBrace]),
                Token::As => reader.scopes.imports.extend(identifier(next)),
                Token::Fn => {
                    let known = text.heads.get(text.heads.partition_point(|head| head.start <= word.start));
                    head = known.map(|head| (head.name.clone(), head.start));
                    let after = words[at + 1..].iter().position(|word| word.token == Token::LeftParen);
                    if let Some(after) = after {
                        reader.names(&words[at + 2 + after..], &[Token::RightParen, Token::LeftBrace]);
                    }
                }
                Token::Pipe if in_params => in_params = false,
                Token::Pipe if begins_closure(at.checked_sub(1).map(|at| &words[at])) => {
                    in_params = true;
                    reader.names(&words[at + 1..], &[Token::Pipe]);
                }
                Token::LeftBrace | Token::MapStart | Token::LeftParen | Token::LeftBracket | Token::QuestionBracket => {
                    let brace = word.token == Token::LeftBrace;
                    let kept = if brace { reader.kept() } else { reader.pending.len() };
                    let declared = reader.pending.split_off(kept);
                    let function = head.take_if(|_| brace).map(|(name, start)| {
                        reader.scopes.functions.push(Function { name, start, end: END });
                        reader.scopes.functions.len() - 1
                    });
                    for id in &declared {
                        let variable = &mut reader.scopes.declared[*id];
                        variable.function = function.or(variable.function);
                    }
                    reader.open.push(Open { function, declared, brace, pending: kept });
                }
                Token::RightBrace | Token::RightParen | Token::RightBracket => reader.close(word.start),
                Token::SemiColon => reader.end_pending(word.start),
                _ => {}
            }
        }
        reader.scopes
    }

    /// Returns the index of the function around a place.
    fn function_index(&self, at: Place) -> Option<usize> {
        let above = self.functions.partition_point(|function| function.start <= at);
        above.checked_sub(1).filter(|last| at < self.functions[*last].end)
    }

    /// Returns the name of the function around a place.
    pub fn function_at(&self, at: Place) -> Option<&str> {
        self.function_index(at).map(|index| self.functions[index].name.as_str())
    }

    /// Returns the variables of this name, in order.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Declared> {
        self.by_name.get(name).into_iter().flatten().map(|&id| &self.declared[id])
    }

    /// Returns the variables of this name in the function around a place, whether they are visible there or not.
    pub fn of_function_at(&self, at: Place, name: &str) -> impl Iterator<Item = &Declared> {
        let function = self.function_index(at);
        self.named(name).filter(move |variable| variable.function == function)
    }

    /// Returns the variables that are visible at a place.
    pub fn visible(&self, at: Place) -> impl Iterator<Item = &Declared> {
        let function = self.function_index(at);
        let visible = move |variable: &&Declared| variable.place < at && at < variable.end;
        self.declared.iter().filter(move |variable| variable.function == function).filter(visible)
    }
}

/// Whether a `|` after this word begins the parameters of a closure.
fn begins_closure(before: Option<&Word>) -> bool {
    !before.is_some_and(|word| {
        matches!(
            word.token,
            Token::Identifier(_)
                | Token::IntegerConstant(_)
                | Token::FloatConstant(_)
                | Token::StringConstant(_)
                | Token::CharConstant(_)
                | Token::RightParen
                | Token::RightBracket
                | Token::RightBrace
                | Token::True
                | Token::False
        )
    })
}
