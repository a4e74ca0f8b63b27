//! FastAGI servers under load: `cargo bench --bench fastagi`, or only some of its parts, `-- a c`. Ratios matter, since
//! machines differ. benches/peers/README.md explains the parts and the other servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures real time and prints it")]
#![allow(clippy::pedantic, reason = "as in the tests")]

#[path = "fastagi/load.rs"]
mod load;
#[path = "fastagi/manager.rs"]
mod manager;
#[path = "fastagi/server.rs"]
mod server;
#[path = "fastagi/studio.rs"]
mod studio;

use load::{ASK, COMPUTE, GAME, HOLD, Load, Measured, Script};
use manager::Manager;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{ClockId, CpuSet, sched_getaffinity, sched_setaffinity};
use server::{Memory, Server, Whose};
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use studio::Studio;

/// The number of calls at a time.
const CALLS: usize = 64;
const ROUNDS: usize = 5;
const HELD: usize = 10_000;
/// How long a reply takes where no server should be at its limit.
const REPLY_DELAY: Duration = Duration::from_millis(2);
const PACED: &str = "at a load with pauses of 2 ms";

fn main() {
    // `cargo bench` adds a flag of its own.
    let parts: Vec<String> = std::env::args().skip(1).filter(|part| part != "--bench").collect();
    if let Some(part) =
        parts.iter().find(|part| !["a", "b", "c", "d", "e", "f", "g", "h", "i"].contains(&part.as_str()))
    {
        println!("there is no part {part}: the parts are a b c d e f g h i; without any, all run");
        std::process::exit(2);
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let files = raise_limit();
    let folder = Folder::new();
    let mut programs = Vec::new();
    let others = ["a", "b", "c"].into_iter().any(wanted);
    for whose in Whose::ALL.into_iter().filter(|whose| others || *whose == Whose::Ours) {
        let started = server::program(whose)
            .and_then(|program| Server::start(whose, &program, &folder.0, &[]).map(|server| (server, program)));
        match started {
            Ok((_, program)) => programs.push((whose, program)),
            Err(error) => println!("{} is left out: {error}", whose.name()),
        }
    }
    let mut missed = false;
    // This part comes first, since ended calls leave sockets behind for a minute.
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
        if wanted("g") {
            missed |= asking(program, &folder.0);
        }
        if wanted("h") {
            missed |= async_agi(program, &folder.0, files);
        }
        if wanted("i") {
            missed |= watched(program, &folder.0);
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
        for script in ["subtraction10.rhai", "hold.rhai", "compute.rhai", "ask.rhai"] {
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

/// Raises the limit of descriptors: a call is a file on each side. The servers inherit the limit.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files as usize)
}

/// Returns the value below which this many hundredths lie.
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

fn at_most(name: &str, figure: f64, max: f64) -> bool {
    verdict(name, figure, &format!("at most {max}"), figure <= max)
}

fn at_least(name: &str, figure: f64, least: f64) -> bool {
    verdict(name, figure, &format!("at least {least}"), figure >= least)
}

fn verdict(name: &str, figure: f64, goal: &str, met: bool) -> bool {
    println!("  {name}: {figure:.3} (goal: {goal}) {}", if met { "met" } else { "MISSED" });
    !met
}

/// Whether calls have failed, which makes every figure worthless.
fn failures(who: &str, heard: &[&Measured]) -> bool {
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

/// One run of a server under load.
struct Turn {
    /// Commands per second.
    rate: f64,
    /// Microseconds of processor time per command, of the server and of the generator.
    cost: f64,
    generator: f64,
    /// The share of the machine that other programs took.
    others: f64,
    /// From `connect` to the first command, in ms, of the calls that began after the first ones.
    firsts: Vec<f64>,
    /// From a reply to the next command, in ms.
    waits: Vec<f64>,
    failed: bool,
}

/// Runs a server under load, with a number of calls of each script at a time.
fn turn(server: &Server, length: Duration, reply_delay: Duration, scripts: &[(usize, Script)]) -> Turn {
    let mut load = Load::new(server.address, server.whose == Whose::Ours).unwrap();
    load.set_reply_delay(reply_delay);
    let look = || (server.processor_time().unwrap(), own_time(), server::machine_time().unwrap(), Instant::now());
    let (used, own, machine, start) = look();
    for (calls, script) in scripts {
        load.add(*calls, *script).unwrap();
    }
    let heard = load.play(length).unwrap();
    let (used_then, own_then, machine_then, end) = look();
    let rest = load.finish().unwrap();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let (used, own, commands) = (us(used_then - used), us(own_then - own), heard.commands as f64);
    let [busy, all] = [0, 1].map(|at| (machine_then[at] - machine[at]) * 1e6);
    Turn {
        rate: commands / (end - start).as_secs_f64(),
        cost: used / commands,
        generator: own / commands,
        others: (busy - used - own).max(0.0) / all,
        firsts: ms(heard.first.get(CALLS..).unwrap_or_default()),
        waits: ms(&heard.waits),
        failed: failures(server.whose.name(), &[&heard, &rest]),
    }
}

/// The runs of each server at one kind of load.
type Turns = [(Whose, Vec<Turn>)];

fn of(turns: &Turns, whose: Whose) -> Option<&[Turn]> {
    turns.iter().find(|(other, _)| *other == whose).map(|(_, turns)| &turns[..])
}

fn median_of(turns: &[Turn], figure: impl Fn(&Turn) -> f64) -> f64 {
    median(turns.iter().map(figure).collect())
}

/// Parts a and c: the cost of a command, and how long the first one takes.
fn commands(programs: &[(Whose, PathBuf)], scripts: &Path, costs: bool, firsts: bool) -> bool {
    const LENGTH: Duration = Duration::from_secs(2);
    let game = [(CALLS, GAME)];
    let mut free: Vec<(Whose, Vec<Turn>)> = programs.iter().map(|(whose, _)| (*whose, Vec::new())).collect();
    let [mut parted, mut paced, mut single] =
        [(); 3].map(|()| free.iter().map(|(whose, _)| (*whose, Vec::new())).collect::<Vec<_>>());
    let start = || -> Vec<Server> {
        programs.iter().map(|(whose, program)| must_start(*whose, program, scripts, &[])).collect()
    };
    let servers = start();
    let cores = Cores::new();
    let on_one_core = costs.then(|| cores.as_ref().map(|cores| cores.others(start))).flatten();
    // By turns, so that a machine whose speed drifts affects all servers alike.
    for _ in 0..ROUNDS {
        for (at, server) in servers.iter().enumerate() {
            if firsts {
                single[at].1.push(single_calls(server));
                paced[at].1.push(turn(server, LENGTH / 2, REPLY_DELAY, &game));
            }
            free[at].1.push(turn(server, LENGTH, Duration::ZERO, &game));
        }
        if let (Some(cores), Some(servers)) = (&cores, &on_one_core) {
            for (at, server) in servers.iter().enumerate() {
                parted[at].1.push(cores.own(|| turn(server, LENGTH, Duration::ZERO, &game)));
            }
        }
    }
    let mut missed =
        [&free, &parted, &paced].into_iter().flatten().flat_map(|(_, turns)| turns).any(|turn| turn.failed);
    if costs {
        let seconds = LENGTH.as_secs();
        println!("a. {CALLS} calls at a time, ten rounds each; medians of {ROUNDS} turns of {seconds} s");
        let ratios = print_costs(&free);
        for (other, ratio) in ratios {
            missed |= at_least(&format!("commands per processor-second, relative to {}", other.name()), ratio, 1.0);
        }
        if on_one_core.is_some() {
            println!("   The same, the server on one core and the generator on another");
            for (other, ratio) in print_costs(&parted) {
                println!("  commands per processor-second, relative to {}: {ratio:.3}", other.name());
            }
        }
    }
    if firsts {
        println!("c. From connect() to the first command, in ms: p50 and p99, medians of {ROUNDS} turns");
        for (name, turns) in [("at full load", &free), (PACED, &paced), ("of single calls", &single)] {
            let part = |turns: &[Turn], part| median_of(turns, |turn| percentile(turn.firsts.clone(), part));
            for (whose, turns) in turns {
                println!("  {name}, {}: {:.3} and {:.3}", whose.name(), part(turns, 50), part(turns, 99));
            }
            if let (Some(ours), Some(other)) = (of(turns, Whose::Ours), of(turns, Whose::AsteriskRs)) {
                let name = format!("first command {name}, p99, relative to asterisk-rs-agi");
                missed |= at_most(&name, part(ours, 99) / part(other, 99), 1.0);
            }
        }
    }
    missed
}

/// Prints the cost of commands. Returns how many times as many commands ours handles in the same processor time.
fn print_costs(turns: &Turns) -> Vec<(Whose, f64)> {
    for (whose, turns) in turns {
        let cost = median_of(turns, |turn| turn.cost);
        println!(
            "  {}: {cost:.2} us of processor time a command, {:.0} commands a processor-second; \
             {:.0} commands a second; the generator took {:.2} us a command",
            whose.name(),
            1e6 / cost,
            median_of(turns, |turn| turn.rate),
            median_of(turns, |turn| turn.generator),
        );
    }
    let others = turns.iter().flat_map(|(_, turns)| turns).map(|turn| turn.others * 100.0).collect();
    println!("  other programs took {:.0} % of the machine meanwhile", median(others));
    let Some(ours) = of(turns, Whose::Ours) else { return Vec::new() };
    let others = turns.iter().filter(|(whose, _)| *whose != Whose::Ours);
    // The ratio of each run, then the median: what slows the machine for seconds slows both.
    let ratio = |other: &[Turn]| median(ours.iter().zip(other).map(|(ours, other)| other.cost / ours.cost).collect());
    others.map(|(whose, other)| (*whose, ratio(other))).collect()
}

/// Plays calls one by one on a server that has nothing else to do.
fn single_calls(server: &Server) -> Turn {
    let mut firsts = Vec::new();
    for _ in 0..200 {
        firsts.push(load::call(server.address, GAME).expect("it played before").0);
        std::thread::sleep(Duration::from_millis(1));
    }
    let [rate, cost, generator, others] = [f64::NAN; 4];
    Turn { rate, cost, generator, others, firsts: ms(&firsts), waits: Vec::new(), failed: false }
}

/// The cores of this machine: one for the generator, and another for a server if there are two.
struct Cores {
    all: CpuSet,
    own: CpuSet,
    other: CpuSet,
}

impl Cores {
    fn new() -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let mut one = || {
            let mut set = CpuSet::new();
            set.set(cores.next()?);
            Some(set)
        };
        Some(Self { all, own: one()?, other: one()? })
    }

    /// Does something on this program's core.
    fn own<T>(&self, work: impl FnOnce() -> T) -> T {
        self.on(&self.own, work)
    }

    /// Does something on the other core, where a program started by it stays.
    fn others<T>(&self, work: impl FnOnce() -> T) -> T {
        self.on(&self.other, work)
    }

    fn on<T>(&self, core: &CpuSet, work: impl FnOnce() -> T) -> T {
        sched_setaffinity(None, core).unwrap();
        let result = work();
        sched_setaffinity(None, &self.all).unwrap();
        result
    }
}

/// Returns the processor time of this thread.
fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Part b: the memory of a waiting call.
fn held_calls(programs: &[(Whose, PathBuf)], scripts: &Path, files: usize) -> bool {
    let calls = HELD.min(files.saturating_sub(100));
    println!("b. {calls} calls held in GET DATA for 3 s, KiB a call");
    if calls < HELD {
        println!("  (of {HELD}: this machine allows a program {files} open files)");
    }
    let mut missed = false;
    let mut resident = Vec::new();
    for (whose, program) in programs {
        let max_calls = calls.to_string();
        let options: &[&str] = if *whose == Whose::Ours { &["--max-calls", &max_calls] } else { &[] };
        let server = must_start(*whose, program, scripts, options);
        // The memory of the last server and its sockets is released a little later.
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
            "  {}: {rss:.2} resident, plus {:.2} page tables and {:.2} kernel stacks of {:.0} threads; \
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
        missed |= at_most("resident memory of a held call, relative to asterisk-rs-agi", ours / other, 1.5);
    }
    missed
}

/// Returns the memory of this program, in KiB.
fn own_memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as f64 / 1024.0
}

/// Part d: the cost of edits.
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
    missed |= at_least("throughput with edits, relative to that without", median(ratios), 0.97);
    // Checks that the edits reach the calls at all.
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

/// Part e: how a computing call affects others.
fn computing(program: &Path, scripts: &Path) -> bool {
    const TURNS: usize = 3;
    const LENGTH: Duration = Duration::from_millis(1500);
    let server = must_start(Whose::Ours, program, scripts, &[]);
    println!(
        "e. From a reply to the next command, in ms, {CALLS} calls at a time, and one more that computes all the time"
    );
    let mut missed = false;
    for (name, reply_delay) in [("at full load", Duration::ZERO), (PACED, REPLY_DELAY)] {
        let mut turns = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (computing, turns) in turns.iter_mut().enumerate() {
                turns.push(turn(&server, LENGTH, reply_delay, &[(CALLS, GAME), (computing, COMPUTE)]));
            }
        }
        let longest = |turn: &Turn| turn.waits.iter().copied().fold(0.0, f64::max);
        for (turns, with) in turns.iter().zip(["without", "with"]) {
            missed |= turns.iter().any(|turn| turn.failed);
            println!(
                "  {name}, {with} it: p99 {:.2}, longest {:.2} (medians of {TURNS} turns; the longest of all {:.2})",
                median_of(turns, |turn| percentile(turn.waits.clone(), 99)),
                median_of(turns, longest),
                turns.iter().map(longest).fold(0.0, f64::max),
            );
        }
        let longest = median_of(&turns[1], longest);
        missed |= at_most(&format!("milliseconds, the longest wait of another call {name}"), longest, 20.0);
    }
    missed
}

/// Part f: how soon a call beyond the maximum is refused.
fn busy(program: &Path, scripts: &Path) -> bool {
    const MAX_CALLS: usize = 100;
    const TRIES: usize = 500;
    let server = must_start(Whose::Ours, program, scripts, &["--max-calls", &MAX_CALLS.to_string()]);
    // The end of the first game may reach the server a moment later.
    std::thread::sleep(Duration::from_millis(200));
    let mut load = Load::new(server.address, false).unwrap();
    let held = load.hold(MAX_CALLS).unwrap();
    println!("f. {held} calls held of {MAX_CALLS}, {TRIES} further calls, one by one");
    if held < MAX_CALLS {
        println!("  NOT all calls are held: {}", load.failure().unwrap_or("too slow"));
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
        println!("  {} were NOT refused: {wrong}", TRIES - times.len());
    }
    let times = ms(&times);
    println!("  BUSY after {:.3} ms in the median", median(times.clone()));
    at_most("milliseconds to BUSY, p99", percentile(times, 99), 1.0) | wrong.is_some()
}

/// Part g: what calls that wait for a service cost others, and what memory they take.
fn asking(program: &Path, scripts: &Path) -> bool {
    const GAMES: usize = 2000;
    const ASKING: usize = 1000;
    const TURNS: usize = 5;
    const LENGTH: Duration = Duration::from_secs(2);
    const DELAY: Duration = Duration::from_millis(200);
    const ALL_AT_ONCE: &str = "at_once = 4000";
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", backend.local_addr().unwrap());
    // Accepts requests, and keeps them waiting as long as this program runs.
    std::thread::spawn(move || {
        let mut asked = Vec::new();
        while let Ok((stream, _)) = backend.accept() {
            asked.push(stream);
        }
    });
    let settings = scripts.join("agi-rhai.toml");
    let configure = |more: &str| {
        std::fs::write(&settings, format!("[http.never]\nurl = \"{url}\"\ntimeout = \"10m\"\n{more}\n")).unwrap();
    };
    println!(
        "g. {GAMES} calls at a time with pauses of {} ms, and {ASKING} more that ask a web API which never answers",
        DELAY.as_millis()
    );
    let options = ["--max-calls", "4000"];
    let mut missed = false;
    let memory = |ask: bool| {
        let server = must_start(Whose::Ours, program, scripts, &options);
        std::thread::sleep(Duration::from_secs(1));
        let before = server.memory().unwrap();
        let mut load = Load::new(server.address, false).unwrap();
        if ask {
            load.add(ASKING, ASK).unwrap();
            load.play(Duration::from_secs(4)).unwrap();
        } else {
            assert_eq!(load.hold(ASKING).unwrap(), ASKING);
            std::thread::sleep(Duration::from_secs(4));
        }
        (server.memory().unwrap().resident - before.resident) / ASKING as f64
    };
    configure("");
    let (held, asking) = (memory(false), memory(true));
    configure(ALL_AT_ONCE);
    println!(
        "  {asking:.1} KiB a call that asks, {held:.1} KiB a call in GET DATA, {:.1} KiB with a connection for each",
        memory(true)
    );
    missed |= at_most("KiB more than in GET DATA", asking - held, 6.0);
    let server = must_start(Whose::Ours, program, scripts, &options);
    let mut turns = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (asking, turns) in turns.iter_mut().enumerate() {
            let mut load = Load::new(server.address, false).unwrap();
            load.add(ASKING * asking, ASK).unwrap();
            load.play(Duration::from_secs(1)).unwrap();
            turns.push(turn(&server, LENGTH, DELAY, &[(GAMES, GAME)]));
        }
    }
    missed |= turns.iter().flatten().any(|turn| turn.failed);
    let p99 = |turn: &Turn| percentile(turn.waits.clone(), 99);
    let ratios = turns[1].iter().zip(&turns[0]).map(|(with, without)| p99(with) / p99(without)).collect();
    let [without, with] = turns.map(|turns| median_of(&turns, p99));
    println!("  from a reply to the next command, p99: {with:.2} ms with them, {without:.2} ms without");
    missed |= at_most("p99 with them, relative to that without (median of the pairs)", median(ratios), 1.1);
    std::fs::remove_file(settings).unwrap();
    missed
}

