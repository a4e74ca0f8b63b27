//! The explanation of a mistake.

use crate::script::text::Place;

/// The explanation of a mistake.
pub(crate) struct Explanation {
    /// The mistake.
    pub message: String,
    /// What would be right, if that is known.
    pub hint: Option<String>,
    pub place: Place,
}

impl Explanation {
    pub fn new(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), place }
    }

    pub fn without_hint(place: Place, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, place }
    }
}
