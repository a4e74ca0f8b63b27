//! The commands about the dialplan: its position, and GOSUB.

use super::channel::{Channel, Label};
use super::functions::Missing;
use super::scan::leading_number;

/// The result of GOSUB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GosubResult {
    /// There is no such label.
    NotFound,
    /// The subroutine could not be run.
    Failed,
    /// It ran and returned.
    Complete,
    /// It ran and ended without a return.
    AbnormalExit,
}

/// The commands about the dialplan.
impl Channel {
    /// SET CONTEXT.
    pub fn set_context(&mut self, context: &str) {
        context.clone_into(&mut self.context);
    }

    /// SET EXTENSION.
    pub fn set_extension(&mut self, extension: &str) {
        extension.clone_into(&mut self.extension);
    }

    /// SET PRIORITY, to a number or a label. Returns false for an unknown label.
    pub fn set_priority(&mut self, priority: &str) -> bool {
        let Some(number) = self.priority_of(&self.context, &self.extension, priority) else { return false };
        self.set_priority_number(number);
        true
    }

    pub(super) fn set_priority_number(&mut self, number: i32) {
        // Asterisk subtracts the one that the dialplan adds when it goes on, and PRIORITY shows the difference.
        if number >= 0 {
            self.priority = number - 1;
        }
    }

    /// Returns the number of a priority given by number or label.
    pub(super) fn priority_of(&self, context: &str, extension: &str, priority: &str) -> Option<i32> {
        leading_number(priority).or_else(|| {
            let here = |label: &&Label| {
                label.context == context && label.extension == extension && label.name.as_deref() == Some(priority)
            };
            self.labels.iter().find(here).map(|label| label.priority).filter(|number| *number > 0)
        })
    }

    /// GOSUB: runs the stand-in for a subroutine, or a declared one, which does nothing but return.
    pub fn gosub(&mut self, context: &str, extension: &str, priority: &str, args: Option<&str>) -> GosubResult {
        let place = [context, extension, priority];
        if self.stands_in_for_subroutine(place) {
            let value = self.stand_in_for_subroutine(place, args.unwrap_or_default());
            if self.dead {
                return GosubResult::AbnormalExit;
            }
            self.variables.set("GOSUB_RETVAL", &value.unwrap_or_default());
            return GosubResult::Complete;
        }
        let number = self.priority_of(context, extension, priority);
        let here =
            |label: &&Label| label.context == context && label.extension == extension && Some(label.priority) == number;
        let Some(label) = self.labels.iter().find(here) else {
            self.note_missing(Missing::Subroutine(format!("{context},{extension},{priority}")));
            return GosubResult::NotFound;
        };
        let value = label.returns.clone().unwrap_or_default();
        self.variables.set("GOSUB_RETVAL", &value);
        GosubResult::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::channel;
    use super::*;

    #[test]
    fn the_dialplan_position_is_set() {
        let mut channel =
            channel("").with_named_label("default", "s", "here", 7).with_subroutine("sub", "s", 1, Some("v"));
        assert!(!channel.set_priority("bogus") && channel.set_priority("here"));
        assert_eq!(channel.position(), ("default", "s", 7));
        assert_eq!(channel.get_variable("PRIORITY").unwrap(), "6");
        channel.set_context("c");
        channel.set_extension("e");
        assert_eq!(channel.position(), ("c", "e", 7));
        assert_eq!(channel.gosub("sub", "s", "1", None), GosubResult::Complete);
        assert_eq!(channel.get_variable("GOSUB_RETVAL").unwrap(), "v");
        assert_eq!(channel.gosub("nope", "s", "1", None), GosubResult::NotFound);
    }
}
