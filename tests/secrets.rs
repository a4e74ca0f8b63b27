//! Answers to secret questions appear neither in error messages nor in anything else that leaves the call.

use crate::support::process::{Folder, agi_rhai};
use crate::support::server::{Server, reply, wait_until};
use agi_rhai::command::Command;
use agi_rhai::host::Recorder;
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::PRINT_TARGET;
use agi_rhai::script::rhai::{self, NativeCallContext};
use agi_rhai::session::{Observer, Sent};
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Session};
use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

const PIN: &str = "47119358";

/// Values that a script may make of `pin`, and their text.
const FORMS: [(&str, &str); 7] = [
    ("pin", PIN),
    ("to_number(pin)", PIN),
    ("to_number(pin) + 1", "47119359"),
    ("backwards(pin)", "85391174"),
    ("pin.to_chars()", r#"'4', '7', '1'"#),
    ("#{ x: backwards(pin) }", "85391174"),
    ("pin.sub_string(0, 4)", "4711"),
];

/// Other arguments beside it.
const OTHERS: [&str; 4] = [r#""x""#, "2", "[1, 2]", "|x| x"];

/// Everything that is logged, except what scripts print on purpose.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() != PRINT_TARGET
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut all = self.0.lock().unwrap();
        event.record(&mut Fields(&mut all));
        all.push('\n');
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The length of a call isn't secret.
        if field.name() != "seconds" {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

/// Followed as by `agi-rhai calls show`.
impl Observer for Log {
    fn sent(&self, _: &'static Command, line: &Sent<'_>, script: &str, place: usize, _: agi_rhai::clock::Time) {
        let _ = writeln!(self.0.lock().unwrap(), "> {line}    [{script}:{place}]");
    }

    fn heard(&self, _: &'static Command, shown: &dyn Display, _: agi_rhai::clock::Time) {
        let _ = writeln!(self.0.lock().unwrap(), "< {shown}");
    }
}

/// Returns everything that leaves a call which does this after a secret was answered: what is reported, and what is
/// recorded. `None` if it cannot be compiled.
fn output_of(host: &Host, folder: &Folder, text: &str) -> Option<[String; 2]> {
    let script = host.compile("pin.rhai", text).ok()?;
    let log = Log::default();
    let plan = Plan::parse(&format!("presses {PIN} when vm-password")).unwrap();
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(plan)));
    let transcript = simulator.transcript();
    let mut session = Session::begin(Box::new(simulator)).unwrap();
    session.observe(Arc::new(log.clone()));
    let outcome = tracing::subscriber::with_default(log.clone(), || host.run(session, &script, vec![]));
    let mut all = log.0.lock().unwrap().clone();
    for line in
        transcript.lock().unwrap().iter().filter(|line| line.contains("AGI_RHAI_") || line.contains("agi-rhai: "))
    {
        let _ = writeln!(all, "{line}");
    }
    if let Some(fault) = &outcome.fault {
        let _ = writeln!(all, "{fault}\n{}", fault.render(false));
    }
    let mut recorded = String::new();
    for file in fs::read_dir(folder.path("calls")).unwrap() {
        let path = file.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap();
        let said = lines.lines().skip(1).map(|line| line.split_once(',').unwrap().1);
        recorded.extend(said.flat_map(|line| [line, "\n"]));
        fs::remove_file(path).unwrap();
    }
    Some([all, recorded])
}

fn host(folder: &Folder) -> Host {
    let mut host = Host::new();
    host.record(Arc::new(Recorder::new(&folder.path("calls")).redacting()));
    host.set_seed(7);
    host.log_digits(true);
    host
}

/// Returns the functions of a call's engine, Rhai's own and ours, with their numbers of arguments.
fn functions() -> BTreeSet<(String, usize)> {
    let found: Arc<Mutex<BTreeSet<(String, usize)>>> = Arc::default();
    let mut host = Host::new();
    let all = Arc::clone(&found);
    let mut module = rhai::Module::new();
    let list = move |context: NativeCallContext| -> Result<(), Box<rhai::EvalAltResult>> {
        let every = context.engine().collect_fn_metadata(
            None,
            |f| Some((f.metadata.name.to_string(), f.metadata.num_params)),
            true,
        );
        all.lock().unwrap().extend(every);
        Ok(())
    };
    rhai::FuncRegistration::new("list_all").in_global_namespace().set_into_module(&mut module, list);
    host.language_mut().add(module);
    let script = host.compile("list.rhai", "list_all();").unwrap();
    let line = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::parse("").unwrap())));
    host.run(Session::begin(Box::new(line)).unwrap(), &script, vec![]);
    let found = found.lock().unwrap().clone();
    assert!(
        found.len() > 200 && found.contains(&("say_digits".to_owned(), 2)) && found.contains(&("split".to_owned(), 2))
    );
    found
}

