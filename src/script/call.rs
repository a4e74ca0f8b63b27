//! The call, as the functions of its script see it.

use super::extensions::Extensions;
use super::phrases::Phrases;
use super::shown::MAX_MESSAGE;
use super::shown::short;
use super::state::CallState;
#[cfg(feature = "speech")]
use crate::clock::Time;
use crate::command::{Command, Refusal, Value};
use crate::service::runtime;
#[cfg(feature = "speech")]
use crate::session::Over;
use crate::session::{Error, Session};
use crate::transport::{Answer, Request};
use rand::rngs::StdRng;
use rhai::{Dynamic, EvalAltResult, Map, NativeCallContext, Position};
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;

/// The call in which a script has called a function.
///
/// A function of an embedder that takes a [`NativeCallContext`] as its first parameter gets it from [`Call::of`]. It
/// stays on the thread of that function, and ends with it.
///
/// ```
/// use agi_rhai::command::{DATABASE_PUT, Value};
/// use agi_rhai::script::Call;
/// use rhai::{EvalAltResult, Module, NativeCallContext};
///
/// let mut module = Module::new();
/// module.set_native_fn("remember", |context: NativeCallContext, value: &str| -> Result<(), Box<EvalAltResult>> {
///     let call = Call::of(&context)?;
///     let channel =
///         call.with_session(|s| s.environment().get("agi_channel").unwrap_or_default().into_owned())?;
///     call.invoke(&DATABASE_PUT, &[Value::from("calls"), Value::Text(channel), Value::from(value)])?;
///     Ok(())
/// });
/// ```
pub struct Call<'a> {
    pub(crate) state: Arc<CallState>,
    context: &'a NativeCallContext<'a>,
    /// A call waits for its own commands, so nothing else may hold its session in the meantime.
    stays_on_its_thread: PhantomData<*const ()>,
}

impl<'a> Call<'a> {
    /// Returns the call in which the function with this context was called.
    ///
    /// # Errors
    /// There is no call while a script is being imported.
    pub fn of(context: &'a NativeCallContext<'a>) -> Result<Self, Box<EvalAltResult>> {
        let state = CallState::of(context).ok_or_else(|| {
            Box::<EvalAltResult>::from(
                "there is no call here: an imported script may only define functions and constants",
            )
        })?;
        Ok(Self { state, context, stays_on_its_thread: PhantomData })
    }

    /// Sends a command and returns its value.
    ///
    /// # Errors
    /// The call has ended, which no script can catch; or Asterisk or the host refuses the command, which the script
    /// can catch as from any command. Pass the error on with `?`.
    pub fn invoke(&self, command: &'static Command, args: &[Value]) -> Result<Value, Box<EvalAltResult>> {
        let result = self.state.invoke(&mut *self.session()?, self.context, command, args);
        result.map_err(|error| self.raise(error))
    }

    /// Lets time pass. The end of the call ends the wait at once.
    ///
    /// # Errors
    /// The call has ended, which no script can catch. Pass the error on with `?`.
    pub fn pause(&self, length: Duration) -> Result<(), Box<EvalAltResult>> {
        let result = self.state.pause(&mut *self.session()?, length);
        result.map_err(|error| self.raise(error))
    }

    /// Waits for a future, and returns what it returns. The call's thread goes on with other calls meanwhile. The end
    /// of the call ends the wait at once, and drops the future.
    ///
    /// The future is polled on threads of calls, within the runtime of Tokio that the host has for services: timers
    /// and sockets of Tokio work in it. What computes or blocks goes into [`blocking`](Self::blocking).
    ///
    /// # Errors
    /// The call has ended, which no script can catch. Pass the error on with `?`.
    pub fn wait_for<F: Future>(&self, future: F) -> Result<F::Output, Box<EvalAltResult>> {
        let runtime = runtime().map_err(|error| self.no_thread(&error))?;
        let result = self.state.wait_for(&mut *self.session()?, InRuntime { runtime, future: Box::pin(future) });
        result.map_err(|error| self.raise(error))
    }

    /// Runs a closure that blocks or computes on a thread of its own, and waits for its value as
    /// [`wait_for`](Self::wait_for) does. If the call ends meanwhile, the closure still runs to its end.
    ///
    /// # Errors
    /// The call has ended, which no script can catch; or the closure panicked. Pass the error on with `?`.
    pub fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Box<EvalAltResult>> {
        let runtime = runtime().map_err(|error| self.no_thread(&error))?;
        let done = self.state.wait_for(&mut *self.session()?, runtime.spawn_blocking(work));
        match done.map_err(|error| self.raise(error))? {
            Ok(value) => Ok(value),
            Err(_) => Err(format!("{}: a function of the program panicked", self.context.fn_name()).into()),
        }
    }

    fn no_thread(&self, error: &io::Error) -> Box<EvalAltResult> {
        format!("{}: no thread for services: {error}", self.context.fn_name()).into()
    }

