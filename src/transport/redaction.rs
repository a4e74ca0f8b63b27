//! Redacts a recorded call: removes what its caller entered, and who called.
//!
//! Whatever is removed is replaced by a stand-in of the same length and kind: digits by digits, letters by `x`. The
//! same digits have the same stand-in throughout a call, even if they were entered key by key, so a reader can see
//! where a value comes back, and values that were equal still are. Stand-ins are drawn at random for each call, not
//! from its seed; the stand-in of a single digit reveals nothing about the same digit within a longer number. The
//! table of commands states what is private. A line or reply of a command that it doesn't know is replaced as a
//! whole.
//!
//! | where | what is replaced |
//! |---|---|
//! | keys and digits entered, recognised and received text | all digits and letters; `*`, `#` and A to D stay |
//! | `agi_callerid`, `agi_calleridname`, `agi_rdnis` | all digits and letters |
//! | values: of variables, of AstDB and its keys, what is said, stored, logged, sent, arguments of applications | all digits, and words of the caller's name or text |
//! | names: of files, variables, extensions; `args`, `params`, the rest of the environment | numbers that share three digits in a row with something entered or with the caller's number |
//! | what services answered, and values in what they were asked | all digits and letters, except in names of members and in `status` |
//! | what the caller said, what is spoken, and the files of that | all digits and letters |
//! | replies to commands whose row does not state what they hear, or that have none | all digits and letters |
//! | arguments of all kinds, once something secret was entered in a call that is redacted | all digits |

use super::recording::{Answered, Bytes, Event, Header, Line, reply};
use super::request::Request;
use crate::agi::{Reply, split, text};
use crate::command::{Access, Command, Entry, Hears, Plays, Privacy, Table, value_entry};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

/// So many digits in a row are not a coincidence.
const MIN_SHARED: usize = 3;

/// Lines of the environment that say who calls.
const CALLER_LINES: [&str; 3] = ["agi_callerid", "agi_calleridname", "agi_rdnis"];

/// Lines of the environment whose digits do not depend on the caller.
const TECHNICAL_LINES: [&str; 4] = ["agi_uniqueid", "agi_version", "agi_threadid", "agi_priority"];

/// The state of redacting one call.
pub(super) struct Redaction {
    /// All numbers that the caller entered, and the caller's own.
    digits: Vec<Vec<u8>>,
    /// The most that is replaced in what the caller didn't enter.
    max_part: Part,
    /// The least that is replaced in arguments, once a script has asked for a secret, which it may say in any form.
    min_part: Part,
    /// The number that is being entered piece by piece, and its stand-in.
    entering: (Vec<u8>, Vec<u8>),
    /// The line that was sent last.
    last: Sent,
    /// What the last request was.
    asked: Asked,
    /// The stand-ins for the files of what was spoken, whose names tell what it is.
    spoken: HashMap<String, String>,
    /// The words of what was entered and of the caller's name, in lower case.
    words: HashSet<String>,
    stand_ins: HashMap<Vec<u8>, Vec<u8>>,
    used: HashSet<Vec<u8>>,
    random: StdRng,
    commands: Table,
}

/// How much of a text is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Nothing.
    None,
    /// Everything known to come from the caller.
    Known,
    /// All digits, and all known words.
    Digits,
    /// All digits and letters.
    All,
}

impl Redaction {
    fn new(max_part: Part, commands: Table) -> Self {
        Self {
            digits: Vec::new(),
            max_part,
            min_part: Part::None,
            entering: (Vec::new(), Vec::new()),
            last: Sent::default(),
            asked: Asked::Other,
            spoken: HashMap::new(),
            words: HashSet::new(),
            stand_ins: HashMap::new(),
            used: HashSet::new(),
            random: StdRng::seed_from_u64(RandomState::new().build_hasher().finish()),
            commands,
        }
    }

    /// Redacts a call while it goes on, but only what its script calls secret.
    pub fn of_secrets(commands: Table) -> Self {
        Self::new(Part::Known, commands)
    }