/// Returns a call of the function as a script writes it.
fn call_text(name: &str, args: &[&str]) -> String {
    if let Some(property) = name.strip_prefix("get$") {
        return format!("({}).{property}", args[0]);
    }
    if let Some(property) = name.strip_prefix("set$") {
        return format!("let o = {}; o.{property} = {}", args[0], args[1]);
    }
    match (name, args) {
        ("index$get$", [of, at]) => format!("({of})[{at}]"),
        ("index$set$", [of, at, to]) => format!("let o = {of}; o[{at}] = {to}"),
        _ if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => format!("{name}({})", args.join(", ")),
        (_, [one, other]) => format!("({one}) {name} ({other})"),
        _ => format!("{name}({})", args.join(", ")),
    }
}

/// Uses of a value in the syntax of the language, without a function.
const SYNTAX: [&str; 24] = [
    "throw X",
    "throw #{ message: X, kind: X, command: X }",
    "throw `no ${X}`",
    "Fn(X).call(1)",
    "Fn(`${X}`).call(X, X)",
    "call(X)",
    "X.call()",
    "X.nothing",
    "X.nothing()",
    "X.nothing = X",
    "[1, 2][X]",
    "#{}[X].y",
    r#""abc"[X]"#,
    "1[X]",
    "X && true",
    "!X",
    "for x in X { throw x }",
    "while X { break }",
    "if X { 1 }",
    "switch X { 1 => 2, _ => throw X }",
    "let f = |x| throw x; f.call(X)",
    "X ?? throw X",
    "(X) in 5",
    "let o = 5; o += X",
];

/// Where it happens: at the top, rethrown, and in the function that a question calls.
const PLACES: [&str; 3] = [
    "let pin = ask(\"vm-password\", #{ max: 8, secret: true });\nWHAT;\n",
    "let pin = ask(\"vm-password\", #{ max: 8, secret: true });\ntry { WHAT; } catch (e) { throw e }\n",
    "ask(\"vm-password\", #{ max: 8, secret: true, tries: 1, valid: |pin| { WHAT; true } });\n",
];

const BACKWARDS: &str = "fn backwards(text) { let back = \"\"; for c in text { back = c + back; } back }\n";

#[test]
fn no_function_and_no_operator_reveals_a_secret() {
    let functions = functions();
    // A script may print a secret on purpose.
    let kept = |name: &str| !["print", "debug"].contains(&name);
    let mut cases: Vec<(String, &str)> = Vec::new();
    for (form, shown) in FORMS {
        for (name, arity) in functions.iter().filter(|(name, arity)| *arity > 0 && kept(name)) {
            cases.push((call_text(name, &vec![form; *arity]), shown));
        }
        cases.extend(SYNTAX.map(|syntax| (syntax.replace('X', &format!("({form})")), shown)));
    }
    // The secret in one place, and harmless values in the others.
    for (name, arity) in functions.iter().filter(|(name, arity)| *arity > 1 && kept(name)) {
        for (number, other) in OTHERS.iter().enumerate() {
            for at in 0..*arity.min(&3) {
                for (form, shown) in [FORMS[0], FORMS[(number + at) % FORMS.len()]] {
                    let mut args = vec![*other; *arity];
                    args[at] = form;
                    cases.push((call_text(name, &args), shown));
                }
            }
        }
    }
    let threads = 2;
    let ran = std::thread::scope(|scope| {
        let turns = (0..threads).map(|turn| {
            let cases = &cases;
            let run = move || {
                let folder = Folder::new();
                let host = host(&folder);
                let (mut ran, mut faults) = (0, 0);
                for (number, (what, shown)) in cases.iter().enumerate().filter(|(number, _)| number % threads == turn) {
                    let place = PLACES[number % PLACES.len()];
                    let text = format!("{BACKWARDS}{}", place.replace("WHAT", what));
                    let Some([reported, recorded]) = output_of(&host, &folder, &text) else { continue };
                    ran += 1;
                    // The version of a script may be any digits, too.
                    let version = reported.split("AGI_RHAI_VERSION\" \"").nth(1).and_then(|rest| rest.get(..8));
                    let reported =
                        version.map_or_else(|| reported.clone(), |version| reported.replace(version, "VERSION"));
                    faults += usize::from(reported.contains("values are left out"));
                    // Stand-ins are drawn at random, and may be any four digits.
                    let long = [PIN, shown].into_iter().filter(|form| form.len() > 4);
                    let leaks = [PIN, shown, "4711", "9358", "8539"].into_iter().find(|form| reported.contains(form));
                    let leaks = leaks.or_else(|| { long }.find(|form| recorded.contains(form)));
                    assert!(leaks.is_none(), "{leaks:?} of\n{text}\nleaves:\n{reported}\n{recorded}");
                }
                (ran, faults)
            };
            std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, run).unwrap()
        });
        let turns: Vec<_> = turns.collect();
        turns.into_iter().map(|turn| turn.join().unwrap()).fold((0, 0), |all, turn| (all.0 + turn.0, all.1 + turn.1))
    });
    assert!(ran.0 * 10 > cases.len() * 9, "most cases should run: {ran:?} of {}", cases.len());
    assert!(ran.1 * 3 > cases.len(), "many should be faults: {ran:?} of {}", cases.len());
}

