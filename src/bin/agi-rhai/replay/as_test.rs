//! A recorded call as a test, in the vocabulary of `agi-rhai test`.
//!
//! What the caller did is tied to the prompts they heard, since those of the simulator last a little longer or shorter
//! than those of a real line.

use agi_rhai::agi::{self, Reply};
use agi_rhai::command::{
    Access, After, CHANNEL_STATUS, Command, GET_VARIABLE, Hears, Kind, OnMinusOne, Plays, Table, Waits,
};
use agi_rhai::pbx::Sounds;
use agi_rhai::script::literal;
use agi_rhai::transport::recording::{Ended, Event, Tape};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Keys pressed together are so far apart.
const BETWEEN_KEYS: Duration = Duration::from_millis(100);

/// What is done in a prompt or a question is done so long before its end at the latest.
const IN_TIME: Duration = Duration::from_millis(200);

/// The name of the test: by the time of the call.
pub fn name(tape: &Tape, number: Option<usize>) -> String {
    let time = moment(tape).map_or_else(String::new, |time| time.strftime("_%Y%m%d_%H%M%S").to_string());
    let number = number.map_or_else(String::new, |number| format!("_{}", number + 1));
    format!("test_recorded{time}{number}")
}

fn moment(tape: &Tape) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(tape.header.started.as_secs().try_into().ok()?).ok()
}

/// The test.
pub fn test(tape: &Tape, script: &Path, name: &str) -> String {
    let sounds = Sounds::beside(script).unwrap_or_default();
    let mut writer = Writer { tape, sounds, ..Writer::new(tape) };
    writer.walk();
    writer.finish(script, name)
}

struct Writer<'a> {
    tape: &'a Tape,
    sounds: Sounds,
    steps: Vec<String>,
    /// When, in the recording, what the test waited for last began.
    synced: Duration,
    /// A question that nobody answered has to pass first.
    passing: Option<Duration>,
    gone: bool,
    variables: BTreeMap<String, String>,
    database: BTreeMap<(String, String), String>,
    missing: Vec<String>,
    set: BTreeMap<String, String>,
    stored: BTreeMap<(String, String), Option<String>>,
    silent: bool,
    dial_status: Option<String>,
}

/// A command and what came of it.
struct Done {
    command: &'static Command,
    args: Vec<String>,
    sent: Duration,
    heard: Duration,
    reply: Reply,
    /// The place of the reply in the recording.
    at: usize,
}

impl Done {
    fn arg(&self, number: usize) -> &str {
        self.args.get(number).map_or("", String::as_str)
    }

    /// The sound file that was played.
    fn sound(&self) -> Option<&str> {
        self.command.sound(&self.args)
    }

    fn runs_an_application(&self) -> bool {
        self.command.function.params.first().is_some_and(|param| param.kind == Kind::Application)
    }

    fn took(&self) -> Duration {
        self.heard.saturating_sub(self.sent)
    }

    /// The key in the result.
    fn key(&self) -> Option<char> {
        let key = self.reply.result().parse().ok().map(u8::into)?;
        matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(key)
    }
}

impl<'a> Writer<'a> {
    fn new(tape: &'a Tape) -> Self {
        Self {
            tape,
            sounds: Sounds::default(),
            steps: Vec::new(),
            synced: Duration::ZERO,
            passing: None,
            gone: false,
            variables: BTreeMap::new(),
            database: BTreeMap::new(),
            missing: Vec::new(),
            set: BTreeMap::new(),
            stored: BTreeMap::new(),
            silent: false,
            dial_status: None,
        }
    }

    fn say(&mut self, step: impl Into<String>) {
        // A comment quotes what was heard, which is not to go on as a step.
        self.steps.push(agi::printable(&step.into()).into_owned());
    }

    /// Goes through the call.
    fn walk(&mut self) {
        let mut sent: Option<(Vec<u8>, Duration)> = None;
        let tape = self.tape;
        for (at, line) in tape.lines.iter().enumerate() {
            match &line.event {
                Event::Sent(bytes) => sent = Some((bytes.0.clone(), line.at)),
                Event::Heard(heard) => {
                    let (code, text) = heard.split_once(' ').unwrap_or((heard, ""));
                    let reply = Reply::new(code.parse().unwrap_or(0), text);
                    if let Some((bytes, when)) = sent.take()
                        && let Some((command, args)) = understood(&bytes)
                    {
                        self.done(&Done { command, args, sent: when, heard: line.at, reply, at });
                    }
                }
                Event::Hangup(_) | Event::Closed(_) | Event::Stop(_) if !self.gone => {
                    let told = sent.as_ref().map(|(bytes, when)| (understood(bytes), *when));
                    match told {
                        Some((Some((command, args)), when)) => {
                            let reply = Reply::new(0, "");
                            self.hears(&Done { command, args, sent: when, heard: line.at, reply, at });
                        }
                        _ => self.hang_up(line.at, None),
                    }
                    if matches!(line.event, Event::Stop(_)) {
                        self.say("// It was the operator who ended the call.");
                    }
                }
                Event::Broken(why) => self.say(format!("// Here the line broke: {why}")),
                _ => {}
            }
        }
    }