    /// Replaces everything that comes from the caller in a call that has ended.
    /// `meant` are the digits that the caller has said in words.
    pub fn apply(commands: &Table, header: &mut Header, lines: &mut [Line], meant: &[String]) {
        let mut redaction = Self::new(Part::Digits, commands.clone());
        for digits in meant {
            redaction.know_digits(digits);
        }
        for line in &header.environment {
            let (name, value) = item(&line.0);
            if CALLER_LINES.contains(&name) && value != b"unknown" {
                redaction.know(value);
            }
        }
        let mut sent = Sent::default();
        // First learns what was entered: earlier lines may contain it.
        let mut entries = HashMap::new();
        let mut pieces = Vec::new();
        let mut asked = Asked::Other;
        for (number, line) in lines.iter().enumerate() {
            match &line.event {
                Event::Sent(line) => sent = Sent::of(&redaction.commands, &line.0),
                Event::Heard(heard) => {
                    if let Some(reply) = reply(heard) {
                        let learnt = redaction.learn(&sent, &reply);
                        // Digits asked for one by one, without a prompt in between, are pieces of one number. So are
                        // those asked for after the first one.
                        if !learnt.goes_on || pieces.iter().any(|(_, digits): &(_, Vec<u8>)| digits.len() > 1) {
                            redaction.join(&mut pieces, &mut entries);
                        }
                        entries.insert(number, Vec::new());
                        pieces.extend((!learnt.digits.is_empty()).then_some((number, learnt.digits)));
                    }
                }
                Event::Request(request) => asked = Asked::of(request),
                Event::Answer(Answered::Value(value)) if asked == Asked::Listen => {
                    redaction.join(&mut pieces, &mut entries);
                    redaction.know(member(value, "text").as_bytes());
                    let key = member(value, "key").as_bytes();
                    entries.insert(number, Vec::new());
                    let is_digit = !key.is_empty() && key.iter().all(u8::is_ascii_digit);
                    pieces.extend(is_digit.then(|| (number, key.to_vec())));
                }
                // What a service knows about somebody comes back in what the script says and sends.
                Event::Answer(Answered::Value(value)) if asked == Asked::Other => redaction.know_all(value),
                _ => {}
            }
        }
        redaction.join(&mut pieces, &mut entries);
        redaction.head(header);
        for (number, line) in lines.iter_mut().enumerate() {
            redaction.event(&mut line.event, |_, _| Some(entries.remove(&number).unwrap_or_default()));
        }
    }

    /// Replaces what is known in an event and, while the script asks for something secret, what is entered.
    pub fn hide(&mut self, event: &mut Event, secret: bool) {
        self.event(event, |redaction, entered| {
            secret.then(|| {
                let learnt = match entered {
                    Entered::Reply(sent, reply) => redaction.learn(sent, reply),
                    Entered::Said(answer) => {
                        redaction.know(member(answer, "text").as_bytes());
                        let key = member(answer, "key").as_bytes();
                        let is_digit = key.iter().all(u8::is_ascii_digit);
                        Learnt { digits: if is_digit { key.to_vec() } else { Vec::new() }, goes_on: false }
                    }
                };
                redaction.enter(&learnt)
            })
        });
    }

