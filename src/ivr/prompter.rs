//! What every question and menu works with: the call, and the place in the script.

use crate::command::{Command, Refusal, RefusalKind, Value};
use crate::script::Call;
use crate::session::{Error, Session};
use rhai::{Dynamic, EvalAltResult};
use std::fmt::Display;

pub(super) type Failure = Box<EvalAltResult>;
pub(super) type Outcome = Result<Dynamic, Failure>;

/// Who says and asks: one function of a script, at one place of a call.
pub(super) struct Prompter<'a> {
    pub function: &'static str,
    pub call: Call<'a>,
}

impl Prompter<'_> {
    /// Carries a command out.
    pub fn invoke(&self, command: &'static Command, args: &[Value]) -> Result<Value, Failure> {
        self.call.invoke(command, args)
    }

    /// The channel's language.
    pub fn language(&self) -> Result<String, Failure> {
        self.call.with_session(Session::language)?.map_err(|error| self.call.raise(error))
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
        self.call.raise(Error::Refused(refusal))
    }
}
