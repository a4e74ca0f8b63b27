//! Extended regular expressions of POSIX, as `REGEX` and `GROUP_MATCH_COUNT` take them.

/// How many steps a match may take. Patterns of a dialplan are short; this bounds the others.
const MAX_STEPS: usize = 100_000;

/// A pattern: alternatives, each a sequence of pieces.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Vec<Piece>>);

/// An atom, and how often it may occur.
#[derive(Debug)]
struct Piece {
    atom: Atom,
    least: usize,
    most: usize,
}

#[derive(Debug)]
enum Atom {
    Letter(char),
    Any,
    Set { items: Vec<(char, char)>, inverted: bool },
    Group(Pattern),
    Start,
    End,
}

impl Pattern {
    /// Parses a pattern; `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: Vec<char> = text.chars().collect();
        let mut parser = Parser { letters: &letters, at: 0, depth: 0 };
        let pattern = parser.alternatives()?;
        (parser.at == letters.len()).then_some(pattern)
    }

    /// Whether some part of the text matches.
    pub fn is_found_in(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let steps = &mut 0;
        (0..=text.len()).any(|from| self.matches(&text, from, steps, &mut |_, _| true))
    }

    /// Tries the alternatives from this place on; `then` tries what follows.
    fn matches(&self, text: &[char], at: usize, steps: &mut usize, then: &mut Then<'_>) -> bool {
        self.0.iter().any(|sequence| sequence_matches(sequence, text, at, steps, then))
    }
}

/// Tries what follows, from this place on.
type Then<'a> = dyn FnMut(usize, &mut usize) -> bool + 'a;

fn sequence_matches(pieces: &[Piece], text: &[char], at: usize, steps: &mut usize, then: &mut Then<'_>) -> bool {
    match pieces.split_first() {
        None => then(at, steps),
        Some((piece, rest)) => {
            let mut then = |at: usize, steps: &mut usize| sequence_matches(rest, text, at, steps, then);
            piece_matches(piece, 0, text, at, steps, &mut then)
        }
    }
}

/// Tries a piece that has occurred this often, as often as possible first.
fn piece_matches(
    piece: &Piece,
    count: usize,
    text: &[char],
    at: usize,
    steps: &mut usize,
    then: &mut Then<'_>,
) -> bool {
    *steps += 1;
    if *steps > MAX_STEPS {
        return false;
    }
    if count < piece.most {
        let mut again = |next: usize, steps: &mut usize| {
            // Another empty match would change nothing.
            (next > at || count < piece.least) && piece_matches(piece, count + 1, text, next, steps, then)
        };
        if atom_matches(&piece.atom, text, at, steps, &mut again) {
            return true;
        }
    }
    count >= piece.least && then(at, steps)
}

fn atom_matches(atom: &Atom, text: &[char], at: usize, steps: &mut usize, then: &mut Then<'_>) -> bool {
    let here = text.get(at);
    let fits = match atom {
        Atom::Start => return at == 0 && then(at, steps),
        Atom::End => return at == text.len() && then(at, steps),
        Atom::Group(pattern) => return pattern.matches(text, at, steps, then),
        Atom::Any => here.is_some(),
        Atom::Letter(letter) => here == Some(letter),
        Atom::Set { items, inverted } => {
            here.is_some_and(|here| items.iter().any(|(from, to)| (from..=to).contains(&here)) != *inverted)
        }
    };
    fits && then(at + 1, steps)
}

struct Parser<'a> {
    letters: &'a [char],
    at: usize,
    depth: usize,
}