    /// Replaces what an event contains. `learn` returns the stand-in for the digits that were entered, or `None` if
    /// what the caller entered stays.
    fn event(&mut self, event: &mut Event, learn: impl FnOnce(&mut Self, Entered<'_>) -> Option<Vec<u8>>) {
        match event {
            Event::Sent(line) => {
                let sent = Sent::of(&self.commands, &line.0);
                *line = Bytes(self.sent(&line.0, &sent));
                self.last = sent;
            }
            Event::Heard(heard) => {
                if let Some(reply) = reply(heard) {
                    let sent = std::mem::take(&mut self.last);
                    *heard = match learn(self, Entered::Reply(&sent, &reply)) {
                        Some(digits) => self.heard(&sent.entries(&reply), &digits, &reply),
                        None => self.heard(&[], &[], &reply),
                    };
                    self.last = sent;
                }
            }
            Event::Secret(false) => self.min_part = Part::Digits,
            Event::Printed(printed) => printed.text = self.text(&printed.text, self.max_part),
            Event::Request(request) => {
                self.asked = Asked::of(request);
                let before = (self.asked != Asked::Other).then(|| request.arguments.clone());
                self.request(request);
                if let (Asked::Speak { hidden }, Some(before)) = (&mut self.asked, before) {
                    *hidden = before != request.arguments;
                }
            }
            Event::Answer(answered) => {
                match answered {
                    Answered::Value(value) if self.asked == Asked::Listen => {
                        let digits = learn(self, Entered::Said(value));
                        self.said(value, digits);
                    }
                    Answered::Value(value) if self.asked != Asked::Other => {
                        if let (Asked::Speak { hidden: true }, Some(Value::String(file))) =
                            (&self.asked, value.get_mut("file"))
                        {
                            let number = self.spoken.len() + 1;
                            let stand_in = self.spoken.entry(file.clone());
                            file.clone_from(stand_in.or_insert_with(|| format!("spoken-{number}")));
                        }
                    }
                    Answered::Value(value) => {
                        // A script decides by the status, which isn't the caller's.
                        let status = value.get_mut("status").filter(|status| status.is_number()).map(Value::take);
                        self.json(value, Part::All);
                        if let (Some(status), Value::Object(members)) = (status, value) {
                            members.insert("status".to_owned(), status);
                        }
                    }
                    Answered::Failure(failure) => failure.message = self.text(&failure.message, self.max_part),
                }
            }
            Event::Ended(ended) => {
                if let Some(fault) = &mut ended.fault {
                    fault.message = self.text(&fault.message, self.max_part);
                }
            }
            _ => {}
        }
    }

    /// Replaces what the caller said, or the key that was pressed instead, whose stand-in is known. What else an answer
    /// contains, such as how long it took, isn't the caller's to hide.
    fn said(&mut self, answer: &mut Value, digits: Option<Vec<u8>>) {
        let part = if digits.is_some() { Part::All } else { Part::Known };
        if let Some(Value::String(said)) = answer.get_mut("text") {
            *said = self.text(said, part);
        }
        if let Some(Value::String(key)) = answer.get_mut("key") {
            *key = match digits {
                Some(digits) if !digits.is_empty() => String::from_utf8_lossy(&digits).into_owned(),
                _ => self.text(key, part),
            };
        }
    }

    /// Learns digits that the caller has said.
    pub fn know_digits(&mut self, digits: &str) {
        self.know(digits.as_bytes());
    }

    /// Learns a text that comes from the caller.
    fn know(&mut self, value: &[u8]) {
        for run in value.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty()) {
            self.digits.push(run.to_vec());
        }
        let words = text(value).to_lowercase();
        let words = words.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= MIN_SHARED);
        self.words.extend(words.map(str::to_owned));
    }

    /// Learns all texts and numbers in an answer.
    fn know_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.know(text.as_bytes()),
            Value::Number(number) => self.know(number.to_string().as_bytes()),
            Value::Array(items) => items.iter().for_each(|item| self.know_all(item)),
            Value::Object(members) => members.values().for_each(|member| self.know_all(member)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns what the caller entered. A number is learnt when it is given a stand-in.
    fn learn(&mut self, sent: &Sent, reply: &Reply) -> Learnt {
        let entries = sent.entries(reply);
        if let [entry] = &entries[..]
            && entry.is_result()
        {
            let entered = entered(entry, reply);
            if !entered.is_empty() && entered.iter().all(u8::is_ascii_digit) {
                return Learnt { digits: entered, goes_on: sent.goes_on() };
            }
        }
        for entry in &entries {
            self.know(&entered(entry, reply));
        }
        Learnt { digits: Vec::new(), goes_on: false }
    }

    /// Draws the stand-in for a number that came in these pieces.
    fn join(&mut self, pieces: &mut Vec<(usize, Vec<u8>)>, entries: &mut HashMap<usize, Vec<u8>>) {
        let whole = pieces.iter().flat_map(|(_, digits)| digits.iter().copied()).collect::<Vec<u8>>();
        if whole.is_empty() {
            return;
        }
        self.digits.push(whole.clone());
        let mut stand_in = self.stand_in(&whole);
        for (line, digits) in pieces.drain(..) {
            let rest = stand_in.split_off(digits.len());
            if let Some(entry) = entries.get_mut(&line) {
                *entry = std::mem::replace(&mut stand_in, rest);
            }
        }
    }

    /// Returns the stand-in for one piece of a number whose further pieces aren't known yet. The stand-in for the
    /// whole number begins with those for its pieces.
    fn enter(&mut self, learnt: &Learnt) -> Vec<u8> {
        let entering = std::mem::take(&mut self.entering);
        let (mut whole, before) = if learnt.goes_on { entering } else { Default::default() };
        if learnt.digits.is_empty() {
            return Vec::new();
        }
        whole.extend_from_slice(&learnt.digits);
        // The number may have been entered before, in other pieces.
        let again =
            |(known, stand_in): &(&Vec<u8>, &Vec<u8>)| known.starts_with(&whole) && stand_in.starts_with(&before);
        let known = self.stand_ins.iter().filter(again).max().map(|(_, stand_in)| stand_in[..whole.len()].to_vec());
        let stand_in = match known {
            Some(known) => known,
            None if before.is_empty() => self.stand_in(&whole),
            None => {
                let rest = learnt.digits.iter().map(|_| b'0' + self.random.random_range(0..10_u8));
                before.iter().copied().chain(rest).collect()
            }
        };
        self.stand_ins.insert(whole.clone(), stand_in.clone());
        self.digits.push(whole.clone());
        let piece = stand_in[before.len()..].to_vec();
        self.entering = (whole, stand_in);
        piece
    }

    /// Redacts the header.
    fn head(&mut self, header: &mut Header) {
        for line in &mut header.environment {
            let (name, value) = item(&line.0);
            let part = match name {
                name if TECHNICAL_LINES.contains(&name) => Part::None,
                name if CALLER_LINES.contains(&name) && value != b"unknown" => Part::All,
                _ => Part::Known,
            };
            let at = line.0.len() - value.len();
            let replaced = self.replace(&line.0[at..], part);
            line.0.splice(at.., replaced);
        }
        for arg in &mut header.args {
            *arg = self.text(arg, Part::Known);
        }
        for value in header.params.values_mut() {
            *value = self.text(value, Part::Known);
        }
    }

    /// Replaces what a line to Asterisk contains, word by word.
    fn sent(&mut self, line: &[u8], sent: &Sent) -> Vec<u8> {
        let Some(command) = sent.command else { return self.replace(line, self.max_part) };
        let ours = sent.args().first().is_some_and(|name| name == "AGI_RHAI_STATUS" || name == "AGI_RHAI_VERSION");
        let mut replaced = Vec::with_capacity(line.len());
        for (number, word) in tokens(line).into_iter().enumerate() {
            let blank = word.iter().take_while(|byte| **byte == b' ').count();
            replaced.extend_from_slice(&word[..blank]);
            let part = match number.checked_sub(sent.verb) {
                None => Part::None,
                Some(_) if ours => Part::None,
                Some(number) => part(command, number).max(self.min_part),
            };
            let word = &word[blank..];
            match self.spoken.get(text(word).trim_matches('"')) {
                Some(stand_in) => replaced.extend_from_slice(format!("\"{stand_in}\"").as_bytes()),
                None => replaced.extend(self.replace(word, part.min(self.max_part))),
            }
        }
        replaced
    }

    /// Replaces what a request contains. What the text of a script says by itself stays, such as a statement of SQL.
    fn request(&mut self, request: &mut Request) {
        request.service = self.text(&request.service, Part::Known.max(self.min_part).min(self.max_part));
        for (name, value) in &mut request.arguments {
            let part = match name.as_str() {
                "text" if request.function.starts_with("sql_") => Part::Known,
                "words" if self.asked == Asked::Listen => Part::Known,
                "first" | "silence" | "max" | "repeat" | "keys" if self.asked == Asked::Listen => Part::None,
                "language" if self.asked != Asked::Other => Part::None,
                "prompt" if value.is_array() => {
                    for part in value.as_array_mut().into_iter().flatten() {
                        self.prompt_part(part);
                    }
                    continue;
                }
                "script" | "function" | "board" | "prefix" | "context" | "prompt" => Part::Known,
                "path" | "key" | "extension" | "priority" => Part::Digits,
                "expires" | "n" | "wait" | "retries" => Part::None,
                "statements" => {
                    for statement in value.as_array_mut().into_iter().flatten() {
                        let mut parts = statement.as_array_mut().into_iter().flatten();
                        parts.by_ref().take(1).for_each(|text| self.json(text, Part::Known));
                        parts.for_each(|values| self.json(values, Part::All));
                    }
                    continue;
                }
                _ => Part::All,
            };
            self.json(value, part);
        }
    }

    /// Replaces what a part of a prompt contains, as in the command that says it.
    fn prompt_part(&mut self, part: &mut Value) {
        for (name, value) in part.as_object_mut().into_iter().flatten() {
            match name.as_str() {
                "file" => match value.as_str().and_then(|file| self.spoken.get(file)) {
                    Some(stand_in) => *value = stand_in.as_str().into(),
                    None => self.json(value, Part::Known),
                },
                "format" | "zone" | "gender" => self.json(value, Part::Known),
                // They say the same.
                "files" => *value = Value::Array(Vec::new()),
                _ => self.json(value, Part::Digits),
            }
        }
    }

    /// Replaces what a value contains. Its shape stays: the names of members, `true`, `false` and null.
    fn json(&mut self, value: &mut Value, part: Part) {
        // In a call that isn't redacted, only what is secret is replaced; in one that is, a secret may be in any form.
        let cap = if self.max_part == Part::Known { Part::Known } else { Part::All };
        let (part, names) = (part.max(self.min_part).min(cap), Part::Known.max(self.min_part).min(cap));
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::String(text) => *text = self.text(text, part),
            Value::Number(number) => {
                let replaced = self.text(&number.to_string(), part.min(Part::Digits));
                // Other digits may make it too large.
                *number = serde_json::from_str(&replaced).unwrap_or_else(|_| 0.into());
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item, part)),
            Value::Object(members) => {
                let replaced = std::mem::take(members).into_iter();
                *members = replaced
                    .map(|(name, mut value)| {
                        self.json(&mut value, part);
                        (self.text(&name, part.min(names)), value)
                    })
                    .collect();
            }
        }
    }

    /// Replaces what a reply contains: what was entered (if that is a number, `digits` is its stand-in), and anything
    /// else that is known.
    fn heard(&mut self, entries: &[Entry], digits: &[u8], reply: &Reply) -> String {
        let text = &reply.text;
        let mut said = String::with_capacity(text.len());
        let mut at = 0;
        for entry in entries {
            self.pass_on(&mut said, reply, at..entry.at.start);
            at = entry.at.end;
            let part = &text[entry.at.clone()];
            if entry.is_code {
                let code = part.parse::<u8>().ok();
                let stand_in = match (digits.first(), code) {
                    (Some(digit), _) => Some(*digit),
                    (None, Some(code)) => self.replace(&[code], Part::All).first().copied(),
                    (None, None) => None,
                };
                said.push_str(&stand_in.map_or_else(|| part.to_owned(), |code| code.to_string()));
            } else if entry.is_result() && !digits.is_empty() {
                said.push_str(&String::from_utf8_lossy(digits));
            } else {
                said.push_str(&self.text(part, Part::All));
            }
        }
        self.pass_on(&mut said, reply, at..text.len());
        format!("{} {said}", reply.code)
    }

    /// Passes on a part of a reply that the caller didn't enter. What is known is replaced in its value and in the
    /// fields after it, which the script may have said before: where a sound file was interrupted, for instance.
    fn pass_on(&mut self, said: &mut String, reply: &Reply, range: Range<usize>) {
        let text = &reply.text;
        let result = if text.starts_with(RESULT) { RESULT.len() + reply.result().len() } else { 0 };
        let value = value_entry(reply).map_or(result..result, |value| value.at);
        let behind = text.rfind(')').map_or(result, |at| at + 1).max(value.end);
        let parts = [
            (0..result, Part::None),
            (result..value.start, Part::None),
            (value.clone(), self.max_part),
            (value.end..behind, Part::None),
            (behind..text.len(), self.min_part.min(self.max_part)),
        ];
        for (place, part) in parts {
            let (start, end) = (place.start.max(range.start), place.end.min(range.end));
            if start < end {
                let passed = self.text(&text[start..end], part);
                said.push_str(&passed);
            }
        }
    }

    fn text(&mut self, value: &str, part: Part) -> String {
        String::from_utf8_lossy(&self.replace(value.as_bytes(), part)).into_owned()
    }

    /// Returns a text with stand-ins.
    fn replace(&mut self, value: &[u8], part: Part) -> Vec<u8> {
        if part == Part::None {
            return value.to_vec();
        }
        let mut replaced = Vec::with_capacity(value.len());
        let kind = |byte: u8| match byte {
            b'0'..=b'9' => 0,
            byte if byte.is_ascii_alphabetic() || byte >= 0x80 => 1,
            _ => 2,
        };
        for run in value.chunk_by(|one, other| kind(*one) == kind(*other)) {
            match (kind(run[0]), part) {
                (0, Part::Digits | Part::All) => replaced.extend(self.stand_in(run)),
                (0, _) if self.is_known(run) => replaced.extend(self.stand_in(run)),
                (1, Part::All) => replaced.extend(crossed_out(run)),
                (1, Part::Digits) if self.words.contains(&text(run).to_lowercase()) => {
                    replaced.extend(crossed_out(run));
                }
                _ => replaced.extend_from_slice(run),
            }
        }
        replaced
    }

    /// Whether a number shares digits with one that comes from the caller.
    fn is_known(&self, run: &[u8]) -> bool {
        let shares =
            |digits: &Vec<u8>| run.windows(MIN_SHARED).any(|part| digits.windows(MIN_SHARED).any(|own| own == part));
        self.digits.iter().any(shares)
    }

    /// Returns the stand-in for these digits: as many others, with a leading zero only if there was one.
    fn stand_in(&mut self, run: &[u8]) -> Vec<u8> {
        if let Some(known) = self.stand_ins.get(run) {
            return known.clone();
        }
        let mut drawn = Vec::new();
        // Perhaps no single digits are left.
        for _ in 0..100 {
            drawn = (0..run.len()).map(|_| b'0' + self.random.random_range(0..10_u8)).collect();
            let leads = run.len() > 1 && drawn[0] == b'0' && run[0] != b'0';
            if !leads && drawn != run && !self.used.contains(&drawn) {
                break;
            }
        }
        self.used.insert(drawn.clone());
        self.stand_ins.insert(run.to_vec(), drawn.clone());
        drawn
    }
}

