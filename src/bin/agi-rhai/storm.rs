//! `agi-rhai test --storm`: random calls that search a script for faults.

use crate::call_setup::{SetupOptions, for_shell};
use crate::logging;
use crate::out;
use crate::seed::random_seed;
use crate::terminal::shows_colour;
use crate::value_parsers::whole;
use agi_rhai::Host;
use agi_rhai::internals::{plural, printable};
use agi_rhai::pbx::Sounds;
use agi_rhai::script::LoadError;
use agi_rhai::tools::storm::{Length, Report, Storm};
use agi_rhai::tools::testing::{CallSetup, FirstCall, TestRunner};
use anyhow::{Context, Error, Result, anyhow, bail};
use clap::Args;
use std::fmt::Write as _;
use std::io::stdout;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// The default duration of a storm.
const DEFAULT_WORK: Duration = Duration::from_secs(2);
/// The stack of the thread, as large as that of a main thread.
const STACK_SIZE: usize = 8 * 1024 * 1024;
/// The maximum number of unreached lines to show.
const MAX_LINES: usize = 30;

#[derive(Debug, Args)]
pub struct StormOptions {
    /// Instead of tests, runs a storm of random calls on this script: callers hang up at every step, press keys at any
    /// time or never, prompts are missing, values are garbage; each fault is reported with the shortest call, as a test
    ///
    /// With FILE.test.rhai::NAME, calls the script that this test calls first, with the options that it gives there.
    #[arg(long, value_name = "SCRIPT", conflicts_with_all = ["paths", "filter", "list", "coverage", "junit"])]
    pub storm: Option<PathBuf>,

    /// Number of calls in a storm; without it, as many as 2 s of work allow
    #[arg(long, value_name = "N", requires = "storm", allow_negative_numbers = true, value_parser = at_least_one)]
    pub calls: Option<u64>,

    #[command(flatten, next_help_heading = "Every call of a storm")]
    pub setup: SetupOptions,
}

fn at_least_one(text: &str) -> Result<u64, String> {
    whole(text, &(1..=u64::MAX))
}

/// Runs a storm on a script and prints its report. Returns whether there were no problems.
pub fn storm(
    options: &StormOptions,
    script: &Path,
    host: &Host,
    scripts: Option<&Path>,
    seed: Option<u64>,
) -> Result<bool> {
    let seed = seed.unwrap_or_else(random_seed);
    let (path, setup, given) = if let Some((file, test)) = of_test(script) {
        let FirstCall { script: path, setup, .. } = first_call(host, scripts, &file, &test, seed)?;
        (path, setup, script.display().to_string())
    } else {
        let folders = [Some(PathBuf::new()), scripts.map(Path::to_owned)];
        let path = crate::files::find(script, &folders.into_iter().flatten().collect::<Vec<_>>());
        let given = path.display().to_string();
        (path, CallSetup::default(), given)
    };
    let setup = setup.with(options.setup.for_place_call());
    let colour = shows_colour(&stdout());
    let script = match host.load(&path, scripts) {
        Ok(script) => script,
        Err(LoadError::Fault(fault)) => {
            let colour = shows_colour(&std::io::stderr());
            bail!("{} cannot be called\n{}", path.display(), fault.render(colour));
        }
        Err(error) => return Err(error.into()),
    };
    let length = options.calls.map_or(Length::Work(DEFAULT_WORK), Length::Calls);
    let samples = crate::samples::of(host, scripts, &path, &script);
    let storm = Storm::new(host, script, Sounds::beside(&path)?).with_setup(&setup).map_err(Error::msg)?;
    let storm = storm.with_samples(samples);
    // A panic caused by the script is reported as its problem. Any other panic ends the storm, and is the last one.
    let last = Arc::new(Mutex::new(String::new()));
    let panics = Arc::clone(&last);
    let thread = Builder::new().name("storm".to_owned()).stack_size(STACK_SIZE).spawn(move || {
        logging::with_panics(
            move |text| *panics.lock().unwrap_or_else(PoisonError::into_inner) = text,
            || storm.run(seed, length),
        )
    });
    let Ok(report) = thread.context("cannot start a thread for the storm")?.join() else {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        bail!("the storm panicked, which is a bug in agi-rhai and not in {}: {last}", path.display());
    };
    let again = format!("{}{}", for_shell(&given), options.setup.written());
    out::text(render(&report, &path, &again, seed, colour));
    Ok(report.problems.is_empty())
}

/// Returns the file and the name of a test, if that is what the option names.
fn of_test(given: &Path) -> Option<(PathBuf, String)> {
    let (file, test) = given.to_str()?.split_once("::")?;
    let test = test.strip_prefix("test_").unwrap_or(test);
    file.ends_with(".test.rhai").then(|| (PathBuf::from(file), test.to_owned()))
}

/// Returns the first call of a test.
fn first_call(host: &Host, scripts: Option<&Path>, file: &Path, test: &str, seed: u64) -> Result<FirstCall> {
    let colour = shows_colour(&std::io::stderr());
    let runner = TestRunner::new(host.clone(), scripts.map(Path::to_owned));
    let suite = match runner.suite(file) {
        Ok(suite) => suite,
        Err(LoadError::Fault(fault)) => bail!("{} has a fault\n{}", file.display(), fault.render(colour)),
        Err(error) => return Err(error.into()),
    };
    if !suite.tests().iter().any(|name| name == test) {
        bail!("there is no test {test} in {}; it has {}", file.display(), suite.tests().join(", "));
    }
    runner.first_call(&suite, test, seed).map_err(|failure| match failure {
        Some(failure) => anyhow!("the test {test} fails before its first call\n{}", failure.render(colour)),
        None => anyhow!("the test {test} places no call"),
    })
}

fn render(report: &Report, path: &Path, again: &str, seed: u64, colour: bool) -> String {
    let mut text = String::new();
    let tests = path.with_extension("test.rhai").display().to_string();
    let path = path.display().to_string();
    let (tests, path) = (printable(&tests), printable(&path));
    for problem in &report.problems {
        let _ = writeln!(text, "{}", problem.fault.render(colour));
        let calls = plural(problem.seen, "call");
        let _ = writeln!(text, "seen in {calls}; as a test for {tests}, which fails until the script is fixed:\n");
        let _ = writeln!(text, "{}", problem.test);
    }
    if !report.unreached.is_empty() {
        let _ = writeln!(text, "Lines that no call reached:");
        for (script, line, source) in report.unreached.iter().take(MAX_LINES) {
            let _ = writeln!(text, "  {}:{line}: {}", printable(script), source.trim());
        }
        if report.unreached.len() > MAX_LINES {
            let _ = writeln!(text, "  and {} more", report.unreached.len() - MAX_LINES);
        }
        text.push('\n');
    }
    let seconds = report.work.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = if seconds > 0.0 { report.calls as f64 / seconds } else { 0.0 };
    let problems = match report.problems.len() {
        0 => "no problem".to_owned(),
        problems => plural(problems, "problem"),
    };
    let _ = writeln!(
        text,
        "{}: {problems}; {} in {seconds:.1} s ({rate:.0} a second), {} of {} reached",
        path,
        plural(report.calls, "call"),
        report.lines - report.unreached.len(),
        plural(report.lines, "line"),
    );
    let _ = writeln!(
        text,
        "The same again: agi-rhai test --storm {} --seed {seed} --calls {}",
        printable(again),
        report.calls
    );
    text
}
