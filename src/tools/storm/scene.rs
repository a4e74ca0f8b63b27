//! What is there before a call: who calls, what stands in AstDB, which prompts are missing. And the call as a test.

use super::noise::pick;
use super::step::Step;
use super::wire::Facts;
use crate::agi::printable;
use crate::pbx::{ChannelState, Database, IncomingCall, Voice};
use crate::script::{Fault, literal};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// The moment at which a call of a test begins unless told otherwise.
pub(super) const USUAL_TIME: u64 = 1_700_000_000;
const USUAL_CALLER: &str = "100";
/// What a caller's keys are apart unless told otherwise.
const BETWEEN_KEYS: Duration = Duration::from_millis(100);

/// What is there before a call: the options of `place_call`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scene {
    pub seed: u64,
    /// Empty: withheld.
    pub caller: Option<String>,
    pub args: Vec<String>,
    pub variables: BTreeMap<String, String>,
    /// By `family/key`.
    pub database: BTreeMap<String, String>,
    pub missing: BTreeSet<String>,
    pub dial_status: Option<&'static str>,
    pub voice: Voice,
    pub up: bool,
    pub time: Option<u64>,
    /// The caller is gone when the script sends this command, counted from 1.
    pub gone_at: Option<u64>,
}

const CALLERS: [&str; 4] = ["", "+4930123456", "anonymous", "0"];
const VALUES: [&str; 8] = ["", "0", "1", "7", "-1", "12*", "garbage", "999999999999999999"];
const DIAL_STATUSES: [&str; 6] = ["ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL"];

impl Scene {
    /// Other callers than the usual one.
    pub fn callers() -> impl Iterator<Item = Self> {
        CALLERS.into_iter().map(|caller| Self { caller: Some(caller.to_owned()), ..Self::default() })
    }

    /// Other arguments than none, and a line that is up already.
    pub fn arguments(words: &[String]) -> impl Iterator<Item = Self> {
        let args = VALUES.into_iter().map(str::to_owned).chain(words.iter().take(20).cloned());
        let lists = args.map(|arg| vec![arg.clone(), arg]);
        let up = Self { up: true, ..Self::default() };
        lists.map(|args| Self { args, ..Self::default() }).chain([up])
    }

    /// Values for what a script was seen to read and that was not varied yet.
    pub fn values(facts: &Facts, tried: &Facts, words: &[String]) -> Vec<Self> {
        let values = || VALUES.into_iter().map(str::to_owned).chain(words.iter().take(20).cloned());
        let mut scenes = Vec::new();
        for key in facts.database.difference(&tried.database) {
            scenes.extend(values().map(|value| Self { database: [(key.clone(), value)].into(), ..Self::default() }));
        }
        for name in facts.variables.difference(&tried.variables) {
            scenes.extend(values().map(|value| Self { variables: [(name.clone(), value)].into(), ..Self::default() }));
        }
        if facts.dials && !tried.dials {
            scenes.extend(DIAL_STATUSES.map(|status| Self { dial_status: Some(status), ..Self::default() }));
        }
        if facts.records && !tried.records {
            scenes.extend([Voice::Silent, Voice::Absent].map(|voice| Self { voice, ..Self::default() }));
        }
        scenes
    }

    /// A moment within a year, by day or by night.
    pub fn some_time(chance: &mut StdRng) -> u64 {
        USUAL_TIME + chance.random_range(0..365 * 24 * 4) * 900
    }

    /// Changes something.
    pub fn vary(&mut self, chance: &mut StdRng, prompts: &BTreeSet<String>, facts: &Facts, words: &[String]) {
        let value = |chance: &mut StdRng| match chance.random_range(0..3) {
            0 if !words.is_empty() => words[chance.random_range(0..words.len())].clone(),
            1 => chance.random_range(0..120).to_string(),
            _ => VALUES[chance.random_range(0..VALUES.len())].to_owned(),
        };
        for _ in 0..chance.random_range(1..4) {
            match chance.random_range(0..9) {
                0 => self.seed = chance.random_range(1..10_000),
                1 => self.caller = Some(CALLERS[chance.random_range(0..CALLERS.len())].to_owned()),
                2 => self.args = (0..chance.random_range(1..4)).map(|_| value(chance)).collect(),
                3 if facts.dials => self.dial_status = Some(DIAL_STATUSES[chance.random_range(0..6)]),
                4 if facts.records => self.voice = [Voice::Silent, Voice::Absent][chance.random_range(0..2)],
                5 => self.missing.extend(pick(chance, prompts).cloned()),
                6 => self.up = true,
                _ => {
                    let value = value(chance);
                    if let Some(key) = pick(chance, &facts.database)
                        && (facts.variables.is_empty() || chance.random_range(0..2) == 0)
                    {
                        self.database.insert(key.clone(), value);
                    } else if let Some(name) = pick(chance, &facts.variables) {
                        self.variables.insert(name.clone(), value);
                    }
                }
            }
        }
    }