/// Returns as many `x`. The keys A to D of the telephone stay.
fn crossed_out(run: &[u8]) -> Vec<u8> {
    if run.len() == 1 && matches!(run[0], b'A'..=b'D') {
        return run.to_vec();
    }
    vec![b'x'; text(run).chars().count()]
}

/// How a reply with a result begins.
const RESULT: &str = "result=";

/// A line that was sent, as far as the table of commands explains it.
#[derive(Default)]
struct Sent {
    command: Option<&'static Command>,
    words: Vec<String>,
    /// How many of the words belong to the verb.
    verb: usize,
}

impl Sent {
    fn of(commands: &Table, line: &[u8]) -> Self {
        let words: Vec<String> = split(line).iter().map(|word| text(word).into_owned()).collect();
        match commands.of_words(&words) {
            Some((command, verb)) => Self { command: Some(command), words, verb },
            None => Self { command: None, words, verb: 0 },
        }
    }

    /// The words after the verb.
    fn args(&self) -> &[String] {
        self.words.get(self.verb..).unwrap_or_default()
    }

    /// Returns the parts of its reply that come from the caller; all of the reply if the command is unknown.
    fn entries(&self, reply: &Reply) -> Vec<Entry> {
        let Some(command) = self.command else { return Hears::Unstated.entries(reply) };
        let entries = command.hears.entries(reply);
        if entries.is_empty() && reply.code == 200 && self.asks_who_calls() {
            return value_entry(reply).into_iter().collect();
        }
        entries
    }

