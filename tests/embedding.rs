//! The host embedded in another program: what that program's functions can do in a call, and can't do to it.

use agi_rhai::command::{DATABASE_GET, DATABASE_PUT, Value};
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::Call;
use agi_rhai::transport::Simulator;
use agi_rhai::{Host, Outcome, Session, Status};
use rhai::{Dynamic, EvalAltResult, FnPtr, Module, NativeCallContext};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// Runs a script with these functions. Returns how the call ended, and the commands sent.
fn play(module: Module, script: &str, caller: &str) -> (Outcome, Vec<String>) {
    let mut host = Host::new();
    host.language_mut().add(module);
    let script = host.compile("embedded.rhai", script).unwrap();
    let plan: Plan = caller.parse().unwrap();
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(plan)));
    let transcript = simulator.transcript();
    let (sender, ended) = channel();
    // On a thread of its own, so that a call that hangs fails the test instead of hanging it.
    std::thread::spawn(move || {
        let outcome = host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
        let _ = sender.send(outcome);
    });
    let outcome = ended.recv_timeout(Duration::from_secs(20)).expect("the call hangs");
    let lines = transcript.lock().unwrap();
    (outcome, lines.iter().filter_map(|line| line.strip_prefix("C: ")).map(str::to_owned).collect())
}

