//! `agi-rhai jobs`: what calls have left behind.

use crate::common::CommonOptions;
use crate::value_parsers::natural;
use crate::{logging, out};
use agi_rhai::Host;
use agi_rhai::clock::Stopwatch;
use agi_rhai::internals::jobs::{self, JobRunner, ListedJob, ScriptFiles};
use agi_rhai::internals::printable;
use agi_rhai::service::Services;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{debug, warn};

/// Lists what calls have left to be done, runs it, or drops it: functions of `after_call`, and mails
///
/// A server runs jobs when they are due, and so does a process that a call without a server leaves behind. A job that
/// fails is tried again after 10 s, 1 min, 5 min, 15 min, 1 h, 3 h, and then every 6 h. A mail that its server refuses
/// for good is given up after 5 attempts, and stays in the list.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
#[command(mut_args(|arg| arg.global(true).hide_short_help(true)))]
#[command(
    after_help = "In the list: DUE is in how many seconds; `now`, `runs` while it is running, `never` if it was given \
                  up; FAILED how often it has failed.\nExit codes: 0 done, 1 a job has failed, 2 no such job, or no \
                  store."
)]
pub struct JobsOptions {
    #[command(flatten)]
    pub common: CommonOptions,

    #[command(subcommand)]
    action: Option<JobsAction>,
}

#[derive(Debug, Subcommand)]
enum JobsAction {
    /// Lists the jobs, the next one that is due first; this is the default
    List {
        /// Lists them as JSON, an object per line
        #[arg(long)]
        json: bool,
    },
    /// Runs what is due, or one job now
    Run {
        /// Number of the job, from the list
        #[arg(allow_negative_numbers = true, value_parser = natural)]
        id: Option<u64>,
        /// Goes on until nothing is left, as the process that a call leaves behind
        #[arg(long, hide = true, conflicts_with = "id")]
        linger: bool,
    },
    /// Drops a job: it never runs
    Drop {
        /// Number of the job, from the list
        #[arg(allow_negative_numbers = true, value_parser = natural)]
        id: u64,
    },
}

/// The columns of the list.
const COLUMNS: [&str; 7] = ["ID", "WHAT", "SCRIPT", "AGE", "DUE", "FAILED", "ERROR"];
/// How long to wait for somebody else who runs a job.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(70);
/// The file that the process left behind by calls locks, so that there is only one.
const LOCK: &str = "jobs.lock";
/// How long to wait after the store has failed.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