    /// Whether it reads who is calling.
    fn asks_who_calls(&self) -> bool {
        let reads = |command: &Command| matches!(command.access, Access::ReadsVariable | Access::ReadsExpression);
        let name = self.args().first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        self.command.is_some_and(reads)
            && ["CALLERID(", "CONNECTEDLINE(", "REDIRECTING("].iter().any(|who| name.contains(who))
    }

    /// Whether its reply may be a further piece of the number before: it asks for keys without a prompt.
    fn goes_on(&self) -> bool {
        self.command.is_some_and(|command| {
            let is_silent = match command.plays {
                Plays::Nothing => true,
                Plays::Sound(_) => command.sound(self.args()).is_none(),
                Plays::Spoken(_) => false,
            };
            is_silent && matches!(command.hears, Hears::Key | Hears::Digits { .. })
        })
    }
}

/// What a request asks for, as far as its answer is a matter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To listen to the caller.
    Listen,
    /// To speak a text.
    Speak {
        /// Whether something of it was replaced. The name of its file tells what it is.
        hidden: bool,
    },
    Other,
}

impl Asked {
    fn of(request: &Request) -> Self {
        match request.function.as_str() {
            "listen" => Self::Listen,
            "speak" => Self::Speak { hidden: false },
            _ => Self::Other,
        }
    }
}

