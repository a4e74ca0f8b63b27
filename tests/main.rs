//! All integration tests, in one program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod cli;
mod docs;
mod examples;
mod live;
mod live_commands;
mod scripts;
mod support;
mod tidy;
