//! Measures the cost of questions, and whether a key is ever lost: `cargo bench --bench ivr`. The tries need the real
//! Asterisk of the live tests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures real time and prints it")]
#![allow(clippy::pedantic, reason = "as in the tests")]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use agi_rhai::transport::Stream;
use agi_rhai::{Host, Session, Status};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::typing::{press_any_time, type_ahead};

const ENVIRONMENT: &str = "agi_request: game\nagi_channel: PJSIP/alice-00000001\nagi_language: en\nagi_type: PJSIP\n\
    agi_uniqueid: 1700000000.12\nagi_version: 22.10.1\nagi_callerid: 201\nagi_calleridname: Alice\nagi_callingpres: 0\n\
    agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 500\nagi_rdnis: unknown\nagi_context: game\n\
    agi_extension: 500\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 140112990996160\n\n";
/// The number of questions per measurement.
const QUESTIONS: u32 = 20_000;
const PASSES: usize = 9;
/// The number of tries at a time, and in all.
const CALLS: usize = 10;
const TRIES: usize = 1000;

fn main() {
    let mut missed = own_time();
    if std::env::args().any(|arg| arg == "--no-asterisk") {
        println!("The tries on the real Asterisk are left out.");
    } else {
        missed |= tries();
    }
    if missed {
        std::process::exit(1);
    }
}

fn goal(name: &str, figure: f64, max: f64) -> bool {
    let met = figure <= max;
    println!("  {name}: {figure:.3} (goal: at most {max:.3}) {}", if met { "met" } else { "MISSED" });
    !met
}

/// A peer in memory whose caller types 0412: one key, then three.
#[derive(Clone)]
struct Caller(Arc<Mutex<(VecDeque<u8>, u64)>>);

impl Write for Caller {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut caller = self.0.lock().unwrap();
        let reply: &[u8] = if bytes.ends_with(b" 1\n") { b"200 result=0\n" } else { b"200 result=412\n" };
        caller.0.extend(reply);
        caller.1 += 1;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Caller {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().0.read(buffer)
    }
}

/// Returns the time of one question in a script, and its number of commands.
fn question(host: &Host, line: &str) -> (Duration, f64) {
    let text =
        format!("let answer = \"\"; for n in 0..{QUESTIONS} {{ {line} }} if answer != \"0412\" {{ throw answer; }}");
    let script = host.compile("ivr.rhai", &text).unwrap();
    let caller = Caller(Arc::new(Mutex::new((ENVIRONMENT.bytes().collect(), 0))));
    let session = Session::begin(Box::new(Stream::new(caller.clone(), caller.clone()))).unwrap();
    let start = Instant::now();
    let outcome = host.run(session, &script, vec![]);
    let time = start.elapsed() / QUESTIONS;
    assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault);
    // The rest are our own last words.
    let commands = caller.0.lock().unwrap().1 - 2;
    (time, commands as f64 / f64::from(QUESTIONS))
}

fn own_time() -> bool {
    let host = Host::new();
    let plain = "answer = get_data(\"enter-account\", 5000, 1); answer += get_data(\"\", 2000, 3);";
    let lines = [
        plain,
        "answer = ask(\"enter-account\", #{ max: 4 });",
        "answer = ask([\"enter-account\"], #{ min: 4, max: 4, tries: 3, first: 5, between: 2.0, no_input: \"nothing\", \
         no_match: [\"wrong\", 3], give_up: \"goodbye\", secret: true });",
        "answer = menu(\"enter-account\", #{ \"_0XXX\": |keys| keys, \"1234\": \"one\" });",
    ];
    let mut times = vec![Vec::new(); lines.len()];
    let mut commands = vec![0.0; lines.len()];
    // By turns, so that a machine whose speed drifts affects both alike.
    for _ in 0..PASSES {
        for (number, line) in lines.iter().enumerate() {
            let (time, sent) = question(&host, line);
            times[number].push(time);
            commands[number] = sent;
        }
    }
    let micros: Vec<f64> = times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            times[PASSES / 2].as_secs_f64() * 1e6
        })
        .collect();
    println!("Four digits against a peer in memory, in microseconds: by two `get_data` {:.2}", micros[0]);
    let mut missed = false;
    for (number, name) in ["", "`ask`", "`ask` with ten options", "`menu` with patterns"].iter().enumerate().skip(1) {
        missed |= goal(&format!("commands of {name}"), commands[number], 2.0);
        missed |= goal(&format!("microseconds of {name} beyond that"), micros[number] - micros[0], 20.0);
    }
    missed
}

fn tries() -> bool {
    println!("Two questions answered in one go on the real Asterisk, eight keys at 80 ms each, {TRIES} tries:");
    let start = Instant::now();
    let lost = type_ahead(CALLS, TRIES / CALLS, Duration::from_millis(80));
    for (typed, heard) in &lost {
        println!("  typed {typed}, heard {heard}");
    }
    println!("  {:.0} s, {CALLS} calls at a time", start.elapsed().as_secs_f64());
    let missed = goal("tries in which a key was lost", lost.len() as f64, 0.0);
    // A key whose end falls between two commands is dropped by Asterisk. There is no goal for this.
    let unheard = press_any_time(2 * CALLS, TRIES / CALLS / 2);
    println!("One key at any moment of a question of twelve parts, {TRIES} tries: {unheard} unheard");
    missed
}
