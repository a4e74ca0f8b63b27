//! The program `agi-rhai`: runs scripts on calls of Asterisk and on a simulated phone.

mod advice;
mod call_setup;
mod calls;
mod check;
mod commands;
mod common;
mod config;
mod file_options;
mod files;
mod jobs;
mod logging;
mod lsp;
mod memory;
mod new;
mod options;
mod out;
mod pages;
mod panics;
mod phone;
mod replay;
mod samples;
mod seed;
mod serve;
mod server_log;
mod sounds;
mod speech_report;
mod storm;
mod studio;
mod terminal;
mod test;
mod text;
mod value_parsers;

use advice::explained;
use agi_rhai::host::stdio::{audio, stdio};
use agi_rhai::internals::log_fault;
use agi_rhai::script::LoadError;
use agi_rhai::transport::{Audio, Notice};
use agi_rhai::{Session, Status};
use anyhow::{Context, Result, anyhow};
use clap::CommandFactory;
use common::CommonOptions;
use options::{Options, Subcommand};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use terminal::shows_colour;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    out::close(run())
}

fn run() -> ExitCode {
    panics::log_panics();
    // First of all, while descriptor 3 can only come from Asterisk.
    let audio = audio();
    // Asterisk reports a hangup by SIGHUP, which would end the program.
    let hangup = hangup_notice();
    let options = match Options::read(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(options) => options,
        Err(error) => {
            let text = error.render();
            let rendered = |colour: bool| if colour { text.ansi().to_string() } else { text.to_string() };
            if error.use_stderr() {
                out::stderr_line(rendered(shows_colour(&std::io::stderr())).trim_end_matches('\n'));
            } else {
                out::text(rendered(shows_colour(&std::io::stdout())));
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match options {
        Options { command: Some(Subcommand::Phone(phone)), .. } => phone::phone(phone),
        Options { command: Some(Subcommand::Serve(serve)), .. } => return serve::serve(&serve),
        Options { command: Some(Subcommand::Test(test)), .. } => return test::test(&test),
        Options { command: Some(Subcommand::Check(check)), .. } => return check::check(&check),
        Options { command: Some(Subcommand::Replay(replay)), .. } => return replay::replay(&replay),
        Options { command: Some(Subcommand::New(new)), .. } => return new::new(&new),
        Options { command: Some(Subcommand::Commands(commands)), .. } => return commands::commands(&commands),
        Options { command: Some(Subcommand::Sounds(sounds)), .. } => return sounds::sounds(&sounds),
        Options { command: Some(Subcommand::Studio(studio)), .. } => return studio::studio(&studio),
        Options { command: Some(Subcommand::Lsp(lsp)), .. } => return lsp::lsp(&lsp),
        Options { command: Some(Subcommand::Completions(shell)), .. } => {
            return pages::completions(&shell, &Options::command());
        }
        Options { command: Some(Subcommand::Man(man)), .. } => return pages::man(&man, Options::command()),
        Options { command: Some(Subcommand::Calls(calls)), .. } => match calls::calls(&calls) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => {
                out::error(explained(&error));
                return ExitCode::from(2);
            }
        },
        Options { command: Some(Subcommand::Jobs(jobs)), .. } => return jobs::jobs(&jobs),
        Options { common, script: Some(script), args, .. } if std::io::stdin().is_terminal() => {
            phone::phone(phone::PhoneOptions { common, script, args, setting: phone::Setting::default() })
        }
        Options { common, script, args, .. } => {
            logging::start(&common, LevelFilter::INFO, false);
            common.config.log_mistake();
            run_call(&common, &script.unwrap_or_default(), args, hangup, audio)
        }
    };
    match result {
        Ok(Status::Success | Status::Hangup) => ExitCode::SUCCESS,
        Ok(Status::Failure) => ExitCode::from(1),
        Ok(Status::NotFound) => ExitCode::from(2),
        // No room for the call, or the connection broke.
        Ok(_) => ExitCode::from(3),
        Err(error) => {
            tracing::error!("{}", explained(&error));
            ExitCode::from(3)
        }
    }
}

/// Catches SIGHUP from now on.
fn hangup_notice() -> Option<Notice> {
    let (reader, writer) = std::io::pipe().ok()?;
    let flag = Arc::default();
    // The flag first, so that it is set when the pipe wakes a reader.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&flag)).ok()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, writer).ok()?;
    Some(Notice { flag, readable: reader.into() })
}

/// Runs a script on the call at standard input and output.
fn run_call(
    options: &CommonOptions,
    script: &str,
    args: Vec<String>,
    hangup: Option<Notice>,
    audio: Option<Audio>,
) -> Result<Status> {
    // The process ends with the call, so dropping the host and the script would only cost time.
    let host = Box::leak(Box::new(options.host()));
    if let (Some(services), Some(scripts)) = (host.services(), &options.scripts) {
        services.set_scripts(scripts);
    }
    let folders = options.folders_of_a_call();
    let path = files::find(Path::new(script), &folders);
    let loaded = host
        .load(&path, options.scripts.as_deref())
        .map_err(|error| files::with_searched_folders(script.as_ref(), &folders, error));
    let session = Session::begin(Box::new(stdio(hangup).context("no line to Asterisk")?));
    let mut session =
        session.map_err(|error| anyhow!("{error:#} (to play it without Asterisk: agi-rhai phone {script})"))?;
    if let Some(audio) = audio.filter(|_| session.is_enhanced()) {
        session.set_audio(audio);
    }
    Ok(match loaded {
        Ok(script) => {
            let outcome = host.run(session, Box::leak(Box::new(script)), args);
            jobs::run_behind(host, options);
            outcome.status
        }
        Err(error) => {
            if let LoadError::Fault(fault) = &error {
                log_fault("", None, fault);
            } else {
                tracing::error!("{error:#}");
            }
            host.refuse(session, &error)
        }
    })
}
