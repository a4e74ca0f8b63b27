//! Watches the variables of a running script, for whoever plays it at the phone.

use super::language::Language;
use super::names::is_closure;
use super::shown::{quoted, shown};
use crate::sync::lock;
use rhai::debugger::DebuggerCommand;
use rhai::{ASTNode, Dynamic, Engine, EvalContext, Expr, FnPtr, ImmutableString, Map, Scope, Stmt};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// The maximum length of a value, in bytes. A screen has no room for more.
const MAX_VALUE: usize = 200;
/// How often the variables are looked at between two functions of the host. A script that computes must not take much
/// longer because it is watched.
const MAX_LOOKS: u32 = 500;

/// Stands for a value that can't be looked at.
const UNKNOWN: &str = "…";

/// The variables of one function that runs, or of the script itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptFrame {
    /// The function; `None` for the script itself.
    pub function: Option<String>,
    /// The names and values, in the order of their declaration. A name that is declared again appears once.
    pub variables: Vec<(String, String)>,
}

/// The variables of a script as they were when it last called a function, also those of the functions that wait for it.
#[derive(Debug, Default)]
pub struct Watched {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The script itself, and the functions that were called one from another.
    frames: Vec<ScriptFrame>,
    looks: u32,
    /// How deep in functions methods are being called, as far as is known. The value of a method is locked until it
    /// returns, and to look at one that is locked takes Rhai 50 ms.
    methods: Vec<usize>,
}

impl Watched {
    /// Returns the variables: those of the script, then of each function that runs, the innermost last.
    #[must_use]
    pub fn frames(&self) -> Vec<ScriptFrame> {
        lock(&self.seen).frames.clone()
    }

    /// Watches what this engine runs. `state` is the variable of this name.
    #[expect(deprecated, reason = "`register_debugger` is marked volatile, not deprecated")]
    pub(crate) fn watch(self: &Arc<Self>, engine: &mut Engine, language: &Language, state: &Dynamic) {
        *lock(&self.seen) = Seen::default();
        let hosts: HashSet<&str> = language.functions().iter().map(|function| function.name).collect();
        let (watched, state) = (Arc::clone(self), state.clone());
        engine.register_debugger(
            |_, debugger| debugger,
            move |context, _, node, _, _| {
                if let ASTNode::Expr(Expr::FnCall(called, _) | Expr::MethodCall(called, _))
                | ASTNode::Stmt(Stmt::FnCall(called, _)) = node
                    && called.op_token.is_none()
                {
                    let is_method = matches!(node, ASTNode::Expr(Expr::MethodCall(..)));
                    watched.look(&context, hosts.contains(called.name.as_str()), is_method, &state);
                }
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    fn look(&self, context: &EvalContext, at_host: bool, is_method: bool, state: &Dynamic) {
        let mut seen = lock(&self.seen);
        let stack = context.debugger().map_or(&[][..], |debugger| debugger.call_stack());
        // What was called at this depth before has returned.
        seen.methods.retain(|depth| *depth < stack.len());
        if is_method {
            seen.methods.push(stack.len());
        }
        let may_be_locked = !seen.methods.is_empty();
        if at_host {
            seen.looks = 0;
        } else if seen.looks >= MAX_LOOKS {
            return;
        }
        seen.looks += 1;
        let name = |frame: &rhai::debugger::CallStackFrame| match frame.fn_name.as_str() {
            name if name.starts_with("anon$") => "a closure".to_owned(),
            name => format!("{name}()"),
        };
        seen.frames.resize(stack.len() + 1, ScriptFrame::default());
        for (frame, called) in seen.frames[1..].iter_mut().zip(stack) {
            // What is known of another function is of no use.
            let function = Some(name(called));
            if frame.function != function {
                *frame = ScriptFrame { function, variables: Vec::new() };
            }
        }
        if let Some(frame) = seen.frames.last_mut() {
            frame.variables = variables(context.scope(), may_be_locked, &frame.variables);
        }
        if let Some(script) = seen.frames.first_mut().filter(|_| !may_be_locked) {
            script.variables.retain(|(name, _)| !name.starts_with("state."));
            script.variables.extend(keys_of(state));
        }
    }
}

/// Returns the visible variables and constants. If those that are shared may be locked, they are as they were known.
fn variables(scope: &Scope, may_be_locked: bool, known: &[(String, String)]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    // The newest come first, which hide others of the same name.
    for (name, _, value) in scope.iter_raw() {
        if all.iter().all(|(known, _)| known != name) {
            let text = if may_be_locked && value.is_shared() {
                known.iter().find(|(other, _)| other == name).map_or(UNKNOWN, |(_, text)| text).to_owned()
            } else {
                written(value)
            };
            all.push((name.to_owned(), text));
        }
    }
    all.reverse();
    all
}

/// Returns what a script keeps in `state`.
fn keys_of(state: &Dynamic) -> Vec<(String, String)> {
    let Some(map) = state.read_lock::<Map>() else { return Vec::new() };
    map.iter().map(|(key, value)| (format!("state.{key}"), written(value))).collect()
}

fn written(value: &Dynamic) -> String {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return quoted(&text, MAX_VALUE);
    }
    // The name that Rhai gives it says nothing.
    if value.read_lock::<FnPtr>().is_some_and(|function| is_closure(function.fn_name())) {
        return "a closure".to_owned();
    }
    shown(value, MAX_VALUE)
}

#[cfg(test)]
mod tests {
    use crate::clock::Stopwatch;
    use crate::pbx::{Channel, IncomingCall, Plan};
    use crate::transport::Simulator;
    use crate::{Host, Session, Status};
    use std::time::Duration;

    #[test]
    fn looking_at_values_waits_for_no_method() {
        let text = r#"
            state.list = [1, 2, 3, 4];
            let list = [1, 2, 3, 4];
            let seen = 0;
            let count = || list.len();
            state.list.for_each(|| verbose(`${this}`));
            list.for_each(|| { seen += 1; verbose(`${this} of ${seen}`); });
            count.call();
            verbose("done");
        "#;
        let host = Host::new();
        let mut script = host.compile("watched.rhai", text).unwrap();
        let watched = script.watch();
        let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(Plan::silent())));
        let session = Session::begin(Box::new(simulator)).unwrap();
        let clock = Stopwatch::start();
        let outcome = host.run(session, &script, vec![]);
        // To look at a value within a method on it would take 50 ms, eight times.
        assert!(clock.elapsed() < Duration::from_millis(200), "{:?}", clock.elapsed());
        assert_eq!(outcome.status, Status::Success, "{:?}", outcome.fault);
        let known = &watched.frames()[0].variables;
        let value = |name: &str| known.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let expected = [
            ("state.list", "[1, 2, 3, 4]"),
            ("list", "[1, 2, 3, 4] (shared)"),
            ("seen", "4 (shared)"),
            ("count", "a closure"),
        ];
        for (name, text) in expected {
            assert_eq!(value(name), Some(text), "{name} in {known:?}");
        }
    }
}