/// Starts a server that takes calls from this manager, too.
fn start_managed(manager: &mut Manager, program: &Path, scripts: &Path) -> Server {
    let secret = scripts.join("secret");
    std::fs::write(&secret, "any").unwrap();
    let user = format!("bench@{}", manager.address().unwrap());
    let options = ["--max-calls", "20000", "--manager", &user, "--manager-secret-file", secret.to_str().unwrap()];
    let server = must_start(Whose::Ours, program, scripts, &options);
    manager.accept().unwrap();
    server
}

/// Part h: calls over a manager connection beside calls of FastAGI.
fn async_agi(program: &Path, scripts: &Path, files: usize) -> bool {
    const AT_A_TIME: usize = 500;
    const LENGTH: Duration = Duration::from_secs(2);
    /// Asterisk looks at a channel without sound ten times a second.
    const PACE: Duration = Duration::from_millis(100);
    println!("h. AsyncAGI, {AT_A_TIME} calls at a time over one manager connection, beside as many of FastAGI");
    let mut missed = false;
    let mut managers = [Manager::new().unwrap(), Manager::new().unwrap()];
    managers[1].filter();
    let servers = managers.each_mut().map(|manager| start_managed(manager, program, scripts));
    let mut turns = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        turns[2].push(turn(&servers[0], LENGTH, Duration::ZERO, &[(AT_A_TIME, GAME)]));
        for (at, server) in servers.iter().enumerate() {
            turns[at].push(managed_turn(server, &mut managers[at], LENGTH, AT_A_TIME, Duration::ZERO));
        }
    }
    missed |= turns.iter().flatten().any(|turn| turn.failed);
    let names = ["AsyncAGI", "AsyncAGI with a filter of events", "FastAGI"];
    for (turns, name) in turns.iter().zip(names) {
        println!(
            "  {name}: {:.2} us of processor time a command of the script, {:.0} commands a second; the generator took \
             {:.2} us; from a reply to the next command p50 {:.2} ms, p99 {:.2}",
            median_of(turns, |turn| turn.cost),
            median_of(turns, |turn| turn.rate),
            median_of(turns, |turn| turn.generator),
            median_of(turns, |turn| percentile(turn.waits.clone(), 50)),
            median_of(turns, |turn| percentile(turn.waits.clone(), 99)),
        );
    }
    for (managed, name) in turns[..2].iter().zip(names) {
        let ratios = managed.iter().zip(&turns[2]).map(|(managed, fast)| managed.cost / fast.cost).collect();
        missed |= at_most(&format!("processor time of a command by {name}, relative to FastAGI"), median(ratios), 3.0);
    }
    let paced = managed_turn(&servers[0], &mut managers[0], Duration::from_secs(12), AT_A_TIME, PACE);
    let beside = turn(&servers[0], Duration::from_secs(12), PACE, &[(AT_A_TIME, GAME)]);
    missed |= paced.failed | beside.failed;
    // Those that FastAGI began at once don't count.
    let firsts = beside.firsts.get(AT_A_TIME - CALLS..).unwrap_or_default().to_vec();
    println!("  At a load with pauses of {} ms, in ms: p50 and p99", PACE.as_millis());
    for (name, turn, firsts) in [(names[0], &paced, &paced.firsts), (names[2], &beside, &firsts)] {
        println!(
            "  {name}: {:.2} and {:.2} from the start of a call to its first command ({} calls), {:.2} and {:.2} from a \
             reply to the next command; {:.0} commands a second, {:.2} us a command",
            percentile(firsts.clone(), 50),
            percentile(firsts.clone(), 99),
            firsts.len(),
            percentile(turn.waits.clone(), 50),
            percentile(turn.waits.clone(), 99),
            turn.rate,
            turn.cost,
        );
    }
    missed |= at_most("ms to the first command, p99", percentile(paced.firsts.clone(), 99), 5.0);
    drop(servers);
    for calls in [1000, HELD] {
        let held = |by_manager: bool| {
            let mut manager = Manager::new().unwrap();
            let server = start_managed(&mut manager, program, scripts);
            std::thread::sleep(Duration::from_secs(1));
            let before = server.memory().unwrap();
            let mut load = Load::new(server.address, false).unwrap();
            let wanted = calls.min(files.saturating_sub(100));
            let held = if by_manager { manager.hold(wanted).unwrap() } else { load.hold(wanted).unwrap() };
            println!("  {held} calls are held, by {}", if by_manager { "AsyncAGI" } else { "FastAGI" });
            std::thread::sleep(Duration::from_secs(3));
            (server.memory().unwrap().resident - before.resident) / held.max(1) as f64
        };
        let [fast, asynchronous] = [held(false), held(true)];
        println!("  KiB a call of {calls} that are held: {asynchronous:.2} by AsyncAGI, {fast:.2} by FastAGI");
        missed |= at_most("memory of a held call, relative to FastAGI", asynchronous / fast, 1.3);
    }
    missed
}