    /// Whether the caller had hung up when this was answered: it is told only after.
    fn hung_up_in(&self, done: &Done) -> bool {
        if done.reply.result() != "-1" {
            return false;
        }
        for line in &self.tape.lines[done.at + 1..] {
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

    fn hang_up(&mut self, at: Duration, most: Option<Duration>) {
        self.gone = true;
        self.wait(at.saturating_sub(self.synced), most);
        self.say("hang_up();");
    }

    /// So much time passes, but no more than this.
    fn wait(&mut self, length: Duration, most: Option<Duration>) {
        let length = most.map_or(length, |most| length.min(most));
        if length >= Duration::from_millis(50) {
            self.say(format!("wait({:.1});", length.as_secs_f64()));
        }
    }

    fn length(&self, file: &str) -> Duration {
        let clip = self.sounds.find(file, "en");
        clip.map_or(Duration::ZERO, |clip| Duration::from_millis(clip.samples / 8))
    }

    /// What the caller heard, and did while this went on.
    fn hears(&mut self, done: &Done) {
        let hung_up = done.reply.code == 0 || self.hung_up_in(done);
        let command = done.command;
        if !hung_up && done.reply.result() == "-1" && matches!(command.on_minus_one, OnMinusOne::MissingSound(_)) {
            self.missing.push(done.sound().unwrap_or_default().to_owned());
            return;
        }
        if done.reply.code == 511 {
            return;
        }
        if done.runs_an_application() {
            if !hung_up || !done.arg(1).is_empty() {
                self.application(done);
            } else {
                self.hang_up(done.heard, None);
            }
            return;
        }
        // How long what is heard lasts, and how long is listened after it.
        let mut listens = command.listens(&done.args).unwrap_or(Duration::MAX);
        let mut lasts = Duration::ZERO;
        match (command.plays, command.hears) {
            (Plays::Spoken(_), _) if done.arg(0).is_empty() => return,
            (Plays::Spoken(kind), _) => {
                self.spoken(done, kind);
                lasts = Duration::from_millis(500);
            }
            (_, Hears::Text | Hears::Character) => {
                self.text(done);
                listens = Duration::MAX;
            }
            (_, Hears::Voice) => self.recording(done, listens),
            // A question without a prompt.
            (Plays::Sound(_), Hears::Key | Hears::Digits { .. })
                if done.sound().is_none() && matches!(command.waits, Waits::AfterSound { .. }) =>
            {
                self.question(done);
            }
            (Plays::Nothing, Hears::Key | Hears::Digits { .. }) => self.question(done),
            (Plays::Sound(_), Hears::Key | Hears::Digits { .. } | Hears::Nothing) => {
                lasts = self.prompt(done, done.sound().unwrap_or_default());
            }
            _ if hung_up => lasts = Duration::MAX,
            // Nothing a test could do for the caller.
            _ => return,
        }
        let most = (lasts.saturating_add(listens)).saturating_sub(IN_TIME);
        if hung_up {
            self.hang_up(done.heard, Some(most));
            return;
        }
        let keys = keys(done);
        if keys.is_empty() {
            if lasts.is_zero() && listens != Duration::MAX {
                self.passing = Some(listens);
            }
            return;
        }
        // The last key is what was answered, unless a silence was.
        let is_number = matches!(command.hears, Hears::Digits { .. });
        let silence = if done.reply.value() == Some("timeout") && is_number { listens } else { Duration::ZERO };
        let before = BETWEEN_KEYS * u32::try_from(keys.len() - 1).unwrap_or(0) + silence;
        self.wait(done.took().saturating_sub(before), Some(most));
        self.say(format!("press({});", literal(&keys)));
        self.synced = done.heard;
    }

    /// Something is spoken.
    fn spoken(&mut self, done: &Done, kind: &str) {
        self.passing = None;
        self.synced = done.sent;
        let said = done.arg(0);
        if kind == "number" {
            self.say(format!("expect_number({said});"));
        } else {
            self.say(format!("expect_prompt({});", literal(&format!("{kind} {said}"))));
        }
    }

    /// The caller's voice is recorded, for this long at most.
    fn recording(&mut self, done: &Done, most: Duration) {
        let options = done.command.function.params.iter().position(|param| param.kind == Kind::RecordOptions);
        if options.is_some_and(|at| done.args.iter().skip(at).any(|option| option == "BEEP")) {
            self.say("expect_prompt(\"beep\");");
        }
        self.prompt(done, "recording");
        if done.reply.word() == Some("timeout") && done.took() + Duration::from_millis(500) < most {
            self.silent = true;
        }
    }

    /// The caller sends a text, or one character of it.
    fn text(&mut self, done: &Done) {
        let said = match done.command.hears {
            Hears::Text => done.reply.value().map(str::to_owned),
            _ => done.key().map(String::from),
        };
        if let Some(said) = said {
            self.wait(done.sent.saturating_sub(self.synced), None);
            self.say(format!("send_text({});", literal(&said)));
            self.synced = done.heard;
        }
    }

    /// A sound file is heard; how long it lasts here.
    fn prompt(&mut self, done: &Done, file: &str) -> Duration {
        self.passing = None;
        self.synced = done.sent;
        self.say(format!("expect_prompt({});", literal(file)));
        self.length(file)
    }

    /// The script listens in silence.
    fn question(&mut self, done: &Done) {
        if let Some(listens) = self.passing.take() {
            self.wait(listens + BETWEEN_KEYS, None);
        }
        self.synced = done.sent;
        self.say("wait_for_question();");
    }

    /// A dialplan application, as far as the simulator has it.
    fn application(&mut self, done: &Done) {
        let application = done.arg(0).to_ascii_lowercase();
        let arguments: Vec<&str> = done.arg(1).split(',').collect();
        let file = match application.as_str() {
            "playback" | "background" => arguments.first().copied().unwrap_or_default(),
            "read" => arguments.get(1).copied().unwrap_or_default(),
            _ => "",
        };
        let mut lasts = Duration::ZERO;
        for file in file.split('&').filter(|file| !file.is_empty()) {
            lasts = self.prompt(done, file);
        }
        if self.hung_up_in(done) || done.reply.code == 0 {
            self.hang_up(done.heard, Some(lasts.max(Duration::from_secs(1))));
        } else if application == "read" {
            let entered = self.read_later(done.at, arguments[0]).unwrap_or_default();
            if !entered.is_empty() {
                self.wait(Duration::from_secs(1), Some(lasts));
                self.say(format!("press({});", literal(&format!("{entered}#"))));
            }
        } else if let Some(key) = done.key().filter(|_| application == "background") {
            self.wait(done.took(), Some(lasts.saturating_sub(IN_TIME)));
            self.say(format!("press({});", literal(&key.to_string())));
        } else if !["Playback", "BackGround", "Dial", "Set", "NoOp", "Verbose", "Wait", "Answer"]
            .iter()
            .any(|silent| silent.eq_ignore_ascii_case(&application))
        {
            self.say(format!("// Here {} ran, which answered {}.", done.arg(0), done.reply.result()));
        }
    }

    /// The value of a variable at the next time it is read.
    fn read_later(&self, from: usize, name: &str) -> Option<String> {
        let asked = format!("{} {}", GET_VARIABLE.verb, literal(name));
        let mut lines = self.tape.lines[from..].iter();
        lines.find(|line| matches!(&line.event, Event::Sent(sent) if sent.0 == asked.as_bytes()))?;
        let Event::Heard(heard) = &lines.next()?.event else { return None };
        Reply::new(200, heard.strip_prefix("200 ")?).value().map(str::to_owned)
    }

    /// A command and its reply.
    fn done(&mut self, done: &Done) {
        let (one, two) = (done.arg(0).to_owned(), done.arg(1).to_owned());
        let value = || done.reply.value().unwrap_or_default().to_owned();
        let found = done.reply.result() == "1";
        match done.command.access {
            Access::ReadsVariable if one == "DIALSTATUS" => self.dial_status = Some(value()),
            Access::ReadsVariable if one.contains('(') => self.function_was(&one, done),
            Access::ReadsVariable if found && !self.set.contains_key(&one) => {
                self.variables.entry(one).or_insert_with(value);
            }
            Access::ReadsExpression if found && !value().is_empty() => {
                self.say(format!("// {one} was {}.", literal(&value())));
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
                self.stored.insert((one, two), Some(done.arg(2).to_owned()));
            }
            Access::DeletesEntry => {
                self.stored.insert((one, two), None);
            }
            _ if done.command.after == After::HangsUp && done.args.is_empty() => self.gone = true,
            _ if !self.gone => self.hears(done),
            _ => {}
        }
    }

    /// A dialplan function was read. Some of them the simulator has, by what the environment tells.
    fn function_was(&mut self, function: &str, done: &Done) {
        let known = function.starts_with("CALLERID(") || function.starts_with("CHANNEL(");
        if done.reply.result() == "1" && !known {
            let value = literal(done.reply.value().unwrap_or_default());
            self.say(format!("// {function} was {value}; the simulator does not know it."));
        }
    }

    /// The whole test.
    fn finish(mut self, script: &Path, name: &str) -> String {
        let header = &self.tape.header;
        let ended = self.tape.ended();
        match ended {
            Some(Ended { fault: Some(fault), .. }) => {
                let message = literal(&fault.message);
                self.say(format!("expect_fault({message});"));
            }
            Some(Ended { status, .. }) if status == "SUCCESS" => self.say("expect_end();"),
            Some(Ended { status, .. }) if status == "LOST" => self.say("// The line to Asterisk broke."),
            Some(Ended { status, .. }) => {
                let status = literal(status);
                self.say(format!("expect_end({status});"));
            }
            None => self.say("// Here the recording breaks off."),
        }
        if ended.is_some() {
            for (name, value) in std::mem::take(&mut self.set) {
                self.say(format!("expect_variable({}, {});", literal(&name), literal(&value)));
            }
            for ((family, key), value) in std::mem::take(&mut self.stored) {
                let value = value.map_or("()".to_owned(), |value| literal(&value));
                self.say(format!("expect_database({}, {}, {value});", literal(&family), literal(&key)));
            }
        }
        let when = moment(self.tape).map_or_else(String::new, |time| time.strftime(" at %F %T UTC").to_string());
        let redacted = if self.tape.is_redacted() { "; redacted: digits are stand-ins" } else { "" };
        let mut test =
            format!("// Recorded{when}, version {} of the script{redacted}.\n", agi::printable(&header.version));
        let file = script.file_name().unwrap_or_default().to_string_lossy();
        let file = file.strip_suffix(".rhai").unwrap_or(&file);
        let options = self.options();
        let _ = write!(test, "fn {name}() {{\n    place_call({}, #{{", literal(file));
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

    /// How the call began.
    fn options(&self) -> Vec<String> {
        let header = &self.tape.header;
        let environment = agi::Environment::parse(&self.tape.environment()).ok();
        let get = |name: &str| environment.as_ref().and_then(|all| all.get(name).map(std::borrow::Cow::into_owned));
        let mut options = Vec::new();
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
                Some(value) if value == "unknown" => options.push(format!("{option}: \"\"")),
                Some(value) => options.push(format!("{option}: {}", literal(&value))),
                None => {}
            }
        }
        // A literal of Rhai is signed.
        options.push(match i64::try_from(header.seed) {
            Ok(seed) => format!("seed: {seed}"),
            Err(_) => format!("seed: {}", header.seed.cast_signed()),
        });
        if self.tape.lines.iter().any(|line| matches!(line.event, Event::Asked(_))) {
            options.push(format!("time: {}", header.started.as_secs()));
        }
        let list = |texts: &[String]| texts.iter().map(|text| literal(text)).collect::<Vec<_>>().join(", ");
        let map = |items: Vec<(String, &String)>| {
            let items: Vec<_> =
                items.iter().map(|(name, value)| format!("{}: {}", literal(name), literal(value))).collect();
            format!("#{{ {} }}", items.join(", "))
        };
        if !header.args.is_empty() {
            options.push(format!("args: [{}]", list(&header.args)));
        }
        if !header.params.is_empty() {
            options.push(format!("params: {}", map(header.params.iter().map(|(n, v)| (n.clone(), v)).collect())));
        }
        if !self.variables.is_empty() {
            options.push(format!("variables: {}", map(self.variables.iter().map(|(n, v)| (n.clone(), v)).collect())));
        }
        if !self.database.is_empty() {
            let entries = self.database.iter().map(|((family, key), value)| (format!("{family}/{key}"), value));
            options.push(format!("database: {}", map(entries.collect())));
        }
        if !self.missing.is_empty() {
            let mut missing = self.missing.clone();
            missing.sort();
            missing.dedup();
            options.push(format!("missing: [{}]", list(&missing)));
        }
        if self.silent {
            options.push("voice: \"silent\"".to_owned());
        }
        if let Some(status) = &self.dial_status {
            options.push(format!("dial_status: {}", literal(status)));
        }
        options
    }
}

/// What the caller pressed, as far as the reply tells.
fn keys(done: &Done) -> String {
    let max = match done.command.hears {
        Hears::Digits { max } => max,
        Hears::Key | Hears::Voice if done.reply.word() != Some("timeout") => {
            return done.key().map_or_else(String::new, String::from);
        }
        _ => return String::new(),
    };
    let digits = done.reply.result();
    let most = done.arg(max).parse().unwrap_or(usize::MAX);
    // The pound key ended it, which is in no reply.
    let ended = done.reply.value() != Some("timeout") && digits.len() < most;
    format!("{digits}{}", if ended { "#" } else { "" })
}

/// A line to Asterisk: its command and the words behind the verb.
fn understood(line: &[u8]) -> Option<(&'static Command, Vec<String>)> {
    let words: Vec<String> = agi::split(line).iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let (command, verb) = Table::new().of_words(&words)?;
    Some((command, words[verb..].to_vec()))
}
