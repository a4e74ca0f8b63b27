//! Converts a recorded call to a test for `agi-rhai test`, and to what its caller did.
//!
//! The steps of the caller are tied to the prompts they heard, since prompts in the simulator are a little longer or
//! shorter than on a real line.

use agi_rhai::agi::{Environment, Reply};
use agi_rhai::command::{
    Access, After, CHANNEL_STATUS, Command, GET_VARIABLE, Hears, Kind, OnMinusOne, Plays, Table, Waits,
};
use agi_rhai::internals::recording::{Ended, Event, Tape};
use agi_rhai::internals::{literal, printable, split};
use agi_rhai::pbx::Sounds;
use agi_rhai::tools::testing::{answer_lines, expectation_lines};
use agi_rhai::transport::{Answer, Request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// The interval between keys that are pressed together.
const KEY_INTERVAL: Duration = Duration::from_millis(100);

/// How long before the end of a prompt or a question a step happens at the latest.
const SAFETY_MARGIN: Duration = Duration::from_millis(200);

/// Returns the name of the test, which contains the time of the call.
pub fn name(tape: &Tape, number: Option<usize>) -> String {
    let time = moment(tape).map_or_else(String::new, |time| time.strftime("_%Y%m%d_%H%M%S").to_string());
    let number = number.map_or_else(String::new, |number| format!("_{}", number + 1));
    format!("test_recorded{time}{number}")
}

fn moment(tape: &Tape) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(tape.header.started.as_secs().try_into().ok()?).ok()
}

/// Returns the source of the test.
pub fn test(tape: &Tape, script: &Path, name: &str) -> String {
    let sounds = Sounds::beside(script).unwrap_or_default();
    let mut writer = TestWriter { sounds, ..TestWriter::new(tape) };
    writer.read_tape();
    writer.finish(script, name)
}

/// What the caller of a recorded call did, and the options of `place_call` with which it can be made again.
#[allow(dead_code, reason = "the playground plays it")]
pub struct Caller {
    pub acts: Vec<Act>,
    pub options: Vec<(&'static str, Value)>,
    /// What the script asked of services, and what was answered.
    pub asked: Vec<(Request, Option<Answer>)>,
    /// What can't be played again, for the reader.
    pub lacking: Vec<String>,
}

/// Something that the caller did.
#[allow(dead_code, reason = "the playground plays it")]
pub struct Act {
    /// When it was done, in the recording.
    pub at: Duration,
    /// The index of the command or request in the recording during which it was done.
    pub during: usize,
    pub deed: Deed,
}

/// What a caller does.
#[allow(dead_code, reason = "the playground plays it")]
pub enum Deed {
    /// Presses keys, [`KEY_INTERVAL`] apart.
    Keys(String),
    /// Says something, as the engine understood it, and how sure it was.
    Says(String, Option<f64>),
    HangsUp,
}

/// Returns what the caller did.
#[allow(dead_code, reason = "the playground plays it")]
pub fn caller(tape: &Tape, script: &Path) -> Caller {
    let sounds = Sounds::beside(script).unwrap_or_default();
    let mut writer = TestWriter { sounds, ..TestWriter::new(tape) };
    writer.read_tape();
    let options = writer.options();
    let steps = writer.steps.iter().filter_map(|step| step.strip_prefix("// "));
    Caller { lacking: steps.map(str::to_owned).collect(), acts: writer.acts, options, asked: writer.asked }
}

/// Collects the steps and the set-up of the test.
struct TestWriter<'a> {
    tape: &'a Tape,
    sounds: Sounds,
    steps: Vec<String>,
    acts: Vec<Act>,
    /// The index of the last command or request.
    during: usize,
    /// When in the recording the last prompt or question began for which the test waits.
    synced: Duration,
    /// The timeout of an unanswered question, which has to pass first.
    unanswered: Option<Duration>,
    hung_up: bool,
    variables: BTreeMap<String, String>,
    database: BTreeMap<(String, String), String>,
    missing: Vec<String>,
    set: BTreeMap<String, String>,
    stored: BTreeMap<(String, String), Option<String>>,
    silent: bool,
    dial_status: Option<String>,
    /// What was asked of services, and what was answered; nothing if the caller hung up before.
    asked: Vec<(Request, Option<Answer>)>,
}

