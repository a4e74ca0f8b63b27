//! Every example of the table runs twice: against a scripted peer, which checks the lines sent and gives the declared
//! replies, and against the simulator, which must give the same replies by itself.

use agi_rhai::command::{COMMANDS, Command, Example, Hears, OnMinusOne, Plays, Returns};
use agi_rhai::internals::BUILTINS;
use agi_rhai::internals::QUESTIONS;
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::transport::{Simulator, Stream, Transport};
use agi_rhai::{Host, Session, Status};
use rhai::{Dynamic, Module};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

/// Runs an example's script and returns its result in the notation of `Example::value`.
fn run(script: &str, transport: Box<dyn Transport>) -> String {
    let noted = Arc::new(Mutex::new(None));
    let mut module = Module::new();
    let note = Arc::clone(&noted);
    module.set_native_fn("note", move |value: Dynamic| {
        *note.lock().unwrap() = Some(format!("{value:?}"));
        Ok(())
    });
    let note = Arc::clone(&noted);
    module.set_native_fn("note_error", move |text: &str| {
        *note.lock().unwrap() = Some(text.to_owned());
        Ok(())
    });
    let mut host = Host::new();
    host.language_mut().add(module);
    let (before, last) = script.rsplit_once("; ").map_or(("", script), |(before, last)| (before, last));
    let text = format!("try {{ {before}; note({last}); }} catch (e) {{ note_error(`${{e.kind}}: ${{e.message}}`); }}");
    let script = host.compile("example.rhai", &text).unwrap_or_else(|fault| panic!("{}", fault.render(false)));
    let outcome = host.run(Session::begin(transport).unwrap(), &script, vec![]);
    let noted = noted.lock().unwrap().take();
    match (noted, outcome.status) {
        (Some(value), Status::Success) => value,
        (None, Status::Success) => "end".to_owned(),
        (None, Status::Hangup) => "hangup".to_owned(),
        (_, status) => format!("{status}: {:?}", outcome.fault.map(|fault| fault.to_string())),
    }
}

/// The other end of a connection: replies to each line with the next reply.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<PeerState>>);

#[derive(Default)]
struct PeerState {
    sent: Vec<String>,
    replies: VecDeque<String>,
    out: VecDeque<u8>,
}