/// Errors of our own functions that a script catches and rethrows.
#[test]
fn rethrown_errors_of_our_functions_reveal_no_secret() {
    let language = agi_rhai::script::Language::new();
    let folder = Folder::new();
    let host = host(&folder);
    let mut caught = 0;
    for (name, arity) in functions() {
        let ours = language.function(&name).is_some() || ["parse_int", "parse_float"].contains(&name.as_str());
        if arity == 0 || !ours {
            continue;
        }
        for form in ["pin + \"x\"", "[pin]", "to_number(pin)"] {
            let what = call_text(&name, &vec![form; arity]);
            let text = format!(
                "let pin = ask(\"vm-password\", #{{ max: 8, secret: true }});\ntry {{ {what}; }} catch (e) {{ \
                 set_variable(\"AGI_RHAI_CAUGHT\", if type_of(e) == \"map\" {{ e.message }} else {{ `${{e}}` }}); }}"
            );
            let Some([reported, _]) = output_of(&host, &folder, &text) else { continue };
            caught += usize::from(reported.contains("AGI_RHAI_CAUGHT"));
            assert!(!reported.contains("4711"), "{text}\nleaves:\n{reported}");
        }
    }
    assert!(caught > 50, "{caught} were caught");
}

/// The same with the program itself: the log, the list of calls, the metrics, and what Asterisk receives.
#[test]
fn a_server_reveals_no_secret() {
    let folder = Folder::new();
    folder.file(
        "scripts/pin.rhai",
        "let pin = ask(\"vm-password\", #{ max: 8, secret: true });\nsay_digits(pin);\nset_variable(\"PIN\", pin);\n\
         database_put(\"pin\", \"1\", pin);\nstream_file(pin);\nif pin < 5 { }\n",
    );
    let server = Server::start(&folder, &["--unchecked", "--log-level", "trace", "--log-digits"]);
    let mut peer = server.call("pin");
    peer.hears("GET DATA \"vm-password\" 5000 1");
    let mut show = agi_rhai(["calls", "show", "1", "--control", server.control.to_str().unwrap()]);
    let mut show = show.stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(show.stdout.take().unwrap());
    shown.read_line(&mut String::new()).unwrap();
    peer.send("200 result=4\n");
    let said = peer.play_with(|line| match line {
        "GET DATA \"\" 2000 7" => Some("200 result=7119358".to_owned()),
        line if line.starts_with("STREAM FILE") => Some("200 result=-1".to_owned()),
        line => Some(reply(line).to_owned()),
    });
    let mut reported = String::new();
    shown.read_to_string(&mut reported).unwrap();
    show.wait().unwrap();
    assert!(reported.contains("> SAY DIGITS •••") && reported.contains("> DATABASE PUT •••"), "{reported}");
    let error = said.variable("AGI_RHAI_ERROR").unwrap();
    assert!(error.contains("pin.rhai:6:8: a text is compared with a number by `<`"), "{error}");
    reported.push_str(error);
    wait_until("it is logged", || server.log().contains("call ended"));
    let log = server.log();
    assert!(log.contains("sound file missing") && log.contains("source=\"if pin < 5 { }\""), "{log}");
    reported.push_str(&log);
    // Without its values, whose digits are anything.
    for line in server.page("/metrics").1.lines() {
        let (name, _) = line.rsplit_once(' ').unwrap();
        reported.extend([name, "\n"]);
    }
    for line in said.lines.iter().filter(|line| line.starts_with("VERBOSE")) {
        reported.push_str(line);
    }
    for part in ["7119358", "4711", "9358"] {
        let reported =
            reported.lines().filter(|line| line.contains(part) && !line.contains("seed=")).collect::<Vec<_>>();
        assert!(reported.is_empty(), "{reported:#?}");
    }
}