/// A command with its reply.
struct Exchange {
    command: &'static Command,
    args: Vec<String>,
    sent: Duration,
    heard: Duration,
    reply: Reply,
    /// The index of the reply in the recording.
    at: usize,
}

impl Exchange {
    fn arg(&self, number: usize) -> &str {
        self.args.get(number).map_or("", String::as_str)
    }

    /// Returns the sound file that was played.
    fn sound(&self) -> Option<&str> {
        self.command.sound(&self.args)
    }

    fn runs_an_application(&self) -> bool {
        self.command.function.params.first().is_some_and(|param| param.kind == Kind::Application)
    }

    fn took(&self) -> Duration {
        self.heard.saturating_sub(self.sent)
    }

    /// Returns the key in the result.
    fn key(&self) -> Option<char> {
        let key = self.reply.result().parse().ok().map(u8::into)?;
        matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(key)
    }
}

impl<'a> TestWriter<'a> {
    fn new(tape: &'a Tape) -> Self {
        Self {
            tape,
            sounds: Sounds::default(),
            steps: Vec::new(),
            acts: Vec::new(),
            during: 0,
            synced: Duration::ZERO,
            unanswered: None,
            hung_up: false,
            variables: BTreeMap::new(),
            database: BTreeMap::new(),
            missing: Vec::new(),
            set: BTreeMap::new(),
            stored: BTreeMap::new(),
            silent: false,
            dial_status: None,
            asked: Vec::new(),
        }
    }

    fn step(&mut self, step: impl Into<String>) {
        // Escaped, since a comment may quote text with line breaks.
        self.steps.push(printable(&step.into()).into_owned());
    }

    /// Reads the recording.
    fn read_tape(&mut self) {
        let mut sent: Option<(Vec<u8>, Duration)> = None;
        let mut request: Option<Request> = None;
        let mut asked_at = Duration::ZERO;
        let tape = self.tape;
        for (at, line) in tape.lines.iter().enumerate() {
            if matches!(line.event, Event::Sent(_) | Event::Request(_)) {
                self.during = at;
            }
            match &line.event {
                Event::Sent(bytes) => sent = Some((bytes.0.clone(), line.at)),
                Event::Heard(heard) => {
                    let (code, text) = heard.split_once(' ').unwrap_or((heard, ""));
                    let reply = Reply::new(code.parse().unwrap_or(0), text);
                    if let Some((bytes, when)) = sent.take()
                        && let Some((command, args)) = parse_line(&bytes)
                    {
                        self.exchange(&Exchange { command, args, sent: when, heard: line.at, reply, at });
                    }
                }
                Event::Hangup(_) | Event::Closed(_) | Event::Stop(_) if !self.hung_up => {
                    let pending = sent.as_ref().map(|(bytes, when)| (parse_line(bytes), *when));
                    if let Some((Some((command, args)), when)) = pending {
                        let reply = Reply::new(0, "");
                        self.hears(&Exchange { command, args, sent: when, heard: line.at, reply, at });
                    } else {
                        if let Some(asked) = request.take_if(|asked| asked.function == "listen") {
                            self.heard_prompt(&asked, asked_at, line.at);
                        }
                        self.hang_up(line.at, None);
                    }
                    if matches!(line.event, Event::Stop(_)) {
                        self.step("// It was the operator who ended the call.");
                    }
                }
                Event::Request(asked) => {
                    self.asked.extend(request.replace(asked.clone()).map(|asked| (asked, None)));
                    asked_at = line.at;
                }
                Event::Answer(answered) => {
                    if let Some(asked) = request.take() {
                        let answer = answered.answer();
                        if asked.function == "listen" {
                            self.listening(&asked, answer.as_ref().ok(), asked_at, line.at);
                        }
                        self.asked.push((asked, Some(answer)));
                    }
                }
                Event::Broken(why) => self.step(format!("// Here the line broke: {why}")),
                _ => {}
            }
        }
        self.asked.extend(request.map(|asked| (asked, None)));
    }

