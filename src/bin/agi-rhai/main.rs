//! The program `agi-rhai`: scripts on calls of Asterisk, and on a simulated phone.

mod advice;
mod calls;
mod check;
mod commands;
mod files;
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
mod serve;
mod storm;
mod test;

use advice::explained;
use agi_rhai::host::Recorder;
use agi_rhai::host::stdio::{audio, drain, stdio};
use agi_rhai::script::{LoadError, Memory};
use agi_rhai::transport::Notice;
use agi_rhai::{Host, Session, Status};
use anyhow::{Context, Result, anyhow};
use options::{Command, Common, Options};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    out::close(run())
}

fn run() -> ExitCode {
    panics::go_to_the_log();
    // First of all, while descriptor 3 can only be Asterisk's.
    let audio = audio();
    // Asterisk tells a hangup by SIGHUP, which would end us.
    let hangup = hangup_notice();
    let options = match Options::read(std::env::args_os().collect()) {
        Ok(options) => options,
        Err(error) => {
            let text = error.render();
            let written = |colours: bool| if colours { text.ansi().to_string() } else { text.to_string() };
            if error.use_stderr() {
                out::tell(written(in_colours(&std::io::stderr())).trim_end_matches('\n'));
            } else {
                out::put(written(in_colours(&std::io::stdout())));
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match options {
        Options { command: Some(Command::Phone(phone)), .. } => phone::phone(phone),
        Options { command: Some(Command::Serve(serve)), .. } => return serve::serve(&serve),
        Options { command: Some(Command::Test(test)), .. } => return test::test(&test),
        Options { command: Some(Command::Check(check)), .. } => return check::check(&check),
        Options { command: Some(Command::Replay(replay)), .. } => return replay::replay(&replay),
        Options { command: Some(Command::New(new)), .. } => return new::new(&new),
        Options { command: Some(Command::Commands(commands)), .. } => return commands::commands(&commands),
        Options { command: Some(Command::Lsp(lsp)), .. } => return lsp::lsp(&lsp),
        Options { command: Some(Command::Completions(shell)), .. } => return pages::completions(&shell),
        Options { command: Some(Command::Man(man)), .. } => return pages::man(&man),
        Options { command: Some(Command::Calls(calls)), .. } => match calls::calls(&calls) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => {
                out::complain(explained(&error));
                return ExitCode::from(2);
            }
        },
        Options { common, script: Some(script), args, .. } if std::io::stdin().is_terminal() => {
            phone::phone(phone::Phone { common, script, args, setting: phone::Setting::default() })
        }
        Options { common, script, args, .. } => {
            logging::start(&common, LevelFilter::INFO, false);
            on_call(&common, &script.unwrap_or_default(), args, hangup, audio)
        }
    };
    match result {
        Ok(Status::Success | Status::Hangup) => ExitCode::SUCCESS,
        Ok(Status::Failure) => ExitCode::from(1),
        Ok(Status::NotFound) => ExitCode::from(2),
        Ok(Status::Busy | Status::Lost) => ExitCode::from(3),
        Err(error) => {
            tracing::error!("{}", explained(&error));
            ExitCode::from(3)
        }
    }
}

/// Tells of SIGHUP from now on.
fn hangup_notice() -> Option<Notice> {
    let (reader, writer) = std::io::pipe().ok()?;
    let flag = Arc::default();
    // The flag first: whoever is woken by the pipe finds it set.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&flag)).ok()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, writer).ok()?;
    Some(Notice { flag, readable: reader.into() })
}

fn host(options: &Common) -> Host {
    let mut host = Host::new();
    let permissions = options.exec.permissions();
    host.allow(permissions.allowed);
    host.deny(permissions.denied);
    host.log_digits(options.log_digits);
    host.set_memory(Memory { used: memory::used });
    if let Some(seed) = options.seed {
        host.set_seed(seed);
    }
    if let Some(folder) = &options.record {
        let recorder = Recorder::new(folder);
        host.record(Arc::new(if options.redact { recorder.redacting() } else { recorder }));
    }
    let limits = host.limits_mut();
    limits.memory = options.max_memory.saturating_mul(1024 * 1024);
    limits.computing = options.max_computing;
    limits.on_hangup = options.max_on_hangup;
    host
}

fn on_call(
    options: &Common,
    script: &str,
    args: Vec<String>,
    hangup: Option<Notice>,
    audio: Option<File>,
) -> Result<Status> {
    // The process ends with the call: taking the host and the script apart would only cost the caller time.
    let host = Box::leak(Box::new(host(options)));
    // Asterisk names its AGI directory. Who does not is somebody who tries a script, in the folder where it is.
    let agi = std::env::var_os("AST_AGI_DIR").map(PathBuf::from);
    let tried = agi.is_none().then(|| PathBuf::from("."));
    let agi = agi.unwrap_or_else(|| PathBuf::from("/var/lib/asterisk/agi-bin"));
    let folders = [options.scripts.clone(), Some(agi), tried];
    let folders: Vec<_> = folders.into_iter().flatten().collect();
    let path = files::find(Path::new(script), &folders);
    let loaded = host
        .load(&path, options.scripts.as_deref())
        .map_err(|error| files::looked_for(script.as_ref(), &folders, error));
    let session = Session::begin(Box::new(stdio(hangup).context("no line to Asterisk")?));
    let session = session.map_err(|error| anyhow!("{error} (to play it without Asterisk: agi-rhai phone {script})"))?;
    if let Some(audio) = audio
        && session.environment().get("agi_enhanced").is_some_and(|enhanced| enhanced == "1.0")
    {
        drain(audio);
    }
    Ok(match loaded {
        Ok(script) => host.run(session, Box::leak(Box::new(script)), args).status,
        Err(error) => {
            if let LoadError::Fault(fault) = &error {
                tracing::error!("{}", fault.report());
            } else {
                tracing::error!("{error:#}");
            }
            host.refuse(session, &error)
        }
    })
}

/// Whether this is shown in colours: on a terminal, unless NO_COLOR is set to anything.
fn in_colours(to: &impl IsTerminal) -> bool {
    to.is_terminal() && wants_colours()
}

fn wants_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A seed nobody can foresee, of few digits, to be typed again with `--seed`.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}