/// Runs a server under load by its manager.
fn managed_turn(server: &Server, manager: &mut Manager, length: Duration, calls: usize, reply_delay: Duration) -> Turn {
    manager.set_reply_delay(reply_delay);
    let look = || (server.processor_time().unwrap(), own_time(), server::machine_time().unwrap(), Instant::now());
    let (used, own, machine, start) = look();
    // One after the other, or they would go on in step.
    let every = if reply_delay.is_zero() { Duration::ZERO } else { length.mul_f64(0.4) / calls as u32 };
    let heard = manager.play(length, GAME, calls, every).unwrap();
    let (used_then, own_then, machine_then, end) = look();
    let rest = manager.finish().unwrap();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let (used, own, commands) = (us(used_then - used), us(own_then - own), heard.commands as f64);
    let [busy, all] = [0, 1].map(|at| (machine_then[at] - machine[at]) * 1e6);
    Turn {
        rate: commands / (end - start).as_secs_f64(),
        cost: used / commands,
        generator: own / commands,
        others: (busy - used - own).max(0.0) / all,
        firsts: ms(&heard.first),
        waits: ms(&heard.waits),
        failed: failures("AsyncAGI", &[&heard, &rest]),
    }
}

/// Part i: what a studio costs that shows the calls, and those that read nothing.
fn watched(program: &Path, scripts: &Path) -> bool {
    const AT_A_TIME: usize = 1000;
    const LENGTH: Duration = Duration::from_secs(4);
    /// A game on the phone sends a command every one to three seconds.
    const DELAY: Duration = Duration::from_millis(200);
    const DEAF: usize = 20;
    println!(
        "i. {AT_A_TIME} calls at a time, each with a command every {} ms, in turns of {} s: without a studio, with one \
         page that shows them, with {DEAF} more that read nothing",
        DELAY.as_millis(),
        LENGTH.as_secs()
    );
    let socket = scripts.join("control.sock");
    let options = ["--max-calls", "2000", "--control", socket.to_str().unwrap()];
    let server = must_start(Whose::Ours, program, scripts, &options);
    let studio = Studio::start(program, &socket, scripts).unwrap();
    let mut load = Load::new(server.address, true).unwrap();
    load.set_reply_delay(DELAY);
    load.add(AT_A_TIME, GAME).unwrap();
    let mut failed = failures("agi-rhai", &[&load.play(Duration::from_secs(3)).unwrap()]);
    let memory = || server.memory().unwrap().resident + studio.resident().unwrap();
    let (mut turns, mut more, mut told) = ([Vec::new(), Vec::new(), Vec::new()], Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (kind, turns) in turns.iter_mut().enumerate() {
            let before = memory();
            let reader = (kind > 0).then(|| studio.reader().unwrap());
            let deaf: Vec<_> = (0..if kind == 2 { DEAF } else { 0 }).map(|_| studio.deaf().unwrap()).collect();
            // The first lines tell of all calls; and for those that read nothing, the buffers of the system have to fill.
            failed |= failures("agi-rhai", &[&load.play(Duration::from_secs(2)).unwrap()]);
            let used = || server.processor_time().unwrap() + studio.processor_time().unwrap();
            let (start, then) = (Instant::now(), used());
            let heard = load.play(LENGTH).unwrap();
            let percent = (used() - then).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
            failed |= failures("agi-rhai", &[&heard]);
            turns.push((percent, percentile(ms(&heard.waits), 99)));
            if kind == 2 {
                more.push((memory() - before) / 1024.0);
            }
            drop(deaf);
            told.extend(reader.map(|reader| reader.end() as f64 / LENGTH.as_secs_f64() / 1024.0));
        }
    }
    let of = |kind: usize, figure: fn(&(f64, f64)) -> f64| median(turns[kind].iter().map(figure).collect());
    for (kind, name) in
        ["without a studio", "with one that watches", "with those that read nothing, too"].iter().enumerate()
    {
        println!(
            "  {name}: {:.1} % of a core for the server and the studio; from a reply to the next command, p99 {:.2} ms",
            of(kind, |turn| turn.0),
            of(kind, |turn| turn.1)
        );
    }
    println!("  the page is told {:.0} KiB a second", median(told));
    let pairs = |kind: usize, figure: fn(&(f64, f64), &(f64, f64)) -> f64| {
        median(turns[kind].iter().zip(&turns[0]).map(|(with, without)| figure(with, without)).collect())
    };
    let mut missed = failed;
    missed |= at_most("% of a core for a studio that watches", pairs(1, |with, without| with.0 - without.0), 5.0);
    missed |= at_most("p99 with a studio, relative to that without", pairs(1, |with, without| with.1 / without.1), 1.1);
    missed |= at_most("p99 with those that read nothing", pairs(2, |with, without| with.1 / without.1), 1.1);
    missed |= at_most("MiB of memory for those that read nothing", median(more), 32.0);
    missed | failures("agi-rhai", &[&load.finish().unwrap()])
}

fn is_busy(commands: &[String]) -> bool {
    let first = commands.first().map(|command| command.replace('"', "")).unwrap_or_default();
    first.trim_end() == "SET VARIABLE AGI_RHAI_STATUS BUSY"
}
