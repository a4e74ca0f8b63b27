//! FastAGI servers under load: `cargo bench --bench fastagi`, or only some parts of it, `-- a c`. Ratios count, since
//! machines differ. benches/peers/README.md tells what the parts are and who the others.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures real time and prints it")]
#![allow(clippy::pedantic, reason = "as in the tests")]

#[path = "fastagi/load.rs"]
mod load;
#[path = "fastagi/server.rs"]
mod server;

use load::{COMPUTE, GAME, HOLD, Heard, Load};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::ClockId;
use server::{Memory, Server, Whose};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Calls at a time.
const CALLS: usize = 64;
const ROUNDS: usize = 5;
const HELD: usize = 10_000;
/// So long a reply takes where no server is to be at its limit.
const THINKS: Duration = Duration::from_millis(2);

fn main() {
    // `cargo bench` adds a flag of its own.
    let parts: Vec<String> = std::env::args().skip(1).filter(|part| part != "--bench").collect();
    if let Some(part) = parts.iter().find(|part| !["a", "b", "c", "d", "e", "f"].contains(&part.as_str())) {
        println!("there is no part {part}: the parts are a b c d e f, none means all");
        std::process::exit(2);
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let files = raise_limit();
    let folder = Folder::new();
    let mut programs = Vec::new();
    for whose in Whose::ALL {
        let started = server::program(whose)
            .and_then(|program| Server::start(whose, &program, &folder.0, &[]).map(|server| (server, program)));
        match started {
            Ok((_, program)) => programs.push((whose, program)),
            Err(error) => println!("{} is left out: {error}", whose.name()),
        }
    }
    let mut missed = false;
    // The first, since ended calls leave sockets behind for a minute.
    if wanted("b") {
        missed |= held_calls(&programs, &folder.0, files);
    }
    if wanted("a") || wanted("c") {
        missed |= commands(&programs, &folder.0, wanted("a"), wanted("c"));
    }
    if let Some((_, program)) = programs.iter().find(|(whose, _)| *whose == Whose::Ours) {
        if wanted("d") {
            missed |= edits(program, &folder.0);
        }
        if wanted("e") {
            missed |= computing(program, &folder.0);
        }
        if wanted("f") {
            missed |= busy(program, &folder.0);
        }
    }
    drop(folder);
    if missed {
        std::process::exit(1);
    }
}

/// A folder with copies of the scripts, which may be edited.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("agi-rhai-fastagi-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for script in ["subtraction10.rhai", "hold.rhai", "compute.rhai"] {
            std::fs::copy(server::peers().join(script), folder.join(script)).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A call is a file for each side. The servers inherit the limit.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files as usize)
}