/// Returns a member of an answer that is a text.
fn member<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What the caller has entered.
enum Entered<'a> {
    Reply(&'a Sent, &'a Reply),
    /// The answer to a request to listen.
    Said(&'a Value),
}

/// The digits learnt from a reply.
struct Learnt {
    /// The digits entered, if they are a number.
    digits: Vec<u8>,
    /// Whether they may be a further piece of the previous number.
    goes_on: bool,
}

/// Returns what the caller entered.
fn entered(entry: &Entry, reply: &Reply) -> Vec<u8> {
    let part = &reply.text[entry.at.clone()];
    match part.parse() {
        Ok(code) if entry.is_code => vec![code],
        _ => part.as_bytes().to_vec(),
    }
}

/// Returns how much of an argument is replaced.
fn part(command: &Command, number: usize) -> Part {
    let params = command.function.params;
    let last = params.last().filter(|param| param.kind.is_several_words());
    match params.get(number).or(last).map_or(Privacy::Private, |param| param.privacy) {
        Privacy::Public => Part::None,
        Privacy::Name => Part::Known,
        Privacy::Private => Part::Digits,
    }
}

/// Splits a line into its words, each with the blanks before it.
fn tokens(line: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    let (mut start, mut quoted, mut escaped, mut begun) = (0, false, false, false);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b' ' if !quoted && begun => {
                tokens.push(&line[start..at]);
                start = at;
                begun = false;
            }
            _ => {}
        }
        begun |= *byte != b' ';
    }
    tokens.push(&line[start..]);
    tokens
}