    /// Whether the caller hung up during this command. The notice comes only after the reply.
    fn hung_up_in(&self, exchange: &Exchange) -> bool {
        if exchange.reply.result() != "-1" {
            return false;
        }
        for line in &self.tape.lines[exchange.at + 1..] {
            match &line.event {
                event if !event.is_on_the_line() => {}
                Event::Sent(sent) if sent.0 == CHANNEL_STATUS.verb.as_bytes() => {}
                Event::Hangup(_) => return true,
                Event::Heard(reply) => return reply.starts_with("511"),
                _ => return false,
            }
        }
        false
    }

    fn act(&mut self, at: Duration, deed: Deed) {
        self.acts.push(Act { at, during: self.during, deed });
    }

    fn hang_up(&mut self, at: Duration, max: Option<Duration>) {
        self.hung_up = true;
        self.act(at, Deed::HangsUp);
        self.wait(at.saturating_sub(self.synced), max);
        self.step("hang_up();");
    }

    /// Adds a wait of this length, but of at most `most`.
    fn wait(&mut self, length: Duration, max: Option<Duration>) {
        let length = max.map_or(length, |max| length.min(max));
        if length >= Duration::from_millis(50) {
            self.step(format!("wait({:.1});", length.as_secs_f64()));
        }
    }

    fn length(&self, file: &str) -> Duration {
        let clip = self.sounds.find(file, "en");
        clip.map_or(Duration::ZERO, |clip| Duration::from_millis(clip.samples / 8))
    }

    /// Adds what the caller heard and did during a command.
    fn hears(&mut self, exchange: &Exchange) {
        let hung_up = exchange.reply.code == 0 || self.hung_up_in(exchange);
        let command = exchange.command;
        if !hung_up && exchange.reply.result() == "-1" && matches!(command.on_minus_one, OnMinusOne::MissingSound(_)) {
            self.missing.push(exchange.sound().unwrap_or_default().to_owned());
            return;
        }
        if exchange.reply.code == 511 {
            return;
        }
        if exchange.runs_an_application() {
            if !hung_up || !exchange.arg(1).is_empty() {
                self.application(exchange);
            } else {
                self.hang_up(exchange.heard, None);
            }
            return;
        }
        // How long the sound lasts, and how long the command listens after it.
        let mut listens = command.listens(&exchange.args).unwrap_or(Duration::MAX);
        let mut lasts = Duration::ZERO;
        match (command.plays, command.hears) {
            (Plays::Spoken(_), _) if exchange.arg(0).is_empty() => return,
            (Plays::Spoken(kind), _) => {
                self.spoken(exchange, kind);
                lasts = Duration::from_millis(500);
            }
            (_, Hears::Text | Hears::Character) => {
                self.text(exchange);
                listens = Duration::MAX;
            }
            (_, Hears::Voice) => self.recording(exchange, listens),
            // A question without a prompt.
            (Plays::Sound(_), Hears::Key | Hears::Digits { .. })
                if exchange.sound().is_none() && matches!(command.waits, Waits::AfterSound { .. }) =>
            {
                self.question(exchange);
            }
            (Plays::Nothing, Hears::Key | Hears::Digits { .. }) => self.question(exchange),
            (Plays::Sound(_), Hears::Key | Hears::Digits { .. } | Hears::Nothing) => {
                lasts = self.prompt(exchange, exchange.sound().unwrap_or_default());
            }
            _ if hung_up => lasts = Duration::MAX,
            // The caller has no part in any other command.
            _ => return,
        }
        let max = (lasts.saturating_add(listens)).saturating_sub(SAFETY_MARGIN);
        if hung_up {
            self.hang_up(exchange.heard, Some(max));
            return;
        }
        let keys = keys(exchange);
        if keys.is_empty() {
            if lasts.is_zero() && listens != Duration::MAX {
                self.unanswered = Some(listens);
            }
            return;
        }
        // The reply came with the last key, or after a timeout.
        let is_number = matches!(command.hears, Hears::Digits { .. });
        let silence = if exchange.reply.value() == Some("timeout") && is_number { listens } else { Duration::ZERO };
        let before = KEY_INTERVAL * u32::try_from(keys.len() - 1).unwrap_or(0) + silence;
        self.wait(exchange.took().saturating_sub(before), Some(max));
        self.step(format!("press({});", literal(&keys)));
        self.act(exchange.heard.saturating_sub(before).max(exchange.sent), Deed::Keys(keys));
        self.synced = exchange.heard;
    }