/// The value below which so many hundredths lie.
fn percentile(mut values: Vec<f64>, hundredths: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get((values.len() * hundredths / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

fn ms(times: &[Duration]) -> Vec<f64> {
    times.iter().map(|time| time.as_secs_f64() * 1000.0).collect()
}

fn at_most(name: &str, figure: f64, most: f64) -> bool {
    verdict(name, figure, &format!("at most {most}"), figure <= most)
}

fn at_least(name: &str, figure: f64, least: f64) -> bool {
    verdict(name, figure, &format!("at least {least}"), figure >= least)
}

fn verdict(name: &str, figure: f64, goal: &str, met: bool) -> bool {
    println!("  {name}: {figure:.3} (goal: {goal}) {}", if met { "met" } else { "MISSED" });
    !met
}

/// Failed calls make every figure worthless.
fn failures(who: &str, heard: &[&Heard]) -> bool {
    let count: u64 = heard.iter().map(|heard| heard.failures).sum();
    if count == 0 {
        return false;
    }
    let calls: u64 = heard.iter().map(|heard| heard.calls).sum();
    let first = heard.iter().find_map(|heard| heard.failure.as_deref()).unwrap_or_default();
    println!("  {who}: {count} calls FAILED, {calls} ended; the first: {first}");
    true
}

fn must_start(whose: Whose, program: &Path, scripts: &Path, options: &[&str]) -> Server {
    Server::start(whose, program, scripts, options).unwrap_or_else(|error| panic!("{}: {error}", whose.name()))
}

/// Parts a and c: what a command costs, and how long the first one takes.
fn commands(programs: &[(Whose, PathBuf)], scripts: &Path, costs: bool, firsts: bool) -> bool {
    #[derive(Default)]
    struct Round {
        commands: f64,
        seconds: f64,
        per_command: f64,
        generator: f64,
        /// The part of the machine that other programs took.
        others: f64,
        /// To the first command, in ms: p50 and p99 of calls at full load, at a load with pauses, and of single calls.
        first: [[f64; 2]; 3],
    }
    const LENGTH: Duration = Duration::from_millis(2500);
    const IDLE_CALLS: usize = 200;
    let servers: Vec<Server> =
        programs.iter().map(|(whose, program)| must_start(*whose, program, scripts, &[])).collect();
    let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
    let mut missed = false;
    // In turn, so that a machine whose speed drifts is as unfair to one as to the other.
    for _ in 0..ROUNDS {
        for (server, rounds) in servers.iter().zip(&mut rounds) {
            let mut round = Round::default();
            let parts = |times: &[Duration]| [50, 99].map(|part| percentile(ms(times), part));
            if firsts {
                let mut times = Vec::new();
                for _ in 0..IDLE_CALLS {
                    times.push(load::call(server.address, GAME).expect("it played before").0);
                    std::thread::sleep(Duration::from_millis(1));
                }
                round.first[2] = parts(&times);
                let mut load = Load::new(server.address, server.whose == Whose::Ours).unwrap();
                load.think(THINKS);
                load.add(CALLS, GAME).unwrap();
                let heard = load.play(LENGTH / 2).unwrap();
                let rest = load.finish().unwrap();
                missed |= failures(server.whose.name(), &[&heard, &rest]);
                // Those that all came at once at the start are no measure.
                round.first[1] = parts(&heard.first[CALLS.min(heard.first.len())..]);
            }
            let mut load = Load::new(server.address, server.whose == Whose::Ours).unwrap();
            let (before, own, start) = (server.processor_time().unwrap(), own_time(), Instant::now());
            let machine = server::machine_time().unwrap();
            load.add(CALLS, GAME).unwrap();
            let heard = load.play(LENGTH).unwrap();
            round.seconds = start.elapsed().as_secs_f64();
            let used = (server.processor_time().unwrap() - before).as_secs_f64() * 1e6;
            let own = (own_time() - own).as_secs_f64() * 1e6;
            let [busy, all] = server::machine_time().unwrap();
            round.others = ((busy - machine[0]) * 1e6 - used - own).max(0.0) / ((all - machine[1]) * 1e6);
            round.generator = own / heard.commands as f64;
            let rest = load.finish().unwrap();
            missed |= failures(server.whose.name(), &[&heard, &rest]);
            round.commands = heard.commands as f64;
            round.per_command = used / heard.commands as f64;
            round.first[0] = parts(&heard.first);
            rounds.push(round);
        }
    }
    let figure = |rounds: &[Round], figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let of = |whose: Whose| servers.iter().position(|server| server.whose == whose).map(|at| &rounds[at]);
    if costs {
        println!(
            "a. {CALLS} calls at a time, ten rounds each; medians of {ROUNDS} turns of {} s",
            LENGTH.as_secs_f64()
        );
        for (server, rounds) in servers.iter().zip(&rounds) {
            let cost = figure(rounds, &|round| round.per_command);
            println!(
                "  {}: {cost:.2} us of processor time a command, {:.0} commands a processor-second; \
                 {:.0} commands a second; the generator took {:.2} us a command",
                server.whose.name(),
                1e6 / cost,
                figure(rounds, &|round| round.commands / round.seconds),
                figure(rounds, &|round| round.generator),
            );
        }
        let others = rounds.iter().flatten().map(|round| round.others * 100.0);
        println!("  other programs took {:.0} % of the machine meanwhile", median(others.collect()));
        for (whose, least) in [(Whose::C, 1.0), (Whose::AsteriskRs, 1.0)] {
            if let (Some(ours), Some(other)) = (of(Whose::Ours), of(whose)) {
                // Of each turn, then the median: what slows the machine for seconds slows both.
                let ratios = ours.iter().zip(other).map(|(ours, other)| other.per_command / ours.per_command).collect();
                let name = format!("commands per processor-second, as a part of {}", whose.name());
                missed |= at_least(&name, median(ratios), least);
            }
        }
    }
    if firsts {
        const WHICH: [&str; 3] = ["at full load", "at a load with pauses of 2 ms", "of single calls"];
        println!("c. From connect() to the first command, in ms: p50 and p99, medians of {ROUNDS} turns");
        for (which, name) in WHICH.iter().enumerate() {
            for (server, rounds) in servers.iter().zip(&rounds) {
                let [p50, p99] = [0, 1].map(|part| figure(rounds, &|round| round.first[which][part]));
                println!("  {name}, {}: {p50:.3} and {p99:.3}", server.whose.name());
            }
            if let (Some(ours), Some(other)) = (of(Whose::Ours), of(Whose::AsteriskRs)) {
                let [ours, other] = [ours, other].map(|rounds| figure(rounds, &|round| round.first[which][1]));
                let name = format!("first command {name}, p99, as a part of asterisk-rs-agi");
                missed |= at_most(&name, ours / other, 1.0);
            }
        }
    }
    missed
}

/// Processor time of this thread.
fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Part b: what a call takes that waits.
fn held_calls(programs: &[(Whose, PathBuf)], scripts: &Path, files: usize) -> bool {
    let calls = HELD.min(files.saturating_sub(100));
    println!("b. {calls} calls held in GET DATA for 3 s, KiB a call");
    if calls < HELD {
        println!("  (of {HELD}: this machine allows a program {files} open files)");
    }
    let mut missed = false;
    let mut resident = Vec::new();
    for (whose, program) in programs {
        let most = calls.to_string();
        let options: &[&str] = if *whose == Whose::Ours { &["--max-calls", &most] } else { &[] };
        let server = must_start(*whose, program, scripts, options);
        // What the last server and its sockets had comes back a little later.
        std::thread::sleep(Duration::from_secs(1));
        let before = server.memory().unwrap();
        let own = own_memory();
        let mut load = Load::new(server.address, false).unwrap();
        let held = load.hold(calls).unwrap();
        if held < calls {
            println!("  {}: only {held} are held: {}", whose.name(), load.failure().unwrap_or("too slow"));
            missed = true;
        }
        std::thread::sleep(Duration::from_secs(3));
        let after = server.memory().unwrap();
        let own = own_memory() - own;
        let per_call = |figure: fn(&Memory) -> f64| (figure(&after) - figure(&before)) / held.max(1) as f64;
        let rss = per_call(|memory| memory.resident);
        resident.push((*whose, rss));
        println!(
            "  {}: {rss:.2} resident; besides {:.2} page tables and {:.2} kernel stacks of {:.0} threads; \
             the kernel has {:.1} more in all, the machine {:.1} less",
            whose.name(),
            per_call(|memory| memory.page_tables),
            per_call(|memory| memory.threads * 16.0),
            after.threads,
            per_call(|memory| memory.kernel),
            (before.available - after.available - own) / held.max(1) as f64,
        );
    }
    let of = |whose: Whose| resident.iter().find(|(other, _)| *other == whose).map(|(_, rss)| *rss);
    if let (Some(ours), Some(other)) = (of(Whose::Ours), of(Whose::AsteriskRs)) {
        missed |= at_most("resident memory of a held call, as a part of asterisk-rs-agi", ours / other, 1.5);
    }
    missed
}

/// What this program has in memory, in KiB.
fn own_memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as f64 / 1024.0
}

/// Part d: what edits cost.
fn edits(program: &Path, scripts: &Path) -> bool {
    const TURNS: usize = 5;
    const LENGTH: Duration = Duration::from_secs(2);
    let server = must_start(Whose::Ours, program, scripts, &[]);
    let script = scripts.join(GAME.name);
    let text = std::fs::read_to_string(&script).unwrap();
    let mut missed = false;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (edited, rates) in rates.iter_mut().enumerate() {
            let mut load = Load::new(server.address, true).unwrap();
            load.add(CALLS, GAME).unwrap();
            let heard = std::thread::scope(|scope| {
                if edited == 1 {
                    scope.spawn(|| {
                        for _ in 0..LENGTH.as_secs() {
                            std::thread::sleep(Duration::from_millis(500));
                            let mut file = File::options().append(true).open(&script).unwrap();
                            file.write_all(b"// Edited.\n").unwrap();
                            std::thread::sleep(Duration::from_millis(500));
                        }
                    });
                }
                load.play(LENGTH).unwrap()
            });
            let rest = load.finish().unwrap();
            missed |= failures("agi-rhai", &[&heard, &rest]);
            rates.push(heard.commands as f64 / LENGTH.as_secs_f64());
        }
    }
    println!("d. One edit a second, {CALLS} calls at a time; medians of {TURNS} turns of {} s", LENGTH.as_secs());
    let ratios = rates[1].iter().zip(&rates[0]).map(|(edited, quiet)| edited / quiet).collect();
    let [quiet, edited] = rates.map(median);
    println!("  {edited:.0} commands a second with edits, {quiet:.0} without");
    missed |= at_least("throughput with edits, as a part of that without", median(ratios), 0.97);
    // That the edits reach the calls at all.
    std::fs::write(&script, text.replace("-welcome", "-hello")).unwrap();
    let since = Instant::now();
    let heard = loop {
        let (_, commands) = load::call(server.address, GAME).unwrap();
        if commands.get(1).is_some_and(|command| command.contains("-hello")) {
            break Some(since.elapsed());
        }
        if since.elapsed() > Duration::from_secs(5) {
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    std::fs::write(&script, text).unwrap();
    match heard {
        Some(time) => println!("  an edit is heard after {:.0} ms", time.as_secs_f64() * 1000.0),
        None => println!("  an edit is NOT heard after 5 s"),
    }
    missed | heard.is_none()
}

/// Part e: what a call that computes does to others.
fn computing(program: &Path, scripts: &Path) -> bool {
    const TURNS: usize = 3;
    const LENGTH: Duration = Duration::from_millis(1500);
    const WHICH: [(&str, Duration); 2] = [("at full load", Duration::ZERO), ("at a load with pauses of 2 ms", THINKS)];
    let server = must_start(Whose::Ours, program, scripts, &[]);
    let mut missed = false;
    let mut heard = [const { [const { Vec::new() }; 2] }; 2];
    for _ in 0..TURNS {
        for ((_, thinks), heard) in WHICH.iter().zip(&mut heard) {
            for (computing, heard) in heard.iter_mut().enumerate() {
                let mut load = Load::new(server.address, true).unwrap();
                load.think(*thinks);
                load.add(CALLS, GAME).unwrap();
                load.add(computing, COMPUTE).unwrap();
                let played = load.play(LENGTH).unwrap();
                let rest = load.finish().unwrap();
                missed |= failures("agi-rhai", &[&played, &rest]);
                let waits = ms(&played.waits);
                heard.push((waits.iter().copied().fold(0.0, f64::max), percentile(waits, 99)));
            }
        }
    }
    println!(
        "e. From a reply to the next command, in ms, {CALLS} calls at a time, and one more that computes all the time"
    );
    for ((load, _), heard) in WHICH.iter().zip(&heard) {
        for (heard, with) in heard.iter().zip(["without", "with"]) {
            let longest = heard.iter().map(|(longest, _)| *longest);
            println!(
                "  {load}, {with} it: p99 {:.2}, longest {:.2} (medians of {TURNS} turns; the longest of all {:.2})",
                median(heard.iter().map(|(_, p99)| *p99).collect()),
                median(longest.clone().collect()),
                longest.fold(0.0, f64::max),
            );
        }
        let longest = median(heard[1].iter().map(|(longest, _)| *longest).collect());
        missed |= at_most(&format!("milliseconds, the longest wait of another call {load}"), longest, 20.0);
    }
    missed
}

/// Part f: how soon a call too many is told so.
fn busy(program: &Path, scripts: &Path) -> bool {
    const MOST: usize = 100;
    const TRIES: usize = 500;
    let server = must_start(Whose::Ours, program, scripts, &["--max-calls", &MOST.to_string()]);
    // The first game's end may reach the server a moment later.
    std::thread::sleep(Duration::from_millis(200));
    let mut load = Load::new(server.address, false).unwrap();
    let held = load.hold(MOST).unwrap();
    println!("f. {held} calls held of {MOST}, {TRIES} more tried, one by one");
    if held < MOST {
        println!("  NOT all are held: {}", load.failure().unwrap_or("too slow"));
        return true;
    }
    let mut times = Vec::new();
    let mut wrong = None;
    for _ in 0..TRIES {
        match load::call(server.address, HOLD) {
            Ok((time, commands)) if is_busy(&commands) => times.push(time),
            Ok((_, commands)) => wrong = Some(format!("{commands:?}")),
            Err(error) => wrong = Some(error.to_string()),
        }
    }
    if let Some(wrong) = &wrong {
        println!("  {} were NOT told: {wrong}", TRIES - times.len());
    }
    let times = ms(&times);
    println!("  told BUSY after {:.3} ms in the median", median(times.clone()));
    at_most("milliseconds to BUSY, p99", percentile(times, 99), 1.0) | wrong.is_some()
}

fn is_busy(commands: &[String]) -> bool {
    let first = commands.first().map(|command| command.replace('"', "")).unwrap_or_default();
    first.trim_end() == "SET VARIABLE AGI_RHAI_STATUS BUSY"
}