    /// The call, as Asterisk would tell of it.
    pub fn call(&self) -> IncomingCall {
        let usual = IncomingCall::default();
        let callerid = self.caller.clone().map_or(usual.callerid, |caller| Some(caller).filter(|id| !id.is_empty()));
        IncomingCall { callerid, args: self.args.clone(), ..usual }
    }

    pub fn state(&self) -> ChannelState {
        if self.up { ChannelState::Up } else { ChannelState::Ring }
    }

    /// Fills a database.
    pub fn database(&self, database: Database) -> Database {
        for (key, value) in &self.database {
            let (family, key) = key.split_once('/').unwrap_or((key, ""));
            database.put(family, key, value);
        }
        database
    }

    /// Scenes with something less in them, the simplest first.
    pub fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        let mut try_this = |scene: Self| {
            if scene != *self {
                simpler.push(scene);
            }
        };
        let seed = self.seed;
        try_this(Self { seed, ..Self::default() });
        try_this(Self { caller: None, ..self.clone() });
        try_this(Self { args: Vec::new(), ..self.clone() });
        try_this(Self { args: self.args.iter().take(1).cloned().collect(), ..self.clone() });
        try_this(Self { variables: BTreeMap::new(), ..self.clone() });
        try_this(Self { database: BTreeMap::new(), ..self.clone() });
        try_this(Self { missing: BTreeSet::new(), ..self.clone() });
        try_this(Self { dial_status: None, ..self.clone() });
        try_this(Self { voice: Voice::Speaks, ..self.clone() });
        try_this(Self { up: false, ..self.clone() });
        try_this(Self { time: None, ..self.clone() });
        try_this(Self { gone_at: None, ..self.clone() });
        if let Some(at) = self.gone_at {
            for earlier in 1..at.min(60) {
                try_this(Self { gone_at: Some(earlier), ..self.clone() });
            }
        }
        if let Some(caller) = self.caller.as_ref().filter(|caller| !caller.is_empty()) {
            // What is stored for a caller is stored for another one.
            let database = self.database.iter().map(|(key, value)| (key.replace(caller, USUAL_CALLER), value.clone()));
            try_this(Self { caller: None, database: database.collect(), ..self.clone() });
        }
        // All prompts but one half, then one prompt less.
        let half = self.missing.len() / 2;
        try_this(Self { missing: self.missing.iter().take(half).cloned().collect(), ..self.clone() });
        try_this(Self { missing: self.missing.iter().skip(half).cloned().collect(), ..self.clone() });
        for name in &self.missing {
            let mut scene = self.clone();
            scene.missing.remove(name);
            try_this(scene);
        }
        for key in self.database.keys() {
            let mut scene = self.clone();
            scene.database.remove(key);
            try_this(scene);
        }
        for name in self.variables.keys() {
            let mut scene = self.clone();
            scene.variables.remove(name);
            try_this(scene);
        }
        for seed in 1..=5 {
            if self.seed > 5 {
                try_this(Self { seed, ..self.clone() });
            }
        }
        simpler
    }

    /// The options of `place_call`.
    fn options(&self, random: bool) -> String {
        let mut options: Vec<String> = Vec::new();
        if let Some(caller) = self.caller.as_deref().filter(|caller| *caller != USUAL_CALLER) {
            options.push(format!("callerid: {}", literal(caller)));
        }
        let list =
            |items: &mut dyn Iterator<Item = &String>| items.map(|item| literal(item)).collect::<Vec<_>>().join(", ");
        let map = |items: &BTreeMap<String, String>, names: fn(&str) -> String| {
            let items = items.iter().map(|(name, value)| format!("{}: {}", names(name), literal(value)));
            items.collect::<Vec<_>>().join(", ")
        };
        if !self.args.is_empty() {
            options.push(format!("args: [{}]", list(&mut self.args.iter())));
        }
        if !self.variables.is_empty() {
            options.push(format!("variables: #{{ {} }}", map(&self.variables, literal)));
        }
        if !self.database.is_empty() {
            options.push(format!("database: #{{ {} }}", map(&self.database, literal)));
        }
        if !self.missing.is_empty() {
            options.push(format!("missing: [{}]", list(&mut self.missing.iter())));
        }
        if let Some(status) = self.dial_status {
            options.push(format!("dial_status: {}", literal(status)));
        }
        match self.voice {
            Voice::Speaks => {}
            Voice::Silent => options.push("voice: \"silent\"".to_owned()),
            Voice::Absent => options.push("voice: \"absent\"".to_owned()),
        }
        if self.up {
            options.push("state: \"up\"".to_owned());
        }
        if let Some(time) = self.time {
            options.push(format!("time: {time}"));
        }
        if let Some(command) = self.gone_at {
            options.push(format!("gone_at: {command}"));
        }
        if random {
            options.push(format!("seed: {}", self.seed));
        }
        if options.is_empty() { String::new() } else { format!(", #{{ {} }}", options.join(", ")) }
    }
}

