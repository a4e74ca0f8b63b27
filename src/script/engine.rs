//! One call of a script: an engine of its own over shared packages, with the limits and the sticky end of that call.

use super::Script;
use super::bounded::GROWN;
use super::fault::{Fault, Raised};
use super::functions::{self, Language, VALUES};
use super::import::Resolver;
use super::phrases::Phrases;
use super::rehearse::Test;
use crate::clock::{Stopwatch, Time};
use crate::command::{Command, Value};
use crate::session::{Error, Over, Session};
use crate::stack;
use crate::transport::Note;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rhai::{CallFnOptions, Dynamic, Engine, EvalAltResult, Map, NativeCallContext, Position, Scope};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// What a script may use. Waiting does not count.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Computing between two commands, as time of the processor. In real time a script may be busy ten times as long.
    pub computing: Duration,
    /// The time `on_hangup` has, waiting included.
    pub on_hangup: Duration,
    /// Functions calling functions.
    pub calls: usize,
    /// Bytes of one text.
    pub text: usize,
    /// Elements of one array or map, those inside it included.
    pub elements: usize,
    /// Variables that are there at a time.
    pub variables: usize,
    /// Bytes of memory of one call, as its [`Memory`] counts them; without one there is no limit.
    pub memory: usize,
    /// Bytes of all that is printed in one call, with 128 for each line.
    pub printed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            computing: Duration::from_secs(1),
            on_hangup: Duration::from_secs(5),
            calls: 64,
            text: 1024 * 1024,
            elements: 2048,
            variables: 1024,
            memory: 16 * 1024 * 1024,
            printed: 1024 * 1024,
        }
    }
}

/// How much memory this thread holds, from whoever owns the allocator: a library does not.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes held by what this thread allocated; less than nothing where it freed what others had.
    pub used: fn() -> isize,
}

/// The target, in the log, of what scripts print.
pub const PRINTED: &str = "agi_rhai::print";
/// In place of the time at which computing began: from the next look on.
const COUNT_ANEW: i64 = -1;
/// A script may use so much of its stack. The rest of [`stack::SIZE`] is left to what is done between two operations:
/// to drop nested values, for instance, takes megabytes.
pub(super) const MOST_STACK: usize = 4 * 1024 * 1024;
/// The clock is looked at every so many operations: some of them take as long as a thousand others.
const CHECK_EVERY: u64 = 64;
/// And what is used, and the line, at most so often.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A script may be busy for so many times as long as it may compute: what takes time, but not the processor's, is to
/// wait for a lock inside Rhai.
const BUSY_SHARE: u32 = 10;
/// What a line of the log takes besides what is printed in it, in bytes.
const LINE_OVERHEAD: usize = 128;
/// Who sleeps for less than this has not waited.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// A script beyond a limit is stopped at the next variable it names, where Rhai tells the place, or after so many
/// operations.
const GRACE: u64 = 256;
/// The same where each operation may take more memory.
const GRACE_OF_MEMORY: u64 = 16;

/// How often a thread has been taken from a call that was in a slow step. Every call looks at the clock then: the next
/// step of that one may be as slow.
static SLOW_STEPS: AtomicUsize = AtomicUsize::new(0);

/// Lets every call look at the clock after the step it is in.
pub(crate) fn look_soon() {
    SLOW_STEPS.fetch_add(1, Relaxed);
}

/// The state of one call, behind every function of its script.
pub struct Call {
    session: Mutex<Session>,
    values: Values,
    pub(super) random: Mutex<StdRng>,
    /// The script's table of phrases.
    phrases: OnceLock<Arc<Phrases>>,
    /// The keys that would have ended the last answer, which needed none, and up to when they belong to it.
    pub(super) late_end: Mutex<Option<(String, Time)>>,
    seed: u64,
    limits: Limits,
    memory: Option<(Memory, isize)>,
    stopped: AtomicBool,
    limit: Mutex<Option<String>>,
    /// The operation after which the script is stopped; 0 while it keeps to its limits.
    last_operation: AtomicU64,
    /// The last error of a function of ours.
    raised: Mutex<Option<Raised>>,
    printed: AtomicUsize,
    print: Mutex<(String, usize)>,
    /// Processor time at which computing began, in nanoseconds.
    computing_since: AtomicI64,
    /// When the script began to be busy, in nanoseconds of `clock`.
    busy_since: AtomicI64,
    looked_at: AtomicI64,
    /// The slow steps that were seen by then.
    slow_steps: AtomicUsize,
    /// Real time, also where the call lives in simulated time.
    clock: Stopwatch,
    deadline: Mutex<Time>,
    /// The address in the stack at which the script was begun.
    stack: AtomicUsize,
    /// The test that runs, where this is one.
    pub(super) test: OnceLock<Arc<Test>>,
}

struct Values {
    env: OnceLock<Dynamic>,
    args: Dynamic,
    params: Dynamic,
    state: Dynamic,
}

