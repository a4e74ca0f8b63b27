//! Measures the README's figures: `cargo bench`. Ratios matter, since machines differ.
//!
//! The programs in benches/peers play the same ten rounds over pipes. One that cannot run here is left out with a note.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures real time and prints it")]
#![allow(clippy::pedantic, reason = "as in the tests")]

use agi_rhai::command::{GET_DATA, Value};
use agi_rhai::pbx::{Channel, IncomingCall, Plan, Sounds};
use agi_rhai::transport::{Simulator, Stream};
use agi_rhai::{Host, Session, Status};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RUNS: usize = 300;
const ENVIRONMENT: &str = "agi_request: game\nagi_channel: PJSIP/alice-00000001\nagi_language: en\nagi_type: PJSIP\n\
    agi_uniqueid: 1700000000.12\nagi_version: 22.10.1\nagi_callerid: 201\nagi_calleridname: Alice\nagi_callingpres: 0\n\
    agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 500\nagi_rdnis: unknown\nagi_context: game\n\
    agi_extension: 500\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 140112990996160\n\n";

fn main() {
    let mut missed = false;
    missed |= processes();
    missed |= per_command();
    missed |= whole_game();
    if missed {
        std::process::exit(1);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn goal(name: &str, figure: f64, max: f64) -> bool {
    let met = figure <= max;
    println!("  {name}: {figure:.3} (goal: at most {max:.3}) {}", if met { "met" } else { "MISSED" });
    !met
}

/// Plays one game with a program. Returns the time to its first command, and to its end.
fn play(program: &[String]) -> io::Result<(Duration, Duration)> {
    let start = Instant::now();
    let mut child = Command::new(&program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    input.write_all(ENVIRONMENT.as_bytes())?;
    let mut output = BufReader::new(output);
    let (mut first, mut commands, mut said, mut line) = (None, 0, Vec::new(), String::new());
    while output.read_line(&mut line)? > 0 {
        first.get_or_insert_with(|| start.elapsed());
        commands += 1;
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = match words[..] {
            ["SAY", "NUMBER", number, ..] => {
                said.push(number.trim_matches('"').parse().unwrap_or(0));
                "200 result=0\n".to_owned()
            }
            ["GET", "DATA", ..] => {
                let answer: i64 = said[said.len() - 2] - said[said.len() - 1];
                format!("200 result={answer}\n")
            }
            ["STREAM", "FILE", ..] => "200 result=0 endpos=8000\n".to_owned(),
            ["SET", "VARIABLE", ..] => "200 result=1\n".to_owned(),
            _ => "200 result=0\n".to_owned(),
        };
        let _ = input.write_all(reply.as_bytes());
        line.clear();
    }
    let status = child.wait()?;
    let all = start.elapsed();
    if !status.success() || commands < 53 {
        return Err(io::Error::other(format!("{} ended with {status} after {commands} commands", program[0])));
    }
    Ok((first.unwrap_or(all), all))
}

fn processes() -> bool {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let file = |name: &str| peers.join(name).to_string_lossy().into_owned();
    let made = Command::new("make").arg("-C").arg(&peers).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("the C program cannot be built here (make, gcc)");
    }
    let python =
        if peers.join("build/venv/bin/python").exists() { file("build/venv/bin/python") } else { "python3".to_owned() };
    // A copy, as an installed program is: from the file that the linker has written, it starts slower.
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agi-rhai");
    std::fs::copy(env!("CARGO_BIN_EXE_agi-rhai"), &installed).expect("a copy of the program");
    let mut programs = vec![
        ("agi-rhai", vec![installed.to_string_lossy().into_owned(), file("subtraction10.rhai")], Vec::new()),
        ("C", vec![file("build/subtraction")], Vec::new()),
        ("Perl, Asterisk::AGI", vec!["perl".to_owned(), file("subtraction.pl")], Vec::new()),
        ("Python 3, pyst2", vec![python, file("subtraction.py")], Vec::new()),
    ];
    programs.retain(|(name, program, _)| match play(program) {
        Ok(_) => true,
        Err(error) => {
            println!("{name} is left out: {error}");
            false
        }
    });
    // By turns, so that a machine whose speed drifts affects all programs alike.
    for run in 0..RUNS {
        for (name, program, times) in &mut programs {
            if name.starts_with("Python") && run % 10 > 0 {
                continue;
            }
            times.push(play(program).expect("it ran before"));
        }
    }
    println!("Ten rounds over pipes, median of {RUNS} runs, in ms: to the first command, and the whole process");
    let medians: Vec<(&str, Duration, Duration)> = programs
        .into_iter()
        .map(|(name, _, times)| {
            (name, median(times.iter().map(|t| t.0).collect()), median(times.iter().map(|t| t.1).collect()))
        })
        .collect();
    for (name, first, all) in &medians {
        println!("  {name}: {:.2} and {:.2}", ms(*first), ms(*all));
    }
    let mut missed = false;
    let (_, first, all) = medians[0];
    for (name, other_first, other_all) in &medians[1..] {
        let max = if *name == "C" {
            2.5
        } else if name.starts_with("Perl") {
            1.0 / 3.0
        } else {
            1.0 / 20.0
        };
        missed |= goal(&format!("first command, relative to {name}"), ms(first) / ms(*other_first), max);
        missed |= goal(&format!("whole process, relative to {name}"), ms(all) / ms(*other_all), max);
    }
    missed
}

/// A peer in memory that replies to every line at once.
#[derive(Clone)]
struct Echo(Arc<Mutex<VecDeque<u8>>>);

impl Write for Echo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(b"200 result=17\n");
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Echo {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().read(buffer)
    }
}

fn per_command() -> bool {
    const COMMANDS: u32 = 200_000;
    let echo = Echo(Arc::new(Mutex::new(ENVIRONMENT.bytes().collect())));
    let mut session = Session::begin(Box::new(Stream::new(echo.clone(), echo))).unwrap();
    let get_data = &GET_DATA;
    let args = [Value::from("subtraction-game-equals"), Value::from(5000), Value::from(2)];
    let mut passes = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..COMMANDS / 7 {
            assert_eq!(session.invoke(get_data, &args), Ok(Value::from("17")));
        }
        passes.push(start.elapsed() / (COMMANDS / 7));
    }
    let session_only = median(passes);
    let host = Host::new();
    let loops = 50_000;
    let text = format!("for n in 0..{loops} {{ get_data(\"subtraction-game-equals\", 5000, 2); }}");
    let script = host.compile("loop.rhai", &text).unwrap();
    let echo = Echo(Arc::new(Mutex::new(ENVIRONMENT.bytes().collect())));
    let session = Session::begin(Box::new(Stream::new(echo.clone(), echo))).unwrap();
    let start = Instant::now();
    assert_eq!(host.run(session, &script, vec![]).status, Status::Success);
    let scripted = start.elapsed() / loops;
    println!("One GET DATA against a peer in memory: {session_only:?}; as a line of a script in a loop: {scripted:?}");
    goal("microseconds of the host's own work per command", session_only.as_secs_f64() * 1e6, 3.0)
        | goal("microseconds of a command in a script", scripted.as_secs_f64() * 1e6, 3.0)
}

fn whole_game() -> bool {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let prompts = std::fs::read_to_string(scripts.join("subtraction.prompts")).unwrap();
    let sounds = Arc::new(Sounds::stock().with_prompts(&prompts).unwrap());
    let mut times = Vec::new();
    let mut commands = 0;
    for _ in 0..50 {
        let start = Instant::now();
        let host = Host::new();
        let script = host.load(&scripts.join("subtraction.rhai"), None).unwrap();
        let mut plan = String::from("presses 7# after 10s");
        for _ in 0..15 {
            plan.push_str(", presses 7# after 10s");
        }
        let channel = Channel::new(IncomingCall::default(), Box::new(Plan::parse(&plan).unwrap()))
            .with_sounds(Arc::clone(&sounds));
        let session = Session::begin(Box::new(Simulator::new(channel))).unwrap();
        let outcome = host.run(session, &script, vec![]);
        assert_eq!(outcome.status, Status::Success);
        assert!(outcome.length.as_secs() >= 180);
        commands = outcome.commands;
        times.push(start.elapsed());
    }
    let time = median(times);
    println!("The 180-second game in the simulator, script compiled, {commands} commands: {time:?}");
    goal("milliseconds", ms(time), 5.0)
}