/// A call as a test, which fails by what is wrong.
pub(super) fn test(script: &str, scene: &Scene, steps: &[Step], fault: &Fault, random: bool) -> String {
    let mut text = String::new();
    let message = printable(&fault.message);
    let place = if fault.line > 0 { format!(", line {}", fault.line) } else { String::new() };
    let file = std::path::Path::new(&fault.script).file_name().unwrap_or_default().to_string_lossy();
    let _ = writeln!(text, "// {}{place}: {message}", printable(&file));
    let line = if fault.line > 0 { format!("line_{}_", fault.line) } else { String::new() };
    let _ = writeln!(text, "fn test_storm_{line}{}() {{", slug(fault.message.split(':').next().unwrap_or_default()));
    let _ = writeln!(text, "    place_call({}{});", literal(&called(script)), scene.options(random));
    let mut steps = steps.iter().peekable();
    let mut hung_up = false;
    while let Some(step) = steps.next() {
        let line = match step {
            Step::WaitFor(name) => format!("wait_for({})", literal(name)),
            Step::Question => "wait_for_question()".to_owned(),
            Step::Wait(length) => format!("wait({})", seconds(*length)),
            Step::HangUp => {
                hung_up = true;
                "hang_up()".to_owned()
            }
            Step::Says(said) => format!("send_text({})", literal(said)),
            Step::Press(digit) => {
                let (keys, between) = burst(digit.letter(), &mut steps);
                let between = if between == BETWEEN_KEYS { String::new() } else { format!(", {}", seconds(between)) };
                format!("press({}{between})", literal(&keys))
            }
        };
        let _ = writeln!(text, "    {line};");
    }
    if scene.gone_at.is_some() {
        text.push_str("    expect_end(\"HANGUP\");\n");
    } else if !hung_up {
        text.push_str("    expect_end();\n");
    }
    text.push_str("}\n");
    text
}

/// The keys from this one on that are pressed at one go, and what they are apart.
fn burst<'a>(first: char, steps: &mut (impl Iterator<Item = &'a Step> + Clone)) -> (String, Duration) {
    let mut keys = String::from(first);
    let mut between = None;
    loop {
        let mut ahead = steps.clone();
        let (Some(Step::Wait(length)), Some(Step::Press(digit))) = (ahead.next(), ahead.next()) else { break };
        if *between.get_or_insert(*length) != *length {
            break;
        }
        keys.push(digit.letter());
        *steps = ahead;
    }
    (keys, between.unwrap_or(BETWEEN_KEYS))
}

/// A time as a script writes it.
fn seconds(length: Duration) -> String {
    length.as_secs_f64().to_string()
}

/// A message as part of a function's name.
fn slug(message: &str) -> String {
    let mut slug = String::new();
    for word in message.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if slug.len() + word.len() > 40 {
            break;
        }
        if !slug.is_empty() {
            slug.push('_');
        }
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug
}

/// The name by which a test beside the script calls it.
fn called(script: &str) -> String {
    Path::new(script).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
