//! One call, from its session to the end of its script: an engine of its own over shared packages, with the limits of
//! that call and an end no script can catch.

use super::compile::Script;
use super::convert::dynamic;
use super::extensions::Extensions;
use super::fault::{Fault, Raised};
use super::import::Resolver;
use super::language::Language;
use super::limits::{Limits, Memory, lock};
use super::names::VALUES;
use super::phrases::Phrases;
use super::usage::{Usage, Verdict};
use crate::clock::Time;
use crate::command::{Command, Value};
use crate::session::{Error, Over, Session};
use crate::stack;
use crate::transport::Note;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rhai::{CallFnOptions, Dynamic, Engine, EvalAltResult, Map, NativeCallContext, Position, Scope};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::Duration;

/// The target, in the log, of what scripts print.
pub const PRINTED: &str = "agi_rhai::print";
/// How the message begins that a value is beyond its limits.
pub(crate) const GROWN: &str = "a value has grown too large";
/// Who sleeps for less than this has not waited.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// One call, behind every function of its script.
pub(crate) struct CallState {
    session: Mutex<Session>,
    values: Values,
    random: Mutex<StdRng>,
    /// The script's table of phrases.
    phrases: OnceLock<Arc<Phrases>>,
    seed: u64,
    pub usage: Usage,
    /// The last error of a function of ours.
    raised: Mutex<Option<Raised>>,
    /// Where the next `print` stands: script and line.
    print: Mutex<(String, usize)>,
    deadline: Mutex<Time>,
    pub extensions: Extensions,
}

struct Values {
    env: OnceLock<Dynamic>,
    args: Dynamic,
    params: Dynamic,
    state: Dynamic,
}

/// A handle that fits an engine's tag.
#[derive(Clone)]
struct Handle(Arc<CallState>);

/// How a script ended.
#[derive(Debug)]
pub(crate) enum Finished {
    /// At its end, or by `exit`.
    Well,
    /// The session was over.
    Over(Over),
    /// By a mistake.
    Fault(Box<Fault>),
}

/// Looks at a variable before it is used. Rhai looks at no size where an element gets a value by its index, so that a
/// value could grow beyond its limits, and then whatever writes or compares it takes any memory and time.
fn within_limits(name: &str, value: &Dynamic, engine: &Engine) -> Result<(), Box<EvalAltResult>> {
    if value.is_shared() {
        let Some(value) = value.read_lock::<Dynamic>() else {
            return Err(EvalAltResult::ErrorDataRace(format!("`{name}`"), Position::NONE).into());
        };
        engine.ensure_data_size_within_limits(&value)
    } else {
        engine.ensure_data_size_within_limits(value)
    }
}

/// Empties the variables that closures have captured: a closure that captured the variable it is in would keep itself,
/// and all else it holds, for ever.
fn let_go(scope: &Scope) {
    for (_, _, value) in scope.iter_raw().filter(|(.., value)| value.is_shared()) {
        let held = value.clone().write_lock::<Dynamic>().map(|mut held| std::mem::take(&mut *held));
        drop(held);
    }
}

impl CallState {
    /// A call of this session.
    pub fn new(
        session: Session,
        args: Vec<String>,
        params: BTreeMap<String, String>,
        seed: u64,
        limits: Limits,
        memory: Option<Memory>,
    ) -> Arc<Self> {
        let args: rhai::Array = args.into_iter().map(Dynamic::from).collect();
        let params: Map = params.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Arc::new(Self {
            session: Mutex::new(session),
            values: Values {
                env: OnceLock::new(),
                args: args.into(),
                params: params.into(),
                state: Dynamic::from(Map::new()).into_shared(),
            },
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            phrases: OnceLock::new(),
            seed,
            usage: Usage::new(limits, memory),
            raised: Mutex::new(None),
            print: Mutex::default(),
            deadline: Mutex::new(Time::NEVER),
            extensions: Extensions::default(),
        })
    }

    /// The call in which this context's function was called; there is none while a script is being imported.
    pub fn of(context: &NativeCallContext) -> Option<Arc<Self>> {
        context.tag()?.read_lock::<Handle>().map(|handle| Arc::clone(&handle.0))
    }

