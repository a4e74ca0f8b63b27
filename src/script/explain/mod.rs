//! Explains mistakes in scripts: one message, hint and place for each, whoever asks.

mod brackets;
mod error;
mod explanation;
mod habits;
mod names;
mod scope;
mod syntax;
pub(crate) mod values;

pub(crate) use error::{Raised, Site};
pub(crate) use explanation::Explanation;
pub(crate) use names::{Names, Wrong, WrongCall};
pub(crate) use syntax::parse_error;
