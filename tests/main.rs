//! All integration tests, in one program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a real Asterisk and real processes keep real time")]
#![allow(clippy::pedantic, reason = "tests are read one at a time")]

mod bad_input;
mod canned;
mod checker;
mod checker_habits;
mod cli;
mod config;
mod dates;
mod docs;
mod embedding;
mod examples;
mod fastagi;
mod foreign;
mod from_python;
mod function_values;
mod http;
mod ivr;
mod ivr_phrases;
mod jobs;
mod kept_out;
mod languages;
mod listen;
mod live;
mod live_async_agi;
mod live_async_agi_lost;
mod live_callout;
mod live_commands;
mod live_dates;
mod live_fastagi;
mod live_functions;
mod live_harms;
mod live_http;
mod live_ivr;
mod live_ivr_examples;
mod live_machines;
mod live_permissions;
mod live_recogniser;
mod live_sounds;
mod live_speech;
mod live_speech_figures;
mod live_store;
mod lsp;
mod metrics;
mod mistakes;
mod outputs;
mod own_command;
mod package;
mod pages;
mod phone;
mod read_only;
mod recogniser;
mod record;
mod reload;
mod scripts;
mod secrets;
mod sounds;
mod speech;
mod speech_ahead;
mod sql;
mod store;
mod storm;
mod studio;
mod studio_live;