#[test]
fn a_function_sends_commands_and_reads_the_session() {
    let mut module = Module::new();
    module.set_native_fn("remember", |context: NativeCallContext, value: &str| -> Result<Dynamic> {
        let call = Call::of(&context)?;
        let caller = call.with_session(|session| session.environment().get("agi_callerid").unwrap().into_owned())?;
        call.invoke(&DATABASE_PUT, &["calls".into(), caller.as_str().into(), value.into()])?;
        match call.invoke(&DATABASE_GET, &["calls".into(), caller.as_str().into()])? {
            Value::Text(text) => Ok(text.into()),
            other => Err(format!("{other:?}").into()),
        }
    });
    let (outcome, lines) = play(module, r#"verbose(remember("seven"));"#, "");
    assert_eq!(outcome.status, Status::Success);
    assert_eq!(
        lines[..3],
        [r#"DATABASE PUT "calls" "100" "seven""#, r#"DATABASE GET "calls" "100""#, r#"VERBOSE "seven" 1"#]
    );
}

#[test]
fn a_hangup_in_a_function_ends_the_script_and_a_refusal_can_be_caught() {
    let functions = || {
        let mut module = Module::new();
        module.set_native_fn("put", |context: NativeCallContext, key: &str| -> Result<()> {
            Call::of(&context)?.invoke(&DATABASE_PUT, &["family".into(), key.into(), "1".into()])?;
            Ok(())
        });
        module
    };
    let caught = r#"try { put("a\nb"); } catch (error) { verbose(error.kind + " " + error.line); }"#;
    let (outcome, lines) = play(functions(), caught, "");
    assert_eq!((outcome.status, lines[0].as_str()), (Status::Success, r#"VERBOSE "argument 1" 1"#));
    let gone = r#"sleep(2); try { put("a"); } catch { } verbose("unheard"); fn on_hangup() { put("b"); }"#;
    let (outcome, lines) = play(functions(), gone, "hangs up after 1s");
    assert_eq!(outcome.status, Status::Hangup);
    assert_eq!(lines[0], r#"DATABASE PUT "family" "b" "1""#, "{lines:?}");
}

#[test]
fn values_of_a_call_stay_in_that_call() {
    #[derive(Default)]
    struct Count(AtomicU32);
    let mut module = Module::new();
    module.set_native_fn("count", |context: NativeCallContext| -> Result<i64> {
        let count = Call::of(&context)?.extensions().get_or_default::<Count>();
        Ok(i64::from(count.0.fetch_add(1, Ordering::Relaxed)))
    });
    let mut host = Host::new();
    host.language_mut().add(module);
    let script = host.compile("count.rhai", "count(); count(); verbose(`${count()}`);").unwrap();
    for _ in 0..2 {
        let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::default())));
        let transcript = simulator.transcript();
        host.run(Session::begin(Box::new(simulator)).unwrap(), &script, vec![]);
        let lines = transcript.lock().unwrap();
        assert!(lines.contains(&r#"C: VERBOSE "2" 1"#.to_owned()), "{lines:?}");
    }
}

#[test]
fn a_function_calls_what_its_script_does_not_name() {
    let mut module = Module::new();
    module.set_native_fn("greet", |context: NativeCallContext| -> Result<Dynamic> {
        context.call_native_fn("verbose", ("hello",))
    });
    let (outcome, lines) = play(module, "greet();", "");
    assert!(outcome.fault.is_none(), "{:?}", outcome.fault);
    assert!(lines.contains(&"VERBOSE \"hello\" 1".to_owned()), "{lines:?}");
}

/// Whatever a function does while it holds the session, it gets an error, and the call ends with a status.
#[test]
fn nothing_a_function_does_with_the_session_hangs_the_call() {
    type Attempt = fn(&NativeCallContext, &Call, &FnPtr) -> Result<Dynamic>;
    let tries: [(&str, Attempt); 6] = [
        ("invoke", |_, call, _| {
            call.invoke(&DATABASE_PUT, &["a".into(), "b".into(), "c".into()]).map(|_| Dynamic::UNIT)
        }),
        ("pause", |_, call, _| call.pause(Duration::from_secs(1)).map(|()| Dynamic::UNIT)),
        ("with_session", |_, call, _| call.with_session(|_| ()).map(|()| Dynamic::UNIT)),
        ("a command", |context, _, _| context.call_native_fn("answer", ())),
        ("a question", |context, _, _| context.call_native_fn("ask", ("beep",))),
        ("a closure", |context, _, closure| closure.call_within_context(context, ())),
    ];
    for (name, attempt) in tries {
        let mut module = Module::new();
        module.set_native_fn("attempt", move |context: NativeCallContext, closure: FnPtr| -> Result<Dynamic> {
            let call = Call::of(&context)?;
            let result = call.with_session(|_| attempt(&context, &call, &closure))?;
            assert!(result.is_err(), "{result:?}");
            result
        });
        let script = r#"try { attempt(|| { print("inside"); print(env.agi_channel); 7 }); } catch { } verbose("on");"#;
        let (outcome, lines) = play(module, script, "");
        // Running the script inside ends it; it can catch the rest.
        let runs_it = ["a command", "a question", "a closure"].contains(&name);
        let went_on = lines.iter().any(|line| line.contains("VERBOSE \"on\""));
        assert_eq!((outcome.status == Status::Failure, went_on), (runs_it, !runs_it), "{name}: {:?}", outcome.fault);
        if let Some(fault) = outcome.fault {
            assert_eq!(fault.message, "a function called the script inside `with_session`", "{name}");
        }
    }
}

/// A stack as small as a program may give one of its threads.
const SMALL_STACK: usize = 128 * 1024;

/// Runs this on a thread with a small stack. An overflow ends the process.
fn on_a_small_stack<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(SMALL_STACK).spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

/// Scripts that use as much stack as they can.
fn deep_scripts() -> Vec<String> {
    let nested = |open: &str, middle: &str, close: &str, depth: usize| {
        format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    let mut scripts = vec![
        "fn f(n) { if n == 0 { 0 } else { 1 + f(n - 1) } } f(60);".to_owned(),
        "fn f(n) { f(n + 1) } f(0);".to_owned(),
        "let a = []; loop { let b = || a; a = [b]; }".to_owned(),
    ];
    for depth in [30, 1_000] {
        scripts.push(nested("if true { ", "0;", " }", depth));
        scripts.push(format!("let x = {};", nested("(1 + ", "0", ")", depth)));
        scripts.push(format!("let x = {};", nested("[", "0", "]", depth)));
        scripts.push(format!("let x = {};", nested("#{ a: ", "0", " }", depth)));
        scripts.push(format!("let x = {};", nested("|| ", "0", "", depth)));
        scripts.push(format!("let x = {};", nested("`${", "0", "}`", depth)));
        scripts.push(format!("let x = {};", nested("- ", "0", "", depth)));
        scripts.push(format!("let x = 0; x{};", ".a".repeat(depth)));
        scripts.push(format!("let x = 0; let y = x{};", "[0]".repeat(depth)));
        scripts.push(nested("switch 1 { 1 => { ", "0", " } }", depth));
    }
    scripts
}

#[test]
fn nothing_public_needs_a_large_stack() {
    use agi_rhai::internals::Outline;
    use agi_rhai::tools::check::Checker;
    use agi_rhai::tools::storm;
    use agi_rhai::tools::testing::TestRunner;
    let mut host = Host::new();
    host.limits_mut().computing = Duration::from_millis(100);
    let checker = Checker::new(host.language());
    for script in deep_scripts() {
        let shown: String = script.chars().take(60).collect();
        let path = std::path::Path::new("deep.rhai");
        on_a_small_stack(|| drop(checker.check(path, &script)));
        on_a_small_stack(|| drop(Outline::new(&script)));
        on_a_small_stack(|| drop(TestRunner::new(host.clone(), None).suite_of(path, &script)));
        let compiled = on_a_small_stack(|| host.compile("deep.rhai", &script));
        let Ok(compiled) = compiled else { continue };
        let outcome = on_a_small_stack(|| {
            let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::default())));
            let session = Session::begin(Box::new(simulator)).unwrap();
            host.run(session, &compiled, vec![])
        });
        assert_ne!(outcome.status, Status::Lost, "{shown}");
        on_a_small_stack(|| {
            let sounds = agi_rhai::pbx::Sounds::stock();
            storm::Storm::new(&host, compiled, sounds).run(1, storm::Length::Calls(3))
        });
    }
}
