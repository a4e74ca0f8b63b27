//! `agi-rhai replay`: runs the current script against recorded calls.

mod as_test;

use crate::out;
use crate::terminal::shows_colour;
use agi_rhai::clock::Time;
use agi_rhai::command::Command;
use agi_rhai::internals::recording::{Answered, Event, Line, Tape};
use agi_rhai::internals::replay::{Departure, Replay};
use agi_rhai::internals::{plural, printable};
use agi_rhai::script::LoadError;
use agi_rhai::service::{Services, Settings};
use agi_rhai::session::{Observer, Sent};
use agi_rhai::transport::Request;
use agi_rhai::{Fault, Host, Outcome, Script, Session};
use anyhow::{Context, Result, bail};
use std::fmt::{Display, Write as _};
use std::io::stdout;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many lines of the dialogue to show before the first difference.
const CONTEXT_LINES: usize = 8;

/// Runs the current script against recorded calls, and shows where it departs from them
///
/// The script gets what it got in the call: environment, arguments, random numbers, times, and Asterisk's replies, as
/// long as it sends the same lines. At the first different line the replay stops, since nobody knows what Asterisk
/// would have answered. Calls are recorded with `--record DIR`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all calls are the same, 1 one departs, 2 a file cannot be read, there is no such \
                        script, or wrong usage."
)]
pub struct ReplayOptions {
    /// Recorded calls, or folders of them (files named *.jsonl)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The script to run; by default, the one in the recording
    #[arg(long, value_name = "PATH")]
    pub script: Option<PathBuf>,

    /// Folder of the scripts, if they have moved
    #[arg(long, value_name = "DIR", env = "AGI_RHAI_SCRIPTS")]
    pub scripts: Option<PathBuf>,

    /// Prints the calls as tests to paste into NAME.test.rhai, without running them
    #[arg(long)]
    pub as_test: bool,
}

/// The result of a replay.
enum Verdict {
    Same(String),
    Departs(String),
}

pub fn replay(options: &ReplayOptions) -> ExitCode {
    let files = match files(&options.files) {
        Ok(files) => files,
        Err(error) => {
            out::error(format_args!("{error:#}"));
            return ExitCode::from(2);
        }
    };
    let (mut same, mut departed, mut unreadable) = (0, 0, 0);
    for (number, file) in files.iter().enumerate() {
        let result = read(file).and_then(|tape| {
            if options.as_test {
                let name = as_test::name(&tape, (files.len() > 1).then_some(number));
                let path = script(&tape, options).unwrap_or_else(|_| PathBuf::from(&tape.header.script));
                out::line(format_args!(
                    "{}{}",
                    as_test::test(&tape, &path, &name),
                    if number + 1 < files.len() { "\n" } else { "" }
                ));
                return Ok(None);
            }
            play(&Arc::new(tape), options).map(Some)
        });
        match result {
            Ok(None) => {}
            Ok(Some(Verdict::Same(how))) => {
                same += 1;
                out::line(format_args!("{}: same: {how}", shown(file)));
            }
            Ok(Some(Verdict::Departs(report))) => {
                departed += 1;
                out::line(format_args!("{}: departs\n\n{report}\n", shown(file)));
            }
            Err(error) => {
                unreadable += 1;
                out::error(format_args!("{}: {error:#}", printable(&file.display().to_string())));
            }
        }
    }
    if files.len() > 1 && !options.as_test {
        let not_read = if unreadable > 0 { format!(", {unreadable} not played") } else { String::new() };
        out::line(format_args!("{}: {same} the same, {departed} departed{not_read}", plural(files.len(), "call")));
    }
    ExitCode::from(if unreadable > 0 { 2 } else { u8::from(departed > 0) })
}

fn shown(file: &Path) -> impl Display {
    printable(&Path::new(file.file_name().unwrap_or(file.as_os_str())).display().to_string()).into_owned()
}

/// Returns the recordings in files and folders, in the order of the calls.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut inside: Vec<PathBuf> = entries.map_while(Result::ok).map(|entry| entry.path()).collect();
        inside.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        if inside.is_empty() {
            bail!("no recorded calls (*.jsonl) in {}", path.display());
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Tape> {
    let bytes = std::fs::read(file).context("cannot read it")?;
    Tape::read(&bytes).map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(lines.join("\n  "))
    })
}

/// Finds the script to run: the one in the options, or the recorded one, at its path or in the scripts folder.
fn script(tape: &Tape, options: &ReplayOptions) -> Result<PathBuf> {
    if let Some(script) = &options.script {
        return Ok(script.clone());
    }
    let recorded = Path::new(&tape.header.script);
    let mut places = vec![recorded.to_owned()];
    if let Some(scripts) = &options.scripts {
        // Every tail of the recorded path, the longest one first.
        let parts: Vec<_> = recorded.components().collect();
        places.extend((0..parts.len()).map(|from| scripts.join(parts[from..].iter().collect::<PathBuf>())));
    }
    let found = places.into_iter().find(|place| place.is_file());
    found.with_context(|| {
        format!("its script {} isn't there: name it with --script PATH or --scripts DIR", recorded.display())
    })
}