pub fn jobs(options: &JobsOptions) -> ExitCode {
    let lingers = matches!(options.action, Some(JobsAction::Run { linger: true, .. }));
    if lingers {
        logging::start(&options.common, LevelFilter::INFO, false);
    } else {
        logging::start(&options.common, LevelFilter::WARN, false);
    }
    match run(options) {
        Ok(code) => code,
        Err(error) => {
            out::error(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(options: &JobsOptions) -> Result<ExitCode> {
    if let Some(mistake) = options.common.config.mistake() {
        bail!("{mistake}");
    }
    let host = options.common.host();
    let services = host.services().cloned().context("there is no store, and so there are no jobs")?;
    match &options.action {
        None => list(&services, false),
        Some(JobsAction::List { json }) => list(&services, *json),
        Some(JobsAction::Drop { id }) if jobs::remove(&services, *id)? => Ok(ExitCode::SUCCESS),
        Some(JobsAction::Drop { id }) => bail!("there is no job {id}"),
        Some(JobsAction::Run { linger: true, .. }) => {
            // It has nothing to do with the call any more.
            let _ = rustix::process::setsid();
            linger(host, options, &services)
        }
        Some(JobsAction::Run { id: None, .. }) => {
            let folder = options.common.scripts.clone().unwrap_or_else(|| PathBuf::from("."));
            let runner = runner(host, Some(folder))?;
            runner.run_due()?;
            let (done, failed) = runner.counts();
            out::line(format_args!("{done} done, {failed} failed"));
            Ok(ExitCode::from(u8::from(failed > 0)))
        }
        Some(JobsAction::Run { id: Some(id), .. }) => run_one(host, options, &services, *id),
    }
}

fn runner(host: Host, folder: Option<PathBuf>) -> Result<JobRunner> {
    JobRunner::new(host, Box::new(ScriptFiles(folder))).context("there is no store, and so there are no jobs")
}

/// Runs a job now, whether here or by somebody else who has its script.
fn run_one(host: Host, options: &JobsOptions, services: &Services, id: u64) -> Result<ExitCode> {
    let find = || -> Result<Option<ListedJob>> { Ok(jobs::list(services)?.into_iter().find(|job| job.id == id)) };
    let before = find()?.with_context(|| format!("there is no job {id}"))?;
    jobs::hurry(services, id)?;
    let folder = options.common.scripts.clone().unwrap_or_else(|| PathBuf::from("."));
    runner(host, Some(folder))?.run_due()?;
    let clock = Stopwatch::start();
    loop {
        let Some(job) = find()? else {
            out::line(format_args!("job {id} is done"));
            return Ok(ExitCode::SUCCESS);
        };
        if job.attempts > before.attempts {
            let error = job.error.unwrap_or_default();
            out::error(format_args!("job {id} has failed: {}", printable(&error)));
            return Ok(ExitCode::from(1));
        }
        if job.owner.is_none() {
            bail!(
                "job {id} is due, but its script isn't here: a server that has {} runs it, or name the folder by \
                 --scripts DIR",
                printable(&job.subject)
            );
        }
        if clock.elapsed() > OTHERS_TIMEOUT {
            bail!("job {id} still runs elsewhere");
        }
        agi_rhai::clock::sleep(Duration::from_millis(200));
    }
}

/// Lists the jobs.
fn list(services: &Services, as_json: bool) -> Result<ExitCode> {
    let jobs = jobs::list(services).map_err(|failure| anyhow!("{failure}"))?;
    let now = jobs::now();
    if as_json {
        for job in &jobs {
            out::json(json!({
                "id": job.id,
                "kind": job.kind,
                "subject": job.subject,
                "what": job.what,
                "created": job.created,
                "due": job.due,
                "attempts": job.attempts,
                "error": job.error,
                "owner": job.owner,
            }));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for job in jobs {
        let what = if job.kind == "mail" { format!("mail to {}", job.what) } else { job.what };
        let due = match (job.owner, job.due) {
            (Some(_), _) => "runs".to_owned(),
            (None, None) => "never".to_owned(),
            (None, Some(due)) if due <= now => "now".to_owned(),
            (None, Some(due)) => format!("{:.0}", due - now),
        };
        let age = format!("{:.0}", (now - job.created).max(0.0));
        let error = job.error.unwrap_or_default();
        let cells = [job.id.to_string(), what, job.subject, age, due, job.attempts.to_string(), error];
        rows.push(cells.map(|cell| printable(&cell).into_owned()));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).zip(COLUMNS).map(|((cell, &width), column)| match column {
            "ID" | "AGE" | "DUE" | "FAILED" => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        out::line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs jobs until nothing is left. There is only one such process for a state folder.
fn linger(host: Host, options: &JobsOptions, services: &Services) -> Result<ExitCode> {
    let runner = runner(host, options.common.scripts.clone())?;
    let Some(state) = services.settings().state.clone() else {
        runner.run_due()?;
        return Ok(ExitCode::SUCCESS);
    };
    loop {
        let lock = File::create(state.join(LOCK)).context("cannot lock the state folder")?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            // The one that has it looks again after it has let go.
            return Ok(ExitCode::SUCCESS);
        }
        match runner.run_all() {
            Ok(true) => {}
            // What is left rests. Meanwhile the operator may have edited the file of the services, or this program.
            Ok(false) => begin_anew(),
            Err(failure) => {
                debug!(%failure, "the store fails");
                agi_rhai::clock::sleep(TROUBLE_PAUSE);
                begin_anew();
            }
        }
        drop(lock);
        if !runner.has_work()? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Replaces this process by a new one with the same arguments. The lock goes with the file that is open.
fn begin_anew() {
    let mut arguments = std::env::args_os();
    let Some(program) = program(arguments.next()) else { return };
    let error = Command::new(program).args(arguments).exec();
    warn!(%error, "cannot begin anew");
}

/// Returns the file of this program; where there is no `/proc`, by the name it was called by.
fn program(called: Option<std::ffi::OsString>) -> Option<PathBuf> {
    std::env::current_exe().ok().filter(|path| path.exists()).or_else(|| called.map(PathBuf::from))
}

/// After a call, or some on the phone, leaves a process behind that runs their jobs, if there are any: Asterisk waits
/// for this one.
pub fn run_behind(host: &Host, options: &CommonOptions) {
    let Some(services) = host.services().filter(|services| jobs::settle(services)) else { return };
    let Some(program) = program(std::env::args_os().next()) else { return };
    let mut command = Command::new(program);
    command.args(["jobs", "run", "--linger"]);
    let settings = services.settings();
    let file = options.config.file.as_ref().and_then(|config| config.file());
    let mut add = |option: &str, path: Option<&Path>| {
        if let Some(path) = path {
            command.arg(option).arg(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        }
    };
    add("--config", file.as_deref());
    add("--state", settings.state.as_deref());
    add("--scripts", options.scripts.as_deref());
    if let Some(log) = &options.log {
        command.arg("--log").arg(log);
    }
    if let Some(level) = options.log_level {
        command.arg("--log-level").arg(level.to_string());
    }
    command.arg("--max-computing").arg(options.max_computing.as_secs_f64().to_string());
    command.arg("--max-memory").arg((options.max_memory).to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    if let Err(error) = command.spawn() {
        warn!(%error, "no process to run the jobs of this call: a server or `agi-rhai jobs run` will");
    }
}
