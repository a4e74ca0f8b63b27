//! Calls to make, calls that were made, and the faults they showed.

use super::caller::ScriptLine;
use super::scene::Scene;
use super::step::Step;
use crate::script::{Fault, Limit};
use crate::transport::{Answer, Request};

/// A call to make.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) scene: Scene,
    pub(super) steps: Vec<Step>,
    /// The seed of what the caller makes up after the steps.
    pub(super) noise: Option<u64>,
    /// Hang up at the wait with this index.
    pub(super) hangs_up_at: Option<usize>,
    /// Whether to plan calls that hang up at each of its waits and commands.
    pub(super) traced: bool,
}

/// A call that was made.
#[derive(Default)]
pub(super) struct PlayedCall {
    /// The steps of its caller.
    pub(super) tape: Vec<Step>,
    pub(super) fault: Option<Fault>,
    /// Whether it is the fault of a function that ran after the call.
    pub(super) is_in_job: bool,
    pub(super) endless: bool,
    pub(super) waits: usize,
    /// The lines at which the script waited, and those that sent a command, if the call was traced.
    pub(super) lines_at_waits: Vec<ScriptLine>,
    pub(super) lines_at_commands: Vec<ScriptLine>,
    /// What it asked of services, and what was answered.
    pub(super) asked: Vec<(Request, Answer)>,
}

/// Two problems are the same if they have the same script, line, and message without its values.
pub(super) type ProblemKey = (String, usize, String);

/// What to do about a service that is unavailable where the script doesn't expect it.
pub(super) const UNAVAILABLE: &str =
    "any service may be unavailable: give `#{ otherwise: value }` as the last argument, or catch the error";

/// The key of a fault: its script, its line, and its message without digits and quoted values.
pub(super) fn problem_key(fault: &Fault) -> ProblemKey {
    // Why a service is unavailable makes no difference.
    if fault.hint.as_deref() == Some(UNAVAILABLE) {
        return (fault.script.clone(), fault.line, UNAVAILABLE.to_owned());
    }
    let mut message = String::new();
    let mut quoted = false;
    for letter in fault.message.chars() {
        if letter == '"' {
            quoted = !quoted;
        }
        if !quoted && !letter.is_ascii_digit() && letter != '.' {
            message.push(letter);
        }
    }
    (fault.script.clone(), fault.line, message)
}

/// Whether the fault is that of computing for too long, which depends on the limit, and on how busy the machine is.
pub(super) fn is_about_computing(fault: &Fault) -> bool {
    fault.limit == Some(Limit::Computing)
}
