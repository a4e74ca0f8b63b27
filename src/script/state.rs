//! One call, from its session to the end of its script. It has an engine of its own over shared packages, limits of
//! its own, and an end that no script can catch.

use super::compile::Script;
use super::convert::dynamic;
use super::explain::Raised;
use super::extensions::Extensions;
use super::fault::Fault;
use super::function_values::Constants;
use super::import::Resolver;
use super::language::Language;
use super::limits::{Limits, Memory};
use super::missing;
use super::names::CALL_VARIABLES;
use super::phrases::Phrases;
use super::usage::{Limit, Usage, Verdict};
use crate::clock::Time;
use crate::command::{Command, Value};
use crate::session::{Error, Over, Session};
use crate::stack;
use crate::sync::lock;
use crate::transport::{Answer, Note, Request};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rhai::{CallFnOptions, Dynamic, Engine, EvalAltResult, Map, NativeCallContext, Position, Scope};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::Duration;

/// The log target of lines that scripts print.
pub const PRINT_TARGET: &str = "agi_rhai::print";
/// A shorter sleep isn't a wait: the script counts as computing.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// The state of one call, which all functions of its script share.
pub(crate) struct CallState {
    session: Mutex<Session>,
    values: Values,
    random: Mutex<StdRng>,
    /// The script's table of phrases.
    phrases: OnceLock<Arc<Phrases>>,
    seed: u64,
    pub usage: Usage,
    /// The last error raised by one of the host's functions.
    raised: Mutex<Option<Raised>>,
    /// The place of the next `print`: script and line.
    print_place: Mutex<(String, usize)>,
    /// When `on_hangup` must end.
    deadline: Mutex<Time>,
    pub extensions: Extensions,
    /// The constants of the script, if it imports others.
    constants: OnceLock<Constants>,
}

/// The values of the variables that every script has.
struct Values {
    env: OnceLock<Dynamic>,
    args: Dynamic,
    params: Dynamic,
    state: Dynamic,
}

/// A handle to the call, which is the tag of its engine.
#[derive(Clone)]
struct Handle(Arc<CallState>);

/// How a script ended.
#[derive(Debug)]
pub(crate) enum Finished {
    /// It ran to its end, or called `exit`.
    Completed,
    /// The session was over.
    Over(Over),
    /// It had an error.
    Fault(Box<Fault>),
}

/// Checks a variable before it is used. Rhai checks no size when an element is set by its index, so a value could
/// grow beyond its limits; writing or comparing it would then take any amount of memory and time.
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

/// Empties the variables that closures have captured. A closure that has captured its own variable would keep itself
/// alive forever, and everything else it holds.
fn empty_captured(scope: &Scope) {
    for (_, _, value) in scope.iter_raw().filter(|(.., value)| value.is_shared()) {
        let held = value.clone().write_lock::<Dynamic>().map(|mut held| std::mem::take(&mut *held));
        drop(held);
    }
}

