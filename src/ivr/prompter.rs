//! What questions and menus work with: the call, and the place in the script.

use crate::command::{Command, Refusal, RefusalKind, Value};
use crate::script::Call;
use crate::session::{Error, Session};
use rhai::{Dynamic, EvalAltResult};
use std::fmt::Display;

/// An error as scripts catch it.
pub(super) type ScriptError = Box<EvalAltResult>;
pub(super) type ScriptResult = Result<Dynamic, ScriptError>;

/// One function of a script that says or asks, at one place of a call.
pub(super) struct Prompter<'a> {
    pub function: &'static str,
    pub call: Call<'a>,
}

impl Prompter<'_> {
    /// Sends a command and returns its value.
    pub fn invoke(&self, command: &'static Command, args: &[Value]) -> Result<Value, ScriptError> {
        self.call.invoke(command, args)
    }

    /// Returns the channel's language.
    pub fn language(&self) -> Result<String, ScriptError> {
        self.call.with_session(Session::language)?.map_err(|error| self.call.raise(error))
    }

    /// Creates the error of a bad argument.
    pub fn bad_argument(&self, parameter: &'static str, problem: impl Display) -> ScriptError {
        let refusal = Refusal {
            kind: RefusalKind::Argument,
            command: self.function,
            parameter: Some(parameter),
            code: None,
            result: None,
            message: format!("{}: {problem}", self.function),
        };
        self.call.raise(Error::Refused(refusal))
    }
}
