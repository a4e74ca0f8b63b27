//! What callers say, and what it means: words of a list, yes and no, digits.

mod digits;
mod numbers;
mod tokens;
mod words;
mod yes_no;

pub(super) use digits::{digits, expected_digits};
pub(super) use tokens::tokens;
pub(super) use words::find;
pub(super) use yes_no::{expected_yes_no, yes_or_no};

/// Returns the language without its region: `de` of `de_AT`.
fn base(language: &str) -> String {
    language.split(['_', '-', '@', '.']).next().unwrap_or_default().to_ascii_lowercase()
}
