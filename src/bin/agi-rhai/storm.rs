//! `agi-rhai test --storm`: calls nobody has to write.

use crate::chance;
use crate::logging;
use crate::options::whole;
use crate::out;
use crate::test::{Test, host};
use agi_rhai::agi::printable;
use agi_rhai::pbx::Sounds;
use agi_rhai::script::LoadError;
use agi_rhai::tools::storm::{Length, Report};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// What a storm is given unless told otherwise.
const USUAL_WORK: Duration = Duration::from_secs(2);
/// As the main thread has it, whatever the shell's limits are.
const STACK: usize = 8 * 1024 * 1024;
/// So many lines that were never reached are shown.
const MOST_LINES: usize = 30;

#[derive(Debug, Args)]
pub struct Storm {
    /// Runs no tests, but a storm of calls on this script: callers hang up at every step, press keys at all times or
    /// none, prompts are missing, values are garbage; what goes wrong is told, with the shortest call as a test
    #[arg(long, value_name = "SCRIPT", conflicts_with_all = ["paths", "filter", "list", "coverage", "junit"])]
    pub storm: Option<PathBuf>,

    /// Makes so many calls in a storm; without it, as many as 2 s of work allow
    #[arg(long, value_name = "N", requires = "storm", allow_negative_numbers = true, value_parser = at_least_one)]
    pub calls: Option<u64>,
}

fn at_least_one(text: &str) -> Result<u64, String> {
    whole(text, &(1..=u64::MAX))
}

/// Lets a storm loose on a script and tells what it found; whether that is nothing.
pub fn storm(options: &Test, script: &Path) -> Result<bool> {
    let folders = [Some(PathBuf::new()), options.scripts.clone()];
    let path = crate::files::find(script, &folders.into_iter().flatten().collect::<Vec<_>>());
    let colour = crate::in_colours(&stdout());
    let host = host(options);
    let script = match host.load(&path, options.scripts.as_deref()) {
        Ok(script) => script,
        Err(LoadError::Fault(fault)) => {
            let colour = std::io::stderr().is_terminal();
            bail!("{} cannot be called\n{}", path.display(), fault.render(colour));
        }
        Err(error) => return Err(error.into()),
    };
    let seed = options.seed.unwrap_or_else(chance);
    let length = options.storm.calls.map_or(Length::Work(USUAL_WORK), Length::Calls);
    let storm = agi_rhai::tools::storm::Storm::new(host, script, Sounds::beside(&path)?);
    // What a script makes panic is told as its problem. What else panics ends the storm, and is the last.
    let last = Arc::new(Mutex::new(String::new()));
    let panics = Arc::clone(&last);
    let thread = Builder::new().name("storm".to_owned()).stack_size(STACK).spawn(move || {
        logging::with_panics(
            move |text| *panics.lock().unwrap_or_else(PoisonError::into_inner) = text,
            || storm.run(seed, length),
        )
    });
    let Ok(report) = thread.context("no thread for the storm")?.join() else {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        bail!("the storm broke down, which is a mistake in agi-rhai and not in {}: {last}", path.display());
    };
    out::put(told(&report, &path, seed, colour));
    Ok(report.problems.is_empty())
}

fn told(report: &Report, path: &Path, seed: u64, colour: bool) -> String {
    let mut text = String::new();
    let tests = path.with_extension("test.rhai").display().to_string();
    let path = path.display().to_string();
    let (tests, path) = (printable(&tests), printable(&path));
    for problem in &report.problems {
        let _ = writeln!(text, "{}", problem.fault.render(colour));
        let calls = if problem.seen == 1 { "1 call".to_owned() } else { format!("{} calls", problem.seen) };
        let _ = writeln!(text, "seen in {calls}; as a test for {tests}, which fails until the script is mended:\n");
        let _ = writeln!(text, "{}", problem.test);
    }
    if !report.unreached.is_empty() {
        let _ = writeln!(text, "Lines that no call reached:");
        for (script, line, source) in report.unreached.iter().take(MOST_LINES) {
            let _ = writeln!(text, "  {}:{line}: {}", printable(script), source.trim());
        }
        if report.unreached.len() > MOST_LINES {
            let _ = writeln!(text, "  and {} more", report.unreached.len() - MOST_LINES);
        }
        text.push('\n');
    }
    let seconds = report.work.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = if seconds > 0.0 { report.calls as f64 / seconds } else { 0.0 };
    let problems = match report.problems.len() {
        0 => "no problem".to_owned(),
        1 => "1 problem".to_owned(),
        problems => format!("{problems} problems"),
    };
    let _ = writeln!(
        text,
        "{}: {problems}; {} calls in {seconds:.1} s ({rate:.0} a second), {} of {} lines reached",
        path,
        report.calls,
        report.lines - report.unreached.len(),
        report.lines,
    );
    let _ = writeln!(text, "The same again: agi-rhai test --storm {} --seed {seed} --calls {}", path, report.calls);
    text
}