    /// The seed of its random numbers.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its random numbers.
    pub fn random(&self) -> MutexGuard<'_, StdRng> {
        lock(&self.random)
    }

    /// The session.
    pub fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    /// The session, unless a function has it: to wait for it would be for ever.
    pub fn try_session(&self) -> Option<MutexGuard<'_, Session>> {
        match self.session.try_lock() {
            Ok(session) => Some(session),
            Err(TryLockError::Poisoned(session)) => Some(session.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The script's table of phrases, if it has one.
    pub fn phrases(&self) -> Option<&Phrases> {
        self.phrases.get().map(Arc::as_ref)
    }

    /// Sends a command for a script's function.
    pub fn invoke(
        &self,
        session: &mut Session,
        context: &NativeCallContext,
        command: &'static Command,
        args: &[Value],
    ) -> Result<Value, Error> {
        let deadline = *lock(&self.deadline);
        if deadline != Time::NEVER && session.now() >= deadline {
            self.usage.exceed_on_hangup();
            return Err(Over::Ended.into());
        }
        session.stands_at(context.call_source().unwrap_or_default(), context.call_position().line().unwrap_or(0));
        let before = session.commands();
        let result = session.invoke(command, args);
        // A command that was refused before it was sent is the script's own work.
        if session.commands() != before {
            self.usage.computes_anew();
        }
        result
    }

    /// Waits for a script's function.
    pub fn pause(&self, session: &mut Session, length: Duration) -> Result<(), Error> {
        let left = *lock(&self.deadline) - session.now();
        let result = session.pause(length.min(left));
        if length >= MIN_WAIT {
            self.usage.computes_anew();
        }
        result.map_err(Error::from)
    }

    /// Called at every operation of the script; whether it may go on.
    fn may_go_on(&self, operations: u64) -> bool {
        let (processor, real) = match self.usage.may_go_on(operations) {
            Verdict::GoOn => return true,
            Verdict::Stop => return false,
            Verdict::CheckLine { processor, real } => (processor, real),
        };
        let mut session = self.session();
        let is_over = session.check().is_err();
        self.usage.checked_line(processor, real);
        if is_over {
            self.usage.stop();
            return false;
        }
        if session.now() >= *lock(&self.deadline) {
            self.usage.exceed_on_hangup();
            return false;
        }
        true
    }

    /// Notes the text of an error, and what may be told of it once the caller has answered a secret question. Gives the
    /// one a script may catch, and pass on.
    pub fn raises(&self, text: &str, discreet: String) -> String {
        // While a function has the session, that function decides.
        let is_secret = self.try_session().is_none_or(|session| session.knows_a_secret());
        let caught = if is_secret { discreet.clone() } else { text.to_owned() };
        *lock(&self.raised) = Some(Raised { text: text.to_owned(), discreet });
        caught
    }

    /// The fault of an error; without values once the caller has answered a secret question.
    fn fault(&self, script: &Script, error: &EvalAltResult, language: &Language) -> Box<Fault> {
        let fault = Fault::of_error(&script.name, error, language, &script.sources);
        if self.session().knows_a_secret() {
            return fault.discreetly(error, language, lock(&self.raised).as_ref());
        }
        fault
    }

    /// Notes where the next `print` stands, or what is written otherwise, which Rhai does not tell.
    pub fn prints_at(&self, script: &str, line: usize) {
        *lock(&self.print) = (script.to_owned(), line);
    }

    fn print(&self, text: &str, script: Option<&str>, line: Option<usize>) {
        *lock(&self.print) = (script.unwrap_or_default().to_owned(), line.unwrap_or(0));
        if !self.usage.prints(text) {
            return;
        }
        let note = Note::Printed { script: script.unwrap_or_default(), line: line.unwrap_or(0), text };
        self.session().keep(note);
        tracing::info!(target: PRINTED, script = script.unwrap_or_default(), line = line.unwrap_or(0), "{text}");
    }

    fn value(&self, name: &str) -> Option<Dynamic> {
        Some(match name {
            "env" => {
                let session = self.session();
                let environment = session.environment();
                let env =
                    || environment.iter().map(|(n, v)| (n.as_ref().into(), v.into_owned().into())).collect::<Map>();
                self.values.env.get_or_init(|| env().into()).clone()
            }
            "args" => self.values.args.clone(),
            "params" => self.values.params.clone(),
            "state" => self.values.state.clone(),
            _ => return None,
        })
    }

    #[expect(deprecated, reason = "`on_var` is marked volatile, not deprecated")]
    #[inline(never)]
    fn engine(self: &Arc<Self>, script: &Script, language: &Language) -> Box<Engine> {
        let mut engine = language.engine();
        // Rhai's shortcut for operators would not ask ours whether a text may be compared with a number.
        engine.set_fast_operators(false);
        engine.set_max_call_levels(self.usage.limits.calls);
        engine.set_max_string_size(self.usage.limits.text);
        engine.set_max_array_size(self.usage.limits.elements);
        engine.set_max_map_size(self.usage.limits.elements);
        engine.set_max_variables(self.usage.limits.variables);
        engine.set_default_tag(Dynamic::from(Handle(Arc::clone(self))));
        engine.set_module_resolver(Resolver(Arc::clone(&script.modules)));
        if let Some(coverage) = &script.coverage {
            coverage.watch(&mut engine);
        }
        let call = Arc::clone(self);
        engine.on_progress(move |operations| (!call.may_go_on(operations)).then_some(Dynamic::UNIT));
        let call = Arc::clone(self);
        engine.on_print(move |text| {
            let (script, line) = lock(&call.print).clone();
            call.print(text, Some(&script), Some(line));
        });
        let call = Arc::clone(self);
        engine.on_debug(move |text, source, position| call.print(text, source, position.line()));
        let call = Arc::clone(self);
        engine.on_var(move |name, _, context| {
            if call.usage.is_in_grace() {
                return Err(EvalAltResult::ErrorRuntime(Dynamic::UNIT, Position::NONE).into());
            }
            if let Some(this) = context.this_ptr() {
                within_limits("this", this, context.engine())?;
            }
            // A script's own variable of that name wins.
            if let Some(own) = context.scope().get(name) {
                within_limits(name, own, context.engine())?;
                return Ok(None);
            }
            let value = if VALUES.contains(&name) { call.value(name) } else { None };
            if let Some(value) = &value {
                within_limits(name, value, context.engine())?;
            }
            Ok(value)
        });
        engine.into()
    }

    /// Runs the script to its end, and `on_hangup` after a hangup.
    pub fn run(self: &Arc<Self>, script: &Script, language: &Language) -> (Finished, Option<Box<Fault>>) {
        stack::maybe_grow(|| self.run_here(script, language))
    }

    fn run_here(self: &Arc<Self>, script: &Script, language: &Language) -> (Finished, Option<Box<Fault>>) {
        if let Some(phrases) = &script.phrases {
            let _ = self.phrases.set(Arc::clone(phrases));
        }
        let engine = self.engine(script, language);
        // Both are large, and stay while the call waits: better packed with others than on its stack.
        let mut scope = Box::new(Scope::new());
        self.usage.begin();
        let result = engine.run_ast_with_scope(&mut scope, &script.ast);
        let finished = self.finished(script, language, result);
        let mut fault = None;
        if let (Finished::Over(Over::Hangup | Over::Stopped), Some(params)) = (&finished, script.on_hangup) {
            fault = self.on_hangup(&engine, script, language, &mut scope, params);
        }
        let_go(&scope);
        (finished, fault)
    }

    /// Runs one function of a test, after the top of its script.
    pub fn run_function(self: &Arc<Self>, script: &Script, language: &Language, name: &str) -> Finished {
        stack::maybe_grow(|| {
            let engine = self.engine(script, language);
            let mut scope = Scope::new();
            self.usage.begin();
            let options = CallFnOptions::new().eval_ast(true);
            let result = engine.call_fn_with_options::<Dynamic>(options, &mut scope, &script.ast, name, ());
            self.finished(script, language, result.map(|_| ()))
        })
    }

    #[inline(never)]
    fn on_hangup(
        &self,
        engine: &Engine,
        script: &Script,
        language: &Language,
        scope: &mut Scope,
        params: usize,
    ) -> Option<Box<Fault>> {
        let last = {
            let mut session = self.session();
            session.begin_aftermath();
            *lock(&self.deadline) = session.now() + self.usage.limits.on_hangup;
            session.last().clone()
        };
        self.usage.resume();
        let mut map = Map::new();
        map.insert("command".into(), last.command.into());
        map.insert("script".into(), last.script.into());
        map.insert("line".into(), i64::try_from(last.line).unwrap_or(0).into());
        map.insert("result".into(), last.result.map_or(Dynamic::UNIT, dynamic));
        let args = if params == 0 { vec![] } else { vec![Dynamic::from(map)] };
        // A function sees constants and imports only where they were made in the same run: they are made again, from
        // the values they had.
        let mut prelude: String =
            script.imports.iter().map(|(path, name)| format!("import {path:?} as {name};")).collect();
        for (name, _, _) in scope.iter_raw().filter(|(_, constant, _)| *constant) {
            let _ = write!(prelude, "const {name} = {name};");
        }
        let result = engine.compile(prelude).map_err(EvalAltResult::from).map_err(Box::new).and_then(|mut prelude| {
            prelude.set_source(script.name.as_str());
            let ast = prelude.merge(&script.ast.clone_functions_only());
            let options = CallFnOptions::new().eval_ast(true);
            engine.call_fn_with_options::<Dynamic>(options, scope, &ast, "on_hangup", args)
        });
        match self.finished(script, language, result.map(|_| ())) {
            Finished::Fault(mut fault) => {
                fault.stands_at_least_in("on_hangup", &script.sources);
                Some(fault)
            }
            Finished::Well | Finished::Over(_) => None,
        }
    }

    #[inline(never)]
    fn finished(&self, script: &Script, language: &Language, result: Result<(), Box<EvalAltResult>>) -> Finished {
        let limit = self.usage.take_exceeded();
        let error = match result {
            Ok(()) if limit.is_none() => {
                // A script may swallow its end in a `try`, but has done nothing since.
                return self.session().over().cloned().map_or(Finished::Well, Finished::from);
            }
            Ok(()) => EvalAltResult::ErrorTerminated(Dynamic::UNIT, rhai::Position::NONE).into(),
            Err(error) => error,
        };
        if let Some(limit) = limit {
            let mut fault = Fault::of_error(&script.name, &error, language, &script.sources);
            fault.message = limit;
            if self.usage.has_printed_too_much() || fault.message.starts_with(GROWN) {
                // Rhai tells the place of what comes after it, or none.
                let (printed, line) = lock(&self.print).clone();
                fault.line = 0;
                fault.stands_at(printed, line, &script.sources);
            }
            // Rhai tells no place in an empty loop, and of functions only the outermost call.
            let session = self.session();
            let last = session.last();
            fault.hint = (last.line > 0)
                .then(|| format!("the last command was `{}` at {}:{}", last.command, last.script, last.line));
            return Finished::Fault(fault);
        }
        if self.usage.is_stopped()
            && let Some(over) = self.session().over().cloned()
        {
            return over.into();
        }
        if matches!(error.unwrap_inner(), EvalAltResult::Exit(..)) {
            return Finished::Well;
        }
        let mut fault = self.fault(script, &error, language);
        if fault.line == 0
            && let EvalAltResult::ErrorDataRace(what, _) = error.unwrap_inner()
        {
            fault.stands_at_call(&script.ast, what, &script.sources);
        }
        Finished::Fault(fault)
    }
}

impl Drop for CallState {
    fn drop(&mut self) {
        // What a script has put there may be nested deep, and whoever drops the call may have little room.
        if let Some(mut state) = self.values.state.write_lock::<Map>()
            && !state.is_empty()
        {
            let state = std::mem::take(&mut *state);
            stack::maybe_grow(|| drop(state));
        }
    }
}

impl From<Over> for Finished {
    fn from(over: Over) -> Self {
        if over == Over::Ended { Self::Well } else { Self::Over(over) }
    }
}
