//! All integration tests, in one program.

mod bad_input;
mod cli;
mod docs;
mod examples;
mod live;
mod live_commands;
mod support;
mod tidy;
