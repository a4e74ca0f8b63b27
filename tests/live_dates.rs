//! Dates on the real Asterisk: it plays the sound files that the simulator says it plays, for every letter of a format,
//! in several time zones, and on both sides of the moments at which clocks change.

use crate::support::asterisk::{Call, asterisk};
use agi_rhai::clock::Time;
use agi_rhai::pbx::{Act, Caller, Channel, Hearing, IncomingCall, Sound};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PARALLEL_CALLS: usize = 12;
const DAY: i64 = 86_400;

/// A caller who notes the sound files that say something.
struct Listening {
    now: Time,
    prompt: u64,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Caller for Listening {
    fn now(&self) -> Time {
        self.now
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        if let Sound::Spoken(spoken) = hearing.sound
            && hearing.prompt != self.prompt
        {
            self.prompt = hearing.prompt;
            self.heard.lock().unwrap().extend(spoken.files.iter().cloned());
        }
        self.now = until;
        None
    }
}

/// Returns what the simulator plays.
fn simulated(script: &str, now: i64) -> Vec<String> {
    let heard = Arc::default();
    let now = Time::from_unix(now.try_into().unwrap());
    let caller = Listening { now, prompt: 0, heard: Arc::clone(&heard) };
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(caller)));
    let host = Host::new();
    let script = host.compile("dates.rhai", script).unwrap();
    host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
    let heard = heard.lock().unwrap();
    heard.clone()
}

/// Returns what Asterisk plays, by its own account.
fn live(name: &str, script: &str) -> Vec<String> {
    let file = format!("live-dates/{name}.rhai");
    asterisk().script(&file, script);
    let mut running = asterisk().call(Call::script(&file, &[]));
    let channel = running.channel();
    running.wait_end();
    let console = asterisk().console();
    let lines = console.lines().filter(|line| line.contains(&format!("<{channel}> Playing '")));
    let name = |line: &str| Some(line.split_once("Playing '")?.1.split_once('\'')?.0.split_once('.')?.0.to_owned());
    lines.filter_map(name).collect()
}

#[test]
fn live_dates_are_said_by_the_same_sound_files() {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let mut cases: Vec<String> = Vec::new();
    let mut say = |epoch: i64, format: &str, zone: &str| {
        cases.push(format!(r#"say_datetime({epoch}, "", "{format}", "{zone}")"#));
    };
    // 2026-12-03 09:30:05 UTC, and midnight and noon around it.
    for (epoch, format) in [
        (1_796_290_205, "ABdY 'digits/at' IMp"),
        (1_796_290_205, "a b e Y l M P"),
        (1_796_290_205, "h m R"),
        (1_796_256_000, "T I k H M N p"),
        (1_796_299_200, "I k N S p x"),
        // Without the second quote, Asterisk reads whatever stands behind the format in its memory.
        (1_796_335_261, "k M S R 'digits/at'"),
        (0, "A d B Y T"),
        (-2_000_000_000, "Y"),
        (4_102_444_799, "AdBYT"),
    ] {
        say(epoch, format, "UTC");
    }
    for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "CET-1CEST,M3.5.0,M10.5.0/3", "No/Where", ""] {
        say(1_796_340_600, "AdkM", zone);
    }
    say(1_783_000_000, "dkM", "CET-1CEST");
    say(1_783_000_000, "dkM", "XYZ3");
    // The clocks of Berlin change at 01:00 UTC on 29 March and 25 October 2026.
    for epoch in [1_774_745_999, 1_774_746_000, 1_792_886_400, 1_792_890_000] {
        say(epoch, "dkM", "Europe/Berlin");
    }
    for days in [-400, -100, -20, -5, -1, 0, 1, 2, 4, 10, 40, 400] {
        say(now + days * DAY, "Q", "UTC");
        say(now + days * DAY, "q", "Asia/Tokyo");
    }
    cases.push("say_datetime(1796290205)".to_owned());
    cases.push("say_date(1796290205); say_time(1796290205); say_time(1796288400)".to_owned());

    let (next, differing) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let script = format!("answer(); {case}");
            let number = next.load(Ordering::Relaxed);
            let (live, simulated) = (live(&format!("{number}-{}", case.len()), &script), simulated(&script, now));
            if live != simulated || (live.is_empty() && !case.contains("-2000000000")) {
                differing.lock().unwrap().insert(format!("{case}\n   Asterisk: {live:?}\n  simulator: {simulated:?}"));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..PARALLEL_CALLS {
            scope.spawn(work);
            thread::sleep(Duration::from_millis(20));
        }
    });
    let differing = differing.into_inner().unwrap();
    let all: Vec<String> = differing.into_iter().collect();
    assert!(all.is_empty(), "{} of {} differ:\n{}", all.len(), cases.len(), all.join("\n"));
}
