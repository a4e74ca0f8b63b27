//! `agi-rhai test`: runs the tests of scripts.

use crate::advice::explained;
use crate::common::{CheckingOptions, CommonOptions, ExecOptions};
use crate::config::{ConfigOptions, folder_of_paths};
use crate::files::{below, is_script, why_not_read};
use crate::out;
use crate::seed::random_seed;
use crate::storm::{StormOptions, storm};
use crate::terminal::shows_colour;
use crate::value_parsers::{natural, whole};
use agi_rhai::Host;
use agi_rhai::clock::Stopwatch;
use agi_rhai::internals::{plural, printable, printable_lines};
use agi_rhai::script::LoadError;
use agi_rhai::tools::testing::{Failure, Suite, TestRunner};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeSet;
use std::io::stdout;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Runs the tests of scripts: every `fn test_NAME()` of every file `*.test.rhai`
///
/// Time is virtual: a call of three minutes takes milliseconds. Each test starts with an empty AstDB of its own.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 all tests passed, 1 some failed (or --coverage-min was missed), 2 wrong usage, \
                        or no tests.\nThe random numbers of a test depend on the seed and the name of the test: a \
                        failure shows the command that repeats it.")]
pub struct TestOptions {
    /// Files `*.test.rhai`, folders, FILE::NAME for one test, or a part of the names of the tests to run [default: the
    /// current folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,

    /// Runs only tests with this in their name, such as `guess` or `guess::three_silences`
    #[arg(short = 'k', long, value_name = "TEXT")]
    pub filter: Option<String>,

    /// Matches filters with whole names only
    #[arg(long)]
    pub exact: bool,

    /// Lists the tests without running them
    #[arg(long)]
    pub list: bool,

    /// Seed of the random numbers; by default another one in every run
    #[arg(long, value_name = "NUMBER", env = "AGI_RHAI_SEED", allow_negative_numbers = true, value_parser = natural)]
    pub seed: Option<u64>,

    /// Shows the lines of the scripts that no test reached
    #[arg(long)]
    pub coverage: bool,

    /// Fails if fewer percent of the lines of a script were reached; with `--coverage`
    #[arg(long, value_name = "PERCENT", requires = "coverage", allow_negative_numbers = true, value_parser = percent)]
    pub coverage_min: Option<u8>,

    /// Writes the results to this file as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    #[command(flatten)]
    pub storm: StormOptions,

    /// Folder of scripts and imports, besides that of each test
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    #[command(flatten)]
    pub config: ConfigOptions,

    #[command(flatten)]
    pub exec: ExecOptions,

    #[command(flatten)]
    pub checking: CheckingOptions,
}

fn percent(text: &str) -> Result<u8, String> {
    whole(text, &(0..=100))
}

impl TestOptions {
    /// Returns the folder of the scripts.
    pub fn folder_of_scripts(&self) -> PathBuf {
        let path = self.storm.storm.as_deref().or(self.paths.first().map(Path::new));
        // `FILE::NAME` is one test.
        let path = path
            .map(|path| path.to_str().and_then(|path| path.split_once("::")).map_or(path, |(file, _)| Path::new(file)));
        folder_of_paths(self.scripts.as_deref(), path.filter(|path| path.exists()))
    }
}

pub fn test(options: &TestOptions) -> ExitCode {
    if let Some(mistake) = options.config.rendered_mistake(shows_colour(&std::io::stderr())) {
        out::stderr_line(mistake);
        return ExitCode::from(2);
    }
    let result = match &options.storm.storm {
        Some(script) => storm(&options.storm, script, &host(options), options.scripts.as_deref(), options.seed),
        None if !options.storm.setup.is_empty() => {
            let given = options.storm.setup.written();
            Err(anyhow!(
                "{} is about the calls of a storm: it needs --storm; a test says it in `place_call`",
                given.trim()
            ))
        }
        None => run(options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            out::error(explained(&error));
            ExitCode::from(2)
        }
    }
}

