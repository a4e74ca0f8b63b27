//! What stands in for applications, subroutines and dialplan functions that the simulator doesn't have.

use super::channel::{Channel, StandIn};
use super::functions::Missing;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

impl Channel {
    /// Makes a function stand in for an application: EXEC returns what it returns. It replaces a built-in application
    /// of the same name.
    ///
    /// ```
    /// use agi_rhai::pbx::{Channel, IncomingCall, Plan};
    /// let mut channel = Channel::new(IncomingCall::default(), Box::new(Plan::silent()))
    ///     .with_application_by("Queue", |channel, arguments| {
    ///         channel.idle(channel.now() + std::time::Duration::from_secs(30));
    ///         channel.set_variable("QUEUESTATUS", if arguments == "support" { "TIMEOUT" } else { "JOINEMPTY" });
    ///         0
    ///     });
    /// assert_eq!(channel.exec("Queue", "support"), 0);
    /// assert_eq!(channel.get_variable("QUEUESTATUS").as_deref(), Some("TIMEOUT"));
    /// ```
    #[must_use]
    pub fn with_application_by(
        mut self,
        name: &str,
        mut run: impl FnMut(&mut Self, &str) -> i32 + Send + 'static,
    ) -> Self {
        let run = move |channel: &mut Self, arguments: &str, _: Option<&str>| run(channel, arguments);
        self.stand_ins.applications.insert(name.to_ascii_lowercase(), Arc::new(Mutex::new(run)));
        self
    }

    /// Makes a function stand in for a subroutine of the dialplan: GOSUB puts what it returns into `GOSUB_RETVAL`. The
    /// priority is a number or a label.
    #[must_use]
    pub fn with_subroutine_by(
        mut self,
        context: &str,
        extension: &str,
        priority: &str,
        mut run: impl FnMut(&mut Self, &str) -> Option<String> + Send + 'static,
    ) -> Self {
        let run = move |channel: &mut Self, arguments: &str, _: Option<&str>| run(channel, arguments);
        let place = [context, extension, priority].map(str::to_owned);
        self.stand_ins.subroutines.insert(place, Arc::new(Mutex::new(run)));
        self
    }

    /// Makes a function stand in for a function of the dialplan. It gets the arguments and, if the function is
    /// written, the new value, and returns the value that is read. It replaces a built-in function of the same name.
    #[must_use]
    pub fn with_function(
        mut self,
        name: &str,
        run: impl FnMut(&mut Self, &str, Option<&str>) -> Option<String> + Send + 'static,
    ) -> Self {
        self.stand_ins.functions.insert(name.to_owned(), Arc::new(Mutex::new(run)));
        self
    }

    /// Runs the stand-in for an application; `None` if there is none.
    pub(super) fn stand_in_for_application(&mut self, name: &str, arguments: &str) -> Option<i32> {
        let run = self.stand_ins.applications.get(&name.to_ascii_lowercase()).map(Arc::clone)?;
        self.run_stand_in(&run, arguments, None)
    }

    /// Whether something stands in for a subroutine.
    pub(super) fn stands_in_for_subroutine(&self, place: [&str; 3]) -> bool {
        self.stand_ins.subroutines.contains_key(&place.map(str::to_owned))
    }

    /// Runs the stand-in for a subroutine, and returns the value that it returns.
    pub(super) fn stand_in_for_subroutine(&mut self, place: [&str; 3], arguments: &str) -> Option<String> {
        let run = self.stand_ins.subroutines.get(&place.map(str::to_owned)).map(Arc::clone)?;
        self.run_stand_in(&run, arguments, None)?
    }

    /// Whether something stands in for a function.
    pub(super) fn stands_in_for_function(&self, name: &str) -> bool {
        self.stand_ins.functions.contains_key(name)
    }

    /// Runs the stand-in for a function, and returns the value that is read.
    pub(super) fn stand_in_for_function(&mut self, name: &str, arguments: &str, value: Option<&str>) -> Option<String> {
        let run = self.stand_ins.functions.get(name).map(Arc::clone)?;
        self.run_stand_in(&run, arguments, value)?
    }

    fn run_stand_in<T>(&mut self, run: &StandIn<T>, arguments: &str, value: Option<&str>) -> Option<T> {
        // One that runs itself would wait for itself.
        let mut run = run.try_lock().ok()?;
        Some(run(self, arguments, value))
    }

    pub(super) fn note_missing(&mut self, missing: Missing) {
        self.facts.missing.insert(missing);
    }

    /// Takes the list of what was used although the simulator doesn't have it.
    pub(crate) fn take_missing(&mut self) -> BTreeSet<Missing> {
        std::mem::take(&mut self.facts.missing)
    }
}
