//! The recordings that scripts need: which there are, and how the others are made.

mod import;
mod make;
mod needed;

pub use import::Import;
pub use make::{Maker, made};
pub use needed::{NeededSound, Presence, needed};