/// The script, line and name of the last command.
#[derive(Default)]
struct LastCommand(Mutex<(String, usize, &'static str)>);

impl LastCommand {
    fn get(&self) -> (String, usize, &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for LastCommand {
    fn sent(&self, command: &'static Command, line: &Sent<'_>, script: &str, place: usize, _: Time) {
        // The last commands of the host aren't in the script.
        if status(line.line()).is_some() {
            return;
        }
        let here = (script.to_owned(), place, command.function.name);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = here;
    }

    fn heard(&self, _: &'static Command, _: &dyn Display, _: Time) {}
}

/// Runs the script against the recording.
fn play(tape: &Arc<Tape>, options: &ReplayOptions) -> Result<Verdict> {
    let path = script(tape, options)?;
    let header = &tape.header;
    let mut host = Host::new();
    host.allow(header.allowed.iter().cloned());
    host.deny(header.denied.iter().cloned());
    host.set_memory(agi_rhai::script::Memory { used: crate::memory::used });
    host.set_seed(header.seed);
    if tape.lines.iter().any(|line| matches!(&line.event, Event::Request(request) if is_prompt(request))) {
        host.set_services(Services::new(Settings::of_missing_prompts()));
    }
    let script = match host.load(&path, options.scripts.as_deref()) {
        Ok(script) => script,
        Err(LoadError::Fault(fault)) => return Ok(Verdict::Departs(fault.render(shows_colour(&stdout())))),
        Err(error) => return Err(error.into()),
    };
    let replay = Replay::new(Arc::clone(tape));
    let progress = replay.watch();
    let place = Arc::new(LastCommand::default());
    let mut session = Session::begin(Box::new(replay))?;
    session.observe(Arc::clone(&place) as Arc<_>);
    let outcome = host.run_with(session, &script, header.args.clone(), header.params.clone());
    let progress = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let report = Report { tape, script: &script, outcome: &outcome, played: progress.played, place: place.get() };
    Ok(match progress.departure {
        Some(Departure::Sends(line)) => Verdict::Departs(report.sends(&line)),
        Some(Departure::Asks(request)) => Verdict::Departs(report.differs(&printable(&format!("? {request}")), false)),
        Some(Departure::Sleeps) => Verdict::Departs(report.differs("(sleeps for more than an hour)", false)),
        None if progress.broke_off => Verdict::Same(format!("{}, where the recording breaks off", report.so_far())),
        None => report.at_the_end(),
    })
}

/// Whether a call has asked for a prompt that may have had to be spoken.
fn is_prompt(request: &Request) -> bool {
    request.function == "speak" && request.arguments.contains_key("prompt")
}

struct Report<'a> {
    tape: &'a Tape,
    script: &'a Script,
    outcome: &'a Outcome,
    played: usize,
    place: (String, usize, &'static str),
}

/// Returns the status if this is one of the host's own commands at the end, empty for the version.
fn status(line: &[u8]) -> Option<String> {
    let words = agi_rhai::internals::split(line);
    let name = words.get(2).filter(|_| words[0] == b"SET" && words[1] == b"VARIABLE")?;
    match name.as_slice() {
        b"AGI_RHAI_VERSION" => Some(String::new()),
        b"AGI_RHAI_STATUS" => Some(String::from_utf8_lossy(words.get(3)?).into_owned()),
        _ => None,
    }
}

fn seconds(length: Duration) -> String {
    format!("{:.2} s", length.as_secs_f64())
}

impl Report<'_> {
    fn sends(&self, line: &[u8]) -> String {
        match status(line) {
            None => self.differs(&printable(&format!("> {}", String::from_utf8_lossy(line))), true),
            Some(_) => self.differs(&format!("(the script ends{})", self.how_it_ends(line)), false),
        }
    }

    fn how_it_ends(&self, line: &[u8]) -> String {
        let status = status(line).unwrap_or_default();
        match (&self.outcome.fault, status.as_str()) {
            (Some(_), _) => " with a fault".to_owned(),
            (None, "") => String::new(),
            (None, status) => format!(": {status}"),
        }
    }

    /// Shows the dialogue before the difference, both versions of the line, and the place in the script.
    fn differs(&self, now: &str, at_a_command: bool) -> String {
        let mut report = String::new();
        let on_the_line = Event::is_on_the_line;
        let before: Vec<_> = self.tape.lines[..self.played].iter().filter(|line| on_the_line(&line.event)).collect();
        for line in &before[before.len().saturating_sub(CONTEXT_LINES)..] {
            let _ = writeln!(report, "{:>11}  {}", seconds(line.at), event(&line.event));
        }
        let then = self.tape.lines[self.played..].iter().find(|line| on_the_line(&line.event));
        let then = then.map_or_else(
            || "(the call ended)".to_owned(),
            |line| match &line.event {
                Event::Sent(sent) if status(&sent.0).is_some() => {
                    let ended = self.tape.ended().map_or("", |ended| &ended.status);
                    format!("(the script ended: {})", printable(ended))
                }
                other => event(other),
            },
        );
        let _ = writeln!(report, "{:>11}  {then}\n{:>11}  {now}\n", "then:", "now:");
        report.push_str(&self.whereabouts(at_a_command));
        report
    }

    /// Shows the place in the script, with its source and a caret.
    fn whereabouts(&self, at_a_command: bool) -> String {
        let colour = shows_colour(&stdout());
        if let Some(fault) = &self.outcome.fault {
            return fault.render(colour);
        }
        let (script, line, command) = &self.place;
        if *line == 0 {
            return format!("in {}, before its first command", printable(self.script.name()));
        }
        if !at_a_command {
            return format!("the last command before was `{command}` at {}:{line}", printable(script));
        }
        let mut fault = Fault::new(script, "the script does something else here than it did in the recorded call");
        let text = std::fs::read_to_string(script).unwrap_or_default();
        fault.line = *line;
        text.lines().nth(line - 1).unwrap_or_default().clone_into(&mut fault.source);
        let at = fault.source.find(command).or_else(|| fault.source.find(|c: char| !c.is_whitespace())).unwrap_or(0);
        fault.column = fault.source[..at].chars().count() + 1;
        fault.hint = (self.tape.header.version == self.script.version())
            .then(|| "the script is the same as in the recording: the difference comes from elsewhere".to_owned());
        fault.render(colour)
    }

    fn so_far(&self) -> String {
        let played = &self.tape.lines[..self.played];
        let commands = played.iter().filter(|line| matches!(line.event, Event::Sent(_))).count();
        let at = played.last().map_or(Duration::ZERO, |line| line.at);
        format!("{}, {}", plural(commands, "command"), seconds(at))
    }

    /// Compares the end, after all lines were the same.
    fn at_the_end(&self) -> Verdict {
        let unplayed = |line: &Line| matches!(line.event, Event::Sent(_) | Event::Request(_));
        if self.tape.lines[self.played..].iter().any(unplayed) {
            return Verdict::Departs(self.differs("(the script ends)", false));
        }
        let Some(ended) = self.tape.ended() else {
            return Verdict::Same(format!("{}, where the recording breaks off", self.so_far()));
        };
        let blind = |text: &str| -> String {
            let digits = |c: char| if c.is_ascii_digit() && self.tape.is_redacted() { '0' } else { c };
            text.chars().map(digits).collect()
        };
        let then = ended.fault.as_ref().map(|fault| blind(&fault.message));
        let now = self.outcome.fault.as_ref().map(|fault| blind(&fault.message));
        if then != now {
            let then = ended.fault.as_ref().map_or("no fault".into(), |fault| printable(&fault.message));
            let now = self.outcome.fault.as_ref().map_or("no fault".into(), |fault| printable(&fault.message));
            return Verdict::Departs(format!(
                "{:>11}  {then}\n{:>11}  {now}\n\n{}",
                "then:",
                "now:",
                self.whereabouts(false)
            ));
        }
        let status = self.outcome.status.word();
        if status != ended.status {
            return Verdict::Departs(format!(
                "{:>11}  {}\n{:>11}  {status}",
                "then:",
                printable(&ended.status),
                "now:"
            ));
        }
        let changed = if self.tape.header.version == self.script.version() { "" } else { " (the script has changed)" };
        Verdict::Same(format!("{}, {status}{changed}", self.so_far()))
    }
}

fn event(event: &Event) -> String {
    let text = match event {
        Event::Sent(line) => format!("> {}", String::from_utf8_lossy(&line.0)),
        Event::Heard(reply) => format!("< {reply}"),
        Event::Hangup(_) => "(the caller was gone)".to_owned(),
        Event::Stop(_) => "(the operator ended the call)".to_owned(),
        Event::Closed(_) => "(the line was closed)".to_owned(),
        Event::Broken(why) => format!("(the line broke: {why})"),
        Event::Ended(ended) => format!("(the script ended: {})", ended.status),
        Event::Request(request) => format!("? {request}"),
        Event::Answer(Answered::Value(value)) => format!("= {value}"),
        Event::Answer(Answered::Failure(failure)) => format!("= {}: {failure}", failure.kind.word()),
        Event::Asked(_) | Event::Printed(_) | Event::Secret(_) => String::new(),
    };
    printable(&text).into_owned()
}