    /// Adds a spoken text.
    fn spoken(&mut self, exchange: &Exchange, kind: &str) {
        self.unanswered = None;
        self.synced = exchange.sent;
        let said = exchange.arg(0);
        if kind == "number" {
            self.step(format!("expect_number({said});"));
        } else {
            self.step(format!("expect_prompt({});", literal(&format!("{kind} {said}"))));
        }
    }

    /// Adds a recording of the caller, of at most this length.
    fn recording(&mut self, exchange: &Exchange, max: Duration) {
        let options = exchange.command.function.params.iter().position(|param| param.kind == Kind::RecordOptions);
        if options.is_some_and(|at| exchange.args.iter().skip(at).any(|option| option == "BEEP")) {
            self.step("expect_prompt(\"beep\");");
        }
        self.prompt(exchange, "recording");
        if exchange.reply.word() == Some("timeout") && exchange.took() + Duration::from_millis(500) < max {
            self.silent = true;
        }
    }

    /// Adds a text from the caller, of which a command may return only one character.
    fn text(&mut self, exchange: &Exchange) {
        let said = match exchange.command.hears {
            Hears::Text => exchange.reply.value().map(str::to_owned),
            _ => exchange.key().map(String::from),
        };
        if let Some(said) = said {
            self.wait(exchange.sent.saturating_sub(self.synced), None);
            self.step(format!("send_text({});", literal(&said)));
            self.synced = exchange.heard;
        }
    }

    /// Adds a prompt. Returns its length in the simulator.
    fn prompt(&mut self, exchange: &Exchange, file: &str) -> Duration {
        self.unanswered = None;
        self.synced = exchange.sent;
        let line = self.prompt_line(file);
        self.step(line);
        self.length(file)
    }

    /// Adds what the caller heard and said while the script listened.
    fn listening(&mut self, asked: &Request, answer: Option<&Value>, from: Duration, to: Duration) {
        let text = |name: &str| answer.and_then(|answer| answer.get(name)).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| answer.and_then(|answer| answer.get(name)).and_then(Value::as_f64);
        if answer.is_some_and(|answer| answer.get("play").is_some()) {
            return;
        }
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let silence = seconds(asked.argument("silence").as_f64().unwrap_or_default());
        let length = seconds(number("seconds").unwrap_or_default());
        let acted = match text("ended_by") {
            "speech" => to.saturating_sub(length + silence),
            "max" => to.saturating_sub(length),
            _ => to,
        };
        let left = self.heard_prompt(asked, from, acted.max(from));
        let step = match text("ended_by") {
            "speech" | "max" => {
                let confidence = number("confidence").filter(|confidence| *confidence < 1.0);
                let options = confidence.map_or(String::new(), |sure| format!(", #{{ confidence: {sure:?} }}"));
                // Somebody was heard, but nothing was understood.
                match text("text") {
                    "" => format!("speak(\"um\", #{{ heard: {} }});", literal("")),
                    said => format!("speak({}{options});", literal(said)),
                }
            }
            "key" => format!("press({});", literal(text("key"))),
            _ => {
                self.unanswered = asked.argument("first").as_f64().map(seconds);
                return;
            }
        };
        match text("ended_by") {
            "key" => self.act(acted, Deed::Keys(text("key").to_owned())),
            _ => self.act(acted, Deed::Says(text("text").to_owned(), number("confidence"))),
        }
        self.wait(acted.saturating_sub(self.synced), left.map(|left| left.saturating_sub(SAFETY_MARGIN)));
        self.step(step);
        self.synced = to;
    }

    /// Adds the parts of a prompt that began before this moment. Returns how much of the last one is left when it has
    /// begun; nothing if the script listened in silence then.
    fn heard_prompt(&mut self, asked: &Request, from: Duration, until: Duration) -> Option<Duration> {
        let mut begins = from;
        for part in asked.argument("prompt").as_array().into_iter().flatten() {
            let file = |file: &Value| file.as_str().map_or(Duration::ZERO, |file| self.length(file));
            let lasts = match part.get("files").and_then(Value::as_array) {
                Some(files) if !files.is_empty() => files.iter().map(file).sum(),
                _ => part.get("file").map_or(Duration::from_millis(500), file),
            };
            self.unanswered = None;
            self.synced = begins;
            let line = self.part_line(part);
            self.step(line);
            begins += lasts;
            if begins > until {
                return Some(lasts);
            }
        }
        if let Some(listens) = self.unanswered.take() {
            self.wait(listens + KEY_INTERVAL, None);
        }
        self.synced = begins;
        self.step("wait_for_question();");
        None
    }

