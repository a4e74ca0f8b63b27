//! Refusals: the errors of commands, which scripts can catch.

use std::fmt;

/// The kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// Asterisk can't carry or accept an argument; nothing was sent.
    Argument,
    /// Asterisk refused the command with 510, 511 or 520, or doesn't know the application.
    Refused,
    /// Asterisk tried, but failed; or a service answered, but not as asked.
    Failed,
    /// A service wasn't reached, was too slow, or broke off.
    Unavailable,
}

impl RefusalKind {
    /// Returns the word that a script sees in `kind`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A command that didn't do what the script asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// The verb of the command.
    pub command: &'static str,
    /// The parameter at fault, if any.
    pub parameter: Option<&'static str>,
    /// The code of Asterisk's reply, if one came.
    pub code: Option<u16>,
    /// The result in Asterisk's reply, if one came.
    pub result: Option<String>,
    /// The problem, and how to fix it.
    pub message: String,
}

impl Refusal {
    /// Returns the problem without any of the script's values.
    pub(crate) fn discreet(&self) -> String {
        let what = match (self.kind, self.parameter) {
            (RefusalKind::Argument, Some(parameter)) => return format!("{}: `{parameter}` is not right", self.command),
            (RefusalKind::Argument, None) => "an argument is not right",
            (RefusalKind::Refused, _) => "Asterisk refused it",
            (RefusalKind::Failed, _) => "it failed",
            (RefusalKind::Unavailable, _) => "the service is unavailable",
        };
        format!("{}: {what}", self.command)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
