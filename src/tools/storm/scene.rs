//! The circumstances of a call: who is calling, what AstDB contains, which prompts are missing.

use super::noise::pick;
use super::trouble::Trouble;
use super::wire::Facts;
use crate::command::Value;
use crate::pbx::Voice;
use crate::tools::testing::CallSetup;
use rand::RngExt;
use rand::rngs::StdRng;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The time at which the call of a test begins if the test names none.
pub(super) const DEFAULT_TIME: u64 = 1_700_000_000;
const DEFAULT_CALLER: &str = "100";

/// The circumstances of a call, where they differ from those that all calls of the storm share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scene {
    pub seed: u64,
    /// Empty if the number is withheld.
    pub caller: Option<String>,
    pub args: Vec<String>,
    pub variables: BTreeMap<String, String>,
    /// By `family/key`.
    pub database: BTreeMap<String, String>,
    pub missing: BTreeSet<String>,
    /// What is wrong with services, by their names in tests.
    pub troubles: BTreeMap<String, Trouble>,
    pub dial_status: Option<&'static str>,
    pub voice: Voice,
    pub up: bool,
    pub time: Option<u64>,
    /// The caller hangs up before the script sends this command, counted from 1.
    pub gone_at: Option<u64>,
}

const CALLERS: [&str; 4] = ["", "+4930123456", "anonymous", "0"];
const VALUES: [&str; 8] = ["", "0", "1", "7", "-1", "12*", "garbage", "999999999999999999"];
const DIAL_STATUSES: [&str; 6] = ["ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL"];

impl Scene {
    /// Returns scenes with callers other than the default one.
    pub fn callers() -> impl Iterator<Item = Self> {
        CALLERS.into_iter().map(|caller| Self { caller: Some(caller.to_owned()), ..Self::default() })
    }

    /// Returns scenes of calls with arguments, and of one whose channel is up already.
    pub fn arguments(words: &[String]) -> impl Iterator<Item = Self> {
        let args = VALUES.into_iter().map(str::to_owned).chain(words.iter().take(20).cloned());
        let lists = args.map(|arg| vec![arg.clone(), arg]);
        let up = Self { up: true, ..Self::default() };
        lists.map(|args| Self { args, ..Self::default() }).chain([up])
    }

    /// Returns scenes with values for what the script reads, if that wasn't varied yet.
    pub fn values(facts: &Facts, tried: &Facts, words: &[String]) -> Vec<Self> {
        let values = || VALUES.into_iter().map(str::to_owned).chain(words.iter().take(20).cloned());
        let mut scenes = Vec::new();
        for key in facts.database.difference(&tried.database) {
            scenes.extend(values().map(|value| Self { database: [(key.clone(), value)].into(), ..Self::default() }));
        }
        for name in facts.variables.difference(&tried.variables) {
            scenes.extend(values().map(|value| Self { variables: [(name.clone(), value)].into(), ..Self::default() }));
        }
        for name in facts.services.difference(&tried.services) {
            let troubles = Trouble::of(name).iter();
            scenes.extend(
                troubles.map(|trouble| Self { troubles: [(name.clone(), *trouble)].into(), ..Self::default() }),
            );
        }
        if facts.dials && !tried.dials {
            scenes.extend(DIAL_STATUSES.map(|status| Self { dial_status: Some(status), ..Self::default() }));
        }
        if facts.records && !tried.records {
            scenes.extend([Voice::Silent, Voice::Absent].map(|voice| Self { voice, ..Self::default() }));
        }
        scenes
    }

    /// Returns a time within one year, by day or by night.
    pub fn some_time(rng: &mut StdRng) -> u64 {
        DEFAULT_TIME + rng.random_range(0..365 * 24 * 4) * 900
    }