    /// Returns the line that expects a part of a prompt.
    fn part_line(&self, part: &Value) -> String {
        let mut members = part.as_object().cloned().unwrap_or_default();
        members.remove("files");
        match (members.get("file").and_then(Value::as_str), members.get("number"), members.len()) {
            (Some(file), ..) => self.prompt_line(file),
            (None, Some(number), 1) => format!("expect_number({number});"),
            _ => {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect();
                format!("expect_said(#{{ {} }});", members.join(", "))
            }
        }
    }

    /// Returns the line that expects a sound file, or the text that an engine has spoken in it.
    fn prompt_line(&self, file: &str) -> String {
        let is_spoken = |(request, answer): &&(Request, Option<Answer>)| {
            let answer = answer.as_ref().and_then(|answer| answer.as_ref().ok());
            request.function == "speak" && answer.and_then(|answer| answer.get("file")?.as_str()) == Some(file)
        };
        match self.asked.iter().find(is_spoken) {
            Some((request, _)) if !request.text("text").is_empty() => {
                format!("expect_spoken({});", literal(request.text("text")))
            }
            // A prompt without a recording, which has its name in tests.
            Some((request, _)) => format!("expect_prompt({});", literal(request.text("prompt"))),
            None => format!("expect_prompt({});", literal(file)),
        }
    }

    /// Adds a question without a prompt.
    fn question(&mut self, exchange: &Exchange) {
        if let Some(listens) = self.unanswered.take() {
            self.wait(listens + KEY_INTERVAL, None);
        }
        self.synced = exchange.sent;
        self.step("wait_for_question();");
    }

    /// Adds a dialplan application, as far as the simulator knows it.
    fn application(&mut self, exchange: &Exchange) {
        let application = exchange.arg(0).to_ascii_lowercase();
        let arguments: Vec<&str> = exchange.arg(1).split(',').collect();
        let file = match application.as_str() {
            "playback" | "background" => arguments.first().copied().unwrap_or_default(),
            "read" => arguments.get(1).copied().unwrap_or_default(),
            _ => "",
        };
        let mut lasts = Duration::ZERO;
        for file in file.split('&').filter(|file| !file.is_empty()) {
            lasts = self.prompt(exchange, file);
        }
        if self.hung_up_in(exchange) || exchange.reply.code == 0 {
            self.hang_up(exchange.heard, Some(lasts.max(Duration::from_secs(1))));
        } else if application == "read" {
            let entered = self.read_later(exchange.at, arguments[0]).unwrap_or_default();
            if !entered.is_empty() {
                self.wait(Duration::from_secs(1), Some(lasts));
                let keys = format!("{entered}#");
                self.step(format!("press({});", literal(&keys)));
                self.act(exchange.sent + exchange.took().min(Duration::from_secs(1)), Deed::Keys(keys));
            }
        } else if let Some(key) = exchange.key().filter(|_| application == "background") {
            self.wait(exchange.took(), Some(lasts.saturating_sub(SAFETY_MARGIN)));
            self.step(format!("press({});", literal(&key.to_string())));
            self.act(exchange.heard, Deed::Keys(key.to_string()));
        } else if !["Playback", "BackGround", "Dial", "Set", "NoOp", "Verbose", "Wait", "Answer"]
            .iter()
            .any(|silent| silent.eq_ignore_ascii_case(&application))
        {
            self.step(format!("// Here {} ran, which answered {}.", exchange.arg(0), exchange.reply.result()));
        }
    }

    /// Returns the value of a variable when it is read next.
    fn read_later(&self, from: usize, name: &str) -> Option<String> {
        let asked = format!("{} {}", GET_VARIABLE.verb, literal(name));
        let mut lines = self.tape.lines[from..].iter();
        lines.find(|line| matches!(&line.event, Event::Sent(sent) if sent.0 == asked.as_bytes()))?;
        let Event::Heard(heard) = &lines.next()?.event else { return None };
        Reply::new(200, heard.strip_prefix("200 ")?).value().map(str::to_owned)
    }

