//! The call as the functions of its script see it.

use super::extensions::Extensions;
use super::fault::MAX_MESSAGE;
use super::phrases::Phrases;
use super::shown::short;
use super::state::CallState;
use crate::command::{Command, Refusal, Value};
use crate::session::{Error, Session};
use rand::rngs::StdRng;
use rhai::{Dynamic, EvalAltResult, Map, NativeCallContext, Position};
use std::marker::PhantomData;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// The call in which a script has called a function.
///
/// A function of an embedder that takes a [`NativeCallContext`] first gets it by [`Call::of`]. It stays on the thread
/// of that function and ends with it.
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
    /// A call waits for its own commands, so nothing else may hold its session meanwhile.
    stays_on_its_thread: PhantomData<*const ()>,
}

impl<'a> Call<'a> {
    /// The call in which this context's function was called.
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
    /// The end of the call, which no script can catch, or what Asterisk or the host refuses, which the script can catch
    /// as from any command. Pass the error on with `?`.
    pub fn invoke(&self, command: &'static Command, args: &[Value]) -> Result<Value, Box<EvalAltResult>> {
        let Some(mut session) = self.state.try_session() else { return Err(in_use()) };
        let result = self.state.invoke(&mut session, self.context, command, args);
        drop(session);
        result.map_err(|error| self.raise(error))
    }

    /// Waits; the end of the call ends it at once.
    ///
    /// # Errors
    /// The end of the call, which no script can catch. Pass it on with `?`.
    pub fn pause(&self, length: Duration) -> Result<(), Box<EvalAltResult>> {
        let Some(mut session) = self.state.try_session() else { return Err(in_use()) };
        let result = self.state.pause(&mut session, length);
        drop(session);
        result.map_err(|error| self.raise(error))
    }

    /// Runs a closure with the session: its environment and its clock.
    ///
    /// The script stands still meanwhile: a function of the script that the closure calls ends the call.
    ///
    /// # Errors
    /// The session is in use: the closure of another `with_session` is running.
    pub fn with_session<R>(&self, use_it: impl FnOnce(&mut Session) -> R) -> Result<R, Box<EvalAltResult>> {
        let Some(mut session) = self.state.try_session() else { return Err(in_use()) };
        Ok(self.state.usage.stands_still(|| use_it(&mut session)))
    }

    /// Values that functions keep in the call, at most one of each type.
    pub fn extensions(&self) -> &Extensions {
        &self.state.extensions
    }

    /// The seed of the call's random numbers.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.state.seed()
    }

    /// Ends the script, and the call with it; the dialplan goes on. Return the error.
    pub fn exit(&self) -> Box<EvalAltResult> {
        match self.state.try_session().map(|mut session| session.finish()) {
            Some(over) => self.raise(Error::Over(over)),
            None => in_use(),
        }
    }

    /// The script's table of phrases, if it has one.
    pub(crate) fn phrases(&self) -> Option<&Phrases> {
        self.state.phrases()
    }

    /// Its random numbers.
    pub(crate) fn random(&self) -> MutexGuard<'_, StdRng> {
        self.state.random()
    }

    /// Calls a function of the script.
    pub(crate) fn context(&self) -> &'a NativeCallContext<'a> {
        self.context
    }

    /// An error that a script can catch: with the values that are wrong, and without, for a call that knows a secret.
    pub(crate) fn wrong(&self, message: &str, without_values: &str) -> Box<EvalAltResult> {
        let message = self.state.note_raised(message, without_values.to_owned());
        EvalAltResult::ErrorRuntime(message.into(), self.context.call_position()).into()
    }

    /// What a script sees of an error: the end of the call cannot be caught, a refusal is a map.
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

fn in_use() -> Box<EvalAltResult> {
    "the session is in use: nothing can be sent from inside `with_session` but by the session it gives".into()
}

/// A refusal as a script catches it.
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