/// A handle that fits an engine's tag.
#[derive(Clone)]
struct Handle(Arc<Call>);

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

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Processor time of this thread: neither load nor waiting counts against a script.
pub(super) fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Where the stack stands.
#[inline]
pub(super) fn address_in_stack() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

impl Call {
    /// A call of this session.
    #[must_use]
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
            late_end: Mutex::new(None),
            seed,
            limits,
            memory: memory.map(|memory| (memory, (memory.used)())),
            stopped: AtomicBool::new(false),
            limit: Mutex::new(None),
            last_operation: AtomicU64::new(0),
            raised: Mutex::new(None),
            printed: AtomicUsize::new(0),
            print: Mutex::default(),
            computing_since: AtomicI64::new(COUNT_ANEW),
            busy_since: AtomicI64::new(0),
            looked_at: AtomicI64::new(0),
            slow_steps: AtomicUsize::new(0),
            clock: Stopwatch::start(),
            deadline: Mutex::new(Time::NEVER),
            stack: AtomicUsize::new(0),
            test: OnceLock::new(),
        })
    }

    /// The call a function was called in.
    ///
    /// # Errors
    /// There is none while a script is being imported.
    pub fn of(context: &NativeCallContext) -> Result<Arc<Self>, Box<EvalAltResult>> {
        let handle = context.tag().and_then(|tag| tag.read_lock::<Handle>().map(|handle| Arc::clone(&handle.0)));
        handle.ok_or_else(|| "there is no call here: an imported script may only define functions and constants".into())
    }

    /// What its random numbers come from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The session, for the functions of an embedder.
    pub fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    /// The script's table of phrases, if it has one.
    pub(super) fn phrases(&self) -> Option<&Phrases> {
        self.phrases.get().map(Arc::as_ref)
    }

    /// Carries a command out for a script's function.
    pub(super) fn invoke(
        &self,
        context: &NativeCallContext,
        command: &'static Command,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut session = self.session();
        let deadline = *lock(&self.deadline);
        if deadline != Time::NEVER && session.now() >= deadline {
            self.exceed_on_hangup();
            return Err(Over::Ended.into());
        }
        session.stands_at(context.call_source().unwrap_or_default(), context.call_position().line().unwrap_or(0));
        let before = session.commands();
        let result = session.invoke(command, args);
        // A command that was refused before it was sent is the script's own work.
        if session.commands() != before {
            self.computes_anew();
        }
        result
    }

    /// Lets time pass for a script's function.
    pub(super) fn pause(&self, length: Duration) -> Result<(), Error> {
        let mut session = self.session();
        let left = *lock(&self.deadline) - session.now();
        let result = session.pause(length.min(left));
        if length >= LEAST_WAIT {
            self.computes_anew();
        }
        result.map_err(Error::from)
    }

    /// Counts what is computed anew, after something that took its time.
    pub(super) fn computes_anew(&self) {
        self.computing_since.store(COUNT_ANEW, Relaxed);
    }

    /// Lets the script do nothing more. An error alone could be caught: Rhai lets `try` around a closure do it.
    pub(super) fn stop_script(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(super) fn exceed(&self, what: String) {
        lock(&self.limit).get_or_insert(what);
        self.stop_script();
    }

    /// Lets the script come to a place Rhai tells.
    fn exceed_soon(&self, operations: u64, grace: u64, what: String) {
        lock(&self.limit).get_or_insert(what);
        self.last_operation.store(operations.saturating_add(grace), Relaxed);
    }

    fn exceed_on_hangup(&self) {
        self.exceed(format!("on_hangup takes more than {} s", self.limits.on_hangup.as_secs_f64()));
    }

    /// Called at every operation of the script; whether it may go on.
    fn may_go_on(&self, operations: u64) -> bool {
        if self.stopped.load(Relaxed) {
            return false;
        }
        let last = self.last_operation.load(Relaxed);
        if last != 0 {
            if operations < last {
                return true;
            }
            self.stop_script();
            return false;
        }
        // A stack that runs over ends the process, with all its calls. How much a function takes depends on what the
        // calls in it are nested in, so to count the calls is not enough.
        if self.stack.load(Relaxed).saturating_sub(address_in_stack()) > MOST_STACK {
            self.exceed("functions, blocks and operators are nested too deep".to_owned());
            return false;
        }
        if let Some((memory, before)) = self.memory
            && (memory.used)().saturating_sub(before) > isize::try_from(self.limits.memory).unwrap_or(isize::MAX)
        {
            let limit = self.limits.memory / (1024 * 1024);
            self.exceed_soon(operations, GRACE_OF_MEMORY, format!("the script uses more than {limit} MiB of memory"));
            return true;
        }
        let slow = SLOW_STEPS.load(Relaxed);
        if !operations.is_multiple_of(CHECK_EVERY) && slow == self.slow_steps.load(Relaxed) {
            return true;
        }
        self.slow_steps.store(slow, Relaxed);
        self.look(operations)
    }

    /// Called every so many operations; whether the script may go on.
    fn look(&self, operations: u64) -> bool {
        let nanos = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
        let clock = || nanos(self.clock.elapsed());
        let (before, real) = (self.looked_at.load(Relaxed), clock());
        if real - before < nanos(LOOK_EVERY) {
            return true;
        }
        let now = processor_time();
        // A command has been since: the count begins anew here, which spares each command a look at the clock.
        if self.computing_since.compare_exchange(COUNT_ANEW, now, Relaxed, Relaxed).is_ok() {
            self.busy_since.store(real, Relaxed);
        }
        let limit = nanos(self.limits.computing);
        let seconds = self.limits.computing.as_secs_f64();
        if now - self.computing_since.load(Relaxed) > limit {
            let what = format!("the script computes for more than {seconds} s without a command: an endless loop?");
            self.exceed_soon(operations, GRACE, what);
            return true;
        }
        if real - self.busy_since.load(Relaxed) > limit.saturating_mul(BUSY_SHARE.into()) {
            let seconds = seconds * f64::from(BUSY_SHARE);
            let what = format!("the script is busy for more than {seconds} s without a command: an endless loop?");
            self.exceed_soon(operations, GRACE, what);
            return true;
        }
        let mut session = self.session();
        let over = session.check().is_err();
        // A look may let other calls run on this thread: their time is not this script's.
        self.computing_since.fetch_add(processor_time() - now, Relaxed);
        let after = clock();
        self.busy_since.fetch_add(after - real, Relaxed);
        self.looked_at.store(after, Relaxed);
        if over {
            self.stop_script();
            return false;
        }
        if session.now() >= *lock(&self.deadline) {
            self.exceed_on_hangup();
            return false;
        }
        true
    }

    /// Notes the text of an error, and what may be told of it once the caller has answered a secret question. Gives the
    /// one a script may catch, and pass on.
    pub(super) fn raises(&self, text: &str, discreet: String) -> String {
        // Whoever has the session is in the middle of something else.
        let is_secret = self.session.try_lock().is_ok_and(|session| session.knows_a_secret());
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
    pub(super) fn prints_at(&self, script: &str, line: usize) {
        *lock(&self.print) = (script.to_owned(), line);
    }

    fn print(&self, text: &str, script: Option<&str>, line: Option<usize>) {
        *lock(&self.print) = (script.unwrap_or_default().to_owned(), line.unwrap_or(0));
        let length = text.len() + LINE_OVERHEAD;
        let printed = self.printed.fetch_add(length, Relaxed);
        if printed + length > self.limits.printed {
            let limit = self.limits.printed / 1024;
            self.exceed(format!("the script prints more than {limit} KiB, with {LINE_OVERHEAD} bytes for each line"));
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
        engine.set_max_call_levels(self.limits.calls);
        engine.set_max_string_size(self.limits.text);
        engine.set_max_array_size(self.limits.elements);
        engine.set_max_map_size(self.limits.elements);
        engine.set_max_variables(self.limits.variables);
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
            if call.last_operation.load(Relaxed) != 0 {
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
    pub(crate) fn run(self: &Arc<Self>, script: &Script, language: &Language) -> (Finished, Option<Box<Fault>>) {
        stack::maybe_grow(|| self.run_here(script, language))
    }

    fn run_here(self: &Arc<Self>, script: &Script, language: &Language) -> (Finished, Option<Box<Fault>>) {
        if let Some(phrases) = &script.phrases {
            let _ = self.phrases.set(Arc::clone(phrases));
        }
        let engine = self.engine(script, language);
        // Both are large, and stay while the call waits: better packed with others than on its stack.
        let mut scope = Box::new(Scope::new());
        self.stack.store(address_in_stack(), Relaxed);
        self.computing_since.store(COUNT_ANEW, Relaxed);
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
    pub(super) fn run_function(self: &Arc<Self>, script: &Script, language: &Language, name: &str) -> Finished {
        stack::maybe_grow(|| {
            let engine = self.engine(script, language);
            let mut scope = Scope::new();
            self.stack.store(address_in_stack(), Relaxed);
            self.computes_anew();
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
            *lock(&self.deadline) = session.now() + self.limits.on_hangup;
            session.last().clone()
        };
        self.stopped.store(false, Relaxed);
        self.last_operation.store(0, Relaxed);
        self.computes_anew();
        let mut map = Map::new();
        map.insert("command".into(), last.command.into());
        map.insert("script".into(), last.script.into());
        map.insert("line".into(), i64::try_from(last.line).unwrap_or(0).into());
        map.insert("result".into(), last.result.map_or(Dynamic::UNIT, functions::dynamic));
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
        let limit = lock(&self.limit).take();
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
            if self.printed.load(Relaxed) > self.limits.printed || fault.message.starts_with(GROWN) {
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
        if self.stopped.load(Relaxed)
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

impl Drop for Call {
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