    /// Adds a command with its reply.
    fn exchange(&mut self, exchange: &Exchange) {
        let (one, two) = (exchange.arg(0).to_owned(), exchange.arg(1).to_owned());
        let value = || exchange.reply.value().unwrap_or_default().to_owned();
        let found = exchange.reply.result() == "1";
        match exchange.command.access {
            Access::ReadsVariable if one == "DIALSTATUS" => self.dial_status = Some(value()),
            Access::ReadsVariable if one.contains('(') => self.note_function(&one, exchange),
            Access::ReadsVariable if found && !self.set.contains_key(&one) => {
                self.variables.entry(one).or_insert_with(value);
            }
            Access::ReadsExpression if found && !value().is_empty() => {
                self.step(format!("// {one} was {}.", literal(&value())));
            }
            Access::SetsVariable if !one.starts_with("AGI_RHAI_") => {
                self.set.insert(one, two);
            }
            Access::ReadsEntry => {
                let entry = (one, two);
                if found && !self.stored.contains_key(&entry) {
                    self.database.entry(entry).or_insert_with(value);
                }
            }
            Access::SetsEntry => {
                self.stored.insert((one, two), Some(exchange.arg(2).to_owned()));
            }
            Access::DeletesEntry => {
                self.stored.insert((one, two), None);
            }
            _ if exchange.command.after == After::HangsUp && exchange.args.is_empty() => self.hung_up = true,
            _ if !self.hung_up => self.hears(exchange),
            _ => {}
        }
    }

    /// Adds a comment on a dialplan function, unless the simulator knows its value from the environment.
    fn note_function(&mut self, function: &str, exchange: &Exchange) {
        let known = function.starts_with("CALLERID(") || function.starts_with("CHANNEL(");
        if exchange.reply.result() == "1" && !known {
            let value = literal(exchange.reply.value().unwrap_or_default());
            self.step(format!("// {function} was {value}; the simulator doesn't know it."));
        }
    }

    /// Returns the source of the test.
    fn finish(mut self, script: &Path, name: &str) -> String {
        let header = &self.tape.header;
        let ended = self.tape.ended();
        match ended {
            Some(Ended { fault: Some(fault), .. }) => {
                let message = literal(&fault.message);
                self.step(format!("expect_fault({message});"));
            }
            Some(Ended { status, .. }) if status == "SUCCESS" => self.step("expect_end();"),
            Some(Ended { status, .. }) if status == "LOST" => self.step("// The line to Asterisk broke."),
            Some(Ended { status, .. }) => {
                let status = literal(status);
                self.step(format!("expect_end({status});"));
            }
            None => self.step("// Here the recording breaks off."),
        }
        if ended.is_some() {
            for (name, value) in std::mem::take(&mut self.set) {
                self.step(format!("expect_variable({}, {});", literal(&name), literal(&value)));
            }
            for ((family, key), value) in std::mem::take(&mut self.stored) {
                let value = value.map_or("()".to_owned(), |value| literal(&value));
                self.step(format!("expect_database({}, {}, {value});", literal(&family), literal(&key)));
            }
            for line in expectation_lines(&self.asked) {
                self.step(line);
            }
        }
        let when = moment(self.tape).map_or_else(String::new, |time| time.strftime(" at %F %T UTC").to_string());
        let redacted = if self.tape.is_redacted() { "; redacted: digits are stand-ins" } else { "" };
        let mut test = format!("// Recorded{when}, version {} of the script{redacted}.\n", printable(&header.version));
        let file = script.file_name().unwrap_or_default().to_string_lossy();
        let file = file.strip_suffix(".rhai").unwrap_or(&file);
        let options: Vec<String> =
            self.options().iter().map(|(name, value)| format!("{name}: {}", written(value))).collect();
        let _ = writeln!(test, "fn {name}() {{");
        for line in answer_lines(&self.asked) {
            let _ = writeln!(test, "    {}", printable(&line));
        }
        let _ = write!(test, "    place_call({}, #{{", literal(file));
        if options.iter().map(String::len).sum::<usize>() < 60 {
            let _ = writeln!(test, " {} }});", options.join(", "));
        } else {
            for option in options {
                let _ = write!(test, "\n        {option},");
            }
            test.push_str("\n    });\n");
        }
        for step in &self.steps {
            let _ = writeln!(test, "    {step}");
        }
        test.push('}');
        test
    }

