//! `Dial`: calls others, and connects the caller.

use super::applications::seconds;
use super::channel::{Channel, WaitEvent};
use super::functions::split_arguments;
use super::scan::leading_number;
use crate::clock::Time;
use std::time::Duration;

/// The variables of a call that was answered: how long the caller's channel has been up and has existed, in seconds and
/// in milliseconds. Dial empties them when it begins.
const TIMES: [&str; 4] = ["ANSWEREDTIME", "ANSWEREDTIME_MS", "DIALEDTIME", "DIALEDTIME_MS"];

impl Channel {
    /// `Dial(targets,seconds,options)`
    pub(super) fn dial(&mut self, arguments: &str) -> i32 {
        let arguments = split_arguments(arguments, 4);
        let argument = |at: usize| arguments.get(at).map_or("", |text| text.trim());
        let (target, options) = (argument(0).split('&').next().unwrap_or_default(), argument(2));
        let call = self.callees.calls;
        self.callees.calls += 1;
        let statuses = &self.callees.statuses;
        let status = statuses.get(call).or(statuses.last()).cloned().unwrap_or_default();
        for name in TIMES.into_iter().chain(["DIALEDPEERNAME", "DIALEDPEERNUMBER", "DIALSTATUS"]) {
            self.set_variable(name, "");
        }
        self.hangup_cause = 0;
        let timeout = seconds(argument(1)).map_or(Time::NEVER, |length| self.now() + length);
        let ring_end = self.now() + self.callees.ring;
        let (status, until) = match status.as_str() {
            "NOANSWER" => (status, timeout),
            // It rings for longer than the script waits.
            _ if ring_end > timeout => ("NOANSWER".to_owned(), timeout),
            _ => (status, ring_end),
        };
        if !self.pass_until(until) {
            self.set_variable("DIALSTATUS", "CANCEL");
            return -1;
        }
        self.set_variable("DIALSTATUS", &status);
        if status != "ANSWER" {
            return 0;
        }
        self.answer();
        let number = target.split_once('/').map_or(target, |(_, number)| number);
        self.set_variable("DIALEDPEERNAME", &format!("{target}-{:08}", call + 2));
        self.set_variable("DIALEDPEERNUMBER", number);
        let talk = limit(options).map_or(self.callees.talk, |limit| limit.min(self.callees.talk));
        let stays = self.pass_until(self.now() + talk);
        let lengths = [self.answered.unwrap_or(self.created), self.created].map(|since| self.now() - since);
        let shown = lengths.into_iter().flat_map(|length| [u128::from(length.as_secs()), length.as_millis()]);
        for (name, value) in TIMES.into_iter().zip(shown) {
            self.set_variable(name, &value.to_string());
        }
        self.hangup_cause = 16;
        // If the callee hangs up first, Dial goes on only with `g`.
        if stays && option(options, 'g').is_some() { 0 } else { -1 }
    }

    /// Lets time pass, and drops keys. Returns false if the call was hung up.
    fn pass_until(&mut self, until: Time) -> bool {
        if until <= self.now() {
            return !self.dead;
        }
        self.next_prompt();
        loop {
            match self.hear_silence(until, false) {
                WaitEvent::TimeUp => return true,
                WaitEvent::HungUp => return false,
                WaitEvent::Key(_) | WaitEvent::Text(_) | WaitEvent::Speech(_) => {}
            }
        }
    }
}

/// Returns how long an answered call may last: `S(seconds)` or `L(milliseconds)`.
fn limit(options: &str) -> Option<Duration> {
    let number =
        |letter| option(options, letter).and_then(leading_number).and_then(|number| u64::try_from(number).ok());
    let limits = [number('S').map(Duration::from_secs), number('L').map(Duration::from_millis)];
    limits.into_iter().flatten().filter(|limit| !limit.is_zero()).min()
}

/// Returns the argument of an option, an empty text if it has none; `None` without the option.
fn option(options: &str, letter: char) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in options.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && c == letter => {
                let rest = options[at + 1..].strip_prefix('(');
                return Some(rest.map_or("", |rest| rest.split(')').next().unwrap_or_default()));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::{channel, elapsed};
    use std::time::Duration;

    /// Dials on a channel that was answered a second before, and compares the value of Dial, how long it took, and its
    /// variables.
    fn check(plan: &str, status: &str, call: &str, expected: &str) {
        let (ring, talk) = (Duration::from_secs(3), Duration::from_millis(20_500));
        let mut channel = channel(plan).with_dial_status(status).with_dial_times(ring, talk);
        channel.idle(channel.now() + Duration::from_secs(1));
        let value = channel.exec("Dial", call);
        let dead = if channel.is_dead() { " dead" } else { "" };
        let mut read = |name| channel.get_variable(name).unwrap();
        let [status, answered, dialed] = ["DIALSTATUS", "ANSWEREDTIME", "DIALEDTIME"].map(&mut read);
        assert_eq!(format!("{value} at {} {status}:{answered}:{dialed}{dead}", elapsed(&channel)), expected, "{call}");
    }

    #[test]
    fn a_dial_takes_as_long_as_its_parties_stay() {
        check("", "BUSY", "PJSIP/200,30", "0 at 4000 BUSY::");
        check("", "NOANSWER", "PJSIP/200,30", "0 at 31000 NOANSWER::");
        check("", "BUSY", "PJSIP/200,2", "0 at 3000 NOANSWER::");
        check("", "ANSWER", "PJSIP/200,30", "-1 at 24500 ANSWER:24:24");
        check("", "ANSWER", "PJSIP/200,30,g", "0 at 24500 ANSWER:24:24");
        check("", "ANSWER", "PJSIP/200,30,gS(5)", "0 at 9000 ANSWER:9:9");
        check("", "ANSWER", "PJSIP/200,30,L(2500:1000)g", "0 at 6500 ANSWER:6:6");
        check("hangs up after 2s", "ANSWER", "PJSIP/200,30,g", "-1 at 2000 CANCEL:: dead");
        check("hangs up after 7s", "ANSWER", "PJSIP/200,30,g", "-1 at 7000 ANSWER:7:7 dead");
        check("presses 1 after 7s", "ANSWER", "PJSIP/200,30,g", "0 at 24500 ANSWER:24:24");
    }

    #[test]
    fn each_dial_may_end_in_another_way() {
        let statuses = ["BUSY", "ANSWER"].map(str::to_owned);
        let mut channel = channel("").with_dial_statuses(&statuses);
        for expected in ["BUSY", "ANSWER", "ANSWER"] {
            channel.exec("Dial", "PJSIP/200,30,g");
            assert_eq!(channel.get_variable("DIALSTATUS").as_deref(), Some(expected));
        }
        assert_eq!(channel.get_variable("DIALEDPEERNUMBER").as_deref(), Some("200"));
        assert_eq!(channel.get_variable("HANGUPCAUSE").as_deref(), Some("16"));
    }
}