/// A file of tests, and which of them to run.
struct SelectedFile {
    /// The first part of the names of its tests: the path below the given folder, without `.test.rhai`.
    name: String,
    path: PathBuf,
    /// The test to run; `None` for all.
    test: Option<String>,
}

/// The tests to run.
#[derive(Default)]
struct Selection {
    files: Vec<SelectedFile>,
    filters: Vec<String>,
    /// The scripts in the given folders, for the coverage.
    scripts: BTreeSet<PathBuf>,
}

const ENDING: &str = ".test.rhai";

/// Returns the path of a file of tests without its ending.
fn stem(path: &str) -> &str {
    path.strip_suffix(ENDING).unwrap_or(path)
}

impl Selection {
    fn new(options: &TestOptions) -> Result<Self> {
        let mut selection = Self::default();
        selection.filters.extend(options.filter.clone());
        for argument in &options.paths {
            selection.take(argument)?;
        }
        // With only filters, or nothing at all, all tests in the current folder.
        if selection.files.is_empty()
            && options.paths.len() == selection.filters.len() - usize::from(options.filter.is_some())
        {
            selection.folder(Path::new("."))?;
        }
        selection.files.sort_by(|one, other| one.path.cmp(&other.path));
        // Files of the same name below two folders are named by their paths.
        let names: Vec<(String, PathBuf)> =
            selection.files.iter().map(|file| (file.name.clone(), file.path.clone())).collect();
        for file in &mut selection.files {
            if names.iter().any(|(name, path)| *name == file.name && *path != file.path) {
                file.name = stem(&file.path.to_string_lossy()).to_owned();
            }
        }
        Ok(selection)
    }

    fn take(&mut self, argument: &str) -> Result<()> {
        let (file, test) = match argument.split_once("::") {
            Some((file, test)) if is_script(Path::new(file)) => {
                (file, Some(test.strip_prefix("test_").unwrap_or(test).to_owned()))
            }
            _ => (argument, None),
        };
        let path = Path::new(file);
        if path.is_dir() {
            return self.folder(path);
        }
        if path.is_file() {
            // The tests of a script are beside it.
            let path = match file.strip_suffix(".rhai") {
                Some(_) if file.ends_with(ENDING) => path.to_owned(),
                Some(stem) if Path::new(&format!("{stem}{ENDING}")).is_file() => {
                    PathBuf::from(format!("{stem}{ENDING}"))
                }
                Some(stem) => bail!("there are no tests beside {file}: they would be in {stem}{ENDING}"),
                None => bail!("{file} isn't a file of tests: those end in {ENDING}"),
            };
            let script = PathBuf::from(format!("{}.rhai", stem(&path.to_string_lossy())));
            self.scripts.extend(Some(script).filter(|script| script.is_file()));
            let name = stem(&path.file_name().unwrap_or_default().to_string_lossy()).to_owned();
            self.files.push(SelectedFile { name, path, test });
            return Ok(());
        }
        if file.contains('/') || is_script(Path::new(file)) {
            bail!(why_not_read(path));
        }
        self.filters.push(argument.to_owned());
        Ok(())
    }

    /// Takes all tests and scripts in a folder and below it.
    fn folder(&mut self, folder: &Path) -> Result<()> {
        for path in below(folder)? {
            if path.to_string_lossy().ends_with(ENDING) {
                let within = path.strip_prefix(folder).unwrap_or(&path);
                let name = stem(&within.to_string_lossy()).to_owned();
                self.files.push(SelectedFile { name, path, test: None });
            } else {
                self.scripts.insert(path);
            }
        }
        Ok(())
    }

    fn selects(&self, name: &str, exact: bool) -> bool {
        let fits = |filter: &String| if exact { name == filter } else { name.contains(filter.as_str()) };
        self.filters.is_empty() || self.filters.iter().any(fits)
    }
}

