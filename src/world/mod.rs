//! What scripts reach besides Asterisk: the functions that ask services, and those that read and write JSON.

mod asking;
mod functions;
mod json;
mod listening;
#[cfg(feature = "speech")]
mod road;
mod speaking;

pub use functions::SERVICES;
pub(crate) use functions::add_services;
pub(crate) use json::to_json;
pub(crate) use listening::listen;
pub(crate) use speaking::{prompt, speak, speaks_prompts};
