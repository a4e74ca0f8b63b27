//! The arguments of applications and dialplan functions, as Asterisk splits them.

/// Splits arguments at commas into at most this many. Commas within parentheses, brackets and quotes don't split, and
/// quotes and backslashes are removed, except from the last argument, which is the rest as it stands.
pub(in crate::pbx) fn split_arguments(text: &str, most: usize) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && arguments.len() + 1 < most {
        let (argument, after) = first_argument(rest);
        arguments.push(argument);
        rest = after;
    }
    if !rest.is_empty() {
        arguments.push(rest.to_owned());
    }
    arguments
}

/// Splits all arguments.
pub(crate) fn split_all_arguments(text: &str) -> Vec<String> {
    split_arguments(text, usize::MAX)
}

/// Splits off the first argument.
fn first_argument(text: &str) -> (String, &str) {
    let (mut open, mut quoted) = ([0_usize; 2], false);
    let mut argument = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '(' => open[0] += 1,
            ')' => open[0] = open[0].saturating_sub(1),
            '[' => open[1] += 1,
            ']' => open[1] = open[1].saturating_sub(1),
            '"' => {
                quoted = !quoted;
                continue;
            }
            '\\' => {
                argument.extend(letters.next().map(|(_, letter)| letter));
                continue;
            }
            ',' if open == [0, 0] && !quoted => return (argument, &text[at + 1..]),
            _ => {}
        }
        argument.push(letter);
    }
    (argument, "")
}

/// The arguments of one function, of which any may be missing.
pub(super) struct Arguments(Vec<String>);

impl Arguments {
    pub fn new(text: &str, most: usize) -> Self {
        Self(split_arguments(text, most))
    }

    /// Returns an argument; an empty text if it is missing.
    pub fn get(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    /// Returns an argument that isn't empty.
    pub fn given(&self, at: usize) -> Option<&str> {
        Some(self.get(at)).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_at_commas_outside_of_parentheses_and_quotes() {
        for (text, most, expected) in [
            ("", 3, vec![]),
            ("a", 3, vec!["a"]),
            ("a,,b", 3, vec!["a", "", "b"]),
            ("a,", 3, vec!["a"]),
            ("f(a,b),[c,d],\"e,f\",g\\,h,i", 9, vec!["f(a,b)", "[c,d]", "e,f", "g,h", "i"]),
            ("a,\"b\",c", 2, vec!["a", "\"b\",c"]),
        ] {
            assert_eq!(split_arguments(text, most), expected, "{text}");
        }
    }
}