impl CallState {
    /// Creates a call on this session.
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
            print_place: Mutex::default(),
            deadline: Mutex::new(Time::NEVER),
            extensions: Extensions::default(),
            constants: OnceLock::new(),
        })
    }

    /// Returns the call in which the function with this context was called. There is none while a script is being
    /// imported.
    pub fn of(context: &NativeCallContext) -> Option<Arc<Self>> {
        context.tag()?.read_lock::<Handle>().map(|handle| Arc::clone(&handle.0))
    }

    /// Returns the seed of the call's random numbers.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Locks the call's random numbers.
    pub fn random(&self) -> MutexGuard<'_, StdRng> {
        lock(&self.random)
    }

    /// Returns the constants of the script.
    pub(super) fn constants(&self) -> Constants {
        Constants::clone(self.constants.get_or_init(Constants::default))
    }

    /// Sets the constants of the script, which runs in another call state already.
    pub(super) fn share_constants(&self, constants: &Constants) {
        let _ = self.constants.set(Constants::clone(constants));
    }

    /// Locks the session.
    pub fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    /// Locks the session, unless a function has it: then the wait would never end.
    pub fn try_session(&self) -> Option<MutexGuard<'_, Session>> {
        match self.session.try_lock() {
            Ok(session) => Some(session),
            Err(TryLockError::Poisoned(session)) => Some(session.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Returns the script's table of phrases, if it has one.
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
        session.set_place(context.call_source().unwrap_or_default(), context.call_position().line().unwrap_or(0));
        let before = session.commands();
        let result = session.invoke(command, args);
        // A command that was refused before it was sent counts as computing.
        if session.commands() != before {
            self.usage.restart_computing();
        }
        result
    }

    /// Lets time pass on behalf of a script's function.
    pub fn pause(&self, session: &mut Session, length: Duration) -> Result<(), Error> {
        let left = *lock(&self.deadline) - session.now();
        let result = session.pause(length.min(left));
        if length >= MIN_WAIT {
            self.usage.restart_computing();
        }
        result.map_err(Error::from)
    }

    /// Waits for a future on behalf of a script's function.
    pub fn wait_for<F: Future>(&self, session: &mut Session, future: F) -> Result<F::Output, Error> {
        let deadline = *lock(&self.deadline);
        let result = session.wait_for(future, deadline);
        self.usage.restart_computing();
        self.in_time(result)
    }

    /// Asks a service on behalf of a script's function.
    pub fn ask<F: Future<Output = Answer>>(
        &self,
        session: &mut Session,
        request: Request,
        begin: impl FnOnce(Request) -> F,
    ) -> Result<Answer, Error> {
        let deadline = *lock(&self.deadline);
        let result = session.ask(request, begin, deadline);
        self.usage.restart_computing();
        self.in_time(result)
    }

    /// Asks a service that hears the call by commands.
    #[cfg(feature = "speech")]
    pub fn ask_by(
        &self,
        session: &mut Session,
        request: Request,
        ask: impl FnOnce(&mut Session, Request, Time) -> Result<Option<Answer>, Over>,
    ) -> Result<Answer, Error> {
        let deadline = *lock(&self.deadline);
        let result = session.ask_by(request, deadline, |session, request| ask(session, request, deadline));
        self.usage.restart_computing();
        self.in_time(result)
    }

    /// Returns what has come before the deadline of `on_hangup`.
    fn in_time<T>(&self, result: Result<Option<T>, Over>) -> Result<T, Error> {
        match result {
            Ok(Some(value)) => Ok(value),
            Ok(None) => {
                self.usage.exceed_on_hangup();
                Err(Over::Ended.into())
            }
            Err(over) => Err(over.into()),
        }
    }

    /// Called at every operation of the script. Returns whether the script may go on.
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

    /// Notes the text of an error, with and without values. Returns the one that a script may catch and pass on: the
    /// one without values, once the caller has answered a secret question.
    pub fn note_raised(&self, text: &str, discreet: String) -> String {
        // While a function has the session, the answer is unknown, so it takes the safe one.
        let is_secret = self.try_session().is_none_or(|session| session.knows_a_secret());
        let caught = if is_secret { discreet.clone() } else { text.to_owned() };
        *lock(&self.raised) = Some(Raised { text: text.to_owned(), discreet });
        caught
    }

    /// Returns the fault of an error; without values, once the caller has answered a secret question.
    fn fault(&self, script: &Script, error: &EvalAltResult, language: &Language) -> Box<Fault> {
        let fault = Fault::of_error(&script.name, error, language, &script.sources);
        if self.session().knows_a_secret() {
            return fault.discreetly(error, language, &script.sources, lock(&self.raised).as_ref());
        }
        fault
    }

    /// Notes the place of a `print`, or of another function that writes a value: Rhai doesn't report it.
    pub fn note_print_place(&self, context: &NativeCallContext) {
        let line = context.call_position().line().unwrap_or(0);
        *lock(&self.print_place) = (context.call_source().unwrap_or_default().to_owned(), line);
    }

    fn print(&self, text: &str, script: Option<&str>, line: Option<usize>) {
        *lock(&self.print_place) = (script.unwrap_or_default().to_owned(), line.unwrap_or(0));
        if !self.usage.count_printed(text) {
            return;
        }
        let note = Note::Printed { script: script.unwrap_or_default(), line: line.unwrap_or(0), text };
        self.session().note(note);
        tracing::info!(target: PRINT_TARGET, script = script.unwrap_or_default(), line = line.unwrap_or(0), "{text}");
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
    pub(super) fn engine(self: &Arc<Self>, script: &Script, language: &Language) -> Box<Engine> {
        let mut engine = language.engine_with(&script.named);
        // With Rhai's shortcut for operators, this crate's comparisons of texts with numbers would not be called.
        engine.set_fast_operators(false);
        engine.set_max_call_levels(self.usage.limits.calls);
        engine.set_max_string_size(self.usage.limits.text);
        engine.set_max_array_size(self.usage.limits.elements);
        engine.set_max_map_size(self.usage.limits.elements);
        engine.set_max_variables(self.usage.limits.variables);
        engine.set_default_tag(Dynamic::from(Handle(Arc::clone(self))));
        engine.set_module_resolver(Resolver(Arc::clone(&script.modules)));
        let homes = script.homes.clone();
        missing::serve(&mut engine, homes.clone().map(|homes| (homes, self.constants())));
        if let Some(coverage) = &script.coverage {
            coverage.watch(&mut engine);
        }
        if let Some(watched) = &script.watched {
            watched.watch(&mut engine, language, &self.values.state);
        }
        let call = Arc::clone(self);
        engine.on_progress(move |operations| (!call.may_go_on(operations)).then_some(Dynamic::UNIT));
        let call = Arc::clone(self);
        engine.on_print(move |text| {
            let (script, line) = lock(&call.print_place).clone();
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
            // A variable of the script with the same name takes precedence.
            if let Some(own) = context.scope().get(name) {
                within_limits(name, own, context.engine())?;
                return Ok(None);
            }
            let value = if CALL_VARIABLES.contains(&name) { call.value(name) } else { None };
            if let Some(value) = &value {
                within_limits(name, value, context.engine())?;
            }
            Ok(value.or_else(|| homes.as_ref()?.value_of(name, &context)))
        });
        engine.into()
    }

    /// Runs the script to its end and, after a hangup, `on_hangup`. Returns how the script ended, and the fault of
    /// `on_hangup`.
    pub fn run(self: &Arc<Self>, script: &Script, language: &Language) -> (Finished, Option<Box<Fault>>) {
        stack::maybe_grow(|| self.run_here(script, language))
    }

    fn run_here(self: &Arc<Self>, script: &Script, language: &Language) -> (Finished, Option<Box<Fault>>) {
        if let Some(phrases) = &script.phrases {
            let _ = self.phrases.set(Arc::clone(phrases));
        }
        let engine = self.engine(script, language);
        // Both are large and stay while the call waits. On the heap they are packed with others.
        let mut scope = Box::new(Scope::new());
        self.usage.begin();
        let result = engine.run_ast_with_scope(&mut scope, &script.ast);
        let finished = self.finished(script, language, result);
        let mut fault = None;
        if let (Finished::Over(Over::Hangup | Over::Stopped), Some(params)) = (&finished, script.on_hangup) {
            fault = self.on_hangup(&engine, script, language, &mut scope, params);
        }
        empty_captured(&scope);
        (finished, fault)
    }

    /// Runs the top level of a test's script, and then one of its functions.
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

    /// Runs a function of a script with a value, without the rest of the script. Its constants are made anew; one that
    /// can't be made, for instance since it needs the channel, is missing.
    pub fn run_job(self: &Arc<Self>, script: &Script, language: &Language, function: &str, value: Dynamic) -> Finished {
        stack::maybe_grow(|| {
            if let Some(phrases) = &script.phrases {
                let _ = self.phrases.set(Arc::clone(phrases));
            }
            let engine = self.engine(script, language);
            let mut scope = Scope::new();
            self.usage.begin();
            for constant in script.constants() {
                let size = scope.len();
                if engine.run_ast_with_scope(&mut scope, &constant).is_err() {
                    scope.rewind(size);
                }
                // A limit that was reached, or the end of the time, counts for the whole job.
                if self.usage.is_stopped() {
                    return self.finished(script, language, Ok(()));
                }
            }
            let result = Self::call_later(&engine, script, &mut scope, function, vec![value]);
            empty_captured(&scope);
            self.finished(script, language, result)
        })
    }

    /// Calls a function of a script after its run. A function sees only constants and imports that were made in the
    /// same run. So they are made again, with the values they had.
    fn call_later(
        engine: &Engine,
        script: &Script,
        scope: &mut Scope,
        function: &str,
        args: Vec<Dynamic>,
    ) -> Result<(), Box<EvalAltResult>> {
        let mut prelude: String =
            script.imports.iter().map(|(path, name)| format!("import {path:?} as {name};")).collect();
        for (name, _, _) in scope.iter_raw().filter(|(_, constant, _)| *constant) {
            let _ = write!(prelude, "const {name} = {name};");
        }
        let mut prelude = engine.compile(prelude).map_err(EvalAltResult::from).map_err(Box::new)?;
        prelude.set_source(script.name.as_str());
        let ast = prelude.merge(&script.ast.clone_functions_only());
        let options = CallFnOptions::new().eval_ast(true);
        engine.call_fn_with_options::<Dynamic>(options, scope, &ast, function, args).map(drop)
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
        let result = Self::call_later(engine, script, scope, "on_hangup", args);
        match self.finished(script, language, result) {
            Finished::Fault(mut fault) => {
                fault.place_at_function("on_hangup", &script.sources);
                Some(fault)
            }
            Finished::Completed | Finished::Over(_) => None,
        }
    }

    #[inline(never)]
    pub(super) fn finished(
        &self,
        script: &Script,
        language: &Language,
        result: Result<(), Box<EvalAltResult>>,
    ) -> Finished {
        let limit = self.usage.take_exceeded();
        let error = match result {
            Ok(()) if limit.is_none() => {
                // A script may catch its end with `try`, but hasn't done anything since.
                return self.session().over().cloned().map_or(Finished::Completed, Finished::from);
            }
            Ok(()) => EvalAltResult::ErrorTerminated(Dynamic::UNIT, rhai::Position::NONE).into(),
            Err(error) => error,
        };
        if let Some((limit, message)) = limit {
            let mut fault = Fault::of_error(&script.name, &error, language, &script.sources);
            (fault.message, fault.limit) = (message, Some(limit));
            if self.usage.has_printed_too_much() || limit == Limit::ValueSize {
                // Rhai reports a later place, or none.
                let (printed, line) = lock(&self.print_place).clone();
                fault.line = 0;
                fault.place_at(printed, line, &script.sources);
            }
            // Rhai reports no place in an empty loop, and of functions only the outermost call.
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
            return Finished::Completed;
        }
        let mut fault = self.fault(script, &error, language);
        if matches!(error.unwrap_inner(), EvalAltResult::ErrorStackOverflow(_)) {
            fault.add_to_hint(&format!("the limit is {} nested calls", self.usage.limits.calls));
        }
        if fault.line == 0
            && let EvalAltResult::ErrorDataRace(race, _) = error.unwrap_inner()
        {
            fault.place_at_call(&script.ast, race, &script.sources);
        }
        Finished::Fault(fault)
    }
}

impl Drop for CallState {
    fn drop(&mut self) {
        // The values in it may be nested deeply, and the stack here may be small.
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
        if over == Over::Ended { Self::Completed } else { Self::Over(over) }
    }
}