    /// Returns the options of `place_call`.
    fn options(&self) -> Vec<(&'static str, Value)> {
        let header = &self.tape.header;
        let environment = Environment::parse(&self.tape.environment()).ok();
        let get = |name: &str| environment.as_ref().and_then(|all| all.get(name).map(std::borrow::Cow::into_owned));
        let mut options: Vec<(&'static str, Value)> = Vec::new();
        let named = [
            ("callerid", "agi_callerid", "100"),
            ("name", "agi_calleridname", "unknown"),
            ("extension", "agi_extension", "s"),
            ("context", "agi_context", "default"),
            ("dnid", "agi_dnid", "unknown"),
            ("language", "agi_language", "en"),
        ];
        for (option, line, usual) in named {
            match get(line) {
                Some(value) if value == usual => {}
                Some(value) if value == "unknown" => options.push((option, "".into())),
                Some(value) => options.push((option, value.into())),
                None => {}
            }
        }
        // Numbers in Rhai are signed.
        options.push(("seed", header.seed.cast_signed().into()));
        if self.tape.lines.iter().any(|line| matches!(line.event, Event::Asked(_))) {
            options.push(("time", header.started.as_secs().into()));
            if let Some(zone) = header.time_zone.as_deref().filter(|zone| *zone != "UTC" && *zone != "Etc/UTC") {
                options.push(("zone", zone.into()));
            }
        }
        if !header.args.is_empty() {
            options.push(("args", header.args.clone().into()));
        }
        let map = |items: Vec<(String, &String)>| -> Value {
            items.into_iter().map(|(name, value)| (name, Value::from(value.as_str()))).collect()
        };
        if !header.params.is_empty() {
            options.push(("params", map(header.params.iter().map(|(n, v)| (n.clone(), v)).collect())));
        }
        if !self.variables.is_empty() {
            options.push(("variables", map(self.variables.iter().map(|(n, v)| (n.clone(), v)).collect())));
        }
        if !self.database.is_empty() {
            let entries = self.database.iter().map(|((family, key), value)| (format!("{family}/{key}"), value));
            options.push(("database", map(entries.collect())));
        }
        if !self.missing.is_empty() {
            let mut missing = self.missing.clone();
            missing.sort();
            missing.dedup();
            options.push(("missing", missing.into()));
        }
        if self.silent {
            options.push(("voice", "silent".into()));
        }
        if let Some(status) = &self.dial_status {
            options.push(("dial_status", status.as_str().into()));
        }
        options
    }
}

/// Returns the value of an option as a test writes it.
fn written(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(items) => {
            let items = items.iter().map(|(name, value)| format!("{}: {}", literal(name), written(value)));
            format!("#{{ {} }}", items.collect::<Vec<_>>().join(", "))
        }
        other => shown(other),
    }
}

/// Returns a value of a prompt as a script writes it.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), literal)
}

/// Returns the keys the caller pressed, as far as the reply shows them.
fn keys(exchange: &Exchange) -> String {
    let max = match exchange.command.hears {
        Hears::Digits { max } => max,
        Hears::Key | Hears::Voice if exchange.reply.word() != Some("timeout") => {
            return exchange.key().map_or_else(String::new, String::from);
        }
        _ => return String::new(),
    };
    let digits = exchange.reply.result();
    let max = exchange.arg(max).parse().unwrap_or(usize::MAX);
    // The reply doesn't contain the pound key that ended the input.
    let ended = exchange.reply.value() != Some("timeout") && digits.len() < max;
    format!("{digits}{}", if ended { "#" } else { "" })
}

/// Parses a line to Asterisk into its command and arguments.
fn parse_line(line: &[u8]) -> Option<(&'static Command, Vec<String>)> {
    let words: Vec<String> = split(line).iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let (command, verb) = Table::new().of_words(&words)?;
    Some((command, words[verb..].to_vec()))
}
