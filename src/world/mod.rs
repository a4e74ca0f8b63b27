//! What scripts reach besides Asterisk: the functions that ask services, and those that read and write JSON.

mod asking;
mod functions;
mod json;

pub use functions::SERVICES;
pub(crate) use functions::add_services;
pub(crate) use json::to_json;