/// A loaded file, and its tests that are to run.
struct LoadedFile {
    chosen: SelectedFile,
    suite: Result<Suite, LoadError>,
    tests: Vec<String>,
}

/// A failed test to report at the end.
struct FailedTest {
    name: String,
    report: String,
    /// The command that repeats it.
    command: String,
}

/// Prints results, in colour on a terminal.
struct Printer {
    colour: bool,
}

impl Printer {
    fn line(text: &str) {
        out::line(text);
    }

    fn part(text: &str) {
        out::text(text);
    }

    fn in_colour(&self, code: u8, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn good(&self, text: &str) -> String {
        self.in_colour(32, text)
    }

    fn bad(&self, text: &str) -> String {
        self.in_colour(31, text)
    }
}

/// Returns the host for the calls of tests and storms.
fn host(options: &TestOptions) -> Host {
    let (config, exec) = (options.config.clone(), options.exec.clone());
    CommonOptions { config, exec, checking: options.checking, ..CommonOptions::default() }.host()
}

fn run(options: &TestOptions) -> Result<bool> {
    let selection = Selection::new(options)?;
    let runner = TestRunner::new(host(options), options.scripts.clone());
    let mut left_out = 0;
    let mut files: Vec<LoadedFile> = Vec::new();
    let Selection { files: chosen, filters, scripts } = selection;
    let selection = Selection { files: Vec::new(), filters, scripts };
    for chosen in chosen {
        let suite = runner.suite(&chosen.path);
        let mut tests = suite.as_ref().map_or_else(|_| Vec::new(), |suite| suite.tests().to_vec());
        if let Some(wanted) = &chosen.test {
            if suite.is_ok() && !tests.contains(wanted) {
                let there = tests.join(", ");
                bail!("{} has no test {wanted}; it has {there}", chosen.path.display());
            }
            tests.retain(|test| test == wanted);
        }
        let before = tests.len();
        tests.retain(|test| selection.selects(&format!("{}::{test}", chosen.name), options.exact));
        left_out += before - tests.len();
        files.push(LoadedFile { chosen, suite, tests });
    }
    let count: usize = files.iter().map(|file| file.tests.len()).sum();
    let broken = files.iter().filter(|file| file.suite.is_err()).count();
    if count + broken == 0 {
        if left_out > 0 || !selection.filters.is_empty() {
            let wanted = selection.filters.join(" or ");
            if options.exact {
                bail!("no test has the name {wanted}");
            }
            bail!("no test has {wanted} in its name");
        }
        bail!("no tests here: a test is a function `fn test_NAME()` in a file whose name ends in {ENDING}");
    }
    if options.list {
        return Ok(list(&files));
    }
    let seed = options.seed.unwrap_or_else(random_seed);
    let colour = shows_colour(&stdout());
    let mut results = Results {
        printer: Printer { colour },
        seed,
        failures: Vec::new(),
        passed: 0,
        failed: 0,
        called: Duration::ZERO,
        junit: quick_junit::Report::new("agi-rhai"),
    };
    Printer::line(&format!("running {} with seed {seed}", plural(count, "test")));
    let clock = Stopwatch::start();
    let began = clock.now();
    for file in &files {
        results.run(&runner, file, &clock);
    }
    let took = clock.now() - began;
    results.print_summary(took, left_out);
    let mut good = results.failed == 0;
    if options.coverage {
        good &= coverage(&results.printer, &runner, &selection.scripts, options.coverage_min);
    }
    if let Some(path) = &options.junit {
        let mut report = results.junit;
        report.set_time(took);
        let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        report.serialize(file).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(good)
}

/// Returns a short duration: `2 ms`, `1.4 s`.
fn short(length: Duration) -> String {
    match length.as_millis() {
        0 => "less than 1 ms".to_owned(),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", length.as_secs_f64()),
    }
}

/// Returns a long duration: `0.4 s`, `3 min 2 s`.
fn long(length: Duration) -> String {
    match length.as_secs() {
        0..60 => format!("{:.1} s", length.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn list(files: &[LoadedFile]) -> bool {
    let mut count = 0;
    let mut good = true;
    for file in files {
        if let Err(error) = &file.suite {
            good = false;
            out::stderr_line(render(error, shows_colour(&std::io::stderr())));
        }
        for test in &file.tests {
            count += 1;
            Printer::line(&format!("{}::{test}", printable(&file.chosen.name)));
        }
    }
    Printer::line(&format!("\n{}", plural(count, "test")));
    good
}

fn render(error: &LoadError, colour: bool) -> String {
    match error {
        LoadError::Fault(fault) => fault.render(colour),
        _ => format!("{error:#}"),
    }
}

struct Results {
    printer: Printer,
    seed: u64,
    failures: Vec<FailedTest>,
    passed: usize,
    failed: usize,
    called: Duration,
    junit: quick_junit::Report,
}

impl Results {
    fn run(&mut self, runner: &TestRunner, file: &LoadedFile, clock: &Stopwatch) {
        let name = &*printable(&file.chosen.name);
        let path = file.chosen.path.display().to_string();
        let path = printable(&path);
        let mut junit = TestSuite::new(name);
        match &file.suite {
            Err(error) => {
                let report = render(error, self.printer.colour);
                Printer::line(&format!("test {name} ... {}", self.printer.bad("FAILED")));
                self.failed += 1;
                let status = non_success(NonSuccessKind::Error, &error.to_string(), &render(error, false));
                junit.add_test_case(TestCase::new("(the file)", status));
                let command = format!("agi-rhai test {path}");
                self.failures.push(FailedTest { name: name.to_owned(), report, command });
            }
            Ok(suite) => {
                for test in &file.tests {
                    let whole = format!("{name}::{test}");
                    Printer::part(&format!("test {whole} ... "));
                    let began = clock.now();
                    let report = runner.run(suite, test, suite.seed(self.seed, test));
                    let took = clock.now() - began;
                    self.called += report.length;
                    let mut case = TestCase::new(test.as_str(), status(report.failure.as_deref()));
                    case.set_classname(name).set_time(took);
                    case.add_property(("seed", self.seed.to_string().as_str()));
                    junit.add_test_case(case);
                    match report.failure {
                        None => {
                            self.passed += 1;
                            let calls = match report.calls {
                                0 => "no call".to_owned(),
                                1 => format!("{} of call", long(report.length)),
                                calls => format!("{} of {}", long(report.length), plural(calls, "call")),
                            };
                            Printer::line(&format!("{} ({calls} in {})", self.printer.good("ok"), short(took)));
                        }
                        Some(failure) => {
                            self.failed += 1;
                            Printer::line(&self.printer.bad("FAILED"));
                            let command = format!("agi-rhai test {path}::{test} --seed {}", self.seed);
                            let report = failure.render(self.printer.colour);
                            self.failures.push(FailedTest { name: whole, report, command });
                        }
                    }
                }
            }
        }
        self.junit.add_test_suite(junit);
    }

    fn print_summary(&self, took: Duration, left_out: usize) {
        if !self.failures.is_empty() {
            Printer::line("\nfailures:");
        }
        for FailedTest { name, report, command } in &self.failures {
            Printer::line(&format!("\n---- {name} ----\n{report}\n\nto see it again: {command}"));
        }
        if self.failures.len() > 1 {
            Printer::line("\nfailed:");
            for failure in &self.failures {
                Printer::line(&format!("    {}", failure.name));
            }
        }
        let verdict = if self.failed == 0 { self.printer.good("ok") } else { self.printer.bad("FAILED") };
        let left_out = if left_out > 0 { format!("; {left_out} left out") } else { String::new() };
        let (passed, failed) = (self.passed, self.failed);
        let called = long(self.called);
        Printer::line(&format!(
            "\ntest result: {verdict}. {passed} passed; {failed} failed{left_out}; {called} of calls in {}",
            short(took)
        ));
    }
}

fn status(failure: Option<&Failure>) -> TestCaseStatus {
    let Some(failure) = failure else { return TestCaseStatus::success() };
    let kind = if failure.is_fault { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    non_success(kind, &failure.message, &failure.render(false))
}

/// Returns the outcome of a test that didn't pass.
fn non_success(kind: NonSuccessKind, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(for_xml(message)).set_description(for_xml(description));
    status
}

/// Escapes the characters that XML has no way to write, as they are in a terminal. The report would leave out tabs.
fn for_xml(text: &str) -> String {
    printable_lines(&text.replace('\t', "    ")).into_owned()
}

/// Prints which lines were reached. Returns whether they were enough.
fn coverage(printer: &Printer, runner: &TestRunner, scripts: &BTreeSet<PathBuf>, min: Option<u8>) -> bool {
    let mut covered = runner.coverage();
    let same = |one: &str, other: &Path| match (Path::new(one).canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    let uncalled: Vec<&PathBuf> =
        scripts.iter().filter(|path| !covered.iter().any(|covered| same(&covered.script, path))).collect();
    covered.sort_by(|one, other| one.script.cmp(&other.script));
    let width = covered.iter().map(|covered| covered.script.chars().count());
    let width = width.chain(uncalled.iter().map(|path| path.to_string_lossy().chars().count())).max().unwrap_or(0);
    let mut enough = true;
    Printer::line("\ncoverage:");
    for covered in &covered {
        let all = covered.lines.len();
        let ran = covered.lines.iter().filter(|(_, ran)| *ran).count();
        let percent = (ran * 100).checked_div(all).unwrap_or(100);
        let few = min.is_some_and(|min| percent < min.into());
        enough &= !few;
        let shown = format!("{percent:>3} %");
        let shown = if few { printer.bad(&shown) } else { shown };
        Printer::line(&format!(
            "    {:<width$}  {shown}  {ran} of {}",
            printable(&covered.script),
            plural(all, "line")
        ));
        for (line, _) in covered.lines.iter().filter(|(_, ran)| !ran) {
            let text = runner.line(&covered.script, *line).unwrap_or_default();
            Printer::line(&format!("    {line:>8} | {text}"));
        }
    }
    for path in uncalled {
        enough &= min.is_none_or(|min| min == 0);
        Printer::line(&format!("    {:<width$}    0 %  no test calls it", printable(&path.display().to_string())));
    }
    if let (Some(min), false) = (min, enough) {
        Printer::line(&format!("\n{}: not every script has {min} % of its lines reached", printer.bad("too little")));
    }
    enough
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what an XML parser reads in the report of a test with these texts: its name, its message and the rest.
    fn reported(text: &str) -> [String; 3] {
        let mut suite = TestSuite::new(&*printable(text));
        suite.add_test_case(TestCase::new("a", non_success(NonSuccessKind::Failure, text, text)));
        let mut report = quick_junit::Report::new("agi-rhai");
        report.add_test_suite(suite);
        let xml = report.to_string().unwrap();
        let read = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
        let node = |name: &str| read.descendants().find(|node| node.has_tag_name(name)).unwrap();
        let failure = node("failure");
        [
            node("testsuite").attribute("name").unwrap().to_owned(),
            failure.attribute("message").unwrap().to_owned(),
            failure.text().unwrap_or_default().to_owned(),
        ]
    }

    #[test]
    fn a_junit_report_can_hold_every_character() {
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        for some in all.chunks(0x1000) {
            let text: String = some.iter().collect();
            let [name, message, description] = reported(&text);
            assert_eq!(name, printable(&text));
            let shown = for_xml(&text);
            // A line break within an attribute is read as a blank.
            assert_eq!(message, shown.replace('\n', " "));
            assert_eq!(description, shown);
        }
    }
}