impl Peer {
    fn new(reply: &str) -> Self {
        let mut replies = VecDeque::new();
        let mut open = String::new();
        for line in reply.lines() {
            open.push_str(line);
            open.push('\n');
            let code =
                line.get(..4).is_some_and(|code| code.ends_with(' ') && code[..3].bytes().all(|b| b.is_ascii_digit()));
            if code && !line.starts_with("100") {
                replies.push_back(std::mem::take(&mut open));
            }
        }
        let peer = Self::default();
        let mut desk = peer.0.lock().unwrap();
        desk.out.extend(b"agi_request: example\nagi_version: 22.10.1\nagi_callerid: unknown\nagi_threadid: 1\n\n");
        desk.replies = replies;
        drop(desk);
        peer
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut desk = self.0.lock().unwrap();
        let line = String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        let reply = match desk.replies.pop_front() {
            Some(reply) => reply,
            None => "200 result=1\n".to_owned(),
        };
        desk.out.extend(reply.bytes());
        if !line.starts_with("SET VARIABLE \"AGI_RHAI_") {
            desk.sent.push(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().out.read(buffer)
    }
}

fn examples() -> impl Iterator<Item = (&'static str, &'static Example)> {
    let commands = COMMANDS.iter().map(|command| &command.function);
    commands
        .chain(BUILTINS.iter().chain(QUESTIONS).copied())
        .flat_map(|f| f.examples.iter().map(|example| (f.name, example)))
}

#[test]
fn every_example_runs_against_a_scripted_peer() {
    for (name, example) in examples().filter(|(_, example)| !example.script.contains("sleep")) {
        let peer = Peer::new(example.reply);
        let value = run(example.script, Box::new(Stream::new(peer.clone(), peer.clone())));
        assert_eq!(peer.0.lock().unwrap().sent.join("\n"), example.sends, "{name}: what `{}` sends", example.script);
        assert_eq!(value, example.value, "{name}: the value of `{}`", example.script);
    }
}

#[test]
fn every_example_runs_against_the_simulator() {
    for (name, example) in examples() {
        let plan = Plan::parse(example.caller).unwrap();
        let simulator =
            Simulator::new(Channel::new(IncomingCall { callerid: None, ..IncomingCall::default() }, Box::new(plan)));
        let transcript = simulator.transcript();
        let value = run(example.script, Box::new(simulator));
        let lines = transcript.lock().unwrap().clone();
        let end = lines.iter().position(|line| line.starts_with("C: SET VARIABLE \"AGI_RHAI_"));
        let mut lines = lines[..end.unwrap_or(lines.len())].to_vec();
        // A notice before the host's own last commands belongs to those.
        if lines.last().is_some_and(|line| line == "S: HANGUP") {
            lines.pop();
        }
        let pick = |mark: &str| lines.iter().filter_map(|line| line.strip_prefix(mark)).collect::<Vec<_>>().join("\n");
        assert_eq!(pick("C: "), example.sends, "{name}: what `{}` sends", example.script);
        assert_eq!(pick("S: "), example.reply, "{name}: how the simulator answers `{}`", example.script);
        assert_eq!(value, example.value, "{name}: the value of `{}`", example.script);
    }
}

#[test]
fn the_table_is_complete() {
    assert!(COMMANDS.len() >= 47, "the 46 commands of res_agi, and GOSUB");
    for (number, command) in COMMANDS.iter().enumerate() {
        let function = &command.function;
        let name = function.name;
        assert_eq!(name, command.verb.to_lowercase().replace(' ', "_"), "a function is named by its verb");
        assert!(COMMANDS[..number].iter().all(|other| other.verb != command.verb), "{name} is declared twice");
        assert!(!function.examples.is_empty(), "{name} has no example");
        // A row states what is private, and its columns agree.
        assert_ne!(command.hears, Hears::Unstated, "{name}");
        assert_ne!(command.subject, Command::UNSTATED.subject, "{name}");
        let (is_key, is_digits) = (command.hears == Hears::Key, matches!(command.hears, Hears::Digits { .. }));
        assert_eq!(is_key, matches!(function.returns, Returns::Key), "{name}: the key it returns is what it hears");
        assert_eq!(is_digits, matches!(function.returns, Returns::Digits), "{name}: so are the digits");
        if matches!(command.on_minus_one, OnMinusOne::MissingSound(_)) {
            assert!(matches!(command.plays, Plays::Sound(_)), "{name}: which sound is missing?");
        }
        assert!(command.words.start() >= &0 && command.words.start() <= command.words.end(), "{name}");
    }
    let functions = COMMANDS.iter().map(|command| &command.function).chain(BUILTINS.iter().chain(QUESTIONS).copied());
    for function in functions {
        let name = function.name;
        assert!(function.summary.ends_with('.') && !function.summary.contains(". "), "{name}: one sentence");
        assert!(function.summary.starts_with(char::is_uppercase), "{name}");
        for param in function.params {
            assert!(param.doc.len() > 5 && param.doc.ends_with('.'), "{name}: `{}` is not documented", param.name);
        }
    }
    let failing = |wanted: fn(&Returns) -> bool| {
        let failed = |e: &Example| ["failed: ", "refused: ", "argument: "].iter().any(|k| e.value.starts_with(k));
        COMMANDS.iter().any(|c| wanted(&c.function.returns) && c.function.examples.iter().any(failed))
    };
    assert!(failing(|r| matches!(r, Returns::Nothing(_))));
    assert!(failing(|r| matches!(r, Returns::Text { .. })));
    assert!(failing(|r| matches!(r, Returns::Flag { .. })));
    assert!(failing(|r| matches!(r, Returns::Shape { .. })));
}