/// How deeply groups may be nested.
const MAX_DEPTH: usize = 32;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn takes(&mut self, letter: char) -> bool {
        let takes = self.peek() == Some(letter);
        self.at += usize::from(takes);
        takes
    }

    fn alternatives(&mut self) -> Option<Pattern> {
        let mut alternatives = vec![self.sequence()?];
        while self.takes('|') {
            alternatives.push(self.sequence()?);
        }
        Some(Pattern(alternatives))
    }

    fn sequence(&mut self) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        while let Some(letter) = self.peek() {
            if letter == '|' || (letter == ')' && self.depth > 0) {
                break;
            }
            let atom = self.atom()?;
            let (least, most) = self.repetition()?;
            pieces.push(Piece { atom, least, most });
        }
        Some(pieces)
    }

    fn atom(&mut self) -> Option<Atom> {
        Some(match self.next()? {
            '.' => Atom::Any,
            '^' => Atom::Start,
            '$' => Atom::End,
            '[' => self.set()?,
            '(' => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return None;
                }
                let group = self.alternatives()?;
                self.depth -= 1;
                if !self.takes(')') {
                    return None;
                }
                Atom::Group(group)
            }
            '*' | '+' | '?' => return None,
            '\\' => Atom::Letter(self.next()?),
            letter => Atom::Letter(letter),
        })
    }

    fn repetition(&mut self) -> Option<(usize, usize)> {
        let range = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                let end = self.letters[self.at..].iter().position(|letter| *letter == '}')? + self.at;
                let text: String = self.letters[self.at + 1..end].iter().collect();
                self.at = end + 1;
                let (least, most) = text.split_once(',').unwrap_or((&text, &text));
                let most = if most.is_empty() { usize::MAX } else { most.parse().ok()? };
                return Some((least.parse().ok()?, most));
            }
            _ => return Some((1, 1)),
        };
        self.at += 1;
        Some(range)
    }

    fn set(&mut self) -> Option<Atom> {
        let inverted = self.takes('^');
        let mut items = Vec::new();
        loop {
            let from = self.next()?;
            if from == ']' && !items.is_empty() {
                return Some(Atom::Set { items, inverted });
            }
            if from == '[' && self.takes(':') {
                let name: String = std::iter::from_fn(|| self.next().filter(|letter| *letter != ':')).collect();
                if !self.takes(']') {
                    return None;
                }
                items.extend(class(&name)?);
                continue;
            }
            let is_range = self.peek() == Some('-') && self.letters.get(self.at + 1).is_some_and(|next| *next != ']');
            if is_range {
                self.at += 1;
                items.push((from, self.next()?));
            } else {
                items.push((from, from));
            }
        }
    }
}

/// Returns the ranges of a class such as `[:digit:]`.
fn class(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "digit" => &[('0', '9')],
        "alpha" => &[('a', 'z'), ('A', 'Z')],
        "alnum" => &[('0', '9'), ('a', 'z'), ('A', 'Z')],
        "upper" => &[('A', 'Z')],
        "lower" => &[('a', 'z')],
        "space" => &[(' ', ' '), ('\t', '\r')],
        "xdigit" => &[('0', '9'), ('a', 'f'), ('A', 'F')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_posix() {
        for (pattern, text, expected) in [
            ("^a.c$", "abc", Some(true)),
            ("^a.c$", "abcd", Some(false)),
            ("b", "abc", Some(true)),
            ("", "x", Some(true)),
            ("^[0-9]+$", "123", Some(true)),
            ("^[0-9]+$", "12a", Some(false)),
            ("^[^0-9]*$", "abc", Some(true)),
            ("^[[:digit:]]{3}-[[:alpha:]]{1,2}$", "123-ab", Some(true)),
            ("^[[:digit:]]{3,}$", "12", Some(false)),
            ("^(49|\\+49|0)?30", "+4930", Some(true)),
            ("^(ab|a)b$", "ab", Some(true)),
            ("^(a*)*b$", "aaaaaaaaaaaaaaaaaaaaaaac", Some(false)),
            ("a\\.b", "axb", Some(false)),
            ("[]x]", "]", Some(true)),
            ("[a-]", "-", Some(true)),
            ("(", "x", None),
            ("*a", "x", None),
            ("[a", "x", None),
        ] {
            assert_eq!(Pattern::parse(pattern).map(|pattern| pattern.is_found_in(text)), expected, "{pattern} {text}");
        }
    }
}
