//! Tables of prompts: the words of sound files, in each language.
//!
//! `game.prompts` is beside `game.rhai`, in the style of the table of phrases, `game.phrases`:
//! ```text
//! ; Each line is a prompt: the name of its sound file, a colon, and the words.
//! coin-ask: Heads or tails?
//!
//! [de]
//! coin-ask: Kopf oder Zahl?
//! ```

use std::fmt;

/// A line of a table of prompts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompt {
    /// The language of the heading above it; `None` above the first heading: words for callers in every language that
    /// has none of its own.
    pub language: Option<String>,
    /// The name of the sound file.
    pub name: String,
    /// What it says.
    pub words: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// An error in a line of a prompt table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptError {
    /// The line, counted from 1.
    pub line: usize,
    /// The problem.
    pub problem: String,
    /// What would be right.
    pub hint: &'static str,
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}; {}", self.line, self.problem, self.hint)
    }
}

impl std::error::Error for PromptError {}

/// Parses a table of prompts, in the format of Asterisk's own `core-sounds-en.txt`: lines `name: words`, blank lines,
/// and comments, which begin with `;`. A heading such as `[de]` begins the words in another language. Returns the valid
/// lines, and the errors in the others.
pub fn parse_prompts(text: &str) -> (Vec<Prompt>, Vec<PromptError>) {
    let (mut prompts, mut errors) = (Vec::new(), Vec::new());
    let mut languages: Vec<&str> = Vec::new();
    for (line, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let text = text.trim();
        let mut wrong = |problem: String, hint| errors.push(PromptError { line, problem, hint });
        match heading(text) {
            _ if text.is_empty() || text.starts_with(';') => {}
            Some(Ok(name)) if languages.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                languages.push(name);
                wrong(format!("[{name}] has a heading already"), "put all prompts of a language below one heading");
            }
            Some(Ok(name)) => languages.push(name),
            Some(Err(error)) => wrong(error.problem, HEADING_HINT),
            None => match entry(text) {
                Ok((name, words)) => prompts.push(Prompt {
                    language: languages.last().map(|&language| language.to_owned()),
                    name: name.to_owned(),
                    words: words.to_owned(),
                    line,
                }),
                Err(problem) => wrong(problem.to_owned(), "expected `name: words`"),
            },
        }
    }
    (prompts, errors)
}

/// Returns the name and the words of a line.
fn entry(text: &str) -> Result<(&str, &str), &'static str> {
    let (name, words) = text.split_once(':').ok_or("there is no `:` after the name")?;
    let name = name.trim_end();
    if name.is_empty() {
        return Err("there is no name before the `:`");
    }
    if name.contains(char::is_whitespace) {
        return Err("the name before the `:` has a blank in it");
    }
    Ok((name, words.trim_start()))
}

/// A heading that isn't valid: where in the line, and why.
pub(crate) struct HeadingError {
    pub offset: usize,
    pub problem: String,
}

/// What a heading looks like.
pub(crate) const HEADING_HINT: &str = "a heading is a language in brackets, such as [de] or [pt_BR]";

/// Returns the language in a heading of a table of prompts or phrases; `None` if the line isn't a heading.
pub(crate) fn heading(line: &str) -> Option<Result<&str, HeadingError>> {
    let rest = line.strip_prefix('[')?;
    let Some(name) = rest.strip_suffix(']') else {
        return Some(Err(HeadingError { offset: 0, problem: "the heading does not end with `]`".to_owned() }));
    };
    let name = name.trim();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !fits {
        return Some(Err(HeadingError { offset: 1, problem: format!("{name:?} cannot be the name of a language") }));
    }
    Some(Ok(name))
}

/// Returns the languages in which Asterisk looks for something: `de_AT`, then `de`.
pub(crate) fn parents(language: &str) -> impl Iterator<Item = &str> {
    let first = Some(language).filter(|language| !language.is_empty());
    std::iter::successors(first, |language| language.rsplit_once('_').map(|(parent, _)| parent))
}

/// Whether a language is English or a kind of it, or none is set: Asterisk's default is English.
pub(crate) fn is_english(language: &str) -> bool {
    language.is_empty() || parents(language).any(|language| language == "en")
}

/// Returns the language if it isn't English, as it is shown beside spoken text.
pub fn foreign(language: &str) -> Option<&str> {
    Some(language).filter(|language| !is_english(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let (prompts, errors) = parse_prompts(text);
        let prompts = prompts.iter().map(|p| {
            let language = p.language.as_deref().map_or_else(String::new, |language| format!("[{language}] "));
            format!("{}: {language}{} = {}", p.line, p.name, p.words)
        });
        let all: Vec<String> = prompts.chain(errors.iter().map(ToString::to_string)).collect();
        assert_eq!(all.join(" | "), expected, "{text}");
    }

    #[test]
    fn headings_begin_the_words_of_a_language() {
        check(
            "\u{feff}; mine\n\na: Hello: you\n[de]\n a : Hallo\nb:\n [pt_BR] \na: Oi",
            "3: a = Hello: you | 5: [de] a = Hallo | 6: [de] b =  | 8: [pt_BR] a = Oi",
        );
        check("tone: [a simple beep]", "1: tone = [a simple beep]");
    }

    #[test]
    fn a_bad_line_is_reported_and_does_not_hide_the_others() {
        check("foo\na: b", "2: a = b | line 1: there is no `:` after the name; expected `name: words`");
        check(": b", "line 1: there is no name before the `:`; expected `name: words`");
        check("a b: c", "line 1: the name before the `:` has a blank in it; expected `name: words`");
        check(
            "[de\n[]\n[d e]",
            &format!(
                "line 1: the heading does not end with `]`; {HEADING_HINT} | line 2: \"\" cannot be the name of a language; \
             {HEADING_HINT} | line 3: \"d e\" cannot be the name of a language; {HEADING_HINT}"
            ),
        );
        check(
            "[de]\na: b\n[fr]\n[DE]\nc: d",
            "2: [de] a = b | 5: [DE] c = d | line 4: [DE] has a heading already; put all prompts of a language below one \
             heading",
        );
    }

    #[test]
    fn languages_have_parents() {
        assert_eq!(parents("de_AT").collect::<Vec<_>>(), ["de_AT", "de"]);
        assert_eq!(parents("").count(), 0);
    }
}