    /// Asks a service, and waits for its answer.
    pub(crate) fn ask<F: Future<Output = Answer>>(
        &self,
        request: Request,
        begin: impl FnOnce(Request) -> F,
    ) -> Result<Answer, Box<EvalAltResult>> {
        let mut session = self.session()?;
        session.set_place(
            self.context.call_source().unwrap_or_default(),
            self.context.call_position().line().unwrap_or(0),
        );
        self.state.ask(&mut session, request, begin).map_err(|error| self.raise(error))
    }

    /// Asks a service that hears the call by commands, as [`Session::ask_by`] does.
    #[cfg(feature = "speech")]
    pub(crate) fn ask_by(
        &self,
        request: Request,
        ask: impl FnOnce(&mut Session, Request, Time) -> Result<Option<Answer>, Over>,
    ) -> Result<Answer, Box<EvalAltResult>> {
        let mut session = self.session()?;
        session.set_place(
            self.context.call_source().unwrap_or_default(),
            self.context.call_position().line().unwrap_or(0),
        );
        self.state.ask_by(&mut session, request, ask).map_err(|error| self.raise(error))
    }

    /// Runs a closure with the session, for its environment and its clock.
    ///
    /// The script stands still in the meantime: calling a function of the script from the closure ends the call.
    ///
    /// # Errors
    /// The session is in use: the closure of another `with_session` is running.
    pub fn with_session<R>(&self, use_it: impl FnOnce(&mut Session) -> R) -> Result<R, Box<EvalAltResult>> {
        let mut session = self.session()?;
        Ok(self.state.usage.while_paused(|| use_it(&mut session)))
    }

    /// Returns the values that functions keep in the call, at most one of each type.
    pub fn extensions(&self) -> &Extensions {
        &self.state.extensions
    }

    /// Returns the seed of the call's random numbers.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.state.seed()
    }

    /// Returns the error that ends the script, and the call with it; the dialplan goes on. The function must return
    /// it.
    pub fn exit(&self) -> Box<EvalAltResult> {
        match self.session().map(|mut session| session.finish()) {
            Ok(over) => self.raise(Error::Over(over)),
            Err(error) => error,
        }
    }

    /// Locks the session, unless the closure of a `with_session` has it.
    fn session(&self) -> Result<MutexGuard<'_, Session>, Box<EvalAltResult>> {
        let in_use =
            "the session is in use: inside `with_session`, commands can be sent only through the session it passes";
        self.state.try_session().ok_or_else(|| in_use.into())
    }

    /// Returns the script's table of phrases, if it has one.
    pub(crate) fn phrases(&self) -> Option<&Phrases> {
        self.state.phrases()
    }

    /// Locks the call's random numbers.
    pub(crate) fn random(&self) -> MutexGuard<'_, StdRng> {
        self.state.random()
    }

    /// Returns the context, through which functions of the script can be called.
    pub(crate) fn context(&self) -> &'a NativeCallContext<'a> {
        self.context
    }

    /// Creates an error that a script can catch, with and without the values at fault. Once a call knows a secret, it
    /// uses the latter.
    pub(crate) fn wrong(&self, message: &str, without_values: &str) -> Box<EvalAltResult> {
        let message = self.state.note_raised(message, without_values.to_owned());
        EvalAltResult::ErrorRuntime(message.into(), self.context.call_position()).into()
    }

    /// Converts an error for the script: the end of the call can't be caught, and a refusal becomes a map.
    pub(crate) fn raise(&self, error: Error) -> Box<EvalAltResult> {
        let position = self.context.call_position();
        match error {
            Error::Over(_) => {
                self.state.usage.stop();
                EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
            }
            Error::Refused(refusal) => {
                let message = self.state.note_raised(&refusal.message, refusal.discreet());
                let refusal = Refusal { message, ..refusal };
                EvalAltResult::ErrorRuntime(caught(refusal, self.context, position), position).into()
            }
        }
    }
}

/// A future that is polled and dropped within a runtime.
struct InRuntime<F> {
    runtime: &'static Handle,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for InRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // A call may change threads between two polls, so it enters the runtime anew for each.
        let _entered = self.runtime.enter();
        self.future.as_mut().poll(context)
    }
}

/// Returns a refusal as a script catches it.
fn caught(refusal: Refusal, context: &NativeCallContext, position: Position) -> Dynamic {
    let optional = |text: Option<String>| text.map_or(Dynamic::UNIT, Dynamic::from);
    let mut map = Map::new();
    map.insert("kind".into(), refusal.kind.word().into());
    map.insert("command".into(), refusal.command.into());
    map.insert("parameter".into(), optional(refusal.parameter.map(str::to_owned)));
    map.insert("code".into(), refusal.code.map_or(Dynamic::UNIT, |code| Dynamic::from(i64::from(code))));
    map.insert("result".into(), optional(refusal.result));
    map.insert("message".into(), short(refusal.message, MAX_MESSAGE).into());
    map.insert("script".into(), context.call_source().unwrap_or_default().into());
    map.insert("line".into(), i64::try_from(position.line().unwrap_or(0)).unwrap_or(0).into());
    map.into()
}