    /// Changes one to three things.
    pub fn vary(&mut self, rng: &mut StdRng, prompts: &BTreeSet<String>, facts: &Facts, words: &[String]) {
        let value = |rng: &mut StdRng| match rng.random_range(0..3) {
            0 if !words.is_empty() => words[rng.random_range(0..words.len())].clone(),
            1 => rng.random_range(0..120).to_string(),
            _ => VALUES[rng.random_range(0..VALUES.len())].to_owned(),
        };
        for _ in 0..rng.random_range(1..4) {
            match rng.random_range(0..9) {
                0 => self.seed = rng.random_range(1..10_000),
                1 => self.caller = Some(CALLERS[rng.random_range(0..CALLERS.len())].to_owned()),
                2 => self.args = (0..rng.random_range(1..4)).map(|_| value(rng)).collect(),
                3 if facts.dials => self.dial_status = Some(DIAL_STATUSES[rng.random_range(0..6)]),
                4 if facts.records => self.voice = [Voice::Silent, Voice::Absent][rng.random_range(0..2)],
                5 => self.missing.extend(pick(rng, prompts).cloned()),
                6 => self.up = true,
                _ if !facts.services.is_empty() && rng.random_range(0..2) == 0 => {
                    let trouble = Trouble::ALL[rng.random_range(0..Trouble::ALL.len())];
                    let service = pick(rng, &facts.services).filter(|name| Trouble::of(name).contains(&trouble));
                    self.troubles.extend(service.map(|name| (name.clone(), trouble)));
                }
                _ => {
                    let value = value(rng);
                    if let Some(key) = pick(rng, &facts.database)
                        && (facts.variables.is_empty() || rng.random_range(0..2) == 0)
                    {
                        self.database.insert(key.clone(), value);
                    } else if let Some(name) = pick(rng, &facts.variables) {
                        self.variables.insert(name.clone(), value);
                    }
                }
            }
        }
    }

    /// Returns simpler scenes, the simplest first.
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
        try_this(Self { troubles: BTreeMap::new(), ..self.clone() });
        for (name, trouble) in &self.troubles {
            let mut scene = self.clone();
            scene.troubles.remove(name);
            try_this(scene);
            // Whoever can't stand a service that is down needs no other trouble to show it.
            if *trouble != Trouble::Down {
                let mut scene = self.clone();
                scene.troubles.insert(name.clone(), Trouble::Down);
                try_this(scene);
            }
        }
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
            // What is stored for this caller is stored for the default one instead.
            let database =
                self.database.iter().map(|(key, value)| (key.replace(caller, DEFAULT_CALLER), value.clone()));
            try_this(Self { caller: None, database: database.collect(), ..self.clone() });
        }
        // Half of the prompts, then all but one.
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

    /// Returns the options of its call: those that all calls of the storm share, with the changes of this scene.
    pub fn options(&self, shared: &CallSetup) -> CallSetup {
        let mut changes: Vec<(Cow<'static, str>, Value)> = Vec::new();
        let mut change = |name: &'static str, value: Value| changes.push((name.into(), value));
        let is_usual = |caller: &&String| *caller == DEFAULT_CALLER && !shared.has("callerid");
        if let Some(caller) = self.caller.as_ref().filter(|caller| !is_usual(caller)) {
            change("callerid", Value::Text(caller.clone()));
        }
        let texts = |items: &mut dyn Iterator<Item = &String>| Value::List(items.cloned().map(Value::Text).collect());
        let map = |items: &BTreeMap<String, String>| {
            Value::Map(items.iter().map(|(name, value)| (name.clone().into(), Value::Text(value.clone()))).collect())
        };
        if !self.args.is_empty() {
            change("args", texts(&mut self.args.iter()));
        }
        if !self.variables.is_empty() {
            change("variables", map(&self.variables));
        }
        if !self.database.is_empty() {
            change("database", map(&self.database));
        }
        if !self.missing.is_empty() {
            change("missing", texts(&mut self.missing.iter()));
        }
        if let Some(status) = self.dial_status {
            change("dial_status", Value::from(status));
        }
        match self.voice {
            Voice::Speaks => {}
            Voice::Silent => change("voice", Value::from("silent")),
            Voice::Absent => change("voice", Value::from("absent")),
        }
        if self.up {
            change("state", Value::from("up"));
        }
        if let Some(time) = self.time.and_then(|time| i64::try_from(time).ok()) {
            change("time", Value::Int(time));
        }
        if let Some(command) = self.gone_at.and_then(|command| i64::try_from(command).ok()) {
            change("gone_at", Value::Int(command));
        }
        shared.with(changes)
    }
}
