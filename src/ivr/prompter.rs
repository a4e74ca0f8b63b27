//! What every question and menu works with: the call, and the place in the script.

use crate::command::{Command, Refusal, RefusalKind, Value};
use crate::script::{Call, raise};
use crate::session::Error;
use rhai::{Dynamic, EvalAltResult, NativeCallContext};
use std::fmt::Display;

pub(super) type Failure = Box<EvalAltResult>;
pub(super) type Outcome = Result<Dynamic, Failure>;

/// Who says and asks: one function of a script, at one place of a call.
pub(super) struct Prompter<'a> {
    pub function: &'static str,
    pub call: &'a Call,
    pub context: &'a NativeCallContext<'a>,
}

impl Prompter<'_> {
    /// Carries a command out.
    pub fn invoke(&self, command: &'static Command, args: &[Value]) -> Result<Value, Failure> {
        self.call.invoke(self.context, command, args).map_err(|error| raise(self.call, self.context, error))
    }

    /// The channel's language.
    pub fn language(&self) -> Result<String, Failure> {
        self.call.session().language().map_err(|error| raise(self.call, self.context, error))
    }

    /// The error of an argument that is not right.
    pub fn wrong(&self, parameter: &'static str, problem: impl Display) -> Failure {
        let refusal = Refusal {
            kind: RefusalKind::Argument,
            command: self.function,
            parameter: Some(parameter),
            code: None,
            result: None,
            message: format!("{}: {problem}", self.function),
        };
        raise(self.call, self.context, Error::Refused(refusal))
    }
}