/// Splits a line of the environment into name and value.
fn item(line: &[u8]) -> (&str, &[u8]) {
    let at = line.iter().position(|byte| *byte == b':');
    let name = at.and_then(|at| str::from_utf8(&line[..at]).ok()).unwrap_or_default();
    let value = at.map_or(line, |at| &line[at + 1..]);
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::COMMANDS;
    use crate::transport::recording::{FORMAT, Printed};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn header(environment: Vec<Bytes>, args: Vec<String>) -> Header {
        Header {
            format: FORMAT,
            script: String::new(),
            version: String::new(),
            seed: 0,
            started: Duration::ZERO,
            args,
            params: BTreeMap::new(),
            denied: Vec::new(),
            allowed: Vec::new(),
            dead_mode: true,
            time_zone: None,
            redacted: true,
            environment,
        }
    }

    /// Lines of commands with arguments of all kinds, and arbitrary bytes.
    fn sent() -> impl Strategy<Value = Event> {
        let verb = (0..COMMANDS.len()).prop_map(|at| COMMANDS[at].verb.to_owned());
        let word = prop_oneof!["[ -~]{0,12}", "[0-9]{1,12}", "\"[^\"\n]{0,12}\"", "\\PC{0,6}"];
        let command =
            (verb, vec(word, 0..5)).prop_map(|(verb, words)| format!("{verb} {}", words.join(" ")).into_bytes());
        prop_oneof![4 => command, 1 => vec(any::<u8>(), 0..40)].prop_map(|line| Event::Sent(Bytes(line)))
    }

    /// Replies as Asterisk sends them, also cut off, longer, or missing.
    fn heard() -> impl Strategy<Value = Event> {
        let code = prop_oneof!["200", "510", "511", "520", "[0-9]{0,6}"];
        let result = prop_oneof!["", "-1", "-", "[0-9*#]{1,9}", "[0-9]{1,25}", "\\PC{0,5}"];
        let rest = prop_oneof![
            "",
            "[ ()a-z0-9=\"]{0,20}",
            r#" \(speech\) endpos=[0-9]{1,3} results=1 score0=[0-9]{1,3} text0="[a-zé0-9 ]{0,6}" grammar0="x""#,
            r" \((digit|timeout|dtmf|[0-9a-zß]{0,6})\)( endpos=[0-9]{1,5})?( digit=[0-9*])?",
            "\\PC{0,10}",
        ];
        let whole = (code, result, rest).prop_map(|(code, result, rest)| format!("{code} result={result}{rest}"));
        let cut = (whole, 0..60_usize).prop_map(|(text, at)| text.chars().take(at).collect());
        prop_oneof![4 => cut, 1 => "\\PC{0,12}", 1 => "[0-9]{3} [a-z]{0,8}"].prop_map(Event::Heard)
    }

    fn event() -> impl Strategy<Value = Event> {
        let printed = |text| Event::Printed(Printed { text, script: String::new(), line: 0 });
        prop_oneof![
            8 => sent(),
            8 => heard(),
            1 => any::<bool>().prop_map(Event::Secret),
            1 => "\\PC{0,12}".prop_map(printed),
        ]
    }

    proptest! {
        #[test]
        fn any_dialogue_can_be_redacted_and_replies_keep_their_code(
            events in vec(event(), 0..30),
            environment in vec("(agi_callerid|agi_x)?(:| |: )?\\PC{0,12}", 0..4),
            args in vec("\\PC{0,8}", 0..3),
        ) {
            let mut head = header(environment.into_iter().map(|line| Bytes(line.into_bytes())).collect(), args);
            let lines: Vec<Line> = events.into_iter().map(|event| Line { at: Duration::ZERO, event }).collect();
            let mut whole = lines.clone();
            Redaction::apply(&Table::new(), &mut head, &mut whole, &[]);
            let mut secrets = Redaction::of_secrets(Table::new());
            let mut is_secret = false;
            for (before, after) in lines.iter().zip(&whole) {
                let mut hidden = before.event.clone();
                if let Event::Secret(secret) = hidden {
                    is_secret = secret;
                }
                secrets.hide(&mut hidden, is_secret);
                if let Event::Heard(said) = &before.event {
                    for after in [&after.event, &hidden] {
                        let Event::Heard(now) = after else { panic!("{said:?} became {after:?}") };
                        prop_assert_eq!(reply(said).map(|reply| reply.code), reply(now).map(|reply| reply.code));
                    }
                }
            }
        }
    }

    #[test]
    fn refusals_stay_as_they_are() {
        for said in ["510", "510 no", "200", "200 result", "200 result=", "511 result"] {
            for secret in [false, true] {
                let mut redaction = Redaction::of_secrets(Table::new());
                redaction.hide(&mut Event::Sent(Bytes(b"GET DATA \"beep\" 5000 4".to_vec())), secret);
                let mut event = Event::Heard(said.to_owned());
                redaction.hide(&mut event, secret);
                assert_eq!(event, Event::Heard(format!("{said}{}", if said.len() == 3 { " " } else { "" })));
            }
        }
    }
}
