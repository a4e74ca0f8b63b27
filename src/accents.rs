//! Letters without their accents. In WebAssembly, those who run it have them taken away: JavaScript knows all letters,
//! and their table would be a fifteenth of what a page loads.

#[cfg(target_family = "wasm")]
pub use given::{give_accents, without_accents};

/// Returns a text whose letters have no accents, and whose ligatures and wide letters are plain ones.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn without_accents(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    use unicode_normalization::char::is_combining_mark;

    text.nfkd().filter(|letter| !is_combining_mark(*letter)).collect()
}

#[cfg(target_family = "wasm")]
mod given {
    use std::sync::OnceLock;

    static GIVEN: OnceLock<fn(&str) -> String> = OnceLock::new();

    /// Gives the function that takes accents away.
    pub fn give_accents(without: fn(&str) -> String) {
        let _ = GIVEN.set(without);
    }

    pub fn without_accents(text: &str) -> String {
        GIVEN.get().map_or_else(|| text.to_owned(), |without| without(text))
    }
}
