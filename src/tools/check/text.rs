//! The text of a script, and what its comments allow.

use crate::command::Value;
use crate::script::{ScriptText, Word};
use rhai::{Engine, Token};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Deref;

pub(super) use crate::script::{Place, place};

/// A rule that a comment allows the script to break.
pub(super) struct Allowed {
    rule: String,
    /// The place where the rule is named.
    place: Place,
    lines: [usize; 2],
}

/// The text of a script, split into its parts, with what its comments allow. It is split when somebody asks: in a call,
/// most scripts need no more than their compiled form.
pub(super) struct Text<'a> {
    engine: &'a Engine,
    whole: &'a str,
    parts: OnceCell<Parts<'a>>,
}

/// What a text is split into.
struct Parts<'a> {
    script: ScriptText<'a>,
    allowed: Vec<Allowed>,
    /// The blocks after `try`: where each begins and ends.
    tried: Vec<(Place, Place)>,
}

impl<'a> Deref for Text<'a> {
    type Target = ScriptText<'a>;

    fn deref(&self) -> &Self::Target {
        &self.parts().script
    }
}

const ALLOW: &str = "agi-rhai: allow(";

impl<'a> Text<'a> {
    pub fn new(engine: &'a Engine, whole: &'a str) -> Self {
        Self { engine, whole, parts: OnceCell::new() }
    }

    fn parts(&self) -> &Parts<'a> {
        self.parts.get_or_init(|| {
            let script = ScriptText::new(self.engine, self.whole);
            Parts { allowed: allowed(&script.words, &script.comments), tried: tried(&script.words), script }
        })
    }

    /// Whether a `try` catches what fails here.
    pub fn is_tried(&self, place: Place) -> bool {
        self.parts().tried.iter().any(|(begin, end)| (*begin..*end).contains(&place))
    }

    /// Whether a comment allows findings of a rule on a line.
    pub fn allows(&self, rule: &str, line: usize) -> bool {
        self.parts().allowed.iter().any(|allowed| allowed.rule == rule && allowed.lines.contains(&line))
    }

    /// Returns the rules in comments that don't exist, and where they are named.
    pub fn unknown_rules<'b>(&'b self, known: &'b BTreeSet<&str>) -> impl Iterator<Item = (&'b str, Place)> {
        let unknown = self.parts().allowed.iter().filter(|allowed| !known.contains(allowed.rule.as_str()));
        unknown.map(|allowed| (allowed.rule.as_str(), allowed.place))
    }

    /// Returns the constants that are the cases of the `switch` that begins here, and their places.
    pub fn cases(&self, switch: Place) -> Vec<(Place, Value)> {
        let mut cases = Vec::new();
        let Some(first) = self.word_at(switch) else { return cases };
        let (mut depth, mut inside, mut expected) = (0_usize, false, false);
        for word in &self.words[first..] {
            let is_pattern = inside && depth == 1;
            match &word.token {
                Token::LeftBrace | Token::MapStart | Token::LeftParen | Token::LeftBracket => {
                    inside |= depth == 0 && word.token == Token::LeftBrace;
                    depth += 1;
                    expected = inside && depth == 1;
                    continue;
                }
                Token::RightBrace | Token::RightParen | Token::RightBracket => {
                    depth = depth.saturating_sub(1);
                    if inside && depth == 0 {
                        break;
                    }
                    // A block needs no comma after it.
                    expected = depth == 1 && word.token == Token::RightBrace;
                    continue;
                }
                Token::Comma if is_pattern => {
                    expected = true;
                    continue;
                }
                // Before and after it, there may be a case.
                Token::Pipe => continue,
                _ => {}
            }
            if !(is_pattern && expected) {
                continue;
            }
            let case = match &word.token {
                Token::StringConstant(text) => Value::from(text.as_str()),
                Token::CharConstant(letter) => Value::from(letter.to_string().as_str()),
                Token::IntegerConstant(number) => Value::Int(*number),
                Token::FloatConstant(_) => Value::Float(0.0),
                Token::True | Token::False => Value::Bool(word.token == Token::True),
                Token::Unit => Value::Nothing,
                Token::Minus | Token::UnaryMinus => continue,
                _ => {
                    expected = false;
                    continue;
                }
            };
            cases.push((word.start, case));
        }
        cases
    }
}

/// Returns the blocks after `try`.
fn tried(words: &[Word]) -> Vec<(Place, Place)> {
    let mut found = Vec::new();
    // The places of the open braces, if they belong to a `try`.
    let mut open: Vec<Option<Place>> = Vec::new();
    let mut is_try = false;
    for word in words {
        match word.token {
            Token::LeftBrace | Token::MapStart => open.push(is_try.then_some(word.start)),
            Token::RightBrace => found.extend(open.pop().flatten().map(|begin| (begin, word.start))),
            _ => {}
        }
        is_try = word.token == Token::Try;
    }
    found
}

fn allowed(words: &[Word], comments: &[(String, Place)]) -> Vec<Allowed> {
    let mut found = Vec::new();
    for (comment, (line, column)) in comments {
        let Some(at) = comment.find(ALLOW) else { continue };
        let names = &comment[at + ALLOW.len()..];
        let Some(end) = names.find(')') else { continue };
        // A comment on a line of its own is about the next line that has words.
        let alone = !words.iter().any(|word| word.start.0 == *line);
        let next = words.iter().map(|word| word.start.0).find(|other| other > line);
        let other = next.filter(|_| alone).unwrap_or(*line);
        let mut before = at + ALLOW.len();
        for name in names[..end].split(',') {
            let place =
                (*line, column + comment[..before].chars().count() + name.chars().take_while(|c| *c == ' ').count());
            before += name.len() + 1;
            found.push(Allowed { rule: name.trim().to_owned(), place, lines: [*line, other] });
        }
    }
    found
}
